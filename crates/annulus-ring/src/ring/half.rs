//! A ring in two halves, each with an owner of its own.

use core::marker::PhantomData;
use std::sync::Arc;

use super::{Movable, RingOf};
use crate::abi::{Cqe, Sqe};
use crate::cq::{CompletionQueue, Completions, OwnCq};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::{CqeKind, SqeKind};
use crate::linux::Linux;
use crate::sq::{OwnSq, SubmissionQueue};
use crate::submitter::Submitter;
use crate::wait::Wait;

/// The half that pushes and submits: see [`Ring::split`](RingOf::split).
///
/// ```
/// use annulus_ring::{Ring, op};
/// let (mut submission, mut completion) = Ring::new(8)?.split();
/// let pusher = std::thread::spawn(move || {
///     // SAFETY: a NOP points to nothing.
///     unsafe { submission.queue().push(op::Nop::new()) }?;
///     submission.submit()
/// });
/// completion.wait(1)?;
/// assert_eq!(completion.completions()?.count(), 1);
/// assert_eq!(pusher.join().unwrap()?, 1);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct SubmissionHalf<S: SqeKind = Sqe, K: Kernel = Linux> {
    sq: OwnSq<S>,
    submitter: Submitter<Arc<K>>,
}

/// The half that waits for completions and takes them: see [`Ring::split`](RingOf::split).
#[derive(Debug)]
pub struct CompletionHalf<C: CqeKind = Cqe, K: Kernel = Linux> {
    cq: OwnCq<C>,
    submitter: Submitter<Arc<K>>,
}

/// Both halves of a ring, or of two.
pub type Halves<S, C, K> = (SubmissionHalf<S, K>, CompletionHalf<C, K>);

/// What both halves are together.
type Whole<S, C, K> = RingOf<Movable, S, C, K>;

impl<S: SqeKind, C: CqeKind, K: Kernel> RingOf<Movable, S, C, K> {
    /// Splits the ring into a half that submits and a half that takes completions, for two owners.
    /// The ring lives until both are dropped.
    ///
    /// Not for a ring whose completions appear only when its submitter enters (`SINGLE_ISSUER` with
    /// `DEFER_TASKRUN`), which a movable ring never is.
    ///
    /// ```
    /// let (submission, completion) = annulus_ring::Ring::new(8)?.split();
    /// drop(submission);
    /// assert_eq!(completion.len(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn split(self) -> Halves<S, C, K> {
        let submitter = self.submitter.map_kernel(Arc::new);
        (
            SubmissionHalf { sq: self.sq, submitter: submitter.duplicate() },
            CompletionHalf { cq: self.cq, submitter },
        )
    }
}

impl<S: SqeKind, K: Kernel> SubmissionHalf<S, K> {
    /// The queue, for pushing.
    ///
    /// ```
    /// let (mut submission, _completion) = annulus_ring::Ring::new(8)?.split();
    /// assert_eq!(submission.queue().space_left(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn queue(&mut self) -> &mut SubmissionQueue<S> {
        &mut self.sq
    }

    /// Submits: see [`Ring::submit`](RingOf::submit).
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// let (mut submission, _completion) = annulus_ring::Ring::new(8)?.split();
    /// assert_eq!(submission.submit()?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn submit(&mut self) -> Result<u32> {
        self.submitter.submit_own(&self.sq)
    }

    /// The way into the kernel.
    ///
    /// ```
    /// let (submission, _completion) = annulus_ring::Ring::new(8)?.split();
    /// submission.submitter().get_events()?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn submitter(&self) -> &Submitter<Arc<K>> {
        &self.submitter
    }

    /// Puts the halves of one ring together again; gives them back if they are not of one ring.
    ///
    /// # Errors
    /// Both halves, unchanged.
    ///
    /// ```
    /// let (submission, completion) = annulus_ring::Ring::new(8)?.split();
    /// let ring = submission.unsplit(completion).unwrap();
    /// assert_eq!(ring.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[allow(clippy::result_large_err, reason = "both halves are what the caller needs back")]
    pub fn unsplit<C: CqeKind>(
        self,
        other: CompletionHalf<C, K>,
    ) -> core::result::Result<Whole<S, C, K>, Halves<S, C, K>> {
        if !Arc::ptr_eq(&self.submitter.kernel, &other.submitter.kernel) {
            return Err((self, other));
        }
        let Self { sq, submitter } = self;
        let CompletionHalf { cq, submitter: second } = other;
        drop(second);
        // No other clone is ever made of the two that `split` made.
        let whole = submitter.map_kernel(|k| Arc::into_inner(k).expect("the halves are two"));
        Ok(RingOf { sq, cq, submitter: whole, place: PhantomData })
    }
}

impl<C: CqeKind, K: Kernel> CompletionHalf<C, K> {
    /// The completions that are there; enters the kernel if none is but some wait there. See
    /// [`Ring::completions`](RingOf::completions).
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// let (_submission, mut completion) = annulus_ring::Ring::new(8)?.split();
    /// assert_eq!(completion.completions()?.count(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn completions(&mut self) -> Result<Completions<'_, C>> {
        self.cq.completions_or(|| self.submitter.flush())
    }

    /// The queue itself.
    ///
    /// ```
    /// let (_submission, mut completion) = annulus_ring::Ring::new(8)?.split();
    /// assert!(completion.queue().is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn queue(&mut self) -> &mut CompletionQueue<C> {
        &mut self.cq
    }

    /// How many completions are in the queue.
    ///
    /// ```
    /// let (_submission, completion) = annulus_ring::Ring::new(8)?.split();
    /// assert_eq!(completion.len(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn len(&self) -> u32 {
        self.cq.len()
    }

    /// Whether no completion is in the queue.
    ///
    /// ```
    /// let (_submission, completion) = annulus_ring::Ring::new(8)?.split();
    /// assert!(completion.is_empty());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.cq.is_empty()
    }

    /// The way into the kernel: for registrations.
    ///
    /// ```
    /// let (_submission, completion) = annulus_ring::Ring::new(8)?.split();
    /// assert!(completion.submitter().register().probe()?.supported().count() > 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn submitter(&self) -> &Submitter<Arc<K>> {
        &self.submitter
    }

    /// Waits until `want` completions are in the queue.
    ///
    /// # Errors
    /// As [`wait_with`](Self::wait_with).
    ///
    /// ```
    /// let (_submission, mut completion) = annulus_ring::Ring::new(8)?.split();
    /// completion.wait(0)?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn wait(&mut self, want: u32) -> Result<()> {
        self.submitter.wait_with(want, &Wait::new())
    }

    /// Waits as `wait` says.
    ///
    /// # Errors
    /// As [`Ring::submit_and_wait_with`](RingOf::submit_and_wait_with), where nothing is submitted.
    ///
    /// ```
    /// use annulus_ring::{Ring, Wait};
    /// use std::time::Duration;
    /// let (_submission, mut completion) = Ring::new(8)?.split();
    /// let wait = Wait::new().timeout(Duration::from_millis(1));
    /// assert!(completion.wait_with(1, &wait).unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn wait_with(&mut self, want: u32, wait: &Wait) -> Result<()> {
        self.submitter.wait_with(want, wait)
    }
}
