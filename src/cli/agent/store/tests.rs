//! The log against a model, and after power cuts: what was written since the last sync is there, or cut off, or zeros, or garbage.

#![allow(clippy::cast_possible_truncation, reason = "small numbers")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::Path;
use std::{env, fs, thread};

use super::open::patiently;
use super::room::BLOCK;
use super::*;

/// A folder that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        // thousands of times it is synced, which need not take any time here
        let memory = Some(PathBuf::from("/dev/shm")).filter(|folder| folder.is_dir());
        let folder = memory.unwrap_or_else(env::temp_dir).join(format!("beamless-store-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn open(&self) -> Store {
        self.open_with(1 << 20, 1 << 16)
    }

    /// Opens the log with small segments, which is never synced by time.
    fn open_with(&self, limit: u64, size: u64) -> Store {
        let mut store = Store::open(&self.0, None, limit, Duration::from_secs(3600)).unwrap();
        store.size = size;
        store.full_at = store.full_at.min(size);
        store
    }

    /// What the files have in them.
    fn image(&self) -> Image {
        let files = fs::read_dir(&self.0).unwrap().flatten().map(|entry| entry.path());
        let named = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
        let read = |file: PathBuf| match fs::read(&file) {
            // the writer's thread deletes meanwhile
            Err(e) if e.kind() == ErrorKind::NotFound => None,
            bytes => Some((named(&file), bytes.unwrap())),
        };
        files.filter(|file| file.is_file()).filter_map(read).collect()
    }

    fn set_image(&self, image: &Image) {
        fs::remove_dir_all(&self.0).unwrap();
        fs::create_dir(&self.0).unwrap();
        image.iter().for_each(|(name, bytes)| fs::write(self.0.join(name), bytes).unwrap());
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Numbers that are the same in each test run.
struct Seed(u64);

impl Seed {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most
    }
}

/// The payload at a place of a queue: what it is can be told from it.
fn payload(queue: u64, place: u64) -> Vec<u8> {
    let mut bytes = format!("{queue}:{place}:").into_bytes();
    bytes.resize(bytes.len() + (place as usize * 7 + queue as usize) % 90, b'.');
    bytes
}

fn nothing() -> impl Iterator<Item = (u64, Vec<u8>)> {
    std::iter::empty()
}

fn wait(store: &mut Store, mut is_done: impl FnMut(&mut Store) -> bool) {
    for _ in 0..1_200_000 {
        store.turn();
        if is_done(store) {
            return;
        }
        thread::sleep(Duration::from_micros(50));
    }
    panic!("waited in vain");
}

fn close(store: Store) {
    assert_eq!(store.close(&mut nothing(), Duration::from_secs(60)), 0);
}

/// The next records of a queue.
fn read(store: &mut Store, queue: u64, after: u64, most: usize) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    wait(store, |store| match store.read(queue, after, most) {
        Read::Later => false,
        Read::Nothing => true,
        Read::Records(records) => {
            found = records;
            true
        }
    });
    found
}

