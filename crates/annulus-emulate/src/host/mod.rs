//! [`Host`]: a kernel in user space, which does a ring's work by the process's own system calls:
//! tried without waiting, else when its file is ready, else on a thread.
//!
//! ```text
//! enter    take entries · do what can be done · wait
//! wait     one leads: it sleeps in epoll (files, the bell) until the next time is due;
//!          the others sleep on a condition until there is something, or nobody leads
//! threads  deliver what they did under the ring's lock, and ring the bell
//! ```

mod machine;
mod perform;
mod poller;
mod pool;
mod rings;
mod sys;

use core::ffi::c_void;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annulus_ring::abi::{
    ClockId, CloneBuffers, EnterFlags, Features, GeteventsArg, Params, RegisterOp, SetupFlags, Sqe,
    Timespec,
};
use annulus_ring::kernel::{Descriptors, Kernel, Plan, Process, RingMemory};
use annulus_ring::{CqeKind, Errno, Error, SqeKind};

use crate::queues::{Queues, Shape};
use crate::semantics::Core;
use crate::uaccess::Uaccess;
use machine::Machine;
use poller::{Events, Poller};
use pool::{Habits, Pool};

/// The set-up flags that are known here. What is about the kernel's own threads, task work and
/// memory is granted, and means nothing.
const KNOWN: SetupFlags = SetupFlags::CQSIZE
    .union(SetupFlags::CLAMP)
    .union(SetupFlags::ATTACH_WQ)
    .union(SetupFlags::R_DISABLED)
    .union(SetupFlags::SUBMIT_ALL)
    .union(SetupFlags::COOP_TASKRUN)
    .union(SetupFlags::TASKRUN_FLAG)
    .union(SetupFlags::SQE128)
    .union(SetupFlags::CQE32)
    .union(SetupFlags::SINGLE_ISSUER)
    .union(SetupFlags::DEFER_TASKRUN)
    .union(SetupFlags::NO_MMAP)
    .union(SetupFlags::NO_SQARRAY)
    .union(SetupFlags::CQE_MIXED);

/// What it does as Linux says it with these.
const FEATURES: Features = Features::SINGLE_MMAP
    .union(Features::NODROP)
    .union(Features::SUBMIT_STABLE)
    .union(Features::RW_CUR_POS)
    .union(Features::FAST_POLL)
    .union(Features::POLL_32BITS)
    .union(Features::EXT_ARG)
    .union(Features::CQE_SKIP)
    .union(Features::LINKED_FILE);

struct Inner {
    state: Mutex<State>,
    /// Who waits and does not lead.
    followers: Condvar,
    poller: Arc<Poller>,
    pool: Arc<Pool>,
}

struct State {
    core: Core<Machine>,
    /// Somebody sleeps in epoll, until this time if that is some.
    leads: bool,
    wakes_at: Option<Duration>,
}

/// A ring of the host kernel.
pub struct Host {
    inner: Arc<Inner>,
}

impl core::fmt::Debug for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let state = self.inner.state();
        f.debug_struct("Host")
            .field("queues", &state.core.queues)
            .field("outstanding", &state.core.outstanding())
            .finish_non_exhaustive()
    }
}

impl Host {
    /// Makes a ring as `plan` says.
    ///
    /// # Errors
    /// `EINVAL`: lengths that Linux refuses, or flags that are not known here. `EMFILE`, `ENFILE`:
    /// no descriptors left. `ENOMEM`.
    pub(crate) fn set_up<S: SqeKind, C: CqeKind>(
        plan: &mut Plan,
    ) -> Result<(Self, RingMemory<S, C::Slot>, Params), Error> {
        let made = plan.lengths().and_then(|(sq_entries, cq_entries)| {
            let flags = plan.flags() | plan.wishes();
            if !KNOWN.contains(flags) {
                return Err(Errno::EINVAL);
            }
            Self::new(Shape { sq_entries, cq_entries, flags })
        });
        let failed = |errno| Error::os(errno, "making a ring in user space");
        let (host, params) = made.map_err(failed)?;
        let memory = host.inner.state().core.queues.memory();
        Ok((host, memory, params))
    }

