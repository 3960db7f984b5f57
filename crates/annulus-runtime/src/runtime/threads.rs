//! [`Threads`]: a runtime on each of several threads, with nothing shared between them.
//!
//! Each thread has a ring, tasks and timers of its own, and a factory makes the future that it
//! runs. Work goes from one to another by [`Handle`]s. For servers each thread has a listener of
//! its own on the same address (`SO_REUSEPORT`): the kernel spreads the connections.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::Poll;
use core::time::Duration;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use annulus_ring::register::CpuSet;

use super::builder::RuntimeBuilder;
use super::stop::stopped;
use super::time::{Sleep, sleep};
use super::{Handle, Runtime, context};
use crate::executor::JoinError;

/// Several threads with a runtime each, before they are started:
/// [`RuntimeBuilder::threads`].
#[derive(Clone, Debug)]
#[must_use = "nothing is started before `start`"]
pub struct ThreadsBuilder {
    runtime: RuntimeBuilder,
    count: usize,
    name: String,
    is_pinned: bool,
}

impl ThreadsBuilder {
    pub(super) fn new(runtime: RuntimeBuilder, count: usize) -> Self {
        Self { runtime, count, name: "annulus".to_owned(), is_pinned: true }
    }

    /// What the threads are called, with a number behind it (`annulus`): the kernel shows 15 bytes.
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let threads = Runtime::builder().threads(1).name("shard").start(|_| async {
    ///     std::thread::current().name().map(str::to_owned)
    /// })?;
    /// assert_eq!(threads.join().remove(0)?.as_deref(), Some("shard-0"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Whether each thread stays on one processor (so it is): the first of those that the program
    /// may run on for the first thread, and so on, over and over.
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let threads = Runtime::builder().threads(2).pinned(false).start(|n| async move { n })?;
    /// assert_eq!(threads.join().into_iter().flatten().collect::<Vec<_>>(), [0, 1]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn pinned(mut self, pinned: bool) -> Self {
        self.is_pinned = pinned;
        self
    }

    /// Starts them: each makes a runtime, and runs what `make` gives it for its number. Once this
    /// returns, all of them run.
    ///
    /// # Errors
    /// Those of a thread that cannot be started, of a processor that it may not run on, and of
    /// [`RuntimeBuilder::build`]: all the others are ended then.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, yield_now};
    /// let threads = Runtime::builder().threads(2).start(|n| async move {
    ///     yield_now().await;
    ///     n * 10
    /// })?;
    /// let sum: usize = threads.join().into_iter().flatten().sum();
    /// assert_eq!(sum, 10);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start<M, F>(self, make: M) -> io::Result<Threads<F::Output>>
    where
        M: Fn(usize) -> F + Send + Sync + 'static,
        F: Future<Output: Send + 'static> + 'static,
    {
        let make = Arc::new(make);
        let mut threads = Threads { threads: Vec::with_capacity(self.count) };
        let allowed = if self.is_pinned { CpuSet::of_thread()? } else { CpuSet::new() };
        let cpus: Vec<u32> = allowed.iter().collect();
        for index in 0..self.count {
            let cpu = (!cpus.is_empty()).then(|| cpus[index % cpus.len()]);
            // Those that run already end when this is dropped.
            threads.threads.push(self.start_one(index, cpu, &make)?);
        }
        Ok(threads)
    }

    fn start_one<M, F>(
        &self,
        index: usize,
        cpu: Option<u32>,
        make: &Arc<M>,
    ) -> io::Result<Started<F::Output>>
    where
        M: Fn(usize) -> F + Send + Sync + 'static,
        F: Future<Output: Send + 'static> + 'static,
    {
        let (tell, told) = mpsc::sync_channel(1);
        let (plan, make) = (self.runtime.clone(), Arc::clone(make));
        let thread = thread::Builder::new().name(format!("{}-{index}", self.name));
        let thread = thread.spawn(move || {
            let made = cpu.map_or(Ok(()), stay_on).and_then(|()| plan.build());
            let runtime = match made {
                Ok(runtime) => runtime,
                Err(why) => {
                    // Who started this waits for it.
                    let _ = tell.send(Err(why));
                    return Err(JoinError::cancelled());
                }
            };
            let _ = tell.send(Ok(runtime.handle()));
            run(runtime, || make(index))
        })?;
        match told.recv() {
            Ok(Ok(handle)) => Ok(Started { handle, thread: Some(thread) }),
            Ok(Err(why)) => {
                // It ends as it said.
                let _ = thread.join();
                Err(why)
            }
            Err(_) => match thread.join() {
                Err(what) => resume_unwind(what),
                Ok(_) => Err(io::Error::other("a thread of a runtime ended at once")),
            },
        }
    }
}

/// Runs what a thread is for, until it is over or was told to be and has had its time.
fn run<F: Future>(runtime: Runtime, make: impl FnOnce() -> F) -> Result<F::Output, JoinError> {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let mut own = pin!(make());
            let mut told = pin!(Told { stopped: stopped(), over: None });
            poll_fn(|cx| match own.as_mut().poll(cx) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending => told.as_mut().poll(cx).map(|()| None),
            })
            .await
        })
    }));
    drop(runtime);
    match ran {
        Ok(output) => output.ok_or_else(JoinError::cancelled),
        Err(what) => Err(JoinError::panicked(what)),
    }
}

