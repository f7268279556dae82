//! One node that asks many others at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use beamless::{Driver, Error, Event, Mailbox, OwnedNode, Ready, Received, Sizes};
use mio::{Registry, Waker};

use super::subject::{Asked, State, Subject};
use crate::cli::host;
use crate::cli::outcome::Failure;
use crate::cli::tool::asking::{Asking, Means};

/// The nodes that may be connected at once; of more, each makes room for another once it has answered.
const PEERS: usize = 64;
/// The most bytes of an answer.
const BYTES: usize = 1 << 20;
/// The questions that may be under way.
const REQUESTS: u16 = 256;
/// The questions that are tried in vain before some room is waited for.
const TRIES: u8 = 8;

/// The node that asks, and those that are asked.
pub(super) struct Round {
    node: OwnedNode,
    driver: Driver,
    mailbox: Mailbox,
    means: Means,
    /// This node's name.
    own: String,
    timeout: Duration,
    /// The ports of those nodes whose ports were given.
    ports: Vec<(String, u16)>,
    pub(super) subjects: Vec<Subject>,
}

impl Round {
    /// Makes a node to ask these; with `all` those that they see, too.
    pub(super) fn open(given: &[String], all: bool, options: &Asking) -> Result<Self, Failure> {
        let pairs =
            given.iter().map(|given| host::pair(given, options.name.as_ref(), options.timeout)).collect::<Result<Vec<_>, _>>();
        let pairs = pairs.map_err(Failure::usage)?;
        let (first, own) = pairs.first().ok_or_else(|| "NODE is missing".to_owned())?;
        let means = Means::find(options)?;
        let peers = if all { PEERS } else { pairs.len().min(PEERS) };
        let sizes = Sizes::new(u16::try_from(peers).unwrap_or(u16::MAX), 1, BYTES).watches(8).requests(REQUESTS);
        let mut node = OwnedNode::new(means.config(own, options, &first.node)?, sizes).map_err(Failure::usage)?;
        let mailbox = node.register("")?;
        let mut driver = means.driver(&mut node)?;
        let (mut subjects, mut ports): (Vec<Subject>, _) = (Vec::new(), Vec::new());
        let is_long = |name: &str| host::part(name).contains(['.', ':']);
        for ((target, _), given) in pairs.iter().zip(given) {
            if options.name.is_none() && is_long(&target.node) != is_long(own) {
                let why = "long names and short ones are of two clusters: ask for each by itself";
                return Err(Failure::usage(format!("{given} beside {}: {why}", first.node)));
            }
            node.connect(&target.node).or_else(|e| match e {
                // later, then
                Error::Full(_) => Ok(()),
                e => Err(Failure::usage(format!("{given}: {e}{}", host::option_for(&e)))),
            })?;
            if let Some(port) = target.port {
                driver.set_port(&target.node, port)?;
                ports.push((target.node.clone(), port));
            }
            if subjects.iter().all(|subject| subject.name != target.node) {
                let mut subject = Subject::new(target.node.clone(), None, false);
                subject.is_hub = all;
                subjects.push(subject);
            }
        }
        let own = own.clone();
        Ok(Self { node, driver, mailbox, means, own, timeout: options.timeout, ports, subjects })
    }

    /// Has every node asked that is not being asked; those that a hub sees once the hub has answered.
    pub(super) fn begin(&mut self) {
        let idle = self.subjects.iter_mut().filter(|subject| subject.asked == Asked::No && subject.hub.is_none());
        idle.for_each(|subject| subject.asked = Asked::Due);
    }

    /// Returns the number of nodes that have still to answer.
    pub(super) fn left(&self) -> usize {
        self.subjects.iter().filter(|subject| subject.asked != Asked::No).count()
    }

    /// Asks whoever can be asked, waits until something comes, but no longer than until then, and takes it. Each has until `deadline` to
    /// answer; without one, as long as the options say.
    pub(super) fn go_on(&mut self, until: Instant, deadline: Option<Instant>) -> Result<(), Failure> {
        let now = Instant::now();
        self.ask(deadline.map_or(self.timeout, |deadline| deadline.saturating_duration_since(now)))?;
        self.driver.poll(&mut self.node, Some(until.saturating_duration_since(now)))?;
        self.take_events();
        self.take_answers();
        self.take_hubs();
        Ok(())
    }

    /// Gives up on those who have not answered: the time is over.
    pub(super) fn give_up(&mut self) {
        for subject in self.subjects.iter_mut().filter(|subject| subject.asked != Asked::No) {
            subject.fail(State::Silent, "there was no time left to ask it: --timeout SECONDS gives more");
        }
    }

    pub(super) fn waker(&self) -> Arc<Waker> {
        self.driver.waker()
    }

    pub(super) fn registry(&self) -> &Registry {
        self.driver.registry()
    }

    pub(super) fn poll_ready(&mut self) -> Option<Ready> {
        self.driver.poll_ready()
    }

