//! Places in a line, first come first served, each once at a time.

/// A line of places. Coming and going cost the same however many stand in it.
pub(super) struct Line {
    /// For each place those before and behind it. What leads to a place is its number and one more: 0 leads nowhere.
    links: Vec<[usize; 2]>,
    first: usize,
    last: usize,
}

/// Returns what leads to a place.
const fn link(place: usize) -> usize {
    place.saturating_add(1)
}

impl Line {
    /// Makes an empty line for so many places. The memory of those that never stand in it is never touched.
    pub(super) fn new(places: usize) -> Self {
        Self { links: vec![[0; 2]; places], first: 0, last: 0 }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first == 0
    }

    #[inline]
    pub(super) fn first(&self) -> Option<usize> {
        self.first.checked_sub(1)
    }

    /// Returns the place behind this one.
    pub(super) fn next(&self, place: usize) -> Option<usize> {
        let [_, after] = self.links.get(place)?;
        after.checked_sub(1)
    }

    fn link_mut(&mut self, link: usize) -> Option<&mut [usize; 2]> {
        self.links.get_mut(link.checked_sub(1)?)
    }

    /// Puts a place behind all others, unless it stands there.
    #[inline]
    pub(super) fn push(&mut self, place: usize) {
        let last = self.last;
        let Some([before, _]) = self.links.get_mut(place) else { return };
        if *before != 0 || self.first == link(place) {
            return;
        }
        *before = last;
        self.last = link(place);
        match self.link_mut(last) {
            Some([_, after]) => *after = link(place),
            None => self.first = link(place),
        }
    }

    /// Takes a place out, if it stands there.
    pub(super) fn remove(&mut self, place: usize) {
        let first = self.first;
        let Some(own) = self.links.get_mut(place) else { return };
        let [before, after] = *own;
        if before == 0 && first != link(place) {
            return;
        }
        *own = [0; 2];
        match self.link_mut(before) {
            Some([_, behind]) => *behind = after,
            None => self.first = after,
        }
        match self.link_mut(after) {
            Some([ahead, _]) => *ahead = before,
            None => self.last = before,
        }
    }

    /// Takes out the first.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<usize> {
        let first = self.first()?;
        self.remove(first);
        Some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_behaves_as_a_list_of_the_library() {
        let (mut line, mut model) = (Line::new(8), std::collections::VecDeque::new());
        let mut seed = 7_u32;
        let mut random = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 8) % below
        };
        for _ in 0..20_000 {
            let place = random(9) as usize;
            match random(5) {
                0 | 1 => {
                    line.push(place);
                    if place < 8 && !model.contains(&place) {
                        model.push_back(place);
                    }
                }
                2 | 3 => {
                    line.remove(place);
                    model.retain(|other| *other != place);
                }
                _ => assert_eq!(line.pop(), model.pop_front()),
            }
            assert_eq!((line.is_empty(), line.first()), (model.is_empty(), model.front().copied()));
            let all: Vec<usize> = core::iter::successors(line.first(), |place| line.next(*place)).collect();
            assert_eq!(all, Vec::from(model.clone()));
        }
    }
}
