//! Registrations: what a ring is told once instead of with every entry (`io_uring_register(2)`).
//!
//! They hang off [`Register`], which `ring.register()` gives; so does each half of a split ring,
//! through its submitter, and a ring that is still parked. What needs no ring is a free function.
//!
//! | registration | here | Linux |
//! | --- | --- | --- |
//! | `FILES`, `FILES2`, `UNREGISTER_FILES` | [`files`], [`files_sparse`], [`files_tagged`], [`unregister_files`] | 5.1, 5.13, 5.19 |
//! | `FILES_UPDATE`, `FILES_UPDATE2` | [`update_files`], [`update_files_tagged`] | 5.5, 5.13 |
//! | `FILE_ALLOC_RANGE` | [`file_alloc_range`] | 6.0 |
//! | `BUFFERS`, `BUFFERS2`, `UNREGISTER_BUFFERS` | [`buffers`], [`buffers_sparse`], [`buffers_tagged`], [`unregister_buffers`] | 5.1, 5.13, 5.19 |
//! | `BUFFERS_UPDATE` | [`update_buffers`] | 5.13 |
//! | `CLONE_BUFFERS` | [`clone_buffers`] | 6.12 |
//! | `PBUF_RING`, `UNREGISTER_PBUF_RING`, `PBUF_STATUS` | [`BufRing`], [`BufferRing`] | 5.19, 6.8 |
//! | `EVENTFD`, `EVENTFD_ASYNC`, `UNREGISTER_EVENTFD` | [`eventfd`], [`eventfd_async`], [`unregister_eventfd`] | 5.2, 5.6 |
//! | `PERSONALITY`, `UNREGISTER_PERSONALITY` | [`personality`], [`unregister_personality`] | 5.6 |
//! | `RESTRICTIONS` | [`restrict`], [`restrict_task`] | 5.10, 7.0 |
//! | `ENABLE_RINGS` | [`enable`], [`Parked::enable`](crate::Parked::enable) | 5.10 |
//! | `IOWQ_AFF`, `UNREGISTER_IOWQ_AFF` | [`iowq_affinity`], [`unregister_iowq_affinity`] | 5.14 |
//! | `IOWQ_MAX_WORKERS` | [`iowq_max_workers`] | 5.15 |
//! | `RING_FDS`, `UNREGISTER_RING_FDS` | [`ring_fd`], [`unregister_ring_fd`]; a local ring's own by itself | 5.18 |
//! | `SYNC_CANCEL` | [`sync_cancel`] | 6.0 |
//! | `SEND_MSG_RING` | [`send_message`] | 6.13 |
//! | `NAPI`, `UNREGISTER_NAPI` | [`napi`], [`napi_add`], [`napi_remove`], [`unregister_napi`] | 6.9, 6.13 |
//! | `CLOCK` | [`clock`] | 6.12 |
//! | `RESIZE_RINGS` | [`resize`](crate::LocalRing::resize) | 6.13 |
//! | `MEM_REGION` | [`wait_region`], [`memory_region`] | 6.13 |
//! | `PROBE`, `QUERY` | [`probe`], [`query`] | 5.6, 6.18 |
//! | `ZCRX_IFQ`, `ZCRX_CTRL` | [`zcrx_queue`], [`zcrx_flush`], [`zcrx_export`] | 6.15, 6.19 |
//! | `BPF_FILTER` | [`bpf_filter`], [`bpf_filter_task`] | 7.0 |
//!
//! # Errors of every registration
//! Beside its own, each of them may answer
//! - `EEXIST` ([`is_wrong_thread`](Error::is_wrong_thread)): a single-issuer ring is registered
//!   with by its own thread only.
//! - `EACCES`: the ring is restricted, and this registration is not among what it may do.
//! - `EINVAL` ([`is_unsupported`](Error::is_unsupported)): this kernel does not know it.
//! - [`is_forked`](Error::is_forked): the ring is the parent process's.
//!
//! [`files`]: Register::files
//! [`files_sparse`]: Register::files_sparse
//! [`files_tagged`]: Register::files_tagged
//! [`unregister_files`]: Register::unregister_files
//! [`update_files`]: Register::update_files
//! [`update_files_tagged`]: Register::update_files_tagged
//! [`file_alloc_range`]: Register::file_alloc_range
//! [`buffers`]: Register::buffers
//! [`buffers_sparse`]: Register::buffers_sparse
//! [`buffers_tagged`]: Register::buffers_tagged
//! [`unregister_buffers`]: Register::unregister_buffers
//! [`update_buffers`]: Register::update_buffers
//! [`clone_buffers`]: Register::clone_buffers
//! [`eventfd`]: Register::eventfd
//! [`eventfd_async`]: Register::eventfd_async
//! [`unregister_eventfd`]: Register::unregister_eventfd
//! [`personality`]: Register::personality
//! [`unregister_personality`]: Register::unregister_personality
//! [`restrict`]: Register::restrict
//! [`enable`]: Register::enable
//! [`iowq_affinity`]: Register::iowq_affinity
//! [`unregister_iowq_affinity`]: Register::unregister_iowq_affinity
//! [`iowq_max_workers`]: Register::iowq_max_workers
//! [`ring_fd`]: Register::ring_fd
//! [`unregister_ring_fd`]: Register::unregister_ring_fd
//! [`sync_cancel`]: Register::sync_cancel
//! [`napi`]: Register::napi
//! [`napi_add`]: Register::napi_add
//! [`napi_remove`]: Register::napi_remove
//! [`unregister_napi`]: Register::unregister_napi
//! [`clock`]: Register::clock
//! [`wait_region`]: Register::wait_region
//! [`memory_region`]: Register::memory_region
//! [`probe`]: Register::probe
//! [`zcrx_queue`]: Register::zcrx_queue
//! [`zcrx_flush`]: Register::zcrx_flush
//! [`zcrx_export`]: Register::zcrx_export
//! [`bpf_filter`]: Register::bpf_filter

