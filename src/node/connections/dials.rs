//! The beginnings of connections: ours, and places for those of others.

use super::node::Node;
use crate::error::{Error, Full, Reason};
use crate::node::tables::half_open::{DIALS, HalfOpen, Progress};
use crate::node::tables::links::Phase;
use crate::proto::handshake::put_thrown_out;
use crate::storage::slots::Key;
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
        let half = HalfOpen::dial(Progress::Dial { peer, told: false });
        if !self.half_open.has_room() {
            if let Some(caller) = self.half_open.least() {
                self.throw_out(caller);
                self.half_open.remove(caller);
            }
        }
        self.half_open.insert(half).map(|_| ()).ok_or(Full::Dials.into())
    }

    /// Ends the handshake of a caller whose place another takes. Returns false while the place is kept for the word to be sent: to a caller that
    /// gave its name, since one that may be sending its proof just now would take the end for an answer to that.
    pub(in crate::node) fn throw_out(&mut self, caller: Key) -> bool {
        let Some(half) = self.half_open.at_mut(caller) else { return true };
        let is_told = half.is_shaking() && half.caller.is_some();
        if is_told {
            half.writing(put_thrown_out);
        }
        self.give_up(caller, Reason::Crowded);
        if !is_told {
            self.half_open.remove(caller);
        }
        !is_told
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
