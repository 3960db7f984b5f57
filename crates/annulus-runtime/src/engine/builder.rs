//! [`EngineBuilder`]: how many drivers, how long their rings, how they wait.

use core::time::Duration;
use std::io;

use annulus_emulate::KernelChoice;

use super::Engine;
use super::driver::{Drivers, Plan};

/// Makes engines.
///
/// ```
/// use annulus_runtime::Engine;
/// use std::time::Duration;
/// let engine = Engine::builder()
///     .entries(64)
///     .drivers(2)
///     .in_flight_max(128)
///     .thread_name("disk")
///     .build()?;
/// assert_eq!(engine.entries(), 64);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder makes nothing until it is asked to"]
pub struct EngineBuilder {
    plan: Plan,
    drivers: usize,
}

impl Default for EngineBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl EngineBuilder {
    /// One driver with a ring of 256 entries, up to 1024 operations in the kernel at a time.
    ///
    /// ```
    /// let engine = annulus_runtime::engine::EngineBuilder::new().build()?;
    /// assert!(engine.entries() <= 256);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> Self {
        Self { plan: Plan::default(), drivers: 1 }
    }

    /// How many entries the ring of each driver has, rounded up to a power of two, 8 at least: how
    /// many operations go to the kernel in one system call. 256 if not said. Where locked memory is
    /// short it is halved until it fits, down to 8: [`Engine::entries`] says what came of it.
    ///
    /// It also bounds a [chain](super::Then): one less than it, with a deadline counted as one.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::builder().entries(50).build()?;
    /// assert_eq!(engine.entries(), 64);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn entries(mut self, entries: u32) -> Self {
        self.plan.entries = entries;
        self
    }

    /// How many operations a driver gives the kernel at a time; the others wait, in order. All of
    /// them, if not said: however many wait for a pipe or a socket that says nothing, they keep
    /// nobody from a file.
    ///
    /// Say it for an engine whose operations all end by themselves, as those of a disk do: where
    /// the device gets slower with more, or where others are to have their turn sooner. Up to four
    /// times the [entries](Self::entries) the completion queue has room for all that may end at
    /// once; beyond that the kernel keeps for a moment what it has no room for
    /// ([`overflows`](super::Metrics::overflows)).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::{executor::block_on, future::{join_all, poll_immediate}};
    /// use std::time::Duration;
    /// let engine = Engine::builder().in_flight_max(2).build()?;
    /// let (reader, mut writer) = std::io::pipe()?;
    /// let pipe = engine.file(reader);
    /// let mut reads = join_all((0..5).map(|_| pipe.read(vec![0; 1])));
    /// assert!(block_on(poll_immediate(&mut reads)).is_none());
    /// while engine.metrics().queued < 3 {
    ///     std::thread::yield_now(); // until the driver has seen them
    /// }
    /// assert_eq!(engine.metrics().in_flight, 2);
    /// std::io::Write::write_all(&mut writer, b"12345")?;
    /// assert!(block_on(reads).iter().all(Result::is_ok));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn in_flight_max(mut self, operations: u32) -> Self {
        self.plan.in_flight_max = operations.max(1);
        self
    }

    /// How many drivers there are, each a thread with a ring. A thread's operations go to the same
    /// one. 1 if not said, which carries some hundred thousand operations a second.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::builder().drivers(2).build()?;
    /// assert!(format!("{engine:?}").contains("drivers: 2"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn drivers(mut self, drivers: usize) -> Self {
        self.drivers = drivers.max(1);
        self
    }

    /// Which kernel answers. If not said it is what the environment says (`ANNULUS_KERNEL`, one of
    /// `linux`, `host` and `auto`), and else Linux's io_uring where that can be had, or the one in
    /// user space, with a line on standard error that says why.
    ///
    /// ```
    /// use annulus_runtime::{Engine, engine::KernelChoice};
    /// let engine = Engine::builder().kernel(KernelChoice::Host).build()?;
    /// assert_eq!(engine.kernel(), "host");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kernel(mut self, kernel: KernelChoice) -> Self {
        self.plan.kernel = kernel;
        self
    }

    /// The name of the drivers' threads. "annulus" if not said.
    ///
    /// The kernel keeps 15 bytes of it.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::builder().thread_name("disk").build()?;
    /// # let mut names = vec![];
    /// for thread in std::fs::read_dir("/proc/self/task")? {
    ///     // Other threads may end meanwhile.
    ///     names.extend(std::fs::read_to_string(thread?.path().join("comm")));
    /// }
    /// assert!(names.contains(&"disk\n".to_owned()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_name(mut self, name: impl Into<String>) -> Self {
        self.plan.thread_name = name.into();
        self
    }

    /// How many threads the kernel may use for what would block, per driver: for work that ends by
    /// itself (file I/O that cannot be asynchronous) and for work that may wait for ever. 16 each
    /// if not said; at least 1 each.
    ///
    /// They are threads of this process (`iou-wrk-…`), made when there is such work. Without a
    /// bound the kernel makes as many of the second kind as `RLIMIT_NPROC` allows.
    ///
    /// The open of a FIFO counts as the first kind, however long it waits for the other end. So
    /// many of them, and syncs, paths and the like wait behind: give such opens a
    /// [deadline](super::Opening::deadline).
    ///
    /// ```
    /// assert!(annulus_runtime::Engine::builder().io_workers(4, 4).build().is_ok());
    /// ```
    #[doc(alias = "IORING_REGISTER_IOWQ_MAX_WORKERS")]
    pub fn io_workers(mut self, bounded: u32, unbounded: u32) -> Self {
        self.plan.workers = (bounded.max(1), unbounded.max(1));
        self
    }

    /// Makes a [pool](Engine::fixed_pool) of `count` buffers of `bytes` each, registered with the
    /// ring of each driver (`IORING_REGISTER_BUFFERS`, Linux 5.1): with direct I/O an operation on
    /// one of them spares the kernel looking up and pinning its pages.
    ///
    /// Registered memory counts as locked (`RLIMIT_MEMLOCK`), once for each driver.
    ///
    /// Building the engine then fails also with `InvalidInput` for a count outside 1 to 16,384 or
    /// bytes outside 1 to 2³⁰, and with `ENOMEM` where so much memory may not be locked: raise the
    /// limit (`ulimit -l`), or ask for less.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::builder().fixed_buffers(8, 65536).build()?;
    /// assert_eq!(engine.fixed_pool().unwrap().count(), 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_REGISTER_BUFFERS")]
    pub fn fixed_buffers(mut self, count: usize, bytes: usize) -> Self {
        self.plan.fixed = Some((count, bytes));
        self
    }

    /// How long the drop of the last handle waits for the kernel: 5 s if not said. See
    /// [`Engine::shutdown`].
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use std::time::{Duration, Instant};
    /// let engine = Engine::builder().close_limit(Duration::from_secs(1)).build()?;
    /// let begun = Instant::now();
    /// drop(engine); // nothing is under way
    /// assert!(begun.elapsed() < Duration::from_secs(1));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn close_limit(mut self, limit: Duration) -> Self {
        self.plan.close_limit = limit;
        self
    }

    /// What was asked for, but for the drivers.
    pub(super) fn into_plan(self) -> Plan {
        self.plan
    }

    /// Makes the engine, and the threads of its drivers.
    ///
    /// # Errors
    /// - `EINVAL`: `ANNULUS_KERNEL` names a kernel that there is not.
    /// - Where Linux's io_uring was [demanded](Self::kernel), why it cannot be had here, and the
    ///   cure: an [`annulus_ring::Error`] with a
    ///   [`SetupError`](annulus_ring::SetupError), which [`io::Error::downcast`] gives. `EPERM`: it
    ///   is blocked, by a filter or by the system's settings. `ENOSYS`: there is none. `ENOMEM`: no
    ///   locked memory is left, not even for 8 entries (`RLIMIT_MEMLOCK`).
    /// - `EMFILE`, `ENFILE`: no descriptor is left; a driver needs two.
    /// - `EAGAIN`: no thread could be made (`RLIMIT_NPROC`).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// # fn main() -> std::io::Result<()> {
    /// let engine = match Engine::builder().build() {
    ///     Ok(engine) => engine,
    ///     Err(error) => {
    ///         // Several lines: the cause, what shows it, the cure.
    ///         eprintln!("{error}");
    ///         return Err(error);
    ///     }
    /// };
    /// assert_eq!(engine.metrics().shipped, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self) -> io::Result<Engine> {
        Ok(Engine { drivers: Drivers::start(self.plan, self.drivers)? })
    }
}
