//! EPOLL_CTL and EPOLL_WAIT: for programs that still have an epoll set beside the ring.

use std::os::fd::RawFd;

use super::{Target, address, entry, operation};
use crate::abi::{EpollEvent, EpollOp, Op, Sqe};

/// Changes an epoll set, as `epoll_ctl(2)` (`IORING_OP_EPOLL_CTL`, Linux 5.6). The result is 0.
///
/// # Pointers
/// The event: until the kernel has taken the entry.
///
/// # Errors
/// - `EEXIST`: it is in the set already. `ENOENT`: it is not.
/// - `EPERM`: a file without readiness, as a regular one.
/// - `EINVAL`: not an epoll set, or the set itself. `ELOOP`: sets that hold each other.
/// - `ENOSPC`: over the limit on watches. `ENOMEM`, `EBADF`, `EFAULT`.
///
/// See `io_uring_prep_epoll_ctl(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_epoll_ctl.3.html>, and `epoll_ctl(2)`,
/// <https://man7.org/linux/man-pages/man2/epoll_ctl.2.html>.
///
/// ```
/// use annulus_ring::{abi::{EpollEvent, Op, PollEvents}, op::EpollCtl};
/// let event = EpollEvent { events: PollEvents::IN, data: 7 };
/// let sqe = EpollCtl::add(3, 4, &event).build();
/// assert_eq!((sqe.opcode, sqe.fd, sqe.off), (Op::EPOLL_CTL, 3, 4));
/// ```
#[doc(alias = "IORING_OP_EPOLL_CTL")]
#[doc(alias = "io_uring_prep_epoll_ctl")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct EpollCtl {
    sqe: Sqe,
}

impl EpollCtl {
    /// Adds `fd` to the set `epoll`.
    ///
    /// ```
    /// use annulus_ring::{abi::{EpollEvent, EpollOp}, op::EpollCtl};
    /// let sqe = EpollCtl::add(3, 4, &EpollEvent::default()).build();
    /// assert_eq!(sqe.len, EpollOp::ADD.raw());
    /// ```
    #[doc(alias = "EPOLL_CTL_ADD")]
    #[inline]
    pub fn add(epoll: impl Into<Target>, fd: RawFd, event: *const EpollEvent) -> Self {
        Self::new(epoll.into(), EpollOp::ADD, fd, event)
    }

    /// Changes what the set `epoll` waits for on `fd`.
    ///
    /// ```
    /// use annulus_ring::{abi::{EpollEvent, EpollOp}, op::EpollCtl};
    /// let sqe = EpollCtl::modify(3, 4, &EpollEvent::default()).build();
    /// assert_eq!(sqe.len, EpollOp::MOD.raw());
    /// ```
    #[doc(alias = "EPOLL_CTL_MOD")]
    #[inline]
    pub fn modify(epoll: impl Into<Target>, fd: RawFd, event: *const EpollEvent) -> Self {
        Self::new(epoll.into(), EpollOp::MOD, fd, event)
    }

    /// Takes `fd` out of the set `epoll`.
    ///
    /// ```
    /// use annulus_ring::{abi::EpollOp, op::EpollCtl};
    /// let sqe = EpollCtl::delete(3, 4).build();
    /// assert_eq!((sqe.len, sqe.addr), (EpollOp::DEL.raw(), 0));
    /// ```
    #[doc(alias = "EPOLL_CTL_DEL")]
    #[inline]
    pub fn delete(epoll: impl Into<Target>, fd: RawFd) -> Self {
        Self::new(epoll.into(), EpollOp::DEL, fd, core::ptr::null())
    }

    #[inline]
    fn new(epoll: Target, op: EpollOp, fd: RawFd, event: *const EpollEvent) -> Self {
        let sqe = entry(Op::EPOLL_CTL, epoll);
        // Only 32 bits of `off` are read: −1 must not become 2⁶⁴ − 1 for those who compare.
        Self { sqe: Sqe { addr: address(event), len: op.raw(), off: u64::from(fd as u32), ..sqe } }
    }
}

/// Waits for events of an epoll set, as `epoll_wait(2)` (`IORING_OP_EPOLL_WAIT`, Linux 6.15).
///
/// # Result
/// The result is how many events were written. It waits without a limit of time: link a
/// [`LinkTimeout`](super::LinkTimeout) behind.
///
/// # Pointers
/// The array of events: until the completion.
///
/// # Errors
/// - `EINVAL`: not an epoll set, or room for none. `EBADF`, `EFAULT`, `ECANCELED`.
///
/// See `io_uring_prep_epoll_wait(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_epoll_wait.3.html>, and `epoll_wait(2)`,
/// <https://man7.org/linux/man-pages/man2/epoll_wait.2.html>.
///
/// ```
/// use annulus_ring::{abi::{EpollEvent, Op}, op::EpollWait};
/// let mut events = [EpollEvent::default(); 4];
/// let sqe = EpollWait::new(3, events.as_mut_ptr(), 4).build();
/// assert_eq!((sqe.opcode, sqe.fd, sqe.len), (Op::EPOLL_WAIT, 3, 4));
/// ```
#[doc(alias = "IORING_OP_EPOLL_WAIT")]
#[doc(alias = "io_uring_prep_epoll_wait")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct EpollWait {
    sqe: Sqe,
}

impl EpollWait {
    /// Waits for events of `epoll`, and writes up to `count` of them.
    ///
    /// ```
    /// use annulus_ring::{abi::EpollEvent, op::EpollWait};
    /// let mut one = EpollEvent::default();
    /// assert_eq!(EpollWait::new(3, &mut one, 1).build().addr, &raw mut one as u64);
    /// ```
    #[inline]
    pub fn new(epoll: impl Into<Target>, events: *mut EpollEvent, count: u32) -> Self {
        let sqe = entry(Op::EPOLL_WAIT, epoll.into());
        Self { sqe: Sqe { addr: address(events), len: count, ..sqe } }
    }
}

operation!(EpollCtl, EpollWait);
