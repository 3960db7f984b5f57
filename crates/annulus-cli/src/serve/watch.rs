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
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

use annulus::time::sleep;

use super::body::Outbox;
use super::notes::Notes;

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing came yet.
    New,
    /// A request has begun to come.
    Head,
    /// It is being answered.
    Answer,
    /// Nothing is asked.
    Idle,
    /// All is said, and the peer may not have read it.
    Closing,
}

/// How long a peer may go on sending what nobody reads.
const CLOSING: Duration = Duration::from_secs(5);

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
            Stage::New | Stage::Head => self.head,
            Stage::Answer => self.answer,
            Stage::Idle => self.idle,
            Stage::Closing => CLOSING.min(self.answer),
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
    /// The request had a body, which is not read.
    has_body: Cell<bool>,
    is_late: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    watch: Rc<Watch>,
    place: usize,
}

impl Connection {
    /// Bytes came.
    #[inline]
    pub fn received(&self) {
        if matches!(self.stage.get(), Stage::Idle | Stage::New) {
            self.enter(Stage::Head);
        }
    }

    /// A request was understood.
    pub fn asked(&self, has_body: bool) {
        self.is_answered.set(false);
        self.has_body.set(has_body);
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

    /// The head of an answer is about to be written. If nobody was asked for one, hyper answers to
    /// what it does not understand.
    #[inline]
    pub fn answers(&self, peer: impl FnOnce() -> Option<IpAddr>, head: &[u8]) {
        if self.stage.get() != Stage::Head {
            return;
        }
        // What follows it is not read.
        self.asked(true);
        if let Some(peer) = peer() {
            self.watch.notes.refusal(peer, head);
        }
    }

    /// Nothing more is sent: whether the peer may be sending still, a body or what was not
    /// understood.
    pub fn closes(&self) -> bool {
        let goes_on = self.has_body.get() || self.stage.get() == Stage::Head;
        self.enter(Stage::Closing);
        goes_on
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
    notes: Rc<Notes>,
    /// The clock, while it stands still.
    clock: RefCell<Option<Waker>>,
}

impl Watch {
    /// Of the thread that notes so.
    pub fn new(limits: Limits, notes: Rc<Notes>) -> Rc<Self> {
        Rc::new(Self {
            limits,
            began: Instant::now(),
            now: Cell::default(),
            places: RefCell::default(),
            free: RefCell::default(),
            count: Cell::default(),
            notes,
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
            stage: Cell::new(Stage::New),
            since: Cell::new(self.now.get()),
            is_answered: Cell::new(false),
            has_body: Cell::new(false),
            is_late: Cell::new(false),
            waker: RefCell::default(),
            watch: Rc::clone(self),
            place,
        });
        places[place] = Some(Rc::clone(&connection));
        drop(places);
        self.notes.counts().accepted.add(1);
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
        self.notes.counts().open.set(count as u64);
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
            if connection.stage.get() != Stage::Closing {
                self.notes.counts().late.add(1);
            }
            wakers.extend(connection.waker.borrow().clone());
        }
        wakers
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::counts::Totals;
    use super::*;

    fn watch() -> Rc<Watch> {
        let second = Duration::from_secs(1);
        let limits = Limits { head: second, answer: 3 * second, idle: 5 * second };
        Watch::new(limits, Notes::new(Arc::new(Totals::new(1)), 0, None))
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
        let counts = &watch.notes.counts();
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
        connection.asked(false);
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
    fn who_may_be_sending_still_is_waited_for() {
        let watch = watch();
        let (silent, unread, asking) = (watch.enter(), watch.enter(), watch.enter());
        assert!(!silent.closes());
        for connection in [&unread, &asking] {
            connection.received();
            connection.asked(true);
        }
        assert!(unread.closes());
        asking.asked(false);
        assert!(!asking.closes());
        // As long as an answer may take, and no more; it is not who was late.
        assert!(!late_after(&watch, &unread, 3));
        assert!(late_after(&watch, &unread, 1));
        assert_eq!(watch.notes.counts().late.get(), 0);
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
