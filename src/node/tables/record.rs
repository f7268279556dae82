//! The records in a mailbox: a message, a signal or an answer, with its sender and what it is about.

use super::handles::Handle;
use crate::wire::term::Term;

/// The kind of a record in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Message,
    /// A link broke, or somebody called `exit/2`; the sender's place has the process.
    Exit,
    /// The end of what was monitored; the sender's place has what it was.
    Down,
    /// `{Tag, Reply}`.
    Reply,
    /// The process that was called ended; the term is why.
    Lost,
    /// The reason with which a process of `erpc` ended.
    Spawned,
    /// The atom with which a spawn request was refused.
    NotSpawned,
    Timeout,
    /// `[Res, M, F, Args]`; the handle has the process's number.
    Apply,
    /// `[M, F, Args]`, or `{'$gen_cast', {cast, M, F, Args, Leader}}` of those who cast through `rex`.
    Cast,
    /// The argument list; the sender's place has `{M, F, Arity}`.
    Spawn,
    /// `{'$gen_call', {Pid, Tag}, {call, M, F, Args, Leader}}`.
    RexCall,
    /// `{Pid, {call, M, F, Args, Leader}}`.
    RexSend,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Message,
        Self::Exit,
        Self::Down,
        Self::Reply,
        Self::Lost,
        Self::Spawned,
        Self::NotSpawned,
        Self::Timeout,
        Self::Apply,
        Self::Cast,
        Self::Spawn,
        Self::RexCall,
        Self::RexSend,
    ];

    /// Returns true if it is the outcome of a call of ours.
    #[cfg(feature = "std")]
    pub(crate) fn is_answer(self) -> bool {
        matches!(self, Self::Reply | Self::Lost | Self::Spawned | Self::NotSpawned | Self::Timeout)
    }

    /// Returns the first bytes of a record: four bits for the kind, twelve for the length of the sender; none when that is too long.
    #[inline]
    pub(crate) fn head(self, from: &[u8]) -> Option<[u8; 2]> {
        let len = u16::try_from(from.len()).ok().filter(|len| *len < 0x1000)?;
        Some(((self as u16) << 12 | len).to_le_bytes())
    }
}

/// A record that goes into a mailbox.
#[derive(Clone, Copy)]
pub(crate) struct Record<'r> {
    pub(crate) kind: Kind,
    /// The encoded sender, or what stands in its place.
    pub(crate) from: &'r [u8],
    /// The subject, which messages do not have.
    pub(crate) handle: Option<Handle>,
    pub(crate) term: Term<'r>,
}

impl<'r> Record<'r> {
    /// Takes a record apart as it lies in a mailbox.
    #[inline]
    pub(crate) fn read(record: &'r [u8]) -> Option<Self> {
        let (head, rest) = record.split_first_chunk::<2>()?;
        let head = u16::from_le_bytes(*head);
        let (from, mut term) = rest.split_at_checked((head & 0xfff).into())?;
        let kind = *Kind::ALL.get(usize::from(head >> 12))?;
        let mut handle = None;
        if kind != Kind::Message {
            let (bytes, rest) = term.split_first_chunk()?;
            (handle, term) = (Some(Handle::from_bytes(*bytes)), rest);
        }
        Some(Self { kind, from, handle, term: Term::trusted(term) })
    }
}
