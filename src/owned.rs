//! A node together with its memory.

use core::fmt;
use core::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

use crate::error::{ConfigError, Error};
use crate::node::{Config, HeapGroups, Memory, Node, Sizes};

/// A node that has its memory itself, on the heap: for a program that keeps its node in a struct, or whose sizes are known only when it
/// runs. It is a [`Node`] wherever one is wanted.
///
/// The memory is allocated once, when the node is made, and takes what [`Sizes::memory`] says. What is never used of its buffers the system
/// need not back with memory. When the node is dropped, the memory is kept for the next node of the same sizes.
///
/// ```
/// use beamless::{Config, Error, Mailbox, OwnedNode, Sizes};
///
/// struct Thermometer {
///     node: OwnedNode,
///     mailbox: Mailbox,
/// }
///
/// impl Thermometer {
///     fn new(name: &str, cookie: &str) -> Result<Self, Error> {
///         let mut node = OwnedNode::new(Config::hidden(name, cookie)?, Sizes::default())?;
///         let mailbox = node.register("thermometer")?;
///         Ok(Self { node, mailbox })
///     }
/// }
/// # let thermometer = Thermometer::new("edge1@nuc1", "secret")?;
/// # assert_eq!(thermometer.node.received(thermometer.mailbox), 0);
/// # Ok::<(), Error>(())
/// ```
pub struct OwnedNode {
    /// `None` only while it is dropped.
    node: Option<Node<'static>>,
    sizes: Sizes,
}

/// The memory of nodes that were dropped. References to it must last as long as the process, so that it can be kept beside the node that
/// refers to it; that is why it is used again rather than freed.
static SPARE: Mutex<Vec<(Sizes, Memory<'static>)>> = Mutex::new(Vec::new());

impl OwnedNode {
    /// Makes a node with these settings and sizes.
    ///
    /// # Errors
    /// [`ConfigError::Sizes`] for a size out of its range, or for more than there can be memory.
    pub fn new(config: Config, sizes: Sizes) -> Result<Self, ConfigError> {
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = match spare.iter().position(|(found, _)| *found == sizes) {
            Some(at) => spare.swap_remove(at).1,
            None => Memory::leaked(sizes)?,
        };
        let mut node = Node::with(config, memory);
        // its pids can be given out at once; without a random number there is no driver either, which says so
        if let Ok(creation) = getrandom::u32() {
            node.set_creation(creation);
        }
        Ok(Self { node: Some(node), sizes })
    }

    /// Gives the node memory for groups and global names, as [`Node::set_groups`] does: for so many memberships of its mailboxes, and so many
    /// members of other nodes. See [`GroupStorage`](crate::GroupStorage) for what they take. It is allocated once, and is not given back when the node is dropped.
    ///
    /// # Errors
    /// [`Misuse::OtherGroups`](crate::Misuse::OtherGroups) when the node has some already.
    pub fn set_groups_sized(&mut self, joined: u16, members: u16) -> Result<(), Error> {
        let peers = self.sizes.peers;
        self.take_groups(|| HeapGroups::leaked(peers, joined, members))
    }
}

impl Drop for OwnedNode {
    fn drop(&mut self) {
        if let Some(node) = self.node.take() {
            SPARE.lock().unwrap_or_else(PoisonError::into_inner).push((self.sizes, node.into_memory()));
        }
    }
}

impl Deref for OwnedNode {
    type Target = Node<'static>;

    fn deref(&self) -> &Node<'static> {
        match &self.node {
            Some(node) => node,
            None => unreachable!("a node that is dropped is asked nothing"),
        }
    }
}

impl DerefMut for OwnedNode {
    fn deref_mut(&mut self) -> &mut Node<'static> {
        match &mut self.node {
            Some(node) => node,
            None => unreachable!("a node that is dropped is asked nothing"),
        }
    }
}

impl fmt::Debug for OwnedNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
