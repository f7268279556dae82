//! EPMD, both sides: the table has who is registered and nobody else, and an answer means the same however it is cut.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::proto::epmd_client::{Lookup, Names, Registration};
use crate::proto::epmd_server::{Kill, Place, Server, Session};
use crate::time::Instant;

use super::input::Input;

/// Places for names.
const NAMES: usize = 4;
/// Connections at once.
const SESSIONS: usize = 5;

/// A connection to the server, and what came on it.
struct Caller {
    session: Session,
    said: Vec<u8>,
    answer: Vec<u8>,
    local: bool,
}

impl Caller {
    /// The name that was asked for, and its port, if the request was a registration.
    fn asked(&self) -> (Vec<u8>, u16) {
        let (port, len) = (&self.said[3..5], &self.said[11..13]);
        let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
        (self.said[13..13 + len].to_vec(), u16::from_be_bytes([port[0], port[1]]))
    }
}

/// Runs a server with some connections, whose callers say what they like.
pub fn epmd_server(data: &[u8]) {
    let mut input = Input::new(data);
    let kill = [Kill::Never, Kill::Unused, Kill::Always][input.below(3)];
    let mut server = Server::<NAMES>::new(4369, u32::from(input.byte())).kill(kill);
    let mut callers: Vec<Caller> = Vec::new();
    let mut own: Vec<(String, Place)> = Vec::new();
    let mut now = Instant::default();
    while !input.is_empty() {
        let (what, which) = (input.below(8), input.below(SESSIONS));
        match what {
            0 | 1 if callers.len() < SESSIONS => {
                let local = what == 0;
                callers.push(Caller { session: Session::new(local, now), said: vec![], answer: vec![], local });
            }
            2 => {
                let name = String::from_utf8_lossy(input.bytes()).into_owned();
                if let Ok((place, creation)) = server.register_node(&name, 9, true) {
                    assert!(creation >= 4 && !own.iter().any(|(other, _)| *other == name));
                    own.push((name, place));
                }
            }
            3 => {
                if let Some((_, place)) = own.pop() {
                    server.unregister(place);
                }
            }
            4 => {
                now = now.after(Duration::from_secs(20));
                server.handle_timeout(now);
                callers.iter_mut().for_each(|caller| caller.session.handle_timeout(now));
            }
            _ => {
                let Some(caller) = callers.get_mut(which) else { continue };
                match what {
                    5 => write(caller, &server, input.byte().into()),
                    6 => {
                        caller.session.handle_close(&mut server);
                        callers.remove(which);
                    }
                    _ => say(caller, &mut server, input.bytes(), now),
                }
            }
        }
        if server.take_stopped() {
            assert_eq!(kill, Kill::Always);
            callers.iter_mut().for_each(|caller| caller.session.handle_stop(&server));
            let known = listed(&mut server, now);
            own.retain(|(name, _)| known.contains_key(name.as_bytes()));
        }
        assert!(!server.is_killed() || kill != Kill::Never);
        compare(&mut server, &callers, &own, now);
    }
    end(server, callers, own, now);
}

fn say(caller: &mut Caller, server: &mut Server<NAMES>, bytes: &[u8], now: Instant) {
    let was_registered = caller.session.is_registered();
    if caller.said.len() < 4096 {
        caller.said.extend(bytes);
    }
    caller.session.handle_bytes(server, bytes, now);
    assert!(!was_registered || bytes.is_empty() || !caller.session.is_registered());
    assert!(caller.local || !caller.session.is_registered());
}

/// Takes so many bytes of what the session has to say.
fn write(caller: &mut Caller, server: &Server<NAMES>, most: usize) {
    let answer = caller.session.transmit(server);
    let len = answer.len().min(most);
    caller.answer.extend(&answer[..len]);
    caller.session.sent(len);
    // four names and a line for each, gone ones included: no list is endless, but for names that come and go meanwhile
    caller.answer.truncate(1 << 16);
}

/// Asks the server for its names as any node does, and reads the answer as one.
fn listed(server: &mut Server<NAMES>, now: Instant) -> BTreeMap<Vec<u8>, u16> {
    let mut session = Session::new(false, now);
    session.handle_bytes(server, b"\x00\x01n", now);
    let mut names = Names::new();
    let mut known = BTreeMap::new();
    for _ in 0..=NAMES {
        let answer = session.transmit(server).to_vec();
        session.sent(answer.len());
        names
            .handle_bytes(&answer, |name, port| _ = known.insert(name.as_bytes().to_vec(), port))
            .expect("our own list can be read");
    }
    assert!(session.is_over());
    names.handle_close().expect("the list is whole");
    known
}

