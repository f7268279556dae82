//! A ring of whole records: each lies in one piece, so that it can be read where it is.

/// The record's length stands in front of it; this one says that the next record is at the buffer's start.
const WRAP: u32 = u32::MAX;
const HEADER: usize = 4;

/// The beginning and the end of the records. The buffer itself is handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ring {
    head: usize,
    tail: usize,
    /// Records in it. Tells empty from full when head and tail meet.
    count: u32,
}

impl Ring {
    pub(crate) const EMPTY: Self = Self { head: 0, tail: 0, count: 0 };

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds a record of `len` bytes and gives it to be filled; `None` if it does not fit now.
    #[inline]
    pub(crate) fn push<'b>(&mut self, buf: &'b mut [u8], len: usize) -> Option<&'b mut [u8]> {
        let size = len.checked_add(HEADER)?;
        let header = u32::try_from(len).ok().filter(|len| *len != WRAP)?;
        let at = self.place(buf, size)?;
        let end = at.checked_add(size)?;
        self.tail = end;
        self.count = self.count.saturating_add(1);
        let (head, record) = buf.get_mut(at..end)?.split_first_chunk_mut::<HEADER>()?;
        *head = header.to_le_bytes();
        Some(record)
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
        let mut len = header(buf, self.head);
        if len.is_none_or(|len| len == WRAP) {
            self.head = 0;
            len = header(buf, 0);
        }
        let start = self.head.saturating_add(HEADER);
        let end = start.saturating_add(usize::try_from(len?).ok()?);
        self.head = end;
        buf.get(start..end)
    }
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
