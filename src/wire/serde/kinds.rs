//! What serde has no kinds for, as fields of a struct: atoms, identifiers, integers and bit strings of any size, and terms as they are.
//!
//! Another format gets an atom as a string, and the rest as bytes: those of the term, without its version.

use core::fmt::{self, Display};
use core::marker::PhantomData;

use serde_core::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde_core::ser::{self, Serialize, Serializer};

use super::error::{SHOWN, cut};
use super::mode::{ATOM, BIG, BITS, TERM};
use crate::wire::build::encode;
use crate::wire::codes::tag;
use crate::wire::ids::{Atom, NodeName, OwnedPid, OwnedReference, Pid, Port, Reference};
#[cfg(feature = "std")]
use crate::wire::owned::OwnedTerm;
use crate::wire::term::{Term, Value};
use crate::wire::value::{Big, Bits};

/// Bytes of the longest identifier.
const IDENTIFIER: usize = 1100;

// --- written ----------------------------------------------------------------------------------------------------------------

/// A slice that is written as bytes: serde takes a slice for a sequence.
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// The text of an atom.
struct Text<'a>(Atom<'a>);

impl Serialize for Text<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_str() {
            Some(text) => serializer.serialize_str(text),
            None => serializer.serialize_str(&self.0.to_utf8()),
        }
    }
}

/// Writes a term that was written into a buffer of its own first.
fn serialize_whole<S: Serializer>(bytes: Result<&[u8], crate::error::Error>, serializer: S) -> Result<S::Ok, S::Error> {
    let bytes = bytes.map_err(ser::Error::custom)?;
    serializer.serialize_newtype_struct(TERM, &Bytes(bytes.strip_prefix(&[tag::VERSION]).unwrap_or(bytes)))
}

macro_rules! serialize {
    ($($type:ty, |$value:ident, $serializer:ident| $write:expr;)*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, $serializer: S) -> Result<S::Ok, S::Error> {
                let $value = self;
                $write
            }
        }
    )*};
}

serialize! {
    Term<'_>, |term, s| s.serialize_newtype_struct(TERM, &Bytes(term.as_bytes()));
    Atom<'_>, |atom, s| s.serialize_newtype_struct(ATOM, &Text(*atom));
    NodeName, |name, s| s.serialize_newtype_struct(ATOM, name.as_str());
    Pid<'_>, |pid, s| serialize_whole(encode(&mut [0; IDENTIFIER], |t| t.pid(*pid)), s);
    Port<'_>, |port, s| serialize_whole(encode(&mut [0; IDENTIFIER], |t| t.port(*port)), s);
    Reference<'_>, |reference, s| serialize_whole(encode(&mut [0; IDENTIFIER], |t| t.reference(*reference)), s);
    OwnedPid, |pid, s| pid.as_pid().serialize(s);
    OwnedReference, |reference, s| reference.as_reference().serialize(s);
    Big<'_>, |big, s| s.serialize_newtype_struct(BIG, &(big.negative, Bytes(big.magnitude)));
    Bits<'_>, |bits, s| s.serialize_newtype_struct(BITS, &(bits.last, Bytes(bits.bytes)));
}

#[cfg(feature = "std")]
serialize! {
    OwnedTerm, |term, s| term.as_term().serialize(s);
}

impl<const BYTES: usize> Serialize for OwnedBig<BYTES> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_big().serialize(serializer)
    }
}

// --- read -------------------------------------------------------------------------------------------------------------------

/// Takes the term of these bytes, with its version or without.
fn whole<E: de::Error>(bytes: &[u8]) -> Result<Term<'_>, E> {
    Term::parse(bytes).map_err(E::custom)
}

fn expected<E: de::Error>(what: impl Display, term: Term<'_>) -> E {
    E::custom(format_args!("{what} is expected, {} came", cut::<SHOWN>(term)))
}

/// The visitor of a term that stays where it is.
struct Borrowed;

