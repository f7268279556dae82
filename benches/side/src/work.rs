//! What the nodes are measured with.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::peers::Peer;
use crate::report::Report;

/// Messages in flight where there are several.
const WINDOW: usize = 64;
const SIZES: [(&str, usize); 3] = [("8 B", 8), ("1 KiB", 1024), ("64 KiB", 65_536)];

/// Measures one node with everything it can do, for about this long each.
pub fn measure(peer: &mut Peer<'_>, time: Duration, report: &mut Report) {
    let kind = peer.kind;
    let mut add = |row: &str, figure: f64| report.add(row, kind.name, figure);
    add("resident, 1 connection, KiB", peer.resident());
    for (size, len) in SIZES {
        let frame = wire::echo(len);
        let count = (4 << 20) / frame.len().max(200);
        add(
            &format!("echo of {size}, {WINDOW} in flight"),
            rate(time, count, |count| {
                peer.load().run(&frame, count, WINDOW, count);
            }),
        );
        let (p50, p99) = one_by_one(peer, &frame, time);
        add(&format!("echo of {size}, one in flight, p50 in us"), p50);
        add(&format!("echo of {size}, one in flight, p99 in us"), p99);
    }
    if kind.speaks {
        let (reading, last) = (wire::reading(1_000_000), wire::echo(0));
        add(
            "sink",
            rate(time, 10_000, |count| {
                // all but the last are not answered
                peer.load().run(&reading, count, count, 0);
                peer.load().run(&last, 1, 1, 1);
            }),
        );
        add(
            "source",
            rate(time, 10_000, |count| {
                peer.load().run(&wire::source(count as u32), 1, 2, count);
            }),
        );
    }
    if kind.whole {
        add(
            "dials",
            rate(time, 20, |count| {
                let before = peer.dialled();
                peer.load().run(&wire::dials(count as u32), 1, 2, 0);
                while peer.dialled() < before + count {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }),
        );
    }
    if kind.listens && kind.speaks {
        let mut names = 0;
        add(
            "connects",
            rate(time, 20, |count| {
                for _ in 0..count {
                    // a name of its own for each, as with as many nodes
                    names += 1;
                    wire::dial(peer.port, &format!("n{names}@127.0.0.1")).expect("it takes a node");
                }
            }),
        );
        crowd(peer, time, &mut add);
    }
    // what it has taken meanwhile, and did not give back
    add("resident, 1 connection, after all of it, KiB", peer.resident());
    if kind.listens && kind.whole {
        for (row, figure) in peer.lend(|peer| driven_by_a_beam(peer, time)) {
            add(&row, figure);
        }
    }
}

/// Calls a second, from runs of `count` each until the time is over. The first is to warm up.
fn rate(time: Duration, count: usize, mut run: impl FnMut(usize)) -> f64 {
    run(count);
    let (start, mut done) = (Instant::now(), 0);
    while start.elapsed() < time {
        run(count);
        done += count;
    }
    done as f64 / start.elapsed().as_secs_f64()
}

pub fn one_by_one(peer: &mut Peer<'_>, frame: &[u8], time: Duration) -> (f64, f64) {
    peer.load().run(frame, 100, 1, 100);
    let (start, mut times) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        times.extend(peer.load().run(frame, 100, 1, 100));
    }
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)].as_secs_f64() * 1e6;
    (at(50), at(99))
}

/// One connection talks, the others are idle.
fn crowd(peer: &mut Peer<'_>, time: Duration, add: &mut impl FnMut(&str, f64)) {
    let frame = wire::echo(8);
    let mut idle = Vec::new();
    for others in [200, 1_000] {
        while idle.len() < others {
            idle.push(wire::dial(peer.port, &format!("idle{}@127.0.0.1", idle.len())).expect("it takes a node"));
        }
        add(&format!("echo of 8 B beside {others} idle, one in flight, p50 in us"), one_by_one(peer, &frame, time).0);
        add(
            &format!("echo of 8 B beside {others} idle, {WINDOW} in flight"),
            rate(time, 5_000, |count| {
                peer.load().run(&frame, count, WINDOW, count);
            }),
        );
        add(&format!("resident, {others} connections, KiB"), peer.resident());
    }
}

/// What a BEAM sees that is the driver, for it is mostly a BEAM that there is on the other side.
fn driven_by_a_beam(peer: &Peer<'_>, time: Duration) -> Vec<(String, f64)> {
    let command = peer.world.programs.beam(&["-run", "beam", "drive", &time.as_millis().to_string()]);
    let output = peer.world.command(command).stderr(Stdio::inherit()).output().expect("an Erlang");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "the BEAM that drives {}: {text}", peer.kind.name);
    text.lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter_map(|(row, figure)| Some((format!("a BEAM drives: {row}"), figure.parse().ok()?)))
        .collect()
}
