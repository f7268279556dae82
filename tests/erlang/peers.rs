//! The nodes that the agent is to be connected to: those that the file names, and those that an EPMD does.

use std::fs;
use std::net::TcpStream;
use std::time::Duration;

use crate::support::{Agent, World, register_by_hand};

/// The agent `demo`, with these settings besides its name.
fn demo(world: &World, settings: &str) -> Agent {
    let file = world.home.join("beamless.toml");
    fs::write(&file, format!("sname = \"demo\"\n{settings}")).unwrap();
    world.agent(&["--config", &file.display().to_string()])
}

const HERE: &str = "[discover]\nepmd = [\"localhost\"]\n";

/// It says so once, tries ever less often, and comes in as soon as the node is another one.
#[test]
fn a_node_with_another_cookie_is_not_pestered() {
    let world = World::new();
    let _epmd = world.epmd();
    let mut erl = world.erl(&["-sname", "a", "-setcookie", "another"]);
    let agent = demo(&world, HERE);
    agent.wait(&["cannot connect to", &erl.node, "trying again", "the cookies differ"]);
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(agent.log.count(&["cannot connect to"]), 1, "{}", agent.log.text());
    // at once, and after 0.5, 1, 2 and 4 seconds
    let tries = erl.log.count(&["Connection attempt"]);
    assert!((1..=5).contains(&tries), "{tries} tries");
    erl.stop();
    let erl = world.erl(&["-sname", "a"]);
    agent.wait(&["node up", &erl.node]);
}

/// A connection that does not last is not made again and again without end.
#[test]
fn a_node_that_hangs_up_is_called_ever_less_often() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "a"]);
    erl.eval("spawn(fun F() -> [erlang:disconnect_node(N) || N <- nodes(hidden)], timer:sleep(20), F() end), ok");
    let agent = demo(&world, "connect = [\"a\"]\n");
    agent.wait(&["node down", &erl.node]);
    std::thread::sleep(Duration::from_secs(8));
    let calls = agent.log.count(&["node up"]);
    assert!((2..=6).contains(&calls), "{calls} calls: {}", agent.log.text());
}

/// Said once, with what to change; and who waits for room comes in when there is some.
#[test]
fn more_nodes_than_there_is_room_for() {
    let world = World::new();
    let _epmd = world.epmd();
    let first = world.erl(&["-sname", "a"]);
    let agent = demo(&world, &format!("{HERE}[sizes]\nnodes = 1\n"));
    agent.wait(&["node up", &first.node]);
    let (second, third) = (world.erl(&["-sname", "b"]), world.erl(&["-sname", "c"]));
    agent.wait(&["no room to connect to", "sizes.nodes"]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(agent.log.count(&["no room"]), 1, "{}", agent.log.text());
    assert_eq!(agent.log.count(&["cannot connect"]), 0, "{}", agent.log.text());
    drop(first);
    // one of the others
    agent.wait_from(agent.log.len() - 1, &["node up"]);
    drop((second, third));
}

/// An EPMD can name any number of nodes: so many are taken in, and not a line is logged for each.
#[test]
fn an_epmd_that_names_hundreds_of_nodes() {
    let world = World::new();
    let _epmd = world.epmd();
    let name = |number| format!("nobody{number}");
    let _named: Vec<TcpStream> = (0..300).map(|number| register_by_hand(world.epmd_port, &name(number), 1)).collect();
    let agent = demo(&world, HERE);
    agent.wait(&["epmd on localhost names 300 nodes, of which 256 are connected"]);
    agent.wait(&["cannot connect to nobody", "refused"]);
    agent.wait(&["more nodes could not be connected to"]);
    std::thread::sleep(Duration::from_secs(5));
    assert!(agent.log.len() < 120, "{}", agent.log.text());
    let erl = world.erl(&["-sname", "a"]);
    agent.wait(&["node up", &erl.node]);
}

/// What cannot be is refused before anything is asked, with the place in the file.
#[test]
fn hosts_whose_nodes_have_names_of_the_other_kind() {
    let world = World::new();
    let file = world.home.join("beamless.toml");
    let refused = |text: &str, words: &[&str]| {
        fs::write(&file, text).unwrap();
        let mut agent = world.launch(&["--config", &file.display().to_string()]);
        assert_eq!(agent.exit_code(), Some(2));
        agent.wait(words);
    };
    let discover = |name: &str, host: &str| format!("{name}\n[discover]\nepmd = [\"{host}\"]\n");
    refused(&discover("sname = \"demo\"", "nuc3.example.org"), &["beamless.toml:3:", "discover.epmd", "leave out the domain"]);
    refused(&discover("name = \"demo@127.0.0.1\"", "nuc3"), &["beamless.toml:3:", "discover.epmd", "with its domain"]);
    // this host, however its nodes write it
    let _epmd = world.epmd();
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    fs::write(&file, discover("name = \"demo@127.0.0.1\"", "localhost")).unwrap();
    let agent = world.agent(&["--config", &file.display().to_string()]);
    agent.wait(&["node up", &erl.node]);
}
