//! Random values and random terms, there and back; and damaged bytes, read as every type there is here.

use std::collections::BTreeSet;

use super::*;
use crate::wire::captured::damaged;
use crate::wire::term::Value;

/// Pseudo-random numbers that are the same in every run.
struct Seed(u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // the low bits of such numbers have short periods
        self.0 ^ (self.0 >> 33)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit
    }

    /// An integer of any length.
    fn int(&mut self) -> i64 {
        (self.next() as i64) >> self.below(64)
    }

    fn float(&mut self) -> f64 {
        loop {
            let float = f64::from_bits(self.next());
            if float.is_finite() {
                return [float, 0.0, -0.0, 1.5, self.int() as f64][self.below(5)];
            }
        }
    }

    fn string(&mut self) -> String {
        let len = [0, 1, 5, 30][self.below(4)];
        (0..len).map(|_| ['a', 'Z', ' ', '\n', '\u{e4}', '\u{3bb}', '\u{1f600}', '"'][self.below(8)]).collect()
    }

    fn many<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = [0, 1, 2, 7][self.below(4)];
        (0..len).map(|_| make(self)).collect()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.below(3) == 0 { None } else { Some(make(self)) }
    }
}

// --- values -----------------------------------------------------------------------------------------------------------------

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    b: bool,
    ints: (i8, i16, i32, i64, i128, u8, u16, u32, u64, u128),
    floats: (f32, f64),
    c: char,
    string: String,
    #[serde(with = "charlist")]
    charlist: String,
    #[serde(with = "atom")]
    atoms: Vec<String>,
    #[serde(with = "binary")]
    bytes: Vec<u8>,
    list: Vec<u8>,
    array: [i64; 3],
    #[serde(skip_serializing_if = "Option::is_none")]
    some: Option<Box<Everything>>,
    result: Result<Option<u8>, String>,
    unit: (),
    map: BTreeMap<String, i64>,
    pairs: BTreeMap<(u8, bool), Vec<Shape>>,
    #[serde(with = "atom_keys")]
    scores: BTreeMap<String, Option<f64>>,
    shapes: Vec<Shape>,
    pid: OwnedPid,
    reference: OwnedReference,
    big: OwnedBig<300>,
    flat: Flattened,
    tagged: Tagged,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(i64),
    Nested(Box<Shape>),
    Tuple(f64, String),
    Struct { a: Option<i64>, b: Vec<Shape> },
    Texts(BTreeMap<i64, String>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flattened {
    id: u64,
    #[serde(flatten)]
    point: FlatPoint,
    #[serde(flatten)]
    more: BTreeMap<String, Option<Vec<i64>>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct FlatPoint {
    x: f64,
    y: Option<i64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Tagged {
    id: u8,
    #[serde(flatten)]
    event: FlatEvent,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum FlatEvent {
    Start,
    Stop { code: i8 },
}

fn shape(seed: &mut Seed, levels: usize) -> Shape {
    match seed.below(if levels == 0 { 4 } else { 6 }) {
        0 => Shape::Unit,
        1 => Shape::Newtype(seed.int()),
        2 => Shape::Tuple(seed.float(), seed.string()),
        3 => Shape::Texts(seed.many(|seed| (seed.int(), seed.string())).into_iter().collect()),
        4 => Shape::Nested(Box::new(shape(seed, levels - 1))),
        _ => Shape::Struct { a: seed.maybe(Seed::int), b: seed.many(|seed| shape(seed, levels - 1)) },
    }
}

fn everything(seed: &mut Seed, levels: usize) -> Everything {
    let wide = |seed: &mut Seed| (i128::from(seed.next() as i64) << 64 | i128::from(seed.next())) >> seed.below(128);
    let magnitude: Vec<u8> = seed.many(|seed| seed.next() as u8);
    let big = crate::Big { negative: seed.below(2) == 0, magnitude: &magnitude.repeat(1 + seed.below(40)) };
    Everything {
        b: seed.below(2) == 0,
        ints: (
            seed.next() as i8,
            seed.next() as i16,
            seed.next() as i32,
            seed.int(),
            wide(seed),
            seed.next() as u8,
            seed.next() as u16,
            seed.next() as u32,
            seed.next() >> seed.below(64),
            wide(seed) as u128,
        ),
        floats: (seed.int() as f32, seed.float()),
        c: char::from_u32(seed.below(0xd800) as u32).unwrap(),
        string: seed.string(),
        charlist: seed.string(),
        atoms: seed.many(Seed::string),
        bytes: seed.many(|seed| seed.next() as u8),
        list: seed.many(|seed| seed.next() as u8),
        array: [seed.int(), seed.int(), seed.int()],
        some: if levels == 0 { None } else { seed.maybe(|seed| Box::new(everything(seed, levels - 1))) },
        result: if seed.below(2) == 0 { Ok(seed.maybe(|seed| seed.next() as u8)) } else { Err(seed.string()) },
        unit: (),
        map: seed.many(|seed| (seed.string(), seed.int())).into_iter().collect(),
        pairs: seed.many(|seed| ((seed.next() as u8, true), seed.many(|seed| shape(seed, 1)))).into_iter().collect(),
        scores: seed.many(|seed| (seed.string(), seed.maybe(Seed::float))).into_iter().collect(),
        shapes: seed.many(|seed| shape(seed, 3)),
        pid: pid(),
        reference: reference(),
        big: OwnedBig::new(big).unwrap(),
        flat: Flattened {
            id: seed.next(),
            point: FlatPoint { x: seed.float(), y: seed.maybe(Seed::int) },
            more: seed
                .many(|seed| (format!("more {}", seed.string()), seed.maybe(|seed| seed.many(Seed::int))))
                .into_iter()
                .collect(),
        },
        tagged: Tagged {
            id: seed.next() as u8,
            event: if seed.below(2) == 0 { FlatEvent::Start } else { FlatEvent::Stop { code: seed.next() as i8 } },
        },
    }
}

#[test]
fn a_value_comes_back_equal() {
    for number in 0..2000 {
        let value = everything(&mut Seed(number), 2);
        let written = bytes(&value);
        let term = Term::parse(&written).unwrap_or_else(|e| panic!("seed {number}: {e}"));
        match term.deserialize::<Everything>() {
            Ok(read) => assert_eq!(read, value, "seed {number}"),
            Err(e) => panic!("seed {number}: {e}: {term}"),
        }
    }
}

// --- terms ------------------------------------------------------------------------------------------------------------------

/// Whatever serde's model has, as it stands in a term.
#[derive(Debug)]
enum Any {
    Unit,
    Nil,
    Bool(bool),
    Int(i128),
    Wide(u128),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    Opaque(Vec<u8>),
    List(Vec<Any>),
    Map(Vec<(Any, Any)>),
}

struct AnyVisitor;

impl<'de> ::serde::de::Visitor<'de> for AnyVisitor {
    type Value = Any;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("anything")
    }

    fn visit_unit<E>(self) -> Result<Any, E> {
        Ok(Any::Unit)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Any, E> {
        Ok(Any::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Any, E> {
        Ok(Any::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Any, E> {
        Ok(Any::Int(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Any, E> {
        Ok(Any::Int(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Any, E> {
        Ok(Any::Wide(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Any, E> {
        Ok(Any::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Any, E> {
        Ok(Any::Text(value.into()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<Any, E> {
        Ok(Any::Bytes(value.into()))
    }

    fn visit_newtype_struct<D: ::serde::Deserializer<'de>>(self, inside: D) -> Result<Any, D::Error> {
        match inside.deserialize_any(AnyVisitor)? {
            Any::Bytes(bytes) => Ok(Any::Opaque(bytes)),
            other => panic!("{other:?}"),
        }
    }

    fn visit_seq<A: ::serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Any, A::Error> {
        let mut all = vec![];
        while let Some(element) = seq.next_element()? {
            all.push(element);
        }
        Ok(if all.is_empty() { Any::Nil } else { Any::List(all) })
    }

    fn visit_map<A: ::serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Any, A::Error> {
        let mut all = vec![];
        while let Some(entry) = map.next_entry()? {
            all.push(entry);
        }
        Ok(Any::Map(all))
    }
}

impl<'de> Deserialize<'de> for Any {
    fn deserialize<D: ::serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor)
    }
}

impl Serialize for Any {
    fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unit => s.serialize_none(),
            Self::Nil => s.collect_seq([0_u8; 0]),
            Self::Bool(value) => s.serialize_bool(*value),
            Self::Int(value) => s.serialize_i128(*value),
            Self::Wide(value) => s.serialize_u128(*value),
            Self::Float(value) => s.serialize_f64(*value),
            Self::Text(value) => s.serialize_str(value),
            Self::Bytes(value) => s.serialize_bytes(value),
            Self::Opaque(value) => Term::trusted(value).serialize(s),
            Self::List(all) => s.collect_seq(all),
            Self::Map(all) => s.collect_map(all.iter().map(|(key, value)| (key, value))),
        }
    }
}

/// The bytes of a random term, of what comes back as it is: no atoms but `nil`, `true` and `false`, no tuples, no improper lists.
fn term(seed: &mut Seed, levels: usize, out: &mut Vec<u8>) {
    let mut buf = [0; 1024];
    let magnitude = seed.many(|seed| seed.next() as u8 | 1).repeat(1 + seed.below(20));
    let (text, int, float) = (seed.string(), seed.int(), seed.float());
    let leaf = match seed.below(if levels == 0 { 11 } else { 13 }) {
        0 => encode(&mut buf, |t| t.nil()),
        1 => encode(&mut buf, |t| t.bool(int > 0)),
        2 => encode(&mut buf, |t| t.atom("nil")),
        3 | 4 => encode(&mut buf, |t| t.int(int)),
        5 => encode(&mut buf, |t| t.big(int > 0, &magnitude)),
        6 => encode(&mut buf, |t| t.float(float)),
        7 => encode(&mut buf, |t| t.str(&text)),
        8 => encode(&mut buf, |t| t.binary(&magnitude)),
        9 => encode(&mut buf, |t| t.pid(pid().as_pid())),
        10 => encode(&mut buf, |t| t.bits(&[1, 0xa0], 3)),
        11 => {
            let len = 1 + seed.below(5);
            out.extend([108, 0, 0, 0, len as u8]);
            (0..len).for_each(|_| term(seed, levels - 1, out));
            out.push(106);
            return;
        }
        _ => {
            let mut keys = BTreeSet::new();
            for _ in 0..seed.below(5) {
                let mut key = vec![];
                term(seed, 0, &mut key);
                // as a key the atom is text, and no map has both zeros
                keys.extend(Some(key).filter(|key| key[0] != 119 && *key != [70, 128, 0, 0, 0, 0, 0, 0, 0]));
            }
            out.extend([116, 0, 0, 0, keys.len() as u8]);
            for key in keys {
                out.extend(key);
                term(seed, levels - 1, out);
            }
            return;
        }
    };
    out.extend(&leaf.unwrap()[1..]);
}

#[test]
fn a_term_comes_back_as_it_is() {
    for number in 0..5000 {
        let mut made = vec![131];
        term(&mut Seed(number), 4, &mut made);
        let term = Term::parse(&made).unwrap();
        let any: Any = term.deserialize().unwrap_or_else(|e| panic!("seed {number}: {e}: {term}"));
        assert_eq!(bytes(&any), made, "seed {number}: {term}, {any:?}");
    }
}

// --- damage -----------------------------------------------------------------------------------------------------------------

/// Reads the term as each of these, whatever comes of it.
fn read_as_everything(term: Term<'_>) {
    macro_rules! read {
        ($($type:ty),*) => {$( let _ = term.deserialize::<$type>(); )*};
    }
    read!(Everything, Reading, Event, Flat, Internal, Adjacent, Untagged, Struct, Kinds, Forms<'_>, Views<'_>, Chain, Tree);
    read!(Vec<Atom<'_>>, Vec<OwnedPid>, (Term<'_>, Bits<'_>), &str, char, f32, u128, Result<(), Unit>, ::serde::de::IgnoredAny);
    if let Ok(any) = term.deserialize::<Any>() {
        assert!(matches!(term.value(), Value::Nil) || !bytes(&any).is_empty());
    }
}

#[test]
fn damage_is_refused_or_read() {
    for pattern in ["serde/events", "serde/nothing", "serde/charlists", "serde/identifiers", "serde/old_atoms", "serde/scores"] {
        damaged(pattern, |bytes| {
            if let Ok(term) = Term::parse(bytes) {
                read_as_everything(term);
            }
        });
    }
}

/// What was written by us, with any byte changed.
#[test]
fn damaged_values_are_refused_or_read() {
    for number in 0..40 {
        let mut seed = Seed(number);
        let mut written = bytes(&everything(&mut seed, 1));
        for _ in 0..100 {
            let at = seed.below(written.len());
            let kept = written[at];
            written[at] = seed.next() as u8;
            if let Ok(term) = Term::parse(&written) {
                read_as_everything(term);
            }
            written[at] = kept;
        }
    }
}
