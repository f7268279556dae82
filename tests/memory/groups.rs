//! Groups between two of our own nodes, and with a peer that says whatever comes to its mind.

use std::time::Duration;

use allocation_counter::measure;
use beamless::{Config, Event, GroupStorage, Instant, Mailbox, Misuse, NodeStorage, Overflow, OwnedPid, Pid, Term};

use crate::pair::{End, Seed, Wire, at, connect, connected, dial, integers, send, storage};

pub(crate) type Memory = GroupStorage<2, 32, 32>;

pub(crate) fn memory() -> Box<Memory> {
    Box::new(Memory::new())
}

/// Moves bytes and time until nothing more is to be said.
fn settle(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire, now: &mut u64) {
    for _ in 0..12 {
        wire.settle(a, b, || usize::MAX);
        *now += 1_000;
        a.node.handle_timeout(Instant::from_millis(*now));
        b.node.handle_timeout(Instant::from_millis(*now));
    }
}

/// The numbers of the pids that a node sees in a group.
fn members(end: &mut End<'_>, group: &str) -> Vec<u32> {
    let mut all: Vec<u32> = end.node.members("sc", |t| t.atom(group)).map(|pid| pid.id).collect();
    all.sort_unstable();
    all
}

#[test]
fn each_sees_the_others_members() {
    let (mut one, mut other, mut left, mut right) = (storage(), storage(), memory(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut now = 0;
    a.node.set_groups(&mut left).unwrap();
    // a visitor that has no groups is asked in vain
    let first = a.node.register("").unwrap();
    a.node.join(first, "sc", |t| t.atom("temps")).unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    b.node.set_groups(&mut right).unwrap();
    b.node.monitor_scope("sc").unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    assert_eq!(members(&mut b, "temps"), [1]);
    let second = a.node.register("").unwrap();
    for mailbox in [second, second, first] {
        a.node.join(mailbox, "sc", |t| t.atom("other")).unwrap();
    }
    settle(&mut a, &mut b, &mut wire, &mut now);
    assert_eq!(members(&mut b, "other"), [1, 2, 2]);
    a.node.leave(second, "sc", |t| t.atom("other")).unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    assert_eq!((members(&mut b, "other"), members(&mut b, "temps")), (vec![1, 2], vec![1]));
    a.node.close_mailbox(first, |t| t.atom("normal")).unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    assert_eq!((members(&mut b, "other"), members(&mut b, "temps")), (vec![2], vec![]));
    let sender = b.node.register("").unwrap();
    assert_eq!(b.node.send_to_group(sender, "sc", |t| t.atom("other"), |t| t.atom("hello")).unwrap(), 1);
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(a.node.recv(second).unwrap().0.term().to_string(), "hello");
    assert!(b.news().iter().any(|event| matches!(event, Event::MembersChanged { .. })));
    b.node.disconnect("a@host").unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(members(&mut b, "other"), []);
}

/// Whoever begins to look after the others joined sees them all the same.
#[test]
fn members_are_seen_by_who_looks_late() {
    let (mut one, mut other, mut left, mut right) = (storage(), storage(), memory(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut now = 0;
    a.node.set_groups(&mut left).unwrap();
    b.node.set_groups(&mut right).unwrap();
    for end in [&mut a, &mut b] {
        let mailbox = end.node.register("").unwrap();
        end.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
    }
    settle(&mut a, &mut b, &mut wire, &mut now);
    b.node.monitor_scope("sc").unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    a.node.monitor_scope("sc").unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    assert_eq!((members(&mut a, "x"), members(&mut b, "x")), (vec![1], vec![1]));
}

/// What was left before a peer came is nothing to it, and keeps no place.
#[test]
fn a_newcomer_keeps_no_places_of_what_was_left() {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    a.node.set_groups(&mut left).unwrap();
    let (mailbox, mut now) = (a.node.register("").unwrap(), 0);
    for round in 0..200 {
        a.node.join(mailbox, "sc", |t| t.int(round)).unwrap();
        a.node.leave(mailbox, "sc", |t| t.int(round)).unwrap();
        if round % 10 == 0 {
            let _ = a.node.disconnect("b@host");
            wire.settle(&mut a, &mut b, || usize::MAX);
            b.node.handle_closed(wire.b, None);
            wire = connect(&mut a, &mut b);
        }
        if round % 7 == 0 {
            settle(&mut a, &mut b, &mut wire, &mut now);
        }
    }
}

/// A peer that takes nothing, and one without the scope: there is nothing to do until one of them takes something, or a time has come.
#[test]
fn nobody_is_kept_awake_by_what_waits() {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut now = 0;
    a.node.set_groups(&mut left).unwrap();
    let mailbox = a.node.register("").unwrap();
    a.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    while a.node.outbox(mailbox).unwrap().send(("nobody", "b@host"), |t| t.binary(&[0; 50])).is_ok() {}
    a.node.register_global(mailbox, "therm").unwrap();
    a.node.join(mailbox, "s2", |t| t.atom("x")).unwrap();
    for _ in 0..5 {
        a.node.handle_timeout(Instant::from_millis(now));
    }
    let next = a.node.poll_timeout().unwrap();
    assert!(next > Instant::from_millis(now), "{next:?}");
}

/// A scope that is not there is asked for, and told nothing.
#[test]
fn who_has_no_scope_is_asked_alone() {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut now = 0;
    a.node.set_groups(&mut left).unwrap();
    let mailbox = a.node.register("").unwrap();
    for group in 0..10 {
        a.node.join(mailbox, "sc", |t| t.int(group)).unwrap();
    }
    settle(&mut a, &mut b, &mut wire, &mut now);
    let sent = |end: &End<'_>| end.node.peers().next().unwrap().traffic.sent;
    let before = sent(&a);
    settle(&mut a, &mut b, &mut wire, &mut now);
    let asked = sent(&a) - before;
    assert!((1..=5).contains(&asked), "{asked} in twelve seconds");
    assert_eq!(b.texts(), Vec::<String>::new());
}

/// A mailbox that ends before its turn has come leaves nothing behind.
#[test]
fn a_global_name_is_free_once_those_who_were_to_have_it_ended() {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    a.node.set_groups(&mut left).unwrap();
    let [first, second] = [0, 1].map(|_| a.node.register("").unwrap());
    a.node.register_global(first, "n").unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    a.node.unregister_global("n").unwrap();
    a.node.register_global(second, "n").unwrap();
    for mailbox in [second, first] {
        a.node.close_mailbox(mailbox, |t| t.atom("normal")).unwrap();
    }
    // the peer has no global, and answers nothing
    let mut now = 0;
    for _ in 0..8 {
        settle(&mut a, &mut b, &mut wire, &mut now);
    }
    let third = a.node.register("").unwrap();
    a.node.register_global(third, "n").unwrap();
}

/// It is its owner's alone: what becomes of another mailbox changes nothing, nor does it for who waits for a name that is given up.
#[test]
fn a_global_name_ends_with_its_mailbox_alone() {
    let (mut one, mut other, mut left) = (Box::new(NodeStorage::<2, 5, 4096>::new()), storage(), memory());
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut one);
    let mut b = End::hidden("b@host", &mut other);
    let mut wire = connect(&mut a, &mut b);
    a.node.set_groups(&mut left).unwrap();
    let [first, second, third, fourth] = [0; 4].map(|_| a.node.register("").unwrap());
    let end = |a: &mut End<'_>, mailbox| a.node.close_mailbox(mailbox, |t| t.atom("normal")).unwrap();
    a.node.register_global(first, "n").unwrap();
    end(&mut a, second);
    let taken = |result: Result<(), beamless::Error>| result.unwrap_err().to_string() == Misuse::NameTaken.to_string();
    assert!(taken(a.node.register_global(third, "n")));
    end(&mut a, first);
    a.node.register_global(third, "n").unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    // given up, and not yet told to all; the next has it from then on
    a.node.unregister_global("n").unwrap();
    a.node.register_global(fourth, "n").unwrap();
    end(&mut a, third);
    let fifth = a.node.register("").unwrap();
    assert!(taken(a.node.register_global(fifth, "n")));
}

/// A connection over which nothing goes is there for something, if the peer was told of members.
#[test]
fn what_sees_members_is_not_idle() {
    for joins in [false, true] {
        let (mut one, mut other, mut left, mut right) = (storage(), storage(), memory(), memory());
        let config = Config::hidden("a@host", "secret").unwrap().idle_time(Duration::from_secs(30));
        let (mut a, mut b) = (End::new(config, &mut one), End::hidden("b@host", &mut other));
        a.node.set_groups(&mut left).unwrap();
        b.node.set_groups(&mut right).unwrap();
        b.node.monitor_scope("sc").unwrap();
        let mailbox = a.node.register("").unwrap();
        a.node.monitor_scope("sc").unwrap();
        if joins {
            a.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
        }
        let mut wire = connect(&mut a, &mut b);
        for second in 0..300 {
            wire.settle(&mut a, &mut b, || usize::MAX);
            a.node.handle_timeout(at(second));
            b.node.handle_timeout(at(second));
        }
        assert_eq!(a.is_up(), joins);
    }
}

/// To whom this node is hidden it speaks first, and at once.
#[test]
fn a_hidden_node_waits_for_no_scope() {
    for visible in [false, true] {
        let (mut one, mut other, mut left, mut right) = (storage(), storage(), memory(), memory());
        let mut a = End::hidden("a@host", &mut one);
        let config = if visible { Config::visible("b@host", "secret") } else { Config::hidden("b@host", "secret") };
        let mut b = End::new(config.unwrap(), &mut other);
        a.node.set_groups(&mut left).unwrap();
        b.node.set_groups(&mut right).unwrap();
        b.node.monitor_scope("sc").unwrap();
        let mailbox = a.node.register("").unwrap();
        a.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
        let mut wire = connect(&mut a, &mut b);
        wire.settle(&mut a, &mut b, || usize::MAX);
        assert_eq!(members(&mut b, "x"), [1]);
    }
}

/// Members that found no room are asked for again once a quarter of the places is free.
#[test]
fn members_without_a_place_are_asked_for_when_there_is_room() {
    let (mut one, mut other) = (storage(), storage());
    let (mut left, mut right) = (Box::new(GroupStorage::<2, 32, 8>::new()), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut now = 0;
    a.node.set_groups(&mut left).unwrap();
    b.node.set_groups(&mut right).unwrap();
    a.node.monitor_scope("sc").unwrap();
    let seen = |a: &mut End<'_>| (0..10).filter(|group| a.node.members("sc", |t| t.int(*group)).next().is_some()).count();
    let full = |a: &mut End<'_>| a.news().iter().filter(|event| matches!(event, Event::MembersFull { .. })).count();
    let mailbox = b.node.register("").unwrap();
    for round in 0..2 {
        for group in 0..8 {
            b.node.join(mailbox, "sc", |t| t.int(group)).unwrap();
        }
        settle(&mut a, &mut b, &mut wire, &mut now);
        assert_eq!((seen(&mut a), full(&mut a)), (8, 0), "round {round}");
        for group in 8..10 {
            b.node.join(mailbox, "sc", |t| t.int(group)).unwrap();
        }
        settle(&mut a, &mut b, &mut wire, &mut now);
        assert_eq!((seen(&mut a), full(&mut a)), (8, 1), "round {round}");
        for (group, left) in [(0, 7), (1, 8)] {
            b.node.leave(mailbox, "sc", |t| t.int(group)).unwrap();
            wire.settle(&mut a, &mut b, || usize::MAX);
            a.node.handle_timeout(Instant::from_millis(now));
            wire.settle(&mut a, &mut b, || usize::MAX);
            assert_eq!((seen(&mut a), full(&mut a)), (left, 0), "round {round}");
        }
        for group in 2..10 {
            b.node.leave(mailbox, "sc", |t| t.int(group)).unwrap();
        }
        settle(&mut a, &mut b, &mut wire, &mut now);
        assert_eq!((seen(&mut a), full(&mut a)), (0, 0), "round {round}");
    }
}

/// What a scope of `b`, which has none, says to that of `a`.
fn say(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire, from: Mailbox, scope: &str, text: &str) {
    let term = bytes(text);
    b.node.outbox(from).unwrap().send((scope, "a@host"), |t| t.term(Term::parse(&term).unwrap())).unwrap();
    wire.settle(a, b, || usize::MAX);
}

#[test]
fn who_leaves_is_taken_out_of_that_scope_alone() {
    let (mut one, mut other) = (Box::new(NodeStorage::<2, 2, 16_384>::new()), Box::new(NodeStorage::<2, 2, 16_384>::new()));
    let mut left = memory();
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut one);
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut other);
    let mut wire = connect(&mut a, &mut b);
    let from = b.node.register("").unwrap();
    a.node.set_groups(&mut left).unwrap();
    let mailbox = a.node.register("").unwrap();
    a.node.join(mailbox, "unseen", |t| t.atom("x")).unwrap();
    for scope in ["sc", "s2"] {
        a.node.monitor_scope(scope).unwrap();
    }
    wire.settle(&mut a, &mut b, || usize::MAX);
    a.news();
    let seen = |a: &mut End<'_>, scope: &str| a.node.members(scope, |t| t.atom("x")).map(|pid| pid.id).collect::<Vec<_>>();
    // what is no sync is none, and a scope that nobody looks at takes none
    say(&mut a, &mut b, &mut wire, from, "sc", "{x,{sync,P,[{x,[Q]}]}}");
    say(&mut a, &mut b, &mut wire, from, "sc", "{'$gen_cast',{x,P,[{x,[Q]}]}}");
    say(&mut a, &mut b, &mut wire, from, "unseen", "{'$gen_cast',{sync,P,[{x,[Q]}]}}");
    say(&mut a, &mut b, &mut wire, from, "unseen", "{join,P,x,Q}");
    assert_eq!((seen(&mut a, "sc"), seen(&mut a, "unseen"), a.texts()), (vec![], vec![], vec![]));
    for scope in ["sc", "s2"] {
        say(&mut a, &mut b, &mut wire, from, scope, "{'$gen_cast',{sync,P,[{x,[P,Q]}]}}");
        assert_eq!(seen(&mut a, scope), [1, 2]);
    }
    say(&mut a, &mut b, &mut wire, from, "s2", "{leave,P,Q,[x]}");
    assert_eq!((seen(&mut a, "sc"), seen(&mut a, "s2")), (vec![1, 2], vec![1]));
    // so many that it is less work to ask what is left
    let list = |one: &str, count: usize| format!("[{}]", vec![one; count].join(","));
    say(&mut a, &mut b, &mut wire, from, "sc", &format!("{{leave,P,{},{}}}", list("Q", 65), list("x", 64)));
    assert_eq!(seen(&mut a, "sc"), [1, 2]);
    say(&mut a, &mut b, &mut wire, from, "sc", &format!("{{leave,P,{},{}}}", list("Q", 64), list("x", 64)));
    assert_eq!(seen(&mut a, "sc"), [1]);
    // a scope is its pid too, and another pid is nobody
    let own = a.node.pid(mailbox).unwrap();
    for (serial, texts) in [(2, &[][..]), (4, &["message to <0.0.4> from b@host dropped: no such mailbox"])] {
        let pid = Pid { id: 0, serial, ..own.as_pid() };
        let term = bytes("{'$gen_cast',{sync,P,[{x,[Q]}]}}");
        a.news();
        let to = OwnedPid::new(pid).unwrap();
        b.node.outbox(from).unwrap().send(&to, |t| t.term(Term::parse(&term).unwrap())).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        assert_eq!(seen(&mut a, "sc"), [2]);
        let dropped: Vec<_> = a.texts().into_iter().filter(|text| text.contains("dropped")).collect();
        assert_eq!(dropped, texts);
    }
}

#[test]
fn what_cannot_be_is_said() {
    let (mut one, mut groups) = (storage(), Box::new(GroupStorage::<2, 2, 0>::new()));
    let (mut few, mut more) = (GroupStorage::<1, 2, 0>::new(), GroupStorage::<2, 2, 0>::new());
    let mut a = End::hidden("a@host", &mut one);
    let mailbox = a.node.register("taken").unwrap();
    let text = |result: Result<(), beamless::Error>| result.unwrap_err().to_string();
    assert_eq!(text(a.node.join(mailbox, "sc", |t| t.atom("x"))), Misuse::NoGroups.to_string());
    assert_eq!(text(a.node.register_global(mailbox, "x")), Misuse::NoGroups.to_string());
    assert_eq!(text(a.node.set_groups(&mut few)), Misuse::OtherGroups.to_string());
    a.node.set_groups(&mut groups).unwrap();
    assert_eq!(text(a.node.set_groups(&mut more)), Misuse::OtherGroups.to_string());
    assert_eq!(text(a.node.join(mailbox, "taken", |t| t.atom("x"))), Misuse::NameTaken.to_string());
    assert_eq!(text(a.node.join(mailbox, "rex", |t| t.atom("x"))), Misuse::NameTaken.to_string());
    assert_eq!(text(a.node.join(mailbox, "sc", |t| t.binary(&[7; 254]))), Misuse::GroupTooLong.to_string());
    assert_eq!(text(a.node.join(mailbox, "sc", |t| t.tuple(2)?.int(1))), Misuse::TermIncomplete(1).to_string());
    assert_eq!(text(a.node.leave(mailbox, "sc", |t| t.atom("x"))), Misuse::NotAMember.to_string());
    a.node.join(mailbox, "sc", |t| t.binary(&[7; 253])).unwrap();
    assert_eq!(text(a.node.register("sc").map(drop)), Misuse::NameTaken.to_string());
    assert_eq!(text(a.node.set_overflow(mailbox, Overflow::Hold)), Misuse::MemberHolds.to_string());
    a.node.set_overflow(mailbox, Overflow::DropNewest).unwrap();
    let second = a.node.register("second").unwrap();
    a.node.set_overflow(second, Overflow::Hold).unwrap();
    a.node.join(mailbox, "s2", |t| t.int(1)).unwrap();
    let full = "all of the node's places in groups are in use: leave one, or give the node more";
    assert_eq!(text(a.node.join(mailbox, "s2", |t| t.int(2))), full);
    // nobody is to be told of it, so its place is free
    a.node.leave(mailbox, "s2", |t| t.int(1)).unwrap();
    a.node.join(mailbox, "s2", |t| t.int(2)).unwrap();
    a.node.monitor_scope("s3").unwrap();
    a.node.monitor_scope("s4").unwrap();
    assert!(text(a.node.monitor_scope("s5")).starts_with("a node takes part in at most four scopes"));
    a.node.register_global(mailbox, "one").unwrap();
    assert_eq!(text(a.node.register_global(mailbox, "two")), Misuse::SecondName.to_string());
    assert_eq!(text(a.node.register_global(mailbox, "one")), Misuse::NameTaken.to_string());
    a.node.unregister_global("one").unwrap();
    a.node.register_global(mailbox, "two").unwrap();
}

/// Joins and leaves of both at random, over a wire that takes what it likes, breaks, and comes back: in the end each sees what the other has.
#[test]
fn both_agree_at_the_end() {
    for seed in 0..1_000 {
        let mut random = Seed(seed);
        let (mut one, mut other, mut left, mut right) = (storage(), storage(), memory(), memory());
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        let (mut now, groups) = (0, ["x", "y", "z"]);
        a.node.set_groups(&mut left).unwrap();
        b.node.set_groups(&mut right).unwrap();
        let mut have: [Vec<(usize, Mailbox)>; 2] = [Vec::new(), Vec::new()];
        for end in [&mut a, &mut b] {
            end.node.monitor_scope("sc").unwrap();
        }
        let boxes = [&mut a, &mut b].map(|end| [0, 1].map(|_| end.node.register("").unwrap()));
        for _ in 0..60 {
            let side = random.below(2);
            let end = if side == 0 { &mut a } else { &mut b };
            let (mailbox, group) = (boxes[side][random.below(2)], random.below(3));
            match random.below(8) {
                0..3 => {
                    if end.node.join(mailbox, "sc", |t| t.atom(groups[group])).is_ok() {
                        have[side].push((group, mailbox));
                    }
                }
                3..6 => {
                    if end.node.leave(mailbox, "sc", |t| t.atom(groups[group])).is_ok() {
                        let at = have[side].iter().position(|one| *one == (group, mailbox)).unwrap();
                        have[side].remove(at);
                    }
                }
                6 if random.below(6) == 0 => {
                    let _ = a.node.disconnect("b@host");
                    wire.settle(&mut a, &mut b, || usize::MAX);
                    b.node.handle_closed(wire.b, None);
                    wire = connect(&mut a, &mut b);
                }
                _ => {
                    for _ in 0..random.below(5) {
                        wire.step(&mut a, &mut b, random.below(60));
                    }
                    now += random.below(700) as u64;
                    a.node.handle_timeout(Instant::from_millis(now));
                    b.node.handle_timeout(Instant::from_millis(now));
                }
            }
        }
        settle(&mut a, &mut b, &mut wire, &mut now);
        for (group, name) in groups.iter().enumerate() {
            let count = |side: usize| have[side].iter().filter(|(one, _)| *one == group).count();
            assert_eq!((members(&mut a, name).len(), members(&mut b, name).len()), (count(1), count(0)), "seed {seed}");
        }
    }
}

/// A peer that takes nothing is told later, in order; the places of what was left meanwhile are free once it was.
#[test]
fn what_finds_no_room_is_told_later() {
    let (mut one, mut other, mut left, mut right) = (storage(), storage(), memory(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    a.node.set_groups(&mut left).unwrap();
    b.node.set_groups(&mut right).unwrap();
    b.node.monitor_scope("sc").unwrap();
    let (mailbox, mut now) = (a.node.register("").unwrap(), 0);
    a.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    // until there is no room
    while a.node.outbox(mailbox).unwrap().send(("nobody", "b@host"), |t| t.binary(&[0; 50])).is_ok() {}
    let mut refused = 0;
    for round in 0..40 {
        a.node.join(mailbox, "sc", |t| t.int(round)).unwrap_or_else(|_| refused += 1);
        let _ = a.node.leave(mailbox, "sc", |t| t.int(round));
    }
    assert!(refused > 0, "places are kept until the peer has been told");
    a.node.leave(mailbox, "sc", |t| t.atom("x")).unwrap();
    wire.settle(&mut a, &mut b, || 100);
    settle(&mut a, &mut b, &mut wire, &mut now);
    assert_eq!(members(&mut b, "x"), []);
    for round in 0..32 {
        a.node.join(mailbox, "sc", |t| t.int(round)).unwrap();
    }
}

#[test]
fn nothing_is_allocated() {
    let (mut one, mut other, mut left, mut right) = (storage(), storage(), memory(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut now = 0;
    let counted = measure(|| {
        a.node.set_groups(&mut left).unwrap();
        b.node.set_groups(&mut right).unwrap();
        b.node.monitor_scope("sc").unwrap();
        a.node.register_global(from, "therm").unwrap();
        for _ in 0..500 {
            a.node.join(from, "sc", |t| t.atom("x")).unwrap();
            wire.settle(&mut a, &mut b, || usize::MAX);
            b.node.send_to_group(to, "sc", |t| t.atom("x"), |t| t.int(1)).unwrap();
            wire.settle(&mut a, &mut b, || usize::MAX);
            a.node.leave(from, "sc", |t| t.atom("x")).unwrap();
            now += 100;
            a.node.handle_timeout(Instant::from_millis(now));
            b.node.handle_timeout(Instant::from_millis(now));
            while a.node.poll_event().is_some() || b.node.poll_event().is_some() {}
            while a.node.recv(from).is_some() {}
        }
    });
    assert_eq!((counted.count_total, a.node.received(from) > 400), (0, true));
}

/// Terms of the shapes that scopes send, of the right parts and of wrong ones.
struct Noise(Seed);

impl Noise {
    fn term(&mut self, depth: usize) -> String {
        let words = ["discover", "join", "leave", "sync", "'$gen_cast'", "x", "y", "update", "local_data"];
        match self.0.below(if depth == 0 { 5 } else { 9 }) {
            0 | 1 => words[self.0.below(words.len())].to_owned(),
            2 => self.0.below(300).to_string(),
            3 | 4 => ["P", "Q", "O"][self.0.below(3)].to_owned(),
            kind => {
                let parts: Vec<_> = (0..self.0.below(5)).map(|_| self.term(depth - 1)).collect();
                if kind < 7 { format!("{{{}}}", parts.join(",")) } else { format!("[{}]", parts.join(",")) }
            }
        }
    }

    /// One that is right, but for what stands in the place of its parts now and then.
    fn message(&mut self) -> String {
        let mut part = |right: &str| if self.0.below(12) == 0 { self.term(2) } else { right.to_owned() };
        let (sender, pid, group) = (part("P"), part("Q"), part("x"));
        let pids = part(&format!("[{pid},Q]"));
        let whole = match self.0.below(7) {
            0 => format!("{{discover,{sender}}}"),
            1 => format!("{{discover,{sender},1}}"),
            2 => format!("{{'$gen_cast',{{sync,{sender},[{{{group},{pids}}},{{y,{pids}}}]}}}}"),
            3 => format!("{{join,{sender},{group},{pids}}}"),
            4 => format!("{{join,{sender},{group},{pid}}}"),
            5 => format!("{{leave,{sender},{pids},[{group},y]}}"),
            _ => self.term(4),
        };
        if self.0.below(20) == 0 { self.term(4) } else { whole }
    }
}

/// The same as bytes, with pids of the peer and of others in it.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    fn put(out: &mut Vec<u8>, text: &[u8], at: &mut usize) {
        let pid = |node: &str, id: u8| {
            [&[88, 119, node.len() as u8][..], node.as_bytes(), &[0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, 77]].concat()
        };
        let open = text[*at];
        if open == b'{' || open == b'[' {
            *at += 1;
            let (mut parts, mut count) = (Vec::new(), 0);
            while !matches!(text[*at], b'}' | b']') {
                put(&mut parts, text, at);
                count += 1;
                if text[*at] == b',' {
                    *at += 1;
                }
            }
            *at += 1;
            match (open, count) {
                (b'{', count) => out.extend([104, count]),
                (_, 0) => return out.push(106),
                (_, count) => out.extend([108, 0, 0, 0, count]),
            }
            out.extend(parts);
            if open == b'[' {
                out.push(106);
            }
            return;
        }
        let end = text[*at..].iter().position(|c| b",}]".contains(c)).map_or(text.len(), |len| *at + len);
        let word = std::str::from_utf8(&text[*at..end]).unwrap().trim_matches('\'');
        *at = end;
        match (word, word.parse::<u32>()) {
            ("P", _) => out.extend(pid("b@host", 1)),
            ("Q", _) => out.extend(pid("b@host", 2)),
            ("O", _) => out.extend(pid("c@host", 3)),
            (_, Ok(number)) => out.extend([&[98][..], &number.to_be_bytes()].concat()),
            _ => out.extend([&[119, word.len() as u8][..], word.as_bytes()].concat()),
        }
    }
    let (mut out, mut at) = (vec![131], 0);
    put(&mut out, text.as_bytes(), &mut at);
    out
}

#[test]
fn a_scope_outlives_what_a_peer_says() {
    for seed in 0..200 {
        let mut noise = Noise(Seed(seed));
        let (mut one, mut other, mut left) = (storage(), storage(), memory());
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        a.node.set_groups(&mut left).unwrap();
        a.node.monitor_scope("sc").unwrap();
        let (mailbox, theirs, mut now) = (a.node.register("").unwrap(), b.node.register("").unwrap(), 0);
        for round in 0..100 {
            let term = bytes(&noise.message());
            let term = Term::parse(&term).unwrap();
            b.node.outbox(theirs).unwrap().send(("sc", "a@host"), |t| t.term(term)).unwrap();
            let _ = if round % 3 == 0 {
                a.node.join(mailbox, "sc", |t| t.atom("x"))
            } else {
                a.node.leave(mailbox, "sc", |t| t.atom("x"))
            };
            wire.settle(&mut a, &mut b, || usize::MAX);
            now += 50;
            a.node.handle_timeout(Instant::from_millis(now));
            assert!(a.node.members("sc", |t| t.atom("x")).all(|pid| pid.node.as_str() == Some("b@host")));
            a.fetch();
            b.fetch();
        }
        assert!(a.is_up() && b.is_up(), "seed {seed}: {:?}", a.texts());
        let seen = members(&mut a, "x").len() + members(&mut a, "y").len();
        assert!(seen <= 32, "seed {seed}: {seen}");
    }
}

/// What the mailbox of `b` that is named as the scope of `a` was sent, as far as the first word of it that matters.
fn told(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire, scope: Mailbox) -> Vec<String> {
    wire.settle(a, b, || usize::MAX);
    let all = std::iter::from_fn(|| b.node.recv(scope).map(|(message, _)| message.term().to_string()));
    let word =
        |text: String| text.trim_start_matches("{'$gen_cast',").split(',').next().unwrap().trim_start_matches('{').to_owned();
    all.map(word).collect()
}

/// One that takes another's place is told all, has no members of the other's, and is monitored in its stead; and so it is when it ends.
#[test]
fn a_scope_that_takes_anothers_place_is_begun_with_anew() {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut now = 0;
    let scope = b.node.register("sc").unwrap();
    a.node.set_groups(&mut left).unwrap();
    let mailbox = a.node.register("").unwrap();
    a.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
    assert_eq!(told(&mut a, &mut b, &mut wire, scope), ["sync", "join"]);
    a.node.monitor_scope("sc").unwrap();
    assert_eq!(told(&mut a, &mut b, &mut wire, scope), ["sync", "discover", "join"]);
    say(&mut a, &mut b, &mut wire, scope, "sc", "{'$gen_cast',{sync,P,[{x,[P]}]}}");
    assert_eq!((members(&mut a, "x"), b.node.in_use().watches), (vec![1], 1));
    // the same looks again
    say(&mut a, &mut b, &mut wire, scope, "sc", "{discover,P}");
    assert_eq!(told(&mut a, &mut b, &mut wire, scope), ["sync", "join"]);
    assert_eq!((members(&mut a, "x"), b.node.in_use().watches), (vec![1], 1));
    say(&mut a, &mut b, &mut wire, scope, "sc", "{discover,Q}");
    assert_eq!(told(&mut a, &mut b, &mut wire, scope), ["sync", "discover", "join"]);
    assert_eq!((members(&mut a, "x"), b.node.in_use().watches), (vec![], 1));
    // who was there before has nothing to say any more
    say(&mut a, &mut b, &mut wire, scope, "sc", "{join,P,x,P}");
    assert_eq!(members(&mut a, "x"), []);
    say(&mut a, &mut b, &mut wire, scope, "sc", "{join,Q,x,Q}");
    assert_eq!(members(&mut a, "x"), [2]);
    b.node.close_mailbox(scope, |t| t.atom("why")).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!((members(&mut a, "x"), b.node.in_use().watches), (vec![], 0));
    let scope = b.node.register("sc").unwrap();
    settle(&mut a, &mut b, &mut wire, &mut now);
    assert_eq!(told(&mut a, &mut b, &mut wire, scope), ["sync", "discover", "join"]);
    assert_eq!(b.node.in_use().watches, 1);
}

/// A scope lasts as long as the node, and one that the node has not is nobody.
#[test]
fn the_pid_of_a_scope_is_a_process() {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mailbox = a.node.register("").unwrap();
    a.node.set_groups(&mut left).unwrap();
    a.node.monitor_scope("sc").unwrap();
    let own = a.node.pid(mailbox).unwrap();
    let from = b.node.register("").unwrap();
    for (serial, ends) in [(1, false), (2, true)] {
        let pid = OwnedPid::new(Pid { id: 0, serial, ..own.as_pid() }).unwrap();
        b.node.outbox(from).unwrap().monitor(&pid).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        assert_eq!(b.node.recv(from).is_some(), ends, "{serial}");
    }
}

/// What the other's scope said while this node had none of this name went to nobody: it is not waited for.
#[test]
fn a_scope_that_begins_late_speaks_first() {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let visible = |name| Config::visible(name, "secret").unwrap();
    let (mut a, mut b) = (End::new(visible("a@host"), &mut one), End::new(visible("b@host"), &mut other));
    a.node.set_groups(&mut left).unwrap();
    let (mailbox, scope) = (a.node.register("").unwrap(), b.node.register("sc").unwrap());
    let mut wire = connect(&mut a, &mut b);
    a.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
    assert_eq!(told(&mut a, &mut b, &mut wire, scope), ["sync", "join"]);
}

/// A member that nobody reads holds up no sender; what it drops is its own choice.
#[test]
fn a_member_drops_what_it_was_told_to() {
    for (overflow, drops_newest) in [(Overflow::Hold, false), (Overflow::DropOldest, false), (Overflow::DropNewest, true)] {
        let (mut one, mut other, mut left) = (storage(), storage(), memory());
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        let (mailbox, from) = (a.node.register("to").unwrap(), b.node.register("from").unwrap());
        a.node.set_groups(&mut left).unwrap();
        a.node.set_overflow(mailbox, overflow).unwrap();
        a.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
        for i in 0..500 {
            send(&mut b, from, "to", "a@host", i).unwrap();
            wire.settle(&mut a, &mut b, || usize::MAX);
        }
        let got = integers(&mut a, mailbox);
        assert_eq!(a.node.dropped(mailbox), 500 - got.len() as u64);
        assert_eq!((got.first() == Some(&0), got.last() == Some(&499)), (drops_newest, !drops_newest), "{overflow:?}");
    }
}

#[test]
fn only_members_that_are_gone_are_a_change() {
    for (members, is_change) in [("[]", false), ("[{x,[P]}]", true)] {
        let (mut one, mut other, mut left) = (storage(), storage(), memory());
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        let from = b.node.register("").unwrap();
        a.node.set_groups(&mut left).unwrap();
        a.node.monitor_scope("sc").unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        say(&mut a, &mut b, &mut wire, from, "sc", &format!("{{'$gen_cast',{{sync,P,{members}}}}}"));
        a.news();
        a.node.handle_closed(wire.a, None);
        let changed = a.news().iter().any(|event| matches!(event, Event::MembersChanged { .. }));
        assert_eq!(changed, is_change, "{members}");
    }
}

/// Whoever comes is told of no member that was one before, though others are still to be told that it left.
#[test]
fn a_newcomer_hears_nothing_of_what_was_left() {
    let (mut one, mut other, mut third, mut left) = (storage(), storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    a.node.set_groups(&mut left).unwrap();
    let (mailbox, scope) = (a.node.register("").unwrap(), b.node.register("sc").unwrap());
    a.node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
    assert_eq!(told(&mut a, &mut b, &mut wire, scope), ["sync", "join"]);
    // there is no room to tell it
    while a.node.outbox(mailbox).unwrap().send(("nobody", "b@host"), |t| t.binary(&[0; 50])).is_ok() {}
    a.node.join(mailbox, "sc", |t| t.atom("y")).unwrap();
    a.node.leave(mailbox, "sc", |t| t.atom("y")).unwrap();
    let mut c = End::hidden("c@host", &mut third);
    let late = c.node.register("sc").unwrap();
    c.node.connect("a@host").unwrap();
    let mut visit = dial(&mut c, &mut a, at(0)).unwrap();
    visit.settle(&mut c, &mut a, || usize::MAX);
    assert_eq!(told(&mut a, &mut c, &mut Wire { a: visit.b, b: visit.a }, late), ["sync", "join"]);
    wire.settle(&mut a, &mut b, || usize::MAX);
    a.node.handle_timeout(at(1));
    assert_eq!(told(&mut a, &mut b, &mut wire, scope), ["join", "leave"]);
}

/// By which others tell them apart, and answer.
#[test]
fn each_scope_has_its_own_pid() {
    let (mut one, mut other, mut left) = (storage(), storage(), memory());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    a.node.set_groups(&mut left).unwrap();
    let mailbox = a.node.register("").unwrap();
    for (scope, serial) in [("s1", 1), ("s2", 2)] {
        let there = b.node.register(scope).unwrap();
        a.node.join(mailbox, scope, |t| t.atom("x")).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        let (message, _) = b.node.recv(there).unwrap();
        let [_, cast] = message.term().tuple().unwrap();
        let [what, pid, _] = cast.tuple().unwrap();
        let pid = pid.as_pid().unwrap();
        assert_eq!((what.is_atom("sync"), pid.id, pid.serial), (true, 0, serial));
    }
}

#[test]
fn memory_shows_its_sizes() {
    assert_eq!(format!("{:?}", NodeStorage::<1, 2, 4096, 3, 4>::sized()), "NodeStorage<1, 2, 4096, 3, 4>");
    assert_eq!(format!("{:?}", GroupStorage::<1, 2, 3>::new()), "GroupStorage<1, 2, 3>");
}
