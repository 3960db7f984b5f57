//! What the handle and the submitting thread share: both queues, each under its own short lock, and
//! the words between them.

use core::fmt;
use core::ptr;
// The statistics: nothing is decided by them, so the models need not explore them.
use core::sync::atomic::AtomicU64;

use super::counters::Counts;
use super::hand_over::HandOver;
use super::iovecs::Slots;
use super::wait::Waiters;
use crate::abi::{Cqe, EnterFlags, SqRingFlags, Sqe};
use crate::cq::OwnCq;
use crate::errno::Errno;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::raw::{CqIndices, KernelFlags, SqIndices};
use crate::sq::OwnSq;
use crate::submitter::{PENDING, Submitter};
use crate::sync::{AtomicBool, AtomicU32, Condvar, Mutex, Ordering, lock};

/// The producer's side: who holds it writes slots and shows them.
pub(super) struct Producer {
    pub(super) queue: OwnSq<Sqe>,
    /// The iovecs of the entries that the kernel has not taken, slot by slot.
    pub(super) iovecs: Slots,
    /// How many entries were shown since the ring is shared: the tail, widened.
    pub(super) pushed: u64,
}

/// The consumer's side: who holds it takes completions.
pub(super) struct Consumer {
    pub(super) queue: OwnCq<Cqe>,
    /// How many completions were taken since the ring is shared: the head, widened.
    pub(super) taken: u64,
}

/// All of a shared ring.
pub(super) struct Inner<K: Kernel> {
    pub(super) sq: Mutex<Producer>,
    /// How many entries the queue holds.
    pub(super) entries: u32,
    pub(super) indices: SqIndices,
    /// Whether a thread submits that looks for more entries before it goes: to that one others
    /// leave theirs.
    pub(super) submitting: AtomicBool,
    /// Who waits for the ring's own thread to make room in the submission queue sleeps here, with
    /// the lock of `sq`.
    pub(super) room: Condvar,
    pub(super) waiting_for_room: AtomicU32,
    pub(super) cq: Mutex<Consumer>,
    pub(super) completions: CqIndices,
    pub(super) flags: KernelFlags,
    pub(super) waiters: Mutex<Waiters>,
    /// Who waits for completions, and is not in the kernel, sleeps here.
    pub(super) parked: Condvar,
    /// The thread that submits for all others, if there is one.
    pub(super) hand_over: Option<HandOver>,
    /// An errno that nobody was told of yet; else 0.
    untold: AtomicU32,
    pub(super) counts: Counts,
    // Last: it keeps the memory that the queues point to.
    pub(super) submitter: Submitter<K>,
}

// SAFETY: the queues are reached under their locks; the words are atomics. `Submitter` is not
// `Sync` for the sake of rings that are tied to a thread, which this one is not (`from_ring`
// refuses them): its kernel may be entered from every thread, and is `Sync` by the bound.
unsafe impl<K: Kernel + Send + Sync> Sync for Inner<K> {}

impl<K: Kernel> Inner<K> {
    /// Of a ring's parts, with a thread that submits or without.
    pub(super) fn new(
        (sq, cq, submitter): (OwnSq<Sqe>, OwnCq<Cqe>, Submitter<K>),
        hand_over: Option<HandOver>,
    ) -> Self {
        // What its one owner pushed and did not submit: the next submit sends it.
        sq.raw.show();
        Self {
            entries: sq.capacity(),
            indices: sq.raw.indices(),
            submitting: AtomicBool::new(false),
            room: Condvar::new(),
            waiting_for_room: AtomicU32::new(0),
            completions: cq.raw.indices(),
            flags: sq.raw.flags_word(),
            waiters: Mutex::new(Waiters::new()),
            parked: Condvar::new(),
            hand_over,
            untold: AtomicU32::new(0),
            counts: Counts::default(),
            sq: Mutex::new(Producer { pushed: sq.len().into(), queue: sq, iovecs: Slots::new() }),
            cq: Mutex::new(Consumer { queue: cq, taken: 0 }),
            submitter,
        }
    }

    /// An error in a child of `fork(2)`: before anything is touched, and before any lock is taken,
    /// which a thread that the child has not may have held.
    #[inline(always)]
    pub(super) fn check(&self) -> Result<()> {
        self.submitter.check()
    }

    /// What the kernel says: completions wait outside the queue, or for an enter.
    pub(super) fn pending(&self) -> bool {
        let flags = self.flags.load();
        if flags.contains(SqRingFlags::CQ_OVERFLOW) {
            add(&self.counts.overflows, 1);
        }
        flags.intersects(PENDING)
    }

    /// Enters without an argument. No lock is held, ever.
    pub(super) fn enter(
        &self,
        to_submit: u32,
        want: u32,
        flags: EnterFlags,
    ) -> core::result::Result<u32, Errno> {
        add(&self.counts.enters, 1);
        // SAFETY: what the queue's entries point to is the promise of who pushed them; there is no
        // argument; the ring is tied to no thread.
        unsafe { self.submitter.kernel.enter(to_submit, want, flags, ptr::null(), 0) }
    }

    /// Keeps an error for the next caller that can be told.
    #[cold]
    pub(super) fn keep_error(&self, errno: Errno) {
        // Relaxed: pairs with the exchange in `told`; the number is all there is to it.
        self.untold.store(errno.raw().unsigned_abs(), Ordering::Relaxed);
    }

    /// The error that was kept, if any: told once.
    #[inline]
    pub(super) fn told(&self) -> Result<()> {
        // Relaxed: pairs with the store in `keep_error`.
        if self.untold.load(Ordering::Relaxed) == 0 { Ok(()) } else { self.tell() }
    }

    #[cold]
    fn tell(&self) -> Result<()> {
        // Relaxed: pairs with the store in `keep_error`; one caller alone sees the number.
        match self.untold.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            raw => Err(self.not_submitted(Errno::from_raw(raw as i32))),
        }
    }
}

/// Counts on.
#[inline]
pub(super) fn add(count: &AtomicU64, more: u64) {
    // Relaxed: a statistic; pairs with nothing.
    count.fetch_add(more, core::sync::atomic::Ordering::Relaxed);
}

impl<K: Kernel> fmt::Debug for Inner<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut queued, mut ready, mut parked) = (0, 0, 0);
        if self.check().is_ok() {
            (queued, ready) = (self.indices.queued(), self.completions.ready());
            parked = lock(&self.waiters).parked();
        }
        f.debug_struct("SharedRing")
            .field("sq", &format_args!("{queued}/{}", self.entries))
            .field("ready", &ready)
            .field("flags", &self.submitter.params.flags)
            .field("submitter_thread", &self.hand_over.is_some())
            .field("parked", &parked)
            .finish_non_exhaustive()
    }
}
