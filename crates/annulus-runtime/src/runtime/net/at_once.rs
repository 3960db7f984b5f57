//! What is asked of a socket and done at once, on this thread: making one, its names, its options,
//! its end. As entries past the ring, which has only some of them, and on later kernels only.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

use annulus_ring::abi::{AddressFamily, Op, SockAddr, SockFlags, SocketType, Sqe, private};
use annulus_ring::kernel::{Descriptors, Process};
use annulus_ring::op;

/// Does `sqe`.
///
/// # Safety
/// - What it points to is valid for the length of the call.
unsafe fn call(sqe: &Sqe) -> io::Result<u32> {
    // SAFETY: the caller's promise.
    Ok(unsafe { Process.call(sqe) }?)
}

/// Owns a descriptor that was made a moment ago.
///
/// # Safety
/// - It is, and this is the one call that takes it.
unsafe fn own(raw: i32) -> OwnedFd {
    // SAFETY: the caller's promise.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// `socket(2)`, closed at an exec.
pub(super) fn open(family: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
    let entry = op::Socket::new(family, kind, 0).flags(SockFlags::CLOEXEC).build();
    // SAFETY: it points to nothing.
    let raw = unsafe { call(&entry) }?;
    // SAFETY: it is new.
    Ok(unsafe { own(raw.cast_signed()) })
}

/// `socketpair(2)` of Unix sockets, closed at an exec.
pub(super) fn pair(kind: SocketType) -> io::Result<[OwnedFd; 2]> {
    let mut raw = [-1; 2];
    let (domain, kind) = (AddressFamily::UNIX.raw(), kind.raw() | SockFlags::CLOEXEC.bits());
    let entry = private::socketpair(domain.into(), kind, 0, &mut raw);
    // SAFETY: the room for the two numbers outlives the call.
    unsafe { call(&entry) }?;
    // SAFETY: both are new, and each is taken once.
    Ok(raw.map(|raw| unsafe { own(raw) }))
}

/// `bind(2)`.
pub(super) fn bind(socket: impl AsFd, to: &SockAddr) -> io::Result<()> {
    let fd = socket.as_fd();
    let entry = op::Bind::new(fd.as_raw_fd(), to.as_ptr(), to.len_bytes()).build();
    // SAFETY: the address outlives the call.
    unsafe { call(&entry) }.map(drop)
}

/// `listen(2)`.
pub(super) fn listen(socket: impl AsFd, backlog: u32) -> io::Result<()> {
    let entry = op::Listen::new(socket.as_fd().as_raw_fd(), backlog).build();
    // SAFETY: it points to nothing.
    unsafe { call(&entry) }.map(drop)
}

/// `shutdown(2)`.
pub(super) fn shutdown(socket: impl AsFd, how: std::net::Shutdown) -> io::Result<()> {
    let entry = op::Shutdown::new(socket.as_fd().as_raw_fd(), super::ops::number(how)).build();
    // SAFETY: it points to nothing.
    unsafe { call(&entry) }.map(drop)
}

/// `getsockname(2)`.
pub(super) fn local_name(socket: impl AsFd) -> io::Result<SockAddr> {
    name(socket, Op::GETSOCKNAME)
}

/// `getpeername(2)`.
pub(super) fn peer_name(socket: impl AsFd) -> io::Result<SockAddr> {
    name(socket, Op::GETPEERNAME)
}

fn name(socket: impl AsFd, opcode: Op) -> io::Result<SockAddr> {
    let mut name = SockAddr::empty();
    let (addr, len) = name.as_mut_ptrs();
    let entry = Sqe { opcode, ..private::getsockname(socket.as_fd().as_raw_fd(), addr, len) };
    // SAFETY: the room for the address and its length outlives the call.
    unsafe { call(&entry) }?;
    Ok(name)
}

/// `setsockopt(2)`.
pub(super) fn set(socket: impl AsFd, (level, name): (u32, u32), value: &[u8]) -> io::Result<()> {
    let (fd, at) = (socket.as_fd(), value.as_ptr().cast());
    let entry = op::SetSockOpt::new(fd.as_raw_fd(), level, name, at, value.len() as u32).build();
    // SAFETY: the value outlives the call.
    unsafe { call(&entry) }.map(drop)
}

/// `getsockopt(2)`: how many bytes were written to `room`.
pub(super) fn get(
    socket: impl AsFd,
    (level, name): (u32, u32),
    room: &mut [u8],
) -> io::Result<usize> {
    let (fd, len) = (socket.as_fd(), room.len() as u32);
    let at = room.as_mut_ptr().cast();
    let entry = private::getsockopt(fd.as_raw_fd(), level, name, at, len);
    // SAFETY: the room outlives the call.
    unsafe { call(&entry) }.map(|bytes| bytes as usize)
}
