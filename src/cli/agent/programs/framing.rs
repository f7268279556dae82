//! The standard output of a program, cut into lines or frames.

use std::fmt;

/// The length from which a frame is none: the program printed something else, since any four characters of text are a greater number.
const NO_FRAME: usize = 1 << 28;

/// The bytes of memory that are kept after a large line.
const KEPT: usize = 1 << 16;

/// A cutter of bytes into lines, or into frames behind a length of four bytes.
pub(super) struct Framing {
    frames: bool,
    /// The most bytes of a line or a frame.
    limit: usize,
    bytes: Vec<u8>,
    /// The place in the bytes where the next line or frame begins.
    start: usize,
    /// The place before which no line ends.
    searched: usize,
    skipping: Skipping,
}

/// The bytes that are passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Skipping {
    Nothing,
    /// The rest of the line.
    Line,
    /// So many bytes of a frame.
    Frame(usize),
}

/// The reason for which there is no line or frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unframed {
    /// The line or frame is too long, and skipped.
    TooLong { what: &'static str, limit: usize },
    /// The length is no length, and what follows cannot be told apart.
    NoFrame(usize),
    /// The output ended inside a frame.
    Unfinished,
}

impl fmt::Display for Unframed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { what, limit } => write!(f, "a {what} of more than {limit} bytes was skipped"),
            Self::NoFrame(len) => {
                write!(f, "a frame of {len} bytes is none: with format \"etf\" standard output takes frames alone, and no text")
            }
            Self::Unfinished => f.write_str("its output ended inside a frame"),
        }
    }
}

impl Framing {
    /// Makes a cutter for lines or frames of at most `limit` bytes.
    pub(super) fn new(frames: bool, limit: usize) -> Self {
        Self { frames, limit, bytes: Vec::new(), start: 0, searched: 0, skipping: Skipping::Nothing }
    }

    /// Returns true if what comes next is passed over.
    pub(super) fn is_skipping(&self) -> bool {
        self.skipping != Skipping::Nothing
    }

