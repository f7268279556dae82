//! The examples do what their pages say, against a real Erlang.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program of an example. `cargo test` builds the examples; `cargo test --test erlang` does not, so this does.
fn example(name: &str) -> PathBuf {
    let profile = Path::new(env!("CARGO_BIN_EXE_beamless")).parent().unwrap();
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--quiet", "--locked", "--example", name, "--target-dir"]).arg(profile.parent().unwrap());
    build.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "{name} does not build");
    profile.join("examples").join(name)
}
