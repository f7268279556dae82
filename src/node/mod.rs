//! The node: who gets what.

mod calls;
mod config;
mod event;
mod global;
mod half_open;
mod links;
mod mailbox;
mod memory;
mod outbox;
mod route;
mod shake;

use core::time::Duration;

pub use config::Config;
pub use event::{Dropped, Event, Receiver};
pub use mailbox::{Call, Mailbox, Message, Overflow};
pub use memory::NodeStorage;
pub use outbox::{Address, Outbox};

use crate::error::{Error, Full, Misuse, NetworkFault, Reason};
use crate::proto::handshake::State;
use crate::proto::link::{BEATS, Beat};
use crate::storage::slots::{Key, Table};
use crate::time::Instant;
use crate::wire::control::Message as ControlMessage;
use crate::wire::frame::{self, Frame, HEADER};
use crate::wire::ids::{Atom, NodeName, OwnedPid, OwnedReference};
use half_open::{DIALS, HalfOpen, Progress, SETUP_TIME, oldest_caller};
use links::{Identity, Links, RESERVED, Stall};
use mailbox::{ALIAS_WORD, Flow, Inboxes};
use memory::{chunk, chunk_mut};
use route::{Core, Routed};

/// An Erlang node: its mailboxes, its connections and all it owes its peers, without any input or output of its own.
///
/// With the `std` feature a [`Driver`](crate::Driver) owns the sockets and calls the methods of the second group; then a
/// program calls those of the first group alone.
///
/// 1. *The program*: [`register`](Node::register) mailboxes, [`connect`](Node::connect), and after every poll
///    [`recv`](Node::recv) until it gives `None`, and [`poll_event`](Node::poll_event) until it does.
/// 2. *Whoever moves the bytes*, for every connection: [`accept`](Node::accept) or, for what
///    [`poll_dial`](Node::poll_dial) asks for, [`handle_connected`](Node::handle_connected); then read into
///    [`read_buffer`](Node::read_buffer) and tell [`handle_bytes`](Node::handle_bytes); write what
///    [`poll_transmit`](Node::poll_transmit) gives and tell [`handle_transmitted`](Node::handle_transmitted); close what
///    [`is_open`](Node::is_open) says no to; and when [`poll_timeout`](Node::poll_timeout) has come,
///    [`handle_timeout`](Node::handle_timeout).
pub struct Node<'s> {
    core: Core<'s>,
    receiving: &'s mut [u8],
    half_open: Table<'s, HalfOpen>,
    /// When the next quarter of the tick time ends; unknown until there is a connection.
    next_beat: Option<Instant>,
    /// How many handshakes have begun.
    begun: u32,
    /// Where the next round over held up peers begins.
    first: u16,
}

/// How long a peer is held up before that is told.
const HELD: Duration = Duration::from_secs(1);

/// A handle on one connection, for whoever moves its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Connection {
    key: Key,
    /// Proven, and in the table of links.
    up: bool,
}

/// A connected node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer<'n> {
    /// Its name.
    pub name: &'n NodeName,
    /// Whether it is a visible node.
    pub visible: bool,
}

/// What the program does.
impl<'s> Node<'s> {
    /// A node with these settings in this memory. Whatever an earlier node left there is gone.
    pub fn new<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize>(
        config: Config<'s>,
        storage: &'s mut NodeStorage<PEERS, MAILBOXES, BYTES>,
    ) -> Self {
        storage.events = event::Events::EMPTY;
        let creation = config.creation;
        Self {
            core: Core {
                identity: Identity { config, creation },
                links: Links {
                    table: Table::new(&mut storage.links),
                    sending: storage.sending.as_flattened_mut(),
                    stride: BYTES,
                },
                inboxes: Inboxes {
                    table: Table::new(&mut storage.inboxes),
                    rings: storage.rings.as_flattened_mut(),
                    stride: BYTES,
                },
                events: &mut storage.events,
                flow: Flow::default(),
            },
            receiving: storage.receiving.as_flattened_mut(),
            half_open: Table::new(&mut storage.half_open),
            next_beat: None,
            begun: 0,
            first: 0,
        }
    }

