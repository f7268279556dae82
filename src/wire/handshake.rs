//! The packets of the handshake, version 6 and the old first packet that OTP 23 and 24 may still send.
//!
//! Every packet is a body behind a length of 16 bits. Protocol: erl_dist_protocol, "Distribution Handshake".

use super::codes::Flags;
use super::cursor::{Reader, Short, Writer};
use crate::error::Misbehaved;

/// The first packet of whoever connects: its name, or its host alone when it wants a name from the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    pub(crate) flags: Flags,
    /// 0 while it has no name of its own.
    pub(crate) creation: u32,
    /// The name, in Latin-1.
    pub(crate) name: &'a [u8],
    /// The old form, which a [`Complement`] completes after the challenge.
    pub(crate) old: bool,
}

/// The connected side's opinion of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status<'a> {
    Ok,
    OkSimultaneous,
    Nok,
    NotAllowed,
    Alive,
    /// The name given to a node that asked for one, in UTF-8, and its creation.
    Named(&'a str, u32),
}

/// The reason for a refusal, in a packet of its own behind the status, or in place of what was to come. Other implementations do not know
/// it: they have closed by then, or close at it, as they do when the connection is closed without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// There is no place for another node.
    Full,
    /// The caller has the name of the node it called.
    OwnName,
    /// The caller took too long.
    Timeout,
    /// Another caller takes its place.
    Crowded,
}

/// The rest of an old first packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Complement {
    pub(crate) flags_high: u32,
    pub(crate) creation: u32,
}

/// The connected side's name and challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Challenge<'a> {
    pub(crate) flags: Flags,
    pub(crate) challenge: u32,
    pub(crate) creation: u32,
    /// The name, in Latin-1.
    pub(crate) name: &'a [u8],
}

/// The connecting side's proof, and its own challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) challenge: u32,
    pub(crate) digest: [u8; 16],
}

/// The connected side's proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ack {
    pub(crate) digest: [u8; 16],
}

/// The number of bytes in which a packet of the handshake says its length, which depends on what carries it.
///
/// Protocol: erl_dist_protocol, "Distribution Handshake", has the one of TCP; that of TLS is what `inet_tls_dist` sets, `{packet, 4}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefix {
    /// Over TCP and a serial line.
    #[default]
    Two,
    /// Over TLS.
    Four,
}

impl Prefix {
    /// Returns the number.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    fn read(self, r: &mut Reader<'_>) -> Result<usize, Short> {
        match self {
            Self::Two => r.u16().map(usize::from),
            Self::Four => r.u32().map(|len| usize::try_from(len).unwrap_or(usize::MAX)),
        }
    }
}

/// The place that packets of the handshake are written to, and the form of their lengths.
pub(crate) struct Packets<'o, 'b> {
    pub(crate) out: &'o mut Writer<'b>,
    pub(crate) prefix: Prefix,
}

/// Splits the first packet off received bytes: its body, and how many bytes it takes in all.
pub(crate) fn split(bytes: &[u8], prefix: Prefix) -> Option<(&[u8], usize)> {
    let mut r = Reader::new(bytes);
    let len = prefix.read(&mut r).ok()?;
    let body = r.bytes(len).ok()?;
    Some((body, bytes.len().saturating_sub(r.rest().len())))
}

/// Returns how many bytes the packet at the front of `bytes` takes, if its length is there.
pub(crate) fn announced(bytes: &[u8], prefix: Prefix) -> Option<usize> {
    prefix.read(&mut Reader::new(bytes)).ok().map(|len| len.saturating_add(prefix.len()))
}

/// Returns the name that the protocol documents give the packet with this body; `connecting` when it is of the side that connected.
pub(crate) fn packet_name(body: &[u8], connecting: bool) -> &'static str {
    match (body.first(), connecting) {
        (Some(b'N' | b'n'), true) => "send_name",
        (Some(b's'), _) => "send_status",
        (Some(b'N' | b'n'), false) => "send_challenge",
        (Some(b'c'), true) => "send_complement",
        (Some(b'r'), true) => "send_challenge_reply",
        (Some(b'a'), false) => "send_challenge_ack",
        _ => "unknown packet",
    }
}

