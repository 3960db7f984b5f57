//! [`Operation`]: resources go in, an entry comes out; a completion goes in, a result comes out.
//!
//! Each operation is written once, and works wherever a reactor drives it: the engine's, on a
//! thread of its own, and the runtime's.
//!
//! ```text
//!            Operation (owns file, buffer, path, …)
//!   attempt ──────────────────────────────────────────────▶ done at once, on this thread
//!      │ not so
//!      ▼
//!   a slot, where it stays in place ── entry ──▶ ring ──▶ completion ── advance ─┐
//!                                        ▲                                      │ goes on
//!                                        └──────────────────────────────────────┘
//!                                                     │ is over
//!                               somebody waits? ── yes ──▶ complete: the result
//!                                                └─ no ──▶ reclaim: nothing is lost
//! ```

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, Sqe};

/// Who ended an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The kernel, by a completion or by a call.
    Kernel,
    /// Somebody cancelled it: its future was dropped, or `cancel` was called.
    Cancelled,
    /// Its deadline.
    Deadline,
    /// The engine was shut down. Nothing was begun, or what was begun was cancelled.
    Closed,
    /// This process is a child of the one that made the engine. Nothing was begun.
    Forked,
}

/// What became of an operation.
///
/// ```
/// use annulus_runtime::operation::{Completion, Origin};
/// let read = Completion::new(Ok(512));
/// assert_eq!((read.result, read.origin), (Ok(512), Origin::Kernel));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Completion {
    /// The count, descriptor or other number that the operation returns; or why it failed.
    pub result: Result<u32, Errno>,
    /// The completion's flags.
    pub flags: CqeFlags,
    /// Who ended it.
    pub origin: Origin,
}

impl Completion {
    /// One of the kernel's, without flags.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let failed = annulus_runtime::operation::Completion::new(Err(Errno::EIO));
    /// assert_eq!(failed.result, Err(Errno::EIO));
    /// ```
    #[inline]
    pub fn new(result: Result<u32, Errno>) -> Self {
        Self { result, flags: CqeFlags::empty(), origin: Origin::Kernel }
    }

    /// One that did not happen: `ECANCELED`, and why.
    pub(crate) fn refused(origin: Origin) -> Self {
        Self { result: Err(Errno::ECANCELED), flags: CqeFlags::empty(), origin }
    }
}

/// What a completion means for an operation that may take several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// It is over.
    Finished,
    /// There is more to do: its next [`entry`](Operation::entry) is to be submitted.
    Again,
}

/// One operation, with all that it needs.
///
/// # Safety
/// Whoever implements it promises:
/// - What its entry points to belongs to it (or to the program for good): memory of its own, a
///   buffer, a path. It stays valid, in place and unused by others, from [`entry`](Self::entry) on
///   until the operation is completed or reclaimed, whatever happens in between; `self` itself is
///   not moved in that time, and may be pointed to.
/// - The descriptor in its entry is kept open by it, and is the entry's to use.
/// - Beyond that, submitting its entry does no harm to memory: it closes no descriptor, registers
///   or gives up no memory that is not its own.
pub unsafe trait Operation: 'static {
    /// What whoever waits is given.
    type Output;

    /// Whether [`advance`](Self::advance) must be asked: one completion is the end otherwise.
    const ADVANCES: bool = false;

    /// Whether [`attempt`](Self::attempt) does anything.
    const MAY_ATTEMPT: bool = false;

    /// Does it at once on this thread if that cannot block: what is in the page cache is copied for
    /// a tenth of what a hand-over costs.
    ///
    /// `None` sends it to the ring. What was done until then is kept in `self`.
    #[inline]
    fn attempt(&mut self) -> Option<Completion> {
        None
    }

    /// The entry of what is to be done now.
    fn entry(&mut self) -> Sqe;

    /// Takes note of a completion; where it goes on, [`entry`](Self::entry) is asked again. What it
    /// changes `completion` to is what [`complete`](Self::complete) gets.
    #[inline]
    fn advance(&mut self, completion: &mut Completion) -> Advance {
        let _ = completion;
        Advance::Finished
    }

    /// The result, with the resources that are the caller's again.
    fn complete(self, completion: Completion) -> Self::Output;

    /// Takes care of a result that nobody waits for: a descriptor is closed, a pool's buffer given
    /// back. There is no default: whoever writes an operation must have thought of it.
    fn reclaim(self, completion: Completion);
}
