//! The command `beamless man`: prints a manual page.

use crate::cli::agent;
use crate::cli::command_line::man;
use crate::cli::command_line::spec::{Offer, Positional, Spec};
use crate::cli::outcome::print;

pub(super) const SPEC: Spec = Spec {
    name: "man",
    help: "Print the manual page",
    about: "Print a manual page, made of the same words as --help and as what is said of a wrong configuration.",
    options: &[],
    positionals: &[Positional {
        name: "PAGE",
        help: "beamless.toml, for that of the configuration file, beamless.toml(5); by default that of the commands, beamless(1)",
        offer: Offer::Words(&[FILE]),
        optional: true,
        ..Positional::WORD
    }],
    notes: &["Examples: beamless man | man -l -\n  beamless man beamless.toml | man -l -"],
    lasts: false,
    run: |found| match found.next_positional()?.as_deref() {
        None => print(&man::page(found.commands)),
        Some(FILE) => print(&agent::page()),
        Some(other) => Err(format!("there is no manual page {other}: leave it out, or write {FILE}").into()),
    },
};

const FILE: &str = "beamless.toml";
