//! Asking the `global` of others for names.
//!
//! A node that takes part in `global` itself must be connected to all others that do, so this one has others do it: any node registers the
//! pid of a process elsewhere. It is asked through `rex`, as the `erl_call` of every release asks, since the answer to that is a message.

use core::time::Duration;

use crate::error::{Error, Full};
use crate::node::core::send::send_as;
use crate::node::core::state::Core;
use crate::node::tables::event::Event;
use crate::node::tables::groups::{Asking, Book, Groups, Named, Question};
use crate::node::tables::links::RESERVED;
use crate::storage::slots::Key;
use crate::time::{Instant, Times, sooner};
use crate::wire::control::To;
use crate::wire::ids::Atom;
use crate::wire::term::Term;

/// The time after which a question is asked again to which no answer came. To register takes a lock that all nodes must grant.
const PATIENCE: Duration = Duration::from_secs(30);

/// Takes the answer to a question, `{Number, Answer}`. Returns true if it was one.
pub(super) fn answer(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, term: Term<'_>) -> bool {
    let Some([number, answer]) = term.tuple() else { return false };
    let Some(number) = number.as_u64() else { return false };
    let asked = |asking: &Asking| matches!(asking, Asking::Asked(_, asked, _) if u64::from(*asked) == number);
    let at = groups.row(peer).and_then(|row| row.names.iter().position(asked));
    if let Some((at, next)) = at.and_then(|at| Some((at, answered(groups, core, peer, at, answer)?))) {
        if let Some(asking) = groups.row(peer).and_then(|row| row.names.get_mut(at)) {
            *asking = next;
        }
    }
    true
}

/// Returns what is to be done after this answer; `None` where nothing was asked.
fn answered(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, at: usize, answer: Term<'_>) -> Option<Asking> {
    let name = groups.book.names.get(at)?.get()?;
    let (pid, is_given_up) = (core.identity.pid(name.mailbox), name.is_given_up);
    let name = name.name.clone();
    let node = core.name(peer)?;
    let Asking::Asked(question, ..) = *groups.row(peer)?.names.get(at)? else { return None };
    let next = match (question, answer.as_pid()) {
        (Question::Whereis | Question::Recheck, Some(holder)) if holder == pid && is_given_up => {
            Asking::Due(Question::Unregister)
        }
        // what was under way when it was given up has come to something all the same
        (Question::Register | Question::Reregister, _) if is_given_up => Asking::Due(Question::Whereis),
        (_, _) if is_given_up => Asking::Off,
        (Question::Whereis, _) if answer.is_atom("undefined") => Asking::Due(Question::Register),
        // it is neither free nor anybody's: that is asked in a while
        (Question::Recheck, _) if answer.is_atom("undefined") => Asking::Asked(Question::Whereis, 0, None),
        (Question::Whereis | Question::Recheck, Some(holder)) if holder == pid => Asking::Off,
        (Question::Whereis | Question::Recheck, Some(holder)) if holder.node == core.identity.node() => {
            Asking::Due(Question::Reregister)
        }
        (Question::Whereis | Question::Recheck, Some(_)) => {
            core.events.push(Event::GlobalTaken { name, node });
            // others may have it from this node still
            give_up(groups, at);
            Asking::Off
        }
        (Question::Register | Question::Reregister, _) if answer.is_atom("yes") => {
            core.events.push(Event::GlobalRegistered { name, node });
            Asking::Off
        }
        // another was quicker: who that is says the next answer
        (Question::Register | Question::Reregister, _) if answer.is_atom("no") => Asking::Due(Question::Recheck),
        // it has no global
        _ => Asking::Off,
    };
    Some(next)
}

/// Wants a name no more: whoever has it from this node is told, one after the other.
pub(crate) fn give_up(groups: &mut Groups<'_>, at: usize) {
    if let Some(name) = groups.book.names.get_mut(at).and_then(Named::get_mut) {
        (name.is_given_up, name.next) = (true, None);
    }
    for asking in groups.rows.iter_mut().filter(|row| row.is_used).filter_map(|row| row.names.get_mut(at)) {
        // what is under way is waited for
        if !matches!(asking, Asking::Asked(Question::Register | Question::Reregister, ..)) {
            *asking = Asking::Later;
        }
    }
}

