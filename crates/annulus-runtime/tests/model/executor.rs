//! The part of the executor that slots name: who waits on the reactor's own thread. The models have
//! no such task, and so any waker will do.

use core::task::Waker;

/// A waker, on a thread that has no tasks.
pub(crate) struct LocalWaker(Waker);

impl LocalWaker {
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(waker.clone())
    }

    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        self.0.will_wake(waker)
    }

    pub(crate) fn wake_task(self) -> Option<Waker> {
        Some(self.0)
    }

    /// # Safety
    /// - None: it is what it was made of.
    pub(crate) unsafe fn into_inner(self) -> Waker {
        self.0
    }

    /// # Safety
    /// - None, as above.
    pub(crate) unsafe fn from_inner(waker: Waker) -> Self {
        Self(waker)
    }
}
