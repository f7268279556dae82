//! What of the readings is on disk: that which waits for longer, and all of it while the agent does not run.

use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, Instant};

use super::kept::Kept;
use super::moment::{Clock, Moment, is_step};
use super::payload;
use super::publisher::Publisher;
use crate::cli::agent::config::units::Size;
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
    wanted: Settings,
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
    /// The log has that it is used up.
    is_full: bool,
}

impl Disk {
    /// Opens the log; an error is why readings are kept in memory alone.
    pub(super) fn open(wanted: &Settings) -> Result<Self, String> {
        let folder = wanted.folder.as_ref().ok_or(Settings::NO_FOLDER)?;
        let owner = Some(&*wanted.owner).filter(|owner| owner.is_absolute());
        let store = Store::open(folder, owner, wanted.limit, wanted.sync).map_err(|e| {
            let why = if e.kind() == ErrorKind::WouldBlock { "another agent has it".to_owned() } else { e.to_string() };
            format!("{}: {why}", folder.display())
        })?;
        let starts = store::queue(&["starts"]);
        let unknown: Vec<u64> = store.queues().into_iter().filter(|queue| *queue != starts).collect();
        // of what is there it is not known how the clock was
        let loose = if unknown.is_empty() { None } else { Some(0) };
        let wanted = wanted.clone();
        Ok(Self {
            wanted,
            store,
            starts,
            starts_read: Some(0),
            known: None,
            loose,
            unknown,
            nobodys: 0,
            at: None,
            is_full: false,
        })
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
        self.attach(publishers);
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

    /// Returns true if the folder is gone, and all in it.
    pub(super) fn is_gone(&self) -> bool {
        self.store.is_gone()
    }

    /// Lets go of a folder that is gone. Returns the settings with which another is to be opened.
    pub(super) fn let_go<'p>(mut self, publishers: impl IntoIterator<Item = &'p mut Publisher>) -> Settings {
        let nobodys = self.unknown.iter().map(|queue| self.store.counts(*queue).0).fold(0, u64::saturating_add);
        let lost = kept(publishers).map(|kept| kept.detach(&mut self.store)).fold(nobodys, u64::saturating_add);
        log::warn!(
            "{}: it was removed, or another one is in its place: {lost} readings that were there are lost, and readings are kept in memory \
             alone until it is made anew, within a minute",
            self.wanted.folder.as_deref().unwrap_or(Path::new("")).display()
        );
        self.wanted
    }

    /// Gives each receiver that has none a queue of its own, and takes up what is in it.
    fn attach(&mut self, publishers: &mut [Publisher]) {
        let queues =
            |publisher: &Publisher| publisher.outlets.iter().filter_map(|outlet| outlet.kept.queue()).collect::<Vec<_>>();
        let mut taken: Vec<u64> = publishers.iter().flat_map(queues).collect();
        let Self { store, unknown, .. } = self;
        publishers.iter_mut().flat_map(Publisher::take_gone).for_each(|queue| _ = store.forget(queue));
        // each its own first; then what is left goes to those whose source is another by now
        for is_own in [true, false] {
            for publisher in &mut *publishers {
                let choose = |own: u64| {
                    let is_it = |queue: u64| if is_own { queue == own } else { store::are_alike(queue, own) };
                    let found = unknown.iter().copied().find(|queue| is_it(*queue) && !taken.contains(queue));
                    let new = || store::alike(own).find(|queue| !is_own && !taken.contains(queue));
                    let queue = found.or_else(new)?;
                    taken.push(queue);
                    Some(queue)
                };
                let attached: Vec<u64> = publisher
                    .unattached(choose)
                    .map(|(queue, kept)| {
                        kept.attach(queue, store);
                        // what is missing from the start on has not made room for anything
                        kept.settle(store);
                        queue
                    })
                    .collect();
                unknown.retain(|unknown| !attached.contains(unknown));
            }
        }
    }

    /// Writes what waits of what is no longer published, as far as there is room at once. It makes room on disk before anything else does.
    pub(super) fn set_aside(&mut self, publisher: &mut Publisher, now: &Moment) {
        for queue in publisher.take_gone() {
            self.store.forget(queue);
        }
        self.make_room(core::slice::from_mut(publisher), now);
        for queue in publisher.outlets.iter().filter_map(|outlet| outlet.kept.queue()) {
            self.store.set_first(queue, true);
        }
    }

