//! The rest between turns: who is sent one message a write, and is fast, wakes for each of them; who waits a little finds many.

use std::time::Duration;

/// The rest of a driver. Times are those since its start.
pub(super) struct Rest {
    time: Duration,
    /// The beginning of the last turn, if it read something and nobody has rested since.
    began: Option<Duration>,
}

impl Rest {
    /// The longest there is.
    pub(super) const MAX: Duration = Duration::from_millis(100);

    pub(super) fn new(time: Duration) -> Self {
        Self { time: time.min(Self::MAX), began: None }
    }

    /// Returns true if it takes no time.
    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.time.is_zero()
    }

    /// Notes that a turn began then, and reads something.
    pub(super) fn begin(&mut self, now: Duration) {
        self.began = Some(now);
    }

    /// Returns the time to rest before a wait of so long, once for each turn.
    pub(super) fn take(&mut self, now: Duration, wait: Option<Duration>) -> Duration {
        let until = self.began.take().map_or(Duration::ZERO, |began| began.saturating_add(self.time));
        until.saturating_sub(now).min(wait.unwrap_or(Duration::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_turn_begins_so_long_after_the_last_that_read_something() {
        let micros = Duration::from_micros;
        let mut rest = Rest::new(micros(500));
        assert_eq!(rest.take(micros(10), None), micros(0), "nothing was read");
        rest.begin(micros(100));
        assert_eq!(rest.take(micros(250), None), micros(350));
        assert_eq!(rest.take(micros(260), None), micros(0), "once");
        rest.begin(micros(1000));
        assert_eq!(rest.take(micros(1600), None), micros(0), "the program took as long");
        for (wait, rests) in [(micros(0), micros(0)), (micros(50), micros(50)), (micros(900), micros(400))] {
            rest.begin(micros(2000));
            assert_eq!(rest.take(micros(2100), Some(wait)), rests, "no longer than the wait");
        }
    }

    #[test]
    fn it_has_an_end_and_is_off() {
        let mut rest = Rest::new(Duration::MAX);
        rest.begin(Duration::ZERO);
        assert_eq!(rest.take(Duration::ZERO, None), Rest::MAX);
        assert!(Rest::new(Duration::ZERO).is_none());
    }
}
