//! One state machine a file: bytes and time in, bytes and states out.

pub(crate) mod epmd_client;
pub(crate) mod epmd_server;
pub(crate) mod handshake;
pub(crate) mod link;
