//! Nodes that connected here and were turned away: each is said once, until something changes.

use std::time::Instant;

use beamless::{Event, NodeName, Reason};

use super::once::{Once, hour};
use super::words::NO_ROOM;
use crate::cli::lines::limited;
use crate::cli::tls::{self, Wanted};

/// The log of the nodes that are turned away.
pub(super) struct Refusals {
    said: Once<(NodeName, Reason)>,
}

impl Refusals {
    pub(super) fn new() -> Self {
        Self { said: Once::new() }
    }

    /// Takes note of what happened, and logs whom this node turned away if that is new.
    pub(super) fn handle(&mut self, event: &Event, tls: Option<&Wanted>) {
        match event {
            // whatever it was, it is no more
            Event::NodeUp { node, .. } => self.said.forget(|(said, _)| said == node),
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
        self.said.forget(|(said, why)| said == node && *why != reason);
        self.said.before((node.clone(), reason), now)
    }
}

/// Logs whom this node turned away, who may call himself anything.
fn warn(event: &Event, node: &NodeName, reason: Reason, before: u32, tls: Option<&Wanted>) {
    let (by, hour) = (node.as_str(), hour(before));
    if reason == Reason::Full {
        limited!(warn, by, "nodes that there was no room for", "no room for {node}: {NO_ROOM}{hour}");
    } else {
        limited!(warn, by, "connections that were rejected", "{event}{}{hour}", tls::hint(reason, tls));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::agent::once::AGAIN;

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
}
