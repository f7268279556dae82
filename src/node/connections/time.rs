//! The passing of time: ticks and silence, handshakes that take too long, and peers that are held up.

use core::time::Duration;

use super::node::Node;
use crate::error::Reason;
use crate::node::core::state::Core;
use crate::node::tables::event::Event;
use crate::node::tables::half_open::PATIENCE;
use crate::node::tables::links::{Link, Phase};
use crate::proto::link::{BEATS, Beat};
use crate::storage::slots::Key;
use crate::time::{Instant, Times, sooner};

/// The time for which a peer is held up before that is told.
const HELD: Duration = Duration::from_secs(1);

/// The events about handshakes that took too long, of one call. Many begin together and end together, and the program is to read of each.
const LATE: usize = 4;

/// The calls of whoever moves the bytes when time has passed.
impl Node<'_> {
    /// Returns the time at which [`Node::handle_timeout`] is to be called next: at once, after what there is to read, if that time has passed. `None`: nothing
    /// waits for time.
    pub fn poll_timeout(&self) -> Option<Instant> {
        const AT_ONCE: Instant = Instant::from_millis(0);
        let held = !self.core.far.ledger.stalled.is_empty();
        if self.core.flow.pay || self.core.flow.resume && held {
            return Some(AT_ONCE);
        }
        let beat = if self.core.far.links.table.is_empty() { None } else { Some(self.next_beat.unwrap_or(AT_ONCE)) };
        let tell = if held { Some(self.core.far.ledger.tell_at) } else { None };
        let way = if self.dial_waits { self.way_at() } else { None };
        let (limit, lines) = (self.core.next_limit(), self.core.lines.poll_timeout());
        sooner(sooner(sooner(beat, tell), sooner(way, self.half_open.poll_timeout())), sooner(limit, lines))
    }

    /// Does what time calls for: ends handshakes that took too long, sends ticks, notices silence, and lets peers go on
    /// whose mailbox has room again. While others wait for a place, an attempt that [`Node::connect`] asked for and that heard nothing for two
    /// seconds is given up for them.
    ///
    /// To be called after the bytes that have come by `now` were given to the node ([`Node::handle_bytes`]): what lies unread is taken for what
    /// did not come, and after a pause a call would end with a timeout though its answer is there.
    ///
    /// While a turn leaves something unread, `now` may be the time of the last one that left nothing: what was to be over by then is, and what
    /// begins does so at the latest time that the node was told, as by [`Node::poll_dial`].
    pub fn handle_timeout(&mut self, now: Instant) {
        let times = Times { now: self.core.lines.now.max(now), read: now };
        self.core.lines.handle_timeout(times.now);
        self.half_open.settle(self.core.identity.config.setup_time, times.now);
        if self.dial_waits {
            self.make_way(times);
        }
        let mut news = 0_usize;
        while let Some(late) = if news < LATE { self.half_open.late(times.read) } else { None } {
            let before = self.core.events.len();
            self.half_open_late(late, times.now);
            news = news.saturating_add(self.core.events.len().abs_diff(before));
        }
        match self.next_beat {
            Some(beat) if times.read < beat => {}
            Some(_) => self.handle_beat(times),
            None => {
                self.beat_at = times.now.after(self.beat_time());
                self.next_beat = Some(self.beat_at);
            }
        }
        self.core.expire(times);
        if core::mem::take(&mut self.core.flow.pay) {
            self.core.pay();
            self.group(times);
        }
        if core::mem::take(&mut self.core.flow.resume) {
            self.resume();
        }
        if !self.core.far.ledger.stalled.is_empty() {
            self.tell_held(times);
        }
    }
}

