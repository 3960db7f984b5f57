//! Cancels: by `user_data`, descriptor, operation, one or all.

use annulus_ring::Errno;
use annulus_ring::abi::{CancelFlags, Op, SqeFlags};

use super::request::{Request, State};
use super::run::could_poll;
use super::{Core, prepare};
use crate::world::{Recall, Token, World};

/// Which requests are meant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Criteria {
    pub(crate) flags: CancelFlags,
    pub(crate) user_data: u64,
    pub(crate) fd: i32,
    pub(crate) opcode: Op,
}

impl Criteria {
    /// Whether a request is one of those, but for its file.
    pub(super) fn fit<F>(&self, request: &Request<F>) -> bool {
        if self.flags.contains(CancelFlags::ANY) {
            return true;
        }
        if self.flags.contains(CancelFlags::OP) && request.opcode != self.opcode {
            return false;
        }
        !self.is_by_data() || request.user_data == self.user_data
    }

    /// Whether it says how they are called.
    fn is_by_data(&self) -> bool {
        !self.flags.intersects(CancelFlags::FD | CancelFlags::OP)
            || self.flags.contains(CancelFlags::USERDATA)
    }

    /// Whether a request names the same number.
    fn fit_number<F>(&self, request: &Request<F>) -> bool {
        let is_fixed = request.flags.contains(SqeFlags::FIXED_FILE);
        let wants_fixed = self.flags.contains(CancelFlags::FD_FIXED);
        let names_file = prepare::traits(request.opcode).names_file;
        names_file && request.fd == self.fd && is_fixed == wants_fixed
    }

    /// Whether all that fit are meant, and the answer is how many those were.
    fn all(&self) -> bool {
        self.flags.intersects(CancelFlags::MATCH_ALL | CancelFlags::ANY)
    }
}

impl<W: World> Core<W> {
    /// Cancels what `criteria` say, but for `except`: how many, or 0 where one was meant.
    ///
    /// # Errors
    /// `ENOENT`: there is none. `EALREADY`: it is being done, and may or may not end early.
    /// `EBADF`: the file that is named is not there.
    pub(crate) fn cancel_by(
        &mut self,
        criteria: &Criteria,
        except: Option<Token>,
    ) -> Result<u32, Errno> {
        let meant = self.file_meant(criteria)?;
        let fits = |(token, request): &(Token, &Request<W::File>)| {
            Some(*token) != except
                && !request.cancelled
                && is_under_way(request)
                && criteria.fit(request)
                && meant.as_ref().is_none_or(|meant| self.has_file(request, criteria, meant))
        };
        if !criteria.all() {
            let by_rank = |(token, request): &(Token, &Request<W::File>)| (rank(request), *token);
            let first = match criteria.is_by_data() {
                true => self.requests.named(criteria.user_data).filter(fits).min_by_key(by_rank),
                false => self.requests.iter().filter(fits).min_by_key(by_rank),
            };
            let token = first.map(|(token, _)| token).ok_or(Errno::ENOENT)?;
            return self.cancel(token);
        }
        // What is linked behind them begins in this order.
        let fitting = self.requests.iter().filter(fits);
        let mut fitting: Vec<_> =
            fitting.map(|(token, request)| (rank(request), token, request.opcode)).collect();
        fitting.sort_by_key(|(rank, ..)| *rank);
        let (mut count, mut groups) = (0, std::collections::BTreeSet::new());
        for (_, token, opcode) in fitting {
            // One may have ended with another.
            let Some(request) = self.requests.get(token).filter(|found| is_under_way(found)) else {
                continue;
            };
            let is_running = request.in_thread || is_threads(request);
            let answer = self.cancel(token);
            if is_running && answer == Err(Errno::EALREADY) {
                // What runs is told to end, and not counted.
                continue;
            }
            if counts_as_one(opcode) {
                groups.insert(opcode == Op::WAITID);
            } else {
                count += 1;
            }
        }
        Ok(count + groups.len() as u32)
    }

    /// Whether any that `criteria` say is not over.
    pub(crate) fn has_any(&self, criteria: &Criteria) -> bool {
        self.requests.iter().any(|(_, request)| is_under_way(request) && criteria.fit(request))
    }

    /// Whether the file that `criteria` name is one.
    ///
    /// # Errors
    /// `EBADF`: it is not.
    pub(crate) fn check_named(&mut self, criteria: &Criteria) -> Result<(), Errno> {
        if !criteria.flags.contains(CancelFlags::FD) {
            return Ok(());
        }
        if criteria.flags.contains(CancelFlags::FD_FIXED) {
            return self.has_fixed(criteria.fd as u32);
        }
        self.world.file(criteria.fd).map(drop)
    }

