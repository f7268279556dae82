//! The requests that this node made of others and waits for: monitors, calls, and the aliases it gave out.

use super::handles::Handle;
use super::identity::Identity;
use super::record::Kind;
use super::ties::{Number, of_mailbox};
use crate::storage::chains::{Chain, Chained, Chains};
use crate::storage::queue::{Queued, Turn};
use crate::storage::slots::{Key, Table, Tenant};
use crate::storage::timers::{Timed, Timers};
use crate::time::Instant;
use crate::wire::control::{Control, Process};
use crate::wire::ids::{Atom, Pid, Reference};

/// A monitor, a call or an alias.
pub(crate) struct Asked {
    /// Never used again, so that an answer that comes late finds nothing.
    pub(crate) number: u64,
    pub(crate) mailbox: Key,
    /// An alias belongs to no peer: it has a key that no link ever has.
    pub(crate) peer: Key,
    pub(crate) kind: Ask,
    pub(crate) target: Target,
    pub(crate) limit: Limit,
    pub(crate) state: Stage,
    /// Its place in a queue, among those with a time limit, and among those of its mailbox.
    pub(crate) turn: Turn,
    pub(crate) rank: u16,
    pub(crate) chain: Chain,
}

impl Tenant for Asked {}

impl Queued for Asked {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }
}

impl Timed for Asked {
    fn time(&self) -> Instant {
        match self.limit {
            Limit::At(at) => at,
            Limit::None | Limit::In(_) => Instant::from_millis(u64::MAX),
        }
    }

    fn rank(&mut self) -> &mut u16 {
        &mut self.rank
    }
}

impl Chained for Asked {
    fn owner(&self) -> u32 {
        of_mailbox(self.mailbox)
    }

    fn chain(&mut self) -> &mut Chain {
        &mut self.chain
    }
}

/// The requests: found by their place, which stands in their reference, by their mailbox, and by their time limits.
pub(crate) struct Requests<'s> {
    pub(crate) table: Table<'s, Asked>,
    pub(crate) owners: Chains<'s>,
    pub(crate) limits: Timers<'s>,
}

impl Requests<'_> {
    /// Lends the requests for a shorter time.
    #[inline]
    pub(crate) fn lend(&mut self) -> Requests<'_> {
        Requests { table: self.table.lend(), owners: self.owners.lend(), limits: self.limits.lend() }
    }

    pub(super) fn insert(&mut self, request: Asked) -> Option<Key> {
        let key = self.table.insert(request).ok()?;
        self.owners.add(&mut self.table, key.index);
        Some(key)
    }

    /// Removes a request. Returns what it was, and whom it was asked of.
    pub(super) fn remove(&mut self, key: Key) -> Option<(Ask, Key)> {
        let request = self.table.at(key)?;
        let was = (request.kind, request.peer);
        self.owners.remove(&mut self.table, key.index);
        self.table.free(key).then_some(was)
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        if !self.table.is_empty() {
            self.owners.clear();
        }
        self.table.clear();
        self.limits.clear();
    }

    #[inline]
    pub(crate) fn at(&self, key: Key) -> Option<&Asked> {
        self.table.at(key)
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, key: Key) -> Option<&mut Asked> {
        self.table.at_mut(key)
    }

    /// Finds the request with this handle.
    pub(crate) fn find(&self, handle: Handle) -> Option<Key> {
        let key = self.table.key_at(handle.index)?;
        self.table.at(key).is_some_and(|request| request.number == handle.number).then_some(key)
    }

    /// Returns the first of a mailbox's requests, or the one behind another of its.
    pub(crate) fn next_of(&mut self, mailbox: Key, behind: Option<u16>) -> Option<Key> {
        let mut at = match behind {
            None => self.owners.first(of_mailbox(mailbox)),
            Some(index) => self.owners.next(&mut self.table, index),
        };
        while let Some(index) = at {
            if self.table.tenant(index).is_some_and(|request| request.mailbox == mailbox) {
                return self.table.key_at(index);
            }
            at = self.owners.next(&mut self.table, index);
        }
        None
    }
}

/// The peer of what belongs to none.
pub(crate) const NO_PEER: Key = Key { index: u16::MAX, generation: u16::MAX };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    Alias,
    Monitor,
    Call,
    /// A call of a function, by a spawn request.
    Spawn,
}

/// The process that a demonitor names.
pub(crate) enum Target {
    /// The process is being spawned, and is not known yet.
    Unknown,
    Pid(Number),
    Name(heapless::String<255>),
}

/// The time for which a request waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    None,
    /// A time that is not counted from yet: nobody has looked at the time since it began.
    In(core::time::Duration),
    At(Instant),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    Waiting,
    /// The peer understands no such request, which nobody here was told yet.
    Refused,
    /// Its outcome waits for room in the mailbox.
    Due(Outcome),
    /// The peer is to be told that nobody waits for it any more.
    Leaving,
}

/// The outcomes that this node knows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Timeout,
    NoConnection,
    NotSupported,
}

/// A reference of this node, as it stands on the wire.
pub(crate) struct OwnWords([u8; 12]);

impl OwnWords {
    pub(crate) fn new(handle: Handle) -> Self {
        let words = [u64::from(handle.index), handle.number & 0xffff_ffff, handle.number >> 32];
        let mut bytes = [0; 12];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&u32::try_from(word).unwrap_or(0).to_be_bytes());
        }
        Self(bytes)
    }

    pub(crate) fn reference<'r>(&'r self, identity: &'r Identity) -> Reference<'r> {
        Reference::from_words(identity.node(), identity.creation, &self.0)
    }

    /// Returns the handle of the request that a reference of this node is about.
    pub(crate) fn read(reference: Reference<'_>) -> Option<Handle> {
        let mut words = reference.words();
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some(index), Some(low), Some(high), None) => {
                Some(Handle { index: u16::try_from(index).ok()?, number: u64::from(high) << 32 | u64::from(low) })
            }
            _ => None,
        }
    }
}

impl Asked {
    /// Returns the demonitor that the peer is sent when nobody waits any more.
    pub(crate) fn demonitor<'r>(&'r self, from: Pid<'r>, node: Atom<'r>, reference: Reference<'r>) -> Option<Control<'r>> {
        let to = match &self.target {
            Target::Unknown => return None,
            Target::Pid(number) => Process::Pid(number.on(node)),
            Target::Name(name) => Process::Name(Atom::from_str(name)),
        };
        Some(Control::Demonitor { from, to, reference })
    }

    /// Returns true if it is answered as a `gen_server` answers.
    pub(crate) fn is_call(&self) -> bool {
        self.kind == Ask::Call
    }

    /// Returns the kind of record that the end of the watched process is.
    pub(crate) fn ended(&self) -> Kind {
        match self.kind {
            Ask::Monitor | Ask::Alias => Kind::Down,
            Ask::Call => Kind::Lost,
            Ask::Spawn => Kind::Spawned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// However many requests there were before.
    #[test]
    fn a_handle_is_in_its_reference() {
        for number in [0, 1, 0xffff_ffff, 0x1_0000_0000, u64::MAX] {
            let handle = Handle { index: 0x102, number };
            let words = OwnWords::new(handle);
            assert_eq!(OwnWords::read(Reference::from_words(Atom::from_str("a@host"), 7, &words.0)), Some(handle));
        }
    }
}
