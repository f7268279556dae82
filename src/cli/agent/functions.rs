//! The functions that the agent serves: some of the module `erlang`, and those of the settings, which run a command each.

mod arguments;
mod job;

use std::ffi::OsString;
use std::time::Instant;

use beamless::{Apply, Driver, Error, Event, Exception, Full, Mailbox, Node, Outbox, Received, may_take};
use mio::Registry;

use super::config::{Function, Settings};
use super::erlang::{self, Known};
use super::own;
use super::part::Part;
use super::words;
use crate::cli::lines::{limited, node_of};
use crate::cli::outcome::Failure;
use job::{Delivery, Job};

/// The most commands that run at once.
const AT_ONCE: usize = 8;
/// The most calls under way, with those that wait for a place, of which one node has three quarters at most: one more is refused with
/// `system_limit`. Each keeps its arguments in memory.
const CALLS: usize = 64;

/// The served functions, behind a mailbox without a name.
pub(super) struct Functions {
    mailbox: Mailbox,
    known: Known,
    functions: Vec<Function>,
    jobs: Vec<Job>,
    /// The most bytes that a command may print.
    most: usize,
    own: String,
    /// The nodes that were refused a call, which the log has, until they have half as many under way.
    refused: Vec<(String, usize)>,
    counts: Counts,
}

/// Counts of the calls of commands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub(super) calls: u64,
    /// Calls that came to an error, `system_limit` included.
    pub(super) failed: u64,
    pub(super) waiting: u64,
    pub(super) running: u64,
}

impl Functions {
    /// Serves the functions of the settings, and those of the module `erlang`.
    pub(super) fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        let mailbox = node.register("")?;
        node.serve(mailbox, names(&settings.functions)).map_err(|e| Failure::usage(format!("functions: {e}")))?;
        Ok(Self {
            mailbox,
            known: Known::of(node, registered(settings)),
            functions: settings.functions.clone(),
            jobs: Vec::new(),
            most: own::largest_value(node),
            own: node.name().map_or_else(String::new, ToString::to_string),
            refused: Vec::new(),
            counts: Counts::default(),
        })
    }

    /// Answers a call, or takes it up.
    fn call(&mut self, apply: &Apply<'_>, node: String, out: &mut Outbox<'_>) -> Result<(), Error> {
        if erlang::NAMES.iter().any(|name| is_named(apply, name)) {
            return self.known.answer(apply, out);
        }
        let Some(function) = self.functions.iter().find(|function| is_named(apply, &function.name)) else {
            // taken out of the settings while it waited
            return out.raise(apply, Exception::Error, |t| t.atom("undef"));
        };
        let arguments = apply.args.as_list().into_iter().flatten().map(|term| arguments::argument(term, &self.own));
        let Some(arguments) = arguments.collect::<Option<Vec<OsString>>>() else {
            return out.raise(apply, Exception::Error, |t| t.atom("badarg"));
        };
        let held = self.held(&node);
        if !may_take(held, 1, CALLS.saturating_sub(self.jobs.len())) {
            out.raise(apply, Exception::Error, |t| t.atom("system_limit"))?;
            self.counts.calls = self.counts.calls.saturating_add(1);
            self.counts.failed = self.counts.failed.saturating_add(1);
            if !self.refused.iter().any(|(told, _)| *told == node) {
                let (name, all) = (&function.name, self.jobs.len());
                limited!(
                    warn,
                    &node,
                    "calls of functions beyond a node's share",
                    "{name}: {all} calls are under way, {held} of them from {node}, which is refused more with system_limit"
                );
                self.refused.push((node, held));
            }
            return Ok(());
        }
        // no Erlang calls without a proper tag
        let Some(caller) = apply.caller.keep() else { return Ok(()) };
        self.counts.calls = self.counts.calls.saturating_add(1);
        self.jobs.push(Job::new(function.clone(), arguments, caller, node));
        Ok(())
    }

    /// Returns how many calls of a node are under way.
    fn held(&self, node: &str) -> usize {
        self.jobs.iter().filter(|job| job.node == node).count()
    }

    /// Returns the call whose command is to be started next: the oldest of the node that has the fewest running.
    fn next(&self) -> Option<usize> {
        let running = |node: &str| self.jobs.iter().filter(|job| job.is_running() && job.node == node).count();
        let waiting = self.jobs.iter().enumerate().filter(|(_, job)| job.is_waiting());
        waiting.min_by_key(|(_, job)| running(&job.node)).map(|(at, _)| at)
    }

    /// Goes on with the calls that were taken up.
    fn work(&mut self, out: &mut Outbox<'_>, registry: &Registry) {
        let most = self.most;
        let mut failed: Vec<String> = self.jobs.iter_mut().filter_map(|job| job.look(most)).collect();
        let is_free = |jobs: &[Job]| jobs.iter().filter(|job| job.is_running()).count() < AT_ONCE;
        while let Some(at) = self.next().filter(|_| is_free(&self.jobs)) {
            let Some(job) = self.jobs.get_mut(at) else { break };
            failed.extend(job.start(most, &self.own, registry));
        }
        self.jobs.retain_mut(|job| job.tell(out) == Delivery::NotYet);
        let jobs = &self.jobs;
        self.refused.retain(|(node, held)| jobs.iter().filter(|job| job.node == *node).count() > held / 2);
        failed.iter().for_each(|words| self.failed(words));
    }

    fn failed(&mut self, words: &str) {
        self.counts.failed = self.counts.failed.saturating_add(1);
        limited!(warn, "", "calls of functions that failed", "{words}");
    }

    /// Returns the counts of the calls of commands.
    pub(super) fn counts(&self) -> Counts {
        let count = |is: fn(&Job) -> bool| self.jobs.iter().filter(|job| is(job)).count() as u64;
        Counts { waiting: count(Job::is_waiting), running: count(Job::is_running), ..self.counts }
    }
}

