//! A socket's life besides its bytes: SOCKET, BIND, LISTEN, CONNECT, SHUTDOWN.

use core::ffi::c_void;

use super::at::file_index;
use super::field::ANY_SLOT;
use super::{Target, address, bare_entry, entry, operation};
use crate::abi::{AddressFamily, FixedFd, Op, ShutdownHow, SockFlags, SocketType, Sqe};

/// Makes a socket, as `socket(2)` (`IORING_OP_SOCKET`, Linux 5.19).
///
/// # Result
/// The result is its descriptor; with [`direct`](Self::direct) 0, with
/// [`direct_alloc`](Self::direct_alloc) the slot of the file table.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `EMFILE`, `ENFILE`: no descriptor left, of the process or the system.
/// - `ENFILE` with `direct_alloc`: no slot of the file table is free.
/// - `EAFNOSUPPORT`, `EPROTONOSUPPORT`, `ESOCKTNOSUPPORT`: this kernel has no such socket.
/// - `EACCES`, `EPERM`: a raw or packet socket needs `CAP_NET_RAW`.
/// - `EINVAL`: flags that do not exist; close-on-exec asked for a slot.
/// - `ENXIO`: there is no file table. `ENOMEM`, `ENOBUFS`.
///
/// See `io_uring_prep_socket(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_socket.3.html>, and `socket(2)`,
/// <https://man7.org/linux/man-pages/man2/socket.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::{AddressFamily, SocketType}, op};
/// use std::os::fd::{FromRawFd, OwnedFd};
/// let mut ring = LocalRing::new(8)?;
/// let socket = op::Socket::new(AddressFamily::INET, SocketType::STREAM, 0);
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(socket)? };
/// ring.submit_and_wait(1)?;
/// let fd = ring.completions()?.next().unwrap().result()?;
/// // SAFETY: the completion made this descriptor ours.
/// let socket = unsafe { OwnedFd::from_raw_fd(fd as i32) };
/// assert!(std::net::TcpStream::from(socket).peer_addr().is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SOCKET")]
#[doc(alias = "io_uring_prep_socket")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Socket {
    sqe: Sqe,
}

impl Socket {
    /// A socket of `family` and `kind`; `protocol` 0 is the usual one of the two.
    ///
    /// ```
    /// use annulus_ring::{abi::{AddressFamily, Op, SocketType}, op::Socket};
    /// let sqe = Socket::new(AddressFamily::INET6, SocketType::DGRAM, 17).build();
    /// assert_eq!((sqe.opcode, sqe.fd, sqe.off, sqe.len), (Op::SOCKET, 10, 2, 17));
    /// ```
    #[inline]
    pub const fn new(family: AddressFamily, kind: SocketType, protocol: i32) -> Self {
        let sqe = bare_entry(Op::SOCKET);
        let (fd, off) = (family.0 as i32, kind.0 as u64);
        Self { sqe: Sqe { fd, off, len: protocol as u32, ..sqe } }
    }

    /// How the descriptor is opened. [`SockFlags::CLOEXEC`] is nearly always wanted, but not for a
    /// slot, which is never inherited: `EINVAL`.
    ///
    /// ```
    /// use annulus_ring::{abi::{AddressFamily, SockFlags, SocketType}, op::Socket};
    /// let tcp = Socket::new(AddressFamily::INET, SocketType::STREAM, 0);
    /// assert_eq!(tcp.flags(SockFlags::CLOEXEC).build().off, 0o2000001);
    /// ```
    #[inline]
    pub const fn flags(mut self, flags: SockFlags) -> Self {
        // They share the word of the type; `rw_flags` must be zero.
        self.sqe.off |= flags.bits() as u64;
        self
    }

    /// Puts the socket into `slot` of the file table, with no descriptor. What was there is closed.
    ///
    /// ```
    /// use annulus_ring::{abi::{AddressFamily, FixedFd, SocketType}, op::Socket};
    /// let tcp = Socket::new(AddressFamily::INET, SocketType::STREAM, 0);
    /// assert_eq!(tcp.direct(FixedFd(5)).build().splice_fd_in, 6);
    /// ```
    #[doc(alias = "io_uring_prep_socket_direct")]
    #[inline]
    pub const fn direct(mut self, slot: FixedFd) -> Self {
        self.sqe.splice_fd_in = file_index(slot);
        self
    }

