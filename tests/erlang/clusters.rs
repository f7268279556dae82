//! The recipes of the manual's page on clusters, as they stand there.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use crate::lan::Lan;
use crate::support::{Agent, World, otp};
use crate::{binaries, children, stand_ins};

const PAGE: &str = include_str!("../../src/manual/clusters.md");

/// The blocks of code of this language below a heading of this page.
fn blocks(heading: &str, language: &str) -> Vec<&'static str> {
    blocks_of(PAGE, heading, language)
}

/// The blocks of code of this language below a heading of a page, in their order.
pub(crate) fn blocks_of(page: &'static str, heading: &str, language: &str) -> Vec<&'static str> {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = rest.split("\n## ").next().unwrap();
    let begin = format!("```{language}\n");
    section.split(&begin).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

/// Options for a hub of this name, with what it runs.
fn options<'a>(name: &[&'a str]) -> Vec<&'a str> {
    let folders = stand_ins::folders().iter().flat_map(|folder| ["-pa", folder.to_str().unwrap()]);
    name.iter().copied().chain(folders).collect()
}

/// What the page shows of the example is what the example does.
#[test]
fn the_example_has_what_the_page_shows() {
    let example = include_str!("../../examples/cluster.rs");
    let blocks = [blocks("PubSub from a program", "rust,no_run"), blocks("Presence of a box", "rust,no_run")].concat();
    assert_eq!(blocks.len(), 2);
    for item in blocks.iter().flat_map(|block| block.split("\n\n")) {
        let item: Vec<&str> = item.lines().filter(|line| !line.starts_with("# ")).collect();
        assert!(example.contains(&item.join("\n")), "{item:#?}");
    }
}

/// The commands of the page, each as a shell reads it, with this hub in them. Comments are none.
fn commands<'a>(heading: &str, hub: &'a str) -> impl Iterator<Item = String> + use<'a> {
    let [block] = blocks(heading, "sh")[..] else { panic!("{heading}: not one block") };
    block.lines().filter(|line| !line.starts_with('#')).map(|line| line.replace("hub@nuc3", hub))
}

/// Starts a command of the page.
fn shell(world: &World, line: &str) -> Child {
    let mut shell = children::command("sh");
    shell.args(["-c", &format!("beamless() {{ \"$BEAMLESS\" \"$@\"; }}; {line}")]).env("BEAMLESS", binaries::beamless());
    world.dress(&mut shell);
    shell.stdin(Stdio::null()).spawn().unwrap()
}

