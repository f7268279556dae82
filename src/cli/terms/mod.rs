//! Terms from the command line and for standard output, as Erlang text or as JSON.

mod erlang;
pub(crate) mod json;

use std::io::{self, Read};

use beamless::Term;

use super::outcome::Failure;
pub(crate) use erlang::{encoded, erlang, explained, text, word};

/// The format of terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Erlang,
    Json,
}

/// The most bytes of a term's text on standard input. A message has 8 MiB at most, and may take several times that as text.
const INPUT: u64 = 64 << 20;

/// Reads a term that was given, or with `-` from standard input, into `bytes`.
pub(crate) fn read<'b>(given: &str, format: Format, bytes: &'b mut Vec<u8>) -> Result<Term<'b>, Failure> {
    let from_input;
    let text = if given == "-" {
        from_input =
            all(io::stdin().lock()).map_err(|why| Failure::usage(format!("reading a term from standard input: {why}")))?;
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

/// Reads a text to its end, which may never come.
fn all(input: impl Read) -> Result<String, String> {
    let mut text = Vec::new();
    input.take(INPUT.saturating_add(1)).read_to_end(&mut text).map_err(|e| e.to_string())?;
    if text.len() as u64 > INPUT {
        return Err(format!("it has more than {} MiB: send it in parts", INPUT >> 20));
    }
    String::from_utf8(text).map_err(|e| e.utf8_error().to_string())
}

/// Returns a term for standard output.
pub(crate) fn written(term: Term<'_>, format: Format, home: &str) -> String {
    match format {
        Format::Erlang => text(term, home),
        Format::Json => json::written(term, home),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_without_an_end_is_refused() {
        assert_eq!(all(&b"ok"[..]).unwrap(), "ok");
        assert!(all(io::repeat(b' ').take(INPUT)).is_ok());
        // in the middle of a character, too
        let long = io::repeat(b' ').take(INPUT).chain("\u{e9}".as_bytes());
        assert_eq!(all(long).unwrap_err(), "it has more than 64 MiB: send it in parts");
        assert!(all(io::repeat(0)).unwrap_err().starts_with("it has more than"));
        assert!(all(&b"\xff"[..]).unwrap_err().contains("invalid utf-8"));
    }
}
