//! Terms from the command line and for standard output.

use std::io;

use beamless::{Error, Full, Term, TextError, TextFault, WriteTermAgain, encode, parse_text};

use super::Failure;
use super::args::Format;
use super::json;

/// Reads a term that was given, or with `-` from standard input, into `bytes`.
pub(super) fn read<'b>(given: &str, format: Format, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, Failure> {
    let from_input;
    let text = if given == "-" {
        from_input = io::read_to_string(io::stdin().lock())
            .map_err(|e| Failure::usage(format!("reading a term from standard input: {e}")))?;
        &from_input
    } else {
        given
    };
    if text.trim().is_empty() {
        let place = if given == "-" { "standard input" } else { "TERM" };
        return Err(Failure::usage(format!("{place} is empty, where a term is needed, such as ok, 21.5 or '{{reading, 21.5}}'")));
    }
    match format {
        Format::Erlang => erlang(text, bytes).map_err(|e| {
            let why = explained(text, &e);
            Failure::usage(format!(
                "the term is not Erlang text: {why}; --json takes JSON, and the shell wants quotes around a term"
            ))
        }),
        Format::Json => {
            json::read(text, bytes).map_err(|e| Failure::usage(format!("the term is not JSON that can be sent: {e}")))
        }
    }
}

/// Parses Erlang text, with as much room as it takes.
pub(super) fn erlang<'b>(text: &str, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, TextError> {
    if let Err(TextError { fault: TextFault::Room { needed, .. }, .. }) = parse_text(text, bytes) {
        bytes.resize(needed, 0);
    }
    parse_text(text, bytes)
}

/// What is wrong with Erlang text, and how Erlang writes what looks like Elixir or like a call.
pub(super) fn explained(text: &str, e: &TextError) -> String {
    let (before, after) = text.split_at_checked(e.at).unwrap_or((text, ""));
    let hint = match (after.chars().next(), before.trim_end().chars().next_back()) {
        _ if text.contains("%{") => "; Elixir's %{a: 1} is #{a => 1} in Erlang",
        (Some(':'), None | Some('{' | '[' | ',' | '>' | '(')) => "; Elixir's :ok is ok in Erlang",
        (Some(':'), _) => "; Elixir's [a: 1] is [{a,1}] in Erlang",
        (Some('('), _) => "; nothing is evaluated here, so write the value",
        _ if e.fault == TextFault::Variable => "; an Elixir module is 'Elixir.Name'",
        _ => "",
    };
    format!("{e}{hint}")
}

/// Encodes a term, with as much room as it takes.
pub(super) fn encoded<'b>(write: impl WriteTermAgain, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, Error> {
    if let Err(Error::Full(Full::Message { needed, .. })) = encode(bytes, &write) {
        bytes.resize(needed, 0);
    }
    Ok(Term::parse(encode(bytes, write)?)?)
}

/// A term as Erlang text in UTF-8, on one line; identifiers as the node `home` shows them.
pub(super) fn text(term: Term<'_>, home: &str) -> String {
    term.text(home).unicode().to_string()
}

/// A term for standard output.
pub(super) fn written(term: Term<'_>, format: Format, home: &str) -> String {
    match format {
        Format::Erlang => text(term, home),
        Format::Json => json::written(term, home),
    }
}
