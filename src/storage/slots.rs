//! A table of fixed places, each with a generation, so that an old handle never reaches a new tenant. Nothing but looking at all tenants
//! costs more the more of them there are: free places stand in a list, tenants that are looked for by a name are found by its hash, and
//! those that something is to be done for stand in a queue.

use core::iter::from_fn;

use super::hash::bucket;

/// A handle on a place, good until its tenant leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) index: u16,
    pub(crate) generation: u16,
}

/// A tenant that is found by what it is called.
pub(crate) trait Tenant {
    /// Returns the hash of what it is looked for by; `None` for one that is not looked for.
    fn hash(&self) -> Option<u32> {
        None
    }
}

/// A place. What leads to another is its index and one more: 0 leads nowhere.
#[derive(Debug)]
struct Slot<T> {
    generation: u16,
    /// The next free place; of a tenant, the next with a hash of the same bucket.
    next: u16,
    /// The next of those that are stirred, or [`LAST`].
    after: u16,
    place: Place<T>,
}

/// Behind the last of those that are stirred. There are fewer places.
const LAST: u16 = u16::MAX;

/// An `Option` whose `None` is a zero, whatever `T` is. A static full of empty places is then zeros, which take no room in a program's
/// file, and none in memory until they are used.
#[derive(Debug)]
#[repr(u8)]
enum Place<T> {
    Free = 0,
    Taken(T) = 1,
}

impl<T> Slot<T> {
    const EMPTY: Self = Self { generation: 0, next: 0, after: 0, place: Place::Free };

    #[inline]
    const fn tenant(&self) -> Option<&T> {
        if let Place::Taken(tenant) = &self.place { Some(tenant) } else { None }
    }

    #[inline]
    const fn tenant_mut(&mut self) -> Option<&mut T> {
        if let Place::Taken(tenant) = &mut self.place { Some(tenant) } else { None }
    }

    /// Frees the place for another generation.
    fn vacate(&mut self) -> Option<T> {
        match core::mem::replace(&mut self.place, Place::Free) {
            Place::Free => None,
            Place::Taken(tenant) => {
                self.generation = self.generation.wrapping_add(1);
                Some(tenant)
            }
        }
    }

    /// Does the same without giving the tenant back. Returns true if there was one.
    fn empty(&mut self) -> bool {
        let is_taken = self.tenant().is_some();
        self.place = Place::Free;
        self.generation = self.generation.wrapping_add(is_taken.into());
        is_taken
    }
}

/// What a table remembers besides its places.
#[derive(Debug)]
struct Ends {
    /// The number of places that are taken.
    tenants: u16,
    /// The first place that was never taken, and all behind it.
    unused: u16,
    /// The first of those that are free again.
    free: u16,
    /// The first and the last of those that are stirred.
    first: u16,
    last: u16,
}

impl Ends {
    const NONE: Self = Self { tenants: 0, unused: 0, free: 0, first: 0, last: 0 };
}

/// The memory of a table with `N` places, and `B` buckets of hashes, as many as places or none.
#[derive(Debug)]
pub(crate) struct Places<T, const N: usize, const B: usize> {
    slots: [Slot<T>; N],
    buckets: [u16; B],
    ends: Ends,
}

impl<T: Tenant, const N: usize, const B: usize> Places<T, N, B> {
    pub(crate) const EMPTY: Self = Self { slots: [const { Slot::EMPTY }; N], buckets: [0; B], ends: Ends::NONE };

    /// Lends the table as it is.
    pub(crate) fn lend(&mut self) -> Table<'_, T> {
        Table { slots: &mut self.slots, buckets: &mut self.buckets, ends: &mut self.ends }
    }
}

/// A table of places, whose memory is the caller's.
pub(crate) struct Table<'s, T> {
    slots: &'s mut [Slot<T>],
    /// The first tenant of each bucket.
    buckets: &'s mut [u16],
    ends: &'s mut Ends,
}

#[cfg(feature = "std")]
impl<T> Table<'static, T> {
    /// Makes a table of so many places, in memory that lasts as long as the process.
    pub(crate) fn leaked(places: u16, buckets: u16) -> Self {
        let slots: Box<[Slot<T>]> = (0..places).map(|_| Slot::EMPTY).collect();
        let buckets = vec![0; buckets.into()].into_boxed_slice();
        Self { slots: Box::leak(slots), buckets: Box::leak(buckets), ends: Box::leak(Box::new(Ends::NONE)) }
    }

    /// Returns the bytes that so many places and buckets take.
    pub(crate) fn bytes(places: u16, buckets: u16) -> usize {
        usize::from(places)
            .saturating_mul(size_of::<Slot<T>>())
            .saturating_add(usize::from(buckets).saturating_mul(size_of::<u16>()))
    }
}

