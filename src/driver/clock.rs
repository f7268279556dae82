//! The clock of all drivers of a process: a node that outlives its driver has the times that it waits for by the same one.

use std::sync::OnceLock;
use std::time::Instant;

use crate::time::Instant as Time;

/// When it began: with the first driver.
pub(super) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Returns the milliseconds since then.
pub(super) fn since(start: Instant) -> Time {
    Time::from_millis(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX))
}
