//! Readings that are sent at an interval: to a process, to the subscribers of a topic, or to the members of a group.
//!
//! A reading is kept until it is known to have arrived. Messages that were sent may be lost with the connection, and the peer drops those
//! for a name that no process has. So before the first and behind some readings two questions are asked: whether there is such a process (a
//! monitor) and whether the node reads at all (what `net_adm:ping` asks). The peer answers in the order in which it reads: once it has answered
//! the second without having said no to the first, and the process that was there before has not ended, the readings were there. Else they are
//! sent again, so that a reading may come twice but is not lost.
//!
//! A PubSub has a process of one name on every node that runs it, so a reading goes to all of these, each asked by itself.

mod disk;
mod kept;
mod members;
mod moment;
mod numbers;
mod payload;
mod publisher;
mod reading;
mod recipient;
mod said;
mod status;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use beamless::{Driver, Error, Event, Mailbox, Node};

use super::beside::{Awaited, Beside};
use super::config::units::Size;
use super::config::{self, Form, Publish, RECEIVERS, Receiver, Settings, Source};
use super::own;
use super::part::Part;
use super::peers::after;
use super::task::Task;
use super::words;
use crate::cli::lines::limited;
use crate::cli::outcome::Failure;
use disk::Disk;
use moment::{Clock, Moment};
use numbers::Numbering;
use publisher::{Context, Means, Outlet, Publisher};
use recipient::Recipient;
pub(super) use said::Said;
pub(super) use status::{Last, Room, Status};

/// The time after which a log on disk that could not be opened is tried again.
const AGAIN: Duration = Duration::from_secs(60);

/// The bytes of a program that may wait for receivers that are there, whatever else waits, and the most that a program publishes at once; less where there is not
/// so much memory.
const BUSY: usize = 1 << 16;

/// The most commands that are started in one turn: each takes the loop a millisecond and more.
const STARTS: u8 = 8;

/// The readings that are published.
pub(super) struct Publishing {
    /// The mailbox that they are sent from; there is none without readings.
    mailbox: Option<Mailbox>,
    /// The node's name; empty until another node has given it. Readings begin then, since they tell it.
    own: String,
    /// The most bytes of a reading.
    most: usize,
    clock: Clock,
    numbers: Numbering,
    publishers: Vec<Publisher>,
    /// Those that the file does not have any more, with what is kept: it may have been read while it was written.
    removed: Vec<Publisher>,
    /// What programs published, and when, before there were numbers.
    early: Vec<(Said, Moment)>,
    /// The place of the one that is read first, since its command was not started in the turn before.
    first: usize,
    /// The commands that were asked to end. Nothing is read meanwhile, since what is new may be one of them again.
    leaving: Vec<Task>,
    /// The agent ends.
    is_ending: bool,
    disk: Option<Disk>,
    /// The log on disk that could not be opened, and when that is tried again.
    closed: Option<(config::Disk, Instant)>,
    /// What comes of that.
    opening: Option<Awaited<Result<Disk, String>>>,
    /// Where files are read.
    beside: Option<Beside>,
    /// The memory for all that is kept, in bytes.
    limit: usize,
    /// The bytes of all that was kept when that was counted last, and of what came since.
    used: usize,
    /// The log has that it is used up.
    is_full: bool,
    targets: Vec<Recipient>,
    /// Those that nothing goes to any more, until what they were asked is given up.
    former: Vec<Recipient>,
    /// The mailboxes of programs.
    programs: Vec<String>,
    /// Programs publish to other nodes than before.
    are_others: bool,
    /// The nodes that the settings name, for which readings are kept while they are away.
    wanted: Vec<String>,
    /// Other nodes may be connected than before.
    is_stale: bool,
}

