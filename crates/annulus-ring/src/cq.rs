//! [`CompletionQueue`]: completions on their way from the kernel.

use crate::abi::{CqRingFlags, Cqe};
use crate::error::{Error, Result};
use crate::kernel::CqMemory;
use crate::layout::CqeKind;
use crate::raw;
use crate::sync::Ordering;

/// The completion queue of one ring, in the hands of its only consumer.
///
/// ```
/// let mut ring = annulus_ring::LocalRing::new(8)?;
/// let (_sq, cq, _submitter) = ring.parts();
/// assert_eq!((cq.len(), cq.capacity()), (0, 16));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
///
/// A ring lends it by reference only, and it has no size that is known: so it cannot be moved out
/// of its ring, or swapped with another's, and outlive the memory that it points to.
///
/// ```compile_fail,E0277
/// use annulus_ring::LocalRing;
/// let (mut one, mut other) = (LocalRing::new(8)?, LocalRing::new(8)?);
/// std::mem::swap(one.parts().1, other.parts().1);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct CompletionQueue<C: CqeKind = Cqe, Fixed: ?Sized = [()]> {
    pub(crate) raw: raw::Cq<C>,
    /// Nothing; in a reference, nothing of unknown length.
    _fixed: Fixed,
}

/// The queue as it lies in its ring.
pub(crate) type OwnCq<C> = CompletionQueue<C, [(); 0]>;

// SAFETY: the queue is the only consumer wherever it is; the words it points to are atomics and
// the slots are handed over by them.
unsafe impl<C: CqeKind, Fixed: ?Sized> Send for CompletionQueue<C, Fixed> {}

/// What lies in a ring of slots, oldest first: up to its end, and from its beginning.
pub type TwoSlices<'a, T> = (&'a [T], &'a [T]);

impl<C: CqeKind> OwnCq<C> {
    /// Takes up the queue in `memory`.
    ///
    /// # Safety
    /// - As [`raw::Cq::new`].
    pub(crate) unsafe fn new(memory: &CqMemory<C::Slot>) -> Self {
        // SAFETY: the caller's promise.
        Self { raw: unsafe { raw::Cq::new(memory) }, _fixed: [] }
    }
}

impl<C: CqeKind, Fixed: ?Sized> CompletionQueue<C, Fixed> {
    #[inline(always)]
    pub(crate) fn check(&self) -> Result<()> {
        if self.raw.is_current() { Ok(()) } else { Err(Error::dead(self.raw.is_lost())) }
    }

