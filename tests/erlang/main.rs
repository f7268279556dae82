//! beamless against a real Erlang.
//!
//! Every test has a home, an EPMD port and a cookie of its own, so that they run side by side, and next to whatever else runs on the
//! machine. Erlang must be there: without it the tests fail. `BEAMLESS_ERL` and `BEAMLESS_EPMD` name other programs than `erl` and
//! `epmd`, to test against another OTP release.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected has failed, and a panic is how it says so"
)]

mod calls;
mod citizen;
mod cookies;
mod epmd;
mod examples;
mod inside;
mod join;
mod load;
mod names;
mod program;
mod restart;
mod strangers;
mod support;
mod terms;
mod text;
mod usage;
mod visible;
