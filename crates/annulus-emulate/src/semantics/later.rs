//! What begins, or goes on, a little later: what a thread of Linux waits for first, and what
//! multishots leave for the next round.

use annulus_ring::Errno;
use annulus_ring::abi::{
    AcceptFlags, MsgFlags, Op, PollEvents, RecvSendFlags, RwFlags, Sqe, SqeFlags,
};

use super::Core;
use super::request::State;
use super::run::keep;
use super::sockets::{is_bundle, is_multishot};
use crate::world::{Attempt, Token, Work, World};

/// How often a multishot goes on at once before others have their turn (`MULTISHOT_MAX_RETRY`).
const LOOPS_MAX: u32 = 32;

impl<W: World> Core<W> {
    /// Has a multishot that is a thread's wait before its first attempt: threads do not do it
    /// themselves. Whether it is that. One that sends finds that it need not wait, and ends: so it
    /// is on Linux.
    pub(super) fn goes_on_later(&mut self, token: Token) -> bool {
        let work = self.requests.get_mut(token).and_then(|request| request.work.as_mut());
        let Some(work) = work.filter(|work| work.sqe.flags.contains(SqeFlags::ASYNC)) else {
            return false;
        };
        if !waits_for_thread(&work.sqe) {
            self.see_thread(token);
            return false;
        }
        let Some(file) = &work.file else { return false };
        let (opcode, is_send) = (work.sqe.opcode, work.sqe.opcode == Op::SEND);
        if !self.world.is_pollable(file) {
            self.finish(token, Err(Errno::EBADFD));
            return true;
        }
        if !is_send {
            if opcode != Op::ACCEPT {
                work.sqe.rw_flags &= !MsgFlags::DONTWAIT.bits();
            }
            self.see_end(token);
            self.wait(token, PollEvents::IN);
            return true;
        }
        match self.is_ready(token, PollEvents::OUT) {
            false => self.wait(token, PollEvents::OUT),
            true => self.finish(token, Err(Errno::ECANCELED)),
        }
        true
    }

    /// Takes note of what Linux has a thread wait in: what was to wait first, and need not, is done
    /// to its end.
    fn see_thread(&mut self, token: Token) {
        let work = self.requests.get(token).and_then(|request| request.work.as_ref());
        let Some(work) = work.filter(|work| waits_first(&work.sqe)) else { return };
        let sends = matches!(work.sqe.opcode, Op::SEND | Op::SENDMSG);
        let is_ready = self.is_ready(token, if sends { PollEvents::OUT } else { PollEvents::IN });
        if let Some(request) = self.requests.get_mut(token) {
            request.in_thread = is_ready;
        }
    }

    /// Has what waits first go on later, since it need not. A multishot waits, where its stream has
    /// ended: it is woken once, since something is there.
    pub(super) fn go_on_first(&mut self, token: Token, events: PollEvents) {
        let Some(request) = self.requests.get(token) else { return };
        let has_several = is_multishot(request.opcode, request.ioprio());
        if has_several && self.see_end(token) {
            return self.wait(token, events);
        }
        self.go_on_later(token);
    }

    /// Takes note of whether a stream has ended that a request waits for first: nothing will wake
    /// it for that.
    fn see_end(&mut self, token: Token) -> bool {
        let has_ended = self.is_ready(token, PollEvents::RDHUP);
        if let Some(request) = self.requests.get_mut(token) {
            request.has_ended = has_ended;
        }
        has_ended
    }

    /// Whether the file of a request is one that is waited for, and is ready for it.
    pub(super) fn is_ready(&mut self, token: Token, events: PollEvents) -> bool {
        let work = self.requests.get(token).and_then(|request| request.work.as_ref());
        let Some(work) = work else { return false };
        let Some(file) = work.file.clone().filter(|file| self.world.is_pollable(file)) else {
            return false;
        };
        let asked = Sqe { opcode: Op::POLL_ADD, rw_flags: events.bits(), ..work.sqe };
        let mut look = Work { file: Some(file), ..Work::new(&asked) };
        !matches!(self.world.attempt(&mut look), Attempt::Wait(_))
    }

