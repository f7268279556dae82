//! Values of types of one's own: what is read from a term is written as one from which the same is read.

use std::collections::BTreeMap;

use ::serde::de::DeserializeOwned;
use ::serde::{Deserialize, Serialize};

use crate::wire::ids::{OwnedPid, OwnedReference};
use crate::wire::owned::OwnedTerm;
use crate::wire::serde::{atom, atom_keys, binary, charlist};
use crate::wire::term::Term;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    place: String,
    value: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unit: Option<Unit>,
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Celsius,
    Kelvin,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Unit,
    Newtype(i64),
    Nested(Box<Shape>),
    Tuple(f64, String),
    Struct { a: Option<i64>, b: Vec<Shape> },
    Texts(BTreeMap<i64, String>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kinds {
    #[serde(with = "charlist")]
    charlist: String,
    #[serde(with = "atom")]
    atoms: Vec<String>,
    #[serde(with = "binary")]
    bytes: Vec<u8>,
    #[serde(with = "atom_keys")]
    scores: BTreeMap<String, i64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    more: BTreeMap<String, i64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Internal {
    Start,
    Stop { code: i8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Int(i64),
    Text(String),
    Pair(u8, u8),
    Map { a: i64 },
}

/// Reads a term as each type there is here.
pub fn serde(data: &[u8]) {
    let Ok(term) = Term::parse(data) else { return };
    macro_rules! both_ways {
        ($($type:ty),* $(,)?) => {$( both_ways::<$type>(term); )*};
    }
    both_ways!(
        bool,
        i8,
        u8,
        i16,
        u32,
        i64,
        u64,
        i128,
        u128,
        f64,
        char,
        String,
        (),
        OwnedPid,
        OwnedReference,
        Option<i64>,
        Vec<u8>,
        Vec<String>,
        Vec<Vec<i64>>,
        (i64, String),
        [i64; 3],
        BTreeMap<String, i64>,
        BTreeMap<i64, Vec<Shape>>,
        BTreeMap<(u8, bool), Option<f64>>,
        Result<i64, String>,
        Result<Option<Unit>, Shape>,
        Reading,
        Unit,
        Shape,
        Kinds,
        Flat,
        Internal,
        Untagged,
    );
    let _ = term.deserialize::<::serde::de::IgnoredAny>();
    let _ = term.deserialize::<&str>();
    if let Ok(kept) = term.deserialize::<Term<'_>>() {
        assert_eq!(kept.as_bytes(), term.as_bytes());
    }
}

fn both_ways<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(term: Term<'_>) {
    let value: T = match term.deserialize() {
        Ok(value) => value,
        Err(e) => return assert!(!e.to_string().is_empty()),
    };
    let written = OwnedTerm::new(|t| t.serialize(&value)).unwrap_or_else(|e| panic!("{e}: {value:?}"));
    let again: T = written.as_term().deserialize().unwrap_or_else(|e| panic!("{e}: {value:?} as {written}"));
    assert_eq!(again, value, "{term} as {written}");
    let twice = OwnedTerm::new(|t| t.serialize(&again)).expect("it was written before");
    assert_eq!(twice, written);
}
