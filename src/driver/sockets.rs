//! The sockets of a node's connections, from dialing to the end.

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

/// The sockets of all connections. A place is as good as any other; its number is the token, counted from `SOCKETS`.
pub(super) struct Sockets {
    places: Vec<Option<Socket>>,
    /// The first place from which on all are free.
    end: usize,
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
        Self { stream, readable: true, writable: true, read_closed: false, broken: false, ended: false }
    }
}

impl Sockets {
    pub(super) fn new(capacity: usize, epmd: u16) -> Self {
        let mut places = Vec::new();
        places.resize_with(capacity, || None);
        Self { places, end: 0, epmd, ports: Vec::new() }
    }

    /// Sets the port of a node, for which EPMD is not asked from now on.
    pub(super) fn set_port(&mut self, node: NodeName, port: u16) {
        match self.ports.iter_mut().find(|(known, _)| *known == node) {
            Some((_, known)) => *known = port,
            None => self.ports.push((node, port)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Returns a free place. It may be that of a connection that only lingers, or that the node has given up and the next write would
    /// close: there are as many places as the node has connections.
    fn free(&self, node: &Node<'_>) -> Option<usize> {
        let lingers = |socket: &Socket| matches!(socket.kind, Kind::Lingering(..)) || !node.is_open(socket.connection);
        let is_over = |place: &Option<Socket>| place.as_ref().is_some_and(lingers);
        self.places.iter().position(Option::is_none).or_else(|| self.places.iter().position(is_over))
    }

    fn put(&mut self, index: usize, connection: Connection, kind: Kind) {
        if let Some(place) = self.places.get_mut(index) {
            *place = Some(Socket { connection, kind });
            self.end = self.end.max(index.saturating_add(1));
        }
    }

    fn taken(&self) -> impl Iterator<Item = &Socket> {
        self.places.iter().take(self.end).flatten()
    }

    /// Takes a connection to a node that is to be made.
    pub(super) fn dial(&mut self, connection: Connection, peer: NodeName, node: &mut Node<'_>) {
        let port = self.ports.iter().find(|(known, _)| *known == peer).map(|(_, port)| *port);
        let dial = Dial::new(peer, self.epmd, port);
        match self.free(node) {
            Some(index) => self.put(index, connection, Kind::Dial(dial)),
            None => node.handle_unreachable(connection, NetworkFault::Other(0)),
        }
    }

    /// Goes on with every dial that has something to do: a host to ask for, a socket that became ready, an address that had its time. Returns true
    /// if one failed, which the program is to hear of at once, or if there is more to do.
    pub(super) fn dial_on(&mut self, node: &mut Node<'_>, resolver: &mut Resolver, registry: &Registry, now: Instant) -> bool {
        let (mut failed, mut left) = (0_usize, false);
        resolver.retain(|connection| node.is_open(connection));
        for index in 0..self.end {
            if let Some(Some(Socket { connection, kind: Kind::Dial(dial) })) = self.places.get_mut(index) {
                if failed >= FAILURES {
                    left |= dial.has_work();
                    continue;
                }
                let at = At { registry, token: token(index), now };
                let dialed = match dial.begin(*connection, resolver, &at) {
                    Dialed::Waiting if dial.take_ready() => dial.advance(&at),
                    Dialed::Waiting => dial.handle_timeout(&at),
                    dialed => dialed,
                };
                failed = failed.saturating_add(matches!(dialed, Dialed::Failed(_)).into());
                self.dialed(index, dialed, node, now);
            }
        }
        failed > 0 || left
    }

    /// Returns when [`Sockets::dial_on`] or [`Sockets::write`] has something to do next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let due = |socket: &Socket| match &socket.kind {
            Kind::Dial(dial) => dial.poll_timeout(),
            Kind::Open(_) => None,
            Kind::Lingering(_, until) => Some(*until),
        };
        self.taken().filter_map(due).min()
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
        let is_asked = |place: &Option<Socket>| place.as_ref().is_some_and(|socket| socket.connection == asked);
        let Some(index) = self.places.iter().position(is_asked) else { return };
        if let Some(Some(Socket { kind: Kind::Dial(dial), .. })) = self.places.get_mut(index) {
            let dialed = dial.resolved(found, &At { registry, token: token(index), now });
            self.dialed(index, dialed, node, now);
        }
    }

    fn dialed(&mut self, index: usize, dialed: Dialed, node: &mut Node<'_>, now: Instant) {
        let Some(place) = self.places.get_mut(index) else { return };
        let Some(socket) = place else { return };
        match dialed {
            Dialed::Waiting => {
                let Kind::Dial(dial) = &mut socket.kind else { return };
                if dial.has_moved() {
                    node.handle_dialling(socket.connection, now);
                }
            }
            Dialed::Failed(fault) => {
                node.handle_unreachable(socket.connection, fault);
                *place = None;
            }
            Dialed::Connected(stream) => match random() {
                Ok(random) => {
                    node.handle_connected(socket.connection, random, now);
                    // what told of the connection may have told of bytes too
                    socket.kind = Kind::Open(Open::new(stream));
                }
                Err(e) => {
                    log::error!("{e}");
                    node.handle_unreachable(socket.connection, NetworkFault::Other(0));
                    *place = None;
                }
            },
        }
    }

    /// Takes a connection that somebody made to us.
    pub(super) fn adopt(&mut self, connection: Connection, mut stream: TcpStream, node: &mut Node<'_>, registry: &Registry) {
        let Some(index) = self.free(node) else { return node.handle_closed(connection, None) };
        match registry.register(&mut stream, token(index), Interest::READABLE | Interest::WRITABLE) {
            Ok(()) => self.put(index, connection, Kind::Open(Open::new(stream))),
            Err(e) => node.handle_closed(connection, Some(fault(&e, NetworkFault::Refused))),
        }
    }

    /// Takes what the system tells of the socket in this place.
    pub(super) fn handle(&mut self, index: usize, event: &Event) {
        let Some(place) = self.places.get_mut(index) else { return };
        let Some(socket) = place else { return };
        match &mut socket.kind {
            Kind::Open(open) => {
                open.readable |= event.is_readable() || event.is_error();
                open.writable |= event.is_writable();
                open.read_closed |= event.is_read_closed() || event.is_error();
            }
            Kind::Dial(dial) => dial.set_ready(),
            Kind::Lingering(stream, _) => {
                if drain(stream) {
                    *place = None;
                }
            }
        }
    }

    /// Reads once from every connection that has something and that the node takes bytes from.
    pub(super) fn read(&mut self, node: &mut Node<'_>) {
        for place in self.places.iter_mut().take(self.end) {
            let Some(Socket { connection, kind: Kind::Open(open) }) = place else { continue };
            if open.readable {
                open.read(connection, node);
            }
        }
    }

    /// Writes what waits, and closes what is over.
    pub(super) fn write(&mut self, node: &mut Node<'_>, now: Instant) {
        for place in self.places.iter_mut().take(self.end) {
            let Some(socket) = place else { continue };
            match &mut socket.kind {
                Kind::Open(open) if open.writable => open.write(socket.connection, node),
                _ => {}
            }
            let over = match &socket.kind {
                Kind::Lingering(_, until) => *until <= now,
                Kind::Dial(_) | Kind::Open(_) => !node.is_open(socket.connection),
            };
            if over {
                *place = place.take().and_then(|socket| socket.close(now));
            }
        }
        while self.end.checked_sub(1).and_then(|last| self.places.get(last)).is_some_and(Option::is_none) {
            self.end = self.end.saturating_sub(1);
        }
    }

    /// Returns true if something can be read at once.
    pub(super) fn has_more(&self, node: &Node<'_>) -> bool {
        self.taken().any(|socket| match &socket.kind {
            Kind::Open(open) => open.readable && node.takes_bytes(socket.connection),
            Kind::Dial(_) | Kind::Lingering(..) => false,
        })
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

fn token(index: usize) -> Token {
    Token(SOCKETS.saturating_add(index))
}
