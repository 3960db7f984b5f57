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
mod semantics;
mod uaccess;
mod world;

#[doc(no_inline)]
pub use annulus_ring::*;

pub use choice::{AnyKernel, KERNEL_VARIABLE, KernelChoice};
pub use host::Host;

use annulus_ring::abi::{Cqe, Sqe};

/// [`annulus_ring::Builder`], of any kernel.
pub type Builder<S = Sqe, C = Cqe> = BuilderOf<S, C, AnyKernel>;
/// [`annulus_ring::LocalRing`], of any kernel.
pub type LocalRing<S = Sqe, C = Cqe> = RingOf<Local, S, C, AnyKernel>;
/// [`annulus_ring::Ring`], of any kernel.
pub type Ring<S = Sqe, C = Cqe> = RingOf<Movable, S, C, AnyKernel>;
/// [`annulus_ring::SharedRing`], of any kernel.
pub type SharedRing = SharedRingOf<AnyKernel>;
/// [`annulus_ring::SharedBuilder`], of any kernel.
pub type SharedBuilder = SharedBuilderOf<AnyKernel>;
/// [`annulus_ring::Parked`], of any kernel.
pub type Parked<S = Sqe, C = Cqe, K = AnyKernel> = annulus_ring::Parked<S, C, K>;
/// [`annulus_ring::SubmissionHalf`], of any kernel.
pub type SubmissionHalf<S = Sqe, K = AnyKernel> = annulus_ring::SubmissionHalf<S, K>;
/// [`annulus_ring::CompletionHalf`], of any kernel.
pub type CompletionHalf<C = Cqe, K = AnyKernel> = annulus_ring::CompletionHalf<C, K>;
