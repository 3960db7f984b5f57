//! Threads and locks of the models: the standard ones, or loom's under `--cfg loom`.

#[cfg(loom)]
pub(crate) use loom::{
    sync::{Condvar, Mutex, MutexGuard},
    thread::{JoinHandle, spawn, yield_now},
};
#[cfg(not(loom))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard},
    thread::{JoinHandle, spawn, yield_now},
};

/// Sleeps until somebody notifies; fails if nobody does.
#[cfg(loom)]
fn sleep<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    // loom itself sees that nobody can.
    condvar.wait(guard).unwrap()
}

/// Sleeps until somebody notifies; fails if nobody does.
#[cfg(not(loom))]
fn sleep<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    let limit = std::time::Duration::from_secs(20);
    let (guard, result) = condvar.wait_timeout(guard, limit).unwrap();
    assert!(!result.timed_out(), "a thread sleeps, and nobody wakes it");
    guard
}

/// Counts how often something happened, for who waits for it.
#[derive(Debug)]
pub(crate) struct Gauge {
    count: Mutex<u32>,
    changed: Condvar,
}

impl Gauge {
    pub(crate) fn new() -> Self {
        Self { count: Mutex::new(0), changed: Condvar::new() }
    }

    pub(crate) fn raise(&self) {
        *self.count.lock().unwrap() += 1;
        self.changed.notify_all();
    }

    /// Waits until it happened at least once since the last call, and forgets that.
    pub(crate) fn wait(&self) {
        let mut count = self.count.lock().unwrap();
        let spins = *count != 0;
        while *count == 0 {
            count = sleep(&self.changed, count);
        }
        *count = 0;
        drop(count);
        if spins {
            // Who asks to be polled again waits for somebody: loom has to let them run.
            yield_now();
        }
    }
}
