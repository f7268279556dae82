//! One connection that is made: its bytes, both ways, and its end.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

use mio::event::Event;
use mio::net::TcpStream;

use super::net::fault;
use crate::error::NetworkFault;
use crate::node::{Connection, Node};

/// A connection that is made.
pub(super) struct Open {
    stream: TcpStream,
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
    pub(super) fn new(stream: TcpStream) -> Self {
        // small messages must not wait for each other
        let _ = stream.set_nodelay(true);
        Self { stream, readable: true, writable: true, read_closed: false, broken: false, ended: false }
    }

    #[inline]
    pub(super) fn is_readable(&self) -> bool {
        self.readable
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
        if buffer.is_empty() {
            return;
        }
        match self.stream.read(buffer) {
            Ok(0) => {
                self.readable = false;
                self.ended = true;
                node.handle_closed(*connection, None);
            }
            Ok(read) => {
                // a short read has emptied the socket: the next bytes come with news from the system
                self.readable = read == buffer.len() || self.read_closed || self.broken;
                node.handle_bytes(connection, read);
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => self.readable = false,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => {
                self.readable = false;
                self.ended = true;
                node.handle_closed(*connection, Some(fault(&e, NetworkFault::Refused)));
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
            match self.stream.write(bytes) {
                Ok(written) => node.handle_transmitted(connection, written),
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(_) => {
                    // the peer is gone; what it sent before comes first, and then reading tells so
                    self.broken = true;
                    self.readable = true;
                }
            }
        }
    }

    /// Closes it, and returns the socket if the peer may not have read everything yet.
    pub(super) fn close(mut self) -> Option<TcpStream> {
        if self.ended || self.broken || self.stream.shutdown(Shutdown::Write).is_err() || drain(&mut self.stream) {
            return None;
        }
        Some(self.stream)
    }
}

/// Reads what nobody wants any more, a bounded amount of it; `true` at its end.
pub(super) fn drain(stream: &mut TcpStream) -> bool {
    let mut nowhere = [0; 4096];
    for _ in 0..16 {
        match stream.read(&mut nowhere) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return e.kind() != ErrorKind::WouldBlock,
        }
    }
    // a peer that goes on sending is not waited for
    true
}
