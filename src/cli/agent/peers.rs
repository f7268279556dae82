//! The nodes to be connected to, for as long as somebody here wants them.

use std::time::{Duration, Instant};

use beamless::{Error, Event, Full, Misuse, NetworkFault, Node, NodeName, Reason};

use super::settings::Settings;
use crate::cli::Failure;

/// The first wait before a node is tried again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The longest wait for a node that nobody asked for by name and that refuses this one. It logs every try, and a wait seldom changes its mind:
/// a restart does, and that is seen by the port its EPMD names.
const REFUSED: Duration = Duration::from_secs(300);
/// A connection that lasted so long was a good one: the waits begin anew after it. One that a peer ends at once does not bring them down.
const LASTED: Duration = Duration::from_secs(10);
/// When six connections are being made at once, the next waits so long for its turn.
const TURN: Duration = Duration::from_millis(100);

/// Who wants a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// `connect`.
    Connect = 1,
    /// `[discover]`.
    Discover = 2,
    /// `[[publish]]`.
    #[allow(dead_code, reason = "its part is still to be filled")]
    Publish = 4,
}

/// How it stands with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Connected, since then.
    Up(Instant),
    /// Being connected to; if that fails, at once again.
    Trying { again: bool },
    /// To be tried then.
    Waiting(Instant),
}

/// One of them.
struct Wanted {
    name: String,
    /// Everybody who wants it, a bit each.
    by: u8,
    state: State,
    wait: Duration,
    /// What was last said of it, so that each change is said once.
    said: Option<Reason>,
}

impl Wanted {
    /// Plans the next try. Many that lost the same node do not come back to it all at the same moment.
    fn later(&mut self) {
        let longest = match self.said {
            Some(reason) if self.by == By::Discover as u8 && is_refusal(reason) => REFUSED,
            _ => RETRY.1,
        };
        self.state = State::Waiting(after(jittered(self.wait)));
        self.wait = self.wait.saturating_mul(2).min(longest);
    }

    /// Tries to connect; `false` if there is no room for one more. What can never be is an error.
    fn connect(&mut self, node: &mut Node<'_>) -> Result<bool, Error> {
        match node.connect(&self.name) {
            Ok(()) if is_up(node, &self.name) => self.state = State::Up(Instant::now()),
            Ok(()) => self.state = State::Trying { again: false },
            Err(Error::Full(Full::Dials)) => self.state = State::Waiting(after(TURN)),
            Err(Error::Full(_)) => {
                self.later();
                return Ok(false);
            }
            Err(e) => return Err(e),
        }
        Ok(true)
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Peers {
    wanted: Vec<Wanted>,
    /// That there is no room was said, and no node has left since.
    is_full: bool,
}

impl Peers {
    /// Begins to connect to the nodes that `connect` names.
    pub(super) fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        let mut peers = Self::default();
        match peers.want(By::Connect, &settings.connect, node).first() {
            Some((name, e)) => Err(Failure::usage(refusal("connect", name, e))),
            None => Ok(peers),
        }
    }

    /// The settings were read again. Who is not wanted any more stays connected.
    pub(super) fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        let before = self.names(By::Connect);
        for (name, e) in self.want(By::Connect, &settings.connect, node) {
            log::warn!("{}", refusal("connect", &name, &e));
        }
        let now = self.names(By::Connect);
        for name in now.iter().filter(|name| !before.contains(name)) {
            log::info!("connect: {name} is kept connected from now on");
        }
        for name in before.iter().filter(|name| !now.contains(name)) {
            log::info!("connect: {name} is not connected again once it is down");
        }
    }

    /// These are the nodes that `by` wants from now on, in place of those it wanted before. Those that can never be connected to come back, each with the
    /// reason.
    pub(super) fn want(&mut self, by: By, names: &[String], node: &mut Node<'_>) -> Vec<(String, Error)> {
        let bit = by as u8;
        self.wanted.iter_mut().for_each(|peer| peer.by &= !bit);
        let mut refused = Vec::new();
        for name in names {
            let name = with_host(name, node);
            if let Some(peer) = self.find(&name) {
                peer.by |= bit;
                continue;
            }
            let at = State::Waiting(Instant::now());
            let mut peer = Wanted { name, by: bit, state: at, wait: RETRY.0, said: None };
            match peer.connect(node) {
                Ok(has_room) => {
                    if !has_room {
                        self.tell_room(&peer.name);
                    }
                    self.wanted.push(peer);
                }
                Err(e) => refused.push((peer.name, e)),
            }
        }
        self.forget();
        refused
    }

    /// A node is there, new or anew: it is not waited for any longer.
    pub(super) fn is_there(&mut self, name: &str) {
        let Some(peer) = self.find(name) else { return };
        match &mut peer.state {
            State::Up(_) => {}
            State::Trying { again } => *again = true,
            State::Waiting(at) => {
                *at = Instant::now();
                peer.wait = RETRY.0;
            }
        }
    }

