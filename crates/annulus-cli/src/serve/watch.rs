//! How long connections may take: for the head of a request, between two requests, and for a peer
//! to take a part of an answer.
//!
//! No connection has a timer: a clock that ticks a few times within the shortest limit looks at all
//! of them, so that a request costs no more than two stores. A limit is kept to a tick or two.
//! While there is no connection the clock stands still.

use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use annulus::time::sleep;

use super::body::Outbox;
use super::counts::Totals;

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A request has begun to come, or the first one has not.
    Head,
    /// It is being answered.
    Answer,
    /// Nothing is asked.
    Idle,
}

/// The limit of each.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub head: Duration,
    pub answer: Duration,
    pub idle: Duration,
}

impl Limits {
    fn of(&self, stage: Stage) -> Duration {
        match stage {
            Stage::Head => self.head,
            Stage::Answer => self.answer,
            Stage::Idle => self.idle,
        }
    }

    /// How often the clock ticks.
    fn tick(&self) -> Duration {
        let shortest = self.head.min(self.answer).min(self.idle);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}

/// What is known of a connection, by its socket's side and by those who answer.
pub struct Connection {
    pub outbox: Rc<Outbox>,
    stage: Cell<Stage>,
    since: Cell<Duration>,
    /// The answer is known, though not sent.
    is_answered: Cell<bool>,
    is_late: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    watch: Rc<Watch>,
    place: usize,
}

impl Connection {
    /// Bytes came.
    #[inline]
    pub fn received(&self) {
        if self.stage.get() == Stage::Idle {
            self.enter(Stage::Head);
        }
    }

    /// A request was understood.
    pub fn asked(&self) {
        self.is_answered.set(false);
        self.enter(Stage::Answer);
    }

    /// Its answer is known.
    pub fn answered(&self) {
        self.is_answered.set(true);
    }

    /// The peer took something.
    #[inline]
    pub fn wrote(&self) {
        self.since.set(self.watch.now.get());
    }

    /// All that hyper had was written.
    #[inline]
    pub fn flushed(&self) {
        if self.is_answered.get() && self.outbox.is_empty() {
            self.is_answered.set(false);
            self.enter(Stage::Idle);
        }
    }

    fn enter(&self, stage: Stage) {
        self.stage.set(stage);
        self.since.set(self.watch.now.get());
    }

    /// Whether it took too long. Who asks is woken when that comes: always the same task.
    #[inline]
    pub fn is_late(&self, cx: &Context<'_>) -> bool {
        if self.waker.borrow().is_none() {
            self.waker.replace(Some(cx.waker().clone()));
        }
        self.is_late.get()
    }
}

/// The connections of a thread.
pub struct Watch {
    limits: Limits,
    began: Instant,
    /// How long that was ago, at the last tick.
    now: Cell<Duration>,
    places: RefCell<Vec<Option<Rc<Connection>>>>,
    free: RefCell<Vec<usize>>,
    count: Cell<usize>,
    totals: Arc<Totals>,
    /// Which of the threads.
    index: usize,
    /// The clock, while it stands still.
    clock: RefCell<Option<Waker>>,
}

impl Watch {
    /// Of the thread `index`, which counts them.
    pub fn new(limits: Limits, totals: Arc<Totals>, index: usize) -> Rc<Self> {
        Rc::new(Self {
            limits,
            began: Instant::now(),
            now: Cell::default(),
            places: RefCell::default(),
            free: RefCell::default(),
            count: Cell::default(),
            totals,
            index,
            clock: RefCell::default(),
        })
    }

