//! Values read from terms.

use core::fmt;

use serde_core::de::value::{SeqDeserializer, StrDeserializer};
use serde_core::de::{self, DeserializeSeed, Visitor};

use super::error::{Error, cut};
use super::mode::{ELIXIR, Mode, STRUCT};
use crate::wire::codes::tag;
use crate::wire::ids::Atom;
use crate::wire::term::{Elements, List, Pairs, Term, Value};
use crate::wire::value::Big;

/// Levels of tuples, lists, maps, variants and newtypes inside each other that a value may have. Each takes 1 to 3 KiB of stack where it is
/// read, and 3 to 7 in a build without optimization: all of them have room on a stack of 512 KiB, unless
/// the type has large values inside itself.
pub(super) const DEPTH: u8 = 64;

/// Bytes of text of a charlist that cannot be borrowed.
const CHARLIST: usize = 1024;

/// The least float of which the nearest of 32 bits is infinite: 2^128 - 2^103.
const NO_F32: f64 = f64::from_bits(0x47EF_FFFF_F000_0000);

/// A term as any serde type reads it; [`Term::deserialize`] is the short way.
///
/// It is for what takes a deserializer, such as a seed, or a program that copies from one format to another.
#[derive(Debug, Clone, Copy)]
pub struct Deserializer<'de> {
    term: Term<'de>,
    /// Levels that may still be opened.
    left: u8,
    mode: Mode,
}

impl<'de> Deserializer<'de> {
    /// Reads this term.
    pub const fn new(term: Term<'de>) -> Self {
        Self { term, left: DEPTH, mode: Mode::Plain }
    }

    fn expected(&self, what: impl fmt::Display) -> Error {
        Error::expected(what, self.term)
    }

    /// Goes one level further in.
    fn opened(self) -> Result<Self, Error> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(Error::new(format_args!("nested deeper than {DEPTH} levels"))),
        }
    }

    /// Goes on with a part of this term.
    fn part(&self, term: Term<'de>) -> Self {
        Self { term, ..*self }
    }

    /// Returns the sign and the magnitude of an integer of up to 128 bits that is none of 64.
    fn wide(&self) -> Option<(bool, u128)> {
        match self.term.value() {
            Value::Big(Big { negative, magnitude }) if magnitude.len() <= 16 => {
                Some((negative, magnitude.iter().rev().fold(0, |sum, byte| (sum << 8) | u128::from(*byte))))
            }
            _ => None,
        }
    }

    fn integer<T: TryFrom<i64> + TryFrom<i128> + TryFrom<u128>>(&self, what: &'static str) -> Result<T, Error> {
        if let Some(value) = self.term.as_i64() {
            return T::try_from(value).map_err(|_| self.expected(what));
        }
        let value = match self.wide() {
            Some((false, magnitude)) => T::try_from(magnitude).ok(),
            Some((true, magnitude)) => 0_i128.checked_sub_unsigned(magnitude).and_then(|value| T::try_from(value).ok()),
            None => None,
        };
        value.ok_or_else(|| self.expected(what))
    }

    fn float(&self) -> Result<f64, Error> {
        let wide = || self.wide().map(|(negative, magnitude)| if negative { -(magnitude as f64) } else { magnitude as f64 });
        self.term.as_f64().or_else(wide).ok_or_else(|| self.expected("a float"))
    }

    /// Returns true if the term is `None`.
    fn is_none(&self) -> bool {
        ["nil", "undefined", "null"].into_iter().any(|none| self.term.is_atom(none))
    }

    /// Hands the text of this term to the visitor; what is text, the mode says.
    fn text<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let atom = if matches!(self.mode, Mode::Atom | Mode::Key | Mode::Field) { self.term.as_atom() } else { None };
        match (self.mode, atom) {
            (_, Some(atom)) => visit_atom(atom, visitor),
            (Mode::Atom, None) => Err(self.expected("an atom")),
            (Mode::Charlist, _) => self.charlist(visitor),
            _ => match self.term.as_str() {
                Some(text) => visitor.visit_borrowed_str(text),
                None => Err(self.expected("a binary of UTF-8")),
            },
        }
    }

    fn charlist<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if let [tag::STRING, _, _, bytes @ ..] = self.term.as_bytes() {
            if let Some(text) = core::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()) {
                return visitor.visit_borrowed_str(text);
            }
        }
        let wrong = || self.expected("a list of characters");
        let list = self.term.as_list().filter(|list| list.tail().is_none()).ok_or_else(wrong)?;
        let mut text = heapless::String::<CHARLIST>::new();
        for element in list {
            let c = character(element).ok_or_else(wrong)?;
            text.push(c).map_err(|_| Error::new(format_args!("a charlist of integers has at most {CHARLIST} bytes of text")))?;
        }
        visitor.visit_str(&text)
    }

    /// Reads a list or, where the number of elements is known, a tuple of them.
    fn sequence<V: Visitor<'de>>(self, len: Option<usize>, visitor: V) -> Result<V::Value, Error> {
        let elements = match (self.mode, self.term.value(), len) {
            (Mode::Binary, Value::Binary(bytes), _) => return self.bytes(bytes, len, visitor),
            (Mode::Binary, ..) => return Err(self.expected("a binary")),
            (_, Value::Tuple(elements), Some(_)) => Source::Tuple(elements),
            (_, Value::List(list), _) => Source::List(list),
            (_, Value::Nil, _) => Source::None,
            _ => return Err(self.expected(Wanted(len))),
        };
        self.opened()?.visit(elements, len, visitor)
    }

    /// Hands these elements to the visitor, which must take all of them.
    fn visit<V: Visitor<'de>>(self, source: Source<'de>, len: Option<usize>, visitor: V) -> Result<V::Value, Error> {
        let mut sequence = Sequence { source, at: self, count: 0 };
        let value = visitor.visit_seq(&mut sequence)?;
        if sequence.source.is_at_end() { Ok(value) } else { Err(self.expected(Wanted(len))) }
    }

    /// Hands the bytes of a binary to the visitor, one by one.
    fn bytes<V: Visitor<'de>>(self, bytes: &'de [u8], len: Option<usize>, visitor: V) -> Result<V::Value, Error> {
        let mut all = SeqDeserializer::<_, Error>::new(bytes.iter().copied());
        let value = visitor.visit_seq(&mut all)?;
        all.end().map_err(|_| self.expected(format_args!("a binary of {} bytes", len.unwrap_or(0))))?;
        Ok(value)
    }

    fn entries<V: Visitor<'de>>(self, key: Mode, stamped: bool, visitor: V) -> Result<V::Value, Error> {
        let pairs = self.term.as_map().ok_or_else(|| self.expected("a map"))?;
        visitor.visit_map(Entries { pairs, at: self.opened()?, key, stamped, last: None })
    }

    /// Hands on what is no number, text or container to serde: a newtype of the bytes of its term, so that nobody takes them for text.
    fn opaque<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(Self { mode: Mode::Term, ..self.opened()? })
    }
}