/// Forgets a name whose mailbox has ended, which all who know it see by themselves.
pub(super) fn forget(groups: &mut Groups<'_>, at: usize) {
    if let Some(name) = groups.book.names.get_mut(at) {
        *name = Named::Nobody;
    }
    for asking in groups.rows.iter_mut().filter_map(|row| row.names.get_mut(at)) {
        *asking = Asking::Off;
    }
}

/// Frees the places of names that were given up, once all have been told. Returns true if one is wanted again.
pub(super) fn forget_given_up(groups: &mut Groups<'_>) -> bool {
    let mut is_wanted = false;
    for (at, place) in groups.book.names.iter_mut().enumerate() {
        let is_told = || groups.rows.iter().all(|row| matches!(row.names.get(at), None | Some(Asking::Off)));
        let Some(known) = place.get_mut().filter(|known| known.is_given_up && is_told()) else { continue };
        match known.next.take() {
            Some(mailbox) => {
                (known.mailbox, known.is_given_up, is_wanted) = (mailbox, false, true);
                for asking in groups.rows.iter_mut().filter(|row| row.is_used).filter_map(|row| row.names.get_mut(at)) {
                    *asking = Asking::Due(Question::Whereis);
                }
            }
            None => *place = Named::Nobody,
        }
    }
    is_wanted
}

/// Asks what there is to ask of a peer. Returns when there is more to do.
pub(super) fn act(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, times: Option<Times>) -> Option<Instant> {
    let mut next = None;
    for at in 0..groups.book.names.len() {
        let Some(asking) = groups.row(peer).and_then(|row| row.names.get(at).copied()) else { continue };
        let asking = match (asking, times) {
            (Asking::Asked(question, number, None), Some(times)) => {
                Asking::Asked(question, number, Some(times.now.after(PATIENCE)))
            }
            (Asking::Asked(_, _, Some(until)), Some(times)) if until <= times.read => {
                let name = groups.book.names.get(at).and_then(Named::get);
                // whom it is not answered it is not told either
                if name.is_some_and(|name| name.is_given_up) { Asking::Off } else { Asking::Due(Question::Whereis) }
            }
            (Asking::Later, _) if !is_asked(groups, at) => Asking::Due(Question::Whereis),
            _ => asking,
        };
        let asking = match asking {
            Asking::Due(question) => ask(groups, core, peer, at, question),
            asking => asking,
        };
        if let Asking::Asked(_, _, until) = asking {
            next = sooner(next, Some(until.unwrap_or(Book::AT_ONCE)));
        }
        if let Some(place) = groups.row(peer).and_then(|row| row.names.get_mut(at)) {
            *place = asking;
        }
    }
    next
}

/// Returns true if a peer is being asked for a name.
fn is_asked(groups: &Groups<'_>, at: usize) -> bool {
    groups.rows.iter().any(|row| matches!(row.names.get(at), Some(Asking::Due(_) | Asking::Asked(..))))
}

/// Asks a question. Returns how far it is then.
fn ask(groups: &mut Groups<'_>, core: &mut Core<'_>, peer: Key, at: usize, question: Question) -> Asking {
    let Some(wanted) = groups.book.names.get(at).and_then(Named::get) else { return Asking::Off };
    // small enough for an integer of the usual form
    let number = u32::try_from(core.far.ledger.next() & 0x7ff_ffff).unwrap_or(0);
    let identity = &core.identity;
    let (own, pid, name) = (identity.core_pid(), identity.pid(wanted.mailbox), &wanted.name);
    let function = match question {
        Question::Whereis | Question::Recheck => "whereis_name",
        Question::Register => "register_name",
        Question::Reregister => "re_register_name",
        Question::Unregister => "unregister_name",
    };
    let sent = send_as(own, &mut core.far.links, peer, RESERVED, To::Name(Atom::from_str("rex")), &mut |t| {
        t.tuple(3)?.atom("$gen_call")?.tuple(2)?.pid(own)?.int(number.into())?;
        t.tuple(5)?.atom("call")?.atom("global")?.atom(function)?;
        match question {
            Question::Whereis | Question::Recheck | Question::Unregister => t.list(1)?.atom(name)?,
            Question::Register | Question::Reregister => t.list(2)?.atom(name)?.pid(pid)?,
        };
        t.nil()?.atom("user")
    });
    match sent {
        Ok(()) => Asking::Asked(question, number, None),
        Err(Error::Full(Full::Transmit { .. })) => {
            groups.book.waits = true;
            Asking::Due(question)
        }
        // the connection is no more
        Err(_) => Asking::Off,
    }
}
