//! The addresses a node listens on: those its name points to, also after that has changed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};

use super::carrier::Stream;
use super::hosts::{addresses, points_to};
use super::net::failed;
use super::tokens::{LISTENERS, MAX_LISTENERS, UNIX};
use super::unix::{self, SocketFile};
use crate::error::Result;
use crate::node::Origin;
use crate::time::Instant;

/// The time between two looks at the addresses of the node's name.
const LOOK: Duration = Duration::from_secs(60);
/// The same while the node does not listen where its name points, as on a host whose network is not up yet.
const LOOK_SOON: Duration = Duration::from_secs(10);
/// Ports that are tried, since one that is free on the first address may be taken on another.
const PORTS: usize = 8;
/// All addresses, where Erlang listens.
const EVERYWHERE: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A socket on which others connect.
pub(super) struct Listener {
    socket: Socket,
    /// True if there may be more connections to take.
    pub(super) ready: bool,
    pub(super) token: Token,
}

enum Socket {
    Tcp(TcpListener),
    Unix { socket: UnixListener, _file: SocketFile },
}

impl Listener {
    /// Listens on a socket of this host.
    pub(super) fn unix(path: &Path, registry: &Registry) -> io::Result<Self> {
        let (mut socket, file) = unix::listen(path)?;
        registry.register(&mut socket, Token(UNIX), Interest::READABLE)?;
        Ok(Self { socket: Socket::Unix { socket, _file: file }, ready: true, token: Token(UNIX) })
    }

    /// Returns the address that it listens on, if it has one.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match &self.socket {
            Socket::Tcp(socket) => socket.local_addr().ok(),
            Socket::Unix { .. } => None,
        }
    }

    /// Takes the next connection, and from where it comes.
    pub(super) fn accept(&self) -> io::Result<(Stream, Origin)> {
        match &self.socket {
            Socket::Tcp(socket) => socket.accept().map(|(stream, address)| (Stream::Tcp(stream), Origin::from(address.ip()))),
            Socket::Unix { socket, .. } => socket.accept().map(|(stream, _)| (Stream::Unix(stream), Origin::default())),
        }
    }

    fn is_on(&self, ip: IpAddr) -> bool {
        self.address().is_some_and(|address| address.ip() == ip)
    }
}

/// Returns the port of these, which is the node's; 0 if there are none.
pub(super) fn port(listeners: &[Listener]) -> u16 {
    listeners.first().and_then(Listener::address).map_or(0, |address| address.port())
}

/// Listens on all of these addresses; port 0 is any free one, the same on all.
pub(super) fn listen_on_all(addresses: &[SocketAddr], registry: &Registry) -> Result<Vec<Listener>> {
    if addresses.len() > MAX_LISTENERS {
        let e = io::Error::new(io::ErrorKind::InvalidInput, "a node listens on 8 addresses at most");
        return Err(failed("listening", e));
    }
    let mut listeners = Vec::new();
    for mut address in addresses.iter().copied() {
        if address.port() == 0 {
            address.set_port(port(&listeners));
        }
        bind(&mut listeners, address, registry).map_err(|e| failed(&format!("listening on {address}"), e))?;
    }
    Ok(listeners)
}

/// Returns the addresses of `host` and `port` to listen on, for settings that name a host.
///
/// # Errors
/// [`Error::Io`](crate::Error::Io) if the host has no address.
pub fn listen_addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>> {
    let found = addresses(host).map_err(|e| failed(&format!("looking up {host}"), e))?;
    let with_port = |mut address: SocketAddr| {
        address.set_port(port);
        address
    };
    Ok(found.into_iter().map(with_port).collect())
}

