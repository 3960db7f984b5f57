//! [`SubmissionQueue`]: entries on their way to the kernel.

use crate::abi::{SqRingFlags, Sqe};
use crate::error::{Error, Result};
use crate::kernel::SqMemory;
use crate::layout::SqeKind;
use crate::raw::{self, NoRoom};

/// The submission queue of one ring, in the hands of its only producer.
///
/// An entry that was pushed waits here, on this side, until a submit shows it to the kernel. The
/// count is always `tail - head`: whatever the kernel did not take is still here.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// let mut ring = LocalRing::new(8)?;
/// let (sq, _cq, _submitter) = ring.parts();
/// // SAFETY: a NOP points to nothing.
/// unsafe { sq.push(op::Nop::new())? };
/// assert_eq!((sq.len(), sq.space_left()), (1, 7));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
///
/// A ring lends it by reference only, and it has no size that is known: so it cannot be moved out
/// of its ring, or swapped with another's, and outlive the memory that it points to.
///
/// ```compile_fail,E0277
/// use annulus_ring::LocalRing;
/// let (mut one, mut other) = (LocalRing::new(8)?, LocalRing::new(8)?);
/// std::mem::swap(one.parts().0, other.parts().0);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct SubmissionQueue<S: SqeKind = Sqe, Fixed: ?Sized = [()]> {
    pub(crate) raw: raw::Sq<S>,
    /// Nothing; in a reference, nothing of unknown length.
    _fixed: Fixed,
}

/// The queue as it lies in its ring.
pub(crate) type OwnSq<S> = SubmissionQueue<S, [(); 0]>;

// SAFETY: the queue is the only producer wherever it is; the words it points to are atomics and
// the slots are handed over by them.
unsafe impl<S: SqeKind, Fixed: ?Sized> Send for SubmissionQueue<S, Fixed> {}

impl<S: SqeKind> OwnSq<S> {
    /// Takes up the queue in `memory`.
    ///
    /// # Safety
    /// - As [`raw::Sq::new`].
    pub(crate) unsafe fn new(memory: &SqMemory<S>) -> Self {
        // SAFETY: the caller's promise.
        Self { raw: unsafe { raw::Sq::new(memory) }, _fixed: [] }
    }
}

impl<S: SqeKind, Fixed: ?Sized> SubmissionQueue<S, Fixed> {
    /// An error in a child of `fork(2)`, where the queue is the parent's.
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<()> {
        if self.raw.is_current() { Ok(()) } else { Err(Error::dead(self.raw.is_lost())) }
    }

