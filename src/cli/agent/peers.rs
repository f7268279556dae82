//! The nodes to be connected to, for as long as somebody here wants them.

use std::time::{Duration, Instant};

use beamless::{EpmdSettings, Error, Event, Full, NetworkFault, Node, NodeName, Reason};

use super::backoff::{Backoff, LONGEST, chance};
use super::config::{Receiver, Settings};
use super::descriptors;
use super::words::NO_ROOM;
use crate::cli::lines::limited;
use crate::cli::outcome::Failure;
use crate::cli::tls;

/// The longest wait for a node that nobody asked for by name and that refuses this one. That node logs every try, and waiting seldom
/// changes its mind; a restart does, and shows by the port that its EPMD names.
const REFUSED: Duration = Duration::from_secs(300);
/// The time after which a connection was a good one, and the waits begin anew. A connection that a peer ends at once does not bring them
/// down.
const LASTED: Duration = Duration::from_secs(10);
/// The longest wait of the first in the queue before it asks again for a place, when as many connections are being made as there can be. Every
/// event that may have brought one ends it.
const TURN: Duration = Duration::from_millis(100);

/// A part of the settings that wants a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `connect`.
    Connect = 1,
    /// `[discover]`.
    Discover = 2,
    /// `[[publish]]`.
    Publish = 4,
    /// Its heartbeat.
    Gossip = 8,
    /// A program that publishes there.
    Program = 16,
}

/// The parts that name nodes which nobody asked for by name.
const FOUND: u8 = By::Discover as u8 | By::Gossip as u8;

/// The state of a wanted node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// It is connected, since then.
    Up(Instant),
    /// It has been being connected to since then; `again`: if that fails, at once once more.
    Trying { since: Instant, again: bool },
    /// It is to be tried then, after all that were due earlier.
    Waiting(Instant),
}

impl Link {
    /// Brings the next try forward to now.
    fn hastened(self) -> Self {
        if let Self::Waiting(at) = self { Self::Waiting(at.min(Instant::now())) } else { self }
    }
}

/// A wanted node.
struct Wanted {
    name: String,
    /// The parts of the settings that want it, a bit each.
    by: u8,
    state: Link,
    backoff: Backoff,
    /// The next try keeps its place though others wait: every other one does. Else one that is slow to answer would never be up as long as many
    /// are off.
    patient: bool,
    /// The reason that was last logged, so that each change is logged once.
    said: Option<Reason>,
    presence: Presence,
}

/// Whether a wanted node is connected, since when, and why it is not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presence {
    pub(super) is_connected: bool,
    pub(super) since: Instant,
    /// The reason for which the last try failed, or the connection ended.
    pub(super) reason: Option<Reason>,
}

impl Presence {
    /// Begins with a node that is not connected.
    fn new() -> Self {
        Self { is_connected: false, since: Instant::now(), reason: None }
    }

    fn set(&mut self, is_connected: bool, reason: Option<Reason>) {
        if self.is_connected != is_connected {
            self.since = Instant::now();
        }
        (self.is_connected, self.reason) = (is_connected, reason);
    }
}

impl Wanted {
    /// Plans the next try. Many that lost the same node do not come back to it all at the same moment.
    fn later(&mut self) {
        let longest = match self.said {
            Some(reason) if self.by != 0 && self.by & !FOUND == 0 && is_refusal(reason) => REFUSED,
            _ => LONGEST,
        };
        let spent = if let Link::Trying { since, .. } = self.state { since.elapsed() } else { Duration::ZERO };
        self.state = Link::Waiting(after(self.backoff.wait(longest, spent, chance())));
    }

    /// Returns true if asking the host's EPMD has told this already.
    fn is_told_of(&self, reason: Reason) -> bool {
        let of_epmd = [NetworkFault::NoEpmd, NetworkFault::NotEpmd, NetworkFault::NoSuchName, NetworkFault::UnknownHost];
        self.by == By::Discover as u8 && of_epmd.iter().any(|fault| reason == Reason::Network(*fault))
    }

