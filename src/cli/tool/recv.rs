//! The command `beamless recv`: prints what is sent to one name, to groups, or to the subscribers of topics.

use std::io;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use beamless::{Driver, Epmd, EpmdSettings, Event, GroupStorage, Mailbox, Monitor, Node, NodeName, NodeStorage, Received};
use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::membership::{self, Membership};
use super::printer::Printer;
use crate::cli::agent::Peers;
use crate::cli::command_line::options::{
    self, DYNAMIC, EPMD, JSON, LISTEN, NAME, OWN_COOKIE_FILE, QUIET, SNAME, TLS_DIR, VISIBLE,
};
use crate::cli::command_line::spec::{Found, Offer, Opt, Positional, Spec};
use crate::cli::events;
use crate::cli::host::{self, Name, Target};
use crate::cli::lines::{self, limited};
use crate::cli::local::{self, Ending, Local};
use crate::cli::outcome::Failure;
use crate::cli::terms::Format;
use crate::cli::terms::json;
use crate::cli::tls;

/// The connected nodes that there is memory for.
const PEERS: usize = 16;
/// The memory for connected nodes, the mailbox, and the bytes of the largest message. A static of zeros costs nothing until it is used.
static STORAGE: Mutex<NodeStorage<PEERS, 1, { 1 << 20 }>> = Mutex::new(NodeStorage::new());
static GROUPS: Mutex<GroupStorage<PEERS, { membership::MOST }, 1>> = Mutex::new(GroupStorage::new());

const SIGNALS: Token = Token(0);
const STDOUT: Token = Token(1);
/// The most lines that wait to be written; what comes after them waits in the mailbox.
const LINES: usize = 16;
/// The most time that closing may take, and writing what is left when it is told to stop.
const CLOSING: Duration = Duration::from_secs(2);

pub(super) const SPEC: Spec = Spec {
    name: "recv",
    help: "Be a node, and print what is sent to one name: flush() for shells",
    about: "Be a node with one mailbox, and print each message on a line as it comes. What is not printed yet waits, and holds up its sender; \
        in a group, and subscribed to topics, the oldest is dropped when there is no more room, which is told.",
    options: &[
        SNAME,
        NAME,
        DYNAMIC,
        OWN_COOKIE_FILE,
        TLS_DIR,
        LISTEN,
        EPMD,
        VISIBLE,
        CONNECT,
        membership::GROUP,
        membership::PUBSUB,
        membership::TOPIC,
        membership::POOL_SIZE,
        Opt { help: "Print JSON", ..JSON },
        COUNT,
        QUIET,
    ],
    positionals: &[Positional {
        name: "NAME",
        help: "The name that messages are sent to; none is needed in a group or for topics",
        optional: true,
        ..Positional::WORD
    }],
    notes: &[
        "Examples: beamless recv --sname inbox news --count 1\n  then, from Erlang: {news,'inbox@HOST'} ! hello.\n  \
            beamless recv --connect hub@nuc3 --pubsub My.PubSub --topic readings\n  beamless recv --connect hub@nuc3 --group pg:temps",
        json::PRINTED,
    ],
    lasts: true,
    run: read,
};

const COUNT: Opt = Opt {
    long: "count",
    value: Some("N"),
    help: "End after so many messages; by default at SIGTERM, SIGINT, or when standard output is closed",
    ..Opt::SWITCH
};

const CONNECT: Opt = Opt {
    long: "connect",
    value: Some("NODE"),
    help: "Connect to this node, and again whenever it is back; repeatable. Without --sname and --name, nobody else connects to this one",
    offer: Offer::Nodes,
    repeats: true,
    ..Opt::SWITCH
};

struct Recv {
    local: Local,
    /// It has no name of its own, and nobody connects to it.
    is_passing: bool,
    hubs: Vec<Target>,
    format: Format,
    count: Option<u64>,
    mailbox: String,
    membership: Membership,
}

fn read(found: &mut Found) -> Result<(), Failure> {
    let given = options::name(found)?;
    let is_passing = given.is_none();
    let (name, hubs) = hubs(given, &found.texts("connect")?)?;
    let local = Local {
        name,
        cookie_file: found.path("cookie-file"),
        tls: tls::wanted(found.path("tls-dir").as_deref(), None)?,
        listen: found.text("listen")?,
        epmd: found.parsed("epmd")?.unwrap_or_default(),
        visible: found.has("visible"),
    };
    if let Some((option, why)) = local.contradiction() {
        return Err(format!("--{option}: {why}").into());
    }
    if hubs.is_empty() && local.is_outgoing() {
        return Err("a node that listens nowhere needs a node to --connect to".to_owned().into());
    }
    if is_passing && (local.listen.is_some() || local.epmd != Epmd::default() || local.visible) {
        let why = "--listen, --epmd and --visible are for a node that others connect to: give it a name, --sname NAME";
        return Err(why.to_owned().into());
    }
    let count = found.positive("count", "a number of messages, from 1 on")?;
    let (format, membership) = (options::format(found), Membership::read(found)?);
    let mailbox = if membership.is_empty() { found.positional("NAME")? } else { found.next_positional()?.unwrap_or_default() };
    run(&Recv { local, is_passing, hubs, format, count, mailbox, membership })
}

