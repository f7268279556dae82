//! The tokens by which the poll tells the driver's own sources apart.

use mio::Token;

use super::epmd::EpmdClient;

/// The first token of the driver's own; a program's tokens are below it.
pub(super) const OWN: usize = usize::MAX / 2;
pub(super) const WAKER: Token = Token(OWN);
pub(super) const LISTENERS: usize = OWN + 1;
/// Addresses a node listens on at once.
pub(super) const MAX_LISTENERS: usize = 8;
/// The socket of this host that a node listens on.
pub(super) const UNIX: usize = LISTENERS + MAX_LISTENERS;
pub(super) const EPMD: usize = UNIX + 1;
pub(super) const SOCKETS: usize = EPMD + EpmdClient::TOKENS;
