//! [`Executor`]: the tasks of one thread, polled one after the other. It knows tasks, and nothing
//! of I/O: who drives it polls some, looks after the kernel, and polls again.
//!
//! ```text
//!   spawn ──▶ ┌───────────┐  run: polls the first, at most so many at a time
//!   wake  ──▶ │ run queue │ ───────────────────────────────────▶ pending: waits for its waker
//!             └───────────┘                                └───▶ ready: the joiner is woken
//!   wake of another thread ──▶ remote ──▶ (drained between two runs)
//! ```
//!
//! Everything here belongs to one thread and counts without atomics, but for [`Remote`]: what other
//! threads see. A waker that leaves its task (a clone of the context's) is an `Arc` of its own,
//! which knows the task only as long as that runs; so a task's memory is touched, counted and
//! freed on its own thread alone, and given to the next task without the allocator.

mod join;
mod memory;
mod queue;
mod remote;
mod task;
mod waker;

pub use join::{JoinError, JoinHandle};
pub(crate) use remote::{Remote, Work};
pub(crate) use task::TaskRef;
pub(crate) use waker::LocalWaker;

use core::future::Future;
use core::marker::PhantomData;
use core::ptr;
use core::task::{Context, Waker};
use std::rc::Rc;
use std::sync::Arc;

use memory::Memory;
use queue::{AllTasks, RunQueue};

use crate::sync::Cell;

#[cfg(not(loom))]
std::thread_local! {
    /// The executor that this thread is inside of.
    static CURRENT: Cell<*const Shared> = const { Cell::new(ptr::null()) };
}
#[cfg(loom)]
loom::thread_local! {
    static CURRENT: Cell<*const Shared> = Cell::new(ptr::null());
}

/// What the tasks of an executor share: alive as long as one of them is.
pub(crate) struct Shared {
    ready: RunQueue,
    all: AllTasks,
    memory: Memory,
    remote: Arc<Remote>,
    /// Nothing is spawned any more.
    closed: Cell<bool>,
}

impl Shared {
    /// Whether this thread is inside of it, and so may touch its tasks.
    #[inline(always)]
    fn is_current(&self) -> bool {
        current() == ptr::from_ref(self)
    }
}

/// The executor that this thread is inside of; none in the destructor of another thread local.
#[inline(always)]
fn current() -> *const Shared {
    CURRENT.try_with(Cell::get).unwrap_or(ptr::null())
}

/// See above.
pub(crate) struct Executor {
    shared: Rc<Shared>,
    /// What [`run`](Self::run) says is due when its waker was woken.
    root: TaskRef,
}

/// While it lasts this thread is inside of an executor.
pub(crate) struct Entered<'a> {
    before: *const Shared,
    executor: PhantomData<&'a Executor>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        let _ = CURRENT.try_with(|current| current.set(self.before));
    }
}

/// What a run of tasks came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// The run queue is empty.
    Idle,
    /// The budget is used up, and the queue is not empty.
    More,
    /// The root is due.
    Root,
}

impl Executor {
    /// An executor without tasks; `remote` is how other threads reach it.
    pub(crate) fn new(remote: Arc<Remote>) -> Self {
        let shared = Rc::new(Shared {
            ready: RunQueue::default(),
            all: AllTasks::default(),
            memory: Memory::default(),
            remote,
            closed: Cell::new(false),
        });
        let root = task::root(&shared);
        Self { shared, root }
    }

    /// Makes this the executor that this thread is inside of.
    pub(crate) fn enter(&self) -> Entered<'_> {
        let own: *const Shared = &*self.shared;
        let before = CURRENT.try_with(|current| current.replace(own)).unwrap_or(ptr::null());
        Entered { before, executor: PhantomData }
    }

    /// Has `future` polled until it is ready.
    #[inline]
    pub(crate) fn spawn<F: Future + 'static>(&self, future: F) -> JoinHandle<F::Output> {
        task::spawn(&self.shared, future)
    }

    /// Polls what is due, as long as there is budget, which is the number of polls, or until the
    /// root is due.
    #[inline]
    pub(crate) fn run(&self, budget: &mut u32) -> Ran {
        debug_assert!(self.shared.is_current(), "who runs tasks has entered");
        while let Some(left) = budget.checked_sub(1) {
            let Some(task) = self.shared.ready.pop() else { return Ran::Idle };
            *budget = left;
            if task.is(&self.root) {
                task.note_dequeued();
                return Ran::Root;
            }
            task.run();
        }
        if self.shared.ready.is_empty() { Ran::Idle } else { Ran::More }
    }

    /// Whether no task is due.
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.shared.ready.is_empty()
    }

    /// Has the tasks polled that other threads woke, and does what they asked for.
    #[inline(always)]
    pub(crate) fn take_remote(&self) {
        if self.shared.remote.has_mail() {
            self.shared.remote.drain(self);
        }
    }

    /// Calls `f` with the root's context: who is woken by it has [`run`](Self::run) say so.
    pub(crate) fn with_root<R>(&self, f: impl FnOnce(&mut Context<'_>) -> R) -> R {
        self.root.with_waker(|waker: &Waker| f(&mut Context::from_waker(waker)))
    }

    /// Makes the root due.
    pub(crate) fn wake_root(&self) {
        self.root.schedule();
    }

    pub(crate) fn remote(&self) -> &Arc<Remote> {
        &self.shared.remote
    }

    /// How many tasks there are.
    pub(crate) fn tasks_count(&self) -> usize {
        self.shared.all.len()
    }

    /// Drops every task that is not over; what is spawned from now on is dropped at once.
    pub(crate) fn close(&self) {
        let _entered = self.enter();
        self.shared.closed.set(true);
        self.shared.remote.close(self);
        while let Some(task) = self.shared.all.first() {
            task.cancel();
        }
        while let Some(task) = self.shared.ready.pop() {
            drop(task);
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
