//! The node: who gets what.

mod calls;
mod config;
mod event;
mod global;
mod half_open;
mod links;
mod mailbox;
mod memory;
mod message;
mod outbox;
mod requests;
mod route;
mod serve;
mod shake;
mod trace;
mod transport;
mod watch;

pub use config::{AutoConnect, Config};
pub use event::{Dropped, Event, Receiver};
pub use mailbox::{Mailbox, Overflow};
use memory::Memory;
pub use memory::NodeStorage;
#[cfg(feature = "std")]
pub use memory::{HeapStorage, Sizes};
pub use message::{Apply, Call, Caller, Failure, Message, Monitor, OwnedCaller, Received, Request};
pub use outbox::{Address, Outbox};
pub use serve::Exception;

use crate::error::{Error, Full, Misuse, Reason};
use crate::storage::slots::{Key, Table};
use crate::time::Instant;
use crate::wire::build::{TermWriter, WriteTermAgain};
use crate::wire::cursor::Writer;
use crate::wire::ids::{Atom, NodeName, OwnedPid, OwnedReference};
use half_open::{DIALS, HalfOpen, Progress, oldest_caller};
pub use links::Traffic;
use links::{Identity, Link, Links, Phase, RESERVED};
use mailbox::{Flow, Inboxes};
use requests::{Ask, Counters, Limit, NOBODY, OwnWords, State as RequestState, Target};
use route::Core;
use serve::Functions;

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
///
/// One turn of a program that answers every call with what it was asked:
///
/// ```
/// use beamless::{Config, Error, Mailbox, Node, NodeStorage};
///
/// fn turn(node: &mut Node<'_>, echo: Mailbox) -> Result<(), Error> {
///     while let Some((message, mut out)) = node.recv(echo) {
///         if let Some(call) = message.as_call() {
///             out.reply(&call, |t| t.term(call.request))?;
///         }
///     }
///     while let Some(event) = node.poll_event() {
///         println!("{event}");
///     }
///     Ok(())
/// }
///
/// let mut storage = NodeStorage::<1, 1, 4096>::new();
/// let mut node = Node::new(Config::hidden("edge1@nuc1", "secret")?, &mut storage);
/// let echo = node.register("echo")?;
/// turn(&mut node, echo)?; // after every poll
/// # Ok::<(), Error>(())
/// ```
///
/// The [manual](crate::manual::library) goes on from here, with a [`Driver`](crate::Driver) and [without one](crate::manual::no_std).
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
    /// The nodes that went down, where that is remembered: [`AutoConnect::Once`].
    past: heapless::Vec<u32, 64>,
}

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
    /// What went over the connection.
    pub traffic: Traffic,
}

/// How many places of the storage are in use: see [`NodeStorage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InUse {
    /// Connections, those that are being made for what was sent included.
    pub peers: usize,
    /// Mailboxes, those included that ended and still owe somebody the news.
    pub mailboxes: usize,
    /// Links, monitors by others, and callers of served functions.
    pub watches: usize,
    /// Monitors, calls and aliases of this node's own.
    pub requests: usize,
}

/// What the program does.
impl<'s> Node<'s> {
    /// A node with these settings in this memory. Whatever an earlier node left there is gone.
    pub fn new<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize, const WATCHES: usize, const REQUESTS: usize>(
        config: Config<'s>,
        storage: &'s mut NodeStorage<PEERS, MAILBOXES, BYTES, WATCHES, REQUESTS>,
    ) -> Self {
        Self::with(config, storage.into())
    }

    /// As [`Node::new`], in memory whose sizes were chosen when the program ran.
    #[cfg(feature = "std")]
    pub fn on_heap(config: Config<'s>, storage: &'s mut HeapStorage) -> Self {
        Self::with(config, storage.into())
    }

