//! io_uring for async programs: buffers, operations, and an engine that any thread uses.
#![doc = ""]
#![doc = include_str!("../docs/overview.md")]

mod bell;
mod blocking;
pub mod buffer;
mod counts;
pub mod engine;
mod error;
mod executor;
mod files;
pub mod guide;
mod inside;
pub mod operation;
mod packet;
mod port;
mod reactor;
pub mod runtime;
mod slot;
mod sync;
mod timer;
mod traced;

pub use blocking::BlockingHandle;
pub use engine::{Engine, File};
pub use error::Error;
pub use executor::{JoinError, JoinHandle};
pub use inside::{Hung, OpInfo, OpStage};
pub use runtime::{
    Handle, LocalOp, RemoteHandle, Runtime, RuntimeMetrics, run, spawn_blocking, spawn_local,
    submit, time, yield_now,
};
