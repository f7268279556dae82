//! Terms that are kept.

use core::fmt;

use super::build::TermWriter;
use super::codes::tag;
use super::cursor::Writer;
use super::term::Term;
use crate::error::Misuse;

/// A term kept in memory of its own, for a program that may allocate: a [`Term`] lasts only as long as the message it came in.
///
/// Without `std`, [`Term::copy_to`] keeps a term in a buffer of the caller's.
///
/// ```
/// use beamless::{OwnedTerm, Term};
/// # let message = OwnedTerm::new(|t| t.tuple(2)?.atom("celsius")?.float(21.5)).unwrap();
/// # let term = message.as_term();
/// let kept = term.to_owned(); // or OwnedTerm::from(term)
/// assert_eq!(kept.as_term().to_string(), "{celsius,21.5}");
/// assert_eq!(Term::parse(kept.as_bytes())?.to_owned(), kept);
/// # Ok::<(), beamless::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OwnedTerm(Box<[u8]>);

impl OwnedTerm {
    /// Writes a term into memory of its own, as much as it takes. `write` is called more than once.
    ///
    /// # Errors
    /// As [`TermWriter`] says.
    pub fn new<F>(write: F) -> Result<Self, Misuse>
    where
        F: for<'t, 'b> Fn(&'t mut TermWriter<'b>) -> Result<&'t mut TermWriter<'b>, Misuse>,
    {
        // once to see how long it is, and once to keep it; or more often, if it is longer each time
        let mut bytes = Vec::new();
        loop {
            let mut out = Writer::new(&mut bytes);
            TermWriter::one(&mut out, &write)?;
            match out.finish() {
                Ok(len) => {
                    bytes.truncate(len);
                    return Ok(Self(bytes.into()));
                }
                Err(over) => bytes.resize(over.needed, 0),
            }
        }
    }

    /// Returns the term.
    pub fn as_term(&self) -> Term<'_> {
        Term::trusted(self.0.get(1..).unwrap_or(&[tag::NIL]))
    }

    /// Returns the bytes of the term as `term_to_binary` makes them, the version byte in front.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Term<'_> {
    /// Keeps the term in memory of its own.
    pub fn to_owned(self) -> OwnedTerm {
        self.into()
    }
}

impl From<Term<'_>> for OwnedTerm {
    fn from(term: Term<'_>) -> Self {
        Self([&[tag::VERSION], term.as_bytes()].concat().into())
    }
}

impl fmt::Display for OwnedTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_term(), f)
    }
}

impl fmt::Debug for OwnedTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_term(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::captured::packets;

    #[test]
    fn what_erlang_sent_comes_back_as_it_was() {
        let mut terms = 0;
        // all but those that are compressed
        for packet in packets("term/*") {
            let Ok(term) = Term::parse(&packet) else { continue };
            let kept = term.to_owned();
            assert_eq!(kept.as_term().as_bytes(), term.as_bytes());
            assert_eq!((format!("{kept}"), format!("{kept:?}")), (format!("{term}"), format!("{term:?}")));
            assert_eq!(Term::parse(kept.as_bytes()).unwrap().as_bytes(), term.as_bytes());
            // and without its version byte, which is how a term gives its bytes
            assert_eq!(Term::parse(term.as_bytes()).unwrap().as_bytes(), term.as_bytes());
            assert_eq!(OwnedTerm::new(|t| t.term(term)).unwrap(), kept);
            terms += 1;
        }
        assert!(terms > 500, "{terms}");
    }

    #[test]
    fn a_term_that_is_none_is_refused() {
        assert_eq!(OwnedTerm::new(|t| t.tuple(2)?.nil()), Err(Misuse::TermIncomplete(1)));
        assert_eq!(OwnedTerm::new(|t| t.float(f64::NAN)), Err(Misuse::NotFinite));
        assert_eq!(OwnedTerm::new(|t| t.binary(&[7; 100_000])).unwrap().as_bytes().len(), 100_006);
        // one that comes out otherwise each time it is written
        let number = core::cell::Cell::new(254);
        let counted = OwnedTerm::new(|t| {
            number.set(number.get() + 1);
            t.int(number.get())
        });
        let counted = counted.unwrap();
        assert_eq!(Term::parse(counted.as_bytes()).unwrap().as_i64(), Some(number.get()));
    }
}
