//! Handshakes: every cut, every refusal, and two that connect to each other at once.

use beamless::{Config, Event, NetworkFault, NodeStorage, Reason};

use crate::pair::{End, Seed, at, connected, dial, integers, send, storage};

#[test]
fn every_cut_of_the_stream() {
    for pieces in 1..64 {
        for seed in 0..4 {
            let (mut one, mut other) = (storage(), storage());
            let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
            let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
            a.node.connect("b@host").unwrap();
            let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
            let mut random = Seed(seed);
            // seed 0 is pieces of one size, the others are pieces of any size up to that
            let mut size = || if seed == 0 { pieces } else { 1 + random.below(pieces) };
            wire.settle(&mut a, &mut b, &mut size);
            assert!(a.is_up() && b.is_up(), "pieces of {pieces}, seed {seed}");
            (0..50).for_each(|i| send(&mut a, from, "to", "b@host", i).unwrap());
            wire.settle(&mut a, &mut b, &mut size);
            assert!(integers(&mut b, to).into_iter().eq(0..50), "pieces of {pieces}, seed {seed}");
        }
    }
}

#[test]
fn different_cookies() {
    let (mut one, mut other) = (storage(), storage());
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut one);
    let mut b = End::new(Config::hidden("b@host", "other").unwrap(), &mut other);
    for _ in 0..20 {
        a.node.connect("b@host").unwrap();
        let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
        wire.settle(&mut a, &mut b, || 7);
        assert!(!a.node.is_open(wire.a) && !b.node.is_open(wire.b));
        assert!(matches!(&a.news()[..], [Event::ConnectFailed { reason: Reason::CookieRefused, .. }]));
        let told = b.texts();
        assert!(told.len() == 1 && told[0].contains("Connection attempt from node 'a@host' rejected. Invalid challenge reply."));
    }
}

#[test]
fn an_acceptor_that_does_not_know_the_cookie_is_refused() {
    // it takes any proof, and its own is wrong: a mirror of what was sent to it would be
    let mut one = storage();
    let mut a = End::hidden("a@host", &mut one);
    a.node.connect("b@host").unwrap();
    let (mut connection, _) = a.node.poll_dial(at(0)).unwrap();
    a.node.handle_connected(connection, 1, at(0));
    let challenge =
        [&[0, 25, b'N'][..], &[0, 0, 0, 4, 3, 7, 0xf, 0x94], &[0, 0, 0, 9], &[0, 0, 0, 5], &[0, 6], b"b@host"].concat();
    for packet in [&b"\x00\x03sok"[..], &challenge, &[&[0, 17, b'a'][..], &[7; 16]].concat()] {
        a.node.read_buffer(connection)[..packet.len()].copy_from_slice(packet);
        a.node.handle_bytes(&mut connection, packet.len());
    }
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { reason: Reason::InvalidChallengeAck, .. }]));
}

#[test]
fn a_restarted_node_takes_the_place_of_its_old_connection() {
    let (mut one, mut other) = (storage(), storage());
    let (_, mut b, _) = connected(&mut one, &mut other);
    for _ in 0..3 {
        // the old connection is not known to be dead at b, when a comes back
        let mut fresh = storage();
        let mut again = End::hidden("a@host", &mut fresh);
        again.node.connect("b@host").unwrap();
        let mut wire = dial(&mut again, &mut b, at(1)).unwrap();
        wire.settle(&mut again, &mut b, || usize::MAX);
        assert!(again.is_up());
        let news = b.news();
        assert!(matches!(&news[..], [Event::NodeDown { reason: Reason::Superseded, .. }, Event::NodeUp { .. }]), "{news:?}");
        assert_eq!(b.node.peers().count(), 1);
    }
}

#[test]
fn nobody_ends_a_connection_by_claiming_a_name() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut foe = storage();
    let mut liar = End::new(Config::hidden("a@host", "guess").unwrap(), &mut foe);
    liar.node.connect("b@host").unwrap();
    let mut theirs = dial(&mut liar, &mut b, at(0)).unwrap();
    theirs.settle(&mut liar, &mut b, || usize::MAX);
    assert!(!liar.is_up() && a.is_up() && b.is_up());
    assert!(matches!(&b.news()[..], [Event::Refused { reason: Reason::InvalidChallengeReply, .. }]));
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    send(&mut a, from, "to", "b@host", 5).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(integers(&mut b, to), [5]);
}

