//! Tenants of a table that belong to the same, one leading to the next: all that belong to something are found by its hash, and each comes
//! and goes at a cost that does not grow with how many there are.

use super::hash::bucket;
use super::slots::Table;

/// A tenant's place in its chain. What leads to another is its index and one more: 0 leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Chain {
    before: u16,
    after: u16,
}

/// A tenant that belongs to something.
pub(crate) trait Chained {
    /// Returns the hash of what it belongs to.
    fn owner(&self) -> u32;

    /// Returns its place in the chain.
    fn chain(&mut self) -> &mut Chain;
}

/// The first tenant of each chain. Those whose owners share a bucket stand in one.
pub(crate) struct Chains<'s> {
    first: &'s mut [u16],
}

#[cfg(feature = "std")]
impl Chains<'static> {
    /// Makes chains for so many tenants, in memory that lasts as long as the process.
    pub(crate) fn leaked(places: u16) -> Self {
        Self { first: Box::leak(vec![0; places.into()].into_boxed_slice()) }
    }
}

impl<'s> Chains<'s> {
    pub(crate) fn new(first: &'s mut [u16]) -> Self {
        Self { first }
    }

    /// Lends the chains for a shorter time.
    #[inline]
    pub(crate) fn lend(&mut self) -> Chains<'_> {
        Chains { first: self.first }
    }

    /// Lets all owners' hashes lead to one chain, while there is none.
    #[cfg(debug_assertions)]
    pub(crate) fn collide(&mut self) {
        self.first = core::mem::take(&mut self.first).get_mut(..1).unwrap_or(&mut []);
    }

    /// Empties all chains.
    pub(crate) fn clear(&mut self) {
        self.first.fill(0);
    }

    /// Puts a tenant in front of the others that belong to the same.
    pub(crate) fn add<T: Chained>(&mut self, table: &mut Table<'_, T>, index: u16) {
        let Some(tenant) = table.tenant_mut(index) else { return };
        let Some(first) = self.first.get_mut(bucket(self.first.len(), tenant.owner())) else { return };
        let after = core::mem::replace(first, index.saturating_add(1));
        *tenant.chain() = Chain { before: 0, after };
        if let Some(next) = after.checked_sub(1).and_then(|next| table.tenant_mut(next)) {
            next.chain().before = index.saturating_add(1);
        }
    }

    /// Takes a tenant out, which belongs to what it did when it was put in.
    pub(crate) fn remove<T: Chained>(&mut self, table: &mut Table<'_, T>, index: u16) {
        let Some(tenant) = table.tenant_mut(index) else { return };
        let owner = tenant.owner();
        let Chain { before, after } = core::mem::take(tenant.chain());
        match before.checked_sub(1) {
            Some(before) => {
                if let Some(tenant) = table.tenant_mut(before) {
                    tenant.chain().after = after;
                }
            }
            None => {
                if let Some(first) = self.first.get_mut(bucket(self.first.len(), owner)) {
                    *first = after;
                }
            }
        }
        if let Some(tenant) = after.checked_sub(1).and_then(|after| table.tenant_mut(after)) {
            tenant.chain().before = before;
        }
    }

    /// Returns the first of the tenants in the chain of an owner with this hash: its own, and perhaps others'.
    #[inline]
    pub(crate) fn first(&self, owner: u32) -> Option<u16> {
        self.first.get(bucket(self.first.len(), owner))?.checked_sub(1)
    }

    /// Returns the one behind this in its chain.
    #[inline]
    pub(crate) fn next<T: Chained>(&self, table: &mut Table<'_, T>, index: u16) -> Option<u16> {
        table.tenant_mut(index)?.chain().after.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::slots::{Key, Tenant};

    struct Owned(u32, Chain);

    impl Tenant for Owned {}

    impl Chained for Owned {
        fn owner(&self) -> u32 {
            self.0 << 29
        }

        fn chain(&mut self) -> &mut Chain {
            &mut self.1
        }
    }

    #[test]
    fn those_of_each_owner_are_found_newest_first() {
        for buckets in [1, 40] {
            let mut table = Table::leaked(40, 0);
            let mut first = vec![0; buckets];
            let mut chains = Chains::new(&mut first);
            let mut model = Vec::<(Key, u32)>::new();
            let mut seed = 7_u32;
            let mut random = |below: u32| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) % below
            };
            for _ in 0..20_000 {
                let owner = random(8);
                match (random(2), model.len()) {
                    (0, 1..) => {
                        let (key, _) = model.remove(random(40) as usize % model.len());
                        chains.remove(&mut table, key.index);
                        assert!(table.remove(key).is_some());
                    }
                    _ => {
                        if let Ok(key) = table.insert(Owned(owner, Chain::default())) {
                            chains.add(&mut table, key.index);
                            model.insert(0, (key, owner));
                        }
                    }
                }
                let mut found = Vec::new();
                let mut at = chains.first(owner << 29);
                while let Some(index) = at {
                    at = chains.next(&mut table, index);
                    if table.tenant_mut(index).unwrap().0 == owner {
                        found.push(table.key_at(index).unwrap());
                    }
                }
                let all: Vec<_> = model.iter().filter(|(_, other)| *other == owner).map(|(key, _)| *key).collect();
                assert_eq!(found, all);
            }
        }
    }
}
