//! The queue algorithms: the only code that touches the memory shared with the kernel.
//!
//! Two single-producer, single-consumer rings of a power of two of slots. An index runs freely
//! through all of `u32` and wraps there; the mask is applied only where a slot is accessed. The
//! count is `tail - head`, wrapping; empty is 0 and full is the number of entries.
//!
//! ```text
//! submission (we produce)                    completion (we consume)
//!   slot[tail & mask] = entry                  tail = load(acquire)      pairs with the kernel's
//!   tail += 1            (ours, unpublished)   read slot[head & mask]…   release of the tail
//!   store(tail, release) pairs with the        head += n
//!                        kernel's acquire      store(head, release)      pairs with its acquire
//! ```
//!
//! Three things that look like improvements and are not:
//! - Loading the head relaxed in `Sq::refresh`: the kernel may still be reading the slot that it
//!   seems to have freed.
//! - Storing the tail relaxed: on any machine but x86 the kernel reads an entry before it is
//!   written.
//! - Leaving out the fence in [`Sq::needs_wakeup`]: store of the tail and load of the flags are to
//!   different words, so both sides may miss each other, and the polling thread sleeps for ever
//!   with an entry in its queue.
//!
//! A third, of buffers that the kernel picks from, is [`BufQueue`].
//!
//! Hidden from the documentation, but public: the C interface drives it on the caller's structs.

mod buffers;

pub use buffers::BufQueue;

use core::ptr::NonNull;

use crate::abi::SqRingFlags;
use crate::fork::WipedCell;
use crate::kernel::{CqMemory, SqMemory};
use crate::layout::CqeKind;
use crate::sync::{AtomicU32, Ordering, Slot, fence};

/// A reference to a word of the ring.
macro_rules! word {
    ($pointer:expr) => {{
        // SAFETY: the words outlive the queue: whoever made it promised so (`Sq::new`, `Cq::new`).
        unsafe { $pointer.as_ref() }
    }};
}

/// The producer's end of the submission queue.
#[derive(Debug)]
pub struct Sq<S> {
    slots: NonNull<Slot<S>>,
    /// Entries − 1.
    mask: u32,
    /// Where the next entry goes (`tail`, published by [`publish`](Self::publish)), and how far
    /// that may go (`limit`: the head as last seen, plus the entries; so a push looks at the
    /// kernel's cache line once per queue length and not once per entry). In a forked child both
    /// are 0, which is "no room": see `fork`.
    own: WipedCell,
    head: NonNull<AtomicU32>,
    tail_word: NonNull<AtomicU32>,
    flags: KernelFlags,
    dropped: NonNull<AtomicU32>,
}

/// The completion queue's indices, for who has not the queue.
#[derive(Clone, Copy, Debug)]
pub struct CqIndices {
    head: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
}

// SAFETY: the words are atomics that outlive the ring's parts, wherever they are (`Cq::new`).
unsafe impl Send for CqIndices {}
// SAFETY: as above; they are only loaded.
unsafe impl Sync for CqIndices {}

impl CqIndices {
    /// Whether no completion is there, or every one was given back.
    #[inline(always)]
    pub fn is_empty(self) -> bool {
        self.ready() == 0
    }

    /// How many slots hold completions: as a hint, where others take some meanwhile.
    #[inline(always)]
    pub fn ready(self) -> u32 {
        // The head first: the tail was never behind it.
        // Relaxed, both: no entry is read for what they say; they pair with nothing.
        let head = word!(self.head).load(Ordering::Relaxed);
        word!(self.tail).load(Ordering::Relaxed).wrapping_sub(head)
    }
}

/// The submission queue's indices as the kernel sees them, for who has not the queue.
#[derive(Clone, Copy, Debug)]
pub struct SqIndices {
    head: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
}

// SAFETY: the words are atomics that outlive the ring's parts, wherever they are (`Sq::new`).
unsafe impl Send for SqIndices {}
// SAFETY: as above; they are only loaded.
unsafe impl Sync for SqIndices {}

