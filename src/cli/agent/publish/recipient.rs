//! A process that readings are sent to, by its name.

use std::time::{Duration, Instant};

use beamless::{Error, Failure as No, Full, Monitor, Node, Outbox, Received, Request};

use super::kept::Kept;
use super::publisher::{Context, Outlet, Publisher, message};
use crate::cli::agent::config::{Publish, Receiver};
use crate::cli::agent::peers::after;
use crate::cli::agent::words;
use crate::cli::groups::PubSub;
use crate::cli::lines::limited;

/// The time between two questions for a process of the name, while there is none.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// The time that readings wait for a PubSub on a node that has just come up, or on which it has just ended: a node that starts is connected
/// before all that it runs is there.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for what is on disk: a node that starts may take long, and another one may have its name for a while.
const LONG_PATIENCE: Duration = Duration::from_secs(3600);
/// The time between two questions for a PubSub on a node that did not run it within that time.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// The time after which a node that has not answered is one that does not say whether it reads: it may be no Erlang. One that is may be busy,
/// but not for so long, since it would be taken for dead.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// The time for which readings go on to another node of a list, once a better one is there, as long as it is not known to have all that it was sent.
const GIVEN_WAY: Duration = Duration::from_secs(1);
/// The time until something is tried again for which there was no room.
const TRY_AGAIN: Duration = Duration::from_secs(1);
/// The time from telling how many readings were dropped to telling that again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// A process that readings are sent to: one of a name, or that of a PubSub which hands them on.
pub(super) struct Recipient {
    to: String,
    pub(super) node: String,
    /// The PubSub whose process it is. One that is not there is not waited for.
    pubsub: Option<PubSub>,
    /// Readings are kept while the node is away.
    is_wanted: bool,
    pub(super) state: Presence,
    /// It is not known yet whether it is there.
    is_new: bool,
    /// The question that the peer has not answered.
    question: Option<(Request, Monitor)>,
    /// Its monitor, while there is no room for the rest of it.
    begun: Option<Monitor>,
    /// The monitor of the process that was there when it was last asked for: what was sent since is not for another one, of which a later
    /// question may be answered.
    watch: Option<Monitor>,
    /// Those that are of no use any more. A node that is still connected goes on answering them, so they are to be given up, once there is room to
    /// say so.
    before: (Vec<Request>, Vec<Monitor>),
    /// The time at which something is tried again.
    again: Option<Instant>,
    /// There was no room for the question, which goes before anything else then.
    is_held_up: bool,
    /// Until when readings wait for a PubSub that is not there.
    patient: Option<Instant>,
    /// The same of what is kept on disk.
    long_patient: Option<Instant>,
    /// The readings that arrived since it was away; nothing once it has all that waited then.
    late: Option<u64>,
    /// When it is told again how many were dropped, if any were meanwhile.
    tell_at: Option<Instant>,
    /// The node is connected, and does not say whether it reads.
    is_silent: bool,
    /// A node of this name has answered: one that does not is busy.
    has_answered: bool,
    /// It has just come: until then those that have readings of its may still say so.
    just_come: Option<Instant>,
    /// The log has that nobody has the name.
    is_told: bool,
    /// The log has that it has no room for the question.
    is_refusal_told: bool,
}

/// Whether a process is there; the later, the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Presence {
    /// The node is not connected.
    Away,
    /// The node is connected. There was no process of this name, or it was not asked for yet.
    Missing,
    /// The process was there the last time.
    There,
}

impl Recipient {
    /// Makes one that the readings for a node go to; `None` where they go to no process by its name.
    pub(super) fn new(receiver: &Receiver, node: &str) -> Option<Self> {
        let (to, pubsub) = match receiver {
            Receiver::Name { to, .. } => (to, None),
            Receiver::PubSub { pubsub, .. } => (&pubsub.adapter, Some(pubsub)),
            Receiver::Group(_) => return None,
        };
        Some(Self {
            to: to.clone(),
            node: node.to_owned(),
            pubsub: pubsub.cloned(),
            is_wanted: pubsub.is_none(),
            state: Presence::Away,
            is_new: false,
            question: None,
            begun: None,
            watch: None,
            before: (Vec::new(), Vec::new()),
            again: None,
            is_held_up: false,
            patient: None,
            long_patient: None,
            late: Some(0),
            tell_at: None,
            is_silent: false,
            has_answered: false,
            just_come: None,
            is_told: false,
            is_refusal_told: false,
        })
    }

    /// Returns true if this is where the readings go that the publisher has for a node.
    pub(super) fn takes(&self, receiver: &Receiver, node: &str) -> bool {
        self.node == node
            && match receiver {
                Receiver::Name { to, .. } => self.pubsub.is_none() && *to == self.to,
                Receiver::PubSub { pubsub, .. } => self.pubsub.as_ref() == Some(pubsub),
                Receiver::Group(_) => false,
            }
    }

    /// Returns true if it takes readings, or if it will be known in a moment whether it does.
    pub(super) fn is_at_hand(&self) -> bool {
        self.state == Presence::There || (self.state == Presence::Missing && self.is_new)
    }

