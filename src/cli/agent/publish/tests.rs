//! Tests of what is published, all of it together.

use std::path::PathBuf;

use beamless::{Config, DriverOptions, Epmd, NodeStorage};

use super::config::{Arguments, Nodes, Text};
use super::publisher::looked_at;
use super::recipient::Presence;
use super::*;

fn settings(text: &str) -> Settings {
    let text = format!("name = \"a@127.0.0.1\"\n{text}");
    config::settings(&Arguments::default(), Some(&Text { shown: String::new(), file: PathBuf::new(), text }), None).unwrap()
}

fn said(to: &str) -> Said {
    let nodes = Nodes::First(vec!["b@127.0.0.1".to_owned()]);
    Said { mailbox: "p".to_owned(), to: to.to_owned(), nodes, term: vec![131, 97, 1], line: 0 }
}

/// A file that is read while it is written has not all in it.
#[test]
fn what_is_back_in_the_file_has_what_was_kept() {
    let folder = std::env::temp_dir().join(format!("beamless-publish-{}", std::process::id()));
    for has_disk in [false, true] {
        let _ = std::fs::remove_dir_all(&folder);
        let disk = if has_disk { format!("[keep]\ndisk = \"1MiB\"\ndir = {folder:?}\n") } else { String::new() };
        let publish = "[[publish]]\nfile = \"f\"\nevery = \"1h\"\nto = \"c\"\nnode = \"b@127.0.0.1\"\n";
        let program = "[mailbox.p]\ncommand = [\"cat\"]\n";
        let [whole, half] = [[publish, program, &disk].concat(), disk].map(|text| settings(&text));
        let mut storage = NodeStorage::<2, 4, 4096>::new();
        let mut node = Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap(), &mut storage);
        let mut publishing = Publishing::new(&whole, &mut node).unwrap();
        let mut options = DriverOptions::default().outgoing();
        options.epmd = Epmd::None;
        let driver = Driver::new(options, &mut node).unwrap();
        publishing.turn(&mut node, &driver);
        let now = publishing.clock.now;
        let keep = |publishing: &mut Publishing| {
            (0..5).for_each(|_| drop(publishing.take(said("c"))));
            publishing.publishers[0].keep(vec![131, 97, 2], now, &now, &mut publishing.numbers);
        };
        let kept = |publishing: &Publishing| publishing.status().map(|status| status.counts).collect::<Vec<_>>();
        keep(&mut publishing);
        publishing.turn(&mut node, &driver);
        for round in 1..4 {
            publishing.apply(&half, &mut node);
            publishing.turn(&mut node, &driver);
            assert_eq!((kept(&publishing), publishing.removed.len()), (vec![], 2));
            // on disk it takes no memory
            assert_eq!(publishing.used > 0, !has_disk);
            publishing.apply(&whole, &mut node);
            keep(&mut publishing);
            publishing.turn(&mut node, &driver);
            assert_eq!(kept(&publishing), [[0, 1 + round, 0], [0, 5 + 5 * round, 0]]);
            assert_eq!(publishing.removed.len(), 0);
        }
        // all of it is there at the next start as well
        publishing.apply(&half, &mut node);
        publishing.stop();
        if has_disk {
            let mut publishing = Publishing::new(&whole, &mut node).unwrap();
            while kept(&publishing).len() < 2 || kept(&publishing)[1] != [0, 20, 0] {
                publishing.turn(&mut node, &driver);
                std::thread::yield_now();
            }
            assert_eq!(kept(&publishing)[0], [0, 4, 0]);
            publishing.stop();
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// Who has a node in the file changes: what waits for it goes along, on disk as well, and none of it is counted as lost.
#[test]
fn what_waits_for_a_node_moves_with_it() {
    let folder = std::env::temp_dir().join(format!("beamless-publish-moves-{}", std::process::id()));
    for has_disk in [false, true] {
        let _ = std::fs::remove_dir_all(&folder);
        let disk = if has_disk { format!("[keep]\ndisk = \"1MiB\"\ndir = {folder:?}\n") } else { String::new() };
        let list = |nodes: &[&str]| {
            let nodes: Vec<String> = nodes.iter().map(|node| format!("\"{node}@127.0.0.1\"")).collect();
            let nodes = nodes.join(", ");
            format!("[[publish]]\nfile = \"f\"\nlabel = \"up\"\nevery = \"1h\"\nto = \"c\"\nnodes = [{nodes}]\n")
        };
        let file = |lists: &[&[&str]]| settings(&lists.iter().map(|nodes| list(nodes)).chain([disk.clone()]).collect::<String>());
        let mut storage = NodeStorage::<2, 4, 4096>::new();
        let mut node = Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap(), &mut storage);
        let mut publishing = Publishing::new(&file(&[&["b", "c"]]), &mut node).unwrap();
        let mut options = DriverOptions::default().outgoing();
        options.epmd = Epmd::None;
        let driver = Driver::new(options, &mut node).unwrap();
        publishing.turn(&mut node, &driver);
        let now = publishing.clock.now;
        for _ in 0..5 {
            publishing.publishers[0].keep(vec![131, 97, 2], now, &now, &mut publishing.numbers);
        }
        let kept = |publishing: &Publishing| -> Vec<[u64; 3]> {
            assert_eq!(publishing.removed.len(), 0);
            publishing.status().map(|status| status.counts).collect()
        };
        let shapes: [(&[&[&str]], &[u64]); 6] = [
            (&[&["c"], &["b"]], &[5, 5]),
            (&[&["b", "c"]], &[10]),
            (&[&["b"], &["d"], &["c"]], &[5, 0, 5]),
            // each goes to where the other was
            (&[&["c", "d"], &["b"]], &[5, 5]),
            (&[], &[]),
            (&[&["d", "c", "b"]], &[10]),
        ];
        for (lists, waiting) in shapes {
            publishing.apply(&file(lists), &mut node);
            publishing.turn(&mut node, &driver);
            if lists.is_empty() {
                assert_eq!(publishing.removed.len(), 2);
            } else {
                assert_eq!(kept(&publishing), waiting.iter().map(|kept| [0, *kept, 0]).collect::<Vec<_>>(), "{lists:?}");
            }
        }
        publishing.stop();
        if has_disk {
            let mut publishing = Publishing::new(&file(&[&["b"], &["c"]]), &mut node).unwrap();
            while kept(&publishing) != [[0, 5, 0]; 2] {
                publishing.turn(&mut node, &driver);
                std::thread::yield_now();
            }
            publishing.stop();
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
}

/// What nobody may ever want does not push out what others keep.
#[test]
fn what_is_not_in_the_file_makes_room_first() {
    let [whole, half] =
        ["[mailbox.p]\ncommand = [\"cat\"]\n[mailbox.q]\ncommand = [\"cat\"]\n", "[mailbox.p]\ncommand = [\"cat\"]\n"]
            .map(settings);
    let mut storage = NodeStorage::<2, 4, 4096>::new();
    let mut node = Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap(), &mut storage);
    let mut publishing = Publishing::new(&whole, &mut node).unwrap();
    publishing.numbers.begin(&publishing.clock.now);
    drop(publishing.take(said("c")));
    for _ in 0..50 {
        drop(publishing.take(Said { mailbox: "q".to_owned(), ..said("c") }));
    }
    publishing.apply(&half, &mut node);
    publishing.count();
    publishing.limit = publishing.used;
    let counts = |publishing: &Publishing| {
        [&publishing.publishers, &publishing.removed].map(|list| list.iter().map(Publisher::counts).collect::<Vec<_>>())
    };
    (0..20).for_each(|_| drop(publishing.take(said("c"))));
    assert_eq!(counts(&publishing), [vec![[0, 21, 0]], vec![[0, 30, 20]]]);
    (0..40).for_each(|_| drop(publishing.take(said("c"))));
    assert_eq!(counts(&publishing), [vec![[0, 51, 10]], vec![]]);
}

/// Whatever names one program comes up with, others have theirs.
#[test]
fn a_program_with_many_receivers_makes_room_for_another() {
    let text = "[mailbox.p]\ncommand = [\"cat\"]\n[mailbox.q]\ncommand = [\"cat\"]\n";
    let mut storage = NodeStorage::<2, 4, 4096>::new();
    let mut node = Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap(), &mut storage);
    let mut publishing = Publishing::new(&settings(text), &mut node).unwrap();
    publishing.numbers.begin(&publishing.clock.now);
    let names = |publishing: &Publishing, label: &str| {
        let own = publishing.publishers.iter().filter(|publisher| publisher.given.label == label);
        own.map(|publisher| publisher.given.receiver.to_string()).collect::<Vec<_>>()
    };
    (0..70).for_each(|name| drop(publishing.take(said(&format!("p{name}")))));
    drop(publishing.take(said("p0")));
    let first: Vec<String> = (0..64).map(|name| format!("p{name}")).collect();
    assert_eq!(names(&publishing, "p"), first);
    (0..40).for_each(|name| drop(publishing.take(Said { mailbox: "q".to_owned(), ..said(&format!("q{name}")) })));
    // the one that it published to last is not the first to go
    let left: Vec<String> = [0].into_iter().chain(33..64).map(|name| format!("p{name}")).collect();
    assert_eq!((names(&publishing, "p"), names(&publishing, "q").len()), (left, 32));
    drop(publishing.take(said("p99")));
    assert_eq!(names(&publishing, "p").len(), 32);
}

/// A program that publishes to each of several nodes, all of which are there, and does so faster than they take it.
#[test]
fn a_program_waits_for_all_that_it_publishes_to() {
    let settings = settings("[mailbox.p]\ncommand = [\"cat\"]\n");
    let mut storage = NodeStorage::<2, 4, 4096>::new();
    let mut node = Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap(), &mut storage);
    let mut publishing = Publishing::new(&settings, &mut node).unwrap();
    publishing.numbers.begin(&publishing.clock.now);
    let nodes: Vec<String> = (0..8).map(|place| format!("b{place}@127.0.0.1")).collect();
    let said = || Said { nodes: Nodes::Each(nodes.clone()), term: vec![131; 1000], ..said("c") };
    let mut rounds = 0;
    while publishing.rooms()("p") > 0 {
        let mut room = publishing.rooms()("p");
        while room > 0 {
            room = room.saturating_sub(said().size());
            drop(publishing.take(said()));
        }
        publishing.aim(&mut node);
        publishing.targets.iter_mut().for_each(|target| target.state = Presence::There);
        // as much as may be under way
        let mut under_way = publishing.publishers[0].under_way();
        for outlet in &mut publishing.publishers[0].outlets {
            while outlet.kept.next(under_way, publishing.limit).is_some() {
                under_way += outlet.kept.was_sent();
            }
        }
        rounds += 1;
        assert!(rounds < 100);
    }
    let [_, kept, dropped] = publishing.publishers[0].counts();
    assert!(kept > 500 && dropped == 0, "{kept} {dropped} {rounds}");
    assert!(publishing.used < publishing.limit && publishing.rooms()("q") > 0);
    publishing.targets[..7].iter_mut().for_each(|target| target.state = Presence::Away);
    // those that are away it does not wait for
    assert!(publishing.rooms()("p") > 0);
}

