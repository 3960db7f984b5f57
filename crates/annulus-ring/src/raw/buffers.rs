//! The producer's end of a ring of buffers.
//!
//! ```text
//! add:      slot[(tail + staged) & mask] = buffer;  staged += 1
//! advance:  tail += staged;  store(tail, release)   pairs with the kernel's acquire of the tail
//! ```
//!
//! The kernel's head is nowhere in this memory, so the queue cannot know what is free: who adds
//! promises that it is. The tail is a 16-bit word that runs freely and lies *inside* the first
//! slot, in a field that is otherwise reserved. So a slot is written field by field: writing it
//! whole looks simpler, and would take the tail back to zero.

use core::ptr::NonNull;

use crate::abi::Buf;
use crate::sync::{AtomicU16, Ordering, Slot};

/// Where the buffers are announced.
#[derive(Debug)]
pub struct BufQueue {
    slots: NonNull<Slot<Buf>>,
    tail_word: NonNull<AtomicU16>,
    /// Entries − 1: 32,767 at most.
    mask: u16,
    /// As stored in the tail word.
    tail: u16,
    /// Written behind the tail, not shown yet.
    staged: u16,
    /// Whether anything was ever put in: the tail, which wraps, cannot tell.
    is_used: bool,
}

// SAFETY: the queue is the only producer wherever it is; the word is an atomic, the slots are
// handed over by it, and both outlive the queue (`BufQueue::new`).
unsafe impl Send for BufQueue {}

impl BufQueue {
    /// Takes up the queue where its word says it stands.
    ///
    /// # Safety
    /// - `slots` are `entries` (a power of two, at most 32,768) slots, and the word is their tail;
    ///   both valid for as long as the result is used.
    /// - Nothing else produces in this queue.
    pub unsafe fn new(
        slots: NonNull<Slot<Buf>>,
        tail_word: NonNull<AtomicU16>,
        entries: u16,
    ) -> Self {
        debug_assert!(entries.is_power_of_two(), "{entries} entries");
        // SAFETY: the word is valid (the caller's promise).
        let word = unsafe { tail_word.as_ref() };
        // Relaxed: pairs with our own store, if any, made on this thread or handed over with it.
        let tail = word.load(Ordering::Relaxed);
        let mask = entries.wrapping_sub(1);
        // Whoever takes a ring up says by its tail that it was used before.
        Self { slots, tail_word, mask, tail, staged: 0, is_used: tail != 0 }
    }

    /// How many buffers it can hold.
    pub fn entries(&self) -> u16 {
        self.mask.wrapping_add(1)
    }

    /// How many buffers were ever shown, modulo 65,536.
    pub fn tail(&self) -> u16 {
        self.tail
    }

    /// The slot that the next buffer goes to.
    pub fn next_slot(&self) -> u16 {
        self.tail.wrapping_add(self.staged) & self.mask
    }

    /// Puts a buffer behind the last one.
    ///
    /// # Safety
    /// - The kernel has taken the buffer that was in this slot, one length of the queue ago.
    #[inline]
    pub unsafe fn add(&mut self, addr: u64, len: u32, id: u16) {
        debug_assert!(self.staged < self.entries(), "{} buffers staged", self.staged);
        // SAFETY: the mask keeps the index inside the queue's slots.
        let slot = unsafe { self.slots.add(usize::from(self.next_slot())) };
        // SAFETY: the slots outlive the queue (`new`).
        let buf = unsafe { slot.as_ref() }.as_ptr();
        // Not the whole of it: the last field of the first slot is the tail.
        // SAFETY: the pointer is the slot's, and it is our turn with it (the caller's promise).
        unsafe { (*buf).addr = addr };
        // SAFETY: as above.
        unsafe { (*buf).len = len };
        // SAFETY: as above.
        unsafe { (*buf).bid = id };
        self.staged = self.staged.wrapping_add(1);
        self.is_used = true;
    }

    /// Whether a buffer was ever put in.
    pub fn is_used(&self) -> bool {
        self.is_used
    }

    /// Shows the kernel what was added, and returns how many that were.
    #[inline]
    pub fn advance(&mut self) -> u16 {
        let count = core::mem::take(&mut self.staged);
        if count == 0 {
            return 0;
        }
        self.tail = self.tail.wrapping_add(count);
        // SAFETY: the word outlives the queue (`new`).
        let word = unsafe { self.tail_word.as_ref() };
        #[cfg(not(seeded_bug = "buf_tail_relaxed"))]
        // Release: pairs with the kernel's acquire of the tail: the buffers come before it.
        word.store(self.tail, Ordering::Release);
        #[cfg(seeded_bug = "buf_tail_relaxed")]
        // The models must find this one: it pairs with nothing.
        word.store(self.tail, Ordering::Relaxed);
        count
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Four slots as the kernel has them: the tail in the first one's last field.
    fn memory() -> (Vec<Slot<Buf>>, NonNull<Slot<Buf>>, NonNull<AtomicU16>) {
        let slots: Vec<Slot<Buf>> = (0..4).map(|_| Slot::new(Buf::default())).collect();
        let first = NonNull::new(slots.as_ptr().cast_mut()).unwrap();
        // SAFETY: the tail's offset is inside the first slot.
        let tail = unsafe { first.byte_add(core::mem::offset_of!(Buf, resv)) };
        (slots, first, tail.cast())
    }

    #[test]
    fn the_tail_survives_what_is_written_to_its_slot() {
        let (slots, first, tail) = memory();
        // SAFETY: four zeroed slots that live to the end of the test, and nobody else's.
        let mut queue = unsafe { BufQueue::new(first, tail, 4) };
        // Twice through 65,536: each lap writes the slot that the tail lies in.
        let rounds = if cfg!(miri) { 8 } else { 32_768u32 };
        for round in 0..rounds {
            for id in 0..4 {
                // SAFETY: nothing reads these slots.
                unsafe { queue.add(u64::from(round), id, id as u16) };
            }
            assert_eq!(queue.advance(), 4);
            // SAFETY: the word lives in the vector.
            let word = unsafe { tail.as_ref() };
            // Relaxed: one thread; pairs with nothing.
            assert_eq!(u32::from(word.load(Ordering::Relaxed)), (round + 1) * 4 % 65_536);
        }
        // SAFETY: nothing writes the slot any more.
        let last = unsafe { slots[3].read() };
        assert_eq!((last.addr, last.len, last.bid), (u64::from(rounds) - 1, 3, 3));
        assert_eq!(queue.advance(), 0);
    }
}
