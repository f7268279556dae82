//! Mailboxes: where messages and signals wait.

use super::event::HeldBy;
#[cfg(feature = "std")]
use super::handles::Handle;
use super::handles::Mailbox;
use super::hashes;
use super::identity::serial;
use super::inbox::{Inbox, Overflow};
use super::links::{Links, Stall};
use super::record::{self, Kind, Record};
use super::requests::NO_PEER;
use super::shares::may_take;
use super::unread::{NO_MAILBOX, Unread};
use crate::error::{Error, Full, Misuse};
use crate::storage::buffers::Buffers;
use crate::storage::queue::Turn;
use crate::storage::ring::Ring;
use crate::storage::slots::{Key, Table};
use crate::wire::cursor::Writer;
use crate::wire::fixed::FixedStr;
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// The fate of a message.
pub(crate) enum Delivery {
    Done,
    /// No room.
    Held,
    Dropped,
}

/// The flags of what is to go on once there is room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flow {
    /// A mailbox or a transmit buffer has room: peers that were held up may go on.
    pub(crate) resume: bool,
    /// The program put a message back: it waits for a peer to take what waits for it.
    pub(crate) put_back: bool,
    /// The mailbox that something was taken from last, until it is settled what the program is to be shown of it.
    pub(crate) taken: Key,
    /// The same, unless there is something to look at before more is taken from it.
    pub(crate) quick: Key,
    /// Its records, whether it held a peer up, and whether peers might go on, before the last was taken.
    before: (Ring, bool, bool),
    /// The records that were in it when its message was put back, and how many had come.
    pub(crate) aside: Option<(Ring, u64)>,
    /// Something was taken from a mailbox that had no room: what is due may find some.
    pub(crate) took: bool,
    /// The peer of the message that was put back, and its bytes, until somebody has looked whether it waits for that peer.
    pub(crate) back: Option<(Key, usize)>,
    /// The number of peers whose messages wait until there is room for the answers.
    pub(crate) waiting: u16,
    /// A peer took something since: what was put back is to be shown again.
    pub(crate) retry: bool,
    /// True if there is room for what was refused.
    pub(crate) room: bool,
    /// Something is owed to a peer that its transmit buffer has no room for.
    pub(crate) owing: bool,
    /// True if there is room since: what is owed is to be paid.
    pub(crate) pay: bool,
}

impl Flow {
    pub(crate) const NONE: Self = Self {
        resume: false,
        put_back: false,
        taken: NO_MAILBOX,
        quick: NO_MAILBOX,
        before: (Ring::EMPTY, false, false),
        aside: None,
        took: false,
        back: None,
        waiting: 0,
        retry: false,
        room: false,
        owing: false,
        pay: false,
    };
}

/// A record that was taken out of its mailbox, and can be put back.
#[derive(Debug)]
pub(crate) struct Taken<'m> {
    pub(crate) record: &'m [u8],
    flow: &'m mut Flow,
}

impl Taken<'_> {
    /// Leaves it in its mailbox, where it was: before anything else is done there.
    pub(crate) fn put_back(self) {
        self.flow.quick = NO_MAILBOX;
        self.flow.put_back = true;
        self.flow.back = Some((record::peer(self.record).unwrap_or(NO_PEER), self.record.len()));
    }
}

/// The mailboxes.
pub(crate) struct Inboxes<'s> {
    pub(crate) table: Table<'s, Inbox>,
    pub(crate) rings: Buffers<'s>,
    pub(crate) unread: Unread,
}

impl Inbox {
    /// Notes that something was taken from it while it held a peer up, or had no room for what was due.
    #[cold]
    fn made_room(&mut self, flow: &mut Flow) {
        (flow.resume, flow.took, flow.quick) = (true, true, NO_MAILBOX);
        self.held = !self.ring.is_empty();
    }
}

