//! The time by which a node's deadlines are judged, after a pause in which nobody looked: what had come meanwhile is read first.

use std::time::Duration;

use crate::time::Instant;

/// The longest time for which what had come is read before time is judged. A peer that sends without an end does not keep it from that.
const MOST: Duration = Duration::from_secs(1);

/// A clock that stands still, for a while, where there is more to read than one turn does.
#[derive(Default)]
pub(super) struct Late {
    /// The time by which was judged last.
    last: Instant,
    /// The end of that while.
    until: Option<Instant>,
}

impl Late {
    /// Returns the time to judge by: that of the last turn while there is more to read, for as long as nobody looked.
    pub(super) fn judged(&mut self, now: Instant, has_more: bool) -> Instant {
        let pause = now.since(self.last).min(MOST);
        let until = *self.until.get_or_insert_with(|| now.after(pause));
        if !has_more || until <= now {
            (self.last, self.until) = (now, None);
        }
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_still_for_as_long_as_nobody_looked_and_no_longer_than_a_second() {
        let at = Instant::from_millis;
        let mut late = Late::default();
        for (now, has_more, judged) in [
            (10, false, 10),
            // a turn of two milliseconds, and then as much
            (12, true, 10),
            (13, true, 10),
            (14, true, 14),
            // all is read
            (500, true, 14),
            (501, false, 501),
            (502, false, 502),
            (9000, true, 502),
            (9999, true, 502),
            (10_000, true, 10_000),
            (10_000, true, 10_000),
        ] {
            assert_eq!(late.judged(at(now), has_more), at(judged), "{now}");
        }
    }
}
