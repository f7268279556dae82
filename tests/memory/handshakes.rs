//! Handshakes: every cut, every refusal, and two that connect to each other at once.

use beamless::{Config, Connection, Error, Event, Instant, Misuse, NetworkFault, Node, NodeStorage, Origin, Reason};

use crate::pair::{End, Seed, Wire, at, connected, dial, integers, send, storage};

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

/// Milliseconds of the simulated clock.
fn ms(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn from(address: &str) -> Origin {
    Origin::from(address.parse::<std::net::IpAddr>().unwrap())
}

/// Calls `node` in the name of `name`: sends the first packet.
fn say_name(node: &mut Node<'_>, connection: &mut Connection, name: &str) {
    let mut body =
        [&b"N\0\0\0\x0d\x07\x4f\x4f\xbc\0\0\0\x09\0"[..], &[u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    body.splice(0..0, [0, u8::try_from(body.len()).unwrap()]);
    feed(node, connection, &body);
}

fn feed(node: &mut Node<'_>, connection: &mut Connection, bytes: &[u8]) {
    node.read_buffer(*connection)[..bytes.len()].copy_from_slice(bytes);
    node.handle_bytes(connection, bytes.len());
}

/// What the node has for the connection, as if it were sent.
fn sent(node: &mut Node<'_>, connection: Connection) -> Vec<u8> {
    let bytes = node.poll_transmit(connection).to_vec();
    node.handle_transmitted(connection, bytes.len());
    bytes
}

#[test]
fn silent_callers_are_let_go_and_a_crowd_of_them_shuts_nobody_out() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    // one every ten milliseconds: when eight places are taken, the oldest makes way; two are kept for attempts of our own
    let silent: Vec<_> = (0..100).map(|i| b.node.accept(Origin::default(), 1, ms(10 * i)).unwrap()).collect();
    assert_eq!(silent.iter().filter(|connection| b.node.is_open(**connection)).count(), 8);
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(1)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(a.is_up() && b.is_up());
    assert!(b.node.poll_timeout().is_some_and(|due| due <= at(8)));
    b.node.handle_timeout(at(9));
    assert!(silent.iter().all(|connection| !b.node.is_open(*connection)));
}

/// As many as there can be peers, at once and from one address, on a line so slow that nobody is done before all have begun.
#[test]
fn a_whole_cluster_connects_at_once() {
    let mut host = Box::new(NodeStorage::<48, 1, 4096>::new());
    let mut hub = End::new(Config::hidden("b@host", "secret").unwrap(), &mut host);
    let mut homes: Vec<_> = (0..48).map(|_| storage()).collect();
    let mut ends: Vec<_> = homes.iter_mut().enumerate().map(|(i, home)| End::hidden(&format!("n{i}@host"), home)).collect();
    let mut wires: Vec<_> = ends
        .iter_mut()
        .map(|end| {
            end.node.connect("b@host").unwrap();
            dial(end, &mut hub, at(0)).unwrap()
        })
        .collect();
    for _ in 0..8 {
        for (end, wire) in ends.iter_mut().zip(&mut wires) {
            wire.step(end, &mut hub, usize::MAX);
        }
    }
    assert_eq!(ends.iter().filter(|end| end.is_up()).count(), 48, "{:?}", hub.texts());
    assert_eq!(hub.node.peers().count(), 48);
}

/// A flood from one address, of callers who say nothing or who give a name: those from elsewhere keep their places, however slow they are,
/// and find places.
#[test]
fn a_flood_takes_its_own_places() {
    for named in [false, true] {
        let mut home = storage();
        let mut b = End::hidden("b@host", &mut home);
        let mut honest: Vec<_> = (1..=3)
            .map(|i| {
                let mut connection = b.node.accept(from(&format!("10.0.0.{i}")), 1, ms(0)).unwrap();
                say_name(&mut b.node, &mut connection, &format!("a{i}@host"));
                connection
            })
            .collect();
        let (mut taken, mut waited) = (0, 0);
        // ten times more than it takes for each to be the oldest, over six seconds
        for now in (6..6000).step_by(6) {
            match b.node.accept(from("10.9.9.9"), 1, ms(now)) {
                Ok(mut connection) => {
                    taken += 1;
                    if named {
                        say_name(&mut b.node, &mut connection, "flood@host");
                    }
                }
                Err(at) => {
                    assert!(at >= ms(now), "in the past");
                    waited += 1;
                }
            }
            // an honest one from elsewhere now and then
            if now % 1998 == 0 {
                let until =
                    (now..now + 200).find_map(|now| b.node.accept(from(&format!("10.0.1.{}", now % 251)), 1, ms(now)).ok());
                let mut connection = until.expect("a place within a moment");
                say_name(&mut b.node, &mut connection, &format!("late{now}@host"));
                honest.push(connection);
            }
            // what is told is sent
            assert!(honest.iter().all(|connection| b.node.is_open(*connection)), "at {now}, {named}");
        }
        assert!(taken > 10 && honest.len() == 6, "{taken} taken, {waited} waited, {named}");
    }
}

/// One address has many callers who are all doing well, another's have been silent: those go, though they are fewer.
#[test]
fn callers_behind_one_address_are_not_thrown_out_while_they_go_on() {
    let mut home = storage();
    let mut b = End::hidden("b@host", &mut home);
    let mut crowd: Vec<_> = (0..5).map(|_| b.node.accept(from("10.0.0.1"), 1, ms(0)).unwrap()).collect();
    for _ in 0..3 {
        b.node.accept(from("10.9.9.9"), 1, ms(0)).unwrap();
    }
    for (i, connection) in crowd.iter_mut().enumerate() {
        say_name(&mut b.node, connection, &format!("n{i}@host"));
    }
    b.node.handle_timeout(ms(90));
    for _ in 0..20 {
        let _ = b.node.accept(from("10.9.9.9"), 1, ms(100));
    }
    assert!(crowd.iter().all(|connection| b.node.is_open(*connection)));
}

/// Nobody who has given a name, and holds no more than the newcomer would, goes before he has had a second: the newcomer waits.
#[test]
fn a_newcomer_waits_for_its_equals() {
    let mut home = storage();
    let mut b = End::hidden("b@host", &mut home);
    for i in 0..8 {
        let mut connection = b.node.accept(from(&format!("10.0.0.{i}")), 1, ms(0)).unwrap();
        say_name(&mut b.node, &mut connection, &format!("n{i}@host"));
        sent(&mut b.node, connection);
    }
    assert_eq!(b.node.accept(from("10.0.1.1"), 1, ms(500)), Err(ms(1500)));
    // the first of them is done, if only by going away
    b.node.handle_timeout(ms(500));
    assert_eq!(b.node.accept(from("10.0.1.1"), 1, ms(600)), Err(ms(1500)));
    // their steps were noticed at 500, and a second later one of them is told
    let at = b.node.accept(from("10.0.1.1"), 1, ms(1500)).unwrap_err();
    assert_eq!(at, ms(1500));
}

/// Who is thrown out while it may be sending its proof is told, and does not take the end for an answer to that.
#[test]
fn who_is_thrown_out_reads_why() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, ms(0)).unwrap();
    wire.there(&mut a, &mut b);
    wire.back(&mut a, &mut b);
    // its proof is on its way; the others take all places
    b.node.poll_dial(ms(0));
    for _ in 0..7 {
        b.node.accept(from("10.0.0.2"), 1, ms(1000)).unwrap();
    }
    let proof = sent(&mut a.node, wire.a);
    assert_eq!(proof[2], b'r');
    assert_eq!(b.node.accept(Origin::default(), 1, ms(1001)), Err(ms(1001)));
    wire.back(&mut a, &mut b);
    let news = a.news();
    assert!(matches!(&news[..], [Event::ConnectFailed { reason: Reason::Crowded, .. }]), "{news:?}");
    assert!(!b.node.is_open(wire.b) && b.node.accept(Origin::default(), 1, ms(1001)).is_ok());
}

