//! Names of OTP's own processes, to which nodes send unasked.

use crate::wire::ids::Atom;

/// The processes that are here though they have no mailbox: `net_kernel`, which `net_adm:ping` calls, and `rex`, which `rpc` does.
pub(crate) const ANSWERED: [&str; 2] = ["net_kernel", "rex"];

/// The other processes that every BEAM has. That they are not here is no news to anybody.
const ABSENT: [&str; 4] = ["global_name_server", "pg", "global_group", "dist_ac"];

/// Returns true if the core itself answers for the process of this name.
pub(crate) fn exists(name: Atom<'_>) -> bool {
    ANSWERED.iter().any(|answered| name == **answered)
}

/// Returns true for the name of a process of OTP's, whether it is here or not.
pub(crate) fn is_otp(name: Atom<'_>) -> bool {
    exists(name) || ABSENT.iter().any(|absent| name == **absent)
}