impl<'de> Visitor<'de> for Borrowed {
    type Value = Term<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes of a term")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Term<'de>, E> {
        whole(bytes)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<Term<'de>, D::Error> {
        other.deserialize_bytes(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Term<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TERM, Borrowed)
    }
}

macro_rules! borrowed {
    ($($type:ident, $what:literal, |$term:ident| $found:expr;)*) => {$(
        impl<'de: 'a, 'a> Deserialize<'de> for $type<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                // not the method of the same name
                let $term = <Term<'a> as Deserialize<'de>>::deserialize(deserializer)?;
                $found.ok_or_else(|| expected($what, $term))
            }
        }
    )*};
}

borrowed! {
    Pid, "a pid", |term| term.as_pid();
    Port, "a port", |term| match term.value() {
        Value::Port(port) => Some(port),
        _ => None,
    };
    Reference, "a reference", |term| term.as_reference();
    Bits, "a bit string", |term| match term.value() {
        Value::Bits(bits) => Some(bits),
        Value::Binary(bytes) => Some(Bits { bytes, last: 8 }),
        _ => None,
    };
}

/// A value in memory of its own, made of a term.
trait Keep: Sized {
    const WHAT: &'static str;
    fn keep(term: Term<'_>) -> Option<Self>;
}

impl Keep for OwnedPid {
    const WHAT: &'static str = "a pid of a node with a proper name";

    fn keep(term: Term<'_>) -> Option<Self> {
        Self::new(term.as_pid()?)
    }
}

impl Keep for OwnedReference {
    const WHAT: &'static str = "a reference of a node with a proper name";

    fn keep(term: Term<'_>) -> Option<Self> {
        Self::new(term.as_reference()?)
    }
}

#[cfg(feature = "std")]
impl Keep for OwnedTerm {
    const WHAT: &'static str = "a term";

    fn keep(term: Term<'_>) -> Option<Self> {
        Some(term.to_owned())
    }
}

struct Kept<T>(PhantomData<T>);

impl<'de, T: Keep> Visitor<'de> for Kept<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<T, E> {
        let term = whole(bytes)?;
        T::keep(term).ok_or_else(|| expected(T::WHAT, term))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<T, D::Error> {
        self.visit_bytes(&Gathered::<IDENTIFIER>::deserialize(other)?.0)
    }
}

macro_rules! kept {
    ($($type:ty),*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_newtype_struct(TERM, Kept(PhantomData))
            }
        }
    )*};
}

kept!(OwnedPid, OwnedReference);
#[cfg(feature = "std")]
kept!(OwnedTerm);

/// A buffer for bytes of another format, in one piece or one by one.
struct Gathered<const N: usize>(heapless::Vec<u8, N>);

impl<'de, const N: usize> Deserialize<'de> for Gathered<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(GatheredVisitor)
    }
}

struct GatheredVisitor<const N: usize>;

impl<'de, const N: usize> Visitor<'de> for GatheredVisitor<N> {
    type Value = Gathered<N>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "up to {N} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Gathered<N>, E> {
        heapless::Vec::from_slice(bytes).map(Gathered).map_err(|_| E::invalid_length(bytes.len(), &self))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut bytes: A) -> Result<Gathered<N>, A::Error> {
        let mut gathered = heapless::Vec::new();
        while let Some(byte) = bytes.next_element()? {
            gathered.push(byte).map_err(|_| de::Error::invalid_length(N.saturating_add(1), &self))?;
        }
        Ok(Gathered(gathered))
    }
}

// --- atoms ------------------------------------------------------------------------------------------------------------------

struct AtomVisitor;

