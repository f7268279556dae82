//! What carries the bytes of a connection: TCP, TLS over it, or a socket of this host.

use std::io::{self, Read, Write};
use std::net::Shutdown;

use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};

#[cfg(feature = "tls")]
use super::secure::Secure;
use crate::wire::handshake::Prefix;

/// A socket that is connected, before anything is done with it.
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Has the poll tell of it, by this token.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream) => registry.register(stream, token, both),
            Self::Unix(stream) => registry.register(stream, token, both),
        }
    }
}

/// A connection that is made, by what carries it.
pub(super) enum Carrier {
    Plain(TcpStream),
    #[cfg(feature = "tls")]
    Tls(Box<Secure>),
    Unix(UnixStream),
}

impl Carrier {
    /// Returns the form of the handshake's packets.
    pub(super) fn prefix(&self) -> Prefix {
        match self {
            // with a socket of the host as OTP's example `erl_uds_dist` has it
            Self::Plain(_) | Self::Unix(_) => Prefix::Two,
            #[cfg(feature = "tls")]
            Self::Tls(_) => Prefix::Four,
        }
    }

    /// Returns true while nothing of the node's can be sent or received yet.
    #[inline]
    pub(super) fn is_securing(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(secure) => secure.is_handshaking(),
            _ => false,
        }
    }

    /// Reads once, as far as `buffer` has room. 0 is the end.
    #[inline]
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Self::Tls(secure) => secure.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }

    /// Returns true if there is nothing more until the system has news, after a read that brought `read` bytes into room for `room`.
    #[inline]
    pub(super) fn is_drained(&self, read: usize, room: usize) -> bool {
        match self {
            // a short read has emptied the socket
            Self::Plain(_) | Self::Unix(_) => read < room,
            #[cfg(feature = "tls")]
            Self::Tls(secure) => secure.is_drained() && read < room,
        }
    }

    /// Writes from the front of `bytes`. What it did not take is to be given again, the same bytes in front.
    #[inline]
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Self::Tls(secure) => secure.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    /// Says that nothing more will be written.
    pub(super) fn shut_down(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.shutdown(Shutdown::Write),
            #[cfg(feature = "tls")]
            Self::Tls(secure) => {
                secure.close();
                secure.stream().shutdown(Shutdown::Write)
            }
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }

    /// Reads what nobody wants any more, a bounded amount of it.
    pub(super) fn drain(&mut self) -> Drained {
        match self {
            Self::Plain(stream) => drain(stream),
            #[cfg(feature = "tls")]
            Self::Tls(secure) => drain(secure.stream()),
            Self::Unix(stream) => drain(stream),
        }
    }
}

/// What is left where nobody wants to read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drained {
    /// Nothing for now.
    Empty,
    /// There may be more, of which the system does not tell again.
    More,
    Ended,
}

fn drain(stream: &mut impl Read) -> Drained {
    let mut nowhere = [0; 4096];
    for _ in 0..16 {
        match stream.read(&mut nowhere) {
            Ok(0) => return Drained::Ended,
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Drained::Empty,
            Err(_) => return Drained::Ended,
        }
    }
    Drained::More
}