    /// Tries to connect. An error is that it can never be.
    fn connect(&mut self, node: &mut Node<'_>) -> Result<Tried, Error> {
        match if self.patient { node.connect_patiently(&self.name) } else { node.connect(&self.name) } {
            Ok(()) if is_up(node, &self.name) => {
                self.state = Link::Up(Instant::now());
                self.presence.set(true, None);
            }
            Ok(()) => {
                self.state = Link::Trying { since: Instant::now(), again: false };
                self.patient = !self.patient;
            }
            Err(Error::Full(Full::Dials)) => return Ok(Tried::NotYet),
            Err(Error::Full(_)) => {
                self.later();
                return Ok(Tried::NoRoom);
            }
            Err(e) => return Err(e),
        }
        Ok(Tried::Begun)
    }
}

/// The outcome of a try.
enum Tried {
    Begun,
    /// As many connections are being made as there can be: it stays where it is in the queue.
    NotYet,
    /// All places for nodes are taken.
    NoRoom,
}

/// The wanted nodes. Those that are due are a queue: who was due first is tried first.
pub(in crate::cli) struct Peers {
    wanted: Vec<Wanted>,
    /// The first in the queue found no place, and asks again then.
    ask_again: Option<Instant>,
    /// This node's name may be another's: nobody is tried as yet.
    is_held: bool,
    /// The log has that there is no room, and no node has left since.
    is_full: bool,
    epmd_port: u16,
    tls: Option<tls::Wanted>,
}

