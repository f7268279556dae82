//! The loop never sleeps on work: whatever the program has not been shown ends a poll, and what it has been shown and left does not.
//!
//! A program here polls without a time limit: where it sleeps on work, it sleeps for ever, and the test says so.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use beamless::mio::net::UnixStream;
use beamless::mio::{Interest, Token};
use beamless::{
    Config, Driver, DriverOptions, Epmd, EpmdSettings, Error, Event, Full, Mailbox, NetworkFault, Node, NodeStorage, Overflow,
};

use crate::pair::{End, Seed, Wire, at, connect, connected, send, storage};

/// For a machine with a lot else to do.
const PATIENCE: Duration = Duration::from_secs(300);

/// A program on a thread of its own, with a node that listens on the loopback; its port is told by `port`.
fn spawn<T: Send + 'static>(
    name: &'static str,
    program: impl FnOnce(&mut Node<'_>, &mut Driver, mpsc::Sender<u16>) -> T + Send + 'static,
) -> (mpsc::Receiver<u16>, mpsc::Receiver<T>) {
    let (port, told) = mpsc::channel();
    let (end, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut storage = Box::new(NodeStorage::<2, 2, 16_384>::new());
        let mut node = Node::new(Config::hidden(name, "secret").unwrap(), &mut storage);
        let options = DriverOptions::default().listen(["127.0.0.1:0".parse().unwrap()]).epmd(Epmd::None);
        let mut driver = Driver::new(options.epmd_settings(EpmdSettings::new(1)), &mut node).unwrap();
        let _ = end.send(program(&mut node, &mut driver, port));
    });
    (told, ended)
}

/// What it came to, unless it sleeps.
fn end<T>(program: &mpsc::Receiver<T>, what: &str) -> T {
    program.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("it sleeps on work: {what}"))
}

/// A node `b@127.0.0.1` whose mailbox `sink` takes messages until `take` gives something.
fn sink<T: Send + 'static>(
    mut take: impl FnMut(beamless::Term<'_>) -> Option<T> + Send + 'static,
) -> (mpsc::Receiver<u16>, mpsc::Receiver<T>) {
    spawn("b@127.0.0.1", move |node, driver, port| {
        let sink = node.register("sink").unwrap();
        port.send(driver.local_addr().unwrap().port()).unwrap();
        loop {
            driver.poll(node, None).unwrap();
            while let Some((message, _)) = node.recv(sink) {
                if let Some(done) = take(message.term()) {
                    return done;
                }
            }
        }
    })
}

#[test]
fn a_million_terms_are_sent_by_a_program_that_only_polls() {
    const COUNT: i64 = 1_000_000;
    let mut next = 0;
    let (port, received) = sink(move |term| {
        assert_eq!(term.as_i64(), Some(next), "out of order");
        next += 1;
        (next == COUNT).then_some(next)
    });
    let port = port.recv().unwrap();
    let (_, sent) = spawn("a@127.0.0.1", move |node, driver, _| {
        let source = node.register("").unwrap();
        driver.set_port("b@127.0.0.1", port).unwrap();
        let (mut i, mut refused) = (0, 0_u64);
        while i < COUNT {
            match node.outbox(source).unwrap().send(("sink", "b@127.0.0.1"), |t| t.int(i)) {
                Ok(()) => i += 1,
                Err(Error::Full(Full::Transmit { .. })) => {
                    refused += 1;
                    driver.poll(node, None).unwrap();
                }
                Err(e) => panic!("{e}"),
            }
        }
        driver.close(node, PATIENCE).unwrap();
        refused
    });
    let refused = end(&sent, "the sender");
    assert_eq!(end(&received, "the receiver"), COUNT);
    assert!(refused > 100, "the buffer was full {refused} times, so nothing was tried");
}

