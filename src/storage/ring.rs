//! A ring of whole records: each lies in one piece, so that it can be read where it is. Mostly the oldest is taken; one behind it can be,
//! too, whose bytes are free once those in front of it are taken, or when room is needed.

use crate::wire::cursor::slide;

/// The record's length stands in front of it; this one says that the next record is at the buffer's start.
const WRAP: u32 = u32::MAX;
/// The bit in the length of a record that was taken from behind others.
const DEAD: u32 = 1 << 30;
const HEADER_BYTES: u32 = 4;
const HEADER: usize = HEADER_BYTES as usize;

/// The beginning and the end of the records. The buffer itself is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ring {
    head: usize,
    tail: usize,
    /// Records in it, the dead included. Tells empty from full when head and tail meet. The oldest is never dead.
    count: u32,
    /// Bytes of those that are dead.
    dead: u32,
    /// The place of the header of a record that was taken from behind others, and is not marked as dead yet.
    taken: u32,
}

/// No record.
const NONE: u32 = u32::MAX;

impl Ring {
    pub(crate) const EMPTY: Self = Self { head: 0, tail: 0, count: 0, dead: 0, taken: NONE };

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Returns how many of the `size` bytes of its buffer are free.
    #[inline]
    pub(crate) fn free(&self, size: usize) -> usize {
        let used = match self.tail.checked_sub(self.head) {
            _ if self.count == 0 => 0,
            Some(used @ 1..) => used,
            _ => size.saturating_sub(self.head.saturating_sub(self.tail)),
        };
        size.saturating_sub(used).saturating_add(self.dead as usize)
    }

