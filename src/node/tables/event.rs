//! The events that the node tells its user.

use core::fmt;

use super::handles::Mailbox;
use crate::error::{Misbehaved, NetworkFault, Reason};
use crate::wire::codes::OpName;
use crate::wire::control::{Process, To};
use crate::wire::fixed::FixedStr;
use crate::wire::ids::NodeName;

/// An event, for the program to act on or to log with `{}`.
///
/// Events wait in a queue of [`Event::KEPT`]. When it is full, one about a single message or a stranger goes first, else the
/// oldest, and [`Event::Missed`] says how many went.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A node is connected: messages can be sent to it.
    NodeUp {
        /// The node.
        node: NodeName,
        /// True for a visible node.
        visible: bool,
    },
    /// A connected node is not connected any more.
    NodeDown {
        /// The node.
        node: NodeName,
        /// The reason.
        reason: Reason,
    },
    /// An attempt at connecting to a node came to nothing.
    ConnectFailed {
        /// The node.
        node: NodeName,
        /// The reason.
        reason: Reason,
    },
    /// A node, or whatever it was, tried to connect here and was turned away.
    Refused {
        /// The node, if it got as far as saying its name.
        node: Option<NodeName>,
        /// The reason.
        reason: Reason,
    },
    /// A message was larger than a peer's receive buffer and was skipped; the connection goes on.
    TooLarge {
        /// The node that sent it.
        node: NodeName,
        /// The operation, as the protocol numbers it.
        op: u8,
        /// The sender's numbers in `<0.ID.SERIAL>`, if they were sent along.
        from: Option<(u32, u32)>,
        /// The receiver.
        to: Receiver,
        /// Its size in bytes, with its frame.
        size: u64,
    },
    /// A message was not delivered; the connection goes on.
    Dropped {
        /// The node that sent it.
        node: NodeName,
        /// The receiver.
        to: Receiver,
        /// The reason.
        why: Dropped,
    },
    /// Nothing has been read from a node for a second: everything it sends waits. This is told once for as long as the node is held up.
    Held {
        /// The node.
        node: NodeName,
        /// The cause.
        by: HeldBy,
    },
    /// A mailbox ended: it was sent an exit signal that it does not trap, or was [closed](crate::Node::close_mailbox). Its handle means
    /// nothing any more; its name can be registered anew.
    MailboxEnded {
        /// The mailbox.
        mailbox: Mailbox,
        /// Its name; empty if it had none.
        name: FixedStr<255>,
        /// The reason, as Erlang text, of which at most the first 64 bytes are kept.
        reason: FixedStr<64>,
    },
    /// The name stands in EPMD; reported again after EPMD died and came back.
    Registered {
        /// True if this node serves EPMD itself.
        embedded: bool,
        /// EPMD's port.
        port: u16,
    },
    /// The name cannot be registered with EPMD; it is tried again every two seconds, and this is said once.
    NotRegistered(NetworkFault),
    /// EPMD is gone. Connections stay, others cannot find this node; registering is tried again every two seconds.
    EpmdLost,
    /// EPMD has a node of this alive name already; registering is tried again every two seconds.
    NameTaken,
    /// EPMD takes no further name, though no node has this one; registering is tried again every two seconds.
    EpmdFull,
    /// The members of others in a scope that is [monitored](crate::Node::monitor_scope) are not what they were. Several changes may be told as
    /// one.
    MembersChanged {
        /// The scope.
        scope: FixedStr<255>,
    },
    /// The members of others in a scope are more than there is room for, or a peer told of more at once than its receive buffer takes: some are
    /// missing in [`Node::members`](crate::Node::members). This is told once, until all have had room again.
    MembersFull {
        /// The scope.
        scope: FixedStr<255>,
    },
    /// A mailbox was registered globally, by this node's `global` and all that it is connected to.
    GlobalRegistered {
        /// The global name.
        name: FixedStr<255>,
        /// The node that registered it.
        node: NodeName,
    },
    /// A global name is another process's. It was given up: [`Node::register_global`](crate::Node::register_global) asks for it again.
    GlobalTaken {
        /// The global name.
        name: FixedStr<255>,
        /// The node that said so.
        node: NodeName,
    },
    /// Events went unread, because the queue was full: this many.
    Missed(u32),
}

impl Event {
    /// The number of events that wait to be read before one goes.
    pub const KEPT: usize = 16;

    /// Returns true if it says how a connection stands, which a program must not miss.
    fn is_state(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::Dropped { .. } | Self::Refused { .. } | Self::Held { .. })
    }
}

/// The cause that nothing is read from a node.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeldBy {
    /// The mailbox of this name is full, and set to [`Overflow::Hold`](crate::Overflow::Hold); the name is empty for one without.
    Mailbox(FixedStr<255>),
    /// The node's own transmit buffer has no room for an answer, since the node does not read what waits for it there.
    Transmit,
}

