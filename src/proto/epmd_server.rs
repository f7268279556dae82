//! EPMD itself, small enough to be embedded in a node: a table of names and a session for each connection.
//!
//! It answers what Erlang's own `epmd` answers to the same bytes (erl_dist_protocol, "EPMD Protocol"); where it deliberately does not, the code says so.

use core::fmt;
use core::time::Duration;

use crate::limit::LogLimit;
use crate::time::Instant;
use crate::wire::epmd::{
    Alive2Answer, DumpLine, KillAnswer, ListHead, MAX_EXTRA_BYTES, MAX_NAME_BYTES, MAX_REQUEST, NamesLine, NodeInfo, PortAnswer,
    Request, StopAnswer, valid_name,
};

/// The time for which a connection that holds no name may be silent.
pub const IDLE_LIMIT: Duration = Duration::from_secs(60);

/// The least creation: smaller ones are left to nodes that know no more than two bits of it.
const LEAST_CREATION: u32 = 4;

/// A name that is registered, or remembered from before.
#[derive(Debug, Clone)]
struct Entry {
    name: heapless::String<MAX_NAME_BYTES>,
    extra: heapless::Vec<u8, MAX_EXTRA_BYTES>,
    port: u16,
    node_type: u8,
    protocol: u8,
    highest: u16,
    lowest: u16,
    /// Counts this name's incarnations; what the node is told follows from it.
    incarnation: u32,
    /// The order in which it was registered, or left: a count, not a time.
    stamp: u64,
    active: bool,
}

impl Entry {
    fn info(&self) -> NodeInfo<'_> {
        let Self { port, node_type, protocol, highest, lowest, .. } = *self;
        NodeInfo { port, node_type, protocol, highest, lowest, name: self.name.as_bytes(), extra: &self.extra }
    }

    /// Returns the creation as the node can take it: nodes before version 6 have two bits for it.
    fn creation(&self) -> u32 {
        if self.info().takes_wide_creation() { self.incarnation } else { (self.incarnation % 3).saturating_add(1) }
    }
}

/// The right to a registered name; give it back with [`Server::unregister`].
#[derive(Debug, PartialEq, Eq)]
pub struct Place {
    at: usize,
    /// The registration's own: by now the entry may be another's.
    stamp: u64,
}

/// The requests to end EPMD that are heard. A request from another host never is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kill {
    /// None: it would end the node in the same program.
    #[default]
    Never,
    /// One that comes while no name is registered.
    Unused,
    /// Any, and names are unregistered by force: what epmd does with `-relaxed_command_check`.
    Always,
}

/// The reason for which a name was not registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another node has it.
    Duplicate,
    /// The name is not UTF-8, or longer than 255 characters; or the extra information is longer than 1020 bytes.
    Invalid,
    /// The table holds as many nodes as it can.
    Full,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Duplicate => "another node of that name is registered",
            Self::Invalid => "the name is not UTF-8 of at most 255 characters",
            Self::Full => "as many nodes are registered as there is room for",
        })
    }
}

impl core::error::Error for Refusal {}

/// The names of a host: at most `NAMES`, those included that are only remembered so that their next incarnation differs.
///
/// When a new name comes and the table is full, the one forgotten is the one longest gone; if all are registered, the new one is
/// refused. A name takes about 2 KiB.
#[derive(Debug)]
pub struct Server<const NAMES: usize> {
    entries: heapless::Vec<Entry, NAMES>,
    port: u16,
    /// Counts registrations and departures.
    stamps: u64,
    /// The next incarnation of a name not known: more than any given out, so that a forgotten name does not come back as it was.
    next: u32,
    /// The limit of lines about names that were refused for want of room.
    full: LogLimit,
    kill: Kill,
    killed: bool,
    /// A name was unregistered by force, and its connection is still there.
    stopped: bool,
}

impl<const NAMES: usize> Server<NAMES> {
    /// Makes an EPMD that says it listens on `port`; `seed`, any random number, is where creations start.
    pub const fn new(port: u16, seed: u32) -> Self {
        let next = if seed < LEAST_CREATION { LEAST_CREATION } else { seed };
        Self {
            entries: heapless::Vec::new(),
            port,
            stamps: 0,
            next,
            full: LogLimit::new("names that epmd had no room for"),
            kill: Kill::Never,
            killed: false,
            stopped: false,
        }
    }

    /// Sets the requests to end this EPMD that are heard; [`Kill::Never`] without this.
    #[must_use]
    pub fn kill(mut self, kill: Kill) -> Self {
        self.kill = kill;
        self
    }

    /// Returns true if this EPMD was told to end. The session that told it may still have its answer to write.
    pub fn is_killed(&self) -> bool {
        self.killed
    }

