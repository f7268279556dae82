//! The log when it is opened: what of it is there.

use std::collections::{HashSet, VecDeque};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::queue::Queues;
use super::segment::{self, Hole, Segment};
use super::writer::{self, Job};
use super::{HEADER, SEGMENT, Store, record};
use crate::cli::files;

/// The pauses that are made for files that cannot be read when the log is opened, all together, and how long one is.
const PAUSES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(200);
/// How often a folder is tried again that is locked, and the pause before that.
const LOCKED: u32 = 20;
const LOCKED_PAUSE: Duration = Duration::from_millis(50);
/// The highest number that a segment comes to have, and some more.
const HIGHEST: u64 = u64::MAX >> 1;
/// The file that says whose the folder is.
const OWNER: &str = "owner";
/// The file that says which readings were counted as lost: of each queue, from one place to another.
const COUNTED: &str = "counted";
/// The bytes that either of them has fewer than.
const LARGEST: u64 = 1 << 20;

impl Store {
    /// Opens the log in a folder, which is made if there is none, and reads through what is there. It may take this many bytes of the disk, and is
    /// synced this long after something was written. Nothing is written yet, but whose it is: the owner's, a file.
    ///
    /// Fails if the folder cannot be made or read, if it is another's, or if another process has it open ([`ErrorKind::WouldBlock`]).
    pub(in crate::cli::agent) fn open(folder: &Path, owner: Option<&Path>, limit: u64, sync: Duration) -> io::Result<Self> {
        // made already, on a disk that may be read-only by now
        fs::create_dir_all(folder)?;
        let lock = File::open(folder)?;
        // some file systems have no locks, and a child that has not begun its program yet has those of its parent
        let mut tries = LOCKED;
        while flock(&lock, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            tries = tries.checked_sub(1).ok_or(ErrorKind::WouldBlock)?;
            thread::sleep(LOCKED_PAUSE);
        }
        owner.map_or(Ok(()), |owner| claim(folder, owner))?;
        let [least, most] = SEGMENT;
        let mut store = Self {
            folder: folder.to_owned(),
            lock,
            limit,
            size: (limit >> 4).clamp(least, most),
            sync,
            segments: VecDeque::new(),
            highest: 0,
            salt: None,
            full_at: 0,
            queues: Queues::default(),
            unsynced: 0,
            writer: None,
            moving: None,
            stack: writer::STACK,
            undeleted: Vec::new(),
            ticket: 0,
            synced: 0,
            acknowledge_at: None,
            trouble: None,
            is_gone: false,
            is_waited_for: false,
            idle_since: None,
            hangs: false,
            read_at: None,
        };
        store.read_all()?;
        Ok(store)
    }

