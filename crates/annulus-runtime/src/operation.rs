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
    /// Nothing. With these no byte is without a meaning, so that all of them are written at once.
    _rest: [u8; 3],
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
        Self { result, flags: CqeFlags::empty(), origin: Origin::Kernel, _rest: [0; 3] }
    }

    /// One that did not happen: `ECANCELED`, and why.
    pub(crate) fn refused(origin: Origin) -> Self {
        Self { origin, ..Self::new(Err(Errno::ECANCELED)) }
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
/// ```
/// use annulus_ring::abi::Sqe;
/// use annulus_ring::{Errno, op};
/// use annulus_runtime::operation::{Completion, Operation};
///
/// /// Nothing, by way of the ring.
/// struct Nop;
///
/// // SAFETY: the entry of a NOP points to nothing, and names no descriptor.
/// unsafe impl Operation for Nop {
///     type Output = Result<(), Errno>;
///
///     fn entry(&mut self) -> Sqe {
///         op::Nop::new().build()
///     }
///
///     fn complete(self, completion: Completion) -> Self::Output {
///         completion.result.map(drop)
///     }
///
///     fn reclaim(self, _: Completion) {
///         // Its result owns nothing.
///     }
/// }
///
/// // What a reactor does with it:
/// let mut nop = Nop;
/// let _entry = nop.entry();
/// assert_eq!(nop.complete(Completion::new(Ok(0))), Ok(()));
/// ```
///
/// # One entry, one completion
/// A reactor counts on one completion for each entry, and has other people's entries before and
/// behind it in the queue. So [`entry`](Self::entry) must not return one of these. Nothing looks
/// for them; no memory is harmed by them, but:
///
/// | an entry that | what happens |
/// | --- | --- |
/// | has no completion when it succeeds ([`CQE_SKIP_SUCCESS`]) | its future waits for ever, its
/// buffer and its slot are never free again, and the engine's end waits for it up to its limit |
/// | gives several results: multishot accept, receive, read or poll, a timeout that repeats | all
/// but the last are thrown away with what they own: descriptors stay open, buffers of a group are
/// not given back |
/// | is a send without a copy ([`SendZc`]) | its completion is the one that says that the buffer
/// is free: the count of bytes, which came before, is lost |
/// | begins a link ([`IO_LINK`], [`IO_HARDLINK`]) | the next entry in the queue, somebody else's,
/// begins after it, and fails with `ECANCELED` where it fails or comes short |
/// | is a link timeout, or a cancel of more than its own | a stranger's operation is ended |
/// | drains ([`IO_DRAIN`]) | it waits for all that was submitted before, idle pipes included, and
/// all that is submitted later waits for it |
///
/// Links and time limits are the reactor's to set: see [`Op::then`] and [`Op::deadline`]. It sets
/// `user_data` too; what the entry has there is not kept. Several steps of one operation are
/// [`advance`](Self::advance)'s.
///
/// [`CQE_SKIP_SUCCESS`]: annulus_ring::abi::SqeFlags::CQE_SKIP_SUCCESS
/// [`IO_LINK`]: annulus_ring::abi::SqeFlags::IO_LINK
/// [`IO_HARDLINK`]: annulus_ring::abi::SqeFlags::IO_HARDLINK
/// [`IO_DRAIN`]: annulus_ring::abi::SqeFlags::IO_DRAIN
/// [`SendZc`]: annulus_ring::op::SendZc
/// [`Op::then`]: crate::engine::Op::then
/// [`Op::deadline`]: crate::engine::Op::deadline
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

    /// Whether the kernel gives it to one of its threads (io-wq) without trying it first: while it
    /// waits for such a thread, and in it, a link timeout does not reach it, so the reactor cancels
    /// it at its deadline.
    ///
    /// | given to a thread at once | Linux says so |
    /// | --- | --- |
    /// | FSYNC, SYNC_FILE_RANGE, FALLOCATE, FTRUNCATE | always |
    /// | STATX, RENAMEAT, LINKAT, SYMLINKAT, UNLINKAT, MKDIRAT, all of xattr, SPLICE | always |
    /// | FADVISE | all but `NORMAL`, `RANDOM` and `SEQUENTIAL`, which never wait |
    /// | OPENAT, OPENAT2 | with `O_CREAT`, `O_TRUNC` or `O_TMPFILE` |
    /// | whatever has `IOSQE_ASYNC`, as an open that waits for a FIFO | always |
    ///
    /// All others are tried first: the link timeout runs from then on, and finds them wherever they
    /// wait. That is so since Linux 6.15 (6.12.29, 6.6.91); before, it ran from the moment when the
    /// operation was queued for a thread, and a cancel by the reactor does as well.
    ///
    /// The kernel is asked by `what_waits_for_a_worker_is_known`, in `tests/worker_routes.rs`.
    const WAITS_IN_WORKER: bool = false;

    /// Whether its entries are [private](annulus_ring::abi::private): what programs do with files,
    /// sockets and processes and io_uring has no number for. Such an operation is given to the
    /// kernel in user space: on Linux to a ring of that beside the reactor's own, made when it is
    /// first wanted, whose threads do what may block. All else is as with any operation: its
    /// deadline is the reactor's to keep, as if [`WAITS_IN_WORKER`](Self::WAITS_IN_WORKER) were
    /// said; a cancel interrupts the call; a chain ([`Op::then`](crate::engine::Op::then)) it
    /// cannot be in: it fails there with `EINVAL`, and the others with `ECANCELED`.
    ///
    /// What cannot block need not go that far: see [`attempt`](Self::attempt), which
    /// [`submit`](crate::submit) asks for with these too.
    ///
    /// Its threads get none of the program's signals. A cancel ends their calls by one: the last of
    /// the real-time signals that nobody handles, which is taken when the first of them
    /// starts.
    ///
    /// An operation says it of all its entries, or of none. One that does not say it and has such
    /// an entry fails on Linux with `EINVAL`, as long as Linux has no other use for the number.
    ///
    /// ```
    /// use annulus_ring::abi::{Sqe, private};
    /// use annulus_ring::Errno;
    /// use annulus_runtime::operation::{Completion, Operation};
    ///
    /// /// Bytes that nobody knows, which a simulated world would.
    /// struct Random([u8; 512]);
    ///
    /// // SAFETY: the entry points into `self`, which stays in place, and names no descriptor.
    /// unsafe impl Operation for Random {
    ///     type Output = Result<[u8; 512], Errno>;
    ///     const IS_PRIVATE: bool = true;
    ///
    ///     fn entry(&mut self) -> Sqe {
    ///         private::getrandom(self.0.as_mut_ptr(), 512)
    ///     }
    ///
    ///     fn complete(self, completion: Completion) -> Self::Output {
    ///         completion.result.map(|_| self.0)
    ///     }
    ///
    ///     fn reclaim(self, _: Completion) {}
    /// }
    ///
    /// let random = async { annulus_runtime::submit(Random([0; 512])).await };
    /// assert_ne!(annulus_runtime::run(random)?, Ok([0; 512]));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    const IS_PRIVATE: bool = false;

    /// Whether an [`attempt`](Self::attempt) is worth its while: asked before each, it costs less
    /// than one that fails.
    ///
    /// ```
    /// # use annulus_ring::{Errno, abi::Sqe, op};
    /// # use annulus_runtime::operation::{Completion, Operation};
    /// # struct Nop;
    /// # // SAFETY: a NOP points to nothing and names no descriptor.
    /// # unsafe impl Operation for Nop {
    /// #     type Output = Result<u32, Errno>;
    /// #     fn entry(&mut self) -> Sqe { op::Nop::new().build() }
    /// #     fn complete(self, completion: Completion) -> Self::Output { completion.result }
    /// #     fn reclaim(self, _: Completion) {}
    /// # }
    /// assert!(!Nop.may_attempt(), "it goes to the ring");
    /// ```
    #[inline]
    fn may_attempt(&self) -> bool {
        false
    }

    /// Does it at once on this thread if that cannot block: what is in the page cache is copied for
    /// a tenth of what a hand-over costs. Where [`may_attempt`](Self::may_attempt) says no, this is
    /// not called.
    ///
    /// `None` sends it to the ring. What was done until then is kept in `self`.
    ///
    /// ```
    /// # use annulus_ring::{Errno, abi::Sqe, op};
    /// # use annulus_runtime::operation::{Completion, Operation};
    /// # struct Cached { value: Option<u32> }
    /// # // SAFETY: a NOP points to nothing and names no descriptor.
    /// # unsafe impl Operation for Cached {
    /// #     type Output = Result<u32, Errno>;
    /// #     fn may_attempt(&self) -> bool { true }
    /// #     fn entry(&mut self) -> Sqe { op::Nop::new().build() }
    /// #     fn attempt(&mut self) -> Option<Completion> {
    /// #         self.value.map(|value| Completion::new(Ok(value)))
    /// #     }
    /// #     fn complete(self, completion: Completion) -> Self::Output { completion.result }
    /// #     fn reclaim(self, _: Completion) {}
    /// # }
    /// assert_eq!(Cached { value: Some(7) }.attempt().map(|done| done.result), Some(Ok(7)));
    /// assert!(Cached { value: None }.attempt().is_none());
    /// ```
    #[inline]
    fn attempt(&mut self) -> Option<Completion> {
        None
    }

    /// The entry of what is to be done now, which has [one completion] and no links of its own.
    ///
    /// [one completion]: Self#one-entry-one-completion
    ///
    /// ```
    /// # use annulus_ring::{Errno, abi::Sqe, op};
    /// # use annulus_runtime::operation::{Completion, Operation};
    /// # struct Nop;
    /// # // SAFETY: a NOP points to nothing and names no descriptor.
    /// # unsafe impl Operation for Nop {
    /// #     type Output = Result<u32, Errno>;
    /// #     fn entry(&mut self) -> Sqe { op::Nop::new().build() }
    /// #     fn complete(self, completion: Completion) -> Self::Output { completion.result }
    /// #     fn reclaim(self, _: Completion) {}
    /// # }
    /// assert_eq!(Nop.entry().opcode, annulus_ring::abi::Op::NOP);
    /// ```
    fn entry(&mut self) -> Sqe;

    /// Whether [`advance`](Self::advance) must be asked: one completion is the end otherwise. It is
    /// asked once, when the operation is put into its slot.
    ///
    /// ```
    /// # use annulus_ring::{Errno, abi::Sqe, op};
    /// # use annulus_runtime::operation::{Completion, Operation};
    /// # struct Nop;
    /// # // SAFETY: a NOP points to nothing and names no descriptor.
    /// # unsafe impl Operation for Nop {
    /// #     type Output = Result<u32, Errno>;
    /// #     fn entry(&mut self) -> Sqe { op::Nop::new().build() }
    /// #     fn complete(self, completion: Completion) -> Self::Output { completion.result }
    /// #     fn reclaim(self, _: Completion) {}
    /// # }
    /// assert!(!Nop.advances()); // unless it says otherwise
    /// ```
    #[inline]
    fn advances(&self) -> bool {
        false
    }

    /// The count with which one that [advances](Self::advances) is over: a completion with that is
    /// not shown to [`advance`](Self::advance), which would find it finished and change nothing.
    /// Asked with the first entry, of which no completion has more.
    ///
    /// ```
    /// # use annulus_ring::{Errno, abi::Sqe, op};
    /// # use annulus_runtime::operation::{Completion, Operation};
    /// # struct Nop;
    /// # // SAFETY: a NOP points to nothing and names no descriptor.
    /// # unsafe impl Operation for Nop {
    /// #     type Output = Result<u32, Errno>;
    /// #     fn entry(&mut self) -> Sqe { op::Nop::new().build() }
    /// #     fn complete(self, completion: Completion) -> Self::Output { completion.result }
    /// #     fn reclaim(self, _: Completion) {}
    /// # }
    /// assert_eq!(Nop.finishes_with(), None); // `advance` is asked, if it advances
    /// ```
    #[inline]
    fn finishes_with(&self) -> Option<u32> {
        None
    }

    /// Takes note of a completion; where it goes on, [`entry`](Self::entry) is asked again. What it
    /// changes `completion` to is what [`complete`](Self::complete) gets.
    ///
    /// ```
    /// # use annulus_ring::{Errno, abi::Sqe, op};
    /// # use annulus_runtime::operation::{Advance, Completion, Operation};
    /// # struct Parts { left: u32 }
    /// # // SAFETY: a NOP points to nothing and names no descriptor.
    /// # unsafe impl Operation for Parts {
    /// #     type Output = Result<u32, Errno>;
    /// #     fn advances(&self) -> bool { true }
    /// #     fn entry(&mut self) -> Sqe { op::Nop::new().build() }
    /// #     fn advance(&mut self, completion: &mut Completion) -> Advance {
    /// #         self.left -= completion.result.unwrap_or(self.left);
    /// #         if self.left > 0 { Advance::Again } else { Advance::Finished }
    /// #     }
    /// #     fn complete(self, completion: Completion) -> Self::Output { completion.result }
    /// #     fn reclaim(self, _: Completion) {}
    /// # }
    /// let mut parts = Parts { left: 10 };
    /// assert_eq!(parts.advance(&mut Completion::new(Ok(6))), Advance::Again);
    /// assert_eq!(parts.advance(&mut Completion::new(Ok(4))), Advance::Finished);
    /// ```
    #[inline]
    fn advance(&mut self, completion: &mut Completion) -> Advance {
        let _ = completion;
        Advance::Finished
    }

    /// The result, with the resources that are the caller's again.
    ///
    /// ```
    /// # use annulus_ring::{Errno, abi::Sqe, op};
    /// # use annulus_runtime::buffer::{BufError, BufResult};
    /// # use annulus_runtime::operation::{Completion, Operation};
    /// # struct Keeps { buf: Vec<u8> }
    /// # // SAFETY: a NOP points to nothing and names no descriptor.
    /// # unsafe impl Operation for Keeps {
    /// #     type Output = BufResult<u32, Vec<u8>>;
    /// #     fn entry(&mut self) -> Sqe { op::Nop::new().build() }
    /// #     fn complete(self, completion: Completion) -> Self::Output {
    /// #         match completion.result {
    /// #             Ok(value) => Ok((value, self.buf)),
    /// #             Err(errno) => Err(BufError::new(errno, self.buf)),
    /// #         }
    /// #     }
    /// #     fn reclaim(self, _: Completion) {}
    /// # }
    /// let operation = Keeps { buf: vec![7] };
    /// let error = operation.complete(Completion::new(Err(Errno::EIO))).unwrap_err();
    /// assert_eq!(error.into_buf(), [7]);
    /// ```
    fn complete(self, completion: Completion) -> Self::Output;

    /// The same of an operation that lies at `at`, whose parts may so go to the output from where
    /// they lie, and all of it nowhere else first. Ours alone.
    ///
    /// # Safety
    /// - At `at` is a `Self`, which is not used again, not to be dropped either, whatever happens.
    #[doc(hidden)]
    #[inline(always)]
    unsafe fn complete_at(at: *mut Self, completion: Completion) -> Self::Output
    where
        Self: Sized,
    {
        // SAFETY: it is there, and taken once (the caller's promise).
        unsafe { at.read() }.complete(completion)
    }

    /// Takes care of a result that nobody waits for: a descriptor is closed, a pool's buffer given
    /// back. There is no default: whoever writes an operation must have thought of it.
    ///
    /// ```
    /// # use annulus_ring::{Errno, abi::Sqe, op};
    /// # use annulus_runtime::operation::{Completion, Operation};
    /// # use std::rc::Rc;
    /// # struct Holds { resource: Rc<()> }
    /// # // SAFETY: a NOP points to nothing and names no descriptor.
    /// # unsafe impl Operation for Holds {
    /// #     type Output = Rc<()>;
    /// #     fn entry(&mut self) -> Sqe { op::Nop::new().build() }
    /// #     fn complete(self, _: Completion) -> Self::Output { self.resource }
    /// #     fn reclaim(self, _: Completion) {}
    /// # }
    /// let resource = Rc::new(());
    /// let operation = Holds { resource: Rc::clone(&resource) };
    /// operation.reclaim(Completion::new(Ok(0)));
    /// assert_eq!(Rc::strong_count(&resource), 1); // nothing is left behind
    /// ```
    fn reclaim(self, completion: Completion);
}

