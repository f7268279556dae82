//! What grows: the work of one message, monitor, call or turn as the tables of a node fill, for `benches/count` to count.
//!
//! A node, the hub, is filled with idle peers, mailboxes, watches or requests, and talks with one other. Only what the hub does within
//! [`measured`] is counted, not what fills it and not the other node. `scale` prints for each row how many operations it was of, and its
//! name; callgrind begins a new count at each call of [`row`]. `scale NAME` does only the rows whose names begin so.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement that fails may panic"
)]

use std::hint::black_box;
use std::time::Duration;

use beamless::{Config, Connection, Instant, Mailbox, Monitor, Node, Origin, OwnedNode, Received, Sizes, TermWriter, Written};

/// Runs what is counted: callgrind counts while it is in here.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

/// Ends a row: callgrind writes down what it counted and begins anew.
#[inline(never)]
fn row(name: &str, operations: usize) {
    println!("{operations} {name}");
}

/// What the tables of the hub have in them while a row is measured.
#[derive(Clone, Copy, Default)]
struct Fill {
    /// Connected nodes, with the one that talks; and the places for them, where there are more.
    peers: u16,
    room: u16,
    mailboxes: u16,
    watches: u16,
    requests: u16,
    /// The requests have time limits.
    limited: bool,
}

/// The hub, the node that talks with it, and their handles.
struct World {
    hub: OwnedNode,
    far: OwnedNode,
    at_hub: Connection,
    at_far: Connection,
    one: Mailbox,
    two: Mailbox,
    there: Mailbox,
    /// The nodes that the hub is connected to, the one that talks last.
    names: Vec<String>,
    /// What the far node watches of the hub.
    monitors: Vec<Monitor>,
    limit: Option<Duration>,
    random: u64,
}

fn carry(from: &mut Node<'_>, out: Connection, to: &mut Node<'_>, into: &mut Connection) -> usize {
    let bytes = from.poll_transmit(out);
    let buffer = to.read_buffer(*into);
    let len = bytes.len().min(buffer.len());
    buffer[..len].copy_from_slice(&bytes[..len]);
    to.handle_bytes(into, len);
    from.handle_transmitted(out, len);
    len
}

/// Connects two nodes: the handles of `a` and of `b` on it.
fn join(a: &mut Node<'_>, b: &mut Node<'_>) -> (Connection, Connection) {
    let now = Instant::default();
    a.connect(b.name().unwrap().as_str()).unwrap();
    let (mut at_a, _) = a.poll_dial(now).unwrap();
    let mut at_b = b.accept(Origin::default(), 1, now).unwrap();
    a.handle_connected(at_a, 2, now);
    while carry(a, at_a, b, &mut at_b) + carry(b, at_b, a, &mut at_a) > 0 {}
    while a.poll_event().is_some() || b.poll_event().is_some() {}
    (at_a, at_b)
}

fn node(name: &str, sizes: Sizes) -> OwnedNode {
    OwnedNode::new(Config::hidden(name, "secret").unwrap().creation(5), sizes).unwrap()
}

fn hello<'t, 'b>(t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
    t.atom("hello")
}

const HUB: &str = "hub@127.0.0.1";
const FAR: &str = "far@127.0.0.1";
const THERE: (&str, &str) = ("there", FAR);
/// Messages in one read.
const BATCH: usize = 10;

