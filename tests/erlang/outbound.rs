//! Boxes that dial out only: nobody can connect to them, and over the connections that they make they are as any other node. Some get their
//! name from the first node that they connect to.

use std::fs;

use crate::lan::Lan;
use crate::support::{Agent, Epmd, Erl, World};

/// The agent on the host `edge`, with these settings.
fn edge(lan: &Lan, settings: &str) -> Agent {
    let world = lan.host("edge");
    let file = world.home.join("beamless.toml");
    fs::write(&file, format!("tick_time = \"4s\"\nconnect = [\"hub@hub\"]\n{settings}")).unwrap();
    world.launch(&["--config", &file.display().to_string()])
}

/// A host with an EPMD and a node, which notices within five seconds that another is gone.
fn hub(lan: &Lan) -> (Epmd, Erl) {
    let world = lan.host("hub");
    let epmd = world.epmd();
    let erl = world.erl(&["-sname", "hub", "-kernel", "net_ticktime", "4"]);
    erl.eval(
        "spawn(fun() -> register(collector, self()), (fun Collect(Last) ->
            receive {last, To} -> To ! {last, Last}, Collect(Last); Got -> Collect(Got) end
        end)(none) end)",
    );
    (epmd, erl)
}

/// Nothing in the agent's network listens for anybody, neither the agent nor an EPMD.
fn nothing_listens(agent: &Agent) {
    for table in ["tcp", "tcp6"] {
        let table = fs::read_to_string(format!("/proc/{}/net/{table}", agent.pid())).unwrap();
        // 0A is LISTEN
        assert!(!table.lines().any(|line| line.split_whitespace().nth(3) == Some("0A")), "{table}");
    }
}

/// The hub pings the box, calls it, and sends to it.
fn is_reached(hub: &Erl, node: &str) {
    assert_eq!(hub.eval(&format!("net_adm:ping('{node}')")), "pong");
    assert_eq!(hub.eval(&format!("nodes(hidden) =:= ['{node}']")), "true");
    assert_eq!(hub.eval(&format!("gen_server:call({{echo, '{node}'}}, hello, 60000)")), "hello");
    assert_eq!(hub.eval(&format!("rpc:call('{node}', erlang, node, []) =:= '{node}'")), "true");
    assert_eq!(hub.eval(&format!("rpc:call('{node}', box, name, [], 60000)")), format!("<<\"{node}\">>"));
    hub.eval(&format!("{{echo, '{node}'}} ! {{self(), hello}}"));
    assert_eq!(hub.eval("receive {echo, Got} -> Got after 60000 -> nothing end"), "hello");
    let last = "(fun() -> collector ! {last, self()}, receive {last, Last} -> Last end end)()";
    hub.eval_until(&format!("(catch element(2, {last})) =:= '{node}'"), "true");
}

/// The link of the box is cut until both sides know it, then joined: what watched it is told, and it comes back by itself.
fn is_cut_and_comes_back(lan: &Lan, hub: &Erl, agent: &Agent, node: &str) {
    hub.eval(&format!("erlang:monitor(process, {{echo, '{node}'}})"));
    let from = agent.log.len();
    lan.cut("edge");
    agent.wait_from(from, &["node down", "hub@hub", "net_tick_timeout"]);
    let told = "receive {'DOWN', _, process, {echo, _}, Why} -> Why after 60000 -> nothing end";
    assert_eq!(hub.eval(told), "noconnection");
    hub.eval_until("nodes(hidden)", "[]");
    lan.join("edge");
    agent.wait_from(from, &["node up", "hub@hub"]);
}

/// What it serves and sends.
const BOX: &str = r#"
[functions."box:name/0"]
command = ["sh", "-c", 'printf %s "$BEAMLESS_NODE"']

[[publish]]
command = ["echo", "1"]
every = "200ms"
as = "number"
to = "collector"
node = "hub@hub"
"#;

#[test]
pub(crate) fn a_box_that_dials_out_only() {
    let Some(lan) = Lan::new(&["edge", "hub"]) else { return };
    // at first there is nobody
    let agent = edge(&lan, &format!("sname = \"edge1\"\nlisten = \"none\"\n{BOX}"));
    agent.wait(&["up as edge1@edge, dials out only: reached through the nodes it connects to, cookie from "]);
    agent.wait(&["to try it, in the shell of a node that it connects to"]);
    let (_epmd, hub) = hub(&lan);
    agent.wait(&["node up", "hub@hub"]);
    nothing_listens(&agent);
    is_reached(&hub, "edge1@edge");
    for _ in 0..2 {
        is_cut_and_comes_back(&lan, &hub, &agent, "edge1@edge");
        is_reached(&hub, "edge1@edge");
    }
    nothing_listens(&agent);
}

/// The name that the log has last, and whose it is.
fn named(agent: &Agent, from: usize) -> (String, String) {
    let line = agent.wait_from(from, &["this node is ", " now, as "]);
    let (_, said) = line.split_once("this node is ").unwrap();
    let (name, by) = said.split_once(" now, as ").unwrap();
    (name.to_owned(), by.strip_suffix(" calls it").unwrap().to_owned())
}

