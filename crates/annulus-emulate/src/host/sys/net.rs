//! The system calls of sockets, and the commands of devices.

use core::ffi::{c_int, c_void};
use std::os::fd::RawFd;

use annulus_ring::Errno;

use super::{Answer, answer, int, iovec};
use crate::world::{Message, Received, Span};

fn place<T>(addr: u64) -> *mut T {
    core::ptr::with_exposed_provenance_mut(addr as usize)
}

/// `recv(2)`.
pub(in crate::host) fn recv(fd: RawFd, to: Span, flags: c_int) -> Answer {
    let to = iovec(&to);
    // SAFETY: the piece is that of an entry under way, writable for it (`Kernel::enter`).
    answer(unsafe { libc::recv(fd, to.iov_base, to.iov_len, flags) })
}

/// `send(2)`.
pub(in crate::host) fn send(fd: RawFd, from: Span, flags: c_int) -> Answer {
    let from = iovec(&from);
    // SAFETY: the piece is that of an entry under way, readable for it (`Kernel::enter`).
    answer(unsafe { libc::send(fd, from.iov_base, from.iov_len, flags) })
}

/// A header as `libc` has it, of these pieces.
fn header(message: &Message, pieces: &mut [libc::iovec]) -> libc::msghdr {
    // SAFETY: integers and pointers: all bits zero is a value.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    header.msg_iov = pieces.as_mut_ptr();
    // The types of these lengths are those of the C library.
    header.msg_iovlen = pieces.len() as _;
    header.msg_control = place(message.control.addr);
    header.msg_controllen = message.control.bytes as _;
    header
}

/// `sendmsg(2)` of what is left of a message after so many bytes.
pub(in crate::host) fn sendmsg(
    fd: RawFd,
    message: &Message,
    left: &[Span],
    flags: c_int,
) -> Answer {
    let mut pieces: Vec<_> = left.iter().map(iovec).collect();
    let mut header = header(message, &mut pieces);
    if !message.address.is_empty() {
        header.msg_name = message.address.as_ptr().cast_mut().cast();
        header.msg_namelen = message.address.len() as u32;
    }
    // SAFETY: the header's parts live during the call; its data are those of an entry under way.
    answer(unsafe { libc::sendmsg(fd, &raw const header, flags) })
}

/// `recvmsg(2)` into what is left of a message.
pub(in crate::host) fn recvmsg(
    fd: RawFd,
    message: &mut Message,
    left: &[Span],
    flags: c_int,
) -> Answer {
    let mut pieces: Vec<_> = left.iter().map(iovec).collect();
    let mut header = header(message, &mut pieces);
    header.msg_name = place(message.name.addr);
    header.msg_namelen = message.name.bytes as u32;
    // SAFETY: the header lives during the call; what it points to is an entry's under way.
    let count = answer(unsafe { libc::recvmsg(fd, &raw mut header, flags) })?;
    message.received = Received {
        name_bytes: header.msg_namelen,
        control_bytes: header.msg_controllen as _,
        flags: header.msg_flags as u32,
    };
    Ok(count)
}

/// `accept4(2)`; the peer's address goes to `addr`, its length to `len`, unless they are 0.
pub(in crate::host) fn accept(fd: RawFd, addr: u64, len: u64, flags: c_int) -> Answer {
    // SAFETY: the places are those of an entry under way, writable for it (`Kernel::enter`).
    int(unsafe { libc::accept4(fd, place(addr), place(len), flags) })
}

/// `connect(2)`.
pub(in crate::host) fn connect(fd: RawFd, address: &[u8]) -> Answer {
    let len = address.len() as libc::socklen_t;
    // SAFETY: the address lives during the call.
    int(unsafe { libc::connect(fd, address.as_ptr().cast(), len) })
}

/// `bind(2)`.
pub(in crate::host) fn bind(fd: RawFd, address: &[u8]) -> Answer {
    let len = address.len() as libc::socklen_t;
    // SAFETY: the address lives during the call.
    int(unsafe { libc::bind(fd, address.as_ptr().cast(), len) })
}

