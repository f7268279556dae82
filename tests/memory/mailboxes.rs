//! Mailboxes: nothing lost, nothing grows, and a full one holds up its sender.

use beamless::{
    Address, Config, ConfigError, Error, Event, Failure, Full, HeldBy, Mailbox, Misuse, Node, Overflow, Received, Sizes,
};

use crate::pair::{End, Seed, Storage, Wire, at, connected, dial, integers, send, storage};

/// Many more messages than there is memory for: the sender waits, and all of them come, in order.
#[test]
fn a_mailbox_nobody_reads_holds_up_its_sender() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut random = Seed(3);
    let (mut next, mut got) = (0, Vec::new());
    let (mut held, mut turn) = (0, 0);
    while got.len() < 20_000 {
        while next < 20_000 {
            match send(&mut a, from, "to", "b@host", next) {
                Ok(()) => next += 1,
                Err(Error::Full(Full::Transmit { .. })) => break,
                Err(e) => panic!("{e}"),
            }
        }
        wire.settle(&mut a, &mut b, || 4096);
        held += b.news().iter().filter(|event| matches!(event, Event::Held { .. })).count();
        for _ in 0..random.below(60) {
            if let Some((message, _)) = b.node.recv(to) {
                got.push(message.term().as_i64().unwrap());
            }
        }
        turn += 1;
        b.node.handle_timeout(at(turn));
    }
    assert!(got.into_iter().eq(0..20_000));
    assert!(held > 0 && a.is_up() && b.is_up());
}

#[test]
fn a_peer_that_is_held_up_is_not_silent() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut sent = 0;
    while b.node.takes_bytes(wire.b) {
        while send(&mut a, from, "to", "b@host", sent).is_ok() {
            sent += 1;
        }
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    for second in 0..3600 {
        b.node.handle_timeout(at(second));
        a.node.handle_timeout(at(second));
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    assert!(a.is_up() && b.is_up());
    let mut got = integers(&mut b, to);
    while (got.len() as i64) < sent {
        b.node.handle_timeout(at(3600));
        wire.settle(&mut a, &mut b, || usize::MAX);
        got.extend(integers(&mut b, to));
    }
    assert!(got.into_iter().eq(0..sent));
}

#[test]
fn dropping_is_a_choice_and_is_counted() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let from = a.node.register("from").unwrap();
    let (newest, oldest) = (b.node.register("newest").unwrap(), b.node.register("oldest").unwrap());
    b.node.set_overflow(newest, Overflow::DropNewest).unwrap();
    b.node.set_overflow(oldest, Overflow::DropOldest).unwrap();
    for i in 0..1000 {
        for name in ["newest", "oldest"] {
            while send(&mut a, from, name, "b@host", i).is_err() {
                wire.settle(&mut a, &mut b, || usize::MAX);
            }
        }
    }
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (kept_first, kept_last) = (integers(&mut b, newest), integers(&mut b, oldest));
    let (first, last) = (kept_first.len() as i64, kept_last.len() as i64);
    assert!(first > 50 && first < 1000 && kept_first.into_iter().eq(0..first));
    assert!(last > 50 && last < 1000 && kept_last.into_iter().eq(1000 - last..1000));
    assert_eq!((b.node.dropped(newest), b.node.dropped(oldest)), (1000 - first as u64, 1000 - last as u64));
}

#[test]
fn by_name_by_pid_and_by_alias() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let (pid, alias) = (b.node.pid(to).unwrap(), b.node.alias(to).unwrap());
    for (i, address) in [Address::from(("to", "b@host")), (&pid).into(), (&alias).into()].into_iter().enumerate() {
        a.node.outbox(from).unwrap().send(address, |t| t.int(i as i64)).unwrap();
        wire.settle(&mut a, &mut b, || 9);
        let (message, mut out) = b.node.recv(to).unwrap();
        assert_eq!(message.term().as_i64(), Some(i as i64));
        // the sender is known, and an answer finds it
        out.send(message.sender().unwrap(), |t| t.term(message.term())).unwrap();
        wire.settle(&mut a, &mut b, || 9);
        assert_eq!(integers(&mut a, from), [i as i64]);
    }
    // nobody has these: nothing comes, and it is told
    send(&mut a, from, "nobody", "b@host", 0).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(b.texts(), ["message to nobody from a@host dropped: no such mailbox"]);
}

