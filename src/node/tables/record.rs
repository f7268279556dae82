//! The records in a mailbox: a message, a signal or an answer, with its peer, its sender and what it is about.

use super::handles::Handle;
use crate::storage::slots::Key;
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
    /// The connection that it came over.
    pub(crate) peer: Key,
    /// The encoded sender, or what stands in its place.
    pub(crate) from: &'r [u8],
    /// The subject, which messages do not have.
    pub(crate) handle: Option<Handle>,
    pub(crate) term: Term<'r>,
}

/// Bytes of a record in front of the sender: its kind and the sender's length, and its peer.
pub(crate) const HEAD: usize = 6;

/// Returns the bytes that stand in front of the sender.
#[inline]
pub(crate) fn front(kind: Kind, peer: Key, from: &[u8]) -> Option<[u8; HEAD]> {
    let ([a, b], [c, d], [e, f]) = (kind.head(from)?, peer.index.to_le_bytes(), peer.generation.to_le_bytes());
    Some([a, b, c, d, e, f])
}

/// Returns the peer of a record.
#[inline]
pub(crate) fn peer(record: &[u8]) -> Option<Key> {
    let [_, _, a, b, c, d] = *record.first_chunk::<HEAD>()?;
    Some(Key { index: u16::from_le_bytes([a, b]), generation: u16::from_le_bytes([c, d]) })
}

/// Returns the kind of a record.
pub(crate) fn kind(record: &[u8]) -> Option<Kind> {
    Kind::ALL.get(usize::from(record.get(1)? >> 4)).copied()
}

impl<'r> Record<'r> {
    /// Returns how many bytes it takes in a mailbox.
    pub(crate) fn len(&self) -> usize {
        let handle = self.handle.map_or(0, |handle| handle.to_bytes().len());
        HEAD.saturating_add(self.from.len()).saturating_add(handle).saturating_add(self.term.as_bytes().len())
    }

    /// Takes a record apart as it lies in a mailbox.
    #[inline]
    pub(crate) fn read(record: &'r [u8]) -> Option<Self> {
        let ([a, b, c, d, e, f], rest) = record.split_first_chunk::<HEAD>()?;
        let head = u16::from_le_bytes([*a, *b]);
        let peer = Key { index: u16::from_le_bytes([*c, *d]), generation: u16::from_le_bytes([*e, *f]) };
        let (from, mut term) = rest.split_at_checked((head & 0xfff).into())?;
        let kind = *Kind::ALL.get(usize::from(head >> 12))?;
        let mut handle = None;
        if kind != Kind::Message {
            let (bytes, rest) = term.split_first_chunk()?;
            (handle, term) = (Some(Handle::from_bytes(*bytes)), rest);
        }
        Some(Self { kind, peer, from, handle, term: Term::trusted(term) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_in_the_first_bytes() {
        let peer_of = Key { index: 0x102, generation: 0x304 };
        for from in [&[][..], &[7; 4095]] {
            for (number, found) in Kind::ALL.into_iter().enumerate() {
                let front = front(found, peer_of, from).unwrap();
                assert_eq!((kind(&front), peer(&front)), (Some(found), Some(peer_of)), "{number}");
            }
        }
        assert_eq!(front(Kind::Message, peer_of, &[7; 4096]), None);
    }
}
