//! The ring of one owner: [`LocalRing`], which stays on its thread, and [`Ring`], which may move
//! and be split. Two types over one code.

mod half;
mod resize;

pub use half::{CompletionHalf, Halves, SubmissionHalf};

use core::fmt;
use core::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use crate::abi::{Cqe, Features, Params, SetupFlags, Sqe};
use crate::cq::{CompletionQueue, Completions, OwnCq};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::{Kernel, Pollable, RingMemory, SetUp};
use crate::layout::{CqeKind, SqeKind};
use crate::linux::Linux;
use crate::sq::{OwnSq, Reserved, SubmissionQueue};
use crate::submitter::{Submitter, WaitIndex, Words};
use crate::wait::Wait;

/// A ring that stays on its thread: the leanest there is, and what to use unless a ring must move.
///
/// Made with `SINGLE_ISSUER | DEFER_TASKRUN | TASKRUN_FLAG` (Linux 6.1): nothing interrupts the
/// thread, completions are posted when it waits, and the ring's descriptor is registered with the
/// thread, so that entering it looks nothing up. It is not `Send`. To make one for another thread,
/// see [`Builder::build_parked`](crate::Builder::build_parked).
///
/// epoll on its descriptor would never fire, so it has no [`AsFd`]: register an eventfd instead.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// use std::{fs::File, os::fd::AsRawFd};
///
/// let file = File::open("/proc/self/comm")?;
/// let mut buf = vec![0u8; 64];
/// let mut ring = LocalRing::new(8)?;
/// let read = op::Nop::new().build().user_data(1);
/// // SAFETY: a NOP points to nothing.
/// unsafe { ring.push(read)? };
/// ring.submit_and_wait(1)?;
/// for cqe in ring.completions()? {
///     assert_eq!((cqe.user_data, cqe.result()), (1, Ok(0)));
/// }
/// # let _ = (file.as_raw_fd(), &mut buf);
/// # Ok::<(), std::io::Error>(())
/// ```
pub type LocalRing<S = Sqe, C = Cqe> = RingOf<Local, S, C, Linux>;

/// A ring that may move between threads, and be split into two halves with an owner each.
///
/// One thread at a time pushes and submits, one at a time takes completions; with
/// [`split`](RingOf::split) these may be two. For many threads there is `SharedRing`, above this.
///
/// ```
/// use annulus_ring::{Ring, op};
/// let mut ring = Ring::new(8)?;
/// let ring = std::thread::spawn(move || {
///     // SAFETY: a NOP points to nothing.
///     unsafe { ring.push(op::Nop::new()) }?;
///     ring.submit_and_wait(1)?;
///     Ok::<_, annulus_ring::Error>(ring)
/// });
/// let mut ring = ring.join().unwrap()?;
/// assert_eq!(ring.completions()?.count(), 1);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
pub type Ring<S = Sqe, C = Cqe> = RingOf<Movable, S, C, Linux>;

/// That a ring stays on its thread.
#[derive(Clone, Copy, Debug)]
pub struct Local(PhantomData<*mut ()>);

/// That a ring may move between threads.
#[derive(Clone, Copy, Debug)]
pub struct Movable(());

/// Where a ring may be used: [`Local`] or [`Movable`].
pub trait Place: sealed::Place {
    /// Whether the ring stays on the thread that enabled it.
    const LOCAL: bool;
}

mod sealed {
    pub trait Place {}
    impl Place for super::Local {}
    impl Place for super::Movable {}
}

impl Place for Local {
    const LOCAL: bool = true;
}

impl Place for Movable {
    const LOCAL: bool = false;
}

/// What [`LocalRing`] and [`Ring`] are, of any kernel: a submission queue, a completion queue and
/// the way into the kernel, with one owner.
///
/// # When it is dropped
/// The ring is closed at once and **nothing is waited for**. Entries that were pushed but not
/// submitted are never seen by the kernel. Operations in flight are cancelled where they can be,
/// some time later, and those that cannot (a read from a disk) go on: the kernel may write to
/// *their* buffers after the drop returned. So whoever pushed an entry keeps its buffer until its
/// completion was seen, or for ever; that is the promise `push` asks for. The ring's own memory is
/// a mapping of its own and never heap, so a completion that is still posted hits nobody.
///
/// # In a child of `fork(2)`
/// The child shares the queues with its parent, so there every use is an error
/// ([`is_forked`](crate::Error::is_forked)) before anything is touched, and dropping does nothing.
pub struct RingOf<P: Place, S: SqeKind, C: CqeKind, K: Kernel> {
    // The queues point into memory that the submitter's kernel keeps: nothing of theirs runs at
    // drop, so the order does not matter.
    sq: OwnSq<S>,
    cq: OwnCq<C>,
    submitter: Submitter<K>,
    place: PhantomData<P>,
}