#[test]
fn each_step_has_seven_seconds_and_all_have_an_end() {
    let mut one = storage();
    let mut a = End::hidden("a@host", &mut one);
    a.node.connect("b@host").unwrap();
    let (connection, _) = a.node.poll_dial(at(10)).unwrap();
    a.node.handle_timeout(at(16));
    assert!(a.news().is_empty());
    // a step on the way has the whole time again, but not for ever
    for now in [16, 22, 28] {
        a.node.handle_dialling(connection, at(now));
        a.node.handle_timeout(at(now + 2));
    }
    assert!(a.news().is_empty());
    assert_eq!(a.node.poll_timeout(), Some(at(31)));
    a.node.handle_timeout(at(31));
    let timed_out = Reason::Network(NetworkFault::TimedOut);
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { reason, .. }] if *reason == timed_out));
    // and one that is connected to a host that says nothing
    a.node.connect("b@host").unwrap();
    let (connection, _) = a.node.poll_dial(at(40)).unwrap();
    a.node.handle_connected(connection, 1, at(42));
    a.node.handle_timeout(at(48));
    assert!(a.news().is_empty());
    a.node.handle_timeout(at(49));
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { reason: Reason::Timeout, .. }]));
}

/// Three seconds each way: more than seven for the whole, less for each step.
#[test]
fn a_slow_line_is_waited_for() {
    for (setup, up) in [(7, true), (5, false)] {
        let (mut one, mut other) = (storage(), storage());
        let config =
            |name: &str| Config::hidden(name, "secret").unwrap().setup_time(std::time::Duration::from_secs(setup)).unwrap();
        let (mut a, mut b) = (End::new(config("a@host"), &mut one), End::new(config("b@host"), &mut other));
        a.node.connect("b@host").unwrap();
        let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
        let mut now = 0;
        for _ in 0..2 {
            for there in [true, false] {
                now += 3;
                a.node.handle_timeout(at(now));
                b.node.handle_timeout(at(now));
                if there {
                    wire.there(&mut a, &mut b)
                } else {
                    wire.back(&mut a, &mut b)
                }
                a.node.poll_dial(at(now));
                b.node.poll_dial(at(now));
            }
        }
        assert_eq!((a.is_up(), b.is_up()), (up, up), "{setup}");
    }
}

