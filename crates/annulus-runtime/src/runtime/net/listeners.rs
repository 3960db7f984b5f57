//! [`TcpListeners`]: an address that a listener of each thread has.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::acceptor::BACKLOG;
use super::{TcpListener, TcpSocket};

/// An address for as many listeners as one likes, mostly one for each core: runtimes share nothing,
/// and the kernel spreads connections over all that listen (`SO_REUSEPORT`, Linux 3.9).
///
/// It is taken before there is a thread, so that who starts them is told whether it can be had, and
/// which port was free. As long as this or a clone of it is there, nobody is given that port for a
/// free one; who names it is refused as soon as one of these listens.
///
/// What a listener has in its queue when it is closed is lost, others do not get it
/// (`net.ipv4.tcp_migrate_req` aside): accept that first, as the servers of `annulus` do.
///
/// ```
/// use annulus_runtime::Runtime;
/// use annulus_runtime::runtime::net::{TcpListeners, TcpStream};
/// let listeners = TcpListeners::bind(([127, 0, 0, 1], 0))?;
/// let addr = listeners.local_addr();
/// let threads = Runtime::builder().threads(2).start(move |_| {
///     let listeners = listeners.clone();
///     async move {
///         let mut listener = listeners.listen()?;
///         // Each of the two has a queue of its own; which gets it is the kernel's choice.
///         let (mut stream, _) = listener.accept().await?;
///         stream.write_all("ring").await.map_err(std::io::Error::from)
///     }
/// })?;
/// annulus_runtime::run(async move {
///     let mut stream = TcpStream::connect(addr).await?;
///     assert_eq!(stream.read_exact(vec![0; 4]).await?.1, b"ring");
///     std::io::Result::Ok(())
/// })??;
/// drop(threads); // and who waits for a connection still
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "SO_REUSEPORT")]
#[derive(Clone, Debug)]
pub struct TcpListeners {
    /// Bound, and never listening.
    _held: Arc<TcpSocket>,
    addr: SocketAddr,
}

impl TcpListeners {
    /// Takes an address; with port 0, one that is free. Names are looked up by
    /// [`lookup_host`](super::lookup_host).
    ///
    /// # Errors
    /// - `EADDRINUSE`: somebody has it who does not share it, or another user.
    /// - `EADDRNOTAVAIL`: no interface has it. `EACCES`: a port below 1024 to users.
    /// - `EMFILE`, `ENFILE`: no descriptor left.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListeners;
    /// let listeners = TcpListeners::bind(([127, 0, 0, 1], 0))?;
    /// assert_ne!(listeners.local_addr().port(), 0);
    /// let error = TcpListeners::bind(([192, 0, 2, 1], 0)).unwrap_err(); // not of this machine
    /// assert_eq!(error.kind(), std::io::ErrorKind::AddrNotAvailable);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn bind(addr: impl Into<SocketAddr>) -> io::Result<Self> {
        let socket = Self::socket(addr.into())?;
        let addr = socket.local_addr()?;
        Ok(Self { _held: Arc::new(socket), addr })
    }

    fn socket(addr: SocketAddr) -> io::Result<TcpSocket> {
        let socket = TcpSocket::for_addr(&addr)?;
        socket.options().set_reuse_address(true)?;
        socket.options().set_reuse_port(true)?;
        socket.bind(addr)?;
        Ok(socket)
    }

    /// The address, with its port.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// A listener at the address, on the runtime that this thread is inside of. Its queue is as
    /// long as `net.core.somaxconn` lets it be.
    ///
    /// # Errors
    /// `EMFILE`, `ENFILE`: no descriptor left.
    ///
    /// # Panics
    /// Outside of a runtime.
    ///
    /// ```
    /// use annulus_runtime::runtime::net::TcpListeners;
    /// let listeners = TcpListeners::bind(([127, 0, 0, 1], 0))?;
    /// annulus_runtime::run(async {
    ///     let [one, other] = [listeners.listen()?, listeners.listen()?];
    ///     assert_eq!(one.local_addr()?, other.local_addr()?);
    ///     assert!(std::net::TcpListener::bind(listeners.local_addr()).is_err());
    ///     std::io::Result::Ok(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn listen(&self) -> io::Result<TcpListener> {
        Self::socket(self.addr)?.listen(BACKLOG)
    }
}
