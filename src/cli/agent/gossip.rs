//! Heartbeats, by which nodes find each other as with libcluster's strategy `Gossip`: every node says its name to all others, and who hears one
//! that is not connected connects to it. This one says its own, so that the others come; it listens for theirs if it is told to.

mod heard;
mod heartbeat;
mod secret;
mod socket;

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use beamless::{Driver, Epmd, Event, Node, NodeName};
use mio::net::UdpSocket;
use mio::{Interest, Token};

use super::backoff::{chance, share};
use super::config::{self, Settings};
use super::peers::{By, Peers, after};
use crate::cli::lines::limited;
use heard::{Heard, Says};
pub(super) use secret::Secret;

/// The token of the socket that hears heartbeats.
pub(super) const HEARTBEATS: Token = Token(2);

/// The shortest time between two heartbeats of this node. libcluster's own are up to five seconds apart.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest time that is added to it, by chance.
const MORE: Duration = Duration::from_secs(4);
/// The time after which the group is joined anew: the box may have another interface by then, or its route lead through another.
const JOIN: Duration = Duration::from_secs(60);
/// The time after which it is tried again to listen, where that failed.
const RETRY: Duration = Duration::from_secs(5);
/// The most datagrams that are read in one turn, and the rest after so many: five hundred nodes do not say more. A flood is left with the system,
/// which throws away what there is no room for.
const MOST: usize = 32;
const REST: Duration = Duration::from_millis(100);
/// The time after which what was no heartbeat is said again.
const AGAIN: Duration = Duration::from_secs(3600);

/// The heartbeats of this node, and those of others.
pub(super) struct Gossip {
    own: NodeName,
    /// The nodes and hosts that may be connected to; without one all may.
    allow: Vec<String>,
    settings: Option<config::Gossip>,
    /// The others can find this node: before that, a heartbeat would have them try in vain.
    is_registered: bool,
    /// The time of the next heartbeat.
    say_at: Instant,
    /// What became of the last one.
    said: Told,
    listener: Option<Listener>,
    /// The time at which the group is joined anew.
    join_at: Instant,
    /// What became of the last try to join it.
    joined: Told,
    heard: Heard,
    /// The log has that there are more nodes than places, and none has gone since.
    is_crowded: bool,
    unread: Unread,
}

/// The socket by which heartbeats come.
struct Listener {
    socket: UdpSocket,
    /// There may be something to read.
    is_ready: bool,
    /// It came too much: nothing is read before then.
    rests: Option<Instant>,
}

impl Gossip {
    pub(super) fn new(settings: &Settings) -> Self {
        let now = Instant::now();
        let mut gossip = Self {
            own: settings.node.clone(),
            allow: settings.allow.clone(),
            settings: None,
            is_registered: settings.local.epmd == Epmd::None,
            say_at: now,
            said: Told::default(),
            listener: None,
            join_at: now,
            joined: Told::default(),
            // more than can be connected: some of them are gone, or never were
            heard: Heard::new(usize::from(settings.sizes.peers).saturating_mul(2)),
            is_crowded: false,
            unread: Unread::default(),
        };
        gossip.set(settings);
        gossip
    }

    /// Goes on with new settings. A node that is connected stays so.
    pub(super) fn apply(&mut self, settings: &Settings, peers: &mut Peers, node: &mut Node<'_>) {
        let before = self.settings.clone();
        if !self.set(settings) {
            return;
        }
        self.want(peers, node);
        match (before.is_some(), self.settings.is_some()) {
            (false, true) => log::info!("gossip: added"),
            (true, false) => log::info!("gossip: removed, no more heartbeats are said"),
            _ => log::info!("gossip: changed"),
        }
    }

    /// Returns true if they changed.
    fn set(&mut self, settings: &Settings) -> bool {
        let wanted = settings.discover.as_ref().and_then(|discover| discover.gossip.clone());
        if self.settings == wanted {
            return false;
        }
        self.settings = wanted;
        (self.said, self.joined, self.unread) = (Told::default(), Told::default(), Unread::default());
        // what others say elsewhere, or with another secret, is another cluster's
        (self.listener, self.is_crowded) = (None, false);
        self.heard.clear();
        (self.say_at, self.join_at) = (Instant::now(), Instant::now());
        true
    }

    /// Takes note of what happened.
    pub(super) fn handle(&mut self, event: &Event) {
        match event {
            Event::Registered { .. } => (self.is_registered, self.say_at) = (true, Instant::now()),
            Event::EpmdLost => self.is_registered = false,
            Event::NodeDown { node, .. } => self.heard.is_down(node),
            _ => {}
        }
    }

    /// Takes note that something came.
    pub(super) fn set_ready(&mut self) {
        self.listener.iter_mut().for_each(|listener| listener.is_ready = true);
    }

