//! A question to a node: connect, ask, wait, and say what went wrong.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use beamless::{
    Config, Driver, EpmdSettings, Error, Event, Full, Limits, Mailbox, NetworkFault, Node, NodeStorage, Outbox, Reason, Received,
    Request, Term, epmd_names,
};

use super::printing::Printing;
use crate::cli::command_line::options;
use crate::cli::command_line::spec::Found;
use crate::cli::cookie::{self, Cookie};
use crate::cli::host::{self, Name, Target};
use crate::cli::outcome::Failure;
use crate::cli::tls::{self, Tls, Wanted};

/// The largest message, either way, with its addresses.
const BYTES: usize = 8 << 20;
/// A static of zeros costs nothing until it is used.
static STORAGE: Mutex<Storage> = Mutex::new(Storage::sized());

type Storage = NodeStorage<1, 1, BYTES, 8, 8>;

/// The settings for asking a node.
pub(super) struct Asking {
    pub(super) name: Option<Name>,
    cookie_file: Option<PathBuf>,
    tls_dir: Option<PathBuf>,
    pub(super) timeout: Duration,
}

impl Asking {
    pub(super) fn read(found: &mut Found) -> Result<Self, String> {
        Ok(Self {
            name: options::name(found)?,
            cookie_file: found.path("cookie-file"),
            tls_dir: found.path("tls-dir"),
            timeout: options::timeout(found)?,
        })
    }

    /// Returns true if the name was given, and is not for the node that is asked to give.
    fn is_named(&self) -> bool {
        self.name.as_ref().is_some_and(|name| !name.is_dynamic())
    }

    /// Returns a node as it was given, behind the options that it takes to reach it again.
    fn before(&self, given: &str) -> String {
        let name = self.name.as_ref().map_or(String::new(), |name| format!("{name} "));
        let cookie = self.cookie_file.as_ref().filter(|file| cookie::is_kept(file));
        let cookie = cookie.map_or(String::new(), |file| format!("--cookie-file {} ", file.display()));
        let tls = self.tls_dir.as_ref().map_or(String::new(), |folder| format!("--tls-dir {} ", folder.display()));
        name + &cookie + &tls + given
    }
}

/// Takes the memory for one question.
pub(super) fn storage() -> MutexGuard<'static, Storage> {
    STORAGE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What it takes to connect to nodes, whichever they are.
pub(super) struct Means {
    cookie: Cookie,
    tls: Option<(Wanted, Tls)>,
    epmd: EpmdSettings,
}

impl Means {
    pub(super) fn find(options: &Asking) -> Result<Self, Failure> {
        let cookie = cookie::find(options.cookie_file.as_deref()).map_err(Failure::usage)?;
        let tls = tls::wanted(options.tls_dir.as_deref(), None)?;
        let tls = tls.map(|wanted| wanted.read().map(|shown| (wanted, shown))).transpose().map_err(Failure::usage)?;
        let epmd = EpmdSettings::from_env().map_err(Failure::usage)?;
        Ok(Self { cookie, tls, epmd })
    }

    /// Returns the settings of the node that asks, which has this name. `peer` is the node that is asked, or one of them.
    pub(super) fn config(&self, own: &str, options: &Asking, peer: &str) -> Result<Config, Failure> {
        if options.is_named() && is_running(own, &self.epmd, options.timeout) {
            return Err(Failure::usage(format!(
                "{own} is running, and {peer} would take this for it: give a name that no node has"
            )));
        }
        log::debug!("{own} asks {peer}, with the cookie from {}", self.cookie.path.display());
        let config = match &options.name {
            Some(name) => name.config(own, &self.cookie.value),
            None => Config::hidden(own, &self.cookie.value),
        };
        config.map_err(|e| Failure::usage(format!("{own}: {e}")))
    }

