//! [`UnixListener`]: keeps the accept that is under way.

use core::fmt;
use core::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{self, SocketAddr};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use annulus_ring::abi::{AddressFamily, SockAddr, SocketType};

use super::super::acceptor::{Acceptor, BACKLOG};
use super::super::{at_once, unshare};
use super::{UnixStream, addr_of, name_of, path_name};

/// A Unix socket that listens for connections, on the ring of the runtime on this thread.
///
/// # When it is dropped
/// It is closed, and with it a connection that an accept under way has brought. Its file stays:
/// whoever binds the path again removes it first.
///
/// ```
/// use annulus_runtime::runtime::net::{UnixListener, UnixStream};
/// let path = std::env::temp_dir().join(format!("annulus-listen-{}", std::process::id()));
/// annulus_runtime::run(async {
///     let mut listener = UnixListener::bind(&path).await?;
///     let mut client = UnixStream::connect(&path).await?;
///     let (mut server, _) = listener.accept().await?;
///     client.write_all("ring").await?;
///     assert_eq!(server.read(vec![0; 16]).await?.0, 4);
///     std::io::Result::Ok(())
/// })??;
/// std::fs::remove_file(path)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct UnixListener {
    acceptor: Acceptor,
}

impl UnixListener {
    /// Listens at a path, where a file is made for it.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed; the file may be
    /// there.
    ///
    /// # Errors
    /// - `EADDRINUSE`: there is a file. `ENOENT`, `ENOTDIR`, `EACCES`, `EROFS`: of the path.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): a path of none or over 107 bytes.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixListener;
    /// annulus_runtime::run(async {
    ///     let error = UnixListener::bind("/nowhere/x.sock").await.unwrap_err();
    ///     assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn bind(path: impl AsRef<Path>) -> io::Result<Self> {
        Self::bind_name(path_name(path.as_ref())?).await
    }

    /// Listens at an address, which may be an abstract name: that is no file, and gone with the
    /// socket.
    ///
    /// *Cancel and discard*, as [`bind`](Self::bind).
    ///
    /// With an address that has no name the kernel gives one that is free (`unix(7)`, autobind):
    /// [`local_addr`](Self::local_addr) tells it.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::{UnixListener, UnixStream};
    /// use std::os::{linux::net::SocketAddrExt, unix::net::SocketAddr};
    /// annulus_runtime::run(async {
    ///     let name = format!("annulus-name-{}", std::process::id());
    ///     let addr = SocketAddr::from_abstract_name(name)?;
    ///     let mut listener = UnixListener::bind_addr(&addr).await?;
    ///     let _client = UnixStream::connect_addr(&addr).await?;
    ///     assert!(listener.accept().await?.1.is_unnamed());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn bind_addr(addr: &SocketAddr) -> io::Result<Self> {
        Self::bind_name(name_of(addr)?).await
    }

    async fn bind_name(name: SockAddr) -> io::Result<Self> {
        let socket = at_once::open(AddressFamily::UNIX, SocketType::STREAM)?;
        Ok(Self { acceptor: Acceptor::bind(socket, name, BACKLOG).await? })
    }

    /// A listener of the standard library, whether it blocks or not.
    ///
    /// # Panics
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(listener: net::UnixListener) -> Self {
        Self { acceptor: Acceptor::new(Arc::new(OwnedFd::from(listener))) }
    }

    /// The listener of the standard library again; and the connection that was taken from the queue
    /// before, if one was.
    ///
    /// *Cancel and discard*: where its future is dropped the listener is closed.
    ///
    /// # Errors
    /// `EMFILE`, where the runtime has ended before the kernel let go of an accept.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixListener;
    /// use std::os::{linux::net::SocketAddrExt, unix::net::{self, SocketAddr}};
    /// let addr = SocketAddr::from_abstract_name(format!("annulus-std-{}", std::process::id()))?;
    /// let std = net::UnixListener::bind_addr(&addr)?;
    /// let (std, early) = annulus_runtime::run(async {
    ///     UnixListener::from_std(std).into_std().await
    /// })??;
    /// assert!(early.is_none() && std.local_addr()?.as_abstract_name().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_std(mut self) -> io::Result<(net::UnixListener, Option<net::UnixStream>)> {
        let early = self.acceptor.settle().await.map(|(fd, _)| fd.into());
        Ok((unshare(self.acceptor.socket)?.into(), early))
    }

    /// Waits for a connection: its stream, and the peer's address, which mostly has no name.
    ///
    /// *Resumable*: where its future is dropped the accept goes on, and the next call takes what it
    /// brings.
    ///
    /// # Errors
    /// Those of [`Accept`](super::super::ops::Accept); after each of them one may accept again.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::UnixListener;
    /// use futures::future::poll_immediate;
    /// use std::os::{linux::net::SocketAddrExt, unix::net::{SocketAddr, UnixStream}};
    /// annulus_runtime::run(async {
    ///     let name = format!("annulus-accept-{}", std::process::id());
    ///     let addr = SocketAddr::from_abstract_name(name)?;
    ///     let mut listener = UnixListener::bind_addr(&addr).await?;
    ///     assert!(poll_immediate(listener.accept()).await.is_none()); // begun, and dropped
    ///     let _client = UnixStream::connect_addr(&addr)?;
    ///     let (stream, _) = listener.accept().await?; // the same
    ///     assert_eq!(stream.peer_cred()?.pid, std::process::id());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn accept(&mut self) -> io::Result<(UnixStream, SocketAddr)> {
        let (fd, peer) = poll_fn(|cx| self.acceptor.poll_accept(cx)).await?;
        let stream = UnixStream::new(Rc::clone(&self.acceptor.core), fd);
        Ok((stream, addr_of(&peer)?))
    }

    /// The address that it listens at.
    ///
    /// # Errors
    /// None in ordinary use.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        addr_of(&at_once::local_name(self)?)
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.acceptor.socket.as_fd()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("acceptor", &self.acceptor).finish()
    }
}
