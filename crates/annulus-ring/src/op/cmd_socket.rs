//! Commands that every socket takes by URING_CMD: options, lengths of its queues, time stamps, its
//! address.

use core::ffi::c_void;

use super::field::pair;
use super::{Target, address, entry, operation};
use crate::abi::{Op, SocketOp, Sqe};

/// An entry for the command `op` of `socket`.
#[inline]
fn command(socket: Target, op: SocketOp) -> Sqe {
    Sqe { off: pair(op.raw(), 0), ..entry(Op::URING_CMD, socket) }
}

/// Asks how many bytes wait in a socket's queue, as `ioctl(2)` with `SIOCINQ` or `SIOCOUTQ`
/// (`IORING_OP_URING_CMD`, Linux 6.6). The result is how many.
///
/// # Pointers
/// None.
///
/// # Errors
/// - `EOPNOTSUPP`: a kind of socket without it, Unix sockets among them.
/// - `EINVAL`: a stream that listens. `EBADF`; not a socket: `EOPNOTSUPP`.
///
/// See `tcp(7)`, <https://man7.org/linux/man-pages/man7/tcp.7.html>.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// use std::net::UdpSocket;
/// let (here, there) = (UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?);
/// there.send_to(b"hello", here.local_addr()?)?;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: it points to nothing.
/// unsafe { ring.push(op::SocketQueue::receive(&here))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "io_uring_prep_cmd_sock")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct SocketQueue {
    sqe: Sqe,
}

impl SocketQueue {
    /// How many bytes wait to be received; of datagrams, the length of the first.
    ///
    /// ```
    /// use annulus_ring::{abi::SocketOp, op::SocketQueue};
    /// assert_eq!(SocketQueue::receive(3).build().off, SocketOp::SIOCINQ.raw() as u64);
    /// ```
    #[doc(alias = "SIOCINQ")]
    #[doc(alias = "FIONREAD")]
    #[inline]
    pub fn receive(socket: impl Into<Target>) -> Self {
        Self { sqe: command(socket.into(), SocketOp::SIOCINQ) }
    }

    /// How many bytes wait to be sent, or to be acknowledged.
    ///
    /// ```
    /// use annulus_ring::{abi::SocketOp, op::SocketQueue};
    /// assert_eq!(SocketQueue::send(3).build().off as u32, SocketOp::SIOCOUTQ.raw());
    /// ```
    #[doc(alias = "SIOCOUTQ")]
    #[doc(alias = "TIOCOUTQ")]
    #[inline]
    pub fn send(socket: impl Into<Target>) -> Self {
        Self { sqe: command(socket.into(), SocketOp::SIOCOUTQ) }
    }
}

/// Reads an option of a socket, as `getsockopt(2)` (`IORING_OP_URING_CMD`, Linux 6.7).
///
/// # Result
/// The result is how many bytes were written.
///
/// # Pointers
/// The value: until the completion.
///
/// # Errors
/// - `EOPNOTSUPP`: a level other than `SOL_SOCKET`, which is not possible here; a kind of socket
///   without commands; or no socket.
/// - `ENOPROTOOPT`: no such option. `EINVAL`: too little room. `EBADF`, `EFAULT`.
///
/// See `io_uring_prep_cmd(3)`, <https://man7.org/linux/man-pages/man3/io_uring_prep_cmd.3.html>,
/// and `getsockopt(2)`, <https://man7.org/linux/man-pages/man2/getsockopt.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// const SO_TYPE: u32 = 3;
/// let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// let mut kind = 0_i32;
/// let mut ring = LocalRing::new(8)?;
/// // SAFETY: the value lives on until the completion below.
/// unsafe { ring.push(op::GetSockOpt::new(&socket, SO_TYPE, (&raw mut kind).cast(), 4))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(4));
/// assert_eq!(kind, 2); // a datagram socket
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "io_uring_prep_cmd_sock")]
#[doc(alias = "SOCKET_URING_OP_GETSOCKOPT")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct GetSockOpt {
    sqe: Sqe,
}

/// `SOL_SOCKET`, the one level that GETSOCKOPT knows: 1, but for a few older architectures.
const SOL_SOCKET: u32 = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "sparc",
    target_arch = "sparc64"
)) {
    0xffff
} else {
    1
};

