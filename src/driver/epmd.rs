//! The node's name kept with EPMD: with one that runs on this host, or with one served by this very process.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::dial::ask;
use super::epmd_service::{EpmdService, Rules};
use super::net::{failed, fault, is_connected};
use crate::error::{ConfigError, Error, Misbehaved, NetworkFault, Reason, Result};
use crate::proto::epmd_client::{ANSWER_LIMIT, DEFAULT_PORT, Lookup, Registration, RegistrationAnswer};
use crate::proto::epmd_server::{IDLE_LIMIT, Kill};
use crate::time::Instant;

/// The time before EPMD is tried again: as long as BEAM waits.
const AGAIN: Duration = Duration::from_secs(2);
/// The time in which EPMD takes note that a name is free, before the same is registered anew.
const FREED: Duration = Duration::from_millis(250);
/// Events kept for the driver. A turn makes three at most and the driver fetches them every turn.
const EVENTS: usize = 8;

/// The EPMD that a node registers its name with, so that other nodes of the cluster find its port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Epmd {
    /// The EPMD that runs on this host. If none does, this process serves one itself, for every node on the host. When a foreign one ends,
    /// the name is registered with the next within two seconds, or this process takes over.
    #[default]
    Auto,
    /// The EPMD that runs on this host and no other. While there is none, it is tried every two seconds.
    External,
    /// An EPMD served by this process. While another one has the port, that is an error, tried anew every two seconds.
    Embedded,
    /// No EPMD: the node is found only by who knows its port.
    None,
}

impl Epmd {
    /// The words for the variants, in their order: those that `from_str` takes.
    pub const WORDS: [&'static str; 4] = ["auto", "external", "embedded", "none"];
    const ALL: [Self; 4] = [Self::Auto, Self::External, Self::Embedded, Self::None];
}

impl FromStr for Epmd {
    type Err = &'static str;

    /// Takes one of [`Epmd::WORDS`].
    fn from_str(text: &str) -> core::result::Result<Self, Self::Err> {
        let mut words = Self::WORDS.iter().zip(Self::ALL);
        words.find(|(word, _)| **word == text).map(|(_, epmd)| epmd).ok_or("epmd is one of auto, external, embedded, none")
    }
}

/// The place of EPMD on this host, and the addresses on which it is served from here.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EpmdSettings {
    /// The port of every EPMD, on this host and on others: `ERL_EPMD_PORT`, 4369 without it.
    pub port: u16,
    /// The addresses to serve EPMD on, besides loopback; empty for all: `ERL_EPMD_ADDRESS`.
    pub addresses: Vec<IpAddr>,
    /// The time for which a connection without a name may be silent when EPMD is served from here: 60 seconds, as with epmd's
    /// `-packet_timeout`. When many connect at once they get less.
    pub packet_timeout: Duration,
    /// Whether an [`EpmdServer`](crate::EpmdServer) ends on request while names are registered, and unregisters them by force: true if
    /// `ERL_EPMD_RELAXED_COMMAND_CHECK` is set. The EPMD in a node's own process never does.
    pub relaxed_command_check: bool,
}

impl Default for EpmdSettings {
    fn default() -> Self {
        Self { port: DEFAULT_PORT, addresses: Vec::new(), packet_timeout: IDLE_LIMIT, relaxed_command_check: false }
    }
}

impl EpmdSettings {
    /// Makes settings of the port of every EPMD; one that is served from here is served on all addresses.
    pub fn new(port: u16) -> Self {
        Self { port, ..Self::default() }
    }

    /// Reads `ERL_EPMD_PORT`, `ERL_EPMD_ADDRESS` and `ERL_EPMD_RELAXED_COMMAND_CHECK` from the environment.
    ///
    /// # Errors
    /// [`Error::Io`] that names the variable, if the port is not a number from 1 to 65535 (Erlang would take its leading digits), or
    /// if the addresses, separated by commas or spaces, are not all addresses.
    pub fn from_env() -> Result<Self> {
        let text = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        let settings = Self::from_values(text("ERL_EPMD_PORT").as_deref(), text("ERL_EPMD_ADDRESS").as_deref())?;
        Ok(Self { relaxed_command_check: text("ERL_EPMD_RELAXED_COMMAND_CHECK").is_some(), ..settings })
    }

