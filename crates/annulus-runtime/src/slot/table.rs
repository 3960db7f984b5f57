//! [`Slots`]: a table of slots that grows in chunks and never moves one, with a free list that any
//! thread takes from and gives to.
//!
//! ```text
//! chunk 6: slots 64‥127 │ chunk 7: 128‥255 │ chunk 8: 256‥511 │ …       up to chunk 25
//!
//! take:  (first, tag) = free;  next = slot[first].next;  free: (first, tag) → (next, tag + 1)
//! give:  slot.next = first;                               free: (first, tag) → (slot, tag + 1)
//! ```
//!
//! The highest bit of a slot's number says in which chunk it is, and the others where: so the first
//! chunk's number is the logarithm of its length, and 0 is no slot.
//!
//! The tag makes a take fail that looked at `next` before others took and gave the same slot back:
//! without it the list would lose or double slots. It wraps after 2³² changes; who sleeps through
//! exactly that many between its load and its exchange would be fooled, which nobody does.

use core::ops::Range;

use super::{NONE, Slot};
use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering};

/// The first chunk: few slots where a model checker watches each.
const FIRST: u32 = if cfg!(any(loom, miri)) { 1 } else { 6 };
/// The chunk that the table never has.
const END: u32 = 26;

/// See above.
pub(crate) struct Slots {
    /// One for each bit of a number, so that every number has one; those before [`FIRST`] and from
    /// [`END`] on are never there.
    chunks: [AtomicPtr<Slot>; u32::BITS as usize],
    /// The number of the first free slot, and the tag below it.
    free: AtomicU64,
    /// The chunk that is added next: whoever adds it holds this.
    next: Mutex<u32>,
}

/// The slots of a chunk, by their numbers.
fn numbers(chunk: u32) -> Range<u32> {
    1 << chunk..2 << chunk
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self {
            chunks: core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())),
            free: AtomicU64::new(0),
            next: Mutex::new(FIRST),
        }
    }

    /// The slot `index`, if the table has it.
    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Option<&Slot> {
        // Of the numbers 0 alone has no highest bit: with the lowest set it has, and no other's
        // changes.
        let chunk = (index | 1).ilog2();
        // Acquire: pairs with the release in `grow`: the slots are made before they are seen.
        let first = self.chunks[chunk as usize].load(Ordering::Acquire);
        if first.is_null() {
            return None;
        }
        // SAFETY: without its highest bit the number is less than the chunk's length.
        let slot = unsafe { first.add((index ^ 1 << chunk) as usize) };
        // SAFETY: chunks live as long as the table, and slots are shared by reference only.
        Some(unsafe { &*slot })
    }

    /// All slots that there are.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Slot> {
        let next = *self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (FIRST..next).flat_map(numbers).filter_map(|index| self.get(index))
    }

    /// Takes a free slot, which is the caller's alone then.
    #[inline]
    pub(crate) fn take(&self) -> &Slot {
        loop {
            // Acquire: pairs with the release of the exchange in `link`: the slot is renewed.
            let mut free = self.free.load(Ordering::Acquire);
            while let Some(slot) = self.get(first(free)) {
                // Relaxed: pairs with the store in `give`, ordered by the acquire above; a stale
                // value fails the exchange by its tag.
                let next = slot.free_next.load(Ordering::Relaxed);
                // Acquire: as above, for the next turn and for who got the slot.
                let (success, failure) = (Ordering::Acquire, Ordering::Acquire);
                match self.free.compare_exchange_weak(free, after(free, next), success, failure) {
                    Ok(_) => return slot,
                    Err(now) => free = now,
                }
            }
            self.grow();
        }
    }

    /// Gives a slot back.
    ///
    /// # Safety
    /// - The slot is of this table, empty, and the caller's alone, who does not touch it again.
    #[inline]
    pub(crate) unsafe fn give(&self, slot: &Slot) {
        // SAFETY: the caller's promise.
        unsafe { slot.renew() };
        self.link(slot, slot);
    }

    /// Puts a chain of free slots in front of the list.
    fn link(&self, first: &Slot, last: &Slot) {
        // Relaxed: pairs with nothing: a guess for the exchange.
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            // Relaxed: pairs with the load in `take`, ordered by the release below.
            last.free_next.store(self::first(free), Ordering::Relaxed);
            // Release: pairs with the acquire in `take`.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            let next = after(free, first.index());
            match self.free.compare_exchange_weak(free, next, success, failure) {
                Ok(_) => return,
                Err(now) => free = now,
            }
        }
    }

    /// Adds a chunk, unless another thread did meanwhile.
    #[cold]
    fn grow(&self) {
        let mut chunk = self.next.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Relaxed: pairs with nothing; chunks are only added under the lock.
        if first(self.free.load(Ordering::Relaxed)) != NONE {
            return;
        }
        assert!(*chunk < END, "2²⁶ operations wait in one engine: bound them");
        let slots: Box<[Slot]> = numbers(*chunk).map(Slot::new).collect();
        for pair in slots.windows(2) {
            // Relaxed: pairs with the load in `take`, ordered by the release of `link`.
            pair[0].free_next.store(pair[1].index(), Ordering::Relaxed);
        }
        // From here on the slots are reached by this pointer alone.
        let slots = Box::into_raw(slots).cast::<Slot>();
        // Release: pairs with the acquire in `get`.
        self.chunks[*chunk as usize].store(slots, Ordering::Release);
        let Range { start, end } = numbers(*chunk);
        *chunk += 1;
        if let (Some(first), Some(last)) = (self.get(start), self.get(end - 1)) {
            self.link(first, last);
        }
    }
}

