//! [`Beside`]: a ring in user space beside a reactor's ring of Linux, for the operations that
//! Linux has no number for.
//!
//! ```text
//! slot ── private entry ──▶ the ring beside ──▶ done at once, or by a thread of that kernel
//!                                │ a poll of its descriptor, in the reactor's own ring
//! result ◀── as of any ring ─────┘ tells that there are completions
//! ```
//!
//! Why a ring, and not a pool of threads with a list of its own: what is asked of such a pool is
//! what the kernel in user space is. It does a private entry in the same way wherever that comes
//! from, so both kernels answer alike; it keeps what waits for others (locks, names of hosts, slow
//! peers) from keeping the work on disks waiting; a cancel takes back what no thread has begun, and
//! interrupts the call of what one has. To the reactor it is one more place that slots go to and
//! completions come from: they stay in place until theirs comes, are counted as in flight, have
//! deadlines and cancels, and the end waits for them, all by what is there for Linux.
//!
//! It costs nothing before it is used: neither memory nor a descriptor nor a thread. Then it has
//! four descriptors, and threads while there is something to do.

use std::os::fd::AsFd;

use annulus_emulate::{Builder, KernelChoice, Ring, Workers};
use annulus_ring::abi::{Cqe, Op, PollEvents, Sqe};
use annulus_ring::register::{MaxWorkers, Restrictions};
use annulus_ring::{Errno, Error, SubmissionQueue, op};

use super::book::BESIDE;

/// How many entries it has: a submit takes all of them, whatever becomes of them.
const ENTRIES: u32 = 64;

/// How such a ring is to be made.
#[derive(Clone, Debug)]
pub(crate) struct BesidePlan {
    /// How many threads it has for what ends by itself, and for what does not: 0 is as many as
    /// there are by default.
    pub(crate) workers: (u32, u32),
    /// The operations that it may do, if not all.
    pub(crate) allowed: Option<Vec<Op>>,
}

/// See above.
pub(super) struct Beside {
    plan: BesidePlan,
    ring: Option<Ring>,
    /// How many completions it owes.
    pending: u32,
    /// The reactor's own ring polls it.
    listens: bool,
}

impl Beside {
    pub(super) fn new(plan: BesidePlan) -> Self {
        Self { plan, ring: None, pending: 0, listens: false }
    }

    /// Whether it has anything to do.
    #[inline(always)]
    pub(super) fn is_used(&self) -> bool {
        self.pending > 0
    }

    /// Takes an entry, to be submitted by the next [`show`](Self::show).
    ///
    /// # Errors
    /// Why it could not be made: `EMFILE`, `ENFILE`, `ENOMEM`.
    pub(super) fn push(&mut self, entry: Sqe) -> Result<(), Errno> {
        let ring = match &mut self.ring {
            Some(ring) => ring,
            none => none.insert(make(&self.plan).map_err(|error| errno_of(&error))?),
        };
        if ring.sq_space_left() == 0 {
            ring.submit().map_err(|error| errno_of(&error))?;
        }
        // SAFETY: an operation owns what its entry points to, and its slot keeps it until the
        // completion (`Operation`); others point to nothing.
        unsafe { ring.push(entry) }.map_err(|_full| Errno::EAGAIN)?;
        self.pending += 1;
        Ok(())
    }

    /// Whether there is something to [`show`](Self::show).
    pub(super) fn is_to_show(&self) -> bool {
        self.pending > 0 && (!self.listens || self.ring.as_ref().is_some_and(|r| r.sq_len() > 0))
    }

    /// Submits what it has, and has the reactor's own ring listen to it: whether there was room in
    /// `sq` for that.
    pub(super) fn show(&mut self, sq: &mut SubmissionQueue) -> bool {
        if !self.is_to_show() {
            return true;
        }
        let Some(ring) = &mut self.ring else { return true };
        if ring.sq_len() > 0 {
            // It refuses nobody but the child of a fork, where no reactor runs.
            let submitted = ring.submit();
            debug_assert!(submitted.is_ok(), "{submitted:?}");
        }
        if !self.listens {
            let poll = op::PollAdd::new(ring.as_fd(), PollEvents::IN).build().user_data(BESIDE);
            // SAFETY: it points to nothing, and the descriptor is the ring's, which stays as long
            // as the reactor's own.
            self.listens = unsafe { sq.push(poll) }.is_ok();
        }
        self.listens
    }

    /// Takes note that it was listened to, and is not any more.
    pub(super) fn called(&mut self) {
        self.listens = false;
    }

    /// Takes all that has completed. How many those were.
    pub(super) fn take(&mut self, mut each: impl FnMut(Cqe)) -> u32 {
        let Some(ring) = self.ring.as_mut().filter(|_| self.pending > 0) else { return 0 };
        if self.listens && ring.cq_len() == 0 {
            return 0;
        }
        let mut count = 0;
        loop {
            // It enters where files are to be looked at. And once more when all are taken, so that
            // its descriptor is not readable for what is gone.
            let Ok(completions) = ring.completions() else { return count };
            let before = count;
            for cqe in completions {
                count += 1;
                each(cqe);
            }
            if count == before {
                break;
            }
        }
        self.pending = self.pending.saturating_sub(count);
        count
    }
}

/// Makes it: of the kernel in user space, whatever the environment says.
fn make(plan: &BesidePlan) -> annulus_ring::Result<Ring> {
    let (bounded, unbounded) = plan.workers;
    let workers = Workers::new().name("annulus-worker");
    let kernel = KernelChoice::Host.with_workers(workers);
    let builder = Builder::new().entries(ENTRIES).kernel(kernel).disabled();
    let ring = builder.build()?;
    ring.register().iowq_max_workers(MaxWorkers { bounded, unbounded })?;
    if let Some(allowed) = &plan.allowed {
        let own = [Op::ASYNC_CANCEL, Op::TIMEOUT];
        let all = own.iter().chain(allowed).fold(Restrictions::new(), |list, op| list.allow(*op));
        ring.register().restrict(&all)?;
    }
    ring.register().enable()?;
    Ok(ring)
}

fn errno_of(error: &Error) -> Errno {
    error.errno().unwrap_or(Errno::ENOMEM)
}
