//! EPMD's requests and answers, read and written (erl_dist_protocol, "EPMD Protocol").
//!
//! A request is a length of 16 bits and a body that starts with its tag; answers have no length and end with the connection,
//! except the one to ALIVE2_REQ, whose size its tag tells.

use core::fmt::{self, Write as _};

use super::codes::epmd as tag;
use super::cursor::{Overflow, Reader, Short, Writer};
use super::split;
use crate::error::Misbehaved;

/// The most characters a node's alive name has.
pub(crate) const MAX_NAME_CHARS: usize = 255;
/// The most bytes of that: four for each character of UTF-8.
pub(crate) const MAX_NAME_BYTES: usize = 4 * MAX_NAME_CHARS;
/// The most bytes of the extra information a node can leave with EPMD.
pub(crate) const MAX_EXTRA_BYTES: usize = MAX_NAME_BYTES;
/// The longest request that makes sense, its length included: ALIVE2_REQ with a name and extra information of the greatest length.
pub(crate) const MAX_REQUEST: usize = 2 + ALIVE2_FIXED + MAX_NAME_BYTES + MAX_EXTRA_BYTES;
/// The longest line of the answer to NAMES_REQ: `name `, the name, ` at port `, five digits and a line feed.
pub(crate) const MAX_NAMES_LINE: usize = 5 + MAX_NAME_BYTES + 9 + 5 + 1;

/// ALIVE2_REQ without name and extra information.
const ALIVE2_FIXED: usize = 13;

/// The creation in an answer that refuses; it means nothing, and epmd sends it.
const NO_CREATION: u32 = 99;
/// The least highest version of a node that gets a creation of 32 bits: those know it from OTP 23.
const WIDE_CREATION_VERSION: u16 = 6;

/// The facts that a node tells about itself when it registers, and that EPMD tells whoever looks it up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NodeInfo<'a> {
    /// The port the node listens on.
    pub(crate) port: u16,
    /// 77 (`M`) for a visible node, 72 (`H`) for a hidden one; others exist (ei sends 104) and nobody reads it.
    pub(crate) node_type: u8,
    /// 0: TCP.
    pub(crate) protocol: u8,
    /// The highest version of the distribution protocol it speaks: 6 from OTP 23, 5 before.
    pub(crate) highest: u16,
    /// The lowest one.
    pub(crate) lowest: u16,
    /// The alive name, which ought to be UTF-8.
    pub(crate) name: &'a [u8],
    /// Extra information; no node of OTP sends any.
    pub(crate) extra: &'a [u8],
}

impl<'a> NodeInfo<'a> {
    /// The type of a visible node.
    pub(crate) const VISIBLE: u8 = 77;
    /// The type of a hidden node.
    pub(crate) const HIDDEN: u8 = 72;

    /// Makes a node of this crate: TCP, version 6 of the protocol alone.
    pub(crate) fn own(name: &'a str, port: u16, hidden: bool) -> Self {
        let node_type = if hidden { Self::HIDDEN } else { Self::VISIBLE };
        Self { port, node_type, protocol: 0, highest: 6, lowest: 6, name: name.as_bytes(), extra: &[] }
    }

    fn head(r: &mut Reader<'_>) -> Result<Self, Short> {
        Ok(Self {
            port: r.u16()?,
            node_type: r.u8()?,
            protocol: r.u8()?,
            highest: r.u16()?,
            lowest: r.u16()?,
            name: &[],
            extra: &[],
        })
    }

    fn read(r: &mut Reader<'a>) -> Result<Self, Short> {
        let head = Self::head(r)?;
        Ok(Self { name: r.bytes16()?, extra: r.bytes16()?, ..head })
    }

    fn write(&self, w: &mut Writer<'_>) {
        w.u16(self.port);
        w.u8(self.node_type);
        w.u8(self.protocol);
        w.u16(self.highest);
        w.u16(self.lowest);
        write16(w, self.name);
        write16(w, self.extra);
    }

    /// Returns true if the node understands a creation of 32 bits.
    pub(crate) const fn takes_wide_creation(&self) -> bool {
        self.highest >= WIDE_CREATION_VERSION
    }
}

