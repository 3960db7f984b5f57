//! [`SendZc`]: bytes for a socket, which are not copied.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{BufIndex, MsgFlags, SockAddr, Sqe};
use annulus_ring::op;

use super::left;
use super::zero_copy::{ZeroCopy, sealed::Steps};
use crate::buffer::{IoBuf, PoolId};
use crate::operation::{Completion, Multishot};

/// Sending a buffer of which the device reads the bytes itself, as `send(2)` with `MSG_NOSIGNAL`.
///
/// It has two results. The first, with [`MORE`](annulus_ring::abi::CqeFlags::MORE), is the count
/// that went into the socket's queue, or the error. The last says that the buffer is free, and is a
/// [report](annulus_ring::abi::NotifUsage) of whether bytes were copied after all. The socket is
/// let go of at the first: it may be closed before the last comes.
///
/// # Errors
/// - Those of [`Send`](super::Send).
/// - `EOPNOTSUPP`: the socket cannot: send with a copy.
/// - `ENOBUFS`, `ENOMEM`: more memory would be pinned than `RLIMIT_MEMLOCK` allows: raise that, or
///   send from [fixed buffers](crate::runtime::fixed_pool), which are pinned already.
/// - `EINVAL`: the kernel knows no report (before Linux 6.2), or no such send (before 6.0).
///
/// By the ring (`IORING_OP_SEND_ZC`, Linux 6.0). See
/// [io_uring_prep_send_zc(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_send_zc.3.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::{SendZc, ZeroCopy};
/// use annulus_runtime::runtime::{Shot, shots};
/// use std::io::Read;
/// use std::{net::{TcpListener, TcpStream}, os::fd::OwnedFd, sync::Arc};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let here = Arc::new(OwnedFd::from(TcpStream::connect(listener.local_addr()?)?));
/// let mut there = listener.accept()?.0;
/// annulus_runtime::run(async move {
///     let mut send = shots(SendZc::new(here, "ring"));
///     let Shot::Item(sent) = send.next().await else { panic!("it was begun") };
///     assert_eq!(sent.result, Ok(4));
///     there.read_exact(&mut [0; 4])?;
///     let Shot::Last(free) = send.next().await else { panic!("it has two") };
///     assert_eq!(free.into_operation().into_buf(), "ring");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_SEND_ZC")]
#[derive(Debug)]
pub struct SendZc<B>(Box<Lent<B>>);

/// Apart, so that it fits into a slot whatever the buffer is.
#[derive(Debug)]
struct Lent<B> {
    /// Until the first result.
    socket: Option<Arc<OwnedFd>>,
    buf: B,
    to: Option<SockAddr>,
    flags: MsgFlags,
    fixed: Option<BufIndex>,
    reports: bool,
    done: usize,
}

