//! Reading and writing with buffers that were registered before: their pages are pinned once, not
//! for each operation.

use super::rw::{CURRENT_POSITION, rw_setters, write_setters};
use super::{Target, address, entry, operation};
use crate::abi::{AttrPi, BufIndex, Iovec, Op, RwAttrFlags, RwFlags, Sqe};

/// Reads into a part of a registered buffer (`IORING_OP_READ_FIXED`, Linux 5.1).
///
/// # Result
/// How many bytes were read, as [`Read`](super::Read).
///
/// # Errors
/// Those of [`Read`](super::Read), and:
/// - `EFAULT`: no such buffer is registered, or the part is not within it.
///
/// # Pointers
/// The buffer must stay registered until the completion has come: Linux holds its pages until then,
/// so that unregistering waits or is put off, but what is in them is the kernel's.
///
/// # Cost
/// That of [`Read`](super::Read), without pinning pages: it is with `O_DIRECT` that this counts.
///
/// See `io_uring_prep_read_fixed(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_read_fixed.3.html>.
///
/// ```
/// use annulus_ring::{abi::{BufIndex, Op}, op};
/// let mut buffer = [0u8; 4096];
/// let sqe = op::ReadFixed::new(3, buffer.as_mut_ptr(), 4096, BufIndex(5)).offset(0).build();
/// assert_eq!((sqe.opcode, sqe.buf_index, sqe.len), (Op::READ_FIXED, 5, 4096));
/// ```
#[doc(alias = "IORING_OP_READ_FIXED")]
#[doc(alias = "io_uring_prep_read_fixed")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct ReadFixed {
    sqe: Sqe,
}

impl ReadFixed {
    /// Reads up to `len` bytes from `file` to `part`, an address within the registered buffer
    /// `buffer`, at the file's own position.
    ///
    /// ```
    /// use annulus_ring::{abi::BufIndex, op};
    /// let sqe = op::ReadFixed::new(0, core::ptr::null_mut(), 512, BufIndex(1)).build();
    /// assert_eq!((sqe.off, sqe.buf_index), (u64::MAX, 1));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, part: *mut u8, len: u32, buffer: BufIndex) -> Self {
        let addr = address(part);
        let sqe = Sqe { off: CURRENT_POSITION, addr, len, ..entry(Op::READ_FIXED, file.into()) };
        Self { sqe: Sqe { buf_index: buffer.0, ..sqe } }
    }
}

/// Writes from a part of a registered buffer (`IORING_OP_WRITE_FIXED`, Linux 5.1).
///
/// # Result
/// How many bytes were written, as [`Write`](super::Write).
///
/// # Errors
/// Those of [`Write`](super::Write), and:
/// - `EFAULT`: no such buffer is registered, or the part is not within it.
///
/// # Pointers
/// The part must stay as it is until the completion.
///
/// # Cost
/// That of [`Write`](super::Write), without pinning pages.
///
/// See `io_uring_prep_write_fixed(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_write_fixed.3.html>.
///
/// ```
/// use annulus_ring::{abi::{BufIndex, Op}, op};
/// let buffer = [0u8; 4096];
/// let sqe = op::WriteFixed::new(3, buffer.as_ptr(), 4096, BufIndex(5)).offset(0).build();
/// assert_eq!((sqe.opcode, sqe.buf_index, sqe.len), (Op::WRITE_FIXED, 5, 4096));
/// ```
#[doc(alias = "IORING_OP_WRITE_FIXED")]
#[doc(alias = "io_uring_prep_write_fixed")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct WriteFixed {
    sqe: Sqe,
}

impl WriteFixed {
    /// Writes `len` bytes to `file` from `part`, an address within the registered buffer `buffer`,
    /// at the file's own position.
    ///
    /// ```
    /// use annulus_ring::{abi::BufIndex, op};
    /// let sqe = op::WriteFixed::new(1, core::ptr::null(), 512, BufIndex(1)).build();
    /// assert_eq!((sqe.off, sqe.buf_index), (u64::MAX, 1));
    /// ```
    #[inline]
    pub fn new(file: impl Into<Target>, part: *const u8, len: u32, buffer: BufIndex) -> Self {
        let addr = address(part);
        let sqe = Sqe { off: CURRENT_POSITION, addr, len, ..entry(Op::WRITE_FIXED, file.into()) };
        Self { sqe: Sqe { buf_index: buffer.0, ..sqe } }
    }
}

