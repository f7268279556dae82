//! From a node's name to a connection: its host's addresses, its port from the EPMD there, then the node itself.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::carrier::Stream;
use super::hosts::{Addresses, Resolver};
use super::net::{fault, is_connected};
use super::unix;
use crate::error::{NetworkFault, Reason};
use crate::node::Connection;
use crate::proto::epmd_client::Lookup;
use crate::time::{Instant, sooner};
use crate::wire::ids::NodeName;

/// The time that each step at one address has before the next is tried, if there is another.
const EACH: Duration = Duration::from_secs(2);
/// The time for which the last address may be silent where another has said what is wrong: a lost packet is sent again after one and three seconds.
const LAST: Duration = Duration::from_secs(4);
/// The time after which a socket of this host is dialled again at which too many wait.
const AGAIN: Duration = Duration::from_millis(100);

/// The way to a node that need not be asked for.
#[derive(Clone)]
pub(super) enum Way {
    /// Its own port, on its host.
    Port(u16),
    /// Its socket, on this host.
    Socket(Box<Path>),
}

/// The thing that a dial waits for.
enum Stage {
    /// The host's addresses, which have been asked for or are to be.
    Addresses {
        asked: bool,
    },
    Epmd(TcpStream, Lookup),
    Node(TcpStream),
    /// A place among those who wait at a socket of this host.
    Queue,
}

/// A connection on its way.
pub(super) struct Dial {
    peer: NodeName,
    /// The port of EPMD, on every host.
    epmd: u16,
    /// What is known of the way, where EPMD need not be asked for it.
    way: Option<Way>,
    addresses: Addresses,
    /// The address that is tried, and when its step was begun.
    current: usize,
    since: Instant,
    /// Nothing was heard from it.
    silent: bool,
    /// The fault of those before it that says most.
    why: NetworkFault,
    stage: Stage,
    /// True if a step was done since that was asked.
    moved: bool,
    /// The socket became ready for something.
    ready: bool,
}

/// The progress of a dial.
pub(super) enum Dialed {
    Waiting,
    Connected(Stream),
    Failed(NetworkFault),
}

impl Dial {
    pub(super) fn new(peer: NodeName, epmd: u16, way: Option<Way>) -> Self {
        Self {
            peer,
            epmd,
            way,
            addresses: Addresses::new(),
            current: 0,
            since: Instant::default(),
            silent: true,
            why: NetworkFault::TimedOut,
            stage: Stage::Addresses { asked: false },
            moved: false,
            ready: false,
        }
    }

    pub(super) fn peer(&self) -> &NodeName {
        &self.peer
    }

    /// Notes that the socket became ready for something.
    pub(super) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Returns true, once, if the socket became ready for something.
    pub(super) fn take_ready(&mut self) -> bool {
        core::mem::take(&mut self.ready)
    }

    /// Returns true if it can go on at once.
    pub(super) fn has_work(&self) -> bool {
        self.ready || matches!(self.stage, Stage::Addresses { asked: false })
    }

    /// Returns true if a step was done since this was asked last.
    pub(super) fn has_moved(&mut self) -> bool {
        core::mem::take(&mut self.moved)
    }

    /// Asks for the host's addresses, unless that is done, or they are at hand, or the node has a socket: then it goes on at once.
    pub(super) fn begin(&mut self, connection: Connection, resolver: &mut Resolver, at: &At<'_>) -> Dialed {
        if !matches!(self.stage, Stage::Addresses { asked: false }) {
            return Dialed::Waiting;
        }
        if matches!(self.way, Some(Way::Socket(_))) {
            return self.dial_socket(at);
        }
        if let Some(addresses) = resolver.at_once(self.peer.host()) {
            self.stage = Stage::Addresses { asked: true };
            return self.resolved(addresses, at);
        }
        resolver.ask(Some(connection), self.peer.host());
        self.stage = Stage::Addresses { asked: true };
        Dialed::Waiting
    }

    /// Dials a socket of this host, or stands in the queue there.
    fn dial_socket(&mut self, at: &At<'_>) -> Dialed {
        let Some(Way::Socket(path)) = &self.way else { return Dialed::Waiting };
        match at.connect_unix(path) {
            Ok(Some(stream)) => Dialed::Connected(stream),
            Ok(None) => {
                self.stage = Stage::Queue;
                self.since = at.now;
                Dialed::Waiting
            }
            Err(fault) => Dialed::Failed(fault),
        }
    }

