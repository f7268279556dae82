//! Bytes and values: no state, no time, no storage.

pub(crate) mod build;
pub(crate) mod codes;
pub(crate) mod cursor;
pub(crate) mod ids;
pub(crate) mod term;
