//! Sockets.

use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{MsgFlags, Op, PollEvents};

use super::{HostWork, number, piece};
use crate::host::sys;
use crate::world::{Attempt, Span};

/// Tries it without waiting. `None`: it is of another family.
pub(super) fn attempt(work: &mut HostWork) -> Option<Attempt> {
    Some(match work.sqe.opcode {
        Op::RECV => socket(work, sys::recv, PollEvents::IN),
        Op::SEND => socket(work, sys::send, PollEvents::OUT),
        _ => return None,
    })
}

/// Does it, however long it takes. `None`: it is of another family.
pub(super) fn to_the_end(_: &mut HostWork) -> Option<Result<u32, Errno>> {
    None
}

fn socket(
    work: &mut HostWork,
    call: fn(RawFd, Span, core::ffi::c_int) -> Result<u32, Errno>,
    events: PollEvents,
) -> Attempt {
    let fd = match number(work) {
        Ok(fd) => fd,
        Err(errno) => return Attempt::Done(Err(errno)),
    };
    let asked = MsgFlags(work.sqe.rw_flags);
    let wants_all = asked.contains(MsgFlags::WAITALL);
    let flags = asked.difference(MsgFlags::WAITALL) | MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL;
    match call(fd, piece(work), flags.bits() as core::ffi::c_int) {
        Ok(count) => {
            work.done += count;
            if wants_all && count > 0 && work.done < work.sqe.len {
                return Attempt::Wait(events);
            }
            Attempt::Done(Ok(work.done))
        }
        Err(Errno::EAGAIN) if !asked.contains(MsgFlags::DONTWAIT) => Attempt::Wait(events),
        Err(_) if work.done > 0 => Attempt::Done(Ok(work.done)),
        Err(errno) => Attempt::Done(Err(errno)),
    }
}
