//! Terms in the external format: checked once, then read through views that cannot fail on bounds.
//!
//! The check walks the bytes with a counter of terms still due, so neither depth nor length of what a peer sends
//! costs stack. Protocol: erl_ext_dist, "External Term Format".

use super::check::{check_depth, export, fun, old_float, record, walk};
use super::codes::tag;
use super::cursor::Reader;
use super::ids::{Atom, Pid, Port, Reference};
use super::value::{Big, Bits, Export, Fun, Limits, Record};
use crate::error::{Full, TermError, TermFault};

/// A whole term inside received bytes, checked.
///
/// ```
/// use beamless::{Term, Value, parse_text};
///
/// let mut buf = [0; 128];
/// let term = parse_text("{reading, <<\"kitchen\">>, [21.5, 22], #{unit => celsius}}", &mut buf)?;
/// let Some([tag, place, values, options]) = term.tuple() else { panic!("a tuple of four is expected") };
/// assert!(tag.is_atom("reading"));
/// assert_eq!(place.as_str(), Some("kitchen"));
/// let celsius: Vec<f64> = values.as_list().into_iter().flatten().filter_map(|value| value.as_f64()).collect();
/// assert_eq!(celsius, [21.5, 22.0]);
/// assert!(options.get("unit").is_some_and(|unit| unit.is_atom("celsius")));
/// assert!(matches!(place.value(), Value::Binary(b"kitchen")));
/// assert_eq!(options.to_string(), "#{unit => celsius}");
/// # Ok::<(), beamless::TextError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Term<'a> {
    bytes: &'a [u8],
}

