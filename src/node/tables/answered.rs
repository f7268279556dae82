//! The challenges that this node answered last.

/// The last challenges that were answered. Whoever asked knows their answers, so this node must not ask for one of them itself.
pub(crate) struct Answered {
    last: [u32; Self::KEPT],
    next: usize,
}

impl Answered {
    const KEPT: usize = 64;
    pub(crate) const NONE: Self = Self { last: [0; Self::KEPT], next: 0 };

    pub(crate) fn add(&mut self, challenge: u32) {
        if let Some(place) = self.last.get_mut(self.next) {
            *place = challenge;
        }
        self.next = self.next.saturating_add(1) % Self::KEPT;
    }

    /// Returns a challenge that is none of them: this one, or one near it.
    pub(crate) fn other_than(&self, mut challenge: u32) -> u32 {
        while self.last.contains(&challenge) {
            challenge = challenge.wrapping_add(1);
        }
        challenge
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_of_the_last_ones() {
        let mut answered = Answered::NONE;
        (1000..1100).for_each(|challenge| answered.add(challenge));
        assert_eq!([999, 1035, 1036, 1099, 1100].map(|c| answered.other_than(c)), [999, 1035, 1100, 1100, 1100]);
        assert_eq!(Answered::NONE.other_than(0), 1);
    }
}
