//! The work of one message, without the system's: what `benches/count` counts the instructions of.
//!
//! `messages in|out|echo|call COUNT` runs that many: `in` takes in and reads `{reading, I, 21.5, <<"sensor-17">>, #{unit => celsius}}`,
//! `out` encodes and sends it, `echo` answers a message of eight bytes, and `call` is a whole `gen_server:call` with its monitor, on both
//! of its sides. Without arguments (`cargo bench`) it runs each once and says how they compare.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a measurement that fails may panic"
)]

use std::hint::black_box;
use std::time::Instant as Clock;

use beamless::{Config, Connection, Instant, Mailbox, Node, NodeStorage, Origin, Received, TermWriter, WriteTerm, Written};

type Storage = NodeStorage<2, 2, 65_536>;
/// Messages in one read, as a busy socket gives them.
const BATCH: usize = 100;

/// Two connected nodes, and their handles on the connection.
struct Pair<'s> {
    a: Node<'s>,
    b: Node<'s>,
    at_a: Connection,
    at_b: Connection,
    from: Mailbox,
    to: Mailbox,
}

/// Does the network's work, in pieces: of what copies many bytes at once valgrind counts each byte as an instruction.
fn copy(bytes: &[u8], room: &mut [u8]) {
    const PIECE: usize = 1024;
    room.chunks_mut(PIECE).zip(bytes.chunks(PIECE)).for_each(|(room, piece)| room.copy_from_slice(piece));
}

fn carry(from: &mut Node<'_>, out: Connection, to: &mut Node<'_>, into: &mut Connection) -> usize {
    let bytes = from.poll_transmit(out);
    let len = bytes.len();
    copy(bytes, &mut to.read_buffer(*into)[..len]);
    to.handle_bytes(into, len);
    from.handle_transmitted(out, len);
    len
}

impl<'s> Pair<'s> {
    fn new(one: &'s mut Storage, other: &'s mut Storage) -> Self {
        let mut a = Node::new(Config::hidden("a@127.0.0.1", "secret").unwrap().creation(5), one);
        let mut b = Node::new(Config::hidden("b@127.0.0.1", "secret").unwrap().creation(6), other);
        let (from, to) = (a.register("from").unwrap(), b.register("to").unwrap());
        a.connect("b@127.0.0.1").unwrap();
        let now = Instant::default();
        let (mut at_a, _) = a.poll_dial(now).unwrap();
        let mut at_b = b.accept(Origin::default(), 1, now).unwrap();
        a.handle_connected(at_a, 2, now);
        while carry(&mut a, at_a, &mut b, &mut at_b) + carry(&mut b, at_b, &mut a, &mut at_a) > 0 {}
        Self { a, b, at_a, at_b, from, to }
    }

    fn send(&mut self, write: impl WriteTerm) {
        self.a.outbox(self.from).unwrap().send(("to", "b@127.0.0.1"), write).unwrap();
    }

    /// What a batch of sent messages is on the wire; it is not carried.
    fn batch(&mut self, mut write: impl FnMut(&mut Self, usize)) -> Vec<u8> {
        (0..BATCH).for_each(|i| write(self, i));
        let bytes = self.a.poll_transmit(self.at_a).to_vec();
        self.a.handle_transmitted(self.at_a, bytes.len());
        bytes
    }

    fn take(&mut self, batch: &[u8]) {
        copy(batch, &mut self.b.read_buffer(self.at_b)[..batch.len()]);
        self.b.handle_bytes(&mut self.at_b, batch.len());
    }
}

fn reading<'t, 'b>(t: &'t mut TermWriter<'b>, i: i64) -> Written<'t, 'b> {
    t.tuple(5)?.atom("reading")?.int(i)?.float(21.5)?.binary(b"sensor-17")?.map(1)?.atom("unit")?.atom("celsius")
}

