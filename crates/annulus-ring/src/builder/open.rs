//! Asking the kernel for the ring: what is optional is left out when refused, and a lack of locked
//! memory that a ring closed a moment ago still holds is waited out.

use core::sync::atomic::{AtomicU32, Ordering};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use super::{Builder, UNKNOWN_QUEUES};
use crate::abi::{Cqe, Params, SetupFlags, Sqe};
use crate::diagnose::{self, SetupError};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fork;
use crate::kernel::RingMemory;
use crate::layout::{CqeKind, SqeKind};
use crate::linux::{self, Linux, Maps};
use crate::mapping::RingRegion;
use crate::ring::LocalRing;

/// What is asked for without being told, if the kernel has it.
pub(super) const WISHES: SetupFlags = SetupFlags::NO_SQARRAY.union(SetupFlags::SUBMIT_ALL);

/// Wishes that the kernel refused once: not asked for again in this process.
static REFUSED: AtomicU32 = AtomicU32::new(0);

/// How long to wait for locked memory, in milliseconds, try by try, a quarter of a second in all:
/// the charge of a ring that was closed is released 12 to 16 ms later, or 50, as the kernel's
/// worker that takes the ring apart looks again every 50 ms; and later still on a busy machine.
const ENOMEM_WAITS_MS: [u64; 14] = [1, 2, 4, 8, 8, 8, 16, 16, 16, 16, 32, 32, 32, 64];

/// What this process found that the kernel does not have, of what rings are made with by default.
///
/// ```
/// use annulus_ring::{Builder, abi::SetupFlags, latched_off};
/// let ring = Builder::new().entries(8).build()?;
/// assert!(!ring.setup_flags().intersects(latched_off()));
/// # Ok::<(), annulus_ring::Error>(())
/// ```
pub fn latched_off() -> SetupFlags {
    // Relaxed: a set of hints; pairs with the `fetch_or` below, each bit by itself.
    SetupFlags(REFUSED.load(Ordering::Relaxed))
}

/// What a ring is made of.
type Parts<S, C> = (Linux, RingMemory<S, <C as CqeKind>::Slot>, Params);

impl<S: SqeKind, C: CqeKind> Builder<S, C> {
    /// Makes the ring that was asked for.
    pub(super) fn open(mut self) -> Result<Parts<S, C>> {
        self.check()?;
        fork::prepare().map_err(|errno| Error::os(errno, "mapping the page that shows a fork"))?;
        let required = self.params.flags | S::SETUP | C::SETUP;
        let region = self.region.take();
        // Open until the set-up is through.
        let workers_of = self.workers_of.take().transpose();
        let workers_of = workers_of
            .map_err(|errno| Error::os(errno, "keeping open the ring whose workers are shared"))?;
        if let Some(other) = &workers_of {
            self.params.wq_fd = other.as_raw_fd() as u32;
        }
        let (answer, params, rings_at) = self.set_up(required, region.as_ref())?;
        let (maps, memory) = map::<S, C>(answer, &params, region.zip(rings_at))?;
        // SAFETY: the answer is that of the set-up with these parameters, used once.
        let mut kernel = unsafe { Linux::new(answer, &params, maps) };
        if self.keep_from_children {
            let failed = |errno| Error::os(errno, "keeping a ring's memory from forked children");
            kernel.keep_from_children().map_err(failed)?;
        }
        Ok((kernel, memory, params))
    }