    /// Adds a record of `len` bytes and gives it to be filled; `None` if it does not fit now.
    #[inline]
    pub(crate) fn push<'b>(&mut self, buf: &'b mut [u8], len: usize) -> Option<&'b mut [u8]> {
        let size = len.checked_add(HEADER)?;
        let at = match self.place(buf, size) {
            Some(at) => at,
            None => self.squeeze(buf, size)?,
        };
        self.begin(buf, at, len)
    }

    /// Begins a record of `len` bytes at a place that there is for it, and gives it to be filled.
    #[inline]
    fn begin<'b>(&mut self, buf: &'b mut [u8], at: usize, len: usize) -> Option<&'b mut [u8]> {
        let header = u32::try_from(len).ok().filter(|len| *len < DEAD)?;
        // the place is in the buffer, so these lie far from the end of the numbers
        let end = at.wrapping_add(HEADER).wrapping_add(len);
        let (place, room) = buf.get_mut(at..end)?.split_first_chunk_mut::<HEADER>()?;
        *place = header.to_le_bytes();
        self.tail = end;
        self.count = self.count.wrapping_add(1);
        Some(room)
    }

    /// Finds a place for a record of so many bytes, for which there is none in one piece: what is free may be in two, or lie between records.
    #[cold]
    fn squeeze(&mut self, buf: &mut [u8], size: usize) -> Option<usize> {
        if !self.behind() && self.free(buf.len()) < size {
            return None;
        }
        self.compact(buf);
        self.place(buf, size)
    }

    /// Returns true if records were taken from behind others.
    #[inline]
    fn behind(&self) -> bool {
        self.dead > 0 || self.taken != NONE
    }

    /// Marks the record that was taken from behind others as dead. Until then it can be put back.
    #[inline]
    pub(crate) fn settle(&mut self, buf: &mut [u8]) {
        if self.taken != NONE {
            self.bury(buf);
        }
    }

    #[cold]
    fn bury(&mut self, buf: &mut [u8]) {
        let at = core::mem::replace(&mut self.taken, NONE) as usize;
        let Some(place) = buf.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<HEADER>()) else { return };
        let len = u32::from_le_bytes(*place);
        *place = (len | DEAD).to_le_bytes();
        self.dead = self.dead.saturating_add(len).saturating_add(HEADER_BYTES);
        // so that looking for one that is alive costs no more than what there is
        if self.dead as usize > buf.len() / 2 {
            self.compact(buf);
        }
    }

    /// Moves all records together that are not dead, in their order, so that what is free is in one piece.
    #[cold]
    fn compact(&mut self, buf: &mut [u8]) {
        self.settle(buf);
        for _ in 0..self.count {
            let Some((start, len, is_dead)) = locate(buf, self.head) else { return };
            self.head = start.saturating_add(len);
            self.count = self.count.saturating_sub(1);
            if is_dead {
                continue;
            }
            // there is room where it was, if not in front of that; its header there lies in front of its bytes here
            let Some(at) = self.place(buf, len.saturating_add(HEADER)) else { return };
            if self.begin(buf, at, len).is_none() {
                return;
            }
            slide(buf, start..start.saturating_add(len), at.saturating_add(HEADER));
        }
        self.dead = 0;
    }

    /// Finds room for `size` bytes in one piece, and returns where it begins.
    fn place(&mut self, buf: &mut [u8], size: usize) -> Option<usize> {
        if self.count == 0 {
            *self = Self::EMPTY;
        }
        let full = self.count > 0 && self.tail == self.head;
        if self.tail < self.head || full {
            return (self.head.saturating_sub(self.tail) >= size && !full).then_some(self.tail);
        }
        if buf.len().saturating_sub(self.tail) >= size {
            return Some(self.tail);
        }
        if self.head < size {
            return None;
        }
        if let Some(mark) = buf.get_mut(self.tail..).and_then(|rest| rest.first_chunk_mut::<HEADER>()) {
            *mark = WRAP.to_le_bytes();
        }
        Some(0)
    }

    /// Takes the oldest record out. Its bytes stay as they are until the next [`Ring::push`].
    #[inline]
    pub(crate) fn pop<'b>(&mut self, buf: &'b [u8]) -> Option<&'b [u8]> {
        self.count = self.count.checked_sub(1)?;
        let (start, len, _) = locate(buf, self.head)?;
        // a record lies in the buffer
        let end = start.wrapping_add(len);
        self.head = end;
        if self.dead > 0 {
            self.skip_dead(buf);
        }
        buf.get(start..end)
    }

    /// Gives up the bytes of the dead records behind the one that was taken.
    #[cold]
    fn skip_dead(&mut self, buf: &[u8]) {
        while self.count > 0 {
            let Some((start, len, true)) = locate(buf, self.head) else { return };
            self.head = start.saturating_add(len);
            self.count = self.count.saturating_sub(1);
            self.dead = self.dead.saturating_sub(u32::try_from(len.saturating_add(HEADER)).unwrap_or(0));
        }
    }

    /// Takes out the oldest record that is wanted; those in front of it stay where they are.
    #[cold]
    pub(crate) fn take<'b>(&mut self, buf: &'b [u8], wanted: impl Fn(&[u8]) -> bool) -> Option<&'b [u8]> {
        let mut at = self.head;
        for number in 0..self.count {
            let (start, len, is_dead) = locate(buf, at)?;
            at = start.saturating_add(len);
            let record = buf.get(start..at)?;
            if is_dead || !wanted(record) {
                continue;
            }
            if number == 0 {
                return self.pop(buf);
            }
            self.taken = u32::try_from(start.saturating_sub(HEADER)).ok()?;
            return Some(record);
        }
        None
    }

    /// Calls `each` with every record that is there.
    pub(crate) fn each(&self, buf: &[u8], mut each: impl FnMut(&[u8])) {
        let mut at = self.head;
        for _ in 0..self.count {
            let Some((start, len, is_dead)) = locate(buf, at) else { return };
            at = start.saturating_add(len);
            if let Some(record) = buf.get(start..at).filter(|_| !is_dead) {
                each(record);
            }
        }
    }
}