fn output(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// With two hubs, and with the example for whom there is a name.
#[test]
fn a_shell_takes_part() {
    let world = World::new();
    let _epmd = world.epmd();
    let hubs = ["a", "b"].map(|alive| stand_ins::hub(&world, alive, 1));
    assert_eq!(hubs[0].eval("net_kernel:connect_node('b@127.0.0.1')"), "true");
    let members = "length(pg:get_members('Elixir.Phoenix.PubSub', hd(Groups)))";
    hubs[0].eval_until(members, "2");
    hubs.iter().for_each(|hub| drop(hub.eval("Subscribe(<<\"readings\">>)")));
    let commands: Vec<String> =
        ["PubSub from a shell", "A global name"].iter().flat_map(|heading| commands(heading, &hubs[0].node)).collect();
    let [broadcast, recv, groups, whereis] = &commands[..] else { panic!("{commands:?}") };

    assert_eq!(output(shell(&world, broadcast)), "");
    for hub in &hubs {
        assert_eq!(hub.eval("Next()"), "{reading,21.5}");
    }
    let recv = shell(&world, recv);
    hubs[0].eval_until(members, "3");
    hubs[0].eval("Broadcast(<<\"other\">>, nothing), Broadcast(<<\"cmd\">>, {say, hello})");
    assert_eq!(output(recv), "{say,hello}\n");
    hubs[0].eval_until(members, "2");
    let said = output(shell(&world, groups));
    assert!(said.starts_with("'Elixir.My.PubSub.Adapter' <") && said.lines().count() == 1, "{said}");

    let mut example = children::command(binaries::example("cluster"));
    example.args(["edge@127.0.0.1", &world.cookie, &hubs[0].node]);
    let _example = world.launch_as(example);
    hubs[0].eval_until("is_pid(global:whereis_name(therm))", "true");
    let said = output(shell(&world, whereis));
    assert!(said.starts_with('<') && said.contains("edge@127.0.0.1"), "{said}");
}

/// Runs a script in a hub with a block of Elixir of the page.
fn hub(world: &World, script: &str, block: &str, more: &[&str]) {
    let file = world.home.join("page.exs").display().to_string();
    fs::write(&file, block).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/erlang").join(script);
    let said = world.elixir_named(&options(&["--name", "hub@127.0.0.1"]), &script, &[&[file.as_str()], more].concat());
    assert!(said.contains("all is well"), "{said}");
}

/// An agent `edge1@127.0.0.1` with a block of the page for its file.
fn agent(world: &World, heading: &str) -> Agent {
    let [file] = blocks(heading, "toml")[..] else { panic!("{heading}: not one file") };
    fs::write(world.home.join("beamless.toml"), file.replace("hub@nuc3", "hub@127.0.0.1")).unwrap();
    world.agent(&["--name", "edge1@127.0.0.1", "--config", "beamless.toml"])
}

/// A box does no more than join the group.
#[test]
fn a_hub_tracks_the_boxes_of_a_group() {
    if otp() < 25 {
        // no pg:monitor there
        return;
    }
    let [boxes] = blocks("Presence of a box", "elixir")[..] else { panic!("not one module") };
    let world = World::new();
    let _epmd = world.epmd();
    let agent = agent(&world, "Presence of a box");
    hub(&world, "boxes.exs", boxes, &[&agent.node]);
}

/// LiveView is a stand-in: what it calls and is called by is the page's.
#[test]
fn a_live_view_shows_what_an_agent_publishes() {
    let [view] = blocks("LiveView's side of it", "elixir")[..] else { panic!("not one module") };
    let world = World::new();
    let _epmd = world.epmd();
    fs::write(world.home.join("temp"), "21500\n").unwrap();
    let _agent = agent(&world, "LiveView's side of it");
    hub(&world, "live_view.exs", view, &[]);
}

/// Each strategy of libcluster, on a hub of another host where one can be, with a box that is hidden.
#[test]
fn libcluster_finds_a_box() {
    let [topologies] = blocks("libcluster", "elixir")[..] else { panic!("not one list of topologies") };
    let [gossips] = blocks("libcluster", "toml")[..] else { panic!("not one file") };
    let Some(lan) = Lan::new(&["nuc1", "hub"]) else { return };
    let (boxes, hubs) = (lan.host("nuc1"), lan.host("hub"));
    let file = hubs.home.join("topologies.exs").display().to_string();
    fs::write(&file, topologies).unwrap();
    fs::write(hubs.home.join(".hosts.erlang"), "'nuc1'.\n").unwrap();
    let _epmd = [boxes.epmd(), hubs.epmd()];
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/libcluster.exs"));
    // the group of the heartbeats is behind it
    ["nuc1", "hub"].iter().for_each(|host| lan.run(host, "ip route add default dev eth0"));
    fs::write(boxes.home.join("beamless.toml"), gossips).unwrap();
    let agents = [boxes.agent(&["--config", "beamless.toml"]), boxes.agent(&["--name", "edge@10.77.0.1"])];
    let topologies = [("gossip", &hubs, 0), ("epmd", &hubs, 0), ("local", &boxes, 0), ("hosts", &hubs, 0), ("dns", &hubs, 1)];
    for (which, host, agent) in topologies {
        let name = if agent == 0 { &["--sname", "hub"][..] } else { &["--name", "hub@10.77.0.2"] };
        let said = host.elixir_named(&options(name), script, &[&file, which, &agents[agent].node, "10.77.0.1"]);
        // the real one logs meanwhile
        assert!(said.contains("all is well"), "{which}: {said}");
    }
}
