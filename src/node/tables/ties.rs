//! Links, and the monitors that processes of peers have on what is here: who is to be told when something ends.

use super::identity::{job_bits, pid_bits};
use crate::storage::chains::{Chain, Chained, Chains};
use crate::storage::hash::{of_bytes, of_pair};
use crate::storage::queue::{Queued, Turn};
use crate::storage::slots::{Key, Table, Tenant};
use crate::wire::ids::{Atom, Pid, Reference};

/// The thing here that is linked or monitored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner {
    Mailbox(Key),
    /// A process that runs a served function, whose calls come to a mailbox.
    Job {
        number: u64,
        server: Key,
    },
    /// A process that has ended, of which there was no room to tell.
    Ended(u64),
}

/// Returns the hash of a mailbox, for what belongs to it.
pub(crate) fn of_mailbox(key: Key) -> u32 {
    of_pair(key.index.into(), key.generation.into())
}

impl Owner {
    /// Returns the hash by which its ties are found; it stays when a process has ended. Only as much of a process's number counts as its
    /// pid has.
    pub(crate) fn hash(self) -> u32 {
        match self {
            Self::Mailbox(key) => of_mailbox(key),
            Self::Job { number, .. } | Self::Ended(number) => of_pair(u64::MAX, job_bits(number).into()),
        }
    }

    fn is_job(self, wanted: u64) -> bool {
        matches!(self, Self::Job { number, .. } if number == wanted)
    }

    /// Returns true for a process whose calls come to this mailbox.
    pub(crate) fn is_served_by(self, mailbox: Key) -> bool {
        matches!(self, Self::Job { server, .. } if server == mailbox)
    }

    /// Returns true if it ends when this mailbox does.
    pub(crate) fn ends_with(self, mailbox: Key) -> bool {
        self == Self::Mailbox(mailbox) || self.is_served_by(mailbox)
    }
}

/// A process of a peer, whose name is the link's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Number {
    pub(crate) id: u32,
    pub(crate) serial: u32,
    pub(crate) creation: u32,
}

impl Number {
    pub(crate) fn of(pid: Pid<'_>) -> Self {
        Self { id: pid.id, serial: pid.serial, creation: pid.creation }
    }

    pub(crate) fn on<'n>(self, node: Atom<'n>) -> Pid<'n> {
        Pid { node, id: self.id, serial: self.serial, creation: self.creation }
    }
}

/// The words of a peer's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Words {
    creation: u32,
    len: u8,
    bytes: [u8; 4 * Reference::MAX_WORDS],
}

impl Words {
    /// Copies the words of a reference. One that was checked when it came has five at most.
    pub(crate) fn of(reference: Reference<'_>) -> Self {
        let mut bytes = [0; 4 * Reference::MAX_WORDS];
        let words = reference.word_bytes();
        if let Some(place) = bytes.get_mut(..words.len()) {
            place.copy_from_slice(words);
        }
        Self { creation: reference.creation, len: u8::try_from(words.len()).unwrap_or(0), bytes }
    }

    /// Returns the words as they stand on the wire.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len.into()).unwrap_or(&[])
    }

    pub(crate) fn on<'n>(&'n self, node: Atom<'n>) -> Reference<'n> {
        Reference::from_words(node, self.creation, self.bytes())
    }
}

/// Returns the hash of a link with a process of a peer.
pub(crate) fn of_link(peer: Key, pid: Number) -> u32 {
    of_pair(u64::from(peer.index) << 32 | u64::from(pid.id), u64::from(pid.serial) << 32 | u64::from(pid.creation))
}

/// Returns the hash of a monitor of a process of a peer.
pub(crate) fn of_monitor(peer: Key, reference: &Words) -> u32 {
    of_pair(peer.index.into(), of_bytes(reference.bytes()).into())
}

/// A process at a peer that is to be told when something here ends, or the other way round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watch {
    pub(crate) owner: Owner,
    pub(crate) peer: Key,
    pub(crate) pid: Number,
    pub(crate) kind: WatchKind,
    /// Its place in a queue, and among those of what they are tied to.
    pub(crate) turn: Turn,
    pub(crate) chain: Chain,
}

impl Queued for Watch {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }
}

impl Chained for Watch {
    fn owner(&self) -> u32 {
        self.owner.hash()
    }

