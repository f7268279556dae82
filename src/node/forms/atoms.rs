//! Terms that are always the same, encoded.

use crate::wire::term::Term;

/// Makes a term of an encoded atom.
pub(crate) const fn atom(bytes: &'static [u8]) -> Term<'static> {
    Term::trusted(bytes)
}

pub(crate) const NOPROC: Term<'static> = atom(b"\x77\x06noproc");
pub(crate) const NORMAL: Term<'static> = atom(b"\x77\x06normal");
pub(crate) const KILLED: Term<'static> = atom(b"\x77\x06killed");
pub(crate) const NOCONNECTION: Term<'static> = atom(b"\x77\x0cnoconnection");
pub(crate) const SYSTEM_LIMIT: Term<'static> = atom(b"\x77\x0csystem_limit");
pub(crate) const TIMEOUT: Term<'static> = atom(b"\x77\x07timeout");
/// The reason in place of one that did not fit a buffer.
pub(crate) const TOO_LARGE: Term<'static> = atom(b"\x77\x09too_large");
pub(crate) const NOTSUP: Term<'static> = atom(b"\x77\x06notsup");
pub(crate) const BADARG: Term<'static> = atom(b"\x77\x06badarg");

/// The empty list, encoded.
pub(crate) const NIL: Term<'static> = Term::trusted(&[106]);
