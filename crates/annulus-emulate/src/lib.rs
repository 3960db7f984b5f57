//! io_uring in user space: the kernel that answers where Linux's is blocked.
#![doc = ""]
#![doc = include_str!("../docs/overview.md")]

mod choice;
pub mod guide;
mod host;
mod queues;
pub mod register;
mod rings;
mod semantics;
mod uaccess;
mod workers;
mod world;

// What is named below, or is a module of ours, goes before what this brings.
#[doc(no_inline)]
pub use annulus_ring::*;

pub use choice::{AnyKernel, Decision, KERNEL_VARIABLE, KernelChoice, KernelOptions};
pub use host::{Host, SignalWatch, adopt_child, child_fd, restore_signal};
pub use rings::{
    Builder, CompletionHalf, LocalRing, Parked, Ring, SharedBuilder, SharedRing, SubmissionHalf,
};
pub use workers::Workers;
