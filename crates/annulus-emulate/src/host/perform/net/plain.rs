//! Sends and receives as most are: of one piece, with no wish but not to be raised a signal.

use core::ffi::c_int;

use annulus_ring::Errno;
use annulus_ring::abi::{MsgFlags, PollEvents, RecvSendFlags};

use super::transfer::see_what_is_left;
use crate::host::machine::File;
use crate::host::perform::{HostWork, number, piece};
use crate::host::sys;
use crate::world::{Attempt, Outcome, Stable};

/// The flags of a call that does not wait.
const FLAGS: c_int = (MsgFlags::DONTWAIT.0 | MsgFlags::NOSIGNAL.0) as c_int;

/// Whether it is one of these: what a multishot does each time is.
pub(in crate::host::perform) fn is_plain(work: &HostWork) -> bool {
    let flags = RecvSendFlags(work.sqe.ioprio);
    MsgFlags::NOSIGNAL.contains(MsgFlags(work.sqe.rw_flags))
        && RecvSendFlags::RECV_MULTISHOT.contains(flags)
        && matches!(work.stable, Stable::None)
        && work.done == 0
}

/// A send.
pub(in crate::host::perform) fn send(work: &mut HostWork) -> Attempt {
    let fd = match number(work) {
        Ok(fd) => fd,
        Err(errno) => return Attempt::Done(Err(errno)),
    };
    let sent = sys::net::send(fd, piece(work), FLAGS);
    judge(work, sent, PollEvents::OUT)
}

/// A receive.
pub(in crate::host::perform) fn receive(work: &mut HostWork) -> Attempt {
    let Some(file) = &work.file else { return Attempt::Done(Err(Errno::EBADF)) };
    let (left, is_calm) = (piece(work), file.take_calm());
    let got = sys::net::recv(file.raw(), left, FLAGS);
    let attempt = judge(work, got, PollEvents::IN);
    let is_stream = || work.file.as_ref().is_some_and(File::is_stream);
    match got {
        // A stream that gave less than there was room for has no more, and goes on.
        Ok(count) if is_calm && count > 0 && (count as usize) < left.bytes && is_stream() => {
            work.outcome.is_drained = true;
        }
        Ok(_) => see_what_is_left(work),
        Err(Errno::EAGAIN) => work.outcome.is_drained = is_stream(),
        Err(_) => {}
    }
    attempt
}

/// What became of it.
#[inline]
fn judge(work: &mut HostWork, moved: Result<u32, Errno>, events: PollEvents) -> Attempt {
    work.outcome = Outcome::default();
    match moved {
        Ok(count) => {
            work.done = count;
            work.outcome.is_last = count == 0;
            Attempt::Done(Ok(count))
        }
        Err(Errno::EAGAIN) => Attempt::Wait(events),
        Err(errno) => Attempt::Done(Err(errno)),
    }
}
