//! Reading and writing big-endian bytes: the only file that takes slices apart.
//!
//! Everything a peer sends passes through [`Reader`], which answers [`Short`] at the end of the bytes and cannot
//! panic; everything we send passes through [`Writer`], which counts what it could not hold.

use core::ops::Range;

/// Moves the bytes of a range to where they begin at `to`; nothing if they are not there, or have no room there.
pub(crate) fn slide(buf: &mut [u8], Range { start, end }: Range<usize>, to: usize) {
    let len = end.saturating_sub(start);
    // both places, of which one is at the start and the other at the end
    let Some(both) = buf.get_mut(start.min(to)..end.max(to.saturating_add(len))) else { return };
    let Some(way) = both.len().checked_sub(len) else { return };
    if to < start { both.copy_within(way.., 0) } else { both.copy_within(..len, way) }
}

/// The bytes ended before the value did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short;

/// A position in bytes from outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Returns the bytes that have not been read yet.
    #[inline]
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Short> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(Short)?;
        self.rest = rest;
        Ok(*head)
    }

    /// Returns the next byte, left where it is.
    #[inline]
    pub(crate) fn peek(&self) -> Result<u8, Short> {
        self.rest.first().copied().ok_or(Short)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, Short> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, Short> {
        self.array().map(u16::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, Short> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, Short> {
        self.array().map(u64::from_be_bytes)
    }

    /// Returns the next 16 bytes: a digest.
    #[inline]
    pub(crate) fn digest(&mut self) -> Result<[u8; 16], Short> {
        self.array()
    }

    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Short> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(Short)?;
        self.rest = rest;
        Ok(head)
    }

    /// Reads a length of 32 bits, then that many bytes.
    #[inline]
    pub(crate) fn bytes32(&mut self) -> Result<&'a [u8], Short> {
        let len = self.len32()?;
        self.bytes(len)
    }

    /// Reads a length of 16 bits, then that many bytes.
    #[inline]
    pub(crate) fn bytes16(&mut self) -> Result<&'a [u8], Short> {
        let len = self.u16()?;
        self.bytes(usize::from(len))
    }

    /// Reads a length of 8 bits, then that many bytes.
    #[inline]
    pub(crate) fn bytes8(&mut self) -> Result<&'a [u8], Short> {
        let len = self.u8()?;
        self.bytes(usize::from(len))
    }

    /// Reads a length of 32 bits as a number of things in memory. On a 16 bit machine what cannot be there is short.
    #[inline]
    pub(crate) fn len32(&mut self) -> Result<usize, Short> {
        usize::try_from(self.u32()?).map_err(|_| Short)
    }

    /// Reads a pid in the form that every release sends now, with its node's name in UTF-8. Nothing has moved if it has another form.
    #[inline]
    pub(crate) fn usual_pid(&mut self) -> Option<(&'a [u8], [u32; 3])> {
        use super::codes::tag;
        let ([tag::NEW_PID, tag::SMALL_ATOM_UTF8, len], rest) = self.rest.split_first_chunk::<3>()? else { return None };
        let (node, rest) = rest.split_at_checked(usize::from(*len))?;
        let (numbers, rest) = rest.split_first_chunk::<12>()?;
        self.rest = rest;
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *numbers;
        let numbers = [[a, b, c, d], [e, f, g, h], [i, j, k, l]];
        Some((node, numbers.map(u32::from_be_bytes)))
    }

    /// Reads a reference in the form that every release sends now, as [`Reader::usual_pid`]: its node's name, its creation and its words.
    #[inline]
    pub(crate) fn usual_reference(&mut self) -> Option<(&'a [u8], u32, &'a [u8])> {
        use super::codes::tag;
        let (head, rest) = self.rest.split_first_chunk::<5>()?;
        let [tag::NEWER_REFERENCE, 0, words @ 1..=5, tag::SMALL_ATOM_UTF8, len] = *head else { return None };
        let (node, rest) = rest.split_at_checked(usize::from(len))?;
        let (creation, rest) = rest.split_first_chunk::<4>()?;
        let (words, rest) = rest.split_at_checked(usize::from(words).wrapping_mul(4))?;
        self.rest = rest;
        Some((node, u32::from_be_bytes(*creation), words))
    }

    /// Returns the length of a term with none in it, of the few kinds that most are, in bytes that were checked before.
    #[inline]
    pub(crate) fn leaf_len(self) -> Option<usize> {
        use super::codes::tag;
        let (kind, next, _) = self.two()?;
        match kind {
            tag::SMALL_ATOM_UTF8 => Some(usize::from(next).wrapping_add(2)),
            tag::BINARY => usize::try_from(self.tagged_u32()?.0).ok()?.checked_add(5),
            // with a name of so many bytes, as nearly all are
            tag::NEW_PID if next == tag::SMALL_ATOM_UTF8 => Some(usize::from(*self.rest.get(2)?).wrapping_add(15)),
            _ => tag::FIXED_LEN.get(usize::from(kind)).filter(|len| **len > 0).map(|len| usize::from(*len)),
        }
    }

    /// Returns the next two bytes, and what is behind them.
    #[inline]
    pub(crate) fn two(self) -> Option<(u8, u8, Self)> {
        let ([kind, next], rest) = self.rest.split_first_chunk()?;
        Some((*kind, *next, Self { rest }))
    }

    /// Returns the next five bytes, and what is behind them.
    #[inline]
    pub(crate) fn five(self) -> Option<([u8; 5], Self)> {
        let (head, rest) = self.rest.split_first_chunk()?;
        Some((*head, Self { rest }))
    }

    /// Returns the number of 32 bits behind the next byte, and what is behind it.
    #[inline]
    pub(crate) fn tagged_u32(self) -> Option<(u32, Self)> {
        let ([_, number @ ..], rest) = self.rest.split_first_chunk::<5>()?;
        Some((u32::from_be_bytes(*number), Self { rest }))
    }

    /// Returns the number of 64 bits behind the next byte, and what is behind it.
    #[inline]
    pub(crate) fn tagged_u64(self) -> Option<(u64, Self)> {
        let ([_, number @ ..], rest) = self.rest.split_first_chunk::<9>()?;
        Some((u64::from_be_bytes(*number), Self { rest }))
    }

    /// Returns what is behind the next byte.
    #[inline]
    pub(crate) fn behind_tag(self) -> Self {
        Self { rest: self.rest.get(1..).unwrap_or(&[]) }
    }

    /// Returns the bytes from here up to where `later`, a reader of the same bytes, stands.
    #[inline]
    pub(crate) fn up_to(&self, later: &Self) -> &'a [u8] {
        let len = self.rest.len().saturating_sub(later.rest.len());
        self.rest.get(..len).unwrap_or(self.rest)
    }
}