mod bpf;
mod buf_ring;
mod buffer_ring;
mod buffers;
mod cancel;
mod clock;
mod detached;
mod eventfd;
mod files;
mod message;
mod napi;
mod personality;
mod probe;
mod query;
mod region;
mod restrictions;
mod ring_fds;
mod workers;
mod zcrx;

pub use bpf::{Filter, bpf_filter_task};
pub use buf_ring::{BufRing, BufRingOptions};
pub use buffer_ring::{Buffer, BufferRing};
pub use buffers::CloneFrom;
pub use cancel::SyncCancel;
pub use detached::Detached;
pub use files::EMPTY_SLOT;
pub use message::{Message, send_message};
pub use napi::{BusyPoll, NapiId};
pub use probe::ProbedOps;
pub use query::{Question, query};
pub use region::WaitRegion;
pub use restrictions::{Restrictions, restrict_task};
pub use ring_fds::RingIndex;
pub use workers::{CpuSet, MaxWorkers};
pub use zcrx::ZcrxQueue;

use core::ffi::c_void;
use core::ptr;
use std::os::fd::RawFd;

use crate::abi::RegisterOp;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::{CqeKind, SqeKind};
use crate::linux::Linux;
use crate::ring::{Place, RingOf};
use crate::submitter::Submitter;
use crate::syscall;

/// The registrations of one ring: `ring.register()`.
///
/// ```
/// let ring = annulus_ring::Builder::new().entries(8).disabled().build()?;
/// ring.register().enable()?;
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct Register<'a, K: Kernel = Linux> {
    submitter: &'a Submitter<K>,
}

impl<K: Kernel> Clone for Register<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K: Kernel> Copy for Register<'_, K> {}

impl<P: Place, S: SqeKind, C: CqeKind, K: Kernel> RingOf<P, S, C, K> {
    /// The ring's registrations.
    ///
    /// ```
    /// let ring = annulus_ring::LocalRing::new(8)?;
    /// let _all_of_them = ring.register();
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn register(&self) -> Register<'_, K> {
        self.submitter().register()
    }
}

impl<K: Kernel> Submitter<K> {
    /// The ring's registrations.
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// let _all_of_them = ring.parts().2.register();
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn register(&self) -> Register<'_, K> {
        Register { submitter: self }
    }
}