/// Returns the node's name, which may be one that is made up, and the nodes to connect to.
fn hubs(given: Option<Name>, connect: &[String]) -> Result<(Name, Vec<Target>), Failure> {
    // as long as the system takes to look names up: it lasts anyway
    let pairs = connect.iter().map(|hub| host::pair(hub, given.as_ref(), Duration::MAX)).collect::<Result<Vec<_>, _>>();
    let pairs = pairs.map_err(Failure::usage)?;
    let own = pairs.first().map(|(_, own)| own.clone());
    let is_long = |own: &String| host::part(own).contains(['.', ':']);
    let made_up = own.map(|own| if is_long(&own) { Name::Long(own) } else { Name::Short(own) });
    let name = given.or(made_up);
    let name =
        name.ok_or_else(|| "the node needs a name, --sname NAME or --name NAME@HOST, or a node to --connect to".to_owned())?;
    Ok((name, pairs.into_iter().map(|(hub, _)| hub).collect()))
}

/// Prints until it is told to stop, by a signal, the count, or the end of standard output.
fn run(options: &Recv) -> Result<(), Failure> {
    let (config, driver, cookie, tls) = local::prepare(&options.local)?;
    let mut storage = STORAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut groups = GROUPS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut node = Node::new(config, &mut storage);
    if !options.membership.is_empty() {
        node.set_groups(&mut groups)?;
    }
    let mailbox = register(&mut node, options)?;
    let home = node.name().map(|name| name.as_str().to_owned()).unwrap_or_default();
    let mut ending = Ending::new()?;
    let (without_epmd, is_outgoing) = (driver.epmd == Epmd::None, driver.outgoing);
    let epmd_settings = driver.epmd_settings.clone();
    let mut driver = Driver::new(if options.is_passing { driver.outgoing() } else { driver }, &mut node)?;
    if let Some(tls) = &tls {
        tls::set(&mut driver, tls);
    }
    ending.watch(driver.registry(), SIGNALS)?;
    // a file cannot be watched, and is never closed by its reader
    let _ = driver.registry().register(&mut SourceFd(&io::stdout().as_raw_fd()), STDOUT, Interest::WRITABLE);
    let printer = Printer::start(driver.waker(), LINES)?;
    let mut announced = false;
    let mut announce = |node: &Node<'_>, driver: &Driver, epmd: &str| {
        if !core::mem::replace(&mut announced, true) {
            local::announce(node, driver.local_addr(), epmd, &cookie, tls.as_ref());
        }
    };
    if without_epmd || is_outgoing {
        announce(&node, &driver, "no epmd");
    } else if options.is_passing {
        log::info!("up as {home}, cookie from {}", cookie.path.display());
    }
    let peers = connect(options, &epmd_settings, &mut node, &mut driver)?;
    let (left, dropped, watched) = (options.count, 0, Vec::new());
    let mut receiver = Receiver { options, node, mailbox, home, printer, peers, left, dropped, watched, registered: false };
    loop {
        driver.poll(&mut receiver.node, sooner(lines::wait(), receiver.peers.next_wake()))?;
        lines::tell();
        receiver.messages();
        while let Some(event) = receiver.node.poll_event() {
            if let Event::Registered { embedded, port } = &event {
                let kind = if *embedded { "embedded" } else { "external" };
                announce(&receiver.node, &driver, &format!("epmd {kind} on port {port}"));
            }
            receiver.handle(&event)?;
        }
        receiver.peers.turn(&mut receiver.node);
        let mut over = receiver.printer.is_closed();
        while let Some(ready) = driver.poll_ready() {
            // it is watched for writing alone: readable means that nobody reads any more
            over |= match ready.token {
                SIGNALS => ending.has_come(),
                _ => ready.readable,
            };
        }
        if over {
            let printed = receiver.printer.finish(CLOSING);
            driver.close(&mut receiver.node, CLOSING)?;
            return printed;
        }
    }
}

