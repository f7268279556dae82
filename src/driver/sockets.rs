//! The sockets of a node's connections, from dialing to the end.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::dial::{At, Dial, Dialed};
use super::hosts::{Addresses, Resolver};
use super::net::fault;
use super::random::random;
use super::tokens::SOCKETS;
use crate::error::NetworkFault;
use crate::node::{Connection, Node};
use crate::time::Instant;
use crate::wire::ids::NodeName;

/// The time for which a connection that this side closed waits for the peer to have read what was sent. Closing at once, with bytes of the
/// peer's unread, would make the system throw away what it has not sent yet.
const LINGER: Duration = Duration::from_secs(2);

/// Dials that may fail in one go. Many begin together and fail together, and the program is to read of each.
const FAILURES: usize = 4;

/// The sockets of all connections. A place is as good as any other; its number is the token, counted from `SOCKETS`. What a turn costs follows
/// the places that something is to be done for, each of which stands in a list.
pub(super) struct Sockets {
    places: Vec<Option<Socket>>,
    /// The places that are free. There are as many places as the node has connections.
    free: Vec<u32>,
    /// The place of each connection, by its number.
    place_of: Vec<Option<u32>>,
    /// The places that can be read from at once, and those that can be written to again.
    readable: Vec<u32>,
    writable: Vec<u32>,
    /// The places of connections that are to be made.
    dials: Vec<u32>,
    /// Those that linger, with their time, first closed, first gone. One whose peer closed first is not in its place any more.
    lingering: VecDeque<(u32, Instant)>,
    epmd: u16,
    /// The nodes whose port is known.
    ports: Vec<(NodeName, u16)>,
}

struct Socket {
    connection: Connection,
    kind: Kind,
}

enum Kind {
    Dial(Dial),
    Open(Open),
    /// Closed by this side, until the peer closes too, or until then.
    Lingering(TcpStream, Instant),
}

/// A connection that is made.
struct Open {
    stream: TcpStream,
    /// True if there may be more to read. mio tells of a change once, so this remembers it while the node takes nothing.
    readable: bool,
    /// It stands among those that can be read from at once.
    listed: bool,
    writable: bool,
    /// The peer has closed its side: read on until the end is read.
    read_closed: bool,
    /// Nothing can be written any more. What the peer sent before is still read.
    broken: bool,
    /// Everything was read.
    ended: bool,
}

impl Open {
    fn new(stream: TcpStream) -> Self {
        // small messages must not wait for each other
        let _ = stream.set_nodelay(true);
        Self { stream, readable: true, listed: true, writable: true, read_closed: false, broken: false, ended: false }
    }
}

impl Sockets {
    pub(super) fn new(capacity: usize, epmd: u16) -> Self {
        let mut places = Vec::new();
        places.resize_with(capacity, || None);
        let free = (0..u32::try_from(capacity).unwrap_or(u32::MAX)).rev().collect();
        let list = || Vec::with_capacity(capacity);
        Self {
            places,
            free,
            place_of: vec![None; capacity],
            readable: list(),
            writable: list(),
            dials: Vec::new(),
            lingering: VecDeque::with_capacity(capacity),
            epmd,
            ports: Vec::new(),
        }
    }

