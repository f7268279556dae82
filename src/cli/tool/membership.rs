//! The groups and topics that `beamless recv` gets messages of.

use beamless::{Mailbox, Node, OwnedTerm, Term};

use crate::cli::command_line::spec::{Found, Opt};
use crate::cli::groups::{PubSub, as_broadcast};
use crate::cli::outcome::Failure;
use crate::cli::terms::{self, Format};

/// The most groups that it may be in.
pub(super) const MOST: usize = 64;

pub(super) const GROUP: Opt = Opt {
    long: "group",
    value: Some("[SCOPE:]GROUP"),
    help: "Be a member of this group of pg, in scope pg unless another is named; repeatable. A group is a word, or a term as Erlang writes it",
    repeats: true,
    ..Opt::SWITCH
};
pub(super) const PUBSUB: Opt = Opt {
    long: "pubsub",
    value: Some("NAME"),
    help: "Print what is broadcast by this Phoenix.PubSub, whose name is written as in Elixir: My.PubSub, :pubsub",
    ..Opt::SWITCH
};
pub(super) const TOPIC: Opt = Opt {
    long: "topic",
    value: Some("TOPIC"),
    help: "Of this topic alone; repeatable. With several, or none, which means all, the topic stands in front of each message",
    repeats: true,
    ..Opt::SWITCH
};
pub(super) const POOL_SIZE: Opt =
    Opt { long: "pool-size", value: Some("N"), help: "The pool_size of the PubSub on its nodes; 1 by default", ..Opt::SWITCH };

/// The groups that a mailbox is a member of, and the topics it gets something of.
pub(super) struct Membership {
    /// Each with its scope.
    groups: Vec<(String, OwnedTerm)>,
    pubsub: Option<Subscription>,
}

/// The topics of a PubSub that somebody asked for.
struct Subscription {
    /// The name of its process on each node.
    adapter: String,
    /// None stands for all.
    topics: Vec<String>,
}

impl Membership {
    pub(super) fn read(found: &mut Found) -> Result<Self, Failure> {
        let mut groups = Vec::new();
        for given in found.texts("group")? {
            groups.push(group(&given).map_err(|why| Failure::usage(format!("--group {given}: {why}")))?);
        }
        let (pubsub, topics) = (found.text("pubsub")?, found.texts("topic")?);
        let pool_size = found.positive("pool-size", "a number of processes, from 1 on")?;
        let Some(pubsub) = pubsub else {
            let has_none = topics.is_empty() && pool_size.is_none();
            return if has_none {
                Ok(Self { groups, pubsub: None })
            } else {
                Err("which PubSub? --pubsub NAME".to_owned().into())
            };
        };
        let pubsub = PubSub::read(&pubsub).map_err(|why| Failure::usage(format!("--pubsub {pubsub}: {why}")))?;
        for group in pubsub.groups(pool_size.unwrap_or(1_u16)) {
            let name = OwnedTerm::new(|t| t.atom(&group.name)).map_err(|e| Failure::usage(format!("{group}: {e}")))?;
            groups.push((group.scope, name));
        }
        Ok(Self { groups, pubsub: Some(Subscription { adapter: pubsub.adapter, topics }) })
    }

    /// Returns true if it is a member of nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Has a mailbox join all of them.
    pub(super) fn join(&self, node: &mut Node<'_>, mailbox: Mailbox) -> Result<(), Failure> {
        self.groups.iter().try_for_each(|(scope, group)| {
            let joined = node.join(mailbox, scope, |t| t.term(group.as_term()));
            joined.map_err(|e| Failure::usage(format!("scope {scope}, group {group}: {e}")))
        })
    }

    /// Returns the name of the process that the PubSub has on each node, if there is a PubSub.
    pub(super) fn adapter(&self) -> Option<&str> {
        self.pubsub.as_ref().map(|pubsub| pubsub.adapter.as_str())
    }

