//! placeholder
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#![forbid(unsafe_code)]
#[cfg(feature = "std")]
extern crate std;
#[cfg(feature = "std")]
mod driver;
mod error;
mod node;
mod proto;
mod storage;
mod time;
mod wire;
#[cfg(feature = "std")]
pub use driver::*;
pub use error::*;
pub use node::*;
pub use time::Instant;
pub use wire::{
    build::{TermWriter, encode},
    ids::*,
    term::*,
    text::{Text, TextError, TextFault, parse_text},
};

/// EPMD without I/O, both sides: for a loop of your own. The driver brings its own sockets for it.
pub mod epmd {
    pub use crate::proto::{epmd_client::*, epmd_server::*};
}
