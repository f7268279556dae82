//! The numbers of readings, by which a repeat is known.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::moment::{Moment, SET};
use crate::cli::agent::beside::{Awaited, Beside};
use crate::cli::agent::peers::after;
use crate::cli::agent::store::Numbers;
use crate::cli::threads;

/// The bits of a number below the time at which its run began.
const BITS: u32 = 24;

/// The time after which the log says that a disk does not answer.
const LONG: Duration = Duration::from_secs(2);

/// The numbers to come: each is larger than all before, those of an agent that ran before included.
pub(super) struct Numbering {
    /// The folder for what outlives a restart.
    folder: Option<PathBuf>,
    /// Those of this run, once there was a reading.
    numbers: Option<Numbers>,
    /// They were begun before the clock was set.
    is_early: bool,
    /// Those of this run, while they are begun beside the loop.
    begins: Option<Awaited<Numbers>>,
    /// When the log is to have that this takes long.
    told_at: Option<Instant>,
    /// Those to go on with.
    begun: Arc<Mutex<Option<Numbers>>>,
    last: u64,
}

impl Numbering {
    /// Begins with the first reading: an agent that has none writes nothing.
    pub(super) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, numbers: None, is_early: false, begins: None, told_at: None, begun: Arc::default(), last: 0 }
    }

    /// Begins with those that are written down, which may take as long as the disk likes.
    pub(super) fn begin(&mut self, now: &Moment) {
        if self.numbers.is_none() {
            self.is_early = !now.is_set();
            self.numbers = Some(start(self.folder.as_deref(), now));
        }
    }

    /// Begins beside the loop, which may not wait for the disk. There is to be no reading before it is done, since numbers never go back.
    pub(super) fn begin_beside(&mut self, now: &Moment, beside: &Beside) {
        if self.numbers.is_some() {
            return;
        }
        let begins = self.begins.take().unwrap_or_else(|| {
            self.is_early = !now.is_set();
            self.told_at = Some(after(LONG));
            let (folder, now) = (self.folder.clone(), *now);
            beside.start(move || start(folder.as_deref(), &now))
        });
        self.numbers = begins.take();
        self.begins = Some(begins).filter(|_| self.numbers.is_none());
        if self.numbers.is_none() && self.told_at.take_if(|at| *at <= Instant::now()).is_some() {
            let folder = self.folder.as_deref().unwrap_or(Path::new(""));
            log::warn!("{}: it does not answer: nothing is published until it does", folder.display());
        }
    }

    /// Returns when there is something to be said of that.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.told_at.filter(|_| self.numbers.is_none())
    }

    pub(super) fn have_begun(&self) -> bool {
        self.numbers.is_some()
    }

    /// Returns the next number.
    pub(super) fn next(&mut self, now: &Moment) -> u64 {
        self.begin(now);
        if self.is_early && now.is_set() {
            self.is_early = false;
            self.go_on(*now);
        }
        let begun = self.begun.try_lock().ok().and_then(|mut begun| begun.take());
        self.numbers = begun.or(self.numbers.take());
        self.last = self.numbers.as_mut().map_or(self.last, Numbers::next);
        self.last
    }

    /// Begins anew now that the clock is set, if it is ahead of what was written down: that may be gone, or what cannot be written. The disk is not
    /// waited for.
    fn go_on(&mut self, now: Moment) {
        if self.last >> BITS >= since_2020(&now).wrapping_div(1000) {
            return;
        }
        let (folder, begun) = (self.folder.clone(), Arc::clone(&self.begun));
        let work = move || *begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(start(folder.as_deref(), &now));
        if self.folder.is_none() {
            work();
        } else if threads::start("numbers", Box::new(work)).is_err() {
            self.is_early = true;
        }
    }

    /// Returns the last number that there was.
    pub(super) fn last(&self) -> u64 {
        self.last
    }
}

fn start(folder: Option<&Path>, now: &Moment) -> Numbers {
    let (numbers, written) = Numbers::start(folder, since_2020(now));
    if let (Some(folder), Err(e)) = (folder, written) {
        log::warn!("{}: {e}: the numbers of readings grow over restarts as long as the clock does", folder.display());
    }
    numbers
}

/// Returns the milliseconds since 2020, or 0 if the clock is not set.
fn since_2020(now: &Moment) -> u64 {
    u64::try_from(now.clock.saturating_sub(SET)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::thread;

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

    /// The folder's own count is lost, or cannot be written, on a box whose clock is set some time after it has started.
    #[test]
    fn numbers_go_on_from_the_clock_with_a_folder_too() {
        let folder = std::env::temp_dir().join(format!("beamless-numbers-{}", std::process::id()));
        let at = |clock| Moment { clock, up: 5000, boot: 7 };
        let until = |numbering: &mut Numbering, least: u64| {
            let mut last = 0;
            while last < least {
                let next = numbering.next(&at(SET + 9000));
                assert!(next > last || last == 0);
                last = next;
                thread::yield_now();
            }
            last
        };
        std::fs::write(&folder, "").unwrap();
        for state in [folder.join("state"), folder.with_extension("state")] {
            let mut numbering = Numbering::new(Some(state));
            assert_eq!(numbering.next(&at(5000)), 0);
            assert_eq!(until(&mut numbering, 1 << 24), 9 << 24);
            assert_eq!(numbering.next(&at(SET + 10_000)), (9 << 24) + 1);
        }
        // it was written: one that has more than the clock goes on with that
        let mut numbering = Numbering::new(Some(folder.with_extension("state")));
        assert_eq!([numbering.next(&at(5000)), numbering.next(&at(SET + 9000))], [10 << 24, (10 << 24) + 1]);
        std::fs::remove_file(&folder).unwrap();
        std::fs::remove_dir_all(folder.with_extension("state")).unwrap();
    }
}