/// Adds a listener.
fn bind(listeners: &mut Vec<Listener>, address: SocketAddr, registry: &Registry) -> io::Result<()> {
    let tokens = (LISTENERS..).map(Token).take(MAX_LISTENERS);
    let mut free = tokens.filter(|token| listeners.iter().all(|listener| listener.token != *token));
    let token = free.next().ok_or(io::ErrorKind::InvalidInput)?;
    let mut socket = TcpListener::bind(address)?;
    registry.register(&mut socket, token, Interest::READABLE)?;
    listeners.push(Listener { socket: Socket::Tcp(socket), ready: true, token });
    Ok(())
}

/// Listens on these addresses and no others, and keeps the port if it is free on all. An error says that the system lets the node listen
/// nowhere.
fn listen_on(listeners: &mut Vec<Listener>, addresses: &[IpAddr], registry: &Registry) -> io::Result<()> {
    let kept = port(listeners);
    // closed first: all addresses and one of them cannot be had at once
    listeners.retain(|listener| addresses.iter().any(|ip| listener.is_on(*ip)));
    let mut result = fill(listeners, addresses, kept, registry);
    for _ in 0..PORTS {
        match &result {
            Err(e) if e.kind() == io::ErrorKind::AddrInUse => {
                listeners.clear();
                result = fill(listeners, addresses, 0, registry);
            }
            _ => break,
        }
    }
    result
}

/// Listens on those of the addresses that are not listened on yet.
fn fill(listeners: &mut Vec<Listener>, addresses: &[IpAddr], mut at: u16, registry: &Registry) -> io::Result<()> {
    for ip in addresses {
        if !listeners.iter().any(|listener| listener.is_on(*ip)) {
            bind(listeners, SocketAddr::new(*ip, at), registry)?;
        }
        at = port(listeners);
    }
    Ok(())
}

/// Writes where a node listens.
fn shown(listeners: &[Listener]) -> String {
    let show = |address: SocketAddr| match address.ip() {
        EVERYWHERE => format!("all addresses, port {}", address.port()),
        _ => address.to_string(),
    };
    let all: Vec<String> = listeners.iter().filter_map(Listener::address).map(show).collect();
    all.join(" and ")
}

/// The host of the node's name, and what is known of its addresses.
pub(super) struct Home {
    host: Box<str>,
    /// The time of the next look at its addresses.
    due: Instant,
    /// They are being looked up.
    asked: bool,
    /// The trouble with them that the log has.
    said: String,
    /// The family of which the last look-up told no address any more (true: IPv4), though it is still listened on.
    unsure: Option<bool>,
    /// An address that this host has no more.
    #[cfg(test)]
    gone: Option<IpAddr>,
}

impl Home {
    pub(super) fn new(host: &str) -> Self {
        Self {
            host: host.into(),
            due: Instant::default(),
            asked: false,
            said: String::new(),
            unsure: None,
            #[cfg(test)]
            gone: None,
        }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Has the addresses looked at in the next turn.
    pub(super) fn look_now(&mut self) {
        self.due = Instant::default();
    }

    /// Returns when the next look is due; never while one is under way.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        (!self.asked).then_some(self.due)
    }

    /// Takes note that the addresses are being looked up.
    pub(super) fn set_asked(&mut self) {
        self.asked = true;
        self.due = Instant::from_millis(u64::MAX);
    }

