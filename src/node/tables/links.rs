//! The connected peers and what waits to be sent to them.

use super::{hashes, record};
use crate::error::{Error, Full, Misuse};
use crate::node::trace;
use crate::proto::link;
use crate::storage::buffers::Buffers;
use crate::storage::queue::{Queued, Turn};
use crate::storage::slots::{Key, Table, Tenant};
use crate::storage::span::Span;
use crate::time::Instant;
use crate::wire::codes::{Flags, op};
use crate::wire::control::{Control, lead_from, operation, without_unlink_id};
use crate::wire::cursor::{Writer, slide};
use crate::wire::frame::{self, Frame, HEADER, TICK};
use crate::wire::ids::{Atom, NodeName};

/// Bytes of a transmit buffer that only the core's own answers may use. One frame of a peer asks for one answer at most,
/// the largest of which (a monitor by a name of 255 characters, on nodes with names as long) has under 2 KiB.
pub(crate) const RESERVED: usize = 2048;

/// Returns how many bytes of a transmit buffer of this size are the program's.
#[inline]
pub(crate) const fn usable(size: usize) -> usize {
    size.saturating_sub(RESERVED)
}

/// The cause that a peer is not read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stall {
    /// A full mailbox.
    Mailbox(Key),
    /// The peer does not take what it is owed.
    Transmit,
}

/// The control part of the last message to a mailbox. A stream of messages from one process to another has the same one in
/// front of each, and comparing it takes a tenth of reading it.
pub(crate) struct Recent {
    head: heapless::Vec<u8, 128>,
    /// The place in it where the sender's pid ends, which begins behind the operation.
    sender_end: usize,
    inbox: Key,
}

impl Recent {
    /// The bytes in front of a sender: 112, 131, a small tuple's tag and arity, a small integer's tag and the operation.
    const SENDER: usize = 6;
    pub(crate) const NONE: Self = Self { head: heapless::Vec::new(), sender_end: 0, inbox: Key { index: 0, generation: 0 } };

    /// Remembers the message with this body, if its head is short enough and its sender stands where most do.
    pub(crate) fn remember(&mut self, body: &[u8], from: &[u8], payload: &[u8], inbox: Key) {
        let head = body.get(..body.len().saturating_sub(payload.len())).unwrap_or(&[]);
        self.sender_end = Self::SENDER.saturating_add(from.len());
        self.inbox = inbox;
        self.head.clear();
        if head.get(Self::SENDER..self.sender_end) == Some(from) {
            // what is too long stays unknown
            let _ = self.head.extend_from_slice(head);
        }
    }

    /// Returns the mailbox, the head and the sender in it; `None` where none is remembered.
    #[inline]
    pub(crate) fn parts(&self) -> Option<(Key, &[u8], &[u8])> {
        Some((self.inbox, &self.head, self.head.get(Self::SENDER..self.sender_end)?))
    }
}

/// A connected peer.
pub(crate) struct Link {
    pub(crate) name: NodeName,
    /// The flags that both sides offered.
    pub(crate) flags: Flags,
    /// The peer's creation; 0 until it is known.
    pub(crate) creation: u32,
    pub(crate) visible: bool,
    pub(crate) state: link::Pulse,
    pub(crate) received: Span,
    pub(crate) sending: Span,
    /// Links and monitors between its processes and what is here.
    pub(crate) watches: u16,
    /// Monitors and calls of ours that its processes are asked for.
    pub(crate) asked: u16,
    /// How many there were when it was last told that it may have no more; nothing where that would be news.
    pub(crate) told: Option<u16>,
    /// Bytes of its messages that nobody has read.
    pub(crate) unread: usize,
    /// A message of it was put back since its answer finds no room: its messages wait until there is some.
    pub(crate) waits: bool,
    /// Bytes of the smallest message that was refused for want of room; 0 for none.
    pub(crate) refused: usize,
    pub(crate) stalled: Option<Stall>,
    /// The frame that is held up was traced when it came.
    pub(crate) traced: bool,
    /// The time at which it is told that the peer is held up; nothing until time was looked at since it began.
    pub(crate) tell: Option<Instant>,
    pub(crate) recent: Recent,
    pub(crate) phase: Phase,
    /// Beats in a row in which nothing but ticks went either way.
    pub(crate) idle: u32,
    /// Its place among those that are to be connected to, or are held up.
    pub(crate) turn: Turn,
    pub(crate) traffic: Traffic,
}

/// The traffic over a connection since it was made. The handshake and ticks are no messages, though ticks have their bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Traffic {
    /// Messages and signals that came, those included that were too large to be taken.
    pub received: u64,
    /// Bytes that came.
    pub received_bytes: u64,
    /// Messages and signals to the peer, the protocol's own answers included.
    pub sent: u64,
    /// Bytes that the network has taken.
    pub sent_bytes: u64,
    /// Bytes that wait for the network.
    pub pending: usize,
}

