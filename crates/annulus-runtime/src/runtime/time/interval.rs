//! [`interval`]: something to be done again and again.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};
use core::time::Duration;
use std::rc::Rc;

use super::super::context;
use super::super::core::Core;
use super::sleep::span_ns;
use crate::timer::Key;

/// What becomes of ticks that were due while nobody waited for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissedTicks {
    /// They follow one another at once until all are made up for: as many ticks as there were
    /// periods.
    #[default]
    Burst,
    /// They are over: the next is a period after the late one.
    Delay,
    /// They are over: the next is at the next multiple of the period, as if none had been late.
    Skip,
}

/// Ticks, a period apart: see [`interval`].
pub struct Interval {
    core: Rc<Core>,
    /// The timer of the next tick, if somebody waited for it.
    timer: Option<Key>,
    /// When the next tick is due, by the runtime's clock.
    next_ns: u64,
    period_ns: u64,
    missed: MissedTicks,
}

/// Ticks that are a `period` apart, the first of them at once.
///
/// # Panics
/// Outside of a runtime; if the period is zero.
///
/// ```
/// use annulus_runtime::time::interval;
/// use std::time::{Duration, Instant};
/// annulus_runtime::run(async {
///     let (begun, period) = (Instant::now(), Duration::from_millis(2));
///     let mut ticks = interval(period);
///     for _ in 0..3 {
///         ticks.tick().await;
///     }
///     assert!(begun.elapsed() >= 2 * period, "the first was at once");
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    assert!(!period.is_zero(), "an interval needs a period");
    context::with(|core| Interval {
        next_ns: core.now_ns(),
        core: Rc::clone(core),
        timer: None,
        period_ns: span_ns(period),
        missed: MissedTicks::default(),
    })
}

impl Interval {
    /// What becomes of ticks that were due while nobody waited ([`MissedTicks::Burst`]).
    ///
    /// ```
    /// use annulus_runtime::time::{MissedTicks, interval};
    /// use std::time::Duration;
    /// annulus_runtime::run(async {
    ///     let mut ticks = interval(Duration::from_millis(1)).missed(MissedTicks::Skip);
    ///     ticks.tick().await;
    ///     std::thread::sleep(Duration::from_millis(5)); // Somebody blocks this thread.
    ///     assert!(ticks.tick().await >= 4, "so many periods were over");
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn missed(mut self, missed: MissedTicks) -> Self {
        self.missed = missed;
        self
    }

    /// Waits for the next tick. For how many periods it stands: 1, or more where ticks were
    /// [skipped](MissedTicks::Skip).
    ///
    /// Resumable: a tick whose future is dropped is the next one's.
    ///
    /// ```
    /// use annulus_runtime::time::interval;
    /// annulus_runtime::run(async {
    ///     let mut ticks = interval(std::time::Duration::from_millis(1));
    ///     assert_eq!(ticks.tick().await, 1);
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn tick(&mut self) -> u64 {
        poll_fn(|cx| self.poll_tick(cx)).await
    }

    /// The same as a poll: whoever polled last is woken.
    ///
    /// ```
    /// use annulus_runtime::time::interval;
    /// annulus_runtime::run(async {
    ///     let mut ticks = interval(std::time::Duration::from_millis(1));
    ///     let first = std::future::poll_fn(|cx| ticks.poll_tick(cx)).await;
    ///     assert_eq!(first, 1);
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        let now_ns = self.core.now_ns();
        if now_ns < self.next_ns {
            return self.wait(cx);
        }
        if let Some(key) = self.timer.take() {
            self.forget(key);
        }
        let behind = (now_ns - self.next_ns) / self.period_ns;
        let (periods, next_ns) = match self.missed {
            MissedTicks::Burst => (1, self.next_ns.saturating_add(self.period_ns)),
            MissedTicks::Delay => (1, now_ns.saturating_add(self.period_ns)),
            MissedTicks::Skip => {
                let periods = behind + 1;
                (periods, self.next_ns.saturating_add(periods.saturating_mul(self.period_ns)))
            }
        };
        self.next_ns = next_ns;
        Poll::Ready(periods)
    }

    /// Has the waker woken when the next tick is due.
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<u64> {
        loop {
            let mut wheel = self.core.wheel.borrow_mut();
            let key = *self.timer.get_or_insert_with(|| wheel.insert_at(self.next_ns));
            let found = wheel.poll(key, cx.waker());
            // With nothing borrowed: what is dropped here may be anybody's.
            drop(wheel);
            match found {
                Some(_old) => return Poll::Pending,
                // It fired, and the clock is not there yet: as exact as the wheel is.
                None => {
                    self.timer = None;
                    self.forget(key);
                }
            }
        }
    }

    /// Has the next tick a period from now.
    ///
    /// ```
    /// use annulus_runtime::time::interval;
    /// use std::time::{Duration, Instant};
    /// annulus_runtime::run(async {
    ///     let (begun, period) = (Instant::now(), Duration::from_millis(1));
    ///     let mut ticks = interval(period);
    ///     ticks.reset();
    ///     ticks.tick().await;
    ///     assert!(begun.elapsed() >= period, "the first was not at once");
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn reset(&mut self) {
        if let Some(key) = self.timer.take() {
            self.forget(key);
        }
        self.next_ns = self.core.now_ns().saturating_add(self.period_ns);
    }

    fn forget(&self, key: Key) {
        let waker = self.core.wheel.borrow_mut().remove(key);
        // As above.
        drop(waker);
    }
}

impl Drop for Interval {
    fn drop(&mut self) {
        if let Some(key) = self.timer.take() {
            self.forget(key);
        }
    }
}

impl fmt::Debug for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = Duration::from_nanos(self.period_ns);
        f.debug_struct("Interval").field("period", &period).finish_non_exhaustive()
    }
}
