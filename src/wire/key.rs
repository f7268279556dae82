//! The keys that a map is asked by.

use super::term::{Term, Value};

/// The key of a map, as a program writes it: text is an atom, which is what the keys of most maps are, `b"bytes"` a binary, an `i64` an
/// integer, and a [`Term`] any other.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum MapKey<'k> {
    /// An atom.
    Atom(&'k str),
    /// A binary, which is a string to Elixir.
    Binary(&'k [u8]),
    /// An integer.
    Integer(i64),
    /// A term. A tuple, a list or a map is found if its bytes are the same.
    Term(Term<'k>),
}

impl<'a> Term<'a> {
    /// Returns the value that a map has under a key: `get("unit")` for an atom, `get(b"unit")` for a binary, `get(7)` for an integer, and
    /// `get(term)` for any other.
    #[inline]
    pub fn get<'k>(self, key: impl Into<MapKey<'k>>) -> Option<Term<'a>> {
        let key = key.into();
        self.as_map()?.find(|(found, _)| key.is(*found)).map(|(_, value)| value)
    }
}

impl MapKey<'_> {
    /// Returns true if a key of a map is this one.
    #[inline]
    pub(crate) fn is(&self, key: Term<'_>) -> bool {
        match *self {
            Self::Atom(text) => key.is_atom(text),
            Self::Binary(bytes) => key.as_binary() == Some(bytes),
            Self::Integer(value) => key.as_i64() == Some(value),
            Self::Term(term) => term.as_bytes() == key.as_bytes() || is_same(term.value(), key.value()),
        }
    }
}

/// Compares what may have more than one form on the wire.
fn is_same(a: Value<'_>, b: Value<'_>) -> bool {
    match (a, b) {
        (Value::Atom(a), Value::Atom(b)) => a == b,
        (Value::Integer(a), Value::Integer(b)) => a == b,
        (Value::Big(a), Value::Big(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Binary(a), Value::Binary(b)) => a == b,
        (Value::Pid(a), Value::Pid(b)) => a == b,
        (Value::Port(a), Value::Port(b)) => a == b,
        (Value::Reference(a), Value::Reference(b)) => a == b,
        (Value::Nil, Value::Nil) => true,
        _ => false,
    }
}

impl<'k> From<&'k str> for MapKey<'k> {
    fn from(text: &'k str) -> Self {
        Self::Atom(text)
    }
}

impl<'k> From<&'k [u8]> for MapKey<'k> {
    fn from(bytes: &'k [u8]) -> Self {
        Self::Binary(bytes)
    }
}

impl<'k, const N: usize> From<&'k [u8; N]> for MapKey<'k> {
    fn from(bytes: &'k [u8; N]) -> Self {
        Self::Binary(bytes)
    }
}

impl From<i64> for MapKey<'_> {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl<'k> From<Term<'k>> for MapKey<'k> {
    fn from(term: Term<'k>) -> Self {
        Self::Term(term)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `term_to_binary(#{ok => 1, <<"ok">> => 2, 7 => 3, {a} => 4, "ab" => 5, 18446744073709551616 => 6})` of OTP 25.
    const MAP: &[u8] = &[
        131, 116, 0, 0, 0, 6, 97, 7, 97, 3, 110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 97, 6, 100, 0, 2, 111, 107, 97, 1, 104, 1, 100,
        0, 1, 97, 97, 4, 107, 0, 2, 97, 98, 97, 5, 109, 0, 0, 0, 2, 111, 107, 97, 2,
    ];

    #[test]
    fn every_kind_of_key_is_found() {
        let map = Term::parse(MAP).unwrap();
        let value = |found: Option<Term<'_>>| found.and_then(Term::as_i64);
        assert_eq!(value(map.get("ok")), Some(1));
        assert_eq!(value(map.get(b"ok")), Some(2));
        assert_eq!(value(map.get(&b"ok"[..])), Some(2));
        assert_eq!(value(map.get(7)), Some(3));
        for (key, _) in map.as_map().unwrap() {
            assert_eq!(
                map.get(key).map(Term::as_bytes),
                map.as_map().unwrap().find(|(k, _)| k.as_bytes() == key.as_bytes()).map(|(_, v)| v.as_bytes())
            );
        }
        // the same atom in the form of today, and an integer in a longer one
        assert_eq!(value(map.get(Term::parse(b"\x77\x02ok").unwrap())), Some(1));
        assert_eq!(value(map.get(Term::parse(&[98, 0, 0, 0, 7]).unwrap())), Some(3));
        assert!(map.get("no").is_none() && map.get(8).is_none() && map.get(b"no").is_none());
        assert!(Term::parse(&[97, 1]).unwrap().get("ok").is_none());
    }

    /// A key that is a term is found in another form than its own, and one of the same kind that is another is not.
    #[test]
    fn a_term_is_found_in_whatever_form_it_was_sent() {
        let float = |value: f64| [&[70][..], &value.to_be_bytes()].concat();
        let old_float = |text: &[u8]| [&[99][..], text, &vec![0; 31 - text.len()]].concat();
        // three forms of a pid, a port and a reference: of today, with an old atom, and with another number
        let old = |head: &[u8], rest: &[u8]| [head, b"\x64\x00\x03a@b", rest].concat();
        let today = |head: &[u8], rest: &[u8]| [head, b"\x77\x03a@b", rest].concat();
        let (twelve, eight) = ([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9], [0, 0, 0, 1, 0, 0, 0, 9]);
        let (other_twelve, other_eight) = ([0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 9], [0, 0, 0, 2, 0, 0, 0, 9]);
        let forms = [
            [
                vec![110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                vec![111, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
                vec![110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
            ],
            [float(1.5), old_float(b"1.50000000000000000000e+00"), float(2.5)],
            [b"\x6d\0\0\0\x01a".to_vec(), b"\x4d\0\0\0\x01\x08a".to_vec(), b"\x6d\0\0\0\x01b".to_vec()],
            [today(&[88], &twelve), old(&[88], &twelve), today(&[88], &other_twelve)],
            [today(&[89], &eight), old(&[89], &eight), today(&[89], &other_eight)],
            [today(&[90, 0, 1], &eight), old(&[90, 0, 1], &eight), today(&[90, 0, 1], &other_eight)],
            [vec![106], vec![107, 0, 0], vec![97, 0]],
        ];
        for [one, again, other] in forms {
            let map = [&[131, 116, 0, 0, 0, 1][..], &one, &[97, 7]].concat();
            let map = Term::parse(&map).unwrap();
            let found = |key: &[u8]| map.get(Term::parse(key).unwrap()).and_then(Term::as_i64);
            assert_eq!([found(&one), found(&again), found(&other)], [Some(7), Some(7), None], "{map}");
        }
    }
}
