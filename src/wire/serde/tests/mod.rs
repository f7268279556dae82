//! Types of every kind, there and back.

mod captured;
mod edges;
mod random;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, vec};

use ::serde::{Deserialize, Serialize};

use super::ser::write;
use super::{Deserializer, Error, NoneAs, Options, OwnedBig, atom, atom_keys, binary, charlist};
use crate::error::{Error as CrateError, Misuse};
use crate::wire::build::encode;
use crate::wire::ids::{Atom, NodeName, OwnedPid, OwnedReference, Pid, Port, Reference};
use crate::wire::term::Term;
use crate::wire::text::parse_text;
use crate::wire::value::Bits;

fn bytes<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut buf = vec![0; 1 << 16];
    encode(&mut buf, |t| t.serialize(value)).unwrap().to_vec()
}

/// The value as Erlang prints it.
fn text<T: Serialize + ?Sized>(value: &T) -> String {
    Term::parse(&bytes(value)).unwrap().to_string()
}

/// What the term that Erlang would read from this text is as a value; its error otherwise.
fn read<T: for<'de> Deserialize<'de>>(erlang: &str) -> Result<T, String> {
    let mut buf = vec![0; 1 << 16];
    parse_text(erlang, &mut buf).unwrap().deserialize().map_err(|e: Error| e.to_string())
}

/// The error of writing a value.
fn refused<T: Serialize + ?Sized>(value: &T) -> (String, CrateError) {
    let mut said = None;
    let mut buf = [0; 4096];
    let _ = encode(&mut buf, |t| {
        said = write(t, Options::new(), value).err().map(|e| e.to_string());
        t.nil()
    });
    (said.expect("an error"), encode(&mut buf, |t| t.serialize(value)).unwrap_err())
}

/// The text and back.
#[track_caller]
fn both<T: Serialize + for<'de> Deserialize<'de> + PartialEq + core::fmt::Debug>(value: T, erlang: &str) {
    assert_eq!(text(&value), erlang);
    assert_eq!(read::<T>(erlang), Ok(value), "{erlang}");
}

