//! Nodes that are found by asking EPMD: whatever the EPMDs of some hosts name is connected, as libcluster's strategy for EPMD does it.
//!
//! Looking up a host can only block, so each question is a thread of its own, which ends with its answer.

use std::io::{self, ErrorKind};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use beamless::{Driver, EpmdSettings, Error, Event, Node, NodeName, epmd_names, listen_addresses};

use super::backoff::{Backoff, a_little_less, chance};
use super::config::{Discover, Settings};
use super::descriptors;
use super::peers::{By, Peers, after};
use crate::cli::lines::limited;
use crate::cli::outcome::Failure;

/// The time that an EPMD may take to answer: less than the time to the next question, if that is five seconds.
const LIMIT: Duration = Duration::from_secs(3);
/// The most hosts that are asked at once, a thread each.
const THREADS: usize = 4;
/// The most nodes of one host: far more than a host has.
const NODES: usize = 256;
/// The wait of the first question for this node's own EPMD to be there, in case that is asked too.
const FIRST: Duration = Duration::from_secs(1);
/// The time that an EPMD has to take note that a node of its host is gone. Then it is asked, so that a node that has ended is not tried.
const GONE: Duration = Duration::from_millis(200);

/// A host whose EPMD is asked.
struct Host {
    /// The name in the settings.
    name: String,
    /// The name in the names of its nodes.
    shown: String,
    /// The time of the next question, and what the wait after it is drawn from: short if something has changed there, else ever longer.
    at: Instant,
    backoff: Backoff,
    /// It has never been asked.
    is_new: bool,
    /// The nodes that it names, and their ports.
    nodes: Vec<(String, u16)>,
    /// The reason for which it gave no names, which the log has.
    said: Option<ErrorKind>,
    /// The time since which it has given none.
    silent: Option<Instant>,
    /// The log has that it names too many.
    is_crowded: bool,
}

/// The answer of a host: the names of its nodes before the `@`, and their ports.
struct HostAnswer {
    host: String,
    names: io::Result<Vec<(String, u16)>>,
}

/// The search for nodes.
pub(super) struct Discovery {
    /// This node.
    own: NodeName,
    epmd_port: u16,
    every: Duration,
    /// The nodes and hosts that may be connected to; without one all may.
    allow: Vec<String>,
    hosts: Vec<Host>,
    /// The hosts that are being asked, also those whose answer nobody wants any more.
    asked: Vec<String>,
    answers: Arc<Mutex<Vec<HostAnswer>>>,
}

impl Discovery {
    pub(super) fn new(settings: &Settings) -> Result<Self, Failure> {
        let epmd_port = match settings.epmd_port {
            Some(port) => port,
            None => EpmdSettings::from_env().map_err(Failure::usage)?.port,
        };
        let (own, allow, hosts, asked) = (settings.node.clone(), Vec::new(), Vec::new(), Vec::new());
        let mut discovery = Self { own, epmd_port, every: Duration::MAX, allow, hosts, asked, answers: Arc::default() };
        discovery.set(settings);
        Ok(discovery)
    }

    /// Goes on with new settings. A node that is connected stays so.
    pub(super) fn apply(&mut self, settings: &Settings, peers: &mut Peers, node: &mut Node<'_>) {
        let names = |hosts: &[Host]| hosts.iter().map(|host| host.name.clone()).collect::<Vec<_>>();
        let before = names(&self.hosts);
        self.set(settings);
        let now = names(&self.hosts);
        for name in now.iter().filter(|name| !before.contains(name)) {
            log::info!("discover: the nodes of {name} are connected from now on");
        }
        for name in before.iter().filter(|name| !now.contains(name)) {
            log::info!("discover: the nodes of {name} are not connected again once they are down");
        }
        self.want(peers, node);
    }

