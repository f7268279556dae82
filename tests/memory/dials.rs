//! Many connections of our own at once, most of which lead nowhere: everybody gets a turn.

use beamless::{Config, Connection, Error, Event, Full, NetworkFault, NodeStorage, Reason};

use crate::pair::{End, at, connected, dial, storage};

type Large = NodeStorage<48, 1, 4096>;

fn large() -> Box<Large> {
    Box::new(Large::new())
}

fn hidden<'s>(storage: &'s mut Large) -> End<'s> {
    End::new(Config::hidden("a@host", "secret").unwrap(), storage)
}

fn name(number: usize) -> String {
    format!("x{number:02}@host")
}

/// Asks for connections until there is no place for one more. Returns how many there are.
fn fill(a: &mut End<'_>) -> usize {
    let full = |number: &usize| match a.node.connect(&name(*number)) {
        Ok(()) => false,
        Err(Error::Full(Full::Dials)) => true,
        Err(e) => panic!("{e}"),
    };
    (0..100).find(full).unwrap()
}

fn dialled(a: &mut End<'_>, second: u64) -> Vec<(Connection, String)> {
    if a.node.poll_timeout().is_some_and(|due| due <= at(second)) {
        a.node.handle_timeout(at(second));
    }
    core::iter::from_fn(|| a.node.poll_dial(at(second))).map(|(connection, node)| (connection, node.to_string())).collect()
}

/// The nodes that could not be connected to since the last look.
fn failed(a: &mut End<'_>) -> Vec<String> {
    let failed = |event: Event| if let Event::ConnectFailed { node, .. } = event { Some(node.to_string()) } else { None };
    a.news().into_iter().filter_map(failed).collect()
}

/// Hosts that are off: whoever waits gets the place of the one that has been silent longest, but not before two seconds.
#[test]
fn the_silent_make_way_for_those_who_wait() {
    let (mut one, mut other) = (large(), storage());
    let (mut a, mut b) = (hidden(&mut one), End::hidden("b@host", &mut other));
    let places = fill(&mut a);
    assert_eq!((places, dialled(&mut a, 0).len()), (42, 42));
    let due = a.node.poll_timeout().unwrap();
    assert_eq!(due, at(2));
    assert!(dialled(&mut a, 1).is_empty() && failed(&mut a).is_empty());
    // what came meanwhile is to be read first
    assert!(a.node.poll_dial(at(2)).is_none() && failed(&mut a).is_empty());
    let mut order = Vec::new();
    for _ in 0..places {
        dialled(&mut a, 2);
        let gone = failed(&mut a);
        assert_eq!(gone.len(), 1, "{gone:?}");
        order.extend(gone);
        a.node.connect(&format!("late{}@host", order.len())).unwrap();
        assert!(a.node.connect("b@host").is_err());
    }
    assert_eq!(order, (0..places).map(name).collect::<Vec<_>>());
    // nobody of the others has had its time
    dialled(&mut a, 3);
    assert!(failed(&mut a).is_empty());
    assert!(dialled(&mut a, 5).is_empty());
    assert_eq!(failed(&mut a).len(), 1);
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(5)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(a.is_up() && b.is_up());
    // and while nobody waits, each has its seven seconds
    assert!(dialled(&mut a, 8).is_empty() && failed(&mut a).is_empty());
}

/// Hosts that are there, whose nodes say nothing: they do not keep a place either. One that speaks does.
#[test]
fn a_node_that_says_nothing_makes_way_and_one_that_speaks_does_not() {
    let (mut one, mut other) = (large(), storage());
    let (mut a, mut b) = (hidden(&mut one), End::hidden("b@host", &mut other));
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.there(&mut a, &mut b);
    wire.back(&mut a, &mut b);
    let places = fill(&mut a);
    for (connection, _) in dialled(&mut a, 0) {
        a.node.handle_connected(connection, 1, at(1));
    }
    dialled(&mut a, 2);
    assert!(failed(&mut a).is_empty(), "each step has its time");
    for number in 0..places {
        dialled(&mut a, 3);
        let news = a.news();
        let (silent, node) = match &news[..] {
            [Event::ConnectFailed { reason: Reason::Timeout, node }] => (true, node.to_string()),
            _ => (false, String::new()),
        };
        assert!(silent && node == name(number), "{news:?}");
        a.node.connect(&format!("late{number}@host")).unwrap();
        assert!(a.node.connect("later@host").is_err());
    }
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(a.is_up() && b.is_up());
}