    fn chain(&mut self) -> &mut Chain {
        &mut self.chain
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchKind {
    Link,
    /// A link that we ended with this id. Until that is acknowledged, exits of the process mean nothing.
    Unlinking(u64),
    /// A link that we ended with this id and made again since. Until the end is acknowledged, exits of the process are the old link's.
    Again(u64),
    /// The connection is gone, and the mailbox that traps exits has no room yet to be told so.
    Lost,
    /// The process monitors us.
    Monitor {
        reference: Words,
        given: NamedBy,
    },
}

/// The form in which a process named what it monitors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamedBy {
    Pid,
    Name,
    /// The monitor came with the request for the process.
    Spawn,
}

impl Tenant for Watch {
    /// A link is found by its process whatever has become of it, a monitor by its reference.
    fn hash(&self) -> Option<u32> {
        Some(match &self.kind {
            WatchKind::Link | WatchKind::Unlinking(_) | WatchKind::Again(_) | WatchKind::Lost => of_link(self.peer, self.pid),
            WatchKind::Monitor { reference, .. } => of_monitor(self.peer, reference),
        })
    }
}

/// The links and monitors: found by what they are tied to, and by the process or its reference.
pub(crate) struct Watches<'s> {
    pub(crate) table: Table<'s, Watch>,
    pub(crate) owners: Chains<'s>,
}

impl Watches<'_> {
    /// Lends them for a shorter time.
    #[inline]
    pub(crate) fn lend(&mut self) -> Watches<'_> {
        Watches { table: self.table.lend(), owners: self.owners.lend() }
    }

    pub(super) fn insert(&mut self, watch: Watch) -> Option<Key> {
        let key = self.table.insert(watch).ok()?;
        self.owners.add(&mut self.table, key.index);
        Some(key)
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Watch> {
        self.table.at(key)?;
        self.owners.remove(&mut self.table, key.index);
        self.table.remove(key)
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        if !self.table.is_empty() {
            self.owners.clear();
        }
        self.table.clear();
    }

    #[inline]
    pub(crate) fn at(&self, key: Key) -> Option<&Watch> {
        self.table.at(key)
    }

    /// Finds the link of a peer's process to something here.
    pub(crate) fn find_link(&self, owner: Owner, peer: Key, pid: Number) -> Option<Key> {
        let same = |watch: &Watch| watch.peer == peer && watch.pid == pid && watch.owner == owner && watch.is_link();
        self.table.find_hashed(of_link(peer, pid), same)
    }

    /// Finds the monitor with this reference of a peer's process.
    pub(crate) fn find_monitor(&self, peer: Key, pid: Number, wanted: &Words) -> Option<Key> {
        let is_it = |kind: &WatchKind| matches!(kind, WatchKind::Monitor { reference, .. } if reference == wanted);
        let same = |watch: &Watch| watch.peer == peer && watch.pid == pid && is_it(&watch.kind);
        self.table.find_hashed(of_monitor(peer, wanted), same)
    }

    /// Returns the first of the ties to something here, or the one behind another of them.
    pub(crate) fn next_of(&mut self, owner: Owner, behind: Option<u16>) -> Option<Key> {
        self.next_like(owner.hash(), behind, |watch| watch.owner == owner)
    }

    /// Returns the first of the ties to the process that has or had this number, or the one behind another of them.
    pub(crate) fn next_of_job(&mut self, number: u64, behind: Option<u16>) -> Option<Key> {
        self.next_like(Owner::Ended(number).hash(), behind, |watch| watch.owner.is_job(number))
    }

    /// Returns what a pid stands for, if it is that of a process that runs a served function.
    pub(crate) fn job(&mut self, pid: Pid<'_>) -> Option<Owner> {
        let bits = pid_bits(pid)?;
        let is_it = |watch: &Watch| matches!(watch.owner, Owner::Job { number, .. } if job_bits(number) == bits);
        let key = self.next_like(Owner::Ended(bits.into()).hash(), None, is_it)?;
        self.table.at(key).map(|watch| watch.owner)
    }

    fn next_like(&mut self, hash: u32, behind: Option<u16>, wanted: impl Fn(&Watch) -> bool) -> Option<Key> {
        let mut at = match behind {
            None => self.owners.first(hash),
            Some(index) => self.owners.next(&mut self.table, index),
        };
        while let Some(index) = at {
            if self.table.tenant(index).is_some_and(&wanted) {
                return self.table.key_at(index);
            }
            at = self.owners.next(&mut self.table, index);
        }
        None
    }
}

impl Watch {
    /// Makes a link or a monitor.
    pub(crate) fn new(owner: Owner, peer: Key, pid: Number, kind: WatchKind) -> Self {
        Self { owner, peer, pid, kind, turn: Turn::NONE, chain: Chain::default() }
    }

    /// Returns true for a link, whether active or not.
    pub(crate) fn is_link(&self) -> bool {
        self.is_active() || matches!(self.kind, WatchKind::Unlinking(_))
    }

    /// Returns true for a link that was not ended.
    pub(crate) fn is_active(&self) -> bool {
        matches!(self.kind, WatchKind::Link | WatchKind::Again(_))
    }

    /// Returns true for the monitor of whoever asked for the process, and waits for what it comes to.
    pub(crate) fn is_spawners(&self) -> bool {
        matches!(self.kind, WatchKind::Monitor { given: NamedBy::Spawn, .. })
    }
}