/// Returns where the record begins whose header is at `at`, or else at the buffer's start; its length; and true if it is dead.
#[inline]
fn locate(buf: &[u8], at: usize) -> Option<(usize, usize, bool)> {
    let (at, header) = match header(buf, at) {
        Some(header) if header != WRAP => (at, header),
        _ => (0, header(buf, 0)?),
    };
    Some((at.wrapping_add(HEADER), (header & !DEAD) as usize, header & DEAD > 0))
}

/// Returns the header at `at`; `None` where the buffer ends before one fits.
#[inline]
fn header(buf: &[u8], at: usize) -> Option<u32> {
    buf.get(at..).and_then(|rest| rest.first_chunk::<HEADER>()).map(|len| u32::from_le_bytes(*len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn behaves_as_a_queue_of_limited_bytes() {
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for size in [16, 61, 64, 200] {
            let (mut buf, mut ring, mut model) = (vec![0; size], Ring::EMPTY, VecDeque::<Vec<u8>>::new());
            for round in (0..=255_u8).cycle().take(20_000) {
                if random(5) < 3 {
                    let record = vec![round; random(40) as usize];
                    match ring.push(&mut buf, record.len()) {
                        Some(room) => {
                            room.copy_from_slice(&record);
                            model.push_back(record);
                        }
                        // a record that fits an empty ring is refused only by one that is not
                        None => assert!(!model.is_empty() || record.len() + HEADER > size),
                    }
                } else {
                    assert_eq!(ring.pop(&buf).map(<[u8]>::to_vec), model.pop_front());
                }
                assert_eq!(ring.count as usize, model.len());
            }
        }
    }

    /// Records are taken from anywhere in it: the others keep their order, and no room is lost for long.
    #[test]
    fn behaves_as_a_queue_from_whose_middle_some_are_taken() {
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for size in [61, 64, 200, 1000] {
            let (mut buf, mut ring, mut model) = (vec![0; size], Ring::EMPTY, VecDeque::<Vec<u8>>::new());
            let mut refused = 0;
            for round in (0..=255_u8).cycle().take(40_000) {
                ring.settle(&mut buf);
                match random(5) {
                    0..=2 => {
                        // the first byte tells whose it is
                        let mut record = vec![round; 1 + random(40) as usize];
                        record[0] = random(3) as u8;
                        let used: usize = model.iter().map(|record| record.len() + HEADER).sum();
                        // what is left at the buffer's end for want of room for a record is not free
                        assert!(ring.free(size) + used <= size && ring.free(size) + used + 2 * 44 >= size);
                        match ring.push(&mut buf, record.len()) {
                            Some(room) => {
                                room.copy_from_slice(&record);
                                model.push_back(record);
                            }
                            None => refused += 1,
                        }
                    }
                    3 => assert_eq!(ring.pop(&buf).map(<[u8]>::to_vec), model.pop_front()),
                    _ => {
                        let (whose, keeps, before) = (random(3) as u8, random(4) > 0, ring);
                        let taken = ring.take(&buf, |record| record[0] == whose).map(<[u8]>::to_vec);
                        let at = model.iter().position(|record| record[0] == whose);
                        assert_eq!(taken.as_ref(), at.and_then(|at| model.get(at)));
                        if keeps {
                            at.map(|at| model.remove(at));
                        } else {
                            ring = before;
                        }
                    }
                }
                let (mut all, mut copy, mut settled) = (VecDeque::new(), buf.clone(), ring);
                settled.settle(&mut copy);
                settled.each(&copy, |record| all.push_back(record.to_vec()));
                assert_eq!(all, model);
                assert_eq!(ring.is_empty(), model.is_empty());
            }
            assert!(refused > 1000);
        }
    }

    #[test]
    fn a_put_back_is_the_ring_as_it_was() {
        let (mut buf, mut ring) = ([0; 64], Ring::EMPTY);
        ring.push(&mut buf, 3).unwrap().copy_from_slice(b"abc");
        let before = ring;
        assert_eq!(ring.pop(&buf), Some(&b"abc"[..]));
        ring = before;
        assert_eq!(ring.pop(&buf), Some(&b"abc"[..]));
        assert!(ring.pop(&buf).is_none());
    }
}