    fn with(config: Config<'s>, memory: Memory<'s>) -> Self {
        let Memory { links, receiving, sending, inboxes, rings, watches, requests, half_open, events, stride } = memory;
        *events = event::Events::EMPTY;
        let creation = config.creation;
        Self {
            core: Core {
                identity: Identity { config, creation },
                links: Links { table: links, sending, stride },
                inboxes: Inboxes { table: inboxes, rings, stride },
                watches,
                requests,
                counters: Counters::default(),
                functions: None,
                events,
                flow: Flow::default(),
            },
            receiving,
            half_open,
            next_beat: None,
            begun: 0,
            first: 0,
            past: heapless::Vec::new(),
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

    /// Makes a mailbox, with a pid of its own, that gets what is sent to `{name, ThisNode}`. An empty name makes one without a name,
    /// to which only those can send who were given its pid.
    ///
    /// Like a process, it can be ended by others: by `exit(Pid, kill)`, or by any exit if it does not [trap](Node::trap_exit) them. Then
    /// [`Event::MailboxEnded`] says so, and a program that is to go on registers it again, as a supervisor would.
    ///
    /// # Errors
    /// [`Misuse::NameTaken`], also for `net_kernel` and `rex`; [`Misuse::AtomTooLong`] for a name of more than 255 bytes;
    /// [`Full::Mailboxes`].
    pub fn register(&mut self, name: &str) -> Result<Mailbox, Error> {
        if calls::exists(Atom::from_str(name)) {
            // its answers are the core's
            return Err(Misuse::NameTaken.into());
        }
        self.core.inboxes.register(name).map(Mailbox)
    }

    /// Ends a mailbox, with the reason that `reason` writes, as a process ends with `exit/1`: whoever is linked to it gets an exit, whoever
    /// monitors it a down. What waits in it is gone, and so are its own monitors, calls and aliases; functions
    /// it served and has not answered end with the same reason. [`Event::MailboxEnded`] confirms it.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse`] and [`Full::Message`] when the reason is no proper term, or does not fit a transmit buffer; then
    /// nothing has happened.
    pub fn close_mailbox<F>(&mut self, mailbox: Mailbox, reason: F) -> Result<(), Error>
    where
        F: WriteTermAgain,
    {
        self.core.inboxes.get(mailbox)?;
        // once to see whether it can be said, and once in the place of the messages
        let mut nowhere = Writer::new(&mut []);
        TermWriter::one_inside(&mut nowhere, &reason)?;
        let needed = nowhere.finish().unwrap_or_else(|over| over.needed);
        let limit = self.core.links.stride.saturating_sub(RESERVED);
        if needed > limit {
            return Err(Full::Message { needed, limit }.into());
        }
        self.core.inboxes.end_with(mailbox.0, |out| TermWriter::one_inside(out, &reason))?;
        self.core.mailbox_ended(mailbox.0);
        Ok(())
    }

    /// Sets whether exits come to the mailbox as [`Received::Exit`], as with `process_flag(trap_exit, true)`. If not, which is how it
    /// begins, an exit whose reason is not `normal` ends the mailbox. `exit(Pid, kill)` ends it either way.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn trap_exit(&mut self, mailbox: Mailbox, trap: bool) -> Result<(), Error> {
        self.core.inboxes.get_mut(mailbox)?.traps_exits = trap;
        Ok(())
    }

    /// Serves functions, written `Module:Function/Arity`: a peer that calls one of them with `rpc` or `erpc`, or spawns a process that
    /// runs it, is answered by the program, which gets the call in the mailbox as [`Received::Apply`]. Calls of any other function are
    /// answered with `undef`. These take the place of those that were served before. When the mailbox ends, so do the calls not answered yet.
    ///
    /// # Errors
    /// [`ConfigError::FunctionName`](crate::ConfigError::FunctionName); [`Misuse::NoMailbox`].
    pub fn serve(&mut self, mailbox: Mailbox, functions: &'s [&'s str]) -> Result<(), Error> {
        self.core.inboxes.get(mailbox)?;
        self.core.functions = Some(Functions::new(mailbox, functions)?);
        Ok(())
    }