#[test]
fn a_message_put_back_is_the_next_again() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    (0..3).for_each(|i| send(&mut a, from, "to", "b@host", i).unwrap());
    wire.settle(&mut a, &mut b, || usize::MAX);
    b.node.recv(to).unwrap();
    for _ in 0..3 {
        let (message, _) = b.node.recv(to).unwrap();
        assert_eq!(message.term().as_i64(), Some(1));
        message.put_back();
    }
    assert_eq!(integers(&mut b, to), [1, 2]);
}

#[test]
fn what_cannot_be_sent_says_why_and_leaves_nothing_behind() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut out = a.node.outbox(from).unwrap();
    let to_b = ("to", "b@host");
    assert!(matches!(out.send(("x", "c"), |t| t.nil()), Err(Error::Config(ConfigError::NameForm))));
    assert!(matches!(out.send(("x", "c@host.example.org"), |t| t.nil()), Err(Error::Config(ConfigError::ShortNameHasDot))));
    assert!(matches!(out.send(("x", "a@host"), |t| t.nil()), Err(Error::Misuse(Misuse::OwnNode))));
    assert!(matches!(out.send(to_b, |t| t.tuple(2)), Err(Error::Misuse(Misuse::TermIncomplete(2)))));
    assert!(matches!(out.send(to_b, |t| t.int(1)?.int(2)), Err(Error::Misuse(Misuse::TermOverfull))));
    assert!(matches!(out.send(to_b, |t| t.float(f64::NAN)), Err(Error::Misuse(Misuse::NotFinite))));
    // also when whoever writes the term overlooks it
    let overlooked = out.send(to_b, |t| {
        t.tuple(1)?;
        let _ = t.float(f64::INFINITY);
        Ok(t)
    });
    assert!(matches!(overlooked, Err(Error::Misuse(Misuse::NotFinite))));
    assert!(matches!(out.send(to_b, |t| t.atom(&"a".repeat(256))), Err(Error::Misuse(Misuse::AtomTooLong))));
    assert!(matches!(out.send(to_b, |t| t.binary(&[0; 5000])), Err(Error::Full(Full::Message { limit: 2048, .. }))));
    assert!(
        Node::RESERVED_NAMES.iter().all(|name| a.node.register(name).is_err())
            && a.node.register("from").is_err()
            && a.node.register("second").is_ok()
    );
    assert!(matches!(a.node.register("third"), Err(Error::Full(Full::Mailboxes))));
    send(&mut a, from, "to", "b@host", 4).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(integers(&mut b, to), [4]);
}

/// The limit counts the whole frame: with a byte less in the term, the largest message fits; and the buffer takes it whole.
#[test]
fn the_largest_message_is_as_large_as_is_said() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let most = a.node.max_message();
    let mut out = a.node.outbox(from).unwrap();
    let Err(Error::Full(Full::Message { needed, limit })) = out.send(("to", "b@host"), |t| t.binary(&[0; 4000])) else {
        panic!("there was room")
    };
    let fits = 4000 - (needed - most);
    assert_eq!(limit, most);
    let more = out.send(("to", "b@host"), |t| t.binary(&vec![0; fits + 1]));
    assert!(matches!(more, Err(Error::Full(Full::Message { needed, .. })) if needed == most + 1));
    out.send(("to", "b@host"), |t| t.binary(&vec![0; fits])).unwrap();
    assert_eq!(a.node.poll_transmit(wire.a).len(), most);
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(b.node.recv(to).is_some());
}

