//! What the strings, keys, bytes and sequences of a value are in a term, where serde's own kinds do not say.
//!
//! A mode is set by a newtype struct of a name of our own around the value, which other formats see through.

use core::fmt;
use core::marker::PhantomData;

use serde_core::de::{Deserialize, Deserializer, Visitor};

/// The form that the values below here have in a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Values are written as the table of the module has it.
    Plain,
    /// Strings are atoms.
    Atom,
    /// Strings that are keys are atoms.
    AtomKeys,
    /// Strings are charlists.
    Charlist,
    /// The next sequence is a binary.
    Binary,
    /// A byte of that sequence.
    Byte,
    /// While reading: the key of a map, whose text is an atom or a binary.
    Key,
    /// While reading: the key of a struct.
    Field,
    /// Bytes are a term as it is.
    Term,
    /// A pair of sign and magnitude is an integer; the sign has been seen, or is 0.
    Big(u8),
    /// A pair of bits used in the last byte and bytes is a bit string; the bits have been seen, or are 0.
    Bits(u8),
}

/// The key of an Elixir struct's name.
pub(super) const STRUCT: &str = "__struct__";
/// The beginning of the names of Elixir's modules.
pub(super) const ELIXIR: &str = "Elixir.";

pub(super) const TERM: &str = "$beamless::term";
pub(super) const BIG: &str = "$beamless::big";
pub(super) const BITS: &str = "$beamless::bits";
pub(super) const ATOM: &str = "$beamless::atom";
const ATOM_KEYS: &str = "$beamless::atom_keys";
const CHARLIST: &str = "$beamless::charlist";
const BINARY: &str = "$beamless::binary";

impl Mode {
    /// Returns the mode that a newtype struct of this name sets, if it is one of ours.
    pub(super) fn of(name: &str) -> Option<Self> {
        if !name.starts_with('$') {
            return None;
        }
        Some(match name {
            TERM => Self::Term,
            BIG => Self::Big(0),
            BITS => Self::Bits(0),
            ATOM => Self::Atom,
            ATOM_KEYS => Self::AtomKeys,
            CHARLIST => Self::Charlist,
            BINARY => Self::Binary,
            _ => return None,
        })
    }
}

/// The visitor of what a newtype struct holds.
struct Inside<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Inside<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value in another form")
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, inside: D) -> Result<T, D::Error> {
        T::deserialize(inside)
    }
}

fn inside<'de, T: Deserialize<'de>, D: Deserializer<'de>>(name: &'static str, deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_newtype_struct(name, Inside(PhantomData))
}

/// A module for `#[serde(with = "..")]`.
macro_rules! with {
    ($(#[$doc:meta])* $module:ident, $name:ident) => {
        $(#[$doc])*
        pub mod $module {
            use serde_core::{Deserialize, Deserializer, Serialize, Serializer};

            use crate::wire::serde::mode::{$name, inside};

            /// Writes `value` in this form.
            ///
            /// # Errors
            /// Those of the serializer.
            pub fn serialize<T: Serialize + ?Sized, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_newtype_struct($name, value)
            }

            /// Reads a value in this form.
            ///
            /// # Errors
            /// Those of the deserializer.
            pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
                inside($name, deserializer)
            }
        }
    };
}

with! {
    /// Strings as atoms, for `#[serde(with = "beamless::serde::atom")]`.
    ///
    /// It holds for every string inside the field: `Option<String>`, `Vec<&str>`, the keys and values of a map. A binary is no atom when it
    /// is read. To another format the strings are strings.
    ///
    /// A `&str` cannot borrow an atom with letters outside ASCII that came in an old form, Latin-1; [`Atom`](crate::Atom) and `String` can.
    atom, ATOM
}
with! {
    /// The keys of maps as atoms, for `#[serde(with = "beamless::serde::atom_keys")]` on a `HashMap<String, T>`: `#{temperature => 21.5}`.
    ///
    /// It says how keys are written. When they are read, a key is an atom or a binary, here and in every other map.
    atom_keys, ATOM_KEYS
}
with! {
    /// Strings as lists of characters, which is what a string is in Erlang, for `#[serde(with = "beamless::serde::charlist")]`.
    ///
    /// It holds for every string inside the field, such as those of a `Vec<String>`. A binary is no charlist when it is read. A `&str` can
    /// borrow one of ASCII of up to 65,535 characters; any other goes into a `String`, and one that Erlang sent as a list of integers, since
    /// it has characters above 255, or has letters outside ASCII, may have 1,024 bytes, for there is no heap to put it together on. To another
    /// format the strings are strings.
    charlist, CHARLIST
}
with! {
    /// Sequences of bytes as binaries, for `#[serde(with = "beamless::serde::binary")]` on `Vec<u8>`, `[u8; N]` and `&[u8]`; without it they
    /// are lists of integers.
    ///
    /// It holds for the outermost sequence in the field, also in an `Option` or as the value of a map. A list is no binary when it is read.
    /// To another format they are sequences.
    binary, BINARY
}
