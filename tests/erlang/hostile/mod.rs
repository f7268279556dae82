//! Hostile behaviours, a row each: while one goes on, honest nodes ask one thing after another, and every one of them is answered.
//!
//! All of it, with a table of what the honest nodes saw: `cargo test --test erlang hostile:: -- --nocapture`. The table stands in the manual,
//! `src/manual/security.md`; a test holds the two together. `HOSTILE=words` plays only the rows with these words.

mod attacker;
mod epmd;
mod floods;
mod frames;
mod newcomers;
mod stage;
mod wire;

use std::any::Any;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use stage::Stage;

/// What an attack leaves open while the honest ones ask once more.
type Held = Box<dyn Any>;

/// A hostile behaviour.
struct Row {
    /// What the hostile one does, and what the node does, as the manual has it.
    does: &'static str,
    node: &'static str,
    attack: fn(&Stage) -> Held,
}

/// Rows that one agent goes through.
struct Group {
    title: &'static str,
    /// Tables of the agent's settings.
    settings: &'static str,
    honest: &'static [&'static str],
    /// How much memory, in KiB, the agent may take beyond what it took at first.
    more_memory: u64,
    rows: &'static [Row],
}

const GROUPS: [&Group; 4] = [&newcomers::GROUP, &frames::GROUP, &floods::GROUP, &epmd::GROUP];

#[test]
fn newcomers_without_the_cookie() {
    play(&newcomers::GROUP);
}

#[test]
fn nodes_that_send_what_is_wrong() {
    play(&frames::GROUP);
}

#[test]
fn nodes_that_send_too_much() {
    play(&floods::GROUP);
}

#[test]
fn whoever_reaches_epmd() {
    play(&epmd::GROUP);
}

/// Plays all rows of a group; one that fails does not keep the next from being played, with another agent.
fn play(group: &Group) {
    let (mut stage, mut failed) = (None, Vec::new());
    let wanted = std::env::var("HOSTILE").unwrap_or_default();
    for row in group.rows.iter().filter(|row| row.does.contains(&wanted)) {
        let played = catch_unwind(AssertUnwindSafe(|| {
            let stage = stage.take().unwrap_or_else(|| Stage::new(group));
            let seen = stage.play(row);
            (stage, seen)
        }));
        match played {
            Ok((same, (told, took))) => {
                stage = Some(same);
                println!(
                    "{:>5} answers, {} late, the slowest {:>4} ms, in {:>5} ms: {}",
                    told.answers,
                    told.late.len(),
                    told.slowest,
                    took.as_millis(),
                    row.does
                );
            }
            Err(_) => failed.push(row.does),
        }
    }
    assert!(failed.is_empty(), "{}: not as the table says: {failed:#?}", group.title);
}

/// The table as the manual has it.
fn in_markdown() -> String {
    let mut out = String::new();
    for group in GROUPS {
        let _ = write!(out, "| {} | what the node does |\n|---|---|\n", group.title);
        for row in group.rows {
            let _ = writeln!(out, "| {} | {} |", row.does, row.node);
        }
        out.push('\n');
    }
    out
}

#[test]
fn the_manual_has_the_rows() {
    let page = include_str!("../../../src/manual/security.md");
    let section = page.split("\n## ").find(|section| section.starts_with("Hostile behaviours\n")).unwrap_or("");
    let rows = |text: &str| text.lines().filter(|line| line.starts_with('|')).map(str::to_owned).collect::<Vec<_>>();
    let table = in_markdown();
    assert_eq!(rows(section), rows(&table), "src/manual/security.md is to have these tables:\n\n{table}");
    let count = GROUPS.iter().map(|group| group.rows.len()).sum::<usize>();
    assert!(count >= 35, "{count}");
}