/// The reason for which a message was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dropped {
    /// No mailbox has that name or pid.
    NoReceiver,
    /// The message is not a term that is taken here.
    Unreadable(Misbehaved),
    /// The mailbox is full, and set to drop rather than to hold up the sender; or the message was put back, or waited for a function, since its
    /// sender does not take the answer, and others needed the room.
    MailboxFull,
    /// The node has its share of the places for links and monitors, or there are none left. The sender was told `system_limit`, and is each
    /// time; this is told once, until the node has given half of what it has back.
    WatchesFull,
    /// No such function is served; whoever waits for it was told `undef`.
    NotServed,
    /// A control message that this version does not know.
    UnknownOperation(u8),
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReceiver => f.write_str("no such mailbox"),
            Self::Unreadable(e) => e.fmt(f),
            Self::MailboxFull => f.write_str("mailbox full"),
            Self::WatchesFull => f.write_str(
                "its node has as many links, monitors and waiting calls here as one may, and is told system_limit for more",
            ),
            Self::NotServed => f.write_str("no such function is served"),
            Self::UnknownOperation(op) => write!(f, "operation {op} is not known to this version"),
        }
    }
}

/// The receiver of a message, shortened to what fits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Receiver {
    /// A registered name, of which at most the first 255 bytes are kept.
    Name(FixedStr<255>),
    /// The numbers of a pid, `<0.ID.SERIAL>`.
    Pid(u32, u32),
    /// An alias.
    Alias,
    /// A function, `Module:Function/Arity`, of which at most the first 250 bytes are kept.
    Function(FixedStr<255>),
    /// The node itself.
    Node,
}

impl From<To<'_>> for Receiver {
    fn from(to: To<'_>) -> Self {
        match to {
            To::Name(name) => {
                let mut kept = FixedStr::new();
                // a longer name is cut: it is no mailbox's
                let _ = fmt::write(&mut kept, format_args!("{name}"));
                Self::Name(kept)
            }
            To::Pid(pid) => Self::Pid(pid.id, pid.serial),
            To::Alias(_) => Self::Alias,
        }
    }
}

impl From<Process<'_>> for Receiver {
    fn from(process: Process<'_>) -> Self {
        match process {
            Process::Pid(pid) => To::Pid(pid).into(),
            Process::Name(name) => To::Name(name).into(),
        }
    }
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // as Erlang shows an atom of no letters: who is sent to by such a name, or a mailbox that has none
            Self::Name(name) if name.is_empty() => f.write_str("''"),
            // a peer may name a process with line feeds, which a log must not show as lines
            Self::Name(name) => write!(f, "{}", name.escape_debug()),
            Self::Pid(id, serial) => write!(f, "<0.{id}.{serial}>"),
            Self::Alias => f.write_str("an alias"),
            Self::Function(name) => write!(f, "{}", name.escape_debug()),
            Self::Node => f.write_str("this node"),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NodeUp { node, visible } => write!(f, "node up: {node} ({})", if *visible { "visible" } else { "hidden" }),
            Self::NodeDown { node, reason } => write!(f, "node down: {node} ({reason})"),
            Self::ConnectFailed { node, reason } => write!(f, "cannot connect to {node}: {reason}"),
            Self::Refused { node: Some(node), reason: Reason::InvalidChallengeReply } => {
                write!(f, "** Connection attempt from node '{node}' rejected. Invalid challenge reply. ** (the cookies differ)")
            }
            Self::Refused { node: Some(node), reason } => {
                write!(f, "** Connection attempt from node '{node}' rejected: {reason} **")
            }
            Self::Refused { node: None, reason } => write!(f, "connection without a name rejected: {reason}"),
            Self::TooLarge { node, op, from, to, size } => {
                write!(f, "{} to {to} from {node}", OpName(*op))?;
                if let Some((id, serial)) = from {
                    write!(f, " <0.{id}.{serial}>")?;
                }
                write!(f, " is too large: {size} bytes, skipped")
            }
            Self::Dropped { node, to, why } => write!(f, "message to {to} from {node} dropped: {why}"),
            Self::Held { node, by: HeldBy::Mailbox(name) } => {
                write!(f, "mailbox {name} is full and holds up {node} until it is read")
            }
            Self::Held { node, by: HeldBy::Transmit } => {
                write!(f, "{node} does not read what is sent to it, and is not read from until it does: its transmit buffer is full")
            }
            Self::MailboxEnded { name, reason, .. } if name.is_empty() => write!(f, "a mailbox ended: {reason}"),
            Self::MailboxEnded { name, reason, .. } => write!(f, "mailbox {name} ended: {reason}"),
            Self::Registered { embedded: true, port } => write!(f, "registered with the epmd of this node on port {port}"),
            Self::Registered { embedded: false, port } => write!(f, "registered with epmd on port {port}"),
            Self::NotRegistered(fault) => write!(f, "not registered with epmd: {fault}"),
            Self::EpmdLost => f.write_str("epmd is gone: registering again as soon as it is back"),
            Self::NameTaken => f.write_str(
                "epmd on this host has another node of this alive name: stop it, or give this one another; trying again every 2 seconds",
            ),
            Self::EpmdFull => f.write_str(
                "epmd on this host is full, it takes no further name: stop another node, or have an epmd with more room (Erlang's has); trying again every 2 seconds",
            ),
            Self::MembersChanged { scope } => write!(f, "the members of scope {} changed", scope.escape_debug()),
            Self::MembersFull { scope } => {
                write!(f, "scope {} has more members on other nodes than there is room for: some are missing", scope.escape_debug())
            }
            Self::GlobalRegistered { name, node } => write!(f, "global name {} registered by {node}", name.escape_debug()),
            Self::GlobalTaken { name, node } => {
                write!(f, "global name {} is another process's, says {node}: given up here", name.escape_debug())
            }
            Self::Missed(count) => write!(f, "{count} event(s) were not read in time"),
        }
    }
}

