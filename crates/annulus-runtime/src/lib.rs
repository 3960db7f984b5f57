//! io_uring for async programs: buffers, operations, and an engine that any thread uses.
#![doc = ""]
#![doc = include_str!("../docs/overview.md")]

mod bell;
pub mod buffer;
mod counts;
pub mod engine;
mod error;
pub mod guide;
pub mod operation;
mod port;
mod reactor;
mod slot;
mod sync;

pub use engine::{Engine, File};
pub use error::Error;
