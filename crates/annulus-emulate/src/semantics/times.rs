//! Times: timeouts, which end after a time or a number of completions, and link timeouts, which
//! end others.

use std::collections::BTreeSet;
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::{ClockId, CqeFlags, Op, Sqe, TimeoutFlags, Timespec};

use super::Core;
use super::request::State;
use crate::world::{Token, World};

/// A shorter time may be over as soon as it is set.
const SOON: Duration = Duration::from_micros(1);

/// What waits for a time, or a number of completions.
#[derive(Debug)]
pub(super) struct Times {
    set: BTreeSet<(Duration, Token)>,
    /// How many were put into it so far.
    entered: u64,
    /// Timeouts that also end when so many completions were told.
    counts: Vec<(Token, u32)>,
    /// How many completions there were when this was looked at, or added to, last.
    counted: u32,
}

impl Times {
    pub(super) fn new() -> Self {
        Self { set: BTreeSet::new(), entered: 0, counts: Vec::new(), counted: 0 }
    }

    pub(super) fn remove(&mut self, due: Duration, token: Token) {
        self.set.remove(&(due, token));
    }

    /// Whether a timeout ends when so many completions were told.
    pub(super) fn counts_any(&self) -> bool {
        !self.counts.is_empty()
    }

    pub(super) fn forget_count(&mut self, token: Token) {
        if !self.counts.is_empty() {
            self.counts.retain(|(other, _)| *other != token);
        }
    }
}

/// A time span or point, as an entry has it.
///
/// # Errors
/// `EINVAL`: it is negative.
pub(super) fn duration(time: Timespec) -> Result<Duration, Errno> {
    let secs = u64::try_from(time.tv_sec).map_err(|_negative| Errno::EINVAL)?;
    let nanos = u64::try_from(time.tv_nsec).map_err(|_negative| Errno::EINVAL)?;
    Ok(Duration::from_secs(secs).saturating_add(Duration::from_nanos(nanos)))
}

/// The clock that a timeout's flags name.
pub(super) fn clock(flags: TimeoutFlags) -> ClockId {
    if flags.contains(TimeoutFlags::BOOTTIME) {
        ClockId::BOOTTIME
    } else if flags.contains(TimeoutFlags::REALTIME) {
        ClockId::REALTIME
    } else {
        ClockId::MONOTONIC
    }
}

impl<W: World> Core<W> {
    /// Whether one of them is due some time.
    pub(crate) fn has_times(&self) -> bool {
        !self.times.set.is_empty()
    }

    /// When the next of them is due, by the monotonic clock.
    pub(crate) fn next_due(&self) -> Option<Duration> {
        self.times.set.first().map(|(due, _)| *due)
    }

    /// When a time of an entry is, by the monotonic clock; and whether that may be by now.
    fn point(&self, time: Timespec, flags: TimeoutFlags) -> Result<(Duration, bool), Errno> {
        let mut left = duration(time)?;
        let now = self.world.now(ClockId::MONOTONIC);
        if flags.contains(TimeoutFlags::ABS) {
            left = left.saturating_sub(self.world.now(clock(flags)));
        }
        Ok((now.saturating_add(left), left < SOON))
    }

    fn schedule(&mut self, token: Token, due: Duration) {
        let Some(request) = self.requests.get_mut(token) else { return };
        if let Some(before) = request.due.replace(due) {
            self.times.set.remove(&(before, token));
        }
        request.state = State::Timing;
        self.times.entered += 1;
        request.order = self.times.entered;
        self.times.set.insert((due, token));
    }

    /// Begins a timeout, or a link timeout.
    pub(super) fn begin_time(&mut self, token: Token) {
        let Some(sqe) = self.entry(token) else { return };
        let (time, flags) = (timespec(&sqe), TimeoutFlags(sqe.rw_flags));
        let (due, is_soon) = match self.point(time, flags) {
            Ok(point) => point,
            Err(errno) => return self.finish(token, Err(errno)),
        };
        self.schedule(token, due);
        let is_counted = sqe.opcode == Op::TIMEOUT && sqe.off > 0;
        if is_counted && !flags.contains(TimeoutFlags::MULTISHOT) {
            // What this round has told so far counts: Linux posts it at the round's end.
            let base = self.begun_at.wrapping_sub(self.timeouts_told);
            self.times.counted = base;
            self.times.counts.push((token, base.wrapping_add(sqe.off as u32)));
        }
        if is_soon && sqe.opcode == Op::TIMEOUT {
            self.pass_at_once(token, flags);
        }
    }

