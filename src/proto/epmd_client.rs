//! The sides of EPMD's protocol that a node plays as a client: keep a name registered, look one up, list all.
//!
//! Each is a machine without I/O: write what [`Registration::transmit`] gives, say how much went out with
//! [`Registration::sent`], hand what comes to [`Registration::handle_bytes`], in pieces of any size. How long to wait is up to
//! the caller; OTP waits [`ANSWER_LIMIT`].

use core::time::Duration;

use crate::error::{ConfigError, Misbehaved, NetworkFault, Reason};
use crate::wire::epmd::{Alive2Answer, ListHead, MAX_NAMES_LINE, NamesLine, NodeInfo, PortAnswer, Request};

/// The time for which OTP's nodes wait for any answer of EPMD.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// The port EPMD listens on unless `ERL_EPMD_PORT` says otherwise.
pub const DEFAULT_PORT: u16 = 4369;

/// The most bytes of a name these machines ask with; a node name as a whole has no more.
const MAX_ASKED: usize = 255;
/// ALIVE2_REQ with such a name, its length included; every other request is shorter.
const MAX_ASKING: usize = 2 + 13 + MAX_ASKED;

/// A request on its way out.
#[derive(Debug, Clone)]
struct Outgoing {
    bytes: [u8; MAX_ASKING],
    len: usize,
    sent: usize,
}

impl Outgoing {
    fn new(request: &Request<'_>) -> Result<Self, ConfigError> {
        let mut bytes = [0; MAX_ASKING];
        let len = request.emit(&mut bytes).map_err(|_| ConfigError::NameTooLong)?;
        Ok(Self { bytes, len, sent: 0 })
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.sent..self.len).unwrap_or_default()
    }

    fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count);
    }
}

/// A name registered with EPMD (ALIVE2_REQ; erl_dist_protocol, "EPMD Protocol"), for as long as the connection under it stands.
///
/// Write nothing on the connection but what [`Registration::transmit`] gives: EPMD takes any later byte for the node's end.
#[derive(Debug, Clone)]
pub struct Registration {
    outgoing: Outgoing,
    answer: heapless::Vec<u8, { Alive2Answer::MAX }>,
    state: RegistrationState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RegistrationState {
    AwaitingAnswer,
    Registered,
    Refused,
    Failed(Misbehaved),
}

/// EPMD's answer to a [`Registration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationAnswer {
    /// The name is registered; keep the connection open.
    Registered {
        /// The incarnation of its name that this node is: 4 or more, from an old EPMD 1 to 3.
        creation: u32,
    },
    /// EPMD refused and gives no reason; OTP takes it that another node has the name. Close the connection, since EPMD does not.
    Refused,
}

impl Registration {
    /// Registers `alive`, the part of a node name before the `@`, as a node that listens on `port`.
    ///
    /// # Errors
    /// [`ConfigError::NameTooLong`] if the name is longer than 255 bytes; [`ConfigError::NameForm`] if it is empty or has a NUL,
    /// which EPMD would answer by closing.
    pub fn new(alive: &str, port: u16, hidden: bool) -> Result<Self, ConfigError> {
        let outgoing = Outgoing::new(&Request::Alive2(NodeInfo::own(checked(alive)?, port, hidden)))?;
        Ok(Self { outgoing, answer: heapless::Vec::new(), state: RegistrationState::AwaitingAnswer })
    }

    /// Returns the bytes to write now; none when there is nothing to write.
    pub fn transmit(&self) -> &[u8] {
        self.outgoing.rest()
    }

