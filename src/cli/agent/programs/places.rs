//! The places of a mailbox in the cluster: its groups, and its global name.

use std::time::{Duration, Instant};

use beamless::{Error, Event, Full, Mailbox, Misuse, Node, Overflow};

use crate::cli::agent::config::Place;
use crate::cli::agent::peers::after;
use crate::cli::agent::words;
use crate::cli::groups::Group;
use crate::cli::lines::limited;

/// The time until a global name is asked for again that another process has.
const TAKEN: Duration = Duration::from_secs(60);
/// The time until it is asked for again while the node gives it up for another mailbox.
const GIVEN_UP: Duration = Duration::from_secs(1);

/// How far a mailbox has come with its places.
#[derive(Default)]
pub(super) struct Places {
    /// The mailbox that has them: one that ended has lost them.
    mailbox: Option<Mailbox>,
    /// The time at which the global name is asked for.
    again: Option<Instant>,
    /// The mailbox is registered under it.
    pub(super) is_registered: bool,
    /// The log has that another process is.
    is_told: bool,
}

impl Places {
    /// Takes the places, if the mailbox is new.
    pub(super) fn turn(&mut self, name: &str, place: &Place, mailbox: Mailbox, node: &mut Node<'_>) {
        if self.mailbox != Some(mailbox) {
            let is_due = place.global.is_some();
            *self = Self { mailbox: Some(mailbox), again: is_due.then(Instant::now), ..Self::default() };
            place.groups().for_each(|group| join(name, &group, mailbox, node));
        }
        let Some(global) = place.global.as_ref().filter(|_| self.again.is_some_and(|at| at <= Instant::now())) else { return };
        self.again = None;
        match node.register_global(mailbox, global) {
            Ok(()) => {}
            Err(Error::Misuse(Misuse::NameTaken) | Error::Full(Full::GlobalNames)) => self.again = Some(after(GIVEN_UP)),
            Err(e) => limited!(
                warn,
                name,
                "global names that could not be asked for",
                "mailbox {name}: not registered globally as {global}: {}",
                words::error(&e)
            ),
        }
    }

    /// Gives up the places that it is not to have any more, and takes those that are new.
    pub(super) fn change(&mut self, name: &str, (old, new): (&Place, &Place), mailbox: Mailbox, node: &mut Node<'_>) {
        if self.mailbox != Some(mailbox) {
            // it takes all at its turn
            return;
        }
        let (before, now): (Vec<Group>, Vec<Group>) = (old.groups().collect(), new.groups().collect());
        for group in before.iter().filter(|group| !now.contains(group)) {
            // one that it could not join it need not leave
            let _ = node.leave(mailbox, &group.scope, |t| t.atom(&group.name));
        }
        now.iter().filter(|group| !before.contains(group)).for_each(|group| join(name, group, mailbox, node));
        if now.is_empty() {
            let _ = node.set_overflow(mailbox, Overflow::Hold);
        }
        if old.global != new.global {
            if let Some(global) = &old.global {
                let _ = node.unregister_global(global);
            }
            (self.is_registered, self.is_told) = (false, false);
            self.again = new.global.is_some().then(Instant::now);
        }
    }

    /// Takes note of what became of the global name. Returns true if nothing is left to be said of it.
    pub(super) fn handle(&mut self, name: &str, place: &Place, event: &Event) -> bool {
        let Some(global) = &place.global else { return false };
        match event {
            Event::GlobalRegistered { name: registered, .. } if **registered == **global => {
                (self.is_registered, self.is_told) = (true, false);
                false
            }
            Event::GlobalTaken { name: taken, node } if **taken == **global => {
                self.is_registered = false;
                self.again = Some(after(TAKEN));
                if !core::mem::replace(&mut self.is_told, true) {
                    limited!(
                        warn,
                        node.as_str(),
                        "global names that another process has",
                        "mailbox {name}: {node} knows another process as {global}: asked for again every minute"
                    );
                }
                true
            }
            _ => false,
        }
    }

    /// Returns when it has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.again
    }
}

fn join(name: &str, group: &Group, mailbox: Mailbox, node: &mut Node<'_>) {
    if let Err(e) = node.join(mailbox, &group.scope, |t| t.atom(&group.name)) {
        log::warn!("mailbox {name}: not in group {group}: {}; what needs more room needs a restart", words::error(&e));
    }
}