    fn new(shape: Shape) -> Result<(Self, Params), Errno> {
        let queues = Queues::new(shape)?;
        let poller = Arc::new(Poller::new()?);
        let habits = Habits {
            threads_max: 64,
            keep_alive: Duration::from_secs(5),
            name: "annulus-host".to_owned(),
        };
        let pool = Arc::new(Pool::new(habits));
        let machine = Machine { poller: Arc::clone(&poller), pool: Arc::clone(&pool) };
        // SAFETY: entries come by `enter` and `register` alone, whose callers promise that what
        // they point to is valid as their operations demand.
        let user = unsafe { Uaccess::promised() };
        let params = Params {
            sq_entries: shape.sq_entries,
            cq_entries: shape.cq_entries,
            flags: shape.flags,
            features: FEATURES,
            ..Params::default()
        };
        let state = State { core: Core::new(queues, machine, user), leads: false, wakes_at: None };
        let inner =
            Arc::new(Inner { state: Mutex::new(state), followers: Condvar::new(), poller, pool });
        let told = Arc::downgrade(&inner);
        inner.pool.deliver_to(Box::new(move |token, work, result| {
            if let Some(inner) = told.upgrade() {
                let mut state = inner.state();
                state.core.returned(token, work, result);
                state.core.run();
                inner.wake(&state);
            }
        }));
        rings::enlist(&inner);
        Ok((Self { inner }, params))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes who waits: something was told, or is due earlier.
    fn wake(&self, state: &State) {
        if state.leads {
            self.poller.ring();
        }
        self.followers.notify_all();
    }

    /// Takes registered buffers of another ring, or of this one.
    ///
    /// # Errors
    /// Those of `Core::clone_buffers`; `EBADF`: there is no such descriptor; `EOPNOTSUPP`: it is no
    /// ring of this kernel.
    fn clone_buffers(&self, arg: u64, count: u32) -> Result<u32, Errno> {
        if arg == 0 || count != 1 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: the argument is what the registration takes (`Kernel::register`).
        let user = unsafe { Uaccess::promised() };
        let given: CloneBuffers = user.read(arg)?;
        let fd = given.src_fd as RawFd;
        // Before this ring's lock is taken: two rings may take from each other.
        let source = match rings::find(fd) {
            Some(ring) => Ok(ring.state().core.buffers_to_clone()),
            None if sys::is_open(fd) => Err(Errno::EOPNOTSUPP),
            None => Err(Errno::EBADF),
        };
        self.state().core.clone_buffers(&given, source)
    }

    /// Goes on with what files and the bell brought.
    fn take_in(state: &mut State, events: Events) {
        for (token, events) in events.ready {
            state.core.ready(token, events);
        }
        state.core.pass_times();
        state.core.run();
        if state.core.queues.has_overflow() {
            state.core.queues.flush();
        }
    }

    /// Goes on with what is there already.
    fn look(&self, state: &mut State) {
        let events = if self.poller.is_idle() || state.leads {
            Events::default()
        } else {
            self.poller.wait(Some(Duration::ZERO), core::ptr::null()).unwrap_or_default()
        };
        Self::take_in(state, events);
    }

    /// Waits until `want` completions are there.
    ///
    /// # Errors
    /// `ETIME`: not until `limit`. `EINTR`: a signal came. Neither where there are some.
    fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        want: u32,
        limit: Option<Duration>,
        mask: *const c_void,
    ) -> Result<(), Errno> {
        let mut end = Ok(());
        loop {
            let ready = state.core.queues.ready();
            if ready >= want || end.is_err() {
                return if ready > 0 { Ok(()) } else { end };
            }
            let now = sys::now(ClockId::MONOTONIC);
            if limit.is_some_and(|limit| limit <= now) {
                end = Err(Errno::ETIME);
                continue;
            }
            let left = |due: Option<Duration>| due.map(|due| due.saturating_sub(now));
            if state.leads {
                state = match left(limit) {
                    None => self.followers.wait(state).unwrap_or_else(PoisonError::into_inner),
                    Some(left) => {
                        let waited = self.followers.wait_timeout(state, left);
                        waited.unwrap_or_else(PoisonError::into_inner).0
                    }
                };
                continue;
            }
            let due = state.core.next_due();
            let until = limit.into_iter().chain(due).min();
            (state.leads, state.wakes_at) = (true, until);
            drop(state);
            let events = self.poller.wait(left(until), mask);
            state = self.state();
            state.leads = false;
            match events {
                Ok(events) => Self::take_in(&mut state, events),
                Err(errno) => end = Err(errno),
            }
            // Something may be there for them; and one of them leads, if this one is done.
            self.followers.notify_all();
        }
    }
}