/// A program that cannot answer now puts the message back, and then waits for the network, not for nothing.
#[test]
fn a_message_put_back_does_not_keep_the_node_busy() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    fill(&mut a, &mut b, &mut wire, from);
    b.node.handle_timeout(at(1));
    b.node.handle_timeout(at(2));
    b.news();
    for second in 2..20 {
        b.node.recv(to).unwrap().0.put_back();
        assert!(!b.node.poll_wake(), "busy at {second}");
        assert!(b.node.poll_timeout().is_some_and(|due| due >= at(second)), "busy at {second}");
        b.node.handle_timeout(at(second));
        assert!(b.news().is_empty());
    }
}

/// The answer did not fit, and the sender has nothing more to say: what wakes the program is that the peer takes something.
#[test]
fn a_message_put_back_is_looked_at_once_there_is_room() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    send(&mut a, from, "to", "b@host", 1).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    b.node.handle_timeout(at(1));
    send(&mut b, to, "from", "a@host", 2).unwrap();
    b.node.recv(to).unwrap().0.put_back();
    assert!(!b.node.poll_wake() && b.node.poll_timeout().is_some_and(|due| due > at(1)));
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(b.node.poll_wake());
    assert!(!b.node.poll_wake() && b.node.poll_timeout().is_some_and(|due| due > at(1)));
    assert_eq!(integers(&mut b, to), [1]);
}

/// News of single messages do not push out how connections stand.
#[test]
fn a_flood_of_small_news_hides_no_large_ones() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let from = a.node.register("from").unwrap();
    let mut third = storage();
    let mut guest = End::hidden("c@host", &mut third);
    guest.node.connect("b@host").unwrap();
    let mut visit = dial(&mut guest, &mut b, at(1)).unwrap();
    visit.settle(&mut guest, &mut b, || usize::MAX);
    guest.node.close();
    visit.settle(&mut guest, &mut b, || usize::MAX);
    for _ in 0..100 {
        send(&mut a, from, "nobody", "b@host", 1).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    let news = b.news();
    assert!(matches!(news.first(), Some(Event::Missed(_))), "{news:?}");
    assert!(news.iter().any(|event| matches!(event, Event::NodeUp { .. })), "{news:?}");
    assert!(news.iter().any(|event| matches!(event, Event::NodeDown { .. })), "{news:?}");
}

/// Fills b's mailbox until a is not read from any more.
fn fill(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire, from: Mailbox) {
    while b.node.takes_bytes(wire.b) {
        while send(a, from, "to", "b@host", 1).is_ok() {}
        wire.settle(a, b, || usize::MAX);
    }
}

#[test]
fn a_peer_that_vanished_while_held_up_does_not_keep_its_place() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    fill(&mut a, &mut b, &mut wire, from);
    // something waits for a, which is not there to take it
    send(&mut b, to, "from", "a@host", 1).unwrap();
    b.node.disconnect("a@host").unwrap();
    (0..300).for_each(|second| b.node.handle_timeout(at(second)));
    assert!(!b.node.is_open(wire.b));
}

#[test]
fn a_mailbox_that_drops_from_now_on_holds_nobody_up() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    fill(&mut a, &mut b, &mut wire, from);
    b.node.set_overflow(to, Overflow::DropOldest).unwrap();
    b.node.handle_timeout(at(1));
    assert!(b.node.takes_bytes(wire.b));
}

#[test]
fn a_log_shows_no_lines_that_a_peer_made_up() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let from = a.node.register("from").unwrap();
    send(&mut a, from, "x\nnode up: hub@nuc3 (visible)", "b@host", 1).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(b.texts().iter().all(|line| !line.contains('\n')));
}

/// Whoever waits for a function is told, as when a process of a BEAM dies.
#[test]
fn a_mailbox_that_serves_ends_with_the_calls_that_wait() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.serve(to, ["box:reboot/0"]).unwrap();
    let request = a.node.outbox(from).unwrap().rpc("b@host", "box", "reboot", None, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || 7);
    b.node.close_mailbox(to, |t| t.atom("out_of_order")).unwrap();
    wire.settle(&mut a, &mut b, || 7);
    let (message, _) = a.node.recv(from).unwrap();
    let Received::Answer { request: answered, result: Err(Failure::Ended(reason)) } = message.received() else {
        panic!("{:?}", message.received())
    };
    assert!(answered == request && reason.is_atom("out_of_order"));
    assert_eq!((a.node.in_use().requests, b.node.in_use().watches, b.node.in_use().mailboxes), (0, 0, 0));
}

