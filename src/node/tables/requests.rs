//! The requests that this node made of others and waits for: monitors, calls, and the aliases it gave out.

use super::handles::Handle;
use super::identity::Identity;
use super::record::Kind;
use super::ties::Number;
use crate::storage::slots::{Key, Table, Tenant};
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
}

impl Tenant for Asked {}

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

/// Counts of the requests and of what waits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counters {
    /// The last number given out.
    last: u64,
    /// Calls under way, whose answers may come to the pid of a mailbox.
    pub(crate) calls: u32,
    /// Outcomes that wait for room in a mailbox.
    pub(crate) due: u32,
}

impl Counters {
    /// Returns true if a message like the one before goes to the same mailbox, without a closer look.
    #[inline]
    pub(crate) fn is_quiet(&self) -> bool {
        self.calls == 0 && self.due == 0
    }

    /// Returns a number that was never used: the first is 1.
    pub(crate) fn next(&mut self) -> u64 {
        self.last = self.last.wrapping_add(1);
        self.last
    }
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

    /// Takes note that the peer does not understand it, and was not asked. That is told when time is looked at next.
    pub(crate) fn refuse(&mut self) {
        self.peer = NO_PEER;
        self.state = Stage::Refused;
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

/// Finds the request with this handle.
pub(crate) fn find(requests: &Table<'_, Asked>, handle: Handle) -> Option<Key> {
    let key = requests.key_at(handle.index)?;
    requests.at(key).is_some_and(|request| request.number == handle.number).then_some(key)
}

/// Removes a request.
pub(crate) fn remove(requests: &mut Table<'_, Asked>, counters: &mut Counters, key: Key) {
    if let Some(request) = requests.remove(key) {
        counters.calls = counters.calls.saturating_sub(request.is_call().into());
        counters.due = counters.due.saturating_sub(matches!(request.state, Stage::Due(_)).into());
    }
}
