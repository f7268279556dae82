//! What is owed, kept and freed when things end in an unlucky order.

use std::time::Duration;

use beamless::{AutoConnect, Config, Connection, Event, Exception, Failure, Mailbox, Origin, Reason, Received};

use crate::pair::{End, Wire, at, connected, dial, integers, send, storage};

/// Puts a frame with this body in front of a node, as if its peer had sent it.
fn inject(end: &mut End<'_>, connection: &mut Connection, body: &[u8]) {
    let frame = [&(body.len() as u32).to_be_bytes()[..], body].concat();
    end.node.read_buffer(*connection)[..frame.len()].copy_from_slice(&frame);
    end.node.handle_bytes(connection, frame.len());
}

fn pid(node: &str, id: u8) -> Vec<u8> {
    [&[88, 119, node.len() as u8][..], node.as_bytes(), &[0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, 77]].concat()
}

/// A reference of a request of ours: the place, and the number.
fn reference(node: &str, index: u8, number: u8) -> Vec<u8> {
    let words = [0, 0, 0, index, 0, 0, 0, number, 0, 0, 0, 0];
    [&[90, 0, 3, 119, node.len() as u8][..], node.as_bytes(), &[0, 0, 0, 77], &words].concat()
}

/// Sends until the mailbox is full and the sender is held up.
fn fill(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire, from: Mailbox, name: &str) {
    while b.node.takes_bytes(wire.b) {
        while send(a, from, name, "b@host", 1).is_ok() {}
        wire.settle(a, b, || usize::MAX);
    }
}

/// Cuts a connection on both sides.
fn cut(a: &mut End<'_>, b: &mut End<'_>, wire: Wire) {
    a.node.handle_closed(wire.a, None);
    b.node.handle_closed(wire.b, None);
}

/// A mailbox of b that traps exits, is full, and is linked to the mailbox `from` of a.
fn full_and_linked(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire) -> Mailbox {
    let from = a.node.register("from").unwrap();
    let to = b.node.register("to").unwrap();
    b.node.trap_exit(to, true).unwrap();
    let pid = a.node.pid(from).unwrap();
    b.node.outbox(to).unwrap().link(pid.as_pid()).unwrap();
    wire.settle(a, b, || usize::MAX);
    fill(a, b, wire, from, "to");
    to
}

#[test]
fn a_mailbox_closed_with_news_due_keeps_no_place_of_a_peer() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let to = full_and_linked(&mut a, &mut b, &mut wire);
    cut(&mut a, &mut b, wire);
    assert_eq!((b.node.in_use().peers, b.node.in_use().watches), (1, 1));
    b.node.close_mailbox(to, |t| t.atom("done")).unwrap();
    b.node.handle_timeout(at(1));
    let used = b.node.in_use();
    assert_eq!((used.peers, used.watches, used.mailboxes), (0, 0, 0));
}

#[test]
fn a_call_given_up_with_its_answer_due_keeps_no_place_of_a_peer() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let from = a.node.register("from").unwrap();
    let to = b.node.register("to").unwrap();
    let call = b.node.outbox(to).unwrap().call(("from", "a@host"), None, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    fill(&mut a, &mut b, &mut wire, from, "to");
    cut(&mut a, &mut b, wire);
    b.node.outbox(to).unwrap().abandon(call).unwrap();
    b.node.handle_timeout(at(1));
    let used = b.node.in_use();
    assert_eq!((used.peers, used.requests), (0, 0));
}