impl Publishing {
    pub(super) fn new(settings: &Settings, node: &mut Node<'_>) -> Result<Self, Failure> {
        let clock = Clock::new();
        let mut numbers = Numbering::new(settings.keep.state.clone());
        if !settings.publish.is_empty() {
            // while nothing is late as yet if the disk is, and nobody has the folder
            numbers.begin(&clock.now);
        }
        let mut publishing = Self {
            mailbox: None,
            own: node.name().map_or_else(String::new, ToString::to_string),
            most: own::largest_value(node),
            numbers,
            clock,
            disk: None,
            closed: None,
            opening: None,
            programs: settings.programs.iter().map(|program| program.name.clone()).collect(),
            are_others: false,
            publishers: settings.publish.iter().cloned().map(Publisher::new).collect(),
            removed: Vec::new(),
            early: Vec::new(),
            first: 0,
            leaving: Vec::new(),
            is_ending: false,
            limit: settings.keep.memory,
            used: 0,
            beside: None,
            is_full: false,
            targets: Vec::new(),
            former: Vec::new(),
            wanted: settings.connect.clone(),
            is_stale: true,
        };
        publishing.prepare(node)?;
        if let Some(wanted) = settings.keep.disk.clone() {
            publishing.opened(Disk::open(&wanted), wanted, true);
        }
        Ok(publishing)
    }

    /// Takes up the log on disk, if it could be opened; until then readings are kept in memory alone.
    fn opened(&mut self, opened: Result<Disk, String>, wanted: config::Disk, is_first: bool) {
        match opened {
            Ok(disk) => {
                if !is_first {
                    log::info!("readings are kept on disk from now on");
                }
                // what is there already goes first
                let outlets = self.publishers.iter_mut().flat_map(|publisher| &mut publisher.outlets);
                outlets.for_each(|outlet| outlet.kept.are_lost());
                self.disk = Some(disk);
            }
            Err(why) => {
                if is_first {
                    log::warn!("readings are kept in memory alone: {why}");
                }
                // without a name of one there never will be a folder
                self.closed = Some((wanted, after(AGAIN))).filter(|(wanted, _)| wanted.folder.is_some());
            }
        }
    }

    /// Has the log on disk opened that could not be: beside the loop, since all that is there is read.
    fn open_again(&mut self, beside: &Beside) {
        if let Some((wanted, at)) = self.closed.as_mut().filter(|(_, at)| *at <= Instant::now()) {
            *at = after(AGAIN);
            let wanted = wanted.clone();
            self.opening.get_or_insert_with(|| beside.start(move || Disk::open(&wanted)));
        }
        let Some(opened) = self.opening.as_ref().and_then(Awaited::take) else { return };
        self.opening = None;
        if let Some((wanted, _)) = self.closed.take() {
            self.opened(opened, wanted, false);
        }
    }

    /// Has a log on disk that could not be opened be tried again at once: whoever reloads may have mended what was in the way.
    pub(super) fn open_soon(&mut self) {
        if let Some((_, at)) = &mut self.closed {
            *at = Instant::now();
        }
    }

    /// Makes the mailbox if there are readings, and follows the groups that they go to.
    fn prepare(&mut self, node: &mut Node<'_>) -> Result<(), Error> {
        if self.mailbox.is_none() && !self.publishers.is_empty() {
            self.mailbox = Some(node.register("")?);
        }
        for publisher in &self.publishers {
            if let Receiver::Group(group) = &publisher.given.receiver {
                node.monitor_scope(&group.scope)?;
            }
        }
        Ok(())
    }

    /// Makes the targets those of the publishers, and of the nodes that are connected or wanted.
    fn aim(&mut self, node: &mut Node<'_>) {
        let mut hubs = self.wanted.clone();
        hubs.extend(node.peers().map(|peer| peer.name.as_str().to_owned()).filter(|name| !self.wanted.contains(name)));
        self.publishers.iter_mut().for_each(|publisher| publisher.set_outlets(&hubs, self.wanted.len()));
        let wanted = || self.publishers.iter().flat_map(Publisher::targets);
        let (mut targets, gone): (Vec<_>, Vec<_>) = core::mem::take(&mut self.targets)
            .into_iter()
            .partition(|target: &Recipient| wanted().any(|(receiver, node)| target.takes(receiver, node)));
        for (receiver, node) in wanted() {
            if !targets.iter().any(|target| target.takes(receiver, node)) {
                targets.extend(Recipient::new(receiver, node));
            }
        }
        targets.iter_mut().for_each(|target| target.set_wanted(&self.wanted));
        self.targets = targets;
        self.former.extend(gone);
        self.give_up(node);
    }

    /// Gives up what was asked of those that nothing goes to any more.
    fn give_up(&mut self, node: &mut Node<'_>) {
        if let Some(mut out) = self.mailbox.and_then(|mailbox| node.outbox(mailbox).ok()) {
            self.former.retain_mut(|target| !target.give_up(&mut out));
        }
    }