impl<'de> Visitor<'de> for AtomVisitor {
    type Value = Atom<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an atom")
    }

    fn visit_borrowed_bytes<E: de::Error>(self, bytes: &'de [u8]) -> Result<Atom<'de>, E> {
        let term: Term<'de> = whole(bytes)?;
        term.as_atom().ok_or_else(|| expected("an atom", term))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Atom<'de>, E> {
        match Atom::check(text.as_bytes()) {
            Ok(()) => Ok(Atom::from_str(text)),
            Err(fault) => Err(E::custom(fault)),
        }
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<Atom<'de>, D::Error> {
        other.deserialize_str(self)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Atom<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TERM, AtomVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = NodeName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a node")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<NodeName, E> {
        NodeName::new(text).map_err(E::custom)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inside: D) -> Result<NodeName, D::Error> {
        inside.deserialize_str(self)
    }
}

impl<'de> Deserialize<'de> for NodeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(ATOM, NameVisitor)
    }
}

// --- integers ---------------------------------------------------------------------------------------------------------------

/// An integer of any size up to so many bytes, in memory of its own. Those of up to 128 bits need it not: they are `i128` and `u128`.
///
/// ```
/// # use beamless::{Term, serde::OwnedBig};
/// let term = Term::parse(&[131, 110, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1])?; // -18446744073709551616
/// let big: OwnedBig<32> = term.deserialize()?;
/// assert_eq!((big.as_big().negative, big.as_big().magnitude), (true, &[0, 0, 0, 0, 0, 0, 0, 0, 1][..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedBig<const BYTES: usize> {
    negative: bool,
    /// Without leading zeros.
    magnitude: heapless::Vec<u8, BYTES>,
}

impl<const BYTES: usize> OwnedBig<BYTES> {
    /// Keeps `big`; `None` if its magnitude has more bytes.
    pub fn new(big: Big<'_>) -> Option<Self> {
        let mut magnitude = big.magnitude;
        while let Some((0, head)) = magnitude.split_last() {
            magnitude = head;
        }
        let negative = big.negative && !magnitude.is_empty();
        Some(Self { negative, magnitude: heapless::Vec::from_slice(magnitude).ok()? })
    }

    /// Returns its sign and its magnitude, as [`TermWriter::big`](crate::TermWriter::big) takes them.
    pub fn as_big(&self) -> Big<'_> {
        Big { negative: self.negative, magnitude: &self.magnitude }
    }

    fn of<E: de::Error>(negative: bool, magnitude: &[u8]) -> Result<Self, E> {
        Self::new(Big { negative, magnitude }).ok_or_else(|| E::custom(format_args!("an integer has more than {BYTES} bytes")))
    }
}

struct BigVisitor<const BYTES: usize>;

impl<'de, const BYTES: usize> Visitor<'de> for BigVisitor<BYTES> {
    type Value = OwnedBig<BYTES>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer of up to {BYTES} bytes")
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        OwnedBig::of(value < 0, &value.unsigned_abs().to_le_bytes())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        OwnedBig::of(false, &value.to_le_bytes())
    }

    fn visit_i128<E: de::Error>(self, value: i128) -> Result<Self::Value, E> {
        OwnedBig::of(value < 0, &value.unsigned_abs().to_le_bytes())
    }

    fn visit_u128<E: de::Error>(self, value: u128) -> Result<Self::Value, E> {
        OwnedBig::of(false, &value.to_le_bytes())
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        let term = whole(bytes)?;
        match term.value() {
            Value::Integer(value) => self.visit_i64(value),
            Value::Big(big) => OwnedBig::of(big.negative, big.magnitude),
            _ => Err(expected("an integer", term)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Self::Value, A::Error> {
        match (parts.next_element()?, parts.next_element::<Gathered<BYTES>>()?) {
            (Some(negative), Some(magnitude)) => OwnedBig::of(negative, &magnitude.0),
            _ => Err(de::Error::custom("a sign and a magnitude are expected")),
        }
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, other: D) -> Result<Self::Value, D::Error> {
        other.deserialize_any(self)
    }
}

impl<'de, const BYTES: usize> Deserialize<'de> for OwnedBig<BYTES> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TERM, BigVisitor)
    }
}
