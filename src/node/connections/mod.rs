//! The connections of a node: from the first byte of a handshake to the last of a message.

pub(crate) mod dials;
pub(crate) mod ends;
pub(crate) mod frames;
pub(crate) mod handshake;
pub(crate) mod node;
pub(crate) mod time;
pub(crate) mod transport;
