//! [`ReadHalf`] and [`WriteHalf`]: the two directions of a stream, each with what is under way in
//! it.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll, ready};
use std::io;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use super::at_once;
use super::incoming::{Incoming, fill, scatter};
use super::kept::{Kept, Leaves};
use super::ops::{Message, Recv, RecvMsg, SendMsg};
use super::read::{Reading, ReadingExact};
use super::write::Writing;
use crate::buffer::{BufError, BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::error::Error;
use crate::runtime::LocalOp;
use crate::runtime::core::Core;

/// The direction of a stream in which bytes come: of [`TcpStream`](super::TcpStream) or
/// [`UnixStream`](super::UnixStream), by `split` or `into_split`.
///
/// What a stream promises of its reads holds for it: a dropped one loses no byte.
///
/// # When it is dropped
/// The receive under way is cancelled, and what was received and not read is thrown away. The
/// connection is closed with the other half; to end one direction is
/// [`shutdown`](WriteHalf::shutdown)'s.
///
/// ```
/// use annulus_runtime::{runtime::net::UnixStream, spawn_local};
/// annulus_runtime::run(async {
///     let (here, there) = UnixStream::pair()?;
///     let (mut reads, mut writes) = here.into_split();
///     // An echo, at the same time in another task.
///     let echo = spawn_local(async move {
///         let (mut reads, mut writes) = there.into_split();
///         let (n, mut buf) = reads.read(vec![0; 16]).await?;
///         buf.truncate(n);
///         writes.write_all(buf).await.map_err(std::io::Error::from)
///     });
///     writes.write_all("ring").await?;
///     let (n, buf) = reads.read_exact(vec![0; 4]).await?;
///     assert_eq!(&buf[..n], b"ring");
///     echo.await.expect("no panic")?;
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct ReadHalf {
    // Before the socket: what is under way is given up first.
    pub(super) incoming: Incoming,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) core: Rc<Core>,
}

/// The direction of a stream in which bytes go: see [`ReadHalf`].
///
/// # When it is dropped
/// What is under way is cancelled. The connection stays until the other half is dropped too: the
/// peer sees an end only after [`shutdown`](Self::shutdown).
///
/// ```
/// use annulus_runtime::runtime::net::UnixStream;
/// use std::net::Shutdown;
/// annulus_runtime::run(async {
///     let (here, mut there) = UnixStream::pair()?;
///     let (_reads, mut writes) = here.into_split();
///     writes.write_all("ring").await?;
///     writes.shutdown(Shutdown::Write)?;
///     let (n, buf) = there.read(vec![0; 16]).await?;
///     assert_eq!(&buf[..n], b"ring");
///     assert_eq!(there.read(buf).await?.0, 0); // the end
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct WriteHalf {
    /// A send under way: of the write that borrows the stream, or of one that was dropped.
    pub(super) outgoing: Kept,
    /// The last write found no room for all of it at once.
    pub(super) is_crowded: bool,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) core: Rc<Core>,
}

/// Both directions of a socket. `may_pool` is whether what comes on it is nothing but bytes, which
/// may be received ahead.
pub(super) fn halves(
    core: Rc<Core>,
    socket: Arc<OwnedFd>,
    may_pool: bool,
) -> (ReadHalf, WriteHalf) {
    let write = WriteHalf {
        outgoing: Kept::nothing(),
        is_crowded: false,
        socket: Arc::clone(&socket),
        core: Rc::clone(&core),
    };
    let incoming = Incoming::new(may_pool && core.auto_pool);
    (ReadHalf { incoming, socket, core }, write)
}

