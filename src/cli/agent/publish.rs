//! Readings that are sent to a process at an interval.

use std::time::Instant;

use beamless::{Error, Mailbox, Node};
use mio::Registry;

use super::settings::Publish;

/// All of them.
pub(super) struct Publishing;

impl Publishing {
    pub(super) fn new(_settings: &[Publish], _node: &mut Node<'_>) -> Result<Self, Error> {
        Ok(Self)
    }

    /// Makes the mailbox anew if it was one of these that ended, as a supervisor would.
    pub(super) fn mailbox_ended(&mut self, _ended: Mailbox, _node: &mut Node<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// A pipe of some process is ready, or a process ended.
    pub(super) fn pipes_ready(&mut self) {}

    /// Does what there is to do.
    pub(super) fn turn(&mut self, _node: &mut Node<'_>, _registry: &Registry) {}

    /// When it has something to do by itself.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        None
    }
}
