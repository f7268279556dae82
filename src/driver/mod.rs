//! The world: sockets, clock, randomness, host names.

#![cfg_attr(not(test), forbid(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![cfg_attr(not(test), forbid(clippy::cast_sign_loss, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used))]
#![cfg_attr(not(test), forbid(clippy::expect_used, clippy::unwrap_in_result, clippy::panic, clippy::panic_in_result_fn))]
#![cfg_attr(not(test), forbid(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::disallowed_methods))]
#![cfg_attr(not(test), forbid(clippy::disallowed_macros, clippy::exit, clippy::mem_forget))]

mod carrier;
mod clock;
mod dial;
pub(crate) mod epmd;
mod epmd_alone;
mod epmd_ask;
pub(crate) mod epmd_service;
#[cfg(all(feature = "tls", any(test, beamless_fuzz)))]
pub(crate) mod fuzz;
mod hosts;
mod late;
mod line;
mod listen;
mod local;
mod net;
mod open;
mod random;
mod ready;
mod rest;
#[cfg(feature = "tls")]
mod secure;
mod sockets;
#[cfg(feature = "tls")]
mod tls;
mod tokens;
mod unix;

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;

use mio::{Events, Poll, Registry, Token, Waker};

use crate::error::{Misuse, NetworkFault, Result};
use crate::node::{Event, Failure, Node, Origin, Received, Request};
use crate::time::{Instant, sooner};
use crate::wire::ids::NodeName;
use crate::wire::term::Term;
use carrier::Stream;
use dial::Way;
pub use epmd::{Epmd, EpmdSettings};
use epmd::{EpmdClient, EpmdEvent};
pub use epmd_alone::EpmdServer;
pub use epmd_ask::{epmd_kill, epmd_names, epmd_stop};
use hosts::Resolver;
use late::Late;
pub use listen::listen_addresses;
use listen::{Home, Listener, listen_on_all};
pub use local::{cookie_file, full_host_name, read_cookie, short_host_name};
use net::failed;
use random::random;
pub use ready::Ready;
use rest::Rest;
use sockets::Sockets;
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsFiles, TlsPem, TlsVersions};
use tokens::{EPMD, LISTENERS, OWN, SOCKETS, WAKER};

/// Connections taken in one turn from one listener, so that a flood of them leaves time for those that are up.
const ACCEPTS: usize = 16;
/// Events of the system taken in one turn.
const EVENTS: usize = 256;

/// The settings by which a node meets the network.
///
/// ```
/// # use beamless::{DriverOptions, Epmd};
/// let options = DriverOptions::from_env()?.listen(["127.0.0.1:0".parse().unwrap()]).epmd(Epmd::External);
/// # Ok::<(), beamless::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DriverOptions {
    /// The addresses and ports to listen on, 8 at most; port 0 is any free one, the same on all. Empty: the addresses that the host part of
    /// the node's name resolves to, which are looked at again every minute and at [`Driver::look_again`]; not those of one link (fe80::).
    /// When those are loopback alone though the name does not say so (as with Debian's 127.0.1.1), all addresses; also at first, when the
    /// name has none or none of this host's, until it has.
    pub listen: Vec<SocketAddr>,
    /// Whether the node listens nowhere, and registers with no EPMD: it is reached over the connections that it makes, as behind an address
    /// translation that lets nobody in. `listen` and `epmd` are not looked at then. [`DriverOptions::outgoing`] sets it.
    pub outgoing: bool,
    /// The EPMD that the node's name goes to.
    pub epmd: Epmd,
    /// The place of EPMD.
    pub epmd_settings: EpmdSettings,
    /// The least time from the beginning of a turn that read something to that of the next, [`DriverOptions::MAX_REST`] at most; zero, the
    /// default: none. [`DriverOptions::rest`] says what it is good for.
    pub rest: Duration,
}

impl DriverOptions {
    /// The longest rest between turns: 100 milliseconds. A longer one counts as this.
    pub const MAX_REST: Duration = Rest::MAX;

    /// Makes options that listen where the name points, with [`Epmd::Auto`]. EPMD is where the environment says, as with Erlang.
    ///
    /// # Errors
    /// As [`EpmdSettings::from_env`].
    pub fn from_env() -> Result<Self> {
        Ok(Self { epmd_settings: EpmdSettings::from_env()?, ..Self::default() })
    }

