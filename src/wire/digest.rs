//! The proof that both sides know the cookie (erl_dist_protocol, "Distribution Handshake").

use md5::{Digest as _, Md5};

/// Returns the MD5 of the cookie followed by the challenge in decimal.
pub(crate) fn digest(cookie: &[u8], challenge: u32) -> [u8; 16] {
    let mut decimal = heapless::String::<10>::new();
    // a u32 has at most ten digits
    let _ = core::fmt::write(&mut decimal, format_args!("{challenge}"));
    let mut md5 = Md5::new();
    md5.update(cookie);
    md5.update(decimal.as_bytes());
    md5.finalize().into()
}

/// Compares in the same time whether the first byte differs or the last.
pub(crate) fn same(a: &[u8; 16], b: &[u8; 16]) -> bool {
    core::hint::black_box(a.iter().zip(b).fold(0, |sum, (x, y)| sum | (x ^ y))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors() {
        for (challenge, hex) in [
            (123_456_789, "b2dc76a3530cd91962ba572d5c52f476"),
            (u32::MAX, "5dfd181e69aa587cc812eb333e6536b6"),
            (0, "175ec77a7f63082590987d0d8b051aff"),
        ] {
            let made = digest(b"secret", challenge);
            let text = made.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
            assert_eq!(text, hex);
            assert!(same(&made, &made) && !same(&made, &[0; 16]));
        }
    }

    /// Differences do not make up for one another.
    #[test]
    fn two_differences_are_no_likeness() {
        let one = [7; 16];
        let mut other = one;
        (other[3], other[9]) = (6, 6);
        assert!(same(&one, &one) && !same(&one, &other));
        other[9] = 7;
        assert!(!same(&one, &other));
    }
}
