//! Nodes without sockets, for the bodies that need whole ones.

use crate::node::{Config, Connection, Event, Node, NodeStorage, Origin};
use crate::time::Instant;
use crate::wire::codes::Flags;
use crate::wire::control::ControlMessage;
use crate::wire::frame::{self, Frame};
use crate::wire::term::Term;

/// Memory that is soon full: two peers, three mailboxes, six watches and six requests.
pub(super) type Small = NodeStorage<2, 3, 4096, 6, 6>;

pub(super) fn small() -> Box<Small> {
    Box::new(Small::sized())
}

/// A node.
pub(super) struct End<'s> {
    pub(super) node: Node<'s>,
}

impl<'s> End<'s> {
    pub(super) fn new(name: &str, storage: &'s mut Small) -> Self {
        let config = Config::hidden(name, "secret").expect("a good name").creation(77);
        Self { node: Node::new(config, storage) }
    }

    /// Returns the events since the last look, each of which can be printed.
    pub(super) fn news(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.node.poll_event() {
            assert!(!event.to_string().contains('\n'));
            events.push(event);
        }
        assert!(events.len() <= Event::KEPT + 1);
        let used = self.node.in_use();
        assert!(used.watches <= 6 && used.requests <= 6 && used.mailboxes <= 3 && used.peers <= 2, "{used:?}");
        events
    }

    /// Has it read as much of the bytes as it has room for; how many they were.
    pub(super) fn hear(&mut self, connection: &mut Connection, bytes: &[u8]) -> usize {
        let takes = self.node.takes_bytes(*connection);
        let room = self.node.read_buffer(*connection);
        assert!(takes || room.is_empty());
        let len = room.len().min(bytes.len());
        room[..len].copy_from_slice(&bytes[..len]);
        if len > 0 {
            self.node.handle_bytes(connection, len);
        }
        len
    }

    /// Takes at most so many bytes of what it has to send.
    pub(super) fn say(&mut self, connection: Connection, most: usize) -> Vec<u8> {
        let bytes = self.node.poll_transmit(connection);
        let said = bytes[..bytes.len().min(most)].to_vec();
        self.node.handle_transmitted(connection, said.len());
        said
    }
}

/// Takes what `a` asks to be dialled and connects it to `b`; the handles at both.
pub(super) fn dial(a: &mut End<'_>, b: &mut End<'_>, random: u64, now: Instant) -> Option<(Connection, Connection)> {
    let (from, _) = a.node.poll_dial(now)?;
    let Ok(to) = b.node.accept(Origin::default(), random, now) else {
        a.node.handle_unreachable(from, crate::error::NetworkFault::Refused);
        return None;
    };
    a.node.handle_connected(from, !random, now);
    Some((from, to))
}

/// Carries everything between the two.
pub(super) fn settle(a: &mut End<'_>, b: &mut End<'_>, wire: &mut (Connection, Connection)) {
    loop {
        let there = a.node.poll_transmit(wire.0).to_vec();
        let there = b.hear(&mut wire.1, &there);
        a.node.handle_transmitted(wire.0, there);
        let back = b.node.poll_transmit(wire.1).to_vec();
        let back = a.hear(&mut wire.0, &back);
        b.node.handle_transmitted(wire.1, back);
        if there + back == 0 {
            return;
        }
    }
}

/// What a node sent on a connection that is up, frame by frame.
#[derive(Default)]
pub(super) struct Sent(Vec<u8>);

impl Sent {
    /// Looks at what came: nothing but frames whose control messages and terms any Erlang reads.
    pub(super) fn look(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        loop {
            let len = match frame::next(&self.0, 1 << 20) {
                Frame::Partial => break,
                Frame::Tick => 0,
                Frame::Whole(body) => {
                    let message = ControlMessage::parse(body).unwrap_or_else(|e| panic!("{e}: {body:?}"));
                    assert!(Flags::OURS.allow(message.op), "{message:?}");
                    if !message.payload.is_empty() {
                        Term::payload(message.payload).unwrap_or_else(|e| panic!("{e}: {body:?}"));
                    }
                    body.len()
                }
                Frame::Oversized(..) => panic!("a frame without an end: {:?}", &self.0[..16]),
            };
            self.0.drain(..len + 4);
        }
    }
}