    /// Refuses what contradicts itself, and what these queues do not do.
    fn check(&self) -> Result<()> {
        let flags = self.params.flags;
        let wrong = if self.entries == 0 {
            "a ring of 0 entries: ask for 1 to 32768 entries"
        } else if flags.intersects(UNKNOWN_QUEUES) {
            "SQE_MIXED and SQ_REWIND are other queue disciplines, which this library has not"
        } else if !named().union(self.vouched).contains(flags) {
            "raw_flags() takes flags that have a name here: unknown_flags() takes the others"
        } else if flags.intersects(KINDS.difference(S::SETUP | C::SETUP)) {
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

    /// Calls the kernel, leaving out what is only wished for until it agrees.
    fn set_up(
        &self,
        required: SetupFlags,
        region: Option<&RingRegion>,
    ) -> Result<(u32, Params, Option<usize>)> {
        let unwanted = latched_off() | required | self.unwanted;
        let wishes = WISHES.difference(unwanted);
        // Twice with all of them: a refusal for a flag comes again, and one that does not must not
        // latch anything off for the life of the process.
        let tries = [
            wishes,
            wishes,
            wishes.difference(SetupFlags::NO_SQARRAY),
            wishes.difference(SetupFlags::SUBMIT_ALL),
            SetupFlags::empty(),
        ];
        for (n, granted) in tries.into_iter().enumerate() {
            let again = n > 0 && granted == tries[n - 1];
            if again && (n > 1 || wishes.is_empty()) {
                continue;
            }
            match self.try_set_up(required | granted, region) {
                Ok(made) => {
                    let refused = wishes.difference(granted);
                    // Relaxed: pairs with the load in `latched_off`.
                    REFUSED.fetch_or(refused.bits(), Ordering::Relaxed);
                    return Ok(made);
                }
                Err(Errno::EINVAL) => {}
                Err(errno) => return Err(self.refused(errno, required | granted)),
            }
        }
        Err(self.refused(Errno::EINVAL, required))
    }

    #[cold]
    fn refused(&self, errno: Errno, flags: SetupFlags) -> Error {
        let params = Params { flags, ..self.params };
        Error::setup(SetupError::new(errno, self.entries, &params))
    }

    /// One set-up, tried again for a moment while locked memory is short.
    fn try_set_up(
        &self,
        flags: SetupFlags,
        region: Option<&RingRegion>,
    ) -> core::result::Result<(u32, Params, Option<usize>), Errno> {
        let mut waits = ENOMEM_WAITS_MS.iter();
        loop {
            let mut params = Params { flags, ..self.params };
            let rings_at = match region {
                Some(region) => Some(Maps::give(region, self.layout(flags), &mut params)?),
                None => None,
            };
            // SAFETY: a region's memory is a mapping that the caller keeps as long as the ring, and
            // it has no other use.
            match unsafe { linux::setup(self.entries, &mut params) } {
                Ok(answer) => return Ok((answer, params, rings_at)),
                Err(Errno::ENOMEM) => match waits.next().filter(|_| self.may_fit(flags)) {
                    Some(ms) => std::thread::sleep(core::time::Duration::from_millis(*ms)),
                    None => return Err(Errno::ENOMEM),
                },
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Whether the ring fits into the limit on locked memory once others have released theirs:
    /// else no waiting helps.
    fn may_fit(&self, flags: SetupFlags) -> bool {
        let (sq, cq) = self.lengths();
        diagnose::fits_memlock(diagnose::ring_bytes(sq, cq, flags))
    }
}

/// Every flag with a name.
fn named() -> SetupFlags {
    SetupFlags::ALL.iter().fold(SetupFlags::empty(), |all, known| all | known.value)
}

/// The flags that are types here.
const KINDS: SetupFlags = SetupFlags::SQE128.union(SetupFlags::CQE32).union(SetupFlags::CQE_MIXED);

/// The memory of the ring that was made: mapped from it, or the region given to it.
fn map<S: SqeKind, C: CqeKind>(
    answer: u32,
    params: &Params,
    given: Option<(RingRegion, usize)>,
) -> Result<(Maps, RingMemory<S, C::Slot>)> {
    let failed = |errno| Error::os(errno, "mapping a new ring's memory");
    let mapped = match given {
        Some((region, rings_at)) => Ok(Maps::Given { region, rings_at }),
        None => {
            // SAFETY: without memory of the caller's the answer is a descriptor, open until the end
            // of this call at least.
            let fd = unsafe { BorrowedFd::borrow_raw(answer as RawFd) };
            Maps::of_kernel(fd, params)
        }
    };
    let made = mapped.and_then(|maps| Ok((maps.memory(params)?, maps)));
    match made {
        Ok((memory, maps)) => Ok((maps, memory)),
        Err(errno) => {
            close_unmapped(answer, params);
            Err(failed(errno))
        }
    }
}

/// Closes a ring whose memory could not be mapped.
fn close_unmapped(answer: u32, params: &Params) {
    use std::os::fd::{FromRawFd, OwnedFd};
    if params.flags.contains(SetupFlags::REGISTERED_FD_ONLY) {
        linux::unregister_index(None, answer);
    } else {
        // SAFETY: the descriptor is the set-up's, and nobody else knows it.
        drop(unsafe { OwnedFd::from_raw_fd(answer as RawFd) });
    }
}

/// A ring made for another thread: disabled until it is there. See
/// [`Builder::build_parked`](super::Builder::build_parked).
///
/// ```
/// let parked = annulus_ring::Builder::new().entries(8).build_parked()?;
/// let ring = parked.enable()?;
/// assert_eq!(ring.sq_entries(), 8);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct Parked<S: SqeKind = Sqe, C: CqeKind = Cqe> {
    ring: LocalRing<S, C>,
}

// SAFETY: a disabled ring is tied to no thread yet: it has no issuer and no registered index, and
// nothing can be done with it but enabling, which ties it to the thread that does.
unsafe impl<S: SqeKind, C: CqeKind> Send for Parked<S, C> {}

impl<S: SqeKind, C: CqeKind> Parked<S, C> {
    pub(super) fn new(ring: LocalRing<S, C>) -> Self {
        Self { ring }
    }

    /// Makes the ring this thread's.
    ///
    /// # Errors
    /// What registering answers; none in ordinary use.
    ///
    /// ```
    /// let parked = annulus_ring::Builder::new().entries(8).build_parked()?;
    /// let thread = std::thread::spawn(move || Ok(parked.enable()?.submit()?));
    /// let submitted: Result<u32, annulus_ring::Error> = thread.join().unwrap();
    /// assert_eq!(submitted?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn enable(self) -> Result<LocalRing<S, C>> {
        let mut ring = self.ring;
        ring.register().enable()?;
        ring.linux_mut().register_descriptor();
        Ok(ring)
    }

    /// The disabled ring, for registrations and restrictions before it begins.
    ///
    /// ```
    /// let parked = annulus_ring::Builder::new().entries(8).build_parked()?;
    /// let _all_of_them = parked.register();
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn register(&self) -> crate::register::Register<'_> {
        self.ring.register()
    }
}
