//! After the start nothing is allocated: counted over whole sessions, in memory and over sockets.

use std::time::Duration;

use allocation_counter::measure;
use beamless::{Config, Driver, DriverOptions, EpmdSettings, Node, NodeStorage};

use crate::pair::{at, connected, free_port, storage};

#[test]
fn in_memory() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut answers = 0;
    let counted = measure(|| {
        for i in 0..10_000 {
            a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.int(i)).unwrap();
            wire.step(&mut a, &mut b, usize::MAX);
            while let Some((message, mut out)) = b.node.recv(to) {
                out.send(message.sender().unwrap(), |t| t.term(message.term())).unwrap();
            }
            wire.step(&mut a, &mut b, usize::MAX);
            while a.node.recv(from).is_some() {
                answers += 1;
            }
            // ticks and the rest of the bookkeeping
            a.node.handle_timeout(at(i.unsigned_abs()));
            b.node.handle_timeout(at(i.unsigned_abs()));
        }
    });
    assert_eq!((answers, counted.count_total), (10_000, 0));
}

/// Two nodes with real sockets, in one thread.
#[test]
fn over_sockets() {
    let (mut one, mut other) = (Box::new(NodeStorage::<2, 1, 16_384>::new()), Box::new(NodeStorage::<2, 1, 16_384>::new()));
    let mut a = Node::new(Config::hidden("a@127.0.0.1", "secret").unwrap(), &mut one);
    let mut b = Node::new(Config::hidden("b@127.0.0.1", "secret").unwrap(), &mut other);
    let (from, to) = (a.register("from").unwrap(), b.register("to").unwrap());
    let local = || DriverOptions::default().listen(["127.0.0.1:0".parse().unwrap()]);
    let options = || local().epmd_settings(EpmdSettings::new(free_port()));
    let shared = options();
    let mut left = Driver::new(shared.clone(), &mut a).unwrap();
    let mut right = Driver::new(shared, &mut b).unwrap();
    let turn = Some(Duration::from_millis(1));
    let mut connecting = 0;
    while a.peers().next().is_none() || b.peers().next().is_none() {
        // b may not stand in EPMD yet
        if connecting % 100 == 0 {
            a.connect("b@127.0.0.1").unwrap();
        }
        connecting += 1;
        assert!(connecting < 5000, "{:?} {:?}", a.poll_event(), b.poll_event());
        left.poll(&mut a, turn).unwrap();
        right.poll(&mut b, turn).unwrap();
    }
    let (mut sent, mut answers) = (0, 0);
    let mut session = |messages: i64| {
        while answers < messages {
            while sent < messages && a.outbox(from).unwrap().send(("to", "b@127.0.0.1"), |t| t.int(sent)).is_ok() {
                sent += 1;
            }
            left.poll(&mut a, Some(Duration::ZERO)).unwrap();
            right.poll(&mut b, turn).unwrap();
            while let Some((message, mut out)) = b.recv(to) {
                if out.send(message.sender().unwrap(), |t| t.term(message.term())).is_err() {
                    message.put_back();
                    break;
                }
            }
            right.poll(&mut b, Some(Duration::ZERO)).unwrap();
            left.poll(&mut a, turn).unwrap();
            while let Some((message, _)) = a.recv(from) {
                assert_eq!(message.term().as_i64(), Some(answers));
                answers += 1;
            }
        }
    };
    // whatever is made at first use is made by now
    session(100);
    assert_eq!(measure(|| session(20_100)).count_total, 0);
}
