//! The log on disk of what waits: records in queues, which outlive a restart and a power cut.
//!
//! A record is appended to a queue, read some time later, and acknowledged once it arrived. Records of all queues lie behind each other in
//! segments, files that are only ever appended to. An acknowledgement is a record as well; each segment begins with all that hold, so that any
//! other can be deleted once nothing in it waits. If there is no room for another segment, the oldest records of whatever has most are dropped, and what
//! else is in their segments is put together in fewer.
//!
//! All that touches the disk is done by a thread of its own, but for what is there when the log is opened. It syncs some seconds after the first
//! record that is not synced, or after 64 KiB. Until then records are held in memory, too, so that nothing is lost if writing fails: it is then
//! tried again each minute, in another segment.
//!
//! What cannot be read is tried again, too. It counts as lost once the disk has failed at it for some minutes, or at once if it is torn.
//!
//! What a power cut leaves: all records that were synced, and of those behind them as many as are whole. What was acknowledged since the last
//! sync, and a segment that was just deleted, may come back.

mod open;
mod queue;
mod record;
mod room;
mod segment;
mod starts;
mod trouble;
mod writer;

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::cli::lines::limited;
#[cfg(test)]
pub(super) use queue::looked_at;
use queue::{Queue, Queues, Reading, Unsynced};
pub(super) use queue::{Read, alike, are_alike, queue, queue_of};
use record::{HEADER, Kind, RECORD};
use room::Oldest;
use segment::{Part, Segment};
pub(super) use starts::Numbers;
use trouble::Trouble;
use writer::{EARLY, Found, GONE, Job, Wanted, Writer};

/// The bytes of records that are taken beyond what is synced.
const ROOM: usize = 2 * EARLY;
/// The sizes that a segment may have; in between it is a sixteenth of what all may have.
const SEGMENT: [u64; 2] = [64 << 10, 1 << 20];
/// The time after which writing is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(60);
const HANGS: &str = "the disk has not answered for a minute";
/// How often the disk may fail to read something before that is given up.
const READS: u32 = 10;
/// The time after which it is looked whether the thread has done what is waited for.
const SOON: Duration = Duration::from_millis(20);

/// The records of all queues, on disk, of one folder, which no other process may have open.
///
/// The loop calls [`turn`](Self::turn) whenever it turns, and at [`next_wake`](Self::next_wake).
pub(super) struct Store {
    folder: PathBuf,
    /// The folder, which is locked as long as this is open.
    lock: File,
    limit: u64,
    /// The bytes of a segment that is full.
    size: u64,
    sync: Duration,
    /// The segments, oldest first.
    segments: VecDeque<Segment>,
    /// The highest number that a segment had.
    highest: u64,
    /// The salt of the last segment, if it may be appended to.
    salt: Option<u32>,
    /// The bytes with which that is full.
    full_at: u64,
    queues: Queues,
    /// The bytes of all records that are not known to be synced.
    unsynced: usize,
    writer: Option<Writer>,
    /// The bytes of the thread's stack.
    stack: usize,
    /// What waits in the first of these segments is being moved into the second, or within the one.
    moving: Option<[u64; 2]>,
    /// Segments to delete once there is a thread.
    undeleted: Vec<u64>,
    ticket: u64,
    /// All up to this ticket is synced.
    synced: u64,
    /// When acknowledgements are written that were not.
    acknowledge_at: Option<Instant>,
    trouble: Option<Trouble>,
    /// The folder was removed, or has another one in its place.
    is_gone: bool,
    /// A record was not taken for want of room, or is being read.
    is_waited_for: bool,
    /// The thread has to do something at once and has not done anything since.
    idle_since: Option<Instant>,
    /// It has not for so long that this is said.
    hangs: bool,
    /// When reading is tried again that is waited for.
    read_at: Option<Instant>,
}

impl Store {
    /// Appends a record to a queue. Returns its place, which is higher than all before; `None` if the disk is behind or in trouble: then nothing was
    /// taken, and it is to be tried again some time later.
    ///
    /// Records are read in the order in which they were appended. If there is no room, the oldest of the queue that has most are dropped and counted.
    pub(super) fn append(&mut self, queue: u64, payload: &[u8]) -> Option<u64> {
        let is_behind = self.trouble.is_some() || (self.unsynced > 0 && self.unsynced.saturating_add(payload.len()) > ROOM);
        if is_behind || self.makes_room((RECORD as u64).saturating_add(payload.len() as u64)) {
            self.is_waited_for = true;
            return None;
        }
        Some(self.take(queue, payload.to_vec()))
    }

