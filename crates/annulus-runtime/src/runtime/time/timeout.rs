//! [`timeout`]: a future that is given up after a while.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::time::Instant;

use pin_project_lite::pin_project;

use super::{Sleep, sleep, sleep_until};

pin_project! {
    /// A future with a time limit: see [`timeout`].
    #[must_use = "a future does nothing until it is awaited"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

/// Waits for `future`, but no longer than `limit`: then it is dropped with this, when this is.
///
/// It is polled before the time is looked at: what is ready is never lost, however late it is. The
/// operations of a future that is given up are cancelled as those of any that is dropped; one
/// operation is ended with less ado by [`LocalOp::deadline`](crate::LocalOp::deadline), which the
/// kernel keeps.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus_runtime::time::timeout;
/// use std::time::Duration;
/// annulus_runtime::run(async {
///     let never = timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
///     assert!(never.is_err());
///     assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
#[inline]
pub fn timeout<F: Future>(limit: Duration, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep(limit) }
}

/// The same, until a time.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus_runtime::time::timeout_at;
/// use std::time::Instant;
/// annulus_runtime::run(async {
///     let over = timeout_at(Instant::now(), std::future::pending::<()>()).await;
///     assert!(over.is_err());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn timeout_at<F: Future>(end: Instant, future: F) -> Timeout<F> {
    Timeout { future, sleep: sleep_until(end) }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        Pin::new(this.sleep).poll(cx).map(|()| Err(Elapsed(())))
    }
}

impl<F: fmt::Debug> fmt::Debug for Timeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timeout").field("future", &self.future).finish_non_exhaustive()
    }
}

/// The time was over first: see [`timeout`].
///
/// ```
/// use annulus_runtime::time::timeout;
/// # annulus_runtime::run(async {
/// let over = timeout(std::time::Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
/// assert_eq!(std::io::Error::from(over).kind(), std::io::ErrorKind::TimedOut);
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed(());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time limit passed before the future was ready")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}
