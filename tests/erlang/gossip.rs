//! Heartbeats on the network, between agents and Erlangs that say and hear them as libcluster does.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::binaries::beamless;
use crate::children::command;
use crate::lan::Lan;
use crate::support::{Agent, Epmd, Erl, World};

/// An agent on a host, whose `[discover.gossip]` has these lines.
fn agent(lan: &Lan, host: &str, name: &str, gossip: &str) -> Agent {
    let world = lan.host(host);
    let file = write(&world, host, name, &format!("[discover.gossip]\ninterface = \"eth0\"\n{gossip}"));
    world.agent(&["--config", &file])
}

/// The file of an agent.
fn write(world: &World, host: &str, name: &str, more: &str) -> String {
    let file = world.home.join(format!("{name}-{host}.toml"));
    fs::write(&file, format!("sname = \"{name}\"\n{more}")).unwrap();
    file.display().to_string()
}

/// A file with a secret, beside those of the agents.
fn write_secret(lan: &Lan, name: &str, secret: &str) {
    let file = lan.host("edge").home.join(name);
    fs::write(&file, format!("{secret}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
}

/// An Erlang on the second host, which listens at this interface.
fn hub(lan: &Lan, host: &str, interface: &str, secret: &str) -> (Epmd, Erl) {
    let world = lan.host(host);
    let epmd = world.epmd();
    let erl = world.erl(&["-sname", "hub"]);
    erl.load(&world, "gossip", include_str!("gossip.erl"));
    assert_eq!(erl.eval(&format!("gossip:start({interface}, {secret})")), "ok");
    (epmd, erl)
}

const HOSTS: [&str; 2] = ["edge", "nuc"];
/// The address of the second host.
const NUC: &str = "{10,77,0,2}";
/// The secret of who hears nothing.
const DEAF: &str = "<<\"deaf\">>";

#[test]
fn a_hub_hears_the_agent_and_connects() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let (_epmd, hub) = hub(&lan, "nuc", NUC, "none");
    let edge = agent(&lan, "edge", "edge1", "");
    edge.wait(&["gossip: heartbeats go to 233.252.1.32 on port 45892"]);
    edge.wait(&["node up: hub@nuc"]);
    hub.eval_until("nodes(hidden)", "[edge1@edge]");
    assert_eq!(hub.eval("gossip:heard()"), "{[{edge1@edge,1}],0}");
    // and again, by a later one
    let from = edge.log.len();
    hub.eval("erlang:disconnect_node(edge1@edge)");
    edge.wait_from(from, &["node down: hub@nuc"]);
    edge.wait_from(from, &["node up: hub@nuc"]);
}

#[test]
fn a_hub_with_the_secret_hears_the_agent_and_connects() {
    let Some(lan) = Lan::new(&["edge", "nuc", "other"]) else { return };
    write_secret(&lan, "secret", "open sesame");
    let (_epmd, nuc) = hub(&lan, "nuc", NUC, "<<\"open sesame\">>");
    let (_epmd, other) = hub(&lan, "other", "{10,77,0,3}", "<<\"close sesame\">>");
    let (_epmd, plain) = (lan.host("other").epmd(), lan.host("other").erl(&["-sname", "plain"]));
    plain.load(&lan.host("other"), "gossip", include_str!("gossip.erl"));
    plain.eval("gossip:start({10,77,0,3}, none)");
    let edge = agent(&lan, "edge", "edge1", "secret_file = \"secret\"\n");
    edge.wait(&["node up: hub@nuc"]);
    assert_eq!(nuc.eval("gossip:heard()"), "{[{edge1@edge,1}],0}");
    for stranger in [&other, &plain] {
        stranger.eval_until("element(2, gossip:heard()) > 1", "true");
        assert_eq!(stranger.eval("{element(1, gossip:heard()), nodes(hidden)}"), "{[],[]}");
    }
    assert_eq!(edge.log.count(&["node up"]), 1, "{}", edge.log.text());
}

/// On one host, whose only network is itself.
#[test]
fn heartbeats_go_over_loopback() {
    let Some(lan) = Lan::new(&["edge"]) else { return };
    lan.run("edge", "ip link del eth0");
    lan.set_hosts("edge", "127.0.0.1 edge\n");
    let (_epmd, hub) = hub(&lan, "edge", "{127,0,0,1}", "none");
    let world = lan.host("edge");
    let file = write(&world, "edge", "edge1", "[discover.gossip]\ninterface = \"lo\"\nlisten = true\n");
    let edge = world.agent(&["--config", &file]);
    edge.wait(&["node up: hub@edge"]);
    hub.eval_until("lists:member({edge1@edge,1}, element(1, gossip:heard()))", "true");
    // and the other way round
    let from = edge.log.len();
    hub.eval("gossip:stop(), erlang:disconnect_node(edge1@edge)");
    edge.wait_from(from, &["node down: hub@edge"]);
    hub.eval("gossip:start({127,0,0,1}, <<\"deaf\">>), gossip:send(gossip:heartbeat(node()))");
    edge.wait_from(from, &["node up: hub@edge"]);
}

#[test]
fn agents_find_each_other() {
    let Some(lan) = Lan::new(&["edge", "nuc", "other"]) else { return };
    write_secret(&lan, "secret", "open sesame");
    write_secret(&lan, "another", "close sesame");
    let listens = "listen = true\nsecret_file = \"secret\"\n";
    let edge = agent(&lan, "edge", "a", listens);
    let mut nuc = agent(&lan, "nuc", "b", listens);
    let other = agent(&lan, "other", "c", "listen = true\nsecret_file = \"another\"\n");
    edge.wait(&["gossip: who says a heartbeat to 233.252.1.32 on port 45892 is connected"]);
    edge.wait(&["node up: b@nuc"]);
    nuc.wait(&["node up: a@edge"]);
    // it comes back with another port, and is found as soon as it says so
    let from = edge.log.len();
    nuc.kill();
    edge.wait_from(from, &["node down: b@nuc"]);
    let nuc = agent(&lan, "nuc", "b", listens);
    edge.wait_from(from, &["node up: b@nuc"]);
    nuc.wait(&["node up: a@edge"]);
    // who has another secret is not one of them, and that is said once
    other.wait(&["gossip: what came from 10.77.0.", "is no heartbeat, or one with another secret"]);
    edge.wait(&["gossip: what came from 10.77.0.3 is no heartbeat, or one with another secret"]);
    assert_eq!(other.log.count(&["node up"]), 0, "{}", other.log.text());
    assert_eq!(other.log.count(&["gossip: what came"]), 1, "{}", other.log.text());
    assert_eq!(edge.log.count(&["c@other"]), 0, "{}", edge.log.text());
}

/// Whoever reaches the group can say any name, and anything else. It takes a few places, and a few lines of the log.
#[test]
fn strangers_take_little() {
    let Some(lan) = Lan::new(&["edge", "nuc", "evil"]) else { return };
    let (_epmd, nuc) = hub(&lan, "nuc", NUC, DEAF);
    let (_epmd, evil) = hub(&lan, "evil", "{10,77,0,3}", DEAF);
    let world = lan.host("edge");
    let settings = "allow = [\"nuc\", \"evil\"]\n[sizes]\nnodes = 4\n[discover.gossip]\ninterface = \"eth0\"\nlisten = true\n";
    let file = write(&world, "edge", "edge1", settings);
    let edge = world.agent(&["--config", &file]);
    edge.wait(&["gossip: who says a heartbeat"]);
    evil.eval("gossip:send(gossip:heartbeat(node()))");
    edge.wait(&["node up: hub@evil"]);
    evil.eval("[gossip:send(crypto:strong_rand_bytes(N)) || N <- lists:seq(0, 1400)], ok");
    edge.wait(&["gossip: what came from 10.77.0.3 is no heartbeat"]);
    // itself, those that may not, and what is no node's name
    let names = "['edge1@edge', 'x@other', 'x@nuc.example.org', x, 'x@', 'a b@nuc', [], \"x@nuc\"]";
    // of which none is there; six of eight places are one host's at most
    let more = "[list_to_atom(\"x\" ++ integer_to_list(N) ++ \"@evil\") || N <- lists:seq(1, 300)]";
    evil.eval(&format!("spawn(fun Say() -> [begin gossip:send(gossip:heartbeat(Node)), timer:sleep(5) end || Node <- {names} ++ {more}], Say() end)"));
    edge.wait(&["gossip: x", "is left alone, so many nodes say heartbeats"]);
    // and among all of them the hub is heard
    nuc.eval("spawn(fun Say() -> gossip:send(gossip:heartbeat(node())), timer:sleep(200), Say() end)");
    edge.wait(&["node up: hub@nuc"]);
    let text = edge.log.text();
    assert!(!["edge1@edge says", "x@other", "example.org", "a b@nuc"].iter().any(|words| text.contains(words)), "{text}");
    assert_eq!(edge.log.count(&["gossip: what came"]), 1, "{text}");
    assert_eq!(edge.log.count(&["is left alone"]), 1, "{text}");
    assert!(edge.log.count(&["cannot connect to x"]) <= 6, "{text}");
}

/// A box whose network comes later than the agent. It takes five seconds until the agent tries again.
#[test]
fn heartbeats_wait_for_the_network() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let (_epmd, hub) = hub(&lan, "nuc", NUC, "none");
    let world = lan.host("edge");
    let file = write(&world, "edge", "edge1", "[discover.gossip]\nlisten = true\n");
    // nothing leads to the group
    let edge = world.agent(&["--config", &file]);
    // or, as musl says it, "Network unreachable"
    edge.wait(&["warn: gossip: no heartbeat can be sent to 233.252.1.32 on port 45892, trying again: Network "]);
    edge.wait(&["warn: gossip: cannot listen for heartbeats to 233.252.1.32 on port 45892, trying again: No such device"]);
    lan.run("edge", "ip route add default dev eth0");
    edge.wait(&["gossip: heartbeats go to 233.252.1.32 on port 45892"]);
    edge.wait(&["gossip: who says a heartbeat to 233.252.1.32 on port 45892 is connected"]);
    edge.wait(&["node up: hub@nuc"]);
    hub.eval_until("nodes(hidden)", "[edge1@edge]");
    assert_eq!(edge.log.count(&["no heartbeat can be sent"]), 1, "{}", edge.log.text());
}

