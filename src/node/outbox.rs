//! The right to send: what a message is lent together with.

use super::links::{Identity, Links, RESERVED};
use super::mailbox::Call;
use crate::error::{Error, Misuse};
use crate::storage::slots::Key;
use crate::wire::build::TermWriter;
use crate::wire::codes::Flags;
use crate::wire::control::{To, put_send};
use crate::wire::ids::{Atom, OwnedPid, OwnedReference, Pid, Reference};

/// Where a message goes.
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

/// Sends in the name of one mailbox.
///
/// A message is written straight into the peer's transmit buffer, whole or not at all, and leaves with the next poll.
/// [`Full::Transmit`](crate::Full::Transmit) says that it does not fit now; [`Full::Message`](crate::Full::Message) that it
/// never will. What was sent to a process that is not there is dropped by the peer, as in Erlang.
pub struct Outbox<'n> {
    pub(super) identity: &'n Identity<'n>,
    pub(super) links: Links<'n>,
    pub(super) mailbox: Key,
}

impl Outbox<'_> {
    /// The pid of the mailbox in whose name this sends: what `self()` is to a process.
    pub fn pid(&self) -> Pid<'_> {
        self.identity.pid(self.mailbox)
    }

    /// Sends the one term that `write` writes.
    ///
    /// # Errors
    /// [`Error::NotConnected`] when there is no connection to the node; [`Error::Full`] when the message does not fit;
    /// [`Error::Misuse`] when it is no proper term, the address is on this node, this (dynamic) node has no name yet, or the address is an
    /// alias and the peer's release knows none.
    pub fn send<'a, A, F>(&mut self, to: A, write: F) -> Result<(), Error>
    where
        A: Into<Address<'a>>,
        F: FnOnce(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
    {
        let (node, to) = match to.into() {
            Address::Name { name, node } => (Atom::from_str(node), To::Name(Atom::from_str(name))),
            Address::Pid(pid) => (pid.node, To::Pid(pid)),
            Address::Alias(alias) => (alias.node, To::Alias(alias)),
        };
        self.send_to(node, to, write)
    }

    /// Answers a call with the one term that `write` writes.
    ///
    /// # Errors
    /// As [`Outbox::send`].
    pub fn reply<F>(&mut self, call: &Call<'_>, write: F) -> Result<(), Error>
    where
        F: FnOnce(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
    {
        let to = match call.alias() {
            Some(alias) if alias.node == call.from.node => To::Alias(alias),
            _ => To::Pid(call.from),
        };
        self.send_to(call.from.node, to, |t| {
            t.tuple(2)?;
            t.term(call.tag)?;
            write(t)
        })
    }

    #[inline]
    fn send_to<F>(&mut self, node: Atom<'_>, to: To<'_>, write: F) -> Result<(), Error>
    where
        F: FnOnce(&mut TermWriter<'_, '_>) -> Result<(), Misuse>,
    {
        let from = self.identity.pid(self.mailbox);
        let Some(key) = self.links.find(node) else { return Err(self.unreachable(node)) };
        let flags = self.links.table.at(key).map_or(Flags::default(), |link| link.flags);
        let to = match to {
            To::Alias(_) if !flags.has(Flags::ALIAS) => return Err(Misuse::NotAnAlias.into()),
            to => to,
        };
        let from = Some(from).filter(|_| !matches!(to, To::Pid(_)) || flags.has(Flags::SEND_SENDER));
        self.links.frame(key, RESERVED, |out| {
            put_send(out, from, to, flags.has(Flags::ALTACT_SIG))?;
            TermWriter::one(out, write)
        })
    }

    #[cold]
    fn unreachable(&self, node: Atom<'_>) -> Error {
        match self.identity.config.name.known() {
            Ok(own) if node == *own.as_str() => Misuse::OwnNode.into(),
            Ok(_) => Error::NotConnected,
            Err(unnamed) => unnamed.into(),
        }
    }
}
