//! The recipes of the manual's page on clusters, as they stand there.

use std::fs;
use std::path::Path;

use crate::lan::Lan;
use crate::stand_ins;

const PAGE: &str = include_str!("../../src/manual/clusters.md");

/// The blocks of code of this language below a heading of the page, in their order.
fn blocks(heading: &str, language: &str) -> Vec<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    let section = rest.split("\n## ").next().unwrap();
    let begin = format!("```{language}\n");
    section.split(&begin).skip(1).map(|block| block.split("```").next().unwrap()).collect()
}

/// Each strategy of libcluster, on a hub of another host where one can be, with a box that is hidden.
#[test]
fn libcluster_finds_a_box() {
    let [topologies] = blocks("libcluster", "elixir")[..] else { panic!("not one list of topologies") };
    let Some(lan) = Lan::new(&["nuc1", "hub"]) else { return };
    let (boxes, hubs) = (lan.host("nuc1"), lan.host("hub"));
    let file = hubs.home.join("topologies.exs").display().to_string();
    fs::write(&file, topologies).unwrap();
    fs::write(hubs.home.join(".hosts.erlang"), "'nuc1'.\n").unwrap();
    let _epmd = [boxes.epmd(), hubs.epmd()];
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/libcluster.exs"));
    let agents = [boxes.agent(&["--sname", "edge1"]), boxes.agent(&["--name", "edge@10.77.0.1"])];
    for (which, host, agent) in [("epmd", &hubs, 0), ("local", &boxes, 0), ("hosts", &hubs, 0), ("dns", &hubs, 1)] {
        let name = if agent == 0 { &["--sname", "hub"][..] } else { &["--name", "hub@10.77.0.2"] };
        let folders = stand_ins::folders().iter().flat_map(|folder| ["-pa", folder.to_str().unwrap()]);
        let options: Vec<&str> = name.iter().copied().chain(folders).collect();
        let said = host.elixir_named(&options, script, &[&file, which, &agents[agent].node, "10.77.0.1"]);
        assert!(said.ends_with("all is well"), "{which}: {said}");
    }
}
