//! `io_uring_enter(2)`.

use core::cell::Cell;
use core::ffi::c_void;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use annulus_ring::Errno;
use annulus_ring::abi::{
    ClockId, EnterFlags, GeteventsArg, RegWait, RegWaitFlags, SetupFlags, SqRingFlags, Timespec,
};

use super::sys;
use super::wait::{Goal, Inner, State, Terms};
use crate::uaccess::Uaccess;

/// The flags that are known.
pub(super) const KNOWN: EnterFlags = EnterFlags::GETEVENTS
    .union(EnterFlags::SQ_WAKEUP)
    .union(EnterFlags::SQ_WAIT)
    .union(EnterFlags::EXT_ARG)
    .union(EnterFlags::ABS_TIMER)
    .union(EnterFlags::EXT_ARG_REG)
    .union(EnterFlags::NO_IOWAIT);
/// So many enters in a row find enough without a look at files.
const UNLOOKED_MAX: u8 = 3;
/// How long a set of signals is.
const MASK_BYTES: u64 = 8;

/// The number of this thread, which no other ever has.
pub(super) fn this_thread() -> u64 {
    thread_local!(static THREAD: Cell<u64> = const { Cell::new(0) });
    static NEXT: AtomicU64 = AtomicU64::new(1);
    THREAD.with(|thread| {
        if thread.get() == 0 {
            // Relaxed: pairs with nothing: a number that is given once.
            thread.set(NEXT.fetch_add(1, Ordering::Relaxed));
        }
        thread.get()
    })
}

impl State {
    /// Takes entries: how many.
    ///
    /// # Errors
    /// `EEXIST`: the ring is another thread's alone.
    #[inline]
    fn take_entries(&mut self, to_submit: u32) -> Result<u32, Errno> {
        if self.core.queues.shape().flags.contains(SetupFlags::SQPOLL) {
            // The thread that would take them always sleeps: it is woken, and takes all of them.
            self.core.submit(u32::MAX);
            return Ok(to_submit);
        }
        if to_submit == 0 {
            return Ok(0);
        }
        self.check_thread()?;
        Ok(self.core.submit(to_submit))
    }

    /// Whether what was submitted has ended by itself, and files are looked at another time: that
    /// is counted, so that by and by they are.
    #[inline]
    fn has_enough(&mut self, want: u32) -> bool {
        let queues = &self.core.queues;
        let is_enough = want > 0 && queues.ready() >= want && !queues.has_overflow();
        let is_looked_at = self.unlooked >= UNLOOKED_MAX;
        self.unlooked += u8::from(is_enough && !is_looked_at);
        is_enough && !is_looked_at
    }

    /// Whether this thread may enter, and register.
    ///
    /// # Errors
    /// `EEXIST`: the ring is another thread's alone.
    pub(super) fn check_thread(&self) -> Result<(), Errno> {
        match self.issuer {
            Some(issuer) if issuer != this_thread() => Err(Errno::EEXIST),
            _ => Ok(()),
        }
    }

    /// How many completions a thread wants, if it asks for events. One that wants none, and was
    /// told to ask, would not have asked Linux: there that flag says that something is there, and
    /// here that something may be.
    fn wanted(&self, min_complete: u32, flags: EnterFlags) -> Option<u32> {
        let queues = &self.core.queues;
        let was_told = || queues.is_raised(SqRingFlags::TASKRUN) && !queues.has_overflow();
        let asks = flags.contains(EnterFlags::GETEVENTS) && (min_complete > 0 || !was_told());
        asks.then_some(min_complete)
    }
}

impl Inner {
    /// Takes entries, and waits.
    ///
    /// # Safety
    /// - `arg` is what `flags` say, `arg_bytes` long.
    pub(super) unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> Result<u32, Errno> {
        if !KNOWN.contains(flags) {
            return Err(Errno::EINVAL);
        }
        let mut state = self.state();
        if !state.core.rules.is_enabled() {
            return Err(Errno::EBADFD);
        }
        let wanted = state.wanted(min_complete, flags);
        state.core.ask(wanted);
        let taken = state.take_entries(to_submit)?;
        state.core.pass_times();
        state = self.send_messages(state);
        let waits = flags.contains(EnterFlags::GETEVENTS) && taken == to_submit;
        let want = min_complete.min(state.core.queues.shape().cq_entries);
        // How it would have waited says nothing: what was taken is the answer.
        if !waits || taken > 0 && state.has_enough(want) {
            self.settle(&mut state);
            return Ok(taken);
        }
        // SAFETY: the caller's promise.
        let end = unsafe { self.wait_for(state, taken, want, flags, arg, arg_bytes) };
        if taken > 0 { Ok(taken) } else { end.map(|()| 0) }
    }