impl Traffic {
    #[inline]
    pub(in crate::node) fn came(&mut self) {
        self.received = self.received.wrapping_add(1);
    }

    /// Counts bytes that came.
    #[inline]
    pub(in crate::node) fn read(&mut self, bytes: usize) {
        self.received_bytes = self.received_bytes.wrapping_add(bytes as u64);
    }

    /// Counts bytes that went.
    #[inline]
    pub(in crate::node) fn wrote(&mut self, bytes: usize) {
        self.sent_bytes = self.sent_bytes.wrapping_add(bytes as u64);
    }
}

/// The phase of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The connection is not there yet: what is sent waits in the transmit buffer.
    Opening,
    Up,
    /// Nothing is read or written any more but what waits to be sent.
    Closing,
    /// The connection is no more. Its place is kept until everybody here who is to be told of it has been.
    Gone,
}

impl Tenant for Link {
    fn hash(&self) -> Option<u32> {
        Some(hashes::of_name(self.name.as_atom()))
    }
}

impl Queued for Link {
    fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }
}

impl Link {
    pub(crate) fn new(name: NodeName, phase: Phase) -> Self {
        Self {
            name,
            flags: Flags::ASSUMED,
            creation: 0,
            visible: false,
            state: link::Pulse::default(),
            received: Span::EMPTY,
            sending: Span::EMPTY,
            watches: 0,
            asked: 0,
            told: None,
            unread: 0,
            waits: false,
            refused: 0,
            stalled: None,
            traced: false,
            tell: None,
            recent: Recent::NONE,
            phase,
            idle: 0,
            turn: Turn::NONE,
            traffic: Traffic::default(),
        }
    }

    /// Returns true if something here is tied to processes of the peer.
    pub(crate) fn is_tied(&self) -> bool {
        self.watches > 0 || self.asked > 0
    }

    #[inline]
    pub(crate) fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// Traces the frame at the front of what was received, once.
    #[cold]
    pub(crate) fn trace(&mut self, body: &[u8], size: u64) {
        if !core::mem::take(&mut self.traced) {
            trace::received(&self.name, body, size);
        }
    }

    /// Returns true, once, if what was refused fits a transmit buffer of this size now.
    #[inline]
    pub(crate) fn has_room_again(&mut self, size: usize) -> bool {
        // what the core owes may be larger than what is the program's, and has room once nothing waits
        let fits = self.refused > 0 && usable(size).saturating_sub(self.sending.len()) >= self.refused.min(usable(size));
        if fits {
            self.refused = 0;
        }
        fits
    }

    /// Returns true if whole frames may be taken from the peer, whose receive and transmit buffers have this size: it is up, has room for the
    /// answers to them, and is not in the middle of one that is skipped.
    #[inline]
    pub(crate) fn takes_frames(&self, size: usize) -> bool {
        self.is_up() && size.saturating_sub(self.sending.len()) >= RESERVED && !self.waits && !self.state.is_skipping()
    }

    /// Returns true if something can be sent, if only to wait for the connection.
    #[inline]
    pub(crate) fn takes(&self) -> bool {
        matches!(self.phase, Phase::Up | Phase::Opening)
    }
}

/// The connected peers.
pub(crate) struct Links<'s> {
    pub(crate) table: Table<'s, Link>,
    pub(crate) sending: Buffers<'s>,
}