    /// Makes a driver for a node that nobody has to find: it connects out. It has a thread that looks up hosts, this one too: a name server may be
    /// slower than --timeout allows.
    pub(super) fn driver(&self, node: &mut Node<'_>) -> Result<Driver, Failure> {
        let mut driver = Driver::outgoing(&self.epmd, node)?;
        if let Some((_, shown)) = &self.tls {
            tls::set(&mut driver, shown);
        }
        Ok(driver)
    }

    /// Returns what to look at where nobody answers who could say what is wrong.
    pub(super) fn no_answer(&self) -> String {
        // a node without TLS waits for seven seconds, and says nothing
        let tls = if self.tls.is_some() { "is it started with `-proto_dist inet_tls`, " } else { "" };
        format!("{tls}is its host up, and no firewall between?")
    }

    /// Returns why there is no connection to a node, where exactly, and what to do about it. `port` is its own, if that was given.
    pub(super) fn why(&self, reason: Reason, peer: &str, port: Option<u16>) -> String {
        let (host, epmd) = (host::part(peer), self.epmd.port);
        match (reason, port) {
            (_, Some(port)) if port == epmd => {
                format!(
                    "{reason}; port {port} is that of epmd: leave it out, or give the node's own, which `beamless names {host}` tells"
                )
            }
            (Reason::Network(NetworkFault::NoEpmd), _) => format!(
                "no epmd answers on {host}, port {epmd}: is a node running there, and the port open? \
                 ERL_EPMD_PORT names another, and NODE:PORT goes around epmd"
            ),
            (Reason::Network(NetworkFault::NotEpmd), _) => format!(
                "something answers on {host}, port {epmd}, and not as epmd does: has another program the port? \
                 ERL_EPMD_PORT names another, and NODE:PORT goes around epmd"
            ),
            (Reason::Network(NetworkFault::NoSuchName), _) => {
                format!("epmd on {host}, port {epmd}, knows no node of that name; `beamless names {host}` lists those it knows")
            }
            (Reason::Network(NetworkFault::Refused), Some(port)) => {
                format!("port {port} of {host} refused the connection; is the node still running, and no firewall between?")
            }
            (Reason::CookieRefused | Reason::InvalidChallengeReply | Reason::InvalidChallengeAck, _) => {
                let doubt = self.cookie.doubt().map_or(String::new(), |doubt| format!("; {doubt}"));
                format!("{reason}; --cookie-file FILE names the file with its cookie{doubt}")
            }
            (Reason::Network(NetworkFault::Reset) | Reason::ClosedByPeer | Reason::Timeout | Reason::Misbehaved(_), _) => {
                let tls = if self.tls.is_some() { "with TLS" } else { "without TLS" };
                let other = if self.tls.is_some() { "" } else { "; with TLS, it takes --tls-dir DIR" };
                format!("{reason}; is it an Erlang node that listens there, {tls}? its log may say more{other}")
            }
            _ => format!("{reason}{}{}", next_step(reason), tls::hint(reason, self.tls.as_ref().map(|(wanted, _)| wanted))),
        }
    }
}

/// Returns true if a node of this name is registered with this host's EPMD. The node that is asked would take the tool for that node,
/// started anew, and end its connection.
fn is_running(own: &str, epmd: &EpmdSettings, timeout: Duration) -> bool {
    let alive = own.split('@').next().unwrap_or(own);
    // without an EPMD there is none
    let names = epmd_names("127.0.0.1", epmd.port, timeout.min(Duration::from_secs(1))).unwrap_or_default();
    names.iter().any(|(name, _)| name == alive)
}

