//! What is sent to a node that is not connected waits until it is; and connections that nothing uses are let go of.

use std::time::Duration;

use beamless::{
    AutoConnect, Config, Connection, Error, Event, Failure, Mailbox, Monitor, NetworkFault, Origin, Reason, Received, Request,
};

use crate::pair::{End, Seed, Storage, Wire, at, connected, dial, integers, send, storage};

/// Two nodes that are not connected, a mailbox at each.
fn apart<'s>(config: Config, one: &'s mut Storage, other: &'s mut Storage) -> (End<'s>, End<'s>, Mailbox, Mailbox) {
    let (mut a, mut b) = (End::new(config, one), End::hidden("b@host", other));
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    (a, b, from, to)
}

fn usual() -> Config {
    Config::hidden("a@host", "secret").unwrap()
}

fn call(a: &mut End<'_>, from: Mailbox) -> Request {
    a.node.outbox(from).unwrap().call(("to", "b@host"), None, |t| t.atom("question")).unwrap()
}

fn monitor(a: &mut End<'_>, from: Mailbox) -> Monitor {
    a.node.outbox(from).unwrap().monitor(("to", "b@host")).unwrap()
}

/// What is in a mailbox, in short.
fn received(end: &mut End<'_>, mailbox: Mailbox) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((message, _)) = end.node.recv(mailbox) {
        all.push(match message.received() {
            Received::Call(call) => format!("call {}", call.request),
            Received::Apply(apply) => format!("apply {}{}", apply.function.as_str().unwrap(), apply.args),
            Received::Info(term) => format!("info {term}"),
            Received::Down { reason, .. } => format!("down {reason}"),
            Received::Exit { reason, .. } => format!("exit {reason}"),
            Received::Answer { result: Ok(value), .. } => format!("value {value}"),
            Received::Answer { result: Err(Failure::NodeDown), .. } => "node down".to_owned(),
            other => panic!("{other:?}"),
        });
    }
    all
}

/// One of everything that reaches over a connection.
fn use_it(a: &mut End<'_>, from: Mailbox, pid: &beamless::OwnedPid) {
    send(a, from, "to", "b@host", 1).unwrap();
    call(a, from);
    monitor(a, from);
    let mut out = a.node.outbox(from).unwrap();
    out.link(pid.as_pid()).unwrap();
    out.rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
    send(a, from, "to", "b@host", 2).unwrap();
}

const ALL: [&str; 4] = ["info 1", "call question", "apply f[]", "info 2"];

/// What is used is at its place at both ends.
fn is_used(a: &End<'_>, b: &End<'_>) {
    let (here, there) = (a.node.in_use(), b.node.in_use());
    // the link; the call, the monitor and the function: and what stands across from them
    assert_eq!((here.watches, here.requests, there.watches, there.requests), (1, 3, 4, 0));
}

#[test]
fn what_is_sent_waits_for_the_connection() {
    for seed in 0..40 {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b, from, to) = apart(usual(), &mut one, &mut other);
        b.node.serve(to, ["m:f/0"]).unwrap();
        a.node.trap_exit(from, true).unwrap();
        let pid = b.node.pid(to).unwrap();
        use_it(&mut a, from, &pid);
        assert!(!a.is_up() && a.node.in_use().peers == 1);
        let mut random = Seed(seed);
        // byte by byte first, then in any pieces; more is sent while the handshake goes on
        let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
        assert!(dial(&mut a, &mut b, at(0)).is_none(), "it is dialled once");
        let mut sent = 2;
        while wire.step(&mut a, &mut b, if seed == 0 { 1 } else { 1 + random.below(30) }) > 0 {
            if random.below(8) == 0 && sent < 20 {
                sent += 1;
                send(&mut a, from, "to", "b@host", sent).unwrap();
            }
        }
        assert!(matches!(&a.news()[..], [Event::NodeUp { .. }]));
        is_used(&a, &b);
        let mut want: Vec<String> = ALL.iter().map(ToString::to_string).collect();
        want.extend((3..=sent).map(|number| format!("info {number}")));
        assert_eq!(received(&mut b, to), want);
        // what stands across the connection ends with it
        b.node.disconnect("a@host").unwrap();
        wire.settle(&mut a, &mut b, || 1 + random.below(30));
        has_lost(&mut a, from);
        let free = b.node.in_use();
        assert_eq!((free.watches, free.peers), (0, 0));
    }
}

