//! The text of `--help`, out of the tables of the commands.

use super::spec::{Opt, Spec};

/// The first words of `--help`, and its last.
pub(super) const ABOUT: &str = "An Erlang node without the BEAM, and a tool to talk to Erlang nodes from a shell.";
pub(super) const EXIT_CODES: &str = "Exit codes: 0 done; 1 the cluster said no (pang, noproc, an exception, a timeout); 2 wrong usage or settings. \
Results go to standard output, words to standard error.";
pub(super) const EXAMPLE: &str =
    "Example: beamless run --sname demo\n  then, from another terminal: beamless call demo echo '{hello, 1}'";

/// The columns of a terminal that are used.
const WIDTH: usize = 100;
/// The column where the second one of two begins.
const COLUMN: usize = 28;

/// Returns how the program is called.
pub(super) fn usage() -> String {
    "Usage: beamless COMMAND [OPTIONS] ..".to_owned()
}

/// Returns the help on the whole program.
pub(super) fn general(commands: &[Spec]) -> String {
    let mut out = format!("{ABOUT}\n\n{}\n\nCommands:\n", usage());
    for spec in commands {
        entry(&mut out, spec.name, spec.help);
    }
    entry(&mut out, "help [COMMAND]", "Print this help, or that of a command");
    entry(&mut out, "--version", "Print the version");
    wrap(&mut out, &format!("\nbeamless help COMMAND, or COMMAND --help, says more of each. {EXIT_CODES}"), 0);
    out + EXAMPLE
}

/// Returns the help on a command.
pub(super) fn of(spec: &Spec) -> String {
    let mut out = String::new();
    wrap(&mut out, spec.about, 0);
    out += "\n";
    wrap(&mut out, &format!("Usage: beamless {}", synopsis(spec)), 4);
    if !spec.positionals.is_empty() {
        out += "\nArguments:\n";
        spec.positionals.iter().for_each(|positional| entry(&mut out, positional.name, positional.help));
    }
    out += "\nOptions:\n";
    spec.all_options().for_each(|option| entry(&mut out, &named(option), option.help));
    for note in spec.notes {
        out += "\n";
        note.lines().for_each(|line| wrap(&mut out, line, 4));
    }
    out.trim_end().to_owned()
}

pub(super) fn synopsis(spec: &Spec) -> String {
    let mut out = format!("{} [OPTIONS]", spec.name);
    for positional in spec.positionals {
        let dots = if positional.repeats { ".." } else { "" };
        out += &if positional.optional { format!(" [{}{dots}]", positional.name) } else { format!(" {}{dots}", positional.name) };
    }
    out
}

/// Returns an option with its value: `-v, --verbose`, `--timeout SECONDS`.
pub(super) fn named(option: &Opt) -> String {
    let short = option.short.map_or_else(String::new, |short| format!("-{short}, "));
    let value = option.value.map_or_else(String::new, |value| format!(" {value}"));
    format!("{short}--{}{value}", option.long)
}

/// Adds two columns.
fn entry(out: &mut String, name: &str, help: &str) {
    let gap = COLUMN.saturating_sub(4).saturating_sub(name.len()).max(2);
    wrap(out, &format!("    {name}{}{help}", " ".repeat(gap)), COLUMN);
}

/// Adds a line, broken between words; what follows the first line is moved in by `indent`.
pub(super) fn wrap(out: &mut String, line: &str, indent: usize) {
    let mut rest = line;
    let mut lead = 0_usize;
    while lead.saturating_add(rest.chars().count()) > WIDTH {
        let most = rest.char_indices().nth(WIDTH.saturating_sub(lead)).map_or(rest.len(), |(at, _)| at);
        let before = rest.get(..most).unwrap_or(rest);
        // not within what is moved in
        let begin = rest.len().saturating_sub(rest.trim_start().len());
        let Some(at) = before.rfind(' ').filter(|at| *at > begin) else { break };
        let (first, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        *out += &" ".repeat(lead);
        *out += first.trim_end();
        out.push('\n');
        (rest, lead) = (after.trim_start(), indent);
    }
    *out += &" ".repeat(lead);
    *out += rest;
    out.push('\n');
}
