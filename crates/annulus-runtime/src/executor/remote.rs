//! [`Remote`]: what other threads see of an executor: they wake its tasks, and give it work.
//!
//! ```text
//! head = EMPTY │ SLEEPING │ CLOSED │ waker → waker → … → end          newest first
//!
//! wake:   next of the waker = head;  head → waker.    It was SLEEPING? Then ring.
//! submit: the work is queued under a lock, then the head is written, changed or not: as above.
//! drain:  head → EMPTY, all at once; turned round it is oldest first. Then the work.
//! sleep:  head: EMPTY → SLEEPING, or there is something to do first.
//! ```
//!
//! A waker is in the list once, however often it is woken: nothing here allocates, and nothing is
//! ever full. One word says what there is and whether the executor sleeps, so a wake-up cannot fall
//! between the two, and who finds it asleep is the only one to ring.

use core::ptr::{NonNull, null_mut, without_provenance_mut};
use std::sync::PoisonError;

use super::Executor;
use super::waker::Escaped;
use crate::sync::{Arc, AtomicBool, AtomicPtr, Mutex, Ordering};

/// What an executor is given to do by another thread.
pub(crate) type Work = Box<dyn FnOnce(&Executor) + Send>;

/// The place of a waker in a list.
pub(super) struct Link {
    next: AtomicPtr<Escaped>,
    /// Whether it is in the list, or on its way there.
    queued: AtomicBool,
}

impl Default for Link {
    fn default() -> Self {
        Self { next: AtomicPtr::new(null_mut()), queued: AtomicBool::new(false) }
    }
}

const EMPTY: *mut Escaped = null_mut();
/// Two addresses that no waker has.
const SLEEPING: *mut Escaped = without_provenance_mut(1);
const CLOSED: *mut Escaped = without_provenance_mut(2);

/// Whether it is a waker.
fn is_waker(head: *mut Escaped) -> bool {
    head.addr() > CLOSED.addr()
}

/// See above.
pub(crate) struct Remote {
    head: AtomicPtr<Escaped>,
    /// Work that waits; none any more once the executor is closed.
    work: Mutex<Option<Vec<Work>>>,
    /// Whether there is any.
    has_work: AtomicBool,
    /// Wakes the executor's thread out of its wait.
    bell: Box<dyn Fn() + Send + Sync>,
}

