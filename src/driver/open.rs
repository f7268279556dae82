//! One connection that is made: its bytes, both ways, and its end.

use std::io::{self, ErrorKind};

use mio::event::Event;

use super::carrier::{Carrier, Drained};
use super::net::reason;
use crate::error::Reason;
use crate::node::{Connection, Node};
use crate::wire::handshake::Prefix;

/// A connection that is made.
pub(super) struct Open {
    carrier: Carrier,
    /// True if there may be more to read. mio tells of a change once, so this remembers it while the node takes nothing.
    readable: bool,
    writable: bool,
    /// The peer has closed its side: read on until the end is read.
    read_closed: bool,
    /// Nothing can be written any more. What the peer sent before is still read.
    broken: bool,
    /// Everything was read.
    ended: bool,
}

impl Open {
    pub(super) fn new(carrier: Carrier) -> Self {
        Self { carrier, readable: true, writable: true, read_closed: false, broken: false, ended: false }
    }

    /// Returns true if the node's bytes can be read.
    #[inline]
    pub(super) fn is_readable(&self) -> bool {
        self.readable && !self.carrier.is_securing()
    }

    /// Returns true while what carries the connection is being secured, and nothing of the node's goes over it.
    #[inline]
    pub(super) fn is_securing(&self) -> bool {
        self.carrier.is_securing()
    }

    pub(super) fn prefix(&self) -> Prefix {
        self.carrier.prefix()
    }

    #[cfg(test)]
    pub(super) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Takes what the system tells of it. Returns true if it can be written to again.
    #[inline]
    pub(super) fn handle(&mut self, event: &Event) -> bool {
        self.readable |= event.is_readable() || event.is_error();
        self.read_closed |= event.is_read_closed() || event.is_error();
        !self.writable && {
            self.writable = event.is_writable();
            self.writable
        }
    }

    /// Reads once. If the node takes nothing now, what there is to read stays noted.
    pub(super) fn read(&mut self, connection: &mut Connection, node: &mut Node<'_>) {
        let buffer = node.read_buffer(*connection);
        let room = buffer.len();
        if room == 0 {
            return;
        }
        match self.carrier.read(buffer) {
            Ok(0) => {
                self.end();
                node.handle_closed(*connection, None);
            }
            Ok(read) => {
                // when the socket is empty the next bytes come with news from the system
                self.readable = !self.carrier.is_drained(read, room) || self.read_closed || self.broken;
                node.handle_bytes(connection, read);
                self.check_name(*connection, node);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = !self.carrier.is_drained(0, room),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => self.fail(*connection, &e, node),
        }
    }

    /// Everything was read.
    fn end(&mut self) {
        self.readable = false;
        self.ended = true;
    }

    /// Ends the connection for an error. One of TLS's leaves the socket as it is: what tells the peer why is to reach it.
    fn fail(&mut self, connection: Connection, e: &io::Error, node: &mut Node<'_>) {
        match reason(e) {
            Reason::Network(fault) => {
                self.end();
                node.handle_closed(connection, Some(fault));
            }
            reason => {
                self.readable = false;
                self.broken = true;
                node.handle_failed(connection, reason);
            }
        }
    }

    /// Writes what waits, as far as the system takes it.
    pub(super) fn write(&mut self, connection: Connection, node: &mut Node<'_>) {
        while self.writable {
            let bytes = node.poll_transmit(connection);
            let len = bytes.len();
            if len == 0 {
                return;
            }
            if self.broken {
                node.handle_transmitted(connection, len);
                continue;
            }
            match self.carrier.write(bytes) {
                Ok(written) => node.handle_transmitted(connection, written),
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if !matches!(reason(&e), Reason::Network(_)) => self.fail(connection, &e, node),
                Err(_) => {
                    // the peer is gone; what it sent before comes first, and then reading tells so
                    self.broken = true;
                    self.readable = true;
                }
            }
        }
    }

    /// Closes it, and returns what carried it if the peer may not have read everything yet.
    pub(super) fn close(mut self) -> Option<(Carrier, Drained)> {
        if self.ended || self.carrier.shut_down().is_err() {
            return None;
        }
        let drained = self.carrier.drain();
        (drained != Drained::Ended).then_some((self.carrier, drained))
    }
}

/// TLS.
#[cfg(feature = "tls")]
impl Open {
    /// Goes on with the handshake of TLS, one step. Returns true if there may be more to do at once.
    pub(super) fn secure(&mut self, connection: Connection, node: &mut Node<'_>) -> bool {
        let Carrier::Tls(secure) = &mut self.carrier else { return false };
        let result = secure.step();
        // of an end that came along with the last bytes the system does not tell again
        let has_more = (!secure.is_drained() || self.read_closed) && secure.is_handshaking();
        match result {
            Ok(()) => {}
            // somebody looked whether the port is open
            Err(e) if secure.is_untouched() => {
                log::debug!("a caller went without a word: {e}");
                self.end();
                node.handle_closed(connection, None);
            }
            Err(e) => self.fail(connection, &e, node),
        }
        has_more && !self.broken && !self.ended
    }

    /// Returns true if this side connected.
    pub(super) fn is_client(&self) -> bool {
        matches!(&self.carrier, Carrier::Tls(secure) if secure.is_client())
    }

    #[cfg(test)]
    pub(super) fn is_untouched(&self) -> bool {
        matches!(&self.carrier, Carrier::Tls(secure) if secure.is_untouched())
    }

    /// Compares the name that a caller gave with its certificate, once it has given it, if that is asked for.
    fn check_name(&mut self, connection: Connection, node: &mut Node<'_>) {
        let Carrier::Tls(secure) = &mut self.carrier else { return };
        if !secure.checks_name() {
            return;
        }
        let Some(host) = node.claimed(connection).map(|name| name.host().to_owned()) else { return };
        if let Err(fault) = secure.check_name(&host) {
            self.fail(connection, &fault.into(), node);
        }
    }
}

#[cfg(not(feature = "tls"))]
impl Open {
    // there is nothing to compare with
    fn check_name(&self, _: Connection, _: &Node<'_>) {}
}