    /// Takes more of the output. It is called when [`Framing::next`] has given all there was: then less is kept than one line or frame.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start.min(self.bytes.len()));
        self.searched = self.searched.saturating_sub(self.start);
        self.start = 0;
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEPT);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next line without its end, or the next frame without its length.
    pub(super) fn next(&mut self) -> Option<Result<&[u8], Unframed>> {
        if self.frames { self.next_frame() } else { self.next_line() }
    }

    fn next_line(&mut self) -> Option<Result<&[u8], Unframed>> {
        loop {
            let from = self.searched.max(self.start);
            let skips = self.skipping == Skipping::Line;
            let new = self.bytes.get(from..).unwrap_or(&[]);
            let Some(len) =
                new.iter().position(|byte| *byte == b'\n').map(|at| at.saturating_add(from).saturating_sub(self.start))
            else {
                self.searched = self.bytes.len();
                if self.searched.saturating_sub(self.start) <= self.limit && !skips {
                    return None;
                }
                self.start = self.bytes.len();
                self.skipping = Skipping::Line;
                return if skips { None } else { Some(Err(Unframed::TooLong { what: "line", limit: self.limit })) };
            };
            let start = self.start;
            self.start = start.saturating_add(len).saturating_add(1);
            if skips {
                self.skipping = Skipping::Nothing;
            } else if len > self.limit {
                return Some(Err(Unframed::TooLong { what: "line", limit: self.limit }));
            } else {
                return self.bytes.get(start..start.saturating_add(len)).map(Ok);
            }
        }
    }

    fn next_frame(&mut self) -> Option<Result<&[u8], Unframed>> {
        let mut rest = self.bytes.get(self.start..).unwrap_or(&[]);
        if let Skipping::Frame(left) = self.skipping {
            let skipped = left.min(rest.len());
            self.start = self.start.saturating_add(skipped);
            rest = rest.get(skipped..).unwrap_or(&[]);
            let left = left.saturating_sub(skipped);
            self.skipping = if left > 0 { Skipping::Frame(left) } else { Skipping::Nothing };
        }
        let (length, body) = rest.split_first_chunk::<4>()?;
        let len = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        let begin = self.start.saturating_add(4);
        if len >= NO_FRAME {
            self.start = self.bytes.len();
            return Some(Err(Unframed::NoFrame(len)));
        }
        if len > self.limit {
            self.start = begin;
            self.skipping = Skipping::Frame(len);
            return Some(Err(Unframed::TooLong { what: "frame", limit: self.limit }));
        }
        if body.len() < len {
            return None;
        }
        self.start = begin.saturating_add(len);
        self.bytes.get(begin..self.start).map(Ok)
    }

    /// Returns what is left at the end of the output: a line without its end is one.
    pub(super) fn last(&mut self) -> Option<Result<&[u8], Unframed>> {
        let start = core::mem::replace(&mut self.start, self.bytes.len());
        let rest = self.bytes.get(start..).unwrap_or(&[]);
        match core::mem::replace(&mut self.skipping, Skipping::Nothing) {
            Skipping::Line => None,
            Skipping::Frame(_) => Some(Err(Unframed::Unfinished)),
            Skipping::Nothing if rest.is_empty() => None,
            Skipping::Nothing if self.frames => Some(Err(Unframed::Unfinished)),
            Skipping::Nothing => Some(Ok(rest)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of these bytes, taken in pieces of `step`.
    fn cut(frames: bool, limit: usize, bytes: &[u8], step: usize) -> Vec<Result<Vec<u8>, Unframed>> {
        let mut framing = Framing::new(frames, limit);
        let mut found = Vec::new();
        for piece in bytes.chunks(step) {
            framing.push(piece);
            while let Some(record) = framing.next() {
                found.push(record.map(<[u8]>::to_vec));
            }
            assert!(framing.bytes.len().saturating_sub(step) <= limit.saturating_add(4));
        }
        found.extend(framing.last().map(|record| record.map(<[u8]>::to_vec)));
        assert_eq!(framing.last(), None);
        found
    }

    fn whole(text: &str) -> Result<Vec<u8>, Unframed> {
        Ok(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_come_out_whole_however_they_come_in() {
        let long = Err(Unframed::TooLong { what: "line", limit: 4 });
        for step in 1..12 {
            assert_eq!(cut(false, 4, b"a\n\nbcde\nf", step), [whole("a"), whole(""), whole("bcde"), whole("f")], "{step}");
            assert_eq!(cut(false, 4, b"abcdefgh\nij\n", step), [long.clone(), whole("ij")], "{step}");
            assert_eq!(cut(false, 4, b"abcde\nij", step), [long.clone(), whole("ij")], "{step}");
            assert_eq!(cut(false, 4, b"ij\nabcdefghi", step), [whole("ij"), long.clone()], "{step}");
        }
        assert_eq!(cut(false, 4, b"", 1), []);
    }

    #[test]
    fn frames_come_out_whole_however_they_come_in() {
        let long = Err(Unframed::TooLong { what: "frame", limit: 4 });
        let frame = |body: &str| [&u32::try_from(body.len()).unwrap().to_be_bytes(), body.as_bytes()].concat();
        for step in 1..30 {
            let bytes = [frame("a"), frame(""), frame("b\nde"), frame("abcde"), frame("f")].concat();
            assert_eq!(cut(true, 4, &bytes, step), [whole("a"), whole(""), whole("b\nde"), long.clone(), whole("f")], "{step}");
            let part = bytes.len() - 7;
            assert_eq!(cut(true, 4, &bytes[..part], step)[3..], [long.clone(), Err(Unframed::Unfinished)], "{step}");
            assert_eq!(cut(true, 4, &bytes[..12], step)[2..], [Err(Unframed::Unfinished)], "{step}");
        }
        // what prints text is known by it
        assert_eq!(cut(true, 4, b"Reading the sensor\n", 19), [Err(Unframed::NoFrame(0x5265_6164))]);
    }
}
