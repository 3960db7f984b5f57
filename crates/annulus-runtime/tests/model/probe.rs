//! An operation, and a waker, that count what becomes of them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
// Counts of the models' own, which decide nothing: loom has not to explore them.
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use annulus_ring::Errno;
use annulus_ring::abi::Sqe;

use super::operation::{Completion, Operation, Origin};
use super::threads::Gauge;

/// What became of the operations that have this.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) completed: AtomicU32,
    pub(crate) reclaimed: AtomicU32,
    pub(crate) dropped: AtomicU32,
}

impl Log {
    fn count(counter: &AtomicU32) {
        // Relaxed: pairs with nothing: read when the threads have ended.
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Completed, reclaimed, dropped.
    pub(crate) fn read(&self) -> (u32, u32, u32) {
        // Relaxed: pairs with nothing: the threads have ended.
        let get = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        (get(&self.completed), get(&self.reclaimed), get(&self.dropped))
    }
}

/// An operation that needs nothing and owns a log.
#[derive(Debug)]
pub(crate) struct Probe {
    log: Arc<Log>,
}

impl Probe {
    pub(crate) fn new(log: &Arc<Log>) -> Self {
        Self { log: Arc::clone(log) }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        Log::count(&self.log.dropped);
    }
}

/// What a probe ends with.
pub(crate) type End = (Result<u32, Errno>, Origin);

// SAFETY: its entry points to nothing.
unsafe impl Operation for Probe {
    type Output = End;

    fn entry(&mut self) -> Sqe {
        Sqe::default()
    }

    fn complete(self, completion: Completion) -> End {
        Log::count(&self.log.completed);
        (completion.result, completion.origin)
    }

    fn reclaim(self, _: Completion) {
        Log::count(&self.log.reclaimed);
    }
}

/// A task that sleeps until it is woken.
#[derive(Debug)]
pub(crate) struct Task(Gauge);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.raise();
    }
}

impl Task {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Gauge::new()))
    }

    /// Polls once for this task.
    pub(crate) fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// Waits until it is woken.
    pub(crate) fn wait(&self) {
        self.0.wait();
    }

    /// Polls until the future ends, asleep in between: a lost wake-up is a hang.
    pub(crate) fn finish<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> F::Output {
        loop {
            if let Poll::Ready(output) = self.poll(future) {
                return output;
            }
            self.wait();
        }
    }
}
