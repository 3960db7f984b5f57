//! Letting requests begin, and go on: what is tried, what waits for its file, what a thread gets.

use annulus_ring::Errno;
use annulus_ring::abi::{CqeFlags, Op, PollEvents, SpliceFlags, SqeFlags};

use super::later::{waits_first, waits_for_thread};
use super::request::State;
use super::sockets::{Shot, is_multishot};
use super::{Core, prepare};
use crate::world::{Attempt, Token, Work, World};

/// How often a request is woken in vain before it is asked why.
const WAKES_MAX: u32 = 4;
/// Interrupted, to be called again (`ERESTARTSYS`): of operations, no program's concern.
const RESTART: Errno = Errno::from_raw(512);

impl<W: World> Core<W> {
    /// Lets everything begin whose turn it is, in rounds: what is linked behind others begins when
    /// all those have begun that were there, and what they told is told.
    pub(crate) fn run(&mut self) {
        self.begin_round();
        if self.is_quiet() {
            return self.closed.let_go();
        }
        self.closed.begin_run(self.queues.ready());
        self.run_those_due();
    }

    /// What task work tells comes first; then what is in the queue is what counts so far.
    #[inline]
    pub(super) fn begin_round(&mut self) {
        if !self.own_messages.is_empty() {
            self.tell_messages();
        }
        self.begun_at = self.queues.posted();
    }

    /// As [`run`](Self::run), where a submit has begun the first round.
    #[inline]
    pub(super) fn run_rounds(&mut self) {
        match self.is_quiet() {
            true => self.closed.let_go(),
            false => {
                self.closed.begin_submit();
                self.run_those_due();
            }
        }
    }

    #[inline(never)]
    fn run_those_due(&mut self) {
        let mut messages = 0;
        loop {
            // What these bring comes behind them.
            let count = self.due.len();
            for _ in 0..count {
                if let Some(token) = self.due.pop_front() {
                    self.begin(token);
                }
            }
            let sent = self.own_messages.len() as u32;
            messages = self.closed.end_round(messages + count as u32, sent, self.queues.ready());
            self.pass_counts();
            self.end_round();
            self.begin_deferred();
            if self.due.is_empty() && self.own_messages.is_empty() {
                return self.closed.let_go();
            }
            self.begin_round();
        }
    }

    /// Whether a round would change nothing: nobody's turn it is, or may come to be by what was
    /// told.
    #[inline]
    fn is_quiet(&self) -> bool {
        let waiting = self.due.len() | self.behind.len() | self.deferred.len();
        let told = self.own_messages.len() | self.let_go.len();
        waiting | told == 0 && !self.times.counts_any()
    }

    /// It is a request's turn.
    fn begin(&mut self, token: Token) {
        let Some(request) = self.requests.get_mut(token) else { return };
        if matches!(request.state, State::Watching | State::Begun) {
            request.state = State::Watching;
            return self.ready(token);
        }
        request.state = State::Begun;
        if request.failed || request.is_over {
            // Those that begin in the same round find that its file is open still.
            if let Some(file) = request.work.as_mut().and_then(|work| work.file.take()) {
                self.closed.hold(file);
            }
            return self.complete(token);
        }
        if self.closing {
            return self.finish(token, Err(Errno::ECANCELED));
        }
        let waits = request.work.as_ref().is_some_and(|work| waits_for_thread(&work.sqe));
        let (opcode, has_limit) = (request.opcode, request.next.is_some() && !waits);
        // Without its file it does not begin, and no time limits it.
        if let Err(errno) = self.name_files(token) {
            return self.finish(token, Err(errno));
        }
        if has_limit {
            self.arm_partner(token);
        }
        if !is_tried_at_once(opcode) && self.begin_control(token) {
            return;
        }
        if let Err(errno) = self.check_fixed(token) {
            return self.finish(token, Err(errno));
        }
        match opcode {
            Op::POLL_ADD => self.begin_poll(token),
            Op::MSG_RING => self.begin_message(token),
            _ if self.goes_on_later(token) => {}
            _ => self.attempt(token),
        }
    }

