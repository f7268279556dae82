//! The lines that the core itself writes to a log, as far as peers can cause them.

use core::fmt;

use crate::limit::LogLimit;
use crate::time::Instant;

/// The limits of these lines, by the time that the core was last told.
pub(crate) struct Lines {
    pub(crate) now: Instant,
    /// Answers that are owed, and cannot be sent though room was kept for them.
    unsent: LogLimit,
    /// Messages that came to somebody who waits for an answer alone.
    unread: LogLimit,
}

impl Lines {
    pub(crate) const NEW: Self = Self {
        now: Instant::from_millis(0),
        unsent: LogLimit::new("answers that could not be sent"),
        unread: LogLimit::new("messages that were dropped while a call was waited for"),
    };

    /// Logs that an answer to a peer could not be sent.
    #[cold]
    pub(crate) fn unsent(&mut self, peer: &str, line: fmt::Arguments<'_>) {
        self.unsent.warn(peer, self.now, line);
    }

    /// Logs that a message was dropped.
    #[cfg(feature = "std")]
    #[cold]
    pub(crate) fn unread(&mut self) {
        self.unread.warn("", self.now, format_args!("a message was dropped while a call was waited for"));
    }

    /// Returns when there is something to be said of what was held back.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.unsent.poll_timeout().into_iter().chain(self.unread.poll_timeout()).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.unsent.handle_timeout(now);
        self.unread.handle_timeout(now);
    }
}
