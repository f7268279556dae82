//! `beamless run`: a node until it is told to stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use beamless::{
    Config, Driver, DriverOptions, Epmd, EpmdSettings, Error, Event, Full, Mailbox, Message, Misuse, Node, NodeStorage, Outbox,
    Reason, Term, TermWriter, listen_addresses,
};
use mio::{Interest, Token};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;

use super::cookie::{self, Cookie};
use super::systemd::{self, Supervisor};
use super::{Run, USAGE, host, start_log};

/// The agent's memory: for connected nodes, mailboxes, and bytes of the largest message. A static of zeros costs nothing until it
/// is used.
static STORAGE: Mutex<NodeStorage<16, 4, 16_384, 1024>> = Mutex::new(NodeStorage::sized());

const SIGNALS: Token = Token(0);
/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(2);
/// The first wait before a node is tried again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Runs the agent.
pub(super) fn run(options: &Run) -> ExitCode {
    start_log(options.verbose);
    match prepare(options).and_then(|(config, network, cookie)| serve(options, config, network, &cookie)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => {
            log::error!("{why}");
            ExitCode::from(USAGE)
        }
        Err(Failure::Running(e)) => {
            log::error!("{e}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    /// Whoever started it must change something.
    Usage(String),
    /// It ran, and cannot go on.
    Running(Error),
}

impl From<Error> for Failure {
    fn from(e: Error) -> Self {
        Self::Running(e)
    }
}

fn usage(e: impl ToString) -> Failure {
    Failure::Usage(e.to_string())
}

/// How the driver is made.
struct Network {
    driver: DriverOptions,
    /// What systemd bound for EPMD.
    epmd: Vec<TcpListener>,
}

fn prepare(options: &Run) -> Result<(Config<'static>, Network, Cookie), Failure> {
    // first, while there are no threads and no sockets of our own
    let epmd = systemd::epmd_listeners().map_err(Failure::Usage)?;
    if !epmd.is_empty() && matches!(options.epmd, Epmd::External | Epmd::None) {
        return Err(usage("a socket was handed over to serve EPMD on: leave --epmd out, or the socket unit"));
    }
    let name = host::whole_name(&options.name).map_err(Failure::Usage)?;
    let cookie = cookie::find(options.cookie_file.as_deref()).map_err(Failure::Usage)?;
    let make = if options.visible { Config::visible } else { Config::hidden };
    let config = make(&name, &cookie.value).map_err(|e| usage(format!("{name}: {e}")))?;
    let listen = options.listen.as_deref().map_or(Ok(Vec::new()), listen_on)?;
    let epmd_settings = EpmdSettings::from_env().map_err(usage)?;
    let driver = DriverOptions { listen, epmd: options.epmd, epmd_settings };
    Ok((config, Network { driver, epmd }, cookie))
}

/// `ADDR`, `ADDR:PORT`, `[V6]:PORT`; an address may be a host name.
fn listen_on(text: &str) -> Result<Vec<SocketAddr>, Failure> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().map_err(|_| usage(format!("--listen {text}: {port} is no port, which is a number up to 65535")))?)
        }
        _ => (text, 0),
    };
    listen_addresses(host.trim_matches(['[', ']']), port).map_err(|e| usage(format!("--listen {text}: {e}")))
}