    /// Finds the files that an entry names: now, since one before it may have opened them.
    fn name_files(&mut self, token: Token) -> Result<(), Errno> {
        let Some(request) = self.requests.get_mut(token) else { return Ok(()) };
        let Some(work) = &mut request.work else { return Ok(()) };
        if work.sqe.opcode == Op::FIXED_FD_INSTALL {
            let slot = work.sqe.fd as u32;
            return self.has_fixed(slot);
        }
        if !prepare::traits(work.sqe.opcode).names_file {
            return Ok(());
        }
        let (fd, is_fixed) = (work.sqe.fd, request.flags.contains(SqeFlags::FIXED_FILE));
        let file = match is_fixed {
            true => self.fixed_file(token, fd as u32)?,
            false => self.world.file(fd)?,
        };
        let Some(work) = self.requests.get_mut(token).and_then(|r| r.work.as_mut()) else {
            return Ok(());
        };
        work.file = Some(file);
        let opcode = work.sqe.opcode;
        if matches!(opcode, Op::SPLICE | Op::TEE) || prepare::names_second_file(opcode) {
            self.name_second_file(token)?;
        }
        Ok(())
    }

    /// Finds the file that a splice, or a copy, is from. Those of copies are never of the ring's
    /// own table: they have no such flag.
    fn name_second_file(&mut self, token: Token) -> Result<(), Errno> {
        let Some(sqe) = self.entry(token) else { return Ok(()) };
        let is_fixed = SpliceFlags(sqe.rw_flags).contains(SpliceFlags::FD_IN_FIXED);
        let file = match is_fixed {
            true => self.fixed_file(token, sqe.splice_fd_in as u32)?,
            false => self.world.file(sqe.splice_fd_in)?,
        };
        if let Some(work) = self.requests.get_mut(token).and_then(|r| r.work.as_mut()) {
            work.second = Some(file);
        }
        Ok(())
    }

    /// Tries to do it; a multishot again and again, until others are to have their turn.
    pub(super) fn attempt(&mut self, token: Token) {
        if self.closing {
            return self.finish(token, Err(Errno::ECANCELED));
        }
        loop {
            if let Err(errno) = self.pick_buffer(token) {
                return self.finish(token, Err(errno));
            }
            let Some(request) = self.requests.get_mut(token) else { return };
            let Some(work) = &mut request.work else { return };
            let waits_first = waits_first(&work.sqe);
            let shot = match self.world.attempt(work) {
                Attempt::Done(result) => self.judge(token, result),
                Attempt::Wait(events) => {
                    let moved = work.done;
                    self.leave_buffer(token, moved);
                    let may_go_on = waits_first || self.connects(token);
                    if may_go_on && self.is_ready(token, events) {
                        return self.go_on_first(token, events);
                    }
                    if moved == 0 {
                        return self.wait(token, events);
                    }
                    if let Err(errno) = self.tell_header(token, Ok(0)) {
                        // It is told each time that something came.
                        return self.finish(token, Err(errno));
                    }
                    return self.wait(token, events);
                }
                Attempt::Blocks => {
                    self.use_up_buffer(token);
                    return self.hand_over(token);
                }
            };
            match shot {
                Shot::Last => return,
                Shot::Wait(events) => return self.wait_for_more(token, events),
                Shot::Again if self.reads_once(token) => {
                    return self.finish(token, Err(Errno::EAGAIN));
                }
                Shot::Again if self.reads_on_later(token) => {
                    return self.wait(token, PollEvents::IN);
                }
                Shot::Again if self.has_looped(token) => return self.wait_again(token),
                Shot::Again => {}
            }
        }
    }

    /// Whether it is a connect that has only begun: it may be made by now. Whatever else is to wait
    /// was looked at.
    fn connects(&self, token: Token) -> bool {
        let request = self.requests.get(token);
        request.is_some_and(|request| request.opcode == Op::CONNECT && !request.was_polled)
    }

    /// Has it wait for its file.
    pub(super) fn wait(&mut self, token: Token, events: PollEvents) {
        let Some(request) = self.requests.get_mut(token) else { return };
        let Some(work) = &mut request.work else { return };
        let is_drained = work.outcome.is_drained && events == PollEvents::IN;
        let Some(file) = work.file.as_mut() else { return };
        // An error that stays, and not what is waited for: it would be woken again and again.
        request.wakes += u32::from(request.was_polled);
        let is_unready =
            is_drained || request.wakes > WAKES_MAX && self.world.is_stuck(file, events);
        let watched = keep(&mut self.world, file)
            .and_then(|()| self.world.watch(token, file, events, is_unready));
        match watched {
            Ok(()) => request.state = State::Watching,
            // A file that is not ready, and never tells when it is.
            Err(Errno::EPERM) => {
                let errno = cannot_wait(request.opcode, request.ioprio());
                self.give_up(token, errno);
            }
            Err(errno) => self.give_up(token, errno),
        }
    }

    /// Ends a request that cannot go on: with what was moved by now, if anything was.
    pub(super) fn give_up(&mut self, token: Token, errno: Errno) {
        let done = self.requests.get(token).and_then(|r| r.work.as_ref()).map_or(0, |w| w.done);
        let cflags = self.settle_buffer(token, if done > 0 { Ok(done) } else { Err(errno) });
        if let Some(request) = self.requests.get_mut(token) {
            request.cflags |= cflags;
        }
        self.finish(token, Err(errno));
    }