    /// Takes the answers of the receivers, and sends what can be sent.
    fn send(&mut self, node: &mut Node<'_>) {
        // a node without a name keeps its readings until it has one
        let Some(mailbox) = self.mailbox.filter(|_| !self.own.is_empty()) else { return };
        while let Some((message, mut out)) = node.recv(mailbox) {
            let received = message.received();
            self.targets.iter_mut().for_each(|target| target.receive(received, &mut self.publishers, &mut out));
        }
        self.give_up(node);
        self.targets.iter_mut().for_each(|target| target.look(node));
        recipient::choose(&mut self.publishers, &self.targets);
        let world = Context { node: &self.own, most: self.most, limit: self.limit, clock: &self.clock };
        for target in &mut self.targets {
            // it has just been registered anew where it is not there
            if let Ok(mut out) = node.outbox(mailbox) {
                target.turn(&mut self.publishers, &mut out, &world);
            }
        }
        members::send(&mut self.publishers, mailbox, node, &world);
    }

    /// Returns true if files and commands may be read.
    fn may_read(&self) -> bool {
        self.numbers.have_begun() && self.leaving.is_empty() && !self.is_ending
    }

    /// Writes what waits, or logs what is lost, now that the agent ends.
    pub(super) fn stop(&mut self) {
        if !self.early.is_empty() {
            log::warn!("publish: {} readings of programs are lost: the state folder does not answer", self.early.len());
        }
        self.publishers.append(&mut self.removed);
        self.publishers.iter().for_each(|publisher| publisher.tell_lost(self.disk.is_none()));
        if let Some(disk) = self.disk.take() {
            disk.close(&mut self.publishers);
        }
        self.publishers.iter_mut().for_each(Publisher::tell_dropped);
    }

    /// Keeps what a program publishes. Gives it back if that cannot be, which the log has.
    pub(super) fn take(&mut self, said: Said) -> Result<(), Said> {
        // the turn before may be long ago
        self.clock.look();
        let now = self.clock.now;
        if self.numbers.have_begun() {
            return self.keep(said, now);
        }
        self.early.push((said, now));
        Ok(())
    }

    /// Keeps what a program published then.
    fn keep(&mut self, said: Said, taken: Moment) -> Result<(), Said> {
        let now = self.clock.now;
        let place = said.receiver(&self.own, self.most).and_then(|receiver| {
            let place = self.of_program(&said.mailbox, receiver);
            place.ok_or_else(|| format!("readings of programs wait for {RECEIVERS} receivers already"))
        });
        match place {
            Ok(place) => {
                if let Some(publisher) = self.publishers.get_mut(place) {
                    let before = publisher.bytes();
                    publisher.keep(said.term, taken, &now, &mut self.numbers);
                    let after = publisher.bytes();
                    self.has_taken(before, after);
                }
                Ok(())
            }
            Err(why) => {
                let name = &said.mailbox;
                limited!(warn, name, "messages of programs that cannot be published", "mailbox {name}: not published: {why}");
                Err(said)
            }
        }
    }

    /// Returns the place of the publisher of a program's readings for a receiver, which is made if there is none. If there are too many, the one that has
    /// waited for nothing for longest makes room, else one of a program that has more than its share; nothing where there is none.
    fn of_program(&mut self, label: &str, receiver: Receiver) -> Option<usize> {
        let is_it = |given: &Publish| given.source == Source::Program && given.label == label && given.receiver == receiver;
        if let Some(place) = self.publishers.iter().position(|publisher| is_it(&publisher.given)) {
            return Some(place);
        }
        let of_programs = || self.publishers.iter().enumerate().filter(|(_, publisher)| publisher.is_of_program());
        if of_programs().count() >= usize::from(RECEIVERS) {
            let idle = of_programs().find(|(_, publisher)| publisher.is_idle()).map(|(place, _)| place);
            let place = idle.or_else(|| self.of_largest(label))?;
            let gone = self.publishers.remove(place);
            gone.tell_lost(true);
            if let Some(disk) = &mut self.disk {
                disk.forget(&gone);
            }
        }
        (self.is_stale, self.are_others) = (true, true);
        let (label, every, form) = (label.to_owned(), Duration::ZERO, Form::Term);
        self.publishers.push(Publisher::new(Publish { source: Source::Program, label, every, form, receiver, keep: None }));
        self.publishers.len().checked_sub(1)
    }

