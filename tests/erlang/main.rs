//! beamless against a real Erlang.
//!
//! Every test has a home, an EPMD port and a cookie of its own, so that they run side by side, and next to whatever else runs on the
//! machine. Erlang and Elixir must be there: without them tests fail. `BEAMLESS_ERL`, `BEAMLESS_EPMD` and `BEAMLESS_ELIXIR` name other
//! programs than `erl`, `epmd` and `elixir`, to test against another OTP release; `tests/otp/get` brings some. Where a release lacks
//! what a test needs, the test asks [`support::otp`] and does the nearest that is true there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "a test that meets the unexpected has failed, and a panic is how it says so"
)]

mod agent_clusters;
mod aliases;
mod answers;
mod binaries;
mod boot;
mod calls;
mod calls_out;
mod certs;
mod children;
mod clusters;
mod commands;
mod config;
mod cookies;
mod crowd;
mod dialects;
mod dials;
mod differ;
mod elixir;
mod epmd;
mod epmd_tool;
mod examples;
mod fields;
mod flags;
mod floods;
mod functions;
mod gossip;
mod groups;
mod health;
mod hostile;
#[path = "../hosts/mod.rs"]
mod hosts;
mod hub;
mod hubs;
mod inside;
mod interrupted;
mod join;
mod keep;
mod lan;
mod left_behind;
mod libei;
mod load;
mod log;
mod moving;
mod names;
mod namespaces;
mod outbound;
mod peers;
#[path = "../memory/pki.rs"]
mod pki;
mod program;
mod programs;
mod publish;
mod pubsub;
mod raw;
mod reload;
mod restart;
mod serde;
mod serial;
mod shares;
mod shim;
mod slow_files;
mod soak;
mod stand_ins;
mod status;
mod strangers;
mod streams;
mod support;
mod system_info;
mod systemd;
mod terms;
mod text;
mod ties;
mod tls;
mod tls_agent;
mod tls_live;
mod tls_renewal;
mod tool;
mod tool_groups;
mod tool_prints;
mod tool_recv;
mod turned_away;
mod unix;
mod usage;
mod visible;
mod waiting;
mod words;
