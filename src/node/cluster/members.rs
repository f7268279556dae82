//! The members of other nodes, of scopes whose members are wanted.

use crate::node::core::state::Core;
use crate::node::tables::event::Event;
use crate::node::tables::groups::{Book, Group, Groups, Member};
use crate::node::tables::ties::Number;
use crate::storage::slots::Key;
use crate::wire::ids::Atom;
use crate::wire::term::Term;

/// The most pairs of a process and a group that are looked for one by one.
const MOST: usize = 4096;

/// Takes all members that a peer's scope has, in place of those that it had.
pub(super) fn sync(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, scope: u8, all: Term<'_>) {
    if !is_wanted(groups, scope) {
        return;
    }
    remove(groups, |member| member.peer == peer && member.scope == scope);
    if let Some(told) = groups.told(peer, scope) {
        told.partial = false;
    }
    for entry in all.as_list().into_iter().flatten() {
        if let Some([group, pids]) = entry.tuple() {
            add(groups, core, peer, scope, group, pids);
        }
    }
    changed(groups, core, scope);
}

pub(super) fn join(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, scope: u8, group: Term<'_>, pids: Term<'_>) {
    if is_wanted(groups, scope) {
        add(groups, core, peer, scope, group, pids);
        changed(groups, core, scope);
    }
}

/// Takes out of each of these groups each of these processes, once.
pub(super) fn leave(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, scope: u8, pids: Term<'_>, left: Term<'_>) {
    let Some(name) = core.name(peer).filter(|_| is_wanted(groups, scope)) else { return };
    let count = |term: Term<'_>| term.as_list().map_or(1, Iterator::count);
    if count(pids).saturating_mul(count(left)) > MOST {
        // more work than it is to ask what is left
        if let Some(told) = groups.told(peer, scope) {
            told.asked = false;
        }
        return hurry(groups, core);
    }
    for group in left.as_list().into_iter().flatten().filter_map(Group::of) {
        each(pids, name.as_atom(), |number| {
            let is_it = |member: &Member| {
                member.peer == peer && member.scope == scope && member.number == number && member.group == group
            };
            if let Some(key) = groups.members.next_from(0, is_it) {
                groups.members.free(key);
            }
        });
    }
    changed(groups, core, scope);
    ask_again(groups, core, scope);
}

/// Forgets what a peer's scope has, since it is no more.
pub(super) fn forget(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, scope: u8) {
    if remove(groups, |member| member.peer == peer && member.scope == scope) {
        changed(groups, core, scope);
        ask_again(groups, core, scope);
    }
}

/// Notes that some of a peer's members are not known here.
pub(super) fn are_missing(groups: &mut Groups<'_>, core: &mut Core<'_>, scope: u8) {
    if !is_wanted(groups, scope) {
        return;
    }
    let Some(scope) = groups.book.scopes.get_mut(usize::from(scope)).filter(|scope| !scope.full) else { return };
    scope.full = true;
    let scope = scope.name.clone();
    core.events.push_once(Event::MembersFull { scope });
}

fn is_wanted(groups: &Groups<'_>, scope: u8) -> bool {
    groups.book.scopes.get(usize::from(scope)).is_some_and(|scope| scope.monitored)
}

fn changed(groups: &Groups<'_>, core: &mut Core<'_>, scope: u8) {
    if let Some(scope) = groups.book.scopes.get(usize::from(scope)) {
        core.events.push_once(Event::MembersChanged { scope: scope.name.clone() });
    }
}

/// Adds a process, or each of a list of them, to a group. Those that are not on the peer are not its to add.
fn add(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, scope: u8, group: Term<'_>, pids: Term<'_>) {
    let Some(name) = core.name(peer) else { return };
    let Some(group) = Group::of(group) else { return are_missing(groups, core, scope) };
    let mut are_all_in = true;
    each(pids, name.as_atom(), |number| {
        let member = Member { scope, peer, group: group.clone(), number };
        are_all_in &= groups.members.insert(member).is_ok();
    });
    if !are_all_in {
        if let Some(told) = groups.told(peer, scope) {
            told.partial = true;
        }
        are_missing(groups, core, scope);
    }
}

/// Calls `each` with the process, or with each of a list of them, as far as they are of this node.
fn each(pids: Term<'_>, node: Atom<'_>, mut each: impl FnMut(Number)) {
    let mut one = |pid: Term<'_>| {
        if let Some(pid) = pid.as_pid().filter(|pid| pid.node == node) {
            each(Number::of(pid));
        }
    };
    match pids.as_list() {
        Some(pids) => pids.for_each(one),
        None => one(pids),
    }
}

/// Removes all members that `is_one` says yes to. Returns true if there was one.
fn remove(groups: &mut Groups<'_>, is_one: impl Fn(&Member) -> bool) -> bool {
    let mut from = 0;
    while let Some(key) = groups.members.next_from(from, &is_one) {
        from = key.index.saturating_add(1);
        groups.members.free(key);
    }
    from > 0
}

/// Asks those again whose members found no room, once a quarter of the places is free.
fn ask_again(groups: &mut Groups<'_>, core: &mut Core<'_>, scope: u8) {
    let (room, places) = (groups.members.room(), groups.members.capacity());
    if places == 0 || room < places.div_ceil(4) {
        return;
    }
    let mut is_one_asked = false;
    for told in groups.rows.iter_mut().filter_map(|row| row.scopes.get_mut(usize::from(scope))) {
        if core::mem::take(&mut told.partial) {
            told.asked = false;
            is_one_asked = true;
        }
    }
    if let Some(scope) = groups.book.scopes.get_mut(usize::from(scope)) {
        scope.full = false;
    }
    if is_one_asked {
        hurry(groups, core);
    }
}

/// Notes that there is something to do at once.
fn hurry(groups: &mut Groups<'_>, core: &mut Core<'_>) {
    groups.book.next = Some(Book::AT_ONCE);
    core.flow.pay = true;
}
