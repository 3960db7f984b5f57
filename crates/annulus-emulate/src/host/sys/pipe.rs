//! Pipes, and moving bytes through them.

use core::ffi::c_uint;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use annulus_ring::Errno;

use super::{Answer, answer, errno, int};

/// `pipe2(2)`: both ends, the one that is read first.
pub(in crate::host) fn pipe(flags: u32) -> Result<[OwnedFd; 2], Errno> {
    let mut ends = [-1; 2];
    // SAFETY: room for two numbers.
    let made = unsafe { libc::pipe2(ends.as_mut_ptr(), flags as i32) };
    if made < 0 {
        return Err(errno());
    }
    // SAFETY: the call made both: they are nobody else's.
    Ok(ends.map(|end| unsafe { OwnedFd::from_raw_fd(end) }))
}

/// `pipe2(2)`, whose numbers the kernel writes where an entry says.
pub(in crate::host) fn pipe_at(addr: u64, flags: u32) -> Answer {
    let ends = core::ptr::with_exposed_provenance_mut(addr as usize);
    // SAFETY: the place is that of an entry under way, writable for it (`Kernel::enter`).
    int(unsafe { libc::pipe2(ends, flags as i32) })
}

/// A place of a file; `None` is the file's own position.
fn place(at: &mut Option<i64>) -> *mut i64 {
    at.as_mut().map_or(core::ptr::null_mut(), |at| &raw mut *at)
}

/// One end of a splice: the file, and where in it.
pub(in crate::host) type End = (RawFd, Option<i64>);

/// `splice(2)`.
pub(in crate::host) fn splice(from: End, to: End, bytes: usize, flags: u32) -> Answer {
    let (mut from_at, mut to_at) = (from.1, to.1);
    let (from_at, to_at) = (place(&mut from_at), place(&mut to_at));
    // SAFETY: numbers, and locals or null.
    answer(unsafe { libc::splice(from.0, from_at, to.0, to_at, bytes, flags as c_uint) })
}

/// `tee(2)`.
pub(in crate::host) fn tee(from: RawFd, to: RawFd, bytes: usize, flags: u32) -> Answer {
    // SAFETY: numbers.
    answer(unsafe { libc::tee(from, to, bytes, flags as c_uint) })
}

/// Whether calls on a descriptor are not to wait (`O_NONBLOCK`).
pub(in crate::host) fn is_nonblocking(fd: RawFd) -> bool {
    // SAFETY: numbers.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags != -1 && flags & libc::O_NONBLOCK != 0
}
