//! What `--help` prints, and the manual page, out of the tables of the commands.

use super::args::{ABOUT, COMMANDS, EXAMPLE, EXIT_CODES};
use super::grammar::{Opt, Spec};

/// Columns of a terminal that are used.
const WIDTH: usize = 100;
/// Where the second column begins.
const COLUMN: usize = 28;

/// How the program is called.
pub(super) fn usage() -> String {
    "Usage: beamless COMMAND [OPTIONS] ..".to_owned()
}

/// Help on the whole program.
pub(super) fn general() -> String {
    let mut out = format!("{ABOUT}\n\n{}\n\nCommands:\n", usage());
    for spec in COMMANDS {
        entry(&mut out, spec.name, spec.help);
    }
    entry(&mut out, "--version", "Print the version");
    wrap(&mut out, &format!("\nbeamless COMMAND --help says more of each. {EXIT_CODES}"), 0);
    out + EXAMPLE
}

/// Help on a command.
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

fn synopsis(spec: &Spec) -> String {
    let mut out = format!("{} [OPTIONS]", spec.name);
    for positional in spec.positionals {
        out += &if positional.optional { format!(" [{}]", positional.name) } else { format!(" {}", positional.name) };
    }
    out
}

/// An option with its value: `-v, --verbose`, `--timeout SECONDS`.
fn named(option: &Opt) -> String {
    let short = option.short.map_or_else(String::new, |short| format!("-{short}, "));
    let value = option.value.map_or_else(String::new, |value| format!(" {value}"));
    format!("{short}--{}{value}", option.long)
}

/// Two columns.
fn entry(out: &mut String, name: &str, help: &str) {
    let gap = COLUMN.saturating_sub(4).saturating_sub(name.len()).max(2);
    wrap(out, &format!("    {name}{}{help}", " ".repeat(gap)), COLUMN);
}

/// A line, broken between words; what follows the first line is moved in by `indent`.
fn wrap(out: &mut String, line: &str, indent: usize) {
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

/// The manual page, for `man`.
pub(super) fn man() -> String {
    let mut out = concat!(".TH BEAMLESS 1 \"\" \"beamless ", env!("CARGO_PKG_VERSION"), "\" \"User Commands\"\n").to_owned();
    out += ".SH NAME\nbeamless \\- an Erlang node without the BEAM\n.SH SYNOPSIS\n";
    for spec in COMMANDS {
        out += &format!(".B beamless {}\n{}\n.br\n", spec.name, roff(synopsis(spec).trim_start_matches(spec.name).trim_start()));
    }
    out += &format!(".SH DESCRIPTION\n{}\n", roff(ABOUT));
    for spec in COMMANDS {
        out += &format!(".TP\n\\fB{}\\fP\n{}\n", spec.name, roff(spec.help));
    }
    out += &format!(".PP\n{}\n.PP\n.nf\n{}\n.fi\n", roff(EXIT_CODES), roff(EXAMPLE));
    for spec in COMMANDS {
        out += &format!(".SH {}\n{}\n", spec.name.to_uppercase(), roff(spec.about));
        let positionals = spec.positionals.iter().map(|positional| (positional.name.to_owned(), positional.help));
        for (name, help) in positionals.chain(spec.all_options().map(|option| (named(option), option.help))) {
            out += &format!(".TP\n\\fB{}\\fP\n{}\n", roff(&name), roff(help));
        }
        for note in spec.notes {
            // a first line that is text may be broken, and examples not
            out += &format!(".PP\n.nf\n{}\n.fi\n", roff(&filled(note)));
        }
    }
    out.trim_end().to_owned()
}

/// As on a terminal.
fn filled(note: &str) -> String {
    let mut out = String::new();
    note.lines().for_each(|line| wrap(&mut out, line, 4));
    out.trim_end().to_owned()
}

/// Text for roff: its own characters are escaped, and no line begins with a macro.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    let lines: Vec<String> =
        escaped.lines().map(|line| if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() }).collect();
    lines.join("\n")
}
