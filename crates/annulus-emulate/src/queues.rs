//! The kernel's end of a ring's two queues, in memory of its own: entries are taken at the
//! submission head, completions put at the completion tail.
//!
//! ```text
//! words (a cache line each)      │ array │ completions   │ entries
//! sq head · tail · flags/dropped │       │ 16 or 32 B    │ 64 or 128 B
//! cq head · tail · flags         │       │ each          │ each
//! ```
//!
//! What finds no room is kept in order, and put there when the program has taken some: nothing is
//! lost (`IORING_FEAT_NODROP`).

use core::ptr::NonNull;
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::collections::VecDeque;

use annulus_ring::Errno;
use annulus_ring::abi::{Cqe, CqeFlags, SetupFlags, SqRingFlags, Sqe};
use annulus_ring::kernel::{AtomicU32, CqMemory, RingMemory, Slot, SqMemory};
use core::sync::atomic::Ordering;

/// Words that the two sides write lie this far apart.
const LINE_BYTES: usize = 64;
const PAGE_BYTES: usize = 4096;

/// Where the words are.
const SQ_HEAD: usize = 0;
const SQ_TAIL: usize = LINE_BYTES;
const SQ_FLAGS: usize = 2 * LINE_BYTES;
const SQ_DROPPED: usize = 2 * LINE_BYTES + 4;
const CQ_HEAD: usize = 3 * LINE_BYTES;
const CQ_TAIL: usize = 4 * LINE_BYTES;
const CQ_FLAGS: usize = 5 * LINE_BYTES;
const CQ_OVERFLOW: usize = 5 * LINE_BYTES + 4;
const WORDS_BYTES: usize = 6 * LINE_BYTES;

/// How long the queues are, and what lies in them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) sq_entries: u32,
    pub(crate) cq_entries: u32,
    pub(crate) flags: SetupFlags,
}

impl Shape {
    fn sqe_bytes(self) -> usize {
        if self.flags.contains(SetupFlags::SQE128) { 128 } else { 64 }
    }

    fn cqe_bytes(self) -> usize {
        if self.flags.contains(SetupFlags::CQE32) { 32 } else { 16 }
    }

    fn has_array(self) -> bool {
        !self.flags.contains(SetupFlags::NO_SQARRAY)
    }

    /// Where array, completions and entries begin, and how long it is all together.
    fn offsets(self) -> (usize, usize, usize, usize) {
        let array_bytes = if self.has_array() { self.sq_entries as usize * 4 } else { 0 };
        let cqes = (WORDS_BYTES + array_bytes).next_multiple_of(LINE_BYTES);
        let sqes = cqes + self.cq_entries as usize * self.cqe_bytes();
        let sqes = sqes.next_multiple_of(PAGE_BYTES);
        (WORDS_BYTES, cqes, sqes, sqes + self.sq_entries as usize * self.sqe_bytes())
    }
}

/// The memory that both sides have.
struct Pages {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: it is memory; who may touch which part when, the protocol of the queues says.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Pages {
    fn new(bytes: usize) -> Result<Self, Errno> {
        let layout =
            Layout::from_size_align(bytes, PAGE_BYTES).map_err(|_too_long| Errno::ENOMEM)?;
        // SAFETY: the layout has the length of some words at least.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(Errno::ENOMEM)?;
        Ok(Self { start, layout })
    }

    fn at<T>(&self, offset: usize) -> NonNull<T> {
        debug_assert!(offset + size_of::<T>() <= self.layout.size());
        debug_assert!(offset.is_multiple_of(align_of::<T>()));
        // SAFETY: the offsets are those of `Shape`, for whose length the pages were made.
        unsafe { self.start.add(offset) }.cast()
    }

    fn slot<T>(&self, offset: usize) -> &Slot<T> {
        let slot = self.at::<Slot<T>>(offset);
        // SAFETY: entries and completions are integers, for which any bytes will do; the pages live
        // as long as this borrow, and a slot may be shared: whose turn it is, the queues say.
        unsafe { slot.as_ref() }
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        let word = self.at::<AtomicU32>(offset);
        // SAFETY: a word of the pages, zero from the beginning, which live as long as this borrow,
        // and which both sides touch as an atomic only.
        unsafe { word.as_ref() }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and the ring is gone with its kernel.
        unsafe { dealloc(self.start.as_ptr(), self.layout) };
    }
}

/// What is told when an entry is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Completion {
    pub(crate) user_data: u64,
    pub(crate) res: i32,
    pub(crate) flags: CqeFlags,
    /// The second half, where it has one.
    pub(crate) big: Option<[u64; 2]>,
}

/// See above.
pub(crate) struct Queues {
    pages: Pages,
    shape: Shape,
    /// Where the array, the completions and the entries begin.
    array: usize,
    cqes: usize,
    sqes: usize,
    /// No completion has a second half.
    is_short: bool,
    sq_head: u32,
    cq_tail: u32,
    /// The flags as they were told.
    flags: SqRingFlags,
    overflow: VecDeque<Completion>,
}