    /// Takes note of what happened. Whether nothing is left to be said of it.
    pub(super) fn handle(&mut self, event: &Event) -> bool {
        let told = match event {
            Event::NodeUp { node, .. } => {
                if let Some(peer) = self.find(node.as_str()) {
                    peer.state = State::Up(Instant::now());
                    peer.said = None;
                }
                false
            }
            Event::NodeDown { node, .. } => {
                self.is_full = false;
                if let Some(peer) = self.find(node.as_str()) {
                    if matches!(peer.state, State::Up(since) if since.elapsed() >= LASTED) {
                        peer.wait = RETRY.0;
                    }
                    peer.later();
                }
                false
            }
            Event::ConnectFailed { node, reason } => self.failed(node, *reason),
            Event::Missed(_) => {
                // one of them may have gone down meanwhile; asking for one that is up does nothing
                self.wanted.iter_mut().filter(|peer| !matches!(peer.state, State::Waiting(_))).for_each(Wanted::later);
                false
            }
            _ => return false,
        };
        self.forget();
        told
    }

    /// A try came to nothing: says so, if that is new.
    fn failed(&mut self, node: &NodeName, reason: Reason) -> bool {
        let Some(peer) = self.find(node.as_str()) else { return false };
        // who is sent something is tried then, too
        if matches!(peer.state, State::Up(_)) {
            return true;
        }
        let before = peer.said.replace(reason);
        if let State::Trying { again } = peer.state {
            peer.later();
            if again {
                peer.wait = RETRY.0;
                peer.state = State::Waiting(Instant::now());
            }
        }
        // nobody wants to know any more what became of one that nobody wants
        let is_news = peer.by != 0 && before.is_none_or(|before| !is_alike(before, reason));
        if is_news && reason == Reason::Full {
            self.tell_room(node.as_str());
        } else if is_news {
            log::warn!("cannot connect to {node}, trying again: {reason}");
        }
        true
    }

    /// Lets go of those that nobody wants, except for one that is being tried: what comes of that is its own.
    fn forget(&mut self) {
        self.wanted.retain(|peer| peer.by != 0 || matches!(peer.state, State::Trying { .. }));
    }

    fn find(&mut self, name: &str) -> Option<&mut Wanted> {
        self.wanted.iter_mut().find(|peer| peer.name == name)
    }

    fn names(&self, by: By) -> Vec<String> {
        self.wanted.iter().filter(|peer| peer.by & by as u8 != 0).map(|peer| peer.name.clone()).collect()
    }

    /// When the next try is due.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let due = |peer: &Wanted| if let State::Waiting(at) = peer.state { Some(at) } else { None };
        self.wanted.iter().filter_map(due).min()
    }

    /// Tries again what is due.
    pub(super) fn turn(&mut self, node: &mut Node<'_>) {
        let now = Instant::now();
        let mut no_room = None;
        for peer in self.wanted.iter_mut().filter(|peer| matches!(peer.state, State::Waiting(at) if at <= now)) {
            match peer.connect(node) {
                Ok(true) => {}
                Ok(false) => no_room = Some(peer.name.clone()),
                // it could be connected to before
                Err(_) => peer.later(),
            }
        }
        if let Some(name) = no_room {
            self.tell_room(&name);
        }
    }

    /// There is no room for this node, nor for any other.
    fn tell_room(&mut self, name: &str) {
        if !core::mem::replace(&mut self.is_full, true) {
            log::warn!("no room to connect to {name}: all places for nodes are taken; give the agent more of them, with sizes.nodes");
        }
    }
}

/// Why a setting names a node in vain.
pub(super) fn refusal(key: &str, name: &str, error: &Error) -> String {
    match error {
        Error::Misuse(Misuse::OwnNode) => format!("{key} {name}: that is this node, and a node does not connect to itself"),
        e => format!("{key} {}: {e}", name.escape_debug()),
    }
}

/// A node without a host is on this one.
pub(super) fn with_host(name: &str, node: &Node<'_>) -> String {
    match node.name() {
        Some(own) if !name.contains('@') => format!("{name}@{}", own.host()),
        _ => name.to_owned(),
    }
}

/// A little less than a wait, by chance: from three quarters of it to nearly all.
pub(super) fn jittered(wait: Duration) -> Duration {
    let chance = getrandom::u32().map_or(0, |random| random % 192);
    wait.saturating_mul(1008_u32.saturating_sub(chance)).checked_div(1024).unwrap_or(wait)
}

/// So long from now on.
pub(super) fn after(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait).unwrap_or(now)
}

fn is_up(node: &Node<'_>, name: &str) -> bool {
    node.peers().any(|peer| peer.name.as_str() == name)
}

/// Whether the node is there, and will not have this one.
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

/// Whether one reason says no more than the other: a host that is off does not answer in one way now and in another later.
fn is_alike(one: Reason, other: Reason) -> bool {
    let is_silence =
        |reason| matches!(reason, Reason::Timeout | Reason::Network(NetworkFault::TimedOut | NetworkFault::Unreachable));
    one == other || is_silence(one) && is_silence(other)
}
