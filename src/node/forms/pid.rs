//! Pids as terms, where there is no message that has them.

use crate::wire::build::TermWriter;
use crate::wire::cursor::Writer;
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// Bytes of an encoded pid with the longest name.
const LONGEST: usize = 16 + 4 * Atom::MAX_CHARS;

/// An encoded pid.
pub(crate) struct EncodedPid {
    bytes: [u8; LONGEST],
    len: usize,
}

impl EncodedPid {
    /// Encodes a pid.
    pub(crate) fn of(pid: Pid<'_>) -> Self {
        let mut bytes = [0; LONGEST];
        let mut out = Writer::new(&mut bytes);
        // a pid with the longest name fits
        let _ = TermWriter::parts(&mut out, |t| t.pid(pid));
        let len = out.finish().unwrap_or(0);
        Self { bytes, len }
    }

    /// Returns the pid as a term.
    pub(crate) fn as_term(&self) -> Term<'_> {
        Term::trusted(self.bytes.get(..self.len).unwrap_or(&[]))
    }
}
