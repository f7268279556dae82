//! The nodes to be connected to for as long as the agent runs.

use std::time::{Duration, Instant};

use beamless::{Error, Event, Misuse, Node, Reason};

use crate::cli::Failure;

/// The first wait before a node is tried again, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// One of them.
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

/// All of them.
#[derive(Default)]
pub(super) struct Peers(Vec<Wanted>);

impl Peers {
    /// Begins to connect to these.
    pub(super) fn new(names: &[String], node: &mut Node<'_>) -> Result<Self, Failure> {
        let mut peers = Self::default();
        for name in names {
            let mut peer = Wanted::new(with_host(name, node));
            match node.connect(&peer.name) {
                Ok(()) => {}
                // more than can be tried at once
                Err(Error::Full(_)) => peer.later(),
                Err(Error::Misuse(Misuse::OwnNode)) => {
                    return Err(Failure::usage(format!(
                        "connect {}: that is this node, and a node does not connect to itself",
                        peer.name
                    )));
                }
                Err(e) => return Err(Failure::usage(format!("connect {}: {e}", peer.name))),
            }
            peers.0.push(peer);
        }
        Ok(peers)
    }

    /// Takes note of what happened. Whether that was said before.
    pub(super) fn handle(&mut self, event: &Event) -> bool {
        match event {
            Event::NodeUp { node, .. } => {
                if let Some(peer) = self.find(node.as_str()) {
                    *peer = Wanted::new(core::mem::take(&mut peer.name));
                }
            }
            // one of them may have gone down meanwhile; asking for one that is up does nothing
            Event::Missed(_) => self.0.iter_mut().filter(|peer| peer.at.is_none()).for_each(Wanted::later),
            Event::NodeDown { node, .. } => {
                if let Some(peer) = self.find(node.as_str()) {
                    peer.later();
                }
            }
            Event::ConnectFailed { node, reason } => {
                if let Some(peer) = self.find(node.as_str()) {
                    peer.later();
                    return peer.said.replace(*reason) == Some(*reason);
                }
            }
            _ => {}
        }
        false
    }

    fn find(&mut self, name: &str) -> Option<&mut Wanted> {
        self.0.iter_mut().find(|peer| peer.name == name)
    }

    /// When the next try is due.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.0.iter().filter_map(|peer| peer.at).min()
    }

    /// Tries again what is due.
    pub(super) fn turn(&mut self, node: &mut Node<'_>) {
        for peer in self.0.iter_mut().filter(|peer| peer.at.is_some_and(|at| at <= Instant::now())) {
            match node.connect(&peer.name) {
                Ok(()) => peer.at = None,
                // no room for another handshake now
                Err(_) => peer.later(),
            }
        }
    }
}

/// A node without a host is on this one.
pub(super) fn with_host(name: &str, node: &Node<'_>) -> String {
    match node.name() {
        Some(own) if !name.contains('@') => format!("{name}@{}", own.host()),
        _ => name.to_owned(),
    }
}
