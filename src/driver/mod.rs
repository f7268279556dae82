//! The world: sockets, clock, randomness, host names.

pub(crate) mod epmd;
pub(crate) mod epmd_service;
