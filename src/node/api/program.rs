//! The program's calls to its node.

use core::fmt;

use crate::error::{Error, Full, Misuse, Reason};
use crate::node::connections::node::Node;
use crate::node::core::names::{ANSWERED, exists};
use crate::node::tables::event::{Event, HeldBy};
use crate::node::tables::functions::Functions;
use crate::node::tables::half_open::Asker;
#[cfg(feature = "std")]
use crate::node::tables::handles::Request;
use crate::node::tables::handles::{Handle, Mailbox};
use crate::node::tables::inbox::Overflow;
#[cfg(feature = "std")]
use crate::node::tables::links::Phase;
use crate::node::tables::links::{Link, Recent, Traffic, usable};
use crate::node::tables::requests::{Ask, NO_PEER, OwnWords};
use crate::wire::build::{TermWriter, WriteTermAgain};
use crate::wire::cursor::Writer;
use crate::wire::ids::{Atom, NodeName, OwnedPid, OwnedReference};

/// A connected node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer<'n> {
    /// Its name.
    pub name: &'n NodeName,
    /// True for a visible node.
    pub visible: bool,
    /// The traffic over the connection.
    pub traffic: Traffic,
    /// The cause that nothing is read from it at the moment: `None` while it is read.
    pub held: Option<HeldBy>,
}

/// The numbers of places of the storage in use: see [`NodeStorage`](crate::NodeStorage).
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

impl fmt::Debug for Node<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("name", &self.name()).field("in_use", &self.in_use()).finish_non_exhaustive()
    }
}

