//! Sends and receives as most are: of one piece, with no wish but not to be raised a signal.

use core::ffi::c_int;

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, MsgFlags, Op, PollEvents, RecvSendFlags, Sqe};

use super::transfer::see_what_is_left;
use crate::host::machine::File;
use crate::host::perform::HostWork;
use crate::host::sys;
use crate::world::{Attempt, Outcome, Span, Stable};

/// The flags of a call that does not wait.
const FLAGS: c_int = (MsgFlags::DONTWAIT.0 | MsgFlags::NOSIGNAL.0) as c_int;

/// Whether an entry, of which nothing was copied, is one of these: what a multishot does each time
/// is.
pub(in crate::host) fn is_plain(sqe: &Sqe) -> bool {
    matches!(sqe.opcode, Op::SEND | Op::RECV)
        && MsgFlags::NOSIGNAL.contains(MsgFlags(sqe.rw_flags))
        && RecvSendFlags::RECV_MULTISHOT.contains(RecvSendFlags(sqe.ioprio))
}

/// Whether a piece of work is, of which nothing is done.
pub(in crate::host::perform) fn is_plain_work(work: &HostWork) -> bool {
    is_plain(&work.sqe) && matches!(work.stable, Stable::None) && work.done == 0
}

/// Tries it, with what else there is to say of it; but for what is left, where that may be seen
/// later.
#[inline(always)]
pub(in crate::host) fn transfer(file: &File, sqe: &Sqe, may_see_later: bool) -> (Attempt, Outcome) {
    let all = Span { addr: sqe.addr, bytes: sqe.len as usize }.clamped();
    match sqe.opcode {
        Op::SEND => judge(sys::net::send(file.raw(), all, FLAGS), PollEvents::OUT),
        _ => receive(file, all, RecvSendFlags(sqe.ioprio), may_see_later),
    }
}

/// What the completion of a receive says of what is left.
pub(in crate::host) fn what_is_left(file: &File) -> CqeFlags {
    let mut outcome = Outcome::default();
    see_what_is_left(file, RecvSendFlags::empty(), &mut outcome);
    outcome.cflags
}

/// The same, of a piece of work.
pub(in crate::host::perform) fn attempt(work: &mut HostWork) -> Attempt {
    let Some(file) = &work.file else { return Attempt::Done(Err(Errno::EBADF)) };
    let (attempt, outcome) = transfer(file, &work.sqe, false);
    if let Attempt::Done(Ok(count)) = attempt {
        work.done = count;
    }
    work.outcome = outcome;
    attempt
}

#[inline(always)]
fn receive(file: &File, to: Span, flags: RecvSendFlags, may_see_later: bool) -> (Attempt, Outcome) {
    let is_calm = file.take_calm();
    let got = sys::net::recv(file.raw(), to, FLAGS);
    let (attempt, mut outcome) = judge(got, PollEvents::IN);
    match got {
        // A stream that gave less than there was room for has no more, and goes on.
        Ok(count) if is_calm && count > 0 && (count as usize) < to.bytes && file.is_stream() => {
            outcome.is_drained = true;
        }
        // What came short took all there was: that more comes, or the end, can be seen later.
        Ok(count) if may_see_later && count > 0 && (count as usize) < to.bytes => {
            outcome.is_unseen = true;
        }
        Ok(_) => see_what_is_left(file, flags, &mut outcome),
        Err(Errno::EAGAIN) => outcome.is_drained = file.is_stream(),
        Err(_) => {}
    }
    (attempt, outcome)
}

/// What became of it.
#[inline]
fn judge(moved: Result<u32, Errno>, events: PollEvents) -> (Attempt, Outcome) {
    let attempt = match moved {
        Err(Errno::EAGAIN) => Attempt::Wait(events),
        moved => Attempt::Done(moved),
    };
    (attempt, Outcome { is_last: moved == Ok(0), ..Outcome::default() })
}