#[test]
fn a_full_mailbox_keeps_the_place_of_its_own_peer_alone() {
    let (mut one, mut other, mut third) = (storage(), storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let to = full_and_linked(&mut a, &mut b, &mut wire);
    let also = b.node.register("also").unwrap();
    b.node.trap_exit(also, true).unwrap();
    let mut c = End::hidden("c@host", &mut third);
    let from = c.node.register("from").unwrap();
    c.node.connect("b@host").unwrap();
    let mut visit = dial(&mut c, &mut b, at(0)).unwrap();
    visit.settle(&mut c, &mut b, || usize::MAX);
    let pid = c.node.pid(from).unwrap();
    b.node.outbox(also).unwrap().link(pid.as_pid()).unwrap();
    visit.settle(&mut c, &mut b, || usize::MAX);
    cut(&mut a, &mut b, wire);
    cut(&mut c, &mut b, visit);
    // one is told at once, the other has no room
    assert!(matches!(b.node.recv(also).unwrap().0.received(), Received::Exit { .. }));
    assert_eq!((b.node.in_use().watches, b.node.in_use().peers), (1, 1));
    assert!(b.node.recv(to).is_some());
}

/// Its end is owed to a peer whose connection breaks before it could be told.
#[test]
fn a_mailbox_ends_once() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let pid = a.node.pid(from).unwrap();
    b.node.outbox(to).unwrap().link(pid.as_pid()).unwrap();
    // a takes nothing: the exit is owed
    while b.node.outbox(to).unwrap().send(("from", "a@host"), |t| t.nil()).is_ok() {}
    b.node.close_mailbox(to, |t| t.binary(&[7; 2040])).unwrap();
    assert_eq!(b.node.in_use().mailboxes, 1);
    cut(&mut a, &mut b, wire);
    b.node.handle_timeout(at(1));
    let ended = b.news().iter().filter(|event| matches!(event, Event::MailboxEnded { .. })).count();
    assert_eq!((ended, b.node.in_use().mailboxes, b.node.in_use().watches), (1, 0, 0));
}