// SAFETY: its parts may move: the queues say so, the kernel does by the bound. `Movable` rings were
// made without what ties a ring to a thread (the builder refuses it).
unsafe impl<S: SqeKind, C: CqeKind, K: Kernel + Send> Send for RingOf<Movable, S, C, K> {}

impl<P: Place, S: SqeKind, C: CqeKind, K: Kernel> RingOf<P, S, C, K> {
    /// Makes a ring of a kernel and the memory shared with it: what the
    /// [`Builder`](crate::BuilderOf) does, for kernels that are made otherwise.
    ///
    /// # Safety
    /// - `memory` is what `kernel` shares, of the entry kinds `S` and `C`, and nobody else produces
    ///   or consumes in it.
    /// - `params` says what the ring is; a [`Movable`] one is not tied to a thread.
    pub unsafe fn from_parts(kernel: K, memory: RingMemory<S, C::Slot>, params: Params) -> Self {
        // SAFETY: the kernel keeps the memory as long as it lives, which is as long as the ring;
        // the ring is the only producer (the caller's promise).
        let sq = unsafe { OwnSq::new(&memory.sq) };
        // SAFETY: as above; the ring is the only consumer.
        let cq = unsafe { OwnCq::new(&memory.cq) };
        let submitter = Submitter::new(kernel, params, Words::of(&sq, &cq));
        Self { sq, cq, submitter, place: PhantomData }
    }

    /// The three parts, to be kept together by another owner: the queues before the submitter,
    /// whose kernel keeps their memory.
    pub(crate) fn into_parts(self) -> (OwnSq<S>, OwnCq<C>, Submitter<K>) {
        let Self { sq, cq, submitter, .. } = self;
        (sq, cq, submitter)
    }

