//! A kernel for tests: it sits behind the waist, in memory of its own, and follows Linux's protocol
//! and orderings. The rings on it are the ones that ship.
//!
//! ```text
//! enter    take entries (or wake the polling thread) → do them → post → wait
//! post     a slot of the queue; if it is full, the overflow list and the CQ_OVERFLOW flag
//! poll     take entries until idle; raise NEED_WAKEUP; full barrier; look again; sleep
//! ```
//!
//! It is the same under loom, under Miri and on real threads; see `sync`.

// Each test uses a part of it.
#![allow(dead_code)]

pub mod entry;
pub mod memory;
pub mod scenarios;
pub mod shared;
pub mod sync;

use core::ffi::c_void;
use std::collections::VecDeque;
use std::os::fd::{BorrowedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

use annulus_ring::abi::{
    EnterFlags, GeteventsArg, Params, RegisterOp, SetupFlags, SqRingFlags, Sqe, Timespec,
};
use annulus_ring::kernel::{Descriptors, Kernel};
use annulus_ring::{Description, Errno, Place, RingOf};

use entry::{Completion, Entry, Posted};
use memory::{Memory, Shape};
use sync::{Condvar, Mutex, MutexGuard, Ordering, fence, sleep};

/// When an entry that was taken completes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Before the submit returns.
    AtOnce,
    /// When the program enters for events; `TASKRUN` says that something waits.
    Deferred,
    /// When the test says so.
    Held,
}

/// What goes wrong with the next `enter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing does.
    None,
    /// It fails before anything is taken, `after` this long.
    Refuse { errno: Errno, after: Duration },
    /// It takes so many entries at most, and does not wait.
    Short(u32),
    /// A signal ends its wait, `after` this long and before anything completes, if it has to wait.
    Signal { after: Duration },
}

/// How the kernel is made.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    pub shape: Shape,
    pub flags: SetupFlags,
    pub work: Work,
}

impl Config {
    /// A kernel that does entries at once.
    pub const fn new(shape: Shape) -> Self {
        Self { shape, flags: SetupFlags::SUBMIT_ALL, work: Work::AtOnce }
    }

    pub const fn work(mut self, work: Work) -> Self {
        self.work = work;
        self
    }

    /// With these set-up flags and no others.
    pub const fn flags(mut self, flags: SetupFlags) -> Self {
        self.flags = flags;
        self
    }

    /// The kernel alone.
    pub fn kernel<S: Entry, C: Posted>(self) -> Model<S, C> {
        Model::new(self)
    }

    /// A ring of this kind, and its kernel.
    pub fn ring<P: Place, S: Entry, C: Posted>(self) -> Made<P, S, C> {
        let kernel = Arc::new(Model::<S, C>::new(self));
        let params = Params {
            sq_entries: self.shape.sq_entries,
            cq_entries: self.shape.cq_entries,
            flags: self.flags | S::SETUP | C::SETUP,
            ..Params::default()
        };
        let memory = kernel.memory.pointers();
        // SAFETY: the memory is this kernel's, which the ring keeps; no other ring is made of it.
        let ring = unsafe { RingOf::from_parts(kernel.clone(), memory, params) };
        (ring, kernel)
    }
}

/// A ring on the model, and the model.
pub type Made<P, S, C> = (RingOf<P, S, C, Arc<Model<S, C>>>, Arc<Model<S, C>>);

/// What only the kernel knows.
#[derive(Debug)]
pub struct State {
    sq_head: u32,
    cq_tail: u32,
    /// Taken, and not complete.
    pending: VecDeque<Completion>,
    /// Complete, and without room in the queue.
    overflow: VecDeque<Completion>,
    faults: VecDeque<Fault>,
    now: Duration,
    /// The time limit of each wait, as the program gave it.
    pub limits: Vec<Option<Timespec>>,
    /// How often the kernel was entered.
    pub enters: u32,
    /// What each enter took, by its `user_data`.
    pub batches: Vec<Vec<u64>>,
    woken: bool,
}

impl State {
    /// Nothing goes wrong any more.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }
}

/// The kernel.
#[derive(Debug)]
pub struct Model<S, C: Posted> {
    memory: Memory<S, C>,
    config: Config,
    state: Mutex<State>,
    /// The polling thread sleeps here.
    sleeper: Condvar,
    /// Who waits for completions sleeps here.
    waiters: Condvar,
}