    /// Sets the port of a node, for which EPMD is not asked from now on.
    pub(super) fn set_port(&mut self, node: NodeName, port: u16) {
        match self.ports.iter_mut().find(|(known, _)| *known == node) {
            Some((_, known)) => *known = port,
            None => self.ports.push((node, port)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    #[inline]
    fn at(&mut self, place: u32) -> Option<&mut Socket> {
        self.places.get_mut(index(place))?.as_mut()
    }

    /// Returns the place of a connection.
    fn find(&mut self, connection: Connection, node: &Node<'_>) -> Option<u32> {
        let place = (*self.place_of.get(node.number(connection))?)?;
        self.at(place).is_some_and(|socket| socket.connection == connection).then_some(place)
    }

    /// Takes a free place. Where there is none, that of a connection will do that the node has given up, or one that only lingers.
    fn take_place(&mut self, node: &mut Node<'_>, now: Instant) -> Option<u32> {
        if self.free.is_empty() {
            self.write(node, now);
        }
        while self.free.is_empty() {
            let (place, until) = self.lingering.pop_front()?;
            self.end_lingering(place, until);
        }
        self.free.pop()
    }

    /// Puts a connection into a place that was taken.
    fn put(&mut self, place: u32, connection: Connection, kind: Kind, node: &Node<'_>, now: Instant) {
        self.belongs(place, connection, node, now);
        if let Some(slot) = self.places.get_mut(index(place)) {
            *slot = Some(Socket { connection, kind });
        }
    }

    /// Notes the place of a connection. One that had its number before is over, and closed if it is not yet.
    fn belongs(&mut self, place: u32, connection: Connection, node: &Node<'_>, now: Instant) {
        let number = node.number(connection);
        let Some(older) = self.place_of.get_mut(number).and_then(|noted| noted.replace(place)) else { return };
        let is_its = |socket: &mut Socket| socket.connection != connection && node.number(socket.connection) == number;
        if self.at(older).is_some_and(is_its) {
            self.close(older, now);
        }
    }

    fn vacate(&mut self, place: u32) -> Option<Socket> {
        let socket = self.places.get_mut(index(place))?.take()?;
        self.free.push(place);
        Some(socket)
    }

    /// Closes what is in a place. A connection may linger there.
    fn close(&mut self, place: u32, now: Instant) {
        let Some(slot) = self.places.get_mut(index(place)) else { return };
        // what lingers is closed already
        let Some(socket) = slot.take_if(|socket| !matches!(socket.kind, Kind::Lingering(..))) else { return };
        *slot = socket.close(now);
        match slot {
            Some(_) => self.lingering.push_back((place, now.after(LINGER))),
            None => self.free.push(place),
        }
    }

    /// Takes a connection to a node that is to be made.
    pub(super) fn dial(&mut self, connection: Connection, peer: NodeName, node: &mut Node<'_>, now: Instant) {
        let port = self.ports.iter().find(|(known, _)| *known == peer).map(|(_, port)| *port);
        let dial = Dial::new(peer, self.epmd, port);
        match self.take_place(node, now) {
            Some(place) => {
                self.put(place, connection, Kind::Dial(dial), node, now);
                self.dials.push(place);
            }
            None => node.handle_unreachable(connection, NetworkFault::Other(0)),
        }
    }

    /// Goes on with every dial that has something to do: a host to ask for, a socket that became ready, an address that had its time. Returns true
    /// if one failed, which the program is to hear of at once, or if there is more to do.
    pub(super) fn dial_on(&mut self, node: &mut Node<'_>, resolver: &mut Resolver, registry: &Registry, now: Instant) -> bool {
        if self.dials.is_empty() {
            return false;
        }
        let (mut failed, mut left) = (0_usize, false);
        resolver.retain(|connection| node.is_open(connection));
        let mut dials = core::mem::take(&mut self.dials);
        dials.retain(|place| {
            let Some(Socket { connection, kind: Kind::Dial(dial) }) = self.at(*place) else { return false };
            if failed >= FAILURES {
                left |= dial.has_work();
                return true;
            }
            let at = At { registry, token: token(*place), now };
            let dialed = match dial.begin(*connection, resolver, &at) {
                Dialed::Waiting if dial.take_ready() => dial.advance(&at),
                Dialed::Waiting => dial.handle_timeout(&at),
                dialed => dialed,
            };
            failed = failed.saturating_add(matches!(dialed, Dialed::Failed(_)).into());
            self.dialed(*place, dialed, node, now)
        });
        self.dials = dials;
        failed > 0 || left
    }

    /// Returns when [`Sockets::dial_on`] or [`Sockets::write`] has something to do next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = |place: &u32| match self.places.get(index(*place))?.as_ref()?.kind {
            Kind::Dial(ref dial) => dial.poll_timeout(),
            Kind::Open(_) | Kind::Lingering(..) => None,
        };
        let lingers = self.lingering.front().map(|(_, until)| *until);
        self.dials.iter().filter_map(due).chain(lingers).min()
    }

    /// Goes on with the connection whose host was looked up.
    pub(super) fn resolved(
        &mut self,
        asked: Connection,
        found: Addresses,
        node: &mut Node<'_>,
        registry: &Registry,
        now: Instant,
    ) {
        let Some(place) = self.find(asked, node) else { return };
        if let Some(Socket { kind: Kind::Dial(dial), .. }) = self.at(place) {
            let dialed = dial.resolved(found, &At { registry, token: token(place), now });
            self.dialed(place, dialed, node, now);
        }
    }

    /// Takes note of how far a dial is. Returns true while it goes on.
    fn dialed(&mut self, place: u32, dialed: Dialed, node: &mut Node<'_>, now: Instant) -> bool {
        let Some(socket) = self.at(place) else { return false };
        let connection = socket.connection;
        match dialed {
            Dialed::Waiting => {
                let Kind::Dial(dial) = &mut socket.kind else { return false };
                if dial.has_moved() {
                    node.handle_dialling(connection, now);
                }
                return true;
            }
            Dialed::Failed(fault) => {
                self.vacate(place);
                node.handle_unreachable(connection, fault);
            }
            Dialed::Connected(stream) => match random() {
                Ok(random) => {
                    // what told of the connection may have told of bytes too
                    socket.kind = Kind::Open(Open::new(stream));
                    self.readable.push(place);
                    node.handle_connected(connection, random, now);
                }
                Err(e) => {
                    log::error!("{e}");
                    self.vacate(place);
                    node.handle_unreachable(connection, NetworkFault::Other(0));
                }
            },
        }
        false
    }

    /// Takes a connection that somebody made to us.
    pub(super) fn adopt(
        &mut self,
        connection: Connection,
        mut stream: TcpStream,
        node: &mut Node<'_>,
        registry: &Registry,
        now: Instant,
    ) {
        let Some(place) = self.take_place(node, now) else { return node.handle_closed(connection, None) };
        match registry.register(&mut stream, token(place), Interest::READABLE | Interest::WRITABLE) {
            Ok(()) => {
                self.put(place, connection, Kind::Open(Open::new(stream)), node, now);
                self.readable.push(place);
            }
            Err(e) => {
                self.free.push(place);
                node.handle_closed(connection, Some(fault(&e, NetworkFault::Refused)));
            }
        }
    }

    /// Takes what the system tells of the socket in this place.
    pub(super) fn handle(&mut self, place: usize, event: &Event) {
        let Some(socket) = self.places.get_mut(place).and_then(Option::as_mut) else { return };
        let Ok(place) = u32::try_from(place) else { return };
        match &mut socket.kind {
            Kind::Open(open) => {
                open.read_closed |= event.is_read_closed() || event.is_error();
                if event.is_readable() || event.is_error() {
                    open.readable = true;
                    open.list(place, &mut self.readable);
                }
                if event.is_writable() && !core::mem::replace(&mut open.writable, true) {
                    self.writable.push(place);
                }
            }
            Kind::Dial(dial) => dial.set_ready(),
            Kind::Lingering(stream, _) => {
                if drain(stream) {
                    self.vacate(place);
                }
            }
        }
    }

    /// Reads once from every connection that has something and that the node takes bytes from.
    pub(super) fn read(&mut self, node: &mut Node<'_>, now: Instant) {
        let count = self.readable.len();
        for at in 0..count {
            let Some(place) = self.readable.get(at).copied() else { break };
            let Some(Socket { connection, kind: Kind::Open(open) }) = self.at(place) else { continue };
            let before = *connection;
            open.listed = false;
            open.read(connection, node);
            let connection = *connection;
            self.list(place, node);
            if connection != before {
                self.belongs(place, connection, node, now);
            }
        }
        self.readable.drain(..count);
    }

    /// Puts a place among those that can be read from, if it can be.
    fn list(&mut self, place: u32, node: &Node<'_>) {
        let Some(Some(Socket { connection, kind: Kind::Open(open) })) = self.places.get_mut(index(place)) else { return };
        if open.readable && node.takes_bytes(*connection) {
            open.list(place, &mut self.readable);
        }
    }

    /// Writes what waits, and closes what is over.
    pub(super) fn write(&mut self, node: &mut Node<'_>, now: Instant) {
        while let Some(place) = self.writable.pop() {
            self.tend(place, node, now);
        }
        while let Some(connection) = node.poll_work() {
            if let Some(place) = self.place_of.get(node.number(connection)).copied().flatten() {
                self.tend(place, node, now);
            }
        }
        while let Some((place, until)) = self.lingering.front().copied() {
            if until > now && self.lingers(place, until) {
                return;
            }
            self.lingering.pop_front();
            self.end_lingering(place, until);
        }
    }

    /// Does what there is to do for one place.
    fn tend(&mut self, place: u32, node: &mut Node<'_>, now: Instant) {
        let Some(socket) = self.at(place) else { return };
        let connection = socket.connection;
        match &mut socket.kind {
            Kind::Open(open) if open.writable => open.write(connection, node),
            _ => {}
        }
        if node.is_open(connection) {
            self.list(place, node);
        } else {
            self.close(place, now);
        }
    }

    fn lingers(&mut self, place: u32, until: Instant) -> bool {
        matches!(self.at(place), Some(Socket { kind: Kind::Lingering(_, its), .. }) if *its == until)
    }

    fn end_lingering(&mut self, place: u32, until: Instant) {
        if self.lingers(place, until) {
            self.vacate(place);
        }
    }

    /// Returns true if something can be read at once.
    pub(super) fn has_more(&self) -> bool {
        !self.readable.is_empty()
    }
}

impl Socket {
    /// Closes the connection, and returns what is left of it: nothing, or one that lingers.
    fn close(self, now: Instant) -> Option<Self> {
        let Kind::Open(mut open) = self.kind else { return None };
        if open.ended || open.broken || open.stream.shutdown(Shutdown::Write).is_err() || drain(&mut open.stream) {
            return None;
        }
        Some(Self { kind: Kind::Lingering(open.stream, now.after(LINGER)), ..self })
    }
}

/// Reads what nobody wants any more, a bounded amount of it; `true` at its end.
fn drain(stream: &mut TcpStream) -> bool {
    let mut nowhere = [0; 4096];
    for _ in 0..16 {
        match stream.read(&mut nowhere) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return e.kind() != ErrorKind::WouldBlock,
        }
    }
    // a peer that goes on sending is not waited for
    true
}