impl Queues {
    pub(crate) fn new(shape: Shape) -> Result<Self, Errno> {
        let (array, cqes, sqes, bytes) = shape.offsets();
        let pages = Pages::new(bytes)?;
        let (overflow, flags) = (VecDeque::new(), SqRingFlags::empty());
        let is_short = !shape.flags.intersects(SetupFlags::CQE32 | SetupFlags::CQE_MIXED);
        let (sq_head, cq_tail) = (0, 0);
        Ok(Self { pages, shape, array, cqes, sqes, is_short, sq_head, cq_tail, flags, overflow })
    }

    pub(crate) fn shape(&self) -> Shape {
        self.shape
    }

    /// The memory as the program's side sees it; `S` and `C` are what lies in the slots.
    pub(crate) fn memory<S, C>(&self) -> RingMemory<S, C> {
        assert_eq!(size_of::<S>(), self.shape.sqe_bytes(), "entries of another length");
        assert_eq!(size_of::<C>(), self.shape.cqe_bytes(), "completions of another length");
        let array = self.shape.has_array().then(|| self.pages.at(self.array));
        RingMemory {
            sq: SqMemory {
                head: self.pages.at(SQ_HEAD),
                tail: self.pages.at(SQ_TAIL),
                flags: self.pages.at(SQ_FLAGS),
                dropped: self.pages.at(SQ_DROPPED),
                array,
                slots: self.pages.at(self.sqes),
                entries: self.shape.sq_entries,
            },
            cq: CqMemory {
                head: self.pages.at(CQ_HEAD),
                tail: self.pages.at(CQ_TAIL),
                flags: self.pages.at(CQ_FLAGS),
                overflow: self.pages.at(CQ_OVERFLOW),
                slots: self.pages.at(self.cqes),
                entries: self.shape.cq_entries,
            },
        }
    }

    /// How many entries the program has put there.
    pub(crate) fn submitted(&self) -> u32 {
        // Acquire: pairs with the program's release of the tail: the entries come before it.
        let tail = self.pages.word(SQ_TAIL).load(Ordering::Acquire);
        tail.wrapping_sub(self.sq_head).min(self.shape.sq_entries)
    }

    /// Copies out the next entry, of which there is one; `None` where the program's array has no
    /// entry's number: that is counted. Its slot is the program's again after
    /// [`release`](Self::release).
    pub(crate) fn take(&mut self) -> Option<Sqe> {
        let mask = self.shape.sq_entries - 1;
        let mut at = self.sq_head & mask;
        self.sq_head = self.sq_head.wrapping_add(1);
        if self.shape.has_array() {
            // Relaxed: pairs with the program's store, ordered by the tail's release and acquire.
            at = self.pages.word(self.array + at as usize * 4).load(Ordering::Relaxed);
            if at >= self.shape.sq_entries {
                // Relaxed: pairs with nothing: a count, which this side alone writes.
                self.pages.word(SQ_DROPPED).fetch_add(1, Ordering::Relaxed);
                return None;
            }
        }
        // The second half of a long one is for commands, of which there are none here.
        let begin = self.sqes + at as usize * self.shape.sqe_bytes();
        // SAFETY: a slot below the tail, which the program released: it is this side's until the
        // head passes it.
        Some(unsafe { self.pages.slot::<Sqe>(begin).read() })
    }

    /// Gives back the slots of what was taken.
    pub(crate) fn release(&self) {
        // Release: pairs with the program's acquire of the head: the slots were read before.
        self.pages.word(SQ_HEAD).store(self.sq_head, Ordering::Release);
    }

    /// How many completions the program has not taken, of those in the queue.
    pub(crate) fn ready(&self) -> u32 {
        // Acquire: pairs with the program's release of the head: it has read the slots before it.
        let head = self.pages.word(CQ_HEAD).load(Ordering::Acquire);
        self.cq_tail.wrapping_sub(head)
    }

    /// How many completions found room so far.
    pub(crate) fn posted(&self) -> u32 {
        self.cq_tail
    }

    /// How many completions there are in all.
    pub(crate) fn unseen(&self) -> u64 {
        u64::from(self.ready()) + self.overflow.len() as u64
    }

    pub(crate) fn has_overflow(&self) -> bool {
        !self.overflow.is_empty()
    }

    /// Posts a completion: to the queue, or behind those that found no room.
    #[inline]
    pub(crate) fn post(&mut self, completion: Completion) {
        let Completion { user_data, res, flags, .. } = completion;
        let is_put = self.is_short
            && self.overflow.is_empty()
            && self.put_short(Cqe { user_data, res, flags });
        if !is_put {
            self.post_any(completion);
        }
    }

    #[inline(never)]
    fn post_any(&mut self, completion: Completion) {
        if !self.overflow.is_empty() || !self.put(&completion) {
            self.overflow.push_back(completion);
            self.raise(SqRingFlags::CQ_OVERFLOW);
        }
    }

    /// Posts a completion, unless there is no room for it: then it is nobody's.
    pub(crate) fn post_if_room(&mut self, completion: &Completion) -> bool {
        self.overflow.is_empty() && self.put(completion)
    }