    /// Takes note of the nodes that are wanted whether they run the PubSub or not.
    pub(super) fn set_wanted(&mut self, wanted: &[String]) {
        self.is_wanted = self.pubsub.is_none() || wanted.contains(&self.node);
    }

    fn own<'p>(&self, publishers: &'p mut [Publisher]) -> impl Iterator<Item = &'p mut Kept> {
        let outlet = |publisher: &'p mut Publisher| self.outlet(&publisher.given, &mut publisher.outlets);
        publishers.iter_mut().filter_map(outlet).map(|outlet| &mut outlet.kept)
    }

    fn outlet<'p>(&self, given: &Publish, outlets: &'p mut [Outlet]) -> Option<&'p mut Outlet> {
        outlets.iter_mut().find(|outlet| self.takes(&given.receiver, outlet.node()))
    }

    /// Returns what it is called in the log.
    fn name(&self) -> String {
        self.pubsub.as_ref().map_or_else(|| self.to.clone(), PubSub::to_string)
    }

    /// Watches the process, as after a question that was answered.
    #[cfg(test)]
    pub(super) fn watch(&mut self, out: &mut Outbox<'_>) {
        self.watch = Some(out.monitor((self.to.as_str(), self.node.as_str())).unwrap());
    }

    /// Gives up what was asked, as far as the peer has room for that. Returns true once that is all of it.
    pub(super) fn give_up(&mut self, out: &mut Outbox<'_>) -> bool {
        self.set_aside();
        self.let_go(out);
        self.before.0.is_empty() && self.before.1.is_empty()
    }

    /// Has what was asked be given up once there is somebody to do so.
    fn set_aside(&mut self) {
        let (questions, monitors) = &mut self.before;
        let (question, monitor) = self.question.take().unzip();
        questions.extend(question);
        monitors.extend(monitor.into_iter().chain(self.begun.take()).chain(self.watch.take()));
    }

    /// Gives up what is of no use any more; what the peer has no room for now stays.
    fn let_go(&mut self, out: &mut Outbox<'_>) {
        // one that is gone meanwhile is no error
        let is_left = |result| matches!(result, Err(Error::Full(Full::Transmit { .. })));
        let (questions, monitors) = &mut self.before;
        questions.retain(|question| is_left(out.abandon(*question)));
        monitors.retain(|monitor| is_left(out.demonitor(*monitor)));
    }

    /// Goes on watching the process that has just been asked for; for a PubSub, which is there as long as its node, that would be much.
    fn goes_on(&mut self, monitor: Monitor, out: &mut Outbox<'_>) {
        let before = if self.pubsub.is_some() { Some(monitor) } else { self.watch.replace(monitor) };
        self.before.1.extend(before);
        self.let_go(out);
    }

    /// Takes note that the node is not connected any more, or may not have been meanwhile: what is not known to have arrived is sent again.
    pub(super) fn is_away(&mut self, publishers: &mut [Publisher]) {
        self.state = Presence::Away;
        self.is_silent = false;
        self.set_aside();
        self.goes_back(publishers);
    }

    /// Takes note of the connection, if it is new.
    pub(super) fn look(&mut self, node: &Node<'_>) {
        if self.state != Presence::Away || !node.peers().any(|peer| peer.name.as_str() == self.node) {
            return;
        }
        // A node that has just started may register the name only now, between readings that it drops and the question whether they arrived; and
        // any node may be without a PubSub, and logs what it has no use for. So it is asked for first.
        (self.state, self.is_new) = (Presence::Missing, true);
        if self.pubsub.is_some() {
            self.is_patient();
            self.is_told = false;
        }
    }

    fn is_patient(&mut self) {
        (self.patient, self.long_patient) = (Some(after(PATIENCE)), Some(after(LONG_PATIENCE)));
    }

    fn goes_back(&mut self, publishers: &mut [Publisher]) {
        self.question = None;
        self.again = None;
        self.late.get_or_insert(0);
        self.own(publishers).for_each(Kept::are_lost);
    }

    /// Takes an answer of the peer.
    pub(super) fn receive(&mut self, received: Received<'_>, publishers: &mut [Publisher], out: &mut Outbox<'_>) {
        if let Received::Down { monitor, reason } = received {
            let is_asked = self.begun == Some(monitor) || self.question.is_some_and(|(_, asked)| asked == monitor);
            if is_asked && reason.is_atom("system_limit") {
                self.is_refused();
            } else if is_asked || self.watch == Some(monitor) {
                self.set_aside();
                if reason.is_atom("noconnection") {
                    return self.is_away(publishers);
                }
                self.has_answered = true;
                self.is_missing(publishers, is_asked && reason.is_atom("noproc"));
            }
            return self.let_go(out);
        }
        let Some((request, monitor)) = self.question else { return };
        let Received::Answer { request: answered, result } = received else { return };
        if answered != request {
            return;
        }
        // whatever else it is, it is an answer
        if matches!(result, Err(No::NodeDown)) {
            return self.is_away(publishers);
        }
        self.goes_on(monitor, out);
        let is_timeout = matches!(result, Err(No::Timeout));
        self.has_answered |= !is_timeout;
        if is_timeout && self.has_answered && (self.pubsub.is_none() || self.state == Presence::There) {
            // it has much to do, and may end without having read them
            self.question = None;
            return;
        }
        if is_timeout && self.is_mute() {
            return self.is_missing(publishers, true);
        }
        self.have_arrived(publishers);
    }

    /// Takes note that the node does not answer. Returns true if the process is one that is not there, then.
    fn is_mute(&mut self) -> bool {
        if self.pubsub.is_some() && self.state == Presence::Missing {
            self.patient = None;
            return true;
        }
        if !core::mem::replace(&mut self.is_silent, true) {
            limited!(
                info,
                &self.node,
                "receivers that do not answer",
                "{} does not answer within {} s: readings for {} count as arrived once sent",
                self.node,
                ANSWER_TIME.as_secs(),
                self.name()
            );
        }
        false
    }

    /// Takes note that the process is there, and has what was sent before it was asked.
    fn have_arrived(&mut self, publishers: &mut [Publisher]) {
        self.question = None;
        if self.pubsub.is_some() && self.state == Presence::Missing {
            self.is_found(publishers);
        }
        if core::mem::replace(&mut self.state, Presence::There) != Presence::There {
            self.own(publishers).for_each(Kept::are_late);
            self.just_come = Some(after(GIVEN_WAY));
        }
        (self.is_told, self.is_refusal_told) = (false, false);
        let arrived = self.own(publishers).map(Kept::have_arrived).fold(0, u64::saturating_add);
        let Some(late) = &mut self.late else { return self.tell_dropped(publishers) };
        *late = late.saturating_add(arrived);
        let late = *late;
        if late > 0 && self.own(publishers).all(|kept| !kept.has_late()) {
            self.late = None;
            let dropped = self.own(publishers).map(Kept::take_untold).fold(0, u64::saturating_add);
            let dropped = if dropped > 0 { format!(", and {dropped} were dropped") } else { String::new() };
            limited!(
                info,
                &self.node,
                "receivers that have their readings",
                "{} at {} has the readings that were kept for it: {late}{dropped}",
                self.name(),
                self.node
            );
        }
    }

    /// Returns when it has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        [self.again, self.tell_at, self.just_come].into_iter().flatten().min()
    }

    /// Tells from time to time how many readings were dropped though it was there all the time.
    fn tell_dropped(&mut self, publishers: &mut [Publisher]) {
        if self.tell_at.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.tell_at = None;
        let dropped = self.own(publishers).map(Kept::take_untold).fold(0, u64::saturating_add);
        if dropped > 0 {
            self.tell_at = Some(after(TELL_AGAIN));
            limited!(
                warn,
                &self.node,
                "receivers that took too little",
                "{} at {} takes too little: {dropped} readings for it were dropped",
                self.name(),
                self.node
            );
        }
    }

    /// Takes note that the node runs the PubSub.
    fn is_found(&mut self, publishers: &mut [Publisher]) {
        if self.own(publishers).all(|kept| kept.len() == 0) {
            self.late = None;
        }
        limited!(
            info of 40,
            &self.node,
            "nodes that run a PubSub",
            "{} runs at {}: readings go there",
            self.name(),
            self.node
        );
    }

    /// Takes note that the node has no room for the question. Whether the process is there is known as far as it was before: it is watched as before.
    fn is_refused(&mut self) {
        let watch = self.watch.take();
        self.set_aside();
        (self.watch, self.has_answered, self.is_new) = (watch, true, false);
        self.again = Some(after(TRY_AGAIN));
        if !core::mem::replace(&mut self.is_refusal_told, true) {
            limited!(
                warn,
                &self.node,
                "receivers that could not be asked",
                "{} at {}: cannot ask whether readings arrive, trying again: that node has no room for a monitor more (system_limit)",
                self.name(),
                self.node
            );
        }
    }

    /// Takes note that there is no process of the name, or that it has just ended.
    fn is_missing(&mut self, publishers: &mut [Publisher], is_no_process: bool) {
        self.goes_back(publishers);
        let was_there = self.state == Presence::There;
        if was_there {
            self.is_patient();
        }
        (self.state, self.is_new) = (Presence::Missing, false);
        let wait = match self.is_given_up() {
            // one that has ended may be there again already; whatever else is said of one that was not there would be said again at once
            false if was_there && !is_no_process => Duration::ZERO,
            false => ASK_AGAIN,
            true => LOOK_AGAIN,
        };
        self.again = Instant::now().checked_add(wait);
        if self.pubsub.is_some() {
            if self.is_wanted && self.is_given_up() && !core::mem::replace(&mut self.is_told, true) {
                limited!(
                    info,
                    &self.node,
                    "nodes without a PubSub",
                    "{} does not run at {}: no readings go there until it does",
                    self.name(),
                    self.node
                );
            }
        } else if is_no_process && !core::mem::replace(&mut self.is_told, true) {
            limited!(
                warn,
                &self.node,
                "receivers that were not there",
                "no process is registered as {} at {}: readings are kept until there is one",
                self.to,
                self.node
            );
        }
    }

    /// Returns true if the node does not run the PubSub, and is not about to.
    fn is_given_up(&self) -> bool {
        let is_over = self.patient.is_none_or(|until| until <= Instant::now());
        self.pubsub.is_some() && self.state == Presence::Missing && is_over
    }

    /// Sends what can be sent, and asks whether it arrived.
    pub(super) fn turn(&mut self, publishers: &mut [Publisher], out: &mut Outbox<'_>, world: &Context<'_>) {
        self.let_go(out);
        self.just_come = self.just_come.filter(|until| *until > Instant::now());
        if self.tell_at.take_if(|at| *at <= Instant::now()).is_some() && self.late.is_none() {
            self.tell_dropped(publishers);
        }
        let is_due = self.again.is_none_or(|again| again <= Instant::now());
        match self.state {
            // what is sent would take the room again that the question waits for
            Presence::There if self.is_held_up && self.own(publishers).any(|kept| kept.are_out()) => {}
            Presence::There => self.send(publishers, out, world),
            Presence::Missing if self.is_given_up() || !self.is_wanted => {
                let is_over = !self.is_wanted || self.long_patient.is_none_or(|until| until <= Instant::now());
                // what waits on disk has waited for it before
                self.own(publishers).filter(|kept| is_over || kept.queue().is_none()).for_each(Kept::clear);
                if !is_due {
                    return;
                }
            }
            Presence::Missing if is_due => {}
            Presence::Missing | Presence::Away => return,
        }
        if self.is_silent && self.state == Presence::There && self.question.is_none() {
            self.own(publishers).for_each(Kept::ask);
            return self.have_arrived(publishers);
        }
        let is_asked = self.state == Presence::Missing || self.own(publishers).any(|kept| kept.are_out());
        if self.question.is_some() || !is_asked || !is_due {
            // a time that has come and is not kept here would be waited for without end
            self.again = self.again.filter(|_| !is_due);
            return;
        }
        let is_first = self.again.is_none();
        let was_held_up = core::mem::take(&mut self.is_held_up);
        self.again = None;
        match self.ask(out, world.node) {
            Ok(question) => {
                self.question = Some(question);
                self.own(publishers).for_each(Kept::ask);
                if was_held_up && self.state == Presence::There {
                    self.send(publishers, out, world);
                }
            }
            // the peer has to take what waits for it first: the loop turns as soon as it has
            Err(Error::Full(Full::Transmit { .. })) => self.is_held_up = true,
            Err(e) => {
                self.again = Instant::now().checked_add(TRY_AGAIN);
                if is_first {
                    limited!(
                        warn,
                        &self.node,
                        "receivers that could not be asked",
                        "{} at {}: cannot ask whether readings arrive, trying again: {}",
                        self.name(),
                        self.node,
                        words::error(&e)
                    );
                }
            }
        }
    }

    fn send(&self, publishers: &mut [Publisher], out: &mut Outbox<'_>, world: &Context<'_>) {
        let mut under_way = publishers.iter().map(Publisher::under_way).fold(0, usize::saturating_add);
        for publisher in publishers {
            let name = publisher.name();
            let Publisher { given, outlets, .. } = publisher;
            let Some(outlet) = self.outlet(given, outlets) else { continue };
            while let Some(reading) = outlet.kept.next(under_way, world.limit) {
                let Some(message) = message(given, reading, world) else { return outlet.kept.drop_oldest() };
                match out.send((self.to.as_str(), self.node.as_str()), |t| message.write(t)) {
                    Ok(()) => under_way = under_way.saturating_add(outlet.kept.was_sent()),
                    // the peer has to take what waits for it first, or is not there any more
                    Err(Error::Full(Full::Transmit { .. }) | Error::NotConnected) => return,
                    Err(e) => {
                        outlet.kept.drop_oldest();
                        limited!(
                            warn,
                            &self.node,
                            "readings that could not be sent",
                            "{name}: a reading cannot be sent and is dropped: {}",
                            words::error(&e)
                        );
                    }
                }
            }
        }
    }

    /// Asks whether there is such a process, and behind that whether the node reads.
    fn ask(&mut self, out: &mut Outbox<'_>, own: &str) -> Result<(Request, Monitor), Error> {
        let monitor = match self.begun.take() {
            Some(monitor) => monitor,
            None => out.monitor((self.to.as_str(), self.node.as_str()))?,
        };
        let asked = out.call(("net_kernel", self.node.as_str()), Some(ANSWER_TIME), |t| {
            t.tuple(2)?;
            t.atom("is_auth")?;
            t.atom(own)
        });
        match &asked {
            // for the next try
            Err(Error::Full(Full::Transmit { .. })) => self.begun = Some(monitor),
            // others may need its place
            Err(_) => {
                self.before.1.push(monitor);
                self.let_go(out);
            }
            Ok(_) => {}
        }
        Ok((asked?, monitor))
    }
}

