//! One connection over TLS.
//!
//! What is decrypted and not taken yet waits inside, so that the socket is empty says nothing: only [`Secure::is_drained`] does. Protocol: RFC
//! 8446 and RFC 5246.

use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use mio::net::TcpStream;
use rustls::client::verify_server_name;
use rustls::pki_types::ServerName;
use rustls::server::ParsedCertificate;
use rustls::{ClientConnection, Connection, ProtocolVersion, ServerConnection, SupportedCipherSuite};

use super::tls::{Tls, presented};
use crate::error::TlsFault;

/// The most bytes that are sealed into a record.
const RECORD: usize = 4096;

/// The most reads in one go, each of 4 KiB at most: a peer may send records with nothing in them.
const READS: usize = 16;

/// Records of what one key may seal that are not for the node's bytes: those of the handshake, and alerts.
const SPARE: u64 = 64;

/// The most bytes that a peer may send in the handshake: its certificates, and the names of its CAs. Without this limit the library would
/// keep 64 KiB for whoever knocks.
const HANDSHAKE: usize = 28 * 1024;

/// A connection over TLS, from its first byte.
pub(super) struct Secure {
    stream: TcpStream,
    session: Connection,
    /// So many of the bytes that wait to be written are in a record that has not left whole yet.
    sealed: usize,
    /// So many records have had bytes of the node's.
    pub(super) records: u64,
    /// The last read took all that the socket had.
    drained: bool,
    /// So many bytes have come from the peer in the handshake.
    shaken: usize,
    /// The fault that is to be told once everything before it was taken.
    failed: Option<io::Error>,
    /// The peer, over TLS 1.2, has asked for something that was refused, which can only have been to renegotiate.
    renegotiates: bool,
    /// The name that the caller gives is to be looked for in its certificate.
    check_name: bool,
    told: Arc<Mutex<String>>,
}

impl Secure {
    /// Begins as the side that connects, to a node of this host.
    pub(super) fn client(tls: &Tls, stream: TcpStream, host: &str) -> Result<Self, TlsFault> {
        let host = ServerName::try_from(host.to_owned()).map_err(|_| TlsFault::HostName)?;
        let session = ClientConnection::new(Arc::clone(&tls.client), host).map_err(|e| TlsFault::of(&e))?;
        Ok(Self::new(tls, stream, session.into(), false))
    }

    /// Begins as the side that was connected to.
    pub(super) fn server(tls: &Tls, stream: TcpStream) -> Result<Self, TlsFault> {
        let session = ServerConnection::new(Arc::clone(&tls.server)).map_err(|e| TlsFault::of(&e))?;
        Ok(Self::new(tls, stream, session.into(), tls.check_names))
    }

    fn new(tls: &Tls, stream: TcpStream, session: Connection, check_name: bool) -> Self {
        let told = Arc::clone(&tls.told);
        Self {
            stream,
            session,
            sealed: 0,
            records: 0,
            drained: false,
            shaken: 0,
            failed: None,
            renegotiates: false,
            check_name,
            told,
        }
    }

    pub(super) fn stream(&mut self) -> &mut TcpStream {
        &mut self.stream
    }

    pub(super) fn is_client(&self) -> bool {
        matches!(self.session, Connection::Client(_))
    }

    /// Returns true until both sides are sure of each other. With TLS 1.3 whoever connected is so before the other has seen its certificate.
    pub(super) fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    /// Returns true if a caller has not said anything at all.
    pub(super) fn is_untouched(&self) -> bool {
        self.shaken == 0 && !self.is_client()
    }

    /// Returns true if there is nothing more to read until the system has news.
    pub(super) fn is_drained(&self) -> bool {
        self.drained && self.failed.is_none()
    }

    /// Goes on with the handshake by what one read brings: the most that a peer can have this node compute in one go.
    pub(super) fn step(&mut self) -> io::Result<()> {
        self.drained = false;
        let received = self.receive();
        // also what tells the peer why it is refused
        let flushed = self.flush();
        match received {
            Err(e) if e.kind() != ErrorKind::WouldBlock => Err(e),
            _ => unless_blocked(flushed),
        }
    }

    /// Reads from the socket once, and decrypts that.
    fn receive(&mut self) -> io::Result<()> {
        let mut socket = Socket { stream: &mut self.stream, drained: false };
        let read = self.session.read_tls(&mut socket);
        self.drained = socket.drained;
        let read = read?;
        if read == 0 {
            return Err(self.ended());
        }
        if self.session.is_handshaking() {
            self.shaken = self.shaken.saturating_add(read);
            if self.shaken > HANDSHAKE {
                return Err(TlsFault::TooLong.into());
            }
        }
        let has_answered = self.session.is_handshaking() || self.session.wants_write();
        if let Err(e) = self.session.process_new_packets() {
            return Err(self.fault(&e).into());
        }
        // once it is established, all that a session of TLS 1.2 answers of itself is that it does not renegotiate
        let answers = !has_answered && self.session.wants_write();
        self.renegotiates |= answers && self.session.protocol_version() == Some(ProtocolVersion::TLSv1_2);
        Ok(())
    }