    fn take(&mut self, id: u64, payload: Vec<u8>) -> u64 {
        let mut place = 0;
        self.queues.change(id, |queue| {
            queue.last = queue.last.saturating_add(1);
            place = queue.last;
        });
        self.unsynced = self.unsynced.saturating_add(payload.len());
        if self.trouble.is_none() && self.has_writer() {
            self.put(Kind::Data, (id, place), &payload);
        }
        let ticket = self.ticket;
        self.queues.change(id, |queue| queue.unsynced.push_back(Unsynced { place, ticket, payload }));
        place
    }

    /// Writes a record into the last segment, or into another one if that is full.
    fn put(&mut self, kind: Kind, (queue, place): (u64, u64), payload: &[u8]) {
        let length = (RECORD as u64).saturating_add(payload.len() as u64);
        let salt = self.salt.filter(|_| self.fits(length));
        let salt = salt.unwrap_or_else(|| self.begin(length));
        let mut bytes = Vec::with_capacity(payload.len().saturating_add(RECORD));
        record::write(&mut bytes, salt, kind, (queue, place), payload);
        if let (Some(segment), Kind::Data) = (self.segments.back_mut(), kind) {
            let at = segment.bytes;
            segment.add(queue, place, at, length);
        }
        self.write(bytes);
    }

    /// Begins another segment that has room for this many bytes, with all that is acknowledged. Returns its salt.
    fn begin(&mut self, length: u64) -> u32 {
        self.full_at = self.whole(length);
        // what is being moved has room soon
        while self.moving.is_none() && !self.segments.is_empty() && self.used().saturating_add(self.full_at) > self.limit {
            if !self.drop_first() {
                self.drop_oldest();
            }
        }
        let salt = getrandom::u32().unwrap_or(0);
        let mut bytes = record::header(salt).to_vec();
        for (id, queue) in self.queues.iter_mut() {
            queue.is_behind = false;
            if queue.gone > 0 {
                record::write(&mut bytes, salt, Kind::Acknowledgement, (*id, queue.gone), &[]);
            }
        }
        self.acknowledge_at = None;
        self.salt = Some(salt);
        self.highest = self.highest.saturating_add(1);
        self.segments.push_back(Segment::new(self.highest));
        self.write(bytes);
        salt
    }

    /// Has these bytes appended to the last segment.
    fn write(&mut self, bytes: Vec<u8>) {
        let Some(segment) = self.segments.back_mut() else { return };
        segment.bytes = segment.bytes.saturating_add(bytes.len() as u64);
        self.ticket = self.ticket.saturating_add(1);
        let job = Job::Write { segment: segment.number, ticket: self.ticket, bytes };
        self.push(job);
    }

    /// Starts the thread, if it does not run yet; false if it cannot be started, which is trouble.
    fn has_writer(&mut self) -> bool {
        if self.writer.is_none() {
            match Writer::start(&self.folder, &self.lock, self.sync, self.stack) {
                Ok(writer) => {
                    self.undeleted.drain(..).for_each(|segment| writer.push(Job::Delete(segment)));
                    self.writer = Some(writer);
                }
                Err(e) => self.fails(&e),
            }
        }
        self.writer.is_some()
    }

    /// Has the thread do something. Nothing is written or read without one; what is to be deleted then is deleted later.
    fn push(&mut self, job: Job) {
        match (&self.writer, job) {
            (Some(writer), job) => writer.push(job),
            (None, Job::Delete(segment)) => self.undeleted.push(segment),
            (None, _) => {}
        }
    }

    /// Returns the bytes of a segment with room for a record of this many.
    fn whole(&self, length: u64) -> u64 {
        let acknowledged = (RECORD as u64).saturating_mul(self.queues.iter().len() as u64);
        self.size.max(length.saturating_add(HEADER as u64).saturating_add(acknowledged))
    }

    /// Returns whether the last segment has room for a record of this many bytes.
    fn fits(&self, length: u64) -> bool {
        self.salt.is_some() && self.segments.back().is_some_and(|segment| segment.bytes.saturating_add(length) <= self.full_at)
    }

