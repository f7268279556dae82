//! An input as a row of choices.

/// The bytes of an input that are still to come. At their end every choice is the first one.
pub(super) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Returns one of so many numbers.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        usize::from(self.byte()) % limit
    }

    /// Returns bytes, with their number in front; not more than there are.
    pub(super) fn bytes(&mut self) -> &'a [u8] {
        let len = match self.byte() {
            short @ ..192 => usize::from(short),
            long => usize::from(long - 192) << 8 | usize::from(self.byte()),
        };
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}
