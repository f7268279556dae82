//! Bringing messages and signals to mailboxes.

use super::state::{Core, Routed};
use crate::node::tables::event::{Dropped, Event, Receiver};
use crate::node::tables::mailbox::Delivery;
use crate::node::tables::record::Record;
use crate::node::tables::requests::{Asked, Stage};
use crate::node::tables::shares;
use crate::node::tables::ties::{Owner, Watch, WatchKind};
use crate::storage::slots::Key;

impl Core<'_> {
    /// Copies a message into its mailbox, unless something else is to go there first.
    pub(crate) fn deliver(&mut self, inbox: Key, record: &Record<'_>) -> Delivery {
        if self.counters.due > 0 && self.is_due(inbox) {
            if let Some(inbox) = self.inboxes.table.at_mut(inbox) {
                inbox.held = true;
            }
            return Delivery::Held;
        }
        match self.inboxes.deliver(inbox, record, &mut self.links) {
            Delivery::Held if self.flow.waiting > 0 => self.make_room(inbox, record),
            delivery => delivery,
        }
    }

    /// Drops what waits for peers that do not take their answers, as far as they have more than their share, so that another's message finds
    /// room.
    #[cold]
    fn make_room(&mut self, inbox: Key, record: &Record<'_>) -> Delivery {
        while let Some((peer, job)) = self.inboxes.drop_waiting(inbox, &mut self.links) {
            if let Some(name) = self.inboxes.table.at(inbox).map(|inbox| inbox.name.clone()) {
                self.drop(peer, Receiver::Name(name), Dropped::MailboxFull);
            }
            // its caller is told that it has ended, as soon as there is room
            for (_, watch) in self.watches.tenants_mut().filter(|(_, watch)| watch.owner.is_job(job)) {
                watch.owner = Owner::Ended(job);
                self.flow.pay = true;
            }
            match self.inboxes.deliver(inbox, record, &mut self.links) {
                Delivery::Held => {}
                delivery => return delivery,
            }
        }
        Delivery::Held
    }

    /// Returns true if something waits for room in the mailbox already.
    fn is_due(&self, inbox: Key) -> bool {
        let lost = |watch: &Watch| watch.kind == WatchKind::Lost && watch.owner == Owner::Mailbox(inbox);
        let due = |request: &Asked| matches!(request.state, Stage::Due(_)) && request.mailbox == inbox;
        self.watches.find(lost).is_some() || self.requests.find(due).is_some()
    }

    /// Reports that a peer may have no more links and monitors, once until it has far fewer.
    #[cold]
    pub(crate) fn no_share(&mut self, peer: Key, to: Receiver) {
        if shares::is_news(&mut self.links, peer) {
            self.drop(peer, to, Dropped::WatchesFull);
        }
    }

    /// Reports that a message was not delivered.
    #[cold]
    pub(crate) fn drop(&mut self, peer: Key, to: Receiver, why: Dropped) -> Routed {
        if let Some(node) = self.name(peer) {
            self.events.push(Event::Dropped { node, to, why });
        }
        Routed::Done
    }
}
