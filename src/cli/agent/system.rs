//! The mailbox `system`: how the box and the node are.

use beamless::{Error, Mailbox, Node};

/// The mailbox.
pub(super) struct System(Mailbox);

impl System {
    pub(super) fn new(node: &mut Node<'_>) -> Result<Self, Error> {
        Ok(Self(node.register("system")?))
    }

    /// Makes it anew if it was this one that ended, as a supervisor would.
    pub(super) fn mailbox_ended(&mut self, ended: Mailbox, node: &mut Node<'_>) -> Result<(), Error> {
        if ended == self.0 {
            *self = Self::new(node)?;
        }
        Ok(())
    }

    /// Answers what is in the mailbox.
    pub(super) fn turn(&mut self, node: &mut Node<'_>) {
        while node.recv(self.0).is_some() {}
    }
}
