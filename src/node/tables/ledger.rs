//! What is kept beside the records: counts, and queues of those that something is to be done for.

use crate::storage::queue::Queue;
use crate::storage::slots::Key;
use crate::time::Instant;

/// Counts and queues of the connections, the ties and the requests.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// The last number given out.
    last: u64,
    /// The peer that something was sent to last, as long as it takes more.
    pub(crate) last_peer: Key,
    /// Calls under way, whose answers may come to the pid of a mailbox.
    pub(crate) calls: u32,
    /// Something became due since mailboxes were last tried.
    pub(crate) news: bool,
    /// Messages to an alias are among those whose heads are remembered.
    pub(crate) knows_alias: bool,
    /// Requests whose time is not counted from yet, and those that the peer does not understand.
    pub(crate) fresh: Queue,
    /// Requests whose outcome waits for room in the mailbox.
    pub(crate) due: Queue,
    /// Requests of which the peer is to be told that nobody waits any more.
    pub(crate) leaving: Queue,
    /// Broken links of which a mailbox that has no room is to be told.
    pub(crate) lost: Queue,
    /// Ties to what is here no more, of whose end the peer was not told yet.
    pub(crate) ended: Queue,
    /// Connections that are to be made, in the order in which something was sent to them: those that nobody has looked at, and those that
    /// wait for a place to be made from.
    pub(crate) unseen: Queue,
    pub(crate) opening: Queue,
    /// Connections that are held up. Of none of them is to be told before that time.
    pub(crate) stalled: Queue,
    pub(crate) tell_at: Instant,
}

impl Ledger {
    pub(crate) const NEW: Self = Self {
        last: 0,
        last_peer: Key { index: 0, generation: 0 },
        calls: 0,
        news: false,
        knows_alias: false,
        fresh: Queue::new(0),
        due: Queue::new(1),
        leaving: Queue::new(2),
        lost: Queue::new(0),
        ended: Queue::new(1),
        unseen: Queue::new(0),
        opening: Queue::new(1),
        stalled: Queue::new(2),
        tell_at: Instant::from_millis(0),
    };

    /// Returns a number that was never used: the first is 1.
    pub(crate) fn next(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }

    /// Returns true if something waits for room in a mailbox, and is to go there before anything else.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        !self.due.is_empty() || !self.lost.is_empty()
    }
}
