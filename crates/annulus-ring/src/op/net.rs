//! SEND and RECV: bytes on a connected socket, one buffer or buffers of a group.

use core::ffi::c_void;

use super::field::half;
use super::{Target, address, entry, operation};
use crate::abi::{BufGroup, Iovec, MsgFlags, Op, RecvSendFlags, Sqe};

/// Sends bytes on a socket, as `send(2)` or, with [`address`](Self::address), `sendto(2)`
/// (`IORING_OP_SEND`, Linux 5.6).
///
/// # Result
/// The result is how many bytes were sent. On a stream it may be fewer than asked for: the rest is
/// to be sent again, unless [`MsgFlags::WAITALL`] has the kernel do so (5.19). A link that follows
/// breaks at a short send only with that flag. No `SIGPIPE` is ever raised.
///
/// # Pointers
/// The buffer: until the completion. The address and the array of
/// [`vectorized`](Self::vectorized): until the kernel has taken the entry.
///
/// # Errors
/// - `EAGAIN`: it would wait, and [`MsgFlags::DONTWAIT`] is set. (That the descriptor is
///   non-blocking does not matter: the ring waits.)
/// - `EPIPE`, `ECONNRESET`: the peer, or this side, has closed the connection. Give it up.
/// - `ENOTCONN`, `EDESTADDRREQ`: no peer and no address. Connect first, or give one.
/// - `EISCONN`: an address on a connected stream. Leave it out.
/// - `EMSGSIZE`: longer than a datagram can be. Send less.
/// - `ECONNREFUSED`: an earlier datagram found nobody.
/// - `ENOBUFS`: no buffer left in the group (or no memory for the packet). Give some back.
/// - `EINVAL`: flags that this kernel does not know.
/// - `EBADF`, `ENOTSOCK`, `EFAULT`, `ECANCELED`.
///
/// See `io_uring_prep_send(3)`, <https://man7.org/linux/man-pages/man3/io_uring_prep_send.3.html>,
/// and `send(2)`, <https://man7.org/linux/man-pages/man2/send.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// use std::{io::Read, os::unix::net::UnixStream};
/// let (here, mut there) = UnixStream::pair()?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the bytes are static.
/// unsafe { ring.push(op::Send::new(&here, b"hello".as_ptr(), 5))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(5));
/// let mut got = [0; 5];
/// there.read_exact(&mut got)?;
/// assert_eq!(&got, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SEND")]
#[doc(alias = "io_uring_prep_send")]
#[doc(alias = "io_uring_prep_sendto")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Send {
    sqe: Sqe,
}

