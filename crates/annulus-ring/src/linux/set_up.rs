//! Asking Linux for the ring: what is optional is left out when refused, and a lack of locked
//! memory that a ring closed a moment ago still holds is waited out.

use core::sync::atomic::{AtomicU32, Ordering};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::{Linux, Maps, RegionLayout, unregister_index};
use crate::abi::{Params, RegisterOp, SetupFlags};
use crate::diagnose;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::{Kernel, Plan, Pollable, Resized, RingMemory, SetUp};
use crate::layout::{CqeKind, SqeKind};
use crate::mapping::RingRegion;
use crate::syscall::setup;

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

/// What of the set-up flags a resize takes along: the kernel refuses the others.
const CARRIED: SetupFlags = SetupFlags::CQSIZE.union(SetupFlags::CLAMP);

// SAFETY: it is Linux that promises: io_uring_setup(2). Its memory is mappings, which stay in
// place; without SINGLE_ISSUER a ring is every thread's, and a disabled one has no issuer yet.
unsafe impl SetUp for Linux {
    type Choice = ();

    fn set_up<S: SqeKind, C: CqeKind>(
        plan: &mut Plan,
        (): &(),
    ) -> Result<(Self, RingMemory<S, C::Slot>, Params)> {
        let region = plan.take_region();
        // Open until the set-up is through: the plan's owner keeps it.
        if let Some(other) = plan.workers_of().map(|other| other.as_raw_fd()) {
            plan.params.wq_fd = other as u32;
        }
        let (answer, params, rings_at) = ask(plan, region.as_ref())?;
        let (maps, memory) = map::<S, C>(answer, &params, region.zip(rings_at))?;
        // SAFETY: the answer is that of the set-up with these parameters, used once.
        let mut kernel = unsafe { Linux::new(answer, &params, maps) };
        if plan.keep_from_children {
            let failed = |errno| Error::os(errno, "keeping a ring's memory from forked children");
            kernel.keep_from_children().map_err(failed)?;
        }
        Ok((kernel, memory, params))
    }

    fn settle(&mut self) {
        self.register_descriptor();
    }

    fn is_descriptor_registered(&self) -> bool {
        self.is_registered()
    }

    fn close_descriptor(&mut self) -> Result<()> {
        if !self.is_registered() {
            return Err(Error::usage(
                "the ring has no registered index to live by: its descriptor stays open",
            ));
        }
        self.drop_descriptor();
        Ok(())
    }

    fn resize<S: SqeKind, C: CqeKind>(
        &mut self,
        params: &Params,
        sq_entries: u32,
        cq_entries: u32,
    ) -> Result<Resized<S, C::Slot>> {
        if self.fd().is_none() {
            // Without one the new memory could not be mapped.
            return Err(Error::usage("a ring whose descriptor is closed cannot be resized"));
        }
        let flags = SetupFlags::CQSIZE | (params.flags & CARRIED);
        let mut asked = Params { sq_entries, cq_entries, flags, ..Params::default() };
        let op = RegisterOp::RESIZE_RINGS;
        // SAFETY: `asked` is one `io_uring_params`, read and written during the call only.
        let answer = unsafe { self.register(op, (&raw mut asked).cast(), 1) };
        answer.map_err(|errno| Error::register(true, errno, op))?;
        let params = Params {
            sq_entries: asked.sq_entries,
            cq_entries: asked.cq_entries,
            sq_off: asked.sq_off,
            cq_off: asked.cq_off,
            ..*params
        };
        let mapped = self.fd().ok_or(Errno::EBADF).and_then(|fd| Maps::of_kernel(fd, &params));
        let taken = mapped.and_then(|maps| Ok((maps.memory::<S, C::Slot>(&params)?, maps)));
        // The kernel has switched over by now.
        let (memory, maps) = taken.map_err(|_| Error::dead(true))?;
        Ok(Resized { memory, params, kept_from_children: self.replace_maps(maps) })
    }
}

impl Pollable for Linux {}

/// Calls the kernel, leaving out what is only wished for until it agrees.
fn ask(plan: &mut Plan, region: Option<&RingRegion>) -> Result<(u32, Params, Option<usize>)> {
    let required = plan.flags();
    let wishes = plan.wishes().difference(latched_off());
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
        match try_set_up(plan, required | granted, region) {
            Ok(made) => {
                let refused = wishes.difference(granted);
                // Relaxed: pairs with the load in `latched_off`.
                REFUSED.fetch_or(refused.bits(), Ordering::Relaxed);
                return Ok(made);
            }
            Err(Errno::EINVAL) => {}
            Err(errno) => return Err(plan.refused(errno, required | granted)),
        }
    }
    Err(plan.refused(Errno::EINVAL, required))
}

/// One set-up, tried again for a moment while locked memory is short.
fn try_set_up(
    plan: &mut Plan,
    flags: SetupFlags,
    region: Option<&RingRegion>,
) -> core::result::Result<(u32, Params, Option<usize>), Errno> {
    loop {
        let mut params = Params { flags, ..plan.params };
        let rings_at = match region {
            Some(region) => Some(Maps::give(region, layout(plan, flags), &mut params)?),
            None => None,
        };
        // SAFETY: a region's memory is a mapping that the caller keeps as long as the ring, and
        // it has no other use.
        match unsafe { setup(plan.entries, &mut params) } {
            Ok(answer) => return Ok((answer, params, rings_at)),
            Err(Errno::ENOMEM) => match ENOMEM_WAITS_MS.get(plan.waits_count) {
                Some(ms) if may_fit(plan, flags) => {
                    plan.waits_count += 1;
                    std::thread::sleep(core::time::Duration::from_millis(*ms));
                }
                _ => return Err(Errno::ENOMEM),
            },
            Err(errno) => return Err(errno),
        }
    }
}

/// How such a ring lies in memory that is given to it.
fn layout(plan: &Plan, flags: SetupFlags) -> RegionLayout {
    RegionLayout::of(plan.sq_entries(), plan.cq_entries(), flags)
}

/// Whether the ring fits into the limit on locked memory once others have released theirs:
/// else no waiting helps.
fn may_fit(plan: &Plan, flags: SetupFlags) -> bool {
    let bytes = diagnose::ring_bytes(plan.sq_entries(), plan.cq_entries(), flags);
    diagnose::fits_memlock(bytes)
}

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
    if params.flags.contains(SetupFlags::REGISTERED_FD_ONLY) {
        unregister_index(None, answer);
    } else {
        // SAFETY: the descriptor is the set-up's, and nobody else knows it.
        drop(unsafe { OwnedFd::from_raw_fd(answer as RawFd) });
    }
}