/// A caller that sends a byte now and then, or a packet as late as it may, does not stay.
#[test]
fn a_caller_that_takes_its_time_is_let_go() {
    let mut home = storage();
    let mut b = End::hidden("b@host", &mut home);
    let mut connection = b.node.accept(Origin::default(), 1, at(0)).unwrap();
    for (now, byte) in (0..7).zip([0, 100, b'N', 0, 0, 0, 0]) {
        feed(&mut b.node, &mut connection, &[byte]);
        b.node.handle_timeout(at(now));
        assert!(b.node.is_open(connection), "{now}");
    }
    b.node.handle_timeout(at(7));
    assert!(!b.node.is_open(connection));
}

/// The first packets of TLS: those of a caller, and the answer of a node to ours.
#[test]
fn tls_is_known_by_its_first_bytes() {
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 100]].concat();
    for cut in [2, 3, hello.len()] {
        let mut home = storage();
        let mut b = End::hidden("b@host", &mut home);
        let mut connection = b.node.accept(Origin::default(), 1, at(0)).unwrap();
        feed(&mut b.node, &mut connection, &hello[..cut]);
        assert!(!b.node.is_open(connection));
        let told = b.texts();
        assert!(told.len() == 1 && told[0].contains("speaks TLS") && told[0].contains("-proto_dist inet_tls"), "{told:?}");
    }
    let mut home = storage();
    let mut a = End::hidden("a@host", &mut home);
    a.node.connect("b@host").unwrap();
    let (mut connection, _) = a.node.poll_dial(at(0)).unwrap();
    a.node.handle_connected(connection, 1, at(0));
    feed(&mut a.node, &mut connection, &[0x15, 3, 3, 0, 2, 2, 10]);
    let told = a.texts();
    assert!(told.len() == 1 && told[0].contains("b@host") && told[0].contains("speaks TLS"), "{told:?}");
}

/// The challenge in packets of a node that was called, or called.
fn challenge(packets: &[u8], kind: u8) -> u32 {
    let mut rest = packets;
    loop {
        let (length, body) = rest.split_at(2);
        let (body, behind) = body.split_at(usize::from(u16::from_be_bytes([length[0], length[1]])));
        let at = if kind == b'N' { 9 } else { 1 };
        if body[0] == kind {
            return u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
        }
        rest = behind;
    }
}

/// What a node that is called `name` answers to a caller: ok, and this challenge.
fn ask(name: &str, challenge: u32) -> Vec<u8> {
    let mut body = [&b"N\0\0\0\x0d\x07\x4f\x4f\xbc"[..], &challenge.to_be_bytes(), &[0, 0, 0, 9, 0]].concat();
    body.push(u8::try_from(name.len()).unwrap());
    body.extend(name.as_bytes());
    let mut packets = b"\0\x03sok\0".to_vec();
    packets.push(u8::try_from(body.len()).unwrap());
    packets.extend(body);
    packets
}