    /// Returns the place of the publisher that makes room for another program, if that has less than its share of the receivers: of those of the program that
    /// has most, the one to which that published longest ago.
    fn of_largest(&self, label: &str) -> Option<usize> {
        let of_programs = self.publishers.iter().enumerate().filter(|(_, publisher)| publisher.is_of_program());
        let of_programs: Vec<_> = of_programs.collect();
        let of = |label: &str| of_programs.iter().filter(move |(_, publisher)| publisher.given.label == label).count();
        let share = usize::from(RECEIVERS).checked_div(self.programs.len()).unwrap_or(0);
        if of(label) >= share {
            return None;
        }
        let largest = of_programs.iter().map(|(_, publisher)| of(&publisher.given.label)).max()?;
        let of_largest = of_programs.iter().filter(|(_, publisher)| of(&publisher.given.label) == largest);
        of_largest.min_by_key(|(_, publisher)| publisher.at()).map(|(place, _)| *place)
    }

    /// Returns how many bytes the program of a mailbox may publish before this is asked again: none while much of it waits for receivers that are
    /// there and have to take that first, and there is not much room left. What is read of a program until then is answers to calls as well.
    pub(super) fn rooms(&self) -> impl Fn(&str) -> usize {
        let used = self.used;
        let disk = self.disk.as_ref().filter(|disk| !disk.status().2);
        // whatever is there: on disk, too, whoever has most makes room for the others
        let on_disk = disk.map(|disk| {
            let (used_there, limit, _) = disk.status();
            let [used_there, limit] = [used_there, limit].map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
            let free = (limit >> 1).saturating_sub(used_there.saturating_add(used));
            (limit >> 4, free.max(BUSY.min(limit >> 4)))
        });
        let free = self.limit.saturating_sub(self.limit >> 2).saturating_sub(used).max(BUSY.min(self.limit >> 3));
        // of each program the bytes in memory that wait, and all that the disk may come to have
        let mut waiting: BTreeMap<&str, [usize; 2]> = BTreeMap::new();
        for publisher in self.publishers.iter().filter(|publisher| publisher.is_of_program() && !publisher.is_idle()) {
            for Outlet { kept, .. } in publisher.outlets.iter().filter(|outlet| is_taken(&self.targets, publisher, outlet)) {
                let [memory, all] = waiting.entry(&publisher.given.label).or_default();
                *memory = memory.saturating_add(kept.waiting_bytes());
                *all = all.saturating_add(kept.bytes()).saturating_add(disk.map_or(0, |disk| disk.bytes(kept)));
            }
        }
        let most = (self.limit >> 2).min(on_disk.map_or(usize::MAX, |(most, _)| most));
        // each of them may use it in one turn, and all the time before there are numbers
        let most = most.checked_div(self.programs.len()).unwrap_or(most).clamp(1, BUSY);
        move |mailbox| {
            let [memory, all] = waiting.get(mailbox).copied().unwrap_or_default();
            let room = if memory > free || on_disk.is_some_and(|(_, free)| all > free) { 0 } else { most };
            let early = self.early.iter().filter(|(said, _)| said.mailbox == mailbox);
            early.fold(room, |room, (said, _)| room.saturating_sub(said.size()))
        }
    }

    /// Returns the nodes that programs publish to, if they are others than when this was asked last.
    pub(super) fn take_others(&mut self) -> Option<Vec<String>> {
        if !core::mem::take(&mut self.are_others) {
            return None;
        }
        let of_programs = self.publishers.iter().filter(|publisher| publisher.is_of_program());
        Some(of_programs.flat_map(Publisher::targets).map(|(_, node)| node.to_owned()).collect())
    }

    /// Takes note of the bytes that a publisher has before and after it kept something, if it did. All of them are only looked at where there is no
    /// room: there may be thousands.
    fn has_taken(&mut self, before: usize, after: usize) {
        self.used = self.used.saturating_add(after).saturating_sub(before);
        if self.used > self.limit {
            self.make_room();
        }
    }

    /// Counts what is kept.
    fn count(&mut self) {
        self.used = self.publishers.iter().chain(&self.removed).map(Publisher::bytes).fold(0, usize::saturating_add);
        self.is_full &= self.used > self.limit.wrapping_div(2);
    }

