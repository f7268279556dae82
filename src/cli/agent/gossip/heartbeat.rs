//! The heartbeat of libcluster's strategy `Gossip`: a datagram with the name of the node that says it, as `#{node => Name}`.

use beamless::{NodeName, Term, encode};

use super::secret::{BLOCK, Secret};

/// The bytes in front of the term.
const PREFIX: &[u8] = b"heartbeat::";
/// The most bytes that a heartbeat has, and some more: a name has 255 at most.
pub(super) const LARGEST: usize = 512;

/// Returns the heartbeat of a node; nothing if the system has no random numbers, or the secret is not there yet.
pub(super) fn written(node: &NodeName, secret: Option<&Secret>) -> Option<Vec<u8>> {
    let mut room = [0; LARGEST];
    let term = encode(&mut room, |t| {
        t.map(1)?;
        t.atom("node")?;
        t.atom(node.as_str())
    });
    let plain = [PREFIX, term.ok()?].concat();
    let Some(secret) = secret else { return Some(plain) };
    let mut vector = [0; BLOCK];
    getrandom::fill(&mut vector).ok()?;
    secret.encrypt(vector, &plain)
}

/// Reads a heartbeat, which anybody may have sent. Returns the node that it names.
pub(super) fn read(bytes: &mut [u8], secret: Option<&Secret>) -> Option<NodeName> {
    let plain = match secret {
        Some(secret) => secret.decrypt(bytes)?,
        None => bytes,
    };
    let term = Term::parse(plain.strip_prefix(PREFIX)?).ok()?;
    NodeName::new(&term.get("node")?.as_atom()?.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn name(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn secret(text: &str) -> Secret {
        Secret::new(PathBuf::from("secret"), text.as_bytes())
    }

    /// Behind the prefix, `term_to_binary(#{node => Name})` of OTP 29.
    #[test]
    fn what_is_written_is_what_erlang_writes() {
        for (node, hex) in [
            ("edge1@10.0.0.7", "83740000000177046e6f6465770e65646765314031302e302e302e37"),
            ("küche@nuc", "83740000000177046e6f6465770a6bc3bc636865406e7563"),
            ("Δ@nuc", "83740000000177046e6f64657706ce94406e7563"),
        ] {
            let plain = [PREFIX, &bytes(hex)].concat();
            assert_eq!(written(&name(node), None).unwrap(), plain, "{node}");
        }
    }

    /// `term_to_binary(#{node => Name})` of OTP 25 and of OTP 29; also with other keys, which libcluster does not look at.
    #[test]
    fn what_erlang_writes_is_read() {
        for (hex, node) in [
            ("8374000000016400046e6f646564000e65646765314031302e302e302e37", "edge1@10.0.0.7"),
            ("83740000000177046e6f6465770e65646765314031302e302e302e37", "edge1@10.0.0.7"),
            ("8374000000016400046e6f64656400096bfc636865406e7563", "küche@nuc"),
            ("83740000000177046e6f6465770a6bc3bc636865406e7563", "küche@nuc"),
            ("8374000000016400046e6f64657706ce94406e7563", "Δ@nuc"),
            ("8374000000026101610277046e6f6465770361406e", "a@n"),
        ] {
            assert_eq!(read(&mut [PREFIX, &bytes(hex)].concat(), None), Some(name(node)), "{hex}");
        }
    }

    /// `crypto:crypto_one_time(aes_256_cbc, crypto:hash(sha256, <<"sesame">>), <<0, .., 15>>, Padded, true)` of OTP 25 and of OTP 29.
    #[test]
    fn what_is_encrypted_is_what_erlang_encrypts() {
        let vector = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        let secret = secret("sesame");
        for (node, hex) in [
            (
                "edge1@10.0.0.7",
                "8c7396e109fc29f2c269c9787a02c0598832d1b9b229a331828fbf21cb687ebf2329f5e2e8cb7c583d4a89100bd935aa",
            ),
            ("ed@10.0.0.7", "8c7396e109fc29f2c269c9787a02c059f711a3438fc24f3109316edcc33cefd4904ceb841f7acfcbfcd36d10cf4d1191"),
        ] {
            let mut encrypted = [&vector[..], &bytes(hex)].concat();
            let plain = written(&name(node), None).unwrap();
            assert_eq!(secret.encrypt(vector, &plain).as_ref(), Some(&encrypted));
            assert_eq!(secret.decrypt(&mut encrypted.clone()), Some(&plain[..]));
            assert_eq!(read(&mut encrypted, Some(&secret)), Some(name(node)));
        }
    }

    /// Names of every length, and so texts that fill their last block to any byte, are read again by whoever has the secret, and by nobody else.
    #[test]
    fn only_the_secret_reads_what_is_encrypted() {
        let (sesame, other) = (secret("sesame"), secret("sesame "));
        for len in 1..=253 {
            let node = name(&format!("{}@h", "n".repeat(len)));
            let sent = written(&node, Some(&sesame)).unwrap();
            assert!(sent.len() <= LARGEST && sent.len() % BLOCK == 0);
            assert_eq!(read(&mut sent.clone(), Some(&sesame)), Some(node.clone()));
            assert_eq!(read(&mut sent.clone(), Some(&other)), None);
            assert_eq!(read(&mut sent.clone(), None), None);
            assert_ne!(written(&node, Some(&sesame)).unwrap(), sent, "the vector is another one each time");
            assert_eq!(read(&mut written(&node, None).unwrap(), Some(&sesame)), None, "it is not encrypted");
        }
    }

    #[test]
    fn what_is_no_heartbeat_is_none() {
        let sesame = secret("sesame");
        let whole = written(&name("edge1@host"), None).unwrap();
        let sent = written(&name("edge1@host"), Some(&sesame)).unwrap();
        for len in 0..whole.len() {
            assert_eq!(read(&mut whole[..len].to_vec(), None), None, "{len}");
        }
        for len in 0..sent.len() {
            assert_eq!(read(&mut sent[..len].to_vec(), Some(&sesame)), None, "{len}");
        }
        assert_eq!(read(&mut [&whole[..], b"x"].concat(), None), None);
        let with = |hex: &str| read(&mut [PREFIX, &bytes(hex)].concat(), None);
        assert_eq!(with("83740000000177046e6f64656d0000000361406e"), None, "a binary");
        assert_eq!(with("83740000000177046e6f646577016e"), None, "no name of a node");
        assert_eq!(with("83740000000177046e6f64657704610a406e"), None, "more than a name");
        assert_eq!(with("8374ffffffff77046e6f6465770361406e"), None, "fewer pairs than it says");
        assert_eq!(with("83740000000177036e6f64770361406e"), None, "another key");
        assert_eq!(with("83770361406e"), None, "no map");
        assert_eq!(with("83500000000d789c2b2e29ca4bcc4d05"), None, "compressed");
    }

    /// Whatever comes, nothing but a name or nothing comes of it.
    #[test]
    fn damaged_bytes_do_no_harm() {
        let sesame = secret("sesame");
        for secret in [None, Some(&sesame)] {
            let sent = written(&name("edge1@host"), secret).unwrap();
            for at in 0..sent.len() {
                for bit in 0..8 {
                    let mut bytes = sent.clone();
                    bytes[at] ^= 1 << bit;
                    let _ = read(&mut bytes, secret);
                }
            }
        }
    }
}