impl SqIndices {
    /// The index of the first entry that the kernel has not taken.
    #[inline(always)]
    pub fn head(self) -> u32 {
        // Acquire: pairs with the kernel's release of the head after it has read the slots.
        word!(self.head).load(Ordering::Acquire)
    }

    /// The index behind the last entry that was published.
    #[inline(always)]
    pub fn tail(self) -> u32 {
        // Acquire: pairs with the release in `Sq::show`, by whichever thread had the queue.
        word!(self.tail).load(Ordering::Acquire)
    }

    /// How many entries were published and not taken. It may count too many while the kernel takes
    /// some, never too few.
    #[inline(always)]
    pub fn queued(self) -> u32 {
        // The head first: the tail was never behind it.
        let head = self.head();
        self.tail().wrapping_sub(head)
    }
}

/// The word in which the kernel says that it wants to be entered.
#[derive(Clone, Copy, Debug)]
pub struct KernelFlags(NonNull<AtomicU32>);

// SAFETY: the word is an atomic that outlives the ring's parts, wherever they are (`Sq::new`).
unsafe impl Send for KernelFlags {}
// SAFETY: as above; it is only loaded.
unsafe impl Sync for KernelFlags {}

impl KernelFlags {
    /// What the kernel says.
    #[inline(always)]
    pub fn load(self) -> SqRingFlags {
        // Relaxed: pairs with the kernel's atomic or; a flag calls for an enter, which orders.
        SqRingFlags(word!(self.0).load(Ordering::Relaxed))
    }
}

impl<S: Copy> Sq<S> {
    /// Takes up the queue where its words say it stands.
    ///
    /// # Safety
    /// - The pointers of `memory` are valid for as long as the result is used, or a [`KernelFlags`]
    ///   or [`SqIndices`] of it.
    /// - Nothing else produces entries in this queue meanwhile.
    pub unsafe fn new(memory: &SqMemory<S>) -> Self {
        debug_assert!(memory.entries.is_power_of_two(), "{} entries", memory.entries);
        let mut sq = Self {
            slots: memory.slots,
            mask: memory.entries.wrapping_sub(1),
            own: WipedCell::new(),
            head: memory.head,
            tail_word: memory.tail,
            flags: KernelFlags(memory.flags),
            dropped: memory.dropped,
        };
        // Relaxed: it pairs with our own store, made on this thread or handed over with the queue.
        sq.own.get().tail.set(word!(sq.tail_word).load(Ordering::Relaxed));
        sq.refresh();
        if let Some(array) = memory.array {
            identity(array, memory.entries);
        }
        sq
    }

    /// How many entries the queue holds at most.
    #[inline(always)]
    pub fn entries(&self) -> u32 {
        self.mask.wrapping_add(1)
    }

    /// How many entries the kernel has not taken yet, published or not.
    #[inline]
    pub fn queued(&self) -> u32 {
        // Acquire: pairs with the kernel's release of the head after it has read the slots.
        self.tail().wrapping_sub(word!(self.head).load(Ordering::Acquire))
    }

    /// Looks up how far the kernel has come.
    #[cold]
    #[inline(never)]
    fn refresh(&mut self) {
        #[cfg(not(seeded_bug = "sq_head_relaxed"))]
        // Acquire: pairs with the kernel's release of the head: its reads of the freed slots come
        // before our writes to them.
        let head = word!(self.head).load(Ordering::Acquire);
        #[cfg(seeded_bug = "sq_head_relaxed")]
        // The models must find this one: it pairs with nothing.
        let head = word!(self.head).load(Ordering::Relaxed);
        self.own.get().limit.set(head.wrapping_add(self.entries()));
    }

    /// Our own index: where the next entry goes.
    #[inline(always)]
    pub fn tail(&self) -> u32 {
        self.own.get().tail.get()
    }

