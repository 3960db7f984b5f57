//! Futures and values that count what becomes of them.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
// Counts of the models' own, which decide nothing: loom has not to explore them.
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::sync;
use super::threads::Gauge;

/// Counts; shared by all that count the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Count(Arc<AtomicU32>);

impl Count {
    pub(crate) fn add(&self) {
        // Relaxed: pairs with nothing: read when the threads have ended.
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u32 {
        // Relaxed: pairs with nothing: the threads have ended.
        self.0.load(Ordering::Relaxed)
    }

    /// Something that is counted when it is dropped.
    pub(crate) fn token(&self) -> Token {
        Token(self.clone())
    }
}

/// Counted when it is dropped.
#[derive(Debug)]
pub(crate) struct Token(Count);

impl Drop for Token {
    fn drop(&mut self) {
        self.0.add();
    }
}

/// What somebody said, without an order to it: whoever is woken behind it must see it all the same.
#[derive(Debug)]
pub(crate) struct Said(sync::AtomicU32);

impl Said {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(sync::AtomicU32::new(0)))
    }

    pub(crate) fn say(&self, step: u32) {
        // Relaxed: pairs with nothing: the wake-up must order it.
        self.0.store(step, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u32 {
        // Relaxed: pairs with nothing, as above.
        self.0.load(Ordering::Relaxed)
    }
}

/// Where a task leaves the waker of its first poll: what other threads wake it by.
pub(crate) type Kept = Rc<RefCell<Option<Waker>>>;

/// Ready when everything was said; a wake-up that is lost is a hang.
pub(crate) struct Waits {
    pub(crate) kept: Option<Kept>,
    pub(crate) said: Vec<Arc<Said>>,
    pub(crate) step: u32,
    pub(crate) polled: Count,
    pub(crate) token: Token,
}

impl Future for Waits {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polled.add();
        if let Some(kept) = self.kept.take() {
            *kept.borrow_mut() = Some(cx.waker().clone());
        }
        if self.said.iter().all(|said| said.get() >= self.step) {
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

/// A thread, for a future that is polled there.
#[derive(Debug)]
pub(crate) struct Thread(Gauge);

impl Wake for Thread {
    fn wake(self: Arc<Self>) {
        self.0.raise();
    }
}

impl Thread {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Gauge::new()))
    }

    /// Polls once.
    pub(crate) fn poll<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        Pin::new(future).poll(&mut Context::from_waker(&waker))
    }

    /// Polls until the future ends, asleep in between: a lost wake-up is a hang.
    pub(crate) fn finish<F: Future + Unpin>(self: &Arc<Self>, future: &mut F) -> F::Output {
        loop {
            if let Poll::Ready(output) = self.poll(future) {
                return output;
            }
            self.0.wait();
        }
    }
}