    /// Returns true once after names were unregistered by force: then give each session to [`Session::handle_stop`].
    pub fn take_stopped(&mut self) -> bool {
        core::mem::take(&mut self.stopped)
    }

    /// Registers a node that has no connection to this EPMD, being in the same program, as listening on `port`; gives its creation.
    ///
    /// # Errors
    /// [`Refusal`], as another program would be refused.
    pub fn register_node(&mut self, alive: &str, port: u16, hidden: bool) -> Result<(Place, u32), Refusal> {
        self.register(&NodeInfo::own(alive, port, hidden))
    }

    fn register(&mut self, info: &NodeInfo<'_>) -> Result<(Place, u32), Refusal> {
        let name = valid_name(info.name).ok_or(Refusal::Invalid)?;
        let name = heapless::String::try_from(name).map_err(|_| Refusal::Invalid)?;
        let extra = heapless::Vec::from_slice(info.extra).map_err(|_| Refusal::Invalid)?;
        let known = self.entries.iter().position(|entry| entry.name == name);
        if known.and_then(|at| self.entries.get(at)).is_some_and(|entry| entry.active) {
            return Err(Refusal::Duplicate);
        }
        let incarnation = self.incarnation(known);
        let stamp = self.stamp();
        let entry = Entry {
            name,
            extra,
            port: info.port,
            node_type: info.node_type,
            protocol: info.protocol,
            highest: info.highest,
            lowest: info.lowest,
            incarnation,
            stamp,
            active: true,
        };
        let creation = entry.creation();
        let at = self.put(known, entry)?;
        self.next = self.next.max(after(incarnation));
        Ok((Place { at, stamp }, creation))
    }

    /// Returns the incarnation of a name that is registered now: one more than it had before, if it is still known.
    fn incarnation(&self, known: Option<usize>) -> u32 {
        known.and_then(|at| self.entries.get(at)).map_or(self.next, |entry| after(entry.incarnation))
    }

    /// Stores `entry` over the one of its name, in a free place, or over the one longest gone.
    fn put(&mut self, known: Option<usize>, entry: Entry) -> Result<usize, Refusal> {
        let entry = match known {
            Some(_) => entry,
            None => match self.entries.push(entry) {
                Ok(()) => return Ok(self.entries.len().saturating_sub(1)),
                Err(entry) => entry,
            },
        };
        let at = known.or_else(|| self.longest_gone()).ok_or(Refusal::Full)?;
        let place = self.entries.get_mut(at).ok_or(Refusal::Full)?;
        *place = entry;
        Ok(at)
    }

    fn longest_gone(&self) -> Option<usize> {
        let gone = self.entries.iter().enumerate().filter(|(_, entry)| !entry.active);
        gone.min_by_key(|(_, entry)| entry.stamp).map(|(at, _)| at)
    }

    fn stamp(&mut self) -> u64 {
        self.stamps = self.stamps.saturating_add(1);
        self.stamps
    }

    /// Unregisters a node; its name is remembered for as long as there is room.
    pub fn unregister(&mut self, place: Place) {
        if self.holds(&place) {
            self.leave(place.at);
        }
    }

    /// Returns true if the name is still registered to whoever has this right.
    fn holds(&self, place: &Place) -> bool {
        self.entries.get(place.at).is_some_and(|entry| entry.active && entry.stamp == place.stamp)
    }

    fn leave(&mut self, at: usize) {
        let stamp = self.stamp();
        if let Some(entry) = self.entries.get_mut(at) {
            entry.active = false;
            entry.stamp = stamp;
        }
    }

    /// Returns when to call [`Server::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.full.poll_timeout()
    }

    /// Logs how many lines were held back.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.full.handle_timeout(now);
    }

    /// Unregisters a name by force; false if there is none such.
    fn stop(&mut self, name: &[u8]) -> bool {
        let at = self.entries.iter().position(|entry| entry.active && entry.name.as_bytes() == name);
        if let Some(at) = at {
            self.leave(at);
            self.stopped = true;
        }
        at.is_some()
    }

    /// Ends this EPMD, if that may be.
    fn end(&mut self) -> KillAnswer {
        let may_end = match self.kill {
            Kill::Never => false,
            Kill::Unused => !self.entries.iter().any(|entry| entry.active),
            Kill::Always => true,
        };
        self.killed |= may_end;
        if may_end { KillAnswer::Ok } else { KillAnswer::No }
    }

    /// Returns the facts that the node of this name told about itself.
    fn lookup(&self, name: &str) -> Option<NodeInfo<'_>> {
        self.entries.iter().find(|entry| entry.active && entry.name == name).map(Entry::info)
    }

    /// Returns the next name for a list after the one at `last`: as in epmd, the registered ones come newest first and then the gone ones
    /// oldest first. Names that come or go meanwhile cannot confuse it.
    fn next_listed(&self, last: Listed, gone_too: bool) -> Option<(Listed, usize, &Entry)> {
        let entries = || self.entries.iter().enumerate();
        if let Listed::Active { below } = last {
            let next = entries().filter(|(_, entry)| entry.active && entry.stamp < below).max_by_key(|(_, entry)| entry.stamp);
            if let Some((at, entry)) = next {
                return Some((Listed::Active { below: entry.stamp }, at, entry));
            }
        }
        let after = if let Listed::Gone { after } = last { after } else { 0 };
        let next = entries().filter(|(_, entry)| gone_too && !entry.active && entry.stamp > after);
        let (at, entry) = next.min_by_key(|(_, entry)| entry.stamp)?;
        Some((Listed::Gone { after: entry.stamp }, at, entry))
    }
}