#[derive(Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Celsius,
    Kelvin,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Reading {
    celsius: f64,
    unit: Unit,
    sensor: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

fn reading() -> Reading {
    Reading { celsius: 21.5, unit: Unit::Celsius, sensor: "t1".into(), note: None }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Stop,
    Temperature(f64),
    Range(i64, i64),
    Alarm { level: u8, text: String },
    Pair((u8, u8)),
    Nothing(()),
}

#[test]
fn structs_are_maps_with_atoms_as_keys() {
    both(reading(), "#{celsius => 21.5,unit => celsius,sensor => <<\"t1\">>}");
    let noted = Reading { note: Some("x".into()), ..reading() };
    both(noted, "#{celsius => 21.5,unit => celsius,sensor => <<\"t1\">>,note => <<\"x\">>}");
    // nobody's keys are passed over, whatever they are
    let more = "#{1 => 2, 0 => x, {a} => [], \"celsius\" => 3, celsius => 21.5, <<255>> => 1, <<\"unit\">> => celsius, sensor => <<\"t1\">>}";
    assert_eq!(read(more), Ok(reading()));
    assert_eq!(read::<Reading>("#{}"), Err("the key celsius is missing".into()));
    assert_eq!(read::<Reading>("#{celsius => 1.0, <<\"celsius\">> => 2.0}"), Err("the key celsius came twice".into()));
    assert_eq!(read::<Reading>("[]"), Err("a map is expected, [] came".into()));
}

#[test]
fn variants_are_atoms_and_tagged_tuples() {
    both(Event::Stop, "stop");
    both(Event::Temperature(21.5), "{temperature,21.5}");
    both(Event::Range(1, 300), "{range,1,300}");
    both(Event::Alarm { level: 3, text: "hot".into() }, "{alarm,#{level => 3,text => <<\"hot\">>}}");
    both(Event::Pair((1, 2)), "{pair,{1,2}}");
    both(Event::Nothing(()), "{nothing,{}}");
    for (erlang, said) in [
        ("<<\"stop\">>", "an atom is expected, <<\"stop\">> came"),
        ("{1,2}", "a tuple with an atom first is expected, {1,2} came"),
        ("{}", "a tuple with an atom first is expected, {} came"),
        ("{stop}", "the atom stop alone is expected, a tuple with it came"),
        ("temperature", "a tuple of temperature and 1 more is expected, temperature came"),
        ("{temperature,1.0,2.0}", "a tuple of temperature and 1 more is expected, one with 2 came"),
        ("{range,1}", "a tuple of range and 2 more is expected, one with 1 came"),
        ("{range,1,x}", "range[1]: an integer from -2^63 to 2^63-1 is expected, x came"),
        ("{alarm,[]}", "alarm: a map is expected, [] came"),
        ("{alarm,#{level => 300}}", "alarm.level: an integer from 0 to 255 is expected, 300 came"),
        ("starting", "starting is none of stop, temperature, range, alarm, pair, nothing"),
    ] {
        assert_eq!(read::<Event>(erlang), Err(said.into()), "{erlang}");
    }
}

#[test]
fn results_are_what_they_are_in_erlang() {
    type Answer = Result<i64, String>;
    both::<Answer>(Ok(21), "{ok,21}");
    both::<Answer>(Err("no".into()), "{error,<<\"no\">>}");
    assert_eq!(read::<Result<(), Unit>>("ok"), Ok(Ok(())));
    assert_eq!(read::<Result<(), Unit>>("{error,kelvin}"), Ok(Err(Unit::Kelvin)));
    assert_eq!(read::<Answer>("ok"), Err("ok: an integer from -2^63 to 2^63-1 is expected, {} came".into()));
    assert_eq!(read::<Answer>("{'Ok',1}"), Ok(Ok(1)));
}

#[test]
fn options_are_nil_or_undefined_or_null() {
    both((Some(1_u8), None::<u8>), "{1,nil}");
    assert_eq!(read("[nil,undefined,null,1]"), Ok(vec![None, None, None, Some(1)]));
    for (none, erlang) in [(NoneAs::Nil, "[nil]"), (NoneAs::Undefined, "[undefined]"), (NoneAs::Null, "[null]")] {
        let mut buf = [0; 64];
        let bytes = encode(&mut buf, |t| t.serialize_with(Options::new().none(none), &[None::<u8>][..])).unwrap();
        assert_eq!(Term::parse(bytes).unwrap().to_string(), erlang);
    }
    both((), "{}");
    assert_eq!(read("nil"), Ok(()));
    assert_eq!(read::<()>("[]"), Err("{} is expected, [] came".into()));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Meters(f64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Point(i8, i8);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "stop")]
struct Stop;

#[test]
fn tuples_and_what_is_like_them() {
    both(Meters(1.5), "1.5");
    both(Point(1, -1), "{1,-1}");
    both(Stop, "stop");
    both((1_u8, "a".to_string(), true), "{1,<<\"a\">>,true}");
    both([1.5, 2.0], "{1.5,2.0}");
    assert_eq!(read("[1,2]"), Ok([1.0, 2.0]));
    assert_eq!(read::<Stop>("go"), Err("the atom stop is expected, go came".into()));
    assert_eq!(read::<[u8; 2]>("{1}"), Err("an array of length 2 is expected, one of 1 came".into()));
    assert_eq!(read::<[u8; 2]>("{1,2,3}"), Err("a tuple of 2 is expected, {1,2,3} came".into()));
    assert_eq!(read::<(u8, u8)>("[1,2,3]"), Err("a tuple of 2 is expected, [1,2,3] came".into()));
    assert_eq!(read::<(u8, u8)>("[1,2|3]"), Err("a tuple of 2 is expected, [1,2|3] came".into()));
    assert_eq!(read::<(u8, Point)>("{1,{2,x}}"), Err("[1][1]: an integer from -128 to 127 is expected, x came".into()));
}

#[test]
fn sequences_are_lists() {
    both(vec![1, 2, 300], "[1,2,300]");
    both(Vec::<u8>::new(), "[]");
    both(vec![Vec::new(), vec!["a".to_string()]], "[[],[<<\"a\">>]]");
    assert_eq!(read("\"abc\""), Ok(b"abc".to_vec()));
    assert_eq!(read("[1|[2|[3]]]"), Ok(vec![1, 2, 3]));
    assert_eq!(read::<Vec<u8>>("[1,2|3]"), Err("a proper list is expected, [1,2|3] came".into()));
    assert_eq!(read::<Vec<u8>>("{1,2}"), Err("a proper list is expected, {1,2} came".into()));
    assert_eq!(read::<Vec<u8>>("<<1,2>>"), Err("a proper list is expected, <<1,2>> came".into()));
    assert_eq!(read::<Vec<u8>>("[1,256]"), Err("[1]: an integer from 0 to 255 is expected, 256 came".into()));
}

/// The count is put right where it is not known before.
#[test]
fn sequences_and_maps_of_unknown_length() {
    struct Odd(Vec<u32>);

    impl Serialize for Odd {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_seq(self.0.iter().filter(|n| *n % 2 == 1))
        }
    }

    struct OddMap(Vec<u32>);

    impl Serialize for OddMap {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_map(self.0.iter().filter(|n| *n % 2 == 1).map(|n| (n, n)))
        }
    }

    assert_eq!(bytes(&Odd(vec![1, 2, 3])), bytes(&vec![1, 3]));
    assert_eq!(bytes(&Odd(vec![2, 4])), [131, 106]);
    assert_eq!(text(&OddMap(vec![1, 2, 3])), "#{1 => 1,3 => 3}");
    assert_eq!(bytes(&OddMap(vec![])), [131, 116, 0, 0, 0, 0]);
    // an announced length that does not hold
    struct Lie(usize);

    impl Serialize for Lie {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            use ::serde::ser::SerializeSeq;
            let mut seq = s.serialize_seq(Some(self.0))?;
            seq.serialize_element(&1)?;
            seq.end()
        }
    }
    assert_eq!((text(&Lie(0)), text(&Lie(3))), ("[1]".into(), "[1]".into()));

    struct LieTuple;

    impl Serialize for LieTuple {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            use ::serde::ser::SerializeTuple;
            let mut seq = s.serialize_tuple(2)?;
            seq.serialize_element(&1)?;
            seq.end()
        }
    }
    assert_eq!(refused(&LieTuple).0, "a tuple of 2 was begun, and has 1 elements");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u8,
    #[serde(flatten)]
    reading: Reading,
    #[serde(flatten)]
    more: BTreeMap<String, i64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Nothing,
    Number(i64),
    Float(f64),
    Flag(bool),
    Text(String),
    List(Vec<Untagged>),
    Who(OwnedPid),
    Struct { a: Option<Unit>, b: u64 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Internal {
    Stop,
    Alarm { level: u8 },
    Reading(Reading),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Stop,
    Alarm { level: u8 },
    Range(u8, u8),
}

#[test]
fn what_serde_reads_before_it_knows_the_type() {
    let flat = Flat { id: 1, reading: reading(), more: BTreeMap::from([("x".into(), 5)]) };
    assert_eq!(text(&flat), "#{id => 1,celsius => 21.5,unit => celsius,sensor => <<\"t1\">>,<<\"x\">> => 5}");
    assert_eq!(read("#{id => 1,celsius => 21.5,unit => celsius,sensor => <<\"t1\">>,x => 5,note => nil}"), Ok(flat));
    let numbers: Result<(HashMap<i64, i64>,), _> = read("{#{5 => 1}}");
    assert_eq!(numbers.unwrap().0[&5], 1);

    both(Untagged::Nothing, "{}");
    both(Untagged::Number(-5), "-5");
    both(Untagged::Float(0.5), "0.5");
    both(Untagged::Flag(true), "true");
    both(Untagged::Text("a".into()), "<<\"a\">>");
    both(Untagged::List(vec![Untagged::Number(1), Untagged::Text("b".into())]), "[1,<<\"b\">>]");
    both(Untagged::Struct { a: None, b: u64::MAX }, "#{a => nil,b => 18446744073709551615}");
    both(Untagged::Struct { a: Some(Unit::Kelvin), b: 1 }, "#{a => kelvin,b => 1}");
    let pid = bytes(&Untagged::Who(pid()));
    assert_eq!(Term::parse(&pid).unwrap().deserialize::<Untagged>().unwrap(), Untagged::Who(self::pid()));
    assert_eq!(
        read::<Untagged>("#{b => x}"),
        Err("data did not match any variant of untagged enum Untagged".into()),
        "serde's own words"
    );

    both(Internal::Stop, "#{type => <<\"stop\">>}");
    both(Internal::Alarm { level: 1 }, "#{type => <<\"alarm\">>,level => 1}");
    both(Internal::Reading(reading()), "#{type => <<\"reading\">>,celsius => 21.5,unit => celsius,sensor => <<\"t1\">>}");
    assert_eq!(read("#{type => alarm,level => 1}"), Ok(Internal::Alarm { level: 1 }));
    both(Adjacent::Stop, "#{t => 'Stop'}");
    both(Adjacent::Alarm { level: 1 }, "#{t => 'Alarm',c => #{level => 1}}");
    both(Adjacent::Range(1, 2), "#{t => 'Range',c => {1,2}}");
}

/// Two parts of a struct that have the same key.
#[test]
fn a_map_with_a_key_twice_is_refused() {
    #[derive(Serialize)]
    struct Part {
        id: u8,
    }
    #[derive(Serialize)]
    struct Twice {
        id: u8,
        #[serde(flatten)]
        part: Part,
    }
    assert_eq!(refused(&Twice { id: 1, part: Part { id: 2 } }).0, "the map has the key id twice");

    // keys that differ to Rust, and are the same to Erlang
    struct InOrder<K>(Vec<(K, u8)>);
    impl<K: Serialize> Serialize for InOrder<K> {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_map(self.0.iter().map(|(key, value)| (key, value)))
        }
    }
    #[derive(Serialize)]
    struct Parts<K: Serialize, L: Serialize> {
        #[serde(flatten)]
        one: InOrder<K>,
        #[serde(flatten)]
        other: InOrder<L>,
    }
    fn parts<K: Serialize, L: Serialize>(one: K, other: L) -> Parts<K, L> {
        Parts { one: InOrder(vec![(one, 1)]), other: InOrder(vec![(other, 1)]) }
    }
    assert_eq!(text(&parts(vec![1], vec![2])), "#{[1] => 1,[2] => 1}");
    assert_eq!(text(&parts(1, 1.0)), "#{1 => 1,1.0 => 1}");
    let maps = parts(InOrder(vec![(1, 1), (2, 2)]), InOrder(vec![(2, 2), (1, 1)]));
    assert_eq!(refused(&maps).0, "the map has the key #{2 => 2,1 => 1} twice");
    assert_eq!(refused(&parts((1, 0.0), (1, -0.0))).0, "the map has the key {1,-0.0} twice");
    assert_eq!(refused(&parts(vec![7], Term::parse(&[107, 0, 1, 7]).unwrap())).0, "the map has the key [7] twice");

    // so may those of one collection
    #[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
    #[serde(untagged)]
    enum Any {
        Short(u8),
        Long(u16),
    }
    let any = |keys: [Any; 2]| keys.into_iter().zip(1..).collect::<BTreeMap<_, u8>>();
    assert_eq!(text(&any([Any::Short(1), Any::Long(2)])), "#{1 => 1,2 => 2}");
    assert_eq!(refused(&any([Any::Short(1), Any::Long(1)])).0, "the map has the key 1 twice");
    assert_eq!(refused(&InOrder(vec![(0.0, 1), (-0.0, 1)])).0, "the map has the key -0.0 twice");
    let mut mixed = InOrder(vec![(("a", 1.0), 1), (("b", 0.0), 1)]);
    assert_eq!(text(&mixed), "#{{<<\"a\">>,1.0} => 1,{<<\"b\">>,0.0} => 1}");
    mixed.0.push((("b", -0.0), 1));
    assert_eq!(refused(&mixed).0, "the map has the key {<<\"b\">>,-0.0} twice");
}