    /// Reads all segments, the newest first: what is acknowledged stands in the same or in newer ones.
    fn read_all(&mut self) -> io::Result<()> {
        // what was not done at a power cut
        let _ = fs::remove_file(self.folder.join(writer::MOVED));
        let names = fs::read_dir(&self.folder)?.flatten().map(|entry| entry.file_name());
        let mut numbers: Vec<u64> = names.filter_map(|name| writer::number(name.to_str()?)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        // damage gave it that name, and there are to be others behind it
        let wild = numbers.partition_point(|number| *number > HIGHEST);
        for number in numbers.drain(..wild) {
            log::warn!(
                "{}: left as it is: no file here comes to have such a number",
                writer::path(&self.folder, number).display()
            );
        }
        self.highest = numbers.first().copied().unwrap_or(0);
        // what was written again after a failure counts where it is newer
        let mut lowest: Vec<(u64, u64)> = Vec::new();
        let mut pauses = PAUSES;
        for number in numbers {
            let path = writer::path(&self.folder, number);
            let mut segment = Segment::new(number);
            let queues = &mut self.queues;
            let read = patiently(&mut pauses, || {
                segment = Segment::new(number);
                let Some(mut file) = record::Segment::open(&path)? else { return Ok(None) };
                segment.bytes = file.length;
                segment.scan(&mut file, queues)?;
                Ok(Some((file.salt, file.at)))
            });
            match read {
                Ok(Some((salt, at))) => {
                    if number == self.highest && at == segment.bytes {
                        (self.salt, self.full_at) = (Some(salt), self.size);
                    }
                    // somebody may want to look at it, and it may be another time
                    if segment.damaged > 0 && segment.damaged.saturating_add(HEADER as u64) == segment.bytes {
                        log::warn!("{}: left as it is: nothing in it can be read", path.display());
                        continue;
                    }
                    if segment.damaged > 0 {
                        let (path, damaged) = (path.display(), segment.damaged);
                        log::warn!(
                            "{path}: {damaged} bytes of it cannot be read: they are damaged, or were being written at a power cut"
                        );
                    }
                }
                Ok(None) => {
                    self.push(Job::Delete(number));
                    continue;
                }
                // what was read of it is there
                Err(e) if !segment.parts.is_empty() => log::warn!("{}: not read to its end: {e}", path.display()),
                // it may be read another time, or by another version
                Err(e) => {
                    log::warn!("{}: left as it is: {e}", path.display());
                    continue;
                }
            }
            for part in &mut segment.parts {
                self.queues.change(part.queue, |queue| queue.last = queue.last.max(part.last));
                let newer = lowest.iter().find(|(queue, _)| *queue == part.queue);
                part.last = newer.map_or(part.last, |(_, lowest)| part.last.min(lowest.saturating_sub(1)));
            }
            for part in &segment.parts {
                match lowest.iter_mut().find(|(queue, _)| *queue == part.queue) {
                    Some((_, lowest)) => *lowest = part.first.min(*lowest),
                    None => lowest.push((part.queue, part.first)),
                }
            }
            segment.parts.retain(|part| part.first <= part.last);
            self.segments.push_front(segment);
        }
        self.queues.iter_mut().for_each(|(_, queue)| queue.last = queue.last.max(queue.gone));
        self.count_lost();
        self.tidy();
        Ok(())
    }

    /// Counts as dropped what is missing between others, but for what an earlier start has counted: damage stays as long as its file.
    fn count_lost(&mut self) {
        let path = self.folder.join(COUNTED);
        let known =
            files::read(&path, LARGEST).ok().flatten().and_then(|known| String::from_utf8(known).ok()).unwrap_or_default();
        let counted: HashSet<&str> = known.lines().collect();
        let (mut text, mut all) = (String::new(), 0_u64);
        for Hole { queue, first, last, lost } in segment::holes(&self.segments, &self.queues) {
            let line = format!("{queue:016x} {first} {last}");
            if !counted.contains(&*line) {
                self.queues.change(queue, |queue| queue.dropped = queue.dropped.saturating_add(lost));
                all = all.saturating_add(lost);
            }
            text.extend([&line, "\n"]);
        }
        if all > 0 {
            log::warn!("{}: {all} readings cannot be read", self.folder.display());
        }
        if text != known {
            // what cannot be written now is counted again
            let _ = if text.is_empty() { fs::remove_file(&path) } else { files::replace(&path, text.as_bytes(), 0o600) };
        }
    }
}

/// Takes a folder that is nobody's. Fails if it is another's, who would miss what is in it: it is of no use here, and would be dropped.
fn claim(folder: &Path, owner: &Path) -> io::Result<()> {
    let path = folder.join(OWNER);
    let own = [owner.as_os_str().as_bytes(), b"\n"].concat();
    match files::read(&path, LARGEST) {
        Ok(Some(found)) if found == own => Ok(()),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io::Error::other(format!("{}: {e}", path.display()))),
        // one that is torn is nobody's
        Ok(Some(found)) if found.ends_with(b"\n") => Err(io::Error::other(format!(
            "what is there is of the agent with {}: give this one a --state-dir of its own, or remove {} if there is no such agent any more",
            String::from_utf8_lossy(found.trim_ascii_end()).escape_debug(),
            path.display()
        ))),
        _ => {
            // what cannot be written now is told as soon as something is to be
            let _ = files::replace(&path, &own, 0o600);
            Ok(())
        }
    }
}

/// Does what may fail for a moment again, after a pause each time, as long as there are pauses left.
pub(super) fn patiently<T>(pauses: &mut u32, mut read: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match read() {
            Err(e) if *pauses > 0 && !matches!(e.kind(), ErrorKind::Unsupported | ErrorKind::InvalidData) => {
                *pauses = pauses.saturating_sub(1);
                thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}
