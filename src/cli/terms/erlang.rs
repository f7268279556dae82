//! Terms as Erlang text.

use beamless::{Error, Full, OwnedTerm, Term, TextError, TextFault, WriteTermAgain, encode, parse_text};

/// The bytes that a term may take for each byte of its text, and that any may take: no more than that comes of what is written out, as
/// pids and floats are. A binary may be asked for by a size alone, though: fourteen bytes of text are one of two megabytes.
const FOR_EACH: usize = 32;
const FOR_ANY: usize = 1 << 22;

/// Parses Erlang text, with as much room as it takes, within reason.
pub(crate) fn erlang<'b>(text: &str, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, TextError> {
    match parse_text(text, bytes) {
        Err(TextError { fault: TextFault::Room { needed, .. }, .. })
            if needed <= FOR_ANY.max(text.len().saturating_mul(FOR_EACH)) =>
        {
            bytes.resize(needed, 0);
        }
        Err(e) => return Err(e),
        Ok(_) => {}
    }
    parse_text(text, bytes)
}

/// Reads a name that may be any term: a word is an atom as it stands, without quotes; anything else is as Erlang writes it.
pub(crate) fn word(text: &str) -> Result<OwnedTerm, String> {
    let mut bytes = Vec::new();
    match erlang(text, &mut bytes) {
        Ok(term) if term.as_atom().is_none() => Ok(term.into()),
        Err(e) if text.starts_with(['{', '[', '<', '#', '"']) => Err(explained(text, &e)),
        _ => OwnedTerm::new(|t| t.atom(text)).map_err(|e| e.to_string()),
    }
}

/// Says what is wrong with Erlang text, and how Erlang writes what looks like Elixir. A call is said to be one: where the parser would have it
/// end is of no use.
pub(crate) fn explained(text: &str, e: &TextError) -> String {
    let (before, after) = text.split_at_checked(e.at).unwrap_or((text, ""));
    let last = before.trim_end().chars().next_back();
    if begins_arguments(after, last, e.fault) {
        return format!(
            "line {}, column {}: this is a call, and nothing is evaluated here: write the value that it gives",
            e.line, e.column
        );
    }
    let map = "Elixir's %{a: 1} is #{a => 1} in Erlang";
    if text.contains("%{") && e.fault == TextFault::Ends {
        // it begins a comment, and where that has its end is of no use
        return map.to_owned();
    }
    let hint = match (after.chars().next(), last) {
        _ if text.contains("%{") => format!("; {map}"),
        (Some(':'), None | Some('{' | '[' | ',' | '>' | '(')) => "; Elixir's :ok is ok in Erlang".to_owned(),
        (Some(':'), _) if after.starts_with(": ") => "; Elixir's [a: 1] is [{a,1}] in Erlang".to_owned(),
        (Some('A'..='Z'), _) if e.fault == TextFault::Variable => {
            let end = after.find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.')).unwrap_or(after.len());
            let name = after.get(..end).unwrap_or("").trim_end_matches('.');
            format!("; an Elixir module is 'Elixir.{name}'")
        }
        _ => String::new(),
    };
    format!("{e}{hint}")
}

/// Returns true if what the parser did not expect is a call: `node()`, `erlang:memory()`, `System.version()`, `:os.type()`.
fn begins_arguments(after: &str, last: Option<char>, fault: TextFault) -> bool {
    let is_named = last.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '\''));
    if after.starts_with('(') && is_named {
        return true;
    }
    let is_elixir = fault == TextFault::Variable || fault == TextFault::Unexpected(':');
    let path = after.split('(').next().filter(|path| path.len() < after.len());
    path.is_some_and(|path| {
        let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '@' | '\'' | '.' | ':' | '!' | '?');
        path.chars().all(word) && (is_named && after.starts_with(':') || is_elixir && path.contains('.'))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        explained(text, &erlang(text, &mut Vec::new()).unwrap_err())
    }

    #[test]
    fn a_term_has_room_within_reason() {
        let mut bytes = Vec::new();
        let large = format!("{{<<0:16777216>>,<<{:?}>>,[{}1.0]}}", "x".repeat(5000), "1.0e300,".repeat(5000));
        assert!(erlang(&large, &mut bytes).is_ok());
        let mut bytes = Vec::new();
        let huge = format!("[{}<<>>]", "<<0:16777216>>,".repeat(60));
        let needed = match erlang(&huge, &mut bytes) {
            Err(TextError { fault: TextFault::Room { needed, room: 0 }, .. }) => needed,
            other => panic!("{other:?}"),
        };
        assert!(needed > 60 << 21 && bytes.is_empty());
    }

    #[test]
    fn a_call_is_told_to_be_one() {
        for text in [
            "[erlang:memory()]",
            "erlang:memory()",
            "{x,\n node()}",
            "#{a => 'Elixir.System':version()}",
            "[System.version()]",
            "Elixir.System:version()",
            "My.App.Server.get!(1)",
            ":os.type()",
            "self ()",
        ] {
            let told = told(text);
            assert!(
                told.contains("this is a call, and nothing is evaluated here") && !told.contains("expected"),
                "{text}: {told}"
            );
        }
        assert_eq!(
            told("{x,\n node()}"),
            "line 2, column 6: this is a call, and nothing is evaluated here: write the value that it gives"
        );
    }

    #[test]
    fn what_elixir_writes_is_told_as_erlang_writes_it() {
        for (text, words) in [
            ("[a: 1]", "is [{a,1}] in Erlang"),
            ("[a, :ok]", ":ok is ok in Erlang"),
            (":ok", ":ok is ok in Erlang"),
            ("%{a: 1}", "is #{a => 1} in Erlang"),
            ("{get, Counter}", "an Elixir module is 'Elixir.Counter'"),
            ("My.App.Server", "an Elixir module is 'Elixir.My.App.Server'"),
            ("[1 + 2]", "operators are not evaluated here: write the value"),
            ("1 + 2", "operators are not evaluated"),
        ] {
            assert!(told(text).contains(words), "{text}: {}", told(text));
        }
        // a variable of Erlang's that no Elixir has
        assert!(!told("{_X, 1}").contains("Elixir"));
    }
}
