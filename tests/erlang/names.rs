//! Node names: short, long, addresses of both families, and those that a peer is asked for.

use beamless::{Event, NetworkFault, Reason};

use crate::inside::storage;
use crate::support::{World, free_port, until};

#[test]
fn a_short_name_takes_the_hosts_short_name() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    let erl = world.erl(&["-sname", "a"]);
    assert_eq!(demo.host(), erl.node.split_once('@').unwrap().1, "Erlang knows this host by another name");
}

#[test]
pub(crate) fn a_short_name_may_be_given_whole() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo@localhost"]);
    assert_eq!(demo.node, "demo@localhost");
    let erl = world.erl(&["-sname", "a@localhost"]);
    assert_eq!(erl.eval("net_adm:ping(demo@localhost)"), "pong");
}

#[test]
pub(crate) fn a_long_name_with_an_ipv4_address() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@127.0.0.1"]);
    assert_eq!(demo.node, "demo@127.0.0.1");
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    assert_eq!(erl.eval("net_adm:ping('demo@127.0.0.1')"), "pong");
    assert_eq!(erl.eval("gen_server:call({echo, 'demo@127.0.0.1'}, node(), 60000)"), "'a@127.0.0.1'");
    let outgoing = world.agent(&["--name", "out@127.0.0.1", "--connect", "a@127.0.0.1"]);
    outgoing.wait(&["node up", "a@127.0.0.1"]);
    assert_eq!(erl.eval("gen_server:call({echo, 'out@127.0.0.1'}, hello, 60000)"), "hello");
}

/// Erlang takes `a@::1` with `-proto_dist inet6_tcp`; both the link and EPMD go over IPv6 then.
#[test]
pub(crate) fn a_long_name_with_an_ipv6_address() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@::1"]);
    assert_eq!(demo.node, "demo@::1");
    let erl = world.erl(&["-proto_dist", "inet6_tcp", "-name", "a@::1"]);
    assert_eq!(erl.eval("net_adm:ping('demo@::1')"), "pong");
    assert_eq!(erl.eval("gen_server:call({echo, 'demo@::1'}, hello, 60000)"), "hello");
    let outgoing = world.agent(&["--name", "out@::1", "--connect", "a@::1"]);
    outgoing.wait(&["node up", "a@::1"]);
    assert_eq!(erl.eval("gen_server:call({echo, 'out@::1'}, hello, 60000)"), "hello");
}

/// A node that is private to the box listens on no other address.
#[test]
fn it_listens_where_its_name_points() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@127.0.0.1"]);
    assert!(std::net::TcpStream::connect(("127.0.0.1", demo.port)).is_ok());
    assert!(std::net::TcpStream::connect(("127.0.0.2", demo.port)).is_err(), "it listens on every address");
}

#[test]
fn it_listens_where_it_is_told() {
    let world = World::new();
    let port = free_port();
    let demo = world.agent(&["--name", "demo@127.0.0.1", "--listen", &format!("0.0.0.0:{port}")]);
    assert_eq!(demo.port, port);
    assert!(std::net::TcpStream::connect(("127.0.0.2", port)).is_ok());
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    assert_eq!(erl.eval("net_adm:ping('demo@127.0.0.1')"), "pong");
}

#[test]
fn it_listens_on_the_address_alone_it_is_told() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@127.0.0.1", "--listen", "127.0.0.1"]);
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    assert_ne!(demo.port, 0);
    assert_eq!(erl.eval("net_adm:ping('demo@127.0.0.1')"), "pong");
}

/// `erl -sname undefined` has no name until the first peer gives it one; here that peer is the agent.
#[test]
fn a_node_without_a_name_is_given_one() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    let mut names = Vec::new();
    for _ in 0..3 {
        let erl = world.erl(&["-sname", "undefined"]);
        assert_eq!(erl.node, "nonode@nohost");
        erl.eval(&format!("N = {}", demo.atom()));
        assert_eq!(erl.eval("net_kernel:connect_node(N)"), "true");
        let node = erl.eval("node()").trim_matches('\'').to_owned();
        assert_eq!(node.split_once('@').unwrap().1, demo.host(), "{node}");
        demo.wait(&["node up", &node]);
        assert_eq!(erl.eval("net_adm:ping(N)"), "pong");
        assert_eq!(erl.eval("gen_server:call({echo, N}, nameless, 60000)"), "nameless");
        erl.eval("{echo, N} ! {self(), hello}");
        assert_eq!(erl.eval("receive Got -> Got after 60000 -> nothing end"), "{echo,hello}");
        assert_eq!(erl.eval("nodes(hidden) =:= [N]"), "true");
        names.push((node, erl));
    }
    // All three at once: no name was given twice.
    let distinct: std::collections::HashSet<&String> = names.iter().map(|(node, _)| node).collect();
    assert_eq!(distinct.len(), 3, "{distinct:?}");
    let (node, erl) = names.pop().unwrap();
    drop(erl);
    demo.wait(&["node down", &node]);
}

