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

/// In which slot of which level a timer is.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) level: u8,
    pub(super) slot: u8,
}

/// A timer, or a place for one.
pub(super) struct Entry {
    pub(super) tick: u64,
    /// Who is woken; none when it has fired.
    pub(super) waker: Option<LocalWaker>,
    pub(super) prev: u32,
    /// The next of its slot; of a free one the next that is free.
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
    /// A new timer, in no slot yet.
    #[inline]
    pub(super) fn insert(&mut self, tick: u64, waker: LocalWaker) -> Key {
        if self.free == NONE {
            return self.grow(tick, waker);
        }
        let index = self.free;
        let entry = &mut self.entries[index as usize];
        self.free = entry.next;
        entry.tick = tick;
        entry.waker = Some(waker);
        Key { index, generation: entry.generation }
    }

    #[cold]
    fn grow(&mut self, tick: u64, waker: LocalWaker) -> Key {
        let index = u32::try_from(self.entries.len()).ok().filter(|index| *index != NONE);
        let index = index.expect("2³² timers wait on one thread: bound them");
        let (waker, place) = (Some(waker), Place::default());
        self.entries.push(Entry { tick, waker, prev: NONE, next: NONE, generation: 0, place });
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
    pub(super) fn remove(&mut self, key: Key) -> Option<LocalWaker> {
        let free = self.free;
        let entry = self.get(key)?;
        entry.generation = entry.generation.wrapping_add(1);
        entry.next = free;
        let waker = entry.waker.take();
        self.free = key.index;
        waker
    }
}
