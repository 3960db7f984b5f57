//! What a ring does by itself: nothing, cancels, times, and changes of what others wait for.

use annulus_ring::Errno;
use annulus_ring::abi::{Op, PollEvents, PollFlags};

use super::Core;
use super::request::State;
use crate::world::{Token, World};

impl<W: World> Core<W> {
    /// Begins a request of the ring's own kind. Whether it is one.
    pub(super) fn begin_control(&mut self, token: Token) -> bool {
        let Some(sqe) = self.entry(token) else { return true };
        match sqe.opcode {
            Op::NOP => self.do_nothing(token, &sqe),
            Op::TIMEOUT => self.begin_time(token),
            // It comes behind nothing that it could limit.
            Op::LINK_TIMEOUT => self.finish(token, Err(Errno::ECANCELED)),
            Op::TIMEOUT_REMOVE => self.change_timeout(token),
            Op::ASYNC_CANCEL => self.cancel_entry(token),
            Op::POLL_REMOVE => self.change_poll(token),
            _ => return self.begin_with_table(token, &sqe),
        }
        true
    }

    /// `POLL_REMOVE`: ends a poll, or changes what it waits for and what it is called.
    fn change_poll(&mut self, token: Token) {
        let Some(sqe) = self.entry(token) else { return };
        let found = self.requests.iter().find(|(_, request)| {
            request.opcode == Op::POLL_ADD
                && request.state == State::Watching
                && request.user_data == sqe.addr
        });
        let Some((target, _)) = found else { return self.finish(token, Err(Errno::ENOENT)) };
        let flags = PollFlags(sqe.len);
        let updates = PollFlags::UPDATE_EVENTS | PollFlags::UPDATE_USER_DATA;
        if !flags.intersects(updates) {
            self.world.unwatch(target);
            self.finish(target, Err(Errno::ECANCELED));
            return self.finish(token, Ok(0));
        }
        self.world.unwatch(target);
        if let Some(request) = self.requests.get_mut(target) {
            request.state = State::Begun;
            if flags.contains(PollFlags::UPDATE_USER_DATA) {
                request.user_data = sqe.off;
            }
            if let Some(work) = &mut request.work {
                if flags.contains(PollFlags::UPDATE_EVENTS) {
                    work.sqe.rw_flags = PollEvents(sqe.rw_flags).bits();
                }
                let multi = flags.bits() & PollFlags::ADD_MULTI.bits();
                work.sqe.len = work.sqe.len & !PollFlags::ADD_MULTI.bits() | multi;
            }
        }
        self.attempt(target);
        self.finish(token, Ok(0));
    }
}
