//! A `[[publish]]`: when it is read, and whom its readings are for.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use beamless::Term;
use mio::Registry;

use super::kept::Kept;
use super::moment::{Clock, Moment};
use super::numbers::Numbering;
use super::payload;
use super::reading::{self, Message, Reading, Trouble, TroubleKind};
use crate::cli::agent::beside::{Awaited, Beside};
use crate::cli::agent::config::{Nodes, Publish, Receiver, Source};
use crate::cli::agent::flaps::Flaps;
use crate::cli::agent::own;
use crate::cli::agent::store;
use crate::cli::agent::task::{Ended, Task};
use crate::cli::lines::limited;

/// The time that a command may take, unless its interval is longer.
const COMMAND_TIME: Duration = Duration::from_secs(60);
/// The time after which a receiver is forgotten that a program publishes nothing to.
const IDLE: Duration = Duration::from_secs(600);

/// What all publishers share.
pub(super) struct Context<'w> {
    /// The node's name.
    pub(super) node: &'w str,
    /// The most bytes of a reading.
    pub(super) most: usize,
    /// The memory for all readings that are kept, in bytes.
    pub(super) limit: usize,
    pub(super) clock: &'w Clock,
}

/// The bytes of a file, while it is read.
type FileRead = Awaited<Result<Vec<u8>, Trouble>>;

/// What readings are taken with.
pub(super) struct Means<'w> {
    /// How many commands may be started in this turn.
    pub(super) starts: Cell<u8>,
    pub(super) registry: &'w Registry,
    pub(super) beside: &'w Beside,
}

pub(super) struct Publisher {
    pub(super) given: Publish,
    /// The time at which it is read next; of a program, at which that published last.
    at: Instant,
    /// The command, while it runs, and when it was started.
    task: Option<(Task, Moment)>,
    /// What comes of the file, while it is read, and when that began.
    file: Option<(FileRead, Moment)>,
    /// The trouble of the last reading.
    trouble: Option<Trouble>,
    flaps: Flaps,
    /// The log has that it takes long.
    is_slow: bool,
    /// The last reading.
    last: Option<Reading>,
    pub(super) outlets: Vec<Outlet>,
    /// What stands before its readings on disk.
    address: Vec<u8>,
    /// The names on disk of outlets that are gone.
    gone_queues: Vec<u64>,
    /// How many readings arrived, and how many were dropped, on nodes that are gone.
    gone: [u64; 2],
}

/// The readings for one receiver. Those for the members of a group, wherever they are, have one outlet, for a node without a name.
pub(super) struct Outlet {
    /// The nodes that it may be on.
    pub(super) nodes: Vec<String>,
    /// The place among them of the one that gets the readings.
    place: usize,
    /// Readings wait for it on disk as well: it is not just a node that happens to be connected.
    is_lasting: bool,
    pub(super) kept: Kept,
}

impl Outlet {
    /// Returns the node that gets the readings.
    pub(super) fn node(&self) -> &str {
        self.nodes.get(self.place).map_or("", String::as_str)
    }

    /// Returns true if that is the node at this place.
    pub(super) fn is_at(&self, place: usize) -> bool {
        self.place == place
    }

    /// Has the readings go to another of its nodes. What is not known to have arrived goes there as well.
    pub(super) fn turn_to(&mut self, place: usize) {
        self.place = place;
        self.kept.are_lost();
    }
}

impl Publisher {
    /// Makes a publisher that reads at once, and then at the interval.
    pub(super) fn new(given: Publish) -> Self {
        let address = payload::address(&given);
        let mut publisher = Self {
            given,
            at: Instant::now(),
            task: None,
            file: None,
            trouble: None,
            flaps: Flaps::default(),
            is_slow: false,
            last: None,
            outlets: Vec::new(),
            address,
            gone_queues: Vec::new(),
            gone: [0; 2],
        };
        publisher.set_outlets(&[], 0);
        publisher
    }

    /// Goes on with other settings, and keeps the readings. A command that runs goes on, if it is still the one.
    pub(super) fn changed(mut self, given: Publish) -> Self {
        self.outlets.iter_mut().for_each(|outlet| outlet.kept.set_most(given.keep));
        if self.given.source != given.source {
            return Self {
                outlets: self.outlets,
                gone_queues: self.gone_queues,
                gone: self.gone,
                last: self.last,
                ..Self::new(given)
            };
        }
        let soon = Instant::now().checked_add(given.every).unwrap_or(self.at);
        Self { at: self.at.min(soon), given, ..self }
    }

