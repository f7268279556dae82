//! Links, monitors and exits in the orders that real peers cannot be made to show, and where there is no room.

use beamless::{
    Config, Dropped, Error, Event, Full, InUse, Mailbox, NetworkFault, Node, NodeStorage, OwnedPid, Pid, Received, Term,
};

use crate::pair::{End, Storage, Wire, at, connected, dial, send, storage};

/// A mailbox in each of two connected nodes, both of which trap exits.
struct Tied<'s> {
    a: End<'s>,
    b: End<'s>,
    wire: Wire,
    /// The mailbox of `a`, and its pid.
    one: Mailbox,
    one_pid: OwnedPid,
    /// The mailbox of `b`, and its pid.
    other: Mailbox,
    other_pid: OwnedPid,
}

impl<'s> Tied<'s> {
    fn new(one: &'s mut Storage, other: &'s mut Storage) -> Self {
        let (mut a, mut b, wire) = connected(one, other);
        let (one, other) = (a.node.register("one").unwrap(), b.node.register("other").unwrap());
        a.node.trap_exit(one, true).unwrap();
        b.node.trap_exit(other, true).unwrap();
        let (one_pid, other_pid) = (a.node.pid(one).unwrap(), b.node.pid(other).unwrap());
        Self { a, b, wire, one, one_pid, other, other_pid }
    }

    fn a_links(&mut self) {
        self.a.node.outbox(self.one).unwrap().link(self.other_pid.as_pid()).unwrap();
    }

    fn a_unlinks(&mut self) {
        self.a.node.outbox(self.one).unwrap().unlink(self.other_pid.as_pid()).unwrap();
    }

    fn b_links(&mut self) {
        self.b.node.outbox(self.other).unwrap().link(self.one_pid.as_pid()).unwrap();
    }

    fn b_unlinks(&mut self) {
        self.b.node.outbox(self.other).unwrap().unlink(self.one_pid.as_pid()).unwrap();
    }

    fn b_ends(&mut self) {
        self.b.node.close_mailbox(self.other, |t| t.atom("why")).unwrap();
    }

    fn there(&mut self) {
        self.wire.there(&mut self.a, &mut self.b);
    }

    fn back(&mut self) {
        self.wire.back(&mut self.a, &mut self.b);
    }

    fn settle(&mut self) {
        self.wire.settle(&mut self.a, &mut self.b, || usize::MAX);
    }

    /// What came to the mailbox of `a`.
    fn a_got(&mut self) -> Vec<String> {
        received(&mut self.a, self.one)
    }

    fn watches(&self) -> (usize, usize) {
        (self.a.node.in_use().watches, self.b.node.in_use().watches)
    }
}

/// All that waits in a mailbox.
fn received(end: &mut End<'_>, mailbox: Mailbox) -> Vec<String> {
    let mut all = Vec::new();
    while let Some((message, _)) = end.node.recv(mailbox) {
        all.push(match message.received() {
            Received::Exit { reason, .. } => format!("exit {}", short(reason)),
            Received::Down { reason, .. } => format!("down {}", short(reason)),
            _ => message.term().to_string(),
        });
    }
    all
}

/// A reason; of a binary, its size.
fn short(reason: Term<'_>) -> String {
    reason.as_binary().map_or_else(|| reason.to_string(), |bytes| bytes.len().to_string())
}

#[test]
fn an_exit_that_was_under_way_when_we_unlinked_means_nothing() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.settle();
    tied.b_ends();
    tied.a_unlinks();
    tied.back();
    assert_eq!(tied.watches(), (1, 0), "until it is acknowledged");
    tied.settle();
    assert_eq!((tied.a_got(), tied.watches()), (vec![], (0, 0)));
}

