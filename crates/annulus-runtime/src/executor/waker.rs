//! The wakers of tasks: one that is lent to a poll, one that left it, and [`LocalWaker`], which
//! what belongs to this thread keeps instead of either.
//!
//! | | is | costs |
//! | --- | --- | --- |
//! | borrowed | the task's address, as long as a poll lasts | nothing |
//! | [`Escaped`] | an `Arc` that knows its task while that runs: what `Waker::clone` makes | an atomic count; one allocation per task that ever needs it |
//! | [`LocalWaker`] | a counted reference to the task | a count |

use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::{self, NonNull};
use core::task::{RawWaker, RawWakerVTable, Waker};

use super::remote::{Link, Remote};
use super::task::{TaskPtr, TaskRef};
use super::{Shared, current};
use crate::sync::{Arc, AtomicPtr, Cell, Ordering};

/// The waker of a task, as long as somebody polls it. Made without a count, and dropped without.
#[inline(always)]
pub(super) fn borrowed_waker(task: TaskPtr) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(task.as_ptr().cast_const().cast(), &BORROWED);
    // SAFETY: the table's functions keep the contract of wakers for a task that is alive, as it is
    // while this is lent out.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

static BORROWED: RawWakerVTable = RawWakerVTable::new(
    borrowed_clone,
    // Only a reference to it is ever lent out: nobody can wake or drop it by value.
    borrowed_wake_by_ref,
    borrowed_wake_by_ref,
    |_| {},
);

static ESCAPED: RawWakerVTable =
    RawWakerVTable::new(escaped_clone, escaped_wake, escaped_wake_by_ref, escaped_drop);