/// Has readings for which there are several nodes go to the first of them that has their receiver; else to the first that is connected.
pub(super) fn choose(publishers: &mut [Publisher], targets: &[Recipient]) {
    for publisher in publishers {
        let name = publisher.name();
        let receiver = &publisher.given.receiver;
        for outlet in publisher.outlets.iter_mut().filter(|outlet| outlet.nodes.len() > 1) {
            let target = |node: &str| targets.iter().find(|target| target.takes(receiver, node));
            let state = |node: &str| target(node).map_or(Presence::Away, |target| target.state);
            let now = state(outlet.node());
            let best = outlet.nodes.iter().map(|node| state(node)).max().unwrap_or(now);
            let place = outlet.nodes.iter().position(|node| state(node) == best);
            let Some(place) = place.filter(|place| best > Presence::Away && !outlet.is_at(*place)) else { continue };
            // one that has its readings says so first, as nearly always at once; but where they follow each other faster than its answers, some
            // are always under way
            let has_just_come = |node: &String| target(node).is_some_and(|target| target.just_come > Some(Instant::now()));
            if now == Presence::There && outlet.kept.are_out() && outlet.nodes.get(place).is_some_and(has_just_come) {
                continue;
            }
            outlet.turn_to(place);
            limited!(
                info of 40,
                outlet.node(),
                "nodes that readings go to from now on",
                "{name}: readings go to {receiver} at {} from now on",
                outlet.node()
            );
        }
    }
}

