//! [`Runtime`]: tasks and a ring on one thread.

mod builder;
mod context;
mod core;
mod event;
mod file;
pub mod futex;
mod handle;
mod metrics;
pub mod net;
mod op;
pub mod process;
mod shots;
mod stop;
mod threads;
pub mod time;

pub use builder::RuntimeBuilder;
pub use event::Event;
pub use file::File;
pub use handle::{Handle, RemoteHandle};
pub use metrics::RuntimeMetrics;
pub use op::{LocalOp, submit};
pub use shots::{Ended, Shot, Shots, shots};
pub use stop::{Stopped, stopped};
pub use threads::{Threads, ThreadsBuilder};

use ::core::fmt;
use ::core::future::Future;
use ::core::pin::Pin;
use ::core::task::{Context, Poll};
use ::core::time::Duration;
use std::io;
use std::rc::Rc;

use self::core::Core;
use crate::blocking::BlockingHandle;
use crate::buffer::FixedPool;
use crate::engine::Engine;
use crate::executor::JoinHandle;
use crate::inside::{Hung, OpInfo};

/// Tasks, timers and a ring on one thread, where all of it stays. What is made in it (files,
/// sockets, tasks) is driven while somebody is inside of [`block_on`](Self::block_on).
///
/// Dropped, it drops its tasks, cancels what is under way, and waits for the kernel to let go of
/// it: see [`shutdown`](Self::shutdown).
///
/// ```
/// use annulus_runtime::{Runtime, runtime::File};
/// let runtime = Runtime::new()?;
/// let magic = runtime.block_on(async {
///     let file = File::open("/proc/self/exe").await?;
///     let (_, magic) = file.read_exact_at(vec![0; 4], 0).await?;
///     std::io::Result::Ok(magic)
/// })?;
/// assert_eq!(magic, b"\x7fELF");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Runtime {
    core: Rc<Core>,
}

