//! A peer that sends whatever comes to its mind: control messages of every operation, about processes, names and references that are
//! there and that are not, with payloads of every kind, to a node whose tables and buffers are full most of the time.

use std::collections::HashMap;
use std::time::Duration;

use beamless::{Config, Event, Exception, Failure, Mailbox, NodeStorage, OwnedPid, Reason, Received, Request};

use crate::pair::{End, Seed, Wire, at, connect, storage};

type Small = NodeStorage<2, 3, 4096, 6, 6>;
const NAMES: [&str; 6] = ["x", "y", "net_kernel", "rex", "global_name_server", "nobody"];

/// Bytes of the terms that control messages consist of.
struct Noise {
    random: Seed,
    /// Whether all that was made since this was set is as the protocol wants it.
    right: bool,
    /// How many of a thousand elements are wrong.
    wrong: usize,
}

impl Noise {
    fn atom(&mut self, text: &str) -> Vec<u8> {
        [&[119, text.len() as u8][..], text.as_bytes()].concat()
    }

    fn int(&mut self, value: u32) -> Vec<u8> {
        if value < 256 { vec![97, value as u8] } else { [&[98][..], &value.to_be_bytes()].concat() }
    }

    fn node(&mut self) -> Vec<u8> {
        match self.random.below(10) {
            0 => self.atom("c@host"),
            1 => self.atom(&"n".repeat(255)),
            2..6 => self.atom("a@host"),
            _ => self.atom("b@host"),
        }
    }

    fn pid_on(&mut self, node: &[u8]) -> Vec<u8> {
        // mailboxes, and processes of served functions
        let id = self.random.below(5) as u32 + if self.random.below(3) == 0 { 0x4000 } else { 0 };
        let (serial, creation) = (self.random.below(3) as u32, if self.random.below(8) == 0 { 3 } else { 77_u32 });
        [&[88][..], node, &id.to_be_bytes(), &serial.to_be_bytes(), &creation.to_be_bytes()].concat()
    }

    fn pid(&mut self) -> Vec<u8> {
        let node = self.node();
        self.pid_on(&node)
    }

    fn theirs(&mut self) -> Vec<u8> {
        let node = self.atom("a@host");
        self.pid_on(&node)
    }

    fn reference_on(&mut self, node: &[u8]) -> Vec<u8> {
        // that of one of the first requests, or any
        let mut words = vec![self.random.below(6) as u32, self.random.below(40) as u32, 0];
        if self.random.below(4) == 0 {
            words.resize(1 + self.random.below(5), 7);
        }
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        [&[90, 0, (words.len() / 4) as u8][..], node, &[0, 0, 0, 77], &words].concat()
    }

    fn reference(&mut self) -> Vec<u8> {
        let node = self.node();
        self.reference_on(&node)
    }

    fn name(&mut self) -> Vec<u8> {
        let name = NAMES[self.random.below(NAMES.len())];
        if self.random.below(20) == 0 { self.atom(&"n".repeat(255)) } else { self.atom(name) }
    }

    fn tuple(&mut self, elements: &[Vec<u8>]) -> Vec<u8> {
        [&[104, elements.len() as u8][..], &elements.concat()].concat()
    }

    fn list(&mut self, elements: &[Vec<u8>], tail: &[u8]) -> Vec<u8> {
        [&[108][..], &(elements.len() as u32).to_be_bytes(), &elements.concat(), tail].concat()
    }

    fn binary(&mut self) -> Vec<u8> {
        let len = [0, 20, 1000, 3900][self.random.below(4)];
        [&[109][..], &(len as u32).to_be_bytes(), &vec![7; len]].concat()
    }

    /// The tag of a call, in either form.
    fn tag(&mut self) -> Vec<u8> {
        let reference = self.reference();
        let alias = self.atom("alias");
        if self.random.below(2) == 0 { reference } else { self.list(&[alias], &reference) }
    }

    fn call_of_function(&mut self) -> [Vec<u8>; 3] {
        let function = ["f", "f", "g"][self.random.below(3)];
        let arguments = if self.random.below(4) == 0 { self.binary() } else { self.int(5) };
        let arguments = if self.random.below(6) == 0 { self.term() } else { self.list(&[arguments], &[106]) };
        [self.atom("m"), self.atom(function), arguments]
    }