impl World {
    fn new(fill: Fill) -> Self {
        let few = fill.peers < 100 && fill.mailboxes < 1_000;
        let room = fill.room.max(fill.peers.max(1) + 1);
        let sizes = Sizes::new(room, fill.mailboxes + 3, if few { 65_536 } else { 4096 });
        // one node has at most three times as many as are free then
        let mut hub = node(HUB, sizes.watches(fill.watches * 2 + 64).requests(fill.requests + 64));
        let mut names: Vec<_> = (1..fill.peers).map(|i| format!("peer{i}@127.0.0.1")).collect();
        for name in &names {
            join(&mut hub, &mut node(name, Sizes::new(2, 0, 4096)));
        }
        names.push(FAR.to_owned());
        let mut far = node(FAR, Sizes::new(2, 1, 65_536).watches(fill.requests * 2 + 64).requests(fill.watches + 64));
        let there = far.register("there").unwrap();
        let (at_hub, at_far) = join(&mut hub, &mut far);
        for i in 0..fill.mailboxes {
            hub.register(&format!("mailbox{i}")).unwrap();
        }
        let (one, two) = (hub.register("one").unwrap(), hub.register("two").unwrap());
        hub.serve(two, ["m:f/0"]).unwrap();
        let limit = fill.limited.then_some(Duration::from_secs(3600));
        let mut world = Self { hub, far, at_hub, at_far, one, two, there, names, monitors: Vec::new(), limit, random: 1 };
        world.hub.handle_timeout(Instant::default());
        world.fill(fill);
        world
    }

    fn fill(&mut self, fill: Fill) {
        for _ in 0..fill.watches {
            let monitor = self.far.outbox(self.there).unwrap().monitor(("one", HUB)).unwrap();
            self.monitors.push(monitor);
            self.settle();
        }
        for _ in 0..fill.requests {
            self.hub.outbox(self.two).unwrap().call(THERE, self.limit, hello).unwrap();
            self.settle();
            while self.far.recv(self.there).is_some() {}
        }
        // what the filling left to do is no part of what is measured
        self.hub.handle_timeout(Instant::default());
        transmit(&mut self.hub);
        assert_eq!(self.hub.in_use().watches, fill.watches.into());
        assert_eq!(self.hub.in_use().requests, fill.requests.into());
        assert_eq!(self.hub.in_use().peers, fill.peers.max(1).into());
    }

    /// Carries what there is between the two.
    fn settle(&mut self) {
        while carry(&mut self.far, self.at_far, &mut self.hub, &mut self.at_hub)
            + carry(&mut self.hub, self.at_hub, &mut self.far, &mut self.at_far)
            > 0
        {}
    }

    /// The hub takes what the far node sent: that is counted.
    fn take(&mut self) {
        let bytes = self.far.poll_transmit(self.at_far);
        let len = bytes.len();
        self.hub.read_buffer(self.at_hub)[..len].copy_from_slice(bytes);
        self.far.handle_transmitted(self.at_far, len);
        measured(|| self.hub.handle_bytes(&mut self.at_hub, len));
        self.hub.poll_work();
    }

    /// The far node takes what the hub sent.
    fn give(&mut self) {
        carry(&mut self.hub, self.at_hub, &mut self.far, &mut self.at_far);
    }

    /// Any number below this one, the same in every run.
    fn any(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.random >> 33).unwrap() % below
    }

    /// A monitor of the hub's first mailbox.
    fn monitor(&mut self) -> Monitor {
        self.far.outbox(self.there).unwrap().monitor(("one", HUB)).unwrap()
    }
}

type Work = fn(&mut World, usize);

/// Messages from a peer to one mailbox.
fn comes_in(w: &mut World, i: usize) {
    w.far.outbox(w.there).unwrap().send(("one", HUB), hello).unwrap();
    if i % BATCH == BATCH - 1 {
        w.take();
        measured(|| while w.hub.recv(w.one).is_some() {});
    }
}

/// The same, to two mailboxes in turn.
fn comes_in_to_two(w: &mut World, i: usize) {
    w.far.outbox(w.there).unwrap().send((["one", "two"][i % 2], HUB), hello).unwrap();
    if i % BATCH == BATCH - 1 {
        w.take();
        measured(|| while w.hub.recv(w.one).is_some() || w.hub.recv(w.two).is_some() {});
    }
}

