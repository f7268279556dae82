//! What of the readings is on disk: that which waits for longer, and all of it while the agent does not run.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use super::kept::Kept;
use super::moment::{Clock, Moment, is_step};
use super::payload;
use super::publisher::Publisher;
use crate::cli::agent::config::{Disk as Settings, Receiver};
use crate::cli::agent::store::{self, Read, Store};

/// The time that a reading waits in memory before it is written. With the hub at hand it has arrived by then, and nothing is written.
const WAIT: Duration = Duration::from_secs(5);
/// The same where others wait on disk already.
const AGAIN: Duration = Duration::from_secs(1);
/// The bytes that are read from the disk at once; less where there is not so much memory.
const PIECE: usize = 1 << 15;
/// The most time that it takes to write the rest when the agent ends.
const CLOSING: Duration = Duration::from_secs(3);

/// The log on disk, and what is known of it.
pub(super) struct Disk {
    store: Store,
    /// The queue of what the clock said at each start of the box.
    starts: u64,
    /// The place up to which that was read; nothing once it was read to its end.
    starts_read: Option<u64>,
    /// What it says of this start.
    known: Option<i64>,
    /// What the clock said of it when readings were taken that are on disk.
    loose: Option<i64>,
    /// Queues of which it is not known whose they are.
    unknown: Vec<u64>,
    /// The number of readings that were nobody's.
    nobodys: u64,
    /// When something is to be written.
    at: Option<Instant>,
}

impl Disk {
    /// Opens the log; nothing where readings are kept in memory alone, of which the log says why if that was not wanted.
    pub(super) fn open(wanted: Option<&Settings>) -> Option<Self> {
        let wanted = wanted?;
        let Some(folder) = &wanted.folder else {
            log::warn!("readings are kept in memory alone: {}", Settings::NO_FOLDER);
            return None;
        };
        let store = match Store::open(folder, wanted.limit, wanted.sync) {
            Ok(store) => store,
            Err(e) => {
                let why = if e.kind() == ErrorKind::WouldBlock { "another agent has it".to_owned() } else { e.to_string() };
                log::warn!("readings are kept in memory alone: {}: {why}", folder.display());
                return None;
            }
        };
        let starts = store::queue(&["starts"]);
        let unknown: Vec<u64> = store.queues().into_iter().filter(|queue| *queue != starts).collect();
        // of what is there it is not known how the clock was
        let loose = if unknown.is_empty() { None } else { Some(0) };
        Some(Self { store, starts, starts_read: Some(0), known: None, loose, unknown, nobodys: 0, at: None })
    }

    /// Takes up what is on disk for each publisher. Returns the labels and receivers of programs' readings that are there besides, if a program
    /// of that mailbox is among these.
    pub(super) fn begin(
        &mut self,
        publishers: &mut [Publisher],
        programs: &[String],
        clock: &mut Clock,
    ) -> Vec<(String, Receiver)> {
        self.store.turn();
        for publisher in publishers {
            for queue in publisher.take_gone() {
                self.store.forget(queue);
            }
            for (queue, kept) in publisher.to_attach() {
                kept.attach(queue, &self.store);
                self.unknown.retain(|unknown| *unknown != queue);
            }
        }
        self.read_starts(clock);
        let mut found = Vec::new();
        let store = &mut self.store;
        let had_some = !self.unknown.is_empty();
        let nobodys = &mut self.nobodys;
        self.unknown.retain(|queue| match store.read(*queue, 0, 1) {
            Read::Later => true,
            Read::Nothing => false,
            Read::Records(records) => {
                let first = records.first().and_then(|(place, record)| payload::read(record, *place));
                match first.and_then(|(_, address)| payload::addressed(address)) {
                    Some(address) if programs.contains(&address.0) => found.push(address),
                    _ => *nobodys = nobodys.saturating_add(store.forget(*queue)),
                }
                false
            }
        });
        if had_some && self.unknown.is_empty() && self.nobodys > 0 {
            log::warn!("{} readings on disk were dropped: what they are of is not in the file any more", self.nobodys);
        }
        found
    }

    /// Drops what is on disk of what is no longer published.
    pub(super) fn forget(&mut self, queue: u64) {
        self.store.forget(queue);
    }

    /// Reads what the clock said at former starts of the box.
    fn read_starts(&mut self, clock: &mut Clock) {
        while let Some(place) = self.starts_read {
            let records = match self.store.read(self.starts, place, 1 << 12) {
                Read::Later => return,
                Read::Nothing => {
                    self.starts_read = None;
                    return;
                }
                Read::Records(records) => records,
            };
            for (place, record) in records {
                self.starts_read = Some(place);
                let Some((boot, rest)) = record.split_first_chunk() else { continue };
                let Some((start, _)) = rest.split_first_chunk() else { continue };
                let (boot, start) = (u64::from_le_bytes(*boot), i64::from_le_bytes(*start));
                if boot == clock.now.boot {
                    self.known = Some(start);
                }
                clock.before.retain(|(other, _)| *other != boot);
                clock.before.push((boot, start));
            }
        }
    }