impl Links<'_> {
    /// Lends the links for a shorter time.
    #[inline]
    pub(crate) fn lend(&mut self) -> Links<'_> {
        Links { table: self.table.lend(), sending: self.sending.lend() }
    }

    /// Finds the connection to the node of this name, or the one that is being made.
    #[inline]
    pub(crate) fn find(&self, node: Atom<'_>) -> Option<Key> {
        self.table.find_hashed(hashes::of_name(node), |link| node == *link.name.as_str() && link.takes())
    }

    /// Finds the connection to the node of this name.
    pub(crate) fn find_up(&self, node: Atom<'_>) -> Option<Key> {
        self.table.find_hashed(hashes::of_name(node), |link| node == *link.name.as_str() && link.is_up())
    }

    /// Finds the connection to the node of this name that is being made because something was sent to it.
    pub(crate) fn find_opening(&self, node: &NodeName) -> Option<Key> {
        let is_opening = |link: &Link| *node == link.name && matches!(link.phase, Phase::Opening);
        self.table.find_hashed(hashes::of_name(node.as_atom()), is_opening)
    }

    /// Returns true if there is one connection at most: then nobody else has claims.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        self.table.taken() <= 1
    }

    /// Counts so many bytes of a peer's as unread.
    pub(crate) fn count_unread(&mut self, peer: Key, len: usize) {
        if let Some(link) = self.table.at_mut(peer) {
            link.unread = link.unread.saturating_add(len);
        }
    }

    /// Counts a record of a mailbox as read, or as gone.
    #[inline]
    pub(crate) fn count_read(&mut self, record: &[u8]) {
        if let Some(link) = record::peer(record).and_then(|peer| self.table.at_mut(peer)) {
            link.unread = link.unread.saturating_sub(record.len());
        }
    }

    /// Returns true if a record waits until there is room for its peer's answers. What a call of ours came to asks for none.
    pub(crate) fn waits(&self, record: &[u8]) -> bool {
        let waits = |peer| self.table.at(peer).is_some_and(|link| link.waits);
        record::peer(record).is_some_and(waits) && record::kind(record).is_some_and(|kind| !kind.is_answer())
    }

    /// Returns the flags that both sides offered.
    #[inline]
    pub(crate) fn flags(&self, key: Key) -> Flags {
        self.table.at(key).map_or(Flags::default(), |link| link.flags)
    }

    /// Returns the peer's creation; 0 until it is known, which [`Links::sift`] puts right in what waits.
    pub(crate) fn creation(&self, key: Key) -> u32 {
        self.table.at(key).map_or(0, |link| link.creation)
    }

    /// Begins a frame, which goes into the transmit buffer whole or not at all: what is written to it counts once it is ended, and is nothing
    /// if it never is. `keep` bytes of the buffer stay free.
    #[inline]
    pub(crate) fn begin(&mut self, key: Key, keep: usize) -> Result<FrameWriter<'_>, Error> {
        let limit = self.sending.size().saturating_sub(keep);
        // an error that is made only where it is one: it has parts that are to be dropped
        let Some(link) = self.table.stirred(key).filter(|link| link.takes()) else { return Err(Error::NotConnected) };
        let room = link.sending.room(self.sending.at_mut(key.index));
        // the last of the handshake is to go in front of what waits for a connection
        let kept = if link.phase == Phase::Up { keep } else { keep.max(RESERVED) };
        let usable = room.len().saturating_sub(kept);
        let mut out = Writer::new(room.get_mut(..usable).unwrap_or(&mut []));
        out.u32(0);
        Ok(FrameWriter { link, out, limit })
    }

    /// Begins the frame of a control message, by an operation that the peer understands, up to what the caller adds to it. `None`: the peer
    /// understands none that says this, and nothing is sent. Messages have [`To::operation`](crate::wire::control::To::operation) instead.
    pub(crate) fn say(&mut self, key: Key, keep: usize, control: &Control<'_>) -> Result<Option<(FrameWriter<'_>, u8)>, Error> {
        let mut frame = self.begin(key, keep)?;
        let Some(op) = control.operation(frame.flags()) else { return Ok(None) };
        control.put(op, &mut frame.out)?;
        Ok(Some((frame, op)))
    }

    /// Says a control message that is whole. Returns true if the peer understands it; else nothing is sent.
    pub(crate) fn tell(&mut self, key: Key, keep: usize, control: &Control<'_>) -> Result<bool, Error> {
        match self.say(key, keep, control)? {
            Some((frame, _)) => frame.end().map(|()| true),
            None => Ok(false),
        }
    }

    /// Looks again, now that the flags and the creation of a peer are known, at the frames that waited for its connection. What it does not
    /// understand goes.
    pub(crate) fn sift(&mut self, key: Key) {
        let Some(link) = self.table.at_mut(key) else { return };
        let (flags, creation) = (link.flags, link.creation);
        let bytes = link.sending.filled_mut(self.sending.at_mut(key.index));
        let (mut read, mut written) = (0_usize, 0_usize);
        while let Some(Frame::Whole(body)) = bytes.get(read..).map(|rest| frame::next(rest, rest.len())) {
            let begin = read.saturating_add(HEADER);
            let end = begin.saturating_add(body.len());
            let kept = match operation(body) {
                Some(op) if !flags.allow(op) => bytes.get_mut(begin..end).and_then(without_unlink_id),
                Some(op::SPAWN_REQUEST) => {
                    bytes.get_mut(begin..end).and_then(|body| lead_from(body, creation));
                    Some(end.saturating_sub(begin))
                }
                _ => Some(end.saturating_sub(begin)),
            };
            read = end;
            let Some(kept) = kept else {
                log::debug!("to {}: what it does not understand is not sent", link.name);
                link.traffic.sent = link.traffic.sent.saturating_sub(1);
                continue;
            };
            if let (Some(place), Ok(len)) = (bytes.get_mut(written..).and_then(<[u8]>::first_chunk_mut), u32::try_from(kept)) {
                *place = len.to_be_bytes();
            }
            written = written.saturating_add(HEADER);
            slide(bytes, begin..begin.saturating_add(kept), written);
            written = written.saturating_add(kept);
        }
        link.sending.truncate(written);
    }

    /// Returns how many bytes wait to be sent, and how many messages were, to come back to with [`Links::rewind`].
    pub(crate) fn mark(&self, key: Key) -> (usize, u64) {
        self.table.at(key).map_or((0, 0), |link| (link.sending.len(), link.traffic.sent))
    }

    /// Takes back the frames that were put since the mark, none of which has been sent yet.
    pub(crate) fn rewind(&mut self, key: Key, (waiting, sent): (usize, u64)) {
        if let Some(link) = self.table.at_mut(key).filter(|link| link.sending.len() > waiting) {
            log::debug!("to {}: the last is taken back, since what goes with it cannot be sent", link.name);
            link.sending.truncate(waiting);
            link.traffic.sent = sent;
        }
    }

    /// Returns why two frames that go together were refused, the first of which, of `ahead` bytes, had fitted.
    pub(crate) fn both(&self, ahead: usize, e: Error) -> Error {
        let Error::Full(Full::Transmit { needed, room }) = e else { return e };
        let (needed, room, limit) = (needed.saturating_add(ahead), room.saturating_add(ahead), usable(self.sending.size()));
        if needed > limit { Full::Message { needed, limit }.into() } else { Full::Transmit { needed, room }.into() }
    }

    /// Puts a tick into the transmit buffer, unless something waits there, which serves as well.
    pub(crate) fn tick(&mut self, key: Key) {
        let Some(link) = self.table.stirred(key) else { return };
        if !link.sending.is_empty() {
            return;
        }
        let room = link.sending.room(self.sending.at_mut(key.index));
        if let Some(room) = room.first_chunk_mut::<HEADER>() {
            *room = TICK;
            link.sending.fill(HEADER);
            link.state.ticked();
        }
    }

    /// Returns the bytes that wait to be sent to a peer.
    #[inline]
    pub(crate) fn pending(&self, key: Key) -> &[u8] {
        match self.table.at(key) {
            Some(link) => link.sending.filled(self.sending.at(key.index)),
            None => &[],
        }
    }

    /// Puts bytes of the handshake that were not sent yet in front of everything else.
    pub(crate) fn preload(&mut self, key: Key, bytes: &[u8]) {
        if let Some(link) = self.table.stirred(key) {
            // a link takes messages before it is up, but leaves room for answers, which have not begun
            link.sending.precede(self.sending.at_mut(key.index), bytes);
        }
    }
}

