//! What this node has to do with others: the connections, what ties processes there to what is here, and what was asked of them.

use core::time::Duration;

use super::ledger::Ledger;
use super::links::{FrameWriter, Link, Links, Phase, RESERVED};
use super::requests::{Ask, Asked, Limit, NO_PEER, Requests, Stage, Target};
use super::shares::may_take;
use super::ties::{Number, Owner, Watch, WatchKind, Watches};
use crate::error::{Error, Full};
use crate::storage::chains::Chain;
use crate::storage::queue::Turn;
use crate::storage::slots::Key;
use crate::wire::ids::{Atom, NodeName, Pid};

/// The tables of these.
pub(crate) struct Far<'s> {
    pub(crate) links: Links<'s>,
    pub(crate) watches: Watches<'s>,
    pub(crate) requests: Requests<'s>,
    pub(crate) ledger: Ledger,
}

/// The same tables, lent for a shorter time.
pub(crate) struct Peers<'p> {
    pub(crate) links: Links<'p>,
    pub(crate) watches: Watches<'p>,
    pub(crate) requests: Requests<'p>,
    pub(crate) ledger: &'p mut Ledger,
}

/// Whoever has the tables, by whatever memory they lie in: so that what acts on them can be lent without them, and is small.
pub(crate) trait Lend {
    fn peers(&mut self) -> Peers<'_>;

    /// Begins a frame of the program's to a node; `None` if there is no connection, nor one that is being made.
    fn begin(&mut self, node: Atom<'_>) -> Option<Result<FrameWriter<'_>, Error>>;

    fn name(&self, peer: Key) -> Option<&NodeName>;
}

impl Lend for Far<'_> {
    #[inline]
    fn peers(&mut self) -> Peers<'_> {
        let (links, watches, requests) = (self.links.lend(), self.watches.lend(), self.requests.lend());
        Peers { links, watches, requests, ledger: &mut self.ledger }
    }

    fn begin(&mut self, node: Atom<'_>) -> Option<Result<FrameWriter<'_>, Error>> {
        // nearly always the one that something went to last
        let is_it = |link: &Link| node.utf8_bytes() == Some(link.name.as_str().as_bytes());
        let is_last = self.links.table.at(self.ledger.last_peer).is_some_and(is_it);
        if !is_last {
            self.ledger.last_peer = self.links.find(node)?;
        }
        Some(self.links.begin(self.ledger.last_peer, RESERVED))
    }

    fn name(&self, peer: Key) -> Option<&NodeName> {
        self.links.table.at(peer).map(|link| &link.name)
    }
}