    /// Counts `count` bytes as written.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.sent(count);
    }

    /// Takes bytes from EPMD; `None` while its answer is not complete.
    ///
    /// # Errors
    /// [`Misbehaved::Epmd`] if that is no answer, or if anything follows one: close the connection. Every later call says the same.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Option<RegistrationAnswer>, Misbehaved> {
        let said = self.take(bytes);
        match said {
            Ok(None) => {}
            Ok(Some(RegistrationAnswer::Registered { .. })) => self.state = RegistrationState::Registered,
            Ok(Some(RegistrationAnswer::Refused)) => self.state = RegistrationState::Refused,
            Err(fault) => self.state = RegistrationState::Failed(fault),
        }
        said
    }

    fn take(&mut self, bytes: &[u8]) -> Result<Option<RegistrationAnswer>, Misbehaved> {
        match self.state {
            RegistrationState::AwaitingAnswer => {}
            RegistrationState::Failed(fault) => return Err(fault),
            RegistrationState::Registered | RegistrationState::Refused if bytes.is_empty() => return Ok(None),
            RegistrationState::Registered | RegistrationState::Refused => {
                return Err(Misbehaved::Epmd("bytes after the answer to ALIVE2_REQ"));
            }
        }
        for (at, byte) in bytes.iter().enumerate() {
            // never full: the answer is complete, or wrong, by then
            let _ = self.answer.push(*byte);
            let Some(answer) = Alive2Answer::parse(&self.answer)? else { continue };
            if bytes.len() > at.saturating_add(1) {
                return Err(Misbehaved::Epmd("bytes after the answer to ALIVE2_REQ"));
            }
            let Alive2Answer { result, creation } = answer;
            return Ok(Some(if result == 0 { RegistrationAnswer::Registered { creation } } else { RegistrationAnswer::Refused }));
        }
        Ok(None)
    }

    /// Returns true if the name is registered; it is no more once the connection ends.
    pub fn is_registered(&self) -> bool {
        self.state == RegistrationState::Registered
    }
}

/// Returns a name as it may be asked with: neither empty nor with a NUL, to both of which EPMD only closes.
fn checked(alive: &str) -> Result<&str, ConfigError> {
    match alive.len() {
        0 => Err(ConfigError::NameForm),
        1..=MAX_ASKED if alive.contains('\0') => Err(ConfigError::NameForm),
        1..=MAX_ASKED => Ok(alive),
        _ => Err(ConfigError::NameTooLong),
    }
}

/// The place where a node listens, as its EPMD tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located {
    /// Its port, on the host whose EPMD was asked.
    pub port: u16,
    /// The lowest version of the distribution protocol it speaks; this crate speaks 6.
    pub lowest: u16,
    /// The highest one.
    pub highest: u16,
    /// The kind that the node said it is: 77 for a visible node, 72 for a hidden one. BEAM says 77 even when hidden and ei says 104, so
    /// nobody acts on it.
    pub node_type: u8,
}

/// A name looked up (PORT_PLEASE2_REQ; erl_dist_protocol, "EPMD Protocol").
///
/// Connect to EPMD on the node's host, write [`Lookup::transmit`], read into [`Lookup::handle_bytes`] until there is an answer,
/// then close. At the end of the connection call [`Lookup::handle_close`]. Give up after [`ANSWER_LIMIT`].
#[derive(Debug, Clone)]
pub struct Lookup {
    outgoing: Outgoing,
    answer: heapless::Vec<u8, { PortAnswer::HEAD }>,
    outcome: Option<Result<Located, Reason>>,
}

impl Lookup {
    /// Looks up `alive`, the part of a node name before the `@`.
    ///
    /// # Errors
    /// [`ConfigError::NameTooLong`] if the name is longer than 255 bytes; [`ConfigError::NameForm`] if it is empty or has a NUL.
    pub fn new(alive: &str) -> Result<Self, ConfigError> {
        let outgoing = Outgoing::new(&Request::PortPlease2(checked(alive)?))?;
        Ok(Self { outgoing, answer: heapless::Vec::new(), outcome: None })
    }

    /// Returns the bytes to write now; none when there is nothing to write.
    pub fn transmit(&self) -> &[u8] {
        self.outgoing.rest()
    }