    /// Sets the addresses to listen on.
    #[must_use]
    pub fn listen(self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        Self { listen: addresses.into_iter().collect(), ..self }
    }

    /// Has the node listen nowhere, and register with no EPMD. The EPMD of another host is still asked for the port of a node there. To its
    /// peers such a node is as any other: they call it, monitor it and send to it while it is connected, and cannot connect to it.
    #[must_use]
    pub fn outgoing(self) -> Self {
        Self { outgoing: true, ..self }
    }

    /// Sets which EPMD the node's name goes to.
    #[must_use]
    pub fn epmd(self, epmd: Epmd) -> Self {
        Self { epmd, ..self }
    }

    /// Sets where EPMD is.
    #[must_use]
    pub fn epmd_settings(self, epmd_settings: EpmdSettings) -> Self {
        Self { epmd_settings, ..self }
    }

    /// Sets the rest between turns, such as half a millisecond: after a turn that read something, [`Driver::poll`] sleeps until so long after
    /// that turn began before it looks for more, and then reads all that has come. A peer that sends one message a write wakes a fast
    /// program for each of them; so it does less often, which saves most of the time of the processor.
    ///
    /// It costs latency: what comes during the rest is seen up to `rest` later, be it bytes, a source of the program's own or the
    /// [`Driver::waker`]. What comes after a longer silence is seen at once. There is no rest while the program has not been shown something
    /// ([`Node::poll_wake`]), while there is more to read, for a poll that is not to wait, nor in [`Driver::close`]; none is longer than a poll
    /// may wait.
    #[must_use]
    pub fn rest(self, rest: Duration) -> Self {
        Self { rest, ..self }
    }
}

/// The owner of every socket of a node, which moves the bytes.
///
/// [`Driver::poll`] waits until something happened; then look at what came: [`Node::recv`], [`Node::poll_event`],
/// [`Driver::poll_ready`]. What the program sends leaves with the next poll, all of it for one peer in one write.
/// A turn reads at most one buffer from each peer, so that none can keep the others waiting.
///
/// Memory is allocated when the driver is made and when it connects or looks up a name, never for a message. A next driver tells of lost peers.
///
/// ```no_run
/// use std::time::Duration;
///
/// use beamless::{Config, Driver, Error, Node, NodeStorage};
///
/// let mut storage = NodeStorage::<4, 8, 16_384>::new();
/// let mut node = Node::new(Config::hidden("edge1@10.0.0.7", "secret")?, &mut storage);
/// let inbox = node.register("inbox")?;
/// let mut driver = Driver::listen("0.0.0.0:0", &mut node)?;
/// let mut left = 10;
/// while left > 0 {
///     driver.poll(&mut node, None)?;
///     while let Some((message, _)) = node.recv(inbox) {
///         println!("{}", message.term());
///         left -= 1;
///     }
///     while let Some(event) = node.poll_event() {
///         println!("{event}");
///     }
/// }
/// driver.close(&mut node, Duration::from_secs(1))?;
/// # Ok::<(), Error>(())
/// ```
pub struct Driver {
    poll: Poll,
    events: Events,
    waker: Arc<Waker>,
    start: std::time::Instant,
    listeners: Vec<Listener>,
    /// The socket of this host that is listened on.
    unix: Option<Listener>,
    /// The host whose addresses are listened on; none where the addresses were given.
    home: Option<Home>,
    sockets: Sockets,
    resolver: Resolver,
    epmd: Option<EpmdClient>,
    epmd_pending: bool,
    /// A caller that the node has no place for, and when to ask again. Those behind it are left to the system.
    door: Option<(Stream, Origin, Instant)>,
    /// The time at which connections are taken again after the system refused to give us one.
    accept_again: Option<Instant>,
    /// The time of whatever is due first, as of the last wait.
    due: Option<Instant>,
    late: Late,
    rest: Rest,
    ready: VecDeque<Ready>,
    /// True if the program took one of them and left others since the last poll.
    ready_left: bool,
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver").field("listening", &self.local_addr()).finish_non_exhaustive()
    }
}

