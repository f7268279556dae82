//! A list of names, one behind another in one piece of memory.

/// The place where the names lie: on the heap, or without one in fixed memory.
#[cfg(feature = "std")]
type Bytes = Vec<u8>;
#[cfg(not(feature = "std"))]
type Bytes = heapless::Vec<u8, { Names::BYTES }>;

/// A list of names, each of up to 65,535 bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Bytes);

impl Names {
    /// The bytes that there are for the names without a heap. Each takes two more than it has.
    #[cfg(not(feature = "std"))]
    pub(crate) const BYTES: usize = 512;

    /// Adds a name; `None` if there is no room for it.
    pub(crate) fn add(&mut self, name: &str) -> Option<()> {
        let len = u16::try_from(name.len()).ok()?.to_le_bytes();
        #[cfg(not(feature = "std"))]
        if self.0.capacity().saturating_sub(self.0.len()) < name.len().saturating_add(len.len()) {
            return None;
        }
        for part in [len.as_slice(), name.as_bytes()] {
            #[cfg(feature = "std")]
            self.0.extend_from_slice(part);
            #[cfg(not(feature = "std"))]
            self.0.extend_from_slice(part).ok()?;
        }
        Some(())
    }

    /// Returns the names in the order in which they were added.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let mut rest = &self.0[..];
        core::iter::from_fn(move || {
            let (len, behind) = rest.split_first_chunk::<2>()?;
            let (name, others) = behind.split_at_checked(u16::from_le_bytes(*len).into())?;
            rest = others;
            core::str::from_utf8(name).ok()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_come_back_as_they_were_added() {
        let mut names = Names::default();
        assert_eq!(names.iter().next(), None);
        for name in ["hub@nuc3", "", "d\u{e9}j\u{e0}:vu/0"] {
            names.add(name).unwrap();
        }
        assert!(names.iter().eq(["hub@nuc3", "", "d\u{e9}j\u{e0}:vu/0"]));
        assert!(names.add(&"a".repeat(65_536)).is_none());
        assert_eq!(names.iter().count(), 3);
    }
}
