//! Numbers that grow with each reading and are never given twice, also not after a restart.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::record::checksum;
use crate::cli::threads;

/// The bits of a number that are counted within an epoch.
const BITS: u32 = 24;
/// The count from which the next epoch is prepared.
const PREPARE: u64 = 3 << (BITS - 2);
/// The file with the last epoch, and the one that it is written to first.
const FILES: [&str; 2] = ["starts", "starts.new"];

/// The numbers of readings: the epoch, which grows with each start, and a count within it.
pub(in crate::cli::agent) struct Numbers {
    folder: Option<PathBuf>,
    epoch: u64,
    count: u64,
    /// The epoch to go on with, once the file has it; 0 until then.
    next: Arc<Mutex<u64>>,
}

impl Numbers {
    /// Begins another epoch: the one behind that in the folder, or the seconds since 2020 if those are more, by a clock of milliseconds (0 if it is not
    /// set). The folder has the new one when this returns. Without a folder, or if it cannot be written, which comes back as well, numbers grow over
    /// restarts as long as the clock does.
    pub(in crate::cli::agent) fn start(folder: Option<&Path>, clock: u64) -> (Self, io::Result<()>) {
        let (seconds, rest) = (clock.wrapping_div(1000), clock % 1000);
        let (epoch, written) = folder.map_or((seconds, Ok(())), |folder| next_epoch(folder, seconds));
        // another start within this second has the same epoch, if nobody knows of this one
        let is_known = folder.is_some() && written.is_ok();
        let count = if is_known || epoch > seconds { 0 } else { (rest << BITS).wrapping_div(1000) };
        (Self { folder: folder.map(Path::to_owned), epoch, count, next: Arc::default() }, written)
    }

    /// Returns the next number. They stay below 2^53 until the year 2036.
    pub(in crate::cli::agent) fn next(&mut self) -> u64 {
        let number = (self.epoch << BITS).saturating_add(self.count);
        self.count = self.count.saturating_add(1);
        if self.count == PREPARE {
            self.prepare();
        }
        if self.count >> BITS > 0 {
            self.count = 0;
            // without a file, or with a disk that does not answer, it goes on all the same
            self.epoch =
                core::mem::take(&mut *self.next.lock().unwrap_or_else(PoisonError::into_inner)).max(self.epoch.saturating_add(1));
        }
        number
    }

    /// Has the next epoch written by a thread of its own, which may take its time.
    fn prepare(&self) {
        let Some(folder) = self.folder.clone() else { return };
        let (next, least) = (Arc::clone(&self.next), self.epoch.saturating_add(1));
        // what it cannot write it could not at the start, and that was said
        let work = move || *next.lock().unwrap_or_else(PoisonError::into_inner) = next_epoch(&folder, least).0;
        let _ = threads::start("numbers", Box::new(work));
    }
}

/// Returns the epoch behind the one in the folder, and at least this one, after it has written that in its place.
fn next_epoch(folder: &Path, least: u64) -> (u64, io::Result<()>) {
    let made = fs::create_dir_all(folder);
    // two agents that start at once are not to take the same
    let lock = File::open(folder).ok().filter(has_lock);
    // the new one may be there without having taken the place of the other
    let stored = FILES.iter().filter_map(|name| parse(&fs::read_to_string(folder.join(name)).ok()?)).max();
    let epoch = stored.map_or(least, |stored| stored.saturating_add(1).max(least));
    let written = made.and_then(|()| replace(folder, epoch));
    drop(lock);
    (epoch, written)
}

