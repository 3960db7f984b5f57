//! [`Send`]: bytes for a socket.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{MsgFlags, Sqe};
use annulus_ring::kernel::{Descriptors, Process};
use annulus_ring::{Errno, op};

use super::{attempt, left};
use crate::buffer::{BufResult, IoBuf};
use crate::engine::file::Way;
use crate::engine::transfer::Progress;
use crate::operation::{Advance, Completion, Operation};

/// Sending a buffer, as `send(2)` with `MSG_NOSIGNAL`: how many bytes, and the buffer.
///
/// They are in the socket's queue then: that the peer has them is another matter. How much of a
/// dropped one went is not told.
///
/// # Errors
/// Each gives the buffer back, and [`done`](crate::buffer::BufError::done) says how many bytes of
/// an [exact](Self::exact) one went before it.
/// - `EPIPE`: the stream is shut down, here or there. `ECONNRESET`: the peer has gone.
/// - `ENOTCONN`: not connected. `ETIMEDOUT`: the peer answers no more. `ENOTSOCK`, `EBADF`.
/// - `EMSGSIZE`: too long for one message.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_SEND`, Linux 5.6). See
/// [send(2)](https://man7.org/linux/man-pages/man2/send.2.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::Send;
/// use std::io::Read;
/// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
/// let (here, mut there) = UnixStream::pair()?;
/// let here = Arc::new(OwnedFd::from(here));
/// let (n, _) = annulus_runtime::run(async move {
///     annulus_runtime::submit(Send::new(here, "ring")).await
/// })??;
/// let mut read = [0; 4];
/// there.read_exact(&mut read)?;
/// assert_eq!((n, &read), (4, b"ring"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_SEND")]
#[derive(Debug)]
pub struct Send<B> {
    socket: Arc<OwnedFd>,
    buf: B,
    flags: MsgFlags,
    progress: Progress,
}

impl<B: IoBuf> Send<B> {
    /// One that sends as much as there is room for, as soon as there is some.
    ///
    /// ```
    /// use annulus_ring::abi::MsgFlags;
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Send};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let mut send = Send::new(Arc::new(OwnedFd::from(here)), "ring");
    /// assert_eq!((send.entry().len, send.entry().rw_flags), (4, MsgFlags::NOSIGNAL.bits()));
    /// assert_eq!(send.attempt().map(|sent| sent.result), Some(Ok(4)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn new(socket: Arc<OwnedFd>, buf: B) -> Self {
        Self { socket, buf, flags: MsgFlags::NOSIGNAL, progress: Progress::new(None) }
    }

    /// Goes on until all is sent.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::ops::Send;
    /// use std::io::Read;
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, mut there) = UnixStream::pair()?;
    /// let here = Arc::new(OwnedFd::from(here));
    /// let reader = std::thread::spawn(move || there.read_to_end(&mut Vec::new()));
    /// let (n, _) = annulus_runtime::run(async move {
    ///     annulus_runtime::submit(Send::new(here, vec![7; 1 << 20]).exact()).await
    /// })??;
    /// assert_eq!((n, reader.join().unwrap()?), (1 << 20, 1 << 20));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exact(mut self) -> Self {
        self.progress.set_exact();
        self
    }

    /// Goes on behind the first `count` bytes, which were sent already, and counts them.
    pub(in crate::runtime::net) fn behind(mut self, count: usize) -> Self {
        self.progress.moved(count);
        self
    }

    /// Flags of `send(2)`, such as [`MORE`](MsgFlags::MORE), beside `MSG_NOSIGNAL`.
    ///
    /// ```
    /// use annulus_ring::abi::MsgFlags;
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Send};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let mut send = Send::new(Arc::new(OwnedFd::from(here)), "ring").flags(MsgFlags::MORE);
    /// assert_eq!(send.entry().rw_flags, (MsgFlags::MORE | MsgFlags::NOSIGNAL).bits());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn flags(mut self, flags: MsgFlags) -> Self {
        self.flags = flags | MsgFlags::NOSIGNAL;
        self
    }
}

/// Sends what there is room for, on this thread: how many bytes of `buf`, none where it is to be
/// waited for room.
#[inline]
pub(in crate::runtime::net) fn send_at_once<B: IoBuf>(
    socket: &OwnedFd,
    buf: &B,
) -> Result<usize, Errno> {
    let (start, len) = left(buf.stable_ptr(), buf.bytes_init(), 0);
    let entry = op::Send::new(socket.as_raw_fd(), start, len).build();
    // SAFETY: the buffer is borrowed, and so unchanged, during the call.
    match unsafe { Process.call(&entry) } {
        Err(Errno::EAGAIN) => Ok(0),
        sent => sent.map(|count| count as usize),
    }
}

// SAFETY: the entry points into the buffer, which is owned here and stable (`IoBuf`), and is not
// used until the completion. It names a socket that is kept open here.
unsafe impl<B: IoBuf> Operation for Send<B> {
    type Output = BufResult<usize, B>;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        // SAFETY: the buffer is owned here, and unchanged during the call.
        unsafe { attempt(self) }
    }

    #[inline]
    fn entry(&mut self) -> Sqe {
        let total = self.buf.bytes_init();
        let (start, len) = left(self.buf.stable_ptr(), total, self.progress.done());
        op::Send::new(self.socket.as_raw_fd(), start, len).flags(self.flags).build()
    }

    #[inline]
    fn advances(&self) -> bool {
        self.progress.is_exact()
    }

    #[inline]
    fn finishes_with(&self) -> Option<u32> {
        self.progress.finishes_with(self.buf.bytes_init())
    }

    #[inline]
    fn advance(&mut self, completion: &mut Completion) -> Advance {
        self.progress.advance(completion, self.buf.bytes_init())
    }

    #[inline]
    fn complete(self, completion: Completion) -> Self::Output {
        let Self { socket: _socket, buf, progress, .. } = self;
        progress.outcome(&completion, buf.bytes_init(), Way::Write, buf)
    }

    fn reclaim(self, _: Completion) {
        // What was sent is sent.
    }
}
