//! The meaning of the system's calls to a node.

use std::io::{self, ErrorKind};

use mio::net::TcpStream;

#[cfg(feature = "tls")]
use crate::error::TlsFault;
use crate::error::{Error, IoError, NetworkFault, Reason};

/// Returns true if a connection under way is made. An error says why it never will be.
pub(super) fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(e) = stream.take_error()? {
        return Err(e);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(e) if matches!(e.kind(), ErrorKind::NotConnected | ErrorKind::WouldBlock) => Ok(false),
        Err(e) => Err(e),
    }
}

/// Returns the meaning of an error to whoever wanted to connect. `refused` is what it means here that nobody listens.
pub(super) fn fault(e: &io::Error, refused: NetworkFault) -> NetworkFault {
    match e.kind() {
        ErrorKind::ConnectionRefused => refused,
        ErrorKind::TimedOut => NetworkFault::TimedOut,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => NetworkFault::Reset,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => NetworkFault::Unreachable,
        _ => NetworkFault::Other(e.raw_os_error().unwrap_or(0)),
    }
}

/// Returns the reason for which an error ends a connection that is made.
pub(super) fn reason(e: &io::Error) -> Reason {
    #[cfg(feature = "tls")]
    if let Some(fault) = e.get_ref().and_then(|e| e.downcast_ref::<TlsFault>()) {
        return Reason::Tls(*fault);
    }
    Reason::Network(fault(e, NetworkFault::Refused))
}

/// Makes an error of the system's and of what was being done.
pub(super) fn failed(doing: &str, source: io::Error) -> Error {
    Error::Io(IoError { doing: Box::from(doing), source })
}
