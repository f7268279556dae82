//! Calls that a program has not answered.

use std::time::{Duration, Instant};

use beamless::OwnedCaller;

/// The most that wait at once, of which one node has three quarters at most. Each takes 1 KiB.
pub(super) const CALLS: usize = 256;

/// The time that a call waits before one more may take its place when there are [`CALLS`]: longer than most callers wait.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(60);

pub(super) struct Waiting {
    pub(super) id: u32,
    /// The place in the input where it ends.
    pub(super) end: u64,
    pub(super) since: Instant,
    pub(super) node: String,
    pub(super) caller: OwnedCaller,
}
