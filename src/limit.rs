//! The limit of lines in a log of which somebody else can cause any number.

#![cfg_attr(not(test), forbid(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![cfg_attr(not(test), forbid(clippy::cast_sign_loss, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used))]
#![cfg_attr(not(test), forbid(clippy::expect_used, clippy::unwrap_in_result, clippy::panic, clippy::panic_in_result_fn))]
#![cfg_attr(not(test), forbid(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::disallowed_methods))]
#![cfg_attr(not(test), forbid(clippy::disallowed_macros, clippy::exit, clippy::mem_forget))]

use core::fmt;
use core::time::Duration;

use log::{Level, log_enabled};

use crate::time::Instant;

/// The time in which lines are counted together.
const WINDOW: Duration = Duration::from_secs(1);

/// The lines of which the cause is remembered, within a second.
const NAMED: usize = 64;

/// A limit of the lines of one kind, of which others can cause any number: a stranger who connects and is refused, a peer that comes and goes.
///
/// Within a second [`LogLimit::LINES`] lines are logged. Somebody who is named as their cause has [`LogLimit::EACH`] of them at most, and never
/// more than are left for all others: of ten lines one has five, a second three, a third and a fourth one. At the end of the second a warning
/// says how many were held back, so that what was logged and what was held back is what there was.
///
/// The node and the driver limit their own lines so. A program that logs the node's events takes one for each kind of them: what is rare is
/// then not lost among what is frequent. When it is dropped, it says what it has held back.
///
/// ```
/// # use beamless::{Event, Instant, LogLimit};
/// let mut refused = LogLimit::new("connections that were refused");
/// # let (event, start) = (Event::NameTaken, std::time::Instant::now());
/// let now = || Instant::from_millis(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
/// refused.warn("", now(), format_args!("{event}"));
/// // in every turn, or when refused.poll_timeout() says so
/// refused.handle_timeout(now());
/// ```
#[derive(Debug)]
pub struct LogLimit {
    kind: &'static str,
    most: u32,
    /// The lines that were logged in this second.
    logged: u32,
    /// Who caused them, as far as they have a name, as hashes.
    causes: heapless::Vec<u16, NAMED>,
    held: u32,
    /// The end of this second.
    end: Option<Instant>,
}

impl LogLimit {
    /// The lines that are logged within a second.
    pub const LINES: u32 = 10;
    /// The most of them that one who is named has caused.
    pub const EACH: u32 = 5;

    /// Makes a limit for lines of a kind, in words that go behind `312 more like it held back: `.
    pub const fn new(kind: &'static str) -> Self {
        Self::with_lines(kind, Self::LINES)
    }

    /// Makes a limit with another number of lines within a second. Of those whose cause is named 64 are logged at most.
    pub const fn with_lines(kind: &'static str, most: u32) -> Self {
        Self { kind, most, logged: 0, causes: heapless::Vec::new(), held: 0, end: None }
    }

    /// Logs a line as information, or counts it. `by` names who caused it; empty if nobody in particular did.
    pub fn info(&mut self, by: &str, now: Instant, line: fmt::Arguments<'_>) {
        self.log(Level::Info, by, now, line);
    }

    /// Logs a line as a warning, or counts it, as [`LogLimit::info`] does.
    pub fn warn(&mut self, by: &str, now: Instant, line: fmt::Arguments<'_>) {
        self.log(Level::Warn, by, now, line);
    }

    fn log(&mut self, level: Level, by: &str, now: Instant, line: fmt::Arguments<'_>) {
        // nobody reads these, so none is missed
        if !log_enabled!(level) {
            return;
        }
        self.handle_timeout(now);
        self.end.get_or_insert_with(|| now.after(WINDOW));
        if self.has_room(by) {
            self.logged = self.logged.saturating_add(1);
            log::log!(level, "{line}");
        } else {
            self.held = self.held.saturating_add(1);
        }
    }

    /// Returns true if one more line is to be logged, and remembers who caused it.
    fn has_room(&mut self, by: &str) -> bool {
        let left = self.most.saturating_sub(self.logged);
        if by.is_empty() {
            return left > 0;
        }
        let by = hash(by);
        let own = self.causes.iter().filter(|other| **other == by).count();
        u32::try_from(own).is_ok_and(|own| own < left.min(Self::EACH)) && self.causes.push(by).is_ok()
    }

    /// Returns when [`LogLimit::handle_timeout`] has something to do: at the end of the second that began with a line.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.end
    }

    /// Says how many lines were held back, once the second is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.end.is_some_and(|end| end <= now) {
            self.finish();
        }
    }

    /// Says how many lines were held back, at once: for the end of a program.
    pub fn finish(&mut self) {
        if self.held > 0 {
            log::warn!("{} more like it held back: {}", self.held, self.kind);
        }
        (self.logged, self.held, self.end) = (0, 0, None);
        self.causes.clear();
    }
}

impl Drop for LogLimit {
    fn drop(&mut self) {
        self.finish();
    }
}

/// Returns a hash of a name (FNV-1a). Two that share one share their part of the lines.
fn hash(name: &str) -> u16 {
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let [a, b, c, d] = hash.to_le_bytes();
    u16::from_le_bytes([a ^ c, b ^ d])
}