    /// Returns when there is something to do.
    pub(super) fn next_wake(&self) -> Option<Instant> {
        let settings = self.settings.as_ref()?;
        if settings.secret.as_ref().is_some_and(Secret::is_awaited) {
            return Some(self.say_at);
        }
        let says = self.is_registered.then_some(self.say_at);
        let join = settings.listen.then_some(self.join_at);
        let read = self.listener.as_ref().and_then(|listener| listener.rests.or(listener.is_ready.then(Instant::now)));
        [says, join, read, self.heard.next_end()].into_iter().flatten().min()
    }

    /// Says a heartbeat, and takes those of others.
    pub(super) fn turn(&mut self, peers: &mut Peers, node: &mut Node<'_>, driver: &Driver) {
        if self.awaits_secret() {
            return;
        }
        let Some(settings) = &self.settings else { return };
        let now = Instant::now();
        if self.is_registered && self.say_at <= now {
            self.say_at = after(SHORTEST.saturating_add(share(MORE, chance())));
            say(settings, &self.own, &mut self.said);
        }
        if settings.listen && self.join_at <= now {
            self.join(driver);
        }
        let new = self.read(peers, driver);
        let is_forgotten = self.heard.forget(now);
        self.is_crowded &= !is_forgotten;
        if is_forgotten || !new.is_empty() {
            for (name, e) in self.want(peers, node).iter().filter(|(name, _)| new.iter().any(|new| new.as_str() == name)) {
                limited!(
                    warn,
                    name,
                    "heartbeats of nodes that cannot be connected to",
                    "{name} says heartbeats, and cannot be connected to: {e}"
                );
            }
        }
    }

    /// Returns true as long as the secret is not there, which is looked for again and again. Without it nothing is said, nor listened for.
    fn awaits_secret(&mut self) -> bool {
        let secret = self.settings.as_mut().and_then(|settings| settings.secret.as_mut());
        let Some(secret) = secret.filter(|secret| secret.is_awaited()) else { return false };
        if self.say_at > Instant::now() {
            return true;
        }
        match Secret::read(secret.path(), false) {
            Ok(found) => {
                log::info!("gossip: the secret in {} is there", found.path().display());
                *secret = found;
                false
            }
            Err(_) => {
                self.say_at = after(RETRY);
                true
            }
        }
    }

    /// Wants all that were heard. Returns what can never be connected to.
    fn want(&self, peers: &mut Peers, node: &mut Node<'_>) -> Vec<(String, beamless::Error)> {
        peers.want(By::Gossip, &self.heard.names(), node)
    }

    /// Joins the group, for the first time or anew. The old socket is kept until the new one is there, so that the network sees nothing of it.
    fn join(&mut self, driver: &Driver) {
        let Some(settings) = &self.settings else { return };
        let opened = socket::listen(settings).and_then(|mut socket| {
            driver.registry().register(&mut socket, HEARTBEATS, Interest::READABLE)?;
            Ok(Listener { socket, is_ready: true, rests: None })
        });
        let to = settings.to;
        let is_news = self.joined.is_news(&opened);
        match opened {
            Ok(listener) => {
                (self.listener, self.join_at) = (Some(listener), after(JOIN));
                if is_news {
                    log::info!("gossip: who says a heartbeat to {} on port {} is connected", to.ip(), to.port());
                }
            }
            Err(e) => {
                self.join_at = after(RETRY);
                if is_news {
                    log::warn!("gossip: cannot listen for heartbeats to {} on port {}, trying again: {e}", to.ip(), to.port());
                }
            }
        }
    }

    /// Reads what came. Returns the nodes that were not heard before.
    fn read(&mut self, peers: &mut Peers, driver: &Driver) -> Vec<NodeName> {
        let mut new = Vec::new();
        let now = Instant::now();
        let mut bytes = [0; heartbeat::LARGEST];
        for _ in 0..MOST {
            let received = match &mut self.listener {
                Some(listener) => listener.receive(&mut bytes, now, driver),
                None => return new,
            };
            match received {
                Ok(Some((len, from))) => new.extend(self.hear(bytes.get_mut(..len).unwrap_or_default(), from, peers)),
                Ok(None) => return new,
                Err(_) => {
                    // it is opened anew
                    (self.listener, self.join_at) = (None, after(RETRY));
                    return new;
                }
            }
        }
        if let Some(listener) = &mut self.listener {
            listener.rest(now, driver);
        }
        new
    }

