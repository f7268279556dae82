//! Two nodes against a model: thousands of random lives, in which both sides do whatever a program can, the bytes go in pieces and
//! connections break; and what each side sees is what Erlang promises it. A life is its seed's, so one that fails can be run again.
//!
//! The buffers and tables are small, so that every one of them is full at some time; the last test of a run asserts that they were.

mod ops;
mod seen;

use std::collections::{HashMap, VecDeque};
use std::ops::Range;

use beamless::{
    Config, Event, Instant, Mailbox, Monitor, NetworkFault, NodeStorage, Origin, OwnedCaller, OwnedPid, OwnedReference, Request,
};

use crate::pair::{End, Seed, Wire};

/// Of the 10 places for links and monitors one peer of two has seven.
type Storage = NodeStorage<2, 4, 4096, 10, 6>;
const NODES: [&str; 2] = ["a@host", "b@host"];
const NAMES: [&str; 3] = ["", "x", "y"];
const SERVED: [&str; 1] = ["m:f/1"];

/// How often what occurred.
type Tally = HashMap<&'static str, u64>;

/// One mailbox, from its registration on.
struct Inbox {
    side: usize,
    handle: Mailbox,
    name: &'static str,
    pid: OwnedPid,
    traps: bool,
    /// Why it ended, shortened to what tells it from others.
    ended: Option<String>,
    /// When it last had nothing to give.
    drained: u64,
    /// The last number that came from each sender.
    last: HashMap<usize, usize>,
    /// What was sent to its pid over the connection that stands.
    expected: VecDeque<usize>,
}

