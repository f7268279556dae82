//! The check that every term from outside passes once: one walk over its bytes, with a counter in place of a stack.

use super::codes::tag;
use super::cursor::{Reader, is_short_ascii};
use super::ids::{Atom, Pid, Port, Reference};
use super::value::{Export, Fun, Limits, Record};
use crate::error::TermFault;

/// Moves over one term and tells how many tuples, lists, maps and funs it met. `CHECK` refuses what is wrong; without
/// it the bytes were checked before, and only their lengths matter.
#[inline]
pub(super) fn walk<const CHECK: bool>(r: &mut Reader<'_>) -> Result<usize, TermFault> {
    // Every message passes here: the position stays in registers, and what no message is full of has its own function.
    let (end, result) = walk_from::<CHECK>(*r);
    *r = end;
    result
}

fn walk_from<const CHECK: bool>(mut at: Reader<'_>) -> (Reader<'_>, Result<usize, TermFault>) {
    // Each term due takes a byte at least, so the count is met or the bytes end: no length makes this loop longer than them.
    let mut due: u64 = 1;
    let mut containers: usize = 0;
    while due > 0 {
        due = due.wrapping_sub(1);
        let more = match usual::<CHECK>(at) {
            Some(Usual::Leaf { behind }) => {
                at = behind;
                continue;
            }
            Some(Usual::Head { terms, behind }) => {
                at = behind;
                terms
            }
            None => {
                let (end, more) = rare::<CHECK>(at);
                at = end;
                match more {
                    Ok(None) => continue,
                    Ok(Some(more)) => more,
                    Err(fault) => return (at, Err(fault)),
                }
            }
        };
        // what is due would outlast the bytes: no need to walk to their end to know
        due = due.wrapping_add(more);
        if CHECK && due > at.rest().len() as u64 {
            return (at, Err(TermFault::Truncated));
        }
        // each takes two bytes, so neither count can come round
        containers = containers.wrapping_add(1);
    }
    (at, Ok(containers))
}

