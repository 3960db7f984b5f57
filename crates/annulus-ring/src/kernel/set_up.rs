//! Making rings of a kernel: [`Plan`], what was asked for, and [`SetUp`], who makes it.

use core::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::{Kernel, RingMemory};
use crate::abi::{Params, SetupFlags};
use crate::diagnose::{CQ_ENTRIES_MAX, SQ_ENTRIES_MAX, SetupError};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::layout::{CqeKind, SqeKind};
use crate::mapping::RingRegion;

/// How many entries a ring has if nothing else is asked for: 28 KiB, little enough for two rings
/// under a locked-memory limit of 64 KiB.
const DEFAULT_ENTRIES: u32 = 256;

/// What is asked for without being told, if the kernel has it.
pub(crate) const WISHES: SetupFlags = SetupFlags::NO_SQARRAY.union(SetupFlags::SUBMIT_ALL);

/// What asks the kernel for something that this library's queues do not do.
const UNKNOWN_QUEUES: SetupFlags = SetupFlags::SQE_MIXED.union(SetupFlags::SQ_REWIND);

/// The flags that are types here.
const KINDS: SetupFlags = SetupFlags::SQE128.union(SetupFlags::CQE32).union(SetupFlags::CQE_MIXED);

/// A kernel that rings can be made of, by the builder: [`BuilderOf`](crate::BuilderOf) and what
/// builds upon it.
///
/// Only `set_up` must be there. The others are for what Linux's rings can do once they are made;
/// without them a ring says `EOPNOTSUPP`, or does without.
///
/// A kernel is dropped in the children of `fork(2)` too, where it is still the parent's:
/// [`ForkMark`](crate::ForkMark) tells it so.
///
/// # Safety
/// Whoever implements it promises, beside what a [`Kernel`] promises:
/// - `set_up` makes a ring of its own: its memory is laid out for `S` and `C`, nobody else produces
///   or consumes there, and it stays in place when the kernel is moved. The parameters say what the
///   ring is: its flags are at least those of the plan.
/// - A ring with neither `SINGLE_ISSUER` nor `DEFER_TASKRUN` nor `REGISTERED_FD_ONLY` is tied to no
///   thread; a disabled one (`R_DISABLED`) to none until it is enabled.
/// - What `resize` answers is as from `set_up`, with the indices, entries and completions that were
///   in the queues. An error leaves the ring as it was, unless it says that the ring is
///   [lost](Error::is_lost).
pub unsafe trait SetUp: Kernel + Sized {
    /// Which kernel of this type it is to be, and how: what
    /// [`BuilderOf::kernel`](crate::BuilderOf::kernel) takes.
    type Choice: Clone + fmt::Debug + Default;

    /// Makes a ring as `plan` says: `io_uring_setup(2)`, and the memory.
    ///
    /// Flags that are [asked for](Plan::flags) and not known here are refused with `EINVAL`; what
    /// is [wished for](Plan::wishes) may be left out.
    ///
    /// # Errors
    /// As `io_uring_setup(2)`: [`Plan::refused`] makes one of an errno.
    fn set_up<S: SqeKind, C: CqeKind>(
        plan: &mut Plan,
        choice: &Self::Choice,
    ) -> Result<(Self, RingMemory<S, C::Slot>, Params)>;

    /// The ring is made, enabled, and on the thread where it stays: called for a
    /// [`Local`](crate::Local) one before anything else is done with it.
    ///
    /// Linux registers the ring's descriptor with the thread here.
    fn settle(&mut self) {}

    /// Whether enters go through an index of the thread's, and look no descriptor up.
    fn is_descriptor_registered(&self) -> bool {
        false
    }

    /// Closes the descriptor of a ring that can do without: see
    /// [`close_descriptor`](crate::LocalRing::close_descriptor). Asked only of kernels with
    /// [`REG_REG_RING`](crate::abi::Features::REG_REG_RING).
    ///
    /// # Errors
    /// `EOPNOTSUPP` if the ring has none, or needs it.
    fn close_descriptor(&mut self) -> Result<()> {
        Err(Error::os(Errno::EOPNOTSUPP, "closing the descriptor of this kernel's ring"))
    }

    /// Changes the lengths of a ring's queues, all at once: see
    /// [`resize`](crate::LocalRing::resize). `params` is what the ring is now.
    ///
    /// The memory that it had is used by nobody any more from here on.
    ///
    /// # Errors
    /// `EOPNOTSUPP` if this kernel cannot; else as for `resize`.
    fn resize<S: SqeKind, C: CqeKind>(
        &mut self,
        params: &Params,
        sq_entries: u32,
        cq_entries: u32,
    ) -> Result<Resized<S, C::Slot>> {
        let _ = (params, sq_entries, cq_entries);
        Err(Error::os(Errno::EOPNOTSUPP, "resizing this kernel's ring"))
    }
}

