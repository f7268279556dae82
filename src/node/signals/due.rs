//! Things that are due by themselves: to mailboxes when a connection is lost or a time has passed, and to peers once there is room.

use super::exits::Cause;
use crate::node::core::release::free_gone;
use crate::node::core::state::{Core, Routed};
use crate::node::forms::atoms::NOCONNECTION;
use crate::node::tables::handles::Mailbox;
use crate::node::tables::requests::{Asked, Limit, Outcome, Stage};
use crate::node::tables::ties::{Owner, WatchKind};
use crate::storage::slots::Key;
use crate::time::Instant;

impl Core<'_> {
    /// Tells everything here that is tied to processes of a peer whose connection is no more, as far as there is room in mailboxes.
    pub(crate) fn connection_lost(&mut self, peer: Key) {
        for index in self.watches.indexes() {
            let Some(at) = self.watches.key_at(index) else { continue };
            let Some(watch) = self.watches.at(at).copied().filter(|w| w.peer == peer) else { continue };
            match (watch.kind, watch.owner) {
                (WatchKind::Link, Owner::Mailbox(key)) if self.inboxes.get(Mailbox(key)).is_ok() => {
                    if let Some(entry) = self.watches.at_mut(at) {
                        entry.kind = WatchKind::Lost;
                        self.counters.due = self.counters.due.saturating_add(1);
                    }
                }
                (WatchKind::Lost, _) => {}
                // whoever waited for a function, or for the end of a mailbox that has ended, is gone
                (WatchKind::Link | WatchKind::Unlinking(_) | WatchKind::Monitor { .. }, _) => {
                    self.remove_watch(at);
                }
            }
        }
        self.requests_lost(peer);
        self.tell_lost();
        // mailboxes that ended may owe nothing any more
        self.flow.pay |= self.flow.owing;
        // what was put back may have waited for this peer
        self.flow.retry |= core::mem::take(&mut self.flow.put_back);
    }

    /// Brings what is due to mailboxes, as far as they have room: broken links, and answers that this node knows by itself.
    pub(crate) fn tell_lost(&mut self) {
        if self.counters.due == 0 {
            return;
        }
        for index in self.watches.indexes() {
            let Some(at) = self.watches.key_at(index) else { continue };
            let Some(watch) = self.watches.at(at).copied().filter(|w| w.kind == WatchKind::Lost) else { continue };
            let Some(node) = self.name(watch.peer) else { continue };
            // taken out first: the mailbox may end by it, and tells nobody who is not there any more
            self.remove_watch(at);
            self.counters.due = self.counters.due.saturating_sub(1);
            if let Routed::Stalled(_) = self.exit_signal(watch.owner, watch.pid.on(node.as_atom()), NOCONNECTION, Cause::Lost) {
                self.counters.due = self.counters.due.saturating_add(1);
                // into the place that was just freed
                self.add_watch(watch);
            }
        }
        self.answer_due();
        free_gone(&mut self.links, &self.watches, &self.requests);
    }

    /// Returns when the next request has waited long enough.
    pub(crate) fn next_limit(&self) -> Option<Instant> {
        let limit = |request: &Asked| match (request.limit, request.state) {
            (Limit::At(at), Stage::Waiting) => Some(at),
            (Limit::In(_), Stage::Waiting) | (_, Stage::Refused) => Some(Instant::from_millis(0)),
            _ => None,
        };
        self.requests.tenants().filter_map(|(_, request)| limit(request)).min()
    }

    /// Ends the requests that have waited long enough.
    pub(crate) fn expire(&mut self, now: Instant) {
        let mut expired = false;
        for (_, request) in self.requests.tenants_mut() {
            let outcome = match (request.state, request.limit) {
                (Stage::Refused, _) => Outcome::NotSupported,
                (Stage::Waiting, Limit::At(at)) if at <= now => Outcome::Timeout,
                (Stage::Waiting, Limit::In(time)) => {
                    request.limit = Limit::At(now.after(time));
                    continue;
                }
                _ => continue,
            };
            request.state = Stage::Due(outcome);
            self.counters.due = self.counters.due.saturating_add(1);
            expired = true;
        }
        if expired {
            self.tell_lost();
        }
    }

    /// Pays what is owed to peers, as far as there is room.
    pub(crate) fn pay(&mut self) {
        self.flow.owing = false;
        for index in self.requests.indexes() {
            let Some(key) = self.requests.key_at(index) else { continue };
            if self.requests.at(key).is_some_and(|request| request.state == Stage::Leaving) {
                self.leave(key);
            }
        }
        self.pay_the_rest();
        for index in self.inboxes.table.indexes() {
            let Some(key) = self.inboxes.table.key_at(index) else { continue };
            if self.inboxes.table.at(key).is_some_and(|inbox| inbox.ended.is_some()) {
                self.pay_for_mailbox(key);
            }
        }
    }
}
