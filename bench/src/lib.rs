//! What the benchmark programs share.

mod harness;
mod limit;
mod meter;
mod target;

pub use harness::{Args, Random, aligned, fail, pin, report};
pub use limit::{Limit, Share};
pub use meter::Meter;
pub use target::{BLOCK_BYTES, Block, Target};
