//! Messages that OTP's processes on a peer send to those of the same name here, unasked, once this node stands in `nodes()`.

use super::{global, pg, rex};
use crate::error::Error;
use crate::node::core::names::is_otp;
use crate::node::core::state::Core;
use crate::storage::slots::Key;
use crate::wire::control::To;
use crate::wire::ids::Atom;
use crate::wire::term::Term;

/// Does what a message to `name`, which is no mailbox, asks for. `false`: it is none that OTP sends by itself.
pub(crate) fn handle(core: &mut Core<'_>, peer: Key, name: Atom<'_>, message: Term<'_>) -> bool {
    let (identity, links) = (&core.identity, &mut core.far.links);
    if name == global::SERVER && global::is_init_connect(message) {
        let sent = global::in_sync(identity, links, peer);
        told(core, peer, name, sent);
    } else if name == "rex" {
        let is_there = |node: Atom<'_>| links.table.at(peer).is_some_and(|link| node == *link.name.as_str());
        if let Some(observer) = rex::features_request(message).filter(|observer| is_there(observer.node)) {
            let sent = rex::features(identity, links, peer, observer);
            told(core, peer, name, sent);
        }
    }
    is_otp(name) || pg::is_of_scope(message)
}

/// Does what a message asks for that is too large to be received. `init_connect` names all nodes of a cluster, and nothing else that is sent
/// to `global` here is as large; the groups of a large one are too many for a scope.
pub(crate) fn handle_oversized(core: &mut Core<'_>, peer: Key, to: To<'_>) -> bool {
    match to {
        To::Name(name) if name == global::SERVER => {
            let sent = global::in_sync(&core.identity, &mut core.far.links, peer);
            told(core, peer, name, sent);
            true
        }
        _ => core.cluster(|cluster, core| cluster.message(core, peer, to, None)) == Some(true),
    }
}

