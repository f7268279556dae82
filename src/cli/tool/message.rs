//! The arguments of `send` and `call`: a term for a registered process.

use super::asking::Asking;
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

/// Makes the failure that no process has the name.
pub(super) fn no_process(name: &str, node: &str) -> Failure {
    Failure::refused(format!(
        "noproc: no process on {node} is registered as {name}; `beamless rpc {node} 'erlang:registered()'` lists those that are"
    ))
}
