//! [`Host`]: a kernel in user space, which does a ring's work by the process's own system calls:
//! tried without waiting, else when its file is ready, else on a thread.
//!
//! ```text
//! enter    take entries · do what can be done · wait
//! wait     one leads: it sleeps in epoll (files, the bell) until the next time is due;
//!          the others sleep until there is something, or nobody leads: see `wait`
//! threads  deliver what they did under the ring's lock, and ring the bells
//! ```

mod enter;
mod machine;
mod memory;
mod perform;
mod poller;
mod pool;
mod process;
mod register;
mod rings;
mod sys;
mod turns;
mod wait;
mod watches;

pub use process::{SignalWatch, adopt_child, child_fd, restore_signal};

use core::ffi::c_void;
use core::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use annulus_ring::abi::{
    ClockId, EnterFlags, Features, Params, RegisterOp, SetupFlags, SqRingFlags, Sqe, Timespec,
};
use annulus_ring::kernel::{Descriptors, Kernel, Mapping, Plan, Process, RingMemory};
use annulus_ring::{CqeKind, Errno, Error, ForkMark, SqeKind};

use crate::queues::{Queues, Shape};
use crate::semantics::Core;
use crate::uaccess::Uaccess;
use crate::workers::Workers;
use machine::Machine;
use poller::Poller;
use pool::Pool;
use wait::{Inner, State};
use watches::Watches;

/// The set-up flags that are known here. What is about the kernel's own threads, task work and
/// memory is granted, and means nothing.
const KNOWN: SetupFlags = SetupFlags::CQSIZE
    .union(SetupFlags::SQPOLL)
    .union(SetupFlags::SQ_AFF)
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
    .union(Features::LINKED_FILE)
    .union(Features::SQPOLL_NONFIXED)
    .union(Features::RECVSEND_BUNDLE)
    .union(Features::MIN_TIMEOUT)
    .union(Features::NO_IOWAIT);

/// A ring of the host kernel.
pub struct Host {
    /// Kept for good by a child, which may touch nothing.
    inner: ManuallyDrop<Arc<Inner>>,
}

impl core::fmt::Debug for Host {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.inner.is_forked() {
            return f.debug_struct("Host").finish_non_exhaustive();
        }
        let state = self.inner.state();
        f.debug_struct("Host")
            .field("queues", &state.core.queues)
            .field("outstanding", &state.core.outstanding())
            .finish_non_exhaustive()
    }
}

/// A ring, its memory as the program's side sees it, and what it was granted.
type Made<S, C> = (Host, RingMemory<S, C>, Params);

impl Host {
    /// Makes a ring as `plan` says.
    ///
    /// # Errors
    /// `EINVAL`: lengths that Linux refuses, or flags that are not known here. `EMFILE`, `ENFILE`:
    /// no descriptors left. `ENOMEM`.
    pub(crate) fn set_up<S: SqeKind, C: CqeKind>(
        plan: &mut Plan,
        workers: Workers,
    ) -> Result<Made<S, C::Slot>, Error> {
        let made = plan.lengths().and_then(|(sq_entries, cq_entries)| {
            let flags = plan.flags() | plan.wishes();
            if flags.contains(SetupFlags::CQE_MIXED) && cq_entries < 2 {
                // A long completion would never have room.
                return Err(Errno::EOVERFLOW);
            }
            let attached = plan.workers_of().map(|ring| ring.as_raw_fd());
            // No thread is there to be bound to it; but a request that Linux refuses is refused.
            let binds = flags.contains(SetupFlags::SQ_AFF);
            let has_processor = !binds || plan.params().sq_thread_cpu < sys::processors();
            let is_fine =
                KNOWN.contains(flags) && agree(flags) && attached.is_none_or(rings::is_ring);
            if !is_fine || !has_processor {
                return Err(Errno::EINVAL);
            }
            Self::new(Shape { sq_entries, cq_entries, flags }, workers)
        });
        let failed = |errno| match errno {
            Errno::EINVAL => plan.refused_elsewhere(errno, plan.flags()),
            errno => Error::os(errno, "making a ring in user space"),
        };
        let (host, params) = made.map_err(failed)?;
        let memory = host.inner.state().core.queues.memory();
        Ok((host, memory, params))
    }

