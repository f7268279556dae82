//! The readings that one receiver does not have yet.

use std::collections::VecDeque;
use std::rc::Rc;

use super::moment::Moment;

/// The bytes that a reading takes besides its value: its place, and what the allocator adds.
const AROUND: usize = 96;

/// A reading.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// Larger than that of every reading before it.
    pub(super) number: u64,
    pub(super) taken: Moment,
    /// The value, encoded.
    pub(super) value: Rc<[u8]>,
}

impl Reading {
    fn size(&self) -> usize {
        self.value.len().saturating_add(AROUND)
    }
}

/// The readings that wait to be sent, and those that were sent and are not known to have arrived.
pub(super) struct Kept {
    /// The most of either, where that is limited.
    most: Option<usize>,
    waiting: VecDeque<Reading>,
    sent: VecDeque<Reading>,
    /// The bytes of those that wait, and of those that were sent.
    bytes: [usize; 2],
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
    pub(super) fn new(most: Option<usize>) -> Self {
        Self { most, waiting: VecDeque::new(), sent: VecDeque::new(), bytes: [0; 2], asked: 0, arrived: 0, dropped: 0, untold: 0 }
    }

    /// Keeps a reading. Returns true if another had to make room, the first since that was told.
    pub(super) fn push(&mut self, reading: Reading) -> bool {
        let is_first = self.untold == 0;
        let [waiting, _] = &mut self.bytes;
        *waiting = waiting.saturating_add(reading.size());
        self.waiting.push_back(reading);
        self.make_room();
        is_first && self.untold > 0
    }

    fn make_room(&mut self) {
        while self.most.is_some_and(|most| self.waiting.len() > most) {
            self.drop_oldest();
        }
    }

    /// Drops the oldest that waits.
    pub(super) fn drop_oldest(&mut self) {
        if let Some(reading) = self.waiting.pop_front() {
            let [waiting, _] = &mut self.bytes;
            *waiting = waiting.saturating_sub(reading.size());
            self.dropped = self.dropped.saturating_add(1);
            self.untold = self.untold.saturating_add(1);
        }
    }

    pub(super) fn set_most(&mut self, most: Option<usize>) {
        self.most = most;
        self.make_room();
    }

    /// Returns the next to be sent; none while too many are not known to have arrived. `under_way` are the bytes of all that were sent,
    /// those of others included, and `limit` of all that is kept: each receiver may have one reading under way, and more while half of the
    /// memory is left.
    pub(super) fn next(&self, under_way: usize, limit: usize) -> Option<&Reading> {
        let room = if self.sent.is_empty() { limit } else { limit.wrapping_div(2) };
        self.waiting.front().filter(|_| under_way < room && self.most.is_none_or(|most| self.sent.len() < most))
    }

    /// Takes note that the next was sent. Returns its bytes.
    pub(super) fn was_sent(&mut self) -> usize {
        let Some(reading) = self.waiting.pop_front() else { return 0 };
        let size = reading.size();
        let [waiting, sent] = &mut self.bytes;
        (*waiting, *sent) = (waiting.saturating_sub(size), sent.saturating_add(size));
        self.sent.push_back(reading);
        size
    }

    /// Takes note that the question was asked whether all that were sent arrived.
    pub(super) fn ask(&mut self) {
        self.asked = self.sent.len();
    }

    /// Takes note that what was sent before the question has arrived. Returns how many that were.
    pub(super) fn have_arrived(&mut self) -> u64 {
        let arriving = self.sent.drain(..self.asked.min(self.sent.len()));
        let (arrived, bytes) = arriving
            .fold((0_u64, 0_usize), |(count, bytes), reading| (count.saturating_add(1), bytes.saturating_add(reading.size())));
        let [_, sent] = &mut self.bytes;
        *sent = sent.saturating_sub(bytes);
        self.asked = 0;
        self.arrived = self.arrived.saturating_add(arrived);
        arrived
    }

