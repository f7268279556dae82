//! Bringing messages and signals to mailboxes.

use super::state::{Core, Routed};
use crate::node::tables::event::{Dropped, Event, Receiver};
use crate::node::tables::mailbox::Delivery;
use crate::node::tables::record::Record;
use crate::node::tables::requests::{Asked, Stage};
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
        self.inboxes.deliver(inbox, record)
    }

    /// Returns true if something waits for room in the mailbox already.
    fn is_due(&self, inbox: Key) -> bool {
        let lost = |watch: &Watch| watch.kind == WatchKind::Lost && watch.owner == Owner::Mailbox(inbox);
        let due = |request: &Asked| matches!(request.state, Stage::Due(_)) && request.mailbox == inbox;
        self.watches.find(lost).is_some() || self.requests.find(due).is_some()
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