/// Everything that [`use_it`] made is told that the connection is gone, once.
fn has_lost(a: &mut End<'_>, from: Mailbox) {
    let mut ends = received(a, from);
    ends.sort();
    assert_eq!(ends, ["down noconnection", "exit noconnection", "node down", "node down"]);
    let free = a.node.in_use();
    assert_eq!((free.watches, free.requests, free.peers), (0, 0, 0));
}

/// The peer connects here before our own attempt has reached it: what waits goes over its connection.
#[test]
fn what_is_sent_goes_over_whatever_connection_is_made() {
    for seed in 0..40 {
        for dialled in [false, true] {
            let (mut one, mut other) = (storage(), storage());
            let (mut a, mut b, from, to) = apart(usual(), &mut one, &mut other);
            b.node.serve(to, ["m:f/0"]).unwrap();
            a.node.trap_exit(from, true).unwrap();
            let pid = b.node.pid(to).unwrap();
            use_it(&mut a, from, &pid);
            // ours stays where it is: the network takes its time
            let ours = dialled.then(|| a.node.poll_dial(at(0)).unwrap().0);
            b.node.connect("a@host").unwrap();
            let mut random = Seed(seed);
            let mut wire = dial(&mut b, &mut a, at(0)).unwrap();
            wire.settle(&mut b, &mut a, || if seed == 0 { 1 } else { 1 + random.below(30) });
            assert!(a.is_up() && b.is_up());
            is_used(&a, &b);
            assert_eq!(received(&mut b, to), ALL);
            if let Some(ours) = ours {
                // it comes to nothing, and takes nothing with it
                a.node.handle_unreachable(ours, NetworkFault::Refused);
            }
            assert!(a.node.poll_dial(at(1)).is_none());
            assert!(matches!(&a.news()[..], [Event::NodeUp { .. }]));
            is_used(&a, &b);
        }
    }
}

/// One node's way to the other: first the network takes its time, then there is a connection.
fn dial_slowly(a: &mut End<'_>, b: &mut End<'_>, begun: &mut Option<Connection>, random: &mut Seed) -> Option<Wire> {
    if random.below(3) > 0 {
        return None;
    }
    match begun.take() {
        None => *begun = a.node.poll_dial(at(0)).map(|(connection, _)| connection),
        Some(from) => {
            let to = b.node.accept(Origin::default(), random.below(usize::MAX) as u64, at(0)).ok()?;
            a.node.handle_connected(from, random.below(usize::MAX) as u64, at(0));
            return Some(Wire { a: from, b: to });
        }
    }
    None
}

/// Both send at once, and both dial: one connection stays, and what either sent goes over it.
#[test]
fn both_send_at_once() {
    for seed in 0..1000 {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b, from, to) = apart(usual(), &mut one, &mut other);
        send(&mut a, from, "to", "b@host", 1).unwrap();
        send(&mut b, to, "from", "a@host", 2).unwrap();
        let mut random = Seed(seed);
        let mut wires: Vec<Wire> = Vec::new();
        let (mut ours, mut theirs) = (None, None);
        let mut quiet = 0;
        while quiet < 50 {
            wires.extend(dial_slowly(&mut a, &mut b, &mut ours, &mut random));
            let wire = dial_slowly(&mut b, &mut a, &mut theirs, &mut random);
            wires.extend(wire.map(|wire| Wire { a: wire.b, b: wire.a }));
            let moved: usize = wires.iter_mut().map(|wire| wire.step(&mut a, &mut b, 1 + random.below(40))).sum();
            quiet = if moved == 0 { quiet + 1 } else { 0 };
        }
        assert_eq!((integers(&mut b, to), integers(&mut a, from)), (vec![1], vec![2]), "{seed}: {:?}, {:?}", a.news(), b.news());
        assert_eq!((a.node.in_use().peers, b.node.in_use().peers), (1, 1));
    }
}

