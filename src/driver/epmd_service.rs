//! EPMD served by this very process: the sockets around [`crate::proto::epmd_server`].

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use core::time::Duration;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use crate::limit::LogLimit;
use crate::proto::epmd_server::{Kill, Place, Refusal, Server, Session};
use crate::time::Instant;
use crate::wire::epmd::MAX_REQUEST;

/// Names the table holds, those included that are only remembered: a host with more Erlang nodes has room for Erlang's own epmd.
pub(crate) const NAMES: usize = 32;
/// Connections at once that hold no name. A question is answered within one turn, so that these are for whoever connects and does not
/// speak: with 600 of those in a second, each is waited for almost a third of one.
const NAMELESS: usize = 190;
/// Connections at once: one for each name that can be registered, those without, and the one that came when there was no room.
pub(crate) const SESSIONS: usize = NAMES + NAMELESS + 1;
/// The time that a connection is given to say something while there is no room, before another one from the same address takes its
/// place: a question takes the time of the way there and back.
const LEAST_STAY: Duration = Duration::from_millis(150);
/// Addresses it listens on; epmd has the same limit.
const LISTENERS: usize = 16;
/// Connections accepted in one turn; the rest wait for the next one, so that a flood of them does not hold up the node.
const ACCEPTS: usize = 8;
/// Reads and writes for one connection in one turn. A request and its answer take three; one that comes in crumbs waits.
const STEPS: usize = 8;
/// The time for which a listener is left alone that could not accept because descriptors or memory ran out.
const ACCEPT_AGAIN: Duration = Duration::from_secs(1);

/// A connection to this EPMD.
#[derive(Debug)]
struct EpmdPeer {
    stream: TcpStream,
    /// Who it is from, as far as places are shared out.
    from: IpAddr,
    session: Session,
    /// Counts up: which of those that came within one millisecond is the oldest.
    number: u64,
    /// The socket may have more to read, or room to write: mio says so once.
    ready: bool,
}

/// A listening socket.
#[derive(Debug)]
struct EpmdListener {
    socket: TcpListener,
    /// True if there may be more connections to accept.
    ready: bool,
}

/// An EPMD on this host's sockets, driven by the poll loop it is registered with.
///
/// Up to 32 names, and up to 190 connections without one (about 550 KiB, taken as they are needed; no allocation after
/// [`EpmdService::bind`]). A name too many is refused, with a warning in the log.
///
/// A connection too many takes a place from the address that holds most of them: of those that have said nothing, or of those that have
/// begun to speak, whichever are more, the one that has been silent longest. Names are never thrown out. While the newcomer's own address is the one
/// that holds most, each is given 150 milliseconds, and what cannot be taken stays in the system's queue of connections.
#[derive(Debug)]
pub(crate) struct EpmdService {
    first_token: usize,
    listeners: Vec<EpmdListener>,
    peers: Vec<Option<EpmdPeer>>,
    server: Box<Server<NAMES>>,
    port: u16,
    own: Option<Place>,
    /// The number of connections there have been.
    admitted: u64,
    /// Accepting goes on then.
    accept_again: Option<Instant>,
    /// The time of whatever is due first.
    due: Option<Instant>,
    /// The limit of lines about connections that could not be taken.
    refused: LogLimit,
    idle_limit: Duration,
}

/// The rules for whoever connects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The requests to end it that are heard.
    pub(crate) kill: Kill,
    /// The time for which a connection without a name may be silent.
    pub(crate) idle_limit: Duration,
}

impl EpmdService {
    /// The tokens from `first_token` on that belong to it.
    pub(crate) const TOKENS: usize = LISTENERS + SESSIONS;

    /// Listens on `port` (0: any free one): on all interfaces if `addresses` is empty, otherwise on those and, as epmd does with
    /// `ERL_EPMD_ADDRESS`, on the loopback addresses.
    ///
    /// # Errors
    /// What the system says: [`ErrorKind::AddrInUse`] if an EPMD is there already; [`ErrorKind::InvalidInput`] for more addresses
    /// than 16 with the loopback ones.
    pub(crate) fn bind(
        registry: &Registry,
        first_token: usize,
        port: u16,
        addresses: &[IpAddr],
        rules: Rules,
    ) -> io::Result<Self> {
        let listeners = if addresses.is_empty() { listen_everywhere(port)? } else { listen_on(port, addresses)? };
        Self::new(registry, first_token, listeners, rules)
    }

