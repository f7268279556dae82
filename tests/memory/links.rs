//! Links: ticks, silence, frames that are too large, and what a peer may not do.

use beamless::{Config, Event, NodeStorage, Reason};

use crate::pair::{End, at, connected, dial, integers, send, storage};

#[test]
fn idle_for_an_hour_and_silent_after_a_minute() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut ticks = 0;
    for second in 0..3600 {
        a.node.handle_timeout(at(second));
        b.node.handle_timeout(at(second));
        ticks += wire.step(&mut a, &mut b, usize::MAX) / 4;
    }
    assert!(a.is_up() && b.is_up() && a.news().is_empty() && b.news().is_empty());
    // one of each side every 15 seconds, and some that answer another
    assert!((470..=960).contains(&ticks), "{ticks} ticks");
    // the line is cut
    let ended = (3600..4000).find(|second| {
        a.node.handle_timeout(at(*second));
        !a.is_up()
    });
    assert!(ended.is_some_and(|second| (3655..=3680).contains(&second)), "{ended:?}");
    assert!(matches!(&a.news()[..], [Event::NodeDown { reason: Reason::Silent, .. }]));
}

#[test]
fn a_tick_time_of_its_own() {
    let (mut one, mut other) = (storage(), storage());
    let config = Config::hidden("a@host", "secret").unwrap().tick_time(std::time::Duration::from_secs(4)).unwrap();
    let mut a = End::new(config, &mut one);
    // b has the usual minute; it answers a's ticks, so a does not find it silent
    let mut b = End::hidden("b@host", &mut other);
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    for second in 0..300 {
        a.node.handle_timeout(at(second));
        b.node.handle_timeout(at(second));
        while wire.step(&mut a, &mut b, usize::MAX) > 0 {}
    }
    assert!(a.is_up() && b.is_up());
}

#[test]
fn a_frame_too_large_is_skipped_in_step() {
    let (mut one, mut other) = (Box::new(NodeStorage::<2, 2, 65_536>::new()), storage());
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut one);
    let mut b = End::hidden("b@host", &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    for pieces in [1, 7, 1000, usize::MAX] {
        wire.settle(&mut a, &mut b, || pieces);
        a.news();
        b.news();
        for size in [4000, 4096, 20_000, 60_000] {
            let big = vec![7; size];
            a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.binary(&big)).unwrap();
            send(&mut a, from, "to", "b@host", 3).unwrap();
            wire.settle(&mut a, &mut b, || pieces);
            if size == 4000 {
                let (message, _) = b.node.recv(to).unwrap();
                assert_eq!(message.term().as_binary(), Some(&big[..]));
            } else {
                let told = b.texts();
                let expected = format!("REG_SEND to to from a@host <0.1.0> is too large: {} bytes, skipped", size + 43);
                assert_eq!(told, [expected]);
            }
            assert_eq!(integers(&mut b, to), [3]);
            assert!(b.is_up());
        }
    }
}

/// What `global` says of a cluster may be larger than the buffer: it is answered all the same, and reported to nobody.
#[test]
fn a_cluster_of_any_size_is_in_sync() {
    let (mut one, mut other) = (Box::new(NodeStorage::<2, 2, 65_536>::new()), storage());
    let mut a = End::new(Config::visible("a@host", "secret").unwrap(), &mut one);
    let mut b = End::new(Config::visible("b@host", "secret").unwrap(), &mut other);
    let server = a.node.register("global_name_server").unwrap();
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    b.news();
    for known in [0, 1, 1000] {
        let sent = a.node.outbox(server).unwrap().cast(("global_name_server", "b@host"), |t| {
            t.tuple(4)?.atom("init_connect")?.tuple(2)?.int(8)?.int(-1)?.atom("a@host")?.list(known)?;
            for _ in 0..known {
                t.atom("another@host")?;
            }
            t.nil()
        });
        sent.unwrap();
        wire.settle(&mut a, &mut b, || 100);
        let (message, _) = a.node.recv(server).unwrap();
        assert_eq!(message.term().to_string(), "{'$gen_cast',{in_sync,b@host,true}}");
        assert!(a.node.recv(server).is_none());
    }
    assert!(a.is_up() && b.is_up() && b.news().is_empty());
}

