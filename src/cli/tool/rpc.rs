//! The command `beamless rpc`: calls a function, and prints its value.

use super::asking::{Asking, Tool, storage};
use super::function::FunctionCall;
use crate::cli::command_line::options::{self, COOKIE_FILE, DYNAMIC, JSON, NAME, NODE, SNAME, TIMEOUT, TLS_DIR};
use crate::cli::command_line::spec::{Opt, Positional, Spec};
use crate::cli::outcome::{Failure, print};
use crate::cli::terms::{self, Format, json};

pub(super) const SPEC: Spec = Spec {
    name: "rpc",
    help: "Call a function on a node and print its value",
    about: "Call a function on a node, as rpc:call does, and print its value; or the exception, on standard error. What the function itself \
        prints appears where the node prints, and the crash of what it starts in that node's log; with --print, what it prints appears here.",
    options: &[
        SNAME,
        NAME,
        DYNAMIC,
        COOKIE_FILE,
        TLS_DIR,
        TIMEOUT,
        Opt { help: "Print the value as JSON; the call is Erlang text all the same", ..JSON },
        PRINT,
    ],
    positionals: &[
        NODE,
        Positional {
            name: "MOD:FUN(ARGS)",
            help: "The call, as Erlang writes it, or as Elixir does up to its arguments: these are values as Erlang writes them, and nothing \
                in them is evaluated",
            quoted: true,
            ..Positional::WORD
        },
    ],
    notes: &[
        "Examples: beamless rpc hub@nuc3 'erlang:memory(total)'\n  beamless rpc hub@nuc3 'System.version()'\n  \
            beamless rpc hub@nuc3 --print 'c:regs()'",
        json::PRINTED,
    ],
    lasts: false,
    run: |found| {
        let (asking, format, prints) = (Asking::read(found)?, options::format(found), found.has("print"));
        let (node, function) = (found.positional("NODE")?, found.positional("MOD:FUN(ARGS)")?);
        rpc(&node, &function, format, prints, &asking)
    },
};

const PRINT: Opt = Opt {
    long: "print",
    help: "Print on standard error what the function prints; not for one that starts what is to last, which would print to nobody later",
    ..Opt::SWITCH
};

/// Calls as `rpc:call` does.
fn rpc(node: &str, function: &str, format: Format, prints: bool, asking: &Asking) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let function = FunctionCall::parse(function, &mut bytes)?;
    let mut storage = storage();
    let mut tool = Tool::open(node, asking, &mut storage)?;
    if prints {
        tool.print();
    }
    let peer = tool.peer.clone();
    let value = function.apply(&mut tool, &mut |result| match result {
        Ok(value) => Ok(terms::written(value, format, &peer)),
        Err(e) => Err(function.exception(e, &peer)),
    })?;
    print(&value)
}
