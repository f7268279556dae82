//! How the agent is: what a person should know of is a line in the log, stands in the status for systemd and in `system`, and is sent to a
//! process on a hub if there is one to be told.

mod alarm;
mod news;

use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

use beamless::{Event, Mailbox, Node};

use super::certificate;
use super::config::{HealthSettings, Settings};
use super::connections::Connections;
use super::peers::Presence;
use super::programs::{ProgramStatus, Programs, RECENT};
use super::publish::Publishing;
use super::system::facts;
use super::words::roughly;
use crate::cli::logger;
use crate::cli::tls::Tls;
pub(super) use alarm::Alarm;
use alarm::{Kind, Look, changes};
use news::News;

/// The least time between two looks.
const REST: Duration = Duration::from_secs(1);
/// The time after which the disk is looked at again, and the time of an alarm told anew.
const AGAIN: Duration = Duration::from_secs(60);
/// The time for which EPMD may be away: it may just be started again.
const EPMD: Duration = Duration::from_secs(30);
/// The time within which no reading is late.
const LATE: Duration = Duration::from_secs(5);
/// The percentage by which a full disk has to become emptier than its limit before it is full no more.
const GAP: u64 = 2;
/// The milliseconds for which readings may wait without a word in the status.
const WAITING: i64 = 60_000;
/// The most alarms in the status.
const SHOWN: usize = 5;

/// The parts that it looks at.
pub(super) struct Looked<'p> {
    pub(super) connections: &'p Connections,
    pub(super) programs: &'p Programs,
    pub(super) publishing: &'p Publishing,
}

/// How the agent is.
pub(super) struct Health {
    given: HealthSettings,
    /// The folder for what outlives a restart.
    folder: Option<PathBuf>,
    alarms: Vec<Alarm>,
    /// The trouble that keeps others from finding this node, and since when.
    hidden: Option<(Instant, String)>,
    /// What to say as long as the agent runs on something that is not what its files say, and since when.
    last: Option<(Instant, String)>,
    /// The lines of the log that were dropped.
    log: Count,
    /// From when until when the certificate is good, where there is one.
    certificate: Option<(SystemTime, SystemTime)>,
    /// The percentage of the disk that is taken, and when that was looked at.
    disk: Option<(Instant, u64)>,
    /// The readings that were dropped.
    dropped: Count,
    /// The readings that wait, if some have waited for long.
    waiting: Option<u64>,
    /// The time since which these settings hold.
    given_at: Instant,
    looked: Option<Instant>,
    /// The time of the next look.
    look_at: Option<Instant>,
    /// The time at which the status was made last.
    shown: Instant,
    /// The status is another one now.
    is_new: bool,
    news: News,
}

impl Health {
    pub(super) fn new(settings: &Settings, folder: Option<PathBuf>) -> Self {
        let now = Instant::now();
        Self {
            news: News::new(settings),
            given: settings.health.clone(),
            folder,
            alarms: Vec::new(),
            hidden: None,
            last: None,
            log: Count::default(),
            certificate: None,
            disk: None,
            dropped: Count::default(),
            waiting: None,
            given_at: now,
            looked: None,
            look_at: Some(now),
            shown: now,
            is_new: false,
        }
    }

    /// Goes on with new settings.
    pub(super) fn apply(&mut self, settings: &Settings) {
        self.given.clone_from(&settings.health);
        self.news.apply(settings, &self.alarms);
        self.given_at = Instant::now();
        self.look_at = Some(self.given_at);
    }

    /// Takes note of what is shown over TLS.
    pub(super) fn show(&mut self, tls: &Tls) {
        self.certificate = Some((tls.valid_from(), tls.valid_until()));
    }

    /// Takes note of what to say as long as the agent runs on something that is not what its files say.
    pub(super) fn runs_on(&mut self, words: Option<&str>) {
        if self.last.as_ref().map(|(_, words)| words.as_str()) != words {
            let now = Instant::now();
            self.last = words.map(|words| (now, words.to_owned()));
            self.look_at = Some(now);
        }
    }