impl Peers<'_> {
    /// Returns true if a peer may have so many links and monitors more.
    pub(crate) fn has_share(&self, peer: Key, more: usize) -> bool {
        let room = self.watches.table.room();
        // where there is place for one peer alone, nobody else has claims
        if self.links.table.capacity() == 1 {
            return room >= more;
        }
        let held = self.links.table.at(peer).map_or(0, |link| link.watches.into());
        may_take(held, more, room)
    }

    /// Adds a link or a monitor, for which there is room.
    pub(crate) fn add_watch(&mut self, watch: Watch) {
        let peer = watch.peer;
        if let (Some(_), Some(link)) = (self.watches.insert(watch), self.links.table.at_mut(peer)) {
            link.watches = link.watches.saturating_add(1);
            link.told = link.told.filter(|held| *held > 0);
        }
    }

    /// Removes a link or a monitor.
    pub(crate) fn remove_watch(&mut self, key: Key) -> Option<Watch> {
        self.ledger.lost.remove(&mut self.watches.table, key.index);
        self.ledger.ended.remove(&mut self.watches.table, key.index);
        let watch = self.watches.remove(key)?;
        if let Some(link) = self.links.table.at_mut(watch.peer) {
            link.watches = link.watches.saturating_sub(1);
            let left = link.watches;
            link.told = link.told.filter(|held| left > held / 2);
        }
        self.untie(watch.peer);
        Some(watch)
    }

    /// Forgets the broken links of a mailbox with this process, which it has yet to be told of.
    pub(crate) fn forget_lost(&mut self, owner: Owner, pid: Pid<'_>) {
        let number = Number::of(pid);
        let mut at = self.ledger.lost.first();
        while let Some(index) = at {
            at = self.ledger.lost.next(&mut self.watches.table, index);
            let Some(watch) = self.watches.table.tenant(index) else { continue };
            let is_it = watch.owner == owner && watch.pid == number;
            if is_it && self.links.table.at(watch.peer).is_some_and(|link| pid.node == *link.name.as_str()) {
                self.watches.table.key_at(index).map(|key| self.remove_watch(key));
            }
        }
    }

    /// Ends the time in which a link that was ended here waits to be acknowledged.
    pub(crate) fn unlink_is_over(&mut self, key: Key) {
        match self.watches.table.at_mut(key) {
            Some(watch) if watch.is_active() => watch.kind = WatchKind::Link,
            _ => drop(self.remove_watch(key)),
        }
    }

    /// Notes that the connection of a link is lost, of which its mailbox is to be told.
    pub(crate) fn lose(&mut self, key: Key) {
        if let Some(watch) = self.watches.table.at_mut(key) {
            watch.kind = WatchKind::Lost;
            self.ledger.lost.push(&mut self.watches.table, key.index);
            self.ledger.news = true;
        }
    }

    /// Notes that a process here has ended, of which there is no room to tell the one that is tied to it.
    pub(crate) fn end(&mut self, key: Key, owner: Owner) {
        let Some(watch) = self.watches.table.at_mut(key) else { return };
        watch.owner = owner;
        if !self.ledger.ended.has(watch.turn) {
            self.ledger.ended.push(&mut self.watches.table, key.index);
        }
    }

    /// Takes a place for a request of a mailbox, to a peer or, with [`NO_PEER`], to nobody. Whom it is about is not known yet.
    pub(crate) fn ask(&mut self, mailbox: Key, peer: Key, kind: Ask, timeout: Option<Duration>) -> Result<Key, Full> {
        let limit = timeout.map_or(Limit::None, Limit::In);
        let (state, turn) = (Stage::Waiting, Turn::NONE);
        let number = self.ledger.next();
        let (target, chain) = (Target::Unknown, Chain::default());
        let request = Asked { number, mailbox, peer, kind, target, limit, state, turn, rank: 0, chain };
        let key = self.requests.insert(request).ok_or(Full::Requests)?;
        if let Some(link) = self.links.table.at_mut(peer) {
            link.asked = link.asked.saturating_add(1);
        }
        self.ledger.calls = self.ledger.calls.saturating_add((kind == Ask::Call).into());
        if timeout.is_some() {
            self.ledger.fresh.push(&mut self.requests.table, key.index);
        }
        Ok(key)
    }

    /// Removes a request.
    pub(crate) fn remove_request(&mut self, key: Key) {
        self.dequeue(key);
        let Some((kind, peer)) = self.requests.remove(key) else { return };
        self.ledger.calls = self.ledger.calls.saturating_sub((kind == Ask::Call).into());
        self.unask(peer);
    }

    /// Sets how far a request is, and puts it where it waits for what comes next.
    pub(crate) fn set_stage(&mut self, key: Key, stage: Stage) {
        self.dequeue(key);
        let Some(request) = self.requests.table.at_mut(key) else { return };
        request.state = stage;
        match stage {
            Stage::Waiting => {}
            Stage::Refused => self.ledger.fresh.push(&mut self.requests.table, key.index),
            Stage::Due(_) => {
                self.ledger.due.push(&mut self.requests.table, key.index);
                self.ledger.news = true;
            }
            Stage::Leaving => self.ledger.leaving.push(&mut self.requests.table, key.index),
        }
    }

    fn dequeue(&mut self, key: Key) {
        let Some(request) = self.requests.table.at_mut(key) else { return };
        if request.turn != Turn::NONE {
            for queue in [&mut self.ledger.fresh, &mut self.ledger.due, &mut self.ledger.leaving] {
                queue.remove(&mut self.requests.table, key.index);
            }
        } else if request.rank > 0 {
            self.requests.limits.remove(&mut self.requests.table, key.index);
        }
    }

    /// Notes that a request is its peer's no more.
    pub(crate) fn disown(&mut self, key: Key) {
        if let Some(request) = self.requests.table.at_mut(key) {
            let peer = core::mem::replace(&mut request.peer, NO_PEER);
            self.unask(peer);
        }
    }

    /// Takes note that the peer does not understand a request, and was not asked. That is told when time is looked at next.
    pub(crate) fn refuse(&mut self, key: Key) {
        self.disown(key);
        self.set_stage(key, Stage::Refused);
    }

    fn unask(&mut self, peer: Key) {
        if let Some(link) = self.links.table.at_mut(peer) {
            link.asked = link.asked.saturating_sub(1);
        }
        self.untie(peer);
    }

    /// Frees the place of a connection that is no more, once nobody is to be told of it any more.
    fn untie(&mut self, peer: Key) {
        if self.links.table.at(peer).is_some_and(|link| link.phase == Phase::Gone && !link.is_tied()) {
            self.links.table.free(peer);
        }
    }

    /// Ends what there is of a connection, and frees its place unless somebody is to be told of it.
    pub(crate) fn release(&mut self, peer: Key) {
        self.links.table.stir(peer.index);
        if let Some(link) = self.links.table.at_mut(peer) {
            link.phase = Phase::Gone;
            self.untie(peer);
        }
    }
}
