//! Files, sockets, processes and time on io_uring, in the shapes of the standard library.
#![doc = ""]
#![doc = include_str!("../docs/overview.md")]
#![forbid(unsafe_code)]

#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "hyper")]
mod bound;
pub mod fs;
pub mod guide;
#[cfg(feature = "hyper")]
pub mod hyper;
pub mod io;
pub mod net;
pub mod polled;
pub mod process;
pub mod signal;
pub mod sync;
#[cfg(feature = "rustls")]
pub mod tls;

pub use annulus_ring::Errno;
pub use annulus_runtime::engine::KernelChoice;
pub use annulus_runtime::runtime::{
    Event, RuntimeBuilder, Stopped, Threads, ThreadsBuilder, engine, fixed_pool, handle, metrics,
    ops, stopped,
};
pub use annulus_runtime::{
    BlockingHandle, Engine, Error, Handle, Hung, JoinError, JoinHandle, LocalOp, OpInfo, OpStage,
    RemoteHandle, Runtime, RuntimeMetrics, buffer, run, spawn_blocking, spawn_local, submit, time,
    yield_now,
};

/// The programs of the project's front page compile and run: here, where all crates are known.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
