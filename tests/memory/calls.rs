//! Calls between two nodes: what is late, and what does not fit.

use std::time::Duration;

use beamless::{Event, Failure, OwnedCaller, OwnedPid, Received};

use crate::pair::{at, connected, send, storage};

/// An answer to the pid, as servers of OTP 23 and of other languages give it: also behind other messages of the same process, whose address
/// is known by then.
#[test]
fn an_answer_to_the_pid_after_its_time_is_no_message() {
    for pieces in [1, 7, usize::MAX] {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
        let own = a.node.pid(from).unwrap();
        let time = Some(Duration::from_secs(1));
        let given_up = a.node.outbox(from).unwrap().call(("to", "b@host"), time, |t| t.nil()).unwrap();
        a.node.outbox(from).unwrap().call(("to", "b@host"), time, |t| t.nil()).unwrap();
        wire.settle(&mut a, &mut b, || pieces);
        // the tags of both calls, which come back as they are
        let mut tags = Vec::new();
        while let Some((message, _)) = b.node.recv(to) {
            tags.push(message.as_call().unwrap().tag.as_bytes().to_vec());
        }
        let say = |b: &mut crate::pair::End<'_>, tag: Option<&[u8]>| {
            let bytes = [&[131, 104, 2], tag.unwrap_or(&[106]), &[97, 5]].concat();
            let term = beamless::Term::parse(&bytes).unwrap();
            b.node.outbox(to).unwrap().send(&own, |t| t.term(term)).unwrap();
        };
        say(&mut b, None);
        say(&mut b, None);
        wire.settle(&mut a, &mut b, || pieces);
        for _ in 0..2 {
            let (message, _) = a.node.recv(from).unwrap();
            assert_eq!(message.term().to_string(), "{[],5}");
        }
        a.node.outbox(from).unwrap().abandon(given_up).unwrap();
        a.node.handle_timeout(at(1));
        a.node.handle_timeout(at(3));
        let (message, _) = a.node.recv(from).unwrap();
        assert!(matches!(message.received(), Received::Answer { .. }));
        assert_eq!(a.node.in_use().requests, 0);
        tags.iter().for_each(|tag| say(&mut b, Some(tag)));
        wire.settle(&mut a, &mut b, || pieces);
        assert!(a.node.recv(from).is_none());
        // what only looks alike is one
        let alike = [&[108, 0, 0, 0, 1, 119, 5][..], b"alias", &[97, 1]].concat();
        say(&mut b, Some(&alike));
        wire.settle(&mut a, &mut b, || pieces);
        assert_eq!(a.node.recv(from).unwrap().0.term().to_string(), "{[alias|1],5}");
        assert!(a.news().is_empty());
    }
}

/// Whether it comes to the alias or to the pid, and however it is cut.
#[test]
fn an_answer_too_large_ends_its_call() {
    for pieces in [1, 50, 1000, usize::MAX] {
        for by_pid in [false, true] {
            let (mut one, mut other) = (storage(), Box::new(beamless::NodeStorage::<2, 2, 65_536>::new()));
            let mut a = crate::pair::End::hidden("a@host", &mut one);
            let mut b = crate::pair::End::new(beamless::Config::hidden("b@host", "secret").unwrap(), &mut other);
            let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
            a.node.outbox(from).unwrap().call(("to", "b@host"), None, |t| t.nil()).unwrap();
            let mut wire = crate::pair::dial(&mut a, &mut b, at(0)).unwrap();
            wire.settle(&mut a, &mut b, || pieces);
            let (caller, pid, tag): (OwnedCaller, OwnedPid, Vec<u8>) = {
                let (message, _) = b.node.recv(to).unwrap();
                let call = message.as_call().unwrap();
                (call.caller().keep().unwrap(), OwnedPid::new(call.from).unwrap(), call.tag.as_bytes().to_vec())
            };
            let large = [&[131, 104, 2], &tag[..], &[109, 0, 0, 0x40, 0], &[7; 0x4000]].concat();
            let large = beamless::Term::parse(&large).unwrap();
            let mut out = b.node.outbox(to).unwrap();
            if by_pid {
                out.send(&pid, |t| t.term(large)).unwrap();
            } else {
                out.reply(&caller, |t| t.binary(&[7; 0x4000])).unwrap();
            }
            wire.settle(&mut a, &mut b, || pieces);
            let (message, _) = a.node.recv(from).unwrap();
            let Received::Answer { result: Err(failure), .. } = message.received() else { panic!("{message:?}") };
            assert_eq!(failure.to_string(), "the peer cannot do it: too_large");
            assert_eq!((a.node.in_use().requests, b.node.in_use().watches), (0, 0));
        }
    }
}

/// As processes of OTP 23 answer: to the pid, with the call's tag. To another mailbox it is a message like others.
#[test]
fn an_answer_to_the_pid_is_one_for_the_mailbox_that_called() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, second, to) = (a.node.register("").unwrap(), a.node.register("").unwrap(), b.node.register("to").unwrap());
    let call = a.node.outbox(from).unwrap().call(("to", "b@host"), None, |t| t.nil()).unwrap();
    // what is taken back is another's
    let monitor = a.node.outbox(from).unwrap().monitor(("to", "b@host")).unwrap();
    a.node.outbox(from).unwrap().demonitor(monitor).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let tag = b.node.recv(to).unwrap().0.as_call().unwrap().tag.as_bytes().to_vec();
    let answer = [&[131, 104, 2], &tag[..], &[97, 5]].concat();
    for mailbox in [second, from] {
        let pid = a.node.pid(mailbox).unwrap();
        b.node.outbox(to).unwrap().send(&pid, |t| t.term(beamless::Term::parse(&answer).unwrap())).unwrap();
    }
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(matches!(a.node.recv(second).unwrap().0.received(), Received::Info(_)));
    let (message, _) = a.node.recv(from).unwrap();
    let Received::Answer { request, result: Ok(value) } = message.received() else { panic!("{message:?}") };
    assert_eq!((request, value.as_i64()), (call, Some(5)));
}

