//! What most entries are: one that nothing is linked to, which has one result, a buffer of its own,
//! and no say about others. It is done as it is taken, and becomes a request only if it has to
//! wait.
//!
//! What is found here to be wrong, or out of the ordinary, is left alone: the entry is taken the
//! long way then, which says the same in the end.

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, Op, PollEvents, Sqe, SqeFlags};

use super::run::is_transfer;
use super::{Core, buffers, prepare};
use crate::queues::Completion;
use crate::world::{Attempt, Outcome, Span, Transfer, Work, World};

/// So many files are looked at at once.
const UNSEEN_MAX: usize = 128;

/// A receive that is done; what its file has more of is not known yet.
///
/// To look at each file is a system call. So those that come one behind the other are looked at by
/// one, before anything else is done, which might change what they find: nobody can tell that from
/// a look at each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unseen {
    user_data: u64,
    count: u32,
    /// Where the file is in the table.
    slot: u32,
}

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
        debug_assert!(self.is_prepared(sqe), "nothing to be refused: {sqe:?}");
        match sqe.opcode {
            Op::SEND | Op::RECV => match self.transfer_plain(sqe) {
                Ok(true) => true,
                Ok(false) => self.attempt_plain(sqe).is_ok(),
                Err(_) => false,
            },
            Op::NOP => {
                self.tell_unseen();
                self.tell_plain(sqe.user_data, Ok(0), CqeFlags::empty());
                true
            }
            _ => self.attempt_plain(sqe).is_ok(),
        }
    }

    /// Whether there is nothing in a plain entry to be refused, but for the addresses of reads and
    /// writes.
    fn is_prepared(&self, sqe: &Sqe) -> bool {
        let mut work = Work::<W::File>::new(sqe);
        is_transfer(sqe.opcode) || prepare::prepare(self.user, self.flags, sqe, &mut work).is_ok()
    }

    /// Tries a send or receive, and tells what came of that: most need no room for work at all.
    /// False: nothing was tried, and it is work like any other.
    ///
    /// # Errors
    /// As [`attempt_plain`](Self::attempt_plain).
    #[inline]
    fn transfer_plain(&mut self, sqe: &Sqe) -> Result<bool, Errno> {
        if sqe.opcode == Op::SEND {
            self.tell_unseen();
        }
        let named;
        let file = match sqe.flags.contains(SqeFlags::FIXED_FILE) {
            true => self.files.untagged(sqe.fd as u32).ok_or(Errno::EBADF)?,
            false => {
                named = self.world.file_for_now(sqe.fd)?;
                &named
            }
        };
        if !self.unseen.is_empty() && self.world.is_unseen(file) {
            return Ok(false);
        }
        let Some(transfer) = self.world.transfer(file, sqe) else { return Ok(false) };
        match transfer {
            Transfer::Unseen(count) => {
                let (user_data, slot) = (sqe.user_data, sqe.fd as u32);
                self.unseen.push(Unseen { user_data, count, slot });
                if self.unseen.len() >= UNSEEN_MAX {
                    self.tell_unseen();
                }
            }
            Transfer::Done(result, cflags) => {
                self.tell_unseen();
                self.tell_plain(sqe.user_data, result, cflags);
            }
            Transfer::Wait(events, outcome) => {
                let file = file.clone();
                self.go_on_transferring(sqe, file, events, outcome);
            }
        }
        Ok(true)
    }

    /// Makes a request of a send or receive that is not done yet.
    #[inline(never)]
    fn go_on_transferring(
        &mut self,
        sqe: &Sqe,
        file: W::File,
        events: PollEvents,
        outcome: Outcome,
    ) {
        self.tell_unseen();
        let work = self.requests.draft(sqe);
        (work.file, work.outcome) = (Some(file), outcome);
        self.go_on_plain(sqe, Attempt::Wait(events));
    }

    /// Tries it, and tells what came of that.
    ///
    /// # Errors
    /// Whatever: there is something to be told of it before it can be tried.
    fn attempt_plain(&mut self, sqe: &Sqe) -> Result<(), Errno> {
        self.tell_unseen();
        let file = match sqe.flags.contains(SqeFlags::FIXED_FILE) {
            true => self.files.untagged(sqe.fd as u32).cloned().ok_or(Errno::EBADF)?,
            false => self.world.file_for_now(sqe.fd)?,
        };
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
            Err(_) if done > 0 => self.tell_plain(sqe.user_data, Ok(done), CqeFlags::empty()),
            result => self.tell_plain(sqe.user_data, result, cflags),
        }
        Ok(())
    }

    /// Tells what was received of files that are unseen: now they are looked at.
    #[inline]
    pub(super) fn tell_unseen(&mut self) {
        if !self.unseen.is_empty() {
            self.look_and_tell();
        }
    }

    #[inline(never)]
    fn look_and_tell(&mut self) {
        let any = self.world.look();
        for place in 0..self.unseen.len() {
            let Unseen { user_data, count, slot } = self.unseen[place];
            // The table is as it was.
            let file = if any { self.files.at(slot) } else { None };
            let cflags = file.map_or(CqeFlags::empty(), |file| self.world.seen(file));
            self.tell_plain(user_data, Ok(count), cflags);
        }
        self.unseen.clear();
    }

    /// Tells what came of an entry that is no request.
    fn tell_plain(&mut self, user_data: u64, result: Result<u32, Errno>, cflags: CqeFlags) {
        let (res, flags) = match result {
            Ok(count) => (count as i32, cflags),
            Err(errno) => (-errno.raw(), CqeFlags::empty()),
        };
        self.tell(Completion { user_data, res, flags, big: None });
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
