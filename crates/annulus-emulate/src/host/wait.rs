//! A ring's state, and waiting for it to change.
//!
//! Of the threads that wait one *leads*: it sleeps in the ring's epoll, until a file is ready, the
//! next time is due, or the bell is rung. The others *follow*: each sleeps on a bell of its own.
//!
//! ```text
//! wait:    lock ─▶ goal met? ─ yes ─▶ settle, unlock, return
//!            ▲        │ no
//!            │   nobody leads ─ yes ─▶ lead:   settle, unlock, sleep in epoll
//!            │        └──────── no ──▶ follow: settle, unlock, sleep on the own bell
//!            └────────────── lock, take in what came ◀──┘
//! ```
//!
//! Why no wake-up is lost. What a thread waits for changes under the lock alone: completions are
//! posted, times set, files watched, and the leader leaves, by threads that hold it. Before any of
//! them unlocks it calls [`Inner::settle`], which establishes, whoever sleeps or is about to:
//!
//! 1. Whoever's goal is met has its bell rung, once (`rung` says that it was).
//! 2. A leader sleeps no longer than until the next time that is due, or has its bell rung.
//! 3. If somebody follows, then somebody leads, or one that follows has its bell rung.
//!
//! Bells are eventfds: one that is rung before the thread sleeps ends its sleep at once, so it does
//! not matter that a thread unlocks before it sleeps. A bell is silenced only by the thread whose
//! it is, under the lock, together with `rung`; after that the thread looks at its goal again
//! before it sleeps. So by 1 nobody sleeps whose goal is met. Files need no bell: epoll tells the
//! leader of those that others add while it sleeps. By 3 there is always one who hears that, or is
//! on its way to: one whose bell is rung takes the lock, and either leads, or leaves, and settles
//! before it does.
//!
//! One that finds no descriptor for a bell dozes: it sleeps a millisecond at a time, is no follower
//! whom others count on, and comes to lead like any that looks.
//!
//! What takes goals away needs no bell: completions that the program consumes only make others
//! wait on, and every thread looks at its goal under the lock before it returns.

use core::ffi::c_void;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use annulus_ring::abi::{ClockId, SqRingFlags};
use annulus_ring::{Errno, ForkMark};

use super::machine::Machine;
use super::memory::Region;
use super::poller::{Events, Poller};
use super::pool::Pool;
use super::turns::{Bell, Turns};
use super::{rings, sys};
use crate::semantics::Core;
use crate::world::Token;

/// A ring of the host.
pub(super) struct Inner {
    state: Mutex<State>,
    pub(super) poller: Arc<Poller>,
    pub(super) pool: Arc<Pool>,
    pub(super) name: u64,
    mark: ForkMark,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// So many completions in the queue, or a timeout that was told later than these.
    Ready { want: u32, timeouts: u32 },
    /// Any completion later than these.
    MoreThan(u32),
    /// The end of the ring, or of its eventfd: until then it sees to the ring's files.
    Unneeded,
}

/// How it waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    /// Until then, by the monotonic clock.
    pub(super) limit: Option<Duration>,
    /// From then on one completion is enough.
    pub(super) enough: Option<Duration>,
    /// The signals that are blocked meanwhile: null, or 8 bytes.
    pub(super) mask: *const c_void,
}

impl Terms {
    pub(super) fn until(limit: Option<Duration>) -> Self {
        Self { limit, enough: None, mask: core::ptr::null() }
    }
}

pub(super) struct State {
    pub(super) core: Core<Machine>,
    turns: Turns<Goal, OwnedFd>,
    /// Whose files are ready: empty, but while they are gone on with.
    ready: Vec<Token>,
    /// Room for what files tell, while nobody waits for that.
    events: Option<Box<Events>>,
    /// Bells that nobody has.
    bells: Vec<Arc<OwnedFd>>,
    /// Enters in a row that found enough, and did not look at files.
    pub(super) unlooked: u8,
    /// Somebody has the descriptor to poll.
    pub(super) is_polled: bool,
    /// What its timer is armed for.
    timer: Option<Duration>,
    /// The thread that may enter, where one alone may.
    pub(super) issuer: Option<u64>,
    /// Memory that was registered.
    pub(super) region: Option<Region>,
    /// A thread sees to the ring's files, for its eventfd.
    pub(super) is_served: bool,
    /// The ring is gone.
    pub(super) is_closed: bool,
}

/// As [`State::is_met`].
fn is_met(core: &Core<Machine>, is_closed: bool, goal: Goal) -> bool {
    match goal {
        Goal::Ready { want, timeouts } => {
            // What found no room found a full queue: there was enough, whoever took it since.
            core.queues.ready() >= want
                || core.queues.has_overflow()
                || core.timeouts_told() != timeouts
        }
        Goal::MoreThan(told) => core.told() != told,
        Goal::Unneeded => is_closed || !core.has_eventfd(),
    }
}

