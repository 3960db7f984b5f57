//! [`Submitter`]: entering the kernel, with entries, for completions, or both.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr;

use crate::abi::{EnterFlags, GeteventsArg, Params, SetupFlags, SqRingFlags, Sqe, Timespec};
use crate::cq::CompletionQueue;
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::fork::WipedCell;
use crate::kernel::Kernel;
use crate::layout::{CqeKind, SqeKind};
use crate::raw::{CqIndices, KernelFlags};
use crate::sq::SubmissionQueue;
use crate::wait::{Limit, Wait};

/// What is pending in the kernel and comes only when it is entered.
pub(crate) const PENDING: SqRingFlags = SqRingFlags::CQ_OVERFLOW.union(SqRingFlags::TASKRUN);

/// One wait of a registered wait region, by its place.
///
/// ```
/// assert_eq!(annulus_ring::WaitIndex(2).0, 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitIndex(pub u32);

/// The words of the queues that entering the kernel looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Words {
    flags: KernelFlags,
    completions: CqIndices,
}

impl Words {
    pub(crate) fn of<S: SqeKind, C: CqeKind>(
        sq: &SubmissionQueue<S>,
        cq: &CompletionQueue<C>,
    ) -> Self {
        Self { flags: sq.raw.flags_word(), completions: cq.raw.indices() }
    }
}

/// The way into the kernel: one of the three parts of a ring.
///
/// ```
/// use annulus_ring::{LocalRing, op};
/// let mut ring = LocalRing::new(8)?;
/// let (sq, cq, submitter) = ring.parts();
/// // SAFETY: a NOP points to nothing.
/// unsafe { sq.push(op::Nop::new())? };
/// assert_eq!(submitter.submit_and_wait(sq, 1)?, 1);
/// assert_eq!(cq.len(), 1);
/// # Ok::<(), annulus_ring::Error>(())
/// ```
///
/// Not `Sync`: a [`LocalRing`](crate::LocalRing) enters by an index of its thread's, which on
/// another thread is another ring. Two threads have a half each:
/// [`Ring::split`](crate::Ring::split).
///
/// ```compile_fail,E0277
/// let mut ring = annulus_ring::LocalRing::new(8)?;
/// let (_, _, submitter) = ring.parts();
/// std::thread::scope(|scope| scope.spawn(|| submitter.get_events()).join());
/// # Ok::<(), annulus_ring::Error>(())
/// ```
#[derive(Debug)]
pub struct Submitter<K: Kernel> {
    pub(crate) kernel: K,
    pub(crate) params: Params,
    pub(crate) words: Words,
    own: WipedCell,
    /// Not `Sync`.
    alone: PhantomData<Cell<()>>,
}

impl<K: Kernel> Submitter<K> {
    pub(crate) fn new(kernel: K, params: Params, words: Words) -> Self {
        Self { kernel, params, words, own: WipedCell::new(), alone: PhantomData }
    }

    /// The same way into the same kernel, with the kernel held otherwise.
    pub(crate) fn map_kernel<L: Kernel>(self, hold: impl FnOnce(K) -> L) -> Submitter<L> {
        Submitter {
            kernel: hold(self.kernel),
            params: self.params,
            words: self.words,
            own: self.own,
            alone: PhantomData,
        }
    }

    /// A second way into the same kernel.
    pub(crate) fn duplicate(&self) -> Self
    where
        K: Clone,
    {
        Self {
            kernel: self.kernel.clone(),
            params: self.params,
            words: self.words,
            own: self.own.duplicate(),
            alone: PhantomData,
        }
    }

