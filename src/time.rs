//! Time as a number: whoever drives the node reads a clock and hands it in.

#![cfg_attr(not(test), forbid(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![cfg_attr(not(test), forbid(clippy::cast_sign_loss, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used))]
#![cfg_attr(not(test), forbid(clippy::expect_used, clippy::unwrap_in_result, clippy::panic, clippy::panic_in_result_fn))]
#![cfg_attr(not(test), forbid(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::disallowed_methods))]
#![cfg_attr(not(test), forbid(clippy::disallowed_macros, clippy::exit, clippy::mem_forget))]

use core::time::Duration;

/// A point in time, in milliseconds since any fixed start the driver likes.
///
/// Below the driver nobody reads a clock: the same calls with the same numbers do the same things,
/// which is how tests run hours in milliseconds. It must not go backwards; if it does, timers fire late, nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Instant(u64);

impl Instant {
    /// Returns the point `millis` milliseconds after the driver's start.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the driver's start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Returns this point plus `wait`, in whole milliseconds rounded up. The result is the end of time if it would lie beyond it.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let millis = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }

    /// Returns the time from `now` until this point, which is zero if it has passed.
    pub fn since(self, now: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(now.0))
    }
}

/// The times that a turn goes by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// The present. What begins, begins now.
    pub(crate) now: Instant,
    /// All that had come by then was read: what was to be over by then is. It lies before `now` while there is more to read than a turn does.
    pub(crate) read: Instant,
}

/// Returns the sooner of two points that there may be.
#[inline]
pub(crate) fn sooner(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, None) | (None, one) => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_up_and_saturates() {
        let now = Instant::from_millis(5);
        assert_eq!(now.after(Duration::from_micros(1)), Instant::from_millis(6));
        assert_eq!(now.after(Duration::MAX), Instant::from_millis(u64::MAX));
        assert_eq!(Instant::from_millis(9).since(now), Duration::from_millis(4));
        assert_eq!(now.since(Instant::from_millis(9)), Duration::ZERO);
    }
}