impl Driver {
    /// Listens on `address`, such as `0.0.0.0:0`, and registers the node with EPMD as [`Epmd::Auto`] does. Where EPMD is comes
    /// from the environment, as with Erlang.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the address cannot be listened on; [`Misuse::NoName`] for a dynamic node, which listens nowhere.
    pub fn listen(address: impl ToSocketAddrs, node: &mut Node<'_>) -> Result<Self> {
        let listen = address.to_socket_addrs().map_err(|e| failed("the address to listen on", e))?.collect();
        Self::new(DriverOptions { listen, ..DriverOptions::from_env()? }, node)
    }

    /// Listens, and begins to register the node with EPMD; [`Event::Registered`] says when that is done. A dynamic node does
    /// neither, nor does one whose options are [`DriverOptions::outgoing`].
    ///
    /// The host part of the node's name is looked up here, which may take as long as the system's resolver takes. Later, when it is looked
    /// up again, a thread waits for the resolver.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) with what could not be done, such as an address that cannot be listened on;
    /// [`Misuse::NoName`] for a dynamic node with addresses to listen on.
    pub fn new(options: DriverOptions, node: &mut Node<'_>) -> Result<Self> {
        Self::with_epmd_on(Vec::new(), options, node)
    }

    /// Does what [`Driver::new`] does, with sockets that listen on EPMD's port already, 16 at most, such as those systemd hands over.
    /// Unless there are none, this process serves EPMD on them, and neither looks for another nor binds the port. This is for
    /// [`Epmd::Auto`] and [`Epmd::Embedded`] alone.
    ///
    /// # Errors
    /// As [`Driver::new`].
    pub fn with_epmd_on(epmd_listeners: Vec<std::net::TcpListener>, options: DriverOptions, node: &mut Node<'_>) -> Result<Self> {
        let mut driver = Self::outgoing(&options.epmd_settings, node)?;
        driver.rest = Rest::new(options.rest);
        if options.outgoing {
            return Ok(driver);
        }
        if let Some(name) = node.name().cloned() {
            driver.listen_at_first(&options.listen, name.host())?;
            let port = listen::port(&driver.listeners);
            let mut epmd = EpmdClient::new(options.epmd, name.alive(), port, !node.is_visible(), options.epmd_settings, EPMD)?;
            epmd.serve_on(epmd_listeners);
            epmd.start(driver.poll.registry(), driver.now());
            driver.epmd = Some(epmd);
            driver.epmd_news(node);
        } else if !options.listen.is_empty() {
            return Err(Misuse::NoName.into());
        }
        Ok(driver)
    }

    /// Listens nowhere, and registers with no EPMD: the node connects out, and nobody connects to it, unless [`Driver::listen_unix`] is called.
    /// It is what [`Driver::new`] does with [`DriverOptions::outgoing`], without other options.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system cannot poll.
    pub fn outgoing(epmd_settings: &EpmdSettings, node: &mut Node<'_>) -> Result<Self> {
        let poll = Poll::new().map_err(|e| failed("setting up polling", e))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(|e| failed("setting up polling", e))?;
        let waker = Arc::new(waker);
        let [a, b, c, d, ..] = random()?.to_le_bytes();
        node.set_creation(u32::from_le_bytes([a, b, c, d]));
        node.lose_connections();
        Ok(Self {
            events: Events::with_capacity(EVENTS),
            start: clock::start(),
            listeners: Vec::new(),
            unix: None,
            home: None,
            sockets: Sockets::new(node.capacity(), epmd_settings.port),
            resolver: Resolver::new(Arc::clone(&waker)),
            epmd: None,
            epmd_pending: false,
            door: None,
            accept_again: None,
            due: None,
            late: Late::default(),
            rest: Rest::new(Duration::ZERO),
            ready: VecDeque::with_capacity(EVENTS),
            ready_left: false,
            waker,
            poll,
        })
    }

    fn listen_at_first(&mut self, given: &[SocketAddr], host: &str) -> Result<()> {
        let registry = self.poll.registry();
        if !given.is_empty() {
            self.listeners = listen_on_all(given, registry)?;
            return Ok(());
        }
        // a host that is not known yet may be later
        let found: Vec<IpAddr> = hosts::addresses(host).unwrap_or_default().iter().map(SocketAddr::ip).collect();
        let (mut home, now) = (Home::new(host), self.now());
        home.follow(&mut self.listeners, &found, registry, now).map_err(|e| failed("listening", e))?;
        self.home = Some(home);
        Ok(())
    }

