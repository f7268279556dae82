//! The course of a program: whether it runs, and how often it ended.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The time for which restarts count as recent ones.
pub(in crate::cli::agent) const RECENT: Duration = Duration::from_secs(600);

/// How often a program ended or could not be started, and what it came to last.
pub(super) struct Course {
    /// The time since which it has been running, or has not.
    pub(super) since: Instant,
    pub(super) restarts: u64,
    /// The times of the last of these, no more than there can be in [`RECENT`].
    pub(super) recent: VecDeque<Instant>,
    pub(super) last_exit: Option<String>,
}

impl Course {
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, restarts: 0, recent: VecDeque::new(), last_exit: None }
    }

    /// Takes note that it ended, or could not be started.
    pub(super) fn ended(&mut self, why: String, was_running: bool, now: Instant) {
        if was_running {
            self.since = now;
        }
        self.restarts = self.restarts.saturating_add(1);
        self.recent.retain(|at| now.saturating_duration_since(*at) < RECENT);
        self.recent.push_back(now);
        self.last_exit = Some(why);
    }
}

/// How a program is.
pub(in crate::cli::agent) struct ProgramStatus<'p> {
    pub(in crate::cli::agent) name: &'p str,
    pub(in crate::cli::agent) is_running: bool,
    /// The time since which that is so.
    pub(in crate::cli::agent) since: Instant,
    /// How often it ended, or could not be started.
    pub(in crate::cli::agent) restarts: u64,
    /// The times of those that are at most [`RECENT`] ago, the oldest first; there may be older ones.
    pub(in crate::cli::agent) recent: &'p VecDeque<Instant>,
    pub(in crate::cli::agent) last_exit: Option<&'p str>,
    /// The calls that it has not answered.
    pub(in crate::cli::agent) calls: usize,
    /// The messages that it has not read.
    pub(in crate::cli::agent) unread: usize,
}
