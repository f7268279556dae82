//! Readings that are sent to a process at an interval.
//!
//! A reading is kept until it is known to have arrived. Messages that were sent may be lost with the connection, and the peer drops those
//! for a name that no process has. So behind some readings two questions are asked: whether there is such a process (a monitor) and whether
//! the node reads at all (what `net_adm:ping` asks). The peer answers in the order in which it reads: once it has answered the second
//! without having said no to the first, the readings were there. Else they are sent again, so that a reading may come twice but is not
//! lost.

mod publisher;
mod reading;

use std::time::{Duration, Instant};

use super::config::{Publish, Settings};
use super::own;
use super::part::Part;
use super::words;
use crate::cli::lines::limited;
use crate::cli::outcome::Failure;
use beamless::{Driver, Error, Event, Failure as No, Full, Mailbox, Monitor, Node, Outbox, Received, Request, Term};
use publisher::{Context, Publisher};

/// The time between two questions for a process of the name, while there is none.
const ASK_AGAIN: Duration = Duration::from_secs(2);
/// The time after which a node that has not answered is one that does not say whether it reads: it may be no Erlang. One that is may be busy,
/// but not for so long, since it would be taken for dead.
const ANSWER_TIME: Duration = Duration::from_secs(60);
/// The time until something is tried again for which there was no room.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// The readings that are published.
pub(super) struct Publishing {
    /// The mailbox that they are sent from; there is none without readings.
    mailbox: Option<Mailbox>,
    own: String,
    /// The most bytes of a reading.
    most: usize,
    publishers: Vec<Publisher>,
    targets: Vec<Recipient>,
}

/// A process that readings are sent to, by its name.
struct Recipient {
    to: String,
    node: String,
    state: Presence,
    /// The question that the peer has not answered.
    question: Option<(Request, Monitor)>,
    /// The time at which something is tried again.
    again: Option<Instant>,
    /// The readings that arrived since it was away; nothing once all had.
    late: Option<u64>,
    /// The node is connected, and does not say whether it reads.
    is_silent: bool,
    /// The log has that nobody has the name.
    is_told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presence {
    /// The node is not connected.
    Away,
    /// The node is connected. The process was there the last time, or was not asked for yet.
    There,
    /// There was no process of this name.
    Missing,
}

impl Publishing {
    pub(super) fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        let most = own::largest_value(node);
        let own = settings.node.as_str().to_owned();
        let mut publishing = Self { mailbox: None, own, most, publishers: Vec::new(), targets: Vec::new() };
        publishing.publishers = settings.publish.iter().cloned().map(Publisher::new).collect();
        publishing.aim(node)?;
        Ok(publishing)
    }

    /// Makes the targets those of the publishers, and the mailbox if there are any.
    fn aim(&mut self, node: &mut Node<'_>) -> Result<(), Error> {
        let (targets, gone) = core::mem::take(&mut self.targets)
            .into_iter()
            .partition(|target| self.publishers.iter().any(|own| target.is_of(own)));
        self.targets = targets;
        self.give_up(gone, node);
        for publisher in &self.publishers {
            if !self.targets.iter().any(|target| target.is_of(publisher)) {
                self.targets.push(Recipient::new(&publisher.given));
            }
        }
        if self.mailbox.is_none() && !self.publishers.is_empty() {
            self.mailbox = Some(node.register("")?);
        }
        Ok(())
    }

    /// Gives up what was asked of these.
    fn give_up(&self, gone: Vec<Recipient>, node: &mut Node<'_>) {
        let Some(mut out) = self.mailbox.and_then(|mailbox| node.outbox(mailbox).ok()) else { return };
        for (request, monitor) in gone.into_iter().filter_map(|target| target.question) {
            // one that is gone meanwhile is no error
            let _ = (out.abandon(request), out.demonitor(monitor));
        }
    }

    /// Returns what is published, and how many readings arrived, are kept, and were dropped.
    pub(super) fn counts(&self) -> impl ExactSizeIterator<Item = (&Publish, [u64; 3])> {
        self.publishers.iter().map(|publisher| {
            let kept = &publisher.kept;
            (&publisher.given, [kept.arrived, kept.len() as u64, kept.dropped])
        })
    }
}

