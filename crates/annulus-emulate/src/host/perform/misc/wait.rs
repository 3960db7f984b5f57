//! EPOLL_CTL, EPOLL_WAIT, WAITID.

use core::ffi::c_int;
use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{IdType, PollEvents, Siginfo, WaitidOptions};

use super::{HostWork, number};
use crate::host::machine::File;
use crate::host::sys;
use crate::world::{Attempt, Stable};

/// EPOLL_CTL: the set and the file go by their numbers.
pub(super) fn change_set(work: &HostWork) -> Result<u32, Errno> {
    let sqe = &work.sqe;
    let event = match work.stable {
        Stable::Event(event) => event,
        _ => annulus_ring::abi::EpollEvent::default(),
    };
    sys::wait::change_set(sqe.fd, sqe.len as c_int, sqe.off as RawFd, event)
}

/// EPOLL_WAIT: what is ready, or a wait for the set, which is a file itself.
pub(super) fn look_at_set(work: &HostWork) -> Attempt {
    let found =
        number(work).and_then(|set| sys::wait::look_at_set(set, work.sqe.addr, work.sqe.len));
    match found {
        Ok(0) => Attempt::Wait(PollEvents::IN),
        found => Attempt::Done(found),
    }
}

/// Whom a WAITID waits for, and how.
fn whom(work: &HostWork) -> (IdType, u32, WaitidOptions) {
    let sqe = &work.sqe;
    (IdType(sqe.len), sqe.fd as u32, WaitidOptions(sqe.splice_fd_in as u32))
}

/// Whether it waits where there is nothing to tell.
fn may_wait(work: &HostWork) -> bool {
    let (kind, id, options) = whom(work);
    let is_nonblocking = kind == IdType::PIDFD && sys::pipe::is_nonblocking(id as RawFd);
    !(options.contains(WaitidOptions::NOHANG) || is_nonblocking)
}

/// Waits for a child, or looks. False: there is none yet.
fn wait_id(work: &HostWork, options: WaitidOptions) -> Result<bool, Errno> {
    let (kind, id, _) = whom(work);
    let mut info = Siginfo::default();
    let waited = sys::wait::wait_id(kind.raw(), id, options.bits(), &mut info);
    let found = waited.is_err() || info.si_pid != 0;
    let is_over = found || !may_wait(work);
    // Linux tells of a child also where the wait failed: that there is none.
    if is_over && work.sqe.off != 0 && waited != Err(Errno::EINTR) {
        sys::wait::tell_of_child(&info, work.sqe.off)?;
    }
    waited.map(|_| is_over)
}

/// WAITID: looks; then waits for the child's descriptor if its end is all that is asked for, else
/// on a thread.
pub(super) fn attempt(work: &mut HostWork) -> Attempt {
    let (kind, id, options) = whom(work);
    match wait_id(work, options | WaitidOptions::NOHANG) {
        Ok(false) => {}
        Ok(true) => return Attempt::Done(Ok(0)),
        Err(errno) => return Attempt::Done(Err(errno)),
    }
    // Woken once, and nothing there: somebody traces it, or it is not an end that was told of.
    let is_woken = work.file.is_some();
    let others = WaitidOptions::STOPPED | WaitidOptions::CONTINUED;
    if is_woken || options.intersects(others) {
        return Attempt::Blocks;
    }
    work.file = match kind {
        IdType::PID => sys::wait::pidfd(id).ok().map(File::own),
        IdType::PIDFD => Some(File::of(id as RawFd)),
        _ => None,
    };
    if work.file.is_some() { Attempt::Wait(PollEvents::IN) } else { Attempt::Blocks }
}

/// WAITID, on a thread.
pub(super) fn to_the_end(work: &HostWork) -> Result<u32, Errno> {
    let (_, _, options) = whom(work);
    wait_id(work, options).map(|_| 0)
}
