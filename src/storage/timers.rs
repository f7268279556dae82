//! Tenants of a table in the order of their times, as far as anybody has to know it: the earliest is in front, whichever it is, and each
//! comes and goes in as many steps as the number of all has digits (a binary heap).

use super::slots::Table;
use crate::time::Instant;

/// A tenant with a time.
pub(crate) trait Timed {
    /// Returns its time, which stays while it is among the timers.
    fn time(&self) -> Instant;

    /// Returns its place among them, counted from 1; 0 while it is not.
    fn rank(&mut self) -> &mut u16;
}

/// The order, by the tenants' indexes.
pub(crate) struct Timers<'s> {
    order: &'s mut [u16],
    len: &'s mut u16,
}

/// The memory of an order of `N` tenants.
#[derive(Debug)]
pub(crate) struct Order<const N: usize> {
    order: [u16; N],
    len: u16,
}

impl<const N: usize> Order<N> {
    pub(crate) const EMPTY: Self = Self { order: [0; N], len: 0 };

    pub(crate) fn timers(&mut self) -> Timers<'_> {
        Timers { order: &mut self.order, len: &mut self.len }
    }
}

#[cfg(feature = "std")]
impl Timers<'static> {
    /// Makes room for so many, in memory that lasts as long as the process.
    pub(crate) fn leaked(places: u16) -> Self {
        Self { order: Box::leak(vec![0; places.into()].into_boxed_slice()), len: Box::leak(Box::new(0)) }
    }
}

impl Timers<'_> {
    /// Lends the order for a shorter time.
    #[inline]
    pub(crate) fn lend(&mut self) -> Timers<'_> {
        Timers { order: self.order, len: self.len }
    }

    /// Empties the order.
    pub(crate) fn clear(&mut self) {
        *self.len = 0;
    }

    /// Returns the tenant whose time comes first.
    #[inline]
    pub(crate) fn first(&self) -> Option<u16> {
        if *self.len == 0 { None } else { self.order.first().copied() }
    }

    /// Adds a tenant. There is room for each that is in the table.
    pub(crate) fn add<T: Timed>(&mut self, table: &mut Table<'_, T>, index: u16) {
        let at = usize::from(*self.len);
        if at < self.order.len() {
            *self.len = self.len.saturating_add(1);
            self.place(table, at, index);
            self.rise(table, at);
        }
    }

    /// Takes a tenant out; one that is not in the order stays as it is.
    pub(crate) fn remove<T: Timed>(&mut self, table: &mut Table<'_, T>, index: u16) {
        let Some(at) = table.tenant_mut(index).and_then(|tenant| core::mem::take(tenant.rank()).checked_sub(1)) else { return };
        *self.len = self.len.saturating_sub(1);
        let (at, last) = (usize::from(at), usize::from(*self.len));
        if at == last {
            return;
        }
        let Some(moved) = self.order.get(last).copied() else { return };
        self.place(table, at, moved);
        self.sink(table, at);
        self.rise(table, at);
    }

    fn place<T: Timed>(&mut self, table: &mut Table<'_, T>, at: usize, index: u16) {
        if let (Some(place), Some(tenant)) = (self.order.get_mut(at), table.tenant_mut(index)) {
            *place = index;
            *tenant.rank() = u16::try_from(at).unwrap_or(0).saturating_add(1);
        }
    }

    /// Returns the tenant at a place, and its time.
    fn at<T: Timed>(&self, table: &mut Table<'_, T>, at: usize) -> Option<(u16, Instant)> {
        let index = *self.order.get(..usize::from(*self.len))?.get(at)?;
        table.tenant_mut(index).map(|tenant| (index, tenant.time()))
    }

    /// Moves a tenant in front of those that come later.
    fn rise<T: Timed>(&mut self, table: &mut Table<'_, T>, mut at: usize) {
        while let Some(parent) = at.checked_sub(1).map(|at| at / 2) {
            let (Some(own), Some(other)) = (self.at(table, at), self.at(table, parent)) else { return };
            if other.1 <= own.1 {
                return;
            }
            self.place(table, at, other.0);
            self.place(table, parent, own.0);
            at = parent;
        }
    }

    /// Moves a tenant behind those that come earlier.
    fn sink<T: Timed>(&mut self, table: &mut Table<'_, T>, mut at: usize) {
        loop {
            let left = at.saturating_mul(2).saturating_add(1);
            let (Some(own), Some(one)) = (self.at(table, at), self.at(table, left)) else { return };
            let (child, other) = match self.at(table, left.saturating_add(1)) {
                Some(right) if right.1 < one.1 => (left.saturating_add(1), right),
                _ => (left, one),
            };
            if own.1 <= other.1 {
                return;
            }
            self.place(table, at, other.0);
            self.place(table, child, own.0);
            at = child;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::slots::{Key, Tenant};

    struct Limit(u64, u16);

    impl Tenant for Limit {}

    impl Timed for Limit {
        fn time(&self) -> Instant {
            Instant::from_millis(self.0)
        }

        fn rank(&mut self) -> &mut u16 {
            &mut self.1
        }
    }

    #[test]
    fn the_earliest_is_first_whoever_comes_and_goes() {
        let mut table = Table::leaked(60, 0);
        let mut order = Order::<60>::EMPTY;
        let mut timers = order.timers();
        let mut model = Vec::<(Key, u64)>::new();
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for round in 0..20_000 {
            // rounds in which there are more and more, and fewer and fewer
            if random(100) < if round / 500 % 2 == 0 { 70 } else { 30 } {
                if let Ok(key) = table.insert(Limit(random(50).into(), 0)) {
                    timers.add(&mut table, key.index);
                    model.push((key, table.at(key).unwrap().0));
                }
            } else if !model.is_empty() {
                let (key, _) = model.swap_remove(random(60) as usize % model.len());
                timers.remove(&mut table, key.index);
                timers.remove(&mut table, key.index);
                table.remove(key).unwrap();
            }
            let first = timers.first().map(|index| table.tenant_mut(index).unwrap().0);
            assert_eq!(first, model.iter().map(|(_, time)| *time).min());
        }
    }
}