    /// Serves on sockets that listen already.
    ///
    /// # Errors
    /// What the system says; [`ErrorKind::InvalidInput`] for more than 16.
    pub(crate) fn adopt(
        registry: &Registry,
        first_token: usize,
        sockets: Vec<std::net::TcpListener>,
        rules: Rules,
    ) -> io::Result<Self> {
        if sockets.len() > LISTENERS {
            return Err(too_many());
        }
        let adopt = |socket: std::net::TcpListener| {
            socket.set_nonblocking(true)?;
            Ok(EpmdListener { socket: TcpListener::from_std(socket), ready: false })
        };
        Self::new(registry, first_token, sockets.into_iter().map(adopt).collect::<io::Result<_>>()?, rules)
    }

    fn new(registry: &Registry, first_token: usize, mut listeners: Vec<EpmdListener>, rules: Rules) -> io::Result<Self> {
        for (at, listener) in listeners.iter_mut().enumerate() {
            registry.register(&mut listener.socket, Token(first_token.saturating_add(at)), Interest::READABLE)?;
        }
        let first = listeners.first().ok_or(ErrorKind::AddrNotAvailable)?;
        let port = first.socket.local_addr()?.port();
        let seed = getrandom::u32().map_err(io::Error::other)?;
        Ok(Self {
            first_token,
            listeners,
            peers: Vec::with_capacity(SESSIONS),
            server: Box::new(Server::new(port, seed).kill(rules.kill)),
            port,
            own: None,
            admitted: 0,
            accept_again: None,
            due: None,
            refused: LogLimit::new("connections that epmd could not take"),
            idle_limit: rules.idle_limit,
        })
    }

    /// Returns true if it was told to end.
    pub(crate) fn is_killed(&self) -> bool {
        self.server.is_killed()
    }

    /// Returns the port it listens on.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Registers the node in this process, without a connection; in place of its former registration, if there is one.
    ///
    /// # Errors
    /// [`Refusal`], as another process would be refused.
    pub(crate) fn register_own(&mut self, alive: &str, port: u16, hidden: bool) -> Result<u32, Refusal> {
        self.withdraw_own();
        let registered = self.server.register_node(alive, port, hidden);
        self.note_due();
        let (place, creation) = registered?;
        self.own = Some(place);
        Ok(creation)
    }

    /// Unregisters the node in this process.
    pub(crate) fn withdraw_own(&mut self) {
        if let Some(place) = self.own.take() {
            self.server.unregister(place);
        }
    }

    /// Deals with an event for one of its tokens; `true` if it has more to do than one turn allows: then call
    /// [`EpmdService::handle_pending`] in the next turn, without waiting for an event.
    pub(crate) fn handle(&mut self, token: Token, registry: &Registry, now: Instant) -> bool {
        let at = token.0.wrapping_sub(self.first_token);
        if let Some(listener) = self.listeners.get_mut(at) {
            listener.ready = true;
        } else if let Some(Some(peer)) = at.checked_sub(LISTENERS).and_then(|at| self.peers.get_mut(at)) {
            peer.ready = true;
        }
        self.handle_pending(registry, now)
    }

    /// Goes on with what earlier turns left; `true` if there is still more.
    pub(crate) fn handle_pending(&mut self, registry: &Registry, now: Instant) -> bool {
        for at in 0..self.peers.len() {
            self.serve(at, now);
        }
        let mut accepts = ACCEPTS;
        for at in 0..self.listeners.len() {
            self.accept(at, &mut accepts, registry, now);
        }
        self.note_due();
        self.is_pending()
    }

    fn is_pending(&self) -> bool {
        let accepting = self.accept_again.is_none() && self.listeners.iter().any(|listener| listener.ready);
        accepting || self.peers.iter().flatten().any(|peer| peer.ready)
    }