/// Returns the integer as a character.
fn character(term: Term<'_>) -> Option<char> {
    term.as_i64().and_then(|value| u32::try_from(value).ok()).and_then(char::from_u32)
}

fn visit_atom<'de, V: Visitor<'de>>(atom: Atom<'de>, visitor: V) -> Result<V::Value, Error> {
    match atom.as_str() {
        Some(text) => visitor.visit_borrowed_str(text),
        None => visitor.visit_str(&atom.to_utf8()),
    }
}

/// The kind that a sequence should have been.
struct Wanted(Option<usize>);

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(len) => write!(f, "a tuple of {len}"),
            None => f.write_str("a proper list"),
        }
    }
}

impl<'de> de::Deserializer<'de> for Deserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.term.value() {
            _ if self.mode == Mode::Term => visitor.visit_borrowed_bytes(self.term.as_bytes()),
            Value::Integer(value) => match u64::try_from(value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_) => visitor.visit_i64(value),
            },
            Value::Big(_) => match (self.term.as_u64(), self.wide()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some((false, magnitude))) => visitor.visit_u128(magnitude),
                (None, Some((true, magnitude))) => match 0_i128.checked_sub_unsigned(magnitude) {
                    Some(value) => visitor.visit_i128(value),
                    None => self.opaque(visitor),
                },
                (None, None) => self.opaque(visitor),
            },
            Value::Float(value) => visitor.visit_f64(value),
            Value::Atom(atom) if matches!(self.mode, Mode::Key | Mode::Field) => visit_atom(atom, visitor),
            Value::Atom(_) if self.is_none() => visitor.visit_unit(),
            Value::Atom(atom) => match self.term.as_bool() {
                Some(value) => visitor.visit_bool(value),
                None => visit_atom(atom, visitor),
            },
            Value::Tuple(elements) if elements.len() == 0 => visitor.visit_unit(),
            Value::Tuple(elements) => self.opened()?.visit(Source::Tuple(elements), Some(elements.len()), visitor),
            Value::Nil => self.visit(Source::None, None, visitor),
            Value::List(list) => self.opened()?.visit(Source::List(list), None, visitor),
            Value::Binary(bytes) => match core::str::from_utf8(bytes) {
                Ok(text) => visitor.visit_borrowed_str(text),
                Err(_) => visitor.visit_borrowed_bytes(bytes),
            },
            Value::Map(_) => self.entries(Mode::Key, false, visitor),
            _ => self.opaque(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.term.as_bool().ok_or_else(|| self.expected("true or false"))?)
    }

    fn deserialize_i8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i8(self.integer("an integer from -128 to 127")?)
    }

    fn deserialize_i16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i16(self.integer("an integer from -32768 to 32767")?)
    }

    fn deserialize_i32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i32(self.integer("an integer from -2147483648 to 2147483647")?)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.integer("an integer from -2^63 to 2^63-1")?)
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i128(self.integer("an integer from -2^127 to 2^127-1")?)
    }

    fn deserialize_u8<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u8(self.integer("an integer from 0 to 255")?)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u16(self.integer("an integer from 0 to 65535")?)
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u32(self.integer("an integer from 0 to 4294967295")?)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.integer("an integer from 0 to 2^64-1")?)
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u128(self.integer("an integer from 0 to 2^128-1")?)
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let wide = self.float()?;
        if wide.abs() < NO_F32 {
            // whoever wants 32 bits takes the nearest float of them
            visitor.visit_f64(wide)
        } else {
            Err(self.expected("a float of 32 bits"))
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.float()?)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match character(self.term) {
            Some(c) => visitor.visit_char(c),
            None => self.text(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.text(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.mode == Mode::Term {
            return visitor.visit_borrowed_bytes(self.term.as_bytes());
        }
        visitor.visit_borrowed_bytes(self.term.as_binary().ok_or_else(|| self.expected("a binary"))?)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.term.as_tuple() {
            Some(elements) if elements.len() == 0 => visitor.visit_unit(),
            _ if self.is_none() => visitor.visit_unit(),
            _ => Err(self.expected("{}")),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        if self.term.is_atom(name) { visitor.visit_unit() } else { Err(self.expected(format_args!("the atom {name}"))) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        // a type can be a newtype of itself, which is a level without a term of its own
        let inside = self.opened()?;
        match Mode::of(name) {
            Some(Mode::Term) => visitor.visit_borrowed_bytes(self.term.as_bytes()),
            Some(mode) => visitor.visit_newtype_struct(Self { mode, ..inside }),
            None => visitor.visit_newtype_struct(inside),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.sequence(None, visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.sequence(Some(len), visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.sequence(Some(len), visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.entries(Mode::Key, false, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name.starts_with(ELIXIR) {
            if let Some(other) = self.term.get(STRUCT).filter(|other| !other.is_atom(name)) {
                return Err(Error::expected(format_args!("the struct {name}"), other));
            }
        }
        self.entries(Mode::Field, !fields.contains(&STRUCT), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let mut rest = self.term.as_tuple();
        let tag = match &mut rest {
            Some(elements) => elements.next(),
            None => Some(self.term),
        };
        // the key of a map may be a binary, as from JSON
        let is_tag = |term: &Term<'_>| term.as_atom().is_some() || (self.mode == Mode::Key && term.as_str().is_some());
        let Some(tag) = tag.filter(is_tag) else {
            return Err(self.expected(if rest.is_some() { "a tuple with an atom first" } else { "an atom" }));
        };
        let result = name == "Result" && !variants.contains(&"ok");
        visitor.visit_enum(Variant { tag, rest, result, at: self.opened()? })
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match (self.mode, self.term.as_atom(), self.term.as_str()) {
            (_, Some(atom), _) => visit_atom(atom, visitor),
            (_, _, Some(text)) => visitor.visit_borrowed_str(text),
            // an integer would be the number of a field to serde
            (Mode::Field, ..) => visitor.visit_str(&cut::<64>(self.term)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // its bytes were checked when it came, and nobody looks into it
        visitor.visit_unit()
    }
}

/// The elements of a sequence, wherever they come from.
#[derive(Clone, Copy)]
enum Source<'de> {
    None,
    Tuple(Elements<'de>),
    List(List<'de>),
}

impl<'de> Source<'de> {
    fn next(&mut self) -> Option<Term<'de>> {
        match self {
            Self::None => None,
            Self::Tuple(elements) => elements.next(),
            Self::List(list) => list.next(),
        }
    }

    /// Returns true if nothing is left, not even the tail of an improper list.
    fn is_at_end(mut self) -> bool {
        self.next().is_none()
            && match self {
                Self::None | Self::Tuple(_) => true,
                Self::List(list) => list.tail().is_none(),
            }
    }
}

struct Sequence<'de> {
    source: Source<'de>,
    /// The way in which the elements are read.
    at: Deserializer<'de>,
    count: usize,
}

impl<'de> de::SeqAccess<'de> for &mut Sequence<'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        let Some(term) = self.source.next() else { return Ok(None) };
        let index = self.count;
        self.count = index.saturating_add(1);
        seed.deserialize(self.at.part(term)).map(Some).map_err(|e| e.at(index))
    }

    fn size_hint(&self) -> Option<usize> {
        match &self.source {
            Source::None => Some(0),
            Source::Tuple(elements) => Some(elements.len()),
            Source::List(_) => None,
        }
    }
}

struct Entries<'de> {
    pairs: Pairs<'de>,
    /// The way in which the values are read.
    at: Deserializer<'de>,
    /// The mode of the keys.
    key: Mode,
    /// The name of an Elixir struct is passed over.
    stamped: bool,
    last: Option<(Term<'de>, Term<'de>)>,
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let stamped = self.stamped;
        self.last = self.pairs.find(|(key, _)| !(stamped && key.is_atom(STRUCT)));
        let Some((key, _)) = self.last else { return Ok(None) };
        seed.deserialize(Deserializer { mode: self.key, ..self.at.part(key) }).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let Some((key, value)) = self.last else { return Err(Error::new("a value was asked for before its key")) };
        seed.deserialize(self.at.part(value)).map_err(|e| e.under(key))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.pairs.len())
    }
}

/// An atom alone, or a tuple that begins with one.
struct Variant<'de> {
    tag: Term<'de>,
    /// The elements of the tuple that follow.
    rest: Option<Elements<'de>>,
    /// True for `Result`, whose variants are `ok` and `error` in Erlang.
    result: bool,
    /// The way in which the values are read.
    at: Deserializer<'de>,
}

impl<'de> Variant<'de> {
    /// Returns the one value behind the tag. A result may be without, as in `ok`: that is `Ok(())`.
    fn one(&self) -> Result<Term<'de>, Error> {
        match self.rest {
            None if self.result => Ok(Term::trusted(&[tag::SMALL_TUPLE, 0])),
            Some(mut rest) if rest.len() == 1 => rest.next().ok_or_else(|| self.wrong(1)),
            _ => Err(self.wrong(1)),
        }
    }

    fn wrong(&self, len: usize) -> Error {
        let tag = self.tag;
        match self.rest {
            None => Error::new(format_args!("a tuple of {tag} and {len} more is expected, {tag} came")),
            Some(rest) => Error::new(format_args!("a tuple of {tag} and {len} more is expected, one with {} came", rest.len())),
        }
    }
}

impl<'de> de::EnumAccess<'de> for Variant<'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let rust = match self.result {
            true if self.tag.is_atom("ok") => Some("Ok"),
            true if self.tag.is_atom("error") => Some("Err"),
            _ => None,
        };
        let variant = match rust {
            Some(name) => seed.deserialize(StrDeserializer::new(name)),
            None => seed.deserialize(Deserializer { mode: Mode::Field, ..self.at.part(self.tag) }),
        };
        Ok((variant?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        match self.rest {
            None => Ok(()),
            Some(_) => Err(Error::new(format_args!("the atom {} alone is expected, a tuple with it came", self.tag))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.at.part(self.one()?)).map_err(|e| e.under(self.tag))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let Some(rest) = self.rest.filter(|rest| rest.len() == len) else { return Err(self.wrong(len)) };
        self.at.visit(Source::Tuple(rest), Some(len), visitor).map_err(|e| e.under(self.tag))
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        let value = self.at.part(self.one()?);
        de::Deserializer::deserialize_struct(value, "", fields, visitor).map_err(|e| e.under(self.tag))
    }
}
