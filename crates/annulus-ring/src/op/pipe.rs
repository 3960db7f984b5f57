//! Making a pipe.

use super::at::file_index;
use super::{ZERO, address, operation};
use crate::abi::{FILE_INDEX_ALLOC, FixedFd, Op, OpenFlags, Sqe};

/// Makes a pipe (`IORING_OP_PIPE`, Linux 6.16), as `pipe2(2)`: two descriptors, or two slots of the
/// ring's file table.
///
/// # Result
/// 0, and in the array first the end to read from, then the end to write to: descriptors, which are
/// the caller's to close, or slots.
///
/// # Errors
/// - `EMFILE`, `ENFILE`: no two descriptors left, in the process or in the system; `ENFILE` also if
///   the table has no two slots free.
/// - `EINVAL`: flags besides `CLOEXEC`, `NONBLOCK`, `DIRECT` and `NOTIFICATION_PIPE`; `CLOEXEC`
///   together with slots; slots past the table's end; kernels before 6.16.
/// - `ENXIO`: slots, and the ring has no file table.
/// - `EFAULT`: the array cannot be written. Nothing stays open.
/// - `ENOPKG` (65): `NOTIFICATION_PIPE` and a kernel built without it.
/// - `ECANCELED`: cancelled, or its link was broken.
///
/// # Pointers
/// The array is the kernel's until the completion.
///
/// # Cost
/// Inline.
///
/// See [io_uring_prep_pipe(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_pipe.3.html),
/// [pipe2(2)](https://man7.org/linux/man-pages/man2/pipe2.2.html).
///
/// ```
/// use std::os::fd::{FromRawFd, OwnedFd};
/// use annulus_ring::{LocalRing, abi::OpenFlags, op};
/// let mut fds = [0; 2];
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the array stays where it is until the completion.
/// unsafe { ring.push(op::Pipe::new(&mut fds).flags(OpenFlags::CLOEXEC).build())? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// // SAFETY: both were made for this completion: nobody else has them.
/// let [reader, writer] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
/// # drop((reader, writer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_PIPE")]
#[doc(alias = "io_uring_prep_pipe")]
#[doc(alias = "io_uring_prep_pipe_direct")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Pipe {
    sqe: Sqe,
}

impl Pipe {
    /// Makes a pipe whose ends are written to `fds`; kept across `execve(2)` and waiting, unless
    /// [`flags`](Self::flags) says otherwise.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::Pipe};
    /// let mut fds = [0; 2];
    /// let sqe = Pipe::new(&mut fds).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.addr), (Op::PIPE, 0, &raw const fds as u64));
    /// ```
    #[inline]
    pub fn new(fds: *mut [i32; 2]) -> Self {
        Self { sqe: Sqe { opcode: Op::PIPE, addr: address(fds), ..ZERO } }
    }

    /// How it is made (`pipe_flags`): `CLOEXEC`, `NONBLOCK`, `DIRECT` (packets),
    /// `NOTIFICATION_PIPE`.
    ///
    /// ```
    /// use annulus_ring::{abi::OpenFlags, op::Pipe};
    /// let op = Pipe::new(core::ptr::null_mut()).flags(OpenFlags::NONBLOCK);
    /// assert_eq!(op.build().rw_flags, 0o4000);
    /// ```
    #[doc(alias = "pipe_flags")]
    #[inline]
    pub const fn flags(mut self, flags: OpenFlags) -> Self {
        self.sqe.rw_flags = flags.0;
        self
    }

    /// Puts the end to read from into `slot` of the ring's file table and the end to write to into
    /// the next one. What they held is closed.
    ///
    /// ```
    /// use annulus_ring::{abi::FixedFd, op::Pipe};
    /// let op = Pipe::new(core::ptr::null_mut()).direct(FixedFd(5));
    /// assert_eq!(op.build().splice_fd_in, 6);
    /// ```
    #[doc(alias = "file_index")]
    #[inline]
    pub const fn direct(mut self, slot: FixedFd) -> Self {
        self.sqe.splice_fd_in = file_index(slot);
        self
    }

    /// Puts both ends into free slots of the ring's file table, and writes which to the array.
    ///
    /// ```
    /// use annulus_ring::{abi::FILE_INDEX_ALLOC, op::Pipe};
    /// let op = Pipe::new(core::ptr::null_mut()).direct_alloc();
    /// assert_eq!(op.build().splice_fd_in as u32, FILE_INDEX_ALLOC);
    /// ```
    #[doc(alias = "IORING_FILE_INDEX_ALLOC")]
    #[inline]
    pub const fn direct_alloc(mut self) -> Self {
        self.sqe.splice_fd_in = FILE_INDEX_ALLOC as i32;
        self
    }
}

operation!(Pipe);
