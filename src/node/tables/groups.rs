//! What this node has to do with groups and global names: its own memberships, how far each peer knows them, and the members of others.

use core::fmt;

use super::ties::Number;
use crate::error::Misuse;
use crate::storage::slots::{Key, Places, Table, Tenant};
use crate::time::Instant;
use crate::wire::build::{TermWriter, WriteDyn};
use crate::wire::cursor::Writer;
use crate::wire::fixed::FixedStr;
use crate::wire::term::Term;

/// The scopes that one node may take part in. Each has a pid of its own for as long as the node runs.
pub(crate) const SCOPES: usize = 4;
/// The global names that one node may have.
pub(crate) const NAMES: usize = 8;

/// A group, by the term that names it, as it stands on the wire without its version.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Group(heapless::Vec<u8, { Group::MAX }>);

impl Group {
    /// Enough for any atom of ASCII letters.
    pub(crate) const MAX: usize = 258;

    pub(crate) fn written(write: WriteDyn<'_>) -> Result<Self, Misuse> {
        let mut bytes = [0; Self::MAX];
        let mut out = Writer::new(&mut bytes);
        TermWriter::one_inside(&mut out, write)?;
        let len = out.finish().map_err(|_| Misuse::GroupTooLong)?;
        bytes.get(..len).and_then(Self::of_bytes).ok_or(Misuse::GroupTooLong)
    }

    /// Returns the group of this name; `None` where the name is too long.
    pub(crate) fn of(name: Term<'_>) -> Option<Self> {
        Self::of_bytes(name.as_bytes())
    }

    fn of_bytes(bytes: &[u8]) -> Option<Self> {
        heapless::Vec::from_slice(bytes).ok().map(Self)
    }

    pub(crate) fn as_term(&self) -> Term<'_> {
        Term::trusted(&self.0)
    }
}

/// A mailbox in a group.
pub(crate) struct Joined {
    pub(crate) scope: u8,
    pub(crate) group: Group,
    pub(crate) mailbox: Key,
    /// What has happened is numbered, and each peer told of it in order: the number of the join.
    pub(crate) joined: u64,
    /// The number of the leave; 0 while it is a member. Its place is kept until all have been told.
    pub(crate) left: u64,
}

impl Tenant for Joined {}

/// A member of a group on another node.
pub(crate) struct Member {
    pub(crate) scope: u8,
    pub(crate) peer: Key,
    pub(crate) group: Group,
    pub(crate) number: Number,
}

impl Tenant for Member {}

/// A scope.
pub(crate) struct Scope {
    pub(crate) name: FixedStr<255>,
    /// The members of others are wanted.
    pub(crate) monitored: bool,
    /// It was told that some of them found no room.
    pub(crate) full: bool,
}

/// A mailbox that is to have a global name.
pub(crate) struct GlobalName {
    pub(crate) name: FixedStr<255>,
    pub(crate) mailbox: Key,
    /// Its place is kept until all have been told.
    pub(crate) is_given_up: bool,
    /// The mailbox that is to have it then.
    pub(crate) next: Option<Key>,
}

/// A place for a global name. Like what follows, it is a zero as long as there is nothing: then the memory of a `static` takes no room in a
/// program's file.
#[repr(u8)]
pub(crate) enum Named {
    Nobody = 0,
    Somebody(GlobalName) = 1,
}

impl Named {
    pub(crate) const fn get(&self) -> Option<&GlobalName> {
        if let Self::Somebody(name) = self { Some(name) } else { None }
    }

    pub(crate) const fn get_mut(&mut self) -> Option<&mut GlobalName> {
        if let Self::Somebody(name) = self { Some(name) } else { None }
    }
}

/// How far it is that a peer's process of a scope knows of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub(crate) enum Stage {
    /// The peer is not connected, or has no use for it.
    #[default]
    Off,
    /// It waits for the peer's own word, or for this time; nothing where nobody has looked at the time since.
    Waits { soon: bool, at: Option<Instant> },
    /// It is to be looked for.
    Due,
    /// It is monitored, and is to be told that this node is there.
    Watched,
    /// It knows this node.
    Up,
}

/// What one scope of a peer has been told.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Told {
    pub(crate) stage: Stage,
    /// The number of the monitor on it; 0 for none.
    pub(crate) monitor: u64,
    /// Its process, once it has said something.
    pub(crate) theirs: Option<Number>,
    /// What has left up to here it was never told of.
    pub(crate) base: u64,
    /// It was told all that happened up to here.
    pub(crate) told: u64,
    /// It was asked for its members.
    pub(crate) asked: bool,
    /// Some of its members found no room.
    pub(crate) partial: bool,
    /// There was none when it was last looked for.
    pub(crate) is_absent: bool,
}

/// How far it is that a peer's `global` knows a name of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub(crate) enum Asking {
    /// Nothing is to be done.
    #[default]
    Off,
    /// To be asked once no other peer is: a name that two peers give up at once might be another's when the second does.
    Later,
    Due(Question),
    /// It was asked, with this number, and is asked again at this time.
    Asked(Question, u32, Option<Instant>),
}

