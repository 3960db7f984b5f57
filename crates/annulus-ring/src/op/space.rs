//! A file's length and the space behind it.

use super::{Target, entry, operation};
use crate::abi::{FallocateMode, Op, Sqe};

/// Reserves, frees or moves space of a file (`IORING_OP_FALLOCATE`, Linux 5.6), as `fallocate(2)`.
///
/// # Result
/// 0.
///
/// # Errors
/// - `EOPNOTSUPP`: the file system does not know this mode (write zeros instead), or `PUNCH_HOLE`
///   without `KEEP_SIZE`.
/// - `EINVAL`: the length is 0 or negative as a signed number, modes that exclude each other, or a
///   range that is not aligned to blocks (collapse, insert).
/// - `ENOSPC`, `EDQUOT` (122): no space left. A part may have been reserved.
/// - `EFBIG`: past the largest length. `ENODEV`: neither a regular file nor a block device.
///   `ESPIPE`: a pipe.
/// - `EPERM`: immutable, append-only or sealed. `ETXTBSY` (26): a running program's swap file.
/// - `EBADF`: not open for writing, or an empty slot. `ECANCELED`: cancelled, or its link was
///   broken.
///
/// # Pointers
/// None.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_fallocate(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_fallocate.3.html>,
/// [fallocate(2)](https://man7.org/linux/man-pages/man2/fallocate.2.html).
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// # let file = rustix::fs::memfd_create("space", rustix::fs::MemfdFlags::empty())?;
/// # let file = std::fs::File::from(file);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::Fallocate::new(&file, 8192).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// assert_eq!(file.metadata()?.len(), 8192);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FALLOCATE")]
#[doc(alias = "io_uring_prep_fallocate")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Fallocate {
    sqe: Sqe,
}

impl Fallocate {
    /// Reserves the first `len` bytes of `file`, which becomes that long if it was shorter.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let sqe = op::Fallocate::new(3, 1 << 40).build();
    /// assert_eq!((sqe.opcode, sqe.addr, sqe.off, sqe.len), (Op::FALLOCATE, 1 << 40, 0, 0));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, len: u64) -> Self {
        // The length is where others have an address, the mode where they have a length.
        Self { sqe: Sqe { addr: len, ..entry(Op::FALLOCATE, file.into()) } }
    }

    /// From `offset` on.
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::Fallocate::new(3, 1).offset(4096).build().off, 4096);
    /// ```
    #[inline]
    pub const fn offset(mut self, offset: u64) -> Self {
        self.sqe.off = offset;
        self
    }

    /// What is done with the range.
    ///
    /// ```
    /// use annulus_ring::{abi::FallocateMode, op};
    /// let hole = FallocateMode::PUNCH_HOLE | FallocateMode::KEEP_SIZE;
    /// assert_eq!(op::Fallocate::new(3, 4096).mode(hole).build().len, 3);
    /// ```
    #[inline]
    pub const fn mode(mut self, mode: FallocateMode) -> Self {
        self.sqe.len = mode.0;
        self
    }
}

/// Sets a file's length (`IORING_OP_FTRUNCATE`, Linux 6.9), as `ftruncate(2)`: what is cut off is
/// lost, what is added reads as zeros.
///
/// # Result
/// 0.
///
/// # Errors
/// - `EINVAL`: not a regular file, not open for writing (`ftruncate` does not say `EBADF` there),
///   or a length that is negative as a signed number. From kernels before 6.9: no such operation.
/// - `EFBIG`: past the largest length. `EPERM`: sealed, immutable or append-only.
/// - `EBADF`: not open, or an empty slot. `EIO`: the device failed.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// None.
///
/// # Cost
/// Always goes to a worker thread.
///
/// See `io_uring_prep_ftruncate(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_ftruncate.3.html>,
/// [ftruncate(2)](https://man7.org/linux/man-pages/man2/ftruncate.2.html).
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// # let file = rustix::fs::memfd_create("space", rustix::fs::MemfdFlags::empty())?;
/// # let file = std::fs::File::from(file);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::Ftruncate::new(&file, 100).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// assert_eq!(file.metadata()?.len(), 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_FTRUNCATE")]
#[doc(alias = "io_uring_prep_ftruncate")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Ftruncate {
    sqe: Sqe,
}

impl Ftruncate {
    /// Makes `file` `len` bytes long.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op};
    /// let sqe = op::Ftruncate::new(3, 1 << 33).build();
    /// assert_eq!((sqe.opcode, sqe.off, sqe.len), (Op::FTRUNCATE, 1 << 33, 0));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, len: u64) -> Self {
        Self { sqe: Sqe { off: len, ..entry(Op::FTRUNCATE, file.into()) } }
    }
}

operation!(Fallocate, Ftruncate);