    /// Goes on with a host that is known now.
    pub(super) fn resolved(&mut self, addresses: Addresses, at: &At<'_>) -> Dialed {
        if !matches!(self.stage, Stage::Addresses { asked: true }) {
            return Dialed::Waiting;
        }
        if addresses.is_empty() {
            return Dialed::Failed(NetworkFault::UnknownHost);
        }
        self.addresses = addresses;
        self.try_address(at)
    }

    /// Returns when the next address is to be tried, or what another has said is to be told in place of the last one's silence. At `ends` the
    /// node gives it up.
    pub(super) fn poll_timeout(&self, ends: Option<Instant>) -> Option<Instant> {
        match self.stage {
            Stage::Queue => return Some(self.since.after(AGAIN)),
            Stage::Addresses { .. } => return None,
            Stage::Epmd(..) | Stage::Node(_) => {}
        }
        if self.current.saturating_add(1) < self.addresses.len() {
            return Some(self.since.after(EACH));
        }
        let spoke = worth(self.why) > worth(NetworkFault::NoEpmd);
        let last = (spoke && self.silent).then(|| self.since.after(LAST));
        sooner(last, ends).filter(|_| worth(self.why) > worth(NetworkFault::TimedOut))
    }

    /// Tries the next address if this one has had its time.
    pub(super) fn handle_timeout(&mut self, at: &At<'_>) -> Dialed {
        match self.poll_timeout(at.ends) {
            Some(until) if until <= at.now && matches!(self.stage, Stage::Queue) => self.dial_socket(at),
            Some(until) if until <= at.now => self.next_address(NetworkFault::TimedOut, at),
            _ => Dialed::Waiting,
        }
    }

    /// Connects to the next address, to the EPMD there unless the node's port is known; when none is left, the fault that says most is the
    /// dial's.
    fn try_address(&mut self, at: &At<'_>) -> Dialed {
        self.silent = true;
        while let Some(address) = self.addresses.get(self.current) {
            let (stage, otherwise) = if let Some(Way::Port(port)) = &self.way {
                (at.connect(*address, *port).map(Stage::Node), NetworkFault::Refused)
            } else {
                let Ok(lookup) = Lookup::new(self.peer.alive()) else { return Dialed::Failed(NetworkFault::NoSuchName) };
                (at.connect(*address, self.epmd).map(|stream| Stage::Epmd(stream, lookup)), NetworkFault::NoEpmd)
            };
            match stage {
                Ok(stage) => {
                    self.stage = stage;
                    self.step(at);
                    return Dialed::Waiting;
                }
                Err(e) => self.pass(fault(&e, otherwise)),
            }
        }
        Dialed::Failed(self.why)
    }

    /// Begins the time for a step.
    fn step(&mut self, at: &At<'_>) {
        self.moved = true;
        self.since = at.now;
    }

    /// Passes on to the next address.
    fn pass(&mut self, fault: NetworkFault) {
        self.current = self.current.saturating_add(1);
        if worth(fault) >= worth(self.why) {
            self.why = fault;
        }
    }

    fn next_address(&mut self, fault: NetworkFault, at: &At<'_>) -> Dialed {
        self.pass(fault);
        self.try_address(at)
    }

    /// Goes on after the socket became ready for something.
    pub(super) fn advance(&mut self, at: &At<'_>) -> Dialed {
        match core::mem::replace(&mut self.stage, Stage::Addresses { asked: true }) {
            stage @ (Stage::Addresses { .. } | Stage::Queue) => {
                self.stage = stage;
                Dialed::Waiting
            }
            Stage::Epmd(mut stream, mut lookup) => match ask(&mut stream, &mut lookup) {
                Ok(None) => {
                    if self.silent && lookup.transmit().is_empty() {
                        // EPMD is there, and has been asked
                        self.silent = false;
                        self.step(at);
                    }
                    self.stage = Stage::Epmd(stream, lookup);
                    Dialed::Waiting
                }
                Ok(Some(port)) => self.call(port, at),
                Err(fault) => self.next_address(fault, at),
            },
            Stage::Node(stream) => match is_connected(&stream) {
                Ok(false) => {
                    self.stage = Stage::Node(stream);
                    Dialed::Waiting
                }
                Ok(true) => Dialed::Connected(Stream::Tcp(stream)),
                Err(e) => self.next_address(fault(&e, NetworkFault::Refused), at),
            },
        }
    }

