//! [`Counters`]: what a shared ring has done.

use core::sync::atomic::{AtomicU64, Ordering};

use super::inner::Inner;
use super::take::WAKE;
use crate::kernel::Kernel;
use crate::sync::lock;

/// What a [`SharedRing`](crate::SharedRing) has done so far.
///
/// What the ring itself knows is read from its indices at this moment; while other threads use it
/// the figures are of slightly different moments.
///
/// ```
/// use annulus_ring::SharedRing;
/// let ring = SharedRing::new(8)?;
/// ring.nop(1)?;
/// assert_eq!(ring.counters()?.queued, 1);
/// ring.submit()?;
/// ring.wait()?;
/// let counters = ring.counters()?;
/// assert_eq!((counters.submitted, counters.completed, counters.in_flight), (1, 1, 0));
/// assert_eq!((counters.queued, counters.ready, counters.overflows), (0, 0, 0));
/// assert!(counters.enters >= 1);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// How often the kernel was entered.
    pub enters: u64,
    /// Entries that the kernel took since the ring is shared, by its own index.
    pub submitted: u64,
    /// Completions that were taken out of the queue, not counting those of operations that go on
    /// (`MORE`). The ring's own [wake-ups](crate::SharedRing::wake) are entries, so they count.
    pub completed: u64,
    /// Entries taken whose (last) completion is not in the queue yet. Entries that complete in
    /// silence (`CQE_SKIP_SUCCESS`) stay in this count for ever; completions that no entry asked
    /// for since the ring is shared (of what its one owner had under way, of another ring's
    /// `MSG_RING`) take one away each, as far as there is one.
    pub in_flight: u64,
    /// Entries that the kernel has not taken yet.
    pub queued: u32,
    /// Completions that nobody has taken yet.
    pub ready: u32,
    /// How often completions were found waiting outside the full queue. None was lost.
    pub overflows: u64,
}

/// What is counted beside the queues.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) enters: AtomicU64,
    /// Completions that were not an operation's last.
    pub(super) more: AtomicU64,
    pub(super) overflows: AtomicU64,
}

impl<K: Kernel> Inner<K> {
    /// The figures of this moment.
    pub(super) fn counters(&self) -> Counters {
        let get = |count: &AtomicU64| {
            // Relaxed: a statistic; pairs with nothing.
            count.load(Ordering::Relaxed)
        };
        // In this order, a completion is never counted before its entry.
        let (taken, ready) = {
            let cq = lock(&self.cq);
            (cq.taken, cq.queue.len())
        };
        let completed = taken.wrapping_sub(get(&self.counts.more));
        let (pushed, queued) = {
            let sq = lock(&self.sq);
            (sq.pushed, sq.queue.len())
        };
        let submitted = pushed.wrapping_sub(queued.into());
        // As a signed number: completions without an entry make it negative.
        let in_flight = submitted.wrapping_sub(completed).wrapping_sub(ready.into()) as i64;
        Counters {
            enters: get(&self.counts.enters),
            submitted,
            completed,
            in_flight: u64::try_from(in_flight).unwrap_or(0),
            queued,
            ready,
            overflows: get(&self.counts.overflows),
        }
    }
}

const _: () = assert!(WAKE == u64::MAX);
