//! [`Rings`]: how a drive makes its rings, and what tells that they are readable.

use core::task::{Context, Poll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use annulus_emulate::{AnyKernel, KernelChoice};
use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::{Movable, RingOf};

use super::Readiness;
use crate::engine::driver::{self, Plan};
use crate::port::Ports;
use crate::reactor::LANES_MAX;

/// A ring that any thread enters, one at a time.
type Ring = RingOf<Movable, Sqe, Cqe, AnyKernel>;

/// Makes of a ring's descriptor what waits for it.
type Watch<R> = Box<dyn FnMut(OwnedFd) -> io::Result<R> + Send>;

/// How often another ring is asked for until it is tried again to make one.
const PAUSE_MIN: u32 = 64;
/// The same where it failed again and again.
const PAUSE_MAX: u32 = 1 << 16;

/// See above.
pub(super) struct Rings<R> {
    entries: u32,
    workers: (u32, u32),
    watch: Watch<R>,
    /// For each ring, in the order in which they were made.
    ready: Vec<R>,
    /// How many there may be.
    count_max: usize,
    /// How often another is asked for until it is tried to make one, where that failed.
    left: u32,
    /// The same after the last time that it failed.
    pause: u32,
}

impl<R: Readiness> Rings<R> {
    /// Makes the first ring.
    pub(super) fn first(plan: &Plan, watch: Watch<R>) -> io::Result<(Ring, Self)> {
        let ring = driver::sized(plan.entries, |entries| {
            let builder = driver::builder(entries, plan.kernel);
            builder.coop_taskrun().build().and_then(driver::proven)
        })?;
        // In user space a ring has one lock for its submits and another for its completions.
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let count_max = if ring.kernel().is_host() { 1 } else { threads.min(LANES_MAX) };
        let (entries, workers, ready) = (ring.sq_entries(), plan.workers, Vec::new());
        let (left, pause) = (0, 0);
        let mut rings = Self { entries, workers, watch, ready, count_max, left, pause };
        rings.keep(&ring)?;
        Ok((ring, rings))
    }

    /// Makes another, if there may be one more, with the buffers that `model` has registered.
    #[cold]
    pub(super) fn another(&mut self, model: &Ring, ports: &Ports) -> Option<Ring> {
        if self.ready.len() >= self.count_max {
            return None;
        }
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            return None;
        }
        let made = self.make(model, ports);
        if made.is_err() {
            // A limit, most likely, on descriptors or locked memory: those that there are will do.
            self.pause = (2 * self.pause).clamp(PAUSE_MIN, PAUSE_MAX);
            self.left = self.pause;
        }
        made.ok()
    }

    fn make(&mut self, model: &Ring, ports: &Ports) -> io::Result<Ring> {
        // Not a shorter one, and none of another kernel, where Linux makes no more: who drives
        // looks at all of them in the same way.
        let builder = driver::builder(self.entries, KernelChoice::Linux);
        let ring = builder.coop_taskrun().build()?;
        driver::share_fixed(&ring.register(), model.raw_fd(), ports)?;
        self.keep(&ring)?;
        Ok(ring)
    }

    /// Watches a ring.
    fn keep(&mut self, ring: &Ring) -> io::Result<()> {
        driver::cap_workers(&ring.register(), self.workers);
        let descriptor = ring.as_fd().try_clone_to_owned()?;
        self.ready.push((self.watch)(descriptor)?);
        Ok(())
    }

    /// Whether one of those rings may have become readable, by their numbers. If not, the task is
    /// woken when one does; not where its runtime tells nothing any more.
    pub(super) fn poll_readable(
        &mut self,
        numbers: impl Iterator<Item = usize>,
        cx: &mut Context<'_>,
    ) -> bool {
        // All of them: each is to wake the task.
        numbers.fold(false, |is_readable, number| {
            matches!(self.ready[number].poll_readable(cx), Poll::Ready(Ok(()))) | is_readable
        })
    }
}
