//! Values by their numbers, in the order of these: some dozens at most, for which a map of the library would take kilobytes of code.

pub(super) struct Numbered<V>(pub(super) Vec<(u64, V)>);

impl<V: Default> Numbered<V> {
    pub(super) fn get(&self, number: u64) -> Option<&V> {
        let place = self.place(number).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, number: u64) -> Option<&mut V> {
        let place = self.place(number).ok()?;
        self.0.get_mut(place).map(|(_, value)| value)
    }

    /// Returns the value of this number, which is made if there is none.
    #[expect(clippy::indexing_slicing, reason = "it is there, or has just been put there")]
    pub(super) fn of(&mut self, number: u64) -> &mut V {
        let place = self.place(number).unwrap_or_else(|place| {
            self.0.insert(place, (number, V::default()));
            place
        });
        &mut self.0[place].1
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    fn place(&self, number: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |(other, _)| *other)
    }
}