    /// Puts the socket into a free slot of the file table; the result says which.
    ///
    /// ```
    /// use annulus_ring::{abi::{AddressFamily, FILE_INDEX_ALLOC, SocketType}, op::Socket};
    /// let tcp = Socket::new(AddressFamily::INET, SocketType::STREAM, 0);
    /// assert_eq!(tcp.direct_alloc().build().splice_fd_in as u32, FILE_INDEX_ALLOC);
    /// ```
    #[doc(alias = "IORING_FILE_INDEX_ALLOC")]
    #[doc(alias = "io_uring_prep_socket_direct_alloc")]
    #[inline]
    pub const fn direct_alloc(mut self) -> Self {
        self.sqe.splice_fd_in = ANY_SLOT;
        self
    }
}

/// Gives a socket its address, as `bind(2)` (`IORING_OP_BIND`, Linux 6.11). The result is 0.
///
/// # Pointers
/// The address: until the kernel has taken the entry.
///
/// # Errors
/// - `EADDRINUSE`: the address is taken. Choose another, or set `SO_REUSEADDR` before.
/// - `EADDRNOTAVAIL`: not an address of this machine.
/// - `EACCES`: a port below 1024 needs `CAP_NET_BIND_SERVICE`; a path that may not be written.
/// - `EINVAL`: it has an address already, or the length does not fit the family.
/// - `EAFNOSUPPORT`, `ENOENT`, `ENOTDIR`, `EROFS`, `EBADF`, `ENOTSOCK`, `EFAULT`.
///
/// See `io_uring_prep_bind(3)`, <https://man7.org/linux/man-pages/man3/io_uring_prep_bind.3.html>,
/// and `bind(2)`, <https://man7.org/linux/man-pages/man2/bind.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::SockAddr, op};
/// use std::os::unix::net::UnixDatagram;
/// let dir = std::env::temp_dir().join(format!("annulus-bind-{}", std::process::id()));
/// let (socket, name) = (UnixDatagram::unbound()?, SockAddr::unix(&dir).unwrap());
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the address lives on until the completion below.
/// unsafe { ring.push(op::Bind::new(&socket, name.as_ptr(), name.len_bytes()))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// assert_eq!(socket.local_addr()?.as_pathname(), Some(&*dir));
/// # std::fs::remove_file(dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_BIND")]
#[doc(alias = "io_uring_prep_bind")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Bind {
    sqe: Sqe,
}

impl Bind {
    /// Binds `socket` to the address of `len_bytes` bytes at `addr`.
    ///
    /// ```
    /// use annulus_ring::{abi::{Op, SockAddr}, op::Bind};
    /// let to = SockAddr::unix("/run/x.sock").unwrap();
    /// let sqe = Bind::new(3, to.as_ptr(), to.len_bytes()).build();
    /// assert_eq!((sqe.opcode, sqe.off), (Op::BIND, 14));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, addr: *const c_void, len_bytes: u32) -> Self {
        let sqe = entry(Op::BIND, socket.into());
        Self { sqe: Sqe { addr: address(addr), off: u64::from(len_bytes), ..sqe } }
    }
}

/// Makes a socket listen for connections, as `listen(2)` (`IORING_OP_LISTEN`, Linux 6.11). The
/// result is 0.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `EADDRINUSE`: another socket listens on the port; or it has no address and no port is free.
/// - `EINVAL`: connected already.
/// - `EOPNOTSUPP`: not a socket that listens. `EBADF`, `ENOTSOCK`.
///
/// See `io_uring_prep_listen(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_listen.3.html>, and `listen(2)`,
/// <https://man7.org/linux/man-pages/man2/listen.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// let again = std::net::TcpListener::bind("127.0.0.1:0")?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::Listen::new(&again, 16))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_LISTEN")]
#[doc(alias = "io_uring_prep_listen")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Listen {
    sqe: Sqe,
}

impl Listen {
    /// Lets `backlog` connections wait to be accepted; the system's limit
    /// (`/proc/sys/net/core/somaxconn`) holds.
    ///
    /// ```
    /// use annulus_ring::{abi::Op, op::Listen};
    /// let sqe = Listen::new(3, 16).build();
    /// assert_eq!((sqe.opcode, sqe.len), (Op::LISTEN, 16));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, backlog: u32) -> Self {
        let sqe = entry(Op::LISTEN, socket.into());
        Self { sqe: Sqe { len: backlog, ..sqe } }
    }
}