    /// The kernel that answers.
    ///
    /// ```
    /// use annulus_ring::kernel::Kernel;
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// let (_, _, submitter) = ring.parts();
    /// assert!(submitter.kernel().now().tv_sec >= 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn kernel(&self) -> &K {
        &self.kernel
    }

    #[inline(always)]
    pub(crate) fn check(&self) -> Result<()> {
        if self.own.is_current() { Ok(()) } else { Err(Error::dead(self.own.is_lost())) }
    }

    /// Makes every later use an error: the kernel has switched to memory that is not mapped.
    pub(crate) fn give_up(&mut self) {
        self.own.give_up();
    }

    #[inline(always)]
    fn is_sqpoll(&self) -> bool {
        self.params.flags.contains(SetupFlags::SQPOLL)
    }

    /// Whether an enter has to look for completions: because some wait for it, or because this ring
    /// finds them only by polling.
    #[inline(always)]
    fn events_flag(&self) -> EnterFlags {
        let polled = self.params.flags.contains(SetupFlags::IOPOLL);
        if polled || self.words.flags.load().intersects(PENDING) {
            EnterFlags::GETEVENTS
        } else {
            EnterFlags::empty()
        }
    }

    /// Shows the kernel what was pushed, and enters it if there is a reason to.
    ///
    /// Returns what the kernel said: how many entries it took. Fewer than were pushed stay queued:
    /// see [`SubmissionQueue::len`]. With `SQPOLL` it is how many the polling thread was shown.
    ///
    /// # Errors
    /// As [`LocalRing::submit`](crate::LocalRing::submit).
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// let (sq, _, submitter) = ring.parts();
    /// assert_eq!(submitter.submit(sq)?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn submit<S: SqeKind>(&self, sq: &mut SubmissionQueue<S>) -> Result<u32> {
        // The queue looks after itself; this may be another ring's way into the kernel.
        self.check()?;
        self.submit_own(sq)
    }

    /// As [`submit`](Self::submit), for the queue of the same ring: both are alive, or neither.
    #[inline(always)]
    pub(crate) fn submit_own<S: SqeKind>(&self, sq: &SubmissionQueue<S>) -> Result<u32> {
        sq.check()?;
        let count = sq.raw.publish();
        let mut flags = self.events_flag();
        if self.is_sqpoll() {
            if sq.raw.needs_wakeup() {
                flags |= EnterFlags::SQ_WAKEUP;
            }
            if flags.is_empty() {
                return Ok(count);
            }
        }
        if count == 0 && flags.is_empty() {
            return Ok(0);
        }
        self.enter(count, 0, flags).map_err(|errno| failed(&self.kernel, errno, sq))
    }

    /// Submits, then waits until `want` completions are in the queue.
    ///
    /// # Errors
    /// As [`LocalRing::submit_and_wait`](crate::LocalRing::submit_and_wait).
    ///
    /// ```
    /// let mut ring = annulus_ring::LocalRing::new(8)?;
    /// let (sq, _, submitter) = ring.parts();
    /// assert_eq!(submitter.submit_and_wait(sq, 0)?, 0);
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[inline]
    pub fn submit_and_wait<S: SqeKind>(
        &self,
        sq: &mut SubmissionQueue<S>,
        want: u32,
    ) -> Result<u32> {
        self.check()?;
        self.submit_and_wait_own(sq, want)
    }

    /// As [`submit_and_wait`](Self::submit_and_wait), for the queue of the same ring.
    #[inline(always)]
    pub(crate) fn submit_and_wait_own<S: SqeKind>(
        &self,
        sq: &SubmissionQueue<S>,
        want: u32,
    ) -> Result<u32> {
        sq.check()?;
        let count = sq.raw.publish();
        match self.enter(count, want, self.wait_flags(sq)) {
            Ok(taken) if want == 0 || !self.words.completions.is_empty() => Ok(taken),
            answer => self.wait_on(answer, sq, want),
        }
    }

    /// What a waiting enter asks for.
    #[inline(always)]
    fn wait_flags<S: SqeKind>(&self, sq: &SubmissionQueue<S>) -> EnterFlags {
        if self.is_sqpoll() && sq.raw.needs_wakeup() {
            EnterFlags::GETEVENTS | EnterFlags::SQ_WAKEUP
        } else {
            EnterFlags::GETEVENTS
        }
    }

    /// A wait that a signal ended goes on; another error is the caller's.
    #[cold]
    fn wait_on<S: SqeKind>(
        &self,
        mut answer: core::result::Result<u32, Errno>,
        sq: &SubmissionQueue<S>,
        want: u32,
    ) -> Result<u32> {
        let mut taken = 0;
        // Not bounded: each turn of the loop is a signal that was delivered.
        loop {
            if let Some(end) = self.end_of_wait(answer, &mut taken, want, Some(sq)) {
                return end.map_err(|errno| failed(&self.kernel, errno, sq));
            }
            let count = if taken == 0 { sq.raw.publish() } else { 0 };
            answer = self.enter(count, want, self.wait_flags(sq));
        }
    }

    /// What an enter's answer means for a wait that signals do not end: its end, or nothing if it
    /// goes on. `taken` is how many entries the enters before took, and is kept.
    fn end_of_wait<S: SqeKind>(
        &self,
        answer: core::result::Result<u32, Errno>,
        taken: &mut u32,
        want: u32,
        sq: Option<&SubmissionQueue<S>>,
    ) -> Option<core::result::Result<u32, Errno>> {
        match answer {
            Ok(count) if self.may_be_cut_short(count, want, sq) => *taken = count,
            Ok(count) => return Some(Ok(count.max(*taken))),
            Err(Errno::EINTR) => {}
            Err(errno) if *taken == 0 => return Some(Err(errno)),
            // The kernel's own rule: that entries were taken is told before an error is.
            Err(_) => return Some(Ok(*taken)),
        }
        None
    }

    /// Whether an enter that took `taken` entries may have been ended by a signal, or by its time
    /// limit: the kernel tells neither where it took entries. Not where a completion is there, nor
    /// where entries are left, for which the kernel does not wait.
    #[cold]
    fn may_be_cut_short<S: SqeKind>(
        &self,
        taken: u32,
        want: u32,
        sq: Option<&SubmissionQueue<S>>,
    ) -> bool {
        let all_taken = self.is_sqpoll() || sq.is_none_or(SubmissionQueue::is_empty);
        taken > 0 && want > 0 && all_taken && self.words.completions.is_empty()
    }

    /// Submits, then waits as `wait` says.
    ///
    /// # Errors
    /// As [`LocalRing::submit_and_wait_with`](crate::LocalRing::submit_and_wait_with).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait};
    /// use std::time::Duration;
    /// let mut ring = LocalRing::new(8)?;
    /// let (sq, _, submitter) = ring.parts();
    /// let wait = Wait::new().timeout(Duration::from_millis(1));
    /// assert!(submitter.submit_and_wait_with(sq, 1, &wait).unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn submit_and_wait_with<S: SqeKind>(
        &self,
        sq: &mut SubmissionQueue<S>,
        want: u32,
        wait: &Wait,
    ) -> Result<u32> {
        self.check()?;
        sq.check()?;
        self.wait_loop(Some(&*sq), want, wait).map_err(|errno| failed(&self.kernel, errno, sq))
    }

    /// Waits until `want` completions are in the queue, or as `wait` says, submitting nothing.
    ///
    /// # Errors
    /// As [`submit_and_wait_with`](Self::submit_and_wait_with).
    ///
    /// ```
    /// use annulus_ring::{LocalRing, Wait};
    /// use std::time::Duration;
    /// let mut ring = LocalRing::new(8)?;
    /// let wait = Wait::new().timeout(Duration::from_millis(1));
    /// assert!(ring.parts().2.wait_with(1, &wait).unwrap_err().is_timeout());
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    pub fn wait_with(&self, want: u32, wait: &Wait) -> Result<()> {
        self.check()?;
        let waited = self.wait_loop(None::<&SubmissionQueue<Sqe>>, want, wait);
        waited.map(drop).map_err(|errno| Error::enter(self.kernel.is_linux(), errno, 0))
    }

    /// Enters with what is queued in `sq`, and waits until something other than a signal ends it.
    fn wait_loop<S: SqeKind>(
        &self,
        sq: Option<&SubmissionQueue<S>>,
        want: u32,
        wait: &Wait,
    ) -> core::result::Result<u32, Errno> {
        // Only a wait that goes on after a signal needs to know when it began.
        let deadline = match wait.limit {
            Some(Limit::After(limit)) if !wait.interruptible => {
                Some(self.kernel.now().after(limit))
            }
            _ => None,
        };
        let mut time = match wait.limit {
            Some(Limit::After(limit)) => Some(Timespec::from(limit)),
            Some(Limit::At(time)) => Some(time),
            None => None,
        };
        let mut taken = 0;
        // Not bounded: each turn of the loop is a signal that was delivered.
        loop {
            let (flags, arg) = wait.argument(time.as_ref());
            let count = sq.map_or(0, |sq| if taken == 0 { sq.raw.publish() } else { 0 });
            let more = sq.map_or(EnterFlags::GETEVENTS, |sq| self.wait_flags(sq));
            let arg_bytes = size_of::<GeteventsArg>();
            let arg = ptr::from_ref(&arg).cast();
            // SAFETY: what the queue's entries point to is the promise of who pushed them; `arg`,
            // and what it points to, live during the call.
            let answer = unsafe { self.kernel.enter(count, want, flags | more, arg, arg_bytes) };
            if wait.interruptible {
                return answer;
            }
            if let Some(end) = self.end_of_wait(answer, &mut taken, want, sq) {
                return end;
            }
            if let Some(deadline) = deadline {
                time = Some(until(self.kernel.now(), deadline));
            }
        }
    }

    /// Submits, then waits as place `index` of the registered wait region says (Linux 6.13): the
    /// kernel copies nothing in.
    ///
    /// # Errors
    /// As [`submit_and_wait_with`](Self::submit_and_wait_with); `EFAULT` without such a region, or
    /// with a place beyond it. A signal ends it (`EINTR`).
    ///
    /// ```
    /// use annulus_ring::{Errno, LocalRing, WaitIndex};
    /// let mut ring = LocalRing::new(8)?;
    /// let (sq, _, submitter) = ring.parts();
    /// let error = submitter.submit_and_wait_registered(sq, 1, WaitIndex(0)).unwrap_err();
    /// assert!(matches!(error.errno(), Some(Errno::EFAULT | Errno::EINVAL)));
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_submit_and_wait_reg")]
    pub fn submit_and_wait_registered<S: SqeKind>(
        &self,
        sq: &mut SubmissionQueue<S>,
        want: u32,
        index: WaitIndex,
    ) -> Result<u32> {
        const ENTRY_BYTES: usize = size_of::<crate::abi::RegWait>();
        self.check()?;
        sq.check()?;
        let offset = ptr::without_provenance(index.0 as usize * ENTRY_BYTES);
        // First the tail, then the look at the flags: the other way round the polling thread could
        // fall asleep in between, with the entry in its queue.
        let count = sq.raw.publish();
        let flags = EnterFlags::EXT_ARG | EnterFlags::EXT_ARG_REG | self.wait_flags(sq);
        // SAFETY: what the queue's entries point to is the promise of who pushed them; the argument
        // is an offset in a region that the kernel checks.
        let answer = unsafe { self.kernel.enter(count, want, flags, offset, ENTRY_BYTES) };
        answer.map_err(|errno| failed(&self.kernel, errno, sq))
    }

    /// Runs what is pending in the kernel, without waiting (`io_uring_get_events`).
    ///
    /// # Errors
    /// [`is_wrong_thread`](Error::is_wrong_thread), [`is_forked`](Error::is_forked).
    ///
    /// ```
    /// annulus_ring::LocalRing::new(8)?.parts().2.get_events()?;
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_get_events")]
    pub fn get_events(&self) -> Result<()> {
        self.check()?;
        self.enter_past_signals(EnterFlags::GETEVENTS)
    }

    /// Runs what is pending in the kernel, if anything is.
    #[cold]
    pub(crate) fn flush(&self) -> Result<()> {
        if self.events_flag().is_empty() { Ok(()) } else { self.get_events() }
    }

    /// Waits until the polling thread has made room in the submission queue (`SQPOLL`).
    ///
    /// # Errors
    /// `EINVAL` on a ring without `SQPOLL`.
    ///
    /// ```
    /// use std::time::Duration;
    /// let builder = annulus_ring::Builder::new().entries(8).sqpoll(Duration::ZERO);
    /// let mut ring = builder.build()?;
    /// ring.parts().2.squeue_wait()?; // there is room: it returns at once
    /// # Ok::<(), annulus_ring::Error>(())
    /// ```
    #[doc(alias = "io_uring_sqring_wait")]
    pub fn squeue_wait(&self) -> Result<()> {
        self.check()?;
        if !self.is_sqpoll() {
            return Err(Error::usage(
                "squeue_wait() waits for the polling thread of SQPOLL, which this ring has not",
            ));
        }
        self.enter_past_signals(EnterFlags::SQ_WAIT)
    }

    /// Enters with no entry and for no completion, until something other than a signal ends it.
    fn enter_past_signals(&self, flags: EnterFlags) -> Result<()> {
        loop {
            match self.enter(0, 0, flags) {
                Ok(_) => return Ok(()),
                // Not bounded: each turn of the loop is a signal that was delivered.
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Error::enter(self.kernel.is_linux(), errno, 0)),
            }
        }
    }

    #[inline(always)]
    fn enter(
        &self,
        to_submit: u32,
        want: u32,
        flags: EnterFlags,
    ) -> core::result::Result<u32, Errno> {
        // SAFETY: what the queue's entries point to is the promise of who pushed them; there is no
        // argument.
        unsafe { self.kernel.enter(to_submit, want, flags, ptr::null(), 0) }
    }
}

