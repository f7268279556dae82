//! Terms as Erlang text.

use beamless::{Error, Full, Term, TextError, TextFault, WriteTermAgain, encode, parse_text};

/// Parses Erlang text, with as much room as it takes.
pub(crate) fn erlang<'b>(text: &str, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, TextError> {
    if let Err(TextError { fault: TextFault::Room { needed, .. }, .. }) = parse_text(text, bytes) {
        bytes.resize(needed, 0);
    }
    parse_text(text, bytes)
}

/// Says what is wrong with Erlang text, and how Erlang writes what looks like Elixir or like a call.
pub(crate) fn explained(text: &str, e: &TextError) -> String {
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
pub(crate) fn encoded<'b>(write: impl WriteTermAgain, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, Error> {
    if let Err(Error::Full(Full::Message { needed, .. })) = encode(bytes, &write) {
        bytes.resize(needed, 0);
    }
    Ok(Term::parse(encode(bytes, write)?)?)
}

/// Returns a term as Erlang text in UTF-8, on one line; identifiers are as the node `home` shows them.
pub(crate) fn text(term: Term<'_>, home: &str) -> String {
    term.text(home).unicode().to_string()
}