/// A nameless node keeps its name when the link is lost and made again.
#[test]
fn a_nameless_node_comes_back() {
    let world = World::new();
    let demo = world.agent(&["--sname", "demo"]);
    let erl = world.erl(&["-sname", "undefined"]);
    erl.eval(&format!("N = {}", demo.atom()));
    assert_eq!(erl.eval("net_kernel:connect_node(N)"), "true");
    assert_eq!(erl.eval("erlang:disconnect_node(N)"), "true");
    demo.wait(&["node down"]);
    erl.eval_until("net_kernel:connect_node(N)", "true");
    assert_eq!(erl.eval("gen_server:call({echo, N}, back, 60000)"), "back");
}

/// The same alive name on a different host is a different node.
#[test]
fn two_agents_with_one_alive_name() {
    let world = World::new();
    let first = world.agent(&["--name", "demo@127.0.0.1"]);
    let elsewhere = world.with_epmd_port(free_port());
    let second = elsewhere.agent(&["--name", "demo@127.0.0.2"]);
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    assert_eq!(erl.eval(&format!("net_adm:ping('{}')", first.node)), "pong");
    let there = elsewhere.erl(&["-name", "b@127.0.0.2"]);
    assert_eq!(there.eval(&format!("net_adm:ping('{}')", second.node)), "pong");
}

#[test]
pub(crate) fn two_agents_find_each_other() {
    let world = World::new();
    let first = world.agent(&["--sname", "demo"]);
    let second = world.agent(&["--sname", "demo2", "--connect", &first.node]);
    first.wait(&["node up", &second.node, "hidden"]);
    second.wait(&["node up", &first.node, "hidden"]);
    let visible = world.agent(&["--sname", "demo3", "--visible", "--connect", &first.node]);
    visible.wait(&["node up", &first.node]);
    drop(second);
    first.wait(&["node down", "demo2@"]);
    until("one link to be left", || (first.connections(world.epmd_port) == 1).then_some(()));
}

/// Whoever comes first waits for the other.
#[test]
fn an_agent_connects_to_a_node_that_comes_later() {
    let world = World::new();
    let demo = world.agent(&["--name", "demo@127.0.0.1", "--connect", "late@127.0.0.1"]);
    let late = world.erl(&["-name", "late@127.0.0.1"]);
    demo.wait(&["node up", "late@127.0.0.1"]);
    late.eval_until("nodes(hidden)", "['demo@127.0.0.1']");
}

/// A node whose port is known is connected to without asking its EPMD, also where there is none.
#[test]
fn a_known_port_goes_around_epmd() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    let listed = world.epmd_names();
    let port = listed[0].strip_prefix("name a at port ").unwrap().parse().unwrap();

    let elsewhere = world.with_epmd_port(free_port());
    let mut storage = storage();
    let mut inside = elsewhere.inside(elsewhere.config("inside"), &mut storage);
    inside.node.connect(&erl.node).unwrap();
    inside.until_event("the refusal", |event| matches!(event, Event::ConnectFailed { .. }));
    inside.driver.set_port(&erl.node, port).unwrap();
    inside.node.connect(&erl.node).unwrap();
    inside.until_event("the connection", |event| matches!(event, Event::NodeUp { .. }));
    inside.eval_until(&erl, "nodes(hidden)", "['inside@127.0.0.1']");

    // the latest port counts; nobody listens there
    inside.node.disconnect(&erl.node).unwrap();
    inside.driver.set_port(&erl.node, free_port()).unwrap();
    inside.until("the connection to end", |inside| inside.node.connect(&erl.node).ok());
    let refused = Reason::Network(NetworkFault::Refused);
    inside.until_event("the refusal", |event| matches!(event, Event::ConnectFailed { reason, .. } if *reason == refused));
    assert!(inside.driver.set_port("nobody", 1).is_err());
}