fn run_in(pair: &mut Pair<'_>, count: usize) {
    let batch = pair.batch(|pair, i| pair.send(|t| reading(t, i64::try_from(i).unwrap())));
    for _ in 0..count / BATCH {
        pair.take(&batch);
        while let Some((message, _)) = pair.b.recv(pair.to) {
            let [kind, i, value, name, labels] = message.term().tuple().unwrap();
            assert!(kind.is_atom("reading") && labels.get("unit").is_some_and(|unit| unit.is_atom("celsius")));
            black_box((i.as_i64(), value.as_f64(), name.as_binary()));
        }
    }
}

fn run_out(pair: &mut Pair<'_>, count: usize) {
    for i in 0..count {
        pair.send(|t| reading(t, black_box(i64::try_from(i).unwrap())));
        if i % BATCH == BATCH - 1 {
            let len = pair.a.poll_transmit(pair.at_a).len();
            pair.a.handle_transmitted(pair.at_a, len);
        }
    }
}

fn run_echo(pair: &mut Pair<'_>, count: usize) {
    let me = pair.a.pid(pair.from).unwrap();
    let batch = pair.batch(|pair, _| {
        pair.send(|t| {
            t.tuple(2)?;
            t.pid(me.as_pid())?;
            t.binary(b"8 bytes!")
        });
    });
    for _ in 0..count / BATCH {
        pair.take(&batch);
        while let Some((message, mut out)) = pair.b.recv(pair.to) {
            let [pid, term] = message.term().tuple().unwrap();
            out.send(pid.as_pid().unwrap(), |t| t.tuple(2)?.atom("echo")?.term(term)).unwrap();
        }
        let len = pair.b.poll_transmit(pair.at_b).len();
        pair.b.handle_transmitted(pair.at_b, len);
    }
}

fn run_call(pair: &mut Pair<'_>, count: usize) {
    /// As many as there are places for.
    const AT_ONCE: usize = 25;
    for _ in 0..count / AT_ONCE {
        for _ in 0..AT_ONCE {
            pair.a.outbox(pair.from).unwrap().call(("to", "b@127.0.0.1"), None, |t| t.atom("celsius")).unwrap();
        }
        carry(&mut pair.a, pair.at_a, &mut pair.b, &mut pair.at_b);
        while let Some((message, mut out)) = pair.b.recv(pair.to) {
            let Received::Call(call) = message.received() else { panic!("no call") };
            out.reply(&call, |t| t.float(21.5)).unwrap();
        }
        carry(&mut pair.b, pair.at_b, &mut pair.a, &mut pair.at_a);
        while let Some((message, _)) = pair.a.recv(pair.from) {
            let Received::Answer { result: Ok(value), .. } = message.received() else { panic!("no answer") };
            black_box(value.as_f64());
        }
        carry(&mut pair.a, pair.at_a, &mut pair.b, &mut pair.at_b);
    }
    assert!(pair.a.in_use().requests + pair.b.in_use().watches == 0);
}

type Kind = (&'static str, fn(&mut Pair<'_>, usize));
const KINDS: [Kind; 4] = [("in", run_in), ("out", run_out), ("echo", run_echo), ("call", run_call)];

fn main() {
    let (mut one, mut other) = (Box::new(Storage::new()), Box::new(Storage::new()));
    let mut pair = Pair::new(&mut one, &mut other);
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    if let Some(kind) = args.next() {
        let count = args.next().and_then(|count| count.parse().ok()).unwrap_or(10_000);
        let (_, run) =
            KINDS.iter().find(|(name, _)| *name == kind).unwrap_or_else(|| panic!("in, out, echo or call, not {kind}"));
        return run(&mut pair, count);
    }
    let mut base = None;
    for (name, run) in KINDS {
        run(&mut pair, 100_000);
        let start = Clock::now();
        run(&mut pair, 1_000_000);
        let took = start.elapsed().as_secs_f64();
        println!("{name}: {:.2} times the time of `in`", took / *base.get_or_insert(took));
    }
}
