//! The moving of bytes: the calls of a driver.

use super::node::{Connection, Node};
use crate::error::{NetworkFault, Reason};
use crate::node::tables::event::Event;
use crate::node::tables::half_open::{HalfOpen, Progress};
use crate::node::tables::links::{Phase, Stall};
use crate::node::tables::origin::Origin;
use crate::time::Instant;
use crate::wire::handshake::Prefix;
use crate::wire::ids::NodeName;

/// The calls of whoever moves the bytes.
impl Node<'_> {
    /// Sets which incarnation this is, before the first connection; later it does nothing.
    pub fn set_creation(&mut self, creation: u32) {
        if self.core.identity.creation == 0 {
            self.core.identity.creation = creation.max(4);
        }
    }

    /// Takes a connection that somebody made, from `origin`. `random` must come from a generator nobody can foresee.
    ///
    /// When all places for handshakes are taken, a caller makes way that has been silent for a while: one from an address that holds more
    /// places, or from the newcomer's own; first one that has not given its name.
    ///
    /// # Errors
    /// There is no such caller. Keep the connection and ask again at the time that this says, or as soon as another connection is over or up.
    /// Take no others meanwhile: they wait with the system, which holds them until a place is free.
    pub fn accept(&mut self, origin: Origin, random: u64, now: Instant) -> Result<Connection, Instant> {
        self.accept_over(Prefix::Two, origin, random, now)
    }

    /// Does what [`Node::accept`] does, over something whose handshake has this form.
    ///
    /// # Errors
    /// As [`Node::accept`].
    pub fn accept_over(&mut self, prefix: Prefix, origin: Origin, random: u64, now: Instant) -> Result<Connection, Instant> {
        self.core.lines.now = now;
        let setup = self.core.identity.config.setup_time;
        if !self.half_open.has_room() {
            self.half_open.settle(setup, now);
            let caller = self.half_open.makes_way(origin, now)?;
            if !self.throw_out(caller) {
                return Err(now);
            }
        }
        let mut half = HalfOpen::caller(origin, setup, now);
        half.seed(random, &self.answered);
        half.prefix = prefix;
        let key = self.half_open.insert(half).ok_or(now.after(setup))?;
        Ok(Connection { key, up: false })
    }

    /// Returns the next connection that is to be made, and to which node. Ask in every turn, also when nothing came: a connection that
    /// something was sent over before it is there begins here, and is given up here. Answer with [`Node::handle_connected`] or
    /// [`Node::handle_unreachable`], within [`Config::setup_time`](crate::Config::setup_time), or say with [`Node::handle_dialling`] that it
    /// goes on.
    pub fn poll_dial(&mut self, now: Instant) -> Option<(Connection, NodeName)> {
        self.core.lines.now = now;
        let setup = self.core.identity.config.setup_time;
        self.half_open.settle(setup, now);
        self.tend_opening();
        if !self.half_open.has_new {
            return None;
        }
        let unnamed = self.core.identity.config.name.known().is_err();
        if unnamed && self.half_open.find(|half| !half.inbound && !half.is_new()).is_some() {
            // the first connection decides the name that the others are made with
            return None;
        }
        let Some((key, half)) = self.half_open.tenants_mut().find(|(_, half)| half.is_new()) else {
            self.half_open.has_new = false;
            return None;
        };
        let Progress::Dial { peer, told, .. } = &mut half.progress else { return None };
        *told = true;
        let peer = peer.clone();
        half.begin(setup, now);
        let deadline = half.deadline;
        self.half_open.hurry(deadline);
        Some((Connection { key, up: false }, peer))
    }

    /// Notes that a step on the way to a connection is done, so that the next has the whole time: the host was looked up, say, or its EPMD
    /// answered. All of them together have three times as much.
    pub fn handle_dialling(&mut self, connection: Connection, now: Instant) {
        let setup = self.core.identity.config.setup_time;
        if let Some(half) = self.half_open.at_mut(connection.key).filter(|_| !connection.up) {
            if matches!(half.progress, Progress::Dial { .. }) {
                half.step(setup, now);
            }
        }
    }

    /// Returns when an attempt of ours is given up, as far as it has gone.
    #[cfg(feature = "std")]
    pub(crate) fn gives_up_at(&self, connection: Connection) -> Option<Instant> {
        self.half_open.at(connection.key).filter(|_| !connection.up).map(|half| half.deadline)
    }

    /// Notes that the connection is made and is being secured, as by TLS, which has the time of a step too. [`Node::handle_connected_over`] follows
    /// once that is done.
    pub fn handle_securing(&mut self, connection: Connection, now: Instant) {
        self.handle_dialling(connection, now);
        if let Some(half) = self.half_open.at_mut(connection.key).filter(|_| !connection.up) {
            if let Progress::Dial { securing, .. } = &mut half.progress {
                *securing = true;
            }
        }
    }

    /// Gives up the connection to a node, since it could not be made.
    pub fn handle_unreachable(&mut self, connection: Connection, fault: NetworkFault) {
        if !connection.up {
            self.give_up(connection.key, Reason::Network(fault));
        }
    }

    /// Ends a connection for a reason that whoever moves the bytes has found, such as that TLS refuses it.
    pub fn handle_failed(&mut self, connection: Connection, reason: Reason) {
        if connection.up {
            self.down(connection.key, reason);
        } else {
            self.give_up(connection.key, reason);
        }
    }

    /// Returns the name of the node at the other end, which is only what it claims as long as the connection is not up; `None` if it has given
    /// none yet.
    pub fn claimed(&self, connection: Connection) -> Option<&NodeName> {
        if connection.up {
            return self.core.far.links.table.at(connection.key).map(|link| &link.name);
        }
        let half = self.half_open.at(connection.key)?;
        half.peer().or(half.caller.as_ref())
    }

    /// Returns the next connection that whoever moves the bytes has something to do for, first come first served: something waits to be written
    /// to it, it is over, or it takes bytes again. Each is given once until there is something new. So a driver of many connections need not
    /// look at all of them in every turn. What follows from its own calls for a connection it sees without being told.
    ///
    /// The place of one that is over may be another's by the time that this is asked: then that is given, and the handle of the
    /// first, which is not, is [over](Node::is_open) all the same.
    pub fn poll_work(&mut self) -> Option<Connection> {
        match self.core.far.links.table.next_stirred() {
            Some(key) => Some(Connection { key, up: true }),
            None => self.half_open.next_stirred().map(|key| Connection { key, up: false }),
        }
    }

    /// Returns true if the connection is to be kept. If not, everything for its peer has been given out: close it.
    pub fn is_open(&self, connection: Connection) -> bool {
        if connection.up {
            self.core.far.links.table.at(connection.key).is_some_and(|link| matches!(link.phase, Phase::Up | Phase::Closing))
        } else {
            self.half_open.at(connection.key).is_some_and(|half| !matches!(half.progress, Progress::Yielded { .. }))
        }
    }

    /// Returns the room to read received bytes into. If it is empty, do not read now: the network holds the peer up.
    #[inline]
    pub fn read_buffer(&mut self, connection: Connection) -> &mut [u8] {
        if !connection.up {
            return match self.half_open.at_mut(connection.key) {
                Some(half) if half.is_shaking() => half.received.room(&mut half.rx),
                _ => &mut [],
            };
        }
        match self.core.far.links.table.at_mut(connection.key) {
            Some(link) if link.stalled.is_none() && link.is_up() => {
                link.received.room(self.receiving.at_mut(connection.key.index))
            }
            _ => &mut [],
        }
    }

    /// Returns true if [`Node::read_buffer`] has room.
    #[inline]
    pub fn takes_bytes(&self, connection: Connection) -> bool {
        if connection.up {
            self.core.far.links.table.at(connection.key).is_some_and(|link| link.stalled.is_none() && link.is_up())
        } else {
            self.half_open.at(connection.key).is_some_and(HalfOpen::is_shaking)
        }
    }

    /// Returns the number of connections that there can be at once, those under way included.
    pub fn capacity(&self) -> usize {
        self.core.far.links.table.capacity().saturating_add(self.half_open.capacity())
    }

    /// Returns the number of a connection among as many as there [can be](Node::capacity).
    #[cfg(feature = "std")]
    #[inline]
    pub(crate) fn number(&self, connection: Connection) -> usize {
        let first = if connection.up { 0 } else { self.core.far.links.table.capacity() };
        first.saturating_add(connection.key.index.into())
    }

    /// Puts an event of the world outside into the queue, among the node's own.
    pub fn report(&mut self, event: Event) {
        self.core.events.push(event);
    }

    /// Takes this many bytes, which were read into [`Node::read_buffer`]. A handshake that is done with them changes the handle.
    pub fn handle_bytes(&mut self, connection: &mut Connection, len: usize) {
        if !connection.up {
            if let Some(half) = self.half_open.at_mut(connection.key) {
                half.received.fill(len);
                self.shake(connection);
            }
            return;
        }
        if let Some(link) = self.core.far.links.table.at_mut(connection.key) {
            link.received.fill(len);
            link.traffic.read(len);
            link.state.received();
            self.pump(connection.key);
        }
    }

    /// Returns the bytes to write to the connection now.
    #[inline]
    pub fn poll_transmit(&self, connection: Connection) -> &[u8] {
        if connection.up {
            return self.core.far.links.pending(connection.key);
        }
        self.half_open.at(connection.key).map_or(&[], |half| half.sending.filled(&half.tx))
    }

    /// Counts this many bytes of [`Node::poll_transmit`] as written.
    pub fn handle_transmitted(&mut self, connection: Connection, len: usize) {
        if !connection.up {
            if len == 0 {
                return;
            }
            let Some(half) = self.half_open.at_mut(connection.key) else { return };
            half.sending.consume(len);
            if half.sending.is_empty() && matches!(half.progress, Progress::Ending) {
                self.half_open.remove(connection.key);
            }
            return;
        }
        let Some(link) = self.core.far.links.table.at_mut(connection.key) else { return };
        link.sending.consume(len);
        link.traffic.wrote(len);
        link.state.taken();
        let has_room = link.has_room_again(self.core.far.links.sending.size());
        self.core.flow.room |= has_room;
        self.core.flow.retry |= core::mem::take(&mut self.core.flow.put_back);
        self.core.flow.pay |= self.core.flow.owing;
        if link.stalled == Some(Stall::Transmit) {
            self.core.flow.resume = true;
        }
        if link.phase == Phase::Closing && link.sending.is_empty() {
            self.core.peers().release(connection.key);
        }
        if has_room {
            self.core.no_more_waits(connection.key);
        }
    }

    /// Ends a connection that is closed, by the peer or by what the network did.
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
}
