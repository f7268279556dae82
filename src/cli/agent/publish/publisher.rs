//! A `[[publish]]`: when it is read, and which of its readings are kept.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mio::Registry;

use super::reading::{self, Trouble, TroubleKind};
use crate::cli::agent::config::{Publish, Receiver, Source};
use crate::cli::agent::flaps::Flaps;
use crate::cli::agent::task::{Ended, Task};
use crate::cli::lines::limited;

/// The time that a command may take, unless its interval is longer.
const COMMAND_TIME: Duration = Duration::from_secs(60);
/// The time from which a file holds up the agent more than it should.
const SLOW: Duration = Duration::from_millis(100);
/// The most bytes of all readings that are kept, however many they are; the newest is kept whatever its size.
const MOST_BYTES: usize = 1 << 20;

/// The settings that all publishers share.
pub(super) struct Context<'w> {
    /// The node's name.
    pub(super) node: &'w str,
    /// The most bytes of a reading.
    pub(super) most: usize,
    pub(super) registry: &'w Registry,
}

pub(super) struct Publisher {
    pub(super) given: Publish,
    /// The time at which it is read next.
    at: Instant,
    /// The command, while it runs.
    task: Option<Task>,
    /// The sort of trouble of the last reading.
    trouble: Option<TroubleKind>,
    flaps: Flaps,
    /// The log has that it takes long.
    is_slow: bool,
    pub(super) outlets: Vec<Outlet>,
    /// How many readings arrived, and how many were dropped, on nodes that are gone.
    gone: [u64; 2],
}

/// The readings for one node. Those for the members of a group, wherever they are, have one outlet, for a node without a name.
pub(super) struct Outlet {
    pub(super) node: String,
    pub(super) kept: Kept,
}

impl Publisher {
    /// Makes a publisher that reads at once, and then at the interval.
    pub(super) fn new(given: Publish) -> Self {
        let (at, flaps) = (Instant::now(), Flaps::default());
        let mut publisher =
            Self { given, at, task: None, trouble: None, flaps, is_slow: false, outlets: Vec::new(), gone: [0; 2] };
        publisher.set_outlets(&[]);
        publisher
    }

    /// Goes on with other settings, and keeps the readings. A command that runs goes on, if it is still the one.
    pub(super) fn changed(mut self, given: Publish) -> Self {
        self.outlets.iter_mut().for_each(|outlet| outlet.kept.set_most(given.keep));
        if self.given.source != given.source {
            return Self { outlets: self.outlets, gone: self.gone, ..Self::new(given) };
        }
        let soon = Instant::now().checked_add(given.every).unwrap_or(self.at);
        Self { at: self.at.min(soon), given, ..self }
    }

    /// Has an outlet for each of these nodes if the readings are for a PubSub; else there is but one.
    pub(super) fn set_outlets(&mut self, hubs: &[String]) {
        let one = match &self.given.receiver {
            Receiver::Name { node, .. } => [node.clone()],
            Receiver::Group(_) => [String::new()],
            Receiver::PubSub { .. } => return self.replace_outlets(hubs),
        };
        self.replace_outlets(&one);
    }

