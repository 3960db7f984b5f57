//! A task: a future with what its executor needs to know of it, in one block of memory.
//!
//! ```text
//!            QUEUED ───────────── pop ──────────▶ RUNNING ── ready, or panicked ──▶ COMPLETE
//!              ▲  ▲                                │   │                              ▲
//!              │  └── woken while it ran ──────────┘   │ pending                      │
//!              └───────────── woken ───────── (none) ◀─┘                              │
//!                                                ABORTED, and not running: dropped ───┘
//! ```
//!
//! The bits are independent: a task may be queued while it runs. `JOINED` says that a handle waits
//! for the output; without one it is dropped at once.
//!
//! # Who may touch what
//! A task is used on its executor's thread alone (`TaskRef` is neither `Send` nor `Sync`), but for
//! its `executor` and `escaped`, which a borrowed waker of another thread may look at. It is alive
//! as long as somebody counts: the list of all tasks until it is over, the run queue, its handle,
//! and every [`LocalWaker`].

use core::alloc::Layout;
use core::cell::UnsafeCell;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::ptr::{self, NonNull};
use core::task::{Context, Poll, Waker};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::Shared;
use super::join::{JoinError, JoinHandle};
use super::waker::{Escaped, LocalWaker, borrowed_waker};
use crate::sync::{Arc, AtomicPtr, Cell, Ordering};

/// It is in the run queue.
const QUEUED: u8 = 1;
/// Its future is being polled, or dropped.
const RUNNING: u8 = 1 << 1;
/// Its future is gone.
const COMPLETE: u8 = 1 << 2;
/// Its future is to be dropped when it is its turn.
const ABORTED: u8 = 1 << 3;
/// There is a handle that wants the output.
const JOINED: u8 = 1 << 4;
/// The handle has taken the output.
const TAKEN: u8 = 1 << 5;

/// A task that is kept alive by something else.
pub(super) type TaskPtr = NonNull<Header>;

/// What is known of every task.
pub(super) struct Header {
    vtable: &'static Vtable,
    pub(super) executor: Rc<Shared>,
    /// The waker that left it, once one did: a counted pointer.
    pub(super) escaped: AtomicPtr<Escaped>,
    state: Cell<u8>,
    refs: Cell<u32>,
    pub(super) queue_next: Cell<Option<TaskPtr>>,
    pub(super) all_prev: Cell<Option<TaskPtr>>,
    pub(super) all_next: Cell<Option<TaskPtr>>,
    /// Who waits for the output.
    joiner: Cell<Option<LocalWaker>>,
}

/// A task whose type is known. The header comes first: a pointer to it is one to the task.
#[repr(C)]
struct Task<F: Future> {
    header: Header,
    stage: UnsafeCell<Stage<F>>,
}

/// What there is of a task.
enum Stage<F: Future> {
    Future(F),
    Output(Result<F::Output, JoinError>),
    Nothing,
}

/// What is done with a task whose type is forgotten. All of them are given a task of that type
/// whose stage nobody else touches.
struct Vtable {
    /// Polls the future. Whether it is over: the output is in its place.
    poll: unsafe fn(TaskPtr) -> bool,
    /// Drops the future, and puts in its place that this was so.
    cancel: unsafe fn(TaskPtr),
    /// Moves the output to an `Option<Result<T, JoinError>>`, if it is there.
    take: unsafe fn(TaskPtr, *mut ()),
    /// Drops the output.
    discard: unsafe fn(TaskPtr),
    /// Drops everything, and gives the memory back.
    free: unsafe fn(TaskPtr),
}

/// The table of a task's functions.
struct TableOf<F>(core::marker::PhantomData<F>);

impl<F: Future> TableOf<F> {
    const TABLE: &'static Vtable = &Vtable {
        poll: poll::<F>,
        cancel: cancel::<F>,
        take: take::<F>,
        discard: discard::<F>,
        free: free::<F>,
    };
}

/// Where the stage of a task is.
///
/// # Safety
/// - It is a task of this type, and alive.
#[inline(always)]
unsafe fn stage<F: Future>(task: TaskPtr) -> *mut Stage<F> {
    let task = task.cast::<Task<F>>().as_ptr();
    // SAFETY: the pointer is that of the whole task (`make`), which is alive (the caller's
    // promise).
    let stage = unsafe { &raw const (*task).stage };
    UnsafeCell::raw_get(stage)
}