/// Writes a length of 16 bits and the bytes. More bytes than it can say overflow the writer, since no packet of EPMD has room for them.
fn write16(w: &mut Writer<'_>, bytes: &[u8]) {
    w.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
    w.bytes(bytes);
}

/// Returns the name, if it is one EPMD takes: UTF-8 of at most 255 characters.
pub(crate) fn valid_name(bytes: &[u8]) -> Option<&str> {
    let name = core::str::from_utf8(bytes).ok()?;
    (name.chars().count() <= MAX_NAME_CHARS).then_some(name)
}

/// A request to EPMD.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// ALIVE2_REQ: register this node for as long as the connection stands.
    Alive2(NodeInfo<'a>),
    /// PORT_PLEASE2_REQ: where does the node of this name listen.
    PortPlease2(&'a str),
    /// NAMES_REQ: list the registered names.
    Names,
    /// DUMP_REQ: list everything, names that are gone included.
    Dump,
    /// KILL_REQ: end EPMD.
    Kill,
    /// STOP_REQ: unregister a name by force.
    Stop(&'a [u8]),
}

impl<'a> Request<'a> {
    /// Returns how long the request at the start of `bytes` is, its length field included; `None` until that field is there.
    pub(crate) fn length(bytes: &[u8]) -> Option<usize> {
        let len = Reader::new(bytes).u16().ok()?;
        Some(usize::from(len).saturating_add(2))
    }

    /// Reads the body of a request: what follows its length.
    ///
    /// What epmd lets pass, passes: bytes after the last field, a NUL after a looked-up name.
    pub(crate) fn parse(body: &'a [u8]) -> Result<Self, Misbehaved> {
        let mut r = Reader::new(body);
        match r.u8() {
            Ok(tag::ALIVE2_REQ) => Self::parse_alive2(r),
            Ok(tag::PORT_PLEASE2_REQ) => Self::parse_port_please2(r.rest()),
            Ok(tag::NAMES_REQ) => Ok(Self::Names),
            Ok(tag::DUMP_REQ) => Ok(Self::Dump),
            Ok(tag::KILL_REQ) => Ok(Self::Kill),
            Ok(tag::STOP_REQ) => Ok(Self::Stop(r.rest())),
            _ => Err(Misbehaved::Epmd("request")),
        }
    }

    fn parse_alive2(mut r: Reader<'a>) -> Result<Self, Misbehaved> {
        let bad = Misbehaved::Epmd("ALIVE2_REQ");
        // the body must be longer than its fixed part: room for one character of a name
        if r.rest().len() < ALIVE2_FIXED {
            return Err(bad);
        }
        let info = NodeInfo::read(&mut r).map_err(|Short| bad)?;
        if info.name.contains(&0) { Err(bad) } else { Ok(Self::Alive2(info)) }
    }

    fn parse_port_please2(name: &'a [u8]) -> Result<Self, Misbehaved> {
        let name = name.strip_suffix(&[0]).unwrap_or(name);
        let name = valid_name(name).filter(|name| !name.is_empty() && !name.contains('\0'));
        name.map(Self::PortPlease2).ok_or(Misbehaved::Epmd("PORT_PLEASE2_REQ"))
    }

    /// Writes the whole request, its length included.
    pub(crate) fn emit(&self, buf: &mut [u8]) -> Result<usize, Overflow> {
        let mut w = Writer::new(buf);
        w.u16(0);
        match self {
            Self::Alive2(info) => {
                w.u8(tag::ALIVE2_REQ);
                info.write(&mut w);
            }
            Self::PortPlease2(name) => {
                w.u8(tag::PORT_PLEASE2_REQ);
                w.bytes(name.as_bytes());
            }
            Self::Names => w.u8(tag::NAMES_REQ),
            Self::Dump => w.u8(tag::DUMP_REQ),
            Self::Kill => w.u8(tag::KILL_REQ),
            Self::Stop(name) => {
                w.u8(tag::STOP_REQ);
                w.bytes(name);
            }
        }
        let body = w.len().saturating_sub(2);
        w.patch_u16(0, u16::try_from(body).unwrap_or(u16::MAX));
        w.finish()
    }
}

/// The answer to ALIVE2_REQ: ALIVE2_X_RESP (118), or ALIVE2_RESP (121) to a node that does not know creations of 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Alive2Answer {
    /// 0 when registered; anything else is a refusal, and the number gives no reason.
    pub(crate) result: u8,
    /// The incarnation of its name that the node is. It means nothing in a refusal.
    pub(crate) creation: u32,
}

impl Alive2Answer {
    /// The most bytes it has.
    pub(crate) const MAX: usize = 6;
    /// Refused.
    pub(crate) const REFUSED: Self = Self { result: 1, creation: NO_CREATION };

    /// Makes the answer to a registration that gave this creation.
    pub(crate) const fn registered(creation: u32) -> Self {
        Self { result: 0, creation }
    }

    /// Reads it off the start of what has come so far; `None` while it is not complete.
    ///
    /// Its tag, not the version asked with, says how long it is.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Misbehaved> {
        let mut r = Reader::new(bytes);
        let wide = match r.u8() {
            Ok(tag::ALIVE2_X_RESP) => true,
            Ok(tag::ALIVE2_RESP) => false,
            Ok(_) => return Err(Misbehaved::Epmd("answer to ALIVE2_REQ")),
            Err(Short) => return Ok(None),
        };
        let fields = |mut r: Reader<'_>| -> Result<Self, Short> {
            let result = r.u8()?;
            let creation = if wide { r.u32()? } else { u32::from(r.u16()?) };
            Ok(Self { result, creation })
        };
        Ok(fields(r).ok())
    }

    /// Writes it in the long form (118) or the short one (121), which has the creation's lower 16 bits.
    pub(crate) fn emit(self, wide: bool, buf: &mut [u8]) -> Result<usize, Overflow> {
        let mut w = Writer::new(buf);
        w.u8(if wide { tag::ALIVE2_X_RESP } else { tag::ALIVE2_RESP });
        w.u8(self.result);
        if wide {
            w.u32(self.creation);
        } else {
            w.u16(u16::try_from(self.creation & 0xffff).unwrap_or_default());
        }
        w.finish()
    }
}

