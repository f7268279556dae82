//! The messages that wait to be written to a program.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use beamless::may_take;

use crate::cli::agent::process::Process;
use crate::cli::agent::spare::give_back;

/// The most bytes that wait at once, of which one node has three quarters at most. With more, calls are refused and other messages dropped; one
/// message may go beyond.
const WAITING: usize = 1 << 18;

/// The most writes in one turn; each takes what the pipe takes, up to 64 KiB.
const WRITES: u8 = 8;

/// Messages in order; the first may be written in part.
#[derive(Default)]
pub(super) struct Input {
    bytes: VecDeque<u8>,
    unwritten: VecDeque<Unwritten>,
    /// What waits of each node that something waits of.
    shares: Vec<(Sender, usize)>,
    senders: RandomState,
    queued: u64,
    written: u64,
}

/// A message that was not written altogether.
struct Unwritten {
    /// Where it ends, counted from the program's start.
    end: u64,
    /// What it takes of the room.
    cost: usize,
    sender: Sender,
}

/// A node that sends, told from others by the hash of its name.
type Sender = u64;

impl Input {
    /// Returns true if there is room for another message of this node.
    pub(super) fn has_room(&self, node: &str) -> bool {
        let taken = self.shares.iter().fold(0_usize, |sum, (_, share)| sum.saturating_add(*share));
        let sender = self.senders.hash_one(node);
        let own = self.shares.iter().find(|(other, _)| *other == sender).map_or(0, |(_, share)| *share);
        may_take(own, 1, WAITING.saturating_sub(taken))
    }

    /// Adds a message of this node. Returns where it ends, for [`Input::is_written`].
    pub(super) fn push(&mut self, record: &[u8], node: &str) -> u64 {
        self.push_of(record, self.senders.hash_one(node))
    }

    fn push_of(&mut self, record: &[u8], sender: Sender) -> u64 {
        self.bytes.extend(record);
        self.queued = self.queued.saturating_add(u64::try_from(record.len()).unwrap_or(0));
        // small messages are not free
        let cost = record.len().saturating_add(size_of::<Unwritten>());
        match self.shares.iter_mut().find(|(other, _)| *other == sender) {
            Some((_, share)) => *share = share.saturating_add(cost),
            None => self.shares.push((sender, cost)),
        }
        self.unwritten.push_back(Unwritten { end: self.queued, cost, sender });
        self.queued
    }

    /// Has each message, of which nothing was written yet, say what this makes of it; nothing where it makes nothing.
    pub(super) fn rewrite(&mut self, write: impl Fn(&[u8]) -> Option<Vec<u8>>) {
        let senders = self.senders.clone();
        let Self { bytes, unwritten, .. } = core::mem::replace(self, Self { senders, ..Self::default() });
        let (bytes, mut start) = (Vec::from(bytes), 0);
        for Unwritten { end, sender, .. } in unwritten {
            let end = usize::try_from(end).unwrap_or(usize::MAX);
            if let Some(record) = bytes.get(start..end).and_then(&write) {
                self.push_of(&record, sender);
            }
            start = end;
        }
    }

    /// Forgets the messages that were written altogether.
    fn forget_written(&mut self) {
        while self.unwritten.front().is_some_and(|message| message.end <= self.written) {
            let Some(Unwritten { cost, sender, .. }) = self.unwritten.pop_front() else { break };
            self.shares
                .iter_mut()
                .filter(|(other, _)| *other == sender)
                .for_each(|(_, share)| *share = share.saturating_sub(cost));
        }
        self.shares.retain(|(_, share)| *share > 0);
        give_back(&mut self.unwritten);
    }

    /// Returns true if the message that ends there was written altogether.
    pub(super) fn is_written(&self, end: u64) -> bool {
        end <= self.written
    }

    /// Returns the number of messages that were not written altogether.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.len()
    }

    /// Writes what the program takes now. Returns true if it may take more at once.
    pub(super) fn write(&mut self, process: &mut Process) -> bool {
        for _ in 0..WRITES {
            let written = match self.bytes.as_slices() {
                ([], _) => return false,
                (first, _) => process.write(first),
            };
            if written == 0 {
                return false;
            }
            self.bytes.drain(..written);
            give_back(&mut self.bytes);
            self.written = self.written.saturating_add(u64::try_from(written).unwrap_or(0));
            self.forget_written();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_written_anew() {
        let mut input = Input::default();
        for record in [&b"one"[..], b"", b"three"] {
            input.push(record, "one@host");
        }
        input.push(&[7; WAITING / 2], "two@host");
        input.rewrite(|record| if record.is_empty() { None } else { Some(record.repeat(2)) });
        assert_eq!((input.unwritten(), input.queued, input.bytes.len()), (3, 16 + WAITING as u64, 16 + WAITING));
        assert!(input.bytes.iter().take(16).eq(b"oneonethreethree"));
        assert!(!input.has_room("two@host") && input.shares.iter().any(|(_, share)| *share == 16 + 2 * size_of::<Unwritten>()));
        // as it would be after that
        input.written = 6;
        input.forget_written();
        assert_eq!((input.unwritten(), input.is_written(6), input.is_written(16)), (2, true, false));
    }

    #[test]
    fn one_node_leaves_room_for_the_others() {
        let mut input = Input::default();
        let fill = |input: &mut Input, node: &str| {
            let mut count: usize = 0;
            while input.has_room(node) {
                input.push(&[7; 1000], node);
                count += 1;
            }
            count
        };
        let each = 1000 + size_of::<Unwritten>();
        assert_eq!(fill(&mut input, "one@host"), (WAITING * 3 / 4).div_ceil(each));
        let second = fill(&mut input, "two@host");
        assert!(second > 0 && second < WAITING / 4 / each + 1, "{second}");
        assert!(input.has_room("three@host") && !input.has_room("one@host"));
        // when it is written nobody has anything
        input.written = input.queued;
        input.forget_written();
        assert_eq!((input.unwritten(), input.shares.len()), (0, 0));
        assert!(input.unwritten.capacity() < 200);
        assert!(input.has_room("one@host"));
    }
}