fn serve(options: &Run, config: Config<'static>, network: Network, cookie: &Cookie) -> Result<(), Failure> {
    let mut storage = STORAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut node = Node::new(config, &mut storage);
    let echo = node.register("echo")?;
    // before anything is listened on: a name that cannot be connected to is the user's to change
    let mut peers = Vec::new();
    for name in &options.connect {
        let name = with_host(name, &node);
        let mut peer = Wanted::new(name);
        match node.connect(&peer.name) {
            Ok(()) => {}
            // more than can be tried at once
            Err(Error::Full(_)) => peer.later(),
            Err(Error::Misuse(Misuse::OwnNode)) => {
                return Err(usage(format!("--connect {}: that is this node, and a node does not connect to itself", peer.name)));
            }
            Err(e) => return Err(usage(format!("--connect {}: {e}", peer.name))),
        }
        peers.push(peer);
    }
    let epmd = network.driver.epmd;
    let supervisor = Supervisor::from_env();
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|e| signal_failure("handling signals", e))?;
    if supervisor.listens() {
        // elsewhere it means that the terminal is gone, and ends the agent
        signals.add_signal(SIGHUP).map_err(|e| signal_failure("handling signals", e))?;
    }
    let mut driver = Driver::with_epmd_on(network.epmd, network.driver, &mut node)?;
    driver.registry().register(&mut signals, SIGNALS, Interest::READABLE).map_err(|e| signal_failure("handling signals", e))?;
    let mut agent =
        Agent { echo, peers, cookie, announced: false, minor: Minor::default(), supervisor, trouble: None, stale: true };
    if cookie.made {
        log::info!("made a cookie file, {}: copy it to the other machines of the cluster", cookie.path.display());
    }
    if epmd == Epmd::None {
        agent.announce(&node, &driver, "no epmd");
    }
    loop {
        agent.tell(&node);
        driver.poll(&mut node, agent.next_wake())?;
        agent.echo(&mut node);
        while let Some(event) = node.poll_event() {
            if matches!(&event, Event::MailboxEnded { mailbox, .. } if *mailbox == agent.echo) {
                // as a supervisor would
                agent.echo = node.register("echo")?;
            }
            agent.handle(event, &node, &driver);
        }
        agent.retry(&mut node);
        let signalled = std::iter::from_fn(|| driver.poll_ready()).any(|ready| ready.token == SIGNALS);
        if signalled && let Some(signal) = agent.stop_signal(signals.pending()) {
            log::info!("stopping on {}", if signal == SIGINT { "SIGINT" } else { "SIGTERM" });
            agent.supervisor.stopping();
            driver.close(&mut node, CLOSING)?;
            while let Some(event) = node.poll_event() {
                agent.handle(event, &node, &driver);
            }
            log::info!("stopped");
            return Ok(());
        }
    }
}

fn signal_failure(doing: &str, source: io::Error) -> Error {
    Error::Io(beamless::IoError { doing: doing.into(), source })
}

/// A node without a host is on this one.
fn with_host(name: &str, node: &Node<'_>) -> String {
    match node.name() {
        Some(own) if !name.contains('@') => format!("{name}@{}", own.host()),
        _ => name.to_owned(),
    }
}

/// A node to be connected to for as long as the agent runs.
struct Wanted {
    name: String,
    /// When to try again; nothing while it is up or being tried.
    at: Option<Instant>,
    wait: Duration,
    /// What was last said of it, so that each change is said once.
    said: Option<Reason>,
}

impl Wanted {
    fn new(name: String) -> Self {
        Self { name, at: None, wait: RETRY.0, said: None }
    }

    /// Plans the next try.
    fn later(&mut self) {
        self.at = Instant::now().checked_add(self.wait);
        self.wait = self.wait.saturating_mul(2).min(RETRY.1);
    }
}

struct Agent<'a> {
    echo: Mailbox,
    peers: Vec<Wanted>,
    cookie: &'a Cookie,
    /// The lines for whoever started it were logged.
    announced: bool,
    minor: Minor,
    supervisor: Supervisor,
    /// What keeps others from finding this node.
    trouble: Option<String>,
    /// Something happened that the supervisor may not know.
    stale: bool,
}

