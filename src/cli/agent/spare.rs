//! The memory of queues that are mostly short, and at times long.

use std::collections::VecDeque;

/// The bytes that an empty queue keeps for what comes next.
const KEPT: usize = 4096;

/// Gives back what a queue took when it was long, once it is empty: else each would keep for ever what its longest took.
pub(super) fn give_back<T>(queue: &mut VecDeque<T>) {
    if queue.is_empty() {
        queue.shrink_to(KEPT.checked_div(size_of::<T>()).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_queue_keeps_little_and_one_in_use_all() {
        let mut queue: VecDeque<u8> = (0..100_000).map(|_| 7).collect();
        queue.drain(1..);
        give_back(&mut queue);
        assert!(queue.capacity() >= 100_000);
        queue.clear();
        give_back(&mut queue);
        assert_eq!(queue.capacity(), KEPT);
        // what is larger than all that is kept, and what takes nothing
        let mut large = VecDeque::from([[7_u8; 2 * KEPT]]);
        large.clear();
        give_back(&mut large);
        assert_eq!(large.capacity(), 0);
        give_back(&mut VecDeque::<()>::new());
    }
}