    /// Drops what is on disk of a publisher that is gone for good.
    pub(super) fn forget(&mut self, publisher: &Publisher) {
        for queue in publisher.outlets.iter().filter_map(|outlet| outlet.kept.queue()) {
            self.store.forget(queue);
        }
    }

    /// Forgets what is not published any more, and that nothing waits of.
    pub(super) fn forget_unused<'p>(&mut self, publishers: impl Iterator<Item = &'p Publisher>) {
        let outlets = publishers.flat_map(|publisher| &publisher.outlets);
        let mut used: Vec<u64> = outlets.filter_map(|outlet| outlet.kept.queue()).chain([self.starts]).collect();
        used.sort_unstable();
        self.store.forget_unused(|queue| used.binary_search(&queue).is_ok());
    }

    /// Takes note that it is published again.
    pub(super) fn take_back(&mut self, publisher: &Publisher) {
        for queue in publisher.outlets.iter().filter_map(|outlet| outlet.kept.queue()) {
            self.store.set_first(queue, false);
        }
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

    /// Reads from the disk what can be sent, as long as there is memory. It is to be sent before memory is looked at again, which would let go of
    /// it if there is too little.
    pub(super) fn read(&mut self, publishers: &mut [Publisher], limit: usize) {
        // whatever arrives from now on, it is known what was under way when there was no room for it
        kept(&mut *publishers).for_each(|kept| kept.look(&self.store));
        if self.starts_read.is_some() {
            // what the clock said then is to be known first
            return;
        }
        let sum = |of: fn(&Publisher) -> usize| publishers.iter().map(of).fold(0, usize::saturating_add);
        let (mut used, mut is_idle) = (sum(Publisher::bytes), sum(Publisher::under_way) == 0);
        let piece = PIECE.min(limit.wrapping_div(8));
        // small readings take more in memory than on disk
        let large = piece.saturating_mul(3);
        for publisher in publishers {
            for kept in publisher.outlets.iter_mut().map(|outlet| &mut outlet.kept).filter(|kept| kept.is_hungry()) {
                kept.is_seen = true;
                let has_room = used <= limit.wrapping_div(2)
                    // each receiver is to have something, and one at least whatever else there is that cannot be written
                    || (kept.under_way() == 0 && (used.saturating_add(large) <= limit || is_idle));
                if has_room {
                    let before = kept.bytes();
                    let has_come = kept.refill(&mut self.store, piece);
                    used = used.saturating_add(if has_come { kept.bytes().saturating_sub(before) } else { piece });
                    is_idle = false;
                }
            }
        }
    }

    /// Tells the disk what has arrived, and takes note of what it had no room for.
    fn settle(&mut self, publishers: &mut [Publisher]) {
        let dropped = kept(publishers).map(|kept| kept.settle(&mut self.store)).fold(0, u64::saturating_add);
        let is_much = self.store.used() > self.store.limit() >> 1;
        if dropped > 0 && is_much && !core::mem::replace(&mut self.is_full, true) {
            log::warn!(
                "publish: what waits takes {}, which is `disk` in [keep]: from now on the oldest readings are dropped",
                Size::of(usize::try_from(self.store.limit()).unwrap_or(usize::MAX))
            );
        }
        self.is_full &= is_much;
    }

    /// Tells the disk what has arrived, and writes what has waited.
    pub(super) fn end(&mut self, publishers: &mut [Publisher], now: &Moment) {
        self.settle(publishers);
        let (mut is_hungry, mut has_room) = (false, true);
        let mut wake: Option<Duration> = None;
        for publisher in publishers {
            let (address, outlets) = publisher.parts();
            for kept in outlets.iter_mut().map(|outlet| &mut outlet.kept).filter(|kept| kept.queue().is_some()) {
                is_hungry |= kept.is_hungry() && !kept.is_seen;
                let wait = if kept.is_on_disk() { AGAIN } else { WAIT };
                let Some(oldest) = kept.in_memory_alone().next() else { continue };
                let waited = u64::try_from(now.up.saturating_sub(oldest.up)).unwrap_or(0);
                let mut left = wait.saturating_sub(Duration::from_millis(waited));
                if left.is_zero() {
                    self.is_written(kept, now);
                    has_room = has_room && kept.spill(&mut self.store, address);
                    // for what found no room
                    left = AGAIN;
                }
                wake = Some(wake.map_or(left, |wake| wake.min(left)));
            }
        }
        self.write_start(now);
        let wake = if is_hungry && self.starts_read.is_none() { Some(Duration::ZERO) } else { wake };
        self.at = wake.and_then(|wake| Instant::now().checked_add(wake));
    }

    /// Writes all that can be written, and lets go of what is on disk as well, since there is no memory for it.
    pub(super) fn make_room(&mut self, publishers: &mut [Publisher], now: &Moment) {
        self.settle(publishers);
        let mut has_room = true;
        for publisher in publishers {
            let (address, outlets) = publisher.parts();
            for kept in outlets.iter_mut().map(|outlet| &mut outlet.kept).filter(|kept| kept.queue().is_some()) {
                self.is_written(kept, now);
                has_room = has_room && kept.spill(&mut self.store, address);
                kept.release(&self.store);
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

    /// Returns about how many bytes it has of what is kept.
    pub(super) fn bytes(&self, kept: &Kept) -> usize {
        let bytes = kept.queue().map_or(0, |queue| self.store.counts(queue).1);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Returns the bytes that are used and may be, and whether nothing can be written.
    pub(super) fn status(&self) -> (u64, u64, bool) {
        (self.store.used(), self.store.limit(), self.store.trouble().is_some())
    }

    /// Writes all that waits, now that the agent ends, and says what is lost.
    pub(super) fn close(mut self, publishers: &mut [Publisher]) {
        self.settle(publishers);
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
            log::warn!("{lost} readings are lost: there was no room, or they could not be written");
        }
        let kept = kept.saturating_sub(lost);
        if kept > 0 {
            log::info!("{kept} readings are kept on disk until the next start");
        }
    }
}

/// Returns all that is kept of these.
fn kept<'p>(publishers: impl IntoIterator<Item = &'p mut Publisher>) -> impl Iterator<Item = &'p mut Kept> {
    publishers.into_iter().flat_map(|publisher| &mut publisher.outlets).map(|outlet| &mut outlet.kept)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::PathBuf;

    use super::super::numbers::Numbering;
    use super::*;
    use crate::cli::agent::config::{Form, Nodes, Publish, Source};

    /// Now, in seconds since 1970.
    const NOW: i64 = 1_700_000_000;

    /// A box of this start, whose clock says these seconds when it has been up for those.
    fn at(boot: u64, clock: i64, up: i64) -> Moment {
        Moment { clock: clock * 1000, up: up * 1000, boot }
    }

    struct World {
        folder: PathBuf,
        disk: Disk,
        clock: Clock,
        publishers: Vec<Publisher>,
    }

    impl World {
        fn start(folder: &Path, now: Moment) -> Self {
            let wanted =
                Settings { limit: 1 << 20, folder: Some(folder.to_owned()), owner: PathBuf::new(), sync: Duration::from_secs(5) };
            let given = Publish {
                source: Source::Command(vec!["true".to_owned()]),
                label: "cpu".to_owned(),
                every: Duration::from_secs(1),
                form: Form::Text,
                receiver: Receiver::Name { to: "hub".to_owned(), nodes: Nodes::First(vec!["a@b".to_owned()]) },
                keep: None,
            };
            let disk = Disk::open(&wanted).unwrap();
            Self {
                folder: folder.to_owned(),
                disk,
                clock: Clock { now, before: Vec::new() },
                publishers: vec![Publisher::new(given)],
            }
        }

        /// A turn of the loop at this time.
        fn turn(&mut self, now: Moment) {
            self.clock.now = now;
            assert!(self.disk.begin(&mut self.publishers, &[], &mut self.clock).is_empty());
            self.disk.read(&mut self.publishers, 1 << 20);
            self.disk.end(&mut self.publishers, &now);
        }

        fn keep(&mut self, now: Moment) {
            self.publishers[0].keep(vec![131, 97, 1], now, &now, &mut Numbering::new(None));
        }

        fn kept(&mut self) -> &mut Kept {
            &mut self.publishers[0].outlets[0].kept
        }

        /// The times of all that waits, once it was read.
        fn times(&mut self, now: Moment) -> Vec<Option<i64>> {
            let mut found = Vec::new();
            self.turn(now);
            while found.len() < self.kept().len() {
                self.turn(now);
                if let Some(taken) = self.kept().next(0, 1 << 20).map(|reading| reading.taken) {
                    found.push(self.clock.milliseconds(&taken).map(|time| time / 1000));
                    self.kept().was_sent();
                }
                std::thread::yield_now();
            }
            found
        }

        fn stop(mut self) {
            self.disk.close(&mut self.publishers);
        }
    }

    fn scratch(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("beamless-disk-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    /// The clock is set while readings wait on disk, and then the box is started anew.
    #[test]
    fn times_are_mended_over_a_start_of_the_box() {
        let folder = scratch("times");
        let mut world = World::start(&folder, at(1, 10, 10));
        for second in 10..13 {
            world.keep(at(1, second, second));
        }
        world.turn(at(1, 13, 13));
        assert!(!world.kept().is_on_disk());
        // five seconds after the first
        world.turn(at(1, 15, 15));
        assert!(world.kept().is_on_disk() && world.kept().bytes() == 0);
        while world.disk.starts_read.is_some() {
            world.turn(at(1, 15, 15));
        }
        world.turn(at(1, NOW, 100));
        assert_eq!(world.disk.known, Some((NOW - 100) * 1000));
        world.keep(at(1, NOW + 1, 101));
        world.stop();
        // the next start, in which the clock is lost again
        let mut world = World::start(&folder, at(2, 3, 3));
        world.keep(at(2, 3, 3));
        let times = [Some(NOW - 90), Some(NOW - 89), Some(NOW - 88), Some(NOW + 1), None];
        assert_eq!(world.times(at(2, 4, 4)), times);
        assert_eq!(world.folder, folder);
        world.stop();
        // what it was in that start is never known
        let mut world = World::start(&folder, at(3, NOW + 900, 9));
        assert_eq!(world.times(at(3, NOW + 901, 10)), times);
        // all have arrived: nothing is left
        world.kept().ask();
        assert_eq!(world.kept().have_arrived(), 5);
        world.turn(at(3, NOW + 902, 11));
        assert!(world.disk.store.queues().is_empty());
        world.stop();
        let _ = fs::remove_dir_all(&folder);
    }

    /// Two files whose readings have one label, and nodes that programs name in several ways.
    #[test]
    fn each_receiver_has_its_own_place_on_disk() {
        let folder = scratch("own");
        let mut world = World::start(&folder, at(1, NOW, 10));
        let given = world.publishers[0].given.clone();
        let to = |source, nodes| Publish { source, receiver: Receiver::Name { to: "hub".to_owned(), nodes }, ..given.clone() };
        let [one, more, others] =
            ["a@b", "a@b c@d", "a@b e@f"].map(|names| names.split(' ').map(str::to_owned).collect::<Vec<_>>());
        let of_program = |nodes| to(Source::Program, nodes);
        let all = [
            given.clone(),
            given.clone(),
            to(given.source.clone(), Nodes::Each(one.clone())),
            of_program(Nodes::First(one.clone())),
            of_program(Nodes::Each(one)),
            of_program(Nodes::Each(more.clone())),
            of_program(Nodes::First(more)),
            of_program(Nodes::Each(others)),
        ];
        world.publishers = all.map(Publisher::new).into();
        let queues = |world: &World| -> Vec<u64> {
            world.publishers.iter().flat_map(|publisher| &publisher.outlets).filter_map(|outlet| outlet.kept.queue()).collect()
        };
        world.turn(at(1, NOW, 10));
        let mut found = queues(&world);
        assert_eq!(found.len(), 10);
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 10);
        // the second has readings on disk, the first is sent its own at once
        let numbers = &mut Numbering::new(None);
        let now = at(1, NOW, 10);
        for _ in 0..9 {
            world.publishers[1].keep(vec![131, 97, 1], now, &now, numbers);
        }
        world.turn(at(1, NOW + 6, 16));
        let now = at(1, NOW + 6, 16);
        world.publishers[0].keep(vec![131, 97, 2], now, &now, numbers);
        world.turn(at(1, NOW + 12, 22));
        world.turn(at(1, NOW + 13, 23));
        assert_eq!([0, 1].map(|place| world.publishers[place].outlets[0].kept.len()), [1, 9]);
        // all of the first have arrived, and it is gone from the file when the agent starts again
        let second = queues(&world)[1];
        let first = world.kept();
        assert!(first.next(0, 1 << 20).is_some() || first.is_on_disk());
        first.clear();
        world.turn(at(1, NOW + 14, 24));
        world.stop();
        let mut world = World::start(&folder, at(1, NOW + 20, 30));
        world.turn(at(1, NOW + 20, 30));
        assert_eq!((world.kept().queue(), world.kept().len()), (Some(second), 9));
        world.stop();
        let _ = fs::remove_dir_all(&folder);
    }

    /// Two of one label for one receiver: whatever is taken out of the file, each that stays has its own at the next start.
    #[test]
    fn what_stays_in_the_file_has_its_own() {
        let folder = scratch("twins");
        let now = at(1, NOW, 10);
        let sources = ["temp", "volts", "amps"].map(|name| Source::Command(vec!["echo".to_owned(), name.to_owned()]));
        let start = |sources: &[&Source]| {
            let mut world = World::start(&folder, now);
            let given = world.publishers[0].given.clone();
            let of = |source: &&Source| Publisher::new(Publish { source: (*source).clone(), ..given.clone() });
            world.publishers = sources.iter().map(of).collect();
            world.turn(now);
            world
        };
        let counts =
            |world: &World| -> Vec<usize> { world.publishers.iter().map(|publisher| publisher.outlets[0].kept.len()).collect() };
        let [temp, volts, amps] = &sources;
        let mut world = start(&[temp, volts]);
        for (place, count) in [(0, 4), (1, 8)] {
            (0..count).for_each(|_| world.publishers[place].keep(vec![131, 97, 1], now, &now, &mut Numbering::new(None)));
        }
        world.stop();
        for (sources, expected) in [
            (&[volts, temp][..], &[8, 4][..]),
            // a source that is not in the file any more has another in its place
            (&[amps, volts], &[4, 8]),
            (&[amps, temp, volts], &[0, 4, 8]),
            (&[volts], &[8]),
        ] {
            let mut world = start(sources);
            assert_eq!(counts(&world), expected, "{sources:?}");
            if sources.len() > 1 {
                // what is nobody's is dropped once it was looked at
                world.stop();
                continue;
            }
            while !world.disk.unknown.is_empty() {
                world.turn(now);
                std::thread::yield_now();
            }
            assert_eq!((world.disk.nobodys, counts(&world)), (4, vec![8]));
            world.stop();
        }
        let _ = fs::remove_dir_all(&folder);
    }

    /// More on disk, for more receivers, than there is memory for at once: it is all sent, some of it at a time.
    #[test]
    fn what_was_read_is_sent_before_there_is_no_room_for_it() {
        const LIMIT: usize = 1 << 18;
        let folder = scratch("room");
        let mut world = World::start(&folder, at(1, NOW, 10));
        let given = world.publishers[0].given.clone();
        world.publishers =
            (0..15).map(|place| Publisher::new(Publish { label: format!("cpu{place}"), ..given.clone() })).collect();
        let mut now = at(1, NOW, 10);
        world.turn(now);
        let mut numbers = Numbering::new(None);
        for _ in 0..700 {
            for publisher in &mut world.publishers {
                publisher.keep(vec![131, 97, 1], now, &now, &mut numbers);
            }
            // there may be no room for more as yet
            world.disk.make_room(&mut world.publishers, &now);
            world.disk.store.turn();
        }
        while world.publishers.iter().map(Publisher::bytes).sum::<usize>() > 0 {
            now.up += 1000;
            world.turn(now);
            std::thread::yield_now();
        }
        let waiting = |world: &World| world.publishers.iter().map(|publisher| publisher.outlets[0].kept.len()).sum::<usize>();
        assert_eq!(waiting(&world), 10_500);
        let (mut turns, mut left) = (0, 10_500);
        while left > 0 {
            world.disk.begin(&mut world.publishers, &[], &mut world.clock);
            if world.publishers.iter().map(Publisher::bytes).sum::<usize>() > LIMIT {
                world.disk.make_room(&mut world.publishers, &now);
            }
            world.disk.read(&mut world.publishers, LIMIT);
            let used = world.publishers.iter().map(Publisher::bytes).sum::<usize>();
            assert!(used <= LIMIT, "{used}");
            let mut under_way = world.publishers.iter().map(Publisher::under_way).sum();
            for publisher in &mut world.publishers {
                let kept = &mut publisher.outlets[0].kept;
                while kept.next(under_way, LIMIT).is_some() {
                    under_way += kept.was_sent();
                }
            }
            world.disk.end(&mut world.publishers, &now);
            // all that was sent arrives together, some turns later
            turns += 1;
            if turns % 4 == 0 {
                for publisher in &mut world.publishers {
                    publisher.outlets[0].kept.ask();
                    publisher.outlets[0].kept.have_arrived();
                }
            }
            left = waiting(&world);
            assert!(turns < 10_000, "{left}");
            // the disk has what it was asked for by then
            std::thread::sleep(Duration::from_millis(2));
        }
        assert_eq!(world.publishers.iter().map(|publisher| publisher.outlets[0].kept.dropped).sum::<u64>(), 0);
        world.stop();
        let _ = fs::remove_dir_all(&folder);
    }

    /// A turn in which nothing happens looks at each receiver, and not at all of them for each.
    #[test]
    fn a_turn_costs_as_much_as_there_are_receivers() {
        let folder = scratch("many");
        let mut looks = [50, 400].map(|count| {
            let _ = fs::remove_dir_all(&folder);
            let mut world = World::start(&folder, at(1, 10, 10));
            let given = world.publishers[0].given.clone();
            let of = |place| Publisher::new(Publish { label: format!("cpu{place}"), ..given.clone() });
            world.publishers = (0..count).map(of).collect();
            let keep = |world: &mut World, now: Moment| {
                let numbers = &mut Numbering::new(None);
                world.publishers.iter_mut().for_each(|publisher| publisher.keep(vec![131, 97, 1], now, &now, numbers));
            };
            keep(&mut world, at(1, 10, 10));
            world.turn(at(1, 10, 10));
            world.turn(at(1, 16, 16));
            assert!(world.publishers.iter().all(|publisher| publisher.outlets[0].kept.is_on_disk()));
            // the clock is set, which is written for what is there
            while world.disk.known.is_none() {
                world.turn(at(1, NOW, 20));
                std::thread::yield_now();
            }
            let before = store::looked_at();
            world.turn(at(1, NOW + 1, 21));
            let looks = store::looked_at() - before;
            world.stop();
            looks
        });
        looks[0] *= 8;
        // some of it by halves
        assert!(looks[0] > 0 && looks[1] < looks[0] * 2, "{looks:?}");
        let _ = fs::remove_dir_all(&folder);
    }

    /// What is missing at a start has not made room for anything, however much of the disk is used.
    #[test]
    fn what_is_damaged_is_not_told_as_a_disk_that_is_used_up() {
        let folder = scratch("damaged");
        let now = at(1, NOW, 10);
        let mut world = World::start(&folder, now);
        world.turn(now);
        let mut numbers = Numbering::new(None);
        (0..70).for_each(|_| world.publishers[0].keep(vec![7; 9000], now, &now, &mut numbers));
        world.stop();
        let mut segments: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect();
        segments.retain(|path| path.extension().is_some_and(|it| it == "log"));
        segments.sort();
        let mut bytes = fs::read(&segments[1]).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&segments[1], bytes).unwrap();
        let mut world = World::start(&folder, now);
        world.turn(now);
        assert!(world.disk.store.used() > world.disk.store.limit() / 2);
        assert_eq!((world.kept().len(), world.kept().dropped, world.disk.is_full), (69, 1, false));
        world.stop();
        let _ = fs::remove_dir_all(&folder);
    }

    #[test]
    fn with_the_hub_at_hand_nothing_is_written() {
        let folder = scratch("nothing");
        let mut world = World::start(&folder, at(1, NOW, 10));
        for second in 10..30 {
            world.keep(at(1, NOW + second, second));
            assert!(world.kept().next(0, 1 << 20).is_some());
            world.kept().was_sent();
            world.turn(at(1, NOW + second, second));
            world.kept().ask();
            assert_eq!(world.kept().have_arrived(), 1);
        }
        world.stop();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        let _ = fs::remove_dir_all(&folder);
    }
}
