//! Messages that a program is not told of.

use std::time::{Duration, Instant};

use crate::cli::lines::limited;

/// Messages that were dropped and that the log does not have yet.
#[derive(Default)]
pub(super) struct Dropped {
    count: u64,
    why: &'static str,
    /// The time at which the log gets them.
    pub(super) at: Option<Instant>,
}

impl Dropped {
    /// Takes note of one; the log gets it within a second.
    pub(super) fn add(&mut self, name: &str, why: &'static str) {
        if self.why != why {
            self.tell(name);
        }
        self.why = why;
        self.count = self.count.saturating_add(1);
        self.at = self.at.or_else(|| Instant::now().checked_add(Duration::from_secs(1)));
    }

    /// Logs how many there were.
    pub(super) fn tell(&mut self, name: &str) {
        if self.count > 0 {
            // one that sends now this and now that changes the reason with each
            limited!(
                warn,
                name,
                "reasons for which messages to programs were dropped",
                "mailbox {name}: {} dropped: {}",
                messages(self.count),
                self.why
            );
        }
        *self = Self::default();
    }
}

fn messages(count: u64) -> String {
    if count == 1 { "1 message was".to_owned() } else { format!("{count} messages were") }
}
