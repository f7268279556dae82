//! The binary's modules as a library, for the bodies in it.

#![allow(dead_code, unused_imports, reason = "of the binary the bodies take what they need")]

#[path = "../../../src/cli/mod.rs"]
mod cli;

/// See `src/cli/fuzz.rs`.
pub fn json(data: &[u8]) {
    cli::fuzz::json(data);
}

/// See `src/cli/agent/config/fuzz.rs`.
pub fn config(data: &[u8]) {
    cli::fuzz::config(data);
}
