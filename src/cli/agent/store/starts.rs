//! Numbers that grow with each reading and are never given twice, also not after a restart.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use rustix::fs::{FlockOperation, flock};

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
    next: Arc<AtomicU64>,
}

impl Numbers {
    /// Begins another epoch: the one behind that in the folder, or the seconds of the clock since 2020 if those are more (0 if the clock is not set).
    /// The folder has the new one when this returns. Without a folder, or if it cannot be written, which comes back as well, numbers grow over
    /// restarts as long as the clock does.
    pub(in crate::cli::agent) fn start(folder: Option<&Path>, clock: u64) -> (Self, io::Result<()>) {
        let (epoch, written) = folder.map_or((clock, Ok(())), |folder| next_epoch(folder, clock));
        (Self { folder: folder.map(Path::to_owned), epoch, count: 0, next: Arc::default() }, written)
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
            self.epoch = self.next.swap(0, Ordering::Relaxed).max(self.epoch.saturating_add(1));
        }
        number
    }

    /// Has the next epoch written by a thread of its own, which may take its time.
    fn prepare(&self) {
        let Some(folder) = self.folder.clone() else { return };
        let (next, least) = (Arc::clone(&self.next), self.epoch.saturating_add(1));
        // what it cannot write it could not at the start, and that was said
        let _ = thread::Builder::new().stack_size(64 << 10).spawn(move || {
            let (epoch, _) = next_epoch(&folder, least);
            next.store(epoch, Ordering::Relaxed);
        });
    }
}

/// Returns the epoch behind the one in the folder, and at least this one, after it has written that in its place.
fn next_epoch(folder: &Path, least: u64) -> (u64, io::Result<()>) {
    let made = fs::create_dir_all(folder);
    // two agents that start at once are not to take the same; whatever fails here fails below as well
    let lock = File::open(folder).map(|folder| flock(&folder, FlockOperation::LockExclusive).map(|()| folder));
    let [file, _] = FILES;
    let stored = fs::read_to_string(folder.join(file)).ok().and_then(|text| text.trim_end().parse::<u64>().ok());
    let epoch = stored.map_or(least, |stored| stored.saturating_add(1).max(least));
    let written = made.and_then(|()| replace(folder, epoch));
    drop(lock);
    (epoch, written)
}

/// Writes the epoch, so that the file has either it or the one before, whenever the power goes.
fn replace(folder: &Path, epoch: u64) -> io::Result<()> {
    let [file, new] = FILES.map(|name| folder.join(name));
    let mut out = File::create(&new)?;
    writeln!(out, "{epoch}")?;
    out.sync_all()?;
    fs::rename(new, file)?;
    File::open(folder)?.sync_all()
}