/// Whoever begins to connect here in the peer's name goes first, and when it comes to nothing for a second, not any more.
#[test]
fn a_connection_that_comes_to_nothing_is_no_obstacle() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, from, to) = apart(usual(), &mut one, &mut other);
    b.node.connect("a@host").unwrap();
    let mut stuck = dial(&mut b, &mut a, at(0)).unwrap();
    stuck.step(&mut b, &mut a, usize::MAX);
    // which a does not hear of
    b.node.handle_closed(stuck.a, Some(NetworkFault::Reset));
    send(&mut a, from, "to", "b@host", 1).unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    assert_eq!(wire.step(&mut a, &mut b, usize::MAX), 0);
    a.node.handle_timeout(at(1));
    wire.settle(&mut a, &mut b, || 9);
    assert_eq!(integers(&mut b, to), [1]);
}

#[test]
fn what_is_sent_is_lost_when_the_dial_fails() {
    for shaking in [false, true] {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b, from, to) = apart(usual(), &mut one, &mut other);
        a.node.trap_exit(from, true).unwrap();
        let pid = b.node.pid(to).unwrap();
        use_it(&mut a, from, &pid);
        let reason = if shaking {
            let wire = dial(&mut a, &mut b, at(0)).unwrap();
            // the handshake has begun when the line goes dead
            a.node.handle_closed(wire.a, Some(NetworkFault::Reset));
            Reason::Network(NetworkFault::Reset)
        } else {
            let (ours, node) = a.node.poll_dial(at(0)).unwrap();
            assert_eq!(node.as_str(), "b@host");
            a.node.handle_unreachable(ours, NetworkFault::Refused);
            Reason::Network(NetworkFault::Refused)
        };
        let news = a.news();
        assert!(matches!(&news[..], [Event::ConnectFailed { reason: why, .. }] if shaking || *why == reason), "{news:?}");
        has_lost(&mut a, from);
        // the program tries again as soon as it is told: what it sends then waits for another attempt
        send(&mut a, from, "to", "b@host", 3).unwrap();
        let mut wire = dial(&mut a, &mut b, at(1)).unwrap();
        wire.settle(&mut a, &mut b, || 7);
        assert_eq!(integers(&mut b, to), [3]);
    }
}

/// Nobody answers: the time of a handshake ends it.
#[test]
fn what_is_sent_is_lost_when_the_dial_takes_too_long() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, b, from, to) = apart(usual(), &mut one, &mut other);
    a.node.trap_exit(from, true).unwrap();
    let pid = b.node.pid(to).unwrap();
    use_it(&mut a, from, &pid);
    a.node.poll_dial(at(0)).unwrap();
    for second in 0..7 {
        a.node.handle_timeout(at(second));
        assert!(a.node.poll_dial(at(second)).is_none() && a.node.recv(from).is_none());
    }
    a.node.handle_timeout(at(8));
    assert!(matches!(&a.news()[..], [Event::ConnectFailed { .. }]));
    has_lost(&mut a, from);
}

#[test]
fn what_does_not_fit_while_there_is_no_connection_says_so() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, from, to) = apart(usual(), &mut one, &mut other);
    let mut sent = 0;
    while send(&mut a, from, "to", "b@host", sent).is_ok() {
        sent += 1;
    }
    let full = send(&mut a, from, "to", "b@host", sent).unwrap_err();
    assert!(matches!(full, Error::Full(beamless::Full::Transmit { .. })), "{full}");
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || 11);
    assert!(integers(&mut b, to).into_iter().eq(0..sent));
    // three nodes, where there is room for two
    let mut out = a.node.outbox(from).unwrap();
    out.send(("to", "c@host"), |t| t.nil()).unwrap();
    let full = out.send(("to", "d@host"), |t| t.nil()).unwrap_err();
    assert!(matches!(full, Error::Full(beamless::Full::Peers)), "{full}");
}

