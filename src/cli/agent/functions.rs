//! The functions that the agent serves: some of the module `erlang`, and those of the settings, which run a command each.

use std::time::Instant;

use beamless::{Error, Event, Full, Mailbox, Node, Received};
use mio::Registry;

use super::erlang::{self, Known};
use super::settings::Function;

/// Serves them, in a mailbox without a name.
pub(super) struct Functions {
    mailbox: Mailbox,
    known: Known,
    names: &'static [&'static str],
}

impl Functions {
    /// Serves these, and those of the module `erlang`. `registered` are the names of the agent's mailboxes.
    pub(super) fn new(functions: &[Function], registered: Vec<String>, node: &mut Node<'_>) -> Result<Self, Error> {
        let own = erlang::NAMES.into_iter().map(str::to_owned);
        let names = leak(own.chain(functions.iter().map(|function| function.name.clone())).collect());
        let mailbox = node.register("")?;
        node.serve(mailbox, names)?;
        Ok(Self { mailbox, known: Known::of(node, registered), names })
    }

    /// Takes note of what happened.
    pub(super) fn handle(&mut self, event: &Event, node: &Node<'_>) {
        self.known.update(event, node);
    }

    /// Makes the mailbox anew if it was this one that ended, as a supervisor would.
    pub(super) fn mailbox_ended(&mut self, ended: Mailbox, node: &mut Node<'_>) -> Result<(), Error> {
        if ended == self.mailbox {
            self.mailbox = node.register("")?;
            node.serve(self.mailbox, self.names)?;
        }
        Ok(())
    }

    /// A pipe of some process is ready.
    pub(super) fn pipes_ready(&mut self) {}

    /// Answers the calls that came.
    pub(super) fn turn(&mut self, node: &mut Node<'_>, _registry: &Registry) {
        while let Some((message, mut out)) = node.recv(self.mailbox) {
            let Received::Apply(apply) = message.received() else { continue };
            match self.known.answer(&apply, &mut out) {
                Ok(()) => {}
                // the peer has to take what waits for it first; the message stays
                Err(Error::Full(Full::Transmit { .. })) => return message.put_back(),
                Err(e) => log::warn!("{}:{}: no answer: {e}", apply.module, apply.function),
            }
        }
    }

    /// When it has something to do by itself.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        None
    }
}

/// The node wants names that outlive it. They are made when the agent starts, and when its settings are read again.
pub(super) fn leak(names: Vec<String>) -> &'static [&'static str] {
    let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
    names.leak()
}
