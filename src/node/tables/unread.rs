//! The mailboxes with something that the program has not been shown yet, in turn, at a cost that does not grow with how many there are.
//!
//! A mailbox with something in it stands in one of two queues, or in neither once the program was shown it and left it:
//! * `ready`: something came since it was last shown, or the program took something and more is left;
//! * `aside`: the program put its oldest message back, until a peer has taken something of what waits for it.

use super::inbox::Inbox;
use crate::storage::queue::{Queue, Queued, Turn};
use crate::storage::slots::{Key, Table};

impl Queued for Inbox {
    #[inline]
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }
}

/// The mailboxes that the program is to be shown.
#[derive(Debug)]
pub(crate) struct Unread {
    ready: Queue,
    aside: Queue,
    /// Those that have ended, and owe somebody the news.
    pub(crate) ended: Queue,
    /// Counts the waits of whoever moves the bytes. A mailbox that became ready in an earlier one was shown, if perhaps left.
    pub(crate) round: u64,
    /// The number of mailboxes that became ready in this round.
    fresh: u16,
    /// True if the program asked for mailboxes since it was last shown them: those that it was not given are still to be shown.
    polled: bool,
}

/// No mailbox.
pub(crate) const NO_MAILBOX: Key = Key { index: u16::MAX, generation: 0 };

impl Unread {
    pub(crate) const NONE: Self =
        Self { ready: Queue::new(0), aside: Queue::new(1), ended: Queue::new(2), round: 1, fresh: 0, polled: false };

    /// Notes that something is in this mailbox that the program has not been shown.
    pub(crate) fn came(&mut self, table: &mut Table<'_, Inbox>, index: u16) {
        let Some(inbox) = table.tenant_mut(index).filter(|inbox| inbox.round != self.round) else { return };
        inbox.round = self.round;
        self.fresh = self.fresh.saturating_add(1);
        let turn = inbox.turn;
        if !self.ready.has(turn) {
            self.aside.remove(table, index);
            self.ready.push(table, index);
        }
    }

    /// Notes that the mailbox is empty, or has ended.
    pub(crate) fn gone(&mut self, table: &mut Table<'_, Inbox>, index: u16) {
        let Some(inbox) = table.tenant_mut(index) else { return };
        if core::mem::take(&mut inbox.round) == self.round {
            self.fresh = self.fresh.saturating_sub(1);
        }
        self.ready.remove(table, index);
        self.aside.remove(table, index);
    }

    /// Notes that the oldest message of the mailbox was put back.
    pub(crate) fn set_aside(&mut self, table: &mut Table<'_, Inbox>, index: u16) {
        self.gone(table, index);
        self.aside.push(table, index);
    }

    /// Notes that there is room for what was put back: it is to be shown again.
    pub(crate) fn retry(&mut self, table: &mut Table<'_, Inbox>) {
        while let Some(index) = self.aside.pop(table) {
            self.came(table, index);
        }
    }

    /// Takes the next mailbox, first come first served, which counts as shown.
    pub(crate) fn poll(&mut self, table: &mut Table<'_, Inbox>) -> Option<Key> {
        let index = self.ready.pop(table)?;
        self.gone(table, index);
        self.polled = true;
        table.key_at(index)
    }

    /// Returns true if something became ready since the last call; all that is ready counts as shown.
    #[inline]
    pub(crate) fn wake(&mut self) -> bool {
        self.round = self.round.wrapping_add(1);
        let more = core::mem::take(&mut self.polled) && !self.ready.is_empty();
        core::mem::take(&mut self.fresh) > 0 || more
    }
}