    fn ask(&mut self, left: Duration) -> Result<(), Failure> {
        let mut full = 0_u8;
        for subject in self.subjects.iter_mut().filter(|subject| subject.asked == Asked::Due) {
            let connected = if subject.is_behind { Ok(()) } else { self.node.connect(&subject.name) };
            if self.node.name().is_none() && connected.is_ok() {
                // the node that is connected first gives the name without which nothing can be asked
                return Ok(());
            }
            let asked = connected.and_then(|()| subject.ask(&mut self.node.outbox(self.mailbox)?, left));
            match asked {
                Ok(request) => subject.asked = Asked::Waits(request),
                // an end or an answer makes room; there may be thousands
                Err(Error::Full(_)) if full >= TRIES => return Ok(()),
                Err(Error::Full(_)) => full = full.saturating_add(1),
                Err(e) => subject.fail(State::Away, &e.to_string()),
            }
        }
        Ok(())
    }

    fn take_events(&mut self) {
        while let Some(event) = self.node.poll_event() {
            log::debug!("{event}");
            let (node, why) = match &event {
                Event::ConnectFailed { node, reason } => {
                    let port = self.ports.iter().find(|(name, _)| name == node.as_str()).map(|(_, port)| *port);
                    (node, self.means.why(*reason, node.as_str(), port))
                }
                Event::NodeDown { node, reason } => (node, format!("it went away: {reason}")),
                _ => continue,
            };
            let mut direct = self.subjects.iter_mut().filter(|subject| !subject.is_behind);
            if let Some(subject) = direct.find(|subject| subject.name == *node.as_str()) {
                if subject.asked == Asked::Due && self.node.name().is_none() {
                    subject.fail(State::Away, &why);
                }
                subject.lost = Some(why);
            }
        }
    }

    fn take_answers(&mut self) {
        if let Some(name) = self.node.name().filter(|name| *name.as_str() != *self.own) {
            name.as_str().clone_into(&mut self.own);
        }
        let is_crowded = self.subjects.iter().filter(|subject| !subject.is_behind).count() > PEERS;
        while let Some((message, _)) = self.node.recv(self.mailbox) {
            let Received::Answer { request, result } = message.received() else { continue };
            if let Some(subject) = self.subjects.iter_mut().find(|subject| subject.asked == Asked::Waits(request)) {
                subject.take(result, &self.own);
            }
        }
        for subject in self.subjects.iter_mut().filter(|subject| subject.is_told && !subject.is_behind) {
            if subject.state == State::Silent && self.node.peers().all(|peer| *peer.name.as_str() != *subject.name) {
                subject.fail(State::Away, &format!("no connection in time: {}", self.means.no_answer()));
            } else if is_crowded && !subject.is_hub {
                // it is done, and another waits for its place
                let _ = self.node.disconnect(&subject.name);
            }
        }
    }

    /// Looks at what hubs have told: those that they see are to be asked.
    fn take_hubs(&mut self) {
        let mut told = Vec::new();
        for subject in self.subjects.iter_mut().filter(|subject| subject.is_told) {
            subject.is_told = false;
            if subject.is_hub {
                told.push((subject.name.clone(), subject.is_erlang(), subject.sees()));
            }
        }
        if told.is_empty() {
            return;
        }
        let hubs = self.subjects.iter().filter(|subject| subject.is_hub);
        let hubs: Vec<_> = hubs.filter_map(|hub| Some((hub.name.clone(), hub.is_erlang(), hub.sees()?))).collect();
        for (hub, is_erlang, seen) in told {
            for kid in self.subjects.iter_mut().filter(|kid| kid.hub.as_ref() == Some(&hub) && kid.asked == Asked::No) {
                let sees = |seen: &Vec<String>| seen.binary_search(&kid.name).is_ok();
                let is_lost = kid.is_behind && !seen.as_ref().is_some_and(sees);
                match hubs.iter().find(|(_, _, seen)| sees(seen)).filter(|_| is_lost) {
                    Some((other, is_erlang, _)) => {
                        (kid.hub, kid.is_behind, kid.asked) = (Some(other.clone()), *is_erlang, Asked::Due);
                    }
                    None if is_lost => {
                        let why = if seen.is_some() { "its hub is not connected to it" } else { "so is its hub" };
                        kid.fail(State::Away, why);
                    }
                    None => kid.asked = Asked::Due,
                }
            }
            let mut known: Vec<&String> = self.subjects.iter().map(|subject| &subject.name).collect();
            known.sort_unstable();
            let is_new = |name: &&String| **name != self.own && known.binary_search(name).is_err();
            let new: Vec<String> = seen.iter().flatten().filter(is_new).cloned().collect();
            for name in new {
                let mut kid = Subject::new(name, Some(hub.clone()), is_erlang);
                kid.asked = Asked::Due;
                self.subjects.push(kid);
            }
        }
    }
}
