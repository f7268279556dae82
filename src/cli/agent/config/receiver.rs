//! Where readings go to, and how that is read.

use std::fmt;

use beamless::NodeName;

use super::file::{Fault, Faults, Item, Section};
use super::values;
use crate::cli::groups::{Group, PubSub};

/// The receivers of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) enum Receiver {
    /// The process of this registered name.
    Name { to: String, nodes: Nodes },
    /// Whoever subscribed to a topic, on every connected node.
    PubSub { pubsub: PubSub, topic: String },
    /// All members of a group on other nodes.
    Group(Group),
}

/// The nodes of a registered name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) enum Nodes {
    /// The first of these that can be reached.
    First(Vec<String>),
    /// Each of these.
    Each(Vec<String>),
}

impl Receiver {
    /// Returns true if what waits for some node is the same for both: readings for one process, on a list of nodes with that in it.
    pub(in crate::cli::agent) fn shares_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Name { to, nodes }, Self::Name { to: also, nodes: others }) => {
                to == also && nodes.receivers().iter().any(|nodes| others.receivers().contains(nodes))
            }
            _ => false,
        }
    }

    /// Returns how many processes of this name are asked whether readings arrive: one on each node that is named.
    pub(in crate::cli::agent) fn count(&self) -> usize {
        match self {
            Self::Name { nodes, .. } => nodes.names().len(),
            Self::PubSub { .. } | Self::Group(_) => 0,
        }
    }
}

impl Nodes {
    /// Returns the nodes of each that gets the readings.
    pub(in crate::cli::agent) fn receivers(&self) -> Vec<Vec<String>> {
        match self {
            Self::First(names) => vec![names.clone()],
            Self::Each(names) => names.iter().map(|name| vec![name.clone()]).collect(),
        }
    }

    /// Returns all of them.
    pub(in crate::cli::agent) fn names(&self) -> &[String] {
        match self {
            Self::First(names) | Self::Each(names) => names,
        }
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::First(names) => f.write_str(&names.join(" or ")),
            Self::Each(names) => f.write_str(&names.join(" and ")),
        }
    }
}

impl fmt::Display for Receiver {
    /// Shows it without the node.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { to, .. } => f.write_str(to),
            Self::PubSub { pubsub, topic } => write!(f, "topic {topic} of {pubsub}"),
            Self::Group(group) => write!(f, "group {group}"),
        }
    }
}

/// Reads where a reading goes to: to what is named first, if it is more than one.
pub(super) fn receiver(section: &Section<'_>, own: Option<&NodeName>, faults: &mut Faults) -> Option<Receiver> {
    let (pubsub, group) = (section.get("pubsub"), section.get("group"));
    let of_pubsub = ["to", "node", "nodes", "group"];
    let others: &[&str] = match (&pubsub, &group) {
        (Some(_), _) => &of_pubsub,
        (None, Some(_)) => &["to", "node", "nodes", "topic"],
        (None, None) => &["topic"],
    };
    for other in others.iter().filter_map(|name| section.get(name)) {
        faults.add(other.wrong(match (&pubsub, &group) {
            (Some(_), _) => "there is a `pubsub` too, which goes with `topic` alone: leave one out",
            (None, Some(_)) => "there is a `group` too, which goes alone: leave one out",
            (None, None) => "it is a topic of a `pubsub`: write pubsub = \"My.PubSub\"",
        }));
    }
    if let Some(pubsub) = pubsub {
        let topic = section.required("topic").and_then(|item| item.name());
        let (pubsub, topic) = (faults.keep(read(&pubsub, PubSub::read)), faults.keep(topic));
        return Some(Receiver::PubSub { pubsub: pubsub?, topic: topic? });
    }
    if let Some(group) = group {
        return faults.keep(read(&group, Group::read)).map(Receiver::Group);
    }
    let to = section.required("to").and_then(|item| item.name());
    let (to, nodes) = (faults.keep(to), nodes(section, own, faults));
    Some(Receiver::Name { to: to?, nodes: nodes? })
}

/// Reads `node`, which may be a list of nodes that stand in for each other, or `nodes`.
fn nodes(section: &Section<'_>, own: Option<&NodeName>, faults: &mut Faults) -> Option<Nodes> {
    if let Some(list) = section.get("nodes") {
        if let Some(node) = section.get("node") {
            faults.add(node.wrong("there is `nodes` too, each of which gets the readings: leave one out"));
        }
        return names(&list, own, faults).map(Nodes::Each);
    }
    let item = faults.keep(section.required("node"))?;
    if item.is_list() {
        return names(&item, own, faults).map(Nodes::First);
    }
    let node = item.text().and_then(|text| values::node(text, own).map_err(|why| item.wrong(why)));
    faults.keep(node).map(|node| Nodes::First(vec![node]))
}

/// Reads nodes, of which there is one at least, and none twice.
fn names(list: &Item<'_>, own: Option<&NodeName>, faults: &mut Faults) -> Option<Vec<String>> {
    let mut found: Vec<String> = Vec::new();
    let items = faults.keep(list.list())?;
    if items.is_empty() {
        faults.add(list.wrong("name the nodes that the readings go to"));
    }
    for item in items {
        match item.text().and_then(|text| values::node(text, own).map_err(|why| item.wrong(why))) {
            Ok(node) if found.contains(&node) => faults.add(item.wrong("it is there twice: leave one out")),
            Ok(node) => found.push(node),
            Err(fault) => faults.add(fault),
        }
    }
    Some(found)
}

/// Reads text as `of` does.
pub(super) fn read<T>(item: &Item<'_>, of: fn(&str) -> Result<T, &'static str>) -> Result<T, Fault> {
    of(item.text()?).map_err(|why| item.wrong(why))
}
