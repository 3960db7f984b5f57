//! The private operations on sockets, and the resolution of names.

use core::ffi::c_void;

use super::payload::ResolvedAddress;
use super::{address, entry};
use crate::abi::{Op, Sqe};

/// Finds the addresses of a host (`getaddrinfo(3)`), in the order in which to try them. Result: how
/// many were written to `out`; addresses beyond its `capacity` are dropped.
///
/// `family` is an address family, or 0 for any. There is no service: a port is a number here. It
/// may take seconds, and runs on a worker.
///
/// Fields: `addr` = `name`, `len` = `name_len`, `off` = `out`, `splice_fd_in` = `capacity`,
/// `rw_flags` = `family`; `fd` is −1.
///
/// # Errors
/// A completion holds an errno, so what `getaddrinfo(3)` says of its own becomes one: no such name
/// or no address of that family, `ENOENT`; the servers were silent (`EAI_AGAIN`), `ETIMEDOUT`: try
/// later; the servers failed (`EAI_FAIL`), `EIO`; `EAI_MEMORY`, `ENOMEM`; a zero in the name,
/// `EINVAL`.
///
/// See <https://man7.org/linux/man-pages/man3/getaddrinfo.3.html>.
///
/// ```
/// use annulus_ring::abi::private::{self, ResolvedAddress};
/// let mut out = [ResolvedAddress::default(); 8];
/// let sqe = private::getaddrinfo("localhost".as_ptr(), 9, 0, out.as_mut_ptr(), 8);
/// assert_eq!((sqe.fd, sqe.len, sqe.splice_fd_in), (-1, 9, 8));
/// ```
pub fn getaddrinfo(
    name: *const u8,
    name_len: u32,
    family: u16,
    out: *mut ResolvedAddress,
    capacity: u32,
) -> Sqe {
    Sqe {
        addr: address(name),
        len: name_len,
        rw_flags: u32::from(family),
        off: address(out),
        splice_fd_in: capacity.cast_signed(),
        ..entry(Op::GETADDRINFO, -1)
    }
}

/// Asks for a socket's own address (`getsockname(2)`). `addr_len` holds the length of `addr` in
/// bytes, and afterwards the address's. Result: 0.
///
/// Fields: `fd`, `addr`, `off` = `addr_len`.
///
/// See <https://man7.org/linux/man-pages/man2/getsockname.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let (mut addr, mut len) = ([0_u8; 128], 128);
/// let sqe = private::getsockname(3, addr.as_mut_ptr().cast(), &mut len);
/// assert_eq!((sqe.addr, sqe.off), (addr.as_ptr() as u64, &raw const len as u64));
/// ```
pub fn getsockname(fd: i32, addr: *mut c_void, addr_len: *mut u32) -> Sqe {
    Sqe { addr: address(addr), off: address(addr_len), ..entry(Op::GETSOCKNAME, fd) }
}

/// Asks for the address of a socket's peer (`getpeername(2)`). Fields and result as
/// [`getsockname`]'s.
///
/// See <https://man7.org/linux/man-pages/man2/getpeername.2.html>.
///
/// ```
/// use annulus_ring::abi::{Op, private};
/// let (mut addr, mut len) = ([0_u8; 128], 128);
/// let sqe = private::getpeername(3, addr.as_mut_ptr().cast(), &mut len);
/// assert_eq!((sqe.opcode, sqe.addr), (Op::GETPEERNAME, addr.as_ptr() as u64));
/// ```
pub fn getpeername(fd: i32, addr: *mut c_void, addr_len: *mut u32) -> Sqe {
    Sqe { opcode: Op::GETPEERNAME, ..getsockname(fd, addr, addr_len) }
}

/// Reads an option of a socket (`getsockopt(2)`), where io_uring's own command reads those of
/// `SOL_SOCKET` alone. Result: the option's length in bytes.
///
/// Fields, as in that command: `fd`, `addr` = `level` in the lower half and `optname` in the upper,
/// `addr3` = `optval`, `splice_fd_in` = `optlen`, its length in bytes.
///
/// See <https://man7.org/linux/man-pages/man2/getsockopt.2.html>.
///
/// ```
/// use annulus_ring::abi::private;
/// let (tcp, nodelay, mut on) = (6, 1, 0_i32);
/// let sqe = private::getsockopt(3, tcp, nodelay, (&raw mut on).cast(), 4);
/// assert_eq!((sqe.addr, sqe.addr3, sqe.splice_fd_in), (1 << 32 | 6, &raw const on as u64, 4));
/// ```
pub fn getsockopt(fd: i32, level: u32, optname: u32, optval: *mut c_void, optlen: u32) -> Sqe {
    Sqe {
        addr: u64::from(level) | u64::from(optname) << 32,
        addr3: address(optval),
        splice_fd_in: optlen.cast_signed(),
        ..entry(Op::GETSOCKOPT, fd)
    }
}

/// Makes two connected sockets (`socketpair(2)`), whose descriptors are written to `fds`.
/// Result: 0.
///
/// Fields, as SOCKET's: `fd` = `domain`, `off` = `ty` (with its
/// [`SockFlags`](crate::abi::SockFlags)), `len` = `protocol`; and `addr` = `fds`.
///
/// See <https://man7.org/linux/man-pages/man2/socketpair.2.html>.
///
/// ```
/// use annulus_ring::abi::{SockFlags, private};
/// let (unix, stream, mut fds) = (1, 1, [-1; 2]);
/// let sqe = private::socketpair(unix, stream | SockFlags::CLOEXEC.bits(), 0, &mut fds);
/// assert_eq!((sqe.fd, sqe.off, sqe.len), (1, 0o2000001, 0));
/// ```
pub fn socketpair(domain: i32, ty: u32, protocol: u32, fds: *mut [i32; 2]) -> Sqe {
    Sqe { off: u64::from(ty), len: protocol, addr: address(fds), ..entry(Op::SOCKETPAIR, domain) }
}
