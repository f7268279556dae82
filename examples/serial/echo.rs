//! What the node at either end of the line does. Nothing in here needs `std`, either; what it tells goes to the logger, if there is one.

use core::time::Duration;

use beamless::{Error, Event, Full, Mailbox, Message, Node, NodeName, Outbox, Received};

const CALL_TIMEOUT: Option<Duration> = Some(Duration::from_secs(5));

/// A mailbox `echo` that answers every call with what was asked, and talks to the `echo` of the node that comes up.
pub(crate) struct Echo(Mailbox);

impl Echo {
    /// Registers the mailbox.
    ///
    /// # Errors
    /// As [`Node::register`].
    pub(crate) fn new(node: &mut Node<'_>) -> Result<Self, Error> {
        node.register("echo").map(Self)
    }

    /// Reads all that came.
    pub(crate) fn turn(&mut self, node: &mut Node<'_>) {
        while let Some((message, mut out)) = node.recv(self.0) {
            match answer(&message, &mut out) {
                Ok(()) => {}
                // no room until the other end has read: the message stays where it is
                Err(Error::Full(Full::Transmit { .. })) => {
                    message.put_back();
                    break;
                }
                Err(e) => log::warn!("no answer: {e}"),
            }
        }
        while let Some(event) = node.poll_event() {
            log::info!("{event}");
            if let Event::NodeUp { node: peer, .. } = event {
                self.greet(node, &peer).unwrap_or_else(|e| log::warn!("no greeting: {e}"));
            }
        }
        // the other end may end the mailbox: it is registered again, as a supervisor would; while it is there, its name is taken
        if let Ok(again) = node.register("echo") {
            self.0 = again;
        }
    }

    fn greet(&self, node: &mut Node<'_>, peer: &NodeName) -> Result<(), Error> {
        let own = node.name().cloned();
        let echo = ("echo", peer.as_str());
        let mut out = node.outbox(self.0)?;
        out.monitor(echo)?;
        out.send(echo, |t| t.atom("hello"))?;
        out.call(echo, CALL_TIMEOUT, |t| t.atom("how_are_you"))?;
        // what `net_adm:ping` does; the answer is `yes`
        out.call(("net_kernel", peer.as_str()), CALL_TIMEOUT, |t| {
            t.tuple(2)?.atom("is_auth")?.atom(own.as_ref().map_or("", NodeName::as_str))
        })?;
        Ok(())
    }
}

fn answer(message: &Message<'_>, out: &mut Outbox<'_>) -> Result<(), Error> {
    match message.received() {
        Received::Call(call) => out.reply(&call, |t| t.term(call.request))?,
        Received::Cast(term) | Received::Info(term) => log::info!("message: {term}"),
        Received::Answer { result: Ok(value), .. } => log::info!("answer: {value}"),
        Received::Answer { result: Err(failure), .. } => log::info!("no answer: {failure}"),
        Received::Down { reason, .. } => log::info!("the other echo is gone: {reason}"),
        _ => {}
    }
    Ok(())
}
