//! What a control message does: the one match over all of them.

use super::calls;
use super::event::{Dropped, Event, Events, Receiver};
use super::global;
use super::links::{Identity, Links, Stall};
use super::mailbox::{Delivery, Flow, Inboxes};
use crate::error::{Error, Misbehaved, TermError, TermFault};
use crate::storage::slots::Key;
use crate::wire::build::TermWriter;
use crate::wire::codes::Flags;
use crate::wire::control::{Control, Message, Process, To};
use crate::wire::ids::{NodeName, Pid, Reference};
use crate::wire::term::Term;

/// Encoded atoms of the core's answers.
const NOPROC: Term<'static> = Term::trusted(&[119, 6, b'n', b'o', b'p', b'r', b'o', b'c']);
const NOTSUP: Term<'static> = Term::trusted(&[119, 6, b'n', b'o', b't', b's', b'u', b'p']);

/// Everything a control message may touch.
pub(super) struct Core<'s> {
    pub(super) identity: Identity<'s>,
    pub(super) links: Links<'s>,
    pub(super) inboxes: Inboxes<'s>,
    pub(super) events: &'s mut Events,
    pub(super) flow: Flow,
}

/// What became of a frame.
pub(super) enum Routed {
    Done,
    /// It stays where it is until this is over.
    Stalled(Stall),
}