    /// Makes room for a record of this many bytes, by what is to make room first and whatever has most. Returns true while that takes time. Where it
    /// cannot be made so, the oldest segment makes room.
    fn makes_room(&mut self, length: u64) -> bool {
        let whole = self.whole(length);
        while !self.fits(length) && self.used().saturating_add(whole) > self.limit {
            if !self.has_writer() {
                return false;
            }
            if self.moving.is_some() {
                return true;
            }
            if let Some((segments, kept)) = room::to_move(&self.segments, &self.queues, self.size) {
                self.moving = Some(segments);
                self.push(Job::Move { segments, kept });
            } else if !self.drop_first() {
                let oldest = room::oldest_of_most(&self.segments, &self.queues, whole);
                if oldest.is_empty() {
                    return false;
                }
                for Oldest { queue, last, records } in oldest {
                    let Some(queue) = self.queues.get_mut(queue) else { continue };
                    (queue.dropped, queue.failed) = (queue.dropped.saturating_add(records), None);
                    let freed = queue.are_gone(last);
                    self.unsynced = self.unsynced.saturating_sub(freed);
                }
                self.tidy();
            }
        }
        false
    }

    /// Takes note that something was moved.
    fn has_moved(&mut self, moved: io::Result<Segment>) {
        let Some([from, into]) = self.moving.take() else { return };
        match moved {
            Ok(segment) => {
                self.segments.retain(|other| other.number != from || other.number == into);
                if let Some(place) = self.segments.iter_mut().find(|other| other.number == into) {
                    *place = segment;
                }
                // where the next is there is not known any more
                self.queues.iter_mut().for_each(|(_, queue)| queue.cursor = None);
                if self.trouble.is_some() {
                    self.forget_unsynced();
                }
            }
            Err(e) => {
                let path = writer::path(&self.folder, into);
                limited!(warn, "", "files that could not be made smaller", "{}: cannot be made smaller: {e}", path.display());
                if self.trouble.is_none() {
                    self.drop_oldest();
                }
            }
        }
        self.tidy();
    }

    fn drop_oldest(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        for part in &segment.parts {
            let Some(queue) = self.queues.get_mut(part.queue) else { continue };
            queue.dropped = queue.dropped.saturating_add(part.waiting(queue.gone));
            queue.failed = None;
            let freed = queue.are_gone(part.last);
            self.unsynced = self.unsynced.saturating_sub(freed);
        }
        self.push(Job::Delete(segment.number));
    }

    /// Drops all of a queue that is to make room before the others do; false if there is none with anything in it.
    fn drop_first(&mut self) -> bool {
        let Some((id, queue)) = self.queues.iter_mut().find(|(_, queue)| queue.is_first) else { return false };
        (queue.is_first, queue.failed) = (false, None);
        let id = *id;
        let records = self.forget(id);
        if let Some(queue) = self.queues.get_mut(id) {
            queue.dropped = queue.dropped.saturating_add(records);
        }
        if records > 0 {
            log::warn!(
                "publish: {records} readings on disk of what is not in the file any more were dropped: others need the room"
            );
        }
        true
    }

    /// Has a queue make room before the others do, or not any more.
    pub(super) fn set_first(&mut self, queue: u64, is_first: bool) {
        if let Some(queue) = self.queues.get_mut(queue) {
            queue.is_first = is_first;
        }
    }

    /// Takes note that all records of a queue up to this place arrived, or are of no use any more.
    pub(super) fn acknowledge(&mut self, queue: u64, up_to: u64) {
        let Some(queue) = self.queues.get_mut(queue) else { return };
        let up_to = up_to.min(queue.last);
        if up_to <= queue.gone {
            return;
        }
        queue.is_behind = true;
        let freed = queue.are_gone(up_to);
        self.unsynced = self.unsynced.saturating_sub(freed);
        self.tidy();
        if !self.segments.is_empty() && self.acknowledge_at.is_none() {
            self.acknowledge_at = Instant::now().checked_add(self.sync);
        }
    }

    /// Forgets all records of a queue. Returns how many those were.
    pub(super) fn forget(&mut self, queue: u64) -> u64 {
        let (records, _) = self.counts(queue);
        self.acknowledge(queue, u64::MAX);
        records
    }