impl Send {
    /// Sends the `len` bytes at `buf`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::Send};
    /// let sqe = Send::new(3, b"hello".as_ptr(), 5).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len), (Op::SEND, 3, 5));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, buf: *const u8, len: u32) -> Self {
        let sqe = entry(Op::SEND, socket.into());
        Self { sqe: Sqe { addr: address(buf), len, ..sqe } }
    }

    /// Sends a buffer of `group`, which the kernel picks when there is room: its identifier is in
    /// the completion (buffers for sending: Linux 6.10). `max_len` bounds the bytes; 0: no bound.
    ///
    /// # Errors
    /// `ENOBUFS`: the group is empty.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, SqeFlags}, op::Send};
    /// let sqe = Send::with_group(3, BufGroup(7), 0).build();
    /// assert_eq!((sqe.buf_index, sqe.flags), (7, SqeFlags::BUFFER_SELECT));
    /// ```
    #[inline]
    pub fn with_group(socket: impl Into<Target>, group: BufGroup, max_len: u32) -> Self {
        let sqe = entry(Op::SEND, socket.into());
        Self { sqe: Sqe { len: max_len, ..sqe }.buffer_select(group) }
    }

    /// Sends the buffers of the `count` elements of `vec`, without a `msghdr`
    /// (`IORING_SEND_VECTORIZED`, Linux 6.17; `EINVAL` before: use [`SendMsg`](super::SendMsg)).
    ///
    /// ```
    /// use annulus_ring::{abi::RecvSendFlags, op::Send};
    /// use std::io::IoSlice;
    /// let vec = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
    /// let sqe = Send::vectorized(3, vec.as_ptr().cast(), 2).build();
    /// assert_eq!((sqe.len, sqe.ioprio), (2, RecvSendFlags::SEND_VECTORIZED.bits()));
    /// ```
    #[doc(alias = "IORING_SEND_VECTORIZED")]
    #[inline]
    pub fn vectorized(socket: impl Into<Target>, vec: *const Iovec, count: u32) -> Self {
        Self::new(socket, vec.cast(), count).with(RecvSendFlags::SEND_VECTORIZED)
    }

    /// Flags of `send(2)`.
    ///
    /// ```
    /// use annulus_ring::{abi::MsgFlags, op::Send};
    /// let sqe = Send::new(3, b"x".as_ptr(), 1).flags(MsgFlags::MORE).build();
    /// assert_eq!(sqe.rw_flags, MsgFlags::MORE.bits());
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: MsgFlags) -> Self {
        self.sqe.rw_flags = flags.bits();
        self
    }

    /// Sends to the address of `len_bytes` bytes at `addr`, as `sendto(2)` (Linux 6.0).
    ///
    /// ```
    /// use annulus_ring::{abi::SockAddr, op::Send};
    /// let to = SockAddr::from("127.0.0.1:9".parse::<std::net::SocketAddr>()?);
    /// let len = to.len_bytes() as u16;
    /// let sqe = Send::new(3, b"x".as_ptr(), 1).address(to.as_ptr(), len).build();
    /// assert_eq!(sqe.off, to.as_ptr() as u64);
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[doc(alias = "io_uring_prep_send_set_addr")]
    #[inline]
    pub fn address(mut self, addr: *const c_void, len_bytes: u16) -> Self {
        self.sqe.off = address(addr);
        self.sqe.splice_fd_in = half(len_bytes);
        self
    }

    /// Waits for room before the first attempt (`IORING_RECVSEND_POLL_FIRST`, Linux 5.19): for a
    /// socket whose queue is known to be full.
    ///
    /// ```
    /// use annulus_ring::{abi::RecvSendFlags, op::Send};
    /// let sqe = Send::new(3, b"x".as_ptr(), 1).poll_first().build();
    /// assert_eq!(sqe.ioprio, RecvSendFlags::POLL_FIRST.bits());
    /// ```
    #[doc(alias = "IORING_RECVSEND_POLL_FIRST")]
    #[inline]
    pub const fn poll_first(self) -> Self {
        self.with(RecvSendFlags::POLL_FIRST)
    }

    /// Sends all buffers of the group that are there, in order, not one alone
    /// (`IORING_RECVSEND_BUNDLE`, Linux 6.10). Needs [`with_group`](Self::with_group): without it,
    /// 6.18 sends, and completes a second time with 0.
    ///
    /// The result counts the bytes; the identifier is that of the first buffer, the others follow
    /// it in the ring. It may complete several times, with `MORE` on all but the last.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, RecvSendFlags}, op::Send};
    /// let sqe = Send::with_group(3, BufGroup(7), 0).bundle().build();
    /// assert_eq!(sqe.ioprio, RecvSendFlags::BUNDLE.bits());
    /// ```
    #[doc(alias = "IORING_RECVSEND_BUNDLE")]
    #[doc(alias = "io_uring_prep_send_bundle")]
    #[inline]
    pub const fn bundle(self) -> Self {
        self.with(RecvSendFlags::BUNDLE)
    }

    #[inline]
    const fn with(mut self, flag: RecvSendFlags) -> Self {
        self.sqe.ioprio |= flag.bits();
        self
    }
}

/// Receives bytes from a socket, as `recv(2)` (`IORING_OP_RECV`, Linux 5.6).
///
/// # Result
/// The result is how many bytes came; 0 is the end of a stream. `SOCK_NONEMPTY` in the
/// completion's flags (5.19) says that more is waiting. Where completions are many,
/// [`multishot`](Self::multishot) takes one entry for all of them.
///
/// # Pointers
/// The buffer: until the completion; a group's, until the last completion of the entry.
///
/// # Errors
/// - `ENOBUFS`: no buffer left in the group. A multishot has ended: give buffers back, submit anew.
/// - `EAGAIN`: nothing is there, and [`MsgFlags::DONTWAIT`] is set. (That the descriptor is
///   non-blocking does not matter: the ring waits.)
/// - `ECONNRESET`, `ETIMEDOUT`: the connection is gone.
/// - `ECONNREFUSED`: a datagram sent before found nobody.
/// - `ENOTCONN`: a stream that is not connected.
/// - `EINVAL`: a multishot without a group, or with [`MsgFlags::WAITALL`]; or flags that this
///   kernel does not know.
/// - `EBADF`, `ENOTSOCK`, `EFAULT`, `ECANCELED`.
///
/// See `io_uring_prep_recv(3)`, <https://man7.org/linux/man-pages/man3/io_uring_prep_recv.3.html>,
/// and `recv(2)`, <https://man7.org/linux/man-pages/man2/recv.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// use std::{io::Write, os::unix::net::UnixStream};
/// let (mut there, here) = UnixStream::pair()?;
/// there.write_all(b"hello")?;
/// let mut ring = LocalRing::new(8)?;
/// let mut buf = [0_u8; 16];
/// // SAFETY: the buffer lives on until the completion below.
/// unsafe { ring.push(op::Recv::new(&here, buf.as_mut_ptr(), 16))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(5));
/// assert_eq!(&buf[..5], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_RECV")]
#[doc(alias = "io_uring_prep_recv")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Recv {
    sqe: Sqe,
}

