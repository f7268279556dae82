//! What comes and goes: each change is said, until there are too many. Then that is said once, and the changes are counted until there are no more.

use std::time::{Duration, Instant};

use super::once::AGAIN;
use super::peers::after;

/// The most changes that are said within [`CALM`].
const MOST: u32 = 6;
/// The time without a change after which it is said how things stand.
const CALM: Duration = Duration::from_secs(60);

/// The changes of one thing between two states.
#[derive(Default)]
pub(super) struct Flaps {
    /// The first change that counts, and how many there were.
    counted: Option<(Instant, u32)>,
    /// The time at which it was said that there are too many, if they go on.
    said: Option<Instant>,
    /// The time at which there will have been no change for long enough.
    calm: Option<Instant>,
}

impl Flaps {
    /// Takes note of a change. Returns true if it is to be said. That there are too many is said here, by this name.
    pub(super) fn change(&mut self, name: &str, now: Instant) -> bool {
        let (since, count) = self.counted.filter(|(since, _)| self.said.is_some() || now < at(*since, CALM)).unwrap_or((now, 0));
        let count = count.saturating_add(1);
        self.counted = Some((since, count));
        if count <= MOST {
            return true;
        }
        self.calm = Some(at(now, CALM));
        match self.said {
            None => log::warn!(
                "{name} comes and goes: that is counted from now on, and said once it has stayed the same for a minute"
            ),
            Some(said) if now >= at(said, AGAIN) => log::warn!("{name} still comes and goes: {count} changes so far"),
            Some(_) => return false,
        }
        self.said = Some(now);
        false
    }

    /// Returns how many changes there were, once there are no more: then it is to be said how things stand.
    pub(super) fn settled(&mut self, now: Instant) -> Option<u32> {
        self.calm.filter(|calm| *calm <= now)?;
        core::mem::take(self).counted.map(|(_, count)| count)
    }

    /// Returns when there may be something to say.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.calm
    }
}

fn at(from: Instant, time: Duration) -> Instant {
    from.checked_add(time).unwrap_or_else(|| after(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_changes_are_said_and_many_are_counted() {
        let mut flaps = Flaps::default();
        let start = Instant::now();
        let second = |count: u32| start + Duration::from_secs(1) * count;
        let said = (0..300).filter(|count| flaps.change("it", second(*count))).count();
        assert_eq!((said, flaps.settled(second(299)), flaps.next_wake()), (6, None, Some(second(359))));
        assert_eq!((flaps.settled(second(358)), flaps.settled(second(359))), (None, Some(300)));
        assert_eq!((flaps.settled(second(500)), flaps.next_wake()), (None, None));
        // and then each is said again
        assert!(flaps.change("it", second(360)));
    }

    #[test]
    fn what_changes_now_and_then_is_said_each_time() {
        let mut flaps = Flaps::default();
        let start = Instant::now();
        assert!((0..100).all(|count| flaps.change("it", start + CALM / 5 * count)));
        assert_eq!(flaps.next_wake(), None);
    }

    #[test]
    fn what_never_ends_is_said_once_an_hour() {
        let mut flaps = Flaps::default();
        let start = Instant::now();
        let mut told = Vec::new();
        for count in 0..7300 {
            let before = flaps.said;
            flaps.change("it", start + Duration::from_secs(1) * count);
            if flaps.said != before {
                told.push(count);
            }
        }
        assert_eq!(told, [6, 3606, 7206]);
    }
}