    fn accept(&mut self, listener: usize, accepts: &mut usize, registry: &Registry, now: Instant) {
        while *accepts > 0 && self.accept_again.is_none() {
            let Some(EpmdListener { socket, ready }) = self.listeners.get_mut(listener) else { return };
            if !*ready {
                return;
            }
            match socket.accept() {
                Ok((stream, peer)) => {
                    *accepts = accepts.saturating_sub(1);
                    self.admit(stream, peer, registry, now);
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => *ready = false,
                // given up by the peer before we came to it
                Err(e) if matches!(e.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(e) => {
                    log::warn!("epmd: accepting a connection: {e}");
                    self.accept_again = Some(now.after(ACCEPT_AGAIN));
                }
            }
        }
    }

    fn admit(&mut self, mut stream: TcpStream, peer: SocketAddr, registry: &Registry, now: Instant) {
        // there is one: places are made below
        let Some(place) = self.free() else { return };
        let token = self.first_token.saturating_add(LISTENERS).saturating_add(place);
        let both = Interest::READABLE | Interest::WRITABLE;
        if let Err(e) = registry.register(&mut stream, Token(token), both) {
            return self.refused.warn("", now, format_args!("epmd: connection from {peer}: {e}"));
        }
        let session = Session::new(is_local(&stream, peer), now).idle_limit(self.idle_limit);
        if let Some(free) = self.peers.get_mut(place) {
            self.admitted = self.admitted.saturating_add(1);
            let from = source(peer.ip());
            *free = Some(EpmdPeer { stream, from, session, number: self.admitted, ready: true });
            // whoever was kept waiting has said already what there is to say
            self.serve(place, now);
            self.make_room(from, now);
        }
    }

    /// Returns a free place.
    fn free(&mut self) -> Option<usize> {
        if let Some(free) = self.peers.iter().position(Option::is_none) {
            return Some(free);
        }
        self.peers.push(None);
        self.peers.len().checked_sub(1)
    }

    /// Throws one out if there is one too many after somebody came `from` there, or leaves others waiting until that may be.
    fn make_room(&mut self, from: IpAddr, now: Instant) {
        if self.nameless().count() <= NAMELESS {
            return;
        }
        let mut all: heapless::Vec<IpAddr, SESSIONS> = self.nameless().map(|(_, peer)| peer.from).collect();
        all.sort_unstable();
        let held = |of: &[IpAddr]| (of.len(), of.first().copied());
        let Some((most, Some(crowd))) = all.chunk_by(|a, b| a == b).map(held).max() else { return };
        let crowd = if all.iter().filter(|ip| **ip == from).count() == most { from } else { crowd };
        let wordless = self.nameless().filter(|(_, peer)| peer.from == crowd && peer.session.is_wordless()).count();
        // the kind that floods; who is of the other is likely to be honest
        let flooding = wordless >= most.saturating_sub(wordless);
        let of_flood = |peer: &EpmdPeer| peer.from == crowd && peer.session.is_wordless() == flooding;
        let flood = self.nameless().filter(|(_, peer)| of_flood(peer));
        let Some((at, first)) = flood.min_by_key(|(_, peer)| (peer.session.heard(), peer.number)) else { return };
        let until = first.session.heard().after(LEAST_STAY);
        if crowd == from && now < until {
            self.accept_again = Some(until);
        } else if let Some(place) = self.peers.get_mut(at) {
            *place = None;
        }
    }

    /// Returns the connections that hold no name, with their places.
    fn nameless(&self) -> impl Iterator<Item = (usize, &EpmdPeer)> {
        let taken = self.peers.iter().enumerate().filter_map(|(at, peer)| Some((at, peer.as_ref()?)));
        taken.filter(|(_, peer)| !peer.session.is_registered())
    }

    /// Moves what can be moved for one connection.
    fn serve(&mut self, at: usize, now: Instant) {
        let Some(place) = self.peers.get_mut(at) else { return };
        let Some(peer) = place else { return };
        for _ in 0..STEPS {
            if !peer.ready || peer.session.is_over() {
                break;
            }
            peer.step(&mut self.server, now);
        }
        if peer.session.is_over() {
            *place = None;
        }
        if self.server.take_stopped() {
            self.close_stopped();
        }
    }

    /// Closes the connections whose names were unregistered by force.
    fn close_stopped(&mut self) {
        for place in &mut self.peers {
            if let Some(peer) = place {
                peer.session.handle_stop(&self.server);
                if peer.session.is_over() {
                    *place = None;
                }
            }
        }
    }

    /// Returns when to call [`EpmdService::handle_timeout`].
    #[inline]
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Notes when something is due, after whatever may have changed that.
    fn note_due(&mut self) {
        let sessions = self.peers.iter().flatten().filter_map(|peer| peer.session.poll_timeout());
        let lines = self.server.poll_timeout().into_iter().chain(self.refused.poll_timeout());
        self.due = sessions.chain(self.accept_again).chain(lines).min();
    }

    /// Closes connections that have been idle for too long and have no name; accepts again after it could not. `true` if
    /// [`EpmdService::handle_pending`] is due.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.server.handle_timeout(now);
        self.refused.handle_timeout(now);
        for place in &mut self.peers {
            if let Some(peer) = place {
                peer.session.handle_timeout(now);
                if peer.session.is_over() {
                    *place = None;
                }
            }
        }
        if self.accept_again.is_some_and(|again| again <= now) {
            self.accept_again = None;
            // the one that was waited for
            if let Some(last) = self.nameless().max_by_key(|(_, peer)| peer.number).map(|(_, peer)| peer.from) {
                self.make_room(last, now);
            }
        }
        self.note_due();
        self.is_pending()
    }
}

/// Returns the part of an address that tells sources apart: a host of IPv6 has as many addresses as it likes, out of one network.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            if address.is_loopback() { address.into() } else { Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into() }
        }
        four => four,
    }
}