#[test]
fn a_connection_that_is_held_up_is_not_idle() {
    let (mut one, mut other) = (storage(), storage());
    let mut a = End::hidden("a@host", &mut one);
    let config = Config::hidden("b@host", "secret").unwrap().idle_time(Duration::from_secs(30));
    let mut b = End::new(config, &mut other);
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut sent = 0;
    while b.node.takes_bytes(wire.b) {
        while send(&mut a, from, "to", "b@host", sent).is_ok() {
            sent += 1;
        }
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    for second in 0..300 {
        b.node.handle_timeout(at(second));
        a.node.handle_timeout(at(second));
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    let mut got = integers(&mut b, to);
    for _ in 0..100 {
        b.node.handle_timeout(at(300));
        wire.settle(&mut a, &mut b, || usize::MAX);
        got.extend(integers(&mut b, to));
    }
    assert!(got.iter().copied().eq(0..sent), "{} of {sent}: {:?}", got.len(), b.texts());
}

#[test]
fn what_was_let_go_for_being_idle_is_made_again() {
    let (mut one, mut other) = (storage(), storage());
    let config = Config::hidden("a@host", "secret").unwrap().idle_time(Duration::from_secs(30)).auto_connect(AutoConnect::Once);
    let mut a = End::new(config, &mut one);
    let mut b = End::hidden("b@host", &mut other);
    let from = a.node.register("from").unwrap();
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    for second in 0..300 {
        wire.settle(&mut a, &mut b, || usize::MAX);
        a.node.handle_timeout(at(second));
    }
    assert!(a.news().iter().any(|event| matches!(event, Event::NodeDown { reason: Reason::Idle, .. })));
    send(&mut a, from, "to", "b@host", 1).unwrap();
}

/// What was sent before there is a connection fills its buffer, and then the peer connects here: the last packet of that handshake needs
/// room too, whatever a mailbox that ends takes back meanwhile.
#[test]
fn what_waits_for_a_connection_leaves_room_for_its_handshake() {
    for size in 0..100 {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
        let (from, second) = (a.node.register("from").unwrap(), a.node.register("second").unwrap());
        a.node.outbox(second).unwrap().monitor((&"x".repeat(size + 1)[..], "b@host")).unwrap();
        while a.node.outbox(second).unwrap().monitor((&"x".repeat(60)[..], "b@host")).is_ok() {}
        while a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.nil()).is_ok() {}
        a.node.close_mailbox(second, |t| t.atom("done")).unwrap();
        b.node.connect("a@host").unwrap();
        let mut wire = dial(&mut b, &mut a, at(0)).unwrap();
        for second in 0..5 {
            wire.settle(&mut b, &mut a, || usize::MAX);
            a.node.handle_timeout(at(second));
        }
        assert!(a.is_up() && b.is_up(), "{size}: {:?} {:?}", a.texts(), b.texts());
        assert_eq!((a.node.in_use().requests, a.node.in_use().mailboxes), (0, 1));
    }
}

#[test]
fn whoever_watches_is_told_even_if_the_reason_does_not_fit() {
    let (mut one, mut other, mut third) = (storage(), storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let long = format!("{}@host", "c".repeat(200));
    let mut c = End::hidden(&long, &mut third);
    let watcher = c.node.register("watcher").unwrap();
    c.node.connect("b@host").unwrap();
    let mut visit = dial(&mut c, &mut b, at(0)).unwrap();
    visit.settle(&mut c, &mut b, || usize::MAX);
    b.node.register("to").unwrap();
    c.node.outbox(watcher).unwrap().monitor(("to", "b@host")).unwrap();
    visit.settle(&mut c, &mut b, || usize::MAX);
    // a ends it with a reason that just fits its own frame
    let body = [&[112, 131, 104, 3, 97, 26][..], &pid("a@host", 9), &pid("b@host", 1), &[131, 109, 0, 0, 0xf, 0x50], &[7; 0xf50]];
    inject(&mut b, &mut wire.b, &body.concat());
    visit.settle(&mut c, &mut b, || usize::MAX);
    wire.settle(&mut a, &mut b, || usize::MAX);
    b.node.handle_timeout(at(1));
    visit.settle(&mut c, &mut b, || usize::MAX);
    assert!(b.news().iter().any(|event| matches!(event, Event::MailboxEnded { .. })));
    assert!(matches!(c.node.recv(watcher).map(|(m, _)| m.received()), Some(Received::Down { .. })));
}

/// The mailbox had no room to be told that the connection broke, and which process to name was never known.
#[test]
fn a_function_call_that_ends_with_everything_else_is_freed() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    fill(&mut a, &mut b, &mut wire, from, "to");
    b.node.outbox(to).unwrap().rpc("a@host", "m", "f", None, |t| t.nil()).unwrap();
    cut(&mut a, &mut b, wire);
    b.node.close_mailbox(to, |t| t.atom("done")).unwrap();
    b.node.handle_timeout(at(1));
    let used = b.node.in_use();
    assert_eq!((used.requests, used.mailboxes, used.peers), (0, 0, 0));
}

#[test]
fn only_the_peer_that_was_asked_says_that_a_process_ended() {
    let (mut one, mut other, mut third) = (storage(), storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let mut c = End::hidden("c@host", &mut third);
    c.node.connect("b@host").unwrap();
    let mut visit = dial(&mut c, &mut b, at(0)).unwrap();
    visit.settle(&mut c, &mut b, || usize::MAX);
    let (_, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.outbox(to).unwrap().monitor(("from", "a@host")).unwrap();
    b.node.outbox(to).unwrap().rpc("a@host", "m", "f", None, |t| t.nil()).unwrap();
    // c says that a's processes ended
    let noproc = [&[119, 6][..], b"noproc"].concat();
    for (index, number) in [(0, 1), (1, 2)] {
        let body =
            [&[112, 131, 104, 5, 97, 21][..], &pid("c@host", 9), &pid("b@host", 1), &reference("b@host", index, number), &noproc];
        inject(&mut b, &mut visit.b, &body.concat());
    }
    let refused = [&[112, 131, 104, 5, 97, 31][..], &reference("b@host", 1, 2), &pid("b@host", 1), &[97, 0], &noproc].concat();
    inject(&mut b, &mut visit.b, &refused);
    assert_eq!(b.node.in_use().requests, 2);
    assert!(b.node.recv(to).is_none());
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(matches!(b.node.recv(to).map(|(m, _)| m.received()), Some(Received::Answer { result: Err(Failure::Undefined), .. })));
    assert_eq!(b.node.in_use().requests, 1);
}

/// Processes of OTP 23 answer to the pid, not to the alias.
#[test]
fn an_answer_after_its_time_is_dropped_wherever_it_goes() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    a.node.outbox(from).unwrap().call(("to", "b@host"), Some(Duration::from_secs(1)), |t| t.nil()).unwrap();
    a.node.handle_timeout(at(0));
    wire.settle(&mut a, &mut b, || usize::MAX);
    a.node.handle_timeout(at(2));
    assert!(matches!(a.node.recv(from).map(|(m, _)| m.received()), Some(Received::Answer { result: Err(Failure::Timeout), .. })));
    let (message, mut out) = b.node.recv(to).unwrap();
    let call = message.as_call().unwrap();
    // alone, and behind a message that looks the same from outside
    for plain in [0, 1] {
        if plain == 1 {
            out.send(call.from, |t| t.int(5)).unwrap();
        }
        out.send(call.from, |t| {
            t.tuple(2)?;
            t.term(call.tag)?;
            t.int(1)
        })
        .unwrap();
    }
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(integers(&mut a, from), [5]);
}

#[test]
fn callers_of_a_mailbox_that_ends_do_not_wait_for_ever() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.serve(to, ["m:f/0"]).unwrap();
    let mut calls = 0;
    while a.node.outbox(from).unwrap().rpc("b@host", "m", "f", None, |t| t.nil()).is_ok() {
        calls += 1;
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    // there is no room to tell all of them at once
    let filler = b.node.register("filler").unwrap();
    while b.node.outbox(filler).unwrap().send(("nobody", "a@host"), |t| t.nil()).is_ok() {}
    b.node.close_mailbox(to, |t| t.atom("done")).unwrap();
    let mut answers = 0;
    for second in 0..5 {
        wire.settle(&mut a, &mut b, || usize::MAX);
        b.node.handle_timeout(at(second));
        while let Some((message, _)) = a.node.recv(from) {
            let done = |failure: Failure<'_>| matches!(failure, Failure::Ended(reason) if reason.is_atom("done"));
            assert!(matches!(message.received(), Received::Answer { result: Err(failure), .. } if done(failure)));
            answers += 1;
        }
    }
    assert_eq!((calls, answers), (32, 32));
    assert_eq!((b.node.in_use().watches, b.node.in_use().mailboxes), (0, 1));
}

/// The mailbox was full when the time of the call was over.
#[test]
fn a_call_given_up_after_its_time_is_taken_back() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let call = b.node.outbox(to).unwrap().call(("from", "a@host"), Some(Duration::from_secs(1)), |t| t.nil()).unwrap();
    b.node.handle_timeout(at(0));
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(a.node.in_use().watches, 1);
    fill(&mut a, &mut b, &mut wire, from, "to");
    b.node.handle_timeout(at(2));
    b.node.outbox(to).unwrap().abandon(call).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!((a.node.in_use().watches, b.node.in_use().requests), (0, 0));
}

/// A monitor's reference is no alias.
#[test]
fn a_large_message_to_the_reference_of_a_monitor_is_no_answer() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (_, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.outbox(to).unwrap().monitor(("from", "a@host")).unwrap();
    let head = [&[112, 131, 104, 3, 97, 33][..], &pid("a@host", 1), &reference("b@host", 0, 1), &[131, 109, 0, 0, 0x20, 0]];
    let body = [&head.concat()[..], &[7; 0x2000]].concat();
    let frame = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
    let mut left = &frame[..];
    while !left.is_empty() {
        let room = b.node.read_buffer(wire.b);
        let (piece, rest) = left.split_at(left.len().min(room.len()).min(1000));
        room[..piece.len()].copy_from_slice(piece);
        b.node.handle_bytes(&mut wire.b, piece.len());
        left = rest;
    }
    assert!(b.node.recv(to).is_none());
    assert_eq!(b.node.in_use().requests, 1);
}

/// The process that was asked for could not be made, and that came after its time, which the mailbox had no room to be told.
#[test]
fn a_spawn_refused_after_its_time_is_freed() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.outbox(to).unwrap().rpc("a@host", "m", "f", Some(Duration::from_secs(2)), |t| t.nil()).unwrap();
    b.node.handle_timeout(at(0));
    // full to the last byte, and yet nobody is held up
    for size in [1900, 1900, 180] {
        a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.binary(&vec![0; size])).unwrap();
        let sent = a.node.poll_transmit(wire.a).to_vec();
        b.node.read_buffer(wire.b)[..sent.len()].copy_from_slice(&sent);
        b.node.handle_bytes(&mut wire.b, sent.len());
        a.node.handle_transmitted(wire.a, sent.len());
    }
    assert!(b.node.takes_bytes(wire.b));
    b.node.handle_timeout(at(3));
    let why = [&[119, 12][..], b"system_limit"].concat();
    let refused = [&[112, 131, 104, 5, 97, 31][..], &reference("b@host", 0, 1), &pid("b@host", 1), &[97, 0], &why];
    inject(&mut b, &mut wire.b, &refused.concat());
    let answers = std::iter::from_fn(|| b.node.recv(to).map(|(m, _)| matches!(m.received(), Received::Answer { .. })));
    assert_eq!(answers.filter(|answer| *answer).count(), 1);
    assert_eq!(b.node.in_use().requests, 0);
}

