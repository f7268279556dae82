//! Values written as terms.

use core::fmt::{self, Display, Write};

use serde_core::ser::{self, Serialize};

use super::error::Error;
use super::mode::{ELIXIR, Mode, STRUCT};
use crate::error::Misuse;
use crate::wire::build::TermWriter;
use crate::wire::codes::tag;
use crate::wire::ids::Atom;
use crate::wire::same::repeated;
use crate::wire::term::Term;

/// The settings for how values are written.
///
/// ```
/// # use beamless::{encode, Term, serde::{NoneAs, Options}};
/// const ERLANG: Options = Options::new().none(NoneAs::Undefined);
/// let mut buf = [0; 64];
/// let bytes = encode(&mut buf, |t| t.serialize_with(ERLANG, &(Some(1), None::<u8>)))?;
/// assert_eq!(Term::parse(bytes)?.to_string(), "{1,undefined}");
/// # Ok::<(), beamless::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Options {
    /// The atom that `None` is.
    pub none: NoneAs,
}

/// The atom that `None` is. When a term is read, each of them is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum NoneAs {
    /// `nil`, as in Elixir.
    #[default]
    Nil,
    /// `undefined`, as in Erlang.
    Undefined,
    /// `null`, as in the JSON libraries of both.
    Null,
}

impl NoneAs {
    const fn text(self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Undefined => "undefined",
            Self::Null => "null",
        }
    }
}

impl Options {
    /// Returns the settings by which `None` is `nil`.
    pub const fn new() -> Self {
        Self { none: NoneAs::Nil }
    }

    /// Sets the atom that `None` is.
    #[must_use]
    pub const fn none(self, none: NoneAs) -> Self {
        Self { none }
    }
}

/// Writes the value as one part of the term.
pub(super) fn write<T: Serialize + ?Sized>(t: &mut TermWriter<'_>, options: Options, value: &T) -> Result<(), Error> {
    let due = t.begin_part()?;
    value.serialize(Serializer { t, options, mode: Mode::Plain })?;
    t.end_part(due);
    Ok(())
}

/// The writer of one value.
///
/// The first element of a pair that is one integer or one bit string writes nothing; it is handed on as [`ser::Serializer::Ok`], which is 0
/// elsewhere.
struct Serializer<'s, 'b> {
    t: &'s mut TermWriter<'b>,
    options: Options,
    mode: Mode,
}