/// A frame that is being written into the transmit buffer of a link.
pub(crate) struct FrameWriter<'l> {
    link: &'l mut Link,
    pub(crate) out: Writer<'l>,
    /// The room in the buffer when it is empty.
    limit: usize,
}

impl<'l> FrameWriter<'l> {
    /// Returns the flags that both sides offered; before that is known, those that are assumed.
    #[inline]
    pub(crate) fn flags(&self) -> Flags {
        self.link.flags
    }

    /// Returns the name of the peer's node, the flags, and the writer.
    pub(crate) fn parts(&mut self) -> (&NodeName, Flags, &mut Writer<'l>) {
        (&self.link.name, self.link.flags, &mut self.out)
    }

    /// Ends the frame: what was written is to be sent.
    #[inline]
    pub(crate) fn end(self) -> Result<(), Error> {
        let Self { link, mut out, limit } = self;
        let len = u32::try_from(out.len().saturating_sub(HEADER)).map_err(|_| Misuse::TooLong)?;
        out.patch_u32(0, len);
        if trace::is_on() && out.fits() {
            trace::sent(&link.name, out.written(HEADER), out.len());
        }
        match out.finish() {
            Ok(written) => {
                link.sending.fill(written);
                link.state.sent();
                link.idle = 0;
                link.traffic.sent = link.traffic.sent.wrapping_add(1);
                Ok(())
            }
            Err(over) if over.needed > limit => Err(Full::Message { needed: over.needed, limit }.into()),
            Err(over) => {
                // of what the core owes, too, which is rare: then the program is woken for nothing
                link.refused = if link.refused == 0 { over.needed } else { link.refused.min(over.needed) };
                Err(Full::Transmit { needed: over.needed, room: over.room }.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the core owes may be larger than all that is the program's: it has room again once nothing waits.
    #[test]
    fn whatever_was_refused_has_room_again() {
        let mut link = Link::new(NodeName::new("b@host").unwrap(), Phase::Up);
        for refused in [1, 100, usable(4096), 4096] {
            link.refused = refused;
            assert!(link.has_room_again(4096), "{refused}");
            assert!(!link.has_room_again(4096));
        }
    }
}