    fn replace_outlets(&mut self, nodes: &[String]) {
        let (outlets, gone): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.outlets).into_iter().partition(|outlet: &Outlet| nodes.contains(&outlet.node));
        self.outlets = outlets;
        for outlet in gone {
            let [arrived, dropped] = &mut self.gone;
            *arrived = arrived.saturating_add(outlet.kept.arrived);
            *dropped = dropped.saturating_add(outlet.kept.dropped);
        }
        for node in nodes {
            if !self.outlets.iter().any(|outlet| outlet.node == *node) {
                self.outlets.push(Outlet { node: node.clone(), kept: Kept::new(self.given.keep) });
            }
        }
    }

    /// Returns the receiver and the node of each outlet.
    pub(super) fn outlets(&self) -> impl Iterator<Item = (&Receiver, &str)> {
        self.outlets.iter().map(|outlet| (&self.given.receiver, &*outlet.node))
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

    /// Logs how many readings were never sent, and never will be.
    pub(super) fn tell_lost(&self) {
        for outlet in &self.outlets {
            let lost = outlet.kept.waiting();
            if lost > 0 {
                log::warn!(
                    "{}: {lost} readings that were kept for {} are lost",
                    self.name(),
                    to(&self.given.receiver, &outlet.node)
                );
            }
        }
    }

    /// Takes note that a pipe of some process is ready, or that a process ended.
    pub(super) fn set_ready(&mut self) {
        self.task.iter_mut().for_each(Task::set_ready);
    }

    /// Reads what is due.
    pub(super) fn turn(&mut self, world: &Context<'_>) {
        if let Some(ended) = self.task.as_mut().and_then(Task::turn) {
            self.task = None;
            let bytes = self.printed(ended, world);
            self.take(bytes, world);
        }
        let now = Instant::now();
        if let Some(changes) = self.flaps.settled(now) {
            let state = if self.trouble.is_none() { "readings again" } else { "no reading" };
            log::warn!("{}: {state} for a minute, after {changes} changes", self.name());
        }
        if self.at > now {
            return;
        }
        self.at = next(self.at, self.given.every, now);
        match &self.given.source {
            Source::File(path) => {
                let bytes = reading::file(path, world.most);
                self.told_slow(now.elapsed());
                self.take(bytes, world);
            }
            Source::Command(_) if self.task.is_some() => self.told_running(),
            Source::Command(command) => {
                let time = self.given.every.max(COMMAND_TIME);
                match Task::start(&self.name(), command, (world.most, time), world.node, world.registry) {
                    Ok(task) => self.task = Some(task),
                    Err(e) => self.failed(&Trouble::io("cannot start its command", &e)),
                }
            }
        }
    }

    /// Returns when it has something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        [Some(self.at), self.task.as_ref().and_then(Task::next_wake), self.flaps.next_wake()].into_iter().flatten().min()
    }

    /// Returns what it is called in the log.
    pub(super) fn name(&self) -> String {
        format!("publish {}", self.given.label.escape_debug())
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

    /// Makes a message of what was read, and keeps it.
    fn take(&mut self, bytes: Result<Vec<u8>, Trouble>, world: &Context<'_>) {
        let message = bytes.and_then(|bytes| reading::message(world.node, &self.given, &bytes));
        match message {
            Ok(message) => {
                if self.trouble.take().is_some() && self.flaps.change(&self.name(), Instant::now()) {
                    limited!(info, &self.name(), "sources that have readings again", "{}: readings again", self.name());
                }
                self.keep(&message);
            }
            Err(trouble) => self.failed(&trouble),
        }
    }

    fn keep(&mut self, message: &[u8]) {
        let name = self.name();
        for Outlet { node, kept } in &mut self.outlets {
            if kept.push(message.to_vec()) {
                limited!(
                    warn,
                    node,
                    "receivers that readings wait for",
                    "{name}: {} readings wait for {}: from now on the oldest are dropped",
                    kept.waiting(),
                    to(&self.given.receiver, node)
                );
            }
        }
    }

    /// Logs that there is no reading, when that begins and when the reason changes.
    fn failed(&mut self, trouble: &Trouble) {
        let is_new = self.trouble.replace(trouble.kind) != Some(trouble.kind);
        if is_new && self.flaps.change(&self.name(), Instant::now()) {
            limited!(warn, &self.name(), "sources without a reading", "{}: no reading: {}", self.name(), trouble.words);
        }
    }

    fn told_slow(&mut self, took: Duration) {
        if took > SLOW && !core::mem::replace(&mut self.is_slow, true) {
            log::warn!(
                "{}: its file took {} ms to be read, and all else waited: a command such as [\"cat\", \"FILE\"] holds up nothing",
                self.name(),
                took.as_millis()
            );
        }
    }

    fn told_running(&mut self) {
        if !core::mem::replace(&mut self.is_slow, true) {
            log::warn!("{}: its command takes longer than its interval: readings are left out", self.name());
        }
    }
}

/// Returns what the readings for a node are for, for the log.
fn to(receiver: &Receiver, node: &str) -> String {
    if node.is_empty() { receiver.to_string() } else { format!("{receiver} at {node}") }
}

/// Returns the next time behind `now`: what was missed, as when the box slept, is not made up for.
fn next(at: Instant, every: Duration, now: Instant) -> Instant {
    let late = now.saturating_duration_since(at).as_nanos();
    let into = late.checked_rem(every.as_nanos()).and_then(|into| u64::try_from(into).ok()).unwrap_or(0);
    let begun = now.checked_sub(Duration::from_nanos(into)).unwrap_or(now);
    begun.checked_add(every).unwrap_or(now)
}

