//! The events of a node in the log: each kind by itself, since others cause most of them.

use beamless::Event;

use super::lines::limited;

/// Logs an event.
pub(super) fn log(event: &Event) {
    log_as(event, &event.to_string());
}

/// Logs an event in these words.
pub(super) fn log_as(event: &Event, text: &str) {
    match event {
        Event::NodeUp { node, .. } => limited!(info of 40, node.as_str(), "nodes that came up", "{text}"),
        Event::NodeDown { node, .. } => limited!(info of 40, node.as_str(), "nodes that went down", "{text}"),
        Event::ConnectFailed { node, .. } => {
            limited!(warn, node.as_str(), "nodes that could not be connected to", "{text}");
        }
        Event::Refused { node: Some(node), .. } => limited!(warn, node.as_str(), "connections that were rejected", "{text}"),
        Event::Refused { node: None, .. } => limited!(warn, "", "connections without a name that were rejected", "{text}"),
        Event::TooLarge { node, .. } => limited!(warn, node.as_str(), "messages that were too large", "{text}"),
        Event::Dropped { node, .. } => limited!(warn, node.as_str(), "messages that were dropped", "{text}"),
        Event::Held { node, .. } => limited!(warn, node.as_str(), "nodes that were held up", "{text}"),
        Event::MailboxEnded { name, .. } => limited!(warn, name, "mailboxes that ended", "{text}"),
        Event::Missed(_) => limited!(warn, "", "events that were missed", "{text}"),
        Event::MembersFull { scope } => limited!(warn, scope, "scopes with too many members", "{text}"),
        Event::MembersChanged { .. } => log::debug!("{text}"),
        Event::GlobalRegistered { name, .. } => limited!(info, name, "global names that were registered", "{text}"),
        Event::GlobalTaken { name, .. } => limited!(warn, name, "global names that another process has", "{text}"),
        Event::Registered { .. } => limited!(info, "", "registrations with epmd", "{text}"),
        _ => limited!(warn, "", "troubles with epmd", "{text}"),
    }
}