/// What is sent to the node of this name.
type Put<'f> = &'f mut dyn FnMut(&mut Outbox<'_>, &str) -> Result<(), Error>;
/// A question: asks the node of this name, with so much time.
pub(super) type Ask<'f> = &'f mut dyn FnMut(&mut Outbox<'_>, &str, Option<Duration>) -> Result<Request, Error>;
/// The use of an answer: what there is to print of it.
pub(super) type Then<'f> = &'f mut dyn FnMut(Result<Term<'_>, beamless::Failure<'_>>) -> Result<String, Failure>;

/// A node that asks another one. Dropping it ends the connection: whatever was sent is answered by then, so nothing is lost.
pub(super) struct Tool<'s> {
    node: Node<'s>,
    driver: Driver,
    mailbox: Mailbox,
    /// The node that is asked.
    pub(super) peer: String,
    /// The words for another command to the same node: options, and the node as it was given.
    given: String,
    means: Means,
    pub(super) timeout: Duration,
    /// The port of the node, if it was given.
    port: Option<u16>,
    /// The reason for which there will be no answer.
    lost: Option<String>,
    /// Its name was given, and may be given to another tool at the same time.
    is_named: bool,
    /// The monitored process is not there.
    pub(super) is_missing: bool,
    /// The node is connected, and did not answer in time.
    is_silent: bool,
    /// What called functions print, if it is to appear here.
    printing: Option<Printing>,
}

impl<'s> Tool<'s> {
    /// Begins to connect to the node that `given` means.
    pub(super) fn open(given: &str, options: &Asking, storage: &'s mut Storage) -> Result<Self, Failure> {
        let (Target { node: peer, port }, own) =
            host::pair(given, options.name.as_ref(), options.timeout).map_err(Failure::usage)?;
        let means = Means::find(options)?;
        let config = means.config(&own, options, &peer)?;
        let is_named = options.is_named();
        let mut node = Node::new(config, storage);
        node.connect(&peer).map_err(|e| Failure::usage(format!("{given}: {e}{}", host::option_for(&e))))?;
        let mailbox = node.register("")?;
        let mut driver = means.driver(&mut node)?;
        if let Some(port) = port {
            driver.set_port(&peer, port)?;
        }
        let given = options.before(given);
        Ok(Self {
            node,
            driver,
            mailbox,
            peer,
            given,
            means,
            timeout: options.timeout,
            port,
            lost: None,
            is_named,
            is_missing: false,
            is_silent: false,
            printing: None,
        })
    }

    /// Waits until the node that is asked has given this one its name, if it is to: without one nothing can be sent.
    fn wait_for_name(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        while self.node.name().is_none() {
            let left = self.timeout.checked_sub(begun.elapsed()).ok_or_else(|| self.timed_out())?;
            self.driver.poll(&mut self.node, Some(left))?;
            self.read_events();
            if let Some(why) = self.lost.take() {
                return Err(Failure::refused(why));
            }
        }
        Ok(())
    }

    /// Asks a question, and gives the answer to `then`, which says what there is to print. It fails if the node cannot be reached, or gives
    /// no answer in time.
    pub(super) fn ask(&mut self, ask: Ask<'_>, then: Then<'_>) -> Result<String, Failure> {
        self.wait_for_name()?;
        let (mut request, timeout) = (None, self.timeout);
        self.put(&mut |out, peer| {
            request = Some(ask(out, peer, Some(timeout))?);
            Ok(())
        })?;
        loop {
            // what an event may tell better
            let mut failed = None;
            let mut answer = None;
            while let Some((message, mut out)) = self.node.recv(self.mailbox) {
                let received = message.received();
                if let Some(printing) = &mut self.printing {
                    printing.take(received);
                    printing.go_on(&mut out, &self.peer, self.timeout);
                }
                match received {
                    Received::Answer { request: answered, result } if Some(answered) == request => match result {
                        Err(beamless::Failure::NodeDown) => {
                            failed = Some(format!("nodedown: no connection to {}: try `{}`", self.peer, self.again("ping")));
                        }
                        Err(beamless::Failure::Ended(reason) | beamless::Failure::Refused(reason))
                            if reason.is_atom("too_large") =>
                        {
                            failed = Some(format!("the answer of {} is too large: ask for less at once", self.peer));
                        }
                        Err(beamless::Failure::Timeout) => {
                            self.is_silent = self.node.peers().next().is_some();
                            return Err(self.timed_out());
                        }
                        Err(beamless::Failure::Ended(reason) | beamless::Failure::Refused(reason))
                            if reason.is_atom("too_deep") =>
                        {
                            let levels = Limits::MAX_DEPTH;
                            failed = Some(format!("{}: nested deeper than {levels} levels, which are the most", self.peer));
                        }
                        result => {
                            answer = Some(then(result));
                            break;
                        }
                    },
                    Received::Down { reason, .. } => self.is_missing |= reason.is_atom("noproc"),
                    _ => {}
                }
            }
            if let Some(answer) = answer {
                self.print_rest()?;
                return answer;
            }
            self.read_events();
            if let Some(why) = self.lost.take().or(failed) {
                return Err(Failure::refused(why));
            }
            if let Some(printing) = &mut self.printing {
                printing.go_on(&mut self.node.outbox(self.mailbox)?, &self.peer, self.timeout);
            }
            self.driver.poll(&mut self.node, None)?;
        }
    }

    /// Prints what was to be printed before the answer came, for which the node may have to be asked. What is asked for from now on is not.
    fn print_rest(&mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        let Some(printing) = &mut self.printing else { return Ok(()) };
        loop {
            printing.go_on(&mut self.node.outbox(self.mailbox)?, &self.peer, self.timeout);
            let is_connected = self.node.peers().next().is_some();
            let left = self.timeout.checked_sub(begun.elapsed());
            let Some(left) = left.filter(|_| is_connected && !printing.is_done()) else { return Ok(()) };
            self.driver.poll(&mut self.node, Some(left))?;
            while let Some((message, _)) = self.node.recv(self.mailbox) {
                let received = message.received();
                if matches!(received, Received::Answer { .. }) {
                    printing.take(received);
                }
            }
        }
    }

    /// Has something sent to the node, as soon as there is room for it: what was sent before has still to leave.
    fn put(&mut self, put: Put<'_>) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            match put(&mut self.node.outbox(self.mailbox)?, &self.peer) {
                Err(Error::Full(Full::Transmit { .. })) => {}
                done => return done.map_err(too_large),
            }
            let Some(left) = self.timeout.checked_sub(begun.elapsed()) else {
                self.is_silent = self.node.peers().any(|peer| peer.traffic.pending > 0);
                return Err(self.timed_out());
            };
            self.driver.poll(&mut self.node, Some(left))?;
            self.read_events();
            if let Some(why) = self.lost.take() {
                return Err(Failure::refused(why));
            }
        }
    }

    /// Has what called functions print appear on standard error from now on.
    pub(super) fn print(&mut self) {
        self.printing = Some(Printing::default());
    }

    /// Returns true if what called functions print appears here.
    pub(super) fn prints(&self) -> bool {
        self.printing.is_some()
    }

    /// Returns the beginning of a command of this name for the same node.
    pub(super) fn again(&self, command: &str) -> String {
        format!("beamless {command} {}", self.given)
    }

    /// Returns this node's name, once there is one.
    pub(super) fn named(&mut self) -> Result<String, Failure> {
        self.wait_for_name()?;
        Ok(self.name())
    }

    fn name(&self) -> String {
        self.node.name().map(|name| name.as_str().to_owned()).unwrap_or_default()
    }

    /// Sends to a registered process, and watches whether there is one: [`Tool::is_missing`] says so once the node has answered something.
    pub(super) fn send(&mut self, to: &str, term: Term<'_>) -> Result<(), Failure> {
        self.wait_for_name()?;
        self.put(&mut |out, peer| out.monitor((to, peer)).map(drop))?;
        self.put(&mut |out, peer| out.send((to, peer), |t| t.term(term)))
    }

    /// Asks what `net_adm:ping` asks. Its answer says that the node has read whatever was sent to it before.
    pub(super) fn ping(&mut self) -> Result<(), Failure> {
        let peer = self.peer.clone();
        self.ask_kernel(&mut |result| match result {
            Ok(answer) if answer.is_atom("yes") => Ok(String::new()),
            _ => {
                let why = format!("{peer} is connected, but its net_kernel did not say yes: look into that node's log");
                Err(Failure::refused(why))
            }
        })
    }

    /// Asks whether the node has read what was sent to it. That it has no `net_kernel`, which nodes that are no Erlang may lack, is an answer
    /// too. `false`: it does not say, in this time. It fails if not all of that has left.
    pub(super) fn has_read(&mut self) -> Result<bool, Failure> {
        match self.ask_kernel(&mut |_| Ok(String::new())) {
            Err(_) if self.is_silent => match self.node.peers().next().map_or(0, |peer| peer.traffic.pending) {
                0 => Ok(false),
                bytes => Err(Failure::refused(format!(
                    "timeout: {bytes} bytes were not sent to {} within {} s; --timeout SECONDS waits longer",
                    self.peer,
                    self.timeout.as_secs_f64()
                ))),
            },
            asked => asked.map(|()| true),
        }
    }

    fn ask_kernel(&mut self, then: Then<'_>) -> Result<(), Failure> {
        let own = self.named()?;
        self.ask(
            &mut |out, peer, timeout| {
                out.call(("net_kernel", peer), timeout, |t| {
                    t.tuple(2)?;
                    t.atom("is_auth")?;
                    t.atom(&own)
                })
            },
            then,
        )?;
        Ok(())
    }

    fn read_events(&mut self) {
        while let Some(event) = self.node.poll_event() {
            log::debug!("{event}");
            let why = match event {
                Event::ConnectFailed { node, reason } => {
                    format!("cannot connect to {node}: {}", self.means.why(reason, &self.peer, self.port))
                }
                Event::NodeDown { node, reason: Reason::ClosedByPeer } if self.is_named => format!(
                    "nodedown: {node} closed the connection before it answered: another node called {0} connected to it and took the \
                     place of this one, or {node} stopped; give each tool another name, and `beamless ping {node}` tells the latter",
                    self.name()
                ),
                Event::NodeDown { node, reason } => {
                    let ping = self.again("ping");
                    format!("nodedown: {node} went away before it answered ({reason}); `{ping}` tells when it is back")
                }
                Event::TooLarge { node, size, .. } => {
                    format!("the answer of {node} takes {size} bytes, and {BYTES} are the most: ask for less at once")
                }
                _ => continue,
            };
            self.lost = Some(why);
        }
    }

    fn timed_out(&self) -> Failure {
        let seconds = self.timeout.as_secs_f64();
        let longer = "--timeout SECONDS waits longer";
        Failure::refused(if self.node.peers().next().is_some() {
            format!("timeout: no answer from {} within {seconds} s; {longer}", self.peer)
        } else {
            let hint = self.means.no_answer();
            format!("timeout: no connection to {} within {seconds} s; {hint} {longer}", self.peer)
        })
    }
}

/// Makes a failure of an error: a term that does not fit is the user's to make smaller.
fn too_large(e: Error) -> Failure {
    match e {
        Error::Full(Full::Message { needed, limit }) => {
            Failure::usage(format!("the message takes {needed} bytes, and {limit} are the most: send it in parts"))
        }
        Error::Misuse(e) => Failure::usage(e),
        e => e.into(),
    }
}

/// Returns what to do about it, where the reason's own words do not say.
fn next_step(reason: Reason) -> &'static str {
    match reason {
        Reason::Network(NetworkFault::Refused) => "; is the node still running, and no firewall between?",
        Reason::Network(NetworkFault::Unreachable | NetworkFault::TimedOut | NetworkFault::Other(_)) => {
            "; is the host up, and the network between?"
        }
        Reason::NotAllowed => "; or give this one a name that is allowed, with --name or --sname",
        _ => "",
    }
}
