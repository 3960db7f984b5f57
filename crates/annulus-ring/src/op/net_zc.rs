//! SEND_ZC, SENDMSG_ZC and RECV_ZC: the device reads or writes the program's memory itself.
//!
//! A zero-copy send completes twice, even if it fails. The first completion carries the result; if
//! it has `MORE`, a second with the same `user_data` and `NOTIF` follows when the last packet that
//! points into the buffer is gone: only then may the buffer be written again or freed. Without
//! `MORE` (the entry was refused before anything began) there is no second.

use core::ffi::c_void;

use super::field::half;
use super::{Target, address, entry, operation};
use crate::abi::{BufIndex, Iovec, MsgFlags, Msghdr, Op, RecvSendFlags, Sqe};

/// The setters that both zero-copy sends have; `$new` is an expression for their examples.
macro_rules! send_zc_setters {
    ($($Type:ident, $new:literal;)*) => {$(
        impl $Type {
            /// Waits for room before the first attempt (`IORING_RECVSEND_POLL_FIRST`).
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let sqe = ", $new, ".poll_first().build();")]
            /// assert_eq!(sqe.ioprio, RecvSendFlags::POLL_FIRST.bits());
            /// ```
            #[doc(alias = "IORING_RECVSEND_POLL_FIRST")]
            #[inline]
            pub const fn poll_first(self) -> Self {
                self.with(RecvSendFlags::POLL_FIRST)
            }

            /// The notification's result says whether the bytes were copied after all
            /// (`IORING_SEND_ZC_REPORT_USAGE`, Linux 6.2):
            /// [`NotifUsage`](crate::abi::NotifUsage).
            ///
            /// ```
            #[doc = "# use annulus_ring::{abi::*, op::*};"]
            #[doc = concat!("let sqe = ", $new, ".report_usage().build();")]
            /// assert_eq!(sqe.ioprio, RecvSendFlags::SEND_ZC_REPORT_USAGE.bits());
            /// ```
            #[doc(alias = "IORING_SEND_ZC_REPORT_USAGE")]
            #[inline]
            pub const fn report_usage(self) -> Self {
                self.with(RecvSendFlags::SEND_ZC_REPORT_USAGE)
            }

            #[inline]
            const fn with(mut self, flag: RecvSendFlags) -> Self {
                self.sqe.ioprio |= flag.bits();
                self
            }
        }
    )*};
}

/// Sends bytes without copying them (`IORING_OP_SEND_ZC`, Linux 6.0).
///
/// Completes twice: first with the result, as [`Send`](super::Send), and with `MORE`; then, with
/// `NOTIF` ([`Cqe::is_notification`](crate::abi::Cqe::is_notification)), when the buffer is free
/// again. A first completion without `MORE` is the only one. Copying costs less below some
/// kilobytes, and on loopback the bytes are copied anyway:
/// [`report_usage`](Self::report_usage) tells.
///
/// # Pointers
/// The buffer: until the *notification*. The address and the array of
/// [`vectorized`](Self::vectorized): until the kernel has taken the entry.
///
/// # Errors
/// Those of [`Send`](super::Send), and
/// - `EOPNOTSUPP`: the socket cannot (Unix sockets, some protocols). Use `Send`.
/// - `EINVAL`: together with `CQE_SKIP_SUCCESS`, which is not possible here; or a flag that this
///   kernel does not know.
/// - `ENOMEM`, `ENOBUFS`: over the limit on locked memory, or on memory of the socket's options.
/// - `EFAULT`: the buffer is not within the registered one, or there is none.
///
/// See `io_uring_prep_send_zc(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_send_zc.3.html>, and `send(2)`,
/// <https://man7.org/linux/man-pages/man2/send.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// use std::net::{TcpListener, TcpStream};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let here = TcpStream::connect(listener.local_addr()?)?;
/// let _there = listener.accept()?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the bytes are static.
/// unsafe { ring.push(op::SendZc::new(&here, b"hello".as_ptr(), 5))? };
/// ring.submit_and_wait(1)?;
/// let sent = ring.completions()?.next().unwrap();
/// assert_eq!((sent.result(), sent.has_more()), (Ok(5), true));
/// ring.submit_and_wait(1)?;
/// let free = ring.completions()?.next().unwrap();
/// assert!(free.is_notification() && !free.has_more());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SEND_ZC")]
#[doc(alias = "io_uring_prep_send_zc")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct SendZc {
    sqe: Sqe,
}

