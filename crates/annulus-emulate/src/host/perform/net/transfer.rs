//! Sends and receives.

use core::ffi::c_int;

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, MsgFlags, Op, PollEvents, RecvSendFlags};

use super::is_readable;
use crate::host::machine::File;
use crate::host::perform::{HostWork, number, piece, rest, total};
use crate::host::sys;
use crate::world::{Attempt, Message, Outcome, Span, Stable};

/// Whether an entry is to wait before its first attempt; the second time it is not.
fn polls_first(work: &mut HostWork) -> bool {
    let flags = RecvSendFlags(work.sqe.ioprio);
    work.sqe.ioprio = flags.difference(RecvSendFlags::POLL_FIRST).bits();
    flags.contains(RecvSendFlags::POLL_FIRST)
}

/// Waits before the first attempt; one that does not wait is over before it.
fn wait_first(work: &HostWork, events: PollEvents) -> Result<Attempt, Errno> {
    match MsgFlags(work.sqe.rw_flags).contains(MsgFlags::DONTWAIT) {
        true => Err(Errno::EAGAIN),
        false => Ok(Attempt::Wait(events)),
    }
}

/// The flags of a call that does not wait.
fn flags(work: &HostWork) -> MsgFlags {
    MsgFlags(work.sqe.rw_flags) | MsgFlags::DONTWAIT | MsgFlags::NOSIGNAL
}

/// What is left of a message after what was moved before.
fn left(work: &HostWork) -> Option<Vec<Span>> {
    match &work.stable {
        Stable::Message(message) => Some(rest(&message.pieces, work.done as usize)),
        Stable::Pieces(pieces) => Some(rest(pieces, work.done as usize)),
        _ => None,
    }
}

/// A send. A bundle sends all of it, or ends.
pub(super) fn send(work: &mut HostWork) -> Result<Attempt, Errno> {
    let fd = number(work)?;
    if polls_first(work) {
        sys::net::option(fd, libc::SO_TYPE)?;
        return wait_first(work, PollEvents::OUT);
    }
    let flags = flags(work).bits() as c_int;
    let left = left(work);
    let sent = match (&mut work.stable, left) {
        (Stable::Message(message), Some(left)) => {
            if work.done > 0 {
                // It went with the first part.
                message.control = Span::default();
            }
            sys::net::sendmsg(fd, message, &left, flags)
        }
        (_, Some(left)) => sys::net::sendmsg(fd, &Message::default(), &left, flags),
        _ => sys::net::send(fd, piece(work), flags),
    };
    Ok(judge(work, sent, PollEvents::OUT))
}

/// A send that need not copy: it does, and its notification says so.
pub(super) fn send_zero_copy(work: &mut HostWork) -> Result<Attempt, Errno> {
    let fd = number(work)?;
    let kind = sys::net::option(fd, libc::SO_TYPE)?;
    let is_internet = work.file.as_ref().is_some_and(File::is_internet);
    if !is_internet || !matches!(kind, libc::SOCK_STREAM | libc::SOCK_DGRAM) {
        return Err(Errno::EOPNOTSUPP);
    }
    send(work)
}

/// A receive.
pub(super) fn receive(work: &mut HostWork) -> Result<Attempt, Errno> {
    let fd = number(work)?;
    if polls_first(work) {
        if work.sqe.opcode == Op::RECVMSG {
            sys::net::option(fd, libc::SO_TYPE)?;
        }
        // Whatever it is: a pipe that does not become ready is not told that it is no socket.
        work.outcome = Outcome::default();
        return wait_first(work, PollEvents::IN);
    }
    let asked = flags(work);
    let flags = asked.bits() as c_int;
    let wants_all = asked.contains(MsgFlags::WAITALL);
    // Only a message says whether it was cut off.
    let left = left(work).or_else(|| wants_all.then(|| vec![piece(work)]));
    let mut plain = Message::default();
    let got = match (&mut work.stable, left) {
        (Stable::Message(message), Some(left)) => sys::net::recvmsg(fd, message, &left, flags),
        (_, Some(left)) => sys::net::recvmsg(fd, &mut plain, &left, flags),
        _ => sys::net::recv(fd, piece(work), flags),
    };
    let received = if let Stable::Message(message) = &work.stable { message } else { &plain };
    let is_cut_off = got.is_ok()
        && MsgFlags(received.received.flags).intersects(MsgFlags::TRUNC | MsgFlags::CTRUNC);
    let events = if asked.contains(MsgFlags::ERRQUEUE) { PollEvents::ERR } else { PollEvents::IN };
    let attempt = judge(work, got, events);
    if matches!(attempt, Attempt::Done(Ok(_))) {
        work.outcome.is_broken |= wants_all && is_cut_off;
        if let Some(file) = &work.file {
            see_what_is_left(file, RecvSendFlags(work.sqe.ioprio), &mut work.outcome);
        }
    }
    Ok(attempt)
}

/// What became of a transfer.
fn judge(work: &mut HostWork, moved: Result<u32, Errno>, events: PollEvents) -> Attempt {
    let asked = MsgFlags(work.sqe.rw_flags);
    let is_bundle = RecvSendFlags(work.sqe.ioprio).contains(RecvSendFlags::BUNDLE);
    let wants_all = asked.contains(MsgFlags::WAITALL) || is_bundle && events == PollEvents::OUT;
    let may_wait = !asked.contains(MsgFlags::DONTWAIT);
    work.outcome = Outcome::default();
    match moved {
        Ok(count) => {
            work.done += count;
            let is_short = wants_all && (work.done as usize) < total(work);
            let goes_on = may_wait && !(is_bundle && events == PollEvents::OUT);
            if is_short && count > 0 && goes_on && is_sequence(work) {
                return Attempt::Wait(events);
            }
            work.outcome.is_broken = is_short;
            work.outcome.is_last = count == 0;
            Attempt::Done(Ok(work.done))
        }
        Err(Errno::EAGAIN) if may_wait => Attempt::Wait(events),
        Err(_) if work.done > 0 => {
            (work.outcome.is_broken, work.outcome.is_last) = (true, true);
            Attempt::Done(Ok(work.done))
        }
        Err(errno) => Attempt::Done(Err(errno)),
    }
}

/// Whether what is sent over it has an order: part of it may be followed by the rest.
fn is_sequence(work: &HostWork) -> bool {
    work.file.as_ref().is_some_and(File::is_sequence)
}

/// What Linux says of the streams that know it: whether there is more. After the end of a TCP
/// stream there is, since that has still to be told.
pub(super) fn see_what_is_left(file: &File, flags: RecvSendFlags, outcome: &mut Outcome) {
    let is_readable = is_readable(file.raw());
    let is_multishot = flags.contains(RecvSendFlags::RECV_MULTISHOT);
    // Others do not know: what is readable there is found by trying.
    if !is_readable && !is_multishot || !file.is_stream() {
        return;
    }
    let has_more = is_readable && {
        let queued = sys::net::queue_bytes(file.raw(), libc::FIONREAD);
        queued.is_ok_and(|bytes| bytes > 0) || file.is_internet() && sys::net::has_ended(file.raw())
    };
    if has_more {
        outcome.cflags |= CqeFlags::SOCK_NONEMPTY;
    }
    outcome.is_drained = !has_more;
    // Its end is still to be told.
    outcome.is_ready = is_readable && !has_more;
}
