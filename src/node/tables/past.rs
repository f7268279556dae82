//! The nodes that went down, where that is remembered: [`AutoConnect::Once`](crate::AutoConnect::Once).

use crate::wire::ids::NodeName;

/// The last 64 nodes that went down.
pub(crate) struct Past(heapless::Deque<u32, 64>);

impl Past {
    pub(crate) const NONE: Self = Self(heapless::Deque::new());

    /// Returns true if the node went down, as far as is known.
    pub(crate) fn has(&self, name: &NodeName) -> bool {
        self.holds(hash(name))
    }

    fn holds(&self, hash: u32) -> bool {
        self.0.iter().any(|kept| *kept == hash)
    }

    /// Remembers that the node went down; the oldest is forgotten for it.
    pub(crate) fn add(&mut self, name: &NodeName) {
        let hash = hash(name);
        if !self.holds(hash) {
            if self.0.is_full() {
                self.0.pop_front();
            }
            // there is room now
            let _ = self.0.push_back(hash);
        }
    }
}

/// Returns a number that stands for a node's name, so that many are remembered in little memory (FNV-1a).
fn hash(name: &NodeName) -> u32 {
    name.as_str().bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
