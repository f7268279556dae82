//! What programs have around them, and what they say to others of this node.

use beamless::Node;
use mio::Registry;

use crate::cli::agent::publish::Said;

/// The node, and the messages between its own mailboxes.
pub(super) struct World<'w, 'n> {
    pub(super) node: &'w mut Node<'n>,
    pub(super) registry: &'w Registry,
    /// The name of the node.
    pub(super) home: &'w str,
    pub(super) local: Vec<Local>,
    /// What they publish.
    pub(super) published: Vec<Said>,
}

/// A message from one mailbox to another of this node.
pub(super) struct Local {
    pub(super) from: String,
    pub(super) to: String,
    /// The term, encoded.
    pub(super) term: Vec<u8>,
    /// The bytes of the line that said it, or of the frame.
    pub(super) line: usize,
}