    /// The completions that are there now, oldest first, copied out one by one.
    ///
    /// What was taken from the iterator goes back to the kernel in one store when the iterator is
    /// dropped; what was not stays for the next call. An iterator that is forgotten gives nothing
    /// back: its completions come again. It never enters the kernel: where completions
    /// wait outside the queue, [`LocalRing::completions`](crate::LocalRing::completions) brings
    /// them.
    ///
    /// # Errors
    /// [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new().build().user_data(1))? };
    /// ring.submit_and_wait(1)?;
    /// // Both queues at once: push the next entry while walking the completions.
    /// let (sq, cq, _) = ring.parts();
    /// for cqe in cq.completions()? {
    ///     // SAFETY: as above.
    ///     unsafe { sq.push(op::Nop::new().build().user_data(cqe.user_data + 1))? };
    /// }
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().user_data, 2);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_for_each_cqe")]
    #[inline(always)]
    pub fn completions(&mut self) -> Result<Completions<'_, C>> {
        self.check()?;
        let tail = self.raw.tail();
        Ok(self.up_to(tail))
    }

    /// The completions up to `tail`, which was loaded from this queue.
    #[inline(always)]
    fn up_to(&mut self, tail: u32) -> Completions<'_, C> {
        let next = self.raw.head();
        Completions { raw: &mut self.raw, next, tail }
    }

    /// As [`completions`](Self::completions); where nothing is there, `bring` is asked to have the
    /// kernel bring what is pending.
    #[inline(always)]
    pub(crate) fn completions_or(
        &mut self,
        bring: impl Fn() -> Result<()>,
    ) -> Result<Completions<'_, C>> {
        self.check()?;
        let mut tail = self.raw.tail();
        self.pass_padding(tail);
        // At most twice: padding may be all that there was room for.
        while tail == self.raw.head() {
            bring()?;
            tail = self.raw.tail();
            if !self.pass_padding(tail) {
                break;
            }
        }
        Ok(self.up_to(tail))
    }

    /// Gives back the padding in front of the first completion before `tail`, which was loaded from
    /// this queue; whether there was any.
    ///
    /// Padding is posted by itself when the long completion behind it finds no room: who took it
    /// for a completion would not ask the kernel for the one that waits.
    #[inline(always)]
    fn pass_padding(&mut self, tail: u32) -> bool {
        if C::SLOTS_MAX == 1 {
            return false;
        }
        let head = self.raw.head();
        let mut next = head;
        while next != tail {
            // SAFETY: `next` began at the head, went on by no more than was left each time, and is
            // not yet at the tail.
            let (item, slots) = unsafe { self.raw.read(next, tail) };
            if item.is_some() {
                break;
            }
            next = next.wrapping_add(slots);
        }
        if next != head {
            // SAFETY: `next` is the beginning of an entry, or the tail.
            unsafe { self.raw.advance_to(next) };
        }
        next != head
    }

    /// The completions that are there now, in place: the leanest walk, with no copy, one load
    /// before it and one store after it.
    ///
    /// In a [`Mixed`](crate::Mixed) queue these are slots, and iteration knows better.
    ///
    /// # Errors
    /// [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new().build().user_data(5))? };
    /// ring.submit_and_wait(1)?;
    /// let (_, cq, _) = ring.parts();
    /// let ready = cq.ready()?;
    /// let (first, second) = ready.slices();
    /// assert_eq!((first.len(), first[0].user_data, second.len()), (1, 5, 0));
    /// ready.consume();
    /// assert!(cq.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_peek_batch_cqe")]
    #[inline(always)]
    pub fn ready(&mut self) -> Result<Ready<'_, C>> {
        self.check()?;
        let tail = self.raw.tail();
        Ok(Ready { raw: &mut self.raw, tail })
    }

    /// Gives the oldest `count` slots back to the kernel.
    ///
    /// More than there are is cut to what there is. In a [`Mixed`](crate::Mixed) queue a completion
    /// goes back whole: if `count` ends inside one, its second slot goes with it.
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// ring.parts().1.advance(0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_cq_advance")]
    #[doc(alias = "io_uring_cqe_seen")]
    #[inline]
    pub fn advance(&mut self, count: u32) {
        if self.raw.is_current() {
            let head = self.behind(count);
            // SAFETY: `behind` gives the beginning of an entry, or the tail.
            unsafe { self.raw.advance_to(head) };
        }
    }

    /// The beginning of the first entry that is not wholly among the oldest `count` slots, nor
    /// begins there.
    #[inline(always)]
    fn behind(&self, count: u32) -> u32 {
        let (mut next, tail) = (self.raw.head(), self.raw.tail());
        let count = count.min(tail.wrapping_sub(next));
        let end = next.wrapping_add(count);
        if C::SLOTS_MAX == 1 || end == tail {
            return end;
        }
        // The distance left, as a signed number: the last entry may reach one slot beyond the end.
        while (end.wrapping_sub(next) as i32) > 0 {
            // SAFETY: `next` began at the head, went on by no more than was left each time, and is
            // before `end`, which is not behind the tail.
            let (_, slots) = unsafe { self.raw.read(next, tail) };
            next = next.wrapping_add(slots);
        }
        next
    }

    /// Copies up to `out.len()` completions out and gives them back; how many.
    ///
    /// # Errors
    /// [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::Cqe};
    /// let mut ring = LocalRing::new(8)?;
    /// let mut out = [Cqe::default(); 4];
    /// assert_eq!(ring.parts().1.copy_out(&mut out)?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn copy_out(&mut self, out: &mut [C::Item]) -> Result<usize> {
        let mut count = 0;
        for (place, cqe) in out.iter_mut().zip(self.completions()?) {
            *place = cqe;
            count += 1;
        }
        Ok(count)
    }

    /// How many slots hold completions. In a child of `fork(2)`, none.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.parts().1.len(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_cq_ready")]
    #[inline]
    pub fn len(&self) -> u32 {
        if self.raw.is_current() { self.raw.ready() } else { 0 }
    }

    /// Whether no completion is there. More may wait outside the queue: see
    /// [`SqRingFlags::CQ_OVERFLOW`](crate::abi::SqRingFlags::CQ_OVERFLOW).
    ///
    /// ```
    /// assert!(annulus_ring::LocalRing::new(8)?.parts().1.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many slots the queue has.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.parts().1.capacity(), 16);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> u32 {
        self.raw.entries()
    }

    /// How many completions were lost: only kernels without `IORING_FEAT_NODROP` lose any.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.parts().1.overflow(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn overflow(&self) -> u32 {
        if self.raw.is_current() { self.raw.overflow() } else { 0 }
    }

    /// Whether completions signal the registered eventfd. In a child of `fork(2)`, they do not.
    ///
    /// ```
    /// assert!(annulus_ring::LocalRing::new(8)?.parts().1.is_eventfd_enabled());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_cq_eventfd_enabled")]
    pub fn is_eventfd_enabled(&self) -> bool {
        if !self.raw.is_current() {
            return false;
        }
        // Relaxed: our own word; pairs with nothing but the store below.
        let flags = CqRingFlags(self.raw.flags().load(Ordering::Relaxed));
        !flags.contains(CqRingFlags::EVENTFD_DISABLED)
    }

    /// Switches the signalling of the registered eventfd on or off, without a system call.
    ///
    /// A completion posted meanwhile may still be signalled, or missed: look at the queue after
    /// switching on.
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// let (_, cq, _) = ring.parts();
    /// cq.enable_eventfd(false);
    /// assert!(!cq.is_eventfd_enabled());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_cq_eventfd_toggle")]
    pub fn enable_eventfd(&mut self, enabled: bool) {
        let flags = if enabled { CqRingFlags::empty() } else { CqRingFlags::EVENTFD_DISABLED };
        if self.raw.is_current() {
            // Relaxed: a hint; pairs with the kernel's plain read when it posts a completion.
            self.raw.flags().store(flags.bits(), Ordering::Relaxed);
        }
    }
}

