//! The numbers of readings, by which a repeat is known.

use std::path::PathBuf;

use super::moment::{Moment, SET};
use crate::cli::agent::store::Numbers;

/// The numbers to come: each is larger than all before, those of an agent that ran before included.
pub(super) struct Numbering {
    /// The folder for what outlives a restart.
    folder: Option<PathBuf>,
    /// Those of this run, once there was a reading.
    numbers: Option<Numbers>,
    /// They were begun before the clock was set.
    is_early: bool,
    last: u64,
}

impl Numbering {
    /// Begins with the first reading: an agent that has none writes nothing.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, numbers: None, is_early: false, last: 0 }
    }

    /// Returns the next number.
    pub(super) fn next(&mut self, now: &Moment) -> u64 {
        if self.is_early && now.is_set() && self.folder.is_none() {
            // without a folder it is the clock that has them grow over restarts
            self.numbers = None;
        }
        let numbers = self.numbers.get_or_insert_with(|| {
            let (numbers, written) = Numbers::start(self.folder.as_deref(), since_2020(now));
            if let (Some(folder), Err(e)) = (&self.folder, written) {
                log::warn!("{}: {e}: the numbers of readings grow over restarts as long as the clock does", folder.display());
            }
            self.is_early = !now.is_set();
            numbers
        });
        self.last = numbers.next();
        self.last
    }

    /// Returns the last number that there was.
    pub(super) fn last(&self) -> u64 {
        self.last
    }
}

/// Returns the seconds since 2020, or 0 if the clock is not set.
fn since_2020(now: &Moment) -> u64 {
    let since = now.clock.saturating_sub(SET).max(0);
    u64::try_from(since.checked_div(1000).unwrap_or(0)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_with_each_reading_and_with_the_clock() {
        let at = |clock| Moment { clock, up: 5000, boot: 7 };
        let mut numbering = Numbering::new(None);
        assert_eq!([numbering.next(&at(5000)), numbering.next(&at(6000)), numbering.last()], [0, 1, 1]);
        // the clock is set, is lost, and goes on
        assert_eq!(numbering.next(&at(SET + 9000)), 9 << 24);
        assert_eq!([numbering.next(&at(5000)), numbering.next(&at(SET + 10_000))], [(9 << 24) + 1, (9 << 24) + 2]);
    }
}
