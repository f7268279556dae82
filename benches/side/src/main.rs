//! beamless beside nodes of other implementations, measured in one run: `benches/run` builds all of it and starts this.

mod counts;
mod epmd;
mod load;
mod peers;
mod plot;
mod report;
mod rest;
mod work;

use std::time::Duration;

use peers::{KINDS, MANY_PEERS, World};
use report::Report;

fn main() {
    let (options, nodes): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let option = |name: &str| options.iter().any(|arg| arg == name);
    let (rounds, time) = match () {
        () if option("--counts") => (0, Duration::ZERO),
        () if option("--quick") => (1, Duration::from_millis(100)),
        () => (3, Duration::from_millis(800)),
    };
    let world = World::new();
    if option("--rest") {
        return rest::table(&world);
    }
    let kinds = KINDS.into_iter().filter(|kind| nodes.is_empty() || nodes.iter().any(|name| name == kind.name));
    let mut report = Report::default();
    // in turn, so that what else the machine does meets all of them
    for round in 1..=rounds {
        for kind in kinds.clone() {
            eprintln!("round {round} of {rounds}: {}", kind.name);
            if let Some(mut peer) = world.start(kind, MANY_PEERS, &[]) {
                work::measure(&mut peer, time, &mut report);
            }
        }
    }
    // a BEAM does more at any time than a message's work
    for kind in kinds.filter(|kind| kind.name != "BEAM" && !option("--quick")) {
        eprintln!("counting: {}", kind.name);
        counts::count(&world, kind, &mut report);
    }
    print!("{}", report.tables());
    if let Some(path) = options.iter().find_map(|option| option.strip_prefix("--plot=")) {
        std::fs::write(path, plot::svg(&report)).expect("the plot can be written");
    }
}