/// A ring that was resized.
#[derive(Debug)]
pub struct Resized<S, C> {
    /// Its memory from here on.
    pub memory: RingMemory<S, C>,
    /// What it is from here on.
    pub params: Params,
    /// Whether the new memory is left out of forked children, if it was to be.
    pub kept_from_children: core::result::Result<(), Errno>,
}

/// A kernel whose rings have a descriptor ([`poll_fd`](Kernel::poll_fd)), all but those that were
/// made without one (`REGISTERED_FD_ONLY`), which no movable ring is.
///
/// ```
/// use annulus_ring::{Ring, kernel::Pollable};
/// fn descriptor<K: Pollable>(kernel: &K) -> i32 {
///     std::os::fd::AsRawFd::as_raw_fd(&kernel.poll_fd().unwrap())
/// }
/// let ring = Ring::new(8)?;
/// assert_eq!(descriptor(ring.kernel()), ring.raw_fd());
/// # Ok::<(), annulus_ring::Error>(())
/// ```
pub trait Pollable: Kernel {}

impl<K: Pollable> Pollable for std::sync::Arc<K> {}

/// What a builder was asked for, whatever kernel is to make it.
#[derive(Debug)]
pub struct Plan {
    pub(crate) entries: u32,
    pub(crate) params: Params,
    pub(crate) region: Option<RingRegion>,
    /// What is not asked for, although it is by default.
    pub(crate) unwanted: SetupFlags,
    /// What the caller says is harmless, although it has no name here.
    pub(crate) vouched: SetupFlags,
    pub(crate) keep_from_children: bool,
    /// How often a lack of locked memory was waited out, in all set-ups of this plan.
    pub(crate) waits_count: usize,
    /// The lengths that were asked for, if the plan was halved.
    pub(crate) whole: Option<(u32, u32)>,
    /// The ring whose workers are shared, held open until this one is made; or why it cannot be.
    pub(crate) workers_of: Option<core::result::Result<OwnedFd, Errno>>,
}

impl Plan {
    pub(crate) fn new() -> Self {
        Self {
            entries: DEFAULT_ENTRIES,
            params: Params::default(),
            region: None,
            unwanted: SetupFlags::empty(),
            vouched: SetupFlags::empty(),
            keep_from_children: false,
            waits_count: 0,
            whole: None,
            workers_of: None,
        }
    }

    /// Refuses what contradicts itself, and what these queues do not do; asks for the entry sizes
    /// `kinds` from here on.
    pub(crate) fn ready(&mut self, kinds: SetupFlags) -> Result<()> {
        self.check(kinds)?;
        if let Some(Err(errno)) = self.workers_of {
            return Err(Error::os(errno, "keeping open the ring whose workers are shared"));
        }
        self.params.flags |= kinds;
        Ok(())
    }

    fn check(&self, kinds: SetupFlags) -> Result<()> {
        let flags = self.params.flags;
        let wrong = if self.entries == 0 {
            "a ring of 0 entries: ask for 1 to 32768 entries"
        } else if flags.intersects(UNKNOWN_QUEUES) {
            "SQE_MIXED and SQ_REWIND are other queue disciplines, which this library has not"
        } else if !named().union(self.vouched).contains(flags) {
            "raw_flags() takes flags that have a name here: unknown_flags() takes the others"
        } else if flags.intersects(KINDS.difference(kinds)) {
            "entry sizes are types: use sqe128(), cqe32() or cqe_mixed()"
        } else if flags.contains(SetupFlags::NO_MMAP) && self.region.is_none() {
            "NO_MMAP needs memory: use memory()"
        } else if flags.contains(SetupFlags::ATTACH_WQ) && self.workers_of.is_none() {
            "ATTACH_WQ shares the workers of another ring: use attach_wq()"
        } else if flags.contains(SetupFlags::SQ_AFF) && !flags.contains(SetupFlags::SQPOLL) {
            "sqpoll_cpu() binds the thread that sqpoll() asks for: use both"
        } else if flags.contains(SetupFlags::REGISTERED_FD_ONLY) && self.region.is_none() {
            "registered_fd_only() needs memory(): there is no descriptor to map from"
        } else {
            return Ok(());
        };
        Err(Error::usage(wrong))
    }

    /// Asks for a ring half as long. What was waited for locked memory is not waited for again.
    ///
    /// False where it is as short as can be: then nothing is changed.
    pub fn halve(&mut self) -> bool {
        let (sq_entries, cq_entries) = (self.sq_entries(), self.cq_entries());
        if sq_entries <= 1 {
            return false;
        }
        self.whole = self.whole.or(Some((self.entries, self.params.cq_entries)));
        self.entries = sq_entries / 2;
        if self.params.flags.contains(SetupFlags::CQSIZE) {
            self.params.cq_entries = cq_entries / 2;
        }
        true
    }

