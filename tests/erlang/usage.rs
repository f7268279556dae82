//! What the agent says to a person who started it wrongly: what is wrong, and exit code 2.

use crate::support::World;

/// Starts the agent, which must refuse to start with exit code 2 and name each of `words`.
fn refused(args: &[&str], words: &[&str]) {
    assert_eq!(failed(args, words), Some(2), "{args:?}");
}

/// Starts the agent, which must end by itself and name each of `words`.
fn failed(args: &[&str], words: &[&str]) -> Option<i32> {
    let world = World::new();
    let mut agent = world.launch(args);
    let code = agent.exit_code();
    let said = agent.log.text();
    assert_ne!(code, Some(0), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?}: no {word:?} in {said:?}");
    }
    assert!(!said.contains("panicked"), "{args:?}: {said}");
    code
}

#[test]
fn a_node_needs_a_name() {
    refused(&[], &["--sname", "--name"]);
    refused(&["--sname"], &["sname"]);
    refused(&["--sname", ""], &[]);
}

#[test]
fn one_name_is_enough() {
    refused(&["--sname", "demo", "--name", "demo@127.0.0.1"], &["--name"]);
}

#[test]
fn a_short_name_has_no_dots() {
    refused(&["--sname", "demo@host.example"], &["demo@host.example"]);
    refused(&["--sname", "de.mo"], &["de.mo"]);
}

#[test]
fn a_name_has_one_at_sign_and_two_halves() {
    refused(&["--sname", "a@b@c"], &["a@b@c"]);
    refused(&["--name", "@127.0.0.1"], &["@127.0.0.1"]);
    refused(&["--name", "demo@"], &["demo@"]);
}

#[test]
fn a_name_has_an_end() {
    refused(&["--sname", &"x".repeat(300)], &[]);
}

#[test]
fn unknown_words_are_refused() {
    refused(&["--sname", "demo", "--epmd", "sometimes"], &["sometimes"]);
    refused(&["--sname", "demo", "--no-such-option"], &["--no-such-option"]);
    refused(&["--sname", "demo", "--listen", "nowhere at all"], &["nowhere at all"]);
    refused(&["--sname", "demo", "--connect", "a@b@c"], &["a@b@c"]);
    refused(&["--sname", "demo", "--connect", "a@host.example"], &["a@host.example"]);
}

#[test]
fn a_cookie_file_that_is_not_there_is_named() {
    refused(&["--sname", "demo", "--cookie-file", "no/such/file"], &["no/such/file"]);
    refused(&["--sname", "demo", "--cookie-file", "/dev/null"], &["/dev/null"]);
    refused(&["--sname", "demo", "--cookie-file", "."], &[]);
}

#[test]
fn an_address_that_is_not_ours_is_named() {
    failed(&["--name", "demo@127.0.0.1", "--listen", "198.51.100.1"], &["198.51.100.1"]);
}

#[test]
fn a_port_that_is_taken_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    failed(&["--name", "demo@127.0.0.1", "--listen", &address], &[&address]);
}

/// `--epmd external` without one: a node that nobody finds is not up.
#[test]
fn an_external_epmd_that_is_not_there_is_said() {
    let world = World::new();
    let agent = world.launch(&["--sname", "demo", "--epmd", "external"]);
    agent.wait(&["not registered with epmd", "no epmd answers"]);
    assert_eq!(agent.log.count(&["up as"]), 0);
}

#[test]
fn a_name_that_is_taken_is_said() {
    let world = World::new();
    let _first = world.agent(&["--sname", "demo"]);
    let second = world.launch(&["--sname", "demo"]);
    second.wait(&["epmd", "another node of this alive name"]);
    world.wait_for_names(&["demo"]);
}