impl<B: IoBuf> SendZc<B> {
    /// One that sends as much as there is room for, as soon as there is some.
    ///
    /// ```
    /// use annulus_ring::abi::{Op, RecvSendFlags};
    /// use annulus_runtime::{operation::Multishot, runtime::net::ops::SendZc};
    /// use std::{net::UdpSocket, os::fd::OwnedFd, sync::Arc};
    /// let socket = Arc::new(OwnedFd::from(UdpSocket::bind("127.0.0.1:0")?));
    /// let entry = SendZc::new(socket, "ring").entry();
    /// assert_eq!((entry.opcode, entry.len), (Op::SEND_ZC, 4));
    /// assert_eq!(entry.ioprio, RecvSendFlags::SEND_ZC_REPORT_USAGE.bits());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(socket: Arc<OwnedFd>, buf: B) -> Self {
        Self(Box::new(Lent {
            socket: Some(socket),
            buf,
            to: None,
            flags: MsgFlags::NOSIGNAL,
            fixed: None,
            reports: true,
            done: 0,
        }))
    }

    /// Names the receiver, of a datagram socket that is not connected or to another.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::SendZc;
    /// use annulus_runtime::runtime::{Shot, shots};
    /// use std::{net::UdpSocket, os::fd::OwnedFd, sync::Arc};
    /// let here = Arc::new(OwnedFd::from(UdpSocket::bind("127.0.0.1:0")?));
    /// let there = UdpSocket::bind("127.0.0.1:0")?;
    /// let to = there.local_addr()?.into();
    /// annulus_runtime::run(async move {
    ///     let mut send = shots(SendZc::new(here, "ring").to(to));
    ///     let Shot::Item(sent) = send.next().await else { panic!("it was begun") };
    ///     assert_eq!(sent.result, Ok(4));
    /// })?;
    /// assert_eq!(there.recv(&mut [0; 16])?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn to(mut self, addr: SockAddr) -> Self {
        self.0.to = Some(addr);
        self
    }
}

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBuf`), and to the
// address, which lies in a box of its own; neither is used until the last result. It names a socket
// that is kept open until the first, when the kernel has done with that. If it names the buffer by
// index too, that is the one with which the ring has it registered (`set_pool`).
unsafe impl<B: IoBuf> Multishot for SendZc<B> {
    type Item = Completion;

    fn entry(&mut self) -> Sqe {
        let lent = &mut *self.0;
        // Without a socket it was begun before: the entry fails.
        let socket = lent.socket.as_ref().map_or(-1, |socket| socket.as_raw_fd());
        let (start, len) = left(lent.buf.stable_ptr(), lent.buf.bytes_init(), lent.done);
        let mut send = op::SendZc::new(socket, start, len).flags(lent.flags);
        if let Some(to) = &lent.to {
            let bytes = u16::try_from(to.len_bytes()).unwrap_or(0);
            send = send.address(to.as_ptr().cast(), bytes);
        }
        if let Some(index) = lent.fixed {
            send = send.fixed_buffer(index);
        }
        if lent.reports {
            send = send.report_usage();
        }
        send.build()
    }

    fn item(&mut self, shot: Completion) -> Completion {
        self.0.socket = None;
        shot
    }

    fn reclaim(&mut self, _: Completion) {
        // What was sent is sent.
    }
}

impl<B: IoBuf> ZeroCopy for SendZc<B> {
    type Buf = B;

    fn into_buf(self) -> B {
        self.0.buf
    }
}

impl<B: IoBuf> Steps for SendZc<B> {
    fn bytes_total(&self) -> usize {
        self.0.buf.bytes_init()
    }

    fn set_exact(&mut self) {
        self.0.flags |= MsgFlags::WAITALL;
    }

    fn set_pool(&mut self, pool: Option<PoolId>) {
        let registered = self.0.buf.registered();
        self.0.fixed = registered.filter(|own| Some(own.pool) == pool).map(|own| own.index);
    }

    fn go_on(&mut self, socket: Arc<OwnedFd>, done: usize) {
        (self.0.socket, self.0.done) = (Some(socket), done);
    }

    fn stop_reporting(&mut self) -> bool {
        core::mem::take(&mut self.0.reports)
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use annulus_ring::abi::RecvSendFlags;

    use super::*;
    use crate::buffer::FixedPool;

    fn socket() -> Arc<OwnedFd> {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        Arc::new(OwnedFd::from(socket))
    }

    #[test]
    fn a_buffer_is_named_by_index_in_its_own_ring_alone() {
        let [pool, other] = [4, 4].map(|count| FixedPool::new(count, 4096).expect("memory"));
        let is_named = |of: Option<&FixedPool>| {
            let mut buf = pool.try_take().expect("one is free");
            buf.extend_from_slice(b"ring");
            let mut send = SendZc::new(socket(), buf);
            send.set_pool(of.map(|pool| pool.id()));
            RecvSendFlags(send.entry().ioprio).contains(RecvSendFlags::FIXED_BUF)
        };
        assert_eq!([Some(&pool), Some(&other), None].map(is_named), [true, false, false]);
    }

    #[test]
    fn the_socket_is_let_go_of_at_the_first_result() {
        let socket = socket();
        let mut send = SendZc::new(Arc::clone(&socket), "ring");
        assert_eq!(send.entry().fd, socket.as_raw_fd());
        send.item(Completion::new(Ok(4)));
        assert_eq!(Arc::strong_count(&socket), 1);
        assert_eq!(send.entry().fd, -1);
    }
}
