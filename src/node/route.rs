//! What a control message does: the one match over all of them.

use super::calls;
use super::event::{Dropped, Event, Events, Receiver};
use super::global;
use super::links::{Identity, Links, Stall};
use super::mailbox::{Delivery, Flow, Inboxes, Record};
use super::message::Kind;
use super::outbox::Outbox;
use super::requests::{Counters, Request, State, front_tag};
use super::serve::{Functions, Spawn, is_for_rex};
use super::watch::{Owner, SYSTEM_LIMIT, Tie, Watch};
use crate::error::{Error, Misbehaved, TermError, TermFault};
use crate::storage::slots::{Key, Table};
use crate::wire::build::TermWriter;
use crate::wire::codes::Flags;
use crate::wire::control::{Control, Message, Process, To, operation};
use crate::wire::ids::{NodeName, Pid};
use crate::wire::term::Term;

/// Everything a control message may touch.
pub(super) struct Core<'s> {
    pub(super) identity: Identity<'s>,
    pub(super) links: Links<'s>,
    pub(super) inboxes: Inboxes<'s>,
    pub(super) watches: Table<'s, Watch>,
    pub(super) requests: Table<'s, Request>,
    pub(super) counters: Counters,
    pub(super) functions: Option<Functions<'s>>,
    pub(super) events: &'s mut Events,
    pub(super) flow: Flow,
}

/// What became of a frame.
pub(super) enum Routed {
    Done,
    /// It stays where it is until this is over.
    Stalled(Stall),
}

impl<'s> Core<'s> {
    /// The right to act in the name of a mailbox, and what it takes to receive besides.
    #[inline]
    pub(super) fn lend<'n>(&'n mut self, past: &'n [u32], mailbox: Key) -> (Outbox<'n>, &'n mut Inboxes<'s>, &'n mut Flow) {
        let outbox = Outbox {
            identity: &self.identity,
            links: self.links.lend(),
            watches: self.watches.lend(),
            requests: self.requests.lend(),
            counters: &mut self.counters,
            past,
            mailbox,
        };
        (outbox, &mut self.inboxes, &mut self.flow)
    }
}

