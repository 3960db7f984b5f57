//! What the benchmark programs share.

mod annulus;

pub use annulus::Annulus;
pub use annulus_bench_harness::*;
