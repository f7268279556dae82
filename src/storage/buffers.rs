//! Buffers of one size, one after another in one piece of memory.

/// A buffer for each place of a table. All have the same size.
pub(crate) struct Buffers<'s> {
    memory: &'s mut [u8],
    size: usize,
}

impl<'s> Buffers<'s> {
    pub(crate) fn new(memory: &'s mut [u8], size: usize) -> Self {
        Self { memory, size }
    }

    /// Lends the buffers for a shorter time.
    #[inline]
    pub(crate) fn lend(&mut self) -> Buffers<'_> {
        Buffers { memory: self.memory, size: self.size }
    }

    /// Returns the size of each buffer.
    #[inline]
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns the buffer of one place; empty for a place that there is not.
    #[inline]
    pub(crate) fn at(&self, index: u16) -> &[u8] {
        let at = usize::from(index).saturating_mul(self.size);
        self.memory.get(at..at.saturating_add(self.size)).unwrap_or(&[])
    }

    /// Returns the buffer of one place, to write to.
    #[inline]
    pub(crate) fn at_mut(&mut self, index: u16) -> &mut [u8] {
        let at = usize::from(index).saturating_mul(self.size);
        self.memory.get_mut(at..at.saturating_add(self.size)).unwrap_or(&mut [])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_its_own() {
        let mut memory = [0; 12];
        let mut buffers = Buffers::new(&mut memory, 4);
        for index in 0..3 {
            buffers.at_mut(index).fill(u8::try_from(index).unwrap() + 1);
        }
        assert_eq!((buffers.at(0), buffers.at(2)), (&[1; 4][..], &[3; 4][..]));
        assert!(buffers.at(3).is_empty() && buffers.lend().at_mut(u16::MAX).is_empty());
        assert_eq!(memory, [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    }
}