/// A term, or the head of one, in one of the forms that messages are full of.
enum Usual<'a> {
    /// A term with none in it.
    Leaf { behind: Reader<'a> },
    /// The head of one with so many in it.
    Head { terms: u64, behind: Reader<'a> },
}

/// Looks at the term in front. `None`: it has another form, or there is something wrong with it; [`rare`] tells.
#[inline]
fn usual<const CHECK: bool>(at: Reader<'_>) -> Option<Usual<'_>> {
    let (kind, next, mut behind) = at.two()?;
    Some(match kind {
        tag::SMALL_ATOM_UTF8 => {
            let text = behind.bytes(next.into()).ok()?;
            if CHECK && !is_short_ascii(text) {
                return None;
            }
            Usual::Leaf { behind }
        }
        tag::SMALL_INTEGER => Usual::Leaf { behind },
        tag::SMALL_TUPLE => Usual::Head { terms: next.into(), behind },
        tag::INTEGER => Usual::Leaf { behind: at.tagged_u32()?.1 },
        tag::NEW_FLOAT => {
            let (bits, behind) = at.tagged_u64()?;
            if CHECK && !f64::from_bits(bits).is_finite() {
                return None;
            }
            Usual::Leaf { behind }
        }
        tag::BINARY => {
            let (len, mut behind) = at.tagged_u32()?;
            behind.bytes(usize::try_from(len).ok()?).ok()?;
            Usual::Leaf { behind }
        }
        tag::LIST => {
            let (len, behind) = at.tagged_u32()?;
            Usual::Head { terms: u64::from(len).wrapping_add(1), behind }
        }
        tag::MAP => {
            let (pairs, behind) = at.tagged_u32()?;
            Usual::Head { terms: u64::from(pairs).wrapping_mul(2), behind }
        }
        tag::NIL => Usual::Leaf { behind: at.behind_tag() },
        tag::NEW_PID => {
            behind = at;
            let (node, _) = behind.usual_pid()?;
            if CHECK && !is_short_ascii(node) {
                return None;
            }
            Usual::Leaf { behind }
        }
        tag::NEWER_REFERENCE => {
            behind = at;
            let (node, ..) = behind.usual_reference()?;
            if CHECK && !is_short_ascii(node) {
                return None;
            }
            Usual::Leaf { behind }
        }
        _ => return None,
    })
}

/// Moves over one term of those that messages are not full of, or says what is wrong with one of the others, and tells how many terms there
/// are in it if it can have any.
#[inline(never)]
fn rare<const CHECK: bool>(mut at: Reader<'_>) -> (Reader<'_>, Result<Option<u64>, TermFault>) {
    let result = rare_at::<CHECK>(&mut at);
    (at, result)
}

#[inline]
fn rare_at<const CHECK: bool>(r: &mut Reader<'_>) -> Result<Option<u64>, TermFault> {
    let start = *r;
    match r.u8()? {
        tag::NIL => {}
        tag::SMALL_INTEGER => {
            r.u8()?;
        }
        tag::INTEGER => {
            r.u32()?;
        }
        tag::NEW_FLOAT => {
            let bits = r.u64()?;
            if CHECK && !f64::from_bits(bits).is_finite() {
                return Err(TermFault::Float);
            }
        }
        tag::BINARY => {
            r.bytes32()?;
        }
        tag::STRING => {
            r.bytes16()?;
        }
        tag::SMALL_TUPLE => return Ok(Some(r.u8()?.into())),
        tag::LARGE_TUPLE => return Ok(Some(r.u32()?.into())),
        tag::LIST => return Ok(Some(u64::from(r.u32()?).wrapping_add(1))),
        tag::MAP => return Ok(Some(u64::from(r.u32()?).wrapping_mul(2))),
        tag::NEW_FUN => return Ok(Some(fun::<CHECK>(r)?.1.into())),
        tag::RECORD => {
            let (_, fields) = record::<CHECK>(r)?;
            // each takes two bytes at least, so they end with the bytes
            for _ in 0..fields {
                Atom::read::<CHECK>(r)?;
            }
            return Ok(Some(fields.into()));
        }
        tag::SMALL_ATOM_UTF8 | tag::ATOM_UTF8 | tag::SMALL_ATOM | tag::ATOM => {
            *r = start;
            Atom::read::<CHECK>(r)?;
        }
        tag::NEW_PID | tag::PID => {
            *r = start;
            Pid::read::<CHECK>(r)?;
        }
        tag::NEWER_REFERENCE | tag::NEW_REFERENCE | tag::REFERENCE => {
            *r = start;
            Reference::read::<CHECK>(r)?;
        }
        tag::V4_PORT | tag::NEW_PORT | tag::PORT => {
            *r = start;
            Port::read::<CHECK>(r)?;
        }
        tag::SMALL_BIG => {
            let len = r.u8()?;
            r.u8()?;
            r.bytes(len.into())?;
        }
        tag::LARGE_BIG => {
            let len = r.len32()?;
            r.u8()?;
            r.bytes(len)?;
        }
        tag::BIT_BINARY => {
            let len = r.len32()?;
            let last = r.u8()?;
            // an empty one has another form, and since OTP 27 Erlang takes none in this one
            if CHECK && (last > 8 || last == 0 || len == 0) {
                return Err(TermFault::Bits);
            }
            r.bytes(len)?;
        }
        tag::FLOAT => {
            let text = r.bytes(31)?;
            if CHECK {
                old_float(text)?;
            }
        }
        tag::EXPORT => {
            export::<CHECK>(r)?;
        }
        unknown => {
            // the fault stands at the tag, not behind it
            *r = start;
            return Err(match unknown {
                tag::COMPRESSED => TermFault::Compressed,
                tag::LOCAL => TermFault::Local,
                other => TermFault::Tag(other),
            });
        }
    }
    Ok(None)
}

/// Checks that bytes, which are a term, nest no deeper than `limit`. The error is what is left of them where they do.
#[cold]
pub(super) fn check_depth(bytes: &[u8], limit: u16) -> Result<(), &[u8]> {
    // One count of children still due for every level that is open; the high bit marks a list, whose tail continues it. A count that needs
    // that bit is of a term of 2 GiB, and is taken for too deep.
    let mut open: heapless::Vec<u32, { Limits::MAX_DEPTH as usize }> = heapless::Vec::new();
    const LIST: u32 = 1 << 31;
    let mut r = Reader::new(bytes);
    while !r.is_empty() {
        while open.last().is_some_and(|due| due & !LIST == 0) {
            open.pop();
        }
        if let Some(due) = open.last_mut() {
            *due = due.wrapping_sub(1);
            if *due == LIST {
                open.pop();
            }
        }
        let start = r;
        let (children, mark) = match r.u8() {
            Ok(tag::SMALL_TUPLE) => (r.u8().map(u64::from), 0),
            Ok(tag::LARGE_TUPLE) => (r.u32().map(u64::from), 0),
            Ok(tag::MAP) => (r.u32().map(|pairs| u64::from(pairs).wrapping_mul(2)), 0),
            Ok(tag::LIST) => (r.u32().map(|n| u64::from(n).wrapping_add(1)), LIST),
            Ok(tag::RECORD) => {
                let fields = record::<false>(&mut r).map(|(_, fields)| u64::from(fields).wrapping_mul(2));
                (fields.map_err(|_| super::cursor::Short), 0)
            }
            Ok(tag::NEW_FUN) => (fun::<false>(&mut r).map(|(_, free)| u64::from(free)).map_err(|_| super::cursor::Short), 0),
            _ => {
                r = start;
                if walk::<false>(&mut r).is_err() {
                    return Err(start.rest());
                }
                continue;
            }
        };
        let due = children.map(|due| u32::try_from(due).ok().filter(|due| *due < LIST).map(|due| due | mark));
        if open.len() >= usize::from(limit) || due.is_ok_and(|due| due.is_none_or(|due| open.push(due).is_err())) {
            return Err(start.rest());
        }
    }
    Ok(())
}

/// Reads `%.20e` padded with zeros to 31 bytes: what releases before R11 and `{minor_version, 0}` send. As with Erlang, digits stand on both
/// sides of a point.
pub(super) fn old_float(text: &[u8]) -> Result<f64, TermFault> {
    let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
    let number = text.get(..end).and_then(|t| core::str::from_utf8(t).ok()).filter(|number| {
        let digits = |text: &str| text.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
        let whole = number.strip_prefix(['+', '-']).unwrap_or(number);
        number.split_once('.').is_some_and(|(_, decimals)| digits(whole) && digits(decimals))
    });
    let value = number.and_then(|number| number.parse::<f64>().ok());
    value.filter(|value| value.is_finite()).ok_or(TermFault::Float)
}

/// Reads a fun up to its free variables, and returns how many of those follow. Its announced size is not used: OTP 23 could announce too
/// much.
pub(super) fn fun<'a, const CHECK: bool>(r: &mut Reader<'a>) -> Result<(Fun<'a>, u32), TermFault> {
    r.u32()?;
    let arity = r.u8()?;
    r.digest()?;
    r.u32()?;
    let free = r.u32()?;
    // as many as a function has arguments
    if free > u8::MAX.into() {
        return Err(TermFault::Fun);
    }
    let module = Atom::read::<CHECK>(r)?;
    let (index, uniq) = (small_integer(r)?, small_integer(r)?);
    Pid::read::<CHECK>(r)?;
    Ok((Fun { module, arity, index, uniq }, free))
}

pub(super) fn export<'a, const CHECK: bool>(r: &mut Reader<'a>) -> Result<Export<'a>, TermFault> {
    let (module, function) = (Atom::read::<CHECK>(r)?, Atom::read::<CHECK>(r)?);
    if r.u8()? != tag::SMALL_INTEGER {
        return Err(TermFault::Fun);
    }
    Ok(Export { module, function, arity: r.u8()? })
}

