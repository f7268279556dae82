//! The agent among hosts that have an EPMD each: nodes that are discovered, that vanish in every way there is, and that come back.

use std::fs;
use std::time::Instant;

use crate::lan::Lan;
use crate::support::{Agent, Epmd, Erl, World, until};

const HOSTS: [&str; 4] = ["edge", "roger-nuc0", "roger-nuc1", "roger-nuc3"];

/// The agent `edge1` on the first host, with these settings besides its name.
fn edge(lan: &Lan, settings: &str) -> Agent {
    let world = lan.host("edge");
    let file = world.home.join("beamless.toml");
    fs::write(&file, format!("sname = \"edge1\"\ntick_time = \"4s\"\n{settings}")).unwrap();
    world.agent(&["--config", &file.display().to_string()])
}

const DISCOVER: &str = "[discover]\nepmd = [\"roger-nuc0\", \"roger-nuc1\", \"roger-nuc3\"]\n";

/// An Erlang that notices within five seconds that a host is gone.
fn erl(world: &World, alive: &str) -> Erl {
    world.erl(&["-sname", alive, "-kernel", "net_ticktime", "4"])
}

/// The lines that the agent logged behind the first `from` of them, without their times.
fn lines(agent: &Agent, from: usize) -> Vec<String> {
    agent.log.text().lines().skip(from).map(str::to_owned).collect()
}

/// A host with an epmd and a node.
struct Host {
    world: World,
    epmd: Epmd,
    erl: Erl,
}

impl Host {
    fn new(lan: &Lan, name: &str, alive: &str) -> Self {
        let world = lan.host(name);
        let epmd = world.epmd();
        let erl = erl(&world, alive);
        Self { world, epmd, erl }
    }
}

/// Waits until the agent logged this again behind `from`, and says how long it took since `since`.
fn is_back(agent: &Agent, from: usize, node: &str, since: Instant) {
    agent.wait_from(from, &["node up", node]);
    println!("{node} is connected {:?} after it is there", since.elapsed());
}

/// SEED, steps 4 and 5: one name on two hosts, each with an EPMD of its own; whoever comes is found, whoever goes is not called.
#[test]
fn nodes_of_three_hosts_are_discovered() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let (nuc0, nuc1, nuc3) =
        (Host::new(&lan, "roger-nuc0", "demo"), Host::new(&lan, "roger-nuc1", "demo"), Host::new(&lan, "roger-nuc3", "hub"));
    let agent = edge(&lan, DISCOVER);
    for host in [&nuc0, &nuc1, &nuc3] {
        agent.wait(&["node up", &host.erl.node]);
        host.erl.eval_until("nodes(hidden)", "[edge1@edge]");
    }
    assert_eq!(nuc0.erl.node, "demo@roger-nuc0");
    assert_eq!(nuc1.erl.node, "demo@roger-nuc1");
    let from = agent.log.len();
    let mut late = erl(&nuc1.world, "late");
    is_back(&agent, from, "late@roger-nuc1", Instant::now());
    late.stop();
    agent.wait_from(from, &["node down", "late@roger-nuc1"]);
    std::thread::sleep(std::time::Duration::from_secs(6));
    assert_eq!(lines(&agent, from).len(), 2, "{}", agent.log.text());
}

/// Its own name, wherever it is asked and however that is written.
#[test]
fn the_agent_does_not_discover_itself() {
    let Some(lan) = Lan::new(&["edge", "roger-nuc0"]) else { return };
    let agent = edge(&lan, "[discover]\nepmd = [\"edge\", \"localhost\", \"roger-nuc0\"]\n");
    let other = erl(&lan.host("edge"), "other");
    agent.wait(&["node up", "other@edge"]);
    other.eval_until("nodes(hidden)", "[edge1@edge]");
    agent.wait(&["epmd on roger-nuc0", "does not answer", "refused"]);
    assert_eq!(agent.log.count(&["cannot connect"]), 0, "{}", agent.log.text());
}

#[test]
fn a_host_is_cut_off_and_joined_again() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let (nuc0, nuc3) = (Host::new(&lan, "roger-nuc0", "demo"), Host::new(&lan, "roger-nuc3", "hub"));
    let agent = edge(&lan, DISCOVER);
    agent.wait(&["node up", &nuc0.erl.node]);
    agent.wait(&["node up", &nuc3.erl.node]);
    for seconds in [0, 11] {
        let from = agent.log.len();
        lan.cut("roger-nuc3");
        agent.wait_from(from, &["node down", "hub@roger-nuc3", "net_tick_timeout"]);
        agent.wait_from(from, &["epmd on roger-nuc3", "does not answer"]);
        std::thread::sleep(std::time::Duration::from_secs(seconds));
        assert_eq!(lines(&agent, from).len(), 2, "{}", agent.log.text());
        lan.join("roger-nuc3");
        is_back(&agent, from, "hub@roger-nuc3", Instant::now());
        agent.wait_from(from, &["epmd on roger-nuc3", "answers again"]);
        assert_eq!(lines(&agent, from).len(), 4, "{}", agent.log.text());
        nuc3.erl.eval_until("nodes(hidden)", "[edge1@edge]");
    }
    assert_eq!(agent.log.count(&["demo@roger-nuc0"]), 1, "{}", agent.log.text());
}

#[test]
fn an_epmd_is_killed_and_started_again() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let (nuc0, nuc1) = (Host::new(&lan, "roger-nuc0", "demo"), Host::new(&lan, "roger-nuc1", "demo"));
    let nuc3 = Host::new(&lan, "roger-nuc3", "hub");
    let agent = edge(&lan, DISCOVER);
    for host in [&nuc0, &nuc1, &nuc3] {
        agent.wait(&["node up", &host.erl.node]);
    }
    let from = agent.log.len();
    drop(nuc3.epmd);
    agent.wait_from(from, &["epmd on roger-nuc3", "does not answer", "refused"]);
    // nobody has gone, and nobody goes because of it
    assert_eq!(nuc3.erl.eval("gen_server:call({echo, 'edge1@edge'}, hello)"), "hello");
    let _epmd = nuc3.world.epmd();
    agent.wait_from(from, &["epmd on roger-nuc3", "answers again"]);
    nuc3.world.wait_for_names(&["hub"]);
    assert_eq!(lines(&agent, from).len(), 2, "{}", agent.log.text());
}

#[test]
fn the_hub_is_killed_and_started_again() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let nuc0 = Host::new(&lan, "roger-nuc0", "demo");
    let mut nuc3 = Host::new(&lan, "roger-nuc3", "hub");
    let agent = edge(&lan, DISCOVER);
    agent.wait(&["node up", &nuc0.erl.node]);
    agent.wait(&["node up", &nuc3.erl.node]);
    for seconds in [0, 8, 0] {
        let from = agent.log.len();
        nuc3.erl.kill();
        agent.wait_from(from, &["node down", "hub@roger-nuc3"]);
        nuc3.world.wait_for_names(&[]);
        std::thread::sleep(std::time::Duration::from_secs(seconds));
        nuc3.erl = erl(&nuc3.world, "hub");
        is_back(&agent, from, "hub@roger-nuc3", Instant::now());
        assert_eq!(lines(&agent, from).len(), 2, "{}", agent.log.text());
        nuc3.erl.eval_until("nodes(hidden)", "[edge1@edge]");
    }
    until("no thread to be left", || {
        let status = fs::read_to_string(format!("/proc/{}/status", agent.pid())).unwrap();
        status.lines().any(|line| line.trim_start_matches("Threads:").trim() == "1").then_some(())
    });
}