/// The number of the first free slot, by the free list's word.
#[inline(always)]
fn first(free: u64) -> u32 {
    (free >> u32::BITS) as u32
}

/// The free list's word after a change: `first` is its first slot.
#[inline(always)]
fn after(free: u64, first: u32) -> u64 {
    #[cfg(not(seeded_bug = "free_list_untagged"))]
    let tag = (free as u32).wrapping_add(1);
    #[cfg(seeded_bug = "free_list_untagged")]
    // The models must find this one: a stale `next` passes for the list's.
    let tag = free as u32;
    u64::from(first) << u32::BITS | u64::from(tag)
}

impl Drop for Slots {
    fn drop(&mut self) {
        for (chunk, first) in (0..).zip(&self.chunks) {
            // Relaxed: pairs with nothing: the table is this thread's alone.
            let first = first.load(Ordering::Relaxed);
            if !first.is_null() {
                let slots = core::ptr::slice_from_raw_parts_mut(first, numbers(chunk).len());
                // SAFETY: the chunk was leaked in `grow` with this length, and nobody has the table
                // any more. Operations that still lie in slots are not dropped: who forgot their
                // futures keeps the table alive, so there are none.
                drop(unsafe { Box::from_raw(slots) });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_match() {
        let slots = Slots::new();
        let count = numbers(FIRST).len() + numbers(FIRST + 1).len();
        let taken: Vec<u32> = (0..count).map(|_| slots.take().index()).collect();
        let all = 1 << FIRST..4 << FIRST;
        assert!(all.clone().eq(taken), "chunk after chunk, each from its first on");
        for index in all.clone() {
            assert_eq!(slots.get(index).map(Slot::index), Some(index));
        }
        for index in [NONE, 1, all.start - 1, all.end, 1 << 27, u32::MAX] {
            assert!(slots.get(index).is_none(), "{index} is no slot's number");
        }
    }

    /// How often a thread takes a slot: less often where each step is checked.
    const ROUNDS: u32 = if cfg!(miri) { 50 } else { 20_000 };

    #[test]
    fn slots_stay_in_place_are_used_again_and_change_their_name() {
        let slots = Slots::new();
        let count = if cfg!(miri) { 100 } else { 1000 };
        let taken: Vec<&Slot> = (0..count).map(|_| slots.take()).collect();
        for slot in &taken {
            let found = slots.get(slot.index()).expect("it is in the table");
            assert!(core::ptr::eq(found, *slot));
        }
        let mut numbers: Vec<u32> = taken.iter().map(|slot| slot.index()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count, "a slot was given to two");
        let names: Vec<u64> = taken.iter().map(|slot| slot.user_data()).collect();
        for slot in taken {
            // SAFETY: the slot is empty, and this test's alone.
            unsafe { slots.give(slot) };
        }
        let again = slots.take();
        assert!(!names.contains(&again.user_data()), "a name was used twice");
    }

    #[test]
    fn threads_never_share_a_slot() {
        let slots = Slots::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..ROUNDS {
                        let slot = slots.take();
                        slot.tries.set(n as u8);
                        std::hint::black_box(slot);
                        assert_eq!(slot.tries.get(), n as u8, "two threads have one slot");
                        // SAFETY: the slot is empty, and this thread's alone.
                        unsafe { slots.give(slot) };
                    }
                });
            }
        });
    }
}
