//! The keys of a map that are the same to Erlang, which closes a connection over a map that has one twice.
//!
//! To Erlang they are what `=:=` says: the form that an integer, an atom or a list has on the wire does not count, nor does the order of a map
//! that is in a key. Releases up to OTP 26 take 0.0 and -0.0 for the same as well, so they are here.
//!
//! Of each term a number of 64 bits is made in one pass, which is the same for equal terms; to compare maps in any order, pair by pair, would take
//! the product of their sizes, and to compare each key with all before it a walk over the map for each. That two other terms meet in one does
//! not happen by chance, and who tries has but a map of his own refused.

use super::check::fun;
use super::codes::tag;
use super::cursor::Reader;
use super::ids::{Atom, Pid, Port};
use super::term::{Term, Value};
use super::value::{Bits, Export, Limits};

/// The numbers of keys that are kept at a time: there is a walk over the map for each so many.
const AT_ONCE: usize = 256;

/// Returns a key that so many pairs, which were checked before, have twice, and where its second place ends.
#[inline(never)]
pub(super) fn repeated(pairs: &[u8], count: usize) -> Option<(Term<'_>, usize)> {
    let (mut rest, mut left) = (Reader::new(pairs), count);
    // what is compared with none costs nothing
    while left > 1 {
        let mut numbers = heapless::Vec::<u64, AT_ONCE>::new();
        let mut r = rest;
        for place in 0..left {
            if place > 0 {
                pass_over(&mut r)?;
            }
            let key = Term::next(&mut r)?;
            let number = number(key);
            if numbers.contains(&number) {
                return Some((key, pairs.len().saturating_sub(r.rest().len())));
            }
            if numbers.push(number).is_ok() {
                rest = r;
            }
        }
        left = left.saturating_sub(numbers.len());
        if left > 1 {
            // behind the last key that was kept is its value
            pass_over(&mut rest)?;
        }
    }
    None
}

/// Passes over a value, behind which is another key to be compared. Behind the last one is none, and it may be maps in maps: to pass over it for each
/// of them would take the product of their number and their length.
fn pass_over(r: &mut Reader<'_>) -> Option<()> {
    #[cfg(test)]
    tests::PASSED.set(tests::PASSED.get() + 1);
    Term::next(r).map(drop)
}

/// Returns the number of a term that was checked before.
fn number(term: Term<'_>) -> u64 {
    match term.as_bytes().first() {
        // what nearly all keys are
        Some(&(tag::SMALL_ATOM_UTF8 | tag::BINARY | tag::SMALL_INTEGER)) => leaf(term),
        // one that is deeper than terms go counts in the form that it has
        _ => number_of_any(term).unwrap_or_else(|| bytes(0, term.as_bytes())),
    }
}

/// A tuple, list or map that is open.
struct Open {
    /// The number of the terms that came. In a map's the order of its pairs does not count.
    number: u64,
    /// The number of the last key.
    key: u64,
    /// The terms to come: elements, elements and a tail, or keys and values.
    left: u32,
    /// The tag of a small tuple, a list or a map.
    tag: u8,
}

impl Open {
    const fn new(tag: u8, left: u32) -> Self {
        Self { number: 0, key: 0, left, tag }
    }

    /// Adds the number of one of its terms.
    fn add(&mut self, term: u64) {
        if self.tag != tag::MAP {
            self.number = mixed(self.number, term);
        } else if self.left % 2 == 0 {
            self.key = term;
        } else {
            self.number = self.number.wrapping_add(mixed(self.key, term));
        }
        self.left = self.left.saturating_sub(1);
    }
}

/// All that is open: one more than a term has levels, since a list of bytes is none.
type Levels = heapless::Vec<Open, { Limits::MAX_DEPTH as usize + 1 }>;

