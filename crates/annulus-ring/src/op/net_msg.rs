//! SENDMSG and RECVMSG: messages with an address, several buffers and control data.

use super::{Target, address, entry, operation};
use crate::abi::{BufGroup, MsgFlags, Msghdr, Op, RecvSendFlags, Sqe};

/// Sends a message, as `sendmsg(2)` (`IORING_OP_SENDMSG`, Linux 5.3).
///
/// # Result
/// The result is how many bytes were sent; of a stream perhaps not all, unless
/// [`MsgFlags::WAITALL`] is set (5.19). No `SIGPIPE` is ever raised.
///
/// # Pointers
/// The bytes and the control data: until the completion. The [`Msghdr`], its array of buffers and
/// the address: until the kernel has taken the entry (5.5).
///
/// # Errors
/// Those of [`Send`](super::Send), and
/// - `EINVAL`: a negative or too long address, or control data that the socket does not know.
/// - `EMSGSIZE`: over 1024 buffers, or longer than a datagram can be.
/// - `ETOOMANYREFS`, `EPERM`, `EBADF`: descriptors or credentials that may not be passed.
///
/// See `io_uring_prep_sendmsg(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_sendmsg.3.html>, and `sendmsg(2)`,
/// <https://man7.org/linux/man-pages/man2/sendmsg.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::Msghdr, op};
/// use std::{io::{IoSlice, Read}, os::unix::net::UnixStream};
/// let (here, mut there) = UnixStream::pair()?;
/// let mut vec = [IoSlice::new(b"he"), IoSlice::new(b"llo")];
/// let msg = Msghdr { msg_iov: vec.as_mut_ptr().cast(), msg_iovlen: 2, ..Msghdr::empty() };
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the bytes are static, the message and its array live on until the completion below.
/// unsafe { ring.push(op::SendMsg::new(&here, &msg))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(5));
/// let mut got = [0; 5];
/// there.read_exact(&mut got)?;
/// assert_eq!(&got, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SENDMSG")]
#[doc(alias = "io_uring_prep_sendmsg")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct SendMsg {
    sqe: Sqe,
}

impl SendMsg {
    /// Sends `msg`.
    ///
    /// ```
    /// use annulus_ring::{abi::{Msghdr, Op}, op::SendMsg};
    /// let sqe = SendMsg::new(3, &Msghdr::empty()).build();
    /// assert_eq!((sqe.opcode, sqe.len), (Op::SENDMSG, 1));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, msg: *const Msghdr) -> Self {
        let sqe = entry(Op::SENDMSG, socket.into());
        Self { sqe: Sqe { addr: address(msg), len: 1, ..sqe } }
    }

    /// Flags of `sendmsg(2)`; those in the message itself do not count.
    ///
    /// ```
    /// use annulus_ring::{abi::{MsgFlags, Msghdr}, op::SendMsg};
    /// let sqe = SendMsg::new(3, &Msghdr::empty()).flags(MsgFlags::MORE).build();
    /// assert_eq!(sqe.rw_flags, MsgFlags::MORE.bits());
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: MsgFlags) -> Self {
        self.sqe.rw_flags = flags.bits();
        self
    }

    /// Waits for room before the first attempt (`IORING_RECVSEND_POLL_FIRST`, Linux 5.19).
    ///
    /// ```
    /// use annulus_ring::{abi::{Msghdr, RecvSendFlags}, op::SendMsg};
    /// let sqe = SendMsg::new(3, &Msghdr::empty()).poll_first().build();
    /// assert_eq!(sqe.ioprio, RecvSendFlags::POLL_FIRST.bits());
    /// ```
    #[doc(alias = "IORING_RECVSEND_POLL_FIRST")]
    #[inline]
    pub const fn poll_first(mut self) -> Self {
        self.sqe.ioprio |= RecvSendFlags::POLL_FIRST.bits();
        self
    }
}

/// Receives a message, as `recvmsg(2)` (`IORING_OP_RECVMSG`, Linux 5.3).
///
/// # Result
/// The result is how many bytes came. The [`Msghdr`] then says how long the address and the
/// control data are, and in `msg_flags` whether anything was cut off. With
/// [`multishot`](Self::multishot) all of that comes in the buffer instead:
/// [`RecvMsgOut`](super::RecvMsgOut) takes it apart.
///
/// # Pointers
/// The [`Msghdr`], the address, the control data and the buffers: until the completion (of a
/// multishot, the last). The array of buffers: until the kernel has taken the entry (5.5).
///
/// # Errors
/// Those of [`Recv`](super::Recv), and
/// - `EINVAL`: over one element in the array together with a group (a multishot takes none: 0).
/// - `EMSGSIZE`: over 1024 buffers.
/// - `EFAULT`: a multishot's buffer is too short for the header, the address and the control data.
///
/// See `io_uring_prep_recvmsg(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_recvmsg.3.html>, and `recvmsg(2)`,
/// <https://man7.org/linux/man-pages/man2/recvmsg.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::Msghdr, op};
/// use std::{io::{IoSliceMut, Write}, os::unix::net::UnixStream};
/// let (mut there, here) = UnixStream::pair()?;
/// there.write_all(b"hello")?;
/// let mut bytes = [0_u8; 16];
/// let mut vec = [IoSliceMut::new(&mut bytes)];
/// let mut msg = Msghdr { msg_iov: vec.as_mut_ptr().cast(), msg_iovlen: 1, ..Msghdr::empty() };
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the message, its array and the bytes live on until the completion below.
/// unsafe { ring.push(op::RecvMsg::new(&here, &mut msg))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(5));
/// assert_eq!(&bytes[..5], b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_RECVMSG")]
#[doc(alias = "io_uring_prep_recvmsg")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct RecvMsg {
    sqe: Sqe,
}

