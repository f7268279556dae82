//! Bytes and values: no state, no time, no storage.

#![cfg_attr(not(test), forbid(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![cfg_attr(not(test), forbid(clippy::cast_sign_loss, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used))]
#![cfg_attr(not(test), forbid(clippy::expect_used, clippy::unwrap_in_result, clippy::panic, clippy::panic_in_result_fn))]
#![cfg_attr(not(test), forbid(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::disallowed_methods))]
#![cfg_attr(not(test), forbid(clippy::disallowed_macros, clippy::exit, clippy::mem_forget))]

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
mod same;
#[cfg(feature = "serde")]
pub mod serde;
pub(crate) mod split;
pub(crate) mod term;
pub(crate) mod text;
pub(crate) mod value;
