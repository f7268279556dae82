//! What the parts of the agent have in common.

use std::time::Instant;

use beamless::{Driver, Error, Event, Mailbox, Node};

use super::config::Settings;

/// A part of the agent. What it has no use for it leaves out.
pub(super) trait Part {
    /// Takes note of what happened. Returns true if nothing is left to be said of it.
    fn handle(&mut self, _event: &Event, _node: &Node<'_>) -> bool {
        false
    }

    /// Takes note that a pipe of some process is ready, or that a process ended.
    fn pipes_ready(&mut self) {}

    /// Does what there is to do.
    fn turn(&mut self, _node: &mut Node<'_>, _driver: &Driver) {}

    /// Returns when it has something to do by itself.
    fn next_wake(&self) -> Option<Instant> {
        None
    }

    /// Goes on with new settings; what did not change is left as it is.
    fn apply(&mut self, _settings: &Settings, _node: &mut Node<'_>) {}

    /// Takes note of the name that another node gave to this one. It is called before that node sends anything, and again when one gives another
    /// name.
    fn named(&mut self, _own: &str) {}

    /// Asks the processes beside the agent to end.
    fn terminate(&mut self, _node: &mut Node<'_>) {}

    /// Goes on with those that were asked to end. Returns true once there is none: it has been killed by then if it had to be.
    fn have_ended(&mut self, _node: &mut Node<'_>, _driver: &Driver) -> bool {
        true
    }

    /// Returns its mailboxes, each with its name. Those that end are registered again, as a supervisor would.
    fn mailboxes(&mut self) -> Vec<(&mut Mailbox, &str)> {
        Vec::new()
    }

    /// Takes note that a mailbox of its own was registered again.
    fn revived(&mut self, _node: &mut Node<'_>) -> Result<(), Error> {
        Ok(())
    }
}