/// A caller waits for it: were the call pushed out by messages, it would for ever.
#[test]
fn a_call_of_a_function_is_not_pushed_out() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.serve(to, ["m:f/0"]).unwrap();
    b.node.set_overflow(to, Overflow::DropOldest).unwrap();
    send(&mut a, from, "to", "b@host", 0).unwrap();
    a.node.outbox(from).unwrap().rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let mut sent = 0;
    while b.node.takes_bytes(wire.b) {
        send(&mut a, from, "to", "b@host", 1).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
        sent += 1;
        assert!(sent < 1000, "it is pushed out");
    }
    assert_eq!(b.node.dropped(to), 1, "the message before it is");
    let (message, mut out) = b.node.recv(to).unwrap();
    let Received::Apply(apply) = message.received() else { panic!("{:?}", message.received()) };
    out.reply(&apply, |t| t.atom("done")).unwrap();
    b.node.handle_timeout(at(1));
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(matches!(a.node.recv(from).map(|(m, _)| m.received()), Some(Received::Answer { result: Ok(_), .. })));
}

/// What came and went is counted, for each connection and each mailbox.
#[test]
fn what_went_over_a_connection_is_counted() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let traffic = |end: &End<'_>| end.node.peers().next().unwrap().traffic;
    let (before_a, before_b) = (traffic(&a), traffic(&b));
    assert_eq!((before_a.sent, before_b.received), (0, 0), "the handshake is no message");
    for value in 0..10 {
        send(&mut a, from, "to", "b@host", value).unwrap();
    }
    let pending = traffic(&a).pending;
    assert!(pending > 0 && traffic(&a).sent == 10);
    // a call that does not fit has not half gone either
    let huge = |out: &mut beamless::Outbox<'_>| out.call(("to", "b@host"), None, |t| t.binary(&[0; 4000]));
    assert!(matches!(huge(&mut a.node.outbox(from).unwrap()), Err(Error::Full(_))));
    assert_eq!((traffic(&a).sent, traffic(&a).pending), (10, pending));
    wire.settle(&mut a, &mut b, || 7);
    let (after_a, after_b) = (traffic(&a), traffic(&b));
    assert_eq!((after_a.pending, after_b.received, after_b.sent), (0, 10, 0));
    assert_eq!(after_a.sent_bytes - before_a.sent_bytes, pending as u64);
    assert_eq!(after_b.received_bytes - before_b.received_bytes, pending as u64);
    // ticks have bytes, and are no messages
    for quarter in 0..5 {
        a.node.handle_timeout(at(quarter * 15));
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    assert!(traffic(&b).received == 10 && traffic(&b).received_bytes > after_b.received_bytes);

    assert_eq!((b.node.received(to), a.node.received(from)), (10, 0));
    assert_eq!(integers(&mut b, to).len(), 10);
    assert_eq!(b.node.received(to), 10);
    b.node.register("").unwrap();
    let names: Vec<&str> = b.node.mailboxes().map(|(_, name)| name).collect();
    assert_eq!(names, ["to", ""]);
}

/// A pid that nobody can reach is not given out.
#[test]
fn a_pid_is_given_out_once_it_can_be_reached() {
    let mut memory = storage();
    let mut node = Node::new(Config::hidden("a@host", "secret").unwrap(), &mut memory);
    let mailbox = node.register("mailbox").unwrap();
    assert!(matches!(node.pid(mailbox), Err(Error::Misuse(Misuse::NoCreation))));
    assert!(matches!(node.alias(mailbox), Err(Error::Misuse(Misuse::NoCreation))));
    let unsent = node.outbox(mailbox).unwrap().send(("x", "b@host"), |t| t.nil());
    assert!(matches!(unsent, Err(Error::Misuse(Misuse::NoCreation))));
    assert_eq!(node.in_use().peers, 0);
    node.set_creation(77);
    assert_eq!(node.pid(mailbox).unwrap().as_pid().creation, 77);
    assert_eq!(node.alias(mailbox).unwrap().as_reference().creation, 77);
    node.outbox(mailbox).unwrap().send(("x", "b@host"), |t| t.nil()).unwrap();
    // one that owns its memory has drawn its incarnation
    let mut node = beamless::OwnedNode::new(Config::hidden("a@host", "secret").unwrap(), Sizes::new(2, 1, 4096)).unwrap();
    let mailbox = node.register("mailbox").unwrap();
    let creation = node.pid(mailbox).unwrap().as_pid().creation;
    assert!(creation >= 4);
    node.set_creation(3);
    assert_eq!(node.creation(), creation, "what was given out stays right");
}

