//! One state machine a file: bytes and time in, bytes and states out.

#![cfg_attr(not(test), forbid(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![cfg_attr(not(test), forbid(clippy::cast_sign_loss, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used))]
#![cfg_attr(not(test), forbid(clippy::expect_used, clippy::unwrap_in_result, clippy::panic, clippy::panic_in_result_fn))]
#![cfg_attr(not(test), forbid(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::disallowed_methods))]
#![cfg_attr(not(test), forbid(clippy::disallowed_macros, clippy::exit, clippy::mem_forget))]

pub(crate) mod epmd_client;
pub(crate) mod epmd_server;
pub(crate) mod handshake;
pub(crate) mod link;
