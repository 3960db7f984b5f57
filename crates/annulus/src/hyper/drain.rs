//! [`Gate`]: the connections of a server, who are told when it comes to its end.

use core::cell::{Cell, RefCell};
use core::task::{Context, Poll, Waker};
use std::rc::Rc;

/// How far a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// Connections come to their ends.
    Draining,
    /// They are cut off.
    Over,
}

/// The connections of one server.
pub(super) struct Gate {
    phase: Cell<Phase>,
    open: Cell<usize>,
    /// Those who are told, each at its own place.
    members: RefCell<Vec<Option<Waker>>>,
    free: RefCell<Vec<usize>>,
    /// The server, while it waits for connections to end.
    server: RefCell<Option<Waker>>,
}

impl Gate {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Self {
            phase: Cell::new(Phase::Serving),
            open: Cell::new(0),
            members: RefCell::default(),
            free: RefCell::default(),
            server: RefCell::default(),
        })
    }

    /// How many connections there are.
    pub(super) fn open(&self) -> usize {
        self.open.get()
    }

    /// One more.
    pub(super) fn enter(self: &Rc<Self>) -> Member {
        self.open.set(self.open.get() + 1);
        Member { gate: Rc::clone(self), place: None }
    }

    /// Tells all of them.
    pub(super) fn tell(&self, phase: Phase) {
        self.phase.set(phase);
        let wakers: Vec<_> =
            self.members.borrow_mut().iter_mut().filter_map(Option::take).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Whether there are fewer than so many.
    pub(super) fn is_below(&self, count: usize) -> bool {
        self.open.get() < count
    }

    /// Waits until there are fewer than so many.
    pub(super) fn poll_below(&self, count: usize, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_below(count) {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        let old = self.server.borrow_mut().replace(waker);
        drop(old);
        Poll::Pending
    }
}

/// One connection, as long as it lasts.
pub(super) struct Member {
    gate: Rc<Gate>,
    /// Where its waker is.
    place: Option<usize>,
}

impl Member {
    /// How far the server is. Who asks is woken when that changes: always the same task.
    #[inline]
    pub(super) fn poll_phase(&mut self, cx: &Context<'_>) -> Phase {
        if self.place.is_none() {
            self.register(cx.waker().clone());
        }
        self.gate.phase.get()
    }

    #[cold]
    fn register(&mut self, waker: Waker) {
        let mut members = self.gate.members.borrow_mut();
        let place = self.gate.free.borrow_mut().pop().unwrap_or_else(|| {
            members.push(None);
            members.len() - 1
        });
        members[place] = Some(waker);
        self.place = Some(place);
    }

    /// Has it woken again at the next change, after one.
    pub(super) fn renew(&mut self, cx: &Context<'_>) {
        if let Some(place) = self.place {
            let waker = cx.waker().clone();
            let old = self.gate.members.borrow_mut()[place].replace(waker);
            drop(old);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let waker = self.gate.members.borrow_mut()[place].take();
            drop(waker);
            self.gate.free.borrow_mut().push(place);
        }
        self.gate.open.set(self.gate.open.get() - 1);
        let server = self.gate.server.borrow_mut().take();
        if let Some(server) = server {
            server.wake();
        }
    }
}
