//! What is exact: instructions, allocations and system calls of the whole process for one message, as the difference of two runs, so that
//! starting up does not count. Callgrind sees the first two. Under it every look at the clock is a system call, so strace counts those.

use std::collections::HashSet;

use crate::load::Load;
use crate::peers::{FEW_PEERS, Kind, MANY_PEERS, Peer, World};
use crate::report::Report;

/// Messages of the two runs: the more, the less it matters how a thousand handshakes before them fell. Where there are none, fewer do, and
/// one that leaves small packets lying takes 40 ms for each.
const FEW: usize = 200;
const MANY: usize = 4_200;
const MANY_ALONE: usize = 600;

/// Does this many messages.
type Run = fn(&mut Load, usize);
/// What is done, and beside how many that are connected and idle.
const WORK: [(&str, usize, Run); 5] = [
    ("lone echo", 0, echo),
    ("lone echo beside 200 idle", 200, echo),
    ("lone echo beside 1000 idle", 1_000, echo),
    ("sink", 0, |load, count| {
        load.run(&wire::reading(1_000_000), count, count, 0);
        load.run(&wire::echo(0), 1, 1, 1);
    }),
    ("source", 0, |load, count| {
        load.run(&wire::source(count as u32), 1, 2, count);
    }),
];
const COUNTED: [&str; 3] = ["instructions", "allocations", "system calls"];
/// The allocations of all of these are one way to say that there was one.
const ALLOCATIONS: [&str; 7] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign", "reallocarray"];

fn echo(load: &mut Load, count: usize) {
    load.run(&wire::echo(8), count, 1, count);
}

/// Counts for one node, which runs a hundred times slower meanwhile.
pub fn count(world: &World, kind: Kind, report: &mut Report) {
    for (work, idle, run) in WORK.iter().filter(|(_, idle, _)| kind.speaks && (kind.listens || *idle == 0)) {
        let most = if kind.listens { MANY } else { MANY_ALONE };
        let counted = [FEW, most].map(|messages| {
            let [instructions, allocations] = worked(world, kind, *idle, |load| run(load, messages))?;
            Some([instructions, allocations, called(world, kind, *idle, |load| run(load, messages))?])
        });
        let [Some(few), Some(many)] = counted else { return };
        for (place, what) in COUNTED.iter().enumerate() {
            let each = (many[place] - few[place]) / (most - FEW) as f64;
            report.add(&format!("{what} a message, {work}"), kind.name, each);
        }
    }
}

/// Returns the instructions and the allocations.
fn worked(world: &World, kind: Kind, idle: usize, run: impl FnOnce(&mut Load)) -> Option<[f64; 2]> {
    let file = std::env::temp_dir().join("counted");
    let out = format!("--callgrind-out-file={}", file.display());
    let said = through(world, kind, idle, &["valgrind", "--tool=callgrind", &out], run)?;
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}\n{said}", file.display()));
    Some([number(&text, "\ntotals: "), allocations(&text)])
}

/// Returns the system calls.
fn called(world: &World, kind: Kind, idle: usize, run: impl FnOnce(&mut Load)) -> Option<f64> {
    Some(number(&through(world, kind, idle, &["strace", "-f", "-c", "-U", "name,calls"], run)?, "\ntotal "))
}

/// Returns what the counter says.
fn through(world: &World, kind: Kind, idle: usize, counter: &[&str], run: impl FnOnce(&mut Load)) -> Option<String> {
    let room = if idle < FEW_PEERS { FEW_PEERS } else { MANY_PEERS };
    let mut peer = world.start(kind, room, counter)?;
    let _idle = idle_beside(&peer, idle);
    run(peer.load());
    Some(peer.end())
}

/// Returns the number behind these words.
fn number(said: &str, words: &str) -> f64 {
    let (_, rest) = said.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {said}"));
    let digits: String = rest.trim_start().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {words:?} in {said}"))
}

/// Connects as many as that, which then say nothing.
fn idle_beside(peer: &Peer<'_>, count: usize) -> Vec<std::net::TcpStream> {
    let name = |i| format!("idle{i}@127.0.0.1");
    (0..count).map(|i| wire::dial(peer.port, &name(i)).expect("it takes a node")).collect()
}

/// Returns how often memory was asked for, by whoever is not the C library itself: `cfn=(ID) NAME` names a function that is called, by its
/// number alone from the second time on, and `calls=COUNT` behind it says how often.
fn allocations(profile: &str) -> f64 {
    let (mut asking, mut inside, mut callee) = (HashSet::new(), false, false);
    let mut count = 0.0;
    for line in profile.lines() {
        let Some((word, rest)) = line.split_once('=') else { continue };
        match word {
            "fn" | "cfn" => {
                let (id, name) = rest.split_once(' ').unwrap_or((rest, ""));
                if ALLOCATIONS.contains(&name) {
                    asking.insert(id);
                }
                *if word == "fn" { &mut inside } else { &mut callee } = asking.contains(id);
            }
            "calls" if callee && !inside => {
                let calls = rest.split(' ').next().unwrap_or_default();
                count += calls.parse::<f64>().unwrap_or_else(|e| panic!("{line}: {e}"));
            }
            _ => {}
        }
    }
    count
}
