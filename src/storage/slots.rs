//! A table of fixed places, each with a generation, so that an old handle never reaches a new tenant.

use core::iter::from_fn;

/// A handle on a place, good until its tenant leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) index: u16,
    pub(crate) generation: u16,
}

/// A place.
#[derive(Debug)]
struct Slot<T> {
    generation: u16,
    place: Place<T>,
}

/// An `Option` whose `None` is a zero, whatever `T` is. A static full of empty places is then zeros, which take no room in a program's
/// file, and none in memory until they are used.
#[derive(Debug)]
#[repr(u8)]
enum Place<T> {
    Free = 0,
    Taken(T) = 1,
}

impl<T> Slot<T> {
    const EMPTY: Self = Self { generation: 0, place: Place::Free };

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
}

/// The memory of a table with `N` places.
#[derive(Debug)]
pub(crate) struct Places<T, const N: usize> {
    slots: [Slot<T>; N],
    tenants: usize,
}

impl<T, const N: usize> Places<T, N> {
    pub(crate) const EMPTY: Self = Self { slots: [const { Slot::EMPTY }; N], tenants: 0 };

    /// Returns the table, all of whose places are free then.
    pub(crate) fn table(&mut self) -> Table<'_, T> {
        let mut table = Table { slots: &mut self.slots, tenants: &mut self.tenants };
        table.clear();
        table
    }
}

/// A table of places, whose memory is the caller's. Looking at all tenants ends with the last one, so a large table that is
/// nearly empty costs no more than a small one.
pub(crate) struct Table<'s, T> {
    slots: &'s mut [Slot<T>],
    /// The number of places that are taken.
    tenants: &'s mut usize,
}

#[cfg(feature = "std")]
impl<T> Table<'static, T> {
    /// Makes a table of so many places, in memory that lasts as long as the process.
    pub(crate) fn leaked(places: u16) -> Self {
        let slots: Box<[Slot<T>]> = (0..places).map(|_| Slot::EMPTY).collect();
        Self { slots: Box::leak(slots), tenants: Box::leak(Box::new(0)) }
    }

    /// Returns the bytes that so many places take.
    pub(crate) fn bytes(places: u16) -> usize {
        usize::from(places).saturating_mul(size_of::<Slot<T>>())
    }
}

impl<T> Table<'_, T> {
    /// Lends the table for a shorter time.
    #[inline]
    pub(crate) fn lend(&mut self) -> Table<'_, T> {
        Table { slots: self.slots, tenants: self.tenants }
    }

    /// Returns how many places there are.
    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        *self.tenants == 0
    }

    /// Returns how many places are taken.
    pub(crate) fn taken(&self) -> usize {
        *self.tenants
    }

    /// Returns how many places are free.
    pub(crate) fn room(&self) -> usize {
        self.slots.len().saturating_sub(*self.tenants)
    }

    pub(crate) fn has_room(&self) -> bool {
        *self.tenants < self.slots.len()
    }

    /// Moves `tenant` into a free place; gives it back when there is none.
    pub(crate) fn insert(&mut self, tenant: T) -> Result<Key, T> {
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.tenant().is_some() {
                continue;
            }
            let Ok(index) = u16::try_from(index) else { break };
            slot.place = Place::Taken(tenant);
            *self.tenants = self.tenants.saturating_add(1);
            return Ok(Key { index, generation: slot.generation });
        }
        Err(tenant)
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
    pub(crate) fn tenant_mut(&mut self, index: u16) -> Option<&mut T> {
        self.slots.get_mut(usize::from(index))?.tenant_mut()
    }

    /// Frees the place; its key reaches nothing from now on.
    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.slots.get_mut(usize::from(key.index))?;
        let tenant = if slot.generation == key.generation { slot.vacate() } else { None };
        *self.tenants = self.tenants.saturating_sub(tenant.is_some().into());
        tenant
    }

    /// Frees every place.
    pub(crate) fn clear(&mut self) {
        // memory that was never used is not touched, so the system need not back it
        if !self.is_empty() {
            self.slots.iter_mut().for_each(|slot| drop(slot.vacate()));
        }
        *self.tenants = 0;
    }

    /// Returns the key of the tenant in this place.
    #[inline]
    pub(crate) fn key_at(&self, index: u16) -> Option<Key> {
        let slot = self.slots.get(usize::from(index)).filter(|slot| slot.tenant().is_some())?;
        Some(Key { index, generation: slot.generation })
    }

    /// Returns the keys of all places, taken or not.
    pub(crate) fn indexes(&self) -> core::ops::Range<u16> {
        0..u16::try_from(self.slots.len()).unwrap_or(u16::MAX)
    }

    /// Finds the key of the first tenant that `wanted` says yes to.
    #[inline]
    pub(crate) fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<Key> {
        self.tenants().find_map(|(key, tenant)| wanted(tenant).then_some(key))
    }

    /// Returns all tenants with their keys.
    #[inline]
    pub(crate) fn tenants(&self) -> impl Iterator<Item = (Key, &T)> {
        // not of iter's adapters, each of which a program has once for every use
        let (mut slots, mut index, mut left) = (self.slots.iter(), 0_u16, *self.tenants);
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
        let (mut slots, mut index, mut left) = (self.slots.iter_mut(), 0_u16, *self.tenants);
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
}

