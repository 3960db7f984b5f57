//! Who waits for completions, and where.
//!
//! While the completion queue is not empty every waiting enter returns at once, and one completion
//! wakes all that wait in the kernel. So of many waiters one *leads*: it alone waits in the kernel.
//! The others are *parked* in user space.
//!
//! ```text
//!            nobody leads             there is a completion
//!   arrive ───────────────→ lead ─────────────────────────→ take what fits, and leave:
//!      │                      ↑                              - lead goes to one that is parked
//!      │ somebody leads       │ lead is handed on            - as many more are woken as there are
//!      └──────────────→ park ─┘                                completions left
//! ```
//!
//! Two rules hold whenever nobody has the lock:
//! - *Somebody is parked* only where somebody leads, or the lead lies there to be picked up and a
//!   notification for it is under way. Whoever leads and leaves, for whatever reason, hands on.
//! - *A wake-up is outstanding* beyond what those that are parked will pick up only where nobody is
//!   in the kernel, or a NOP of the ring's own (a *kick*) is on its way there. Whoever takes a kick
//!   out of the queue that was meant for another sends a new one.

use core::ptr;
use core::time::Duration;

use super::inner::{Inner, add};
use super::submit::Submitted;
use crate::abi::{Cqe, EnterFlags, GeteventsArg, Timespec};
use crate::errno::Errno;
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::op;
use crate::submitter::until;
use crate::sync::{MutexGuard, lock};
use crate::wait::Wait;

use super::take::WAKE;

/// Who waits in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lead {
    /// Nobody, and nobody is parked.
    Free,
    /// Nobody yet: the first that comes, or is woken, is to.
    Handed,
    /// A thread does, or is about to.
    Taken,
}

/// What the waiters know of each other.
#[derive(Debug)]
pub(super) struct Waiters {
    lead: Lead,
    /// Whether the one that leads is in the kernel, or on its way there.
    in_kernel: bool,
    /// How many are parked.
    parked: u32,
    /// How many of those are to look for completions that are left.
    left: u32,
    /// How many waits are to end without a completion.
    wakes: u64,
    /// How often all waits were ended; and as the one in the kernel knew it.
    all_woken: u32,
    all_woken_before: u32,
    /// Whether a kick is on its way.
    kicked: bool,
}

impl Waiters {
    pub(super) fn new() -> Self {
        Self {
            lead: Lead::Free,
            in_kernel: false,
            parked: 0,
            left: 0,
            wakes: 0,
            all_woken: 0,
            all_woken_before: 0,
            kicked: false,
        }
    }

    /// How many wait beside the kernel.
    pub(super) fn parked(&self) -> u32 {
        self.parked
    }

    /// Whether the one in the kernel has to come out, and nothing else will make it.
    fn needs_kick(&self) -> bool {
        let outstanding =
            self.wakes > u64::from(self.parked) || self.all_woken != self.all_woken_before;
        self.in_kernel && outstanding
    }
}

/// One wait, while it lasts.
struct Waiting {
    /// The value of `all_woken` when it began.
    all_woken: u32,
    leads: bool,
    deadline: Option<Timespec>,
}

impl<K: Kernel> Inner<K> {
    /// Takes at least one completion, waiting for it if need be; none if it was woken.
    pub(super) fn wait(&self, out: &mut [Cqe], limit: Option<Duration>) -> Result<usize> {
        self.check()?;
        if out.is_empty() {
            return Err(Error::usage("a wait needs room for at least one completion"));
        }
        // What was left to a thread whose submit failed must not be waited for in vain.
        let submitted = match self.indices.queued() {
            0 => Ok(Submitted::Taken(0)),
            _ => self.submit_or_ask(),
        };
        let mut count = self.take_and_pass_on(out);
        if count > 0 {
            // The entries stay queued, so an error comes again.
            return Ok(count);
        }
        self.told()?;
        let submitted = match submitted {
            // It may be long until the other runs; so this one does not sleep before they are
            // taken.
            Ok(Submitted::Left) if self.hand_over.is_none() => {
                let flushed = self.flush().map(Submitted::Taken);
                count = self.take_and_pass_on(out);
                flushed
            }
            // The kernel takes nothing before somebody takes what waits outside the full queue.
            Err(error) if error.is_busy() && self.pending() => {
                count = self.bring(out)?;
                Err(error)
            }
            other => other,
        };
        if count > 0 {
            return Ok(count);
        }
        let _ = submitted?;
        self.wait_slowly(out, limit)
    }