/// Returns the incarnation after this one; past the end they start again, above those left to old nodes.
fn after(incarnation: u32) -> u32 {
    incarnation.checked_add(1).unwrap_or(LEAST_CREATION)
}

/// The progress of a list that is being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listed {
    /// Registered names with a stamp from here on.
    Active { below: u64 },
    /// The list is past all registered names, and past gone ones with a stamp up to here.
    Gone { after: u64 },
}

/// A connection to EPMD.
///
/// Hand what arrives to [`Session::handle_bytes`] and write what [`Session::transmit`] gives until it gives nothing; then, if
/// [`Session::is_over`], close. The end of the connection, its failure included, goes to [`Session::handle_close`], which also
/// frees the name. Hand time to [`Session::handle_timeout`] when [`Session::poll_timeout`] says so. Read nothing while there is
/// something to write: a peer that does not read cannot make us work.
#[derive(Debug)]
pub struct Session {
    local: bool,
    state: SessionState,
    /// First the request, then its answer; an answer that is longer is made in pieces.
    buf: [u8; Self::ROOM],
    /// Bytes of it in use.
    filled: usize,
    /// Bytes of the answer in it that have been written.
    sent: usize,
    /// The time at which the peer last sent something.
    heard: Instant,
    idle_limit: Duration,
}

#[derive(Debug, PartialEq, Eq)]
enum SessionState {
    /// The request is not complete.
    Receiving,
    /// The answer is being written; when it is out, the connection ends.
    Answering,
    /// The answer is being written, and more lines of a list follow.
    Listing { last: Listed, dump: bool },
    /// The node holds its name for as long as the connection stands.
    Registered(Place),
    /// A registration was refused; epmd leaves it to the node to close.
    Refused,
    /// Nothing more to say.
    Over,
}

impl Session {
    /// Room for the longest request and the longest answer that is not a list: a node with the longest name and extra information.
    const ROOM: usize = if MAX_REQUEST > PortAnswer::MAX { MAX_REQUEST } else { PortAnswer::MAX };

    /// Makes a connection that was opened now. `local` tells whether the peer is on this host: from 127.0.0.0/8, from ::1, or from the very
    /// address it connected to.
    pub const fn new(local: bool, now: Instant) -> Self {
        let buf = [0; Self::ROOM];
        Self { local, state: SessionState::Receiving, buf, filled: 0, sent: 0, heard: now, idle_limit: IDLE_LIMIT }
    }

    /// Sets the time for which a connection that holds no name may be silent; [`IDLE_LIMIT`] without this.
    #[must_use]
    pub const fn idle_limit(mut self, limit: Duration) -> Self {
        self.idle_limit = limit;
        self
    }

    /// Takes bytes from the peer.
    ///
    /// A length that no request has, bytes that come together with the length and are more than that, or a request that cannot be read end
    /// the session without an answer, as with epmd. More bytes that come later are as bytes after the answer. One longer than a registration
    /// with the longest fields ends it as soon as its length is there; epmd reads up to 3057 bytes, to refuse it then.
    pub fn handle_bytes<const NAMES: usize>(&mut self, server: &mut Server<NAMES>, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        self.heard = now;
        match self.state {
            SessionState::Receiving => self.receive(server, bytes),
            // "any byte after ALIVE unregisters" (epmd_srv.c, do_read)
            SessionState::Registered(_) | SessionState::Refused => self.handle_close(server),
            SessionState::Answering | SessionState::Listing { .. } | SessionState::Over => {}
        }
    }

