//! Reads, writes, syncs and polls.

use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{FsyncFlags, Op, PollEvents, RwFlags, Sqe};

use super::{HostWork, number, piece, rest, total};
use crate::host::machine::File;
use crate::host::sys;
use crate::world::{Attempt, Span, Stable};

/// The offset of what is left.
fn offset(sqe: &Sqe, done: u32) -> u64 {
    if sqe.off == u64::MAX { u64::MAX } else { sqe.off.wrapping_add(u64::from(done)) }
}

/// Tries it without waiting. `None`: it is of another family.
pub(super) fn attempt(work: &mut HostWork) -> Option<Attempt> {
    Some(match work.sqe.opcode {
        Op::READ | Op::READV | Op::READ_FIXED | Op::READV_FIXED => {
            transfer(work, sys::read, PollEvents::IN)
        }
        Op::WRITE | Op::WRITEV | Op::WRITE_FIXED | Op::WRITEV_FIXED => {
            transfer(work, sys::write, PollEvents::OUT)
        }
        Op::POLL_ADD => poll(work),
        Op::FSYNC => Attempt::Blocks,
        _ => return None,
    })
}

/// `preadv2` or `pwritev2`.
type Transfer = fn(RawFd, &[Span], u64, u32) -> Result<u32, Errno>;

/// Reads or writes what is left, with these flags beside the entry's.
fn transfer_part(work: &HostWork, call: Transfer, more: RwFlags) -> Result<u32, Errno> {
    let fd = number(work)?;
    let flags = work.sqe.rw_flags | more.bits();
    let at = offset(&work.sqe, work.done);
    match &work.stable {
        Stable::Pieces(pieces) => call(fd, &rest(pieces, work.done as usize), at, flags),
        _ => call(fd, &[piece(work)], at, flags),
    }
}

fn transfer(work: &mut HostWork, call: Transfer, events: PollEvents) -> Attempt {
    let file = work.file.as_ref();
    let may_wait = !RwFlags(work.sqe.rw_flags).contains(RwFlags::NOWAIT);
    let is_pollable = file.is_some_and(File::is_pollable);
    match transfer_part(work, call, RwFlags::NOWAIT) {
        Ok(count) => {
            work.done += count;
            // Of a file a part may have been at hand: a thread gets the rest, or finds the end.
            let goes_on = count > 0 && !is_pollable && (work.done as usize) < total(work);
            if goes_on && may_wait { Attempt::Blocks } else { Attempt::Done(Ok(work.done)) }
        }
        Err(Errno::EAGAIN | Errno::EINTR) if may_wait && is_pollable => Attempt::Wait(events),
        Err(Errno::EAGAIN | Errno::EOPNOTSUPP | Errno::EINTR) if may_wait => Attempt::Blocks,
        // Positions are not for pipes and sockets, and io_uring does not look at them there.
        Err(Errno::ESPIPE) if work.sqe.off != u64::MAX => {
            work.sqe.off = u64::MAX;
            transfer(work, call, events)
        }
        Err(errno) => Attempt::Done(Err(errno)),
    }
}

fn poll(work: &HostWork) -> Attempt {
    let found = number(work).and_then(|fd| sys::poll(fd, work.sqe.rw_flags));
    match found {
        Ok(0) => Attempt::Wait(PollEvents(work.sqe.rw_flags)),
        found => Attempt::Done(found),
    }
}

/// Does it, however long it takes. `None`: it is of another family.
pub(super) fn to_the_end(work: &mut HostWork) -> Option<Result<u32, Errno>> {
    Some(match work.sqe.opcode {
        Op::READ | Op::READV | Op::READ_FIXED | Op::READV_FIXED => transfer_all(work, sys::read),
        Op::WRITE | Op::WRITEV | Op::WRITE_FIXED | Op::WRITEV_FIXED => {
            transfer_all(work, sys::write)
        }
        Op::FSYNC => {
            let flags = FsyncFlags(work.sqe.rw_flags);
            number(work).and_then(|fd| sys::sync(fd, flags.contains(FsyncFlags::DATASYNC)))
        }
        _ => return None,
    })
}

fn transfer_all(work: &mut HostWork, call: Transfer) -> Result<u32, Errno> {
    loop {
        match transfer_part(work, call, RwFlags::empty()) {
            Ok(count) => {
                work.done += count;
                if count == 0 || work.done as usize >= total(work) {
                    return Ok(work.done);
                }
            }
            Err(Errno::EINTR) if work.done == 0 => return Err(Errno::EINTR),
            Err(_) if work.done > 0 => return Ok(work.done),
            Err(errno) => return Err(errno),
        }
    }
}
