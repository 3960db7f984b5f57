//! Giving buffers to a group and taking them back by operations: the older way. A buffer ring
//! (Linux 5.19) does it without an operation for each, and is better wherever it can be had.

use super::{ZERO, address, operation};
use crate::abi::{BufGroup, Op, Sqe};

/// Gives buffers to a group, from which the kernel picks (`IORING_OP_PROVIDE_BUFFERS`, Linux 5.7).
///
/// The buffers lie one after the other and are numbered one after the other.
///
/// # Result
/// 0 or more (kernels differ in what the number means).
///
/// # Errors
/// - `E2BIG`: a count of 0 or more than 65536, or a first number past 65535.
/// - `EINVAL`: numbers past 65535, a length of 0, or the group is a buffer ring.
/// - `EFAULT`, `EOVERFLOW`: no such memory. `ENOMEM`: out of memory, after having taken some.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The memory is the kernel's from here on: each buffer until a completion names it, or
/// [`RemoveBuffers`] or the end of the ring takes it out of the group.
///
/// # Cost
/// Inline; an allocation in the kernel for each buffer.
///
/// See `io_uring_prep_provide_buffers(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_provide_buffers.3.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::BufGroup, op};
/// let mut memory = [0u8; 4 * 256];
/// let mut ring = LocalRing::new(8)?;
/// let provide = op::ProvideBuffers::new(BufGroup(1), memory.as_mut_ptr(), 256, 4);
/// let file = std::fs::File::open("Cargo.toml")?;
/// let read = op::Read::new(&file, core::ptr::null_mut(), 9);
/// // SAFETY: `memory` stays where it is, and is not touched before a completion names a part.
/// unsafe { ring.push(provide.build().link())? };
/// // SAFETY: as above.
/// unsafe { ring.push(read.build().buffer_select(BufGroup(1)).user_data(1))? };
/// ring.submit_and_wait(2)?;
/// let cqe = ring.completions()?.find(|cqe| cqe.user_data == 1).unwrap();
/// let begin = 256 * usize::from(cqe.buffer_id().unwrap());
/// assert_eq!(&memory[begin..begin + 9], b"[package]");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_PROVIDE_BUFFERS")]
#[doc(alias = "io_uring_prep_provide_buffers")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct ProvideBuffers {
    sqe: Sqe,
}

impl ProvideBuffers {
    /// Gives `group` `count` buffers of `len` bytes each, from `memory` on, numbered from 0.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, Op}, op::ProvideBuffers};
    /// let sqe = ProvideBuffers::new(BufGroup(7), core::ptr::null_mut(), 256, 4).build();
    /// assert_eq!((sqe.opcode, sqe.buf_index, sqe.len), (Op::PROVIDE_BUFFERS, 7, 256));
    /// assert_eq!(sqe.fd, 4);
    /// ```
    #[inline]
    pub fn new(group: BufGroup, memory: *mut u8, len: u32, count: u32) -> Self {
        let sqe = Sqe { addr: address(memory), len, ..ZERO };
        Self { sqe: Sqe { fd: count as i32, ..on_group(Op::PROVIDE_BUFFERS, group, sqe) } }
    }

    /// Numbers them from `id` on.
    ///
    /// ```
    /// use annulus_ring::{abi::BufGroup, op::ProvideBuffers};
    /// let op = ProvideBuffers::new(BufGroup(7), core::ptr::null_mut(), 256, 4);
    /// assert_eq!(op.first_id(100).build().off, 100);
    /// ```
    #[inline]
    pub const fn first_id(mut self, id: u16) -> Self {
        self.sqe.off = id as u64;
        self
    }
}

/// Takes buffers out of a group (`IORING_OP_REMOVE_BUFFERS`, Linux 5.7): those that no operation
/// has picked yet.
///
/// # Result
/// How many were taken out: fewer than asked for if the group had fewer.
///
/// # Errors
/// - `ENOENT`: no such group. `EINVAL`: a count of 0 or more than 65536, or the group is a buffer
///   ring.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// None. When it is complete, the buffers that were taken out are the caller's again; the kernel
/// does not say which those are, unless it was all of them.
///
/// # Cost
/// Inline.
///
/// See `io_uring_prep_remove_buffers(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_remove_buffers.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, abi::BufGroup, op};
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::RemoveBuffers::new(BufGroup(9), 1).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Err(Errno::ENOENT));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_REMOVE_BUFFERS")]
#[doc(alias = "io_uring_prep_remove_buffers")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct RemoveBuffers {
    sqe: Sqe,
}

impl RemoveBuffers {
    /// Takes up to `count` buffers out of `group`.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, Op}, op::RemoveBuffers};
    /// let sqe = RemoveBuffers::new(BufGroup(7), 4).build();
    /// assert_eq!((sqe.opcode, sqe.buf_index, sqe.fd), (Op::REMOVE_BUFFERS, 7, 4));
    /// ```
    #[inline]
    pub const fn new(group: BufGroup, count: u32) -> Self {
        Self { sqe: Sqe { fd: count as i32, ..on_group(Op::REMOVE_BUFFERS, group, ZERO) } }
    }
}

/// `sqe` as an entry on a group. The count is where others have a file.
const fn on_group(op: Op, group: BufGroup, sqe: Sqe) -> Sqe {
    Sqe { opcode: op, buf_index: group.0, ..sqe }
}

operation!(ProvideBuffers, RemoveBuffers);