    fn term(&mut self) -> Vec<u8> {
        match self.random.below(14) {
            0 => self.pid(),
            1 => self.reference(),
            2 => self.binary(),
            3 => vec![106],
            4 => ["kill", "normal", "noproc", "noconnection", "system_limit"].map(|why| self.atom(why))[self.random.below(5)]
                .clone(),
            5 => {
                let (from, tag, request) = (self.pid(), self.tag(), self.term());
                let from = self.tuple(&[from, tag]);
                let call = self.atom("$gen_call");
                self.tuple(&[call, from, request])
            }
            6 => {
                let (tag, reply) = (self.tag(), self.term());
                self.tuple(&[tag, reply])
            }
            7 => {
                let ([module, function, arguments], word, leader) = (self.call_of_function(), self.atom("call"), self.pid());
                let request = self.tuple(&[word, module, function, arguments, leader]);
                let (from, tag) = (self.pid(), self.tag());
                let (from, call) = (self.tuple(&[from, tag]), self.atom("$gen_call"));
                self.tuple(&[call, from, request])
            }
            8 | 9 => {
                let [module, function, arguments] = self.call_of_function();
                let reference = self.reference();
                self.list(&[reference, module, function, arguments], &[106])
            }
            10 => {
                let (word, pid, reply, what) = (self.atom("io_request"), self.pid(), self.reference(), self.atom("put_chars"));
                let what = self.tuple(&[what]);
                self.tuple(&[word, pid, reply, what])
            }
            11 => {
                let (reference, word, value) = (self.reference(), self.atom("return"), self.int(9));
                self.tuple(&[reference, word, value])
            }
            12 => [[104, 1].repeat(self.random.below(80)), vec![106]].concat(),
            _ => self.int(self.random.0 as u32),
        }
    }

    /// One element of a control message. `F` is a process of the peer; `P` any; `Q` one or a name; `N` a name; `r` a reference of the
    /// peer; `R` any; `I` a number that is not 0; `M` a function; `O` options; `C` what once was the cookie; `T` a term, such as a trace token.
    fn element(&mut self, kind: u8) -> Vec<u8> {
        if self.random.below(1000) < self.wrong {
            self.right = false;
            return self.term();
        }
        match kind {
            b'F' => self.theirs(),
            b'P' => self.pid(),
            b'Q' if self.random.below(2) == 0 => self.pid(),
            b'Q' | b'N' => self.name(),
            b'r' => {
                let node = self.atom("a@host");
                self.reference_on(&node)
            }
            b'R' => self.reference(),
            b'I' => {
                let id = 1 + self.random.below(300) as u32;
                self.int(id)
            }
            b'M' => {
                let erpc = ["execute_call", "execute_cast"].map(|function| self.atom(function));
                let (module, function, arity) = match self.random.below(4) {
                    0 | 1 => (self.atom("erpc"), erpc[0].clone(), 4),
                    2 => (self.atom("erpc"), erpc[1].clone(), 3),
                    _ => (self.atom("m"), self.atom("f"), 1),
                };
                let arity = self.int(arity);
                self.tuple(&[module, function, arity])
            }
            b'O' => {
                let options = ["monitor", "link", "other"].map(|option| self.atom(option));
                let count = self.random.below(4);
                self.list(&options[..count], &[106])
            }
            b'C' => self.atom(""),
            _ => self.term(),
        }
    }

    /// The body of a frame; `right` says whether the peer is in its rights.
    fn body(&mut self) -> Vec<u8> {
        self.right = true;
        let (op, shape) = SHAPES[self.random.below(SHAPES.len())];
        let mut elements: Vec<Vec<u8>> = shape.bytes().map(|kind| self.element(kind)).collect();
        if op == 37 {
            let (flags, to) = match self.random.below(3) {
                0 => (0, self.pid()),
                1 => (4, self.reference()),
                _ => (8, self.name()),
            };
            let exits = if self.random.below(2) == 0 { 16 } else { 0 };
            elements = vec![self.int(flags | exits), self.theirs(), to];
        }
        if self.random.below(1000) < self.wrong {
            self.right = false;
            let cut = self.random.below(elements.len() + 1);
            elements.truncate(cut);
        }
        let arity = 1 + elements.len() as u8;
        let mut body = [&[112, 131, 104, arity, 97, op][..], &elements.concat()].concat();
        match self.random.below(12) {
            0 => {}
            1 => body.extend([131, 80, 0, 0, 0, 0]),
            2 => body.extend([131, 104, 2, 97]),
            _ => {
                body.push(131);
                body.extend(self.term());
            }
        }
        if self.random.below(1000) < self.wrong {
            self.right = false;
            let cut = self.random.below(body.len() + 1);
            body.truncate(cut);
        }
        body
    }
}

