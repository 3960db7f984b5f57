//! [`stopped`]: how those who run on a runtime are told to come to an end.
//!
//! ```text
//! Handle::stop(limit) ──▶ the flag of the runtime ──▶ stopped() is ready, in each task that asks
//!                                                └──▶ after the limit: who runs it ends it
//! ```

use core::cell::{Cell, RefCell};
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::rc::Rc;

use super::core::Core;
use super::{Handle, context};
use crate::executor::Executor;

/// Whether a runtime is to come to an end, and who wants to know.
#[derive(Default)]
pub(super) struct Stop {
    /// How long there is from when it was asked for.
    limit: Cell<Option<Duration>>,
    waiting: RefCell<Vec<(u64, Waker)>>,
    next: Cell<u64>,
}

impl Stop {
    /// Tells everybody. A second call changes nothing.
    pub(super) fn ask(&self, limit: Duration) {
        if self.limit.get().is_some() {
            return;
        }
        self.limit.set(Some(limit));
        // With nothing borrowed: these may be anybody's.
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(|(_, waker)| waker.wake());
    }

    /// How long there is, if the end was asked for.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.limit.get()
    }

    fn forget(&self, key: u64) {
        let mut waiting = self.waiting.borrow_mut();
        let at = waiting.iter().position(|(own, _)| *own == key);
        let waker = at.map(|at| waiting.swap_remove(at));
        drop(waiting);
        // As above.
        drop(waker);
    }
}

impl Handle {
    /// Tells the runtime to come to an end: see [`stopped`](super::stopped). Those of
    /// [`Threads`](super::Threads) are ended after `limit`; others run on, as long as somebody runs
    /// them. A second call changes nothing, nor does one after the end.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::stopped};
    /// let runtime = Runtime::new()?;
    /// runtime.handle().stop(std::time::Duration::ZERO);
    /// runtime.block_on(stopped_soon());
    /// async fn stopped_soon() {
    ///     stopped().await
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stop(&self, limit: Duration) {
        let ask = move |_: &Executor| context::with(|core| core.stop.ask(limit));
        self.submit(Box::new(ask));
    }
}

/// Waits until the runtime is asked to come to an end: by [`Handle::stop`](super::Handle::stop), or
/// with all [threads](super::Threads). What accepts connections stops then, what serves one comes
/// to its end.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus_runtime::{runtime::stopped, spawn_local, Runtime};
/// use std::time::Duration;
/// let runtime = Runtime::new()?;
/// let handle = runtime.handle();
/// runtime.block_on(async move {
///     let server = spawn_local(async { stopped().await });
///     handle.stop(Duration::from_secs(1));
///     server.await
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn stopped() -> Stopped {
    context::with(|core| Stopped { core: Rc::clone(core), key: None })
}

/// See [`stopped`].
#[must_use = "it waits when it is awaited"]
pub struct Stopped {
    core: Rc<Core>,
    /// Its place among those who wait.
    key: Option<u64>,
}

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let stop = &this.core.stop;
        if stop.limit.get().is_some() {
            return Poll::Ready(());
        }
        if let Some(key) = this.key.take() {
            stop.forget(key);
        }
        // Not our code: nothing is borrowed.
        let waker = cx.waker().clone();
        let key = stop.next.get();
        stop.next.set(key + 1);
        stop.waiting.borrow_mut().push((key, waker));
        this.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.core.stop.forget(key);
        }
    }
}

impl core::fmt::Debug for Stopped {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Stopped")
            .field("is_stopped", &self.core.stop.limit.get().is_some())
            .finish()
    }
}
