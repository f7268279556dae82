//! Fixed memory: spans of one buffer, a ring of whole records, buffers of one size, and a table whose places know their generation; and what is
//! found in a table without looking through it: by a hash, by whose it is, by its turn, by its time.

pub(crate) mod buffers;
pub(crate) mod chains;
pub(crate) mod hash;
pub(crate) mod names;
pub(crate) mod queue;
pub(crate) mod ring;
pub(crate) mod slots;
pub(crate) mod span;
pub(crate) mod timers;