#[derive(Clone, Copy, PartialEq)]
enum To {
    Pid(usize),
    Name(&'static str),
    Alias(usize),
    Node,
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Message,
    Call,
    Rpc,
    Exit,
}

/// One message, call or exit signal; its number is its place in the list, so numbers grow with time.
struct Sent {
    what: What,
    from: usize,
    to: To,
    epoch: u64,
    op: u64,
    at: u64,
    came: bool,
    /// Nobody has this address any more: it must not come.
    dead: bool,
    timeout: Option<u64>,
    answered: bool,
    abandoned: Option<u64>,
    /// The other side answered, or tried to.
    replied: bool,
    /// The other side took it, and will never answer.
    forgotten: bool,
}

struct Watched {
    owner: usize,
    to: To,
    handle: Monitor,
    op: u64,
    demonitored: Option<u64>,
    down: bool,
}

struct Alias {
    owner: usize,
    reference: OwnedReference,
    dead: bool,
}

/// What one mailbox did about a link with another, and what it saw of it.
#[derive(Default)]
struct Tie {
    /// When it last linked or unlinked, and over which connection.
    last: u64,
    epoch: u64,
    linked: bool,
    /// How often either of them linked.
    links: u32,
    /// How many exits came of it, and when the last one did.
    exits: u32,
    exit: u64,
    /// Unlinked, with no link of the other's under way.
    cut: Option<u64>,
    /// Surely linked: nothing was under way when this was found.
    sure: bool,
    /// The other one ended while surely linked, when there had been so many exits.
    owed: Option<u32>,
}

struct World<'s> {
    seed: u64,
    random: Seed,
    /// How many of six messages are large.
    large: usize,
    ends: [End<'s>; 2],
    /// Every connection, with the side that dialled.
    wires: Vec<(usize, Wire)>,
    /// Milliseconds, and operations, since the beginning.
    now: u64,
    op: u64,
    /// How many connections were lost.
    epoch: u64,
    /// When nothing was under way, and when each side last noticed that a connection was lost.
    settled: u64,
    lost: [u64; 2],
    inboxes: Vec<Inbox>,
    sent: Vec<Sent>,
    requests: HashMap<(usize, Request), usize>,
    watched: Vec<Watched>,
    monitors: HashMap<(usize, Monitor), usize>,
    aliases: Vec<Alias>,
    ties: HashMap<(usize, usize), Tie>,
    /// Callers to be answered later.
    callers: [Vec<(OwnedCaller, usize)>; 2],
    tally: &'s mut Tally,
}

#[test]
fn what_each_side_sees_is_what_erlang_promises() {
    let mut tally = Tally::new();
    for seed in lives() {
        live(seed, &mut tally);
    }
    let mut counted: Vec<_> = tally.iter().collect();
    counted.sort();
    println!("{counted:?}");
    for what in OCCURS {
        assert!(tally.contains_key(what), "{what} never occurred: {counted:?}");
    }
}

/// What must have occurred, for the test to be one.
const OCCURS: [&str; 27] = [
    "a name taken",
    "all mailboxes taken",
    "all peers taken",
    "all watches taken",
    "all requests taken",
    "a buffer full",
    "a mailbox full",
    "system_limit",
    "no such mailbox",
    "node down",
    "connect failed",
    "not connected",
    "a reply",
    "a late reply",
    "noproc",
    "nodedown",
    "a timeout",
    "an end of who was called",
    "undef",
    "an exception",
    "a down",
    "an exit",
    "killed",
    "put back",
    "ended by a link",
    "a sure link broke",
    "both wait",
];

/// Which lives are tried; others by hand, such as `BEAMLESS_LIVES=4000..100000`.
fn lives() -> Range<u64> {
    let by_hand = std::env::var("BEAMLESS_LIVES").ok().and_then(|lives| {
        let (first, end) = lives.split_once("..")?;
        Some(first.parse().ok()?..end.parse().ok()?)
    });
    by_hand.unwrap_or(0..4000)
}

fn live(seed: u64, tally: &mut Tally) {
    let (mut one, mut other) = (Box::new(Storage::sized()), Box::new(Storage::sized()));
    let node = |name: &str| Config::hidden(name, "secret").unwrap();
    let ends = [End::new(node(NODES[0]), &mut *one), End::new(node(NODES[1]), &mut *other)].map(|end| end.of_life(seed));
    let mut world = World {
        seed,
        random: Seed(seed),
        large: 0,
        ends,
        wires: Vec::new(),
        now: 1000,
        op: 0,
        epoch: 0,
        settled: 0,
        lost: [0; 2],
        inboxes: Vec::new(),
        sent: Vec::new(),
        requests: HashMap::new(),
        watched: Vec::new(),
        monitors: HashMap::new(),
        aliases: Vec::new(),
        ties: HashMap::new(),
        callers: [Vec::new(), Vec::new()],
        tally,
    };
    // some lives are busy, and in some nobody looks into the mailboxes
    let (steps, lazy) = (50 + world.random.below(250), world.random.below(13));
    world.large = world.random.below(6);
    for _ in 0..steps {
        world.step(lazy);
    }
    world.end();
}

impl World<'_> {
    fn time(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    #[track_caller]
    fn check(&self, right: bool, what: &str) {
        assert!(right, "seed {} at operation {}: {what}", self.seed, self.op);
    }

    fn alive(&self, side: usize) -> Vec<usize> {
        let alive = self.inboxes.iter().enumerate().filter(|(_, inbox)| inbox.side == side && inbox.ended.is_none());
        alive.map(|(number, _)| number).collect()
    }

    /// One of all that there are, a late one rather.
    fn any<T>(random: &mut Seed, all: &[T]) -> Option<usize> {
        let late = all.len().saturating_sub(6);
        if all.is_empty() {
            return None;
        }
        Some(if random.below(4) > 0 { late + random.below(all.len() - late) } else { random.below(all.len()) })
    }

    /// What the nodes report. Ends are noted first: one may be the reason of another.
    fn news(&mut self) {
        let events = [0, 1].map(|side| self.ends[side].news());
        let mut ended = Vec::new();
        for (side, event) in events.iter().enumerate().flat_map(|(side, events)| events.iter().map(move |event| (side, event))) {
            match event {
                Event::MailboxEnded { mailbox, reason, .. } => ended.extend(self.note_end(side, *mailbox, reason)),
                Event::NodeDown { .. } => {
                    self.count("node down");
                    self.epoch += 1;
                    self.lost[side] = self.op;
                    self.links_lost(side);
                }
                Event::ConnectFailed { .. } => {
                    self.count("connect failed");
                    self.epoch += 1;
                }
                Event::Missed(_) => panic!("seed {}: events were missed", self.seed),
                _ => {}
            }
        }
        ended.into_iter().for_each(|inbox| self.inbox_ended(inbox));
    }

    /// Takes what a side wants dialled; it may fail.
    fn dial(&mut self, side: usize, fails: bool) {
        let now = self.time();
        let Some((from, _)) = self.ends[side].node.poll_dial(now) else { return };
        let to = if fails {
            None
        } else {
            self.ends[1 - side].node.accept(Origin::default(), 0x1234_5678_9abc_def0 + side as u64, now).ok()
        };
        match to {
            Some(to) => {
                self.ends[side].node.handle_connected(from, 0x0fed_cba9_8765_4321 + side as u64, now);
                self.wires.push((side, Wire { a: from, b: to }));
            }
            None => self.ends[side].node.handle_unreachable(from, NetworkFault::Refused),
        }
        self.news();
    }

    /// Carries so many bytes at most over every connection; how many it were.
    fn carry(&mut self, there: usize, back: usize) -> usize {
        let mut carried = 0;
        for (side, wire) in &mut self.wires {
            let [a, b] = &mut self.ends;
            let (a, b) = if *side == 0 { (a, b) } else { (b, a) };
            carried += wire.step_each(a, b, there, back);
        }
        let ends = &self.ends;
        self.wires.retain(|(side, wire)| {
            let (a, b) = (&ends[*side].node, &ends[1 - side].node);
            a.is_open(wire.a) || b.is_open(wire.b) || !a.poll_transmit(wire.a).is_empty() || !b.poll_transmit(wire.b).is_empty()
        });
        // the one connection there is is not read from, and that for no want of room for answers
        let held = |end: &End<'_>, at| end.is_up() && !end.node.takes_bytes(at) && end.node.poll_transmit(at).len() <= 2048;
        let full = match &self.wires[..] {
            [(side, wire)] => held(&ends[*side], wire.a) || held(&ends[1 - side], wire.b),
            _ => false,
        };
        if full {
            self.count("a mailbox full");
        }
        self.news();
        carried
    }

    /// A connection breaks.
    fn cut(&mut self, which: usize) {
        let (side, wire) = self.wires.remove(which);
        self.ends[side].node.handle_closed(wire.a, Some(NetworkFault::Reset));
        self.ends[1 - side].node.handle_closed(wire.b, Some(NetworkFault::Reset));
        self.news();
    }

    fn pass(&mut self, side: usize) {
        let now = self.time();
        self.ends[side].node.handle_timeout(now);
        self.news();
    }

    /// Until nothing is under way: every byte is carried, every mailbox empty.
    fn settle(&mut self) {
        let mut idle = 0;
        for round in 0.. {
            self.check(round < 500, "it never comes to rest");
            let mut moved = self.carry(usize::MAX, usize::MAX);

            for side in 0..2 {
                self.dial(side, false);
                self.pass(side);
                for inbox in self.alive(side) {
                    while self.take(inbox, false) {
                        moved += 1;
                    }
                }
            }
            idle = if moved == 0 { idle + 1 } else { 0 };
            if idle < 3 {
                continue;
            }
            let up = [0, 1].map(|side| self.ends[side].is_up());
            let ends = &self.ends;
            let waits = |(side, wire): &(usize, Wire)| {
                !ends[*side].node.poll_transmit(wire.a).is_empty() || !ends[1 - side].node.poll_transmit(wire.b).is_empty()
            };
            let places = [0, 1].map(|side| ends[side].node.in_use().peers);
            let connected = usize::from(up[0]);
            if up[0] == up[1] && self.wires.len() == connected && places == [connected; 2] && !self.wires.iter().any(waits) {
                break;
            }
            // A connection may be under way that does not come. And nothing lies on the way between the two, where a network has
            // room: so it may be that both have answers to send for which the other has none, or has it no more because it closes;
            // until one of them finds the other silent.
            self.count("both wait");
            self.now += 15_000;
        }
        for side in 0..2 {
            let due = self.ends[side].node.poll_timeout();
            self.check(due.is_none_or(|due| due > self.time()), "it is busy with nothing");
        }
        self.op += 1;
        self.check_links();
        self.settled = self.op;
        self.check_rest();
    }

    /// What must hold when nothing is under way.
    fn check_rest(&mut self) {
        let up = [0, 1].map(|side| self.ends[side].is_up());
        self.check(up[0] == up[1], "one side is connected");
        let used = [0, 1].map(|side| self.ends[side].node.in_use());
        for side in 0..2 {
            self.check(used[side].peers == usize::from(up[side]), &format!("places of peers at {side}: {used:?}"));
            let alive = self.alive(side).len();
            self.check(used[side].mailboxes == alive, &format!("places of mailboxes at {side}, {alive} alive: {used:?}"));
        }
        // what one side asks, the other keeps, and links have a place on either
        let own = [0, 1].map(|side| {
            let aliases = self.aliases.iter().filter(|alias| !alias.dead && self.inboxes[alias.owner].side == side).count();
            used[side].requests as i64 - aliases as i64
        });
        let links = [0, 1].map(|side| used[side].watches as i64 - own[1 - side]);
        self.check(links[0] == links[1] && links[0] >= 0, &format!("watches and requests: {used:?}, {links:?} links"));
        let surely = self.ties.values().filter(|tie| tie.sure).count() as i64;
        self.check(surely <= 2 * links[0], &format!("{surely} ends of links that must be there: {links:?}"));
        for number in 0..self.inboxes.len() {
            let lost = self.inboxes[number].expected.iter().any(|sent| self.sent[*sent].epoch == self.epoch);
            self.check(!lost || self.inboxes[number].ended.is_some(), "a message is lost");
            self.inboxes[number].expected.clear();
        }
        self.check_asked();
    }

    /// Everybody closes, one side after the other, and nobody may be left waiting.
    fn end(&mut self) {
        if self.random.below(3) == 0 {
            let _ = self.ends[self.random.below(2)].node.disconnect(NODES[self.random.below(2)]);
            self.news();
        }
        self.settle();
        // all that is to be answered is, and all that has a time limit meets it
        for side in 0..2 {
            self.answer_all(side);
        }
        self.settle();
        self.now += 10_000;
        self.settle();
        self.check_limits();
        let first = self.random.below(2);
        for side in [first, 1 - first] {
            for inbox in self.alive(side) {
                self.close(inbox);
            }
            self.settle();
            self.check_waiting(side);
        }
        for side in 0..2 {
            let used = self.ends[side].node.in_use();
            self.check((used.watches, used.requests, used.mailboxes) == (0, 0, 0), &format!("left over at {side}: {used:?}"));
        }
    }
}
