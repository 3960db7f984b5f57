//! [`SharedRing`]: the ring of many threads.
//!
//! | file | what |
//! | --- | --- |
//! | `inner` | both queues under their locks, and the words between them |
//! | `push`, `iovecs` | entries in; where the iovecs of vectored ones live |
//! | `submit` | who enters with entries; the others leave theirs to it |
//! | `take`, `wait` | completions out; who waits in the kernel and who in user space |
//! | `hand_over`, `thread` | the thread that submits for others |
//! | `ops`, `build`, `allow`, `counters` | what users see beside the ring itself |

mod allow;
mod build;
mod counters;
mod hand_over;
mod inner;
mod iovecs;
mod ops;
mod push;
mod submit;
mod take;
mod thread;
mod wait;

pub use allow::Allow;
pub use build::{SharedBuilder, SharedBuilderOf};
pub use counters::Counters;
pub use submit::Submitted;
pub use take::Batch;

use core::fmt;
use core::time::Duration;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use self::hand_over::HandOver;
use self::inner::Inner;
use crate::abi::{Cqe, SetupFlags, Sqe};
use crate::builder::BuilderOf;
use crate::error::{Error, Result};
use crate::kernel::{Kernel, Pollable, SetUp};
use crate::linux::Linux;
use crate::register::Register;
use crate::ring::{Movable, RingOf};
use crate::sync::thread::JoinHandle;

/// What a shared ring is not made with, and why.
const UNFIT: [(SetupFlags, &str); 4] = [
    (
        SetupFlags::SINGLE_ISSUER.union(SetupFlags::DEFER_TASKRUN),
        "a shared ring is every thread's: leave out single_issuer() and DEFER_TASKRUN",
    ),
    (
        SetupFlags::COOP_TASKRUN,
        "with coop_taskrun() a completion waits until the thread that submitted it enters the \
         kernel, which another thread cannot make it do",
    ),
    (
        SetupFlags::SQPOLL,
        "a shared ring submits from the threads that use it, or from one of its own \
         (submitter_thread()), not by SQPOLL",
    ),
    (
        SetupFlags::IOPOLL,
        "a shared ring waits for completions and does not poll for them: leave out iopoll()",
    ),
];

/// A ring that any thread submits to, and any thread takes completions from: all of it by `&self`.
///
/// For a program with threads of its own and one ring between them. Where each thread can have a
/// ring, a [`LocalRing`](crate::LocalRing) each is leaner; where one thread pushes and another one
/// waits, so are the halves of a [`Ring`](crate::Ring).
///
/// ```
/// use annulus_ring::SharedRing;
/// let ring = SharedRing::new(16)?;
/// std::thread::scope(|scope| {
///     for n in 0..3 {
///         let ring = &ring;
///         scope.spawn(move || {
///             ring.nop(n)?;
///             ring.submit()
///         });
///     }
///     let mut seen = Vec::new();
///     while seen.len() < 3 {
///         seen.extend(ring.wait()?.map(|cqe| cqe.user_data));
///     }
///     seen.sort();
///     assert_eq!(seen, [0, 1, 2]);
///     Ok::<(), annulus_ring::Error>(())
/// })?;
/// # Ok::<(), annulus_ring::Error>(())
/// ```
///
/// # Pushing and submitting
/// A push writes into the queue, under a short lock, and shows the entry to the kernel; from then
/// on *any* thread's submit takes it along. So keep what it points to valid from the push on. A
/// group ([`push_all`](Self::push_all)) is contiguous, and no submit cuts it: links are only for
/// groups. A full queue is no error: the push submits what is there, and goes on.
///
/// A thread that submits while another does leaves its entries to that one ([`Submitted::Left`]),
/// and need not wait: the other looks again before it goes (a few times; then it is let go, and who
/// comes submits for itself). A thread that is about to sleep, for completions or for room, leaves
/// nothing to others. If a system call fails, the thread that made it is told, with how many
/// entries are queued, its own or not; they stay queued, and the next submit or wait of any thread
/// sends them.
///
/// # Waiting
/// Many threads may wait; each completion goes to exactly one of them. One waits in the kernel, the
/// others in user space. None spins, and a completion wakes as many as there is work for.
///
/// # When a thread ends
/// Linux ties an operation to the thread that submitted it. **When that thread exits, the kernel
/// cancels what it has in flight**: those complete with `ECANCELED`, if they can be stopped. And an
/// operation that goes on in its submitting thread's name interrupts that thread's blocking calls:
/// `epoll_wait`, `nanosleep` and the like may return `EINTR` without any signal.
///
/// So submit from threads that live as long as their operations do. Where that is not so (a pool
/// that shrinks, a thread per request), let the ring submit from a thread of its own:
/// [`submitter_thread`](SharedBuilder::submitter_thread). Mind that a thread's entries may also be
/// left to *another* short-lived thread that submits at that moment.
///
/// # Costs
/// Beside what a [`Ring`](crate::Ring) costs: two atomic operations per push and per batch of
/// completions (the locks), a full fence per submit, and a futex call where a waiting thread has
/// to be woken.
///
/// # When it is dropped, and in a child of `fork(2)`
/// As [`RingOf`](crate::RingOf): nothing is waited for, and operations in flight may write to their
/// buffers afterwards. In a child every use is an error ([`is_forked`](Error::is_forked)) before
/// anything is touched, and dropping does nothing.
#[doc(alias = "URingContext")]
pub type SharedRing = SharedRingOf<Linux>;

