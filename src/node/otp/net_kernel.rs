//! `net_kernel`, which `net_adm:ping` asks.

use crate::error::Error;
use crate::node::core::send::{answer_to, send};
use crate::node::forms::call::Call;
use crate::node::forms::tag::TAG;
use crate::node::tables::identity::Identity;
use crate::node::tables::links::Links;
use crate::storage::slots::Key;
use crate::wire::term::Term;

/// Answers what is asked of `net_kernel` without a time limit: `{is_auth, Node}`, which is what `net_adm:ping` asks, with `yes`; and
/// `{spawn_opt, ..}`, which OTP 23 asks when it is told that there are no spawn requests here, with `notsup`.
pub(crate) fn handle(identity: &Identity, links: &mut Links<'_>, peer: Key, message: Term<'_>) -> Result<(), Error> {
    let Some(call) = Call::of(message) else { return Ok(()) };
    let theirs = |node| links.table.at(peer).is_some_and(|link| node == *link.name.as_str());
    if !theirs(call.from.node) || call.tag.as_bytes().len() > TAG {
        return Ok(());
    }
    let answer = match call.request.as_tuple().map(|mut request| (request.len(), request.next())) {
        Some((2, Some(what))) if what.is_atom("is_auth") => "yes",
        Some((7, Some(what))) if what.is_atom("spawn_opt") => "notsup",
        _ => return Ok(()),
    };
    let to = answer_to(links, peer, call.from, call.caller().alias());
    send(identity, links, peer, to, &mut |t| {
        t.tuple(2)?;
        t.term(call.tag)?;
        t.atom(answer)
    })
}