    /// Whether this process is the one that took up the queue, and not a child of it.
    #[inline(always)]
    pub fn is_current(&self) -> bool {
        self.own.is_current()
    }

    /// Makes the queue dead here: its memory is not the ring's any more.
    pub(crate) fn give_up(&mut self) {
        self.own.give_up();
    }

    /// Whether it was given up.
    pub(crate) fn is_lost(&self) -> bool {
        self.own.is_lost()
    }

    /// How many entries there was room for when the kernel's index was last looked up.
    #[inline(always)]
    fn known_room(&self) -> u32 {
        self.own.get().limit.get().wrapping_sub(self.tail())
    }

    /// Makes sure that there is room for `count` more entries, from [`tail`](Self::tail) on; else
    /// says why there is not.
    #[inline(always)]
    pub fn make_room(&mut self, count: u32) -> Option<NoRoom> {
        // As `known_room >= count`, but for 0, which a child must not be granted either.
        if self.known_room() > count.wrapping_sub(1) { None } else { self.look_for_room(count) }
    }

    /// Looks up how far the kernel has come, unless the queue is the parent's.
    #[cold]
    #[inline(never)]
    fn look_for_room(&mut self, count: u32) -> Option<NoRoom> {
        if !self.is_current() {
            return Some(if self.own.is_lost() { NoRoom::Lost } else { NoRoom::Forked });
        }
        self.refresh();
        if self.known_room() >= count { None } else { Some(NoRoom::Full) }
    }

    /// The slot of the entry `index`.
    #[inline(always)]
    fn slot(&self, index: u32) -> &Slot<S> {
        let index = (index & self.mask) as usize;
        // SAFETY: the mask keeps the index inside the queue's slots.
        let slot = unsafe { self.slots.add(index) };
        // SAFETY: the slots outlive the queue (`Sq::new`).
        unsafe { slot.as_ref() }
    }

    /// Puts an entry into the slot of `index`, without counting it yet.
    ///
    /// # Safety
    /// - [`make_room`](Self::make_room) made room for it, and it was not counted since.
    #[inline(always)]
    pub unsafe fn write(&mut self, index: u32, entry: S) {
        // SAFETY: there is room, so the kernel has done with the slot and has not been told of it.
        unsafe { self.slot(index).write(entry) };
    }

    /// Puts `entries` into the slots from `index` on, without counting them yet.
    ///
    /// # Safety
    /// - [`make_room`](Self::make_room) made room for all of them, and they were not counted since.
    #[inline(always)]
    pub unsafe fn write_all(&mut self, index: u32, entries: &[S]) {
        let start = index & self.mask;
        let first = (self.entries().wrapping_sub(start) as usize).min(entries.len());
        let (one, two) = entries.split_at(first);
        // SAFETY: there is room for all (the caller's promise), so for these, from the start on to
        // the last slot at most.
        unsafe { self.write_from(start, one) };
        if !two.is_empty() {
            // SAFETY: as above; what is left goes on at slot 0.
            unsafe { self.write_from(0, two) };
        }
    }

    /// Puts `entries` into the slots from the one numbered `start` on.
    ///
    /// # Safety
    /// - There is room for them, and that many slots are there from `start` on.
    #[inline(always)]
    unsafe fn write_from(&mut self, start: u32, entries: &[S]) {
        // SAFETY: the caller's promise: the start is inside the queue's slots.
        let to = unsafe { self.slots.add(start as usize) };
        #[cfg(not(loom))]
        // A `Slot` is transparent over an `UnsafeCell` over the entry.
        // SAFETY: as many slots are there, and ours (the caller's promise); the kernel's memory is
        // nobody's slice.
        unsafe {
            core::ptr::copy_nonoverlapping(entries.as_ptr(), to.as_ptr().cast(), entries.len());
        }
        #[cfg(loom)]
        // One by one: each slot knows whose turn it is.
        for (n, entry) in entries.iter().enumerate() {
            // SAFETY: as many slots are there (the caller's promise).
            let slot = unsafe { to.add(n) };
            // SAFETY: the slots outlive the queue (`Sq::new`).
            let slot = unsafe { slot.as_ref() };
            // SAFETY: there is room, so the kernel has done with the slot.
            unsafe { slot.write(*entry) };
        }
    }

