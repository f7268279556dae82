//! Lines of which somebody else can cause any number: some a second are logged, and then how many there were besides.

use std::fmt;
use std::time::{Duration, Instant};

/// Lines a second of one kind, as a rule.
const LINES: u32 = 10;

/// A limit of the lines in a second.
pub(super) struct Limit {
    most: u32,
    /// The words behind the number of lines that were held back.
    rest: &'static str,
    /// The beginning of the second that is counted in.
    since: Option<Instant>,
    lines: u32,
}

impl Limit {
    pub(super) fn new(rest: &'static str) -> Self {
        Self::of(LINES, rest)
    }

    /// Makes a limit as [`Limit::new`] does, with so many lines a second.
    pub(super) fn of(most: u32, rest: &'static str) -> Self {
        Self { most, rest, since: None, lines: 0 }
    }

    /// Logs a line, or counts it.
    pub(super) fn warn(&mut self, line: fmt::Arguments<'_>) {
        self.since.get_or_insert_with(Instant::now);
        self.lines = self.lines.saturating_add(1);
        if self.lines <= self.most {
            log::warn!("{line}");
        }
    }

    /// Returns when [`Limit::tell`] has something to do: at the end of the second.
    pub(super) fn end(&self) -> Option<Instant> {
        self.since?.checked_add(Duration::from_secs(1))
    }

    /// Logs how many lines were held back, once the second is over.
    pub(super) fn tell(&mut self) {
        if self.end().is_some_and(|end| end <= Instant::now()) {
            self.tell_now();
        }
    }

    /// Logs how many lines were held back, at once.
    pub(super) fn tell_now(&mut self) {
        let more = self.lines.saturating_sub(self.most);
        if more > 0 {
            log::warn!("{more} more {}", self.rest);
        }
        *self = Self::of(self.most, self.rest);
    }
}