impl GetSockOpt {
    /// Writes the option `name` of the level `SOL_SOCKET` to the `len_bytes` bytes at `value`.
    ///
    /// ```
    /// use annulus_ring::op::GetSockOpt;
    /// let mut value = 0_i32;
    /// let sqe = GetSockOpt::new(3, 3, (&raw mut value).cast(), 4).build();
    /// assert_eq!((sqe.addr, sqe.splice_fd_in), (3 << 32 | 1, 4));
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>, name: u32, value: *mut c_void, len_bytes: u32) -> Self {
        let sqe = command(socket.into(), SocketOp::GETSOCKOPT);
        Self { sqe: option(sqe, SOL_SOCKET, name, value, len_bytes) }
    }

    /// Another level, for later kernels: up to 6.18 `EOPNOTSUPP`.
    ///
    /// ```
    /// use annulus_ring::op::GetSockOpt;
    /// let sqe = GetSockOpt::new(3, 1, std::ptr::null_mut(), 0).level(6).build();
    /// assert_eq!(sqe.addr, 1 << 32 | 6);
    /// ```
    #[inline]
    pub const fn level(mut self, level: u32) -> Self {
        let name = if cfg!(target_endian = "little") { self.sqe.addr >> 32 } else { self.sqe.addr };
        self.sqe.addr = pair(level, name as u32);
        self
    }
}

/// Sets an option of a socket, as `setsockopt(2)` (`IORING_OP_URING_CMD`, Linux 6.7). The result
/// is 0.
///
/// # Pointers
/// The value: until the completion.
///
/// # Errors
/// - `ENOPROTOOPT`: no such option. `EINVAL`: a value that it cannot have. `EPERM`: privileged.
/// - `EOPNOTSUPP`: a kind of socket without commands, or no socket. `EBADF`, `EFAULT`.
///
/// See `io_uring_prep_cmd(3)`, <https://man7.org/linux/man-pages/man3/io_uring_prep_cmd.3.html>,
/// and `setsockopt(2)`, <https://man7.org/linux/man-pages/man2/setsockopt.2.html>.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// use std::net::{TcpListener, TcpStream};
/// const IPPROTO_TCP: u32 = 6;
/// const TCP_NODELAY: u32 = 1;
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let socket = TcpStream::connect(listener.local_addr()?)?;
/// let on = 1_i32;
/// let mut ring = LocalRing::new(8)?;
/// let value = (&raw const on).cast();
/// // SAFETY: the value lives on until the completion below.
/// unsafe { ring.push(op::SetSockOpt::new(&socket, IPPROTO_TCP, TCP_NODELAY, value, 4))? };
/// ring.submit_and_wait(1)?;
/// assert_eq!(ring.completions()?.next().unwrap().result(), Ok(0));
/// assert!(socket.nodelay()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "io_uring_prep_cmd_sock")]
#[doc(alias = "SOCKET_URING_OP_SETSOCKOPT")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct SetSockOpt {
    sqe: Sqe,
}

impl SetSockOpt {
    /// Sets the option `name` of `level` to the `len_bytes` bytes at `value`.
    ///
    /// ```
    /// use annulus_ring::op::SetSockOpt;
    /// let value = 1_i32;
    /// let sqe = SetSockOpt::new(3, 6, 1, (&raw const value).cast(), 4).build();
    /// assert_eq!((sqe.addr, sqe.addr3), (1 << 32 | 6, &raw const value as u64));
    /// ```
    #[inline]
    pub fn new(
        socket: impl Into<Target>,
        level: u32,
        name: u32,
        value: *const c_void,
        len_bytes: u32,
    ) -> Self {
        let sqe = command(socket.into(), SocketOp::SETSOCKOPT);
        Self { sqe: option(sqe, level, name, value, len_bytes) }
    }
}

#[inline]
fn option(sqe: Sqe, level: u32, name: u32, value: *const c_void, len_bytes: u32) -> Sqe {
    let splice_fd_in = len_bytes as i32;
    Sqe { addr: pair(level, name), addr3: address(value), splice_fd_in, ..sqe }
}