#[test]
fn a_pipe_is_copied_into_the_cluster_and_loses_nothing() {
    const BYTES: usize = 8_000_000;
    const PIPE: Token = Token(1);
    let byte = |at: usize| (at * 7 + at / 251) as u8;
    let mut taken = 0;
    let (port, received) = sink(move |term| {
        for got in term.as_binary().unwrap() {
            assert_eq!(*got, byte(taken), "byte {taken}");
            taken += 1;
        }
        (taken == BYTES).then_some(taken)
    });
    let port = port.recv().unwrap();
    let (mut from, mut to) = std::os::unix::net::UnixStream::pair().unwrap();
    thread::spawn(move || {
        let all: Vec<u8> = (0..BYTES).map(byte).collect();
        to.write_all(&all).unwrap();
    });
    from.set_nonblocking(true).unwrap();
    let (_, copied) = spawn("a@127.0.0.1", move |node, driver, _| {
        let source = node.register("").unwrap();
        driver.set_port("b@127.0.0.1", port).unwrap();
        let mut pipe = UnixStream::from_std(from.try_clone().unwrap());
        driver.registry().register(&mut pipe, PIPE, Interest::READABLE).unwrap();
        // what was read and did not fit yet; while there is any, the pipe is not read
        let (mut buffer, mut waiting, mut readable) = ([0; 3000], 0, true);
        loop {
            while waiting > 0 || readable {
                if waiting == 0 {
                    match from.read(&mut buffer) {
                        Ok(0) => {
                            driver.close(node, PATIENCE).unwrap();
                            return;
                        }
                        Ok(read) => waiting = read,
                        Err(_) => readable = false,
                    }
                }
                if waiting > 0 {
                    match node.outbox(source).unwrap().send(("sink", "b@127.0.0.1"), |t| t.binary(&buffer[..waiting])) {
                        Ok(()) => waiting = 0,
                        Err(Error::Full(Full::Transmit { .. })) => break,
                        Err(e) => panic!("{e}"),
                    }
                }
            }
            driver.poll(node, None).unwrap();
            readable |= driver.poll_ready().is_some_and(|ready| ready.token == PIPE);
        }
    });
    end(&copied, "the copying");
    assert_eq!(end(&received, "the receiver"), BYTES);
}

#[test]
fn what_was_sent_before_the_connection_was_there_is_sent_before_it_is_closed() {
    let mut next = 0;
    let (port, received) = sink(move |term| {
        assert_eq!(term.as_i64(), Some(next));
        next += 1;
        (next == 10).then_some(next)
    });
    let port = port.recv().unwrap();
    let (_, closed) = spawn("a@127.0.0.1", move |node, driver, _| {
        let source = node.register("").unwrap();
        driver.set_port("b@127.0.0.1", port).unwrap();
        for i in 0..10 {
            node.outbox(source).unwrap().send(("sink", "b@127.0.0.1"), |t| t.int(i)).unwrap();
        }
        driver.close(node, PATIENCE).unwrap();
        // and to nobody it does not wait for ever
        driver.set_port("c@127.0.0.1", 1).unwrap();
        node.outbox(source).unwrap().send(("sink", "c@127.0.0.1"), |t| t.nil()).unwrap();
        driver.close(node, PATIENCE).unwrap();
        core::iter::from_fn(|| node.poll_event()).any(|event| matches!(event, Event::ConnectFailed { .. }))
    });
    assert!(end(&closed, "closing"), "nobody said that the connection failed");
    assert_eq!(end(&received, "the receiver"), 10);
}

#[test]
fn dials_and_closes_in_a_row_are_all_told() {
    let (port, _) = spawn("b@127.0.0.1", |node, driver, port| {
        port.send(driver.local_addr().unwrap().port()).unwrap();
        loop {
            driver.poll(node, None).unwrap();
            while node.poll_event().is_some() {}
        }
    });
    let port = port.recv().unwrap();
    let (_, dialled) = spawn("a@127.0.0.1", move |node, driver, _| {
        driver.set_port("b@127.0.0.1", port).unwrap();
        let (mut up, mut down) = (0, 0);
        for _ in 0..10 * 300 {
            node.connect("b@127.0.0.1").unwrap();
            'up: loop {
                driver.poll(node, None).unwrap();
                while let Some(event) = node.poll_event() {
                    match event {
                        Event::NodeUp { .. } => {
                            up += 1;
                            break 'up;
                        }
                        Event::ConnectFailed { reason, .. } => panic!("{reason}"),
                        _ => {}
                    }
                }
            }
            node.disconnect("b@127.0.0.1").unwrap();
            'down: loop {
                driver.poll(node, None).unwrap();
                while let Some(event) = node.poll_event() {
                    if matches!(event, Event::NodeDown { .. }) {
                        down += 1;
                        break 'down;
                    }
                }
            }
        }
        (up, down)
    });
    assert_eq!(end(&dialled, "a dial or a close"), (3000, 3000));
}