/// Returns true if readings wait, in memory alone, that could be sent within a moment.
pub(super) fn are_waited_for(publishers: &[Publisher], targets: &[Recipient]) -> bool {
    publishers.iter().any(|publisher| {
        let waiting = publisher.outlets.iter().filter(|outlet| outlet.kept.queue().is_none() && outlet.kept.waiting_bytes() > 0);
        let is_at_hand = |target: &Recipient, node: &str| target.takes(&publisher.given.receiver, node) && target.is_at_hand();
        waiting.map(Outlet::node).any(|node| targets.iter().any(|target| is_at_hand(target, node)))
    })
}

#[cfg(test)]
mod tests {
    use beamless::{Config, NodeStorage, Term};

    use super::super::moment::Clock;
    use super::super::numbers::Numbering;
    use super::*;
    use crate::cli::agent::config::{Form, Nodes, Source};
    use crate::cli::agent::store::Store;

    #[test]
    fn no_time_is_waited_for_in_vain_and_nothing_is_left_behind() {
        let mut storage = NodeStorage::<2, 1, 4096>::new();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let receiver = Receiver::Name { to: "hub".to_owned(), nodes: Nodes::First(vec!["b@host".to_owned()]) };
        let mut target = Recipient::new(&receiver, "b@host").unwrap();
        // it could not be asked, and of whom that was the reading is gone with the settings
        (target.state, target.again) = (Presence::There, Some(Instant::now()));
        let mut out = node.outbox(mailbox).unwrap();
        target.turn(&mut [], &mut out, &Context { node: "a@host", most: 0, limit: 0, clock: &Clock::new() });
        assert_eq!(target.again, None);
        // it was asked, and then nothing is to be sent there any more
        target.question = Some(target.ask(&mut out, "a@host").unwrap());
        assert!(node.in_use().requests > 0);
        assert!(target.give_up(&mut node.outbox(mailbox).unwrap()));
        assert_eq!(node.in_use().requests, 0);
    }