/// Logs that an answer could not be sent, though room was kept for it.
fn told(core: &mut Core<'_>, peer: Key, name: Atom<'_>, sent: Result<(), Error>) {
    if let Err(e) = sent {
        core.unsent(peer, format_args!("answer to what was sent to {name}: {e}"));
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;
    use crate::node::otp::rex::{features, features_request};
    use crate::node::tables::links::RESERVED;
    use crate::node::{Config, Connection, Node, NodeStorage, Origin};
    use crate::time::Instant;
    use crate::wire::captured::{captured, damaged};
    use crate::wire::control::{Control, ControlMessage};
    use crate::wire::ids::Pid;

    type Storage = NodeStorage<1, 1, 4096>;

    fn carry(from: &mut Node<'_>, out: Connection, to: &mut Node<'_>, into: &mut Connection) -> usize {
        let bytes = from.poll_transmit(out);
        let len = bytes.len();
        to.read_buffer(*into)[..len].copy_from_slice(bytes);
        to.handle_bytes(into, len);
        from.handle_transmitted(out, len);
        len
    }

    /// Runs `test` with a visible node to which a peer of that name is connected.
    fn connected(own: &str, peer: &str, test: impl FnOnce(&mut Node<'_>, Connection, Key)) {
        let (mut one, mut other) = (Box::new(Storage::new()), Box::new(Storage::new()));
        let mut node = Node::new(Config::visible(own, "secret").unwrap().creation(7), &mut one);
        let mut caller = Node::new(Config::visible(peer, "secret").unwrap().creation(8), &mut other);
        let now = Instant::default();
        caller.connect(own).unwrap();
        let (mut there, _) = caller.poll_dial(now).unwrap();
        let mut here = node.accept(Origin::default(), 1, now).unwrap();
        caller.handle_connected(there, 2, now);
        while carry(&mut caller, there, &mut node, &mut here) + carry(&mut node, here, &mut caller, &mut there) > 0 {}
        let key = node.core.far.links.find(Atom::from_str(peer)).unwrap();
        test(&mut node, here, key);
    }

    /// Returns the answer to the frame with this body.
    fn answer(node: &mut Node<'_>, connection: Connection, peer: Key, body: &[u8]) -> Option<Vec<u8>> {
        let message = ControlMessage::parse(body).ok()?;
        let Control::Send { to: To::Name(name), .. } = message.control else { return None };
        let term = Term::payload(message.payload).ok()?;
        handle(&mut node.core, peer, name, term);
        let sent = node.poll_transmit(connection).to_vec();
        node.handle_transmitted(connection, sent.len());
        sent.split_at_checked(4).map(|(_, body)| body.to_vec())
    }

    /// Returns the receiver and the message.
    fn text(body: &[u8]) -> String {
        let message = ControlMessage::parse(body).unwrap();
        let Control::Send { from: Some(_), to } = message.control else { panic!() };
        let to = match to {
            To::Name(name) => name.to_string(),
            To::Pid(pid) => format!("{} of {}", pid.id, pid.node),
            To::Alias(_) => panic!(),
        };
        format!("{to} {}", Term::parse(message.payload).unwrap())
    }

    #[test]
    fn what_every_release_sends_is_answered() {
        connected("demo@localhost", "rec@localhost", |node, connection, peer| {
            for found in captured("control/nodeup_*") {
                let answer = answer(node, connection, peer, &found.bytes).map(|body| text(&body));
                let expected = match found.name {
                    "control/nodeup_global_init_connect" => {
                        Some("global_name_server {'$gen_cast',{in_sync,demo@localhost,true}}".to_string())
                    }
                    "control/nodeup_features_request" => {
                        let message = ControlMessage::parse(&found.bytes).unwrap();
                        let id = features_request(Term::parse(message.payload).unwrap()).unwrap().id;
                        Some(format!("{id} of rec@localhost {{features_reply,demo@localhost,[erpc]}}"))
                    }
                    _ => None,
                };
                assert_eq!(answer, expected, "{} of OTP {}", found.name, found.otp);
            }
        });
    }

    /// Nothing else that `global` is sent, and nothing to another in its words.
    #[test]
    fn only_the_beginning_of_globals_conversation_is_answered() {
        connected("demo@localhost", "rec@localhost", |node, _, peer| {
            let mut answers = |name, payload: &[u8]| {
                let before = node.core.far.links.pending(peer).len();
                handle(&mut node.core, peer, Atom::from_str(name), Term::parse(payload).unwrap());
                node.core.far.links.pending(peer).len() > before
            };
            for found in captured("control/nodeup_global_init_connect") {
                let payload = ControlMessage::parse(&found.bytes).unwrap().payload;
                assert!(answers(global::SERVER, payload) && !answers("another", payload));
            }
            assert!(!answers(global::SERVER, &[131, 106]));
        });
    }

    #[test]
    fn damage_is_answered_once_at_most() {
        connected("demo@localhost", "rec@localhost", |node, connection, peer| {
            damaged("control/nodeup_*", |body| {
                if let Some(answer) = answer(node, connection, peer, body) {
                    let text = text(&answer);
                    assert!(text.ends_with("{in_sync,demo@localhost,true}}") || text.ends_with("[erpc]}"), "{text}");
                }
            });
        });
    }

    #[test]
    fn the_observer_is_a_process_of_the_peer() {
        connected("demo@localhost", "other@localhost", |node, connection, peer| {
            for found in captured("control/nodeup_features_request") {
                assert_eq!(answer(node, connection, peer, &found.bytes), None);
            }
        });
    }

    /// Any name may be one of a scope; what is no discovery is a message that was lost.
    #[test]
    fn the_scopes_of_pg_are_known_by_their_message() {
        connected("demo@localhost", "rec@localhost", |node, _, peer| {
            let mut known = |name, bytes: &[u8]| handle(&mut node.core, peer, Atom::from_str(name), Term::parse(bytes).unwrap());
            for found in captured("control/nodeup_pg_discover") {
                let payload = ControlMessage::parse(&found.bytes).unwrap().payload;
                assert!(known("pg", payload) && known("scope", payload));
            }
            let discover = [&[131, 104, 2, 119, 8][..], b"discover", &[97, 1]].concat();
            assert!(known("pg", &discover) && !known("scope", &discover));
        });
    }

    /// The core reads on only while there is room for one answer.
    #[test]
    fn the_longest_answers_fit_what_is_kept() {
        let long = |alive: &str| format!("{}@{}", alive.repeat(100), "h".repeat(154));
        let name = long("b");
        connected(&long("a"), &name, |node, _, peer| {
            assert!(handle_oversized(&mut node.core, peer, To::Name(Atom::from_str(global::SERVER))));
            let (identity, links) = (&node.core.identity, &mut node.core.far.links);
            let first = links.pending(peer).len();
            let observer = Pid { node: Atom::from_str(&name), id: 1, serial: 0, creation: 8 };
            features(identity, links, peer, observer).unwrap();
            let second = links.pending(peer).len() - first;
            assert!((510..RESERVED).contains(&first) && (510..RESERVED).contains(&second), "{first}, {second}");
        });
    }
}
