//! The parts of the agent, together.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use beamless::{Driver, Error, Event, Mailbox, Node};

use super::config::Settings;
use super::connections::Connections;
use super::echo::Echo;
use super::functions::Functions;
use super::health::{Health, Looked};
use super::part::Part;
use super::peers::after;
use super::programs::Programs;
use super::publish::Publishing;
use super::system::{System, Told};
use super::words;
use crate::cli::lines::limited;
use crate::cli::outcome::Failure;
use crate::cli::tls::Tls;

/// The time until a mailbox is tried again that ended and could not be registered.
const REVIVE: Duration = Duration::from_secs(1);
/// The time that the loop waits meanwhile.
const NO_MAILBOX: Duration = Duration::from_millis(50);

/// The parts of the agent.
pub(super) struct Parts {
    connections: Connections,
    echo: Echo,
    system: System,
    functions: Functions,
    programs: Programs,
    publishing: Publishing,
    health: Health,
    /// It is not known yet whether another node has this one's name, or one has: what the others of the cluster would take for that node's doing, and
    /// what two cannot do at once, is not begun.
    is_held: bool,
    /// The time at which mailboxes that could not be registered are tried again.
    revive_at: Option<Instant>,
}

/// Runs the same code with every part, in their order. `dyn` would take tables of methods, 3 KB more; and there is one part of each kind.
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
    /// Makes all parts. `folder` is that for what outlives a restart.
    pub(super) fn new(settings: &Settings, folder: Option<PathBuf>, node: &mut Node<'_>) -> Result<Self, Failure> {
        Ok(Self {
            connections: Connections::new(settings, node)?,
            echo: Echo::new(node)?,
            system: System::new(node)?,
            functions: Functions::new(settings, node)?,
            programs: Programs::new(settings, node)?,
            publishing: Publishing::new(settings, node)?,
            health: Health::new(settings, folder),
            is_held: settings.local.is_registered(),
            revive_at: None,
        })
    }

    /// Takes note of what happened. Returns true if nothing is left to be said of it.
    pub(super) fn handle(&mut self, event: &Event, node: &Node<'_>) -> bool {
        // where nobody takes the name, nobody says that another has it
        if matches!(event, Event::Registered { .. } | Event::NotRegistered(_) | Event::EpmdFull) {
            self.is_held = false;
            self.connections.release();
        }
        let mut is_known = false;
        each!(self, part => is_known |= part.handle(event, node));
        self.health.handle(event);
        is_known
    }

    /// Returns true as long as nothing is begun, since another node may have this one's name.
    pub(super) fn are_held(&self) -> bool {
        self.is_held
    }

    /// Takes note of what is shown over TLS.
    pub(super) fn show(&mut self, tls: &Tls) {
        self.system.show(tls);
        self.health.show(tls);
    }

    /// Takes note of what to say as long as the agent runs on something that is not what its files say.
    pub(super) fn runs_on(&mut self, words: Option<&str>) {
        self.health.runs_on(words);
    }

    /// Returns true if [`Self::status`] has something new to say.
    pub(super) fn is_status_new(&mut self) -> bool {
        self.health.is_new()
    }

    /// Returns what is wrong, the most important first: each of it in few words.
    pub(super) fn status(&self) -> Vec<String> {
        self.health.status()
    }

    /// Takes note that a pipe of some process is ready, or that a process ended.
    pub(super) fn pipes_ready(&mut self) {
        each!(self, part => part.pipes_ready());
    }

    /// Takes note that a heartbeat of another node came.
    pub(super) fn heartbeat_came(&mut self) {
        self.connections.heartbeat_came();
    }

    /// Does what there is to do.
    pub(super) fn turn(&mut self, node: &mut Node<'_>, driver: &Driver) {
        if self.revive_at.is_some_and(|at| at <= Instant::now()) {
            self.revive(node);
        }
        // the one that tells of others
        let Self { system, connections, functions, programs, publishing, health, .. } = self;
        system.answer(node, &Told { connections, functions, programs, publishing, alarms: health.alarms() });
        each!(self, part => part.turn(node, driver), echo system functions);
        if self.is_held {
            self.programs.answer(node, driver);
        } else {
            self.turn_with_others(node, driver);
        }
        let Self { system, connections, programs, publishing, health, .. } = self;
        health.turn(&Looked { connections, programs, publishing }, node, system.mailbox());
    }

    /// Does what other nodes and programs have a part in.
    fn turn_with_others(&mut self, node: &mut Node<'_>, driver: &Driver) {
        each!(self, part => part.turn(node, driver), connections programs);
        self.publish();
        let Self { connections, programs, publishing, .. } = self;
        publishing.turn(node, driver);
        programs.give_room(publishing.rooms());
        if let Some(others) = publishing.take_others() {
            connections.want_for_programs(&others, node);
        }
    }

    /// Returns when a part has something to do by itself.
    pub(super) fn next_wake(&mut self) -> Option<Instant> {
        let mut wake = self.revive_at.into_iter().chain(self.health.next_wake()).min();
        each!(self, part => wake = wake.into_iter().chain(part.next_wake()).min(), echo system functions);
        if !self.is_held {
            each!(self, part => wake = wake.into_iter().chain(part.next_wake()).min(), connections programs publishing);
        }
        let wake = wake?;
        // whoever has something to do and no mailbox to do it with cannot do it now
        Some(if self.revive_at.is_some() { wake.max(after(NO_MAILBOX)) } else { wake })
    }

    /// Registers those mailboxes again that have ended, as a supervisor would. It looks at all, since more may end at once than there is
    /// room for events. The place of a mailbox is free once every peer that watched it was told; a busy peer delays this.
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
            limited!(
                warn,
                "",
                "mailboxes that could not be made anew",
                "a mailbox that ended cannot be made anew, trying again: {}",
                words::error(&e)
            );
        }
    }

    /// Goes on with new settings; what did not change is left as it is.
    pub(super) fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        each!(self, part => part.apply(settings, node));
        self.health.apply(settings);
    }

    /// Takes note of a reload in which nothing changed.
    pub(super) fn reloaded(&mut self) {
        self.publishing.open_soon();
    }

    /// Takes note of the name that another node gave to this one.
    pub(super) fn named(&mut self, own: &str) {
        each!(self, part => part.named(own));
    }

    /// Asks the processes beside the agent to end.
    pub(super) fn terminate(&mut self, node: &mut Node<'_>) {
        each!(self, part => part.terminate(node));
    }

    /// Goes on with these while the node does, for a second: what programs say until then counts, and is sent. Returns true once that is done.
    pub(super) fn have_ended(&mut self, node: &mut Node<'_>, driver: &Driver) -> bool {
        let mut is_over = true;
        each!(self, part => is_over &= part.have_ended(node, driver), connections echo system functions programs);
        self.publish();
        is_over &= self.publishing.have_ended(node, driver);
        let Self { programs, publishing, .. } = self;
        programs.give_room(publishing.rooms());
        is_over
    }

    /// Lets go of what is left, which has had its time.
    pub(super) fn stop(&mut self) {
        self.programs.stop();
        self.publishing.stop();
    }

    /// Has what programs published be kept.
    fn publish(&mut self) {
        for said in self.programs.take_published() {
            if let Err(said) = self.publishing.take(said) {
                self.programs.waste(&said.mailbox, said.line);
            }
        }
    }
}

/// Registers those mailboxes again that have ended. Returns true if there was one; `failed` is what went wrong last.
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
