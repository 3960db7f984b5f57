//! [`LocalTimer`]: hyper's time limits on the wheel of this thread.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::thread::LocalKey;
use std::time::Instant;

use ::hyper::rt::{Sleep, Timer};
use annulus_runtime::time;

use crate::bound::{Bound, Table, Tabled};

/// hyper's time limits on the timers of the runtime of this thread, such as that of
/// [`header_read_timeout`](::hyper::server::conn::http1::Builder::header_read_timeout).
///
/// # Panics
/// Where hyper asks for one outside of a runtime.
///
/// ```
/// use annulus::hyper::LocalTimer;
/// use hyper::rt::Timer;
/// use std::time::{Duration, Instant};
/// let begun = Instant::now();
/// annulus::run(async { LocalTimer.sleep(Duration::from_millis(2)).await })?;
/// assert!(begun.elapsed() >= Duration::from_millis(2));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalTimer;

impl Timer for LocalTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(LocalSleep { sleep: Bound::new(time::sleep(duration)) })
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        Box::pin(LocalSleep { sleep: Bound::new(time::sleep_until(deadline)) })
    }

    fn reset(&self, sleep: &mut Pin<Box<dyn Sleep>>, new_deadline: Instant) {
        let own = sleep.as_mut().downcast_mut_pin::<LocalSleep>();
        let set = |sleep: &mut time::Sleep| *sleep = time::sleep_until(new_deadline);
        if own.and_then(|own| own.get_mut().sleep.with(set)).is_none() {
            *sleep = self.sleep_until(new_deadline);
        }
    }
}

/// A sleep that [`LocalTimer`] gives. It may go to other threads, and is awaited on its own.
///
/// # Panics
/// Polled on another thread than that which made it.
///
/// ```
/// fn send<T: Send + Sync>() {}
/// send::<annulus::hyper::LocalSleep>();
/// ```
pub struct LocalSleep {
    sleep: Bound<time::Sleep>,
}

impl Tabled for time::Sleep {
    fn table() -> &'static LocalKey<Table<Self>> {
        thread_local! { static SLEEPS: Table<time::Sleep> = Table::default(); }
        &SLEEPS
    }
}

impl Future for LocalSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = self.get_mut().sleep.with(|sleep| Pin::new(sleep).poll(cx));
        polled.expect("a sleep is awaited on the thread whose timers it is of")
    }
}

impl Sleep for LocalSleep {}

impl core::fmt::Debug for LocalSleep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("LocalSleep").finish_non_exhaustive()
    }
}