impl Part for Publishing {
    /// Goes on with other settings. What did not change is left as it is; where only the source or the interval changed, the readings are
    /// kept.
    fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        let mut old = core::mem::take(&mut self.publishers);
        let mut take = |is_it: &dyn Fn(&Publish) -> bool| {
            old.iter().position(|publisher| is_it(&publisher.given)).map(|place| old.remove(place))
        };
        let same: Vec<Option<Publisher>> = settings.publish.iter().map(|given| take(&|old| old == given)).collect();
        for (given, same) in settings.publish.iter().zip(same) {
            let alike = |old: &Publish| (&old.label, &old.to, &old.node) == (&given.label, &given.to, &given.node);
            let publisher = same.unwrap_or_else(|| match take(&alike) {
                Some(publisher) => {
                    log::info!("{}: changed", publisher.name());
                    publisher.changed(given.clone())
                }
                None => {
                    let publisher = Publisher::new(given.clone());
                    log::info!("{}: added", publisher.name());
                    publisher
                }
            });
            self.publishers.push(publisher);
        }
        for publisher in old {
            log::info!("{}: removed", publisher.name());
            tell_lost(&publisher);
        }
        if let Err(e) = self.aim(node) {
            log::warn!("publish: nothing can be sent: {}; what needs more room needs a restart", words::error(&e));
        }
    }

    fn handle(&mut self, event: &Event, _node: &Node<'_>) -> bool {
        for target in &mut self.targets {
            let is_down = match event {
                Event::NodeDown { node, .. } => target.node == node.as_str(),
                // it may have been down meanwhile
                Event::Missed(_) => true,
                _ => false,
            };
            if is_down {
                target.is_away(&mut self.publishers);
            }
        }
        false
    }

    fn mailboxes(&mut self) -> Vec<(&mut Mailbox, &str)> {
        self.mailbox.iter_mut().map(|mailbox| (mailbox, "")).collect()
    }

    /// Takes note that what was asked ended with the mailbox.
    fn revived(&mut self, _node: &mut Node<'_>) -> Result<(), Error> {
        self.targets.iter_mut().for_each(|target| target.is_away(&mut self.publishers));
        Ok(())
    }

    fn pipes_ready(&mut self) {
        self.publishers.iter_mut().for_each(Publisher::set_ready);
    }

    /// Reads what is due, and sends what can be sent.
    fn turn(&mut self, node: &mut Node<'_>, driver: &Driver) {
        let world = Context { node: &self.own, most: self.most, registry: driver.registry() };
        self.publishers.iter_mut().for_each(|publisher| publisher.turn(&world));
        let Some(mailbox) = self.mailbox else { return };
        while let Some((message, mut out)) = node.recv(mailbox) {
            let received = message.received();
            self.targets.iter_mut().for_each(|target| target.receive(received, &mut self.publishers, &mut out));
        }
        for target in &mut self.targets {
            if target.state == Presence::Away && node.peers().any(|peer| peer.name.as_str() == target.node) {
                target.state = Presence::There;
            }
            // it has just been registered anew where it is not there
            if let Ok(mut out) = node.outbox(mailbox) {
                target.turn(&mut self.publishers, &mut out, &self.own);
            }
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let publishers = self.publishers.iter().filter_map(Publisher::next_wake);
        publishers.chain(self.targets.iter().filter_map(|target| target.again)).min()
    }

    /// Logs what is lost, now that the agent ends.
    fn stop(&mut self) {
        self.publishers.iter().for_each(tell_lost);
    }
}

/// Logs how many readings of a publisher were never sent, and never will be.
fn tell_lost(publisher: &Publisher) {
    let lost = publisher.kept.waiting();
    if lost > 0 {
        let Publish { to, node, .. } = &publisher.given;
        log::warn!("{}: {lost} readings that were kept for {to} at {node} are lost", publisher.name());
    }
}

impl Recipient {
    fn new(given: &Publish) -> Self {
        Self {
            to: given.to.clone(),
            node: given.node.clone(),
            state: Presence::Away,
            question: None,
            again: None,
            late: Some(0),
            is_silent: false,
            is_told: false,
        }
    }