/// Its receiver is there and takes a burst, however much waits for others that are away, each with less.
#[test]
fn what_is_about_to_go_does_not_make_room_for_what_waits() {
    let lists: String = (0..20)
        .map(|n| format!("[[publish]]\nfile = \"f\"\nlabel = \"{n}\"\nevery = \"1h\"\nto = \"c\"\nnode = \"dead@127.0.0.1\"\n"))
        .collect();
    let settings = settings(&format!("{lists}[mailbox.p]\ncommand = [\"cat\"]\n"));
    let mut storage = NodeStorage::<2, 64, 4096>::new();
    let mut node = Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap(), &mut storage);
    let mut publishing = Publishing::new(&settings, &mut node).unwrap();
    publishing.numbers.begin(&publishing.clock.now);
    let said = || Said { term: vec![131; 1000], ..said("d") };
    drop(publishing.take(said()));
    publishing.aim(&mut node);
    publishing
        .targets
        .iter_mut()
        .filter(|target| target.takes(&publishing.publishers[20].given.receiver, "b@127.0.0.1"))
        .for_each(|target| target.state = Presence::There);
    let now = publishing.clock.now;
    // all that there is room for waits for the node that is away
    for _ in 0..400 {
        for place in 0..20 {
            let before = publishing.publishers[place].bytes();
            publishing.publishers[place].keep(vec![131; 200], now, &now, &mut publishing.numbers);
            let after = publishing.publishers[place].bytes();
            publishing.has_taken(before, after);
        }
    }
    let mut room = publishing.rooms()("p");
    assert!(room > 50_000);
    for _ in 0..100 {
        while room > 0 {
            room = room.saturating_sub(said().size());
            drop(publishing.take(said()));
        }
        room = publishing.rooms()("p");
    }
    assert_eq!(room, 0);
    let [_, kept, dropped] = publishing.publishers[20].counts();
    assert!(kept > 50 && dropped == 0, "{kept} {dropped}");
    assert!(publishing.used <= publishing.limit && publishing.publishers[0].counts()[2] > 0);
    // it does not have all there is, either
    (0..2000).for_each(|_| drop(publishing.take(said())));
    assert!(publishing.publishers[20].counts()[2] > 1000 && publishing.publishers[0].counts()[1] > 50);
}