    /// Drops the oldest readings of whatever has most of them, as long as there is no memory for all: whoever floods drops its own. What the file does
    /// not have any more goes first, and what a program may have waiting for receivers that are there does not count: it is about to go.
    fn make_room(&mut self) {
        self.count();
        if self.used > self.limit {
            self.give_way();
        }
        if let Some(disk) = self.disk.as_mut().filter(|_| self.used > self.limit) {
            disk.make_room(&mut self.publishers, &self.clock.now);
            self.count();
        }
        let (targets, spared) = (&self.targets, BUSY.min(self.limit >> 3).saturating_mul(2));
        while self.used > self.limit {
            let last = self.numbers.last();
            let oldest = |outlet: &Outlet| outlet.kept.oldest_waiting().filter(|number| *number != last);
            let waiting =
                self.publishers.iter_mut().filter(|publisher| publisher.outlets.iter().any(|outlet| oldest(outlet).is_some()));
            let most = waiting.max_by_key(|publisher| {
                let is_going =
                    publisher.is_of_program() && publisher.outlets.iter().any(|outlet| is_taken(targets, publisher, outlet));
                publisher.waiting_bytes().saturating_sub(if is_going { spared } else { 0 })
            });
            let outlets = most.into_iter().flat_map(|publisher| &mut publisher.outlets);
            let oldest = outlets.filter_map(|outlet| Some((oldest(outlet)?, outlet))).min_by_key(|(number, _)| *number);
            let Some((_, Outlet { kept, .. })) = oldest else { return };
            let before = kept.bytes();
            kept.drop_from_memory();
            self.used = self.used.saturating_add(kept.bytes()).saturating_sub(before);
            if !core::mem::replace(&mut self.is_full, true) {
                log::warn!(
                    "publish: what waits takes {}, which is `memory` in [keep]: from now on the oldest readings are dropped",
                    Size::of(self.limit)
                );
            }
        }
    }

    /// Drops what is kept in memory of what the file does not have any more, as long as there is no memory for the rest.
    fn give_way(&mut self) {
        let mut lost = 0_u64;
        for Outlet { kept, .. } in self.removed.iter_mut().flat_map(|publisher| &mut publisher.outlets) {
            while self.used > self.limit && kept.oldest_waiting().is_some() {
                let before = kept.bytes();
                kept.drop_from_memory();
                self.used = self.used.saturating_add(kept.bytes()).saturating_sub(before);
                lost = lost.saturating_add(1);
            }
        }
        if lost > 0 {
            log::warn!("publish: {lost} readings of what is not in the file any more were dropped: others need the memory");
        }
        self.removed.retain(|publisher| !publisher.is_idle());
    }

    /// Keeps what waits of a publisher that the file does not have any more, for when it has it again: nothing else is to make room for it.
    fn set_aside(&mut self, mut publisher: Publisher) {
        log::info!("{}: removed", publisher.name());
        self.leaving.extend(publisher.leave());
        publisher.set_aside();
        if let Some(disk) = &mut self.disk {
            disk.set_aside(&mut publisher, &self.clock.now);
        }
        if !publisher.is_idle() {
            let until = if self.disk.is_some() { "at the next start" } else { "when the agent ends" };
            let (name, [_, kept, _]) = (publisher.name(), publisher.counts());
            log::warn!(
                "{name}: {kept} readings wait that were kept for it: put it back into the file and reload, if they are to be sent; they are \
                 dropped {until}, or where others need the room"
            );
            self.removed.push(publisher);
        }
    }

    /// Returns a publisher that the file has again.
    fn take_back(&mut self, is_it: &dyn Fn(&Publish) -> bool) -> Option<Publisher> {
        let place = self.removed.iter().position(|publisher| is_it(&publisher.given))?;
        let publisher = self.removed.remove(place);
        let [_, kept, _] = publisher.counts();
        log::info!("{}: in the file again, with {kept} readings that were kept", publisher.name());
        if let Some(disk) = &mut self.disk {
            disk.take_back(&publisher);
        }
        Some(publisher)
    }