/// The operations, and what their tuples consist of.
const SHAPES: [(u8, &str); 32] = [
    (1, "FP"),
    (2, "CP"),
    (3, "FPT"),
    (6, "PCN"),
    (7, "PP"),
    (8, "FPT"),
    (12, "CPT"),
    (13, "FPTT"),
    (16, "PCNT"),
    (18, "FPTT"),
    (19, "FQr"),
    (20, "FQR"),
    (21, "QPRT"),
    (22, "PP"),
    (23, "PPT"),
    (24, "FP"),
    (25, "FPT"),
    (26, "FP"),
    (27, "FPT"),
    (28, "QPR"),
    (29, "rFPMO"),
    (30, "rFPMOT"),
    (29, "rFPMO"),
    (31, "RPIP"),
    (31, "RPIT"),
    (32, "RPIPT"),
    (33, "PR"),
    (34, "PRT"),
    (35, "IFP"),
    (36, "IFP"),
    (37, ""),
    (200, "TT"),
];

/// The node that hears it, and its program.
struct Victim<'s> {
    seed: u64,
    end: End<'s>,
    wire: Wire,
    mailboxes: Vec<Mailbox>,
    /// How many answers each call has had whose mailbox is there to get one.
    calls: HashMap<Request, u32>,
    downs: HashMap<beamless::Monitor, u32>,
    /// How often the watches, of which one peer of two has four of six at most, the requests and the way in were full.
    full: [u32; 3],
    ended: Option<Reason>,
}

impl Victim<'_> {
    fn news(&mut self) {
        for event in self.end.news() {
            match event {
                Event::MailboxEnded { mailbox, .. } => {
                    self.mailboxes.retain(|other| *other != mailbox);
                    self.calls.retain(|request, _| request.mailbox() != mailbox);
                }
                Event::NodeDown { reason, .. } => self.ended = Some(reason),
                _ => {}
            }
        }
        let used = self.end.node.in_use();
        assert!(
            used.watches <= 6 && used.requests <= 6 && used.mailboxes <= 3 && used.peers <= 2,
            "seed {}: {used:?}",
            self.seed
        );
        self.full[0] += u32::from(used.watches >= 4);
        self.full[1] += u32::from(used.requests == 6);
    }

    /// Takes what waits in the mailboxes, and answers some of it.
    fn read(&mut self, random: &mut Seed) {
        for mailbox in self.mailboxes.clone() {
            while let Some((message, mut out)) = self.end.node.recv(mailbox) {
                // whether there is room for it does not matter here
                let _ = match (message.received(), random.below(4)) {
                    (Received::Call(call), 1..) => out.reply(&call, |t| t.term(call.request)),
                    (Received::Apply(apply), 1) => out.raise(&apply, Exception::Error, |t| t.term(apply.args)),
                    (Received::Apply(apply), 2..) => out.reply(&apply, |t| t.term(apply.args)),
                    (Received::Exit { from, reason }, 1) => out.exit(from, |t| t.term(reason)),
                    (Received::Answer { request, result }, _) => {
                        let answers = self.calls.entry(request).or_default();
                        *answers += 1;
                        assert_eq!(*answers, 1, "seed {}: a second answer", self.seed);
                        if let Err(Failure::Error { stack, .. }) = result {
                            assert!(stack.as_list().is_some());
                        }
                        Ok(())
                    }
                    (Received::Down { monitor, .. }, _) => {
                        let downs = self.downs.entry(monitor).or_default();
                        *downs += 1;
                        assert_eq!(*downs, 1, "seed {}: a second down", self.seed);
                        Ok(())
                    }
                    _ => Ok(()),
                };
            }
            self.news();
        }
    }

    /// Something of the program's own.
    fn act(&mut self, random: &mut Seed) {
        let name = NAMES[random.below(2)];
        if self.mailboxes.len() < 3 {
            if let Ok(mailbox) = self.end.node.register(name).or_else(|_| self.end.node.register("")) {
                self.end.node.trap_exit(mailbox, random.below(2) == 0).unwrap();
                self.end.node.serve(mailbox, ["m:f/1"]).unwrap();
                self.mailboxes.push(mailbox);
            }
        }
        let Some(mailbox) = self.mailboxes.get(random.below(3)).copied() else { return };
        let peer: OwnedPid = {
            let id = random.below(4) as u8;
            let bytes = [&[131, 88, 119, 6][..], b"a@host", &[0, 0, 0, id, 0, 0, 0, 0, 0, 0, 0, 77]].concat();
            OwnedPid::new(beamless::Term::parse(&bytes).unwrap().as_pid().unwrap()).unwrap()
        };
        let timeout = [None, Some(Duration::from_millis(100))][random.below(2)];
        let mut out = self.end.node.outbox(mailbox).unwrap();
        // what is refused is so for want of room
        match random.below(8) {
            0 => _ = out.link(peer.as_pid()),
            1 => _ = out.unlink(peer.as_pid()),
            2 => _ = out.monitor(&peer).map(|monitor| self.downs.insert(monitor, 0)),
            3 => _ = out.call(&peer, timeout, |t| t.nil()).map(|request| self.calls.insert(request, 0)),
            4 => _ = out.rpc("a@host", "m", "f", timeout, |t| t.nil()).map(|request| self.calls.insert(request, 0)),
            5 => _ = self.end.node.alias(mailbox),
            6 => {
                let given_up = self.calls.keys().copied().find(|request| request.mailbox() == mailbox);
                if let Some(request) = given_up.filter(|request| out.abandon(*request).is_ok()) {
                    self.calls.remove(&request);
                }
            }
            _ => _ = self.end.node.close_mailbox(mailbox, |t| t.atom("done")),
        }
        self.news();
    }

    /// Reads as much of it as there is room for; how much it was.
    fn hear(&mut self, bytes: &[u8]) -> usize {
        let room = self.end.node.read_buffer(self.wire.b);
        let len = room.len().min(bytes.len());
        self.full[2] += u32::from(room.is_empty());
        room[..len].copy_from_slice(&bytes[..len]);
        if len > 0 {
            self.end.node.handle_bytes(&mut self.wire.b, len);
        }
        self.news();
        len
    }

    fn send(&mut self) {
        let sent = self.end.node.poll_transmit(self.wire.b).len();
        self.end.node.handle_transmitted(self.wire.b, sent);
    }
}

