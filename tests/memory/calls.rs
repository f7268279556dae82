//! Calls between two nodes: what is late, and what does not fit.

use std::time::Duration;

use beamless::{OwnedCaller, OwnedPid, Received};

use crate::pair::{at, connected, storage};

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
