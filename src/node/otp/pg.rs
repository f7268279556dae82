//! `pg`, which is not here.

use crate::wire::term::Term;

/// Returns true for `{discover,Pid}`, with a version behind it since OTP 28. A scope of `pg`, which may have any name, looks for the same
/// one here. A node without it does not answer.
pub(crate) fn is_discover(message: Term<'_>) -> bool {
    let Some(mut parts) = message.as_tuple() else { return false };
    matches!(parts.len(), 2 | 3)
        && parts.next().is_some_and(|what| what.is_atom("discover"))
        && parts.next().is_some_and(|scope| scope.as_pid().is_some())
}
