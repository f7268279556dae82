//! From a node's name to a connection: its host's addresses, its port from the EPMD there, then the node itself.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::hosts::Addresses;
use crate::error::{NetworkFault, Reason};
use crate::proto::epmd_client::Lookup;
use crate::wire::ids::NodeName;

/// What a dial waits for.
enum Stage {
    Addresses,
    Epmd(TcpStream, Lookup),
    Node(TcpStream),
}

/// One connection on its way.
pub(super) struct Dial {
    peer: NodeName,
    /// The port of EPMD, on every host.
    epmd: u16,
    addresses: Addresses,
    /// Which of them is tried.
    current: usize,
    stage: Stage,
}

/// How far a dial got.
pub(super) enum Dialed {
    Waiting,
    Connected(TcpStream),
    Failed(NetworkFault),
}

impl Dial {
    pub(super) fn new(peer: NodeName, epmd: u16) -> Self {
        Self { peer, epmd, addresses: Addresses::new(), current: 0, stage: Stage::Addresses }
    }

    /// The host is known now.
    pub(super) fn resolved(&mut self, addresses: Addresses, registry: &Registry, token: Token) -> Dialed {
        if addresses.is_empty() {
            return Dialed::Failed(NetworkFault::UnknownHost);
        }
        self.addresses = addresses;
        self.ask_epmd(registry, token, NetworkFault::NoEpmd)
    }

    /// Connects to the EPMD of the next address; when none is left, the fault of the last one is the dial's.
    fn ask_epmd(&mut self, registry: &Registry, token: Token, last: NetworkFault) -> Dialed {
        let mut fault = last;
        while let Some(address) = self.addresses.get(self.current) {
            let Ok(lookup) = Lookup::new(self.peer.alive()) else { return Dialed::Failed(NetworkFault::NoSuchName) };
            match connect(SocketAddr::new(*address, self.epmd), registry, token) {
                Ok(stream) => {
                    self.stage = Stage::Epmd(stream, lookup);
                    return Dialed::Waiting;
                }
                Err(e) => fault = self::fault(&e, NetworkFault::NoEpmd),
            }
            self.current = self.current.saturating_add(1);
        }
        Dialed::Failed(fault)
    }

    fn next_address(&mut self, fault: NetworkFault, registry: &Registry, token: Token) -> Dialed {
        self.current = self.current.saturating_add(1);
        self.ask_epmd(registry, token, fault)
    }

    /// The socket is ready for something.
    pub(super) fn advance(&mut self, registry: &Registry, token: Token) -> Dialed {
        match core::mem::replace(&mut self.stage, Stage::Addresses) {
            Stage::Addresses => Dialed::Waiting,
            Stage::Epmd(mut stream, mut lookup) => match ask(&mut stream, &mut lookup) {
                Ok(None) => {
                    self.stage = Stage::Epmd(stream, lookup);
                    Dialed::Waiting
                }
                Ok(Some(port)) => self.call(port, registry, token),
                Err(fault) => self.next_address(fault, registry, token),
            },
            Stage::Node(stream) => match is_connected(&stream) {
                Ok(false) => {
                    self.stage = Stage::Node(stream);
                    Dialed::Waiting
                }
                Ok(true) => Dialed::Connected(stream),
                Err(e) => self.next_address(fault(&e, NetworkFault::Refused), registry, token),
            },
        }
    }

    fn call(&mut self, port: u16, registry: &Registry, token: Token) -> Dialed {
        let Some(address) = self.addresses.get(self.current) else { return Dialed::Failed(NetworkFault::UnknownHost) };
        match connect(SocketAddr::new(*address, port), registry, token) {
            Ok(stream) => {
                self.stage = Stage::Node(stream);
                Dialed::Waiting
            }
            Err(e) => self.next_address(fault(&e, NetworkFault::Refused), registry, token),
        }
    }
}

fn connect(address: SocketAddr, registry: &Registry, token: Token) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

/// Whether a connection under way is made.
fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    if let Some(e) = stream.take_error()? {
        return Err(e);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == ErrorKind::NotConnected => Ok(false),
        Err(e) => Err(e),
    }
}

/// Goes on with a look-up: the port, once EPMD has told.
fn ask(stream: &mut TcpStream, lookup: &mut Lookup) -> Result<Option<u16>, NetworkFault> {
    let no_epmd = |e: io::Error| fault(&e, NetworkFault::NoEpmd);
    if !is_connected(stream).map_err(no_epmd)? {
        return Ok(None);
    }
    while !lookup.transmit().is_empty() {
        match stream.write(lookup.transmit()) {
            Ok(written) => lookup.sent(written),
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(no_epmd(e)),
        }
    }
    let no_answer = |reason| if let Reason::Network(fault) = reason { fault } else { NetworkFault::NoEpmd };
    let mut buffer = [0; 64];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return lookup.handle_close().map(|located| Some(located.port)).map_err(no_answer),
            Ok(read) => {
                let bytes = buffer.get(..read).unwrap_or(&[]);
                if let Some(located) = lookup.handle_bytes(bytes).map_err(no_answer)? {
                    return Ok(Some(located.port));
                }
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(no_epmd(e)),
        }
    }
}

/// What an error of the system means to whoever wanted to connect.
pub(super) fn fault(e: &io::Error, refused: NetworkFault) -> NetworkFault {
    match e.kind() {
        ErrorKind::ConnectionRefused => refused,
        ErrorKind::TimedOut => NetworkFault::TimedOut,
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted => NetworkFault::Reset,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => NetworkFault::Unreachable,
        _ => NetworkFault::Other(e.raw_os_error().unwrap_or(0)),
    }
}