    /// Takes what somebody sent. Returns the node that says the heartbeat if it is a new one.
    fn hear(&mut self, bytes: &mut [u8], from: IpAddr, peers: &mut Peers) -> Option<NodeName> {
        let settings = self.settings.as_ref()?;
        let Some(name) = heartbeat::read(bytes, settings.secret.as_ref()) else {
            if let Some(before) = self.unread.count(Instant::now()) {
                let hour = if before > 0 { format!("; {before} more within the last hour") } else { String::new() };
                log::warn!("gossip: what came from {from} is no heartbeat, or one with another secret{hour}");
            }
            return None;
        };
        let may = self.allow.is_empty() || self.allow.iter().any(|entry| entry == name.as_str() || entry == name.host());
        if name == self.own || !may {
            return None;
        }
        match self.heard.hear(name.clone(), from, Instant::now()) {
            Says::New => return Some(name),
            Says::Back => peers.is_there(name.as_str()),
            Says::NoPlace if !core::mem::replace(&mut self.is_crowded, true) => {
                limited!(
                    warn,
                    "",
                    "heartbeats that there was no room for",
                    "gossip: {name} at {from} is left alone, so many nodes say heartbeats; write more for `nodes` in [sizes]"
                );
            }
            Says::NoPlace | Says::Alive => {}
        }
        None
    }
}

/// Says the heartbeat of this node, and logs what became of it if that is new.
fn say(settings: &config::Gossip, own: &NodeName, said: &mut Told) {
    let Some(bytes) = heartbeat::written(own, settings.secret.as_ref()) else { return };
    let sent = socket::send(settings, &bytes);
    let is_news = said.is_news(&sent);
    let (address, port) = (settings.to.ip(), settings.to.port());
    match sent {
        Ok(()) if is_news => log::info!("gossip: heartbeats go to {address} on port {port}"),
        Err(e) if is_news => log::warn!("gossip: no heartbeat can be sent to {address} on port {port}, trying again: {e}"),
        _ => {}
    }
}

impl Listener {
    /// Returns the size of the next datagram, and where it came from; nothing if there is none for now.
    fn receive(&mut self, bytes: &mut [u8], now: Instant, driver: &Driver) -> io::Result<Option<(usize, IpAddr)>> {
        if let Some(end) = self.rests {
            if end > now {
                return Ok(None);
            }
            driver.registry().register(&mut self.socket, HEARTBEATS, Interest::READABLE)?;
            (self.rests, self.is_ready) = (None, true);
        }
        while self.is_ready {
            match self.socket.recv_from(bytes) {
                Ok((len, SocketAddr::V4(from))) => return Ok(Some((len, IpAddr::V4(*from.ip())))),
                Err(e) if e.kind() == ErrorKind::WouldBlock => self.is_ready = false,
                Ok(_) => {}
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(None)
    }

    /// Leaves what comes with the system for a moment, so that not every datagram of a flood wakes the agent.
    fn rest(&mut self, now: Instant, driver: &Driver) {
        if driver.registry().deregister(&mut self.socket).is_ok() {
            self.rests = Some(now.checked_add(REST).unwrap_or(now));
        }
    }
}

/// What became of something that is done again and again, as the log has it.
#[derive(Default)]
struct Told(Option<Result<(), ErrorKind>>);

impl Told {
    /// Returns true if it is not what the log has.
    fn is_news<T>(&mut self, outcome: &io::Result<T>) -> bool {
        let outcome = outcome.as_ref().map(drop).map_err(io::Error::kind);
        self.0.replace(outcome) != Some(outcome)
    }
}

/// What came and was no heartbeat. Another cluster may use the same group, so it is said once an hour.
#[derive(Default)]
struct Unread {
    said: Option<Instant>,
    more: u32,
}

impl Unread {
    /// Counts one. Returns how many there were since it was said last, if it is to be said now.
    fn count(&mut self, now: Instant) -> Option<u32> {
        if self.said.is_some_and(|said| now.saturating_duration_since(said) < AGAIN) {
            self.more = self.more.saturating_add(1);
            return None;
        }
        self.said = Some(now);
        Some(core::mem::take(&mut self.more))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_heartbeat_is_said_once_an_hour() {
        let mut unread = Unread::default();
        let now = Instant::now();
        assert_eq!(unread.count(now), Some(0));
        assert_eq!((unread.count(now), unread.count(now + AGAIN / 2)), (None, None));
        assert_eq!(unread.count(now + AGAIN), Some(2));
        assert_eq!(unread.count(now + AGAIN), None);
    }

    #[test]
    fn each_change_is_news() {
        let mut told = Told::default();
        let failed = |kind: ErrorKind| Err::<(), _>(io::Error::from(kind));
        assert!(told.is_news(&Ok(())) && !told.is_news(&Ok(())));
        assert!(told.is_news(&failed(ErrorKind::NetworkUnreachable)) && !told.is_news(&failed(ErrorKind::NetworkUnreachable)));
        assert!(told.is_news(&failed(ErrorKind::NotFound)) && told.is_news(&Ok(())));
    }
}