    fn receive<const NAMES: usize>(&mut self, server: &mut Server<NAMES>, bytes: &[u8]) {
        // Once epmd knows the length it reads no further than that, so what is too much counts only behind the answer.
        let known = Request::length(self.buf.get(..self.filled).unwrap_or_default());
        let due = known.map_or(bytes.len(), |length| length.saturating_sub(self.filled).min(bytes.len()));
        let (bytes, more) = bytes.split_at_checked(due).unwrap_or((bytes, &[]));
        let end = self.filled.saturating_add(bytes.len());
        let fits = self.buf.get_mut(self.filled..).and_then(|room| room.get_mut(..bytes.len())).is_some_and(|room| {
            room.copy_from_slice(bytes);
            true
        });
        if !fits {
            self.state = SessionState::Over;
            return;
        }
        self.filled = end;
        let Some(length) = Request::length(self.buf.get(..end).unwrap_or_default()) else { return };
        if !(3..=MAX_REQUEST).contains(&length) || end > length {
            self.state = SessionState::Over;
        } else if end == length {
            self.answer(server, length);
            if !more.is_empty() && matches!(self.state, SessionState::Registered(_) | SessionState::Refused) {
                self.handle_close(server);
                self.state = SessionState::Answering;
            }
        }
    }

    /// Carries out the request in the buffer and puts the answer in its place.
    fn answer<const NAMES: usize>(&mut self, server: &mut Server<NAMES>, length: usize) {
        let local = self.local;
        let body = self.buf.get(2..length).unwrap_or_default();
        let mut answer = [0; Self::ROOM];
        let none = (SessionState::Over, 0);
        let (state, filled) = match Request::parse(body) {
            Ok(Request::Alive2(info)) if local => Self::alive2(server, &info, self.heard, &mut answer),
            Ok(Request::PortPlease2(name)) => {
                let known = server.lookup(name).map_or(PortAnswer::Unknown(1), PortAnswer::Known);
                (SessionState::Answering, known.emit(&mut answer).unwrap_or_default())
            }
            Ok(Request::Names) => Self::list(server, false, &mut answer),
            Ok(Request::Dump) if local => Self::list(server, true, &mut answer),
            Ok(Request::Kill) if local => (SessionState::Answering, copy(server.end().as_bytes(), &mut answer)),
            // an empty name gets no answer, and neither does anybody where names are not unregistered by force
            Ok(Request::Stop(name)) if local && server.kill == Kill::Always && !name.is_empty() => {
                (SessionState::Answering, Self::stop(server, name, &mut answer))
            }
            Ok(Request::Stop(_)) => none,
            Ok(Request::Alive2(_) | Request::Dump | Request::Kill) => {
                // no warning: whoever can reach the port could fill the log
                log::debug!("epmd: a registration, dump or kill from another host: ignored");
                none
            }
            Err(fault) => {
                log::debug!("{fault}");
                none
            }
        };
        (self.state, self.filled, self.sent, self.buf) = (state, filled, 0, answer);
    }

    fn alive2<const NAMES: usize>(
        server: &mut Server<NAMES>,
        info: &NodeInfo<'_>,
        now: Instant,
        answer: &mut [u8],
    ) -> (SessionState, usize) {
        let wide = info.takes_wide_creation();
        let (state, said) = match server.register(info) {
            Ok((place, creation)) => (SessionState::Registered(place), Alive2Answer::registered(creation)),
            Err(refusal) => {
                if refusal == Refusal::Full {
                    server.full.warn("", now, format_args!("epmd: no room for another name: {NAMES} nodes are registered"));
                    // No answer, as epmd gives none once it has no room for a connection: Erlang takes each one that is not "registered"
                    // for "another node has the name", which would send people to look for it.
                    return (SessionState::Over, 0);
                }
                (SessionState::Refused, Alive2Answer::REFUSED)
            }
        };
        (state, said.emit(wide, answer).unwrap_or_default())
    }

    fn stop<const NAMES: usize>(server: &mut Server<NAMES>, name: &[u8], answer: &mut [u8]) -> usize {
        // as C takes it: up to a NUL
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let known = server.stop(name);
        let first = if known { 0 } else { copy(StopAnswer::NoExist.as_bytes(), answer) };
        // epmd says so in either case
        first.saturating_add(copy(StopAnswer::Stopped.as_bytes(), answer.get_mut(first..).unwrap_or_default()))
    }

    fn list<const NAMES: usize>(server: &Server<NAMES>, dump: bool, answer: &mut [u8]) -> (SessionState, usize) {
        let head = ListHead { epmd_port: u32::from(server.port) };
        let filled = head.emit(answer).unwrap_or_default();
        Self::list_on(server, Listed::Active { below: u64::MAX }, dump, answer, filled)
    }