    /// Sets what happens to messages when the mailbox is full; they hold up their sender, by default.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn set_overflow(&mut self, mailbox: Mailbox, overflow: Overflow) -> Result<(), Error> {
        self.core.inboxes.get_mut(mailbox)?.overflow = overflow;
        // whom it holds up it may not hold up any more
        self.core.flow.resume = true;
        Ok(())
    }

    /// How many messages and signals came into the mailbox since it was registered.
    pub fn received(&self, mailbox: Mailbox) -> u64 {
        self.core.inboxes.table.at(mailbox.0).map_or(0, |inbox| inbox.received)
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
        self.core.inboxes.get(mailbox)?;
        OwnedPid::new(self.core.identity.pid(mailbox.0)).ok_or(Misuse::NoName.into())
    }

    /// Makes an alias of the mailbox, as `alias/0` does: a reference to which messages can be sent, from nodes that know aliases (OTP 24
    /// and later), until [`Node::unalias`].
    ///
    /// # Errors
    /// As [`Node::pid`]; [`Full::Requests`].
    pub fn alias(&mut self, mailbox: Mailbox) -> Result<OwnedReference, Error> {
        self.core.identity.config.name.known()?;
        self.core.inboxes.get(mailbox)?;
        let number = self.core.counters.next();
        let request = requests::Request {
            number,
            mailbox: mailbox.0,
            peer: NOBODY,
            kind: Ask::Alias,
            target: Target::Unknown,
            limit: Limit::None,
            state: RequestState::Waiting,
        };
        let key = self.core.requests.insert(request).map_err(|_| Full::Requests)?;
        let words = OwnWords::new(message::Handle { index: key.index, number });
        OwnedReference::new(words.reference(&self.core.identity)).ok_or(Misuse::NoName.into())
    }

    /// Ends an alias, as `unalias/1` does: what is sent to it from now on is dropped. Whether there was one.
    pub fn unalias(&mut self, alias: &OwnedReference) -> bool {
        let key = self.core.request(alias.as_reference());
        let own = key.filter(|key| self.core.requests.at(*key).is_some_and(|request| request.kind == Ask::Alias));
        if let Some(key) = own {
            self.core.requests.remove(key);
        }
        // it may be known as the address of a mailbox
        self.core.links.table.tenants_mut().for_each(|(_, link)| link.recent = links::Recent::NONE);
        own.is_some()
    }

    /// Takes the oldest message of the mailbox, together with the right to act in its name; `None` when there is none, and for a mailbox
    /// that ended. To be called until it gives `None`: what is left is no reason for the next poll to end.
    #[inline]
    pub fn recv(&mut self, mailbox: Mailbox) -> Option<(Message<'_>, Outbox<'_>)> {
        if self.core.counters.due > 0 {
            self.core.tell_lost();
        }
        let (outbox, inboxes, flow) = self.core.lend(&self.past, mailbox.0);
        let message = inboxes.recv(mailbox.0, flow)?;
        Some((message, outbox))
    }

    /// The right to act in the name of a mailbox.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn outbox(&mut self, mailbox: Mailbox) -> Result<Outbox<'_>, Error> {
        self.core.inboxes.get(mailbox)?;
        Ok(self.core.lend(&self.past, mailbox.0).0)
    }

    /// Whether the answer to a call is the next message of its mailbox; messages in front of it are dropped.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::NoRequest`] when the call is not under way any more.
    #[cfg(feature = "std")]
    pub(crate) fn is_answer_next(&mut self, request: Request) -> Result<bool, Misuse> {
        let mailbox = request.mailbox.0;
        self.core.inboxes.get(request.mailbox)?;
        self.core.tell_lost();
        while let Some((kind, handle)) = self.core.inboxes.peek(mailbox) {
            if kind.is_answer() && handle == request.handle {
                return Ok(true);
            }
            log::warn!("a message was dropped while a call was waited for");
            let _ = self.core.inboxes.recv(mailbox, &mut self.core.flow);
        }
        match requests::find(&self.core.requests, request.handle) {
            Some(_) => Ok(false),
            None => Err(Misuse::NoRequest),
        }
    }

    /// Asks for a connection to a node. It is there once [`Event::NodeUp`] says so; [`Event::ConnectFailed`] says that it
    /// came to nothing. Does nothing when there is one, or one under way.
    ///
    /// # Errors
    /// [`ConfigError`](crate::ConfigError) for a name that is none, or that is long where this node's is short, or the other
    /// way round; [`Misuse::OwnNode`]; [`Full::Peers`] when all peers are taken; [`Full::Dials`] when six connections are under way.
    pub fn connect(&mut self, node: &str) -> Result<(), Error> {
        let peer = NodeName::new(node)?;
        self.core.identity.config.reaches(&peer)?;
        if self.name() == Some(&peer) {
            return Err(Misuse::OwnNode.into());
        }
        if self.core.links.find(peer.as_atom()).is_some() || self.outgoing(&peer).is_some() {
            return Ok(());
        }
        if !self.core.links.table.has_room() {
            return Err(Full::Peers.into());
        }
        self.begin_dial(peer)
    }

    /// Closes the connection to a node, once what waits to be sent to it has been; gives up one that is being made for what was sent.
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`ConfigError`](crate::ConfigError) for a name that is none.
    pub fn disconnect(&mut self, node: &str) -> Result<(), Error> {
        let node = NodeName::new(node)?;
        let key = self.core.links.find(node.as_atom()).ok_or(Error::NotConnected)?;
        if let (false, Some(attempt)) = (self.core.links.table.at(key).is_some_and(Link::is_up), self.outgoing(&node)) {
            self.half_open.remove(attempt);
        }
        self.close_link(key, Reason::ClosedByUs);
        Ok(())
    }

    /// Closes every connection, once what waits to be sent has been, and gives up on those under way.
    pub fn close(&mut self) {
        self.half_open.clear();
        for index in self.core.links.table.indexes() {
            if let Some(key) = self.core.links.table.key_at(index) {
                self.close_link(key, Reason::ClosedByUs);
            }
        }
    }

    /// The connected nodes.
    pub fn peers(&self) -> impl Iterator<Item = Peer<'_>> {
        let up = self.core.links.table.tenants().filter(|(_, link)| link.is_up());
        up.map(|(_, link)| {
            let traffic = Traffic { pending: link.sending.len(), ..link.traffic };
            Peer { name: &link.name, visible: link.visible, traffic }
        })
    }

    /// The mailboxes there are, each with its name, which is empty for one without.
    pub fn mailboxes(&self) -> impl Iterator<Item = (Mailbox, &str)> {
        let alive = self.core.inboxes.table.tenants().filter(|(_, inbox)| inbox.ended.is_none());
        alive.map(|(key, inbox)| (Mailbox(key), &*inbox.name))
    }

    /// How much of the storage is in use.
    pub fn in_use(&self) -> InUse {
        InUse {
            peers: self.core.links.table.taken(),
            mailboxes: self.core.inboxes.table.taken(),
            watches: self.core.watches.taken(),
            requests: self.core.requests.taken(),
        }
    }

    /// The oldest event not read yet.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop()
    }
}

