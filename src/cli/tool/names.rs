//! The command `beamless names`: lists what the EPMD of a host knows.

use std::time::Duration;

use beamless::{EpmdSettings, epmd_names};

use crate::cli::command_line::options::{self, TIMEOUT};
use crate::cli::command_line::spec::{Positional, Spec};
use crate::cli::host;
use crate::cli::outcome::{Failure, print, printable};
use crate::cli::threads;

pub(super) const SPEC: Spec = Spec {
    name: "names",
    help: "List the nodes of a host, as epmd -names does",
    about: "List the nodes that are registered with a host's EPMD, as epmd -names does. ERL_EPMD_PORT says at which port that is.",
    options: &[TIMEOUT],
    positionals: &[Positional { name: "HOST", help: "The host; this one by default", optional: true, ..Positional::WORD }],
    notes: &["Example: beamless names nuc3"],
    lasts: false,
    run: |found| {
        let timeout = options::timeout(found)?;
        let host = found.next_positional()?.unwrap_or_else(|| "localhost".to_owned());
        let host = host::without_brackets(&host).to_owned();
        let port = EpmdSettings::from_env().map_err(Failure::usage)?.port;
        names(host, port, timeout)
    },
};

/// Prints what `epmd -names` prints, of any host.
fn names(host: String, port: u16, timeout: Duration) -> Result<(), Failure> {
    let silent = format!("asking epmd on {host}, port {port}: timed out");
    // the look-up of the host's name counts, too
    let names = threads::within(timeout, move || epmd_names(&host, port, timeout).map_err(|e| e.to_string()));
    let names = names.unwrap_or(Err(silent)).map_err(|e| {
        Failure::refused(format!(
            "{e}; is a node running there, or an epmd (`beamless epmd` is one)? ERL_EPMD_PORT says where, and firewalls must let it through"
        ))
    })?;
    print(&list(port, &names))
}

/// Returns the list as `epmd -names` prints it, in one piece: whoever reads it from a pipe may look at the first piece alone.
pub(super) fn list(port: u16, names: &[(String, u16)]) -> String {
    let mut list = format!("epmd: up and running on port {port} with data:");
    for (name, port) in names {
        list += &format!("\nname {} at port {port}", printable(name));
    }
    list
}
