//! [`JoinHandle`]: the output of a task, for who waits for it.

use core::any::Any;
use core::fmt;
use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::task::{Context, Poll};

use super::task::TaskRef;

/// Waits for a task, as a future.
///
/// Dropped, it leaves the task to run on alone; its output is dropped when it is over. To end the
/// task, [`abort`](Self::abort) it.
///
/// ```
/// let sum = annulus_runtime::run(async {
///     let one = annulus_runtime::spawn_local(async { 1 });
///     one.await.map(|one| one + 1)
/// })??;
/// assert_eq!(sum, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "a task goes on without its handle, which says how it ended"]
pub struct JoinHandle<T> {
    task: TaskRef,
    output: PhantomData<fn() -> T>,
}

impl<T> JoinHandle<T> {
    /// The handle of a task.
    ///
    /// # Safety
    /// - The task's future gives a `T`, and this is its only handle.
    pub(super) unsafe fn new(task: TaskRef) -> Self {
        Self { task, output: PhantomData }
    }

    /// Ends the task: its future is dropped when it is its turn, and this then says
    /// [`is_cancelled`](JoinError::is_cancelled). One that is over stays so.
    ///
    /// ```
    /// let ended = annulus_runtime::run(async {
    ///     let task = annulus_runtime::spawn_local(std::future::pending::<()>());
    ///     task.abort();
    ///     task.await
    /// })?;
    /// assert!(ended.unwrap_err().is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort(&self) {
        self.task.abort();
    }

    /// Whether the task is over.
    ///
    /// ```
    /// annulus_runtime::run(async {
    ///     let task = annulus_runtime::spawn_local(async {});
    ///     assert!(!task.is_finished());
    ///     annulus_runtime::yield_now().await;
    ///     assert!(task.is_finished());
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        self.task.is_complete()
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut output = None;
        // SAFETY: the handle is made for what the task gives (`new`).
        if !unsafe { self.task.join::<T>(&mut output, cx.waker()) } {
            return Poll::Pending;
        }
        Poll::Ready(output.expect("a handle was polled after it gave the output"))
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.task.detach();
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("is_finished", &self.is_finished()).finish()
    }
}

/// Why a task gave no output.
pub struct JoinError {
    why: Why,
}

enum Why {
    Cancelled,
    Panicked(Box<dyn Any + Send>),
}

impl JoinError {
    pub(crate) fn cancelled() -> Self {
        Self { why: Why::Cancelled }
    }

    pub(crate) fn panicked(what: Box<dyn Any + Send>) -> Self {
        Self { why: Why::Panicked(what) }
    }

    /// Whether the task was aborted, or its runtime ended before it did.
    ///
    /// ```
    /// let ended = annulus_runtime::run(async {
    ///     let task = annulus_runtime::spawn_local(async {});
    ///     task.abort();
    ///     task.await
    /// })?;
    /// assert!(ended.is_err_and(|error| error.is_cancelled() && !error.is_panic()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_cancelled(&self) -> bool {
        matches!(self.why, Why::Cancelled)
    }

    /// Whether the task panicked.
    ///
    /// ```
    /// let ended = annulus_runtime::run(async {
    ///     annulus_runtime::spawn_blocking(|| std::panic::resume_unwind(Box::new(()))).await
    /// })?;
    /// let ended: Result<(), _> = ended;
    /// assert!(ended.is_err_and(|error| error.is_panic()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_panic(&self) -> bool {
        matches!(self.why, Why::Panicked(_))
    }

    /// What the task panicked with, for [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Errors
    /// The error itself, if it was no panic.
    ///
    /// ```
    /// let ended = annulus_runtime::run(async {
    ///     let panics = async { std::panic::resume_unwind(Box::new(7)) };
    ///     let task = annulus_runtime::spawn_local(panics);
    ///     let ended: Result<(), _> = task.await;
    ///     ended
    /// })?;
    /// let what = ended.unwrap_err().try_into_panic().expect("it was a panic");
    /// assert_eq!(what.downcast_ref(), Some(&7));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send>, Self> {
        match self.why {
            Why::Panicked(what) => Ok(what),
            Why::Cancelled => Err(self),
        }
    }
}

/// The text of a panic, if it is one.
fn text(what: &(dyn Any + Send)) -> Option<&str> {
    what.downcast_ref::<&str>().copied().or_else(|| what.downcast_ref::<String>().map(|s| &**s))
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Cancelled => f.write_str("the task was ended before it was over"),
            Why::Panicked(what) => match text(&**what) {
                Some(text) => write!(f, "the task panicked: {text}"),
                None => f.write_str("the task panicked"),
            },
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinError").field(&format_args!("{self}")).finish()
    }
}

impl std::error::Error for JoinError {}