    /// One more.
    pub fn enter(self: &Rc<Self>) -> Rc<Connection> {
        if self.count.get() == 0 {
            self.now.set(self.began.elapsed());
        }
        let mut places = self.places.borrow_mut();
        let place = self.free.borrow_mut().pop().unwrap_or_else(|| {
            places.push(None);
            places.len() - 1
        });
        let connection = Rc::new(Connection {
            outbox: Rc::default(),
            stage: Cell::new(Stage::Head),
            since: Cell::new(self.now.get()),
            is_answered: Cell::new(false),
            is_late: Cell::new(false),
            waker: RefCell::default(),
            watch: Rc::clone(self),
            place,
        });
        places[place] = Some(Rc::clone(&connection));
        drop(places);
        self.totals.threads[self.index].accepted.add(1);
        self.set_count(self.count.get() + 1);
        let clock = self.clock.borrow_mut().take();
        if let Some(clock) = clock {
            clock.wake();
        }
        connection
    }

    /// One less.
    pub fn leave(&self, connection: &Connection) {
        let left = self.places.borrow_mut()[connection.place].take();
        if left.is_some() {
            self.free.borrow_mut().push(connection.place);
            self.set_count(self.count.get() - 1);
        }
        drop(left);
        // It may hold the task, which holds the connection.
        drop(connection.waker.take());
    }

    fn set_count(&self, count: usize) {
        self.count.set(count);
        self.totals.threads[self.index].open.set(count as u64);
    }

    /// The clock. It has no end.
    pub async fn run(self: Rc<Self>) {
        let tick = self.limits.tick();
        loop {
            poll_fn(|cx| self.poll_some(cx)).await;
            sleep(tick).await;
            self.now.set(self.began.elapsed());
            for waker in self.look(tick) {
                waker.wake();
            }
        }
    }

    fn poll_some(&self, cx: &Context<'_>) -> Poll<()> {
        if self.count.get() > 0 {
            return Poll::Ready(());
        }
        let old = self.clock.replace(Some(cx.waker().clone()));
        drop(old);
        Poll::Pending
    }

    /// Those who are too late: to be woken with nothing borrowed.
    fn look(&self, tick: Duration) -> Vec<Waker> {
        let (now, mut wakers) = (self.now.get(), Vec::new());
        for connection in self.places.borrow().iter().flatten() {
            let limit = self.limits.of(connection.stage.get()) + tick;
            if connection.is_late.get() || now.saturating_sub(connection.since.get()) <= limit {
                continue;
            }
            connection.is_late.set(true);
            self.totals.threads[self.index].late.add(1);
            wakers.extend(connection.waker.borrow().clone());
        }
        wakers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Rc<Watch> {
        let second = Duration::from_secs(1);
        let limits = Limits { head: second, answer: 3 * second, idle: 5 * second };
        Watch::new(limits, Arc::new(Totals::new(1)), 0)
    }

    fn late_after(watch: &Watch, connection: &Connection, seconds: u64) -> bool {
        watch.now.set(watch.now.get() + Duration::from_secs(seconds));
        drop(watch.look(Duration::ZERO));
        connection.is_late.get()
    }

    #[test]
    fn a_head_has_its_time_however_it_dribbles() {
        let watch = watch();
        let connection = watch.enter();
        connection.received();
        assert!(!late_after(&watch, &connection, 1));
        connection.received();
        assert!(late_after(&watch, &connection, 1));
        let counts = &watch.totals.threads[0];
        assert_eq!((counts.open.get(), counts.late.get()), (1, 1));
        watch.leave(&connection);
        watch.leave(&connection);
        assert_eq!((counts.open.get(), counts.accepted.get()), (0, 1));
    }

    #[test]
    fn an_answer_that_goes_on_is_not_late() {
        let watch = watch();
        let connection = watch.enter();
        connection.received();
        connection.asked();
        for _ in 0..5 {
            assert!(!late_after(&watch, &connection, 3));
            connection.wrote();
        }
        connection.answered();
        connection.flushed();
        assert!(!late_after(&watch, &connection, 5));
        connection.received();
        assert!(!late_after(&watch, &connection, 1));
        assert!(late_after(&watch, &connection, 1));
    }

    #[test]
    fn places_are_used_again() {
        let watch = watch();
        let (one, two) = (watch.enter(), watch.enter());
        watch.leave(&one);
        let three = watch.enter();
        assert_eq!((three.place, watch.places.borrow().len()), (one.place, 2));
        drop(two);
    }
}
