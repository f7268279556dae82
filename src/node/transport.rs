//! How the bytes move: what a driver calls, and taking frames off what came.

use core::time::Duration;

use super::event::Event;
use super::half_open::{HalfOpen, Progress, SETUP_TIME};
use super::links::{Link, Phase, RESERVED, Stall};
use super::memory::{chunk, chunk_mut};
use super::requests::may_be_answer;
use super::route::Routed;
use super::{Connection, Node, trace};
use crate::error::{NetworkFault, Reason};
use crate::proto::handshake::State;
use crate::proto::link::{BEATS, Beat};
use crate::storage::slots::Key;
use crate::time::Instant;
use crate::wire::control::Message as ControlMessage;
use crate::wire::frame::{self, Frame, HEADER};
use crate::wire::ids::NodeName;

/// How long a peer is held up before that is told.
const HELD: Duration = Duration::from_secs(1);

/// What whoever moves the bytes does.
impl Node<'_> {
    /// Sets which incarnation this is, before the first connection; later it does nothing.
    pub fn set_creation(&mut self, creation: u32) {
        if self.core.identity.creation == 0 {
            self.core.identity.creation = creation.max(4);
        }
    }

    /// Somebody connected. `random` must come from a generator nobody can foresee. `None` means that there is no place
    /// for another handshake: close the connection.
    pub fn accept(&mut self, random: u64, now: Instant) -> Option<Connection> {
        let mut half = HalfOpen::new(Progress::Shaking(State::accept()), true, now.after(SETUP_TIME));
        half.seed(random);
        self.begin(half)
    }

    /// The next connection that is to be made, and to which node: to be asked in every turn, also when nothing came, since a connection
    /// that something was sent over before it is there begins here, and is given up here. Answer with [`Node::handle_connected`] or
    /// [`Node::handle_unreachable`], within seven seconds; the handshake then has seven seconds of its own.
    pub fn poll_dial(&mut self, now: Instant) -> Option<(Connection, NodeName)> {
        self.tend_opening();
        let unnamed = self.core.identity.config.name.known().is_err();
        if unnamed && self.half_open.find(|half| !half.inbound && !half.is_new()).is_some() {
            // the first connection decides the name that the others are made with
            return None;
        }
        self.half_open.tenants_mut().find_map(|(key, half)| match &mut half.progress {
            Progress::Dial { peer, told } if !*told => {
                *told = true;
                half.deadline = now.after(SETUP_TIME);
                Some((Connection { key, up: false }, peer.clone()))
            }
            _ => None,
        })
    }

    /// The connection to a node could not be made.
    pub fn handle_unreachable(&mut self, connection: Connection, fault: NetworkFault) {
        if !connection.up {
            self.give_up(connection.key, Reason::Network(fault));
        }
    }

    /// Whether the connection is to be kept. If not, everything for its peer has been given out: close it.
    pub fn is_open(&self, connection: Connection) -> bool {
        if connection.up {
            self.core.links.table.at(connection.key).is_some_and(|link| matches!(link.phase, Phase::Up | Phase::Closing))
        } else {
            self.half_open.at(connection.key).is_some_and(|half| !matches!(half.progress, Progress::Yielded { .. }))
        }
    }

    /// Where to read received bytes to. Empty: do not read now, so that the network holds the peer up.
    #[inline]
    pub fn read_buffer(&mut self, connection: Connection) -> &mut [u8] {
        if !connection.up {
            return match self.half_open.at_mut(connection.key) {
                Some(half) if half.is_shaking() => half.received.room(&mut half.rx),
                _ => &mut [],
            };
        }
        match self.core.links.table.at_mut(connection.key) {
            Some(link) if link.stalled.is_none() && link.is_up() => {
                link.received.room(chunk_mut(self.receiving, self.core.links.stride, connection.key.index))
            }
            _ => &mut [],
        }
    }

    /// Whether [`Node::read_buffer`] has room.
    #[inline]
    pub fn takes_bytes(&self, connection: Connection) -> bool {
        if connection.up {
            self.core.links.table.at(connection.key).is_some_and(|link| link.stalled.is_none() && link.is_up())
        } else {
            self.half_open.at(connection.key).is_some_and(HalfOpen::is_shaking)
        }
    }

    /// How many connections there can be at once, those under way included.
    pub fn capacity(&self) -> usize {
        self.core.links.table.capacity().saturating_add(self.half_open.capacity())
    }

    /// Puts an event of the world outside into the queue, among the node's own.
    pub fn report(&mut self, event: Event) {
        self.core.events.push(event);
    }

    /// This many bytes were read into [`Node::read_buffer`]. A handshake that is done with them changes the handle.
    pub fn handle_bytes(&mut self, connection: &mut Connection, len: usize) {
        if !connection.up {
            if let Some(half) = self.half_open.at_mut(connection.key) {
                half.received.fill(len);
                self.shake(connection);
            }
            return;
        }
        if let Some(link) = self.core.links.table.at_mut(connection.key) {
            link.received.fill(len);
            link.traffic.read(len);
            link.state.received();
            self.pump(connection.key);
        }
    }

    /// What is to be written to the connection now.
    #[inline]
    pub fn poll_transmit(&self, connection: Connection) -> &[u8] {
        if connection.up {
            return self.core.links.pending(connection.key);
        }
        self.half_open.at(connection.key).map_or(&[], |half| half.sending.filled(&half.tx))
    }

    /// This many bytes of [`Node::poll_transmit`] were written.
    pub fn handle_transmitted(&mut self, connection: Connection, len: usize) {
        if !connection.up {
            let Some(half) = self.half_open.at_mut(connection.key) else { return };
            half.sending.consume(len);
            if half.sending.is_empty() && matches!(half.progress, Progress::Ending) {
                self.half_open.remove(connection.key);
            }
            return;
        }
        let Some(link) = self.core.links.table.at_mut(connection.key) else { return };
        link.sending.consume(len);
        link.traffic.wrote(len);
        link.state.taken();
        self.core.flow.wake |= core::mem::take(&mut self.core.flow.put_back);
        self.core.flow.pay |= self.core.flow.owing;
        if link.stalled == Some(Stall::Transmit) {
            self.core.flow.resume = true;
        }
        if link.phase == Phase::Closing && link.sending.is_empty() {
            self.core.release(connection.key);
        }
    }

    /// The connection is closed, by the peer or by what the network did.
    pub fn handle_closed(&mut self, connection: Connection, fault: Option<NetworkFault>) {
        if connection.up {
            let reason = fault.map_or(Reason::ClosedByPeer, Reason::Network);
            return self.down(connection.key, reason);
        }
        let Some(half) = self.half_open.at(connection.key) else { return };
        let reason = match (&half.progress, fault) {
            (Progress::Yielded { .. }, _) => return,
            (Progress::Shaking(state), None | Some(NetworkFault::Reset)) => state.closed_by_peer(),
            (_, fault) => fault.map_or(Reason::ClosedByPeer, Reason::Network),
        };
        self.give_up(connection.key, reason);
    }

    /// When [`Node::handle_timeout`] is to be called next; at once if the time has passed. `None`: nothing waits for time.
    pub fn poll_timeout(&self) -> Option<Instant> {
        const AT_ONCE: Instant = Instant::from_millis(0);
        let links = &self.core.links.table;
        let up = !links.is_empty();
        if self.core.flow.wake || self.core.flow.pay {
            return Some(AT_ONCE);
        }
        if self.core.flow.resume && links.tenants().any(|(_, link)| link.stalled.is_some()) {
            return Some(AT_ONCE);
        }
        let beat = if up { Some(self.next_beat.unwrap_or(AT_ONCE)) } else { None };
        let tell = links.tenants().filter(|(_, link)| link.stalled.is_some()).map(|(_, link)| link.tell.unwrap_or(AT_ONCE)).min();
        let setup = self.half_open.tenants().map(|(_, half)| half.deadline).min();
        [beat, tell, setup, self.core.next_limit()].into_iter().flatten().min()
    }

    /// Does what time calls for: ends handshakes that took too long, sends ticks, notices silence, and lets peers go on
    /// whose mailbox has room again.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(late) = self.half_open.find(|half| half.deadline <= now) {
            self.half_open_late(late, now);
        }
        match self.next_beat {
            Some(beat) if now < beat => {}
            Some(_) => {
                self.next_beat = Some(now.after(self.beat_time()));
                self.beat();
            }
            None => self.next_beat = Some(now.after(self.beat_time())),
        }
        self.core.expire(now);
        self.core.flow.wake = false;
        if core::mem::take(&mut self.core.flow.pay) {
            self.core.pay();
        }
        if core::mem::take(&mut self.core.flow.resume) {
            self.resume();
        }
        self.tell_held(now);
    }
}

