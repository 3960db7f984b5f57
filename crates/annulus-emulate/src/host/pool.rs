//! [`Pool`]: threads that do what may block, as many as are needed and no more than are allowed;
//! each ends when it had nothing to do for a while.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annulus_ring::Errno;

use super::perform;
use super::poller::Kept;
use crate::world::{Recall, Token, Work};

/// What a file is to the host: see [`super::machine::File`].
type HostWork = Work<super::machine::File>;

/// Who is told what came of a piece of work.
pub(super) type Deliver = Arc<dyn Fn(Token, HostWork, Result<u32, Errno>) + Send + Sync>;

/// How the threads are.
#[derive(Clone, Debug)]
pub(super) struct Habits {
    pub(super) threads_max: usize,
    pub(super) keep_alive: Duration,
    pub(super) name: String,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Token, HostWork)>,
    /// What is being done.
    running: HashMap<Token, ()>,
    threads: usize,
    idle: usize,
    closed: bool,
}

/// See above.
pub(super) struct Pool {
    state: Mutex<State>,
    work: Condvar,
    habits: Habits,
    deliver: Mutex<Option<Deliver>>,
}

impl Pool {
    pub(super) fn new(habits: Habits) -> Self {
        Self { state: Mutex::default(), work: Condvar::new(), habits, deliver: Mutex::new(None) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who is told.
    pub(super) fn deliver_to(&self, deliver: Deliver) {
        *self.deliver.lock().unwrap_or_else(PoisonError::into_inner) = Some(deliver);
    }

    /// Has a thread do it.
    ///
    /// # Errors
    /// The work, where there is no thread and none can be started.
    pub(super) fn hand_over(
        self: &Arc<Self>,
        token: Token,
        work: HostWork,
    ) -> Result<(), HostWork> {
        let mut state = self.state();
        state.queue.push_back((token, work));
        let enough = state.idle >= state.queue.len() || state.threads >= self.habits.threads_max;
        if enough {
            self.work.notify_one();
            return Ok(());
        }
        state.threads += 1;
        drop(state);
        let pool = Arc::clone(self);
        let started =
            std::thread::Builder::new().name(self.habits.name.clone()).spawn(move || pool.serve());
        if started.is_ok() {
            return Ok(());
        }
        let mut state = self.state();
        state.threads -= 1;
        if state.threads > 0 {
            return Ok(());
        }
        let place = state.queue.iter().position(|(other, _)| *other == token);
        match place.and_then(|place| state.queue.remove(place)) {
            Some((_, work)) => Err(work),
            None => Ok(()),
        }
    }

    /// Takes work back that no thread has begun.
    pub(super) fn recall(&self, token: Token) -> Recall {
        let mut state = self.state();
        let place = state.queue.iter().position(|(other, _)| *other == token);
        if place.and_then(|place| state.queue.remove(place)).is_some() {
            return Recall::Taken;
        }
        if state.running.contains_key(&token) { Recall::Running } else { Recall::TooLate }
    }

    /// Ends the threads, each after what it is doing.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        state.queue.clear();
        self.work.notify_all();
    }

    fn serve(&self) {
        while let Some((token, mut work)) = self.next() {
            let result = perform::to_the_end(&mut work);
            self.state().running.remove(&token);
            let deliver = self.deliver.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(deliver) = deliver {
                deliver(token, work, result);
            }
        }
    }

    /// The next piece of work, or the end of this thread.
    fn next(&self) -> Option<(Token, HostWork)> {
        let mut state = self.state();
        loop {
            if state.closed {
                break;
            }
            if let Some((token, work)) = state.queue.pop_front() {
                state.running.insert(token, ());
                return Some((token, work));
            }
            state.idle += 1;
            let waited = self.work.wait_timeout(state, self.habits.keep_alive);
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

// `Kept` is what the work keeps open meanwhile.
const _: fn() = || {
    fn is_send<T: Send>() {}
    is_send::<Kept>();
};
