//! What has to hold of text that the binary reads, whatever it is. See `src/fuzz` in the library, of which this is the binary's part.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    reason = "a body that meets the unexpected has found something, and a panic is how it says so"
)]

use beamless::Term;

use super::agent::fuzz_config;
use super::terms::json;

/// Reads a configuration file.
pub(crate) fn config(data: &[u8]) {
    fuzz_config(data);
}

/// Reads JSON, and prints what that is; or, behind a zero, takes a term that came, and prints that as JSON.
pub(crate) fn json(data: &[u8]) {
    if let Some(data) = data.strip_prefix(&[0]) {
        if let Ok(term) = Term::parse(data) {
            // a peer may send what JSON has no form for
            printed(term);
        }
        return;
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(value) = json::parse(text) else { return };
    let mut bytes = Vec::new();
    let term = match json::term(&value, &mut bytes) {
        Ok(term) => term,
        Err(e) => return assert!(!e.is_empty()),
    };
    assert_eq!(Term::parse(term.as_bytes()).map(Term::as_bytes), Ok(term.as_bytes()));
    printed(term);
}

/// Prints it, reads that again if it can be, and prints what that is: the same.
fn printed(term: Term<'_>) {
    let text = json::written(term, "a@host");
    assert!(!text.chars().any(char::is_control), "{text:?}");
    assert!(text.len() <= 64 + 32 * term.as_bytes().len(), "{} bytes of text from {}", text.len(), term.as_bytes().len());
    // deeper than anybody reads JSON
    let Ok(value) = json::parse(&text) else {
        return assert!(is_deep(&text), "{text}");
    };
    let mut bytes = Vec::new();
    match json::term(&value, &mut bytes) {
        // but for the order of keys
        Ok(again) => assert_eq!(json::parse(&json::written(again, "a@host")), Ok(value), "{text}"),
        // such as a pid, of which there is text for people alone; or a map that has a key twice, which a peer may send
        Err(e) => assert!(text.contains("\"@term\"") || text.contains("\"@map\""), "{e}: {text}"),
    }
}

fn is_deep(text: &str) -> bool {
    let mut level = 0_usize;
    text.chars().any(|c| {
        match c {
            '[' | '{' => level += 1,
            ']' | '}' => level = level.saturating_sub(1),
            _ => {}
        }
        level > 100
    })
}

#[cfg(test)]
#[path = "../fuzz/corpus.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "here it is read alone")]
mod corpus;

#[cfg(test)]
mod tests {
    use super::corpus;

    /// Returns the inputs of a file of `tests/fuzz/corpus`, which the library has the reader of.
    fn on_its_corpus(file: &str, body: fn(&[u8])) {
        let inputs: Vec<_> = corpus::inputs(file).collect();
        assert!(!inputs.is_empty());
        inputs.iter().for_each(|input| body(input));
    }

    #[test]
    fn json() {
        on_its_corpus(include_str!("../../tests/fuzz/corpus/json.txt"), super::json);
    }

    #[test]
    fn config() {
        on_its_corpus(include_str!("../../tests/fuzz/corpus/config.txt"), super::config);
    }
}
