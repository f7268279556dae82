//! The sockets of a node's connections, from dialling to the end. What a turn costs follows what has something to do: the sockets that can be
//! read, those that were touched, and those that the node [tells of](Node::poll_work) stand in lines, and nobody looks at the others.

use std::time::Duration;

use mio::event::Event;
use mio::{Registry, Token};

use super::carrier::{Carrier, Drained, Stream};
use super::dial::{At, Dial, Dialed, Way};
use super::hosts::{Addresses, Resolver};
use super::line::Line;
use super::net::fault;
use super::open::Open;
use super::random::random;
#[cfg(feature = "tls")]
use super::secure::Secure;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::tokens::SOCKETS;
use crate::error::{NetworkFault, Reason};
use crate::node::{Connection, Node};
use crate::time::{Instant, sooner};
use crate::wire::handshake::Prefix;
use crate::wire::ids::NodeName;

/// The time for which a connection that this side closed waits for the peer to have read what was sent. Closing at once, with bytes of the
/// peer's unread, would make the system throw away what it has not sent yet.
const LINGER: Duration = Duration::from_secs(2);

/// The time after which a look-up is begun again that the system had no thread for.
const AGAIN: Duration = Duration::from_secs(1);

/// Dials that may fail in one go. Many begin together and fail together, and the program is to read of each.
const FAILURES: usize = 4;

/// The sockets of all connections. A place is as good as any other; its number is the token, counted from `SOCKETS`.
pub(super) struct Sockets {
    /// As many as were ever taken at once; there is memory for one for each connection that the node can have.
    places: Vec<Option<Socket>>,
    free: Vec<usize>,
    /// For each connection that the node can have, by its number there, the place of its socket and one more; 0: it has none.
    of: Vec<usize>,
    dials: Line,
    /// When the first of the dials is to be looked at, if nothing happens to them.
    dials_due: Option<Instant>,
    /// Those that can be read, and that the node takes bytes from as far as is known.
    readable: Line,
    /// Those that may have something to be written, or may be over, or may be readable.
    touched: Line,
    /// Those whose TLS has something to do. One goes on in each turn, since a step may cost as much as a thousand messages.
    securing: Line,
    /// In the order in which their time ends.
    lingering: Line,
    /// Peers may until then, if that is later.
    may_linger: Instant,
    epmd: u16,
    /// The nodes to which the way is known.
    ways: Vec<(NodeName, Way)>,
    #[cfg(feature = "tls")]
    tls: Option<Tls>,
    /// How often a socket was looked at.
    #[cfg(test)]
    looks: usize,
}

struct Socket {
    connection: Connection,
    kind: Kind,
}

enum Kind {
    Dial(Box<Dial>),
    Open(Open),
    /// Closed by this side, until the peer closes too, or until then.
    Lingering(Carrier, Instant),
}

