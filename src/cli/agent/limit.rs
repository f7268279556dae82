//! Lines that somebody else can cause any number of: some a second are logged, and then how many there were besides.

use std::fmt;
use std::time::{Duration, Instant};

/// Lines a second of one kind.
const LINES: u32 = 10;

/// Holds back what is too much.
pub(super) struct Limit {
    /// What is said of those that were held back, behind their number.
    rest: &'static str,
    /// When the second began that is counted in.
    since: Option<Instant>,
    lines: u32,
}

impl Limit {
    pub(super) fn new(rest: &'static str) -> Self {
        Self { rest, since: None, lines: 0 }
    }

    /// Logs a line, or counts it.
    pub(super) fn warn(&mut self, line: fmt::Arguments<'_>) {
        self.since.get_or_insert_with(Instant::now);
        self.lines = self.lines.saturating_add(1);
        if self.lines <= LINES {
            log::warn!("{line}");
        }
    }

    /// When [`Limit::tell`] has something to do: at the end of the second.
    pub(super) fn end(&self) -> Option<Instant> {
        self.since?.checked_add(Duration::from_secs(1))
    }

    /// Says how many lines were held back, once the second is over.
    pub(super) fn tell(&mut self) {
        if self.end().is_none_or(|end| end > Instant::now()) {
            return;
        }
        let more = self.lines.saturating_sub(LINES);
        if more > 0 {
            log::warn!("{more} more {}", self.rest);
        }
        *self = Self::new(self.rest);
    }
}
