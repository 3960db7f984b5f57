//! Waiting for others: sets of files, children.

use core::ffi::{c_int, c_void};
use std::os::fd::{OwnedFd, RawFd};

use annulus_ring::Errno;
use annulus_ring::abi::{EpollEvent, Siginfo};

use super::{Answer, answer, int, owned};
use crate::uaccess::checked;

/// `epoll_ctl(2)`, on a set of the program's own.
pub(in crate::host) fn change_set(set: RawFd, op: c_int, fd: RawFd, event: EpollEvent) -> Answer {
    let mut event = libc::epoll_event { events: event.events.bits(), u64: event.data };
    // SAFETY: one event, which lives during the call.
    int(unsafe { libc::epoll_ctl(set, op, fd, &raw mut event) })
}

/// `epoll_wait(2)` on a set of the program's own, without waiting.
pub(in crate::host) fn look_at_set(set: RawFd, events: u64, count: u32) -> Answer {
    let events = core::ptr::with_exposed_provenance_mut(events as usize);
    // SAFETY: the place is that of an entry under way, with room for so many (`Kernel::enter`).
    int(unsafe { libc::epoll_wait(set, events, count as c_int, 0) })
}

/// `waitid(2)`, as the kernel has it: which child, in `info`.
pub(in crate::host) fn wait_id(which: u32, id: u32, options: u32, info: &mut Siginfo) -> Answer {
    let (info, usage): (*mut Siginfo, *mut c_void) = (info, core::ptr::null_mut());
    // SAFETY: the structure is the caller's, during the call.
    answer(unsafe { libc::syscall(libc::SYS_waitid, which, id, info, options, usage) as isize })
}

/// Tells the program of a child, where an entry says.
///
/// # Errors
/// `EFAULT`: nobody's memory is there.
pub(in crate::host) fn tell_of_child(info: &Siginfo, addr: u64) -> Result<(), Errno> {
    let to = core::ptr::with_exposed_provenance_mut::<Siginfo>(checked(addr)?);
    // SAFETY: the place is that of an entry under way, writable for it (`Kernel::enter`).
    unsafe { to.write_unaligned(*info) };
    Ok(())
}

/// `pidfd_open(2)`.
pub(in crate::host) fn pidfd(pid: u32) -> Result<OwnedFd, Errno> {
    // SAFETY: numbers.
    owned(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } as c_int)
}

/// `poll(2)` of all of them, until one is readable: at most so many milliseconds, for ever where
/// that is −1.
pub(in crate::host) fn poll_all(files: &[RawFd], limit_ms: c_int) {
    let entry = |fd: &RawFd| libc::pollfd { fd: *fd, events: libc::POLLIN, revents: 0 };
    let mut files: Vec<libc::pollfd> = files.iter().map(entry).collect();
    // SAFETY: so many structures, which live during the call.
    unsafe { libc::poll(files.as_mut_ptr(), files.len() as libc::nfds_t, limit_ms) };
}
