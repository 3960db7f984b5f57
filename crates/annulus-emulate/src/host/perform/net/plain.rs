//! Sends and receives as most are: of one piece, with no wish but not to be raised a signal.

use core::ffi::c_int;

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, MsgFlags, Op, PollEvents, RecvSendFlags, Sqe};

use super::transfer::see_what_is_left;
use crate::host::machine::File;
use crate::host::perform::HostWork;
use crate::host::sys;
use crate::world::{Attempt, Outcome, Span, Stable, Transfer};

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

/// All that an entry names.
#[inline(always)]
fn span(sqe: &Sqe) -> Span {
    Span { addr: sqe.addr, bytes: sqe.len as usize }.clamped()
}

/// Tries what an entry asks for, which is no work yet. `may_see_later`: what is left may be seen
/// then.
#[inline(always)]
pub(in crate::host) fn transfer(file: &File, sqe: &Sqe, may_see_later: bool) -> Transfer {
    let all = span(sqe);
    if sqe.opcode == Op::SEND {
        return match sys::net::send(file.raw(), all, FLAGS) {
            Err(Errno::EAGAIN) => Transfer::Wait(PollEvents::OUT, Outcome::default()),
            sent => Transfer::Done(sent, CqeFlags::empty()),
        };
    }
    let is_calm = file.take_calm();
    match sys::net::recv(file.raw(), all, FLAGS) {
        Ok(count) if has_taken_all(file, count, all, is_calm) => {
            Transfer::Done(Ok(count), CqeFlags::empty())
        }
        // That more comes, or the end, can be seen later.
        Ok(count) if may_see_later && is_short(count, all) => Transfer::Unseen(count),
        Ok(count) => Transfer::Done(Ok(count), what_is_left(file)),
        Err(Errno::EAGAIN) => {
            let is_drained = file.is_stream();
            Transfer::Wait(PollEvents::IN, Outcome { is_drained, ..Outcome::default() })
        }
        Err(errno) => Transfer::Done(Err(errno), CqeFlags::empty()),
    }
}

/// What the completion of a receive says of what is left.
pub(in crate::host) fn what_is_left(file: &File) -> CqeFlags {
    let mut outcome = Outcome::default();
    see_what_is_left(file, RecvSendFlags::empty(), &mut outcome);
    outcome.cflags
}

/// Tries a piece of work, with what else there is to say of it.
pub(in crate::host::perform) fn attempt(work: &mut HostWork) -> Attempt {
    let Some(file) = &work.file else { return Attempt::Done(Err(Errno::EBADF)) };
    let all = span(&work.sqe);
    let (attempt, outcome) = match work.sqe.opcode {
        Op::SEND => judge(sys::net::send(file.raw(), all, FLAGS), PollEvents::OUT),
        _ => receive(file, all, RecvSendFlags(work.sqe.ioprio)),
    };
    if let Attempt::Done(Ok(count)) = attempt {
        work.done = count;
    }
    work.outcome = outcome;
    attempt
}

fn receive(file: &File, to: Span, flags: RecvSendFlags) -> (Attempt, Outcome) {
    let is_calm = file.take_calm();
    let got = sys::net::recv(file.raw(), to, FLAGS);
    let (attempt, mut outcome) = judge(got, PollEvents::IN);
    match got {
        Ok(count) if has_taken_all(file, count, to, is_calm) => outcome.is_drained = true,
        Ok(_) => see_what_is_left(file, flags, &mut outcome),
        Err(Errno::EAGAIN) => outcome.is_drained = file.is_stream(),
        Err(_) => {}
    }
    (attempt, outcome)
}

/// Whether something was received, and took all that there was.
#[inline(always)]
fn is_short(count: u32, to: Span) -> bool {
    count > 0 && (count as usize) < to.bytes
}

/// Whether it is known that a receive has left nothing: a stream that gave less than there was room
/// for has no more, and goes on.
#[inline(always)]
fn has_taken_all(file: &File, count: u32, to: Span, is_calm: bool) -> bool {
    is_calm && is_short(count, to) && file.is_stream()
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