/// The process it had asked for could not be made: nothing is left to be told to anybody.
#[test]
fn a_mailbox_that_ended_during_a_call_is_freed_with_it() {
    let (mut one, mut other) = (storage(), storage());
    let (_a, mut b, mut wire) = connected(&mut one, &mut other);
    let to = b.node.register("to").unwrap();
    b.node.outbox(to).unwrap().rpc("a@host", "m", "f", None, |t| t.nil()).unwrap();
    let sent = b.node.poll_transmit(wire.b).len();
    b.node.handle_transmitted(wire.b, sent);
    b.node.close_mailbox(to, |t| t.atom("done")).unwrap();
    b.node.handle_timeout(at(0));
    let refused =
        [&[112, 131, 104, 5, 97, 31][..], &reference("b@host", 0, 1), &pid("b@host", 1), &[97, 0, 119, 6], b"badarg"].concat();
    inject(&mut b, &mut wire.b, &refused);
    b.node.handle_timeout(at(0));
    assert_eq!((b.node.in_use().requests, b.node.in_use().mailboxes), (0, 0));
}

/// The reference of a process that is to be made is its maker's own; told another's, which Erlang puts up with, the maker would never hear of
/// its end.
#[test]
fn a_spawn_request_with_a_strangers_reference_is_refused() {
    let (mut one, mut other) = (storage(), storage());
    let (_a, mut b, mut wire) = connected(&mut one, &mut other);
    let maker = pid("a@host", 1);
    let mfa = [&[104, 3, 119, 1][..], b"m", &[119, 1], b"f", &[97, 0]].concat();
    let request = [&[112, 131, 104, 6, 97, 29][..], &reference("c@host", 0, 1), &maker, &maker, &mfa, &[106, 131, 106]].concat();
    inject(&mut b, &mut wire.b, &request);
    assert!(b.node.poll_transmit(wire.b).ends_with(&[&[97, 0, 119, 6][..], b"notsup"].concat()));
    assert!(b.is_up());
}