/// The value of a term.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Value<'a> {
    /// An integer that fits 64 bits.
    Integer(i64),
    /// An integer that does not.
    Big(Big<'a>),
    /// A float; always finite.
    Float(f64),
    /// An atom; `true` and `false` are atoms too.
    Atom(Atom<'a>),
    /// A tuple's elements.
    Tuple(Elements<'a>),
    /// The empty list.
    Nil,
    /// A list, proper or not, that is not empty. Short lists of bytes, such as most strings, are lists too.
    List(List<'a>),
    /// A binary.
    Binary(&'a [u8]),
    /// A bit string whose bits do not fill its last byte.
    Bits(Bits<'a>),
    /// A map.
    Map(Pairs<'a>),
    /// A process identifier.
    Pid(Pid<'a>),
    /// A port identifier.
    Port(Port<'a>),
    /// A reference.
    Reference(Reference<'a>),
    /// A local fun: it can be passed on, not called.
    Fun(Fun<'a>),
    /// An external fun, `fun Module:Function/Arity`.
    Export(Export<'a>),
    /// A native record, from OTP 29 on.
    Record(Record<'a>),
}

impl<'a> Record<'a> {
    /// Returns the fields and their values, in the order of the definition.
    pub fn fields(self) -> impl Iterator<Item = (Term<'a>, Term<'a>)> {
        let (mut names, mut values) = (self.r, self.r);
        for _ in 0..self.count {
            Term::next(&mut values);
        }
        (0..self.count).map_while(move |_| Some((Term::next(&mut names)?, Term::next(&mut values)?)))
    }
}

impl<'a> Term<'a> {
    /// Takes one whole term, nested no deeper than [`Limits::MAX_DEPTH`]: as `term_to_binary` makes it, with version byte 131 in front, or
    /// without that byte, as [`Term::as_bytes`] gives it. Nothing may follow.
    ///
    /// # Errors
    /// [`TermError`] says at which byte what is wrong. Compressed and local terms are refused.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TermError> {
        Self::parse_within(bytes, Limits::default())
    }

    /// Does what [`Term::parse`] does, within limits of your own.
    ///
    /// # Errors
    /// As [`Term::parse`]; [`TermFault::TooDeep`] and [`TermFault::TooLong`] when a limit is passed.
    pub fn parse_within(bytes: &'a [u8], limits: Limits) -> Result<Self, TermError> {
        if bytes.len() > limits.bytes {
            return Err(TermError { at: 0, fault: TermFault::TooLong });
        }
        // no term begins with this byte
        let r = Reader::new(bytes.strip_prefix(&[tag::VERSION]).unwrap_or(bytes));
        Self::whole(bytes, r, limits).map_err(|e| match e {
            // and what begins with none of either is rather a wrong version
            TermError { at: 0, fault: TermFault::Tag(other) } => TermError { at: 0, fault: TermFault::Version(other) },
            e => e,
        })
    }

    /// Takes the payload of a message: one whole term, and its version byte in front.
    #[inline]
    pub(crate) fn payload(bytes: &'a [u8]) -> Result<Self, TermError> {
        let r = behind_version(bytes)?;
        Self::whole(bytes, r, Limits::default())
    }

    #[inline]
    fn whole(bytes: &'a [u8], mut r: Reader<'a>, limits: Limits) -> Result<Self, TermError> {
        let start = r;
        let depth = limits.depth.min(Limits::MAX_DEPTH);
        let containers = walk::<true>(&mut r).map_err(|fault| fault_at(bytes, r.rest(), fault))?;
        if containers > usize::from(depth) {
            check_depth(start.up_to(&r), depth).map_err(|rest| fault_at(bytes, rest, TermFault::TooDeep))?;
        }
        if r.rest().is_empty() {
            Ok(Self { bytes: start.up_to(&r) })
        } else {
            Err(fault_at(bytes, r.rest(), TermFault::Trailing))
        }
    }

    /// Reads the next term of bytes that were not checked yet, without a version byte.
    pub(crate) fn check(r: &mut Reader<'a>) -> Result<Self, TermFault> {
        let start = *r;
        if walk::<true>(r)? > usize::from(Limits::MAX_DEPTH) && check_depth(start.up_to(r), Limits::MAX_DEPTH).is_err() {
            return Err(TermFault::TooDeep);
        }
        Ok(Self { bytes: start.up_to(r) })
    }

    /// Reads the next term of bytes that were checked before.
    #[inline]
    pub(crate) fn next(r: &mut Reader<'a>) -> Option<Self> {
        let len = match r.leaf_len() {
            Some(len) => len,
            None => walked_len(*r)?,
        };
        r.bytes(len).ok().map(|bytes| Self { bytes })
    }

    /// Makes a term of bytes that were checked before and stored.
    #[inline]
    pub(crate) const fn trusted(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Returns the bytes of the term, without the version byte: equal bytes are equal terms, though not the other way round.
    #[inline]
    pub const fn as_bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// Returns the term's value.
    pub fn value(self) -> Value<'a> {
        // A term that was checked has a value; were it not so, it would read as the empty list.
        self.try_value().unwrap_or(Value::Nil)
    }

    fn try_value(self) -> Result<Value<'a>, TermFault> {
        let mut r = Reader::new(self.bytes);
        let all = r;
        Ok(match r.u8()? {
            tag::SMALL_INTEGER => Value::Integer(i64::from(r.u8()?)),
            tag::INTEGER => Value::Integer(i32::from_be_bytes(r.u32()?.to_be_bytes()).into()),
            tag::SMALL_BIG => big(r.u8()?.into(), &mut r)?,
            tag::LARGE_BIG => big(r.len32()?, &mut r)?,
            tag::NEW_FLOAT => Value::Float(f64::from_bits(r.u64()?)),
            tag::FLOAT => Value::Float(old_float(r.bytes(31)?)?),
            tag::SMALL_ATOM_UTF8 | tag::ATOM_UTF8 | tag::SMALL_ATOM | tag::ATOM => {
                r = all;
                Value::Atom(Atom::read::<false>(&mut r)?)
            }
            tag::SMALL_TUPLE => Value::Tuple(Elements { left: r.u8()?.into(), r }),
            tag::LARGE_TUPLE => Value::Tuple(Elements { left: r.u32()?, r }),
            tag::NIL => Value::Nil,
            tag::STRING | tag::LIST => {
                let mut list = List::new(all);
                if list.is_nil() {
                    Value::Nil
                } else if list.left == 0 && list.string.is_empty() {
                    // a list of no elements is its tail, which is no list here
                    Term::next(&mut list.r).map_or(Value::Nil, Term::value)
                } else {
                    Value::List(list)
                }
            }
            tag::BINARY => Value::Binary(r.bytes32()?),
            tag::BIT_BINARY => {
                let len = r.len32()?;
                let last = r.u8()?;
                let bytes = r.bytes(len)?;
                if last == 8 || len == 0 { Value::Binary(bytes) } else { Value::Bits(Bits { bytes, last }) }
            }
            tag::MAP => Value::Map(Pairs { left: r.u32()?, r }),
            tag::NEW_PID | tag::PID => {
                r = all;
                Value::Pid(Pid::read::<false>(&mut r)?)
            }
            tag::V4_PORT | tag::NEW_PORT | tag::PORT => {
                r = all;
                Value::Port(Port::read::<false>(&mut r)?)
            }
            tag::NEWER_REFERENCE | tag::NEW_REFERENCE | tag::REFERENCE => {
                r = all;
                Value::Reference(Reference::read::<false>(&mut r)?)
            }
            tag::NEW_FUN => Value::Fun(fun::<false>(&mut r)?.0),
            tag::EXPORT => Value::Export(export::<false>(&mut r)?),
            tag::RECORD => Value::Record(record::<false>(&mut r)?.0),
            other => return Err(TermFault::Tag(other)),
        })
    }

    /// Returns the integer, if it is one that fits.
    #[inline]
    pub fn as_i64(self) -> Option<i64> {
        let mut r = Reader::new(self.bytes);
        match r.u8().ok()? {
            tag::SMALL_INTEGER => r.u8().ok().map(i64::from),
            tag::INTEGER => r.u32().ok().map(|value| i32::from_be_bytes(value.to_be_bytes()).into()),
            _ => self.as_big_i64(),
        }
    }

    fn as_big_i64(self) -> Option<i64> {
        match self.value() {
            Value::Integer(value) => Some(value),
            _ => None,
        }
    }

    /// Returns the integer, if it is one from 0 to 2^64 - 1.
    pub fn as_u64(self) -> Option<u64> {
        match self.value() {
            Value::Integer(value) => u64::try_from(value).ok(),
            Value::Big(Big { negative: false, magnitude }) if magnitude.len() <= 8 => {
                Some(magnitude.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
            }
            _ => None,
        }
    }

    /// Returns the number: a float, or an integer of 64 bits as the nearest float.
    #[inline]
    pub fn as_f64(self) -> Option<f64> {
        let mut r = Reader::new(self.bytes);
        if r.u8() == Ok(tag::NEW_FLOAT) { r.u64().ok().map(f64::from_bits) } else { self.as_rare_f64() }
    }

    fn as_rare_f64(self) -> Option<f64> {
        match self.bytes.split_first()? {
            (&tag::FLOAT, text) => old_float(text).ok(),
            _ => self.as_i64().map(|value| value as f64),
        }
    }

    /// Returns the atom, if it is one.
    #[inline]
    pub fn as_atom(self) -> Option<Atom<'a>> {
        Atom::read::<false>(&mut Reader::new(self.bytes)).ok()
    }

    /// Returns true if it is this atom.
    #[inline]
    pub fn is_atom(self, text: &str) -> bool {
        match self.bytes.split_first_chunk::<2>() {
            // nearly every atom; its length is the term's, so its text is all of the rest
            Some(([tag::SMALL_ATOM_UTF8, _], rest)) => rest == text.as_bytes(),
            _ => self.as_atom().is_some_and(|atom| atom == text),
        }
    }

    /// Returns the boolean, if it is the atom `true` or `false`.
    pub fn as_bool(self) -> Option<bool> {
        let atom = self.as_atom()?;
        if atom == "true" {
            Some(true)
        } else if atom == "false" {
            Some(false)
        } else {
            None
        }
    }

    /// Returns the binary, if it is one.
    #[inline]
    pub fn as_binary(self) -> Option<&'a [u8]> {
        let mut r = Reader::new(self.bytes);
        match r.u8().ok()? {
            tag::BINARY => r.bytes32().ok(),
            tag::BIT_BINARY => match self.value() {
                Value::Binary(bytes) => Some(bytes),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the text of a binary that is UTF-8: what Elixir calls a string.
    pub fn as_str(self) -> Option<&'a str> {
        core::str::from_utf8(self.as_binary()?).ok()
    }

    /// Returns the elements of a tuple.
    #[inline]
    pub fn as_tuple(self) -> Option<Elements<'a>> {
        let mut r = Reader::new(self.bytes);
        match r.u8().ok()? {
            tag::SMALL_TUPLE => Some(Elements { left: r.u8().ok()?.into(), r }),
            tag::LARGE_TUPLE => Some(Elements { left: r.u32().ok()?, r }),
            _ => None,
        }
    }

    /// Returns the elements of a tuple of exactly `N`.
    ///
    /// ```
    /// # use beamless::Term;
    /// let term = Term::parse(&[131, 104, 2, 119, 2, b'o', b'k', 97, 7]).unwrap();
    /// let Some([tag, value]) = term.tuple() else { panic!() };
    /// assert!(tag.is_atom("ok") && value.as_i64() == Some(7));
    /// ```
    #[inline]
    pub fn tuple<const N: usize>(self) -> Option<[Term<'a>; N]> {
        let mut elements = self.as_tuple()?;
        if elements.len() != N {
            return None;
        }
        let mut all = [Self { bytes: &[] }; N];
        for slot in &mut all {
            *slot = elements.next()?;
        }
        Some(all)
    }

    /// Returns the elements of a list, the empty one included.
    pub fn as_list(self) -> Option<List<'a>> {
        match self.bytes.first() {
            Some(&(tag::NIL | tag::LIST | tag::STRING)) => Some(List::new(Reader::new(self.bytes))),
            _ => None,
        }
    }

    /// Returns the pairs of a map.
    #[inline]
    pub fn as_map(self) -> Option<Pairs<'a>> {
        let mut r = Reader::new(self.bytes);
        if r.u8().ok()? != tag::MAP {
            return None;
        }
        Some(Pairs { left: r.u32().ok()?, r })
    }

    /// Keeps the term in a buffer of the caller's.
    ///
    /// # Errors
    /// [`Full::Message`] with the bytes it takes when `buf` is too small.
    pub fn copy_to(self, buf: &mut [u8]) -> Result<Term<'_>, Full> {
        let (needed, limit) = (self.bytes.len(), buf.len());
        let room = buf.get_mut(..needed).ok_or(Full::Message { needed, limit })?;
        room.copy_from_slice(self.bytes);
        Ok(Term { bytes: room })
    }

    /// Returns the pid, if it is one.
    #[inline]
    pub fn as_pid(self) -> Option<Pid<'a>> {
        Pid::read::<false>(&mut Reader::new(self.bytes)).ok()
    }

    /// Returns the reference, if it is one.
    pub fn as_reference(self) -> Option<Reference<'a>> {
        Reference::read::<false>(&mut Reader::new(self.bytes)).ok()
    }
}

/// Returns the bytes behind the version byte.
#[inline]
fn behind_version(bytes: &[u8]) -> Result<Reader<'_>, TermError> {
    match bytes.split_first() {
        Some((&tag::VERSION, rest)) => Ok(Reader::new(rest)),
        Some((other, _)) => Err(TermError { at: 0, fault: TermFault::Version(*other) }),
        None => Err(TermError { at: 0, fault: TermFault::Truncated }),
    }
}

/// The elements of a tuple, in order.
#[derive(Debug, Clone, Copy)]
pub struct Elements<'a> {
    /// Behind the last element there is nothing.
    r: Reader<'a>,
    left: u32,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Term<'a>;

    #[inline]
    fn next(&mut self) -> Option<Term<'a>> {
        self.left = self.left.checked_sub(1)?;
        if self.left == 0 { Some(Term { bytes: self.r.rest() }) } else { Term::next(&mut self.r) }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}
impl ExactSizeIterator for Elements<'_> {}

/// The pairs of a map, in the order the sender wrote them.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    /// Behind the last value there is nothing.
    r: Reader<'a>,
    left: u32,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (Term<'a>, Term<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let key = Term::next(&mut self.r)?;
        if self.left == 0 { Some((key, Term { bytes: self.r.rest() })) } else { Some((key, Term::next(&mut self.r)?)) }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).unwrap_or(usize::MAX);
        (left, Some(left))
    }
}
impl ExactSizeIterator for Pairs<'_> {}

/// The elements of a list, in order; after the last one, [`List::tail`] tells whether the list was proper.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    /// A reader at the next element, or at the tail when none is `left`.
    r: Reader<'a>,
    left: u32,
    /// The elements still due of a list that was sent as bytes.
    string: &'a [u8],
}