/// What was sent to many nodes: first sent, first served, also when each of the first is sent something again as soon as it has failed.
#[test]
fn what_is_sent_gets_its_turn() {
    let mut one = large();
    let mut a = hidden(&mut one);
    let from = a.node.register("from").unwrap();
    let send = |a: &mut End<'_>, number: usize| {
        a.node.outbox(from).unwrap().send(("to", &*name(number)), |t| t.nil()).unwrap();
    };
    (0..47).for_each(|number| send(&mut a, number));
    let mut order = Vec::new();
    let mut under_way = dialled(&mut a, 0);
    assert_eq!(under_way.len(), 32, "three quarters of 42, for which there are places");
    // a program that asks for a connection finds a place all the same
    a.node.connect(&name(47)).unwrap();
    let (own, node) = a.node.poll_dial(at(0)).unwrap();
    assert_eq!(node.as_str(), name(47));
    a.node.handle_unreachable(own, NetworkFault::Refused);
    while order.len() < 47 {
        let (connection, node) = under_way.remove(0);
        a.node.handle_unreachable(connection, NetworkFault::Refused);
        order.push(node);
        for node in failed(&mut a) {
            let number = node[1..3].parse().unwrap();
            send(&mut a, number);
        }
        under_way.extend(dialled(&mut a, 0));
    }
    assert_eq!(order, (0..47).map(name).collect::<Vec<_>>());
}

/// Who asked for it with patience, and what was sent, keep their places however many wait; the others make way.
#[test]
fn some_keep_their_places_for_all_their_time() {
    let mut one = large();
    let mut a = hidden(&mut one);
    let from = a.node.register("from").unwrap();
    let send = |a: &mut End<'_>, to: &str| a.node.outbox(from).unwrap().send(("to", to), |t| t.nil()).unwrap();
    a.node.connect_patiently("patient@host").unwrap();
    send(&mut a, "sent@host");
    a.node.connect("both@host").unwrap();
    send(&mut a, "both@host");
    assert_eq!(dialled(&mut a, 0).len(), 3);
    let others = fill(&mut a);
    dialled(&mut a, 0);
    for second in 2..7 {
        for _ in 0..2 * others {
            let _ = a.node.connect(&format!("late{second}@host"));
            dialled(&mut a, second);
        }
        let failed = failed(&mut a);
        assert!(failed.iter().all(|node| node.starts_with(['x', 'l'])), "{failed:?}");
    }
    let mut failed = failed(&mut a);
    // a few of them end in each call
    for _ in 0..48 {
        a.node.handle_timeout(at(7));
        failed.extend(self::failed(&mut a));
    }
    assert!(["patient@host", "sent@host", "both@host"].iter().all(|node| failed.iter().any(|other| other == node)), "{failed:?}");
}

/// What is sent finds a place though the program asks for as many connections as there can be, again and again.
#[test]
fn what_is_sent_waits_for_no_program() {
    let mut one = large();
    let mut a = hidden(&mut one);
    let from = a.node.register("from").unwrap();
    fill(&mut a);
    dialled(&mut a, 0);
    a.node.outbox(from).unwrap().send(("to", "sent@host"), |t| t.nil()).unwrap();
    for second in [1, 2] {
        let begun = dialled(&mut a, second);
        assert_eq!(begun.iter().filter(|(_, node)| node == "sent@host").count(), usize::from(second == 2));
        let _ = a.node.connect("late@host");
    }
}

#[test]
fn who_is_being_connected_to_is_not_dialled_again() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b) = (End::hidden("a@host", &mut one), End::hidden("b@host", &mut other));
    for _ in 0..2 {
        a.node.connect("b@host").unwrap();
    }
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    a.node.connect("b@host").unwrap();
    assert!(a.node.poll_dial(at(0)).is_none());
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert!(a.is_up());
    a.node.connect("b@host").unwrap();
    assert!(a.node.poll_dial(at(0)).is_none());
}

/// Whoever moves the bytes says why a connection is over, and how far one is that is being made.
#[test]
fn what_the_carrier_knows_is_told() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, _b, wire) = connected(&mut one, &mut other);
    assert_eq!(a.node.claimed(wire.a).unwrap().as_str(), "b@host");
    a.node.handle_failed(wire.a, Reason::Silent);
    let news = a.news();
    assert!(matches!(&news[..], [Event::NodeDown { reason: Reason::Silent, .. }]), "{news:?}");
    a.node.connect("c@host").unwrap();
    let (connection, _) = a.node.poll_dial(at(0)).unwrap();
    assert_eq!(a.node.claimed(connection).unwrap().as_str(), "c@host");
    a.node.handle_securing(connection, at(5));
    a.node.handle_timeout(at(10));
    assert_eq!(a.texts(), [""; 0]);
    a.node.handle_failed(connection, Reason::Silent);
    let news = a.news();
    assert!(matches!(&news[..], [Event::ConnectFailed { reason: Reason::Silent, .. }]), "{news:?}");
}