/// Whatever the node before it was in the middle of.
#[test]
fn a_node_in_memory_that_another_had_begins_with_nothing() {
    let (mut one, mut other) = (storage(), storage());
    for _ in 0..100 {
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        let (mine, theirs) = (a.node.register("mine").unwrap(), b.node.register("theirs").unwrap());
        let pid = b.node.pid(theirs).unwrap();
        a.node.outbox(mine).unwrap().link(pid.as_pid()).unwrap();
        a.node.outbox(mine).unwrap().monitor(&pid).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        let used = [&a, &b].map(|end| end.node.in_use()).map(|used| (used.peers, used.mailboxes, used.watches, used.requests));
        assert_eq!(used, [(1, 1, 1, 1), (1, 1, 2, 0)]);
        // looks for all that is tied to it
        let gone = a.node.register("gone").unwrap();
        a.node.close_mailbox(gone, |t| t.atom("normal")).unwrap();
    }
}

/// As `spawn_monitor/4` makes it.
#[test]
fn a_process_that_runs_a_function_ends_with_what_it_came_to() {
    let (mut one, mut other) = (storage(), storage());
    let (_a, mut b, mut wire) = connected(&mut one, &mut other);
    let to = b.node.register("to").unwrap();
    b.node.serve(to, ["m:f/0"]).unwrap();
    inject(&mut b, &mut wire.b, &spawn("m", "f", 0, &["monitor"], &[131, 106]));
    let (message, mut out) = b.node.recv(to).unwrap();
    let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
    assert!(apply.caller.waits());
    out.raise(&apply, Exception::Exit, |t| t.atom("why")).unwrap();
    assert!(b.node.poll_transmit(wire.b).ends_with(&[&[119, 3][..], b"why"].concat()));
    assert_eq!(b.node.in_use().watches, 0);
}

