//! [`OpenSocket`] and [`Connect`]: a socket, and what it is connected to.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::abi::{AddressFamily, SockAddr, SockFlags, SocketType, Sqe};
use annulus_ring::op;

use super::accept::adopt;
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Making a socket, as `socket(2)` with `SOCK_CLOEXEC`.
///
/// # Errors
/// - `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `ESOCKTNOSUPPORT`: the kernel has no such sockets.
/// - `EMFILE`, `ENFILE`: no descriptor left, of the process or the system: close some.
/// - `EACCES`, `EPERM`: forbidden, such as raw sockets to users.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_SOCKET`, Linux 5.19). See
/// [socket(2)](https://man7.org/linux/man-pages/man2/socket.2.html).
///
/// ```
/// use annulus_ring::abi::{AddressFamily, SocketType};
/// use annulus_runtime::runtime::net::ops::OpenSocket;
/// let open = OpenSocket::new(AddressFamily::INET, SocketType::STREAM);
/// let fd = annulus_runtime::run(async { annulus_runtime::submit(open).await })??;
/// assert!(std::net::TcpStream::from(fd).peer_addr().is_err()); // it is not connected
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_SOCKET")]
#[derive(Debug)]
pub struct OpenSocket {
    family: AddressFamily,
    kind: SocketType,
}

impl OpenSocket {
    /// A socket of this family and type, of the protocol that is usual for it.
    ///
    /// ```
    /// use annulus_ring::abi::{AddressFamily, Op, SocketType};
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::OpenSocket};
    /// let mut open = OpenSocket::new(AddressFamily::INET6, SocketType::DGRAM);
    /// assert_eq!((open.entry().opcode, open.entry().fd), (Op::SOCKET, 10));
    /// ```
    pub fn new(family: AddressFamily, kind: SocketType) -> Self {
        Self { family, kind }
    }
}

// SAFETY: the entry points to nothing and names no descriptor.
unsafe impl Operation for OpenSocket {
    type Output = Result<OwnedFd, Error>;

    fn entry(&mut self) -> Sqe {
        op::Socket::new(self.family, self.kind, 0).flags(SockFlags::CLOEXEC).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let raw = completion.outcome()?;
        // SAFETY: a new socket, and this is the one call that takes it.
        Ok(unsafe { adopt(raw) })
    }

    fn reclaim(self, completion: Completion) {
        if let Ok(raw) = completion.result {
            // SAFETY: a new socket, and this is the one call that takes it.
            drop(unsafe { adopt(raw) });
        }
    }
}

/// Connecting a socket, as `connect(2)`.
///
/// Where its future is dropped the attempt is given up; the peer may have seen it.
///
/// # Errors
/// - `ECONNREFUSED`: nobody listens there. `ETIMEDOUT`: nobody answers.
/// - `ENETUNREACH`, `EHOSTUNREACH`: there is no way to it.
/// - `EADDRNOTAVAIL`: no port is free here. `EADDRINUSE`: the one that was bound is in use so.
/// - `EISCONN`: it is connected. `EALREADY`: it is being connected.
/// - `EAFNOSUPPORT`: an address of another family. `EACCES`, `EPERM`: a firewall's rule.
/// - `ENOTSOCK`, `EBADF`.
/// - [Those of every operation](crate::engine::File#errors-of-every-operation).
///
/// By the ring (`IORING_OP_CONNECT`, Linux 5.5). See
/// [connect(2)](https://man7.org/linux/man-pages/man2/connect.2.html).
///
/// ```
/// use annulus_ring::abi::{AddressFamily, SocketType};
/// use annulus_runtime::runtime::net::ops::{Connect, OpenSocket};
/// use std::{net::TcpListener, sync::Arc};
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let to = listener.local_addr()?;
/// annulus_runtime::run(async move {
///     let open = OpenSocket::new(AddressFamily::INET, SocketType::STREAM);
///     let socket = Arc::new(annulus_runtime::submit(open).await?);
///     annulus_runtime::submit(Connect::new(socket, to.into())).await
/// })??;
/// assert!(listener.accept().is_ok());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "IORING_OP_CONNECT")]
#[derive(Debug)]
pub struct Connect {
    socket: Arc<OwnedFd>,
    to: SockAddr,
}

impl Connect {
    /// Of `socket` to this address.
    ///
    /// ```
    /// use annulus_ring::abi::{Op, SockAddr};
    /// use annulus_runtime::{operation::Operation, runtime::net::ops::Connect};
    /// use std::{os::fd::OwnedFd, os::unix::net::UnixStream, sync::Arc};
    /// let (here, _there) = UnixStream::pair()?;
    /// let to = SockAddr::unix("/run/x.sock").unwrap();
    /// let mut connect = Connect::new(Arc::new(OwnedFd::from(here)), to);
    /// assert_eq!((connect.entry().opcode, connect.entry().off), (Op::CONNECT, 14));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(socket: Arc<OwnedFd>, to: SockAddr) -> Self {
        Self { socket, to }
    }
}

// SAFETY: the entry points to the address in `self`, which is not moved and not changed until the
// completion. It names a socket that is kept open here.
unsafe impl Operation for Connect {
    type Output = Result<(), Error>;

    fn entry(&mut self) -> Sqe {
        let to = &self.to;
        op::Connect::new(self.socket.as_raw_fd(), to.as_ptr(), to.len_bytes()).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {
        // The connection goes with its socket.
    }
}