/// It is one exit, that of a link to what is not there: the old link was ended before its exit came.
#[test]
fn an_exit_that_was_under_way_when_we_linked_again_comes_once() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.settle();
    tied.b_ends();
    tied.a_unlinks();
    tied.a_links();
    tied.back();
    tied.settle();
    assert_eq!((tied.a_got(), tied.watches()), (vec!["exit noproc".to_owned()], (0, 0)));
}

#[test]
fn a_link_that_comes_while_our_unlink_is_under_way_is_none() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.settle();
    tied.a_unlinks();
    tied.b_unlinks();
    tied.b_links();
    tied.back();
    assert_eq!(tied.watches(), (1, 1));
    // our unlink is behind their link, and ends it
    tied.there();
    tied.settle();
    assert_eq!(tied.watches(), (0, 0));
    tied.b_ends();
    tied.settle();
    assert_eq!(tied.a_got(), [""; 0]);
}

#[test]
fn unlinks_that_cross_leave_nothing_and_the_next_link_holds() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.settle();
    tied.a_unlinks();
    tied.b_unlinks();
    tied.settle();
    assert_eq!(tied.watches(), (0, 0));
    tied.a_links();
    tied.b_links();
    tied.settle();
    assert_eq!(tied.watches(), (1, 1));
    tied.b_ends();
    tied.settle();
    assert_eq!((tied.a_got(), tied.watches()), (vec!["exit why".to_owned()], (0, 0)));
}

#[test]
fn links_that_cross_are_one() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.b_links();
    tied.settle();
    tied.a_unlinks();
    tied.settle();
    assert_eq!(tied.watches(), (0, 0));
}

/// Both ends go at once: each exit finds nobody.
#[test]
fn exits_that_cross_leave_nothing() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.settle();
    tied.b_ends();
    tied.a.node.close_mailbox(tied.one, |t| t.atom("too")).unwrap();
    tied.settle();
    assert_eq!(tied.watches(), (0, 0));
    assert_eq!((tied.a.node.in_use().mailboxes, tied.b.node.in_use().mailboxes), (0, 0));
    assert!(tied.a.is_up() && tied.b.is_up());
}

/// The transmit buffer has no room for all who are to be told: they are told later, and then the mailbox's place is free.
#[test]
fn what_is_owed_is_paid_once_there_is_room() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    for _ in 0..8 {
        tied.a.node.outbox(tied.one).unwrap().monitor(&tied.other_pid).unwrap();
    }
    tied.settle();
    tied.b.node.register("second").unwrap();
    while send(&mut tied.b, tied.other, "nobody", "a@host", 1).is_ok() {}
    tied.b.node.close_mailbox(tied.other, |t| t.binary(&[7; 1500])).unwrap();
    assert!(tied.b.node.in_use().watches > 5, "{:?}", tied.b.node.in_use());
    // the name is free at once, the place is not, but for whoever needs it
    assert_eq!(tied.b.node.in_use().mailboxes, 2);
    let mut got = Vec::new();
    for turn in 0..20 {
        tied.settle();
        got.extend(tied.a_got());
        tied.b.node.handle_timeout(at(turn));
        tied.a.node.handle_timeout(at(turn));
    }
    assert_eq!(got, vec!["down 1500"; 8]);
    let InUse { mailboxes, watches, .. } = tied.b.node.in_use();
    assert_eq!((mailboxes, watches, tied.a.node.in_use().requests), (1, 0, 0));
    tied.b.node.register("other").unwrap();
}

/// The same, but the peer goes away before it was told: nobody is owed anything any more.
#[test]
fn what_is_owed_ends_with_the_connection() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    for _ in 0..8 {
        tied.a.node.outbox(tied.one).unwrap().monitor(&tied.other_pid).unwrap();
    }
    tied.settle();
    while send(&mut tied.b, tied.other, "nobody", "a@host", 1).is_ok() {}
    tied.b.node.close_mailbox(tied.other, |t| t.binary(&[7; 1500])).unwrap();
    tied.b.node.handle_closed(tied.wire.b, None);
    tied.b.node.handle_timeout(at(1));
    let InUse { mailboxes, watches, peers, .. } = tied.b.node.in_use();
    assert_eq!((mailboxes, watches, peers), (0, 0, 0));
}

