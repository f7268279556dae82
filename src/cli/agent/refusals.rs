//! Nodes that connected here and were turned away: each is said once, until something changes.

use std::time::{Duration, Instant};

use beamless::{Event, NodeName, Reason};

use super::words::NO_ROOM;
use crate::cli::lines::limited;
use crate::cli::tls::{self, Wanted};

/// The most nodes that are remembered. Anybody can connect with any name.
const NODES: usize = 256;
/// The time after which a node that is still turned away is said again, with how often it came.
const AGAIN: Duration = Duration::from_secs(3600);

/// A node that was turned away, as the log has it.
struct Said {
    node: NodeName,
    reason: Reason,
    at: Instant,
    /// The times that it came since.
    more: u32,
}

/// The log of the nodes that are turned away.
pub(super) struct Refusals {
    said: Vec<Said>,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self { said: Vec::new() }
    }

    /// Takes note of what happened, and logs whom this node turned away if that is new.
    pub(super) fn handle(&mut self, event: &Event, tls: Option<&Wanted>) {
        match event {
            // whatever it was, it is no more
            Event::NodeUp { node, .. } => self.said.retain(|said| said.node != *node),
            Event::Refused { node: Some(node), reason } => {
                let Some(before) = self.before(node, *reason, Instant::now()) else { return };
                warn(event, node, *reason, before, tls);
            }
            Event::Refused { node: None, reason } => {
                let hint = tls::hint(*reason, tls);
                limited!(warn, "", "connections without a name that were rejected", "{event}{hint}");
            }
            _ => {}
        }
    }

    /// Returns how often the node came since it was said last, if it is to be said now.
    fn before(&mut self, node: &NodeName, reason: Reason, now: Instant) -> Option<u32> {
        let mut more = 0;
        if let Some(place) = self.said.iter().position(|said| said.node == *node) {
            let said = self.said.get_mut(place)?;
            if said.reason == reason && now.saturating_duration_since(said.at) < AGAIN {
                said.more = said.more.saturating_add(1);
                return None;
            }
            more = if said.reason == reason { said.more } else { 0 };
            self.said.remove(place);
        } else if self.said.len() >= NODES {
            // the one that was said longest ago
            self.said.remove(0);
        }
        self.said.push(Said { node: node.clone(), reason, at: now, more: 0 });
        Some(more)
    }
}

/// Logs whom this node turned away, who may call himself anything.
fn warn(event: &Event, node: &NodeName, reason: Reason, before: u32, tls: Option<&Wanted>) {
    let hour = if before > 0 { format!("; {before} times more within the last hour") } else { String::new() };
    let by = node.as_str();
    if reason == Reason::Full {
        limited!(warn, by, "nodes that there was no room for", "no room for {node}: {NO_ROOM}{hour}");
    } else {
        limited!(warn, by, "connections that were rejected", "{event}{}{hour}", tls::hint(reason, tls));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    #[test]
    fn each_is_said_once_until_it_changes() {
        let mut refusals = Refusals::new();
        let now = Instant::now();
        let (a, b) = (name("a@host"), name("b@host"));
        assert_eq!(refusals.before(&a, Reason::Full, now), Some(0));
        assert_eq!(refusals.before(&b, Reason::Full, now), Some(0));
        for node in [&a, &b, &a] {
            assert_eq!(refusals.before(node, Reason::Full, now), None);
        }
        assert_eq!(refusals.before(&a, Reason::OwnName, now), Some(0), "another reason");
        assert_eq!(refusals.before(&a, Reason::OwnName, now), None);
        refusals.handle(&Event::NodeUp { node: a.clone(), visible: true }, None);
        assert_eq!(refusals.before(&a, Reason::OwnName, now), Some(0), "it was up meanwhile");
        assert_eq!(refusals.before(&b, Reason::Full, now + AGAIN), Some(1), "an hour later");
        assert_eq!(refusals.before(&b, Reason::Full, now + AGAIN), None);
    }

    #[test]
    fn any_number_of_names_takes_so_much_memory() {
        let mut refusals = Refusals::new();
        let now = Instant::now();
        for number in 0..10 * NODES {
            assert_eq!(refusals.before(&name(&format!("a{number}@host")), Reason::Full, now), Some(0));
        }
        assert_eq!(refusals.said.len(), NODES);
        assert_eq!(refusals.before(&name(&format!("a{}@host", 10 * NODES - 1)), Reason::Full, now), None);
    }
}