impl Part for Functions {
    fn named(&mut self, own: &str) {
        own.clone_into(&mut self.own);
        self.known.set_own(own);
    }

    /// Serves other functions from now on. Calls under way go on.
    fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        self.known.set_registered(registered(settings));
        if self.functions == settings.functions {
            return;
        }
        let old = core::mem::replace(&mut self.functions, settings.functions.clone());
        if let Err(e) = node.serve(self.mailbox, names(&settings.functions)) {
            return log::warn!("functions: not changed: {e}");
        }
        for function in &settings.functions {
            match old.iter().find(|old| old.name == function.name) {
                None => log::info!("function {}: added", function.name),
                Some(old) if old != function => log::info!("function {}: changed", function.name),
                Some(_) => {}
            }
        }
        let is_gone = |old: &&Function| settings.functions.iter().all(|function| function.name != old.name);
        old.iter().filter(is_gone).for_each(|old| log::info!("function {}: removed", old.name));
    }

    fn handle(&mut self, event: &Event, node: &Node<'_>) -> bool {
        self.known.update(event, node);
        false
    }

    fn mailboxes(&mut self) -> Vec<(&mut Mailbox, &str)> {
        vec![(&mut self.mailbox, "")]
    }

    /// Serves the functions again. The commands go on, and their answers go to nobody.
    fn revived(&mut self, node: &mut Node<'_>) -> Result<(), Error> {
        node.serve(self.mailbox, names(&self.functions))
    }

    fn pipes_ready(&mut self) {
        self.jobs.iter_mut().for_each(Job::set_ready);
    }

    /// Answers the calls that came, and those whose command has ended.
    fn turn(&mut self, node: &mut Node<'_>, driver: &Driver) {
        while let Some((message, mut out)) = node.recv(self.mailbox) {
            let Received::Apply(apply) = message.received() else { continue };
            let node = node_of(&message, &out);
            match self.call(&apply, node, &mut out) {
                Ok(()) => {}
                // its peer has to take what waits for it first; the message stays, and those of others go on
                Err(Error::Full(Full::Transmit { .. })) => {
                    message.put_back();
                    break;
                }
                Err(e) => limited!(
                    warn,
                    "",
                    "calls of functions without an answer",
                    "{}:{}: no answer: {}",
                    apply.module,
                    apply.function,
                    words::error(&e)
                ),
            }
        }
        if let Ok(mut out) = node.outbox(self.mailbox) {
            self.work(&mut out, driver.registry());
        }
    }

    fn terminate(&mut self, _node: &mut Node<'_>) {
        self.jobs.retain(Job::is_running);
        self.jobs.iter_mut().for_each(Job::terminate);
    }

    /// Answers nobody any more.
    fn have_ended(&mut self, _node: &mut Node<'_>, _driver: &Driver) -> bool {
        self.pipes_ready();
        let most = self.most;
        self.jobs.retain_mut(|job| {
            job.look(most);
            job.is_running()
        });
        self.jobs.is_empty()
    }

    fn next_wake(&self) -> Option<Instant> {
        self.jobs.iter().filter_map(Job::next_wake).min()
    }
}

/// Returns true if the call is one of the function of this name, `Module:Function/Arity`.
fn is_named(apply: &Apply<'_>, name: &str) -> bool {
    let parts = name.split_once(':').and_then(|(module, rest)| Some((module, rest.rsplit_once('/')?)));
    parts.is_some_and(|(module, (function, arity))| {
        let count = apply.args.as_list().map_or(0, Iterator::count);
        apply.module == module && apply.function == function && arity.parse() == Ok(count)
    })
}

/// Returns the names of the agent's mailboxes.
fn registered(settings: &Settings) -> Vec<String> {
    let own = [own::ECHO, own::SYSTEM].into_iter().map(str::to_owned);
    own.chain(settings.programs.iter().map(|program| program.name.clone())).collect()
}

/// Returns the names of the functions of the module `erlang`, and of these.
fn names(functions: &[Function]) -> impl Iterator<Item = &str> {
    erlang::NAMES.into_iter().chain(functions.iter().map(|function| &*function.name))
}
