//! Times and sizes, as people write them.

use std::fmt;
use std::time::Duration;

/// Units of time, in microseconds.
const TIMES: [(&str, u64); 5] = [("us", 1), ("ms", 1000), ("s", 1_000_000), ("m", 60_000_000), ("h", 3_600_000_000)];
/// Units of memory, in bytes.
const SIZES: [(&str, u64); 3] = [("KiB", 1024), ("MiB", 1024 * 1024), ("B", 1)];

/// Reads `500us`, `500ms`, `10s`, `1.5s`, `5m`, `1h`.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (_, microseconds) = TIMES.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // a fraction of more digits is none
    let digits = u32::try_from(fraction.len()).ok().filter(|digits| (1..=3).contains(digits))?;
    let parts = 10_u64.checked_pow(digits)?;
    let thousandths = digit_number(whole)?.checked_mul(parts)?.checked_add(digit_number(fraction)?)?;
    Some(Duration::from_micros(thousandths.checked_mul(*microseconds)?.checked_div(parts)?))
}

/// Reads `16KiB`, `1MiB`, `16384B`, `16384`.
pub(super) fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let unit = if unit.is_empty() { "B" } else { unit };
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit)?;
    digit_number(number)?.checked_mul(*bytes)
}

/// Splits a text into the number that it begins with, and its unit.
fn split(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    Some((number, unit.trim_start()))
}

/// Reads digits, and nothing but digits.
pub(super) fn digit_number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A time as [`duration`] reads it.
#[derive(Clone, Copy)]
pub(in crate::cli::agent) struct Time(pub(in crate::cli::agent) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        let fits = |unit: &&(&str, u64)| microseconds.checked_rem(unit.1) == Some(0) && microseconds >= unit.1;
        let (name, unit) = TIMES.iter().rfind(fits).copied().unwrap_or(("s", 1));
        write!(f, "{}{name}", microseconds.checked_div(unit).unwrap_or(0))
    }
}

/// An amount of memory, rounded up.
#[derive(Clone, Copy)]
pub(in crate::cli::agent) struct Size(pub(in crate::cli::agent) u64);

impl Size {
    pub(in crate::cli::agent) fn of(bytes: usize) -> Self {
        Self(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes < 10 << 10 && bytes.trailing_zeros() < 10 => write!(f, "{bytes} bytes"),
            bytes if bytes < 10 << 20 && bytes.trailing_zeros() < 20 => write!(f, "{} KiB", bytes.div_ceil(1 << 10)),
            bytes => write!(f, "{} MiB", bytes.div_ceil(1 << 20)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        for (text, microseconds, shown) in [
            ("0s", 0, "0s"),
            ("500us", 500, "500us"),
            ("0.5ms", 500, "500us"),
            ("500ms", 500_000, "500ms"),
            ("10s", 10_000_000, "10s"),
            ("1.5s", 1_500_000, "1500ms"),
            ("90s", 90_000_000, "90s"),
            ("5 m", 300_000_000, "5m"),
            ("1h", 3_600_000_000, "1h"),
            ("24h", 86_400_000_000, "24h"),
            ("0.25h", 900_000_000, "15m"),
        ] {
            let duration = duration(text).unwrap();
            assert_eq!((duration.as_micros(), Time(duration).to_string().as_str()), (microseconds, shown), "{text}");
        }
        for text in
            ["", "s", "10", "10 sec", "-1s", "1e3s", "1.s", ".5s", "1.2345s", "1.2.3s", "99999999999999999999h", "5S", "+1s"]
        {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_written() {
        for (bytes, shown) in [
            (1, "1 bytes"),
            (4096, "4 KiB"),
            (5000, "5000 bytes"),
            (863_232, "843 KiB"),
            (1 << 20, "1 MiB"),
            ((1 << 20) + 1, "1025 KiB"),
            ((20 << 20) + 1, "21 MiB"),
        ] {
            assert_eq!(Size::of(bytes).to_string(), shown);
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, size) in [("4096", 4096), ("16KiB", 16_384), ("16 KiB", 16_384), ("1MiB", 1_048_576), ("5000B", 5000)] {
            assert_eq!(bytes(text), Some(size), "{text}");
        }
        for text in ["", "KiB", "16kb", "16K", "1.5MiB", "-1", "99999999999999999999"] {
            assert_eq!(bytes(text), None, "{text}");
        }
    }
}