    /// Forgets the queues that are not used and that no record is left of on disk, so that there is nothing to be known of what arrived. There may be ever
    /// new names.
    pub(super) fn forget_unused(&mut self, is_used: impl Fn(u64) -> bool) {
        let Self { queues, segments, .. } = self;
        let is_there = |id| segments.iter().any(|segment| segment.queues.contains(&id));
        queues.retain(|id, queue| is_used(id) || !queue.unsynced.is_empty() || is_there(id));
    }

    /// Deletes the segments in which nothing waits. The last stays for what is acknowledged in it, unless nothing waits in any.
    fn tidy(&mut self) {
        let Self { segments, queues, .. } = self;
        let gone = |id| queues.get(id).map_or(0, |queue| queue.gone);
        segments.iter_mut().for_each(|segment| segment.parts.retain(|part| part.last > gone(part.queue)));
        let is_empty = segments.iter().all(|segment| segment.parts.is_empty());
        if is_empty {
            (self.salt, self.acknowledge_at) = (None, None);
            self.queues.iter_mut().for_each(|(_, queue)| queue.is_behind = false);
        }
        let last = self.segments.back().map(|segment| segment.number);
        let is_moving = |number: u64| self.moving.is_some_and(|moving| moving.contains(&number));
        let (empty, kept): (VecDeque<_>, _) = core::mem::take(&mut self.segments).into_iter().partition(|segment| {
            segment.parts.is_empty() && (is_empty || Some(segment.number) != last) && !is_moving(segment.number)
        });
        self.segments = kept;
        empty.into_iter().for_each(|segment| self.push(Job::Delete(segment.number)));
    }

    /// Returns the records of a queue behind a place (0 for all), oldest first: so many that they have this many bytes, but one at least.
    pub(super) fn read(&mut self, id: u64, after: u64, most: usize) -> Read {
        let Some(queue) = self.queues.get_mut(id) else { return Read::Nothing };
        match core::mem::take(&mut queue.reading) {
            Reading::Done(behind, mut records) if behind == after => {
                records.retain(|(place, _)| *place > queue.gone);
                if !records.is_empty() {
                    return Read::Records(records);
                }
            }
            Reading::Behind(behind) if behind == after => {
                queue.reading = Reading::Behind(behind);
                return Read::Later;
            }
            _ => {}
        }
        let first = after.max(queue.gone).saturating_add(1);
        let unsynced = queue.unsynced.front().map_or(u64::MAX, |record| record.place);
        let part = |segment: &Segment| {
            let part = segment.parts.iter().find(|part| part.queue == id && part.last >= first)?;
            Some((segment.number, part.first, part.last, part.at))
        };
        let found = self.segments.iter().find_map(part).filter(|(_, from, ..)| first.max(*from) < unsynced);
        let Some((segment, from, last, begin)) = found else { return queue.unsynced_behind(after, most) };
        let at = match queue.cursor {
            Some([place, of, at]) if of == segment && place < first && place >= from => at,
            _ => begin,
        };
        if let Some((_, again)) = queue.failed.filter(|(_, again)| *again > Instant::now()) {
            self.read_at = Some(self.read_at.map_or(again, |at| at.min(again)));
            return Read::Later;
        }
        if !self.has_writer() || self.moving.is_some_and(|moving| moving.contains(&segment)) {
            return Read::Later;
        }
        let Some(queue) = self.queues.get_mut(id) else { return Read::Nothing };
        queue.reading = Reading::Behind(after);
        let places = [first.max(from), last.min(unsynced.saturating_sub(1))];
        self.push(Job::Read(Wanted { queue: id, after, places, most, segment, at }));
        Read::Later
    }

