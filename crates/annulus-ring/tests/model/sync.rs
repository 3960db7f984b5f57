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