impl SendZc {
    /// Sends the `len` bytes at `buf`.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::SendZc};
    /// let sqe = SendZc::new(3, b"hello".as_ptr(), 5).build();
    /// assert_eq!((sqe.opcode, sqe.len), (Op::SEND_ZC, 5));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, buf: *const u8, len: u32) -> Self {
        let sqe = entry(Op::SEND_ZC, socket.into());
        Self { sqe: Sqe { addr: address(buf), len, ..sqe } }
    }

    /// Sends the buffers of the `count` elements of `vec` (`IORING_SEND_VECTORIZED`, Linux 6.17).
    ///
    /// ```
    /// use annulus_ring::{abi::RecvSendFlags, op::SendZc};
    /// let vec = [std::io::IoSlice::new(b"hello")];
    /// let sqe = SendZc::vectorized(3, vec.as_ptr().cast(), 1).build();
    /// assert_eq!((sqe.len, sqe.ioprio), (1, RecvSendFlags::SEND_VECTORIZED.bits()));
    /// ```
    #[doc(alias = "IORING_SEND_VECTORIZED")]
    #[inline]
    pub fn vectorized(socket: impl Into<Target>, vec: *const Iovec, count: u32) -> Self {
        Self::new(socket, vec.cast(), count).with(RecvSendFlags::SEND_VECTORIZED)
    }

    /// Flags of `send(2)`.
    ///
    /// ```
    /// use annulus_ring::{abi::MsgFlags, op::SendZc};
    /// let sqe = SendZc::new(3, b"x".as_ptr(), 1).flags(MsgFlags::MORE).build();
    /// assert_eq!(sqe.rw_flags, MsgFlags::MORE.bits());
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: MsgFlags) -> Self {
        self.sqe.rw_flags = flags.bits();
        self
    }

    /// Sends to the address of `len_bytes` bytes at `addr`, as `sendto(2)`.
    ///
    /// ```
    /// use annulus_ring::{abi::SockAddr, op::SendZc};
    /// let to = SockAddr::from("127.0.0.1:9".parse::<std::net::SocketAddr>()?);
    /// let sqe = SendZc::new(3, b"x".as_ptr(), 1).address(to.as_ptr(), 16).build();
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

    /// The bytes lie in a registered buffer (`IORING_RECVSEND_FIXED_BUF`): its pages are not
    /// pinned and let go at each send.
    ///
    /// ```
    /// use annulus_ring::{abi::{BufIndex, RecvSendFlags}, op::SendZc};
    /// let sqe = SendZc::new(3, b"x".as_ptr(), 1).fixed_buffer(BufIndex(2)).build();
    /// assert_eq!((sqe.buf_index, sqe.ioprio), (2, RecvSendFlags::FIXED_BUF.bits()));
    /// ```
    #[doc(alias = "IORING_RECVSEND_FIXED_BUF")]
    #[doc(alias = "io_uring_prep_send_zc_fixed")]
    #[inline]
    pub const fn fixed_buffer(mut self, buffer: BufIndex) -> Self {
        self.sqe.buf_index = buffer.0;
        self.with(RecvSendFlags::FIXED_BUF)
    }
}

/// Sends a message without copying it (`IORING_OP_SENDMSG_ZC`, Linux 6.1).
///
/// Completes twice, as [`SendZc`] says; the result is that of [`SendMsg`](super::SendMsg).
///
/// # Pointers
/// The bytes: until the *notification*. The control data: until the first completion. The
/// [`Msghdr`], its array and the address: until the kernel has taken the entry.
///
/// # Errors
/// Those of [`SendMsg`](super::SendMsg) and of [`SendZc`].
///
/// See `io_uring_prep_sendmsg_zc(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_sendmsg_zc.3.html>, and `sendmsg(2)`,
/// <https://man7.org/linux/man-pages/man2/sendmsg.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::Msghdr, op};
/// use std::{io::IoSlice, net::{TcpListener, TcpStream}};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let here = TcpStream::connect(listener.local_addr()?)?;
/// let _there = listener.accept()?;
/// let mut vec = [IoSlice::new(b"hello")];
/// let msg = Msghdr { msg_iov: vec.as_mut_ptr().cast(), msg_iovlen: 1, ..Msghdr::empty() };
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the bytes are static, the message and its array live on until the completions below.
/// unsafe { ring.push(op::SendMsgZc::new(&here, &msg))? };
/// ring.submit_and_wait(2)?;
/// let all: Vec<_> = ring.completions()?.collect();
/// assert_eq!((all[0].result(), all[0].has_more()), (Ok(5), true));
/// assert!(all[1].is_notification());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SENDMSG_ZC")]
#[doc(alias = "io_uring_prep_sendmsg_zc")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct SendMsgZc {
    sqe: Sqe,
}

