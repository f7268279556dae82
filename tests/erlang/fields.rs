//! Control messages whose fields are not what they should be: what a BEAM puts up with, an agent does.

use crate::raw::{CREATION, MANDATORY, Raw, all_flags, atom, int, list, pid, reference, tuple};
use crate::support::World;

/// The node that sends them.
const OURS: &str = "raw@localhost";

/// Terms of every kind, for the place of any field.
fn terms(target: &str) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("an atom", atom("a")),
        ("the empty atom", atom("")),
        ("an integer", int(1)),
        ("zero", int(0)),
        ("minus one", vec![98, 255, 255, 255, 255]),
        ("a small integer in 32 bits", vec![98, 0, 0, 0, 1]),
        ("a small integer as a big one", vec![110, 1, 0, 1]),
        ("a small integer as a large one", vec![111, 0, 0, 0, 1, 0, 1]),
        ("300", vec![98, 0, 0, 1, 44]),
        ("2^70", vec![110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64]),
        ("a float", [&[70][..], &1.5_f64.to_be_bytes()].concat()),
        ("the empty list", vec![106]),
        ("a string", vec![107, 0, 1, 97]),
        ("a list", list(&[atom("a")])),
        ("the empty tuple", tuple(&[])),
        ("a tuple", tuple(&[atom("a")])),
        ("a function", tuple(&[atom("m"), atom("f"), int(1)])),
        ("a function of 300 arguments", tuple(&[atom("m"), atom("f"), vec![98, 0, 0, 1, 44]])),
        ("a function of -1 arguments", tuple(&[atom("m"), atom("f"), vec![98, 255, 255, 255, 255]])),
        ("a function of 2^70 arguments", tuple(&[atom("m"), atom("f"), vec![110, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64]])),
        ("a binary", vec![109, 0, 0, 0, 1, 97]),
        ("a map", vec![116, 0, 0, 0, 0]),
        ("our pid", pid(OURS, 3, 0, CREATION)),
        ("a pid of an earlier run of ours", pid(OURS, 3, 0, CREATION - 1)),
        ("their pid", pid(target, 77, 0, 5)),
        ("a pid of a third node", pid("third@localhost", 3, 0, CREATION)),
        ("our reference", reference(OURS, 3, CREATION)),
        ("their reference", reference(target, 3, 5)),
        ("a reference of a third node", reference("third@localhost", 3, CREATION)),
    ]
}

/// Every operation as it should be, and its payload.
fn operations(target: &str) -> Vec<(Vec<Vec<u8>>, Vec<u8>)> {
    let (ours, theirs) = (pid(OURS, 3, 0, CREATION), pid(target, 77, 0, 5));
    let (our_ref, their_ref) = (reference(OURS, 3, CREATION), reference(target, 3, 5));
    let (none, message, empty) = (Vec::new(), atom("m"), atom(""));
    let function = tuple(&[atom("m"), atom("f"), int(0)]);
    let row = |op: u8, fields: &[&Vec<u8>], payload: &Vec<u8>| {
        ([int(op)].into_iter().chain(fields.iter().map(|field| (*field).clone())).collect(), payload.clone())
    };
    vec![
        row(1, &[&ours, &theirs], &none),
        row(2, &[&empty, &theirs], &message),
        row(3, &[&ours, &theirs, &message], &none),
        row(6, &[&ours, &empty, &message], &message),
        row(7, &[&ours, &theirs], &none),
        row(8, &[&ours, &theirs, &message], &none),
        row(12, &[&empty, &theirs, &vec![106]], &message),
        row(13, &[&ours, &theirs, &vec![106], &message], &none),
        row(16, &[&ours, &empty, &message, &vec![106]], &message),
        row(18, &[&ours, &theirs, &vec![106], &message], &none),
        row(19, &[&ours, &message, &our_ref], &none),
        row(20, &[&ours, &message, &our_ref], &none),
        row(21, &[&ours, &theirs, &their_ref, &message], &none),
        row(22, &[&ours, &theirs], &message),
        row(24, &[&ours, &theirs], &message),
        row(26, &[&ours, &theirs], &message),
        row(28, &[&ours, &theirs, &their_ref], &message),
        row(29, &[&our_ref, &ours, &ours, &function, &vec![106]], &vec![106]),
        row(31, &[&their_ref, &theirs, &int(0), &message], &none),
        row(33, &[&ours, &their_ref], &message),
        row(35, &[&int(1), &ours, &theirs], &none),
        row(36, &[&int(1), &ours, &theirs], &none),
    ]
}

/// What is sent, and what it is called: the body of a frame.
fn cases(target: &str) -> Vec<(String, Vec<u8>)> {
    let body = |control: &[u8], payload: &[u8]| {
        [&[112, 131][..], control, if payload.is_empty() { &[] } else { &[131] }, payload].concat()
    };
    let mut cases = Vec::new();
    for (elements, payload) in operations(target) {
        let op = elements[0][1];
        cases.push((format!("{op} as it should be"), body(&tuple(&elements), &payload)));
        let forms = [
            ("a 32 bit integer", vec![98, 0, 0, 0, op]),
            ("a big one", vec![110, 1, 0, op]),
            ("a large one", vec![111, 0, 0, 0, 1, 0, op]),
        ];
        for (form, term) in forms {
            let elements = [&[term][..], &elements[1..]].concat();
            cases.push((format!("{op} whose operation is {form}"), body(&tuple(&elements), &payload)));
        }
        let large = [&[105][..], &u32::try_from(elements.len()).unwrap().to_be_bytes(), &elements.concat()].concat();
        cases.push((format!("{op} in a large tuple"), body(&large, &payload)));
        cases.push((format!("{op} behind a zero"), [&[0][..], &body(&tuple(&elements), &payload)[1..]].concat()));
        for place in 1..elements.len() {
            for (name, term) in terms(target) {
                let mut elements = elements.clone();
                elements[place] = term;
                cases.push((format!("{op} with {name} in place {}", place + 1), body(&tuple(&elements), &payload)));
            }
        }
    }
    cases
}

/// Sends all cases to the node that listens on this port, and returns those that it ended the connection for.
fn ended(port: u16, target: &str, cookie: &[u8], flags: u64) -> Vec<String> {
    let mut ended = Vec::new();
    let mut raw = Raw::dial(port, OURS, cookie, flags);
    for (name, body) in cases(target) {
        raw.send_body(&body);
        if !raw.ping().0 {
            ended.push(name);
            raw = Raw::dial(port, OURS, cookie, flags);
        }
    }
    ended
}

/// Whatever a BEAM puts up with is put up with here, in every field of every operation.
#[test]
fn what_a_beam_puts_up_with_is_put_up_with() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo@localhost"]);
    let erl = world.erl(&["-sname", "beam@localhost"]);
    let port = erl.eval("{port, Port, _} = erl_epmd:port_please(\"beam\", \"localhost\"), Port").parse().unwrap();
    let flags = if crate::support::otp() < 25 { MANDATORY } else { all_flags() };
    let cookie = world.cookie.as_bytes();
    let (beams, ours) = (ended(port, "beam@localhost", cookie, flags), ended(demo.port, "demo@localhost", cookie, flags));
    let more: Vec<&String> = ours.iter().filter(|name| !beams.contains(name)).collect();
    println!("of {} a BEAM ends the connection for {}, and beamless for {}", cases("").len(), beams.len(), ours.len());
    assert!(more.is_empty(), "these end the connection, and a BEAM keeps it: {more:#?}");
    // and that the others are looked at
    assert!(ours.iter().any(|name| name.starts_with("19 with an integer in place 2")), "{ours:#?}");
}