impl<'a> List<'a> {
    fn new(r: Reader<'a>) -> Self {
        let mut list = Self { r, left: 0, string: &[] };
        list.open_tail();
        list
    }

    /// Goes on with a tail that is a list again.
    fn open_tail(&mut self) {
        while self.left == 0 && self.string.is_empty() {
            let mut r = self.r;
            match r.u8() {
                Ok(tag::LIST) => self.left = r.u32().unwrap_or(0),
                Ok(tag::STRING) => {
                    self.string = r.bytes16().unwrap_or(&[]);
                    // a string ends its list
                    self.r = Reader::new(&[tag::NIL]);
                    return;
                }
                _ => return,
            }
            self.r = r;
        }
    }

    fn is_nil(&self) -> bool {
        self.left == 0 && self.string.is_empty() && self.r.peek() == Ok(tag::NIL)
    }

    /// Returns the term behind the last element of an improper list, such as `b` of `[a|b]`; `None` for a proper one.
    pub fn tail(mut self) -> Option<Term<'a>> {
        while self.next().is_some() {}
        if self.is_nil() { None } else { Term::next(&mut self.r) }
    }
}

/// The terms of the integers 0 to 255, for lists that were sent as bytes.
static BYTE_TERMS: [[u8; 2]; 256] = {
    let mut all = [[0; 2]; 256];
    let (mut rest, mut byte): (&mut [[u8; 2]], u8) = (&mut all, 0);
    while let Some((term, behind)) = rest.split_first_mut() {
        *term = [tag::SMALL_INTEGER, byte];
        (rest, byte) = (behind, byte.wrapping_add(1));
    }
    all
};

