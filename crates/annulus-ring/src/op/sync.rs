//! Making what was written durable.

use super::{Target, entry, operation};
use crate::abi::{FsyncFlags, Op, Sqe, SyncFileRangeFlags};

/// Makes a file durable: its data and its metadata (`IORING_OP_FSYNC`, Linux 5.1), as `fsync(2)`;
/// with [`data_only`](Self::data_only) as `fdatasync(2)`.
///
/// It covers the writes that are *complete*. Those under way it may overtake: link it behind them
/// (`write.link()`), or set [`drain`](Sqe::drain).
///
/// # Result
/// 0.
///
/// # Errors
/// - `EIO`, `ENOSPC`, `EDQUOT` (122): data was lost. Linux reports it once for each open file and
///   may have marked the pages clean: a second sync that succeeds proves nothing. Write it again
///   from your own copy, or stop.
/// - `EINVAL`: the file cannot be synced (a pipe, a socket), or the range is nonsense.
/// - `EROFS`: on a read-only file system.
/// - `EBADF`: not open, or an empty slot. `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// None.
///
/// # Cost
/// Always goes to a worker thread, which waits for the device.
///
/// See [io_uring_prep_fsync(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_fsync.3.html),
/// [fsync(2)](https://man7.org/linux/man-pages/man2/fsync.2.html).
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// let file = std::fs::File::open("Cargo.toml")?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: a sync points to nothing.
/// unsafe { ring.push(op::Fsync::new(&file).data_only().build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FSYNC")]
#[doc(alias = "io_uring_prep_fsync")]
#[doc(alias = "fdatasync")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Fsync {
    sqe: Sqe,
}

impl Fsync {
    /// Syncs all of `file`, data and metadata.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let sqe = op::Fsync::new(3).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.rw_flags, sqe.off, sqe.len), (Op::FSYNC, 3, 0, 0, 0));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>) -> Self {
        Self { sqe: entry(Op::FSYNC, file.into()) }
    }

    /// The data, and only the metadata that reading it back needs (`IORING_FSYNC_DATASYNC`).
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::Fsync::new(3).data_only().build().rw_flags, 1);
    /// ```
    #[doc(alias = "IORING_FSYNC_DATASYNC")]
    #[inline]
    pub const fn data_only(self) -> Self {
        self.flags(FsyncFlags::DATASYNC)
    }

    /// How far it goes (`fsync_flags`). `EINVAL` for bits that the kernel does not know.
    ///
    /// ```
    /// use annulus_ring::{abi::FsyncFlags, op};
    /// assert_eq!(op::Fsync::new(3).flags(FsyncFlags::DATASYNC).build().rw_flags, 1);
    /// ```
    #[doc(alias = "fsync_flags")]
    #[inline]
    pub const fn flags(mut self, flags: FsyncFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }

    /// Only `len` bytes from `offset` on, where the file system can tell (0 and 0: all). Most sync
    /// more than was asked for.
    ///
    /// ```
    /// let sqe = annulus_ring::op::Fsync::new(3).range(4096, 512).build();
    /// assert_eq!((sqe.off, sqe.len), (4096, 512));
    /// ```
    #[inline]
    pub const fn range(mut self, offset: u64, len: u32) -> Self {
        self.sqe.off = offset;
        self.sqe.len = len;
        self
    }
}

/// Begins or awaits the write-back of a range of a file (`IORING_OP_SYNC_FILE_RANGE`, Linux 5.2),
/// as `sync_file_range(2)`.
///
/// This is *not* durability: metadata and the device's cache are left alone. It spreads the work
/// out, so that a later [`Fsync`] has less to do.
///
/// # Result
/// 0.
///
/// # Errors
/// - `EINVAL`: unknown flags, or a negative offset or end.
/// - `ESPIPE`: not a regular file, a block device or a directory.
/// - `EIO`, `ENOSPC`: write-back failed: as for [`Fsync`].
/// - `EBADF`: not open, or an empty slot. `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// None.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_sync_file_range(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_sync_file_range.3.html>,
/// [sync_file_range(2)](https://man7.org/linux/man-pages/man2/sync_file_range.2.html).
///
/// ```
/// use annulus_ring::{LocalRing, abi::SyncFileRangeFlags, op};
/// let file = std::fs::File::open("Cargo.toml")?;
/// let mut ring = LocalRing::new(8)?;
/// let start = op::SyncFileRange::new(&file).range(0, 4096).flags(SyncFileRangeFlags::WRITE);
/// // SAFETY: a sync points to nothing.
/// unsafe { ring.push(start.build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SYNC_FILE_RANGE")]
#[doc(alias = "io_uring_prep_sync_file_range")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct SyncFileRange {
    sqe: Sqe,
}

impl SyncFileRange {
    /// All of `file`, and no flag yet: it would do nothing.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// assert_eq!(op::SyncFileRange::new(3).build().opcode, Op::SYNC_FILE_RANGE);
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>) -> Self {
        Self { sqe: entry(Op::SYNC_FILE_RANGE, file.into()) }
    }

    /// Only `len` bytes from `offset` on; a `len` of 0 means to the end of the file.
    ///
    /// ```
    /// let sqe = annulus_ring::op::SyncFileRange::new(3).range(4096, 512).build();
    /// assert_eq!((sqe.off, sqe.len), (4096, 512));
    /// ```
    #[inline]
    pub const fn range(mut self, offset: u64, len: u32) -> Self {
        self.sqe.off = offset;
        self.sqe.len = len;
        self
    }

    /// What is begun and what is awaited (`sync_range_flags`).
    ///
    /// ```
    /// use annulus_ring::{abi::SyncFileRangeFlags, op};
    /// let sqe = op::SyncFileRange::new(3).flags(SyncFileRangeFlags::WRITE_AND_WAIT).build();
    /// assert_eq!(sqe.rw_flags, 7);
    /// ```
    #[doc(alias = "sync_range_flags")]
    #[inline]
    pub const fn flags(mut self, flags: SyncFileRangeFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }
}

operation!(Fsync, SyncFileRange);