impl Inboxes<'_> {
    pub(crate) fn register(&mut self, name: &str) -> Result<Key, Error> {
        if !name.is_empty() && self.find(Atom::from_str(name)).is_some() {
            return Err(Misuse::NameTaken.into());
        }
        let name = FixedStr::try_from(name).map_err(|_| Misuse::AtomTooLong)?;
        let inbox = Inbox {
            name,
            ring: Ring::EMPTY,
            overflow: Overflow::Hold,
            received: 0,
            dropped: 0,
            held: false,
            traps_exits: false,
            takes_system: false,
            serves: false,
            ended: None,
            turn: Turn::NONE,
            round: 0,
        };
        self.table.insert(inbox).map_err(|_| Full::Mailboxes.into())
    }

    /// Returns the mailbox behind a handle.
    pub(crate) fn get(&self, mailbox: Mailbox) -> Result<&Inbox, Misuse> {
        self.table.at(mailbox.0).filter(|inbox| inbox.ended.is_none()).ok_or(Misuse::NoMailbox)
    }

    /// Returns the mailbox behind a handle, to be changed.
    pub(crate) fn get_mut(&mut self, mailbox: Mailbox) -> Result<&mut Inbox, Misuse> {
        self.table.at_mut(mailbox.0).filter(|inbox| inbox.ended.is_none()).ok_or(Misuse::NoMailbox)
    }

    /// Finds the mailbox of this name.
    #[inline]
    pub(crate) fn find(&self, name: Atom<'_>) -> Option<Key> {
        self.table.find_hashed(hashes::of_name(name), |inbox| name == *inbox.name.as_str())
    }

    /// Finds the mailbox with this pid, which is known to be of this node.
    #[inline]
    pub(crate) fn by_pid(&self, pid: Pid<'_>) -> Option<Key> {
        let index = u16::try_from(pid.id.checked_sub(1)?).ok()?;
        let key = self.table.key_at(index).filter(|key| serial(*key) == pid.serial)?;
        self.table.at(key).is_some_and(|inbox| inbox.ended.is_none()).then_some(key)
    }

    /// Copies a message into its mailbox: the one copy it makes on its way.
    pub(crate) fn deliver(&mut self, key: Key, record: &Record<'_>, links: &mut Links<'_>) -> Delivery {
        let Some(inbox) = self.table.at_mut(key).filter(|inbox| inbox.ended.is_none()) else { return Delivery::Dropped };
        let memory = self.rings.at_mut(key.index);
        let held = links.table.at(record.peer).map_or(0, |link| link.unread);
        let takes = links.is_alone() || inbox.overflow == Overflow::DropOldest || inbox.takes(held, record.len(), memory.len());
        let delivery = loop {
            if takes && inbox.put_any(memory, record) {
                links.count_unread(record.peer, record.len());
                break Delivery::Done;
            }
            let overflow = inbox.overflow;
            match overflow {
                Overflow::DropOldest if inbox.drops_oldest(memory, links) => inbox.dropped = inbox.dropped.saturating_add(1),
                Overflow::DropNewest if record.kind == Kind::Message => {
                    inbox.dropped = inbox.dropped.saturating_add(1);
                    break Delivery::Dropped;
                }
                // even an empty ring does not hold it
                _ if inbox.ring.is_empty() => {
                    inbox.dropped = inbox.dropped.saturating_add(1);
                    break Delivery::Dropped;
                }
                _ => {
                    inbox.held = true;
                    break Delivery::Held;
                }
            }
        };
        match delivery {
            Delivery::Done => self.unread.came(&mut self.table, key.index),
            // the oldest may have been dropped for it
            Delivery::Dropped if inbox.ring.is_empty() => self.unread.gone(&mut self.table, key.index),
            Delivery::Dropped | Delivery::Held => {}
        }
        delivery
    }

    /// Takes the oldest record of the mailbox that was [made ready](Inboxes::settle) for it, while no peer's messages wait.
    #[inline]
    pub(crate) fn recv<'m>(
        &'m mut self,
        key: Key,
        flow: &'m mut Flow,
        links: &mut Links<'_>,
    ) -> Option<(Taken<'m>, &'m Table<'m, Inbox>)> {
        let inbox = self.table.at_mut(key)?;
        flow.before = (inbox.ring, inbox.held, flow.resume);
        let record = inbox.ring.pop(self.rings.at(key.index))?;
        links.count_read(record);
        if inbox.held {
            inbox.made_room(flow);
        }
        Some((Taken { record, flow }, &self.table))
    }

    /// Does the same while messages of some peers wait.
    #[cold]
    pub(crate) fn recv_others<'m>(
        &'m mut self,
        key: Key,
        flow: &'m mut Flow,
        links: &mut Links<'_>,
    ) -> Option<(Taken<'m>, &'m Table<'m, Inbox>)> {
        if self.only_waits(key, flow, links) {
            return None;
        }
        let inbox = self.table.at_mut(key)?;
        // what is taken from behind others is settled before the next is
        flow.quick = NO_MAILBOX;
        flow.before = (inbox.ring, inbox.held, flow.resume);
        let record = inbox.ring.take(self.rings.at(key.index), |record| !links.waits(record))?;
        links.count_read(record);
        if inbox.held {
            inbox.made_room(flow);
        }
        Some((Taken { record, flow }, &self.table))
    }

    /// Puts the record that was taken last back where it was.
    pub(crate) fn restore(&mut self, flow: &mut Flow) {
        let Some(inbox) = self.table.at_mut(flow.taken) else { return };
        (inbox.ring, inbox.held, flow.resume) = flow.before;
        flow.aside = Some((inbox.ring, inbox.received));
    }

    /// Drops a message that waits until there is room for its answer, of a peer that has more than its share now that others come. Returns the
    /// peer, and the number of the process that was made for it.
    #[cold]
    pub(crate) fn drop_waiting(&mut self, key: Key, links: &mut Links<'_>) -> Option<(Key, u64)> {
        let inbox = self.table.at_mut(key)?;
        let memory = self.rings.at_mut(key.index);
        inbox.ring.settle(memory);
        let free = inbox.ring.free(memory.len());
        let has_too_much = |record: &[u8]| {
            let link = record::peer(record).and_then(|peer| links.table.at(peer));
            let is_owed = matches!(record::kind(record), Some(Kind::Exit | Kind::Down));
            links.waits(record) && !is_owed && link.is_some_and(|link| !may_take(link.unread, 0, free))
        };
        let record = inbox.ring.take(memory, has_too_much)?;
        let (peer, job) = Record::read(record).map(|record| (record.peer, record.handle.map_or(0, |handle| handle.number)))?;
        links.count_read(record);
        inbox.ring.settle(memory);
        inbox.dropped = inbox.dropped.saturating_add(1);
        Some((peer, job))
    }

    /// Returns true if all that is in a mailbox waits until there is room for the answers. Then it is not shown until there is.
    #[cold]
    pub(crate) fn only_waits(&mut self, key: Key, flow: &mut Flow, links: &Links<'_>) -> bool {
        let Some(inbox) = self.table.at_mut(key).filter(|inbox| inbox.ended.is_none()) else { return false };
        let memory = self.rings.at_mut(key.index);
        inbox.ring.settle(memory);
        let mut ring = inbox.ring;
        if ring.is_empty() || ring.take(memory, |record| !links.waits(record)).is_some() {
            return false;
        }
        (flow.taken, flow.quick) = (NO_MAILBOX, NO_MAILBOX);
        self.unread.set_aside(&mut self.table, key.index);
        true
    }

    /// Settles what the program is to be shown of the mailbox that it took something from, before it takes something from `next`. This is
    /// not done for each message, of which there may be many.
    pub(crate) fn settle(&mut self, flow: &mut Flow, next: Key) {
        let last = core::mem::replace(&mut flow.taken, next);
        flow.quick = next;
        let put_back = flow.aside.take();
        let Some(inbox) = self.table.at_mut(last).filter(|inbox| inbox.ended.is_none()) else { return };
        inbox.ring.settle(self.rings.at_mut(last.index));
        if inbox.ring.is_empty() {
            self.unread.gone(&mut self.table, last.index);
        } else if put_back == Some((inbox.ring, inbox.received)) {
            self.unread.set_aside(&mut self.table, last.index);
        } else {
            self.unread.came(&mut self.table, last.index);
        }
    }

    /// Returns the next mailbox that has something the program was not shown.
    pub(crate) fn poll(&mut self, flow: &mut Flow) -> Option<Key> {
        self.settle(flow, NO_MAILBOX);
        self.unread.poll(&mut self.table)
    }

    /// Returns true if the program is to be shown something before anybody waits; then it counts as shown.
    pub(crate) fn wake(&mut self, flow: &mut Flow) -> bool {
        self.settle(flow, NO_MAILBOX);
        if core::mem::take(&mut flow.retry) {
            self.unread.retry(&mut self.table);
        }
        self.unread.wake() | core::mem::take(&mut flow.room)
    }

    /// Returns the kind and the handle of the record that is [taken](Inboxes::recv) next.
    #[cfg(feature = "std")]
    pub(crate) fn peek(&mut self, key: Key, links: &Links<'_>) -> Option<(Kind, Handle)> {
        let inbox = self.table.at_mut(key)?;
        inbox.ring.settle(self.rings.at_mut(key.index));
        // a copy of the ring is read, so the record stays
        let mut ring = inbox.ring;
        let record = Record::read(ring.take(self.rings.at(key.index), |record| !links.waits(record))?)?;
        Some((record.kind, record.handle.unwrap_or(Handle::NONE)))
    }

    /// Counts what waits in a mailbox as nobody's, since it is to end.
    pub(crate) fn forget(&mut self, key: Key, links: &mut Links<'_>) {
        let Some(inbox) = self.table.at_mut(key).filter(|inbox| inbox.ended.is_none()) else { return };
        let memory = self.rings.at_mut(key.index);
        inbox.ring.settle(memory);
        inbox.ring.each(memory, |record| links.count_read(record));
    }

    /// Ends a mailbox: what waits in it is gone, and the reason takes its place. Only the names and the pid of a mailbox that ended
    /// matter from now on, to those who are told.
    pub(crate) fn end(&mut self, key: Key, reason: &[u8]) {
        self.table.forget(key.index);
        let Some(inbox) = self.table.at_mut(key) else { return };
        inbox.ring = Ring::EMPTY;
        inbox.held = false;
        self.unread.gone(&mut self.table, key.index);
        let Some(inbox) = self.table.at_mut(key) else { return };
        if let Some(room) = self.rings.at_mut(key.index).get_mut(..reason.len()) {
            room.copy_from_slice(reason);
            inbox.ended = Some(reason.len());
        }
    }

    /// Does what [`Inboxes::end`] does, with a reason that is written in place, and known to fit. One that comes out otherwise the second
    /// time it is written is `undefined`.
    pub(crate) fn end_with<F>(&mut self, key: Key, write: F)
    where
        F: FnOnce(&mut Writer<'_>) -> Result<(), Misuse>,
    {
        let mut out = Writer::new(self.rings.at_mut(key.index));
        let written = write(&mut out);
        self.table.forget(key.index);
        match (written, out.finish(), self.table.at_mut(key)) {
            (Ok(()), Ok(len), Some(inbox)) => {
                inbox.ring = Ring::EMPTY;
                inbox.held = false;
                inbox.ended = Some(len);
                self.unread.gone(&mut self.table, key.index);
            }
            _ => self.end(key, b"\x77\x09undefined"),
        }
    }

    /// Returns the cause by which a peer is held up.
    pub(crate) fn held_by(&self, stall: Stall) -> HeldBy {
        match stall {
            Stall::Mailbox(key) => HeldBy::Mailbox(self.table.at(key).map_or(FixedStr::new(), |inbox| inbox.name.clone())),
            Stall::Transmit => HeldBy::Transmit,
        }
    }

    /// Returns the reason for which a mailbox ended.
    pub(crate) fn reason(&self, key: Key) -> Option<Term<'_>> {
        let len = self.table.at(key)?.ended?;
        self.rings.at(key.index).get(..len).map(Term::trusted)
    }
}
