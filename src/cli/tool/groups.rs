//! The command `beamless groups`: lists the groups of `pg`.

use beamless::{Failure as No, OwnedTerm, Term};

use super::asking::{Asking, Tool, storage};
use super::function::FunctionCall;
use super::message::meant;
use crate::cli::command_line::options::{self, COOKIE_FILE, DYNAMIC, JSON, NAME, NODE, SNAME, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::{Opt, Positional, Spec};
use crate::cli::outcome::{Failure, print};
use crate::cli::terms::{self, Format};

pub(super) const SPEC: Spec = Spec {
    name: "groups",
    help: "List the groups of pg that a node knows, and their members",
    about: "List the groups of pg that a node knows, one a line, each with its members behind it. A member that joined twice stands there twice.",
    options: &[
        SNAME,
        NAME,
        DYNAMIC,
        COOKIE_FILE,
        TLS_DIR,
        TIMEOUT,
        Opt { help: "Print each group as a JSON object, with \"group\" and \"members\"", ..JSON },
    ],
    positionals: &[
        NODE,
        Positional {
            name: "SCOPE",
            help: "The name of pg's scope, as it is, without quotes; pg by default",
            optional: true,
            ..Positional::WORD
        },
    ],
    notes: &["Examples: beamless groups hub@nuc3\n  beamless groups hub@nuc3 Elixir.Phoenix.PubSub"],
    lasts: false,
    run: |found| {
        let (asking, format) = (Asking::read(found)?, options::format(found));
        let (node, scope) = (found.positional("NODE")?, found.next_positional()?);
        groups(&node, scope.as_deref().unwrap_or("pg"), format, &asking)
    },
};

/// Prints what `pg:which_groups` and `pg:get_members` tell.
fn groups(node: &str, scope: &str, format: Format, asking: &Asking) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let args = terms::encoded(|t| t.list(1)?.atom(scope)?.nil(), &mut bytes).map_err(Failure::usage)?;
    let which = FunctionCall::new("pg", "which_groups", args);
    let mut storage = storage();
    let mut tool = Tool::open(node, asking, &mut storage)?;
    let (peer, start) = (tool.peer.clone(), tool.again("rpc"));
    let mut groups = Vec::new();
    which.apply(&mut tool, &mut |result| {
        let list = result.map_err(|e| match e {
            No::Error { reason, .. } if reason.is_atom("badarg") => not_running(scope, &peer, &start),
            No::Undefined => Failure::refused(format!("{peer} tells no groups: Erlang does, since OTP 23")),
            e => which.exception(e, &peer),
        })?;
        groups = elements(list).map(Term::to_owned).collect();
        Ok(String::new())
    })?;
    // one question about all: there may be thousands
    let mut bytes = Vec::new();
    let args = terms::encoded(
        |t| {
            t.list(3)?.export("pg", "get_members", 2)?.list(groups.len())?;
            groups.iter().try_for_each(|_| t.atom(scope).map(drop))?;
            t.nil()?.list(groups.len())?;
            groups.iter().try_for_each(|group| t.term(group.as_term()).map(drop))?;
            t.nil()?.nil()
        },
        &mut bytes,
    )?;
    let of_each = FunctionCall::new("lists", "zipwith", args);
    let mut lines = Vec::new();
    of_each.apply(&mut tool, &mut |result| {
        let members = elements(result.map_err(|e| of_each.exception(e, &peer))?);
        // a group that lost its last member meanwhile is none any more
        let there = groups.iter().zip(members).filter(|(_, members)| elements(*members).next().is_some());
        lines = there.map(|(group, members)| line(group, members, format, &peer)).collect::<Result<_, _>>()?;
        Ok(String::new())
    })?;
    lines.sort_unstable();
    lines.iter().try_for_each(|line| print(line))
}

fn line(group: &OwnedTerm, members: Term<'_>, format: Format, peer: &str) -> Result<String, Failure> {
    if format == Format::Erlang {
        let members: String = elements(members).map(|member| format!(" {}", terms::text(member, peer))).collect();
        return Ok(terms::text(group.as_term(), peer) + &members);
    }
    let object = OwnedTerm::new(|t| {
        t.map(2)?.atom("group")?.term(group.as_term())?;
        t.atom("members")?.term(members)
    });
    Ok(terms::written(object.map_err(beamless::Error::from)?.as_term(), format, peer))
}

fn elements(list: Term<'_>) -> impl Iterator<Item = Term<'_>> {
    list.as_list().into_iter().flatten()
}

fn not_running(scope: &str, peer: &str, rpc: &str) -> Failure {
    let next = meant(scope).unwrap_or_else(|| format!("`{rpc} 'pg:start({scope})'` starts it"));
    Failure::refused(format!("no scope {scope} of pg runs on {peer}; {next}"))
}
