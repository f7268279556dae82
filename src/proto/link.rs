//! A connection after its handshake: ticks both ways, silence, and frames that are skipped.
//!
//! Time comes in beats, four to a tick time (`net_ticktime`), as a BEAM does it: a message costs two flags and no clock.

/// Beats without a byte after which the peer is silent: a tick time at least, and a quarter more at most.
const SILENT_BEATS: u8 = 4;
/// Beats in a tick time.
pub(crate) const BEATS: u32 = 4;

/// The state of one link between beats.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pulse {
    /// Bytes of an oversized frame still to come.
    skip: u64,
    /// Beats in a row in which nothing came.
    quiet: u8,
    received: bool,
    sent: bool,
    /// The network took bytes that waited for the peer.
    taken: bool,
    /// Something was sent since the peer's last tick.
    spoke: bool,
}

/// The action that a beat calls for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beat {
    /// Traffic speaks for itself.
    Fine,
    /// Nothing was sent: a tick is due.
    Tick,
    /// The peer has been silent for a whole tick time.
    Silent,
}

impl Pulse {
    /// Counts any bytes, whole frame or not, as a sign of life.
    #[inline]
    pub(crate) fn received(&mut self) {
        self.received = true;
    }

    #[inline]
    pub(crate) fn sent(&mut self) {
        self.sent = true;
        self.spoke = true;
    }

    /// Notes that the network has taken bytes for the peer.
    #[inline]
    pub(crate) fn taken(&mut self) {
        self.taken = true;
    }

    /// Notes that a tick was sent, which does not stand in for the next one.
    pub(crate) fn ticked(&mut self) {
        self.spoke = true;
    }

    /// Returns true if the peer's tick wants one back: when nothing was sent since its last. So a peer with a shorter tick time than ours
    /// hears of us in time, and two of us do not tick each other for ever.
    pub(crate) fn answers_tick(&mut self) -> bool {
        !core::mem::take(&mut self.spoke)
    }

    /// Returns a quarter of the tick time has passed. A peer we do not read from (`reading`) is alive as long as it takes what `waits` for
    /// it.
    pub(crate) fn beat(&mut self, reading: bool, waits: bool) -> Beat {
        let received = core::mem::take(&mut self.received);
        let sent = core::mem::take(&mut self.sent);
        let taken = core::mem::take(&mut self.taken);
        let alive = received || (!reading && (taken || !waits));
        self.quiet = if alive { 0 } else { self.quiet.saturating_add(1) };
        if self.quiet > SILENT_BEATS {
            Beat::Silent
        } else if sent {
            Beat::Fine
        } else {
            Beat::Tick
        }
    }

    /// Begins to skip this many bytes.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.skip = bytes;
    }

    /// Returns true in the middle of a frame that is skipped.
    #[inline]
    pub(crate) fn is_skipping(&self) -> bool {
        self.skip > 0
    }

    /// Returns how many of `available` bytes belong to a frame that is skipped.
    #[inline]
    pub(crate) fn skips(&mut self, available: usize) -> usize {
        if self.skip == 0 {
            return 0;
        }
        let now = usize::try_from(self.skip).unwrap_or(usize::MAX).min(available);
        self.skip = self.skip.saturating_sub(now as u64);
        now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_after_a_tick_time_and_before_a_quarter_more() {
        let mut link = Pulse::default();
        link.received();
        // the beat in which the last byte came, then four whole ones
        assert_eq!([(); 5].map(|()| link.beat(true, false)), [Beat::Tick; 5]);
        assert_eq!(link.beat(true, false), Beat::Silent);
        let mut held = Pulse::default();
        assert!((0..100).all(|_| held.beat(false, false) == Beat::Tick));
        // not read from, and it does not take what waits for it either
        assert!((0..4).all(|_| held.beat(false, true) != Beat::Silent));
        assert_eq!(held.beat(false, true), Beat::Silent);
        held.taken();
        assert_ne!(held.beat(false, true), Beat::Silent);
    }

    #[test]
    fn a_tick_is_answered_once() {
        let (mut a, mut b) = (Pulse::default(), Pulse::default());
        a.ticked();
        assert!(b.answers_tick());
        b.ticked();
        assert!(!a.answers_tick());
        // what b sent was its answer to a's tick; the next tick of a is answered again
        assert!(!b.answers_tick() && b.answers_tick());
    }

    #[test]
    fn skips_what_it_was_told_to() {
        let mut link = Pulse::default();
        link.skip(10);
        assert_eq!((link.skips(4), link.skips(100), link.skips(100)), (4, 6, 0));
    }

    #[test]
    fn what_was_sent_is_a_tick_of_its_own() {
        let mut link = Pulse::default();
        link.received();
        link.sent();
        // and it stands in for the answer to one
        assert!(!link.answers_tick() && link.answers_tick());
        assert_eq!((link.beat(true, false), link.beat(true, false)), (Beat::Fine, Beat::Tick));
    }

    #[test]
    fn skips_to_the_end_of_a_frame_and_no_further() {
        let mut link = Pulse::default();
        assert!(!link.is_skipping());
        link.skip(2);
        assert_eq!(
            (link.is_skipping(), link.skips(1), link.is_skipping(), link.skips(1), link.is_skipping()),
            (true, 1, true, 1, false)
        );
    }
}
