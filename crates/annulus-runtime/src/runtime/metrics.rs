//! [`RuntimeMetrics`]: what a runtime has done.

use crate::engine::Metrics;

/// What a runtime has done, and has to do now: [`Runtime::metrics`](crate::Runtime::metrics).
///
/// ```
/// use annulus_runtime::{Runtime, spawn_local};
/// let runtime = Runtime::new()?;
/// runtime.block_on(async { spawn_local(async {}).await })?;
/// let metrics = runtime.metrics();
/// assert_eq!((metrics.tasks, metrics.ops.in_flight), (0, 0));
/// assert!(metrics.polls >= 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeMetrics {
    /// Its ring and the operations on it. The time in the kernel is not measured: 0.
    pub ops: Metrics,
    /// Tasks that are not over.
    pub tasks: u64,
    /// How often a task was polled.
    pub polls: u64,
    /// How often the tasks gave way to the ring: with a system call, or without where there was
    /// nothing to submit and nothing to wait for.
    pub turns: u64,
    /// Threads for what blocks, now.
    pub blocking_threads: u64,
    /// Pieces of blocking work that wait for one of them.
    pub blocking_queued: u64,
}