/// How many results of one operation wait to be taken, unless it says otherwise.
pub(crate) const WAITING_MAX: usize = 64;

/// An operation with one entry and any number of results: accepting whatever comes, receiving into
/// buffers of a group, a poll that goes on.
///
/// Each result but the last has [`MORE`](CqeFlags::MORE), and is kept until somebody
/// [takes](Self::item) it: [`Shots`](crate::runtime::Shots) gives them one by one. Where as many
/// wait as [may](Self::waiting_max), the kernel is asked to end it: who takes them begins it again.
///
/// ```
/// use annulus_ring::abi::{PollEvents, Sqe};
/// use annulus_ring::op;
/// use annulus_runtime::operation::{Completion, Multishot};
/// use annulus_runtime::runtime::{Shot, shots};
/// use std::io::Write;
/// use std::os::fd::{AsRawFd, OwnedFd};
///
/// /// That there is something to read, each time that something comes.
/// struct Readable(OwnedFd);
///
/// // SAFETY: the entry of a poll points to nothing, and names a descriptor that is kept open here.
/// unsafe impl Multishot for Readable {
///     type Item = PollEvents;
///
///     fn entry(&mut self) -> Sqe {
///         op::PollAdd::new(self.0.as_raw_fd(), PollEvents::IN).multishot().build()
///     }
///
///     fn item(&mut self, shot: Completion) -> PollEvents {
///         PollEvents(shot.result.unwrap_or(0))
///     }
///
///     fn reclaim(&mut self, _: Completion) {
///         // A report owns nothing.
///     }
/// }
///
/// let (reader, mut writer) = std::io::pipe()?;
/// annulus_runtime::run(async {
///     let mut reports = shots(Readable(reader.into()));
///     for _ in 0..2 {
///         writer.write_all(b"x")?;
///         let Shot::Item(report) = reports.next().await else { panic!("it goes on") };
///         assert!(report.contains(PollEvents::IN));
///     }
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Safety
/// Whoever implements it promises what [`Operation`] asks for, with these differences:
/// - What its entry points to stays valid, in place and unused by others until its *last* result.
///   (Buffers of a group are pointed to by the group, and are not among that.)
/// - It has one completion without [`MORE`](CqeFlags::MORE): the last.
pub unsafe trait Multishot: 'static {
    /// One result.
    type Item;

    /// The entry, as [`Operation::entry`]. See [`Multishot`] for an example of all of these.
    fn entry(&mut self) -> Sqe;

    /// How many results may wait to be taken before the kernel is asked to end it: 64, unless this
    /// says otherwise. A few more may come until it has.
    fn waiting_max(&self) -> usize {
        WAITING_MAX
    }

    /// One result, for who takes it; the last too, where that is
    /// [asked for](crate::runtime::Ended::into_item).
    fn item(&mut self, shot: Completion) -> Self::Item;

    /// Takes care of a result that nobody takes, the last too: a descriptor is closed, a buffer
    /// given back.
    fn reclaim(&mut self, shot: Completion);

    /// Whether it [takes note](Self::arrived) of completions when they come.
    #[doc(hidden)]
    const NOTES_PLACES: bool = false;

    /// Takes note of a completion that came a moment ago: where its bytes lie in their buffer. Each
    /// is given to this in the order in which the kernel told them, among all operations; to
    /// [`item`](Self::item), or to [`reclaim`](Self::reclaim), much later perhaps.
    #[doc(hidden)]
    fn arrived(&mut self, _: u32, _: CqeFlags, _: places::Seal) -> u32 {
        places::NOWHERE
    }

    /// Says of the next completion that is taken what [`arrived`](Self::arrived) said of it.
    #[doc(hidden)]
    fn set_place(&mut self, _: u32, _: places::Seal) {}
}

/// What nobody else's operation has to do with.
pub(crate) mod places {
    /// No place in a buffer.
    pub(crate) const NOWHERE: u32 = u32::MAX;

    /// Whoever cannot name it neither calls nor has what asks for it.
    #[derive(Clone, Copy, Debug)]
    pub struct Seal;
}
