//! What OTP's processes on a peer tell those of the same name here, unasked, once this node stands in `nodes()`.
//!
//! There is no `global` here: no names and no locks. Who takes part in it becomes *known* to every node that does, and nodes that
//! know each other must all be connected: one that lost a known node has the others disconnect from it
//! (`prevent_overlapping_partitions`). A node that stays out of it is asked for nothing and disturbs nobody, but for one thing:
//! `global:sync` waits for each of `nodes()` to say that it is in sync, so that is said.

use super::calls::{OTP_NAMES, send};
use super::links::{Identity, Links};
use crate::error::Error;
use crate::storage::slots::Key;
use crate::wire::control::To;
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// The process of `global`.
const SERVER: &str = "global_name_server";

/// Does what a message to `name`, which is no mailbox, asks for. `false`: it is none that OTP sends by itself.
pub(super) fn handle(identity: &Identity<'_>, links: &mut Links<'_>, peer: Key, name: Atom<'_>, message: Term<'_>) -> bool {
    if name == SERVER && is_init_connect(message) {
        told(name, in_sync(identity, links, peer));
    } else if name == "rex" {
        let is_there = |node: Atom<'_>| links.table.at(peer).is_some_and(|link| node == *link.name.as_str());
        if let Some(observer) = features_request(message).filter(|observer| is_there(observer.node)) {
            told(name, features(identity, links, peer, observer));
        }
    }
    OTP_NAMES.iter().any(|otp| name == **otp) || is_discover(message)
}

/// The same for a message that is too large to be received. `init_connect` names all nodes of a cluster, and nothing else that
/// is sent to `global` here is as large.
pub(super) fn handle_oversized(identity: &Identity<'_>, links: &mut Links<'_>, peer: Key, name: Atom<'_>) -> bool {
    let is_server = name == SERVER;
    if is_server {
        told(name, in_sync(identity, links, peer));
    }
    is_server
}

/// Room was kept for every answer.
fn told(name: Atom<'_>, sent: Result<(), Error>) {
    if let Err(e) = sent {
        log::warn!("answer to what was sent to {name}: {e}");
    }
}

/// `{'$gen_cast',{init_connect,Version,Node,Locker}}`: with this `global` begins its conversation with a node that came up.
fn is_init_connect(message: Term<'_>) -> bool {
    let Some([kind, cast]) = message.tuple() else { return false };
    let Some([what, _version, _node, _locker]) = cast.tuple() else { return false };
    kind.is_atom("$gen_cast") && what.is_atom("init_connect")
}

/// The last word of that conversation, said at once: the peer forgets that it began one, wakes those who wait for it to end, and
/// does not count this node among the known.
fn in_sync(identity: &Identity<'_>, links: &mut Links<'_>, peer: Key) -> Result<(), Error> {
    send(identity, links, peer, To::Name(Atom::from_str(SERVER)), &mut |t| {
        t.tuple(2)?;
        t.atom("$gen_cast")?;
        t.tuple(3)?;
        t.atom("in_sync")?;
        t.atom(identity.config.name.shown().as_str())?;
        // every release says so, and none looks at it
        t.atom("true")
    })
}

/// Who asks what `rex` can do: `{Pid,features_request}`.
fn features_request(message: Term<'_>) -> Option<Pid<'_>> {
    let [from, what] = message.tuple()?;
    if what.is_atom("features_request") { from.as_pid() } else { None }
}

/// Calls are answered as `erpc` makes them. OTP 23 sends an `rpc:cast` so only to a node that said this.
fn features(identity: &Identity<'_>, links: &mut Links<'_>, peer: Key, observer: Pid<'_>) -> Result<(), Error> {
    send(identity, links, peer, To::Pid(observer), &mut |t| {
        t.tuple(3)?;
        t.atom("features_reply")?;
        t.atom(identity.config.name.shown().as_str())?;
        t.list(1)?;
        t.atom("erpc")?;
        t.nil()
    })
}

/// `{discover,Pid}`, and a version behind it since OTP 28: a scope of `pg`, which may have any name, looks for the same one here.
/// A node without it does not answer.
fn is_discover(message: Term<'_>) -> bool {
    let Some(mut parts) = message.as_tuple() else { return false };
    matches!(parts.len(), 2 | 3)
        && parts.next().is_some_and(|what| what.is_atom("discover"))
        && parts.next().is_some_and(|scope| scope.as_pid().is_some())
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::format;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::super::links::RESERVED;
    use super::super::{Config, Connection, Node, NodeStorage};
    use super::*;
    use crate::time::Instant;
    use crate::wire::captured::{captured, damaged};
    use crate::wire::control::{Control, Message};

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
        let mut here = node.accept(1, now).unwrap();
        caller.handle_connected(there, 2, now);
        while carry(&mut caller, there, &mut node, &mut here) + carry(&mut node, here, &mut caller, &mut there) > 0 {}
        let key = node.core.links.find(Atom::from_str(peer)).unwrap();
        test(&mut node, here, key);
    }

    /// What is answered to the frame with this body.
    fn answer(node: &mut Node<'_>, connection: Connection, peer: Key, body: &[u8]) -> Option<Vec<u8>> {
        let message = Message::parse(body).ok()?;
        let Control::Send { to: To::Name(name), .. } = message.control else { return None };
        let term = Term::parse(message.payload).ok()?;
        handle(&node.core.identity, &mut node.core.links, peer, name, term);
        let sent = node.poll_transmit(connection).to_vec();
        node.handle_transmitted(connection, sent.len());
        sent.split_at_checked(4).map(|(_, body)| body.to_vec())
    }

    /// The receiver and the message.
    fn text(body: &[u8]) -> String {
        let message = Message::parse(body).unwrap();
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
                        let message = Message::parse(&found.bytes).unwrap();
                        let id = features_request(Term::parse(message.payload).unwrap()).unwrap().id;
                        Some(format!("{id} of rec@localhost {{features_reply,demo@localhost,[erpc]}}"))
                    }
                    _ => None,
                };
                assert_eq!(answer, expected, "{} of OTP {}", found.name, found.otp);
            }
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
            let mut known = |name, bytes: &[u8]| {
                handle(&node.core.identity, &mut node.core.links, peer, Atom::from_str(name), Term::parse(bytes).unwrap())
            };
            for found in captured("control/nodeup_pg_discover") {
                let payload = Message::parse(&found.bytes).unwrap().payload;
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
            let (identity, links) = (&node.core.identity, &mut node.core.links);
            assert!(handle_oversized(identity, links, peer, Atom::from_str(SERVER)));
            let first = links.pending(peer).len();
            let observer = Pid { node: Atom::from_str(&name), id: 1, serial: 0, creation: 8 };
            features(identity, links, peer, observer).unwrap();
            let second = links.pending(peer).len() - first;
            assert!((510..RESERVED).contains(&first) && (510..RESERVED).contains(&second), "{first}, {second}");
        });
    }
}