/// `listen(2)`.
pub(in crate::host) fn listen(fd: RawFd, backlog: c_int) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::listen(fd, backlog) })
}

/// `socket(2)`.
pub(in crate::host) fn socket(domain: c_int, kind: c_int, protocol: c_int) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::socket(domain, kind, protocol) })
}

/// `shutdown(2)`.
pub(in crate::host) fn shutdown(fd: RawFd, how: c_int) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::shutdown(fd, how) })
}

/// The flags of an open file (`O_NONBLOCK` among them).
pub(in crate::host) fn file_flags(fd: RawFd) -> Result<c_int, Errno> {
    // SAFETY: numbers.
    int(unsafe { libc::fcntl(fd, libc::F_GETFL) }).map(|flags| flags as c_int)
}

/// Changes them.
pub(in crate::host) fn set_file_flags(fd: RawFd, flags: c_int) -> Answer {
    // SAFETY: numbers.
    int(unsafe { libc::fcntl(fd, libc::F_SETFL, flags) })
}

/// An option of `SOL_SOCKET` that is a number.
pub(in crate::host) fn option(fd: RawFd, name: c_int) -> Result<c_int, Errno> {
    let (mut value, mut len): (c_int, libc::socklen_t) = (0, 4);
    let at: *mut c_void = (&raw mut value).cast();
    // SAFETY: room for a number and its length, which live during the call.
    int(unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, at, &raw mut len) })?;
    Ok(value)
}

/// Whether a TCP stream has seen its end, of which nothing is left to receive: an end that it made
/// itself is none, nor is a reset, nor a connection that was refused.
pub(in crate::host) fn has_ended(fd: RawFd) -> bool {
    const TCP_ZEROCOPY_RECEIVE: c_int = 35;
    // `tcp_zerocopy_receive` up to `length`: a receive of nothing, to nowhere, which fails behind
    // the end.
    let mut nothing = [0_u32; 3];
    let mut len = size_of_val(&nothing) as libc::socklen_t;
    let at: *mut c_void = nothing.as_mut_ptr().cast();
    let level = libc::IPPROTO_TCP;
    // SAFETY: room for so many bytes, and their number, which live during the call.
    int(unsafe { libc::getsockopt(fd, level, TCP_ZEROCOPY_RECEIVE, at, &raw mut len) })
        == Err(Errno::EIO)
}

/// `getsockopt(2)` to the program's memory: how many bytes it is.
pub(in crate::host) fn get_option(fd: RawFd, level: c_int, name: c_int, to: Span) -> Answer {
    let mut len = to.bytes as libc::socklen_t;
    // SAFETY: the place is that of an entry under way, writable for it (`Kernel::enter`).
    int(unsafe { libc::getsockopt(fd, level, name, place(to.addr), &raw mut len) })?;
    Ok(len)
}

/// `setsockopt(2)` from the program's memory.
pub(in crate::host) fn set_option(fd: RawFd, level: c_int, name: c_int, from: Span) -> Answer {
    let (at, len) = (place::<c_void>(from.addr), from.bytes as libc::socklen_t);
    // SAFETY: the value is that of an entry under way, readable for it (`Kernel::enter`).
    int(unsafe { libc::setsockopt(fd, level, name, at, len) })
}

/// How many bytes wait in a queue of a socket (`SIOCINQ`, `SIOCOUTQ`).
pub(in crate::host) fn queue_bytes(fd: RawFd, request: libc::Ioctl) -> Answer {
    let mut count: c_int = 0;
    // SAFETY: both requests write one number, which lives during the call.
    int(unsafe { libc::ioctl(fd, request, &raw mut count) })?;
    Ok(count.unsigned_abs())
}

/// Discards a range of a block device (`BLKDISCARD`).
pub(in crate::host) fn discard(fd: RawFd, offset: u64, bytes: u64) -> Answer {
    const BLKDISCARD: libc::Ioctl = 0x1277;
    let range = [offset, bytes];
    // SAFETY: the request reads two numbers, which live during the call.
    int(unsafe { libc::ioctl(fd, BLKDISCARD, &raw const range) })
}
