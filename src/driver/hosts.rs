//! Host names: the look-ups that only the C library can do, each in a thread of its own, since it can only block.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mio::Waker;

use crate::node::Connection;

/// Addresses of one host that are tried, in the order the resolver gives them.
pub(super) const ADDRESSES: usize = 8;
pub(super) type Addresses = heapless::Vec<SocketAddr, ADDRESSES>;

/// Look-ups under way at once: one for every handshake there is room for. A name server that does not answer keeps a
/// thread for as long as the C library waits for it.
const THREADS: usize = 8;

/// The one who asks: a connection that is to be made, or, with none, the node itself for its own host.
pub(super) type Asker = Option<Connection>;

/// A resolver that answers look-ups later, and wakes the poll loop then.
pub(super) struct Resolver {
    waker: Arc<Waker>,
    answers: Arc<Mutex<Vec<(Asker, Addresses)>>>,
    under_way: usize,
    /// The hosts whose addresses are known.
    known: Vec<(Box<str>, Addresses)>,
}

impl Resolver {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self { waker, answers: Arc::default(), under_way: 0, known: Vec::new() }
    }

    /// Sets the addresses of a host, which is not looked up from now on.
    pub(super) fn set_addresses(&mut self, host: &str, addresses: Addresses) {
        match self.known.iter_mut().find(|(known, _)| **known == *host) {
            Some((_, known)) => *known = addresses,
            None => self.known.push((host.into(), addresses)),
        }
    }

    /// Returns the addresses of a host that need not be looked up: it is one, or they are known.
    pub(super) fn at_once(&self, host: &str) -> Option<Addresses> {
        let known = || self.known.iter().find(|(known, _)| **known == *host).map(|(_, addresses)| addresses.clone());
        literal(host).map(|address| core::iter::once(address).collect()).or_else(known)
    }

    /// Looks a host up; the answer has no address if the name is unknown. `false`: too many look-ups are under way, or there can be no
    /// thread; ask again later.
    pub(super) fn ask(&mut self, asker: Asker, host: &str) -> bool {
        if self.under_way >= THREADS {
            return false;
        }
        let (host, answers, waker) = (String::from(host), Arc::clone(&self.answers), Arc::clone(&self.waker));
        // boxed: a program has one copy of what starts threads for all that are started so
        let look_up: Box<dyn FnOnce() + Send> = Box::new(move || {
            let found = addresses(&host).unwrap_or_default();
            let answer = (asker, found.into_iter().take(ADDRESSES).collect());
            // the driver may be gone by now, and then nobody waits for this
            answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
            let _ = waker.wake();
        });
        let started = thread::Builder::new().name("beamless-resolve".into()).spawn(look_up).is_ok();
        self.under_way = self.under_way.saturating_add(started.into());
        started
    }

    /// Returns an answer, if there is one.
    pub(super) fn poll(&mut self) -> Option<(Asker, Addresses)> {
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        self.under_way = self.under_way.saturating_sub(1);
        Some(answer)
    }
}

/// Returns the address that `host` is, if it is one and no name.
fn literal(host: &str) -> Option<SocketAddr> {
    host.parse().ok().map(|ip: IpAddr| SocketAddr::new(ip, 0))
}

/// Returns the host's addresses, with port 0. Those of an address are there at once; else the system is asked, which may block.
pub(super) fn addresses(host: &str) -> io::Result<Vec<SocketAddr>> {
    if let Some(address) = literal(host) {
        return Ok(vec![address]);
    }
    let mut all: Vec<SocketAddr> = Vec::new();
    for found in (host, 0).to_socket_addrs()? {
        if !all.contains(&found) {
            all.push(found);
        }
    }
    Ok(all)
}

/// Returns the addresses to listen on for a node of this host part, which resolves to these.
///
/// Many systems resolve their own name to loopback (Debian's 127.0.1.1), which is not where others find it; then it is all
/// addresses, unless the name says loopback itself.
pub(super) fn points_to(host: &str, found: &[IpAddr]) -> Vec<IpAddr> {
    let says_loopback = literal(host).is_some() || host.eq_ignore_ascii_case("localhost");
    if says_loopback || found.is_empty() || found.iter().any(|ip| !ip.is_loopback()) {
        return found.to_vec();
    }
    vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)]
}
