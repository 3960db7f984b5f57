//! [`TcpStream`]: keeps what is under way in both directions.

use core::fmt;
use core::task::{Context, Poll, ready};
use std::io;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::{AddressFamily, SocketType};

use super::as_std;
use super::kept::Kept;
use super::ops::{Connect, OpenSocket};
use super::read::{Incoming, Reading};
use super::write::Writing;
use crate::buffer::{IoBuf, IoBufMut};
use crate::error::Error;
use crate::runtime::context;
use crate::runtime::core::Core;
use crate::runtime::op::submit;

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
    // Before the socket: what is under way is given up first.
    pub(super) incoming: Incoming,
    /// A send under way: of the write that borrows the stream, or of one that was dropped.
    pub(super) outgoing: Kept,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) core: Rc<Core>,
}

impl TcpStream {
    pub(super) fn new(core: Rc<Core>, socket: Arc<OwnedFd>) -> Self {
        Self { incoming: Incoming::new(), outgoing: Kept::nothing(), socket, core }
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
        let socket = Arc::new(OwnedFd::from(stream));
        context::with(|core| Self::new(Rc::clone(core), socket))
    }

    /// Connects to `addr`.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed; the peer may see a
    /// connection that ends at once.
    ///
    /// # Errors
    /// Those of [`OpenSocket`] and of [`Connect`].
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
    ///     drop(listener);
    ///     let error = TcpStream::connect(to).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect(addr: SocketAddr) -> Result<Self, Error> {
        let family = if addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let socket = Arc::new(submit(OpenSocket::new(family, SocketType::STREAM)).await?);
        submit(Connect::new(Arc::clone(&socket), addr.into())).await?;
        Ok(context::with(|core| Self::new(Rc::clone(core), socket)))
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
        Reading::new(self, buf)
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
        Writing::new(self, buf, false)
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
        Writing::new(self, buf, true)
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
        as_std(&self.socket, |stream: &std::net::TcpStream| stream.shutdown(how))
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
        as_std(&self.socket, std::net::TcpStream::local_addr)
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
        as_std(&self.socket, std::net::TcpStream::peer_addr)
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
        as_std(&self.socket, |stream: &std::net::TcpStream| stream.set_nodelay(nodelay))
    }

    /// Has done with a send of a write that is gone.
    pub(super) fn poll_outgoing(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Whoever began it did not want to know.
        let _sent = ready!(self.outgoing.poll_end(cx, &mut |_| {}));
        Poll::Ready(())
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
        self.socket.as_fd()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("fd", &self.socket)
            .field("incoming", &self.incoming)
            .field("outgoing", &self.outgoing)
            .finish_non_exhaustive()
    }
}
