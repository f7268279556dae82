//! The memory of a node, all of which its user hands in.

use core::fmt;
use core::ops::RangeInclusive;

use super::event::Events;
use super::half_open::{FEW, HalfOpen, HalfOpens};
use super::identity::FIRST_JOB;
use super::inbox::Inbox;
use super::links::{Link, RESERVED};
use super::requests::{Asked, Requests};
use super::ties::{Watch, Watches};
use crate::error::ConfigError;
use crate::storage::buffers::Buffers;
use crate::storage::chains::Chains;
use crate::storage::slots::{Places, Table};
use crate::storage::timers::Order;
#[cfg(feature = "std")]
use crate::storage::timers::Timers;

/// The ranges of the sizes of a node's memory. The text of [`ConfigError::Sizes`](crate::ConfigError::Sizes) has the same numbers.
const PEERS: RangeInclusive<u16> = 1..=65_534;
const MAILBOXES: RangeInclusive<u16> = 0..=16_383;
const PLACES: RangeInclusive<u16> = 0..=65_534;
const BYTES: RangeInclusive<usize> = 2 * RESERVED..=0x4000_0000;
// pids tell mailboxes from the processes of served functions by their numbers
const _: () = assert!((*MAILBOXES.end() as u32) < FIRST_JOB);

/// Returns true if the range has the number.
const fn has(range: &RangeInclusive<u16>, number: usize) -> bool {
    *range.start() as usize <= number && number <= *range.end() as usize
}

/// The memory of a node with at most `PEERS` connections and `MAILBOXES` mailboxes. A node takes no other.
///
/// `BYTES`, at least 4096, is the size of every buffer, of which each peer has two and each mailbox one:
/// * a peer's receive buffer: the largest message taken from a peer, with its addresses. A larger one is skipped and reported
///   as [`Event::TooLarge`](crate::Event::TooLarge);
/// * a peer's transmit buffer: what waits for the network. When it is full, sending says so ([`Full`](crate::Full));
///   2048 bytes of it are kept for what the protocol owes, so a message we send has at most `BYTES - 2048`;
/// * a mailbox: messages not read yet. When it is full, the peer whose message does not fit is not read from until it does.
///
/// When all peers are taken, further nodes are refused; when all mailboxes are, registering says so.
///
/// Connections that are not proven yet have places of their own: eight, and one for each of `PEERS`, so that as many nodes as there may be
/// can connect at once; eight at most are kept for attempts of this node's own. When the rest is taken, a caller that has shown less makes way, or the newcomer waits: see [`Node::accept`](crate::Node::accept).
///
/// `WATCHES` is how many links, monitors by others, processes that wait in a call to a mailbox and callers of served functions there can be
/// at once; at the limit whoever wants one more is told `system_limit`. One node has at most three times as many as are free then, where
/// there can be more than one: three quarters if it is alone, and there is room for others. `REQUESTS` is how
/// many monitors, calls and aliases of this node's own there can be; at the limit making one says so ([`Full::Requests`](crate::Full::Requests)). Choose them with
/// [`NodeStorage::sized`].
///
/// It takes `(2 * PEERS + MAILBOXES) * BYTES`, and on a 64 bit machine 2,808 bytes a peer, 368 a mailbox, 96 a watch, 336 a request and
/// 26 KiB besides: 365,360 bytes for `NodeStorage<4, 8, 16_384>`. It starts as zeros, so as a `static` it takes no room in the program's file, and
/// what is never used of it the system need not back with memory. Make it once: as a local of `main`, in a `Box`, or as
/// `static STORAGE: Mutex<NodeStorage<..>>`.
///
/// ```
/// use beamless::{Config, Node, NodeStorage};
///
/// // 4 peers, 8 mailboxes, 16 KiB for each buffer
/// let mut storage = NodeStorage::<4, 8, 16_384>::new();
/// let mut node = Node::new(Config::hidden("edge1@nuc1", "secret")?, &mut storage);
/// node.register("thermometer")?;
/// assert_eq!(node.in_use().mailboxes, 1);
///
/// // 1 peer, 1 mailbox, 4 KiB, and 8 places for links and calls of either kind: for a chip
/// let small = NodeStorage::<1, 1, 4096, 8, 8>::sized();
/// assert!(size_of_val(&small) < 48 * 1024);
/// # Ok::<(), beamless::Error>(())
/// ```
pub struct NodeStorage<
    const PEERS: usize,
    const MAILBOXES: usize,
    const BYTES: usize,
    const WATCHES: usize = 512,
    const REQUESTS: usize = 32,
