//! The sockets of a node's connections, from dialing to the end.

use std::io::{ErrorKind, Read, Write};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::dial::{Dial, Dialed, fault};
use super::hosts::{Addresses, Resolver};
use super::{SOCKETS, random};
use crate::error::NetworkFault;
use crate::node::{Connection, Node};
use crate::time::Instant;
use crate::wire::ids::NodeName;

/// All of them. A place is as good as any other; its number is the token, counted from `SOCKETS`.
pub(super) struct Sockets {
    places: Vec<Option<Socket>>,
    epmd: u16,
}

struct Socket {
    connection: Connection,
    kind: Kind,
}

enum Kind {
    Dial(Dial),
    Open(Open),
}

/// A connection that is made.
struct Open {
    stream: TcpStream,
    /// There may be more to read. mio tells of a change once, so this remembers it while the node takes nothing.
    readable: bool,
    writable: bool,
    /// The peer has closed its side: read on until the end is read.
    read_closed: bool,
}

impl Sockets {
    pub(super) fn new(capacity: usize, epmd: u16) -> Self {
        let mut places = Vec::new();
        places.resize_with(capacity, || None);
        Self { places, epmd }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }

    fn free(&mut self) -> Option<(usize, &mut Option<Socket>)> {
        self.places.iter_mut().enumerate().find(|(_, place)| place.is_none())
    }

    /// Begins to connect to a node.
    pub(super) fn dial(&mut self, connection: Connection, peer: NodeName, resolver: &mut Resolver, node: &mut Node<'_>) {
        let epmd = self.epmd;
        let Some((ticket, place)) = self.free() else {
            return node.handle_unreachable(connection, NetworkFault::Other(0));
        };
        if resolver.ask(ticket, peer.host()) {
            *place = Some(Socket { connection, kind: Kind::Dial(Dial::new(peer, epmd)) });
        } else {
            node.handle_unreachable(connection, NetworkFault::UnknownHost);
        }
    }

    /// A host was looked up.
    pub(super) fn resolved(&mut self, ticket: usize, found: Addresses, node: &mut Node<'_>, registry: &Registry, now: Instant) {
        let Some(Some(socket)) = self.places.get_mut(ticket) else { return };
        if let Kind::Dial(dial) = &mut socket.kind {
            let dialed = dial.resolved(found, registry, token(ticket));
            self.dialed(ticket, dialed, node, now);
        }
    }

    fn dialed(&mut self, index: usize, dialed: Dialed, node: &mut Node<'_>, now: Instant) {
        let Some(place) = self.places.get_mut(index) else { return };
        let Some(socket) = place else { return };
        match dialed {
            Dialed::Waiting => {}
            Dialed::Failed(fault) => {
                node.handle_unreachable(socket.connection, fault);
                *place = None;
            }
            Dialed::Connected(stream) => match random() {
                Ok(random) => {
                    // small messages must not wait for each other
                    let _ = stream.set_nodelay(true);
                    node.handle_connected(socket.connection, random, now);
                    socket.kind = Kind::Open(Open { stream, readable: false, writable: true, read_closed: false });
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
        let Some((index, place)) = self.free() else { return node.handle_closed(connection, None) };
        let _ = stream.set_nodelay(true);
        if let Err(e) = registry.register(&mut stream, token(index), Interest::READABLE | Interest::WRITABLE) {
            return node.handle_closed(connection, Some(fault(&e, NetworkFault::Refused)));
        }
        *place =
            Some(Socket { connection, kind: Kind::Open(Open { stream, readable: true, writable: true, read_closed: false }) });
    }

    /// The system told something of the socket in this place.
    pub(super) fn handle(&mut self, index: usize, event: &Event, node: &mut Node<'_>, registry: &Registry, now: Instant) {
        let Some(Some(socket)) = self.places.get_mut(index) else { return };
        match &mut socket.kind {
            Kind::Open(open) => {
                open.readable |= event.is_readable() || event.is_error();
                open.writable |= event.is_writable();
                open.read_closed |= event.is_read_closed() || event.is_error();
            }
            Kind::Dial(dial) => {
                let dialed = dial.advance(registry, token(index));
                self.dialed(index, dialed, node, now);
            }
        }
    }

    /// Reads once from every connection that has something and that the node takes bytes from.
    pub(super) fn read(&mut self, node: &mut Node<'_>) {
        for place in &mut self.places {
            let Some(Socket { connection, kind: Kind::Open(open) }) = place else { continue };
            if open.readable {
                open.read(connection, node);
            }
        }
    }

    /// Writes what waits, and closes what is over.
    pub(super) fn write(&mut self, node: &mut Node<'_>, registry: &Registry) {
        for place in &mut self.places {
            let Some(socket) = place else { continue };
            if let Kind::Open(open) = &mut socket.kind
                && open.writable
            {
                open.write(socket.connection, node);
            }
            if !node.is_open(socket.connection) {
                if let Kind::Open(open) = &mut socket.kind {
                    // it leaves the system's list with its descriptor in any case
                    let _ = registry.deregister(&mut open.stream);
                }
                *place = None;
            }
        }
    }

    /// Whether something can be read at once.
    pub(super) fn has_more(&self, node: &Node<'_>) -> bool {
        self.places.iter().flatten().any(|socket| match &socket.kind {
            Kind::Open(open) => open.readable && node.takes_bytes(socket.connection),
            Kind::Dial(_) => false,
        })
    }
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
                node.handle_closed(*connection, None);
            }
            Ok(read) => {
                // a short read has emptied the socket: the next bytes come with news from the system
                self.readable = read == buffer.len() || self.read_closed;
                node.handle_bytes(connection, read);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                self.readable = false;
                node.handle_closed(*connection, Some(fault(&e, NetworkFault::Refused)));
            }
        }
    }

    fn write(&mut self, connection: Connection, node: &mut Node<'_>) {
        loop {
            let bytes = node.poll_transmit(connection);
            if bytes.is_empty() {
                return;
            }
            match self.stream.write(bytes) {
                Ok(written) => node.handle_transmitted(connection, written),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    self.writable = false;
                    return;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return node.handle_closed(connection, Some(fault(&e, NetworkFault::Refused))),
            }
        }
    }
}

fn token(index: usize) -> Token {
    Token(SOCKETS.saturating_add(index))
}
