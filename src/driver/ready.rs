//! The readiness of the program's own sources in the poll.

use std::collections::VecDeque;

use mio::Token;

/// The readiness of a source of the program's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ready {
    /// The token it was registered with.
    pub token: Token,
    /// True if there is something to read, or the other end is closed.
    pub readable: bool,
    /// True if it can be written to.
    pub writable: bool,
}

impl Ready {
    pub(super) fn new(token: Token, event: &mio::event::Event) -> Self {
        let readable = event.is_readable() || event.is_read_closed() || event.is_error();
        Self { token, readable, writable: event.is_writable() }
    }

    /// Puts it behind those that wait, or into the one of its source that does.
    pub(super) fn join(self, waiting: &mut VecDeque<Self>) {
        match waiting.iter_mut().find(|other| other.token == self.token) {
            Some(other) => {
                other.readable |= self.readable;
                other.writable |= self.writable;
            }
            None => waiting.push_back(self),
        }
    }
}