/// An address of broadcasts in place of a group.
#[test]
fn heartbeats_are_broadcast() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    let start = |host: &str, name: &str| {
        let world = lan.host(host);
        let file = write(&world, host, name, "[discover.gossip]\naddress = \"10.77.0.255\"\nlisten = true\n");
        world.agent(&["--config", &file])
    };
    let (edge, nuc) = (start("edge", "a"), start("nuc", "b"));
    edge.wait(&["gossip: heartbeats go to 10.77.0.255 on port 45892"]);
    edge.wait(&["node up: b@nuc"]);
    nuc.wait(&["node up: a@edge"]);
}

#[test]
fn heartbeats_begin_and_end_with_the_file() {
    let Some(lan) = Lan::new(&HOSTS) else { return };
    write_secret(&lan, "secret", "open sesame");
    let (_epmd, hub) = hub(&lan, "nuc", NUC, "<<\"open sesame\">>");
    let world = lan.host("edge");
    let of_file = |more: &str| write(&world, "edge", "edge1", more);
    let edge = world.agent(&["--config", &of_file("")]);
    let reload = |more: &str, words: &str| {
        let from = edge.log.len();
        of_file(more);
        edge.signal("HUP");
        edge.wait_from(from, &[words]);
        from
    };
    let plain = "[discover.gossip]\ninterface = \"eth0\"\nlisten = true\n";
    let secret = format!("{plain}secret_file = \"secret\"\n");
    reload(plain, "gossip: added");
    hub.eval_until("element(2, gossip:heard()) > 0", "true");
    let from = reload(&secret, "gossip: changed");
    edge.wait_from(from, &["node up: hub@nuc"]);
    reload(&secret, "nothing to change");
    // the file of the secret is another one, though its name is the same
    fs::remove_file(world.home.join("secret")).unwrap();
    write_secret(&lan, "secret", "close sesame");
    reload(&secret, "gossip: changed");
    reload("", "gossip: removed, no more heartbeats are said");
    assert_eq!(edge.log.count(&["node down"]), 0, "{}", edge.log.text());
    // one that is wrong changes nothing
    fs::set_permissions(world.home.join("secret"), fs::Permissions::from_mode(0o440)).unwrap();
    reload(&secret, "it must be accessible by owner only: run chmod 400");
}

/// systemd's credential, which a check of the settings is not handed.
#[test]
fn the_secret_may_be_a_credential() {
    let world = World::new();
    let credentials = world.home.join("credentials");
    fs::create_dir(&credentials).unwrap();
    let secret = credentials.join("gossip").display().to_string();
    let file = write(&world, "here", "demo", &format!("[discover.gossip]\nsecret_file = {secret:?}\n"));
    let launch = |option: &[&str]| {
        let mut command = command(beamless());
        command.args(["run", "--config", &file]).args(option).env("CREDENTIALS_DIRECTORY", &credentials);
        world.launch_as(command)
    };
    assert_eq!(launch(&["--check"]).exit_code(), Some(0));
    launch(&[]).wait(&["warn: ", "discover.gossip.secret_file", "credentials/gossip: No such file or directory"]);
    // as systemd makes it where the file system has access control lists
    fs::write(&secret, "open sesame").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o440)).unwrap();
    launch(&[]).wait(&["up as demo@"]);
}
