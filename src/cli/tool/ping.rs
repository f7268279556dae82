//! The command `beamless ping`: asks whether a node is there.

use super::asking::{Asking, Tool, storage};
use crate::cli::command_line::options::{COOKIE_FILE, DYNAMIC, NAME, NODE, SNAME, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::Spec;
use crate::cli::outcome::{Failure, print};

pub(super) const SPEC: Spec = Spec {
    name: "ping",
    help: "Ask whether a node is there: pong or pang",
    about: "Connect to a node as net_adm:ping does, and print pong; or pang, and why on standard error.",
    options: &[SNAME, NAME, DYNAMIC, COOKIE_FILE, TLS_DIR, TIMEOUT],
    positionals: &[NODE],
    notes: &["Examples: beamless ping hub@nuc3 || systemctl restart hub\n  beamless ping --tls-dir /etc/beamless/tls hub@nuc3"],
    lasts: false,
    run: |found| {
        let (asking, node) = (Asking::read(found)?, found.positional("NODE")?);
        ping(&node, &asking)
    },
};

/// Asks what `net_adm:ping` asks.
fn ping(node: &str, asking: &Asking) -> Result<(), Failure> {
    let mut storage = storage();
    let mut tool = Tool::open(node, asking, &mut storage)?;
    match tool.ping() {
        Ok(()) => print("pong"),
        Err(failure) => {
            print("pang")?;
            Err(failure)
        }
    }
}