    fn is_of(&self, publisher: &Publisher) -> bool {
        publisher.given.to == self.to && publisher.given.node == self.node
    }

    fn own<'p>(&self, publishers: &'p mut [Publisher]) -> impl Iterator<Item = &'p mut Publisher> {
        publishers.iter_mut().filter(|publisher| self.is_of(publisher))
    }

    /// Takes note that the node is not connected any more: what is not known to have arrived is sent again.
    fn is_away(&mut self, publishers: &mut [Publisher]) {
        self.state = Presence::Away;
        self.is_silent = false;
        self.goes_back(publishers);
    }

    fn goes_back(&mut self, publishers: &mut [Publisher]) {
        self.question = None;
        self.again = None;
        self.late.get_or_insert(0);
        self.own(publishers).for_each(|publisher| publisher.kept.are_lost());
    }

    /// Takes an answer of the peer.
    fn receive(&mut self, received: Received<'_>, publishers: &mut [Publisher], out: &mut Outbox<'_>) {
        let Some((request, monitor)) = self.question else { return };
        match received {
            Received::Answer { request: answered, result } if answered == request => {
                // whatever else it is, it is an answer
                if matches!(result, Err(No::NodeDown)) {
                    return self.is_away(publishers);
                }
                if matches!(result, Err(No::Timeout)) && !core::mem::replace(&mut self.is_silent, true) {
                    let seconds = ANSWER_TIME.as_secs();
                    limited!(
                        info,
                        &self.node,
                        "receivers that do not answer",
                        "{} does not answer within {seconds} s: readings for {} count as arrived once sent",
                        self.node,
                        self.to
                    );
                }
                // one that is gone meanwhile is no error
                let _ = out.demonitor(monitor);
                self.have_arrived(publishers);
            }
            Received::Down { monitor: ended, reason } if ended == monitor => {
                if reason.is_atom("noconnection") {
                    return self.is_away(publishers);
                }
                let _ = out.abandon(request);
                self.is_missing(publishers, reason);
            }
            _ => {}
        }
    }

    /// Takes note that the process is there, and has what was sent before it was asked.
    fn have_arrived(&mut self, publishers: &mut [Publisher]) {
        self.question = None;
        self.state = Presence::There;
        self.is_told = false;
        let arrived = self.own(publishers).map(|publisher| publisher.kept.have_arrived()).fold(0, u64::saturating_add);
        let Some(late) = &mut self.late else { return };
        *late = late.saturating_add(arrived);
        let late = *late;
        if late > 0 && self.own(publishers).all(|publisher| publisher.kept.len() == 0) {
            self.late = None;
            let dropped = self.own(publishers).map(|publisher| publisher.kept.take_untold()).fold(0, u64::saturating_add);
            let dropped = if dropped > 0 { format!(", and {dropped} were dropped") } else { String::new() };
            limited!(
                info,
                &self.node,
                "receivers that have their readings",
                "{} at {} has the readings that were kept for it: {late}{dropped}",
                self.to,
                self.node
            );
        }
    }

    /// Takes note that there is no process of the name, or that it has just ended.
    fn is_missing(&mut self, publishers: &mut [Publisher], reason: Term<'_>) {
        self.goes_back(publishers);
        self.state = Presence::Missing;
        // one that has ended may be there again already
        let wait = if reason.is_atom("noproc") { ASK_AGAIN } else { Duration::ZERO };
        self.again = Instant::now().checked_add(wait);
        if reason.is_atom("noproc") && !core::mem::replace(&mut self.is_told, true) {
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

    /// Sends what can be sent, and asks whether it arrived.
    fn turn(&mut self, publishers: &mut [Publisher], out: &mut Outbox<'_>, own: &str) {
        let is_due = self.again.is_none_or(|again| again <= Instant::now());
        match self.state {
            Presence::There => self.send(publishers, out),
            Presence::Missing if is_due => {}
            Presence::Missing | Presence::Away => return,
        }
        if self.is_silent && self.state == Presence::There && self.question.is_none() {
            self.own(publishers).for_each(|publisher| publisher.kept.ask());
            return self.have_arrived(publishers);
        }
        let is_asked = self.state == Presence::Missing || self.own(publishers).any(|publisher| publisher.kept.are_out());
        if self.question.is_some() || !is_asked || !is_due {
            // a time that has come and is not kept here would be waited for without end
            self.again = self.again.filter(|_| !is_due);
            return;
        }
        match self.ask(out, own) {
            Ok(question) => {
                self.question = Some(question);
                self.again = None;
                self.own(publishers).for_each(|publisher| publisher.kept.ask());
            }
            Err(e) => {
                let is_first = self.again.is_none();
                self.again = Instant::now().checked_add(TRY_AGAIN);
                // that the peer has to take what waits for it first is nothing to tell
                if is_first && !matches!(e, Error::Full(Full::Transmit { .. })) {
                    limited!(
                        warn,
                        &self.node,
                        "receivers that could not be asked",
                        "{} at {}: cannot ask whether readings arrive, trying again: {}",
                        self.to,
                        self.node,
                        words::error(&e)
                    );
                }
            }
        }
    }

    fn send(&self, publishers: &mut [Publisher], out: &mut Outbox<'_>) {
        for publisher in self.own(publishers) {
            while let Some(message) = publisher.kept.next() {
                let Ok(term) = Term::parse(message) else { return publisher.kept.drop_oldest() };
                match out.send((self.to.as_str(), self.node.as_str()), |t| t.term(term)) {
                    Ok(()) => publisher.kept.was_sent(),
                    // the peer has to take what waits for it first, or is not there any more
                    Err(Error::Full(Full::Transmit { .. }) | Error::NotConnected) => return,
                    Err(e) => {
                        publisher.kept.drop_oldest();
                        limited!(
                            warn,
                            &self.node,
                            "readings that could not be sent",
                            "{}: a reading cannot be sent and is dropped: {}",
                            publisher.name(),
                            words::error(&e)
                        );
                    }
                }
            }
        }
    }

    /// Asks whether there is such a process, and behind that whether the node reads.
    fn ask(&self, out: &mut Outbox<'_>, own: &str) -> Result<(Request, Monitor), Error> {
        let monitor = out.monitor((self.to.as_str(), self.node.as_str()))?;
        let asked = out.call(("net_kernel", self.node.as_str()), Some(ANSWER_TIME), |t| {
            t.tuple(2)?;
            t.atom("is_auth")?;
            t.atom(own)
        });
        if asked.is_err() {
            // for the next try
            let _ = out.demonitor(monitor);
        }
        Ok((asked?, monitor))
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Form, Source};
    use super::*;
    use beamless::{Config, NodeStorage};

    #[test]
    fn nothing_is_left_of_a_target_and_no_time_is_waited_for_in_vain() {
        let mut storage = NodeStorage::<2, 1, 4096>::new();
        let mut node = Node::new(Config::hidden("a@host", "cookie").unwrap(), &mut storage);
        let mailbox = node.register("").unwrap();
        let given = Publish {
            source: Source::Command(Vec::new()),
            label: "label".to_owned(),
            every: Duration::from_secs(1),
            form: Form::Text,
            to: "hub".to_owned(),
            node: "b@host".to_owned(),
            keep: 1,
        };
        let mut target = Recipient::new(&given);
        // it could not be asked, and of whom that was the reading is gone with the settings
        (target.state, target.again) = (Presence::There, Some(Instant::now()));
        let mut out = node.outbox(mailbox).unwrap();
        target.turn(&mut [], &mut out, "a@host");
        assert_eq!(target.again, None);
        // it was asked, and then nothing is to be sent there any more
        target.question = Some(target.ask(&mut out, "a@host").unwrap());
        assert!(node.in_use().requests > 0);
        let own = "a@host".to_owned();
        let mut publishing = Publishing { mailbox: Some(mailbox), own, most: 0, publishers: Vec::new(), targets: vec![target] };
        publishing.aim(&mut node).unwrap();
        assert!(publishing.targets.is_empty());
        assert_eq!(node.in_use().requests, 0);
    }
}