/// Waits until a runtime was told to stop, and its time is over.
struct Told {
    stopped: super::stop::Stopped,
    over: Option<Sleep>,
}

impl Future for Told {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut core::task::Context<'_>) -> Poll<()> {
        let this = &mut *self;
        if this.over.is_none() {
            if Pin::new(&mut this.stopped).poll(cx).is_pending() {
                return Poll::Pending;
            }
            let limit = context::with(|core| core.stop.limit().unwrap_or_default());
            this.over = Some(sleep(limit));
        }
        match &mut this.over {
            Some(over) => Pin::new(over).poll(cx),
            None => Poll::Pending,
        }
    }
}

/// Has this thread run on one processor alone.
pub(super) fn stay_on(cpu: u32) -> io::Result<()> {
    CpuSet::new().with(cpu).keep_thread().map_err(|why| {
        let why = io::Error::from(why);
        let text = format!("this thread may not run on processor {cpu}: {why}; see taskset(1)");
        io::Error::new(why.kind(), text)
    })
}

/// Threads with a runtime each: see [`RuntimeBuilder::threads`].
///
/// Dropped, it has all of them come to an end: they are [told](stopped), have a second to do so,
/// and are waited for.
pub struct Threads<T> {
    threads: Vec<Started<T>>,
}

struct Started<T> {
    handle: Handle,
    /// Until it is joined.
    thread: Option<JoinHandle<Result<T, JoinError>>>,
}

impl<T> Threads<T> {
    /// How many there are.
    ///
    /// ```
    /// let threads = annulus_runtime::Runtime::builder().threads(2).start(|_| async {})?;
    /// assert_eq!(threads.count(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn count(&self) -> usize {
        self.threads.len()
    }

    /// The handle of one of them, by its number: to hand tasks to it.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::stopped};
    /// use std::time::Duration;
    /// let threads = Runtime::builder().threads(2).start(|_| async { stopped().await })?;
    /// let name = || async { std::thread::current().name().map(str::to_owned) };
    /// let second = threads.handle(1).unwrap();
    /// assert_eq!(second.block_on(name)?.as_deref(), Some("annulus-1"));
    /// assert!(threads.handle(2).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self, index: usize) -> Option<Handle> {
        self.threads.get(index).map(|started| started.handle.clone())
    }

    /// Tells all of them to come to an end, as [`stopped`] says, and waits for them, up to `limit`
    /// from now: then what they run is dropped, and they say
    /// [`is_cancelled`](JoinError::is_cancelled). In their order.
    ///
    /// A thread that does not come back from a poll is waited for: nothing can be done about it.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::stopped};
    /// use std::time::Duration;
    /// let threads = Runtime::builder().threads(2).start(|n| async move {
    ///     stopped().await;
    ///     if n == 1 {
    ///         std::future::pending::<()>().await;
    ///     }
    ///     n
    /// })?;
    /// let ended = threads.stop(Duration::from_millis(10));
    /// assert_eq!(*ended[0].as_ref().unwrap(), 0);
    /// assert!(ended[1].as_ref().unwrap_err().is_cancelled());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stop(mut self, limit: Duration) -> Vec<Result<T, JoinError>> {
        self.tell(limit);
        self.wait()
    }

    /// Waits until all of them have come to an end by themselves. In their order.
    ///
    /// ```
    /// let threads = annulus_runtime::Runtime::builder().threads(1).start(|_| async { "done" })?;
    /// assert_eq!(threads.join().remove(0)?, "done");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(mut self) -> Vec<Result<T, JoinError>> {
        self.wait()
    }

    fn tell(&self, limit: Duration) {
        self.threads.iter().for_each(|started| started.handle.stop(limit));
    }

    fn wait(&mut self) -> Vec<Result<T, JoinError>> {
        let threads = self.threads.iter_mut().filter_map(|started| started.thread.take());
        // What it runs is caught there: a panic here is of its end.
        let ended =
            threads.map(|thread| thread.join().unwrap_or_else(|p| Err(JoinError::panicked(p))));
        ended.collect()
    }
}

impl<T> Drop for Threads<T> {
    fn drop(&mut self) {
        self.tell(Duration::from_secs(1));
        drop(self.wait());
    }
}

impl<T> fmt::Debug for Threads<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads").field("count", &self.count()).finish_non_exhaustive()
    }
}
