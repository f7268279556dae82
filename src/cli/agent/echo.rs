//! The mailbox `echo`, to try the node with.

use beamless::{Error, Full, Mailbox, Message, Misuse, Node, Outbox, Term, TermWriter};

/// The mailbox.
pub(super) struct Echo(Mailbox);

impl Echo {
    pub(super) fn new(node: &mut Node<'_>) -> Result<Self, Error> {
        Ok(Self(node.register("echo")?))
    }

    pub(super) fn mailbox(&self) -> Mailbox {
        self.0
    }

    /// Makes it anew if it was this one that ended, as a supervisor would.
    pub(super) fn mailbox_ended(&mut self, ended: Mailbox, node: &mut Node<'_>) -> Result<(), Error> {
        if ended == self.0 {
            *self = Self::new(node)?;
        }
        Ok(())
    }

    /// Answers what is in the mailbox.
    pub(super) fn turn(&self, node: &mut Node<'_>) {
        while let Some((message, mut out)) = node.recv(self.0) {
            match answer(&message, &mut out) {
                Ok(()) => {}
                // the peer has to take what waits for it first; the message stays
                Err(Error::Full(Full::Transmit { .. })) => return message.put_back(),
                Err(e) => log::warn!("echo: no answer: {e}"),
            }
        }
    }
}

/// `{Pid, Term}` gets `{echo, Term}`, a call gets what it asked with.
fn answer(message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
    if let Some(call) = message.as_call() {
        return match out.reply(&call, |t| t.term(call.request)) {
            // what came in just fits cannot go out again with the tag of the answer in front
            Err(Error::Full(Full::Message { limit, .. })) => out.reply(&call, |t| too_large(t, limit)),
            result => result,
        };
    }
    if let Some([pid, term]) = message.term().tuple() {
        if let Some(pid) = pid.as_pid() {
            return out.send(pid, |t| echoed(t, term));
        }
    }
    log::debug!("echo: neither a call nor {{Pid, Term}}");
    Ok(())
}

fn too_large(t: &mut TermWriter<'_, '_>, limit: usize) -> Result<(), Misuse> {
    t.tuple(2)?;
    t.atom("error")?;
    t.tuple(2)?;
    t.atom("too_large")?;
    t.int(i64::try_from(limit).unwrap_or(i64::MAX))
}

fn echoed(t: &mut TermWriter<'_, '_>, term: Term<'_>) -> Result<(), Misuse> {
    t.tuple(2)?;
    t.atom("echo")?;
    t.term(term)
}
