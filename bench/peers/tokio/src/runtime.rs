//! tokio on one thread, for the work that is the same on every runtime. How it reads is in
//! `randread-tokio` beside our programs.

use std::time::Duration;

use annulus_bench_harness::{Needs, Runtime, fail};
use tokio::runtime::Builder;
use tokio::task::{JoinError, JoinHandle, LocalSet};

/// The runtime of one thread.
pub struct Tokio;

impl Runtime for Tokio {
    type Joined<T> = Result<T, JoinError>;

    fn run<T>(needs: Needs, work: impl Future<Output = T>) -> T {
        let mut builder = Builder::new_current_thread();
        builder.enable_io();
        if needs.timers {
            builder.enable_time();
        }
        let runtime = builder.build().unwrap_or_else(|why| fail(&why.to_string()));
        if needs.tasks { LocalSet::new().block_on(&runtime, work) } else { runtime.block_on(work) }
    }

    #[inline]
    fn spawn<T: 'static>(
        work: impl Future<Output = T> + 'static,
    ) -> impl Future<Output = Self::Joined<T>> {
        let task: JoinHandle<T> = tokio::task::spawn_local(work);
        task
    }

    #[inline]
    fn joined<T>(joined: Self::Joined<T>) -> T {
        joined.unwrap_or_else(|why| fail(&why.to_string()))
    }

    #[inline]
    fn sleep(time: Duration) -> impl Future<Output = ()> {
        tokio::time::sleep(time)
    }

    #[inline]
    fn yield_now() -> impl Future<Output = ()> {
        tokio::task::yield_now()
    }
}
