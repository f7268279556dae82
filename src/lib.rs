//! placeholder
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]
#[cfg(feature = "std")]
extern crate std;
mod error;
mod node;
mod proto;
mod storage;
mod time;
mod wire;
pub use error::*;
pub use node::*;
pub use time::Instant;
pub use wire::{
    build::{TermWriter, encode},
    ids::*,
    term::*,
};