#[test]
fn maps() {
    both(BTreeMap::from([((1_u8, 2_u8), vec![Some(1)])]), "#{{1,2} => [1]}");
    both(BTreeMap::from([(-1_i8, true)]), "#{-1 => true}");
    both(BTreeMap::from([("a".to_string(), 1)]), "#{<<\"a\">> => 1}");
    assert_eq!(read("#{a => 1,<<\"b\">> => 2}"), Ok(BTreeMap::from([("a".to_string(), 1), ("b".to_string(), 2)])));
    assert_eq!(read("#{celsius => 1}"), Ok(HashMap::from([("celsius".to_string(), 1)])));
    both(HashMap::from([(Unit::Celsius, 1)]), "#{celsius => 1}");
    assert_eq!(read("#{<<\"kelvin\">> => 1}"), Ok(HashMap::from([(Unit::Kelvin, 1)])));
    assert_eq!(read::<HashMap<String, u8>>("#{1 => 1}"), Err("a binary of UTF-8 is expected, 1 came".into()));
    assert_eq!(read::<HashMap<u8, u8>>("#{1 => x}"), Err("[1]: an integer from 0 to 255 is expected, x came".into()));
    assert_eq!(read::<HashMap<String, u8>>("#{a => x}"), Err("a: an integer from 0 to 255 is expected, x came".into()));
}