/// Reads into several parts of one registered buffer (`IORING_OP_READV_FIXED`, Linux 6.15).
///
/// # Result
/// How many bytes were read, in all.
///
/// # Errors
/// Those of [`Readv`](super::Readv), and:
/// - `EFAULT`: no such buffer is registered, or a part is not within it.
///
/// # Pointers
/// The array needs live only until the entry is submitted; the parts are the kernel's until the
/// completion.
///
/// # Cost
/// That of [`ReadFixed`], and copying the array.
///
/// See `io_uring_prep_readv_fixed(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_readv_fixed.3.html>.
///
/// ```
/// use std::io::IoSliceMut;
/// use annulus_ring::{abi::{BufIndex, Op}, op};
/// let mut buffer = [0u8; 8192];
/// let (a, b) = buffer.split_at_mut(4096);
/// let parts = [IoSliceMut::new(b), IoSliceMut::new(a)];
/// let sqe = op::ReadvFixed::new(3, parts.as_ptr().cast(), 2, BufIndex(5)).offset(0).build();
/// assert_eq!((sqe.opcode, sqe.buf_index, sqe.len), (Op::READV_FIXED, 5, 2));
/// ```
#[doc(alias = "IORING_OP_READV_FIXED")]
#[doc(alias = "io_uring_prep_readv_fixed")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct ReadvFixed {
    sqe: Sqe,
}

impl ReadvFixed {
    /// Reads from `file` to the `count` parts at `iovecs`, all within the registered buffer
    /// `buffer`, at the file's own position.
    ///
    /// ```
    /// use annulus_ring::{abi::BufIndex, op};
    /// let sqe = op::ReadvFixed::new(0, core::ptr::null(), 2, BufIndex(1)).build();
    /// assert_eq!((sqe.off, sqe.buf_index), (u64::MAX, 1));
    /// ```
    #[inline]
    pub fn new(
        file: impl Into<Target>,
        iovecs: *const Iovec,
        count: u32,
        buffer: BufIndex,
    ) -> Self {
        let addr = address(iovecs);
        let sqe =
            Sqe { off: CURRENT_POSITION, addr, len: count, ..entry(Op::READV_FIXED, file.into()) };
        Self { sqe: Sqe { buf_index: buffer.0, ..sqe } }
    }
}

/// Writes from several parts of one registered buffer (`IORING_OP_WRITEV_FIXED`, Linux 6.15).
///
/// # Result
/// How many bytes were written, in all.
///
/// # Errors
/// Those of [`Writev`](super::Writev), and:
/// - `EFAULT`: no such buffer is registered, or a part is not within it.
///
/// # Pointers
/// The array needs live only until the entry is submitted; the parts must stay as they are until
/// the completion.
///
/// # Cost
/// That of [`WriteFixed`], and copying the array.
///
/// See `io_uring_prep_writev_fixed(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_writev_fixed.3.html>.
///
/// ```
/// use std::io::IoSlice;
/// use annulus_ring::{abi::{BufIndex, Op}, op};
/// let buffer = [0u8; 8192];
/// let parts = [IoSlice::new(&buffer[4096..]), IoSlice::new(&buffer[..512])];
/// let sqe = op::WritevFixed::new(3, parts.as_ptr().cast(), 2, BufIndex(5)).offset(0).build();
/// assert_eq!((sqe.opcode, sqe.buf_index, sqe.len), (Op::WRITEV_FIXED, 5, 2));
/// ```
#[doc(alias = "IORING_OP_WRITEV_FIXED")]
#[doc(alias = "io_uring_prep_writev_fixed")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct WritevFixed {
    sqe: Sqe,
}

impl WritevFixed {
    /// Writes to `file` from the `count` parts at `iovecs`, all within the registered buffer
    /// `buffer`, at the file's own position.
    ///
    /// ```
    /// use annulus_ring::{abi::BufIndex, op};
    /// let sqe = op::WritevFixed::new(1, core::ptr::null(), 2, BufIndex(1)).build();
    /// assert_eq!((sqe.off, sqe.buf_index), (u64::MAX, 1));
    /// ```
    #[inline]
    pub fn new(
        file: impl Into<Target>,
        iovecs: *const Iovec,
        count: u32,
        buffer: BufIndex,
    ) -> Self {
        let addr = address(iovecs);
        let sqe =
            Sqe { off: CURRENT_POSITION, addr, len: count, ..entry(Op::WRITEV_FIXED, file.into()) };
        Self { sqe: Sqe { buf_index: buffer.0, ..sqe } }
    }
}

rw_setters! {
    ReadFixed, "ReadFixed::new(0, core::ptr::null_mut(), 0, BufIndex(0))";
    WriteFixed, "WriteFixed::new(1, core::ptr::null(), 0, BufIndex(0))";
    ReadvFixed, "ReadvFixed::new(0, core::ptr::null(), 0, BufIndex(0))";
    WritevFixed, "WritevFixed::new(1, core::ptr::null(), 0, BufIndex(0))";
}
write_setters! {
    WriteFixed, "WriteFixed::new(1, core::ptr::null(), 0, BufIndex(0))";
    WritevFixed, "WritevFixed::new(1, core::ptr::null(), 0, BufIndex(0))";
}
operation!(ReadFixed, WriteFixed, ReadvFixed, WritevFixed);
