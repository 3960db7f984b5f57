//! What a ring does by itself: nothing, cancels, times, and changes of what others wait for.

use std::os::fd::RawFd;

use annulus_ring::Errno;
use annulus_ring::abi::Op;

use super::Core;
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
            Op::CLOSE if sqe.splice_fd_in == 0 => self.close(token, sqe.fd),
            _ => {
                return self.begin_with_table(token, &sqe) || self.begin_with_group(token, &sqe);
            }
        }
        true
    }

    /// Closes a number of the process. Linux ends the file a little later: those that begin in the
    /// same round, or in the next, may find that it is open still.
    fn close(&mut self, token: Token, fd: RawFd) {
        let has_next = self.requests.get(token).is_some_and(|request| request.next.is_some());
        // Without a descriptor left for it, it is closed a little earlier.
        if self.holds_closed(has_next)
            && let Ok(file) = self.world.file(fd).and_then(|file| self.world.keep(file))
        {
            self.closed.hold(file);
        }
        let closed = self.world.close(fd);
        self.finish(token, closed.map(|()| 0));
    }

    /// Whether anybody may find open what is closed now: those of this round, or, where they come
    /// early enough, those behind them. `has_next`: one is linked behind what closes it.
    fn holds_closed(&self, has_next: bool) -> bool {
        let has_behind = has_next || !self.behind.is_empty();
        !self.due.is_empty() || has_behind && self.closed.outlives_round()
    }
}
