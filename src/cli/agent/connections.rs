//! The nodes to be connected to: those that the settings name, and those that are found.

use std::time::Instant;

use beamless::{Driver, Event, Node};

use super::config::Settings;
use super::discover::Discovery;
use super::gossip::Gossip;
use super::part::Part;
use super::peers::{By, Peers, Presence};
use crate::cli::outcome::Failure;

/// The connections that are wanted.
pub(super) struct Connections {
    peers: Peers,
    discovery: Discovery,
    gossip: Gossip,
}

impl Connections {
    /// Begins to connect to the nodes that the settings name.
    pub(super) fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        Ok(Self { peers: Peers::new(settings, node)?, discovery: Discovery::new(settings)?, gossip: Gossip::new(settings) })
    }

    /// Begins to connect where the node's name had to be registered first.
    pub(super) fn release(&mut self) {
        self.peers.release();
    }

    /// Connects to the nodes that programs publish to.
    pub(super) fn want_for_programs(&mut self, nodes: &[String], node: &mut Node<'_>) {
        for (name, e) in self.peers.want(By::Program, nodes, node) {
            log::warn!("{name}: {e}");
        }
    }

    /// Returns the nodes that are wanted, and how each of them is.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (&str, Presence)> + Clone {
        self.peers.presences()
    }

    /// Returns the hosts whose nodes are to be connected and that do not say which these are, and since when.
    pub(super) fn silent(&self) -> impl Iterator<Item = (&str, Instant)> {
        self.discovery.silent()
    }

    /// Takes note that a heartbeat of another node came.
    pub(super) fn heartbeat_came(&mut self) {
        self.gossip.set_ready();
    }
}

impl Part for Connections {
    fn handle(&mut self, event: &Event, _node: &Node<'_>) -> bool {
        self.discovery.handle(event);
        self.gossip.handle(event);
        self.peers.handle(event)
    }

    fn turn(&mut self, node: &mut Node<'_>, driver: &Driver) {
        // who is due comes before those that are found now
        self.peers.turn(node);
        self.discovery.turn(&mut self.peers, node, driver);
        self.gossip.turn(&mut self.peers, node, driver);
    }

    fn next_wake(&self) -> Option<Instant> {
        [self.peers.next_wake(), self.discovery.next_wake(), self.gossip.next_wake()].into_iter().flatten().min()
    }

    fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        self.peers.apply(settings, node);
        self.discovery.apply(settings, &mut self.peers, node);
        self.gossip.apply(settings, &mut self.peers, node);
    }
}