impl Recv {
    /// Receives up to `len` bytes into `buf`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::Recv};
    /// let mut buf = [0_u8; 16];
    /// let sqe = Recv::new(3, buf.as_mut_ptr(), 16).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.len), (Op::RECV, 3, 16));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, buf: *mut u8, len: u32) -> Self {
        let sqe = entry(Op::RECV, socket.into());
        Self { sqe: Sqe { addr: address(buf), len, ..sqe } }
    }

    /// Receives into a buffer of `group`, which the kernel picks when bytes are there (Linux 5.7):
    /// [`Cqe::buffer_id`](crate::abi::Cqe::buffer_id) names it. `max_len` bounds the bytes of one
    /// completion; 0: the buffer's length.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, SqeFlags}, op::Recv};
    /// let sqe = Recv::with_group(3, BufGroup(7), 0).build();
    /// assert_eq!((sqe.buf_index, sqe.len, sqe.flags), (7, 0, SqeFlags::BUFFER_SELECT));
    /// ```
    #[inline]
    pub fn with_group(socket: impl Into<Target>, group: BufGroup, max_len: u32) -> Self {
        let sqe = entry(Op::RECV, socket.into());
        Self { sqe: Sqe { len: max_len, ..sqe }.buffer_select(group) }
    }

    /// Flags of `recv(2)`.
    ///
    /// ```
    /// use annulus_ring::{abi::MsgFlags, op::Recv};
    /// let sqe = Recv::new(3, std::ptr::null_mut(), 0).flags(MsgFlags::PEEK).build();
    /// assert_eq!(sqe.rw_flags, MsgFlags::PEEK.bits());
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: MsgFlags) -> Self {
        self.sqe.rw_flags = flags.bits();
        self
    }

    /// Waits for bytes before the first attempt (`IORING_RECVSEND_POLL_FIRST`, Linux 5.19): saves
    /// the attempt where the socket is known to be empty.
    ///
    /// ```
    /// use annulus_ring::{abi::RecvSendFlags, op::Recv};
    /// let sqe = Recv::new(3, std::ptr::null_mut(), 0).poll_first().build();
    /// assert_eq!(sqe.ioprio, RecvSendFlags::POLL_FIRST.bits());
    /// ```
    #[doc(alias = "IORING_RECVSEND_POLL_FIRST")]
    #[inline]
    pub const fn poll_first(self) -> Self {
        self.with(RecvSendFlags::POLL_FIRST)
    }

    /// Receives again and again, each time into a buffer of the group and with a completion of its
    /// own (`IORING_RECV_MULTISHOT`, Linux 6.0). Needs [`with_group`](Self::with_group).
    ///
    /// A completion without `MORE` is the last: the end of the stream (0), an error, or the
    /// kernel's decision: then submit anew. `ENOBUFS` comes as soon as the last buffer of the group
    /// is used, before more bytes are there; none are lost. A bound given to `with_group` holds for
    /// each completion (6.17; before, `EINVAL` unless 0).
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, RecvSendFlags}, op::Recv};
    /// let sqe = Recv::with_group(3, BufGroup(7), 0).multishot().build();
    /// assert_eq!(sqe.ioprio, RecvSendFlags::RECV_MULTISHOT.bits());
    /// ```
    #[doc(alias = "IORING_RECV_MULTISHOT")]
    #[doc(alias = "io_uring_prep_recv_multishot")]
    #[inline]
    pub const fn multishot(self) -> Self {
        self.with(RecvSendFlags::RECV_MULTISHOT)
    }

    /// Ends a multishot after `bytes` bytes in all (Linux 6.17; `EINVAL` before, and without
    /// [`multishot`](Self::multishot)). It is looked at after each completion: without a bound for
    /// each, the last may bring more.
    ///
    /// ```
    /// use annulus_ring::{abi::BufGroup, op::Recv};
    /// let sqe = Recv::with_group(3, BufGroup(7), 512).multishot().total_len(4096).build();
    /// assert_eq!((sqe.len, sqe.splice_fd_in), (512, 4096));
    /// ```
    #[doc(alias = "optlen")]
    #[inline]
    pub const fn total_len(mut self, bytes: u32) -> Self {
        self.sqe.splice_fd_in = bytes as i32;
        self
    }

    /// Fills several buffers of the group with one completion, if there are the bytes
    /// (`IORING_RECVSEND_BUNDLE`, Linux 6.10). Bytes may be left for the next receive; from local
    /// sockets, 6.12 fills one buffer at a time. Without
    /// [`with_group`](Self::with_group) and a buffer ring it has no effect.
    ///
    /// The result counts the bytes; the identifier is that of the first buffer, the others follow
    /// it in the ring, each full but the last.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, RecvSendFlags}, op::Recv};
    /// let sqe = Recv::with_group(3, BufGroup(7), 0).bundle().build();
    /// assert_eq!(sqe.ioprio, RecvSendFlags::BUNDLE.bits());
    /// ```
    #[doc(alias = "IORING_RECVSEND_BUNDLE")]
    #[inline]
    pub const fn bundle(self) -> Self {
        self.with(RecvSendFlags::BUNDLE)
    }

    #[inline]
    const fn with(mut self, flag: RecvSendFlags) -> Self {
        self.sqe.ioprio |= flag.bits();
        self
    }
}

operation!(Send, Recv);
