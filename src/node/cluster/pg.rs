//! What a process of `pg` does for a scope of this node.
//!
//! The protocol is `pg`'s own, and no document has it. A process that is sent what it does not know ends, and with it the memberships of its
//! whole node, so nothing is sent but what every release since OTP 23 knows: `discover` of two elements, `sync`, `join`, and a `leave`
//! of what was joined before at that very process. Each is told that this node has no members, and then of each join and leave in the order in
//! which they came to be, since those alone are told to who monitors a group there.

use core::time::Duration;

use super::members;
use crate::error::{Error, Full};
use crate::node::core::send::send_as;
use crate::node::core::state::{Core, Reason};
use crate::node::tables::groups::{Book, Groups, Joined, Scope, Stage, Told};
use crate::node::tables::handles::Handle;
use crate::node::tables::links::RESERVED;
use crate::node::tables::requests::OwnWords;
use crate::node::tables::ties::Number;
use crate::storage::slots::Key;
use crate::time::{Instant, Times, sooner};
use crate::wire::build::{TermWriter, Written};
use crate::wire::control::{Control, Process, To};
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// The time after which a scope is looked for that was not there. A hidden node is not told when it starts.
const AGAIN: Duration = Duration::from_secs(3);
/// The time after which one is looked for that ended: whatever looks after it starts it anew.
const SOON: Duration = Duration::from_millis(200);

/// Returns the peer's process that says this, if it is a message of `pg`'s.
fn speaker(peer: Atom<'_>, term: Term<'_>) -> Option<Number> {
    term.as_pid().filter(|pid| pid.node == peer).map(Number::of)
}

/// Takes what a scope of a peer says. Returns true if there is something to do then.
pub(super) fn message(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, scope: u8, term: Term<'_>) -> bool {
    let Some(name) = core.name(peer) else { return false };
    let Some(told) = groups.told(peer, scope).filter(|told| told.stage != Stage::Off) else { return false };
    let known = told.theirs;
    let theirs = |term| speaker(name.as_atom(), term).filter(|theirs| known.is_none_or(|known| known == *theirs));
    if let Some(sender) = discovers(term).and_then(|sender| speaker(name.as_atom(), sender)) {
        // else this is another than was there before
        if matches!(told.stage, Stage::Watched | Stage::Up) && known == Some(sender) {
            // it begins to look at what it was told before: it is told again
            *told = Told { stage: Stage::Watched, told: 0, ..*told };
            return true;
        }
        *told = Told { stage: Stage::Due, monitor: told.monitor, theirs: Some(sender), ..Told::default() };
        members::forget(groups, core, peer, scope);
        return true;
    }
    if let Some((sender, all)) = syncs(term).and_then(|(sender, all)| Some((speaker(name.as_atom(), sender)?, all))) {
        told.theirs = Some(sender);
        members::sync(groups, core, peer, scope, all);
    } else if let Some([what, sender, group, pids]) = term.tuple() {
        let Some(sender) = theirs(sender) else { return false };
        if what.is_atom("join") {
            told.theirs = Some(sender);
            members::join(groups, core, peer, scope, group, pids);
        } else if what.is_atom("leave") {
            told.theirs = Some(sender);
            members::leave(groups, core, peer, scope, group, pids);
        }
    }
    false
}