    /// Looks at the addresses of the node's name now, and listens where they are. It does so by itself every minute, and every ten seconds
    /// while it does not listen where the name points; a program calls this when it knows of a change, such as a new lease of DHCP. Addresses
    /// that were given to listen on stay as they are.
    pub fn look_again(&mut self) {
        if let Some(home) = &mut self.home {
            home.look_now();
        }
    }

    /// Asks for the addresses of the node's name, if it is time.
    fn look(&mut self, now: Instant) {
        let Some(home) = self.home.as_mut().filter(|home| home.poll_timeout().is_some_and(|at| at <= now)) else { return };
        match self.resolver.at_once(home.host()) {
            Some(found) => self.follow(&found, now),
            None => {
                self.resolver.ask(None, home.host());
                home.set_asked();
            }
        }
    }

    /// Listens on the addresses of the node's name, which are these now. Should the port be another one, EPMD is told.
    fn follow(&mut self, found: &[SocketAddr], now: Instant) {
        let Some(home) = &mut self.home else { return };
        let before = listen::port(&self.listeners);
        let found: Vec<IpAddr> = found.iter().map(SocketAddr::ip).collect();
        if let Err(e) = home.follow(&mut self.listeners, &found, self.poll.registry(), now) {
            home.failed(&e, now);
        }
        let port = listen::port(&self.listeners);
        if let Some(epmd) = self.epmd.as_mut().filter(|_| port != before && port != 0) {
            epmd.set_port(port, now);
        }
    }

    /// Listens on a socket of this host, too: a file at `path`, which is made, with the mode that the process's umask leaves, and removed by
    /// [`Driver::close`] and with the driver. A socket that is there and that nobody listens on is removed before, as a node leaves it that
    /// was killed; one that somebody listens on never is, nor a file of another kind. Called again, it listens on the new one alone.
    ///
    /// A driver of [`Driver::outgoing`] that listens here needs neither a network nor EPMD. Those who connect have one [`Origin`], the
    /// default. [`Driver::set_socket`] is the other side of it, and says what goes over it: the same, and never TLS.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if that cannot be: somebody listens there or it is another file, there is no such folder or no right
    /// to write in it, or the path is longer than sockets may have (107 bytes on Linux).
    pub fn listen_unix(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let listener = Listener::unix(path, self.poll.registry());
        self.unix = Some(listener.map_err(|e| failed(&format!("listening on {}", path.display()), e))?);
        Ok(())
    }

