//! Things that are due by themselves: to mailboxes when a connection is lost or a time has passed, and to peers once there is room.

use super::exits::Cause;
use crate::node::core::state::{Core, Routed};
use crate::node::forms::atoms::NOCONNECTION;
use crate::node::tables::handles::Mailbox;
use crate::node::tables::requests::{Limit, Outcome, Stage};
use crate::node::tables::ties::{Owner, WatchKind};
use crate::storage::slots::Key;
use crate::time::{Instant, Times};

impl Core<'_> {
    /// Tells everything here that is tied to processes of a peer whose connection is no more, as far as there is room in mailboxes.
    pub(crate) fn connection_lost(&mut self, peer: Key) {
        let (count, mut from) = (self.far.links.table.at(peer).map_or(0, |link| link.watches), 0);
        for _ in 0..count {
            let Some(at) = self.far.watches.table.next_from(from, |watch| watch.peer == peer) else { break };
            from = at.index.saturating_add(1);
            let Some(watch) = self.far.watches.at(at) else { break };
            match (watch.kind, watch.owner) {
                (WatchKind::Link | WatchKind::Again(_), Owner::Mailbox(key)) if self.inboxes.get(Mailbox(key)).is_ok() => {
                    self.peers().lose(at)
                }
                (WatchKind::Lost, _) => {}
                // whoever waited for a function, or for the end of a mailbox that has ended, is gone
                (WatchKind::Link | WatchKind::Again(_) | WatchKind::Unlinking(_) | WatchKind::Monitor { .. }, _) => {
                    self.remove_watch(at);
                }
            }
        }
        self.requests_lost(peer);
        self.cluster(|cluster, core| cluster.down(core, peer));
        self.tell_lost();
        // mailboxes that ended may owe nothing any more
        self.flow.pay |= self.flow.owing;
        // what was put back may have waited for this peer
        self.flow.retry |= core::mem::take(&mut self.flow.put_back);
    }

    /// Brings what is due to mailboxes, as far as they have room: broken links, and answers that this node knows by itself. Those that have
    /// none are not tried again until something is taken from one of them.
    #[inline]
    pub(crate) fn tell_lost(&mut self) {
        if self.far.ledger.news || self.flow.took {
            self.tell_due();
        }
    }

    #[cold]
    fn tell_due(&mut self) {
        self.put_aside();
        (self.far.ledger.news, self.flow.took) = (false, false);
        let mut at = self.far.ledger.lost.first();
        while let Some(index) = at {
            let next = self.far.ledger.lost.next(&mut self.far.watches.table, index);
            self.tell_link(index);
            // a mailbox that ended by it takes others of its own out: then all that are left have their turn
            let is_there =
                |next: &u16| self.far.watches.table.tenant(*next).is_some_and(|watch| self.far.ledger.lost.has(watch.turn));
            at = if next.is_some_and(|next| !is_there(&next)) { self.far.ledger.lost.first() } else { next };
        }
        self.answer_due();
    }

    /// Tells a mailbox that its link is broken.
    fn tell_link(&mut self, index: u16) {
        let Some(at) = self.far.watches.table.key_at(index) else { return };
        let Some(watch) = self.far.watches.at(at).copied() else { return };
        let Some(node) = self.name(watch.peer) else { return };
        // a mailbox that ends by it tells nobody who is not there any more
        if let Routed::Done = self.exit_signal(watch.owner, watch.pid.on(node.as_atom()), NOCONNECTION, Cause::Lost) {
            self.remove_watch(at);
        }
    }

    /// Returns when the next request has waited long enough.
    #[inline]
    pub(crate) fn next_limit(&self) -> Option<Instant> {
        if !self.far.ledger.fresh.is_empty() {
            return Some(Instant::from_millis(0));
        }
        match self.far.requests.table.tenant(self.far.requests.limits.first()?)?.limit {
            Limit::At(at) => Some(at),
            Limit::None | Limit::In(_) => None,
        }
    }

    /// Ends the requests that have waited long enough.
    pub(crate) fn expire(&mut self, times: Times) {
        while let Some(index) = self.far.ledger.fresh.pop(&mut self.far.requests.table) {
            let Some(key) = self.far.requests.table.key_at(index) else { continue };
            let Some(request) = self.far.requests.at_mut(key) else { continue };
            match (request.state, request.limit) {
                (Stage::Refused, _) => self.peers().set_stage(key, Stage::Due(Outcome::NotSupported)),
                (_, Limit::In(time)) => {
                    request.limit = Limit::At(times.now.after(time));
                    self.far.requests.limits.add(&mut self.far.requests.table, index);
                }
                _ => {}
            }
        }
        while self.next_limit().is_some_and(|at| at <= times.read) {
            let late = self.far.requests.limits.first().and_then(|index| self.far.requests.table.key_at(index));
            let Some(key) = late else { break };
            self.peers().set_stage(key, Stage::Due(Outcome::Timeout));
        }
        self.tell_lost();
    }

    /// Pays what is owed to peers, as far as there is room.
    pub(crate) fn pay(&mut self) {
        self.flow.owing = false;
        self.cluster(|cluster, core| {
            if cluster.book().waits {
                cluster.act(core, None)
            }
        });
        let mut at = self.far.ledger.leaving.first();
        while let Some(index) = at {
            at = self.far.ledger.leaving.next(&mut self.far.requests.table, index);
            if let Some(key) = self.far.requests.table.key_at(index) {
                self.leave(key);
            }
        }
        self.pay_the_rest();
        let mut at = self.inboxes.unread.ended.first();
        while let Some(index) = at {
            at = self.inboxes.unread.ended.next(&mut self.inboxes.table, index);
            if let Some(key) = self.inboxes.table.key_at(index) {
                self.pay_for_mailbox(key);
            }
        }
    }
}
