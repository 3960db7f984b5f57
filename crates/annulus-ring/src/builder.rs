//! [`Builder`]: every way to make a ring.

mod parked;

pub use parked::Parked;

use core::marker::PhantomData;
use core::time::Duration;
use std::os::fd::BorrowedFd;

use crate::abi::{Cqe, Cqe32, Params, SetupFlags, Sqe, Sqe128};
use crate::diagnose::ring_bytes;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fork;
use crate::kernel::{Plan, RingMemory, SetUp, WISHES};
use crate::layout::{CqeKind, Mixed, SqeKind};
use crate::linux::{Linux, RegionLayout};
use crate::mapping::RingRegion;
use crate::ring::{Local, Movable, Place, RingOf};

/// What a ring that stays on its thread is made with.
const LOCAL: SetupFlags =
    SetupFlags::SINGLE_ISSUER.union(SetupFlags::DEFER_TASKRUN).union(SetupFlags::TASKRUN_FLAG);

/// Makes rings: how long, how polled, where, in whose memory.
///
/// Without being asked it uses `NO_SQARRAY` and `SUBMIT_ALL` where the kernel has them: each is
/// tried once per process and latched off when refused.
///
/// ```
/// use annulus_ring::Builder;
/// let ring = Builder::new().entries(64).cq_entries(256).build_local()?;
/// assert_eq!((ring.sq_entries(), ring.cq_entries()), (64, 256));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
pub type Builder<S = Sqe, C = Cqe> = BuilderOf<S, C, Linux>;

/// What [`Builder`] is, of any kernel.
#[derive(Debug)]
#[must_use]
pub struct BuilderOf<S: SqeKind, C: CqeKind, K: SetUp> {
    plan: Plan,
    choice: K::Choice,
    kinds: PhantomData<(S, C)>,
}

impl<K: SetUp> BuilderOf<Sqe, Cqe, K> {
    /// 256 entries, twice as many completions, everything else as the kernel has it.
    ///
    /// ```
    /// assert_eq!(annulus_ring::Builder::new().build()?.sq_entries(), 256);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn new() -> Self {
        Self { plan: Plan::new(), choice: K::Choice::default(), kinds: PhantomData }
    }
}

impl<K: SetUp> Default for BuilderOf<Sqe, Cqe, K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: SqeKind, C: CqeKind, K: SetUp> BuilderOf<S, C, K> {
    fn with(mut self, flags: SetupFlags) -> Self {
        self.plan.params.flags |= flags;
        self
    }

    fn kinds<T: SqeKind, D: CqeKind>(self) -> BuilderOf<T, D, K> {
        let Self { plan, choice, .. } = self;
        BuilderOf { plan, choice, kinds: PhantomData }
    }

