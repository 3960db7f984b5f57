//! The memory shared by a ring and the model kernel, and the kernel's way of touching it: each
//! access with the ordering that Linux gives it.

use std::ptr::NonNull;

use annulus_ring::CqeKind;
use annulus_ring::abi::SqRingFlags;
use annulus_ring::kernel::{AtomicU32, CqMemory, RingMemory, Slot, SqMemory};

use super::entry::{Completion, Posted, padding};
use super::sync::Ordering;

/// The words and the slots of both queues.
#[derive(Debug)]
pub struct Memory<S, C: CqeKind> {
    sq_head: AtomicU32,
    sq_tail: AtomicU32,
    sq_flags: AtomicU32,
    sq_dropped: AtomicU32,
    sq_array: Option<Box<[AtomicU32]>>,
    sq_slots: Box<[Slot<S>]>,
    cq_head: AtomicU32,
    cq_tail: AtomicU32,
    cq_flags: AtomicU32,
    cq_overflow: AtomicU32,
    cq_slots: Box<[Slot<C::Slot>]>,
}

/// How long the queues are, where their indices start, and how entries are found.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub sq_entries: u32,
    pub cq_entries: u32,
    pub sq_start: u32,
    pub cq_start: u32,
    /// Whether there is an index array between the queue and its slots.
    pub array: bool,
}

impl Shape {
    /// Queues that begin at 0, without an index array.
    pub const fn new(sq_entries: u32, cq_entries: u32) -> Self {
        Self { sq_entries, cq_entries, sq_start: 0, cq_start: 0, array: false }
    }

    /// The same queues, their indices `before` steps from the wrap of `u32`.
    pub const fn near_wrap(mut self, before: u32) -> Self {
        self.sq_start = 0_u32.wrapping_sub(before);
        self.cq_start = self.sq_start;
        self
    }

    /// The same queues with an index array.
    pub const fn with_array(mut self) -> Self {
        self.array = true;
        self
    }
}

impl<S: Copy + Default, C: Posted> Memory<S, C> {
    pub fn new(shape: &Shape) -> Self {
        Self {
            sq_head: AtomicU32::new(shape.sq_start),
            sq_tail: AtomicU32::new(shape.sq_start),
            sq_flags: AtomicU32::new(0),
            sq_dropped: AtomicU32::new(0),
            sq_array: shape.array.then(|| {
                // What no kernel would find an entry by: the ring has to write it.
                (0..shape.sq_entries).map(|_| AtomicU32::new(u32::MAX)).collect()
            }),
            sq_slots: (0..shape.sq_entries).map(|_| Slot::new(S::default())).collect(),
            cq_head: AtomicU32::new(shape.cq_start),
            cq_tail: AtomicU32::new(shape.cq_start),
            cq_flags: AtomicU32::new(0),
            cq_overflow: AtomicU32::new(0),
            cq_slots: (0..shape.cq_entries).map(|_| Slot::new(padding::<C>())).collect(),
        }
    }

    /// What a ring is made of. Valid as long as `self` stays where it is.
    pub fn pointers(&self) -> RingMemory<S, C::Slot> {
        RingMemory {
            sq: SqMemory {
                head: NonNull::from(&self.sq_head),
                tail: NonNull::from(&self.sq_tail),
                flags: NonNull::from(&self.sq_flags),
                dropped: NonNull::from(&self.sq_dropped),
                array: self.sq_array.as_ref().map(|array| NonNull::from(&array[..]).cast()),
                slots: NonNull::from(&self.sq_slots[..]).cast(),
                entries: self.sq_slots.len() as u32,
            },
            cq: CqMemory {
                head: NonNull::from(&self.cq_head),
                tail: NonNull::from(&self.cq_tail),
                flags: NonNull::from(&self.cq_flags),
                overflow: NonNull::from(&self.cq_overflow),
                slots: NonNull::from(&self.cq_slots[..]).cast(),
                entries: self.cq_slots.len() as u32,
            },
        }
    }