#[test]
fn never_is_never() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, from, to) = apart(usual().auto_connect(AutoConnect::Never), &mut one, &mut other);
    let pid = b.node.pid(to).unwrap();
    let mut out = a.node.outbox(from).unwrap();
    let refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::NotConnected)), "{result:?}");
    refused(out.send(("to", "b@host"), |t| t.nil()));
    refused(out.cast(("to", "b@host"), |t| t.nil()));
    refused(out.call(("to", "b@host"), None, |t| t.nil()).map(drop));
    refused(out.rpc("b@host", "m", "f", None, |t| t.nil()).map(drop));
    refused(out.monitor(("to", "b@host")).map(drop));
    refused(out.link(pid.as_pid()));
    refused(out.exit(pid.as_pid(), |t| t.nil()));
    assert!(a.node.poll_dial(at(0)).is_none());
    let free = a.node.in_use();
    assert_eq!((free.peers, free.watches, free.requests), (0, 0, 0));
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || 9);
    send(&mut a, from, "to", "b@host", 4).unwrap();
    wire.settle(&mut a, &mut b, || 9);
    assert_eq!(integers(&mut b, to), [4]);
}

#[test]
fn once_is_once() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, from, to) = apart(usual().auto_connect(AutoConnect::Once), &mut one, &mut other);
    // an attempt that failed is none
    send(&mut a, from, "to", "b@host", 1).unwrap();
    let (ours, _) = a.node.poll_dial(at(0)).unwrap();
    a.node.handle_unreachable(ours, NetworkFault::Refused);
    send(&mut a, from, "to", "b@host", 2).unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || 9);
    a.node.handle_closed(wire.a, None);
    b.node.handle_closed(wire.b, None);
    let refused = send(&mut a, from, "to", "b@host", 3).unwrap_err();
    assert!(matches!(refused, Error::NotConnected), "{refused}");
    // another node is another matter
    send(&mut a, from, "to", "c@host", 3).unwrap();
    let (ours, node) = a.node.poll_dial(at(0)).unwrap();
    assert_eq!(node.as_str(), "c@host");
    a.node.handle_unreachable(ours, NetworkFault::Refused);
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(1)).unwrap();
    wire.settle(&mut a, &mut b, || 9);
    send(&mut a, from, "to", "b@host", 4).unwrap();
    wire.settle(&mut a, &mut b, || 9);
    assert_eq!(integers(&mut b, to), [2, 4]);
    // and the node itself may always come
    a.node.handle_closed(wire.a, None);
    b.node.handle_closed(wire.b, None);
    b.node.connect("a@host").unwrap();
    dial(&mut b, &mut a, at(2)).unwrap().settle(&mut b, &mut a, || 9);
    assert!(a.is_up() && b.is_up());
}

/// A minute of nothing but ticks, for a node that keeps no idle connections.
fn idle(a: &mut End<'_>, b: &mut End<'_>, wire: &mut Wire, from: u64) -> bool {
    for second in from..from + 100 {
        a.node.handle_timeout(at(second));
        b.node.handle_timeout(at(second));
        while wire.step(a, b, usize::MAX) > 0 {}
        if !a.is_up() {
            assert!(second - from >= 30, "after {} seconds", second - from);
            return true;
        }
    }
    false
}

#[test]
fn an_idle_connection_is_let_go_of_and_made_again() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, from, to) = apart(usual().idle_time(Duration::from_secs(30)), &mut one, &mut other);
    let mut now = 0;
    for round in 0..3 {
        send(&mut a, from, "to", "b@host", round).unwrap();
        let mut wire = dial(&mut a, &mut b, at(now)).unwrap();
        wire.settle(&mut a, &mut b, || 9);
        assert_eq!(integers(&mut b, to), [round]);
        a.news();
        // as long as something goes either way, it stays
        for second in now..now + 200 {
            a.node.handle_timeout(at(second));
            b.node.handle_timeout(at(second));
            if second % 20 == 0 && round == 0 {
                send(&mut a, from, "to", "b@host", 7).unwrap();
            } else if second % 20 == 0 && round == 1 {
                send(&mut b, to, "from", "a@host", 7).unwrap();
            } else if round == 2 {
                break;
            }
            wire.settle(&mut a, &mut b, || usize::MAX);
        }
        now += 200;
        assert!(a.is_up());
        send(&mut a, from, "to", "b@host", 8).unwrap();
        wire.settle(&mut a, &mut b, || 9);
        integers(&mut a, from);
        integers(&mut b, to);
        assert!(idle(&mut a, &mut b, &mut wire, now));
        assert!(matches!(&a.news()[..], [Event::NodeDown { reason: Reason::Idle, .. }]));
        assert!(!b.is_up() && a.node.in_use().peers == 0);
        now += 200;
    }
}