/// Somebody without the cookie is dialled, and has the node answer the challenge that it gave him on a connection of his own.
#[test]
fn a_challenge_of_our_own_is_not_answered() {
    let mut home = storage();
    let mut a = End::hidden("a@host", &mut home);
    let mut inbound = a.node.accept(from("10.9.9.9"), 0x1111_2222, at(0)).unwrap();
    say_name(&mut a.node, &mut inbound, "x@host");
    let asked = challenge(&sent(&mut a.node, inbound), b'N');
    // and another that came to the challenge as one who is dialled
    for peer in ["b@host", "c@host"] {
        a.node.connect(peer).unwrap();
    }
    let (mut first, _) = a.node.poll_dial(at(0)).unwrap();
    let (mut second, _) = a.node.poll_dial(at(0)).unwrap();
    a.node.handle_connected(first, 0x3333_4444, at(0));
    a.node.handle_connected(second, 0x5555_6666, at(0));
    sent(&mut a.node, first);
    sent(&mut a.node, second);
    feed(&mut a.node, &mut first, &ask("b@host", asked));
    assert!(sent(&mut a.node, first).is_empty(), "it was answered");
    assert!(!a.node.is_open(first) && !a.node.is_open(inbound));
    let news = a.news();
    let [
        Event::Refused { node: Some(caller), reason: Reason::Reflected },
        Event::ConnectFailed { node, reason: Reason::Reflected },
    ] = &news[..]
    else {
        panic!("{news:?}")
    };
    assert_eq!((caller.as_str(), node.as_str()), ("x@host", "b@host"));
    // two that it dials, and the challenge that it sent to one of them
    feed(&mut a.node, &mut second, &ask("c@host", 7));
    let asked = challenge(&sent(&mut a.node, second), b'r');
    a.node.connect("b@host").unwrap();
    let (mut first, _) = a.node.poll_dial(at(1)).unwrap();
    a.node.handle_connected(first, 0x7777_8888, at(1));
    sent(&mut a.node, first);
    feed(&mut a.node, &mut first, &ask("b@host", asked));
    assert!(sent(&mut a.node, first).is_empty(), "it was answered");
    assert!(!a.node.is_open(first) && !a.node.is_open(second));
    let news = a.news();
    assert!(news.iter().all(|event| matches!(event, Event::ConnectFailed { reason: Reason::Reflected, .. })) && news.len() == 2);
    // and then its own to the node itself, which goes through
    let mut other = storage();
    let mut b = End::hidden("b@host", &mut other);
    a.node.connect("b@host").unwrap();
    dial(&mut a, &mut b, at(2)).unwrap().settle(&mut a, &mut b, || usize::MAX);
    assert!(a.is_up() && b.is_up());
}

/// The other order: the answer was got first, and the node must not ask for it.
#[test]
fn what_was_answered_is_not_asked() {
    let mut home = storage();
    let mut a = End::hidden("a@host", &mut home);
    a.node.connect("b@host").unwrap();
    let (mut dialled, _) = a.node.poll_dial(at(0)).unwrap();
    a.node.handle_connected(dialled, 1, at(0));
    sent(&mut a.node, dialled);
    feed(&mut a.node, &mut dialled, &ask("b@host", 0x1111_2222));
    assert_eq!(sent(&mut a.node, dialled)[2], b'r');
    a.node.handle_closed(dialled, None);
    let mut inbound = a.node.accept(Origin::default(), 0x1111_2222, at(1)).unwrap();
    say_name(&mut a.node, &mut inbound, "x@host");
    assert_ne!(challenge(&sent(&mut a.node, inbound), b'N'), 0x1111_2222);
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
    // its proof is on the way, and the time for it began when b looked at the time
    b.node.handle_timeout(at(0));
    b.node.handle_timeout(at(7));
    assert!(matches!(&b.news()[..], [Event::Refused { reason: Reason::Timeout, node: Some(_) }]));
    wire.settle(&mut a, &mut b, || usize::MAX);
    let news = a.news();
    assert!(matches!(&news[..], [Event::ConnectFailed { reason: Reason::Timeout, .. }]), "{news:?}");
    // and one that does not even read that is not waited for
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(10)).unwrap();
    wire.there(&mut a, &mut b);
    b.node.handle_timeout(at(10));
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
        let mut connection = a.node.accept(Origin::default(), 1, at(0)).unwrap();
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