    fn set(&mut self, settings: &Settings) {
        let none = Discover { hosts: Vec::new(), every: Duration::MAX, gossip: None };
        let wanted = settings.discover.as_ref().unwrap_or(&none);
        let mut before = core::mem::take(&mut self.hosts);
        for name in &wanted.hosts {
            let kept = before.iter().position(|host| host.name == *name).map(|place| before.swap_remove(place));
            self.hosts.push(kept.unwrap_or_else(|| Host::new(name, &self.own)));
        }
        self.every = wanted.every;
        let latest = after(self.every);
        self.hosts.iter_mut().for_each(|host| host.at = host.at.min(latest));
        self.allow.clone_from(&settings.allow);
    }

    /// Takes note of what happened.
    pub(super) fn handle(&mut self, event: &Event) {
        match event {
            Event::Registered { .. } => {
                self.hosts.iter_mut().filter(|host| host.is_new).for_each(|host| host.at = Instant::now());
            }
            Event::NodeDown { node, .. } => {
                let names = |host: &&mut Host| host.nodes.iter().any(|(name, _)| name == node.as_str());
                for host in self.hosts.iter_mut().filter(names) {
                    host.at = host.at.min(after(GONE));
                    host.backoff = Backoff::NEW;
                }
            }
            _ => {}
        }
    }

    /// Returns the hosts that give no names, and since when.
    pub(super) fn silent(&self) -> impl Iterator<Item = (&str, Instant)> {
        self.hosts.iter().filter_map(|host| Some((&*host.name, host.silent?)))
    }

    /// Returns when the next host is to be asked.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        if self.asked.len() >= THREADS {
            // an answer comes first
            return None;
        }
        self.hosts.iter().filter(|host| !self.asked.contains(&host.name)).map(|host| host.at).min()
    }

    /// Takes what the hosts answered, and asks those whose time has come.
    pub(super) fn turn(&mut self, peers: &mut Peers, node: &mut Node<'_>, driver: &Driver) {
        let answers = core::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for answer in answers {
            self.answered(answer, peers, node);
        }
        while self.next_wake().is_some_and(|at| at <= Instant::now()) {
            self.ask(driver);
        }
    }

    /// Asks the host that has waited longest.
    fn ask(&mut self, driver: &Driver) {
        let free = self.hosts.iter_mut().filter(|host| !self.asked.contains(&host.name));
        let Some(host) = free.min_by_key(|host| host.at) else { return };
        host.at = after(host.wait(self.every));
        host.is_new = false;
        let (name, port, limit) = (host.name.clone(), self.epmd_port, LIMIT.min(self.every));
        let (own, answers, waker) = (self.own.alive().to_owned(), Arc::clone(&self.answers), driver.waker());
        let ask: Box<dyn FnOnce() + Send> = Box::new(move || {
            let names = names(&name, port, limit, &own);
            // the agent may have ended, and then nobody waits for this
            answers.lock().unwrap_or_else(PoisonError::into_inner).push(HostAnswer { host: name, names });
            let _ = waker.wake();
        });
        match thread::Builder::new().name("beamless-names".into()).spawn(ask) {
            Ok(_) => self.asked.push(host.name.clone()),
            Err(e) => host.failed(&e, port),
        }
    }

    fn answered(&mut self, HostAnswer { host, names }: HostAnswer, peers: &mut Peers, node: &mut Node<'_>) {
        self.asked.retain(|asked| *asked != host);
        let Some(known) = self.hosts.iter_mut().find(|known| known.name == host) else { return };
        let mut new = Vec::new();
        match names {
            Ok(names) => new = known.named(names, self.epmd_port, &self.own, &self.allow),
            Err(e) => known.failed(&e, self.epmd_port),
        }
        // some of them may be wanted already, by others or at another port
        new.iter().for_each(|name| peers.is_there(name));
        // those that are not new were refused before
        for (name, e) in self.want(peers, node).iter().filter(|(name, _)| new.contains(name)) {
            let name = name.escape_debug();
            limited!(
                warn,
                &host,
                "names in epmd that cannot be connected to",
                "epmd on {host} names {name}, which cannot be connected to: {e}"
            );
        }
    }

    /// Wants what all hosts name. Returns what can never be connected to.
    fn want(&self, peers: &mut Peers, node: &mut Node<'_>) -> Vec<(String, Error)> {
        let names: Vec<String> = self.hosts.iter().flat_map(|host| &host.nodes).map(|(name, _)| name.clone()).collect();
        peers.want(By::Discover, &names, node)
    }
}

