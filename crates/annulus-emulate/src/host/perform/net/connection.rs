//! Making sockets, and connections between them.

use core::ffi::c_int;

use annulus_ring::Errno;
use annulus_ring::abi::{AcceptFlags, CqeFlags, PollEvents};

use super::is_readable;
use crate::host::machine::File;
use crate::host::perform::{HostWork, number};
use crate::host::sys;
use crate::world::{Attempt, Outcome, Stable};

/// An accept. A call that may wait would, where another thread or process takes the connection
/// that was seen: so it is made here only if the listener is non-blocking, or cannot accept at all.
pub(super) fn accept(work: &mut HostWork) -> Result<Attempt, Errno> {
    let fd = number(work)?;
    let flags = AcceptFlags(work.sqe.ioprio);
    work.outcome = Outcome::default();
    if flags.contains(AcceptFlags::POLL_FIRST) {
        work.sqe.ioprio = flags.difference(AcceptFlags::POLL_FIRST).bits();
        return Ok(Attempt::Wait(PollEvents::IN));
    }
    let listens = sys::net::option(fd, libc::SO_ACCEPTCONN)? != 0;
    if listens && !is_readable(fd) {
        work.outcome.is_drained = true;
        return nobody(flags);
    }
    if listens && sys::net::file_flags(fd)? & libc::O_NONBLOCK == 0 {
        return Ok(Attempt::Blocks);
    }
    match accept_one(work) {
        Err(Errno::EAGAIN) => nobody(flags),
        accepted => Ok(Attempt::Done(accepted)),
    }
}

/// Nobody has connected yet.
fn nobody(flags: AcceptFlags) -> Result<Attempt, Errno> {
    if flags.contains(AcceptFlags::DONTWAIT) {
        return Err(Errno::EAGAIN);
    }
    Ok(Attempt::Wait(PollEvents::IN))
}

/// Accepts one, and sees whether there are more.
pub(super) fn accept_one(work: &mut HostWork) -> Result<u32, Errno> {
    let fd = number(work)?;
    let sqe = work.sqe;
    let accepted = sys::net::accept(fd, sqe.addr, sqe.off, sqe.rw_flags as c_int)?;
    // Only the queue of TCP says so.
    if work.file.as_ref().is_some_and(File::is_internet) {
        if is_readable(fd) {
            work.outcome.cflags |= CqeFlags::SOCK_NONEMPTY;
        } else {
            work.outcome.is_drained = true;
        }
    }
    Ok(accepted)
}

/// The address that was copied.
fn address(work: &HostWork) -> &[u8] {
    match &work.stable {
        Stable::Address(address) => address,
        _ => &[],
    }
}

/// Of a CONNECT that has begun, and of one that was told once of an attempt before it: it has no
/// other use for the field.
const BEGUN: u32 = 1;
const TOLD: u32 = 2;

/// A connect. There is no flag by which this one call would not wait: a blocking socket is made
/// non-blocking while it is made. Nobody else can do much with it before it is connected.
pub(super) fn connect(work: &mut HostWork) -> Result<Attempt, Errno> {
    let fd = number(work)?;
    let has_begun = work.sqe.len & BEGUN != 0;
    if has_begun {
        let events = sys::poll(fd, PollEvents::OUT.bits())?;
        if PollEvents(events).contains(PollEvents::ERR) {
            return failure(fd).map(Attempt::Done);
        }
    }
    let flags = sys::net::file_flags(fd)?;
    let blocks = flags & libc::O_NONBLOCK == 0;
    if blocks {
        sys::net::option(fd, libc::SO_TYPE)?;
        sys::net::set_file_flags(fd, flags | libc::O_NONBLOCK)?;
    }
    let connected = sys::net::connect(fd, address(work));
    if blocks {
        sys::net::set_file_flags(fd, flags)?;
    }
    match connected {
        Err(Errno::EINPROGRESS) => {
            work.sqe.len |= BEGUN;
            Ok(Attempt::Wait(PollEvents::OUT))
        }
        Err(Errno::EALREADY) if has_begun => Ok(Attempt::Wait(PollEvents::OUT)),
        // That an attempt before this one has failed: as Linux, which goes on.
        Err(Errno::ECONNABORTED) if work.sqe.len & TOLD == 0 => {
            work.sqe.len |= TOLD;
            connect(work)
        }
        // The listener's queue is full, and no file says when it is not.
        Err(Errno::EAGAIN) if blocks => Ok(Attempt::Blocks),
        Err(Errno::EISCONN | Errno::EBADFD) if has_begun => failure(fd).map(Attempt::Done),
        connected => Ok(Attempt::Done(connected)),
    }
}

/// How an attempt in the background ended.
fn failure(fd: c_int) -> Result<Result<u32, Errno>, Errno> {
    let error = sys::net::option(fd, libc::SO_ERROR)?;
    Ok(if error == 0 { Ok(0) } else { Err(Errno::from_raw(error)) })
}

/// A connect that may wait.
pub(super) fn connect_waiting(work: &HostWork) -> Result<u32, Errno> {
    sys::net::connect(number(work)?, address(work))
}

pub(super) fn shutdown(work: &HostWork) -> Result<u32, Errno> {
    sys::net::shutdown(number(work)?, work.sqe.len as c_int)
}

pub(super) fn socket(work: &HostWork) -> Result<u32, Errno> {
    let sqe = &work.sqe;
    sys::net::socket(sqe.fd, sqe.off as c_int, sqe.len as c_int)
}

pub(super) fn bind(work: &HostWork) -> Result<u32, Errno> {
    sys::net::bind(number(work)?, address(work))
}

pub(super) fn listen(work: &HostWork) -> Result<u32, Errno> {
    sys::net::listen(number(work)?, work.sqe.len as c_int)
}