#[test]
fn both_at_once_end_with_one_connection() {
    for seed in 0..500 {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
        let mut random = Seed(seed);
        a.node.connect("b@host").unwrap();
        b.node.connect("a@host").unwrap();
        let (mut left, mut right) = (None, None);
        // dials and bytes in any order, until nothing happens for a while
        let mut idle = 0;
        while idle < 200 {
            idle += 1;
            match random.below(4) {
                0 if left.is_none() => left = dial(&mut a, &mut b, at(0)),
                1 if right.is_none() => right = dial(&mut b, &mut a, at(0)),
                2 => idle *= usize::from(left.as_mut().is_none_or(|wire| wire.step(&mut a, &mut b, 1 + random.below(40)) == 0)),
                3 => idle *= usize::from(right.as_mut().is_none_or(|wire| wire.step(&mut b, &mut a, 1 + random.below(40)) == 0)),
                _ => {}
            }
        }
        assert_eq!((a.node.peers().count(), b.node.peers().count()), (1, 1), "seed {seed}: {:?} {:?}", a.texts(), b.texts());
        let failed = |event: &Event| matches!(event, Event::ConnectFailed { .. } | Event::Refused { .. });
        let (told, also) = (a.news(), b.news());
        assert!(!told.iter().chain(&also).any(failed), "seed {seed}: {told:?} {also:?}");
    }
}

#[test]
fn a_silent_caller_is_let_go_and_a_crowd_of_them_shuts_nobody_out() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    let silent: Vec<_> = (0..100).map(|_| b.node.accept(1, at(0)).unwrap()).collect();
    assert_eq!(silent.iter().filter(|connection| b.node.is_open(**connection)).count(), 8);
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(a.is_up() && b.is_up());
    assert!(b.node.poll_timeout().is_some_and(|due| due <= at(7)));
    b.node.handle_timeout(at(8));
    assert!(silent.iter().all(|connection| !b.node.is_open(*connection)));
}

#[test]
fn a_handshake_has_an_end() {
    let mut one = storage();
    let mut a = End::hidden("a@host", &mut one);
    a.node.connect("b@host").unwrap();
    a.node.poll_dial(at(10)).unwrap();
    a.node.handle_timeout(at(16));
    assert!(a.news().is_empty());
    a.node.handle_timeout(at(17));
    let timed_out = Reason::Network(NetworkFault::TimedOut);
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { reason, .. }] if *reason == timed_out));
    // and one that is connected to a host that says nothing
    a.node.connect("b@host").unwrap();
    let (connection, _) = a.node.poll_dial(at(20)).unwrap();
    a.node.handle_connected(connection, 1, at(22));
    a.node.handle_timeout(at(28));
    assert!(a.news().is_empty());
    a.node.handle_timeout(at(29));
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { reason: Reason::Timeout, .. }]));
}

#[test]
fn only_those_on_the_list() {
    let list = ["c@host", "elsewhere"];
    let (mut one, mut other) = (storage(), storage());
    let mut a = End::hidden("a@host", &mut one);
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap().allow(list).unwrap(), &mut other);
    a.node.connect("b@host").unwrap();
    dial(&mut a, &mut b, at(0)).unwrap().settle(&mut a, &mut b, || 3);
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { reason: Reason::NotAllowed, .. }]));
    assert!(matches!(&b.news()[..], [Event::Refused { reason: Reason::NotOnList, node: Some(_) }]));
}