impl Peers {
    /// Begins to connect to the nodes that the settings name: once [it may](Self::release), where the name is to be registered.
    pub(super) fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        let epmd_port = settings.epmd_port.unwrap_or_else(|| EpmdSettings::from_env().unwrap_or_default().port);
        let mut peers = Self { is_held: settings.local.is_registered(), ..Self::none(epmd_port, None) };
        possible(peers.set(settings, node))?;
        Ok(peers)
    }

    /// Begins to connect to nodes that are named, without settings.
    pub(in crate::cli) fn named(
        names: &[String],
        epmd_port: u16,
        tls: Option<tls::Wanted>,
        node: &mut Node<'_>,
    ) -> Result<Self, Failure> {
        let mut peers = Self::none(epmd_port, tls);
        possible(peers.want(By::Connect, names, node))?;
        Ok(peers)
    }

    fn none(epmd_port: u16, tls: Option<tls::Wanted>) -> Self {
        Self { wanted: Vec::new(), ask_again: None, is_held: false, is_full: false, epmd_port, tls }
    }

    /// Begins to try: nobody says that another has this node's name.
    pub(super) fn release(&mut self) {
        self.is_held = false;
    }

    fn set(&mut self, settings: &Settings, node: &mut Node<'_>) -> Vec<(String, Error)> {
        self.tls.clone_from(&settings.local.tls);
        let published = settings.publish.iter().flat_map(|publish| match &publish.receiver {
            Receiver::Name { nodes, .. } => nodes.names(),
            _ => &[],
        });
        let told = settings.health.tell.iter().map(|told| &told.node);
        let published: Vec<String> = published.chain(told).cloned().collect();
        let mut refused = self.want(By::Connect, &settings.connect, node);
        refused.extend(self.want(By::Publish, &published, node));
        refused
    }

    /// Goes on with new settings. A node that is not wanted any more stays connected.
    pub(super) fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        let before = self.names(By::Connect);
        for (name, e) in self.set(settings, node) {
            log::warn!("{name}: {e}");
        }
        let now = self.names(By::Connect);
        for name in now.iter().filter(|name| !before.contains(name)) {
            log::info!("connect: {name} is kept connected from now on");
        }
        for name in before.iter().filter(|name| !now.contains(name)) {
            log::info!("connect: {name} is not connected again once it is down");
        }
    }

    /// Sets the nodes that `by` wants, in place of those it wanted before. Returns those that can never be connected to, each with the
    /// reason.
    pub(super) fn want(&mut self, by: By, names: &[String], node: &mut Node<'_>) -> Vec<(String, Error)> {
        let bit = by as u8;
        self.wanted.iter_mut().for_each(|peer| peer.by &= !bit);
        let mut refused = Vec::new();
        for name in names {
            if let Some(peer) = self.find(name) {
                peer.by |= bit;
                continue;
            }
            let state = Link::Waiting(Instant::now());
            let (name, backoff, presence) = (name.clone(), Backoff::NEW, Presence::new());
            let mut peer = Wanted { name, by: bit, state, backoff, patient: false, said: None, presence };
            match if self.is_held { Ok(Tried::Begun) } else { peer.connect(node) } {
                Ok(tried) => {
                    self.tell_tried(&peer.name, &tried);
                    self.wanted.push(peer);
                }
                Err(e) => refused.push((peer.name, e)),
            }
        }
        self.forget();
        refused
    }

    /// Takes note that a node is there, new or anew: it is not waited for any longer.
    pub(super) fn is_there(&mut self, name: &str) {
        let Some(peer) = self.find(name) else { return };
        match &mut peer.state {
            Link::Up(_) => {}
            Link::Trying { again, .. } => *again = true,
            Link::Waiting(_) => {
                peer.state = peer.state.hastened();
                peer.backoff = Backoff::NEW;
            }
        }
    }

    /// Takes note of what happened. Returns true if nothing is left to be said of it.
    pub(in crate::cli) fn handle(&mut self, event: &Event) -> bool {
        if matches!(event, Event::NodeUp { .. } | Event::NodeDown { .. } | Event::ConnectFailed { .. } | Event::Missed(_)) {
            // there may be a place
            self.ask_again = None;
        }
        let told = match event {
            Event::NodeUp { node, .. } => {
                if let Some(peer) = self.find(node.as_str()) {
                    peer.state = Link::Up(Instant::now());
                    peer.said = None;
                    peer.presence.set(true, None);
                }
                false
            }
            Event::NodeDown { node, reason } => {
                if core::mem::take(&mut self.is_full) {
                    // one of those that wait for room gets it
                    self.wanted.iter_mut().for_each(|peer| peer.state = peer.state.hastened());
                }
                if let Some(peer) = self.find(node.as_str()) {
                    if matches!(peer.state, Link::Up(since) if since.elapsed() >= LASTED) {
                        peer.backoff = Backoff::NEW;
                    }
                    // that it does not answer either goes without saying
                    peer.said = Some(*reason).filter(|reason| is_silence(*reason));
                    peer.presence.set(false, Some(*reason));
                    peer.later();
                }
                false
            }
            Event::ConnectFailed { node, reason } => self.failed(node, *reason),
            Event::Missed(_) => {
                // one of them may have gone down meanwhile; asking for one that is up does nothing
                self.wanted.iter_mut().filter(|peer| !matches!(peer.state, Link::Waiting(_))).for_each(Wanted::later);
                false
            }
            _ => return false,
        };
        self.forget();
        told
    }

    /// Takes note that a try came to nothing, and logs that if it is new.
    fn failed(&mut self, node: &NodeName, reason: Reason) -> bool {
        let Some(peer) = self.find(node.as_str()) else { return false };
        // who is sent something is tried then, too
        if matches!(peer.state, Link::Up(_)) {
            return true;
        }
        peer.presence.set(false, Some(reason));
        let before = peer.said.replace(reason);
        if let Link::Trying { again, .. } = peer.state {
            peer.later();
            if again {
                peer.backoff = Backoff::NEW;
                peer.state = Link::Waiting(Instant::now());
            }
        }
        // nobody wants to know any more what became of one that nobody wants
        let is_news = peer.by != 0 && !peer.is_told_of(reason) && before.is_none_or(|before| !is_alike(before, reason));
        if is_news && reason == Reason::Full {
            self.tell_room(node.as_str());
        } else if is_news {
            let why = self.why(node, reason);
            limited!(
                warn,
                node.as_str(),
                "nodes that could not be connected to",
                "cannot connect to {node}, trying again: {why}"
            );
        }
        true
    }

    /// Returns why there is no connection, in words that name the port of EPMD, and the program that is there on a box.
    fn why(&self, node: &NodeName, reason: Reason) -> String {
        let (host, port) = (node.host(), self.epmd_port);
        match reason {
            Reason::Network(NetworkFault::NoEpmd) => {
                format!("no epmd answers on {host}, port {port}: is a node running there, and the port open?")
            }
            Reason::Network(NetworkFault::NotEpmd) => {
                format!("something answers on {host}, port {port}, and not as epmd does: has another program the port?")
            }
            Reason::Network(NetworkFault::NoSuchName) => {
                // the tool knows no file
                let elsewhere = EpmdSettings::from_env().is_ok_and(|settings| settings.port != port);
                let at = if elsewhere { format!("ERL_EPMD_PORT={port} ") } else { String::new() };
                format!(
                    "epmd on {host}, port {port}, knows no node of that name; `{at}beamless names {host}` lists those it knows"
                )
            }
            Reason::Network(NetworkFault::UnknownHost) if descriptors::are_out() => {
                format!("too few descriptors are left to ask for its address with: {}", descriptors::WAY_OUT)
            }
            reason => format!("{reason}{}", tls::hint(reason, self.tls.as_ref())),
        }
    }

    /// Forgets the nodes that nobody wants, except for one that is being tried: the outcome of that is its own.
    fn forget(&mut self) {
        self.wanted.retain(|peer| peer.by != 0 || matches!(peer.state, Link::Trying { .. }));
    }

    fn find(&mut self, name: &str) -> Option<&mut Wanted> {
        self.wanted.iter_mut().find(|peer| peer.name == name)
    }

    /// Returns the nodes that are wanted, and how each of them is.
    pub(super) fn presences(&self) -> impl Iterator<Item = (&str, Presence)> + Clone {
        self.wanted.iter().filter(|peer| peer.by != 0).map(|peer| (peer.name.as_str(), peer.presence))
    }

    fn names(&self, by: By) -> Vec<String> {
        self.wanted.iter().filter(|peer| peer.by & by as u8 != 0).map(|peer| peer.name.clone()).collect()
    }

    /// Returns when the next try is due, or something to be said.
    pub(in crate::cli) fn next_wake(&self) -> Option<Instant> {
        if self.is_held {
            return None;
        }
        let due = |peer: &Wanted| if let Link::Waiting(at) = peer.state { Some(at) } else { None };
        let first = self.wanted.iter().filter_map(due).min();
        // nobody is tried before the first in the queue is
        first.map(|at| self.ask_again.map_or(at, |again| again.max(at)))
    }

    /// Tries again what is due, first come first served.
    pub(in crate::cli) fn turn(&mut self, node: &mut Node<'_>) {
        let now = Instant::now();
        if self.is_held || self.ask_again.is_some_and(|at| at > now) {
            return;
        }
        self.ask_again = None;
        let due = |peer: &Wanted| if let Link::Waiting(at) = peer.state { Some(at).filter(|at| *at <= now) } else { None };
        let mut queue: Vec<(Instant, usize)> =
            self.wanted.iter().enumerate().filter_map(|(place, peer)| Some((due(peer)?, place))).collect();
        queue.sort_unstable();
        for (_, place) in queue {
            let Some(peer) = self.wanted.get_mut(place) else { continue };
            match peer.connect(node) {
                Ok(tried) => {
                    let name = peer.name.clone();
                    self.tell_tried(&name, &tried);
                    if matches!(tried, Tried::NotYet) {
                        return;
                    }
                }
                // it could be connected to before
                Err(_) => peer.later(),
            }
        }
    }

    /// Takes note of what became of a try.
    fn tell_tried(&mut self, name: &str, tried: &Tried) {
        match tried {
            Tried::Begun => {}
            Tried::NotYet => self.ask_again = Some(after(TURN)),
            Tried::NoRoom => self.tell_room(name),
        }
    }

    /// Logs that there is no room for this node, nor for any other.
    fn tell_room(&mut self, name: &str) {
        if !core::mem::replace(&mut self.is_full, true) {
            limited!(warn, "", "nodes that there was no room for", "no room to connect to {name}: {NO_ROOM}");
        }
    }
}