impl State {
    pub(super) fn new(core: Core<Machine>, issuer: Option<u64>) -> Self {
        Self {
            core,
            turns: Turns::new(),
            ready: Vec::new(),
            events: Some(Box::default()),
            bells: Vec::new(),
            unlooked: 0,
            is_polled: false,
            timer: None,
            issuer,
            region: None,
            is_served: false,
            is_closed: false,
        }
    }

    /// Whether what a thread waits for is there.
    pub(super) fn is_met(&self, goal: Goal) -> bool {
        is_met(&self.core, self.is_closed, goal)
    }

    /// Whether nobody sleeps, nobody is to be signalled, and who looks sees what there is to see.
    #[inline]
    fn is_settled(&self) -> bool {
        self.turns.is_empty()
            && !self.core.is_signalled()
            && !self.is_polled
            && self.core.queues.is_raised(SqRingFlags::TASKRUN) == self.may_go_on()
    }

    /// Whether a time or a file may have something go on.
    #[inline]
    fn may_go_on(&self) -> bool {
        self.core.has_times() || !self.core.world.watches.is_idle()
    }

    /// Goes on with what files told, and times that are due.
    fn take_in(&mut self, told: &Events) {
        let mut ready = core::mem::take(&mut self.ready);
        self.core.world.watches.tell(told, &mut ready);
        for token in ready.drain(..) {
            self.core.ready(token);
        }
        self.ready = ready;
        self.go_on();
    }

    fn go_on(&mut self) {
        self.core.pass_times();
        self.core.run();
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        if self.core.queues.has_overflow() {
            self.core.flush();
        }
    }
}

/// How long who has no bell sleeps at a time.
const DOZE: Duration = Duration::from_millis(1);
/// A time that has come.
const NOW: Duration = Duration::from_nanos(1);

