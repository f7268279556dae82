//! The beginnings of connections: ours, and places for those of others.

use super::node::{Connection, Node};
use crate::error::{Error, Full, Reason};
use crate::node::tables::half_open::{DIALS, HalfOpen, Progress, oldest_caller};
use crate::node::tables::links::Phase;
use crate::storage::slots::Key;
use crate::time::Instant;
use crate::wire::ids::NodeName;

impl Node<'_> {
    /// Begins the connections that something waits for which was sent, and gives up on those that came to nothing.
    pub(in crate::node) fn tend_opening(&mut self) {
        for index in self.core.links.table.indexes() {
            let Some(key) = self.core.links.table.key_at(index) else { continue };
            let Some(link) = self.core.links.table.at(key) else { continue };
            let Phase::Opening { dialled } = link.phase else { continue };
            let peer = link.name.clone();
            if self.outgoing(&peer).is_some() {
                self.set_dialled(key);
            } else if dialled {
                self.down(key, Reason::ClosedByUs);
            } else if self.begin_dial(peer).is_ok() {
                self.set_dialled(key);
            }
        }
    }

    fn set_dialled(&mut self, key: Key) {
        if let Some(link) = self.core.links.table.at_mut(key) {
            link.phase = Phase::Opening { dialled: true };
        }
    }

    /// Begins an attempt at connecting to a node.
    pub(in crate::node) fn begin_dial(&mut self, peer: NodeName) -> Result<(), Error> {
        if self.half_open.tenants().filter(|(_, half)| !half.inbound).count() >= DIALS {
            return Err(Full::Dials.into());
        }
        // its time begins when the driver takes it
        let half = HalfOpen::new(Progress::Dial { peer, told: false }, false, Instant::from_millis(u64::MAX));
        self.begin(half).map(|_| ()).ok_or(Full::Dials.into())
    }

    /// Finds a place for a new handshake, that of the oldest unproven caller if need be.
    pub(in crate::node) fn begin(&mut self, half: HalfOpen) -> Option<Connection> {
        self.begun = self.begun.wrapping_add(1);
        let half = HalfOpen { number: self.begun, ..half };
        if !self.half_open.has_room() {
            let oldest = oldest_caller(&self.half_open)?;
            self.give_up(oldest, Reason::Crowded);
            self.half_open.remove(oldest);
        }
        let key = self.half_open.insert(half).ok()?;
        Some(Connection { key, up: false })
    }

    /// Returns true if this node is connecting here.
    pub(in crate::node) fn incoming(&self, peer: &NodeName) -> bool {
        self.half_open.find(|half| half.inbound && half.peer() == Some(peer)).is_some()
    }

    /// Returns our own attempt at connecting to this node, if one is under way.
    pub(in crate::node) fn outgoing(&self, peer: &NodeName) -> Option<Key> {
        self.half_open.find(|half| !half.inbound && half.peer() == Some(peer))
    }
}