    /// Appends as many whole lines as fit.
    fn list_on<const NAMES: usize>(
        server: &Server<NAMES>,
        mut last: Listed,
        dump: bool,
        buf: &mut [u8],
        mut filled: usize,
    ) -> (SessionState, usize) {
        while let Some((next, at, entry)) = server.next_listed(last, dump) {
            let room = buf.get_mut(filled..).unwrap_or_default();
            let line = if dump {
                // epmd prints its own number of the connection; here it is the name's place in the table
                let fd = u32::try_from(at).unwrap_or(u32::MAX);
                DumpLine { active: entry.active, name: &entry.name, port: entry.port, fd }.emit(room)
            } else {
                NamesLine { name: &entry.name, port: entry.port }.emit(room)
            };
            let Ok(line) = line else { return (SessionState::Listing { last, dump }, filled) };
            filled = filled.saturating_add(line);
            last = next;
        }
        (SessionState::Answering, filled)
    }

    /// Returns the bytes to write now; none when there is nothing to write. An answer to a registration, and the first bytes of a list, are
    /// to go out in one write: BEAM does not put them together from pieces.
    pub fn transmit<const NAMES: usize>(&mut self, server: &Server<NAMES>) -> &[u8] {
        let written = self.sent >= self.filled;
        match self.state {
            SessionState::Listing { last, dump } if written => {
                (self.state, self.filled) = Self::list_on(server, last, dump, &mut self.buf, 0);
                self.sent = 0;
                // the names that were to follow have left
                self.end_if_written();
            }
            _ => {}
        }
        match self.state {
            SessionState::Receiving | SessionState::Over => &[],
            _ => self.buf.get(self.sent..self.filled).unwrap_or_default(),
        }
    }

    /// Counts `count` bytes as written.
    pub fn sent(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.filled);
        self.end_if_written();
    }

    fn end_if_written(&mut self) {
        if self.state == SessionState::Answering && self.sent == self.filled {
            self.state = SessionState::Over;
        }
    }

    /// Ends the session, whose connection ended or is to end, and frees the name it held.
    pub fn handle_close<const NAMES: usize>(&mut self, server: &mut Server<NAMES>) {
        if let SessionState::Registered(place) = core::mem::replace(&mut self.state, SessionState::Over) {
            server.unregister(place);
        }
    }

    /// Ends the session if the name it held was unregistered by force; see [`Server::take_stopped`].
    pub fn handle_stop<const NAMES: usize>(&mut self, server: &Server<NAMES>) {
        if matches!(&self.state, SessionState::Registered(place) if !server.holds(place)) {
            self.state = SessionState::Over;
        }
    }

    /// Returns true if the connection is to be closed.
    pub fn is_over(&self) -> bool {
        self.state == SessionState::Over
    }

    /// Returns true if a node holds its name with this connection.
    pub fn is_registered(&self) -> bool {
        matches!(self.state, SessionState::Registered(_))
    }

    /// Returns when to call [`Session::handle_timeout`]; never for a registered node.
    ///
    /// epmd also keeps the connection of a refused one for ever; that one is given the same time here, since places are few.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let waits = !matches!(self.state, SessionState::Registered(_) | SessionState::Over);
        waits.then(|| self.heard.after(self.idle_limit))
    }

    /// Ends the session if the peer has been silent for too long: see [`Session::idle_limit`].
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.poll_timeout().is_some_and(|limit| limit <= now) {
            self.state = SessionState::Over;
        }
    }

    /// Returns when the peer last sent something, or connected.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// Returns true if the peer has sent nothing yet.
    pub fn is_wordless(&self) -> bool {
        self.state == SessionState::Receiving && self.filled == 0
    }
}

