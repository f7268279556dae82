//! The tag by which an answer is known: a reference, or an alias in one of its forms.

use crate::wire::codes::tag;
use crate::wire::cursor::Reader;
use crate::wire::ids::{Atom, Pid, Reference};
use crate::wire::term::Term;

/// Bytes of the longest tag that is kept: two references with names of 255 bytes and what is around them.
pub(crate) const TAG: usize = 640;

/// Returns the alias in a call's tag.
pub(crate) fn alias(tag: Term<'_>) -> Option<Reference<'_>> {
    let mut outer = tag.as_list()?;
    let first = outer.next()?;
    if first.is_atom("alias") {
        return outer.tail()?.as_reference();
    }
    let mut inner = first.as_list()?;
    if inner.next()?.is_atom("alias") { inner.tail()?.as_reference() } else { None }
}

/// Returns the reference in the tag of an answer, in either of its forms: older processes answer to the pid even where they were given an
/// alias.
pub(crate) fn answer_tag(term: Term<'_>) -> Option<Reference<'_>> {
    let [tag, _] = term.tuple()?;
    reference(tag)
}

fn reference(tag: Term<'_>) -> Option<Reference<'_>> {
    tag.as_reference().or_else(|| alias(tag))
}

/// Returns true if a message may be one that is more than a message: a tuple of two with something in front that may be a tag, since an answer that
/// comes late is no message; or what begins as a system message does, `{system, ..`, in the form that every BEAM gives it.
#[inline]
pub(crate) fn may_be_more(payload: &[u8]) -> bool {
    // the version in front is checked with the term
    let [_, kind, arity, first, ..] = payload else { return false };
    match (*kind, *arity) {
        (tag::SMALL_TUPLE, 2) => matches!(*first, tag::LIST | tag::NEW_REFERENCE | tag::NEWER_REFERENCE | tag::REFERENCE),
        (tag::SMALL_TUPLE, 3) => *first == tag::SMALL_ATOM_UTF8 && is_system(payload),
        (kind, _) => kind == tag::LARGE_TUPLE,
    }
}

/// Returns true if the first of three is `system`. Apart from the rest, which is on the way of every message.
#[cold]
#[inline(never)]
fn is_system(payload: &[u8]) -> bool {
    matches!(payload, [_, _, _, _, 6, b's', b'y', b's', b't', b'e', b'm', ..])
}

/// Returns the process and the reference of a call of which only the front can be read: `{'$gen_call', {Pid, Tag}, ..`.
pub(crate) fn front_call(payload: &[u8]) -> Option<(Pid<'_>, Reference<'_>)> {
    let front = payload.strip_prefix(&[tag::VERSION, tag::SMALL_TUPLE, 3])?;
    let mut r = Reader::new(front);
    if Atom::read::<true>(&mut r).ok()? != "$gen_call" {
        return None;
    }
    let mut r = Reader::new(r.rest().strip_prefix(&[tag::SMALL_TUPLE, 2])?);
    let from = Pid::read::<true>(&mut r).ok()?;
    Some((from, reference(Term::check(&mut r).ok()?)?))
}

/// Returns the reference in the tag of an answer of which only the front is here: `{Tag, ..`.
pub(crate) fn front_tag(payload: &[u8]) -> Option<Reference<'_>> {
    // the version of the format, and a tuple of two
    let front = payload.strip_prefix(&[tag::VERSION, tag::SMALL_TUPLE, 2])?;
    reference(Term::check(&mut Reader::new(front)).ok()?)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const PID: &[u8] = b"\x58\x77\x03a@b\0\0\0\x01\0\0\0\0\0\0\0\x01";
    const REFERENCE: &[u8] = b"\x5a\0\x01\x77\x03a@b\0\0\0\x01\0\0\0\x07";

    fn call(word: &[u8]) -> Vec<u8> {
        let word = [&[131, 104, 3, 119, u8::try_from(word.len()).unwrap()], word].concat();
        [&word[..], &[104, 2], PID, REFERENCE, b"\x77\x01x"].concat()
    }

    /// What can be no more than a message is told by its first bytes.
    #[test]
    fn messages_are_told_from_answers_and_system_messages() {
        let system = |word: &[u8]| [&[131, 104, 3, 119, u8::try_from(word.len()).unwrap()], word].concat();
        for (payload, more) in [
            (&[131, 104, 2, 90, 0][..], true),
            (&[131, 104, 2, 108, 0], true),
            (&[131, 104, 2, 119, 1], false),
            (&[131, 104, 3, 90, 0], false),
            (&[131, 105, 0, 0, 0], true),
            (&[131, 97, 2, 90], false),
            (&[131, 104], false),
            (&system(b"system"), true),
            (&system(b"sistem"), false),
            (&system(b"syste"), false),
        ] {
            assert_eq!(may_be_more(payload), more, "{payload:?}");
        }
    }

    #[test]
    fn the_front_of_a_call_tells_who_asks() {
        let whole = call(b"$gen_call");
        // its end need not be there
        for payload in [&whole[..], &whole[..whole.len() - 3]] {
            let (from, tag) = front_call(payload).unwrap();
            assert_eq!((from.id, tag.word_bytes()), (1, &[0, 0, 0, 7][..]));
        }
        assert!(front_call(&call(b"$gen_cast")).is_none() && front_call(&whole[..whole.len() - 8]).is_none());
    }
}
