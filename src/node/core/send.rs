//! The messages of the core itself: answers, ends, and that nobody waits any more.

use core::fmt;

use super::state::Core;
use crate::error::{Error, Full, Misuse};
use crate::node::tables::handles::Handle;
use crate::node::tables::identity::Identity;
use crate::node::tables::links::{FrameWriter, Link, Links};
use crate::node::tables::requests::{Asked, OwnWords};
use crate::node::tables::ties::{NamedBy, Watch, WatchKind};
use crate::storage::slots::Key;
use crate::wire::build::{TermWriter, WriteDyn, WriteTerm};
use crate::wire::codes::{op, tag};
use crate::wire::control::{Control, Process, To, put_send};
use crate::wire::ids::{Atom, Pid, Reference};
use crate::wire::term::Term;

impl Core<'_> {
    /// Sends what the protocol owes. Frames are read only while there is room for an answer, so there is.
    pub(crate) fn answer(&mut self, peer: Key, control: &Control<'_>) {
        match self.far.links.tell(peer, 0, control) {
            Ok(_) | Err(Error::NotConnected) => {}
            Err(e) => self.unsent(peer, format_args!("an answer of the protocol's could not be sent: {e}")),
        }
    }

    /// Sends an exit or a down.
    pub(crate) fn answer_exit(&mut self, peer: Key, control: &Control<'_>, reason: Term<'_>) {
        match put_exit(&mut self.far.links, peer, 0, control, |t| t.term(reason)) {
            Ok(()) | Err(Error::NotConnected) => {}
            Err(e) => self.unsent(peer, format_args!("an exit could not be sent: {e}")),
        }
    }

    /// Logs that what a peer is owed could not be sent, though room was kept for it.
    #[cold]
    pub(crate) fn unsent(&mut self, peer: Key, line: fmt::Arguments<'_>) {
        let name = self.far.links.table.at(peer).map_or("", |link| link.name.as_str());
        self.lines.unsent(name, line);
    }
}

/// Sends a message in the core's own name, for which room is kept.
pub(crate) fn send(
    identity: &Identity,
    links: &mut Links<'_>,
    peer: Key,
    to: To<'_>,
    message: WriteDyn<'_>,
) -> Result<(), Error> {
    send_as(identity.core_pid(), links, peer, 0, to, message)
}

/// Sends a message in the name of a process of the core's. `keep` bytes of the transmit buffer stay free.
pub(crate) fn send_as(
    from: Pid<'_>,
    links: &mut Links<'_>,
    peer: Key,
    keep: usize,
    to: To<'_>,
    message: WriteDyn<'_>,
) -> Result<(), Error> {
    let mut frame = links.begin(peer, keep)?;
    let op = to.operation(frame.flags()).ok_or(Misuse::NotAnAlias)?;
    put_send(&mut frame.out, op, Some(from), to)?;
    TermWriter::one(&mut frame.out, message)?;
    frame.end()
}

/// Returns the address for the answer to a call: the alias that came with it, if its node takes messages to aliases; else the process.
pub(crate) fn answer_to<'m>(links: &Links<'_>, peer: Key, from: Pid<'m>, alias: Option<Reference<'m>>) -> To<'m> {
    match alias {
        Some(alias) if alias.node == from.node && To::Alias(alias).operation(links.flags(peer)).is_some() => To::Alias(alias),
        _ => To::Pid(from),
    }
}

/// Tells one process that what it is tied to ended. `keep` bytes of its node's transmit buffer stay free.
pub(crate) fn tell(
    links: &mut Links<'_>,
    keep: usize,
    watch: &Watch,
    own: Pid<'_>,
    name: Atom<'_>,
    reason: WriteDyn<'_>,
) -> Result<(), Error> {
    let Some(node) = links.table.at(watch.peer).map(|link| link.name.clone()) else { return Ok(()) };
    let to = watch.pid.on(node.as_atom());
    let control = match &watch.kind {
        WatchKind::Link | WatchKind::Again(_) => Control::Exit { from: own, to, reason: None },
        WatchKind::Monitor { reference, given } => {
            let from = if *given == NamedBy::Name { Process::Name(name) } else { Process::Pid(own) };
            Control::MonitorExit { from, to, reference: reference.on(node.as_atom()), reason: None }
        }
        WatchKind::Unlinking(_) | WatchKind::Lost => return Ok(()),
    };
    put_exit(links, watch.peer, keep, &control, reason)
}

/// Sends an exit or a down, with its reason where the peer reads it: as payload if it can. Where it understands no downs nothing is sent.
pub(crate) fn put_exit<F>(links: &mut Links<'_>, peer: Key, keep: usize, control: &Control<'_>, reason: F) -> Result<(), Error>
where
    F: WriteTerm,
{
    let Some(mut frame) = begin_exit(links, peer, keep, control)? else { return Ok(()) };
    TermWriter::one_inside(&mut frame.out, reason)?;
    frame.end()
}

