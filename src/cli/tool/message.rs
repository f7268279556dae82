//! The arguments of `send` and `call`: a term for a registered process.

use super::asking::{Asking, Tool};
use crate::cli::command_line::options;
use crate::cli::command_line::spec::Found;
use crate::cli::outcome::Failure;
use crate::cli::terms::Format;

/// A message, and where it goes.
pub(super) struct MessageArguments {
    pub(super) asking: Asking,
    pub(super) format: Format,
    pub(super) node: String,
    pub(super) to: String,
    pub(super) term: String,
}

impl MessageArguments {
    pub(super) fn read(found: &mut Found) -> Result<Self, String> {
        let (asking, format) = (Asking::read(found)?, options::format(found));
        let (node, to, term) = (found.positional("NODE")?, found.positional("NAME")?, found.positional("TERM")?);
        Ok(Self { asking, format, node, to, term })
    }
}

/// Makes the failure that no process of the node that was asked has the name, and says what the name may be meant to be.
pub(super) fn no_process(name: &str, tool: &Tool<'_>) -> Failure {
    let meant = meant(name).map_or(String::new(), |meant| format!("; {meant}"));
    Failure::refused(format!(
        "noproc: no process on {} is registered as {name}{meant}; if it runs Erlang, or beamless run, `{} 'erlang:registered()'` lists those that are",
        tool.peer,
        tool.again("rpc")
    ))
}

/// Says how a name that was written as Erlang or Elixir writes atoms is written here.
pub(super) fn meant(name: &str) -> Option<String> {
    match name.chars().next()? {
        quote @ ('\'' | '"') if name.len() > 2 && name.ends_with(quote) => {
            Some(format!("a name is written without quotes: {}", name.trim_matches(quote)))
        }
        ':' => Some(format!("a name is written without Elixir's colon: {}", name.trim_start_matches(':'))),
        'A'..='Z' if !name.starts_with("Elixir.") => Some(format!("if that is an Elixir module, its name is Elixir.{name}")),
        _ => None,
    }
}
