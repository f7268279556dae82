//! Nodes whose sockets are this file: it carries bytes between them in whatever pieces a test likes.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use beamless::{Config, Connection, Event, Instant, Mailbox, Node, NodeStorage, Origin};

pub(crate) use crate::seed::Seed;

pub(crate) type Storage = NodeStorage<2, 2, 4096>;

pub(crate) fn storage() -> Box<Storage> {
    Box::new(Storage::new())
}

/// A port that is free now, below the range the kernel hands out by itself: from that, a socket of another test may have it before its use.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let start = u16::try_from(std::process::id() % 90).unwrap() * 10;
        let port = 11_000 + (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 1_000;
        if TcpListener::bind(("0.0.0.0", port)).is_ok() {
            return port;
        }
    }
}

/// A node, and the connections that lead from it to the other one.
pub(crate) struct End<'s> {
    pub(crate) node: Node<'s>,
    pub(crate) events: Vec<Event>,
}

impl<'s> End<'s> {
    pub(crate) fn new<const P: usize, const M: usize, const B: usize, const W: usize, const R: usize>(
        config: Config,
        storage: &'s mut NodeStorage<P, M, B, W, R>,
    ) -> Self {
        Self { node: Node::new(config.creation(77), storage), events: Vec::new() }
    }

    /// Lets all hashes of every second life's node collide.
    pub(crate) fn of_life(mut self, seed: u64) -> Self {
        #[cfg(debug_assertions)]
        if seed % 2 == 1 {
            self.node.collide();
        }
        self
    }

    pub(crate) fn hidden(name: &str, storage: &'s mut Storage) -> Self {
        Self::new(Config::hidden(name, "secret").unwrap(), storage)
    }

    pub(crate) fn fetch(&mut self) {
        while let Some(event) = self.node.poll_event() {
            self.events.push(event);
        }
    }

    /// The events since the last look.
    pub(crate) fn news(&mut self) -> Vec<Event> {
        self.fetch();
        std::mem::take(&mut self.events)
    }

    pub(crate) fn is_up(&self) -> bool {
        self.node.peers().next().is_some()
    }

    pub(crate) fn texts(&mut self) -> Vec<String> {
        self.news().iter().map(ToString::to_string).collect()
    }
}

/// One connection between two ends: the handles it has at both.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire {
    pub(crate) a: Connection,
    pub(crate) b: Connection,
}

/// Takes what `a` asks to be dialled and connects it to `b`. Nothing if there is nothing to dial, or no place at `b`.
pub(crate) fn dial(a: &mut End<'_>, b: &mut End<'_>, now: Instant) -> Option<Wire> {
    let (from, _) = a.node.poll_dial(now)?;
    let to = b.node.accept(Origin::default(), challenge(b), now).ok()?;
    a.node.handle_connected(from, challenge(a), now);
    Some(Wire { a: from, b: to })
}

/// What is random at an end: no two have the same challenge.
fn challenge(end: &End<'_>) -> u64 {
    let name = end.node.name().map(|name| name.as_str()).unwrap_or_default();
    name.bytes().fold(0x1234_5678_9abc_def0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into()))
}

fn carry(from: &mut End<'_>, out: Connection, to: &mut End<'_>, into: &mut Connection, most: usize) -> usize {
    let bytes = from.node.poll_transmit(out);
    let room = to.node.read_buffer(*into);
    let len = bytes.len().min(room.len()).min(most);
    if len == 0 {
        return 0;
    }
    room[..len].copy_from_slice(&bytes[..len]);
    to.node.handle_bytes(into, len);
    from.node.handle_transmitted(out, len);
    len
}

impl Wire {
    /// Carries at most `most` bytes each way; how many it were.
    pub(crate) fn step(&mut self, a: &mut End<'_>, b: &mut End<'_>, most: usize) -> usize {
        self.step_each(a, b, most, most)
    }

    /// The same with a limit for each way.
    pub(crate) fn step_each(&mut self, a: &mut End<'_>, b: &mut End<'_>, there: usize, back: usize) -> usize {
        let there = carry(a, self.a, b, &mut self.b, there);
        let back = carry(b, self.b, a, &mut self.a, back);
        // what one side has closed the other learns of, once it has read what came before
        if !a.node.is_open(self.a) && a.node.poll_transmit(self.a).is_empty() {
            b.node.handle_closed(self.b, None);
        }
        if !b.node.is_open(self.b) && b.node.poll_transmit(self.b).is_empty() {
            a.node.handle_closed(self.a, None);
        }
        there + back
    }

    /// Carries all that `a` has for `b`, and nothing back.
    pub(crate) fn there(&mut self, a: &mut End<'_>, b: &mut End<'_>) {
        while carry(a, self.a, b, &mut self.b, usize::MAX) > 0 {}
    }

    /// Carries all that `b` has for `a`, and nothing there.
    pub(crate) fn back(&mut self, a: &mut End<'_>, b: &mut End<'_>) {
        while carry(b, self.b, a, &mut self.a, usize::MAX) > 0 {}
    }

    /// Carries until nothing moves, in pieces that `pieces` picks.
    pub(crate) fn settle(&mut self, a: &mut End<'_>, b: &mut End<'_>, mut pieces: impl FnMut() -> usize) {
        while self.step(a, b, pieces().max(1)) > 0 {}
    }
}

/// Two nodes, `a@host` and `b@host`, that are connected.
pub(crate) fn connected<'s>(one: &'s mut Storage, other: &'s mut Storage) -> (End<'s>, End<'s>, Wire) {
    let (mut a, mut b) = (End::hidden("a@host", one), End::hidden("b@host", other));
    let wire = connect(&mut a, &mut b);
    (a, b, wire)
}

/// Connects `a` to `b`, which is `b@host`.
pub(crate) fn connect(a: &mut End<'_>, b: &mut End<'_>) -> Wire {
    a.node.connect("b@host").unwrap();
    let mut wire = dial(a, b, at(0)).unwrap();
    wire.settle(a, b, || usize::MAX);
    assert!(a.is_up() && b.is_up());
    a.news();
    b.news();
    wire
}

pub(crate) fn at(seconds: u64) -> Instant {
    Instant::default().after(Duration::from_secs(seconds))
}

/// Sends the integer to the mailbox `name` at the other node.
pub(crate) fn send(from: &mut End<'_>, mailbox: Mailbox, name: &str, node: &str, value: i64) -> Result<(), beamless::Error> {
    from.node.outbox(mailbox).unwrap().send((name, node), |t| t.int(value))
}

/// All integers that wait in a mailbox.
pub(crate) fn integers(end: &mut End<'_>, mailbox: Mailbox) -> Vec<i64> {
    let mut all = Vec::new();
    while let Some((message, _)) = end.node.recv(mailbox) {
        all.push(message.term().as_i64().unwrap());
    }
    all
}