/// Writes a packet: the length before what `body` writes.
fn packet(packets: &mut Packets<'_, '_>, body: impl FnOnce(&mut Writer<'_>)) {
    let Packets { out, prefix } = packets;
    if *prefix == Prefix::Four {
        // no packet of ours comes near 64 KiB: names have at most 255 characters
        out.u16(0);
    }
    let at = out.len();
    out.u16(0);
    body(out);
    let len = out.len().saturating_sub(at).saturating_sub(2);
    out.patch_u16(at, u16::try_from(len).unwrap_or(u16::MAX));
}

/// Writes a name in Latin-1. No name of ours has other characters but by mistake, and then the peer refuses it.
fn put_latin1(out: &mut Writer<'_>, name: &str) {
    name.chars().for_each(|c| out.u8(u8::try_from(u32::from(c)).unwrap_or(b'?')));
}

fn put_name16(out: &mut Writer<'_>, name: &str) {
    let len = name.chars().count();
    out.u16(u16::try_from(len).unwrap_or(u16::MAX));
    put_latin1(out, name);
}

impl<'a> Name<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Misbehaved> {
        Self::read(&mut Reader::new(body)).ok().flatten().ok_or(Misbehaved::Handshake("send_name"))
    }

    fn read(r: &mut Reader<'a>) -> Result<Option<Self>, Short> {
        match r.u8()? {
            // what may follow the name is for later versions of the protocol
            b'N' => {
                let (flags, creation) = (Flags(r.u64()?), r.u32()?);
                Ok(Some(Self { flags: flags.expanded(), creation, name: r.bytes16()?, old: false }))
            }
            b'n' => {
                let (version, flags) = (r.u16()?, r.u32()?);
                let flags = Flags(flags.into()).expanded();
                Ok((version == 5).then_some(Self { flags, creation: 0, name: r.rest(), old: true }))
            }
            _ => Ok(None),
        }
    }

    pub(crate) fn put(out: &mut Packets<'_, '_>, flags: Flags, creation: u32, name: &str) {
        packet(out, |out| {
            out.u8(b'N');
            out.u64(flags.0);
            out.u32(creation);
            put_name16(out, name);
        });
    }
}

impl<'a> Status<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Misbehaved> {
        let bad = Misbehaved::Handshake("status");
        match body.strip_prefix(b"s").ok_or(bad)? {
            b"ok" => Ok(Self::Ok),
            b"ok_simultaneous" => Ok(Self::OkSimultaneous),
            b"nok" => Ok(Self::Nok),
            b"not_allowed" => Ok(Self::NotAllowed),
            b"alive" => Ok(Self::Alive),
            other => {
                let mut r = Reader::new(other.strip_prefix(b"named:").ok_or(bad)?);
                let name = r.bytes16().map_err(|Short| bad)?;
                let creation = r.u32().map_err(|Short| bad)?;
                Ok(Self::Named(core::str::from_utf8(name).map_err(|_| bad)?, creation))
            }
        }
    }

    pub(crate) fn put(self, out: &mut Packets<'_, '_>) {
        packet(out, |out| {
            out.u8(b's');
            out.bytes(match self {
                Self::Ok => b"ok",
                Self::OkSimultaneous => b"ok_simultaneous",
                Self::Nok => b"nok",
                Self::NotAllowed => b"not_allowed",
                Self::Alive => b"alive",
                Self::Named(..) => b"named:",
            });
            if let Self::Named(name, creation) = self {
                out.u16(u16::try_from(name.len()).unwrap_or(u16::MAX));
                out.bytes(name.as_bytes());
                out.u32(creation);
            }
        });
    }
}

impl Refusal {
    const ALL: [(Self, &'static [u8]); 4] = [
        (Self::Full, b"swhy:full"),
        (Self::OwnName, b"swhy:own_name"),
        (Self::Timeout, b"swhy:timeout"),
        (Self::Crowded, b"swhy:crowded"),
    ];

    /// Reads the packet; nothing if it is another, or gives a reason that is not known here.
    pub(crate) fn parse(body: &[u8]) -> Option<Self> {
        Self::ALL.iter().find(|(_, text)| *text == body).map(|(refusal, _)| *refusal)
    }

    pub(crate) fn put(self, out: &mut Packets<'_, '_>) {
        for (_, text) in Self::ALL.iter().filter(|(refusal, _)| *refusal == self) {
            packet(out, |out| out.bytes(text));
        }
    }
}

/// Reads the answer to the status `alive`: true if the connecting side still wants the new connection.
pub(crate) fn parse_alive_answer(body: &[u8]) -> Result<bool, Misbehaved> {
    match body {
        b"strue" => Ok(true),
        b"sfalse" => Ok(false),
        _ => Err(Misbehaved::Handshake("answer to alive")),
    }
}

pub(crate) fn put_alive_answer(out: &mut Packets<'_, '_>, wanted: bool) {
    packet(out, |out| out.bytes(if wanted { b"strue" } else { b"sfalse" }));
}

impl Complement {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Misbehaved> {
        Self::read(&mut Reader::new(body)).ok().flatten().ok_or(Misbehaved::Handshake("complement"))
    }