    /// The index behind the last entry that the program has shown.
    pub fn sq_tail(&self) -> u32 {
        // Acquire: pairs with the program's release of the tail, after it wrote the entries.
        self.sq_tail.load(Ordering::Acquire)
    }

    /// The entry at `index`; nothing if the index array leads nowhere.
    pub fn sq_read(&self, index: u32) -> Option<S> {
        let slots = self.sq_slots.len() as u32;
        let at = index & slots.wrapping_sub(1);
        let at = match &self.sq_array {
            // Relaxed: pairs with the program's store, made before a tail that was acquired.
            Some(array) => array[at as usize].load(Ordering::Relaxed),
            None => at,
        };
        let Some(slot) = self.sq_slots.get(at as usize) else {
            // Relaxed: a statistic.
            self.sq_dropped.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        // SAFETY: the entry lies between head and an acquired tail: it is the kernel's turn until
        // `sq_release` passes it.
        Some(unsafe { slot.read() })
    }

    /// Gives the slots before `head` back to the program.
    pub fn sq_release(&self, head: u32) {
        // Release: pairs with the program's acquire of the head: the reads of the slots come first.
        self.sq_head.store(head, Ordering::Release);
    }

    /// Takes entries from `head` on, at most `max`, and gives their slots back.
    pub fn take(&self, head: &mut u32, max: u32) -> Vec<S> {
        let count = self.sq_tail().wrapping_sub(*head).min(max);
        let entries = (0..count).filter_map(|n| self.sq_read(head.wrapping_add(n))).collect();
        if count != 0 {
            *head = head.wrapping_add(count);
            self.sq_release(*head);
        }
        entries
    }

    pub fn raise(&self, flags: SqRingFlags) {
        // Relaxed, as the kernel's `atomic_or`: who needs more says so with a fence.
        self.sq_flags.fetch_or(flags.bits(), Ordering::Relaxed);
    }

    pub fn lower(&self, flags: SqRingFlags) {
        // Relaxed, as the kernel's `atomic_andnot`.
        self.sq_flags.fetch_and(!flags.bits(), Ordering::Relaxed);
    }

    /// How many slots hold completions, when the kernel's own index is `tail`.
    pub fn cq_count(&self, tail: u32) -> u32 {
        // Acquire: pairs with the program's release of the head, after it read the slots.
        tail.wrapping_sub(self.cq_head.load(Ordering::Acquire))
    }

    fn cq_free(&self, tail: u32) -> u32 {
        (self.cq_slots.len() as u32).wrapping_sub(self.cq_count(tail))
    }

    fn cq_write(&self, tail: &mut u32, slot: C::Slot) {
        let at = *tail & (self.cq_slots.len() as u32).wrapping_sub(1);
        // SAFETY: the slot is free (`cq_free` acquired the head) and not shown yet: it is the
        // kernel's turn.
        unsafe { self.cq_slots[at as usize].write(slot) };
        *tail = tail.wrapping_add(1);
    }

    /// Posts a completion at `tail` and shows it; false if there is no room.
    ///
    /// A long completion that would wrap is preceded by padding, posted even if it alone has room.
    pub fn post(&self, tail: &mut u32, completion: &Completion) -> bool {
        let (first, second) = C::slots(completion);
        let last_slot = (self.cq_slots.len() as u32).wrapping_sub(1);
        if second.is_some() && *tail & last_slot == last_slot && self.cq_free(*tail) != 0 {
            self.cq_write(tail, padding::<C>());
        }
        let fits = self.cq_free(*tail) > u32::from(second.is_some());
        if fits {
            self.cq_write(tail, first);
            if let Some(second) = second {
                self.cq_write(tail, second);
            }
        }
        // Release: pairs with the program's acquire of the tail: the entries come before it.
        self.cq_tail.store(*tail, Ordering::Release);
        fits
    }
}
