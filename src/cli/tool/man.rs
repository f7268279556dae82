//! `beamless man`: the manual page.

use crate::cli::command_line::man;
use crate::cli::command_line::spec::Spec;
use crate::cli::outcome::print;

pub(super) const SPEC: Spec = Spec {
    name: "man",
    help: "Print the manual page",
    about: "Print the manual page, made of the same words as --help.",
    options: &[],
    positionals: &[],
    notes: &["Example: beamless man | man -l -"],
    lasts: false,
    run: |found| {
        let commands = found.commands;
        print(&man::page(commands))
    },
};