    /// Reads port and addresses from values at hand; `None` stands for a variable that is not set.
    ///
    /// # Errors
    /// As [`EpmdSettings::from_env`].
    pub fn from_values(port: Option<&str>, addresses: Option<&str>) -> Result<Self> {
        let port = match port {
            None => DEFAULT_PORT,
            Some(text) => text
                .parse()
                .ok()
                .filter(|port| *port != 0)
                .ok_or_else(|| wrong("ERL_EPMD_PORT", text, "a port is a number from 1 to 65535"))?,
        };
        let words = addresses.unwrap_or_default().split([' ', ',']).filter(|word| !word.is_empty());
        let parse =
            |word: &str| word.parse().map_err(|_| wrong("ERL_EPMD_ADDRESS", word, "an address of IPv4 or IPv6 is needed"));
        Ok(Self { port, addresses: words.map(parse).collect::<Result<_>>()?, ..Self::default() })
    }
}

fn wrong(variable: &str, value: &str, needed: &str) -> Error {
    failed(&format!("{variable}={value:?}"), io::Error::new(ErrorKind::InvalidInput, needed.to_owned()))
}

/// An event about the node's name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub(crate) enum EpmdEvent {
    /// This process serves EPMD now.
    Serving {
        /// The port it listens on.
        port: u16,
    },
    /// The name is registered, for the first time or again.
    Registered {
        /// The incarnation of the name as EPMD counts it. BEAM keeps its first one when it registers again.
        creation: u32,
        /// EPMD's port.
        port: u16,
        /// True if this process serves the EPMD.
        embedded: bool,
    },
    /// EPMD is gone, and the name with it; it is registered again as soon as possible.
    Lost,
    /// EPMD refuses the name, because another node has it. It is tried again every two seconds.
    Refused {
        /// The name, without its host.
        alive: heapless::String<255>,
    },
    /// EPMD refuses the name though no node has it: there is no room. It is tried again every two seconds.
    Full,
    /// This process was to serve EPMD and cannot listen on its port; [`ErrorKind::AddrInUse`]: another EPMD does. It is tried again
    /// every two seconds.
    CannotServe {
        /// The port.
        port: u16,
        /// The error of the system.
        error: ErrorKind,
    },
    /// The name cannot be registered. It is tried again every two seconds; this is said once, until the reason changes.
    Failed(Reason),
}

impl fmt::Display for EpmdEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serving { port } => write!(f, "serving epmd on port {port}"),
            Self::Registered { port, embedded: true, .. } => write!(f, "registered with our own epmd on port {port}"),
            Self::Registered { port, embedded: false, .. } => write!(f, "registered with epmd on port {port}"),
            Self::Lost => f.write_str("epmd is gone: the name is registered again once one is there"),
            Self::Refused { alive } => write!(f, "another node {alive} is registered on this host"),
            Self::Full => f.write_str("epmd takes no further name"),
            Self::CannotServe { port, error: ErrorKind::AddrInUse } => {
                write!(f, "cannot serve epmd on port {port}: another one does")
            }
            Self::CannotServe { port, error } => write!(f, "cannot serve epmd on port {port}: {error}"),
            Self::Failed(reason) => write!(f, "not registered with epmd: {reason}"),
        }
    }
}

