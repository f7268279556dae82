//! The agent on a host whose address changes, or whose name nobody knows at first.

use std::fs;

use crate::lan::Lan;
use crate::support::{Agent, Erl};

const NAMES: [&str; 2] = ["edge", "roger-nuc0"];
const OTHER: &str = "10.77.0.2 roger-nuc0\n";

/// The agent `edge1` on the first host. Its file has no more than its name, so that it can be told to read it again.
fn edge(lan: &Lan) -> Agent {
    let world = lan.host("edge");
    let file = world.home.join("beamless.toml");
    fs::write(&file, "sname = \"edge1\"\n").unwrap();
    world.agent(&["--config", &file.display().to_string()])
}

/// Tells both hosts where the first of them is.
fn say(lan: &Lan, address: &str) {
    NAMES.iter().for_each(|host| lan.set_hosts(host, &format!("{address} edge\n{OTHER}")));
}

/// An Erlang that connects anew, as one would that was just started.
fn pings(erl: &Erl) {
    erl.eval_until("erlang:disconnect_node(edge1@edge), net_adm:ping(edge1@edge)", "pong");
}

/// The line that says where the agent listens now.
fn listens(agent: &Agent, from: usize, on: &str) {
    let line = agent.wait_from(from, &["listening on ", on]);
    assert!(line.contains(&format!("listening on {on}")), "{line}");
}

#[test]
fn the_agent_follows_its_name_to_another_address() {
    let Some(lan) = Lan::new(&NAMES) else { return };
    say(&lan, "10.77.0.1");
    let agent = edge(&lan);
    agent.wait(&["up as edge1@edge on 10.77.0.1:"]);
    let world = lan.host("roger-nuc0");
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "demo"]);
    pings(&erl);
    // the new address is there before the name is, and the old one goes last
    lan.run("edge", "ip addr add 10.77.0.201/24 dev eth0");
    say(&lan, "10.77.0.201");
    let from = agent.log.len();
    agent.signal("HUP");
    listens(&agent, from, "10.77.0.201:");
    agent.wait_from(from, &["nothing to change"]);
    assert_eq!(erl.eval("gen_server:call({echo, edge1@edge}, still_here)"), "still_here");
    assert_eq!(agent.log.count(&["node down"]), 0, "{}", agent.log.text());
    pings(&erl);
    // a lease that ended: the addresses are gone first (the kernel takes the second of a network with the first)
    lan.run("edge", "ip addr del 10.77.0.1/24 dev eth0");
    lan.run("edge", "ip addr add 10.77.0.202/24 dev eth0");
    say(&lan, "10.77.0.202");
    let from = agent.log.len();
    agent.signal("HUP");
    listens(&agent, from, "10.77.0.202:");
    pings(&erl);
}

/// It takes the ten seconds after which the agent looks again by itself.
#[test]
fn a_host_that_does_not_resolve_does_not_stop_the_start() {
    let Some(lan) = Lan::new(&NAMES) else { return };
    lan.set_hosts("edge", OTHER);
    let agent = edge(&lan);
    agent.wait(&["edge, the host of the node's name, has no address: listening on all addresses, port "]);
    agent.wait(&["up as edge1@edge on 0.0.0.0:"]);
    let world = lan.host("roger-nuc0");
    let _epmd = world.epmd();
    let erl = world.erl(&["-sname", "demo"]);
    pings(&erl);
    say(&lan, "10.77.0.1");
    let from = agent.log.len();
    // by itself, within ten seconds
    listens(&agent, from, "10.77.0.1:");
    assert_eq!(agent.log.count(&["has no address"]), 1, "{}", agent.log.text());
    pings(&erl);
}
