//! The answers of OTP's own processes.

mod code;
mod global;
mod net_kernel;
mod pg;
mod rex;
mod sys;
mod unasked;

pub(crate) use code::value as of_code;
pub(crate) use sys::answers_system;
pub(crate) use unasked::handle_oversized;

use crate::node::core::state::{Core, Routed};
use crate::storage::slots::Key;
use crate::wire::control::To;
use crate::wire::term::Term;

/// Does what a message to something that is no mailbox asks for. `None`: it is for nobody here.
#[cold]
pub(crate) fn handle(core: &mut Core<'_>, peer: Key, to: To<'_>, term: Term<'_>) -> Option<Routed> {
    if sys::answers_without_mailbox(core, peer, to, term)
        || core.cluster(|cluster, core| cluster.message(core, peer, to, Some(term))) == Some(true)
    {
        return Some(Routed::Done);
    }
    match to {
        To::Name(name) if name == "net_kernel" => {
            // room was kept for it; should the user's memory be used up all the same, the caller's timeout tells
            if let Err(e) = net_kernel::handle(&core.identity, &mut core.far.links, peer, term) {
                core.unsent(peer, format_args!("answer to a ping: {e}"));
            }
        }
        // an answer that came after its time, or to somebody who waits no more
        To::Alias(alias) if core.identity.is_own(alias.node, alias.creation) => {}
        To::Name(name) if name == "rex" && rex::is_for_rex(term) => return Some(core.rex(peer, term)),
        To::Name(name) if unasked::handle(core, peer, name, term) => {}
        _ => return None,
    }
    Some(Routed::Done)
}