/// A question to `global`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    Whereis,
    Register,
    /// Who has the name, since it could not be registered.
    Recheck,
    /// An earlier life of this node has the name still.
    Reregister,
    Unregister,
}

/// What there is to do with one peer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) peer: Key,
    /// The peer is connected, and may take part.
    pub(crate) is_used: bool,
    pub(crate) scopes: [Told; SCOPES],
    pub(crate) names: [Asking; NAMES],
}

impl Row {
    const EMPTY: Self = Self {
        peer: Key { index: 0, generation: 0 },
        is_used: false,
        scopes: [Told {
            stage: Stage::Off,
            monitor: 0,
            theirs: None,
            base: 0,
            told: 0,
            asked: false,
            partial: false,
            is_absent: false,
        }; SCOPES],
        names: [Asking::Off; NAMES],
    };
}

/// What is of the node as a whole.
pub(crate) struct Book {
    pub(crate) scopes: heapless::Vec<Scope, SCOPES>,
    pub(crate) names: [Named; NAMES],
    /// The number of the last join or leave.
    pub(crate) latest: u64,
    /// When there is something to do next.
    pub(crate) next: Option<Instant>,
    /// Something waits for room in a transmit buffer.
    pub(crate) waits: bool,
}

impl Book {
    /// The time that is to be looked at, at once.
    pub(crate) const AT_ONCE: Instant = Instant::from_millis(0);
    const EMPTY: Self =
        Self { scopes: heapless::Vec::new(), names: [const { Named::Nobody }; NAMES], latest: 0, next: None, waits: false };
}

/// All of it, lent for a while.
pub(crate) struct Groups<'g> {
    pub(crate) rows: &'g mut [Row],
    pub(crate) joined: Table<'g, Joined>,
    pub(crate) members: Table<'g, Member>,
    pub(crate) book: &'g mut Book,
}

/// Whoever has the memory for it.
pub(crate) trait HasGroups: Send + Sync {
    fn groups(&mut self) -> Groups<'_>;

    fn book(&self) -> &Book;
}

/// The memory for groups and global names of a node with at most `PEERS` connections: see [`Node::set_groups`](crate::Node::set_groups).
///
/// `JOINED` is how many memberships of its mailboxes there can be, those included that were left of which a peer is still to be told; at the
/// limit joining says so ([`Full::Groups`](crate::Full::Groups)). `MEMBERS` is how many members of other nodes are remembered of the scopes that are
/// [monitored](crate::Node::monitor_scope), 0 where none is; at the limit [`Event::MembersFull`](crate::Event::MembersFull) says so. A node takes part in four scopes at
/// most, and has at most eight global names.
///
/// It takes 488 bytes a peer, 312 a membership and 312 a member on a 64 bit machine, and 3.4 KiB besides.
///
/// ```
/// use beamless::{Config, GroupStorage, Node, NodeStorage};
///
/// let mut storage = NodeStorage::<4, 8, 16_384>::new();
/// let mut groups = GroupStorage::<4, 16, 64>::new();
/// let mut node = Node::new(Config::hidden("edge1@nuc1", "secret")?.creation(1), &mut storage);
/// node.set_groups(&mut groups)?;
/// let sensor = node.register("")?;
/// node.join(sensor, "pg", |t| t.atom("temps"))?;
/// # Ok::<(), beamless::Error>(())
/// ```
pub struct GroupStorage<const PEERS: usize, const JOINED: usize, const MEMBERS: usize> {
    rows: [Row; PEERS],
    joined: Places<Joined, JOINED, 0>,
    members: Places<Member, MEMBERS, 0>,
    book: Book,
}

impl<const PEERS: usize, const JOINED: usize, const MEMBERS: usize> GroupStorage<PEERS, JOINED, MEMBERS> {
    /// Makes empty memory.
    pub const fn new() -> Self {
        const { assert!(JOINED < 65_535 && MEMBERS < 65_535, "there are at most 65534 memberships and members") };
        Self { rows: [Row::EMPTY; PEERS], joined: Places::EMPTY, members: Places::EMPTY, book: Book::EMPTY }
    }

    /// Forgets all that an earlier node has left.
    pub(crate) fn clear(&mut self) {
        // in place: all of it at once may be more than a stack has room for
        self.rows.fill(Row::EMPTY);
        self.joined.lend().clear();
        self.members.lend().clear();
        self.book = Book::EMPTY;
    }
}

impl<const PEERS: usize, const JOINED: usize, const MEMBERS: usize> Default for GroupStorage<PEERS, JOINED, MEMBERS> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const PEERS: usize, const JOINED: usize, const MEMBERS: usize> fmt::Debug for GroupStorage<PEERS, JOINED, MEMBERS> {
    /// Shows the sizes alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GroupStorage<{PEERS}, {JOINED}, {MEMBERS}>")
    }
}