impl Inner {
    pub(super) fn new(
        state: State,
        poller: Arc<Poller>,
        pool: Arc<Pool>,
        name: u64,
        mark: ForkMark,
    ) -> Self {
        Self { state: Mutex::new(state), poller, pool, name, mark }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this process is a child of the ring's: nothing may be touched.
    pub(super) fn is_forked(&self) -> bool {
        self.mark.is_forked()
    }

    /// What is to be done before the lock is released, whenever anything changed: see above.
    #[inline]
    pub(super) fn settle(&self, state: &mut State) {
        if !state.is_settled() {
            self.settle_all(state);
        }
    }

    #[inline(never)]
    fn settle_all(&self, state: &mut State) {
        state.core.signal();
        let due = state.core.next_due();
        let State { turns, core, is_closed, .. } = state;
        turns.settle(due, |goal| is_met(core, *is_closed, goal), || self.poller.ring());
        self.show(state, due);
    }

    /// Shows those who look, and do not enter, that there is something to enter for.
    fn show(&self, state: &mut State, due: Option<Duration>) {
        let waits = !state.turns.is_led() && state.may_go_on();
        let queues = &mut state.core.queues;
        if !state.is_polled {
            return match waits {
                true => queues.raise(SqRingFlags::TASKRUN),
                false => queues.lower(SqRingFlags::TASKRUN),
            };
        }
        let at = if queues.unseen() > 0 { Some(NOW) } else { due };
        // Readable until somebody enters who finds that the completions were taken.
        let is_pending = waits || at == Some(NOW);
        // First the flag: whoever finds the descriptor readable finds it raised.
        if is_pending {
            queues.raise(SqRingFlags::TASKRUN);
        }
        if at != state.timer {
            self.poller.arm_timer(at);
            state.timer = at;
        }
        if !is_pending {
            queues.lower(SqRingFlags::TASKRUN);
        }
    }

    /// Sends what is to be sent, and does what has no thread, with the lock released.
    #[inline(always)]
    pub(super) fn send_messages<'a>(
        &'a self,
        state: MutexGuard<'a, State>,
    ) -> MutexGuard<'a, State> {
        let is_idle = !state.core.has_messages() && !self.pool.wants_inline();
        if is_idle { state } else { self.send_them(state) }
    }

    #[inline(never)]
    fn send_them<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        loop {
            if !state.core.has_messages() && !self.pool.wants_inline() {
                return state;
            }
            let messages = state.core.take_messages();
            self.settle(&mut state);
            drop(state);
            let sent: Vec<_> =
                messages.iter().map(|sent| (sent.token, rings::deliver(sent))).collect();
            drop(messages);
            if self.pool.wants_inline() {
                self.pool.run_inline();
            }
            state = self.state();
            for (token, result) in sent {
                state.core.sent(token, result);
            }
            state.core.run();
        }
    }

    /// Goes on with what is there already.
    pub(super) fn look<'a>(&'a self, mut state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        if state.core.world.watches.is_idle() || state.turns.is_led() {
            state.go_on();
        } else {
            let mut told = state.events.take().unwrap_or_default();
            // Without waiting it fails for no reason that matters: nothing is told then.
            let _ = self.poller.wait(Some(Duration::ZERO), core::ptr::null(), &mut told);
            state.take_in(&told);
            state.events = Some(told);
        }
        self.send_messages(state)
    }

    /// Waits until `goal` is met, or as `terms` say.
    ///
    /// # Errors
    /// `ETIME`: not until then. `EINTR`: a signal came.
    pub(super) fn wait<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        mut goal: Goal,
        mut terms: Terms,
    ) -> (MutexGuard<'a, State>, Result<(), Errno>) {
        let mut end = Ok(());
        loop {
            // Others take completions meanwhile: nobody sleeps beside what waits for that room.
            state.flush();
            if state.is_met(goal) || end.is_err() {
                return (state, end);
            }
            let has_limit = terms.limit.is_some() || terms.enough.is_some();
            if has_limit && pass(&mut terms, &mut goal, &mut end) {
                continue;
            }
            let until = terms.limit.into_iter().chain(terms.enough).min();
            let mask = terms.mask;
            let waited = match state.turns.is_led() {
                false => self.lead(state, goal, until, mask),
                true => self.follow(state, goal, until, mask),
            };
            state = waited.0;
            end = waited.1;
            if matches!(goal, Goal::Unneeded) && end.is_err() {
                // Nobody would take its place. That it was no signal cannot be; but it would come
                // again at once.
                if end != Err(Errno::EINTR) {
                    state = self.doze(state, None, core::ptr::null()).0;
                }
                end = Ok(());
            }
            state = self.send_messages(state);
        }
    }

    fn lead<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        goal: Goal,
        until: Option<Duration>,
        mask: *const c_void,
    ) -> (MutexGuard<'a, State>, Result<(), Errno>) {
        let until = until.into_iter().chain(state.core.next_due()).min();
        state.turns.lead(goal, until);
        let mut told = state.events.take().unwrap_or_default();
        self.settle(&mut state);
        drop(state);
        let left = until.map(left);
        let end = self.poller.wait(left, mask, &mut told);
        let mut state = self.state();
        if state.turns.has_led() {
            self.poller.silence();
        }
        state.take_in(&told);
        state.events = Some(told);
        (state, end)
    }

    fn follow<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        goal: Goal,
        until: Option<Duration>,
        mask: *const c_void,
    ) -> (MutexGuard<'a, State>, Result<(), Errno>) {
        let left = until.map(left);
        let Some(bell) = state.bells.pop().or_else(|| sys::eventfd().ok().map(Arc::new)) else {
            return self.doze(state, left, mask);
        };
        state.turns.follow(goal, &bell);
        self.settle(&mut state);
        drop(state);
        let waited = sys::await_readable(bell.as_raw_fd(), left, mask);
        let mut state = self.state();
        if state.turns.has_followed(&bell) {
            sys::drain(bell.as_raw_fd());
        }
        state.bells.push(bell);
        state.flush();
        (state, waited.map(drop))
    }

    /// Follows without a bell, where there is no descriptor for one: looks again after a moment.
    fn doze<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        left: Option<Duration>,
        mask: *const c_void,
    ) -> (MutexGuard<'a, State>, Result<(), Errno>) {
        self.settle(&mut state);
        drop(state);
        let waited = sys::sleep(left.unwrap_or(DOZE).min(DOZE), mask);
        (self.state(), waited.map(drop))
    }

    /// Sees to the ring's files while it has an eventfd, which is to be signalled though nobody
    /// enters.
    pub(super) fn serve(&self) {
        let state = self.state();
        let (mut state, _) = self.wait(state, Goal::Unneeded, Terms::until(None));
        state.is_served = false;
        self.settle(&mut state);
    }
}

/// Whether a time of a wait has come, and what that changes.
fn pass(terms: &mut Terms, goal: &mut Goal, end: &mut Result<(), Errno>) -> bool {
    let now = sys::now(ClockId::MONOTONIC);
    if terms.limit.is_some_and(|limit| limit <= now) {
        *end = Err(Errno::ETIME);
        return true;
    }
    let Some(enough) = terms.enough.filter(|enough| *enough <= now) else { return false };
    terms.enough = None;
    if let Goal::Ready { want, .. } = goal {
        *want = 1;
    }
    // It is the limit as well where there is none, or an earlier one.
    if terms.limit.is_none_or(|limit| limit <= enough) {
        *end = Err(Errno::ETIME);
    }
    true
}

/// How long it is until then.
fn left(until: Duration) -> Duration {
    until.saturating_sub(sys::now(ClockId::MONOTONIC))
}

impl Bell for OwnedFd {
    fn ring(&self) {
        sys::signal(self.as_raw_fd());
    }
}
