//! Answers to what this node asked of others, and what becomes of a request that nobody waits for.

use crate::error::{Error, Full};
use crate::node::core::send::take_back;
use crate::node::core::state::{Core, Reason, Routed};
use crate::node::forms::atoms::{NOCONNECTION, NOTSUP, TIMEOUT};
use crate::node::forms::tag::answer_tag;
use crate::node::tables::handles::Handle;
use crate::node::tables::links::Stall;
use crate::node::tables::mailbox::Delivery;
use crate::node::tables::record::{Kind, Record};
use crate::node::tables::requests::{Ask, Asked, NO_PEER, Outcome, OwnWords, Stage, Target};
use crate::node::tables::ties::{Number, Watch, WatchKind};
use crate::storage::slots::Key;
use crate::wire::codes::op;
use crate::wire::control::To;
use crate::wire::ids::Reference;
use crate::wire::term::Term;

impl Core<'_> {
    /// Finds the call that a message is the answer to. It goes by the address, or by the tag where that has to do.
    pub(crate) fn answered(&self, to: To<'_>, term: Term<'_>) -> Option<Key> {
        let (reference, mailbox) = match to {
            To::Alias(alias) => (alias, None),
            To::Pid(pid) if self.far.ledger.calls > 0 => (answer_tag(term)?, Some(self.inboxes.by_pid(pid)?)),
            _ => return None,
        };
        let key = self.request(reference)?;
        let request = self.far.requests.at(key).filter(|request| request.is_call())?;
        mailbox.is_none_or(|mailbox| mailbox == request.mailbox).then_some(key)
    }

    /// Returns true if a message is the answer to a call that nobody waits for any more, on its way to a pid.
    pub(crate) fn is_late(&self, term: Term<'_>) -> bool {
        answer_tag(term).is_some_and(|tag| self.identity.is_own(tag.node, tag.creation) && self.request(tag).is_none())
    }

    /// Takes the answer to a call of ours.
    pub(crate) fn reply(&mut self, key: Key, term: Term<'_>) -> Routed {
        let Some(request) = self.far.requests.at(key) else { return Routed::Done };
        if request.state != Stage::Waiting {
            return Routed::Done;
        }
        match self.settle(key, Kind::Reply, term) {
            Routed::Done => {}
            stalled @ Routed::Stalled(_) => return stalled,
        }
        self.leave(key);
        Routed::Done
    }

    /// Takes the answer to a call of ours that cannot be received: it is too large, or nested too deep.
    pub(crate) fn reply_refused(&mut self, reference: Reference<'_>, why: Term<'_>) -> Routed {
        let waiting = |request: &Asked| request.is_call() && request.state == Stage::Waiting;
        let Some(key) = self.request(reference).filter(|key| self.far.requests.at(*key).is_some_and(waiting)) else {
            return Routed::Done;
        };
        if let stalled @ Routed::Stalled(_) = self.settle(key, Kind::NotSpawned, why) {
            return stalled;
        }
        self.leave(key);
        Routed::Done
    }

    /// Brings the outcome of a request to its mailbox.
    fn settle(&mut self, key: Key, kind: Kind, term: Term<'_>) -> Routed {
        let Some(request) = self.far.requests.at(key) else { return Routed::Done };
        let handle = Some(Handle { index: key.index, number: request.number });
        let (mailbox, peer) = (request.mailbox, request.peer);
        match self.deliver(mailbox, &Record { kind, peer, from: &[], handle, term }) {
            Delivery::Held => Routed::Stalled(Stall::Mailbox(mailbox)),
            Delivery::Done | Delivery::Dropped => Routed::Done,
        }
    }

    /// Takes back a request that nobody waits for any more; what cannot be told now is owed.
    pub(crate) fn leave(&mut self, key: Key) {
        if self.far.requests.at(key).is_some_and(|request| request.state != Stage::Leaving) {
            self.peers().set_stage(key, Stage::Leaving);
        }
        let Some(request) = self.far.requests.at(key) else { return };
        // an alias has no peer, and nothing is sent for it
        match take_back(&self.identity, &mut self.far.links, key, request, 0) {
            Ok(true) => self.remove_request(key),
            // the answer to the spawn request says whom
            Ok(false) => {}
            Err(Error::Full(Full::Transmit { .. })) => self.flow.owing = true,
            Err(e) => {
                let peer = request.peer;
                self.unsent(peer, format_args!("a monitor could not be taken back: {e}"));
                self.remove_request(key);
            }
        }
    }

    fn remove_request(&mut self, key: Key) {
        // a mailbox that ended may have waited for this alone
        self.flow.pay |= self.flow.owing;
        self.peers().remove_request(key);
    }

    /// Takes the end of what was monitored.
    pub(crate) fn monitor_ended(&mut self, peer: Key, reference: Reference<'_>, reason: Reason<'_>) -> Routed {
        let Some(key) = self.asked_of(peer, reference) else {
            let own = OwnWords::read(reference).filter(|_| self.identity.is_own(reference.node, reference.creation));
            if let Some(handle) = own.filter(|handle| handle.index == Handle::CLUSTER) {
                self.cluster(|cluster, core| cluster.ended(core, peer, handle.number, reason));
            }
            return Routed::Done;
        };
        let Some(request) = self.far.requests.at(key) else { return Routed::Done };
        if request.state == Stage::Waiting {
            // the value of a function is in the reason
            let kind = if reason.is_err() && request.kind == Ask::Spawn { Kind::NotSpawned } else { request.ended() };
            if let stalled @ Routed::Stalled(_) = self.settle(key, kind, reason.unwrap_or_else(|why| why)) {
                return stalled;
            }
        }
        self.over(key);
        Routed::Done
    }

    /// Notes that the peer has said its last word on a request. If its outcome still waits for room, that is all it waits for.
    fn over(&mut self, key: Key) {
        if self.far.requests.at(key).is_some_and(|request| matches!(request.state, Stage::Due(_))) {
            self.peers().disown(key);
        } else {
            self.remove_request(key);
        }
    }

    /// Takes the answer to a spawn request: the process, or an atom that says why there is none.
    pub(crate) fn spawned(&mut self, peer: Key, reference: Reference<'_>, result: Term<'_>) -> Routed {
        let Some(key) = self.asked_of(peer, reference) else { return Routed::Done };
        let Some(request) = self.far.requests.at_mut(key).filter(|request| request.kind == Ask::Spawn) else {
            return Routed::Done;
        };
        if let Some(pid) = result.as_pid() {
            request.target = Target::Pid(Number::of(pid));
            if request.state == Stage::Leaving {
                self.leave(key);
            }
            return Routed::Done;
        }
        if request.state == Stage::Waiting {
            if let stalled @ Routed::Stalled(_) = self.settle(key, Kind::NotSpawned, result) {
                return stalled;
            }
        }
        self.over(key);
        Routed::Done
    }

    /// Looks again, now that the flags of a peer are known, at what was asked and said before they were.
    pub(crate) fn flags_known(&mut self, peer: Key) {
        self.far.links.sift(peer);
        let size = self.far.links.sending.size();
        let Some(link) = self.far.links.table.at_mut(peer) else { return };
        self.flow.room |= link.has_room_again(size);
        let flags = link.flags;
        if !flags.allow(op::SPAWN_REQUEST) {
            self.each_asked_of(peer, |core, key, kind, stage| match stage {
                _ if kind != Ask::Spawn => {}
                Stage::Leaving => core.remove_request(key),
                Stage::Waiting => core.peers().refuse(key),
                Stage::Refused | Stage::Due(_) => core.peers().disown(key),
            });
        }
        if !flags.allow(op::UNLINK_ID) {
            // nothing will be acknowledged
            let waits = |watch: &Watch| watch.peer == peer && matches!(watch.kind, WatchKind::Unlinking(_) | WatchKind::Again(_));
            let mut from = 0;
            while let Some(key) = self.far.watches.table.next_from(from, waits) {
                from = key.index.saturating_add(1);
                self.peers().unlink_is_over(key);
            }
        }
    }

    /// Calls `each` with every request that a peer is asked for.
    fn each_asked_of(&mut self, peer: Key, each: impl Fn(&mut Self, Key, Ask, Stage)) {
        let (count, mut from) = (self.far.links.table.at(peer).map_or(0, |link| link.asked), 0);
        for _ in 0..count {
            let Some(key) = self.far.requests.table.next_from(from, |request| request.peer == peer) else { return };
            from = key.index.saturating_add(1);
            let Some(request) = self.far.requests.at(key) else { return };
            let (kind, stage) = (request.kind, request.state);
            each(self, key, kind, stage);
        }
    }

    /// Ends what was asked over a connection that is no more.
    pub(crate) fn requests_lost(&mut self, peer: Key) {
        self.each_asked_of(peer, |core, key, _, stage| match stage {
            Stage::Waiting => core.peers().set_stage(key, Stage::Due(Outcome::NoConnection)),
            Stage::Due(_) | Stage::Refused => {}
            Stage::Leaving => core.remove_request(key),
        });
    }

    /// Takes back the requests of a mailbox that ended, and waits for nothing any more.
    pub(crate) fn drop_requests_of(&mut self, mailbox: Key) {
        let mut next = self.far.requests.next_of(mailbox, None);
        while let Some(key) = next {
            next = self.far.requests.next_of(mailbox, Some(key.index));
            self.leave(key);
        }
    }

    /// Brings outcomes that this node knows by itself to mailboxes, as far as they have room.
    pub(crate) fn answer_due(&mut self) {
        let mut next = self.far.ledger.due.first();
        while let Some(index) = next {
            next = self.far.ledger.due.next(&mut self.far.requests.table, index);
            let Some(key) = self.far.requests.table.key_at(index) else { continue };
            let Some(request) = self.far.requests.at(key) else { continue };
            let Stage::Due(outcome) = request.state else { continue };
            let (kind, term) = match outcome {
                Outcome::NoConnection => (request.ended(), NOCONNECTION),
                Outcome::NotSupported => (Kind::NotSpawned, NOTSUP),
                Outcome::Timeout => (Kind::Timeout, TIMEOUT),
            };
            // counted as due no more while it is delivered, since nothing is delivered past what is due
            let handle = Some(Handle { index: key.index, number: request.number });
            let mailbox = request.mailbox;
            let record = Record { kind, peer: NO_PEER, from: &[], handle, term };
            if matches!(self.inboxes.deliver(mailbox, &record, &mut self.far.links), Delivery::Held) {
                continue;
            }
            match outcome {
                Outcome::NoConnection | Outcome::NotSupported => self.remove_request(key),
                Outcome::Timeout => self.leave(key),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::ToOwned;
    use std::boxed::Box;
    use std::string::ToString;
    use std::vec::Vec;

    use super::*;
    use crate::node::{Config, Node, NodeStorage, Received};
    use crate::wire::codes::Flags;
    use crate::wire::control::{Control, ControlMessage};
    use crate::wire::frame::{self, Frame, HEADER};
    use crate::wire::ids::{Atom, Pid};

    /// What a peer does not acknowledge is none of its links and monitors any more.
    #[test]
    fn an_unlink_that_nobody_acknowledges_gives_its_place_back() {
        let mut storage = Box::new(NodeStorage::<2, 1, 4096>::new());
        let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let pid = Pid { node: Atom::from_str("b@host"), id: 9, serial: 0, creation: 5 };
        let mut out = node.outbox(mailbox).unwrap();
        out.link(pid).unwrap();
        out.unlink(pid).unwrap();
        let (peer, _) = node.core.far.links.table.tenants().next().unwrap();
        let held = |node: &Node<'_>| node.core.far.links.table.at(peer).map(|link| link.watches);
        assert_eq!((held(&node), node.in_use().watches), (Some(1), 1));
        if let Some(link) = node.core.far.links.table.at_mut(peer) {
            link.flags = Flags::DEMANDED;
        }
        // what is said from now on is not waited for
        let mut out = node.outbox(mailbox).unwrap();
        out.link(pid).unwrap();
        out.unlink(pid).unwrap();
        assert_eq!(node.in_use().watches, 0);
        // of one that does acknowledge
        let mut out = node.outbox(mailbox).unwrap();
        let other = Pid { node: Atom::from_str("c@host"), ..pid };
        out.link(other).unwrap();
        out.unlink(other).unwrap();
        node.core.flags_known(peer);
        assert_eq!((held(&node), node.in_use().watches), (Some(0), 1));
    }

    /// A function is not asked for, and nothing else that was asked is touched.
    #[cfg(feature = "std")]
    #[test]
    fn who_takes_no_spawn_requests_is_asked_the_rest() {
        let mut storage = Box::new(NodeStorage::<2, 1, 4096>::new());
        let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let mut out = node.outbox(mailbox).unwrap();
        out.monitor(("x", "b@host")).unwrap();
        out.call(("x", "b@host"), None, |t| t.nil()).unwrap();
        let function = out.rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
        let (peer, _) = node.core.far.links.table.tenants().next().unwrap();
        if let Some(link) = node.core.far.links.table.at_mut(peer) {
            link.flags = Flags::DEMANDED;
        }
        node.core.flags_known(peer);
        node.handle_timeout(crate::time::Instant::from_millis(1));
        {
            let (message, _) = node.recv(mailbox).unwrap();
            let Received::Answer { request, result: Err(failure) } = message.received() else { panic!("{message:?}") };
            assert_eq!((request, failure.to_string()), (function, "the peer cannot do it: notsup".to_owned()));
        }
        assert!(node.recv(mailbox).is_none());
        let stages = node.core.far.requests.table.tenants().map(|(_, request)| request.state);
        assert!(stages.eq([Stage::Waiting, Stage::Waiting]));
    }

    /// The operations of what waits to be sent, and the creation of the leader that a spawn request names.
    fn waiting(node: &Node<'_>, peer: Key) -> Vec<(u8, Option<u32>)> {
        let mut rest = node.core.far.links.pending(peer);
        let mut all = Vec::new();
        while let Frame::Whole(body) = frame::next(rest, rest.len()) {
            let message = ControlMessage::parse(body).unwrap();
            let leader = if let Control::SpawnRequest { leader, .. } = message.control { Some(leader.creation) } else { None };
            all.push((message.op, leader));
            rest = &rest[HEADER + body.len()..];
        }
        all
    }

    /// What a peer does not understand is not sent to it, or in older words; and the process that leads is one of its life now.
    #[test]
    fn what_waited_for_a_peer_is_put_as_it_understands_it() {
        for (flags, expected) in [
            (Flags::ASSUMED, &[(op::LINK, None), (op::UNLINK_ID, None), (op::MONITOR_P, None), (op::SPAWN_REQUEST, Some(9))][..]),
            (Flags::DEMANDED, &[(op::LINK, None), (op::UNLINK, None)]),
        ] {
            let mut storage = Box::new(NodeStorage::<2, 1, 4096>::new());
            let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), &mut storage);
            let mailbox = node.register("").unwrap();
            let pid = Pid { node: Atom::from_str("b@host"), id: 1, serial: 0, creation: 9 };
            let mut out = node.outbox(mailbox).unwrap();
            out.link(pid).unwrap();
            out.unlink(pid).unwrap();
            out.monitor(("x", "b@host")).unwrap();
            out.rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
            out.send(("x", "b@host"), |t| t.nil()).unwrap();
            let (peer, _) = node.core.far.links.table.tenants().next().unwrap();
            if let Some(link) = node.core.far.links.table.at_mut(peer) {
                (link.flags, link.creation) = (flags, 9);
            }
            node.core.flags_known(peer);
            let message = [(op::REG_SEND, None)];
            assert_eq!(waiting(&node, peer), [expected, &message].concat());
            // and what is asked from now on
            if flags == Flags::ASSUMED {
                node.outbox(mailbox).unwrap().rpc("b@host", "m", "f", None, |t| t.nil()).unwrap();
                assert_eq!(waiting(&node, peer).last(), Some(&(op::SPAWN_REQUEST, Some(9))));
            }
        }
    }
    /// OTP 23 has no number for it, and knows no acknowledgement.
    #[test]
    fn an_unlink_without_a_number_is_not_acknowledged() {
        let mut storage = Box::new(NodeStorage::<2, 1, 4096>::new());
        let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let own = node.pid(mailbox).unwrap();
        let theirs = Pid { node: Atom::from_str("b@host"), id: 1, serial: 0, creation: 9 };
        node.outbox(mailbox).unwrap().link(theirs).unwrap();
        let (peer, _) = node.core.far.links.table.tenants().next().unwrap();
        for (id, expected) in [(0, &[][..]), (9, &[(op::UNLINK_ID_ACK, None)])] {
            node.core.unlinked(peer, id, theirs, own.as_pid());
            assert_eq!(waiting(&node, peer), [&[(op::LINK, None)], expected].concat());
        }
    }
}
