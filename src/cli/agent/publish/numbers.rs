//! The numbers of readings, by which a repeat is known.

use super::moment::{Moment, SET};

/// The bits of a number that are counted; above them is the epoch.
const COUNTED: u32 = 24;
/// The milliseconds of a second share its counts: an agent that starts twice within one does not begin with the same.
const EACH: i64 = 1 << 14;

/// The numbers to come: each is larger than all before, those of an agent that ran before included.
#[derive(Debug)]
pub(super) struct Numbers {
    epoch: u64,
    count: u64,
}

impl Numbers {
    /// Begins with the numbers that the clock tells: where nothing is kept over a restart, they grow as it does.
    pub(super) fn of_clock(now: &Moment) -> Self {
        let count = now.clock.checked_rem(1000).unwrap_or(0).saturating_mul(EACH);
        Self { epoch: epoch(now), count: u64::try_from(count).unwrap_or(0) }
    }

    /// Returns true if this is the last number that there was.
    pub(super) fn is_last(&self, number: u64) -> bool {
        number.saturating_add(1) >= (self.epoch << COUNTED).saturating_add(self.count)
    }

    /// Returns the next number.
    pub(super) fn next(&mut self, now: &Moment) -> u64 {
        if self.epoch == 0 {
            // the clock may have been set since
            self.epoch = epoch(now);
        }
        if self.count >> COUNTED > 0 {
            *self = Self { epoch: self.epoch.saturating_add(1), count: 0 };
        }
        let number = (self.epoch << COUNTED).saturating_add(self.count);
        self.count = self.count.saturating_add(1);
        number
    }
}

/// Returns the seconds since 2020, or 0 if the clock is not set.
fn epoch(now: &Moment) -> u64 {
    let since = now.clock.saturating_sub(SET).max(0);
    u64::try_from(since.checked_div(1000).unwrap_or(0)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(clock: i64) -> Moment {
        Moment { clock, up: 5000, boot: 7 }
    }

    #[test]
    fn numbers_grow_with_the_clock_and_with_each_reading() {
        let (early, now) = (at(5000), at(SET + 1_000_000_007));
        let mut numbers = Numbers::of_clock(&now);
        let first = numbers.next(&now);
        assert_eq!((first >> COUNTED, first & 0xff_ffff), (1_000_000, 7 << 14));
        // the clock tells nothing more
        assert_eq!((numbers.next(&early), numbers.next(&at(SET + 2_000_000_000))), (first + 1, first + 2));
        // started anew within the same second, and one that has used up its counts
        assert!(Numbers::of_clock(&at(SET + 1_000_000_008)).next(&now) > first + 2);
        let mut numbers = Numbers { epoch: 5, count: (1 << COUNTED) - 1 };
        assert_eq!([numbers.next(&now), numbers.next(&now)], [(6 << COUNTED) - 1, 6 << COUNTED]);
    }

    #[test]
    fn a_clock_that_is_set_late_counts_from_then_on() {
        let mut numbers = Numbers::of_clock(&at(5000));
        assert_eq!([numbers.next(&at(5000)), numbers.next(&at(6000))], [0, 1]);
        assert_eq!(numbers.next(&at(SET + 9000)), (9 << COUNTED) + 2);
        // a float holds it whole until 2036
        assert!(Numbers::of_clock(&at(2_082_758_400_000)).next(&at(0)) < 1 << 53);
    }
}
