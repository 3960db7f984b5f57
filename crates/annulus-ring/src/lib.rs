//! io_uring, whole: every operation, flag and registration of Linux 6.18, typed and lean.
//!
//! An *entry* ([`Sqe`](abi::Sqe)) goes into the submission queue, the kernel does what it says, and a
//! *completion* ([`Cqe`](abi::Cqe)) comes out of the completion queue. A program fills entries, enters
//! the kernel once for many of them, and walks the completions:
//!
//! ```
//! use annulus_ring::{LocalRing, op};
//! use std::fs::File;
//!
//! let file = File::open("/proc/self/exe")?;
//! let mut buffers = vec![[0_u8; 512]; 4];
//! let mut ring = LocalRing::new(8)?;
//!
//! for (n, buffer) in (0..).zip(&mut buffers) {
//!     let read = op::Read::new(&file, buffer.as_mut_ptr(), 512).offset(n * 512);
//!     // SAFETY: the buffer is not touched, and lives, until its completion below.
//!     unsafe { ring.push(read.build().user_data(n))? };
//! }
//! ring.submit_and_wait(4)?; // one system call for all four
//!
//! for cqe in ring.completions()? {
//!     let bytes = cqe.result()?;
//!     println!("block {}: {bytes} bytes", cqe.user_data);
//!     # assert_eq!(bytes, 512);
//! }
//! assert_eq!(&buffers[0][..4], b"\x7fELF");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which ring
//!
//! | | |
//! | --- | --- |
//! | [`LocalRing`] | stays on its thread; the leanest, and what to use unless there is a reason not to |
//! | [`Ring`] | may move between threads, be watched by epoll, be polled by a kernel thread, and be [split](RingOf::split) into a half that submits and one that completes |
//! | [`Builder`] | makes either with every option that the kernel has |
//!
//! # Who may touch a buffer, and until when
//!
//! The kernel reads and writes what an entry points to *while the program runs on*. So a borrow
//! cannot guard it, and pushing is `unsafe`: who pushes promises that
//!
//! - what the kernel **writes** to is not touched until the operation's completion was seen: the
//!   completion with that `user_data`, and the last one if it says that
//!   [more](abi::Cqe::has_more) will come (a zero-copy send's last one is its
//!   [notification](abi::Cqe::is_notification));
//! - what the kernel **reads** is not changed until then; iovecs, paths and times may go as soon as
//!   the submit that takes the entry has returned (`SUBMIT_STABLE`, which every supported kernel
//!   has): each operation's page says which of its pointers are which;
//! - all of it stays allocated that long. Dropping the ring does not shorten it, nor does cancelling:
//!   a cancelled operation's completion comes too. If it will never be seen, the buffer is leaked.
//!
//! A submit that fails takes nothing back: what it did not take is [still
//! queued](Error::queued), and goes with the next.
//!
//! # Errors
//!
//! Three kinds, kept apart: [`Error`] is about the ring (full, interrupted, another thread's, refused
//! by this system, and then [why](diagnose::SetupError) and what to do); an operation's own failure is
//! the [`result`](abi::Cqe::result) of its completion, an [`Errno`]; a panic is a bug of this library.
//!
//! # Kernels
//!
//! Linux 6.1 is the oldest that is supported. What a kernel has is found by trying, never by its
//! version: what is optional is [left out](latched_off) when it is refused, and every page names the
//! Linux that brought its subject.

pub mod abi;
mod builder;
mod cq;
pub mod diagnose;
mod errno;
mod error;
mod fork;
pub mod kernel;
mod layout;
mod linux;
pub mod op;
#[doc(hidden)]
pub mod raw;
pub mod register;
mod ring;
mod sq;
mod submitter;
mod sync;
mod syscall;
mod wait;

pub use builder::{Build, Builder, Parked, latched_off};
pub use cq::{CompletionQueue, Completions, Ready, TwoSlices};
pub use diagnose::SetupError;
pub use errno::Errno;
pub use error::{Error, Result};
pub use kernel::Fd;
pub use layout::{CqeKind, Mixed, MixedCqe, SqeKind};
pub use linux::{Linux, RingRegion};
pub use ring::{
    CompletionHalf, Halves, Local, LocalRing, Movable, Place, Ring, RingOf, SubmissionHalf,
};
pub use sq::{Reserved, SubmissionQueue};
pub use submitter::{Submitter, WaitIndex};
pub use wait::{SignalMask, Wait};

/// What liburing and Zig call what is here, name by name.
#[doc = include_str!("../docs/coming-from.md")]
pub mod coming_from {}
