//! The rooms that a peer's bytes reach have no way to panic, and no exception: the door of each floor forbids the same lints, which nothing in it can undo.

use super::DRIVER;
use super::rust::{Source, Token, end_of_brackets};

/// What the door of each floor forbids, from the ground up to the driver. Those of clippy.toml are forbidden by the two `disallowed`.
const FORBIDDEN: &str = "arithmetic_side_effects cast_possible_truncation cast_possible_wrap cast_sign_loss disallowed_macros \
    disallowed_methods exit expect_used indexing_slicing mem_forget panic panic_in_result_fn \
    string_slice todo unimplemented unreachable unwrap_in_result unwrap_used";
/// The floor where no peer's bytes come.
const OUTSIDE: &str = "owned";

/// The files of the floors up to the driver.
fn is_inside(file: &Source) -> bool {
    file.floor().is_some_and(|floor| floor <= DRIVER) && file.module[0] != OUTSIDE
}

/// What the door of a floor does not forbid of what it should.
pub(super) fn not_forbidden(file: &Source) -> Vec<String> {
    if !is_inside(file) || file.module.len() != 1 {
        return Vec::new();
    }
    let attributes: Vec<&[Token]> = attributes(file).collect();
    let forbids = |lint: &str| {
        let names = |words: &[Token]| words[0].is("clippy") && words[1].is("::") && words[2].is(lint);
        attributes.iter().any(|all| {
            all.iter().map(|token| token.text.as_str()).take(9).eq("[ cfg_attr ( not ( test ) , forbid".split(' '))
                && all.windows(3).any(names)
        })
    };
    FORBIDDEN
        .split_whitespace()
        .filter(|lint| !forbids(lint))
        .map(|lint| format!("{}: does not forbid {lint}", file.shown))
        .collect()
}

/// Where a file asks for an exception from any lint, or asserts something when it runs.
pub(super) fn exceptions(file: &Source) -> Vec<String> {
    if !is_inside(file) {
        return Vec::new();
    }
    let excuses = attributes(file).flatten().filter(|token| ["allow", "expect", "warn"].iter().any(|word| token.is(word)));
    let mut faults: Vec<String> =
        excuses.map(|token| format!("{}:{}: {} is an exception", file.shown, token.line, token.text)).collect();
    for (at, token) in file.tokens.iter().enumerate() {
        // the compiler evaluates `const { assert!(..) }` and `const _: () = assert!(..)`
        let by_the_compiler = || in_const(&file.tokens[..at]);
        if token.is("assert") && file.word(at + 1) == Some("!") && !by_the_compiler() {
            faults.push(format!("{}:{}: asserts when it runs", file.shown, token.line));
        }
    }
    faults
}

/// The attributes of a file, each from its `[` to its `]`.
fn attributes(file: &Source) -> impl Iterator<Item = &[Token]> {
    let tokens = &file.tokens;
    tokens.iter().enumerate().filter(|(_, token)| token.is("#")).filter_map(|(at, _)| {
        let begin = if tokens.get(at + 1)?.is("!") { at + 2 } else { at + 1 };
        tokens.get(begin)?.is("[").then(|| &tokens[begin..end_of_brackets(tokens, begin)])
    })
}

/// Returns true if what comes behind these tokens is in a block of `const`, or the value of an item of that kind.
fn in_const(before: &[Token]) -> bool {
    if before.windows(6).last().is_some_and(|last| last.iter().map(|token| token.text.as_str()).eq("const _ : ( ) =".split(' ')))
    {
        return true;
    }
    let mut closed = 0;
    for at in (0..before.len()).rev() {
        match before[at].text.as_str() {
            "}" => closed += 1,
            "{" if closed == 0 => return at > 0 && before[at - 1].is("const"),
            "{" => closed -= 1,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(shown: &str, text: &str) -> usize {
        exceptions(&Source::new(shown, text)).len()
    }

    #[test]
    fn an_exception_is_found() {
        for text in [
            "#[allow(clippy::panic)] fn f() {}",
            "#![expect(clippy::panic, reason = \"\")]",
            "#[cfg_attr(not(test), expect(dead_code))] fn f() {}",
            "fn f() { #[warn(clippy::panic)] { } }",
            "fn f() { assert!(true); }",
            "const fn f() { assert!(true); }",
            "fn f() { const { f() } if x { assert!(true); } }",
        ] {
            assert_eq!(found("src/wire/term.rs", text), 1, "{text}");
            assert_eq!(found("src/driver/tls/x.rs", text), 1, "{text}");
            assert_eq!(found("src/cli/run.rs", text), 0, "{text}");
            assert_eq!(found("src/owned.rs", text), 0, "{text}");
        }
        for text in [
            "#[cfg(test)] mod tests { #![allow(clippy::panic)] fn f() { assert!(true) } }",
            "#[must_use] fn allow() {} fn expect() { x.expect() }",
            "const _: () = assert!(true); fn f() { const { assert!(true) } } fn assert() { assert() }",
            "fn f() { const { if x { } assert!(true) } }",
        ] {
            assert_eq!(found("src/wire/term.rs", text), 0, "{text}");
        }
    }

    #[test]
    fn what_a_door_does_not_forbid_is_found() {
        let all = FORBIDDEN.split_whitespace().count();
        let missing = |shown: &str, text: &str| not_forbidden(&Source::new(shown, text)).len();
        assert_eq!(missing("src/wire/mod.rs", "mod term;"), all);
        assert_eq!(missing("src/wire/mod.rs", "#![cfg_attr(not(test), forbid(clippy::panic, clippy::unwrap_used))]"), all - 2);
        assert_eq!(
            missing("src/wire/mod.rs", "#![cfg_attr(not(test), deny(clippy::panic))] #[forbid(clippy::panic)] mod x;"),
            all
        );
        assert_eq!(missing("src/time.rs", ""), all);
        assert_eq!(missing("src/wire/term.rs", ""), 0);
        assert_eq!(missing("src/owned.rs", "") + missing("src/cli/mod.rs", ""), 0);
    }
}