impl Remote {
    /// How an executor is reached whose thread `bell` wakes.
    pub(crate) fn new(bell: impl Fn() + Send + Sync + 'static) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self {
            head: AtomicPtr::new(EMPTY),
            work: Mutex::new(Some(Vec::new())),
            has_work: AtomicBool::new(false),
            bell: Box::new(bell),
        })
    }

    /// Has the task of a waker polled.
    pub(super) fn wake(&self, waker: Arc<Escaped>) {
        // Acquire and release: pair with the same in `drain`: who finds it queued still comes
        // before the task is polled, which sees then what the waker did.
        if waker.link.queued_swap(true) {
            return;
        }
        let own = Arc::into_raw(waker).cast_mut();
        // SAFETY: this has the count, until the list has it.
        let next = unsafe { &(*own).link.next };
        // Relaxed: pairs with nothing: a guess for the exchange.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            if head == CLOSED {
                // SAFETY: the count that was given up above.
                return drop(unsafe { Arc::from_raw(own.cast_const()) });
            }
            // Relaxed: pairs with the load in `drain`, ordered by the release below.
            next.store(if is_waker(head) { head } else { EMPTY }, Ordering::Relaxed);
            #[cfg(not(seeded_bug = "wake_unordered"))]
            // Release: pairs with the acquire in `take`.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            #[cfg(seeded_bug = "wake_unordered")]
            // The models must find this one: it pairs with nothing.
            let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, own, success, failure) {
                Ok(_) if head == SLEEPING => return (self.bell)(),
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Gives the executor something to do, unless it is closed: then it is given back.
    pub(crate) fn submit(&self, work: Work) -> Result<(), Work> {
        let mut queue = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queued) = &mut *queue else { return Err(work) };
        queued.push(work);
        drop(queue);
        // Release: pairs with the acquire in `drain`. Before the head is written: an executor that
        // falls asleep meanwhile looks at this behind its own write of that.
        self.has_work.store(true, Ordering::Release);
        self.poke();
        Ok(())
    }

    /// Ends a sleep, for who has told the executor something by other means.
    pub(crate) fn poke(&self) {
        // Relaxed: pairs with nothing: a guess for the exchange.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // Written even where nothing changes: of two writes of one word the later sees the
            // earlier, so an executor that sleeps a moment later sees what was told before.
            let next = if head == SLEEPING { EMPTY } else { head };
            #[cfg(seeded_bug = "remote_poke_that_looks")]
            // The models must find this one.
            if head != SLEEPING {
                return;
            }
            // Release: pairs with the acquire in `sleep`.
            let (success, failure) = (Ordering::Release, Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, next, success, failure) {
                Ok(_) if head == SLEEPING => return (self.bell)(),
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Says that the executor sleeps from here on, unless there is something to do first.
    #[inline]
    pub(crate) fn sleep(&self) -> bool {
        // Relaxed: pairs with nothing: it sleeps still, and should that have changed a moment ago,
        // who did it rings.
        if self.head.load(Ordering::Relaxed) != SLEEPING && !self.falls_asleep() {
            return false;
        }
        // Acquire: pairs with the release in `submit`.
        !self.has_work.load(Ordering::Acquire)
    }

    /// Goes to sleep, unless somebody was woken.
    #[inline(always)]
    fn falls_asleep(&self) -> bool {
        #[cfg(not(seeded_bug = "remote_sleep_unordered"))]
        // Acquire: pairs with the release in `poke`: what was told before that is seen after this.
        let (success, failure) = (Ordering::Acquire, Ordering::Relaxed);
        #[cfg(seeded_bug = "remote_sleep_unordered")]
        // The models must find this one: it pairs with nothing.
        let (success, failure) = (Ordering::Relaxed, Ordering::Relaxed);
        #[cfg(not(seeded_bug = "remote_sleep_overwrites"))]
        let sleeps = self.head.compare_exchange(EMPTY, SLEEPING, success, failure).is_ok();
        #[cfg(seeded_bug = "remote_sleep_overwrites")]
        // The models must find this one: who was woken since the last look is lost.
        let sleeps =
            self.head.load(failure) == EMPTY && self.head.swap(SLEEPING, success) != CLOSED;
        sleeps
    }

    /// Takes all wakers, oldest first, and leaves `then`.
    fn take(&self, then: *mut Escaped) -> Chain {
        // Acquire: pairs with the release in `wake`.
        let mut head = self.head.swap(then, Ordering::Acquire);
        let mut chain = Chain { first: None };
        while is_waker(head) {
            // SAFETY: what is in the list was counted by it, and is ours now.
            let waker = unsafe { &*head };
            // Relaxed: pairs with the store in `wake`, ordered by the acquire above.
            let older = waker.link.next.load(Ordering::Relaxed);
            let next = chain.first.map_or(EMPTY, NonNull::as_ptr);
            // Relaxed: pairs with nothing: the chain is this thread's.
            waker.link.next.store(next, Ordering::Relaxed);
            chain.first = NonNull::new(head);
            head = older;
        }
        chain
    }

    /// Whether tasks were woken. A sleep need not be ended where nobody was: see `sleep`. What is
    /// closed stays so.
    #[inline(always)]
    fn has_woken(&self) -> bool {
        // Relaxed: pairs with nothing: what is missed now is found before the executor sleeps.
        is_waker(self.head.load(Ordering::Relaxed))
    }

    /// Whether there is something to do.
    #[inline(always)]
    pub(super) fn has_mail(&self) -> bool {
        // Relaxed: pairs with nothing: as in `has_woken`.
        self.has_woken() || self.has_work.load(Ordering::Relaxed)
    }

    /// Has those tasks polled that were woken, and does what was asked for. On the executor's
    /// thread.
    #[inline(never)]
    pub(super) fn drain(&self, executor: &Executor) {
        if self.has_woken() {
            for waker in self.take(EMPTY) {
                // Before the task is polled: who wakes it from here on wakes it once more.
                #[cfg(not(any(seeded_bug = "unqueued_late", seeded_bug = "unqueued_unordered")))]
                waker.link.queued_swap(false);
                #[cfg(seeded_bug = "unqueued_unordered")]
                // The models must find this one: it pairs with nothing.
                waker.link.queued.store(false, Ordering::Relaxed);
                // SAFETY: the caller is the executor of these wakers, on its thread.
                unsafe { waker.schedule() };
            }
        }
        // Relaxed: pairs with nothing: a look before the exchange, which costs more.
        if !self.has_work.load(Ordering::Relaxed) {
            return;
        }
        // Acquire: pairs with the release in `submit`.
        self.has_work.swap(false, Ordering::Acquire);
        let mut queue = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let work = queue.as_mut().map(core::mem::take).unwrap_or_default();
        drop(queue);
        for work in work {
            work(executor);
        }
    }

    /// Ends it: nothing can be woken or submitted any more. Work that waits is dropped.
    pub(super) fn close(&self, _executor: &Executor) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        #[cfg(not(seeded_bug = "remote_left_open"))]
        drop(self.take(CLOSED));
        #[cfg(seeded_bug = "remote_left_open")]
        // The models must find this one: whoever wakes from here on is kept for ever.
        drop(self.take(EMPTY));
        drop(work);
    }
}

impl Link {
    /// Says whether it is in the list; what was said before.
    pub(super) fn queued_swap(&self, queued: bool) -> bool {
        // Acquire and release: pair with each other: see `Remote::wake`.
        self.queued.swap(queued, Ordering::AcqRel)
    }
}

/// Wakers that were taken out of the list.
struct Chain {
    first: Option<NonNull<Escaped>>,
}

impl Iterator for Chain {
    type Item = Arc<Escaped>;

    fn next(&mut self) -> Option<Arc<Escaped>> {
        let first = self.first?.as_ptr();
        // SAFETY: the chain counts its wakers.
        let waker = unsafe { Arc::from_raw(first.cast_const()) };
        // Relaxed: pairs with the store in `take`, made by this thread.
        self.first = NonNull::new(waker.link.next.load(Ordering::Relaxed));
        Some(waker)
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}
