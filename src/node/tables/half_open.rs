//! Connections before they are proven: little memory, little time, and first to go.

use core::time::Duration;

use super::identity::Identity;
use crate::error::{Misbehaved, Reason};
use crate::node::trace;
use crate::proto::handshake::{Context, Handshake};
use crate::storage::slots::{Key, Table};
use crate::storage::span::Span;
use crate::time::Instant;
use crate::wire::cursor::Writer;
use crate::wire::handshake::{Refusal, announced, split};
use crate::wire::ids::NodeName;

/// The time a handshake has as a whole: `net_setuptime`, which a BEAM gives to each of its steps.
pub(crate) const SETUP_TIME: Duration = Duration::from_secs(7);

/// The time for which our own attempt lets the peer's go first: two round trips, and a good deal more.
pub(crate) const OVERTAKEN: Duration = Duration::from_secs(1);

/// The time for which a caller that took too long may take the word for it.
pub(crate) const FAREWELL: Duration = Duration::from_secs(1);

/// The time for which an attempt of ours that hears nothing keeps its place while others wait for one. Over a satellite, EPMD has answered and
/// the connection is made by then.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// Returns how many of so many places for handshakes our own attempts may take, so that callers always find some.
pub(crate) fn dials(places: usize) -> usize {
    places.saturating_sub(places / 4)
}

/// Bytes of a packet, and of the answers to it: two packets with a name of 255 characters each, and a little more.
pub(crate) const BUFFER: usize = 640;

/// The progress of a connection.
pub(crate) enum Progress {
    /// The driver is to connect to the peer; it has been told once `told`.
    Dial { peer: NodeName, told: bool },
    /// The connection is there, and so is one of the peer's own, or of somebody who says so: this lets that go first for a moment.
    Waiting { peer: NodeName },
    /// The handshake is under way.
    Shaking(Handshake),
    /// The peer said that its own connection is to stay: this waits for it, or for the end of the time, without a socket.
    Yielded { peer: NodeName },
    /// The decision is being told to the peer; then the connection is closed.
    Ending,
}

/// A connection that is not proven yet.
pub(crate) struct HalfOpen {
    pub(crate) progress: Progress,
    /// True if the peer connected to us.
    pub(crate) inbound: bool,
    /// Random: the challenge, and the seed of a name for a caller without one.
    pub(crate) challenge: u32,
    pub(crate) seed: u32,
    pub(crate) deadline: Instant,
    /// The time of the last step of an attempt of ours.
    pub(crate) since: Instant,
    /// Counts up: which of those that came within one millisecond is the oldest.
    pub(crate) number: u32,
    /// The name it gave, or was dialled by, for reports.
    pub(crate) caller: Option<NodeName>,
    /// True if it was told that there is a connection already, and takes its place.
    pub(crate) replaces: bool,
    /// The name and creation the peer gave this node, for when the peer is proven.
    pub(crate) given: Option<(NodeName, u32)>,
    pub(crate) received: Span,
    pub(crate) rx: [u8; BUFFER],
    pub(crate) sending: Span,
    pub(crate) tx: [u8; BUFFER],
}

impl HalfOpen {
    pub(crate) fn new(progress: Progress, inbound: bool, deadline: Instant) -> Self {
        Self {
            progress,
            inbound,
            challenge: 0,
            seed: 0,
            deadline,
            since: Instant::default(),
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

    /// Returns true for an attempt of ours that the driver has not begun with.
    pub(crate) fn is_new(&self) -> bool {
        matches!(self.progress, Progress::Dial { told: false, .. })
    }

    /// Returns true for an attempt of ours that has been begun with, and to which nothing was answered yet.
    pub(crate) fn is_unheard(&self) -> bool {
        match &self.progress {
            Progress::Dial { told, .. } => *told,
            Progress::Shaking(state) => !self.inbound && state.is_unheard() && self.received.is_empty(),
            _ => false,
        }
    }

    pub(crate) fn seed(&mut self, random: u64) {
        let [a, b, c, d, e, f, g, h] = random.to_le_bytes();
        self.challenge = u32::from_le_bytes([a, b, c, d]);
        self.seed = u32::from_le_bytes([e, f, g, h]);
    }

    /// Returns the peer, as far as it is known.
    pub(crate) fn peer(&self) -> Option<&NodeName> {
        match &self.progress {
            Progress::Dial { peer, .. } | Progress::Waiting { peer } | Progress::Yielded { peer } => Some(peer),
            Progress::Shaking(state) => state.peer(),
            Progress::Ending => None,
        }
    }

    /// Returns the whole packet at the front of what was received, and how many bytes it takes in all. It is copied out so that answers can
    /// be written.
    pub(crate) fn packet<'b>(&self, copy: &'b mut [u8; BUFFER]) -> Result<Option<(&'b [u8], usize)>, Reason> {
        let bytes = self.received.filled(&self.rx);
        if announced(bytes).is_some_and(|len| len > BUFFER) {
            return Err(Reason::Misbehaved(Misbehaved::Handshake("length of a packet")));
        }
        let Some((body, taken)) = split(bytes) else { return Ok(None) };
        let Some(room) = copy.get_mut(..body.len()) else { return Ok(None) };
        room.copy_from_slice(body);
        Ok(Some((room, taken)))
    }

    pub(crate) fn is_shaking(&self) -> bool {
        matches!(self.progress, Progress::Shaking(_))
    }

    /// Runs one step of the handshake, whose answers go to what waits to be sent.
    pub(crate) fn answering<R>(
        &mut self,
        identity: &Identity,
        wanted: bool,
        step: impl FnOnce(&Context<'_>, &mut Writer<'_>) -> R,
    ) -> R {
        let context = Context { local: identity.local(), challenge: self.challenge, wanted };
        self.writing(|out| step(&context, out))
    }

    /// Tells the caller why it is refused, in place of what waits to be sent.
    pub(crate) fn refuse_instead(&mut self, refusal: Refusal) {
        self.sending = Span::EMPTY;
        self.writing(|out| refusal.put(out));
    }

    /// Puts packets of the handshake to what waits to be sent.
    pub(crate) fn writing<R>(&mut self, write: impl FnOnce(&mut Writer<'_>) -> R) -> R {
        let room = self.sending.room(&mut self.tx);
        let mut out = Writer::new(&mut *room);
        let result = write(&mut out);
        // two packets with a name of 255 characters each fit
        let len = out.finish().unwrap_or(0);
        trace::handshake_sent(self.caller.as_ref(), room.get(..len).unwrap_or(&[]), self.inbound);
        self.sending.fill(len);
        result
    }
}

/// Finds the unproven caller that has been here longest, which makes way when there is no place left.
pub(crate) fn oldest_caller(table: &Table<'_, HalfOpen>) -> Option<Key> {
    table.tenants().filter(|(_, half)| half.inbound).min_by_key(|(_, half)| (half.deadline, half.number)).map(|(key, _)| key)
}