    /// Waits for `want` completions, for an enter that has taken so many entries.
    ///
    /// # Errors
    /// Whatever ended the wait.
    ///
    /// # Safety
    /// - `arg` is what `flags` say, `arg_bytes` long.
    #[inline(never)]
    unsafe fn wait_for<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        taken: u32,
        want: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> Result<(), Errno> {
        state.unlooked = 0;
        if state.core.queues.shape().flags.contains(SetupFlags::DEFER_TASKRUN)
            && let Err(errno) = state.check_thread()
        {
            self.settle(&mut state);
            return Err(errno);
        }
        state.flush();
        let timeouts = state.core.timeouts_told();
        if state.core.queues.ready() >= want {
            state = self.look(state);
        }
        let goal = Goal::Ready { want, timeouts };
        let mut end = Ok(());
        if taken == 0 || state.core.queues.has_overflow() || !state.is_met(goal) {
            // SAFETY: the caller's promise.
            end = match unsafe { self.terms(&state, flags, arg, arg_bytes) } {
                Ok(terms) => {
                    let waited = self.wait(state, goal, terms);
                    state = waited.0;
                    waited.1
                }
                Err(errno) => Err(errno),
            };
            // That something is there is told before that the wait was cut short.
            let is_cut = matches!(end, Err(Errno::ETIME | Errno::EINTR));
            if is_cut && state.core.queues.ready() > 0 {
                end = Ok(());
            }
        }
        self.settle(&mut state);
        end
    }

    /// How long is waited, and with which signals blocked.
    ///
    /// # Errors
    /// `EINVAL`, `EFAULT`: the argument says nothing sensible.
    ///
    /// # Safety
    /// - `arg` is what `flags` say, `arg_bytes` long.
    unsafe fn terms(
        &self,
        state: &State,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> Result<Terms, Errno> {
        let mut terms = Terms { mask: arg, ..Terms::until(None) };
        let mut mask_bytes = arg_bytes as u64;
        if flags.contains(EnterFlags::EXT_ARG) {
            // SAFETY: the argument is what `flags` say.
            let user = unsafe { Uaccess::promised() };
            let given = match flags.contains(EnterFlags::EXT_ARG_REG) {
                true => registered(user, state, arg.addr() as u64, arg_bytes)?,
                false => immediate(user, arg.expose_provenance() as u64, arg_bytes)?,
            };
            let clock = state.core.rules.clock;
            let is_point = flags.contains(EnterFlags::ABS_TIMER);
            terms.limit = given.time.map(|time| limit(time, is_point, clock));
            if given.min_us > 0 {
                let now = sys::now(ClockId::MONOTONIC);
                terms.enough = Some(now + Duration::from_micros(given.min_us.into()));
            }
            terms.mask = core::ptr::with_exposed_provenance(given.mask as usize);
            mask_bytes = given.mask_bytes;
        }
        if !terms.mask.is_null() && mask_bytes != MASK_BYTES {
            return Err(Errno::EINVAL);
        }
        Ok(terms)
    }
}

/// What an argument of a wait says.
struct Given {
    time: Option<Timespec>,
    min_us: u32,
    mask: u64,
    mask_bytes: u64,
}

fn immediate(user: Uaccess, addr: u64, bytes: usize) -> Result<Given, Errno> {
    if bytes != size_of::<GeteventsArg>() {
        return Err(Errno::EINVAL);
    }
    let given: GeteventsArg = user.read(addr)?;
    let GeteventsArg { sigmask, sigmask_sz, min_wait_usec, ts } = given;
    let time = if ts == 0 { None } else { Some(user.read(ts)?) };
    Ok(Given { time, min_us: min_wait_usec, mask: sigmask, mask_bytes: sigmask_sz.into() })
}

fn registered(user: Uaccess, state: &State, offset: u64, bytes: usize) -> Result<Given, Errno> {
    if bytes != size_of::<RegWait>() {
        return Err(Errno::EINVAL);
    }
    let region = state.region.as_ref().filter(|region| region.has_waits);
    let given: RegWait = user.read(region.ok_or(Errno::EFAULT)?.at(offset, bytes)?)?;
    let RegWait { ts, min_wait_usec, flags, sigmask, sigmask_sz, .. } = given;
    if !RegWaitFlags::TS.contains(flags) {
        return Err(Errno::EINVAL);
    }
    let time = if flags.contains(RegWaitFlags::TS) { Some(ts) } else { None };
    Ok(Given { time, min_us: min_wait_usec, mask: sigmask, mask_bytes: sigmask_sz.into() })
}

/// When a wait ends, by the monotonic clock: as Linux reckons, a time before now is now.
fn limit(time: Timespec, is_point: bool, clock: ClockId) -> Duration {
    let now = sys::now(ClockId::MONOTONIC);
    let ns = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    let ns = u64::try_from(ns.max(0)).unwrap_or(u64::MAX);
    let time = Duration::from_nanos(ns);
    let left = if is_point { time.saturating_sub(sys::now(clock)) } else { time };
    now.saturating_add(left)
}
