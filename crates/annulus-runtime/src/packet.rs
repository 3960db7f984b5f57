//! [`Packet`]: the output of something that runs on another thread, for who waits for it.

use core::task::{Context, Poll, Waker};
use std::sync::{Arc, PoisonError};

use crate::executor::JoinError;
use crate::sync::{Mutex, MutexGuard};

/// See above.
pub(crate) struct Packet<T> {
    state: Mutex<State<T>>,
}

enum State<T> {
    /// It is not over: who waits, and who runs it, if that is to be told of an abort.
    Open {
        waiter: Option<Waker>,
        runner: Option<Waker>,
    },
    Aborted,
    Done(Result<T, JoinError>),
    Taken,
}

impl<T> Packet<T> {
    /// A packet, and what fills it.
    pub(crate) fn new() -> (Arc<Self>, Finish<T>) {
        let state = Mutex::new(State::Open { waiter: None, runner: None });
        let packet = Arc::new(Self { state });
        (Arc::clone(&packet), Finish { packet })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a state in the place of one that is open. Whom that concerns; nothing, if it is over.
    fn end(&self, next: State<T>) -> (Option<Waker>, Option<Waker>) {
        let mut state = self.state();
        let State::Open { waiter, runner } = &mut *state else {
            drop(state);
            // Not under the lock: what is dropped is somebody's.
            drop(next);
            return (None, None);
        };
        let wakers = (waiter.take(), runner.take());
        *state = next;
        wakers
    }

    /// Has it end as cancelled, unless it is over.
    pub(crate) fn abort(&self) {
        let (waiter, runner) = self.end(State::Aborted);
        // The models must find this one: what was aborted is never dropped.
        let runner = if cfg!(seeded_bug = "runner_untold") { None } else { runner };
        for waker in [waiter, runner].into_iter().flatten() {
            waker.wake();
        }
    }

    /// The output, once.
    ///
    /// # Panics
    /// After that.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<T, JoinError>> {
        let mut state = self.state();
        match &mut *state {
            State::Open { waiter, .. } => {
                if waiter.as_ref().is_some_and(|own| own.will_wake(cx.waker())) {
                    return Poll::Pending;
                }
                #[cfg(seeded_bug = "first_waiter_kept")]
                // The models must find this one: who polled last is not woken.
                if waiter.is_some() {
                    return Poll::Pending;
                }
                let old = waiter.replace(cx.waker().clone());
                drop(state);
                drop(old);
                Poll::Pending
            }
            State::Aborted => Poll::Ready(Err(JoinError::cancelled())),
            State::Done(_) => match core::mem::replace(&mut *state, State::Taken) {
                State::Done(output) => Poll::Ready(output),
                _ => unreachable!("it was done a moment ago"),
            },
            State::Taken => panic!("a handle was polled after it gave the output"),
        }
    }

    /// Whether it is over.
    pub(crate) fn is_over(&self) -> bool {
        !matches!(*self.state(), State::Open { .. })
    }
}

/// Fills a packet. Dropped before, it says that what was to run never did.
pub(crate) struct Finish<T> {
    packet: Arc<Packet<T>>,
}

impl<T> Finish<T> {
    /// Whether nobody wants it to run any more.
    pub(crate) fn is_aborted(&self) -> bool {
        matches!(*self.packet.state(), State::Aborted)
    }

    /// Has `waker` woken when that becomes so. Whether it is.
    pub(crate) fn watch(&self, waker: &Waker) -> bool {
        let mut state = self.packet.state();
        let State::Open { runner, .. } = &mut *state else { return true };
        if runner.as_ref().is_some_and(|own| own.will_wake(waker)) {
            return false;
        }
        let old = runner.replace(waker.clone());
        drop(state);
        drop(old);
        false
    }

    /// Fills it, unless it was aborted.
    pub(crate) fn finish(&self, output: Result<T, JoinError>) {
        let (waiter, runner) = self.packet.end(State::Done(output));
        drop(runner);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl<T> Drop for Finish<T> {
    fn drop(&mut self) {
        // The models must find this one: who waits for what was never run waits for ever.
        if cfg!(not(seeded_bug = "unfinished_untold")) && !self.packet.is_over() {
            self.finish(Err(JoinError::cancelled()));
        }
    }
}