#[test]
pub(crate) fn a_box_that_the_hub_names() {
    let Some(lan) = Lan::new(&["edge", "hub"]) else { return };
    let agent = edge(&lan, &format!("dynamic = \"edge\"\n{BOX}"));
    agent.wait(&["up without a name, which the first node gives it, dials out only"]);
    let (_epmd, hub) = hub(&lan);
    let (mut name, by) = named(&agent, 0);
    assert_eq!((by.as_str(), name.split_once('@').unwrap().1), ("hub@hub", "edge"));
    nothing_listens(&agent);
    is_reached(&hub, &name);
    for _ in 0..2 {
        let from = agent.log.len();
        is_cut_and_comes_back(&lan, &hub, &agent, &name);
        agent.wait_from(from, &[&name, "is not this node's name any more"]);
        name = named(&agent, from).0;
        is_reached(&hub, &name);
    }
    nothing_listens(&agent);
}

/// Whoever gave the name may give it to another once it is gone. So the others are left, too, and met again under a new name.
#[test]
fn a_name_goes_with_the_hub_that_gave_it() {
    let world = World::new();
    let _epmd = world.epmd();
    let mut hubs = ["one", "two"].map(|alive| world.erl(&["-name", &format!("{alive}@127.0.0.1")]));
    let agent = world.launch(&["--dynamic", "127.0.0.1", "--connect", "one@127.0.0.1", "--connect", "two@127.0.0.1"]);
    let (name, by) = named(&agent, 0);
    for hub in &hubs {
        agent.wait(&["node up", &hub.node]);
        assert_eq!(hub.eval(&format!("gen_server:call({{echo, '{name}'}}, hello, 60000)")), "hello");
    }
    let giver = usize::from(by == hubs[1].node);
    // that the other goes takes nothing with it
    let from = agent.log.len();
    assert_eq!(hubs[1 - giver].eval(&format!("erlang:disconnect_node('{name}')")), "true");
    agent.wait_from(from, &["node down", &hubs[1 - giver].node]);
    agent.wait_from(from, &["node up", &hubs[1 - giver].node]);
    assert_eq!(hubs[giver].eval(&format!("net_adm:ping('{name}')")), "pong");
    assert_eq!(agent.log.count(&["is not this node's name any more"]), 0);
    let from = agent.log.len();
    hubs[giver].kill();
    let left = &hubs[1 - giver];
    agent.wait_from(from, &["node down", &left.node, "the name went with it"]);
    let (again, by) = named(&agent, from);
    assert_eq!(by, left.node);
    assert_eq!(left.eval(&format!("gen_server:call({{echo, '{again}'}}, hello, 60000)")), "hello");
    let hub = world.erl(&["-name", &hubs[giver].node]);
    agent.wait_from(from, &["node up", &hub.node]);
    assert_eq!(hub.eval(&format!("gen_server:call({{echo, '{again}'}}, hello, 60000)")), "hello");
}

/// The tool asks under a name that the node gives which is asked.
#[test]
fn a_tool_without_a_name() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    erl.eval("register(names, spawn(fun() -> (fun L(All) -> receive {'$gen_call', {P, T}, _} -> P ! {T, length(All)}, L(All); N -> L([N | All]) end end)([]) end))");
    let dynamic = ["--dynamic", "127.0.0.1"];
    let tool = |command: &str, more: &[&str]| world.tool(&[&[command], &dynamic[..], more].concat());
    tool("ping", &["a@127.0.0.1"]).done("pong\n");
    tool("ping", &["a"]).done("pong\n");
    let seen = tool("rpc", &["a", "erlang:nodes(hidden)"]);
    assert!(seen.code == 0 && seen.out.ends_with("@127.0.0.1']\n") && !seen.out.contains("beamless"), "{seen:?}");
    tool("send", &["a", "names", "hello"]).done("");
    tool("call", &["a", "names", "count"]).done("1\n");
    tool("ping", &["b@127.0.0.1"]).failed(1, "pang\n", &["knows no node of that name"]);
    world.tool(&["ping", "--dynamic", "a@b", "a"]).failed(2, "", &["--dynamic a@b: the host alone"]);
    world.tool(&["ping", "--dynamic", "b", "--sname", "a", "a"]).failed(2, "", &["one name"]);
    world.tool(&["ping", "--dynamic", "nuc7", "a@127.0.0.1"]).failed(2, "", &["short name"]);
}

/// Messages are printed that are sent to the name which was given.
#[test]
fn a_receiver_without_a_name() {
    let world = World::new();
    let _epmd = world.epmd();
    let erl = world.erl(&["-name", "a@127.0.0.1"]);
    let command = world.tool_command(&["recv", "--dynamic", "127.0.0.1", "--connect", "a", "inbox", "--count", "1"]);
    let mut receiver = world.launch_as(command);
    let line = receiver.wait(&["this node is ", " now"]);
    let name = line.split_once("this node is ").unwrap().1.strip_suffix(" now").unwrap();
    erl.eval(&format!("{{inbox, '{name}'}} ! hello"));
    assert_eq!(receiver.exit_code(), Some(0));
    world.tool(&["recv", "--dynamic", "127.0.0.1", "inbox"]).failed(2, "", &["--connect"]);
    world.tool(&["recv", "--sname", "x", "--listen", "none", "inbox"]).failed(2, "", &["--connect"]);
    let epmd = ["recv", "--sname", "x", "--listen", "none", "--epmd", "embedded", "--connect", "y", "inbox"];
    world.tool(&epmd).failed(2, "", &["--epmd: a node that listens nowhere"]);
}

/// Nobody can come, and it goes to nobody.
#[test]
fn a_box_that_nobody_reaches() {
    let world = World::new();
    let agent = world.launch(&["--sname", "demo", "--listen", "none"]);
    agent.wait(&["nobody can reach this node"]);
}