/// Makes a failure of the first node that can never be connected to.
fn possible(refused: Vec<(String, Error)>) -> Result<(), Failure> {
    refused.into_iter().next().map_or(Ok(()), |(name, e)| Err(Failure::usage(format!("{name}: {e}"))))
}

/// Returns the time that is so far from now.
pub(super) fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now)
}

fn is_up(node: &Node<'_>, name: &str) -> bool {
    node.peers().any(|peer| peer.name.as_str() == name)
}

/// Returns true if the node is there, and refuses this one.
fn is_refusal(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::CookieRefused
            | Reason::InvalidChallengeAck
            | Reason::NotAllowed
            | Reason::OwnName
            | Reason::OtherName
            | Reason::MissingFlags(_)
    )
}

/// Returns true if nothing comes from the host.
fn is_silence(reason: Reason) -> bool {
    matches!(reason, Reason::Silent | Reason::Timeout | Reason::Network(NetworkFault::TimedOut | NetworkFault::Unreachable))
}

/// Returns true if one reason says no more than the other: a host that is off does not answer in one way now and in another later.
fn is_alike(one: Reason, other: Reason) -> bool {
    is_silence(one) && is_silence(other) || tls::is_alike(one, other)
}

#[cfg(test)]
mod tests {
    use beamless::{Config, OwnedNode, Sizes};