#[test]
fn what_is_taken_fits_a_message_beside_the_longest_names() {
    let own = format!("{}@127.0.0.1", "a".repeat(245));
    let mut storage = NodeStorage::<2, 4, 4096>::new();
    let mut node = Node::new(Config::hidden(&own, "cookie").unwrap().creation(7), &mut storage);
    let mut publishing = Publishing::new(&settings("[mailbox.p]\ncommand = [\"cat\"]\n"), &mut node).unwrap();
    publishing.numbers.begin(&publishing.clock.now);
    let (mailbox, to) = ("p".repeat(255), "c".repeat(255));
    let most = publisher::most(publishing.most, &own, &mailbox, to.len());
    let mut take = |more: usize| {
        let length = u32::try_from(most + more - 6).unwrap();
        let term = [&[131, 109][..], &length.to_be_bytes(), &vec![7; most + more - 6]].concat();
        drop(publishing.take(Said { mailbox: mailbox.clone(), term, ..said(&to) }));
        publishing.publishers.len()
    };
    assert_eq!([1, 0].map(&mut take), [0, 1]);
    publishing.aim(&mut node);
    publishing.prepare(&mut node).unwrap();
    publishing.targets[0].state = Presence::There;
    publishing.send(&mut node);
    assert_eq!((publishing.publishers[0].outlets[0].kept.counts(), publishing.publishers[0].counts()[2]), ([0, 1], 0));
}