/// The keeper of a node's name: it connects, registers, holds, notices EPMD's end, tries again, and serves EPMD itself.
///
/// Call [`EpmdClient::start`] once the node listens. Then hand it the events of its tokens and the passing of time; after each of
/// those, fetch what happened with [`EpmdClient::poll_event`]. Nothing blocks, and a turn's work is bounded; nothing is allocated except
/// when it begins to serve. Dropping it withdraws the name.
#[derive(Debug)]
pub(crate) struct EpmdClient {
    mode: Epmd,
    alive: heapless::String<255>,
    /// The request not yet sent, to be cloned for each attempt.
    registration: Registration,
    port: u16,
    hidden: bool,
    settings: EpmdSettings,
    /// Sockets to serve on that are bound already.
    listeners: Vec<std::net::TcpListener>,
    first_token: usize,
    state: State,
    events: heapless::Deque<EpmdEvent, EVENTS>,
    /// The event told last, so that two seconds later it is not told again.
    said: Option<EpmdEvent>,
    /// The registration told last was lost at once. The next one is told when it has lasted, and its loss not before.
    fleeting: bool,
}

#[derive(Debug)]
enum State {
    /// An EPMD that is not started, withdrawn, or not wanted.
    Off,
    /// A pause until the next attempt.
    Waiting { until: Instant },
    /// Connecting to EPMD, then waiting for its answer.
    Trying(Attempt),
    /// EPMD did not take the name; it is asked whether another node has it, since its refusal does not say.
    Asking(Inquiry),
    /// Registered for as long as the connection stands.
    Held(Attempt),
    /// Serving EPMD, and registered with it.
    Serving(Box<EpmdService>),
}

/// A connection to EPMD.
#[derive(Debug)]
struct Attempt {
    stream: TcpStream,
    registration: Registration,
    /// The one of the loopback addresses that is tried.
    address: IpAddr,
    connected: bool,
    /// The end of the wait for its answer; then, when the registration has lasted.
    until: Instant,
    /// The creation of a registration that was not told yet.
    untold: Option<u32>,
    /// True if we were about to serve EPMD and somebody was faster: that is not tried again before the next attempt.
    raced: bool,
}

/// A question for the name that EPMD did not take.
#[derive(Debug)]
struct Inquiry {
    stream: TcpStream,
    lookup: Lookup,
    until: Instant,
    /// What is said if there is no answer.
    otherwise: EpmdEvent,
}

/// The end of an attempt.
#[derive(Debug)]
enum Ended {
    /// No EPMD answers there.
    Unreachable(io::Error),
    /// EPMD refused the name.
    Refused,
    /// EPMD closed without an answer.
    Closed,
    /// Anything else.
    Failed(Reason),
}

impl EpmdClient {
    /// The tokens from `first_token` on that belong to it.
    pub(crate) const TOKENS: usize = 1 + EpmdService::TOKENS;

    /// Makes a client that is to register `alive`, the part of the node's name before the `@`, as listening on `port`.
    ///
    /// # Errors
    /// [`ConfigError`] if EPMD would not take such a name.
    pub(crate) fn new(
        mode: Epmd,
        alive: &str,
        port: u16,
        hidden: bool,
        settings: EpmdSettings,
        first_token: usize,
    ) -> core::result::Result<Self, ConfigError> {
        Ok(Self {
            mode,
            alive: heapless::String::try_from(alive).map_err(|_| ConfigError::NameTooLong)?,
            registration: Registration::new(alive, port, hidden)?,
            port,
            hidden,
            settings,
            listeners: Vec::new(),
            first_token,
            state: State::Off,
            events: heapless::Deque::new(),
            said: None,
            fleeting: false,
        })
    }

    /// Sets the sockets to serve on, if there are any, instead of looking for another EPMD.
    pub(crate) fn serve_on(&mut self, listeners: Vec<std::net::TcpListener>) {
        self.listeners = listeners;
    }

    /// Begins.
    pub(crate) fn start(&mut self, registry: &Registry, now: Instant) {
        match self.mode {
            Epmd::None => {}
            // whoever connected there would wait for an answer from ourselves
            Epmd::Auto if !self.listeners.is_empty() => self.serve(registry, now, false),
            Epmd::Embedded => self.serve(registry, now, false),
            Epmd::Auto | Epmd::External => self.connect(LOOPBACK_4, registry, now, false),
        }
    }