#[test]
fn integers_are_checked_for_their_range() {
    both((i8::MIN, i16::MIN, i32::MIN, i64::MIN), "{-128,-32768,-2147483648,-9223372036854775808}");
    both((u8::MAX, u16::MAX, u32::MAX, u64::MAX), "{255,65535,4294967295,18446744073709551615}");
    both((i128::MIN, i128::MAX), &format!("{{{},{}}}", i128::MIN, i128::MAX));
    both((u128::MAX, 0_u128), &format!("{{{},0}}", u128::MAX));
    fn said<T>(what: &str, came: &str) -> Result<T, String> {
        Err(format!("{what} is expected, {came} came"))
    }
    assert_eq!(read::<u8>("256"), said("an integer from 0 to 255", "256"));
    assert_eq!(read::<u8>("-1"), said("an integer from 0 to 255", "-1"));
    assert_eq!(read::<i8>("128"), said("an integer from -128 to 127", "128"));
    assert_eq!(read::<i16>("32768"), said("an integer from -32768 to 32767", "32768"));
    assert_eq!(read::<u16>("65536"), said("an integer from 0 to 65535", "65536"));
    assert_eq!(read::<i32>("2147483648"), said("an integer from -2147483648 to 2147483647", "2147483648"));
    assert_eq!(read::<u32>("4294967296"), said("an integer from 0 to 4294967295", "4294967296"));
    assert_eq!(read::<i64>("9223372036854775808"), said("an integer from -2^63 to 2^63-1", "9223372036854775808"));
    assert_eq!(read::<u64>("-1"), said("an integer from 0 to 2^64-1", "-1"));
    assert_eq!(read::<u64>("18446744073709551616"), said("an integer from 0 to 2^64-1", "18446744073709551616"));
    assert!(read::<u128>("340282366920938463463374607431768211456").unwrap_err().starts_with("an integer from 0 to 2^128-1 is"));
    assert!(read::<i128>("170141183460469231731687303715884105728").is_err());
    assert_eq!(read::<u8>("1.0"), said("an integer from 0 to 255", "1.0"));
    assert_eq!(read::<u8>("<<\"1\">>"), said("an integer from 0 to 255", "<<\"1\">>"));
}