/// Fills the mailbox of `a` with messages from `b`; how many.
fn fill(tied: &mut Tied<'_>) -> usize {
    let mut sent = 0;
    while tied.a.node.takes_bytes(tied.wire.a) {
        while send(&mut tied.b, tied.other, "one", "a@host", 1).is_ok() {
            sent += 1;
        }
        tied.settle();
    }
    sent
}

/// A mailbox that is full when the connection is lost: exits and downs come behind what waits in it, none is lost, and messages of a new
/// connection come behind them.
#[test]
fn a_full_mailbox_is_told_of_a_lost_connection_later() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    for _ in 0..3 {
        tied.a.node.outbox(tied.one).unwrap().monitor(&tied.other_pid).unwrap();
    }
    tied.settle();
    fill(&mut tied);
    tied.a.node.handle_closed(tied.wire.a, None);
    tied.b.node.handle_closed(tied.wire.b, None);
    let InUse { watches, requests, .. } = tied.a.node.in_use();
    assert_eq!((watches, requests), (1, 3), "nothing is told past what waits");
    tied.b.node.connect("a@host").unwrap();
    let mut again = dial(&mut tied.b, &mut tied.a, at(1)).unwrap();
    again.settle(&mut tied.b, &mut tied.a, || usize::MAX);
    assert!(tied.a.is_up() && tied.b.is_up());
    (100..103).for_each(|i| send(&mut tied.b, tied.other, "one", "a@host", i).unwrap());
    let mut got = Vec::new();
    for turn in 2..20 {
        again.settle(&mut tied.b, &mut tied.a, || usize::MAX);
        got.extend(tied.a_got());
        tied.a.node.handle_timeout(at(turn));
    }
    let signals = got.iter().position(|text| text != "1").unwrap();
    assert!(signals > 10);
    let mut lost = got[signals..signals + 4].to_vec();
    lost.sort();
    assert_eq!(lost, ["down noconnection", "down noconnection", "down noconnection", "exit noconnection"]);
    assert_eq!(got[signals + 4..], ["100", "101", "102"]);
    let InUse { watches, requests, peers, .. } = tied.a.node.in_use();
    assert_eq!((watches, requests, peers), (0, 0, 1));
}

/// Two that were linked, of which one has a full mailbox and has yet to be told that the connection is lost.
fn untold<'s>(one: &'s mut Storage, other: &'s mut Storage) -> Tied<'s> {
    let mut tied = Tied::new(one, other);
    tied.a_links();
    tied.settle();
    fill(&mut tied);
    tied.a.node.handle_closed(tied.wire.a, None);
    assert_eq!(tied.a.node.in_use().watches, 1);
    tied
}

/// A mailbox that ends before it was told of the lost connection: the connection's place is free all the same.
#[test]
fn a_mailbox_that_ends_untold_keeps_no_place() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = untold(&mut one, &mut other);
    tied.a.node.close_mailbox(tied.one, |t| t.atom("why")).unwrap();
    tied.a.node.handle_timeout(at(1));
    let InUse { peers, mailboxes, watches, .. } = tied.a.node.in_use();
    assert_eq!((peers, mailboxes, watches), (0, 0, 0));
}

/// Whoever unlinks is not told any more that the link broke, though there was no room to say so before.
#[test]
fn a_link_that_is_taken_back_untold_means_nothing() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = untold(&mut one, &mut other);
    tied.a_unlinks();
    tied.a.node.trap_exit(tied.one, false).unwrap();
    let mut got = Vec::new();
    for turn in 1..20 {
        got.extend(tied.a_got());
        tied.a.node.handle_timeout(at(turn));
    }
    assert!(!got.is_empty() && got.iter().all(|text| text == "1"), "{got:?}");
    let InUse { peers, mailboxes, watches, .. } = tied.a.node.in_use();
    assert_eq!((peers, mailboxes, watches), (0, 1, 0));
}