    /// Writes one entry and counts it, if there is room: else says why there is not.
    ///
    /// One function, so that the cell's address is looked up once: the entry's stores might change
    /// it, for all that the compiler knows. The entry is made last, so that what it is copied from
    /// is copied to its place at once.
    ///
    /// # Safety
    /// - As [`SubmissionQueue::push`](crate::SubmissionQueue::push).
    #[inline(always)]
    pub unsafe fn push(&mut self, entry: impl Into<S>) -> Option<NoRoom> {
        let own = self.own.get();
        let tail = own.tail.get();
        if own.limit.get() == tail
            && let Some(why) = self.look_for_room(1)
        {
            return Some(why);
        }
        let entry = entry.into();
        let own = self.own.get();
        // SAFETY: there is room, so the kernel has done with the slot and has not been told of it.
        unsafe { self.slot(tail).write(entry) };
        own.tail.set(tail.wrapping_add(1));
        None
    }

    /// The address of the slot of `index`.
    #[inline(always)]
    pub fn slot_ptr(&mut self, index: u32) -> *mut S {
        self.slot(index).as_ptr()
    }

    /// Counts the entries written before `tail`. The kernel learns of them by [`publish`].
    ///
    /// [`publish`]: Self::publish
    ///
    /// # Safety
    /// - Every entry from [`tail`](Self::tail) up to `tail` was [written](Self::write), and is as
    ///   [`push`](Self::push) demands.
    #[inline(always)]
    pub unsafe fn commit(&mut self, tail: u32) {
        self.own.get().tail.set(tail);
    }

    /// Shows the kernel every entry counted so far, and returns how many it has not taken yet.
    #[inline(always)]
    pub fn publish(&self) -> u32 {
        self.show();
        self.queued()
    }

    /// Shows the kernel every entry counted so far.
    #[inline(always)]
    pub fn show(&self) {
        #[cfg(not(seeded_bug = "tail_relaxed"))]
        // Release: pairs with the kernel's acquire of the tail: the entries come before it.
        word!(self.tail_word).store(self.tail(), Ordering::Release);
        #[cfg(seeded_bug = "tail_relaxed")]
        // The models must find this one: it pairs with nothing.
        word!(self.tail_word).store(self.tail(), Ordering::Relaxed);
    }

    /// Whether the polling thread sleeps and must be woken to see what was published.
    #[inline]
    pub fn needs_wakeup(&self) -> bool {
        // Pairs with the full barrier that the polling thread makes between raising NEED_WAKEUP and
        // its last look at the tail: one of the two sees the other.
        #[cfg(not(seeded_bug = "no_wakeup_fence"))]
        fence(Ordering::SeqCst);
        self.kernel_flags().contains(SqRingFlags::NEED_WAKEUP)
    }

    /// What the kernel says in the queue's flags.
    #[inline(always)]
    pub fn kernel_flags(&self) -> SqRingFlags {
        self.flags.load()
    }

    /// The indices alone, for who has not the queue.
    pub fn indices(&self) -> SqIndices {
        SqIndices { head: self.head, tail: self.tail_word }
    }

    /// The flags word alone, for who has not the queue.
    pub fn flags_word(&self) -> KernelFlags {
        self.flags
    }

    /// How many entries the kernel refused for a bad index in the array.
    pub fn dropped(&self) -> u32 {
        // Relaxed: a statistic; pairs with nothing.
        word!(self.dropped).load(Ordering::Relaxed)
    }
}

/// Why an entry cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The kernel has not taken enough of what is queued.
    Full,
    /// The queue is the parent's of this process.
    Forked,
    /// The queue was given up: a resize could not map its new memory.
    Lost,
}