    /// Has it wait no more.
    pub(super) fn unwatch(&mut self, token: Token) {
        let work = self.requests.get(token).and_then(|request| request.work.as_ref());
        if let Some(file) = work.and_then(|work| work.file.as_ref()) {
            self.world.unwatch(token, file);
        }
    }

    /// Gives it to a thread.
    pub(super) fn hand_over(&mut self, token: Token) {
        let Some(request) = self.requests.get_mut(token) else { return };
        let Some(work) = &mut request.work else { return };
        let mut files = [&mut work.file, &mut work.second].into_iter().flatten();
        let kept = files.try_for_each(|file| keep(&mut self.world, file));
        drop(files);
        if let Err(errno) = kept {
            return self.give_up(token, errno);
        }
        let Some(work) = request.work.take() else { return };
        request.state = State::Working;
        if let Err(work) = self.world.hand_over(token, work) {
            request.work = Some(*work);
            self.give_up(token, Errno::EAGAIN);
        }
    }

    /// The file of a request may be ready.
    pub(crate) fn ready(&mut self, token: Token) {
        let Some(request) = self.requests.get_mut(token) else { return };
        if request.state != State::Watching {
            return;
        }
        request.state = State::Begun;
        request.was_polled = true;
        let has_next = request.next.is_some();
        if request.opcode == Op::POLL_ADD {
            return self.polled(token);
        }
        if has_next {
            self.arm_partner(token);
        }
        self.attempt(token);
    }

    /// A thread has done the work.
    pub(crate) fn returned(
        &mut self,
        token: Token,
        work: Work<W::File>,
        result: Result<u32, Errno>,
    ) {
        let Some(request) = self.requests.get_mut(token) else { return };
        request.work = Some(work);
        request.state = State::Begun;
        let result = match result {
            Err(Errno::EINTR) if request.cancelled && could_poll(request.opcode) => {
                Err(Errno::ECANCELED)
            }
            Err(Errno::EINTR) if tells_restart(request.opcode) => Err(RESTART),
            result => result,
        };
        self.by_worker = true;
        let shot = self.judge(token, result);
        self.by_worker = false;
        // The cancel came while a thread had it, which had done with its wait.
        let is_cancelled = self.requests.get(token).is_some_and(|request| request.cancelled);
        match shot {
            Shot::Last => {}
            _ if is_cancelled => self.finish(token, Err(Errno::ECANCELED)),
            Shot::Wait(events) => {
                // That no more was there the thread found without the lock: something may have come
                // since, which nobody was told of.
                if let Some(work) = self.requests.get_mut(token).and_then(|r| r.work.as_mut()) {
                    work.outcome.is_drained = false;
                }
                self.wait_for_more(token, events);
            }
            Shot::Again => self.attempt(token),
        }
    }

    /// Ends a request, whose chain goes on if the result is what was asked for; unless it is a
    /// multishot that goes on.
    fn judge(&mut self, token: Token, result: Result<u32, Errno>) -> Shot {
        let Some(request) = self.requests.get_mut(token) else { return Shot::Last };
        let Some(work) = &request.work else { return Shot::Last };
        let opcode = request.opcode;
        // What most are: a read or write of a buffer of its own, which has no more to say.
        let is_socket = matches!(opcode, Op::SEND | Op::RECV) && work.sqe.ioprio == 0;
        if !(is_transfer(opcode) || is_socket) || request.picked.is_some() {
            let index = work.sqe.splice_fd_in;
            return self.judge_any(token, opcode, index, result);
        }
        if let Ok(count) = result {
            let is_short = !is_socket && count as usize != work.total_bytes();
            request.cflags |= work.outcome.cflags;
            if is_short || work.outcome.is_broken {
                request.mark_failed();
            }
        }
        self.finish(token, result);
        Shot::Last
    }