/// Each of these crosses the connection, from either side, and holds it; and once it is gone, the connection goes.
#[test]
fn a_connection_that_something_crosses_is_kept() {
    for case in
        ["their link", "our link", "their monitor", "our monitor", "their call", "our call", "their function", "our function"]
    {
        let (mut one, mut other) = (storage(), storage());
        let (mut a, mut b, from, to) = apart(usual().idle_time(Duration::from_secs(30)), &mut one, &mut other);
        a.node.serve(from, ["m:f/0"]).unwrap();
        b.node.serve(to, ["m:f/0"]).unwrap();
        a.node.connect("b@host").unwrap();
        let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
        wire.settle(&mut a, &mut b, || 9);
        let (ours, theirs) = (a.node.pid(from).unwrap(), b.node.pid(to).unwrap());
        let (mut undone_a, mut undone_b) = (None, None);
        {
            let mut here = a.node.outbox(from).unwrap();
            let mut there = b.node.outbox(to).unwrap();
            match case {
                "their link" => there.link(ours.as_pid()).unwrap(),
                "our link" => here.link(theirs.as_pid()).unwrap(),
                "their monitor" => undone_b = Some(there.monitor(("from", "a@host")).unwrap()),
                "our monitor" => undone_a = Some(here.monitor(("to", "b@host")).unwrap()),
                "their call" => drop(there.call(("from", "a@host"), None, |t| t.nil()).unwrap()),
                "our call" => drop(here.call(("to", "b@host"), None, |t| t.nil()).unwrap()),
                "their function" => drop(there.rpc("a@host", "m", "f", None, |t| t.nil()).unwrap()),
                _ => drop(here.rpc("b@host", "m", "f", None, |t| t.nil()).unwrap()),
            }
        }
        wire.settle(&mut a, &mut b, || 9);
        for minutes in 0..10 {
            assert!(!idle(&mut a, &mut b, &mut wire, minutes * 100), "{case}");
        }
        // the other side answers, or whoever began it takes it back
        if let Some(monitor) = undone_a {
            a.node.outbox(from).unwrap().demonitor(monitor).unwrap();
        }
        if let Some(monitor) = undone_b {
            b.node.outbox(to).unwrap().demonitor(monitor).unwrap();
        }
        if case.ends_with("link") {
            a.node.outbox(from).unwrap().unlink(theirs.as_pid()).unwrap();
        }
        for (end, mailbox) in [(&mut a, from), (&mut b, to)] {
            let Some((message, mut out)) = end.node.recv(mailbox) else { continue };
            match message.received() {
                Received::Call(call) => out.reply(&call, |t| t.nil()).unwrap(),
                Received::Apply(apply) => out.reply(&apply, |t| t.nil()).unwrap(),
                other => panic!("{case}: {other:?}"),
            }
        }
        wire.settle(&mut a, &mut b, || 9);
        assert!(idle(&mut a, &mut b, &mut wire, 1000), "{case}");
    }
}

/// Sending right after letting go of a connection makes another, while the first is still being closed.
#[test]
fn what_is_sent_after_disconnecting_waits_for_the_next_connection() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    send(&mut a, from, "to", "b@host", 1).unwrap();
    a.node.disconnect("b@host").unwrap();
    send(&mut a, from, "to", "b@host", 2).unwrap();
    let mut next = dial(&mut a, &mut b, at(0)).unwrap();
    while wire.step(&mut a, &mut b, 5) + next.step(&mut a, &mut b, 5) > 0 {}
    assert_eq!(integers(&mut b, to), [1, 2]);
    assert!(a.is_up() && b.is_up());
}
