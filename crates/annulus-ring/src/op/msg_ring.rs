//! MSG_RING: a completion, or a file, for another ring.

use super::at::file_index;
use super::field::ANY_SLOT;
use super::{Target, entry, operation};
use crate::abi::{CqeFlags, FixedFd, MsgRingCommand, MsgRingFlags, Op, Sqe};

/// Posts a completion to another ring (`IORING_OP_MSG_RING`, Linux 5.18).
///
/// It carries what is given here and wakes who waits there. The result, on this ring, is 0.
/// [`skip_success`](Sqe::skip_success) leaves that out. The other ring may be this one.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `EBADFD`: the descriptor is no ring, or one that is not enabled yet.
/// - `EOVERFLOW`: the completion queue there is full, and so is memory. Try again later.
/// - `EOWNERDEAD`: the thread of that ring has ended. `EINVAL`, `EBADF`, `ENOMEM`.
///
/// See `io_uring_prep_msg_ring(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_msg_ring.3.html>.
///
/// ```
/// use annulus_ring::{LocalRing, Ring, op};
/// use std::os::fd::AsFd;
/// let (mut here, mut there) = (LocalRing::new(8)?, Ring::new(8)?);
/// // SAFETY: it points to nothing.
/// unsafe { here.push(op::MsgRing::new(there.as_fd(), 7, 42))? };
/// here.submit_and_wait(1)?;
/// assert_eq!(here.completions()?.next().unwrap().result(), Ok(0));
/// let cqe = there.completions()?.next().unwrap();
/// assert_eq!((cqe.user_data, cqe.result()), (7, Ok(42)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_MSG_RING")]
#[doc(alias = "IORING_MSG_DATA")]
#[doc(alias = "io_uring_prep_msg_ring")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct MsgRing {
    sqe: Sqe,
}

impl MsgRing {
    /// Posts to `ring` a completion with this `user_data` and `res`. It is named by descriptor: no
    /// file table takes a ring.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::MsgRing};
    /// let sqe = MsgRing::new(3, 7, -1).build();
    /// assert_eq!((sqe.opcode, sqe.off, sqe.len), (Op::MSG_RING, 7, u32::MAX));
    /// ```
    #[inline]
    pub fn new(ring: impl Into<Target>, user_data: u64, res: i32) -> Self {
        let sqe = entry(Op::MSG_RING, ring.into());
        let addr = MsgRingCommand::DATA.raw();
        Self { sqe: Sqe { addr, off: user_data, len: res as u32, ..sqe } }
    }

    /// The completion there has these flags (`IORING_MSG_RING_FLAGS_PASS`, Linux 6.3).
    ///
    /// ```
    /// use annulus_ring::{abi::{CqeFlags, MsgRingFlags}, op::MsgRing};
    /// let sqe = MsgRing::new(3, 7, 0).cqe_flags(CqeFlags(9)).build();
    /// assert_eq!((sqe.splice_fd_in, sqe.rw_flags), (9, MsgRingFlags::FLAGS_PASS.bits()));
    /// ```
    #[doc(alias = "IORING_MSG_RING_FLAGS_PASS")]
    #[doc(alias = "io_uring_prep_msg_ring_cqe_flags")]
    #[inline]
    pub const fn cqe_flags(mut self, flags: CqeFlags) -> Self {
        self.sqe.splice_fd_in = flags.bits() as i32;
        self.sqe.rw_flags |= MsgRingFlags::FLAGS_PASS.bits();
        self
    }
}