impl<K: Kernel> Register<'_, K> {
    /// Any registration by its number: what the typed ones are made of, for what they do not know.
    ///
    /// # Safety
    /// - `arg` is what `op` says it is, `count` of them, valid as long as `op` demands.
    /// - What it unregisters is nobody's any more: a [`BufferRing`]'s group, or a local ring's own
    ///   index, are not the caller's to give up.
    ///
    /// # Errors
    /// What `io_uring_register(2)` names for `op`; [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, abi::RegisterOp};
    /// let ring = LocalRing::new(8)?;
    /// // SAFETY: a number that no kernel knows looks at no argument.
    /// let answer = unsafe { ring.register().raw(RegisterOp(0x7000), std::ptr::null_mut(), 0) };
    /// assert!(answer.unwrap_err().is_unsupported());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub unsafe fn raw(&self, op: RegisterOp, arg: *mut c_void, count: u32) -> Result<u32> {
        self.submitter.check()?;
        // SAFETY: the caller's promise.
        let answer = unsafe { self.submitter.kernel.register(op, arg, count) };
        answer.map_err(|errno| Error::register(self.submitter.kernel.is_linux(), errno, op))
    }

    /// Registers what needs no argument.
    fn bare(&self, op: RegisterOp) -> Result<u32> {
        // SAFETY: without an argument the kernel reads and writes nothing of ours.
        unsafe { self.raw(op, ptr::null_mut(), 0) }
    }

    /// Registers `arg`, which the kernel reads and writes during the call only.
    ///
    /// # Safety
    /// - `op` takes a `T`, `count` of them (or counted otherwise), and addresses in it are valid.
    unsafe fn with<T>(&self, op: RegisterOp, arg: &mut T, count: u32) -> Result<u32> {
        // SAFETY: the reference is valid for the length of the call; the rest is the caller's
        // promise.
        unsafe { self.raw(op, ptr::from_mut(arg).cast(), count) }
    }

    /// Registers a list, which the kernel reads during the call only.
    ///
    /// # Safety
    /// - `op` takes an array of `T`, reads it only, and addresses in it are valid.
    unsafe fn list<T>(&self, op: RegisterOp, list: &[T]) -> Result<u32> {
        let count = count_of(list)?;
        // SAFETY: the slice is valid for the length of the call; the rest is the caller's promise.
        unsafe { self.raw(op, list.as_ptr().cast_mut().cast(), count) }
    }

    /// Lets a ring that was made disabled begin (`IORING_REGISTER_ENABLE_RINGS`, Linux 5.10).
    ///
    /// # Errors
    /// `EBADFD`: it is enabled already.
    ///
    /// ```
    /// let ring = annulus_ring::Builder::new().entries(8).disabled().build()?;
    /// ring.register().enable()?;
    /// assert!(ring.register().enable().is_err());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_enable_rings")]
    #[doc(alias = "IORING_REGISTER_ENABLE_RINGS")]
    pub fn enable(&self) -> Result<()> {
        self.bare(RegisterOp::ENABLE_RINGS).map(drop)
    }
}

/// How many `list` holds, as the kernel counts.
fn count_of<T>(list: &[T]) -> Result<u32> {
    u32::try_from(list.len()).map_err(|_| Error::usage("a list of more than 2^32 - 1 elements"))
}

/// Fails if there are tags, but not one for each.
fn check_tags<T>(list: &[T], tags: &[u64]) -> Result<()> {
    if list.len() == tags.len() {
        Ok(())
    } else {
        Err(Error::usage("as many tags as resources are needed: 0 for those without one"))
    }
}

/// A registration that needs no ring.
///
/// # Safety
/// - `op` takes a `T` where there is no ring, `count` of them, and addresses in it are valid.
unsafe fn without_ring<T>(op: RegisterOp, arg: &mut T, count: u32) -> Result<u32> {
    const NO_RING: RawFd = -1;
    // SAFETY: the reference is valid for the length of the call; the rest is the caller's promise.
    let answer = unsafe { syscall::register_raw(NO_RING, op, ptr::from_mut(arg).cast(), count) };
    answer.map_err(|errno| Error::register(true, errno, op))
}