    /// Takes note of what happened.
    pub(super) fn handle(&mut self, event: &Event) {
        match event {
            Event::Registered { .. } => self.hidden = None,
            Event::NotRegistered(_) | Event::EpmdLost | Event::NameTaken | Event::EpmdFull => {
                let since = self.hidden.take().map_or_else(Instant::now, |(since, _)| since);
                self.hidden = Some((since, event.to_string()));
            }
            _ => {}
        }
        self.news.handle(event, &self.alarms);
    }

    /// Returns the alarms, the most important first.
    pub(super) fn alarms(&self) -> &[Alarm] {
        &self.alarms
    }

    /// Returns when there is something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.look_at.into_iter().chain(self.news.next_wake()).min()
    }

    /// Looks at everything if it is time, and tells what changed, out of this mailbox.
    pub(super) fn turn(&mut self, looked: &Looked<'_>, node: &mut Node<'_>, mailbox: Mailbox) {
        let now = Instant::now();
        match rested(self.looked, now) {
            // what was due before that would be waited for by turning without end
            Some(rested) => self.look_at = Some(rested),
            None => self.look(looked, now),
        }
        self.news.turn(node, mailbox);
    }

    fn look(&mut self, looked: &Looked<'_>, now: Instant) {
        self.looked = Some(now);
        let waited = self.waiting.is_some();
        let mut look = Look::new(now);
        nodes(&mut look, self.given.node_away, looked.connections.wanted());
        hosts(&mut look, self.given.node_away, looked.connections.silent());
        programs(&mut look, self.given.program_restarts, looked.programs.statuses());
        self.of_readings(&mut look, looked.publishing);
        self.of_box(&mut look);
        let is_well = look.found.is_empty() && self.waiting.is_none();
        if !is_well {
            look.has_passed(now, AGAIN);
        }
        self.look_at = look.next;
        let changes = changes(&mut self.alarms, look);
        let is_due = !is_well && now.saturating_duration_since(self.shown) >= AGAIN;
        if is_due || !changes.is_empty() || self.waiting.is_some() != waited {
            (self.is_new, self.shown) = (true, now);
        }
        self.news.add(changes);
        self.news.remind(&self.alarms, now);
    }

    /// Looks at what is of the whole box.
    fn of_box(&mut self, look: &mut Look) {
        if let Some((since, words)) = &self.last {
            look.raise(Kind::LastConfiguration, "", *since, words.clone(), String::new());
        }
        if let Some((since, count)) = self.log.grown(look, logger::dropped()) {
            let what = format!("{count} lines of the log dropped");
            look.raise(Kind::LogDropped, "", since, what, "whoever reads it is too slow".to_owned());
        }
        if let Some((since, trouble)) = &self.hidden {
            hidden(look, *since, trouble);
        }
        if let Some(valid) = self.certificate {
            ending(look, self.begun(Kind::Certificate, "", look.now), valid, SystemTime::now());
        }
        let Some(folder) = &self.folder else { return };
        let known = self.disk.filter(|(at, _)| look.now.saturating_duration_since(*at) < AGAIN);
        let Some((at, taken)) = known.or_else(|| Some((look.now, facts::disk(folder)?.taken()))) else { return };
        self.disk = Some((at, taken));
        look.has_passed(at, AGAIN);
        let was_full = self.alarms.iter().any(|alarm| alarm.kind == Kind::DiskFull);
        if taken >= full_from(self.given.disk_full, was_full) {
            let what = format!("the disk is full to {taken} %");
            look.raise(Kind::DiskFull, "", self.begun(Kind::DiskFull, "", look.now), what, folder.display().to_string());
        }
    }

    /// Looks at the readings.
    fn of_readings(&mut self, look: &mut Look, publishing: &Publishing) {
        let (mut dropped, mut kept, mut has_waited) = (0_u64, 0_u64, false);
        for status in publishing.status() {
            let [_, waiting, gone] = status.counts;
            (dropped, kept) = (dropped.saturating_add(gone), kept.saturating_add(waiting));
            has_waited |= status.oldest.is_some_and(|time| time >= WAITING);
            if status.given.every.is_zero() {
                // a program's own, which come when it likes
                continue;
            }
            let label = &status.given.label;
            let age = status.age.and_then(|age| u64::try_from(age).ok()).map(Duration::from_millis);
            let last = age.and_then(|age| look.now.checked_sub(age));
            let last = last.unwrap_or_else(|| self.begun(Kind::ReadingOverdue, label, self.given_at));
            reading(look, (label, last), status.given.every.saturating_mul(self.given.reading_overdue), status.trouble);
        }
        self.waiting = has_waited.then_some(kept);
        if let Some((_, _, true)) = publishing.room().disk {
            let since = self.begun(Kind::DiskFailed, "", look.now);
            look.raise(Kind::DiskFailed, "", since, "readings cannot be kept on disk".to_owned(), String::new());
        }
        if let Some((since, count)) = self.dropped.grown(look, dropped) {
            look.raise(Kind::ReadingsDropped, "", since, format!("{count} readings dropped"), String::new());
        }
    }

    /// Returns since when there is an alarm of this, if there is one, else the time that was given.
    fn begun(&self, kind: Kind, name: &str, or: Instant) -> Instant {
        self.alarms.iter().find(|alarm| (alarm.kind, &*alarm.name) == (kind, name)).map_or(or, |alarm| alarm.since)
    }

    /// Returns true if [`Self::status`] has something new to say.
    pub(super) fn is_new(&mut self) -> bool {
        core::mem::take(&mut self.is_new)
    }

    /// Returns what is wrong, the most important first: each of it in few words.
    pub(super) fn status(&self) -> Vec<String> {
        // these are shown at once
        let first = self.hidden.iter().chain(&self.last).map(|(_, words)| words.clone());
        let is_first = |kind| matches!(kind, Kind::NoEpmd | Kind::LastConfiguration);
        let alarms = self.alarms.iter().filter(|alarm| !is_first(alarm.kind));
        let mut status: Vec<String> = first.chain(alarms.clone().take(SHOWN).map(|alarm| alarm.what.clone())).collect();
        let more = alarms.count().saturating_sub(SHOWN);
        if more > 0 {
            status.push(format!("and {more} more alarms"));
        }
        status.extend(self.waiting.map(|waiting| format!("{waiting} readings wait")));
        status
    }
}

