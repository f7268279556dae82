//! The command `beamless send`: sends a message to a registered process.

use super::asking::{Tool, storage};
use super::message::{MessageArguments, no_process};
use crate::cli::command_line::options::{COOKIE_FILE, DYNAMIC, JSON, NAME, NODE, PROCESS, SNAME, TERM, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::{Opt, Spec};
use crate::cli::outcome::{Failure, say};
use crate::cli::terms::{self, json};

pub(super) const SPEC: Spec = Spec {
    name: "send",
    help: "Send a message to a registered process",
    about: "Send a message, as {NAME,NODE} ! TERM does. It is done once the node has it; that no process has the name is an error. \
        A node that is no Erlang may not say so: then that is told, once --timeout is over. What has not left by then is an error.",
    options: &[SNAME, NAME, DYNAMIC, COOKIE_FILE, TLS_DIR, TIMEOUT, Opt { help: "TERM is JSON", ..JSON }],
    positionals: &[NODE, PROCESS, TERM],
    notes: &["Example: beamless send hub@nuc3 readings '{reading, 21.5, <<\"kitchen\">>, #{unit => celsius}}'", json::HELP],
    lasts: false,
    run: |found| {
        let message = MessageArguments::read(found)?;
        send(&message)
    },
};

/// Sends as `{Name, Node} ! Term` does, and asks a question behind it: once that is answered, the node has read the message.
fn send(message: &MessageArguments) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let term = terms::read(&message.term, message.format, &mut bytes)?;
    let mut storage = storage();
    let mut tool = Tool::open(&message.node, &message.asking, &mut storage)?;
    tool.send(&message.to, term)?;
    let has_read = tool.has_read()?;
    if tool.is_missing {
        return Err(no_process(&message.to, &tool));
    }
    if !has_read {
        let (peer, seconds) = (&tool.peer, tool.timeout.as_secs_f64());
        say(&format!("beamless: sent; whether it arrived is not known: {peer} has not said within {seconds} s that it read it"));
    }
    Ok(())
}
