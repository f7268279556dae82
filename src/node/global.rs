//! What OTP's processes on a peer tell the processes of the same name here, unasked, once a visible node is up.
//!
//! There is no `global` here: no names, no locks. A node that takes part in it becomes *known* to all others, and known nodes
//! are held to be connected to each other: whoever cannot connect here would have the others disconnect from here
//! (`prevent_overlapping_partitions`). Who stays out of it is in nobody's way, save in one: `global:sync` waits for every node
//! of `nodes()` until that says that it is in sync, so that is said.

use super::calls::{OTP_NAMES, send};
use super::links::{Identity, Links};
use crate::error::Error;
use crate::storage::slots::Key;
use crate::wire::control::To;
use crate::wire::ids::{Atom, Pid};
use crate::wire::term::Term;

/// The process that `global` is.
const SERVER: &str = "global_name_server";

/// Does what a message to this name, which is no mailbox, asks for. `false`: it is not one of OTP's.
pub(super) fn handle(
    identity: &Identity<'_>,
    links: &mut Links<'_>,
    peer: Key,
    name: Atom<'_>,
    message: Term<'_>,
) -> Result<bool, Error> {
    if name == SERVER && is_init_connect(message) {
        in_sync(identity, links, peer)?;
    } else if name == "rex"
        && let Some(observer) = features_request(message)
        && links.table.at(peer).is_some_and(|link| observer.node == *link.name.as_str())
    {
        features(identity, links, peer, observer)?;
    }
    Ok(OTP_NAMES.iter().any(|otp| name == **otp) || is_discover(message))
}

/// `{'$gen_cast',{init_connect,Version,Node,Locker}}`: what `global` says to a visible node that came up. It does not wait for
/// the answer, but everybody does who calls `global:sync`.
fn is_init_connect(message: Term<'_>) -> bool {
    let cast = message.tuple().and_then(|[kind, cast]: [_; 2]| kind.is_atom("$gen_cast").then_some(cast));
    cast.and_then(Term::tuple).is_some_and(|[what, _, _, _]: [_; 4]| what.is_atom("init_connect"))
}

/// The last word of that conversation, said at once: the peer forgets that it began one, wakes who waits for it, and does not
/// add this node to those it knows.
fn in_sync(identity: &Identity<'_>, links: &mut Links<'_>, peer: Key) -> Result<(), Error> {
    send(identity, links, peer, To::Name(Atom::from_str(SERVER)), |t| {
        t.tuple(2)?;
        t.atom("$gen_cast")?;
        t.tuple(3)?;
        t.atom("in_sync")?;
        t.atom(identity.config.name.shown().as_str())?;
        // no release looks at this, and all say so
        t.atom("true")
    })
}

/// Who asks what `rex` can do: `{Pid,features_request}`.
fn features_request(message: Term<'_>) -> Option<Pid<'_>> {
    let [from, what] = message.tuple()?;
    if what.is_atom("features_request") { from.as_pid() } else { None }
}

/// OTP 23 has `rpc:multicall` and others use `erpc` towards nodes that said this.
fn features(identity: &Identity<'_>, links: &mut Links<'_>, peer: Key, observer: Pid<'_>) -> Result<(), Error> {
    send(identity, links, peer, To::Pid(observer), |t| {
        t.tuple(3)?;
        t.atom("features_reply")?;
        t.atom(identity.config.name.shown().as_str())?;
        t.list(1)?;
        t.atom("erpc")?;
        t.nil()
    })
}

/// `{discover,Pid}`, and what later releases may add: a scope of `pg`, whatever its name, looks for the same scope here. A node
/// without it does not answer.
fn is_discover(message: Term<'_>) -> bool {
    let Some(mut parts) = message.as_tuple() else { return false };
    matches!(parts.len(), 2 | 3)
        && parts.next().is_some_and(|what| what.is_atom("discover"))
        && parts.next().is_some_and(|scope| scope.as_pid().is_some())
}
