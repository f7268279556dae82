//! Elixir, which has words of its own for what Erlang does.

use std::path::Path;

use crate::support::World;

/// An agent that stands in the list of nodes, and one that does not.
#[test]
fn an_agent_is_a_citizen_to_elixir() {
    let script = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/erlang/citizen.exs"));
    for (kind, args) in [("hidden", &["--sname", "demo"][..]), ("visible", &["--sname", "demo", "--visible"])] {
        let world = World::new();
        let demo = world.agent(args);
        let said = world.elixir("citizen", script, &[&demo.node, kind]);
        assert!(said.ends_with("all is well"), "{said}");
    }
}