    /// Where events were missed, a node is taken for one that was away, and was there all the time.
    #[test]
    fn what_was_asked_of_a_node_that_only_seemed_away_is_given_up() {
        let mut storage = NodeStorage::<2, 1, 4096>::new();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let receiver = Receiver::Name { to: "hub".to_owned(), nodes: Nodes::First(vec!["b@host".to_owned()]) };
        let mut target = Recipient::new(&receiver, "b@host").unwrap();
        let world = Context { node: "a@host", most: 0, limit: 0, clock: &Clock::new() };
        let mut out = node.outbox(mailbox).unwrap();
        // it watches one, and asks
        target.watch = Some(out.monitor(("hub", "b@host")).unwrap());
        target.question = Some(target.ask(&mut out, "a@host").unwrap());
        // once for each event
        target.is_away(&mut []);
        target.is_away(&mut []);
        target.turn(&mut [], &mut out, &world);
        assert_eq!(node.in_use().requests, 0);
    }

    #[test]
    fn a_node_without_the_pubsub_is_not_waited_for() {
        let pubsub = PubSub::read("My.PubSub").unwrap();
        let receiver = Receiver::PubSub { pubsub, topic: "readings".to_owned() };
        let mut target = Recipient::new(&receiver, "b@host").unwrap();
        target.set_wanted(&["b@host".to_owned()]);
        (target.state, target.patient) = (Presence::Missing, Some(after(PATIENCE)));
        target.is_missing(&mut [], true);
        assert!(!target.is_given_up() && target.again.is_some_and(|at| at <= after(ASK_AGAIN)));
        target.patient = Some(Instant::now());
        target.is_missing(&mut [], true);
        assert!(target.is_given_up() && target.again.is_some_and(|at| at > after(ASK_AGAIN)));
        // it ended just now: it may be started again
        target.state = Presence::There;
        target.is_missing(&mut [], false);
        assert!(!target.is_given_up() && target.again.is_some_and(|at| at <= Instant::now()));
        // what answers nothing is no Erlang
        assert!(target.is_mute() && target.is_given_up());
    }
    /// What was sent to a node that does not answer arrived if it never does, and is not known to have if it has answered before.
    #[test]
    fn a_node_that_has_answered_is_one_that_is_busy() {
        let mut storage = NodeStorage::<2, 1, 4096>::new();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let receiver = Receiver::Name { to: "hub".to_owned(), nodes: Nodes::First(vec!["b@host".to_owned()]) };
        let mut target = Recipient::new(&receiver, "b@host").unwrap();
        for (has_answered, state) in [(true, Presence::There), (true, Presence::Missing), (false, Presence::There)] {
            let mut out = node.outbox(mailbox).unwrap();
            let (request, monitor) = target.ask(&mut out, "a@host").unwrap();
            (target.has_answered, target.state, target.question) = (has_answered, state, Some((request, monitor)));
            target.receive(Received::Answer { request, result: Err(No::Timeout) }, &mut [], &mut out);
            assert_eq!((target.is_silent, target.state, target.question), (!has_answered, state, None));
        }
    }