/// While a message is at hand, something can be sent in the name of another mailbox, if that is alive.
#[test]
fn a_message_is_answered_from_another_mailbox() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let from = a.node.register("from").unwrap();
    let (to, second) = (b.node.register("to").unwrap(), b.node.register("second").unwrap());
    let pid = b.node.pid(second).unwrap();
    let mut turn = |a: &mut End<'_>, b: &mut End<'_>, lives: bool| {
        send(a, from, "to", "b@host", 1).unwrap();
        wire.settle(a, b, || usize::MAX);
        let (message, mut out) = b.node.recv(to).unwrap();
        match out.from_mailbox(second) {
            Ok(mut out) => {
                assert!(lives && out.pid() == pid.as_pid());
                out.send(("from", "a@host"), |t| t.term(message.term())).unwrap();
                // back to the first, and on
                assert_eq!(out.from_mailbox(to).unwrap().from_mailbox(second).unwrap().pid(), pid.as_pid());
            }
            Err(e) => assert!(!lives && matches!(e, Error::Misuse(Misuse::NoMailbox))),
        }
        assert!(out.from_mailbox(to).is_ok());
        wire.settle(a, b, || usize::MAX);
    };
    turn(&mut a, &mut b, true);
    let (message, _) = a.node.recv(from).unwrap();
    assert_eq!((message.sender(), message.term().as_i64()), (Some(pid.as_pid()), Some(1)));
    b.node.close_mailbox(second, |t| t.atom("done")).unwrap();
    turn(&mut a, &mut b, false);
}

/// Names of functions and of nodes need not outlive the call that names them.
#[test]
fn names_need_not_live_for_ever() {
    let mut memory = storage();
    let config = {
        let allowed: Vec<String> = (0..100).map(|i| format!("hub{i}@nuc3")).collect();
        Config::hidden("a@host", "secret").unwrap().allow(&allowed).unwrap()
    };
    let mut node = Node::new(config, &mut memory);
    let mailbox = node.register("mailbox").unwrap();
    {
        let functions: Vec<String> = (0..100).map(|i| format!("m:f{i}/0")).collect();
        node.serve(mailbox, &functions).unwrap();
    }
    assert!(matches!(node.serve(mailbox, ["m:f"]), Err(Error::Config(ConfigError::FunctionName))));
}

/// A node that a struct owns, and the memory it leaves to the next.
#[test]
fn a_node_owns_its_memory() {
    let config = || Config::hidden("a@host", "secret").unwrap();
    let mut node = beamless::OwnedNode::new(config(), Sizes::new(2, 3, 4096)).unwrap();
    let mailbox = node.register("mailbox").unwrap();
    assert!(matches!(node.connect("b@host"), Ok(())));
    let before = format!("{node:?}");
    assert!(before.contains("a@host") && !before.contains("secret"), "{before}");
    drop(node);
    // nothing of the one before is left in it
    let mut node = beamless::OwnedNode::new(config(), Sizes::new(2, 3, 4096)).unwrap();
    assert_eq!(node.in_use().mailboxes, 0);
    assert!(node.recv(mailbox).is_none() && node.poll_event().is_none() && node.poll_mailbox().is_none());
    assert!((0..3).all(|i| node.register(&format!("m{i}")).is_ok()));
    assert!(beamless::OwnedNode::new(config(), Sizes::new(0, 3, 4096)).is_err());
    // more than any machine has, though each number is in its range
    assert!(beamless::OwnedNode::new(config(), Sizes::new(65_534, 0, 1 << 30)).is_err());
}

