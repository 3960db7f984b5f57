//! Threads and locks of the tests: the standard ones, or loom's under `--cfg loom`.

#[cfg(loom)]
pub use loom::{
    sync::atomic::{Ordering, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread::{spawn, yield_now},
};
#[cfg(not(loom))]
pub use std::{
    sync::atomic::{Ordering, fence},
    sync::{Condvar, Mutex, MutexGuard},
    thread::{spawn, yield_now},
};

/// Sleeps until somebody notifies; fails if nobody does.
#[cfg(loom)]
pub fn sleep<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    // loom itself sees that nobody can.
    condvar.wait(guard).unwrap()
}

/// Sleeps until somebody notifies; fails if nobody does.
#[cfg(not(loom))]
pub fn sleep<'a, T>(condvar: &Condvar, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
    let limit = std::time::Duration::from_secs(20);
    let (guard, result) = condvar.wait_timeout(guard, limit).unwrap();
    assert!(!result.timed_out(), "the model sleeps, and nobody wakes it");
    guard
}
