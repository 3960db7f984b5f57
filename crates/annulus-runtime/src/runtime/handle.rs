//! [`Handle`]: a runtime as other threads see it.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Wake;

use super::context;
use crate::executor::{Executor, JoinError, Remote, Work};
use crate::packet::{Finish, Packet};
use crate::sync::thread::{Thread, current, park};

/// A runtime, for other threads: they hand tasks to it, and wait for them as futures or by
/// blocking. It keeps nothing alive: once the runtime has ended, tasks end as cancelled.
///
/// ```
/// let runtime = annulus_runtime::Runtime::new()?;
/// let handle = runtime.handle();
/// let thread = std::thread::spawn(move || handle.block_on(|| async { 6 * 7 }));
/// # let waits = std::thread::spawn(move || thread.join());
/// runtime.block_on(async {
///     while !waits.is_finished() {
///         annulus_runtime::time::sleep(std::time::Duration::from_millis(1)).await;
///     }
/// });
/// assert_eq!(waits.join().unwrap().unwrap().unwrap(), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    remote: Arc<Remote>,
}

impl Handle {
    pub(super) fn new(remote: Arc<Remote>) -> Self {
        Self { remote }
    }

    /// Has the runtime run a future that `make` makes on its thread, so that the future itself need
    /// not be `Send`.
    ///
    /// ```
    /// # use std::rc::Rc;
    /// let runtime = annulus_runtime::Runtime::new()?;
    /// let handle = runtime.handle();
    /// let task = std::thread::spawn(move || {
    ///     handle.spawn(|| async {
    ///         let of_one_thread = Rc::new(7);
    ///         annulus_runtime::yield_now().await;
    ///         *of_one_thread
    ///     })
    /// });
    /// let task = task.join().unwrap();
    /// assert_eq!(runtime.block_on(task).unwrap(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn<M, F>(&self, make: M) -> RemoteHandle<F::Output>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output: Send + 'static> + 'static,
    {
        let (packet, finish) = Packet::new();
        let work = Box::new(move |executor: &Executor| {
            if finish.is_aborted() {
                return;
            }
            match catch_unwind(AssertUnwindSafe(make)) {
                Ok(future) => drop(executor.spawn(Reported { future, finish })),
                Err(what) => finish.finish(Err(JoinError::panicked(what))),
            }
        });
        // Refused, it is dropped, which the packet says.
        drop(self.remote.submit(work));
        RemoteHandle { packet }
    }

    /// Has the runtime's thread do something, unless the runtime has ended.
    pub(super) fn submit(&self, work: Work) {
        drop(self.remote.submit(work));
    }

    /// As [`spawn`](Self::spawn), and waits for it, blocking this thread.
    ///
    /// # Panics
    /// On a thread that is inside of a runtime, whose tasks would all wait; it may be this one.
    ///
    /// ```
    /// let runtime = annulus_runtime::Runtime::new()?;
    /// let handle = runtime.handle();
    /// drop(runtime);
    /// assert!(handle.block_on(|| async {}).unwrap_err().is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn block_on<M, F>(&self, make: M) -> Result<F::Output, JoinError>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output: Send + 'static> + 'static,
    {
        assert!(
            !context::is_inside(),
            "this thread is inside an Annulus runtime: await the future instead of blocking on it"
        );
        let mut task = pin!(self.spawn(make));
        let waker = Arc::new(Unparks(current())).into();
        let mut cx = Context::from_waker(&waker);
        loop {
            match task.as_mut().poll(&mut cx) {
                Poll::Ready(output) => return output,
                Poll::Pending => park(),
            }
        }
    }
}

/// Wakes a thread.
struct Unparks(Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").finish_non_exhaustive()
    }
}

/// A future whose output goes into a packet.
struct Reported<F: Future> {
    future: F,
    finish: Finish<F::Output>,
}

impl<F: Future> Future for Reported<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // SAFETY: the future is pinned with the whole, and never moved out; the rest is not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        if this.finish.watch(cx.waker()) {
            return Poll::Ready(());
        }
        // SAFETY: as above.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        let output = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(output)) => Ok(output),
            Err(what) => Err(JoinError::panicked(what)),
        };
        this.finish.finish(output);
        Poll::Ready(())
    }
}

/// Waits for a task that runs on another thread, as a future of any thread: see [`Handle::spawn`].
///
/// Dropped, it leaves the task to run on.
#[must_use = "a task goes on without its handle, which says how it ended"]
pub struct RemoteHandle<T> {
    packet: Arc<Packet<T>>,
}

impl<T> RemoteHandle<T> {
    /// Ends the task: its future is dropped on its thread, and this says
    /// [`is_cancelled`](JoinError::is_cancelled) at once. One that is over stays so.
    ///
    /// ```
    /// let runtime = annulus_runtime::Runtime::new()?;
    /// let task = runtime.handle().spawn(std::future::pending::<()>);
    /// task.abort();
    /// assert!(runtime.block_on(task).unwrap_err().is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn abort(&self) {
        self.packet.abort();
    }

    /// Whether the task is over, or was told to end.
    ///
    /// ```
    /// let runtime = annulus_runtime::Runtime::new()?;
    /// let task = runtime.handle().spawn(|| async {});
    /// assert!(!task.is_finished());
    /// drop(runtime);
    /// assert!(task.is_finished());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        self.packet.is_over()
    }
}

impl<T> Future for RemoteHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.packet.poll(cx)
    }
}

impl<T> fmt::Debug for RemoteHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteHandle").field("is_finished", &self.is_finished()).finish()
    }
}
