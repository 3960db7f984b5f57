//! [`Drive`]: an engine without a thread of its own: a future drives it, on the program's runtime.

mod rings;
#[cfg(feature = "tokio")]
mod tokio;

use core::fmt;
use core::future::Future;
use core::mem::ManuallyDrop;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use annulus_emulate::AnyKernel;

use self::rings::Rings;
use super::driver::{self, Drivers, Ended};
use super::{Engine, EngineBuilder, caller};
use crate::bell::Bell;
use crate::port::Ports;
use crate::reactor::{Step, TaskReactor};

/// How many steps a poll makes before it lets others run.
const STEPS_MAX: u32 = 16;

/// How long, in tenths of a second without progress, the drop of a drive waits for the kernel.
const DRAIN_TENTHS: u32 = 50;

/// How a runtime tells that a descriptor is readable: what a [`Drive`] waits for.
///
/// With the feature `tokio` there is one for tokio; for others it is a few lines around what they
/// have for descriptors.
pub trait Readiness: Send + 'static {
    /// Waits until the descriptor may have become readable since the last time this was ready.
    ///
    /// To be ready without a reason costs a look at the ring, and no more; not to be ready when it
    /// became readable stalls the engine.
    ///
    /// # Errors
    /// The runtime tells nothing any more, as when it ends. The drive is not polled again then.
    ///
    /// ```
    /// use annulus_runtime::engine::Readiness;
    /// use std::os::fd::OwnedFd;
    /// use std::task::{Context, Poll, Waker};
    ///
    /// /// Without anything to ask: a look at the ring each time others had their turn.
    /// struct EachTime {
    ///     looked: bool,
    ///     _ring: OwnedFd,
    /// }
    ///
    /// impl Readiness for EachTime {
    ///     fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
    ///         self.looked = !self.looked;
    ///         if self.looked {
    ///             return Poll::Ready(Ok(()));
    ///         }
    ///         cx.waker().wake_by_ref(); // the runtime's reactor would, when it is readable
    ///         Poll::Pending
    ///     }
    /// }
    ///
    /// let mut ready = EachTime { looked: false, _ring: std::io::pipe()?.0.into() };
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert!(ready.poll_readable(&mut cx).is_ready());
    /// assert!(ready.poll_readable(&mut cx).is_pending());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
}

/// The future that drives an engine: spawn it.
///
/// It ends when the engine is closed ([`Engine::shutdown`], or the drop of the last handle) and the
/// kernel has done with everything.
///
/// # When a thread ends that polled it
/// What that thread submitted is begun again by the next to poll this. Only what still waited there
/// for a thread of the kernel is done before it ends, and no cancel finds it any more: to open a
/// FIFO may take for ever, and so may the end of that thread. A runtime of several threads that is
/// dropped ends some of them before it drops this: where FIFOs are opened, close the engine first
/// ([`Engine::shutdown`]) and await this.
///
/// # When it is dropped
/// As when a runtime is shut down: the engine is closed, what is under way is cancelled and waited
/// for, on the dropping thread. If the kernel does not let go of a buffer within some seconds, a
/// thread is left behind that waits for it: nothing is freed before.
#[must_use = "a drive does nothing until it is polled: spawn it"]
pub struct Drive<R: Readiness> {
    running: Option<Running>,
    rings: Option<Rings<R>>,
    ports: Arc<Ports>,
    /// Whether the last poll let others go first.
    yielded: bool,
}

/// What is driven. Its reactor goes first, then it is over.
struct Running {
    /// Never dropped while the kernel has operations: their memory is kept by it.
    reactor: ManuallyDrop<Box<TaskReactor<AnyKernel>>>,
    _ended: Ended,
}

impl Running {
    /// Waits for the kernel, up to so many tenths of a second without progress. Without an answer
    /// there is nothing left.
    fn drain(mut self, tenths: u32) -> Option<Self> {
        if !self.reactor.drain(tenths) {
            return Some(self);
        }
        self.end();
        None
    }

    /// Closes the ring, which the kernel has no operation of.
    fn end(self) {
        let Self { reactor, _ended } = self;
        drop(ManuallyDrop::into_inner(reactor));
    }
}

