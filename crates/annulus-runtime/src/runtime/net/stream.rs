//! [`TcpStream`]: keeps what is under way in both directions.

use core::fmt;
use core::time::Duration;
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use super::addrs::{ToSocketAddrs, resolve};
use super::half::{ReadHalf, WriteHalf, halves};
use super::race::race;
use super::read::{Reading, ReadingExact};
use super::write::Writing;
use super::{Options, TcpSocket, at_once, internet};
use crate::buffer::{BufResult, IoBuf, IoBufMut, IoVecBuf, IoVecBufMut};
use crate::runtime::context;
use crate::runtime::core::Core;

/// A connection, on the ring of the runtime on this thread.
///
/// # When it is dropped
/// It is closed, when the kernel has let go of what was under way, which is cancelled. Bytes that
/// nobody has read are thrown away, [those taken early](super#what-is-taken-early) too.
///
/// ```
/// use annulus_runtime::runtime::net::TcpStream;
/// use std::io::{Read, Write};
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// let echo = std::thread::spawn(move || {
///     let mut stream = listener.accept()?.0;
///     let mut buf = [0; 4];
///     stream.read_exact(&mut buf)?;
///     stream.write_all(&buf)
/// });
/// let text = annulus_runtime::run(async move {
///     let mut stream = TcpStream::connect(to).await?;
///     stream.write_all("ring").await?;
///     let (n, buf) = stream.read(vec![0; 16]).await?;
///     std::io::Result::Ok(buf[..n].to_vec())
/// })??;
/// echo.join().unwrap()?;
/// assert_eq!(text, b"ring");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpStream {
    pub(super) read: ReadHalf,
    pub(super) write: WriteHalf,
}

impl TcpStream {
    pub(super) fn new(core: Rc<Core>, socket: Arc<OwnedFd>) -> Self {
        let (read, write) = halves(core, socket, true);
        Self { read, write }
    }

    /// One of the runtime that this thread is inside of.
    #[track_caller]
    pub(super) fn of(socket: Arc<OwnedFd>) -> Self {
        context::with(|core| Self::new(Rc::clone(core), socket))
    }