unsafe fn poll<F: Future>(task: TaskPtr) -> bool {
    // SAFETY: the table's promise.
    let stage = unsafe { stage::<F>(task) };
    let waker = borrowed_waker(task);
    let polled = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: while the task runs nobody else touches its stage.
        let Stage::Future(future) = (unsafe { &mut *stage }) else { return Poll::Pending };
        // SAFETY: a task never moves, and its future is dropped where it is.
        let future = unsafe { Pin::new_unchecked(future) };
        future.poll(&mut Context::from_waker(&waker))
    }));
    let output = match polled {
        Ok(Poll::Pending) => return false,
        Ok(Poll::Ready(output)) => Ok(output),
        Err(what) => Err(JoinError::panicked(what)),
    };
    // SAFETY: as the table's promise.
    unsafe { replace::<F>(stage, output) };
    true
}

unsafe fn cancel<F: Future>(task: TaskPtr) {
    // SAFETY: the table's promise.
    let stage = unsafe { stage::<F>(task) };
    // SAFETY: as above.
    unsafe { replace::<F>(stage, Err(JoinError::cancelled())) };
}

/// Drops the future, in its place, and puts the output there. Should the drop panic, that is the
/// output.
///
/// # Safety
/// - The stage is the caller's alone.
unsafe fn replace<F: Future>(stage: *mut Stage<F>, output: Result<F::Output, JoinError>) {
    let dropped = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the caller's promise. What was there is dropped before the rest is written, also
        // if that panics.
        unsafe { *stage = Stage::Nothing };
    }));
    let output = match dropped {
        Ok(()) => output,
        Err(what) => Err(JoinError::panicked(what)),
    };
    // SAFETY: the caller's promise; there is nothing to drop.
    unsafe { stage.write(Stage::Output(output)) };
}

unsafe fn take<F: Future>(task: TaskPtr, out: *mut ()) {
    // SAFETY: the table's promise.
    let stage = unsafe { stage::<F>(task) };
    // SAFETY: the task is over: nobody else touches its stage.
    let taken = unsafe { ptr::replace(stage, Stage::Nothing) };
    if let Stage::Output(output) = taken {
        // SAFETY: the caller gave a place for this type, with a value in it.
        unsafe { *out.cast::<Option<Result<F::Output, JoinError>>>() = Some(output) };
    }
}

unsafe fn discard<F: Future>(task: TaskPtr) {
    // SAFETY: the table's promise.
    let stage = unsafe { stage::<F>(task) };
    // SAFETY: the task is over: nobody else touches its stage.
    let taken = unsafe { ptr::replace(stage, Stage::Nothing) };
    forgive(|| drop(taken));
}

unsafe fn free<F: Future>(task: TaskPtr) {
    let whole = task.cast::<Task<F>>();
    // SAFETY: the last reference is gone, so nobody uses the task, which was made by `make`.
    let header = unsafe { task.read() };
    // SAFETY: as above.
    let stage = unsafe { stage::<F>(task) };
    // SAFETY: as above; the stage is dropped once.
    let stage = unsafe { stage.read() };
    let Header { executor, escaped, joiner, .. } = header;
    // Relaxed: pairs with nothing: nobody else has the task.
    let escaped = NonNull::new(escaped.load(Ordering::Relaxed));
    // SAFETY: the memory is that of `make`, and everything was moved out of it.
    unsafe { executor.memory.give(whole.cast(), Layout::new::<Task<F>>()) };
    // SAFETY: the header's own count, which nobody uses any more.
    drop(escaped.map(|escaped| unsafe { Arc::from_raw(escaped.as_ptr().cast_const()) }));
    forgive(|| drop((stage, joiner)));
}

/// Runs a destructor of somebody's. A panic there was told by the panic hook; it harms nobody else.
fn forgive(foreign: impl FnOnce()) {
    if let Err(what) = catch_unwind(AssertUnwindSafe(foreign)) {
        // What it panicked with is not ours either.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(what)));
        dropped.unwrap_or_else(core::mem::forget);
    }
}

