//! What has to hold of a connection over TLS, whoever is between its ends.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a body that meets the unexpected has found something, and a panic is how it says so"
)]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::secure::Secure;
use super::tls::{Tls, TlsPem, TlsVersions};

/// The settings of both ends, by the versions that they speak.
pub(super) static TLS: LazyLock<[Tls; 3]> = LazyLock::new(|| {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let ca = params.self_signed(&key).expect("a CA").pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(["localhost".to_owned()]).expect("a good name");
    let cert = params.signed_by(&key, &issuer).expect("a certificate").pem();
    let key = key.serialize_pem();
    let pem = TlsPem { cert: cert.as_bytes(), key: key.as_bytes(), ca: ca.as_bytes(), crl: None };
    [TlsVersions::Both, TlsVersions::Tls12, TlsVersions::Tls13].map(|versions| Tls::from_pem(&pem, versions).expect("good files"))
});

thread_local! {
    /// Two ways that are used again and again: a new one for each run, and the system would be out of ports.
    static WAYS: [[TcpStream; 2]; 2] = [way(), way()];
}

fn way() -> [TcpStream; 2] {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let near = TcpStream::connect(listener.local_addr().expect("a port")).expect("it listens");
    let (far, _) = listener.accept().expect("somebody connects");
    for end in [&near, &far] {
        end.set_nonblocking(true).expect("a socket");
        end.set_nodelay(true).expect("a socket");
    }
    [near, far]
}

/// Reads at most so many bytes, as far as there are any.
fn taken(mut from: &TcpStream, most: usize) -> Vec<u8> {
    let mut bytes = vec![0; most];
    let len = from.read(&mut bytes).unwrap_or(0);
    bytes.truncate(len);
    bytes
}

/// One end of the connection, and the program behind it.
struct End {
    secure: Secure,
    /// The other end of its socket.
    far: TcpStream,
    /// What its program gave it, and how much of that it took.
    given: Vec<u8>,
    written: usize,
    got: Vec<u8>,
    failed: bool,
}

impl End {
    fn turn(&mut self) {
        if self.failed {
            return;
        }
        if self.secure.is_handshaking() {
            self.failed |= matches!(self.secure.step(), Err(e) if e.kind() != ErrorKind::WouldBlock);
            return;
        }
        if self.written < self.given.len() {
            match self.secure.write(&self.given[self.written..]) {
                Ok(len) => self.written += len,
                Err(e) => self.failed |= e.kind() != ErrorKind::WouldBlock,
            }
            assert!(self.written <= self.given.len());
        }
        let mut room = [0; 1000];
        match self.secure.read(&mut room) {
            Ok(0) => self.failed = true,
            Ok(len) => self.got.extend(&room[..len]),
            Err(e) => self.failed |= e.kind() != ErrorKind::WouldBlock,
        }
    }
}

/// The bytes of an input, one after the other; zeros behind its end.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn next(&mut self) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first)
    }
}

