//! The thread that writes, syncs, reads and deletes segments, so that nothing else waits for the disk.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::record::{self, HEADER, Kind};
use super::segment::Segment;

/// The bytes from which what was written is synced at once.
pub(super) const EARLY: usize = 64 << 10;
/// Room for a few calls: nothing large lies on the thread's stack but the buffer of a path.
pub(super) const STACK: usize = 64 << 10;

/// What goes wrong with the disk if the folder is gone: files in it are made where there is none.
pub(super) const GONE: ErrorKind = ErrorKind::NotFound;

/// The file into which is written what is moved, as long as that is not all there.
pub(super) const MOVED: &str = "moved";

/// What the thread is to do.
pub(super) enum Job {
    /// Append to a segment, which is made where there is none. What has this ticket is synced some time later.
    Write {
        segment: u64,
        ticket: u64,
        bytes: Vec<u8>,
    },
    /// Delete a segment, once all that was written is synced.
    Delete(u64),
    Read(Wanted),
    /// Have one segment in place of two that are behind each other, or of one that stands here twice, with nothing in it but these records: in which
    /// of both, of a queue, from one place to another.
    Move {
        segments: [u64; 2],
        kept: Vec<[u64; 4]>,
    },
}

/// Records of a queue that are to be read: those from one place to another, and no more of them than this many bytes, but one at least.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) queue: u64,
    /// What they were asked for behind.
    pub(super) after: u64,
    pub(super) places: [u64; 2],
    pub(super) most: usize,
    pub(super) segment: u64,
    /// Where in the segment to begin.
    pub(super) at: u64,
}

/// What was read, and where in the segment the next record begins.
pub(super) struct Found {
    pub(super) wanted: Wanted,
    pub(super) records: Vec<(u64, Vec<u8>)>,
    pub(super) next: u64,
    /// Why there is no more, if it may be there all the same.
    pub(super) failure: Option<io::Error>,
}

/// What the thread and the loop tell each other.
#[derive(Default)]
struct Shared {
    jobs: VecDeque<Job>,
    found: Vec<Found>,
    moved: Option<io::Result<Segment>>,
    /// All up to this ticket is synced.
    synced: u64,
    /// Why writing failed: nothing is written until this is taken back. If the folder is gone, nothing at all is done any more.
    failure: Option<io::Error>,
    /// The thread is to end once it has done all its jobs.
    ends: bool,
    has_ended: bool,
}

pub(super) struct Writer {
    shared: Arc<(Mutex<Shared>, Condvar)>,
}