    /// Ends a timeout that is over as soon as it is set. Linux's timer is, too, before the submit
    /// is: its chain goes on with those behind what ended in this round, and not behind all that.
    fn pass_at_once(&mut self, token: Token, flags: TimeoutFlags) {
        let now = self.world.now(ClockId::MONOTONIC);
        let Some(request) = self.requests.get_mut(token) else { return };
        let is_over = request.due.is_some_and(|due| due <= now);
        if is_over && !flags.contains(TimeoutFlags::MULTISHOT) {
            if let Some(due) = request.due.take() {
                self.times.remove(due, token);
            }
            self.pass_timeout(token, now);
        }
    }

    /// The entry of a request.
    pub(super) fn entry(&self, token: Token) -> Option<Sqe> {
        self.requests.get(token).and_then(|request| request.work.as_ref()).map(|work| work.sqe)
    }

    /// Ends what waited for so many completions as were told by now: in the next round, before what
    /// is linked behind those.
    pub(super) fn pass_counts(&mut self) {
        self.end_counts(self.queues.posted());
    }

    /// As [`pass_counts`](Self::pass_counts), in the middle of a round, of what counts by now: what
    /// ends is told behind what begins in this round, but counts as told from now on.
    pub(super) fn pass_counts_early(&mut self) {
        self.end_counts(self.begun_at);
    }

    /// Ends what waited for so many completions as were `posted`.
    #[inline]
    fn end_counts(&mut self, posted: u32) {
        if self.times.counts_any() {
            let over = self.end_some_counts(posted);
            self.due.extend(over);
        }
    }

    #[inline(never)]
    fn end_some_counts(&mut self, posted: u32) -> Vec<Token> {
        // What found no room does not count before it does. Timeouts do not count, even those of
        // which nothing was told: then it is less than before, and Linux, which looks how far it
        // came since the last time, ends them all.
        let told = posted.wrapping_sub(self.timeouts_told);
        let before = core::mem::replace(&mut self.times.counted, told);
        let (mut over, left): (Vec<_>, Vec<_>) = core::mem::take(&mut self.times.counts)
            .into_iter()
            .partition(|(_, at)| at.wrapping_sub(before) <= told.wrapping_sub(before));
        self.times.counts = left;
        over.sort_by_key(|(_, at)| at.wrapping_sub(before));
        let over: Vec<Token> = over.into_iter().map(|(token, _)| token).collect();
        for token in &over {
            self.timeouts_told = self.timeouts_told.wrapping_add(1);
            let Some(request) = self.requests.get_mut(*token) else { continue };
            (request.state, request.is_over) = (State::Queued, true);
            if let Some(due) = request.due.take() {
                self.times.remove(due, *token);
            }
        }
        over
    }

    /// Ends what is due, and lets begin what waited for it. Whether anything was.
    #[inline]
    pub(crate) fn pass_times(&mut self) -> bool {
        let any = self.end_due();
        if any {
            self.run();
        }
        any
    }

    /// Ends what is due. Whether anything was.
    #[inline]
    pub(super) fn end_due(&mut self) -> bool {
        !self.times.set.is_empty() && self.end_some_due()
    }

    #[inline(never)]
    fn end_some_due(&mut self) -> bool {
        let now = self.world.now(ClockId::MONOTONIC);
        let mut any = false;
        while let Some(&(due, token)) = self.times.set.first() {
            if due > now {
                break;
            }
            any = true;
            self.times.set.pop_first();
            let Some(request) = self.requests.get_mut(token) else { continue };
            request.due = None;
            if request.is_over {
                continue;
            }
            if request.opcode == Op::LINK_TIMEOUT {
                self.pass_link_timeout(token);
            } else {
                self.pass_timeout(token, now);
            }
        }
        any
    }

