//! EPMD by itself, for a host where it is to be there before any node is, and after.

use core::time::Duration;
use std::collections::VecDeque;
use std::io;
use std::net::TcpListener;

use mio::{Events, Poll, Registry, Token};

use super::epmd::EpmdSettings;
use super::epmd_service::{EpmdService, Rules};
use super::net::failed;
use super::ready::Ready;
use super::tokens::OWN;
use crate::error::Result;
use crate::proto::epmd_server::Kill;
use crate::time::Instant;

/// Events of the system taken in one turn.
const EVENTS: usize = 64;

/// An EPMD without a node: what Erlang's `epmd` is, for up to 32 names, until the value goes out of scope.
///
/// A node does not need it: [`Epmd::Auto`](crate::Epmd::Auto) serves EPMD in the node's own process. This is for a host where names shall
/// outlive that node.
pub struct EpmdServer {
    poll: Poll,
    events: Events,
    service: EpmdService,
    pending: bool,
    start: std::time::Instant,
    ready: VecDeque<Ready>,
}

impl core::fmt::Debug for EpmdServer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("EpmdServer").finish_non_exhaustive()
    }
}

impl EpmdServer {
    /// Listens where the settings say; port 0 is any free one.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if it cannot; of the kind `AddrInUse` when an EPMD is there already.
    pub fn listen(settings: &EpmdSettings) -> Result<Self> {
        let doing = || format!("serving epmd on port {}", settings.port);
        let EpmdSettings { port, addresses, .. } = settings;
        Self::with(|registry| {
            EpmdService::bind(registry, OWN, *port, addresses, rules(settings)).map_err(|e| failed(&doing(), e))
        })
    }

    /// Serves on sockets that listen already, such as systemd hands over; of the settings, addresses and port are left aside.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if that cannot be, or for more than 16.
    pub fn listen_on(sockets: Vec<TcpListener>, settings: &EpmdSettings) -> Result<Self> {
        let doing = "serving epmd on the sockets handed over";
        Self::with(|registry| EpmdService::adopt(registry, OWN, sockets, rules(settings)).map_err(|e| failed(doing, e)))
    }

    fn with(bind: impl FnOnce(&Registry) -> Result<EpmdService>) -> Result<Self> {
        let poll = Poll::new().map_err(|e| failed("setting up polling", e))?;
        let service = bind(poll.registry())?;
        Ok(Self {
            poll,
            events: Events::with_capacity(EVENTS),
            service,
            pending: false,
            start: std::time::Instant::now(),
            ready: VecDeque::with_capacity(EVENTS),
        })
    }

    /// Returns true if somebody on this host told it to end, as `epmd -kill` does: while no name is registered, or with
    /// [`EpmdSettings::relaxed_command_check`] at any time. Then let it go out of scope.
    pub fn is_killed(&self) -> bool {
        self.service.is_killed()
    }

    /// Returns the port it listens on.
    pub fn port(&self) -> u16 {
        self.service.port()
    }

    /// Returns the registry for sources of the program's own, as [`Driver::registry`](crate::Driver::registry) does.
    pub fn registry(&self) -> &Registry {
        self.poll.registry()
    }

    /// Returns the next of the program's own sources that became ready, as [`Driver::poll_ready`](crate::Driver::poll_ready) does.
    pub fn poll_ready(&mut self) -> Option<Ready> {
        self.ready.pop_front()
    }

    /// Answers, and waits until something happened, or for `timeout` at most; `None` is for ever.
    ///
    /// # Errors
    /// [`Error::Io`](crate::Error::Io) if the system cannot poll. Whatever happens to a connection is no error.
    pub fn poll(&mut self, timeout: Option<Duration>) -> Result<()> {
        let now = self.now();
        let due = self.service.poll_timeout().map(|at| at.since(now));
        let wait = if self.pending { Some(Duration::ZERO) } else { [due, timeout].into_iter().flatten().min() };
        match self.poll.poll(&mut self.events, wait) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => return Ok(()),
            result => result.map_err(|e| failed("polling", e))?,
        }
        let now = self.now();
        let registry = self.poll.registry();
        if core::mem::take(&mut self.pending) {
            self.pending = self.service.handle_pending(registry, now);
        }
        for event in &self.events {
            match event.token() {
                Token(OWN..) => self.pending |= self.service.handle(event.token(), registry, now),
                token => Ready::new(token, event).join(&mut self.ready),
            }
        }
        if self.service.poll_timeout().is_some_and(|at| at <= now) {
            self.pending |= self.service.handle_timeout(now);
        }
        Ok(())
    }

    /// Milliseconds since it was made.
    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

fn rules(settings: &EpmdSettings) -> Rules {
    let kill = if settings.relaxed_command_check { Kill::Always } else { Kill::Unused };
    Rules { kill, idle_limit: settings.packet_timeout }
}