/// From then on that node may give it to another.
#[test]
fn a_name_goes_with_the_node_that_gave_it() {
    let (mut one, mut other, mut third) = (storage(), storage(), storage());
    let mut a = End::new(Config::dynamic("host", "secret").unwrap(), &mut one);
    let (mut b, mut c) = (End::hidden("b@host", &mut other), End::hidden("c@host", &mut third));
    let mailbox = a.node.register("me").unwrap();
    for _ in 0..2 {
        a.node.connect("b@host").unwrap();
        let mut first = dial(&mut a, &mut b, at(0)).unwrap();
        first.settle(&mut a, &mut b, || usize::MAX);
        a.node.connect("c@host").unwrap();
        let mut second = dial(&mut a, &mut c, at(0)).unwrap();
        second.settle(&mut a, &mut c, || usize::MAX);
        let name = a.node.name().unwrap().to_string();
        a.news();
        // one that took the name as it is takes nothing with it
        a.node.handle_closed(second.a, None);
        assert_eq!(a.texts().len(), 1);
        assert_eq!(a.node.name().unwrap().to_string(), name);
        c.node.handle_closed(second.b, None);
        a.node.connect("c@host").unwrap();
        let mut second = dial(&mut a, &mut c, at(0)).unwrap();
        second.settle(&mut a, &mut c, || usize::MAX);
        a.news();
        a.node.handle_closed(first.a, None);
        b.node.handle_closed(first.b, None);
        let (lost, gone) = (Reason::NameLost, a.news());
        assert!(matches!(&gone[..], [Event::NodeDown { node: b, .. }, Event::NodeDown { node: c, reason }]
            if b.as_str() == "b@host" && c.as_str() == "c@host" && *reason == lost));
        assert!(a.node.name().is_none() && !a.is_up() && a.node.pid(mailbox).is_err());
        assert!(matches!(send(&mut a, mailbox, "to", "b@host", 1), Err(Error::Misuse(Misuse::NoName))));
        c.node.handle_closed(second.b, None);
    }
}