/// Returns the percentage from which on a disk is full. One that is filled and rotated around its limit is not news each time.
fn full_from(limit: u64, was_full: bool) -> u64 {
    if was_full { limit.saturating_sub(GAP) } else { limit }
}

/// Finds out whether others have not found this node for too long.
fn hidden(look: &mut Look, since: Instant, trouble: &str) {
    if look.has_passed(since, EPMD) {
        look.raise(Kind::NoEpmd, "", since, "other nodes cannot find this one".to_owned(), trouble.to_owned());
    }
}

/// Finds out whether a certificate that is valid from then until then is near its end.
fn ending(look: &mut Look, since: Instant, (from, until): (SystemTime, SystemTime), now: SystemTime) {
    if certificate::is_ending(from, until, now) {
        let left = until.duration_since(now).map(roughly);
        let what = left.map_or_else(|_| "the certificate has ended".to_owned(), |left| format!("the certificate ends in {left}"));
        look.raise(Kind::Certificate, "", since, what, String::new());
    }
}

/// Returns when it looks again, if it looked a moment ago: whatever happens until then may have changed something.
fn rested(looked: Option<Instant>, now: Instant) -> Option<Instant> {
    looked.and_then(|at| at.checked_add(REST)).filter(|rested| *rested > now)
}

/// A count of what should not be, which grows.
#[derive(Default)]
struct Count {
    now: u64,
    /// When it began to grow, the count before, and when it grew last.
    grown: Option<(Instant, u64, Instant)>,
}

impl Count {
    /// Returns since when it has been growing, and by how much: until it has not for as long as restarts count.
    fn grown(&mut self, look: &mut Look, count: u64) -> Option<(Instant, u64)> {
        let before = core::mem::replace(&mut self.now, count);
        self.grown = self.grown.filter(|(_, _, last)| !look.has_passed(*last, RECENT));
        if count > before {
            let (since, from, _) = self.grown.unwrap_or((look.now, before, look.now));
            self.grown = Some((since, from, look.now));
            look.has_passed(look.now, RECENT);
        }
        let (since, from, _) = self.grown.as_mut()?;
        *from = (*from).min(count);
        Some((*since, count.saturating_sub(*from)))
    }
}