/// Returns what leads to the place with this index.
const fn link(index: u16) -> u16 {
    index.saturating_add(1)
}

impl<T> Table<'_, T> {
    /// Lends the table for a shorter time.
    #[inline]
    pub(crate) fn lend(&mut self) -> Table<'_, T> {
        Table { slots: self.slots, buckets: self.buckets, ends: self.ends }
    }

    /// Lets all hashes lead to one bucket, in a table that is empty.
    #[cfg(debug_assertions)]
    pub(crate) fn collide(&mut self) {
        self.buckets = core::mem::take(&mut self.buckets).get_mut(..1).unwrap_or(&mut []);
    }

    /// Returns how many places there are.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.ends.tenants == 0
    }

    /// Returns how many places are taken.
    #[inline]
    pub(crate) fn taken(&self) -> usize {
        self.ends.tenants.into()
    }

    /// Returns how many places are free.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.slots.len().saturating_sub(self.taken())
    }

    pub(crate) fn has_room(&self) -> bool {
        self.room() > 0
    }

    #[inline]
    fn slot(&self, link: u16) -> Option<&Slot<T>> {
        self.slots.get(usize::from(link.checked_sub(1)?))
    }

    #[inline]
    fn slot_mut(&mut self, link: u16) -> Option<&mut Slot<T>> {
        self.slots.get_mut(usize::from(link.checked_sub(1)?))
    }

    #[inline]
    pub(crate) fn at(&self, key: Key) -> Option<&T> {
        let slot = self.slots.get(usize::from(key.index))?;
        if slot.generation == key.generation { slot.tenant() } else { None }
    }

    #[inline]
    pub(crate) fn at_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.slots.get_mut(usize::from(key.index))?;
        if slot.generation == key.generation { slot.tenant_mut() } else { None }
    }

    /// Returns the tenant of this place.
    #[inline]
    pub(crate) fn tenant(&self, index: u16) -> Option<&T> {
        self.slots.get(usize::from(index))?.tenant()
    }

    /// Returns the tenant of this place, to be changed.
    #[inline]
    pub(crate) fn tenant_mut(&mut self, index: u16) -> Option<&mut T> {
        self.slots.get_mut(usize::from(index))?.tenant_mut()
    }

    /// Returns the key of the tenant in this place.
    #[inline]
    pub(crate) fn key_at(&self, index: u16) -> Option<Key> {
        let slot = self.slots.get(usize::from(index)).filter(|slot| slot.tenant().is_some())?;
        Some(Key { index, generation: slot.generation })
    }

    /// Returns the indexes of all places that a tenant may be in.
    pub(crate) fn indexes(&self) -> core::ops::Range<u16> {
        0..self.ends.unused
    }

    /// Returns the first tenant from this place on that `wanted` says yes to, looking at all.
    pub(crate) fn next_from(&self, index: u16, wanted: impl Fn(&T) -> bool) -> Option<Key> {
        (index..self.ends.unused).find_map(|index| {
            let slot = self.slots.get(usize::from(index))?;
            slot.tenant().filter(|tenant| wanted(tenant)).map(|_| Key { index, generation: slot.generation })
        })
    }

    /// Returns all tenants with their keys. It ends with the last one, so a large table that is nearly empty costs no more than a small one.
    #[inline]
    pub(crate) fn tenants(&self) -> impl Iterator<Item = (Key, &T)> {
        // not of iter's adapters, each of which a program has once for every use
        let (mut slots, mut index, mut left) = (self.slots.iter(), 0_u16, self.ends.tenants);
        from_fn(move || {
            while left > 0 {
                let slot = slots.next()?;
                let key = Key { index, generation: slot.generation };
                index = index.wrapping_add(1);
                if let Some(tenant) = slot.tenant() {
                    left = left.wrapping_sub(1);
                    return Some((key, tenant));
                }
            }
            None
        })
    }

    /// Returns all tenants, to be changed.
    pub(crate) fn tenants_mut(&mut self) -> impl Iterator<Item = (Key, &mut T)> {
        let (mut slots, mut index, mut left) = (self.slots.iter_mut(), 0_u16, self.ends.tenants);
        from_fn(move || {
            while left > 0 {
                let slot = slots.next()?;
                let key = Key { index, generation: slot.generation };
                index = index.wrapping_add(1);
                if let Some(tenant) = slot.tenant_mut() {
                    left = left.wrapping_sub(1);
                    return Some((key, tenant));
                }
            }
            None
        })
    }

    /// Notes that something is to be done for this place, or for what was in it. Each is noted once until it is asked for.
    #[inline]
    pub(crate) fn stir(&mut self, index: u16) {
        if self.slots.get(usize::from(index)).is_some_and(|slot| slot.after == 0) {
            self.enqueue(index);
        }
    }

    /// Returns the tenant to be changed, for which something is to be done then.
    #[inline]
    pub(crate) fn stirred(&mut self, key: Key) -> Option<&mut T> {
        let at = usize::from(key.index);
        if self.slots.get(at)?.after == 0 {
            self.enqueue(key.index);
        }
        self.at_mut(key)
    }

    fn enqueue(&mut self, index: u16) {
        let last = core::mem::replace(&mut self.ends.last, link(index));
        match self.slot_mut(last) {
            Some(before) => before.after = link(index),
            None => self.ends.first = link(index),
        }
        if let Some(slot) = self.slots.get_mut(usize::from(index)) {
            slot.after = LAST;
        }
    }

    /// Returns the next of those that something is to be done for, first come first served: by the key that its tenant has, or had.
    pub(crate) fn next_stirred(&mut self) -> Option<Key> {
        let index = self.ends.first.checked_sub(1)?;
        let slot = self.slots.get_mut(usize::from(index))?;
        let after = core::mem::take(&mut slot.after);
        let generation = if slot.tenant().is_some() { slot.generation } else { slot.generation.wrapping_sub(1) };
        self.ends.first = if after == LAST { 0 } else { after };
        if after == LAST {
            self.ends.last = 0;
        }
        Some(Key { index, generation })
    }
}

