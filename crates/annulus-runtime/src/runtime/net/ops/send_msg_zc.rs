//! [`SendMsgZc`]: the bytes of several buffers for a socket, which are not copied.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{MsgFlags, SockAddr, Sqe};
use annulus_ring::op;

use super::message::Header;
use super::zero_copy::{ZeroCopy, sealed::Steps};
use crate::buffer::{IoVecBuf, Iovecs, PoolId};
use crate::operation::{Completion, Multishot};

/// Sending several buffers, one after the other, of which the device reads the bytes itself, as
/// `sendmsg(2)` with `MSG_NOSIGNAL`.
///
/// It has two results, and the errors, of [`SendZc`](super::SendZc).
///
/// By the ring (`IORING_OP_SENDMSG_ZC`, Linux 6.1). See
/// [io_uring_prep_sendmsg_zc(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_sendmsg_zc.3.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::{SendMsgZc, ZeroCopy};
/// use annulus_runtime::runtime::{Shot, shots};
/// use std::io::Read;
/// use std::{net::{TcpListener, TcpStream}, os::fd::OwnedFd, sync::Arc};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let here = Arc::new(OwnedFd::from(TcpStream::connect(listener.local_addr()?)?));
/// let mut there = listener.accept()?.0;
/// annulus_runtime::run(async move {
///     let mut send = shots(SendMsgZc::new(here, ["head, ", "body"]));
///     let Shot::Item(sent) = send.next().await else { panic!("it was begun") };
///     assert_eq!(sent.result, Ok(10));
///     there.read_exact(&mut [0; 10])?;
///     let Shot::Last(free) = send.next().await else { panic!("it has two") };
///     assert_eq!(free.into_operation().into_buf(), ["head, ", "body"]);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_SENDMSG_ZC")]
#[derive(Debug)]
pub struct SendMsgZc<V>(Box<Lent<V>>);

/// Apart, so that it fits into a slot whatever the buffers are.
#[derive(Debug)]
struct Lent<V> {
    /// Until the first result.
    socket: Option<Arc<OwnedFd>>,
    bufs: V,
    header: Header,
    flags: MsgFlags,
    reports: bool,
    done: usize,
}

impl<V: IoVecBuf> SendMsgZc<V> {
    /// One that sends as much as there is room for, as soon as there is some; of buffers beyond the
    /// 1,024th nothing.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Multishot, runtime::net::ops::SendMsgZc};
    /// use std::{net::UdpSocket, os::fd::OwnedFd, sync::Arc};
    /// let socket = Arc::new(OwnedFd::from(UdpSocket::bind("127.0.0.1:0")?));
    /// assert_eq!(SendMsgZc::new(socket, ["ring"]).entry().opcode, Op::SENDMSG_ZC);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(socket: Arc<OwnedFd>, bufs: V) -> Self {
        Self(Box::new(Lent {
            socket: Some(socket),
            bufs,
            header: Header::new(),
            flags: MsgFlags::NOSIGNAL,
            reports: true,
            done: 0,
        }))
    }

    /// Names the receiver, of a datagram socket that is not connected or to another.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::SendMsgZc;
    /// use annulus_runtime::runtime::{Shot, shots};
    /// use std::{net::UdpSocket, os::fd::OwnedFd, sync::Arc};
    /// let here = Arc::new(OwnedFd::from(UdpSocket::bind("127.0.0.1:0")?));
    /// let there = UdpSocket::bind("127.0.0.1:0")?;
    /// let to = there.local_addr()?.into();
    /// annulus_runtime::run(async move {
    ///     let mut send = shots(SendMsgZc::new(here, ["head, ", "body"]).to(to));
    ///     let Shot::Item(sent) = send.next().await else { panic!("it was begun") };
    ///     assert_eq!(sent.result, Ok(10));
    /// })?;
    /// assert_eq!(there.recv(&mut [0; 16])?, 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn to(mut self, addr: SockAddr) -> Self {
        self.0.header.set_name(addr);
        self
    }
}

// SAFETY: the entry points to the header, which lies in a box and is not used until the last
// result, and the header to what lies there too, to vectors that are owned there, and into the
// buffers, which are owned there and stable (`IoVecBuf`). It names a socket that is kept open until
// the first result, when the kernel has done with that.
unsafe impl<V: IoVecBuf> Multishot for SendMsgZc<V> {
    type Item = Completion;

    fn entry(&mut self) -> Sqe {
        let lent = &mut *self.0;
        // Without a socket it was begun before: the entry fails.
        let socket = lent.socket.as_ref().map_or(-1, |socket| socket.as_raw_fd());
        let pieces = Iovecs::for_write(&lent.bufs, lent.done);
        let header = lent.header.fill(pieces, true);
        let send = op::SendMsgZc::new(socket, header).flags(lent.flags);
        if lent.reports { send.report_usage().build() } else { send.build() }
    }

    fn item(&mut self, shot: Completion) -> Completion {
        self.0.socket = None;
        shot
    }

    fn reclaim(&mut self, _: Completion) {
        // What was sent is sent.
    }
}

impl<V: IoVecBuf> ZeroCopy for SendMsgZc<V> {
    type Buf = V;

    fn into_buf(self) -> V {
        self.0.bufs
    }
}

impl<V: IoVecBuf> Steps for SendMsgZc<V> {
    fn bytes_total(&self) -> usize {
        self.0.bufs.vec_bytes_init()
    }

    fn set_exact(&mut self) {
        self.0.flags |= MsgFlags::WAITALL;
    }

    fn set_pool(&mut self, _: Option<PoolId>) {
        // They need not be of one pool.
    }

    fn go_on(&mut self, socket: Arc<OwnedFd>, done: usize) {
        (self.0.socket, self.0.done) = (Some(socket), done);
    }

    fn stop_reporting(&mut self) -> bool {
        core::mem::take(&mut self.0.reports)
    }
}
