//! The mailbox `echo`, to try the node with.

use beamless::{Driver, Error, Full, Mailbox, Message, Node, Outbox, Term, TermWriter, Written};

use super::own;
use super::part::Part;
use super::words;
use crate::cli::lines::{limited, node_of};

/// The mailbox.
pub(super) struct Echo(Mailbox);

impl Echo {
    pub(super) fn new(node: &mut Node<'_>) -> Result<Self, Error> {
        Ok(Self(node.register(own::ECHO)?))
    }
}

impl Part for Echo {
    fn mailboxes(&mut self) -> Vec<(&mut Mailbox, &str)> {
        vec![(&mut self.0, own::ECHO)]
    }

    /// Answers what is in the mailbox.
    fn turn(&mut self, node: &mut Node<'_>, _driver: &Driver) {
        while let Some((message, mut out)) = node.recv(self.0) {
            match answer(&message, &mut out) {
                Ok(()) => {}
                // the peer has to take what waits for it first; the message stays
                Err(Error::Full(Full::Transmit { .. })) => return message.put_back(),
                Err(e) => {
                    limited!(
                        warn,
                        &node_of(&message, &out),
                        "messages to echo without an answer",
                        "echo: no answer: {}",
                        words::error(&e)
                    )
                }
            }
        }
    }
}

/// Answers `{Pid, Term}` with `{echo, Term}`, and a call with its request.
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

fn too_large<'t, 'b>(t: &'t mut TermWriter<'b>, limit: usize) -> Written<'t, 'b> {
    t.tuple(2)?;
    t.atom("error")?;
    t.tuple(2)?;
    t.atom("too_large")?;
    t.int(i64::try_from(limit).unwrap_or(i64::MAX))
}

fn echoed<'t, 'b>(t: &'t mut TermWriter<'b>, term: Term<'_>) -> Written<'t, 'b> {
    t.tuple(2)?;
    t.atom("echo")?;
    t.term(term)
}