/// Messages to one peer.
fn goes_out(w: &mut World, i: usize) {
    measured(|| w.hub.outbox(w.one).unwrap().send(THERE, hello)).unwrap();
    if i % BATCH == BATCH - 1 {
        measured(|| transmit(&mut w.hub));
    }
}

/// Messages to all peers in turn, each by itself.
fn goes_out_in_turn(w: &mut World, i: usize) {
    let name = w.names[i * 7 % w.names.len()].as_str();
    measured(|| w.hub.outbox(w.one).unwrap().send(("there", name), hello)).unwrap();
    measured(|| transmit(&mut w.hub));
}

/// What is to be written is written.
fn transmit(hub: &mut Node<'_>) {
    while let Some(connection) = hub.poll_work() {
        let len = hub.poll_transmit(connection).len();
        if len > 0 {
            hub.handle_transmitted(connection, len);
        }
    }
}

/// What a driver asks in every turn.
fn turn(w: &mut World, i: usize) {
    let now = Instant::from_millis(i as u64 / 100);
    measured(|| (w.hub.poll_dial(now).is_none(), w.hub.poll_work().is_none(), w.hub.poll_event().is_none()));
    measured(|| (w.hub.poll_timeout(), w.hub.poll_mailbox()));
}

fn poll_timeout(w: &mut World, _: usize) {
    measured(|| w.hub.poll_timeout());
}

fn handle_timeout(w: &mut World, i: usize) {
    measured(|| w.hub.handle_timeout(Instant::from_millis(i as u64 / 100)));
}

/// A monitor of the hub's own comes and goes.
fn own_monitor(w: &mut World, _: usize) {
    let monitor = measured(|| w.hub.outbox(w.one).unwrap().monitor(THERE)).unwrap();
    measured(|| w.hub.outbox(w.one).unwrap().demonitor(monitor)).unwrap();
    transmit(&mut w.hub);
}

/// A monitor of a peer's comes and goes, the last one first.
fn last_monitor(w: &mut World, _: usize) {
    let monitor = w.monitor();
    w.take();
    w.far.outbox(w.there).unwrap().demonitor(monitor).unwrap();
    w.take();
}

/// A monitor of a peer's comes, and any other goes.
fn any_monitor(w: &mut World, _: usize) {
    let monitor = w.monitor();
    w.monitors.push(monitor);
    w.take();
    let any = w.any(w.monitors.len());
    let monitor = w.monitors.swap_remove(any);
    w.far.outbox(w.there).unwrap().demonitor(monitor).unwrap();
    w.take();
}

/// A mailbox that a peer watches comes and ends.
fn watched_mailbox(w: &mut World, _: usize) {
    let mailbox = measured(|| w.hub.register("three")).unwrap();
    w.far.outbox(w.there).unwrap().monitor(("three", HUB)).unwrap();
    w.take();
    measured(|| w.hub.close_mailbox(mailbox, |t| t.atom("normal"))).unwrap();
    w.give();
    while w.far.recv(w.there).is_some() {}
    while w.hub.poll_event().is_some() {}
}

/// A mailbox comes and goes.
fn mailbox(w: &mut World, _: usize) {
    let mailbox = measured(|| w.hub.register("three")).unwrap();
    measured(|| w.hub.close_mailbox(mailbox, |t| t.atom("normal"))).unwrap();
    while w.hub.poll_event().is_some() {}
}

/// The hub calls, and is answered.
fn call(w: &mut World, _: usize) {
    let limit = w.limit;
    measured(|| w.hub.outbox(w.one).unwrap().call(THERE, limit, hello)).unwrap();
    w.give();
    while let Some((message, mut out)) = w.far.recv(w.there) {
        let Received::Call(call) = message.received() else { panic!("no call") };
        out.reply(&call, |t| t.float(21.5)).unwrap();
    }
    w.take();
    let answered = measured(|| {
        let (message, _) = w.hub.recv(w.one).unwrap();
        matches!(message.received(), Received::Answer { result: Ok(_), .. })
    });
    assert!(answered);
    w.give();
}

