//! What makes rings and is made of them, of [`AnyKernel`]: the names of `annulus_ring`, whose own
//! are of Linux.

use annulus_ring::abi::{Cqe, Sqe};
use annulus_ring::{BuilderOf, Local, Movable, RingOf, SharedBuilderOf, SharedRingOf};

use crate::choice::AnyKernel;

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