    /// Counts `count` bytes as written.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.sent(count);
    }

    /// Takes bytes from EPMD; `None` while the answer is not complete. What comes after its versions is not looked at.
    ///
    /// # Errors
    /// [`NetworkFault::NoSuchName`] if no node of that name is registered; [`Misbehaved::Epmd`] if it is no answer. Every later
    /// call says the same.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<Option<Located>, Reason> {
        for byte in bytes {
            if self.outcome.is_some() {
                break;
            }
            // never full: the answer is complete, or wrong, by then
            let _ = self.answer.push(*byte);
            self.outcome = match PortAnswer::parse_head(&self.answer) {
                Ok(None) => None,
                Ok(Some(PortAnswer::Known(info))) => {
                    Some(Ok(Located { port: info.port, lowest: info.lowest, highest: info.highest, node_type: info.node_type }))
                }
                Ok(Some(PortAnswer::Unknown(_))) => Some(Err(Reason::Network(NetworkFault::NoSuchName))),
                Err(fault) => Some(Err(Reason::Misbehaved(fault))),
            };
        }
        self.outcome.transpose()
    }

    /// Ends the look-up, since EPMD closed the connection. The error says why there is no answer, unless there was one.
    ///
    /// # Errors
    /// What [`Lookup::handle_bytes`] said, or [`Misbehaved::Epmd`] if EPMD closed without a whole answer, as it does to names
    /// that are none.
    pub fn handle_close(&mut self) -> Result<Located, Reason> {
        *self
            .outcome
            .get_or_insert(Err(Reason::Misbehaved(Misbehaved::Epmd("answer to PORT_PLEASE2_REQ: closed before its end"))))
    }
}

/// The names registered on a host (NAMES_REQ; erl_dist_protocol, "EPMD Protocol"), given out one by one: the list may have any length, and one
/// line of it is kept.
#[derive(Debug, Clone)]
pub struct Names {
    outgoing: Outgoing,
    line: heapless::Vec<u8, MAX_NAMES_LINE>,
    epmd_port: Option<u32>,
    failed: Option<Misbehaved>,
}

impl Default for Names {
    fn default() -> Self {
        Self::new()
    }
}

impl Names {
    /// Asks for the names.
    pub fn new() -> Self {
        let empty = Outgoing { bytes: [0; MAX_ASKING], len: 0, sent: 0 };
        // three bytes: they fit
        let outgoing = Outgoing::new(&Request::Names).unwrap_or(empty);
        Self { outgoing, line: heapless::Vec::new(), epmd_port: None, failed: None }
    }

    /// Returns the bytes to write now; none when there is nothing to write.
    pub fn transmit(&self) -> &[u8] {
        self.outgoing.rest()
    }

    /// Counts `count` bytes as written.
    pub fn sent(&mut self, count: usize) {
        self.outgoing.sent(count);
    }

    /// Returns the port EPMD says it listens on, once that has come. It differs from the one that was asked behind a port forwarding.
    pub fn epmd_port(&self) -> Option<u32> {
        self.epmd_port
    }

