//! Fixed memory: spans of one buffer, a ring of whole records, buffers of one size, a table whose places know their generation.

pub(crate) mod buffers;
pub(crate) mod chains;
pub(crate) mod hash;
pub(crate) mod names;
pub(crate) mod queue;
pub(crate) mod ring;
pub(crate) mod slots;
pub(crate) mod span;
pub(crate) mod timers;