#[test]
fn a_full_house_refuses_and_says_so() {
    let mut homes: Vec<_> = (0..3).map(|_| storage()).collect();
    let mut host = Box::new(NodeStorage::<2, 1, 4096>::new());
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut host);
    for (i, home) in homes.iter_mut().enumerate() {
        let mut guest = End::hidden(&format!("guest{i}@host"), home);
        guest.node.connect("b@host").unwrap();
        dial(&mut guest, &mut b, at(0)).unwrap().settle(&mut guest, &mut b, || usize::MAX);
        assert_eq!(guest.is_up(), i < 2);
        let told = guest.texts();
        assert!(i < 2 || told.len() == 1 && told[0].contains("the peer has no room for another node"), "{told:?}");
    }
    assert!(matches!(b.news().last(), Some(Event::Refused { reason: Reason::Full, .. })));
}

/// There was a place for each when it said its name, and none any more when it had proven who it is.
#[test]
fn a_place_that_is_lost_meanwhile_is_no_connection() {
    let mut homes: Vec<_> = (0..3).map(|_| storage()).collect();
    let mut host = Box::new(NodeStorage::<2, 1, 4096>::new());
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut host);
    let mut guests: Vec<End<'_>> =
        homes.iter_mut().enumerate().map(|(i, home)| End::hidden(&format!("guest{i}@host"), home)).collect();
    let mut wires = Vec::new();
    for guest in &mut guests {
        guest.node.connect("b@host").unwrap();
        let mut wire = dial(guest, &mut b, at(0)).unwrap();
        wire.there(guest, &mut b);
        wires.push(wire);
    }
    for (guest, wire) in guests.iter_mut().zip(&mut wires) {
        wire.settle(guest, &mut b, || 3);
    }
    assert!(guests[0].is_up() && guests[1].is_up());
    let news = guests[2].news();
    assert!(matches!(&news[..], [Event::ConnectFailed { reason: Reason::PeerFull, .. }]), "{news:?}");
}

/// It was too slow, and reads that the cookies were in order.
#[test]
fn who_took_too_long_is_told_so() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.there(&mut a, &mut b);
    wire.back(&mut a, &mut b);
    // its proof is on the way
    b.node.handle_timeout(at(7));
    assert!(matches!(&b.news()[..], [Event::Refused { reason: Reason::Timeout, node: Some(_) }]));
    wire.settle(&mut a, &mut b, || usize::MAX);
    let news = a.news();
    assert!(matches!(&news[..], [Event::ConnectFailed { reason: Reason::Timeout, .. }]), "{news:?}");
    // and one that does not even read that is not waited for
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(10)).unwrap();
    wire.there(&mut a, &mut b);
    b.node.handle_timeout(at(17));
    assert!(b.node.is_open(wire.b));
    b.node.handle_timeout(at(18));
    assert!(!b.node.is_open(wire.b));
}

#[test]
fn a_node_without_a_name_is_given_one() {
    let (mut one, mut other) = (storage(), storage());
    let mut a = End::new(Config::dynamic("host", "secret").unwrap(), &mut one);
    let mut b = End::hidden("b@host", &mut other);
    let mailbox = a.node.register("me").unwrap();
    assert!(a.node.name().is_none() && a.node.pid(mailbox).is_err());
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || 5);
    let name = a.node.name().unwrap().to_string();
    assert!(a.is_up() && name.ends_with("@host") && name.starts_with('R'), "{name}");
    assert!(b.node.peers().any(|peer| peer.name.as_str() == name));
    let to = b.node.register("to").unwrap();
    send(&mut a, mailbox, "to", "b@host", 1).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (message, _) = b.node.recv(to).unwrap();
    assert!(message.sender().is_some_and(|pid| pid.node == *name));
}

#[test]
fn long_and_short_names_do_not_meet() {
    let mut one = storage();
    let mut a = End::hidden("a@host", &mut one);
    assert!(a.node.connect("b@host.example").unwrap_err().to_string().contains("short name"));
    assert!(a.node.connect("b").is_err() && a.node.connect("a@host").is_err());
    assert_eq!(a.node.poll_timeout(), None);
}

#[test]
fn what_is_no_handshake_is_refused_without_a_panic() {
    let garbage: [&[u8]; 5] = [b"GET / HTTP/1.1\r\n\r\n", &[0; 64], &[0xff; 64], &[0, 1, b'N'], &[2, 0x80, b'N']];
    for bytes in garbage {
        let mut one = storage();
        let mut a = End::hidden("a@host", &mut one);
        let mut connection = a.node.accept(1, at(0)).unwrap();
        a.node.read_buffer(connection)[..bytes.len()].copy_from_slice(bytes);
        a.node.handle_bytes(&mut connection, bytes.len());
        a.node.handle_timeout(at(10));
        assert!(!a.node.is_open(connection));
    }
}