#[test]
fn a_monitor_that_is_taken_back_untold_keeps_no_place() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    let monitor = tied.a.node.outbox(tied.one).unwrap().monitor(&tied.other_pid).unwrap();
    tied.settle();
    fill(&mut tied);
    tied.a.node.handle_closed(tied.wire.a, None);
    tied.a.node.outbox(tied.one).unwrap().demonitor(monitor).unwrap();
    tied.a.node.handle_timeout(at(1));
    let InUse { peers, requests, .. } = tied.a.node.in_use();
    assert_eq!((peers, requests), (0, 0));
}

/// A link that is refused, unlinked and made again before the refusal is here: until the unlink is acknowledged, what comes is the old link's.
/// Erlang cannot see the race, which refuses only links to what has ended.
#[test]
fn a_refusal_on_its_way_is_not_that_of_a_link_that_was_made_again() {
    let mut small = Box::new(NodeStorage::<1, 2, 4096, 2, 4>::sized());
    let mut large = storage();
    let mut b = End::new(Config::hidden("b@host", "secret").unwrap(), &mut *small);
    let mut a = End::hidden("a@host", &mut large);
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (one, other) = (a.node.register("one").unwrap(), b.node.register("other").unwrap());
    a.node.trap_exit(one, true).unwrap();
    let pid = b.node.pid(other).unwrap();
    let monitors = [0, 1].map(|_| a.node.outbox(one).unwrap().monitor(&pid).unwrap());
    a.node.outbox(one).unwrap().link(pid.as_pid()).unwrap();
    // it is refused, and room is made before the refusal is here
    wire.there(&mut a, &mut b);
    let mut out = a.node.outbox(one).unwrap();
    monitors.into_iter().for_each(|monitor| out.demonitor(monitor).unwrap());
    for _ in 0..2 {
        out.unlink(pid.as_pid()).unwrap();
        out.link(pid.as_pid()).unwrap();
    }
    wire.back(&mut a, &mut b);
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(received(&mut a, one), Vec::<String>::new());
    assert_eq!((a.node.in_use().watches, b.node.in_use().watches), (1, 1));
    b.node.close_mailbox(other, |t| t.atom("why")).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(received(&mut a, one), ["exit why"]);
    assert_eq!((a.node.in_use().watches, b.node.in_use().watches), (0, 0));
}

/// Whoever links again finds the other's own unlink on its way: both are without a link, and the next is a link like any other.
#[test]
fn an_unlink_on_its_way_ends_a_link_that_was_made_again() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.settle();
    tied.b_unlinks();
    tied.a_unlinks();
    tied.a_links();
    tied.settle();
    assert_eq!((tied.a_got(), tied.watches()), (vec![], (0, 0)));
    tied.a_links();
    tied.settle();
    tied.b_ends();
    tied.settle();
    assert_eq!((tied.a_got(), tied.watches()), (vec!["exit why".to_owned()], (0, 0)));
}