/// What a turn costs, or a reading of a program, does not grow with the square of what is published.
#[test]
fn others_are_not_counted_for_each_that_is_published() {
    let publish = |place| format!("[[publish]]\nfile = \"f{place}\"\nevery = \"1h\"\nto = \"c\"\nnode = \"b@127.0.0.1\"\n");
    let text: String = (0..300).map(publish).chain(["[mailbox.p]\ncommand = [\"cat\"]\n".to_owned()]).collect();
    let mut storage = NodeStorage::<2, 4, 4096>::new();
    let mut node = Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap(), &mut storage);
    let mut publishing = Publishing::new(&settings(&text), &mut node).unwrap();
    let mut options = DriverOptions::default().outgoing();
    options.epmd = Epmd::None;
    let driver = Driver::new(options, &mut node).unwrap();
    publishing.turn(&mut node, &driver);
    let before = looked_at();
    publishing.turn(&mut node, &driver);
    let a_turn = looked_at() - before;
    assert!(a_turn <= 3 * 300, "{a_turn}");
    let before = looked_at();
    (0..1000).for_each(|_| drop(publishing.take(said("c"))));
    let taken = looked_at() - before;
    assert!(taken <= 3 * 1000, "{taken}");
    let before = looked_at();
    let room = publishing.rooms();
    assert!((0..300).all(|_| room("p") > 0));
    drop(room);
    let looked = looked_at() - before;
    assert!(looked <= 300, "{looked}");
    // what there is no room for is dropped all the same
    publishing.limit = publishing.used / 2;
    publishing.turn(&mut node, &driver);
    drop(publishing.take(said("c")));
    let [used, limit] = publishing.room().memory;
    assert!(used <= limit && used > limit / 2, "{used} of {limit}");
    assert_eq!(publishing.status().map(|status| status.counts[1] + status.counts[2]).sum::<u64>(), 1001);
}