    /// Returns how everything is that is published.
    pub(super) fn status(&self) -> impl ExactSizeIterator<Item = Status<'_>> {
        self.publishers.iter().map(|publisher| status::status(publisher, &self.clock))
    }

    /// Returns the last reading of each label.
    pub(super) fn last(&self) -> impl Iterator<Item = Last<'_>> {
        self.publishers.iter().filter_map(|publisher| status::last(publisher, &self.clock))
    }

    /// Returns how much of its memory is used.
    pub(super) fn room(&self) -> Room {
        let closed = || self.closed.as_ref().map(|(wanted, _)| (0, wanted.limit, true));
        Room { memory: [self.used, self.limit], disk: self.disk.as_ref().map(Disk::status).or_else(closed) }
    }
}

impl Part for Publishing {
    /// Goes on with other settings. What did not change is left as it is; where only the source or the interval changed, the readings are
    /// kept.
    fn apply(&mut self, settings: &Settings, node: &mut Node<'_>) {
        let (of_programs, mut old): (Vec<_>, Vec<_>) =
            core::mem::take(&mut self.publishers).into_iter().partition(Publisher::is_of_program);
        let mut take = |is_it: &dyn Fn(&Publish) -> bool| {
            let place = old.iter().position(|publisher| is_it(&publisher.given));
            place.map(|place| old.remove(place)).or_else(|| self.take_back(is_it))
        };
        let same: Vec<Option<Publisher>> = settings.publish.iter().map(|given| take(&|old| old == given)).collect();
        let (mut publishers, mut leaving) = (Vec::new(), Vec::new());
        for (given, same) in settings.publish.iter().zip(same) {
            let alike = |old: &Publish| (&old.label, &old.receiver) == (&given.label, &given.receiver);
            // of a list of nodes that grew or shrank, those that stay keep what waits for them
            let is_same_list = |old: &Publish| old.label == given.label && old.receiver.shares_with(&given.receiver);
            let publisher = same.unwrap_or_else(|| match take(&alike).or_else(|| take(&is_same_list)) {
                Some(mut publisher) => {
                    log::info!("{}: changed", publisher.name());
                    if publisher.given.source != given.source {
                        leaving.extend(publisher.leave());
                    }
                    publisher.changed(given.clone())
                }
                None => {
                    let mut publisher = Publisher::new(given.clone());
                    log::info!("{}: added", publisher.name());
                    // what another has for its nodes goes with it
                    publisher.outlets.clear();
                    publisher
                }
            });
            publishers.push(publisher);
        }
        self.leaving.extend(leaving);
        publisher::share_out(&mut publishers, old.iter_mut().chain(&mut self.removed));
        self.removed.retain(|publisher| !publisher.is_idle());
        if let Some(disk) = &mut self.disk {
            publishers.iter().for_each(|publisher| disk.take_back(publisher));
        }
        self.programs = settings.programs.iter().map(|program| program.name.clone()).collect();
        let (of_programs, gone): (Vec<_>, Vec<_>) =
            of_programs.into_iter().partition(|publisher| self.programs.contains(&publisher.given.label));
        publishers.extend(of_programs);
        self.are_others |= !gone.is_empty();
        let programs = self.programs.clone();
        let is_back = |given: &Publish| given.source == Source::Program && programs.contains(&given.label);
        while let Some(publisher) = self.take_back(&is_back) {
            self.are_others = true;
            publishers.push(publisher);
        }
        self.publishers = publishers;
        old.into_iter().chain(gone).for_each(|publisher| self.set_aside(publisher));
        self.open_soon();
        self.limit = settings.keep.memory;
        self.make_room();
        self.wanted.clone_from(&settings.connect);
        self.aim(node);
        if let Err(e) = self.prepare(node) {
            log::warn!("publish: nothing can be sent: {}; what needs more room needs a restart", words::error(&e));
        }
    }

    fn handle(&mut self, event: &Event, _node: &Node<'_>) -> bool {
        self.is_stale |= matches!(event, Event::NodeUp { .. } | Event::NodeDown { .. } | Event::Missed(_));
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
        self.leaving.iter_mut().for_each(Task::set_ready);
    }