/// Fills the index array so that entry n is slot n, once and for all.
fn identity(array: NonNull<AtomicU32>, entries: u32) {
    for index in 0..entries {
        // SAFETY: the array has `entries` elements (`SqMemory::array`).
        let element = unsafe { array.add(index as usize) };
        // Relaxed: pairs with the kernel's read after its acquire of a tail stored later.
        word!(element).store(index, Ordering::Relaxed);
    }
}

/// The consumer's end of the completion queue.
#[derive(Debug)]
pub struct Cq<C: CqeKind> {
    slots: NonNull<Slot<C::Slot>>,
    /// Entries − 1.
    mask: u32,
    /// The first completion not yet seen; as stored in the head word.
    head: u32,
    /// Dead in a forked child.
    own: WipedCell,
    head_word: NonNull<AtomicU32>,
    tail: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    overflow: NonNull<AtomicU32>,
}

impl<C: CqeKind> Cq<C> {
    /// Takes up the queue where its words say it stands.
    ///
    /// # Safety
    /// - The pointers of `memory` are valid for as long as the result is used, or a [`CqIndices`]
    ///   of it.
    /// - Nothing else consumes entries of this queue meanwhile.
    pub unsafe fn new(memory: &CqMemory<C::Slot>) -> Self {
        debug_assert!(memory.entries.is_power_of_two(), "{} entries", memory.entries);
        // SAFETY: the words are valid (the caller's promise).
        let head_word = unsafe { memory.head.as_ref() };
        Self {
            slots: memory.slots,
            mask: memory.entries.wrapping_sub(1),
            // Relaxed: it pairs with our own store, made here or handed over with the queue.
            head: head_word.load(Ordering::Relaxed),
            own: WipedCell::new(),
            head_word: memory.head,
            tail: memory.tail,
            flags: memory.flags,
            overflow: memory.overflow,
        }
    }

    /// How many slots the queue has.
    #[inline(always)]
    pub fn entries(&self) -> u32 {
        self.mask.wrapping_add(1)
    }

    /// Whether this process is the one that took up the queue, and not a child of it.
    #[inline(always)]
    pub fn is_current(&self) -> bool {
        self.own.is_current()
    }

    /// Makes the queue dead here: its memory is not the ring's any more.
    pub(crate) fn give_up(&mut self) {
        self.own.give_up();
    }

    /// Whether it was given up.
    pub(crate) fn is_lost(&self) -> bool {
        self.own.is_lost()
    }

    /// The indices alone, for who has not the queue.
    pub fn indices(&self) -> CqIndices {
        CqIndices { head: self.head_word, tail: self.tail }
    }

    /// The index of the first completion not yet seen.
    #[inline(always)]
    pub fn head(&self) -> u32 {
        self.head
    }

    /// The index behind the last completion that is there.
    #[inline(always)]
    pub fn tail(&self) -> u32 {
        // Acquire: pairs with the kernel's release of the tail: the entries come before it.
        word!(self.tail).load(Ordering::Acquire)
    }

    /// How many slots hold completions.
    #[inline(always)]
    pub fn ready(&self) -> u32 {
        self.tail().wrapping_sub(self.head)
    }

    /// Reads the entry at `index` and says how many slots it fills; padding is `None`. It never
    /// reaches past `tail`, even if `index` is in the middle of an entry.
    ///
    /// # Safety
    /// - `index` is between [`head`](Self::head) and `tail`, which was loaded by
    ///   [`tail`](Self::tail) before, and is not `tail` itself.
    #[inline(always)]
    pub unsafe fn read(&self, index: u32, tail: u32) -> (Option<C::Item>, u32) {
        let left = tail.wrapping_sub(index);
        // SAFETY: the slots from the index up to the tail are ours; the mask keeps the index inside
        // the queue.
        unsafe { C::read(self.slots.as_ptr(), self.mask, index & self.mask, left) }
    }