#[test]
fn floats_are_finite_and_read_from_integers() {
    both((1.5_f32, -0.1_f64), "{1.5,-0.1}");
    assert_eq!(read("{21,-1,1180591620717411303424}"), Ok((21.0_f64, -1.0_f32, 1_180_591_620_717_411_303_424.0_f64)));
    assert_eq!(read::<f32>("1.0e300"), Err("a float of 32 bits is expected, 1.0e300 came".into()));
    // half a step above the greatest float of 32 bits, and right below that
    assert!(read::<f32>("3.4028235677973366e38").is_err() && read::<f32>("-3.4028235677973366e38").is_err());
    assert_eq!(read("{3.4028235677973362e38,-3.4028235677973362e38}"), Ok((f32::MAX, f32::MIN)));
    assert_eq!(read::<f64>("x"), Err("a float is expected, x came".into()));
    let (said, error) = refused(&BTreeMap::from([("a", vec![1.0, f64::NAN])]));
    assert_eq!(said, "a[1]: Erlang has no infinite float and no NaN");
    assert!(matches!(error, CrateError::Misuse(Misuse::NotFinite)));
    assert_eq!(refused(&f32::INFINITY).0, "Erlang has no infinite float and no NaN");
}

#[test]
fn strings_are_binaries_and_characters_integers() {
    both("hello".to_string(), "<<\"hello\">>");
    assert_eq!(read("<<\"h\u{e4}llo\"/utf8>>"), Ok("h\u{e4}llo".to_string()));
    assert_eq!(bytes("h\u{e4}"), [131, 109, 0, 0, 0, 3, b'h', 195, 164]);
    both((true, false), "{true,false}");
    both(('a', '\u{3bb}'), "{97,955}");
    assert_eq!(read("{<<\"a\">>,<<\"\u{3bb}\"/utf8>>}"), Ok(('a', '\u{3bb}')));
    assert!(read::<char>("<<\"ab\">>").is_err() && read::<char>("16#d800").is_err() && read::<char>("x").is_err());
    let said = |came: &str| Err(format!("a binary of UTF-8 is expected, {came} came"));
    assert_eq!(read::<String>("celsius"), said("celsius"));
    assert_eq!(read::<String>("\"text\""), said("\"text\""));
    assert_eq!(read::<String>("<<255>>"), said("<<\"\u{ff}\">>"));
    assert_eq!(read::<bool>("yes"), Err("true or false is expected, yes came".into()));
    // printed into the term
    let address: core::net::IpAddr = "10.0.0.7".parse().unwrap();
    both(address, "<<\"10.0.0.7\">>");
    assert_eq!(read::<core::net::IpAddr>("<<\"x\">>"), Err("invalid IP address syntax".into()));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Forms<'a> {
    #[serde(with = "atom")]
    name: String,
    #[serde(with = "atom")]
    names: Vec<Cow<'a, str>>,
    #[serde(with = "atom", borrow)]
    perhaps: Option<&'a str>,
    #[serde(with = "atom_keys")]
    scores: BTreeMap<String, String>,
    #[serde(with = "charlist")]
    charlists: Vec<String>,
    #[serde(with = "binary")]
    bytes: Vec<u8>,
    #[serde(with = "binary")]
    array: Option<[u8; 3]>,
    #[serde(with = "binary", borrow)]
    slice: &'a [u8],
    #[serde(borrow)]
    kind: Atom<'a>,
}

