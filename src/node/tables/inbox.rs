//! One mailbox.

use super::handles::Handle;
use super::hashes;
use super::links::Links;
use super::record::{Kind, Record, front};
use super::shares::may_take;
use crate::storage::queue::Turn;
use crate::storage::ring::Ring;
use crate::storage::slots::Tenant;
use crate::wire::fixed::FixedStr;
use crate::wire::ids::Atom;

/// The fate of a message for a mailbox that is full. Exits, downs, answers and calls of functions are never dropped. Where one is the
/// oldest that waits, or the one that finds no room, the peer waits as with [`Overflow::Hold`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The peer is not read from until there is room: nothing is lost, and everything else that peer sends waits too.
    #[default]
    Hold,
    /// The new message is dropped and counted.
    DropNewest,
    /// The oldest messages are dropped and counted until the new one fits: for readings, of which the last counts.
    DropOldest,
}

/// A mailbox.
#[derive(Debug)]
pub(crate) struct Inbox {
    /// Empty for a mailbox without a name.
    pub(crate) name: FixedStr<255>,
    pub(crate) ring: Ring,
    pub(crate) overflow: Overflow,
    /// Messages and signals that came in.
    pub(crate) received: u64,
    pub(crate) dropped: u64,
    /// True if it was full and holds up a peer, or did before it was last empty.
    pub(crate) held: bool,
    /// Exits of other processes come as messages, rather than end this one.
    pub(crate) traps_exits: bool,
    /// System messages come as messages, rather than be answered in its place.
    pub(crate) takes_system: bool,
    /// It serves functions, or did.
    pub(crate) serves: bool,
    /// The number of bytes of the reason for which it has ended. The reason stands where the messages were. Its place is kept until
    /// everybody who is to be told has been.
    pub(crate) ended: Option<usize>,
    /// Its place among those that the program is to be shown, and the round since when.
    pub(crate) turn: Turn,
    pub(crate) round: u64,
}

impl Tenant for Inbox {
    fn hash(&self) -> Option<u32> {
        (self.ended.is_none() && !self.name.is_empty()).then(|| hashes::of_name(Atom::from_str(&self.name)))
    }
}

impl Inbox {
    /// Returns true if a peer that holds so much of all mailboxes may have `more` of this one, whose buffer has so many bytes. Of one that is
    /// not half full anybody may.
    #[inline]
    pub(crate) fn takes(&self, held: usize, more: usize, size: usize) -> bool {
        let free = self.ring.free(size);
        free > size / 2 || may_take(held, more, free)
    }

    /// Adds a record of so many bytes, made of these parts, if there is room for it.
    #[inline]
    pub(crate) fn put<const N: usize>(&mut self, memory: &mut [u8], len: usize, parts: [&[u8]; N]) -> bool {
        let Some(mut room) = self.ring.push(memory, len) else { return false };
        for part in parts {
            let Some((place, rest)) = room.split_at_mut_checked(part.len()) else { return false };
            place.copy_from_slice(part);
            room = rest;
        }
        self.received = self.received.wrapping_add(1);
        true
    }

    /// Drops the oldest record, if that is a message.
    pub(crate) fn drops_oldest(&mut self, memory: &[u8], links: &mut Links<'_>) -> bool {
        let before = self.ring;
        let is_message = |record: &[u8]| Record::read(record).is_some_and(|record| record.kind == Kind::Message);
        match self.ring.pop(memory).filter(|record| is_message(record)) {
            Some(record) => links.count_read(record),
            None => self.ring = before,
        }
        self.ring != before
    }

    /// Adds a record of any kind, if there is room for it.
    pub(crate) fn put_any(&mut self, memory: &mut [u8], record: &Record<'_>) -> bool {
        let Some(head) = front(record.kind, record.peer, record.from) else { return false };
        let handle = record.handle.map(Handle::to_bytes);
        self.put(
            memory,
            record.len(),
            [&head, record.from, handle.as_ref().map_or(&[][..], |bytes| bytes), record.term.as_bytes()],
        )
    }
}
