//! Time: waiting for it, and giving up after it.
//!
//! | | |
//! | --- | --- |
//! | [`sleep`], [`sleep_until`] | a while, or until a time; can be [set anew](Sleep::reset) |
//! | [`timeout`], [`timeout_at`] | somebody else's future, but no longer than so |
//! | [`interval`] | again and again |
//! | [`LocalOp::deadline`](super::LocalOp::deadline) | one operation, ended by the kernel |
//!
//! Timers are a thread's own, in a hierarchical wheel: to set one and to take it back costs the
//! same for any number of them, allocates nothing once so many have been, and gives the kernel
//! nothing to do: the next one is how long the runtime waits.

mod interval;
mod sleep;
mod timeout;

pub use interval::{Interval, MissedTicks, interval};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Elapsed, Timeout, timeout, timeout_at};
