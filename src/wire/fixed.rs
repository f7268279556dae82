//! Text in fixed memory.

use core::fmt;
use core::ops::Deref;

/// A text of at most `N` bytes of UTF-8, kept where it lies: a name in an [`Event`](crate::Event), for example. It is a `&str` wherever one
/// is wanted.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct FixedStr<const N: usize>(heapless::String<N>);

impl<const N: usize> FixedStr<N> {
    /// Makes an empty text.
    pub(crate) const fn new() -> Self {
        Self(heapless::String::new())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> TryFrom<&str> for FixedStr<N> {
    type Error = TooLong;

    /// Takes text of up to `N` bytes.
    fn try_from(text: &str) -> Result<Self, TooLong> {
        heapless::String::try_from(text).map(Self).map_err(|_| TooLong)
    }
}

/// An error: the text does not fit a [`FixedStr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text is too long for the memory it is to be kept in")
    }
}

impl core::error::Error for TooLong {}

impl<const N: usize> fmt::Write for FixedStr<N> {
    /// Takes as much text as there is room for; an error says that some did not fit.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| self.0.push(c).map_err(|_| fmt::Error))
    }
}

impl<const N: usize> Deref for FixedStr<N> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> AsRef<str> for FixedStr<N> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<const N: usize> PartialEq<str> for FixedStr<N> {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl<const N: usize> PartialEq<&str> for FixedStr<N> {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl<const N: usize> fmt::Display for FixedStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Debug for FixedStr<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use std::format;
    use std::string::ToString;

    use super::*;

    #[test]
    fn is_the_text_that_it_has() {
        let text = FixedStr::<8>::try_from("a\"b").unwrap();
        assert!(text == "a\"b" && text == *"a\"b" && text != "ab" && text != *"ab");
        assert_eq!(
            (text.as_ref(), text.to_string(), format!("{text:?}")),
            ("a\"b", "a\"b".to_string(), "\"a\\\"b\"".to_string())
        );
    }

    #[test]
    fn takes_what_there_is_room_for() {
        assert_eq!(FixedStr::<2>::try_from("abc"), Err(TooLong));
        assert_eq!(TooLong.to_string(), "text is too long for the memory it is to be kept in");
    }
}
