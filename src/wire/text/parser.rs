//! The state of parsing: the text, what was written of the term, and the tuples, lists and maps that are open.

use super::fault::TextFault;
use super::scan::{Fault, Number, Scan};
use crate::wire::build::{TermWriter, WriteTerm};
use crate::wire::codes::tag;
use crate::wire::cursor::Writer;
use crate::wire::value::Limits;

/// The kind of an open term, and the part of it that is due next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ParseShape {
    Tuple,
    List,
    /// Behind the `|` of a list: its tail, and then only its end may follow.
    Tail,
    Key,
    Value,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct ParseFrame {
    pub(super) shape: ParseShape,
    /// A list that is not only bytes: the form with a tag for each element and a tail.
    pub(super) wide: bool,
    /// A list whose tail was written.
    pub(super) improper: bool,
    /// The place of its header in the output.
    pub(super) at: usize,
    /// Elements or pairs so far.
    pub(super) count: u32,
    /// Of a list: the number of lists that are tails and open in it.
    pub(super) extra: u32,
}

/// The length of the header of a list of bytes.
const STRING_HEADER: usize = 3;
/// The length of the headers of a map, a large tuple, a list and a binary.
pub(super) const HEADER: usize = 5;

impl ParseFrame {
    pub(super) fn new(shape: ParseShape, at: usize) -> Self {
        Self { shape, wide: false, improper: false, at, count: 0, extra: 0 }
    }

    pub(super) fn list(out: &mut Writer<'_>) -> Self {
        let at = out.len();
        out.u8(tag::STRING);
        out.u16(0);
        Self::new(ParseShape::List, at)
    }

    /// Gives each element of a list its tag.
    fn widen(&mut self, out: &mut Writer<'_>) {
        if !self.wide {
            self.wide = true;
            out.spread(self.at.saturating_add(STRING_HEADER), tag::SMALL_INTEGER);
            out.open_gap(self.at.saturating_add(STRING_HEADER), HEADER.saturating_sub(STRING_HEADER));
            out.patch_u8(self.at, tag::LIST);
        }
    }

    /// Counts one more element of a list. `true` if it is this byte, and is written; otherwise its term is due.
    fn element(&mut self, byte: Option<u8>, out: &mut Writer<'_>) -> bool {
        let short = self.count < u32::from(u16::MAX);
        self.count = self.count.saturating_add(1);
        match byte {
            Some(byte) if short && !self.wide => {
                out.u8(byte);
                true
            }
            _ => {
                self.widen(out);
                false
            }
        }
    }

    pub(super) fn character(&mut self, c: char, out: &mut Writer<'_>) {
        if !self.element(u8::try_from(c).ok(), out) {
            // an integer always can be written
            let _ = TermWriter::parts(out, |t| t.int(u32::from(c).into()));
        }
    }

    pub(super) fn end_list(&self, out: &mut Writer<'_>) {
        let count = self.at.saturating_add(1);
        if !self.wide {
            out.patch_u16(count, u16::try_from(self.count).unwrap_or(u16::MAX));
            return;
        }
        out.patch_u32(count, self.count);
        if !self.improper {
            out.u8(tag::NIL);
        }
    }

    pub(super) fn end_tuple(&self, out: &mut Writer<'_>) {
        let count = self.at.saturating_add(1);
        if let Ok(small) = u8::try_from(self.count) {
            out.patch_u8(count, small);
        } else {
            out.open_gap(count, 3);
            out.patch_u8(self.at, tag::LARGE_TUPLE);
            out.patch_u32(count, self.count);
        }
    }
}

pub(super) struct Parser<'t, 'b> {
    pub(super) scan: Scan<'t>,
    pub(super) out: Writer<'b>,
    pub(super) open: heapless::Vec<ParseFrame, { Limits::MAX_DEPTH as usize }>,
    /// Where a key ends, in the output, that its map has before it, once that is known.
    pub(super) twice: Option<usize>,
}

impl<'t, 'b> Parser<'t, 'b> {
    pub(super) fn new(text: &'t str, out: Writer<'b>) -> Self {
        Self { scan: Scan { text, at: 0 }, out, open: heapless::Vec::new(), twice: None }
    }

    /// Goes back to the start of the text, with what is known of a key.
    pub(super) fn rewind(&mut self) {
        self.scan.at = 0;
        self.out.advance_to(0);
        self.open.clear();
    }

    pub(super) fn fail<T>(&self, fault: TextFault) -> Result<T, Fault> {
        Err((self.scan.at, fault))
    }

    /// Makes room for the next term: called before each one is written. `true` if it is this byte and was written.
    pub(super) fn begin(&mut self, byte: Option<u8>) -> bool {
        let Some(frame) = self.open.last_mut() else { return false };
        match frame.shape {
            ParseShape::List => frame.element(byte, &mut self.out),
            ParseShape::Tail => {
                frame.widen(&mut self.out);
                frame.improper = true;
                false
            }
            ParseShape::Tuple | ParseShape::Value => {
                frame.count = frame.count.saturating_add(1);
                false
            }
            ParseShape::Key => false,
        }
    }

    pub(super) fn push(&mut self, frame: ParseFrame) -> Result<bool, Fault> {
        self.open.push(frame).map_err(|_| (self.scan.at, TextFault::TooDeep))?;
        Ok(false)
    }

    /// Does what [`Parser::push`] does, for a tuple or map that has nothing in it. It is a level too, though it closes at once.
    pub(super) fn push_empty(&self) -> Result<bool, Fault> {
        if self.open.is_full() { self.fail(TextFault::TooDeep) } else { Ok(true) }
    }

    /// Goes into the string that is next, if one is, and says where it begins.
    pub(super) fn quote(&mut self) -> Result<Option<usize>, Fault> {
        let start = self.scan.at;
        if self.scan.rest().starts_with("\"\"\"") {
            return self.fail(TextFault::Sigil);
        }
        Ok(self.scan.eat("\"").then_some(start))
    }

    /// Reads a number: where it begins, whether it is negative, and its magnitude. A character is a number.
    pub(super) fn signed(&mut self) -> Result<(usize, bool, Number<'t>), Fault> {
        let start = self.scan.at;
        let negative = self.scan.eat("-");
        if negative || self.scan.eat("+") {
            self.scan.blank();
        }
        match self.scan.peek() {
            Some('$') => {
                self.scan.bump();
                Ok((start, negative, Number::Small(u32::from(self.scan.char()?).into())))
            }
            Some('0'..='9') => Ok((start, negative, self.scan.number()?)),
            None => self.fail(TextFault::Ends),
            Some(_) => Err((start, TextFault::Operator)),
        }
    }

    /// Makes the fault for something else than what is due.
    pub(super) fn due<T>(&self, what: &'static str) -> Result<T, Fault> {
        self.fail(match self.scan.peek() {
            None => TextFault::Ends,
            Some('+' | '-' | '*' | '/') => TextFault::Operator,
            Some(_) => TextFault::Expected(what),
        })
    }

    /// Writes a part whose values were checked when they were read.
    pub(super) fn put(&mut self, write: impl WriteTerm) {
        let _ = TermWriter::parts(&mut self.out, write);
    }
}