/// Locks a folder. Gives up after a second, since whoever has it may have it for long.
fn has_lock(folder: &File) -> bool {
    for _ in 0..100 {
        if flock(folder, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK) {
            return true;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Writes the epoch, so that the file has either it or the one before, whenever the power goes.
fn replace(folder: &Path, epoch: u64) -> io::Result<()> {
    let [file, new] = FILES.map(|name| folder.join(name));
    let mut out = File::create(&new)?;
    writeln!(out, "{epoch} {:08x}", checksum(0, epoch.to_string().as_bytes()))?;
    out.sync_all()?;
    fs::rename(new, file)?;
    File::open(folder)?.sync_all()
}

/// Reads what such a file has; `None` if it is torn.
fn parse(text: &str) -> Option<u64> {
    let (epoch, sum) = text.strip_suffix('\n')?.split_once(' ')?;
    let is_whole = u32::from_str_radix(sum, 16) == Ok(checksum(0, epoch.as_bytes()));
    epoch.parse().ok().filter(|_| is_whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_over_restarts_and_never_come_twice() {
        let folder = std::env::temp_dir().join(format!("beamless-starts-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let start = |clock: u64| {
            let (numbers, written) = Numbers::start(Some(&folder), 1000 * clock + 999);
            written.unwrap();
            numbers
        };
        let mut numbers = start(0);
        assert_eq!((numbers.next(), numbers.next()), (0, 1));
        assert_eq!(start(0).next(), 1 << 24);
        // the clock is set, and is lost again
        assert_eq!([start(200).next(), start(0).next(), start(100).next()], [200 << 24, 201 << 24, 202 << 24]);
        // the power goes while it is written
        let [file, new] = FILES.map(|name| folder.join(name));
        let text = fs::read_to_string(&file).unwrap();
        for length in 0..text.len() {
            fs::write(&new, &text[..length]).unwrap();
            fs::write(&file, &text).unwrap();
            assert_eq!(start(0).next(), 203 << 24);
            // nothing is taken for what it is not
            fs::write(&file, &text[..length]).unwrap();
            assert_eq!(start(7).next(), 7 << 24);
        }
        fs::write(&new, &text).unwrap();
        fs::remove_file(&file).unwrap();
        assert_eq!(start(0).next(), 203 << 24);
        // the count is used up
        let mut numbers = start(0);
        (numbers.count, numbers.epoch) = (PREPARE - 1, 1000);
        assert_eq!(numbers.next(), (1000 << 24) + PREPARE - 1);
        while *numbers.next.lock().unwrap() == 0 {
            thread::yield_now();
        }
        numbers.count = (1 << 24) - 1;
        assert_eq!([numbers.next(), numbers.next()], [(1001 << 24) - 1, 1001 << 24]);
        assert_eq!(start(0).next(), 1002 << 24);
        // nobody wrote it
        numbers.count = (1 << 24) - 1;
        assert_eq!([numbers.next(), numbers.next()], [(1002 << 24) - 1, 1002 << 24]);
        fs::remove_dir_all(&folder).unwrap();

        // without a folder, or one that cannot be made
        let (mut numbers, written) = Numbers::start(None, 9000);
        assert_eq!((numbers.next(), written.is_ok()), (9 << 24, true));
        fs::write(&folder, "").unwrap();
        let (mut numbers, written) = Numbers::start(Some(&folder.join("state")), 9000);
        assert_eq!((numbers.next(), written.is_ok()), (9 << 24, false));
        fs::remove_file(&folder).unwrap();
    }

    /// As soon after each other as an agent can be killed and started again.
    #[test]
    fn two_starts_within_a_second_have_other_numbers() {
        let file = std::env::temp_dir().join(format!("beamless-starts-file-{}", std::process::id()));
        fs::write(&file, "").unwrap();
        for folder in [None, Some(&*file.join("state"))] {
            let mut last = None;
            for clock in [9000, 9001, 9450, 9999, 10_000] {
                let mut numbers = Numbers::start(folder, clock).0;
                for _ in 0..1000 {
                    let number = numbers.next();
                    assert!(last < Some(number), "{last:?} {number}");
                    last = Some(number);
                }
            }
            assert_eq!(last, Some((10 << BITS) + 999));
        }
        fs::remove_file(&file).unwrap();
    }
}