    /// Returns what the end of the stream means. Erlang says no close_notify, so that it lacks means nothing.
    fn ended(&self) -> io::Error {
        if self.renegotiates {
            TlsFault::Renegotiation.into()
        } else if self.session.is_handshaking() {
            TlsFault::Closed.into()
        } else {
            ErrorKind::UnexpectedEof.into()
        }
    }

    /// Reads what came, as far as `buffer` has room. 0 is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.drained = false;
        let (mut len, mut reads) = (0_usize, 0_usize);
        loop {
            match self.session.reader().read(buffer.get_mut(len..).unwrap_or_default()) {
                // what OTP says when it may not renegotiate
                Ok(0) if len == 0 && self.renegotiates => return Err(TlsFault::Renegotiation.into()),
                // the buffer is full, or the peer said that this was all
                Ok(0) => return Ok(len),
                Ok(read) => len = len.saturating_add(read),
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                    self.failed = Some(self.ended());
                    break;
                }
                Err(e) if e.kind() != ErrorKind::WouldBlock => return Err(e),
                Err(_) if self.failed.is_some() || self.drained || reads == READS => break,
                Err(_) => {
                    reads = reads.saturating_add(1);
                    match self.receive() {
                        Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                        // what came before it is taken first
                        Err(e) => self.failed = Some(e),
                        Ok(()) => {}
                    }
                }
            }
        }
        // such as that it does not renegotiate
        let _ = self.flush();
        if len > 0 {
            return Ok(len);
        }
        match self.failed.take() {
            Some(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(0),
            Some(e) => Err(e),
            None => Err(ErrorKind::WouldBlock.into()),
        }
    }

    /// Writes from the front of `bytes`. What is in a record counts as written when the whole record has left; until then the same bytes are to be
    /// given again.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.sealed == 0 {
            self.flush()?;
            if self.is_exhausted() {
                return Err(TlsFault::Exhausted.into());
            }
            let record = bytes.get(..RECORD).unwrap_or(bytes);
            self.records = self.records.saturating_add(1);
            self.sealed = self.session.writer().write(record)?;
        }
        self.flush()?;
        Ok(core::mem::take(&mut self.sealed).min(bytes.len()))
    }

    /// Returns true if no further record may be sealed: what was given all the same, the session would take and not send. With TLS 1.3 it
    /// changes its key before.
    fn is_exhausted(&self) -> bool {
        let Some(SupportedCipherSuite::Tls12(suite)) = self.session.negotiated_cipher_suite() else { return false };
        self.records >= suite.common.confidentiality_limit.saturating_sub(SPARE)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.stream)?;
        }
        Ok(())
    }

    /// Says that this side is done, as far as the socket takes that at once.
    pub(super) fn close(&mut self) {
        self.session.send_close_notify();
        let _ = self.flush();
    }

    /// Returns true if the name that the caller gives is to be checked, and was not yet.
    pub(super) fn checks_name(&self) -> bool {
        self.check_name
    }

    /// Checks that the certificate of the peer is for this host.
    pub(super) fn check_name(&mut self, host: &str) -> Result<(), TlsFault> {
        self.check_name = false;
        let name = ServerName::try_from(host).map_err(|_| TlsFault::HostName)?;
        let certificate = self.session.peer_certificates().and_then(|chain| chain.first()).ok_or(TlsFault::NoCertificate)?;
        let parsed = ParsedCertificate::try_from(certificate).map_err(|e| TlsFault::of(&e))?;
        verify_server_name(&parsed, &name).map_err(|e| self.fault(&e))
    }

    fn fault(&self, e: &rustls::Error) -> TlsFault {
        if let rustls::Error::InvalidCertificate(e) = e {
            self.tell_names(e);
        }
        match TlsFault::of(e) {
            TlsFault::NotTls if !self.session.is_handshaking() => TlsFault::Broken,
            fault => fault,
        }
    }

    /// Logs which names a certificate has that lacks the one that was asked for; not again while that is what happens.
    fn tell_names(&self, e: &rustls::CertificateError) {
        let rustls::CertificateError::NotValidForNameContext { expected, .. } = e else { return };
        let names = presented(e);
        let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
        let line = format!("TLS: the certificate shown for {} is for {names}", expected.to_str());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != line {
            log::warn!("{line}");
            *told = line;
        }
    }
}

impl core::fmt::Debug for Secure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Secure").finish_non_exhaustive()
    }
}

impl From<TlsFault> for io::Error {
    fn from(fault: TlsFault) -> Self {
        Self::new(ErrorKind::InvalidData, fault)
    }
}

fn unless_blocked(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
        result => result,
    }
}

/// The socket, which tells whether a read took all that it had.
struct Socket<'s> {
    stream: &'s mut TcpStream,
    drained: bool,
}

impl Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.stream.read(buffer) {
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                result => {
                    self.drained = result.as_ref().map_or(true, |read| *read < buffer.len());
                    return result;
                }
            }
        }
    }
}
