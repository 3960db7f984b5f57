//! What the benchmark programs share.

mod annulus;
pub mod epoll;
mod file;

pub use annulus::Annulus;
pub use annulus_bench_harness::*;
pub use file::AnnulusFile;
