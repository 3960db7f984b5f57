//! [`Runtime`]: tasks and a ring on one thread.

mod builder;
mod context;
mod core;
mod file;
mod handle;
mod op;
pub mod time;

pub use builder::RuntimeBuilder;
pub use file::File;
pub use handle::{Handle, RemoteHandle};
pub use op::{LocalOp, submit};

use ::core::fmt;
use ::core::future::Future;
use ::core::pin::Pin;
use ::core::task::{Context, Poll};
use std::io;
use std::rc::Rc;

use self::core::Core;
use crate::blocking::BlockingHandle;
use crate::engine::Engine;
use crate::executor::JoinHandle;

/// Tasks and a ring on one thread.
pub struct Runtime {
    core: Rc<Core>,
}

impl Runtime {
    /// A runtime as most want it: see [`builder`](Self::builder).
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// What a runtime is made by.
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Runs `future`, and the tasks beside it, until it is ready.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.core.block_on(future)
    }

    /// Its handle for other threads.
    pub fn handle(&self) -> Handle {
        Handle::new(self.core.executor.remote().clone())
    }

    /// Its ring as an [`Engine`], for other threads.
    pub fn engine(&self) -> Option<Engine> {
        self.core.engine()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let left = self.core.end();
        if left > 0 {
            eprintln!(
                "annulus: a runtime was dropped, and the kernel still has {left} operations of it; \
                 their memory is kept for good"
            );
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// Makes a runtime, runs `future` on it until it is ready, and ends it.
pub fn run<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(Runtime::new()?.block_on(future))
}

/// Has `future` run beside the caller, on this thread.
#[track_caller]
#[inline]
pub fn spawn_local<F: Future + 'static>(future: F) -> JoinHandle<F::Output> {
    context::with(|core| core.executor.spawn(future))
}

/// Has a thread of the runtime's pool run `f`, which may block.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// let sum = annulus_runtime::run(async {
///     annulus_runtime::spawn_blocking(|| (0..1000).sum::<u32>()).await
/// })??;
/// assert_eq!(sum, 499_500);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn spawn_blocking<T, F>(f: F) -> BlockingHandle<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    context::with(|core| core.blocking.spawn(f))
}

/// Lets all others have their turn that are due.
pub fn yield_now() -> YieldNow {
    YieldNow { yielded: false }
}

/// See [`yield_now`].
#[derive(Debug)]
#[must_use = "it yields when it is awaited"]
pub struct YieldNow {
    yielded: bool,
}

impl Future for YieldNow {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.yielded {
            return Poll::Ready(());
        }
        self.yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
