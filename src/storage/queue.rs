//! First come, first served, through the tenants of a table: a queue that takes no memory but theirs, whose every step costs the same
//! however many there are.

use super::slots::Table;

/// No place.
const NONE: u16 = u16::MAX;

/// A tenant's place in the queues that it may be in, one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    before: u16,
    after: u16,
    queue: Option<u8>,
}

impl Turn {
    /// A place in no queue.
    pub(crate) const NONE: Self = Self { before: NONE, after: NONE, queue: None };
}

/// A tenant that stands in queues.
pub(crate) trait Queued {
    /// Returns the tenant's place in its queue.
    fn turn(&mut self) -> &mut Turn;
}

/// A queue of tenants, each by the index of its place. A tenant leaves it before its place is freed.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The number of this queue among the table's queues.
    number: u8,
    first: u16,
    last: u16,
    len: u16,
}

impl Queue {
    pub(crate) const fn new(number: u8) -> Self {
        Self { number, first: NONE, last: NONE, len: 0 }
    }

    /// Returns how many stand in it.
    #[inline]
    pub(crate) fn len(&self) -> u16 {
        self.len
    }

    /// Returns the first.
    #[inline]
    pub(crate) fn first(&self) -> Option<u16> {
        if self.is_empty() { None } else { Some(self.first) }
    }

    /// Returns the one behind this, which stands in this queue.
    pub(crate) fn next<T: Queued>(&self, table: &mut Table<'_, T>, index: u16) -> Option<u16> {
        let after = table.tenant_mut(index)?.turn().after;
        if after == NONE { None } else { Some(after) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Returns true if the tenant stands in this queue.
    #[inline]
    pub(crate) fn has(&self, turn: Turn) -> bool {
        turn.queue == Some(self.number)
    }

    /// Puts a tenant that stands in no queue behind all others.
    pub(crate) fn push<T: Queued>(&mut self, table: &mut Table<'_, T>, index: u16) {
        let before = self.last;
        let Some(tenant) = table.tenant_mut(index) else { return };
        *tenant.turn() = Turn { before, after: NONE, queue: Some(self.number) };
        match table.tenant_mut(before) {
            Some(last) => last.turn().after = index,
            None => self.first = index,
        }
        self.last = index;
        self.len = self.len.saturating_add(1);
    }

    /// Takes a tenant out of this queue; one that is not in it stays as it is.
    pub(crate) fn remove<T: Queued>(&mut self, table: &mut Table<'_, T>, index: u16) {
        let Some(tenant) = table.tenant_mut(index) else { return };
        if !self.has(*tenant.turn()) {
            return;
        }
        let Turn { before, after, .. } = core::mem::replace(tenant.turn(), Turn::NONE);
        self.len = self.len.saturating_sub(1);
        match table.tenant_mut(before) {
            Some(tenant) => tenant.turn().after = after,
            None => self.first = after,
        }
        match table.tenant_mut(after) {
            Some(tenant) => tenant.turn().before = before,
            None => self.last = before,
        }
    }

    /// Takes out the first.
    pub(crate) fn pop<T: Queued>(&mut self, table: &mut Table<'_, T>) -> Option<u16> {
        let first = self.first;
        if first == NONE {
            return None;
        }
        self.remove(table, first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::slots::{Places, Tenant};
    use std::collections::VecDeque;

    struct Waiting(Turn);

    impl Tenant for Waiting {}

    impl Queued for Waiting {
        fn turn(&mut self) -> &mut Turn {
            &mut self.0
        }
    }

    #[test]
    fn two_queues_behave_as_two_of_the_library() {
        let mut places = Places::<Waiting, 20, 0>::EMPTY;
        let mut table = places.lend();
        (0..20).for_each(|_| drop(table.insert(Waiting(Turn::NONE))));
        let mut queues = [Queue::new(0), Queue::new(1)];
        let mut models = [VecDeque::new(), VecDeque::new()];
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for _ in 0..20_000 {
            let (which, index) = (random(2) as usize, random(20) as u16);
            match random(3) {
                0 if models.iter().all(|model| !model.contains(&index)) => {
                    queues[which].push(&mut table, index);
                    models[which].push_back(index);
                }
                1 => {
                    queues[which].remove(&mut table, index);
                    models[which].retain(|other| *other != index);
                }
                _ => assert_eq!(queues[which].pop(&mut table), models[which].pop_front()),
            }
            for (queue, model) in queues.iter().zip(&models) {
                assert_eq!((usize::from(queue.len()), queue.is_empty()), (model.len(), model.is_empty()));
                assert_eq!(queue.has(*table.tenant_mut(index).unwrap().turn()), model.contains(&index));
                let mut at = queue.first();
                for expected in model {
                    assert_eq!(at, Some(*expected));
                    at = queue.next(&mut table, *expected);
                }
                assert_eq!(at, None);
            }
        }
    }
}
