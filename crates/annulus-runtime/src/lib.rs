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

/// The programs of the project's front page compile and run: here, where both crates are known.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
mod readme {}