    /// Reads what is due, and sends what can be sent.
    fn turn(&mut self, node: &mut Node<'_>, driver: &Driver) {
        let count = self.publishers.len();
        self.publishers.retain(|publisher| !publisher.is_over());
        if self.publishers.len() < count {
            (self.is_stale, self.are_others) = (true, true);
        }
        let was_stale = core::mem::take(&mut self.is_stale);
        if was_stale {
            self.aim(node);
            if let Err(e) = self.prepare(node) {
                limited!(warn, "", "readings without a mailbox", "publish: nothing can be sent: {}", words::error(&e));
            }
        }
        self.clock.look();
        let beside = self.beside.take().unwrap_or_else(|| Beside::new(driver.waker()));
        beside.turn();
        self.open_again(&beside);
        if let Some(disk) = &mut self.disk {
            for (label, receiver) in disk.begin(&mut self.publishers, &self.programs, &mut self.clock) {
                self.of_program(&label, receiver);
            }
        }
        if let Some(disk) = self.disk.as_mut().filter(|_| was_stale) {
            disk.forget_unused(self.publishers.iter().chain(&self.removed));
        }
        if let Some(disk) = self.disk.take_if(|disk| disk.is_gone()) {
            let all = self.publishers.iter_mut().chain(&mut self.removed);
            self.closed = Some((disk.let_go(all), after(AGAIN)));
            self.make_room();
        }
        let means = Means { starts: Cell::new(STARTS), registry: driver.registry(), beside: &beside };
        if !self.publishers.is_empty() || !self.programs.is_empty() {
            self.numbers.begin_beside(&self.clock.now, &beside);
        }
        if self.numbers.have_begun() {
            core::mem::take(&mut self.early).into_iter().for_each(|(said, taken)| drop(self.keep(said, taken)));
        }
        self.leaving.retain_mut(|task| task.turn().is_none());
        let ready = if self.may_read() { self.publishers.len() } else { 0 };
        let first = core::mem::take(&mut self.first).min(ready);
        let mut late = None;
        for place in (first..ready).chain(0..first) {
            let world = Context { node: &self.own, most: self.most, limit: self.limit, clock: &self.clock };
            if let Some(publisher) = self.publishers.get_mut(place) {
                let before = publisher.bytes();
                if !publisher.turn(&world, &mut self.numbers, &means) {
                    late = late.or(Some(place));
                }
                let after = publisher.bytes();
                self.has_taken(before, after);
            }
        }
        self.first = late.unwrap_or(0);
        self.beside = Some(beside);
        if let Some(disk) = &mut self.disk {
            disk.read(&mut self.publishers, self.limit);
        }
        self.send(node);
        if let Some(disk) = &mut self.disk {
            disk.end(&mut self.publishers, &self.clock.now);
        }
        self.count();
    }

    fn next_wake(&self) -> Option<Instant> {
        let publishers = self.publishers.iter().filter(|_| self.may_read()).filter_map(Publisher::next_wake);
        let leaving = self.leaving.iter().filter_map(Task::next_wake);
        let targets = self.targets.iter().filter(|_| !self.own.is_empty());
        let hangs = self.beside.as_ref().and_then(Beside::next_wake);
        let disk = self.disk.as_ref().and_then(Disk::next_wake);
        // what was found on disk is to be sent somewhere
        let aims = self.is_stale.then(Instant::now);
        let opens = self.closed.as_ref().map(|(_, at)| *at).into_iter().chain(self.numbers.next_wake());
        let mine = leaving.chain(hangs).chain(disk).chain(aims).chain(opens);
        publishers.chain(targets.filter_map(Recipient::next_wake)).chain(mine).min()
    }

    fn named(&mut self, own: &str) {
        own.clone_into(&mut self.own);
    }

    fn terminate(&mut self, _node: &mut Node<'_>) {
        self.is_ending = true;
        self.leaving.extend(self.publishers.iter_mut().filter_map(Publisher::leave));
    }

    /// Sends what can be sent meanwhile.
    fn have_ended(&mut self, node: &mut Node<'_>, driver: &Driver) -> bool {
        self.pipes_ready();
        self.turn(node, driver);
        self.leaving.is_empty() && !recipient::are_waited_for(&self.publishers, &self.targets)
    }
}

/// Returns whether something waits there for a receiver that takes it, or of which that is known in a moment.
fn is_taken(targets: &[Recipient], publisher: &Publisher, outlet: &Outlet) -> bool {
    let mut there = targets.iter().filter(|target| target.is_at_hand());
    outlet.kept.len() > 0 && there.any(|target| target.takes(&publisher.given.receiver, outlet.node()))
}