/// The answer to PORT_PLEASE2_REQ: PORT2_RESP (119).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortAnswer<'a> {
    /// The node that has the name.
    Known(NodeInfo<'a>),
    /// No node has the name. The number, which is not 0, gives no reason.
    Unknown(u8),
}

impl<'a> PortAnswer<'a> {
    /// Bytes up to and with the versions: all that connecting takes.
    pub(crate) const HEAD: usize = 10;
    /// The most bytes it has.
    pub(crate) const MAX: usize = Self::HEAD + 2 + MAX_NAME_BYTES + 2 + MAX_EXTRA_BYTES;

    /// Reads it without name and extra information, which are left empty; `None` while that much is not there.
    pub(crate) fn parse_head(bytes: &[u8]) -> Result<Option<PortAnswer<'static>>, Misbehaved> {
        Ok(match Self::start(bytes)? {
            Some((0, mut r)) => NodeInfo::head(&mut r).ok().map(PortAnswer::Known),
            Some((result, _)) => Some(PortAnswer::Unknown(result)),
            None => None,
        })
    }

    /// Reads all of it; `None` while it is not complete. A node looks up with the head alone.
    #[cfg(test)]
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Option<Self>, Misbehaved> {
        Ok(match Self::start(bytes)? {
            Some((0, mut r)) => NodeInfo::read(&mut r).ok().map(Self::Known),
            Some((result, _)) => Some(Self::Unknown(result)),
            None => None,
        })
    }

    fn start(bytes: &[u8]) -> Result<Option<(u8, Reader<'_>)>, Misbehaved> {
        let mut r = Reader::new(bytes);
        match r.u8() {
            Ok(tag::PORT2_RESP) => Ok(r.u8().ok().map(|result| (result, r))),
            Ok(_) => Err(Misbehaved::Epmd("answer to PORT_PLEASE2_REQ")),
            Err(Short) => Ok(None),
        }
    }

    /// Writes it.
    pub(crate) fn emit(&self, buf: &mut [u8]) -> Result<usize, Overflow> {
        let mut w = Writer::new(buf);
        w.u8(tag::PORT2_RESP);
        match self {
            Self::Known(info) => {
                w.u8(0);
                info.write(&mut w);
            }
            Self::Unknown(result) => w.u8(*result),
        }
        w.finish()
    }
}

