//! The names by which Phoenix.PubSub is known to other nodes.

/// The scope of `pg` that every PubSub has its group in.
pub(super) const SCOPE: &str = "Elixir.Phoenix.PubSub";
/// The module that hands a message of another node on to the subscribers.
pub(super) const DISPATCHER: &str = "Elixir.Phoenix.PubSub";
/// The word in front of a topic and its message.
pub(super) const FORWARD: &str = "forward_to_local";

/// Returns the name of the process that a PubSub has on each node, and of its group, as `Module.concat(Name, "Adapter")` makes it.
pub(super) fn adapter(pubsub: &str) -> Result<String, String> {
    let name = pubsub.strip_prefix(':').unwrap_or(pubsub);
    let name = name.strip_prefix("Elixir.").unwrap_or(name);
    if name.is_empty() || name.contains(['\'', '"', ' ']) {
        return Err(format!("{pubsub}: the name of a PubSub stands here as Elixir writes it, such as My.PubSub or :pubsub"));
    }
    Ok(format!("Elixir.{name}.Adapter"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_adapter_has_the_name_that_elixir_gives_it() {
        for (name, adapter_of) in [
            ("My.PubSub", "Elixir.My.PubSub.Adapter"),
            ("Elixir.My.PubSub", "Elixir.My.PubSub.Adapter"),
            (":pubsub", "Elixir.pubsub.Adapter"),
            ("pubsub", "Elixir.pubsub.Adapter"),
        ] {
            assert_eq!(adapter(name).as_deref(), Ok(adapter_of), "{name}");
        }
        for name in ["", ":", "Elixir.", "'Elixir.My.PubSub'", ":\"my pubsub\""] {
            assert!(adapter(name).unwrap_err().contains("as Elixir writes it"), "{name}");
        }
    }
}
