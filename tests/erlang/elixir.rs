//! Elixir, which has words of its own for what Erlang does.

use std::fs;
use std::path::Path;

use crate::binaries::example;
use crate::children::command;
use crate::support::World;

/// An agent that stands in the list of nodes, and one that does not.
#[test]
fn an_agent_is_a_citizen_to_elixir() {
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/citizen.exs"));
    for (kind, args) in [("hidden", &["--sname", "demo"][..]), ("visible", &["--sname", "demo", "--visible"])] {
        let world = World::new();
        let demo = world.agent(args);
        // an example of the library beside it, which serves a function
        let reading = world.home.join("temperature");
        fs::write(&reading, "21500\n").unwrap();
        let thermometer = format!("thermometer@{}", demo.host());
        let mut command = command(example("thermometer"));
        command.args([&thermometer, &world.cookie]).env("SENSOR", &reading);
        let thermometer_runs = world.launch_as(command);
        thermometer_runs.wait(&["registered"]);
        let said = world.elixir("citizen", script, &[&demo.node, kind, &thermometer]);
        assert!(said.ends_with("all is well"), "{said}");
    }
}
