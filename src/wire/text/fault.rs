//! The faults of a term written as text, and their places.

use core::fmt;

use crate::wire::value::Limits;

/// The most keys of a map that is written as text. The number of each is compared with those of all others.
pub(super) const TEXT_KEYS: u32 = 4096;

/// The place and the fault of text that is no term, or none we take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TextError {
    /// Offset in bytes from the start of the text.
    pub at: usize,
    /// The line of that place, from 1.
    pub line: usize,
    /// The column of that place in characters, from 1.
    pub column: usize,
    /// The fault there.
    pub fault: TextFault,
}

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.fault)
    }
}
impl core::error::Error for TextError {}

/// A fault in a term written as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TextFault {
    /// The text ends before the term does.
    Ends,
    /// A string or quoted atom that starts with this quote is never closed.
    Unclosed(char),
    /// Something follows the term.
    Trailing,
    /// A character that starts no term.
    Unexpected(char),
    /// Something else is due here.
    Expected(&'static str),
    /// A variable.
    Variable,
    /// A reserved word that is not quoted.
    Reserved,
    /// A pid, port, reference or local fun, which has no text that can be read.
    Identifier,
    /// A record.
    Record,
    /// An operator.
    Operator,
    /// A fun other than `fun module:function/arity`.
    Fun,
    /// A sigil or triple-quoted string, whose meaning depends on the release.
    Sigil,
    /// An escape that stands for no character.
    Escape,
    /// A number that is written wrongly: its base or its underscores.
    Number,
    /// A float that is too large.
    Float,
    /// An integer of more than 2,048 bytes in a base whose digits are no whole bits.
    Integer,
    /// An atom of more than 255 characters.
    AtomTooLong,
    /// A segment of a binary that is neither an integer nor a string, or has a type other than `integer`, `signed`, `unsigned`,
    /// `big` and `utf8`.
    Segment,
    /// A segment of a binary whose integer or size is too large: integers up to 128 bits, sizes up to 16,777,216 bits.
    SegmentSize,
    /// A character above 255 in a binary without `/utf8`.
    Wide,
    /// A key that the map has already; it ends here.
    DuplicateKey,
    /// A map of more than 4,096 keys.
    TooManyKeys,
    /// Nested deeper than [`Limits::MAX_DEPTH`].
    TooDeep,
    /// The buffer is too small for the term, which is otherwise well written.
    Room {
        /// Bytes the term takes.
        needed: usize,
        /// Bytes there are.
        room: usize,
    },
}

impl fmt::Display for TextFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ends => "the text ends before the term does",
            Self::Unclosed(quote) => return write!(f, "the {quote} that opens here is never closed"),
            Self::Trailing => {
                "something follows the term: an atom with other characters than letters, digits, '_' and '@' needs quotes, \
                 'demo@nuc1.local', and operators are not evaluated"
            }
            Self::Unexpected(c) => return write!(f, "no term starts with {c:?}"),
            Self::Expected(what) => return write!(f, "{what} is expected here"),
            Self::Variable => {
                "variables have no value here: an atom starting with a capital letter or '_' needs quotes, as in 'Foo'"
            }
            Self::Reserved => "a reserved word is an atom only in quotes, as in 'receive'",
            Self::Identifier => {
                "a pid, port, reference or local fun cannot be written as text: send to a registered name, or use one from a message"
            }
            Self::Record => "records are not known here: write the tuple, {name,...}",
            Self::Operator => "operators are not evaluated here: write the value",
            Self::Fun => "the only fun to write is fun module:function/arity, the arity from 0 to 255",
            Self::Sigil => "sigils and triple-quoted strings are not taken: write \"...\" or <<\"...\"/utf8>>",
            Self::Escape => "that escape is no character: write \\n, \\\\, \\\", \\x{20ac} or the character itself",
            Self::Number => "that is no number: write 1_000, 16#ff (bases 2 to 36), 1.0e-3",
            Self::Float => "that float is too large: Erlang's end at 1.7976931348623157e308",
            Self::Integer => "so long an integer is read in the bases 2, 4, 8, 16 and 32 only: write it as 16#...",
            Self::AtomTooLong => "an atom has at most 255 characters",
            Self::Segment => "a binary takes integers (value:size_in_bits) and strings (also \"...\"/utf8), separated by ','",
            Self::SegmentSize => "in a binary an integer has at most 128 bits, a size at most 16777216",
            Self::Wide => "a character above 255 does not fit a byte: write <<\"...\"/utf8>>",
            Self::DuplicateKey => "the map has this key already",
            Self::TooManyKeys => return write!(f, "a map written as text has at most {TEXT_KEYS} keys"),
            Self::TooDeep => return write!(f, "nested deeper than {} levels", Limits::MAX_DEPTH),
            Self::Room { needed, room } => {
                return write!(f, "the term takes {needed} bytes, and the buffer has {room}");
            }
        })
    }
}
