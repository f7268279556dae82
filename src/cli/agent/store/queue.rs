//! What is known of a queue.

use std::collections::VecDeque;
use std::time::Instant;

use sha2::{Digest, Sha256};

use crate::cli::agent::spare::give_back;

/// Returns the queue for what has this name, which is made of parts: the same after a restart.
pub(in crate::cli::agent) fn queue(name: &[&str]) -> u64 {
    let mut hash = Sha256::new();
    for part in name {
        hash.update(part.len().to_le_bytes());
        hash.update(part);
    }
    hash.finalize().first_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// The bits of a name that tell apart what else has the same.
const ONE_OF: u64 = 0xffff;

/// Returns the queue for what has this name and is one of several: the same after a restart.
pub(in crate::cli::agent) fn queue_of(name: &[&str], one_of: &[&str]) -> u64 {
    (queue(name) & !ONE_OF) | (queue(one_of) & ONE_OF)
}

/// Returns this queue and the others that what has its name may have.
pub(in crate::cli::agent) fn alike(queue: u64) -> impl Iterator<Item = u64> {
    (0..=ONE_OF).map(move |more| (queue & !ONE_OF) | (queue.wrapping_add(more) & ONE_OF))
}

/// Returns true if both are for what has one name.
pub(in crate::cli::agent) fn are_alike(queue: u64, other: u64) -> bool {
    (queue ^ other) & !ONE_OF == 0
}

#[derive(Default)]
pub(super) struct Queue {
    /// The place of the last record.
    pub(super) last: u64,
    /// The place up to which all are acknowledged or dropped.
    pub(super) gone: u64,
    /// The log does not have all that was acknowledged.
    pub(super) is_behind: bool,
    pub(super) dropped: u64,
    /// It makes room before the others do.
    pub(super) is_first: bool,
    /// Those that are not known to be synced.
    pub(super) unsynced: VecDeque<Unsynced>,
    pub(super) reading: Reading,
    /// Reading failed: how often the disk was to blame, and when it is tried again.
    pub(super) failed: Option<(u32, Instant)>,
    /// Where the next record is: behind the one at this place, in this segment, there.
    pub(super) cursor: Option<[u64; 3]>,
}

pub(super) struct Unsynced {
    pub(super) place: u64,
    pub(super) ticket: u64,
    pub(super) payload: Vec<u8>,
}

#[derive(Default)]
pub(super) enum Reading {
    #[default]
    Nothing,
    /// What is behind this place is being read.
    Behind(u64),
    Done(u64, Vec<(u64, Vec<u8>)>),
}

/// The answer to [`Store::read`](super::Store::read).
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli::agent) enum Read {
    /// The next records, oldest first, each with its place; at least one.
    Records(Vec<(u64, Vec<u8>)>),
    /// They are being read: ask again after the next [`Store::turn`](super::Store::turn).
    Later,
    /// There are none.
    Nothing,
}

/// All queues, each with what it is called, in the order of that: there may be thousands, each of which is asked for whenever the loop turns.
#[derive(Default)]
pub(super) struct Queues {
    all: Vec<(u64, Queue)>,
    /// The last place that a forgotten one had. What of it is acknowledged may still stand in the log, or be there again after a power cut: what has its
    /// name later is behind that.
    pub(super) forgotten: u64,
}

impl Queues {
    pub(super) fn get(&self, id: u64) -> Option<&Queue> {
        self.place(id).ok().and_then(|place| self.all.get(place)).map(|(_, queue)| queue)
    }

    pub(super) fn get_mut(&mut self, id: u64) -> Option<&mut Queue> {
        self.place(id).ok().and_then(|place| self.all.get_mut(place)).map(|(_, queue)| queue)
    }

    /// Has this done to a queue, which is made if there is none.
    pub(super) fn change(&mut self, id: u64, change: impl FnOnce(&mut Queue)) {
        if let Err(place) = self.place(id) {
            self.all.insert(place, (id, Queue { last: self.forgotten, gone: self.forgotten, ..Queue::default() }));
        }
        self.get_mut(id).map(change);
    }

    /// Returns the place of a queue, or the one that it would have.
    fn place(&self, id: u64) -> Result<usize, usize> {
        self.all.binary_search_by_key(&id, |(its, _)| {
            #[cfg(test)]
            LOOKED_AT.with(|looks| looks.set(looks.get() + 1));
            *its
        })
    }

    /// Forgets all but these.
    pub(super) fn retain(&mut self, is_kept: impl Fn(u64, &Queue) -> bool) {
        let forgotten = &mut self.forgotten;
        self.all.retain(|(id, queue)| {
            let is_kept = is_kept(*id, queue);
            *forgotten = if is_kept { *forgotten } else { queue.last.max(*forgotten) };
            is_kept
        });
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &(u64, Queue)> {
        self.all.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut (u64, Queue)> {
        self.all.iter_mut()
    }
}

impl Queue {
    /// Takes note that all up to this place is acknowledged or dropped. Returns the bytes that do not wait any more to be synced.
    pub(super) fn are_gone(&mut self, up_to: u64) -> usize {
        self.gone = self.gone.max(up_to);
        let gone = self.gone;
        self.forget_unsynced(|record| record.place <= gone)
    }

    /// Takes note that all up to this ticket is synced. Returns as above.
    pub(super) fn are_synced(&mut self, ticket: u64) -> usize {
        self.forget_unsynced(|record| record.ticket <= ticket)
    }

    fn forget_unsynced(&mut self, is_it: impl Fn(&Unsynced) -> bool) -> usize {
        let mut bytes = 0_usize;
        while let Some(record) = self.unsynced.front().filter(|record| is_it(record)) {
            bytes = bytes.saturating_add(record.payload.len());
            self.unsynced.pop_front();
        }
        give_back(&mut self.unsynced);
        bytes
    }

    pub(super) fn unsynced_behind(&self, after: u64, most: usize) -> Read {
        let (mut bytes, mut count) = (0_usize, 0_usize);
        let records = self.unsynced.iter().filter(|record| record.place > after.max(self.gone)).take_while(|record| {
            let is_wanted = count == 0 || bytes < most;
            (bytes, count) = (bytes.saturating_add(record.payload.len()), count.saturating_add(1));
            is_wanted
        });
        let records: Vec<_> = records.map(|record| (record.place, record.payload.clone())).collect();
        if records.is_empty() { Read::Nothing } else { Read::Records(records) }
    }
}

#[cfg(test)]
thread_local! {
    /// How many queues were looked at.
    static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Returns how many queues were looked at to find some.
#[cfg(test)]
pub(in crate::cli::agent) fn looked_at() -> usize {
    LOOKED_AT.get()
}
