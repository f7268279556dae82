//! The state of a program's standard output.

use std::time::Instant;

/// The state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stdout {
    Open,
    /// It was closed. A program that still runs at that time is taken for one that never answers.
    Closing(Instant),
    Closed,
}

impl Stdout {
    /// Returns when the output is to be taken for closed.
    pub(super) fn closes(self) -> Option<Instant> {
        match self {
            Self::Closing(at) => Some(at),
            Self::Open | Self::Closed => None,
        }
    }
}
