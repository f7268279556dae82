//! The log at level debug: every control message and every packet of a handshake, by name and size. What is in them it never shows:
//! no payload, no cookie, no digest.

use log::{Level, debug, log_enabled};

use crate::wire::codes::OpName;
use crate::wire::control::operation;
use crate::wire::handshake::{Prefix, packet_name, split};
use crate::wire::ids::NodeName;

/// Returns true if anybody reads that. It is asked for every message, so it is but a comparison as long as nobody does.
#[inline]
pub(super) fn is_on() -> bool {
    log_enabled!(Level::Debug)
}

/// Traces a frame that came. `body` may be the front of one that is too large.
#[cold]
pub(super) fn received(peer: &NodeName, body: &[u8], size: u64) {
    control("from", peer, body, size);
}

/// Traces a frame that is sent.
#[cold]
pub(super) fn sent(peer: &NodeName, body: &[u8], size: usize) {
    control("to", peer, body, size as u64);
}

fn control(way: &str, peer: &NodeName, body: &[u8], size: u64) {
    match operation(body) {
        Some(op) => debug!("{way} {peer}: {}, {size} bytes", OpName(op)),
        None => debug!("{way} {peer}: no control message, {size} bytes"),
    }
}

/// Traces a packet of a handshake that came. `inbound`: the peer is the side that connected.
pub(super) fn handshake_received(peer: Option<&NodeName>, body: &[u8], prefix: Prefix, inbound: bool) {
    if is_on() {
        packet("from", peer, body, prefix, inbound);
    }
}

/// Traces the packets of a handshake that are sent.
pub(super) fn handshake_sent(peer: Option<&NodeName>, mut packets: &[u8], prefix: Prefix, inbound: bool) {
    while let Some((body, taken)) = split(packets, prefix).filter(|_| is_on()) {
        packet("to", peer, body, prefix, !inbound);
        packets = packets.get(taken..).unwrap_or(&[]);
    }
}

/// Traces a packet. `connecting`: it is of the side that connected.
fn packet(way: &str, peer: Option<&NodeName>, body: &[u8], prefix: Prefix, connecting: bool) {
    let (name, size) = (packet_name(body, connecting), body.len().saturating_add(prefix.len()));
    match peer {
        Some(peer) => debug!("{way} {peer}: {name}, {size} bytes"),
        None => debug!("{way} a caller: {name}, {size} bytes"),
    }
}
