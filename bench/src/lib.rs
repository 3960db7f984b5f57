//! What the benchmark programs share.

mod harness;

pub use harness::{Args, Random, aligned, fail, pin, report};