/// The start of the answers to NAMES_REQ and DUMP_REQ: EPMD's own port, in 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ListHead {
    /// The port EPMD listens on. BEAM refuses the list when it is not the one it asked at.
    pub(crate) epmd_port: u32,
}

impl ListHead {
    /// Reads it; `None` while it is not complete.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        Reader::new(bytes).u32().ok().map(|epmd_port| Self { epmd_port })
    }

    /// Writes it.
    pub(crate) fn emit(self, buf: &mut [u8]) -> Result<usize, Overflow> {
        let mut w = Writer::new(buf);
        w.u32(self.epmd_port);
        w.finish()
    }
}

/// A line of the answer to NAMES_REQ: `name demo at port 40000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NamesLine<'a> {
    /// The alive name.
    pub(crate) name: &'a str,
    /// The port the node listens on.
    pub(crate) port: u16,
}

impl<'a> NamesLine<'a> {
    /// The start of every line.
    pub(crate) const START: &'static [u8] = b"name ";

    /// Reads a line, given without its line feed.
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Misbehaved> {
        let read = |line: &'a [u8]| {
            let line = core::str::from_utf8(line).ok()?.strip_prefix("name ")?;
            let (name, port) = split::last(line, ' ')?;
            Some(Self { name: name.strip_suffix(" at port")?, port: port.parse().ok()? })
        };
        read(line).ok_or(Misbehaved::Epmd("line in the answer to NAMES_REQ"))
    }

    /// Writes it with its line feed.
    pub(crate) fn emit(&self, buf: &mut [u8]) -> Result<usize, Overflow> {
        emit_text(buf, format_args!("name {} at port {}\n", self.name, self.port))
    }
}

/// A line of the answer to DUMP_REQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DumpLine<'a> {
    /// Registered now; otherwise remembered from before.
    pub(crate) active: bool,
    /// The alive name.
    pub(crate) name: &'a str,
    /// The port the node listens or listened on.
    pub(crate) port: u16,
    /// The number of its connection inside EPMD.
    pub(crate) fd: u32,
}

impl<'a> DumpLine<'a> {
    /// Reads a line, given without its line feed and the NUL that follows.
    #[cfg(test)]
    pub(crate) fn parse(line: &'a [u8]) -> Result<Self, Misbehaved> {
        let read = |line: &'a [u8]| {
            let line = core::str::from_utf8(line).ok()?;
            let active = line.starts_with("active");
            let (start, middle) = if active { ("active name     <", "> at port ") } else { ("old/unused name <", ">, port = ") };
            let (name, numbers) = line.strip_prefix(start)?.rsplit_once(middle)?;
            let (port, fd) = numbers.trim_end_matches(' ').split_once(", fd = ")?;
            Some(Self { active, name, port: port.parse().ok()?, fd: fd.parse().ok()? })
        };
        read(line).ok_or(Misbehaved::Epmd("line in the answer to DUMP_REQ"))
    }

    /// Writes it with its line feed and the NUL that epmd sends after it.
    pub(crate) fn emit(&self, buf: &mut [u8]) -> Result<usize, Overflow> {
        let Self { name, port, fd, .. } = self;
        if self.active {
            emit_text(buf, format_args!("active name     <{name}> at port {port}, fd = {fd}\n\0"))
        } else {
            emit_text(buf, format_args!("old/unused name <{name}>, port = {port}, fd = {fd} \n\0"))
        }
    }
}

/// The answer to KILL_REQ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KillAnswer {
    /// EPMD ends.
    Ok,
    /// EPMD goes on: names are registered.
    No,
}