/// A spawn request for the function, with these arguments and options.
fn spawn(module: &str, function: &str, arity: u8, options: &[&str], args: &[u8]) -> Vec<u8> {
    let maker = pid("a@host", 1);
    let atom = |name: &str| [&[119, name.len() as u8][..], name.as_bytes()].concat();
    let mfa = [&[104, 3][..], &atom(module), &atom(function), &[97, arity]].concat();
    let options: Vec<u8> = options.iter().flat_map(|option| atom(option)).collect();
    let options = match options.len() {
        0 => vec![106],
        _ => [&[108, 0, 0, 0, 1][..], &options, &[106]].concat(),
    };
    [&[112, 131, 104, 6, 97, 29][..], &reference("a@host", 0, 1), &maker, &maker, &mfa, &options, args].concat()
}

/// `erpc` has two functions that run others. No other name or number of arguments means that.
#[test]
fn a_function_is_run_for_those_of_erpc_alone() {
    let call = crate::groups::bytes("[r,m,f,[1]]");
    let cast = crate::groups::bytes("[m,f,[1]]");
    for (module, function, arity, args, runs) in [
        ("erpc", "execute_call", 4, &call, true),
        ("erpc", "execute_cast", 3, &cast, true),
        ("m", "execute_call", 4, &call, false),
        ("erpc", "x", 4, &call, false),
        ("erpc", "execute_call", 3, &call, false),
        ("m", "execute_cast", 3, &cast, false),
        ("erpc", "x", 3, &cast, false),
        ("erpc", "execute_cast", 4, &cast, false),
        // as `rex` has it
        ("erpc", "execute_cast", 3, &crate::groups::bytes("{'$gen_cast',{cast,m,f,[1],l}}"), false),
    ] {
        let (mut one, mut other) = (storage(), storage());
        let (_a, mut b, mut wire) = connected(&mut one, &mut other);
        let to = b.node.register("to").unwrap();
        b.node.serve(to, ["m:f/1"]).unwrap();
        inject(&mut b, &mut wire.b, &spawn(module, function, arity, &[], args));
        let ran = b.node.recv(to).map(|(message, _)| match message.received() {
            Received::Apply(apply) => apply.caller.waits(),
            other => panic!("{other:?}"),
        });
        assert_eq!(ran, runs.then_some(arity == 4), "{module}:{function}/{arity}");
    }
}

/// By a link alone, by a monitor alone, or not at all; whether the function is served or not.
#[test]
fn whoever_spawned_is_told_of_the_end_as_it_asked() {
    for (options, exits, downs) in [(&[][..], 0, 0), (&["link"][..], 1, 0), (&["monitor"], 0, 1)] {
        for served in [true, false] {
            let (mut one, mut other) = (storage(), storage());
            let (_a, mut b, mut wire) = connected(&mut one, &mut other);
            let to = b.node.register("to").unwrap();
            if served {
                b.node.serve(to, ["m:f/0"]).unwrap();
            }
            let (lines, _) = crate::trace::logged(|| {
                inject(&mut b, &mut wire.b, &spawn("m", "f", 0, options, &[131, 106]));
                if let Some((message, mut out)) = b.node.recv(to) {
                    let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
                    out.raise(&apply, Exception::Exit, |t| t.atom("why")).unwrap();
                }
            });
            assert!(!lines.iter().any(|line| line.contains("could not be told")), "{lines:?}");
            // behind the length and the head of each: 131, a tuple of so many, and the operation
            let (sent, mut operations) = (b.node.poll_transmit(wire.b), Vec::new());
            let mut rest = sent;
            while let Some((len, body)) = rest.split_first_chunk::<4>() {
                let (body, more) = body.split_at(u32::from_be_bytes(*len) as usize);
                operations.push(body[5]);
                rest = more;
            }
            let count = |of: &[u8]| operations.iter().filter(|op| of.contains(op)).count();
            assert_eq!(
                (operations[0], count(&[3, 24]), count(&[21, 28])),
                (31, exits, downs),
                "{options:?} {served} {operations:?}"
            );
            assert_eq!(b.node.in_use().watches, 0);
        }
    }
}