    /// Queues one entry.
    ///
    /// # Safety
    /// - What the entry points to stays valid, and unaliased where the kernel writes, until its
    ///   (last) completion, or until the submit that takes it where the operation says so.
    /// - Its descriptor stays open until the submit that takes it.
    /// - What it does beside reading and writing there is the caller's to do: a descriptor that it
    ///   closes or replaces is the caller's own; memory that it gives up (`MADVISE`) or lends
    ///   (`PROVIDE_BUFFERS`) is used by nobody else; a completion that it posts to another ring
    ///   (`MSG_RING`) is one that its reader does not take for an operation's.
    ///
    /// # Errors
    /// [`is_queue_full`](Error::is_queue_full): submit first. [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.parts().0.push(op::Nop::new())? };
    /// assert_eq!(ring.submit()?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn push(&mut self, entry: impl Into<S>) -> Result<()> {
        // SAFETY: the caller's promise.
        match unsafe { self.raw.push(entry) } {
            None => Ok(()),
            Some(why) => Err(self.no_room(why, 1)),
        }
    }

    /// Queues all of `entries`, or none.
    ///
    /// # Safety
    /// - As [`push`](Self::push), for each.
    ///
    /// # Errors
    /// As [`push`](Self::push); nothing is queued then.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(4)?;
    /// let nops = [op::Nop::new().build(); 5];
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push_all(&nops[..3])? };
    /// // SAFETY: as above.
    /// assert!(unsafe { ring.push_all(&nops) }.unwrap_err().is_queue_full());
    /// assert_eq!(ring.submit_and_wait(3)?, 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub unsafe fn push_all(&mut self, entries: &[S]) -> Result<()> {
        let count = u32::try_from(entries.len()).unwrap_or(u32::MAX);
        let tail = self.make_room(count)?;
        // SAFETY: there is room for `count`; the entries are the caller's promise.
        unsafe { self.raw.write_all(tail, entries) };
        // SAFETY: `count` were written from `tail` on; the entries are the caller's promise.
        unsafe { self.raw.commit(tail.wrapping_add(count)) };
        Ok(())
    }

    /// Reserves room for `count` entries that go to the kernel together, in order: what a chain of
    /// links needs, which a submit in its middle would cut.
    ///
    /// ```text
    /// reserve(3) → fill, fill, fill → dropped: the three are queued, and whatever comes between a
    ///                                 push and the next (an error, a panic) queues none or whole
    /// ```
    ///
    /// # Errors
    /// As [`push`](Self::push): all `count` fit, or none.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(4)?;
    /// let chain = ring.reserve(2)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { chain.fill(|n| op::Nop::new().build().user_data(n.into())) };
    /// assert_eq!(ring.submit_and_wait(2)?, 2);
    /// assert!(ring.reserve(5).unwrap_err().is_queue_full());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub fn reserve(&mut self, count: u32) -> Result<Reserved<'_, S>> {
        let tail = self.make_room(count)?;
        Ok(Reserved { raw: &mut self.raw, tail, count })
    }

    /// The next entry, in place, zeroed (a NOP) and queued: for filling fields that no builder
    /// knows.
    ///
    /// # Safety
    /// - As [`push`](Self::push), for what is written there.
    /// - The entry is not written to in a child of `fork(2)`, where it is the parent's.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// use annulus_ring::LocalRing;
    /// let mut ring = LocalRing::new(4)?;
    /// // SAFETY: the entry stays a NOP.
    /// unsafe { ring.next_sqe()? }.user_data = 3;
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().user_data, 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_get_sqe")]
    #[inline]
    pub unsafe fn next_sqe(&mut self) -> Result<&mut S> {
        let tail = self.make_room(1)?;
        let slot = self.raw.slot_ptr(tail);
        // SAFETY: there is room, so the slot is ours; it is inside the queue.
        unsafe { slot.write(S::default()) };
        // SAFETY: the entry is written, and a NOP; what the caller makes of it, they promise.
        unsafe { self.raw.commit(tail.wrapping_add(1)) };
        // SAFETY: counted, but not shown to the kernel while this borrow of the queue lasts.
        Ok(unsafe { &mut *slot })
    }

    /// Makes sure that `count` entries may be written: where the first goes.
    #[inline(always)]
    fn make_room(&mut self, count: u32) -> Result<u32> {
        match self.raw.make_room(count) {
            None => Ok(self.raw.tail()),
            Some(why) => Err(self.no_room(why, count)),
        }
    }

    #[cold]
    fn no_room(&self, why: NoRoom, count: u32) -> Error {
        match why {
            NoRoom::Full => Error::full(count, self.raw.entries()),
            NoRoom::Forked => Error::dead(false),
            NoRoom::Lost => Error::dead(true),
        }
    }

    /// How many entries the kernel has not taken yet. In a child of `fork(2)`, none.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.parts().0.len(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_sq_ready")]
    #[inline]
    pub fn len(&self) -> u32 {
        if self.raw.is_current() { self.raw.queued() } else { 0 }
    }

    /// Whether the kernel has taken everything.
    ///
    /// ```
    /// assert!(annulus_ring::LocalRing::new(8)?.parts().0.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many entries fit now. In a child of `fork(2)`, none.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.parts().0.space_left(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_sq_space_left")]
    #[inline]
    pub fn space_left(&self) -> u32 {
        if !self.raw.is_current() {
            return 0;
        }
        self.capacity().wrapping_sub(self.raw.queued())
    }

    /// How many entries the queue holds at most.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(5)?.parts().0.capacity(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.raw.entries()
    }

    /// What the kernel says in the queue's flags. In a child of `fork(2)`, nothing.
    ///
    /// ```
    /// assert!(annulus_ring::LocalRing::new(8)?.parts().0.flags().is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn flags(&self) -> SqRingFlags {
        if self.raw.is_current() { self.raw.kernel_flags() } else { SqRingFlags::empty() }
    }

    /// How many entries the kernel refused for a bad index in the array: 0, unless memory was
    /// overwritten.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.parts().0.dropped(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn dropped(&self) -> u32 {
        if self.raw.is_current() { self.raw.dropped() } else { 0 }
    }
}

/// Room for some entries, to be filled in order.
#[derive(Debug)]
#[must_use = "room that is not filled queues nothing"]
pub struct Reserved<'a, S: SqeKind = Sqe> {
    raw: &'a mut raw::Sq<S>,
    tail: u32,
    count: u32,
}

impl<S: SqeKind> Reserved<'_, S> {
    /// How many entries there is room for.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.reserve(3)?.count(), 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Fills the room: `entry(n)` makes the n-th. All are queued when the last one is made; a panic
    /// in `entry` queues none. Room that was reserved before a `fork(2)` is not filled in the
    /// child.
    ///
    /// # Safety
    /// - As [`SubmissionQueue::push`], for each.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// let room = ring.reserve(3)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { room.fill(|n| op::Nop::new().build().user_data(n.into())) };
    /// ring.submit_and_wait(3)?;
    /// let sum: u64 = ring.completions()?.map(|cqe| cqe.user_data).sum();
    /// assert_eq!(sum, 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn fill<E: Into<S>>(self, mut entry: impl FnMut(u32) -> E) {
        if !self.raw.is_current() {
            return;
        }
        for n in 0..self.count {
            let entry = entry(n).into();
            // SAFETY: there is room for `count`; the entries are the caller's promise.
            unsafe { self.raw.write(self.tail.wrapping_add(n), entry) };
        }
        // SAFETY: all `count` were written; the entries are the caller's promise.
        unsafe { self.raw.commit(self.tail.wrapping_add(self.count)) };
    }
}