/// Half of it has the name, and the name is gone.
#[test]
fn a_handshake_ends_with_the_name_that_it_says() {
    let (mut one, mut other, mut third) = (storage(), storage(), storage());
    let mut a = End::new(Config::dynamic("host", "secret").unwrap(), &mut one);
    let (mut b, mut c) = (End::hidden("b@host", &mut other), End::hidden("c@host", &mut third));
    a.node.connect("b@host").unwrap();
    let mut first = dial(&mut a, &mut b, at(0)).unwrap();
    first.settle(&mut a, &mut b, || usize::MAX);
    a.node.connect("c@host").unwrap();
    let second = dial(&mut a, &mut c, at(0)).unwrap();
    a.news();
    a.node.disconnect("b@host").unwrap();
    let gone = a.news();
    assert!(matches!(gone[..], [Event::NodeDown { .. }, Event::ConnectFailed { reason: Reason::NameLost, .. }]), "{gone:?}");
    assert!(!a.node.is_open(second.a));
    c.node.handle_closed(second.b, None);
    a.node.connect("c@host").unwrap();
    dial(&mut a, &mut c, at(0)).unwrap().settle(&mut a, &mut c, || usize::MAX);
    let name = a.node.name().unwrap().to_string();
    assert!(c.node.peers().any(|peer| peer.name.as_str() == name));
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

/// Neither knew of the other's attempt in time to refuse it: whichever handshake is done last, the connection that the greater name made
/// stays, as a node of Erlang would have it, which may be the other side.
#[test]
fn of_two_connections_that_both_come_up_the_greater_names_stays() {
    for greater_is_last in [true, false] {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
        a.node.connect("b@host").unwrap();
        b.node.connect("a@host").unwrap();
        // b is still on its way when a says its name there
        let (from_b, _) = b.node.poll_dial(at(0)).unwrap();
        let mut of_a = dial(&mut a, &mut b, at(0)).unwrap();
        of_a.there(&mut a, &mut b);
        let mut of_b = Wire { a: from_b, b: a.node.accept(Origin::default(), 7, at(0)).unwrap() };
        b.node.handle_connected(from_b, 8, at(0));
        // it waits for a, but not for long
        b.node.handle_timeout(at(6));
        of_b.there(&mut b, &mut a);
        // a has answered b's challenge, and so proven itself
        of_a.back(&mut a, &mut b);
        let proof = sent(&mut a.node, of_a.a);
        if greater_is_last {
            feed(&mut b.node, &mut of_a.b, &proof);
            of_a.settle(&mut a, &mut b, || usize::MAX);
            assert!(a.is_up() && b.is_up());
            of_b.settle(&mut b, &mut a, || usize::MAX);
        } else {
            of_b.settle(&mut b, &mut a, || usize::MAX);
            assert!(a.is_up() && b.is_up());
            feed(&mut b.node, &mut of_a.b, &proof);
            sent(&mut b.node, of_a.b);
        }
        assert!(b.node.is_open(of_b.a) && a.node.is_open(of_b.b) && !b.node.is_open(of_a.b), "{greater_is_last}");
        let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
        send(&mut a, from, "to", "b@host", 5).unwrap();
        of_b.settle(&mut b, &mut a, || usize::MAX);
        assert_eq!(integers(&mut b, to), [5]);
    }
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

/// Of two connections that are made at once, that of the greater name stays.
#[test]
fn both_agree_on_the_connection_that_stays() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    a.node.connect("b@host").unwrap();
    b.node.connect("a@host").unwrap();
    let (mut left, mut right) = (dial(&mut a, &mut b, at(0)).unwrap(), dial(&mut b, &mut a, at(0)).unwrap());
    while left.step(&mut a, &mut b, usize::MAX) + right.step(&mut b, &mut a, usize::MAX) > 0 {}
    assert!(a.is_up() && b.is_up());
    assert!(b.node.is_open(right.a) && a.node.is_open(right.b));
    assert!(!a.node.is_open(left.a) && !b.node.is_open(left.b));
}

/// An attempt that went so far and no further.
#[test]
fn how_far_an_attempt_came_is_told() {
    for (status, reason) in [
        (&b"\x00\x03sok"[..], Reason::Timeout),
        (b"\x00\x04snok", Reason::Nok),
        (b"\x00\x06salive", Reason::OldConnection),
        (b"\x00\x0csnot_allowed", Reason::NotAllowed),
    ] {
        let mut one = storage();
        let mut a = End::hidden("a@host", &mut one);
        a.node.connect("b@host").unwrap();
        let (mut connection, _) = a.node.poll_dial(at(0)).unwrap();
        a.node.handle_connected(connection, 1, at(0));
        sent(&mut a.node, connection);
        feed(&mut a.node, &mut connection, status);
        a.node.handle_timeout(at(0));
        assert!(a.news().is_empty());
        a.node.handle_timeout(at(7));
        let news = a.news();
        assert!(matches!(&news[..], [Event::ConnectFailed { reason: told, .. }] if *told == reason), "{news:?}");
    }
}

/// What it was to say is still here, and nobody takes it.
#[test]
fn an_attempt_that_failed_is_told_once() {
    let mut one = storage();
    let mut a = End::hidden("a@host", &mut one);
    a.node.connect("b@host").unwrap();
    let (connection, _) = a.node.poll_dial(at(0)).unwrap();
    a.node.handle_connected(connection, 1, at(0));
    a.node.handle_closed(connection, None);
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { reason: Reason::ClosedByPeer, .. }]));
    (1..30).for_each(|second| a.node.handle_timeout(at(second)));
    assert!(a.news().is_empty() && !a.node.is_open(connection));
}

/// Many that began together end together: the program reads of each, a few in each call.
#[test]
fn those_that_end_together_are_told_in_turn() {
    let mut one = storage();
    let mut b = End::hidden("b@host", &mut one);
    for i in 0..6 {
        let mut connection = b.node.accept(from(&format!("10.0.0.{i}")), 1, at(0)).unwrap();
        say_name(&mut b.node, &mut connection, &format!("n{i}@host"));
    }
    b.node.handle_timeout(at(0));
    for told in [4, 2] {
        assert!(b.node.poll_timeout().is_some_and(|due| due <= at(7)));
        b.node.handle_timeout(at(7));
        let news = b.news();
        assert_eq!(news.len(), told, "{news:?}");
        assert!(news.iter().all(|event| matches!(event, Event::Refused { reason: Reason::Timeout, .. })));
    }
}

