//! Fixed memory: spans of one buffer, a ring of whole records, buffers of one size, and a table whose places know their generation; and what is
//! found in a table without looking through it: by a hash, by whose it is, by its turn, by its time.

#![cfg_attr(not(test), forbid(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![cfg_attr(not(test), forbid(clippy::cast_sign_loss, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used))]
#![cfg_attr(not(test), forbid(clippy::expect_used, clippy::unwrap_in_result, clippy::panic, clippy::panic_in_result_fn))]
#![cfg_attr(not(test), forbid(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::disallowed_methods))]
#![cfg_attr(not(test), forbid(clippy::disallowed_macros, clippy::exit, clippy::mem_forget))]

pub(crate) mod buffers;
pub(crate) mod chains;
pub(crate) mod hash;
pub(crate) mod names;
pub(crate) mod queue;
pub(crate) mod ring;
pub(crate) mod slots;
pub(crate) mod span;
pub(crate) mod timers;
