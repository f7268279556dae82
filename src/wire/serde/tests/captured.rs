//! Values of Rust types from terms that Erlang and Elixir made, and the same terms from the values.

use super::*;
use crate::wire::captured::captured;

/// What each release made of this, as a value.
#[track_caller]
fn each<T: for<'de> Deserialize<'de> + PartialEq + core::fmt::Debug>(name: &str, value: &T) {
    for found in captured(name) {
        let term = Term::parse(&found.bytes).unwrap();
        match term.deserialize::<T>() {
            Ok(read) => assert_eq!(read, *value, "{name} of OTP {}", found.otp),
            Err(e) => panic!("{name} of OTP {}: {e}", found.otp),
        }
    }
}

/// The same, and byte for byte back to what the newest release made, whose atoms have the form that we write.
#[track_caller]
fn each_and_back<T: Serialize + for<'de> Deserialize<'de> + PartialEq + core::fmt::Debug>(name: &str, value: &T) {
    each(name, value);
    for found in captured(name).iter().filter(|found| found.otp >= 29) {
        assert_eq!(bytes(value), found.bytes, "{name}: {}", text(value));
    }
}

#[test]
fn structs() {
    each("serde/reading", &reading());
    each("serde/reading_from_json", &Reading { celsius: 21.0, ..reading() });
    each("serde/reading_with_more", &Reading { note: Some("x".into()), ..reading() });
    each("serde/scores", &BTreeMap::from([((1, 2), vec![Untagged::Text("a".into())]), ((3, 4), vec![])]));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Scores(#[serde(with = "atom_keys")] BTreeMap<String, u8>);
    each_and_back("serde/atom_keys", &Scores(BTreeMap::from([("celsius".into(), 1), ("humidity".into(), 2)])));
}

#[test]
fn variants_results_and_options() {
    let alarm = Event::Alarm { level: 3, text: "hot".into() };
    each_and_back("serde/events", &vec![Event::Stop, Event::Temperature(21.5), Event::Range(1, 5), alarm]);
    each_and_back("serde/ok", &Ok::<_, ()>(21));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Posix {
        Enoent,
    }
    each_and_back("serde/error", &Err::<(), _>(Posix::Enoent));
    each("serde/ok_alone", &Ok::<(), Posix>(()));
    each("serde/nothing", &(None::<u8>, None::<String>, None::<Posix>, Some(1)));
}

#[test]
fn numbers() {
    let integers = (i8::MIN, u8::MAX, i16::MIN, u16::MAX, i32::MIN, u32::MAX, i64::MIN, u64::MAX);
    each_and_back("serde/integers", &integers);
    each_and_back("serde/integers_128", &(i128::MIN, u128::MAX, 1_u64 << 63));
    let mut magnitude = [0; 251];
    magnitude[250] = 1;
    let big = OwnedBig::<251>::new(crate::Big { negative: true, magnitude: &magnitude }).unwrap();
    each_and_back("serde/integer_2000_bits", &big);
    each("serde/floats", &(1.5, 2.0_f32, 0.1, 1_180_591_620_717_411_303_424.0));
    each("serde/arrays", &([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]));
    each("serde/character", &('a', 'b', '\u{3bb}'));
}

#[test]
fn other_forms() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Charlists(#[serde(with = "charlist")] [String; 4]);
    let charlists = Charlists(["abc".into(), "\u{3bb}x".into(), "\u{e5}b".into(), String::new()]);
    each("serde/charlists", &charlists);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Charlist(#[serde(with = "charlist")] String);
    each_and_back("elixir/charlist", &Charlist("h\u{e4}llo".into()));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Bytes(#[serde(with = "binary")] [u8; 3], Vec<u8>, #[serde(with = "binary")] Vec<u8>);
    each("serde/bytes", &Bytes([1, 2, 255], vec![1, 2, 255], vec![3, 4]));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Atoms(#[serde(with = "atom")] [String; 3]);
    each("serde/old_atoms", &Atoms(["hello".into(), "\u{e4}".into(), "\u{3bb}".into()]));

    for found in captured("serde/old_atoms") {
        let atoms: [Atom<'_>; 3] = Term::parse(&found.bytes).unwrap().deserialize().unwrap();
        assert!(atoms[0] == "hello" && atoms[1] == "\u{e4}" && atoms[2] == "\u{3bb}");
        assert_eq!(bytes(&atoms), bytes(&Atoms(["hello".into(), "\u{e4}".into(), "\u{3bb}".into()])));
    }
    for found in captured("serde/improper") {
        let term = Term::parse(&found.bytes).unwrap();
        let e = term.deserialize::<Vec<u8>>().unwrap_err();
        assert_eq!(e.to_string(), "a proper list is expected, [1,2|3] came");
        assert_eq!(bytes(&term.deserialize::<Term<'_>>().unwrap()), found.bytes);
    }
}

#[test]
fn identifiers() {
    for found in captured("serde/identifiers") {
        let term = Term::parse(&found.bytes).unwrap();
        let (pid, reference, port): (Pid<'_>, Reference<'_>, Port<'_>) = term.deserialize().unwrap();
        let (owned_pid, owned_reference, _): (OwnedPid, OwnedReference, Term<'_>) = term.deserialize().unwrap();
        assert_eq!((owned_pid.as_pid(), owned_reference.as_reference()), (pid, reference));
        assert!(pid.node == "rec@localhost" && port.node == pid.node);
        let again = bytes(&(pid, reference, port));
        assert_eq!(bytes(&(owned_pid, owned_reference, port)), again);
        if found.otp >= 29 {
            // a port with few bits goes in the form that releases before 24 know
            let ours: [Term<'_>; 3] = Term::parse(&again).unwrap().tuple().unwrap();
            let theirs = term.tuple::<3>().unwrap();
            assert_eq!(ours.map(Term::as_bytes)[..2], theirs.map(Term::as_bytes)[..2]);
        }
    }
    for found in captured("serde/bits") {
        let bits: [Bits<'_>; 3] = Term::parse(&found.bytes).unwrap().deserialize().unwrap();
        assert_eq!(bits.map(|bits| (bits.bytes, bits.last)), [(&[0xa0][..], 3), (&[1, 2], 8), (&[], 8)]);
        assert_eq!(bytes(&bits), found.bytes);
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Elixir.Reading")]
struct ElixirReading {
    celsius: f64,
    unit: Unit,
    sensor: String,
    note: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Elixir.Report")]
struct Report {
    readings: Vec<ElixirReading>,
    at: Date,
    by: OwnedPid,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Elixir.Date")]
struct Date {
    #[serde(with = "atom")]
    calendar: String,
    year: i32,
    month: u8,
    day: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Elixir.Range")]
struct Range {
    first: i64,
    last: i64,
    step: i64,
}

#[test]
fn elixir_structs() {
    let first = || ElixirReading { celsius: 21.5, unit: Unit::Celsius, sensor: "t1".into(), note: None };
    each("elixir/reading", &first());
    each("elixir/reading", &reading());
    let second = ElixirReading { celsius: -3.0, unit: Unit::Kelvin, sensor: "\u{e4}".into(), note: Some("cold".into()) };
    for found in captured("elixir/report") {
        let report: Report = Term::parse(&found.bytes).unwrap().deserialize().unwrap();
        assert_eq!((&report.readings[0], &report.readings[1]), (&first(), &second));
        assert_eq!(report.at, Date { calendar: "Elixir.Calendar.ISO".into(), year: 2024, month: 2, day: 29 });
        assert!(report.by.as_pid().node == "nonode@nohost");
        // in another order, and the date among them
        let again = bytes(&report);
        assert_eq!(Term::parse(&again).unwrap().deserialize::<Report>().unwrap(), report);
    }
    each("elixir/range", &Range { first: 1, last: 3, step: 1 });

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "__struct__")]
    enum Event {
        #[serde(rename = "Elixir.Reading")]
        Reading(ElixirReading),
        #[serde(rename = "Elixir.Alarm")]
        Alarm { level: u8 },
    }
    each("elixir/events", &vec![Event::Reading(first()), Event::Alarm { level: 3 }]);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Json {
        celsius: f64,
        ok: bool,
        list: Vec<Option<u8>>,
    }
    each("elixir/ok", &Ok::<_, ()>(Json { celsius: 21.5, ok: true, list: vec![Some(1), None] }));

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Setting {
        Interval(u32),
        Unit(Unit),
    }
    each_and_back("elixir/keyword", &vec![Setting::Interval(5), Setting::Unit(Unit::Celsius)]);

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Module(#[serde(with = "atom")] String, Option<u8>, bool);
    each_and_back("elixir/module", &Module("Elixir.Reading".into(), None, true));
}
