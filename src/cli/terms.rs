//! Terms from the command line and for standard output.

use std::io;

use beamless::{Error, Full, Misuse, Term, TermWriter, TextError, TextFault, encode, parse_text};

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
    match format {
        Format::Erlang => erlang(text, bytes).map_err(|e| {
            Failure::usage(format!(
                "the term is not Erlang text: {e}; --json takes JSON, and the shell wants quotes around a term"
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

/// Encodes a term, with as much room as it takes.
pub(super) fn encoded<'b, F>(write: F, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, Error>
where
    F: Fn(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
{
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
