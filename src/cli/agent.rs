//! `beamless run`: a node until it is told to stop.

use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use beamless::{
    Config, Driver, DriverOptions, Epmd, Error, Event, Full, Mailbox, Message, Misuse, Node, NodeStorage, Outbox, Reason,
    Received, Term, TermWriter,
};
use mio::Token;

use super::Failure;
use super::args::Run;
use super::cookie::Cookie;
use super::functions::{self, Known};
use super::local::{self, Came, Ending};
use super::systemd::{self, Supervisor};

/// The agent's memory: for connected nodes, mailboxes, and bytes of the largest message. A static of zeros costs nothing until it
/// is used.
static STORAGE: Mutex<NodeStorage<16, 4, 16_384, 1024>> = Mutex::new(NodeStorage::sized());

const SIGNALS: Token = Token(0);
/// How long closing may take.
const CLOSING: Duration = Duration::from_secs(2);
/// The first wait before a node is tried again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Runs the agent.
pub(super) fn run(options: &Run) -> Result<(), Failure> {
    // first, while there are no threads and no sockets of our own
    let epmd = systemd::epmd_listeners().map_err(Failure::usage)?;
    if !epmd.is_empty() && matches!(options.local.epmd, Epmd::External | Epmd::None) {
        return Err(Failure::usage("a socket was handed over to serve EPMD on: leave --epmd out, or the socket unit"));
    }
    let (config, driver, cookie) = local::prepare(&options.local)?;
    serve(options, config, Network { driver, epmd }, &cookie)
}

/// How the driver is made.
struct Network {
    driver: DriverOptions,
    /// What systemd bound for EPMD.
    epmd: Vec<TcpListener>,
}

fn serve(options: &Run, config: Config<'static>, network: Network, cookie: &Cookie) -> Result<(), Failure> {
    let mut storage = STORAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut node = Node::new(config, &mut storage);
    let echo = node.register("echo")?;
    node.serve(echo, &functions::NAMES)?;
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
                return Err(Failure::usage(format!(
                    "--connect {}: that is this node, and a node does not connect to itself",
                    peer.name
                )));
            }
            Err(e) => return Err(Failure::usage(format!("--connect {}: {e}", peer.name))),
        }
        peers.push(peer);
    }
    let epmd = network.driver.epmd;
    let supervisor = Supervisor::from_env();
    let mut ending = if supervisor.listens() { Ending::or_reload()? } else { Ending::new()? };
    let mut driver = Driver::with_epmd_on(network.epmd, network.driver, &mut node)?;
    ending.watch(driver.registry(), SIGNALS)?;
    let mut agent = Agent {
        echo,
        known: Known::of(&node),
        peers,
        cookie,
        announced: false,
        minor: Minor::default(),
        supervisor,
        trouble: None,
        stale: true,
    };
    if epmd == Epmd::None {
        agent.announce(&node, &driver, "no epmd");
    }
    loop {
        agent.tell(&node);
        driver.poll(&mut node, agent.next_wake())?;
        while let Some(event) = node.poll_event() {
            if matches!(&event, Event::MailboxEnded { mailbox, .. } if *mailbox == agent.echo) {
                // as a supervisor would
                agent.echo = node.register("echo")?;
                node.serve(agent.echo, &functions::NAMES)?;
            }
            agent.handle(event, &node, &driver);
        }
        agent.echo(&mut node);
        agent.minor.tell();
        agent.retry(&mut node);
        let signalled = std::iter::from_fn(|| driver.poll_ready()).any(|ready| ready.token == SIGNALS);
        let came = if signalled { ending.came() } else { Came::default() };
        if came.reload {
            agent.reload();
        }
        if came.end {
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
    known: Known,
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
    /// Answers what is in the mailbox `echo`, and the calls of functions that come there.
    fn echo(&self, node: &mut Node<'_>) {
        while let Some((message, mut out)) = node.recv(self.echo) {
            let answered = match message.received() {
                Received::Apply(apply) => self.known.answer(&apply, &mut out),
                _ => answer(&message, &mut out),
            };
            match answered {
                Ok(()) => {}
                // the peer has to take what waits for it first; the message stays
                Err(Error::Full(Full::Transmit { .. })) => return message.put_back(),
                Err(e) => log::warn!("echo: no answer: {e}"),
            }
        }
    }

    fn handle(&mut self, event: Event, node: &Node<'_>, driver: &Driver) {
        self.known.update(&event, node);
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

    /// How long the poll may wait: for the next try, for the supervisor, and for the end of a second with many lines.
    fn next_wake(&self) -> Option<Duration> {
        let tries = self.peers.iter().filter_map(|peer| peer.at);
        let next = tries.chain(self.supervisor.next_beat()).chain(self.minor.end()).min()?;
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

    /// Somebody asks to read the settings again.
    fn reload(&self) {
        log::info!("SIGHUP: nothing to reload, all settings are arguments and the cookie: restart to change them");
        if self.announced {
            // whoever asked for it may wait
            self.supervisor.ready();
        }
    }

    /// Says who the node is, and how to try it.
    fn announce(&mut self, node: &Node<'_>, driver: &Driver, epmd: &str) {
        self.announced = true;
        self.supervisor.ready();
        let (Some(name), Some(address)) = (node.name(), driver.local_addr()) else { return };
        local::announce(node, address, epmd, self.cookie);
        log::info!("net_adm:ping('{name}').");
        log::info!("{{echo,'{name}'}} ! {{self(), hello}}, timer:sleep(100), flush().");
    }
}

/// News of single messages, of which a peer can make any number: some lines a second, and how many there were besides.
#[derive(Default)]
struct Minor {
    /// When the second began that is counted in.
    since: Option<Instant>,
    lines: u32,
}

impl Minor {
    /// Lines in a second.
    const LINES: u32 = 10;

    fn log(&mut self, event: &Event) {
        self.since.get_or_insert_with(Instant::now);
        self.lines = self.lines.saturating_add(1);
        if self.lines <= Self::LINES {
            log::warn!("{event}");
        }
    }

    /// When the second is over.
    fn end(&self) -> Option<Instant> {
        self.since?.checked_add(Duration::from_secs(1))
    }

    /// Says how many lines were held back, once the second is over.
    fn tell(&mut self) {
        if self.end().is_none_or(|end| end > Instant::now()) {
            return;
        }
        let more = self.lines.saturating_sub(Self::LINES);
        if more > 0 {
            log::warn!("{more} more messages were dropped or skipped within a second");
        }
        *self = Self::default();
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