    /// Takes note that what was sent may be lost: it is to be sent again.
    pub(super) fn are_lost(&mut self) {
        self.asked = 0;
        self.sent.append(&mut self.waiting);
        core::mem::swap(&mut self.sent, &mut self.waiting);
        self.bytes = [self.bytes(), 0];
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

    /// Returns the bytes of these.
    pub(super) fn bytes(&self) -> usize {
        let [waiting, sent] = self.bytes;
        waiting.saturating_add(sent)
    }

    /// Returns the bytes of those that were sent.
    pub(super) fn under_way(&self) -> usize {
        let [_, sent] = self.bytes;
        sent
    }

    /// Returns the number of readings that were not sent, and of those that were.
    pub(super) fn counts(&self) -> [usize; 2] {
        [self.waiting.len(), self.sent.len()]
    }

    /// Returns the number of the oldest that waits.
    pub(super) fn oldest_waiting(&self) -> Option<u64> {
        self.waiting.front().map(|reading| reading.number)
    }

    /// Returns the oldest of all.
    pub(super) fn oldest(&self) -> Option<&Reading> {
        self.sent.front().or(self.waiting.front())
    }

    /// Returns true if some were sent of which it is not known whether they arrived.
    pub(super) fn are_out(&self) -> bool {
        !self.sent.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The room for these tests.
    const LIMIT: usize = 1 << 20;

    fn reading(number: u64, bytes: usize) -> Reading {
        Reading { number, taken: Moment { clock: 0, up: 0, boot: 0 }, value: vec![0; bytes].into() }
    }

    fn numbers(kept: &VecDeque<Reading>) -> Vec<u64> {
        kept.iter().map(|reading| reading.number).collect()
    }

    #[test]
    fn the_newest_are_kept_and_what_was_sent_comes_back_in_order() {
        let mut kept = Kept::new(Some(3));
        let next = |kept: &Kept| kept.next(kept.under_way(), LIMIT).map(|reading| reading.number);
        let first: Vec<bool> = (1..=5).map(|number| kept.push(reading(number, 1))).collect();
        assert_eq!(first, [false, false, false, true, false]);
        assert_eq!((numbers(&kept.waiting), kept.dropped), (vec![3, 4, 5], 2));
        kept.was_sent();
        kept.was_sent();
        kept.ask();
        kept.was_sent();
        assert_eq!((next(&kept), kept.len()), (None, 3));
        // what went before the question is known to have arrived
        assert_eq!(kept.have_arrived(), 2);
        assert_eq!((numbers(&kept.sent), kept.arrived), (vec![5], 2));
        kept.push(reading(6, 1));
        assert_eq!(next(&kept), Some(6));
        kept.are_lost();
        assert_eq!((numbers(&kept.waiting), kept.bytes), (vec![5, 6], [2 * (AROUND + 1), 0]));
        // more at once than are kept: the oldest goes
        kept.was_sent();
        kept.was_sent();
        (7..=9).for_each(|number| assert!(!kept.push(reading(number, 1))));
        kept.are_lost();
        assert_eq!((numbers(&kept.waiting), kept.dropped, kept.take_untold(), kept.take_untold()), (vec![7, 8, 9], 4, 4, 0));
        kept.set_most(Some(1));
        assert_eq!((numbers(&kept.waiting), kept.are_out(), kept.bytes()), (vec![9], false, AROUND + 1));
    }

    #[test]
    fn what_is_under_way_has_half_of_the_room_and_one_reading_has_all() {
        let mut kept = Kept::new(None);
        (1..=9).for_each(|number| assert!(!kept.push(reading(number, LIMIT / 4))));
        let is_next = |kept: &Kept, others: usize| kept.next(kept.under_way() + others, LIMIT).is_some();
        assert!(is_next(&kept, LIMIT - 1) && !is_next(&kept, LIMIT));
        assert_eq!(kept.was_sent(), LIMIT / 4 + AROUND);
        assert!(is_next(&kept, 0) && !is_next(&kept, LIMIT / 4));
        kept.was_sent();
        assert!(!is_next(&kept, 0));
        kept.ask();
        assert_eq!((kept.have_arrived(), kept.under_way(), kept.bytes()), (2, 0, 7 * (LIMIT / 4 + AROUND)));
        kept.clear();
        assert_eq!((kept.bytes(), kept.arrived, kept.len()), (0, 2, 0));
    }
}
