//! Shares: what one peer may have of what all peers use.
//!
//! There is one rule: a peer holds at most [`TIMES`] as much as is left, and one that holds nothing may take what there is. So one peer alone
//! has three quarters; two have three sevenths each; and however much some hold, there is room for others, who have ever more of it as places
//! are given back. It takes what the peer holds and what is left, and neither has to be looked for.

use super::links::Links;
use crate::storage::slots::Key;

/// The most that one peer may hold, as a multiple of what is left then.
const TIMES: usize = 3;

/// Returns true if somebody who holds `held` of something that many share may take `more` of the `free` that are left: then three times as much
/// as is left at most. Who holds nothing may take what there is. A node shares its own memory out by it ([`NodeStorage`](crate::NodeStorage)); a program
/// may do so with what it has.
///
/// ```
/// use beamless::may_take;
///
/// // of a hundred places, seventy-five are for one who is alone, and then there is room for others
/// assert!(may_take(74, 1, 26) && !may_take(75, 1, 25) && may_take(0, 1, 25));
/// ```
#[inline]
#[must_use]
pub const fn may_take(held: usize, more: usize, free: usize) -> bool {
    match free.checked_sub(more) {
        Some(_) if held == 0 => true,
        Some(left) => held.saturating_add(more) <= left.saturating_mul(TIMES),
        None => false,
    }
}

/// Returns true if it is news that a peer was refused a link or a monitor: not until half of what it held then is given back.
pub(crate) fn is_news(links: &mut Links<'_>, peer: Key) -> bool {
    links.table.at_mut(peer).is_some_and(|link| link.told.replace(link.watches).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets peers take places one by one, in turn, and returns what each has when nobody may take more.
    fn taken<const PEERS: usize>(places: usize, mut held: [usize; PEERS], takers: usize) -> [usize; PEERS] {
        loop {
            let before = held;
            for peer in PEERS - takers..PEERS {
                let free = places - held.iter().sum::<usize>();
                held[peer] += usize::from(may_take(held[peer], 1, free));
            }
            if held == before {
                return held;
            }
        }
    }

    #[test]
    fn one_alone_has_three_quarters_and_others_find_room() {
        assert_eq!(taken(512, [0], 1), [384]);
        assert_eq!(taken(512, [0, 0], 2), [219, 219]);
        assert_eq!(taken(512, [384, 0], 1), [384, 96]);
        assert_eq!(taken(512, [384, 96, 0, 0], 2), [384, 96, 14, 13]);
        assert_eq!(taken(4, [0, 0], 1), [0, 3]);
        assert_eq!(taken(1, [0, 0], 2), [1, 0]);
        assert!(!may_take(0, 1, 0) && may_take(0, 2, 2) && !may_take(1, 1, 1));
    }
}
