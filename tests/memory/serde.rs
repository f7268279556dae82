//! Values of types that own nothing on the heap are sent and read without it, and so are the errors of what does not fit.

use allocation_counter::measure;
use beamless::{Atom, Bits, OwnedPid, Pid, Term, encode, parse_text};
use serde::{Deserialize, Serialize};

use crate::pair::{connected, storage};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Elixir.Report")]
struct Report<'a> {
    #[serde(borrow)]
    readings: [Reading<'a>; 3],
    at: (i64, u128),
    #[serde(with = "beamless::serde::charlist")]
    path: &'a str,
    #[serde(with = "beamless::serde::binary", borrow)]
    key: &'a [u8],
    #[serde(borrow)]
    module: Atom<'a>,
    #[serde(borrow)]
    bits: Bits<'a>,
    from: OwnedPid,
    result: Result<(), Unit>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Reading<'a> {
    celsius: f64,
    unit: Unit,
    sensor: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    event: Event<'a>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Celsius,
    Kelvin,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event<'a> {
    Start,
    Level(u8),
    Range(i16, i16),
    Text { text: &'a str, urgent: bool },
}

fn report(from: Pid<'_>) -> Report<'_> {
    let reading = |event| Reading { celsius: 21.5, unit: Unit::Celsius, sensor: "t1", note: None, event };
    Report {
        readings: [
            reading(Event::Start),
            Reading { note: Some("cold"), unit: Unit::Kelvin, ..reading(Event::Level(3)) },
            reading(Event::Text { text: "hot", urgent: true }),
        ],
        at: (-1, u128::MAX),
        path: "/dev/ttyS0",
        key: &[1, 2, 3],
        module: from.node,
        bits: Bits { bytes: &[1, 0xa0], last: 3 },
        from: OwnedPid::new(from).unwrap(),
        result: Err(Unit::Kelvin),
    }
}

#[test]
fn there_and_back_between_two_nodes() {
    let (mut one, mut other) = (storage(), storage());
    let (mut a, mut b, mut wire) = connected(&mut one, &mut other);
    let (from, to) = (a.node.register("from").unwrap(), b.node.register("to").unwrap());
    let owner = a.node.pid(from).unwrap();
    let report = report(owner.as_pid());
    let mut came = 0;
    let counted = measure(|| {
        for _ in 0..1000 {
            a.node.outbox(from).unwrap().send(("to", "b@host"), |t| t.serialize(&report)).unwrap();
            wire.step(&mut a, &mut b, usize::MAX);
            while let Some((message, _)) = b.node.recv(to) {
                let read: Report<'_> = message.term().deserialize().unwrap();
                came += u64::from(read == report);
            }
        }
    });
    assert_eq!((came, counted.count_total), (1000, 0));
}

#[test]
fn what_is_refused() {
    #[derive(Serialize)]
    struct Bad {
        list: [Option<f64>; 2],
    }
    let (mut buf, mut out) = ([0; 128], [0; 128]);
    let term =
        parse_text("#{readings => [#{celsius => 1, unit => 'a very long name of a unit that is none'}]}", &mut buf).unwrap();
    let mut said = None;
    let counted = measure(|| {
        said = term.deserialize::<Report<'_>>().err();
        assert!(encode(&mut out, |t| t.serialize(&Bad { list: [None, Some(f64::NAN)] })).is_err());
        assert!(Term::parse(&[131, 97, 1]).unwrap().deserialize::<(u8, u8)>().is_err());
    });
    assert_eq!(said.unwrap().path(), "readings[0].unit");
    assert_eq!(counted.count_total, 0);
}