#[test]
fn a_stranger_names_nobody() {
    let (mut one, mut other) = (storage(), storage());
    let mut a = End::new(Config::dynamic("host", "secret").unwrap(), &mut one);
    let mut b = End::new(Config::hidden("b@host", "wrong").unwrap(), &mut other);
    a.node.connect("b@host").unwrap();
    dial(&mut a, &mut b, at(0)).unwrap().settle(&mut a, &mut b, || usize::MAX);
    assert!(a.node.name().is_none() && !a.is_up());
}

#[test]
fn a_dynamic_node_makes_its_connections_one_after_the_other() {
    let (mut one, mut other, mut third) = (storage(), storage(), storage());
    let mut a = End::new(Config::dynamic("host", "secret").unwrap(), &mut one);
    let (mut b, mut c) = (End::hidden("b@host", &mut other), End::hidden("c@host", &mut third));
    a.node.connect("b@host").unwrap();
    a.node.connect("c@host").unwrap();
    let mut first = dial(&mut a, &mut b, at(0)).unwrap();
    assert!(a.node.poll_dial(at(0)).is_none());
    first.settle(&mut a, &mut b, || usize::MAX);
    dial(&mut a, &mut c, at(0)).unwrap().settle(&mut a, &mut c, || usize::MAX);
    assert_eq!(a.node.peers().count(), 2);
    let name = a.node.name().unwrap().to_string();
    assert!([&b, &c].iter().all(|end| end.node.peers().any(|peer| peer.name.as_str() == name)));
}

#[test]
fn attempts_of_our_own_leave_places_for_callers() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    assert!((0..100).any(|i| a.node.connect(&format!("x{i}@host")).is_err()));
    while a.node.poll_dial(at(0)).is_some() {}
    b.node.connect("a@host").unwrap();
    dial(&mut b, &mut a, at(0)).unwrap().settle(&mut b, &mut a, || usize::MAX);
    assert!(a.is_up() && b.is_up());
}

/// The greater name's attempt would stay, but it has not reached the peer, and may never do so.
#[test]
fn an_attempt_that_leads_nowhere_turns_nobody_away() {
    let (mut one, mut other) = (storage(), storage());
    let (mut z, mut a) = (End::hidden("z@host", &mut one), End::hidden("a@host", &mut other));
    z.node.connect("a@host").unwrap();
    z.node.poll_dial(at(0)).unwrap();
    a.node.connect("z@host").unwrap();
    dial(&mut a, &mut z, at(1)).unwrap().settle(&mut a, &mut z, || usize::MAX);
    z.node.handle_timeout(at(9));
    assert!(a.is_up() && z.is_up());
    assert!(matches!(&z.news()[..], [Event::NodeUp { .. }]));
}

#[test]
fn a_caller_of_the_same_name_is_told_apart() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut again) = (End::hidden("a@host", &mut one), End::hidden("a@host", &mut other));
    // it was told that b is where a is
    again.node.connect("b@host").unwrap();
    dial(&mut again, &mut a, at(0)).unwrap().settle(&mut again, &mut a, || usize::MAX);
    assert!(matches!(&a.news()[..], [Event::Refused { reason: Reason::OwnName, .. }]));
    assert!(matches!(&again.news()[..], [Event::ConnectFailed { reason: Reason::OwnName, .. }]));
}

/// A program that sends again as soon as it is told that a connection could not be made: that waits for another attempt.
#[test]
fn what_is_sent_after_a_failed_attempt_begins_another() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    send(&mut a, from, "to", "b@host", 1).unwrap();
    let (attempt, _) = a.node.poll_dial(at(0)).unwrap();
    a.node.handle_unreachable(attempt, NetworkFault::Refused);
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { .. }]));
    send(&mut a, from, "to", "b@host", 2).unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(integers(&mut b, to), [2]);
}
