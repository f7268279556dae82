//! When a reading was taken, also if the clock was not set yet.

use std::fs;
use std::time::SystemTime;

use rustix::time::{ClockId, clock_gettime};

/// 2020-01-01, in milliseconds since 1970: a clock that is before it was not set.
pub(super) const SET: i64 = 1_577_836_800_000;
/// The milliseconds by which a clock may have been stepped before times are mended.
const STEP: i64 = 1000;

/// A moment: by the clock, and by the time that the box has been up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Milliseconds since 1970, as the clock had it.
    pub(super) clock: i64,
    /// Milliseconds since the box was started, those in which it slept included. No setting of the clock changes these.
    pub(super) up: i64,
    /// The start of the box from which that is counted.
    pub(super) boot: u64,
}

impl Moment {
    /// Returns now, where `boot` stands for this start of the box.
    fn now(boot: u64) -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let up = clock_gettime(ClockId::Boottime);
        let up = up.tv_sec.saturating_mul(1000).saturating_add(up.tv_nsec.checked_div(1_000_000).unwrap_or(0));
        Self { clock: i64::try_from(since.as_millis()).unwrap_or(i64::MAX), up, boot }
    }

    /// Returns true if the clock was set by then.
    pub(super) fn is_set(&self) -> bool {
        self.clock >= SET
    }

    /// Returns what the clock says at the start of the box, as it was set then; nothing while it was not.
    pub(super) fn start(&self) -> Option<i64> {
        self.is_set().then(|| self.clock.saturating_sub(self.up))
    }

    /// Returns the milliseconds since 1970, where `start` is what the clock says of the start of its box as it is known now. There is
    /// nothing to say if the clock was never set.
    fn milliseconds(&self, start: Option<i64>) -> Option<i64> {
        let mended = start.filter(|start| self.start().is_none_or(|own| is_step(own, *start)));
        mended.map(|start| start.saturating_add(self.up)).or_else(|| self.is_set().then_some(self.clock))
    }
}

/// The time, and what is known of the box's former starts.
#[derive(Debug)]
pub(super) struct Clock {
    pub(super) now: Moment,
    /// What the clock says of the start of the box, for each start that it is known of.
    pub(super) before: Vec<(u64, i64)>,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { now: Moment::now(boot()), before: Vec::new() }
    }

    /// Looks at the clock.
    pub(super) fn look(&mut self) {
        self.now = Moment::now(self.now.boot);
    }

    /// Returns the milliseconds since 1970 at which something was, as they are known now.
    pub(super) fn milliseconds(&self, at: &Moment) -> Option<i64> {
        let before = || self.before.iter().find(|(boot, _)| *boot == at.boot).map(|(_, start)| *start);
        at.milliseconds(if at.boot == self.now.boot { self.now.start() } else { before() })
    }

    /// Returns the milliseconds that have passed since then.
    pub(super) fn since(&self, at: &Moment) -> i64 {
        let now = &self.now;
        let passed = if at.boot == now.boot { now.up.saturating_sub(at.up) } else { now.clock.saturating_sub(at.clock) };
        passed.max(0)
    }
}

/// Returns true if the clock was stepped between these: between two settings it runs as the other time does.
pub(super) fn is_step(before: i64, after: i64) -> bool {
    before.abs_diff(after) > STEP.unsigned_abs()
}

/// Returns a number that stands for this start of the box.
fn boot() -> u64 {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = id.chars().filter(char::is_ascii_hexdigit).take(16).collect();
    // one that cannot be known is none that was before
    u64::from_str_radix(&digits, 16).ok().or_else(|| getrandom::u64().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clock that says these seconds, a box that has been up for those.
    fn at(clock: i64, up: i64) -> Moment {
        Moment { clock: clock * 1000, up: up * 1000, boot: 7 }
    }

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn a_time_is_mended_once_the_clock_is_set() {
        let early = at(30, 30);
        assert_eq!((early.is_set(), early.milliseconds(early.start())), (false, None));
        // set two minutes later
        let later = at(NOW, 150);
        assert_eq!(early.milliseconds(later.start()), Some((NOW - 120) * 1000));
        // one that was right stays as it is, also while the clock is slowed down or lost again
        let right = at(NOW, 150);
        for later in [at(NOW + 10, 160), at(NOW + 11, 160), at(9, 160)] {
            assert_eq!(right.milliseconds(later.start()), Some(NOW * 1000));
        }
        // stepped back and forth
        for step in [-3600, -2, 2, 86_400] {
            assert_eq!(right.milliseconds(at(NOW + step + 10, 160).start()), Some((NOW + step) * 1000));
        }
    }

    #[test]
    fn this_start_is_the_same_whenever_it_is_asked_for() {
        assert_eq!(boot(), boot());
        let (first, second) = (Moment::now(1), Moment::now(1));
        assert!(second.up >= first.up && first.up > 0 && first.is_set());
    }
}