#[test]
fn ten_thousand_mailboxes_are_shown_when_they_have_something() {
    const MAILBOXES: usize = 10_000;
    let mut one = Box::new(NodeStorage::<1, 1, 4096>::new());
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut *one);
    static STORAGE: Mutex<NodeStorage<1, MAILBOXES, 4096>> = Mutex::new(NodeStorage::new());
    let mut storage = STORAGE.lock().unwrap();
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut *storage);
    let from = a.node.register("").unwrap();
    let all: Vec<Mailbox> = (0..MAILBOXES).map(|i| b.node.register(&format!("m{i}")).unwrap()).collect();
    let mut wire = connect(&mut a, &mut b);
    let mut random = Seed(5);
    for _ in 0..300 {
        let mut sent = BTreeMap::new();
        for i in 0..1 + random.below(6) {
            let to = random.below(MAILBOXES);
            a.node.outbox(from).unwrap().send((&*format!("m{to}"), "b@host"), |t| t.int(i as i64)).unwrap();
            *sent.entry(to).or_insert(0) += 1;
        }
        wire.there(&mut a, &mut b);
        assert!(b.node.poll_wake(), "it would sleep");
        while let Some(mailbox) = b.node.poll_mailbox() {
            let which = all.iter().position(|other| *other == mailbox).unwrap();
            let mut messages = 0;
            while b.node.recv(mailbox).is_some() {
                messages += 1;
            }
            assert_eq!(sent.remove(&which), Some(messages), "m{which} was asked in vain, or twice");
        }
        assert!(sent.is_empty(), "not shown: {sent:?}");
        assert!(!b.node.poll_wake(), "all was shown");
    }
}

#[test]
fn mailboxes_are_shown_in_turn() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let from = a.node.register("").unwrap();
    let (left, right) = (b.node.register("left").unwrap(), b.node.register("right").unwrap());
    let mut send = |to: &str, number: i64| a.node.outbox(from).unwrap().send((to, "b@host"), |t| t.int(number)).unwrap();
    (0..4).for_each(|number| send("left", number));
    (0..2).for_each(|number| send("right", number));
    wire.there(&mut a, &mut b);
    let mut order = Vec::new();
    while let Some(mailbox) = b.node.poll_mailbox() {
        let (message, _) = b.node.recv(mailbox).unwrap();
        assert_eq!(message.mailbox(), mailbox);
        order.push((mailbox == left, message.term().as_i64().unwrap()));
    }
    let (l, r) = (true, false);
    assert_eq!(order, [(l, 0), (r, 0), (l, 1), (r, 1), (l, 2), (l, 3)]);
    assert!(!b.node.poll_wake());
    let _ = right;
}

/// One message to the mailbox `to` of `b`.
fn message(a: &mut End<'_>, from: Mailbox, wire: &mut Wire, b: &mut End<'_>) {
    a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.nil()).unwrap();
    wire.there(a, b);
}

#[test]
fn a_mailbox_that_is_left_unread_is_shown_once() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("").unwrap(), b.node.register("to").unwrap());
    b.news();
    assert!(!b.node.poll_wake() && b.node.poll_mailbox().is_none());
    message(&mut a, from, &mut wire, &mut b);
    message(&mut a, from, &mut wire, &mut b);
    // it is shown, and left: nothing keeps the loop awake
    assert!(b.node.poll_wake());
    assert!(!b.node.poll_wake() && !b.node.poll_wake());
    // one more is news
    message(&mut a, from, &mut wire, &mut b);
    assert!(b.node.poll_wake() && !b.node.poll_wake());
    // a program that reads one a turn is not left to sleep on the rest
    assert!(b.node.recv(to).is_some());
    assert!(b.node.poll_wake());
    assert!(b.node.recv(to).is_some());
    assert!(b.node.poll_wake());
    assert!(b.node.recv(to).is_some());
    assert!(!b.node.poll_wake());
    assert!(b.node.recv(to).is_none() && !b.node.poll_wake());
    // to whoever asks for mailboxes it is the same
    message(&mut a, from, &mut wire, &mut b);
    assert_eq!(b.node.poll_mailbox(), Some(to));
    assert!(b.node.poll_mailbox().is_none() && !b.node.poll_wake());
    message(&mut a, from, &mut wire, &mut b);
    assert!(b.node.poll_wake());
    assert_eq!(b.node.poll_mailbox(), Some(to));
    assert!(b.node.poll_mailbox().is_none());
    // a mailbox that ended is not shown
    message(&mut a, from, &mut wire, &mut b);
    b.node.close_mailbox(to, |t| t.atom("done")).unwrap();
    assert!(b.node.poll_mailbox().is_none());
}

