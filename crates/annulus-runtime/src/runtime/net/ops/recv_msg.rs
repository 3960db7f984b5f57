//! [`RecvMsg`]: a message, with all that comes with it, or bytes for several buffers.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{MsgFlags, SockAddr, Sqe};
use annulus_ring::op;

use super::message::{Header, Message};
use super::{attempt, control};
use crate::buffer::{BufError, BufResult, IoVecBufMut, Iovecs};
use crate::operation::{Completion, Operation};

/// Receiving a message, as `recvmsg(2)`: how many bytes, what came with them, and the buffers. One
/// buffer begins when the one before it is full.
///
/// Of a datagram, what does not fit is lost, and [said so](Message::is_truncated). Descriptors that
/// come are closed at an exec (`MSG_CMSG_CLOEXEC`), and owned from the moment on when they come:
/// where nobody waits any more they are closed.
///
/// # Errors
/// Each gives the buffers back.
/// - `ECONNREFUSED`: of a connected datagram socket, an earlier datagram found nobody there.
/// - `ECONNRESET`, `ENOTCONN`, `ETIMEDOUT`, `ENOTSOCK`, `EBADF`: see [`Recv`](super::Recv).
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_RECVMSG`, Linux 5.3). See
/// [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::RecvMsg;
/// use std::{os::fd::OwnedFd, os::unix::net::UnixDatagram, sync::Arc};
/// let (here, there) = UnixDatagram::pair()?;
/// there.send(b"head, body")?;
/// let here = Arc::new(OwnedFd::from(here));
/// let ((n, _), (head, body)) = annulus_runtime::run(async move {
///     annulus_runtime::submit(RecvMsg::new(here, (vec![0; 4], Vec::with_capacity(64)))).await
/// })??;
/// assert_eq!((n, &head[..], &body[..]), (10, &b"head"[..], &b", body"[..]));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_RECVMSG")]
#[derive(Debug)]
pub struct RecvMsg<V> {
    socket: Arc<OwnedFd>,
    bufs: V,
    header: Header,
    descriptors_max: usize,
    flags: MsgFlags,
}

impl<V: IoVecBufMut> RecvMsg<V> {
    /// One that takes the next message.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::RecvMsg};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let mut recv = RecvMsg::new(Arc::new(OwnedFd::from(here)), [vec![0; 16]]);
    /// assert_eq!(recv.entry().opcode, Op::RECVMSG);
    /// assert!(recv.attempt().is_none()); // there is nothing yet
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn new(socket: Arc<OwnedFd>, bufs: V) -> Self {
        let (header, flags) = (Header::new(), MsgFlags::CMSG_CLOEXEC);
        Self { socket, bufs, header, descriptors_max: 0, flags }
    }

    /// Asks for the sender's address: [`Message::from`].
    pub fn named(mut self) -> Self {
        self.header.set_name(SockAddr::empty());
        self
    }

    /// Makes room for so many descriptors: [`Message::descriptors`]. Those that come beyond that
    /// are closed, and [said to be](Message::is_control_truncated). The kernel passes at most 253
    /// at a time.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::{RecvMsg, SendMsg};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, there) = UnixStream::pair()?;
    /// let [here, there] = [here, there].map(|socket| Arc::new(OwnedFd::from(socket)));
    /// let files = vec![std::fs::File::open("Cargo.toml")?.into()];
    /// let ((_, message), _) = annulus_runtime::run(async move {
    ///     annulus_runtime::submit(SendMsg::new(here, ["x"]).descriptors(files)).await?;
    ///     let recv = RecvMsg::new(there, [vec![0; 1]]).descriptors_max(4);
    ///     let received = annulus_runtime::submit(recv).await?;
    ///     std::io::Result::Ok(received)
    /// })??;
    /// assert_eq!(message.descriptors().len(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SCM_RIGHTS")]
    pub fn descriptors_max(mut self, count: usize) -> Self {
        self.descriptors_max = count;
        if count == 0 {
            return self;
        }
        // Where the socket has been told to, credentials come first.
        self.room(12).room(4 * count.min(253))
    }

    /// Makes room for the length of segments: [`Message::segment_bytes`].
    pub fn segments(self) -> Self {
        self.room(4)
    }

    /// Makes room for who sent it: [`Message::credentials`].
    pub fn credentials(self) -> Self {
        self.room(12)
    }

    /// Makes room for `bytes` bytes of control messages, with what lies in front of each: of those
    /// that an option of the socket asks for, [`Message::control`] gives what it does not know.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::RecvMsg;
    /// use std::{net::UdpSocket, os::fd::OwnedFd, sync::Arc};
    /// let there = UdpSocket::bind("127.0.0.1:0")?;
    /// there.send_to(b"ring", there.local_addr()?)?;
    /// let recv = RecvMsg::new(Arc::new(OwnedFd::from(there)), [vec![0; 16]]).control_bytes(64);
    /// let ((_, message), _) =
    ///     annulus_runtime::run(async move { annulus_runtime::submit(recv).await })??;
    /// assert_eq!(message.control().count(), 0); // nobody asked for any
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "cmsg")]
    pub fn control_bytes(mut self, bytes: usize) -> Self {
        let room = &mut self.header.extra().control;
        room.resize(room.len() + bytes, 0);
        self
    }

    fn room(self, data_bytes: usize) -> Self {
        self.control_bytes(control::space(data_bytes))
    }

    /// Leaves the message in the socket, for the next to give again (`MSG_PEEK`). Descriptors come
    /// with each.
    #[doc(alias = "MSG_PEEK")]
    pub fn peek(mut self) -> Self {
        // No other flag: with `MSG_TRUNC` the count is not that of the bytes written.
        self.flags |= MsgFlags::PEEK;
        self
    }
}

// SAFETY: the entry points to the header in `self`, which is not moved and not used until the
// completion, and the header to what lies here too, to vectors that are owned here, and into the
// buffers, which are owned here and stable (`IoVecBufMut`). It names a socket that is kept open
// here.
unsafe impl<V: IoVecBufMut> Operation for RecvMsg<V> {
    type Output = BufResult<(usize, Message), V>;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        // SAFETY: header and buffers are owned here, and nobody else uses them during the call.
        unsafe { attempt(self) }
    }

    fn entry(&mut self) -> Sqe {
        let pieces = Iovecs::for_read(&mut self.bufs, 0);
        let header = self.header.fill(pieces, true);
        op::RecvMsg::new(self.socket.as_raw_fd(), header).flags(self.flags).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let Self { socket: _socket, mut bufs, mut header, descriptors_max, .. } = self;
        match completion.result {
            Ok(count) => {
                let count = count as usize;
                if count > 0 {
                    // SAFETY: the kernel said that it wrote so many, from the first on.
                    unsafe { bufs.vec_set_init(count) };
                }
                // SAFETY: it was filled for the entry, by which the kernel has received; this is
                // the one call that takes it.
                let mut message = unsafe { header.take_message() };
                message.limit_descriptors(descriptors_max);
                Ok(((count, message), bufs))
            }
            Err(errno) => Err(BufError::of(&completion, errno, bufs)),
        }
    }

    fn reclaim(mut self, completion: Completion) {
        if completion.result.is_ok() {
            // SAFETY: as in `complete`. Descriptors in it are closed.
            drop(unsafe { self.header.take_message() });
        }
    }
}