    /// Returns the first address this node listens on.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.listeners.first().and_then(Listener::address)
    }

    /// Sets the port of a node. When the node is connected to, EPMD is not asked for it. This is for nodes that stand in no EPMD, or whose
    /// EPMD cannot be reached.
    ///
    /// # Errors
    /// [`ConfigError`](crate::ConfigError) for a name that is none.
    pub fn set_port(&mut self, node: &str, port: u16) -> Result<()> {
        self.sockets.set_way(NodeName::new(node)?, Way::Port(port));
        Ok(())
    }

    /// Sets the socket of a node on this host, a file. When the node is connected to, that is dialled, and neither its host nor EPMD is asked
    /// for anything. It takes the place of what [`Driver::set_port`] said of the node, and the other way round. What goes over it is plain,
    /// [`Driver::set_tls`] or not: who may connect is a matter of the file's mode, and of the cookie.
    ///
    /// The form of what goes over it is that of the example `erl_uds_dist` in Erlang/OTP.
    ///
    /// # Errors
    /// [`ConfigError`](crate::ConfigError) for a name that is none. Whether there is such a file turns out with each connection:
    /// [`NetworkFault::NoSocket`], [`NetworkFault::Denied`].
    pub fn set_socket(&mut self, node: &str, path: impl AsRef<Path>) -> Result<()> {
        self.sockets.set_way(NodeName::new(node)?, Way::Socket(path.as_ref().into()));
        Ok(())
    }

    /// Sets the addresses of a host. When a node with this host part is connected to, the system is not asked for them. The first 8 are
    /// tried, in their order; with none at all the host is unknown. This is for hosts that no name server knows, and for a program that may
    /// wait for an answer itself and so saves the thread that the driver starts for each question.
    pub fn set_addresses(&mut self, host: &str, addresses: impl IntoIterator<Item = IpAddr>) {
        let addresses = addresses.into_iter().take(hosts::ADDRESSES).map(|address| SocketAddr::new(address, 0));
        self.resolver.set_addresses(host, addresses.collect());
    }

    /// Puts TLS in force for the connections from now on, in both directions: peers without it are refused. Those that are up, or under way,
    /// stay as they are, so a program whose certificate was renewed calls this again with the new one.
    #[cfg(feature = "tls")]
    pub fn set_tls(&mut self, tls: Tls) {
        self.sockets.set_tls(tls);
    }

    /// Returns a waker, with which another thread interrupts [`Driver::poll`].
    pub fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Returns the registry for sources of the program's own (a serial port, a GPIO line, a timer, signals), with tokens below
    /// `usize::MAX / 2`. [`Driver::poll`] waits for them too, and [`Driver::poll_ready`] gives them back.
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Returns the next of the program's own sources that became ready, first come first served. mio tells of a change once, so what is not
    /// fetched here waits for the next poll.
    pub fn poll_ready(&mut self) -> Option<Ready> {
        let ready = self.ready.pop_front();
        self.ready_left = ready.is_some() && !self.ready.is_empty();
        ready
    }

    /// Moves bytes, and waits until something happened, or for `timeout` at most; `None` is for ever.
    ///
    /// What wakes it: bytes, connections, EPMD, the program's own sources, the [`Driver::waker`], and time the protocol
    /// needs. It may return with nothing for the program. It does not wait at all while there is something that the program has not been
    /// shown: an event, a message, room for what was refused. [`Node::poll_wake`] has the rules.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system cannot poll. Whatever happens to a connection is an [`Event`], not an error.
    pub fn poll(&mut self, node: &mut Node<'_>, timeout: Option<Duration>) -> Result<()> {
        let now = self.now();
        let mut busy = self.hand_out(node, false, now);
        self.due = self.poll_timeout(node);
        // what has come by now is read before time is judged: an answer that is there is in time, however late the program looks
        busy |= self.is_due(now) | node.poll_wake() | core::mem::take(&mut self.ready_left);
        let wait = if busy { Some(Duration::ZERO) } else { self.pause(now, timeout) };
        match self.poll.poll(&mut self.events, wait) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result.map_err(|e| failed("polling", e))?,
        }
        let now = self.now();
        self.dispatch(node, now);
        self.accept(node, now)?;
        if !self.rest.is_none() && self.sockets.has_more() {
            self.rest.begin(self.start.elapsed());
        }
        self.sockets.read(node, now);
        // what has come in between may have set an earlier time, but none that is over already; dials that go on are in time, too
        let is_due = self.is_due(now);
        if is_due {
            self.hand_out(node, true, now);
        }
        let judged = self.late.judged(now, is_due && self.sockets.has_more());
        if is_due {
            self.handle_timeout(node, now, judged);
        }
        self.hand_out(node, true, now);
        Ok(())
    }

    /// Waits for the answer to a call, moving bytes meanwhile: for programs that have nothing else to do. How long it may take was said
    /// when the call was made. Whatever else comes to the mailbox of the call is dropped, calls of others included, so let it have one of its own.
    /// Why a node is down ([`Failure::NodeDown`]) the event queue says: [`Event::ConnectFailed`] or [`Event::NodeDown`].
    ///
    /// # Errors
    /// As [`Driver::poll`]; [`Misuse::NoMailbox`] when the mailbox ended; [`Misuse::NoRequest`] when the call is not under way.
    pub fn wait<'n>(&mut self, node: &'n mut Node<'_>, request: Request) -> Result<core::result::Result<Term<'n>, Failure<'n>>> {
        while !node.is_answer_next(request)? {
            self.poll(node, None)?;
        }
        match node.recv(request.mailbox()).map(|(message, _)| message.received()) {
            Some(Received::Answer { result, .. }) => Ok(result),
            _ => Err(Misuse::NoRequest.into()),
        }
    }

    /// Closes every connection in order and withdraws the name from EPMD: sends what waits, for `timeout` at most, also over connections that
    /// are still being made for it. [`Event::ConnectFailed`] and [`Event::NodeDown`] say which of them came to nothing. A peer that has not
    /// closed its side by then, and goes on sending, may lose what it had not read.
    ///
    /// # Errors
    /// As [`Driver::poll`].
    pub fn close(&mut self, node: &mut Node<'_>, timeout: Duration) -> Result<()> {
        if let Some(epmd) = &mut self.epmd {
            epmd.stop();
        }
        self.home = None;
        self.rest = Rest::new(Duration::ZERO);
        self.listeners.clear();
        self.unix = None;
        self.door = None;
        let end = self.now().after(timeout);
        while node.is_opening() && !end.since(self.now()).is_zero() {
            self.poll(node, Some(end.since(self.now())))?;
        }
        node.close();
        self.sockets.linger_until(end);
        loop {
            let now = self.now();
            self.sockets.write(node, now);
            let left = end.since(now);
            if self.sockets.is_empty() || left.is_zero() {
                return Ok(());
            }
            self.poll(node, Some(left))?;
        }
    }

    fn now(&self) -> Instant {
        clock::since(self.start)
    }

    /// Does what needs no waiting: new dials, and writing; and, if the system was asked meanwhile what has come, ends dials that took too long.
    /// Returns true if there is more to do at once.
    fn hand_out(&mut self, node: &mut Node<'_>, asked: bool, now: Instant) -> bool {
        if let Some(epmd) = &mut self.epmd {
            if core::mem::take(&mut self.epmd_pending) {
                self.epmd_pending = epmd.handle_pending(self.poll.registry(), now);
            }
            if epmd.has_news() {
                self.epmd_news(node);
            }
        }
        while let Some((connection, peer)) = node.poll_dial(now) {
            self.sockets.dial(connection, peer, node, now);
        }
        let failed = self.sockets.dial_on(node, &mut self.resolver, self.poll.registry(), asked, now);
        self.sockets.write(node, now);
        // a door has its time
        let callers = self.door.is_none() && self.listeners.iter().chain(&self.unix).any(|listener| listener.ready);
        failed || self.epmd_pending || callers || self.sockets.has_more()
    }

    /// Returns when [`Driver::handle_timeout`] has something to do.
    fn poll_timeout(&self, node: &Node<'_>) -> Option<Instant> {
        let epmd = self.epmd.as_ref().and_then(EpmdClient::poll_timeout);
        let door = self.door.as_ref().map(|(.., at)| *at);
        let home = self.home.as_ref().and_then(Home::poll_timeout);
        let own = sooner(sooner(epmd, door), sooner(home, self.accept_again));
        sooner(own, sooner(self.sockets.poll_timeout(), node.poll_timeout()))
    }

    #[inline]
    fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|at| at <= now)
    }

    /// Does what time calls for, the node by a time of its own.
    #[cold]
    fn handle_timeout(&mut self, node: &mut Node<'_>, now: Instant, judged: Instant) {
        self.due = None;
        self.look(now);
        if node.poll_timeout().is_some_and(|at| at <= judged) {
            node.handle_timeout(judged);
        }
        if let Some(epmd) = self.epmd.as_mut().filter(|epmd| epmd.poll_timeout().is_some_and(|at| at <= now)) {
            self.epmd_pending |= epmd.handle_timeout(self.poll.registry(), now);
        }
        if self.accept_again.is_some_and(|at| at <= now) {
            self.accept_again = None;
            self.listeners.iter_mut().chain(&mut self.unix).for_each(|listener| listener.ready = true);
        }
        self.sockets.expire(now);
    }

    /// Returns how long to wait for something to happen, after the rest.
    fn pause(&mut self, now: Instant, timeout: Option<Duration>) -> Option<Duration> {
        let due = self.due.map(|at| at.since(now));
        let wait = [due, timeout].into_iter().flatten().min();
        if self.rest.is_none() { wait } else { self.take_rest(wait) }
    }

    #[cold]
    fn take_rest(&mut self, wait: Option<Duration>) -> Option<Duration> {
        let rest = self.rest.take(self.start.elapsed(), wait);
        if !rest.is_zero() {
            // the system's poll counts in milliseconds
            std::thread::sleep(rest);
        }
        wait.map(|wait| wait.saturating_sub(rest))
    }

    /// Hands what the system told to whom it concerns.
    fn dispatch(&mut self, node: &mut Node<'_>, now: Instant) {
        let registry = self.poll.registry();
        let mut woken = false;
        for event in &self.events {
            let Token(token) = event.token();
            match token {
                SOCKETS.. => self.sockets.handle(token.saturating_sub(SOCKETS), event),
                EPMD.. => {
                    if let Some(epmd) = &mut self.epmd {
                        self.epmd_pending |= epmd.handle(event.token(), registry, now);
                    }
                }
                LISTENERS.. => {
                    let its = |listener: &&mut Listener| listener.token == Token(token);
                    if let Some(listener) = self.listeners.iter_mut().chain(&mut self.unix).find(its) {
                        listener.ready = self.accept_again.is_none();
                    }
                }
                OWN => woken = true,
                _ => Ready::new(event.token(), event).join(&mut self.ready),
            }
        }
        if woken {
            self.answered(node, now);
        }
    }

    /// Goes on with whose hosts were looked up. Every look-up that is done wakes the poll.
    #[cold]
    fn answered(&mut self, node: &mut Node<'_>, now: Instant) {
        let registry = self.poll.registry();
        let mut own = None;
        while let Some((asker, addresses)) = self.resolver.poll() {
            match asker {
                Some(connection) => self.sockets.resolved(connection, addresses, node, registry, now),
                None => own = Some(addresses),
            }
        }
        if let Some(found) = own {
            self.follow(&found, now);
        }
    }

    /// Takes new connections, as long as the node has places for them.
    fn accept(&mut self, node: &mut Node<'_>, now: Instant) -> Result<()> {
        if let Some((stream, origin, _)) = self.door.take() {
            self.admit(stream, origin, node, now)?;
        }
        for index in 0..=self.listeners.len() {
            for _ in 0..ACCEPTS {
                let listener = self.listeners.iter_mut().chain(&mut self.unix).nth(index);
                let Some(listener) = listener.filter(|listener| listener.ready) else { break };
                if self.door.is_some() {
                    return Ok(());
                }
                match listener.accept() {
                    Ok((stream, origin)) => self.admit(stream, origin, node, now)?,
                    // the caller is gone already
                    Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
                    Err(e) => {
                        listener.ready = false;
                        if e.kind() != io::ErrorKind::WouldBlock {
                            log::warn!("cannot take connections for a second: {e}");
                            self.accept_again = Some(now.after(Duration::from_secs(1)));
                        }
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// Gives a caller to the node, or keeps it at the door.
    fn admit(&mut self, stream: Stream, origin: Origin, node: &mut Node<'_>, now: Instant) -> Result<()> {
        match node.accept_over(self.sockets.prefix(&stream), origin, random()?, now) {
            Ok(connection) => self.sockets.adopt(connection, stream, node, self.poll.registry(), now),
            Err(at) => self.door = Some((stream, origin, at)),
        }
        Ok(())
    }

    /// Turns what EPMD has to say into events of the node.
    #[cold]
    fn epmd_news(&mut self, node: &mut Node<'_>) {
        while let Some(event) = self.epmd.as_mut().and_then(EpmdClient::poll_event) {
            match event {
                EpmdEvent::Serving { port } => log::debug!("serving epmd on port {port}"),
                EpmdEvent::Registered { port, embedded, .. } => node.report(Event::Registered { embedded, port }),
                EpmdEvent::Lost => node.report(Event::EpmdLost),
                EpmdEvent::Refused { .. } => node.report(Event::NameTaken),
                EpmdEvent::Full => node.report(Event::EpmdFull),
                EpmdEvent::CannotServe { port, error } => {
                    log::warn!("cannot serve epmd on port {port}: {error}");
                    node.report(Event::NotRegistered(match error {
                        io::ErrorKind::AddrInUse => NetworkFault::PortTaken,
                        _ => NetworkFault::NoEpmd,
                    }));
                }
                EpmdEvent::Failed(reason) => node.report(Event::NotRegistered(dial::no_answer(reason))),
            }
        }
    }
}