/// As processes of OTP 23 have it, while nothing else is asked.
#[test]
fn an_answer_that_comes_to_the_pid_is_the_calls() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    a.node.outbox(from).unwrap().call(("to", "b@host"), None, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (message, mut out) = b.node.recv(to).unwrap();
    let call = message.as_call().unwrap();
    out.send(call.from, |t| {
        t.tuple(2)?;
        t.term(call.tag)?;
        t.int(1)
    })
    .unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (message, _) = a.node.recv(from).unwrap();
    let Received::Answer { result: Ok(answer), .. } = message.received() else { panic!("{message:?}") };
    assert_eq!(answer.as_i64(), Some(1));
}

/// However small what comes after it is.
#[test]
fn nothing_overtakes_what_is_due() {
    for pad in 0..30 {
        let (mut one, mut other) = (storage(), storage());
        let (_a, mut b, mut wire) = connected(&mut one, &mut other);
        let to = b.node.register("to").unwrap();
        let own = b.node.pid(to).unwrap();
        let second = Some(Duration::from_secs(1));
        b.node.outbox(to).unwrap().call(("from", "a@host"), second, |t| t.nil()).unwrap();
        b.node.handle_timeout(at(0));
        let [id, serial] = [own.as_pid().id, own.as_pid().serial].map(u32::to_be_bytes);
        let own = [&[88, 119, 6][..], b"b@host", &id, &serial, &[0, 0, 0, 77]].concat();
        // without its sender, as some libraries send
        let head = [&[112, 131, 104, 3, 97, 2, 119, 0][..], &own, &[131]].concat();
        let padding = [&[109, 0, 0, 0, pad][..], &vec![7; pad.into()]].concat();
        inject(&mut b, &mut wire.b, &[&head[..], &padding].concat());
        let fill = |b: &mut End<'_>, wire: &mut Wire| {
            while b.node.takes_bytes(wire.b) {
                inject(b, &mut wire.b, &[&head[..], &[106]].concat());
            }
        };
        fill(&mut b, &mut wire);
        let before = b.node.received(to);
        b.node.handle_timeout(at(5));
        let mut came = 0;
        loop {
            let (message, _) = b.node.recv(to).unwrap();
            if matches!(message.received(), Received::Answer { result: Err(Failure::Timeout), .. }) {
                break;
            }
            came += 1;
            b.node.handle_timeout(at(5));
            fill(&mut b, &mut wire);
        }
        assert_eq!(came, before, "{pad}");
    }
}

/// An alias is known as the address of what came to it last, but not beyond its end.
#[test]
fn what_comes_to_an_alias_that_ended_is_dropped() {
    let (mut one, mut other) = (storage(), storage());
    let (_a, mut b, mut wire) = connected(&mut one, &mut other);
    let to = b.node.register("to").unwrap();
    let alias = b.node.alias(to).unwrap();
    // as from OTP 24 on, while nodes of ours have another operation
    let message = [&[112, 131, 104, 3, 97, 33][..], &pid("a@host", 1), &reference("b@host", 0, 1), &[131, 97, 5]].concat();
    (0..3).for_each(|_| inject(&mut b, &mut wire.b, &message));
    assert_eq!(integers(&mut b, to), [5, 5, 5]);
    assert!(b.node.unalias(&alias));
    inject(&mut b, &mut wire.b, &message);
    assert!(integers(&mut b, to).is_empty());
}

/// Whatever was under way, connections and groups included.
#[test]
fn memory_that_another_node_had_is_as_good_as_new() {
    let (mut one, mut left) = (storage(), crate::groups::memory());
    for life in 0..3 {
        let mut a = End::hidden("a@host", &mut one);
        assert_eq!(a.node.poll_timeout(), None);
        for _ in 0..8 {
            a.node.accept(Origin::default(), 1, at(0)).unwrap();
        }
        a.node.set_groups(&mut left).unwrap();
        let mailbox = a.node.register("").unwrap();
        for scope in 0..4 {
            a.node.join(mailbox, &format!("s{life}{scope}"), |t| t.atom("x")).unwrap();
        }
        a.node.register_global(mailbox, "n").unwrap();
    }
}