/// # Reading
///
/// *Resumable*, all of them: where a future is dropped, nothing that came is lost, doubled, or out
/// of its order.
impl ReadHalf {
    /// Reads what comes next: see [`TcpStream::read`](super::TcpStream::read).
    #[inline]
    pub fn read<B: IoBufMut>(&mut self, buf: B) -> Reading<'_, B> {
        Reading::new(self, buf)
    }

    /// Reads until the buffer is full: see
    /// [`TcpStream::read_exact`](super::TcpStream::read_exact).
    #[inline]
    pub fn read_exact<B: IoBufMut>(&mut self, buf: B) -> ReadingExact<'_, B> {
        ReadingExact::new(self, buf)
    }

    /// Reads into several buffers: see
    /// [`TcpStream::read_vectored`](super::TcpStream::read_vectored).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixStream::pair()?;
    ///     let (mut reads, _writes) = here.into_split();
    ///     there.write_all("rings").await?;
    ///     assert_eq!(reads.read_vectored([vec![0; 4], vec![0; 4]]).await?.0, 5);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_vectored<V: IoVecBufMut>(&mut self, mut bufs: V) -> BufResult<usize, V> {
        if (0..bufs.piece_count()).all(|index| bufs.piece_mut(index).1 == 0) {
            return Ok((0, bufs));
        }
        let mut filled = 0;
        let early = poll_fn(|cx| {
            self.incoming.poll_early(cx, |bytes, _| {
                filled = scatter(&mut bufs, bytes);
                filled
            })
        });
        match early.await {
            None => {
                let recv = RecvMsg::new(Arc::clone(&self.socket), bufs);
                let ((count, _), bufs) = self.run(recv).await?;
                Ok((count, bufs))
            }
            Some(Ok(_)) => Ok((filled, bufs)),
            Some(Err(error)) => Err(BufError::with(error, bufs)),
        }
    }

    /// What comes next, which is not taken: see [`TcpStream::peek`](super::TcpStream::peek).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixStream::pair()?;
    ///     let (mut reads, _writes) = here.into_split();
    ///     there.write_all("ring").await?;
    ///     assert_eq!(reads.peek(vec![0; 16]).await?.0, 4);
    ///     assert_eq!(reads.read_exact(vec![0; 4]).await?.1, b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn peek<B: IoBufMut>(&mut self, mut buf: B) -> BufResult<usize, B> {
        if buf.bytes_total() == 0 {
            return Ok((0, buf));
        }
        if self.early().is_empty()
            && let Err(error) = self.settle().await
        {
            return Err(BufError::with(error, buf));
        }
        let early = self.early();
        if !early.is_empty() {
            let count = fill(&mut buf, 0, early);
            return Ok((count, buf));
        }
        // It takes nothing: it need not be kept.
        let peek = Recv::new(Arc::clone(&self.socket), buf).peek();
        LocalOp::new(Rc::clone(&self.core), peek).await
    }

    /// As [`read`](Self::read), with the descriptors that come along: see
    /// [`UnixStream::recv_with_fds`](super::UnixStream::recv_with_fds).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixStream::pair()?;
    ///     let (mut reads, _writes) = here.into_split();
    ///     there.send_with_fds("x", &[std::io::stdin()]).await?;
    ///     let ((n, message), _) = reads.recv_with_fds(vec![0; 16], 1).await?;
    ///     assert_eq!((n, message.descriptors().len()), (1, 1));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn recv_with_fds<B: IoBufMut>(
        &mut self,
        mut buf: B,
        fds_max: usize,
    ) -> BufResult<(usize, Message), B> {
        if buf.bytes_total() == 0 {
            return Ok(((0, Message::none()), buf));
        }
        let (mut filled, mut message) = (0, Message::none());
        let early = poll_fn(|cx| {
            self.incoming.poll_early(cx, |bytes, descriptors| {
                filled = fill(&mut buf, 0, bytes);
                message.put_descriptors(core::mem::take(descriptors), fds_max);
                filled
            })
        });
        match early.await {
            None => {
                let recv = RecvMsg::new(Arc::clone(&self.socket), [buf]).descriptors_max(fds_max);
                match self.run(recv).await {
                    Ok((received, [buf])) => Ok((received, buf)),
                    Err(error) => Err(error.map(|[buf]| buf)),
                }
            }
            Some(Ok(_)) => Ok(((filled, message), buf)),
            Some(Err(error)) => Err(BufError::with(error, buf)),
        }
    }

    /// An operation that is kept where this is dropped.
    pub(super) async fn run<T: Leaves>(&mut self, operation: T) -> T::Output {
        self.incoming.kept.run(LocalOp::new(Rc::clone(&self.core), operation)).await
    }

    /// Cancels what dropped reads have begun, and waits until that is over: see
    /// [`TcpStream::settle`](super::TcpStream::settle).
    pub async fn settle(&mut self) -> Result<(), Error> {
        self.incoming.kept.cancel();
        if let Some(pooled) = &mut self.incoming.pooled {
            pooled.cancel();
        }
        if !self.incoming.kept.is_empty()
            && let Some(ended) = poll_fn(|cx| self.incoming.poll_early(cx, |_, _| 0)).await
        {
            // The end of the stream is told again by the next receive.
            ended?;
        }
        self.incoming.drain().await
    }

    /// The bytes that were taken out of the socket for a read that was dropped: see
    /// [`TcpStream::early`](super::TcpStream::early).
    pub fn early(&self) -> &[u8] {
        self.incoming.early()
    }

    /// The socket, when nothing is under way any more.
    pub(super) fn into_socket(self) -> Arc<OwnedFd> {
        self.socket
    }
}

