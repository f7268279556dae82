//! Mailboxes: where messages wait, and how they are read.

use super::links::serial;
use super::memory::chunk_mut;
use crate::error::{Error, Full, Misuse};
use crate::storage::ring::Ring;
use crate::storage::slots::{Key, Table};
use crate::wire::ids::{Atom, Pid, Reference};
use crate::wire::term::Term;

/// A handle on a registered mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mailbox(pub(super) Key);

/// What happens to a message for a mailbox that is full.
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
    pub(super) name: heapless::String<255>,
    pub(super) ring: Ring,
    pub(super) overflow: Overflow,
    pub(super) dropped: u64,
    /// It was full and holds up a peer, or did before it was last empty.
    pub(super) held: bool,
}

impl Inbox {
    /// Adds a record, if there is room for it.
    #[inline]
    fn put(&mut self, memory: &mut [u8], from: &[u8], term: &[u8]) -> bool {
        let Ok(from_len) = u16::try_from(from.len()) else { return false };
        let len = SENDER_LEN.saturating_add(from.len()).saturating_add(term.len());
        let Some(record) = self.ring.push(memory, len) else { return false };
        if let Some((head, rest)) = record.split_first_chunk_mut::<SENDER_LEN>()
            && let Some((sender, payload)) = rest.split_at_mut_checked(from.len())
        {
            *head = from_len.to_le_bytes();
            sender.copy_from_slice(from);
            payload.copy_from_slice(term);
        }
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
}

/// All mailboxes.
pub(super) struct Inboxes<'s> {
    pub(super) table: Table<'s, Inbox>,
    pub(super) rings: &'s mut [u8],
    pub(super) stride: usize,
}

/// Bytes of a record in front of the sender's pid and the term: the length of the former.
const SENDER_LEN: usize = 2;

impl Inboxes<'_> {
    pub(super) fn register(&mut self, name: &str) -> Result<Key, Error> {
        if self.find(Atom::from_str(name)).is_some() {
            return Err(Misuse::NameTaken.into());
        }
        let name = heapless::String::try_from(name).map_err(|_| Misuse::AtomTooLong)?;
        let inbox = Inbox { name, ring: Ring::EMPTY, overflow: Overflow::Hold, dropped: 0, held: false };
        self.table.insert(inbox).map_err(|_| Full::Mailboxes.into())
    }

    /// The mailbox of this name.
    #[inline]
    pub(super) fn find(&self, name: Atom<'_>) -> Option<Key> {
        self.table.find(|inbox| name == *inbox.name.as_str())
    }

    /// The mailbox with this pid, which is known to be of this node.
    #[inline]
    pub(super) fn by_pid(&self, pid: Pid<'_>) -> Option<Key> {
        self.by_number(pid.id, pid.serial)
    }

    fn by_number(&self, id: u32, number: u32) -> Option<Key> {
        let index = u16::try_from(id.checked_sub(1)?).ok()?;
        let key = self.table.key_at(index)?;
        (serial(key) == number).then_some(key)
    }

    /// The mailbox with this alias, which is known to be of this node.
    pub(super) fn by_alias(&self, alias: Reference<'_>) -> Option<Key> {
        let mut words = alias.words();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(id), Some(number), Some(ALIAS_WORD), None) => self.by_number(id, number),
            _ => None,
        }
    }

    /// Copies a message into its mailbox: the one copy it makes on its way.
    pub(super) fn deliver(&mut self, key: Key, from: &[u8], term: &[u8]) -> Delivery {
        let Some(inbox) = self.table.at_mut(key) else { return Delivery::Dropped };
        let memory = chunk_mut(self.rings, self.stride, key.index);
        loop {
            if inbox.put(memory, from, term) {
                return Delivery::Done;
            }
            match inbox.overflow {
                Overflow::Hold => {
                    inbox.held = true;
                    return Delivery::Held;
                }
                Overflow::DropOldest if inbox.ring.pop(memory).is_some() => inbox.dropped = inbox.dropped.saturating_add(1),
                Overflow::DropOldest | Overflow::DropNewest => {
                    inbox.dropped = inbox.dropped.saturating_add(1);
                    return Delivery::Dropped;
                }
            }
        }
    }

    /// Delivers a payload as it came. `false`: something about it wants a closer look, and nothing has happened.
    #[inline]
    pub(super) fn deliver_payload(&mut self, key: Key, from: &[u8], payload: &[u8]) -> bool {
        let Some(inbox) = self.table.at_mut(key) else { return false };
        match Term::parse(payload) {
            Ok(term) => inbox.put(chunk_mut(self.rings, self.stride, key.index), from, term.as_bytes()),
            Err(_) => false,
        }
    }

    /// Takes the oldest message.
    #[inline]
    pub(super) fn recv<'m>(&'m mut self, key: Key, flow: &'m mut Flow) -> Option<Message<'m>> {
        let inbox = self.table.at_mut(key)?;
        let ring: &'m [u8] = chunk_mut(self.rings, self.stride, key.index);
        let before = (inbox.ring, inbox.held, flow.resume);
        let record = inbox.ring.pop(ring)?;
        if inbox.held {
            flow.resume = true;
            inbox.held = !inbox.ring.is_empty();
        }
        let (len, rest) = record.split_first_chunk::<SENDER_LEN>()?;
        let (sender, term) = rest.split_at_checked(u16::from_le_bytes(*len).into())?;
        Some(Message { sender, term: Term::trusted(term), now: (&mut inbox.ring, &mut inbox.held, flow), before })
    }
}