> {
    pub(in crate::node) links: Places<Link, PEERS, PEERS>,
    pub(in crate::node) receiving: [[u8; BYTES]; PEERS],
    pub(in crate::node) sending: [[u8; BYTES]; PEERS],
    pub(in crate::node) inboxes: Places<Inbox, MAILBOXES, MAILBOXES>,
    pub(in crate::node) rings: [[u8; BYTES]; MAILBOXES],
    pub(in crate::node) watches: Places<Watch, WATCHES, WATCHES>,
    pub(in crate::node) watch_owners: [u16; WATCHES],
    pub(in crate::node) requests: Places<Asked, REQUESTS, 0>,
    pub(in crate::node) request_owners: [u16; REQUESTS],
    pub(in crate::node) limits: Order<REQUESTS>,
    pub(in crate::node) half_open: Places<HalfOpen, { FEW as usize }, 0>,
    pub(in crate::node) more_half_open: Places<HalfOpen, PEERS, 0>,
    pub(in crate::node) events: Events,
}

impl<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize> NodeStorage<PEERS, MAILBOXES, BYTES> {
    /// Makes empty memory, with 512 places for links and monitors and 32 for requests.
    pub const fn new() -> Self {
        Self::sized()
    }
}

impl<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize, const WATCHES: usize, const REQUESTS: usize>
    NodeStorage<PEERS, MAILBOXES, BYTES, WATCHES, REQUESTS>
{
    /// Makes empty memory, all of whose sizes are chosen.
    pub const fn sized() -> Self {
        const {
            let places =
                has(&self::PEERS, PEERS) && has(&self::MAILBOXES, MAILBOXES) && has(&PLACES, WATCHES) && has(&PLACES, REQUESTS);
            assert!(places && *self::BYTES.start() <= BYTES && BYTES <= *self::BYTES.end(), "{}", ConfigError::SIZES);
        }
        Self {
            links: Places::EMPTY,
            receiving: [[0; BYTES]; PEERS],
            sending: [[0; BYTES]; PEERS],
            inboxes: Places::EMPTY,
            rings: [[0; BYTES]; MAILBOXES],
            watches: Places::EMPTY,
            watch_owners: [0; WATCHES],
            requests: Places::EMPTY,
            request_owners: [0; REQUESTS],
            limits: Order::EMPTY,
            half_open: Places::EMPTY,
            more_half_open: Places::EMPTY,
            events: Events::EMPTY,
        }
    }
}

impl<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize, const WATCHES: usize, const REQUESTS: usize> fmt::Debug
    for NodeStorage<PEERS, MAILBOXES, BYTES, WATCHES, REQUESTS>
{
    /// Shows the sizes alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeStorage<{PEERS}, {MAILBOXES}, {BYTES}, {WATCHES}, {REQUESTS}>")
    }
}

impl<const PEERS: usize, const MAILBOXES: usize, const BYTES: usize> Default for NodeStorage<PEERS, MAILBOXES, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// The sizes of an [`OwnedNode`](crate::OwnedNode). They mean what those of [`NodeStorage`] do.
#[cfg(feature = "std")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sizes {
    /// Connections, in the range [`Sizes::PEERS`]. There are eight places more than that for connections that are
    /// not proven yet, of 2.2 KiB each.
    pub peers: u16,
    /// Mailboxes, in the range [`Sizes::MAILBOXES`].
    pub mailboxes: u16,
    /// Bytes of every buffer, in the range [`Sizes::BYTES`]: two buffers for a peer, one for a mailbox.
    pub bytes: usize,
    /// Links, monitors by others, processes that wait in a call to a mailbox and callers of served functions, in the range
    /// [`Sizes::WATCHES`]. One node has at most three times as many as are free then.
    pub watches: u16,
    /// Monitors, calls and aliases of this node's own, in the range [`Sizes::REQUESTS`].
    pub requests: u16,
}

#[cfg(feature = "std")]
impl Default for Sizes {
    /// Makes sizes of 4 peers, 8 mailboxes, 16 KiB, 512 watches and 32 requests.
    fn default() -> Self {
        Self::new(4, 8, 16_384)
    }
}

#[cfg(feature = "std")]
impl Sizes {
    /// The range of the number of connections: 1 to 65,534.
    pub const PEERS: RangeInclusive<u16> = PEERS;
    /// The range of the number of mailboxes: up to 16,383.
    pub const MAILBOXES: RangeInclusive<u16> = MAILBOXES;
    /// The range of the bytes of a buffer: 4096 to 2^30.
    pub const BYTES: RangeInclusive<usize> = BYTES;
    /// The range of the places for links, monitors by others and callers of served functions: up to 65,534.
    pub const WATCHES: RangeInclusive<u16> = PLACES;
    /// The range of the places for monitors, calls and aliases of this node's own: up to 65,534.
    pub const REQUESTS: RangeInclusive<u16> = PLACES;