/// The readings that wait to be sent, and those that were sent and are not known to have arrived.
pub(super) struct Kept {
    /// The most of either.
    most: usize,
    waiting: VecDeque<Vec<u8>>,
    sent: VecDeque<Vec<u8>>,
    /// The bytes of both.
    bytes: usize,
    /// The number of those sent before the question whether they arrived.
    asked: usize,
    /// Readings that arrived.
    pub(super) arrived: u64,
    /// Readings that had to make room for newer ones, or could not be sent.
    pub(super) dropped: u64,
    /// The number of these since that was last told.
    untold: u64,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self { most, waiting: VecDeque::new(), sent: VecDeque::new(), bytes: 0, asked: 0, arrived: 0, dropped: 0, untold: 0 }
    }

    /// Keeps a reading. Returns true if another had to make room, the first since that was told.
    fn push(&mut self, message: Vec<u8>) -> bool {
        let is_first = self.untold == 0;
        self.bytes = self.bytes.saturating_add(message.len());
        self.waiting.push_back(message);
        self.make_room();
        is_first && self.untold > 0
    }

    fn make_room(&mut self) {
        while self.waiting.len() > self.most || (self.bytes > MOST_BYTES && self.waiting.len() > 1) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest that waits.
    pub(super) fn drop_oldest(&mut self) {
        if let Some(message) = self.waiting.pop_front() {
            self.bytes = self.bytes.saturating_sub(message.len());
            self.dropped = self.dropped.saturating_add(1);
            self.untold = self.untold.saturating_add(1);
        }
    }

    fn set_most(&mut self, most: usize) {
        self.most = most;
        self.make_room();
    }

    /// Returns the next to be sent; none while too many are not known to have arrived.
    pub(super) fn next(&self) -> Option<&[u8]> {
        self.waiting.front().filter(|_| self.sent.len() < self.most).map(Vec::as_slice)
    }

    /// Takes note that the next was sent.
    pub(super) fn was_sent(&mut self) {
        self.sent.extend(self.waiting.pop_front());
    }

    /// Takes note that the question was asked whether all that were sent arrived.
    pub(super) fn ask(&mut self) {
        self.asked = self.sent.len();
    }

    /// Takes note that what was sent before the question has arrived. Returns how many that were.
    pub(super) fn have_arrived(&mut self) -> u64 {
        let arriving = self.sent.drain(..self.asked.min(self.sent.len()));
        let (arrived, bytes) = arriving
            .fold((0_u64, 0_usize), |(count, bytes), message| (count.saturating_add(1), bytes.saturating_add(message.len())));
        self.bytes = self.bytes.saturating_sub(bytes);
        self.asked = 0;
        self.arrived = self.arrived.saturating_add(arrived);
        arrived
    }

    /// Takes note that what was sent may be lost: it is to be sent again.
    pub(super) fn are_lost(&mut self) {
        self.asked = 0;
        self.sent.append(&mut self.waiting);
        core::mem::swap(&mut self.sent, &mut self.waiting);
        self.make_room();
    }

    /// Returns how many were dropped since this was asked last.
    pub(super) fn take_untold(&mut self) -> u64 {
        core::mem::take(&mut self.untold)
    }

    /// Forgets all of them: nobody is there to have them, and nobody missed them.
    pub(super) fn clear(&mut self) {
        *self = Self { arrived: self.arrived, dropped: self.dropped, ..Self::new(self.most) };
    }

    /// Returns the number of readings that are not known to have arrived.
    pub(super) fn len(&self) -> usize {
        self.waiting.len().saturating_add(self.sent.len())
    }

    /// Returns the number of readings that were not sent.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Returns true if some were sent of which it is not known whether they arrived.
    pub(super) fn are_out(&self) -> bool {
        !self.sent.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(kept: &VecDeque<Vec<u8>>) -> Vec<u8> {
        kept.iter().map(|message| message[0]).collect()
    }

    #[test]
    fn the_newest_are_kept_and_what_was_sent_comes_back_in_order() {
        let mut kept = Kept::new(3);
        let first: Vec<bool> = (1..=5).map(|number| kept.push(vec![number])).collect();
        assert_eq!(first, [false, false, false, true, false]);
        assert_eq!((numbers(&kept.waiting), kept.dropped), (vec![3, 4, 5], 2));
        kept.was_sent();
        kept.was_sent();
        kept.ask();
        kept.was_sent();
        assert_eq!((kept.next(), kept.len()), (None, 3));
        // what went before the question is known to have arrived
        assert_eq!(kept.have_arrived(), 2);
        assert_eq!((numbers(&kept.sent), kept.arrived), (vec![5], 2));
        kept.push(vec![6]);
        assert_eq!(kept.next(), Some(&[6][..]));
        kept.are_lost();
        assert_eq!(numbers(&kept.waiting), [5, 6]);
        // more at once than are kept: the oldest goes
        kept.was_sent();
        kept.was_sent();
        (7..=9).for_each(|number| assert!(!kept.push(vec![number])));
        kept.are_lost();
        assert_eq!((numbers(&kept.waiting), kept.dropped, kept.take_untold(), kept.take_untold()), (vec![7, 8, 9], 4, 4, 0));
        kept.set_most(1);
        assert_eq!((numbers(&kept.waiting), kept.are_out()), (vec![9], false));
    }

    #[test]
    fn large_readings_are_fewer() {
        let mut kept = Kept::new(1000);
        let large = || vec![0; MOST_BYTES / 4];
        assert_eq!([(); 5].map(|()| kept.push(large())), [false, false, false, false, true]);
        assert_eq!((kept.waiting(), kept.dropped), (4, 1));
        // those under way count as well
        (0..3).for_each(|_| kept.was_sent());
        kept.ask();
        for _ in 0..3 {
            kept.push(large());
        }
        assert_eq!((kept.waiting(), kept.len(), kept.dropped), (1, 4, 4));
        assert_eq!(kept.have_arrived(), 3);
        for _ in 0..4 {
            kept.push(vec![0; 9]);
        }
        assert_eq!((kept.waiting(), kept.dropped), (5, 4));
        // one that is larger than all may be
        kept.push(vec![0; MOST_BYTES + 1]);
        assert_eq!(kept.waiting(), 1);
    }

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