/// Returns true if these are at most 16 bytes of ASCII, as nearly every atom is: looked at eight or four at a time, from both ends.
#[inline]
pub(crate) fn is_short_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        return bytes.len() <= 16 && (u64::from_ne_bytes(*head) | u64::from_ne_bytes(*tail)) & HIGH == 0;
    }
    if let (Some(head), Some(tail)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return (u32::from_ne_bytes(*head) | u32::from_ne_bytes(*tail)) & 0x8080_8080 == 0;
    }
    bytes.iter().all(u8::is_ascii)
}

/// The room left was too small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow {
    /// Bytes that all of it takes.
    pub(crate) needed: usize,
    /// Bytes there were.
    pub(crate) room: usize,
}

/// A writer into a slice. Past its end it only counts, so that the end tells exactly how much was missing.
///
/// All or nothing: what was written counts only once [`Writer::finish`] has said so.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    buf: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    #[inline]
    pub(crate) fn new(buf: &'a mut [u8]) -> Self {
        Self { buf, at: 0 }
    }

    /// Lends the room for a shorter time. What is written to it counts once [`Writer::advance_to`] says so.
    #[inline]
    pub(crate) fn lend(&mut self) -> Writer<'_> {
        Writer { buf: self.buf, at: self.at }
    }

    /// Counts what was written up to here.
    #[inline]
    pub(crate) fn advance_to(&mut self, at: usize) {
        self.at = at;
    }

    /// Returns the number of bytes written so far, those that did not fit included.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.at
    }

    /// Counts so many bytes, and returns the room for them if there is enough.
    #[inline]
    fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let start = self.at;
        let Some(end) = start.checked_add(len) else {
            self.at = usize::MAX;
            return None;
        };
        self.at = end;
        self.buf.get_mut(start..end)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if let Some(room) = self.room(bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// Writes several bytes at once, which takes no longer than one.
    #[inline]
    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) {
        if let Some(room) = self.room(N) {
            room.copy_from_slice(&bytes);
        }
    }

    /// Writes several bytes and others behind them, for which there is room or not together.
    #[inline]
    pub(crate) fn headed<const N: usize>(&mut self, head: [u8; N], bytes: &[u8]) {
        self.between(head, bytes, []);
    }

    /// Writes bytes with several in front of them and several behind.
    #[inline]
    pub(crate) fn between<const N: usize, const M: usize>(&mut self, head: [u8; N], bytes: &[u8], tail: [u8; M]) {
        // no slice is so long that this comes round
        let room = self.room(bytes.len().wrapping_add(N).wrapping_add(M));
        let Some((start, rest)) = room.and_then(|room| room.split_first_chunk_mut()) else { return };
        let Some((middle, end)) = rest.split_last_chunk_mut() else { return };
        *start = head;
        middle.copy_from_slice(bytes);
        *end = tail;
    }

    #[inline]
    pub(crate) fn u8(&mut self, value: u8) {
        self.array([value]);
    }

    #[inline]
    pub(crate) fn u16(&mut self, value: u16) {
        self.array(value.to_be_bytes());
    }

    #[inline]
    pub(crate) fn u32(&mut self, value: u32) {
        self.array(value.to_be_bytes());
    }

    #[inline]
    pub(crate) fn u64(&mut self, value: u64) {
        self.array(value.to_be_bytes());
    }

    /// Writes `value` over the four bytes at `at`, which were left for it.
    #[inline]
    pub(crate) fn patch_u32(&mut self, at: usize, value: u32) {
        if let Some(room) = self.buf.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) {
            *room = value.to_be_bytes();
        }
    }

    /// Writes `value` over the two bytes at `at`, which were left for it.
    #[inline]
    pub(crate) fn patch_u16(&mut self, at: usize, value: u16) {
        if let Some(room) = self.buf.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<2>()) {
            *room = value.to_be_bytes();
        }
    }

    /// Returns the bytes written from `at` on; none if not all of them fitted.
    pub(crate) fn written(&self, at: usize) -> &[u8] {
        self.buf.get(at..self.at).unwrap_or(&[])
    }

    /// Moves what was written from `at` on back by `len` bytes, which the caller then patches.
    pub(crate) fn open_gap(&mut self, at: usize, len: usize) {
        let count = self.at.saturating_sub(at);
        self.at = self.at.saturating_add(len);
        if let Some(room) = self.buf.get_mut(at..self.at) {
            slide(room, 0..count, len);
        }
    }

    /// Writes `lead` in front of each byte that was written from `at` on.
    pub(crate) fn spread(&mut self, at: usize, lead: u8) {
        let count = self.at.saturating_sub(at);
        self.at = self.at.saturating_add(count);
        let Some(room) = self.buf.get_mut(at..self.at) else { return };
        // from the last on: no pair covers a byte that is still to be read
        for i in (0..count).rev() {
            let byte = room.get(i).copied().unwrap_or(0);
            if let Some(pair) = room.chunks_exact_mut(2).nth(i) {
                pair.copy_from_slice(&[lead, byte]);
            }
        }
    }

    /// Writes `value` over the byte at `at`.
    pub(crate) fn patch_u8(&mut self, at: usize, value: u8) {
        if let Some(room) = self.buf.get_mut(at) {
            *room = value;
        }
    }

    /// Returns true if all that was written fitted, so far.
    #[inline]
    pub(crate) fn fits(&self) -> bool {
        self.at <= self.buf.len()
    }

    /// Returns how many bytes were written, if all of them fitted.
    #[inline]
    pub(crate) fn finish(self) -> Result<usize, Overflow> {
        if self.fits() { Ok(self.at) } else { Err(Overflow { needed: self.at, room: self.buf.len() }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_to_the_end_and_not_beyond() {
        let mut r = Reader::new(&[1, 0, 2, 0, 0, 0, 3, 9]);
        assert_eq!((r.u8(), r.u16(), r.u32()), (Ok(1), Ok(2), Ok(3)));
        assert_eq!(r.u16(), Err(Short));
        assert_eq!(r.peek(), Ok(9));
        let start = r;
        assert_eq!(r.bytes(1), Ok(&[9][..]));
        assert_eq!(start.up_to(&r), [9]);
        assert!(r.is_empty() && r.u8() == Err(Short));
        assert_eq!(Reader::new(&[0, 0, 0, 9, 1]).bytes32(), Err(Short));
    }

    #[test]
    fn says_how_much_was_missing() {
        let mut buf = [0; 6];
        let mut w = Writer::new(&mut buf);
        w.u16(0);
        w.u32(7);
        w.patch_u16(0, 0x0102);
        assert_eq!(w.finish(), Ok(6));
        assert_eq!(buf, [1, 2, 0, 0, 0, 7]);
        let mut w = Writer::new(&mut buf);
        w.bytes(&[1, 2, 3]);
        w.spread(1, 97);
        w.open_gap(1, 1);
        w.patch_u8(1, 9);
        assert_eq!((w.written(1), w.len()), (&[9, 97, 2, 97, 3][..], 6));
        w.spread(0, 0);
        w.open_gap(0, 1);
        assert_eq!(w.finish(), Err(Overflow { needed: 13, room: 6 }));
        let mut w = Writer::new(&mut buf);
        w.u64(1);
        w.bytes(b"abc");
        w.patch_u32(4, 1);
        assert_eq!(w.finish(), Err(Overflow { needed: 11, room: 6 }));
    }

    #[test]
    fn a_head_its_bytes_and_what_is_behind_fit_together_or_not() {
        for room in 0..8 {
            let mut buf = [0; 8];
            let mut w = Writer::new(&mut buf[..room]);
            w.u8(9);
            w.between([1, 2], b"abc", [3]);
            assert_eq!(w.finish(), if room == 7 { Ok(7) } else { Err(Overflow { needed: 7, room }) });
            assert_eq!(
                buf,
                if room == 7 { [9, 1, 2, b'a', b'b', b'c', 3, 0] } else { [if room > 0 { 9 } else { 0 }, 0, 0, 0, 0, 0, 0, 0] }
            );
        }
        let mut buf = [0; 4];
        let mut w = Writer::new(&mut buf);
        w.headed([1], b"");
        assert!(w.room(usize::MAX).is_none());
        w.headed([1, 2], b"a");
        assert_eq!(w.finish(), Err(Overflow { needed: usize::MAX, room: 4 }));
    }
}
