//! What is exact: instructions, allocations and system calls of the whole process for one message, as the difference of two runs, so that
//! starting up does not count.

use crate::load::Load;
use crate::peers::{Kind, World};
use crate::report::Report;

/// The programs that run a node and count, and the words in front of the number that they say in the end.
const COUNTERS: [(&str, &[&str], &str); 3] = [
    ("instructions", &["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"], "Collected : "),
    ("allocations", &["valgrind", "--tool=memcheck", "--undef-value-errors=no"], "total heap usage: "),
    ("system calls", &["strace", "-f", "-c", "-U", "name,calls"], "total "),
];

type Run = fn(&mut Load, usize);
const WORK: [(&str, Run); 3] = [
    ("lone echo", |load, count| {
        load.run(&wire::echo(8), count, 1, count);
    }),
    ("sink", |load, count| {
        load.run(&wire::reading(1_000_000), count, count, 0);
        load.run(&wire::echo(0), 1, 1, 1);
    }),
    ("source", |load, count| {
        load.run(&wire::source(count as u32), 1, 2, count);
    }),
];

/// Counts for one node, which runs a hundred times slower meanwhile.
pub fn count(world: &World, kind: Kind, report: &mut Report) {
    for (what, counter, words) in COUNTERS {
        for (work, run) in WORK.iter().filter(|_| kind.speaks) {
            let said = [500, 1_500].map(|messages| {
                let mut peer = world.start(kind, counter)?;
                run(peer.load(), messages);
                Some(number(&peer.end(), words))
            });
            if let [Some(few), Some(many)] = said {
                report.add(&format!("{what} a message, {work}"), kind.name, (many - few) / 1_000.0);
            }
        }
    }
}

fn number(said: &str, words: &str) -> f64 {
    let line = said.lines().find_map(|line| line.split_once(words)).unwrap_or_else(|| panic!("no {words:?} in {said}"));
    let digits: String = line.1.trim_start().chars().filter(|c| *c != ',').take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap_or_else(|_| panic!("no number behind {words:?} in {said}"))
}