    /// Takes what is there, without waiting: brings what is pending in the kernel.
    pub(super) fn peek(&self, out: &mut [Cqe]) -> Result<usize> {
        self.check()?;
        let count = self.take_and_pass_on(out);
        if count > 0 || !self.pending() { Ok(count) } else { self.bring(out) }
    }

    /// Has the kernel bring what is pending there, and takes what is there then.
    #[cold]
    fn bring(&self, out: &mut [Cqe]) -> Result<usize> {
        // Not bounded: each turn of the loop is a signal that was delivered.
        while let Err(errno) = self.enter(0, 0, EnterFlags::GETEVENTS) {
            if errno != Errno::EINTR {
                return Err(self.not_submitted(errno));
            }
        }
        Ok(self.take_and_pass_on(out))
    }

    /// Takes what is there; a kick that was meant for another is sent again.
    #[inline]
    fn take_and_pass_on(&self, out: &mut [Cqe]) -> usize {
        let taken = self.take(out);
        if taken.kicked {
            self.pass_kick_on();
        }
        taken.count
    }

    #[cold]
    fn wait_slowly(&self, out: &mut [Cqe], limit: Option<Duration>) -> Result<usize> {
        let deadline = limit.map(|limit| self.submitter.kernel.now().after(limit));
        let mut waiters = lock(&self.waiters);
        let mut own = Waiting { all_woken: waiters.all_woken, leads: false, deadline };
        loop {
            if waiters.lead != Lead::Taken {
                waiters.lead = Lead::Taken;
                own.leads = true;
            }
            if self.is_woken(&mut waiters, &own) {
                self.leave(waiters, &own);
                return Ok(0);
            }
            let (guard, end) = if own.leads {
                self.lead(waiters, &own, out)
            } else if waiters.left > 0 {
                waiters.left -= 1;
                drop(waiters);
                let count = self.take_and_pass_on(out);
                (lock(&self.waiters), (count > 0).then_some(Ok(count)))
            } else {
                self.park(waiters, &own, out)
            };
            waiters = guard;
            if let Some(end) = end {
                // A wake-up that came in time is not made a time limit of.
                let end = match end {
                    Err(error) if error.is_timeout() && self.is_woken(&mut waiters, &own) => Ok(0),
                    other => other,
                };
                self.leave(waiters, &own);
                return end;
            }
        }
    }

    /// Whether a wake-up is there for this wait.
    fn is_to_end(&self, waiters: &Waiters, own: &Waiting) -> bool {
        waiters.all_woken != own.all_woken || waiters.wakes > 0
    }

    /// Whether this wait is to end without a completion: it uses the wake-up up.
    fn is_woken(&self, waiters: &mut Waiters, own: &Waiting) -> bool {
        let woken = self.is_to_end(waiters, own);
        if waiters.all_woken == own.all_woken {
            waiters.wakes -= u64::from(woken);
        }
        woken
    }

