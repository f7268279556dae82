//! The process on a hub that is told when an alarm begins and when it is over.

use std::time::{Duration, Instant, SystemTime};

use beamless::{Error, Event, Full, Mailbox, Node, TermWriter, Written};

use super::alarm::{Alarm, Change};
use crate::cli::agent::config::{Settings, Told};
use crate::cli::agent::peers::after;
use crate::cli::agent::words;
use crate::cli::lines::limited;

/// The most changes that are kept while the node is away.
const MOST: usize = 64;
/// The time from a node being there to being told: it is connected before all that it runs is there.
const SETTLED: Duration = Duration::from_secs(2);
/// The time until it is tried again where there was no room.
const AGAIN: Duration = Duration::from_secs(1);
/// The time after which all that is raised is told anew: the process may have been started again, and know nothing any more.
const REMIND: Duration = Duration::from_secs(600);
/// The second since 1970 from which on a clock counts as set: the begin of 2020.
const SET: u64 = 1_577_836_800;

/// What is to be told.
pub(super) struct News {
    to: Option<Told>,
    /// What the process was not told: each change, and when that was.
    untold: Vec<(Change, Instant)>,
    /// The time at which it is told; there is none while its node is away.
    tell_at: Option<Instant>,
    /// The time at which all was told last, or to be told.
    told: Instant,
}

impl News {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { to: settings.health.tell.clone(), untold: Vec::new(), tell_at: None, told: Instant::now() }
    }

    /// Goes on with new settings. Another process is told of all that is raised.
    pub(super) fn apply(&mut self, settings: &Settings, alarms: &[Alarm]) {
        if self.to != settings.health.tell {
            self.to.clone_from(&settings.health.tell);
            self.untold.clear();
            self.again(alarms);
        }
    }

    /// Takes note of what happened. A node that comes up is told of all that is raised: it may know nothing any more.
    pub(super) fn handle(&mut self, event: &Event, alarms: &[Alarm]) {
        let is_there = match event {
            Event::NodeUp { node, .. } => self.to.as_ref().is_some_and(|to| to.node == node.as_str()),
            // that may have been among it
            Event::Missed(_) => true,
            _ => false,
        };
        if is_there {
            self.again(alarms);
        }
    }

    /// Has all that is raised told anew if that was long ago.
    pub(super) fn remind(&mut self, alarms: &[Alarm], now: Instant) {
        if now.saturating_duration_since(self.told) >= REMIND {
            self.told = now;
            self.again(alarms);
        }
    }

    fn again(&mut self, alarms: &[Alarm]) {
        self.add(alarms.iter().map(|alarm| Change { alarm: alarm.clone(), is_raised: true }).collect());
        // what there is nobody to tell is not waited for: that time would come, and never be over
        self.tell_at = self.to.is_some().then(|| after(SETTLED));
    }

    /// Adds changes; the last one of an alarm takes the place of those before.
    pub(super) fn add(&mut self, changes: Vec<Change>) {
        if self.to.is_none() {
            return;
        }
        for change in changes {
            self.untold.retain(|(other, _)| !other.alarm.is_of(&change.alarm));
            if self.untold.len() >= MOST {
                self.untold.remove(0);
            }
            let at = if change.is_raised { change.alarm.since } else { Instant::now() };
            self.untold.push((change, at));
            self.tell_at.get_or_insert_with(Instant::now);
        }
    }

    /// Returns when there is something to tell.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        self.tell_at
    }

    /// Tells what the process was not told, out of this mailbox, if its node is there.
    pub(super) fn turn(&mut self, node: &mut Node<'_>, mailbox: Mailbox) {
        let Some(to) = self.to.as_ref().filter(|_| self.tell_at.is_some_and(|at| at <= Instant::now())) else { return };
        self.tell_at = None;
        if !node.peers().any(|peer| peer.name.as_str() == to.node) {
            return;
        }
        let own = node.name().map_or_else(String::new, |name| name.as_str().to_owned());
        let Ok(mut out) = node.outbox(mailbox) else { return };
        while let Some((change, at)) = self.untold.first() {
            match out.send((&*to.name, &*to.node), |t| write(t, &own, change, milliseconds(*at))) {
                Ok(()) => {}
                // the node has to take what waits for it first
                Err(Error::Full(Full::Transmit { .. })) => {
                    self.tell_at = Some(after(AGAIN));
                    return;
                }
                Err(e) => limited!(
                    warn,
                    &to.node,
                    "alarms that were not told",
                    "{} is not told of an alarm: {}",
                    to.name,
                    words::error(&e)
                ),
            }
            self.untold.remove(0);
        }
    }
}

/// Returns the milliseconds from 1970 to a time, if the clock is set.
fn milliseconds(at: Instant) -> Option<i64> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok().filter(|now| now.as_secs() >= SET)?;
    i64::try_from(now.saturating_sub(at.elapsed()).as_millis()).ok()
}

/// Writes `{health, Node, Alarm, raised | cleared, Name, Text, Milliseconds}`.
fn write<'t, 'b>(t: &'t mut TermWriter<'b>, own: &str, change: &Change, at: Option<i64>) -> Written<'t, 'b> {
    let Change { alarm, is_raised } = change;
    t.tuple(7)?.atom("health")?.atom(own)?.atom(alarm.kind.name())?;
    t.atom(if *is_raised { "raised" } else { "cleared" })?.str(&alarm.name)?.str(&alarm.text())?;
    match at {
        Some(at) => t.int(at),
        None => t.atom("undefined"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::agent::health::alarm::Kind;

    #[test]
    fn what_is_raised_is_told_anew() {
        let to = Told { name: "collector".to_owned(), node: "hub@nuc3".to_owned() };
        let start = Instant::now();
        let mut news = News { to: Some(to), untold: Vec::new(), tell_at: None, told: start };
        let what = "the disk is full to 91 %".to_owned();
        let alarm = Alarm { kind: Kind::DiskFull, name: String::new(), since: start, what, why: String::new() };
        let mut at = |seconds| {
            news.remind(std::slice::from_ref(&alarm), start + Duration::from_secs(seconds));
            let told: Vec<(Change, Instant)> = core::mem::take(&mut news.untold);
            told.into_iter().map(|(change, at)| (change.alarm.kind, change.is_raised, at == start)).collect::<Vec<_>>()
        };
        assert_eq!(at(599), []);
        assert_eq!(at(600), [(Kind::DiskFull, true, true)]);
        assert_eq!((at(660), at(1199)), (vec![], vec![]));
        assert_eq!(at(1200).len(), 1);
    }

    /// A time that nobody takes note of when it has come is one for which the agent turns without end.
    #[test]
    fn where_nobody_is_told_nothing_is_waited_for() {
        let start = Instant::now();
        let mut news = News { to: None, untold: Vec::new(), tell_at: None, told: start };
        news.remind(&[], start + REMIND);
        assert_eq!((news.next_wake(), news.told), (None, start + REMIND));
        news.handle(&Event::Missed(1), &[]);
        assert_eq!(news.next_wake(), None);
        news.to = Some(Told { name: "collector".to_owned(), node: "hub@nuc3".to_owned() });
        news.handle(&Event::Missed(1), &[]);
        assert!(news.next_wake().is_some());
    }
}
