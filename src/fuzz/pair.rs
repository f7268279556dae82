//! Two nodes and somebody between them, who cuts what they say where he likes, ends their connections, and, if he may, changes bytes.

use std::time::Duration;

use crate::error::NetworkFault;
use crate::node::{Connection, Event, HeldBy, Mailbox, Monitor, Received, Request};
use crate::time::Instant;
use crate::wire::ids::OwnedPid;

use super::input::Input;
use super::stage::{End, Small, dial, small};

const NAMES: [&str; 2] = ["x", "y"];
const NODES: [&str; 2] = ["a@host", "b@host"];
/// Connections at once: both may dial, and old ones are still there.
const WIRES: usize = 4;
/// Bytes that wait for a peer of which more hold it up: of the 4096 of a buffer as many are for what it is owed.
const MOST_WAITING: usize = 2048;

/// A thing that is to happen once, and how often it has.
struct Due<T> {
    what: T,
    mailbox: Mailbox,
    times: u32,
    /// It was given up: it may be there already, and then it stays.
    given_up: bool,
}

impl<T> Due<T> {
    fn new(what: T, mailbox: Mailbox) -> Self {
        Self { what, mailbox, times: 0, given_up: false }
    }
}

/// One node, with its program.
struct Side<'s> {
    end: End<'s>,
    mailboxes: [Option<Mailbox>; 2],
    /// How many messages each of its mailboxes has sent to each of the other's.
    sent: [[u32; 2]; 2],
    /// The last of those that the other side sent.
    received: [[u32; 2]; 2],
    calls: Vec<Due<Request>>,
    downs: Vec<Due<Monitor>>,
}

/// Both, and what is between them.
struct Scene<'s> {
    sides: [Side<'s>; 2],
    wires: Vec<[Connection; 2]>,
    now: Instant,
    /// How many connections were made: no two have the same challenges.
    dials: u64,
    /// Bytes were changed: what a node then hears nobody has sent.
    is_hostile: bool,
    /// Something ended in between, and with it what was on its way.
    is_lossy: bool,
}

impl<'s> Side<'s> {
    fn new(name: &str, storage: &'s mut Small) -> Self {
        let mut side = Self {
            end: End::new(name, storage),
            mailboxes: [None; 2],
            sent: [[0; 2]; 2],
            received: [[0; 2]; 2],
            calls: Vec::new(),
            downs: Vec::new(),
        };
        side.register(0);
        side.register(1);
        side
    }

    fn register(&mut self, which: usize) {
        if let Ok(mailbox) = self.end.node.register(NAMES[which]) {
            self.end.node.trap_exit(mailbox, true).expect("a mailbox of ours");
            self.mailboxes[which] = Some(mailbox);
        }
    }

    /// Takes note of what was told; true if a connection came to nothing.
    fn news(&mut self) -> bool {
        let mut lost = false;
        for event in self.end.news() {
            match event {
                Event::MailboxEnded { mailbox, .. } => {
                    self.forget(mailbox);
                    lost = true;
                }
                Event::NodeDown { .. } | Event::ConnectFailed { .. } | Event::Refused { .. } => lost = true,
                _ => {}
            }
        }
        lost
    }

    fn forget(&mut self, mailbox: Mailbox) {
        self.mailboxes.iter_mut().filter(|own| **own == Some(mailbox)).for_each(|own| *own = None);
        self.calls.retain(|due| due.mailbox != mailbox);
        self.downs.retain(|due| due.mailbox != mailbox);
    }

    /// Returns true if it reads nothing until the other does.
    fn waits_for_other(&self) -> bool {
        self.end.node.peers().any(|peer| peer.held == Some(HeldBy::Transmit) && peer.traffic.pending > MOST_WAITING)
    }

    /// Takes what waits in the mailboxes, and answers calls.
    fn read(&mut self, is_hostile: bool, is_lossy: bool) {
        for (which, mailbox) in self.mailboxes.into_iter().enumerate().filter_map(|(at, mailbox)| Some((at, mailbox?))) {
            while let Some((message, mut out)) = self.end.node.recv(mailbox) {
                match message.received() {
                    // whether there is room for the answer does not matter here
                    Received::Call(call) => _ = out.reply(&call, |t| t.term(call.request)),
                    Received::Answer { request, .. } => count(&mut self.calls, request, is_hostile),
                    Received::Down { monitor, .. } => count(&mut self.downs, monitor, is_hostile),
                    _ => {
                        let Some([from, number]) = message.term().tuple() else { continue };
                        if is_hostile {
                            continue;
                        }
                        let from = from.as_u64().expect("a mailbox's number") as usize;
                        let (number, last) = (number.as_u64().expect("a count") as u32, &mut self.received[from][which]);
                        assert!(number > *last, "{number} came behind {last}");
                        assert!(is_lossy || number == *last + 1, "{number} came behind {last}, and nothing was lost");
                        *last = number;
                    }
                }
            }
        }
    }
}