impl Host {
    fn new(name: &str, own: &NodeName) -> Self {
        // the one name that every host has for itself stands in hardly any node's name
        let shown = if name == "localhost" { own.host() } else { name };
        let (name, shown) = (name.to_owned(), shown.to_owned());
        Self {
            name,
            shown,
            at: after(FIRST),
            backoff: Backoff::NEW,
            is_new: true,
            nodes: Vec::new(),
            said: None,
            silent: None,
            is_crowded: false,
        }
    }

    /// Takes the names that its EPMD gave. Returns the nodes that it did not name before, or named at another port.
    fn named(&mut self, names: Vec<(String, u16)>, epmd_port: u16, own: &NodeName, allow: &[String]) -> Vec<String> {
        self.silent = None;
        if self.said.take().is_some() {
            self.changed();
            limited!(info, &self.name, "epmds that answer again", "epmd on {}, port {epmd_port}, answers again", self.name);
        }
        let may = |name: &str| allow.is_empty() || allow.iter().any(|entry| entry == name || *entry == self.shown);
        let nodes = names.into_iter().map(|(alive, port)| (format!("{alive}@{}", self.shown), port));
        let mut nodes: Vec<_> = nodes.filter(|(name, _)| name != own.as_str() && may(name)).collect();
        if nodes.len() > NODES && !core::mem::replace(&mut self.is_crowded, true) {
            log::warn!("epmd on {} names {} nodes, of which {NODES} are connected", self.name, nodes.len());
        }
        nodes.truncate(NODES);
        let new = nodes.iter().filter(|node| !self.nodes.contains(node)).map(|(name, _)| name.clone()).collect();
        if self.nodes != nodes {
            self.nodes = nodes;
            self.changed();
        }
        new
    }

    /// Returns the wait after a question. Those of many boxes that lost the same host are far apart by the time they are as long as they get.
    fn wait(&mut self, every: Duration) -> Duration {
        if self.backoff.is_at(every) { a_little_less(every) } else { self.backoff.wait(every, Duration::ZERO, chance()) }
    }

    /// Has it asked again soon, since more may change.
    fn changed(&mut self) {
        self.backoff = Backoff::NEW;
        self.at = self.at.min(after(self.backoff.wait(FIRST, Duration::ZERO, chance())));
    }

    /// Takes note that it gave no names: until it does, its nodes are not tried, and those that are connected stay so.
    fn failed(&mut self, e: &io::Error, epmd_port: u16) {
        self.nodes.clear();
        self.silent.get_or_insert_with(Instant::now);
        let kind = match e.kind() {
            // a host that is off does not answer in one way now and in another later
            ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => ErrorKind::TimedOut,
            kind => kind,
        };
        if self.said.replace(kind) != Some(kind) {
            self.changed();
            let hint = if descriptors::are_out() {
                format!("; too few descriptors are left: {}", descriptors::WAY_OUT)
            } else {
                String::new()
            };
            limited!(
                warn,
                &self.name,
                "epmds that do not answer",
                "epmd on {}, port {epmd_port}, does not answer, asking again: {e}{hint}",
                self.name
            );
        }
    }
}

/// Asks the EPMD of a host for the names of its nodes. That of this node is not among them, however its host is written.
fn names(host: &str, port: u16, limit: Duration, own: &str) -> io::Result<Vec<(String, u16)>> {
    let mut names = epmd_names(host, port, limit).map_err(|e| match e {
        Error::Io(e) => e.source,
        e => io::Error::new(ErrorKind::InvalidData, e.to_string()),
    })?;
    if names.iter().any(|(alive, _)| alive == own) && is_this(host) {
        names.retain(|(alive, _)| alive != own);
    }
    Ok(names)
}

/// Returns true if the host is this one: it has an address that can be bound here.
fn is_this(host: &str) -> bool {
    listen_addresses(host, 0).unwrap_or_default().iter().any(|address| UdpSocket::bind(address).is_ok())
}
