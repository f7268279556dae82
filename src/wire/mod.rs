//! Bytes and values: no state, no time, no storage.

pub(crate) mod build;
#[cfg(test)]
pub(crate) mod captured;
pub(super) mod check;
pub(crate) mod codes;
pub(crate) mod control;
pub(crate) mod cursor;
pub(crate) mod digest;
pub(crate) mod epmd;
pub(crate) mod fixed;
pub(crate) mod frame;
pub(crate) mod handshake;
pub(crate) mod ids;
pub(crate) mod key;
#[cfg(feature = "std")]
pub(crate) mod owned;
#[cfg(feature = "serde")]
pub mod serde;
pub(crate) mod term;
pub(crate) mod text;
pub(crate) mod value;
