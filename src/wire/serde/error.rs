//! What went wrong between a value and a term, and at which place in the value, in fixed memory.

use core::fmt::{self, Display, Write};

use crate::error::Misuse;
use crate::wire::term::Term;

/// The reason why a term is not the value that was asked for, or a value cannot be written as a term: the place, and what is wrong there.
///
/// It displays as `reading.unit: an atom is expected, <<"celsius">> came`. It lies in fixed memory, so a long text is cut at its end, and
/// a long path at its beginning; `..` stands for what is missing.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    /// The text from the beginning on, and the path up to the end, which grows forward: whoever is inside fails first.
    bytes: [u8; BYTES as usize],
    text: u8,
    path: u8,
    /// The path had no more room.
    cut: bool,
    misuse: Misuse,
}

/// The most bytes that leave an error small enough to be handed on by value: 124 bytes in all.
const BYTES: u8 = 113;
/// Bytes of a text at most, so that a path has room.
const TEXT: usize = 84;
/// Bytes of a text that a foreign term gets, so that what was expected always has room.
pub(super) const SHOWN: usize = 24;

impl Error {
    /// Returns the place in the value, such as `readings[3].unit`; nothing when it is the whole.
    pub fn path(&self) -> &str {
        text_of(self.bytes.get(self.path.into()..))
    }

    /// Returns the words for what is wrong there.
    pub fn message(&self) -> &str {
        text_of(self.bytes.get(..self.text.into()))
    }

    /// Makes an error of this text.
    #[cold]
    pub(super) fn new(text: impl Display) -> Self {
        let text: heapless::String<TEXT> = cut(text);
        let mut bytes = [0; BYTES as usize];
        for (place, byte) in bytes.iter_mut().zip(text.as_bytes()) {
            *place = *byte;
        }
        let len = u8::try_from(text.len()).unwrap_or(0);
        Self { bytes, text: len, path: BYTES, cut: false, misuse: Misuse::Serialize }
    }

    /// Makes an error for a term of another kind than `what`.
    #[cold]
    pub(super) fn expected(what: impl Display, term: Term<'_>) -> Self {
        Self::new(format_args!("{what} is expected, {} came", cut::<SHOWN>(term)))
    }

    /// Moves the error into the field, variant or key of this name.
    #[cold]
    pub(super) fn within(mut self, name: &str) -> Self {
        self.enter(name);
        self
    }

    /// Moves the error into the element of this number, counted from 0.
    #[cold]
    pub(super) fn at(mut self, index: usize) -> Self {
        self.enter(&cut::<20>(format_args!("[{index}]")));
        self
    }

    /// Moves the error into the value of this key of a map.
    #[cold]
    pub(super) fn under(mut self, key: Term<'_>) -> Self {
        match key.as_atom().and_then(|atom| atom.as_str()).or_else(|| key.as_str()) {
            Some(text) => self.enter(text),
            None => self.enter(&cut::<{ SHOWN + 2 }>(format_args!("[{}]", cut::<SHOWN>(key)))),
        }
        self
    }

    fn enter(&mut self, name: &str) {
        if !self.path().is_empty() && !self.path().starts_with('[') {
            self.prepend(".");
        }
        self.prepend(name);
    }

    fn prepend(&mut self, name: &str) {
        if self.cut {
            return;
        }
        let end = usize::from(self.path);
        let mut from = name.len().saturating_sub(end.saturating_sub(self.text.into()));
        self.cut = from > 0;
        while !name.is_char_boundary(from) {
            from = from.saturating_add(1);
        }
        let tail = name.as_bytes().get(from..).unwrap_or(&[]);
        let Some(before) = self.bytes.get_mut(..end) else { return };
        let Some(start) = before.len().checked_sub(tail.len()) else { return };
        if let Some(place) = before.get_mut(start..) {
            place.copy_from_slice(tail);
            self.path = u8::try_from(start).unwrap_or(self.path);
        }
    }
}

/// Returns bytes as text, of which only whole characters were put in.
fn text_of(bytes: Option<&[u8]>) -> &str {
    core::str::from_utf8(bytes.unwrap_or(&[])).unwrap_or("")
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path().is_empty() {
            return f.write_str(self.message());
        }
        write!(f, "{}{}: {}", if self.cut { ".." } else { "" }, self.path(), self.message())
    }
}

/// It debugs as it displays, since that is what a `main` prints that returns it.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Display::fmt(self, f)
    }
}

impl core::error::Error for Error {}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Self { misuse, ..Self::new(misuse) }
    }
}

impl From<Error> for Misuse {
    fn from(e: Error) -> Self {
        e.misuse
    }
}

impl serde_core::ser::Error for Error {
    fn custom<T: Display>(text: T) -> Self {
        Self::new(text)
    }
}

impl serde_core::de::Error for Error {
    fn custom<T: Display>(text: T) -> Self {
        Self::new(text)
    }

    fn invalid_type(unexpected: serde_core::de::Unexpected<'_>, expected: &dyn serde_core::de::Expected) -> Self {
        Self::new(format_args!("{expected} is expected, {} came", cut::<SHOWN>(unexpected)))
    }

    fn invalid_value(unexpected: serde_core::de::Unexpected<'_>, expected: &dyn serde_core::de::Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(len: usize, expected: &dyn serde_core::de::Expected) -> Self {
        Self::new(format_args!("{expected} is expected, one of {len} came"))
    }

    fn unknown_variant(variant: &str, variants: &'static [&'static str]) -> Self {
        Self::new(format_args!("{} is none of {}", cut::<SHOWN>(variant), Names(variants)))
    }

    fn unknown_field(field: &str, fields: &'static [&'static str]) -> Self {
        Self::new(format_args!("the key {} is none of {}", cut::<SHOWN>(field), Names(fields)))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format_args!("the key {field} is missing"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::new(format_args!("the key {field} came twice"))
    }
}

struct Names(&'static [&'static str]);

impl Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Keeps as much of a text as has room, with `..` at the end if that is not all.
pub(super) fn cut<const N: usize>(text: impl Display) -> heapless::String<N> {
    struct Cut<'a, const N: usize>(&'a mut heapless::String<N>);

    impl<const N: usize> Write for Cut<'_, N> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            // whoever prints a long term need not go on
            text.chars().try_for_each(|c| self.0.push(c)).map_err(|_| fmt::Error)
        }
    }

    let mut kept = heapless::String::new();
    if write!(Cut(&mut kept), "{text}").is_err() {
        while kept.len().saturating_add(2) > N && kept.pop().is_some() {}
        // it has room now, unless N is under 2
        let _ = kept.push_str("..");
    }
    kept
}