impl Runtime {
    /// A runtime as most want it: see [`builder`](Self::builder).
    ///
    /// # Errors
    /// Those of [`RuntimeBuilder::build`].
    ///
    /// ```
    /// let runtime = annulus_runtime::Runtime::new()?;
    /// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        Self::builder().build()
    }

    /// What a runtime is made by.
    ///
    /// ```
    /// let runtime = annulus_runtime::Runtime::builder().entries(64).build()?;
    /// # runtime.block_on(async {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> RuntimeBuilder {
        RuntimeBuilder::default()
    }

    /// Runs `future`, and the tasks beside it, until it is ready. Tasks that are not over then
    /// rest, and go on with the next call; what they have begun goes on in the kernel.
    ///
    /// # Panics
    /// Inside of a runtime, this one or another: that thread has one to run already. And where
    /// `future` does; a task's panic is told by its [`JoinHandle`].
    ///
    /// ```
    /// use annulus_runtime::{Runtime, spawn_local, yield_now};
    /// use std::{cell::Cell, rc::Rc};
    /// let runtime = Runtime::new()?;
    /// let count = Rc::new(Cell::new(0));
    /// let counts = Rc::clone(&count);
    /// let task = runtime.block_on(async {
    ///     spawn_local(async move {
    ///         for _ in 0..3 {
    ///             counts.set(counts.get() + 1);
    ///             yield_now().await;
    ///         }
    ///     })
    /// });
    /// runtime.block_on(task)?; // it goes on
    /// assert_eq!(count.get(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.core.block_on(future)
    }

    /// Its handle for other threads.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, time::sleep};
    /// use std::{thread, time::Duration};
    /// let runtime = Runtime::new()?;
    /// let handle = runtime.handle();
    /// let asks = thread::spawn(move || handle.block_on(|| async { 6 * 7 }));
    /// runtime.block_on(async {
    ///     while !asks.is_finished() {
    ///         sleep(Duration::from_millis(1)).await;
    ///     }
    /// });
    /// assert_eq!(asks.join().unwrap()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle(&self) -> Handle {
        Handle::new(self.core.executor.remote().clone())
    }

    /// Which kernel answers: `linux`, or `host`, the one in user space.
    ///
    /// ```
    /// let runtime = annulus_runtime::Runtime::new()?;
    /// assert!(["linux", "host"].contains(&runtime.kernel()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kernel(&self) -> &'static str {
        self.core.ports().kernel
    }

    /// The buffers that its ring knows: see [`RuntimeBuilder::fixed_buffers`]. Inside of the
    /// runtime: [`fixed_pool`].
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::File};
    /// let runtime = Runtime::builder().fixed_buffers(4, 4096).build()?;
    /// let pool = runtime.fixed_pool().expect("it was asked for");
    /// let (n, buf) = runtime.block_on(async {
    ///     let file = File::new(std::fs::File::open("Cargo.toml")?);
    ///     file.read_at(pool.take().await, 0).await.map_err(std::io::Error::from)
    /// })?;
    /// assert!(n > 9 && buf.starts_with(b"[package]"));
    /// assert!(Runtime::new()?.fixed_pool().is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fixed_pool(&self) -> Option<&FixedPool> {
        self.core.ports().fixed.as_ref()
    }

    /// The operations that are not over, whoever began them, also those whose futures are gone.
    ///
    /// See [`OpInfo`]; inside of the runtime: [`ops`].
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::File, spawn_local, yield_now};
    /// let runtime = Runtime::new()?;
    /// let (reader, _writer) = std::io::pipe()?;
    /// let read = runtime.block_on(async {
    ///     let read = spawn_local(File::new(reader).read(vec![0; 1]));
    ///     yield_now().await;
    ///     read
    /// });
    /// assert_eq!(runtime.ops()[0].op.name(), Some("IORING_OP_READ"));
    /// read.abort();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn ops(&self) -> Vec<OpInfo> {
        self.core.ops()
    }

    /// What it has done, and has to do now. See [`RuntimeMetrics`]; inside of the runtime:
    /// [`metrics`].
    ///
    /// ```
    /// let runtime = annulus_runtime::Runtime::new()?;
    /// assert_eq!((runtime.metrics().tasks, runtime.metrics().ops.completed), (0, 0));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn metrics(&self) -> RuntimeMetrics {
        self.core.metrics()
    }

    /// Ends it: every task is dropped, every operation cancelled, and all of them waited for, up to
    /// `limit`. Nothing new is begun meanwhile: it ends as [`is_closed`](crate::Error::is_closed).
    ///
    /// Dropping a runtime does the same with the builder's
    /// [`end_within`](RuntimeBuilder::end_within), and prints the error.
    ///
    /// # Errors
    /// [`Hung`]: what was still under way then. Its memory is kept for good rather than freed.
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// use std::time::Duration;
    /// let runtime = Runtime::new()?;
    /// assert_eq!(runtime.block_on(async { 7 }), 7);
    /// runtime.shutdown(Duration::from_secs(1))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(self, limit: Duration) -> Result<(), Hung> {
        // The drop that follows finds nothing left.
        self.core.end(limit)
    }

    /// Its ring as an [`Engine`], for other threads: what they begin is submitted with what this
    /// thread begins, as long as somebody runs the runtime. Once it has ended, it is refused.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, time::sleep};
    /// let runtime = Runtime::new()?;
    /// let engine = runtime.engine();
    /// let reads = std::thread::spawn(move || {
    ///     let (reader, writer) = std::io::pipe()?;
    ///     let read = engine.file(reader).read(vec![0; 5]);
    ///     std::io::Write::write_all(&mut &writer, b"hello")?;
    ///     Ok::<_, std::io::Error>(futures::executor::block_on(read)?.1)
    /// });
    /// runtime.block_on(async {
    ///     while !reads.is_finished() {
    ///         sleep(std::time::Duration::from_millis(1)).await;
    ///     }
    /// });
    /// assert_eq!(reads.join().unwrap()?, b"hello");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn engine(&self) -> Engine {
        self.core.engine().clone()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Err(hung) = self.core.end(self.core.budget.end) {
            eprintln!("annulus: {hung}");
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// The operations of the runtime that this thread is inside of: see [`Runtime::ops`].
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// annulus_runtime::run(async { assert!(annulus_runtime::runtime::ops().is_empty()) })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn ops() -> Vec<OpInfo> {
    context::with(|core| core.ops())
}