    /// Registers the name anew, as listening on another port.
    pub(crate) fn set_port(&mut self, port: u16, now: Instant) {
        let Ok(registration) = Registration::new(&self.alive, port, self.hidden) else { return };
        (self.port, self.registration) = (port, registration);
        match &mut self.state {
            State::Off | State::Waiting { .. } | State::Asking(_) => {}
            State::Trying(_) | State::Held(_) => self.state = State::Waiting { until: now.after(FREED) },
            State::Serving(service) => {
                let epmd = service.port();
                match service.register_own(&self.alive, port, self.hidden) {
                    Ok(creation) => self.registered(creation, epmd, true),
                    // its own name was free, and now its place is
                    Err(_) => self.fail(EpmdEvent::Failed(Reason::Misbehaved(Misbehaved::Epmd("own name"))), now),
                }
            }
        }
    }

    /// Withdraws the name, and stops serving EPMD.
    pub(crate) fn stop(&mut self) {
        self.state = State::Off;
    }

    /// Returns true if there is an event that was not fetched yet.
    #[inline]
    pub(crate) fn has_news(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns the oldest event that was not fetched yet.
    pub(crate) fn poll_event(&mut self) -> Option<EpmdEvent> {
        self.events.pop_front()
    }

    /// Deals with an event for one of its tokens; `true` if there is more to do than one turn allows: then call
    /// [`EpmdClient::handle_pending`] in the next turn, without waiting for an event.
    pub(crate) fn handle(&mut self, token: Token, registry: &Registry, now: Instant) -> bool {
        if token == Token(self.first_token) {
            self.advance(registry, now);
            return false;
        }
        match &mut self.state {
            State::Serving(service) => service.handle(token, registry, now),
            _ => false,
        }
    }

    /// Goes on with what earlier turns left; `true` if there is still more.
    pub(crate) fn handle_pending(&mut self, registry: &Registry, now: Instant) -> bool {
        match &mut self.state {
            State::Serving(service) => service.handle_pending(registry, now),
            _ => false,
        }
    }

    /// Returns when to call [`EpmdClient::handle_timeout`].
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Off => None,
            State::Held(attempt) => attempt.untold.map(|_| attempt.until),
            State::Waiting { until } => Some(*until),
            State::Trying(attempt) => Some(attempt.until),
            State::Asking(inquiry) => Some(inquiry.until),
            State::Serving(service) => service.poll_timeout(),
        }
    }

    /// Does what is due; `true` as with [`EpmdClient::handle`].
    pub(crate) fn handle_timeout(&mut self, registry: &Registry, now: Instant) -> bool {
        match &mut self.state {
            State::Waiting { until } if *until <= now => self.start(registry, now),
            State::Trying(attempt) if attempt.until <= now => {
                self.fail(EpmdEvent::Failed(Reason::Network(NetworkFault::TimedOut)), now);
            }
            State::Asking(inquiry) if inquiry.until <= now => {
                let otherwise = inquiry.otherwise.clone();
                self.fail(otherwise, now);
            }
            State::Held(attempt) if attempt.until <= now => {
                if let Some(creation) = attempt.untold.take() {
                    self.registered(creation, self.settings.port, false);
                }
            }
            State::Serving(service) => return service.handle_timeout(now),
            _ => {}
        }
        false
    }

    fn connect(&mut self, address: IpAddr, registry: &Registry, now: Instant, raced: bool) {
        let open = || {
            let mut stream = TcpStream::connect(SocketAddr::new(address, self.settings.port))?;
            registry.register(&mut stream, Token(self.first_token), Interest::READABLE | Interest::WRITABLE)?;
            Ok(stream)
        };
        match open() {
            Ok(stream) => {
                let registration = self.registration.clone();
                let until = now.after(ANSWER_LIMIT);
                let attempt = Attempt { stream, registration, address, connected: false, until, untold: None, raced };
                self.state = State::Trying(attempt);
            }
            Err(e) => self.unreachable(address, &e, registry, now, raced),
        }
    }

    /// Moves what can be moved on the connection to EPMD.
    fn advance(&mut self, registry: &Registry, now: Instant) {
        let mut attempt = match core::mem::replace(&mut self.state, State::Off) {
            State::Trying(attempt) | State::Held(attempt) => attempt,
            State::Asking(inquiry) => return self.hear(inquiry, now),
            // an event left over from a connection that is closed
            other => return self.state = other,
        };
        let was_registered = attempt.registration.is_registered();
        match attempt.advance() {
            Ok(None) if !was_registered => self.state = State::Trying(attempt),
            Ok(creation) => {
                if let Some(creation) = creation {
                    attempt.until = now.after(AGAIN);
                    attempt.untold = Some(creation).filter(|_| self.fleeting);
                    if attempt.untold.is_none() {
                        self.registered(creation, self.settings.port, false);
                    }
                }
                self.state = State::Held(attempt);
            }
            // whatever it was: EPMD is gone, or takes the node for gone
            Err(_) if was_registered => {
                if attempt.untold.is_none() {
                    self.fleeting = now < attempt.until;
                    self.say(EpmdEvent::Lost);
                }
                self.state = State::Waiting { until: now.after(AGAIN) };
            }
            Err(Ended::Unreachable(e)) => self.unreachable(attempt.address, &e, registry, now, attempt.raced),
            Err(Ended::Refused) => {
                let alive = self.alive.clone();
                self.inquire(attempt.address, EpmdEvent::Refused { alive }, registry, now);
            }
            Err(Ended::Closed) if attempt.registration.is_registered() => {
                self.fail(EpmdEvent::Failed(Reason::Misbehaved(Misbehaved::Epmd("closed behind its answer"))), now);
            }
            Err(Ended::Closed) => {
                let closed = Reason::Misbehaved(Misbehaved::Epmd("closed instead of an answer"));
                self.inquire(attempt.address, EpmdEvent::Failed(closed), registry, now);
            }
            Err(Ended::Failed(reason)) => self.fail(EpmdEvent::Failed(reason), now),
        }
    }

    /// Asks EPMD who has the name that it did not take: "there is no interpretation of the error result code" (erl_epmd.erl), and an
    /// EPMD without room may close without any.
    fn inquire(&mut self, address: IpAddr, otherwise: EpmdEvent, registry: &Registry, now: Instant) {
        let open = || {
            let lookup = Lookup::new(&self.alive).ok()?;
            let mut stream = TcpStream::connect(SocketAddr::new(address, self.settings.port)).ok()?;
            registry.register(&mut stream, Token(self.first_token), Interest::READABLE | Interest::WRITABLE).ok()?;
            Some((stream, lookup))
        };
        match open() {
            Some((stream, lookup)) => {
                let until = now.after(ANSWER_LIMIT);
                self.state = State::Asking(Inquiry { stream, lookup, until, otherwise });
            }
            None => self.fail(otherwise, now),
        }
    }

    /// Goes on with that question.
    fn hear(&mut self, mut inquiry: Inquiry, now: Instant) {
        match ask(&mut inquiry.stream, &mut inquiry.lookup) {
            Ok(None) => self.state = State::Asking(inquiry),
            Ok(Some(_)) => {
                let alive = self.alive.clone();
                self.fail(EpmdEvent::Refused { alive }, now);
            }
            Err(NetworkFault::NoSuchName) => self.fail(EpmdEvent::Full, now),
            Err(_) => self.fail(inquiry.otherwise, now),
        }
    }

    /// Goes on without an EPMD at this address: tries the other address, then, if wanted, serves one.
    fn unreachable(&mut self, address: IpAddr, error: &io::Error, registry: &Registry, now: Instant, raced: bool) {
        if address == LOOPBACK_4 {
            self.connect(LOOPBACK_6, registry, now, raced);
        } else if self.mode == Epmd::Auto && !raced {
            self.serve(registry, now, true);
        } else {
            log::debug!("epmd at {address}: {error}");
            self.fail(EpmdEvent::Failed(Reason::Network(NetworkFault::NoEpmd)), now);
        }
    }

    fn serve(&mut self, registry: &Registry, now: Instant, may_connect: bool) {
        let first_token = self.first_token.saturating_add(1);
        let rules = Rules { kill: Kill::Never, idle_limit: self.settings.packet_timeout };
        let bound = match core::mem::take(&mut self.listeners) {
            none if none.is_empty() => {
                EpmdService::bind(registry, first_token, self.settings.port, &self.settings.addresses, rules)
            }
            listeners => EpmdService::adopt(registry, first_token, listeners, rules),
        };
        let mut service = match bound {
            Ok(service) => Box::new(service),
            // another process began to serve between our question and our answer to it: register there
            Err(e) if e.kind() == ErrorKind::AddrInUse && may_connect => return self.connect(LOOPBACK_4, registry, now, true),
            Err(e) => {
                let port = self.settings.port;
                log::debug!("epmd: listening on port {port}: {e}");
                return self.fail(EpmdEvent::CannotServe { port, error: e.kind() }, now);
            }
        };
        let port = service.port();
        match service.register_own(&self.alive, self.port, self.hidden) {
            Ok(creation) => {
                self.state = State::Serving(service);
                self.say(EpmdEvent::Serving { port });
                self.registered(creation, port, true);
            }
            // cannot be: the table was empty, and the name has been checked
            Err(_) => self.fail(EpmdEvent::Failed(Reason::Misbehaved(Misbehaved::Epmd("own name"))), now),
        }
    }

    fn registered(&mut self, creation: u32, port: u16, embedded: bool) {
        (self.said, self.fleeting) = (None, false);
        self.say(EpmdEvent::Registered { creation, port, embedded });
    }

    /// Ends an attempt that came to nothing, and says so unless that is known.
    fn fail(&mut self, event: EpmdEvent, now: Instant) {
        self.state = State::Waiting { until: now.after(AGAIN) };
        if self.said.as_ref() != Some(&event) {
            self.said = Some(event.clone());
            self.say(event);
        }
    }

    fn say(&mut self, event: EpmdEvent) {
        if let Err(event) = self.events.push_back(event) {
            log::warn!("epmd: {event} (nobody fetches these events)");
        }
    }
}

