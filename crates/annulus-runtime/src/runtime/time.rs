//! Time: waiting for it, and giving up after it.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::rc::Rc;

use super::context;
use super::core::Core;
use crate::executor::LocalWaker;
use crate::timer::Key;

/// Waits until a time: see [`sleep`].
///
/// It may be dropped at any time, and [`reset`](Self::reset) to another.
#[must_use = "a sleep does nothing until it is polled"]
pub struct Sleep {
    core: Rc<Core>,
    time_ns: u64,
    key: Option<Key>,
}

/// Waits so long, and never shorter: on the runtime's clock, the monotonic one of its kernel.
///
/// It is precise to about a microsecond, as far as the kernel's own timers and the other tasks of
/// this thread let it. A wait of more than 584 years ends then.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use std::time::{Duration, Instant};
/// let begun = Instant::now();
/// annulus_runtime::run(annulus_runtime::time::sleep(Duration::from_millis(3)))?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
#[inline]
pub fn sleep(duration: Duration) -> Sleep {
    context::with(|core| Sleep { time_ns: after(core, duration), core: Rc::clone(core), key: None })
}

/// So long after now.
#[inline]
fn after(core: &Core, duration: Duration) -> u64 {
    let span_ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    core.now_ns().saturating_add(span_ns)
}

impl Sleep {
    /// Has it wait so long from now on, whatever it waited for.
    pub fn reset(&mut self, duration: Duration) {
        self.forget();
        self.time_ns = after(&self.core, duration);
    }

    /// Takes its timer back.
    #[inline]
    fn forget(&mut self) {
        let Some(key) = self.key.take() else { return };
        let waker = self.core.wheel.borrow_mut().remove(key);
        // With nothing borrowed: what is dropped here may be anybody's.
        drop(waker);
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        match this.key {
            None => {
                let waker = LocalWaker::of(cx.waker());
                this.key = Some(this.core.wheel.borrow_mut().insert(this.time_ns, waker));
                Poll::Pending
            }
            Some(key) => {
                let found = this.core.wheel.borrow_mut().poll(key, cx.waker());
                let Some(old) = found else { return Poll::Ready(()) };
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
        f.debug_struct("Sleep").field("time_ns", &self.time_ns).finish_non_exhaustive()
    }
}