    /// A timeout's time has come. One that goes on has the next later than `now`, as Linux has it:
    /// what was missed is not told, and each turn ends.
    fn pass_timeout(&mut self, token: Token, now: Duration) {
        let Some(sqe) = self.entry(token) else { return };
        let flags = TimeoutFlags(sqe.rw_flags);
        let etime = -Errno::ETIME.raw();
        let goes_on = flags.contains(TimeoutFlags::MULTISHOT) && sqe.off != 1;
        if goes_on && self.tell_more(token, etime as u32, CqeFlags::empty()) {
            if let Some(work) = self.requests.get_mut(token).and_then(|r| r.work.as_mut()) {
                // 0 is for ever.
                work.sqe.off = sqe.off.saturating_sub(1);
            }
            self.timeouts_told = self.timeouts_told.wrapping_add(1);
            let span = duration(timespec(&sqe)).unwrap_or_default().max(Duration::from_nanos(1));
            return self.schedule(token, now.saturating_add(span));
        }
        self.timeouts_told = self.timeouts_told.wrapping_add(1);
        // It is told in the next round; what is told in this one ends it no more.
        self.times.forget_count(token);
        let Some(request) = self.requests.get_mut(token) else { return };
        request.result = etime;
        if !flags.contains(TimeoutFlags::ETIME_SUCCESS) {
            request.mark_failed();
        }
        (request.state, request.is_over) = (State::Queued, true);
        self.due.push_back(token);
    }

    /// A link timeout's time has come: what it limits is cancelled.
    fn pass_link_timeout(&mut self, token: Token) {
        let target = self.requests.get_mut(token).and_then(|request| request.partner.take());
        let mut result = Err(Errno::ETIME);
        if let Some(target) = target {
            if let Some(request) = self.requests.get_mut(target) {
                request.partner = None;
            }
            match self.cancel(target) {
                Ok(0) => {}
                // As Linux has it: what runs is told to end, and is not found among what waits.
                Err(Errno::EALREADY) => result = Err(Errno::ENOENT),
                answer => result = answer,
            }
        }
        let Some(request) = self.requests.get_mut(token) else { return };
        // As Linux has it: this is no failure that would have to be told.
        request.result = result.map_or_else(|errno: Errno| -errno.raw(), |count| count as i32);
        self.complete(token);
    }

    /// `TIMEOUT_REMOVE`: ends a timeout, or gives it another time.
    pub(super) fn change_timeout(&mut self, token: Token) {
        self.end_due();
        let Some(sqe) = self.entry(token) else { return };
        let flags = TimeoutFlags(sqe.rw_flags);
        // As Linux has it: without UPDATE it is a removal, of a plain one.
        let updates = flags.contains(TimeoutFlags::UPDATE);
        let is_link = updates && flags.contains(TimeoutFlags::LINK_TIMEOUT_UPDATE);
        let opcode = if is_link { Op::LINK_TIMEOUT } else { Op::TIMEOUT };
        let timeouts = self.requests.named(sqe.addr);
        let timeouts = timeouts.filter(|(_, found)| found.opcode == opcode && found.due.is_some());
        let Some(target) = timeouts.map(|(target, _)| target).min() else {
            return self.finish(token, Err(Errno::ENOENT));
        };
        if !updates {
            self.cancel_next(target);
            return self.finish(token, Ok(0));
        }
        match self.point(timespec(&sqe), flags) {
            Ok((due, is_soon)) => {
                // It counts nothing from now on; one that goes on does so for ever, at this
                // interval, even where that was a point in time.
                self.times.forget_count(target);
                if let Some(work) = self.requests.get_mut(target).and_then(|r| r.work.as_mut()) {
                    (work.sqe.off, work.sqe.addr3, work.sqe.resv) = (0, sqe.addr3, sqe.resv);
                }
                self.schedule(target, due);
                if is_soon && !is_link {
                    let flags = self.entry(target).map_or(0, |sqe| sqe.rw_flags);
                    self.pass_at_once(target, TimeoutFlags(flags));
                }
                self.finish(token, Ok(0));
            }
            Err(errno) => self.finish(token, Err(errno)),
        }
    }
}

/// The time that was copied when the entry was taken: in the fields that a timeout has no use for.
pub(super) fn timespec(sqe: &Sqe) -> Timespec {
    Timespec { tv_sec: sqe.addr3 as i64, tv_nsec: sqe.resv as i64 }
}