    /// The three parts, each by itself: to push entries while walking completions.
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// let (sq, cq, submitter) = ring.parts();
    /// assert!(sq.is_empty() && cq.is_empty());
    /// assert_eq!(submitter.submit(sq)?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub fn parts(&mut self) -> (&mut SubmissionQueue<S>, &mut CompletionQueue<C>, &Submitter<K>) {
        (&mut self.sq, &mut self.cq, &self.submitter)
    }

    /// Queues one entry: see [`SubmissionQueue::push`].
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
    /// [`is_queue_full`](crate::Error::is_queue_full): submit first.
    /// [`is_forked`](crate::Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// assert_eq!(ring.submit()?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub unsafe fn push(&mut self, entry: impl Into<S>) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.sq.push(entry) }
    }

    /// Queues all of `entries`, or none: see [`SubmissionQueue::push_all`].
    ///
    /// # Safety
    /// - As [`push`](Self::push), for each.
    ///
    /// # Errors
    /// As [`push`](Self::push); nothing is queued then.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push_all(&[op::Nop::new().build(); 3])? };
    /// assert_eq!(ring.submit()?, 3);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub unsafe fn push_all(&mut self, entries: &[S]) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.sq.push_all(entries) }
    }

    /// Room for `count` entries that go together: see [`SubmissionQueue::reserve`].
    ///
    /// # Errors
    /// As [`push`](Self::push): all `count` fit, or none.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// let room = ring.reserve(2)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { room.fill(|_| op::Nop::new()) };
    /// assert_eq!(ring.submit_and_wait(2)?, 2);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline(always)]
    pub fn reserve(&mut self, count: u32) -> Result<Reserved<'_, S>> {
        self.sq.reserve(count)
    }

    /// The next entry, in place: see [`SubmissionQueue::next_sqe`].
    ///
    /// # Safety
    /// - As [`push`](Self::push), for what is written there.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// // SAFETY: the entry stays a NOP.
    /// unsafe { ring.next_sqe()? }.user_data = 4;
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.next().unwrap().user_data, 4);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_get_sqe")]
    #[inline]
    pub unsafe fn next_sqe(&mut self) -> Result<&mut S> {
        // SAFETY: the caller's promise.
        unsafe { self.sq.next_sqe() }
    }

    /// Shows the kernel what was pushed, and enters it if there is a reason to: entries to take, or
    /// completions that wait for it.
    ///
    /// Returns what the kernel said: how many entries it took. Fewer than were pushed is not an
    /// error: the rest stays queued ([`sq_len`](Self::sq_len)) and goes with the next submit. With
    /// `SUBMIT_ALL` (the default) a bad entry is taken too, and its completion says why.
    ///
    /// # Errors
    /// What was not taken stays queued ([`queued`](crate::Error::queued) says how many), and what
    /// it points to must stay valid.
    /// - `EAGAIN`, `EBUSY` ([`is_busy`](crate::Error::is_busy)): take completions, then retry.
    /// - `EEXIST` ([`is_wrong_thread`](crate::Error::is_wrong_thread)): the ring is another
    ///   thread's.
    /// - `EBADFD`: the ring is still disabled.
    /// - [`is_forked`](crate::Error::is_forked): the ring is the parent's.
    ///
    /// See `io_uring_enter(2)`, <https://man7.org/linux/man-pages/man2/io_uring_enter.2.html>.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// assert_eq!(ring.submit()?, 0);
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// assert_eq!(ring.submit()?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_submit")]
    #[inline(always)]
    pub fn submit(&mut self) -> Result<u32> {
        self.submitter.submit_own(&self.sq)
    }

    /// Submits, then waits until `want` completions are in the queue.
    ///
    /// Returns how many entries were taken. It may return with fewer completions than wanted: a
    /// timeout operation's completion ends the wait, and so does a submit that came short. A signal
    /// does so only where at least one completion is there:
    /// [`submit_and_wait_with`](Self::submit_and_wait_with) can be asked to let signals end it.
    ///
    /// # Errors
    /// As [`submit`](Self::submit).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// assert_eq!(ring.submit_and_wait(1)?, 1);
    /// assert_eq!(ring.cq_len(), 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_submit_and_wait")]
    #[inline(always)]
    pub fn submit_and_wait(&mut self, want: u32) -> Result<u32> {
        self.submitter.submit_and_wait_own(&self.sq, want)
    }

    /// Submits, then waits as `wait` says: with a time limit, a minimum time, a signal mask.
    ///
    /// # Errors
    /// As [`submit`](Self::submit); and, only if nothing was taken,
    /// - `ETIME` ([`is_timeout`](crate::Error::is_timeout)): the time was up.
    /// - `EINTR` ([`is_interrupted`](crate::Error::is_interrupted)): a signal, where `wait` lets
    ///   one.
    /// - `EINVAL`: this kernel has not what `wait` asks for.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait};
    /// use std::time::Duration;
    /// let mut ring = LocalRing::new(8)?;
    /// let wait = Wait::new().timeout(Duration::from_millis(1));
    /// assert!(ring.submit_and_wait_with(1, &wait).unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_submit_and_wait_timeout")]
    pub fn submit_and_wait_with(&mut self, want: u32, wait: &Wait) -> Result<u32> {
        self.submitter.submit_and_wait_with(&mut self.sq, want, wait)
    }

    /// Submits, then waits as place `index` of the registered wait region says: see
    /// [`Submitter::submit_and_wait_registered`].
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, WaitIndex};
    /// // Without a region there is no such place.
    /// assert!(LocalRing::new(8)?.submit_and_wait_registered(1, WaitIndex(0)).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn submit_and_wait_registered(&mut self, want: u32, index: WaitIndex) -> Result<u32> {
        self.submitter.submit_and_wait_registered(&mut self.sq, want, index)
    }

    /// The completions that are there, oldest first. If none is, but some wait outside the queue
    /// (it had overflowed) or for the thread to run task work, the kernel is entered to bring them.
    ///
    /// What was taken from the iterator goes back to the kernel when the iterator is dropped. An
    /// iterator that is forgotten gives nothing back: its completions come again.
    ///
    /// # Errors
    /// [`is_forked`](crate::Error::is_forked); where the kernel is entered, as
    /// [`submit`](Self::submit).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, op};
    /// let mut ring = LocalRing::new(8)?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new().build().user_data(2))? };
    /// ring.submit_and_wait(1)?;
    /// let seen: Vec<u64> = ring.completions()?.map(|cqe| cqe.user_data).collect();
    /// assert_eq!(seen, [2]);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_peek_cqe")]
    #[doc(alias = "io_uring_for_each_cqe")]
    #[inline(always)]
    pub fn completions(&mut self) -> Result<Completions<'_, C>> {
        self.cq.completions_or(|| self.submitter.flush())
    }

    /// How many entries the kernel has not taken yet.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.sq_len(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_sq_ready")]
    #[inline]
    pub fn sq_len(&self) -> u32 {
        self.sq.len()
    }

    /// How many entries can be pushed before the next submit.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.sq_space_left(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_sq_space_left")]
    #[inline]
    pub fn sq_space_left(&self) -> u32 {
        self.sq.space_left()
    }

    /// How many entries the submission queue has.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(3)?.sq_entries(), 4);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn sq_entries(&self) -> u32 {
        self.sq.capacity()
    }

    /// How many completions are in the queue.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.cq_len(), 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_cq_ready")]
    #[inline]
    pub fn cq_len(&self) -> u32 {
        self.cq.len()
    }

    /// How many slots the completion queue has.
    ///
    /// ```
    /// assert_eq!(annulus_ring::LocalRing::new(3)?.cq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn cq_entries(&self) -> u32 {
        self.cq.capacity()
    }

    /// Whether completions wait outside the full queue. Nothing is lost: taking what is there, then
    /// submitting or asking for [`completions`](Self::completions) again, brings them.
    ///
    /// ```
    /// assert!(!annulus_ring::LocalRing::new(8)?.has_overflow());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_cq_has_overflow")]
    pub fn has_overflow(&self) -> bool {
        self.sq.flags().contains(crate::abi::SqRingFlags::CQ_OVERFLOW)
    }

    /// What the kernel said it can do when the ring was made.
    ///
    /// ```
    /// use annulus_ring::abi::Features;
    /// assert!(annulus_ring::LocalRing::new(8)?.features().contains(Features::NODROP));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn features(&self) -> Features {
        self.submitter.params.features
    }

    /// How the ring was made: what was asked for, less what this kernel does not have of the
    /// defaults.
    ///
    /// ```
    /// use annulus_ring::abi::SetupFlags;
    /// assert!(annulus_ring::LocalRing::new(8)?.setup_flags().contains(SetupFlags::DEFER_TASKRUN));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn setup_flags(&self) -> SetupFlags {
        self.submitter.params.flags
    }

    /// The way into the kernel.
    ///
    /// ```
    /// annulus_ring::LocalRing::new(8)?.submitter().get_events()?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn submitter(&self) -> &Submitter<K> {
        &self.submitter
    }

    /// The kernel that answers.
    ///
    /// ```
    /// use annulus_ring::kernel::Kernel;
    /// assert!(annulus_ring::LocalRing::new(8)?.kernel().now().tv_sec >= 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn kernel(&self) -> &K {
        &self.submitter.kernel
    }

    /// The ring's descriptor: for other rings' entries (`MSG_RING`) and registrations. −1 for a
    /// ring that has none (`REGISTERED_FD_ONLY`, or a kernel that is not in the process's table).
    ///
    /// Not for `close`, and not for epoll on a [`LocalRing`], where it never fires.
    ///
    /// ```
    /// assert!(annulus_ring::LocalRing::new(8)?.raw_fd() >= 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn raw_fd(&self) -> RawFd {
        self.submitter.kernel.poll_fd().map_or(-1, |fd| fd.as_raw_fd())
    }
}