    fn new(shape: Shape, workers: Workers) -> Result<(Self, Params), Errno> {
        let mut queues = Queues::new(shape)?;
        if shape.flags.contains(SetupFlags::SQPOLL) {
            // The thread that takes entries sleeps: it is woken by each enter.
            queues.raise(SqRingFlags::NEED_WAKEUP);
        }
        let mark = ForkMark::new().map_err(|_no_page| Errno::ENOMEM)?;
        let name = rings::new_name();
        let poller = Arc::new(Poller::new(name)?);
        let pool = Arc::new(Pool::new(workers));
        let machine = Machine::new(Watches::new(Arc::clone(&poller)), Arc::clone(&pool));
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
        let is_disabled = shape.flags.contains(SetupFlags::R_DISABLED);
        let is_one_threads = shape.flags.contains(SetupFlags::SINGLE_ISSUER) && !is_disabled;
        let issuer = is_one_threads.then(enter::this_thread);
        let core = Core::new(queues, machine, user);
        let outer = poller.outer().as_raw_fd();
        let inner = Arc::new_cyclic(|own| {
            let mut state = State::new(core, issuer);
            state.core.world.own = own.clone();
            Inner::new(state, poller, pool, name, mark)
        });
        rings::enter(name, outer, &inner);
        let told = Arc::downgrade(&inner);
        inner.pool.deliver_to(Box::new(move |token, work, result| {
            if let Some(inner) = told.upgrade() {
                let mut state = inner.state();
                state.core.returned(token, work, result);
                state.core.run();
                state = inner.send_messages(state);
                inner.settle(&mut state);
            }
        }));
        Ok((Self { inner: ManuallyDrop::new(inner) }, params))
    }
}

/// Whether flags go together, as Linux has it.
fn agree(flags: SetupFlags) -> bool {
    let has = |flag| flags.contains(flag);
    let any = |some| flags.intersects(some);
    let runs = SetupFlags::COOP_TASKRUN | SetupFlags::TASKRUN_FLAG | SetupFlags::DEFER_TASKRUN;
    let taskrun = SetupFlags::COOP_TASKRUN | SetupFlags::DEFER_TASKRUN;
    !(has(SetupFlags::SQPOLL) && any(runs)
        || has(SetupFlags::SQ_AFF) && !has(SetupFlags::SQPOLL)
        || has(SetupFlags::TASKRUN_FLAG) && !any(taskrun)
        || has(SetupFlags::DEFER_TASKRUN) && !has(SetupFlags::SINGLE_ISSUER)
        || has(SetupFlags::CQE32 | SetupFlags::CQE_MIXED))
}

/// Whether a descriptor is that of a ring in user space, of this process.
pub(crate) fn is_ring_here(fd: RawFd) -> bool {
    rings::find(fd).is_some()
}

/// Whether a descriptor may be that of a ring of Linux: where there is no `/proc`, any may.
pub(crate) fn may_be_ring_of_linux(fd: RawFd) -> bool {
    sys::is_open(fd) && sys::name(fd).is_none_or(|name| name == "anon_inode:[io_uring]")
}

/// A message from a thread without a ring (`IORING_REGISTER_SEND_MSG_RING`).
pub(crate) fn send_message(sqe: &Sqe) -> Result<u32, Errno> {
    rings::send(sqe)
}

/// Answers questions of what the host kernel has (`IORING_REGISTER_QUERY`).
///
/// # Safety
/// - `head` is an `io_uring_query_hdr` whose address is that of room for an answer.
pub(crate) unsafe fn query(head: *mut c_void) -> Result<u32, Errno> {
    // SAFETY: the caller's promise.
    let user = unsafe { Uaccess::promised() };
    register::query(user, head.expose_provenance() as u64, 0).map(|()| 0)
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
        if self.inner.is_forked() {
            return Err(Errno::EBADF);
        }
        // SAFETY: the caller's promise.
        unsafe { self.inner.enter(to_submit, min_complete, flags, arg, arg_bytes) }
    }

    unsafe fn register(&self, op: RegisterOp, arg: *mut c_void, count: u32) -> Result<u32, Errno> {
        if self.inner.is_forked() {
            return Err(Errno::EBADF);
        }
        // SAFETY: the caller's promise.
        unsafe { self.inner.register(op, arg.expose_provenance() as u64, count) }
    }

    unsafe fn call(&self, sqe: &Sqe) -> Result<u32, Errno> {
        // SAFETY: the caller's promise.
        unsafe { Process.call(sqe) }
    }

    fn now(&self) -> Timespec {
        Timespec::default().after(sys::now(ClockId::MONOTONIC))
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        if self.inner.is_forked() {
            return None;
        }
        let mut state = self.inner.state();
        if !state.is_polled {
            state.is_polled = true;
            self.inner.settle(&mut state);
        }
        Some(self.inner.poller.outer())
    }

    fn map(&self, offset: u64, bytes: usize) -> Result<Mapping, Errno> {
        if self.inner.is_forked() {
            return Err(Errno::EBADF);
        }
        let state = self.inner.state();
        match &state.region {
            Some(region) if offset == memory::OFFSET => region.map(bytes),
            _ => state.core.map(offset, bytes),
        }
    }

    fn descriptors(&self) -> Process {
        Process
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if self.inner.is_forked() {
            // The epoll is the parent's too, and its lock may be held by a thread that is not here.
            return;
        }
        rings::leave(self.inner.name);
        let mut state = self.inner.state();
        state.is_closed = true;
        state.core.cancel_all();
        self.inner.settle(&mut state);
        drop(state);
        self.inner.pool.close();
        // SAFETY: it is used by nobody any more: this is its end.
        unsafe { ManuallyDrop::drop(&mut self.inner) };
    }
}
