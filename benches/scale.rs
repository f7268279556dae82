//! The work of one operation as the tables of a node fill: what `benches/count` counts the instructions of.
//!
//! Each row is an operation and a table, which is first empty and then filled. The node's memory is as large as the row needs, so that
//! neither what is there nor what there is room for may cost anything. `scale` does all rows and prints their names in order; what is
//! counted of it is [`measured`] alone, [`COUNT`] operations each time. `scale WORD` does the rows whose name has this word in it.

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

/// The operations that are counted of a row, in turns of ten.
const COUNT: usize = 1_000;
const TURN: usize = 10;

/// What is filled.
#[derive(Clone, Copy, PartialEq)]
enum Table {
    Peers,
    Mailboxes,
    /// Monitors by a peer.
    Watches,
    /// Calls to a peer that it does not answer, without a time limit and with one.
    Requests,
    Limits,
}

/// Does ten operations.
type Work = fn(&mut World);
type Row = (&'static str, Table, &'static [u16], Work);

const PEERS: &[u16] = &[1, 200, 1_000];
/// A turn takes two: one alone is found without being looked for.
const IN_TURN: &[u16] = &[2, 200, 1_000];
const MAILBOXES: &[u16] = &[1, 100, 10_000];
const PLACES: &[u16] = &[0, 500, 5_000];
/// The first limit costs something: there is a time to wait for.
const LIMITS: &[u16] = &[1, 500, 5_000];

const ROWS: [Row; 20] = [
    ("out, peers", Table::Peers, PEERS, out),
    ("out to peers in turn, peers", Table::Peers, IN_TURN, out_in_turn),
    ("in, peers", Table::Peers, PEERS, take),
    ("poll_timeout, peers", Table::Peers, PEERS, poll_timeout),
    ("handle_timeout, peers", Table::Peers, PEERS, handle_timeout),
    ("poll_dial, peers", Table::Peers, PEERS, poll_dial),
    ("own monitor and demonitor, peers", Table::Peers, PEERS, own_monitor),
    ("call, peers", Table::Peers, PEERS, call),
    ("in to two in turn, mailboxes", Table::Mailboxes, MAILBOXES, take),
    ("register and close, mailboxes", Table::Mailboxes, MAILBOXES, register_and_close),
    ("a peer's monitor and demonitor, watches", Table::Watches, PLACES, last_in_first_out),
    ("a peer's monitor and demonitor in any order, watches", Table::Watches, PLACES, any_order),
    ("register and close, watches", Table::Watches, PLACES, register_and_close),
    ("serve a function, watches", Table::Watches, PLACES, serve),
    ("in, requests", Table::Requests, PLACES, take),
    ("call, requests", Table::Requests, PLACES, call),
    ("own monitor and demonitor, requests", Table::Requests, PLACES, own_monitor),
    ("call with a limit, limits", Table::Limits, LIMITS, call),
    ("poll_timeout, limits", Table::Limits, LIMITS, poll_timeout),
    ("handle_timeout, limits", Table::Limits, LIMITS, handle_timeout),
];

fn main() {
    let word = std::env::args().skip(1).find(|arg| arg != "--bench");
    for (name, table, sizes, work) in ROWS {
        if word.as_ref().is_some_and(|word| !name.contains(word.as_str())) {
            continue;
        }
        for size in sizes {
            let mut world = World::new(table, *size);
            // everything has happened once; each peer had its turn
            turns(&mut world, work, COUNT);
            measured(&mut world, work);
            println!("{name} {size}");
        }
    }
}

/// What is counted, and nothing else.
#[inline(never)]
fn measured(world: &mut World, work: Work) {
    turns(world, work, COUNT);
}

fn turns(world: &mut World, work: Work, count: usize) {
    for _ in 0..count / TURN {
        work(world);
    }
}

/// A node with a table that is filled, and another that talks to it.
struct World {
    hub: OwnedNode,
    far: OwnedNode,
    at_hub: Connection,
    at_far: Connection,
    one: Mailbox,
    there: Mailbox,
    /// The names of all peers of the hub.
    peers: Vec<String>,
    next: usize,
    /// Monitors by the other node.
    watching: Vec<Monitor>,
    /// Ten messages to the hub.
    batch: Vec<u8>,
    limit: Option<Duration>,
}

const HUB: &str = "hub@127.0.0.1";
const FAR: &str = "far@127.0.0.1";

