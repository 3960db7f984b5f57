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

    /// Closes a number of the process. Linux closes the file when it returns to the program: those
    /// that begin in the same round find that it is open still.
    fn close(&mut self, token: Token, fd: RawFd) {
        // Without a descriptor left for it, it is closed a little earlier.
        if !self.due.is_empty()
            && let Ok(file) = self.world.file(fd).and_then(|file| self.world.keep(file))
        {
            self.world.hold(file);
        }
        let closed = self.world.close(fd);
        self.finish(token, closed.map(|()| 0));
    }
}
