//! The parts of the agent, together.

use std::time::{Duration, Instant};

use beamless::{Driver, Error, Event, Mailbox, Node};

use super::config::Settings;
use super::connections::Connections;
use super::echo::Echo;
use super::functions::Functions;
use super::part::Part;
use super::peers::after;
use super::programs::Programs;
use super::publish::Publishing;
use super::system::System;
use crate::cli::outcome::Failure;

/// How long until a mailbox is tried again that ended and could not be made anew.
const REVIVE: Duration = Duration::from_secs(1);
/// How long the loop waits meanwhile.
const NO_MAILBOX: Duration = Duration::from_millis(50);

/// What the agent does, part by part.
pub(super) struct Parts {
    connections: Connections,
    echo: Echo,
    system: System,
    functions: Functions,
    programs: Programs,
    publishing: Publishing,
    /// When mailboxes that could not be made anew are tried again.
    revive_at: Option<Instant>,
}

/// Does the same with every part, in their order. Tables of methods, which `dyn` takes, would be 3 KB more for nothing: there is one of each.
macro_rules! each {
    ($parts:expr, $part:ident => $what:expr) => {
        each!($parts, $part => $what, connections echo system functions programs publishing)
    };
    ($parts:expr, $part:ident => $what:expr, $($name:ident)*) => {{
        $({
            let $part = &mut $parts.$name;
            $what
        })*
    }};
}

impl Parts {
    pub(super) fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        Ok(Self {
            connections: Connections::new(settings, node)?,
            echo: Echo::new(node)?,
            system: System::new(node)?,
            functions: Functions::new(settings, node)?,
            programs: Programs::new(settings, node)?,
            publishing: Publishing::new(settings, node)?,
            revive_at: None,
        })
    }

    /// Takes note of what happened. Returns true if nothing is left to be said of it.
    pub(super) fn handle(&mut self, event: &Event, node: &Node<'_>) -> bool {
        let mut is_known = false;
        each!(self, part => is_known |= part.handle(event, node));
        is_known
    }

    /// Takes note that a pipe of some process is ready, or that a process ended.
    pub(super) fn pipes_ready(&mut self) {
        each!(self, part => part.pipes_ready());
    }

    /// Does what there is to do.
    pub(super) fn turn(&mut self, node: &mut Node<'_>, driver: &Driver) {
        if self.revive_at.is_some_and(|at| at <= Instant::now()) {
            self.revive(node);
        }
        // the one that tells of others
        self.system.answer(node, &self.functions, &self.publishing);
        each!(self, part => part.turn(node, driver));
    }

    /// Returns when a part has something to do by itself.
    pub(super) fn next_wake(&mut self) -> Option<Instant> {
        let mut wake = self.revive_at;
        each!(self, part => wake = wake.into_iter().chain(part.next_wake()).min());
        let wake = wake?;
        // whoever has something to do and no mailbox to do it with cannot do it now
        Some(if self.revive_at.is_some() { wake.max(after(NO_MAILBOX)) } else { wake })
    }

    /// Registers those mailboxes again that have ended, as a supervisor would. All are looked at, since more may end at once than there is room
    /// to tell of. The place of one that ended is free once a peer that is busy was told; until then there may be none.
    pub(super) fn revive(&mut self, node: &mut Node<'_>) {
        let mut failed = None;
        each!(self, part => {
            let is_revived = register_again(part.mailboxes(), node, &mut failed);
            if is_revived {
                failed = part.revived(node).err().or(failed);
            }
        });
        let was_told = self.revive_at.is_some();
        self.revive_at = failed.as_ref().map(|_| after(REVIVE));
        if let Some(e) = failed.filter(|_| !was_told) {
            log::warn!("a mailbox that ended cannot be made anew, trying again: {e}");
        }
    }

    /// Goes on with new settings; what did not change is left as it is.
    pub(super) fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        each!(self, part => part.apply(settings, node));
    }

    /// Ends what runs beside the agent.
    pub(super) fn stop(&mut self) {
        each!(self, part => part.stop());
    }
}

/// Registers again which of the mailboxes have ended. Returns true if there was one, and else or besides what went wrong.
fn register_again(mailboxes: Vec<(&mut Mailbox, &str)>, node: &mut Node<'_>, failed: &mut Option<Error>) -> bool {
    let mut is_revived = false;
    for (mailbox, name) in mailboxes {
        if node.outbox(*mailbox).is_ok() {
            continue;
        }
        match node.register(name) {
            Ok(new) => (*mailbox, is_revived) = (new, true),
            Err(e) => *failed = Some(e),
        }
    }
    is_revived
}
