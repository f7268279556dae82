//! The addresses of messages.

use crate::wire::control::To;
use crate::wire::ids::{Atom, OwnedPid, OwnedReference, Pid, Reference};

/// The receiver of a message: a process, by its pid or its name, or an alias.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Address<'a> {
    /// A registered process, as `{Name, Node} ! Message` says it; `("name", "alive@host")` converts into it.
    Name {
        /// The registered name.
        name: &'a str,
        /// The node's full name.
        node: &'a str,
    },
    /// A process.
    Pid(Pid<'a>),
    /// An alias of a process.
    Alias(Reference<'a>),
}

impl<'a> From<(&'a str, &'a str)> for Address<'a> {
    fn from((name, node): (&'a str, &'a str)) -> Self {
        Self::Name { name, node }
    }
}

impl<'a> From<Pid<'a>> for Address<'a> {
    fn from(pid: Pid<'a>) -> Self {
        Self::Pid(pid)
    }
}

impl<'a> From<&'a OwnedPid> for Address<'a> {
    fn from(pid: &'a OwnedPid) -> Self {
        Self::Pid(pid.as_pid())
    }
}

impl<'a> From<Reference<'a>> for Address<'a> {
    fn from(alias: Reference<'a>) -> Self {
        Self::Alias(alias)
    }
}

impl<'a> From<&'a OwnedReference> for Address<'a> {
    fn from(alias: &'a OwnedReference) -> Self {
        Self::Alias(alias.as_reference())
    }
}

/// Returns the node of an address, and the receiver there.
pub(crate) fn place(address: Address<'_>) -> (Atom<'_>, To<'_>) {
    match address {
        Address::Name { name, node } => (Atom::from_str(node), To::Name(Atom::from_str(name))),
        Address::Pid(pid) => (pid.node, To::Pid(pid)),
        Address::Alias(alias) => (alias.node, To::Alias(alias)),
    }
}
