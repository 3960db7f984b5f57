//! [`Drive`]: an engine without a thread of its own: a future on tokio drives it.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use annulus_ring::{Builder, Linux};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::driver::{Drivers, Plan, completions};
use super::{Engine, EngineBuilder};
use crate::bell::Bell;
use crate::port::Ports;
use crate::reactor::{Habits, Step, TaskReactor};

/// How many steps a poll makes before it lets others run.
const STEPS_MAX: u32 = 16;

/// How long, in tenths of a second without progress, the drop of a drive waits for the kernel.
const DRAIN_TENTHS: u32 = 50;

/// The future that drives an engine: spawn it.
///
/// It ends when the engine is closed ([`Engine::shutdown`], or the drop of the last handle) and the
/// kernel has done with everything.
///
/// # When it is dropped
/// As when a runtime is shut down: the engine is closed, what is under way is cancelled and waited
/// for, on the dropping thread. If the kernel does not let go of a buffer within some seconds, a
/// thread is left behind that waits for it: nothing is freed before.
#[must_use = "a drive does nothing until it is polled: spawn it"]
pub struct Drive {
    reactor: Option<Box<TaskReactor<Linux>>>,
    ready: AsyncFd<OwnedFd>,
}

impl EngineBuilder {
    /// Makes an engine that is driven by a future on tokio instead of a thread: what completes is
    /// taken by a worker of that runtime, and wakes its tasks without another thread in between.
    ///
    /// Spawn the [`Drive`]; until it runs, only what is done at once is done. With
    /// [`drivers`](Self::drivers) and [`batching`](Self::batching) it has nothing to do.
    ///
    /// # Errors
    /// As [`build`](Self::build).
    ///
    /// # Panics
    /// Outside a tokio runtime, or in one without I/O (`enable_io`).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    /// runtime.block_on(async {
    ///     let (engine, drive) = Engine::builder().build_driven()?;
    ///     let drive = tokio::spawn(drive);
    ///     let file = engine.file(std::fs::File::open("Cargo.toml")?);
    ///     let (_, text) = file.read_at(vec![0; 9], 0).await?;
    ///     assert_eq!(text, b"[package]");
    ///     drop((file, engine));
    ///     drive.await?;
    ///     Ok::<(), std::io::Error>(())
    /// })
    /// # ?; Ok::<(), std::io::Error>(())
    /// ```
    pub fn build_driven(self) -> io::Result<(Engine, Drive)> {
        let plan = self.into_plan();
        let (ring, entries) = super::driver::sized(plan.entries, |entries| {
            let builder = Builder::new().entries(entries).cq_entries(completions(entries));
            builder.coop_taskrun().build()
        })?;
        let ready = ring.as_fd().try_clone_to_owned()?;
        // SAFETY: an `OwnedFd` names one open descriptor as long as it lives, which is as long as
        // this: the ring's own, duplicated.
        let ready = unsafe { AsyncFd::register_with_interest(ready, Interest::READABLE) }?;
        super::driver::cap_workers(&ring.register(), plan.workers);
        let ports = Arc::new(Ports::new(vec![Bell::of_task()], entries - 1)?);
        let habits = habits(&plan, entries);
        let reactor = TaskReactor::of_task(ring, Arc::clone(&ports), 0, habits);
        let engine = Engine { drivers: Drivers::driven(ports, entries, &plan) };
        Ok((engine, Drive { reactor: Some(Box::new(reactor)), ready }))
    }
}

fn habits(plan: &Plan, entries: u32) -> Habits {
    Habits {
        in_flight_max: plan.in_flight_max.unwrap_or(completions(entries)),
        nap: core::time::Duration::ZERO,
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { reactor, ready } = &mut *self;
        let Some(running) = reactor else { return Poll::Ready(()) };
        for _ in 0..STEPS_MAX {
            match running.step(cx.waker()) {
                Step::More => {}
                Step::Over => {
                    *reactor = None;
                    return Poll::Ready(());
                }
                Step::Idle => match ready.poll_read_ready(cx) {
                    Poll::Pending => return Poll::Pending,
                    // The runtime has nothing more to say: it ends.
                    Poll::Ready(Err(_)) => return Poll::Pending,
                    Poll::Ready(Ok(mut guard)) => guard.clear_ready(),
                },
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Drive {
    fn drop(&mut self) {
        let Some(mut reactor) = self.reactor.take() else { return };
        if !reactor.drain(DRAIN_TENTHS) {
            super::driver::leave_behind(move || while !reactor.drain(DRAIN_TENTHS) {});
        }
    }
}

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").field("is_over", &self.reactor.is_none()).finish_non_exhaustive()
    }
}
