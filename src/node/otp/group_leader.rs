//! The group leader of processes that this node spawns elsewhere.

use crate::error::Error;
use crate::node::core::send::send;
use crate::node::forms::tag::TAG;
use crate::node::tables::identity::Identity;
use crate::node::tables::links::Links;
use crate::storage::slots::Key;
use crate::wire::control::To;
use crate::wire::term::Term;

/// Answers as the group leader of processes we spawn elsewhere: what they print is taken, and goes nowhere. Were it not answered, a
/// function that prints would never return.
pub(crate) fn handle(identity: &Identity, links: &mut Links<'_>, peer: Key, message: Term<'_>) -> Result<(), Error> {
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