#[test]
fn a_peer_that_breaks_the_protocol_is_cut_off() {
    for (bytes, what) in [
        (&[0, 0, 0, 3, 131, 68, 0][..], "frame type 131"),
        (&[0, 0, 0, 4, 112, 131, 104, 1], "term at byte 4: ends too early"),
        (&[0, 0, 0, 7, 112, 131, 104, 2, 97, 1, 106], "malformed control message 1"),
    ] {
        let (mut one, mut other) = (storage(), storage());
        let (_a, mut b, mut wire) = connected(&mut one, &mut other);
        b.node.read_buffer(wire.b)[..bytes.len()].copy_from_slice(bytes);
        b.node.handle_bytes(&mut wire.b, bytes.len());
        let told = b.texts();
        assert!(told.len() == 1 && told[0].contains(what), "{told:?}");
        assert!(!b.is_up() && !b.node.is_open(wire.b));
    }
}

#[test]
fn closing_sends_what_waits_first() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    send(&mut a, from, "to", "b@host", 9).unwrap();
    a.node.close();
    assert!(matches!(&a.news()[..], [Event::NodeDown { reason: Reason::ClosedByUs, .. }]));
    assert!(a.node.is_open(wire.a) && !a.is_up());
    wire.settle(&mut a, &mut b, || 5);
    assert_eq!(integers(&mut b, to), [9]);
    assert!(matches!(&b.news()[..], [Event::NodeDown { reason: Reason::ClosedByPeer, .. }]));
}

#[test]
fn a_peer_that_pings_and_never_reads_stops_being_read() {
    let (mut one, mut other) = (storage(), storage());
    let (_a, mut b, mut wire) = connected(&mut one, &mut other);
    // a monitor of what is not there, which asks for an answer each time
    let pid = [&[88, 119, 6][..], b"a@host", &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 77]].concat();
    let reference = [&[90, 0, 1, 119, 6][..], b"a@host", &[0, 0, 0, 77, 0, 0, 0, 1]].concat();
    let body = [&[112, 131, 104, 4, 97, 19][..], &pid, &[119, 2, b'n', b'o'], &reference].concat();
    let frame = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
    let mut sent = 0;
    while b.node.takes_bytes(wire.b) {
        let room = b.node.read_buffer(wire.b);
        let len = room.len().min(frame.len());
        assert_eq!(len, frame.len());
        room[..len].copy_from_slice(&frame);
        b.node.handle_bytes(&mut wire.b, len);
        sent += 1;
        assert!(sent < 1000, "it is read from for ever");
    }
    // every answer that is owed is there, and once they are read it goes on
    let mut waiting = b.node.poll_transmit(wire.b);
    let bytes = waiting.len();
    let mut answers = 0;
    while let Some((len, rest)) = waiting.split_first_chunk::<4>() {
        waiting = &rest[u32::from_be_bytes(*len) as usize..];
        answers += 1;
    }
    assert_eq!(answers, sent);
    b.node.handle_transmitted(wire.b, bytes);
    b.node.handle_timeout(at(1));
    assert!(b.node.takes_bytes(wire.b) && b.is_up());
}

/// Not even the addresses fit: an exit whose reason stands among them, as releases before OTP 23 sent it.
#[test]
fn a_control_message_too_large_is_skipped_too() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let pid = |name: &[u8]| [&[88, 119, 6][..], name, &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 77]].concat();
    let reason = [&[109, 0, 0, 0x40, 0][..], &[7; 0x4000]].concat();
    let body = [&[112, 131, 104, 4, 97, 3][..], &pid(b"a@host"), &pid(b"b@host"), &reason].concat();
    let frame = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
    let mut rest = &frame[..];
    while !rest.is_empty() {
        let room = b.node.read_buffer(wire.b);
        let len = room.len().min(rest.len());
        room[..len].copy_from_slice(&rest[..len]);
        rest = &rest[len..];
        b.node.handle_bytes(&mut wire.b, len);
    }
    assert_eq!(b.texts(), [format!("EXIT to this node from a@host is too large: {} bytes, skipped", frame.len())]);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    send(&mut a, from, "to", "b@host", 3).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(integers(&mut b, to), [3]);
}
