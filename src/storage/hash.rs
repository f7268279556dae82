//! Hashes for tables: quick, the same in every run, and good enough for names and numbers that nobody chooses to do harm. Whoever gives the
//! names has shown that it has the cookie.

/// Odd, with its bits as evenly spread as those of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

#[inline]
const fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_mul(SPREAD);
    mixed ^ (mixed >> 32)
}

/// Returns the hash of two numbers.
#[inline]
pub(crate) const fn of_pair(one: u64, other: u64) -> u32 {
    last(mix(mix(SPREAD, one), other))
}

/// Returns the hash of some bytes, which are taken eight at a time; those of the end may be taken twice.
#[inline]
pub(crate) fn of_bytes(bytes: &[u8]) -> u32 {
    let mut hash = bytes.len() as u64;
    let mut rest = bytes;
    while let Some((word, behind)) = rest.split_first_chunk::<8>() {
        hash = mix(hash, u64::from_le_bytes(*word));
        rest = behind;
    }
    let end = match bytes.last_chunk::<8>() {
        Some(word) => u64::from_le_bytes(*word),
        None => rest.iter().fold(0, |end, byte| end << 8 | u64::from(*byte)),
    };
    last(mix(hash, end))
}

/// Returns the upper half, which all bits have a part in.
#[inline]
const fn last(hash: u64) -> u32 {
    (hash.wrapping_mul(SPREAD) >> 32) as u32
}

/// Returns which of so many buckets a hash belongs to.
#[inline]
pub(crate) fn bucket(buckets: usize, hash: u32) -> usize {
    // the upper half of the product is below their number, which is below 2^16
    usize::try_from(u64::from(hash).wrapping_mul(buckets as u64) >> 32).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many of as many buckets have something.
    fn used(hashes: impl ExactSizeIterator<Item = u32>) -> usize {
        let buckets = hashes.len();
        hashes.map(|hash| bucket(buckets, hash)).collect::<std::collections::HashSet<_>>().len()
    }

    #[test]
    fn alike_names_and_numbers_are_spread() {
        // of balls thrown at as many buckets, 63 of 100 buckets have one
        let names = (0..5000).map(|i| of_bytes(format!("edge{i}@10.0.0.1").as_bytes()));
        let mailboxes = (0..5000).map(|i| of_bytes(format!("m{i}").as_bytes()));
        let pids = (0..5000_u32).map(|i| of_pair(3, u64::from(i) << 32 | 7));
        for (what, used) in [("names", used(names)), ("mailboxes", used(mailboxes)), ("pids", used(pids))] {
            assert!((3000..3400).contains(&used), "{what}: {used}");
        }
        assert_ne!(of_bytes(b"a"), of_bytes(b"\0a"));
        assert_eq!(of_bytes(b""), of_bytes(&[]));
    }
}
