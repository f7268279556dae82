//! Frames: a length of 32 bits and a body; an empty body is a tick (erl_dist_protocol, "Protocol between Connected Nodes").
//!
//! Neither the atom cache nor fragments are offered, so every body that is not empty starts with 112, "pass through".

use super::cursor::Reader;

/// The first byte of every body.
pub(crate) const PASS_THROUGH: u8 = 112;
/// Bytes of a frame's length.
pub(crate) const HEADER: usize = 4;
/// A whole frame with nothing in it.
pub(crate) const TICK: [u8; HEADER] = [0; HEADER];

/// The beginning of received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// A frame that is not whole yet.
    Partial,
    /// A tick.
    Tick,
    /// A whole frame's body.
    Whole(&'a [u8]),
    /// A frame longer than the limit: what is here of its body, and how long all of the body is.
    Oversized(&'a [u8], u32),
}

/// Looks at the frame at the front of `bytes`; one that takes more than `limit` bytes with its header is oversized.
#[inline]
pub(crate) fn next(bytes: &[u8], limit: usize) -> Frame<'_> {
    let mut r = Reader::new(bytes);
    let Ok(announced) = r.u32() else { return Frame::Partial };
    let len = usize::try_from(announced).unwrap_or(usize::MAX);
    if len == 0 {
        return Frame::Tick;
    }
    if len > limit.saturating_sub(HEADER) {
        return Frame::Oversized(r.rest(), announced);
    }
    match r.bytes(len) {
        Ok(body) => Frame::Whole(body),
        Err(_) => Frame::Partial,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_of_a_stream() {
        let stream = [0, 0, 0, 0, 0, 0, 0, 2, 112, 131];
        assert_eq!(next(&stream, 100), Frame::Tick);
        for cut in 4..10 {
            assert_eq!(next(&stream[4..cut], 100), Frame::Partial);
        }
        assert_eq!(next(&stream[4..], 100), Frame::Whole(&[112, 131]));
        assert_eq!(next(&stream[4..], 6), Frame::Whole(&[112, 131]));
        assert_eq!(next(&stream[4..9], 5), Frame::Oversized(&[112], 2));
        assert_eq!(
            next(&[255; 5], usize::MAX),
            if usize::BITS > 32 { Frame::Partial } else { Frame::Oversized(&[255], u32::MAX) }
        );
    }
}