/// The hub is called, and answers.
fn serve_call(w: &mut World, _: usize) {
    w.far.outbox(w.there).unwrap().call(("one", HUB), None, hello).unwrap();
    w.take();
    measured(|| {
        let (message, mut out) = w.hub.recv(w.one).unwrap();
        let Received::Call(call) = message.received() else { panic!("no call") };
        out.reply(&call, |t| t.float(21.5)).unwrap();
    });
    w.give();
    assert!(w.far.recv(w.there).is_some());
    w.take();
}

/// A function of the hub's is called with `erpc`.
fn serve_function(w: &mut World, _: usize) {
    w.far.outbox(w.there).unwrap().rpc(HUB, "m", "f", None, |t| t.nil()).unwrap();
    w.take();
    measured(|| {
        let (message, mut out) = w.hub.recv(w.two).unwrap();
        let Received::Apply(apply) = message.received() else { panic!("no function") };
        out.reply(&apply, |t| t.float(21.5)).unwrap();
    });
    w.give();
    assert!(w.far.recv(w.there).is_some());
    w.take();
}

const PEERS: &[(&str, Work)] = &[
    ("out", goes_out),
    ("out to all in turn", goes_out_in_turn),
    ("in", comes_in),
    ("a turn's questions", turn),
    ("poll_timeout", poll_timeout),
    ("handle_timeout", handle_timeout),
    ("own monitor and demonitor", own_monitor),
    ("call", call),
    ("call served", serve_call),
];
const MAILBOXES: &[(&str, Work)] =
    &[("in", comes_in), ("in to two in turn", comes_in_to_two), ("register and close", mailbox), ("call", call)];
const WATCHES: &[(&str, Work)] = &[
    ("peer's monitor and demonitor, last first", last_monitor),
    ("peer's monitor and demonitor, any", any_monitor),
    ("watched mailbox ends", watched_mailbox),
    ("call served", serve_call),
    ("function served", serve_function),
];
const REQUESTS: &[(&str, Work)] = &[
    ("in", comes_in),
    ("call", call),
    ("own monitor and demonitor", own_monitor),
    ("poll_timeout", poll_timeout),
    ("handle_timeout", handle_timeout),
];

/// Fills the hub in this way and measures all of this; `what` ends the names of the rows, behind the last comma of which a number is what
/// the table has in it.
fn world(what: &str, fill: Fill, rows: &[(&str, Work)]) {
    let only = std::env::args().skip(1).find(|arg| arg != "--bench").unwrap_or_default();
    let name = |row: &str| format!("{row}, {what}");
    let rows: Vec<_> = rows.iter().filter(|(row, _)| name(row).starts_with(&only)).collect();
    if rows.is_empty() {
        return;
    }
    let mut world = World::new(fill);
    for (row_name, work) in rows {
        for i in 0..COUNT {
            work(&mut world, i);
        }
        row(&name(row_name), COUNT);
    }
}

/// Operations of a row.
const COUNT: usize = 300;

fn main() {
    for peers in [1, 200, 1_000] {
        world(&format!("peers: {peers}"), Fill { peers, ..Fill::default() }, PEERS);
    }
    world("peers: 1, and room for 1000", Fill { peers: 1, room: 1_000, ..Fill::default() }, PEERS);
    for mailboxes in [1, 100, 10_000] {
        world(&format!("mailboxes: {mailboxes}"), Fill { mailboxes, ..Fill::default() }, MAILBOXES);
    }
    for watches in [0, 500, 5_000] {
        world(&format!("watches: {watches}"), Fill { watches, ..Fill::default() }, WATCHES);
    }
    for requests in [0, 500, 5_000] {
        world(&format!("requests: {requests}"), Fill { requests, ..Fill::default() }, REQUESTS);
        let fill = Fill { requests, limited: true, ..Fill::default() };
        world(&format!("requests with time limits: {requests}"), fill, REQUESTS);
    }
}