/// Makes a task, with one reference.
fn make<F: Future + 'static>(executor: &Rc<Shared>, future: F, state: u8) -> TaskRef {
    let memory = executor.memory.take(Layout::new::<Task<F>>()).cast::<Task<F>>();
    let header = Header {
        vtable: TableOf::<F>::TABLE,
        executor: Rc::clone(executor),
        escaped: AtomicPtr::new(ptr::null_mut()),
        state: Cell::new(state),
        refs: Cell::new(1),
        queue_next: Cell::new(None),
        all_prev: Cell::new(None),
        all_next: Cell::new(None),
        joiner: Cell::new(None),
    };
    let stage = UnsafeCell::new(Stage::Future(future));
    // SAFETY: the memory was made for this, and is ours.
    unsafe { memory.write(Task { header, stage }) };
    // The pointer is that of the whole task, though it is used as one to the header.
    TaskRef { header: memory.cast() }
}

/// Makes a task of `future`, which is due at once.
#[inline]
pub(super) fn spawn<F: Future + 'static>(
    executor: &Rc<Shared>,
    future: F,
) -> JoinHandle<F::Output> {
    let task = make(executor, future, JOINED);
    executor.all.insert(task.clone());
    if executor.closed.get() {
        task.cancel();
    } else {
        task.schedule();
    }
    // SAFETY: a handle is made once, for the output of this future.
    unsafe { JoinHandle::new(task) }
}

/// A task that is never polled: who runs the executor looks whether it is due.
pub(super) fn root(executor: &Rc<Shared>) -> TaskRef {
    make(executor, core::future::pending::<()>(), 0)
}

/// A reference to a task, counted.
pub(crate) struct TaskRef {
    header: TaskPtr,
}

impl TaskRef {
    /// Another reference to a task.
    ///
    /// # Safety
    /// - The task is alive, and this is its thread.
    #[inline(always)]
    pub(super) unsafe fn of(header: TaskPtr) -> Self {
        let task = ManuallyDrop::new(Self { header });
        TaskRef::clone(&task)
    }

    /// The pointer, with the count: it is used once to make a reference again.
    #[inline(always)]
    pub(super) fn into_ptr(self) -> TaskPtr {
        ManuallyDrop::new(self).header
    }

    /// What [`into_ptr`](Self::into_ptr) was made of.
    ///
    /// # Safety
    /// - It was made by `into_ptr`, and is used once.
    #[inline(always)]
    pub(super) unsafe fn from_ptr(header: TaskPtr) -> Self {
        Self { header }
    }

    #[inline(always)]
    fn header(&self) -> &Header {
        // SAFETY: the task is alive as long as this counts, and this is its thread.
        unsafe { self.header.as_ref() }
    }

    #[inline(always)]
    fn is_any(&self, bits: u8) -> bool {
        self.header().state.get() & bits != 0
    }

    #[inline(always)]
    fn set(&self, bits: u8) {
        let state = &self.header().state;
        state.set(state.get() | bits);
    }

    #[inline(always)]
    fn clear(&self, bits: u8) {
        let state = &self.header().state;
        state.set(state.get() & !bits);
    }

    /// Whether both are the same task.
    #[inline(always)]
    pub(super) fn is(&self, other: &Self) -> bool {
        self.header == other.header
    }

    /// Calls `f` with its waker.
    pub(super) fn with_waker<R>(&self, f: impl FnOnce(&Waker) -> R) -> R {
        f(&borrowed_waker(self.header))
    }

    /// Has it polled, unless that is due already or it is over.
    #[inline]
    pub(crate) fn schedule(&self) {
        if !self.is_any(QUEUED | COMPLETE) {
            self.set(QUEUED);
            self.header().executor.ready.push(self.clone());
        }
    }

    /// The same, with the reference that the queue has then.
    #[inline]
    pub(crate) fn into_schedule(self) {
        if !self.is_any(QUEUED | COMPLETE) {
            self.set(QUEUED);
            // SAFETY: the reference goes to the queue, which keeps the task alive.
            let executor = unsafe { self.header.as_ref() };
            executor.executor.ready.push(self);
        }
    }

    /// Notes that it left the run queue, for one that is not run.
    pub(super) fn note_dequeued(&self) {
        self.clear(QUEUED);
    }

