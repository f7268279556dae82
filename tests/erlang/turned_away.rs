//! Whoever is turned away learns why, and whoever turns him away says so once.

use std::fs;

use crate::support::{Agent, Erl, World, until};

/// The agent `hub`, with these settings besides its name.
fn hub(world: &World, settings: &str) -> Agent {
    let file = world.home.join("hub.toml");
    fs::write(&file, format!("sname = \"hub\"\n{settings}")).unwrap();
    world.agent(&["--config", &file.display().to_string()])
}

/// What `net_adm:ping` says, and the reason for which Erlang's own side of the handshake ended.
fn ping(erl: &Erl, hub: &Agent) -> String {
    erl.eval("code:ensure_loaded(dist_util), erlang:trace(new_processes, true, [call, {tracer, self()}]), erlang:trace_pattern({dist_util, shutdown, 4}, true, [local])");
    let answer = erl.eval(&format!(
        "{{net_adm:ping({}), receive {{trace, _, call, {{dist_util, shutdown, [_, _, _, Why]}}}} -> Why after 10000 -> none end}}",
        hub.atom()
    ));
    erl.eval("erlang:trace(all, false, [call])");
    answer
}

const REFUSED: &str = "{pang,{recv_status_failed,not_allowed}}";

/// All places for nodes are taken: an Erlang, an agent and the tool are told so, and the hub says each of them once.
#[test]
fn a_node_for_which_there_is_no_room() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = hub(&world, "[sizes]\nnodes = 1\n");
    let mut first = world.erl(&["-sname", "first"]);
    first.eval_until(&format!("net_adm:ping({})", hub.atom()), "pong");
    let second = world.erl(&["-sname", "second"]);
    for _ in 0..3 {
        assert_eq!(ping(&second, &hub), REFUSED);
    }
    let edge = world.agent(&["--sname", "edge", "--connect", &hub.node]);
    edge.wait(&["cannot connect to", &hub.node, "trying again", "the peer has no room for another node"]);
    let ran = world.tool(&["ping", "--sname", "asking", &hub.node]);
    assert!(ran.code == 1 && ran.err.contains("the peer has no room for another node"), "{ran:?}");
    hub.wait(&["no room for asking@", "all places for nodes are taken", "enlarge `nodes` in [sizes]"]);
    for node in [&second.node, &edge.node] {
        assert_eq!(hub.log.count(&[&format!("no room for {node}")]), 1, "{}", hub.log.text());
    }
    // and when there is some, the agent comes by itself
    first.stop();
    edge.wait(&["node up", &hub.node]);
    assert_eq!(hub.log.count(&["no room for", "edge@"]), 1, "{}", hub.log.text());
    assert_eq!(edge.log.count(&["cannot connect"]), 1, "{}", edge.log.text());
}

/// Not on the list, or with a name that is taken: Erlang and beamless are both told.
#[test]
fn a_node_that_may_not_connect() {
    let world = World::new();
    let _epmd = world.epmd();
    let hub = hub(&world, "allow = [\"nuc9\"]\n");
    let erl = world.erl(&["-sname", "a"]);
    for _ in 0..2 {
        assert_eq!(ping(&erl, &hub), REFUSED);
    }
    hub.wait(&["Connection attempt from node", &erl.node, "not on the list of allowed nodes"]);
    for _ in 0..2 {
        let ran = world.tool(&["ping", "--sname", "b", &hub.node]);
        assert!(ran.code == 1 && ran.err.contains("the peer does not allow this node"), "{ran:?}");
        let ran = world.tool(&["ping", "--sname", "hub", &format!("{}:{}", hub.node, hub.port)]);
        assert_ne!(ran.code, 0, "{ran:?}");
    }
    let said = |node: &str| hub.log.count(&["Connection attempt", node]);
    until("the refusals in the log", || (said("'b@") == 1).then_some(()));
    assert_eq!(said(&erl.node), 1, "{}", hub.log.text());
}
