//! The handshake in both roles: who is let in has proven the cookie, and what is said has a form the other side reads.

use crate::error::Reason;
use crate::proto::handshake::{Context, Handshake, Local, Step, Verdict};
use crate::wire::codes::Flags;
use crate::wire::cursor::Writer;
use crate::wire::digest::digest;
use crate::wire::handshake::{
    Ack, Challenge, Complement, Name, Packets, Prefix, Refusal, Reply, Status, announced, packet_name, parse_alive_answer, split,
};
use crate::wire::ids::NodeName;

use super::input::Input;

const COOKIE: &[u8] = b"secret";
const CHALLENGE: u32 = 123_456_789;
/// The last byte of a proof that is made right: no fuzzer guesses one.
const RIGHT: u8 = b'?';

/// Runs one side of a handshake. The first byte says which; what follows is what the other side sends, and behind each caller's name a byte for
/// the opinion that this side has of it.
pub fn handshake(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.byte();
    let prefix = if mode & 1 == 0 { Prefix::Two } else { Prefix::Four };
    let connects = mode & 2 != 0;
    let dynamic = connects && mode & 4 != 0;
    let flags = if dynamic { Flags::OURS.with(Flags::NAME_ME) } else { Flags::OURS };
    let name = if dynamic { "host" } else { "a@host" };
    let local = Local { name, creation: 77, flags, cookie: COOKIE };
    let context = Context { local, challenge: CHALLENGE, wanted: mode & 8 == 0 };
    let Ok(asked) = NodeName::new("b@host") else { return };
    let mut state = if connects {
        let said = said(prefix, |out| Handshake::connect(asked.clone(), &context.local, out));
        readable(&said.1, prefix, true);
        said.0
    } else {
        Handshake::accept()
    };
    // each packet takes the handshake on, or ends it
    for _ in 0..8 {
        let Some((packet, len)) = split(input.rest(), prefix) else {
            assert!(announced(input.rest(), prefix).is_none_or(|len| len > input.rest().len()));
            return;
        };
        assert_eq!(announced(input.rest(), prefix), Some(len));
        assert!(!packet_name(packet, !connects).is_empty());
        input = Input::new(&input.rest()[len..]);
        parsers_agree(packet);
        let (packet, proof) = proven(&state, packet);
        assert!(!matches!((&state, state.peer()), (Handshake::Name(_), Some(_))));
        let (step, out) = said(prefix, |out| state.handle(&packet, &context, out));
        readable(&out, prefix, connects);
        state = match step {
            Ok(Step::Await(next)) => next,
            Ok(Step::Named(name, _, next)) => {
                assert!(dynamic && name.host() == "host");
                next
            }
            Ok(Step::Newcomer(newcomer)) => {
                assert!(!connects && newcomer.peer.as_str().contains('@'));
                assert!(newcomer.asks_name() || !newcomer.peer.alive().is_empty());
                let verdict = match input.below(6) {
                    // the node asks before it has an opinion
                    _ if newcomer.lacks().is_some() => Verdict::NotAllowed(Reason::NotAllowed),
                    0 | 1 => Verdict::Welcome,
                    2 => Verdict::Alive,
                    3 => Verdict::Simultaneous,
                    4 => Verdict::OursStays,
                    _ => Verdict::NotAllowed([Reason::NotAllowed, Reason::Full, Reason::OwnName][input.below(3)]),
                };
                let (next, out) = said(prefix, |out| newcomer.answer(verdict, 0x1234_5678, &context, out));
                readable(&out, prefix, connects);
                assert!(!out.is_empty());
                let Ok(next) = next else { return };
                assert!(!matches!(verdict, Verdict::NotAllowed(_) | Verdict::OursStays));
                next
            }
            Ok(Step::Up(up)) => {
                assert!(proof, "{up:?} has proven nothing");
                assert_eq!(flags.missing(up.flags), Flags::default());
                assert_eq!(up.flags.missing(Flags::DEMANDED), Flags::default());
                assert!(dynamic || !connects || up.peer == asked);
                return;
            }
            Err(reason) => {
                assert!(!reason.to_string().is_empty());
                return;
            }
        };
        assert!(!state.closed_by_peer().to_string().is_empty() && !state.late().to_string().is_empty());
    }
    panic!("a handshake of more than eight packets, in {state:?}");
}