/// The queue of events not read yet.
pub(crate) struct Events {
    queue: heapless::Vec<Event, { Event::KEPT }>,
    missed: u32,
    /// True if an event came, or was read and left others, since the program was last shown them.
    fresh: bool,
}

impl Events {
    pub(crate) const EMPTY: Self = Self { queue: heapless::Vec::new(), missed: 0, fresh: false };

    pub(crate) fn push(&mut self, event: Event) {
        self.fresh = true;
        if self.queue.is_full() {
            self.missed = self.missed.saturating_add(1);
            match self.queue.iter().position(|kept| !kept.is_state()) {
                Some(minor) => drop(self.take(minor)),
                None if !event.is_state() => return,
                None => drop(self.take(0)),
            }
        }
        // there is room now
        let _ = self.queue.push(event);
    }

    /// Does the same, unless the same event waits already.
    #[cold]
    pub(crate) fn push_once(&mut self, event: Event) {
        if !self.queue.contains(&event) {
            self.push(event);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        let event = match core::mem::take(&mut self.missed) {
            0 => self.take(0),
            missed => Some(Event::Missed(missed)),
        };
        self.fresh = !self.queue.is_empty();
        event
    }

    /// Takes out the one at this place; those behind it move up.
    fn take(&mut self, at: usize) -> Option<Event> {
        let mut moved = self.queue.pop()?;
        self.queue.iter_mut().skip(at).rev().for_each(|place| core::mem::swap(place, &mut moved));
        Some(moved)
    }

    /// Returns true if the program is to be shown an event before anybody waits; then all count as shown.
    pub(crate) fn wake(&mut self) -> bool {
        core::mem::take(&mut self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;

    /// What says how connections stand makes no room for what does not, and the oldest of it for what does.
    #[test]
    fn of_many_events_those_that_matter_are_kept() {
        let minor = || Event::Held { node: NodeName::new("b@host").unwrap(), by: HeldBy::Transmit };
        for (last, kept) in [(minor(), None), (Event::EpmdFull, Some(Event::EpmdFull))] {
            let mut events = Events::EMPTY;
            events.push(minor());
            (0..Event::KEPT).for_each(|_| events.push(Event::EpmdLost));
            events.push(last);
            assert_eq!(events.pop(), Some(Event::Missed(2)));
            let all: Vec<_> = std::iter::from_fn(|| events.pop()).collect();
            let is_kept = usize::from(kept.is_some());
            assert_eq!(all.len(), Event::KEPT);
            assert!(all.iter().take(Event::KEPT - is_kept).all(|event| *event == Event::EpmdLost));
            assert_eq!(all.last().cloned().filter(|event| *event != Event::EpmdLost), kept);
        }
    }

    #[test]
    fn a_mailbox_without_a_name_is_told_as_one() {
        for (name, expected) in [("", "a mailbox ended: why"), ("x", "mailbox x ended: why")] {
            let mailbox = Mailbox(crate::storage::slots::Key { index: 0, generation: 0 });
            let (name, reason) = (FixedStr::try_from(name).unwrap(), FixedStr::try_from("why").unwrap());
            assert_eq!(Event::MailboxEnded { mailbox, name, reason }.to_string(), expected);
        }
        let to = |name| Receiver::Name(FixedStr::try_from(name).unwrap()).to_string();
        assert_eq!((to(""), to("x")), ("''".into(), "x".into()));
    }
}