#[test]
fn who_finds_the_table_full_is_told_system_limit() {
    let mut small = Box::new(NodeStorage::<1, 2, 4096, 2, 4>::sized());
    let mut large = storage();
    let config = Config::hidden("b@host", "secret").unwrap().creation(77);
    let mut b = End { node: Node::new(config, &mut *small), events: Vec::new() };
    let mut a = End::hidden("a@host", &mut large);
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (one, other) = (a.node.register("one").unwrap(), b.node.register("other").unwrap());
    a.node.trap_exit(one, true).unwrap();
    let pid = b.node.pid(other).unwrap();
    let first = a.node.outbox(one).unwrap().monitor(&pid).unwrap();
    a.node.outbox(one).unwrap().monitor(("other", "b@host")).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    b.news();
    a.node.outbox(one).unwrap().monitor(("other", "b@host")).unwrap();
    a.node.outbox(one).unwrap().link(pid.as_pid()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(received(&mut a, one), ["down system_limit", "exit system_limit"]);
    let full = |event: &Event| matches!(event, Event::Dropped { why: Dropped::WatchesFull, .. });
    assert_eq!(b.news().iter().filter(|event| full(event)).count(), 1, "it is told once");
    // our own link finds no place either, and says so
    let one_pid = a.node.pid(one).unwrap();
    assert!(matches!(b.node.outbox(other).unwrap().link(one_pid.as_pid()), Err(Error::Full(Full::Watches))));
    // room again
    a.node.outbox(one).unwrap().demonitor(first).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    b.node.outbox(other).unwrap().link(one_pid.as_pid()).unwrap();
    b.node.close_mailbox(other, |t| t.atom("why")).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let mut got = received(&mut a, one);
    got.sort();
    assert_eq!(got, ["down why", "exit why"]);
    assert_eq!((a.node.in_use().watches, a.node.in_use().requests, b.node.in_use().watches), (0, 0, 0));
}

/// An exit whose reason fills the receive buffer, to a mailbox that others watch: what they are told may not fit, but they are told.
#[test]
fn a_reason_too_large_to_be_passed_on_is_told_as_such() {
    let (mut small, mut large) = (storage(), Box::new(NodeStorage::<2, 2, 8192>::new()));
    let (mut a, mut b) = (End::new(Config::hidden("a@host", "secret").unwrap(), &mut *large), End::hidden("b@host", &mut small));
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (one, other) = (a.node.register("one").unwrap(), b.node.register("other").unwrap());
    a.node.trap_exit(one, true).unwrap();
    let pid = b.node.pid(other).unwrap();
    a.node.outbox(one).unwrap().link(pid.as_pid()).unwrap();
    a.node.outbox(one).unwrap().monitor(("other", "b@host")).unwrap();
    // with a monitor's addresses around it, this does not fit 4096 bytes
    a.node.outbox(one).unwrap().exit(pid.as_pid(), |t| t.binary(&[7; 4030])).unwrap();
    let mut got = Vec::new();
    for turn in 0..5 {
        wire.settle(&mut a, &mut b, || usize::MAX);
        got.extend(received(&mut a, one));
        b.node.handle_timeout(at(turn));
    }
    got.sort();
    assert_eq!(got, ["down too_large", "exit 4030"]);
    let InUse { mailboxes, watches, .. } = b.node.in_use();
    assert_eq!((mailboxes, watches, a.node.in_use().requests), (0, 0, 0));
}

/// The process of a served function is ended while its caller's node takes nothing: the caller is told later.
#[test]
fn the_end_of_a_process_is_told_once_there_is_room() {
    let (mut small, mut large) = (storage(), Box::new(NodeStorage::<2, 2, 8192>::new()));
    let (mut a, mut b) = (End::new(Config::hidden("a@host", "secret").unwrap(), &mut *large), End::hidden("b@host", &mut small));
    a.node.connect("b@host").unwrap();
    let mut wire = dial(&mut a, &mut b, at(0)).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    let (one, other) = (a.node.register("one").unwrap(), b.node.register("other").unwrap());
    b.node.serve(other, ["m:f/0"]).unwrap();
    a.node.outbox(one).unwrap().rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
    wire.settle(&mut a, &mut b, || usize::MAX);
    assert_eq!(b.node.in_use().watches, 1);
    while send(&mut b, other, "nobody", "a@host", 1).is_ok() {}
    // the pid of the first process that was ever spawned
    let pid = b.node.pid(other).unwrap();
    let process = Pid { id: 0x4001, serial: 0, ..pid.as_pid() };
    a.node.outbox(one).unwrap().exit(process, |t| t.binary(&[7; 3000])).unwrap();
    wire.there(&mut a, &mut b);
    let mut got = Vec::new();
    for turn in 0..5 {
        wire.settle(&mut a, &mut b, || usize::MAX);
        while let Some((message, _)) = a.node.recv(one) {
            let Received::Answer { result: Err(failure), .. } = message.received() else { panic!("{:?}", message.term()) };
            got.push(failure.to_string());
        }
        b.node.handle_timeout(at(turn));
    }
    assert_eq!(got, ["the process ended: too_large"]);
    assert_eq!((b.node.in_use().watches, a.node.in_use().requests), (0, 0));
}

/// Whoever watches the process of a served function is told that it has ended; what it came to goes to its caller, wherever the two lie
/// in the table.
#[test]
fn what_a_function_comes_to_is_its_callers() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.b.node.serve(tied.other, ["m:f/0"]).unwrap();
    tied.a_links();
    tied.settle();
    let call = tied.a.node.outbox(tied.one).unwrap().rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
    // the second watch comes into the place of the link, before the first
    tied.a_unlinks();
    tied.settle();
    let process = Pid { id: 0x4001, serial: 0, ..tied.other_pid.as_pid() };
    tied.a.node.outbox(tied.one).unwrap().monitor(process).unwrap();
    tied.settle();
    assert_eq!(tied.watches().1, 2);
    let (message, mut out) = tied.b.node.recv(tied.other).unwrap();
    let Received::Apply(apply) = message.received() else { panic!("{:?}", message.term()) };
    out.reply(&apply, |t| t.int(7)).unwrap();
    tied.settle();
    let (message, _) = tied.a.node.recv(tied.one).unwrap();
    let Received::Answer { request, result } = message.received() else { panic!("{:?}", message.term()) };
    assert_eq!((request, result.unwrap().as_i64()), (call, Some(7)));
    assert_eq!(tied.a_got(), ["down normal"]);
    assert_eq!(tied.watches(), (0, 0));
}