impl Open {
    /// Puts it into a list, once.
    fn list(&mut self, place: u32, readable: &mut Vec<u32>) {
        if !core::mem::replace(&mut self.listed, true) {
            readable.push(place);
        }
    }

    fn read(&mut self, connection: &mut Connection, node: &mut Node<'_>) {
        let buffer = node.read_buffer(*connection);
        if buffer.is_empty() {
            return;
        }
        match self.stream.read(buffer) {
            Ok(0) => {
                self.readable = false;
                self.ended = true;
                node.handle_closed(*connection, None);
            }
            Ok(read) => {
                // a short read has emptied the socket: the next bytes come with news from the system
                self.readable = read == buffer.len() || self.read_closed || self.broken;
                node.handle_bytes(connection, read);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                self.readable = false;
                self.ended = true;
                node.handle_closed(*connection, Some(fault(&e, NetworkFault::Refused)));
            }
        }
    }

    fn write(&mut self, connection: Connection, node: &mut Node<'_>) {
        loop {
            let bytes = node.poll_transmit(connection);
            let len = bytes.len();
            if len == 0 {
                return;
            }
            if self.broken {
                node.handle_transmitted(connection, len);
                continue;
            }
            match self.stream.write(bytes) {
                Ok(written) => node.handle_transmitted(connection, written),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.writable = false;
                    return;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    // the peer is gone; what it sent before comes first, and then reading tells so
                    self.broken = true;
                    self.readable = true;
                }
            }
        }
    }
}

fn token(place: u32) -> Token {
    Token(SOCKETS.saturating_add(index(place)))
}

/// A place's number as an index. There are fewer than 2^18.
fn index(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}
