//! Connections before they are proven: little memory, little time, and first to go.

use core::time::Duration;

use crate::error::Reason;
use crate::proto::handshake::State;
use crate::storage::slots::{Key, Table};
use crate::storage::span::Span;
use crate::time::Instant;
use crate::wire::handshake::{announced, split};
use crate::wire::ids::NodeName;

/// The time a handshake has as a whole: `net_setuptime`, which a BEAM gives to each of its steps.
pub(super) const SETUP_TIME: Duration = Duration::from_secs(7);

/// How long our own attempt lets the peer's go first: two round trips, and a good deal more.
pub(super) const OVERTAKEN: Duration = Duration::from_secs(1);

/// How many of the places for handshakes our own attempts may take, so that callers always find some.
pub(super) const DIALS: usize = 6;

/// Bytes of a packet, and of the answers to it: two packets with a name of 255 characters each, and a little more.
pub(super) const BUFFER: usize = 640;

/// How far a connection is.
pub(super) enum Progress {
    /// The driver is to connect to the peer; it has been told once `told`.
    Dial { peer: NodeName, told: bool },
    /// The connection is there, and so is one of the peer's own, or of somebody who says so: this lets that go first for a moment.
    Waiting { peer: NodeName },
    /// The handshake is under way.
    Shaking(State),
    /// The peer said that its own connection is to stay: this waits for it, or for the end of the time, without a socket.
    Yielded { peer: NodeName },
    /// What was decided is being told to the peer; then the connection is closed.
    Ending,
}

/// A connection that is not proven yet.
pub(super) struct HalfOpen {
    pub(super) progress: Progress,
    /// Whether the peer connected to us.
    pub(super) inbound: bool,
    /// Random: the challenge, and the seed of a name for a caller without one.
    pub(super) challenge: u32,
    pub(super) seed: u32,
    pub(super) deadline: Instant,
    /// Counts up: which of those that came within one millisecond is the oldest.
    pub(super) number: u32,
    /// The name it gave, or was dialled by, for reports.
    pub(super) caller: Option<NodeName>,
    /// It was told that there is a connection already, and takes its place.
    pub(super) replaces: bool,
    /// The name and creation the peer gave this node, for when the peer is proven.
    pub(super) given: Option<(NodeName, u32)>,
    pub(super) received: Span,
    pub(super) rx: [u8; BUFFER],
    pub(super) sending: Span,
    pub(super) tx: [u8; BUFFER],
}

impl HalfOpen {
    pub(super) fn new(progress: Progress, inbound: bool, deadline: Instant) -> Self {
        Self {
            progress,
            inbound,
            challenge: 0,
            seed: 0,
            deadline,
            number: 0,
            caller: None,
            replaces: false,
            given: None,
            received: Span::EMPTY,
            rx: [0; BUFFER],
            sending: Span::EMPTY,
            tx: [0; BUFFER],
        }
    }

    /// An attempt of ours that the driver has not begun with.
    pub(super) fn is_new(&self) -> bool {
        matches!(self.progress, Progress::Dial { told: false, .. })
    }

    pub(super) fn seed(&mut self, random: u64) {
        let [a, b, c, d, e, f, g, h] = random.to_le_bytes();
        self.challenge = u32::from_le_bytes([a, b, c, d]);
        self.seed = u32::from_le_bytes([e, f, g, h]);
    }

    /// The peer, as far as it is known.
    pub(super) fn peer(&self) -> Option<&NodeName> {
        match &self.progress {
            Progress::Dial { peer, .. } | Progress::Waiting { peer } | Progress::Yielded { peer } => Some(peer),
            Progress::Shaking(state) => state.peer(),
            Progress::Ending => None,
        }
    }

    /// The whole packet at the front of what was received, copied out so that answers can be written; with its bytes in all.
    pub(super) fn packet<'b>(&self, copy: &'b mut [u8; BUFFER]) -> Result<Option<(&'b [u8], usize)>, Reason> {
        let bytes = self.received.filled(&self.rx);
        if announced(bytes).is_some_and(|len| len > BUFFER) {
            return Err(Reason::Misbehaved(crate::error::Misbehaved::Handshake("length of a packet")));
        }
        let Some((body, taken)) = split(bytes) else { return Ok(None) };
        let Some(room) = copy.get_mut(..body.len()) else { return Ok(None) };
        room.copy_from_slice(body);
        Ok(Some((room, taken)))
    }
}

/// The unproven caller that has been here longest, which makes way when there is no place left.
pub(super) fn oldest_caller(table: &Table<'_, HalfOpen>) -> Option<Key> {
    table.tenants().filter(|(_, half)| half.inbound).min_by_key(|(_, half)| (half.deadline, half.number)).map(|(key, _)| key)
}
