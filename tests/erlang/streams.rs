//! Programs that only send, to a real Erlang: their loop sleeps while there is no room, and never on work.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Instant;

use beamless::mio::unix::SourceFd;
use beamless::mio::{Interest, Token};
use beamless::{Error, Full, Mailbox, WriteTerm};

use crate::inside::{Inside, storage};
use crate::support::{Erl, PATIENCE, World, load};

impl Inside<'_> {
    /// Polls without a time limit, as the programs here do; one that sleeps on work is woken in the end, and the test fails.
    fn poll_for_ever(&mut self, deadline: Instant) {
        self.driver.poll(&mut self.node, None).unwrap();
        assert!(Instant::now() < deadline, "it slept on work");
        while let Some(event) = self.node.poll_event() {
            self.events.push(event);
        }
    }

    /// Sends, unless there is no room.
    fn sends(&mut self, source: Mailbox, erl: &Erl, write: impl WriteTerm) -> bool {
        match self.node.outbox(source).unwrap().send(("sink", erl.node.as_str()), write) {
            Ok(()) => true,
            Err(Error::Full(Full::Transmit { .. })) => false,
            Err(e) => panic!("{e}"),
        }
    }

    /// When a program that sleeps has slept too long; then it is woken.
    fn watched(&self) -> Instant {
        let waker = self.driver.waker();
        thread::spawn(move || {
            thread::sleep(PATIENCE);
            waker.wake().unwrap();
        });
        Instant::now() + PATIENCE
    }
}

fn start(world: &World, inside: &mut Inside<'_>, erl: &Erl, what: &str) {
    assert_eq!(inside.eval(erl, &load(world, "sink", include_str!("sink.erl"))), "ok");
    assert_eq!(inside.eval(erl, &format!("sink:start({what})")), "true");
}

#[test]
fn a_million_terms_arrive_in_order() {
    const COUNT: i64 = 1_000_000;
    let (world, mut memory) = (World::new(), storage());
    let mut inside = world.inside(world.config("stream"), &mut memory);
    let source = inside.node.register("").unwrap();
    let erl = inside.erl(&world, "a");
    start(&world, &mut inside, &erl, "numbers");
    let deadline = inside.watched();
    let (mut i, mut refused) = (0, 0_u64);
    while i < COUNT {
        if inside.sends(source, &erl, |t| t.int(i)) {
            i += 1;
        } else {
            refused += 1;
            inside.poll_for_ever(deadline);
        }
    }
    inside.eval_until(&erl, "sink:sum()", &COUNT.to_string());
    assert!(refused > 100, "the buffer was full {refused} times, so nothing was tried");
}

#[test]
pub(crate) fn a_pipe_is_copied_into_the_cluster() {
    const BYTES: usize = 3_000_000;
    const PIPE: Token = Token(1);
    let (world, mut memory) = (World::new(), storage());
    let mut inside = world.inside(world.config("copy"), &mut memory);
    let source = inside.node.register("").unwrap();
    let erl = inside.erl(&world, "a");
    start(&world, &mut inside, &erl, "bytes");
    let (mut from, mut to) = UnixStream::pair().unwrap();
    thread::spawn(move || {
        let all: Vec<u8> = (0..BYTES).map(|at| (at * 7 + at / 251) as u8).collect();
        to.write_all(&all).unwrap();
    });
    from.set_nonblocking(true).unwrap();
    inside.driver.registry().register(&mut SourceFd(&std::os::fd::AsRawFd::as_raw_fd(&from)), PIPE, Interest::READABLE).unwrap();
    let deadline = inside.watched();
    // what was read and did not fit yet; while there is any, the pipe is not read
    let (mut buffer, mut waiting, mut readable, mut ended) = ([0; 3000], 0, true, false);
    while !ended || waiting > 0 {
        if waiting == 0 && readable {
            match from.read(&mut buffer) {
                Ok(0) => ended = true,
                Ok(read) => waiting = read,
                Err(_) => readable = false,
            }
        }
        if waiting > 0 && inside.sends(source, &erl, |t| t.binary(&buffer[..waiting])) {
            waiting = 0;
        } else if !ended || waiting > 0 {
            inside.poll_for_ever(deadline);
            readable |= inside.driver.poll_ready().is_some_and(|ready| ready.token == PIPE);
        }
    }
    inside.eval_until(&erl, "sink:sum()", &BYTES.to_string());
}
