//! Values of your own types as terms, and back, with [serde](https://serde.rs): the feature `serde`.
//!
//! [`TermWriter::serialize`](crate::TermWriter::serialize) writes a value wherever a term or a part of one goes, and
//! [`Term::deserialize`](crate::Term::deserialize) reads one. Both work without `std`, and allocate nothing but what the type itself does:
//! `&str` and `&[u8]` borrow from the message, `String` and `Vec` do not.
//!
//! ```
//! use beamless::{Term, encode};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Reading<'a> {
//!     celsius: f64,
//!     unit: Unit,
//!     sensor: &'a str,
//!     note: Option<&'a str>,
//! }
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! #[serde(rename_all = "snake_case")]
//! enum Unit {
//!     Celsius,
//!     Kelvin,
//! }
//!
//! let reading = Reading { celsius: 21.5, unit: Unit::Celsius, sensor: "t1", note: None };
//! let mut buf = [0; 128];
//! // the closure is what `Outbox::send` and `Outbox::reply` take
//! let bytes = encode(&mut buf, |t| t.tuple(2)?.atom("reading")?.serialize(&reading))?;
//! let term = Term::parse(bytes)?;
//! assert_eq!(term.to_string(), "{reading,#{celsius => 21.5,unit => celsius,sensor => <<\"t1\">>,note => nil}}");
//!
//! let Some([_, value]) = term.tuple() else { panic!() };
//! assert_eq!(value.deserialize::<Reading>()?, reading);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is what
//!
//! | Rust | Written as | Read from |
//! |---|---|---|
//! | `bool` | `true`, `false` | the same |
//! | `i8` to `i128`, `u8` to `u128` | integer | integer in the range of the type |
//! | `f32`, `f64` | float; one that is not finite is an error | float or integer, as the nearest; an `f32` in its range |
//! | `char` | integer: `$a` in Erlang, `?a` in Elixir | integer, or binary of one character |
//! | `&str`, `String` | binary of UTF-8 | the same; not an atom, so that `nil` does not become `"nil"`; as the key of a map an atom too |
//! | `serde_bytes` and other bytes | binary | binary |
//! | `None` | `nil`, or what [`Options::none`] says | `nil`, `undefined` or `null` |
//! | `Some(value)` | the value | the value |
//! | `()` | `{}` | `{}`, `nil`, `undefined` or `null` |
//! | `struct Stop;` | the atom `'Stop'`, as a variant without values | the same |
//! | `struct Meters(f64)` | the value in it | the value in it |
//! | `(A, B)`, `struct Point(A, B)`, `[T; N]` | tuple | tuple or list of this length |
//! | `Vec<T>` and other sequences | list | proper list |
//! | `struct Reading { .. }` | map, its keys atoms | map, its keys atoms or binaries (as from JSON); others are passed over |
//! | `HashMap<K, V>` and other maps | map | map |
//! | variant `Stop` | the atom `'Stop'` | the same |
//! | variant `Temperature(A)` | `{'Temperature', A}` | the same |
//! | variant `Range(A, B)` | `{'Range', A, B}` | the same |
//! | variant `Alarm { .. }` | `{'Alarm', #{..}}` | the same |
//! | `Result<T, E>` | `{ok, T}`, `{error, E}` | the same; `ok` alone is `Ok(())` |
//! | [`Atom`](crate::Atom), [`NodeName`](crate::NodeName) | atom | atom |
//! | [`Pid`](crate::Pid), [`OwnedPid`](crate::OwnedPid), [`Port`](crate::Port), [`Reference`](crate::Reference), [`OwnedReference`](crate::OwnedReference) | what it is | the same |
//! | [`OwnedBig`] (written: [`Big`](crate::Big) too) | integer | integer of up to so many bytes |
//! | [`Bits`](crate::Bits) | bit string | bit string or binary |
//! | [`Term`](crate::Term), `OwnedTerm` | the term as it is | any term |
//! | a string with [`atom`], [`charlist`] | atom, list of characters | the same |
//! | a map with [`atom_keys`] | map, its keys atoms | map, its keys atoms or binaries |
//! | a sequence of bytes with [`binary`] | binary | binary |
//!
//! Erlang's names begin with a small letter, so most enums want `#[serde(rename_all = "snake_case")]`. A record of Erlang, `{reading, A, B}`,
//! is a variant with values. Types that have a text form for people, such as `IpAddr`, have it here too.
//!
//! In a struct with a `flatten`ed field the names of the fields are atoms, as in any, and the keys of a flattened `HashMap<String, T>` are
//! binaries.
//!
//! `Atom`, `Pid` and the other types that borrow need `#[serde(borrow)]` on their field. A type with serde's own forms of enum, `tag`,
//! `untagged`, or with a `flatten`ed field, is put together by serde on the heap before it knows what it reads, from what a term says of itself:
//! there an atom and a binary are both strings, `nil`, `undefined`, `null` and `{}` are all `()`, integers have 64 bits, and
//! a variant with values or a `char` is not found.
//!
//! # Elixir's structs
//!
//! A struct whose name for serde is that of an Elixir module is that module's struct: its `__struct__` is written, and another one is refused
//! when it is read. In any other struct the key `__struct__` is passed over, unless there is a field of that name.
//!
//! ```
//! # use beamless::{Term, encode};
//! # use serde::{Deserialize, Serialize};
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! #[serde(rename = "Elixir.Home.Reading")] // %Home.Reading{celsius: 21.5}
//! struct Reading {
//!     celsius: f64,
//! }
//!
//! let mut buf = [0; 128];
//! let term = Term::parse(encode(&mut buf, |t| t.serialize(&Reading { celsius: 21.5 }))?)?;
//! assert_eq!(term.to_string(), "#{'__struct__' => 'Elixir.Home.Reading',celsius => 21.5}");
//! assert_eq!(term.deserialize::<Reading>()?, Reading { celsius: 21.5 });
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! One of several is an enum with `#[serde(tag = "__struct__")]`, whose variants have the names of the modules.
//!
//! # Where a form is said
//!
//! ```
//! # use beamless::{Atom, OwnedPid, Pid, Term, encode, parse_text};
//! # use serde::{Deserialize, Serialize};
//! #[derive(Serialize, Deserialize)]
//! struct Start<'a> {
//!     #[serde(with = "beamless::serde::atom")]
//!     names: Vec<String>, // [t1,t2]
//!     #[serde(with = "beamless::serde::charlist")]
//!     path: &'a str, // "/dev/ttyS0" of Erlang
//!     #[serde(with = "beamless::serde::binary")]
//!     key: [u8; 4], // <<1,2,3,4>>
//!     #[serde(borrow)]
//!     module: Atom<'a>,
//!     reply_to: Option<OwnedPid>,
//!     #[serde(borrow)]
//!     state: Term<'a>, // whatever it is
//! }
//!
//! let mut buf = [0; 256];
//! let text = "#{names => [t1,t2], path => \"/dev/ttyS0\", key => <<1,2,3,4>>, module => lists, reply_to => nil, state => {a,[b|c]}}";
//! let start: Start = parse_text(text, &mut buf)?.deserialize()?;
//! assert_eq!((start.path, start.key), ("/dev/ttyS0", [1, 2, 3, 4]));
//! assert!(start.module == "lists");
//!
//! let mut again = [0; 256];
//! let bytes = encode(&mut again, |t| t.serialize(&start))?;
//! assert_eq!(Term::parse(bytes)?.to_string().replace(" ", ""), text.replace(" ", ""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When it does not fit
//!
//! The error of a term that is not what was asked for says where and why, without a heap:
//!
//! ```
//! # use beamless::parse_text;
//! # use serde::Deserialize;
//! # #[derive(Debug, Deserialize)] #[serde(rename_all = "snake_case")] enum Unit { Celsius }
//! # #[derive(Debug, Deserialize)] struct Reading { #[expect(dead_code)] unit: Unit }
//! #[derive(Debug, Deserialize)]
//! struct Report {
//!     # #[expect(dead_code)]
//!     reading: Reading,
//! }
//!
//! let mut buf = [0; 64];
//! let term = parse_text("#{reading => #{unit => <<\"celsius\">>}}", &mut buf)?;
//! let e = term.deserialize::<Report>().unwrap_err();
//! assert_eq!(e.to_string(), "reading.unit: an atom is expected, <<\"celsius\">> came");
//! # Ok::<(), beamless::TextError>(())
//! ```
//!
//! What a peer sends cannot exhaust the stack: a value may have 64 levels of tuples, lists, maps, variants and newtypes inside each other. Each
//! takes 1 to 3 KiB of stack while it is read, and 3 to 7 in a build without optimization, so that all have room on a stack of
//! 512 KiB; a type with large values inside itself takes more.

