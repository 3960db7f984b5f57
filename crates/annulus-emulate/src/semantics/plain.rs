//! What most entries are: one that nothing is linked to, which has one result, a buffer of its own,
//! and no say about others. It is done as it is taken, and becomes a request only if it has to
//! wait.
//!
//! What is found here to be wrong, or out of the ordinary, is left alone: the entry is taken the
//! long way then, which says the same in the end.

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, Op, Sqe, SqeFlags};

use super::run::is_transfer;
use super::{Core, buffers, prepare};
use crate::queues::Completion;
use crate::world::{Attempt, Span, World};

/// Whether an entry says nothing that is out of the ordinary: then there is nothing in it to be
/// refused, or to be copied.
fn is_plain(sqe: &Sqe) -> bool {
    let is_bare = SqeFlags::FIXED_FILE.contains(sqe.flags);
    let is_known = match sqe.opcode {
        Op::NOP => sqe.rw_flags == 0,
        Op::READ | Op::WRITE | Op::READ_FIXED | Op::WRITE_FIXED => sqe.resv == 0,
        Op::SEND | Op::RECV => (sqe.off, sqe.splice_fd_in) == (0, 0),
        _ => false,
    };
    is_bare && is_known && (sqe.ioprio, sqe.personality) == (0, 0)
}

impl<W: World> Core<W> {
    /// Whether an entry that is taken now begins before all that is under way, and alone.
    fn begins_at_once(&self) -> bool {
        let is_held_back = self.drains || self.drains_next || self.closing;
        self.due.is_empty() && !is_held_back && !self.rules.is_restricted()
    }

    /// Does an entry that is in no chain. False: it is not plain, and nothing was done.
    pub(super) fn do_plain(&mut self, sqe: &Sqe) -> bool {
        if !is_plain(sqe) || !self.begins_at_once() {
            return false;
        }
        if sqe.opcode == Op::NOP {
            self.tell(Completion { user_data: sqe.user_data, ..Completion::default() });
            return true;
        }
        if self.attempt_plain(sqe).is_err() {
            return false;
        }
        true
    }

    /// Tries it, and tells what came of that.
    ///
    /// # Errors
    /// Whatever: there is something to be told of it before it can be tried.
    fn attempt_plain(&mut self, sqe: &Sqe) -> Result<(), Errno> {
        let is_fixed = sqe.flags.contains(SqeFlags::FIXED_FILE);
        let file = match is_fixed {
            true => self.files.untagged(sqe.fd as u32).cloned().ok_or(Errno::EBADF)?,
            false => self.world.file_for_now(sqe.fd)?,
        };
        let work = self.requests.draft(sqe);
        debug_assert!(
            prepare::prepare(self.user, self.flags, sqe, work).is_ok() || is_transfer(sqe.opcode),
            "{sqe:?}"
        );
        match sqe.opcode {
            Op::READ | Op::WRITE => {
                let span = Span { addr: sqe.addr, bytes: sqe.len as usize };
                self.user.check_span(span.clamped())?;
            }
            Op::READ_FIXED | Op::WRITE_FIXED if buffers::find(&self.buffers, work)?.is_some() => {
                return Err(Errno::EBUSY);
            }
            _ => {}
        }
        work.file = Some(file);
        match self.world.attempt(work) {
            Attempt::Done(result) => {
                let (res, flags) = match result {
                    Ok(count) => (count as i32, work.outcome.cflags),
                    // What was moved before is not lost.
                    Err(_) if work.done > 0 => (work.done as i32, CqeFlags::empty()),
                    Err(errno) => (-errno.raw(), CqeFlags::empty()),
                };
                work.file = None;
                self.tell(Completion { user_data: sqe.user_data, res, flags, big: None });
            }
            Attempt::Wait(events) => {
                let token = self.requests.adopt(sqe);
                self.wait(token, events);
            }
            Attempt::Blocks => {
                let token = self.requests.adopt(sqe);
                self.hand_over(token);
            }
        }
        Ok(())
    }
}
