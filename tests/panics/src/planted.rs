//! A panic that is there, so that it is seen that one is found.

use crate::Bytes;

/// Indexes by what a peer has chosen.
#[unsafe(no_mangle)]
pub extern "C" fn planted(bytes: &Bytes) -> u8 {
    bytes.bytes[bytes.len]
}