impl Agent<'_> {
    /// Answers what is in the mailbox `echo`.
    fn echo(&self, node: &mut Node<'_>) {
        while let Some((message, mut out)) = node.recv(self.echo) {
            match answer(&message, &mut out) {
                Ok(()) => {}
                // the peer has to take what waits for it first; the message stays
                Err(Error::Full(Full::Transmit { .. })) => return message.put_back(),
                Err(e) => log::warn!("echo: no answer: {e}"),
            }
        }
    }

    fn handle(&mut self, event: Event, node: &Node<'_>, driver: &Driver) {
        match &event {
            Event::Registered { .. } => self.trouble = None,
            Event::NotRegistered(_) | Event::EpmdLost | Event::NameTaken => self.trouble = Some(event.to_string()),
            _ => {}
        }
        self.stale |= !matches!(event, Event::Dropped { .. } | Event::TooLarge { .. });
        match &event {
            Event::Registered { embedded, port } if !self.announced => {
                let kind = if *embedded { "embedded" } else { "external" };
                return self.announce(node, driver, &format!("epmd {kind} on port {port}"));
            }
            Event::NodeUp { node, .. } => {
                if let Some(peer) = self.wanted(node.as_str()) {
                    *peer = Wanted::new(core::mem::take(&mut peer.name));
                }
            }
            // one of them may have gone down meanwhile; asking for one that is up does nothing
            Event::Missed(_) => self.peers.iter_mut().filter(|peer| peer.at.is_none()).for_each(Wanted::later),
            Event::NodeDown { node, .. } => {
                if let Some(peer) = self.wanted(node.as_str()) {
                    peer.later();
                }
            }
            Event::ConnectFailed { node, reason } => {
                if let Some(peer) = self.wanted(node.as_str()) {
                    peer.later();
                    if peer.said.replace(*reason) == Some(*reason) {
                        return;
                    }
                }
            }
            _ => {}
        }
        match &event {
            Event::Dropped { .. } | Event::TooLarge { .. } => self.minor.log(&event),
            Event::NodeUp { .. } | Event::NodeDown { .. } | Event::Registered { .. } => log::info!("{event}"),
            _ => log::warn!("{event}"),
        }
    }

    fn wanted(&mut self, name: &str) -> Option<&mut Wanted> {
        self.peers.iter_mut().find(|peer| peer.name == name)
    }

    /// How long the poll may wait: for the next try, and for the supervisor.
    fn next_wake(&self) -> Option<Duration> {
        let next = self.peers.iter().filter_map(|peer| peer.at).chain(self.supervisor.next_beat()).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn retry(&mut self, node: &mut Node<'_>) {
        for peer in self.peers.iter_mut().filter(|peer| peer.at.is_some_and(|at| at <= Instant::now())) {
            match node.connect(&peer.name) {
                Ok(()) => peer.at = None,
                // no room for another handshake now
                Err(_) => peer.later(),
            }
        }
    }

    /// Tells the supervisor that the loop turns, and what is new.
    fn tell(&mut self, node: &Node<'_>) {
        self.supervisor.beat();
        if self.supervisor.listens() && core::mem::take(&mut self.stale) {
            self.supervisor.status(systemd::status(node, self.announced, self.trouble.as_deref()));
        }
    }

    /// The first of these signals that ends the agent.
    fn stop_signal(&self, signals: impl Iterator<Item = i32>) -> Option<i32> {
        let (reload, stop): (Vec<_>, Vec<_>) = signals.partition(|signal| *signal == SIGHUP);
        if !reload.is_empty() {
            log::info!("SIGHUP: nothing to reload, all settings are arguments and the cookie: restart to change them");
            if self.announced {
                // whoever asked for it may wait
                self.supervisor.ready();
            }
        }
        stop.first().copied()
    }

    /// Says who the node is, and how to try it.
    fn announce(&mut self, node: &Node<'_>, driver: &Driver, epmd: &str) {
        self.announced = true;
        self.supervisor.ready();
        let (Some(name), Some(address)) = (node.name(), driver.local_addr()) else { return };
        log::info!("up as {name} on {address}, {epmd}, cookie from {}", self.cookie.path.display());
        log::info!("net_adm:ping('{name}').");
        log::info!("{{echo,'{name}'}} ! {{self(), hello}}, timer:sleep(100), flush().");
    }
}

/// News of single messages, of which a peer can make any number: one line a second, and how many there were besides.
#[derive(Default)]
struct Minor {
    last: Option<Instant>,
    held_back: u32,
}

impl Minor {
    fn log(&mut self, event: &Event) {
        if self.last.is_some_and(|last| last.elapsed() < Duration::from_secs(1)) {
            self.held_back = self.held_back.saturating_add(1);
            return;
        }
        self.last = Some(Instant::now());
        match core::mem::take(&mut self.held_back) {
            0 => log::warn!("{event}"),
            more => log::warn!("{event} (and {more} more like it were not logged)"),
        }
    }
}

/// `{Pid, Term}` gets `{echo, Term}`, a call gets what it asked with.
fn answer(message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
    if let Some(call) = message.as_call() {
        return match out.reply(&call, |t| t.term(call.request)) {
            // what came in just fits cannot go out again with the tag of the answer in front
            Err(Error::Full(Full::Message { limit, .. })) => out.reply(&call, |t| too_large(t, limit)),
            result => result,
        };
    }
    if let Some([pid, term]) = message.term().tuple()
        && let Some(pid) = pid.as_pid()
    {
        return out.send(pid, |t| echoed(t, term));
    }
    log::debug!("echo: neither a call nor {{Pid, Term}}");
    Ok(())
}

fn too_large(t: &mut TermWriter<'_, '_>, limit: usize) -> Result<(), Misuse> {
    t.tuple(2)?;
    t.atom("error")?;
    t.tuple(2)?;
    t.atom("too_large")?;
    t.int(i64::try_from(limit).unwrap_or(i64::MAX))
}

fn echoed(t: &mut TermWriter<'_, '_>, term: Term<'_>) -> Result<(), Misuse> {
    t.tuple(2)?;
    t.atom("echo")?;
    t.term(term)
}