    fn read(r: &mut Reader<'_>) -> Result<Option<Self>, Short> {
        if r.u8()? != b'c' {
            return Ok(None);
        }
        Ok(Some(Self { flags_high: r.u32()?, creation: r.u32()? }))
    }
}

impl<'a> Challenge<'a> {
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Misbehaved> {
        Self::read(&mut Reader::new(body)).ok().flatten().ok_or(Misbehaved::Handshake("challenge"))
    }

    fn read(r: &mut Reader<'a>) -> Result<Option<Self>, Short> {
        if r.u8()? != b'N' {
            return Ok(None);
        }
        let flags = Flags(r.u64()?).expanded();
        let (challenge, creation) = (r.u32()?, r.u32()?);
        Ok(Some(Self { flags, challenge, creation, name: r.bytes16()? }))
    }

    pub(crate) fn put(out: &mut Packets<'_, '_>, flags: Flags, challenge: u32, creation: u32, name: &str) {
        packet(out, |out| {
            out.u8(b'N');
            out.u64(flags.0);
            out.u32(challenge);
            out.u32(creation);
            put_name16(out, name);
        });
    }
}

impl Reply {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Misbehaved> {
        Self::read(&mut Reader::new(body)).ok().flatten().ok_or(Misbehaved::Handshake("challenge reply"))
    }

    fn read(r: &mut Reader<'_>) -> Result<Option<Self>, Short> {
        if r.u8()? != b'r' {
            return Ok(None);
        }
        Ok(Some(Self { challenge: r.u32()?, digest: r.digest()? }))
    }

    pub(crate) fn put(self, out: &mut Packets<'_, '_>) {
        packet(out, |out| {
            out.u8(b'r');
            out.u32(self.challenge);
            out.bytes(&self.digest);
        });
    }
}

impl Ack {
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Misbehaved> {
        Self::read(&mut Reader::new(body)).ok().flatten().ok_or(Misbehaved::Handshake("challenge ack"))
    }

    fn read(r: &mut Reader<'_>) -> Result<Option<Self>, Short> {
        if r.u8()? != b'a' {
            return Ok(None);
        }
        Ok(Some(Self { digest: r.digest()? }))
    }