impl SendMsgZc {
    /// Sends `msg`.
    ///
    /// ```
    /// use annulus_ring::{abi::{Msghdr, Op}, op::SendMsgZc};
    /// let sqe = SendMsgZc::new(3, &Msghdr::empty()).build();
    /// assert_eq!((sqe.opcode, sqe.len), (Op::SENDMSG_ZC, 1));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, msg: *const Msghdr) -> Self {
        let sqe = entry(Op::SENDMSG_ZC, socket.into());
        Self { sqe: Sqe { addr: address(msg), len: 1, ..sqe } }
    }

    /// Flags of `sendmsg(2)`.
    ///
    /// ```
    /// use annulus_ring::{abi::{MsgFlags, Msghdr}, op::SendMsgZc};
    /// let sqe = SendMsgZc::new(3, &Msghdr::empty()).flags(MsgFlags::MORE).build();
    /// assert_eq!(sqe.rw_flags, MsgFlags::MORE.bits());
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: MsgFlags) -> Self {
        self.sqe.rw_flags = flags.bits();
        self
    }

    /// The bytes lie in a registered buffer, every piece of them (`IORING_RECVSEND_FIXED_BUF`,
    /// Linux 6.15).
    ///
    /// ```
    /// use annulus_ring::{abi::{BufIndex, Msghdr, RecvSendFlags}, op::SendMsgZc};
    /// let sqe = SendMsgZc::new(3, &Msghdr::empty()).fixed_buffer(BufIndex(2)).build();
    /// assert_eq!((sqe.buf_index, sqe.ioprio), (2, RecvSendFlags::FIXED_BUF.bits()));
    /// ```
    #[doc(alias = "IORING_RECVSEND_FIXED_BUF")]
    #[doc(alias = "io_uring_prep_sendmsg_zc_fixed")]
    #[inline]
    pub const fn fixed_buffer(mut self, buffer: BufIndex) -> Self {
        self.sqe.buf_index = buffer.0;
        self.with(RecvSendFlags::FIXED_BUF)
    }
}

/// Receives bytes where the network device put them: in an area of memory registered with it
/// (`IORING_OP_RECV_ZC`, Linux 6.15).
///
/// Always a multishot. The ring is made with `CQE32` (or `CQE_MIXED`), `SINGLE_ISSUER` and
/// `DEFER_TASKRUN`, and has a device's receive queue registered (`IORING_REGISTER_ZCRX_IFQ`).
/// Each completion has the length as its result and in its second half the place in the area; the
/// piece goes back to the device through the refill ring.
///
/// # Pointers
/// The area: as long as its registration.
///
/// # Errors
/// - `EINVAL`: no such registration, or a ring without the set-up above.
/// - `EBADF`, `ENOTSOCK`; `EPROTONOSUPPORT`: only TCP.
/// - `ENOMEM`: the device's buffers ran out. Give pieces back, then submit anew.
/// - `ECANCELED`.
///
/// See <https://docs.kernel.org/networking/iou-zcrx.html>.
///
/// ```
/// use annulus_ring::{abi::Op, op::RecvZc};
/// assert_eq!(RecvZc::new(3, 0).build().opcode, Op::RECV_ZC);
/// ```
#[doc(alias = "IORING_OP_RECV_ZC")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct RecvZc {
    sqe: Sqe,
}

impl RecvZc {
    /// Receives through the registered queue `zcrx_id` (what the registration answered).
    ///
    /// ```
    /// use annulus_ring::{abi::RecvSendFlags, op::RecvZc};
    /// let sqe = RecvZc::new(3, 1).build();
    /// assert_eq!(sqe.splice_fd_in, 1);
    /// assert_eq!(sqe.ioprio, RecvSendFlags::RECV_MULTISHOT.bits());
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, zcrx_id: u32) -> Self {
        let sqe = entry(Op::RECV_ZC, socket.into());
        let ioprio = RecvSendFlags::RECV_MULTISHOT.bits();
        Self { sqe: Sqe { splice_fd_in: zcrx_id as i32, ioprio, ..sqe } }
    }

    /// Ends after `bytes` bytes in all; 0, as without: no bound.
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::RecvZc::new(3, 0).total_len(1 << 20).build().len, 1 << 20);
    /// ```
    #[inline]
    pub const fn total_len(mut self, bytes: u32) -> Self {
        self.sqe.len = bytes;
        self
    }

    /// Waits for bytes before the first attempt (`IORING_RECVSEND_POLL_FIRST`).
    ///
    /// ```
    /// use annulus_ring::{abi::RecvSendFlags, op::RecvZc};
    /// let sqe = RecvZc::new(3, 0).poll_first().build();
    /// let both = RecvSendFlags::RECV_MULTISHOT | RecvSendFlags::POLL_FIRST;
    /// assert_eq!(sqe.ioprio, both.bits());
    /// ```
    #[doc(alias = "IORING_RECVSEND_POLL_FIRST")]
    #[inline]
    pub const fn poll_first(mut self) -> Self {
        self.sqe.ioprio |= RecvSendFlags::POLL_FIRST.bits();
        self
    }
}

send_zc_setters! {
    SendZc, "SendZc::new(3, b\"x\".as_ptr(), 1)";
    SendMsgZc, "SendMsgZc::new(3, &Msghdr::empty())";
}
operation!(SendZc, SendMsgZc, RecvZc);