impl Node<'_> {
    fn beat_time(&self) -> Duration {
        self.core.identity.config.tick_time.checked_div(BEATS).unwrap_or_default()
    }

    /// Does what is due at the time that stands as the next beat, which may be for the groups.
    #[cold]
    fn handle_beat(&mut self, times: Times) {
        if self.beat_at <= times.read {
            self.beat_at = times.now.after(self.beat_time());
            self.beat();
        }
        self.next_beat = Some(self.beat_at);
        self.group(times);
    }

    /// Does what groups and global names wait for time with.
    #[cold]
    fn group(&mut self, times: Times) {
        let next = |core: &Core<'_>| core.cluster.as_ref().and_then(|cluster| cluster.book().next);
        if next(&self.core).is_some_and(|at| at <= times.read) {
            self.core.cluster(|cluster, core| cluster.act(core, Some(times)));
        }
        self.next_beat = sooner(self.next_beat, next(&self.core));
    }

    /// Gives up an attempt that heard nothing for a while, if somebody waits for its place: the one that has been silent longest.
    #[cold]
    fn make_way(&mut self, times: Times) {
        if self.way_at().is_none_or(|at| at > times.read) {
            return;
        }
        self.dial_waits = false;
        if let Some(key) = self.silent_longest() {
            self.half_open_late(key, times.now);
        }
    }

    /// Returns when [`Node::make_way`] has something to do.
    fn way_at(&self) -> Option<Instant> {
        let longest = if self.dial_waits { self.silent_longest() } else { None };
        longest.and_then(|key| self.half_open.at(key)).map(|half| half.since.after(PATIENCE))
    }

    fn silent_longest(&self) -> Option<Key> {
        let unheard = self.half_open.tenants().filter(|(_, half)| half.may_make_way());
        unheard.min_by_key(|(_, half)| half.since).map(|(key, _)| key)
    }

    /// Counts a quarter of the tick time as passed, for every connection.
    fn beat(&mut self) {
        for index in self.core.far.links.table.indexes() {
            let Some(key) = self.core.far.links.table.key_at(index) else { continue };
            let Some(link) = self.core.far.links.table.at_mut(key) else { continue };
            if matches!(link.phase, Phase::Opening | Phase::Gone) {
                continue;
            }
            link.idle = link.idle.saturating_add(1);
            match link.state.beat(link.stalled.is_none() && link.is_up(), !link.sending.is_empty()) {
                Beat::Fine => {}
                Beat::Tick => self.core.far.links.tick(key),
                Beat::Silent => self.down(key, Reason::Silent),
            }
            if self.is_idle(key) {
                self.close_link(key, Reason::Idle);
            }
        }
    }

    /// Returns true if a connection is there for nothing.
    fn is_idle(&mut self, key: Key) -> bool {
        let Some(time) = self.core.identity.config.idle_time else { return false };
        // what was received and waits for room in a mailbox would be lost with the connection
        let rests = |link: &&Link| link.is_up() && link.received.is_empty();
        let idle = self.core.far.links.table.at(key).filter(rests).map_or(0, |link| link.idle);
        // the first of these quarters had begun when the last message went
        self.beat_time().saturating_mul(idle.saturating_sub(1)) >= time
            && !self.core.far.links.table.at(key).is_some_and(Link::is_tied)
            && self.core.cluster(|cluster, _| cluster.is_known_by(key)) != Some(true)
    }

    /// Lets held up peers go on, each in its turn: one that is held up again has its next behind the others.
    fn resume(&mut self) {
        for _ in 0..self.core.far.ledger.stalled.len() {
            let Some(index) = self.core.far.ledger.stalled.pop(&mut self.core.far.links.table) else { return };
            self.core.far.links.table.stir(index);
            let Some(key) = self.core.far.links.table.key_at(index) else { continue };
            let Some(link) = self.core.far.links.table.at_mut(key) else { continue };
            link.stalled = None;
            let before = link.received.len();
            self.pump(key);
            match self.core.far.links.table.at_mut(key) {
                // it moves
                Some(link) if link.received.len() < before || link.stalled.is_none() => link.tell = None,
                _ => {}
            }
        }
    }

    /// Reports peers that have been held up for a while; that it happens for moments is how flow is controlled.
    fn tell_held(&mut self, times: Times) {
        const NEVER: Instant = Instant::from_millis(u64::MAX);
        self.core.far.ledger.tell_at = NEVER;
        let mut next = self.core.far.ledger.stalled.first();
        while let Some(index) = next {
            next = self.core.far.ledger.stalled.next(&mut self.core.far.links.table, index);
            let Some(link) = self.core.far.links.table.tenant_mut(index) else { continue };
            let at = *link.tell.get_or_insert(times.now.after(HELD));
            if let (true, Some(stall)) = (at <= times.read, link.stalled) {
                link.tell = Some(NEVER);
                let by = self.core.inboxes.held_by(stall);
                self.core.events.push(Event::Held { node: link.name.clone(), by });
            } else {
                self.core.far.ledger.tell_at = self.core.far.ledger.tell_at.min(at);
            }
        }
    }
}
