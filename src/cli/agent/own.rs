//! What of the node is the agent's own.

/// The mailbox to try the node with.
pub(super) const ECHO: &str = "echo";
/// The mailbox that tells how the box and the node are.
pub(super) const SYSTEM: &str = "system";
/// Names that no program's mailbox can have: those above, and what the node answers itself.
pub(super) const RESERVED: [&str; 4] = [ECHO, SYSTEM, "net_kernel", "rex"];
/// Mailboxes of the agent: the two above, that of the functions, and the one that readings are sent from.
pub(super) const MAILBOXES: u16 = 4;
