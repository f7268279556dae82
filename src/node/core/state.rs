//! The state of a node, below its connections. It finds what a name, a pid or a reference stands for.

use super::names;
use crate::node::forms::served::Served;
use crate::node::tables::event::Events;
use crate::node::tables::functions::Functions;
use crate::node::tables::groups::HasGroups;
use crate::node::tables::identity::Identity;
use crate::node::tables::lines::Lines;
use crate::node::tables::links::Stall;
use crate::node::tables::mailbox::{Flow, Inboxes};
use crate::node::tables::peers::{Far, Lend, Peers};
use crate::node::tables::requests::{Ask, NO_PEER, OwnWords};
use crate::node::tables::ties::{Owner, Watch};
use crate::storage::slots::Key;
use crate::time::{Instant, Times};
use crate::wire::control::{Process, To};
use crate::wire::ids::{NodeName, Reference};
use crate::wire::term::Term;

/// The state that a control message may touch.
pub(crate) struct Core<'s> {
    pub(crate) identity: Identity,
    pub(crate) far: Far<'s>,
    pub(crate) inboxes: Inboxes<'s>,
    pub(crate) functions: Option<Functions>,
    pub(crate) events: &'s mut Events,
    pub(crate) flow: Flow,
    pub(crate) lines: Lines,
    pub(crate) cluster: Option<&'s mut (dyn Cluster + 's)>,
}

