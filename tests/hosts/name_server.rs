//! A name server that lies, fails and is silent, and tells the truth again. Meanwhile all other connections are as ever.

use std::fs;

use crate::lan::Lan;
use crate::namespaces::{Host, edge};
use crate::support::{Agent, World};

/// What the name server says of each of these hosts at first, in truth the addresses of one host, and what the box says why it cannot connect
/// to the node there, which is called as its host is.
const LIES: [(&str, &str, &str); 5] = [
    ("unknown", "none", "the host name has no address"),
    ("failing", "failed", "the host name has no address"),
    ("unasked", "silent", "the host name has no address"),
    // nobody has it
    ("nowhere", "10.77.0.50", "no answer in time"),
    // a node of the same name before the @ is there
    ("another", "10.77.0.3", "another"),
];

/// Has the box ask the name server for every host but these, and wait so many seconds for what it says.
fn asks_the_name_server(lan: &Lan, hosts: &str, seconds: u8) {
    let home = lan.host("edge").home;
    lan.set_hosts("edge", hosts);
    for (file, text) in [
        ("/etc/resolv.conf", format!("nameserver 10.77.0.99\noptions timeout:{seconds} attempts:1\n")),
        ("/etc/nsswitch.conf", "hosts: files dns\n".to_owned()),
    ] {
        let own = home.join(file.rsplit('/').next().unwrap());
        fs::write(&own, text).unwrap();
        // without the second the C library does as it says there
        if fs::exists(file).unwrap() {
            lan.run("edge", &format!("mount --bind {} {file}", own.display()));
        }
    }
}

/// A node of this name on a host.
fn node(world: &World, name: &str) -> Agent {
    world.agent(&["--sname", name, "--epmd", "external"])
}

#[test]
fn a_name_server_lies_and_comes_back() {
    let Some(lan) = Lan::relayed(&["edge", "roger-nuc3", "roger-nuc0"]) else { return };
    asks_the_name_server(&lan, "10.77.0.1 edge\n10.77.0.3 roger-nuc0\n", 1);
    let table: String = LIES.iter().map(|(host, ..)| format!("10.77.0.2 {host}\n")).collect();
    lan.set_hosts("roger-nuc3", &(table + "10.77.0.1 edge\n10.77.0.2 roger-nuc3\n"));
    let hub = Host::new(&lan, "roger-nuc0", "hub");
    let _false = node(&hub.world, "another");
    let world = lan.host("roger-nuc3");
    let _epmd = world.epmd();
    let _nodes = LIES.map(|(name, ..)| node(&world, &format!("{name}@{name}")));

    LIES.iter().for_each(|(host, lie, _)| lan.relay(&format!("name {host} {lie}")));
    let names: String = LIES.iter().map(|(host, ..)| format!(", \"{host}@{host}\"")).collect();
    let agent = edge(&lan, &format!("setup_time = \"2s\"\nconnect = [\"hub@roger-nuc0\"{names}]\n"));
    agent.wait(&["node up", "hub@roger-nuc0"]);
    for (host, _, why) in LIES {
        let line = agent.wait(&["cannot connect to", host, "trying again: "]);
        assert!(line.contains(why), "{line}");
        super::answers(&hub.erl);
    }
    assert_eq!(agent.log.count(&["node up"]), 1, "{}", agent.log.text());

    let tell_the_truth = || LIES.iter().for_each(|(host, ..)| lan.relay(&format!("name {host} 10.77.0.2")));
    tell_the_truth();
    for (host, ..) in LIES {
        agent.wait(&["node up", &format!("{host}@{host}")]);
    }
    // who is connected needs no name server
    LIES.iter().for_each(|(host, lie, _)| lan.relay(&format!("name {host} {lie}")));
    super::answers(&hub.erl);
    let from = agent.log.len();
    lan.relay("forget *");
    for (host, ..) in LIES {
        agent.wait_from(from, &["node down", &format!("{host}@{host}")]);
    }
    agent.wait_from(from, &["node down", "hub@roger-nuc0"]);
    agent.wait_from(from, &["node up", "hub@roger-nuc0"]);
    super::answers(&hub.erl);
    tell_the_truth();
    for (host, ..) in LIES {
        agent.wait_from(from, &["node up", &format!("{host}@{host}")]);
    }
    assert_eq!(agent.log.count(&["node down"]), 1 + LIES.len(), "{}", agent.log.text());
}

/// The box has its own name from there, and asks for it no longer than it is told.
#[test]
fn a_silent_name_server_takes_no_longer_than_the_timeout() {
    let Some(lan) = Lan::relayed(&["edge"]) else { return };
    asks_the_name_server(&lan, "", 30);
    lan.relay("name edge silent");
    let world = lan.host("edge");
    for node in ["hub", "hub@edge", "hub@edge:4711"] {
        world.tool(&["ping", node, "--timeout", "1"]).failed(1, "pang\n", &["timeout: no connection to hub@edge within 1 s"]);
    }
    let asked = world.tool(&["ping", "hub@10.77.0.1", "--name", "me", "--timeout", "1"]);
    asked.failed(2, "", &["edge has no domain that a name server tells in time"]);
}
