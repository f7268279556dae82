//! Which characters Erlang prints as they are, and which characters and words make an atom that needs no quotes.

/// The characters that are printed as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chars {
    /// The characters up to 255; a byte is one.
    Latin1,
    Unicode,
}

impl Chars {
    /// Returns true if Erlang prints this as a character of a string: `io_lib:printable_latin1_list/1` and
    /// `io_lib:printable_unicode_list/1`.
    pub(super) fn prints(self, c: char) -> bool {
        match c {
            ' '..='~' | '\u{a0}'..='\u{ff}' | '\u{8}'..='\r' | '\u{1b}' => true,
            '\u{fffe}' | '\u{ffff}' => false,
            '\u{100}'.. => self == Self::Unicode,
            _ => false,
        }
    }
}

/// Returns true if the character can stand in an atom without quotes, once it has begun.
pub(super) fn is_name(c: char) -> bool {
    is_lower(c) || is_upper(c) || matches!(c, '0'..='9' | '@')
}

/// Returns true if an atom without quotes can begin with the character.
pub(super) fn is_lower(c: char) -> bool {
    matches!(c, 'a'..='z' | '\u{df}'..='\u{f6}' | '\u{f8}'..='\u{ff}')
}

/// Returns true if a variable begins with the character.
pub(super) fn is_upper(c: char) -> bool {
    matches!(c, 'A'..='Z' | '_' | '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{de}')
}

/// The words that are no atoms (`erl_scan:reserved_word/1`).
pub(super) const RESERVED: [&str; 27] = [
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond", "div", "end",
    "fun", "if", "let", "not", "of", "or", "orelse", "receive", "rem", "try", "when", "xor",
];

/// Words that are reserved since OTP 27 and atoms before: printed in quotes, which every release reads, and read without.
pub(super) const RESERVED_LATER: [&str; 2] = ["else", "maybe"];
