//! The arguments of a call as arguments of a command.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use beamless::{Term, Value};

/// Returns the argument that a term makes; `None` for one with the character 0, which no command can be given. Identifiers are written as
/// the node `home` shows them.
///
/// Text is given as it is: a binary, or a list of characters, which the empty list is too. So are numbers. Anything else is given as Erlang text.
pub(super) fn argument(term: Term<'_>, home: &str) -> Option<OsString> {
    let argument = match term.value() {
        Value::Binary(bytes) => OsString::from_vec(bytes.to_vec()),
        Value::Nil => OsString::new(),
        Value::List(_) => characters(term).unwrap_or_else(|| term.text(home).to_string()).into(),
        _ => term.text(home).to_string().into(),
    };
    Some(argument).filter(|argument| !argument.as_encoded_bytes().contains(&0))
}

/// Returns the text that a list of printable characters is.
fn characters(list: Term<'_>) -> Option<String> {
    let mut elements = list.as_list()?;
    let text = elements.by_ref().map(|element| char::from_u32(u32::try_from(element.as_u64()?).ok()?).filter(is_printable));
    let text = text.collect::<Option<String>>()?;
    elements.tail().is_none().then_some(text)
}

/// Returns true for a printable character, as `io_lib:printable_unicode_list/1` has it.
fn is_printable(c: &char) -> bool {
    !c.is_control() || matches!(c, '\n' | '\r' | '\t' | '\u{b}' | '\u{8}' | '\u{c}' | '\u{1b}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terms;

    fn of(text: &str) -> Option<String> {
        let mut bytes = Vec::new();
        argument(terms::erlang(text, &mut bytes).unwrap(), "edge@nuc1").map(|argument| argument.into_string().unwrap())
    }

    #[test]
    fn text_and_numbers_are_given_as_they_are_and_the_rest_as_erlang_text() {
        for (text, want) in [
            ("<<\"a b\">>", "a b"),
            ("<<\"ä\"/utf8>>", "ä"),
            ("<<>>", ""),
            ("\"a b\"", "a b"),
            ("\"€ ä\\n\"", "€ ä\n"),
            ("[]", ""),
            ("[1,2]", "[1,2]"),
            ("[97|b]", "[97|b]"),
            ("[97,x]", "[97,x]"),
            ("[16#d800]", "[55296]"),
            ("-7", "-7"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("21.5", "21.5"),
            ("ok", "ok"),
            ("'two words'", "'two words'"),
            ("{a,<<\"b\">>}", "{a,<<\"b\">>}"),
            ("#{k => \"$(reboot)\"}", "#{k => \"$(reboot)\"}"),
            ("\"--force\"", "--force"),
        ] {
            assert_eq!(of(text).as_deref(), Some(want), "{text}");
        }
        assert_eq!(of("<<\"a\",0>>"), None);
        assert_eq!(of("[0]").as_deref(), Some("[0]"));
        let mut bytes = Vec::new();
        let binary = argument(terms::erlang("<<255>>", &mut bytes).unwrap(), "").unwrap();
        assert_eq!(binary.as_encoded_bytes(), [255]);
    }
}