#[test]
fn an_event_is_shown_once() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, _) = connected(&mut one, &mut other);
    a.news();
    assert!(!a.node.poll_wake());
    a.node.disconnect("b@host").unwrap();
    assert!(a.node.poll_wake() && !a.node.poll_wake());
    let mailbox = a.node.register("mailbox").unwrap();
    a.node.close_mailbox(mailbox, |t| t.atom("done")).unwrap();
    assert!(a.node.poll_wake() && !a.node.poll_wake());
    // a program that reads one event a turn is not left to sleep on the rest
    assert!(a.node.poll_event().is_some());
    assert!(a.node.poll_wake());
    assert!(a.node.poll_event().is_some());
    assert!(!a.node.poll_wake());
    b.news();
}

#[test]
fn a_message_that_was_put_back_is_shown_when_there_is_room() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.news();
    // b's answers fill what it may send
    let fill = |b: &mut End<'_>| while b.node.outbox(to).unwrap().send(("from", "a@host"), |t| t.binary(&[7; 500])).is_ok() {};
    fill(&mut b);
    for by_mailbox in [false, true] {
        message(&mut a, from, &mut wire, &mut b);
        assert!(b.node.poll_wake());
        if by_mailbox {
            assert_eq!(b.node.poll_mailbox(), Some(to));
        }
        b.node.recv(to).unwrap().0.put_back();
        assert!(!b.node.poll_wake() && b.node.poll_mailbox().is_none(), "there is no room yet");
        // nor is anything read meanwhile from whom it waits for
        message(&mut a, from, &mut wire, &mut b);
        assert!(!b.node.poll_wake() && b.node.poll_mailbox().is_none() && b.node.recv(to).is_none());
        wire.back(&mut a, &mut b);
        while a.node.recv(from).is_some() {}
        assert!(b.node.poll_wake(), "there is room");
        assert_eq!(b.node.poll_mailbox(), Some(to));
        while b.node.recv(to).is_some() {}
        b.node.handle_timeout(at(1));
        wire.there(&mut a, &mut b);
        assert!(b.node.recv(to).is_some() && b.node.recv(to).is_none());
        assert!(b.node.poll_mailbox().is_none() && !b.node.poll_wake());
        fill(&mut b);
    }
}

#[test]
fn a_refused_send_is_told_once_it_fits() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, wire) = connected(&mut one, &mut other);
    let from = a.node.register("").unwrap();
    a.news();
    let send =
        |a: &mut End<'_>, bytes: usize| a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.binary(&[7; 2000][..bytes]));
    send(&mut a, 1000).unwrap();
    let waiting = a.node.poll_transmit(wire.a).len();
    let Err(Error::Full(Full::Transmit { needed, room })) = send(&mut a, 1900) else { panic!("there was room") };
    assert!(needed > room && !a.node.poll_wake());
    // a byte less than it takes is not enough
    a.node.handle_transmitted(wire.a, needed - room - 1);
    assert!(!a.node.poll_wake());
    a.node.handle_transmitted(wire.a, 1);
    assert!(a.node.poll_wake() && !a.node.poll_wake());
    send(&mut a, 1900).unwrap();
    // the smaller of two that were refused is told first, and the larger when it is refused again
    let small = send(&mut a, 1000).unwrap_err();
    let Error::Full(Full::Transmit { needed: small, room }) = small else { panic!("{small}") };
    assert!(matches!(send(&mut a, 1900), Err(Error::Full(Full::Transmit { .. }))));
    a.node.handle_transmitted(wire.a, small - room);
    assert!(a.node.poll_wake());
    assert!(matches!(send(&mut a, 1900), Err(Error::Full(Full::Transmit { .. }))));
    assert!(!a.node.poll_wake());
    a.node.handle_transmitted(wire.a, waiting);
    a.node.handle_transmitted(wire.a, a.node.poll_transmit(wire.a).len());
    assert!(a.node.poll_wake() && !a.node.poll_wake());
    // also when the larger was refused first
    send(&mut a, 1900).unwrap();
    assert!(send(&mut a, 1900).is_err());
    let Err(Error::Full(Full::Transmit { needed, room })) = send(&mut a, 1000) else { panic!("there was room") };
    a.node.handle_transmitted(wire.a, needed - room);
    assert!(a.node.poll_wake());
    b.news();
}

/// A program may take one mailbox a turn, and is not left to sleep on the others.
#[test]
fn mailboxes_that_were_not_given_yet_end_a_wait() {
    let (mut one, mut other) = (storage(), Box::new(NodeStorage::<1, 3, 4096>::new()));
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::new(Config::hidden("b@host", "secret").unwrap(), &mut *other));
    let from = a.node.register("").unwrap();
    let mut wire = connect(&mut a, &mut b);
    for name in ["x", "y", "z"] {
        b.node.register(name).unwrap();
        a.node.outbox(from).unwrap().send((name, "b@host"), |t| t.nil()).unwrap();
    }
    wire.there(&mut a, &mut b);
    for turn in 0..3 {
        assert!(b.node.poll_wake(), "turn {turn}: it would sleep on a mailbox that was never given");
        let mailbox = b.node.poll_mailbox().unwrap();
        while b.node.recv(mailbox).is_some() {}
    }
    assert!(!b.node.poll_wake());
}