impl KillAnswer {
    /// Returns the bytes of the answer.
    pub(crate) const fn as_bytes(self) -> &'static [u8; 2] {
        match self {
            Self::Ok => b"OK",
            Self::No => b"NO",
        }
    }

    /// Reads it; `None` while it is not complete.
    #[cfg(any(test, feature = "std"))]
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Misbehaved> {
        parse_word(bytes, [Self::Ok, Self::No].map(|answer| (answer.as_bytes().as_slice(), answer)))
    }
}

/// The answer to STOP_REQ; EPMD gives one only when it was started with ERL_EPMD_RELAXED_COMMAND_CHECK.
///
/// For a name it does not know, it sends [`StopAnswer::NoExist`] and then [`StopAnswer::Stopped`] as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StopAnswer {
    /// The name is unregistered.
    Stopped,
    /// The name was not registered.
    NoExist,
}

impl StopAnswer {
    /// Returns the bytes of the answer.
    pub(crate) const fn as_bytes(self) -> &'static [u8; 7] {
        match self {
            Self::Stopped => b"STOPPED",
            Self::NoExist => b"NOEXIST",
        }
    }

    /// Reads it; `None` while it is not complete.
    #[cfg(any(test, feature = "std"))]
    pub(crate) fn parse(bytes: &[u8]) -> Result<Option<Self>, Misbehaved> {
        parse_word(bytes, [Self::Stopped, Self::NoExist].map(|answer| (answer.as_bytes().as_slice(), answer)))
    }
}

/// Finds the answer among `words` that `bytes` start with; `None` while they are the start of one.
#[cfg(any(test, feature = "std"))]
fn parse_word<T: Copy>(bytes: &[u8], words: [(&[u8], T); 2]) -> Result<Option<T>, Misbehaved> {
    if let Some((_, answer)) = words.iter().find(|(word, _)| bytes.starts_with(word)) {
        return Ok(Some(*answer));
    }
    let begun = words.iter().any(|(word, _)| word.starts_with(bytes));
    if begun { Ok(None) } else { Err(Misbehaved::Epmd("answer in words")) }
}

/// A writer of formatted text into a slice, which counts on past its end.
struct TextWriter<'a>(Writer<'a>);

impl fmt::Write for TextWriter<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.bytes(text.as_bytes());
        Ok(())
    }
}