    /// Asks its command to end, if one runs, and gives it away: what it prints is of no use.
    pub(super) fn leave(&mut self) -> Option<Task> {
        let (mut task, _) = self.task.take()?;
        task.terminate();
        Some(task)
    }

    /// Has an outlet for each receiver: for each of these nodes if the readings are for a PubSub, of which the first are wanted, so many.
    pub(super) fn set_outlets(&mut self, hubs: &[String], wanted: usize) {
        self.replace_outlets(match &self.given.receiver {
            Receiver::Name { nodes, .. } => nodes.receivers(),
            Receiver::Group(_) => vec![Vec::new()],
            Receiver::PubSub { .. } => hubs.iter().map(|node| vec![node.clone()]).collect(),
        });
        if matches!(self.given.receiver, Receiver::PubSub { .. }) {
            let wanted = hubs.get(..wanted).unwrap_or(hubs);
            self.outlets.iter_mut().for_each(|outlet| outlet.is_lasting = outlet.nodes.iter().any(|node| wanted.contains(node)));
        }
    }

    fn replace_outlets(&mut self, wanted: Vec<Vec<String>>) {
        let (outlets, gone): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.outlets).into_iter().partition(|outlet: &Outlet| wanted.contains(&outlet.nodes));
        self.outlets = outlets;
        for outlet in gone {
            // what is for a node that just happened to be connected nobody misses
            if outlet.is_lasting {
                self.tell_lost_of(&outlet);
            }
            let [arrived, dropped] = &mut self.gone;
            *arrived = arrived.saturating_add(outlet.kept.arrived);
            *dropped = dropped.saturating_add(outlet.kept.dropped);
            self.gone_queues.extend(outlet.kept.queue());
        }
        for nodes in wanted {
            if !self.outlets.iter().any(|outlet| outlet.nodes == nodes) {
                self.outlets.push(Outlet { nodes, place: 0, is_lasting: true, kept: Kept::new(self.given.keep) });
            }
        }
    }

    /// Takes over what another of its label and receiver has for nodes of its own: of one that `is_gone` from the file all, else what is not for the
    /// other's nodes any more.
    fn take_over(&mut self, other: &mut Self, is_gone: bool) {
        let (Receiver::Name { to, nodes }, Receiver::Name { to: also, nodes: others }) =
            (&self.given.receiver, &other.given.receiver)
        else {
            return;
        };
        if (&self.given.label, to) != (&other.given.label, also) || other.is_of_program() {
            return;
        }
        let (wanted, others) = (nodes.receivers(), others.receivers());
        let is_free = |outlet: &Outlet| wanted.contains(&outlet.nodes) && (is_gone || !others.contains(&outlet.nodes));
        for place in (0..other.outlets.len()).rev() {
            let has_it = |outlet: &Outlet| self.outlets.iter().any(|own| own.nodes == outlet.nodes);
            if other.outlets.get(place).is_some_and(|outlet| is_free(outlet) && !has_it(outlet)) {
                let mut outlet = other.outlets.remove(place);
                outlet.kept.set_most(self.given.keep);
                self.outlets.push(outlet);
            }
        }
    }

    /// Takes note that nothing is read any more, and nothing sent. What is kept stays.
    pub(super) fn set_aside(&mut self) {
        (self.task, self.file, self.at) = (None, None, Instant::now());
        self.outlets.iter_mut().for_each(|outlet| outlet.kept.are_lost());
    }

    /// Returns the receiver, and each node that it may be on.
    pub(super) fn targets(&self) -> impl Iterator<Item = (&Receiver, &str)> {
        let nodes = self.outlets.iter().flat_map(|outlet| &outlet.nodes);
        nodes.map(|node| (&self.given.receiver, node.as_str()))
    }

    /// Returns how many readings arrived, are kept, and were dropped, on all nodes.
    pub(super) fn counts(&self) -> [u64; 3] {
        let [arrived, dropped] = self.gone;
        self.outlets.iter().fold([arrived, 0, dropped], |[arrived, kept, dropped], outlet| {
            let here = &outlet.kept;
            let waiting = u64::try_from(here.len()).unwrap_or(u64::MAX);
            [arrived.saturating_add(here.arrived), kept.saturating_add(waiting), dropped.saturating_add(here.dropped)]
        })
    }

    /// Returns what stands before its readings on disk, and its outlets.
    pub(super) fn parts(&mut self) -> (&[u8], &mut [Outlet]) {
        (&self.address, &mut self.outlets)
    }

    /// Returns the names on disk of outlets that are gone since this was asked last.
    pub(super) fn take_gone(&mut self) -> Vec<u64> {
        core::mem::take(&mut self.gone_queues)
    }

    /// Returns what is not on disk and is to be, each with its name there: the one that `choose` takes for the one that is its own. A file may have two of a
    /// label for one receiver, which differ in their source.
    pub(super) fn unattached(&mut self, mut choose: impl FnMut(u64) -> Option<u64>) -> impl Iterator<Item = (u64, &mut Kept)> {
        let is_of_program = self.is_of_program();
        let Self { given: Publish { label, receiver, source, .. }, outlets, .. } = self;
        let outlets = outlets.iter_mut().filter(|outlet| outlet.is_lasting && outlet.kept.queue().is_none());
        outlets.filter_map(move |outlet| {
            let to = receiver.to_string();
            // a program may say another list with the same node in it; a list in the file may grow
            let (kind, list) = match receiver {
                Receiver::Name { nodes: Nodes::Each(list), .. } if is_of_program => ("each", list.as_slice()),
                Receiver::Name { nodes: Nodes::First(list), .. } if is_of_program => ("first", list.as_slice()),
                _ => ("publish", &[][..]),
            };
            let parts = [kind, label.as_str(), &to].into_iter().chain(outlet.nodes.iter().map(String::as_str));
            // no node has the name of the word in between
            let parts: Vec<&str> = parts.chain(["of"]).chain(list.iter().map(String::as_str)).collect();
            let source = match source {
                Source::File(path) => vec!["file".to_owned(), path.display().to_string()],
                Source::Command(words) => words.clone(),
                Source::Program => Vec::new(),
            };
            let source: Vec<&str> = source.iter().map(String::as_str).collect();
            Some((choose(store::queue_of(&parts, &source))?, &mut outlet.kept))
        })
    }

    /// Returns what stands before its readings on disk.
    pub(super) fn address(&self) -> &[u8] {
        &self.address
    }

    /// Returns when it is read next; of a program, when that published last.
    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Returns true if its readings come from a program, when that likes.
    pub(super) fn is_of_program(&self) -> bool {
        self.given.source == Source::Program
    }

    /// Returns true if a program has not published to it for long, and nothing waits: then its nodes are not connected to any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_of_program() && self.is_idle() && self.at.elapsed() >= IDLE
    }

    /// Returns true if nothing waits.
    pub(super) fn is_idle(&self) -> bool {
        #[cfg(test)]
        LOOKED_AT.with(|looks| looks.set(looks.get() + 1));
        self.outlets.iter().all(|outlet| outlet.kept.len() == 0)
    }

    /// Returns the last reading.
    pub(super) fn last(&self) -> Option<&Reading> {
        self.last.as_ref()
    }

    /// Returns why there is no reading.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.as_ref().map(|trouble| trouble.words.as_str())
    }

    /// Returns the bytes of all that is kept.
    pub(super) fn bytes(&self) -> usize {
        #[cfg(test)]
        LOOKED_AT.with(|looks| looks.set(looks.get() + 1));
        self.outlets.iter().fold(0, |bytes, outlet| bytes.saturating_add(outlet.kept.bytes()))
    }

    /// Returns the bytes in memory of all that waits.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.outlets.iter().fold(0, |bytes, outlet| bytes.saturating_add(outlet.kept.waiting_bytes()))
    }

    /// Returns the bytes of all that was sent and is not known to have arrived.
    pub(super) fn under_way(&self) -> usize {
        self.outlets.iter().fold(0, |bytes, outlet| bytes.saturating_add(outlet.kept.under_way()))
    }

    /// Logs how many readings were never sent, and never will be, and of how many it is not known whether they arrived: of all, or of those
    /// that are in memory alone.
    pub(super) fn tell_lost(&self, all: bool) {
        self.outlets.iter().filter(|outlet| all || outlet.kept.queue().is_none()).for_each(|outlet| self.tell_lost_of(outlet));
    }

    /// Logs how many readings were dropped that the log does not have yet.
    pub(super) fn tell_dropped(&mut self) {
        let name = self.name();
        for outlet in &mut self.outlets {
            let dropped = outlet.kept.take_untold();
            if dropped > 0 {
                log::warn!("{name}: {dropped} readings for {} were dropped", to(&self.given.receiver, &outlet.nodes));
            }
        }
    }

    fn tell_lost_of(&self, outlet: &Outlet) {
        let (name, to) = (self.name(), to(&self.given.receiver, &outlet.nodes));
        match outlet.kept.counts() {
            [0, 0] => {}
            [0, sent] => log::warn!("{name}: {sent} readings that were sent to {to} are not known to have arrived"),
            [lost, 0] => log::warn!("{name}: {lost} readings that were kept for {to} are lost"),
            [lost, sent] => log::warn!(
                "{name}: {lost} readings that were kept for {to} are lost, and {sent} that were sent are not known to have arrived"
            ),
        }
    }

    /// Takes note that a pipe of some process is ready, or that a process ended.
    pub(super) fn set_ready(&mut self) {
        self.task.iter_mut().for_each(|(task, _)| task.set_ready());
    }

    /// Reads what is due. Returns false if that has to wait for the next turn, since many commands were started in this one.
    pub(super) fn turn(&mut self, world: &Context<'_>, numbers: &mut Numbering, means: &Means<'_>) -> bool {
        if let Some((ended, taken)) = self.task.as_mut().and_then(|(task, taken)| Some((task.turn()?, *taken))) {
            self.task = None;
            let bytes = self.printed(ended, world);
            self.take(bytes, taken, world, numbers);
        }
        if let Some((bytes, taken)) = self.file.as_ref().and_then(|(file, taken)| Some((file.take()?, *taken))) {
            self.file = None;
            self.take(bytes, taken, world, numbers);
        }
        let now = Instant::now();
        if let Some(changes) = self.flaps.settled(now) {
            let state = if self.trouble.is_none() { "readings again" } else { "no reading" };
            log::warn!("{}: {state} for a minute, after {changes} changes", self.name());
        }
        if self.at > now || self.is_of_program() {
            return true;
        }
        if matches!(self.given.source, Source::Command(_)) && self.task.is_none() {
            let Some(left) = means.starts.get().checked_sub(1) else { return false };
            means.starts.set(left);
        }
        self.at = next(self.at, self.given.every, now);
        match &self.given.source {
            Source::File(_) if self.file.is_some() => self.told_running("file"),
            Source::File(path) => {
                let (path, most) = (path.clone(), world.most);
                self.file = Some((means.beside.start(move || reading::file(&path, most)), world.clock.now));
            }
            Source::Program => {}
            Source::Command(_) if self.task.is_some() => self.told_running("command"),
            Source::Command(command) => {
                let time = self.given.every.max(COMMAND_TIME);
                match Task::start(&self.name(), command, (world.most, time), world.node, means.registry) {
                    Ok(task) => self.task = Some((task, world.clock.now)),
                    Err(e) => self.failed(Trouble::io("cannot start its command", &e)),
                }
            }
        }
        true
    }

    /// Returns when it has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let at = if self.is_of_program() { self.at.checked_add(IDLE).filter(|_| self.is_idle()) } else { Some(self.at) };
        let task = self.task.as_ref().and_then(|(task, _)| task.next_wake());
        [at, task, self.flaps.next_wake()].into_iter().flatten().min()
    }

    /// Returns what it is called in the log.
    pub(super) fn name(&self) -> String {
        let what = if self.is_of_program() { "mailbox" } else { "publish" };
        format!("{what} {}", self.given.label.escape_debug())
    }

    /// Returns what a command printed, if it ended well.
    fn printed(&self, ended: Ended, world: &Context<'_>) -> Result<Vec<u8>, Trouble> {
        let (kind, words) = match ended {
            Ended::Status(0, printed) => return Ok(printed),
            Ended::Status(status, _) => (TroubleKind::Status(status), format!("its command ended with exit status {status}")),
            Ended::Signal(signal, _) => (TroubleKind::Signal(signal), format!("its command was ended by signal {signal}")),
            Ended::TimedOut => {
                let time = self.given.every.max(COMMAND_TIME).as_secs();
                (TroubleKind::Time, format!("its command was still running after {time} s and was ended"))
            }
            Ended::TooMuch => (TroubleKind::Size, format!("its command printed {}", Trouble::size(world.most).words)),
        };
        Err(Trouble::new(kind, words))
    }

    /// Keeps what was read.
    fn take(&mut self, bytes: Result<Vec<u8>, Trouble>, taken: Moment, world: &Context<'_>, numbers: &mut Numbering) {
        let receiver = match &self.given.receiver {
            Receiver::Name { to, .. } => to.len(),
            Receiver::PubSub { pubsub, topic } => pubsub.adapter.len().saturating_add(topic.len()),
            // the nodes of its members have names of 255 bytes at most
            Receiver::Group(_) => 255,
        };
        let most = most(world.most, world.node, &self.given.label, receiver);
        match bytes.and_then(|bytes| reading::value(self.given.form, &bytes, most)) {
            Ok(value) => {
                if self.trouble.take().is_some() && self.flaps.change(&self.name(), Instant::now()) {
                    limited!(info, &self.name(), "sources that have readings again", "{}: readings again", self.name());
                }
                self.keep(value, taken, &world.clock.now, numbers);
            }
            Err(trouble) => self.failed(trouble),
        }
    }

    /// Keeps a reading that was taken then and is to be had now.
    pub(super) fn keep(&mut self, value: Vec<u8>, taken: Moment, now: &Moment, numbers: &mut Numbering) {
        let mut reading = Reading { number: numbers.next(now), taken, up: now.up, place: 0, value: value.into() };
        let name = self.name();
        for outlet in &mut self.outlets {
            if outlet.kept.push(reading.clone()) {
                limited!(
                    warn,
                    outlet.node(),
                    "receivers that readings wait for",
                    "{name}: {} readings wait for {}: from now on the oldest are dropped",
                    outlet.kept.counts()[0],
                    to(&self.given.receiver, &outlet.nodes)
                );
            }
        }
        if self.is_of_program() {
            self.at = Instant::now();
            // nobody asks for it, and what programs publish may be large
            reading.value = Rc::default();
        }
        self.last = Some(reading);
    }

    /// Logs that there is no reading, when that begins and when the reason changes.
    fn failed(&mut self, trouble: Trouble) {
        let is_new = self.trouble.as_ref().is_none_or(|before| before.kind != trouble.kind);
        if is_new && self.flaps.change(&self.name(), Instant::now()) {
            limited!(warn, &self.name(), "sources without a reading", "{}: no reading: {}", self.name(), trouble.words);
        }
        self.trouble = Some(trouble);
    }

    fn told_running(&mut self, what: &str) {
        if !core::mem::replace(&mut self.is_slow, true) {
            log::warn!("{}: its {what} takes longer than its interval: readings are left out", self.name());
        }
    }
}