/// Reads a native record up to its fields, and returns how many there are: all their names follow, then all their values. The form is that of OTP
/// 29, which sends it to peers that never asked for it.
pub(super) fn record<'a, const CHECK: bool>(r: &mut Reader<'a>) -> Result<(Record<'a>, u32), TermFault> {
    let fields = r.u32()?;
    let exported = match r.u8()? {
        flags @ 0..=1 => flags == 1,
        _ => return Err(TermFault::Record),
    };
    let (module, name) = (Atom::read::<CHECK>(r)?, Atom::read::<CHECK>(r)?);
    Ok((Record { module, name, exported, count: fields, r: *r }, fields))
}

fn small_integer(r: &mut Reader<'_>) -> Result<u32, TermFault> {
    match r.u8()? {
        tag::SMALL_INTEGER => Ok(r.u8()?.into()),
        tag::INTEGER => Ok(r.u32()?),
        _ => Err(TermFault::Fun),
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::wire::build::encode;
    use crate::wire::term::{Term, Value};

    /// An atom with a letter of Latin-1 in each of the four forms, and names that are empty, short and long.
    fn atoms() -> Vec<Vec<u8>> {
        let (latin1, utf8) = (&b"a@h\xe9"[..], "a@h\u{e9}".as_bytes());
        let heads: [(&[u8], &[u8]); 9] = [
            (&[tag::SMALL_ATOM_UTF8, 5], utf8),
            (&[tag::ATOM_UTF8, 0, 5], utf8),
            (&[tag::SMALL_ATOM, 4], latin1),
            (&[tag::ATOM, 0, 4], latin1),
            (&[tag::SMALL_ATOM_UTF8, 0], b""),
            (&[tag::SMALL_ATOM_UTF8, 3], b"n@h"),
            (&[tag::SMALL_ATOM_UTF8, 16], &[b'n'; 16]),
            (&[tag::SMALL_ATOM_UTF8, 17], &[b'n'; 17]),
            (&[tag::SMALL_ATOM_UTF8, 255], &[b'n'; 255]),
        ];
        heads.map(|(head, text)| [head, text].concat()).to_vec()
    }

    /// The pids and references of a node in every form, old ones with small creations included.
    fn ids(node: &[u8]) -> Vec<Vec<u8>> {
        const NUMBERS: [u8; 24] = [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5, 0, 0, 0, 6];
        let mut all = Vec::new();
        all.push([&[tag::NEW_PID], node, &NUMBERS[..12]].concat());
        all.push([&[tag::PID], node, &NUMBERS[..8], &[3]].concat());
        all.push([&[tag::REFERENCE], node, &NUMBERS[..4], &[3]].concat());
        for words in 1..=Reference::MAX_WORDS {
            let count = [0, u8::try_from(words).unwrap()];
            all.push([&[tag::NEWER_REFERENCE], &count[..], node, &NUMBERS[..4 + 4 * words]].concat());
            all.push([&[tag::NEW_REFERENCE], &count[..], node, &[3], &NUMBERS[..4 * words]].concat());
        }
        all
    }

    fn fault(bytes: &[u8]) -> Option<TermFault> {
        Term::parse(bytes).err().map(|e| e.fault)
    }

    #[test]
    fn ids_of_every_form_are_read_skipped_and_written_again() {
        for bytes in atoms().iter().flat_map(|atom| ids(atom).into_iter().chain([atom.clone()])) {
            for cut in 0..bytes.len() {
                assert_eq!(
                    fault(&[&[tag::VERSION], &bytes[..cut]].concat()),
                    Some(TermFault::Truncated),
                    "{bytes:?} cut at {cut}"
                );
            }
            let all = [&[tag::VERSION, tag::SMALL_TUPLE, 3], &bytes[..], &[tag::SMALL_INTEGER, 7], &bytes].concat();
            let [first, between, last] = Term::parse(&all).unwrap().tuple().unwrap();
            assert_eq!((first.as_bytes(), between.as_i64(), last.as_bytes()), (&bytes[..], Some(7), &bytes[..]));
            let mut buf = [0; 512];
            let again = match first.value() {
                Value::Pid(pid) => encode(&mut buf, |t| t.pid(pid)),
                Value::Reference(reference) => encode(&mut buf, |t| t.reference(reference)),
                Value::Atom(atom) => encode(&mut buf, |t| t.atom_of(atom)),
                other => panic!("{other:?}"),
            };
            let again = Term::parse(again.unwrap()).unwrap();
            assert_eq!(again.as_pid(), first.as_pid());
            assert_eq!(again.as_reference(), first.as_reference());
            assert_eq!(again.as_atom(), first.as_atom());
        }
    }

    #[test]
    fn wrong_names_and_counts_of_words_are_refused_in_the_usual_forms_too() {
        for text in [&b"\xc3\x28"[..], b"n@\xff", &[0x80; 17]] {
            let node = [&[tag::SMALL_ATOM_UTF8, u8::try_from(text.len()).unwrap()], text].concat();
            for bytes in ids(&node).into_iter().chain([node.clone()]) {
                assert_eq!(fault(&bytes), Some(TermFault::Atom), "{bytes:?}");
            }
        }
        for words in [0, 6] {
            let reference = [&[tag::NEWER_REFERENCE, 0, words, tag::SMALL_ATOM_UTF8, 0][..], &[0; 28]].concat();
            assert_eq!(fault(&reference), Some(TermFault::Reference));
        }
    }

    /// Erlang ends the connection over these, so nobody is to get them from us either.
    #[test]
    fn numbers_too_large_for_an_old_form_are_refused() {
        const NODE: [u8; 3] = [tag::SMALL_ATOM_UTF8, 1, b'n'];
        let old = |creation: u8, word: [u8; 4]| {
            [
                [&[tag::REFERENCE], &NODE[..], &word, &[creation]].concat(),
                [&[tag::NEW_REFERENCE, 0, 1], &NODE[..], &[creation], &word].concat(),
                [&[tag::PORT], &NODE[..], &word, &[creation]].concat(),
                [&[tag::PID], &NODE[..], &word, &word, &[creation]].concat(),
            ]
        };
        let faults = |creation, word| old(creation, word).map(|bytes| fault(&bytes));
        let refused = Some(TermFault::Identifier);
        assert_eq!(faults(3, [0, 3, 255, 255]), [None; 4]);
        assert_eq!(faults(4, [0; 4]), [refused; 4]);
        assert_eq!(faults(0, [0, 4, 0, 0]), [refused, refused, None, None]);
        for node in [&NODE[..], &[tag::ATOM, 0, 1, b'n']] {
            assert_eq!(fault(&[&[tag::NEWER_REFERENCE, 0, 1], node, &[255; 8]].concat()), None, "{node:?}");
        }
    }

    #[test]
    fn old_floats_are_digits_on_both_sides_of_a_point() {
        let of = |text: &str| fault(&[&[tag::FLOAT], text.as_bytes(), &vec![0; 31 - text.len()]].concat());
        for text in ["1.5", "-1.50000000000000000000e+00", "+0.0", "2.5E-3", "1.0e-400"] {
            assert_eq!(of(text), None, "{text}");
        }
        for text in [" 1.5", "1", ".5", "1.", "-.5", "1e5", "1.e5", "1.5x", "inf", "NaN", "1.0e400", "--1.5", "1.5 "] {
            assert_eq!(of(text), Some(TermFault::Float), "{text}");
        }
    }

    /// What Erlang 29 takes, and nothing more: it closes a connection on which others come.
    #[test]
    fn records_have_names_for_fields_and_known_flags() {
        const NAMES: [u8; 6] = [tag::SMALL_ATOM_UTF8, 1, b'm', tag::SMALL_ATOM_UTF8, 1, b'r'];
        let of = |flags: u8, field: &[u8]| {
            let whole = [&[tag::RECORD, 0, 0, 0, 1, flags], &NAMES[..], field, &[tag::SMALL_INTEGER, 7]].concat();
            fault(&whole)
        };
        let name = [tag::SMALL_ATOM_UTF8, 1, b'a'];
        assert_eq!((of(0, &name), of(1, &name), of(2, &name)), (None, None, Some(TermFault::Record)));
        assert_eq!(of(0, &[tag::SMALL_INTEGER, 1]), Some(TermFault::Tag(tag::SMALL_INTEGER)));
        assert_eq!(fault(&[&[tag::RECORD, 255, 255, 255, 255, 0], &NAMES[..], &name].concat()), Some(TermFault::Truncated));
        for exported in [false, true] {
            let head = [&[0, 0, 0, 1, exported.into()], &NAMES[..]].concat();
            let (record, fields) = record::<true>(&mut Reader::new(&head)).unwrap();
            assert_eq!((record.exported, fields), (exported, 1));
        }
    }

    #[test]
    fn a_list_that_announces_more_than_can_be_counted_is_too_deep() {
        let list = |count: u32| [&[tag::LIST][..], &count.to_be_bytes(), &[tag::NIL]].concat();
        assert_eq!(check_depth(&list(0x7fff_fffe), 8), Ok(()));
        assert_eq!(check_depth(&list(0x7fff_ffff), 8), Err(&list(0x7fff_ffff)[..]));
    }

    #[test]
    fn a_bit_string_has_bits() {
        for (bytes, expected) in [
            (&[tag::BIT_BINARY, 0, 0, 0, 0, 0][..], Some(TermFault::Bits)),
            (&[tag::BIT_BINARY, 0, 0, 0, 0, 1], Some(TermFault::Bits)),
            (&[tag::BIT_BINARY, 0, 0, 0, 1, 0, 1], Some(TermFault::Bits)),
            (&[tag::BIT_BINARY, 0, 0, 0, 1, 9, 1], Some(TermFault::Bits)),
            (&[tag::BIT_BINARY, 0, 0, 0, 1, 8, 1], None),
        ] {
            assert_eq!(fault(bytes), expected, "{bytes:?}");
        }
    }

    #[test]
    fn a_fun_holds_at_most_255_terms() {
        let fun = |free: usize| {
            let count = u32::try_from(free).unwrap().to_be_bytes();
            let pid = ids(&[tag::SMALL_ATOM_UTF8, 1, b'n']).swap_remove(0);
            let head = [&[tag::NEW_FUN][..], &[0; 25], &count, &[tag::SMALL_ATOM_UTF8, 1, b'm', tag::SMALL_INTEGER, 0]];
            [&head.concat()[..], &[tag::SMALL_INTEGER, 0], &pid, &vec![tag::NIL; free]].concat()
        };
        assert_eq!((fault(&fun(255)), fault(&fun(256))), (None, Some(TermFault::Fun)));
    }

    #[test]
    fn heads_at_the_very_end_and_cut_leaves() {
        let leaves: [&[u8]; 7] = [
            &[tag::NIL],
            &[tag::SMALL_INTEGER, 1],
            &[tag::INTEGER, 0, 0, 0, 1],
            &[tag::NEW_FLOAT, 0, 0, 0, 0, 0, 0, 0, 0],
            &[tag::BINARY, 0, 0, 0, 2, 1, 2],
            &[tag::STRING, 0, 2, 1, 2],
            &[tag::LIST, 0, 0, 0, 1, tag::NIL, tag::NIL],
        ];
        for leaf in leaves {
            let pair = [&[tag::VERSION, tag::SMALL_TUPLE, 2], leaf, leaf].concat();
            let [first, last] = Term::parse(&pair).unwrap().tuple().unwrap();
            assert_eq!((first.as_bytes(), last.as_bytes()), (leaf, leaf));
            for cut in 0..pair.len() {
                assert_eq!(fault(&pair[..cut]), Some(TermFault::Truncated), "{pair:?} cut at {cut}");
            }
        }
        for head in [&[tag::SMALL_TUPLE, 0][..], &[tag::LARGE_TUPLE, 0, 0, 0, 0], &[tag::MAP, 0, 0, 0, 0]] {
            assert_eq!((fault(head), walk::<true>(&mut Reader::new(head))), (None, Ok(1)));
        }
        let infinite = [tag::NEW_FLOAT, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0];
        assert_eq!(fault(&infinite), Some(TermFault::Float));
    }
}