/// The tenants of a table beside one that is borrowed.
pub(crate) struct Others<'t, T> {
    before: &'t [Slot<T>],
    behind: &'t [Slot<T>],
}

impl<T> Table<'_, T> {
    /// Returns one tenant to be changed, and all others to be looked at meanwhile.
    #[inline]
    pub(crate) fn apart(&mut self, key: Key) -> Option<(&mut T, Others<'_, T>)> {
        let (before, rest) = self.slots.split_at_mut_checked(key.index.into())?;
        let (slot, behind) = rest.split_first_mut()?;
        let same = slot.generation == key.generation;
        let tenant = slot.tenant_mut().filter(|_| same)?;
        Some((tenant, Others { before, behind }))
    }

    /// Returns all tenants, to be looked at.
    pub(crate) fn all(&self) -> Others<'_, T> {
        Others { before: self.slots, behind: &[] }
    }
}

impl<'t, T> Others<'t, T> {
    /// Finds the tenant with this key, if it is one of these.
    pub(crate) fn at(&self, key: Key) -> Option<&'t T> {
        let index = usize::from(key.index);
        let slot = match self.before.get(index) {
            Some(slot) => slot,
            // one is left out between them
            None => self.behind.get(index.checked_sub(self.before.len())?.checked_sub(1)?)?,
        };
        if slot.generation == key.generation { slot.tenant() } else { None }
    }

    /// Returns the same tenants, for another borrower.
    pub(crate) fn again(&self) -> Self {
        Self { before: self.before, behind: self.behind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_reaches_nothing() {
        let mut places = Places::<char, 2>::EMPTY;
        let mut table = places.table();
        let a = table.insert('a').unwrap();
        table.insert('b').unwrap();
        assert_eq!(table.insert('c'), Err('c'));
        assert_eq!(table.remove(a), Some('a'));
        let c = table.insert('c').unwrap();
        assert_eq!(table.remove(a), None);
        assert_eq!((table.at(a), table.at(c)), (None, Some(&'c')));
        assert_eq!(table.tenants().map(|(_, t)| *t).collect::<String>(), "cb");
    }

    #[test]
    fn the_others_are_all_but_one() {
        let mut places = Places::<usize, 4>::EMPTY;
        let mut table = places.table();
        let keys = [0, 1, 2].map(|tenant| table.insert(tenant).unwrap());
        for (i, key) in keys.into_iter().enumerate() {
            let (one, others) = table.apart(key).unwrap();
            *one += 10;
            for (j, other) in keys.into_iter().enumerate() {
                assert_eq!(others.at(other).copied(), if i == j { None } else { Some(if j < i { j + 10 } else { j }) });
            }
            assert!(others.at(Key { index: 3, generation: 0 }).is_none() && others.at(Key { index: 9, generation: 0 }).is_none());
        }
        assert_eq!(keys.map(|key| table.all().at(key).copied()), [Some(10), Some(11), Some(12)]);
        let old = keys[0];
        table.remove(old);
        assert!(table.apart(old).is_none() && table.all().at(old).is_none());
    }
}