impl EngineBuilder {
    /// Makes an engine that is driven by a future instead of a thread: what completes is taken by
    /// the runtime that polls it, and wakes its tasks without another thread in between.
    ///
    /// `watch` makes of a descriptor that is readable while there are completions what the drive
    /// waits for. Spawn the [`Drive`]; until it runs, only what is done at once is done. It is one:
    /// of [`drivers`](Self::drivers) it knows nothing.
    ///
    /// Each thread that polls it while others are busy with it gets a ring of its own, as far as
    /// there are processors: on Linux, threads that share one wait for its lock. Each has a
    /// descriptor, for which `watch` is called, within the poll; where that fails, or a ring cannot
    /// be made, those that there are will do.
    ///
    /// # Errors
    /// As [`build`](Self::build), without those of threads; and those of `watch`.
    ///
    /// ```
    /// use annulus_runtime::{Engine, engine::Readiness};
    /// use futures::future::join;
    /// # use std::task::{Context, Poll};
    /// # struct EachTime(bool);
    /// # impl Readiness for EachTime {
    /// #     fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
    /// #         self.0 = !self.0;
    /// #         if self.0 {
    /// #             return Poll::Ready(Ok(()));
    /// #         }
    /// #         cx.waker().wake_by_ref();
    /// #         Poll::Pending
    /// #     }
    /// # }
    /// // What implements `Readiness` for the program's runtime: see there.
    /// let (engine, drive) = Engine::builder().build_driven_by(|_ring| Ok(EachTime(false)))?;
    /// let (reader, writer) = std::io::pipe()?;
    /// let (reader, writer) = (engine.file(reader), engine.file(writer));
    /// drop(engine);
    /// let program = async move {
    ///     let (read, write) = join(reader.read(vec![0; 4]), writer.write("ring")).await;
    ///     assert_eq!(write.map_err(std::io::Error::from)?.0, 4);
    ///     read.map_err(std::io::Error::from) // the handles end here, the engine, and the drive
    /// };
    /// let (read, ()) = futures::executor::block_on(join(program, drive));
    /// assert_eq!(read?.1, b"ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build_driven_by<R: Readiness>(
        self,
        watch: impl FnMut(OwnedFd) -> io::Result<R> + Send + 'static,
    ) -> io::Result<(Engine, Drive<R>)> {
        let plan = self.into_plan();
        let (ring, rings) = Rings::first(&plan, Box::new(watch))?;
        let entries = ring.sq_entries();
        let mut ports = Ports::new(vec![Bell::of_task()], entries - 1)?;
        ports.kernel = ring.kernel().name();
        ports.ops = ring.register().probe().ok();
        ports.fixed = plan.fixed_pool()?;
        driver::register_fixed(&ring.register(), &ports)?;
        let ports = Arc::new(ports);
        let (own, habits) = (Arc::clone(&ports), plan.habits());
        let reactor = TaskReactor::of_task(ring, own, 0, habits, plan.beside());
        let (drivers, _ended) = Drivers::driven(Arc::clone(&ports), entries);
        let reactor = ManuallyDrop::new(Box::new(reactor));
        let running = Some(Running { reactor, _ended });
        let drive = Drive { running, rings: Some(rings), ports, yielded: false };
        Ok((Engine { drivers }, drive))
    }
}

// Nothing points into it.
impl<R: Readiness> Unpin for Drive<R> {}

impl<R: Readiness> Future for Drive<R> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { running, rings, ports, yielded } = &mut *self;
        if ports.is_forked() {
            // There is nothing to drive in a child: the ring is the parent's.
            return Poll::Ready(());
        }
        let (Some(now), Some(rings)) = (running.as_mut(), rings) else { return Poll::Ready(()) };
        *yielded = !*yielded;
        if *yielded {
            // What woke this may be one of several that are about to ship: they go first, and all
            // go to the kernel together.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let _driving = caller::drive();
        let thread = caller::number();
        for _ in 0..STEPS_MAX {
            now.reactor.turn_to(thread, |model| rings.another(model, ports));
            match now.reactor.step(cx.waker()) {
                Step::More => {}
                Step::Over => {
                    running.take().into_iter().for_each(Running::end);
                    return Poll::Ready(());
                }
                Step::Idle if rings.poll_readable(now.reactor.busy(), cx) => {}
                Step::Idle => return Poll::Pending,
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl<R: Readiness> Drop for Drive<R> {
    fn drop(&mut self) {
        if self.ports.is_forked() {
            // The parent's, of which a child leaves its hands: to end the watch on the ring would
            // end the parent's.
            core::mem::forget((self.running.take(), self.rings.take()));
            return;
        }
        let Some(running) = self.running.take() else { return };
        let _driving = caller::drive();
        let Some(mut rest) = running.drain(DRAIN_TENTHS) else { return };
        driver::leave_behind(move || {
            while let Some(more) = rest.drain(DRAIN_TENTHS) {
                rest = more;
            }
        });
    }
}

impl<R: Readiness> fmt::Debug for Drive<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").field("is_over", &self.running.is_none()).finish_non_exhaustive()
    }
}