    /// Takes what the thread has done, and has it do what is due.
    pub(super) fn turn(&mut self) {
        (self.is_waited_for, self.read_at) = (false, None);
        let (synced, failure) = self.writer.as_ref().map_or((0, None), Writer::state);
        // what was read is from before
        let moved = self.writer.as_ref().and_then(Writer::moved);
        let found = self.writer.as_ref().map(Writer::found).unwrap_or_default();
        let now = Instant::now();
        self.look_after(now, synced > self.synced || !found.is_empty() || moved.is_some());
        found.into_iter().for_each(|found| self.has_read(found));
        if synced > self.synced {
            self.synced = synced;
            let freed = self.queues.iter_mut().map(|(_, queue)| queue.are_synced(synced)).fold(0, usize::saturating_add);
            self.unsynced = self.unsynced.saturating_sub(freed);
        }
        match (failure, &self.trouble) {
            (Some(e), _) if e.kind() == GONE => self.is_gone = true,
            (Some(e), None) => self.fails(&e),
            (Some(e), Some(trouble)) if trouble.tried.is_some() => self.fails(&e),
            (None, Some(trouble)) if trouble.tried.is_some_and(|ticket| ticket <= synced) => {
                self.trouble = None;
                log::info!("{}: readings are kept on disk again", self.folder.display());
                self.tidy();
            }
            (_, Some(trouble)) if trouble.again.is_some_and(|at| at <= now) && self.moving.is_none() => self.try_again(),
            (None, None) if self.writer.is_none() && !self.undeleted.is_empty() => drop(self.has_writer()),
            (None, None) if self.acknowledge_at.is_some_and(|at| at <= now) && self.moving.is_none() => {
                self.write_acknowledgements();
            }
            _ => {}
        }
        if let Some(moved) = moved {
            self.has_moved(moved);
        }
    }

    /// Takes note whether the disk answers.
    fn look_after(&mut self, now: Instant, answers: bool) {
        let fails = self.trouble.as_ref().is_some_and(|trouble| trouble.tried.is_none());
        if answers || fails || !(self.is_busy() || self.unsynced >= EARLY || self.trouble.is_some()) {
            self.idle_since = None;
            if core::mem::take(&mut self.hangs) {
                log::info!("{}: the disk answers again", self.folder.display());
            }
            return;
        }
        let since = *self.idle_since.get_or_insert(now);
        if !self.hangs && now.saturating_duration_since(since) >= TRY_AGAIN {
            self.hangs = true;
            log::warn!("{}: {HANGS}: readings are kept in memory alone until it does; it may be failing", self.folder.display());
        }
    }

    /// Returns true while the thread reads or moves something.
    fn is_busy(&self) -> bool {
        self.moving.is_some() || self.queues.iter().any(|(_, queue)| matches!(queue.reading, Reading::Behind(_)))
    }

    fn has_read(&mut self, Found { wanted, records, next, failure }: Found) {
        let Some(queue) = self.queues.get_mut(wanted.queue) else { return };
        if !matches!(queue.reading, Reading::Behind(after) if after == wanted.after) {
            return;
        }
        queue.reading = Reading::Nothing;
        if let Some((place, _)) = records.last() {
            queue.cursor = Some([*place, wanted.segment, next]);
            queue.reading = Reading::Done(wanted.after, records);
            queue.failed = None;
            return;
        }
        let path = writer::path(&self.folder, wanted.segment);
        if let Some(e) = failure {
            let tries = queue.failed.map_or(0, |(tries, _)| tries);
            // it may be the agent that lacks something, or the whole disk that is away: then the readings are still there
            let counts = self.trouble.is_none()
                && matches!(e.raw_os_error().map(Errno::from_raw_os_error), Some(Errno::IO | Errno::BADMSG));
            if let Some(again) = Instant::now().checked_add(TRY_AGAIN).filter(|_| tries < READS) {
                queue.failed = Some((tries.saturating_add(counts.into()), again));
                limited!(
                    warn,
                    "",
                    "readings that cannot be read now",
                    "{}: {e}: reading it is tried again each minute",
                    path.display()
                );
                return;
            }
        }
        queue.failed = None;
        let [first, last] = wanted.places;
        let Some(segment) = self.segments.iter_mut().find(|segment| segment.number == wanted.segment) else { return };
        let Some(part) = segment.parts.iter_mut().find(|part| part.queue == wanted.queue && part.last >= first) else { return };
        part.last = first.saturating_sub(1);
        let lost = last.saturating_sub(first.max(queue.gone.saturating_add(1))).saturating_add(1);
        queue.dropped = queue.dropped.saturating_add(lost);
        segment.parts.retain(|part| part.first <= part.last);
        limited!(warn, "", "readings that could not be read", "{}: {lost} readings cannot be read any more", path.display());
        self.tidy();
    }

