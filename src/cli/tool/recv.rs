//! The command `beamless recv`: prints what is sent to one name, to groups, or to the subscribers of topics.

use std::io;
use std::mem::replace;
use std::os::fd::AsRawFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use beamless::{Driver, Epmd, EpmdSettings, Event, GroupStorage, Mailbox, Node, NodeStorage};
use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::membership::{self, Membership};
use super::printer::Printer;
use crate::cli::agent::Peers;
use crate::cli::command_line::options::{self, EPMD, JSON, LISTEN, NAME, OWN_COOKIE_FILE, QUIET, SNAME, TLS_DIR, VISIBLE};
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
    let pairs =
        connect.iter().map(|hub| host::pair(hub, given.as_ref())).collect::<Result<Vec<_>, _>>().map_err(Failure::usage)?;
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
    let mut mailbox = register(&mut node, options)?;
    let home = node.name().map(|name| name.as_str().to_owned()).unwrap_or_default();
    let mut ending = Ending::new()?;
    let without_epmd = driver.epmd == Epmd::None;
    let epmd_settings = driver.epmd_settings.clone();
    let mut driver =
        if options.is_passing { Driver::outgoing(&epmd_settings, &mut node)? } else { Driver::new(driver, &mut node)? };
    if let Some(tls) = &tls {
        tls::set(&mut driver, tls);
    }
    ending.watch(driver.registry(), SIGNALS)?;
    // a file cannot be watched, and is never closed by its reader
    let _ = driver.registry().register(&mut SourceFd(&io::stdout().as_raw_fd()), STDOUT, Interest::WRITABLE);
    let printer = Printer::start(driver.waker())?;
    let mut announced = false;
    let mut announce = |node: &Node<'_>, driver: &Driver, epmd: &str| {
        if let Some(address) = driver.local_addr().filter(|_| !announced) {
            announced = true;
            local::announce(node, address, epmd, &cookie, tls.as_ref());
        }
    };
    if without_epmd {
        announce(&node, &driver, "no epmd");
    }
    let mut peers = connect(options, &epmd_settings, &mut node, &mut driver)?;
    if options.is_passing {
        log::info!("up as {home}, cookie from {}", cookie.path.display());
    }
    let mut left = options.count;
    let mut registered = false;
    let mut dropped = 0;
    loop {
        driver.poll(&mut node, sooner(lines::wait(), peers.next_wake()))?;
        lines::tell();
        while left != Some(0) {
            let Some((message, _)) = node.recv(mailbox) else { break };
            let Some(line) = options.membership.line(message.term(), options.format, &home) else { continue };
            if !printer.print(line + "\n") {
                message.put_back();
                break;
            }
            left = left.map(|left| left.saturating_sub(1));
        }
        if node.dropped(mailbox) > dropped {
            let before = replace(&mut dropped, node.dropped(mailbox));
            limited!(warn, "", "losses", "{} messages were lost: more came than were read", dropped.saturating_sub(before));
        }
        while let Some(event) = node.poll_event() {
            let is_told = peers.handle(&event);
            match &event {
                // a script is not to wait for what may never be; later it is another node's trouble
                Event::NameTaken if !registered => {
                    return Err(Failure::refused(format!(
                        "{home} is running already: stop that node, or give this one another name"
                    )));
                }
                Event::EpmdFull if !registered => {
                    return Err(Failure::refused("epmd on this host is full: stop another node, or have an epmd with more room"));
                }
                Event::Registered { embedded, port } => {
                    registered = true;
                    let kind = if *embedded { "embedded" } else { "external" };
                    announce(&node, &driver, &format!("epmd {kind} on port {port}"));
                }
                // as a supervisor would
                Event::MailboxEnded { .. } | Event::Missed(_) if node.outbox(mailbox).is_err() => {
                    mailbox = register(&mut node, options)?;
                    dropped = 0;
                }
                Event::MailboxEnded { .. } => {}
                event if is_told => log::debug!("{event}"),
                event => events::log(event),
            }
        }
        peers.turn(&mut node);
        if left == Some(0) {
            printer.no_more();
        }
        let mut over = printer.is_closed();
        while let Some(ready) = driver.poll_ready() {
            // it is watched for writing alone: readable means that nobody reads any more
            over |= match ready.token {
                SIGNALS => ending.has_come(),
                _ => ready.readable,
            };
        }
        if over {
            printer.finish(CLOSING);
            driver.close(&mut node, CLOSING)?;
            return Ok(());
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
