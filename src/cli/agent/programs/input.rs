//! The messages that wait to be written to a program.

use std::collections::VecDeque;

use crate::cli::agent::process::Process;

/// The most bytes that wait at once. With more, calls are refused and other messages dropped; one message may go beyond.
const WAITING: usize = 1 << 18;

/// The most writes in one turn; each takes what the pipe takes, up to 64 KiB.
const WRITES: u8 = 8;

/// Messages in order; the first may be written in part.
#[derive(Default)]
pub(super) struct Input {
    bytes: VecDeque<u8>,
    /// Where each message ends, counted from the program's start.
    ends: VecDeque<u64>,
    queued: u64,
    written: u64,
}

impl Input {
    /// Returns true if there is room for another message.
    pub(super) fn has_room(&self) -> bool {
        // small messages are not free
        self.bytes.len().saturating_add(self.ends.len().saturating_mul(size_of::<u64>())) < WAITING
    }

    /// Adds a message. Returns where it ends, for [`Input::is_written`].
    pub(super) fn push(&mut self, record: &[u8]) -> u64 {
        self.bytes.extend(record);
        self.queued = self.queued.saturating_add(u64::try_from(record.len()).unwrap_or(0));
        self.ends.push_back(self.queued);
        self.queued
    }

    /// Returns true if the message that ends there was written altogether.
    pub(super) fn is_written(&self, end: u64) -> bool {
        end <= self.written
    }

    /// Returns the number of messages that were not written altogether.
    pub(super) fn unwritten(&self) -> usize {
        self.ends.len()
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
            self.written = self.written.saturating_add(u64::try_from(written).unwrap_or(0));
            while self.ends.front().is_some_and(|end| *end <= self.written) {
                self.ends.pop_front();
            }
        }
        true
    }
}
