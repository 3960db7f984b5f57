//! ACCEPT: connections of a listening socket, one or one after the other.

use core::ffi::c_void;

use super::at::file_index;
use super::field::ANY_SLOT;
use super::{Target, address, entry, operation};
use crate::abi::{AcceptFlags, FixedFd, Op, SockFlags, Sqe};

/// Accepts a connection, as `accept4(2)` (`IORING_OP_ACCEPT`, Linux 5.5).
///
/// # Result
/// The result is the new descriptor; with [`direct`](Self::direct) 0, with
/// [`direct_alloc`](Self::direct_alloc) the slot of the file table. A descriptor that nobody takes
/// from its completion stays open. Where connections are many, [`multishot`](Self::multishot)
/// takes one entry for all of them.
///
/// # Pointers
/// The room for the [`address`](Self::address) and its length: until the completion (of a
/// multishot, the last).
///
/// # Errors
/// - `EMFILE`, `ENFILE`: no descriptor left, of the process or the system. Close some; the
///   connection stays in the queue.
/// - `ENFILE` with `direct_alloc`: no slot of the file table is free.
/// - `EAGAIN`: no connection is pending, and [`dontwait`](Self::dontwait) is set. (That the
///   listener is non-blocking does not matter: the ring waits.)
/// - `ECONNABORTED`: the connection was gone again. Accept the next.
/// - `EINVAL`: not listening (also: shut down meanwhile); close-on-exec asked for a slot; a
///   multishot into one given slot.
/// - `ENXIO`: there is no file table. `EBADF`, `ENOTSOCK`, `EOPNOTSUPP` (not a stream), `EFAULT`,
///   `ECANCELED`.
///
/// See `io_uring_prep_accept(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_accept.3.html>, and `accept4(2)`,
/// <https://man7.org/linux/man-pages/man2/accept4.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::SockFlags, op};
/// use std::{net::{TcpListener, TcpStream}, os::fd::{FromRawFd, OwnedFd}};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let client = TcpStream::connect(listener.local_addr()?)?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::Accept::new(&listener).flags(SockFlags::CLOEXEC))? };
/// ring.submit_and_wait(1)?;
/// let fd = ring.completions()?.next().unwrap().result()?;
/// // SAFETY: the completion made this descriptor ours.
/// let server = TcpStream::from(unsafe { OwnedFd::from_raw_fd(fd as i32) });
/// assert_eq!(server.peer_addr()?, client.local_addr()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_ACCEPT")]
#[doc(alias = "io_uring_prep_accept")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Accept {
    sqe: Sqe,
}

impl Accept {
    /// Accepts a connection of `listener`, without asking for the peer's address.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::Accept};
    /// let sqe = Accept::new(3).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.addr, sqe.off), (Op::ACCEPT, 3, 0, 0));
    /// ```
    #[inline]
    pub fn new(listener: impl Into<Target>) -> Self {
        Self { sqe: entry(Op::ACCEPT, listener.into()) }
    }

    /// Writes the peer's address to `addr` and its length to `len_bytes`, where the length of the
    /// room stands before.
    ///
    /// With [`multishot`](Self::multishot) every connection writes the same place: the address is
    /// that of some connection, perhaps not of this completion's. Ask the new socket instead.
    ///
    /// ```
    /// use annulus_ring::{abi::SockAddr, op::Accept};
    /// let mut peer = SockAddr::empty();
    /// let (addr, len) = peer.as_mut_ptrs();
    /// let sqe = Accept::new(3).address(addr, len).build();
    /// assert_eq!((sqe.addr, sqe.off), (addr as u64, len as u64));
    /// ```
    #[inline]
    pub fn address(mut self, addr: *mut c_void, len_bytes: *mut u32) -> Self {
        self.sqe.addr = address(addr);
        self.sqe.off = address(len_bytes);
        self
    }

    /// How the new descriptor is opened. [`SockFlags::CLOEXEC`] is nearly always wanted, but not
    /// for a slot, which is never inherited: `EINVAL`.
    ///
    /// ```
    /// use annulus_ring::{abi::SockFlags, op::Accept};
    /// let sqe = Accept::new(3).flags(SockFlags::CLOEXEC).build();
    /// assert_eq!(sqe.rw_flags, SockFlags::CLOEXEC.bits());
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: SockFlags) -> Self {
        self.sqe.rw_flags = flags.bits();
        self
    }

    /// Puts the connection into `slot` of the file table, with no descriptor (Linux 5.15). What
    /// was there is closed.
    ///
    /// ```
    /// use annulus_ring::{abi::FixedFd, op::Accept};
    /// assert_eq!(Accept::new(3).direct(FixedFd(5)).build().splice_fd_in, 6);
    /// ```
    #[doc(alias = "io_uring_prep_accept_direct")]
    #[inline]
    pub const fn direct(mut self, slot: FixedFd) -> Self {
        self.sqe.splice_fd_in = file_index(slot);
        self
    }

    /// Puts the connection into a free slot of the file table; the result says which (Linux 5.19).
    ///
    /// ```
    /// use annulus_ring::{abi::FILE_INDEX_ALLOC, op::Accept};
    /// let sqe = Accept::new(3).direct_alloc().build();
    /// assert_eq!(sqe.splice_fd_in as u32, FILE_INDEX_ALLOC);
    /// ```
    #[doc(alias = "IORING_FILE_INDEX_ALLOC")]
    #[doc(alias = "io_uring_prep_multishot_accept_direct")]
    #[inline]
    pub const fn direct_alloc(mut self) -> Self {
        self.sqe.splice_fd_in = ANY_SLOT;
        self
    }

    /// Accepts again and again, one completion each (`IORING_ACCEPT_MULTISHOT`, Linux 5.19). A
    /// completion without `MORE` is the last: submit anew.
    ///
    /// ```
    /// use annulus_ring::{abi::AcceptFlags, op::Accept};
    /// assert_eq!(Accept::new(3).multishot().build().ioprio, AcceptFlags::MULTISHOT.bits());
    /// ```
    #[doc(alias = "IORING_ACCEPT_MULTISHOT")]
    #[doc(alias = "io_uring_prep_multishot_accept")]
    #[inline]
    pub const fn multishot(self) -> Self {
        self.with(AcceptFlags::MULTISHOT)
    }

    /// Does not wait: `EAGAIN` where no connection is pending (`IORING_ACCEPT_DONTWAIT`, Linux
    /// 6.10).
    ///
    /// ```
    /// use annulus_ring::{abi::AcceptFlags, op::Accept};
    /// assert_eq!(Accept::new(3).dontwait().build().ioprio, AcceptFlags::DONTWAIT.bits());
    /// ```
    #[doc(alias = "IORING_ACCEPT_DONTWAIT")]
    #[inline]
    pub const fn dontwait(self) -> Self {
        self.with(AcceptFlags::DONTWAIT)
    }

    /// Waits for a connection before the first attempt (`IORING_ACCEPT_POLL_FIRST`, Linux 6.10):
    /// saves the attempt where none is expected yet.
    ///
    /// ```
    /// use annulus_ring::{abi::AcceptFlags, op::Accept};
    /// assert_eq!(Accept::new(3).poll_first().build().ioprio, AcceptFlags::POLL_FIRST.bits());
    /// ```
    #[doc(alias = "IORING_ACCEPT_POLL_FIRST")]
    #[inline]
    pub const fn poll_first(self) -> Self {
        self.with(AcceptFlags::POLL_FIRST)
    }

    #[inline]
    const fn with(mut self, flag: AcceptFlags) -> Self {
        self.sqe.ioprio |= flag.bits();
        self
    }
}

operation!(Accept);
