//! The line of `examples/serial`, with a clock that the test turns: either end may be reset at any time.

#[path = "../../examples/serial/line.rs"]
mod line;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use beamless::{AutoConnect, Config, Event, Failure, Instant, Node, NodeStorage, Received};
use line::{Board, Line, TICK_TIME};

use crate::pair::Seed;

type Storage = NodeStorage<1, 1, 4096, 8, 8>;

/// One way of a line, with a FIFO such as a UART has.
#[derive(Clone, Default)]
struct Way(Rc<RefCell<VecDeque<u8>>>);

struct Uart {
    from: Way,
    to: Way,
    seed: Seed,
}

impl Board for Uart {
    type Error = Infallible;

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let mut fifo = self.from.0.borrow_mut();
        let len = into.len().min(fifo.len()).min(self.seed.below(40));
        into.iter_mut().zip(fifo.drain(..len)).for_each(|(place, byte)| *place = byte);
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        let mut fifo = self.to.0.borrow_mut();
        let len = bytes.len().min(64 - fifo.len());
        fifo.extend(&bytes[..len]);
        Ok(len)
    }

    fn random(&mut self) -> Result<u64, Infallible> {
        Ok(self.seed.below(usize::MAX) as u64)
    }
}

/// A box at one end of the line.
struct End<'s> {
    node: Node<'s>,
    line: Line<'static, Uart>,
    news: Vec<String>,
}

impl<'s> End<'s> {
    /// Just switched on. What the line still holds for it is what the one before it did not read.
    fn new(name: &str, peer: Option<&'static str>, (from, to): (&Way, &Way), seed: u64, storage: &'s mut Storage) -> Self {
        let config = Config::hidden(name, "secret").unwrap().tick_time(TICK_TIME).unwrap().auto_connect(AutoConnect::Never);
        let uart = Uart { from: from.clone(), to: to.clone(), seed: Seed(seed) };
        Self { node: Node::new(config.creation(77), storage), line: Line::new(uart, peer), news: Vec::new() }
    }

    fn turn(&mut self, now: Instant) {
        let news = &mut self.news;
        let keep = |node: &mut Node<'_>| {
            while let Some(event) = node.poll_event() {
                if matches!(event, Event::NodeUp { .. } | Event::NodeDown { .. }) {
                    news.push(event.to_string());
                }
            }
        };
        let Ok(_due) = self.line.turn(&mut self.node, now, keep);
    }

    fn is_up(&self) -> bool {
        self.node.peers().next().is_some()
    }
}

/// Lets time pass for both; how long until both have said that they are connected.
fn until_up(a: &mut End<'_>, b: &mut End<'_>, clock: &mut u64) -> Duration {
    let start = *clock;
    a.news.clear();
    b.news.clear();
    let met = |end: &End<'_>| end.is_up() && end.news.last().is_some_and(|last| last.starts_with("node up"));
    while !met(a) || !met(b) {
        *clock += 10;
        assert!(*clock < start + 60_000, "a: {:?}, b: {:?}", a.news, b.news);
        a.turn(Instant::from_millis(*clock));
        b.turn(Instant::from_millis(*clock));
    }
    Duration::from_millis(*clock - start)
}

#[test]
fn either_end_is_reset() {
    for seed in 0..100 {
        let (there, back) = (Way::default(), Way::default());
        let (mut one, mut two) = (Storage::sized(), Storage::sized());
        let (mut three, mut four) = (Storage::sized(), Storage::sized());
        let mut clock = 0;
        let mut a = End::new("a@line", None, (&there, &back), seed, &mut one);
        let mut b = End::new("b@line", Some("a@line"), (&back, &there), seed, &mut two);
        assert!(until_up(&mut a, &mut b, &mut clock) < Duration::from_secs(1), "{seed}: at first");
        // somewhere between two ticks
        clock += seed * 17;
        b = End::new("b@line", Some("a@line"), (&back, &there), seed, &mut three);
        let took = until_up(&mut a, &mut b, &mut clock);
        assert!(took < Duration::from_secs(24), "{seed}: the calling end reset: {took:?}");
        clock += seed * 17;
        a = End::new("a@line", None, (&there, &back), seed, &mut four);
        let took = until_up(&mut a, &mut b, &mut clock);
        assert!(took < Duration::from_secs(24), "{seed}: the end that is called reset: {took:?}");
    }
}

