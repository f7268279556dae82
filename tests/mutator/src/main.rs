//! Tries mutants of the library, all of them in one program, which is told by its environment which of them it is. `tests/mutants` calls it.
//!
//!     mutator LISTING TREE TARGET
//!
//! LISTING is what `cargo mutants --list --json` says, TREE a copy of ours to plant them in, and TARGET where it is built.

mod build;
mod plant;
mod tests;

use std::env::args;
use std::fs;
use std::path::Path;
use std::process::exit;
use std::time::Instant;

use serde_json::Value;

/// One change, as cargo-mutants lists it.
struct Mutant {
    name: String,
    file: String,
    /// Line and column, both from 1.
    place: (usize, usize),
    genre: String,
    replacement: String,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    /// No switch does where it stands: in what the compiler computes, in a match that has no arm for the rest, or where a function's type is
    /// that of what it returns.
    NotTried,
    Planted,
    /// Does not compile.
    Unviable,
    /// No test comes there.
    Unreached,
    Noticed,
    /// A test turned without end.
    NoticedByTime,
    Alive,
}

fn main() {
    let arguments: Vec<String> = args().skip(1).collect();
    let [listing, tree, target] = &arguments[..] else { panic!("mutator LISTING TREE TARGET") };
    let (tree, target) = (Path::new(tree), Path::new(target));
    let started = Instant::now();
    let mut mutants = listed(&fs::read_to_string(listing).unwrap());
    println!("{} mutants", mutants.len());
    if mutants.is_empty() {
        return;
    }
    let programs = build::all(&mut mutants, tree, target);
    println!("{} do not compile; the rest is built after {} s", count(&mutants, Fate::Unviable), started.elapsed().as_secs());
    tests::try_all(&mut mutants, &programs, tree);

    for (fate, title) in [(Fate::NotTried, "not tried"), (Fate::Unreached, "unreached"), (Fate::Alive, "alive")] {
        mutants.iter().filter(|mutant| mutant.fate == fate).for_each(|mutant| println!("{title}: {}", mutant.name));
    }
    let count = |fate| count(&mutants, fate);
    println!(
        "{} mutants in {} min: {} do not compile, {} were noticed, {} of them by time, {} live, {} are reached by no test, {} not tried",
        mutants.len(),
        started.elapsed().as_secs() / 60,
        count(Fate::Unviable),
        count(Fate::Noticed) + count(Fate::NoticedByTime),
        count(Fate::NoticedByTime),
        count(Fate::Alive),
        count(Fate::Unreached),
        count(Fate::NotTried),
    );
    exit(if count(Fate::Alive) + count(Fate::Unreached) > 0 { 2 } else { 0 });
}

fn count(mutants: &[Mutant], fate: Fate) -> usize {
    mutants.iter().filter(|mutant| mutant.fate == fate).count()
}

fn listed(json: &str) -> Vec<Mutant> {
    let listing: Vec<Value> = serde_json::from_str(json).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    // the first value that is returned says which type that is, and so would be the mutant's
    let opaque = |mutant: &Value| mutant["genre"] == "FnValue" && text(&mutant["function"]["return_type"]).contains("impl ");
    let mutant = |mutant: &Value| {
        let start = &mutant["span"]["start"];
        Mutant {
            name: text(&mutant["name"]),
            file: text(&mutant["file"]),
            place: (number(&start["line"]), number(&start["column"])),
            genre: if opaque(mutant) { String::new() } else { text(&mutant["genre"]) },
            replacement: text(&mutant["replacement"]),
            fate: Fate::NotTried,
        }
    };
    listing.iter().map(mutant).collect()
}