/// Puts a file of this ring's table into another ring's table (`IORING_OP_MSG_RING` with
/// `IORING_MSG_SEND_FD`, Linux 6.0).
///
/// # Result
/// The result here and in the other ring's completion is 0, or with
/// [`alloc`](Self::alloc) the slot. The file stays in this table too.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `EBADF`: no file in that slot here. `EBADFD`: no ring, or one that is not enabled yet.
/// - `ENXIO`: the other ring has no file table. `EINVAL`: no such slot there; or the same ring.
/// - `ENFILE`: no slot there is free.
/// - `EOVERFLOW`: the file has arrived, but its completion had no room: send the word again.
/// - `EOWNERDEAD`: the thread of that ring has ended.
///
/// See `io_uring_prep_msg_ring_fd(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_msg_ring_fd.3.html>.
///
/// ```
/// use annulus_ring::{Errno, LocalRing, Ring, abi::FixedFd, op};
/// use std::os::fd::AsFd;
/// let (mut here, there) = (LocalRing::new(8)?, Ring::new(8)?);
/// // SAFETY: it points to nothing.
/// unsafe { here.push(op::MsgRingFd::new(there.as_fd(), 7, FixedFd(0), FixedFd(0)))? };
/// here.submit_and_wait(1)?;
/// // This ring has no file to give.
/// assert_eq!(here.completions()?.next().unwrap().result(), Err(Errno::EBADF));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_MSG_RING")]
#[doc(alias = "IORING_MSG_SEND_FD")]
#[doc(alias = "io_uring_prep_msg_ring_fd")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct MsgRingFd {
    sqe: Sqe,
}

impl MsgRingFd {
    /// Puts the file in slot `from` of this ring into slot `to` of `ring`, and posts a completion
    /// with `user_data` there. What was in that slot is closed.
    ///
    /// ```
    /// use annulus_ring::{abi::{FixedFd, MsgRingCommand}, op::MsgRingFd};
    /// let sqe = MsgRingFd::new(3, 7, FixedFd(1), FixedFd(2)).build();
    /// assert_eq!(sqe.addr, MsgRingCommand::SEND_FD.raw());
    /// assert_eq!((sqe.off, sqe.addr3, sqe.splice_fd_in), (7, 1, 3));
    /// ```
    #[inline]
    pub fn new(ring: impl Into<Target>, user_data: u64, from: FixedFd, to: FixedFd) -> Self {
        let sqe = entry(Op::MSG_RING, ring.into());
        Self {
            sqe: Sqe {
                addr: MsgRingCommand::SEND_FD.raw(),
                off: user_data,
                addr3: from.0 as u64,
                splice_fd_in: file_index(to),
                ..sqe
            },
        }
    }

    /// As [`new`](Self::new), into a free slot of `ring`; the results say which.
    ///
    /// ```
    /// use annulus_ring::{abi::{FILE_INDEX_ALLOC, FixedFd}, op::MsgRingFd};
    /// let sqe = MsgRingFd::alloc(3, 7, FixedFd(1)).build();
    /// assert_eq!(sqe.splice_fd_in as u32, FILE_INDEX_ALLOC);
    /// ```
    #[doc(alias = "IORING_FILE_INDEX_ALLOC")]
    #[doc(alias = "io_uring_prep_msg_ring_fd_alloc")]
    #[inline]
    pub fn alloc(ring: impl Into<Target>, user_data: u64, from: FixedFd) -> Self {
        let Self { sqe } = Self::new(ring, user_data, from, FixedFd(0));
        Self { sqe: Sqe { splice_fd_in: ANY_SLOT, ..sqe } }
    }

    /// Posts no completion there (`IORING_MSG_RING_CQE_SKIP`).
    ///
    /// ```
    /// use annulus_ring::{abi::{FixedFd, MsgRingFlags}, op::MsgRingFd};
    /// let sqe = MsgRingFd::alloc(3, 7, FixedFd(1)).skip_target_cqe().build();
    /// assert_eq!(sqe.rw_flags, MsgRingFlags::CQE_SKIP.bits());
    /// ```
    #[doc(alias = "IORING_MSG_RING_CQE_SKIP")]
    #[inline]
    pub const fn skip_target_cqe(mut self) -> Self {
        self.sqe.rw_flags |= MsgRingFlags::CQE_SKIP.bits();
        self
    }
}

operation!(MsgRing, MsgRingFd);
