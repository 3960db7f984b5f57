//! SPLICE, TEE, PIPE.

use std::os::fd::IntoRawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{Op, OpenFlags, SpliceFlags};

use super::{HostWork, number};
use crate::host::machine::File;
use crate::host::sys;
use crate::world::{Attempt, Stable};

/// A thread does it, as on Linux: what is behind a pipe may block whatever the flags say.
pub(super) fn attempt(work: &HostWork) -> Attempt {
    if work.sqe.len == 0 { Attempt::Done(Ok(0)) } else { Attempt::Blocks }
}

/// The place that an entry names; −1 is the file's own position.
fn place(at: u64) -> Option<i64> {
    (at != u64::MAX).then_some(at as i64)
}

/// SPLICE and TEE.
pub(super) fn splice(work: &mut HostWork) -> Result<u32, Errno> {
    let sqe = work.sqe;
    let to = number(work)?;
    let from = work.second.as_ref().map(File::raw).ok_or(Errno::EBADF)?;
    let flags = SpliceFlags(sqe.rw_flags).difference(SpliceFlags::FD_IN_FIXED).bits();
    let bytes = sqe.len as usize;
    let moved = match sqe.opcode {
        Op::TEE => sys::pipe::tee(from, to, bytes, flags),
        _ => sys::pipe::splice((from, place(sqe.addr)), (to, place(sqe.off)), bytes, flags),
    };
    work.outcome.is_broken = moved.is_ok_and(|count| count != sqe.len);
    moved
}

/// PIPE: to numbers of the process, or to numbers that the table of files is to have.
pub(super) fn pipe(work: &mut HostWork) -> Result<u32, Errno> {
    let flags = work.sqe.rw_flags;
    if work.sqe.splice_fd_in == 0 {
        return sys::pipe::pipe_at(work.sqe.addr, flags);
    }
    if flags & OpenFlags::CLOEXEC.bits() != 0 {
        return Err(Errno::EINVAL);
    }
    let ends = sys::pipe::pipe(flags | OpenFlags::CLOEXEC.bits())?;
    work.stable = Stable::Ends(ends.map(IntoRawFd::into_raw_fd));
    Ok(0)
}