/// What the runtime has done that this thread is inside of: see [`Runtime::metrics`].
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// let metrics = annulus_runtime::run(async { annulus_runtime::runtime::metrics() })?;
/// assert_eq!(metrics.tasks, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn metrics() -> RuntimeMetrics {
    context::with(|core| core.metrics())
}

/// The buffers that the ring of the runtime knows that this thread is inside of, if it was [asked
/// for](RuntimeBuilder::fixed_buffers) some: see [`Runtime::fixed_pool`].
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus_runtime::{Runtime, runtime::{File, fixed_pool}};
/// let runtime = Runtime::builder().fixed_buffers(4, 4096).build()?;
/// let (reader, writer) = std::io::pipe()?;
/// let text = runtime.block_on(async {
///     let pool = fixed_pool().expect("it was asked for");
///     let mut buf = pool.take().await;
///     buf.extend_from_slice(b"ring");
///     File::new(writer).write(buf).await?;
///     let (n, buf) = File::new(reader).read(pool.take().await).await?;
///     Ok::<_, std::io::Error>(buf[..n].to_vec())
/// })?;
/// assert_eq!(text, b"ring");
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn fixed_pool() -> Option<FixedPool> {
    context::with(|core| core.ports().fixed.clone())
}

/// The ring of the runtime that this thread is inside of, as an [`Engine`]: see
/// [`Runtime::engine`]. What it does not send to other threads is done
/// [here](LocalOp::of) for less.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus_runtime::{LocalOp, runtime::engine};
/// let path = std::env::temp_dir().join(format!("annulus-engine-{}", std::process::id()));
/// annulus_runtime::run(async {
///     LocalOp::of(engine().create_dir(&path)).await?;
///     LocalOp::of(engine().remove_dir(&path)).await
/// })??;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[track_caller]
pub fn engine() -> Engine {
    context::with(|core| core.engine().clone())
}

/// The handle, for other threads, of the runtime that this thread is inside of: see
/// [`Runtime::handle`].
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus_runtime::{runtime::handle, time::sleep};
/// annulus_runtime::run(async {
///     let handle = handle();
///     let thread = std::thread::spawn(move || handle.block_on(|| async { 6 * 7 }));
///     while !thread.is_finished() {
///         sleep(std::time::Duration::from_millis(1)).await;
///     }
///     assert_eq!(thread.join().unwrap().unwrap(), 42);
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn handle() -> Handle {
    context::with(|core| Handle::new(core.executor.remote().clone()))
}

/// Makes a runtime, runs `future` on it until it is ready, and ends it: what a `main` does.
///
/// # Errors
/// Those of [`RuntimeBuilder::build`]; what the future gives is in the result, whatever it is.
///
/// # Panics
/// As [`Runtime::block_on`].
///
/// ```
/// use annulus_runtime::time::sleep;
/// use std::time::{Duration, Instant};
/// let begun = Instant::now();
/// annulus_runtime::run(async { sleep(Duration::from_millis(2)).await })?;
/// assert!(begun.elapsed() >= Duration::from_millis(2));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn run<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(Runtime::new()?.block_on(future))
}

/// Has `future` run beside the caller, on this thread. It is polled when those have had their turn
/// that were due before; its [handle](JoinHandle) gives its output, and may be dropped.
///
/// # Panics
/// Outside of a runtime. A panic of the task is told by its handle.
///
/// ```
/// use annulus_runtime::{runtime::File, spawn_local};
/// annulus_runtime::run(async {
///     let file = File::open("Cargo.toml").await?;
///     // Both are under way at the same time.
///     let reads = [0, 4].map(|offset| spawn_local(file.read_at(vec![0; 4], offset)));
///     let mut text = Vec::new();
///     for read in reads {
///         text.extend(read.await.expect("no panic")?.1);
///     }
///     assert_eq!(text, b"[package");
///     std::io::Result::Ok(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
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
///
/// ```
/// use annulus_runtime::{spawn_local, yield_now};
/// use std::{cell::Cell, rc::Rc};
/// annulus_runtime::run(async {
///     let ran = Rc::new(Cell::new(false));
///     let runs = Rc::clone(&ran);
///     drop(spawn_local(async move { runs.set(true) }));
///     assert!(!ran.get());
///     yield_now().await;
///     assert!(ran.get());
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
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