fn hear(seed: u64, hostile: bool) -> ([u32; 3], Option<Reason>) {
    let (mut one, mut other) = (storage(), Box::new(Small::sized()));
    let mut a = End::hidden("a@host", &mut one);
    let mut end = End::new(Config::hidden("b@host", "secret").unwrap(), &mut *other).of_life(seed);
    let wire = connect(&mut a, &mut end);
    let mut victim =
        Victim { seed, end, wire, mailboxes: vec![], calls: HashMap::new(), downs: HashMap::new(), full: [0; 3], ended: None };
    let mut noise = Noise { random: Seed(seed), right: true, wrong: if hostile { 2 } else { 0 } };
    let mut random = Seed(!seed);
    let (mut waits, mut all_right, mut now) = (Vec::new(), true, 0);
    for _ in 0..300 {
        if victim.ended.is_some() {
            break;
        }
        match random.below(10) {
            0..6 => {
                let body = noise.body();
                waits.extend((body.len() as u32).to_be_bytes());
                waits.extend(&body);
                all_right &= noise.right;
                let piece = if random.below(2) == 0 { waits.len() } else { random.below(waits.len()) };
                let heard = victim.hear(&waits[..piece]);
                waits.drain(..heard);
                assert!(victim.ended.is_none() || !all_right, "seed {seed}: {:?}: {body:?}", victim.ended);
            }
            6 => victim.act(&mut random),
            7 => victim.read(&mut random),
            8 => victim.send(),
            _ => {
                now += 1;
                victim.end.node.handle_timeout(at(now / 10));
                victim.news();
            }
        }
    }
    assert!(matches!(victim.ended, None | Some(Reason::Misbehaved(_))), "seed {seed}: {:?}", victim.ended);
    let ended = victim.ended;
    victim.end.node.handle_closed(victim.wire.b, None);
    victim.news();
    for _ in 0..3 {
        victim.read(&mut random);
        victim.end.node.handle_timeout(at(30));
    }
    let used = victim.end.node.in_use();
    // all that is left are aliases, and what a mailbox or two said to a node that is to be connected anew
    assert!(
        victim.calls.values().all(|answers| *answers == 1) || used.peers > 0,
        "seed {seed}: a call is not answered: {used:?}"
    );
    victim.end.node.close();
    victim.read(&mut random);
    let used = victim.end.node.in_use();
    assert!(victim.calls.values().all(|answers| *answers == 1), "seed {seed}: a call is not answered");
    assert_eq!((used.peers, used.watches), (0, 0), "seed {seed}");
    for mailbox in victim.mailboxes.clone() {
        victim.end.node.close_mailbox(mailbox, |t| t.nil()).unwrap();
    }
    victim.end.node.handle_timeout(at(31));
    let used = victim.end.node.in_use();
    assert_eq!((used.peers, used.watches, used.requests, used.mailboxes), (0, 0, 0, 0), "seed {seed}");
    (victim.full, ended)
}

#[test]
fn whatever_a_peer_says_in_its_rights_it_stays() {
    let mut full = [0; 3];
    for seed in 0..1000 {
        let (now, ended) = hear(seed, false);
        assert_eq!(ended, None, "seed {seed}");
        for (all, one) in full.iter_mut().zip(now) {
            *all += one;
        }
    }
    assert!(full.iter().all(|times| *times > 100), "{full:?}");
}

#[test]
fn whatever_a_peer_says_nothing_is_left_of_it() {
    let ended = (0..2000).filter(|seed| hear(*seed, true).1.is_some()).count();
    assert!(ended > 500 && ended < 2000, "{ended} were cut off");
}