impl Node<'_> {
    fn beat_time(&self) -> Duration {
        self.core.identity.config.tick_time.checked_div(BEATS).unwrap_or_default()
    }

    /// A quarter of the tick time has passed for every connection.
    fn beat(&mut self) {
        for index in self.core.links.table.indexes() {
            let Some(key) = self.core.links.table.key_at(index) else { continue };
            let Some(link) = self.core.links.table.at_mut(key) else { continue };
            if matches!(link.phase, Phase::Opening { .. } | Phase::Gone) {
                continue;
            }
            link.idle = link.idle.saturating_add(1);
            match link.state.beat(link.stalled.is_none() && link.is_up(), !link.sending.is_empty()) {
                Beat::Fine => {}
                Beat::Tick => self.core.links.tick(key),
                Beat::Silent => self.down(key, Reason::Silent),
            }
            if self.is_idle(key) {
                self.close_link(key, Reason::Idle);
            }
        }
    }

    /// Whether a connection is there for nothing.
    fn is_idle(&self, key: Key) -> bool {
        let Some(time) = self.core.identity.config.idle_time else { return false };
        // what was received and waits for room in a mailbox would be lost with the connection
        let rests = |link: &&Link| link.is_up() && link.received.is_empty();
        let idle = self.core.links.table.at(key).filter(rests).map_or(0, |link| link.idle);
        // the first of these quarters had begun when the last message went
        self.beat_time().saturating_mul(idle.saturating_sub(1)) >= time && !self.core.is_tied(key)
    }

    /// Lets held up peers go on, a different one first each time.
    fn resume(&mut self) {
        let count = self.core.links.table.indexes().end;
        self.first = self.first.checked_add(1).filter(|first| *first < count).unwrap_or(0);
        for index in (self.first..count).chain(0..self.first) {
            let Some(key) = self.core.links.table.key_at(index) else { continue };
            let Some(link) = self.core.links.table.at_mut(key) else { continue };
            if link.stalled.take().is_none() {
                continue;
            }
            let before = link.received.len();
            self.pump(key);
            match self.core.links.table.at_mut(key) {
                // it moves
                Some(link) if link.received.len() < before => link.tell = None,
                _ => {}
            }
        }
    }

    /// Reports peers that have been held up for a while; that it happens for moments is how flow is controlled.
    fn tell_held(&mut self, now: Instant) {
        for (_, link) in self.core.links.table.tenants_mut() {
            let Some(stall) = link.stalled else {
                link.tell = None;
                continue;
            };
            match link.tell {
                None => link.tell = Some(now.after(HELD)),
                Some(at) if at <= now => {
                    link.tell = Some(Instant::from_millis(u64::MAX));
                    let full = if let Stall::Mailbox(inbox) = stall { self.core.inboxes.table.at(inbox) } else { None };
                    if let Some(full) = full {
                        self.core.events.push(Event::Held { node: link.name.clone(), mailbox: full.name.clone() });
                    }
                }
                Some(_) => {}
            }
        }
    }

    /// Takes whole frames off what was received until there are no more, or one has to wait.
    pub(super) fn pump(&mut self, key: Key) {
        loop {
            let stride = self.core.links.stride;
            let Some(link) = self.core.links.table.at_mut(key).filter(|link| link.is_up()) else { return };
            let bytes = link.received.filled(chunk(self.receiving, stride, key.index));
            let skipped = link.state.skips(bytes.len());
            if skipped > 0 {
                link.received.consume(skipped);
                continue;
            }
            if stride.saturating_sub(link.sending.len()) < RESERVED {
                link.stalled = Some(Stall::Transmit);
                return;
            }
            let (outcome, taken) = match frame::next(bytes, stride) {
                Frame::Partial => return,
                Frame::Tick => {
                    if link.state.answers_tick() {
                        self.core.links.tick(key);
                    }
                    (Ok(Routed::Done), HEADER)
                }
                Frame::Whole(body) => {
                    let taken = body.len().saturating_add(HEADER);
                    if trace::is_on() {
                        link.trace(body, taken as u64);
                    }
                    // the way of nearly every message
                    link.idle = 0;
                    if let Some((inbox, from, payload)) = link.recent.split(body) {
                        if self.core.counters.is_quiet()
                            && !may_be_answer(payload)
                            && self.core.inboxes.deliver_payload(inbox, from, payload)
                        {
                            link.received.consume(taken);
                            link.traffic.came();
                            continue;
                        }
                    }
                    (self.core.route(key, body), taken)
                }
                Frame::Oversized(head, len) => {
                    let parsed = ControlMessage::parse(head);
                    if (parsed.is_err() || self.core.may_answer(&parsed)) && bytes.len() < stride {
                        // what tells whom it is for may not be here in full yet
                        return;
                    }
                    let size = u64::from(len).saturating_add(HEADER as u64);
                    let here = bytes.len();
                    if trace::is_on() {
                        if let Some(link) = self.core.links.table.at_mut(key) {
                            link.trace(head, size);
                        }
                    }
                    let outcome = self.core.oversized(key, head, parsed, size);
                    if let (Ok(Routed::Done), Some(link)) = (&outcome, self.core.links.table.at_mut(key)) {
                        link.state.skip(size.saturating_sub(here as u64));
                    }
                    (outcome, here)
                }
            };
            let Some(link) = self.core.links.table.at_mut(key) else { return };
            match outcome {
                Ok(Routed::Done) => {
                    link.received.consume(taken);
                    if taken > HEADER {
                        link.traffic.came();
                    }
                }
                Ok(Routed::Stalled(stall)) => {
                    link.stalled = Some(stall);
                    link.traced = true;
                    return;
                }
                Err(e) => return self.down(key, Reason::Misbehaved(e)),
            }
        }
    }
}
