//! The waits between the tries to reach somebody who is away.
//!
//! Many boxes lose the same hub in the same moment, and must not come back to it in one. So every wait is drawn evenly between nothing and a
//! bound, which doubles from half a second to [`LONGEST`]. What follows from this, for boxes that know nothing of each other:
//!
//! * A hub that was away for a time `T` is tried by `1.44 / T` of them in a second, until `T` comes near to the longest bound; from then on by two in
//!   28, which is seven in a hundred. A thousand boxes after half a minute: the first after some milliseconds, 71 in the first second and ever
//!   fewer after it, 90 at most in any second by chance, the last after 28 seconds.
//! * With a bound of 20 seconds it would be a tenth of them, and with one of 30 the last of them would be later than half a minute.

use std::time::Duration;

/// The first bound: a hub that is back at once is found at once.
const FIRST: Duration = Duration::from_millis(500);
/// The longest bound as a rule: the last of many is back within half a minute.
pub(super) const LONGEST: Duration = Duration::from_secs(28);

/// The bound of the next wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) const NEW: Self = Self(FIRST);

    /// Draws a wait, by this chance out of all numbers. The bounds grow to `longest`, and faster when the try that failed took long: it is the time
    /// away that spreads the boxes, not the number of their tries. The time `spent` on the try counts as waited where the bound could not grow, so
    /// that a host that is off is found again within the same time as one that refuses.
    pub(super) fn wait(&mut self, longest: Duration, spent: Duration, chance: u32) -> Duration {
        let bound = self.0.max(spent.saturating_mul(2)).min(longest);
        self.0 = bound.saturating_mul(2).min(longest);
        share(bound.min(longest.saturating_sub(spent)), chance)
    }

    /// Returns true if the waits have grown to this bound.
    pub(super) fn is_at(&self, bound: Duration) -> bool {
        self.0 >= bound
    }
}

/// Returns the part of a time that the chance is of all numbers.
pub(super) fn share(time: Duration, chance: u32) -> Duration {
    let nanos = time.as_nanos().saturating_mul(chance.into()) >> u32::BITS;
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// Returns a little less than a wait, by chance: 12 to 15 sixteenths of it.
pub(super) fn a_little_less(wait: Duration) -> Duration {
    wait.saturating_sub(share(wait.checked_div(4).unwrap_or_default(), chance()))
}

/// Returns a number by chance.
pub(super) fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers by chance that are the same in every run.
    struct Seed(u64);

    impl Seed {
        fn next(&mut self) -> u32 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z >> 32) as u32
        }
    }

    const BOXES: usize = 1000;

    /// When each of a thousand boxes is back, counted from the return of a hub that was away for so long. Each try takes so long while the hub is
    /// away.
    fn back(away: Duration, each: Duration, seed: u64) -> Vec<Duration> {
        let mut chance = Seed(seed);
        let one = |_| {
            let (mut backoff, mut at) = (Backoff::NEW, Duration::ZERO);
            at = at.saturating_add(backoff.wait(LONGEST, Duration::ZERO, chance.next()));
            while at < away {
                // one that is under way when the hub returns fails all the same
                at = at.saturating_add(each).saturating_add(backoff.wait(LONGEST, each, chance.next()));
            }
            at.saturating_sub(away)
        };
        let mut all: Vec<Duration> = (0..BOXES).map(one).collect();
        all.sort();
        all
    }

    /// The most that are back within any second.
    fn most(back: &[Duration]) -> usize {
        let within = |(i, at): (usize, &Duration)| {
            back.iter().skip(i).take_while(|other| other.saturating_sub(*at) < Duration::from_secs(1)).count()
        };
        back.iter().enumerate().map(within).max().unwrap()
    }

    #[test]
    fn a_thousand_boxes_come_back_evenly() {
        for seed in 0..20 {
            for away in [30, 31, 40, 60, 300, 3600] {
                for each in [0, 2, 7] {
                    let back = back(Duration::from_secs(away), Duration::from_secs(each), seed);
                    let most = most(&back);
                    let (first, last) = (back[0], back[BOXES - 1]);
                    let what =
                        format!("seed {seed}, {away} s, {each} s a try: first {first:?}, last {last:?}, {most} in a second");
                    assert!(first < Duration::from_secs(1) && last <= LONGEST && most <= BOXES / 10, "{what}");
                }
            }
        }
    }

    /// After a shorter time away it takes them about that time.
    #[test]
    fn a_short_absence_is_short_for_most() {
        for (away, half) in [(1, 2), (5, 6), (10, 10)] {
            let back = back(Duration::from_secs(away), Duration::ZERO, 1);
            assert!(back[BOXES / 2] < Duration::from_secs(half), "{away}: {:?}", back[BOXES / 2]);
        }
    }

    #[test]
    fn the_bounds_grow_and_have_an_end() {
        let mut backoff = Backoff::NEW;
        let all = u32::MAX;
        for bound in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 28.0, 28.0] {
            let wait = backoff.wait(LONGEST, Duration::ZERO, all).as_secs_f64();
            assert!((bound - 0.001..=bound).contains(&wait), "{wait}");
        }
        assert_eq!(backoff.wait(LONGEST, Duration::ZERO, 0), Duration::ZERO);
        assert!(backoff.wait(LONGEST, Duration::from_secs(7), all) <= Duration::from_secs(21));
        assert_eq!(backoff.wait(LONGEST, Duration::from_secs(70), all), Duration::ZERO);
        assert!(backoff.wait(Duration::from_secs(300), Duration::ZERO, all) > Duration::from_secs(27));
        assert!(backoff.is_at(LONGEST) && !Backoff::NEW.is_at(LONGEST));
    }
}
