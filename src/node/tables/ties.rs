//! Links, and the monitors that processes of peers have on what is here: who is to be told when something ends.

use crate::storage::hash::{of_bytes, of_pair};
use crate::storage::slots::{Key, Tenant};
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

impl Owner {
    pub(crate) fn is_job(self, wanted: u64) -> bool {
        matches!(self, Self::Job { number, .. } if number == wanted)
    }

    /// Returns true if it ends when this mailbox does.
    pub(crate) fn ends_with(self, mailbox: Key) -> bool {
        match self {
            Self::Mailbox(key) | Self::Job { server: key, .. } => key == mailbox,
            Self::Ended(_) => false,
        }
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
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WatchKind {
    Link,
    /// A link that we ended with this id. Until that is acknowledged, exits of the process mean nothing.
    Unlinking(u64),
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
            WatchKind::Link | WatchKind::Unlinking(_) | WatchKind::Lost => of_link(self.peer, self.pid),
            WatchKind::Monitor { reference, .. } => of_monitor(self.peer, reference),
        })
    }
}

impl Watch {
    /// Returns true for a link, whether active or not.
    pub(crate) fn is_link(&self) -> bool {
        matches!(self.kind, WatchKind::Link | WatchKind::Unlinking(_))
    }

    /// Returns true for the monitor of whoever asked for the process, and waits for what it comes to.
    pub(crate) fn is_spawners(&self) -> bool {
        matches!(self.kind, WatchKind::Monitor { given: NamedBy::Spawn, .. })
    }
}