impl<S: Entry, C: Posted> Model<S, C> {
    fn new(config: Config) -> Self {
        let state = State {
            sq_head: config.shape.sq_start,
            cq_tail: config.shape.cq_start,
            pending: VecDeque::new(),
            overflow: VecDeque::new(),
            faults: VecDeque::new(),
            now: Duration::from_secs(100),
            limits: Vec::new(),
            enters: 0,
            batches: Vec::new(),
            woken: false,
        };
        Self {
            memory: Memory::new(&config.shape),
            config,
            state: Mutex::new(state),
            sleeper: Condvar::new(),
            waiters: Condvar::new(),
        }
    }

    pub fn memory(&self) -> &Memory<S, C> {
        &self.memory
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Lets the next enters go wrong, in this order.
    pub fn fault(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.state().now += time;
    }

    /// How many entries were taken and are not complete.
    pub fn pending(&self) -> usize {
        self.state().pending.len()
    }

    /// Completes the `nth` of the pending entries.
    pub fn finish(&self, nth: usize) {
        let mut state = self.state();
        let completion = state.pending.remove(nth).expect("an entry is pending");
        self.post(&mut state, completion);
    }

    /// Posts a completion that no entry of this ring asked for, as `MSG_RING` does.
    pub fn post_message(&self, completion: Completion) {
        self.post(&mut self.state(), completion);
    }

    /// Leaves a completion to be posted when the program enters, and says so.
    pub fn defer(&self, completion: Completion) {
        self.state().pending.push_back(completion);
        self.memory.raise(SqRingFlags::TASKRUN);
    }

    /// A completion goes to the queue, or behind those that found no room before it.
    fn post(&self, state: &mut State, completion: Completion) {
        if !state.overflow.is_empty() || !self.memory.post(&mut state.cq_tail, &completion) {
            state.overflow.push_back(completion);
            self.memory.raise(SqRingFlags::CQ_OVERFLOW);
        }
        self.waiters.notify_all();
    }

    /// Moves what had no room to the queue, as far as there is some now.
    fn flush(&self, state: &mut State) {
        while let Some(completion) = state.overflow.front() {
            if !self.memory.post(&mut state.cq_tail, completion) {
                return;
            }
            state.overflow.pop_front();
        }
        self.memory.lower(SqRingFlags::CQ_OVERFLOW);
    }

    /// Does an entry that was taken; false if it is one that stops a submit without `SUBMIT_ALL`.
    fn perform(&self, state: &mut State, sqe: &Sqe) -> bool {
        let fine = sqe.opcode != entry::UNKNOWN;
        if let Some(completion) = Completion::of(sqe) {
            // A bad entry completes at once, whatever else does.
            if fine && self.config.work != Work::AtOnce {
                state.pending.push_back(completion);
                if self.config.flags.contains(SetupFlags::TASKRUN_FLAG) {
                    self.memory.raise(SqRingFlags::TASKRUN);
                }
            } else {
                self.post(state, completion);
            }
        }
        fine || self.config.flags.contains(SetupFlags::SUBMIT_ALL)
    }

    /// Takes at most `max` entries and does them.
    fn submit(&self, state: &mut State, max: u32) -> u32 {
        let available = self.memory.sq_tail().wrapping_sub(state.sq_head).min(max);
        let mut taken = 0;
        let mut batch = Vec::new();
        while taken < available {
            let entry = self.memory.sq_read(state.sq_head.wrapping_add(taken));
            let Some(entry) = entry else { break };
            taken += 1;
            batch.push(entry.sqe().user_data);
            if !self.perform(state, entry.sqe()) {
                break;
            }
        }
        if !batch.is_empty() {
            state.batches.push(batch);
        }
        state.sq_head = state.sq_head.wrapping_add(taken);
        self.memory.sq_release(state.sq_head);
        taken
    }

    /// Runs what waits for an enter.
    fn run_deferred(&self, state: &mut State) {
        if self.config.work == Work::Deferred {
            while let Some(completion) = state.pending.pop_front() {
                self.post(state, completion);
            }
        }
        self.memory.lower(SqRingFlags::TASKRUN);
        if !state.overflow.is_empty() {
            self.flush(state);
        }
    }

    /// Waits until `want` completions are there. As Linux does: an error is told only if the queue
    /// is empty then.
    fn wait(
        &self,
        mut state: MutexGuard<'_, State>,
        want: u32,
        limit: Option<Timespec>,
        fault: Fault,
    ) -> Result<(), Errno> {
        if !matches!(fault, Fault::Signal { .. }) {
            self.run_deferred(&mut state);
        }
        let want = want.min(self.config.shape.cq_entries);
        loop {
            let count = self.memory.cq_count(state.cq_tail);
            if count >= want {
                return Ok(());
            }
            let ended = match (fault, limit) {
                (Fault::Signal { after }, _) => Some((after, Errno::EINTR)),
                (_, Some(limit)) => Some((duration(limit), Errno::ETIME)),
                _ => None,
            };
            if let Some((after, errno)) = ended {
                state.now += after;
                return if count == 0 { Err(errno) } else { Ok(()) };
            }
            // Somebody else has to post.
            state = sleep(&self.waiters, state);
        }
    }

    /// The polling thread, until it has taken `count` entries.
    pub fn poll(&self, count: u32) {
        let mut head = self.config.shape.sq_start;
        let end = head.wrapping_add(count);
        while head != end {
            let entries = self.memory.take(&mut head, u32::MAX);
            if !entries.is_empty() {
                let mut state = self.state();
                for entry in &entries {
                    self.perform(&mut state, entry.sqe());
                }
                continue;
            }
            self.memory.raise(SqRingFlags::NEED_WAKEUP);
            // Pairs with the program's fence between its store of the tail and its load of the
            // flags: one of the two sees the other.
            fence(Ordering::SeqCst);
            if self.memory.sq_tail() == head {
                let mut state = self.state();
                while !state.woken {
                    state = sleep(&self.sleeper, state);
                }
                state.woken = false;
            }
            self.memory.lower(SqRingFlags::NEED_WAKEUP);
        }
    }
}

fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The time limit that an extended argument names.
///
/// # Safety
/// - With `EXT_ARG`, `arg` is a [`GeteventsArg`] and its `ts` null or a [`Timespec`], for the call.
unsafe fn time_limit(flags: EnterFlags, arg: *const c_void, bytes: usize) -> Option<Timespec> {
    if !flags.contains(EnterFlags::EXT_ARG) || flags.contains(EnterFlags::EXT_ARG_REG) {
        return None;
    }
    assert_eq!(bytes, size_of::<GeteventsArg>());
    // SAFETY: the caller's promise.
    let arg = unsafe { arg.cast::<GeteventsArg>().read() };
    let time = core::ptr::with_exposed_provenance::<Timespec>(arg.ts as usize);
    if time.is_null() {
        return None;
    }
    // SAFETY: the caller's promise.
    Some(unsafe { time.read() })
}

// SAFETY: `submit`, `poll` and `post` above do what is asked for: slots are read between the head
// and an acquired tail, written between the tail and an acquired head, and released afterwards. The
// memory is part of the kernel, which sits in an `Arc`. What entries point to is never touched.
unsafe impl<S: Entry, C: Posted> Kernel for Model<S, C> {
    type Descriptors = NoDescriptors;

