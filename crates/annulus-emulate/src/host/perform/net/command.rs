//! The commands of sockets. Those of other files are refused.

use core::ffi::c_int;

use annulus_ring::Errno;
use annulus_ring::abi::SocketOp;

use super::is_internet;
use crate::host::perform::{HostWork, number};
use crate::host::sys;
use crate::world::Span;

/// Runs one.
pub(super) fn run(work: &HostWork) -> Result<u32, Errno> {
    let fd = number(work)?;
    let is_socket = sys::net::option(fd, libc::SO_TYPE).is_ok();
    if !is_socket {
        return Err(Errno::EOPNOTSUPP);
    }
    let sqe = &work.sqe;
    let (level, name) = (sqe.addr as u32 as c_int, (sqe.addr >> 32) as c_int);
    let value = Span { addr: sqe.addr3, bytes: sqe.splice_fd_in as u32 as usize };
    match SocketOp(sqe.off as u32) {
        SocketOp::SIOCINQ if is_internet(fd) => sys::net::queue_bytes(fd, libc::FIONREAD),
        SocketOp::SIOCOUTQ if is_internet(fd) => sys::net::queue_bytes(fd, libc::TIOCOUTQ),
        SocketOp::GETSOCKOPT if level == libc::SOL_SOCKET => {
            sys::net::get_option(fd, level, name, value)
        }
        SocketOp::SETSOCKOPT => sys::net::set_option(fd, level, name, value),
        _ => Err(Errno::EOPNOTSUPP),
    }
}