/// Finds out whether a reading is late.
fn reading(look: &mut Look, (label, last): (&str, Instant), limit: Duration, trouble: Option<&str>) {
    if look.has_passed(last, limit.max(LATE)) {
        let time = roughly(look.now.saturating_duration_since(last));
        let why = trouble.unwrap_or_default().to_owned();
        look.raise(Kind::ReadingOverdue, label, last, format!("no reading {label} for {time}"), why);
    }
}

/// Finds the nodes that are away for too long.
fn nodes<'n>(look: &mut Look, limit: Duration, wanted: impl Iterator<Item = (&'n str, Presence)>) {
    for (name, Presence { is_connected, since, reason }) in wanted {
        if !is_connected && look.has_passed(since, limit) {
            let away = roughly(look.now.saturating_duration_since(since));
            let why = reason.map_or_else(String::new, |reason| reason.to_string());
            look.raise(Kind::NodeAway, name, since, format!("{name} away for {away}"), why);
        }
    }
}

/// Finds the hosts whose nodes are to be connected and that do not say which these are.
fn hosts<'n>(look: &mut Look, limit: Duration, silent: impl Iterator<Item = (&'n str, Instant)>) {
    for (name, since) in silent {
        if look.has_passed(since, limit) {
            let away = roughly(look.now.saturating_duration_since(since));
            look.raise(Kind::NodeAway, name, since, format!("epmd on {name} silent for {away}"), String::new());
        }
    }
}