    /// Makes sizes of these three, with 512 watches and 32 requests.
    pub const fn new(peers: u16, mailboxes: u16, bytes: usize) -> Self {
        Self { peers, mailboxes, bytes, watches: 512, requests: 32 }
    }

    /// Sets how many links, monitors by others and callers of served functions there can be.
    #[must_use]
    pub const fn watches(self, watches: u16) -> Self {
        Self { watches, ..self }
    }

    /// Sets how many monitors, calls and aliases of the node's own there can be.
    #[must_use]
    pub const fn requests(self, requests: u16) -> Self {
        Self { requests, ..self }
    }

    /// Returns how many bytes a node of these sizes takes on the heap; `usize::MAX` where that is more than can be.
    pub fn memory(&self) -> usize {
        let buffers = usize::from(self.peers).saturating_mul(2).saturating_add(self.mailboxes.into()).saturating_mul(self.bytes);
        let parts = [
            size_of::<Events>(),
            Table::<Link>::bytes(self.peers, self.peers),
            Table::<Inbox>::bytes(self.mailboxes, self.mailboxes),
            Table::<Watch>::bytes(self.watches, self.watches),
            Table::<Asked>::bytes(self.requests, 0),
            // the owners of both, and the order of the time limits
            size_of::<u16>()
                .saturating_mul(usize::from(self.watches).saturating_add(usize::from(self.requests).saturating_mul(2))),
            Table::<HalfOpen>::bytes(FEW, 0),
            Table::<HalfOpen>::bytes(self.peers, 0),
        ];
        parts.iter().fold(buffers, |sum, part| sum.saturating_add(*part))
    }
}

/// A storage of either kind, as a node takes it.
pub(crate) struct Memory<'s> {
    pub(crate) links: Table<'s, Link>,
    pub(crate) receiving: Buffers<'s>,
    pub(crate) sending: Buffers<'s>,
    pub(crate) inboxes: Table<'s, Inbox>,
    pub(crate) rings: Buffers<'s>,
    pub(crate) watches: Watches<'s>,
    pub(crate) requests: Requests<'s>,
    pub(crate) half_open: HalfOpens<'s>,
    pub(crate) events: &'s mut Events,
}

impl<'s, const PEERS: usize, const MAILBOXES: usize, const BYTES: usize, const WATCHES: usize, const REQUESTS: usize>
    From<&'s mut NodeStorage<PEERS, MAILBOXES, BYTES, WATCHES, REQUESTS>> for Memory<'s>
{
    fn from(storage: &'s mut NodeStorage<PEERS, MAILBOXES, BYTES, WATCHES, REQUESTS>) -> Self {
        Self {
            links: storage.links.lend(),
            receiving: Buffers::new(storage.receiving.as_flattened_mut(), BYTES),
            sending: Buffers::new(storage.sending.as_flattened_mut(), BYTES),
            inboxes: storage.inboxes.lend(),
            rings: Buffers::new(storage.rings.as_flattened_mut(), BYTES),
            watches: Watches { table: storage.watches.lend(), owners: Chains::new(&mut storage.watch_owners) },
            requests: Requests {
                table: storage.requests.lend(),
                owners: Chains::new(&mut storage.request_owners),
                limits: storage.limits.timers(),
            },
            half_open: HalfOpens::new(storage.half_open.lend(), storage.more_half_open.lend()),
            events: &mut storage.events,
        }
    }
}

/// More than any C library keeps when it is given back.
#[cfg(feature = "std")]
const PROBED: usize = 0x1000_0000;