    pub(crate) fn put(self, out: &mut Packets<'_, '_>) {
        packet(out, |out| {
            out.u8(b'a');
            out.bytes(&self.digest);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::captured::{damaged, packets};
    use crate::wire::digest::digest;

    /// Returns the packet that `put` writes, without its length, whose form makes no difference.
    fn written(put: impl Fn(&mut Packets<'_, '_>)) -> Vec<u8> {
        let [two, four] = [Prefix::Two, Prefix::Four].map(|prefix| {
            let mut buf = [0; 600];
            let mut out = Writer::new(&mut buf);
            put(&mut Packets { out: &mut out, prefix });
            let len = out.finish().unwrap();
            let (body, taken) = split(&buf[..len], prefix).unwrap();
            assert_eq!((taken, announced(&buf, prefix), body.len()), (len, Some(len), len - prefix.len()));
            body.to_vec()
        });
        assert_eq!(two, four);
        two
    }

    fn latin1(name: &[u8]) -> String {
        name.iter().map(|b| char::from(*b)).collect()
    }

    #[test]
    fn each_packet_has_the_name_of_the_protocol() {
        let named = |connecting| b"Nnscrax".map(|kind| packet_name(&[kind], connecting));
        let (none, [name, status, challenge]) = ("unknown packet", ["send_name", "send_status", "send_challenge"]);
        assert_eq!(named(true), [name, name, status, "send_complement", "send_challenge_reply", none, none]);
        assert_eq!(named(false), [challenge, challenge, status, none, none, "send_challenge_ack", none]);
    }

    #[test]
    fn names() {
        for kind in ["send_name", "send_name_hidden", "send_name_dynamic"] {
            for bytes in packets(&format!("handshake/{kind}")) {
                let name = Name::parse(&bytes).unwrap();
                assert!(!name.old && name.flags.missing(Flags::DEMANDED) == Flags(0), "{kind}");
                assert_eq!(name.flags.has(Flags::PUBLISHED), kind == "send_name");
                assert_eq!(name.flags.has(Flags::NAME_ME), kind == "send_name_dynamic");
                let flags = Flags(Reader::new(&bytes[1..]).u64().unwrap());
                assert_eq!(written(|out| Name::put(out, flags, name.creation, &latin1(name.name))), bytes);
            }
        }
        let old = packets("handshake/send_name_version_5").into_iter().find(|bytes| bytes[0] == b'n').unwrap();
        let name = Name::parse(&old).unwrap();
        assert!(name.old && latin1(name.name).contains('@') && name.flags.missing(Flags::DEMANDED) == Flags(0));
        assert_eq!(Name::parse(b"N"), Err(Misbehaved::Handshake("send_name")));
    }

    #[test]
    fn statuses() {
        for (kind, status) in [
            ("ok", Status::Ok),
            ("ok_simultaneous", Status::OkSimultaneous),
            ("nok", Status::Nok),
            ("not_allowed", Status::NotAllowed),
            ("alive", Status::Alive),
        ] {
            for bytes in packets(&format!("handshake/status_{kind}")) {
                assert_eq!(Status::parse(&bytes), Ok(status));
                assert_eq!(written(|out| status.put(out)), bytes);
            }
        }
        for bytes in packets("handshake/status_named") {
            let status = Status::parse(&bytes).unwrap();
            assert!(matches!(status, Status::Named(name, creation) if name.ends_with("@localhost") && creation > 3));
            assert_eq!(written(|out| status.put(out)), bytes);
        }
        // no Erlang has these packets; `refusals` in tests/erlang shows what it makes of them
        for (refusal, bytes) in Refusal::ALL {
            assert_eq!(Refusal::parse(bytes), Some(refusal));
            assert_eq!(written(|out| refusal.put(out)), bytes);
        }
        assert_eq!((Refusal::parse(b"swhy:"), Refusal::parse(b"sok")), (None, None));
        for wanted in [true, false] {
            for bytes in packets(&format!("handshake/alive_answer_{wanted}")) {
                assert_eq!(parse_alive_answer(&bytes), Ok(wanted));
                assert_eq!(written(|out| put_alive_answer(out, wanted)), bytes);
            }
        }
        assert!(Status::parse(b"sno idea").is_err());
    }

    #[test]
    fn challenges_and_proofs() {
        for kind in ["challenge", "challenge_after_alive", "challenge_after_named"] {
            for bytes in packets(&format!("handshake/{kind}")) {
                let challenge = Challenge::parse(&bytes).unwrap();
                let flags = Flags(Reader::new(&bytes[1..]).u64().unwrap());
                let name = latin1(challenge.name);
                assert_eq!(written(|out| Challenge::put(out, flags, challenge.challenge, challenge.creation, &name)), bytes);
            }
        }
        // the recorder's challenge was 2309737967 throughout, and the cookie `secret`
        for bytes in packets("handshake/challenge_ack") {
            let ack = Ack::parse(&bytes).unwrap();
            assert_eq!(ack.digest, digest(b"secret", 2_309_737_967));
            assert_eq!(written(|out| ack.put(out)), bytes);
        }
        for bytes in packets("handshake/challenge_reply") {
            let reply = Reply::parse(&bytes).unwrap();
            assert_eq!(reply.digest, digest(b"secret", 2_309_737_967));
            assert_eq!(written(|out| reply.put(out)), bytes);
        }
        for bytes in packets("handshake/complement") {
            let Complement { flags_high, creation } = Complement::parse(&bytes).unwrap();
            assert_eq!([&b"c"[..], &flags_high.to_be_bytes(), &creation.to_be_bytes()].concat(), bytes);
        }
    }

    #[test]
    fn damage_is_refused_or_read() {
        damaged("handshake/*", |bytes| {
            let _ = (Name::parse(bytes), Status::parse(bytes), parse_alive_answer(bytes), Complement::parse(bytes));
            let _ = (Challenge::parse(bytes), Reply::parse(bytes), Ack::parse(bytes));
            for prefix in [Prefix::Two, Prefix::Four] {
                let _ = (split(bytes, prefix), announced(bytes, prefix));
            }
        });
    }
}
