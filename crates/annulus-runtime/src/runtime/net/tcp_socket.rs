//! [`TcpSocket`]: a socket before it connects or listens, to be set up.

use core::time::Duration;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{AddressFamily, SocketType};

use super::ops::Connect;
use super::{Options, TcpListener, TcpStream, at_once, internet};
use crate::runtime::op::submit;

/// A socket of TCP that neither is connected nor listens yet: to set its options before it is.
///
/// It may be made and set up anywhere; [`connect`](Self::connect) and [`listen`](Self::listen) are
/// for a runtime.
///
/// ```
/// use annulus_runtime::runtime::net::TcpSocket;
/// annulus_runtime::run(async {
///     let socket = TcpSocket::v4()?;
///     socket.options().set_reuse_address(true)?;
///     socket.bind(([127, 0, 0, 1], 0).into())?;
///     let mut listener = socket.listen(1024)?;
///
///     let client = TcpSocket::v4()?;
///     client.options().set_recv_buffer_bytes(1 << 16)?;
///     let client = client.connect(listener.local_addr()?).await?;
///     assert_eq!(listener.accept().await?.1, client.local_addr()?);
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct TcpSocket {
    fd: OwnedFd,
}

impl TcpSocket {
    /// One of IPv4.
    ///
    /// # Errors
    /// - `EMFILE`, `ENFILE`: no descriptor left, of the process or the system: close some.
    /// - `EAFNOSUPPORT` (97): the kernel is without IPv4.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// assert!(TcpSocket::v4()?.local_addr()?.is_ipv4());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn v4() -> io::Result<Self> {
        Self::of(AddressFamily::INET)
    }

    /// One of IPv6, which takes IPv4 as well unless it is [told
    /// otherwise](Options::set_only_v6).
    ///
    /// # Errors
    /// As [`v4`](Self::v4).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// match TcpSocket::v6() {
    ///     Ok(socket) => assert!(socket.local_addr()?.is_ipv6()),
    ///     Err(error) => assert_eq!(error.raw_os_error(), Some(97)),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn v6() -> io::Result<Self> {
        Self::of(AddressFamily::INET6)
    }

    /// One for such an address.
    pub(super) fn for_addr(addr: &SocketAddr) -> io::Result<Self> {
        if addr.is_ipv4() { Self::v4() } else { Self::v6() }
    }

    fn of(family: AddressFamily) -> io::Result<Self> {
        Ok(Self { fd: at_once::open(family, SocketType::STREAM)? })
    }

    /// Its options.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// let socket = TcpSocket::v4()?;
    /// socket.options().set_nodelay(true)?;
    /// assert!(socket.options().nodelay()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn options(&self) -> Options<'_> {
        Options::new(&self.fd)
    }

    /// Gives it an address of this machine; with port 0, one that is free. A socket that connects
    /// needs none.
    ///
    /// # Errors
    /// - `EADDRINUSE`: another socket has it. `EADDRNOTAVAIL`: no interface has it.
    /// - `EACCES`: a port below 1024 to users. `EINVAL`: it has an address already.
    ///
    /// See [bind(2)](https://man7.org/linux/man-pages/man2/bind.2.html).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// let socket = TcpSocket::v4()?;
    /// socket.bind(([127, 0, 0, 1], 0).into())?;
    /// let other = TcpSocket::v4()?;
    /// let error = other.bind(socket.local_addr()?).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(&self, addr: SocketAddr) -> io::Result<()> {
        at_once::bind(&self.fd, &addr.into())
    }

    /// Its address, which is unspecified before it is bound.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// let socket = TcpSocket::v4()?;
    /// assert!(socket.local_addr()?.ip().is_unspecified());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(internet(&at_once::local_name(&self.fd)?)?)
    }

    /// Has it listen: up to `backlog` connections wait to be accepted, or as many as
    /// `net.core.somaxconn` says.
    ///
    /// # Errors
    /// `EADDRINUSE`: another listens at the port.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// See [listen(2)](https://man7.org/linux/man-pages/man2/listen.2.html).
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// annulus_runtime::run(async {
    ///     let listener = TcpSocket::v4()?.listen(8)?; // at any address, and a free port
    ///     assert_ne!(listener.local_addr()?.port(), 0);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn listen(self, backlog: u32) -> io::Result<TcpListener> {
        at_once::listen(&self.fd, backlog)?;
        Ok(TcpListener::from_std(self.fd.into()))
    }

    /// Connects it.
    ///
    /// *Cancel and discard*: where its future is dropped the socket is closed; the peer may see a
    /// connection that ends at once.
    ///
    /// # Errors
    /// Those of [`Connect`].
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpSocket;
    /// let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    /// annulus_runtime::run(async {
    ///     let socket = TcpSocket::v4()?;
    ///     socket.bind(([127, 0, 0, 2], 0).into())?; // from this address
    ///     let stream = socket.connect(listener.local_addr()?).await?;
    ///     assert_eq!(listener.accept()?.1, stream.local_addr()?);
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn connect(self, addr: SocketAddr) -> io::Result<TcpStream> {
        self.connect_within(addr, None).await
    }

    /// The same, for so long at most.
    pub(super) async fn connect_within(
        self,
        addr: SocketAddr,
        limit: Option<Duration>,
    ) -> io::Result<TcpStream> {
        let socket = Arc::new(self.fd);
        let connect = submit(Connect::new(Arc::clone(&socket), addr.into()));
        match limit {
            Some(limit) => connect.deadline(limit).await?,
            None => connect.await?,
        }
        Ok(TcpStream::of(socket))
    }
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl From<TcpSocket> for OwnedFd {
    fn from(socket: TcpSocket) -> Self {
        socket.fd
    }
}