    /// Writes what was acknowledged and does not stand in the log.
    fn write_acknowledgements(&mut self) {
        if !self.has_writer() {
            return;
        }
        self.acknowledge_at = None;
        let behind: Vec<(u64, u64)> =
            self.queues.iter().filter(|(_, queue)| queue.is_behind).map(|(id, queue)| (*id, queue.gone)).collect();
        for (id, gone) in behind {
            // another segment begins with all of them
            if self.queues.get_mut(id).is_some_and(|queue| core::mem::take(&mut queue.is_behind)) {
                self.put(Kind::Acknowledgement, (id, gone), &[]);
            }
        }
    }

    /// Takes note that nothing can be written: what was not synced is only in memory now.
    fn fails(&mut self, e: &io::Error) {
        self.salt = None;
        self.forget_unsynced();
        self.tidy();
        let again = Instant::now().checked_add(TRY_AGAIN);
        if let Some(trouble) = &mut self.trouble {
            // said already
            (trouble.again, trouble.tried) = (again, None);
            return;
        }
        let words = format!("{}: {e}", self.folder.display());
        let what = trouble::advice(e.kind());
        log::warn!("{words}: readings are kept in memory alone, and this is tried again each minute; {what}");
        self.trouble = Some(Trouble { words, again, tried: None });
    }

    /// Takes note that what was not synced is nowhere on disk.
    fn forget_unsynced(&mut self) {
        for segment in &mut self.segments {
            for part in &mut segment.parts {
                let first = self.queues.get(part.queue).and_then(|queue| queue.unsynced.front());
                part.last = part.last.min(first.map_or(u64::MAX, |first| first.place.saturating_sub(1)));
            }
            segment.parts.retain(|part| part.first <= part.last);
        }
    }

    /// Writes into another segment what is in memory alone.
    fn try_again(&mut self) {
        if !self.has_writer() {
            return;
        }
        if let Some(writer) = &self.writer {
            writer.again();
        }
        self.begin(0);
        let ids: Vec<u64> = self.queues.iter().map(|(id, _)| *id).collect();
        for id in ids {
            let Some(queue) = self.queues.get_mut(id) else { continue };
            let mut unsynced = core::mem::take(&mut queue.unsynced);
            for record in &mut unsynced {
                self.put(Kind::Data, (id, record.place), &record.payload);
                record.ticket = self.ticket;
            }
            let Some(queue) = self.queues.get_mut(id) else { continue };
            queue.unsynced = unsynced;
            // room may have been made of what is just written
            let freed = queue.are_gone(0);
            self.unsynced = self.unsynced.saturating_sub(freed);
        }
        if let Some(trouble) = &mut self.trouble {
            (trouble.again, trouble.tried) = (None, Some(self.ticket));
        }
    }

