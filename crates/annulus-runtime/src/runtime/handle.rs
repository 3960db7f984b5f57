//! [`Handle`]: a runtime as other threads see it.

use core::fmt;
use core::future::Future;
use std::sync::Arc;

use crate::executor::Remote;

/// A runtime, for other threads: they hand tasks to it.
#[derive(Clone)]
pub struct Handle {
    remote: Arc<Remote>,
}

impl Handle {
    pub(super) fn new(remote: Arc<Remote>) -> Self {
        Self { remote }
    }

    /// Has the runtime run a future, which `make` makes on its thread: so that need not be `Send`.
    /// Whether the runtime takes it: not so once it has ended.
    pub fn spawn<M, F>(&self, make: M) -> bool
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        let work = Box::new(move |executor: &crate::executor::Executor| {
            drop(executor.spawn(make()));
        });
        self.remote.submit(work).is_ok()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}
