//! The command `beamless whereis`: looks a global name up.

use super::asking::{Asking, Tool, storage};
use super::function::FunctionCall;
use super::message::meant;
use crate::cli::command_line::options::{COOKIE_FILE, DYNAMIC, NAME, NODE, SNAME, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::{Positional, Spec};
use crate::cli::outcome::{Failure, print, printable};
use crate::cli::terms;

pub(super) const SPEC: Spec = Spec {
    name: "whereis",
    help: "Look up a name that is registered globally",
    about: "Look up a name that is registered globally, as global:whereis_name does at that node, and print the pid and its node. That nobody has \
        the name is an error.",
    options: &[SNAME, NAME, DYNAMIC, COOKIE_FILE, TLS_DIR, TIMEOUT],
    positionals: &[
        NODE,
        Positional {
            name: "NAME",
            help: "The name: a word as it is, without quotes; or any other term, as Erlang writes it",
            quoted: true,
            ..Positional::WORD
        },
    ],
    notes: &["Examples: beamless whereis hub@nuc3 therm\n  beamless whereis hub@nuc3 '{sensor, 7}'"],
    lasts: false,
    run: |found| {
        let asking = Asking::read(found)?;
        let (node, name) = (found.positional("NODE")?, found.positional("NAME")?);
        whereis(&node, &name, &asking)
    },
};

/// Prints what `global:whereis_name` tells.
fn whereis(node: &str, name: &str, asking: &Asking) -> Result<(), Failure> {
    let term = terms::word(name).map_err(|why| Failure::usage(format!("{name}: {why}")))?;
    let mut bytes = Vec::new();
    let args = terms::encoded(|t| t.list(1)?.term(term.as_term())?.nil(), &mut bytes)?;
    let function = FunctionCall::new("global", "whereis_name", args);
    let mut storage = storage();
    let mut tool = Tool::open(node, asking, &mut storage)?;
    let (peer, rpc) = (tool.peer.clone(), tool.again("rpc"));
    let line = function.apply(&mut tool, &mut |result| {
        let found = result.map_err(|e| function.exception(e, &peer))?;
        let pid = found.as_pid().ok_or_else(|| undefined(name, &peer, &rpc))?;
        Ok(format!("{} {}", terms::text(found, &peer), printable(&pid.node.to_string())))
    })?;
    print(&line)
}

fn undefined(name: &str, peer: &str, rpc: &str) -> Failure {
    let meant = meant(name).map_or(String::new(), |meant| format!("; {meant}"));
    Failure::refused(format!(
        "undefined: {peer} knows no global name {name}{meant}; `{rpc} 'global:registered_names()'` lists those it knows"
    ))
}
