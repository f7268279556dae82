//! The mailboxes with a program of any language behind each.

mod course;
mod dropped;
mod envelope;
mod framing;
mod input;
mod letters;
mod places;
mod program;
mod stdout;
mod waiting;
mod world;

use std::time::Instant;

use beamless::{Driver, Event, Mailbox, Node};

use super::config::{Place, Settings};
use super::part::Part;
use super::publish::Said;
use super::words;
use crate::cli::lines::limited;
use crate::cli::outcome::Failure;
pub(super) use course::{ProgramStatus, RECENT};
use program::Program;
use world::{Local, World};

/// The most bytes that a program may write for each byte of the term in a line.
const LINE: usize = 8;

/// The shortest limit of a line in bytes, and the longest.
const LIMITS: (usize, usize) = (1 << 18, 1 << 27);

/// The programs behind mailboxes.
pub(super) struct Programs {
    programs: Vec<Program>,
    /// The programs that were asked to end and are not in the settings any more.
    leaving: Vec<Program>,
    /// The node's name; empty until another node has given it. Programs are started then, since they are told it.
    home: String,
    /// The most bytes of a line or a frame that a program writes.
    limit: usize,
    /// What they publish.
    published: Vec<Said>,
}

impl Programs {
    /// Registers the mailboxes. The programs are started by the first turn.
    pub(super) fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        let mut programs = Vec::new();
        let limit = settings.sizes.bytes.saturating_mul(LINE).clamp(LIMITS.0, LIMITS.1);
        for given in &settings.programs {
            let mailbox = node
                .register(&given.name)
                .map_err(|e| Failure::usage(format!("mailbox.{}: {}", given.name, words::error(&e))))?;
            programs.push(Program::new(given.clone(), mailbox, limit));
        }
        let home = node.name().map_or_else(String::new, |name| name.as_str().to_owned());
        Ok(Self { programs, leaving: Vec::new(), home, limit, published: Vec::new() })
    }

    /// Has each program do something, and takes what they say to each other and what they publish.
    fn with_world(&mut self, node: &mut Node<'_>, driver: &Driver, act: fn(&mut Program, &mut World<'_, '_>)) {
        let mut world = World { node, registry: driver.registry(), home: &self.home, local: Vec::new(), published: Vec::new() };
        self.programs.iter_mut().for_each(|program| act(program, &mut world));
        let World { local, published, .. } = world;
        self.published.extend(published);
        for Local { from, to, term, line } in local {
            match self.programs.iter_mut().find(|program| program.given.name == to) {
                Some(program) => program.tell_term(&term, &self.home),
                None => {
                    limited!(
                        warn,
                        &to,
                        "messages to names that no program has",
                        "not sent to {to}: no program of this node has a mailbox of that name"
                    );
                    self.waste(&from, line);
                }
            }
        }
    }

    /// Has what is for them be refused or kept, and hears what is left of them. None is started.
    pub(super) fn answer(&mut self, node: &mut Node<'_>, driver: &Driver) {
        self.with_world(node, driver, Program::turn_to_end);
    }

    /// Takes note that a line of so many bytes, of the program of this mailbox, was of no use.
    pub(super) fn waste(&mut self, mailbox: &str, line: usize) {
        let program = self.programs.iter_mut().find(|program| program.given.name == mailbox);
        program.into_iter().for_each(|program| program.waste(line, 1));
    }

    /// Returns what they published since this was asked last.
    pub(super) fn take_published(&mut self) -> Vec<Said> {
        core::mem::take(&mut self.published)
    }

    /// Has each program publish so many bytes at most before this is called again.
    pub(super) fn give_room(&mut self, room: impl Fn(&str) -> usize) {
        self.programs.iter_mut().for_each(|program| program.give_room(room(&program.given.name)));
    }

    /// Ends those that are still there, with all that they started, and says what is not sent.
    pub(super) fn stop(&mut self) {
        self.leaving.clear();
        self.programs.drain(..).for_each(Program::stop);
    }

    /// Returns how each program is.
    pub(super) fn statuses(&self) -> impl ExactSizeIterator<Item = ProgramStatus<'_>> {
        self.programs.iter().map(Program::status)
    }

    /// Returns the place in the cluster of the mailbox of this name, and whether it has its global name.
    pub(super) fn place(&self, name: &str) -> Option<(&Place, bool)> {
        let program = self.programs.iter().find(|program| program.given.name == name)?;
        Some((&program.given.place, program.places.is_registered))
    }
}

