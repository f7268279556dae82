//! The manual page: what bpaf makes of the options, in the order that manual pages have.

use bpaf::doc::Section;

use super::args;

/// A page with one NAME, one SYNOPSIS and a section for each command, where bpaf gives a NAME and a SYNOPSIS to each.
pub(super) fn page() -> String {
    let made = args::parser(None).render_manpage("beamless", Section::General, None, None, None);
    let mut sections = made.split("\n.SH ");
    // how an apostrophe is written
    let definitions = sections.next().unwrap_or_default().lines().filter(|line| line.contains("Aq"));
    let mut page: String = definitions.flat_map(|line| [line, "\n"]).collect();
    page += concat!(".TH BEAMLESS 1 \"\" \"beamless ", env!("CARGO_PKG_VERSION"), "\" \"User Commands\"\n");
    // lines that may be broken, where bpaf's may not
    let usages = sections.next().unwrap_or_default().lines().filter(|line| line.starts_with("\\f") && line.contains("beamless"));
    let synopsis: Vec<_> = usages.collect();
    let mut command = "";
    for section in sections {
        let (title, body) = section.split_once('\n').unwrap_or((section, ""));
        match title {
            "NAME" if command.is_empty() => {
                page += &format!(".SH NAME\n{body}\n.SH SYNOPSIS\n{}\n.SH DESCRIPTION\n", synopsis.join("\n.br\n"));
            }
            // what the command does, without the program's name in front
            "NAME" => page += &format!(".SH {command}\n{}\n", body.replace("\\fRbeamless \\- \\fP", "")),
            // of the whole program it is there already
            "SYNOPSIS" if command.is_empty() => page += body.split_once('\n').map_or("", |(_, rest)| rest),
            "SYNOPSIS" => page += &format!(".PP\n{body}"),
            title => command = title.trim_start_matches("BEAMLESS").trim_matches(['\\', ' ']),
        }
        page.push('\n');
    }
    tidy(&page)
}

/// Empty lines are paragraphs, and none stands where another macro begins one; headings as other pages have them.
fn tidy(page: &str) -> String {
    let mut tidied = String::new();
    let mut lines = page.lines().map(str::trim_end).map(|line| if line.is_empty() { ".PP" } else { line }).peekable();
    while let Some(line) = lines.next() {
        let next = lines.peek().copied().unwrap_or(".SH");
        if line == ".PP" && [".PP", ".SH", ".SS", ".TP"].iter().any(|with_space| next.starts_with(with_space)) {
            continue;
        }
        tidied += match line {
            ".SS AVAILABLE\\ POSITIONAL\\ ITEMS:" => ".SS Arguments",
            ".SS AVAILABLE\\ OPTIONS:" => ".SS Options",
            ".SS AVAILABLE\\ COMMANDS:" => ".SS Commands",
            line => line,
        };
        tidied.push('\n');
    }
    tidied
}
