//! What a person should know of: found by each look anew, and told when it begins and when it is over.

use std::time::{Duration, Instant};

use crate::cli::agent::words::roughly;
use crate::cli::lines::limited;

/// The kinds of alarms, the most important first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::cli::agent) enum Kind {
    LastConfiguration,
    NoEpmd,
    NodeAway,
    ProgramRestarts,
    ReadingOverdue,
    ReadingsDropped,
    DiskFull,
    DiskFailed,
    Certificate,
    LogDropped,
}

impl Kind {
    /// Returns its name for other programs.
    pub(in crate::cli::agent) fn name(self) -> &'static str {
        match self {
            Self::LastConfiguration => "last_configuration",
            Self::NoEpmd => "no_epmd",
            Self::NodeAway => "node_away",
            Self::ProgramRestarts => "program_restarts",
            Self::ReadingOverdue => "reading_overdue",
            Self::ReadingsDropped => "readings_dropped",
            Self::DiskFull => "disk_full",
            Self::DiskFailed => "disk_failed",
            Self::Certificate => "certificate",
            Self::LogDropped => "log_dropped",
        }
    }
}

/// Something that a person should know of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::agent) struct Alarm {
    pub(in crate::cli::agent) kind: Kind,
    /// The node, the mailbox or the reading that it is of; empty where it is of the box.
    pub(in crate::cli::agent) name: String,
    /// The time since which it is so.
    pub(in crate::cli::agent) since: Instant,
    /// What is wrong, in few words.
    pub(in crate::cli::agent) what: String,
    /// The reason, if there is one.
    pub(in crate::cli::agent) why: String,
}

impl Alarm {
    pub(super) fn is_of(&self, other: &Self) -> bool {
        (self.kind, &self.name) == (other.kind, &other.name)
    }

    /// Returns the words for the log.
    pub(in crate::cli::agent) fn text(&self) -> String {
        let between = if self.why.is_empty() { "" } else { ": " };
        format!("{}{between}{}", self.what, self.why)
    }
}

/// A look at everything: what it found, and when the next one is due.
pub(super) struct Look {
    pub(super) now: Instant,
    pub(super) found: Vec<Alarm>,
    pub(super) next: Option<Instant>,
}

impl Look {
    pub(super) fn new(now: Instant) -> Self {
        Self { now, found: Vec::new(), next: None }
    }

    /// Returns true if so much time has passed since then; else the next look is due when it has.
    pub(super) fn has_passed(&mut self, since: Instant, time: Duration) -> bool {
        let Some(at) = since.checked_add(time) else { return false };
        let has_passed = at <= self.now;
        if !has_passed {
            self.next = self.next.into_iter().chain([at]).min();
        }
        has_passed
    }

    pub(super) fn raise(&mut self, kind: Kind, name: &str, since: Instant, what: String, why: String) {
        let alarm = Alarm { kind, name: name.to_owned(), since, what, why };
        // two readings may have one label
        if !self.found.iter().any(|other| other.is_of(&alarm)) {
            self.found.push(alarm);
        }
    }
}

/// Something began, or is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) alarm: Alarm,
    pub(super) is_raised: bool,
}

/// Returns what changed from one look to the next, and logs it. `before` becomes what was found now, the most important first.
pub(super) fn changes(before: &mut Vec<Alarm>, mut look: Look) -> Vec<Change> {
    look.found.sort_by_key(|alarm| alarm.kind);
    let before = core::mem::replace(before, look.found.clone());
    let is_in = |alarm: &Alarm, alarms: &[Alarm]| alarms.iter().any(|other| other.is_of(alarm));
    let over = before.iter().filter(|alarm| !is_in(alarm, &look.found)).map(|alarm| (alarm, false));
    let begun = look.found.iter().filter(|alarm| !is_in(alarm, &before)).map(|alarm| (alarm, true));
    let changes: Vec<Change> = over.chain(begun).map(|(alarm, is_raised)| Change { alarm: alarm.clone(), is_raised }).collect();
    for Change { alarm, is_raised } in &changes {
        if *is_raised {
            limited!(warn, &alarm.name, "alarms", "alarm: {}", alarm.text());
        } else {
            let time = roughly(look.now.saturating_duration_since(alarm.since));
            limited!(info, &alarm.name, "alarms that are over", "alarm over after {time}: {}", alarm.what);
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_begins_and_ends_once_and_the_most_important_is_first() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut alarms = Vec::new();
        let mut turn = |names: &[&str], seconds| {
            let mut look = Look::new(after(seconds));
            look.raise(Kind::DiskFull, "", start, "full".to_owned(), String::new());
            names.iter().for_each(|name| look.raise(Kind::NodeAway, name, start, format!("{name} away"), "why".to_owned()));
            let changes = changes(&mut alarms, look);
            let texts: Vec<String> = alarms.iter().map(Alarm::text).collect();
            let changes: Vec<(String, bool)> = changes.into_iter().map(|change| (change.alarm.name, change.is_raised)).collect();
            (changes, texts.join("; "))
        };
        let of = |name: &str, is_raised| (name.to_owned(), is_raised);
        assert_eq!(turn(&["a@b"], 0), (vec![of("a@b", true), of("", true)], "a@b away: why; full".to_owned()));
        assert_eq!(turn(&["a@b"], 1).0, []);
        assert_eq!(turn(&["c@d"], 2).0, [of("a@b", false), of("c@d", true)]);
        assert_eq!(turn(&[], 3), (vec![of("c@d", false)], "full".to_owned()));
    }

    #[test]
    fn the_next_look_is_when_the_first_of_the_times_has_passed() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut look = Look::new(start);
        assert!(!look.has_passed(start, second * 3) && !look.has_passed(start, second) && !look.has_passed(start, second * 2));
        assert_eq!(look.next, Some(start + second));
        assert!(Look::new(start + second).has_passed(start, second));
    }
}
