//! io_uring for async programs: buffers, operations, and an engine that any thread uses.
#![doc = ""]
#![doc = include_str!("../docs/overview.md")]

pub mod buffer;
