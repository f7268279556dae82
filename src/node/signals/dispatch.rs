//! The one match over all control messages.

use super::spawn::Spawn;
use crate::error::{Misbehaved, TermError, TermFault};
use crate::node::core::state::{Core, Routed};
use crate::node::forms::atoms::{NOTSUP, SYSTEM_LIMIT, TOO_LARGE};
use crate::node::forms::tag::{front_call, front_tag, may_be_more};
use crate::node::otp;
use crate::node::tables::event::{Dropped, Event, Receiver};
use crate::node::tables::links::Stall;
use crate::node::tables::mailbox::Delivery;
use crate::node::tables::record::{Kind, Record};
use crate::storage::slots::Key;
use crate::wire::codes::op;
use crate::wire::control::{Control, ControlMessage, Process, TOO_DEEP, To, operation};
use crate::wire::ids::Pid;
use crate::wire::term::Term;

impl Core<'_> {
    /// Does what the frame with this body says.
    #[inline]
    pub(crate) fn route(&mut self, peer: Key, body: &[u8]) -> Result<Routed, Misbehaved> {
        let message = ControlMessage::parse(body)?;
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
            Err(why) => return self.unreadable(peer, to, payload, why),
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
        let Some(inbox) = inbox else {
            return otp::handle(self, peer, to, term).unwrap_or_else(|| self.drop(peer, to.into(), Dropped::NoReceiver));
        };
        if may_be_more(payload) && otp::answers_system(self, peer, inbox, term) {
            return Routed::Done;
        }
        match self.deliver(inbox, &Record { kind: Kind::Message, peer, from, handle: None, term }) {
            Delivery::Done => {
                if let Some(link) = self.far.links.table.at_mut(peer) {
                    link.recent.remember(body, from, payload, inbox);
                    self.far.ledger.knows_alias |= matches!(to, To::Alias(_));
                }
                Routed::Done
            }
            Delivery::Dropped => self.drop(peer, to.into(), Dropped::MailboxFull),
            Delivery::Held => Routed::Stalled(Stall::Mailbox(inbox)),
        }
    }

    /// Drops a message that cannot be read. To whoever waits for something that comes of one that is nested too deep, that is told.
    #[cold]
    fn unreadable(&mut self, peer: Key, to: To<'_>, payload: &[u8], why: Misbehaved) -> Routed {
        if is_too_deep(&why) {
            let answered = match to {
                To::Alias(alias) => Some(alias),
                To::Pid(_) => front_tag(payload),
                To::Name(_) => None,
            };
            if let Some(stalled @ Routed::Stalled(_)) = answered.map(|tag| self.reply_refused(tag, TOO_DEEP)) {
                return stalled;
            }
            if let Some((from, reference)) = front_call(payload) {
                self.call_refused(peer, to, from, reference, TOO_DEEP);
            }
        }
        self.drop(peer, to.into(), Dropped::Unreadable(why))
    }

    /// Does what a control message says that is no message to a mailbox. `whole`: the payload is here, rather than skipped because it is
    /// too large.
    pub(crate) fn signal(&mut self, peer: Key, message: &ControlMessage<'_>, whole: bool) -> Result<Routed, Misbehaved> {
        let theirs = |core: &Self, pid: Pid<'_>| match core.far.links.table.at(peer) {
            Some(link) if pid.node == *link.name.as_str() => Ok(()),
            _ => Err(Misbehaved::Control(message.op)),
        };
        // a reason stands in the tuple or is the payload; one that cannot be read is as good as one that did not fit
        let payload = || match if whole { read(message.payload) } else { Err(Misbehaved::Control(message.op)) } {
            Err(why) if is_too_deep(&why) => Err(TOO_DEEP),
            payload => payload.map_err(|_| TOO_LARGE),
        };
        let reason_of = |inside: Option<_>| inside.map_or_else(payload, Ok);
        match message.control {
            Control::Monitor { from, to, reference } => {
                theirs(self, from)?;
                self.monitored(peer, from, to, reference);
            }
            Control::Demonitor { from, reference, .. } => {
                theirs(self, from)?;
                self.demonitored(peer, from, reference);
            }
            Control::MonitorExit { reference, reason, .. } => {
                return Ok(self.monitor_ended(peer, reference, reason_of(reason)));
            }
            Control::Link { from, to } => {
                theirs(self, from)?;
                self.linked(peer, from, to);
            }
            Control::Unlink { id, from, to } => {
                theirs(self, from)?;
                // a peer that can say it with an id must
                if id == 0 && self.far.links.flags(peer).allow(op::UNLINK_ID) {
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
                return Ok(self.link_broken(peer, from, to, reason_of(reason)));
            }
            Control::Exit2 { from, to, reason } => {
                theirs(self, from)?;
                return Ok(self.told_to_exit(peer, from, to, reason_of(reason)));
            }
            Control::SpawnRequest { id, from, mfa, module, function, arity, options, .. } => {
                let spawn = Spawn { id, from, module, function, arity, mfa, options };
                let is_theirs = theirs(self, from).is_ok() && id.node == from.node;
                if !whole || !is_theirs {
                    // only the words of a reference are kept, and whose process it is not
                    self.spawn_refused(peer, &spawn, if whole { NOTSUP } else { SYSTEM_LIMIT });
                    return Ok(Routed::Done);
                }
                return Ok(self.spawn(peer, &spawn, payload()));
            }
            Control::SpawnReply { id, result, .. } => return Ok(self.spawned(peer, id, result)),
            Control::Unknown => {
                self.drop(peer, Receiver::Node, Dropped::UnknownOperation(message.op));
            }
            Control::Send { to: To::Alias(alias), .. } => return Ok(self.reply_refused(alias, TOO_LARGE)),
            // OTP 23 and older answer to the pid
            Control::Send { to: To::Pid(_), .. } => {
                return Ok(front_tag(message.payload).map_or(Routed::Done, |tag| self.reply_refused(tag, TOO_LARGE)));
            }
            Control::GroupLeader { .. } | Control::Send { .. } | Control::Nothing => {}
        }
        Ok(Routed::Done)
    }

    /// Reports a frame that is too large to be received, of which the front is here, and still does what it owes.
    pub(crate) fn oversized(
        &mut self,
        peer: Key,
        head: &[u8],
        parsed: Result<ControlMessage<'_>, Misbehaved>,
        size: u64,
    ) -> Result<Routed, Misbehaved> {
        let message = match parsed {
            Ok(message) => message,
            // even its addresses do not fit; the operation stands in front of them
            Err(Misbehaved::Term(TermError { fault: TermFault::Truncated, .. })) => {
                ControlMessage { op: operation(head).unwrap_or(0), control: Control::Unknown, payload: &[] }
            }
            Err(e) => return Err(e),
        };
        let (from, to) = match message.control {
            Control::Send { to, .. } if otp::handle_oversized(self, peer, to) => return Ok(Routed::Done),
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

fn is_too_deep(why: &Misbehaved) -> bool {
    matches!(why, Misbehaved::Term(TermError { fault: TermFault::TooDeep, .. }))
}

/// Checks a payload: one term and nothing behind it.
#[inline]
fn read(payload: &[u8]) -> Result<Term<'_>, Misbehaved> {
    Term::payload(payload).map_err(Misbehaved::Term)
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::string::{String, ToString};
    use std::vec::Vec;

    use super::*;
    use crate::node::tables::links::{Link, Phase};
    use crate::node::{Config, Mailbox, Node, NodeStorage, Received};
    use crate::wire::ids::{Atom, NodeName};

    type Storage = NodeStorage<1, 1, 4096>;

    fn node(storage: &mut Storage) -> (Node<'_>, Key, Mailbox) {
        let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), storage);
        let link = Link::new(NodeName::new("b@host").unwrap(), Phase::Up);
        let peer = node.core.far.links.table.insert(link).ok().unwrap();
        let mailbox = node.register("x").unwrap();
        node.trap_exit(mailbox, true).unwrap();
        (node, peer, mailbox)
    }

    fn bytes(pid: Pid<'_>) -> Vec<u8> {
        let mut words = [pid.id, pid.serial, pid.creation].map(u32::to_be_bytes).concat();
        let node = pid.node.to_string();
        words.splice(0..0, [&[88, 119, 6], node.as_bytes()].concat());
        words
    }

    /// A process of a node, other than ours.
    fn process(node: &str) -> Vec<u8> {
        bytes(Pid { node: Atom::from_str(node), id: 9, serial: 0, creation: 5 })
    }

    fn own(node: &Node<'_>, mailbox: Mailbox) -> Vec<u8> {
        bytes(node.pid(mailbox).unwrap().as_pid())
    }

    fn reference(node: &str) -> Vec<u8> {
        [&[90, 0, 1, 119, 6][..], node.as_bytes(), &[0, 0, 0, 7, 0, 0, 0, 5]].concat()
    }

    /// A tuple in a tuple, more often than is taken.
    fn deep() -> Vec<u8> {
        [&[104_u8, 1].repeat(1030)[..], &[106]].concat()
    }

    /// The end of what a peer is sent.
    fn told(node: &Node<'_>, peer: Key) -> String {
        let sent = node.core.far.links.pending(peer);
        if sent.is_empty() {
            return String::new();
        }
        let message = ControlMessage::parse(&sent[4..]).unwrap();
        let Control::MonitorExit { reason, .. } = message.control else { panic!("{message:?}") };
        reason.unwrap_or_else(|| Term::payload(message.payload).unwrap()).to_string()
    }

    /// It is told to whoever monitors what is called, if that is a process of this peer, and the call's reference one of its own.
    #[test]
    fn a_call_that_is_nested_too_deep_ends_for_its_caller() {
        for (from, of, expected) in
            [("b@host", "b@host", "too_deep"), ("c@host", "b@host", ""), ("b@host", "c@host", ""), ("c@host", "c@host", "")]
        {
            let mut storage = Box::new(Storage::new());
            let (mut node, peer, mailbox) = node(&mut storage);
            let to = [&[112, 131, 104, 4, 97, 6][..], &process("b@host"), b"\x77\x00\x77\x01x"].concat();
            let call = [b"\x83\x68\x03\x77\x09$gen_call\x68\x02", &process(from)[..], &reference(of), &deep()].concat();
            assert!(matches!(node.core.route(peer, &[to, call].concat()), Ok(Routed::Done)));
            assert_eq!(told(&node, peer), expected, "{from}, {of}");
            assert!(node.recv(mailbox).is_none());
        }
    }

    #[test]
    fn a_reason_that_cannot_be_read_is_replaced() {
        for (payload, expected) in [
            (&b"\x83\x77\x01x"[..], "x"),
            (&[&[131], &deep()[..]].concat(), "too_deep"),
            (&[131, 1], "too_large"),
            (&[], "too_large"),
        ] {
            let mut storage = Box::new(Storage::new());
            let (mut node, peer, mailbox) = node(&mut storage);
            let exit = [&[112, 131, 104, 3, 97, 26][..], &process("b@host"), &own(&node, mailbox), payload].concat();
            assert!(matches!(node.core.route(peer, &exit), Ok(Routed::Done)));
            let (message, _) = node.recv(mailbox).unwrap();
            let Received::Exit { reason, .. } = message.received() else { panic!("{message:?}") };
            assert_eq!(reason.to_string(), expected);
        }
    }

    #[test]
    fn a_peer_speaks_for_its_own_processes_alone() {
        for (from, is_taken) in [("b@host", true), ("c@host", false)] {
            let mut storage = Box::new(Storage::new());
            let (mut node, peer, mailbox) = node(&mut storage);
            let link = [&[112, 131, 104, 3, 97, 1][..], &process(from), &own(&node, mailbox)].concat();
            let routed = node.core.route(peer, &link);
            assert_eq!((routed.is_ok(), node.in_use().watches), (is_taken, usize::from(is_taken)), "{from}");
        }
    }
}
