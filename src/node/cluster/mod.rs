//! The part of a cluster that a node plays which has groups or global names.

mod global;
mod members;
mod pg;

pub(crate) use global::give_up;

use crate::node::core::state::{Cluster, Core, Reason};
use crate::node::tables::groups::{Asking, Book, Groups, HasGroups, Named, Question, SCOPES, Stage, Told};
use crate::storage::slots::Key;
use crate::time::{Times, sooner};
use crate::wire::codes::op;
use crate::wire::control::To;
use crate::wire::term::Term;

impl<T: HasGroups> Cluster for T {
    fn up(&mut self, core: &mut Core<'_>, peer: Key) {
        up(&mut self.groups(), core, peer);
    }

    fn down(&mut self, core: &mut Core<'_>, peer: Key) {
        down(&mut self.groups(), core, peer);
    }

    fn message(&mut self, core: &mut Core<'_>, peer: Key, to: To<'_>, term: Option<Term<'_>>) -> bool {
        message(&mut self.groups(), core, peer, to, term)
    }

    fn ended(&mut self, core: &mut Core<'_>, peer: Key, number: u64, reason: Reason<'_>) {
        pg::ended(&mut self.groups(), core, peer, number, reason);
    }

    fn is_known_by(&mut self, peer: Key) -> bool {
        let mut groups = self.groups();
        groups.row(peer).is_some_and(|row| row.scopes.iter().any(|told| told.stage == Stage::Up && told.told > 0))
    }

    fn mailbox_ended(&mut self, core: &mut Core<'_>, mailbox: Key) {
        mailbox_ended(&mut self.groups(), core, mailbox);
    }

    fn act(&mut self, core: &mut Core<'_>, times: Option<Times>) {
        act(&mut self.groups(), core, times);
    }
}

/// Takes note of a connection.
pub(crate) fn up(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key) {
    let Some(link) = core.far.links.table.at(peer) else { return };
    // what knows no monitors, as nodes on Erlang's C library, has neither pg nor global
    if !link.flags.allow(op::MONITOR_P) || core.identity.known().is_err() {
        return;
    }
    // a visible node is told of this one, and its scopes speak first
    let speaks = link.visible && core.identity.config.visible;
    let stage = if speaks { Stage::Waits { soon: false, at: None } } else { Stage::Due };
    let Some(row) = groups.rows.get_mut(usize::from(peer.index)) else { return };
    (row.peer, row.is_used) = (peer, true);
    row.scopes = [Told { stage, ..Told::default() }; SCOPES];
    for (asking, name) in row.names.iter_mut().zip(&groups.book.names) {
        *asking = if name.get().is_some() { Asking::Due(Question::Whereis) } else { Asking::Off };
    }
    act(groups, core, None);
}

fn down(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key) {
    let Some(row) = groups.row(peer) else { return };
    row.is_used = false;
    row.scopes = [Told::default(); SCOPES];
    row.names.fill(Asking::Off);
    for scope in 0..u8::try_from(SCOPES).unwrap_or(0) {
        members::forget(groups, core, peer, scope);
    }
    groups.prune();
    // others may have waited for it
    groups.book.next = Some(Book::AT_ONCE);
    core.flow.pay = true;
}

fn message(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, to: To<'_>, term: Option<Term<'_>>) -> bool {
    let scope = match to {
        To::Name(name) => groups.book.scopes.iter().position(|scope| name == *scope.name),
        To::Pid(pid) if pid == core.identity.core_pid() => {
            let is_answer = term.is_some_and(|term| global::answer(groups, core, peer, term));
            if is_answer {
                act(groups, core, None);
            }
            return is_answer;
        }
        To::Pid(pid) => core.identity.scope(pid).map(usize::from).filter(|scope| *scope < groups.book.scopes.len()),
        To::Alias(_) => None,
    };
    let Some(scope) = scope.and_then(|scope| u8::try_from(scope).ok()) else { return false };
    match term {
        Some(term) => {
            if pg::message(groups, core, peer, scope, term) {
                act(groups, core, None);
            }
        }
        None => members::are_missing(groups, core, scope),
    }
    true
}

fn mailbox_ended(groups: &mut Groups<'_>, core: &mut Core<'_>, mailbox: Key) {
    for index in groups.joined.indexes() {
        if groups.joined.tenant(index).is_some_and(|joined| joined.mailbox == mailbox && joined.left == 0) {
            let left = groups.happens();
            if let Some(joined) = groups.joined.tenant_mut(index) {
                joined.left = left;
            }
        }
    }
    for at in 0..groups.book.names.len() {
        let Some(name) = groups.book.names.get_mut(at).and_then(Named::get_mut) else { continue };
        name.next = name.next.filter(|next| *next != mailbox);
        // one that is given up is asked for until all have been told
        if name.mailbox == mailbox && !name.is_given_up {
            // the nodes that know it monitor it
            global::forget(groups, at);
        }
    }
    act(groups, core, None);
}

/// Does what there is to do for each peer, as far as there is room.
pub(crate) fn act(groups: &mut Groups<'_>, core: &mut Core<'_>, times: Option<Times>) {
    groups.book.waits = false;
    let mut next = None;
    for index in 0..groups.rows.len() {
        let Some(peer) = groups.rows.get(index).filter(|row| row.is_used).map(|row| row.peer) else { continue };
        next = sooner(next, pg::act(groups, core, peer, times));
        next = sooner(next, global::act(groups, core, peer, times));
    }
    groups.book.next = next;
    core.flow.owing |= groups.book.waits;
    if global::forget_given_up(groups) {
        groups.book.next = Some(Book::AT_ONCE);
    }
    // with what is to be paid, time is looked at
    core.flow.pay |= times.is_none() && groups.book.next == Some(Book::AT_ONCE);
    groups.prune();
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;

    use crate::node::tables::links::{Link, Phase};
    use crate::node::{Config, GroupStorage, Node, NodeStorage};
    use crate::wire::codes::Flags;
    use crate::wire::ids::NodeName;

    /// As nodes on Erlang's C library are, which have neither `pg` nor `global`.
    #[test]
    fn who_knows_no_monitors_is_told_nothing() {
        for (flags, is_told) in [(Flags::ASSUMED, true), (Flags::DEMANDED, false)] {
            let (mut storage, mut groups) =
                (Box::new(NodeStorage::<1, 1, 4096>::new()), Box::new(GroupStorage::<1, 1, 0>::new()));
            let mut node = Node::new(Config::hidden("a@host", "secret").unwrap().creation(7), &mut storage);
            node.set_groups(&mut groups).unwrap();
            let link = Link { flags, ..Link::new(NodeName::new("b@host").unwrap(), Phase::Up) };
            let peer = node.core.far.links.table.insert(link).ok().unwrap();
            node.core.cluster(|cluster, core| cluster.up(core, peer));
            let mailbox = node.register("").unwrap();
            node.join(mailbox, "sc", |t| t.atom("x")).unwrap();
            node.register_global(mailbox, "n").unwrap();
            assert_eq!(!node.core.far.links.pending(peer).is_empty(), is_told);
        }
    }
}
