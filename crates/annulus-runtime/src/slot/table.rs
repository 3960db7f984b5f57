//! [`Slots`]: a table of slots that grows in chunks and never moves one, with a free list that any
//! thread takes from and gives to.
//!
//! ```text
//! chunk 0: 64 slots │ chunk 1: 128 │ chunk 2: 256 │ … each twice the one before, up to 2²⁶ slots
//!
//! take:  (tag, first) = free;  next = slot[first].next;  free: (tag, first) → (tag + 1, next)
//! give:  slot.next = first;                               free: (tag, first) → (tag + 1, slot)
//! ```
//!
//! The tag makes a take fail that looked at `next` before others took and gave the same slot back:
//! without it the list would lose or double slots. It wraps after 2³² changes; who sleeps through
//! exactly that many between its load and its exchange would be fooled, which nobody does.

use super::{NONE, Slot};
use crate::sync::{AtomicPtr, AtomicU64, Mutex, Ordering};

/// The slots of the first chunk, as a power of two: few where a model checker watches each.
const FIRST_LOG2: u32 = if cfg!(any(loom, miri)) { 1 } else { 6 };
/// How many chunks there may be.
const CHUNKS: usize = 20;

/// See above.
pub(crate) struct Slots {
    chunks: [AtomicPtr<Slot>; CHUNKS],
    /// The number of the first free slot, and the tag above it.
    free: AtomicU64,
    /// How many chunks there are: whoever adds one holds it.
    grown: Mutex<usize>,
}

/// How many slots a chunk has.
fn chunk_len(chunk: usize) -> usize {
    1 << (FIRST_LOG2 as usize + chunk)
}

/// In which chunk the slot `index` is, and where in it.
#[inline(always)]
fn locate(index: u32) -> (usize, usize) {
    let n = index + (1 << FIRST_LOG2);
    let log2 = u32::BITS - 1 - n.leading_zeros();
    ((log2 - FIRST_LOG2) as usize, (n - (1 << log2)) as usize)
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self {
            chunks: core::array::from_fn(|_| AtomicPtr::new(core::ptr::null_mut())),
            free: AtomicU64::new(u64::from(NONE)),
            grown: Mutex::new(0),
        }
    }

    /// The slot `index`, if the table has it.
    #[inline(always)]
    pub(crate) fn get(&self, index: u32) -> Option<&Slot> {
        if index as usize >= chunk_len(CHUNKS) - chunk_len(0) {
            return None;
        }
        let (chunk, at) = locate(index);
        // Acquire: pairs with the release in `grow`: the slots are made before they are seen.
        let first = self.chunks[chunk].load(Ordering::Acquire);
        if first.is_null() {
            return None;
        }
        // SAFETY: `locate` stays inside the chunk.
        let slot = unsafe { first.add(at) };
        // SAFETY: chunks live as long as the table, and slots are shared by reference only.
        Some(unsafe { &*slot })
    }

    /// Takes a free slot, which is the caller's alone then.
    #[inline]
    pub(crate) fn take(&self) -> &Slot {
        loop {
            // Acquire: pairs with the release of the exchange in `link`: the slot is renewed.
            let mut free = self.free.load(Ordering::Acquire);
            while let Some(slot) = self.get(free as u32) {
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
            last.free_next.store(free as u32, Ordering::Relaxed);
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
        let mut grown = self.grown.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Relaxed: pairs with nothing; chunks are only added under the lock.
        if self.free.load(Ordering::Relaxed) as u32 != NONE {
            return;
        }
        assert!(*grown < CHUNKS, "2²⁶ operations wait in one engine: bound them");
        let begin = chunk_len(*grown) - chunk_len(0);
        let chunk: Box<[Slot]> =
            (begin..begin + chunk_len(*grown)).map(|index| Slot::new(index as u32)).collect();
        for pair in chunk.windows(2) {
            // Relaxed: pairs with the load in `take`, ordered by the release of `link`.
            pair[0].free_next.store(pair[1].index(), Ordering::Relaxed);
        }
        // From here on the slots are reached by this pointer alone.
        let slots = Box::into_raw(chunk).cast::<Slot>();
        // Release: pairs with the acquire in `get`.
        self.chunks[*grown].store(slots, Ordering::Release);
        let end = begin + chunk_len(*grown) - 1;
        *grown += 1;
        if let (Some(first), Some(last)) = (self.get(begin as u32), self.get(end as u32)) {
            self.link(first, last);
        }
    }
}

/// The free list's word after a change: `first` is its first slot.
#[inline(always)]
fn after(free: u64, first: u32) -> u64 {
    #[cfg(not(seeded_bug = "free_list_untagged"))]
    let tag = (free >> 32).wrapping_add(1);
    #[cfg(seeded_bug = "free_list_untagged")]
    // The models must find this one: a stale `next` passes for the list's.
    let tag = free & 0;
    tag << 32 | u64::from(first)
}

impl Drop for Slots {
    fn drop(&mut self) {
        for (chunk, first) in self.chunks.iter().enumerate() {
            // Relaxed: pairs with nothing: the table is this thread's alone.
            let first = first.load(Ordering::Relaxed);
            if !first.is_null() {
                let slots = core::ptr::slice_from_raw_parts_mut(first, chunk_len(chunk));
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
        let first = chunk_len(0);
        let at = |index: usize| locate(index as u32);
        assert_eq!((at(0), at(first - 1)), ((0, 0), (0, first - 1)));
        assert_eq!((at(first), at(3 * first - 1)), ((1, 0), (1, 2 * first - 1)));
        assert_eq!(at(3 * first), (2, 0));
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
        assert!(slots.get(1 << 27).is_none() && slots.get(NONE).is_none());
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