    use super::*;

    fn with_peers(test: impl FnOnce(Peers, OwnedNode)) {
        let node = OwnedNode::new(Config::hidden("edge@host", "x").unwrap(), Sizes::new(2, 1, 4096)).unwrap();
        let peers = Peers::none(4369, None);
        test(peers, node);
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn failed(name: &str, reason: Reason) -> Event {
        Event::ConnectFailed { node: NodeName::new(name).unwrap(), reason }
    }

    fn state(peers: &mut Peers, name: &str) -> Option<Link> {
        peers.find(name).map(|peer| peer.state)
    }

    #[test]
    fn who_leaves_takes_nothing_from_the_others() {
        with_peers(|mut peers, mut node| {
            assert!(peers.want(By::Connect, &names(&["a@host", "b@host"]), &mut node).is_empty());
            peers.want(By::Discover, &names(&["b@host", "c@host"]), &mut node);
            for name in ["a@host", "b@host", "c@host"] {
                assert!(peers.handle(&failed(name, Reason::Timeout)), "{name}");
            }
            peers.want(By::Discover, &[], &mut node);
            assert_eq!(peers.names(By::Connect), ["a@host", "b@host"]);
            assert!(state(&mut peers, "b@host").is_some() && state(&mut peers, "c@host").is_none());
            peers.want(By::Connect, &names(&["b@host"]), &mut node);
            assert_eq!(peers.wanted.len(), 1);
            // it is not down yet, or comes up by itself: that is said as ever, and nothing follows
            let node = NodeName::new("a@host").unwrap();
            assert!(!peers.handle(&Event::NodeDown { node, reason: Reason::Silent }));
            assert_eq!(peers.wanted.len(), 1);
        });
    }

    #[test]
    fn a_try_that_nobody_waits_for_ends_without_a_word() {
        with_peers(|mut peers, mut node| {
            peers.want(By::Discover, &names(&["a@host"]), &mut node);
            peers.want(By::Discover, &[], &mut node);
            assert!(matches!(state(&mut peers, "a@host"), Some(Link::Trying { again: false, .. })));
            assert!(peers.handle(&failed("a@host", Reason::Timeout)));
            assert!(peers.wanted.is_empty());
            assert!(!peers.handle(&failed("a@host", Reason::Timeout)), "somebody else's try");
        });
    }

    fn trying() -> Link {
        Link::Trying { since: Instant::now(), again: false }
    }

    #[test]
    fn the_waits_grow_and_begin_anew() {
        with_peers(|mut peers, mut node| {
            peers.want(By::Connect, &names(&["a@host"]), &mut node);
            for longest in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 28.0, 28.0] {
                let peer = peers.find("a@host").unwrap();
                peer.state = trying();
                peers.handle(&failed("a@host", Reason::CookieRefused));
                let Some(Link::Waiting(at)) = state(&mut peers, "a@host") else { panic!() };
                assert!(at <= Instant::now() + Duration::from_secs_f64(longest));
            }
            // it ends the connection at once: that is no reason to hurry
            let node = NodeName::new("a@host").unwrap();
            peers.handle(&Event::NodeUp { node: node.clone(), visible: true });
            peers.handle(&Event::NodeDown { node, reason: Reason::ClosedByPeer });
            assert!(peers.find("a@host").unwrap().backoff.is_at(LONGEST));
            peers.is_there("a@host");
            let peer = peers.find("a@host").unwrap();
            assert!(peer.backoff == Backoff::NEW && matches!(peer.state, Link::Waiting(at) if at <= Instant::now()));
            // it was there while it was tried
            peer.state = trying();
            peers.is_there("a@host");
            peers.handle(&failed("a@host", Reason::Timeout));
            assert!(matches!(state(&mut peers, "a@host"), Some(Link::Waiting(at)) if at <= Instant::now()));
        });
    }