/// The calls that wait in a mailbox are gone when it ends, but nobody waits for them in vain.
#[test]
fn functions_end_with_the_mailbox_that_serves_them() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.b.node.serve(tied.other, ["m:f/0"]).unwrap();
    tied.a.node.outbox(tied.one).unwrap().rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
    tied.settle();
    tied.b_ends();
    tied.settle();
    let (message, _) = tied.a.node.recv(tied.one).unwrap();
    let Received::Answer { result: Err(failure), .. } = message.received() else { panic!("{:?}", message.term()) };
    assert_eq!(failure.to_string(), "the process ended: why");
    assert_eq!((tied.watches(), tied.a.node.in_use().requests, tied.b.node.in_use().mailboxes), ((0, 0), 0, 0));
}

/// Links and monitors make a connection, as in Erlang, and one that cannot be made is one that is lost.
#[test]
fn what_is_tied_to_a_node_that_cannot_be_reached_is_told() {
    let (mut one, mut third) = (storage(), storage());
    let (mut a, mut c) = (End::hidden("a@host", &mut one), End::hidden("c@host", &mut third));
    let there = c.node.register("there").unwrap();
    let there = c.node.pid(there).unwrap();
    let (trapping, plain) = (a.node.register("trapping").unwrap(), a.node.register("plain").unwrap());
    a.node.trap_exit(trapping, true).unwrap();
    for mailbox in [trapping, plain] {
        let mut out = a.node.outbox(mailbox).unwrap();
        out.link(there.as_pid()).unwrap();
        out.monitor(&there).unwrap();
    }
    let (dial, node) = a.node.poll_dial(at(1)).unwrap();
    assert_eq!(node.as_str(), "c@host");
    a.node.handle_unreachable(dial, NetworkFault::Refused);
    a.node.poll_dial(at(1));
    assert_eq!(received(&mut a, trapping), ["exit noconnection", "down noconnection"]);
    assert!(a.texts().contains(&"mailbox plain ended: noconnection".to_owned()));
    let InUse { peers, mailboxes, watches, requests, .. } = a.node.in_use();
    assert_eq!((peers, mailboxes, watches, requests), (0, 1, 0, 0));
}