impl Sockets {
    pub(super) fn new(capacity: usize, epmd: u16) -> Self {
        Self {
            places: Vec::with_capacity(capacity),
            free: Vec::with_capacity(capacity),
            of: vec![0; capacity],
            dials: Line::new(capacity),
            dials_due: None,
            readable: Line::new(capacity),
            touched: Line::new(capacity),
            securing: Line::new(capacity),
            lingering: Line::new(capacity),
            may_linger: Instant::default(),
            epmd,
            ways: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(test)]
            looks: 0,
        }
    }

    /// Sets the way to a node, for which EPMD is not asked from now on.
    pub(super) fn set_way(&mut self, node: NodeName, way: Way) {
        match self.ways.iter_mut().find(|(known, _)| *known == node) {
            Some((_, known)) => *known = way,
            None => self.ways.push((node, way)),
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn set_tls(&mut self, tls: Tls) {
        self.tls = Some(tls);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// Returns true if something can be read at once.
    #[inline]
    pub(super) fn has_more(&self) -> bool {
        !self.readable.is_empty() || !self.securing.is_empty()
    }

    /// Returns when [`Sockets::dial_on`] or [`Sockets::expire`] has something to do next.
    #[inline]
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let lingers = self.lingering.first().and_then(|place| self.lingers_until(place));
        sooner(lingers, self.dials_due)
    }

    #[inline]
    fn at(&mut self, place: usize) -> Option<&mut Socket> {
        #[cfg(test)]
        {
            self.looks += 1;
        }
        self.places.get_mut(place)?.as_mut()
    }

    /// Returns the place of the socket of the connection with this number.
    #[inline]
    fn place_of(&self, number: usize) -> Option<usize> {
        self.of.get(number)?.checked_sub(1)
    }
}

/// Places.
impl Sockets {
    /// Gives a connection a place: a free one, or that of the one that has lingered longest. If the node had another connection of this number,
    /// which nobody told of yet, that is over and its place is enough.
    fn take_place(&mut self, connection: Connection, node: &Node<'_>, now: Instant) -> Option<usize> {
        self.make_way(node.number(connection), node, now);
        if self.free.is_empty() && self.places.len() == self.of.len() {
            let longest = self.lingering.first()?;
            self.let_go(longest);
        }
        let place = self.free.pop().unwrap_or(self.places.len());
        if place == self.places.len() {
            self.places.push(None);
        }
        Some(place)
    }

    fn put(&mut self, place: usize, connection: Connection, kind: Kind, node: &Node<'_>) {
        if let (Some(socket), Some(of)) = (self.places.get_mut(place), self.of.get_mut(node.number(connection))) {
            *socket = Some(Socket { connection, kind });
            *of = place.saturating_add(1);
        }
    }

    /// Closes the socket of the connection that had this number before.
    fn make_way(&mut self, number: usize, node: &Node<'_>, now: Instant) {
        if let Some(place) = self.place_of(number) {
            self.close(place, node, now);
        }
    }

    /// Notes that the connection in this place, which was another, is proven now. Whatever it took the place of is over.
    #[cold]
    fn rename(&mut self, place: usize, was: Connection, is: Connection, node: &Node<'_>, now: Instant) {
        self.disown(place, node.number(was));
        self.make_way(node.number(is), node, now);
        if let Some(of) = self.of.get_mut(node.number(is)) {
            *of = place.saturating_add(1);
        }
    }

    /// Lets the connection with this number have no place, if this is its.
    fn disown(&mut self, place: usize, number: usize) {
        if let Some(of) = self.of.get_mut(number).filter(|of| **of == place.saturating_add(1)) {
            *of = 0;
        }
    }

    /// Closes a connection. What is left of it is nothing, or one that lingers.
    #[cold]
    fn close(&mut self, place: usize, node: &Node<'_>, now: Instant) {
        let Some(Socket { connection, kind }) = self.places.get_mut(place).and_then(Option::take) else { return };
        self.disown(place, node.number(connection));
        self.dials.remove(place);
        self.readable.remove(place);
        self.touched.remove(place);
        self.securing.remove(place);
        let lingers = if let Kind::Open(open) = kind { open.close() } else { None };
        match (lingers, self.places.get_mut(place)) {
            (Some((carrier, drained)), Some(socket)) => {
                *socket = Some(Socket { connection, kind: Kind::Lingering(carrier, now.after(LINGER)) });
                self.lingering.push(place);
                self.drained(place, drained);
            }
            _ => self.free.push(place),
        }
    }

    /// Goes on with a connection that lingers, of which this much was read. A stranger who goes on sending is not waited for; a peer is, to
    /// which much may be under way, and which may have sent as much while it was held up.
    #[cold]
    fn drained(&mut self, place: usize, drained: Drained) {
        let Some(Socket { connection, .. }) = self.at(place) else { return };
        match drained {
            Drained::Empty => {}
            Drained::More if connection.is_up() => self.touched.push(place),
            Drained::More | Drained::Ended => self.let_go(place),
        }
    }

    /// Lets go of a connection that lingers.
    #[cold]
    fn let_go(&mut self, place: usize) {
        self.lingering.remove(place);
        self.readable.remove(place);
        self.touched.remove(place);
        if self.places.get_mut(place).and_then(Option::take).is_some() {
            self.free.push(place);
        }
    }

    fn lingers_until(&self, place: usize) -> Option<Instant> {
        match self.places.get(place)?.as_ref()? {
            Socket { connection, kind: Kind::Lingering(_, until) } if connection.is_up() => Some(self.may_linger.max(*until)),
            Socket { kind: Kind::Lingering(_, until), .. } => Some(*until),
            _ => None,
        }
    }

    /// Lets peers that linger do so until then, since nobody waits for their places.
    pub(super) fn linger_until(&mut self, end: Instant) {
        self.may_linger = end;
    }

    /// Lets go of those that have lingered long enough.
    #[inline]
    pub(super) fn expire(&mut self, now: Instant) {
        while let Some(place) = self.lingering.first() {
            if self.lingers_until(place).is_some_and(|until| until > now) {
                return;
            }
            self.let_go(place);
        }
    }
}

/// Dials.
impl Sockets {
    /// Takes a connection to a node that is to be made.
    pub(super) fn dial(&mut self, connection: Connection, peer: NodeName, node: &mut Node<'_>, now: Instant) {
        let way = self.ways.iter().find(|(known, _)| *known == peer).map(|(_, way)| way.clone());
        let Some(place) = self.take_place(connection, node, now) else {
            return node.handle_unreachable(connection, NetworkFault::Other(0));
        };
        self.put(place, connection, Kind::Dial(Box::new(Dial::new(peer, self.epmd, way))), node);
        self.dials.push(place);
    }

    /// Goes on with every dial that has something to do: a host to ask for, a socket that became ready; and, once the system was asked which
    /// are, an address that had its time. Returns true if one failed, which the program is to hear of at once, or if there is more to do.
    pub(super) fn dial_on(
        &mut self,
        node: &mut Node<'_>,
        resolver: &mut Resolver,
        registry: &Registry,
        asked: bool,
        now: Instant,
    ) -> bool {
        resolver.retain(|connection| node.is_open(connection));
        let mut due = None;
        let (mut failed, mut left) = (0_usize, false);
        let mut next = self.dials.first();
        while let Some(place) = next {
            next = self.dials.next(place);
            let Some(Socket { connection, kind: Kind::Dial(dial) }) = self.at(place) else { continue };
            if failed >= FAILURES {
                left |= dial.has_work();
            } else {
                let at = At { registry, token: token(place), now, ends: node.gives_up_at(*connection) };
                let dialed = match dial.begin(*connection, resolver, &at) {
                    Dialed::Waiting if dial.take_ready() => dial.advance(&at),
                    Dialed::Waiting if asked => dial.handle_timeout(&at),
                    dialed => dialed,
                };
                failed = failed.saturating_add(matches!(dialed, Dialed::Failed(_)).into());
                self.dialed(place, dialed, node, now);
            }
            if let Some(Socket { connection, kind: Kind::Dial(dial) }) = self.at(place) {
                due = sooner(due, dial.poll_timeout(node.gives_up_at(*connection)));
            }
        }
        // of those that were asked for just now, too
        self.dials_due = sooner(due, resolver.is_stuck().then(|| now.after(AGAIN)));
        failed > 0 || left
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
        let Some(place) = self.place_of(node.number(asked)) else { return };
        let Some(Socket { connection, kind: Kind::Dial(dial) }) = self.at(place) else { return };
        if *connection == asked {
            let dialed = dial.resolved(found, &At { registry, token: token(place), now, ends: None });
            self.dialed(place, dialed, node, now);
        }
    }

    fn dialed(&mut self, place: usize, dialed: Dialed, node: &mut Node<'_>, now: Instant) {
        let Some(socket) = self.at(place) else { return };
        match dialed {
            Dialed::Waiting => {
                let Kind::Dial(dial) = &mut socket.kind else { return };
                if dial.has_moved() {
                    node.handle_dialling(socket.connection, now);
                }
            }
            Dialed::Failed(fault) => {
                node.handle_unreachable(socket.connection, fault);
                self.close(place, node, now);
            }
            Dialed::Connected(stream) => self.connected(place, stream, node, now),
        }
    }

    /// Goes on with a dial whose socket is connected.
    fn connected(&mut self, place: usize, stream: Stream, node: &mut Node<'_>, now: Instant) {
        let Some(Socket { connection, kind: Kind::Dial(dial) }) = self.places.get(place).and_then(Option::as_ref) else { return };
        let connection = *connection;
        match self.carrier(stream, Some(dial.peer())) {
            Ok(carrier) => {
                self.dials.remove(place);
                let open = Open::new(carrier);
                let is_securing = open.is_securing();
                self.put(place, connection, Kind::Open(open), node);
                if is_securing {
                    node.handle_securing(connection, now);
                    self.securing.push(place);
                } else {
                    self.begin(place, node, now);
                }
            }
            Err(reason) => {
                node.handle_failed(connection, reason);
                self.close(place, node, now);
            }
        }
    }

    /// Begins the node's handshake over a connection that this side made.
    fn begin(&mut self, place: usize, node: &mut Node<'_>, now: Instant) {
        let Some(Socket { connection, kind: Kind::Open(open) }) = self.at(place) else { return };
        let (connection, prefix) = (*connection, open.prefix());
        match random() {
            Ok(random) => {
                node.handle_connected_over(prefix, connection, random, now);
                // what told of the connection may have told of bytes too
                self.touched.push(place);
            }
            Err(e) => {
                log::error!("{e}");
                node.handle_unreachable(connection, NetworkFault::Other(0));
                self.close(place, node, now);
            }
        }
    }
}

/// What carries the connections.
impl Sockets {
    /// Returns the form of the handshake of whoever connects to us by this socket.
    pub(super) fn prefix(&self, caller: &Stream) -> Prefix {
        match caller {
            #[cfg(feature = "tls")]
            Stream::Tcp(_) if self.tls.is_some() => Prefix::Four,
            Stream::Tcp(_) | Stream::Unix(_) => Prefix::Two,
        }
    }

    /// Makes what carries a connection over this socket: to a node that this side connected to, or of a caller.
    fn carrier(&self, stream: Stream, peer: Option<&NodeName>) -> Result<Carrier, Reason> {
        let stream = match stream {
            Stream::Tcp(stream) => stream,
            Stream::Unix(stream) => return Ok(Carrier::Unix(stream)),
        };
        // small messages must not wait for each other
        let _ = stream.set_nodelay(true);
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let secure = match peer {
                Some(peer) => Secure::client(tls, stream, peer.host()),
                None => Secure::server(tls, stream),
            };
            return secure.map(|secure| Carrier::Tls(Box::new(secure))).map_err(Reason::Tls);
        }
        let _ = peer;
        Ok(Carrier::Plain(stream))
    }

    /// Goes on with the TLS of the connection whose turn it is, by one step.
    #[cfg(feature = "tls")]
    fn secure(&mut self, node: &mut Node<'_>, now: Instant) {
        let Some(place) = self.securing.pop() else { return };
        let Some(Socket { connection, kind: Kind::Open(open) }) = self.at(place) else { return };
        let connection = *connection;
        let has_more = open.secure(connection, node);
        let (is_secured, is_client) = (!open.is_securing(), open.is_client());
        if has_more {
            self.securing.push(place);
        } else if is_secured && is_client {
            self.begin(place, node, now);
        } else {
            self.touched.push(place);
        }
    }
}

