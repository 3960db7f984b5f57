//! [`LocalExecutor`]: hyper's futures as tasks of this thread.

use core::future::Future;

use ::hyper::rt::Executor;

/// Has hyper's futures run as tasks beside the caller, on this thread: they need not be `Send`.
///
/// # Panics
/// Where hyper gives it one outside of a runtime.
///
/// ```
/// use annulus::hyper::LocalExecutor;
/// use hyper::rt::Executor;
/// use std::{cell::Cell, rc::Rc};
/// let done = Rc::new(Cell::new(false));
/// let seen = Rc::clone(&done);
/// annulus::run(async move {
///     LocalExecutor.execute(async move { done.set(true) });
///     annulus::yield_now().await;
/// })?;
/// assert!(seen.get());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future<Output: 'static> + 'static,
{
    fn execute(&self, future: F) {
        drop(annulus_runtime::spawn_local(future));
    }
}