impl<P: Place, S: SqeKind, C: CqeKind, K: SetUp> RingOf<P, S, C, K> {
    /// Whether enters go through a registered index, which the kernel need not look up.
    ///
    /// ```
    /// # let expect = true; // the first ring of this thread
    /// assert_eq!(annulus_ring::LocalRing::new(8)?.is_descriptor_registered(), expect);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn is_descriptor_registered(&self) -> bool {
        self.submitter.kernel.is_descriptor_registered()
    }

    /// The kernel, to change.
    pub(crate) fn kernel_mut(&mut self) -> &mut K {
        &mut self.submitter.kernel
    }
}

impl<S: SqeKind, C: CqeKind, K: SetUp> RingOf<Local, S, C, K> {
    /// Closes the ring's descriptor: from here on its registered index alone names it, and it
    /// counts no more against the limit on open files (Linux 6.3).
    ///
    /// What needs a descriptor is gone then: [`raw_fd`](Self::raw_fd) is −1, other rings cannot
    /// send it messages, and it cannot be resized.
    ///
    /// # Errors
    /// `EINVAL` where there is no registered index (a 17th ring of the thread), `EOPNOTSUPP` where
    /// the kernel cannot register through one: the descriptor stays open, and the ring works on.
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::Features, op};
    /// let mut ring = LocalRing::new(8)?;
    /// # if !ring.features().contains(Features::REG_REG_RING) { return Ok(()); }
    /// ring.close_descriptor()?;
    /// assert_eq!(ring.raw_fd(), -1);
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// assert_eq!(ring.submit_and_wait(1)?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_close_ring_fd")]
    pub fn close_descriptor(&mut self) -> Result<()> {
        self.sq.check()?;
        if !self.features().contains(Features::REG_REG_RING) {
            return Err(Error::os(Errno::EOPNOTSUPP, "living by an index alone (Linux 6.3)"));
        }
        self.kernel_mut().close_descriptor()
    }
}

impl<S: SqeKind, C: CqeKind, K: Pollable> AsFd for RingOf<Movable, S, C, K> {
    /// For epoll and poll: readable while completions are there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // The builder refuses REGISTERED_FD_ONLY for it.
        self.submitter.kernel.poll_fd().expect("a movable ring has a descriptor")
    }
}

impl<P: Place, S: SqeKind, C: CqeKind, K: Kernel> fmt::Debug for RingOf<P, S, C, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(if P::LOCAL { "LocalRing" } else { "Ring" })
            .field("sq", &format_args!("{}/{}", self.sq.len(), self.sq.capacity()))
            .field("cq", &format_args!("{}/{}", self.cq.len(), self.cq.capacity()))
            .field("flags", &self.submitter.params.flags)
            .finish_non_exhaustive()
    }
}