/// Whatever it was, it is told whose it is and for whom.
#[test]
fn what_is_too_large_is_told_with_its_addresses() {
    let (mut one, mut other) = (storage(), Box::new(beamless::NodeStorage::<2, 2, 65_536>::new()));
    let mut a = crate::pair::End::hidden("a@host", &mut one);
    let mut b = crate::pair::End::new(beamless::Config::hidden("b@host", "secret").unwrap(), &mut other);
    let mut wire = crate::pair::connect(&mut a, &mut b);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    a.node.trap_exit(from, true).unwrap();
    let (own, theirs) = (a.node.pid(from).unwrap(), b.node.pid(to).unwrap());
    let mut out = a.node.outbox(from).unwrap();
    out.monitor(&theirs).unwrap();
    out.link(theirs.as_pid()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let mut out = b.node.outbox(to).unwrap();
    out.exit(own.as_pid(), |t| t.binary(&[7; 0x4000])).unwrap();
    out.rpc("a@host", "m", "f", None, |t| t.list(1)?.binary(&[7; 0x4000])?.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    b.node.close_mailbox(to, |t| t.binary(&[7; 0x4000])).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let text = |pid: &OwnedPid| format!("<0.{}.{}>", pid.as_pid().id, pid.as_pid().serial);
    let (own, theirs) = (text(&own), text(&theirs));
    let mut told: Vec<String> = a.texts().iter().map(|text| text.split(" is too large").next().unwrap().to_owned()).collect();
    told.sort();
    let expected = [
        format!("PAYLOAD_EXIT to {own} from b@host {theirs}"),
        format!("PAYLOAD_EXIT2 to {own} from b@host {theirs}"),
        format!("PAYLOAD_MONITOR_P_EXIT to {own} from b@host {theirs}"),
        format!("SPAWN_REQUEST to this node from b@host {theirs}"),
    ];
    assert_eq!(told, expected);
    // and the mailbox has a word in place of each reason
    let mut got = Vec::new();
    while let Some((message, _)) = a.node.recv(from) {
        got.push(match message.received() {
            Received::Exit { reason, .. } => format!("exit {reason}"),
            Received::Down { reason, .. } => format!("down {reason}"),
            _ => panic!("{message:?}"),
        });
    }
    got.sort();
    assert_eq!(got, ["down too_large", "exit too_large", "exit too_large"]);
}

#[test]
fn the_value_of_a_function_that_is_too_large_ends_its_call() {
    let (mut one, mut other) = (storage(), Box::new(beamless::NodeStorage::<2, 2, 65_536>::new()));
    let mut a = crate::pair::End::hidden("a@host", &mut one);
    let mut b = crate::pair::End::new(beamless::Config::hidden("b@host", "secret").unwrap(), &mut other);
    let mut wire = crate::pair::connect(&mut a, &mut b);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.serve(to, ["m:f/0"]).unwrap();
    let call = a.node.outbox(from).unwrap().rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (message, mut out) = b.node.recv(to).unwrap();
    let Received::Apply(apply) = message.received() else { panic!("{message:?}") };
    out.reply(&apply, |t| t.binary(&[7; 0x4000])).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (message, _) = a.node.recv(from).unwrap();
    let Received::Answer { request, result: Err(failure) } = message.received() else { panic!("{message:?}") };
    assert_eq!((request, failure.to_string()), (call, "the peer cannot do it: too_large".to_owned()));
    assert_eq!((a.node.in_use().requests, b.node.in_use().watches), (0, 0));
}

/// Whichever was made first.
#[test]
fn each_call_ends_when_its_time_is_over() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, _b, _) = connected(&mut one, &mut other);
    let from = a.node.register("from").unwrap();
    let calls = [5, 1, 4, 2, 3].map(|seconds| {
        let time = Some(Duration::from_secs(seconds));
        (seconds, a.node.outbox(from).unwrap().call(("to", "b@host"), time, |t| t.nil()).unwrap())
    });
    a.node.handle_timeout(at(0));
    for now in 1..=5 {
        assert_eq!(a.node.poll_timeout(), Some(at(now)));
        a.node.handle_timeout(at(now));
        let (message, _) = a.node.recv(from).unwrap();
        let Received::Answer { request, result: Err(_) } = message.received() else { panic!("{message:?}") };
        assert!(calls.contains(&(now, request)), "{now}");
        assert!(a.node.recv(from).is_none());
    }
}

/// A loop that has more to read than a turn does judges by the time up to which it has read, and what begins does so now.
#[test]
fn what_begins_while_there_is_more_to_read_has_its_whole_time() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, own) = (a.node.register("from").unwrap(), b.node.register("").unwrap());
    b.node.register("to").unwrap();
    b.node.handle_timeout(at(1));
    while send(&mut a, from, "to", "b@host", 1).is_ok() {
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    b.node.outbox(own).unwrap().call(("from", "a@host"), Some(Duration::from_secs(1)), |t| t.nil()).unwrap();
    assert!(b.node.poll_dial(at(9)).is_none());
    for (second, is_over) in [(1, false), (9, false), (10, true)] {
        b.node.handle_timeout(at(second));
        let is_held = b.news().iter().any(|event| matches!(event, Event::Held { .. }));
        let is_late = b
            .node
            .recv(own)
            .is_some_and(|(message, _)| matches!(message.received(), Received::Answer { result: Err(Failure::Timeout), .. }));
        assert_eq!((is_held, is_late), (is_over, is_over), "{second}");
    }
}