/// Reads `{discover, Pid}`, with a version behind it since OTP 28.
fn discovers(term: Term<'_>) -> Option<Term<'_>> {
    let mut parts = term.as_tuple().filter(|parts| matches!(parts.len(), 2 | 3))?;
    let (what, sender) = (parts.next()?, parts.next()?);
    what.is_atom("discover").then_some(sender)
}

/// Reads `{'$gen_cast', {sync, Pid, Groups}}`.
fn syncs(term: Term<'_>) -> Option<(Term<'_>, Term<'_>)> {
    let [kind, cast] = term.tuple()?;
    let [what, sender, all] = cast.tuple()?;
    (kind.is_atom("$gen_cast") && what.is_atom("sync")).then_some((sender, all))
}

/// Takes the end of a peer's scope, or that there is none.
pub(super) fn ended(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, number: u64, reason: Reason<'_>) {
    let Some(row) = groups.row(peer) else { return };
    let Some(scope) = row.scopes.iter().position(|told| told.monitor == number) else { return };
    let (Ok(scope), is_absent) = (u8::try_from(scope), reason.is_ok_and(|reason| reason.is_atom("noproc"))) else { return };
    let Some(told) = groups.told(peer, scope) else { return };
    *told = Told { stage: Stage::Waits { soon: !is_absent, at: None }, is_absent, ..Told::default() };
    members::forget(groups, core, peer, scope);
    groups.book.next = Some(Book::AT_ONCE);
    core.flow.pay = true;
}

/// Does what there is to do with a peer's scopes. Returns when there is more to do.
pub(super) fn act(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, times: Option<Times>) -> Option<Instant> {
    let mut next = None;
    for scope in 0..groups.book.scopes.len() {
        let Ok(scope) = u8::try_from(scope) else { continue };
        let Some(told) = groups.told(peer, scope) else { continue };
        if let Stage::Waits { soon, at } = told.stage {
            told.stage = match (at, times) {
                // it was asked for, and is not absent any more
                (Some(at), Some(times)) if at <= times.read && told.monitor > 0 => Stage::Watched,
                (Some(at), Some(times)) if at <= times.read => Stage::Due,
                (None, Some(times)) => Stage::Waits { soon, at: Some(times.now.after(if soon { SOON } else { AGAIN })) },
                _ => told.stage,
            };
            if let Stage::Waits { at, .. } = told.stage {
                next = sooner(next, Some(at.unwrap_or(Book::AT_ONCE)));
                continue;
            }
        }
        loop {
            match step(groups, core, peer, scope) {
                Ok(true) => {}
                Ok(false) => break,
                Err(Error::Full(Full::Transmit { .. })) => {
                    groups.book.waits = true;
                    break;
                }
                // the connection is no more; that all of this fits a buffer is known
                Err(_) => break,
            }
        }
        if let Some(Stage::Waits { at, .. }) = groups.told(peer, scope).map(|told| told.stage) {
            next = sooner(next, Some(at.unwrap_or(Book::AT_ONCE)));
        }
    }
    next
}

/// Does the next thing there is to do. Returns true if something was done.
fn step(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, scope: u8) -> Result<bool, Error> {
    let Some(Scope { name, monitored, .. }) = groups.book.scopes.get(usize::from(scope)) else { return Ok(false) };
    let (name, monitored, latest) = (Atom::from_str(name), *monitored, groups.book.latest);
    let Some(told) = groups.rows.get(usize::from(peer.index)).and_then(|row| row.scopes.get(usize::from(scope))) else {
        return Ok(false);
    };
    let mut told = *told;
    let (identity, links) = (&core.identity, &mut core.far.links);
    let own = identity.scope_pid(scope);
    match told.stage {
        Stage::Off | Stage::Waits { .. } => return Ok(false),
        Stage::Due if told.monitor > 0 => {
            let words = words(told.monitor);
            let control = Control::Demonitor { from: own, to: Process::Name(name), reference: words.reference(identity) };
            links.tell(peer, RESERVED, &control)?;
            told.monitor = 0;
        }
        Stage::Due => {
            let number = core.far.ledger.next();
            let words = words(number);
            let control = Control::Monitor { from: own, to: Process::Name(name), reference: words.reference(identity) };
            links.tell(peer, RESERVED, &control)?;
            // what was absent is not told anything before it has had time to say that it still is
            let stage = if told.is_absent { Stage::Waits { soon: true, at: None } } else { Stage::Watched };
            told = Told { stage, monitor: number, ..told };
        }
        Stage::Watched => {
            send_as(own, links, peer, RESERVED, To::Name(name), &mut |t| {
                t.tuple(2)?.atom("$gen_cast")?.tuple(3)?.atom("sync")?.pid(own)?.nil()
            })?;
            told = Told { stage: Stage::Up, base: latest, ..told };
        }
        // Should another have taken its place, of which no word has come yet, that would know this node from the question, and end by a leave of
        // what it was never told: so all is told again behind it.
        Stage::Up if monitored && !told.asked && told.told > 0 => told = Told { stage: Stage::Watched, told: 0, ..told },
        Stage::Up if monitored && !told.asked => {
            send_as(own, links, peer, RESERVED, To::Name(name), &mut |t| t.tuple(2)?.atom("discover")?.pid(own))?;
            told.asked = true;
        }
        Stage::Up => {
            let Some((key, number)) = groups.next_event(scope, &told) else { return Ok(false) };
            let Some(joined) = groups.joined.at(key) else { return Ok(false) };
            let (member, has_left) = (identity.pid(joined.mailbox), number == joined.left);
            send_as(own, links, peer, RESERVED, To::Name(name), &mut |t| happened(t, own, joined, member, has_left))?;
            told.told = number;
        }
    }
    if let Some(place) = groups.told(peer, scope) {
        *place = told;
    }
    Ok(true)
}

/// Returns the reference of the monitor with this number.
fn words(number: u64) -> OwnWords {
    OwnWords::new(Handle { index: Handle::CLUSTER, number })
}

/// Writes `{join,Peer,Group,Pid}`, or `{leave,Peer,Pid,[Group]}`.
fn happened<'t, 'b>(
    t: &'t mut TermWriter<'b>,
    own: Pid<'_>,
    joined: &Joined,
    member: Pid<'_>,
    has_left: bool,
) -> Written<'t, 'b> {
    let group = joined.group.as_term();
    t.tuple(4)?;
    if has_left {
        return t.atom("leave")?.pid(own)?.pid(member)?.list(1)?.term(group)?.nil();
    }
    t.atom("join")?.pid(own)?.term(group)?.pid(member)
}
