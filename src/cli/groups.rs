//! Groups of `pg` and Phoenix.PubSub, as people write their names, and what goes over the latter.

use std::fmt;

use beamless::{Term, TermWriter, WriteTerm, Written};

/// The scope of a group where none is written, as in Erlang.
const USUAL: &str = "pg";
/// The scope in which every Phoenix.PubSub has its groups: a module, which hands broadcasts on to who subscribed.
pub(super) const PHOENIX: &str = "Elixir.Phoenix.PubSub";

/// A group in its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) scope: String,
    pub(super) name: String,
}

impl Group {
    /// Reads `GROUP` or `SCOPE:GROUP`.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let (scope, name) = text.split_once(':').unwrap_or((USUAL, text));
        if is_atom(scope) && is_atom(name) {
            Ok(Self { scope: scope.to_owned(), name: name.to_owned() })
        } else {
            Err("a group is \"GROUP\", of the scope pg, or \"SCOPE:GROUP\"; each has 1 to 255 bytes")
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scope, self.name)
    }
}

/// A Phoenix.PubSub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PubSub {
    /// Its name, as Elixir shows it.
    name: String,
    /// The registered name of the process that takes the broadcasts of others, and its group.
    pub(super) adapter: String,
}

impl PubSub {
    /// Reads its name as Elixir writes it: `My.PubSub`, or `:my_pubsub`.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let is_module = !text.starts_with(':');
        let plain = text.strip_prefix(':').unwrap_or(text);
        let plain = plain.strip_prefix("Elixir.").unwrap_or(plain);
        let is_upper = plain.starts_with(|c: char| c.is_ascii_uppercase());
        // what `Module.concat` makes of it
        let adapter = format!("Elixir.{plain}.Adapter");
        if plain.is_empty() || plain.contains(['\'', '"', ' ']) || !is_atom(&adapter) {
            return Err("the name of a PubSub stands here as Elixir writes it, such as My.PubSub or :pubsub");
        }
        let name = if is_upper && is_module { plain.to_owned() } else { format!(":{plain}") };
        Ok(Self { name, adapter })
    }

    /// Returns the groups that a broadcast goes to one of: as many as the pool has processes.
    pub(super) fn groups(&self, pool_size: u16) -> impl Iterator<Item = Group> {
        let name = |number| if number == 1 { self.adapter.clone() } else { format!("{}_{number}", self.adapter) };
        (1..=pool_size).map(move |number| Group { scope: PHOENIX.to_owned(), name: name(number) })
    }
}

impl fmt::Display for PubSub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Returns true for what can be an atom, however large its letters are.
fn is_atom(text: &str) -> bool {
    (1..=255).contains(&text.len())
}

/// Writes a message as it goes to the adapters of other nodes.
pub(super) fn broadcast<'t, 'b>(t: &'t mut TermWriter<'b>, topic: &str, message: impl WriteTerm) -> Written<'t, 'b> {
    let t = t.tuple(4)?.atom("forward_to_local")?.str(topic)?;
    message(t)?.atom(PHOENIX)
}

/// Returns the topic and the message of what a PubSub broadcasts, whoever hands it on at other nodes.
pub(super) fn as_broadcast(term: Term<'_>) -> Option<(Term<'_>, Term<'_>)> {
    let [what, topic, message, _] = term.tuple()?;
    what.is_atom("forward_to_local").then_some((topic, message))
}

#[cfg(test)]
mod tests {
    use beamless::{encode, parse_text};

    use super::*;

    #[test]
    fn a_group_has_a_scope() {
        for (text, shown) in [("temps", "pg:temps"), ("sensors:kitchen", "sensors:kitchen"), ("pg:a:b", "pg:a:b")] {
            assert_eq!(Group::read(text).unwrap().to_string(), shown);
        }
        assert_eq!(Group::read("pg:a:b").unwrap().name, "a:b");
        for text in ["", ":", "a:", ":a", &"x".repeat(256)] {
            assert!(Group::read(text).is_err(), "{text}");
        }
    }

    /// The atoms are those that Elixir's `Module.concat(Name, "Adapter")` gives.
    #[test]
    fn a_pubsub_is_written_as_elixir_does() {
        for (text, shown, adapter) in [
            ("My.PubSub", "My.PubSub", "Elixir.My.PubSub.Adapter"),
            ("Elixir.My.PubSub", "My.PubSub", "Elixir.My.PubSub.Adapter"),
            (":my_pubsub", ":my_pubsub", "Elixir.my_pubsub.Adapter"),
            ("my_pubsub", ":my_pubsub", "Elixir.my_pubsub.Adapter"),
        ] {
            let found = PubSub::read(text).unwrap();
            assert_eq!((found.to_string().as_str(), found.adapter.as_str()), (shown, adapter), "{text}");
        }
        for text in ["", ":", "Elixir.", "'Elixir.My.PubSub'", ":\"my pubsub\"", &"X".repeat(250)] {
            assert!(PubSub::read(text).is_err(), "{text}");
        }
        let groups: Vec<String> = PubSub::read("A").unwrap().groups(3).map(|group| group.to_string()).collect();
        let scope = "Elixir.Phoenix.PubSub";
        assert_eq!(groups, ["", "_2", "_3"].map(|number| format!("{scope}:Elixir.A.Adapter{number}")));
    }

    #[test]
    fn a_broadcast_is_read_as_it_is_written() {
        let mut room = [0; 256];
        let bytes = encode(&mut room, |t| broadcast(t, "readings", |t| t.int(7))).unwrap();
        let term = Term::parse(bytes).unwrap();
        assert_eq!(term.to_string(), "{forward_to_local,<<\"readings\">>,7,'Elixir.Phoenix.PubSub'}");
        let (topic, message) = as_broadcast(term).unwrap();
        assert_eq!((topic.as_str(), message.as_i64()), (Some("readings"), Some(7)));
        for text in ["{forward_to_local,<<\"a\">>,b}", "{forward,<<\"a\">>,b,c}", "a"] {
            let mut room = [0; 256];
            assert!(as_broadcast(parse_text(text, &mut room).unwrap()).is_none(), "{text}");
        }
    }
}