    /// The names of those that are being tried.
    fn tried(peers: &Peers) -> Vec<&str> {
        let is_tried = |peer: &&Wanted| matches!(peer.state, Link::Trying { .. });
        peers.wanted.iter().filter(is_tried).map(|peer| peer.name.as_str()).collect()
    }

    /// Forty-five that never answer, and the one that would last: everybody gets a turn, and none a second one before.
    #[test]
    fn first_due_is_first_served() {
        with_peers(|mut peers, mut node| {
            let all: Vec<String> = (0..46).map(|number| format!("a{number:02}@host")).collect();
            assert!(peers.want(By::Connect, &all, &mut node).is_empty());
            let places = tried(&peers).len();
            assert!((6..46).contains(&places), "{places}");
            let mut order: Vec<String> = tried(&peers).into_iter().map(str::to_owned).collect();
            while order.len() < all.len() {
                let (connection, _) = core::iter::from_fn(|| node.poll_dial(beamless::Instant::default())).last().unwrap();
                node.handle_unreachable(connection, NetworkFault::TimedOut);
                let before: Vec<String> = tried(&peers).into_iter().map(str::to_owned).collect();
                while let Some(event) = node.poll_event() {
                    peers.handle(&event);
                    // it may be due again at once: behind all others
                    let Event::ConnectFailed { node, .. } = &event else { panic!("{event}") };
                    peers.find(node.as_str()).unwrap().state = Link::Waiting(Instant::now());
                }
                peers.turn(&mut node);
                order.extend(
                    tried(&peers).into_iter().filter(|name| !before.iter().any(|other| other == name)).map(str::to_owned),
                );
            }
            assert_eq!(order, all);
        });
    }

    /// Three hundred that never answer, always due, and one whose answers take three seconds: it is up within two turns of all.
    #[test]
    fn a_slow_one_comes_up_among_the_dead() {
        const ANSWER: u64 = 3000;
        let config = Config::hidden("edge@host", "x").unwrap();
        let mut node = OwnedNode::new(config, Sizes::new(16, 1, 4096)).unwrap();
        let mut peers = Peers::none(4369, None);
        let mut all: Vec<String> = (0..300).map(|number| format!("a{number}@host")).collect();
        all.push("slow@host".to_owned());
        peers.want(By::Connect, &all, &mut node);
        let (mut slow, mut turns) = (None, 0);
        let is_up = |node: &Node<'_>, slow: Option<(_, u64)>, now: u64| {
            slow.is_some_and(|(connection, begun)| now >= begun + ANSWER && node.is_open(connection))
        };
        let mut now = 0;
        while !is_up(&node, slow, now) {
            assert!(turns <= 2, "it is given up for the others each time");
            let at = beamless::Instant::from_millis(now);
            node.handle_timeout(at);
            while let Some((connection, name)) = node.poll_dial(at) {
                if name.as_str() == "slow@host" {
                    (slow, turns) = (Some((connection, now)), turns + 1);
                }
            }
            let mut waits = true;
            while let Some(event) = node.poll_event() {
                waits = false;
                peers.handle(&event);
                let Event::ConnectFailed { node, .. } = &event else { panic!("{event}") };
                peers.find(node.as_str()).unwrap().state = Link::Waiting(Instant::now());
            }
            peers.turn(&mut node);
            now += if waits { 100 } else { 0 };
        }
        assert_eq!(turns, 2, "it has been up at once, so that this shows nothing");
    }

    #[test]
    fn what_can_never_be_comes_back() {
        with_peers(|mut peers, mut node| {
            let wanted = names(&["edge@host", "a@host.example.org", "a b@host", "a@host"]);
            let refused = peers.want(By::Discover, &wanted, &mut node);
            assert_eq!(refused.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), wanted[..3]);
            assert_eq!(peers.wanted.len(), 1);
        });
    }

    #[test]
    fn a_host_that_is_off_has_one_reason() {
        let off = [
            Reason::Silent,
            Reason::Timeout,
            Reason::Network(NetworkFault::TimedOut),
            Reason::Network(NetworkFault::Unreachable),
        ];
        assert!(off.iter().all(|one| off.iter().all(|other| is_alike(*one, *other))));
        assert!(!is_alike(Reason::Timeout, Reason::Network(NetworkFault::Refused)));
        assert!(is_alike(Reason::Nok, Reason::Nok));
    }
}
