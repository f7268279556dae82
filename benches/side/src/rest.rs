//! What a rest between turns saves and costs: processor time for a flood of a BEAM's, which writes each message by itself, and latency.

use std::process::Stdio;
use std::time::Duration;

use crate::peers::{BASE, KINDS, Kind, MANY_PEERS, World};
use crate::work::one_by_one;

const READINGS: u64 = 400_000;
const RESTS: [u64; 3] = [0, 500, 2_000];
const ROUNDS: usize = 3;

/// Prints a table of the medians.
pub fn table(world: &World) {
    let kind = |name: &str| KINDS.into_iter().find(|kind| kind.name == name).unwrap();
    let (ours, base) = (kind("beamless"), kind(BASE));
    let mut all: Vec<[(f64, f64); RESTS.len()]> = Vec::new();
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        let (of_base, _) = measured(world, base, 0);
        all.push(RESTS.map(|rest| {
            let (time, latency) = measured(world, ours, rest);
            (time / of_base, latency)
        }));
    }
    println!("| rest, us | processor time, of what a node on libei takes | echo, one in flight, p50 in us |\n|---|---|---|");
    for (at, rest) in RESTS.iter().enumerate() {
        let median = |of: fn(&(f64, f64)) -> f64| {
            let mut figures: Vec<f64> = all.iter().map(|round| of(&round[at])).collect();
            figures.sort_by(f64::total_cmp);
            figures[ROUNDS / 2]
        };
        println!("| {rest} | {:.2} | {:.0} |", median(|figures| figures.0), median(|figures| figures.1));
    }
}

/// Returns the seconds of processor time for the flood, and the median time of an echo in microseconds.
fn measured(world: &World, kind: Kind, rest: u64) -> (f64, f64) {
    world.rest.set(rest);
    let mut peer = world.start(kind, MANY_PEERS, &[]).expect("it starts");
    let latency = one_by_one(&mut peer, &wire::echo(8), Duration::from_millis(800)).0;
    let before = peer.processor_time();
    peer.lend(|peer| {
        let command = peer.world.programs.beam(&["-run", "beam", "flood", &READINGS.to_string()]);
        let status = peer.world.command(command).stdout(Stdio::null()).status().expect("an Erlang");
        assert!(status.success(), "the BEAM that floods");
    });
    (peer.processor_time() - before, latency)
}
