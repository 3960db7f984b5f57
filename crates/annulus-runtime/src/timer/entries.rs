//! The timers themselves, in one growing array: links are indices, and an index that is used again
//! has another generation.

use crate::executor::LocalWaker;

/// No timer, where the index of one is expected.
pub(super) const NONE: u32 = u32::MAX;

/// A timer, by its index and how often that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    index: u32,
    generation: u32,
}

impl Key {
    #[inline(always)]
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

/// Where a timer is: in a slot of a level, or in neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) level: u8,
    pub(super) slot: u8,
}

impl Place {
    /// In the list of those whose time is not known yet.
    pub(super) const FRESH: Self = Self { level: u8::MAX - 1, slot: 0 };
    /// Nowhere: it has fired.
    pub(super) const FIRED: Self = Self { level: u8::MAX, slot: 0 };
}

/// A timer, or a place for one.
pub(super) struct Entry {
    /// The tick at which it fires; of a fresh one how many nanoseconds from now.
    pub(super) when: u64,
    /// Who is woken, if somebody waits.
    pub(super) waker: Option<LocalWaker>,
    pub(super) prev: u32,
    /// The next of its list; of a free one the next that is free.
    pub(super) next: u32,
    generation: u32,
    pub(super) place: Place,
}

/// See above.
pub(super) struct Entries {
    entries: Vec<Entry>,
    /// The first that is free.
    free: u32,
}

impl Default for Entries {
    fn default() -> Self {
        Self { entries: Vec::new(), free: NONE }
    }
}

impl Entries {
    /// A new timer, in no list yet.
    #[inline]
    pub(super) fn insert(&mut self, when: u64) -> Key {
        if self.free == NONE {
            return self.grow(when);
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        entry.when = when;
        Key { index, generation: entry.generation }
    }

    #[cold]
    fn grow(&mut self, when: u64) -> Key {
        let index = u32::try_from(self.entries.len()).ok().filter(|index| *index != NONE);
        let index = index.expect("2³² timers wait on one thread: bound them");
        let place = Place::FIRED;
        self.entries.push(Entry {
            when,
            waker: None,
            prev: NONE,
            next: NONE,
            generation: 0,
            place,
        });
        Key { index, generation: 0 }
    }

    /// The timer `key`, if it was not removed.
    #[inline]
    pub(super) fn get(&mut self, key: Key) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(key.index as usize)?;
        (entry.generation == key.generation).then_some(entry)
    }

    /// The timer at an index that a link gave.
    #[inline(always)]
    pub(super) fn at(&mut self, index: u32) -> &mut Entry {
        &mut self.entries[index as usize]
    }

    /// Gives the place of a timer to others, which is in no slot. Its waker, if it has not fired.
    #[inline]
    pub(super) fn remove(&mut self, index: u32) -> Option<LocalWaker> {
        let free = core::mem::replace(&mut self.free, index);
        let entry = self.at(index);
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = free;
        entry.waker.take()
    }
}
