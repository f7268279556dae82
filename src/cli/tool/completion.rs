//! The command `beamless completion`: prints the completions for a shell.

use crate::cli::command_line::completion::Shell;
use crate::cli::command_line::spec::{Offer, Positional, Spec};
use crate::cli::outcome::print;

pub(super) const SPEC: Spec = Spec {
    name: "completion",
    help: "Print the completions for a shell",
    about: "Print a script that lets a shell complete commands, options and the names of this host's nodes.",
    options: &[],
    positionals: &[Positional {
        name: "SHELL",
        help: "bash, zsh or fish",
        offer: Offer::Words(&["bash", "zsh", "fish"]),
        ..Positional::WORD
    }],
    notes: &["Example: beamless completion bash >/etc/bash_completion.d/beamless\n  \
        zsh: >/usr/local/share/zsh/site-functions/_beamless\n  fish: >/etc/fish/completions/beamless.fish"],
    lasts: false,
    run: |found| {
        let shell: Shell = found.positional("SHELL")?.parse()?;
        print(shell.script().trim_end())
    },
};