/// Does what [`number`] does, for any term. There is no recursion.
#[inline(never)]
fn number_of_any(term: Term<'_>) -> Option<u64> {
    let mut open = Levels::new();
    let mut r = Reader::new(term.as_bytes());
    loop {
        let start = r;
        let mut whole = None;
        match r.u8().ok()? {
            tag::SMALL_TUPLE => open.push(Open::new(tag::SMALL_TUPLE, r.u8().ok()?.into())).ok()?,
            tag::LARGE_TUPLE => open.push(Open::new(tag::SMALL_TUPLE, r.u32().ok()?)).ok()?,
            tag::MAP => open.push(Open::new(tag::MAP, r.u32().ok()?.checked_mul(2)?)).ok()?,
            tag::LIST => begin_elements(&mut open, r.u32().ok()?)?,
            tag::STRING => {
                let bytes = r.bytes16().ok()?;
                begin_elements(&mut open, u32::try_from(bytes.len()).ok()?)?;
                for byte in bytes {
                    open.last_mut()?.add(integer((*byte).into()));
                }
                whole = Some(of(tag::NIL, 0));
            }
            // these two stand apart for speed alone
            tag::SMALL_INTEGER => whole = Some(integer(r.u8().ok()?.into())),
            tag::INTEGER => whole = Some(integer(i32::from_be_bytes(r.u32().ok()?.to_be_bytes()).into())),
            _ => {
                r = start;
                whole = Some(leaf(Term::next(&mut r)?));
            }
        }
        loop {
            if let Some(number) = whole.take() {
                let Some(around) = open.last_mut() else { return Some(number) };
                around.add(number);
            }
            if open.last().is_none_or(|last| last.left > 0) {
                break;
            }
            whole = open.pop().map(|last| of(last.tag, last.number));
        }
    }
}

/// Begins so many elements of a list, and its tail. In the place of a tail they go on with the list that it is of, and a list of none is its tail.
fn begin_elements(open: &mut Levels, count: u32) -> Option<()> {
    match open.last_mut() {
        Some(list) if list.tag == tag::LIST && list.left == 1 => list.left = count.checked_add(1)?,
        _ if count == 0 => {}
        _ => open.push(Open::new(tag::LIST, count.checked_add(1)?)).ok()?,
    }
    Some(())
}

/// Returns the number of a term with none in it. A native record, which we do not write, counts in the form that it has,
/// and so do the values that a local fun has taken with it.
fn leaf(term: Term<'_>) -> u64 {
    match term.value() {
        Value::Integer(value) => integer(value),
        Value::Big(big) => bytes(of(tag::SMALL_BIG, big.negative.into()), big.magnitude),
        // -0.0 and 0.0 are 0.0
        Value::Float(value) => of(tag::NEW_FLOAT, (value + 0.0).to_bits()),
        Value::Atom(name) => atom(of(tag::ATOM, 0), name),
        Value::Nil => of(tag::NIL, 0),
        Value::Binary(binary) => bytes(of(tag::BINARY, 8), binary),
        Value::Bits(Bits { bytes: bits, last }) => {
            let (last_byte, head) = bits.split_last().unwrap_or((&0, bits));
            let used = last_byte & !(0xff_u8.checked_shr(last.into()).unwrap_or(0));
            mixed(bytes(of(tag::BINARY, last.into()), head), used.into())
        }
        Value::Pid(Pid { node, id, serial, creation }) => {
            let number = [id, serial, creation].into_iter().fold(of(tag::PID, 0), |number, part| mixed(number, part.into()));
            atom(number, node)
        }
        Value::Port(Port { node, id, creation }) => atom(mixed(of(tag::PORT, id), creation.into()), node),
        Value::Reference(reference) => {
            // one with words of 0 behind it is the same
            let words = reference.word_bytes();
            let used =
                words.chunks(4).rposition(|word| word != [0; 4]).map_or(0, |last| last.saturating_add(1).saturating_mul(4));
            atom(bytes(of(tag::REFERENCE, reference.creation.into()), words.get(..used).unwrap_or(words)), reference.node)
        }
        // whoever made it
        Value::Fun(made) => {
            let mut r = Reader::new(term.as_bytes()).behind_tag();
            let _ = fun::<false>(&mut r);
            bytes(atom(mixed(of(tag::NEW_FUN, made.index.into()), made.uniq.into()), made.module), r.rest())
        }
        Value::Export(Export { module, function, arity }) => atom(atom(of(tag::EXPORT, arity.into()), module), function),
        _ => bytes(0, term.as_bytes()),
    }
}