impl World {
    fn new(table: Table, size: u16) -> Self {
        let of = |what: &[Table]| if what.contains(&table) { size } else { 0 };
        let (watches, requests) = (of(&[Table::Watches]), of(&[Table::Requests, Table::Limits]));
        let bytes = if of(&[Table::Peers, Table::Mailboxes]) > 0 { 8_192 } else { 65_536 };
        // a peer leaves some of the places to others
        let places = |count: u16| count + count / 2 + 64;
        let room = Sizes::new(of(&[Table::Peers]).max(1), of(&[Table::Mailboxes]) + 3, bytes);
        let mut hub = node(HUB, room.watches(places(watches)).requests(requests + 64));
        let mut far = node(FAR, Sizes::new(1, 1, bytes).watches(places(requests)).requests(watches + 64));
        let mut peers = vec![FAR.to_owned()];
        for i in 1..of(&[Table::Peers]) {
            peers.push(format!("peer{i}@127.0.0.1"));
            join(&mut hub, &mut node(&peers[usize::from(i)], Sizes::new(1, 0, 4_096)));
        }
        for i in 0..of(&[Table::Mailboxes]) {
            hub.register(&format!("mailbox{i}")).unwrap();
        }
        let (one, there) = (hub.register("one").unwrap(), far.register("there").unwrap());
        hub.register("two").unwrap();
        hub.serve(one, ["m:f/1"]).unwrap();
        let (at_hub, at_far) = join(&mut hub, &mut far);
        let limit = (table == Table::Limits).then_some(Duration::from_secs(3_600));
        let (next, watching, batch) = (0, Vec::new(), Vec::new());
        let mut world = Self { hub, far, at_hub, at_far, one, there, peers, next, watching, batch, limit };
        for _ in 0..watches {
            let monitor = world.monitor();
            world.watching.push(monitor);
            world.forth();
        }
        for _ in 0..requests {
            world.hub.outbox(one).unwrap().call(("there", FAR), limit, hello).unwrap();
            world.back();
            assert_eq!(drain(&mut world.far), 1);
        }
        for i in 0..TURN {
            let to = if table == Table::Mailboxes { ["one", "two"][i % 2] } else { "one" };
            world.far.outbox(there).unwrap().send((to, HUB), hello).unwrap();
        }
        world.batch = world.far.poll_transmit(at_far).to_vec();
        world.far.handle_transmitted(at_far, world.batch.len());
        world.hub.handle_timeout(NOW);
        world
    }

    fn monitor(&mut self) -> Monitor {
        self.far.outbox(self.there).unwrap().monitor(("one", HUB)).unwrap()
    }

    fn demonitor(&mut self, monitor: Monitor) {
        self.far.outbox(self.there).unwrap().demonitor(monitor).unwrap();
    }

    /// Carries what the other node has for the hub, and back.
    fn forth(&mut self) {
        carry(&mut self.far, self.at_far, &mut self.hub, &mut self.at_hub);
    }

    fn back(&mut self) {
        carry(&mut self.hub, self.at_hub, &mut self.far, &mut self.at_far);
    }
}

const NOW: Instant = Instant::from_millis(1);

fn node(name: &str, sizes: Sizes) -> OwnedNode {
    OwnedNode::new(Config::hidden(name, "secret").unwrap().creation(5), sizes).unwrap()
}

/// Connects two nodes. Returns the handles of both on it.
fn join(a: &mut OwnedNode, b: &mut OwnedNode) -> (Connection, Connection) {
    let name = b.name().unwrap().to_string();
    a.connect(&name).unwrap();
    let (mut at_a, _) = a.poll_dial(NOW).unwrap();
    let mut at_b = b.accept(Origin::default(), 1, NOW).unwrap();
    a.handle_connected(at_a, 2, NOW);
    while carry(a, at_a, b, &mut at_b) + carry(b, at_b, a, &mut at_a) > 0 {}
    for node in [a, b] {
        assert!(node.peers().next().is_some());
        while node.poll_event().is_some() {}
        while node.poll_work().is_some() {}
    }
    (at_a, at_b)
}

fn carry(from: &mut Node<'_>, out: Connection, to: &mut Node<'_>, into: &mut Connection) -> usize {
    while from.poll_work().is_some() {}
    let bytes = from.poll_transmit(out);
    let len = bytes.len().min(to.read_buffer(*into).len());
    to.read_buffer(*into)[..len].copy_from_slice(&bytes[..len]);
    to.handle_bytes(into, len);
    from.handle_transmitted(out, len);
    len
}

