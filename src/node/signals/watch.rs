//! Links, and the monitors that processes of peers have on what is here: made, taken back, broken.
//!
//! Protocol: erl_dist_protocol, "Link Protocol" and the control messages LINK to PAYLOAD_MONITOR_P_EXIT.

use super::exits::Cause;
use crate::node::core::state::{Core, Reason, Routed};
use crate::node::forms::atoms::{NOPROC, NOTSUP, SYSTEM_LIMIT};
use crate::node::tables::event::Dropped;
use crate::node::tables::ties::{NamedBy, Number, Owner, Watch, WatchKind, Words};
use crate::storage::slots::Key;
use crate::wire::control::{Control, Process, To};
use crate::wire::ids::{Pid, Reference};
use crate::wire::term::Term;

impl Core<'_> {
    /// Links a process of the peer to something here.
    pub(crate) fn linked(&mut self, peer: Key, from: Pid<'_>, to: Pid<'_>) {
        let exit = Control::Exit { from: to, to: from, reason: None };
        let Some(owner) = self.owner(Process::Pid(to)) else {
            // what the core itself answers for lasts as long as the node does
            if !self.is_core(Process::Pid(to)) {
                self.answer_exit(peer, &exit, NOPROC);
            }
            return;
        };
        // one that was unlinked here stays so: the peer has our unlink yet to come
        if self.far.watches.find_link(owner, peer, Number::of(from)).is_some() {
            return;
        }
        if self.peers().has_share(peer, 1) {
            self.peers().add_watch(Watch::new(owner, peer, Number::of(from), WatchKind::Link));
        } else {
            self.no_share(peer, To::Pid(to).into());
            self.answer_exit(peer, &exit, SYSTEM_LIMIT);
        }
    }

    /// Ends the link of a process of the peer. The acknowledgement goes before anything else that is sent to it.
    pub(crate) fn unlinked(&mut self, peer: Key, id: u64, from: Pid<'_>, to: Pid<'_>) {
        if let Some(key) = self.link_of(peer, to, from).filter(|key| self.far.watches.at(*key).is_some_and(Watch::is_active)) {
            self.remove_watch(key);
        }
        if id > 0 {
            self.answer(peer, &Control::UnlinkAck { id, from: to, to: from });
        }
    }

    /// Notes that the peer has seen our unlink: the link can be made anew, or was, and what comes from now on is the new one's.
    pub(crate) fn unlink_acknowledged(&mut self, peer: Key, id: u64, from: Pid<'_>, to: Pid<'_>) {
        let is_it = |watch: &Watch| matches!(watch.kind, WatchKind::Unlinking(ours) | WatchKind::Again(ours) if ours == id);
        if let Some(key) = self.link_of(peer, to, from).filter(|key| self.far.watches.at(*key).is_some_and(is_it)) {
            self.peers().unlink_is_over(key);
        }
    }

    /// Finds the link between `to`, which is here, and `from`, whether active or not.
    fn link_of(&mut self, peer: Key, to: Pid<'_>, from: Pid<'_>) -> Option<Key> {
        let owner = self.owner(Process::Pid(to))?;
        self.far.watches.find_link(owner, peer, Number::of(from))
    }

    /// Notes that a process of the peer monitors something here.
    pub(crate) fn monitored(&mut self, peer: Key, from: Pid<'_>, to: Process<'_>, reference: Reference<'_>) {
        let down = Control::MonitorExit { from: to, to: from, reference, reason: None };
        let Some(owner) = self.owner(to) else {
            if !self.is_core(to) {
                self.answer_exit(peer, &down, NOPROC);
            }
            return;
        };
        if reference.node != from.node {
            // only the words of a reference are kept
            return self.answer_exit(peer, &down, NOTSUP);
        }
        let given = if matches!(to, Process::Name(_)) { NamedBy::Name } else { NamedBy::Pid };
        let kind = WatchKind::Monitor { reference: Words::of(reference), given };
        if self.peers().has_share(peer, 1) {
            self.peers().add_watch(Watch::new(owner, peer, Number::of(from), kind));
        } else {
            self.no_share(peer, to.into());
            self.answer_exit(peer, &down, SYSTEM_LIMIT);
        }
    }

    /// Tells whoever made a call here that it cannot be received: as if what was called had ended, since a call has no other answer that its
    /// caller takes for an error.
    pub(crate) fn call_refused(&mut self, peer: Key, to: To<'_>, from: Pid<'_>, reference: Reference<'_>, why: Term<'_>) {
        let process = match to {
            To::Pid(pid) => Process::Pid(pid),
            To::Name(name) => Process::Name(name),
            To::Alias(_) => return,
        };
        let is_theirs = self.far.links.table.at(peer).is_some_and(|link| from.node == *link.name.as_str());
        if is_theirs && reference.node == from.node {
            self.demonitored(peer, from, reference);
            self.answer_exit(peer, &Control::MonitorExit { from: process, to: from, reference, reason: None }, why);
        }
    }

    /// Ends the monitor of a process of the peer. When nobody waits for a served function any more, its process is over.
    pub(crate) fn demonitored(&mut self, peer: Key, from: Pid<'_>, reference: Reference<'_>) {
        if let Some(key) = self.far.watches.find_monitor(peer, Number::of(from), &Words::of(reference)) {
            self.remove_watch(key);
        }
    }

    /// Takes the end of a process of the peer that was linked to something here.
    pub(crate) fn link_broken(&mut self, peer: Key, from: Pid<'_>, to: Pid<'_>, reason: Reason<'_>) -> Routed {
        let Some(owner) = self.owner(Process::Pid(to)) else { return Routed::Done };
        let Some(key) = self.far.watches.find_link(owner, peer, Number::of(from)) else { return Routed::Done };
        // until our unlink is acknowledged this is from before it
        if self.far.watches.at(key).is_none_or(|watch| watch.kind != WatchKind::Link) {
            return Routed::Done;
        }
        // taken out first: a mailbox that ends by it does not tell the process which has
        let watch = self.remove_watch(key);
        let routed = self.exit_signal(owner, from, reason.unwrap_or_else(|why| why), Cause::Link);
        if let (Routed::Stalled(_), Some(watch)) = (&routed, watch) {
            // into the place that was just freed
            self.peers().add_watch(watch);
        }
        routed
    }

    /// Does what `exit(To, Reason)` of a peer's process asks for.
    pub(crate) fn told_to_exit(&mut self, peer: Key, from: Pid<'_>, to: To<'_>, reason: Reason<'_>) -> Routed {
        let owner = match to {
            To::Pid(pid) => self.owner(Process::Pid(pid)),
            To::Name(name) => self.owner(Process::Name(name)),
            To::Alias(alias) => self.aliased(alias).map(Owner::Mailbox),
        };
        match owner {
            Some(owner) => self.exit_signal(owner, from, reason.unwrap_or_else(|why| why), Cause::Asked),
            None => self.drop(peer, to.into(), Dropped::NoReceiver),
        }
    }
}
