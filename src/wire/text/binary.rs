//! Parsing binaries and bit strings: segments of integers and strings.

use super::fault::TextFault;
use super::parser::{HEADER, Parser};
use super::scan::{Fault, Number};
use crate::wire::codes::tag;
use crate::wire::cursor::Writer;

/// The largest size of a segment of a binary that is written as text, in bits.
const SEGMENT_BITS: u32 = 1 << 24;

/// The last byte, as far as it is filled.
#[derive(Default)]
struct BitBuffer {
    held: u8,
    /// The number of its high bits in use: 0 to 7.
    used: u8,
}

impl BitBuffer {
    fn byte(&mut self, byte: u8, out: &mut Writer<'_>) {
        out.u8(self.held | byte.wrapping_shr(self.used.into()));
        self.held = byte.checked_shl(8_u32.saturating_sub(self.used.into())).unwrap_or(0);
    }

    fn bit(&mut self, bit: bool, out: &mut Writer<'_>) {
        self.held |= u8::from(bit).wrapping_shl(7_u32.saturating_sub(self.used.into()));
        self.used = self.used.wrapping_add(1);
        if self.used == 8 {
            out.u8(self.held);
            *self = Self::default();
        }
    }

    /// Adds the low `size` bits of an integer, in two's complement, the most significant first.
    fn integer(&mut self, negative: bool, magnitude: u128, size: u32, out: &mut Writer<'_>) {
        let low = if negative { magnitude.wrapping_neg() } else { magnitude };
        let sign = if negative && magnitude > 0 { u8::MAX } else { 0 };
        let mut left = size;
        // what is above 128 bits has only the sign, of which there may be two megabytes
        while left >= 136 {
            self.byte(sign, out);
            left = left.wrapping_sub(8);
        }
        for i in (0..left).rev() {
            self.bit(low.checked_shr(i).map_or(sign != 0, |bits| bits & 1 == 1), out);
        }
    }
}

/// The size and type that stand behind a segment's value.
struct Form {
    size: Option<u32>,
    utf8: bool,
}

impl Parser<'_, '_> {
    pub(super) fn binary(&mut self) -> Result<bool, Fault> {
        self.scan.eat("<<");
        self.scan.blank();
        self.begin(None);
        let at = self.out.len();
        self.out.u8(tag::BINARY);
        self.out.u32(0);
        let mut bits = BitBuffer::default();
        let mut more = !self.scan.eat(">>");
        while more {
            self.segment(&mut bits)?;
            self.scan.blank();
            more = self.scan.eat(",");
            self.scan.blank();
            if !more && !self.scan.eat(">>") {
                return self.due("',' or '>>'");
            }
        }
        if bits.used > 0 {
            self.out.u8(bits.held);
        }
        let len = self.out.len().saturating_sub(at).saturating_sub(HEADER);
        self.out.patch_u32(at.saturating_add(1), u32::try_from(len).unwrap_or(u32::MAX));
        if bits.used > 0 {
            self.out.open_gap(at.saturating_add(HEADER), 1);
            self.out.patch_u8(at, tag::BIT_BINARY);
            self.out.patch_u8(at.saturating_add(HEADER), bits.used);
        }
        Ok(true)
    }

    fn segment(&mut self, bits: &mut BitBuffer) -> Result<(), Fault> {
        match self.scan.peek() {
            Some('"') => self.characters(bits),
            Some('0'..='9' | '$' | '+' | '-') => {
                let (start, negative, number) = self.signed()?;
                let form = self.form()?;
                let value = match number {
                    Number::Small(value) => value,
                    Number::Long(_) => return Err((start, TextFault::SegmentSize)),
                    Number::Float(_) => return Err((start, TextFault::Segment)),
                };
                if form.utf8 {
                    let c = u32::try_from(value).ok().filter(|_| !negative).and_then(char::from_u32);
                    let c = c.ok_or((start, TextFault::Segment))?;
                    self.utf8(c, bits);
                } else {
                    bits.integer(negative, value, form.size.unwrap_or(8), &mut self.out);
                }
                Ok(())
            }
            None => self.fail(TextFault::Ends),
            Some(_) => self.fail(TextFault::Segment),
        }
    }

    /// Strings side by side, which are one. Their form stands behind them, so they are read twice.
    fn characters(&mut self, bits: &mut BitBuffer) -> Result<(), Fault> {
        let first = self.scan;
        while let Some(start) = self.quote()? {
            while self.scan.quoted('"', start)?.is_some() {}
            self.scan.blank();
        }
        let form = self.form()?;
        let end = core::mem::replace(&mut self.scan, first);
        while let Some(start) = self.quote()? {
            loop {
                let at = self.scan.at;
                let Some(c) = self.scan.quoted('"', start)? else { break };
                match (form.utf8, form.size) {
                    (true, _) => self.utf8(c, bits),
                    (false, None | Some(8)) => {
                        bits.byte(u8::try_from(c).map_err(|_| (at, TextFault::Wide))?, &mut self.out);
                    }
                    (false, Some(size)) => bits.integer(false, u32::from(c).into(), size, &mut self.out),
                }
            }
            self.scan.blank();
        }
        self.scan = end;
        Ok(())
    }

    fn utf8(&mut self, c: char, bits: &mut BitBuffer) {
        c.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| bits.byte(byte, &mut self.out));
    }

    /// Reads the size and type of a segment, where they are given.
    fn form(&mut self) -> Result<Form, Fault> {
        let mut form = Form { size: None, utf8: false };
        self.scan.blank();
        let start = self.scan.at;
        if self.scan.eat(":") {
            self.scan.blank();
            if !self.scan.peek().is_some_and(|c| c.is_ascii_digit()) {
                return self.due("a size in bits");
            }
            let at = self.scan.at;
            form.size = Some(self.scan.number()?.within(SEGMENT_BITS).ok_or((at, TextFault::SegmentSize))?);
            self.scan.blank();
        }
        let mut more = self.scan.eat("/");
        while more {
            self.scan.blank();
            match self.scan.word() {
                "integer" | "signed" | "unsigned" | "big" => {}
                "utf8" => form.utf8 = true,
                _ => return self.fail(TextFault::Segment),
            }
            self.scan.blank();
            more = self.scan.eat("-");
        }
        if form.utf8 && form.size.is_some() {
            return Err((start, TextFault::Segment));
        }
        Ok(form)
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use crate::wire::term::Value;
    use crate::wire::text::parse_text;

    #[test]
    fn a_long_segment_has_every_bit_of_its_sign_wherever_it_begins() {
        for (front, sign, size) in [(0, "", 128), (3, "-", 136), (3, "", 137), (7, "-", 1000), (0, "-", 1003), (5, "", 5003)] {
            let last = (8 - (front + size) % 8) % 8;
            let text = std::format!("<<0:{front}, {sign}6:{size}, 0:{last}>>");
            let mut buf = [0; 1024];
            let Ok(Value::Binary(bytes)) = parse_text(&text, &mut buf).map(|term| term.value()) else { panic!("{text}") };
            let bits: Vec<u8> = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
            let (above, low) = if sign.is_empty() { (0, [1, 1, 0]) } else { (1, [0, 1, 0]) };
            assert!(bits[..front].iter().all(|bit| *bit == 0), "{text}");
            assert!(bits[front..front + size - 3].iter().all(|bit| *bit == above), "{text}");
            assert_eq!((&bits[front + size - 3..front + size], bits.len()), (&low[..], front + size + last), "{text}");
        }
    }
}
