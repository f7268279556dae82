//! The events of a node in the log: each kind by itself, since others cause most of them.

use beamless::Event;

use super::lines::limited;

/// Logs an event.
pub(super) fn log(event: &Event) {
    match event {
        Event::NodeUp { node, .. } => limited!(info of 40, node.as_str(), "nodes that came up", "{event}"),
        Event::NodeDown { node, .. } => limited!(info of 40, node.as_str(), "nodes that went down", "{event}"),
        Event::ConnectFailed { node, .. } => {
            limited!(warn, node.as_str(), "nodes that could not be connected to", "{event}");
        }
        Event::Refused { node: Some(node), .. } => limited!(warn, node.as_str(), "connections that were rejected", "{event}"),
        Event::Refused { node: None, .. } => limited!(warn, "", "connections without a name that were rejected", "{event}"),
        Event::TooLarge { node, .. } => limited!(warn, node.as_str(), "messages that were too large", "{event}"),
        Event::Dropped { node, .. } => limited!(warn, node.as_str(), "messages that were dropped", "{event}"),
        Event::Held { node, .. } => limited!(warn, node.as_str(), "nodes that were held up", "{event}"),
        Event::MailboxEnded { name, .. } => limited!(warn, name, "mailboxes that ended", "{event}"),
        Event::Missed(_) => limited!(warn, "", "events that were missed", "{event}"),
        Event::Registered { .. } => limited!(info, "", "registrations with epmd", "{event}"),
        _ => limited!(warn, "", "troubles with epmd", "{event}"),
    }
}
