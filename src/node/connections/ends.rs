//! The ends of connections, and of handshakes that came to nothing.

use super::node::Node;
use crate::error::Reason;
use crate::node::config::AutoConnect;
use crate::node::tables::event::Event;
use crate::node::tables::half_open::{HalfOpen, Progress};
use crate::node::tables::links::Phase;
use crate::storage::slots::Key;
use crate::wire::ids::NodeName;

impl Node<'_> {
    /// Ends a connection that is no more.
    pub(in crate::node) fn down(&mut self, key: Key, reason: Reason) {
        self.core.no_more_waits(key);
        // nothing is read from it any more, whatever it waited for
        self.core.dequeue(key);
        let Some(link) = self.core.far.links.table.at_mut(key) else { return };
        let phase = core::mem::replace(&mut link.phase, Phase::Gone);
        self.core.far.links.table.stir(key.index);
        match phase {
            Phase::Gone => return,
            Phase::Opening => {}
            // it was told when it began to close
            Phase::Closing => return self.core.peers().release(key),
            Phase::Up => {
                if let Some(node) = self.core.name(key) {
                    self.was_down(node, reason);
                }
            }
        }
        self.core.connection_lost(key);
        self.core.peers().release(key);
        self.name_lost(key);
    }

    /// Ends all other connections if the one at `key` was to the peer that gave this node its name: from now on that peer may give it to
    /// another node.
    fn name_lost(&mut self, key: Key) {
        if !self.core.identity.forget_name(key) {
            return;
        }
        while let Some(other) = self.half_open.find(HalfOpen::is_begun) {
            self.give_up(other, Reason::NameLost);
            self.half_open.remove(other);
        }
        for index in self.core.far.links.table.indexes() {
            if let Some(other) = self.core.far.links.table.key_at(index) {
                self.close_link(other, Reason::NameLost);
            }
        }
    }

    /// Ends every connection at once, and those that are being made: whoever moved their bytes is gone. What nobody has taken yet of what is to
    /// be dialled waits on.
    #[cfg(feature = "std")]
    pub(crate) fn lose_connections(&mut self) {
        while let Some(begun) = self.half_open.find(HalfOpen::is_begun) {
            self.give_up(begun, Reason::ClosedByUs);
            self.half_open.remove(begun);
        }
        for index in self.core.far.links.table.indexes() {
            let key = self.core.far.links.table.key_at(index);
            let is_carried = |key: &Key| self.core.far.links.table.at(*key).is_some_and(|link| link.phase != Phase::Opening);
            if let Some(key) = key.filter(is_carried) {
                self.down(key, Reason::ClosedByUs);
            }
        }
    }

    fn was_down(&mut self, node: NodeName, reason: Reason) {
        // one that this node let go of, for being idle or for its name, is made again
        let is_let_go = matches!(reason, Reason::Idle | Reason::NameLost);
        if self.core.identity.config.auto_connect == AutoConnect::Once && !is_let_go {
            self.past.add(&node);
        }
        self.core.events.push(Event::NodeDown { node, reason });
    }

    /// Closes a connection when what waits has been sent.
    pub(in crate::node) fn close_link(&mut self, key: Key, reason: Reason) {
        self.core.no_more_waits(key);
        let Some(link) = self.core.far.links.table.at_mut(key) else { return };
        if !link.is_up() {
            if matches!(link.phase, Phase::Opening) {
                let node = link.name.clone();
                self.down(key, reason);
                self.core.events.push(Event::ConnectFailed { node, reason });
            }
            return;
        }
        link.phase = Phase::Closing;
        let (node, done) = (link.name.clone(), link.sending.is_empty());
        self.core.dequeue(key);
        self.core.far.links.table.stir(key.index);
        self.was_down(node, reason);
        self.core.connection_lost(key);
        if done {
            self.core.peers().release(key);
        }
        self.name_lost(key);
    }

    /// Ends a handshake that came to nothing: says so, and closes once what the peer is told has been sent.
    pub(in crate::node) fn give_up(&mut self, key: Key, reason: Reason) {
        let Some(half) = self.half_open.at_mut(key) else { return };
        let node = half.peer().cloned().or_else(|| half.caller.take());
        let flushed = half.sending.is_empty();
        if !half.inbound && reason == Reason::Nok && !matches!(half.progress, Progress::Yielded { .. }) {
            if let Some(peer) = &node {
                // the peer's own connection is on its way; until it is here, or the time is up, this waits for it
                half.progress = Progress::Yielded { peer: peer.clone() };
                return;
            }
        }
        let reported = matches!(half.progress, Progress::Ending);
        half.progress = Progress::Ending;
        let inbound = half.inbound;
        if flushed {
            self.half_open.remove(key);
        }
        let news = match (inbound, node, reason) {
            _ if reported => None,
            // the other connection with this peer stands
            (false, None, _) | (_, _, Reason::Superseded) => None,
            (false, Some(node), reason) => Some(Event::ConnectFailed { node, reason }),
            // ours goes on, or the caller changed its mind
            (true, _, Reason::Nok | Reason::ClosedByPeer) => None,
            // somebody looked whether the port is open
            (true, None, Reason::Timeout | Reason::Crowded | Reason::Network(_)) => None,
            (true, node, reason) => Some(Event::Refused { node, reason }),
        };
        let Some(event) = news else { return log::debug!("handshake ended: {reason}") };
        let opening = if let Event::ConnectFailed { node, .. } = &event { self.core.far.links.find_opening(node) } else { None };
        self.core.events.push(event);
        if let Some(opening) = opening {
            // what waits for the connection is lost, and whatever is sent from now on waits for the next
            self.down(opening, Reason::ClosedByUs);
        }
    }
}