/// A peer that does not read what it is owed is not read from, and that is told by its name.
#[test]
fn a_peer_that_does_not_read_is_named() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    while b.node.outbox(to).unwrap().send(("from", "a@host"), |t| t.binary(&[7; 500])).is_ok() {}
    b.news();
    // each is owed an answer, for which there is room only so often
    for _ in 0..200 {
        let _ = a.node.outbox(from).unwrap().monitor(("nobody", "b@host"));
        wire.there(&mut a, &mut b);
    }
    let held = |b: &End<'_>| b.node.peers().next().and_then(|peer| peer.held);
    assert_eq!(held(&b), Some(HeldBy::Transmit));
    b.node.handle_timeout(at(1));
    assert!(b.node.poll_timeout().is_some_and(|due| due <= at(2)));
    b.node.handle_timeout(at(2));
    let news = b.texts();
    assert_eq!(
        news,
        ["a@host does not read what is sent to it, and is not read from until it does: its transmit buffer is full"]
    );
    wire.settle(&mut a, &mut b, || usize::MAX);
    while a.node.recv(from).is_some() {}
    b.node.handle_timeout(at(2));
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(held(&b), None);
}

/// Two nodes that each have an answer for the other, which does not read because its own finds no room.
fn in_a_tie<'s>(one: &'s mut Storage, other: &'s mut Storage) -> (End<'s>, End<'s>, Wire) {
    let (mut a, mut b, mut wire) = connected(one, other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    send(&mut a, from, "to", "b@host", 1).unwrap();
    send(&mut b, to, "from", "a@host", 1).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    for (end, mailbox, name, node) in [(&mut a, from, "to", "b@host"), (&mut b, to, "from", "a@host")] {
        while send(end, mailbox, name, node, 2).is_ok() {}
        end.node.recv(mailbox).unwrap().0.put_back();
        end.node.poll_wake();
        end.node.handle_timeout(at(1));
    }
    assert_eq!(wire.step(&mut a, &mut b, usize::MAX), 0, "nobody reads");
    (a, b, wire)
}

/// Both programs are told whom they wait for, and either can end it: what it does anew is over a new connection, which ends the old one at the
/// other side.
#[test]
fn two_that_wait_for_each_other_are_told_and_either_can_end_it() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, _wire) = in_a_tie(&mut one, &mut other);
    for (end, node) in [(&mut a, "b@host"), (&mut b, "a@host")] {
        end.node.handle_timeout(at(2));
        let news = end.news();
        assert!(matches!(&news[..], [Event::Held { node: held, by: HeldBy::Transmit }] if held.as_str() == node), "{news:?}");
    }
    a.node.disconnect("b@host").unwrap();
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(3)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(a.texts(), ["node down: b@host (closed by this node)", "node up: b@host (hidden)"]);
    assert_eq!(b.texts(), ["node down: a@host (the node connected anew)", "node up: a@host (hidden)"]);
    // and each reads what it has
    let (from, to) = (a.node.mailboxes().next().unwrap().0, b.node.mailboxes().next().unwrap().0);
    assert_eq!((integers(&mut a, from), integers(&mut b, to)), (vec![1], vec![1]));
}

/// If neither program does anything, both find the other silent, as it is: it takes nothing for as long as the tick time.
#[test]
fn two_that_wait_for_each_other_are_silent_to_each_other() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = in_a_tie(&mut one, &mut other);
    for quarter in 1..=6 {
        for end in [&mut a, &mut b] {
            end.node.handle_timeout(at(1 + 15 * quarter));
            assert_eq!(end.is_up(), quarter < 6, "{quarter}");
        }
    }
    wire.settle(&mut a, &mut b, || usize::MAX);
    let down = |end: &mut End<'_>| end.texts().pop().unwrap();
    assert_eq!(down(&mut a), "node down: b@host (net_tick_timeout: the peer was silent for too long)");
    assert_eq!(down(&mut b), "node down: a@host (net_tick_timeout: the peer was silent for too long)");
}

