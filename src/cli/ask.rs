//! The commands that ask one node: `ping`, `send`, `call`, `rpc`, `nodes`.

use beamless::{Failure as No, Term};

use super::args::{About, Message, Rpc};
use super::function::Function;
use super::tool::{Then, Tool, storage};
use super::{Failure, print, terms};

/// `net_adm:ping`.
pub(super) fn ping(about: &About) -> Result<(), Failure> {
    let mut storage = storage();
    let mut tool = Tool::open(&about.node, &about.asking, &mut storage)?;
    match tool.ping() {
        Ok(()) => print("pong"),
        Err(failure) => {
            print("pang")?;
            Err(failure)
        }
    }
}

/// `{Name, Node} ! Term`, and a question behind it: once that is answered, the node has read the message.
pub(super) fn send(message: &Message) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let term = terms::read(&message.term, message.format, &mut bytes)?;
    let mut storage = storage();
    let mut tool = Tool::open(&message.node, &message.asking, &mut storage)?;
    tool.send(&message.to, term)?;
    tool.ping()?;
    if tool.is_missing {
        return Err(no_process(&message.to, &tool.peer));
    }
    Ok(())
}

/// `gen_server:call`.
pub(super) fn call(message: &Message) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let request = terms::read(&message.term, message.format, &mut bytes)?;
    let mut storage = storage();
    let mut tool = Tool::open(&message.node, &message.asking, &mut storage)?;
    let peer = tool.peer.clone();
    let reply =
        tool.ask(&mut |out, node, timeout| out.call((message.to.as_str(), node), timeout, |t| t.term(request)), &mut |result| {
            match result {
                Ok(reply) => Ok(terms::written(reply, message.format, &peer)),
                Err(No::NoProcess) => Err(no_process(&message.to, &peer)),
                Err(No::Ended(reason)) => Err(Failure::refused(format!(
                    "{} on {peer} ended before it answered: {}; that node's log may say more",
                    message.to,
                    terms::text(reason, &peer)
                ))),
                Err(e) => Err(Failure::refused(format!("{} on {peer}: {e}", message.to))),
            }
        })?;
    print(&reply)
}

fn no_process(name: &str, node: &str) -> Failure {
    Failure::refused(format!(
        "noproc: no process on {node} is registered as {name}; `beamless rpc {node} 'erlang:registered()'` lists those that are"
    ))
}

/// `rpc:call`.
pub(super) fn rpc(rpc: &Rpc) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let function = Function::parse(&rpc.function, &mut bytes)?;
    let mut storage = storage();
    let mut tool = Tool::open(&rpc.node, &rpc.asking, &mut storage)?;
    let peer = tool.peer.clone();
    let value = apply(&mut tool, &function, &mut |result| match result {
        Ok(value) => Ok(terms::written(value, rpc.format, &peer)),
        Err(e) => Err(function.exception(e, &peer)),
    })?;
    print(&value)
}

/// Calls a function at the node.
fn apply(tool: &mut Tool<'_>, function: &Function<'_>, then: Then<'_>) -> Result<String, Failure> {
    tool.ask(&mut |out, node, timeout| out.rpc(node, &function.module, &function.name, timeout, |t| t.term(function.args)), then)
}

/// The nodes that a node is connected to, this one left out.
pub(super) fn nodes(about: &About) -> Result<(), Failure> {
    let mut storage = storage();
    let mut tool = Tool::open(&about.node, &about.asking, &mut storage)?;
    let own = tool.name();
    let mut lines = Vec::new();
    for kind in ["visible", "hidden"] {
        let mut bytes = Vec::new();
        let function = Function::parse(&format!("erlang:nodes([{kind}])"), &mut bytes)?;
        let peer = tool.peer.clone();
        apply(&mut tool, &function, &mut |result| {
            let nodes = atoms(result.map_err(|e| function.exception(e, &peer))?);
            lines.extend(nodes.into_iter().filter(|node| *node != own).map(|node| format!("{node} {kind}")));
            Ok(String::new())
        })?;
    }
    lines.iter().try_for_each(|line| print(line))
}

/// The texts of a list of atoms.
fn atoms(list: Term<'_>) -> Vec<String> {
    list.as_list().into_iter().flatten().filter_map(Term::as_atom).map(|atom| atom.chars().collect()).collect()
}