/// The third word of a mailbox's alias; references of other kinds have another.
pub(super) const ALIAS_WORD: u32 = 0;

/// A message, still where it was received. Dropping it is done with it; [`Message::put_back`] is not.
#[derive(Debug)]
pub struct Message<'m> {
    sender: &'m [u8],
    term: Term<'m>,
    /// The records, whether the mailbox holds a peer up, and whether peers may go on: as they are now, and as they were.
    now: (&'m mut Ring, &'m mut bool, &'m mut Flow),
    before: (Ring, bool, bool),
}

/// A `gen_server:call` that waits for its answer: give it with [`Outbox::reply`](crate::Outbox::reply).
#[derive(Debug, Clone, Copy)]
pub struct Call<'m> {
    /// The calling process.
    pub from: Pid<'m>,
    /// What the answer must carry for the caller to know it; its form is OTP's own affair.
    pub tag: Term<'m>,
    /// The request.
    pub request: Term<'m>,
}

impl<'m> Message<'m> {
    /// The message itself.
    #[inline]
    pub fn term(&self) -> Term<'m> {
        self.term
    }

    /// The process that sent it, if the peer told: every BEAM since OTP 21 does.
    pub fn sender(&self) -> Option<Pid<'m>> {
        Term::trusted(self.sender).as_pid()
    }

    /// The call, if the message is one: `{'$gen_call', {Pid, Tag}, Request}`.
    pub fn as_call(&self) -> Option<Call<'m>> {
        Call::of(self.term)
    }

    /// The request of a `gen_server:cast`: `{'$gen_cast', Request}`.
    pub fn as_cast(&self) -> Option<Term<'m>> {
        let [tag, request] = self.term.tuple()?;
        tag.is_atom("$gen_cast").then_some(request)
    }

    /// Leaves the message in its mailbox, as the next to be received: for when an answer does not fit the transmit
    /// buffer now. Poll before receiving again: the poll ends once a peer has taken something.
    pub fn put_back(self) {
        let (ring, held, flow) = self.now;
        (*ring, *held, flow.resume) = self.before;
        flow.put_back = true;
    }
}

impl<'m> Call<'m> {
    #[inline]
    pub(super) fn of(term: Term<'m>) -> Option<Self> {
        let [kind, caller, request] = term.tuple()?;
        if !kind.is_atom("$gen_call") {
            return None;
        }
        let [from, tag] = caller.tuple()?;
        Some(Self { from: from.as_pid()?, tag, request })
    }

    /// The alias the answer goes to: `Ref` of the tags `[alias|Ref]` and `[[alias|Ref]|_]`.
    pub(super) fn alias(&self) -> Option<Reference<'m>> {
        let mut outer = self.tag.as_list()?;
        let first = outer.next()?;
        if first.is_atom("alias") {
            return outer.tail()?.as_reference();
        }
        let mut inner = first.as_list()?;
        if inner.next()?.is_atom("alias") { inner.tail()?.as_reference() } else { None }
    }
}