impl EpmdPeer {
    /// Does one write, or one read when there is nothing to write.
    fn step(&mut self, server: &mut Server<NAMES>, now: Instant) {
        let bytes = self.session.transmit(server);
        let done = if bytes.is_empty() {
            // so that what is too much is seen together with the length, as in epmd
            let mut bytes = [0; MAX_REQUEST + 1];
            match self.stream.read(&mut bytes) {
                Ok(0) => {
                    self.session.handle_close(server);
                    Ok(())
                }
                Ok(count) => {
                    self.session.handle_bytes(server, bytes.get(..count).unwrap_or_default(), now);
                    Ok(())
                }
                Err(e) => Err(e),
            }
        } else {
            self.stream.write(bytes).map(|count| self.session.sent(count))
        };
        match done {
            Ok(()) => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.ready = false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            // a name whose owner cannot be told so is not registered either
            Err(_) => self.session.handle_close(server),
        }
    }
}

/// Returns true for a local peer: "Registration only from a local peer: 127/8, ::1, or src == dst address" (epmd_srv.c,
/// conn_local_peer_check).
fn is_local(stream: &TcpStream, peer: SocketAddr) -> bool {
    let peer = peer.ip().to_canonical();
    peer.is_loopback() || stream.local_addr().is_ok_and(|own| own.ip().to_canonical() == peer)
}

/// Listens on all interfaces. epmd opens a socket for each version of IP; here one takes both, if the system lets it.
fn listen_everywhere(port: u16) -> io::Result<Vec<EpmdListener>> {
    let both = match listen((Ipv6Addr::UNSPECIFIED, port).into()) {
        Ok(both) => both,
        Err(e) if e.kind() == ErrorKind::AddrInUse => return Err(e),
        // no IPv6 here
        Err(_) => return Ok([listen((Ipv4Addr::UNSPECIFIED, port).into())?].into()),
    };
    let port = both.socket.local_addr()?.port();
    match listen((Ipv4Addr::UNSPECIFIED, port).into()) {
        // only where sockets of IPv6 are set to take nothing else (net.ipv6.bindv6only)
        Ok(four) => Ok([both, four].into()),
        Err(e) if e.kind() == ErrorKind::AddrInUse => Ok([both].into()),
        Err(e) => Err(e),
    }
}

/// Listens on these addresses and on the loopback ones.
fn listen_on(port: u16, addresses: &[IpAddr]) -> io::Result<Vec<EpmdListener>> {
    let first = listen((Ipv4Addr::LOCALHOST, port).into())?;
    let port = first.socket.local_addr()?.port();
    let mut listeners = Vec::with_capacity(LISTENERS);
    listeners.push(first);
    match listen((Ipv6Addr::LOCALHOST, port).into()) {
        Ok(listener) => listeners.push(listener),
        Err(e) if e.kind() == ErrorKind::AddrInUse => return Err(e),
        // no IPv6 here
        Err(_) => {}
    }
    let loopbacks = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    for (at, address) in addresses.iter().enumerate() {
        let before = addresses.get(..at).unwrap_or_default();
        if loopbacks.contains(address) || before.contains(address) {
            continue;
        }
        if listeners.len() == LISTENERS {
            return Err(too_many());
        }
        listeners.push(listen((*address, port).into())?);
    }
    Ok(listeners)
}

fn too_many() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "epmd listens on 16 addresses at most, the loopback ones included")
}

fn listen(address: SocketAddr) -> io::Result<EpmdListener> {
    Ok(EpmdListener { socket: TcpListener::bind(address)?, ready: false })
}
