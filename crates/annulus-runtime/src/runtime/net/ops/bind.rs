//! [`Bind`], [`Listen`] and [`Shutdown`]: a socket's address, its queue, its end.

use std::net;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{ShutdownHow, SockAddr, Sqe};
use annulus_ring::op;

use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Giving a socket its address, as `bind(2)`.
///
/// # Errors
/// - `EADDRINUSE`: another socket has it; of a path, there is a file: remove it if it is stale.
/// - `EADDRNOTAVAIL`: no interface of this machine has the address.
/// - `EACCES`: a port below 1024 to users; a folder that may not be written to.
/// - `EINVAL`: the socket has an address, or this is none of its family. `EAFNOSUPPORT` (97).
/// - `ENOENT`, `ENOTDIR`, `EROFS`, `ELOOP`: of a path.
/// - `ENOTSOCK`, `EBADF`.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation); before Linux 6.11
///   `EINVAL`, since the ring has it not: what this module makes does without it then.
///
/// By the ring (`IORING_OP_BIND`, Linux 6.11). See
/// [bind(2)](https://man7.org/linux/man-pages/man2/bind.2.html).
///
/// ```
/// use annulus_ring::abi::{AddressFamily, SocketType};
/// use annulus_runtime::runtime::net::ops::{Bind, Listen, OpenSocket};
/// use std::{net::{SocketAddr, TcpListener}, sync::Arc};
/// let bound = annulus_runtime::run(async {
///     let open = OpenSocket::new(AddressFamily::INET, SocketType::STREAM);
///     let socket = Arc::new(annulus_runtime::submit(open).await?);
///     let any = SocketAddr::from(([127, 0, 0, 1], 0));
///     annulus_runtime::submit(Bind::new(Arc::clone(&socket), any.into())).await?;
///     annulus_runtime::submit(Listen::new(Arc::clone(&socket), 128)).await?;
///     Ok::<_, annulus_runtime::Error>(socket)
/// })?;
/// match bound {
///     Ok(socket) => {
///         let listener = TcpListener::from(Arc::into_inner(socket).unwrap());
///         assert_ne!(listener.local_addr()?.port(), 0);
///     }
///     Err(error) => assert_eq!(error.errno(), Some(annulus_ring::Errno::EINVAL)), // before 6.11
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_BIND")]
#[derive(Debug)]
pub struct Bind {
    socket: Arc<OwnedFd>,
    to: SockAddr,
}

impl Bind {
    /// Of `socket` to this address.
    ///
    /// ```
    /// use annulus_ring::abi::{Op, SockAddr};
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Bind};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let to = SockAddr::unix("/run/x.sock").unwrap();
    /// let mut bind = Bind::new(Arc::new(OwnedFd::from(here)), to);
    /// assert_eq!((bind.entry().opcode, bind.entry().off), (Op::BIND, 14));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(socket: Arc<OwnedFd>, to: SockAddr) -> Self {
        Self { socket, to }
    }
}

// SAFETY: the entry points to the address in `self`, which is not moved and not changed until the
// completion. It names a socket that is kept open here.
unsafe impl Operation for Bind {
    type Output = Result<(), Error>;

    fn entry(&mut self) -> Sqe {
        op::Bind::new(self.socket.as_raw_fd(), self.to.as_ptr(), self.to.len_bytes()).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {
        // The address goes with its socket.
    }
}

/// Having a socket listen, as `listen(2)`: up to `backlog` connections wait to be accepted.
///
/// # Errors
/// - `EADDRINUSE`: another listens at this port. `EOPNOTSUPP`: not a socket for that.
/// - `EINVAL`: it is connected; of a Unix socket, it has no address. `ENOTSOCK`, `EBADF`.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation); before Linux 6.11
///   `EINVAL`, as of [`Bind`].
///
/// By the ring (`IORING_OP_LISTEN`, Linux 6.11). See
/// [listen(2)](https://man7.org/linux/man-pages/man2/listen.2.html), and [`Bind`] for an example.
#[doc(alias = "IORING_OP_LISTEN")]
#[derive(Debug)]
pub struct Listen {
    socket: Arc<OwnedFd>,
    backlog: u32,
}

impl Listen {
    /// Of `socket`, with a queue so long, or as `net.core.somaxconn` allows.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Listen};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let mut listen = Listen::new(Arc::new(OwnedFd::from(here)), 128);
    /// assert_eq!((listen.entry().opcode, listen.entry().len), (Op::LISTEN, 128));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(socket: Arc<OwnedFd>, backlog: u32) -> Self {
        Self { socket, backlog }
    }
}

// SAFETY: the entry points to nothing. It names a socket that is kept open here.
unsafe impl Operation for Listen {
    type Output = Result<(), Error>;

    fn entry(&mut self) -> Sqe {
        op::Listen::new(self.socket.as_raw_fd(), self.backlog).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {
        // The queue goes with its socket.
    }
}

/// Ending one direction of a connection, or both, as `shutdown(2)`.
///
/// The kernel hands it to one of its threads, though it waits for nothing: the sockets' own
/// `shutdown` is done at once instead. This is for those who link it behind something.
///
/// # Errors
/// - `ENOTCONN`: it is not connected, or no longer. `ENOTSOCK`, `EBADF`.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_SHUTDOWN`, Linux 5.11). See
/// [shutdown(2)](https://man7.org/linux/man-pages/man2/shutdown.2.html).
///
/// ```
/// use annulus_runtime::runtime::net::ops::Shutdown;
/// use std::{io::Read, os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
/// let (here, mut there) = UnixStream::pair()?;
/// let shutdown = Shutdown::new(Arc::new(OwnedFd::from(here)), std::net::Shutdown::Write);
/// annulus_runtime::run(async move { annulus_runtime::submit(shutdown).await })??;
/// assert_eq!(there.read(&mut [0])?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_SHUTDOWN")]
#[derive(Debug)]
pub struct Shutdown {
    socket: Arc<OwnedFd>,
    how: ShutdownHow,
}

impl Shutdown {
    /// Of `socket`, so.
    ///
    /// ```
    /// use annulus_ring::abi::Op;
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Shutdown};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let both = std::net::Shutdown::Both;
    /// let mut shutdown = Shutdown::new(Arc::new(OwnedFd::from(here)), both);
    /// assert_eq!((shutdown.entry().opcode, shutdown.entry().len), (Op::SHUTDOWN, 2));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(socket: Arc<OwnedFd>, how: net::Shutdown) -> Self {
        Self { socket, how: number(how) }
    }
}

/// As the kernel says it.
pub(in crate::runtime::net) fn number(how: net::Shutdown) -> ShutdownHow {
    match how {
        net::Shutdown::Read => ShutdownHow::RD,
        net::Shutdown::Write => ShutdownHow::WR,
        net::Shutdown::Both => ShutdownHow::RDWR,
    }
}

// SAFETY: the entry points to nothing. It names a socket that is kept open here.
unsafe impl Operation for Shutdown {
    type Output = Result<(), Error>;
    const WAITS_IN_WORKER: bool = true;

    fn entry(&mut self) -> Sqe {
        op::Shutdown::new(self.socket.as_raw_fd(), self.how).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {
        // What has ended stays so.
    }
}