#[test]
fn a_node_is_as_visible_as_it_says() {
    for visible in [false, true] {
        let (mut one, mut other) = (storage(), storage());
        let config = if visible { Config::visible("a@host", "secret") } else { Config::hidden("a@host", "secret") };
        let (mut a, mut b) = (End::new(config.unwrap(), &mut one), End::hidden("b@host", &mut other));
        a.node.connect("b@host").unwrap();
        dial(&mut a, &mut b, at(0)).unwrap().settle(&mut a, &mut b, || usize::MAX);
        assert_eq!(a.node.is_visible(), visible);
        assert!(matches!(&b.news()[..], [Event::NodeUp { visible: seen, .. }] if *seen == visible));
    }
}

/// A packet may have 640 bytes, its length included.
#[test]
fn a_packet_too_long_is_refused_when_its_length_is_here() {
    for (len, is_taken) in [(638_u16, true), (639, false), (u16::MAX, false)] {
        let mut one = storage();
        let mut b = End::hidden("b@host", &mut one);
        let mut connection = b.node.accept(Origin::default(), 1, at(0)).unwrap();
        feed(&mut b.node, &mut connection, &len.to_be_bytes());
        assert_eq!((b.node.is_open(connection), b.news().is_empty()), (is_taken, is_taken), "{len}");
    }
}

/// A quarter of the places, and eight at most.
#[test]
fn some_places_are_kept_for_attempts_of_our_own() {
    let mut host = Box::new(NodeStorage::<48, 1, 4096>::new());
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut host);
    let callers: Vec<_> = (0..100).map_while(|_| b.node.accept(Origin::default(), 1, at(0)).ok()).collect();
    assert_eq!(callers.len(), 48);
}

/// The time that a newcomer is told is that at which there is a place.
#[test]
fn a_newcomer_finds_a_place_when_it_was_told_to_ask_again() {
    let mut one = storage();
    let mut b = End::hidden("b@host", &mut one);
    for _ in 0..8 {
        b.node.accept(from("10.0.0.1"), 1, ms(100)).unwrap();
    }
    let at = b.node.accept(from("10.0.0.2"), 1, ms(101)).unwrap_err();
    assert!(at > ms(101));
    assert!(b.node.accept(from("10.0.0.2"), 1, at).is_ok());
}

/// Of those that have been silent, one goes whose address has the most places, though others have been silent longer; and of those one
/// without a name.
#[test]
fn who_has_the_most_places_makes_way() {
    let mut one = storage();
    let mut b = End::hidden("b@host", &mut one);
    let few: Vec<_> = (0..3).map(|i| b.node.accept(from("10.0.0.1"), 1, ms(i)).unwrap()).collect();
    let mut named = b.node.accept(from("10.0.0.2"), 1, ms(10)).unwrap();
    say_name(&mut b.node, &mut named, "n@host");
    let many: Vec<_> = (0..4).map(|_| b.node.accept(from("10.0.0.2"), 1, ms(20)).unwrap()).collect();
    b.node.handle_timeout(ms(30));
    for gone in 0..2 {
        b.node.accept(from(&format!("10.0.1.{gone}")), 1, ms(1000)).unwrap();
        assert!(few.iter().chain([&named]).all(|connection| b.node.is_open(*connection)), "{gone}");
        let open: Vec<_> = many.iter().map(|connection| b.node.is_open(*connection)).collect();
        assert_eq!(open, [false, gone == 0, true, true], "the one that came first");
    }
}

/// What was not begun with is of the next name.
#[test]
fn an_attempt_that_was_not_begun_outlives_the_name() {
    let (mut one, mut other, mut third) = (storage(), storage(), storage());
    let mut a = End::new(Config::dynamic("host", "secret").unwrap(), &mut one);
    let (mut b, mut c) = (End::hidden("b@host", &mut other), End::hidden("c@host", &mut third));
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    a.node.connect("c@host").unwrap();
    a.news();
    a.node.handle_closed(wire.a, None);
    assert!(matches!(&a.news()[..], [Event::NodeDown { .. }]));
    dial(&mut a, &mut c, at(1)).unwrap().settle(&mut a, &mut c, || usize::MAX);
    assert!(a.is_up() && c.is_up() && a.node.name().is_some());
}
