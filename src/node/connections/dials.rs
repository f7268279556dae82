//! The beginnings of connections: ours, and places for those of others.

use super::node::Node;
use crate::error::{Error, Full, Reason};
use crate::node::tables::half_open::{Asker, HalfOpen, Progress, dials};
use crate::storage::slots::Key;
use crate::wire::handshake::Refusal;
use crate::wire::ids::NodeName;

impl Node<'_> {
    /// Begins the connections that something waits for which was sent, the one that has waited longest first.
    #[inline]
    pub(in crate::node) fn tend_opening(&mut self) {
        if !self.core.far.ledger.unseen.is_empty() || !self.core.far.ledger.opening.is_empty() {
            self.begin_opening();
        }
    }

    #[cold]
    fn begin_opening(&mut self) {
        while let Some(index) = self.core.far.ledger.unseen.pop(&mut self.core.far.links.table) {
            let Some((key, peer)) = self.opening(index) else { continue };
            match self.outgoing(&peer) {
                Some(attempt) => {
                    if let Some(half) = self.half_open.at_mut(attempt) {
                        half.asker = Asker::Sender;
                    }
                }
                None => self.core.far.ledger.opening.push(&mut self.core.far.links.table, key.index),
            }
        }
        while let Some(index) = self.core.far.ledger.opening.first() {
            if let Some((_, peer)) = self.opening(index) {
                if self.begin_dial(peer, Asker::Sender).is_err() {
                    return;
                }
            }
            self.core.far.ledger.opening.remove(&mut self.core.far.links.table, index);
        }
    }

    fn opening(&self, index: u16) -> Option<(Key, NodeName)> {
        let key = self.core.far.links.table.key_at(index)?;
        self.core.name(key).map(|name| (key, name))
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
        let half = HalfOpen::dial(Progress::Dial { peer, told: false, securing: false }, asker);
        self.half_open.insert(half).ok_or(Full::Dials)?;
        self.half_open.has_new = true;
        Ok(())
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
