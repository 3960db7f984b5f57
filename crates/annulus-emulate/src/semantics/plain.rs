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
use crate::world::{Attempt, Span, Work, World};

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
        let prepare = |work: &mut Work<W::File>| prepare::prepare(self.user, self.flags, sqe, work);
        debug_assert!(
            prepare(&mut Work::new(sqe)).is_ok() || is_transfer(sqe.opcode),
            "nothing to be refused: {sqe:?}"
        );
        let named;
        let file = match sqe.flags.contains(SqeFlags::FIXED_FILE) {
            true => self.files.untagged(sqe.fd as u32).ok_or(Errno::EBADF)?,
            false => {
                named = self.world.file_for_now(sqe.fd)?;
                &named
            }
        };
        // Most need no room for work at all.
        if let Some((attempt, outcome)) = self.world.transfer(file, sqe) {
            if let Attempt::Done(result) = attempt {
                self.tell_plain(sqe, result, outcome.cflags);
                return Ok(());
            }
            let file = file.clone();
            let work = self.requests.draft(sqe);
            (work.file, work.outcome) = (Some(file), outcome);
            self.go_on_plain(sqe, attempt);
            return Ok(());
        }
        let file = file.clone();
        let work = self.requests.draft(sqe);
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
        let attempt = self.world.attempt(work);
        let Attempt::Done(result) = attempt else {
            self.go_on_plain(sqe, attempt);
            return Ok(());
        };
        let (done, cflags) = (work.done, work.outcome.cflags);
        work.file = None;
        match result {
            // What was moved before is not lost.
            Err(_) if done > 0 => self.tell_plain(sqe, Ok(done), CqeFlags::empty()),
            result => self.tell_plain(sqe, result, cflags),
        }
        Ok(())
    }

    /// Tells what came of an entry that is no request.
    fn tell_plain(&mut self, sqe: &Sqe, result: Result<u32, Errno>, cflags: CqeFlags) {
        let (res, flags) = match result {
            Ok(count) => (count as i32, cflags),
            Err(errno) => (-errno.raw(), CqeFlags::empty()),
        };
        self.tell(Completion { user_data: sqe.user_data, res, flags, big: None });
    }

    /// Makes a request of the last draft, which is not done yet.
    fn go_on_plain(&mut self, sqe: &Sqe, attempt: Attempt) {
        let token = self.requests.adopt(sqe);
        match attempt {
            Attempt::Wait(events) => self.wait(token, events),
            Attempt::Blocks => self.hand_over(token),
            Attempt::Done(result) => self.finish(token, result),
        }
    }
}