/// Returns the number of a term of this kind.
fn of(tag: u8, number: u64) -> u64 {
    mixed(tag.into(), number)
}

fn integer(value: i64) -> u64 {
    of(tag::INTEGER, u64::from_ne_bytes(value.to_ne_bytes()))
}

fn atom(number: u64, atom: Atom<'_>) -> u64 {
    mixed(atom.chars().fold(number, |number, c| mixed(number, u32::from(c).into())), u64::MAX)
}

fn bytes(number: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(mixed(number, bytes.len() as u64), |number, chunk| {
        let mut word = [0; 8];
        word.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
        mixed(number, u64::from_le_bytes(word))
    })
}

/// Mixes two numbers, whose order counts: a change of one bit changes half of the bits of what comes.
#[inline]
const fn mixed(first: u64, then: u64) -> u64 {
    let sum = first.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(then);
    let sum = (sum ^ (sum >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    sum ^ (sum >> 32)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::vec::Vec;

    use super::*;
    use crate::wire::build::encode;
    use crate::wire::text::parse_text;

    std::thread_local! {
        /// The values that were passed over.
        pub(super) static PASSED: Cell<usize> = const { Cell::new(0) };
    }

    fn is_same(a: &[u8], b: &[u8]) -> bool {
        let of = |bytes| number(Term::parse(bytes).unwrap());
        of(a) == of(b)
    }

    fn text(text: &str) -> Vec<u8> {
        let mut buf = [0; 4096];
        parse_text(text, &mut buf).unwrap().as_bytes().to_vec()
    }

    /// What a real Erlang says of such pairs as keys of one map stands in `tests/erlang/terms.rs`.
    #[test]
    fn maps_are_the_same_in_any_order_and_zeros_with_any_sign() {
        for around in ["_", "{5,_}", "[_]", "[a|_]", "#{k => _}", "#{_ => v}", "#{#{_ => v,x => y} => {[_]}}", "[[],{},#{},_,1]"]
        {
            for (one, other) in [("0.0", "-0.0"), ("#{a => 1,b => [2],c => #{}}", "#{c => #{},b => [2],a => 1}")] {
                let of = |inner: &str| text(&around.replace('_', inner));
                assert!(is_same(&of(one), &of(other)), "{around}: {one} {other}");
            }
        }
    }

    #[test]
    fn terms_are_the_same_in_every_form() {
        let old_float = [&b"\x631.50000000000000000000e+00"[..], &[0; 5]].concat();
        let (today, old) = (b"\x77\x03a@b", b"\x64\x00\x03a@b");
        let with = |tag: &[u8], node: &[u8], rest: &[u8]| [tag, node, rest].concat();
        for (one, other) in [
            (&[97, 1][..], &[98, 0, 0, 0, 1][..]),
            (&[97, 1], &[110, 3, 0, 1, 0, 0]),
            (&[98, 255, 255, 255, 255], &[110, 1, 1, 1]),
            (&[110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], &[111, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
            (&text("1.5"), &old_float),
            (b"\x77\x01a", b"\x64\x00\x01a"),
            (b"\x77\x02\xc3\xa9", b"\x73\x01\xe9"),
            (b"\x6d\0\0\0\x01a", b"\x4d\0\0\0\x01\x08a"),
            (&[77, 0, 0, 0, 1, 3, 0x20], &[77, 0, 0, 0, 1, 3, 0x3f]),
            (&[104, 1, 97, 1], &[105, 0, 0, 0, 1, 97, 1]),
            (b"\x6b\0\x02ab", &[108, 0, 0, 0, 2, 97, 97, 97, 98, 106]),
            (b"\x6b\0\x02ab", &[108, 0, 0, 0, 1, 97, 97, 107, 0, 1, 98]),
            (b"\x6b\0\x02ab", &[108, 0, 0, 0, 1, 97, 97, 108, 0, 0, 0, 1, 97, 98, 106]),
            (&[106], &[107, 0, 0]),
            (&[97, 1], &[108, 0, 0, 0, 0, 97, 1]),
            (&with(&[88], today, &[1; 12]), &with(&[88], old, &[1; 12])),
            (&with(&[89], today, &[1; 8]), &with(&[89], old, &[1; 8])),
            (&with(&[90, 0, 1], today, &[1; 8]), &with(&[90, 0, 1], old, &[1; 8])),
            (&with(&[113], today, b"\x77\x01f\x61\x01"), &with(&[113], old, b"\x77\x01f\x61\x01")),
        ] {
            let inside = |term: &[u8]| [&[104, 2, 97, 7], term].concat();
            assert!(is_same(one, other) && is_same(&inside(one), &inside(other)), "{one:?} {other:?}");
        }
    }

    /// As each release from 23 to 29 takes maps with two of them for keys: those that are the same it refuses.
    #[test]
    fn references_end_with_any_words_of_0_and_a_local_fun_is_anybodys() {
        let reference = |words: &[u32]| {
            let count = u8::try_from(words.len()).unwrap();
            [&[90, 0, count, 119, 1, b'n', 0, 0, 0, 1][..], &words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<_>>()]
                .concat()
        };
        assert!(is_same(&reference(&[5]), &reference(&[5, 0])));
        assert!(is_same(&reference(&[5, 6]), &reference(&[5, 6, 0])));
        assert!(is_same(&reference(&[5, 0]), &reference(&[5, 0, 0])));
        assert!(!is_same(&reference(&[5]), &reference(&[0, 5])));
        assert!(!is_same(&reference(&[5, 6]), &reference(&[5, 0, 6])));
        let fun = |index: u8, uniq: u8, by: u8, free: &[u8]| {
            let pid = [88, 119, 1, b'n', 0, 0, 0, by, 0, 0, 0, 0, 0, 0, 0, 1];
            let body = [
                &[0][..],
                &[7; 16],
                &[0, 0, 0, 0, 0, 0, 0, u8::from(!free.is_empty()), 119, 1, b'm', 97, index, 97, uniq],
                &pid,
                free,
            ]
            .concat();
            [&[112][..], &u32::try_from(body.len() + 4).unwrap().to_be_bytes(), &body].concat()
        };
        let one = fun(1, 2, 3, &[]);
        assert!(is_same(&one, &fun(1, 2, 4, &[])));
        assert!(is_same(&fun(1, 2, 3, &[97, 5]), &fun(1, 2, 4, &[97, 5])));
        for other in [fun(2, 2, 3, &[]), fun(1, 1, 3, &[]), fun(1, 2, 3, &[97, 5])] {
            assert!(!is_same(&one, &other), "{other:?}");
        }
        assert!(!is_same(&fun(1, 2, 3, &[97, 6]), &fun(1, 2, 3, &[97, 5])));
    }

    #[test]
    fn no_two_others_are_the_same() {
        let node = |tag: &[u8], rest: &[u8]| [tag, b"\x77\x03a@b", rest].concat();
        let mut all: Vec<Vec<u8>> = [
            "1",
            "-1",
            "0",
            "49",
            "256",
            "1.0",
            "-1.0",
            "0.0",
            "4.9e-324",
            "18446744073709551615",
            "-18446744073709551615",
            "1180591620717411303424",
            "a",
            "'1'",
            "''",
            "ab",
            "<<\"a\">>",
            "<<>>",
            "<<0>>",
            "<<0,0>>",
            "<<\"abcdefghi\">>",
            "<<\"abcdefgh\">>",
            "<<1:1>>",
            "<<1:2>>",
            "<<2:2>>",
            "<<0:1>>",
            "\"a\"",
            "\"ab\"",
            "\"ba\"",
            "[]",
            "{}",
            "#{}",
            "[[]]",
            "{[]}",
            "[a]",
            "[a|b]",
            "[a,b]",
            "[b,a]",
            "[[a]|b]",
            "[[a,b]]",
            "[[a|b]]",
            "[{a},b]",
            "[{a,b}]",
            "{a}",
            "{a,b}",
            "{b,a}",
            "{{a},b}",
            "{a,{b}}",
            "{[a],b}",
            "{[a|b]}",
            "{[[a|b],[c,d,e|f]]}",
            "{[[a,b,[c|d]|e],f]}",
            "#{a => b}",
            "#{b => a}",
            "#{a => 1,b => 2}",
            "#{a => 2,b => 1}",
            "#{a => b,1 => 2}",
            "#{a => #{b => 1}}",
            "#{#{a => b} => 1}",
            "[#{a => 1},#{b => 2}]",
            "fun a:b/1",
            "fun a:b/2",
            "fun b:a/1",
        ]
        .map(text)
        .to_vec();
        all.extend([
            node(&[88], &[1; 12]),
            node(&[88], &[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]),
            node(&[89], &[1; 8]),
            node(&[89], &[2; 8]),
        ]);
        all.extend([node(&[90, 0, 1], &[1; 8]), node(&[90, 0, 1], &[1, 1, 1, 1, 2, 2, 2, 2]), node(&[90, 0, 2], &[1; 12])]);
        for (place, one) in all.iter().enumerate() {
            for (other_place, other) in all.iter().enumerate() {
                assert_eq!(is_same(one, other), place == other_place, "{one:?} {other:?}");
            }
        }
    }

    /// Of any two places in a map, whether both, one or none are among those whose numbers are kept at once.
    #[test]
    fn a_key_is_found_twice_wherever_it_stands() {
        let pairs = |keys: &[usize]| -> Vec<u8> {
            let key = |key: &usize| match key % 2 {
                0 => text(&format!("{key}")),
                _ => text(&format!("#{{{key} => [a,b,{{}}]}}")),
            };
            keys.iter().flat_map(|one| [key(one), text("#{v => [1,x]}")].concat()).collect()
        };
        for count in [0, 1, 2, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE + 3] {
            let keys: Vec<usize> = (0..count).collect();
            let whole = pairs(&keys);
            PASSED.set(0);
            assert!(repeated(&whole, count).is_none(), "{count}");
            // the last one is not passed over
            assert!(count > AT_ONCE + 1 || PASSED.get() == count.saturating_sub(1), "{count}: {}", PASSED.get());
            for first in [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE] {
                for then in [1, 2, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE, 2 * AT_ONCE + 2] {
                    if first >= then || then >= count {
                        continue;
                    }
                    let mut keys = keys.clone();
                    keys[then] = first;
                    let bytes = pairs(&keys);
                    let key = pairs(&[first]);
                    let value = text("#{v => [1,x]}").len();
                    let (found, end) = repeated(&bytes, count).unwrap();
                    assert_eq!(found.as_bytes(), &key[..key.len() - value], "{first} {then} of {count}");
                    assert_eq!(end, pairs(&keys[..=then]).len() - value, "{first} {then} of {count}");
                }
            }
        }
    }

    /// A map as key of a map, as deep as terms go, with a list of bytes at the bottom, which is no level.
    #[test]
    fn the_deepest_keys_are_compared() {
        let deep = |pairs: [&[u8]; 2]| {
            let map = [&[116, 0, 0, 0, 2][..], &pairs.concat()].concat();
            let levels = usize::from(Limits::MAX_DEPTH) - 1;
            [&[116, 0, 0, 0, 1][..]]
                .repeat(levels)
                .into_iter()
                .flatten()
                .copied()
                .chain(map)
                .chain(vec![106; levels])
                .collect::<Vec<u8>>()
        };
        let (a, b): (&[u8], &[u8]) = (&[97, 1, 107, 0, 1, 7], &[97, 2, 106]);
        assert!(is_same(&deep([a, b]), &deep([b, a])));
        assert!(!is_same(&deep([a, b]), &deep([b, b])));
    }

    /// The order of a hash is none of chance's: of all maps of two of 40 keys and values no two others meet.
    #[test]
    fn small_maps_do_not_meet() {
        let mut buf = [0; 64];
        let mut numbers = std::collections::HashSet::new();
        let mut maps = 0;
        for keys in 0..200_i64 {
            for values in 0..200_i64 {
                let (first, then) = ((keys / 10, values / 10), (30 + keys % 10, values % 10));
                let bytes = encode(&mut buf, |t| t.map(2)?.int(first.0)?.int(first.1)?.int(then.0)?.int(then.1)).unwrap();
                numbers.insert(number(Term::parse(bytes).unwrap()));
                maps += 1;
            }
        }
        assert_eq!(numbers.len(), maps);
    }
}