/// Connects a socket, as `connect(2)` (`IORING_OP_CONNECT`, Linux 5.5). The result is 0.
///
/// # Pointers
/// The address: until the kernel has taken the entry.
///
/// # Errors
/// - `ECONNREFUSED`: nobody listens there.
/// - `ETIMEDOUT`, `EHOSTUNREACH`, `ENETUNREACH`: no answer, no way.
/// - `EISCONN`, `EALREADY`, `EINPROGRESS`: connected, or about to be (a non-blocking descriptor
///   answers so at once: poll it, then ask for `SO_ERROR`).
/// - `EADDRNOTAVAIL`: no local port left. `EADDRINUSE`: the local address is taken.
/// - `EACCES`, `EPERM`: a firewall, or a broadcast address. `ENOENT`: no such path.
/// - `EAFNOSUPPORT`, `EPROTOTYPE`, `EBADF`, `ENOTSOCK`, `EFAULT`, `ECANCELED`.
///
/// See `io_uring_prep_connect(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_connect.3.html>, and `connect(2)`,
/// <https://man7.org/linux/man-pages/man2/connect.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::SockAddr, op};
/// use std::net::UdpSocket;
/// let (here, there) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
/// let to = SockAddr::from(there.local_addr()?);
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the address lives on until the completion below.
/// unsafe { ring.push(op::Connect::new(&here, to.as_ptr(), to.len_bytes()))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// assert_eq!(here.peer_addr()?, there.local_addr()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_CONNECT")]
#[doc(alias = "io_uring_prep_connect")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Connect {
    sqe: Sqe,
}

impl Connect {
    /// Connects `socket` to the address of `len_bytes` bytes at `addr`.
    ///
    /// ```
    /// use annulus_ring::{abi::{Op, SockAddr}, op::Connect};
    /// let to = SockAddr::from("[::1]:80".parse::<std::net::SocketAddr>()?);
    /// let sqe = Connect::new(3, to.as_ptr(), to.len_bytes()).build();
    /// assert_eq!((sqe.opcode, sqe.addr, sqe.off), (Op::CONNECT, to.as_ptr() as u64, 28));
    /// # Ok::<(), std::net::AddrParseError>(())
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, addr: *const c_void, len_bytes: u32) -> Self {
        let sqe = entry(Op::CONNECT, socket.into());
        Self { sqe: Sqe { addr: address(addr), off: u64::from(len_bytes), ..sqe } }
    }
}

/// Shuts a connection down, half of it or all, as `shutdown(2)` (`IORING_OP_SHUTDOWN`, Linux 5.11).
/// The result is 0. Linux always hands it to a worker thread.
///
/// What waits to receive on the socket ends: with 0, or for an accept with `EINVAL`.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `ENOTCONN`: not connected. `EINVAL`: no such half.
/// - `EBADF`, `ENOTSOCK`.
///
/// See `io_uring_prep_shutdown(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_shutdown.3.html>, and `shutdown(2)`,
/// <https://man7.org/linux/man-pages/man2/shutdown.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, abi::ShutdownHow, op};
/// use std::{io::Read, os::unix::net::UnixStream};
/// let (here, mut there) = UnixStream::pair()?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::Shutdown::new(&here, ShutdownHow::WR))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// assert_eq!(there.read(&mut [0])?, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "IORING_OP_SHUTDOWN")]
#[doc(alias = "io_uring_prep_shutdown")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct Shutdown {
    sqe: Sqe,
}

impl Shutdown {
    /// Shuts `how` of `socket` down.
    ///
    /// ```
    /// use annulus_ring::{abi::{Op, ShutdownHow}, op::Shutdown};
    /// let sqe = Shutdown::new(3, ShutdownHow::RDWR).build();
    /// assert_eq!((sqe.opcode, sqe.len), (Op::SHUTDOWN, 2));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, how: ShutdownHow) -> Self {
        let sqe = entry(Op::SHUTDOWN, socket.into());
        Self { sqe: Sqe { len: how.raw(), ..sqe } }
    }
}

operation!(Socket, Bind, Listen, Connect, Shutdown);
