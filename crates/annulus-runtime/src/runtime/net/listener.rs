//! [`TcpListener`]: keeps the accept that is under way.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use super::acceptor::{Acceptor, BACKLOG};
use super::addrs::{ToSocketAddrs, resolve};
use super::{Options, TcpSocket, TcpStream, at_once, internet, unshare};
use crate::error::Error;

/// A socket that listens for connections, on the ring of the runtime on this thread.
///
/// # When it is dropped
/// It is closed. An accept that is under way is cancelled; a connection that came nevertheless is
/// closed, as the kernel closes those that wait in the queue of a listener:
/// [`into_std`](Self::into_std) loses none.
///
/// ```
/// use annulus_runtime::runtime::net::TcpListener;
/// use std::io::Write;
/// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let to = std.local_addr()?;
/// let client = std::thread::spawn(move || std::net::TcpStream::connect(to)?.write_all(b"ring"));
/// let text = annulus_runtime::run(async move {
///     let mut listener = TcpListener::from_std(std);
///     let (mut stream, _peer) = listener.accept().await?;
///     let (n, buf) = stream.read(vec![0; 16]).await?;
///     std::io::Result::Ok(buf[..n].to_vec())
/// })??;
/// client.join().unwrap()?;
/// assert_eq!(text, b"ring");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct TcpListener {
    pub(super) acceptor: Acceptor,
}

impl TcpListener {
    /// Listens at `addr`; with port 0, at one that is free. Of several addresses, at the first that
    /// can be had.
    ///
    /// An address that connections of an earlier listener still hold (`TIME_WAIT`) is taken
    /// (`SO_REUSEADDR`), as by the standard library. For everything else that is to be set first,
    /// and for the length of the queue, there is [`TcpSocket`].
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed.
    ///
    /// # Errors
    /// The last one, where all have failed.
    /// - `EADDRINUSE`: another listens there. `EADDRNOTAVAIL`: no interface has the address.
    /// - `EACCES`: a port below 1024 to users. `EMFILE`, `ENFILE`: no descriptor left.
    /// - Those of [`lookup_host`](super::lookup_host).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// By the ring (`IORING_OP_BIND`, `IORING_OP_LISTEN`, Linux 6.11), or by the calls of these
    /// names.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{TcpListener, TcpStream};
    /// annulus_runtime::run(async {
    ///     let mut listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     let client = TcpStream::connect(listener.local_addr()?).await?;
    ///     let (_stream, peer) = listener.accept().await?;
    ///     assert_eq!(peer, client.local_addr()?);
    ///     let error = TcpListener::bind(listener.local_addr()?).await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
        Self::bind_with(addr, |options| options.set_reuse_address(true)).await
    }

    /// The same, and lets others who ask for it listen there as well (`SO_REUSEPORT`): the kernel
    /// spreads connections over them. So each thread of a program has a listener, a queue and a
    /// ring of its own, and nothing is shared between them.
    ///
    /// Connections stay with the listener that they came to: those in the queue of one that is
    /// dropped are reset (unless `net.ipv4.tcp_migrate_req` is set, Linux 5.14).
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed.
    ///
    /// # Errors
    /// As [`bind`](Self::bind). `EADDRINUSE` also where one of another user listens there, or one
    /// that did not ask for it.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{TcpListener, TcpStream};
    /// annulus_runtime::run(async {
    ///     let first = TcpListener::bind_reuse_port("127.0.0.1:0").await?;
    ///     // Mostly on another thread.
    ///     let second = TcpListener::bind_reuse_port(first.local_addr()?).await?;
    ///     assert_eq!(first.local_addr()?, second.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "SO_REUSEPORT")]
    pub async fn bind_reuse_port(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let both = |options: Options<'_>| {
            options.set_reuse_address(true)?;
            options.set_reuse_port(true)
        };
        Self::bind_with(addr, both).await
    }

    async fn bind_with(
        addr: impl ToSocketAddrs,
        set: impl Fn(Options<'_>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let mut last = None;
        for addr in resolve(addr).await? {
            match Self::bind_one(addr, &set).await {
                Ok(listener) => return Ok(listener),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| io::ErrorKind::InvalidInput.into()))
    }

    async fn bind_one(
        addr: SocketAddr,
        set: impl Fn(Options<'_>) -> io::Result<()>,
    ) -> io::Result<Self> {
        let socket = TcpSocket::for_addr(&addr)?;
        set(socket.options())?;
        Ok(Self { acceptor: Acceptor::bind(socket.into(), addr.into(), BACKLOG).await? })
    }

    /// A listener of the standard library, whether it blocks or not.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let addr = std.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     assert_eq!(TcpListener::from_std(std).local_addr()?, addr);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn from_std(listener: std::net::TcpListener) -> Self {
        Self { acceptor: Acceptor::new(Arc::new(OwnedFd::from(listener))) }
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// As [`std::net::TcpListener::local_addr`].
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let addr = annulus_runtime::run(async { TcpListener::from_std(std).local_addr() })??;
    /// assert!(addr.ip().is_loopback() && addr.port() != 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(internet(&at_once::local_name(&self.acceptor.socket)?)?)
    }

    /// Waits for a connection: its stream, and the peer's address.
    ///
    /// *Resumable*: where its future is dropped the accept goes on, and the next call takes what it
    /// brings. Until then that connection is out of the kernel's queue and in this object.
    ///
    /// # Errors
    /// Those of [`Accept`](super::ops::Accept); after each of them one may accept again.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// use futures::future::poll_immediate;
    /// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let to = std.local_addr()?;
    /// annulus_runtime::run(async move {
    ///     let mut listener = TcpListener::from_std(std);
    ///     assert!(poll_immediate(listener.accept()).await.is_none()); // begun, and dropped
    ///     let client = std::net::TcpStream::connect(to)?;
    ///     let (_stream, peer) = listener.accept().await?; // the same
    ///     assert_eq!(peer, client.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn accept(&mut self) -> Accepting<'_> {
        Accepting { listener: self }
    }

    /// Its options.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// annulus_runtime::run(async {
    ///     let listener = TcpListener::bind("127.0.0.1:0").await?;
    ///     assert!(listener.options().reuse_address()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn options(&self) -> Options<'_> {
        Options::new(self)
    }

    /// The listener of the standard library again; and the connection that was taken from the queue
    /// before, if one was. A pending accept is cancelled and waited for.
    ///
    /// *Cancel and discard*: where its future is dropped the listener is closed.
    ///
    /// # Errors
    /// `EMFILE`, where the runtime has ended before the kernel let go of an accept.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListener;
    /// use futures::future::poll_immediate;
    /// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// let to = std.local_addr()?;
    /// let (listener, early) = annulus_runtime::run(async move {
    ///     let mut listener = TcpListener::from_std(std);
    ///     assert!(poll_immediate(listener.accept()).await.is_none());
    ///     listener.into_std().await
    /// })??;
    /// assert!(early.is_none()); // nobody came
    /// let client = std::net::TcpStream::connect(to)?;
    /// assert_eq!(listener.accept()?.1, client.local_addr()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_std(mut self) -> io::Result<(std::net::TcpListener, Option<Early>)> {
        let early = match self.acceptor.settle().await {
            Some((fd, peer)) => Some((fd.into(), internet(&peer)?)),
            None => None,
        };
        Ok((unshare(self.acceptor.socket)?.into(), early))
    }
}