/// # Writing
///
/// *Cancel and discard*, all of them: where a future is dropped, what it has begun is cancelled,
/// and nobody is told how much went.
impl WriteHalf {
    /// Writes as much as there is room for: see [`TcpStream::write`](super::TcpStream::write).
    #[inline]
    pub fn write<B: IoBuf>(&mut self, buf: B) -> Writing<'_, B> {
        Writing::new(self, buf, false)
    }

    /// Writes all: see [`TcpStream::write_all`](super::TcpStream::write_all).
    #[inline]
    pub fn write_all<B: IoBuf>(&mut self, buf: B) -> Writing<'_, B> {
        Writing::new(self, buf, true)
    }

    /// Writes several buffers: see
    /// [`TcpStream::write_vectored`](super::TcpStream::write_vectored).
    pub async fn write_vectored<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.run(|socket| SendMsg::new(socket, bufs)).await
    }

    /// Writes all of several buffers: see
    /// [`TcpStream::write_vectored_all`](super::TcpStream::write_vectored_all).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixStream::pair()?;
    ///     let (_reads, mut writes) = here.into_split();
    ///     writes.write_vectored_all(["ri", "ng"]).await?;
    ///     assert_eq!(there.read_exact(vec![0; 4]).await?.1, b"ring");
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn write_vectored_all<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.run(|socket| SendMsg::new(socket, bufs).exact()).await
    }

    /// As [`write`](Self::write), and passes descriptors along: see
    /// [`UnixStream::send_with_fds`](super::UnixStream::send_with_fds).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixStream;
    /// annulus_runtime::run(async {
    ///     let (here, mut there) = UnixStream::pair()?;
    ///     let (_reads, mut writes) = here.into_split();
    ///     writes.send_with_fds("x", &[std::io::stdin()]).await?;
    ///     let ((_, message), _) = there.recv_with_fds(vec![0; 16], 1).await?;
    ///     assert_eq!(message.descriptors().len(), 1);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn send_with_fds<B: IoBuf, F: AsFd>(
        &mut self,
        buf: B,
        fds: &[F],
    ) -> BufResult<usize, B> {
        let descriptors = match clones(fds) {
            Ok(descriptors) => descriptors,
            Err(error) => return Err(BufError::with(error, buf)),
        };
        let sent = self.run(|socket| SendMsg::new(socket, [buf]).descriptors(descriptors)).await;
        match sent {
            Ok((count, [buf])) => Ok((count, buf)),
            Err(error) => Err(error.map(|[buf]| buf)),
        }
    }

    /// A send behind those that are under way, cancelled where this is dropped.
    pub(super) async fn run<T: Leaves>(
        &mut self,
        make: impl FnOnce(Arc<OwnedFd>) -> T,
    ) -> T::Output {
        poll_fn(|cx| self.poll_outgoing(cx)).await;
        let op = LocalOp::new(Rc::clone(&self.core), make(Arc::clone(&self.socket)));
        let cancels = Cancels(&mut self.outgoing);
        cancels.0.run(op).await
    }

    /// Ends one direction of the connection, or both: see
    /// [`TcpStream::shutdown`](super::TcpStream::shutdown).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        at_once::shutdown(&self.socket, how)
    }

    /// Cancels what dropped or forgotten writes have begun, and waits until that is over.
    ///
    /// *Resumable*: where its future is dropped, what was asked to end ends.
    pub async fn settle(&mut self) {
        self.outgoing.cancel();
        poll_fn(|cx| self.poll_outgoing(cx)).await;
    }

    /// Has done with a send of a write that is gone.
    pub(super) fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whoever began it did not want to know.
        let _sent = ready!(self.outgoing.poll_end(cx, &mut |_, _| {}));
        Poll::Ready(())
    }
}

/// Descriptors of the same files, to be kept until they are sent.
pub(super) fn clones<F: AsFd>(fds: &[F]) -> Result<Vec<OwnedFd>, Error> {
    let clone = |fd: &F| fd.as_fd().try_clone_to_owned();
    fds.iter().map(clone).collect::<io::Result<_>>().map_err(|error| {
        Error::os(annulus_ring::Errno::from_raw(error.raw_os_error().unwrap_or(0)))
    })
}

/// Cancels what is under way when it is dropped.
struct Cancels<'a>(&'a mut Kept);

impl Drop for Cancels<'_> {
    fn drop(&mut self) {
        // Nothing is there where the result was given.
        self.0.cancel();
    }
}

impl AsFd for ReadHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl AsFd for WriteHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl fmt::Debug for ReadHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadHalf")
            .field("fd", &self.socket)
            .field("incoming", &self.incoming)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WriteHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteHalf")
            .field("fd", &self.socket)
            .field("outgoing", &self.outgoing)
            .finish_non_exhaustive()
    }
}