/// Two nodes each of which has a full mailbox that nobody reads: both programs are told which, and reading it is all it takes.
#[test]
fn two_that_hold_each_other_up_are_told_by_which_mailbox() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let mut sent = [0, 0];
    while a.node.takes_bytes(wire.a) || b.node.takes_bytes(wire.b) {
        while send(&mut a, from, "to", "b@host", sent[0]).is_ok() {
            sent[0] += 1;
        }
        while send(&mut b, to, "from", "a@host", sent[1]).is_ok() {
            sent[1] += 1;
        }
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    for (end, by) in [(&mut a, "from"), (&mut b, "to")] {
        end.node.handle_timeout(at(1));
        end.node.handle_timeout(at(2));
        let news = end.news();
        assert!(matches!(&news[..], [Event::Held { by: HeldBy::Mailbox(name), .. }] if **name == *by), "{news:?}");
    }
    let mut got = [Vec::new(), Vec::new()];
    while got[0].len() < sent[1] as usize || got[1].len() < sent[0] as usize {
        let before = got.iter().map(Vec::len).sum::<usize>();
        got[0].extend(integers(&mut a, from));
        got[1].extend(integers(&mut b, to));
        a.node.handle_timeout(at(3));
        b.node.handle_timeout(at(3));
        let moved = wire.step(&mut a, &mut b, usize::MAX);
        assert!(moved > 0 || got.iter().map(Vec::len).sum::<usize>() > before, "nothing moves");
    }
    assert_eq!(got, [(0..sent[1]).collect::<Vec<_>>(), (0..sent[0]).collect::<Vec<_>>()]);
}

/// What is said of a node that is held up is not said of one that is gone, or goes.
#[test]
fn a_node_that_is_gone_is_not_held_up() {
    for closes in [false, true] {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
        // what is due to the mailbox keeps the place of the connection
        b.node.trap_exit(to, true).unwrap();
        let pid = a.node.pid(from).unwrap();
        b.node.outbox(to).unwrap().link(pid.as_pid()).unwrap();
        wire.back(&mut a, &mut b);
        while b.node.takes_bytes(wire.b) {
            while send(&mut a, from, "to", "b@host", 1).is_ok() {}
            wire.settle(&mut a, &mut b, || usize::MAX);
        }
        if closes {
            b.node.outbox(to).unwrap().send(("from", "a@host"), |t| t.nil()).unwrap();
            b.node.disconnect("a@host").unwrap();
        } else {
            b.node.handle_closed(wire.b, None);
        }
        b.news();
        b.node.handle_timeout(at(1));
        b.node.handle_timeout(at(3));
        let texts = b.texts();
        assert!(texts.is_empty(), "{texts:?}");
    }
}

/// The monitor and the request of a call go together: where both never fit, that is said, and not that there is no room now.
#[test]
fn a_call_that_never_fits_is_told_so() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, wire) = connected(&mut one, &mut other);
    let from = a.node.register("from").unwrap();
    let (mut fits, mut never) = (0, 0);
    let drain = |a: &mut End<'_>| {
        let len = a.node.poll_transmit(wire.a).len();
        a.node.handle_transmitted(wire.a, len);
    };
    for bytes in 1700..2048 {
        let called = a.node.outbox(from).unwrap().call(("to", "b@host"), None, |t| t.binary(&[0; 2048][..bytes]));
        match called {
            Ok(request) => {
                fits += 1;
                drain(&mut a);
                a.node.outbox(from).unwrap().abandon(request).unwrap();
            }
            Err(Error::Full(Full::Message { needed, limit })) => {
                assert!(needed > limit);
                never += 1;
            }
            Err(e) => panic!("{bytes}: {e}"),
        }
        drain(&mut a);
    }
    assert!(fits > 50 && never > 50, "{fits} fit, {never} never do");
    // the largest does not fit behind something else, but will
    send(&mut a, from, "to", "b@host", 1).unwrap();
    let bytes = 1700 + fits - 1;
    let called = a.node.outbox(from).unwrap().call(("to", "b@host"), None, |t| t.binary(&[0; 2048][..bytes]));
    assert!(matches!(called, Err(Error::Full(Full::Transmit { .. }))), "{called:?}");
    b.news();
}

