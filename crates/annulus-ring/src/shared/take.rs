//! Completions out of the queue: each to exactly one thread, under a short lock.

use super::inner::{Inner, add};
use crate::abi::Cqe;
use crate::error::Result;
use crate::kernel::Kernel;
use crate::sync::lock;

/// The `user_data` of the ring's own entries: NOPs that end a wait in the kernel.
pub(super) const WAKE: u64 = u64::MAX;

/// How many completions a [`Batch`] holds at most.
const BATCH: usize = 32;

/// What was taken.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Taken {
    /// How many completions were copied out.
    pub(super) count: usize,
    /// Whether one of the ring's own was among them.
    pub(super) kicked: bool,
}

impl<K: Kernel> Inner<K> {
    /// Copies up to `out.len()` completions out, and gives them back to the kernel.
    #[inline]
    pub(super) fn take(&self, out: &mut [Cqe]) -> Taken {
        if self.completions.is_empty() {
            return Taken::default();
        }
        let count = {
            let mut cq = lock(&self.cq);
            let count = cq.queue.raw.take(out);
            cq.taken = cq.taken.wrapping_add(count as u64);
            count
        };
        // What they are is looked at outside the lock.
        let (mut more, mut kicked) = (0, false);
        for cqe in &out[..count] {
            more += u64::from(cqe.has_more());
            kicked |= cqe.user_data == WAKE;
        }
        if more > 0 {
            add(&self.counts.more, more);
        }
        let count = if kicked { without_kicks(&mut out[..count]) } else { count };
        Taken { count, kicked }
    }
}

/// Moves what is not the ring's own to the front; how many those are.
#[cold]
fn without_kicks(cqes: &mut [Cqe]) -> usize {
    let mut count = 0;
    for index in 0..cqes.len() {
        if cqes[index].user_data != WAKE {
            cqes[count] = cqes[index];
            count += 1;
        }
    }
    count
}

/// Some completions, copied out of the ring: an iterator, oldest first. At most 32 come at once;
/// more stay in the ring for the next [`wait`](crate::SharedRing::wait).
///
/// They are this thread's: what is not looked at is lost with the batch.
///
/// ```
/// use annulus_ring::SharedRing;
/// let ring = SharedRing::new(8)?;
/// ring.nop(7)?;
/// ring.submit()?;
/// let mut batch = ring.wait()?;
/// assert_eq!(batch.len(), 1);
/// assert_eq!(batch.next().unwrap().user_data, 7);
/// assert!(batch.is_empty());
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "completions that are not looked at are lost"]
pub struct Batch {
    cqes: [Cqe; BATCH],
    next: usize,
    count: usize,
}

impl Batch {
    /// What `fill` takes.
    pub(super) fn of(fill: impl FnOnce(&mut [Cqe]) -> Result<usize>) -> Result<Self> {
        const EMPTY: Cqe = Cqe { user_data: 0, res: 0, flags: crate::abi::CqeFlags::empty() };
        let mut batch = Self { cqes: [EMPTY; BATCH], next: 0, count: 0 };
        batch.count = fill(&mut batch.cqes)?;
        Ok(batch)
    }

    /// How many completions are left.
    ///
    /// ```
    /// assert_eq!(annulus_ring::SharedRing::new(8)?.peek()?.len(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        self.count - self.next
    }

    /// Whether none is left. A batch that is empty from the beginning says that the wait was ended
    /// by [`wake`](crate::SharedRing::wake).
    ///
    /// ```
    /// assert!(annulus_ring::SharedRing::new(8)?.peek()?.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The completions as pairs: `user_data`, and the operation's result or its errno.
    ///
    /// ```
    /// use annulus_ring::{Errno, SharedRing};
    /// let ring = SharedRing::new(8)?;
    /// ring.nop(1)?;
    /// ring.poll_remove(77, 2)?; // there is no such poll
    /// ring.submit()?;
    /// let results: Vec<_> = ring.wait()?.results().collect();
    /// assert_eq!(results, [(1, Ok(0)), (2, Err(Errno::ENOENT))]);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn results(self) -> impl Iterator<Item = (u64, core::result::Result<u32, crate::Errno>)> {
        self.map(|cqe| (cqe.user_data, cqe.result()))
    }
}

impl Iterator for Batch {
    type Item = Cqe;

    #[inline]
    fn next(&mut self) -> Option<Cqe> {
        let cqe = *self.cqes[..self.count].get(self.next)?;
        self.next += 1;
        Some(cqe)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Batch {}