/// Counts what is to come once. A peer whose bytes are not its own may answer what was not asked.
fn count<T: PartialEq>(all: &mut [Due<T>], what: T, is_hostile: bool) {
    match all.iter_mut().find(|due| due.what == what) {
        Some(due) => {
            due.times += 1;
            assert_eq!(due.times, 1, "it came twice");
        }
        None => assert!(is_hostile, "an answer to nothing"),
    }
}

/// Runs two nodes; the bytes say what they do, and what becomes of what they say.
pub fn pair(data: &[u8]) {
    let mut input = Input::new(data);
    let (mut one, mut other) = (small(), small());
    let sides = [Side::new(NODES[0], &mut one), Side::new(NODES[1], &mut other)];
    let mut scene = Scene { sides, wires: Vec::new(), now: Instant::default(), dials: 0, is_hostile: false, is_lossy: false };
    while !input.is_empty() {
        let (what, which) = (input.below(11), input.byte());
        let (side, own, other) = (usize::from(which & 1), usize::from(which >> 1 & 1), usize::from(which >> 2 & 1));
        match what {
            0 | 1 => scene.send(side, own, other),
            2 => scene.carry(usize::from(which >> 1) % WIRES, side, input.byte().into(), None),
            3 => (0..WIRES).for_each(|wire| scene.carry(wire, side, usize::MAX, None)),
            4 => scene.read(side),
            5 => scene.cut(usize::from(which) % WIRES),
            6 => {
                scene.now = scene.now.after(Duration::from_millis(200 * u64::from(which)));
                scene.sides.iter_mut().for_each(|side| side.end.node.handle_timeout(scene.now));
            }
            7 => scene.dial(side, which),
            8 => scene.act(side, own, other, which >> 3),
            9 => scene.open_or_close(side, own),
            _ => {
                let change = (input.byte(), input.byte());
                scene.carry(usize::from(which >> 1) % WIRES, side, 255, Some(change));
            }
        }
        scene.news();
    }
    scene.finish();
}