impl Node<'_> {
    /// A connection is no more.
    fn down(&mut self, key: Key, reason: Reason) {
        let Some(link) = self.core.links.table.at_mut(key) else { return };
        match core::mem::replace(&mut link.phase, Phase::Gone) {
            Phase::Gone => return,
            Phase::Opening { .. } => {}
            // it was told when it began to close
            Phase::Closing => return self.core.release(key),
            Phase::Up => {
                let node = link.name.clone();
                self.was_down(node, reason);
            }
        }
        self.core.connection_lost(key);
        self.core.release(key);
    }

    fn was_down(&mut self, node: NodeName, reason: Reason) {
        // one that was let go of for being idle is made again
        if self.core.identity.config.auto_connect == AutoConnect::Once && reason != Reason::Idle {
            let hash = outbox::hash(&node);
            if !self.past.contains(&hash) {
                if self.past.is_full() {
                    self.past.remove(0);
                }
                // there is room now
                let _ = self.past.push(hash);
            }
        }
        self.core.events.push(Event::NodeDown { node, reason });
    }

    /// Closes a connection when what waits has been sent.
    fn close_link(&mut self, key: Key, reason: Reason) {
        let Some(link) = self.core.links.table.at_mut(key) else { return };
        if !link.is_up() {
            if matches!(link.phase, Phase::Opening { .. }) {
                let node = link.name.clone();
                self.down(key, reason);
                self.core.events.push(Event::ConnectFailed { node, reason });
            }
            return;
        }
        link.phase = Phase::Closing;
        let (node, done) = (link.name.clone(), link.sending.is_empty());
        self.was_down(node, reason);
        self.core.connection_lost(key);
        if done {
            self.core.release(key);
        }
    }

    /// Begins the connections that something waits for which was sent, and gives up on those that came to nothing.
    fn tend_opening(&mut self) {
        for index in self.core.links.table.indexes() {
            let Some(key) = self.core.links.table.key_at(index) else { continue };
            let Some(link) = self.core.links.table.at(key) else { continue };
            let Phase::Opening { dialled } = link.phase else { continue };
            let peer = link.name.clone();
            if self.outgoing(&peer).is_some() {
                self.set_dialled(key);
            } else if dialled {
                self.down(key, Reason::ClosedByUs);
            } else if self.begin_dial(peer).is_ok() {
                self.set_dialled(key);
            }
        }
    }

    fn set_dialled(&mut self, key: Key) {
        if let Some(link) = self.core.links.table.at_mut(key) {
            link.phase = Phase::Opening { dialled: true };
        }
    }

    /// Begins an attempt at connecting to a node.
    fn begin_dial(&mut self, peer: NodeName) -> Result<(), Error> {
        if self.half_open.tenants().filter(|(_, half)| !half.inbound).count() >= DIALS {
            return Err(Full::Dials.into());
        }
        // its time begins when the driver takes it
        let half = HalfOpen::new(Progress::Dial { peer, told: false }, false, Instant::from_millis(u64::MAX));
        self.begin(half).map(|_| ()).ok_or(Full::Dials.into())
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

    /// Whether this node is connecting here.
    fn incoming(&self, peer: &NodeName) -> bool {
        self.half_open.find(|half| half.inbound && half.peer() == Some(peer)).is_some()
    }

    /// Our own attempt at connecting to this node, if one is under way.
    fn outgoing(&self, peer: &NodeName) -> Option<Key> {
        self.half_open.find(|half| !half.inbound && half.peer() == Some(peer))
    }
}