    unsafe fn enter(
        &self,
        to_submit: u32,
        min_complete: u32,
        flags: EnterFlags,
        arg: *const c_void,
        arg_bytes: usize,
    ) -> Result<u32, Errno> {
        // SAFETY: the caller's promise.
        let limit = unsafe { time_limit(flags, arg, arg_bytes) };
        let mut state = self.state();
        state.enters += 1;
        state.limits.push(limit);
        let fault = state.faults.pop_front().unwrap_or(Fault::None);
        if let Fault::Refuse { errno, after } = fault {
            state.now += after;
            return Err(errno);
        }
        let taken = if self.config.flags.contains(SetupFlags::SQPOLL) {
            if flags.contains(EnterFlags::SQ_WAKEUP) {
                state.woken = true;
                self.sleeper.notify_one();
            }
            to_submit
        } else if let Fault::Short(most) = fault {
            self.submit(&mut state, to_submit.min(most))
        } else {
            self.submit(&mut state, to_submit)
        };
        // A submit that came short does not wait.
        if taken != to_submit || !flags.contains(EnterFlags::GETEVENTS) {
            return Ok(taken);
        }
        match self.wait(state, min_complete, limit, fault) {
            Err(errno) if taken == 0 => Err(errno),
            _ => Ok(taken),
        }
    }

    unsafe fn register(&self, _: RegisterOp, _: *mut c_void, _: u32) -> Result<u32, Errno> {
        Err(Errno::EINVAL)
    }

    fn now(&self) -> Timespec {
        Timespec::from(self.state().now)
    }

    fn poll_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }

    fn descriptors(&self) -> NoDescriptors {
        NoDescriptors
    }
}

/// The model has no descriptors.
#[derive(Clone, Debug)]
pub struct NoDescriptors;

// SAFETY: there is nothing to close.
unsafe impl Descriptors for NoDescriptors {
    unsafe fn close(&self, raw: RawFd) -> Result<(), Errno> {
        panic!("the model has no descriptor {raw}");
    }

    unsafe fn call(&self, _: &Sqe) -> Result<u32, Errno> {
        Err(Errno::EAGAIN)
    }

    fn describe(&self, _: RawFd) -> Result<Description, Errno> {
        Err(Errno::EBADF)
    }
}