    /// Cancels one that is under way. Of futexes and children Linux answers how many it found: 1.
    pub(super) fn cancel(&mut self, token: Token) -> Result<u32, Errno> {
        let Some(request) = self.requests.get_mut(token) else { return Err(Errno::ENOENT) };
        let answer = u32::from(counts_as_one(request.opcode));
        match request.state {
            State::Watching => {
                let is_running = request.in_thread;
                self.unwatch(token);
                self.cancel_next(token);
                if let Some(request) = self.requests.get_mut(token) {
                    request.state = State::Leaving;
                }
                if is_running { Err(Errno::EALREADY) } else { Ok(answer) }
            }
            // It is found until it is told.
            State::Leaving => Ok(answer),
            State::Timing => {
                self.cancel_next(token);
                Ok(answer)
            }
            State::Working => {
                request.cancelled = true;
                match self.world.recall(token) {
                    Recall::Taken => {
                        // What it has of a group is the program's again.
                        let cflags = self.give_up_buffer(token);
                        if let Some(request) = self.requests.get_mut(token) {
                            request.cflags |= cflags;
                        }
                        self.finish(token, Err(Errno::ECANCELED));
                        Ok(answer)
                    }
                    // Woken by now: it is not found.
                    Recall::TooLate if answer > 0 => Err(Errno::ENOENT),
                    Recall::Running | Recall::TooLate => Err(Errno::EALREADY),
                }
            }
            State::Queued | State::Deferred | State::Begun => Err(Errno::ENOENT),
        }
    }

    /// Has a request end in the next round, which waits for nothing any more.
    pub(super) fn cancel_next(&mut self, token: Token) {
        let cflags = self.give_up_buffer(token);
        let Some(request) = self.requests.get_mut(token) else { return };
        request.state = State::Queued;
        request.cflags |= cflags;
        // What was moved by then is told, and not that it was cancelled.
        let done = request.work.as_ref().map_or(0, |work| work.done);
        request.fail(if done > 0 { done as i32 } else { -Errno::ECANCELED.raw() });
        if let Some(due) = request.due.take() {
            self.times.remove(due, token);
        }
        self.times.forget_count(token);
        self.due.push_back(token);
    }

    /// `ASYNC_CANCEL`.
    pub(super) fn cancel_entry(&mut self, token: Token) {
        // What is over by now is not cancelled.
        self.end_due();
        let Some(sqe) = self.entry(token) else { return };
        let mut flags = CancelFlags(sqe.rw_flags);
        if sqe.flags.contains(SqeFlags::FIXED_FILE) {
            flags |= CancelFlags::FD_FIXED;
        }
        let criteria =
            Criteria { flags, user_data: sqe.addr, fd: sqe.fd, opcode: Op(sqe.len as u8) };
        let result = self.cancel_by(&criteria, Some(token));
        self.finish(token, result);
    }

    /// The file that a cancel names, if it names one.
    ///
    /// # Errors
    /// `EBADF`: it is not there.
    fn file_meant(&mut self, criteria: &Criteria) -> Result<Option<W::File>, Errno> {
        if !criteria.flags.contains(CancelFlags::FD) || criteria.flags.contains(CancelFlags::ANY) {
            return Ok(None);
        }
        if !criteria.flags.contains(CancelFlags::FD_FIXED) {
            return self.world.file(criteria.fd).map(Some);
        }
        self.files.at(criteria.fd as u32).cloned().ok_or(Errno::EBADF).map(Some)
    }

    /// Whether a request is about an open file, by whatever number.
    fn has_file(&self, request: &Request<W::File>, criteria: &Criteria, meant: &W::File) -> bool {
        match request.work.as_ref().and_then(|work| work.file.as_ref()) {
            Some(file) if prepare::traits(request.opcode).names_file => {
                self.world.is_same(file, meant)
            }
            Some(_) => false,
            // A thread has it.
            None => criteria.fit_number(request),
        }
    }

    /// Ends everything that can be ended, as when the ring is closed: nothing begins any more.
    pub(crate) fn cancel_all(&mut self) {
        self.closing = true;
        let everything =
            Criteria { flags: CancelFlags::ANY, user_data: 0, fd: -1, opcode: Op::NOP };
        // Each one may let others begin, which end as well.
        loop {
            let is_over = self.cancel_by(&everything, None).map_or(true, |count| count == 0);
            self.run();
            if is_over {
                return;
            }
        }
    }
}

/// Whether a thread of Linux does it, too, and nothing waits for its file.
fn is_threads<F>(request: &Request<F>) -> bool {
    request.state == State::Working && !could_poll(request.opcode)
}

/// When a cancel finds it: Linux looks at threads, files, and then times as they were set.
fn rank<F>(request: &Request<F>) -> (u8, u64) {
    match request.state {
        State::Working => (0, 0),
        State::Timing => (2, request.order),
        _ => (1, 0),
    }
}

/// Whether a cancel finds it: what waits behind others is not found, as on Linux.
fn is_under_way<F>(request: &Request<F>) -> bool {
    let limits = request.opcode == Op::LINK_TIMEOUT;
    let is_there = matches!(request.state, State::Watching | State::Leaving);
    (is_there || matches!(request.state, State::Working | State::Timing)) && !limits
}

/// Whether a cancel of all ends all of the kind at once, and counts them as one.
fn counts_as_one(opcode: Op) -> bool {
    matches!(opcode, Op::FUTEX_WAIT | Op::FUTEX_WAITV | Op::WAITID)
}