/// A connection that was accepted before anybody asked for it again.
type Early = (std::net::TcpStream, SocketAddr);

/// The descriptor, for calls of your own: such as options of the socket.
///
/// ```
/// use annulus_runtime::runtime::net::TcpListener;
/// use std::os::fd::AsFd;
/// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
/// annulus_runtime::run(async move {
///     let listener = TcpListener::from_std(std);
///     assert!(listener.as_fd().try_clone_to_owned().is_ok());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.acceptor.socket.as_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("fd", &self.acceptor.socket)
            .field("pending", &self.acceptor.pending)
            .finish_non_exhaustive()
    }
}

/// The future of [`TcpListener::accept`], which may be dropped, or forgotten, at any time.
///
/// Awaited again it takes the next connection.
///
/// ```
/// use annulus_runtime::runtime::net::TcpListener;
/// use futures::FutureExt;
/// let std = std::net::TcpListener::bind("127.0.0.1:0")?;
/// annulus_runtime::run(async move {
///     let mut listener = TcpListener::from_std(std);
///     assert!(listener.accept().now_or_never().is_none());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "nothing is accepted until it is awaited"]
pub struct Accepting<'a> {
    listener: &'a mut TcpListener,
}

#[cfg(broken = "accept_not_kept")]
impl Drop for Accepting<'_> {
    fn drop(&mut self) {
        // The tests must find this one: the connection that it brings is nobody's.
        self.listener.acceptor.pending = None;
    }
}

impl Future for Accepting<'_> {
    type Output = Result<(TcpStream, SocketAddr), Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let acceptor = &mut self.listener.acceptor;
        let accepted = ready!(acceptor.poll_accept(cx));
        Poll::Ready(accepted.and_then(|(fd, peer)| {
            let peer = internet(&peer)?;
            Ok((TcpStream::new(Rc::clone(&acceptor.core), Arc::new(fd)), peer))
        }))
    }
}
