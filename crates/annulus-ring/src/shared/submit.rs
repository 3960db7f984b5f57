//! Who enters the kernel with entries.
//!
//! One thread at a time does: `submitting` says that one is there. A thread that finds it set
//! leaves its entries to that one, and goes on. None is stranded:
//!
//! ```text
//! who leaves                              who submits
//!   store(tail)        (the push)           enter(tail - head)
//!   full fence                              store(submitting, false)
//!   submitting?  → leave the entries        full fence
//!                                           tail != head?  → once more
//! ```
//!
//! Either the one sees `submitting` cleared, and submits itself, or the other sees the tail. The
//! count is always tail less head, read by the one thread that makes the head move: so the kernel
//! is shown whole groups. It never waits for completions there: whoever leaves entries to it leaves
//! them to a thread that comes back.

use super::inner::{Inner, add};
use crate::abi::EnterFlags;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::sync::{Ordering, fence};

/// What became of a thread's entries: see [`SharedRing::submit`](crate::SharedRing::submit).
///
/// ```
/// use annulus_ring::{SharedRing, Submitted};
/// let ring = SharedRing::new(8)?;
/// ring.nop(1)?;
/// assert_eq!(ring.submit()?, Submitted::Taken(1));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "an entry may be left to another thread"]
pub enum Submitted {
    /// The kernel has taken everything that was queued; this call gave it so many. 0 says that
    /// another thread's call had them taken, or that there was nothing.
    Taken(u32),
    /// Another thread is submitting (or is there to submit): the entries are left to it, and it
    /// takes them along.
    Left,
}

impl<K: Kernel> Inner<K> {
    /// Submits, or has the ring's own thread do it.
    #[inline]
    pub(super) fn submit(&self) -> Result<Submitted> {
        self.check()?;
        match &self.hand_over {
            None => self.submit_here(),
            Some(hand_over) => {
                self.told()?;
                if self.indices.queued() == 0 {
                    return Ok(Submitted::Taken(0));
                }
                hand_over.request();
                Ok(Submitted::Left)
            }
        }
    }

    /// Submits from this thread.
    pub(super) fn submit_here(&self) -> Result<Submitted> {
        let (mut taken, mut entered) = (0, false);
        // Each turn has seen entries that were pushed after the one before.
        loop {
            // Before the first turn it pairs, between this thread's store of the tail and its look
            // at `submitting`, with the same fence of who submits, between its store of
            // `submitting` and its look at the tail: which is what it is before every other turn.
            #[cfg(not(seeded_bug = "shared_leave_no_fence"))]
            fence(Ordering::SeqCst);
            if entered {
                self.make_room_known();
            }
            if self.indices.queued() == 0 {
                return Ok(Submitted::Taken(taken));
            }
            // Acquire: pairs with the release below: what the last one did there comes before.
            let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
            if self.submitting.compare_exchange(false, true, acquire, relaxed).is_err() {
                return Ok(if taken == 0 { Submitted::Left } else { Submitted::Taken(taken) });
            }
            let answer = self.enter_with_entries();
            // Release: pairs with the acquire above, and by the fence with the look of who leaves.
            self.submitting.store(false, Ordering::Release);
            entered = true;
            match answer {
                Ok(count) if count > 0 => taken += count,
                Err(Errno::EINTR) => {}
                Ok(_) => return self.not_submitted(Errno::EAGAIN),
                Err(errno) => return self.not_submitted(errno),
            }
        }
    }

    /// Shows the kernel all that is queued; alone.
    fn enter_with_entries(&self) -> core::result::Result<u32, Errno> {
        let (before, count) = (self.indices.head(), self.indices.queued());
        if count == 0 {
            // Somebody else's turn came between.
            return Err(Errno::EINTR);
        }
        let answer = self.enter(count, 0, EnterFlags::empty());
        // By the kernel's own index, which only this thread can have made move.
        add(&self.counts.submitted, self.indices.head().wrapping_sub(before).into());
        answer
    }

    /// What was not taken stays queued, whoever pushed it.
    #[cold]
    fn not_submitted(&self, errno: Errno) -> Result<Submitted> {
        // Pairs with the fence in `sleep_for_room`.
        fence(Ordering::SeqCst);
        self.make_room_known();
        Err(Error::enter(errno, self.indices.queued()))
    }
}