impl Scene<'_> {
    fn news(&mut self) {
        for side in &mut self.sides {
            self.is_lossy |= side.news();
        }
        let Self { sides: [a, b], wires, .. } = self;
        // what one side has closed the other learns of, once it has read what came before
        wires.retain(|wire| {
            let over =
                |side: &Side<'_>, own: Connection| !side.end.node.is_open(own) && side.end.node.poll_transmit(own).is_empty();
            let (a_over, b_over) = (over(a, wire[0]), over(b, wire[1]));
            if a_over {
                b.end.node.handle_closed(wire[1], None);
            }
            if b_over {
                a.end.node.handle_closed(wire[0], None);
            }
            !a_over && !b_over
        });
    }

    fn send(&mut self, side: usize, own: usize, other: usize) {
        let Side { end, mailboxes, sent, .. } = &mut self.sides[side];
        let Some(mailbox) = mailboxes[own] else { return };
        let Ok(mut out) = end.node.outbox(mailbox) else { return };
        let next = sent[own][other] + 1;
        if out.send((NAMES[other], NODES[1 - side]), |t| t.tuple(2)?.int(own as i64)?.int(next.into())).is_ok() {
            sent[own][other] = next;
        }
    }

    /// Carries at most so many bytes to this side, one of them changed if it is to be.
    fn carry(&mut self, wire: usize, to: usize, most: usize, change: Option<(u8, u8)>) {
        let Some(wire) = self.wires.get_mut(wire) else { return };
        let from = 1 - to;
        let bytes = self.sides[from].end.node.poll_transmit(wire[from]);
        let mut bytes = bytes[..bytes.len().min(most)].to_vec();
        if let Some((at, by)) = change.filter(|(_, by)| *by != 0) {
            if let Some(byte) = bytes.get_mut(usize::from(at)) {
                *byte ^= by;
                self.is_hostile = true;
                self.is_lossy = true;
            }
        }
        let mut handle = wire[to];
        let heard = self.sides[to].end.hear(&mut handle, &bytes);
        wire[to] = handle;
        self.sides[from].end.node.handle_transmitted(wire[from], heard);
    }

    fn read(&mut self, side: usize) {
        let (is_hostile, is_lossy) = (self.is_hostile, self.is_lossy);
        self.sides[side].read(is_hostile, is_lossy);
    }

    fn cut(&mut self, wire: usize) {
        if wire < self.wires.len() {
            let wire = self.wires.remove(wire);
            for (side, own) in self.sides.iter_mut().zip(wire) {
                side.end.node.handle_closed(own, Some(NetworkFault::Reset));
            }
            self.is_lossy = true;
        }
    }

    fn dial(&mut self, from: usize, which: u8) {
        if which & 2 != 0 {
            let _ = self.sides[from].end.node.connect(NODES[1 - from]);
        }
        if self.wires.len() == WIRES {
            return;
        }
        self.dials += 1;
        let random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(self.dials);
        let [a, b] = &mut self.sides;
        let (near, far) = if from == 0 { (a, b) } else { (b, a) };
        if let Some((near, far)) = dial(&mut near.end, &mut far.end, random, self.now) {
            self.wires.push(if from == 0 { [near, far] } else { [far, near] });
        }
    }

    fn act(&mut self, side: usize, own: usize, other: usize, what: u8) {
        let far = &self.sides[1 - side];
        let peer = far.mailboxes[other].and_then(|mailbox| far.end.node.pid(mailbox).ok());
        let peer: Option<OwnedPid> = peer;
        let Side { end, mailboxes, calls, downs, .. } = &mut self.sides[side];
        let (Some(mailbox), Some(peer)) = (mailboxes[own], peer) else { return };
        let Ok(mut out) = end.node.outbox(mailbox) else { return };
        let timeout = (what & 8 == 0).then(|| Duration::from_millis(500));
        // what is refused is so for want of room
        match what % 8 {
            0 => _ = out.link(peer.as_pid()),
            1 => _ = out.unlink(peer.as_pid()),
            2 => _ = out.monitor(&peer).map(|what| downs.push(Due::new(what, mailbox))),
            3 => _ = out.call(&peer, timeout, |t| t.nil()).map(|what| calls.push(Due::new(what, mailbox))),
            4 => _ = out.monitor((NAMES[other], NODES[1 - side])).map(|what| downs.push(Due::new(what, mailbox))),
            5 => {
                if let Some(at) = downs.iter().position(|due| due.mailbox == mailbox && !due.given_up) {
                    downs[at].given_up = out.demonitor(downs[at].what).is_ok();
                }
            }
            6 => {
                if let Some(at) = calls.iter().position(|due| due.mailbox == mailbox && !due.given_up) {
                    calls[at].given_up = out.abandon(calls[at].what).is_ok();
                }
            }
            _ => _ = out.exit(peer.as_pid(), |t| t.atom("enough")),
        }
    }

    fn open_or_close(&mut self, side: usize, own: usize) {
        let side = &mut self.sides[side];
        match side.mailboxes[own] {
            Some(mailbox) => {
                if side.end.node.close_mailbox(mailbox, |t| t.atom("done")).is_ok() {
                    side.forget(mailbox);
                    self.is_lossy = true;
                }
            }
            None => side.register(own),
        }
    }

    /// Lets everything that can arrive do so, and then ends both: nothing is left, and all that was due has come.
    fn finish(mut self) {
        for _ in 0..64 {
            (0..2).for_each(|side| self.dial(side, 0));
            for wire in 0..WIRES {
                (0..2).for_each(|side| self.carry(wire, side, usize::MAX, None));
            }
            // as a driver does: a node reads again from one that was held up when it is told the time, for which it asks
            for side in &mut self.sides {
                if side.end.node.poll_timeout().is_some_and(|due| due <= self.now) {
                    side.end.node.handle_timeout(self.now);
                }
            }
            self.news();
            (0..2).for_each(|side| self.read(side));
        }
        // two that wait for each other do so until somebody ends it, or the tick time
        let is_tie = self.sides.iter().all(Side::waits_for_other);
        if !self.is_lossy && self.wires.len() == 1 && !is_tie {
            assert_eq!(self.sides[0].sent, self.sides[1].received);
            assert_eq!(self.sides[1].sent, self.sides[0].received);
        }
        while !self.wires.is_empty() {
            self.cut(0);
        }
        for side in &mut self.sides {
            for seconds in [10, 600] {
                side.end.node.close();
                side.news();
                side.read(self.is_hostile, true);
                side.end.node.handle_timeout(self.now.after(Duration::from_secs(seconds)));
                side.news();
                side.read(self.is_hostile, true);
            }
            assert!(side.calls.iter().all(|due| due.times == 1 || due.given_up), "a call without an answer");
            assert!(side.downs.iter().all(|due| due.times == 1 || due.given_up), "a monitor without a down");
            for mailbox in side.mailboxes.into_iter().flatten() {
                side.end.node.close_mailbox(mailbox, |t| t.nil()).expect("a mailbox of ours");
            }
            side.end.node.close();
            side.end.node.handle_timeout(self.now.after(Duration::from_secs(1200)));
            side.news();
            let used = side.end.node.in_use();
            assert_eq!((used.peers, used.watches, used.requests, used.mailboxes), (0, 0, 0, 0));
        }
    }
}
