//! All the memory a node ever uses, handed in by its user.

use super::event::Events;
use super::half_open::HalfOpen;
use super::links::{Link, RESERVED};
use super::mailbox::Inbox;
use crate::storage::slots::Slot;

/// How many handshakes may be under way at once, in and out together. Each needs little memory (about 2 KiB) and
/// seven seconds at most; when all places are taken, a new caller takes that of the oldest unproven one.
pub(super) const HALF_OPEN: usize = 8;

/// All the memory of a node with at most `PEERS` connections and `MAILBOXES` mailboxes.
///
/// `BYTES`, at least 4096, is the size of every buffer, of which each peer has two and each mailbox one:
/// * a peer's receive buffer: the largest message taken from a peer, with its addresses. A larger one is skipped and reported
///   as [`Event::TooLarge`](crate::Event::TooLarge);
/// * a peer's transmit buffer: what waits for the network. When it is full, sending says so ([`Full`](crate::Full));
///   2048 bytes of it are kept for what the protocol owes, so a message we send has at most `BYTES - 2048`;
/// * a mailbox: messages not read yet. When it is full, the peer whose message does not fit is not read from until it is.
///
/// When all peers are taken, further nodes are refused; when all mailboxes are, registering says so.
///
/// It takes `(2 * PEERS + MAILBOXES) * BYTES`, and on a 64 bit machine 512 bytes a peer, 320 a mailbox and 26 KiB besides:
/// 293,392 bytes for `NodeStorage<4, 8, 16_384>`. It starts as zeros, so as a `static` it takes no room in the program's file, and
/// what is never used of it the system need not back with memory. Make it once: as a local of `main`, in a `Box`, or as
/// `static STORAGE: Mutex<NodeStorage<..>>`.
pub struct NodeStorage<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize> {
    pub(super) links: [Slot<Link>; PEERS],
    pub(super) receiving: [[u8; BYTES]; PEERS],
    pub(super) sending: [[u8; BYTES]; PEERS],
    pub(super) inboxes: [Slot<Inbox>; MAILBOXES],
    pub(super) rings: [[u8; BYTES]; MAILBOXES],
    pub(super) half_open: [Slot<HalfOpen>; HALF_OPEN],
    pub(super) events: Events,
}

impl<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize> NodeStorage<PEERS, MAILBOXES, BYTES> {
    /// Empty memory.
    pub const fn new() -> Self {
        const {
            assert!(PEERS > 0 && PEERS < 0xffff && MAILBOXES < 0xffff, "from one to 65534 peers, up to 65534 mailboxes");
            assert!(BYTES >= 2 * RESERVED, "buffers have at least 4096 bytes");
            assert!(BYTES <= 0x4000_0000, "buffers have at most 1 GiB");
        }
        Self {
            links: [const { Slot::EMPTY }; PEERS],
            receiving: [[0; BYTES]; PEERS],
            sending: [[0; BYTES]; PEERS],
            inboxes: [const { Slot::EMPTY }; MAILBOXES],
            rings: [[0; BYTES]; MAILBOXES],
            half_open: [const { Slot::EMPTY }; HALF_OPEN],
            events: Events::EMPTY,
        }
    }
}

impl<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize> Default for NodeStorage<PEERS, MAILBOXES, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// The buffer of one place in memory that holds equal buffers one after another.
pub(super) fn chunk(memory: &[u8], stride: usize, index: u16) -> &[u8] {
    let at = usize::from(index).saturating_mul(stride);
    memory.get(at..at.saturating_add(stride)).unwrap_or(&[])
}

/// As [`chunk`], to write to.
pub(super) fn chunk_mut(memory: &mut [u8], stride: usize, index: u16) -> &mut [u8] {
    let at = usize::from(index).saturating_mul(stride);
    memory.get_mut(at..at.saturating_add(stride)).unwrap_or(&mut [])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn takes_what_its_page_says() {
        const fn size<const P: usize, const M: usize>() -> usize {
            size_of::<NodeStorage<P, M, 16_384>>()
        }
        assert_eq!(size::<4, 8>(), 293_392);
        assert_eq!(size::<5, 8>() - size::<4, 8>() - 2 * 16_384, 512);
        assert_eq!((size_of::<crate::wire::ids::OwnedPid>(), size_of::<crate::wire::ids::OwnedReference>()), (280, 304));
        assert_eq!(size::<4, 9>() - size::<4, 8>() - 16_384, 320);
    }
}
