//! [`BlockingPool`]: threads for what would stop the tasks of a runtime: a bounded number, started
//! when there is work, ended when there was none for a while.
//!
//! ```text
//! spawn_blocking ──▶ queued (bounded) ──▶ a thread: runs it ──▶ the packet ──▶ who waits is woken
//!        └─ no room: the handle keeps it, and queues it when it is polled and there is
//! ```
//!
//! Without threads (0) what is given runs when its handle is polled, on that thread.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use crate::executor::JoinError;
use crate::packet::Packet;

/// How a pool is to be.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) threads_max: usize,
    /// How many pieces of work may wait for a thread.
    pub(crate) queue_max: usize,
    pub(crate) keep_alive: Duration,
    pub(crate) name: String,
}

impl Default for Plan {
    fn default() -> Self {
        let (threads_max, queue_max) = (64, 4096);
        let (keep_alive, name) = (Duration::from_secs(10), "annulus-blocking".to_owned());
        Self { threads_max, queue_max, keep_alive, name }
    }
}

type Work = Box<dyn FnOnce() + Send>;

struct State {
    queue: VecDeque<Work>,
    /// Who waits for room in it.
    waiting: VecDeque<Waker>,
    handles: Vec<JoinHandle<()>>,
    threads: usize,
    idle: usize,
    closed: bool,
}

struct Shared {
    state: Mutex<State>,
    /// There is work, or the end.
    work: Condvar,
    /// A thread has ended.
    ended: Condvar,
    plan: Plan,
}

/// See above.
#[derive(Clone)]
pub(crate) struct BlockingPool {
    shared: Arc<Shared>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread: runs what there is, until there was nothing for a while.
    fn serve(&self) {
        while let Some(work) = self.next() {
            // What it panics with is in its packet; this is for what has none.
            let _ = catch_unwind(AssertUnwindSafe(work));
        }
        self.ended.notify_all();
    }

    fn next(&self) -> Option<Work> {
        let mut state = self.state();
        loop {
            if let Some(work) = state.queue.pop_front() {
                let next = state.waiting.pop_front();
                drop(state);
                if let Some(waker) = next {
                    // Not ours: whatever it does, this thread goes on.
                    let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
                }
                return Some(work);
            }
            if state.closed {
                break;
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, self.plan.keep_alive);
            let (again, limit) = waited.unwrap_or_else(PoisonError::into_inner);
            state = again;
            state.idle -= 1;
            if limit.timed_out() && state.queue.is_empty() {
                break;
            }
        }
        state.threads -= 1;
        None
    }
}

/// What became of giving a pool work.
enum Given {
    Queued,
    /// There is no room; the waker is woken when there is.
    Full(Work),
    /// There is no thread, and can be none: it is the caller's to run.
    Inline(Work),
    /// The pool has ended: the work was dropped.
    Closed,
}

impl BlockingPool {
    pub(crate) fn new(plan: Plan) -> Self {
        let state = State {
            queue: VecDeque::new(),
            waiting: VecDeque::new(),
            handles: Vec::new(),
            threads: 0,
            idle: 0,
            closed: false,
        };
        let (work, ended) = (Condvar::new(), Condvar::new());
        Self { shared: Arc::new(Shared { state: Mutex::new(state), work, ended, plan }) }
    }

    fn give(&self, work: Work, waker: Option<&Waker>) -> Given {
        let mut state = self.shared.state();
        let plan = &self.shared.plan;
        if state.closed {
            drop(state);
            drop(work);
            return Given::Closed;
        }
        if plan.threads_max == 0 {
            return Given::Inline(work);
        }
        if state.queue.len() >= plan.queue_max.max(1) {
            state.waiting.extend(waker.cloned());
            return Given::Full(work);
        }
        state.queue.push_back(work);
        if state.idle >= state.queue.len() || state.threads >= plan.threads_max {
            drop(state);
            self.shared.work.notify_one();
            return Given::Queued;
        }
        state.threads += 1;
        drop(state);
        self.start()
    }