/// The moving of bytes.
impl Sockets {
    /// Takes a connection that somebody made to us.
    pub(super) fn adopt(
        &mut self,
        connection: Connection,
        mut stream: Stream,
        node: &mut Node<'_>,
        registry: &Registry,
        now: Instant,
    ) {
        let Some(place) = self.take_place(connection, node, now) else { return node.handle_closed(connection, None) };
        let registered = stream.register(registry, token(place));
        let registered = registered.map_err(|e| Reason::Network(fault(&e, NetworkFault::Refused)));
        match registered.and_then(|()| self.carrier(stream, None)) {
            Ok(carrier) => {
                let open = Open::new(carrier);
                if open.is_securing() {
                    self.securing.push(place)
                } else {
                    self.readable.push(place)
                }
                self.put(place, connection, Kind::Open(open), node);
            }
            Err(reason) => {
                self.free.push(place);
                node.handle_failed(connection, reason);
            }
        }
    }

    /// Takes what the system tells of the socket in this place.
    #[inline]
    pub(super) fn handle(&mut self, place: usize, event: &Event) {
        let Some(socket) = self.at(place) else { return };
        match &mut socket.kind {
            Kind::Open(open) => {
                let (is_writable_again, is_readable) = (open.handle(event), open.is_readable());
                if open.is_securing() {
                    return self.securing.push(place);
                }
                if is_writable_again {
                    self.touched.push(place);
                }
                if is_readable {
                    self.readable.push(place);
                }
            }
            Kind::Dial(dial) => dial.set_ready(),
            Kind::Lingering(carrier, _) => {
                let drained = carrier.drain();
                self.drained(place, drained);
            }
        }
    }

