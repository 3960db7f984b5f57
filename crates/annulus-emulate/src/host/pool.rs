//! [`Pool`]: threads that do what may block; each ends when it had nothing to do for a while.
//!
//! There are two kinds, as on Linux. The bounded ones do what ends by itself: files and their
//! paths. Without any (`threads_max` 0, or none can be started) that is done by whoever enters the
//! ring. The others do what
//! ends when somebody else does something (pipes, children, futexes): there is one for each, so
//! that such work never keeps other work waiting.
//!
//! ```text
//! queued ──▶ running ──▶ over: delivered, no lock held
//!    │          ├ interrupted: its system call is ended, again and again until it is over
//!    │          └ waited for (futexes, children): ended, and taken back if it has not come to be
//!    └ taken back
//! ```

use std::collections::{HashMap, VecDeque};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use annulus_ring::Errno;

use super::perform::{self, Queue};
use super::sys::interrupt::{self, Alarm};
use crate::workers::Workers;
use crate::world::{Recall, Token, Work};

/// What a file is to the host: see [`super::machine::File`].
type HostWork = Work<super::machine::File>;

/// Who is told what came of a piece of work.
pub(super) type Deliver = Box<dyn Fn(Token, HostWork, Result<u32, Errno>) + Send + Sync>;

/// How long an interrupted wait has until it is interrupted again.
const AGAIN: Duration = Duration::from_millis(1);
/// How long a wait that cannot be seen for certain has until it waits, once a thread has it. One
/// that does not wait by then may miss a wake; it is seen, unless others leave its word meanwhile.
const JOIN_MAX: Duration = Duration::from_millis(100);

/// The kinds of threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bounded,
    Unbounded,
}

/// A piece of work that no thread has begun.
struct Item {
    token: Token,
    work: HostWork,
    queue: Option<Arc<Queue>>,
}

/// The threads of a kind.
#[derive(Default)]
struct Lane {
    items: VecDeque<Item>,
    threads: usize,
    idle: usize,
    threads_max: usize,
}

/// A piece of work that is being done.
struct Running {
    thread: core::ffi::c_int,
    /// It may be taken back.
    is_wait: bool,
    recalled: bool,
    /// It was recalled, and nothing came of it.
    is_void: bool,
    alarm: Option<Alarm>,
}

struct State {
    lanes: [Lane; 2],
    running: HashMap<Token, Running>,
    handles: Vec<JoinHandle<()>>,
    /// Somebody does the bounded work of a pool without threads.
    is_served: bool,
    closed: bool,
}

/// See above.
pub(super) struct Pool {
    state: Mutex<State>,
    /// There is work, by kind.
    work: [Condvar; 2],
    /// A recalled wait is over.
    over: Condvar,
    habits: Workers,
    /// A bounded thread was wanted, and could not be started.
    is_short: AtomicBool,
    deliver: OnceLock<Deliver>,
    /// A child has a copy of the pool, and none of its threads.
    process: core::ffi::c_int,
}