    /// Starts a thread for what was queued last.
    fn start(&self) -> Given {
        let shared = Arc::clone(&self.shared);
        let thread = Builder::new().name(self.shared.plan.name.clone());
        let started = thread.spawn(move || shared.serve());
        let mut state = self.shared.state();
        match started {
            Ok(handle) => {
                state.handles.retain(|handle| !handle.is_finished());
                state.handles.push(handle);
                Given::Queued
            }
            Err(_) => {
                state.threads -= 1;
                if state.threads > 0 {
                    // Those there are do it.
                    return Given::Queued;
                }
                match state.queue.pop_back() {
                    Some(work) => Given::Inline(work),
                    None => Given::Queued,
                }
            }
        }
    }

    /// How many threads there are, and how much work waits for one.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let state = self.shared.state();
        (state.threads as u64, state.queue.len() as u64)
    }

    /// Ends the threads: what has not begun is dropped, what runs is waited for, up to `limit`.
    /// Whether all have ended.
    pub(crate) fn close(&self, limit: Duration) -> bool {
        let mut state = self.shared.state();
        state.closed = true;
        let dropped = (core::mem::take(&mut state.queue), core::mem::take(&mut state.waiting));
        drop(state);
        drop(dropped.0);
        dropped.1.into_iter().for_each(Waker::wake);
        self.shared.work.notify_all();
        let state = self.shared.state();
        let waited = self.shared.ended.wait_timeout_while(state, limit, |s| s.threads > 0);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        let all_ended = state.threads == 0;
        let handles = core::mem::take(&mut state.handles);
        drop(state);
        if all_ended {
            // Each has counted itself out, and ends in a moment.
            for handle in handles {
                let _ = handle.join();
            }
        }
        all_ended
    }
}

/// Waits for what a thread of the pool does, as a future: see
/// [`spawn_blocking`](crate::spawn_blocking).
///
/// Dropped, it leaves the work to run on.
#[must_use = "the work may wait for room until its handle is polled"]
pub struct BlockingHandle<T> {
    pool: BlockingPool,
    /// What found no room.
    work: Option<Work>,
    packet: Arc<Packet<T>>,
}

impl BlockingPool {
    /// Has a thread run `f`.
    pub(crate) fn spawn<T, F>(&self, f: F) -> BlockingHandle<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let (packet, finish) = Packet::new();
        let work: Work = Box::new(move || {
            if !finish.is_aborted() {
                finish.finish(catch_unwind(AssertUnwindSafe(f)).map_err(JoinError::panicked));
            }
        });
        let mut handle = BlockingHandle { pool: self.clone(), work: None, packet };
        handle.work = match self.give(work, None) {
            Given::Queued | Given::Closed => None,
            Given::Full(work) | Given::Inline(work) => Some(work),
        };
        handle
    }
}

impl<T> BlockingHandle<T> {
    /// Has the work not begin; what has begun runs on. The handle then says
    /// [`is_cancelled`](JoinError::is_cancelled).
    ///
    /// ```
    /// let ended = annulus_runtime::run(async {
    ///     let work = annulus_runtime::spawn_blocking(|| std::thread::sleep(
    ///         std::time::Duration::from_millis(1),
    ///     ));
    ///     work.abort();
    ///     work.await
    /// })?;
    /// assert!(ended.is_ok() || ended.is_err_and(|error| error.is_cancelled()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort(&self) {
        self.packet.abort();
    }
}

impl<T> Future for BlockingHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(work) = self.work.take() {
            match self.pool.give(work, Some(cx.waker())) {
                Given::Queued | Given::Closed => {}
                Given::Full(work) => {
                    self.work = Some(work);
                    return Poll::Pending;
                }
                Given::Inline(work) => work(),
            }
        }
        self.packet.poll(cx)
    }
}

impl<T> Unpin for BlockingHandle<T> {}

impl<T> fmt::Debug for BlockingHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingHandle").field("waits_for_room", &self.work.is_some()).finish()
    }
}