/// The node that is there for what is printed.
struct Receiver<'r, 's> {
    options: &'r Recv,
    node: Node<'s>,
    mailbox: Mailbox,
    /// The node's name.
    home: String,
    printer: Printer,
    peers: Peers,
    /// The messages that are still to come, if they are counted.
    left: Option<u64>,
    /// The messages that were lost.
    dropped: u64,
    /// The nodes on which there should be a PubSub.
    watched: Vec<(Monitor, NodeName)>,
    /// EPMD has the node's name.
    registered: bool,
}

impl Receiver<'_, '_> {
    /// Prints what came, as far as there is room for it.
    fn messages(&mut self) {
        while self.left != Some(0) {
            let Some((message, _)) = self.node.recv(self.mailbox) else { break };
            if let Received::Down { monitor, reason } = message.received() {
                let place = self.watched.iter().position(|(watched, _)| *watched == monitor);
                let node = place.map(|place| self.watched.swap_remove(place).1);
                if let Some(node) = node.filter(|_| reason.is_atom("noproc")) {
                    let adapter = self.options.membership.adapter().unwrap_or_default();
                    log::warn!("no such PubSub runs on {node}, or not yet: no process is registered there as {adapter}");
                }
                continue;
            }
            let Some(line) = self.options.membership.line(message.term(), self.options.format, &self.home) else { continue };
            if !self.printer.print(line + "\n") {
                message.put_back();
                break;
            }
            self.left = self.left.map(|left| left.saturating_sub(1));
        }
        if self.left == Some(0) {
            self.printer.no_more();
        }
        let lost = self.node.dropped(self.mailbox);
        if lost > self.dropped {
            limited!(warn, "", "losses", "{} messages were lost: more came than were read", lost.saturating_sub(self.dropped));
            self.dropped = lost;
        }
    }

    fn handle(&mut self, event: &Event) -> Result<(), Failure> {
        let is_told = self.peers.handle(event);
        match event {
            // a script is not to wait for what may never be; later it is another node's trouble
            Event::NameTaken if !self.registered => {
                return Err(Failure::refused(format!(
                    "{} is running already: stop that node, or give this one another name",
                    self.home
                )));
            }
            Event::EpmdFull if !self.registered => {
                return Err(Failure::refused("epmd on this host is full: stop another node, or have an epmd with more room"));
            }
            Event::Registered { .. } => self.registered = true,
            Event::NodeUp { .. } if self.options.local.name.is_dynamic() => {
                events::log(event);
                self.watch(event);
                let name = self.node.name().map(ToString::to_string).unwrap_or_default();
                if name != self.home {
                    log::info!("this node is {name} now");
                    self.home = name;
                }
            }
            // as a supervisor would
            Event::MailboxEnded { .. } | Event::Missed(_) if self.node.outbox(self.mailbox).is_err() => {
                self.mailbox = register(&mut self.node, self.options)?;
                self.dropped = 0;
            }
            Event::MailboxEnded { .. } => {}
            event if is_told => log::debug!("{event}"),
            event => {
                events::log(event);
                self.watch(event);
            }
        }
        Ok(())
    }

    /// Looks whether a node that it connected to has the PubSub.
    fn watch(&mut self, event: &Event) {
        let Event::NodeUp { node, .. } = event else { return };
        let Some(adapter) = self.options.membership.adapter() else { return };
        if self.options.hubs.iter().any(|hub| *hub.node == *node.as_str()) {
            let monitor = self.node.outbox(self.mailbox).and_then(|mut out| out.monitor((adapter, node.as_str())));
            self.watched.extend(monitor.ok().map(|monitor| (monitor, node.clone())));
        }
    }
}

/// Registers the mailbox, and has it join what it is to be a member of.
fn register(node: &mut Node<'_>, options: &Recv) -> Result<Mailbox, Failure> {
    let mailbox =
        node.register(&options.mailbox).map_err(|e| Failure::usage(format!("{}: {e}; choose another name", options.mailbox)))?;
    options.membership.join(node, mailbox)?;
    Ok(mailbox)
}

/// Begins to connect to the nodes that were named.
fn connect(options: &Recv, epmd: &EpmdSettings, node: &mut Node<'_>, driver: &mut Driver) -> Result<Peers, Failure> {
    for Target { node: hub, port } in &options.hubs {
        if let Some(port) = port {
            driver.set_port(hub, *port)?;
        }
    }
    let hubs: Vec<String> = options.hubs.iter().map(|hub| hub.node.clone()).collect();
    Peers::named(&hubs, epmd.port, options.local.tls.clone(), node)
}

/// Returns the shorter of two waits, the second of which ends at a time.
fn sooner(wait: Option<Duration>, at: Option<Instant>) -> Option<Duration> {
    let until = at.map(|at| at.saturating_duration_since(Instant::now()));
    [wait, until].into_iter().flatten().min()
}
