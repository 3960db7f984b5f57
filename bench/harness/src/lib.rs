//! What the benchmark programs share, ours and our peers'.

pub mod echo;
mod limit;
pub mod load;
mod meter;
mod program;
pub mod reads;
mod runtime;
mod target;
pub mod tasks;

pub use limit::{Limit, Share};
pub use meter::Meter;
pub use program::{Args, Random, aligned, fail, pin, report};
pub use runtime::{Needs, Runtime};
pub use target::{BLOCK_BYTES, Block, Target};
