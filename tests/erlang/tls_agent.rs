//! The agent's certificate: what is said of it, and that renewed files are taken while it runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::pki::Ca;
use crate::support::World;

/// Makes a folder with the certificate of this name.
fn folder(world: &World, name: &str) -> PathBuf {
    Ca::new("test").folder(&world.home.join(name), &[name])
}

/// Has a link lead to this folder, as Kubernetes swaps the folders of a secret.
fn swap(link: &Path, folder: &Path) {
    let new = link.with_extension("new");
    symlink(folder, &new).unwrap();
    fs::rename(new, link).unwrap();
}

/// Ten seconds pass until the agent looks by itself, which is why this takes so long.
#[test]
fn renewed_files_are_taken() {
    let world = World::new();
    let (a, b, link) = (folder(&world, "a"), folder(&world, "b"), world.home.join("tls"));
    swap(&link, &a);
    fs::write(world.home.join("demo.toml"), "sname = \"demo\"\n[tls]\ndir = \"tls\"").unwrap();
    let agent = world.agent(&["--config", "demo.toml"]);
    agent.wait(&["up as demo@", ", TLS with a certificate for a, valid until 20"]);

    let before = agent.log.len();
    swap(&link, &b);
    agent.wait_from(before, &["TLS: read anew, good until 20"]);

    let before = agent.log.len();
    fs::copy(a.join("tls.key"), b.join("tls.key")).unwrap();
    agent.signal("HUP");
    agent.wait_from(before, &["those from before stay in force", "tls.key: it is not the key of the certificate"]);

    // another place for them is taken, that there are none is not
    let before = agent.log.len();
    fs::write(world.home.join("demo.toml"), "sname = \"demo\"\n[tls]\ndir = \"a\"").unwrap();
    agent.signal("HUP");
    agent.wait_from(before, &["TLS: read anew, good until 20"]);
    let before = agent.log.len();
    fs::write(world.home.join("demo.toml"), "sname = \"demo\"").unwrap();
    agent.signal("HUP");
    agent.wait_from(before, &["tls: changed in demo.toml; restart to apply"]);
    assert_eq!(agent.log.count(&["TLS: read anew"]), 2, "{}", agent.log.text());
    assert_eq!(agent.log.count(&["those from before stay in force"]), 1, "{}", agent.log.text());
}