    /// Which kernel makes the ring, and how: for kernels that there is something to choose of. Of
    /// Linux there is nothing.
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).kernel(()).build()?;
    /// assert_eq!(ring.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn kernel(mut self, choice: impl Into<K::Choice>) -> Self {
        self.choice = choice.into();
        self
    }

    /// How many submission entries, rounded up to a power of two; at most 32,768.
    ///
    /// ```
    /// assert_eq!(annulus_ring::Builder::new().entries(5).build()?.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn entries(mut self, entries: u32) -> Self {
        self.plan.entries = entries;
        self
    }

    /// How many completion entries, rounded up to a power of two, if not twice the submission's; at
    /// least as many as those, at most 65,536 (Linux 5.5).
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).cq_entries(100).build()?;
    /// assert_eq!(ring.cq_entries(), 128);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_CQSIZE")]
    pub fn cq_entries(mut self, entries: u32) -> Self {
        self.plan.params.cq_entries = entries;
        self.with(SetupFlags::CQSIZE)
    }

    /// Cuts lengths over the kernel's limits to them, instead of an error (Linux 5.6).
    ///
    /// ```
    /// let region = annulus_ring::Builder::new().entries(1 << 20).clamp().build();
    /// # let Ok(ring) = region else { return Ok(()) }; // little locked memory
    /// assert_eq!(ring.sq_entries(), 32768);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_CLAMP")]
    pub fn clamp(self) -> Self {
        self.with(SetupFlags::CLAMP)
    }

    /// A kernel thread takes entries from the queue, without being asked, until it was idle for
    /// `idle` (whole milliseconds; zero is the kernel's default of one second). For
    /// [`Ring`](crate::Ring) only.
    ///
    /// ```
    /// use annulus_ring::{Builder, op};
    /// use std::time::Duration;
    /// let mut ring = Builder::new().entries(8).sqpoll(Duration::from_millis(5)).build()?;
    /// // SAFETY: a NOP points to nothing.
    /// unsafe { ring.push(op::Nop::new())? };
    /// ring.submit_and_wait(1)?;
    /// assert_eq!(ring.completions()?.count(), 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_SQPOLL")]
    pub fn sqpoll(mut self, idle: Duration) -> Self {
        self.plan.params.sq_thread_idle = u32::try_from(idle.as_millis()).unwrap_or(u32::MAX);
        self.with(SetupFlags::SQPOLL)
    }

    /// Binds that thread to one processor.
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = annulus_ring::Builder::new().entries(8).sqpoll(Duration::ZERO);
    /// let ring = builder.sqpoll_cpu(0).build()?;
    /// assert!(ring.setup_flags().contains(annulus_ring::abi::SetupFlags::SQ_AFF));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_SQ_AFF")]
    pub fn sqpoll_cpu(mut self, cpu: u32) -> Self {
        self.plan.params.sq_thread_cpu = cpu;
        self.with(SetupFlags::SQ_AFF)
    }

    /// Shares the workers of `other` (and its polling thread, if both have one) (Linux 5.6).
    ///
    /// Its descriptor is duplicated until the ring is made: that error, should there be one
    /// (`EMFILE`: no descriptor left), is the build's.
    ///
    /// ```
    /// use annulus_ring::{Builder, Ring};
    /// use std::os::fd::AsFd;
    /// let first = Ring::new(8)?;
    /// let second = Builder::new().entries(8).attach_wq(first.as_fd()).build()?;
    /// # drop(second);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_ATTACH_WQ")]
    pub fn attach_wq(mut self, other: BorrowedFd<'_>) -> Self {
        let kept = other.try_clone_to_owned();
        let kept =
            kept.map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO.raw())));
        self.plan.workers_of = Some(kept);
        self.with(SetupFlags::ATTACH_WQ)
    }

    /// Begins disabled: restrict it, register, then
    /// [`enable`](crate::register::Register::enable) it (Linux 5.10).
    ///
    /// ```
    /// let mut ring = annulus_ring::Builder::new().entries(8).disabled().build()?;
    /// ring.register().enable()?;
    /// assert_eq!(ring.submit()?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_R_DISABLED")]
    pub fn disabled(self) -> Self {
        self.with(SetupFlags::R_DISABLED)
    }

    /// Finds completions by polling the device instead of by its interrupts: `O_DIRECT` on devices
    /// with polling queues only (Linux 5.1).
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).iopoll().build()?;
    /// assert!(ring.setup_flags().contains(annulus_ring::abi::SetupFlags::IOPOLL));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_IOPOLL")]
    pub fn iopoll(self) -> Self {
        self.with(SetupFlags::IOPOLL)
    }

    /// As [`iopoll`](Self::iopoll), sleeping first for half the time that such operations took
    /// (Linux 6.13).
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).hybrid_iopoll().build();
    /// # if ring.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); }
    /// assert!(ring?.setup_flags().contains(annulus_ring::abi::SetupFlags::HYBRID_IOPOLL));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_HYBRID_IOPOLL")]
    pub fn hybrid_iopoll(self) -> Self {
        self.with(SetupFlags::IOPOLL | SetupFlags::HYBRID_IOPOLL)
    }

    /// Runs task work when the thread enters the kernel anyway, instead of interrupting it, and
    /// raises a flag for it (Linux 5.19). A [`LocalRing`](crate::LocalRing) does better by itself.
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).coop_taskrun().build()?;
    /// assert!(ring.setup_flags().contains(annulus_ring::abi::SetupFlags::COOP_TASKRUN));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_COOP_TASKRUN")]
    #[doc(alias = "IORING_SETUP_TASKRUN_FLAG")]
    pub fn coop_taskrun(self) -> Self {
        self.with(SetupFlags::COOP_TASKRUN | SetupFlags::TASKRUN_FLAG)
    }

    /// Promises that only one thread submits (the first that does, or that enables the ring):
    /// others get `EEXIST` (Linux 6.0). A [`LocalRing`](crate::LocalRing) does this by itself.
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).single_issuer().build()?;
    /// assert!(ring.setup_flags().contains(annulus_ring::abi::SetupFlags::SINGLE_ISSUER));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_SINGLE_ISSUER")]
    pub fn single_issuer(self) -> Self {
        self.with(SetupFlags::SINGLE_ISSUER)
    }

    /// Puts the queues into memory of the caller's own (Linux 6.5): see
    /// [`memory_bytes`](Self::memory_bytes) for how much.
    ///
    /// ```
    /// use annulus_ring::{Builder, RingRegion};
    /// let builder = Builder::new().entries(8);
    /// let region = RingRegion::new(builder.memory_bytes())?;
    /// let ring = builder.memory(region).build();
    /// # if ring.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); }
    /// assert_eq!(ring?.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_NO_MMAP")]
    #[doc(alias = "io_uring_queue_init_mem")]
    pub fn memory(mut self, region: RingRegion) -> Self {
        self.plan.region = Some(region);
        self.with(SetupFlags::NO_MMAP)
    }

    /// How many bytes such memory needs for the lengths and entry sizes asked for so far.
    ///
    /// ```
    /// assert!(annulus_ring::Builder::new().entries(64).memory_bytes() >= 64 * 64 + 128 * 16);
    /// ```
    #[doc(alias = "io_uring_memory_size")]
    pub fn memory_bytes(&self) -> usize {
        let (sq, cq) = (self.plan.sq_entries(), self.plan.cq_entries());
        RegionLayout::of(sq, cq, self.flags()).bytes
    }

    /// How many bytes such a ring is charged with against the limit on locked memory
    /// (`RLIMIT_MEMLOCK`), which Linux counts per user and waives for `CAP_IPC_LOCK`. Registered
    /// buffers come on top.
    ///
    /// ```
    /// assert!(annulus_ring::Builder::new().locked_bytes() < 64 << 10);
    /// ```
    #[doc(alias = "io_uring_mlock_size")]
    pub fn locked_bytes(&self) -> u64 {
        ring_bytes(self.plan.sq_entries(), self.plan.cq_entries(), self.flags() | WISHES)
    }

    /// Makes no descriptor: the ring is known by its index in this thread's table alone (Linux
    /// 6.5). For [`LocalRing`](crate::LocalRing) in [`memory`](Self::memory) of the caller's own.
    ///
    /// ```
    /// use annulus_ring::{Builder, RingRegion};
    /// let builder = Builder::new().entries(8);
    /// let region = RingRegion::new(builder.memory_bytes())?;
    /// let ring = builder.memory(region).registered_fd_only().build_local();
    /// # if ring.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); }
    /// assert_eq!(ring?.raw_fd(), -1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_REGISTERED_FD_ONLY")]
    pub fn registered_fd_only(self) -> Self {
        self.with(SetupFlags::REGISTERED_FD_ONLY)
    }

    /// Leaves the ring's memory out of forked children: their page tables do not copy it. (That the
    /// ring is unusable there does not need this: every use is an error before anything is
    /// touched.) Slices of completions that are held across the fork are not there in the child:
    /// reading them ends it with `SIGSEGV`.
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).dontfork().build()?;
    /// # drop(ring);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_ring_dontfork")]
    pub fn dontfork(mut self) -> Self {
        self.plan.keep_from_children = true;
        self
    }

    /// Submission entries of 128 bytes (Linux 5.19): for pass-through commands.
    ///
    /// ```
    /// use annulus_ring::{Builder, Ring, abi::Sqe128};
    /// let ring: Ring<Sqe128> = Builder::new().entries(8).sqe128().build()?;
    /// assert_eq!(ring.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_SQE128")]
    pub fn sqe128(self) -> BuilderOf<Sqe128, C, K> {
        self.kinds()
    }

    /// Completions of 32 bytes (Linux 5.19).
    ///
    /// ```
    /// use annulus_ring::{Builder, Ring, abi::{Cqe32, Sqe}};
    /// let ring: Ring<Sqe, Cqe32> = Builder::new().entries(8).cqe32().build()?;
    /// assert_eq!(ring.cq_entries(), 16);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_CQE32")]
    pub fn cqe32(self) -> BuilderOf<S, Cqe32, K> {
        self.kinds()
    }

    /// Completions of 16 or 32 bytes, each as it needs (Linux 6.18).
    ///
    /// ```
    /// use annulus_ring::{Builder, Mixed, Ring, abi::Sqe};
    /// let ring = Builder::new().entries(8).cqe_mixed().build();
    /// # if ring.as_ref().is_err_and(|e| e.is_unsupported()) { return Ok(()); }
    /// let ring: Ring<Sqe, Mixed> = ring?;
    /// assert_eq!(ring.cq_entries(), 16);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "IORING_SETUP_CQE_MIXED")]
    pub fn cqe_mixed(self) -> BuilderOf<S, Mixed, K> {
        self.kinds()
    }

    /// More set-up flags, as they are: of those that this library knows
    /// ([`SetupFlags::ALL`](crate::abi::SetupFlags::ALL)).
    ///
    /// Entry sizes and queue disciplines are types here, so those flags are refused; and so are
    /// bits without a name, because what they would change is not known:
    /// [`unknown_flags`](Self::unknown_flags) takes them.
    ///
    /// ```
    /// use annulus_ring::{Builder, abi::SetupFlags};
    /// let ring = Builder::new().entries(8).raw_flags(SetupFlags::COOP_TASKRUN).build()?;
    /// assert!(ring.setup_flags().contains(SetupFlags::COOP_TASKRUN));
    /// assert!(Builder::new().raw_flags(SetupFlags(1 << 30)).build().is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn raw_flags(self, flags: SetupFlags) -> Self {
        self.with(flags)
    }

    /// Set-up flags that a newer kernel has and this library has no name for.
    ///
    /// # Safety
    /// - They change nothing in how the queues lie in memory and are used, nor in which thread may
    ///   use the ring.
    ///
    /// ```
    /// use annulus_ring::{Builder, abi::SetupFlags};
    /// // SAFETY: no kernel has the flag, so it changes nothing.
    /// let refused = unsafe { Builder::new().unknown_flags(SetupFlags(1 << 30)) }.build();
    /// assert!(refused.unwrap_err().is_unsupported());
    /// ```
    pub unsafe fn unknown_flags(mut self, flags: SetupFlags) -> Self {
        self.plan.vouched |= flags;
        self.with(flags)
    }

    /// Leaves out `flags` of what is asked for by default: `NO_SQARRAY`, `SUBMIT_ALL`.
    ///
    /// ```
    /// use annulus_ring::{Builder, abi::SetupFlags};
    /// let ring = Builder::new().entries(8).without(SetupFlags::SUBMIT_ALL).build()?;
    /// assert!(!ring.setup_flags().contains(SetupFlags::SUBMIT_ALL));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn without(mut self, flags: SetupFlags) -> Self {
        self.plan.unwanted |= flags;
        self
    }

    /// Makes a ring that may move between threads.
    ///
    /// # Errors
    /// [`setup_error`](Error::setup_error) says why the kernel refused: the cause, the evidence and
    /// the cure. Requests that contradict themselves are refused before the kernel is asked.
    ///
    /// See `io_uring_setup(2)`, <https://man7.org/linux/man-pages/man2/io_uring_setup.2.html>.
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).build()?;
    /// # drop(ring);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_queue_init_params")]
    pub fn build(self) -> Result<RingOf<Movable, S, C, K>> {
        if self.plan.params.flags.intersects(SetupFlags::DEFER_TASKRUN) {
            return Err(Error::usage(
                "DEFER_TASKRUN ties a ring to its thread: use build_local() or build_parked()",
            ));
        }
        if self.plan.params.flags.intersects(SetupFlags::REGISTERED_FD_ONLY) {
            return Err(Error::usage(
                "a ring without a descriptor is tied to its thread: use build_local()",
            ));
        }
        let (kernel, memory, params) = self.open()?;
        // SAFETY: the memory is the kernel's, made for these kinds; the flags that tie a ring to a
        // thread were refused above.
        Ok(unsafe { RingOf::from_parts(kernel, memory, params) })
    }

    /// Makes a ring that stays on this thread.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).build_local()?;
    /// # drop(ring);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn build_local(self) -> Result<RingOf<Local, S, C, K>> {
        let mut ring = self.local()?;
        ring.kernel_mut().settle();
        Ok(ring)
    }

    /// Makes a ring, disabled, that will stay on *another* thread: send it there and
    /// [`enable`](Parked::enable) it.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// ```
    /// use annulus_ring::{Builder, op};
    /// let parked = Builder::new().entries(8).build_parked()?;
    /// let worker = std::thread::spawn(move || {
    ///     let mut ring = parked.enable()?;
    ///     // SAFETY: a NOP points to nothing.
    ///     unsafe { ring.push(op::Nop::new())? };
    ///     ring.submit_and_wait(1)
    /// });
    /// assert_eq!(worker.join().unwrap()?, 1);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn build_parked(self) -> Result<Parked<S, C, K>> {
        if self.plan.params.flags.contains(SetupFlags::REGISTERED_FD_ONLY) {
            return Err(Error::usage(
                "a ring without a descriptor is known to the thread that made it alone",
            ));
        }
        Ok(Parked::new(self.disabled().local()?))
    }

    fn local(mut self) -> Result<RingOf<Local, S, C, K>> {
        if self.plan.params.flags.contains(SetupFlags::SQPOLL) {
            return Err(Error::usage(
                "SQPOLL submits from a thread of the kernel's: use build(), not a local ring",
            ));
        }
        self.plan.params.flags |= LOCAL;
        let (kernel, memory, params) = self.open()?;
        // SAFETY: the memory is the kernel's, made for these kinds.
        Ok(unsafe { RingOf::from_parts(kernel, memory, params) })
    }

    /// The flags asked for so far, those that are types included.
    fn flags(&self) -> SetupFlags {
        self.plan.params.flags.union(S::SETUP).union(C::SETUP)
    }

    /// Has the kernel make what was asked for.
    fn open(mut self) -> Result<(K, RingMemory<S, C::Slot>, Params)> {
        self.plan.ready(S::SETUP | C::SETUP)?;
        fork::prepare().map_err(|errno| Error::os(errno, "mapping the page that shows a fork"))?;
        K::set_up::<S, C>(&mut self.plan, &self.choice)
    }
}