fn lock(shared: &(Mutex<Shared>, Condvar)) -> MutexGuard<'_, Shared> {
    shared.0.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    /// Starts the thread, for segments in this folder, which is locked.
    pub(super) fn start(folder: &Path, lock: &File, sync: Duration, stack: usize) -> io::Result<Self> {
        let shared = Arc::<(Mutex<Shared>, Condvar)>::default();
        let mut disk = Disk {
            folder: folder.to_owned(),
            lock: Some(lock.try_clone()?),
            sync,
            open: None,
            written: 0,
            synced: 0,
            unsynced: 0,
            since: None,
            is_stale: false,
            doomed: Vec::new(),
        };
        let of_thread = Arc::clone(&shared);
        let _: JoinHandle<()> =
            thread::Builder::new().name("readings".to_owned()).stack_size(stack).spawn(move || disk.run(&of_thread))?;
        Ok(Self { shared })
    }

    /// Has the thread do something. What is to be written after a failure is forgotten.
    pub(super) fn push(&self, job: Job) {
        let mut shared = lock(&self.shared);
        if shared.failure.as_ref().is_some_and(|e| matches!(job, Job::Write { .. }) || e.kind() == GONE) {
            return;
        }
        match (job, shared.jobs.back_mut()) {
            (Job::Write { segment, ticket, bytes }, Some(Job::Write { segment: last, ticket: until, bytes: more }))
                if *last == segment =>
            {
                *until = ticket;
                more.extend_from_slice(&bytes);
            }
            (job, _) => shared.jobs.push_back(job),
        }
        self.shared.1.notify_all();
    }

    /// Returns the ticket up to which all is synced, and the failure, if there was one: nothing is written until that is [taken back](Self::again). It
    /// is of the kind [`GONE`] if the folder is gone.
    pub(super) fn state(&self) -> (u64, Option<io::Error>) {
        let shared = lock(&self.shared);
        let failure =
            shared.failure.as_ref().map(|e| e.raw_os_error().map_or_else(|| e.kind().into(), io::Error::from_raw_os_error));
        (shared.synced, failure)
    }

    /// Returns what was read since this was asked last.
    pub(super) fn found(&self) -> Vec<Found> {
        core::mem::take(&mut lock(&self.shared).found)
    }

    /// Returns what came of moving something, once it is done.
    pub(super) fn moved(&self) -> Option<io::Result<Segment>> {
        lock(&self.shared).moved.take()
    }

    /// Tries to write again after a failure.
    pub(super) fn again(&self) {
        lock(&self.shared).failure = None;
    }

    /// Has the thread do what it has to do, sync, and end. Waits for that, but no longer than this.
    pub(super) fn end(&self, most: Duration) {
        let mut shared = lock(&self.shared);
        shared.ends = true;
        self.shared.1.notify_all();
        let end = Instant::now().checked_add(most);
        while !shared.has_ended {
            let left = end.map_or(most, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return;
            }
            shared = self.shared.1.wait_timeout(shared, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

/// The thread's side.
struct Disk {
    folder: PathBuf,
    /// The folder, locked until the thread ends.
    lock: Option<File>,
    sync: Duration,
    /// The segment that was written last, and its number.
    open: Option<(u64, File)>,
    /// The ticket of what was written last.
    written: u64,
    /// The ticket up to which all is synced.
    synced: u64,
    /// The bytes written since the last sync, and since when they wait for one.
    unsynced: usize,
    since: Option<Instant>,
    /// Segments were made or deleted since the folder was synced.
    is_stale: bool,
    /// Segments that are to be deleted, and could not be.
    doomed: Vec<u64>,
}

impl Disk {
    fn run(&mut self, shared: &(Mutex<Shared>, Condvar)) {
        loop {
            let mut guard = lock(shared);
            let left =
                self.since.and_then(|since| since.checked_add(self.sync)).map(|at| at.saturating_duration_since(Instant::now()));
            let is_due = left.is_some_and(|left| left.is_zero()) || self.unsynced >= EARLY;
            let job = if is_due { None } else { guard.jobs.pop_front() };
            let ends = job.is_none() && guard.ends && !is_due;
            if job.is_none() && !is_due && !ends {
                match left {
                    Some(left) => drop(shared.1.wait_timeout(guard, left)),
                    None => drop(shared.1.wait(guard)),
                }
                continue;
            }
            drop(guard);
            let (mut found, mut moved) = (None, None);
            let done = match job {
                Some(Job::Write { segment, ticket, bytes }) => self.write(segment, ticket, &bytes),
                Some(Job::Delete(segment)) => self.delete(segment),
                Some(Job::Read(wanted)) => {
                    found = Some(self.read(wanted));
                    Ok(())
                }
                Some(Job::Move { segments, kept }) => {
                    // what was written last may be among it
                    let synced = self.sync();
                    moved = Some(match &synced {
                        Ok(()) => self.gather(segments, &kept),
                        Err(e) => Err(e.kind().into()),
                    });
                    synced
                }
                None => self.sync(),
            };
            let mut guard = lock(shared);
            guard.found.extend(found);
            guard.moved = moved.or(guard.moved.take());
            // of what was written since, nobody knows what is there if this failed
            guard.synced = self.synced;
            if let Err(e) = done {
                (self.open, self.unsynced, self.since, self.is_stale) = (None, 0, None, true);
                self.written = self.synced;
                let is_gone = e.kind() == GONE;
                guard.failure = Some(e);
                guard.jobs.retain(|job| !is_gone && !matches!(job, Job::Write { .. }));
            }
            if ends {
                // whoever waits for this may open the folder again
                self.lock = None;
                guard.has_ended = true;
                shared.1.notify_all();
                return;
            }
        }
    }

    fn write(&mut self, segment: u64, ticket: u64, bytes: &[u8]) -> io::Result<()> {
        if self.open.as_ref().is_none_or(|(open, _)| *open != segment) {
            self.sync()?;
            self.open = None;
            self.delete_doomed();
            let file = OpenOptions::new().append(true).create(true).open(path(&self.folder, segment))?;
            self.open = Some((segment, file));
            self.is_stale = true;
        }
        let Some((_, file)) = &mut self.open else { return Ok(()) };
        self.since.get_or_insert_with(Instant::now);
        self.unsynced = self.unsynced.saturating_add(bytes.len());
        file.write_all(bytes)?;
        self.written = ticket;
        Ok(())
    }

    /// Fails if the folder was removed, or another one is in its place: nobody would find again what is written, and what is in that one is not ours.
    fn is_there(&self) -> io::Result<()> {
        let Some(held) = &self.lock else { return Ok(()) };
        let which = |about: fs::Metadata| [about.dev(), about.ino()];
        let is_gone = match fs::metadata(&self.folder) {
            Ok(named) => held.metadata().is_ok_and(|held| which(held) != which(named)),
            Err(e) => e.kind() == GONE,
        };
        if is_gone { Err(GONE.into()) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.is_there()?;
        if let (Some((_, file)), Some(_)) = (&self.open, self.since) {
            file.sync_data()?;
        }
        if core::mem::take(&mut self.is_stale) {
            self.lock.as_ref().map_or(Ok(()), File::sync_all)?;
        }
        (self.unsynced, self.since, self.synced) = (0, None, self.written);
        Ok(())
    }

    /// Deletes a segment. If it cannot be deleted that is tried again with the next one that is made or deleted.
    fn delete(&mut self, segment: u64) -> io::Result<()> {
        self.doomed.push(segment);
        let is_open = self.open.as_ref().is_some_and(|(open, _)| *open == segment);
        if is_open {
            self.is_there()?;
            // nobody needs what is in it
            (self.open, self.unsynced, self.since, self.synced) = (None, 0, None, self.written);
        } else {
            // with what is acknowledged, which may stand in it
            self.sync()?;
        }
        self.delete_doomed();
        Ok(())
    }

    fn delete_doomed(&mut self) {
        let Self { folder, doomed, is_stale, .. } = self;
        let mut delete = |segment| match fs::remove_file(path(folder, segment)) {
            Ok(()) => {
                *is_stale = true;
                false
            }
            Err(e) => e.kind() != ErrorKind::NotFound,
        };
        doomed.retain(|segment| delete(*segment));
        if self.is_stale {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// Puts these records of two segments into one file, which then has the place of the second: if the first is still there at the next start, it has
    /// nothing that a newer one has not.
    fn gather(&mut self, [from, into]: [u64; 2], kept: &[[u64; 4]]) -> io::Result<Segment> {
        let new = self.folder.join(MOVED);
        let (salt, mut bytes) = (getrandom::u32().unwrap_or(0), Vec::new());
        let mut segment = Segment::new(into);
        let mut file = BufWriter::new(File::create(&new)?);
        file.write_all(&record::header(salt))?;
        segment.bytes = HEADER as u64;
        for number in core::iter::once(from).chain((from != into).then_some(into)) {
            let mut old = record::Segment::open(&path(&self.folder, number))?.ok_or(ErrorKind::InvalidData)?;
            while let Some(head) = old.head()? {
                // what was written again after a failure counts where it is newer
                let is_kept = |[of, queue, first, last]: &[u64; 4]| {
                    [*of, *queue] == [number, head.queue] && (*first..=*last).contains(&head.place)
                };
                if head.kind != Kind::Data || !kept.iter().any(is_kept) {
                    old.skip(&head)?;
                    continue;
                }
                let Some(payload) = old.payload(&head)? else { break };
                bytes.clear();
                record::write(&mut bytes, salt, Kind::Data, (head.queue, head.place), payload);
                file.write_all(&bytes)?;
                segment.add(head.queue, head.place, segment.bytes, bytes.len() as u64);
                segment.bytes = segment.bytes.saturating_add(bytes.len() as u64);
            }
        }
        // up to where it is torn, if it is
        let has = |[_, queue, _, last]: &[u64; 4]| {
            segment.parts.iter().any(|part| part.queue == *queue && (part.first..=part.last).contains(last))
        };
        if !kept.iter().all(has) {
            return Err(ErrorKind::InvalidData.into());
        }
        file.into_inner()?.sync_data()?;
        fs::rename(&new, path(&self.folder, into))?;
        self.open.take_if(|(open, _)| *open == into || *open == from);
        self.doomed.extend((from != into).then_some(from));
        // in this order: what is neither here nor there would be lost
        match self.lock.as_ref().map_or(Ok(()), File::sync_all) {
            Ok(()) => self.delete_doomed(),
            Err(_) => self.is_stale = true,
        }
        if self.is_stale {
            self.since.get_or_insert_with(Instant::now);
        }
        Ok(segment)
    }

    fn read(&self, wanted: Wanted) -> Found {
        let mut found = Found { wanted, records: Vec::new(), next: wanted.at, failure: None };
        let read = record::Segment::open(&path(&self.folder, wanted.segment));
        found.failure = match read.and_then(|segment| segment.map_or(Ok(()), |mut segment| collect(&mut segment, &mut found))) {
            // it is another file, damaged, cut off, or gone
            Err(e)
                if matches!(
                    e.kind(),
                    ErrorKind::NotFound | ErrorKind::UnexpectedEof | ErrorKind::Unsupported | ErrorKind::InvalidData
                ) =>
            {
                None
            }
            read => read.err(),
        };
        found
    }
}

fn collect(segment: &mut record::Segment, found: &mut Found) -> io::Result<()> {
    let Wanted { queue, places: [first, last], most, at, .. } = found.wanted;
    let mut bytes = 0_usize;
    segment.skip_to(at)?;
    while let Some(head) = segment.head()? {
        let is_wanted = head.kind == Kind::Data && head.queue == queue && (first..=last).contains(&head.place);
        if !is_wanted {
            segment.skip(&head)?;
            continue;
        }
        let Some(payload) = segment.payload(&head)? else { return Ok(()) };
        bytes = bytes.saturating_add(payload.len());
        found.records.push((head.place, payload.to_vec()));
        found.next = segment.at;
        if bytes >= most || head.place == last {
            return Ok(());
        }
    }
    Ok(())
}

/// Returns the file of a segment.
pub(super) fn path(folder: &Path, segment: u64) -> PathBuf {
    folder.join(format!("{segment:016x}.log"))
}

/// Returns the segment whose file has this name.
pub(super) fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}