    fn call(&mut self, port: u16, at: &At<'_>) -> Dialed {
        let Some(address) = self.addresses.get(self.current) else { return Dialed::Failed(NetworkFault::UnknownHost) };
        match at.connect(*address, port) {
            Ok(stream) => {
                self.stage = Stage::Node(stream);
                self.silent = false;
                self.step(at);
                Dialed::Waiting
            }
            Err(e) => self.next_address(fault(&e, NetworkFault::Refused), at),
        }
    }
}

/// Returns how much the fault of one address of a host says of the node: that there is no EPMD at another is no news where one has answered.
fn worth(fault: NetworkFault) -> u8 {
    match fault {
        NetworkFault::NoSuchName => 4,
        NetworkFault::Refused => 3,
        NetworkFault::NotEpmd => 2,
        // a host that refuses is there
        NetworkFault::NoEpmd => 1,
        _ => 0,
    }
}

/// The circumstances of a step of a dial.
pub(super) struct At<'p> {
    pub(super) registry: &'p Registry,
    /// The token of the dial's socket.
    pub(super) token: Token,
    pub(super) now: Instant,
    /// When the node gives the dial up, as far as it has gone.
    pub(super) ends: Option<Instant>,
}

impl At<'_> {
    fn connect(&self, mut address: SocketAddr, port: u16) -> io::Result<TcpStream> {
        address.set_port(port);
        let mut stream = TcpStream::connect(address)?;
        self.registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    /// Connects to a socket of this host; `None` while too many wait there.
    fn connect_unix(&self, path: &Path) -> Result<Option<Stream>, NetworkFault> {
        let Some(stream) = unix::connect(path)? else { return Ok(None) };
        let mut stream = Stream::Unix(stream);
        stream.register(self.registry, self.token).map_err(|e| fault(&e, NetworkFault::Refused))?;
        Ok(Some(stream))
    }
}

/// Returns the fault of what did not answer as EPMD does.
pub(super) fn no_answer(reason: Reason) -> NetworkFault {
    if let Reason::Network(fault) = reason {
        return fault;
    }
    log::debug!("what answers on epmd's port: {reason}");
    NetworkFault::NotEpmd
}

/// Goes on with a look-up: the port, once EPMD has told.
pub(super) fn ask(stream: &mut TcpStream, lookup: &mut Lookup) -> Result<Option<u16>, NetworkFault> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The dial of the last of two addresses, where the first had this fault, begun at the first millisecond.
    fn last(of_first: NetworkFault, silent: bool) -> Dial {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut dial = Dial::new(NodeName::new("x@two.test").unwrap(), 1, None);
        dial.addresses = [[127, 0, 0, 1], [127, 0, 0, 2]].map(|ip| SocketAddr::from((ip, 0))).into_iter().collect();
        dial.pass(of_first);
        (dial.stage, dial.since, dial.silent) = (Stage::Node(stream), Instant::from_millis(1), silent);
        dial
    }

    #[test]
    fn the_last_address_has_the_time_of_a_step_and_less_if_it_is_silent_where_another_spoke() {
        use NetworkFault as F;
        let (long, short, ends) = (Instant::from_millis(7001), Instant::from_millis(4001), Instant::from_millis(2));
        for (fault, silent, due) in [
            (F::NoSuchName, true, Some(short)),
            (F::NoSuchName, false, Some(long)),
            (F::Refused, true, Some(short)),
            (F::NotEpmd, true, Some(short)),
            (F::NoEpmd, true, Some(long)),
            // the node tells that itself
            (F::TimedOut, true, None),
            (F::Unreachable, false, None),
        ] {
            let dial = last(fault, silent);
            assert_eq!(dial.poll_timeout(Some(long)), due, "{fault} {silent}");
            assert_eq!(dial.poll_timeout(Some(ends)), due.map(|_| ends), "{fault} {silent}");
        }
    }

    #[test]
    fn the_fault_that_says_most_is_told_and_of_equals_the_last() {
        use NetworkFault as F;
        for (faults, told) in [
            ([F::NoEpmd, F::Unreachable], F::NoEpmd),
            ([F::Unreachable, F::NoEpmd], F::NoEpmd),
            ([F::TimedOut, F::Unreachable], F::Unreachable),
            ([F::Refused, F::TimedOut], F::Refused),
            ([F::NotEpmd, F::NoEpmd], F::NotEpmd),
            ([F::NoSuchName, F::Refused], F::NoSuchName),
        ] {
            let mut dial = last(faults[0], true);
            dial.pass(faults[1]);
            assert_eq!(dial.why, told, "{faults:?}");
        }
    }
}