impl<'a> Iterator for List<'a> {
    type Item = Term<'a>;

    fn next(&mut self) -> Option<Term<'a>> {
        if let Some((byte, rest)) = self.string.split_first() {
            self.string = rest;
            return BYTE_TERMS.get(usize::from(*byte)).map(|bytes| Term { bytes });
        }
        self.left = self.left.checked_sub(1)?;
        let term = Term::next(&mut self.r);
        self.open_tail();
        term
    }
}

/// Returns the length of a term of any kind. It stands out of line, so that what most terms are takes no more than it needs.
#[inline(never)]
fn walked_len(start: Reader<'_>) -> Option<usize> {
    let mut r = start;
    walk::<false>(&mut r).ok()?;
    Some(start.up_to(&r).len())
}

fn fault_at(all: &[u8], rest: &[u8], fault: TermFault) -> TermError {
    let at = all.len().saturating_sub(rest.len());
    TermError { at: u32::try_from(at).unwrap_or(u32::MAX), fault }
}

fn big<'a>(len: usize, r: &mut Reader<'a>) -> Result<Value<'a>, TermFault> {
    let negative = r.u8()? != 0;
    let mut magnitude = r.bytes(len)?;
    while let Some((0, head)) = magnitude.split_last() {
        magnitude = head;
    }
    if magnitude.len() <= 8 {
        let small = magnitude.iter().rev().fold(0_i128, |sum, byte| (sum << 8) | i128::from(*byte));
        let signed = if negative { small.wrapping_neg() } else { small };
        if let Ok(value) = i64::try_from(signed) {
            return Ok(Value::Integer(value));
        }
    }
    Ok(Value::Big(Big { negative, magnitude }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::captured::{captured, damaged};

    #[test]
    fn every_captured_term_is_read_and_two_kinds_are_refused() {
        for found in captured("term/*") {
            match Term::parse(&found.bytes) {
                Ok(term) => assert_eq!([&[131], term.as_bytes()].concat(), found.bytes),
                Err(TermError { at: 1, fault: TermFault::Compressed }) => assert!(found.name.starts_with("term/compressed")),
                Err(TermError { at: 1, fault: TermFault::Local }) => assert!(found.name.starts_with("term/local")),
                Err(e) => panic!("{} of OTP {}: {e}", found.name, found.otp),
            }
        }
    }

    /// Looks at everything that can be looked at.
    fn visit(term: Term<'_>) -> usize {
        match term.value() {
            Value::Tuple(elements) => elements.map(visit).sum(),
            Value::List(list) => list.map(visit).sum::<usize>() + list.tail().map_or(0, visit),
            Value::Map(pairs) => pairs.map(|(key, value)| visit(key) + visit(value)).sum(),
            Value::Record(record) => record.fields().map(|(name, value)| visit(name) + visit(value)).sum(),
            _ => 1,
        }
    }

    struct Nowhere;

    impl core::fmt::Write for Nowhere {
        fn write_str(&mut self, _: &str) -> core::fmt::Result {
            Ok(())
        }
    }

    #[test]
    fn damage_is_refused_or_read() {
        damaged("term/*", |bytes| {
            if let Ok(term) = Term::parse(bytes) {
                assert!(visit(term) <= bytes.len());
                core::fmt::write(&mut Nowhere, format_args!("{term}")).unwrap();
            }
        });
    }

    fn nested(levels: usize) -> Vec<u8> {
        let mut bytes = vec![131];
        (0..levels).for_each(|_| bytes.extend([104, 1]));
        bytes.push(106);
        bytes
    }

    #[test]
    fn depth_and_length_have_limits() {
        assert!(Term::parse(&nested(1024)).is_ok());
        let too_deep = Term::parse(&nested(1025)).unwrap_err();
        assert_eq!(too_deep, TermError { at: 2049, fault: TermFault::TooDeep });
        assert!(Term::parse(&nested(1_000_000)).is_err());
        let limits = Limits::new(3, 100);
        assert!(Term::parse_within(&nested(3), limits).is_ok() && Term::parse_within(&nested(4), limits).is_err());
        assert_eq!(Term::parse_within(&[131; 101], limits).unwrap_err().fault, TermFault::TooLong);
        // wide is not deep: a tuple of a thousand tuples, and a list that goes on in its tail a thousand times
        let wide = [&[131, 105, 0, 0, 3, 232][..], &[104, 1, 106].repeat(1000)].concat();
        assert!(Term::parse(&wide).is_ok());
        let long = [&[131][..], &[108, 0, 0, 0, 1, 97, 1].repeat(1000), &[106]].concat();
        assert_eq!(Term::parse(&long).unwrap().as_list().unwrap().count(), 1000);
    }

    #[test]
    fn lengths_that_lie_are_refused_at_once() {
        for bytes in [
            &[131, 105, 255, 255, 255, 255][..],
            &[131, 108, 255, 255, 255, 255, 106],
            &[131, 116, 255, 255, 255, 255, 106],
            &[131, 109, 255, 255, 255, 255, 1],
            &[131, 111, 255, 255, 255, 255, 0],
            &[131, 67, 255, 255, 255, 255, 0, 119, 0, 119, 0],
        ] {
            assert_eq!(Term::parse(bytes).unwrap_err().fault, TermFault::Truncated, "{bytes:?}");
        }
    }

    #[test]
    fn views() {
        let list = Term::parse(&[131, 108, 0, 0, 0, 2, 97, 1, 97, 2, 97, 3]).unwrap().as_list().unwrap();
        assert_eq!(list.map(|term| term.as_i64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(list.tail().and_then(Term::as_i64), Some(3));
        let string = Term::parse(&[131, 107, 0, 2, 104, 105]).unwrap().as_list().unwrap();
        assert!(string.map(|term| term.as_i64().unwrap()).eq([104, 105]) && string.tail().is_none());
        let map = Term::parse(&[131, 116, 0, 0, 0, 1, 119, 1, b'k', 98, 255, 255, 255, 255]).unwrap();
        assert_eq!((map.get("k").and_then(Term::as_i64), map.get("x").is_none()), (Some(-1), true));
        let old_atom = Term::parse(&[131, 100, 0, 2, b'o', b'k']).unwrap();
        assert!(old_atom.is_atom("ok") && !old_atom.is_atom("no"));
        let minus_big = Term::parse(&[131, 110, 9, 1, 0, 0, 0, 0, 0, 0, 0, 128, 0]).unwrap();
        assert_eq!((minus_big.as_i64(), minus_big.as_u64()), (Some(i64::MIN), None));
        let empty_with_tail = Term::parse(&[131, 108, 0, 0, 0, 0, 97, 1]).unwrap();
        assert!(matches!(empty_with_tail.value(), Value::Integer(1)));
    }

    /// Each of the forms that few terms have, through the method that reads its kind.
    #[test]
    fn rare_forms_are_read_as_what_they_are() {
        let old_float = [&b"\x63"[..], b"1.50000000000000000000e+00", &[0; 5]].concat();
        assert_eq!(Term::parse(&old_float).unwrap().as_f64(), Some(1.5));
        assert_eq!(Term::parse(&[97, 3]).unwrap().as_f64(), Some(3.0));
        let whole = Term::parse(b"\x4d\0\0\0\x01\x08a").unwrap();
        assert_eq!((whole.as_binary(), whole.as_str()), (Some(&b"a"[..]), Some("a")));
        assert_eq!(Term::parse(b"\x4d\0\0\0\x01\x07a").unwrap().as_binary(), None);
        let large = Term::parse(&[105, 0, 0, 0, 2, 97, 1, 97, 2]).unwrap();
        assert_eq!(large.tuple().map(|[a, b]| (a.as_i64(), b.as_i64())), Some((Some(1), Some(2))));
        assert_eq!(Term::parse(&[110, 8, 0, 1, 2, 0, 0, 0, 0, 0, 255]).unwrap().as_u64(), Some(0xff00_0000_0000_0201));
        let map = Term::parse(&[116, 0, 0, 0, 2, 97, 1, 97, 2, 97, 3, 97, 4]).unwrap();
        let mut pairs = map.as_map().unwrap();
        assert_eq!((pairs.len(), pairs.next().is_some(), pairs.len()), (2, true, 1));
        // a native record of OTP 29: its names, then its values
        for found in captured("term/native_record*").iter().filter(|found| found.bytes[1] == tag::RECORD) {
            let Value::Record(record) = Term::parse(&found.bytes).unwrap().value() else { panic!("{}", found.name) };
            assert_eq!(record.fields().count(), usize::try_from(record.count).unwrap(), "{}", found.name);
        }
    }

    /// A limit may be reached, by the bytes and by the levels, and not be passed.
    #[test]
    fn every_kind_of_container_counts_as_a_level() {
        let fun = |free: &[u8]| {
            let pid = b"\x58\x77\x03a@b\0\0\0\x01\0\0\0\0\0\0\0\x01";
            [&[112, 0, 0, 0, 0, 0][..], &[0; 16], &[0; 4], &[0, 0, 0, 1], b"\x77\x01m", &[97, 0, 97, 0], pid, free].concat()
        };
        let record = |value: &[u8]| [&[tag::RECORD, 0, 0, 0, 1, 1][..], b"\x77\x01m\x77\x01r\x77\x01f", value].concat();
        type Wrap<'w> = &'w dyn Fn(&[u8]) -> Vec<u8>;
        let kinds: [Wrap<'_>; 6] = [
            &|inner| [&[104, 1][..], inner].concat(),
            &|inner| [&[105, 0, 0, 0, 1][..], inner].concat(),
            &|inner| [&[116, 0, 0, 0, 1, 106][..], inner].concat(),
            &|inner| [&[108, 0, 0, 0, 1][..], inner, &[106]].concat(),
            &fun,
            &record,
        ];
        for (kind, wrap) in kinds.iter().enumerate() {
            // siblings are no levels
            let level = |inner: &[u8]| [&[104, 2][..], &wrap(inner), &wrap(&[106])].concat();
            let two = level(&level(&[106]));
            let at = |depth, bytes| Term::parse_within(&two, Limits { depth, bytes }).map(|_| ()).map_err(|e| e.fault);
            assert_eq!(at(4, two.len()), Ok(()), "{kind}");
            assert_eq!(at(3, two.len()), Err(TermFault::TooDeep), "{kind}");
            assert_eq!(at(4, two.len() - 1), Err(TermFault::TooLong), "{kind}");
        }
    }
}