/// Returns the packet with its proof made right, if that is wanted; and whether it is one.
fn proven(state: &Handshake, packet: &[u8]) -> (Vec<u8>, bool) {
    let mut packet = packet.to_vec();
    let at = match state {
        Handshake::Ack(_) => 1,
        Handshake::Reply(_) => 5,
        _ => return (packet, false),
    };
    let right = digest(COOKIE, CHALLENGE);
    let wanted = packet.last() == Some(&RIGHT);
    let Some(proof) = packet.get_mut(at..at + 16) else { return (packet, false) };
    if wanted {
        proof.copy_from_slice(&right);
    }
    let is_right = *proof == right;
    (packet, is_right)
}

/// Returns what `act` returns and what it writes.
fn said<T>(prefix: Prefix, act: impl FnOnce(&mut Packets<'_, '_>) -> T) -> (T, Vec<u8>) {
    let mut buf = [0; 1024];
    let mut out = Writer::new(&mut buf);
    let done = act(&mut Packets { out: &mut out, prefix });
    let len = out.finish().expect("no answer is as long");
    (done, buf[..len].to_vec())
}

/// Looks at what this side sends: whole packets, two at most, each of which the other side understands.
fn readable(mut out: &[u8], prefix: Prefix, connects: bool) {
    let mut packets = 0;
    while !out.is_empty() {
        let (packet, len) = split(out, prefix).expect("a whole packet");
        let understood = if connects {
            Name::parse(packet).is_ok() || parse_alive_answer(packet).is_ok() || Reply::parse(packet).is_ok()
        } else {
            let refusal = Refusal::parse(packet).is_some();
            Status::parse(packet).is_ok() || Challenge::parse(packet).is_ok() || Ack::parse(packet).is_ok() || refusal
        };
        assert!(understood, "{packet:?}");
        packets += 1;
        out = &out[len..];
    }
    assert!(packets <= 2);
}

/// Writes again what each parser reads, as far as we send such packets.
fn parsers_agree(packet: &[u8]) {
    let again = |put: &dyn Fn(&mut Packets<'_, '_>)| said(Prefix::Two, put).1.split_off(2);
    if let Ok(status) = Status::parse(packet) {
        let said = again(&|out| status.put(out));
        assert_eq!(Status::parse(&said), Ok(status));
        assert!(packet.starts_with(&said));
    }
    if let Some(refusal) = Refusal::parse(packet) {
        assert_eq!(again(&|out| refusal.put(out)), packet);
    }
    if let Ok(reply) = Reply::parse(packet) {
        assert!(packet.starts_with(&again(&|out| reply.put(out))));
    }
    if let Ok(ack) = Ack::parse(packet) {
        assert!(packet.starts_with(&again(&|out| ack.put(out))));
    }
    let latin1 = |name: &[u8]| name.iter().map(|byte| char::from(*byte)).collect::<String>();
    if let Ok(name) = Name::parse(packet).map_err(|_| ()).and_then(|name| if name.name.len() < 512 { Ok(name) } else { Err(()) })
    {
        let said = again(&|out| Name::put(out, name.flags, name.creation, &latin1(name.name)));
        assert_eq!(Name::parse(&said), Ok(Name { old: false, ..name }));
    }
    if let Ok(challenge) = Challenge::parse(packet) {
        if challenge.name.len() < 512 {
            let Challenge { flags, challenge: number, creation, name } = challenge;
            let said = again(&|out| Challenge::put(out, flags, number, creation, &latin1(name)));
            assert_eq!(Challenge::parse(&said), Ok(challenge));
        }
    }
    let _ = Complement::parse(packet);
    let _ = parse_alive_answer(packet);
}
