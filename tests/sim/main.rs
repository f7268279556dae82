//! Two to eight nodes under a seeded clock and a seeded network: thousands of random lives, in which programs do whatever they can, streams are
//! cut anywhere, stall and break, hosts stop and start again, clocks jump; and what each host sees is what Erlang promises it.
//!
//! A life is its seed's. One that fails is made small, and told, with the command that does so again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected has failed, and a panic is how it says so"
)]
#![allow(clippy::needless_range_loop, reason = "a host is its number, by which several lists have what is its own")]

mod acts;
mod host;
mod life;
mod model;
mod net;
#[path = "../memory/seed.rs"]
mod seed;
mod seen;
mod ties;

use std::ops::Range;
use std::process::exit;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use self::life::Life;
use self::model::Tally;

/// What must have occurred in ten thousand lives, for the test to be one.
const OCCURS: [&str; 38] = [
    "a buffer full",
    "a call that was given up",
    "a down",
    "a late reply",
    "a message to a group",
    "a name taken",
    "a reply",
    "a sure link broke",
    "a timeout",
    "all groups taken",
    "all mailboxes taken",
    "all peers taken",
    "all requests taken",
    "all watches taken",
    "an end of who was called",
    "an exception",
    "an exit",
    "connect failed",
    "ended by a link",
    "held by a mailbox",
    "held by a transmit buffer",
    "killed",
    "members of others",
    "no such mailbox",
    "node down",
    "nodedown",
    "noproc",
    "not connected",
    "put back",
    "restart",
    "restart with the same creation",
    "silence",
    "system_limit",
    "the clock jumps",
    "the network breaks",
    "the network stalls",
    "undef",
    "unlisted",
];

/// Which lives are tried: others by hand, such as `BEAMLESS_SEEDS=4000..100000`.
fn seeds() -> Range<u64> {
    let by_hand = std::env::var("BEAMLESS_SEEDS").ok().and_then(|seeds| {
        let (first, end) = seeds.split_once("..")?;
        Some(first.parse().ok()?..end.parse().ok()?)
    });
    by_hand.unwrap_or(0..1_000)
}

#[test]
fn what_each_host_sees_is_what_erlang_promises() {
    life::listen();
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let (failed, tally) = (Mutex::new(None::<(u64, String)>), Mutex::new(Tally::new()));
    let lived: Vec<AtomicU64> =
        (0..thread::available_parallelism().map_or(1, usize::from)).map(|_| AtomicU64::new(u64::MAX)).collect();
    let (end, ended) = channel();
    thread::scope(|scope| {
        for lived in &lived {
            let (end, seeds, next, failed, tally) = (end.clone(), &seeds, &next, &failed, &tally);
            scope.spawn(move || {
                let mut own = Tally::new();
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    lived.store(seed, Ordering::Relaxed);
                    if seed >= seeds.end || failed.lock().unwrap().is_some() {
                        // it has nothing more to do
                        lived.store(u64::MAX, Ordering::Relaxed);
                        break;
                    }
                    if let Err((wrong, _)) = Life::of(seed).live(&mut own, false) {
                        failed.lock().unwrap().get_or_insert((seed, wrong));
                    }
                }
                let mut tally = tally.lock().unwrap();
                own.into_iter().for_each(|(what, times)| *tally.entry(what).or_default() += times);
                // whoever looks after it has gone only if the test is over
                let _ = end.send(());
            });
        }
        look_after(&lived, &ended);
    });
    let _ = std::panic::take_hook();
    if let Some((seed, wrong)) = failed.into_inner().unwrap() {
        tell(seed, &wrong);
        panic!("seed {seed}: {wrong}\nagain: tests/sim/run 1 {seed}");
    }
    let mut counted: Vec<_> = tally.into_inner().unwrap().into_iter().collect();
    counted.sort_unstable();
    println!("{counted:?}");
    if seeds.end - seeds.start >= 10_000 {
        for what in OCCURS {
            assert!(counted.iter().any(|(found, _)| *found == what), "{what} never occurred: {counted:?}");
        }
    }
}

/// Waits until all threads have ended. A life takes milliseconds: one that takes minutes, on whatever machine, turns without end.
fn look_after(lived: &[AtomicU64], ended: &Receiver<()>) {
    for _ in lived {
        let mut before = Vec::new();
        while ended.recv_timeout(Duration::from_secs(240)).is_err() {
            let now: Vec<u64> = lived.iter().map(|seed| seed.load(Ordering::Relaxed)).collect();
            if let Some((seed, _)) = now.iter().zip(&before).find(|(now, before)| now == before && **now != u64::MAX) {
                println!("seed {seed}: it turns without end\nagain: tests/sim/run 1 {seed}");
                exit(1);
            }
            before = now;
        }
    }
}

/// Tells what happens in a life that fails, made as small as it can be.
fn tell(seed: u64, wrong: &str) {
    life::listen();
    let life = Life::of(seed).shrink(wrong);
    let (steps, hosts) = life.len();
    println!("seed {seed}, made small: {steps} steps of {hosts} hosts");
    let result = life.live(&mut Tally::new(), true);
    println!("{}", result.map_or_else(|(wrong, _)| wrong, |()| "it does not fail any more".to_owned()));
    let _ = std::panic::take_hook();
}
