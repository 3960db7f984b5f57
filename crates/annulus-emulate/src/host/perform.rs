//! The work itself, by system calls: tried without waiting, or done to its end on a thread that may
//! wait.

use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::{FsyncFlags, MsgFlags, Op, PollEvents, RwFlags, Sqe};

use super::machine::File;
use super::sys;
use crate::world::{Attempt, Span, Stable, Work};

type HostWork = Work<File>;

/// The number by which a piece of work knows its file.
fn number(work: &HostWork) -> Result<RawFd, Errno> {
    work.file.as_ref().map(File::raw).ok_or(Errno::EBADF)
}

/// What is left of the buffer of an entry that has one.
fn piece(work: &HostWork) -> Span {
    let Sqe { addr, len, .. } = work.sqe;
    Span { addr, bytes: len as usize }.after(work.done as usize)
}

/// The offset of what is left.
fn offset(sqe: &Sqe, done: u32) -> u64 {
    if sqe.off == u64::MAX { u64::MAX } else { sqe.off.wrapping_add(u64::from(done)) }
}

/// Tries it without waiting.
pub(super) fn attempt(work: &mut HostWork) -> Attempt {
    match work.sqe.opcode {
        Op::READ | Op::READV => transfer(work, sys::read, PollEvents::IN),
        Op::WRITE | Op::WRITEV => transfer(work, sys::write, PollEvents::OUT),
        Op::RECV => socket(work, sys::recv, PollEvents::IN),
        Op::SEND => socket(work, sys::send, PollEvents::OUT),
        Op::POLL_ADD => poll(work),
        Op::FSYNC => Attempt::Blocks,
        _ => Attempt::Done(Err(Errno::EOPNOTSUPP)),
    }
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

/// The pieces that are left after so many bytes.
fn rest(pieces: &[Span], mut done: usize) -> Vec<Span> {
    let left = pieces.iter().map(|piece| {
        let left = piece.after(done);
        done -= piece.bytes - left.bytes;
        left
    });
    left.filter(|piece| piece.bytes > 0).collect()
}

/// How many bytes are wanted in all.
fn total(work: &HostWork) -> usize {
    match &work.stable {
        Stable::Pieces(pieces) => pieces.iter().map(|piece| piece.bytes).sum(),
        _ => work.sqe.len as usize,
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

fn poll(work: &HostWork) -> Attempt {
    let found = number(work).and_then(|fd| sys::poll(fd, work.sqe.rw_flags));
    match found {
        Ok(0) => Attempt::Wait(PollEvents(work.sqe.rw_flags)),
        found => Attempt::Done(found),
    }
}

/// Does it, however long it takes.
pub(super) fn to_the_end(work: &mut HostWork) -> Result<u32, Errno> {
    match work.sqe.opcode {
        Op::READ | Op::READV => transfer_all(work, sys::read),
        Op::WRITE | Op::WRITEV => transfer_all(work, sys::write),
        Op::FSYNC => {
            let flags = FsyncFlags(work.sqe.rw_flags);
            sys::sync(number(work)?, flags.contains(FsyncFlags::DATASYNC))
        }
        _ => Err(Errno::EOPNOTSUPP),
    }
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