/// Reports when packets left, one completion each (`IORING_OP_URING_CMD`, Linux 6.17).
///
/// A multishot for a ring made with `CQE32` or `CQE_MIXED`, on a socket where `SO_TIMESTAMPING`
/// asks for time stamps of what is sent, without payload (`SOF_TIMESTAMPING_OPT_TSONLY`). Each
/// completion has `MORE`, the packet's key as its result, what kind of time stamp it is in its
/// flags ([`TIMESTAMP_TYPE_SHIFT`](crate::abi::TIMESTAMP_TYPE_SHIFT),
/// [`CqeFlags::TSTAMP_HW`](crate::abi::CqeFlags::TSTAMP_HW)), and the time in its second half: an
/// [`IoTimespec`](crate::abi::IoTimespec).
///
/// # Pointers
/// None.
///
/// # Errors
/// - `EINVAL`: a ring of 16-byte completions. `EOPNOTSUPP`: not a socket that has commands.
/// - `EBADF`, `ECANCELED`.
///
/// See <https://docs.kernel.org/networking/timestamping.html>.
///
/// ```
/// use annulus_ring::{abi::SocketOp, op::TxTimestamp};
/// assert_eq!(TxTimestamp::new(3).build().off as u32, SocketOp::TX_TIMESTAMP.raw());
/// ```
#[doc(alias = "SOCKET_URING_OP_TX_TIMESTAMP")]
#[doc(alias = "io_uring_prep_cmd_sock")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct TxTimestamp {
    sqe: Sqe,
}

impl TxTimestamp {
    /// Reports for `socket`.
    ///
    /// ```
    /// assert_eq!(annulus_ring::op::TxTimestamp::new(3).build().fd, 3);
    /// ```
    #[inline]
    pub fn new(socket: impl Into<Target>) -> Self {
        Self { sqe: command(socket.into(), SocketOp::TX_TIMESTAMP) }
    }
}

/// Asks for a socket's own address or its peer's, as `getsockname(2)` and `getpeername(2)`
/// (`IORING_OP_URING_CMD`, Linux 6.19). The result is 0.
///
/// # Pointers
/// The room for the address and its length: until the completion.
///
/// # Errors
/// - `EOPNOTSUPP`: a kernel before 6.19, or no socket. Call `getsockname(2)` instead.
/// - `ENOTCONN`: there is no peer. `EINVAL`: a negative length. `EBADF`, `EFAULT`.
///
/// See `io_uring_prep_cmd_getsockname(3)`,
/// <https://man7.org/linux/man-pages/man3/io_uring_prep_cmd_getsockname.3.html>, and
/// `getsockname(2)`, <https://man7.org/linux/man-pages/man2/getsockname.2.html>.
///
/// ```
/// use annulus_ring::{abi::{SockAddr, SocketOp}, op::GetSockName};
/// let mut name = SockAddr::empty();
/// let (addr, len) = name.as_mut_ptrs();
/// let sqe = GetSockName::peer(3, addr, len).build();
/// assert_eq!(sqe.off as u32, SocketOp::GETSOCKNAME.raw());
/// assert_eq!((sqe.addr, sqe.addr3, sqe.splice_fd_in), (addr as u64, len as u64, 1));
/// ```
#[doc(alias = "SOCKET_URING_OP_GETSOCKNAME")]
#[doc(alias = "io_uring_prep_cmd_getsockname")]
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until its entry is pushed"]
pub struct GetSockName {
    sqe: Sqe,
}

impl GetSockName {
    /// Writes the address of `socket` to `addr` and its length to `len_bytes`, where the length of
    /// the room stands before.
    ///
    /// ```
    /// use annulus_ring::{abi::SockAddr, op::GetSockName};
    /// let mut name = SockAddr::empty();
    /// let (addr, len) = name.as_mut_ptrs();
    /// assert_eq!(GetSockName::own(3, addr, len).build().splice_fd_in, 0);
    /// ```
    #[inline]
    pub fn own(socket: impl Into<Target>, addr: *mut c_void, len_bytes: *mut u32) -> Self {
        let sqe = command(socket.into(), SocketOp::GETSOCKNAME);
        Self { sqe: Sqe { addr: address(addr), addr3: address(len_bytes), ..sqe } }
    }

    /// Writes the address of its peer instead.
    ///
    /// ```
    /// use annulus_ring::{abi::SockAddr, op::GetSockName};
    /// let mut name = SockAddr::empty();
    /// let (addr, len) = name.as_mut_ptrs();
    /// assert_eq!(GetSockName::peer(3, addr, len).build().splice_fd_in, 1);
    /// ```
    #[doc(alias = "getpeername")]
    #[inline]
    pub fn peer(socket: impl Into<Target>, addr: *mut c_void, len_bytes: *mut u32) -> Self {
        let Self { sqe } = Self::own(socket, addr, len_bytes);
        Self { sqe: Sqe { splice_fd_in: 1, ..sqe } }
    }
}

operation!(SocketQueue, GetSockOpt, SetSockOpt, TxTimestamp, GetSockName);
