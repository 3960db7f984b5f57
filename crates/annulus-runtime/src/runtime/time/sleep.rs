//! [`sleep`]: waiting for a time.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::rc::Rc;
use std::time::Instant;

use super::super::context;
use super::super::core::Core;
use crate::timer::Key;

/// Waits until a time: see [`sleep`].
///
/// It may be dropped at any time, and [`reset`](Self::reset) to another.
#[must_use = "a sleep does nothing until it is awaited"]
pub struct Sleep {
    core: Rc<Core>,
    key: Key,
}

/// Waits so long, and never shorter: on the runtime's clock, the monotonic one of its kernel.
///
/// It counts from the end of the turn in which it is called: when those tasks that were due have
/// had their turn. From then on it is precise to some microseconds, as far as the kernel's own
/// timers and the other tasks of this thread let it. A wait of more than 584 years ends then.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use std::time::{Duration, Instant};
/// let begun = Instant::now();
/// let span = Duration::from_millis(3);
/// annulus_runtime::run(async move { annulus_runtime::time::sleep(span).await })?;
/// assert!(begun.elapsed() >= span);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    context::with(|core| {
        let key = core.wheel.borrow_mut().insert_after(span_ns(duration));
        Sleep { key, core: Rc::clone(core) }
    })
}

/// Waits until a time, or not at all if that is over.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus_runtime::time::sleep_until;
/// use std::time::{Duration, Instant};
/// let end = Instant::now() + Duration::from_millis(2);
/// annulus_runtime::run(async move { sleep_until(end).await })?;
/// assert!(Instant::now() >= end);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn sleep_until(end: Instant) -> Sleep {
    sleep(end.saturating_duration_since(Instant::now()))
}

/// A span as the wheel has it.
#[inline]
pub(super) fn span_ns(span: Duration) -> u64 {
    // Seconds that do not fit are as good as for ever.
    span.as_secs().saturating_mul(1_000_000_000).saturating_add(span.subsec_nanos().into())
}

impl Sleep {
    /// Has it wait so long from now on, whatever it waited for.
    ///
    /// ```
    /// use annulus_runtime::time::sleep;
    /// use std::time::{Duration, Instant};
    /// let begun = Instant::now();
    /// annulus_runtime::run(async {
    ///     let mut sleep = sleep(Duration::from_secs(3600));
    ///     sleep.reset(Duration::from_millis(1));
    ///     sleep.await;
    /// })?;
    /// assert!(begun.elapsed() < Duration::from_secs(60));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset(&mut self, duration: Duration) {
        self.forget();
        self.key = self.core.wheel.borrow_mut().insert_after(span_ns(duration));
    }

    /// Takes its timer back.
    #[inline]
    fn forget(&mut self) {
        let waker = self.core.wheel.borrow_mut().remove(self.key);
        // With nothing borrowed: what is dropped here may be anybody's.
        drop(waker);
    }
}

impl Future for Sleep {
    type Output = ();

    // Small, and called twice for each sleep.
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let found = self.core.wheel.borrow_mut().poll(self.key, cx.waker());
        match found {
            None => Poll::Ready(()),
            Some(old) => {
                drop(old);
                Poll::Pending
            }
        }
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        self.forget();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("key", &self.key).finish_non_exhaustive()
    }
}