/// The task of a borrowed waker, from its data.
fn task_of(data: *const ()) -> TaskPtr {
    // SAFETY: it is what `borrowed_waker` made of a pointer that is not null.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

unsafe fn borrowed_clone(data: *const ()) -> RawWaker {
    let escaped = escape(task_of(data));
    RawWaker::new(Arc::into_raw(escaped).cast(), &ESCAPED)
}

unsafe fn borrowed_wake_by_ref(data: *const ()) {
    let task = task_of(data);
    if is_current(executor_of(task)) {
        // SAFETY: it is alive while its waker is lent out, and this is its thread.
        unsafe { TaskRef::of(task) }.into_schedule();
    } else {
        Escaped::wake_remotely(escape(task));
    }
}

/// The executor of a task whose waker is lent out, for any thread.
#[inline(always)]
fn executor_of(task: TaskPtr) -> *const Shared {
    // SAFETY: the task is alive while its waker is lent out; the field is never changed.
    let executor = unsafe { &(*task.as_ptr()).executor };
    ptr::from_ref(&**executor)
}

#[inline(always)]
fn is_current(executor: *const Shared) -> bool {
    current() == executor
}

/// The waker that leaves a task: the same for all that do. On any thread, while the task's waker is
/// lent out there.
fn escape(task: TaskPtr) -> Arc<Escaped> {
    // SAFETY: the task is alive while its waker is lent out; the field is an atomic.
    let at: &AtomicPtr<Escaped> = unsafe { &(*task.as_ptr()).escaped };
    // Acquire: pairs with the release below: what was made is seen whole.
    let mut found = at.load(Ordering::Acquire);
    if found.is_null() {
        found = make_escaped(task, at);
    }
    // SAFETY: the task counts it, and is alive.
    unsafe { Arc::increment_strong_count(found.cast_const()) };
    // SAFETY: the count that was made above.
    unsafe { Arc::from_raw(found.cast_const()) }
}

/// Makes a task's escaped waker, unless another thread does at the same time. The task counts it.
#[cold]
fn make_escaped(task: TaskPtr, at: &AtomicPtr<Escaped>) -> *mut Escaped {
    let executor = executor_of(task);
    // SAFETY: the executor is alive as long as the task, and the field is never changed.
    let remote = unsafe { &(*executor).remote };
    let escaped = Arc::new(Escaped {
        link: Link::default(),
        remote: remote.clone(),
        task: Cell::new(Some(task)),
    });
    let own = Arc::into_raw(escaped).cast_mut();
    // Release: pairs with the acquire of who finds it. Acquire: pairs with this release by another.
    let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
    #[cfg(not(seeded_bug = "escaped_overwritten"))]
    let made = at.compare_exchange(ptr::null_mut(), own, success, failure);
    #[cfg(seeded_bug = "escaped_overwritten")]
    // The models must find this one: a task has two, and counts one. It pairs as above.
    let made: Result<_, *mut Escaped> = Ok((at.swap(own, success), failure));
    match made {
        Ok(_) => own,
        Err(other) => {
            // SAFETY: it was made above, and nobody has seen it.
            drop(unsafe { Arc::from_raw(own.cast_const()) });
            other
        }
    }
}

/// A waker that left its task: any thread's.
pub(super) struct Escaped {
    pub(super) link: Link,
    remote: std::sync::Arc<Remote>,
    /// The task, as long as it is not over: its own thread's to look at.
    task: Cell<Option<TaskPtr>>,
}

// SAFETY: the link and the remote are for all threads; the task is touched on its own thread alone,
// which every use of it makes sure of.
unsafe impl Send for Escaped {}
// SAFETY: as above.
unsafe impl Sync for Escaped {}

impl Escaped {
    /// Notes that the task is over. On its thread.
    pub(super) fn forget_task(&self) {
        self.task.set(None);
    }

    /// Has the task polled, if it is not over.
    ///
    /// # Safety
    /// - This is the task's thread.
    pub(super) unsafe fn schedule(&self) {
        if let Some(task) = self.task.get() {
            // SAFETY: it is not over, so its executor's list keeps it alive; this is its thread.
            unsafe { TaskRef::of(task) }.into_schedule();
        }
    }

    /// Whether this is its task's thread, inside its executor.
    #[inline(always)]
    fn is_at_home(&self) -> bool {
        let current = current();
        if current.is_null() {
            return false;
        }
        // SAFETY: who entered an executor keeps it until it leaves.
        let current = unsafe { &*current };
        ptr::eq(&*current.remote, &*self.remote)
    }

    /// Wakes it as from another thread.
    fn wake_remotely(this: Arc<Self>) {
        let remote = this.remote.clone();
        remote.wake(this);
    }
}

/// What an escaped waker's data names.
///
/// # Safety
/// - The data is that of an escaped waker, which is alive.
#[inline(always)]
unsafe fn escaped_of(data: *const ()) -> ManuallyDrop<Arc<Escaped>> {
    // SAFETY: it is what `Arc::into_raw` gave, and its count is not given up by this.
    ManuallyDrop::new(unsafe { Arc::from_raw(data.cast()) })
}

unsafe fn escaped_clone(data: *const ()) -> RawWaker {
    // SAFETY: a waker's function, called with its data.
    let escaped = unsafe { escaped_of(data) };
    RawWaker::new(Arc::into_raw(Arc::clone(&escaped)).cast(), &ESCAPED)
}

unsafe fn escaped_wake_by_ref(data: *const ()) {
    // SAFETY: a waker's function, called with its data.
    let escaped = unsafe { escaped_of(data) };
    if escaped.is_at_home() {
        // SAFETY: it is that of the executor that this thread is inside of.
        unsafe { escaped.schedule() };
    } else {
        Escaped::wake_remotely(Arc::clone(&escaped));
    }
}

unsafe fn escaped_wake(data: *const ()) {
    // SAFETY: a waker's function, called with its data, which is used up.
    let escaped = ManuallyDrop::into_inner(unsafe { escaped_of(data) });
    if escaped.is_at_home() {
        // SAFETY: it is that of the executor that this thread is inside of.
        unsafe { escaped.schedule() };
    } else {
        Escaped::wake_remotely(escaped);
    }
}

unsafe fn escaped_drop(data: *const ()) {
    // SAFETY: a waker's function, called with its data, which is used up.
    drop(ManuallyDrop::into_inner(unsafe { escaped_of(data) }));
}

/// Whom something of this thread wakes: a task of its executor by a plain count, anybody else by
/// the waker that was given. It is as large as a waker, and made like one, but nobody else is shown
/// it: its table's functions are for this thread.
pub(crate) struct LocalWaker {
    waker: Waker,
    /// It stays on its thread.
    local: PhantomData<*const ()>,
}

static COUNTED: RawWakerVTable =
    RawWakerVTable::new(counted_clone, counted_wake, counted_wake_by_ref, counted_drop);

unsafe fn counted_clone(data: *const ()) -> RawWaker {
    // SAFETY: the count of the waker keeps the task alive, on this thread (`LocalWaker`).
    let task = unsafe { TaskRef::of(task_of(data)) };
    RawWaker::new(task.into_ptr().as_ptr().cast_const().cast(), &COUNTED)
}

unsafe fn counted_wake(data: *const ()) {
    // SAFETY: the count is that of the waker, which is used up.
    unsafe { TaskRef::from_ptr(task_of(data)) }.into_schedule();
}

unsafe fn counted_wake_by_ref(data: *const ()) {
    // SAFETY: the count of the waker keeps the task alive, on this thread (`LocalWaker`).
    unsafe { TaskRef::of(task_of(data)) }.into_schedule();
}

unsafe fn counted_drop(data: *const ()) {
    // SAFETY: the count is that of the waker, which is used up.
    drop(unsafe { TaskRef::from_ptr(task_of(data)) });
}

impl LocalWaker {
    /// What wakes whom `waker` wakes.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Self {
        let Some(task) = own_task(waker) else {
            return Self { waker: waker.clone(), local: PhantomData };
        };
        // SAFETY: the task is alive: its waker is lent out, or it is not over; this is its thread
        // (`own_task`).
        let task = unsafe { TaskRef::of(task) };
        let raw = RawWaker::new(task.into_ptr().as_ptr().cast_const().cast(), &COUNTED);
        // SAFETY: the table's functions keep the contract of wakers as long as they are called on
        // this thread, which this type sees to.
        Self { waker: unsafe { Waker::from_raw(raw) }, local: PhantomData }
    }

    /// Whether it wakes whom `waker` wakes. It may say no where it does.
    #[inline]
    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        if self.is_task() {
            own_task(waker) == Some(task_of(self.waker.data()))
        } else {
            self.waker.will_wake(waker)
        }
    }

    /// Whether it wakes a task of this thread: then nothing else runs when it does.
    #[inline(always)]
    pub(crate) fn is_task(&self) -> bool {
        ptr::eq(self.waker.vtable(), &COUNTED)
    }

    /// Wakes a task of this thread; any other waker is given back: what runs when that wakes is not
    /// ours.
    #[inline]
    pub(crate) fn wake_task(self) -> Option<Waker> {
        if !self.is_task() {
            return Some(self.waker);
        }
        let waker = ManuallyDrop::new(self.waker);
        // SAFETY: the count is that of the waker, which is used up.
        unsafe { TaskRef::from_ptr(task_of(waker.data())) }.into_schedule();
        None
    }

    /// The waker that it is made like, to be kept where wakers are.
    ///
    /// # Safety
    /// - It is used for [`from_inner`](Self::from_inner) only, on this thread.
    #[inline(always)]
    pub(crate) unsafe fn into_inner(self) -> Waker {
        self.waker
    }

    /// What [`into_inner`](Self::into_inner) was made of.
    ///
    /// # Safety
    /// - `waker` is what `into_inner` gave on this thread.
    #[inline(always)]
    pub(crate) unsafe fn from_inner(waker: Waker) -> Self {
        Self { waker, local: PhantomData }
    }

    /// Wakes.
    #[inline]
    pub(crate) fn wake(self) {
        if let Some(other) = self.wake_task() {
            other.wake();
        }
    }
}

// A place for it is one for a waker, in a slot and in a timer.
const _: () = assert!(size_of::<Option<LocalWaker>>() == size_of::<Waker>());

/// The task that `waker` wakes, if it is one of the executor that this thread is inside of.
#[inline(always)]
fn own_task(waker: &Waker) -> Option<TaskPtr> {
    if ptr::eq(waker.vtable(), &BORROWED) {
        let task = task_of(waker.data());
        return is_current(executor_of(task)).then_some(task);
    }
    if ptr::eq(waker.vtable(), &ESCAPED) {
        // SAFETY: the table says that it is the data of an escaped waker, which is lent to us.
        let escaped = unsafe { escaped_of(waker.data()) };
        return if escaped.is_at_home() { escaped.task.get() } else { None };
    }
    None
}
