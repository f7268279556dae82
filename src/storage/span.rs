//! The filled part of a buffer that is filled at its end and emptied at its front.

use crate::wire::cursor::slide;

/// The beginning and the end of the bytes in use. The buffer itself is handed in, since all memory is the caller's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    start: usize,
    end: usize,
}

impl Span {
    pub(crate) const EMPTY: Self = Self { start: 0, end: 0 };

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.end == self.start
    }

    /// Returns the bytes in use.
    #[inline]
    pub(crate) fn filled<'b>(&self, buf: &'b [u8]) -> &'b [u8] {
        buf.get(self.start..self.end).unwrap_or(&[])
    }

    /// Returns the bytes in use, to be changed.
    pub(crate) fn filled_mut<'b>(&self, buf: &'b mut [u8]) -> &'b mut [u8] {
        buf.get_mut(self.start..self.end).unwrap_or(&mut [])
    }

    /// Returns the free bytes, all behind those in use.
    ///
    /// What is in use moves to the front first. Between two moves the front was emptied, so a byte moves about once
    /// for every read or write of the system that emptied it.
    #[inline]
    pub(crate) fn room<'b>(&mut self, buf: &'b mut [u8]) -> &'b mut [u8] {
        if self.start > 0 {
            if self.start < self.end {
                slide(buf, self.start..self.end, 0);
            }
            self.end = self.len();
            self.start = 0;
        }
        buf.get_mut(self.end..).unwrap_or(&mut [])
    }

    /// Counts `len` bytes that were written into the room as in use.
    #[inline]
    pub(crate) fn fill(&mut self, len: usize) {
        self.end = self.end.saturating_add(len);
    }

    /// Puts `bytes` in front of those in use; if there is no room for them nothing happens.
    pub(crate) fn precede(&mut self, buf: &mut [u8], bytes: &[u8]) {
        if self.room(buf).len() < bytes.len() {
            return;
        }
        // the first move made them begin at the front
        slide(buf, 0..self.end, bytes.len());
        if let Some(front) = buf.get_mut(..bytes.len()) {
            front.copy_from_slice(bytes);
        }
        self.fill(bytes.len());
    }

    /// Gives up all but the first `len` bytes.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.end = self.start.saturating_add(len).min(self.end);
    }

    /// Gives up `len` bytes at the front.
    #[inline]
    pub(crate) fn consume(&mut self, len: usize) {
        self.start = self.start.saturating_add(len).min(self.end);
        if self.start == self.end {
            *self = Self::EMPTY;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_at_the_end_and_empties_at_the_front() {
        let mut buf = [0; 8];
        let mut span = Span::EMPTY;
        span.room(&mut buf)[..6].copy_from_slice(b"abcdef");
        span.fill(6);
        span.consume(4);
        assert_eq!(span.filled(&buf), b"ef");
        assert_eq!(span.room(&mut buf).len(), 6);
        assert_eq!(span.filled(&buf), b"ef");
        span.precede(&mut buf, b"cd");
        assert_eq!(span.filled(&buf), b"cdef");
        span.precede(&mut buf, b"12345");
        assert_eq!(span.filled(&buf), b"cdef");
        span.consume(9);
        assert!(span.is_empty() && span.room(&mut buf).len() == 8);
    }
}
