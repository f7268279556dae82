//! The `beamless` binary: an Erlang node to run on a box without Erlang.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails"))]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