    /// Waits in the kernel, and takes what came.
    fn lead<'a>(
        &'a self,
        mut waiters: MutexGuard<'a, Waiters>,
        own: &Waiting,
        out: &mut [Cqe],
    ) -> (MutexGuard<'a, Waiters>, Option<Result<usize>>) {
        waiters.in_kernel = true;
        waiters.all_woken_before = own.all_woken;
        drop(waiters);
        let answer = self.wait_in_kernel(own.deadline);
        let taken = self.take(out);
        let mut waiters = lock(&self.waiters);
        waiters.in_kernel = false;
        if taken.kicked {
            waiters.kicked = false;
        }
        let end = match answer {
            Err(Errno::ETIME) | Ok(_) if taken.count > 0 => Some(Ok(taken.count)),
            Ok(_) => None,
            Err(errno) if taken.count > 0 => {
                self.keep_error(errno);
                Some(Ok(taken.count))
            }
            Err(errno) => Some(Err(self.not_submitted(errno))),
        };
        (waiters, end)
    }

    /// Sleeps until it is notified, or until the deadline.
    fn park<'a>(
        &'a self,
        mut waiters: MutexGuard<'a, Waiters>,
        own: &Waiting,
        out: &mut [Cqe],
    ) -> (MutexGuard<'a, Waiters>, Option<Result<usize>>) {
        waiters.parked += 1;
        let Some(deadline) = own.deadline else {
            let woken = self.parked.wait(waiters);
            let mut waiters = woken.unwrap_or_else(std::sync::PoisonError::into_inner);
            waiters.parked -= 1;
            return (waiters, None);
        };
        let rest = until(self.submitter.kernel.now(), deadline);
        let rest = Duration::new(rest.tv_sec.unsigned_abs(), rest.tv_nsec as u32);
        let woken = self.parked.wait_timeout(waiters, rest);
        let (mut waiters, _) = woken.unwrap_or_else(std::sync::PoisonError::into_inner);
        waiters.parked -= 1;
        let wanted = waiters.lead == Lead::Handed || self.is_to_end(&waiters, own);
        if wanted || self.submitter.kernel.now() < deadline {
            // Past its time or not: one that is to lead looks into the kernel once more; and a
            // wake-up that counted on it, so that nobody in the kernel was sent one, is used up
            // before it may go with a completion.
            return (waiters, None);
        }
        drop(waiters);
        let end = match self.take_and_pass_on(out) {
            0 => Err(self.not_submitted(Errno::ETIME)),
            count => Ok(count),
        };
        (lock(&self.waiters), Some(end))
    }

    /// Ends a wait: if it led, another that is parked does now, and those are woken for whom there
    /// are completions.
    fn leave(&self, mut waiters: MutexGuard<'_, Waiters>, own: &Waiting) {
        if !own.leads {
            return;
        }
        let others = waiters.parked;
        waiters.left = 0;
        if others == 0 || cfg!(seeded_bug = "shared_lead_lost") {
            waiters.lead = Lead::Free;
            return;
        }
        waiters.lead = Lead::Handed;
        waiters.left = self.completions.ready().min(others - 1);
        let count = waiters.left + 1;
        drop(waiters);
        for _ in 0..count {
            self.parked.notify_one();
        }
    }

    /// Waits in the kernel for a completion, past signals. It submits nothing: that is for one
    /// thread at a time, which does not wait.
    fn wait_in_kernel(&self, deadline: Option<Timespec>) -> core::result::Result<u32, Errno> {
        // An overflowed queue is counted; the enter brings what waits outside it.
        let _ = self.pending();
        // Not bounded: each turn of the loop is a signal that was delivered, or a task run for this
        // thread.
        loop {
            let answer = match deadline {
                None => self.enter(0, 1, EnterFlags::GETEVENTS),
                Some(deadline) => self.enter_until(deadline),
            };
            if answer != Err(Errno::EINTR) {
                return answer;
            }
        }
    }

    /// Enters to wait for a completion, but not beyond `deadline`.
    fn enter_until(&self, deadline: Timespec) -> core::result::Result<u32, Errno> {
        let rest = until(self.submitter.kernel.now(), deadline);
        let (flags, arg) = Wait::new().argument(Some(&rest));
        add(&self.counts.enters, 1);
        let (arg, arg_bytes) = (ptr::from_ref(&arg).cast(), size_of::<GeteventsArg>());
        let flags = flags | EnterFlags::GETEVENTS;
        // SAFETY: no entries are taken; `arg`, and the time it points to, live during the call; the
        // ring is tied to no thread.
        unsafe { self.submitter.kernel.enter(0, 1, flags, arg, arg_bytes) }
    }

    /// Ends one wait: one that is under way, else the next.
    pub(super) fn wake(&self) -> Result<()> {
        self.check()?;
        let mut waiters = lock(&self.waiters);
        waiters.wakes += 1;
        if waiters.needs_kick() {
            return self.kick(waiters);
        }
        drop(waiters);
        // One that is parked picks it up; if none is, the next to wait does.
        self.parked.notify_one();
        Ok(())
    }

    /// Ends every wait that is under way.
    pub(super) fn wake_all(&self) -> Result<()> {
        self.check()?;
        let mut waiters = lock(&self.waiters);
        waiters.all_woken = waiters.all_woken.wrapping_add(1);
        self.parked.notify_all();
        if waiters.needs_kick() { self.kick(waiters) } else { Ok(()) }
    }

    /// Sends a NOP to end the wait in the kernel, unless one is on its way; and submits either way,
    /// in case that one was left behind by an error.
    fn kick(&self, mut waiters: MutexGuard<'_, Waiters>) -> Result<()> {
        let underway = core::mem::replace(&mut waiters.kicked, true);
        drop(waiters);
        if !underway {
            // SAFETY: a NOP points to nothing.
            let pushed = unsafe { self.push_own(op::Nop::new().build().user_data(WAKE)) };
            if let Err(error) = pushed {
                lock(&self.waiters).kicked = false;
                return Err(error);
            }
        }
        self.submit().map(drop)
    }

    /// A kick was taken by another than the one in the kernel, which may have been about to sleep.
    #[cold]
    fn pass_kick_on(&self) {
        let mut waiters = lock(&self.waiters);
        waiters.kicked = false;
        if waiters.needs_kick() && cfg!(not(seeded_bug = "shared_kick_lost")) {
            // An error leaves the kick queued, and is the next submit's as well.
            let _ = self.kick(waiters);
        }
    }
}
