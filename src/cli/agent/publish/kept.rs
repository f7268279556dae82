//! The readings that one receiver does not have yet, in memory and on disk.
//!
//! They are in this order: those that were sent; those that are next; those that are on disk alone; and those behind them, in memory. Those that
//! were sent or are next may be on disk as well. If nothing is on disk alone, nothing is behind it.

use std::collections::VecDeque;

use super::moment::Moment;
use super::payload;
use super::reading::Reading;
use crate::cli::agent::spare::give_back;
use crate::cli::agent::store::{Read, Store};

/// The readings that wait to be sent, and those that were sent and are not known to have arrived.
pub(super) struct Kept {
    /// The most of either, where that is limited.
    most: Option<usize>,
    sent: VecDeque<Reading>,
    next: VecDeque<Reading>,
    /// The number of those that are on disk alone.
    unread: u64,
    behind: VecDeque<Reading>,
    /// The bytes of those that wait in memory, and of those that were sent.
    bytes: [usize; 2],
    /// The number of those sent before the question whether they arrived.
    asked: usize,
    /// The name on disk; nothing as long as they are in memory alone.
    queue: Option<u64>,
    /// The place on disk up to which none is there alone.
    read: u64,
    /// The place on disk up to which they arrived.
    done: u64,
    /// The place on disk up to which none is there any more.
    gone: u64,
    /// When the first was taken that is on disk alone, where that is known.
    unread_since: Option<Moment>,
    /// There is room to send what is on disk.
    is_hungry: bool,
    /// The disk was asked for that, or there was no memory for it.
    pub(super) is_seen: bool,
    /// What is on disk is of no use any more.
    is_cleared: bool,
    /// Readings that arrived.
    pub(super) arrived: u64,
    /// Readings that had to make room for newer ones, or could not be sent.
    pub(super) dropped: u64,
    /// The number of these since that was last told.
    untold: u64,
    /// Readings that the disk had no room for, and counts as dropped, while they were under way.
    spared: u64,
    /// How many will have arrived, or been dropped, with the last that waited when its receiver came.
    late: u64,
}

impl Kept {
    pub(super) fn new(most: Option<usize>) -> Self {
        Self {
            most,
            sent: VecDeque::new(),
            next: VecDeque::new(),
            unread: 0,
            behind: VecDeque::new(),
            bytes: [0; 2],
            asked: 0,
            queue: None,
            read: 0,
            done: 0,
            gone: 0,
            unread_since: None,
            is_hungry: false,
            is_seen: false,
            is_cleared: false,
            arrived: 0,
            dropped: 0,
            untold: 0,
            spared: 0,
            late: 0,
        }
    }

    /// Keeps a reading. Returns true if another had to make room, the first since that was told.
    pub(super) fn push(&mut self, reading: Reading) -> bool {
        let is_first = self.untold == 0;
        let [waiting, _] = &mut self.bytes;
        *waiting = waiting.saturating_add(reading.size());
        let list = if self.unread > 0 { &mut self.behind } else { &mut self.next };
        list.push_back(reading);
        self.make_room();
        is_first && self.untold > 0
    }

