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

use annulus_ring::Errno;
use annulus_ring::abi::SockAddr;

use super::ops::Accept;
use super::{TcpStream, as_std, unshare};
use crate::error::Error;
use crate::runtime::LocalOp;
use crate::runtime::context;
use crate::runtime::core::Core;

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
    // Before the socket: what is under way is given up first.
    pub(super) pending: Option<LocalOp<Accept>>,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) core: Rc<Core>,
}

impl TcpListener {
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
        let socket = Arc::new(OwnedFd::from(listener));
        context::with(|core| Self { pending: None, socket, core: Rc::clone(core) })
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
        as_std(&self.socket, std::net::TcpListener::local_addr)
    }

    /// Waits for a connection: its stream, and the peer's address.
    ///
    /// *Resumable*: where its future is dropped the accept goes on, and the next call takes what it
    /// brings. Until then that connection is out of the kernel's queue and in this object.
    ///
    /// # Errors
    /// Those of [`Accept`]; after each of them one may accept again.
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

    /// The pending accept, or a new one.
    #[inline]
    pub(super) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(OwnedFd, SockAddr), Error>> {
        let accept = self.pending.get_or_insert_with(|| {
            LocalOp::new(Rc::clone(&self.core), Accept::new(Arc::clone(&self.socket)))
        });
        let accepted = ready!(Pin::new(accept).poll(cx));
        self.pending = None;
        Poll::Ready(accepted)
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
        let mut early = None;
        if let Some(mut accept) = self.pending.take() {
            accept.cancel();
            // An error leaves the connection in the queue, or there was none.
            if let Ok((fd, peer)) = accept.await {
                early = Some((fd.into(), internet(&peer)?));
            }
        }
        Ok((unshare(self.socket)?.into(), early))
    }
}

/// A connection that was accepted before anybody asked for it again.
type Early = (std::net::TcpStream, SocketAddr);

/// A peer's address.
fn internet(peer: &SockAddr) -> Result<SocketAddr, Error> {
    // Of a listener that is none of TCP.
    peer.to_socket_addr().ok_or(Error::os(Errno::EINVAL))
}

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
        self.socket.as_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener")
            .field("fd", &self.socket)
            .field("pending", &self.pending)
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
        self.listener.pending = None;
    }
}

impl Future for Accepting<'_> {
    type Output = Result<(TcpStream, SocketAddr), Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let accepted = ready!(self.listener.poll_accept(cx));
        Poll::Ready(accepted.and_then(|(fd, peer)| {
            let peer = internet(&peer)?;
            Ok((TcpStream::new(Rc::clone(&self.listener.core), Arc::new(fd)), peer))
        }))
    }
}