    /// Moves what found no room to the queue, as far as there is some now.
    pub(crate) fn flush(&mut self) {
        while let Some(completion) = self.overflow.front().copied() {
            if !self.put(&completion) {
                return;
            }
            self.overflow.pop_front();
        }
        self.lower(SqRingFlags::CQ_OVERFLOW);
    }

    /// Puts a completion into the queue, if there is room.
    fn put(&mut self, completion: &Completion) -> bool {
        let Completion { user_data, res, flags, .. } = *completion;
        match self.is_short {
            true => self.put_short(Cqe { user_data, res, flags }),
            false => self.put_long(completion),
        }
    }

    /// Puts one into a queue that has no other.
    #[inline]
    fn put_short(&mut self, cqe: Cqe) -> bool {
        if self.ready() >= self.shape.cq_entries {
            return false;
        }
        self.write(self.cq_tail & (self.shape.cq_entries - 1), cqe);
        self.show(1);
        true
    }

    /// Puts one into the queue that has a second half, or may have.
    fn put_long(&mut self, completion: &Completion) -> bool {
        let mixed = self.shape.flags.contains(SetupFlags::CQE_MIXED);
        let is_long = mixed && completion.big.is_some();
        let mask = self.shape.cq_entries - 1;
        // A long one never wraps: padding fills the last slot, though it may be all there is room
        // for.
        if is_long && self.cq_tail & mask == mask && self.ready() < self.shape.cq_entries {
            self.write(mask, Cqe { flags: CqeFlags::SKIP, ..Cqe::default() });
            self.show(1);
        }
        let slots = 1 + u32::from(is_long);
        if self.ready() + slots > self.shape.cq_entries {
            return false;
        }
        let Completion { user_data, res, flags, big } = *completion;
        let cqe = Cqe { user_data, res, flags };
        let at = self.cq_tail & mask;
        if is_long {
            self.write(at, Cqe { flags: flags | CqeFlags::F_32, ..cqe });
            self.write_second(at + 1, big.unwrap_or_default());
        } else {
            self.write(at, cqe);
            if self.shape.cqe_bytes() == 32 {
                self.write_big(at, big.unwrap_or_default());
            }
        }
        self.show(slots);
        true
    }

    /// Shows the program slots that were written.
    fn show(&mut self, slots: u32) {
        self.cq_tail = self.cq_tail.wrapping_add(slots);
        // Release: pairs with the program's acquire of the tail: the slots were written before.
        self.pages.word(CQ_TAIL).store(self.cq_tail, Ordering::Release);
    }

    fn write(&self, at: u32, cqe: Cqe) {
        let slot = self.pages.slot::<Cqe>(self.cqes + at as usize * self.shape.cqe_bytes());
        // SAFETY: a slot between the tail and the head's end: this side's until the tail passes it.
        unsafe { slot.write(cqe) };
    }

    /// Writes the second half of a long completion's own slot.
    fn write_big(&self, at: u32, big: [u64; 2]) {
        let slot = self.pages.slot::<[u64; 2]>(self.cqes + at as usize * 32 + 16);
        // SAFETY: as `write`.
        unsafe { slot.write(big) };
    }

    /// Writes the second slot of a long completion among short ones.
    fn write_second(&self, at: u32, big: [u64; 2]) {
        let slot = self.pages.slot::<[u64; 2]>(self.cqes + at as usize * 16);
        // SAFETY: as `write`.
        unsafe { slot.write(big) };
    }

    /// Whether a flag is raised that the program looks at.
    pub(crate) fn is_raised(&self, flag: SqRingFlags) -> bool {
        self.flags.contains(flag)
    }

    /// Raises flags that the program looks at.
    pub(crate) fn raise(&mut self, flags: SqRingFlags) {
        if !self.flags.contains(flags) {
            self.flags |= flags;
            self.tell_flags();
        }
    }

    /// Lowers them.
    pub(crate) fn lower(&mut self, flags: SqRingFlags) {
        if self.flags.intersects(flags) {
            self.flags = self.flags.difference(flags);
            self.tell_flags();
        }
    }

    fn tell_flags(&self) {
        // Release: pairs with the program's acquire of the flags, as Linux's full barrier does
        // where it matters: what was posted before is seen after them. This side alone writes.
        self.pages.word(SQ_FLAGS).store(self.flags.bits(), Ordering::Release);
    }

    /// Whether the program wants no signals by its eventfd now.
    pub(crate) fn eventfd_is_off(&self) -> bool {
        // Acquire: pairs with the program's store of the flags.
        let flags = self.pages.word(CQ_FLAGS).load(Ordering::Acquire);
        flags & annulus_ring::abi::CqRingFlags::EVENTFD_DISABLED.bits() != 0
    }
}

impl core::fmt::Debug for Queues {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Queues")
            .field("submitted", &self.submitted())
            .field("ready", &self.ready())
            .field("overflow", &self.overflow.len())
            .finish_non_exhaustive()
    }
}