impl RecvMsg {
    /// Receives into `msg`.
    ///
    /// ```
    /// use annulus_ring::{abi::{Msghdr, Op}, op::RecvMsg};
    /// let mut msg = Msghdr::empty();
    /// let sqe = RecvMsg::new(3, &mut msg).build();
    /// assert_eq!((sqe.opcode, sqe.len), (Op::RECVMSG, 1));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, msg: *mut Msghdr) -> Self {
        let sqe = entry(Op::RECVMSG, socket.into());
        Self { sqe: Sqe { addr: address(msg), len: 1, ..sqe } }
    }

    /// Receives the bytes into a buffer of `group` (Linux 5.7). The message then has at most one
    /// element in its array, whose length bounds the bytes.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, Msghdr, SqeFlags}, op::RecvMsg};
    /// let mut msg = Msghdr::empty();
    /// let sqe = RecvMsg::with_group(3, &mut msg, BufGroup(7)).build();
    /// assert_eq!((sqe.buf_index, sqe.flags), (7, SqeFlags::BUFFER_SELECT));
    /// ```
    #[inline]
    pub fn with_group(socket: impl Into<Target>, msg: *mut Msghdr, group: BufGroup) -> Self {
        let Self { sqe } = Self::new(socket, msg);
        Self { sqe: sqe.buffer_select(group) }
    }

    /// Flags of `recvmsg(2)`.
    ///
    /// ```
    /// use annulus_ring::{abi::{MsgFlags, Msghdr}, op::RecvMsg};
    /// let mut msg = Msghdr::empty();
    /// let sqe = RecvMsg::new(3, &mut msg).flags(MsgFlags::CMSG_CLOEXEC).build();
    /// assert_eq!(sqe.rw_flags, MsgFlags::CMSG_CLOEXEC.bits());
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: MsgFlags) -> Self {
        self.sqe.rw_flags = flags.bits();
        self
    }

    /// Waits for a message before the first attempt (`IORING_RECVSEND_POLL_FIRST`, Linux 5.19).
    ///
    /// ```
    /// use annulus_ring::{abi::{Msghdr, RecvSendFlags}, op::RecvMsg};
    /// let mut msg = Msghdr::empty();
    /// let sqe = RecvMsg::new(3, &mut msg).poll_first().build();
    /// assert_eq!(sqe.ioprio, RecvSendFlags::POLL_FIRST.bits());
    /// ```
    #[doc(alias = "IORING_RECVSEND_POLL_FIRST")]
    #[inline]
    pub const fn poll_first(self) -> Self {
        self.with(RecvSendFlags::POLL_FIRST)
    }

    /// Receives again and again, each message into a buffer of the group and with a completion of
    /// its own (`IORING_RECV_MULTISHOT`, Linux 6.0). Needs [`with_group`](Self::with_group).
    ///
    /// Of the message only `msg_namelen` and `msg_controllen` are read: how much room the address
    /// and the control data get in each buffer, in front of the bytes. Read a buffer with
    /// [`RecvMsgOut::parse`](super::RecvMsgOut::parse). A completion without `MORE` is the last.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufGroup, Msghdr, RecvSendFlags}, op::RecvMsg};
    /// let mut msg = Msghdr { msg_namelen: 16, ..Msghdr::empty() };
    /// let sqe = RecvMsg::with_group(3, &mut msg, BufGroup(7)).multishot().build();
    /// assert_eq!(sqe.ioprio, RecvSendFlags::RECV_MULTISHOT.bits());
    /// ```
    #[doc(alias = "IORING_RECV_MULTISHOT")]
    #[doc(alias = "io_uring_prep_recvmsg_multishot")]
    #[inline]
    pub const fn multishot(self) -> Self {
        self.with(RecvSendFlags::RECV_MULTISHOT)
    }

    #[inline]
    const fn with(mut self, flag: RecvSendFlags) -> Self {
        self.sqe.ioprio |= flag.bits();
        self
    }
}

operation!(SendMsg, RecvMsg);