/// A reason is written more than once, and may come out otherwise; the mailbox ends all the same.
#[test]
fn a_reason_that_changes_ends_the_mailbox() {
    for second in [0.0, f64::NAN] {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
        send(&mut a, from, "to", "b@host", 1).unwrap();
        wire.there(&mut a, &mut b);
        let times = std::cell::Cell::new(0);
        let closed = b.node.close_mailbox(to, |t| {
            times.set(times.get() + 1);
            if times.get() == 1 { t.float(1.0) } else { t.tuple(2)?.float(second)?.binary(&[0; 5000]) }
        });
        closed.unwrap();
        assert_eq!(b.texts(), ["mailbox to ended: undefined"]);
        assert!(b.node.recv(to).is_none());
        b.node.register("to").unwrap();
        assert!(b.node.poll_mailbox().is_none());
    }
}

/// Who moved on and is held up again is told of again; who did not, once.
#[test]
fn a_peer_that_is_held_up_again_is_told_of_again() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    fill(&mut a, &mut b, &mut wire, from);
    let told = |b: &mut End<'_>, seconds: std::ops::Range<u64>| {
        seconds.for_each(|second| b.node.handle_timeout(at(second)));
        b.news().iter().filter(|event| matches!(event, Event::Held { .. })).count()
    };
    assert_eq!(told(&mut b, 1..10), 1);
    // to let it try again moves nobody
    for second in 10..15 {
        b.node.set_overflow(to, Overflow::Hold).unwrap();
        assert_eq!(told(&mut b, second..second + 1), 0);
    }
    assert_eq!(told(&mut b, 15..20), 0);
    // there is room for some of what waits
    (0..10).for_each(|_| _ = b.node.recv(to).unwrap());
    assert_eq!(told(&mut b, 20..30), 1);
}

/// Whichever way they go, most or all of them the short one.
#[test]
fn one_peer_alone_may_fill_a_mailbox() {
    let received = [1, 2].map(|senders| {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
        let from: Vec<_> = (0..senders).map(|_| a.node.register("").unwrap()).collect();
        let to = b.node.register("to").unwrap();
        for turn in 0.. {
            send(&mut a, from[turn % senders], "to", "b@host", 1).unwrap();
            wire.settle(&mut a, &mut b, || usize::MAX);
            if !b.node.takes_bytes(wire.b) {
                break;
            }
        }
        b.node.received(to)
    });
    assert_eq!(received[0], received[1]);
}

/// What drops messages drops no ends and no answers: they wait for room.
#[test]
fn a_mailbox_that_drops_the_newest_misses_no_end() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    b.node.set_overflow(to, Overflow::DropNewest).unwrap();
    let monitor = b.node.outbox(to).unwrap().monitor(("from", "a@host")).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    while b.node.dropped(to) == 0 {
        send(&mut a, from, "to", "b@host", 1).unwrap();
        wire.settle(&mut a, &mut b, || usize::MAX);
    }
    a.node.close_mailbox(from, |t| t.atom("why")).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(!b.node.takes_bytes(wire.b));
    let mut downs = Vec::new();
    for second in 0..300 {
        if let Some((message, _)) = b.node.recv(to) {
            if let Received::Down { monitor, .. } = message.received() {
                downs.push(monitor);
            }
        }
        b.node.handle_timeout(at(second));
    }
    assert_eq!(downs, [monitor]);
}

/// Mailboxes without a name have not this one.
#[test]
fn the_empty_name_is_nobodys() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("").unwrap(), b.node.register("").unwrap());
    send(&mut a, from, "", "b@host", 1).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(b.node.recv(to).is_none());
    assert_eq!(b.texts(), ["message to '' from a@host dropped: no such mailbox"]);
}
