//! [`Recv`]: bytes of a socket.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{MsgFlags, Sqe};
use annulus_ring::op;

use super::{attempt, left};
use crate::buffer::{BufResult, IoBufMut};
use crate::engine::file::Way;
use crate::engine::transfer::Progress;
use crate::operation::{Advance, Completion, Operation};

/// Receiving into a buffer, as `recv(2)`: how many bytes, and the buffer.
///
/// 0 is the end of a stream, where there is room for a byte. What a dropped one had received is
/// lost with its buffer: [`TcpStream::read`](super::super::TcpStream::read) loses nothing.
///
/// # Errors
/// Each gives the buffer back.
/// - `ECONNRESET`: the peer has gone, and has not read all that was sent to it.
/// - `ENOTCONN`: not connected. `ETIMEDOUT`: the peer answers no more. `ENOTSOCK`, `EBADF`.
/// - [`UnexpectedEof`](std::io::ErrorKind::UnexpectedEof): an [exact](Self::exact) one came to the
///   end.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_RECV`, Linux 5.6). See
/// [recv(2)](https://man7.org/linux/man-pages/man2/recv.2.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::Recv;
/// use std::io::Write;
/// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
/// let (here, mut there) = UnixStream::pair()?;
/// let here = Arc::new(OwnedFd::from(here));
/// there.write_all(b"ring")?;
/// let (n, buf) = annulus_runtime::run(async move {
///     annulus_runtime::submit(Recv::new(here, vec![0; 16])).await
/// })??;
/// assert_eq!(&buf[..n], b"ring");
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_RECV")]
#[derive(Debug)]
pub struct Recv<B> {
    socket: Arc<OwnedFd>,
    buf: B,
    flags: MsgFlags,
    progress: Progress,
}

impl<B: IoBufMut> Recv<B> {
    /// One that takes what there is, as soon as there is something.
    ///
    /// ```
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Recv};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let mut recv = Recv::new(Arc::new(OwnedFd::from(here)), vec![0; 16]);
    /// assert_eq!(recv.entry().len, 16);
    /// assert!(recv.attempt().is_none()); // there is nothing yet
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn new(socket: Arc<OwnedFd>, buf: B) -> Self {
        Self { socket, buf, flags: MsgFlags::empty(), progress: Progress::new(None) }
    }

    /// Goes on until the buffer is full.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::Recv;
    /// use std::io::Write;
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, mut there) = UnixStream::pair()?;
    /// let here = Arc::new(OwnedFd::from(here));
    /// there.write_all(b"ring")?;
    /// drop(there);
    /// let received = annulus_runtime::run(async move {
    ///     annulus_runtime::submit(Recv::new(here, vec![0; 16]).exact()).await
    /// })?;
    /// let error = received.unwrap_err();
    /// assert_eq!((error.kind(), error.done()), (std::io::ErrorKind::UnexpectedEof, 4));
    /// assert_eq!(error.into_buf()[..4], *b"ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exact(mut self) -> Self {
        self.progress.set_exact();
        self
    }

    /// Goes on behind the first `count` bytes of the buffer, which are there already, and counts
    /// them: at most as many as are initialised.
    pub(in crate::runtime::net) fn behind(mut self, count: usize) -> Self {
        self.progress.moved(count.min(self.buf.bytes_init()));
        self
    }

    /// Leaves what it gives in the socket, for the next to give again (`MSG_PEEK`).
    ///
    /// ```
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Recv};
    /// use std::io::{Read, Write};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (mut here, mut there) = UnixStream::pair()?;
    /// there.write_all(b"ring")?;
    /// let again = Arc::new(OwnedFd::from(here.try_clone()?));
    /// let mut peek = Recv::new(again, vec![0; 16]).peek();
    /// assert_eq!(peek.attempt().map(|peeked| peeked.result), Some(Ok(4)));
    /// assert_eq!(here.read(&mut [0; 16])?, 4);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "MSG_PEEK")]
    pub fn peek(mut self) -> Self {
        // No other flag: with `MSG_TRUNC` the count is not that of the bytes written.
        self.flags = MsgFlags::PEEK;
        self
    }
}

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBufMut`), and is not
// used until the completion. It names a socket that is kept open here.
unsafe impl<B: IoBufMut> Operation for Recv<B> {
    type Output = BufResult<usize, B>;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        // SAFETY: the buffer is owned here, and nobody else uses it during the call.
        unsafe { attempt(self) }
    }

    #[inline]
    fn entry(&mut self) -> Sqe {
        let total = self.buf.bytes_total();
        let (start, len) = left(self.buf.stable_mut_ptr(), total, self.progress.done());
        op::Recv::new(self.socket.as_raw_fd(), start.cast_mut(), len).flags(self.flags).build()
    }

    #[inline]
    fn advances(&self) -> bool {
        self.progress.is_exact()
    }

    #[inline]
    fn finishes_with(&self) -> Option<u32> {
        self.progress.finishes_with(self.buf.bytes_total())
    }

    #[inline]
    fn advance(&mut self, completion: &mut Completion) -> Advance {
        self.progress.advance(completion, self.buf.bytes_total())
    }

    #[inline]
    fn complete(self, completion: Completion) -> Self::Output {
        let Self { socket: _socket, mut buf, progress, .. } = self;
        let (total, done) = (buf.bytes_total(), progress.done_with(&completion));
        if done > 0 {
            // SAFETY: the kernel said that it wrote so many, from the first on.
            unsafe { buf.set_init(done) };
        }
        progress.outcome(&completion, total, Way::Read, buf)
    }

    fn reclaim(self, _: Completion) {
        // Bytes that nobody waits for go with their buffer.
    }
}