/// What takes part in groups and global names. It stands behind a table of functions, so that a program without has none of its code.
pub(crate) trait Cluster: HasGroups {
    /// Takes note of a connection.
    fn up(&mut self, core: &mut Core<'_>, peer: Key);

    /// Forgets what was of a connection.
    fn down(&mut self, core: &mut Core<'_>, peer: Key);

    /// Takes a message to a scope, or an answer of `global`; `None` for one that is too large to be received. Returns true if it was one.
    fn message(&mut self, core: &mut Core<'_>, peer: Key, to: To<'_>, term: Option<Term<'_>>) -> bool;

    /// Takes the end of the process that it monitors with this number.
    fn ended(&mut self, core: &mut Core<'_>, peer: Key, number: u64, reason: Reason<'_>);

    /// Returns true if a peer's scope knows this node, which it does for as long as there is a connection.
    fn is_known_by(&mut self, peer: Key) -> bool;

    /// Takes the end of a mailbox.
    fn mailbox_ended(&mut self, core: &mut Core<'_>, mailbox: Key);

    /// Does what there is to do, as far as there is room. Without a time, what waits for one waits on.
    fn act(&mut self, core: &mut Core<'_>, times: Option<Times>);
}

/// The outcome of a frame.
pub(crate) enum Routed {
    Done,
    /// The frame stays where it is until this is over.
    Stalled(Stall),
}

/// The reason of an exit or a down; the error is the one in place of a reason that cannot be received.
pub(crate) type Reason<'a> = Result<Term<'a>, Term<'static>>;

impl Core<'_> {
    /// Has what takes part in groups do something, if there is any.
    pub(crate) fn cluster<R>(&mut self, act: impl FnOnce(&mut dyn Cluster, &mut Self) -> R) -> Option<R> {
        let cluster = self.cluster.take()?;
        let result = act(cluster, self);
        self.cluster = Some(cluster);
        Some(result)
    }

    /// Returns true if a process of this name, or with this pid, is one of a scope of groups.
    fn is_scope(&self, process: Process<'_>) -> bool {
        let Some(book) = self.cluster.as_ref().map(|cluster| cluster.book()) else { return false };
        match process {
            Process::Name(name) => book.scopes.iter().any(|scope| name == *scope.name),
            Process::Pid(pid) => self.identity.scope(pid).is_some_and(|scope| usize::from(scope) < book.scopes.len()),
        }
    }

    /// Lends all that the node has to do with others.
    #[inline]
    pub(crate) fn peers(&mut self) -> Peers<'_> {
        self.far.peers()
    }

    /// Returns the name of a peer's node.
    pub(crate) fn name(&self, peer: Key) -> Option<NodeName> {
        self.far.links.table.at(peer).map(|link| link.name.clone())
    }

    /// Returns true if the core itself is this process, which lasts as long as the node.
    pub(crate) fn is_core(&self, process: Process<'_>) -> bool {
        let is_core = match process {
            Process::Name(name) => names::exists(name),
            Process::Pid(pid) => pid == self.identity.core_pid(),
        };
        is_core || self.is_scope(process)
    }

    /// Finds what a process of this node is, if it is alive.
    pub(crate) fn owner(&mut self, process: Process<'_>) -> Option<Owner> {
        match process {
            Process::Name(name) => self.inboxes.find(name).map(Owner::Mailbox),
            Process::Pid(pid) if !self.identity.is_own(pid.node, pid.creation) => None,
            Process::Pid(pid) => match self.inboxes.by_pid(pid) {
                Some(key) => Some(Owner::Mailbox(key)),
                None => self.far.watches.job(pid),
            },
        }
    }

    /// Looks whether a message that was put back waits for its own peer to take what waits there. Then that peer's messages wait with it, in
    /// all mailboxes, and nothing more is read from it; those of others go on.
    #[cold]
    pub(crate) fn put_aside(&mut self) {
        let Some((peer, len)) = self.flow.back.take() else { return };
        self.inboxes.restore(&mut self.flow);
        let Some(link) = self.far.links.table.at_mut(peer) else { return };
        link.unread = link.unread.saturating_add(len);
        if link.refused == 0 || !link.is_up() {
            return;
        }
        if !core::mem::replace(&mut link.waits, true) {
            self.flow.waiting = self.flow.waiting.saturating_add(1);
        }
        if link.stalled != Some(Stall::Transmit) {
            // whatever held it up: now it is what it does not read, and that is told
            link.tell = None;
            self.stall(peer, Stall::Transmit);
        }
        // others' messages may be behind it
        self.flow.aside = None;
        let mailbox = self.flow.taken;
        self.inboxes.only_waits(mailbox, &mut self.flow, &self.far.links);
    }

    /// Lets a peer's messages go on that waited for it to take what waits there, or for its end.
    pub(crate) fn no_more_waits(&mut self, peer: Key) {
        if self.far.links.table.at_mut(peer).is_some_and(|link| core::mem::take(&mut link.waits)) {
            self.flow.waiting = self.flow.waiting.saturating_sub(1);
            self.flow.retry = true;
        }
    }

    /// Stops reading from a peer until this is over.
    pub(crate) fn stall(&mut self, peer: Key, stall: Stall) {
        let Some(link) = self.far.links.table.at_mut(peer) else { return };
        link.stalled = Some(stall);
        if link.tell.is_none() {
            // its time begins when time is looked at next
            self.far.ledger.tell_at = Instant::from_millis(0);
        }
        if !self.far.ledger.stalled.has(link.turn) {
            self.far.ledger.stalled.push(&mut self.far.links.table, peer.index);
        }
    }

    /// Takes a peer out of the queues of those that are held up, or are to be connected to.
    pub(crate) fn dequeue(&mut self, peer: Key) {
        // a new connection with the node is another
        self.far.ledger.last_peer = NO_PEER;
        if let Some(link) = self.far.links.table.at_mut(peer) {
            link.stalled = None;
            for queue in [&mut self.far.ledger.stalled, &mut self.far.ledger.opening, &mut self.far.ledger.unseen] {
                queue.remove(&mut self.far.links.table, peer.index);
            }
        }
    }

    pub(crate) fn remove_watch(&mut self, key: Key) -> Option<Watch> {
        self.peers().remove_watch(key)
    }

    /// Finds the request that a reference stands for, if it is one of ours.
    pub(crate) fn request(&self, reference: Reference<'_>) -> Option<Key> {
        if !self.identity.is_own(reference.node, reference.creation) {
            return None;
        }
        self.far.requests.find(OwnWords::read(reference)?)
    }

    /// Finds the request that a reference stands for, if it was asked of this peer. An answer to a call may come from anywhere, since a
    /// process may leave it to another.
    pub(crate) fn asked_of(&self, peer: Key, reference: Reference<'_>) -> Option<Key> {
        self.request(reference).filter(|key| self.far.requests.at(*key).is_some_and(|request| request.peer == peer))
    }

    /// Finds the mailbox that gave out an alias.
    pub(crate) fn aliased(&self, alias: Reference<'_>) -> Option<Key> {
        let request = self.far.requests.at(self.request(alias)?)?;
        (request.kind == Ask::Alias).then_some(request.mailbox)
    }

    /// Finds the mailbox that a function's calls come to, if it is served.
    pub(crate) fn serves(&self, served: &Served<'_>) -> Option<Key> {
        let functions = self.functions.as_ref()?;
        let arity = served.arity()?;
        let mailbox = functions.mailbox;
        (functions.has(served.module, served.function, arity) && self.inboxes.get(mailbox).is_ok()).then_some(mailbox.0)
    }
}
