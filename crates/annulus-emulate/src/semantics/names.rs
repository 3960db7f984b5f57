//! [`Names`]: which places have requests of a name, however many there are.
//!
//! A table of chains, whose links lie by place: an entry that is taken costs no search and, once
//! there were as many, no memory.

/// No place.
const NONE: u32 = u32::MAX;

/// What is beside a place in its chain.
#[derive(Clone, Copy, Debug)]
struct Link {
    name: u64,
    before: u32,
    behind: u32,
}

/// See above.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// The first place of each chain: as many as a power of two, and no fewer than places.
    first: Vec<u32>,
    links: Vec<Link>,
}

impl Names {
    fn chain(&self, name: u64) -> usize {
        // Names that are alike in their low bits, as addresses are, lie apart.
        let mixed = name.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        mixed as usize & (self.first.len() - 1)
    }

    /// Makes room for the name of the place behind the last.
    pub(super) fn grow(&mut self) {
        // All of them have names: there are more when none is vacant.
        let named = self.links.len();
        self.links.push(Link { name: 0, before: NONE, behind: NONE });
        if self.links.len() <= self.first.len() {
            return;
        }
        self.first = vec![NONE; self.links.len().next_power_of_two()];
        for place in 0..named {
            self.insert(place as u32, self.links[place].name);
        }
    }

    /// Names a place that has no name.
    pub(super) fn insert(&mut self, place: u32, name: u64) {
        let chain = self.chain(name);
        let behind = core::mem::replace(&mut self.first[chain], place);
        if let Some(link) = self.links.get_mut(behind as usize) {
            link.before = place;
        }
        self.links[place as usize] = Link { name, before: NONE, behind };
    }

    /// Takes a place's name away.
    pub(super) fn remove(&mut self, place: u32) {
        let Link { name, before, behind } = self.links[place as usize];
        match self.links.get_mut(before as usize) {
            Some(link) => link.behind = behind,
            None => {
                let chain = self.chain(name);
                self.first[chain] = behind;
            }
        }
        if let Some(link) = self.links.get_mut(behind as usize) {
            link.before = before;
        }
    }

    /// The places of a name, the last that got it first.
    pub(super) fn places(&self, name: u64) -> impl Iterator<Item = u32> {
        let first = if self.first.is_empty() { NONE } else { self.first[self.chain(name)] };
        let there = |place: &u32| *place != NONE;
        let chain = core::iter::successors(Some(first).filter(there), move |place| {
            Some(self.links[*place as usize].behind).filter(there)
        });
        chain.filter(move |place| self.links[*place as usize].name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_their_names_alone() {
        let mut names = Names::default();
        assert_eq!(names.places(0).count(), 0);
        // Many of one name, and each of another.
        for n in 0..1000_u64 {
            names.grow();
            names.insert(n as u32, if n % 2 == 0 { 7 } else { n << 32 });
        }
        assert_eq!(names.places(7).count(), 500);
        assert_eq!(names.places(501 << 32).collect::<Vec<_>>(), [501]);
        (0..1000).step_by(4).for_each(|place| names.remove(place));
        names.remove(501);
        assert_eq!((names.places(7).count(), names.places(501 << 32).count()), (250, 0));
        names.insert(501, 7);
        names.insert(0, 9);
        assert_eq!(names.places(7).next(), Some(501));
        assert_eq!(names.places(9).collect::<Vec<_>>(), [0]);
        assert_eq!(names.places(7).count(), 251);
    }
}