    /// Copies the oldest completions into `out`, as many as it takes, and gives their slots back;
    /// how many.
    #[inline(always)]
    pub fn take(&mut self, out: &mut [C::Slot]) -> usize
    where
        C: CqeKind<Item = <C as CqeKind>::Slot>,
        C::Slot: Copy,
    {
        debug_assert_eq!(C::SLOTS_MAX, 1, "a completion of this kind is one slot");
        let room = u32::try_from(out.len()).unwrap_or(u32::MAX);
        let count = self.ready().min(room);
        let end = self.head.wrapping_add(count);
        #[cfg(not(loom))]
        {
            // SAFETY: `end` is not behind the tail, which was loaded a moment ago.
            let (one, two) = unsafe { self.slices(end) };
            let (first, rest) = out.split_at_mut(one.len());
            first.copy_from_slice(one);
            if !two.is_empty() {
                rest[..two.len()].copy_from_slice(two);
            }
        }
        #[cfg(loom)]
        // One by one: each slot knows whose turn it is.
        for (n, place) in (0..count).zip(out) {
            // SAFETY: between the head and `end`, which is not behind the tail.
            let (item, _) = unsafe { self.read(self.head.wrapping_add(n), end) };
            *place = item.expect("no padding in a queue of whole slots");
        }
        // SAFETY: each slot is an entry, so `end` is the beginning of one, or the tail.
        unsafe { self.advance_to(end) };
        count as usize
    }

    /// What is there up to `tail`, in the two pieces that the wrap makes of it.
    ///
    /// # Safety
    /// - `tail` was loaded by [`tail`](Self::tail).
    /// - [`advance_to`](Self::advance_to) is not called while the slices are used.
    #[inline(always)]
    pub unsafe fn slices(&self, tail: u32) -> (&[C::Slot], &[C::Slot]) {
        let count = tail.wrapping_sub(self.head);
        let start = self.head & self.mask;
        let first = count.min(self.entries().wrapping_sub(start));
        // SAFETY: the mask keeps the start inside the queue's slots.
        let from = unsafe { self.slots.add(start as usize) };
        // A `Slot` is transparent over an `UnsafeCell` over the entry (not so under loom, where
        // nothing reads through these slices).
        // SAFETY: these slots are between head and tail: the kernel writes them again only after
        // the head has passed them, which needs `advance_to`.
        let one = unsafe { core::slice::from_raw_parts(from.as_ptr().cast(), first as usize) };
        let rest = count.wrapping_sub(first) as usize;
        // SAFETY: as above; what is left begins at slot 0.
        let two = unsafe { core::slice::from_raw_parts(self.slots.as_ptr().cast(), rest) };
        (one, two)
    }

    /// Gives the slots before `head` back to the kernel.
    ///
    /// # Safety
    /// - `head` is the beginning of an entry between [`head`](Self::head) and a
    ///   [`tail`](Self::tail) that was loaded before, or that tail.
    #[inline(always)]
    pub unsafe fn advance_to(&mut self, head: u32) {
        self.head = head;
        #[cfg(not(seeded_bug = "cq_head_relaxed"))]
        // Release: pairs with the kernel's acquire of the head: our reads come before its writes.
        word!(self.head_word).store(head, Ordering::Release);
        #[cfg(seeded_bug = "cq_head_relaxed")]
        // The models must find this one: it pairs with nothing.
        word!(self.head_word).store(head, Ordering::Relaxed);
    }

    /// How many completions were lost, on kernels without `NODROP`.
    pub fn overflow(&self) -> u32 {
        // Relaxed: a statistic; pairs with nothing.
        word!(self.overflow).load(Ordering::Relaxed)
    }

    /// The word that the program writes [`CqRingFlags`](crate::abi::CqRingFlags) to.
    pub fn flags(&self) -> &AtomicU32 {
        word!(self.flags)
    }
}
