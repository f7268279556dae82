//! What OTP's own processes would answer.

use super::links::{Identity, Links};
use super::mailbox::Call;
use crate::error::{Error, Misuse};
use crate::storage::slots::Key;
use crate::wire::build::TermWriter;
use crate::wire::codes::Flags;
use crate::wire::control::{To, put_send};
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// Processes of OTP that every BEAM has, which nodes send to unasked. That they are not here is no news to anybody.
pub(super) const OTP_NAMES: [&str; 5] = ["rex", "global_name_server", "pg", "global_group", "dist_ac"];

/// Bytes of the longest tag that is answered: a reference or two with the longest names have fewer, and what is kept in the
/// transmit buffer has room for it.
const TAG: usize = 700;

/// Whether there is such a process though it has no mailbox: `net_kernel`, which `net_adm:ping` calls.
pub(super) fn exists(name: Atom<'_>) -> bool {
    name == "net_kernel"
}

/// Answers what is asked of `net_kernel` without a time limit: `{is_auth, Node}`, which is what `net_adm:ping` asks, with `yes`; and
/// `{spawn_opt, ..}`, which OTP 23 asks when it is told that there are no spawn requests here, with `notsup`.
pub(super) fn net_kernel(identity: &Identity<'_>, links: &mut Links<'_>, peer: Key, message: Term<'_>) -> Result<(), Error> {
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
    let flags = links.table.at(peer).map_or(Flags::default(), |link| link.flags);
    let to = match call.alias() {
        Some(alias) if flags.has(Flags::ALIAS) && alias.node == call.from.node => To::Alias(alias),
        _ => To::Pid(call.from),
    };
    send(identity, links, peer, to, |t| {
        t.tuple(2)?;
        t.term(call.tag)?;
        t.atom(answer)
    })
}

/// Sends a message from no process in particular.
pub(super) fn send(
    identity: &Identity<'_>,
    links: &mut Links<'_>,
    peer: Key,
    to: To<'_>,
    message: impl FnOnce(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
) -> Result<(), Error> {
    let altact = links.table.at(peer).is_some_and(|link| link.flags.has(Flags::ALTACT_SIG));
    let from = Pid { node: identity.config.name.shown().as_atom(), id: 0, serial: 0, creation: identity.creation };
    links.frame(peer, 0, |out| {
        put_send(out, Some(from), to, altact)?;
        TermWriter::one(out, message)
    })
}
