//! A table of fixed places, each with a generation, so that an old handle never reaches a new tenant.

/// A handle on a place, good until its tenant leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) index: u16,
    pub(crate) generation: u16,
}

/// A place.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    generation: u16,
    place: Place<T>,
}

/// As `Option`, but that nothing is a zero, whatever `T` is: a static full of empty places is then zeros, which take no room
/// in a program's file, and none in memory until they are used.
#[derive(Debug)]
#[repr(u8)]
enum Place<T> {
    Free = 0,
    Taken(T) = 1,
}

impl<T> Slot<T> {
    pub(crate) const EMPTY: Self = Self { generation: 0, place: Place::Free };

    #[inline]
    pub(crate) const fn tenant(&self) -> Option<&T> {
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

/// What a table of places can do. The places belong to the caller of the crate, so this is no type of its own.
pub(crate) trait Slots<T> {
    /// Moves `tenant` into a free place; gives it back when there is none.
    fn insert(&mut self, tenant: T) -> Result<Key, T>;
    fn at(&self, key: Key) -> Option<&T>;
    fn at_mut(&mut self, key: Key) -> Option<&mut T>;
    /// Frees the place; its key reaches nothing from now on.
    fn remove(&mut self, key: Key) -> Option<T>;
    fn has_room(&self) -> bool;
    /// The key of the tenant in this place.
    fn key_at(&self, index: u16) -> Option<Key>;
    /// The key of the first tenant that `wanted` says yes to.
    fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<Key>;
    /// Frees every place.
    fn clear(&mut self);
    /// All tenants with their keys.
    fn tenants<'t>(&'t mut self) -> impl Iterator<Item = (Key, &'t mut T)>
    where
        T: 't;
}

impl<T> Slots<T> for [Slot<T>] {
    fn insert(&mut self, tenant: T) -> Result<Key, T> {
        for (index, slot) in self.iter_mut().enumerate() {
            if slot.tenant().is_none()
                && let Ok(index) = u16::try_from(index)
            {
                slot.place = Place::Taken(tenant);
                return Ok(Key { index, generation: slot.generation });
            }
        }
        Err(tenant)
    }

    #[inline]
    fn at(&self, key: Key) -> Option<&T> {
        let slot = self.get(usize::from(key.index))?;
        if slot.generation == key.generation { slot.tenant() } else { None }
    }

    #[inline]
    fn at_mut(&mut self, key: Key) -> Option<&mut T> {
        let slot = self.get_mut(usize::from(key.index))?;
        if slot.generation == key.generation { slot.tenant_mut() } else { None }
    }

    fn remove(&mut self, key: Key) -> Option<T> {
        let slot = self.get_mut(usize::from(key.index))?;
        if slot.generation == key.generation { slot.vacate() } else { None }
    }

    fn has_room(&self) -> bool {
        self.iter().any(|slot| slot.tenant().is_none())
    }

    #[inline]
    fn key_at(&self, index: u16) -> Option<Key> {
        let slot = self.get(usize::from(index)).filter(|slot| slot.tenant().is_some())?;
        Some(Key { index, generation: slot.generation })
    }

    #[inline]
    fn find(&self, wanted: impl Fn(&T) -> bool) -> Option<Key> {
        self.iter().enumerate().find_map(|(index, slot)| {
            if !slot.tenant().is_some_and(&wanted) {
                return None;
            }
            Some(Key { index: u16::try_from(index).ok()?, generation: slot.generation })
        })
    }

    fn clear(&mut self) {
        for slot in self.iter_mut() {
            slot.vacate();
        }
    }

    fn tenants<'t>(&'t mut self) -> impl Iterator<Item = (Key, &'t mut T)>
    where
        T: 't,
    {
        self.iter_mut().enumerate().filter_map(|(index, slot)| {
            let key = Key { index: u16::try_from(index).ok()?, generation: slot.generation };
            Some((key, slot.tenant_mut()?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_key_reaches_nothing() {
        let mut table = [const { Slot::<char>::EMPTY }; 2];
        let a = table.insert('a').unwrap();
        table.insert('b').unwrap();
        assert_eq!(table.insert('c'), Err('c'));
        assert_eq!(table.remove(a), Some('a'));
        let c = table.insert('c').unwrap();
        assert_eq!(table.remove(a), None);
        assert_eq!((table.at(a), table.at(c)), (None, Some(&'c')));
        assert_eq!(table.tenants().map(|(_, t)| *t).collect::<String>(), "cb");
    }
}
