//! Mailboxes: where messages and signals wait.

use super::links::serial;
use super::memory::chunk_mut;
use super::message::{Handle, Kind, Message};
use crate::error::{Error, Full, Misuse};
use crate::storage::ring::Ring;
use crate::storage::slots::{Key, Table};
use crate::wire::cursor::Writer;
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// A handle on a mailbox, which is to Erlang a process: it has a pid, and a name if it was given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mailbox(pub(super) Key);

/// What happens to a message for a mailbox that is full. Exits, downs, answers and calls of functions are never dropped: where one is the
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

/// One mailbox.
pub(super) struct Inbox {
    /// Empty for a mailbox without a name.
    pub(super) name: heapless::String<255>,
    pub(super) ring: Ring,
    pub(super) overflow: Overflow,
    /// Messages and signals that came in.
    pub(super) received: u64,
    pub(super) dropped: u64,
    /// It was full and holds up a peer, or did before it was last empty.
    pub(super) held: bool,
    /// Exits of other processes come as messages, rather than end this one.
    pub(super) traps_exits: bool,
    /// It has ended, for a reason of this many bytes that stands where the messages were; its place is kept until everybody who is to
    /// be told has been.
    pub(super) ended: Option<usize>,
}

/// What goes into a mailbox.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    pub(super) kind: Kind,
    /// The encoded sender, or what stands in its place.
    pub(super) from: &'r [u8],
    /// What it is about; messages have none.
    pub(super) handle: Option<Handle>,
    pub(super) term: Term<'r>,
}

impl Inbox {
    /// Adds a message, if there is room for it.
    #[inline]
    fn put(&mut self, memory: &mut [u8], from: &[u8], term: &[u8]) -> bool {
        let Some(head) = Kind::Message.head(from) else { return false };
        let len = HEAD.saturating_add(from.len()).saturating_add(term.len());
        let Some(record) = self.ring.push(memory, len) else { return false };
        if let Some((start, rest)) = record.split_first_chunk_mut::<HEAD>() {
            if let Some((sender, payload)) = rest.split_at_mut_checked(from.len()) {
                *start = head;
                sender.copy_from_slice(from);
                payload.copy_from_slice(term);
            }
        }
        self.received = self.received.wrapping_add(1);
        true
    }

    /// Drops the oldest record, if that is a message.
    fn drops_oldest(&mut self, memory: &[u8]) -> bool {
        let before = self.ring;
        let is_message = |record| Message::peek(record).is_some_and(|(kind, _)| kind == Kind::Message);
        let dropped = self.ring.pop(memory).is_some_and(is_message);
        if !dropped {
            self.ring = before;
        }
        dropped
    }

    /// Adds a record of any kind, if there is room for it.
    fn put_any(&mut self, memory: &mut [u8], record: &Record<'_>) -> bool {
        let Some(head) = record.kind.head(record.from) else { return false };
        let handle = record.handle.map(Handle::to_bytes);
        let parts = [&head[..], record.from, handle.as_ref().map_or(&[][..], |bytes| bytes), record.term.as_bytes()];
        let len = parts.iter().fold(0_usize, |sum, part| sum.saturating_add(part.len()));
        let Some(mut room) = self.ring.push(memory, len) else { return false };
        for part in parts {
            let Some((place, rest)) = room.split_at_mut_checked(part.len()) else { return false };
            place.copy_from_slice(part);
            room = rest;
        }
        self.received = self.received.wrapping_add(1);
        true
    }
}

/// What became of a message.
pub(super) enum Delivery {
    Done,
    /// No room.
    Held,
    Dropped,
}

/// What is to go on once there is room.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flow {
    /// A mailbox or a transmit buffer has room: peers that were held up may go on.
    pub(super) resume: bool,
    /// The program put a message back: it waits for a peer to take what waits for it.
    pub(super) put_back: bool,
    /// A peer took something since: the program is to receive again.
    pub(super) wake: bool,
    /// Something is owed to a peer that its transmit buffer has no room for.
    pub(super) owing: bool,
    /// There is room since: pay.
    pub(super) pay: bool,
}

/// All mailboxes.
pub(super) struct Inboxes<'s> {
    pub(super) table: Table<'s, Inbox>,
    pub(super) rings: &'s mut [u8],
    pub(super) stride: usize,
}

/// Bytes of a record in front of the sender and the rest: its kind, and the sender's length.
const HEAD: usize = 2;