/// Begins the frame of an exit or a down, up to the reason.
fn begin_exit<'l>(
    links: &'l mut Links<'_>,
    peer: Key,
    keep: usize,
    control: &Control<'_>,
) -> Result<Option<FrameWriter<'l>>, Error> {
    let Some((mut frame, op)) = links.say(peer, keep, control)? else { return Ok(None) };
    if matches!(op, op::PAYLOAD_EXIT | op::PAYLOAD_EXIT2 | op::PAYLOAD_MONITOR_P_EXIT) {
        frame.out.u8(tag::VERSION);
    }
    Ok(Some(frame))
}

/// Returns true if nothing is owed any more. It was sent, or can never be, since the connection is gone and with it everybody who waited.
pub(crate) fn is_paid(told: &Result<(), Error>) -> bool {
    !matches!(told, Err(Error::Full(Full::Transmit { .. })))
}

/// Tells the peer that nobody waits for a request any more. `false`: it is not to be told yet, for want of room or of knowing whom to name.
pub(crate) fn take_back(
    identity: &Identity,
    links: &mut Links<'_>,
    key: Key,
    request: &Asked,
    keep: usize,
) -> Result<bool, Error> {
    // whom nothing can be sent to any more has forgotten it
    if !links.table.at(request.peer).is_some_and(Link::takes) {
        return Ok(true);
    }
    let words = OwnWords::new(Handle { index: key.index, number: request.number });
    let mut frame = links.begin(request.peer, keep)?;
    let (node, flags, out) = frame.parts();
    let demonitor = request.demonitor(identity.pid(request.mailbox), node.as_atom(), words.reference(identity));
    let Some(control) = demonitor else { return Ok(false) };
    // a peer that was never told of a monitor is not told of its end either
    let Some(op) = control.operation(flags) else { return Ok(true) };
    control.put(op, out)?;
    frame.end().map(|()| true)
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;

    use super::*;
    use crate::node::tables::links::Phase;
    use crate::node::tables::ties::{Number, Owner, Words};
    use crate::node::{Config, Node, NodeStorage};
    use crate::wire::codes::Flags;
    use crate::wire::control::ControlMessage;
    use crate::wire::ids::NodeName;

    type Storage = NodeStorage<1, 1, 4096>;

    fn node(storage: &mut Storage) -> (Node<'_>, Key) {
        let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), storage);
        let link = Link::new(NodeName::new("b@host").unwrap(), Phase::Up);
        let peer = node.core.far.links.table.insert(link).ok().unwrap();
        (node, peer)
    }

    fn process(node: &str) -> Pid<'_> {
        Pid { node: Atom::from_str(node), id: 9, serial: 0, creation: 5 }
    }

    /// One of the caller's own node, if that takes messages to aliases.
    #[test]
    fn an_answer_goes_to_an_alias_that_may_be_the_callers() {
        let mut storage = Box::new(Storage::new());
        let (mut node, peer) = node(&mut storage);
        let from = process("b@host");
        for (flags, of, expected) in
            [(Flags::ASSUMED, "b@host", true), (Flags::ASSUMED, "c@host", false), (Flags::DEMANDED, "b@host", false)]
        {
            node.core.far.links.table.at_mut(peer).unwrap().flags = flags;
            let alias = Reference::from_words(Atom::from_str(of), 5, &[0; 12]);
            let to = answer_to(&node.core.far.links, peer, from, Some(alias));
            assert_eq!(to, if expected { To::Alias(alias) } else { To::Pid(from) }, "{of}");
        }
    }

    #[test]
    fn the_end_of_a_monitor_has_the_name_that_was_given() {
        for given in [NamedBy::Name, NamedBy::Pid] {
            let mut storage = Box::new(Storage::new());
            let (mut node, peer) = node(&mut storage);
            let mailbox = node.register("x").unwrap();
            let own = node.pid(mailbox).unwrap();
            let reference = Reference::from_words(Atom::from_str("b@host"), 5, &[0; 12]);
            let kind = WatchKind::Monitor { reference: Words::of(reference), given };
            let watch = Watch::new(Owner::Mailbox(mailbox.0), peer, Number::of(process("b@host")), kind);
            let name = Atom::from_str("x");
            tell(&mut node.core.far.links, 0, &watch, own.as_pid(), name, &mut |t| t.atom("why")).unwrap();
            let sent = node.core.far.links.pending(peer);
            let Control::MonitorExit { from, .. } = ControlMessage::parse(&sent[4..]).unwrap().control else { panic!() };
            assert_eq!(from, if given == NamedBy::Name { Process::Name(name) } else { Process::Pid(own.as_pid()) });
        }
    }
}