/// Finds the programs that are started too often.
fn programs<'p>(look: &mut Look, limit: usize, programs: impl Iterator<Item = ProgramStatus<'p>>) {
    for program in programs {
        let Some(at) = limit.checked_sub(1).and_then(|place| program.recent.iter().rev().nth(place)) else { continue };
        if !look.has_passed(*at, RECENT) {
            let is_recent = |at: &&Instant| look.now.saturating_duration_since(**at) < RECENT;
            let count = program.recent.iter().filter(is_recent).count();
            let what = format!("program {} restarted {count} times", program.name);
            let why = program.last_exit.unwrap_or_default().to_owned();
            look.raise(Kind::ProgramRestarts, program.name, *at, what, why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use beamless::Reason;

    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn texts(look: &Look) -> Vec<String> {
        look.found.iter().map(Alarm::text).collect()
    }

    #[test]
    fn between_two_looks_it_rests() {
        let looked = Instant::now();
        assert_eq!(rested(None, looked), None);
        assert_eq!(rested(Some(looked), looked + REST / 2), Some(looked + REST));
        assert_eq!(rested(Some(looked), looked + REST), None);
    }

    #[test]
    fn a_node_may_be_away_for_a_while() {
        let start = Instant::now();
        let presence = |is_connected, reason| Presence { is_connected, since: start, reason };
        let wanted =
            [("a@b", presence(false, Some(Reason::Silent))), ("c@d", presence(true, None)), ("e@f", presence(false, None))];
        let at = |time| {
            let mut look = Look::new(start + time);
            nodes(&mut look, MINUTE * 5, wanted.into_iter());
            look
        };
        let early = at(MINUTE);
        assert_eq!((texts(&early), early.next), (vec![], Some(start + MINUTE * 5)));
        let late = at(MINUTE * 7);
        assert_eq!(texts(&late), [format!("a@b away for 7 minutes: {}", Reason::Silent), "e@f away for 7 minutes".to_owned()]);
        assert!(late.found.iter().all(|alarm| alarm.since == start) && late.next.is_none());
        let mut look = Look::new(start + MINUTE * 5);
        hosts(&mut look, MINUTE * 5, [("nuc3", start), ("nuc4", start + MINUTE)].into_iter());
        assert_eq!((texts(&look), look.next), (vec!["epmd on nuc3 silent for 5 minutes".to_owned()], Some(start + MINUTE * 6)));
    }

    #[test]
    fn what_grows_is_told_until_it_has_not_for_a_while() {
        let start = Instant::now();
        let mut count = Count::default();
        let mut at =
            |minutes, now| count.grown(&mut Look::new(start + MINUTE * minutes), now).map(|(since, by)| (since - start, by));
        assert_eq!(at(0, 0), None);
        assert_eq!(at(1, 3), Some((MINUTE, 3)));
        assert_eq!(at(10, 5), Some((MINUTE, 5)));
        assert_eq!(at(19, 5), Some((MINUTE, 5)));
        assert_eq!(at(20, 5), None);
        assert_eq!(at(30, 7), Some((MINUTE * 30, 2)));
        // what counted is gone with its settings
        assert_eq!(at(31, 1), Some((MINUTE * 30, 0)));
        assert_eq!(at(32, 2), Some((MINUTE * 30, 1)));
    }

    #[test]
    fn a_disk_that_was_full_is_so_for_a_little_longer() {
        let mut was_full = false;
        let full = [89, 90, 89, 88, 87, 88, 89, 90].map(|taken| {
            was_full = taken >= full_from(90, was_full);
            was_full
        });
        assert_eq!(full, [false, true, true, true, false, false, false, true]);
    }

    #[test]
    fn a_reading_is_late_after_some_intervals_and_no_sooner_than_that() {
        let start = Instant::now();
        let at = |millis, limit| {
            let mut look = Look::new(start + Duration::from_millis(millis));
            reading(&mut look, ("cpu", start), Duration::from_secs(limit), Some("no such file"));
            // the same label for another receiver
            reading(&mut look, ("cpu", start), Duration::from_secs(limit), None);
            (texts(&look), look.next)
        };
        assert_eq!(at(4_999, 0), (vec![], Some(start + LATE)));
        assert_eq!(at(5_000, 0), (vec!["no reading cpu for 5 seconds: no such file".to_owned()], None));
        assert_eq!(at(29_999, 30), (vec![], Some(start + Duration::from_secs(30))));
        assert_eq!(at(180_000, 30).0, ["no reading cpu for 3 minutes: no such file"]);
    }

    #[test]
    fn who_cannot_be_found_and_whose_certificate_ends_has_an_alarm() {
        let start = Instant::now();
        let mut look = Look::new(start + EPMD / 2);
        hidden(&mut look, start, "no epmd");
        assert_eq!((texts(&look), look.next), (vec![], Some(start + EPMD)));
        let mut look = Look::new(start + EPMD);
        hidden(&mut look, start, "no epmd");
        assert_eq!(texts(&look), ["other nodes cannot find this one: no epmd"]);
        let at = |minutes| {
            let mut look = Look::new(start);
            ending(
                &mut look,
                start,
                (SystemTime::UNIX_EPOCH, SystemTime::UNIX_EPOCH + MINUTE * 90),
                SystemTime::UNIX_EPOCH + MINUTE * minutes,
            );
            texts(&look)
        };
        assert!(at(59).is_empty());
        assert_eq!(at(60), ["the certificate ends in 30 minutes"]);
        assert_eq!(at(91), ["the certificate has ended"]);
    }

    #[test]
    fn restarts_count_for_ten_minutes() {
        let start = Instant::now();
        let at = |minutes| start + MINUTE * minutes;
        let recent: VecDeque<Instant> = [0, 1, 2, 3].map(at).into();
        let look = |limit, minutes| {
            let (recent, last_exit) = (&recent, Some("exit status: 1"));
            let status =
                ProgramStatus { name: "p", is_running: false, since: start, restarts: 9, recent, last_exit, calls: 0, unread: 0 };
            let mut look = Look::new(at(minutes));
            programs(&mut look, limit, [status].into_iter());
            look
        };
        assert!(look(5, 3).found.is_empty() && look(5, 3).next.is_none());
        let raised = look(3, 3);
        assert_eq!(texts(&raised), ["program p restarted 4 times: exit status: 1"]);
        // the third last of them is no more among those of the last ten minutes
        assert_eq!(raised.next, Some(at(11)));
        assert_eq!(texts(&look(3, 10)), ["program p restarted 3 times: exit status: 1"]);
        assert!(look(3, 11).found.is_empty());
    }
}
