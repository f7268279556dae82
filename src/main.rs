//! The `beamless` binary: an Erlang node to run on a box without Erlang.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