    /// This node's name; for a dynamic node, once a peer has given it one.
    pub fn name(&self) -> Option<&NodeName> {
        self.core.identity.config.name.known().ok()
    }

    /// Whether this is a visible node.
    pub fn is_visible(&self) -> bool {
        self.core.identity.config.visible
    }

    /// Which incarnation of the node this is; 0 until it is known.
    pub fn creation(&self) -> u32 {
        self.core.identity.creation
    }

    /// Makes a mailbox, with a pid of its own, that gets what is sent to `{name, ThisNode}`.
    ///
    /// # Errors
    /// [`Misuse::NameTaken`], also for `net_kernel`; [`Misuse::AtomTooLong`] for a name of more than 255 bytes; [`Full::Mailboxes`].
    pub fn register(&mut self, name: &str) -> Result<Mailbox, Error> {
        if calls::exists(Atom::from_str(name)) {
            // its answers are the core's
            return Err(Misuse::NameTaken.into());
        }
        self.core.inboxes.register(name).map(Mailbox)
    }

    /// Sets what happens to messages when the mailbox is full; they hold up their sender, by default.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn set_overflow(&mut self, mailbox: Mailbox, overflow: Overflow) -> Result<(), Error> {
        self.core.inboxes.table.at_mut(mailbox.0).ok_or(Misuse::NoMailbox)?.overflow = overflow;
        // whom it holds up it may not hold up any more
        self.core.flow.resume = true;
        Ok(())
    }

    /// How many messages the mailbox dropped since it was registered because it was full.
    pub fn dropped(&self, mailbox: Mailbox) -> u64 {
        self.core.inboxes.table.at(mailbox.0).map_or(0, |inbox| inbox.dropped)
    }

    /// The mailbox's pid.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::NoName`] while a dynamic node has no name.
    pub fn pid(&self, mailbox: Mailbox) -> Result<OwnedPid, Error> {
        self.core.identity.config.name.known()?;
        self.core.inboxes.table.at(mailbox.0).ok_or(Misuse::NoMailbox)?;
        OwnedPid::new(self.core.identity.pid(mailbox.0)).ok_or(Misuse::NoName.into())
    }

    /// A reference that messages to the mailbox can be sent to, from nodes that know aliases (OTP 24 and later).
    ///
    /// # Errors
    /// As [`Node::pid`].
    pub fn alias(&self, mailbox: Mailbox) -> Result<OwnedReference, Error> {
        let name = self.core.identity.config.name.known()?;
        self.core.inboxes.table.at(mailbox.0).ok_or(Misuse::NoMailbox)?;
        let pid = self.core.identity.pid(mailbox.0);
        Ok(OwnedReference::own(name, pid.creation, [pid.id, pid.serial, ALIAS_WORD]))
    }

    /// Takes the oldest message of the mailbox, together with the right to send; `None` when there is none.
    #[inline]
    pub fn recv(&mut self, mailbox: Mailbox) -> Option<(Message<'_>, Outbox<'_>)> {
        let core = &mut self.core;
        let message = core.inboxes.recv(mailbox.0, &mut core.flow)?;
        let outbox = Outbox { identity: &core.identity, links: core.links.lend(), mailbox: mailbox.0 };
        Some((message, outbox))
    }

    /// The right to send in the name of a mailbox.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn outbox(&mut self, mailbox: Mailbox) -> Result<Outbox<'_>, Error> {
        self.core.inboxes.table.at(mailbox.0).ok_or(Misuse::NoMailbox)?;
        Ok(Outbox { identity: &self.core.identity, links: self.core.links.lend(), mailbox: mailbox.0 })
    }

    /// Asks for a connection to a node. It is there once [`Event::NodeUp`] says so; [`Event::ConnectFailed`] says that it
    /// came to nothing. Does nothing when there is one, or one under way.
    ///
    /// # Errors
    /// [`ConfigError`](crate::ConfigError) for a name that is none, or that is long where this node's is short, or the other
    /// way round; [`Misuse::OwnNode`]; [`Full::Peers`] when all peers are taken, or six connections are under way.
    pub fn connect(&mut self, node: &str) -> Result<(), Error> {
        let peer = NodeName::new(node)?;
        self.core.identity.config.reaches(&peer)?;
        if self.name() == Some(&peer) {
            return Err(Misuse::OwnNode.into());
        }
        if self.core.links.find(peer.as_atom()).is_some() || self.outgoing(&peer).is_some() {
            return Ok(());
        }
        let under_way = self.half_open.tenants().filter(|(_, half)| !half.inbound).count();
        if under_way >= DIALS || !self.core.links.table.has_room() {
            return Err(Full::Peers.into());
        }
        // its time begins when the driver takes it
        let half = HalfOpen::new(Progress::Dial { peer, told: false }, false, Instant::from_millis(u64::MAX));
        self.begin(half).map(|_| ()).ok_or(Full::Peers.into())
    }

    /// Closes the connection to a node, once what waits to be sent to it has been.
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`ConfigError`](crate::ConfigError) for a name that is none.
    pub fn disconnect(&mut self, node: &str) -> Result<(), Error> {
        let node = NodeName::new(node)?;
        let key = self.core.links.find(node.as_atom()).ok_or(Error::NotConnected)?;
        self.close_link(key);
        Ok(())
    }

    /// Closes every connection, once what waits to be sent has been, and gives up on those under way.
    pub fn close(&mut self) {
        self.half_open.clear();
        for index in self.core.links.table.indexes() {
            if let Some(key) = self.core.links.table.key_at(index) {
                self.close_link(key);
            }
        }
    }

    /// The connected nodes.
    pub fn peers(&self) -> impl Iterator<Item = Peer<'_>> {
        let up = self.core.links.table.tenants().filter(|(_, link)| !link.closing);
        up.map(|(_, link)| Peer { name: &link.name, visible: link.visible })
    }

    /// The oldest event not read yet.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop()
    }
}

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

    /// The next connection that is to be made, and to which node. Answer with [`Node::handle_connected`] or
    /// [`Node::handle_unreachable`], within seven seconds; the handshake then has seven seconds of its own.
    pub fn poll_dial(&mut self, now: Instant) -> Option<(Connection, NodeName)> {
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
            self.core.links.table.at(connection.key).is_some()
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
            Some(link) if link.stalled.is_none() && !link.closing => {
                link.received.room(chunk_mut(self.receiving, self.core.links.stride, connection.key.index))
            }
            _ => &mut [],
        }
    }

    /// Whether [`Node::read_buffer`] has room.
    #[inline]
    pub fn takes_bytes(&self, connection: Connection) -> bool {
        if connection.up {
            self.core.links.table.at(connection.key).is_some_and(|link| link.stalled.is_none() && !link.closing)
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
        link.state.taken();
        self.core.flow.wake |= core::mem::take(&mut self.core.flow.put_back);
        if link.stalled == Some(Stall::Transmit) {
            self.core.flow.resume = true;
        }
        if link.closing && link.sending.is_empty() {
            self.core.links.table.remove(connection.key);
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
        if self.core.flow.wake {
            return Some(AT_ONCE);
        }
        if self.core.flow.resume && links.tenants().any(|(_, link)| link.stalled.is_some()) {
            return Some(AT_ONCE);
        }
        let beat = if up { Some(self.next_beat.unwrap_or(AT_ONCE)) } else { None };
        let tell = links.tenants().filter(|(_, link)| link.stalled.is_some()).map(|(_, link)| link.tell.unwrap_or(AT_ONCE)).min();
        let setup = self.half_open.tenants().map(|(_, half)| half.deadline).min();
        [beat, tell, setup].into_iter().flatten().min()
    }

    /// Does what time calls for: ends handshakes that took too long, sends ticks, notices silence, and lets peers go on
    /// whose mailbox has room again.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(late) = self.half_open.find(|half| half.deadline <= now) {
            self.half_open_late(late);
        }
        match self.next_beat {
            Some(beat) if now < beat => {}
            Some(_) => {
                self.next_beat = Some(now.after(self.beat_time()));
                self.beat();
            }
            None => self.next_beat = Some(now.after(self.beat_time())),
        }
        self.core.flow.wake = false;
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
            match link.state.beat(link.stalled.is_none() && !link.closing, !link.sending.is_empty()) {
                Beat::Fine => {}
                Beat::Tick => self.core.links.tick(key),
                Beat::Silent => self.down(key, Reason::Silent),
            }
        }
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
            if let Some(link) = self.core.links.table.at_mut(key)
                && link.received.len() < before
            {
                // it moves
                link.tell = None;
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
    fn pump(&mut self, key: Key) {
        loop {
            let stride = self.core.links.stride;
            let Some(link) = self.core.links.table.at_mut(key).filter(|link| !link.closing) else { return };
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
                    // the way of nearly every message
                    if let Some((inbox, from, payload)) = link.recent.split(body)
                        && self.core.inboxes.deliver_payload(inbox, from, payload)
                    {
                        link.received.consume(taken);
                        continue;
                    }
                    (self.core.route(key, body), taken)
                }
                Frame::Oversized(head, len) => {
                    let parsed = ControlMessage::parse(head);
                    if parsed.is_err() && bytes.len() < stride {
                        // the control message may not be here in full yet
                        return;
                    }
                    let size = u64::from(len).saturating_add(HEADER as u64);
                    link.state.skip(size.saturating_sub(bytes.len() as u64));
                    (self.core.oversized(key, head, parsed, size).map(|()| Routed::Done), bytes.len())
                }
            };
            let Some(link) = self.core.links.table.at_mut(key) else { return };
            match outcome {
                Ok(Routed::Done) => link.received.consume(taken),
                Ok(Routed::Stalled(stall)) => {
                    link.stalled = Some(stall);
                    return;
                }
                Err(e) => return self.down(key, Reason::Misbehaved(e)),
            }
        }
    }

    /// A connection is no more.
    fn down(&mut self, key: Key, reason: Reason) {
        if let Some(link) = self.core.links.table.remove(key)
            && !link.closing
        {
            self.core.events.push(Event::NodeDown { node: link.name, reason });
        }
    }

    /// Closes a connection when what waits has been sent.
    fn close_link(&mut self, key: Key) {
        let Some(link) = self.core.links.table.at_mut(key) else { return };
        if link.closing {
            return;
        }
        link.closing = true;
        let (node, done) = (link.name.clone(), link.sending.is_empty());
        self.core.events.push(Event::NodeDown { node, reason: Reason::ClosedByUs });
        if done {
            self.core.links.table.remove(key);
        }
    }

    /// Finds a place for a new handshake, that of the oldest unproven caller if need be.
    fn begin(&mut self, half: HalfOpen) -> Option<Connection> {
        self.begun = self.begun.wrapping_add(1);
        let half = HalfOpen { number: self.begun, ..half };
        if !self.half_open.has_room() {
            let oldest = oldest_caller(&self.half_open)?;
            self.give_up(oldest, Reason::Crowded);
            self.half_open.remove(oldest);
        }
        let key = self.half_open.insert(half).ok()?;
        Some(Connection { key, up: false })
    }

    /// Our own attempt at connecting to this node, if one is under way.
    fn outgoing(&self, peer: &NodeName) -> Option<Key> {
        self.half_open.find(|half| !half.inbound && half.peer() == Some(peer))
    }
}
