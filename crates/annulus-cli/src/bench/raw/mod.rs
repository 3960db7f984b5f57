//! The only unsafe code of the program: driving the ring, and counting instructions.

mod perf;
mod ring;

pub use perf::{Counted, Counters};
pub use ring::{Driver, RingWork, ring};
