//! `pg`, which is not here.

use crate::wire::term::Term;

/// Returns true for what the processes of `pg` send to those of the same scope, which may have any name: `{discover,Pid}`, with a version behind
/// it since OTP 28, `{'$gen_cast',{sync,Pid,Groups}}`, and joins and leaves. A node without that scope does not answer.
pub(crate) fn is_of_scope(message: Term<'_>) -> bool {
    let cast = message.tuple().filter(|[kind, _]| kind.is_atom("$gen_cast")).map_or(message, |[_, cast]| cast);
    let Some(mut parts) = cast.as_tuple() else { return false };
    let known: &[&str] = match parts.len() {
        2 => &["discover"],
        3 => &["discover", "sync"],
        4 => &["join", "leave"],
        _ => return false,
    };
    parts.next().is_some_and(|what| known.iter().any(|word| what.is_atom(word)))
        && parts.next().is_some_and(|scope| scope.as_pid().is_some())
}