impl Core<'_> {
    /// Does what the frame with this body says.
    #[inline]
    pub(super) fn route(&mut self, peer: Key, body: &[u8]) -> Result<Routed, Misbehaved> {
        let message = Message::parse(body)?;
        match message.control {
            Control::Send { from, to } => Ok(self.send(peer, body, from.map_or(&[], Term::as_bytes), to, message.payload)),
            _ => self.signal(peer, &message).map(|()| Routed::Done),
        }
    }

    /// Brings a message to its mailbox.
    #[inline]
    fn send(&mut self, peer: Key, body: &[u8], from: &[u8], to: To<'_>, payload: &[u8]) -> Routed {
        let inbox = match to {
            To::Name(name) => self.inboxes.find(name),
            To::Pid(pid) if self.identity.is_own(pid.node, pid.creation) => self.inboxes.by_pid(pid),
            To::Alias(alias) if self.identity.is_own(alias.node, alias.creation) => self.inboxes.by_alias(alias),
            To::Pid(_) | To::Alias(_) => None,
        };
        let term = match read(payload) {
            Ok(term) => term,
            Err(why) => return self.drop(peer, to.into(), Dropped::Unreadable(why)),
        };
        let Some(inbox) = inbox else { return self.send_elsewhere(peer, to, term) };
        match self.inboxes.deliver(inbox, from, term.as_bytes()) {
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

    /// A message for something that is no mailbox.
    #[cold]
    fn send_elsewhere(&mut self, peer: Key, to: To<'_>, term: Term<'_>) -> Routed {
        match to {
            To::Name(name) if calls::exists(name) => {
                // room was kept for it; should the user's memory be used up all the same, the caller's timeout tells
                if let Err(e) = calls::net_kernel(&self.identity, &mut self.links, peer, term) {
                    log::warn!("answer to a ping: {e}");
                }
                Routed::Done
            }
            To::Name(name) if global::handle(&self.identity, &mut self.links, peer, name, term) => Routed::Done,
            to => self.drop(peer, to.into(), Dropped::NoReceiver),
        }
    }

    #[cold]
    fn drop(&mut self, peer: Key, to: Receiver, why: Dropped) -> Routed {
        if let Some(node) = self.name(peer) {
            self.events.push(Event::Dropped { node, to, why });
        }
        Routed::Done
    }

    fn name(&self, peer: Key) -> Option<NodeName> {
        self.links.table.at(peer).map(|link| link.name.clone())
    }

    /// Everything but messages.
    pub(super) fn signal(&mut self, peer: Key, message: &Message<'_>) -> Result<(), Misbehaved> {
        let theirs = |core: &Self, pid: Pid<'_>| match core.links.table.at(peer) {
            Some(link) if pid.node == *link.name.as_str() => Ok(()),
            _ => Err(Misbehaved::Control(message.op)),
        };
        match message.control {
            Control::Monitor { from, to, reference } => {
                theirs(self, from)?;
                if reference.node != from.node {
                    return Err(Misbehaved::Control(message.op));
                }
                self.monitor(peer, from, to, reference);
            }
            Control::Link { from, to } => {
                theirs(self, from)?;
                if !self.lives(Process::Pid(to)) {
                    self.exit(peer, |reason| Control::Exit { from: to, to: from, reason });
                }
            }
            Control::Unlink { id: 0, from, .. } => {
                theirs(self, from)?;
                // a peer that can say it with an id must
                if self.links.table.at(peer).is_some_and(|link| link.flags.has(Flags::UNLINK_ID)) {
                    return Err(Misbehaved::Control(message.op));
                }
            }
            Control::Unlink { id, from, to } => {
                theirs(self, from)?;
                self.answer(peer, &Control::UnlinkAck { id, from: to, to: from }, None);
            }
            Control::SpawnRequest { id, from, .. } => {
                theirs(self, from)?;
                self.answer(peer, &Control::SpawnReply { id, to: from, flags: 0, result: NOTSUP }, None);
            }
            Control::Exit2 { to, .. } => {
                self.drop(peer, to.into(), Dropped::ExitSignal);
            }
            Control::Unknown => {
                self.drop(peer, Receiver::Node, Dropped::UnknownOperation(message.op));
            }
            // nothing here links to or monitors a peer's processes, so these say nothing new
            Control::Demonitor { .. }
            | Control::UnlinkAck { .. }
            | Control::Exit { .. }
            | Control::MonitorExit { .. }
            | Control::SpawnReply { .. }
            | Control::GroupLeader { .. }
            | Control::Send { .. } => {}
        }
        Ok(())
    }

    fn lives(&self, process: Process<'_>) -> bool {
        match process {
            Process::Name(name) => calls::exists(name) || self.inboxes.find(name).is_some(),
            Process::Pid(pid) => self.identity.is_own(pid.node, pid.creation) && self.inboxes.by_pid(pid).is_some(),
        }
    }

    /// A monitor on what is not there ends at once; mailboxes last as long as the node, whose end the peer sees itself.
    fn monitor(&mut self, peer: Key, from: Pid<'_>, to: Process<'_>, reference: Reference<'_>) {
        if !self.lives(to) {
            self.exit(peer, |reason| Control::MonitorExit { from: to, to: from, reference, reason });
        }
    }

    /// Sends an exit with the reason `noproc`, where the peer reads it: as payload if both can.
    fn exit<'c>(&mut self, peer: Key, control: impl FnOnce(Option<Term<'c>>) -> Control<'c>) {
        let payload = self.links.table.at(peer).is_some_and(|link| link.flags.has(Flags::EXIT_PAYLOAD));
        if payload {
            self.answer(peer, &control(None), Some(NOPROC));
        } else {
            self.answer(peer, &control(Some(NOPROC)), None);
        }
    }

    /// Sends what the protocol owes. Frames are read only while there is room for an answer, so there is.
    fn answer(&mut self, peer: Key, control: &Control<'_>, payload: Option<Term<'_>>) {
        let sent = self.links.frame(peer, 0, |out| {
            control.put(out)?;
            payload.map_or(Ok(()), |term| TermWriter::one(out, |t| t.term(term)))
        });
        match sent {
            Ok(()) | Err(Error::NotConnected) => {}
            Err(e) => log::warn!("an answer of the protocol's could not be sent: {e}"),
        }
    }

    /// The front of a frame that is too large to be received: reports it, and still does what it owes.
    pub(super) fn oversized(
        &mut self,
        peer: Key,
        head: &[u8],
        parsed: Result<Message<'_>, Misbehaved>,
        size: u64,
    ) -> Result<(), Misbehaved> {
        let message = match parsed {
            Ok(message) => message,
            // even its addresses do not fit; the operation stands in front of them
            Err(Misbehaved::Term(TermError { fault: TermFault::Truncated, .. })) => {
                Message { op: head.get(5).copied().unwrap_or(0), control: Control::Unknown, payload: &[] }
            }
            Err(e) => return Err(e),
        };
        let (from, to) = match message.control {
            Control::Send { to: To::Name(name), .. } if global::handle_oversized(&self.identity, &mut self.links, peer, name) => {
                return Ok(());
            }
            Control::Send { from, to } => (from.and_then(Term::as_pid), to.into()),
            Control::Exit { from, to, .. } => (Some(from), To::Pid(to).into()),
            Control::Exit2 { from, to, .. } => (Some(from), to.into()),
            Control::SpawnRequest { from, .. } => (Some(from), Receiver::Node),
            Control::MonitorExit { from: Process::Pid(from), to, .. } => (Some(from), To::Pid(to).into()),
            _ => (None, Receiver::Node),
        };
        if let Some(node) = self.name(peer) {
            let from = from.map(|pid| (pid.id, pid.serial));
            self.events.push(Event::TooLarge { node, op: message.op, from, to, size });
        }
        if matches!(message.control, Control::Unknown) { Ok(()) } else { self.signal(peer, &message) }
    }
}

/// Checks a payload: one term and nothing behind it.
#[inline]
fn read(payload: &[u8]) -> Result<Term<'_>, Misbehaved> {
    Term::parse(payload).map_err(Misbehaved::Term)
}