/// Has what waits for a node go to whoever has that node now, of those in the file, from the others and from those that the file does not have any more.
pub(super) fn share_out<'p>(publishers: &mut [Publisher], gone: impl IntoIterator<Item = &'p mut Publisher>) {
    for place in 0..publishers.len() {
        let (before, rest) = publishers.split_at_mut(place);
        let Some((publisher, behind)) = rest.split_first_mut() else { continue };
        before.iter_mut().chain(behind).for_each(|other| publisher.take_over(other, false));
    }
    for other in gone {
        publishers.iter_mut().for_each(|publisher| publisher.take_over(other, true));
    }
}

/// Returns the most bytes of a value that fits a message from this node, with this label, for a receiver with so many bytes of names.
pub(super) fn most(most: usize, node: &str, label: &str, receiver: usize) -> usize {
    // the node is there twice, as where it comes from and whose it is
    own::beside(most, node.len().saturating_mul(2).saturating_add(label.len()).saturating_add(receiver))
}

/// Returns the message of a reading. What is no term, which none of ours is, has none.
pub(super) fn message<'m>(given: &'m Publish, reading: &'m Reading, world: &'m Context<'_>) -> Option<Message<'m>> {
    let topic = if let Receiver::PubSub { topic, .. } = &given.receiver { Some(topic.as_str()) } else { None };
    Some(Message {
        node: world.node,
        label: &given.label,
        topic,
        milliseconds: world.clock.milliseconds(&reading.taken),
        value: Term::parse(&reading.value).ok()?,
        number: reading.number,
    })
}