    fn make_room(&mut self) {
        while self.most.is_some_and(|most| self.waiting() > most) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest that waits.
    pub(super) fn drop_oldest(&mut self) {
        if let Some(reading) = self.next.pop_front() {
            self.is_freed(&reading);
        } else if self.unread > 0 {
            (self.read, self.unread) = (self.read.saturating_add(1), self.unread.saturating_sub(1));
            self.close_up();
        } else {
            return;
        }
        self.are_dropped(1);
    }

    fn is_freed(&mut self, reading: &Reading) {
        let [waiting, _] = &mut self.bytes;
        *waiting = waiting.saturating_sub(reading.size());
    }

    fn are_dropped(&mut self, count: u64) {
        self.dropped = self.dropped.saturating_add(count);
        self.untold = self.untold.saturating_add(count);
    }

    /// Takes note that nothing may be on disk alone any more.
    fn close_up(&mut self) {
        if self.unread == 0 {
            self.next.append(&mut self.behind);
        }
    }

    /// Gives back the memory of many readings where there are none.
    fn give_back(&mut self) {
        [&mut self.sent, &mut self.next, &mut self.behind].into_iter().for_each(give_back);
    }

    pub(super) fn set_most(&mut self, most: Option<usize>) {
        self.most = most;
        self.make_room();
    }

    /// Returns the next to be sent; none while too many are not known to have arrived. `under_way` are the bytes of all that were sent,
    /// those of others included, and `limit` of all that is kept: each receiver may have one reading under way, and more while half of the
    /// memory is left.
    pub(super) fn next(&mut self, under_way: usize, limit: usize) -> Option<&Reading> {
        let room = if self.sent.is_empty() { limit } else { limit.wrapping_div(2) };
        let has_room = under_way < room && self.most.is_none_or(|most| self.sent.len() < most);
        self.is_hungry |= has_room && self.next.is_empty() && self.unread > 0;
        self.next.front().filter(|_| has_room)
    }

    /// Takes note that the next was sent. Returns its bytes.
    pub(super) fn was_sent(&mut self) -> usize {
        let Some(reading) = self.next.pop_front() else { return 0 };
        let size = reading.size();
        self.is_freed(&reading);
        let [_, sent] = &mut self.bytes;
        *sent = sent.saturating_add(size);
        self.sent.push_back(reading);
        self.give_back();
        size
    }

    /// Takes note that the question was asked whether all that were sent arrived.
    pub(super) fn ask(&mut self) {
        self.asked = self.sent.len();
    }

    /// Takes note that what was sent before the question has arrived. Returns how many that were.
    pub(super) fn have_arrived(&mut self) -> u64 {
        let mut arrived = 0_u64;
        for reading in core::iter::from_fn(|| self.sent.pop_front()).take(self.asked) {
            arrived = arrived.saturating_add(1);
            let [_, sent] = &mut self.bytes;
            *sent = sent.saturating_sub(reading.size());
        }
        self.asked = 0;
        self.give_back();
        self.arrived = self.arrived.saturating_add(arrived);
        arrived
    }

    /// Takes note that what was sent may be lost: it is to be sent again.
    pub(super) fn are_lost(&mut self) {
        self.asked = 0;
        self.sent.append(&mut self.next);
        core::mem::swap(&mut self.sent, &mut self.next);
        self.bytes = [self.bytes(), 0];
        // these were under way when the disk dropped them
        let dropped = self.discard();
        self.are_dropped(dropped);
        self.make_room();
    }

    /// Takes note that its receiver has just come: what is kept has waited for it.
    pub(super) fn are_late(&mut self) {
        self.late = self.arrived.saturating_add(self.dropped).saturating_add(u64::try_from(self.len()).unwrap_or(u64::MAX));
    }

    /// Returns true if some of these are not known to have arrived.
    pub(super) fn has_late(&self) -> bool {
        self.arrived.saturating_add(self.dropped) < self.late && self.len() > 0
    }

    /// Returns how many were dropped since this was asked last.
    pub(super) fn take_untold(&mut self) -> u64 {
        core::mem::take(&mut self.untold)
    }

    /// Forgets all of them: nobody is there to have them, and nobody missed them, unless they were on disk.
    pub(super) fn clear(&mut self) {
        let Self { most, queue, arrived, dropped, read, done, gone, unread, spared, .. } = *self;
        let read = read.saturating_add(unread);
        let is_cleared = queue.is_some() && read > done;
        let dropped = dropped.saturating_add(unread);
        *self = Self { queue, arrived, dropped, read, done, gone, is_cleared, spared, ..Self::new(most) };
    }

    /// Returns the number of readings that are not known to have arrived.
    pub(super) fn len(&self) -> usize {
        self.waiting().saturating_add(self.sent.len())
    }

    /// Returns the number of readings that were not sent.
    fn waiting(&self) -> usize {
        let unread = usize::try_from(self.unread).unwrap_or(usize::MAX);
        self.next.len().saturating_add(unread).saturating_add(self.behind.len())
    }

    /// Returns the bytes in memory.
    pub(super) fn bytes(&self) -> usize {
        let [waiting, sent] = self.bytes;
        waiting.saturating_add(sent)
    }

    /// Returns the bytes in memory of those that wait.
    pub(super) fn waiting_bytes(&self) -> usize {
        let [waiting, _] = self.bytes;
        waiting
    }

    /// Returns the bytes of those that were sent.
    pub(super) fn under_way(&self) -> usize {
        let [_, sent] = self.bytes;
        sent
    }

    /// Returns the number of readings that were not sent, and of those that were.
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.waiting(), self.sent.len()]
    }

    /// Returns the number of the oldest that waits in memory.
    pub(super) fn oldest_waiting(&self) -> Option<u64> {
        self.next.front().or(self.behind.front()).map(|reading| reading.number)
    }

    /// Drops the oldest that waits in memory.
    pub(super) fn drop_from_memory(&mut self) {
        if self.next.is_empty() {
            if let Some(reading) = self.behind.pop_front() {
                self.is_freed(&reading);
                self.are_dropped(1);
            }
        } else {
            self.drop_oldest();
        }
    }

    /// Returns when the oldest of all was taken.
    pub(super) fn oldest(&self) -> Option<&Moment> {
        let front = self.sent.front().or(self.next.front()).map(|reading| &reading.taken);
        let unread = self.unread_since.as_ref().filter(|_| self.unread > 0);
        front.or(unread).or(self.behind.front().map(|reading| &reading.taken))
    }

    /// Returns true if some were sent of which it is not known whether they arrived.
    pub(super) fn are_out(&self) -> bool {
        !self.sent.is_empty()
    }

    // --- on disk ------------------------------------------------------------------------------------------------------------

    /// Returns true if there are some on disk alone.
    pub(super) fn is_on_disk(&self) -> bool {
        self.unread > 0
    }

    /// Returns the name on disk.
    pub(super) fn queue(&self) -> Option<u64> {
        self.queue
    }

    /// Takes up what is on disk under this name. What is in memory is behind it.
    pub(super) fn attach(&mut self, queue: u64, store: &Store) {
        self.queue = Some(queue);
        (self.unread, _) = store.counts(queue);
        self.read = store.gone(queue);
        (self.done, self.gone) = (self.read, self.read);
        if self.unread > 0 {
            self.behind.append(&mut self.next);
        }
    }

    /// Goes on in memory alone, since what was written is gone: what was on disk alone is dropped, but for what is in memory there as well. Returns
    /// how many those were.
    pub(super) fn detach(&mut self, store: &mut Store) -> u64 {
        let Some(queue) = self.queue else { return 0 };
        self.settle(store);
        let back = store.in_memory_behind(queue, self.read).filter_map(|(_, payload)| Some(payload::read(payload, 0)?.0));
        let before = self.next.len();
        self.next.extend(back.take(usize::try_from(self.unread).unwrap_or(usize::MAX)));
        let [waiting, _] = &mut self.bytes;
        *waiting = self.next.range(before..).map(Reading::size).fold(*waiting, usize::saturating_add);
        let lost = self.unread.saturating_sub(self.next.len().saturating_sub(before) as u64);
        self.are_dropped(lost);
        self.sent.iter_mut().chain(&mut self.next).for_each(|reading| reading.place = 0);
        self.unread = 0;
        self.close_up();
        (self.queue, self.unread_since, self.spared) = (None, None, 0);
        (self.read, self.done, self.gone) = (0, 0, 0);
        self.make_room();
        lost
    }

    /// Returns those that are in memory alone, oldest first.
    pub(super) fn in_memory_alone(&self) -> impl Iterator<Item = &Reading> {
        let alone = |list: &VecDeque<Reading>| list.partition_point(|reading| reading.place > 0);
        let (sent, next) = (alone(&self.sent), alone(&self.next));
        self.sent.range(sent..).chain(self.next.range(next..)).chain(&self.behind)
    }

    /// Writes to disk what is in memory alone; what waits leaves memory then. Returns false if something found no room: it stays as it is.
    pub(super) fn spill(&mut self, store: &mut Store, address: &[u8]) -> bool {
        let Some(queue) = self.queue else { return true };
        for reading in self.sent.iter_mut().filter(|reading| reading.place == 0) {
            let Some(place) = store.append(queue, &payload::written(reading, address)) else { return false };
            (reading.place, self.read) = (place, self.read.max(place));
        }
        if self.unread == 0 {
            self.behind = self.next.split_off(self.next.partition_point(|reading| reading.place > 0));
        }
        while let Some(reading) = self.behind.pop_front() {
            let Some(place) = store.append(queue, &payload::written(&reading, address)) else {
                self.behind.push_front(reading);
                break;
            };
            if self.unread == 0 {
                (self.read, self.unread_since) = (place.saturating_sub(1), Some(reading.taken));
            }
            self.unread = self.unread.saturating_add(1);
            self.is_freed(&reading);
        }
        let are_all = self.behind.is_empty();
        self.close_up();
        self.give_back();
        are_all
    }

    /// Lets go of what waits in memory and is on disk as well.
    pub(super) fn release(&mut self, store: &Store) {
        self.look(store);
        let on_disk = self.next.partition_point(|reading| reading.place > 0);
        let Some(first) = self.next.front().filter(|_| on_disk > 0) else { return };
        (self.read, self.unread_since) = (first.place.saturating_sub(1), Some(first.taken));
        for _ in 0..on_disk {
            if let Some(reading) = self.next.pop_front() {
                self.is_freed(&reading);
            }
        }
        if self.unread == 0 {
            self.behind = core::mem::take(&mut self.next);
        }
        self.unread = self.unread.saturating_add(on_disk as u64);
        self.give_back();
    }

    /// Returns true if what is on disk could be sent.
    pub(super) fn is_hungry(&self) -> bool {
        self.is_hungry && self.next.is_empty() && self.unread > 0
    }

    /// Reads from the disk what can be sent, about so many bytes. Returns true if something was read.
    pub(super) fn refill(&mut self, store: &mut Store, most: usize) -> bool {
        let Some(queue) = self.queue.filter(|_| self.is_hungry()) else { return false };
        let records = match store.read(queue, self.read, most) {
            Read::Later => return false,
            Read::Records(records) => {
                self.look(store);
                records
            }
            Read::Nothing => {
                self.unread = 0;
                Vec::new()
            }
        };
        (self.is_hungry, self.is_seen) = (false, false);
        for (place, record) in records {
            (self.read, self.unread) = (place, self.unread.saturating_sub(1));
            match payload::read(&record, place) {
                Some((reading, _)) => {
                    self.unread_since = Some(reading.taken);
                    let [waiting, _] = &mut self.bytes;
                    *waiting = waiting.saturating_add(reading.size());
                    self.next.push_back(reading);
                }
                // of another version
                None => self.are_dropped(1),
            }
        }
        self.close_up();
        true
    }

    /// Tells the disk what has arrived, and takes note of what that had no room for. Returns how many readings those were.
    pub(super) fn settle(&mut self, store: &mut Store) -> u64 {
        let Some(queue) = self.queue else { return 0 };
        if core::mem::take(&mut self.is_cleared) {
            store.forget(queue);
        }
        let first = self.sent.front().or(self.next.front()).map_or(0, |reading| reading.place);
        let done = if first > 0 { first.saturating_sub(1) } else { self.read };
        if done > self.done {
            self.done = done;
            store.acknowledge(queue, done);
        }
        let dropped = store.take_dropped(queue);
        if dropped > 0 {
            self.look(store);
        }
        // what is under way may arrive all the same
        let spared = self.spared.min(dropped);
        self.spared = self.spared.saturating_sub(spared);
        let dropped = dropped.saturating_sub(spared);
        self.are_dropped(dropped);
        dropped
    }

    /// Takes note of what the disk had no room for. What of it is next is dropped as well, since it is counted there.
    pub(super) fn look(&mut self, store: &Store) {
        let Some(queue) = self.queue else { return };
        let gone = store.gone(queue);
        if gone <= self.gone {
            return;
        }
        let under_way = self.sent.iter().filter(|reading| reading.place > self.gone && reading.place <= gone).count();
        self.spared = self.spared.saturating_add(under_way as u64);
        self.gone = gone;
        self.discard();
        self.read = self.read.max(gone);
        self.unread = store.behind(queue, self.read);
        self.close_up();
    }

    /// Drops what is next and is not on disk any more, though it was. Returns how many those were.
    fn discard(&mut self) -> u64 {
        let mut count = 0_u64;
        while self.next.front().is_some_and(|reading| (1..=self.gone).contains(&reading.place)) {
            if let Some(reading) = self.next.pop_front() {
                self.is_freed(&reading);
            }
            count = count.saturating_add(1);
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::super::reading::AROUND;
    use super::*;

    /// The room for these tests.
    const LIMIT: usize = 1 << 20;

    fn reading(number: u64, bytes: usize) -> Reading {
        Reading { number, taken: Moment { clock: 0, up: 0, boot: 0 }, up: 0, place: 0, value: vec![0; bytes].into() }
    }

    fn numbers(kept: &VecDeque<Reading>) -> Vec<u64> {
        kept.iter().map(|reading| reading.number).collect()
    }

    #[test]
    fn the_newest_are_kept_and_what_was_sent_comes_back_in_order() {
        let mut kept = Kept::new(Some(3));
        let next = |kept: &mut Kept| kept.next(kept.under_way(), LIMIT).map(|reading| reading.number);
        let first: Vec<bool> = (1..=5).map(|number| kept.push(reading(number, 1))).collect();
        assert_eq!(first, [false, false, false, true, false]);
        assert_eq!((numbers(&kept.next), kept.dropped), (vec![3, 4, 5], 2));
        kept.was_sent();
        kept.was_sent();
        kept.ask();
        kept.was_sent();
        assert_eq!((next(&mut kept), kept.len()), (None, 3));
        // what went before the question is known to have arrived
        assert_eq!(kept.have_arrived(), 2);
        assert_eq!((numbers(&kept.sent), kept.arrived), (vec![5], 2));
        kept.push(reading(6, 1));
        assert_eq!(next(&mut kept), Some(6));
        kept.are_lost();
        assert_eq!((numbers(&kept.next), kept.bytes), (vec![5, 6], [2 * (AROUND + 1), 0]));
        // more at once than are kept: the oldest goes
        kept.was_sent();
        kept.was_sent();
        (7..=9).for_each(|number| assert!(!kept.push(reading(number, 1))));
        kept.are_lost();
        assert_eq!((numbers(&kept.next), kept.dropped, kept.take_untold(), kept.take_untold()), (vec![7, 8, 9], 4, 4, 0));
        kept.set_most(Some(1));
        assert_eq!((numbers(&kept.next), kept.are_out(), kept.bytes()), (vec![9], false, AROUND + 1));
    }

    #[test]
    fn what_is_under_way_has_half_of_the_room_and_one_reading_has_all() {
        let mut kept = Kept::new(None);
        (1..=9).for_each(|number| assert!(!kept.push(reading(number, LIMIT / 4))));
        let is_next = |kept: &mut Kept, others: usize| kept.next(kept.under_way() + others, LIMIT).is_some();
        assert!(is_next(&mut kept, LIMIT - 1) && !is_next(&mut kept, LIMIT));
        assert_eq!(kept.was_sent(), LIMIT / 4 + AROUND);
        assert!(is_next(&mut kept, 0) && !is_next(&mut kept, LIMIT / 4));
        kept.was_sent();
        assert!(!is_next(&mut kept, 0));
        kept.ask();
        assert_eq!((kept.have_arrived(), kept.under_way(), kept.bytes()), (2, 0, 7 * (LIMIT / 4 + AROUND)));
        kept.clear();
        assert_eq!((kept.bytes(), kept.arrived, kept.len()), (0, 2, 0));
    }

    #[test]
    fn what_many_readings_took_is_given_back() {
        let mut kept = Kept::new(None);
        (1..=1000).for_each(|number| assert!(!kept.push(reading(number, 1))));
        while kept.was_sent() > 0 {}
        kept.ask();
        assert_eq!(kept.have_arrived(), 1000);
        let lists = [&kept.sent, &kept.next, &kept.behind];
        assert!(lists.iter().all(|list| list.capacity() < 100), "{:?}", lists.map(VecDeque::capacity));
    }

    /// A random number below the limit.
    fn random(state: &mut u64, limit: u64) -> u64 {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (*state >> 33) % limit
    }

    /// What is kept in a folder, and what arrived of it.
    struct World {
        folder: PathBuf,
        store: Store,
        kept: Kept,
        arrived: Vec<u64>,
    }

    impl World {
        fn new(folder: PathBuf) -> Self {
            let _ = fs::remove_dir_all(&folder);
            let (store, kept) = Self::open(&folder, None);
            Self { folder, store, kept, arrived: Vec::new() }
        }

        fn open(folder: &Path, most: Option<usize>) -> (Store, Kept) {
            let store = Store::open(folder, None, 1 << 20, Duration::from_secs(5)).unwrap();
            let mut kept = Kept::new(most);
            kept.attach(7, &store);
            (store, kept)
        }

        fn restart(&mut self) {
            let (store, kept) = (&mut self.store, &self.kept);
            let mut rest = kept.in_memory_alone().map(|reading| (7, payload::written(reading, &[])));
            // another has the folder, which is let go of with the first
            let other = self.folder.with_extension("other");
            let old = core::mem::replace(store, Store::open(&other, None, 1 << 20, Duration::from_secs(5)).unwrap());
            assert_eq!(old.close(&mut rest, Duration::from_secs(60)), 0);
            drop(rest);
            (self.store, self.kept) = Self::open(&self.folder, self.kept.most);
        }

        fn arrive(&mut self) {
            self.kept.look(&self.store);
            self.kept.ask();
            self.arrived.extend(numbers(&self.kept.sent));
            self.kept.have_arrived();
            self.kept.settle(&mut self.store);
        }

        fn send(&mut self, most: u64) {
            for _ in 0..most {
                self.store.turn();
                self.kept.refill(&mut self.store, 300);
                if self.kept.next(0, LIMIT).is_some() {
                    self.kept.was_sent();
                }
            }
        }
    }

    impl Drop for World {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.folder);
            let _ = fs::remove_dir_all(self.folder.with_extension("other"));
        }
    }

    /// Whatever is moved to the disk and back, lost and sent again: all arrive, in their order.
    #[test]
    fn nothing_is_lost_between_memory_and_disk() {
        let mut most = 0;
        for seed in 1..=40 {
            let mut state = seed;
            let folder = std::env::temp_dir().join(format!("beamless-kept-{}-{seed}", std::process::id()));
            let mut world = World::new(folder);
            let mut pushed = 0;
            for _ in 0..200 {
                match random(&mut state, 24) {
                    0..=8 => {
                        pushed += 1;
                        world.kept.push(reading(pushed, usize::try_from(random(&mut state, 40)).unwrap()));
                    }
                    9..=12 => world.send(3),
                    13..=15 => world.arrive(),
                    16..=17 => world.kept.are_lost(),
                    18..=20 => assert!(world.kept.spill(&mut world.store, &[])),
                    21..=22 => world.kept.release(&world.store),
                    _ => world.restart(),
                }
                most = most.max(world.kept.unread);
                let bytes = |list: &VecDeque<Reading>| list.iter().map(Reading::size).sum::<usize>();
                let kept = &world.kept;
                assert_eq!(kept.bytes, [bytes(&kept.next) + bytes(&kept.behind), bytes(&kept.sent)], "{seed}");
            }
            while world.kept.len() > 0 {
                world.send(9);
                world.arrive();
                std::thread::yield_now();
            }
            let mut seen = Vec::new();
            world.arrived.iter().for_each(|number| {
                if !seen.contains(number) {
                    seen.push(*number)
                }
            });
            assert!(seen.iter().copied().eq(1..=pushed), "{seed}: {:?}", world.arrived);
            assert_eq!((world.kept.bytes(), world.kept.dropped, world.store.counts(7).0), (0, 0, 0), "{seed}");
        }
        assert!(most > 20, "{most}");
    }

    /// The same with a disk that has too little room: what does not arrive is counted, and nothing overtakes what is older.
    #[test]
    fn what_the_disk_has_no_room_for_is_counted() {
        let mut all_dropped = 0;
        for seed in 1..=24 {
            let mut state = seed;
            let mut world = World::new(std::env::temp_dir().join(format!("beamless-kept-small-{}-{seed}", std::process::id())));
            world.store = Store::open(&world.folder.with_extension("other"), None, 1 << 18, Duration::from_secs(5)).unwrap();
            world.kept = Kept::new(None);
            world.kept.attach(7, &world.store);
            let mut pushed = 0;
            for step in 0..600 {
                world.store.turn();
                match random(&mut state, 24) {
                    0..=11 => {
                        pushed += 1;
                        world.kept.push(reading(pushed, usize::try_from(random(&mut state, 6000)).unwrap()));
                    }
                    12..=13 if step % 300 > 200 => world.send(3),
                    14 if step % 300 > 200 => world.arrive(),
                    12..=14 => {
                        // nobody is there to have what is read
                        world.kept.next(0, LIMIT);
                        world.kept.refill(&mut world.store, 1 << 15);
                    }
                    15 => world.kept.are_lost(),
                    16..=19 => {
                        while !world.kept.spill(&mut world.store, &[]) {
                            world.store.turn();
                            std::thread::yield_now();
                        }
                    }
                    20..=21 => world.kept.release(&world.store),
                    // another's
                    22 => drop(world.store.append(8, &vec![0; 9000])),
                    _ => drop(world.kept.settle(&mut world.store)),
                }
                let kept = &world.kept;
                let alone = world.store.behind(7, kept.read);
                assert!(kept.unread >= alone, "{seed}: {} of {alone}", kept.unread);
                let bytes = |list: &VecDeque<Reading>| list.iter().map(Reading::size).sum::<usize>();
                assert_eq!(kept.bytes, [bytes(&kept.next) + bytes(&kept.behind), bytes(&kept.sent)], "{seed}");
            }
            while world.kept.len() > 0 {
                world.send(9);
                world.arrive();
                std::thread::yield_now();
            }
            let mut seen = world.arrived.clone();
            seen.sort_unstable();
            seen.dedup();
            let missing = pushed - u64::try_from(seen.len()).unwrap();
            world.kept.settle(&mut world.store);
            assert_eq!(missing, world.kept.dropped, "{seed}");
            all_dropped += missing;
            let mut last = 0;
            for number in &world.arrived {
                // what comes again has come before
                assert!(*number > last || world.arrived.iter().filter(|other| *other == number).count() > 1, "{seed}");
                last = last.max(*number);
            }
        }
        assert!(all_dropped > 100, "{all_dropped}");
    }

    /// The folder on disk is gone: what was written is lost, and all else goes on.
    #[test]
    fn without_its_disk_it_goes_on_in_memory() {
        let mut world = World::new(std::env::temp_dir().join(format!("beamless-kept-gone-{}", std::process::id())));
        // so large that it is synced at once
        world.kept.push(reading(1, 1 << 16));
        assert!(world.kept.spill(&mut world.store, &[]));
        let is_written = |world: &World| world.store.in_memory_behind(7, 0).count() == 0;
        while !is_written(&world) {
            world.store.turn();
            std::thread::yield_now();
        }
        world.kept.push(reading(2, 5));
        assert!(world.kept.spill(&mut world.store, &[]));
        world.kept.push(reading(3, 6));
        assert_eq!((world.kept.unread, numbers(&world.kept.behind)), (2, vec![3]));
        assert_eq!(world.kept.detach(&mut world.store), 1);
        assert_eq!((numbers(&world.kept.next), world.kept.len(), world.kept.dropped), (vec![2, 3], 2, 1));
        assert_eq!((world.kept.bytes(), world.kept.queue()), (2 * AROUND + 11, None));
        // another one has it all
        let other = world.folder.with_extension("other");
        world.store = Store::open(&other, None, 1 << 20, Duration::from_secs(5)).unwrap();
        world.kept.attach(7, &world.store);
        assert!(world.kept.spill(&mut world.store, &[]));
        assert_eq!((world.kept.bytes(), world.kept.unread, world.store.counts(7).0), (0, 2, 2));
        assert_eq!(world.kept.detach(&mut world.store), 0);
        assert_eq!(numbers(&world.kept.next), [2, 3]);
    }

    #[test]
    fn the_oldest_on_disk_makes_room_as_well() {
        let folder = std::env::temp_dir().join(format!("beamless-kept-{}", std::process::id()));
        let mut world = World::new(folder);
        (1..=6).for_each(|number| assert!(!world.kept.push(reading(number, 9))));
        assert!(world.kept.spill(&mut world.store, &[]));
        assert_eq!((world.kept.bytes(), world.kept.len(), world.kept.oldest_waiting()), (0, 6, None));
        world.kept.push(reading(7, 9));
        assert_eq!((world.kept.oldest_waiting(), world.kept.in_memory_alone().count()), (Some(7), 1));
        world.kept.set_most(Some(4));
        assert_eq!((world.kept.len(), world.kept.dropped), (4, 3));
        world.kept.settle(&mut world.store);
        world.restart();
        assert_eq!(world.kept.len(), 4);
        world.kept.set_most(Some(3));
        while world.kept.len() > 0 {
            world.send(9);
            world.arrive();
            std::thread::yield_now();
        }
        assert_eq!((world.arrived.clone(), world.store.counts(7).0), (vec![5, 6, 7], 0));
        // what nobody has any use for
        (8..=9).for_each(|number| assert!(!world.kept.push(reading(number, 9))));
        assert!(world.kept.spill(&mut world.store, &[]));
        world.kept.clear();
        world.kept.settle(&mut world.store);
        assert_eq!((world.kept.len(), world.kept.dropped, world.store.counts(7).0), (0, 3, 0));
    }
}
