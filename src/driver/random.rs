//! Randomness, which nobody can foresee.

use std::io;

use super::net::failed;
use crate::error::Result;

/// Returns 64 bits from the system's generator.
pub(super) fn random() -> Result<u64> {
    getrandom::u64().map_err(|e| failed("drawing random numbers", io::Error::other(e)))
}