/// Completions in place; they stay in the queue unless they are [consumed](Self::consume).
///
/// Do not keep the slices across a `fork(2)`: in the child they are the parent's, and change under
/// the reader (with [`dontfork`](crate::Builder::dontfork) they are not even there).
///
/// Made by [`CompletionQueue::ready`].
#[derive(Debug)]
#[must_use = "completions that are not consumed come again"]
pub struct Ready<'a, C: CqeKind = Cqe> {
    raw: &'a mut raw::Cq<C>,
    tail: u32,
}

impl<C: CqeKind> Ready<'_, C> {
    /// The completions, oldest first: two slices, because the queue may wrap between them.
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// let (_, cq, _) = ring.parts();
    /// let (first, second) = (cq.ready()?.slices().0.len(), cq.ready()?.slices().1.len());
    /// assert_eq!((first, second), (0, 0));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub fn slices(&self) -> TwoSlices<'_, C::Slot> {
        // SAFETY: the tail was loaded from this queue; to advance it needs `self` to be consumed,
        // which the slices borrow.
        unsafe { self.raw.slices(self.tail) }
    }

    /// How many slots there are.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.parts().1.ready()?.len(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub fn len(&self) -> u32 {
        self.tail.wrapping_sub(self.raw.head())
    }

    /// Whether there is none.
    ///
    /// ```
    /// assert!(annulus_ring::LocalRing::new(8)?.parts().1.ready()?.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives all of them back to the kernel. In a child of `fork(2)` it does nothing.
    ///
    /// ```
    /// annulus_ring::LocalRing::new(8)?.parts().1.ready()?.consume();
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub fn consume(self) {
        if self.raw.is_current() {
            // SAFETY: the tail was loaded from this queue, and the slices of `self` are gone.
            unsafe { self.raw.advance_to(self.tail) };
        }
    }
}

/// Completions, copied out one by one; those taken go back to the kernel when this is dropped.
///
/// One that is kept across a `fork(2)` gives nothing back in the child. What it yields there, the
/// parent sees as well.
///
/// Made by [`CompletionQueue::completions`].
#[derive(Debug)]
pub struct Completions<'a, C: CqeKind = Cqe> {
    raw: &'a mut raw::Cq<C>,
    next: u32,
    tail: u32,
}

impl<C: CqeKind> Completions<'_, C> {
    /// How many slots are left (in a [`Mixed`](crate::Mixed) queue a completion may fill two).
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// assert_eq!(ring.completions()?.slots_left(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn slots_left(&self) -> u32 {
        self.tail.wrapping_sub(self.next)
    }
}

impl<C: CqeKind> Iterator for Completions<'_, C> {
    type Item = C::Item;

    #[inline(always)]
    fn next(&mut self) -> Option<C::Item> {
        while self.next != self.tail {
            // SAFETY: `next` began at the head, went on by no more than was left each time, and is
            // not yet at the tail that was loaded for it.
            let (item, slots) = unsafe { self.raw.read(self.next, self.tail) };
            self.next = self.next.wrapping_add(slots);
            if item.is_some() {
                return item;
            }
        }
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.slots_left() as usize))
    }
}

impl<C: CqeKind> Drop for Completions<'_, C> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.raw.is_current() {
            // SAFETY: `next` went from entry to entry, up to the tail at most.
            unsafe { self.raw.advance_to(self.next) };
        }
    }
}