impl Core<'_> {
    /// Does what the frame with this body says.
    #[inline]
    pub(super) fn route(&mut self, peer: Key, body: &[u8]) -> Result<Routed, Misbehaved> {
        let message = Message::parse(body)?;
        match message.control {
            Control::Send { from, to } => Ok(self.send(peer, body, from.map_or(&[], Term::as_bytes), to, message.payload)),
            _ => self.signal(peer, &message, true),
        }
    }

    /// Brings a message to its mailbox.
    #[inline]
    fn send(&mut self, peer: Key, body: &[u8], from: &[u8], to: To<'_>, payload: &[u8]) -> Routed {
        let term = match read(payload) {
            Ok(term) => term,
            Err(why) => return self.drop(peer, to.into(), Dropped::Unreadable(why)),
        };
        let inbox = match to {
            To::Name(name) => self.inboxes.find(name),
            To::Pid(pid) if self.identity.is_own(pid.node, pid.creation) => match self.answered(to, term) {
                Some(call) => return self.reply(call, term),
                // an answer that came after its time, or to somebody who waits no more
                None if self.is_late(term) => return Routed::Done,
                None => self.inboxes.by_pid(pid),
            },
            To::Alias(alias) => match self.answered(to, term) {
                Some(call) => return self.reply(call, term),
                None => self.aliased(alias),
            },
            To::Pid(_) => None,
        };
        let Some(inbox) = inbox else { return self.send_elsewhere(peer, to, term) };
        match self.deliver(inbox, &Record { kind: Kind::Message, from, handle: None, term }) {
            Delivery::Done => {
                if let Some(link) = self.links.table.at_mut(peer) {
                    link.recent.remember(body, from, payload, inbox);
                }
                Routed::Done
            }
            Delivery::Dropped => self.drop(peer, to.into(), Dropped::MailboxFull),
            Delivery::Held => Routed::Stalled(Stall::Mailbox(inbox)),
        }
    }

    /// Copies a message into its mailbox, unless something else is to go there first.
    pub(super) fn deliver(&mut self, inbox: Key, record: &Record<'_>) -> Delivery {
        if self.counters.due > 0 && self.is_due(inbox) {
            if let Some(inbox) = self.inboxes.table.at_mut(inbox) {
                inbox.held = true;
            }
            return Delivery::Held;
        }
        self.inboxes.deliver(inbox, record)
    }

    fn is_due(&self, inbox: Key) -> bool {
        let lost = |watch: &Watch| watch.kind == Tie::Lost && watch.owner == Owner::Mailbox(inbox);
        let due = |request: &Request| matches!(request.state, State::Due(_)) && request.mailbox == inbox;
        self.watches.find(lost).is_some() || self.requests.find(due).is_some()
    }

    /// A message for something that is no mailbox.
    #[cold]
    fn send_elsewhere(&mut self, peer: Key, to: To<'_>, term: Term<'_>) -> Routed {
        match to {
            To::Name(name) if name == "net_kernel" => {
                // room was kept for it; should the user's memory be used up all the same, the caller's timeout tells
                if let Err(e) = calls::net_kernel(&self.identity, &mut self.links, peer, term) {
                    log::warn!("answer to a ping: {e}");
                }
                Routed::Done
            }
            // the group leader of what we spawn elsewhere
            To::Pid(pid) if pid == self.identity.core_pid() => {
                if let Err(e) = calls::group_leader(&self.identity, &mut self.links, peer, term) {
                    log::warn!("answer to an io request: {e}");
                }
                Routed::Done
            }
            // as above
            To::Alias(alias) if self.identity.is_own(alias.node, alias.creation) => Routed::Done,
            To::Name(name) if name == "rex" && is_for_rex(term) => self.rex(peer, term),
            To::Name(name) if global::handle(&self.identity, &mut self.links, peer, name, term) => Routed::Done,
            to => self.drop(peer, to.into(), Dropped::NoReceiver),
        }
    }

    #[cold]
    pub(super) fn drop(&mut self, peer: Key, to: Receiver, why: Dropped) -> Routed {
        if let Some(node) = self.name(peer) {
            self.events.push(Event::Dropped { node, to, why });
        }
        Routed::Done
    }

    pub(super) fn name(&self, peer: Key) -> Option<NodeName> {
        self.links.table.at(peer).map(|link| link.name.clone())
    }

    /// Everything but messages. `whole`: the payload is here, rather than skipped because it is too large.
    pub(super) fn signal(&mut self, peer: Key, message: &Message<'_>, whole: bool) -> Result<Routed, Misbehaved> {
        let theirs = |core: &Self, pid: Pid<'_>| match core.links.table.at(peer) {
            Some(link) if pid.node == *link.name.as_str() => Ok(()),
            _ => Err(Misbehaved::Control(message.op)),
        };
        // a reason stands in the tuple or is the payload; one that cannot be read is as good as one that did not fit
        let payload = || if whole { read(message.payload).ok() } else { None };
        match message.control {
            Control::Monitor { from, to, reference } => {
                theirs(self, from)?;
                if reference.node != from.node {
                    return Err(Misbehaved::Control(message.op));
                }
                self.monitored(peer, from, to, reference);
            }
            Control::Demonitor { from, reference, .. } => {
                theirs(self, from)?;
                self.demonitored(peer, from, reference);
            }
            Control::MonitorExit { reference, reason, .. } => {
                return Ok(self.monitor_ended(peer, reference, reason.or_else(payload)));
            }
            Control::Link { from, to } => {
                theirs(self, from)?;
                self.linked(peer, from, to);
            }
            Control::Unlink { id, from, to } => {
                theirs(self, from)?;
                // a peer that can say it with an id must
                if id == 0 && self.links.flags(peer).has(Flags::UNLINK_ID) {
                    return Err(Misbehaved::Control(message.op));
                }
                self.unlinked(peer, id, from, to);
            }
            Control::UnlinkAck { id, from, to } => {
                theirs(self, from)?;
                self.unlink_acknowledged(peer, id, from, to);
            }
            Control::Exit { from, to, reason } => {
                theirs(self, from)?;
                return Ok(self.link_broken(peer, from, to, reason.or_else(payload)));
            }
            Control::Exit2 { from, to, reason } => {
                theirs(self, from)?;
                return Ok(self.told_to_exit(peer, from, to, reason.or_else(payload)));
            }
            Control::SpawnRequest { id, from, mfa, module, function, arity, options, .. } => {
                theirs(self, from)?;
                if id.node != from.node {
                    return Err(Misbehaved::Control(message.op));
                }
                let spawn = Spawn { id, from, module, function, arity, mfa, options };
                if !whole {
                    self.spawn_refused(peer, &spawn, SYSTEM_LIMIT);
                    return Ok(Routed::Done);
                }
                return Ok(self.spawn(peer, &spawn, payload()));
            }
            Control::SpawnReply { id, result, .. } => return Ok(self.spawned(peer, id, result)),
            Control::Unknown => {
                self.drop(peer, Receiver::Node, Dropped::UnknownOperation(message.op));
            }
            Control::Send { to: To::Alias(alias), .. } => return Ok(self.reply_too_large(alias)),
            // OTP 23 and older answer to the pid
            Control::Send { to: To::Pid(_), .. } => {
                return Ok(front_tag(message.payload).map_or(Routed::Done, |tag| self.reply_too_large(tag)));
            }
            Control::GroupLeader { .. } | Control::Send { .. } => {}
        }
        Ok(Routed::Done)
    }

    /// Whether the core itself is this process, which lasts as long as the node.
    pub(super) fn is_core(&self, process: Process<'_>) -> bool {
        match process {
            Process::Name(name) => calls::exists(name),
            Process::Pid(pid) => pid == self.identity.core_pid(),
        }
    }

    /// Sends what the protocol owes. Frames are read only while there is room for an answer, so there is.
    pub(super) fn answer(&mut self, peer: Key, control: &Control<'_>, payload: Option<Term<'_>>) {
        let sent = self.links.frame(peer, 0, |out| {
            control.put(out)?;
            payload.map_or(Ok(()), |term| TermWriter::one(out, |t| t.term(term)))
        });
        match sent {
            Ok(()) | Err(Error::NotConnected) => {}
            Err(e) => log::warn!("an answer of the protocol's could not be sent: {e}"),
        }
    }

    /// Whether the front of a frame that is too large may be that of an answer to a call: then more of it is needed than the addresses.
    pub(super) fn may_answer(&self, parsed: &Result<Message<'_>, Misbehaved>) -> bool {
        matches!(parsed, Ok(Message { control: Control::Send { to: To::Pid(_), .. }, .. }) if self.counters.calls > 0)
    }

    /// The front of a frame that is too large to be received: reports it, and still does what it owes.
    pub(super) fn oversized(
        &mut self,
        peer: Key,
        head: &[u8],
        parsed: Result<Message<'_>, Misbehaved>,
        size: u64,
    ) -> Result<Routed, Misbehaved> {
        let message = match parsed {
            Ok(message) => message,
            // even its addresses do not fit; the operation stands in front of them
            Err(Misbehaved::Term(TermError { fault: TermFault::Truncated, .. })) => {
                Message { op: operation(head).unwrap_or(0), control: Control::Unknown, payload: &[] }
            }
            Err(e) => return Err(e),
        };
        let (from, to) = match message.control {
            Control::Send { to: To::Name(name), .. } if global::handle_oversized(&self.identity, &mut self.links, peer, name) => {
                return Ok(Routed::Done);
            }
            Control::Send { from, to } => (from.and_then(Term::as_pid), to.into()),
            Control::Exit { from, to, .. } => (Some(from), To::Pid(to).into()),
            Control::Exit2 { from, to, .. } => (Some(from), to.into()),
            Control::SpawnRequest { from, .. } => (Some(from), Receiver::Node),
            Control::MonitorExit { from: Process::Pid(from), to, .. } => (Some(from), To::Pid(to).into()),
            _ => (None, Receiver::Node),
        };
        let routed = if matches!(message.control, Control::Unknown) { Routed::Done } else { self.signal(peer, &message, false)? };
        if let (Routed::Done, Some(node)) = (&routed, self.name(peer)) {
            let from = from.map(|pid| (pid.id, pid.serial));
            self.events.push(Event::TooLarge { node, op: message.op, from, to, size });
        }
        Ok(routed)
    }
}

/// Checks a payload: one term and nothing behind it.
#[inline]
fn read(payload: &[u8]) -> Result<Term<'_>, Misbehaved> {
    Term::payload(payload).map_err(Misbehaved::Term)
}