/// There is nobody any more who could take something.
#[test]
fn a_message_that_was_put_back_is_shown_when_its_peer_is_gone() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    while b.node.outbox(to).unwrap().send(("from", "a@host"), |t| t.binary(&[7; 500])).is_ok() {}
    message(&mut a, from, &mut wire, &mut b);
    assert!(b.node.poll_wake());
    assert_eq!(b.node.poll_mailbox(), Some(to));
    b.node.recv(to).unwrap().0.put_back();
    assert!(!b.node.poll_wake());
    b.node.handle_closed(wire.b, None);
    b.news();
    assert!(b.node.poll_wake());
    assert_eq!(b.node.poll_mailbox(), Some(to));
}

/// The message that was put back made way for another of the same size, which is another all the same.
#[test]
fn what_takes_the_place_of_a_message_that_was_put_back_is_shown() {
    let (mut one, mut other) = (Box::new(NodeStorage::<1, 1, 8192>::new()), Box::new(NodeStorage::<1, 1, 8192>::new()));
    let mut a = End::new(Config::hidden("a@host", "secret").unwrap(), &mut *one);
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut *other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut wire = connect(&mut a, &mut b);
    b.node.set_overflow(to, Overflow::DropOldest).unwrap();
    for byte in [1, 2] {
        a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.binary(&[byte; 5000])).unwrap();
        wire.there(&mut a, &mut b);
        if byte == 1 {
            assert!(b.node.poll_wake());
            b.node.recv(to).unwrap().0.put_back();
        }
    }
    assert_eq!(b.node.dropped(to), 1);
    assert!(b.node.poll_wake());
    assert_eq!(b.node.recv(to).unwrap().0.term().as_binary().unwrap()[0], 2);
}

/// A program may take one of its sources a turn, and is not left to sleep on the others.
#[test]
fn sources_that_were_not_given_yet_end_a_wait() {
    let (_, given) = spawn("a@127.0.0.1", |node, driver, _| {
        let mut ends = Vec::new();
        for token in 1..=3 {
            let (mut near, mut far) = UnixStream::pair().unwrap();
            driver.registry().register(&mut near, Token(token), Interest::READABLE).unwrap();
            far.write_all(b"x").unwrap();
            ends.push((near, far));
        }
        let mut tokens = Vec::new();
        while tokens.len() < 3 {
            driver.poll(node, None).unwrap();
            tokens.extend(driver.poll_ready().map(|ready| ready.token.0));
        }
        tokens.sort_unstable();
        tokens
    });
    assert_eq!(end(&given, "a source of its own"), [1, 2, 3]);
}

/// What has come of a message so far is nothing to look at.
#[test]
fn a_message_is_shown_once_it_is_whole() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    for i in 0..5 {
        message(&mut a, from, &mut wire, &mut b);
        assert!(b.node.poll_mailbox().is_some() && b.node.recv(to).is_some());
        send(&mut a, from, "to", "b@host", i).unwrap();
        let before = b.node.received(to);
        while wire.step_each(&mut a, &mut b, 1, 0) > 0 {
            let is_here = b.node.received(to) > before;
            assert_eq!((b.node.poll_wake(), b.node.poll_mailbox().is_some()), (is_here, is_here));
        }
        assert!(b.node.recv(to).is_some() && b.node.recv(to).is_none());
    }
}

/// Its answer was to go to somebody else, who is gone.
#[test]
fn a_message_that_was_put_back_is_shown_when_another_is_gone() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    while b.node.outbox(to).unwrap().send(("to", "c@host"), |t| t.binary(&[7; 500])).is_ok() {}
    message(&mut a, from, &mut wire, &mut b);
    assert!(b.node.poll_wake());
    b.node.recv(to).unwrap().0.put_back();
    let (attempt, _) = b.node.poll_dial(at(0)).unwrap();
    assert!(!b.node.poll_wake());
    b.node.handle_unreachable(attempt, NetworkFault::Refused);
    b.news();
    assert!(b.node.poll_wake());
    assert_eq!(b.node.poll_mailbox(), Some(to));
}
