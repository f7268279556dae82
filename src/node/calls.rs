//! What OTP's own processes would answer.

use super::links::{Identity, Links};
use super::message::{Call, TAG};
use crate::error::Error;
use crate::storage::slots::Key;
use crate::wire::build::{TermWriter, WriteDyn};
use crate::wire::codes::Flags;
use crate::wire::control::{To, put_send};
use crate::wire::ids::Atom;
use crate::wire::term::Term;

/// Processes of OTP that every BEAM has, which nodes send to unasked. That they are not here is no news to anybody.
pub(super) const OTP_NAMES: [&str; 5] = ["rex", "global_name_server", "pg", "global_group", "dist_ac"];

/// Whether there is such a process though it has no mailbox: `net_kernel`, which `net_adm:ping` calls, and `rex`, which `rpc` does.
pub(super) fn exists(name: Atom<'_>) -> bool {
    name == "net_kernel" || name == "rex"
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
    let flags = links.flags(peer);
    let to = match call.caller().alias() {
        Some(alias) if flags.has(Flags::ALIAS) && alias.node == call.from.node => To::Alias(alias),
        _ => To::Pid(call.from),
    };
    send(identity, links, peer, to, &mut |t| {
        t.tuple(2)?;
        t.term(call.tag)?;
        t.atom(answer)
    })
}

/// Sends a message in the core's own name.
pub(super) fn send(
    identity: &Identity<'_>,
    links: &mut Links<'_>,
    peer: Key,
    to: To<'_>,
    message: WriteDyn<'_>,
) -> Result<(), Error> {
    let altact = links.flags(peer).has(Flags::ALTACT_SIG);
    links.frame(peer, 0, |out| {
        put_send(out, Some(identity.core_pid()), to, altact)?;
        TermWriter::one(out, message)
    })
}

/// Answers as the group leader of processes we spawn elsewhere: what they print is taken, and goes nowhere. Were it not answered, a
/// function that prints would never return.
pub(super) fn group_leader(identity: &Identity<'_>, links: &mut Links<'_>, peer: Key, message: Term<'_>) -> Result<(), Error> {
    let Some([request, from, reply_as, what]) = message.tuple() else { return Ok(()) };
    let Some(from) = from.as_pid().filter(|_| request.is_atom("io_request") && reply_as.as_bytes().len() <= TAG) else {
        return Ok(());
    };
    let prints = what.as_tuple().and_then(|mut what| what.next()).is_some_and(|what| what.is_atom("put_chars"));
    send(identity, links, peer, To::Pid(from), &mut |t| {
        t.tuple(3)?;
        t.atom("io_reply")?;
        t.term(reply_as)?;
        if prints {
            return t.atom("ok");
        }
        t.tuple(2)?;
        t.atom("error")?;
        t.atom("enotsup")
    })
}