/// Returns what the readings for one of these nodes are for, for the log.
fn to(receiver: &Receiver, nodes: &[String]) -> String {
    if nodes.is_empty() { receiver.to_string() } else { format!("{receiver} at {}", nodes.join(" or ")) }
}

/// Returns the next time behind `now`: what was missed, as when the box slept, is not made up for.
fn next(at: Instant, every: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(at).as_nanos();
    let into = late.checked_rem(every.as_nanos()).and_then(|into| u64::try_from(into).ok()).unwrap_or(0);
    let begun = now.checked_sub(Duration::from_nanos(into)).unwrap_or(now);
    begun.checked_add(every).unwrap_or(now)
}

#[cfg(test)]
thread_local! {
    /// How often what is kept of one was counted.
    static LOOKED_AT: Cell<usize> = const { Cell::new(0) };
}

/// Returns how often what is kept of a publisher was counted.
#[cfg(test)]
pub(super) fn looked_at() -> usize {
    LOOKED_AT.get()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_does_not_drift_and_does_not_make_up() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let after = |millis| start + Duration::from_millis(millis);
        assert_eq!(next(start, second, after(3)), after(1000));
        assert_eq!(next(after(1000), second, after(1000)), after(2000));
        assert_eq!(next(after(1000), second, after(60_500)), after(61_000));
    }
}