impl Pool {
    pub(super) fn new(habits: Workers) -> Self {
        let bounded = Lane { threads_max: habits.threads_max, ..Lane::default() };
        let unbounded = Lane { threads_max: usize::MAX, ..Lane::default() };
        let state = State {
            lanes: [bounded, unbounded],
            running: HashMap::new(),
            handles: Vec::new(),
            is_served: false,
            closed: false,
        };
        Self {
            state: Mutex::new(state),
            work: [Condvar::new(), Condvar::new()],
            over: Condvar::new(),
            habits,
            is_short: AtomicBool::new(false),
            deliver: OnceLock::new(),
            process: interrupt::process(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who is told: once.
    pub(super) fn deliver_to(&self, deliver: Deliver) {
        let set = self.deliver.set(deliver);
        debug_assert!(set.is_ok(), "one ring has the pool");
    }

    /// Starts a thread beside those of the pool. False: there can be none.
    pub(super) fn start_beside(&self, body: impl FnOnce() + Send + 'static) -> bool {
        self.spawn(body).is_ok()
    }

    /// Bounds both kinds, where the number is not 0: what the bounds were.
    pub(super) fn bound(&self, max: [u32; 2]) -> [u32; 2] {
        let mut state = self.state();
        let mut before = [0; 2];
        for (n, lane) in state.lanes.iter_mut().enumerate() {
            before[n] = u32::try_from(lane.threads_max).unwrap_or(u32::MAX);
            if max[n] > 0 && !(n == Kind::Bounded as usize && self.is_inline()) {
                lane.threads_max = max[n] as usize;
            }
        }
        before
    }

    /// Whether whoever enters does the bounded work.
    fn is_inline(&self) -> bool {
        self.habits.threads_max == 0
    }

    /// Has a thread do it. A wait for a futex waits when this returns.
    ///
    /// # Errors
    /// The work, where there is no thread and none can be started.
    pub(super) fn hand_over(
        self: &Arc<Self>,
        token: Token,
        work: HostWork,
    ) -> Result<(), Box<HostWork>> {
        let is_wait = perform::is_wait(&work);
        let kind =
            if is_wait || perform::is_endless(&work) { Kind::Unbounded } else { Kind::Bounded };
        let queue = Queue::of(&work).map(Arc::new);
        let mut state = self.state();
        let lane = &mut state.lanes[kind as usize];
        lane.items.push_back(Item { token, work, queue: queue.clone() });
        let is_full = lane.threads >= lane.threads_max && !is_wait;
        if lane.idle >= lane.items.len() || is_full {
            drop(state);
            self.work[kind as usize].notify_one();
        } else {
            lane.threads += 1;
            drop(state);
            self.start(kind, token)?;
        }
        if let Some(queue) = queue {
            self.see_join(token, &queue);
        }
        Ok(())
    }

    /// Starts a thread that gets no signals: the program's are for the program's threads.
    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
        let mask = interrupt::block_signals();
        // A zero byte ends a name, as it does for the kernel.
        let name = self.habits.name.split('\0').next().unwrap_or_default();
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(body);
        interrupt::restore_signals(&mask);
        started
    }

    /// Starts a thread, for that work.
    ///
    /// # Errors
    /// The work, where it cannot be done.
    fn start(self: &Arc<Self>, kind: Kind, token: Token) -> Result<(), Box<HostWork>> {
        let pool = Arc::clone(self);
        let started = self.spawn(move || pool.serve(kind));
        let mut state = self.state();
        if let Ok(handle) = started {
            state.handles.retain(|handle| !handle.is_finished());
            state.handles.push(handle);
            return Ok(());
        }
        let lane = &mut state.lanes[kind as usize];
        lane.threads -= 1;
        if kind == Kind::Bounded {
            // Those there are do it, or whoever enters.
            // Relaxed: pairs with the load in `wants_inline`; the state's lock orders them.
            self.is_short.store(true, Ordering::Relaxed);
            return Ok(());
        }
        let place = lane.items.iter().position(|item| item.token == token);
        match place.and_then(|place| lane.items.remove(place)) {
            Some(item) => Err(Box::new(item.work)),
            None => Ok(()),
        }
    }

    /// Returns when a wait for a futex waits, or is over.
    fn see_join(&self, token: Token, queue: &Queue) {
        let mut begun = super::sys::now(annulus_ring::abi::ClockId::MONOTONIC);
        while !queue.is_joined() {
            let state = self.state();
            let is_queued = state.lanes.iter().flat_map(|lane| &lane.items);
            let is_queued = is_queued.into_iter().any(|item| item.token == token);
            if !is_queued && !state.running.contains_key(&token) {
                return;
            }
            drop(state);
            let now = super::sys::now(annulus_ring::abi::ClockId::MONOTONIC);
            // A thread that has not begun is not late.
            if is_queued {
                begun = now;
            }
            if !queue.is_exact() && now.saturating_sub(begun) > JOIN_MAX {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// Takes work back that no thread has begun, or that waits; else ends its system call.
    pub(super) fn recall(&self, token: Token) -> Recall {
        let mut state = self.state();
        for lane in &mut state.lanes {
            let place = lane.items.iter().position(|item| item.token == token);
            if place.and_then(|place| lane.items.remove(place)).is_some() {
                return Recall::Taken;
            }
        }
        let Some(running) = state.running.get_mut(&token) else { return Recall::TooLate };
        running.recalled = true;
        if !running.is_wait {
            if running.alarm.is_none() {
                running.alarm = Alarm::new(running.thread);
            }
            return Recall::Running;
        }
        // It ends soon, whatever it was about to do, and tells whether anything came of it.
        loop {
            match state.running.get(&token) {
                None => return Recall::TooLate,
                Some(running) if running.is_void => {
                    state.running.remove(&token);
                    return Recall::Taken;
                }
                Some(running) => interrupt::interrupt(running.thread),
            }
            let waited = self.over.wait_timeout(state, AGAIN);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends the threads, and returns when they have ended: what they are doing is interrupted.
    pub(super) fn close(&self) {
        if interrupt::process() != self.process {
            return;
        }
        let mut state = self.state();
        state.closed = true;
        let dropped = state.lanes.each_mut().map(|lane| core::mem::take(&mut lane.items));
        for running in state.running.values_mut() {
            running.recalled = true;
            if running.alarm.is_none() {
                running.alarm = Alarm::new(running.thread);
            }
        }
        let handles = core::mem::take(&mut state.handles);
        drop(state);
        drop(dropped);
        self.work.iter().for_each(Condvar::notify_all);
        self.see_ends();
        let own = std::thread::current().id();
        for handle in handles.into_iter().filter(|handle| handle.thread().id() != own) {
            let ended = handle.join();
            debug_assert!(ended.is_ok(), "a thread of the pool has panicked");
        }
    }

    /// Returns when what was being done is over, whoever does it.
    fn see_ends(&self) {
        let own = interrupt::thread();
        let mut state = self.state();
        loop {
            let mut left = state.running.values().filter(|r| !r.is_void && r.thread != own);
            if left.next().is_none() {
                return;
            }
            // Where there was no alarm to be had: a signal that comes right before its call begins
            // ends nothing.
            for running in state.running.values().filter(|r| !r.is_void && r.alarm.is_none()) {
                interrupt::interrupt(running.thread);
            }
            let waited = self.over.wait_timeout(state, AGAIN);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Whether there is something for whoever enters, and nobody does it.
    #[inline]
    pub(super) fn wants_inline(&self) -> bool {
        // Relaxed: pairs with the store in `start`, before the entry's submitter came here. Who
        // misses it has left no work behind.
        (self.is_inline() || self.is_short.load(Ordering::Relaxed)) && self.has_undone()
    }

    #[inline(never)]
    fn has_undone(&self) -> bool {
        let state = self.state();
        let lane = &state.lanes[Kind::Bounded as usize];
        !state.is_served && lane.threads == 0 && !lane.items.is_empty()
    }

    /// Does what is for whoever enters, who holds no lock.
    pub(super) fn run_inline(&self) {
        // One does it: what is delivered may bring more, which is done here and not within.
        if core::mem::replace(&mut self.state().is_served, true) {
            return;
        }
        loop {
            let mut state = self.state();
            let Some(item) = state.lanes[Kind::Bounded as usize].items.pop_front() else {
                state.is_served = false;
                return;
            };
            state.begin(&item);
            drop(state);
            self.do_it(item);
        }
    }

    fn serve(&self, kind: Kind) {
        interrupt::accept_interrupts();
        while let Some(item) = self.next(kind) {
            self.do_it(item);
        }
    }

    /// Does a piece of work that has begun, and tells what came of it.
    fn do_it(&self, item: Item) {
        let Item { token, mut work, queue } = item;
        let result = loop {
            // A mistake of ours ends the entry, and not its ring.
            let done = catch_unwind(AssertUnwindSafe(|| match &queue {
                Some(queue) => perform::wait_in(&mut work, queue),
                None => perform::to_the_end(&mut work),
            }));
            let result = done.unwrap_or(Err(Errno::EIO));
            let mut state = self.state();
            let Some(running) = state.running.get_mut(&token) else { break result };
            if running.is_wait && result == Err(Errno::EINTR) {
                if !running.recalled {
                    continue;
                }
                running.is_void = true;
                drop(state);
                self.over.notify_all();
                return;
            }
            // With it its alarm: no signal comes after this.
            let running = state.running.remove(&token);
            drop(running);
            drop(state);
            self.over.notify_all();
            break result;
        };
        if let Some(deliver) = self.deliver.get() {
            let guard = AbortOnPanic;
            deliver(token, work, result);
            core::mem::forget(guard);
        }
    }

    /// The next piece of work, or the end of this thread.
    fn next(&self, kind: Kind) -> Option<Item> {
        let mut state = self.state();
        loop {
            if state.closed {
                break;
            }
            if let Some(item) = state.lanes[kind as usize].items.pop_front() {
                state.begin(&item);
                return Some(item);
            }
            state.lanes[kind as usize].idle += 1;
            let waited = self.work[kind as usize].wait_timeout(state, self.habits.keep_alive);
            let (again, limit) = waited.unwrap_or_else(PoisonError::into_inner);
            state = again;
            let lane = &mut state.lanes[kind as usize];
            lane.idle -= 1;
            if limit.timed_out() && lane.items.is_empty() {
                break;
            }
        }
        state.lanes[kind as usize].threads -= 1;
        None
    }
}

/// Ends the process where telling panics, which is a bug of ours: nobody would ever hear of what
/// was done, and what others know of the ring may be half of it.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        let text = "annulus: a thread of the kernel in user space panicked: ending the process\n";
        // Past the print macros: those panic where standard error is closed.
        let _ = std::io::stderr().write_all(text.as_bytes());
        std::process::abort();
    }
}

impl State {
    /// Takes note that this thread does it.
    fn begin(&mut self, item: &Item) {
        let running = Running {
            thread: interrupt::thread(),
            is_wait: perform::is_wait(&item.work),
            recalled: false,
            is_void: false,
            alarm: None,
        };
        self.running.insert(item.token, running);
    }
}

#[cfg(test)]
mod tests;