/// Writes what waits to whatever connection it waits for, as far as the node sees.
fn flush(node: &mut Node<'_>) {
    while let Some(connection) = node.poll_work() {
        let len = node.poll_transmit(connection).len();
        node.handle_transmitted(connection, len);
    }
}

/// Takes all messages, as a program that serves all of its mailboxes does.
fn drain(node: &mut Node<'_>) -> usize {
    let mut count = 0;
    while let Some(mailbox) = node.poll_mailbox() {
        while let Some((message, _)) = node.recv(mailbox) {
            black_box(message.term());
            count += 1;
        }
    }
    count
}

fn hello<'t, 'b>(t: &'t mut TermWriter<'b>) -> Written<'t, 'b> {
    t.atom("hello")
}

fn out(w: &mut World) {
    for _ in 0..TURN {
        w.hub.outbox(w.one).unwrap().send(("there", FAR), hello).unwrap();
    }
    flush(&mut w.hub);
}

fn out_in_turn(w: &mut World) {
    for _ in 0..TURN {
        w.next = (w.next + 1) % w.peers.len();
        w.hub.outbox(w.one).unwrap().send(("there", w.peers[w.next].as_str()), hello).unwrap();
        flush(&mut w.hub);
    }
}

fn take(w: &mut World) {
    w.hub.read_buffer(w.at_hub)[..w.batch.len()].copy_from_slice(&w.batch);
    w.hub.handle_bytes(&mut w.at_hub, w.batch.len());
    assert_eq!(drain(&mut w.hub), TURN);
}

fn poll_timeout(w: &mut World) {
    for _ in 0..TURN {
        black_box(w.hub.poll_timeout());
    }
}

fn handle_timeout(w: &mut World) {
    for _ in 0..TURN {
        w.hub.handle_timeout(NOW);
    }
}

fn poll_dial(w: &mut World) {
    for _ in 0..TURN {
        assert!(w.hub.poll_dial(NOW).is_none());
    }
}

fn own_monitor(w: &mut World) {
    for _ in 0..TURN {
        let monitor = w.hub.outbox(w.one).unwrap().monitor(("there", FAR)).unwrap();
        w.hub.outbox(w.one).unwrap().demonitor(monitor).unwrap();
        flush(&mut w.hub);
    }
}

fn call(w: &mut World) {
    for _ in 0..TURN {
        w.hub.outbox(w.one).unwrap().call(("there", FAR), w.limit, hello).unwrap();
        w.back();
        let (message, mut out) = w.far.recv(w.there).unwrap();
        let Received::Call(call) = message.received() else { panic!("no call") };
        out.reply(&call, |t| t.float(21.5)).unwrap();
        w.forth();
        let (message, _) = w.hub.recv(w.one).unwrap();
        assert!(matches!(message.received(), Received::Answer { result: Ok(_), .. }));
        w.back();
    }
}

fn register_and_close(w: &mut World) {
    for _ in 0..TURN {
        let mailbox = w.hub.register("three").unwrap();
        w.hub.close_mailbox(mailbox, |t: &mut TermWriter<'_>| t.atom("normal")).unwrap();
        while w.hub.poll_event().is_some() {}
    }
}

fn last_in_first_out(w: &mut World) {
    for _ in 0..TURN {
        let monitor = w.monitor();
        w.demonitor(monitor);
        w.forth();
    }
}

fn any_order(w: &mut World) {
    for _ in 0..TURN {
        let monitor = w.monitor();
        w.watching.push(monitor);
        // the same in every run
        w.next = w.next.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let old = w.watching.swap_remove((w.next >> 33) % w.watching.len());
        w.demonitor(old);
        w.forth();
    }
}

fn serve(w: &mut World) {
    for _ in 0..TURN {
        w.far.outbox(w.there).unwrap().rpc(HUB, "m", "f", None, |t| t.list(1)?.int(7)?.nil()).unwrap();
        w.forth();
        let (message, mut out) = w.hub.recv(w.one).unwrap();
        let Received::Apply(apply) = message.received() else { panic!("no call of a function") };
        out.reply(&apply, |t| t.float(21.5)).unwrap();
        w.back();
        let (message, _) = w.far.recv(w.there).unwrap();
        assert!(matches!(message.received(), Received::Answer { result: Ok(_), .. }));
        w.forth();
    }
}