/// Runs two ends, and somebody between them who cuts what they say, changes it and adds to it. What a program is given is what the other has sent,
/// or the beginning of that.
pub fn tls(data: &[u8]) {
    let mut input = Choices(data);
    let mode = input.next();
    let (client, server) = (&TLS[mode % 3], &TLS[mode / 3 % 3]);
    let ways = WAYS.with(|ways| {
        ways.iter().flatten().for_each(|end| while !taken(end, 1 << 16).is_empty() {});
        [0, 1].map(|at| [0, 1].map(|end: usize| ways[at][end].try_clone().expect("descriptors to spare")))
    });
    let [[near, far], [other_near, other_far]] = ways;
    let (near, other_near) = (mio::net::TcpStream::from_std(near), mio::net::TcpStream::from_std(other_near));
    let end = |secure, far| End { secure, far, given: vec![], written: 0, got: vec![], failed: false };
    let mut ends = [
        end(Secure::client(client, near, "localhost").expect("a good name"), far),
        end(Secure::server(server, other_near).expect("good settings"), other_far),
    ];
    let (mut touched, mut change) = (false, None);
    if mode & 128 != 0 {
        settle(&mut ends);
    }
    while !input.0.is_empty() {
        let (what, which) = (input.next() % 8, input.next());
        let to = which & 1;
        match what {
            0 => change = Some((input.next(), input.next())).filter(|(_, by)| *by != 0),
            1 => {
                let bytes: Vec<u8> = (0..which >> 1).map(|_| u8::try_from(input.next()).unwrap_or_default()).collect();
                touched |= !bytes.is_empty();
                let _ = (&ends[to].far).write(&bytes);
            }
            2 => {
                let start = ends[to].given.len();
                ends[to].given.extend((start..start + 37 * (which >> 1)).map(|at| u8::try_from(at % 251).unwrap_or_default()));
            }
            3 => ends.iter_mut().for_each(End::turn),
            _ => {
                let mut bytes = taken(&ends[1 - to].far, if which > 128 { 1 << 14 } else { which });
                if let Some((at, by)) = change.take_if(|(at, _)| *at < bytes.len()) {
                    bytes[at] ^= u8::try_from(by).unwrap_or_default();
                    touched = true;
                }
                let _ = (&ends[to].far).write(&bytes);
                ends[to].turn();
            }
        }
        assert_prefixes(&ends);
    }
    settle(&mut ends);
    assert_prefixes(&ends);
    // 1.2 alone and 1.3 alone have nothing in common
    let can_speak = !matches!((mode % 3, mode / 3 % 3), (1, 2) | (2, 1));
    assert!(can_speak || ends.iter().any(|end| end.secure.is_handshaking()));
    if !touched && can_speak {
        let [a, b] = &ends;
        assert!(!a.failed && !b.failed, "nobody touched it, and it failed");
        assert!(a.got == b.given && b.got == a.given, "nobody touched it, and something is lost");
    }
}

/// Carries everything there is between the two.
fn settle(ends: &mut [End; 2]) {
    let mut idle = 0;
    while idle < 3 {
        let mut moved = 0;
        for to in 0..2 {
            let bytes = taken(&ends[1 - to].far, 1 << 14);
            // the other end's buffer has room: nothing waits there
            let _ = (&ends[to].far).write_all(&bytes);
            let before = (ends[to].got.len(), ends[to].written);
            ends[to].turn();
            moved += bytes.len() + usize::from(before != (ends[to].got.len(), ends[to].written));
        }
        idle = if moved == 0 { idle + 1 } else { 0 };
    }
}

fn assert_prefixes(ends: &[End; 2]) {
    let [a, b] = ends;
    assert!(b.given.starts_with(&a.got) && a.given.starts_with(&b.got), "what nobody sent came out");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over TLS 1.2, whose key has its end: what counts as written was sent, up to the last record.
    #[test]
    fn what_the_key_may_not_seal_is_not_taken() {
        for (tls, is_old) in [(&TLS[1], true), (&TLS[2], false)] {
            let [[near, far], [other_near, other_far]] = [way(), way()];
            let [near, other_near] = [near, other_near].map(mio::net::TcpStream::from_std);
            let end = |secure, far| End { secure, far, given: vec![], written: 0, got: vec![], failed: false };
            let mut ends = [
                end(Secure::client(tls, near, "localhost").unwrap(), far),
                end(Secure::server(tls, other_near).unwrap(), other_far),
            ];
            settle(&mut ends);
            ends[0].secure.records = (1 << 24) - 64 - 1;
            ends[0].given = vec![7; 5];
            settle(&mut ends);
            assert_eq!((ends[0].failed, ends[0].written, ends[1].got.len()), (false, 5, 5));
            ends[0].given.extend([8; 5]);
            assert_eq!(
                ends[0].secure.write(&[8; 5]).map_err(|e| e.to_string()),
                match is_old {
                    true =>
                        Err("this node has sent as many records as TLS 1.2 allows over one connection: use TLS 1.3".to_owned()),
                    false => Ok(5),
                }
            );
        }
    }
}