    /// Asks for a ring as long as it was before it was [halved](Self::halve).
    pub fn restore(&mut self) {
        if let Some((entries, cq_entries)) = self.whole.take() {
            self.entries = entries;
            self.params.cq_entries = cq_entries;
        }
    }

    /// How many submission entries, as they were asked for.
    pub fn entries(&self) -> u32 {
        self.entries
    }

    /// How many submission entries the ring has: rounded up to a power of two, and no more than
    /// 32,768.
    pub fn sq_entries(&self) -> u32 {
        self.entries.checked_next_power_of_two().unwrap_or(u32::MAX).min(SQ_ENTRIES_MAX)
    }

    /// How many completions the ring holds: rounded up to a power of two, and no more than 65,536;
    /// twice the submission entries if nothing was said.
    pub fn cq_entries(&self) -> u32 {
        if self.params.flags.contains(SetupFlags::CQSIZE) {
            let asked = self.params.cq_entries.checked_next_power_of_two();
            asked.unwrap_or(u32::MAX).min(CQ_ENTRIES_MAX)
        } else {
            self.sq_entries() * 2
        }
    }

    /// Both lengths, where Linux would not refuse them.
    ///
    /// # Errors
    /// `EINVAL`, as Linux: none; more than its limits, without `CLAMP`; fewer completions than
    /// submission entries.
    pub fn lengths(&self) -> core::result::Result<(u32, u32), Errno> {
        let Params { flags, cq_entries, .. } = self.params;
        let (most_sq, most_cq) = if flags.contains(SetupFlags::CLAMP) {
            (u32::MAX, u32::MAX)
        } else {
            (SQ_ENTRIES_MAX, CQ_ENTRIES_MAX)
        };
        let sized = flags.contains(SetupFlags::CQSIZE);
        let (sq, cq) = (self.sq_entries(), self.cq_entries());
        let is_fine = (1..=most_sq).contains(&self.entries)
            && (!sized || (1..=most_cq).contains(&cq_entries) && cq >= sq);
        if is_fine { Ok((sq, cq)) } else { Err(Errno::EINVAL) }
    }

    /// The set-up flags that the ring must have, those for the sizes of its entries included.
    pub fn flags(&self) -> SetupFlags {
        self.params.flags
    }

    /// The set-up flags that it is to have if the kernel has them: of `NO_SQARRAY` and `SUBMIT_ALL`
    /// what was neither asked for nor declined.
    pub fn wishes(&self) -> SetupFlags {
        WISHES.difference(self.params.flags | self.unwanted)
    }

    /// The parameters as `io_uring_setup(2)` takes them: beside the flags the polling thread's, and
    /// the length of the completion queue as it was asked for.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The memory for the queues (`NO_MMAP`), to keep as long as the ring. Its length is for the
    /// kernel to check; [`memory_bytes`](crate::Builder::memory_bytes), which users go by, is the
    /// entries on whole pages, then 128 bytes for the words, the completions and the index array.
    pub fn take_region(&mut self) -> Option<RingRegion> {
        self.region.take()
    }

    /// Whether the memory is to be left out of forked children (`madvise(2)`, `MADV_DONTFORK`).
    pub fn keeps_from_children(&self) -> bool {
        self.keep_from_children
    }

    /// The ring whose workers are to be shared (`ATTACH_WQ`): open as long as the plan.
    pub fn workers_of(&self) -> Option<BorrowedFd<'_>> {
        match &self.workers_of {
            Some(Ok(ring)) => Some(ring.as_fd()),
            _ => None,
        }
    }

    /// That a ring with these flags cannot be made, because of `errno`: with the cause and the
    /// cure, as far as what was asked for and this machine show them.
    #[cold]
    pub fn refused(&self, errno: Errno, flags: SetupFlags) -> Error {
        let params = Params { flags, ..self.params };
        Error::setup(SetupError::new(errno, self.entries, &params))
    }

    /// The same of a kernel that is not Linux: what this process may do with Linux's io_uring is
    /// not asked, and not to blame.
    #[cold]
    pub fn refused_elsewhere(&self, errno: Errno, flags: SetupFlags) -> Error {
        let params = Params { flags, ..self.params };
        Error::setup(SetupError::elsewhere(errno, self.entries, &params))
    }
}

/// Every flag with a name.
fn named() -> SetupFlags {
    SetupFlags::ALL.iter().fold(SetupFlags::empty(), |all, known| all | known.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_plan_is_half_of_both_queues() {
        let mut plan = Plan { entries: 100, ..Plan::new() };
        assert!(plan.halve());
        assert_eq!((plan.entries(), plan.lengths()), (64, Ok((64, 128))));
        plan.params.flags |= SetupFlags::CQSIZE;
        plan.params.cq_entries = 1000;
        assert!(plan.halve());
        assert_eq!(plan.lengths(), Ok((32, 512)));
        plan.restore();
        assert_eq!(plan.entries(), 100);
        plan.entries = 1;
        assert!(!plan.halve());
    }
}
