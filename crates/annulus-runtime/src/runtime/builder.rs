//! What a runtime is made by.

use std::io;
use std::sync::Arc;

use annulus_emulate::KernelChoice;

use super::Runtime;
use super::core::{Budget, Core};
use crate::bell::Bell;
use crate::blocking::{BlockingPool, Plan};
use crate::engine::Engine;
use crate::engine::driver::{self, Drivers};
use crate::executor::{Executor, Remote};
use crate::port::Ports;
use crate::reactor::{Habits, LocalReactor};

/// What a runtime is made by: [`Runtime::builder`].
#[derive(Clone, Debug)]
pub struct RuntimeBuilder {
    entries: u32,
    kernel: KernelChoice,
    budget: Budget,
    blocking: Plan,
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        Self {
            entries: 256,
            kernel: KernelChoice::Environment,
            budget: Budget { polls: 61, end_tenths: 50 },
            blocking: Plan::default(),
        }
    }
}

impl RuntimeBuilder {
    /// How many entries its ring has.
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries;
        self
    }

    /// How many threads [`spawn_blocking`](crate::spawn_blocking) may have (64). With 0 the work
    /// runs when its handle is polled.
    pub fn blocking_threads(mut self, max: usize) -> Self {
        self.blocking.threads_max = max;
        self
    }

    /// How many pieces of blocking work may wait for a thread (4096); more wait in their handles.
    pub fn blocking_queue(mut self, max: usize) -> Self {
        self.blocking.queue_max = max;
        self
    }

    /// How long a thread of that pool waits for more work (10 s).
    pub fn blocking_keep_alive(mut self, span: core::time::Duration) -> Self {
        self.blocking.keep_alive = span;
        self
    }

    /// Which kernel it runs on.
    pub fn kernel(mut self, kernel: KernelChoice) -> Self {
        self.kernel = kernel;
        self
    }

    /// Makes it, on this thread.
    pub fn build(self) -> io::Result<Runtime> {
        let ring = driver::sized(self.entries, |entries| {
            driver::builder(entries, self.kernel).build_local().and_then(driver::proven)
        })?;
        let entries = ring.sq_entries();
        let mut ports = Ports::new(vec![Bell::of_kernel()?], entries - 1)?;
        ports.kernel = ring.kernel().name();
        ports.ops = ring.register().probe().ok();
        let ports = Arc::new(ports);
        let habits = Habits {
            in_flight_max: driver::completions(entries),
            pause: std::thread::sleep,
            complain: driver::complain,
            is_timed: false,
        };
        let reactor = LocalReactor::of_executor(ring, Arc::clone(&ports), 0, habits);
        let (drivers, _ended) = Drivers::driven(Arc::clone(&ports), entries);
        let bell = Arc::clone(&ports);
        let remote = Remote::new(move || bell.get(0).bell.ring());
        let executor = Executor::new(remote);
        let core = Core::new(
            executor,
            reactor,
            ports,
            Engine { drivers },
            BlockingPool::new(self.blocking),
            self.budget,
        );
        Ok(Runtime { core })
    }
}
