//! Handshakes inside the node: who is welcome, and what a proven connection takes the place of.

use super::node::{Connection, Node};
#[cfg(feature = "tls")]
use crate::error::TlsFault;
use crate::error::{NetworkFault, Reason};
use crate::node::tables::event::Event;
use crate::node::tables::half_open::{BUFFER, FAREWELL, HalfOpen, OVERTAKEN, Progress};
use crate::node::tables::links::{Link, Phase};
use crate::node::trace;
use crate::proto::handshake::{Established, Handshake, Newcomer, Step, Verdict};
use crate::storage::slots::Key;
use crate::time::Instant;
use crate::wire::handshake::{Challenge, Prefix, Refusal};
use crate::wire::ids::NodeName;

/// The outcome of a packet of the handshake, as far as the node is concerned.
enum Next {
    /// The next packet, if it is here.
    More,
    /// Nothing until more bytes come.
    Wait,
    Up(Established),
}

impl Node<'_> {
    /// Begins the handshake, once the connection that was asked for is made. `random` is as with [`Node::accept`].
    pub fn handle_connected(&mut self, connection: Connection, random: u64, now: Instant) {
        self.handle_connected_over(Prefix::Two, connection, random, now);
    }

    /// Does what [`Node::handle_connected`] does, over something whose handshake has this form.
    pub fn handle_connected_over(&mut self, prefix: Prefix, connection: Connection, random: u64, now: Instant) {
        let Some(half) = self.half_open.at(connection.key).filter(|_| !connection.up) else { return };
        let Progress::Dial { peer, .. } = &half.progress else { return };
        let peer = peer.clone();
        let overtaken = self.incoming(&peer);
        let Some(half) = self.half_open.at_mut(connection.key) else { return };
        half.seed(random, &self.answered);
        half.prefix = prefix;
        if overtaken {
            // The peer's own connection was welcome while ours was on its way. Two would both come up, and one of them go again, with what
            // was sent over it. But whoever it is has proven nothing yet, so it gets little time.
            half.progress = Progress::Waiting { peer };
            half.deadline = now.after(OVERTAKEN);
            return self.half_open.hurry(now.after(OVERTAKEN));
        }
        self.begin_handshake(connection.key, peer, now);
    }

    /// Sends the first packet of the handshake.
    fn begin_handshake(&mut self, key: Key, peer: NodeName, now: Instant) {
        let setup = self.core.identity.config.setup_time;
        let Some(half) = self.half_open.at_mut(key) else { return };
        half.begin(setup, now);
        half.caller = Some(peer.clone());
        let deadline = half.deadline;
        let local = self.core.identity.local();
        half.progress = Progress::Shaking(half.writing(|out| Handshake::connect(peer, &local, out)));
        self.half_open.hurry(deadline);
    }

    /// Takes handshake packets off what was received, as many as there are.
    pub(in crate::node) fn shake(&mut self, connection: &mut Connection) {
        let key = connection.key;
        loop {
            match self.shake_once(key) {
                Ok(Next::More) => {}
                Ok(Next::Wait) => return,
                Ok(Next::Up(up)) => return self.promote(connection, up),
                Err(reason) => return self.give_up(key, reason),
            }
        }
    }

    fn shake_once(&mut self, key: Key) -> Result<Next, Reason> {
        let Some(half) = self.half_open.at_mut(key) else { return Ok(Next::Wait) };
        if !half.is_shaking() {
            return Ok(Next::Wait);
        }
        let mut copy = [0; BUFFER];
        let Some((packet, taken)) = half.packet(&mut copy)? else { return Ok(Next::Wait) };
        half.received.consume(taken);
        half.stepped = true;
        self.half_open.any_stepped = true;
        let Some(half) = self.half_open.at_mut(key) else { return Ok(Next::Wait) };
        trace::handshake_received(half.peer().or(half.caller.as_ref()), packet, half.prefix, half.inbound);
        if let Progress::Shaking(Handshake::Challenge(_)) = &half.progress {
            self.is_not_ours(key, packet)?;
        }
        let Some(half) = self.half_open.at_mut(key) else { return Ok(Next::Wait) };
        let seed = half.seed;
        let wanted = half.peer().is_none_or(|peer| self.core.far.links.find_up(peer.as_atom()).is_none());
        let identity = &self.core.identity;
        // a state is consumed by its packet; what follows from it is set below, or the connection is given up
        let taken = core::mem::replace(&mut half.progress, Progress::Shaking(Handshake::accept()));
        let Progress::Shaking(state) = taken else { return Ok(Next::Wait) };
        half.caller = half.caller.take().or_else(|| state.peer().cloned());
        match half.answering(identity, wanted, |context, out| state.handle(packet, context, out))? {
            Step::Await(state) => self.shaking(key, state),
            Step::Named(name, creation, state) => {
                half.given = Some((name, creation));
                self.shaking(key, state)
            }
            Step::Newcomer(caller) => {
                half.caller = Some(caller.peer.clone());
                let verdict = self.judge(&caller);
                let Some(half) = self.half_open.at_mut(key) else { return Ok(Next::Wait) };
                half.replaces = verdict == Verdict::Alive;
                let identity = &self.core.identity;
                let state = half.answering(identity, true, |context, out| caller.answer(verdict, seed, context, out))?;
                self.shaking(key, state)
            }
            Step::Up(up) => Ok(Next::Up(up)),
        }
    }

    /// Checks that the challenge in this packet is none that this node waits for an answer to: whoever sent it would use ours, on another
    /// connection, as if it came from himself. That other connection is his too, and is ended with this one.
    fn is_not_ours(&mut self, key: Key, packet: &[u8]) -> Result<(), Reason> {
        let Ok(Challenge { challenge, .. }) = Challenge::parse(packet) else { return Ok(()) };
        self.answered.add(challenge);
        let Some(other) = self.half_open.find(|half| half.is_shaking() && half.challenge == challenge) else { return Ok(()) };
        if other != key {
            self.give_up(other, Reason::Reflected);
        }
        Err(Reason::Reflected)
    }

    fn shaking(&mut self, key: Key, state: Handshake) -> Result<Next, Reason> {
        if let Some(half) = self.half_open.at_mut(key) {
            half.progress = Progress::Shaking(state);
        }
        Ok(Next::More)
    }

    /// Returns the verdict on a node that connects here.
    fn judge(&self, caller: &Newcomer) -> Verdict {
        let config = &self.core.identity.config;
        let Ok(own) = config.name.known() else { return Verdict::NotAllowed(Reason::NotOnList) };
        if let Some(flags) = caller.lacks() {
            return Verdict::NotAllowed(Reason::MissingFlags(flags.0));
        }
        if *own == caller.peer {
            return Verdict::NotAllowed(Reason::OwnName);
        }
        if !config.allows(&caller.peer) {
            return Verdict::NotAllowed(Reason::NotOnList);
        }
        if caller.asks_name() {
            return if self.core.far.links.table.has_room() { Verdict::Welcome } else { Verdict::NotAllowed(Reason::Full) };
        }
        if self.core.far.links.find_up(caller.peer.as_atom()).is_some() {
            return Verdict::Alive;
        }
        if !self.core.far.links.table.has_room() && self.core.far.links.find_opening(&caller.peer).is_none() {
            return Verdict::NotAllowed(Reason::Full);
        }
        // both at once: the connection of the greater name stays, by the order of its characters
        let Some(ours) = self.outgoing(&caller.peer).and_then(|key| self.half_open.at(key)) else { return Verdict::Welcome };
        // one that has not reached the peer may never do so
        let stays = ours.is_shaking() && own.as_str() > caller.peer.as_str();
        if stays { Verdict::OursStays } else { Verdict::Simultaneous }
    }

    /// Gives a connection whose handshake is done a link of its own, in place of whatever there was with this peer.
    fn promote(&mut self, connection: &mut Connection, up: Established) {
        let peer = up.peer.clone();
        let ours_is_greater = self.name().is_some_and(|own| own.as_str() > peer.as_str());
        if let Some(old) = self.core.far.links.find_up(peer.as_atom()) {
            // Either the peer was told that this one is there already, and wants another; or both connected to each other at
            // once, and the two sides must agree on which one stays: that of the greater name.
            let stays = self.half_open.at(connection.key).is_some_and(|half| half.replaces || half.inbound != ours_is_greater);
            // a name that was given would go with the connection over which it was
            if !stays || self.core.identity.given_by == Some(old) {
                return self.give_up(connection.key, Reason::Superseded);
            }
            self.down(old, Reason::Superseded);
        }
        let visible = up.visible;
        // what was sent to the node while there was no connection waits in a link already
        let opening = self.core.far.links.find_opening(&peer);
        let Some(key) = opening.or_else(|| self.core.far.links.table.insert(Link::new(up.peer, Phase::Up)).ok()) else {
            if let Some(half) = self.half_open.at_mut(connection.key).filter(|half| half.inbound) {
                // the place went to another meanwhile: this takes the place of the proof, so that the caller does not believe itself connected
                half.refuse_instead(Refusal::Full);
            }
            return self.give_up(connection.key, Reason::Full);
        };
        self.core.dequeue(key);
        if let Some(link) = self.core.far.links.table.at_mut(key) {
            link.phase = Phase::Up;
            link.flags = up.flags;
            link.creation = up.creation;
            link.visible = visible;
        }
        if opening.is_some() {
            self.core.flags_known(key);
        }
        if let Some(mut half) = self.half_open.remove(connection.key) {
            if let Some((name, creation)) = half.given.take() {
                self.core.identity.take_name(name, creation, key);
            }
            self.inherit(key, &half);
        }
        // Our own attempt at the same peer has come to what it was for. But a peer that sees it may have given up this one for
        // it: then the peer decides, and if this one stands there too, says so.
        if let Some(other) = self.outgoing(&peer) {
            if !(ours_is_greater && self.half_open.at(other).is_some_and(HalfOpen::is_shaking)) {
                self.half_open.remove(other);
            }
        }
        *connection = Connection { key, up: true };
        self.core.events.push(Event::NodeUp { node: peer, visible });
        self.core.cluster(|cluster, core| cluster.up(core, key));
        self.pump(key);
    }

    /// Hands over to a link what its handshake left: what was not sent yet goes first, and what came behind the last packet is the first
    /// frame.
    fn inherit(&mut self, key: Key, half: &HalfOpen) {
        self.core.far.links.preload(key, half.sending.filled(&half.tx));
        let Some(link) = self.core.far.links.table.at_mut(key) else { return };
        link.state.received();
        link.state.sent();
        let rest = half.received.filled(&half.rx);
        let buffer = self.receiving.at_mut(key.index);
        if let Some(room) = link.received.room(buffer).get_mut(..rest.len()) {
            room.copy_from_slice(rest);
            link.received.fill(rest.len());
            link.traffic.read(rest.len());
        }
    }

    /// Ends a handshake that took too long.
    pub(in crate::node) fn half_open_late(&mut self, key: Key, now: Instant) {
        if let Some(half) = self.half_open.at_mut(key).filter(|half| half.inbound && half.is_shaking() && half.caller.is_some()) {
            half.deadline = now.after(FAREWELL);
            half.writing(|out| Refusal::Timeout.put(out));
            self.half_open.hurry(now.after(FAREWELL));
            return self.give_up(key, Reason::Timeout);
        }
        let reason = match self.half_open.at(key).map(|half| &half.progress) {
            Some(Progress::Waiting { peer }) => {
                let peer = peer.clone();
                return self.begin_handshake(key, peer, now);
            }
            Some(Progress::Yielded { .. }) => Reason::Nok,
            Some(Progress::Shaking(state)) => state.late(),
            #[cfg(feature = "tls")]
            Some(Progress::Dial { securing: true, .. }) => Reason::Tls(TlsFault::Silent),
            Some(Progress::Dial { .. }) => Reason::Network(NetworkFault::TimedOut),
            _ => Reason::Timeout,
        };
        self.give_up(key, reason);
        self.half_open.remove(key);
    }
}