/// The error of a submit: what was not taken stays queued.
#[cold]
fn failed<K: Kernel, S: SqeKind>(kernel: &K, errno: Errno, sq: &SubmissionQueue<S>) -> Error {
    Error::enter(kernel.is_linux(), errno, sq.len())
}

/// The nanoseconds of a second.
const SECOND_NS: i64 = 1_000_000_000;

/// How long it is from `now` until `deadline`; nothing if that is past.
pub(crate) fn until(now: Timespec, deadline: Timespec) -> Timespec {
    if deadline <= now {
        return Timespec::default();
    }
    let (secs, ns) = (deadline.tv_sec - now.tv_sec, deadline.tv_nsec - now.tv_nsec);
    if ns < 0 {
        Timespec { tv_sec: secs - 1, tv_nsec: ns + SECOND_NS }
    } else {
        Timespec { tv_sec: secs, tv_nsec: ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    #[test]
    fn time_left_is_what_the_clock_left_over() {
        let now = Timespec { tv_sec: 10, tv_nsec: 900_000_000 };
        let end = now.after(Duration::from_millis(350));
        assert_eq!(end, Timespec { tv_sec: 11, tv_nsec: 250_000_000 });
        assert_eq!(until(now, end), Timespec { tv_sec: 0, tv_nsec: 350_000_000 });
        assert_eq!(until(end, now), Timespec::default());
        assert_eq!(now.after(Duration::MAX).tv_sec, i64::MAX);
    }
}
