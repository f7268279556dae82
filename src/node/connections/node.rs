//! The node as a whole.

use crate::node::config::Config;
use crate::node::core::state::Core;
use crate::node::tables::answered::Answered;
use crate::node::tables::event::Events;
use crate::node::tables::half_open::HalfOpens;
use crate::node::tables::identity::Identity;
use crate::node::tables::ledger::Ledger;
use crate::node::tables::lines::Lines;
use crate::node::tables::links::Links;
use crate::node::tables::mailbox::{Flow, Inboxes};
use crate::node::tables::memory::{Memory, NodeStorage};
use crate::node::tables::past::Past;
use crate::node::tables::peers::Far;
use crate::node::tables::unread::Unread;
use crate::storage::buffers::Buffers;
use crate::storage::slots::Key;
use crate::time::Instant;
use crate::wire::ids::NodeName;

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
    pub(in crate::node) core: Core<'s>,
    pub(in crate::node) receiving: Buffers<'s>,
    pub(in crate::node) half_open: HalfOpens<'s>,
    /// The time at which the next quarter of the tick time ends, or groups have something to do before; unknown until there is a connection.
    pub(in crate::node) next_beat: Option<Instant>,
    /// The time at which the next quarter of the tick time ends.
    pub(in crate::node) beat_at: Instant,
    /// Somebody waits for a place to connect from.
    pub(in crate::node) dial_waits: bool,
    pub(in crate::node) answered: Answered,
    /// The nodes that went down, where that is remembered: [`AutoConnect::Once`](crate::AutoConnect::Once).
    pub(in crate::node) past: Past,
}

/// A handle on one connection, for whoever moves its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Connection {
    pub(in crate::node) key: Key,
    /// Proven, and in the table of links.
    pub(in crate::node) up: bool,
}

#[cfg(feature = "std")]
impl Connection {
    /// Returns true if the peer had proven who it is when this was last told of it.
    pub(crate) fn is_up(self) -> bool {
        self.up
    }
}

impl<'s> Node<'s> {
    /// Makes a node with these settings in this memory. Whatever an earlier node left there is gone.
    pub fn new<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize, const WATCHES: usize, const REQUESTS: usize>(
        config: Config,
        storage: &'s mut NodeStorage<PEERS, MAILBOXES, BYTES, WATCHES, REQUESTS>,
    ) -> Self {
        Self::with(config, storage.into())
    }

    pub(crate) fn with(config: Config, memory: Memory<'s>) -> Self {
        let Memory { mut links, receiving, sending, mut inboxes, rings, mut watches, mut requests, mut half_open, events } =
            memory;
        links.clear();
        inboxes.clear();
        watches.clear();
        requests.clear();
        half_open.clear();
        *events = Events::EMPTY;
        let creation = config.creation;
        Self {
            core: Core {
                identity: Identity { config, creation, given_by: None },
                far: Far { links: Links { table: links, sending }, watches, requests, ledger: Ledger::NEW },
                inboxes: Inboxes { table: inboxes, rings, unread: Unread::NONE },
                functions: None,
                events,
                flow: Flow::NONE,
                lines: Lines::NEW,
                cluster: None,
            },
            receiving,
            half_open,
            next_beat: None,
            beat_at: Instant::from_millis(0),
            dial_waits: false,
            answered: Answered::NONE,
            past: Past::NONE,
        }
    }

    /// Lets all hashes collide, before anything is in the tables, for tests: what is found must not hang on a lucky hash.
    #[cfg(debug_assertions)]
    #[doc(hidden)]
    pub fn collide(&mut self) {
        let Core { far: Far { links, watches, requests, .. }, inboxes, .. } = &mut self.core;
        links.table.collide();
        inboxes.table.collide();
        watches.table.collide();
        watches.owners.collide();
        requests.owners.collide();
    }

    /// Gives its memory back.
    #[cfg(feature = "std")]
    pub(crate) fn into_memory(self) -> Memory<'s> {
        let Core { far: Far { links, watches, requests, .. }, inboxes, events, .. } = self.core;
        Memory {
            links: links.table,
            receiving: self.receiving,
            sending: links.sending,
            inboxes: inboxes.table,
            rings: inboxes.rings,
            watches,
            requests,
            half_open: self.half_open,
            events,
        }
    }

    /// Returns this node's name. A dynamic node has one once a peer has given it, and for as long as that peer is connected.
    pub fn name(&self) -> Option<&NodeName> {
        self.core.identity.config.name.known().ok()
    }

    /// Returns true if this is a visible node.
    pub fn is_visible(&self) -> bool {
        self.core.identity.config.visible
    }

    /// Returns the incarnation of the node; 0 until it is known.
    pub fn creation(&self) -> u32 {
        self.core.identity.creation
    }
}