/// What [`SharedRing`] is, of any kernel.
pub struct SharedRingOf<K: Kernel> {
    inner: Arc<Inner<K>>,
    /// The thread that submits, if it is not the callers.
    thread: Option<JoinHandle<()>>,
}

impl<K: SetUp> SharedRingOf<K> {
    /// A ring of `entries` submission entries, with the defaults of [`Builder`](crate::Builder).
    ///
    /// # Errors
    /// As [`Builder::build`](crate::Builder::build).
    ///
    /// ```
    /// assert_eq!(annulus_ring::SharedRing::new(8)?.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new(entries: u32) -> Result<Self>
    where
        K: Send + Sync + 'static,
    {
        BuilderOf::new().entries(entries).build_shared()
    }

    /// Every way to make one.
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::builder().entries(8).cq_entries(64).build()?;
    /// assert_eq!(ring.cq_entries(), 64);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn builder() -> SharedBuilderOf<K> {
        BuilderOf::new().into()
    }
}

impl<K: Kernel> SharedRingOf<K> {
    /// Shares a ring that had one owner.
    ///
    /// # Errors
    /// `EINVAL` for rings that are not every thread's (`SINGLE_ISSUER`, `DEFER_TASKRUN`,
    /// `COOP_TASKRUN`), or work otherwise (`SQPOLL`, `IOPOLL`).
    ///
    /// ```
    /// use annulus_ring::{Builder, Ring, SharedRing};
    /// let shared = SharedRing::from_ring(Ring::new(8)?)?;
    /// assert_eq!(shared.sq_entries(), 8);
    /// let polled = Builder::new().entries(8).iopoll().build()?;
    /// assert!(SharedRing::from_ring(polled).is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn from_ring(ring: RingOf<Movable, Sqe, Cqe, K>) -> Result<Self> {
        fit(ring.setup_flags())?;
        Ok(Self { inner: Arc::new(Inner::new(ring.into_parts(), None)), thread: None })
    }

    /// Shares a ring, with a thread of its own that submits: see
    /// [`submitter_thread`](SharedBuilder::submitter_thread).
    ///
    /// # Errors
    /// As [`from_ring`](Self::from_ring); `EAGAIN`: no thread left.
    ///
    /// ```
    /// use annulus_ring::{Ring, SharedRing, Submitted};
    /// let shared = SharedRing::with_thread(Ring::new(8)?)?;
    /// shared.nop(1)?;
    /// assert_eq!(shared.submit()?, Submitted::Left);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn with_thread(ring: RingOf<Movable, Sqe, Cqe, K>) -> Result<Self>
    where
        K: Send + Sync + 'static,
    {
        fit(ring.setup_flags())?;
        let inner = Arc::new(Inner::new(ring.into_parts(), Some(HandOver::new())));
        let thread = Some(thread::start(Arc::clone(&inner))?);
        Ok(Self { inner, thread })
    }

    /// Queues one entry, of any operation. If the queue is full, what is there is submitted first,
    /// and the push waits until there is room.
    ///
    /// # Safety
    /// - What the entry points to stays valid, and unaliased where the kernel writes, until its
    ///   (last) completion, or until the kernel has taken it where the operation says so. Any
    ///   thread's submit may give it to the kernel, from now on.
    /// - Its descriptor stays open until the kernel has taken it.
    /// - What it does beside reading and writing there is the caller's to do: as
    ///   [`Ring::push`](crate::RingOf::push).
    ///
    /// # Errors
    /// The entry is not queued then.
    /// - `EINVAL`: its `user_data` is `u64::MAX`, which is the ring's own; or it is linked to a
    ///   next one, which only [`push_all`](Self::push_all) keeps together.
    /// - [`is_busy`](Error::is_busy): the queue is full, and the kernel has been short of memory
    ///   (or its own queue of completions full) for a quarter of a second: take completions, and
    ///   push again.
    /// - [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, op};
    /// let ring = SharedRing::new(2)?;
    /// for n in 0..5 {
    ///     // SAFETY: a NOP points to nothing.
    ///     unsafe { ring.push(op::Nop::new().build().user_data(n))? }; // more than there are slots
    /// }
    /// ring.submit()?;
    /// let mut seen = 0;
    /// while seen < 5 {
    ///     seen += ring.wait()?.len();
    /// }
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub unsafe fn push(&self, entry: impl Into<Sqe>) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.inner.push(entry.into()) }
    }

    /// Queues all of `entries`, or none: contiguous, and given to the kernel by one submit,
    /// whatever other threads do. Links may join them; the last one has none.
    ///
    /// # Safety
    /// - As [`push`](Self::push), for each.
    ///
    /// # Errors
    /// As [`push`](Self::push); and `EINVAL`: the group is longer than the queue.
    ///
    /// ```
    /// use annulus_ring::{SharedRing, op};
    /// let ring = SharedRing::new(4)?;
    /// let nop = |n| op::Nop::new().build().user_data(n);
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push_all(&[nop(1).link(), nop(2)])? };
    /// ring.submit()?;
    /// let order: Vec<u64> = ring.wait()?.map(|cqe| cqe.user_data).collect();
    /// assert_eq!(order, [1, 2]);
    /// // SAFETY: as above.
    /// assert!(unsafe { ring.push_all(&[nop(3); 5]) }.is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub unsafe fn push_all(&self, entries: &[Sqe]) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.inner.push_all(entries) }
    }

    /// Has the kernel take what is queued, by whomever. It waits for no completion.
    ///
    /// # Errors
    /// What was not taken stays queued ([`queued`](Error::queued) says how many, this thread's or
    /// not), and goes with the next submit or wait of any thread. A thread that had
    /// [`left`](Submitted::Left) its entries is not told: the one that submits is.
    /// - `EAGAIN`, `EBUSY` ([`is_busy`](Error::is_busy)): take completions, then submit again. The
    ///   ring's own thread, if there is one, does so by itself.
    /// - `EBADFD`: the ring is still disabled.
    /// - [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, Submitted};
    /// let ring = SharedRing::new(8)?;
    /// assert_eq!(ring.submit()?, Submitted::Taken(0));
    /// ring.nop(1)?;
    /// assert_eq!(ring.submit()?, Submitted::Taken(1));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn submit(&self) -> Result<Submitted> {
        self.inner.submit()
    }

    /// Submits what is queued, waits for at least one completion, and takes what there is, up to
    /// 32. An empty batch says that the wait was ended by [`wake`](Self::wake).
    ///
    /// # Errors
    /// As [`submit`](Self::submit), if nothing is there to be taken. `EBADR`: the kernel had no
    /// memory for completions outside the full queue, and lost some.
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// ring.nop(5)?;
    /// assert_eq!(ring.wait()?.next().unwrap().user_data, 5);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn wait(&self) -> Result<Batch> {
        Batch::of(|out| self.inner.wait(out, None))
    }

    /// As [`wait`](Self::wait), no longer than `limit`.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); `ETIME` ([`is_timeout`](Error::is_timeout)): the time was up.
    ///
    /// ```
    /// use std::time::Duration;
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// assert!(ring.wait_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn wait_timeout(&self, limit: Duration) -> Result<Batch> {
        Batch::of(|out| self.inner.wait(out, Some(limit)))
    }

    /// As [`wait`](Self::wait), into memory of the caller's: how many came, 0 if it was woken. The
    /// leanest way, since nothing is copied twice.
    ///
    /// # Errors
    /// As [`wait`](Self::wait); `EINVAL`: `out` has no room.
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::Cqe};
    /// let ring = SharedRing::new(8)?;
    /// ring.nop(5)?;
    /// let mut out = [Cqe::default(); 64];
    /// assert_eq!(ring.wait_into(&mut out)?, 1);
    /// assert_eq!(out[0].user_data, 5);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn wait_into(&self, out: &mut [Cqe]) -> Result<usize> {
        self.inner.wait(out, None)
    }

    /// As [`wait_into`](Self::wait_into), no longer than `limit`.
    ///
    /// # Errors
    /// As [`wait_timeout`](Self::wait_timeout).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::Cqe};
    /// use std::time::Duration;
    /// let ring = SharedRing::new(8)?;
    /// let ended = ring.wait_into_timeout(&mut [Cqe::default()], Duration::from_millis(1));
    /// assert!(ended.unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn wait_into_timeout(&self, out: &mut [Cqe], limit: Duration) -> Result<usize> {
        self.inner.wait(out, Some(limit))
    }

    /// Takes what is there, up to 32, without waiting and without submitting. Where nothing is, but
    /// completions wait outside the full queue, the kernel is entered to bring them.
    ///
    /// # Errors
    /// As [`wait`](Self::wait).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// assert!(ring.peek()?.is_empty());
    /// ring.nop(5)?;
    /// ring.submit()?;
    /// assert_eq!(ring.peek()?.count(), 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn peek(&self) -> Result<Batch> {
        Batch::of(|out| self.inner.peek(out))
    }

    /// As [`peek`](Self::peek), into memory of the caller's: how many there were.
    ///
    /// # Errors
    /// As [`peek`](Self::peek).
    ///
    /// ```
    /// use annulus_ring::{SharedRing, abi::Cqe};
    /// let ring = SharedRing::new(8)?;
    /// assert_eq!(ring.peek_into(&mut [Cqe::default(); 4])?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn peek_into(&self, out: &mut [Cqe]) -> Result<usize> {
        self.inner.peek(out)
    }

    /// Ends one wait with nothing taken: one that is under way, else the next. So none is lost, and
    /// each ends one wait.
    ///
    /// It costs a futex call; where the only thread that waits is in the kernel, a NOP, however
    /// full the submission queue is.
    ///
    /// # Errors
    /// As [`push`](Self::push) and [`submit`](Self::submit), where a NOP is needed. The wait it was
    /// meant for then ends when the next completion comes.
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// std::thread::scope(|scope| {
    ///     let waiter = scope.spawn(|| ring.wait());
    ///     ring.wake()?;
    ///     assert!(waiter.join().unwrap()?.is_empty());
    ///     Ok::<(), annulus_ring::Error>(())
    /// })?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "add_nop")]
    pub fn wake(&self) -> Result<()> {
        self.inner.wake()
    }

    /// Ends every wait that is under way, and none that begins later.
    ///
    /// # Errors
    /// As [`wake`](Self::wake).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// ring.wake_all()?; // nobody waits
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn wake_all(&self) -> Result<()> {
        self.inner.wake_all()
    }

    /// What the ring has done so far.
    ///
    /// # Errors
    /// [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// assert_eq!(ring.counters()?.submitted, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn counters(&self) -> Result<Counters> {
        self.inner.check()?;
        Ok(self.inner.counters())
    }

    /// The ring's registrations.
    ///
    /// ```
    /// let ring = annulus_ring::SharedRing::new(8)?;
    /// ring.register().files_sparse(4)?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn register(&self) -> Register<'_, K> {
        self.inner.submitter.register()
    }

    /// How many entries the submission queue has.
    ///
    /// ```
    /// assert_eq!(annulus_ring::SharedRing::new(3)?.sq_entries(), 4);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn sq_entries(&self) -> u32 {
        self.inner.entries
    }

    /// How many slots the completion queue has.
    ///
    /// ```
    /// assert_eq!(annulus_ring::SharedRing::new(3)?.cq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn cq_entries(&self) -> u32 {
        self.inner.submitter.params.cq_entries
    }

    /// The kernel that answers.
    ///
    /// ```
    /// use annulus_ring::kernel::Kernel;
    /// assert!(annulus_ring::SharedRing::new(8)?.kernel().now().tv_sec >= 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn kernel(&self) -> &K {
        &self.inner.submitter.kernel
    }
}

/// Refuses what a shared ring is not.
fn fit(flags: SetupFlags) -> Result<()> {
    match UNFIT.iter().find(|(unfit, _)| flags.intersects(*unfit)) {
        None => Ok(()),
        Some((_, why)) => Err(Error::usage(why)),
    }
}

impl<K: Pollable> AsFd for SharedRingOf<K> {
    /// For epoll and poll: readable while completions are there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        // As every movable ring's: the builder refuses REGISTERED_FD_ONLY for it.
        self.inner.submitter.kernel.poll_fd().expect("a movable ring has a descriptor")
    }
}

impl<K: Kernel> fmt::Debug for SharedRingOf<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt(f)
    }
}

impl<K: Kernel> Drop for SharedRingOf<K> {
    fn drop(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        if self.inner.check().is_err() {
            // A child of fork(2): the thread is the parent's, and so are the locks it may hold.
            core::mem::forget(thread);
            return;
        }
        if let Some(hand_over) = &self.inner.hand_over {
            hand_over.end();
        }
        // The ring is closed when this returns; a panic there, which there is none, is not ours to
        // raise again.
        let _ = thread.join();
    }
}