    /// One to whom this many readings wait to be sent, and who publishes them.
    fn waiting(keep: Option<usize>, count: usize, clock: &Clock) -> (Recipient, Publisher) {
        let receiver = Receiver::Name { to: "hub".to_owned(), nodes: Nodes::First(vec!["b@host".to_owned()]) };
        let (source, label, form) = (Source::Command(Vec::new()), "cpu".to_owned(), Form::Text);
        let target = Recipient::new(&receiver, "b@host").unwrap();
        let mut publisher = Publisher::new(Publish { source, label, every: Duration::from_secs(1), form, receiver, keep });
        push(&mut publisher, count, clock);
        (target, publisher)
    }

    fn push(publisher: &mut Publisher, count: usize, clock: &Clock) {
        (0..count).for_each(|_| publisher.keep(vec![131, 97, 1], clock.now, &clock.now, &mut Numbering::new(None)));
    }

    /// A burst fills the buffer each time: the question whether it arrived waits for room there, and not for a second.
    #[test]
    fn a_question_that_finds_no_room_comes_before_more_readings() {
        let (mut storage, mut other) = (NodeStorage::<2, 1, 4096>::new(), NodeStorage::<2, 1, 4096>::new());
        let [mut full, mut empty] =
            [&mut storage, &mut other].map(|storage| Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), storage));
        let clock = Clock::new();
        let (mut target, publisher) = waiting(None, 60, &clock);
        let mut publishers = [publisher];
        target.state = Presence::There;
        let mut turn = |node: &mut Node<'_>| {
            let mailbox = node.register("").unwrap();
            let world = Context { node: "a@host", most: 0, limit: 1 << 20, clock: &clock };
            target.turn(&mut publishers, &mut node.outbox(mailbox).unwrap(), &world);
            node.close_mailbox(mailbox, |t| t.atom("normal")).unwrap();
            (target.question.is_some(), target.next_wake(), publishers[0].outlets[0].kept.counts()[1])
        };
        let (is_asked, wake, sent) = turn(&mut full);
        assert!(!is_asked && wake.is_none() && (10..40).contains(&sent), "{is_asked} {wake:?} {sent}");
        // what took that went out: the question is next, and then the rest
        let (is_asked, wake, all) = turn(&mut empty);
        assert!(is_asked && wake.is_none() && all > sent + 10, "{is_asked} {wake:?} {all}");
        assert_eq!(publishers[0].outlets[0].kept.have_arrived(), sent as u64);
    }

    /// There may be room for the one half of the question alone.
    #[test]
    fn what_is_asked_in_two_halves_is_one_question() {
        let mut storage = NodeStorage::<2, 1, 4096>::new();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let (mut target, _) = waiting(None, 0, &Clock::new());
        target.state = Presence::There;
        let mut out = node.outbox(mailbox).unwrap();
        out.send(("hub", "b@host"), |t| t.int(1)).unwrap();
        let large = out.send(("hub", "b@host"), |t| t.binary(&[0; 2000]));
        let Err(Error::Full(Full::Transmit { needed, room })) = large else { panic!("{large:?}") };
        out.send(("hub", "b@host"), |t| t.binary(&vec![0; room - 100 - (needed - 2000)])).unwrap();
        let tried = [0, 1].map(|_| (target.ask(&mut out, "a@host").is_err(), target.begun.is_some()));
        assert_eq!((tried, target.question), ([(true, true); 2], None));
        let reason = Term::parse(b"\x83w\x06noproc").unwrap();
        target.receive(Received::Down { monitor: target.begun.unwrap(), reason }, &mut [], &mut out);
        assert_eq!((target.state, target.begun), (Presence::Missing, None));
        assert_eq!(node.in_use().requests, 1);
        // where there is a place for the one half alone, others may have it
        let mut storage = NodeStorage::<2, 1, 4096, 8, 1>::sized();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let asked = target.ask(&mut node.outbox(mailbox).unwrap(), "a@host");
        assert!(matches!(asked, Err(Error::Full(Full::Requests))));
        assert_eq!((target.begun, node.in_use().requests), (None, 0));
    }

    /// Whatever a node says at once of each monitor, it is not asked again at once.
    #[test]
    fn a_node_that_refuses_each_monitor_is_not_asked_without_end() {
        let mut storage = NodeStorage::<2, 1, 16_384>::new();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let (mut target, publisher) = waiting(None, 3, &Clock::new());
        let (mut publishers, mut out) = ([publisher], node.outbox(mailbox).unwrap());
        publishers[0].outlets[0].kept.was_sent();
        let watch = out.monitor(("hub", "b@host")).unwrap();
        let mut down = |target: &mut Recipient, is_watch: bool, reason: &str| {
            let (request, asked) = target.ask(&mut out, "a@host").unwrap();
            target.question = Some((request, asked));
            let monitor = target.watch.filter(|_| is_watch).unwrap_or(asked);
            let bytes = [&[131, 119, u8::try_from(reason.len()).unwrap()], reason.as_bytes()].concat();
            target.receive(Received::Down { monitor, reason: Term::parse(&bytes).unwrap() }, &mut publishers, &mut out);
            let waits = target.again.is_some_and(|again| again > after(TRY_AGAIN / 2));
            (target.state, waits, target.watch.is_some(), publishers[0].outlets[0].kept.counts()[1])
        };
        target.state = Presence::Missing;
        assert_eq!(down(&mut target, false, "system_limit"), (Presence::Missing, true, false, 1));
        // it is watched, and goes on being there: what was sent may have arrived
        (target.state, target.watch) = (Presence::There, Some(watch));
        assert_eq!(down(&mut target, false, "system_limit"), (Presence::There, true, true, 1));
        assert_eq!(down(&mut target, true, "killed"), (Presence::Missing, false, false, 0));
        assert_eq!(down(&mut target, false, "killed"), (Presence::Missing, true, false, 0));
        target.state = Presence::There;
        assert_eq!(down(&mut target, false, "killed"), (Presence::Missing, false, false, 0));
        assert_eq!(node.in_use().requests, 0);
    }

    /// Of two hubs the first is back, and the other has not answered for what it was sent; by a line with some delay it never has for all.
    #[test]
    fn readings_go_back_to_the_first_though_some_are_always_under_way() {
        let clock = Clock::new();
        let (_, mut publisher) = waiting(None, 3, &clock);
        let nodes = ["a@host", "b@host"].map(str::to_owned);
        publisher.given.receiver = Receiver::Name { to: "hub".to_owned(), nodes: Nodes::First(nodes.to_vec()) };
        publisher.set_outlets(&[], 0);
        push(&mut publisher, 3, &clock);
        let mut targets = nodes.map(|node| Recipient::new(&publisher.given.receiver, &node).unwrap());
        let mut publishers = [publisher];
        let mut chosen = |targets: &[Recipient]| {
            choose(&mut publishers, targets);
            let outlet = &mut publishers[0].outlets[0];
            if !outlet.kept.are_out() {
                outlet.kept.was_sent();
            }
            outlet.node().to_owned()
        };
        assert_eq!(chosen(&targets), "a@host");
        targets[1].state = Presence::There;
        assert_eq!(chosen(&targets), "b@host");
        targets[0].have_arrived(&mut []);
        assert_eq!((targets[0].state, chosen(&targets).as_str()), (Presence::There, "b@host"));
        assert_eq!(targets[0].next_wake(), targets[0].just_come);
        targets[0].just_come = Some(Instant::now());
        assert_eq!(chosen(&targets), "a@host");
    }

    /// With each answer there is a monitor less to have: it is not left behind where the peer is to take other things first.
    #[test]
    fn what_is_of_no_use_is_given_up_once_there_is_room() {
        let (mut storage, mut other) = (NodeStorage::<2, 1, 4096>::new(), NodeStorage::<2, 1, 4096>::new());
        let [mut full, mut empty] =
            [&mut storage, &mut other].map(|storage| Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), storage));
        let (mailbox, mailbox_there) = (full.register("").unwrap(), empty.register("").unwrap());
        let (mut target, _) = waiting(None, 0, &Clock::new());
        target.state = Presence::There;
        let mut out = full.outbox(mailbox).unwrap();
        target.watch = Some(out.monitor(("hub", "b@host")).unwrap());
        let (request, monitor) = target.ask(&mut out, "a@host").unwrap();
        target.question = Some((request, monitor));
        while out.send(("hub", "b@host"), |t| t.int(1)).is_ok() {}
        target.receive(Received::Answer { request, result: Err(No::Timeout) }, &mut [], &mut out);
        assert_eq!((target.watch, target.before.1.len()), (Some(monitor), 1));
        assert!(!target.give_up(&mut out));
        assert!(target.give_up(&mut empty.outbox(mailbox_there).unwrap()));
    }

    /// Of a burst the first that are dropped are told at once, and the others later, though nothing arrives any more.
    #[test]
    fn all_that_is_dropped_is_told() {
        let mut storage = NodeStorage::<2, 1, 4096>::new();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let clock = Clock::new();
        let (mut target, publisher) = waiting(Some(1), 3, &clock);
        let mut publishers = [publisher];
        (target.state, target.late) = (Presence::There, None);
        target.have_arrived(&mut publishers);
        assert_eq!((publishers[0].outlets[0].kept.take_untold(), target.next_wake()), (0, target.tell_at));
        push(&mut publishers[0], 3, &clock);
        let mut turn = |target: &mut Recipient, publishers: &mut [Publisher]| {
            let world = Context { node: "a@host", most: 0, limit: 0, clock: &clock };
            target.turn(publishers, &mut node.outbox(mailbox).unwrap(), &world);
            target.next_wake()
        };
        let at = target.tell_at;
        assert_eq!((turn(&mut target, &mut publishers), publishers[0].counts()[2]), (at, 5));
        target.tell_at = Some(Instant::now());
        assert!(turn(&mut target, &mut publishers) > at);
        assert_eq!(publishers[0].outlets[0].kept.take_untold(), 0);
        target.tell_at = Some(Instant::now());
        assert_eq!(turn(&mut target, &mut publishers), None);
        // what is dropped while it is away is told when it is back
        push(&mut publishers[0], 1, &clock);
        target.is_away(&mut publishers);
        target.tell_at = Some(Instant::now());
        assert_eq!(turn(&mut target, &mut publishers), None);
        assert_eq!(publishers[0].outlets[0].kept.take_untold(), 1);
    }

    #[test]
    fn what_waited_has_arrived_though_more_always_waits() {
        let clock = Clock::new();
        let (mut target, publisher) = waiting(None, 3, &clock);
        let mut publishers = [publisher];
        target.state = Presence::Missing;
        target.have_arrived(&mut publishers);
        let late = [0, 1, 2, 3].map(|_| {
            push(&mut publishers[0], 1, &clock);
            let kept = &mut publishers[0].outlets[0].kept;
            kept.was_sent();
            kept.ask();
            target.have_arrived(&mut publishers);
            target.late
        });
        assert_eq!(late, [Some(1), Some(2), None, None]);
    }

    /// A node without a PubSub: what waits in memory is of no use, what waits on disk is for when it has it again.
    #[test]
    fn what_waits_on_disk_for_a_pubsub_waits_longer() {
        let folder = std::env::temp_dir().join(format!("beamless-recipient-{}", std::process::id()));
        let mut store = Store::open(&folder, None, 1 << 20, Duration::from_secs(5)).unwrap();
        let mut storage = NodeStorage::<2, 1, 4096>::new();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap().creation(7), &mut storage);
        let mailbox = node.register("").unwrap();
        let receiver = Receiver::PubSub { pubsub: PubSub::read("My.PubSub").unwrap(), topic: "readings".to_owned() };
        let mut target = Recipient::new(&receiver, "b@host").unwrap();
        let given = Publish {
            source: Source::Command(Vec::new()),
            label: "cpu".to_owned(),
            every: Duration::from_secs(1),
            form: Form::Text,
            receiver,
            keep: None,
        };
        let clock = Clock::new();
        let world = Context { node: "a@host", most: 0, limit: 0, clock: &clock };
        let mut publishers = [Publisher::new(given.clone()), Publisher::new(given)];
        target.set_wanted(&["b@host".to_owned()]);
        for publisher in &mut publishers {
            publisher.set_outlets(&["b@host".to_owned()], 1);
            publisher.keep(vec![131, 97, 1], clock.now, &clock.now, &mut Numbering::new(None));
        }
        publishers[0].outlets[0].kept.attach(7, &store);
        assert!(publishers[0].outlets[0].kept.spill(&mut store, &[]));
        target.state = Presence::Missing;
        target.is_patient();
        target.again = Some(after(ASK_AGAIN));
        let mut waiting = |target: &mut Recipient| {
            target.turn(&mut publishers, &mut node.outbox(mailbox).unwrap(), &world);
            [0, 1].map(|place| publishers[place].outlets[0].kept.len())
        };
        assert_eq!(waiting(&mut target), [1, 1]);
        assert!(target.is_mute());
        assert_eq!(waiting(&mut target), [1, 0]);
        target.long_patient = Some(Instant::now());
        assert_eq!(waiting(&mut target), [0, 0]);
        assert_eq!(publishers[0].outlets[0].kept.dropped, 1);
        store.close(&mut core::iter::empty(), Duration::from_secs(60));
        let _ = std::fs::remove_dir_all(&folder);
    }
}