/// A peer goes on watching for whom that is of no use any more until it has room to hear so.
#[test]
fn a_receiver_that_nothing_goes_to_any_more_leaves_no_monitor_behind() {
    let [whole, none] = ["[[publish]]\nfile = \"f\"\nevery = \"1h\"\nto = \"c\"\nnode = \"b@127.0.0.1\"\n", ""].map(settings);
    let (mut storage, mut other) = (NodeStorage::<2, 4, 4096>::new(), NodeStorage::<2, 4, 4096>::new());
    let [mut full, mut empty] = [&mut storage, &mut other]
        .map(|storage| Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap().creation(7), storage));
    let mut publishing = Publishing::new(&whole, &mut full).unwrap();
    publishing.aim(&mut full);
    let mut out = full.outbox(publishing.mailbox.unwrap()).unwrap();
    publishing.targets[0].watch(&mut out);
    while out.send(("c", "b@127.0.0.1"), |t| t.int(1)).is_ok() {}
    publishing.apply(&none, &mut full);
    publishing.send(&mut full);
    assert_eq!((publishing.targets.len(), publishing.former.len(), full.in_use().requests), (0, 1, 1));
    // what took the room went out
    publishing.mailbox = Some(empty.register("").unwrap());
    publishing.send(&mut empty);
    assert_eq!(publishing.former.len(), 0);
}

/// Commands that are all due are started some a turn, and none of them is left out though those before it are due again.
#[test]
fn few_commands_are_started_in_a_turn() {
    let text =
        "[[publish]]\ncommand = [\"/no/such/program\"]\nlabel = \"x\"\nevery = \"1h\"\nto = \"hub\"\nnode = \"b@127.0.0.1\"\n";
    let mut settings = settings(text);
    settings.publish[0].every = Duration::from_nanos(1);
    settings.publish = std::iter::repeat_n(settings.publish[0].clone(), 20).collect();
    let mut storage = NodeStorage::<2, 4, 4096>::new();
    let mut node = Node::new(Config::hidden("a@127.0.0.1", "cookie").unwrap(), &mut storage);
    let mut publishing = Publishing::new(&settings, &mut node).unwrap();
    let mut options = DriverOptions::default().outgoing();
    options.epmd = Epmd::None;
    let driver = Driver::new(options, &mut node).unwrap();
    for tried in [8, 16, 20, 20] {
        publishing.turn(&mut node, &driver);
        assert_eq!(publishing.publishers.iter().filter(|publisher| publisher.trouble().is_some()).count(), tried);
    }
}
