//! The programs that are tested: those cargo builds beside these tests. Or, if `BEAMLESS_PROGRAMS` names a folder, `beamless` in it and the
//! examples in its folder `examples`, which `cross/test` makes of programs for other machines.

use std::path::{Path, PathBuf};
use std::process::Command;

fn given() -> Option<PathBuf> {
    std::env::var_os("BEAMLESS_PROGRAMS").map(PathBuf::from)
}

/// The program `beamless`.
pub(crate) fn beamless() -> PathBuf {
    given().map_or_else(|| env!("CARGO_BIN_EXE_beamless").into(), |folder| folder.join("beamless"))
}

/// The program `beamless` that cargo built for these tests, which minds what is preloaded: one that is linked statically does not.
pub(crate) fn dynamic() -> &'static str {
    env!("CARGO_BIN_EXE_beamless")
}

/// An example of the library.
pub(crate) fn example(name: &str) -> PathBuf {
    given().unwrap_or_else(|| cargo_build(&["--profile", "test", "--example", name], "debug")).join("examples").join(name)
}

/// `beamless` as it is shipped: whatever is in a given folder is.
pub(crate) fn released() -> PathBuf {
    given().unwrap_or_else(|| cargo_build(&["--release", "--bin", "beamless"], "release")).join("beamless")
}

/// Builds something of this crate that cargo did not build for this test; the directory it lies in.
fn cargo_build(what: &[&str], profile: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_beamless")).ancestors().nth(2).unwrap();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked"]).args(what).arg("--target-dir").arg(target);
    // it would lie in another folder
    cargo.env_remove("CARGO_BUILD_TARGET");
    cargo.args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")]);
    assert!(cargo.status().unwrap().success(), "{cargo:?}");
    target.join(profile)
}
