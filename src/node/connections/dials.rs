//! The beginnings of connections: ours, and places for those of others.

use super::node::Node;
use crate::error::{Error, Full, Reason};
use crate::node::tables::half_open::{Asker, HalfOpen, Progress, dials};
use crate::node::tables::links::Phase;
use crate::storage::slots::Key;
use crate::wire::handshake::Refusal;
use crate::wire::ids::NodeName;

impl Node<'_> {
    /// Begins the connections that something waits for which was sent, the one that has waited longest first, and gives up on those that came
    /// to nothing.
    pub(in crate::node) fn tend_opening(&mut self) {
        for index in self.core.links.table.indexes() {
            let Some(key) = self.core.links.table.key_at(index) else { continue };
            let Some(link) = self.core.links.table.at_mut(key) else { continue };
            let Phase::Opening { dialled } = link.phase else { continue };
            if link.turn == 0 {
                self.turns = self.turns.wrapping_add(1).max(1);
                link.turn = self.turns;
            }
            let peer = link.name.clone();
            if let Some(attempt) = self.outgoing(&peer) {
                if let Some(half) = self.half_open.at_mut(attempt) {
                    half.asker = Asker::Sender;
                }
                self.set_dialled(key);
            } else if dialled {
                self.down(key, Reason::ClosedByUs);
            }
        }
        while let Some((key, peer)) = self.next_opening() {
            if self.begin_dial(peer, Asker::Sender).is_err() {
                return;
            }
            self.set_dialled(key);
        }
    }

    /// Returns the connection that has waited longest for its turn.
    fn next_opening(&self) -> Option<(Key, NodeName)> {
        let waiting = self.core.links.table.tenants().filter(|(_, link)| link.phase == Phase::Opening { dialled: false });
        let first = waiting.max_by_key(|(_, link)| self.turns.wrapping_sub(link.turn))?;
        Some((first.0, first.1.name.clone()))
    }

    fn set_dialled(&mut self, key: Key) {
        if let Some(link) = self.core.links.table.at_mut(key) {
            link.phase = Phase::Opening { dialled: true };
        }
    }

    /// Begins an attempt at connecting to a node.
    pub(in crate::node) fn begin_dial(&mut self, peer: NodeName, asker: Asker) -> Result<(), Error> {
        let all = dials(self.half_open.capacity());
        let ours = || self.half_open.tenants().map(|(_, half)| half).filter(|half| !half.inbound);
        // those who wait with something to be sent need not ask again, and would always come first
        let most = all.saturating_sub(all / 4);
        let is_over = asker == Asker::Sender && ours().filter(|half| half.asker == Asker::Sender).count() >= most;
        if is_over || ours().count() >= all {
            self.dial_waits = true;
            return Err(Full::Dials.into());
        }
        self.dial_waits = false;
        // its time begins when the driver takes it
        let half = HalfOpen::dial(Progress::Dial { peer, told: false }, asker);
        self.half_open.insert(half).map(|_| ()).ok_or(Full::Dials.into())
    }

    /// Ends the handshake of a caller whose place another takes. Returns false while the place is kept for the word to be sent: to a caller that
    /// gave its name, since one that may be sending its proof just now would take the end for an answer to that.
    pub(in crate::node) fn throw_out(&mut self, caller: Key) -> bool {
        let Some(half) = self.half_open.at_mut(caller) else { return true };
        let is_told = half.is_shaking() && half.caller.is_some();
        if is_told {
            half.writing(|out| Refusal::Crowded.put(out));
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
