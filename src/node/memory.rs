//! All the memory a node ever uses, handed in by its user.

use super::event::Events;
use super::half_open::HalfOpen;
use super::links::{Link, RESERVED};
use super::mailbox::Inbox;
use super::requests::Request;
use super::watch::{FIRST_JOB, Watch};
use crate::storage::slots::Places;

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
/// `WATCHES` is how many links, monitors by others and callers of served functions there can be at once; at the limit whoever wants one
/// more is told `system_limit`. `REQUESTS` is how many monitors, calls and aliases of this node's own there can be; at the limit making
/// one says so ([`Full::Requests`](crate::Full::Requests)). Choose them with [`NodeStorage::sized`].
///
/// It takes `(2 * PEERS + MAILBOXES) * BYTES`, and on a 64 bit machine 520 bytes a peer, 336 a mailbox, 80 a watch, 328 a request and
/// 26 KiB besides: 324,568 bytes for `NodeStorage<4, 8, 16_384>`. It starts as zeros, so as a `static` it takes no room in the program's file, and
/// what is never used of it the system need not back with memory. Make it once: as a local of `main`, in a `Box`, or as
/// `static STORAGE: Mutex<NodeStorage<..>>`.
pub struct NodeStorage<
    const PEERS: usize,
    const MAILBOXES: usize,
    const BYTES: usize,
    const WATCHES: usize = 256,
    const REQUESTS: usize = 32,
> {
    pub(super) links: Places<Link, PEERS>,
    pub(super) receiving: [[u8; BYTES]; PEERS],
    pub(super) sending: [[u8; BYTES]; PEERS],
    pub(super) inboxes: Places<Inbox, MAILBOXES>,
    pub(super) rings: [[u8; BYTES]; MAILBOXES],
    pub(super) watches: Places<Watch, WATCHES>,
    pub(super) requests: Places<Request, REQUESTS>,
    pub(super) half_open: Places<HalfOpen, HALF_OPEN>,
    pub(super) events: Events,
}

impl<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize> NodeStorage<PEERS, MAILBOXES, BYTES> {
    /// Empty memory, with 256 places for links and monitors and 32 for requests.
    pub const fn new() -> Self {
        Self::sized()
    }
}

impl<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize, const WATCHES: usize, const REQUESTS: usize>
    NodeStorage<PEERS, MAILBOXES, BYTES, WATCHES, REQUESTS>
{
    /// Empty memory, all of whose sizes are chosen.
    pub const fn sized() -> Self {
        const {
            assert!(PEERS > 0 && PEERS < 0xffff, "from one to 65534 peers");
            assert!(MAILBOXES < FIRST_JOB as usize, "up to 16383 mailboxes");
            assert!(WATCHES < 0xffff && REQUESTS < 0xffff, "up to 65534 places of either kind");
            assert!(BYTES >= 2 * RESERVED, "buffers have at least 4096 bytes");
            assert!(BYTES <= 0x4000_0000, "buffers have at most 1 GiB");
        }
        Self {
            links: Places::EMPTY,
            receiving: [[0; BYTES]; PEERS],
            sending: [[0; BYTES]; PEERS],
            inboxes: Places::EMPTY,
            rings: [[0; BYTES]; MAILBOXES],
            watches: Places::EMPTY,
            requests: Places::EMPTY,
            half_open: Places::EMPTY,
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
        const fn size<const P: usize, const M: usize, const W: usize, const R: usize>() -> usize {
            size_of::<NodeStorage<P, M, 16_384, W, R>>()
        }
        let usual = size::<4, 8, 256, 32>();
        let each = (
            size::<5, 8, 256, 32>() - usual - 2 * 16_384,
            size::<4, 9, 256, 32>() - usual - 16_384,
            size::<4, 8, 257, 32>() - usual,
            size::<4, 8, 256, 33>() - usual,
        );
        assert_eq!((usual, each), (324_568, (520, 336, 80, 328)));
        assert_eq!((size_of::<crate::wire::ids::OwnedPid>(), size_of::<crate::wire::ids::OwnedReference>()), (280, 304));
        assert_eq!(size_of::<super::super::OwnedCaller>(), 952);
    }
}