#[cfg(feature = "std")]
impl Memory<'static> {
    /// Makes memory of these sizes that lasts as long as the process.
    pub(crate) fn leaked(sizes: Sizes) -> Result<Self, ConfigError> {
        let Sizes { peers, mailboxes, bytes, watches, requests } = sizes;
        let places = Sizes::PEERS.contains(&peers)
            && Sizes::MAILBOXES.contains(&mailboxes)
            && Sizes::WATCHES.contains(&watches)
            && Sizes::REQUESTS.contains(&requests);
        if !places || !Sizes::BYTES.contains(&bytes) {
            return Err(ConfigError::Sizes);
        }
        // What is asked for below ends the process where it is not there. So much is asked for once and given back at once; not less, as the C
        // library would then keep for later buffers what it takes new, and zero, from the system, and all of it would be resident.
        if sizes.memory() > PROBED {
            let mut probe = Vec::<u8>::new();
            probe.try_reserve_exact(sizes.memory()).map_err(|_| ConfigError::Sizes)?;
            drop(core::hint::black_box(probe));
        }
        let buffers = |count: u16| -> Result<Buffers<'static>, ConfigError> {
            let all = usize::from(count).checked_mul(bytes).filter(|all| isize::try_from(*all).is_ok());
            Ok(Buffers::new(Box::leak(vec![0; all.ok_or(ConfigError::Sizes)?].into_boxed_slice()), bytes))
        };
        Ok(Self {
            links: Table::leaked(peers, peers),
            receiving: buffers(peers)?,
            sending: buffers(peers)?,
            inboxes: Table::leaked(mailboxes, mailboxes),
            rings: buffers(mailboxes)?,
            watches: Watches { table: Table::leaked(watches, watches), owners: Chains::leaked(watches) },
            requests: Requests {
                table: Table::leaked(requests, 0),
                owners: Chains::leaked(requests),
                limits: Timers::leaked(requests),
            },
            half_open: HalfOpens::new(Table::leaked(FEW, 0), Table::leaked(peers, 0)),
            events: Box::leak(Box::new(Events::EMPTY)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_that_were_asked_for() {
        let sizes = Sizes::new(1, 2, 4096).watches(7).requests(9);
        let Sizes { peers, mailboxes, bytes, watches, requests } = sizes;
        assert_eq!((peers, mailboxes, bytes, watches, requests), (1, 2, 4096, 7, 9));
    }

    #[test]
    fn the_error_has_the_ranges() {
        let (peers, mailboxes, places, bytes) = (PEERS, MAILBOXES, PLACES, BYTES);
        let text = format!(
            "a node has {} to {} peers, up to {} mailboxes, up to {} watches and requests, and buffers of {} bytes to {} GiB",
            peers.start(),
            peers.end(),
            mailboxes.end(),
            places.end(),
            bytes.start(),
            bytes.end() >> 30
        );
        assert!(ConfigError::SIZES.starts_with(&text), "{text}");
    }

    #[test]
    fn the_heap_takes_the_same_sizes() {
        let good = Sizes::new(2, 3, 4096).watches(0).requests(0);
        let memory = Memory::leaked(good).unwrap();
        assert_eq!((memory.links.capacity(), memory.inboxes.capacity()), (2, 3));
        for (buffers, count) in [(&memory.receiving, 2), (&memory.sending, 2), (&memory.rings, 3)] {
            assert_eq!((buffers.size(), buffers.at(count - 1).len(), buffers.at(count).len()), (4096, 4096, 0));
        }
        for wrong in [
            Sizes { peers: 0, ..good },
            Sizes { peers: u16::MAX, ..good },
            Sizes { mailboxes: 16_384, ..good },
            Sizes { bytes: 4095, ..good },
            Sizes { bytes: *BYTES.end() + 1, ..good },
            Sizes { watches: u16::MAX, ..good },
            Sizes { requests: u16::MAX, ..good },
        ] {
            assert_eq!(Memory::leaked(wrong).err(), Some(ConfigError::Sizes), "{wrong:?}");
        }
    }

    #[test]
    fn the_heap_takes_what_it_says() {
        let same = size_of::<NodeStorage<4, 8, 16_384, 512, 32>>();
        assert!(Sizes::default().memory().abs_diff(same) < 512, "{} and {same}", Sizes::default().memory());
        let most = Sizes { peers: 65_534, bytes: usize::MAX, ..Sizes::default() };
        assert_eq!(most.memory(), usize::MAX);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn takes_what_its_page_says() {
        const fn size<const P: usize, const M: usize, const W: usize, const R: usize>() -> usize {
            size_of::<NodeStorage<P, M, 16_384, W, R>>()
        }
        let usual = size::<4, 8, 512, 32>();
        let each = (
            size::<5, 8, 512, 32>() - usual - 2 * 16_384,
            size::<4, 9, 512, 32>() - usual - 16_384,
            size::<4, 8, 513, 32>() - usual,
            size::<4, 8, 512, 33>() - usual,
        );
        assert_eq!((usual, each), (365_360, (2808, 368, 96, 336)));
        assert_eq!((size_of::<crate::wire::ids::OwnedPid>(), size_of::<crate::wire::ids::OwnedReference>()), (280, 304));
        assert_eq!(size_of::<crate::node::OwnedCaller>(), 952);
    }
}
