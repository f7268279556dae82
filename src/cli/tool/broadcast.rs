//! The command `beamless broadcast`: sends a message to the subscribers of a topic of Phoenix.PubSub.

use beamless::{OwnedPid, Term};

use super::asking::{Asking, Tool, storage};
use super::function::FunctionCall;
use crate::cli::command_line::options::{self, COOKIE_FILE, DYNAMIC, JSON, NAME, NODE, SNAME, TERM, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::{Opt, Positional, Spec};
use crate::cli::groups::{self, PHOENIX, PubSub};
use crate::cli::outcome::Failure;
use crate::cli::terms::{self, Format, json};

pub(super) const SPEC: Spec = Spec {
    name: "broadcast",
    help: "Broadcast a message to the subscribers of a topic of Phoenix.PubSub",
    about: "Broadcast a message, as Phoenix.PubSub.broadcast(PUBSUB, TOPIC, TERM) does on that node: its subscribers get it, and those on the nodes that \
        it is connected to. That no such PubSub runs there is an error; whether anybody subscribed is not told.",
    options: &[SNAME, NAME, DYNAMIC, COOKIE_FILE, TLS_DIR, TIMEOUT, LOCAL, Opt { help: "TERM is JSON", ..JSON }],
    positionals: &[
        NODE,
        Positional {
            name: "PUBSUB",
            help: "The name of the PubSub, as Elixir writes it: My.PubSub, :pubsub",
            ..Positional::WORD
        },
        Positional { name: "TOPIC", help: "The topic", ..Positional::WORD },
        TERM,
    ],
    notes: &[
        "Example: beamless broadcast hub@nuc3 My.PubSub readings '{reading, 21.5}'\n  where some process has done \
            Phoenix.PubSub.subscribe(My.PubSub, \"readings\")",
        json::HELP,
    ],
    lasts: false,
    run: |found| {
        let (asking, format) = (Asking::read(found)?, options::format(found));
        let is_local = found.has("local");
        let (node, pubsub) = (found.positional("NODE")?, found.positional("PUBSUB")?);
        let (topic, message) = (found.positional("TOPIC")?, found.positional("TERM")?);
        broadcast(&node, &asking, is_local, &Broadcast { pubsub, topic, message, format })
    },
};

const LOCAL: Opt =
    Opt { long: "local", help: "Only to the subscribers on that node, as Phoenix.PubSub.local_broadcast", ..Opt::SWITCH };

struct Broadcast {
    pubsub: String,
    topic: String,
    message: String,
    format: Format,
}

/// Sends the message as the PubSub of another node would: to the process that each node has for the PubSub.
fn broadcast(node: &str, asking: &Asking, is_local: bool, what: &Broadcast) -> Result<(), Failure> {
    let pubsub = PubSub::read(&what.pubsub).map_err(|why| Failure::usage(format!("{}: {why}", what.pubsub)))?;
    let adapter = pubsub.adapter;
    let (mut read, mut bytes) = (Vec::new(), Vec::new());
    let message = terms::read(&what.message, what.format, &mut read)?;
    let forward = terms::encoded(|t| groups::broadcast(t, &what.topic, |t| t.term(message)), &mut bytes)?;
    let mut storage = storage();
    let mut tool = Tool::open(node, asking, &mut storage)?;
    tool.send(&adapter, forward)?;
    tool.ping()?;
    if tool.is_missing {
        return Err(Failure::refused(format!(
            "noproc: {} does not run on {}: no process is registered as {adapter}; its name is the one that its application gives it, as in \
             {{Phoenix.PubSub, name: {0}}}",
            what.pubsub, tool.peer
        )));
    }
    if is_local {
        return Ok(());
    }
    for other in others(&mut tool, &adapter)? {
        forward_to(&mut tool, &other, forward)?;
    }
    Ok(())
}

/// Returns the processes that other nodes have for the PubSub, as far as the node that is asked knows them.
fn others(tool: &mut Tool<'_>, adapter: &str) -> Result<Vec<OwnedPid>, Failure> {
    let mut bytes = Vec::new();
    let args = terms::encoded(|t| t.list(2)?.atom(PHOENIX)?.atom(adapter)?.nil(), &mut bytes)?;
    let peer = tool.peer.clone();
    let mut others = Vec::new();
    FunctionCall::new("pg", "get_members", args).apply(tool, &mut |result| {
        // a PubSub that is no member of any group has no others
        let members = result.ok().and_then(Term::as_list).into_iter().flatten().filter_map(Term::as_pid);
        others = members.filter(|pid| pid.node != *peer).filter_map(OwnedPid::new).collect();
        Ok(String::new())
    })?;
    Ok(others)
}

/// Has the node that is asked send to a process of another.
fn forward_to(tool: &mut Tool<'_>, to: &OwnedPid, forward: Term<'_>) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    // with options its value is not the message
    let args = terms::encoded(|t| t.list(3)?.pid(to.as_pid())?.term(forward)?.nil()?.nil(), &mut bytes)?;
    let send = FunctionCall::new("erlang", "send", args);
    let peer = tool.peer.clone();
    send.apply(tool, &mut |result| result.map(|_| String::new()).map_err(|e| send.exception(e, &peer))).map(drop)
}