/// Returns the atom of a variant. `Result` is what Erlang has for it: `{ok, Value}` and `{error, Reason}`.
fn tag(name: &str, variant: &'static str) -> &'static str {
    match (name, variant) {
        ("Result", "Ok") => "ok",
        ("Result", "Err") => "error",
        _ => variant,
    }
}

impl<'s, 'b> Serializer<'s, 'b> {
    /// Refuses where only something else may stand.
    fn checked(self) -> Result<Self, Error> {
        match self.mode {
            Mode::Byte => Err(Error::new("only bytes make a binary")),
            Mode::Term | Mode::Big(_) | Mode::Bits(_) => Err(Error::new("a name that begins with $beamless:: is taken")),
            _ => Ok(self),
        }
    }

    fn integer<T: Copy>(self, value: T) -> Result<u8, Error>
    where
        i128: TryFrom<T>,
        u128: TryFrom<T>,
    {
        let t = self.checked()?.t;
        match i128::try_from(value).map(|wide| (i64::try_from(wide), wide)) {
            Ok((Ok(small), _)) => t.int(small)?,
            Ok((Err(_), wide)) => t.big(wide < 0, &wide.unsigned_abs().to_le_bytes())?,
            Err(_) => t.big(false, &u128::try_from(value).unwrap_or(0).to_le_bytes())?,
        };
        Ok(0)
    }

    /// Begins a tuple with the atom of a variant, in which so many elements follow.
    fn tagged(self, name: &str, variant: &'static str, len: usize) -> Result<Self, Error> {
        let this = self.checked()?;
        this.t.tuple(len.saturating_add(1))?;
        this.t.atom(tag(name, variant))?;
        Ok(this)
    }

    fn elements(self, shape: Shape) -> Elements<'s, 'b> {
        Elements { t: self.t, options: self.options, mode: self.mode, shape, at: 0, count: 0, variant: None }
    }

    /// Begins a binary, whose length is put right at its end.
    fn binary(self) -> Result<Elements<'s, 'b>, Error> {
        self.t.binary(&[])?;
        let at = count_before(self.t);
        Ok(Elements { at, ..Self { mode: Mode::Byte, ..self }.elements(Shape::Binary) })
    }

    fn tuple(self, len: usize) -> Result<Elements<'s, 'b>, Error> {
        match self.mode {
            Mode::Big(_) | Mode::Bits(_) => Ok(self.elements(Shape::Number)),
            Mode::Binary => self.binary(),
            _ => {
                let this = self.checked()?;
                this.t.tuple(len)?;
                Ok(this.elements(Shape::Tuple(len)))
            }
        }
    }

    /// Begins a map, whose number of pairs is put right at its end.
    fn pairs(self, len: usize) -> Result<Pairs<'s, 'b>, Error> {
        let Self { t, options, mode } = self.checked()?;
        t.map(len)?;
        let at = count_before(t);
        Ok(Pairs { t, options, mode, at, key: 0, value: 0, count: 0, stamped: false, disjoint: true, variant: None })
    }
}

impl<'s, 'b> ser::Serializer for Serializer<'s, 'b> {
    type Ok = u8;
    type Error = Error;
    type SerializeSeq = Elements<'s, 'b>;
    type SerializeTuple = Elements<'s, 'b>;
    type SerializeTupleStruct = Elements<'s, 'b>;
    type SerializeTupleVariant = Elements<'s, 'b>;
    type SerializeMap = Pairs<'s, 'b>;
    type SerializeStruct = Pairs<'s, 'b>;
    type SerializeStructVariant = Pairs<'s, 'b>;

    fn serialize_bool(self, value: bool) -> Result<u8, Error> {
        if matches!(self.mode, Mode::Big(_)) {
            return Ok(value.into());
        }
        self.checked()?.t.bool(value)?;
        Ok(0)
    }

    fn serialize_i8(self, value: i8) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_i16(self, value: i16) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_i32(self, value: i32) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_i64(self, value: i64) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_i128(self, value: i128) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_u8(self, value: u8) -> Result<u8, Error> {
        match self.mode {
            Mode::Bits(_) => return Ok(value),
            Mode::Byte => self.t.out().u8(value),
            _ => return self.integer(value),
        }
        Ok(0)
    }

    fn serialize_u16(self, value: u16) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_u32(self, value: u32) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_u64(self, value: u64) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_u128(self, value: u128) -> Result<u8, Error> {
        self.integer(value)
    }

    fn serialize_f32(self, value: f32) -> Result<u8, Error> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<u8, Error> {
        self.checked()?.t.float(value)?;
        Ok(0)
    }

    fn serialize_char(self, value: char) -> Result<u8, Error> {
        match self.mode {
            Mode::Atom => self.serialize_str(value.encode_utf8(&mut [0; 4])),
            _ => self.integer(u32::from(value)),
        }
    }

    fn serialize_str(self, value: &str) -> Result<u8, Error> {
        match self.mode {
            Mode::Atom => self.t.atom(value)?,
            Mode::Charlist => self.t.charlist(value)?,
            _ => self.checked()?.t.str(value)?,
        };
        Ok(0)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<u8, Error> {
        match self.mode {
            Mode::Term => self.t.term(Term::trusted(value))?,
            Mode::Big(sign) => self.t.big(sign != 0, value)?,
            Mode::Bits(last) => self.t.bits(value, last)?,
            _ => self.checked()?.t.binary(value)?,
        };
        Ok(0)
    }

    fn serialize_none(self) -> Result<u8, Error> {
        let none = self.options.none.text();
        self.checked()?.t.atom(none)?;
        Ok(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<u8, Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<u8, Error> {
        self.checked()?.t.tuple(0)?;
        Ok(0)
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<u8, Error> {
        self.checked()?.t.atom(name)?;
        Ok(0)
    }

    fn serialize_unit_variant(self, name: &'static str, _: u32, variant: &'static str) -> Result<u8, Error> {
        self.checked()?.t.atom(tag(name, variant))?;
        Ok(0)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<u8, Error> {
        let mode = Mode::of(name).unwrap_or(self.mode);
        value.serialize(Self { mode, ..self })
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<u8, Error> {
        value.serialize(self.tagged(name, variant, 1)?).map_err(|e| e.within(variant))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Elements<'s, 'b>, Error> {
        if self.mode == Mode::Binary { self.binary() } else { Ok(self.checked()?.elements(Shape::List)) }
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements<'s, 'b>, Error> {
        self.tuple(len)
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Elements<'s, 'b>, Error> {
        self.tuple(len)
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'s, 'b>, Error> {
        let elements = self.tagged(name, variant, len)?.elements(Shape::Tuple(len));
        Ok(Elements { variant: Some(variant), ..elements })
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Pairs<'s, 'b>, Error> {
        // what has no length is put together of several parts, such as a struct with a flattened field, which can have the same
        Ok(Pairs { disjoint: len.is_some(), ..self.pairs(len.unwrap_or(0))? })
    }

    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Pairs<'s, 'b>, Error> {
        let mut pairs = self.pairs(len)?;
        if name.starts_with(ELIXIR) {
            pairs.field(STRUCT)?.serialize_str(name)?;
            pairs.stamped = true;
        }
        Ok(pairs)
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Pairs<'s, 'b>, Error> {
        Ok(Pairs { variant: Some(variant), ..self.tagged(name, variant, 1)?.pairs(len)? })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<u8, Error> {
        if matches!(self.mode, Mode::Atom | Mode::Charlist) {
            let mut text = heapless::String::<COLLECTED>::new();
            return match write!(text, "{value}") {
                Ok(()) => self.serialize_str(&text),
                Err(_) => Err(Error::new(format_args!("a text that is printed has at most {COLLECTED} bytes here"))),
            };
        }
        let binary = self.checked()?.binary()?;
        if write!(Bytes(binary.t), "{value}").is_err() {
            return Err(Error::new("the value could not be printed"));
        }
        let len = binary.t.out().len().saturating_sub(binary.at).saturating_sub(COUNT);
        patch(binary.t, binary.at, len)?;
        Ok(0)
    }
}

/// A binary that takes text.
struct Bytes<'s, 'b>(&'s mut TermWriter<'b>);

impl Write for Bytes<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.out().bytes(text.as_bytes());
        Ok(())
    }
}

/// Bytes of text that is printed and becomes an atom or a charlist: those of the longest atom.
const COLLECTED: usize = 4 * Atom::MAX_CHARS;
/// Bytes of a count.
const COUNT: usize = 4;

/// Returns the place of the count of 32 bits that was written last.
fn count_before(t: &mut TermWriter<'_>) -> usize {
    t.out().len().saturating_sub(COUNT)
}

fn patch(t: &mut TermWriter<'_>, at: usize, count: usize) -> Result<(), Error> {
    t.out().patch_u32(at, u32::try_from(count).map_err(|_| Misuse::TooLong)?);
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// A tuple of so many elements, a variant's tag not counted.
    Tuple(usize),
    /// Its head is written in front of its first element, so that an empty one has none.
    List,
    Binary,
    /// Two parts of an integer or a bit string.
    Number,
}

/// A sequence or tuple that is being written.
struct Elements<'s, 'b> {
    t: &'s mut TermWriter<'b>,
    options: Options,
    mode: Mode,
    shape: Shape,
    /// The place of its count, if that is put right at the end.
    at: usize,
    count: usize,
    variant: Option<&'static str>,
}

impl<'b> Elements<'_, 'b> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let written = value.serialize(self.next()?);
        self.came(written)
    }

    fn next(&mut self) -> Result<Serializer<'_, 'b>, Error> {
        if self.shape == Shape::List && self.count == 0 {
            self.t.list(1)?;
            self.at = count_before(self.t);
        }
        Ok(Serializer { t: &mut *self.t, options: self.options, mode: self.mode })
    }

    fn came(&mut self, written: Result<u8, Error>) -> Result<(), Error> {
        let part = written.map_err(|e| {
            let e = e.at(self.count);
            self.variant.into_iter().fold(e, Error::within)
        })?;
        self.mode = match self.mode {
            Mode::Big(_) => Mode::Big(part),
            Mode::Bits(_) => Mode::Bits(part),
            other => other,
        };
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    fn finish(self) -> Result<u8, Error> {
        match self.shape {
            Shape::Tuple(len) if len != self.count => {
                return Err(Error::new(format_args!("a tuple of {len} was begun, and has {} elements", self.count)));
            }
            Shape::Tuple(_) | Shape::Number => {}
            Shape::Binary => patch(self.t, self.at, self.count)?,
            Shape::List => {
                if self.count > 0 {
                    patch(self.t, self.at, self.count)?;
                }
                self.t.nil()?;
            }
        }
        Ok(0)
    }
}

/// A map that is being written.
struct Pairs<'s, 'b> {
    t: &'s mut TermWriter<'b>,
    options: Options,
    mode: Mode,
    /// The place of its count.
    at: usize,
    /// The place of the last key.
    key: usize,
    /// The place of the last value.
    value: usize,
    count: usize,
    /// True if it has the name of an Elixir struct.
    stamped: bool,
    /// Its keys are known to differ: those of a struct, or of one collection in which all are texts.
    disjoint: bool,
    variant: Option<&'static str>,
}

/// Keys of a map that are compared with each other: the work grows with the square of their number.
const COMPARED: usize = 1000;

impl<'b> Pairs<'_, 'b> {
    /// Writes the name of a field; its value is due.
    fn field(&mut self, name: &'static str) -> Result<Serializer<'_, 'b>, Error> {
        self.t.atom(name)?;
        self.count = self.count.saturating_add(1);
        // Elixir takes nothing but an atom there: the tag of an enum is a string to serde
        let mode = if name == STRUCT { Mode::Atom } else { self.mode };
        Ok(Serializer { t: &mut *self.t, options: self.options, mode })
    }

    fn named<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        if self.stamped && name == STRUCT {
            return Ok(());
        }
        match value.serialize(self.field(name)?) {
            Ok(_) => Ok(()),
            Err(e) => Err(self.variant.into_iter().fold(e.within(name), Error::within)),
        }
    }

    /// Begins a key; `named` says that it is the name of a field.
    fn next_key(&mut self, named: bool) -> Serializer<'_, 'b> {
        self.key = self.t.out().len();
        let mode = match self.mode {
            Mode::Atom | Mode::AtomKeys => Mode::Atom,
            _ if named => Mode::Atom,
            _ => Mode::Plain,
        };
        Serializer { t: &mut *self.t, options: self.options, mode }
    }

    fn next_value(&mut self) -> Serializer<'_, 'b> {
        let mode = match self.last_key() {
            Some(key) if key.is_atom(STRUCT) => Mode::Atom,
            _ => self.mode,
        };
        Serializer { t: &mut *self.t, options: self.options, mode }
    }

    /// Ends a key.
    fn key_came(&mut self) {
        self.value = self.t.out().len();
        self.count = self.count.saturating_add(1);
        // what else differs in Rust may be the same here, such as 1_u8 and 1_u16 in an enum without tags, or 0.0 and -0.0
        let is_text = |key: Term<'_>| matches!(key.as_bytes().first(), Some(&(tag::BINARY | tag::SMALL_ATOM_UTF8)));
        self.disjoint &= self.last_key().is_some_and(is_text);
    }

    /// Returns the key that was written last, if it fitted.
    fn last_key(&mut self) -> Option<Term<'_>> {
        let len = self.value.saturating_sub(self.key);
        self.t.out().written(self.key).get(..len).map(Term::trusted)
    }

    /// Ends the map. One with a key twice would cost the connection.
    fn finish(self) -> Result<u8, Error> {
        if !self.disjoint {
            let out = &*self.t.out();
            if let Some((key, _)) = repeated(out.written(self.at.saturating_add(COUNT)), self.count.min(COMPARED)) {
                return Err(Error::new(format_args!("the map has the key {key} twice")));
            }
        }
        patch(self.t, self.at, self.count)?;
        Ok(0)
    }
}

impl ser::SerializeSeq for Elements<'_, '_> {
    type Ok = u8;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<u8, Error> {
        self.finish()
    }
}

impl ser::SerializeTuple for Elements<'_, '_> {
    type Ok = u8;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<u8, Error> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for Elements<'_, '_> {
    type Ok = u8;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<u8, Error> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for Elements<'_, '_> {
    type Ok = u8;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.element(value)
    }

    fn end(self) -> Result<u8, Error> {
        self.finish()
    }
}

impl ser::SerializeMap for Pairs<'_, '_> {
    type Ok = u8;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        // A type without a size is `str` itself: derived code writes the names of fields so where another field is flattened. The keys of
        // collections have one.
        let named = size_of::<&T>() > size_of::<&u8>();
        key.serialize(self.next_key(named))?;
        self.key_came();
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let written = value.serialize(self.next_value());
        written.map(|_| ()).map_err(|e| match self.last_key() {
            Some(key) => e.under(key),
            None => e,
        })
    }

    fn end(self) -> Result<u8, Error> {
        self.finish()
    }
}

impl ser::SerializeStruct for Pairs<'_, '_> {
    type Ok = u8;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.named(name, value)
    }

    fn end(self) -> Result<u8, Error> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for Pairs<'_, '_> {
    type Ok = u8;
    type Error = Error;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        self.named(name, value)
    }

    fn end(self) -> Result<u8, Error> {
        self.finish()
    }
}