/// Copies `bytes` to the start of `buf`, which has room for them.
fn copy(bytes: &[u8], buf: &mut [u8]) -> usize {
    buf.get_mut(..bytes.len()).map_or(0, |room| {
        room.copy_from_slice(bytes);
        bytes.len()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::captured::damaged;
    use crate::wire::epmd::MAX_NAME_CHARS;

    const T0: Instant = Instant::from_millis(0);

    fn server() -> Server<4> {
        Server::new(4369, 1000)
    }

    fn frame(body: &[u8]) -> Vec<u8> {
        [&u16::try_from(body.len()).unwrap().to_be_bytes()[..], body].concat()
    }

    fn alive(name: &[u8], highest: u16, extra: &[u8]) -> Vec<u8> {
        let info = NodeInfo { highest, lowest: 5, name, extra, ..NodeInfo::own("", 40_000, false) };
        let mut buf = vec![0; 8192];
        let len = Request::Alive2(info).emit(&mut buf).unwrap();
        buf[..len].to_vec()
    }

    /// Returns the bytes that the session writes when the socket takes `step` bytes at a time.
    fn written<const N: usize>(session: &mut Session, server: &Server<N>, step: usize) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let bytes = session.transmit(server);
            let count = bytes.len().min(step);
            if count == 0 {
                return all;
            }
            all.extend_from_slice(&bytes[..count]);
            session.sent(count);
        }
    }

    fn asked<const N: usize>(server: &mut Server<N>, request: &[u8]) -> (Session, Vec<u8>) {
        let mut session = Session::new(true, T0);
        session.handle_bytes(server, request, T0);
        let answer = written(&mut session, server, usize::MAX);
        (session, answer)
    }

    #[test]
    fn registers_for_as_long_as_the_connection_stands() {
        let mut server = server();
        let (mut agent, answer) = asked(&mut server, &alive(b"agent", 6, b"e\0x"));
        assert_eq!(answer, b"v\0\0\0\x03\xe8");
        assert!(agent.is_registered() && !agent.is_over() && agent.poll_timeout().is_none());
        let (found, answer) = asked(&mut server, b"\0\x06zagent");
        assert_eq!(answer, b"w\0\x9c\x40\x4d\0\0\x06\0\x05\0\x05agent\0\x03e\0x");
        assert!(found.is_over());
        assert_eq!(asked(&mut server, b"\0\x07zagent\0").1, answer);
        // the same name again: refused in either form, and left to the node to close
        let (mut refused, answer) = asked(&mut server, &alive(b"agent", 6, b""));
        assert_eq!(answer, b"v\x01\0\0\0c");
        assert!(!refused.is_over() && !refused.is_registered());
        assert_eq!(asked(&mut server, &alive(b"agent", 5, b"")).1, b"y\x01\0c");
        refused.handle_bytes(&mut server, b"x", T0);
        assert!(refused.is_over());
        // any byte ends it
        agent.handle_bytes(&mut server, b"\0", T0);
        assert!(agent.is_over());
        assert_eq!(asked(&mut server, b"\0\x06zagent").1, b"w\x01");
        // again: another creation
        let (mut agent, answer) = asked(&mut server, &alive(b"agent", 6, b""));
        assert_eq!(answer, b"v\0\0\0\x03\xe9");
        agent.handle_close(&mut server);
        assert_eq!(asked(&mut server, b"\0\x06zagent").1, b"w\x01");
    }

    #[test]
    fn creations_of_old_nodes_go_round_in_two_bits() {
        let mut server = server();
        let mut last = 0;
        for _ in 0..7 {
            let (mut older, answer) = asked(&mut server, &alive(b"older", 5, b""));
            assert!(answer.starts_with(b"y\0\0") && (1..=3).contains(&answer[3]) && answer[3] != last);
            last = answer[3];
            older.handle_close(&mut server);
        }
    }

    #[test]
    fn creations_start_again_above_those() {
        let mut server = Server::<1>::new(4369, u32::MAX);
        let mut creations = (0..2).map(|_| {
            let (mut node, answer) = asked(&mut server, &alive(b"a", 6, b""));
            node.handle_close(&mut server);
            answer[2..].to_vec()
        });
        assert_eq!((creations.next().unwrap(), creations.next().unwrap()), (vec![255; 4], vec![0, 0, 0, 4]));
    }

    #[test]
    fn names_that_do_not_pass() {
        let mut server = server();
        let refused = b"v\x01\0\0\0c".to_vec();
        assert_eq!(asked(&mut server, &alive(&[b'a'; 256], 6, b"")).1, refused);
        assert_eq!(asked(&mut server, &alive(b"\xff", 6, b"")).1, refused);
        let longest = "\u{1f600}".repeat(MAX_NAME_CHARS);
        let (_held, answer) = asked(&mut server, &alive(longest.as_bytes(), 6, &[7; MAX_EXTRA_BYTES]));
        assert!(answer.starts_with(b"v\0"));
        let answer = asked(&mut server, &frame(&[b"z", longest.as_bytes()].concat())).1;
        assert_eq!(answer.len(), PortAnswer::MAX);
        // these end without an answer
        for request in [alive(b"a\0b", 6, b""), frame(b"z"), frame(b"z\xff"), frame(b"?"), frame(b"sfoo"), b"\0\0".to_vec()] {
            let (session, answer) = asked(&mut server, &request);
            assert!(session.is_over() && answer.is_empty());
        }
    }

    #[test]
    fn a_request_may_come_in_any_pieces() {
        for cut in 0..20 {
            let mut server = server();
            let request = alive(b"agent", 6, b"");
            let mut session = Session::new(true, T0);
            for piece in [&request[..cut], &request[cut..]] {
                assert!(session.transmit(&server).is_empty() && !session.is_over());
                session.handle_bytes(&mut server, piece, T0);
            }
            assert!(session.is_registered());
        }
    }

    /// As in epmd, which reads no further than the length that it knows.
    #[test]
    fn bytes_too_many_count_behind_the_answer_once_the_length_is_known() {
        let mut server = server();
        let mut agent = Session::new(true, T0);
        let request = alive(b"agent", 6, b"");
        agent.handle_bytes(&mut server, &request[..2], T0);
        agent.handle_bytes(&mut server, &[&request[2..], b"x"].concat(), T0);
        assert!(!agent.is_registered() && !agent.is_over());
        assert_eq!(asked(&mut server, b"\0\x06zagent").1, b"w\x01");
        assert_eq!(written(&mut agent, &server, usize::MAX), b"v\0\0\0\x03\xe8");
        assert!(agent.is_over());
        let mut names = Session::new(true, T0);
        names.handle_bytes(&mut server, b"\0\x01", T0);
        names.handle_bytes(&mut server, b"nx", T0);
        assert_eq!(written(&mut names, &server, usize::MAX), 4369_u32.to_be_bytes());
        assert!(names.is_over());
    }

    #[test]
    fn requests_of_a_wrong_length_end_at_once() {
        let mut server = server();
        // more than it says, or longer than any request, or none
        for request in [&b"\0\x01nx"[..], &[0x08, 0x06], &[0xff, 0xff, b'n'], &[0; 2], &[1; 3000]] {
            let (session, answer) = asked(&mut server, request);
            assert!(session.is_over() && answer.is_empty(), "{request:x?}");
        }
        // less than it says: for 60 seconds
        let (mut session, _) = asked(&mut server, b"\0\x02n");
        assert_eq!(session.poll_timeout(), Some(Instant::from_millis(60_000)));
        session.handle_timeout(Instant::from_millis(59_999));
        assert!(!session.is_over());
        session.handle_bytes(&mut server, b"", T0);
        session.handle_timeout(Instant::from_millis(60_000));
        assert!(session.is_over() && session.poll_timeout().is_none());
    }

    #[test]
    fn only_from_this_host() {
        let mut server = server();
        for request in [alive(b"agent", 6, b""), frame(b"d"), frame(b"k"), frame(b"sagent")] {
            let mut session = Session::new(false, T0);
            session.handle_bytes(&mut server, &request, T0);
            assert!(session.is_over() && session.transmit(&server).is_empty());
        }
        let mut session = Session::new(false, T0);
        session.handle_bytes(&mut server, b"\0\x01n", T0);
        assert_eq!(written(&mut session, &server, 1), [0, 0, 0x11, 0x11]);
        // never, even when nobody is registered
        assert_eq!(asked(&mut server, b"\0\x01k").1, b"NO");
    }

    #[test]
    fn ends_when_told_and_no_name_is_registered() {
        for (kill, while_used) in [(Kill::Never, false), (Kill::Unused, false), (Kill::Always, true)] {
            let mut server = server().kill(kill);
            let (mut held, _) = asked(&mut server, &alive(b"held", 6, b""));
            let mut elsewhere = Session::new(false, T0);
            elsewhere.handle_bytes(&mut server, &frame(b"k"), T0);
            assert!(elsewhere.is_over() && !server.is_killed());
            let word = |ends: bool| if ends { b"OK" } else { b"NO" };
            assert_eq!(asked(&mut server, &frame(b"k")).1, word(while_used));
            assert_eq!(server.is_killed(), while_used);
            held.handle_close(&mut server);
            assert_eq!(asked(&mut server, &frame(b"k")).1, word(kill != Kill::Never));
            assert_eq!(server.is_killed(), kill != Kill::Never);
        }
    }

    #[test]
    fn names_are_unregistered_by_force_where_that_may_be() {
        let mut server = server().kill(Kill::Always);
        let (mut held, _) = asked(&mut server, &alive(b"held", 6, b""));
        assert_eq!(asked(&mut server, &frame(b"snobody")).1, b"NOEXISTSTOPPED");
        let mut elsewhere = Session::new(false, T0);
        elsewhere.handle_bytes(&mut server, &frame(b"sheld"), T0);
        assert!(elsewhere.is_over() && elsewhere.transmit(&server).is_empty() && !server.take_stopped());
        assert!(asked(&mut server, &frame(b"s")).1.is_empty());
        assert_eq!(asked(&mut server, &frame(b"sheld\0more")).1, b"STOPPED");
        assert!(server.take_stopped() && !server.take_stopped());
        // it is another's before the first has heard of it
        let (mut again, answer) = asked(&mut server, &alive(b"held", 6, b""));
        assert!(answer.starts_with(b"v\0"));
        again.handle_stop(&server);
        assert!(again.is_registered());
        held.handle_stop(&server);
        assert!(held.is_over());
        held.handle_close(&mut server);
        assert!(asked(&mut server, b"\0\x05zheld").1.starts_with(b"w\0"));
        // and without asking it
        let (mut first, _) = asked(&mut server, &alive(b"first", 6, b""));
        asked(&mut server, &frame(b"sfirst"));
        let _second = asked(&mut server, &alive(b"first", 6, b""));
        first.handle_close(&mut server);
        assert!(asked(&mut server, b"\0\x06zfirst").1.starts_with(b"w\0"));
    }

    #[test]
    fn lists_in_pieces_and_in_the_order_of_epmd() {
        let mut server = Server::<8>::new(4369, 4);
        let mut held = Vec::new();
        let long = "\u{1f600}".repeat(MAX_NAME_CHARS);
        for name in ["gone", "foo", &long, "bar", &long[4..], &long[8..]] {
            held.push(asked(&mut server, &alive(name.as_bytes(), 6, b"")).0);
        }
        held.remove(0).handle_close(&mut server);
        let line = |name: &str| format!("name {name} at port 40000\n");
        let names = [&long[8..], &long[4..], "bar", &long, "foo"].map(line).concat();
        for step in [1, 7, 1000, usize::MAX] {
            let mut session = Session::new(true, T0);
            session.handle_bytes(&mut server, b"\0\x01n", T0);
            let answer = written(&mut session, &server, step);
            assert_eq!((&answer[..4], core::str::from_utf8(&answer[4..]).unwrap()), (&b"\0\0\x11\x11"[..], &*names));
            assert!(session.is_over());
        }
        let dump = asked(&mut server, b"\0\x01d").1;
        let (head, tail) = (b"\0\0\x11\x11active name     <", b"old/unused name <gone>, port = 40000, fd = 0 \n\0");
        assert!(dump.starts_with(head) && dump.ends_with(tail));
        assert_eq!(dump.iter().filter(|byte| **byte == 0).count(), 6 + 2);
        // names that leave while the list is under way cut no line in two
        let mut session = Session::new(true, T0);
        session.handle_bytes(&mut server, b"\0\x01n", T0);
        let begun = session.transmit(&server).len();
        session.sent(begun - 3);
        for mut node in held {
            node.handle_close(&mut server);
        }
        assert_eq!(written(&mut session, &server, usize::MAX), b"00\n");
        assert!(session.is_over());
    }

    #[test]
    fn forgets_who_left_longest_ago_and_refuses_when_all_are_there() {
        let mut server = Server::<3>::new(4369, 10);
        let mut nodes: Vec<_> = [b"a", b"b", b"c"].map(|name| asked(&mut server, &alive(name, 6, b"")).0).into();
        // no answer: a refusal would be taken for another node of that name
        let (full, answer) = asked(&mut server, &alive(b"d", 6, b""));
        assert!(full.is_over() && answer.is_empty());
        assert_eq!(asked(&mut server, &alive(b"c", 6, b"")).1, b"v\x01\0\0\0c");
        nodes[1].handle_close(&mut server);
        nodes[0].handle_close(&mut server);
        assert!(asked(&mut server, &alive(b"d", 6, b"")).0.is_registered());
        let dump = asked(&mut server, b"\0\x01d").1;
        let dump = String::from_utf8_lossy(&dump);
        assert!(dump.contains("<a>") && dump.contains("<c>") && dump.contains("<d>") && !dump.contains("<b>"));
        // and one that comes back after it was forgotten is not what it was
        assert_eq!(asked(&mut server, &alive(b"b", 6, b"")).1, b"v\0\0\0\0\x0e");
    }

    #[test]
    fn no_damage_panics() {
        let mut server = server();
        damaged("epmd/*", |body| {
            // in a frame, or as what may be one
            for bytes in [&*frame(body), body] {
                let (mut session, answer) = asked(&mut server, bytes);
                assert!(answer.len() < 4096);
                session.handle_bytes(&mut server, b"x", T0);
                session.handle_close(&mut server);
            }
        });
        assert!(server.entries.iter().all(|entry| !entry.active));
    }

    #[test]
    fn a_session_tells_when_it_heard_of_its_peer() {
        let mut server = server();
        let mut session = Session::new(true, Instant::from_millis(5));
        assert_eq!((session.heard(), session.is_wordless()), (Instant::from_millis(5), true));
        session.handle_bytes(&mut server, b"\0", Instant::from_millis(7));
        assert_eq!((session.heard(), session.is_wordless()), (Instant::from_millis(7), false));
        // one that was answered has said something
        assert!(!asked(&mut server, b"\0\x01n").0.is_wordless());
        assert!(!asked(&mut server, &alive(b"agent", 6, b"")).0.is_wordless());
    }

    #[test]
    fn refusals_say_what_is_wrong() {
        for (refusal, word) in
            [(Refusal::Duplicate, "another node"), (Refusal::Invalid, "UTF-8"), (Refusal::Full, "as many nodes")]
        {
            assert!(refusal.to_string().contains(word));
        }
    }
}