impl Part for Programs {
    /// Takes up other settings: what did not change runs on untouched.
    fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        for mut program in core::mem::take(&mut self.programs) {
            let Some(given) = settings.programs.iter().find(|given| given.name == program.given.name) else {
                log::info!("mailbox {}: removed", program.given.name);
                // calls of it end with the mailbox
                if let Err(e) = node.close_mailbox(program.mailbox, |t| t.atom("shutdown")) {
                    log::warn!("mailbox {}: {e}", program.given.name);
                }
                program.leave();
                self.leaving.push(program);
                continue;
            };
            if given.place != program.given.place {
                log::info!("mailbox {}: its groups, topics or global name changed", given.name);
                program.places.change(&given.name, (&program.given.place, &given.place), program.mailbox, node);
                program.given.place = given.place.clone();
            }
            if *given != program.given {
                log::info!("mailbox {}: changed, its program is started again", given.name);
                program.change(given.clone());
            }
            self.programs.push(program);
        }
        for given in &settings.programs {
            if self.programs.iter().any(|program| program.given.name == given.name) {
                continue;
            }
            match node.register(&given.name) {
                Ok(mailbox) => {
                    log::info!("mailbox {}: added", given.name);
                    let mut program = Program::new(given.clone(), mailbox, self.limit);
                    let former = self.leaving.iter().position(|leaving| leaving.given.name == given.name);
                    if let Some(place) = former {
                        program.follow(self.leaving.swap_remove(place));
                    }
                    self.programs.push(program);
                }
                Err(e) => {
                    log::warn!("mailbox {}: not added: {}; what needs more room needs a restart", given.name, words::error(&e))
                }
            }
        }
    }

    /// Returns the mailboxes of the programs. A program goes on when its mailbox ends.
    fn mailboxes(&mut self) -> Vec<(&mut Mailbox, &str)> {
        self.programs.iter_mut().map(|program| (&mut program.mailbox, &*program.given.name)).collect()
    }

    fn handle(&mut self, event: &Event, _node: &Node<'_>) -> bool {
        let handle = |program: &mut Program| program.places.handle(&program.given.name, &program.given.place, event);
        self.programs.iter_mut().map(handle).fold(false, |known, is_known| known | is_known)
    }

    fn pipes_ready(&mut self) {
        self.programs.iter_mut().for_each(Program::set_ready);
    }

    fn turn(&mut self, node: &mut Node<'_>, driver: &Driver) {
        self.leaving.retain_mut(Program::is_leaving);
        if self.home.is_empty() {
            return;
        }
        for program in &mut self.programs {
            program.places.turn(&program.given.name, &program.given.place, program.mailbox, node);
        }
        self.with_world(node, driver, Program::turn);
    }

    fn next_wake(&self) -> Option<Instant> {
        let programs: &[Program] = if self.home.is_empty() { &[] } else { &self.programs };
        let places = programs.iter().filter_map(|program| program.places.next_wake());
        let leaving = self.leaving.iter().filter_map(Program::next_look);
        programs.iter().filter_map(Program::next_wake).chain(leaving).chain(places).min()
    }

    /// What runs goes on: only what is started from now on is told another name.
    fn named(&mut self, own: &str) {
        own.clone_into(&mut self.home);
    }

    fn terminate(&mut self, node: &mut Node<'_>) {
        for program in &mut self.programs {
            program.leave();
            program.end_mailbox(node);
        }
    }

    /// Hears what they still say.
    fn have_ended(&mut self, node: &mut Node<'_>, driver: &Driver) -> bool {
        self.leaving.retain_mut(Program::is_leaving);
        self.answer(node, driver);
        self.leaving.is_empty() && self.programs.iter().all(Program::is_over)
    }
}
