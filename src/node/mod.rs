//! The node: who gets what.
//!
//! Rooms, each of which leans on those before it:
//! * `config`, `trace`: what a node is told once, and what it writes to a log;
//! * `tables`: what it remembers, and lets go;
//! * `forms`: how OTP's libraries write calls, answers and ends;
//! * `core`: finds, delivers and answers;
//! * `otp`: what OTP's own processes would answer;
//! * `cluster`: what a process of `pg` does, and how `global` is asked;
//! * `signals`: what control messages do;
//! * `connections`: handshakes, frames, time, and what a driver calls;
//! * `api`: what the program sees, and does.

#![cfg_attr(not(test), forbid(clippy::arithmetic_side_effects, clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![cfg_attr(not(test), forbid(clippy::cast_sign_loss, clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used))]
#![cfg_attr(not(test), forbid(clippy::expect_used, clippy::unwrap_in_result, clippy::panic, clippy::panic_in_result_fn))]
#![cfg_attr(not(test), forbid(clippy::unreachable, clippy::todo, clippy::unimplemented, clippy::disallowed_methods))]
#![cfg_attr(not(test), forbid(clippy::disallowed_macros, clippy::exit, clippy::mem_forget))]

mod api;
mod cluster;
mod config;
mod connections;
mod core;
mod forms;
mod otp;
mod signals;
mod tables;
mod trace;

pub use api::address::Address;
pub use api::message::{Message, Received};
pub use api::outbox::Outbox;
pub use api::program::{InUse, Peer};
pub use config::{AutoConnect, Config};
pub use connections::node::{Connection, Node};
pub use forms::call::Call;
pub use forms::caller::{Caller, OwnedCaller};
pub use forms::failure::Failure;
pub use forms::outcome::Exception;
pub use forms::served::Apply;
pub use tables::event::{Dropped, Event, HeldBy, Receiver};
pub use tables::groups::GroupStorage;
#[cfg(feature = "std")]
pub(crate) use tables::groups::HeapGroups;
pub use tables::handles::{Mailbox, Monitor, Request};
pub use tables::inbox::Overflow;
pub use tables::links::Traffic;
#[cfg(feature = "std")]
pub(crate) use tables::memory::Memory;
pub use tables::memory::NodeStorage;
#[cfg(feature = "std")]
pub use tables::memory::Sizes;
pub use tables::origin::Origin;
pub use tables::shares::may_take;