/// Compares what the server lists with who is registered.
fn compare(server: &mut Server<NAMES>, callers: &[Caller], own: &[(String, Place)], now: Instant) {
    let mut expected: BTreeMap<Vec<u8>, u16> = own.iter().map(|(name, _)| (name.as_bytes().to_vec(), 9)).collect();
    for caller in callers.iter().filter(|caller| caller.session.is_registered()) {
        let (name, port) = caller.asked();
        assert_eq!(expected.insert(name, port), None, "a name that two have");
    }
    assert!(expected.len() <= NAMES);
    // a line feed in a name looks like the end of its line, to which there is no remedy
    if !expected.keys().any(|name| name.contains(&b'\n')) {
        assert_eq!(listed(server, now), expected);
    }
}

/// Ends everything, of which nothing is left.
fn end(mut server: Server<NAMES>, callers: Vec<Caller>, own: Vec<(String, Place)>, now: Instant) {
    for mut caller in callers {
        for _ in 0..16 {
            write(&mut caller, &server, usize::MAX);
        }
        let goes_on = !caller.session.transmit(&server).is_empty();
        assert!(!goes_on, "an answer without an end");
        caller.session.handle_close(&mut server);
        assert!(caller.session.is_over() && caller.session.poll_timeout().is_none());
    }
    for (_, place) in own {
        server.unregister(place);
    }
    assert_eq!(listed(&mut server, now), BTreeMap::new());
}

/// Runs the sides that a node plays as a client: what EPMD answers, in one piece and in many.
pub fn epmd_client(data: &[u8]) {
    let mut input = Input::new(data);
    let (kind, piece) = (input.below(3), 1 + input.below(7));
    let answer = input.rest();
    let whole = client(kind, answer, answer.len().max(1));
    let pieces = client(kind, answer, piece);
    assert_eq!(whole, pieces, "in pieces of {piece}");
}

/// What became of a client.
#[derive(Debug, PartialEq)]
struct Outcome {
    said: Result<String, String>,
    names: Vec<(String, u16)>,
    closed: Result<String, String>,
}

fn client(kind: usize, answer: &[u8], piece: usize) -> Outcome {
    let mut names = Vec::new();
    let (said, closed) = match kind {
        0 => {
            let mut registration = Registration::new("agent", 40_000, true).expect("a good name");
            all_out(registration.transmit().len(), |count| {
                registration.sent(count);
                registration.transmit().len()
            });
            let mut said = Ok(None);
            for piece in answer.chunks(piece) {
                match registration.handle_bytes(piece) {
                    Ok(None) => {}
                    other => said = other,
                }
                assert_eq!(
                    registration.is_registered(),
                    matches!(said, Ok(Some(crate::epmd::RegistrationAnswer::Registered { .. })))
                );
            }
            // what follows an answer is a fault in either case, but in one of them the answer came first
            let is_registered = if registration.is_registered() { "registered" } else { "not" };
            (shown(&said), Ok(is_registered.to_owned()))
        }
        1 => {
            let mut lookup = Lookup::new("agent").expect("a good name");
            let mut said = Ok(None);
            for piece in answer.chunks(piece) {
                said = lookup.handle_bytes(piece);
            }
            (shown(&said), shown(&lookup.handle_close()))
        }
        _ => {
            let mut list = Names::new();
            let mut said = Ok(());
            for piece in answer.chunks(piece) {
                said = list.handle_bytes(piece, |name, port| names.push((name.to_owned(), port)));
            }
            (shown(&said), shown(&list.handle_close()))
        }
    };
    assert!(names.len() <= answer.len());
    Outcome { said, names, closed }
}

/// Has what is to be sent leave in pieces of three bytes.
fn all_out(mut left: usize, mut sent: impl FnMut(usize) -> usize) {
    while left > 0 {
        let now = sent(left.min(3));
        assert_eq!(now, left - left.min(3));
        left = now;
    }
}

fn shown<T: core::fmt::Debug, E: core::fmt::Debug>(result: &Result<T, E>) -> Result<String, String> {
    match result {
        Ok(value) => Ok(format!("{value:?}")),
        Err(e) => Err(format!("{e:?}")),
    }
}