#[test]
fn other_forms_by_module() {
    let value = Forms {
        name: "t 1".into(),
        names: vec!["a".into(), "\u{3bb}".into()],
        perhaps: Some("b"),
        scores: BTreeMap::from([("x".into(), "y".into())]),
        charlists: vec!["abc".into(), "\u{e4}".into(), "\u{3bb}".into(), String::new()],
        bytes: vec![1, 2, 255],
        array: Some([7, 8, 9]),
        slice: &[4],
        kind: Atom::from_str("k"),
    };
    let bytes = bytes(&value);
    let term = Term::parse(&bytes).unwrap();
    assert_eq!(
        term.to_string(),
        "#{name => 't 1',names => [a,'\\x{3BB}'],perhaps => b,scores => #{x => <<\"y\">>},charlists => [\"abc\",\"\u{e4}\",[955],[]],\
         bytes => <<1,2,255>>,array => <<7,8,9>>,slice => <<4>>,kind => k}"
    );
    assert_eq!(term.deserialize::<Forms<'_>>().unwrap(), value);
    // a mode ends with what it is for
    let mut buf = [0; 256];
    let mut one = |erlang: &str, said: &str| {
        let e = parse_text(erlang, &mut buf).unwrap().deserialize::<Forms<'_>>().unwrap_err();
        assert_eq!(e.to_string(), said);
    };
    one("#{name => <<\"a\">>}", "name: an atom is expected, <<\"a\">> came");
    one("#{names => [a,1]}", "names[1]: an atom is expected, 1 came");
    one("#{charlists => [<<\"a\">>]}", "charlists[0]: a list of characters is expected, <<\"a\">> came");
    one("#{charlists => [[-1]]}", "charlists[0]: a list of characters is expected, [-1] came");
    one("#{charlists => [[97|98]]}", "charlists[0]: a list of characters is expected, [97|98] came");
    one("#{bytes => [1,2]}", "bytes: a binary is expected, [1,2] came");
    one("#{array => <<1,2>>}", "array: an array of length 3 is expected, one of 2 came");
    one("#{array => <<1,2,3,4>>}", "array: a binary of 3 bytes is expected, <<1,2,3,4>> came");
    one("#{kind => 1}", "kind: an atom is expected, 1 came");
}

#[test]
fn a_charlist_that_is_not_borrowed_has_a_limit() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Text(#[serde(with = "charlist")] String);

    both(Text("x".repeat(2000)), &format!("\"{}\"", "x".repeat(2000)));
    both(Text("\u{3bb}".repeat(512)), &format!("[{}]", ["955"; 512].join(",")));
    let long = bytes(&Text("\u{3bb}".repeat(513)));
    let e = Term::parse(&long).unwrap().deserialize::<Text>().unwrap_err();
    assert_eq!(e.to_string(), "a charlist of integers has at most 1024 bytes of text");
}

#[test]
fn what_is_printed_takes_other_forms_too() {
    use core::net::Ipv4Addr;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Address(#[serde(with = "atom")] Ipv4Addr, #[serde(with = "charlist")] Ipv4Addr);

    both(Address(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST), "{'127.0.0.1',\"127.0.0.1\"}");

    struct Long;

    impl Serialize for Long {
        fn serialize<S: ::serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
            s.collect_str(&format_args!("{:1021}", 1))
        }
    }
    assert_eq!(bytes(&Long).len(), 1 + 5 + 1021);

    #[derive(Serialize)]
    struct LongAtom(#[serde(with = "atom")] Long);
    assert_eq!(refused(&LongAtom(Long)).0, "a text that is printed has at most 1020 bytes here");
}

fn pid() -> OwnedPid {
    let node = Atom::from_str("a@b");
    OwnedPid::new(Pid { node, id: 85, serial: 1, creation: 9 }).unwrap()
}

fn reference() -> OwnedReference {
    OwnedReference::new(Reference::from_words(Atom::from_str("a@b"), 9, &[0, 0, 0, 1, 0, 0, 0, 2])).unwrap()
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kinds {
    pid: OwnedPid,
    reference: Option<OwnedReference>,
    node: NodeName,
    big: OwnedBig<251>,
    small: OwnedBig<1>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Views<'a> {
    #[serde(borrow)]
    pid: Pid<'a>,
    #[serde(borrow)]
    reference: Reference<'a>,
    #[serde(borrow)]
    port: Port<'a>,
    #[serde(borrow)]
    bits: Bits<'a>,
    #[serde(borrow)]
    any: Vec<Term<'a>>,
}

#[test]
fn identifiers_and_terms_as_they_are() {
    let big = |magnitude: &[u8]| OwnedBig::new(crate::Big { negative: true, magnitude }).unwrap();
    let kinds = Kinds {
        pid: pid(),
        reference: Some(reference()),
        node: NodeName::new("a@b").unwrap(),
        big: big(&[7; 251]),
        small: OwnedBig::new(crate::Big { negative: true, magnitude: &[5, 0] }).unwrap(),
    };
    let written = bytes(&kinds);
    let term = Term::parse(&written).unwrap();
    assert_eq!(term.deserialize::<Kinds>().unwrap(), kinds);
    assert_eq!((term.get("pid").unwrap().as_pid(), term.get("small").unwrap().as_i64()), (Some(pid().as_pid()), Some(-5)));
    assert_eq!(term.get("big").unwrap().as_bytes()[..4], [110, 251, 1, 7]);
    assert!(matches!(term.get("node").unwrap().as_atom(), Some(node) if node == "a@b"));
    let (pid, reference) = (pid(), reference());
    let mut buf = [0; 64];
    let any = parse_text("{a,[1|2],#{}}", &mut buf).unwrap();
    let port = Port { node: Atom::from_str("a@b"), id: 1 << 40, creation: 9 };
    let bits = Bits { bytes: &[1, 0xa0], last: 3 };
    let views = Views { pid: pid.as_pid(), reference: reference.as_reference(), port, bits, any: vec![any, any] };
    let written = bytes(&views);
    let again: Views<'_> = Term::parse(&written).unwrap().deserialize().unwrap();
    assert_eq!((again.pid, again.reference, again.port, again.bits), (views.pid, views.reference, port, bits));
    assert!(again.any.iter().all(|term| term.as_bytes() == any.as_bytes()));
    assert_eq!(bytes(&again), written);
    assert_eq!(read::<OwnedPid>("x"), Err("a pid of a node with a proper name is expected, x came".into()));
    assert_eq!(read::<OwnedBig<1>>("256"), Err("an integer has more than 1 bytes".into()));
    assert_eq!(read::<OwnedBig<1>>("a"), Err("an integer is expected, a came".into()));
    let mut fields = [0; 64];
    let e = parse_text("#{pid => <<88>>}", &mut fields).unwrap().deserialize::<Views<'_>>().unwrap_err();
    assert_eq!(e.to_string(), "pid: a pid is expected, <<\"X\">> came");
}

#[cfg(feature = "std")]
#[test]
fn terms_that_are_kept() {
    let mut buf = [0; 64];
    let term = parse_text("[{a,[1|2],#{}}]", &mut buf).unwrap();
    let kept: [crate::OwnedTerm; 1] = term.deserialize().unwrap();
    assert_eq!((kept[0].to_string(), text(&kept)), ("{a,[1|2],#{}}".into(), "{{a,[1|2],#{}}}".into()));
}

/// What JSON makes of it, and what is read again.
#[cfg(feature = "std")]
#[test]
fn another_format_sees_strings_and_bytes() {
    let forms = Forms {
        name: "n".into(),
        names: vec!["a".into()],
        perhaps: None,
        scores: BTreeMap::new(),
        charlists: vec!["abc".into()],
        bytes: vec![1, 2],
        array: Some([1, 2, 3]),
        slice: &[],
        kind: Atom::from_str("k"),
    };
    assert_eq!(
        serde_json::to_string(&forms).unwrap(),
        r#"{"name":"n","names":["a"],"perhaps":null,"scores":{},"charlists":["abc"],"bytes":[1,2],"array":[1,2,3],"slice":[],"kind":"k"}"#
    );
    let kinds = Kinds {
        pid: pid(),
        reference: None,
        node: NodeName::new("a@b").unwrap(),
        big: OwnedBig::new(crate::Big { negative: true, magnitude: &[7; 20] }).unwrap(),
        small: OwnedBig::new(crate::Big { negative: false, magnitude: &[5] }).unwrap(),
    };
    let json = serde_json::to_string(&kinds).unwrap();
    assert!(json.starts_with(r#"{"pid":[88,119,3,97,64,98,0,0,0,85,"#) && json.ends_with(r#""small":[false,[5]]}"#), "{json}");
    assert_eq!(serde_json::from_str::<Kinds>(&json).unwrap(), kinds);
    assert_eq!(serde_json::from_str::<OwnedBig<4>>("-300").unwrap().as_big().magnitude, [44, 1]);
    assert_eq!(serde_json::from_str::<Atom<'_>>("\"k\"").unwrap(), Atom::from_str("k"));
    assert!(serde_json::from_str::<OwnedPid>("[88,1]").is_err() && serde_json::from_str::<OwnedPid>("[97,1]").is_err());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Elixir.Alarm")]
struct Alarm {
    level: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "__struct__")]
enum Struct {
    #[serde(rename = "Elixir.Alarm")]
    Alarm { level: u8 },
    #[serde(rename = "Elixir.Stop")]
    Stop,
    #[serde(rename = "Elixir.Held")]
    Held(Held),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Elixir.Held")]
struct Held {
    by: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Named<'a> {
    #[serde(borrow, rename = "__struct__")]
    name: Atom<'a>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    level: u8,
}

#[test]
fn elixir_structs() {
    both(Alarm { level: 3 }, "#{'__struct__' => 'Elixir.Alarm',level => 3}");
    assert_eq!(read("#{level => 3}"), Ok(Alarm { level: 3 }));
    assert_eq!(
        read::<Alarm>("#{'__struct__' => 'Elixir.Other',level => 3}"),
        Err("the struct Elixir.Alarm is expected, 'Elixir.Other' came".into())
    );
    both(Struct::Alarm { level: 3 }, "#{'__struct__' => 'Elixir.Alarm',level => 3}");
    both(Struct::Stop, "#{'__struct__' => 'Elixir.Stop'}");
    both(Struct::Held(Held { by: "x".into() }), "#{'__struct__' => 'Elixir.Held',by => <<\"x\">>}");
    // the name is passed over, unless it is asked for
    assert_eq!(read("#{'__struct__' => 'Elixir.Alarm',level => 3}"), Ok(Strict { level: 3 }));
    assert_eq!(read::<Strict>("#{other => 1,level => 3}"), Err("the key other is none of level".into()));
    assert_eq!(read::<Strict>("#{1 => 1,level => 3}"), Err("the key 1 is none of level".into()));
    let mut buf = [0; 64];
    let named: Named<'_> = parse_text("#{'__struct__' => 'Elixir.Alarm'}", &mut buf).unwrap().deserialize().unwrap();
    assert!(named.name == "Elixir.Alarm");
    assert_eq!(text(&named), "#{'__struct__' => 'Elixir.Alarm'}");
}

#[test]
fn errors_name_the_place() {
    #[derive(Debug, Deserialize)]
    struct Report {
        #[expect(dead_code, reason = "never read")]
        reading: Reading,
    }
    let said = |erlang: &str| read::<Report>(erlang).unwrap_err();
    assert_eq!(said("#{reading => #{unit => <<\"celsius\">>}}"), "reading.unit: an atom is expected, <<\"celsius\">> came");
    assert_eq!(said("#{reading => #{celsius => 1}}"), "reading: the key unit is missing");
    assert_eq!(
        said(&format!("#{{reading => #{{celsius => \"{}\"}}}}", "x".repeat(100))),
        format!("reading.celsius: a float is expected, \"{}.. came", "x".repeat(21))
    );
    assert_eq!(
        read::<Vec<BTreeMap<String, Vec<u8>>>>(&format!("[#{{}},#{{{} => [1,x]}}]", "k".repeat(70))).unwrap_err(),
        format!("..{}[1]: an integer from 0 to 255 is expected, x came", "k".repeat(66))
    );
    let e = parse_text("[[x]]", &mut [0; 16]).unwrap().deserialize::<Vec<Vec<u8>>>().unwrap_err();
    assert_eq!((e.path(), e.message()), ("[0][0]", "an integer from 0 to 255 is expected, x came"));
    assert_eq!(format!("{e:?}"), e.to_string());
    // clippy calls 128 bytes large, and whoever returns such an error would hear it
    assert!(size_of::<Error>() < 128);
    #[derive(Serialize)]
    struct Bad {
        list: Vec<Option<f64>>,
    }
    assert_eq!(refused(&Bad { list: vec![None, Some(f64::NAN)] }).0, "list[1]: Erlang has no infinite float and no NaN");
    #[derive(Serialize)]
    enum Which {
        #[serde(rename = "which")]
        Tuple(u8, f64),
        #[serde(rename = "what")]
        Struct { x: f64 },
        #[serde(rename = "new")]
        Newtype([f64; 1]),
    }
    assert_eq!(refused(&Which::Tuple(1, f64::NAN)).0, "which[1]: Erlang has no infinite float and no NaN");
    assert_eq!(refused(&Which::Struct { x: f64::NAN }).0, "what.x: Erlang has no infinite float and no NaN");
    assert_eq!(refused(&Which::Newtype([f64::NAN])).0, "new[0]: Erlang has no infinite float and no NaN");
}

#[test]
fn a_type_that_refuses_says_why() {
    struct Refuses;

    impl Serialize for Refuses {
        fn serialize<S: ::serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(::serde::ser::Error::custom("the sensor is locked "))
        }
    }
    let (said, error) = refused(&[Refuses][..]);
    assert_eq!(said, "[0]: the sensor is locked ");
    assert!(matches!(error, CrateError::Misuse(Misuse::Serialize)));
    // whoever overlooks it does not send half a term
    let mut buf = [0; 64];
    let overlooked = encode(&mut buf, |t| {
        let _ = t.serialize(&(1, Refuses));
        t.nil()
    });
    assert!(overlooked.is_err());
}

/// A value is one part of a term.
#[test]
fn values_among_other_parts() {
    let mut buf = [0; 128];
    let bytes = encode(&mut buf, |t| t.tuple(3)?.serialize("a")?.serialize(&vec![1, 2])?.serialize(&Unit::Kelvin));
    assert_eq!(Term::parse(bytes.unwrap()).unwrap().to_string(), "{<<\"a\">>,[1,2],kelvin}");
    let twice = encode(&mut buf, |t| t.serialize(&1)?.serialize(&2));
    assert!(matches!(twice, Err(CrateError::Misuse(Misuse::TermOverfull))));
    // the room that is missing is told to the byte
    let whole = self::bytes(&reading());
    for room in 0..whole.len() {
        let needed = whole.len();
        let Err(CrateError::Full(full)) = encode(&mut buf[..room], |t| t.serialize(&reading())) else { panic!("{room}") };
        assert_eq!(full, crate::error::Full::Message { needed, limit: room });
    }
}

#[test]
fn a_deserializer_for_whatever_takes_one() {
    let mut buf = [0; 32];
    let term = parse_text("[1,2]", &mut buf).unwrap();
    assert_eq!(Vec::<u8>::deserialize(Deserializer::new(term)).unwrap(), [1, 2]);
    // nobody looks into what is ignored
    assert!(read::<::serde::de::IgnoredAny>("[1|#{a => {b}}]").is_ok());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Node(Vec<Tree>),
    Named { tree: Box<Tree> },
    Pair(Box<Tree>, Box<Tree>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "never read")]
enum Anything {
    Text(String),
    Many(Vec<Anything>),
    Map(HashMap<String, Anything>),
}

/// A newtype of itself has no end of its own.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "never read")]
struct Endless(Option<Box<Endless>>);

fn on_a_small_stack(what: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(512 << 10).spawn(what).unwrap().join().unwrap();
}

#[test]
fn a_hostile_depth_does_not_exhaust_the_stack() {
    fn too_deep<T: for<'de> Deserialize<'de> + core::fmt::Debug>(
        open: &'static str,
        middle: &'static str,
        close: &'static str,
        levels: usize,
    ) {
        on_a_small_stack(move || {
            let nested = |levels: usize| open.repeat(levels) + middle + &close.repeat(levels);
            read::<T>(&nested(levels)).unwrap();
            let said = read::<T>(&nested(levels + 1)).unwrap_err();
            assert!(said.ends_with("nested deeper than 64 levels") || said.starts_with("data did not match"), "{said}");
        });
    }
    too_deep::<Chain>("#{next => ", "#{}", "}", 63);
    too_deep::<Tree>("{'Node',[", "'Leaf'", "]}", 31);
    too_deep::<Tree>("{'Named',#{tree => ", "'Leaf'", "}}", 31);
    too_deep::<Tree>("{'Pair','Leaf',", "'Leaf'", "}", 63);
    too_deep::<Anything>("[", "<<\"a\">>", "]", 64);
    too_deep::<Anything>("#{a => ", "<<\"a\">>", "}", 64);
    on_a_small_stack(|| assert!(read::<Endless>("1").unwrap_err().ends_with("nested deeper than 64 levels")));
}
