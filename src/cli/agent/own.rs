//! The mailboxes of the agent itself.

/// The name of the mailbox to try the node with.
pub(super) const ECHO: &str = "echo";
/// The name of the mailbox that tells how the box and the node are.
pub(super) const SYSTEM: &str = "system";
/// Names that no program's mailbox can have: those above, and what the node answers itself.
pub(super) const RESERVED: [&str; 4] = [ECHO, SYSTEM, "net_kernel", "rex"];
/// The number of the agent's mailboxes: the two above, that of the functions, and the one that readings are sent from.
pub(super) const MAILBOXES: u16 = 4;
