//! Values of Rust types, from and to a running Erlang and a running Elixir.

use std::collections::BTreeMap;
use std::path::Path;

use beamless::serde::{NoneAs, Options, OwnedBig};
use beamless::{Bits, Error, Mailbox, Message, Outbox, OwnedPid, OwnedReference, Port, Received, Term};
use serde::{Deserialize, Serialize};

use crate::inside::{Inside, storage};
use crate::support::World;

#[derive(Serialize, Deserialize)]
#[serde(rename = "Elixir.Reading")]
struct Reading {
    celsius: f64,
    unit: Unit,
    sensor: String,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Unit {
    Celsius,
    Kelvin,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Elixir.Report")]
struct Report {
    readings: Vec<Reading>,
    from: Option<OwnedPid>,
    tag: Option<OwnedReference>,
    at: Date,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Elixir.Date")]
struct Date {
    #[serde(with = "beamless::serde::atom")]
    calendar: String,
    year: i32,
    month: u8,
    day: u8,
}

/// One of several structs of Elixir.
#[derive(Serialize, Deserialize)]
#[serde(tag = "__struct__")]
enum Struct {
    #[serde(rename = "Elixir.Reading")]
    Reading(Reading),
    #[serde(rename = "Elixir.Alarm")]
    Alarm { level: u8 },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Event {
    Stop,
    Temperature(f64),
    Range(i64, i64),
    Alarm { level: u8, text: String },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Posix {
    Enoent,
}

/// A map of Erlang's, in which what is not there is `undefined`.
#[derive(Serialize, Deserialize)]
struct Sensor {
    name: Option<String>,
    #[serde(with = "beamless::serde::atom")]
    kind: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u16>,
}

#[derive(Serialize, Deserialize)]
struct Forms<'a>(
    #[serde(with = "beamless::serde::atom")] String,
    #[serde(with = "beamless::serde::charlist")] String,
    #[serde(with = "beamless::serde::binary")] Vec<u8>,
    #[serde(with = "beamless::serde::atom")] Vec<String>,
    #[serde(borrow)] Bits<'a>,
    #[serde(borrow)] Port<'a>,
);

/// Answers with the same value, read and written as what the caller says it is; or with why it is not.
fn back<'a, T: Serialize + Deserialize<'a>>(value: Term<'a>, message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
    back_with::<T>(Options::new(), value, message, out)
}

fn back_with<'a, T: Serialize + Deserialize<'a>>(
    options: Options,
    value: Term<'a>,
    message: &Message<'_>,
    out: &mut Outbox<'_>,
) -> Result<(), Error> {
    let call = message.as_call().unwrap();
    match value.deserialize::<T>() {
        Ok(value) => out.reply(&call, |t| t.serialize_with(options, &value)),
        Err(e) => out.reply(&call, |t| t.tuple(2)?.atom("refused")?.str(&e.to_string())),
    }
}

fn make(what: Term<'_>, message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
    let call = message.as_call().unwrap();
    let reading = Reading { celsius: 21.5, unit: Unit::Celsius, sensor: "t1".into(), note: None };
    let at = Date { calendar: "Elixir.Calendar.ISO".into(), year: 2024, month: 2, day: 29 };
    match what.as_atom().and_then(|atom| atom.as_str()) {
        Some("reading") => out.reply(&call, |t| t.serialize(&reading)),
        _ => out.reply(&call, |t| t.serialize(&Report { readings: vec![reading], from: None, tag: None, at })),
    }
}

fn answer(message: &Message<'_>, out: &mut Outbox<'_>) {
    let Received::Call(call) = message.received() else { panic!("{:?}", message.term()) };
    let (kind, value): (Kind, Term<'_>) = call.request.deserialize().unwrap();
    let answered = match kind {
        Kind::Make => make(value, message, out),
        Kind::Reading => back::<Reading>(value, message, out),
        Kind::Report => back::<Report>(value, message, out),
        Kind::Struct => back::<Struct>(value, message, out),
        Kind::Event => back::<Event>(value, message, out),
        Kind::Result => back::<Result<Vec<Option<u16>>, Posix>>(value, message, out),
        Kind::Integers => back::<(i8, u8, i64, u64, i128, u128)>(value, message, out),
        Kind::Big => back::<OwnedBig<300>>(value, message, out),
        Kind::Forms => back::<Forms<'_>>(value, message, out),
        Kind::Scores => back::<BTreeMap<(u8, u8), Vec<String>>>(value, message, out),
        Kind::Sensor => back_with::<Sensor>(Options::new().none(NoneAs::Undefined), value, message, out),
        Kind::Term => back::<Term<'_>>(value, message, out),
    };
    answered.unwrap();
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Make,
    Reading,
    Report,
    Struct,
    Event,
    Result,
    Integers,
    Big,
    Forms,
    Scores,
    Sensor,
    Term,
}

/// Answers every call until `is_done`.
fn serve(inside: &mut Inside<'_>, values: Mailbox, is_done: impl Fn() -> bool) {
    inside.until("the end of the calls", |inside| {
        while let Some((message, mut out)) = inside.node.recv(values) {
            answer(&message, &mut out);
        }
        is_done().then_some(())
    });
}

#[test]
fn values_of_erlang_come_back_the_same() {
    let world = World::new();
    let mut storage = storage();
    let mut inside = world.inside(world.config("demo"), &mut storage);
    let values = inside.node.register("values").unwrap();
    let erl = inside.erl(&world, "a");
    inside.eval(&erl, "Call = fun(Kind, Value) -> gen_server:call({values, 'demo@127.0.0.1'}, {Kind, Value}) end, ok");
    let asked = erl.ask(
        r#"Cases = [
            {event, stop}, {event, {temperature, 21.5}}, {event, {range, -1, 1 bsl 62}}, {event, {alarm, #{level => 3, text => <<"hot">>}}},
            {result, {ok, [1, nil, 300]}}, {result, {ok, []}}, {result, {error, enoent}},
            {integers, {-128, 255, -(1 bsl 63), (1 bsl 64) - 1, -(1 bsl 127), (1 bsl 128) - 1}}, {integers, {0, 0, 0, 0, 0, 0}},
            {big, -(1 bsl 2000)}, {big, 1 bsl 64}, {big, 1 bsl 31}, {big, 0}, {big, -1},
            {forms, {'an atom', "charlist", <<1, 2, 255>>, [a, b, 'C'], <<5:3>>, hd(erlang:ports())}},
            {forms, {'\x{e4}\x{3bb}', [16#3bb, 16#e4], <<>>, [], <<>>, hd(erlang:ports())}},
            {scores, #{{1, 2} => [<<"a">>], {3, 4} => []}}, {scores, #{}},
            {sensor, #{name => undefined, kind => undefined}}, {sensor, #{name => <<"t1">>, kind => pt100, limit => 60}},
            {report, #{'__struct__' => 'Elixir.Report', readings => [], from => self(), tag => make_ref(),
                at => #{'__struct__' => 'Elixir.Date', calendar => 'Elixir.Calendar.ISO', year => 2024, month => 2, day => 29}}},
            {term, {[1 | 2], fun lists:map/2, fun(X) -> X end, #{self() => make_ref()}, 1.5}}],
        [{Value, Came} || {Kind, Value} <- Cases, (Came = Call(Kind, Value)) =/= Value]"#,
    );
    serve(&mut inside, values, || erl.has_answered(&asked));
    assert_eq!(erl.answer(asked), "[]");

    let asked = erl.ask(
        r#"[Call(event, <<"stop">>), Call(event, {alarm, #{level => 256, text => <<>>}}), Call(event, start),
            Call(result, ok), Call(integers, {0, 0, 0, 0, 0}), Call(sensor, []),
            #{name => undefined, kind => undefined, limit => 1} =:= Call(sensor, #{name => nil, <<"kind">> => null, limit => 1})]"#,
    );
    serve(&mut inside, values, || erl.has_answered(&asked));
    assert_eq!(
        erl.answer(asked),
        "[{refused,<<\"an atom is expected, <<\\\"stop\\\">> came\">>},\
          {refused,<<\"alarm.level: an integer from 0 to 255 is expected, 256 came\">>},\
          {refused,<<\"start is none of stop, temperature, range, alarm\">>},\
          {refused,<<\"ok: a proper list is expected, {} came\">>},\
          {refused,<<\"a tuple of size 6 is expected, one of 5 came\">>},\
          {refused,<<\"a map is expected, [] came\">>},\
          true]"
    );
}

#[test]
fn structs_of_elixir_come_back_the_same() {
    let world = World::new();
    let mut storage = storage();
    let mut inside = world.inside(world.config("demo"), &mut storage);
    let values = inside.node.register("values").unwrap();
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/values.exs"));
    let said = std::thread::scope(|scope| {
        let elixir = scope.spawn(|| world.elixir_named(&["--name", "ex@127.0.0.1"], script, &["demo@127.0.0.1"]));
        serve(&mut inside, values, || elixir.is_finished());
        elixir.join().unwrap()
    });
    assert!(said.ends_with("all is well"), "{said}");
}
