//! System messages, with which the functions of the module `sys` ask whatever is built on OTP's behaviours, and `gen_server:stop` stops it.

use crate::error::Error;
use crate::node::core::send::{answer_to, send};
use crate::node::core::state::Core;
use crate::node::forms::call::Call;
use crate::node::forms::tag::TAG;
use crate::node::tables::identity::Identity;
use crate::node::tables::links::Links;
use crate::storage::slots::Key;
use crate::wire::control::{Process, To};
use crate::wire::term::Term;

/// Answers a system message to a mailbox that does not take them. `false`: it takes them, or this is none.
#[cold]
pub(crate) fn answers_system(core: &mut Core<'_>, peer: Key, inbox: Key, term: Term<'_>) -> bool {
    !core.inboxes.table.at(inbox).is_some_and(|inbox| inbox.takes_system) && answers(core, peer, term)
}

/// Does the same for what is here without a mailbox: the node's own processes, and those of functions that have not ended.
pub(super) fn answers_without_mailbox(core: &mut Core<'_>, peer: Key, to: To<'_>, term: Term<'_>) -> bool {
    let process = match to {
        To::Name(name) => Process::Name(name),
        To::Pid(pid) => Process::Pid(pid),
        To::Alias(_) => return false,
    };
    Call::of_system(term).is_some() && (core.is_core(process) || core.owner(process).is_some()) && answers(core, peer, term)
}

fn answers(core: &mut Core<'_>, peer: Key, term: Term<'_>) -> bool {
    let Some(call) = Call::of_system(term) else { return false };
    let is_there = core.far.links.table.at(peer).is_some_and(|link| call.from.node == *link.name.as_str());
    if !is_there || call.tag.as_bytes().len() > TAG {
        return false;
    }
    if let Err(e) = refuse(&core.identity, &mut core.far.links, peer, &call) {
        core.unsent(peer, format_args!("answer to a system message: {e}"));
    }
    true
}

/// Answers `{error,not_supported}`. Whoever asked fails at once with this word, where without an answer most wait for five seconds, and
/// `gen_server:stop` for ever.
fn refuse(identity: &Identity, links: &mut Links<'_>, peer: Key, call: &Call<'_>) -> Result<(), Error> {
    let to = answer_to(links, peer, call.from, call.caller().alias());
    send(identity, links, peer, to, &mut |t| {
        t.tuple(2)?;
        t.term(call.tag)?;
        t.tuple(2)?;
        t.atom("error")?;
        t.atom("not_supported")
    })
}