impl Inboxes<'_> {
    pub(super) fn register(&mut self, name: &str) -> Result<Key, Error> {
        if !name.is_empty() && self.find(Atom::from_str(name)).is_some() {
            return Err(Misuse::NameTaken.into());
        }
        let name = heapless::String::try_from(name).map_err(|_| Misuse::AtomTooLong)?;
        let inbox = Inbox {
            name,
            ring: Ring::EMPTY,
            overflow: Overflow::Hold,
            received: 0,
            dropped: 0,
            held: false,
            traps_exits: false,
            ended: None,
        };
        self.table.insert(inbox).map_err(|_| Full::Mailboxes.into())
    }

    /// The mailbox behind a handle.
    pub(super) fn get(&self, mailbox: Mailbox) -> Result<&Inbox, Misuse> {
        self.table.at(mailbox.0).filter(|inbox| inbox.ended.is_none()).ok_or(Misuse::NoMailbox)
    }

    /// As [`Inboxes::get`], to be changed.
    pub(super) fn get_mut(&mut self, mailbox: Mailbox) -> Result<&mut Inbox, Misuse> {
        self.table.at_mut(mailbox.0).filter(|inbox| inbox.ended.is_none()).ok_or(Misuse::NoMailbox)
    }

    /// The mailbox of this name.
    #[inline]
    pub(super) fn find(&self, name: Atom<'_>) -> Option<Key> {
        self.table.find(|inbox| name == *inbox.name.as_str() && inbox.ended.is_none() && !inbox.name.is_empty())
    }

    /// The mailbox with this pid, which is known to be of this node.
    #[inline]
    pub(super) fn by_pid(&self, pid: Pid<'_>) -> Option<Key> {
        let index = u16::try_from(pid.id.checked_sub(1)?).ok()?;
        let key = self.table.key_at(index).filter(|key| serial(*key) == pid.serial)?;
        self.table.at(key).is_some_and(|inbox| inbox.ended.is_none()).then_some(key)
    }

    /// Copies a message into its mailbox: the one copy it makes on its way.
    pub(super) fn deliver(&mut self, key: Key, record: &Record<'_>) -> Delivery {
        let Some(inbox) = self.table.at_mut(key).filter(|inbox| inbox.ended.is_none()) else { return Delivery::Dropped };
        let memory = chunk_mut(self.rings, self.stride, key.index);
        loop {
            if inbox.put_any(memory, record) {
                return Delivery::Done;
            }
            let overflow = inbox.overflow;
            match overflow {
                Overflow::DropOldest if inbox.drops_oldest(memory) => inbox.dropped = inbox.dropped.saturating_add(1),
                Overflow::DropNewest if record.kind == Kind::Message => {
                    inbox.dropped = inbox.dropped.saturating_add(1);
                    return Delivery::Dropped;
                }
                // even an empty ring does not hold it
                _ if inbox.ring.is_empty() => {
                    inbox.dropped = inbox.dropped.saturating_add(1);
                    return Delivery::Dropped;
                }
                _ => {
                    inbox.held = true;
                    return Delivery::Held;
                }
            }
        }
    }

    /// Delivers a payload as it came. `false`: something about it wants a closer look, and nothing has happened.
    #[inline]
    pub(super) fn deliver_payload(&mut self, key: Key, from: &[u8], payload: &[u8]) -> bool {
        let Some(inbox) = self.table.at_mut(key) else { return false };
        if inbox.ended.is_some() {
            return false;
        }
        match Term::parse(payload) {
            Ok(term) => inbox.put(chunk_mut(self.rings, self.stride, key.index), from, term.as_bytes()),
            Err(_) => false,
        }
    }

    /// Takes the oldest message.
    #[inline]
    pub(super) fn recv<'m>(&'m mut self, key: Key, flow: &'m mut Flow) -> Option<Message<'m>> {
        let inbox = self.table.at_mut(key)?;
        if inbox.ended.is_some() {
            return None;
        }
        let ring: &'m [u8] = chunk_mut(self.rings, self.stride, key.index);
        let before = (inbox.ring, inbox.held, flow.resume);
        let record = inbox.ring.pop(ring)?;
        if inbox.held {
            flow.resume = true;
            inbox.held = !inbox.ring.is_empty();
        }
        Message::new(Mailbox(key), record, (&mut inbox.ring, &mut inbox.held, flow), before)
    }

    /// The kind and the handle of the oldest record.
    #[cfg(feature = "std")]
    pub(super) fn peek(&mut self, key: Key) -> Option<(Kind, Handle)> {
        let inbox = self.table.at(key)?;
        // a copy of the ring is read, so the record stays
        let mut ring = inbox.ring;
        Message::peek(ring.pop(chunk_mut(self.rings, self.stride, key.index))?)
    }

    /// Ends a mailbox: what waits in it is gone, and the reason takes its place. Only the names and the pid of a mailbox that ended
    /// matter from now on, to those who are told.
    pub(super) fn end(&mut self, key: Key, reason: &[u8]) {
        let Some(inbox) = self.table.at_mut(key) else { return };
        inbox.ring = Ring::EMPTY;
        inbox.held = false;
        if let Some(room) = chunk_mut(self.rings, self.stride, key.index).get_mut(..reason.len()) {
            room.copy_from_slice(reason);
            inbox.ended = Some(reason.len());
        }
    }

    /// As [`Inboxes::end`], with a reason that is written in place, and known to fit.
    pub(super) fn end_with<F>(&mut self, key: Key, write: F) -> Result<(), Misuse>
    where
        F: FnOnce(&mut Writer<'_>) -> Result<(), Misuse>,
    {
        let mut out = Writer::new(chunk_mut(self.rings, self.stride, key.index));
        write(&mut out)?;
        if let (Ok(len), Some(inbox)) = (out.finish(), self.table.at_mut(key)) {
            inbox.ring = Ring::EMPTY;
            inbox.held = false;
            inbox.ended = Some(len);
        }
        Ok(())
    }

    /// Why a mailbox ended.
    pub(super) fn reason(&self, key: Key) -> Option<Term<'_>> {
        let len = self.table.at(key)?.ended?;
        super::memory::chunk(self.rings, self.stride, key.index).get(..len).map(Term::trusted)
    }
}
