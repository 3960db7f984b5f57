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

/// See above.
pub(super) struct Rings<R> {
    entries: u32,
    kernel: KernelChoice,
    workers: (u32, u32),
    watch: Watch<R>,
    /// For each ring, in the order in which they were made.
    ready: Vec<R>,
    /// How many there may be.
    count_max: usize,
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
        let (entries, kernel, workers) = (ring.sq_entries(), plan.kernel, plan.workers);
        let mut rings = Self { entries, kernel, workers, watch, ready: Vec::new(), count_max };
        rings.keep(&ring)?;
        Ok((ring, rings))
    }

    /// Makes another, if there may be one more, with the buffers that `model` has registered.
    #[cold]
    pub(super) fn another(&mut self, model: &Ring, ports: &Ports) -> Option<Ring> {
        if self.ready.len() >= self.count_max {
            return None;
        }
        let made = self.make(model, ports);
        if made.is_err() {
            // A limit, most likely, on descriptors or locked memory: those that there are will do.
            self.count_max = self.ready.len();
        }
        made.ok()
    }

    fn make(&mut self, model: &Ring, ports: &Ports) -> io::Result<Ring> {
        let ring = driver::builder(self.entries, self.kernel).coop_taskrun().build()?;
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
