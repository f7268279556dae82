//! The manual page of the configuration file.

use super::keys::Table;
use crate::cli::command_line::man::roff;

/// The text before the keys, a paragraph on a line.
const ABOUT: &str = "\
The node that `beamless run --config FILE` is, and what it does. The file is in TOML. `beamless run --config FILE --check` says what it comes to, \
and starts nothing.
Keys above the first line in brackets belong to the top level. Times are `\"500us\"`, `\"500ms\"`, `\"1.5s\"`, `\"10s\"`, `\"5m\"`, `\"1h\"`. \
A node without its host is on this one. Paths, of programs too, begin at the file's folder unless they begin with `/`; a program without any `/` is \
looked for in PATH. No shell reads a command. Arguments win over the file.
SIGHUP, or `systemctl reload beamless`, has the file read again. `connect` and all tables but `[sizes]` are applied while connections stay; \
other changes need a restart.";

/// Returns the page `beamless.toml(5)`, for `man`.
pub(in crate::cli) fn page() -> String {
    // words are not divided: names of keys and files are among them
    let mut out =
        concat!(".TH BEAMLESS.TOML 5 \"\" \"beamless ", env!("CARGO_PKG_VERSION"), "\" \"File Formats\"\n.nh\n").to_owned();
    out += ".SH NAME\nbeamless.toml \\- what a beamless agent is and does\n.SH SYNOPSIS\n.B /etc/beamless/beamless.toml\n.SH DESCRIPTION";
    for paragraph in ABOUT.lines() {
        out += "\n.PP\n";
        bold(&mut out, paragraph);
    }
    for table in Table::all() {
        out += &format!("\n.SH {}\n", if table.header.is_empty() { "TOP LEVEL" } else { table.header });
        if let Some(own) = Table::all().flat_map(Table::keys).find(|key| key.is_table() && key.example() == table.header) {
            bold(&mut out, own.meaning());
        }
        for key in table.keys().filter(|key| !key.is_table()) {
            out += &format!("\n.TP\n\\fB{} = {}\\fP\n", key.name(), roff(key.example()));
            bold(&mut out, key.meaning());
            for (what, words) in [("Limits", key.limits()), ("Default", key.default().to_owned())] {
                if !words.is_empty() {
                    bold(&mut out, &format!(" {what}: {words}."));
                }
            }
        }
    }
    out + "\n.SH SEE ALSO\n.BR beamless (1)"
}

/// Adds text for roff, in which what stands between backticks is bold.
fn bold(out: &mut String, text: &str) {
    let mut font = "";
    for part in text.split('`') {
        *out += font;
        *out += &roff(part);
        font = if font == "\\fB" { "\\fP" } else { "\\fB" };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_on_the_page() {
        let page = page();
        for key in Table::all().flat_map(Table::keys) {
            let line = if key.is_table() { format!("\n.SH {}\n", key.example()) } else { format!("\n\\fB{} = ", key.name()) };
            assert!(page.contains(&line), "{line}");
        }
        assert!(page.contains("\\fBnodes\\fP in \\fB[sizes]\\fP says. Default: none.\n"), "{page}");
        assert!(!page.contains('`'), "{page}");
    }
}