    /// Moves readings between memory and disk: what can be sent is read as long as there is memory, and what has waited is written.
    pub(super) fn end(&mut self, publishers: &mut [Publisher], limit: usize, now: &Moment) {
        let mut used = publishers.iter().map(Publisher::bytes).fold(0, usize::saturating_add);
        let piece = PIECE.min(limit.wrapping_div(8));
        let mut has_read = false;
        let mut wake: Option<Duration> = None;
        for publisher in publishers {
            let (address, outlets) = publisher.parts();
            for kept in outlets.iter_mut().map(|outlet| &mut outlet.kept).filter(|kept| kept.queue().is_some()) {
                kept.settle(&mut self.store);
                // what the clock said then is known by now
                if self.starts_read.is_none() && kept.is_hungry() && used.saturating_add(piece) <= limit {
                    has_read |= kept.refill(&mut self.store, piece);
                    used = used.saturating_add(piece);
                }
                let wait = if kept.is_on_disk() { AGAIN } else { WAIT };
                let Some(oldest) = kept.in_memory_alone().next() else { continue };
                let waited = u64::try_from(now.up.saturating_sub(oldest.up)).unwrap_or(0);
                let mut left = wait.saturating_sub(Duration::from_millis(waited));
                if left.is_zero() {
                    self.is_written(kept, now);
                    kept.spill(&mut self.store, address);
                    // for what found no room
                    left = AGAIN;
                }
                wake = Some(wake.map_or(left, |wake| wake.min(left)));
            }
        }
        self.write_start(now);
        let wake = if has_read { Some(Duration::ZERO) } else { wake };
        self.at = wake.and_then(|wake| Instant::now().checked_add(wake));
    }

    /// Writes all that can be written, and lets go of what is on disk as well, since there is no memory for it.
    pub(super) fn make_room(&mut self, publishers: &mut [Publisher], now: &Moment) {
        for publisher in publishers {
            let (address, outlets) = publisher.parts();
            for kept in outlets.iter_mut().map(|outlet| &mut outlet.kept).filter(|kept| kept.queue().is_some()) {
                self.is_written(kept, now);
                kept.spill(&mut self.store, address);
                kept.release();
            }
        }
    }

    /// Takes note of what the clock said when readings were taken that are to be written, if it may be known better later.
    fn is_written(&mut self, kept: &Kept, now: &Moment) {
        let Some(oldest) = kept.in_memory_alone().next() else { return };
        let said = |at: &Moment| at.clock.saturating_sub(at.up);
        let then = said(&oldest.taken);
        // one from before the clock was set counts more than one from now
        if self.known.is_none_or(|known| is_step(known, then)) && (self.loose.is_none() || is_step(then, said(now))) {
            self.loose = Some(then);
        }
    }

    /// Writes what the clock says of this start of the box, if readings on disk were taken when it said something else.
    fn write_start(&mut self, now: &Moment) {
        let Some(start) = now.start().filter(|_| self.starts_read.is_none()) else { return };
        if self.store.counts(self.starts).0 > 0 && self.store.queues().iter().all(|queue| *queue == self.starts) {
            // there is nothing left that it would be needed for
            self.store.forget(self.starts);
            (self.loose, self.known) = (None, None);
        }
        if self.loose.or(self.known).is_none_or(|said| !is_step(said, start)) {
            return;
        }
        let record = [now.boot.to_le_bytes(), start.to_le_bytes()].concat();
        if self.store.queues().is_empty() {
            (self.loose, self.known) = (None, None);
        } else if self.store.append(self.starts, &record).is_some() {
            (self.loose, self.known) = (None, Some(start));
        }
    }

    /// Returns when there is something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.at.into_iter().chain(self.store.next_wake()).min()
    }

    /// Returns the bytes that are used and may be, and whether nothing can be written.
    pub(super) fn status(&self) -> (u64, u64, bool) {
        (self.store.used(), self.store.limit(), self.store.trouble().is_some())
    }

    /// Writes all that waits, now that the agent ends, and says what is lost.
    pub(super) fn close(self, publishers: &[Publisher]) {
        let mut kept = 0_u64;
        let mut rest = publishers.iter().flat_map(|publisher| {
            let outlets = publisher.outlets.iter().filter_map(|outlet| Some((outlet.kept.queue()?, &outlet.kept)));
            outlets.flat_map(move |(queue, kept)| {
                kept.in_memory_alone().map(move |reading| (queue, payload::written(reading, publisher.address())))
            })
        });
        for outlet in publishers.iter().flat_map(|publisher| &publisher.outlets).filter(|outlet| outlet.kept.queue().is_some()) {
            kept = kept.saturating_add(u64::try_from(outlet.kept.len()).unwrap_or(u64::MAX));
        }
        let lost = self.store.close(&mut rest, CLOSING);
        if lost > 0 {
            log::warn!("{lost} readings are lost: they could not be written");
        }
        let kept = kept.saturating_sub(lost);
        if kept > 0 {
            log::info!("{kept} readings are kept on disk until the next start");
        }
    }
}