    /// Listens where the name points now, as far as this host has those addresses; connections stay as they are. If it has none of them, or
    /// the name points nowhere, it goes on listening where it does; at first that is on all addresses, as Erlang does. An error is that it
    /// listens nowhere. Where the name has lost all its addresses of one family, a name server may have failed to tell of them: those that this
    /// host has stay until a second look-up says the same.
    pub(super) fn follow(
        &mut self,
        listeners: &mut Vec<Listener>,
        found: &[IpAddr],
        registry: &Registry,
        now: Instant,
    ) -> io::Result<()> {
        self.answered();
        let was = shown(listeners);
        let mut wanted = points_to(&self.host, found);
        let addresses = listeners.iter().filter_map(Listener::address).map(|address| address.ip());
        let is_of_other = |ip: &IpAddr| !ip.is_unspecified() && wanted.iter().all(|other| other.is_ipv4() != ip.is_ipv4());
        let unsure: Vec<IpAddr> = addresses.filter(|ip| !wanted.is_empty() && is_of_other(ip) && !self.is_gone(*ip)).collect();
        let family = unsure.first().map(IpAddr::is_ipv4);
        self.unsure = family.filter(|_| family != self.unsure);
        if self.unsure.is_some() {
            wanted.extend(unsure);
        }
        let (mut here, mut missing) = (Vec::new(), String::new());
        for ip in wanted.iter().take(MAX_LISTENERS) {
            match self.try_on(*ip) {
                Ok(()) => here.push(*ip),
                // it has no descriptor to spare, say
                Err(e) if e.kind() != io::ErrorKind::AddrNotAvailable && listeners.iter().any(|listener| listener.is_on(*ip)) => {
                    here.push(*ip);
                }
                Err(e) => missing = format!("{ip} ({e})"),
            }
        }
        if !here.is_empty() {
            listen_on(listeners, &here, registry)?;
        } else if listeners.is_empty() {
            bind(listeners, SocketAddr::new(EVERYWHERE, 0), registry)?;
        }
        let (host, is) = (&self.host, shown(listeners));
        if !was.is_empty() && was != is {
            log::info!("{host}, the host of the node's name, has another address: listening on {is}, and not on {was} any more");
        } else if missing.is_empty() && !here.is_empty() && !self.said.is_empty() {
            log::info!("{host}, the host of the node's name, has its address again: listening on {is}");
        }
        self.tell(if wanted.is_empty() {
            format!("{host}, the host of the node's name, has no address: listening on {is} until it has one")
        } else if missing.is_empty() {
            String::new()
        } else {
            format!("not listening on {missing}, an address of {host}, the host of the node's name, but on {is}")
        });
        self.due = self.due.min(now.after(if self.said.is_empty() && self.unsure.is_none() { LOOK } else { LOOK_SOON }));
        Ok(())
    }

    /// Returns true if this host does not have the address any more.
    fn is_gone(&self, ip: IpAddr) -> bool {
        self.try_on(ip).is_err_and(|e| e.kind() == io::ErrorKind::AddrNotAvailable)
    }

    /// Listens on an address for a moment: whether this host has it only that tells.
    fn try_on(&self, ip: IpAddr) -> io::Result<()> {
        #[cfg(test)]
        if self.gone == Some(ip) {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        std::net::TcpListener::bind(SocketAddr::new(ip, 0)).map(drop)
    }

    /// Takes note that the look is over. Who asked for one meanwhile gets one more: this may have begun before what they know of.
    fn answered(&mut self) {
        let once_more = core::mem::take(&mut self.asked) && self.due == Instant::default();
        self.due = if once_more { self.due } else { Instant::from_millis(u64::MAX) };
    }

    /// Takes note that the node listens nowhere.
    pub(super) fn failed(&mut self, e: &io::Error, now: Instant) {
        self.tell(format!("listening nowhere, trying again: {e}"));
        self.due = self.due.min(now.after(LOOK_SOON));
    }

    /// Logs what is wrong, once.
    fn tell(&mut self, trouble: String) {
        if !trouble.is_empty() && trouble != self.said {
            log::warn!("{trouble}");
        }
        self.said = trouble;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 3));

    fn with_home(test: impl FnOnce(Home, &Registry)) {
        let poll = mio::Poll::new().unwrap();
        test(Home::new("localhost"), poll.registry());
    }

    fn on(listeners: &[Listener]) -> Vec<IpAddr> {
        listeners.iter().filter_map(Listener::address).map(|address| address.ip()).collect()
    }

