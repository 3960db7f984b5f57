//! Who enters the kernel with entries.
//!
//! Every enter offers all that is shown (the kernel looks at the tail once, under its own lock), so
//! any number of threads may enter, and none cuts a group. But one enter for the entries of many is
//! cheaper: so one thread *submits*, as `submitting` says. A thread that finds it set leaves its
//! entries to that one, and goes on. None is stranded:
//!
//! ```text
//! who leaves                              who submits
//!   store(tail)        (the push)           enter
//!   full fence                              store(submitting, false)
//!   submitting?  → leave the entries        full fence
//!                                           tail != head?  → once more
//! ```
//!
//! Either the one sees `submitting` cleared, and submits itself, or the other sees the tail.
//!
//! Nobody is held here for long by the entries of others: after [`TURNS`] turns `submitting` stays
//! clear, and one more enter takes what was left before; who comes now submits for itself. And
//! nobody who is about to sleep, for completions or for room, leaves anything: it enters itself, as
//! the one that submits may not run for a while. No enter here waits for completions, or is made
//! under a lock.

use super::inner::Inner;
use crate::abi::EnterFlags;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::sync::{Ordering, fence};

/// How many turns a thread takes at most: in all but the first it submits what others left.
const TURNS: u32 = if cfg!(loom) { 2 } else { 8 };

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
    /// The kernel has taken everything that was queued when this was called; this call gave it so
    /// many entries. 0 says that another thread's call had them taken, or that there was nothing.
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
        if self.hand_over.is_some() {
            self.told()?;
        }
        self.submit_or_ask()
    }

    /// As [`submit`](Self::submit), without telling of an error that was kept.
    #[inline]
    pub(super) fn submit_or_ask(&self) -> Result<Submitted> {
        match &self.hand_over {
            None => self.submit_here(),
            Some(_) if self.indices.queued() == 0 => Ok(Submitted::Taken(0)),
            Some(hand_over) => {
                hand_over.request();
                Ok(Submitted::Left)
            }
        }
    }

    /// Submits from this thread.
    pub(super) fn submit_here(&self) -> Result<Submitted> {
        let mut taken = 0;
        // Each turn sees entries that were pushed after the one before.
        for _ in 0..TURNS {
            if self.indices.queued() == 0 {
                return Ok(Submitted::Taken(taken));
            }
            if !self.begin() {
                return Ok(if taken == 0 { Submitted::Left } else { Submitted::Taken(taken) });
            }
            let answer = self.enter_with_all();
            // Release: pairs with the acquire in `begin`, and by the fence with the look of who
            // leaves.
            self.submitting.store(false, Ordering::Release);
            // Pairs with the fence in `begin`.
            fence(Ordering::SeqCst);
            match answer {
                Err(Errno::EINTR) => {}
                Ok(count) => taken += count,
                Err(errno) => return Err(self.not_submitted(errno)),
            }
        }
        // Nobody leaves anything to this thread any more; what was left is what is there now.
        Ok(Submitted::Taken(taken + self.flush()?))
    }

    /// Whether this thread is to submit; if not, another does, and sees what was pushed before.
    #[inline]
    fn begin(&self) -> bool {
        let begin = || {
            // Acquire: pairs with the release of the one before: what it did comes before.
            let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
            self.submitting.compare_exchange(false, true, acquire, relaxed).is_ok()
        };
        if begin() {
            return true;
        }
        // Pairs, between this thread's store of the tail and its second look, with the fence of who
        // submits, between its store of `submitting` and its look at the tail.
        #[cfg(not(seeded_bug = "shared_leave_no_fence"))]
        fence(Ordering::SeqCst);
        begin()
    }

    /// Has the kernel take what is queued now, whoever else submits; how many it took here.
    pub(super) fn flush(&self) -> Result<u32> {
        let end = self.indices.tail();
        let mut taken = 0;
        // A distance, as a signed number: others may have gone beyond. Each turn is an entry more
        // that stopped the kernel short, or a signal that was delivered.
        while (end.wrapping_sub(self.indices.head()) as i32) > 0 {
            match self.enter_with_all() {
                Err(Errno::EINTR) => {}
                Ok(count) => taken += count,
                Err(errno) => return Err(self.not_submitted(errno)),
            }
        }
        Ok(taken)
    }

    /// Offers the kernel as many entries as the queue may hold: it takes those that it finds shown.
    /// Any smaller number could end inside a group, once two enter at the same time.
    ///
    /// None, without an error, where another thread had them taken meanwhile.
    fn enter_with_all(&self) -> core::result::Result<u32, Errno> {
        let before = self.indices.head();
        let were_there = self.indices.tail() != before;
        match self.enter(self.entries, 0, EnterFlags::empty()) {
            // Nobody had them taken: a kernel that says so would be asked for ever.
            Ok(0) if were_there && self.indices.head() == before => Err(Errno::EAGAIN),
            answer => answer,
        }
    }

    /// What was not taken stays queued, whoever pushed it.
    #[cold]
    pub(super) fn not_submitted(&self, errno: Errno) -> Error {
        Error::enter(self.submitter.kernel.is_linux(), errno, self.indices.queued())
    }
}
