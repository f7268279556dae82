//! The agent among hosts that have an EPMD each: nodes that are discovered, that vanish in every way there is, and that come back.

use std::fs;
use std::time::Duration;

use crate::lan::Lan;
use crate::support::{Agent, Epmd, Erl, World, otp, until};

const HOSTS: [&str; 4] = ["edge", "roger-nuc0", "roger-nuc1", "roger-nuc3"];

/// The agent `edge1` on the first host, with these settings besides its name.
pub(crate) fn edge(lan: &Lan, settings: &str) -> Agent {
    let world = lan.host("edge");
    let file = world.home.join("beamless.toml");
    fs::write(&file, format!("sname = \"edge1\"\ntick_time = \"4s\"\n{settings}")).unwrap();
    world.agent(&["--config", &file.display().to_string()])
}

const DISCOVER: &str = "[discover]\nepmd = [\"roger-nuc0\", \"roger-nuc1\", \"roger-nuc3\"]\n";

/// What is read counts up, so that a reading that is lost leaves a gap.
pub(crate) const PUBLISH: &str = r#"
[[publish]]
command = ["sh", "-c", "n=$(cat count 2>/dev/null); n=$((n + 1)); echo $n >next; mv next count; echo $n"]
every = "200ms"
as = "number"
to = "collector"
node = "hub@roger-nuc3"
keep = 1000
"#;

/// How many readings there were.
pub(crate) fn count(world: &World) -> u64 {
    until("a reading", || fs::read_to_string(world.home.join("count")).ok()?.trim().parse().ok())
}

/// A process that keeps what it is sent.
pub(crate) fn collect(erl: &Erl) {
    erl.eval(
        "spawn(fun() -> register(collector, self()), (fun Collect(All) ->
            receive {publish, edge1@edge, <<\"sh\">>, _, N, _} -> Collect([N | All]); {all, To} -> To ! {all, All}, Collect(All) end
        end)([]) end)",
    );
}

/// Which of these readings it was not sent, once it was sent the last of them.
pub(crate) fn missed(erl: &Erl, first: u64, last: u64) -> String {
    erl.eval("All = fun() -> collector ! {all, self()}, receive {all, Got} -> Got end end");
    erl.eval_until(&format!("lists:member({last}, All())"), "true");
    erl.eval(&format!("lists:seq({first}, {last}) -- All()"))
}

/// An Erlang that notices within five seconds that a host is gone.
pub(crate) fn erl(world: &World, alive: &str) -> Erl {
    world.erl(&["-sname", alive, "-kernel", "net_ticktime", "4"])
}

/// The agent has said this behind the first `from` lines, each once, and nothing else, but for what the moment may bring: a node that is
/// just being started or ended, a machine that has too much to do.
fn has_said(agent: &Agent, from: usize, words: &[&str]) {
    words.iter().for_each(|words| drop(agent.wait_from(from, &[words])));
    let text = agent.log.text();
    let lines = text.lines().skip(from);
    let (said, mut moments): (Vec<&str>, Vec<&str>) = lines.partition(|line| words.iter().any(|words| line.contains(words)));
    assert_eq!(said.len(), words.len(), "{text}");
    // a process comes a moment after its node; one that a file names is tried though EPMD does not name it, and why it is not there is said
    // anew when it is another reason; and a machine may be too busy for the readings
    let may_be = [
        "no process is registered as collector",
        "cannot connect to hub@roger-nuc3, trying again: ",
        "its command takes longer than its interval",
    ];
    assert!(moments.iter().all(|line| may_be.iter().any(|words| line.contains(words))), "{text}");
    moments.sort_unstable();
    assert!(moments.windows(2).all(|two| two[0] != two[1]), "{text}");
}

/// A host with an epmd and a node.
pub(crate) struct Host {
    pub(crate) world: World,
    pub(crate) epmd: Epmd,
    pub(crate) erl: Erl,
}

impl Host {
    pub(crate) fn new(lan: &Lan, name: &str, alive: &str) -> Self {
        let world = lan.host(name);
        let epmd = world.epmd();
        let erl = erl(&world, alive);
        Self { world, epmd, erl }
    }
}