    /// Returns when [`turn`](Self::turn) has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let is_tried = self.trouble.as_ref().is_some_and(|trouble| trouble.tried.is_some());
        let soon = self.is_busy() || is_tried || (self.is_waited_for && self.trouble.is_none());
        // the less often the longer it takes
        let pause = self
            .idle_since
            .map_or(SOON, |since| since.elapsed().checked_div(16).unwrap_or(SOON).clamp(SOON, Duration::from_secs(1)));
        let soon = Instant::now().checked_add(pause).filter(|_| soon);
        let again = self.trouble.as_ref().and_then(|trouble| trouble.again);
        [soon, again, self.read_at, self.acknowledge_at.filter(|_| self.trouble.is_none())].into_iter().flatten().min()
    }

    /// Returns how many records of a queue wait, and about how many bytes of the disk they take.
    pub(super) fn counts(&self, id: u64) -> (u64, u64) {
        let Some(queue) = self.queues.get(id) else { return (0, 0) };
        let bytes = self.parts(id).map(|part| part.waiting_bytes(queue.gone));
        let in_memory = self.in_memory(queue).map(|record| record.payload.len() as u64);
        (self.behind(id, 0), bytes.chain(in_memory).fold(0, u64::saturating_add))
    }

    /// Returns how many records of a queue wait behind a place, which need not have one.
    pub(super) fn behind(&self, id: u64, place: u64) -> u64 {
        let Some(queue) = self.queues.get(id) else { return 0 };
        let place = place.max(queue.gone);
        let in_memory = self.in_memory(queue).filter(|record| record.place > place).map(|_| 1);
        self.parts(id).map(|part| part.waiting(place)).chain(in_memory).fold(0, u64::saturating_add)
    }

    /// Returns how many records of a queue wait that were written or are about to be.
    fn written(&self, id: u64) -> u64 {
        let gone = self.gone(id);
        self.parts(id).map(|part| part.waiting(gone)).fold(0, u64::saturating_add)
    }

    fn parts(&self, id: u64) -> impl Iterator<Item = &Part> {
        self.segments.iter().flat_map(|segment| &segment.parts).filter(move |part| part.queue == id)
    }

    /// Returns what of a queue is in memory alone, since it cannot be written.
    fn in_memory<'q>(&self, queue: &'q Queue) -> impl Iterator<Item = &'q Unsynced> {
        queue.unsynced.iter().filter(|_| self.trouble.is_some())
    }

    /// Returns the place up to which all records of a queue are acknowledged or dropped.
    pub(super) fn gone(&self, id: u64) -> u64 {
        self.queues.get(id).map_or(0, |queue| queue.gone)
    }

    /// Returns the queues in which something waits.
    pub(super) fn queues(&self) -> Vec<u64> {
        let in_memory = self.queues.iter().filter(|(_, queue)| self.in_memory(queue).next().is_some()).map(|(id, _)| *id);
        let queues: BTreeSet<u64> = segment::waiting(&self.segments, &self.queues).chain(in_memory).collect();
        queues.into_iter().collect()
    }

    /// Returns how many records of a queue were dropped for want of room, or could not be read, since this was asked last.
    pub(super) fn take_dropped(&mut self, queue: u64) -> u64 {
        self.queues.get_mut(queue).map_or(0, |queue| core::mem::take(&mut queue.dropped))
    }

    /// Returns true if the folder is gone, with all that was written: there is nothing to be done but to open another.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Returns what is in memory as well, of what waits in a queue behind a place.
    pub(super) fn in_memory_behind(&self, id: u64, place: u64) -> impl Iterator<Item = (u64, &[u8])> {
        let queue = self.queues.get(id).into_iter();
        let records =
            queue.flat_map(move |queue| queue.unsynced.iter().filter(move |record| record.place > place.max(queue.gone)));
        records.map(|record| (record.place, &*record.payload))
    }

    /// Returns the bytes of the disk that are taken.
    pub(super) fn used(&self) -> u64 {
        self.segments.iter().map(|segment| room::on_disk(segment.bytes)).fold(0, u64::saturating_add)
    }

    /// Returns the bytes of the disk that may be taken.
    pub(super) fn limit(&self) -> u64 {
        self.limit
    }

    /// Returns why nothing is written, as long as nothing is. The log has it.
    pub(super) fn trouble(&self) -> Option<&str> {
        let fails = self.trouble.as_ref().map(|trouble| &*trouble.words);
        fails.or(self.hangs.then_some(HANGS))
    }

    /// Appends what else waits, each for its queue, whatever the disk says; writes and syncs it all, and waits for that, but no longer than this. Returns
    /// how many records are lost: those that could not be written, and those that were dropped and not asked for yet.
    pub(super) fn close(mut self, rest: &mut dyn Iterator<Item = (u64, Vec<u8>)>, most: Duration) -> u64 {
        let start = Instant::now();
        for (queue, payload) in rest {
            let length = (RECORD as u64).saturating_add(payload.len() as u64);
            // the rest of the time is for writing
            while self.trouble.is_none() && start.elapsed().saturating_mul(2) < most && self.makes_room(length) {
                thread::sleep(Duration::from_millis(1));
                self.turn();
            }
            self.take(queue, payload);
        }
        if self.trouble.is_some() {
            self.try_again();
        } else if self.acknowledge_at.is_some() {
            self.write_acknowledgements();
        } else if !self.undeleted.is_empty() {
            self.has_writer();
        }
        let ended = self.writer.as_ref().map(|writer| {
            writer.end(most.saturating_sub(start.elapsed()));
            writer.state()
        });
        let (synced, failure) = ended.map_or((None, None), |(synced, failure)| (Some(synced), failure));
        if failure.is_some_and(|e| e.kind() == GONE) {
            log::warn!("{}: it was removed", self.folder.display());
            let dropped = self.queues.iter().map(|(id, queue)| self.written(*id).saturating_add(queue.dropped));
            return dropped.fold(0, u64::saturating_add);
        }
        let lost = self.queues.iter_mut().map(|(_, queue)| {
            synced.map(|synced| queue.are_synced(synced));
            (queue.unsynced.len() as u64).saturating_add(queue.dropped)
        });
        lost.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests;