    /// Returns a message for standard output; `None` if it is of a topic that nobody asked for.
    pub(super) fn line(&self, message: Term<'_>, format: Format, home: &str) -> Option<String> {
        let Some((pubsub, (topic, inside))) = self.pubsub.as_ref().zip(as_broadcast(message)) else {
            return Some(terms::written(message, format, home));
        };
        let is_wanted = |wanted: &String| topic.as_binary() == Some(wanted.as_bytes());
        match &pubsub.topics[..] {
            [only] => is_wanted(only).then(|| terms::written(inside, format, home)),
            several if several.is_empty() || several.iter().any(is_wanted) => {
                let both = OwnedTerm::new(|t| match format {
                    Format::Erlang => t.tuple(2)?.term(topic)?.term(inside),
                    Format::Json => t.map(2)?.atom("topic")?.term(topic)?.atom("message")?.term(inside),
                });
                both.ok().map(|both| terms::written(both.as_term(), format, home))
            }
            _ => None,
        }
    }
}

/// Reads `SCOPE:GROUP`, or a group of the scope `pg`.
fn group(given: &str) -> Result<(String, OwnedTerm), String> {
    let is_word = |scope: &str| scope.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '@'));
    let (scope, group) = given.split_once(':').filter(|(scope, _)| is_word(scope)).unwrap_or(("pg", given));
    if scope.is_empty() || group.is_empty() {
        return Err("a group is SCOPE:GROUP, such as pg:temps, without quotes and Elixir's colon".to_owned());
    }
    Ok((scope.to_owned(), terms::word(group)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::terms::erlang;

    #[test]
    fn a_group_has_a_scope() {
        for (given, scope, name) in [
            ("temps", "pg", "temps"),
            ("pg:temps", "pg", "temps"),
            ("Elixir.My.Scope:Elixir.Counter", "Elixir.My.Scope", "'Elixir.Counter'"),
            ("{sensor,1}", "pg", "{sensor,1}"),
            ("sensors:{room,\"a:b\"}", "sensors", "{room,\"a:b\"}"),
            ("<<\"a:b\">>", "pg", "<<\"a:b\">>"),
            ("pg:7", "pg", "7"),
            ("pg:no body", "pg", "'no body'"),
        ] {
            let (found, group) = group(given).unwrap();
            assert_eq!((found.as_str(), group.to_string().as_str()), (scope, name), "{given}");
        }
        for given in ["", ":temps", "pg:", "{a,"] {
            assert!(group(given).is_err(), "{given}");
        }
    }

    #[test]
    fn a_line_is_of_a_topic_that_was_asked_for() {
        let line = |topics: Option<&[&str]>, format, text: &str| {
            let topics = topics.map(|topics| topics.iter().map(|topic| (*topic).to_owned()).collect());
            let pubsub = topics.map(|topics| Subscription { adapter: String::new(), topics });
            let mut bytes = Vec::new();
            Membership { groups: Vec::new(), pubsub }.line(erlang(text, &mut bytes).unwrap(), format, "a@b")
        };
        let forward = "{forward_to_local,<<\"t\">>,{m,1},'Elixir.Phoenix.PubSub'}";
        assert_eq!(line(Some(&["t"]), Format::Erlang, forward).as_deref(), Some("{m,1}"));
        assert_eq!(line(Some(&["u"]), Format::Erlang, forward), None);
        assert_eq!(line(Some(&["u", "t"]), Format::Erlang, forward).as_deref(), Some("{<<\"t\">>,{m,1}}"));
        assert_eq!(line(Some(&["u", "v"]), Format::Erlang, forward), None);
        assert_eq!(
            line(Some(&[]), Format::Json, forward).as_deref(),
            Some("{\"topic\":\"t\",\"message\":{\"@tuple\":[\"m\",1]}}")
        );
        assert_eq!(line(None, Format::Erlang, forward).as_deref(), Some(forward));
        assert_eq!(line(Some(&["t"]), Format::Erlang, "hello").as_deref(), Some("hello"));
    }
}
