//! Integers beyond 64 bits, in decimal and other bases, in fixed memory.

use core::fmt::{self, Write};

use crate::wire::codes::tag;
use crate::wire::cursor::Writer;

/// The longest magnitude of an integer, in bytes, that is printed and read in decimal: 4,932 digits. Longer ones are printed in
/// base 16, as `16#...`, and read in the bases 2, 4, 8, 16 and 32, where each digit is a number of bits.
const DECIMAL_BYTES: usize = 2048;

/// The longest magnitude that is printed in decimal however many there are. The work for one grows with the square of its length.
const SHORT: usize = 256;
/// The number of longer ones that are printed in decimal within one term.
pub(super) const LONG_ONES: u16 = 16;

const LIMBS: usize = DECIMAL_BYTES / 4;
/// A chunk of nine decimal digits is the largest that fits a limb.
const CHUNK: u64 = 1_000_000_000;
/// Room for the limbs and, from the end on, for the chunks that take their place one by one: 32 bits a limb by 29.9 a chunk.
const ROOM: usize = LIMBS * 32 / 29 + 2;

/// Writes a magnitude (least significant byte first, no leading zeros) with its sign. `long_ones` more may be long and decimal.
pub(super) fn print(negative: bool, magnitude: &[u8], long_ones: &mut u16, f: &mut impl Write) -> fmt::Result {
    if negative {
        f.write_char('-')?;
    }
    let may_be_long = |left: &mut u16| left.checked_sub(1).map(|rest| *left = rest).is_some();
    if magnitude.len() <= SHORT || magnitude.len() <= DECIMAL_BYTES && may_be_long(long_ones) {
        return decimal(magnitude, f);
    }
    f.write_str("16#")?;
    let mut bytes = magnitude.iter().rev();
    bytes.next().map_or(Ok(()), |first| write!(f, "{first:X}"))?;
    bytes.try_for_each(|byte| write!(f, "{byte:02X}"))
}

/// Divides by the chunk until nothing is left; the remainders, kept from the end of the room downwards, are the digits.
fn decimal(magnitude: &[u8], f: &mut impl Write) -> fmt::Result {
    let mut room = [0_u32; ROOM];
    for (limb, bytes) in room.iter_mut().zip(magnitude.chunks(4)) {
        *limb = bytes.iter().rev().fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
    }
    let mut len = magnitude.len().div_ceil(4);
    let mut first = ROOM;
    while len > 0 {
        let mut rest = 0;
        for limb in room.iter_mut().take(len).rev() {
            let value: u64 = (rest << 32) | u64::from(*limb);
            *limb = low(value / CHUNK);
            rest = value % CHUNK;
        }
        while len > 0 && room.get(len.wrapping_sub(1)) == Some(&0) {
            len = len.wrapping_sub(1);
        }
        first = first.saturating_sub(1);
        if let Some(digits) = room.get_mut(first) {
            *digits = low(rest);
        }
    }
    let mut chunks = room.iter().skip(first);
    chunks.next().map_or(Ok(()), |chunk| write!(f, "{chunk}"))?;
    chunks.try_for_each(|chunk| write!(f, "{chunk:09}"))
}

/// Returns a value as 32 bits, of which none here has more.
fn low(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// Returns what a digit of this base stands for.
pub(super) fn digit(c: char, base: u32) -> Option<u32> {
    c.to_digit(36).filter(|digit| *digit < base)
}

/// The digits of an integer as they stand in the text, underscores among them, and their base.
#[derive(Debug, Clone, Copy)]
pub(super) struct Digits<'t> {
    pub(super) text: &'t str,
    pub(super) base: u32,
}

impl Digits<'_> {
    fn values(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.text.chars().filter_map(|c| digit(c, self.base))
    }

    /// Returns the value, if it has at most 128 bits.
    pub(super) fn small(&self) -> Option<u128> {
        self.values().try_fold(0_u128, |sum, digit| sum.checked_mul(self.base.into())?.checked_add(digit.into()))
    }

    /// Returns its magnitude, least significant byte first, where it has at most [`DECIMAL_BYTES`].
    pub(super) fn magnitude(&self) -> Option<[u8; DECIMAL_BYTES]> {
        let mut limbs = [0_u32; LIMBS];
        let mut used = 0_usize;
        let base = u64::from(self.base);
        // as many digits at once as a limb takes
        let more = u32::MAX.checked_ilog(self.base).map_or(0, |most| most.saturating_sub(1));
        let mut digits = self.values().map(u64::from);
        while let Some(first) = digits.next() {
            let (mut factor, mut carry) = (base, first);
            for digit in digits.by_ref().take(usize::try_from(more).unwrap_or(0)) {
                factor = factor.wrapping_mul(base);
                carry = carry.wrapping_mul(base).wrapping_add(digit);
            }
            for limb in limbs.iter_mut().take(used) {
                let value = u64::from(*limb).wrapping_mul(factor).wrapping_add(carry);
                *limb = low(value & 0xffff_ffff);
                carry = value >> 32;
            }
            if carry > 0 {
                *limbs.get_mut(used)? = low(carry);
                used = used.wrapping_add(1);
            }
        }
        let mut bytes = [0; DECIMAL_BYTES];
        bytes.chunks_exact_mut(4).zip(limbs).for_each(|(four, limb)| four.copy_from_slice(&limb.to_le_bytes()));
        Some(bytes)
    }

    /// Writes an integer of any length whose digits are whole bits; `false` if they are not. It has more than 64 bits.
    pub(super) fn write_bits(&self, negative: bool, out: &mut Writer<'_>) -> bool {
        if !self.base.is_power_of_two() {
            return false;
        }
        let width = self.base.trailing_zeros();
        let start = out.len();
        out.u8(tag::LARGE_BIG);
        out.u32(0);
        out.u8(negative.into());
        let (mut bits, mut held, mut len, mut zeros) = (0_u32, 0_u32, 0_u32, 0_u32);
        // zeros at the top are held back, for they are no part of the number
        let mut byte = |byte: u8, out: &mut Writer<'_>| {
            if byte == 0 {
                zeros = zeros.saturating_add(1);
                return;
            }
            (0..zeros).for_each(|_| out.u8(0));
            out.u8(byte);
            len = len.saturating_add(zeros).saturating_add(1);
            zeros = 0;
        };
        for digit in self.values().rev() {
            bits |= digit.wrapping_shl(held);
            held = held.wrapping_add(width);
            if held >= 8 {
                byte((bits & 0xff).try_into().unwrap_or(0), out);
                bits >>= 8;
                held = held.wrapping_sub(8);
            }
        }
        byte((bits & 0xff).try_into().unwrap_or(0), out);
        out.patch_u32(start.saturating_add(1), len);
        true
    }
}