/// The calls of the program.
impl Node<'_> {
    /// The names that no mailbox can have, since the node itself answers for them.
    pub const RESERVED_NAMES: [&'static str; 2] = ANSWERED;

    /// Makes a mailbox, with a pid of its own, that gets what is sent to `{name, ThisNode}`. An empty name makes one without a name,
    /// to which only those can send who were given its pid.
    ///
    /// Like a process, it can be ended by others: by `exit(Pid, kill)`, or by any exit if it does not [trap](Node::trap_exit) them. Then
    /// [`Event::MailboxEnded`] says so, and a program that is to go on registers it again, as a supervisor would.
    ///
    /// # Errors
    /// [`Misuse::NameTaken`], also for [`Node::RESERVED_NAMES`] and for a scope of groups; [`Misuse::AtomTooLong`] for a name of more than 255 bytes;
    /// [`Full::Mailboxes`].
    pub fn register(&mut self, name: &str) -> Result<Mailbox, Error> {
        let is_scope = self.core.cluster(|cluster, _| cluster.groups().scope(name).is_some());
        if exists(Atom::from_str(name)) || is_scope == Some(true) {
            // its answers are the core's
            return Err(Misuse::NameTaken.into());
        }
        if !self.core.inboxes.table.has_room() {
            self.core.free_ended();
        }
        self.core.inboxes.register(name).map(Mailbox)
    }

    /// Ends a mailbox, with the reason that `reason` writes, as a process ends with `exit/1`: whoever is linked to it gets an exit, whoever
    /// monitors it a down. What waits in it is gone, and so are its own monitors, calls and aliases; functions
    /// it served and has not answered end with the same reason. [`Event::MailboxEnded`] confirms it.
    ///
    /// `reason` is called more than once. One that comes out otherwise the second time is `undefined`.
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
        let limit = self.max_message();
        if needed > limit {
            return Err(Full::Message { needed, limit }.into());
        }
        self.core.put_aside();
        self.core.inboxes.forget(mailbox.0, &mut self.core.far.links);
        self.core.inboxes.end_with(mailbox.0, |out| TermWriter::one_inside(out, &reason));
        self.core.mailbox_ended(mailbox.0);
        Ok(())
    }

    /// Sets whether exits come to the mailbox as [`Received::Exit`](crate::Received::Exit), as with `process_flag(trap_exit, true)`. If not, which is how it
    /// begins, an exit whose reason is not `normal` ends the mailbox. `exit(Pid, kill)` ends it either way.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn trap_exit(&mut self, mailbox: Mailbox, trap: bool) -> Result<(), Error> {
        self.core.inboxes.get_mut(mailbox)?.traps_exits = trap;
        Ok(())
    }

    /// Sets whether system messages come to the mailbox, where [`Message::as_system`](crate::Message::as_system) reads them: what `sys:get_state` and its
    /// kin, and `gen_server:stop`, send. If not, which is how it begins, the node answers each with `{error,not_supported}` at once, however full
    /// the mailbox is, and whoever asked fails with this word. A program that takes them must answer them: some callers wait for ever.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`].
    pub fn take_system(&mut self, mailbox: Mailbox, take: bool) -> Result<(), Error> {
        self.core.inboxes.get_mut(mailbox)?.takes_system = take;
        Ok(())
    }

    /// Serves functions, written `Module:Function/Arity`: a peer that calls one of them with `rpc` or `erpc`, or spawns a process that
    /// runs it, is answered by the program, which gets the call in the mailbox as [`Received::Apply`](crate::Received::Apply). Calls of any other function are
    /// answered with `undef`. These take the place of those that were served before. When the mailbox ends, so do the calls not answered yet.
    ///
    /// # Errors
    /// [`ConfigError::FunctionName`](crate::ConfigError::FunctionName) and [`ConfigError::TooManyNames`](crate::ConfigError::TooManyNames);
    /// [`Misuse::NoMailbox`]. Then those from before are served still.
    pub fn serve(&mut self, mailbox: Mailbox, functions: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), Error> {
        self.core.inboxes.get_mut(mailbox)?.serves = true;
        let mut served = Functions::new(mailbox);
        for function in functions {
            served.add(function.as_ref())?;
        }
        self.core.functions = Some(served);
        Ok(())
    }

    /// Sets what happens to messages when the mailbox is full; they hold up their sender, by default.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::MemberHolds`] when it is in a group and is to hold up senders.
    pub fn set_overflow(&mut self, mailbox: Mailbox, overflow: Overflow) -> Result<(), Error> {
        let is_member = self.core.cluster(|cluster, _| {
            cluster.groups().joined.next_from(0, |joined| joined.mailbox == mailbox.0 && joined.left == 0).is_some()
        });
        if overflow == Overflow::Hold && is_member == Some(true) {
            return Err(Misuse::MemberHolds.into());
        }
        self.core.inboxes.get_mut(mailbox)?.overflow = overflow;
        // whom it holds up it may not hold up any more
        self.core.flow.resume = true;
        Ok(())
    }

    /// Returns how many messages and signals came into the mailbox since it was registered.
    pub fn received(&self, mailbox: Mailbox) -> u64 {
        self.core.inboxes.table.at(mailbox.0).map_or(0, |inbox| inbox.received)
    }

    /// Returns how many messages the mailbox dropped since it was registered because it was full.
    pub fn dropped(&self, mailbox: Mailbox) -> u64 {
        self.core.inboxes.table.at(mailbox.0).map_or(0, |inbox| inbox.dropped)
    }

    /// Returns the mailbox's pid.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::NoName`] while a dynamic node has no name; [`Misuse::NoCreation`] before the node has a driver.
    pub fn pid(&self, mailbox: Mailbox) -> Result<OwnedPid, Error> {
        self.core.identity.known()?;
        self.core.inboxes.get(mailbox)?;
        OwnedPid::new(self.core.identity.pid(mailbox.0)).ok_or(Misuse::NoName.into())
    }

    /// Makes an alias of the mailbox, as `alias/0` does: a reference to which messages can be sent, from nodes that know aliases (OTP 24
    /// and later), until [`Node::unalias`].
    ///
    /// # Errors
    /// As [`Node::pid`]; [`Full::Requests`].
    pub fn alias(&mut self, mailbox: Mailbox) -> Result<OwnedReference, Error> {
        self.core.identity.known()?;
        self.core.inboxes.get(mailbox)?;
        let key = self.core.peers().ask(mailbox.0, NO_PEER, Ask::Alias, None)?;
        let number = self.core.far.requests.at(key).map_or(0, |request| request.number);
        let words = OwnWords::new(Handle { index: key.index, number });
        OwnedReference::new(words.reference(&self.core.identity)).ok_or(Misuse::NoName.into())
    }

    /// Ends an alias, as `unalias/1` does: what is sent to it from now on is dropped. Returns true if there was one.
    pub fn unalias(&mut self, alias: &OwnedReference) -> bool {
        let key = self.core.request(alias.as_reference());
        let own = key.filter(|key| self.core.far.requests.at(*key).is_some_and(|request| request.kind == Ask::Alias));
        if let Some(key) = own {
            self.core.peers().remove_request(key);
        }
        // it may be known as the address of a mailbox
        if core::mem::take(&mut self.core.far.ledger.knows_alias) {
            self.core.far.links.table.tenants_mut().for_each(|(_, link)| link.recent = Recent::NONE);
        }
        own.is_some()
    }

    /// Returns the next mailbox that has something the program has not been shown: first come, first served, each in its turn, and at a cost
    /// that does not grow with how many there are. Then [`Node::recv`] takes one message from it, or all. One that has more when the
    /// program has taken something is given again, behind the others; one from which the program takes nothing is not, until something else
    /// comes into it. `None` when all have been shown.
    ///
    /// ```no_run
    /// # fn turn(node: &mut beamless::Node<'_>) {
    /// while let Some(mailbox) = node.poll_mailbox() {
    ///     if let Some((message, out)) = node.recv(mailbox) {
    ///         println!("{mailbox:?}: {}", message.term());
    ///     }
    /// }
    /// # }
    /// ```
    pub fn poll_mailbox(&mut self) -> Option<Mailbox> {
        self.core.put_aside();
        self.core.tell_lost();
        self.core.inboxes.poll(&mut self.core.flow).map(Mailbox)
    }

    /// Returns true if the answer to a call is the next message of its mailbox; messages in front of it are dropped, but for those that wait
    /// until there is room for their answers.
    ///
    /// # Errors
    /// [`Misuse::NoMailbox`]; [`Misuse::NoRequest`] when the call is not under way any more.
    #[cfg(feature = "std")]
    pub(crate) fn is_answer_next(&mut self, request: Request) -> Result<bool, Misuse> {
        let mailbox = request.mailbox.0;
        self.core.inboxes.get(request.mailbox)?;
        self.core.put_aside();
        self.core.tell_lost();
        self.core.inboxes.settle(&mut self.core.flow, mailbox);
        while let Some((kind, handle)) = self.core.inboxes.peek(mailbox, &self.core.far.links) {
            if kind.is_answer() && handle == request.handle {
                return Ok(true);
            }
            self.core.lines.unread();
            let _ = self.recv(request.mailbox);
        }
        self.core.inboxes.only_waits(mailbox, &mut self.core.flow, &self.core.far.links);
        match self.core.far.requests.find(request.handle) {
            Some(_) => Ok(false),
            None => Err(Misuse::NoRequest),
        }
    }

    /// Asks for a connection to a node. It is there once [`Event::NodeUp`] says so; [`Event::ConnectFailed`] says that it
    /// came to nothing. Does nothing when there is one, or one under way.
    ///
    /// # Errors
    /// [`ConfigError`](crate::ConfigError) for a name that is none, or that is long where this node's is short, or the other
    /// way round; [`Misuse::OwnNode`]; [`Full::Peers`] when all peers are taken; [`Full::Dials`] when as many
    /// connections are under way as there may be at once: three quarters of eight and of the peers that there are places for. Ask
    /// again then after every event. Since somebody waits, an attempt of this kind that has heard nothing for two seconds makes way.
    pub fn connect(&mut self, node: &str) -> Result<(), Error> {
        self.connect_as(node, Asker::Program)
    }

    /// Asks for a connection as [`Node::connect`] does, to a node that may be slow to answer: however many others wait for a place, it has the
    /// whole [`Config::setup_time`](crate::Config::setup_time) for each step. A program with many nodes to connect to asks for each in one way and in the other by
    /// turns: then the dead ones hold up nobody for long, and a slow one comes up all the same.
    ///
    /// # Errors
    /// As [`Node::connect`].
    pub fn connect_patiently(&mut self, node: &str) -> Result<(), Error> {
        self.connect_as(node, Asker::Patient)
    }

    fn connect_as(&mut self, node: &str, asker: Asker) -> Result<(), Error> {
        let peer = NodeName::new(node)?;
        self.core.identity.config.reaches(&peer)?;
        if self.name() == Some(&peer) {
            return Err(Misuse::OwnNode.into());
        }
        if self.core.far.links.find(peer.as_atom()).is_some() || self.outgoing(&peer).is_some() {
            return Ok(());
        }
        if !self.core.far.links.table.has_room() {
            return Err(Full::Peers.into());
        }
        self.begin_dial(peer, asker)
    }

    /// Closes the connection to a node, once what waits to be sent to it has been; gives up one that is being made for what was sent.
    ///
    /// A [`Driver`](crate::Driver) waits for two seconds until the peer has closed its side, too. One that does not, since it stands still, and
    /// goes on sending then, may lose what it had not read: the system resets the connection. What has to arrive is to be answered.
    ///
    /// # Errors
    /// [`Error::NotConnected`]; [`ConfigError`](crate::ConfigError) for a name that is none.
    pub fn disconnect(&mut self, node: &str) -> Result<(), Error> {
        let node = NodeName::new(node)?;
        let key = self.core.far.links.find(node.as_atom()).ok_or(Error::NotConnected)?;
        if let (false, Some(attempt)) = (self.core.far.links.table.at(key).is_some_and(Link::is_up), self.outgoing(&node)) {
            self.half_open.remove(attempt);
        }
        self.close_link(key, Reason::ClosedByUs);
        Ok(())
    }

    /// Returns true if a connection is being made for what was sent.
    #[cfg(feature = "std")]
    pub(crate) fn is_opening(&self) -> bool {
        self.core.far.links.table.tenants().any(|(_, link)| matches!(link.phase, Phase::Opening))
    }

    /// Closes every connection, once what waits to be sent has been, and gives up on those under way.
    pub fn close(&mut self) {
        while let Some(half) = self.half_open.find(|_| true) {
            self.half_open.remove(half);
        }
        // the name of a dynamic node goes with the one that gave it
        let last = self.core.identity.given_by;
        for index in self.core.far.links.table.indexes() {
            if let Some(key) = self.core.far.links.table.key_at(index).filter(|key| Some(*key) != last) {
                self.close_link(key, Reason::ClosedByUs);
            }
        }
        if let Some(key) = last {
            self.close_link(key, Reason::ClosedByUs);
        }
    }

    /// Returns the connected nodes.
    pub fn peers(&self) -> impl Iterator<Item = Peer<'_>> {
        let up = self.core.far.links.table.tenants().filter(|(_, link)| link.is_up());
        up.map(|(_, link)| {
            let traffic = Traffic { pending: link.sending.len(), ..link.traffic };
            let held = link.stalled.map(|stall| self.core.inboxes.held_by(stall)).or(link.waits.then_some(HeldBy::Transmit));
            Peer { name: &link.name, visible: link.visible, traffic, held }
        })
    }

    /// Returns the mailboxes there are, each with its name, which is empty for one without.
    pub fn mailboxes(&self) -> impl Iterator<Item = (Mailbox, &str)> {
        let alive = self.core.inboxes.table.tenants().filter(|(_, inbox)| inbox.ended.is_none());
        alive.map(|(key, inbox)| (Mailbox(key), &*inbox.name))
    }

    /// Returns how much of the storage is in use.
    pub fn in_use(&self) -> InUse {
        InUse {
            peers: self.core.far.links.table.taken(),
            mailboxes: self.core.inboxes.table.taken(),
            watches: self.core.far.watches.table.taken(),
            requests: self.core.far.requests.table.taken(),
        }
    }

    /// Returns the most bytes that a message to a peer can have. They count as they stand in the transmit buffer: the four bytes of the length,
    /// the addresses and the term. Sending more gives [`Full::Message`] with this limit. A message from a peer can have as many bytes
    /// as the whole receive buffer.
    pub fn max_message(&self) -> usize {
        usable(self.core.far.links.sending.size())
    }

    /// Returns true if the program is to look at something before anybody waits: whoever moves the bytes asks before every wait, and does not
    /// wait then. [`Driver::poll`](crate::Driver::poll) does so.
    ///
    /// It is true for an event, for a mailbox that something came into or that was read in part, for what was
    /// [put back](crate::Message::put_back) when a peer has taken something, and for room for what was refused with [`Full::Transmit`]: each once.
    /// What the program leaves all the same keeps nobody awake.
    pub fn poll_wake(&mut self) -> bool {
        self.core.put_aside();
        self.core.tell_lost();
        self.core.inboxes.wake(&mut self.core.flow) | self.core.events.wake()
    }

    /// Returns the oldest event not read yet.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.core.events.pop()
    }
}