    /// Takes bytes from EPMD and calls `each` with the name and the port of every node whose line they complete.
    ///
    /// # Errors
    /// [`Misbehaved::Epmd`] at a line that cannot be read or is longer than a name of 255 characters makes it. Every later call
    /// says the same.
    pub fn handle_bytes(&mut self, bytes: &[u8], mut each: impl FnMut(&str, u16)) -> Result<(), Misbehaved> {
        if let Some(fault) = self.failed {
            return Err(fault);
        }
        let taken = self.take(bytes, &mut each);
        self.failed = taken.err();
        taken
    }

    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(&str, u16)) -> Result<(), Misbehaved> {
        let mut rest = self.take_head(bytes);
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            self.keep(line)?;
            match NamesLine::parse(&self.line) {
                Ok(NamesLine { name, port }) => {
                    each(name, port);
                    self.line.clear();
                }
                // EPMD takes names with line feeds
                Err(_) if self.line.starts_with(NamesLine::START) => self.keep(b"\n")?,
                Err(fault) => return Err(fault),
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.keep(rest)
    }

    /// Takes the first four bytes off, while they are still to come; what follows them.
    fn take_head<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [u8] {
        while self.epmd_port.is_none() {
            let Some((byte, rest)) = bytes.split_first() else { break };
            bytes = rest;
            // four at most
            let _ = self.line.push(*byte);
            if let Some(head) = ListHead::parse(&self.line) {
                self.epmd_port = Some(head.epmd_port);
                self.line.clear();
            }
        }
        bytes
    }

    fn keep(&mut self, part: &[u8]) -> Result<(), Misbehaved> {
        self.line.extend_from_slice(part).map_err(|_| Misbehaved::Epmd("answer to NAMES_REQ: line too long"))
    }

    /// Ends the list, since EPMD closed the connection, which is how a list ends.
    ///
    /// # Errors
    /// [`Misbehaved::Epmd`] if it ended in the middle of a line, or before the first four bytes.
    pub fn handle_close(&self) -> Result<(), Misbehaved> {
        match self.failed {
            Some(fault) => Err(fault),
            None if self.epmd_port.is_some() && self.line.is_empty() => Ok(()),
            None => Err(Misbehaved::Epmd("answer to NAMES_REQ: closed before its end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::captured::{damaged, packets};

    fn registration() -> Registration {
        let mut registration = Registration::new("agent", 40_000, true).unwrap();
        assert_eq!(registration.transmit(), b"\x00\x12\x78\x9c\x40\x48\x00\x00\x06\x00\x06\x00\x05agent\x00\x00");
        registration.sent(3);
        assert_eq!(registration.transmit().len(), 17);
        registration.sent(17);
        assert!(registration.transmit().is_empty());
        registration
    }

    #[test]
    fn registers_however_the_answer_is_cut() {
        for bytes in [packets("epmd/alive2_x_resp"), packets("epmd/alive2_resp")].concat() {
            for cut in 0..bytes.len() {
                let mut registration = registration();
                assert_eq!(registration.handle_bytes(&bytes[..cut]), Ok(None));
                assert!(!registration.is_registered());
                let answer = registration.handle_bytes(&bytes[cut..]).unwrap();
                let creation = bytes[2..].iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
                assert_eq!(answer, Some(RegistrationAnswer::Registered { creation }));
                assert!(registration.is_registered());
                // any byte means that it is gone, and so it stays
                let gone = registration.handle_bytes(b"x").unwrap_err();
                assert_eq!((registration.handle_bytes(b""), registration.is_registered()), (Err(gone), false));
            }
        }
    }

    #[test]
    fn refusals_and_nonsense() {
        for bytes in [packets("epmd/alive2_x_resp_fail"), packets("epmd/alive2_resp_fail")].concat() {
            assert_eq!(registration().handle_bytes(&bytes), Ok(Some(RegistrationAnswer::Refused)));
        }
        let mut nonsense = registration();
        let fault = nonsense.handle_bytes(b"HTTP/1.1 400").unwrap_err();
        assert_eq!(fault, Misbehaved::Epmd("answer to ALIVE2_REQ"));
        assert_eq!(nonsense.handle_bytes(&packets("epmd/alive2_x_resp")[0]), Err(fault));
        assert!(registration().handle_bytes(b"v\0\0\0\0\x04!").is_err());
        for (alive, fault) in
            [("", ConfigError::NameForm), ("a\0", ConfigError::NameForm), (&"a".repeat(256), ConfigError::NameTooLong)]
        {
            assert_eq!(Registration::new(alive, 1, false).err(), Some(fault));
            assert_eq!(Lookup::new(alive).err(), Some(fault));
        }
        assert!(Registration::new(&"a".repeat(255), 1, false).is_ok());
    }

    #[test]
    fn looks_up_however_the_answer_is_cut() {
        for bytes in packets("epmd/port2_resp") {
            for cut in 0..bytes.len() {
                let mut lookup = Lookup::new("agent").unwrap();
                assert_eq!(lookup.transmit(), b"\0\x06zagent");
                let early = lookup.handle_bytes(&bytes[..cut]).unwrap();
                assert_eq!(early.is_some(), cut >= PortAnswer::HEAD);
                let expected = Located { port: 40_000, lowest: 5, highest: 6, node_type: 72 };
                assert_eq!(lookup.handle_bytes(&bytes[cut..]), Ok(Some(expected)));
                assert_eq!(lookup.handle_close(), Ok(expected));
            }
        }
        let unknown = Reason::Network(NetworkFault::NoSuchName);
        for bytes in packets("epmd/port2_resp_fail") {
            let mut lookup = Lookup::new("agent").unwrap();
            assert_eq!(lookup.handle_bytes(&bytes), Err(unknown));
            assert_eq!(lookup.handle_close(), Err(unknown));
        }
        let mut lookup = Lookup::new("agent").unwrap();
        assert_eq!(lookup.handle_bytes(b"w\0\x9c"), Ok(None));
        assert!(matches!(lookup.handle_close(), Err(Reason::Misbehaved(Misbehaved::Epmd(_)))));
        assert!(lookup.handle_bytes(b"\x40").is_err());
    }

    fn listed(pieces: [&[u8]; 2]) -> Result<Vec<(String, u16)>, Misbehaved> {
        let mut names = Names::new();
        assert_eq!(names.transmit(), b"\0\x01n");
        let mut list = Vec::new();
        for piece in pieces {
            names.handle_bytes(piece, |name, port| list.push((name.to_owned(), port)))?;
        }
        names.handle_close().map(|()| list)
    }

    #[test]
    fn lists_however_the_answer_is_cut() {
        for bytes in packets("epmd/names_resp") {
            for cut in 0..bytes.len() {
                let list = listed([&bytes[..cut], &bytes[cut..]]).unwrap();
                assert_eq!(list, [("older".to_owned(), 40_002), ("agent".to_owned(), 40_000)]);
            }
            assert!(listed([&bytes[..bytes.len() - 1], b""]).is_err());
        }
        assert_eq!(listed([&packets("epmd/names_resp_empty")[0], b""]), Ok(vec![]));
        assert!(listed([b"\0\0\0", b""]).is_err());
        let longest = format!("\0\0\x11\x11name {} at port 65535\n", "\u{1f600}".repeat(255));
        assert_eq!(listed([longest.as_bytes(), b""]).unwrap()[0].1, 65_535);
        assert!(listed([b"\0\0\0\0name ", &[b'a'; MAX_NAMES_LINE]]).is_err());
    }

    #[test]
    fn no_damage_panics() {
        damaged("epmd/*", |bytes| {
            let mut registration = Registration::new("agent", 1, false).unwrap();
            assert_eq!(registration.handle_bytes(bytes).is_err(), registration.handle_bytes(b"").is_err());
            let mut lookup = Lookup::new("agent").unwrap();
            assert_eq!(lookup.handle_bytes(bytes).is_err(), lookup.handle_bytes(b"").is_err());
            let _ = listed([bytes, b""]);
        });
    }

    #[test]
    fn a_list_tells_the_port_of_epmd_and_names_with_line_feeds() {
        let mut names = Names::new();
        names.sent(2);
        assert_eq!((names.transmit(), names.epmd_port()), (&b"n"[..], None));
        names.sent(1);
        assert!(names.transmit().is_empty());
        let mut list = Vec::new();
        names
            .handle_bytes(b"\0\0\x11\x12name a\nb at port 5\nname c at port 6\n", |name, port| list.push((name.to_owned(), port)))
            .unwrap();
        assert_eq!((names.epmd_port(), list), (Some(4370), vec![("a\nb".to_owned(), 5), ("c".to_owned(), 6)]));
        assert_eq!(names.handle_close(), Ok(()));
        // a line that is none of a name is no part of one
        let fault = names.handle_bytes(b"nobody\n", |_, _| ()).unwrap_err();
        assert_eq!((names.handle_bytes(b"name d at port 7\n", |_, _| ()), names.handle_close()), (Err(fault), Err(fault)));
    }

    /// Nothing that came is no byte behind the answer.
    #[test]
    fn a_registration_stays_while_nothing_comes() {
        for answer in [b"v\0\0\0\0\x04", b"v\x01\0\0\0c"] {
            let mut registration = registration();
            registration.handle_bytes(answer).unwrap();
            assert_eq!(registration.handle_bytes(b""), Ok(None));
            assert_eq!(registration.is_registered(), answer[1] == 0);
            assert!(registration.handle_bytes(b"x").is_err());
        }
    }
}
