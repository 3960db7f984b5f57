//! The thread of an executor: it does what `runtime::Core` does with its reactor, and sleeps on a
//! bell that counts.

use std::cell::Cell;
use std::sync::Arc;

use super::executor::{Executor, JoinError, JoinHandle, Ran, Remote};
use super::probe::Count;
use super::threads::Gauge;

/// What wakes it.
struct Bell {
    rings: Count,
    gauge: Gauge,
}

/// Whether others than the bell end its sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wakes {
    /// The bell alone.
    ByBell,
    /// So many waits end without it, as if an operation had completed: the executor stays asleep to
    /// those who look at it.
    Early(u32),
}

pub(crate) struct Owner {
    pub(crate) executor: Executor,
    bell: Arc<Bell>,
    early: Cell<u32>,
    /// How often it waited for the bell.
    waits: Cell<u32>,
    /// How often it could have been said to sleep.
    tries: Cell<u32>,
}

impl Owner {
    pub(crate) fn new(wakes: Wakes) -> Self {
        let bell = Arc::new(Bell { rings: Count::default(), gauge: Gauge::new() });
        let rung = Arc::clone(&bell);
        let remote = Remote::new(move || {
            rung.rings.add();
            rung.gauge.raise();
        });
        let early = if let Wakes::Early(count) = wakes { count } else { 0 };
        Self {
            executor: Executor::new(remote),
            bell,
            early: Cell::new(early),
            waits: Cell::new(0),
            tries: Cell::new(0),
        }
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        self.executor.remote()
    }

    /// Polls what is due now, and takes what came from others.
    pub(crate) fn run_once(&self) {
        let _entered = self.executor.enter();
        let mut budget = 8;
        let ran = self.executor.run(&mut budget);
        assert_eq!(ran, Ran::Idle);
        self.executor.take_remote();
    }

    /// Runs until `is_over`, asleep where there is nothing to do. The root is not to be woken.
    pub(crate) fn run_until(&self, is_over: impl Fn() -> bool) {
        self.run_with(|| unreachable!("nobody woke the root"), is_over);
    }

    /// Runs until every task is over.
    pub(crate) fn run(&self) {
        self.run_until(|| self.executor.tasks_count() == 0);
    }

    /// Runs until `is_over`; calls `root` when that is due.
    pub(crate) fn run_with(&self, mut root: impl FnMut(), is_over: impl Fn() -> bool) {
        let _entered = self.executor.enter();
        let mut budget = 1;
        loop {
            let ran = self.executor.run(&mut budget);
            if ran == Ran::Root {
                root();
                continue;
            }
            if is_over() {
                return;
            }
            if ran == Ran::Idle && self.executor.is_idle() {
                self.sleep();
            }
            self.executor.take_remote();
            budget = 1;
        }
    }

    fn sleep(&self) {
        self.tries.set(self.tries.get() + 1);
        if !self.remote().sleep() {
            return;
        }
        match self.early.get().checked_sub(1) {
            Some(left) => self.early.set(left),
            None => {
                self.waits.set(self.waits.get() + 1);
                self.bell.gauge.wait();
            }
        }
    }

    /// How often it was rung for, when the threads have ended; how often it waited.
    pub(crate) fn rings(&self) -> (u32, u32) {
        (self.bell.rings.get(), self.waits.get())
    }

    /// Ends it, when the threads have ended and nobody has a waker any more: nothing of it is left.
    pub(crate) fn settle(self) {
        assert!(self.bell.rings.get() <= self.tries.get(), "rung more often than it slept");
        self.executor.close();
        let remote = Arc::downgrade(self.executor.remote());
        drop(self.executor);
        assert_eq!(remote.strong_count(), 0, "a waker is left");
        assert_eq!(Arc::strong_count(&self.bell), 1, "the remote is left");
    }

    /// The same for one that was only woken: it was rung once for each time that it slept.
    pub(crate) fn settle_woken(self) {
        let (rings, waits) = self.rings();
        assert_eq!(rings, waits, "rings, sleeps");
        self.settle();
    }
}

/// What a task that is over gave.
pub(crate) fn output<T>(handle: JoinHandle<T>) -> Result<T, JoinError> {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};
    let mut handle = std::pin::pin!(handle);
    match handle.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the task is not over"),
    }
}