impl<T: Tenant> Table<'_, T> {
    /// Moves `tenant` into a free place; gives it back when there is none.
    pub(crate) fn insert(&mut self, tenant: T) -> Result<Key, T> {
        let index = match self.ends.free.checked_sub(1) {
            Some(index) => index,
            None if usize::from(self.ends.unused) < self.slots.len() => self.ends.unused,
            None => return Err(tenant),
        };
        let hash = tenant.hash();
        let Some(slot) = self.slots.get_mut(usize::from(index)) else { return Err(tenant) };
        if self.ends.free > 0 {
            self.ends.free = slot.next;
        } else {
            self.ends.unused = index.saturating_add(1);
        }
        (slot.next, slot.place) = (0, Place::Taken(tenant));
        let key = Key { index, generation: slot.generation };
        self.ends.tenants = self.ends.tenants.saturating_add(1);
        let buckets = self.buckets.len();
        if let Some(first) = hash.and_then(|hash| self.buckets.get_mut(bucket(buckets, hash))) {
            slot.next = core::mem::replace(first, link(index));
        }
        Ok(key)
    }

    /// Frees the place; its key reaches nothing from now on.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.leave(key)?.vacate()
    }

    /// Does what [`Table::remove`] does, where nobody wants the tenant: it is not moved. Returns true if there was one.
    pub(crate) fn free(&mut self, key: Key) -> bool {
        self.leave(key).is_some_and(Slot::empty)
    }

    /// Takes a tenant out of its bucket, puts its place among the free ones, and returns that, which is to be emptied.
    fn leave(&mut self, key: Key) -> Option<&mut Slot<T>> {
        self.at(key)?;
        self.forget(key.index);
        self.ends.tenants = self.ends.tenants.saturating_sub(1);
        let next = core::mem::replace(&mut self.ends.free, link(key.index));
        let slot = self.slots.get_mut(usize::from(key.index))?;
        slot.next = next;
        Some(slot)
    }

    /// Finds the first of the tenants with this hash that `wanted` says yes to.
    #[inline]
    pub(crate) fn find_hashed(&self, hash: u32, wanted: impl Fn(&T) -> bool) -> Option<Key> {
        let mut at = *self.buckets.get(bucket(self.buckets.len(), hash))?;
        while let Some(slot) = self.slot(at) {
            if slot.tenant().is_some_and(&wanted) {
                return Some(Key { index: at.wrapping_sub(1), generation: slot.generation });
            }
            at = slot.next;
        }
        None
    }

    /// Lets the tenant of this place not be found by its hash any more. What the hash is made of must still be as it was.
    pub(crate) fn forget(&mut self, index: u16) {
        let Some(slot) = self.slots.get_mut(usize::from(index)) else { return };
        let Some(hash) = slot.tenant().and_then(Tenant::hash) else { return };
        let (next, buckets) = (slot.next, self.buckets.len());
        let Some(first) = self.buckets.get_mut(bucket(buckets, hash)) else { return };
        let mut at = *first;
        if at == link(index) {
            *first = next;
            return;
        }
        while let Some(slot) = self.slot_mut(at) {
            if slot.next == link(index) {
                slot.next = next;
                return;
            }
            at = slot.next;
        }
    }

    /// Frees every place.
    pub(crate) fn clear(&mut self) {
        // memory that was never used is not touched, so the system need not back it
        for slot in self.slots.iter_mut().take(self.ends.unused.into()) {
            slot.empty();
            (slot.next, slot.after) = (0, 0);
        }
        if self.ends.unused > 0 {
            self.buckets.fill(0);
        }
        *self.ends = Ends::NONE;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Tenant for char {}

    #[test]
    fn an_old_key_reaches_nothing() {
        let mut places = Places::<char, 2, 0>::EMPTY;
        let mut table = places.lend();
        let a = table.insert('a').unwrap();
        table.insert('b').unwrap();
        assert_eq!(table.insert('c'), Err('c'));
        assert_eq!(table.remove(a), Some('a'));
        let c = table.insert('c').unwrap();
        assert_eq!(table.remove(a), None);
        assert_eq!((table.at(a), table.at(c)), (None, Some(&'c')));
        assert_eq!(table.tenants().map(|(_, t)| *t).collect::<String>(), "cb");
    }

    /// A tenant with a name, of which few bits count.
    #[derive(Debug, Clone, PartialEq)]
    struct Named(u32, bool);

    impl Tenant for Named {
        fn hash(&self) -> Option<u32> {
            self.1.then_some(self.0 << 29)
        }
    }

    #[test]
    fn names_free_places_and_what_is_stirred_behave_as_lists_of_the_library() {
        for buckets in [0, 1, 50] {
            let mut table = Table::leaked(50, buckets);
            let (mut tenants, mut stirred) = (Vec::<(Key, Named)>::new(), std::collections::VecDeque::new());
            let mut seed = 7_u32;
            let mut random = |below: u32| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 8) % below
            };
            for number in 0..20_000 {
                let which = tenants.get(random(50) as usize).cloned();
                match (random(6), which) {
                    (0 | 1, _) => match table.insert(Named(number, true)) {
                        Ok(key) => tenants.push((key, Named(number, true))),
                        Err(_) => assert_eq!((tenants.len(), table.has_room()), (50, false)),
                    },
                    (2, Some((key, tenant))) => {
                        if number % 2 == 0 {
                            assert_eq!(table.remove(key), Some(tenant));
                        } else {
                            assert!(table.free(key));
                        }
                        assert!(table.remove(key).is_none() && !table.free(key));
                        tenants.retain(|(other, _)| *other != key);
                    }
                    (3, Some((key, _))) => {
                        table.stir(key.index);
                        if !stirred.contains(&key.index) {
                            stirred.push_back(key.index);
                        }
                    }
                    (4, Some((key, tenant))) => {
                        table.forget(key.index);
                        table.at_mut(key).unwrap().1 = false;
                        tenants.iter_mut().filter(|(other, _)| *other == key).for_each(|(_, tenant)| tenant.1 = false);
                        assert_eq!(table.find_hashed(tenant.0 << 29, |other| other.0 == tenant.0), None);
                    }
                    (5, _) => {
                        let next = table.next_stirred();
                        assert_eq!(next.map(|key| key.index), stirred.pop_front());
                        let its = next.and_then(|key| tenants.iter().find(|(other, _)| other.index == key.index));
                        assert!(its.is_none_or(|(key, _)| Some(*key) == next));
                    }
                    _ => {}
                }
                assert_eq!(table.taken(), tenants.len());
                for (key, tenant) in tenants.iter().filter(|_| buckets > 0) {
                    let found = table.find_hashed(tenant.0 << 29, |other| other.0 == tenant.0);
                    assert_eq!(found, tenant.1.then_some(*key));
                }
            }
            table.clear();
            assert!(table.is_empty() && table.next_stirred().is_none() && table.insert(Named(0, true)).is_ok());
        }
    }
}
