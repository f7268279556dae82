//! The nodes whose heartbeats were heard: so many and no more, since anybody who reaches the box can say one with any name.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use beamless::{NodeName, may_take};

/// The silence after which a node is not wanted any more. Every node says a heartbeat within five seconds, and some get lost.
const SILENCE: Duration = Duration::from_secs(30);
/// The silence after which it may have been started anew, with another cookie.
const ABSENCE: Duration = Duration::from_secs(10);

/// A node that says heartbeats.
struct HeardNode {
    name: NodeName,
    /// The host that said its first one.
    from: IpAddr,
    last: Instant,
    /// Its connection is down, and it was not heard since.
    is_down: bool,
}

/// The nodes that were heard.
pub(super) struct Heard {
    nodes: Vec<HeardNode>,
    places: usize,
}

/// What a heartbeat says of its node.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says {
    /// It was not heard before, or long ago.
    New,
    /// It is still there.
    Alive,
    /// It is there again, after a silence or though its connection has gone down.
    Back,
    /// It is not taken: other nodes have the places, or too many of them are this host's.
    NoPlace,
}

impl Heard {
    pub(super) fn new(places: usize) -> Self {
        Self { nodes: Vec::new(), places }
    }

    /// Takes note of a heartbeat that came from this host.
    pub(super) fn hear(&mut self, name: NodeName, from: IpAddr, now: Instant) -> Says {
        if let Some(known) = self.nodes.iter_mut().find(|known| known.name == name) {
            let silence = now.saturating_duration_since(core::mem::replace(&mut known.last, now));
            let is_back = core::mem::take(&mut known.is_down) || silence >= ABSENCE;
            return if is_back { Says::Back } else { Says::Alive };
        }
        let held = self.nodes.iter().filter(|known| known.from == from).count();
        if !may_take(held, 1, self.places.saturating_sub(self.nodes.len())) {
            return Says::NoPlace;
        }
        self.nodes.push(HeardNode { name, from, last: now, is_down: false });
        Says::New
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.nodes.clear();
    }

    /// Takes note that a connection is down.
    pub(super) fn is_down(&mut self, name: &NodeName) {
        self.nodes.iter_mut().filter(|known| known.name == *name).for_each(|known| known.is_down = true);
    }

    /// Forgets those that are silent. Returns true if there was one.
    pub(super) fn forget(&mut self, now: Instant) -> bool {
        let before = self.nodes.len();
        self.nodes.retain(|known| now.saturating_duration_since(known.last) < SILENCE);
        self.nodes.len() < before
    }

    /// Returns when the next one has been silent for too long.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.nodes.iter().map(|known| known.last.checked_add(SILENCE).unwrap_or(known.last)).min()
    }

    /// Returns their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.nodes.iter().map(|known| known.name.as_str().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn host(number: u8) -> IpAddr {
        [10, 0, 0, number].into()
    }

    #[test]
    fn who_is_silent_is_forgotten() {
        let mut heard = Heard::new(8);
        let start = Instant::now();
        assert_eq!(heard.next_end(), None);
        assert_eq!(heard.hear(name("a@h"), host(1), start), Says::New);
        let later = start + Duration::from_secs(20);
        assert_eq!(heard.hear(name("b@h"), host(1), later), Says::New);
        assert_eq!(heard.next_end(), Some(start + SILENCE));
        assert!(!heard.forget(later));
        assert_eq!(heard.hear(name("a@h"), host(1), later), Says::Back);
        assert_eq!(heard.hear(name("a@h"), host(1), later), Says::Alive);
        assert!(!heard.forget(start + SILENCE) && heard.forget(later + SILENCE) && heard.names().is_empty());
        assert_eq!(heard.hear(name("a@h"), host(1), later + SILENCE), Says::New);
    }

    #[test]
    fn who_went_down_is_back_with_one_heartbeat() {
        let mut heard = Heard::new(8);
        let now = Instant::now();
        heard.hear(name("a@h"), host(1), now);
        heard.hear(name("b@h"), host(1), now);
        heard.is_down(&name("a@h"));
        heard.is_down(&name("c@h"));
        assert_eq!(heard.hear(name("b@h"), host(1), now), Says::Alive);
        assert_eq!(heard.hear(name("a@h"), host(1), now), Says::Back);
        assert_eq!(heard.hear(name("a@h"), host(1), now), Says::Alive);
    }

    /// One host with any number of names has three quarters of the places, and those that others are to have are there.
    #[test]
    fn nobody_takes_all_places() {
        let mut heard = Heard::new(32);
        let now = Instant::now();
        let crowd = |heard: &mut Heard, by| {
            let names = (0..1000).map(|number| name(&format!("n{number}@h{by}")));
            names.filter(|node| heard.hear(node.clone(), host(by), now) == Says::New).count()
        };
        assert_eq!(crowd(&mut heard, 1), 24);
        assert_eq!(heard.hear(name("hub@h"), host(2), now), Says::New);
        assert_eq!(heard.hear(name("more@h1"), host(1), now), Says::NoPlace);
        assert_eq!(heard.names().len(), 25);
        assert!(crowd(&mut heard, 3) > 0);
        assert_eq!(heard.hear(name("hub@h"), host(2), now), Says::Alive);
    }
}