/// All that waits in a queue.
fn read_all(store: &mut Store, queue: u64, most: usize) -> Vec<(u64, Vec<u8>)> {
    let mut all: Vec<(u64, Vec<u8>)> = Vec::new();
    loop {
        let more = read(store, queue, all.last().map_or(0, |(place, _)| *place), most);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

fn places(records: &[(u64, Vec<u8>)]) -> Vec<u64> {
    records.iter().map(|(place, _)| *place).collect()
}

#[test]
fn records_are_there_after_a_restart_until_they_are_acknowledged() {
    let scratch = Scratch::new("restart");
    let mut store = scratch.open();
    assert_eq!((store.next_wake(), store.read(7, 0, 100), scratch.image().len()), (None, Read::Nothing, 0));
    for (place, payload) in (1..).zip([&b"one"[..], b"", b"three"]) {
        assert_eq!(store.append(7, payload), Some(place));
    }
    // what is not synced is read from memory
    assert_eq!(store.read(7, 1, 0), Read::Records(vec![(2, vec![])]));
    assert_eq!(store.read(7, 0, 3), Read::Records(vec![(1, b"one".to_vec())]));
    assert_eq!(store.read(7, 0, 4), Read::Records(vec![(1, b"one".to_vec()), (2, vec![]), (3, b"three".to_vec())]));
    assert_eq!(store.close(&mut [(8, b"last".to_vec())].into_iter(), Duration::from_secs(60)), 0);
    let mut store = scratch.open();
    assert_eq!((store.queues(), store.counts(7), store.counts(8)), (vec![7, 8], (3, 3 * 25 + 8), (1, 29)));
    assert_eq!(store.read(7, 0, 100), Read::Later);
    assert_eq!(read(&mut store, 7, 0, 100), [(1, b"one".to_vec()), (2, vec![]), (3, b"three".to_vec())]);
    assert_eq!(read(&mut store, 7, 0, 0), [(1, b"one".to_vec())]);
    assert_eq!(read(&mut store, 7, 1, 0), [(2, vec![])]);
    store.acknowledge(7, 2);
    assert_eq!((store.counts(7).0, read(&mut store, 7, 0, 100)), (1, vec![(3, b"three".to_vec())]));
    // another one goes on where that one was
    assert_eq!(store.append(7, b"four"), Some(4));
    close(store);
    let mut store = scratch.open();
    assert_eq!(places(&read_all(&mut store, 7, 1)), [3, 4]);
    store.acknowledge(7, u64::MAX);
    assert_eq!(store.forget(8), 1);
    // all arrived: there is nothing left
    wait(&mut store, |_| scratch.image().is_empty());
    assert_eq!((store.used(), store.queues()), (0, vec![]));
    assert_eq!(store.append(7, b"five"), Some(5));
}

#[test]
fn what_is_acknowledged_before_it_is_written_is_as_if_it_had_never_been() {
    let scratch = Scratch::new("early");
    let mut store = scratch.open();
    for place in 1..=3 {
        store.append(1, b"x");
        store.acknowledge(1, place);
    }
    close(store);
    assert!(scratch.image().is_empty());
}

/// Segments are deleted in any order, and what is acknowledged is known all the same.
#[test]
fn a_queue_that_waits_does_not_hold_the_others() {
    let scratch = Scratch::new("holds");
    let mut store = scratch.open_with(1 << 20, 500);
    store.append(1, b"waits");
    for place in 1..=100 {
        assert_eq!(store.append(2, &payload(2, place)), Some(place));
    }
    let used = store.used();
    wait(&mut store, |store| places(&read_all(store, 2, 300)) == (1..=100).collect::<Vec<_>>());
    store.acknowledge(2, 90);
    assert!(store.used() * 4 < used, "{} {used}", store.used());
    close(store);
    let mut store = scratch.open_with(1 << 20, 500);
    assert_eq!((places(&read_all(&mut store, 2, 300)), places(&read_all(&mut store, 1, 300))), ((91..=100).collect(), vec![1]));
    store.acknowledge(2, 100);
    close(store);
    let store = scratch.open_with(1 << 20, 500);
    // the one that waits, and one that says what is acknowledged
    assert_eq!((store.counts(1).0, store.counts(2).0, scratch.image().len()), (1, 0, 2));
}

#[test]
fn the_oldest_make_room() {
    let scratch = Scratch::new("budget");
    let mut store = scratch.open_with(10 * BLOCK, BLOCK);
    let (mut dropped, mut most) = ([0; 2], 0);
    for place in 1..=2000 {
        for queue in 1..=2 {
            wait(&mut store, |store| store.append(queue, &payload(queue, place)).is_some());
            dropped[queue as usize - 1] += store.take_dropped(queue);
        }
        most = most.max(store.used());
    }
    assert!((9 * BLOCK..=10 * BLOCK).contains(&most), "{most}");
    for queue in 1..=2 {
        let dropped = dropped[queue as usize - 1];
        assert!(dropped > 1000, "{dropped}");
        assert_eq!(store.counts(queue).0, 2000 - dropped);
        assert_eq!(places(&read_all(&mut store, queue, 1000)), (dropped + 1..=2000).collect::<Vec<_>>());
        // whether or not there is a record at this place
        let behind = [0, dropped, dropped + 3, 1999, 2000].map(|place| store.behind(queue, place));
        assert_eq!(behind, [2000 - dropped, 2000 - dropped, 1997 - dropped, 1, 0]);
    }
    let on_disk = |scratch: &Scratch| scratch.image().values().map(Vec::len).sum::<usize>() as u64;
    close(store);
    assert!(on_disk(&scratch) <= 10 * BLOCK);
    let mut store = scratch.open_with(10 * BLOCK, BLOCK);
    // what made room is known to be gone
    assert_eq!([1, 2].map(|queue| store.gone(queue)), dropped);
    // a large one has all to itself, even if that is more than there is
    let large = vec![1; 11 * BLOCK as usize];
    assert_eq!(store.append(1, &large), Some(2001));
    assert_eq!((store.counts(1).0, store.counts(2).0), (1, 0));
    assert_eq!(read(&mut store, 1, 0, 1), [(2001, large)]);
    assert!(store.append(1, b"small").is_some());
    assert_eq!((store.take_dropped(1), store.counts(1).0, store.used()), (2001 - dropped[0], 1, BLOCK));
}

/// One queue has ever more, whose oldest make room, and what the others have lies between those.
#[test]
fn who_has_most_makes_room() {
    let scratch = Scratch::new("most");
    let mut store = scratch.open_with(16 * BLOCK, BLOCK);
    let mut most = 0;
    for place in 1..=4000 {
        wait(&mut store, |store| store.append(1, &payload(1, place)).is_some());
        if place % 40 == 0 {
            (2..=3).for_each(|queue| wait(&mut store, |store| store.append(queue, &payload(queue, place / 40)).is_some()));
        }
        most = most.max(store.used());
    }
    assert!((15 * BLOCK..=16 * BLOCK).contains(&most), "{most}");
    let mut dropped = 0;
    for is_anew in [false, true] {
        if is_anew {
            // with what waits in memory
            let rest = (4001..=5000).map(|place| (1, payload(1, place)));
            dropped += store.close(&mut { rest }, Duration::from_secs(60));
            store = scratch.open_with(16 * BLOCK, BLOCK);
        }
        let left = store.counts(1).0;
        assert!((400..1000).contains(&left), "{left}");
        dropped += store.take_dropped(1);
        let last = if is_anew { 5000 } else { 4000 };
        assert_eq!(
            (left, places(&read_all(&mut store, 1, 1000))),
            (last - dropped, (last + 1 - left..=last).collect::<Vec<_>>())
        );
        for queue in 2..=3 {
            let found = read_all(&mut store, queue, 1000);
            assert_eq!((places(&found), store.take_dropped(queue)), ((1..=100).collect(), 0));
            assert!(found.iter().all(|(place, bytes)| *bytes == payload(queue, *place)));
        }
    }
    assert!(!scratch.image().contains_key(writer::MOVED));
}

/// What a failure left in one segment, and was written again in the next, is moved once.
#[test]
fn what_stands_in_two_segments_is_moved_once() {
    let scratch = Scratch::new("twice");
    let segment = |records: &[(u64, u64, usize)]| {
        let mut bytes = record::header(7).to_vec();
        records
            .iter()
            .for_each(|(queue, place, size)| record::write(&mut bytes, 7, Kind::Data, (*queue, *place), &vec![1; *size]));
        bytes
    };
    let old: Vec<_> = (1..=7).map(|place| (1, place, 10)).collect();
    let new: Vec<_> = (1..=9).map(|place| (2, place, 500)).chain((6..=9).map(|place| (1, place, 10))).collect();
    let files = [(1, segment(&old)), (2, segment(&new)), (3, segment(&[(3, 1, 10)]))];
    scratch.set_image(&files.map(|(number, bytes)| (format!("{number:016x}.log"), bytes)).into());
    let mut store = scratch.open_with(1 << 20, 1 << 16);
    assert_eq!(store.counts(1).0, 9);
    store.acknowledge(2, 9);
    store.limit = 0;
    assert!(store.makes_room(1 << 16));
    wait(&mut store, |store| store.moving.is_none());
    assert_eq!((store.segments.len(), store.counts(1).0, store.take_dropped(1)), (2, 9, 0));
    assert_eq!(places(&read_all(&mut store, 1, 1)), (1..=9).collect::<Vec<_>>());
}

/// Thousands of queues have as much each: what makes room for a segment is found in one pass.
#[test]
fn those_who_have_as_much_make_room_together() {
    let scratch = Scratch::new("alike");
    let mut store = scratch.open_with(16 << 16, 1 << 16);
    for _ in 0..10 {
        for queue in 1..=2000 {
            wait(&mut store, |store| store.append(queue, &[7; 50]).is_some());
        }
    }
    let [counts, dropped] = [|store: &mut Store, queue| store.counts(queue).0, Store::take_dropped]
        .map(|of| [1, 2000].map(|queue| of(&mut store, queue)));
    assert!(counts.iter().all(|count| (5..=8).contains(count)), "{counts:?}");
    assert_eq!([counts[0] + dropped[0], counts[1] + dropped[1]], [10, 10]);
}

/// Where what is left cannot be moved, the oldest of all makes room.
#[test]
fn what_cannot_be_moved_makes_room() {
    let scratch = Scratch::new("stuck");
    fs::create_dir(scratch.0.join(writer::MOVED)).unwrap();
    let mut store = scratch.open_with(16 * BLOCK, BLOCK);
    for place in 1..=2000 {
        wait(&mut store, |store| store.append(1, &payload(1, place)).is_some());
        if place % 40 == 0 {
            wait(&mut store, |store| store.append(2, &payload(2, place / 40)).is_some());
        }
    }
    assert!(store.trouble().is_none() && store.take_dropped(1) > 1000 && store.take_dropped(2) > 10);
    for (queue, last) in [(1, 2000), (2, 50)] {
        let first = last + 1 - store.counts(queue).0;
        assert_eq!(places(&read_all(&mut store, queue, 1000)), (first..=last).collect::<Vec<_>>());
    }
}

/// Ever new names: nothing stays of those that are used no more.
#[test]
fn names_are_forgotten_with_what_was_written_of_them() {
    let scratch = Scratch::new("names");
    let mut store = scratch.open_with(1 << 20, 500);
    store.append(1, b"waits");
    for queue in 2..=60 {
        let place = store.append(queue, &[0; 100]).unwrap();
        store.acknowledge(queue, place);
        store.forget_unused(|id| id == queue);
        // that of the first, and what is in the last segment
        let names: Vec<u64> = store.queues.iter().map(|(id, _)| *id).collect();
        assert!(names.len() < 9 && names.contains(&1) && names.contains(&queue), "{names:?}");
    }
    close(store);
    let mut store = scratch.open_with(1 << 20, 500);
    assert_eq!(store.queues(), [1]);
    let names = |store: &Store| store.queues.iter().map(|(id, _)| *id).collect::<BTreeSet<u64>>();
    let before = names(&store);
    store.forget_unused(|_| false);
    let after = names(&store);
    assert!(after.len() < 9 && before.len() > after.len(), "{before:?} {after:?}");
    assert_eq!(read_all(&mut store, 1, 100), [(1, b"waits".to_vec())]);
    // what is acknowledged of one that is used again may still be there
    let again = before.into_iter().filter(|id| *id != 1).chain([30]);
    let again: Vec<(u64, u64)> = again.map(|id| (id, store.append(id, b"again").unwrap())).collect();
    close(store);
    let mut store = scratch.open_with(1 << 20, 500);
    again.iter().for_each(|(id, place)| assert_eq!(read_all(&mut store, *id, 100), [(*place, b"again".to_vec())], "{id}"));
}

/// What nobody may ever want makes room, though it is the newest.
#[test]
fn what_is_to_make_room_first_does() {
    let scratch = Scratch::new("first");
    let mut store = scratch.open_with(10 * BLOCK, BLOCK);
    let append = |store: &mut Store, queue: u64, count: u64| {
        let large = vec![queue as u8; 1000];
        (0..count).for_each(|_| wait(store, |store| store.append(queue, &large).is_some()));
    };
    append(&mut store, 1, 8);
    append(&mut store, 2, 8);
    append(&mut store, 3, 4);
    [2, 3].into_iter().for_each(|queue| store.set_first(queue, true));
    // it is wanted again
    store.set_first(3, false);
    append(&mut store, 1, 12);
    let counts = |store: &Store| [1, 2, 3].map(|queue| store.counts(queue).0);
    assert_eq!(counts(&store), [20, 0, 4]);
    assert_eq!([1, 2, 3].map(|queue| store.take_dropped(queue)), [0, 8, 0]);
    append(&mut store, 1, 40);
    assert!(store.take_dropped(1) > 0 && store.counts(2).0 == 0);
}

#[test]
fn a_disk_that_is_behind_takes_no_more() {
    let scratch = Scratch::new("behind");
    let mut store = scratch.open();
    store.append(1, &[1; ROOM]);
    assert_eq!(store.append(1, &[2]), None);
    assert!(store.next_wake().is_some());
    wait(&mut store, |store| store.append(1, &[2]) == Some(2));
    assert_eq!(places(&read_all(&mut store, 1, 1)), [1, 2]);
}

#[test]
fn one_agent_has_it() {
    let scratch = Scratch::new("lock");
    let store = scratch.open();
    assert_eq!(Store::open(&scratch.0, None, 1 << 20, TRY_AGAIN).err().map(|e| e.kind()), Some(ErrorKind::WouldBlock));
    drop(store);
    scratch.open();
}

/// It may be open to nobody while its agent is started again.
#[test]
fn a_folder_has_one_owner() {
    let scratch = Scratch::new("owner");
    let open = |owner: &str| Store::open(&scratch.0, Some(Path::new(owner)), 1 << 20, TRY_AGAIN);
    let mut store = scratch.open();
    store.append(1, b"x");
    close(store);
    // one from before there were owners is taken over, and so is one with half a name
    for found in [None, Some(&b""[..]), Some(b"/etc/o")] {
        found.into_iter().for_each(|found| fs::write(scratch.0.join("owner"), found).unwrap());
        close(open("/etc/a.toml").unwrap());
        let error = open("/etc/a.tom").err().unwrap().to_string();
        assert!(
            error.starts_with(
                "what is there is of the agent with /etc/a.toml: give this one a --state-dir of its own, or remove "
            )
        );
        assert!(error.contains("/owner if"), "{error}");
        let store = open("/etc/a.toml").unwrap();
        assert_eq!(store.counts(1).0, 1);
        close(store);
    }
    fs::remove_file(scratch.0.join("owner")).unwrap();
    close(open("/etc/b.toml").unwrap());
    assert!(open("/etc/a.toml").is_err());
    assert_eq!(fs::read(scratch.0.join("owner")).unwrap(), b"/etc/b.toml\n");
}

#[test]
fn a_folder_that_cannot_be_written_is_tried_again() {
    let scratch = Scratch::new("trouble");
    fs::write(scratch.0.join("file"), "").unwrap();
    assert!(Store::open(&scratch.0.join("file"), None, 1 << 20, TRY_AGAIN).is_err());
    fs::remove_file(scratch.0.join("file")).unwrap();

    let mut store = Store::open(&scratch.0, None, 1 << 20, Duration::from_millis(10)).unwrap();
    store.size = 500;
    (1..=20).for_each(|place| assert_eq!(store.append(1, &payload(1, place)), Some(place)));
    // the next segments have no place
    let [first, second] = [1, 2].map(|more| writer::path(&scratch.0, store.highest + more));
    fs::create_dir(&first).unwrap();
    fs::create_dir(&second).unwrap();
    let mut taken = 20;
    wait(&mut store, |store| {
        // one at a time: a slow thread would be told of both of them before it fails
        if store.unsynced == 0 {
            taken = store.append(1, &payload(1, taken + 1)).unwrap_or(taken);
        }
        store.trouble().is_some()
    });
    assert!(store.trouble().unwrap().ends_with(": Is a directory (os error 21)"));
    assert!(store.unsynced > 0);
    assert_eq!((store.append(1, b"no"), store.counts(1).0), (None, taken));
    let again = store.next_wake().unwrap();
    assert!(again > Instant::now() + TRY_AGAIN / 2);
    // still no better
    let soon = |store: &mut Store| store.trouble.as_mut().unwrap().again = Some(Instant::now());
    soon(&mut store);
    wait(&mut store, |store| store.trouble.as_ref().is_some_and(|trouble| trouble.again > Some(again)));
    assert!(store.trouble().is_some());
    soon(&mut store);
    wait(&mut store, |store| store.trouble().is_none() && store.unsynced == 0);
    assert_eq!(store.append(1, &payload(1, taken + 1)), Some(taken + 1));
    let all: Vec<u64> = (1..=taken + 1).collect();
    assert_eq!(places(&read_all(&mut store, 1, 100)), all);
    close(store);
    fs::remove_dir(first).unwrap();
    fs::remove_dir(second).unwrap();
    let mut store = scratch.open_with(1 << 20, 500);
    assert_eq!(read_all(&mut store, 1, 100), all.iter().map(|place| (*place, payload(1, *place))).collect::<Vec<_>>());
}

/// Somebody removes the folder, or has another one in its place: what is in that is not touched.
#[test]
fn a_folder_that_is_gone_is_noticed() {
    let scratch = Scratch::new("gone");
    let other = || -> BTreeMap<_, _> { [1, 2].map(|number| (format!("{number:016x}.log"), b"another's".to_vec())).into() };
    for is_replaced in [false, true] {
        let mut store = Store::open(&scratch.0, None, 1 << 20, Duration::from_millis(10)).unwrap();
        store.append(1, b"one");
        wait(&mut store, |store| store.unsynced == 0);
        assert!(!store.is_gone());
        fs::remove_dir_all(&scratch.0).unwrap();
        if is_replaced {
            fs::create_dir(&scratch.0).unwrap();
            other().iter().for_each(|(name, bytes)| fs::write(scratch.0.join(name), bytes).unwrap());
        }
        store.append(1, b"two");
        store.append(2, b"three");
        wait(&mut store, |store| store.is_gone());
        // what was not written yet is there
        let rest = |store: &Store| {
            [1, 2].map(|queue| store.in_memory_behind(queue, 0).map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>())
        };
        assert_eq!(rest(&store), [[b"two".to_vec()], [b"three".to_vec()]]);
        store.forget(1);
        store.forget(2);
        close(store);
        if is_replaced {
            assert_eq!(scratch.image(), other());
            scratch.set_image(&BTreeMap::new());
        } else {
            assert!(!scratch.0.exists());
        }
    }
    // at its end, too
    for is_open in [false, true] {
        let mut store = Store::open(&scratch.0, None, 1 << 20, Duration::from_secs(3600)).unwrap();
        store.append(1, b"one");
        if is_open {
            wait(&mut store, |_| !scratch.image().is_empty());
        }
        // the thread may be making a file
        while fs::remove_dir_all(&scratch.0).is_err() {}
        store.append(1, b"two");
        assert_eq!(store.close(&mut [(2, vec![])].into_iter(), Duration::from_secs(60)), 3);
    }
}

#[test]
fn what_cannot_be_read_is_counted_and_what_is_behind_it_comes() {
    let scratch = Scratch::new("damage");
    let mut store = scratch.open_with(1 << 20, 500);
    (1..=40).for_each(|place| assert_eq!(store.append(1, &payload(1, place)), Some(place)));
    close(store);
    let mut store = scratch.open_with(1 << 20, 500);
    // a byte of the second segment, while it is open
    let (name, mut damaged) = scratch.image().into_iter().nth(1).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    fs::write(scratch.0.join(name), damaged).unwrap();
    let found = places(&read_all(&mut store, 1, 100));
    let dropped = store.take_dropped(1);
    assert!(dropped > 0 && found.len() as u64 + dropped == 40, "{dropped} {found:?}");
    assert!(found.is_sorted() && found.first() == Some(&1) && found.last() == Some(&40), "{found:?}");
    assert_eq!(store.counts(1).0, 40 - dropped);
    close(store);
    // at the next start what is whole behind it is there
    let mut store = scratch.open_with(1 << 20, 500);
    let again = places(&read_all(&mut store, 1, 100));
    assert!(found.iter().all(|place| again.contains(place)) && again.len() == 39, "{again:?}");
}

/// Somebody may want to look at a file of which nothing is understood: a disk may have lost its beginning alone.
#[test]
fn what_is_not_understood_is_left_as_it_is() {
    let scratch = Scratch::new("left");
    let mut store = scratch.open();
    (1..=5).for_each(|place| assert_eq!(store.append(1, &payload(1, place)), Some(place)));
    close(store);
    let (name, whole) = scratch.image().into_iter().next().unwrap();
    let filled = |from: usize, to: usize, byte: u8| {
        let mut bytes = whole.clone();
        bytes[from..to].fill(byte);
        bytes
    };
    let end = whole.len();
    let lefts = [filled(0, 16, 0), filled(0, end - 1, 0), filled(16, end, 0), filled(16, end, b'x'), filled(0, end, 0)];
    for left in lefts {
        scratch.set_image(&[(name.clone(), left.clone())].into());
        for place in 1..=2 {
            let mut store = scratch.open();
            assert_eq!(store.counts(1).0, place - 1);
            assert_eq!(store.append(1, b"x"), Some(place));
            close(store);
        }
        // a file system leaves zeros of what it did not write
        let expected = Some(left).filter(|left| left.iter().any(|byte| *byte != 0));
        assert_eq!(scratch.image().remove(&name), expected);
    }
}

/// What arrived is not lost with the acknowledgement, and what is lost is so once.
#[test]
fn a_damaged_acknowledgement_is_no_loss() {
    let scratch = Scratch::new("arrived");
    let mut store = scratch.open();
    for place in 1..=122 {
        for queue in 1..=2 {
            wait(&mut store, |store| store.append(queue, &payload(queue, place)) == Some(place));
            store.acknowledge(queue, place);
        }
    }
    (123..=130).for_each(|place| (1..=2).for_each(|queue| assert_eq!(store.append(queue, b"reading"), Some(place))));
    close(store);
    let (name, whole) = scratch.image().into_iter().next().unwrap();
    // the acknowledgements, the first reading, and one in the middle
    let readings = 16 + 2 * 25;
    for (wrong, lost) in [
        (vec![18], [0, 0]),
        (vec![18, 48], [0, 0]),
        (vec![readings], [1, 0]),
        (vec![readings + 32], [0, 1]),
        (vec![18, readings + 5 * 32], [0, 1]),
        (vec![18, readings, readings + 2 * 32], [2, 0]),
    ] {
        let mut bytes = whole.clone();
        wrong.iter().for_each(|at| bytes[*at] ^= 1);
        scratch.set_image(&[(name.clone(), bytes)].into());
        for dropped in [lost, [0, 0]] {
            let mut store = scratch.open();
            assert_eq!([1, 2].map(|queue| store.take_dropped(queue)), dropped, "{wrong:?}");
            close(store);
        }
    }
}

/// Any byte is wrong: it takes one record, and that is counted where another is behind it.
#[test]
fn one_wrong_byte_takes_one_record() {
    let scratch = Scratch::new("wrong");
    let mut store = scratch.open_with(1 << 20, 500);
    (1..=15).for_each(|place| (1..=2).for_each(|queue| assert_eq!(store.append(queue, &payload(queue, place)), Some(place))));
    close(store);
    let whole = scratch.image();
    assert!(whole.len() > 2);
    let (mut counted, mut wrong) = (0, 0);
    for (name, bytes) in &whole {
        for at in (0..bytes.len()).filter(|at| *at < 80 || at % 7 == 0) {
            let mut image = whole.clone();
            image.get_mut(name).unwrap()[at] ^= 0x11;
            scratch.set_image(&image);
            let mut store = scratch.open_with(1 << 20, 500);
            let is_version = (6..8).contains(&at);
            let mut lost = 0;
            for queue in 1..=2 {
                let found = read_all(&mut store, queue, 100);
                assert!(found.iter().all(|(place, bytes)| *bytes == payload(queue, *place)) && found.is_sorted(), "{name} {at}");
                let missing = 15 - found.len() as u64;
                assert_eq!(store.counts(queue).0, found.len() as u64, "{name} {at}");
                let dropped = store.take_dropped(queue);
                let is_last = found.last().is_none_or(|(place, _)| *place < 15);
                assert!(is_last || is_version || dropped == missing, "{name} {at}: {dropped} of {missing}");
                (lost, counted) = (lost + missing, counted + dropped);
            }
            // a file of another version is left as it is
            assert!(is_version || lost == u64::from(at >= 16), "{name} {at}: {lost}");
            wrong += 1;
            close(store);
            let mut store = scratch.open_with(1 << 20, 500);
            assert_eq!((store.take_dropped(1), store.take_dropped(2)), (0, 0), "{name} {at}: it is counted once");
            let names = scratch.image().into_keys().filter(|name| name.ends_with(".log"));
            assert_eq!(names.count(), whole.len(), "{name} {at}");
        }
    }
    assert!(counted * 2 > wrong, "{counted} {wrong}");
}

/// A file that cannot be opened, as if the agent were short of descriptors, and a disk that cannot read.
/// What this thread has read of files so far, in bytes.
fn bytes_read() -> usize {
    let io = fs::read_to_string("/proc/thread-self/io").unwrap();
    io.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
}

/// A segment with damage everywhere is not read anew for each.
#[test]
fn much_damage_does_not_take_long() {
    let scratch = Scratch::new("much");
    let mut store = scratch.open_with(1 << 22, 1 << 20);
    for place in 1..=4000 {
        wait(&mut store, |store| store.append(1, &payload(1, place)).is_some());
    }
    close(store);
    let (name, mut bytes) = scratch.image().into_iter().next().unwrap();
    let mut at = 16;
    for place in 1..=4000 {
        // in the payload, or in the head
        bytes[at + if place % 4 == 0 { 26 } else { 9 }] ^= u8::from(place % 2 == 0);
        at += 25 + payload(1, place).len();
    }
    assert_eq!(at, bytes.len());
    fs::write(scratch.0.join(name), &bytes).unwrap();
    let before = bytes_read();
    let mut store = scratch.open_with(1 << 22, 1 << 20);
    let read = bytes_read() - before;
    assert!(read < 4 * bytes.len(), "{read} of {}", bytes.len());
    // the last is damaged, and nobody knows that it was there
    assert_eq!((store.counts(1).0, store.take_dropped(1)), (2000, 1999));
    let odd: Vec<u64> = (0..2000).map(|place| 2 * place + 1).collect();
    assert_eq!(places(&read_all(&mut store, 1, 10_000)), odd);
}

#[test]
fn what_cannot_be_read_for_a_while_is_there_later() {
    let scratch = Scratch::new("while");
    let mut store = scratch.open_with(1 << 20, 500);
    (1..=40).for_each(|place| assert_eq!(store.append(1, &payload(1, place)), Some(place)));
    close(store);
    let mut store = scratch.open_with(1 << 20, 500);
    let segment = store.segments[1].number;
    let (path, aside) = (writer::path(&scratch.0, segment), scratch.0.join("aside"));
    fs::rename(&path, &aside).unwrap();
    std::os::unix::fs::symlink(&path, &path).unwrap();
    let last = store.segments[0].parts[0].last;
    assert_eq!(places(&read(&mut store, 1, 0, 10_000)), (1..=last).collect::<Vec<_>>());
    // never mind how often it fails: this is not the disk
    for _ in 0..2 * READS {
        assert_eq!(store.read(1, last, 10_000), Read::Later);
        wait(&mut store, |store| matches!(store.queues.get(1).unwrap().reading, Reading::Nothing));
        // it is not tried at once
        assert_eq!((store.read(1, last, 10_000), store.counts(1).0), (Read::Later, 40));
        assert!(store.next_wake().unwrap() > Instant::now() + TRY_AGAIN / 2);
        store.queues.get_mut(1).unwrap().failed.as_mut().unwrap().1 = Instant::now();
    }
    // nobody waits for it
    store.turn();
    assert_eq!(store.next_wake(), None);
    fs::remove_file(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!((places(&read_all(&mut store, 1, 300)), store.take_dropped(1)), ((1..=40).collect(), 0));
    assert!(store.queues.get(1).unwrap().failed.is_none());

    // a disk is given up that fails each time, but not one that cannot be written, too, and may be away
    let [first, last] = [store.segments[1].parts[0].first, store.segments[1].parts[0].last];
    let fails = |store: &mut Store, times| {
        for _ in 0..times {
            let wanted = Wanted { queue: 1, after: first - 1, places: [first, last], most: 100, segment, at: 16 };
            store.queues.get_mut(1).unwrap().reading = Reading::Behind(first - 1);
            let failure = Some(io::Error::from_raw_os_error(Errno::IO.raw_os_error()));
            store.has_read(Found { wanted, records: Vec::new(), next: 16, failure });
        }
    };
    store.trouble = Some(Trouble { words: String::new(), again: None, tried: None });
    fails(&mut store, 3 * READS);
    store.trouble = None;
    fails(&mut store, READS);
    assert_eq!((store.take_dropped(1), store.counts(1).0), (0, 40));
    fails(&mut store, 1);
    assert_eq!((store.take_dropped(1), store.counts(1).0), (last - first + 1, 40 - (last - first + 1)));
    let rest: Vec<u64> = (1..first).chain(last + 1..=40).collect();
    assert_eq!(places(&read_all(&mut store, 1, 300)), rest);
}

#[test]
fn what_cannot_be_read_at_the_start_is_tried_again() {
    let (mut pauses, mut fails) = (2, [true, false, true, true].into_iter());
    let mut read = || if fails.next().unwrap() { Err(io::Error::from(ErrorKind::Other)) } else { Ok(1) };
    assert_eq!(patiently(&mut pauses, &mut read).unwrap(), 1);
    assert!(patiently(&mut pauses, &mut read).is_err());
    assert_eq!((pauses, fails.next()), (0, None));

    // a file that cannot be read at all is still there with the next start
    let scratch = Scratch::new("start");
    let mut store = scratch.open_with(1 << 20, 500);
    (1..=40).for_each(|place| assert_eq!(store.append(1, &payload(1, place)), Some(place)));
    let path = writer::path(&scratch.0, store.segments[1].number);
    close(store);
    let aside = scratch.0.join("aside");
    fs::rename(&path, &aside).unwrap();
    fs::create_dir(&path).unwrap();
    fs::write(path.join("large enough for a header"), "").unwrap();
    let mut store = scratch.open_with(1 << 20, 500);
    let left = store.counts(1).0;
    assert!(left < 40 && store.take_dropped(1) == 40 - left);
    close(store);
    fs::remove_dir_all(&path).unwrap();
    fs::rename(&aside, &path).unwrap();
    assert_eq!(scratch.open_with(1 << 20, 500).counts(1).0, 40);
}

/// The thread waits for a disk that neither answers nor fails, whatever it is to do.
#[test]
fn a_disk_that_hangs_is_said() {
    let scratch = Scratch::new("hangs");
    let mut store = scratch.open();
    store.append(1, b"x");
    let minutes = |count| Instant::now() + TRY_AGAIN * count;
    // nobody waits for what is to be synced by time
    store.look_after(minutes(0), false);
    store.look_after(minutes(9), false);
    assert_eq!((store.trouble(), store.idle_since), (None, None));
    for what in 0..3 {
        match what {
            0 => store.queues.get_mut(1).unwrap().reading = Reading::Behind(0),
            1 => store.unsynced = EARLY,
            _ => store.trouble = Some(Trouble { words: "full".to_owned(), again: None, tried: Some(9) }),
        }
        let start = minutes(0);
        store.look_after(start, false);
        store.look_after(start + TRY_AGAIN - SOON, false);
        assert!(!store.hangs);
        store.look_after(start + TRY_AGAIN, false);
        assert_eq!((store.hangs, store.trouble()), (true, Some(if what == 2 { "full" } else { HANGS })));
        // it is looked after less often
        store.is_waited_for = true;
        store.idle_since = Instant::now().checked_sub(TRY_AGAIN);
        assert!(store.next_wake().unwrap() > Instant::now() + Duration::from_millis(500));
        store.look_after(start + TRY_AGAIN, true);
        assert_eq!((store.hangs, store.idle_since), (false, None));
        store.queues.get_mut(1).unwrap().reading = Reading::Nothing;
        store.unsynced = 1;
    }
    // it failed
    store.look_after(minutes(0), false);
    store.trouble.as_mut().unwrap().tried = None;
    store.look_after(minutes(9), false);
    assert_eq!((store.hangs, store.idle_since), (false, None));
    store.trouble = None;
    close(store);
}

/// The box has no thread left, whatever is to be done first, and then it has one.
#[test]
fn without_a_thread_all_waits_for_one() {
    const TOO_LARGE: usize = usize::MAX / 4;
    let scratch = Scratch::new("thread");
    let mut store = scratch.open_with(20 * BLOCK, 500);
    (1..=20).for_each(|place| assert_eq!(store.append(1, &payload(1, place)), Some(place)));
    close(store);
    let has_one = |store: &mut Store| {
        (store.stack, store.sync) = (writer::STACK, Duration::from_millis(2));
        wait(store, |store| {
            try_soon(store);
            store.trouble.is_none() && store.unsynced == 0
        });
    };
    // to read
    let mut store = scratch.open_with(20 * BLOCK, 500);
    store.stack = TOO_LARGE;
    for _ in 0..3 {
        assert_eq!(store.read(1, 0, 10_000), Read::Later);
        assert!(store.next_wake().unwrap() > Instant::now() + TRY_AGAIN / 2);
        store.turn();
    }
    assert!(store.trouble().unwrap().ends_with("(os error 11)"), "{:?}", store.trouble());
    has_one(&mut store);
    assert_eq!(places(&read_all(&mut store, 1, 10_000)), (1..=20).collect::<Vec<_>>());
    close(store);
    // to write, with nothing dropped for what cannot be written
    let mut store = scratch.open_with(20 * BLOCK, 500);
    store.stack = TOO_LARGE;
    assert_eq!((store.append(1, &payload(1, 21)), store.append(1, b"no")), (Some(21), None));
    for _ in 0..30 {
        try_soon(&mut store);
        store.turn();
        assert_eq!((store.counts(1).0, store.take_dropped(1)), (21, 0));
    }
    has_one(&mut store);
    assert_eq!(store.append(1, &payload(1, 22)), Some(22));
    assert_eq!(places(&read_all(&mut store, 1, 300)), (1..=22).collect::<Vec<_>>());
    close(store);
    // to delete
    let mut store = scratch.open_with(20 * BLOCK, 500);
    store.stack = TOO_LARGE;
    store.acknowledge(1, 22);
    store.turn();
    assert!(store.trouble().is_some());
    has_one(&mut store);
    wait(&mut store, |store| {
        store.segments.iter().map(|segment| segment.number).eq(scratch.image().keys().filter_map(|name| writer::number(name)))
    });
    // at the end
    close(store);
    let mut store = scratch.open_with(20 * BLOCK, 500);
    store.stack = TOO_LARGE;
    assert_eq!(store.close(&mut [(1, b"x".to_vec()), (2, b"y".to_vec())].into_iter(), Duration::from_secs(60)), 2);
}

#[test]
fn a_file_of_another_version_is_left_as_it_is() {
    let scratch = Scratch::new("version");
    let mut other = record::header(1).to_vec();
    other[6] = 2;
    // and one whose name is damaged
    let wild = record::header(1).to_vec();
    let image: BTreeMap<_, _> = [
        ("0000000000000005.log", other),
        ("0000000000000004.log", vec![0; 9]),
        ("note", b"mine".to_vec()),
        ("ffffffffffffffff.log", wild),
    ]
    .into_iter()
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .collect();
    scratch.set_image(&image);
    let mut store = scratch.open();
    store.append(1, b"x");
    close(store);
    let names: Vec<String> = scratch.image().into_keys().collect();
    assert_eq!(names, ["0000000000000005.log", "0000000000000006.log", "ffffffffffffffff.log", "note"]);
}

/// Appends, acknowledges and reads by chance. What is open in the model is what waits: by queue, the places and the payloads.
struct Model {
    seed: Seed,
    waiting: BTreeMap<u64, Vec<(u64, Vec<u8>)>>,
    dropped: BTreeMap<u64, u64>,
    appended: u64,
    /// The files into which something was moved.
    moved: BTreeSet<u64>,
    /// Writing fails now and then, and how often that has been.
    fails: bool,
    failures: u64,
}

impl Model {
    fn new(seed: u64) -> Self {
        Self {
            seed: Seed(seed),
            waiting: BTreeMap::new(),
            dropped: BTreeMap::new(),
            appended: 0,
            moved: BTreeSet::new(),
            fails: false,
            failures: 0,
        }
    }

    fn record(&mut self, queue: u64) -> Vec<u8> {
        self.appended += 1;
        let length = [0, 10, 40, 200][self.seed.below(4)];
        let mut bytes = format!("{queue}:{}:", self.appended).into_bytes();
        bytes.resize(bytes.len() + length, self.appended as u8);
        bytes
    }

    fn step(&mut self, store: &mut Store) {
        let queue = self.seed.below(4) as u64;
        match self.seed.below(10) {
            0 => self.acknowledge(store, queue),
            1 => self.check_some(store, queue),
            2 => {
                store.turn();
                store.forget_unused(|_| false);
            }
            _ => {
                let bytes = self.record(queue);
                if self.fails && self.seed.below(10) == 0 {
                    // the next segment has no place; it may have one if it was there already
                    let _ = fs::create_dir(writer::path(&store.folder, store.highest + 1));
                }
                let mut place = None;
                wait(store, |store| {
                    self.failures += u64::from(store.trouble.as_ref().is_some_and(|trouble| trouble.tried.is_none()));
                    try_soon(store);
                    place = store.append(queue, &bytes);
                    self.moved.extend(store.moving.map(|[_, into]| into));
                    place.is_some()
                });
                let waiting = self.waiting.entry(queue).or_default();
                assert!(waiting.last().is_none_or(|(last, _)| *last + 1 == place.unwrap()), "{waiting:?} {place:?}");
                waiting.push((place.unwrap(), bytes));
            }
        }
        self.drop(store);
        assert!(store.used() <= store.limit(), "{} {}", store.used(), store.limit());
    }

    fn drop(&mut self, store: &mut Store) {
        for (queue, waiting) in &mut self.waiting {
            let dropped = store.take_dropped(*queue);
            *self.dropped.entry(*queue).or_default() += dropped;
            waiting.drain(..dropped as usize);
            assert_eq!(store.counts(*queue).0, waiting.len() as u64, "queue {queue}");
        }
    }

    fn acknowledge(&mut self, store: &mut Store, queue: u64) {
        let waiting = self.waiting.entry(queue).or_default();
        if !waiting.is_empty() {
            let count = 1 + self.seed.below(waiting.len());
            let (up_to, _) = waiting.drain(..count).next_back().unwrap();
            store.acknowledge(queue, up_to);
        }
    }

    fn check_some(&mut self, store: &mut Store, queue: u64) {
        let after = self.waiting.get(&queue).filter(|waiting| !waiting.is_empty());
        let after = after.map_or(0, |waiting| waiting[self.seed.below(waiting.len())].0);
        let most = self.seed.below(500);
        let found = read(store, queue, after, most);
        // room may have been made meanwhile
        self.drop(store);
        let waiting = self.waiting.entry(queue).or_default().iter();
        let expected: Vec<_> = waiting.filter(|(place, _)| *place > after).cloned().collect();
        assert!(expected.starts_with(&found) && found.is_empty() == expected.is_empty(), "queue {queue} behind {after}");
    }

    fn check_all(&mut self, store: &mut Store) {
        let queues: Vec<u64> = self.waiting.keys().copied().collect();
        for queue in queues {
            let mut found = read_all(store, queue, 300);
            self.drop(store);
            found.retain(|(place, _)| *place > store.gone(queue));
            assert_eq!(found, self.waiting[&queue], "queue {queue}");
        }
    }
}

/// Has the log try again now if writing failed.
fn try_soon(store: &mut Store) {
    if let Some(trouble) = store.trouble.as_mut().filter(|trouble| trouble.tried.is_none()) {
        trouble.again = Some(Instant::now());
    }
}

#[test]
fn whatever_is_done_it_has_what_the_model_has() {
    let (dropped, failures) = live("model", false);
    assert!(dropped > 100 && failures == 0, "{dropped} {failures}");
}

#[test]
fn whatever_fails_meanwhile_it_has_what_the_model_has() {
    let (dropped, failures) = live("faults", true);
    assert!(dropped > 100 && failures > 100, "{dropped} {failures}");
}

/// Lives through some histories with restarts. Returns how many records were dropped, and how often writing failed.
fn live(name: &str, fails: bool) -> (u64, u64) {
    let scratch = Scratch::new(name);
    let (mut dropped, mut failures) = (0, 0);
    for seed in 0..12 {
        let mut model = Model { fails, ..Model::new(seed) };
        scratch.set_image(&BTreeMap::new());
        for _ in 0..8 {
            let mut store = scratch.open_with(12 * BLOCK, 1000);
            store.sync = if fails { Duration::from_millis(2) } else { store.sync };
            model.check_all(&mut store);
            for _ in 0..model.seed.below(200) {
                model.step(&mut store);
            }
            if fails {
                model.check_all(&mut store);
                (0..200).for_each(|more| drop(fs::remove_dir(writer::path(&scratch.0, more + store.highest.saturating_sub(99)))));
                wait(&mut store, |store| {
                    try_soon(store);
                    store.trouble.is_none() && store.unsynced == 0
                });
            }
            let mut rest = Vec::new();
            for _ in 0..model.seed.below(4) {
                let queue = model.seed.below(4) as u64;
                rest.push((queue, model.record(queue)));
            }
            for (queue, bytes) in &rest {
                let waiting = model.waiting.entry(*queue).or_default();
                let before = waiting.last().map_or(0, |(place, _)| *place);
                let last = store.queues.get(*queue).map_or(store.queues.forgotten, |queue| queue.last);
                waiting.push((before.max(last) + 1, bytes.clone()));
            }
            // room may have been made for the last
            let mut lost = store.close(&mut rest.into_iter(), Duration::from_secs(60));
            let store = scratch.open_with(12 * BLOCK, 1000);
            for (queue, waiting) in &mut model.waiting {
                let there = store.counts(*queue).0 as usize;
                assert!(there + 60 > waiting.len(), "queue {queue}: {there} of {}", waiting.len());
                lost -= (waiting.len() - there) as u64;
                waiting.drain(..waiting.len() - there);
            }
            assert_eq!(lost, 0);
            close(store);
        }
        dropped += model.dropped.values().sum::<u64>();
        failures += model.failures;
    }
    (dropped, failures)
}

/// Files by their names.
type Image = BTreeMap<String, Vec<u8>>;

/// What a power cut leaves of files, of which the beginning was synced.
fn cut(seed: &mut Seed, synced: &Image, written: &Image, moved: &BTreeSet<u64>) -> Image {
    let mut left = BTreeMap::new();
    // what was deleted may be there again, as if it had never been
    for (name, bytes) in synced.iter().filter(|(name, _)| !written.contains_key(*name)) {
        if seed.below(2) == 0 {
            left.insert(name.clone(), bytes.clone());
        }
    }
    for (name, bytes) in written {
        let mut bytes = bytes.clone();
        // it had that name once it was synced
        if writer::number(name).is_some_and(|number| moved.contains(&number)) {
            left.insert(name.clone(), bytes);
            continue;
        }
        let kept = synced.get(name).map_or(0, Vec::len);
        let from = kept + seed.below(bytes.len() - kept + 1);
        let behind = bytes.len() - from;
        match seed.below(6) {
            0 if kept == 0 => continue,
            0 | 1 => bytes.truncate(from),
            2 => bytes[from..].fill(0),
            3 => bytes[from..].iter_mut().for_each(|byte| *byte = seed.below(256) as u8),
            // a hole
            4 => bytes[from..from + seed.below(behind + 1)].fill(0),
            // all of it was written
            _ => {}
        }
        left.insert(name.clone(), bytes);
    }
    left
}

/// The agent writes, syncs, and writes on; then the power goes. Whatever is left of what was written since the sync, all that was synced and did not
/// arrive is there, in order; and what is there was appended once. Then it goes on, and all comes that is appended then.
#[test]
fn a_power_cut_at_any_byte_takes_nothing_that_was_synced() {
    const CUTS: usize = 1000;
    let scratch = Scratch::new("cuts");
    let (mut cuts, mut moves) = (0, 0);
    for seed in 0.. {
        if cuts >= CUTS {
            break;
        }
        let mut model = Model::new(1000 + seed);
        // with room for all, and without
        let (limit, steps) = if seed % 2 == 0 { (40 * BLOCK, 150) } else { (6 * BLOCK, 400) };
        scratch.set_image(&BTreeMap::new());
        let mut store = scratch.open_with(limit, 1500);
        (0..model.seed.below(steps)).for_each(|_| model.step(&mut store));
        close(store);
        let synced = scratch.image();
        let safe = model.waiting.clone();
        let mut store = scratch.open_with(limit, 1500);
        (0..model.seed.below(steps)).for_each(|_| model.step(&mut store));
        close(store);
        moves += model.moved.len();
        let written = scratch.image();
        for _ in 0..20 {
            cuts += 1;
            scratch.set_image(&cut(&mut model.seed, &synced, &written, &model.moved));
            let mut store = scratch.open_with(40 * BLOCK, 1500);
            let mut last = BTreeMap::new();
            for queue in 0..4 {
                // what is missing between others
                store.take_dropped(queue);
                let found = read_all(&mut store, queue, 700);
                assert!(found.is_sorted_by(|(a, _), (b, _)| a < b), "queue {queue}");
                let waits = |record: &&(u64, Vec<u8>)| model.waiting.get(&queue).is_some_and(|waiting| waiting.contains(record));
                let missing = safe.get(&queue).into_iter().flatten().filter(waits).find(|record| !found.contains(record));
                assert_eq!(missing, None, "seed {seed}, queue {queue}: {:?}", places(&found));
                let mut before = 0;
                for (_, bytes) in &found {
                    let text = String::from_utf8_lossy(bytes);
                    let mut parts = text.split(':');
                    assert_eq!(parts.next(), Some(&*queue.to_string()), "{text}");
                    let number: u64 = parts.next().unwrap().parse().unwrap();
                    assert!(before < number && number <= model.appended, "{before} {text}");
                    before = number;
                }
                last.insert(queue, found);
            }
            for (queue, found) in &mut last {
                let place = store.append(*queue, b"behind the cut").unwrap();
                assert!(found.last().is_none_or(|(last, _)| *last < place));
                found.push((place, b"behind the cut".to_vec()));
            }
            close(store);
            let mut store = scratch.open_with(40 * BLOCK, 1500);
            for (queue, expected) in last {
                assert_eq!(read_all(&mut store, queue, 700), expected, "seed {seed}, queue {queue}");
            }
        }
    }
    assert!(moves > 50, "{moves}");
}