fn emit_text(buf: &mut [u8], text: fmt::Arguments<'_>) -> Result<usize, Overflow> {
    let mut out = TextWriter(Writer::new(buf));
    // the writer itself never fails; it counts what did not fit
    let _ = out.write_fmt(text);
    out.0.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::captured::{damaged, packets};

    /// Bytes of a [`ListHead`].
    const HEAD: usize = 4;

    fn request(body: &[u8], expected: Request<'_>) {
        assert_eq!(Request::parse(body), Ok(expected));
        let mut buf = [0; MAX_REQUEST];
        let len = expected.emit(&mut buf).unwrap();
        assert_eq!(Request::length(&buf), Some(len));
        assert_eq!(&buf[2..len], body);
        assert_eq!(expected.emit(&mut buf[..2]), Err(Overflow { needed: len, room: 2 }));
    }

    #[test]
    fn requests_as_captured() {
        // BEAM says that it is visible even when it is not
        for body in packets("epmd/alive2_req*") {
            let Ok(Request::Alive2(info)) = Request::parse(&body) else { panic!("{body:x?}") };
            let expected = NodeInfo { lowest: 5, ..NodeInfo::own("rec", info.port, false) };
            request(&body, Request::Alive2(expected));
        }
        packets("epmd/port_please2_req").iter().for_each(|body| request(body, Request::PortPlease2("other")));
        packets("epmd/names_req*").iter().for_each(|body| request(body, Request::Names));
        packets("epmd/dump_req").iter().for_each(|body| request(body, Request::Dump));
        packets("epmd/kill_req").iter().for_each(|body| request(body, Request::Kill));
        packets("epmd/stop_req").iter().for_each(|body| request(body, Request::Stop(b"other")));
    }

    #[test]
    fn our_registration() {
        let mut buf = [0; 64];
        let len = Request::Alive2(NodeInfo::own("agent", 40_000, true)).emit(&mut buf).unwrap();
        assert_eq!(buf[..len], *b"\x00\x12\x78\x9c\x40\x48\x00\x00\x06\x00\x06\x00\x05agent\x00\x00");
    }

    #[test]
    fn answers_to_a_registration_as_captured() {
        for (name, wide) in
            [("alive2_x_resp", true), ("alive2_x_resp_fail", true), ("alive2_resp", false), ("alive2_resp_fail", false)]
        {
            for bytes in packets(&format!("epmd/{name}")) {
                let answer = Alive2Answer::parse(&bytes).unwrap().unwrap();
                assert_eq!(answer.result != 0, name.ends_with("fail"));
                if answer.result != 0 {
                    assert_eq!(answer, Alive2Answer::REFUSED);
                } else {
                    assert!(if wide { answer.creation >= 4 } else { (1..=3).contains(&answer.creation) });
                }
                let mut buf = [0; Alive2Answer::MAX];
                let len = answer.emit(wide, &mut buf).unwrap();
                assert_eq!(buf[..len], bytes);
                (0..len).for_each(|cut| assert_eq!(Alive2Answer::parse(&bytes[..cut]), Ok(None)));
            }
        }
        assert!(Alive2Answer::parse(b"w").is_err());
    }

    #[test]
    fn answers_to_a_lookup_as_captured() {
        let emitted = |answer: PortAnswer<'_>| {
            let mut buf = [0; PortAnswer::MAX];
            let len = answer.emit(&mut buf).unwrap();
            buf[..len].to_vec()
        };
        let agent = NodeInfo { lowest: 5, ..NodeInfo::own("agent", 40_000, true) };
        let older = NodeInfo { highest: 5, lowest: 5, ..NodeInfo::own("older", 40_002, true) };
        for (name, expected) in [
            ("port2_resp", PortAnswer::Known(agent)),
            ("port2_resp_low_version", PortAnswer::Known(older)),
            ("port2_resp_fail", PortAnswer::Unknown(1)),
        ] {
            for bytes in packets(&format!("epmd/{name}")) {
                assert_eq!(PortAnswer::parse(&bytes), Ok(Some(expected)));
                assert_eq!(emitted(expected), bytes);
                (0..bytes.len()).for_each(|cut| assert_eq!(PortAnswer::parse(&bytes[..cut]), Ok(None)));
            }
        }
        for bytes in packets("epmd/port2_resp_erl") {
            let Some(PortAnswer::Known(info)) = PortAnswer::parse_head(&bytes[..PortAnswer::HEAD]).unwrap() else { panic!() };
            assert_eq!(emitted(PortAnswer::Known(NodeInfo { name: b"rec", ..info })), bytes);
        }
    }

    #[test]
    fn lists_as_captured() {
        let mut buf = [0; 2 * MAX_NAME_BYTES];
        for bytes in packets("epmd/names_resp*") {
            let (head, lines) = bytes.split_at(HEAD);
            let len = ListHead::parse(head).unwrap().emit(&mut buf).unwrap();
            assert_eq!(&buf[..len], head);
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                let read = NamesLine::parse(line.strip_suffix(b"\n").unwrap()).unwrap();
                assert!(matches!(read, NamesLine { name: "agent", port: 40_000 } | NamesLine { name: "older", port: 40_002 }));
                let len = read.emit(&mut buf).unwrap();
                assert_eq!(&buf[..len], line);
            }
        }
        for bytes in packets("epmd/dump_resp") {
            let lines = bytes[HEAD..].split_inclusive(|byte| *byte == 0);
            let mut names = Vec::new();
            for line in lines {
                let read = DumpLine::parse(line.strip_suffix(b"\n\0").unwrap()).unwrap();
                names.push((read.active, read.name));
                let len = read.emit(&mut buf).unwrap();
                assert_eq!(&buf[..len], line);
            }
            assert_eq!((names[0], names.len()), ((true, "agent"), 3));
            assert!(names[1..].iter().all(|(active, name)| !active && ["rec", "older"].contains(name)));
        }
    }

    #[test]
    fn answers_in_words_as_captured() {
        assert!(packets("epmd/kill_resp").iter().all(|bytes| KillAnswer::parse(bytes) == Ok(Some(KillAnswer::Ok))));
        assert!(packets("epmd/kill_resp_no").iter().all(|bytes| KillAnswer::parse(bytes) == Ok(Some(KillAnswer::No))));
        assert!(packets("epmd/stop_resp").iter().all(|bytes| StopAnswer::parse(bytes) == Ok(Some(StopAnswer::Stopped))));
        for bytes in packets("epmd/stop_resp_noexist") {
            assert_eq!(StopAnswer::parse(&bytes), Ok(Some(StopAnswer::NoExist)));
            assert_eq!(bytes, [StopAnswer::NoExist.as_bytes().as_slice(), StopAnswer::Stopped.as_bytes()].concat());
        }
        assert_eq!(StopAnswer::parse(b"STOP"), Ok(None));
        assert!(KillAnswer::parse(b"OX").is_err());
    }

    #[test]
    fn what_epmd_refuses_and_lets_pass() {
        let alive = |name: &[u8], rest: &[u8]| {
            let len = u8::try_from(name.len()).unwrap();
            [b"\x78\x9c\x40\x4d\x00\x00\x06\x00\x05\x00", &[len][..], name, rest].concat()
        };
        let parsed = |body: &[u8]| Request::parse(body).is_ok();
        assert!(parsed(&alive(b"a", b"\0\0")));
        // too short for any name, though an empty name passes when there is more
        assert!(!parsed(&alive(b"", b"\0\0")) && parsed(&alive(b"", b"\0\x01x")));
        // bytes after the last field are not looked at; a NUL in the name, or a length beyond the end, is
        assert!(parsed(&alive(b"a", b"\0\0zzz")));
        assert!(!parsed(&alive(b"a\0b", b"\0\0")) && !parsed(&alive(b"a", b"\0\x02x")));
        assert!(parsed(b"zfoo\0") && !parsed(b"z\0") && !parsed(b"z") && !parsed(b"zf\0o") && !parsed(b"z\xff"));
        let longest = [b"z", "\u{1f600}".repeat(MAX_NAME_CHARS).as_bytes()].concat();
        assert!(parsed(&longest) && !parsed(&[&longest, &b"a"[..]].concat()));
        assert!(!parsed(b"") && !parsed(b"a"));
        // a name may look like the rest of the line
        assert_eq!(NamesLine::parse(b"name a at port b at port 7"), Ok(NamesLine { name: "a at port b", port: 7 }));
    }

    #[test]
    fn no_damage_panics() {
        let mut buf = vec![0; MAX_REQUEST];
        damaged("epmd/*", |bytes| {
            let _ = Request::length(bytes);
            if let Ok(request) = Request::parse(bytes) {
                assert!(request.emit(&mut buf).is_ok());
            }
            let _ = Alive2Answer::parse(bytes);
            let _ = PortAnswer::parse_head(bytes);
            if let Ok(Some(answer)) = PortAnswer::parse(bytes) {
                assert!(answer.emit(&mut buf).is_ok());
            }
            let _ = ListHead::parse(bytes);
            for line in [bytes, bytes.get(HEAD..).unwrap_or_default()] {
                for line in line.split(|byte| *byte == b'\n') {
                    let _ = NamesLine::parse(line);
                    let _ = DumpLine::parse(line.strip_prefix(b"\0").unwrap_or(line));
                }
            }
            let _ = KillAnswer::parse(bytes);
            let _ = StopAnswer::parse(bytes);
        });
    }

    /// Room for the longest that there is, in numbers: a packet that is longer does not come.
    #[test]
    fn there_is_room_for_the_longest_of_everything() {
        assert_eq!(
            (MAX_NAME_BYTES, MAX_REQUEST, MAX_NAMES_LINE, PortAnswer::MAX),
            (1020, 2 + 13 + 1020 + 1020, 1040, 10 + 2 + 1020 + 2 + 1020)
        );
    }
}