    /// Polls it, once it left the run queue.
    #[inline]
    pub(super) fn run(self) {
        let header = self.header();
        let state = header.state.get();
        if state & (COMPLETE | ABORTED) != 0 {
            self.clear(QUEUED);
            return self.cancel();
        }
        header.state.set(state & !QUEUED | RUNNING);
        // SAFETY: it is the table of this task, which is alive; `RUNNING` keeps all others off.
        if unsafe { (header.vtable.poll)(self.header) } {
            return self.finish();
        }
        #[cfg(seeded_bug = "unqueued_late")]
        // The models must find this one: who woke it while it ran, woke it for nothing.
        // Acquire: pairs with the release in `escape`.
        if let Some(escaped) = NonNull::new(header.escaped.load(Ordering::Acquire)) {
            // SAFETY: the header counts it.
            unsafe { escaped.as_ref() }.link.queued_swap(false);
        }
        self.clear(RUNNING);
        if self.is_any(ABORTED) {
            self.cancel();
        }
    }

    /// Drops its future, unless it is over. One that runs is dropped when it returns.
    #[cold]
    pub(super) fn cancel(&self) {
        if self.is_any(COMPLETE) {
            return;
        }
        self.set(ABORTED);
        if self.is_any(RUNNING) {
            return;
        }
        self.set(RUNNING);
        // SAFETY: it is the table of this task, which is alive; `RUNNING` keeps all others off.
        unsafe { (self.header().vtable.cancel)(self.header) };
        self.finish();
    }

    /// Has its future dropped when it is its turn.
    pub(super) fn abort(&self) {
        self.set(ABORTED);
        if !self.is_any(RUNNING) {
            self.schedule();
        }
    }

    /// Ends it: the output is in its place.
    #[inline]
    fn finish(&self) {
        let header = self.header();
        self.clear(RUNNING);
        self.set(COMPLETE);
        // Acquire: pairs with the release in `escape`, by which another thread may have made it.
        if let Some(escaped) = NonNull::new(header.escaped.load(Ordering::Acquire)) {
            #[cfg(not(seeded_bug = "task_not_forgotten"))]
            // SAFETY: the header counts it; the task in it is this thread's to change.
            unsafe { escaped.as_ref() }.forget_task();
            #[cfg(seeded_bug = "task_not_forgotten")]
            // The models must find this one: it would wake who has the memory next.
            let _ = escaped;
        }
        // SAFETY: a task is in the list of its executor from when it was spawned until now.
        let _listed = unsafe { header.executor.all.remove(self.header) };
        if self.is_any(JOINED) {
            if let Some(joiner) = header.joiner.take() {
                forgive(|| joiner.wake());
            }
        } else {
            // SAFETY: it is the table of this task, which is over: nobody else touches the output.
            unsafe { (header.vtable.discard)(self.header) };
        }
    }

    /// Whether it is over.
    pub(super) fn is_complete(&self) -> bool {
        self.is_any(COMPLETE)
    }

    /// Moves the output to `out`, if the task is over; else `waker` is woken when it is.
    ///
    /// # Safety
    /// - `T` is what the task's future gives.
    pub(super) unsafe fn join<T>(
        &self,
        out: &mut Option<Result<T, JoinError>>,
        waker: &Waker,
    ) -> bool {
        let header = self.header();
        if self.is_any(COMPLETE) {
            // SAFETY: the task is over, and the place is for what it gives (the caller's promise).
            unsafe { (header.vtable.take)(self.header, ptr::from_mut(out).cast()) };
            self.set(TAKEN);
            return true;
        }
        let joiner = header.joiner.take().filter(|joiner| joiner.will_wake(waker));
        header.joiner.set(Some(joiner.unwrap_or_else(|| LocalWaker::of(waker))));
        false
    }

    /// Says that nobody wants the output any more.
    pub(super) fn detach(&self) {
        if self.is_any(TAKEN) {
            return;
        }
        self.clear(JOINED);
        let header = self.header();
        drop(header.joiner.take());
        if self.is_any(COMPLETE) {
            // SAFETY: it is the table of this task, which is over: nobody else touches the output.
            unsafe { (header.vtable.discard)(self.header) };
        }
    }
}

impl Clone for TaskRef {
    #[inline(always)]
    fn clone(&self) -> Self {
        let refs = &self.header().refs;
        // Four thousand million wakers of one task take more memory than there is.
        refs.set(refs.get() + 1);
        Self { header: self.header }
    }
}

impl Drop for TaskRef {
    #[inline(always)]
    fn drop(&mut self) {
        let header = self.header();
        let left = header.refs.get() - 1;
        header.refs.set(left);
        if left == 0 {
            // SAFETY: this was the last reference, and the table is the task's.
            unsafe { (header.vtable.free)(self.header) };
        }
    }
}