/// Waits until the agent logged this again behind `from`.
fn is_back(agent: &Agent, from: usize, node: &str) {
    agent.wait_from(from, &["node up", node]);
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
    is_back(&agent, from, "late@roger-nuc1");
    late.stop();
    agent.wait_from(from, &["node down", "late@roger-nuc1"]);
    std::thread::sleep(Duration::from_secs(6));
    has_said(&agent, from, &["node up", "node down"]);
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
    collect(&nuc3.erl);
    let agent = edge(&lan, &format!("{DISCOVER}{PUBLISH}"));
    agent.wait(&["node up", &nuc0.erl.node]);
    agent.wait(&["node up", &nuc3.erl.node]);
    agent.wait(&["has the readings that were kept"]);
    for seconds in [0, 11] {
        assert_eq!(missed(&nuc3.erl, 1, count(&nuc3.world)), "[]");
        let from = agent.log.len();
        lan.cut("roger-nuc3");
        agent.wait_from(from, &["node down", "hub@roger-nuc3", "net_tick_timeout"]);
        agent.wait_from(from, &["epmd on roger-nuc3", "does not answer"]);
        std::thread::sleep(Duration::from_secs(seconds));
        lan.join("roger-nuc3");
        is_back(&agent, from, "hub@roger-nuc3");
        // nothing is lost, neither what was under way nor what was read meanwhile
        assert_eq!(missed(&nuc3.erl, 1, count(&nuc3.world)), "[]");
        has_said(&agent, from, &["node down", "does not answer", "answers again", "node up", "has the readings that were kept"]);
        nuc3.erl.eval_until("nodes(hidden)", "[edge1@edge]");
    }
    assert_eq!(agent.log.count(&["demo@roger-nuc0"]), 1, "{}", agent.log.text());
}

#[test]
fn an_epmd_is_killed_and_started_again() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let (nuc0, nuc1) = (Host::new(&lan, "roger-nuc0", "demo"), Host::new(&lan, "roger-nuc1", "demo"));
    let mut nuc3 = Host::new(&lan, "roger-nuc3", "hub");
    let agent = edge(&lan, DISCOVER);
    for host in [&nuc0, &nuc1, &nuc3] {
        agent.wait(&["node up", &host.erl.node]);
    }
    let port = nuc3.erl.eval("element(2, erl_epmd:port_please(\"hub\", \"localhost\"))");
    let from = agent.log.len();
    drop(nuc3.epmd);
    agent.wait_from(from, &["epmd on roger-nuc3", "does not answer", "refused"]);
    // nobody has gone, and nobody goes because of it
    assert_eq!(nuc3.erl.eval("gen_server:call({echo, 'edge1@edge'}, hello, 60000)"), "hello");
    nuc3.epmd = nuc3.world.epmd();
    agent.wait_from(from, &["epmd on roger-nuc3", "answers again"]);
    if otp() < 24 {
        // the others register again by themselves
        nuc3.erl.eval_until(&format!("element(1, erl_epmd:register_node(hub, {port}))"), "ok");
    }
    nuc3.world.wait_for_names(&["hub"]);
    has_said(&agent, from, &["does not answer", "answers again"]);
    // with both gone, it is found when both are back
    let from = agent.log.len();
    drop(nuc3.epmd);
    agent.wait_from(from, &["epmd on roger-nuc3", "does not answer", "refused"]);
    nuc3.erl.kill();
    agent.wait_from(from, &["node down", "hub@roger-nuc3"]);
    nuc3.epmd = nuc3.world.epmd();
    nuc3.erl = erl(&nuc3.world, "hub");
    is_back(&agent, from, "hub@roger-nuc3");
    has_said(&agent, from, &["does not answer", "node down", "answers again", "node up"]);
}

#[test]
fn the_hub_is_killed_and_started_again() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let nuc0 = Host::new(&lan, "roger-nuc0", "demo");
    let mut nuc3 = Host::new(&lan, "roger-nuc3", "hub");
    collect(&nuc3.erl);
    let agent = edge(&lan, &format!("{DISCOVER}{PUBLISH}"));
    agent.wait(&["node up", &nuc0.erl.node]);
    agent.wait(&["node up", &nuc3.erl.node]);
    agent.wait(&["has the readings that were kept"]);
    for seconds in [0, 8, 0] {
        assert_eq!(missed(&nuc3.erl, count(&nuc3.world), count(&nuc3.world)), "[]");
        let from = agent.log.len();
        nuc3.erl.kill();
        agent.wait_from(from, &["node down", "hub@roger-nuc3"]);
        let before = count(&nuc3.world);
        nuc3.world.wait_for_names(&[]);
        std::thread::sleep(Duration::from_secs(seconds));
        nuc3.erl = erl(&nuc3.world, "hub");
        collect(&nuc3.erl);
        is_back(&agent, from, "hub@roger-nuc3");
        // it may be back before there is another reading
        let last = until("another reading", || Some(count(&nuc3.world)).filter(|last| *last > before));
        assert_eq!(missed(&nuc3.erl, before + 1, last), "[]");
        has_said(&agent, from, &["node down", "node up", "has the readings that were kept"]);
        nuc3.erl.eval_until("nodes(hidden)", "[edge1@edge]");
    }
    // by their names: an emulator has threads of its own
    until("no thread to be left", || {
        let threads = fs::read_dir(format!("/proc/{}/task", agent.pid())).unwrap();
        let mut names = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("comm")).ok());
        names.all(|name| !name.starts_with("beamless-")).then_some(())
    });
}