    /// Whether a multishot read has read for the first time: others have their turn before it goes
    /// on, though there is more.
    pub(super) fn reads_on_later(&self, token: Token) -> bool {
        let request = self.requests.get(token);
        request.is_some_and(|found| found.opcode == Op::READ_MULTISHOT && !found.was_polled)
    }

    /// Has it go on in the next round, as if its file had become ready. Until then a cancel finds a
    /// multishot, and no other: that waits for nothing.
    pub(super) fn go_on_later(&mut self, token: Token) {
        let Some(request) = self.requests.get_mut(token) else { return };
        let Some(file) = request.work.as_mut().and_then(|work| work.file.as_mut()) else { return };
        if let Err(errno) = keep(&mut self.world, file) {
            return self.give_up(token, errno);
        }
        let ioprio = request.ioprio();
        if is_multishot(request.opcode, ioprio) {
            request.state = State::Watching;
        }
        self.due.push_back(token);
    }

    /// Whether a multishot has gone on so often that others have their turn, counted over all its
    /// turns. What is sent of a group has an end, and is not waited for.
    pub(super) fn has_looped(&mut self, token: Token) -> bool {
        let request = self.requests.get_mut(token).filter(|found| found.opcode != Op::SEND);
        request.is_some_and(|request| {
            request.loops = (request.loops + 1) % (LOOPS_MAX + 1);
            request.loops == 0
        })
    }

    /// Lets others have their turn, before it goes on with what may be there.
    pub(super) fn wait_again(&mut self, token: Token) {
        if let Some(work) = self.requests.get_mut(token).and_then(|r| r.work.as_mut()) {
            work.outcome.is_drained = false;
        }
        self.wait(token, PollEvents::IN);
    }

    /// Whether a multishot read is not to wait, and has not: it reads once, though there is more.
    pub(super) fn reads_once(&self, token: Token) -> bool {
        let Some(request) = self.requests.get(token) else { return false };
        let flags = request.work.as_ref().map_or(0, |work| work.sqe.rw_flags);
        let may_wait = !RwFlags(flags).contains(RwFlags::NOWAIT);
        request.opcode == Op::READ_MULTISHOT && !may_wait && !request.was_polled
    }

    /// Has a multishot wait for more; unless it is not to wait, and has not.
    pub(super) fn wait_for_more(&mut self, token: Token, events: PollEvents) {
        let Some(request) = self.requests.get(token) else { return };
        let flags = request.work.as_ref().map_or(0, |work| work.sqe.rw_flags);
        let may_wait = match request.opcode {
            Op::RECV | Op::RECVMSG => !MsgFlags(flags).contains(MsgFlags::DONTWAIT),
            Op::ACCEPT => !AcceptFlags(request.ioprio()).contains(AcceptFlags::DONTWAIT),
            _ => !self.reads_once(token),
        };
        if !may_wait && !request.was_polled {
            return self.finish(token, Err(Errno::EAGAIN));
        }
        // Nothing comes that would wake it. Linux looks again only if something has since it waits.
        let is_ready = |work: &Work<W::File>| {
            work.outcome.is_ready && !(work.outcome.is_drained && request.has_ended)
        };
        if request.work.as_ref().is_some_and(is_ready) {
            return self.go_on_later(token);
        }
        self.wait(token, events);
    }
}

/// Whether an entry is a thread's, which has it wait before its first attempt: not earlier than
/// that a time limits it.
pub(super) fn waits_for_thread(sqe: &Sqe) -> bool {
    let has_several =
        sqe.opcode == Op::SEND && is_bundle(sqe) || is_multishot(sqe.opcode, sqe.ioprio);
    sqe.flags.contains(SqeFlags::ASYNC) && has_several
}

/// Whether an entry is to wait before it is first tried.
pub(super) fn waits_first(sqe: &Sqe) -> bool {
    match sqe.opcode {
        Op::RECV | Op::RECVMSG | Op::SEND | Op::SENDMSG | Op::SEND_ZC | Op::SENDMSG_ZC => {
            RecvSendFlags(sqe.ioprio).contains(RecvSendFlags::POLL_FIRST)
        }
        Op::ACCEPT => AcceptFlags(sqe.ioprio).contains(AcceptFlags::POLL_FIRST),
        _ => false,
    }
}
