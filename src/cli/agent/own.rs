//! The mailboxes of the agent itself.

use beamless::Node;

/// The name of the mailbox to try the node with.
pub(super) const ECHO: &str = "echo";
/// The name of the mailbox that tells how the box and the node are.
pub(super) const SYSTEM: &str = "system";
/// The number of the agent's mailboxes: the two above, that of the functions, and the one that readings are sent from.
pub(super) const MAILBOXES: u16 = 4;

/// The bytes of a message that stand around a value: its length, the addresses, and what tells the receiver what it is.
const AROUND: usize = 512;

/// The bytes of these that are there for names; the others are less than a hundred and fifty.
const NAMES: usize = 360;

/// Returns how many bytes a value may have to fit a message.
pub(super) fn largest_value(node: &Node<'_>) -> usize {
    node.max_message().saturating_sub(AROUND)
}

/// Returns how many of these a value may have beside names of so many bytes in all.
pub(super) fn beside(largest: usize, names: usize) -> usize {
    largest.saturating_sub(names.saturating_sub(NAMES))
}

/// Returns the names that no program's mailbox can have: those above, and what the node answers itself.
pub(super) fn reserved() -> impl Iterator<Item = &'static str> {
    [ECHO, SYSTEM].into_iter().chain(Node::RESERVED_NAMES)
}
