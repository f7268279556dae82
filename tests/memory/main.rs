//! Two nodes in memory: no socket, no clock, every cut of the stream between them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected has failed, and a panic is how it says so"
)]

mod allocations;
mod calls;
mod connecting;
mod dials;
mod driver;
mod ends;
mod global;
mod groups;
mod handshakes;
mod limits;
mod links;
mod mailboxes;
mod noise;
mod otp;
mod pair;
#[cfg(feature = "tls")]
#[expect(dead_code, reason = "files are for programs, which tests/erlang starts")]
mod pki;
mod seed;
mod serde;
mod serial;
mod shares;
mod system;
mod ties;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "tls")]
mod tls_held;
#[cfg(feature = "tls")]
mod tls_noise;
mod trace;
mod unix;
mod wake;