/// Where a ring may be used, and how one is made for there: [`Local`] or [`Movable`].
pub trait Build: Place + Sized {
    /// Makes the ring that `builder` describes.
    ///
    /// # Errors
    /// As [`Builder::build`].
    fn build<K: SetUp>(builder: BuilderOf<Sqe, Cqe, K>) -> Result<RingOf<Self, Sqe, Cqe, K>>;
}

impl Build for Local {
    fn build<K: SetUp>(builder: BuilderOf<Sqe, Cqe, K>) -> Result<RingOf<Self, Sqe, Cqe, K>> {
        builder.build_local()
    }
}

impl Build for Movable {
    fn build<K: SetUp>(builder: BuilderOf<Sqe, Cqe, K>) -> Result<RingOf<Self, Sqe, Cqe, K>> {
        builder.build()
    }
}

impl<P: Build, K: SetUp> RingOf<P, Sqe, Cqe, K> {
    /// A ring of `entries` submission entries, with the defaults of [`Builder`].
    ///
    /// # Errors
    /// As [`Builder::build`].
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Ring};
    /// assert_eq!(LocalRing::new(8)?.sq_entries(), 8);
    /// assert_eq!(Ring::new(8)?.sq_entries(), 8);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_queue_init")]
    pub fn new(entries: u32) -> Result<Self> {
        P::build(BuilderOf::new().entries(entries))
    }
}