/// We close the connection while something waits to be sent: who is tied is told at once, and the place is free once it was sent.
#[test]
fn who_is_tied_is_told_at_once_when_we_close() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.a.node.outbox(tied.one).unwrap().monitor(&tied.other_pid).unwrap();
    tied.settle();
    send(&mut tied.a, tied.one, "other", "b@host", 1).unwrap();
    tied.a.node.disconnect("b@host").unwrap();
    assert_eq!(tied.a_got(), ["exit noconnection", "down noconnection"]);
    assert_eq!(tied.a.node.in_use().peers, 1);
    tied.settle();
    let InUse { peers, watches, requests, .. } = tied.a.node.in_use();
    assert_eq!((peers, watches, requests), (0, 0, 0));
    assert_eq!(received(&mut tied.b, tied.other), ["1", "exit noconnection"]);
    assert_eq!(tied.b.node.in_use().watches, 0);
}

/// A full mailbox holds up the peer before an exit as before a message, and nothing is out of order.
#[test]
fn an_exit_waits_for_room_in_its_turn() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    tied.settle();
    let before = fill(&mut tied);
    let mut got = tied.a_got();
    // something may still wait at b
    let mut ended = false;
    for turn in 1..200 {
        tied.settle();
        tied.a.node.handle_timeout(at(turn));
        tied.b.node.handle_timeout(at(turn));
        if !ended {
            ended = true;
            tied.b_ends();
        }
        // one at a time, so that it is full most of the time
        if let Some((message, _)) = tied.a.node.recv(tied.one) {
            got.push(message.term().to_string());
        }
    }
    assert_eq!(got.len(), before + 1);
    assert_eq!(got.last().unwrap(), "why");
    assert_eq!(tied.watches(), (0, 0));
}

#[test]
fn a_link_that_is_there_is_not_made_again() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    tied.a_links();
    let sent = tied.a.node.poll_transmit(tied.wire.a).len();
    tied.a_links();
    assert_eq!(tied.a.node.poll_transmit(tied.wire.a).len(), sent);
    tied.settle();
    assert_eq!(tied.watches(), (1, 1));
}

/// As large as a message, and no larger: it is to be told to others.
#[test]
fn the_reason_of_a_mailbox_has_its_limit() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    let most = tied.a.node.max_message();
    // a binary has five bytes in front
    let mut ends = |bytes: usize| tied.a.node.close_mailbox(tied.one, |t| t.binary(&vec![7; bytes - 5]));
    let Err(Error::Full(Full::Message { needed, limit })) = ends(most + 1) else { panic!("it ended") };
    assert_eq!((needed, limit), (most + 1, most));
    ends(most).unwrap();
}

/// The exits of both wait for room; of one the mailbox wants to hear no more.
#[test]
fn one_of_two_broken_links_is_taken_back() {
    let (mut one, mut other) = (storage(), storage());
    let mut tied = Tied::new(&mut one, &mut other);
    let second = tied.b.node.register("second").unwrap();
    let second = tied.b.node.pid(second).unwrap();
    tied.a_links();
    tied.a.node.outbox(tied.one).unwrap().link(second.as_pid()).unwrap();
    tied.settle();
    fill(&mut tied);
    tied.a.node.handle_closed(tied.wire.a, None);
    assert_eq!(tied.a.node.in_use().watches, 2);
    tied.a_unlinks();
    let exits: Vec<_> = std::iter::from_fn(|| {
        let (message, _) = tied.a.node.recv(tied.one)?;
        let Received::Exit { from, .. } = message.received() else { return Some(None) };
        Some(Some(from.id))
    })
    .flatten()
    .collect();
    assert_eq!(exits, [second.as_pid().id]);
}
