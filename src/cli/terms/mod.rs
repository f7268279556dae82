//! Terms from the command line and for standard output, as Erlang text or as JSON.

mod erlang;
pub(crate) mod json;

use std::io;

use beamless::Term;

use super::outcome::Failure;
pub(crate) use erlang::{encoded, erlang, explained, text, word};

/// The format of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Erlang,
    Json,
}

/// Reads a term that was given, or with `-` from standard input, into `bytes`.
pub(crate) fn read<'b>(given: &str, format: Format, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, Failure> {
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
            let is_erlang = erlang(text, &mut Vec::new()).is_ok();
            json::read(text, bytes).map_err(|e| {
                let hint = if is_erlang { "; with --json, Erlang text stands in {\"@term\": \"ok\"}" } else { "" };
                Failure::usage(format!("the term is not JSON that can be sent: {e}{hint}"))
            })
        }
    }
}

/// Returns a term for standard output.
pub(crate) fn written(term: Term<'_>, format: Format, home: &str) -> String {
    match format {
        Format::Erlang => text(term, home),
        Format::Json => json::written(term, home),
    }
}
