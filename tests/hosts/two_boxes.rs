//! Two nodes without any Erlang, far from each other, that are both to be connected to the other.

use std::fs;

use crate::lan::Lan;
use crate::support::{Agent, World, until};

/// The readings of each are numbers in order, for a program of the other, which writes them down.
pub(super) fn agent(lan: &Lan, host: &str, other: &str) -> Agent {
    let world = lan.host(host);
    let settings = format!(
        r#"
sname = "demo"
tick_time = "4s"
connect = ["demo@{other}"]

[mailbox.collector]
command = ["sh", "-c", "exec cat >got_from_{other}"]

[[publish]]
command = ["sh", "-c", "n=$(cat count_{host} 2>/dev/null); n=$((n + 1)); echo $n >next_{host}; mv next_{host} count_{host}; echo $n"]
every = "200ms"
as = "number"
to = "collector"
node = "demo@{other}"
keep = 1000
"#
    );
    let file = world.home.join(format!("{host}.toml"));
    fs::write(&file, settings).unwrap();
    world.agent(&["--config", &file.display().to_string()])
}

/// The numbers that came from a host.
fn got(world: &World, host: &str) -> Vec<u64> {
    let text = fs::read_to_string(world.home.join(format!("got_from_{host}"))).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    // {info,{publish,demo@edge,<<"sh">>,1700000000000,NUMBER,ID}}
    whole.lines().map(|line| line.rsplit(',').nth(1).unwrap().parse().unwrap_or_else(|_| panic!("{line}"))).collect()
}

/// All readings of a host come, in their order, but for repeats.
pub(super) fn all_came(world: &World, host: &str) {
    let count = fs::read_to_string(world.home.join(format!("count_{host}"))).unwrap().trim().parse().unwrap();
    let mut came = Vec::new();
    until("the readings", || {
        came = got(world, host);
        (1..=count).all(|number| came.contains(&number)).then_some(())
    });
    let mut next = 1;
    for number in came {
        assert!(number <= next, "{number} came before {next}");
        next = next.max(number + 1);
    }
}

/// They connect to each other in the same moment, again and again: it is one connection each time, and neither waits for the other.
#[test]
pub(super) fn two_that_call_each_other() {
    const HOSTS: [&str; 2] = ["edge", "roger-nuc3"];
    let Some(lan) = Lan::relayed(&HOSTS) else { return };
    lan.relay("set * * delay 150");
    let world = lan.host("edge");
    let agents = [agent(&lan, HOSTS[0], HOSTS[1]), agent(&lan, HOSTS[1], HOSTS[0])];
    let are_up = |from: [usize; 2]| {
        for (agent, from) in agents.iter().zip(from) {
            agent.wait_from(from, &["node up"]);
        }
        HOSTS.iter().for_each(|host| all_came(&world, host));
        for (agent, from) in agents.iter().zip(from) {
            until("one connection", || (agent.connections(world.epmd_port) == 1).then_some(()));
            let text = agent.log.text();
            assert_eq!(text.lines().skip(from).filter(|line| line.contains("node up")).count(), 1, "{text}");
        }
    };
    are_up([0, 0]);
    for line in ["forget *", "forget edge", "forget roger-nuc3", "forget"] {
        let from = agents.each_ref().map(|agent| agent.log.len());
        lan.relay(line);
        for (agent, from) in agents.iter().zip(from) {
            agent.wait_from(from, &["node down"]);
        }
        are_up(from);
    }
}
