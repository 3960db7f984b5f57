//! The commands of sockets and of block devices. Those of other files are refused.

use core::ffi::c_int;
use std::os::fd::RawFd;

use annulus_ring::abi::{BlockCommand, SocketOp};
use annulus_ring::kernel::{Descriptors, Process};
use annulus_ring::{Errno, FdKind};

use crate::host::machine::File;
use crate::host::perform::{HostWork, number};
use crate::host::sys;
use crate::world::{Attempt, Span};

/// Tries one.
pub(super) fn attempt(work: &HostWork) -> Result<Attempt, Errno> {
    let fd = number(work)?;
    if sys::net::option(fd, libc::SO_TYPE).is_ok() {
        return of_socket(work, fd).map(|count| Attempt::Done(Ok(count)));
    }
    let kind = Process.describe(fd).map(|description| description.kind);
    let discards = BlockCommand(work.sqe.off as u32) == BlockCommand::DISCARD;
    if !discards || !matches!(kind, Ok(FdKind::Block)) {
        return Err(Errno::EOPNOTSUPP);
    }
    let sqe = &work.sqe;
    let unused = (sqe.ioprio, sqe.len, sqe.rw_flags, sqe.splice_fd_in) == (0, 0, 0, 0);
    if unused { Ok(Attempt::Blocks) } else { Err(Errno::EINVAL) }
}

/// `BLOCK_URING_CMD_DISCARD`, on a thread.
pub(super) fn discard(work: &HostWork) -> Result<u32, Errno> {
    sys::net::discard(number(work)?, work.sqe.addr, work.sqe.addr3)
}

fn of_socket(work: &HostWork, fd: RawFd) -> Result<u32, Errno> {
    let sqe = &work.sqe;
    let is_internet = work.file.as_ref().is_some_and(File::is_internet);
    let (level, name) = (sqe.addr as u32 as c_int, (sqe.addr >> 32) as c_int);
    let value = Span { addr: sqe.addr3, bytes: sqe.splice_fd_in as u32 as usize };
    match SocketOp(sqe.off as u32) {
        SocketOp::SIOCINQ if is_internet => sys::net::queue_bytes(fd, libc::FIONREAD),
        SocketOp::SIOCOUTQ if is_internet => sys::net::queue_bytes(fd, libc::TIOCOUTQ),
        SocketOp::GETSOCKOPT if level == libc::SOL_SOCKET => {
            sys::net::get_option(fd, level, name, value)
        }
        SocketOp::SETSOCKOPT => sys::net::set_option(fd, level, name, value),
        _ => Err(Errno::EOPNOTSUPP),
    }
}
