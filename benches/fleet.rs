//! Many nodes in one process, each with small storage and a thread of its own: what `tests/fleet` has connect to a hub.
//!
//! `fleet NODES COOKIE HUB SECONDS`: each stays connected to the hub, and sends a reading to its process `collector` every so many seconds.
//! Five times a second it prints how many are connected, and how many readings were sent.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, reason = "a measurement that fails may panic")]

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use beamless::{Config, Driver, EpmdSettings, Error, Event, OwnedNode, Sizes};

/// Room for the hub, one mailbox and what it takes to send readings.
const SIZES: Sizes = Sizes::new(1, 1, 4096).watches(8).requests(2);
/// What a thread needs of a stack at the most.
const STACK: usize = 256 << 10;
/// The time between two tries to connect, at first and in the end.
const TRIES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(8)];

#[derive(Default)]
struct Counts {
    up: AtomicUsize,
    sent: AtomicUsize,
}

struct Given {
    cookie: String,
    hub: String,
    every: Duration,
    counts: Counts,
}

/// The times of a node's next try to connect and of its next reading.
struct Times {
    retry: Instant,
    wait: Duration,
    reading: Instant,
}

fn edge(number: u32, of: u32, given: &Given) -> Result<(), Error> {
    let name = format!("edge{number}@127.0.0.1");
    let mut node = OwnedNode::new(Config::hidden(&name, &given.cookie)?, SIZES)?;
    let sensor = node.register("sensor")?;
    let mut driver = Driver::outgoing(&EpmdSettings::from_env()?, &mut node)?;
    let now = Instant::now();
    // not all at once
    let part = |of_it: Duration| of_it * number / of;
    let mut times = Times { retry: now + part(TRIES[0]), wait: TRIES[0], reading: now + part(given.every) };
    let mut is_up = false;
    for count in 0_i64.. {
        while Instant::now() < times.reading {
            let next = if is_up { times.reading } else { times.retry.min(times.reading) };
            driver.poll(&mut node, Some(next.saturating_duration_since(Instant::now())))?;
            while let Some(event) = node.poll_event() {
                let jitter = part(times.wait);
                heed(&event, &mut times, &mut is_up, given, jitter);
            }
            while node.recv(sensor).is_some() {}
            if !is_up && times.retry <= Instant::now() {
                times.retry = Instant::now() + TRIES[1];
                node.connect(&given.hub)?;
            }
        }
        times.reading += given.every;
        if is_up {
            let mut out = node.outbox(sensor)?;
            out.send(("collector", given.hub.as_str()), |t| t.tuple(4)?.atom("reading")?.atom(&name)?.int(count)?.float(21.5))?;
            given.counts.sent.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}

/// Takes note of what became of the connection.
fn heed(event: &Event, times: &mut Times, is_up: &mut bool, given: &Given, jitter: Duration) {
    match event {
        Event::NodeUp { .. } => {
            given.counts.up.fetch_add(1, Ordering::Relaxed);
            (*is_up, times.wait) = (true, TRIES[0]);
        }
        Event::NodeDown { .. } | Event::ConnectFailed { .. } => {
            if core::mem::replace(is_up, false) {
                given.counts.up.fetch_sub(1, Ordering::Relaxed);
            }
            times.retry = Instant::now() + times.wait + jitter;
            times.wait = (times.wait * 2).min(TRIES[1]);
        }
        _ => {}
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Ok([nodes, cookie, hub, seconds]) = <[String; 4]>::try_from(args) else {
        eprintln!("usage: fleet NODES COOKIE HUB SECONDS");
        std::process::exit(2);
    };
    let nodes: u32 = nodes.parse().unwrap();
    let every = Duration::from_secs(seconds.parse().unwrap());
    let given = Arc::new(Given { cookie, hub, every, counts: Counts::default() });
    for number in 0..nodes {
        let given = given.clone();
        let edge = move || {
            if let Err(e) = edge(number, nodes, &given) {
                eprintln!("edge{number}: {e}");
                std::process::exit(1);
            }
        };
        thread::Builder::new().stack_size(STACK).spawn(edge).unwrap();
    }
    loop {
        let (up, sent) = (given.counts.up.load(Ordering::Relaxed), given.counts.sent.load(Ordering::Relaxed));
        // whoever started it may be gone
        if writeln!(io::stdout(), "{up} {sent}").is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(200));
    }
}