    /// A stream of the standard library, whether it blocks or not.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let std = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async move {
    ///     let stream = TcpStream::from_std(std);
    ///     assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn from_std(stream: std::net::TcpStream) -> Self {
        Self::of(Arc::new(OwnedFd::from(stream)))
    }

    /// Connects to `addr`, or, where that are several addresses, to whichever answers first.
    ///
    /// Names are [looked up](super::lookup_host). Of several addresses the families take turns; an
    /// attempt that is not connected after 250 ms, or fails, has the next one begin beside it
    /// (RFC 8305, "happy eyeballs"). The first that is connected is given, the others are given up.
    ///
    /// *Cancel and discard*: where its future is dropped the sockets are closed; a peer may see a
    /// connection that ends at once.
    ///
    /// # Errors
    /// The last one, where all have failed.
    /// - `ECONNREFUSED`: nobody listens there. `ETIMEDOUT`: nobody answers.
    /// - `EMFILE`, `ENFILE`: no descriptor left. Those of [`Connect`](super::ops::Connect).
    /// - Those of [`lookup_host`](super::lookup_host).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let to = listener.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let stream = TcpStream::connect(to).await?;
    ///     assert_eq!(stream.local_addr()?, listener.accept()?.1);
    ///     // Perhaps at "::1" first, where nobody listens.
    ///     let stream = TcpStream::connect(("localhost", to.port())).await?;
    ///     assert_eq!(stream.peer_addr()?, to);
    ///     drop(listener);
    ///     let error = TcpStream::connect(to).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let addrs = resolve(addr).await?;
        race(addrs, |addr| async move { TcpSocket::for_addr(&addr)?.connect(addr).await }).await
    }

    /// The same with one address, for so long at most.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed.
    ///
    /// # Errors
    /// As [`connect`](Self::connect), and [`TimedOut`](io::ErrorKind::TimedOut): nobody has
    /// answered for so long.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::time::Duration;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let to = listener.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     TcpStream::connect_timeout(to, Duration::from_secs(5)).await
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect_timeout(addr: SocketAddr, limit: Duration) -> io::Result<Self> {
        TcpSocket::for_addr(&addr)?.connect_within(addr, Some(limit)).await
    }

    /// Reads what comes next: how many bytes, and the buffer. 0 is the end of the stream. A buffer
    /// without room gets 0 bytes at once, and nothing is looked at.
    ///
    /// *Resumable*: where its future is dropped the receive goes on, into the buffer that it was
    /// given, and the next call takes the bytes that it brings, as many as there is room for; what
    /// is left stays for the one after. No byte is lost, doubled, or out of its order. Until then
    /// the stream keeps that buffer: [`Reading::cancel`] gets it back.
    ///
    /// # Errors
    /// Each gives the buffer back.
    /// - `ECONNRESET`: the peer has gone, and has not read all that was sent to it.
    /// - `ETIMEDOUT`: the peer answers no more. `ENOTCONN`: the socket is not connected.
    /// - [Those of every operation](crate::engine::File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_RECV`, Linux 5.6).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     server.write_all(b"ring")?;
    ///     let (n, buf) = stream.read(Vec::with_capacity(16)).await?;
    ///     assert_eq!((n, &buf[..]), (4, &b"ring"[..]));
    ///     drop(server);
    ///     assert_eq!(stream.read(buf).await?.0, 0); // the end
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn read<B: IoBufMut>(&mut self, buf: B) -> Reading<'_, B> {
        Reading::new(&mut self.read, buf)
    }

    /// Reads until the buffer is full: how many bytes that are, and the buffer.
    ///
    /// *Resumable*: where its future is dropped it ends, and the bytes that it has got are the next
    /// call's, of whichever kind. [`ReadingExact::cancel`] gives them with the buffer instead.
    ///
    /// # Errors
    /// Those of [`read`](Self::read), and [`UnexpectedEof`](io::ErrorKind::UnexpectedEof): the
    /// stream ended before. [`done`](crate::buffer::BufError::done) says how many bytes of the
    /// buffer were read, which are not in the stream any more.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     server.write_all(b"rings")?;
    ///     drop(server);
    ///     let (n, buf) = stream.read_exact(Vec::with_capacity(4)).await?;
    ///     assert_eq!((n, &buf[..]), (4, &b"ring"[..]));
    ///     let error = stream.read_exact(buf).await.unwrap_err();
    ///     assert_eq!((error.kind(), error.done()), (std::io::ErrorKind::UnexpectedEof, 1));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn read_exact<B: IoBufMut>(&mut self, buf: B) -> ReadingExact<'_, B> {
        ReadingExact::new(&mut self.read, buf)
    }

    /// Reads what comes next into several buffers, of which one begins when the one before it is
    /// full: how many bytes in all, and the buffers. 0 is the end.
    ///
    /// *Resumable*, as [`read`](Self::read).
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    ///
    /// By the ring (`IORING_OP_RECVMSG`, Linux 5.3).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// listener.accept()?.0.write_all(b"head, body")?;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     let bufs = (vec![0; 4], Vec::with_capacity(64));
    ///     let (n, (head, body)) = stream.read_vectored(bufs).await?;
    ///     assert_eq!((n, &head[..], &body[..]), (10, &b"head"[..], &b", body"[..]));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "readv")]
    pub async fn read_vectored<V: IoVecBufMut>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.read.read_vectored(bufs).await
    }

    /// What comes next, which stays in the stream: how many bytes, and the buffer. 0 is the end.
    ///
    /// What a dropped read has begun is [cancelled and waited for](Self::settle), and what it has
    /// taken is seen.
    ///
    /// *Resumable*: where its future is dropped nothing is lost.
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    ///
    /// By the ring (`IORING_OP_RECV` with `MSG_PEEK`, Linux 5.6).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::poll_immediate;
    /// use std::io::Write;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     assert!(poll_immediate(stream.read(vec![0; 16])).await.is_none());
    ///     server.write_all(b"ring")?; // perhaps the dropped read takes it
    ///     for _ in 0..2 {
    ///         let (n, buf) = stream.peek(vec![0; 16]).await?;
    ///         assert_eq!(&buf[..n], b"ring");
    ///     }
    ///     assert_eq!(stream.read(vec![0; 16]).await?.0, 4);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "MSG_PEEK")]
    pub async fn peek<B: IoBufMut>(&mut self, buf: B) -> BufResult<usize, B> {
        self.read.peek(buf).await
    }

    /// Writes as much as there is room for: how many bytes, and the buffer.
    ///
    /// *Cancel and discard*: see [`Writing`].
    ///
    /// # Errors
    /// Each gives the buffer back.
    /// - `EPIPE`: the stream is shut down, here or there. No signal is raised.
    /// - `ECONNRESET`: the peer has gone. `ETIMEDOUT`: it answers no more.
    /// - `ENOTCONN`: the socket is not connected.
    /// - [Those of every operation](crate::engine::File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_SEND`, Linux 5.6).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     assert_eq!(stream.write("ring").await?, (4, "ring"));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn write<B: IoBuf>(&mut self, buf: B) -> Writing<'_, B> {
        Writing::new(&mut self.write, buf, false)
    }

    /// Writes all of the buffer: how many bytes that were, and the buffer.
    ///
    /// *Cancel and discard*: see [`Writing`]. A part of the buffer may have gone then.
    ///
    /// # Errors
    /// Those of [`write`](Self::write), also after a part was written:
    /// [`done`](crate::buffer::BufError::done) says how much.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// let reader = std::thread::spawn(move || server.read_to_end(&mut Vec::new()));
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     stream.write_all(vec![7; 8 << 20]).await?;
    ///     std::io::Result::Ok(())
    /// })??;
    /// assert_eq!(reader.join().unwrap()?, 8 << 20);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn write_all<B: IoBuf>(&mut self, buf: B) -> Writing<'_, B> {
        Writing::new(&mut self.write, buf, true)
    }

    /// Writes several buffers, one behind the other: how many bytes in all, and the buffers.
    ///
    /// *Cancel and discard*, as [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write`](Self::write).
    ///
    /// By the ring (`IORING_OP_SENDMSG`, Linux 5.3).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     assert_eq!(stream.write_vectored(("head, ", vec![b'x'; 4])).await?.0, 10);
    ///     std::io::Result::Ok(())
    /// })??;
    /// let mut text = String::new();
    /// listener.accept()?.0.read_to_string(&mut text)?;
    /// assert_eq!(text, "head, xxxx");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "writev")]
    pub async fn write_vectored<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.write.write_vectored(bufs).await
    }

    /// Writes all of several buffers, one behind the other.
    ///
    /// *Cancel and discard*, as [`write`](Self::write).
    ///
    /// # Errors
    /// Those of [`write_all`](Self::write_all).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::io::Read;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// let reader = std::thread::spawn(move || server.read_to_end(&mut Vec::new()));
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     stream.write_vectored_all([vec![1; 4 << 20], vec![2; 4 << 20]]).await?;
    ///     std::io::Result::Ok(())
    /// })??;
    /// assert_eq!(reader.join().unwrap()?, 8 << 20);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "write_all_vectored")]
    pub async fn write_vectored_all<V: IoVecBuf>(&mut self, bufs: V) -> BufResult<usize, V> {
        self.write.write_vectored_all(bufs).await
    }

    /// Both directions, to be used at the same time in one task; each keeps what it has.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use futures::future::join;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let [mut here, mut there] = [client, server].map(TcpStream::from_std);
    ///     let (reads, writes) = here.split();
    ///     let (read, written) = join(reads.read(vec![0; 16]), async {
    ///         writes.write_all("to the other").await?;
    ///         there.write_all("from the other").await
    ///     })
    ///     .await;
    ///     assert_eq!((read?.0, written?.0), (14, 14));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn split(&mut self) -> (&mut ReadHalf, &mut WriteHalf) {
        (&mut self.read, &mut self.write)
    }

    /// Both directions, for two tasks of this thread; each takes along what it has. The connection
    /// is closed when both are dropped.
    ///
    /// ```
    /// use annulus_runtime::{runtime::net::TcpStream, spawn_local};
    /// use std::io::{Read, Write};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let (mut reads, mut writes) = TcpStream::from_std(client).into_split();
    ///     let reader = spawn_local(async move { reads.read(vec![0; 16]).await.map(|(n, _)| n) });
    ///     writes.write_all("ring").await?;
    ///     server.read_exact(&mut [0; 4])?;
    ///     server.write_all(b"rings")?;
    ///     assert_eq!(reader.await.expect("no panic")?, 5);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// The stream of two halves again.
    ///
    /// # Errors
    /// The halves, which are not of one stream.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let [here, there] = [client, server].map(|std| TcpStream::from_std(std).into_split());
    ///     let (reads, writes) = TcpStream::reunite(here.0, there.1).unwrap_err();
    ///     assert!(TcpStream::reunite(reads, here.1).is_ok());
    ///     assert!(TcpStream::reunite(there.0, writes).is_ok());
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[allow(clippy::result_large_err, reason = "both halves are what the caller needs back")]
    pub fn reunite(read: ReadHalf, write: WriteHalf) -> Result<Self, (ReadHalf, WriteHalf)> {
        if Arc::ptr_eq(&read.socket, &write.socket) {
            Ok(Self { read, write })
        } else {
            Err((read, write))
        }
    }

    /// Ends one direction, or both, as `shutdown(2)`: on this thread, where it does not wait; the
    /// ring would hand it to another. A read under way ends with 0, a write with `EPIPE`.
    ///
    /// # Errors
    /// `ENOTCONN`: it is not connected, or no longer.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::{io::Read, net::Shutdown};
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let mut server = listener.accept()?.0;
    /// annulus_runtime::run(async move {
    ///     let mut stream = TcpStream::from_std(client);
    ///     stream.shutdown(Shutdown::Write)?;
    ///     assert_eq!(server.read(&mut [0])?, 0);
    ///     let error = stream.write_all("ring").await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        at_once::shutdown(&self.read.socket, how)
    }

    /// This side's address.
    ///
    /// # Errors
    /// As [`std::net::TcpStream::local_addr`].
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let std = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let addr = annulus_runtime::run(async { TcpStream::from_std(std).local_addr() })??;
    /// assert_eq!(addr, listener.accept()?.1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(internet(&at_once::local_name(&self.read.socket)?)?)
    }

    /// The other side's address.
    ///
    /// # Errors
    /// `ENOTCONN`: it is not connected, or no longer.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let std = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let addr = annulus_runtime::run(async { TcpStream::from_std(std).peer_addr() })??;
    /// assert_eq!(addr, listener.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(internet(&at_once::peer_name(&self.read.socket)?)?)
    }

    /// Whether small segments wait for more to go with them, as
    /// [`std::net::TcpStream::set_nodelay`].
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let std = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// let again = std.try_clone()?;
    /// annulus_runtime::run(async { TcpStream::from_std(std).set_nodelay(true) })??;
    /// assert!(again.nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.options().set_nodelay(nodelay)
    }

    /// What [`set_nodelay`](Self::set_nodelay) has set.
    ///
    /// # Errors
    /// As there.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.options().nodelay()
    }

    /// How many hops a packet may make, as [`std::net::TcpStream::set_ttl`]: of IPv6 too.
    ///
    /// # Errors
    /// As there.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let std = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async {
    ///     let stream = TcpStream::from_std(std);
    ///     stream.set_ttl(42)?;
    ///     assert_eq!(stream.ttl()?, 42);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_ttl(&self, hops: u32) -> io::Result<()> {
        let options = self.options();
        if self.local_addr()?.is_ipv4() {
            options.set_ttl(hops)
        } else {
            options.set_unicast_hops_v6(hops)
        }
    }

    /// What [`set_ttl`](Self::set_ttl) has set.
    ///
    /// # Errors
    /// As there.
    pub fn ttl(&self) -> io::Result<u32> {
        let options = self.options();
        if self.local_addr()?.is_ipv4() { options.ttl() } else { options.unicast_hops_v6() }
    }

    /// The error that is pending: see [`Options::take_error`].
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.options().take_error()
    }

    /// All else that can be set and asked: keep-alive, lingering, lengths of queues, and more.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpStream;
    /// use std::time::Duration;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let std = std::net::TcpStream::connect(listener.local_addr()?)?;
    /// annulus_runtime::run(async {
    ///     let stream = TcpStream::from_std(std);
    ///     let options = stream.options();
    ///     options.set_keepalive(Some(Duration::from_secs(60)))?;
    ///     options.set_keepalive_interval(Duration::from_secs(10))?;
    ///     options.set_keepalive_count(6)?;
    ///     options.set_linger(Some(Duration::ZERO))?;
    ///     assert_eq!(options.keepalive()?, Some(Duration::from_secs(60)));
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn options(&self) -> Options<'_> {
        Options::new(self)
    }
}

/// The descriptor, for calls of your own: see [what they do not
/// see](crate::runtime::net#what-is-taken-early).
///
/// ```
/// use annulus_runtime::runtime::net::TcpStream;
/// use std::os::fd::AsFd;
/// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let std = std::net::TcpStream::connect(listener.local_addr()?)?;
/// annulus_runtime::run(async move {
///     let stream = TcpStream::from_std(std);
///     assert!(stream.as_fd().try_clone_to_owned().is_ok());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.socket.as_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("fd", &self.read.socket)
            .field("incoming", &self.read.incoming)
            .field("outgoing", &self.write.outgoing)
            .finish_non_exhaustive()
    }
}
