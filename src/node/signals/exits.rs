//! Ends: what an exit signal does, and who is told that a mailbox or the process of a served function ended.

use crate::error::{Error, Full};
use crate::node::core::send::{is_paid, tell};
use crate::node::core::state::{Core, Routed};
use crate::node::forms::atoms::{KILLED, TOO_LARGE};
use crate::node::forms::pid::EncodedPid;
use crate::node::tables::event::Event;
use crate::node::tables::handles::{Handle, Mailbox};
use crate::node::tables::identity::{NAMELESS, job_pid};
use crate::node::tables::links::Stall;
use crate::node::tables::mailbox::Delivery;
use crate::node::tables::record::{Kind, Record};
use crate::node::tables::requests::NO_PEER;
use crate::node::tables::ties::{NamedBy, Owner, WatchKind};
use crate::storage::slots::Key;
use crate::wire::fixed::FixedStr;
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// The cause of an exit signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A call of `exit/2`.
    Asked,
    Link,
    /// The connection broke, and what is due is being delivered.
    Lost,
}

impl Core<'_> {
    /// Does what an exit signal calls for: nothing, a message, or the end.
    pub(crate) fn exit_signal(&mut self, owner: Owner, from: Pid<'_>, reason: Term<'_>, cause: Cause) -> Routed {
        let kill = cause == Cause::Asked && reason.is_atom("kill");
        let key = match owner {
            Owner::Mailbox(key) => key,
            Owner::Job { number, .. } => {
                if kill || !reason.is_atom("normal") {
                    self.job_ends(number, if kill { KILLED } else { reason });
                }
                return Routed::Done;
            }
            Owner::Ended(_) => return Routed::Done,
        };
        if kill {
            self.end_mailbox(key, KILLED.as_bytes());
            return Routed::Done;
        }
        let traps = self.inboxes.table.at(key).is_some_and(|inbox| inbox.traps_exits);
        if !traps {
            if !reason.is_atom("normal") {
                self.end_mailbox(key, reason.as_bytes());
            }
            return Routed::Done;
        }
        let peer = self.far.links.find_up(from.node).unwrap_or(NO_PEER);
        let from = EncodedPid::of(from);
        let record = Record { kind: Kind::Exit, peer, from: from.as_term().as_bytes(), handle: Some(Handle::NONE), term: reason };
        let delivery = match cause {
            Cause::Lost => self.inboxes.deliver(key, &record, &mut self.far.links),
            Cause::Asked | Cause::Link => self.deliver(key, &record),
        };
        match delivery {
            Delivery::Held => Routed::Stalled(Stall::Mailbox(key)),
            Delivery::Done | Delivery::Dropped => Routed::Done,
        }
    }

    /// Ends a mailbox. Everybody who is to be told is, as soon as there is room, and then its place is free.
    pub(crate) fn end_mailbox(&mut self, key: Key, reason: &[u8]) {
        self.put_aside();
        self.inboxes.forget(key, &mut self.far.links);
        self.inboxes.end(key, reason);
        self.mailbox_ended(key);
    }

    /// Does what [`Core::end_mailbox`] does, once the reason is in place.
    pub(crate) fn mailbox_ended(&mut self, key: Key) {
        if let Some(inbox) = self.inboxes.table.at(key) {
            let mut text = FixedStr::new();
            if let Some(reason) = self.inboxes.reason(key) {
                // as much of it as fits
                let _ = core::fmt::write(&mut text, format_args!("{reason}"));
            }
            self.events.push(Event::MailboxEnded { mailbox: Mailbox(key), name: inbox.name.clone(), reason: text });
        }
        self.flow.resume = true;
        self.cluster(|cluster, core| cluster.mailbox_ended(core, key));
        self.drop_requests_of(key);
        self.inboxes.unread.ended.push(&mut self.inboxes.table, key.index);
        self.pay_for_mailbox(key);
    }

    /// Tells those who are to be told that a mailbox ended, as far as there is room.
    pub(crate) fn pay_for_mailbox(&mut self, key: Key) {
        let mut owes = false;
        let mut at = self.far.watches.next_of(Owner::Mailbox(key), None);
        while let Some(watch) = at {
            at = self.far.watches.next_of(Owner::Mailbox(key), Some(watch.index));
            owes |= !self.pay_for_tie(key, watch);
        }
        if self.inboxes.table.at(key).is_some_and(|inbox| inbox.serves) {
            let mut from = 0;
            while let Some(watch) = self.far.watches.table.next_from(from, |watch| watch.owner.is_served_by(key)) {
                from = watch.index.saturating_add(1);
                owes |= !self.pay_for_tie(key, watch);
            }
        }
        // its own monitors are taken back one by one
        owes |= self.far.requests.next_of(key, None).is_some();
        if owes {
            self.flow.owing = true;
        } else {
            self.free_mailbox(key);
        }
    }

    /// Tells one that is tied to a mailbox, or to the process of a function that it served, that the mailbox ended. Returns false where there
    /// is no room.
    fn pay_for_tie(&mut self, mailbox: Key, at: Key) -> bool {
        let Some(watch) = self.far.watches.at(at).copied() else { return true };
        let own = match watch.owner {
            Owner::Mailbox(_) => self.identity.pid(mailbox),
            Owner::Job { number, .. } | Owner::Ended(number) => job_pid(self.identity.node(), self.identity.creation, number),
        };
        let (Some(inbox), Some(reason)) = (self.inboxes.table.at(mailbox), self.inboxes.reason(mailbox)) else { return true };
        let name = Atom::from_str(&inbox.name);
        let told = match tell(&mut self.far.links, 0, &watch, own, name, &mut |t| t.term(reason)) {
            // the reason came in a frame whose names were shorter
            Err(Error::Full(Full::Message { .. })) => tell(&mut self.far.links, 0, &watch, own, name, &mut |t| t.term(TOO_LARGE)),
            told => told,
        };
        let paid = is_paid(&told);
        if paid {
            self.remove_watch(at);
        }
        paid
    }

    fn free_mailbox(&mut self, key: Key) {
        self.inboxes.unread.ended.remove(&mut self.inboxes.table, key.index);
        self.inboxes.table.free(key);
    }

    /// Ends the process of a served function, for a reason of somebody else's.
    pub(crate) fn job_ends(&mut self, number: u64, reason: Term<'_>) {
        let mut next = self.far.watches.next_of_job(number, None);
        while let Some(at) = next {
            next = self.far.watches.next_of_job(number, Some(at.index));
            let Some(watch) = self.far.watches.at(at).copied() else { continue };
            let own = job_pid(self.identity.node(), self.identity.creation, number);
            let told = match tell(&mut self.far.links, 0, &watch, own, NAMELESS, &mut |t| t.term(reason)) {
                // the reason stands in a frame that does not stay
                Err(Error::Full(_)) => tell(&mut self.far.links, 0, &watch, own, NAMELESS, &mut |t| t.term(TOO_LARGE)),
                told => told,
            };
            if is_paid(&told) {
                self.remove_watch(at);
            } else {
                self.peers().end(at, Owner::Ended(number));
                self.flow.owing = true;
            }
        }
    }

    /// Frees the place of a mailbox that has ended and still owes somebody the news: another is to have it.
    #[cold]
    pub(crate) fn free_ended(&mut self) {
        let Some(key) = self.inboxes.unread.ended.first().and_then(|index| self.inboxes.table.key_at(index)) else { return };
        let mut from = 0;
        while let Some(at) = self.far.watches.table.next_from(from, |watch| watch.owner.ends_with(key)) {
            from = at.index.saturating_add(1);
            if let Some(owner) = self.far.watches.at(at).map(|watch| watch.owner) {
                self.peers().end(at, owner);
            }
        }
        self.free_mailbox(key);
        self.flow.pay = true;
    }

    /// Tells those who were not told yet that the process of a served function ended, or a mailbox whose place another has. The reason is gone
    /// with what had it.
    pub(crate) fn pay_the_rest(&mut self) {
        let mut next = self.far.ledger.ended.first();
        while let Some(index) = next {
            next = self.far.ledger.ended.next(&mut self.far.watches.table, index);
            let Some(at) = self.far.watches.table.key_at(index) else { continue };
            let Some(mut watch) = self.far.watches.at(at).copied() else { continue };
            let own = match watch.owner {
                Owner::Ended(number) | Owner::Job { number, .. } => job_pid(self.identity.node(), self.identity.creation, number),
                Owner::Mailbox(key) => self.identity.pid(key),
            };
            // its name is gone, too, in place of which its pid does
            if let WatchKind::Monitor { given, .. } = &mut watch.kind {
                *given = NamedBy::Pid;
            }
            if is_paid(&tell(&mut self.far.links, 0, &watch, own, NAMELESS, &mut |t| t.term(KILLED))) {
                self.remove_watch(at);
            } else {
                self.flow.owing = true;
            }
        }
    }
}
