//! Host names: the look-ups that only the C library can do, each in a thread of its own, since it can only block.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use mio::Waker;

use crate::node::Connection;

/// Addresses of one host that are tried, in the order the resolver gives them.
pub(super) const ADDRESSES: usize = 8;
pub(super) type Addresses = heapless::Vec<SocketAddr, ADDRESSES>;

/// Hosts that are looked up at once, a thread each. A name server that does not answer keeps a thread for as long as the C library waits for it,
/// which is longer than a connection may take: so many dead names keep no other from being looked up.
const THREADS: usize = 64;

/// The one who asks: a connection that is to be made, or, with none, the node itself for its own host.
pub(super) type Asker = Option<Connection>;

/// A resolver that answers look-ups later, and wakes the poll loop then.
pub(super) struct Resolver {
    waker: Arc<Waker>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
    /// The hosts that are being looked up.
    under_way: Vec<Box<str>>,
    /// Those who wait, and for which host, in the order in which they asked.
    asked: VecDeque<(Asker, Box<str>)>,
    /// The hosts whose addresses are known.
    known: Vec<(Box<str>, Addresses)>,
    /// The system had no thread for the next look-up.
    stuck: bool,
    #[cfg(test)]
    pub(super) has_no_thread: bool,
}

impl Resolver {
    pub(super) fn new(waker: Arc<Waker>) -> Self {
        Self {
            waker,
            answers: Arc::default(),
            under_way: Vec::new(),
            asked: VecDeque::new(),
            known: Vec::new(),
            stuck: false,
            #[cfg(test)]
            has_no_thread: false,
        }
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

    /// Looks a host up, as soon as there is a thread for it; the answer has no address if the name is unknown.
    pub(super) fn ask(&mut self, asker: Asker, host: &str) {
        self.asked.push_back((asker, host.into()));
        self.begin();
    }

    /// Goes on without the connections that nobody wants any more. A look-up that has begun goes on too, for whoever asks for the same host next.
    #[inline]
    pub(super) fn retain(&mut self, wanted: impl Fn(Connection) -> bool) {
        if self.asked.is_empty() {
            return;
        }
        self.asked.retain(|(asker, _)| asker.is_none_or(&wanted));
        self.begin();
    }

    /// Begins the look-ups that there are threads for, first asked, first begun. The ones of one host are one.
    fn begin(&mut self) {
        self.stuck = false;
        for (_, host) in &self.asked {
            if self.under_way.len() >= THREADS {
                return;
            }
            if self.under_way.contains(host) {
                continue;
            }
            #[cfg(test)]
            if self.has_no_thread {
                self.stuck = true;
                return;
            }
            if !start(host, &self.answers, &self.waker) {
                self.stuck = true;
                return;
            }
            self.under_way.push(host.clone());
        }
    }

    /// Returns true if there is a look-up that nothing but time leads to: the system had no thread for it.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck && !self.asked.is_empty()
    }

    /// Returns an answer to one who asked, if there is one.
    pub(super) fn poll(&mut self) -> Option<(Asker, Addresses)> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(answer) = answers.front() {
            if let Some(place) = self.asked.iter().position(|(_, host)| *host == answer.host) {
                return self.asked.remove(place).map(|(asker, _)| (asker, answer.addresses.clone()));
            }
            self.under_way.retain(|host| *host != answer.host);
            answers.pop_front();
        }
        None
    }
}

/// The answer to a look-up.
struct Answer {
    host: Box<str>,
    addresses: Addresses,
}

/// Starts the look-up of a host in a thread of its own. Returns false if the system has none.
fn start(host: &str, answers: &Arc<Mutex<VecDeque<Answer>>>, waker: &Arc<Waker>) -> bool {
    let (host, answers, waker) = (Box::<str>::from(host), Arc::clone(answers), Arc::clone(waker));
    // boxed: a program has one copy of what starts threads for all that are started so
    let look_up: Box<dyn FnOnce() + Send> = Box::new(move || {
        let addresses = addresses(&host).unwrap_or_default().into_iter().take(ADDRESSES).collect();
        // the driver may be gone by now, and then nobody waits for this
        answers.lock().unwrap_or_else(PoisonError::into_inner).push_back(Answer { host, addresses });
        let _ = waker.wake();
    });
    thread::Builder::new().name("beamless-resolve".into()).spawn(look_up).is_ok()
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
    // that of a link alone is none without the link, which a name does not tell
    let is_of_link = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
    let found: Vec<IpAddr> = found.iter().copied().filter(|ip| !is_of_link(ip)).collect();
    if says_loopback || found.is_empty() || found.iter().any(|ip| !ip.is_loopback()) {
        return found;
    }
    vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)]
}
