//! [`SendMsg`]: a message, with an address and what goes with it, or the bytes of several buffers.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{MsgFlags, SockAddr, Sqe};
use annulus_ring::op;

use super::message::Header;
use super::{attempt, control};
use crate::buffer::{BufResult, IoVecBuf, Iovecs};
use crate::engine::file::Way;
use crate::engine::transfer::Progress;
use crate::operation::{Advance, Completion, Operation};

/// Sending a message, as `sendmsg(2)` with `MSG_NOSIGNAL`: how many bytes, and the buffers. They
/// make one datagram, or follow one another in a stream.
///
/// # Errors
/// Each gives the buffers back; descriptors that were to go are closed.
/// - `EMSGSIZE`: too long for one datagram. `EINVAL`: an address or a segment that cannot be.
/// - `ECONNREFUSED`: nobody is there; of UDP, an earlier datagram found nobody.
/// - `EDESTADDRREQ` (89): no address, and the socket is not connected.
/// - `ETOOMANYREFS` (109): too many descriptors are under way in sockets. `EINVAL`: over 253.
/// - `EPIPE`, `ECONNRESET`, `ENOTCONN`, `ETIMEDOUT`: see [`Send`](super::Send).
/// - `ENETUNREACH`, `EHOSTUNREACH` (113), `EACCES`, `EPERM`: there is no way to it, or none
///   allowed.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_SENDMSG`, Linux 5.3). See
/// [sendmsg(2)](https://man7.org/linux/man-pages/man2/sendmsg.2.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::SendMsg;
/// use std::{net::UdpSocket, os::fd::OwnedFd, sync::Arc};
/// let [here, there] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
/// let to = there.local_addr()?;
/// let send = SendMsg::new(Arc::new(OwnedFd::from(here)), ["one ", "datagram"]).to(to.into());
/// let (n, _) = annulus_runtime::run(async move { annulus_runtime::submit(send).await })??;
/// let mut buf = [0; 64];
/// assert_eq!((n, there.recv(&mut buf)?), (12, 12));
/// assert_eq!(&buf[..n], b"one datagram");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_SENDMSG")]
#[derive(Debug)]
pub struct SendMsg<V> {
    socket: Arc<OwnedFd>,
    bufs: V,
    header: Header,
    flags: MsgFlags,
    progress: Progress,
}

impl<V: IoVecBuf> SendMsg<V> {
    /// One that sends a datagram, or as much as there is room for.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::SendMsg};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let mut send = SendMsg::new(Arc::new(OwnedFd::from(here)), ["shared ", "ring"]);
    /// assert_eq!(send.entry().opcode, Op::SENDMSG);
    /// assert_eq!(send.attempt().map(|sent| sent.result), Some(Ok(11)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn new(socket: Arc<OwnedFd>, bufs: V) -> Self {
        Self {
            socket,
            bufs,
            header: Header::new(),
            flags: MsgFlags::NOSIGNAL,
            progress: Progress::new(None),
        }
    }

    /// To this address.
    pub fn to(mut self, addr: SockAddr) -> Self {
        self.header.set_name(addr);
        self
    }

    /// Passes descriptors along, over a Unix socket: the receiver gets its own of the same files.
    /// These are closed when it is over.
    ///
    /// With a stream at least one byte has to go along.
    #[doc(alias = "SCM_RIGHTS")]
    pub fn descriptors(mut self, descriptors: Vec<OwnedFd>) -> Self {
        if !descriptors.is_empty() {
            let numbers = descriptors.iter().flat_map(|fd| fd.as_raw_fd().to_ne_bytes());
            let data: Vec<u8> = numbers.collect();
            let extra = self.header.extra();
            control::push(&mut extra.control, control::SOL_SOCKET, control::RIGHTS, &data);
            extra.descriptors = descriptors;
        }
        self
    }

    /// Has the kernel cut the bytes into datagrams of so many each, the last perhaps shorter
    /// (`UDP_SEGMENT`, Linux 4.18): at most 64, and 65,507 bytes in all.
    #[doc(alias = "UDP_SEGMENT")]
    #[doc(alias = "GSO")]
    pub fn segment_bytes(mut self, bytes: u16) -> Self {
        let data = bytes.to_ne_bytes();
        control::push(&mut self.header.extra().control, control::SOL_UDP, control::SEGMENT, &data);
        self
    }

    /// Goes on until all is sent: of a stream.
    pub fn exact(mut self) -> Self {
        self.progress.set_exact();
        self
    }
}

// SAFETY: the entry points to the header in `self`, which is not moved and not changed until the
// completion, and the header to what lies here too, to vectors that are owned here, and into the
// buffers, which are owned here and stable (`IoVecBuf`). It names a socket that is kept open here;
// so are the descriptors that the control data names.
unsafe impl<V: IoVecBuf> Operation for SendMsg<V> {
    type Output = BufResult<usize, V>;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        // SAFETY: header and buffers are owned here, and unchanged during the call.
        unsafe { attempt(self) }
    }

    fn entry(&mut self) -> Sqe {
        let done = self.progress.done();
        let pieces = Iovecs::for_write(&self.bufs, done);
        // What went with the first bytes does not go again.
        let header = self.header.fill(pieces, done == 0);
        op::SendMsg::new(self.socket.as_raw_fd(), header).flags(self.flags).build()
    }

    #[inline]
    fn advances(&self) -> bool {
        self.progress.is_exact()
    }

    fn advance(&mut self, completion: &mut Completion) -> Advance {
        self.progress.advance(completion, self.bufs.vec_bytes_init())
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let Self { socket: _socket, bufs, progress, .. } = self;
        progress.outcome(&completion, bufs.vec_bytes_init(), Way::Write, bufs)
    }

    fn reclaim(self, _: Completion) {
        // What was sent is sent; the descriptors are closed here.
    }
}