    /// Reads once from every connection that has something and that the node takes bytes from. One that it takes none from stands in line again
    /// when the node tells that it does.
    #[inline]
    pub(super) fn read(&mut self, node: &mut Node<'_>, now: Instant) {
        #[cfg(feature = "tls")]
        self.secure(node, now);
        while let Some(place) = self.readable.pop() {
            let (connection, open) = match self.at(place) {
                Some(Socket { connection, kind: Kind::Open(open) }) => (connection, open),
                Some(Socket { kind: Kind::Lingering(carrier, _), .. }) => {
                    let drained = carrier.drain();
                    self.drained(place, drained);
                    continue;
                }
                _ => continue,
            };
            let was = *connection;
            open.read(connection, node);
            let (is, is_readable) = (*connection, open.is_readable());
            if is != was {
                self.rename(place, was, is, node, now);
                self.touched.push(place);
            }
            // of all else that follows from what was read the node tells
            if is_readable {
                self.touched.push(place);
            }
        }
    }

    /// Writes what waits, closes what is over, and puts in line what can be read.
    #[inline]
    pub(super) fn write(&mut self, node: &mut Node<'_>, now: Instant) {
        loop {
            while let Some(connection) = node.poll_work() {
                if let Some(place) = self.place_of(node.number(connection)) {
                    self.tend(place, node, now);
                }
            }
            let Some(place) = self.touched.pop() else { return };
            self.tend(place, node, now);
        }
    }

    fn tend(&mut self, place: usize, node: &mut Node<'_>, now: Instant) {
        let Some(Socket { connection, kind }) = self.at(place) else { return };
        let connection = *connection;
        let is_readable = match kind {
            // it was read from, and not to its end
            Kind::Lingering(..) => return self.readable.push(place),
            Kind::Dial(_) => false,
            Kind::Open(open) => {
                open.write(connection, node);
                open.is_readable()
            }
        };
        if !node.is_open(connection) {
            self.close(place, node, now);
        } else if is_readable && node.takes_bytes(connection) {
            self.readable.push(place);
        }
    }
}

fn token(place: usize) -> Token {
    Token(SOCKETS.saturating_add(place))
}

#[cfg(test)]
mod tests;