mod de;
mod error;
mod kinds;
mod mode;
mod ser;
#[cfg(test)]
mod tests;

use serde_core::{Deserialize, Serialize};

use super::build::TermWriter;
use super::term::Term;
use crate::error::Misuse;

pub use de::Deserializer;
pub use error::Error;
pub use kinds::OwnedBig;
pub use mode::{atom, atom_keys, binary, charlist};
pub use ser::{NoneAs, Options};

impl TermWriter<'_> {
    /// Writes a value of a type of your own, as the table in [`serde`](crate::serde) has it. `None` is `nil`.
    ///
    /// ```
    /// # use beamless::{Term, encode};
    /// let mut buf = [0; 64];
    /// let bytes = encode(&mut buf, |t| t.serialize(&(1, "two", Some([3.0, 4.0]), None::<u8>)))?;
    /// assert_eq!(Term::parse(bytes)?.to_string(), "{1,<<\"two\">>,{3.0,4.0},nil}");
    /// # Ok::<(), beamless::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Misuse`] that names the kind: [`Misuse::NotFinite`], [`Misuse::AtomTooLong`], [`Misuse::TooLong`] as for the other methods, and
    /// [`Misuse::Serialize`] where the type itself refuses, or a map has a key twice. Which part of the value it is, a warning in the log says:
    /// `readings[3].celsius: Erlang has no infinite float and no NaN`.
    pub fn serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<&mut Self, Misuse> {
        self.serialize_with(Options::new(), value)
    }

    /// Writes a value as [`TermWriter::serialize`] does, with settings of your own: what `None` is.
    ///
    /// # Errors
    /// As [`TermWriter::serialize`].
    pub fn serialize_with<T: Serialize + ?Sized>(&mut self, options: Options, value: &T) -> Result<&mut Self, Misuse> {
        let written = ser::write(self, options, value);
        self.told(written)
    }

    /// Says in the log what the result has no room for. Apart, since a program has a copy of the above for each type.
    fn told(&mut self, written: Result<(), Error>) -> Result<&mut Self, Misuse> {
        match written {
            Ok(()) => Ok(self),
            Err(e) => {
                log::warn!("a value cannot be written as a term: {e}");
                Err(self.fail(e.into()))
            }
        }
    }
}

impl<'a> Term<'a> {
    /// Reads a value of a type of your own, as the table in [`serde`](crate::serde) has it. It may borrow from the term.
    ///
    /// ```
    /// # use beamless::Term;
    /// let term = Term::parse(&[131, 104, 2, 119, 2, b'o', b'k', 107, 0, 3, 1, 2, 3])?; // {ok,[1,2,3]}
    /// let answer: Result<Vec<u8>, u8> = term.deserialize()?;
    /// assert_eq!(answer, Ok(vec![1, 2, 3]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error`] says which part of the term is not what the type wants.
    pub fn deserialize<T: Deserialize<'a>>(self) -> Result<T, Error> {
        T::deserialize(Deserializer::new(self))
    }
}
