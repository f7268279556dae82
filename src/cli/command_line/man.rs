//! The manual page of the commands, out of the same tables as `--help`.

use super::help::{ABOUT, EXAMPLE, EXIT_CODES, named, synopsis, wrap};
use super::spec::Spec;

/// Returns the page `beamless(1)`, for `man`.
pub(crate) fn page(commands: &[Spec]) -> String {
    let mut out = concat!(".TH BEAMLESS 1 \"\" \"beamless ", env!("CARGO_PKG_VERSION"), "\" \"User Commands\"\n").to_owned();
    out += ".SH NAME\nbeamless \\- an Erlang node without the BEAM\n.SH SYNOPSIS\n";
    for spec in commands {
        out += &format!(".B beamless {}\n{}\n.br\n", spec.name, roff(synopsis(spec).trim_start_matches(spec.name).trim_start()));
    }
    out += &format!(".SH DESCRIPTION\n{}\n", roff(ABOUT));
    for spec in commands {
        out += &format!(".TP\n\\fB{}\\fP\n{}\n", spec.name, roff(spec.help));
    }
    out += &format!(".PP\n{}\n.PP\n.nf\n{}\n.fi\n", roff(EXIT_CODES), roff(EXAMPLE));
    for spec in commands {
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
    out + ".SH SEE ALSO\n.BR beamless.toml (5)"
}

/// Breaks lines as on a terminal.
fn filled(note: &str) -> String {
    let mut out = String::new();
    note.lines().for_each(|line| wrap(&mut out, line, 4));
    out.trim_end().to_owned()
}

/// Escapes text for roff: its own characters are escaped, and no line begins with a macro.
pub(crate) fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('`', "\\(ga");
    let lines: Vec<String> =
        escaped.lines().map(|line| if line.starts_with('.') { format!("\\&{line}") } else { line.to_owned() }).collect();
    lines.join("\n")
}