#[test]
fn stays_up_while_nothing_is_said() {
    let (there, back) = (Way::default(), Way::default());
    let (mut one, mut two) = (Storage::sized(), Storage::sized());
    let mut clock = 0;
    let mut a = End::new("a@line", None, (&there, &back), 1, &mut one);
    let mut b = End::new("b@line", Some("a@line"), (&back, &there), 2, &mut two);
    until_up(&mut a, &mut b, &mut clock);
    for _ in 0..36_000 {
        clock += 100;
        a.turn(Instant::from_millis(clock));
        b.turn(Instant::from_millis(clock));
    }
    assert_eq!((a.news, b.news), (vec!["node up: b@line (hidden)".into()], vec!["node up: a@line (hidden)".into()]));
}

#[test]
fn the_line_is_unplugged() {
    let (there, back) = (Way::default(), Way::default());
    let (mut one, mut two) = (Storage::sized(), Storage::sized());
    let mut a = End::new("a@line", None, (&there, &back), 1, &mut one);
    let mut b = End::new("b@line", Some("a@line"), (&back, &there), 2, &mut two);
    until_up(&mut a, &mut b, &mut 0);
    a.line.unplugged(&mut a.node);
    assert_eq!(a.node.poll_event().unwrap().to_string(), "node down: b@line (connection closed by the peer)");
}

/// A line that holds all that is written.
struct Wire(Way, Way, u64);

impl Board for Wire {
    type Error = Infallible;

    fn read(&mut self, into: &mut [u8]) -> Result<usize, Infallible> {
        let mut held = self.0.0.borrow_mut();
        let len = into.len().min(held.len());
        into.iter_mut().zip(held.drain(..len)).for_each(|(place, byte)| *place = byte);
        Ok(len)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.1.0.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn random(&mut self) -> Result<u64, Infallible> {
        Ok(self.2)
    }
}

#[test]
fn an_answer_that_came_during_a_pause_is_in_time() {
    let (there, back) = (Way::default(), Way::default());
    let (mut one, mut two) = (Storage::sized(), Storage::sized());
    let config = |name| Config::hidden(name, "secret").unwrap().tick_time(TICK_TIME).unwrap().auto_connect(AutoConnect::Never);
    let mut a = (Node::new(config("a@line"), &mut one), Line::new(Wire(there.clone(), back.clone(), 1), None));
    let mut b = (Node::new(config("b@line"), &mut two), Line::new(Wire(back.clone(), there, 2), Some("a@line")));
    let turn = |(node, line): &mut (Node<'_>, Line<'_, Wire>), now| {
        let Ok(_due) = line.turn(node, Instant::from_millis(now), |_| {});
    };
    for now in 1..20 {
        turn(&mut a, now);
        turn(&mut b, now);
    }
    let mailbox = b.0.register("").unwrap();
    b.0.outbox(mailbox).unwrap().rpc("a@line", "m", "f", Some(Duration::from_secs(1)), |t| t.nil()).unwrap();
    turn(&mut b, 20);
    turn(&mut a, 21);
    // and so did what stands behind more than one buffer, which nobody here has asked for
    let answer = std::mem::take(&mut *back.0.borrow_mut());
    let own = a.0.register("").unwrap();
    for _ in 0..6 {
        a.0.outbox(own).unwrap().send(("nobody", "b@line"), |t| t.binary(&[7; 1800])).unwrap();
        turn(&mut a, 21);
    }
    back.0.borrow_mut().extend(answer);
    turn(&mut b, 2021);
    let (message, _) = b.0.recv(mailbox).unwrap();
    assert!(matches!(message.received(), Received::Answer { result: Err(Failure::Undefined), .. }), "{:?}", message.received());
}