    /// As [`judge`](Self::judge), of what may have several results, a buffer, or a slot.
    fn judge_any(
        &mut self,
        token: Token,
        opcode: Op,
        index: i32,
        result: Result<u32, Errno>,
    ) -> Shot {
        // A direct result: what was opened is the table's. That a socket finds no slot there does
        // not count as a failure.
        let is_made = result.is_ok();
        let result = match (result, opcode) {
            (Ok(fd), Op::OPENAT | Op::OPENAT2 | Op::ACCEPT | Op::SOCKET) if index != 0 => {
                self.install_fixed(index as u32, fd as i32)
            }
            (Ok(_), Op::PIPE) if index != 0 => self.install_pipe(token, index as u32),
            (result, _) => result,
        };
        let result = self.tell_header(token, result);
        // Of what was picked, as long as it is known.
        let work = self.requests.get(token).and_then(|request| request.work.as_ref());
        let wanted = work.map_or(0, Work::total_bytes);
        let cflags = self.settle_buffer(token, result);
        if let Some(request) = self.requests.get_mut(token) {
            request.cflags |= cflags;
        }
        let shot = self.shoot(token, result);
        if shot != Shot::Last {
            return shot;
        }
        if let (Ok(count), Some(request)) = (result, self.requests.get_mut(token)) {
            let Some(work) = &request.work else { return shot };
            request.cflags |= work.outcome.cflags;
            let is_short = is_transfer(opcode) && count as usize != wanted;
            if is_short || work.outcome.is_broken {
                request.mark_failed();
            }
        }
        if is_made && let Some(request) = self.requests.get_mut(token) {
            // What there was to say of it holds without a slot.
            let more = request.work.as_ref().map_or(CqeFlags::empty(), |work| work.outcome.cflags);
            request.cflags |= more;
        }
        if let (Err(errno), Some(request)) = (result, self.requests.get_mut(token))
            && errno != Errno::ECANCELED
            && (!breaks(opcode, errno) || is_made && opcode == Op::SOCKET)
        {
            request.result = -errno.raw();
            self.complete(token);
            return Shot::Last;
        }
        self.finish(token, result);
        Shot::Last
    }
}

/// Keeps a file, whatever becomes of the number that named it.
pub(super) fn keep<W: World>(world: &mut W, file: &mut W::File) -> Result<(), Errno> {
    if !world.is_kept(file) {
        *file = world.keep(file.clone())?;
    }
    Ok(())
}

/// What Linux says of an operation that is to wait for a file which never becomes ready. Those of
/// sockets have not looked at it, where they wait first.
fn cannot_wait(opcode: Op, ioprio: u16) -> Errno {
    let of_sockets = [Op::RECV, Op::RECVMSG, Op::SEND, Op::SENDMSG, Op::ACCEPT];
    if !of_sockets.contains(&opcode) {
        Errno::EINVAL
    } else if is_multishot(opcode, ioprio) {
        Errno::EBADFD
    } else {
        Errno::EAGAIN
    }
}

/// Whether an operation reads or writes a number of bytes that is known.
pub(super) const fn is_transfer(opcode: Op) -> bool {
    matches!(
        opcode,
        Op::READ
            | Op::READV
            | Op::READ_FIXED
            | Op::READV_FIXED
            | Op::WRITE
            | Op::WRITEV
            | Op::WRITE_FIXED
            | Op::WRITEV_FIXED
    )
}

/// Whether an operation is not of the ring's own kind: most are one of these.
const fn is_tried_at_once(opcode: Op) -> bool {
    is_transfer(opcode) || matches!(opcode, Op::SEND | Op::RECV | Op::SENDMSG | Op::RECVMSG)
}

/// Whether an error that the operation itself meets breaks its chain. With these Linux tells it,
/// and goes on: what is linked behind begins, and one that is silent stays so.
fn breaks(opcode: Op, errno: Errno) -> bool {
    let goes_on = [
        Op::FSYNC,
        Op::SYNC_FILE_RANGE,
        Op::FALLOCATE,
        Op::FTRUNCATE,
        Op::MADVISE,
        Op::STATX,
        Op::RENAMEAT,
        Op::UNLINKAT,
        Op::MKDIRAT,
        Op::SYMLINKAT,
        Op::LINKAT,
        Op::FGETXATTR,
        Op::GETXATTR,
        Op::FSETXATTR,
        Op::SETXATTR,
        Op::SHUTDOWN,
    ];
    !goes_on.contains(&opcode) || opcode == Op::SHUTDOWN && errno == Errno::ENOTSOCK
}

/// Whether Linux lets out of it what it says inside of a call that was interrupted.
fn tells_restart(opcode: Op) -> bool {
    matches!(opcode, Op::OPENAT | Op::OPENAT2 | Op::SPLICE | Op::TEE)
}

/// Whether Linux would have it wait for its file, where a cancel finds it, and not in a thread,
/// which is interrupted. What is read or written by a thread here is so there.
pub(super) fn could_poll(opcode: Op) -> bool {
    let by_thread = [Op::OPENAT, Op::OPENAT2, Op::SPLICE, Op::TEE, Op::FALLOCATE, Op::FSYNC];
    !by_thread.contains(&opcode) && !is_transfer(opcode)
}
