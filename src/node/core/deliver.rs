//! Bringing messages and signals to mailboxes.

use super::state::{Core, Routed};
use crate::node::tables::event::{Dropped, Event, Receiver};
use crate::node::tables::mailbox::Delivery;
use crate::node::tables::record::Record;
use crate::node::tables::shares;
use crate::node::tables::ties::Owner;
use crate::storage::slots::Key;

impl Core<'_> {
    /// Copies a message into its mailbox, unless something else is to go there first.
    pub(crate) fn deliver(&mut self, inbox: Key, record: &Record<'_>) -> Delivery {
        if self.far.ledger.is_due() && self.is_due(inbox) {
            return Delivery::Held;
        }
        match self.inboxes.deliver(inbox, record, &mut self.far.links) {
            Delivery::Held if self.flow.waiting > 0 => self.make_room(inbox, record),
            delivery => delivery,
        }
    }

    /// Drops what waits for peers that do not take their answers, as far as they have more than their share, so that another's message finds
    /// room.
    #[cold]
    fn make_room(&mut self, inbox: Key, record: &Record<'_>) -> Delivery {
        while let Some((peer, job)) = self.inboxes.drop_waiting(inbox, &mut self.far.links) {
            if let Some(name) = self.inboxes.table.at(inbox).map(|inbox| inbox.name.clone()) {
                self.drop(peer, Receiver::Name(name), Dropped::MailboxFull);
            }
            // its caller is told that it has ended, as soon as there is room
            while let Some(key) = self.far.watches.next_of_job(job, None) {
                self.peers().end(key, Owner::Ended(job));
                self.flow.pay = true;
            }
            match self.inboxes.deliver(inbox, record, &mut self.far.links) {
                Delivery::Held => {}
                delivery => return delivery,
            }
        }
        Delivery::Held
    }

    /// Returns true if something waits for room in the mailbox already. Then it is one that holds others up.
    #[cold]
    fn is_due(&mut self, inbox: Key) -> bool {
        if !self.inboxes.table.at(inbox).is_some_and(|inbox| inbox.held) {
            return false;
        }
        let mut lost = self.far.ledger.lost.first();
        while let Some(index) = lost {
            if self.far.watches.table.tenant(index).is_some_and(|watch| watch.owner == Owner::Mailbox(inbox)) {
                return true;
            }
            lost = self.far.ledger.lost.next(&mut self.far.watches.table, index);
        }
        let mut due = self.far.ledger.due.first();
        while let Some(index) = due {
            if self.far.requests.table.tenant(index).is_some_and(|request| request.mailbox == inbox) {
                return true;
            }
            due = self.far.ledger.due.next(&mut self.far.requests.table, index);
        }
        false
    }

    /// Reports that a peer may have no more links and monitors, once until it has far fewer.
    #[cold]
    pub(crate) fn no_share(&mut self, peer: Key, to: Receiver) {
        if shares::is_news(&mut self.far.links, peer) {
            self.drop(peer, to, Dropped::WatchesFull);
        }
    }

    /// Reports that a message was not delivered.
    #[cold]
    pub(crate) fn drop(&mut self, peer: Key, to: Receiver, why: Dropped) -> Routed {
        if let Some(node) = self.name(peer) {
            self.events.push(Event::Dropped { node, to, why });
        }
        Routed::Done
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::vec::Vec;

    use super::*;
    use crate::node::tables::handles::Handle;
    use crate::node::tables::inbox::Inbox;
    use crate::node::tables::links::{Link, Phase};
    use crate::node::tables::record::Kind;
    use crate::node::tables::ties::{Number, Watch, WatchKind};
    use crate::node::{Config, Mailbox, Node, NodeStorage, Overflow};
    use crate::storage::ring::Ring;
    use crate::wire::ids::{Atom, NodeName, Pid};
    use crate::wire::term::Term;

    type Storage = NodeStorage<3, 2, 4096>;

    fn node(storage: &mut Storage) -> (Node<'_>, [Key; 3], [Mailbox; 2]) {
        let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), storage);
        let links = &mut node.core.far.links.table;
        let peers = ["b@host", "c@host", "d@host"].map(|name| {
            let link = Link::new(NodeName::new(name).unwrap(), Phase::Up);
            links.insert(link).ok().unwrap()
        });
        let mailboxes = [node.register("").unwrap(), node.register("").unwrap()];
        (node, peers, mailboxes)
    }

    /// Delivers a binary of a peer's that is all this byte.
    fn bring(node: &mut Node<'_>, mailbox: Mailbox, peer: Key, byte: u8, len: u8) {
        let mut binary = [byte; 260];
        binary[..5].copy_from_slice(&[109, 0, 0, 0, len]);
        let term = Term::trusted(&binary[..5 + usize::from(len)]);
        let record = Record { kind: Kind::Message, peer, from: &[], handle: None, term };
        assert!(matches!(node.core.deliver(mailbox.0, &record), Delivery::Done));
    }

    fn next(node: &mut Node<'_>, mailbox: Mailbox) -> Option<u8> {
        let (message, _) = node.recv(mailbox)?;
        message.term().as_binary().and_then(|bytes| bytes.first().copied())
    }

    fn unread(node: &Node<'_>, peer: Key) -> usize {
        node.core.far.links.table.at(peer).map_or(0, |link| link.unread)
    }

    /// Lets the messages of a peer wait until it has taken its answers.
    fn waits(node: &mut Node<'_>, peer: Key) {
        node.core.far.links.table.at_mut(peer).unwrap().waits = true;
        node.core.flow.waiting += 1;
    }

    #[test]
    fn what_was_taken_from_between_others_is_gone_when_one_of_them_makes_room() {
        let mut storage = Box::new(Storage::new());
        let (mut node, [b, c, d], [mailbox, _]) = node(&mut storage);
        bring(&mut node, mailbox, b, 1, 1);
        bring(&mut node, mailbox, c, 2, 1);
        (0..3).for_each(|_| bring(&mut node, mailbox, d, 3, 240));
        // most of what it has is elsewhere
        node.core.far.links.table.at_mut(d).unwrap().unread += 100_000;
        waits(&mut node, b);
        waits(&mut node, d);
        assert_eq!(next(&mut node, mailbox), Some(2));
        let dropped = node.core.inboxes.drop_waiting(mailbox.0, &mut node.core.far.links);
        assert_eq!(dropped, Some((d, 0)));
        assert_eq!((next(&mut node, mailbox), unread(&node, c)), (None, 0));
        node.core.no_more_waits(b);
        node.core.no_more_waits(d);
        let all: Vec<_> = std::iter::from_fn(|| next(&mut node, mailbox)).collect();
        assert_eq!(all, [1, 3, 3]);
        assert_eq!([b, c, d].map(|peer| unread(&node, peer)), [0, 0, 100_000]);
    }

    #[test]
    fn room_is_made_of_what_waits_alone() {
        let mut storage = Box::new(Storage::new());
        let (mut node, [_, c, d], [mailbox, _]) = node(&mut storage);
        for (peer, byte) in [(c, 2), (d, 3)] {
            bring(&mut node, mailbox, peer, byte, 240);
            node.core.far.links.table.at_mut(peer).unwrap().unread += 100_000;
        }
        waits(&mut node, d);
        let dropped = [(); 2].map(|()| node.core.inboxes.drop_waiting(mailbox.0, &mut node.core.far.links));
        assert_eq!(dropped, [Some((d, 0)), None]);
        assert_eq!((next(&mut node, mailbox), next(&mut node, mailbox)), (Some(2), None));
    }

    /// What a peer has unread is what lies in mailboxes that are there, whatever was done last with the one that ends.
    #[test]
    fn the_end_of_a_mailbox_leaves_what_is_unread_in_others() {
        for puts_back in [true, false] {
            let mut storage = Box::new(Storage::new());
            let (mut node, [b, c, _], [mailbox, other]) = node(&mut storage);
            bring(&mut node, mailbox, b, 1, 1);
            bring(&mut node, mailbox, c, 2, 1);
            if puts_back {
                node.recv(mailbox).unwrap().0.put_back();
            } else {
                waits(&mut node, b);
                bring(&mut node, other, c, 3, 100);
                assert_eq!(next(&mut node, mailbox), Some(2));
            }
            let kept = if puts_back { 0 } else { unread(&node, c) };
            node.close_mailbox(mailbox, |t| t.atom("normal")).unwrap();
            node.poll_wake();
            assert_eq!((unread(&node, b), unread(&node, c)), (0, kept), "{puts_back}");
        }
    }

    /// A mailbox whose messages wait gives the answer to a call that came behind them, and loses none of them for it.
    #[cfg(feature = "std")]
    #[test]
    fn an_answer_is_found_behind_what_waits() {
        let mut storage = Box::new(Storage::new());
        let (mut node, [b, ..], [mailbox, _]) = node(&mut storage);
        bring(&mut node, mailbox, b, 1, 1);
        waits(&mut node, b);
        let mut out = node.outbox(mailbox).unwrap();
        out.call(("x", "c@host"), None, |t| t.nil()).unwrap();
        let call = out.call(("x", "c@host"), None, |t| t.nil()).unwrap();
        for _ in 0..2 {
            assert_eq!(node.is_answer_next(call), Ok(false));
            node.poll_wake();
        }
        assert_eq!(node.is_answer_next(call), Ok(false));
        assert!(!node.poll_wake(), "nothing to do until something comes");
        node.core.connection_lost(node.core.far.links.find(Atom::from_str("c@host")).unwrap());
        assert_eq!(node.is_answer_next(call), Ok(true));
        {
            let (message, _) = node.recv(mailbox).unwrap();
            assert!(matches!(message.received(), crate::node::Received::Answer { request, .. } if request == call));
        }
        node.core.no_more_waits(b);
        assert_eq!(next(&mut node, mailbox), Some(1));
    }

    /// What is due to a mailbox goes there before anything else, and holds up nobody who has something for another one.
    #[test]
    fn what_is_due_to_a_full_mailbox_is_the_next_for_it() {
        for by_link in [true, false] {
            let mut storage = Box::new(Storage::new());
            let (mut node, [b, c, _], [mailbox, other]) = node(&mut storage);
            node.trap_exit(mailbox, true).unwrap();
            let mut out = node.outbox(mailbox).unwrap();
            if by_link {
                out.link(Pid { node: Atom::from_str("c@host"), id: 9, serial: 0, creation: 5 }).unwrap();
            } else {
                out.monitor(("x", "c@host")).unwrap();
            }
            let brings = |node: &mut Node<'_>, to: Mailbox| {
                // who holds nothing may take what there is
                node.core.far.links.table.at_mut(b).unwrap().unread = 0;
                let record = Record { kind: Kind::Message, peer: b, from: &[], handle: None, term: Term::trusted(&[106]) };
                matches!(node.core.deliver(to.0, &record), Delivery::Done)
            };
            bring(&mut node, mailbox, b, 1, 240);
            while brings(&mut node, mailbox) {}
            node.core.connection_lost(c);
            node.core.tell_lost();
            assert!(node.core.far.ledger.is_due() && brings(&mut node, other));
            // there is room, which nobody has tried yet
            assert_eq!(next(&mut node, mailbox), Some(1));
            assert!(!brings(&mut node, mailbox) && brings(&mut node, other));
            node.core.tell_lost();
            assert!(!node.core.far.ledger.is_due());
            assert!(brings(&mut node, mailbox));
        }
    }

    /// However much a peer holds elsewhere.
    #[test]
    fn of_a_mailbox_that_is_not_half_full_anybody_may_have() {
        let mut storage = Box::new(Storage::new());
        let (mut node, _, [mailbox, _]) = node(&mut storage);
        let memory = &mut [0; 4096];
        let inbox = node.core.inboxes.table.at_mut(mailbox.0).unwrap();
        let takes = |inbox: &Inbox| inbox.takes(100_000, 1, 4096);
        assert!(takes(inbox));
        // four bytes stand in front of each record
        inbox.ring.push(memory, 2047 - 4).unwrap();
        assert!(inbox.ring.free(4096) == 2049 && takes(inbox));
        let mut full = Ring::EMPTY;
        full.push(memory, 2048 - 4).unwrap();
        inbox.ring = full;
        assert!(inbox.ring.free(4096) == 2048 && !takes(inbox));
    }

    /// Nobody waits for ever for room that there never will be, and what was dropped for it is not shown.
    #[test]
    fn what_no_mailbox_holds_is_dropped() {
        for overflow in [Overflow::Hold, Overflow::DropOldest] {
            let mut storage = Box::new(Storage::new());
            let (mut node, [b, ..], [mailbox, other]) = node(&mut storage);
            node.set_overflow(mailbox, overflow).unwrap();
            if overflow == Overflow::DropOldest {
                bring(&mut node, mailbox, b, 1, 1);
            }
            let mut binary = [7; 5000];
            binary[..5].copy_from_slice(&[109, 0, 0, 0x13, 0x83]);
            let record =
                Record { kind: Kind::Exit, peer: b, from: &[], handle: Some(Handle::NONE), term: Term::trusted(&binary) };
            assert!(matches!(node.core.deliver(mailbox.0, &record), Delivery::Dropped));
            assert!(node.poll_mailbox().is_none() && node.dropped(mailbox) > 0);
            bring(&mut node, other, b, 2, 1);
            assert_eq!(node.poll_mailbox(), Some(other));
        }
    }

    #[test]
    fn a_mailbox_that_dropped_the_newest_is_shown_the_same() {
        let mut storage = Box::new(Storage::new());
        let (mut node, [b, ..], [mailbox, _]) = node(&mut storage);
        node.set_overflow(mailbox, Overflow::DropNewest).unwrap();
        let record = Record { kind: Kind::Message, peer: b, from: &[], handle: None, term: Term::trusted(&[106]) };
        while matches!(node.core.deliver(mailbox.0, &record), Delivery::Done) {}
        assert_eq!((node.dropped(mailbox), node.poll_mailbox()), (1, Some(mailbox)));
    }

    /// Once until half of what it had is given back; to one that had nothing, each time that it has had something since.
    #[test]
    fn who_may_have_no_more_is_told_of_again() {
        for (held, added, removed, is_news) in
            [(0, 0, 0, false), (0, 1, 0, true), (1, 1, 0, false), (4, 0, 1, false), (4, 0, 2, true), (4, 0, 3, true)]
        {
            let mut storage = Box::new(Storage::new());
            let (mut node, [b, ..], [mailbox, _]) = node(&mut storage);
            let add = |node: &mut Node<'_>, id: u32| {
                let number = Number::of(Pid { node: Atom::from_str("b@host"), id, serial: 0, creation: 5 });
                node.core.peers().add_watch(Watch::new(Owner::Mailbox(mailbox.0), b, number, WatchKind::Link));
            };
            (0..held).for_each(|id| add(&mut node, id));
            assert!(shares::is_news(&mut node.core.far.links, b));
            (0..added).for_each(|id| add(&mut node, 100 + id));
            for _ in 0..removed {
                let key = node.core.far.watches.table.next_from(0, |_| true).unwrap();
                node.core.remove_watch(key);
            }
            assert_eq!(shares::is_news(&mut node.core.far.links, b), is_news, "{held}, {added}, {removed}");
        }
    }
}
