//! The nodes that the agent is to be connected to: those that the file names, and those that an EPMD does.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{Agent, World, register_by_hand, until};

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
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(8));
    assert_eq!(agent.log.count(&["cannot connect to"]), 1, "{}", agent.log.text());
    let (tries, most) = (erl.log.count(&["Connection attempt"]), most_tries(begin));
    assert!((1..=most).contains(&tries), "{tries} tries, not {most}");
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
    let begin = Instant::now();
    until("it to be called again", || (agent.log.count(&["node up"]) > 1).then_some(()));
    std::thread::sleep(Duration::from_secs(8));
    let (calls, most) = (agent.log.count(&["node up"]), most_tries(begin) + 1);
    assert!(calls <= most, "{calls} calls, not {most}: {}", agent.log.text());
}

/// How often a node may have been tried since then: at once, then after half a second, and after twice as long each time. A wait is anything up to that,
/// so this is four times as many as there are as a rule.
fn most_tries(begin: Instant) -> usize {
    let halves = begin.elapsed().as_secs() as usize * 2;
    4 * ((0..).take_while(|tries| (1 << tries) <= 2 * halves).count() + 2)
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
    agent.wait(&["no room to connect to", "enlarge `nodes` in [sizes]"]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(agent.log.count(&["no room"]), 1, "{}", agent.log.text());
    assert_eq!(agent.log.count(&["cannot connect"]), 0, "{}", agent.log.text());
    let from = agent.log.len();
    drop(first);
    // one of the others
    agent.wait_from(from, &["node up"]);
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
    agent.wait(&["more like it held back: nodes that could not be connected to"]);
    let begin = Instant::now();
    std::thread::sleep(Duration::from_secs(5));
    let most = 70 + 10 * begin.elapsed().as_secs() as usize;
    assert!(agent.log.len() < most, "{} lines, not {most}: {}", agent.log.len(), agent.log.text());
    let erl = world.erl(&["-sname", "a"]);
    agent.wait(&["node up", &erl.node]);
}

/// In a node with a long name it is not a host's short name, but this host.
#[test]
fn localhost_is_this_host() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    let file = world.home.join("beamless.toml");
    fs::write(&file, format!("name = \"demo@127.0.0.1\"\n{HERE}")).unwrap();
    let agent = world.agent(&["--config", &file.display().to_string()]);
    agent.wait(&["node up", &erl.node]);
    assert_eq!(agent.log.count(&["cannot connect"]), 0, "{}", agent.log.text());
}

/// Whoever is not wanted any more stays connected, and is not called again.
#[test]
fn a_reload_drops_nobody() {
    let world = World::new();
    let _epmd = world.epmd();
    let (mut a, mut b) = (world.erl(&["-sname", "a"]), world.erl(&["-sname", "b"]));
    let agent = demo(&world, "connect = [\"a\"]\n");
    agent.wait(&["node up", &a.node]);
    let reload = |settings: &str| {
        let from = agent.log.len();
        fs::write(world.home.join("beamless.toml"), format!("sname = \"demo\"\n{settings}")).unwrap();
        agent.signal("HUP");
        agent.wait_from(from, &["beamless.toml", "read again"]);
        from
    };
    let from = reload(HERE);
    agent.wait_from(from, &["connect", &a.node, "is not connected again once it is down"]);
    agent.wait_from(from, &["discover", "nodes of localhost are connected from now on"]);
    agent.wait_from(from, &["node up", &b.node]);
    // found by EPMD now: it comes back
    a.kill();
    agent.wait_from(from, &["node down", &a.node]);
    a = world.erl(&["-sname", "a"]);
    agent.wait_from(from, &["node up", &a.node]);
    let from = reload("");
    agent.wait_from(from, &["discover", "nodes of localhost are not connected again"]);
    for erl in [&a, &b] {
        erl.eval_until(&format!("nodes(hidden) =:= [{}]", agent.atom()), "true");
    }
    b.kill();
    agent.wait_from(from, &["node down", &b.node]);
    b = world.erl(&["-sname", "b"]);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(b.eval("nodes(hidden)"), "[]");
    assert_eq!(agent.log.count(&["node up", &b.node]), 1, "{}", agent.log.text());
}
