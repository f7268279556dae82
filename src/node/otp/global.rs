//! `global`, as far as a node must answer it that takes no part in it.
//!
//! There is no `global` here: no names and no locks. Who takes part in it becomes *known* to every node that does, and nodes that
//! know each other must all be connected: one that lost a known node has the others disconnect from it
//! (`prevent_overlapping_partitions`). A node that stays out of it is asked for nothing and disturbs nobody, but for one thing:
//! `global:sync` waits for each of `nodes()` to say that it is in sync, so that is said.

use crate::error::Error;
use crate::node::core::send::send;
use crate::node::tables::identity::Identity;
use crate::node::tables::links::Links;
use crate::storage::slots::Key;
use crate::wire::control::To;
use crate::wire::ids::Atom;
use crate::wire::term::Term;

/// The process of `global`.
pub(crate) const SERVER: &str = "global_name_server";

/// Returns true for `{'$gen_cast',{init_connect,Version,Node,Locker}}`: with this `global` begins its conversation with a node that came
/// up.
pub(crate) fn is_init_connect(message: Term<'_>) -> bool {
    let Some([kind, cast]) = message.tuple() else { return false };
    let Some([what, _version, _node, _locker]) = cast.tuple() else { return false };
    kind.is_atom("$gen_cast") && what.is_atom("init_connect")
}

/// Sends the last word of that conversation at once. The peer forgets that it began one, wakes those who wait for it to end, and does not
/// count this node among the known.
pub(crate) fn in_sync(identity: &Identity, links: &mut Links<'_>, peer: Key) -> Result<(), Error> {
    send(identity, links, peer, To::Name(Atom::from_str(SERVER)), &mut |t| {
        t.tuple(2)?;
        t.atom("$gen_cast")?;
        t.tuple(3)?;
        t.atom("in_sync")?;
        t.atom(identity.config.name.shown().as_str())?;
        // every release says so, and none looks at it
        t.atom("true")
    })
}
