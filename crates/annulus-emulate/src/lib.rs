//! io_uring in user space: the kernel that answers where Linux's is blocked.
//!
//! Everything of [`annulus_ring`] is here under the same name. What makes rings ([`Builder`],
//! [`LocalRing`], [`Ring`], [`SharedRing`]) makes them of [`AnyKernel`]: Linux where it can be had,
//! else a kernel in user space, of epoll and threads, that answers the same entries.
//!
//! ```
//! use annulus_emulate::{LocalRing, op};
//! let mut ring = LocalRing::new(8)?;
//! // SAFETY: a NOP points to nothing.
//! unsafe { ring.push(op::Nop::new().build().user_data(7))? };
//! ring.submit_and_wait(1)?;
//! assert_eq!(ring.completions()?.next().map(|cqe| cqe.user_data), Some(7));
//! # Ok::<(), annulus_emulate::Error>(())
//! ```

mod choice;
mod host;
mod queues;
pub mod register;
mod rings;
mod semantics;
mod uaccess;
mod world;

// What is named below, or is a module of ours, goes before what this brings.
#[doc(no_inline)]
pub use annulus_ring::*;

pub use choice::{AnyKernel, Decision, KERNEL_VARIABLE, KernelChoice};
pub use host::Host;
pub use rings::{
    Builder, CompletionHalf, LocalRing, Parked, Ring, SharedBuilder, SharedRing, SubmissionHalf,
};
