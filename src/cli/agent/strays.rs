//! Messages to names that nobody has here. To a visible node OTP's own processes send several a second, for as long as it is connected: each name is
//! said once for a node, and its messages are counted.

use std::time::Instant;

use beamless::{Dropped, Event, FixedStr, NodeName, Receiver};

use super::once::{Once, hour};
use crate::cli::lines::limited;

/// The most names that are told apart of one node.
const NAMES: usize = 32;

/// A node, and a name it sends to; without a name, all that it sends to beyond those.
type Stray = (NodeName, Option<FixedStr<255>>);

/// The log of the messages to names that nobody has.
pub(super) struct Strays {
    said: Once<Stray>,
}

impl Strays {
    pub(super) fn new() -> Self {
        Self { said: Once::new() }
    }

    /// Takes note of what happened. Returns true if nothing is left to be said of it.
    pub(super) fn handle(&mut self, event: &Event) -> bool {
        match event {
            Event::Dropped { node, to: Receiver::Name(name), why: Dropped::NoReceiver } => {
                if let Some(line) = self.line(node, name, event, Instant::now()) {
                    limited!(warn, node.as_str(), "messages to names that nobody has", "{line}");
                }
                true
            }
            Event::NodeDown { node, .. } => {
                if let Some(counts) = self.counts(node) {
                    limited!(
                        info,
                        node.as_str(),
                        "counts of messages to names that nobody has",
                        "dropped from {node} besides: {counts}"
                    );
                }
                false
            }
            _ => false,
        }
    }

    /// Returns what is to be said of a message.
    fn line(&mut self, node: &NodeName, name: &FixedStr<255>, event: &Event, now: Instant) -> Option<String> {
        let stray = self.told_apart(node, name);
        let line = match stray.1 {
            Some(_) => event.to_string(),
            None => format!("messages to more than {NAMES} names from {node} dropped: no such mailboxes"),
        };
        let before = self.said.before(stray, now)?;
        Some(format!("{line}; more are counted{}", hour(before)))
    }

    /// Returns the node with the name, unless it has enough of them.
    fn told_apart(&self, node: &NodeName, name: &FixedStr<255>) -> Stray {
        let named = (node.clone(), Some(name.clone()));
        let has_enough = || self.said.said().filter(|(of, name)| of == node && name.is_some()).count() >= NAMES;
        if self.said.said().any(|said| *said == named) || !has_enough() { named } else { (node.clone(), None) }
    }

    /// Returns how many messages were not said, of a node that is gone.
    fn counts(&mut self, node: &NodeName) -> Option<String> {
        let count = |((_, name), more): (&Stray, u32)| match name {
            Some(name) => format!("{more} to {}", name.escape_debug()),
            None => format!("{more} to other names"),
        };
        let counts: Vec<String> = self.said.take(|(of, _)| of == node).map(count).collect();
        if counts.is_empty() { None } else { Some(counts.join(", ")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::agent::once::AGAIN;

    fn line(strays: &mut Strays, node: &NodeName, name: &str, now: Instant) -> Option<String> {
        let name = FixedStr::try_from(name).unwrap();
        let event = Event::Dropped { node: node.clone(), to: Receiver::Name(name.clone()), why: Dropped::NoReceiver };
        strays.line(node, &name, &event, now)
    }

    #[test]
    fn each_name_is_said_once_for_a_node_and_counted() {
        let (mut strays, now) = (Strays::new(), Instant::now());
        let [a, b] = ["a@host", "b@host"].map(|name| NodeName::new(name).unwrap());
        let said = "message to aten from a@host dropped: no such mailbox; more are counted";
        assert_eq!(line(&mut strays, &a, "aten", now).as_deref(), Some(said));
        assert!(line(&mut strays, &a, "ra", now).is_some() && line(&mut strays, &b, "aten", now).is_some());
        for name in ["aten", "ra", "aten"] {
            assert_eq!(line(&mut strays, &a, name, now), None);
        }
        assert_eq!(strays.counts(&a).as_deref(), Some("2 to aten, 1 to ra"));
        assert_eq!((strays.counts(&a), strays.counts(&b)), (None, None));
        assert_eq!(line(&mut strays, &a, "aten", now), None, "it was not gone for long");
        let again = format!("{said}; 1 times more within the last hour");
        assert_eq!(line(&mut strays, &a, "aten", now + AGAIN), Some(again));
    }

    #[test]
    fn a_node_that_sends_to_any_name_has_so_many_lines() {
        let (mut strays, now) = (Strays::new(), Instant::now());
        let node = NodeName::new("a@host").unwrap();
        let lines: Vec<String> = (0..500).filter_map(|i| line(&mut strays, &node, &format!("n{i}"), now)).collect();
        assert_eq!(lines.len(), NAMES + 1);
        assert_eq!(lines[NAMES], "messages to more than 32 names from a@host dropped: no such mailboxes; more are counted");
        assert_eq!(line(&mut strays, &node, "n0", now), None);
        assert_eq!(strays.counts(&node).as_deref(), Some("1 to n0, 467 to other names"));
    }
}
