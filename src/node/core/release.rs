//! Letting go of connections that are no more.

use super::state::Core;
use crate::node::tables::links::{Links, Phase};
use crate::node::tables::requests::Asked;
use crate::node::tables::ties::Watch;
use crate::storage::slots::{Key, Table};

impl Core<'_> {
    /// Returns true if something here is tied to processes of the peer.
    pub(crate) fn is_tied(&self, peer: Key) -> bool {
        is_tied(&self.watches, &self.requests, peer)
    }

    /// Frees the place of a connection that is no more, once nobody is to be told of it any more.
    pub(crate) fn release(&mut self, peer: Key) {
        self.links.table.stir(peer.index);
        if self.is_tied(peer) {
            if let Some(link) = self.links.table.at_mut(peer) {
                link.phase = Phase::Gone;
            }
        } else {
            self.links.table.remove(peer);
        }
    }
}

fn is_tied(watches: &Table<'_, Watch>, requests: &Table<'_, Asked>, peer: Key) -> bool {
    watches.find(|watch| watch.peer == peer).is_some() || requests.find(|request| request.peer == peer).is_some()
}

/// Frees the places of connections that are no more, those of which nobody here is to be told any more.
pub(crate) fn free_gone(links: &mut Links<'_>, watches: &Table<'_, Watch>, requests: &Table<'_, Asked>) {
    for index in links.table.indexes() {
        let Some(key) = links.table.key_at(index) else { continue };
        if links.table.at(key).is_some_and(|link| link.phase == Phase::Gone) && !is_tied(watches, requests, key) {
            links.table.remove(key);
        }
    }
}