impl<const PEERS: usize, const JOINED: usize, const MEMBERS: usize> HasGroups for GroupStorage<PEERS, JOINED, MEMBERS> {
    fn groups(&mut self) -> Groups<'_> {
        Groups { rows: &mut self.rows, joined: self.joined.lend(), members: self.members.lend(), book: &mut self.book }
    }

    fn book(&self) -> &Book {
        &self.book
    }
}

/// The same memory on the heap.
#[cfg(feature = "std")]
pub(crate) struct HeapGroups {
    rows: Box<[Row]>,
    joined: Table<'static, Joined>,
    members: Table<'static, Member>,
    book: Book,
}

#[cfg(feature = "std")]
impl HeapGroups {
    /// Makes memory that lasts as long as the process.
    pub(crate) fn leaked(peers: u16, joined: u16, members: u16) -> &'static mut Self {
        Box::leak(Box::new(Self {
            rows: vec![Row::EMPTY; peers.into()].into(),
            joined: Table::leaked(joined, 0),
            members: Table::leaked(members, 0),
            book: Book::EMPTY,
        }))
    }
}

#[cfg(feature = "std")]
impl HasGroups for HeapGroups {
    fn groups(&mut self) -> Groups<'_> {
        Groups { rows: &mut self.rows, joined: self.joined.lend(), members: self.members.lend(), book: &mut self.book }
    }

    fn book(&self) -> &Book {
        &self.book
    }
}

impl Groups<'_> {
    /// Finds a scope by its name.
    pub(crate) fn scope(&self, name: &str) -> Option<u8> {
        position(self.book, |scope| &*scope.name == name)
    }

    /// Returns what there is to do with a peer.
    pub(crate) fn row(&mut self, peer: Key) -> Option<&mut Row> {
        self.rows.get_mut(usize::from(peer.index)).filter(|row| row.is_used && row.peer == peer)
    }

    /// Returns how far a scope of a peer is.
    pub(crate) fn told(&mut self, peer: Key, scope: u8) -> Option<&mut Told> {
        self.row(peer)?.scopes.get_mut(usize::from(scope))
    }

    /// Returns the number of what happens now.
    pub(crate) fn happens(&mut self) -> u64 {
        self.book.latest = self.book.latest.saturating_add(1);
        self.book.latest
    }

    /// Returns what happened next after this number: what it was about, and its number. What this scope was never told of it counts as never
    /// having been.
    pub(crate) fn next_event(&self, scope: u8, told: &Told) -> Option<(Key, u64)> {
        let mut first: Option<(Key, u64)> = None;
        for (key, joined) in self.joined.tenants().filter(|(_, joined)| joined.scope == scope) {
            if joined.left > 0 && joined.left <= told.base {
                continue;
            }
            for number in [joined.joined, joined.left] {
                if number > told.told && first.is_none_or(|(_, before)| number < before) {
                    first = Some((key, number));
                }
            }
        }
        first
    }

    /// Frees the places of memberships that were left, once all have been told who are to be.
    pub(crate) fn prune(&mut self) {
        for scope in 0..self.book.scopes.len() {
            let told =
                |row: &Row| row.scopes.get(scope).filter(|told| told.stage == Stage::Up).map(|told| told.told.max(told.base));
            let all = self.rows.iter().filter_map(told).min().unwrap_or(u64::MAX);
            let mut from = 0;
            let is_done = |joined: &Joined| usize::from(joined.scope) == scope && joined.left > 0 && joined.left <= all;
            while let Some(key) = self.joined.next_from(from, is_done) {
                from = key.index;
                self.joined.free(key);
            }
        }
    }
}

/// Finds the scope that `is_it` says yes to.
pub(crate) fn position(book: &Book, is_it: impl Fn(&Scope) -> bool) -> Option<u8> {
    book.scopes.iter().position(is_it).and_then(|index| u8::try_from(index).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn takes_what_its_page_says() {
        let usual = size_of::<GroupStorage<1, 1, 1>>();
        let each = (
            size_of::<GroupStorage<2, 1, 1>>() - usual,
            size_of::<GroupStorage<1, 2, 1>>() - usual,
            size_of::<GroupStorage<1, 1, 2>>() - usual,
        );
        assert_eq!((usual, each), (4576, (488, 312, 312)));
    }

    #[test]
    fn a_group_is_any_term_that_fits() {
        let fits = |len: usize| Group::written(&mut |t| t.binary(&[7; 300][..len])).is_ok();
        assert!(fits(Group::MAX - 5) && !fits(Group::MAX - 4));
        let atom = Group::written(&mut |t| t.atom(&"x".repeat(255))).unwrap();
        assert!(atom.as_term().as_atom().is_some());
        assert_eq!(Group::written(&mut |t| t.tuple(1)).err(), Some(Misuse::TermIncomplete(1)));
    }
}