/// The end of a wait, and the signals blocked meanwhile, as `arg` says.
///
/// # Errors
/// `EINVAL`, `EFAULT`: it says nothing sensible.
fn wait_argument(
    flags: EnterFlags,
    arg: *const c_void,
    arg_bytes: usize,
) -> Result<(Option<Duration>, *const c_void), Errno> {
    if flags.contains(EnterFlags::EXT_ARG_REG) {
        return Err(Errno::EINVAL);
    }
    if !flags.contains(EnterFlags::EXT_ARG) {
        return Ok((None, arg));
    }
    if arg_bytes != size_of::<GeteventsArg>() {
        return Err(Errno::EINVAL);
    }
    // SAFETY: the argument is what `flags` say (`Kernel::enter`).
    let user = unsafe { Uaccess::promised() };
    let given: GeteventsArg = user.read(arg.expose_provenance() as u64)?;
    let mask = core::ptr::with_exposed_provenance(given.sigmask as usize);
    if given.ts == 0 {
        return Ok((None, mask));
    }
    let time: Timespec = user.read(given.ts)?;
    let time = Duration::new(
        u64::try_from(time.tv_sec).map_err(|_negative| Errno::EINVAL)?,
        u32::try_from(time.tv_nsec).map_err(|_negative| Errno::EINVAL)?,
    );
    let is_point = flags.contains(EnterFlags::ABS_TIMER);
    let limit = if is_point { time } else { sys::now(ClockId::MONOTONIC).saturating_add(time) };
    Ok((Some(limit), mask))
}

// SAFETY: `Queues` takes and posts as the waist says; its memory lives in `Inner`, which this
// keeps; entries' memory is touched between `enter` and the last completion (`Core`), by calls on
// the addresses that they carry.
unsafe impl Kernel for Host {
    type Descriptors = Process;

    unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> Result<u32, Errno> {
        let mut state = self.inner.state();
        let told = state.core.next_due();
        let unseen = state.core.queues.unseen();
        let taken = if to_submit > 0 { state.core.submit(to_submit) } else { 0 };
        if !flags.contains(EnterFlags::GETEVENTS) {
            self.inner.look(&mut state);
            if state.core.next_due() != told || state.core.queues.unseen() != unseen {
                self.inner.wake(&state);
            }
            return Ok(taken);
        }
        self.inner.look(&mut state);
        if state.leads || state.core.queues.unseen() != unseen {
            self.inner.wake(&state);
        }
        if taken < to_submit.min(state.core.queues.submitted() + taken) {
            // Not all was taken: the kernel does not wait then.
            return Ok(taken);
        }
        let (limit, mask) = wait_argument(flags, arg, arg_bytes)?;
        let want = min_complete.min(state.core.queues.shape().cq_entries);
        let waited = self.inner.wait(state, want, limit, mask);
        if taken > 0 { Ok(taken) } else { waited.map(|()| 0) }
    }

    unsafe fn register(&self, op: RegisterOp, arg: *mut c_void, count: u32) -> Result<u32, Errno> {
        if op == RegisterOp::CLONE_BUFFERS {
            return self.inner.clone_buffers(arg.expose_provenance() as u64, count);
        }
        let mut state = self.inner.state();
        let answer = state.core.register(op, arg.expose_provenance() as u64, count);
        self.inner.wake(&state);
        answer
    }

    unsafe fn call(&self, sqe: &Sqe) -> Result<u32, Errno> {
        // SAFETY: the caller's promise.
        unsafe { Process.call(sqe) }
    }

    fn now(&self) -> Timespec {
        Timespec::default().after(sys::now(ClockId::MONOTONIC))
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.inner.poller.fd())
    }

    fn descriptors(&self) -> Process {
        Process
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        rings::strike_out(&self.inner);
        self.inner.state().core.cancel_all();
        self.inner.pool.close();
    }
}
