//! Names that OTP's own processes have.

use crate::wire::ids::Atom;

/// Processes of OTP that every BEAM has, which nodes send to unasked. That they are not here is no news to anybody.
pub(crate) const OTP_NAMES: [&str; 5] = ["rex", "global_name_server", "pg", "global_group", "dist_ac"];

/// Whether there is such a process though it has no mailbox: `net_kernel`, which `net_adm:ping` calls, and `rex`, which `rpc` does.
pub(crate) fn exists(name: Atom<'_>) -> bool {
    name == "net_kernel" || name == "rex"
}