    #[test]
    fn the_port_stays_and_tokens_are_used_again() {
        with_home(|mut home, registry| {
            let mut listeners = Vec::new();
            home.follow(&mut listeners, &[HERE], registry, Instant::default()).unwrap();
            let at = port(&listeners);
            for found in [&[THERE, HERE][..], &[THERE], &[HERE, THERE], &[]] {
                home.follow(&mut listeners, found, registry, Instant::default()).unwrap();
                let mut tokens: Vec<Token> = listeners.iter().map(|listener| listener.token).collect();
                tokens.dedup();
                assert!(tokens.len() == listeners.len() && tokens.iter().all(|token| token.0 < LISTENERS + MAX_LISTENERS));
                assert!(found.iter().all(|ip| on(&listeners).contains(ip)));
                assert_eq!(port(&listeners), at);
            }
            assert_eq!(listeners.len(), 2, "a name that has no address moves nothing");
        });
    }

    /// As the address of a link alone, which nss-myhostname gives for the host's own name.
    #[test]
    fn the_address_of_a_link_is_no_trouble() {
        with_home(|mut home, registry| {
            let link = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
            let mut listeners = Vec::new();
            home.follow(&mut listeners, &[HERE, link], registry, Instant::default()).unwrap();
            assert_eq!((on(&listeners), &*home.said), (vec![HERE], ""));
            assert_eq!(home.poll_timeout(), Some(Instant::default().after(LOOK)));
        });
    }

    /// Of a name server that answers for one family and fails for the other, the system tells the one.
    #[test]
    fn addresses_of_a_family_that_is_not_told_of_stay_until_the_next_look() {
        let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
        if std::net::TcpListener::bind(SocketAddr::new(six, 0)).is_err() {
            return;
        }
        with_home(|mut home, registry| {
            let (mut listeners, now) = (Vec::new(), Instant::default());
            home.follow(&mut listeners, &[HERE, six], registry, now).unwrap();
            let at = port(&listeners);
            for (found, is) in [
                (&[six][..], &[HERE, six][..]),
                (&[HERE], &[HERE, six]),
                (&[HERE], &[HERE]),
                (&[six], &[six, HERE]),
                (&[six, THERE], &[six, THERE]),
                (&[six], &[six, THERE]),
                (&[six], &[six]),
            ] {
                let was = on(&listeners);
                home.follow(&mut listeners, found, registry, now).unwrap();
                let (mut now_on, mut wanted) = (on(&listeners), is.to_vec());
                now_on.sort();
                wanted.sort();
                assert_eq!((now_on, port(&listeners)), (wanted, at), "{found:?} after {was:?}");
                let soon = if is.len() > found.len() { LOOK_SOON } else { LOOK };
                assert_eq!(home.poll_timeout(), Some(now.after(soon)));
            }
        });
    }

    /// Of what neither the name nor the host has any more nothing is said but that nobody listens there.
    #[test]
    fn an_address_that_the_host_has_lost_with_its_name_is_no_trouble() {
        let six = IpAddr::V6(Ipv6Addr::LOCALHOST);
        if std::net::TcpListener::bind(SocketAddr::new(six, 0)).is_err() {
            return;
        }
        with_home(|mut home, registry| {
            let mut listeners = Vec::new();
            home.follow(&mut listeners, &[HERE, six], registry, Instant::default()).unwrap();
            home.gone = Some(HERE);
            home.follow(&mut listeners, &[six], registry, Instant::default()).unwrap();
            assert_eq!((on(&listeners), &*home.said), (vec![six], ""));
            assert_eq!(home.poll_timeout(), Some(Instant::default().after(LOOK)));
        });
    }

    #[test]
    fn a_look_asked_for_while_one_is_under_way_is_one_more() {
        with_home(|mut home, registry| {
            let mut listeners = Vec::new();
            let now = Instant::from_millis(1000);
            home.set_asked();
            home.look_now();
            assert_eq!(home.poll_timeout(), None);
            home.follow(&mut listeners, &[HERE], registry, now).unwrap();
            assert_eq!(home.poll_timeout(), Some(Instant::default()));
            home.set_asked();
            home.follow(&mut listeners, &[HERE], registry, now).unwrap();
            assert_eq!(home.poll_timeout(), Some(now.after(LOOK)));
        });
    }
}
