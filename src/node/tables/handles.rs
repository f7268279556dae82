//! Handles on what a node remembers: those that its program keeps, and what they are made of.

use crate::storage::slots::Key;

/// The subject of an answer, a down or a served call: a place in a table, and a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Handle {
    pub(crate) index: u16,
    pub(crate) number: u64,
}

impl Handle {
    const BYTES: usize = 10;
    /// The handle of signals that are about nothing.
    pub(crate) const NONE: Self = Self { index: 0, number: 0 };
    /// The place that stands for the scopes of peers, which lie in no table of requests: none has as many places.
    pub(crate) const CLUSTER: u16 = u16::MAX;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        if let Some((index, number)) = bytes.split_first_chunk_mut::<2>() {
            *index = self.index.to_le_bytes();
            number.copy_from_slice(&self.number.to_le_bytes());
        }
        bytes
    }

    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [a, b, number @ ..] = bytes;
        Self { index: u16::from_le_bytes([a, b]), number: u64::from_le_bytes(number) }
    }
}

/// A handle on a mailbox, which is to Erlang a process: it has a pid, and a name if it was given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mailbox(pub(in crate::node) Key);

/// A monitor of ours on a process of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Monitor(pub(in crate::node) Handle);

/// A call of ours that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    pub(in crate::node) mailbox: Mailbox,
    pub(in crate::node) handle: Handle,
}

impl Request {
    /// Returns the mailbox that made the call, and gets the answer.
    pub fn mailbox(self) -> Mailbox {
        self.mailbox
    }
}
