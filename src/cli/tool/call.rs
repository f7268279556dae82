//! The command `beamless call`: calls a registered process, and prints its reply.

use beamless::Failure as No;

use super::asking::{Tool, storage};
use super::message::{MessageArguments, no_process};
use crate::cli::command_line::options::{COOKIE_FILE, DYNAMIC, JSON, NAME, NODE, PROCESS, SNAME, TERM, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::{Opt, Spec};
use crate::cli::outcome::{Failure, print};
use crate::cli::terms::{self, json};

pub(super) const SPEC: Spec = Spec {
    name: "call",
    help: "Call a process, as gen_server:call does, and print the reply",
    about: "Call a process, as gen_server:call({NAME,NODE}, TERM) does, and print its reply.",
    options: &[
        SNAME,
        NAME,
        DYNAMIC,
        COOKIE_FILE,
        TLS_DIR,
        TIMEOUT,
        Opt { help: "TERM is JSON, and so is what is printed", ..JSON },
    ],
    positionals: &[NODE, PROCESS, TERM],
    notes: &["Example: beamless call hub@nuc3 thermometer '{read, celsius}'", json::HELP],
    lasts: false,
    run: |found| {
        let message = MessageArguments::read(found)?;
        call(&message)
    },
};

/// Calls as `gen_server:call` does.
fn call(message: &MessageArguments) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let request = terms::read(&message.term, message.format, &mut bytes)?;
    let mut storage = storage();
    let mut tool = Tool::open(&message.node, &message.asking, &mut storage)?;
    let peer = tool.peer.clone();
    let mut is_missing = false;
    let reply =
        tool.ask(&mut |out, node, timeout| out.call((message.to.as_str(), node), timeout, |t| t.term(request)), &mut |result| {
            match result {
                Ok(reply) => Ok(terms::written(reply, message.format, &peer)),
                Err(No::NoProcess) => {
                    is_missing = true;
                    Ok(String::new())
                }
                Err(No::Ended(reason)) => Err(Failure::refused(format!(
                    "{} on {peer} ended before it answered: {}; that node's log may say more",
                    message.to,
                    terms::text(reason, &peer)
                ))),
                Err(e) => Err(Failure::refused(format!("{} on {peer}: {e}", message.to))),
            }
        })?;
    if is_missing {
        return Err(no_process(&message.to, &tool));
    }
    print(&reply)
}
