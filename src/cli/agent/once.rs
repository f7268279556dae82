//! Lines in the log that others cause again and again: each is said once, and counted until it is said again.

use std::time::{Duration, Instant};

/// The most lines that are remembered. Anybody can cause others.
pub(super) const MOST: usize = 256;
/// The time after which a line that is still caused is said again, with how often it was.
pub(super) const AGAIN: Duration = Duration::from_secs(3600);

/// What was said, that said last at the end.
pub(super) struct Once<K> {
    said: Vec<Said<K>>,
}

struct Said<K> {
    what: K,
    at: Instant,
    /// The times that it was caused since.
    more: u32,
}

impl<K: PartialEq> Once<K> {
    pub(super) fn new() -> Self {
        Self { said: Vec::new() }
    }

    /// Returns how often it was caused since it was said last, if it is to be said now.
    pub(super) fn before(&mut self, what: K, now: Instant) -> Option<u32> {
        let mut more = 0;
        if let Some(place) = self.said.iter().position(|said| said.what == what) {
            let said = self.said.get_mut(place)?;
            if now.saturating_duration_since(said.at) < AGAIN {
                said.more = said.more.saturating_add(1);
                return None;
            }
            more = said.more;
            self.said.remove(place);
        } else if self.said.len() >= MOST {
            // the one that was said longest ago
            self.said.remove(0);
        }
        self.said.push(Said { what, at: now, more: 0 });
        Some(more)
    }

    /// Forgets what was said of these.
    pub(super) fn forget(&mut self, is: impl Fn(&K) -> bool) {
        self.said.retain(|said| !is(&said.what));
    }

    /// Returns what was said.
    pub(super) fn said(&self) -> impl Iterator<Item = &K> {
        self.said.iter().map(|said| &said.what)
    }

    /// Takes the counts of those of these that were caused since they were said.
    pub(super) fn take(&mut self, is: impl Fn(&K) -> bool) -> impl Iterator<Item = (&K, u32)> {
        let counted = self.said.iter_mut().filter(move |said| said.more > 0 && is(&said.what));
        counted.map(|said| (&said.what, core::mem::take(&mut said.more)))
    }
}

/// Returns what is said of the times before, behind the line.
pub(super) fn hour(before: u32) -> String {
    if before > 0 { format!("; {before} times more within the last hour") } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_number_of_lines_takes_so_much_memory() {
        let mut once = Once::new();
        let now = Instant::now();
        for number in 0..10 * MOST {
            assert_eq!(once.before(number, now), Some(0));
        }
        assert_eq!(once.said().count(), MOST);
        assert_eq!(once.before(10 * MOST - 1, now), None);
        assert_eq!(once.before(0, now), Some(0), "forgotten");
    }

    #[test]
    fn a_count_is_told_once() {
        let mut once = Once::new();
        let now = Instant::now();
        for what in ["a", "b", "a", "a", "c", "c"] {
            once.before(what, now);
        }
        assert_eq!(once.take(|what| *what != "c").collect::<Vec<_>>(), [(&"a", 2)]);
        assert_eq!(once.take(|_| true).collect::<Vec<_>>(), [(&"c", 1)]);
        assert_eq!(once.take(|_| true).count(), 0);
        assert_eq!(once.before("a", now), None, "it is said no more often for it");
        assert_eq!(once.before("a", now + AGAIN), Some(1));
    }
}
