//! The command `beamless nodes`: lists the nodes that a node is connected to.

use beamless::{Failure as No, Term};

use super::asking::{Asking, Tool, storage};
use super::function::FunctionCall;
use crate::cli::command_line::options::{COOKIE_FILE, DYNAMIC, NAME, NODE, SNAME, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::Spec;
use crate::cli::outcome::{Failure, print, printable};

pub(super) const SPEC: Spec = Spec {
    name: "nodes",
    help: "List the nodes that a node is connected to",
    about: "List the nodes that a node is connected to, one a line, each with its kind: visible or hidden.",
    options: &[SNAME, NAME, DYNAMIC, COOKIE_FILE, TLS_DIR, TIMEOUT],
    positionals: &[NODE],
    notes: &["Example: beamless nodes hub@nuc3"],
    lasts: false,
    run: |found| {
        let (asking, node) = (Asking::read(found)?, found.positional("NODE")?);
        nodes(&node, &asking)
    },
};

/// Prints the nodes that a node is connected to, this one left out.
fn nodes(node: &str, asking: &Asking) -> Result<(), Failure> {
    let mut storage = storage();
    let mut tool = Tool::open(node, asking, &mut storage)?;
    let own = tool.named()?;
    let mut lines = Vec::new();
    for kind in ["visible", "hidden"] {
        let mut bytes = Vec::new();
        let function = FunctionCall::parse(&format!("erlang:nodes([{kind}])"), &mut bytes)?;
        let peer = tool.peer.clone();
        function.apply(&mut tool, &mut |result| {
            let nodes = atoms(result.map_err(|e| match e {
                No::Undefined => Failure::refused(format!("{peer} does not tell its nodes: Erlang does, and beamless run")),
                e => function.exception(e, &peer),
            })?);
            lines.extend(nodes.into_iter().filter(|node| *node != own).map(|node| format!("{} {kind}", printable(&node))));
            Ok(String::new())
        })?;
    }
    lines.iter().try_for_each(|line| print(line))
}

/// Returns the texts of a list of atoms.
fn atoms(list: Term<'_>) -> Vec<String> {
    list.as_list().into_iter().flatten().filter_map(Term::as_atom).map(|atom| atom.chars().collect()).collect()
}
