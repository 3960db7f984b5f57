//! io_uring, whole: every operation, flag and registration of Linux 6.18, typed and lean.
#![doc = ""]
#![doc = include_str!("../docs/overview.md")]

pub mod abi;
mod builder;
mod call;
#[doc = include_str!("../docs/coming-from.md")]
pub mod coming_from;
mod cq;
mod describe;
pub mod diagnose;
mod doorbell;
mod errno;
mod error;
mod fork;
pub mod kernel;
mod layout;
mod linux;
mod mapping;
pub mod op;
pub mod probe;
#[doc(hidden)]
pub mod raw;
pub mod register;
mod ring;
mod shared;
mod sq;
mod submitter;
mod sync;
mod syscall;
mod wait;

pub use builder::{Build, Builder, BuilderOf, Parked};
pub use cq::{CompletionQueue, Completions, Ready, TwoSlices};
pub use describe::{Description, FdKind};
pub use diagnose::SetupError;
pub use doorbell::{Doorbell, eventfd};
pub use errno::Errno;
pub use error::{Error, Result};
pub use fork::ForkMark;
pub use kernel::Fd;
pub use layout::{CqeKind, Mixed, MixedCqe, SqeKind};
pub use linux::{Linux, latched_off};
pub use mapping::RingRegion;
pub use ring::{
    CompletionHalf, Halves, Local, LocalRing, Movable, Place, Ring, RingOf, SubmissionHalf,
};
pub use shared::{
    Allow, Batch, Counters, SharedBuilder, SharedBuilderOf, SharedRing, SharedRingOf, Submitted,
};
pub use sq::{Reserved, SubmissionQueue};
pub use submitter::{Submitter, WaitIndex};
pub use wait::{SignalMask, Wait};
