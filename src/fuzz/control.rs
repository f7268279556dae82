//! Frames and control messages: what is read of them is written again as it was, for every peer that understands it.

use crate::wire::codes::{Flags, op};
use crate::wire::control::{Control, ControlMessage, lead_from, operation, without_unlink_id};
use crate::wire::cursor::Writer;
use crate::wire::frame::{self, Frame};
use crate::wire::term::Term;

/// Flags of peers: one that has all, the releases of Erlang, and one that has nothing.
const PEERS: [Flags; 5] = [Flags(u64::MAX), Flags::OURS, Flags::OURS.without(Flags::ALTACT_SIG), Flags::MANDATORY_26, Flags(0)];
/// A reason to put where one is still to come.
const REASON: &[u8] = &[97, 7];

/// Takes the bytes as a stream of frames, and each frame's body apart.
pub fn control(data: &[u8]) {
    let mut rest = data;
    // a frame with no length before it is easier to come by
    body(rest);
    loop {
        let taken = match frame::next(rest, 4096) {
            Frame::Partial => {
                // nothing of it is wrong yet: with more bytes it stays what it is, or becomes whole
                assert!(rest.len() < 4096);
                break;
            }
            Frame::Tick => 4,
            Frame::Whole(inside) => {
                assert!(!inside.is_empty() && inside.len() + 4 <= 4096);
                assert_eq!(frame::next(&rest[..inside.len() + 4], 4096), Frame::Whole(inside));
                assert_eq!(frame::next(&rest[..inside.len() + 3], 4096), Frame::Partial);
                body(inside);
                inside.len() + 4
            }
            Frame::Oversized(front, announced) => {
                assert!(announced > 4092 && front.len() + 4 == rest.len());
                break;
            }
        };
        rest = &rest[taken..];
    }
}

fn body(body: &[u8]) {
    let message = match ControlMessage::parse(body) {
        Ok(message) => message,
        Err(e) => {
            assert!(!e.to_string().is_empty());
            // whoever rewrites a frame that waits has made it itself; what it finds is its own, and yet it may not fail
            let mut own = body.to_vec();
            let _ = without_unlink_id(&mut own);
            let _ = lead_from(&mut own, 7);
            assert_eq!(own.len(), body.len());
            return;
        }
    };
    assert!(body.ends_with(message.payload));
    let head = &body[..body.len() - message.payload.len()];
    assert_eq!(operation(body), Some(message.op));
    // the front of a frame that is not all here says the same
    let front = ControlMessage::parse(head).expect("the control tuple is whole");
    assert_eq!((front.op, shown(&front.control), front.payload), (message.op, shown(&message.control), &[][..]));
    assert!(ControlMessage::parse(&head[..head.len() - 1]).is_err());
    for flags in PEERS {
        let Some(op) = message.control.operation(flags) else { continue };
        assert!(flags.allow(op), "{op} for a peer with {flags:?}");
        // what is no pid is no sender, and whoever sends has one
        let is_sent = match message.control {
            Control::Send { from, .. } => op == op::SEND || from.is_some_and(|from| from.as_pid().is_some()),
            _ => true,
        };
        if is_sent {
            said_again(&message.control, op);
        }
    }
    without_id(&message, body);
}

/// Writes it, and reads that.
fn said_again(control: &Control<'_>, op: u8) {
    let mut buf = vec![0; 8192];
    let mut out = Writer::new(&mut buf);
    control.put(op, &mut out).expect("what was read can be written");
    let len = out.finish().expect("there is room");
    let mut short = vec![0; len - 1];
    let mut out = Writer::new(&mut short);
    assert!(control.put(op, &mut out).is_err() || out.finish().is_err());
    // a reason that is not here stands in the tuple, as its last element, unless it is the payload
    let lacks_reason = matches!(op, op::EXIT | op::EXIT2 | op::MONITOR_P_EXIT)
        && matches!(
            control,
            Control::Exit { reason: None, .. } | Control::Exit2 { reason: None, .. } | Control::MonitorExit { reason: None, .. }
        );
    let mut said = buf[..len].to_vec();
    if lacks_reason {
        said.extend(REASON);
    }
    let again = ControlMessage::parse(&said).unwrap_or_else(|e| panic!("{e}: {control:?} as {said:?}"));
    assert_eq!((again.op, again.payload), (op, &[][..]));
    let (again, first) = (shown(&again.control), shown(control));
    if lacks_reason {
        assert_eq!(again, first.replace("reason: None", "reason: Some(7)"));
    } else if again != first {
        // a peer that knows no ids is told none, and a plain SEND says no sender
        let first_without = first.split("from: ").nth(1);
        let is_less = matches!(op, op::UNLINK | op::SEND);
        assert!(is_less && first_without.is_some(), "{first} became {again}");
    }
}

/// The message as it is compared: in what it says, not in which of a term's forms.
fn shown(control: &Control<'_>) -> String {
    format!("{control:?}")
}

fn without_id(message: &ControlMessage<'_>, body: &[u8]) {
    let mut own = body.to_vec();
    if let Some(len) = without_unlink_id(&mut own) {
        let again = ControlMessage::parse(&own[..len]);
        let Control::Unlink { from, to, .. } = message.control else { panic!("{message:?}") };
        // what stands in other forms than ours is read by another's eyes alone
        if let (Ok(ControlMessage { control: Control::Unlink { id, from: same_from, to: same_to }, .. }), true) =
            (again, body.starts_with(&[112, 131, 104, 4, 97]))
        {
            assert_eq!((id, same_from, same_to), (0, from, to));
        }
    }
    if let Control::SpawnRequest { id, from, leader, .. } = message.control {
        let mut own = body.to_vec();
        if body.starts_with(&[112, 131, 104, 6, 97]) && leader.creation == 0 && lead_from(&mut own, 7).is_some() {
            if let Ok(ControlMessage { control: Control::SpawnRequest { id: same_id, from: same_from, leader, .. }, .. }) =
                ControlMessage::parse(&own)
            {
                assert_eq!((same_id, same_from), (id, from));
                // of the old form only the last byte is the creation
                assert!(leader.creation == 7 || leader.node == Term::trusted(&[119, 0]).as_atom().expect("an atom"));
            }
        }
    }
}