const LOOPBACK_4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const LOOPBACK_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

impl Attempt {
    /// Connects, writes and reads as far as it goes; the creation, when the answer just came.
    fn advance(&mut self) -> core::result::Result<Option<u32>, Ended> {
        if !self.connected {
            self.connected = is_connected(&self.stream).map_err(Ended::Unreachable)?;
            if !self.connected {
                return Ok(None);
            }
        }
        self.write()?;
        self.read()
    }

    fn write(&mut self) -> core::result::Result<(), Ended> {
        while !self.registration.transmit().is_empty() {
            match self.stream.write(self.registration.transmit()) {
                Ok(count) => self.registration.sent(count),
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Ended::Failed(Reason::Network(fault(&e, NetworkFault::NoEpmd)))),
            }
        }
        Ok(())
    }

    fn read(&mut self) -> core::result::Result<Option<u32>, Ended> {
        let mut creation = None;
        // ends: six bytes are the answer, and any further one is an error
        loop {
            let mut bytes = [0; 16];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(Ended::Closed),
                Ok(count) => {
                    let said = self.registration.handle_bytes(bytes.get(..count).unwrap_or_default());
                    match said.map_err(|fault| Ended::Failed(Reason::Misbehaved(fault)))? {
                        Some(RegistrationAnswer::Registered { creation: new }) => creation = Some(new),
                        Some(RegistrationAnswer::Refused) => return Err(Ended::Refused),
                        None => {}
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(creation),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Ended::Failed(Reason::Network(fault(&e, NetworkFault::NoEpmd)))),
            }
        }
    }
}

#[cfg(test)]
mod tests;
