//! A runtime as the programs ask for one: each peer writes these few lines, the work is the same.

use std::time::Duration;

use crate::program::fail;

/// What a run asks a runtime for, so that nobody pays for what the work does not need.
#[derive(Clone, Copy)]
pub struct Needs {
    /// How many operations are in flight at once; 0 if the work does no I/O.
    pub depth: u32,
    /// Whether tasks are spawned, and not only the work itself is run.
    pub tasks: bool,
    /// Whether it sleeps.
    pub timers: bool,
}

impl Needs {
    /// How many entries a ring is to have for that: at least eight. None where nothing needs any.
    pub fn entries(&self) -> Option<u32> {
        (self.depth != 0).then(|| self.depth.max(8))
    }
}

/// A runtime of one thread.
///
/// What it gives is taken as it is, without a future around it, which would cost instructions: so
/// the runtime names what its handles and its timers are, and unwraps their results by calls.
pub trait Runtime: 'static {
    /// What waiting for a task gives.
    type Joined<T>;

    /// Runs `work` to its end on a new runtime of this thread.
    fn run<T>(needs: Needs, work: impl Future<Output = T>) -> T;

    /// Spawns a task at once: what is given waits for its end.
    fn spawn<T: 'static>(
        work: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = Self::Joined<T>>;

    /// What the task returned; it did not panic.
    fn joined<T>(joined: Self::Joined<T>) -> T;

    /// A timer, which begins when it is made or first polled.
    fn sleep(time: Duration) -> impl Future<Output = ()>;

    /// Its own way to let others run, if there is one.
    fn yield_now() -> impl Future<Output = ()> {
        async { fail("mode=nyield: this runtime has no yield of its own") }
    }
}
