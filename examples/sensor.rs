//! Connects to a node and sends a reading to its registered process `collector` every second.
//!
//!     erl -name hub@127.0.0.1 -setcookie secret
//!     > register(collector, self()).
//!     cargo run --example sensor -- edge@127.0.0.1 secret hub@127.0.0.1
//!     > flush().
//!     Shell got {reading,'edge@127.0.0.1',0,21.5}

use std::time::{Duration, Instant};

use beamless::{Config, Driver, DriverOptions, Error, Node, NodeStorage};

const EVERY: Duration = Duration::from_secs(1);

fn main() -> Result<(), Error> {
    env_logger::Builder::new().filter_level(log::LevelFilter::Info).init();
    let mut args = std::env::args().skip(1);
    let (Some(name), Some(cookie), Some(hub)) = (args.next(), args.next(), args.next()) else {
        eprintln!("usage: sensor NODE@HOST COOKIE PEER@HOST");
        std::process::exit(2);
    };
    let mut storage = NodeStorage::<4, 1, 16_384>::new();
    let mut node = Node::new(Config::hidden(&name, &cookie)?, &mut storage);
    let mut sensor = node.register("sensor")?;
    let mut driver = Driver::new(DriverOptions::from_env()?, &mut node)?;
    let (mut next, mut count) = (Instant::now(), 0_i64);
    loop {
        driver.poll(&mut node, Some(next.saturating_duration_since(Instant::now())))?;
        while let Some(event) = node.poll_event() {
            log::info!("{event}");
        }
        // what it is sent is not wanted, and must not fill the mailbox
        while node.recv(sensor).is_some() {}
        // exit(Pid, kill) ends a mailbox: it is registered again, as a supervisor would; while it is there, its name is taken
        if let Ok(again) = node.register("sensor") {
            sensor = again;
        }
        if Instant::now() < next {
            continue;
        }
        next = Instant::now().checked_add(EVERY).unwrap_or(next);
        if !node.peers().any(|peer| peer.name.as_str() == hub) {
            // does nothing while an attempt is under way
            node.connect(&hub)?;
            continue;
        }
        let sent = node.outbox(sensor).and_then(|mut out| {
            out.send(("collector", hub.as_str()), |t| t.tuple(4)?.atom("reading")?.atom(&name)?.int(count)?.float(21.5))
        });
        match sent {
            Ok(()) => count = count.wrapping_add(1),
            Err(e) => log::warn!("reading not sent: {e}"),
        }
    }
}
