//! The pace at which a program is read that writes more than anybody has a use for: its pipe fills, and it waits.

use std::time::{Duration, Instant};

/// The bytes of no use that a program may write at once.
const BURST: usize = 1 << 20;

/// The bytes that a line counts for besides its own: a short one is as much work.
const LINE: usize = 64;

/// The bytes of no use that are read within a millisecond in the long run: 256 KiB a second, with which a small board has no work.
const MILLISECOND: usize = 256;

/// The time for which nothing is read when there were too many.
const REST: Duration = Duration::from_millis(250);

/// The account of a program's bytes that are of no use.
#[derive(Debug)]
pub(super) struct Pace {
    /// The bytes that it may write now.
    left: usize,
    /// The time up to which those are counted.
    counted: Instant,
    /// Nothing is read until then.
    rest: Option<Instant>,
    /// The log has that it writes too many.
    is_told: bool,
    /// It has ended.
    has_ended: bool,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { left: BURST, counted: Instant::now(), rest: None, is_told: false, has_ended: false }
    }

    /// Takes note of bytes and lines that were of no use. Returns true if there were too many for the first time.
    pub(super) fn spend(&mut self, bytes: usize, lines: usize, now: Instant) -> bool {
        let bytes = bytes.saturating_add(lines.saturating_mul(LINE));
        let time = now.saturating_duration_since(self.counted);
        let more = usize::try_from(time.as_millis()).unwrap_or(usize::MAX).saturating_mul(MILLISECOND);
        if more > 0 {
            self.counted = now;
        }
        self.left = self.left.saturating_add(more).min(BURST).saturating_sub(bytes);
        if self.left > 0 || self.rest.is_some() {
            return false;
        }
        self.rest = now.checked_add(REST);
        !core::mem::replace(&mut self.is_told, true)
    }

    /// Returns true if nothing is to be read now.
    pub(super) fn rests(&mut self, now: Instant) -> bool {
        self.rest = self.rest.filter(|end| *end > now);
        self.rest.is_some()
    }

    /// Lets what the program wrote before its end be read at once. It is no more than a pipe holds; what it left behind may write on.
    pub(super) fn end(&mut self) {
        if !core::mem::replace(&mut self.has_ended, true) {
            (self.left, self.rest) = (BURST, None);
        }
    }

    /// Returns when it is to be read on.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_read_at_once_and_a_flood_is_not() {
        let mut pace = Pace::new();
        let start = pace.counted;
        assert!(!pace.spend(BURST - 1, 0, start) && !pace.rests(start));
        let mut read = BURST - 1;
        let mut told = 0;
        for millisecond in 0..10_000 {
            let now = start + Duration::from_millis(millisecond);
            while !pace.rests(now) {
                read += 4096;
                told += u32::from(pace.spend(4032, 1, now));
            }
            assert!(pace.next_wake().is_some_and(|at| at > now));
        }
        assert_eq!(told, 1);
        assert!((BURST + 9000 * MILLISECOND..BURST + 11_000 * MILLISECOND).contains(&read), "{read}");
        // who was quiet for a while may write as much as in the beginning
        let later = start + Duration::from_secs(20);
        assert!(!pace.rests(later) && !pace.spend(BURST - 1, 0, later) && !pace.rests(later));
        assert!(!pace.spend(1, 0, later) && pace.rests(later));
        // what it wrote last is read whatever it wrote before, and no more than that
        pace.end();
        assert!(!pace.rests(later) && !pace.spend(BURST - 1, 0, later) && !pace.rests(later));
        pace.end();
        assert!(!pace.spend(1, 0, later) && pace.rests(later));
    }
}
