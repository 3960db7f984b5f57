//! What a runtime is made by.

use core::time::Duration;
use std::io;
use std::sync::Arc;

use annulus_emulate::{AnyKernel, KernelChoice};
use annulus_ring::abi::{Cqe, Op, RegisterOp, Sqe, SqeFlags};
use annulus_ring::kernel::Kernel;
use annulus_ring::register::{MaxWorkers, ProbedOps, Restrictions};
use annulus_ring::{Local, RingOf};

use super::Runtime;
use super::core::{Budget, Core};
use super::threads::{ThreadsBuilder, stay_on};
use crate::bell::Bell;
use crate::blocking::{BlockingPool, Plan};
use crate::buffer::FixedPool;
use crate::engine::Engine;
use crate::engine::driver::{self, Drivers};
use crate::executor::{Executor, Remote};
use crate::files::FileTable;
use crate::port::Ports;
use crate::reactor::{BesidePlan, Habits, LocalReactor};

type OwnRing = RingOf<Local, Sqe, Cqe, AnyKernel>;

/// What a reactor submits by itself.
const OWN_OPS: [Op; 5] = [Op::NOP, Op::POLL_ADD, Op::TIMEOUT, Op::LINK_TIMEOUT, Op::ASYNC_CANCEL];

/// What a runtime is made by: [`Runtime::builder`].
///
/// ```
/// use annulus_runtime::Runtime;
/// let runtime = Runtime::builder().entries(64).blocking_threads(2).build()?;
/// assert_eq!(runtime.block_on(async { 6 * 7 }), 42);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing is made before `build` or `start`"]
pub struct RuntimeBuilder {
    entries: u32,
    kernel: KernelChoice,
    budget: Budget,
    blocking: Plan,
    cpu: Option<u32>,
    io_workers: Option<MaxWorkers>,
    allowed: Option<Vec<Op>>,
    /// How many places the table of files has.
    files: Option<u32>,
    /// How many fixed buffers, of how many bytes.
    fixed: Option<(usize, usize)>,
    in_flight_max: u32,
    auto_pool: bool,
}

impl Default for RuntimeBuilder {
    fn default() -> Self {
        Self {
            entries: 256,
            kernel: KernelChoice::Environment,
            // The tests must find the broken one: who never waits has the thread for ever.
            budget: Budget {
                polls: if cfg!(broken = "no_budget") { u32::MAX } else { 61 },
                end: Duration::from_secs(5),
            },
            blocking: Plan::default(),
            cpu: None,
            io_workers: None,
            allowed: None,
            files: None,
            fixed: None,
            in_flight_max: u32::MAX,
            auto_pool: false,
        }
    }
}

impl RuntimeBuilder {
    /// How many entries its ring has (256), rounded up to a power of two: so many operations are
    /// begun by one system call. Any number may be under way.
    ///
    /// Where locked memory is short the ring is made shorter, and a line says so.
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let runtime = Runtime::builder().entries(1024).build()?;
    /// # runtime.block_on(async {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries;
        self
    }

    /// How many operations the kernel is given at a time; the others wait, in order. All of them,
    /// if not said: however many wait for a socket that says nothing, they keep nobody from a file.
    ///
    /// Say it where all operations end by themselves, as those of a disk do, and where that gets
    /// slower with more.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::File, spawn_local, yield_now};
    /// let runtime = Runtime::builder().in_flight_max(1).build()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// runtime.block_on(async {
    ///     let pipe = File::new(reader);
    ///     let reads = [(); 2].map(|()| spawn_local(pipe.read(vec![0; 1])));
    ///     while runtime.metrics().ops.queued == 0 {
    ///         yield_now().await;
    ///     }
    ///     std::io::Write::write_all(&mut &writer, b"12")?; // it does not wait: there is room
    ///     for read in reads {
    ///         assert_eq!(read.await.expect("no panic")?.0, 1);
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn in_flight_max(mut self, operations: u32) -> Self {
        self.in_flight_max = operations.max(1);
        self
    }

    /// Whether its streams turn to a pool by themselves (they do not): see
    /// [`TcpStream::set_auto_pool`](super::net::TcpStream::set_auto_pool).
    ///
    /// ```
    /// let runtime = annulus_runtime::Runtime::builder().auto_pool(true).build()?;
    /// # runtime.block_on(async {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn auto_pool(mut self, on: bool) -> Self {
        self.auto_pool = on;
        self
    }

    /// Which kernel it runs on: what `ANNULUS_KERNEL` says, unless this does.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, engine::KernelChoice};
    /// let runtime = Runtime::builder().kernel(KernelChoice::Host).build()?;
    /// assert_eq!(runtime.kernel(), "host");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kernel(mut self, kernel: KernelChoice) -> Self {
        self.kernel = kernel;
        self
    }

    /// How many polls of tasks there are (61) before the ring is looked at, however many more are
    /// due: a task that wakes itself over and over holds nobody's I/O back for longer. At least 1.
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let runtime = Runtime::builder().poll_budget(16).build()?;
    /// # runtime.block_on(async {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn poll_budget(mut self, polls: u32) -> Self {
        self.budget.polls = polls.max(1);
        self
    }

    /// How long the drop of the runtime waits for what is under way (5 s): see
    /// [`Runtime::shutdown`].
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let runtime = Runtime::builder().end_within(std::time::Duration::from_secs(1)).build()?;
    /// # runtime.block_on(async {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn end_within(mut self, limit: Duration) -> Self {
        self.budget.end = limit;
        self
    }

    /// Keeps the thread that [builds](Self::build) it, and from then on runs it, on one processor.
    /// The kernel's workers for its operations stay there too, as they inherit that.
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let why = Runtime::builder().cpu(100_000).build().unwrap_err();
    /// assert_eq!(why.kind(), std::io::ErrorKind::InvalidInput);
    /// ```
    pub fn cpu(mut self, cpu: u32) -> Self {
        self.cpu = Some(cpu);
        self
    }

    /// How many workers the kernel may have at once for operations of this thread that block: for
    /// files and block devices, and for all else. 0 leaves a number as it is.
    ///
    /// The same bounds hold for the threads of what Linux has no operation for, beside those: see
    /// [`IS_PRIVATE`](crate::operation::Operation::IS_PRIVATE). Where the user-space kernel answers
    /// for all, it has a pool of its own, and takes no notice.
    ///
    /// ```
    /// use annulus_ring::register::{MaxWorkers, ProbedOps, Restrictions};
    /// use annulus_runtime::Runtime;
    /// let few = MaxWorkers { bounded: 2, unbounded: 8 };
    /// let runtime = Runtime::builder().io_workers(few).build()?;
    /// # runtime.block_on(async {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_REGISTER_IOWQ_MAX_WORKERS")]
    pub fn io_workers(mut self, max: MaxWorkers) -> Self {
        self.io_workers = Some(max);
        self
    }

    /// Has the kernel refuse every operation on this ring but these, and those that the runtime
    /// needs itself (NOP, POLL_ADD, TIMEOUT, LINK_TIMEOUT, ASYNC_CANCEL): what a program that
    /// serves strangers gives up before it does. An operation that is refused fails with `EACCES`.
    ///
    /// Linux 5.10; where restrictions cannot be, [`build`](Self::build) is an error.
    ///
    /// ```
    /// use annulus_ring::{Errno, abi::Op};
    /// use annulus_runtime::{Runtime, runtime::File};
    /// let runtime = Runtime::builder().allow_only([Op::READ]).build()?;
    /// runtime.block_on(async {
    ///     let file = File::new(std::fs::File::open("/dev/zero")?);
    ///     assert_eq!(file.read_at(vec![1; 8], 0).await?.1, [0; 8]);
    ///     let refused = file.write_at(vec![1; 8], 0).await.unwrap_err();
    ///     assert_eq!(refused.errno(), Some(Errno::EACCES));
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_REGISTER_RESTRICTIONS")]
    pub fn allow_only(mut self, ops: impl IntoIterator<Item = Op>) -> Self {
        self.allowed = Some(ops.into_iter().collect());
        self
    }

    /// Makes a [pool](Runtime::fixed_pool) of `count` buffers of `bytes` each, registered with the
    /// ring (`IORING_REGISTER_BUFFERS`, Linux 5.1): with direct I/O an operation of a
    /// [`File`](super::File) on one of them spares the kernel looking up and pinning its pages. Of
    /// [several threads](Self::threads) each has a pool of its own.
    ///
    /// Registered memory counts as locked (`RLIMIT_MEMLOCK`). To a ring that may do [few
    /// operations only](Self::allow_only) READ_FIXED and WRITE_FIXED are operations of their own.
    ///
    /// Building the runtime then fails also with `InvalidInput` for a count outside 1 to 16,384 or
    /// bytes outside 1 to 2³⁰, and with `ENOMEM` where so much memory may not be locked: raise the
    /// limit (`ulimit -l`), or ask for less.
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let runtime = Runtime::builder().fixed_buffers(8, 4096).build()?;
    /// assert_eq!(runtime.fixed_pool().unwrap().count(), 8);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_REGISTER_BUFFERS")]
    pub fn fixed_buffers(mut self, count: usize, bytes: usize) -> Self {
        self.fixed = Some((count, bytes));
        self
    }

    /// Has the ring have a table of files with `count` places, to
    /// [register](super::File::register) files in (`IORING_REGISTER_FILES2`, Linux 5.19): the
    /// kernel then looks up no descriptor for their reads and writes at an offset.
    ///
    /// Building the runtime then fails also with `EMFILE` for more than `RLIMIT_NOFILE` or 2²⁰, and
    /// with `EINVAL` for a count of 0.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, runtime::File};
    /// let runtime = Runtime::builder().fixed_files(16).build()?;
    /// let (_, buf) = runtime.block_on(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     file.register()?;
    ///     file.read_at(vec![0; 9], 0).await.map_err(std::io::Error::from)
    /// })?;
    /// assert_eq!(buf, b"[package]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_REGISTER_FILES2")]
    pub fn fixed_files(mut self, count: u32) -> Self {
        self.files = Some(count);
        self
    }

    /// How many threads [`spawn_blocking`](crate::spawn_blocking) may have (64). With 0 the work
    /// runs when its handle is polled.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, spawn_blocking};
    /// let here = std::thread::current().id();
    /// let runtime = Runtime::builder().blocking_threads(0).build()?;
    /// let work = || std::thread::current().id();
    /// let there = runtime.block_on(async { spawn_blocking(work).await })?;
    /// assert_eq!(here, there);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blocking_threads(mut self, max: usize) -> Self {
        self.blocking.threads_max = max;
        self
    }

    /// How many pieces of blocking work may wait for a thread (4096); more wait in their handles.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, spawn_blocking};
    /// let runtime = Runtime::builder().blocking_threads(1).blocking_queue(1).build()?;
    /// runtime.block_on(async {
    ///     let work: Vec<_> = (0..10).map(|n| spawn_blocking(move || n)).collect();
    ///     for (n, work) in work.into_iter().enumerate() {
    ///         assert_eq!(work.await.expect("no panic"), n);
    ///     }
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn blocking_queue(mut self, max: usize) -> Self {
        self.blocking.queue_max = max;
        self
    }

    /// How long a thread of that pool waits for more work (10 s).
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let span = std::time::Duration::from_secs(1);
    /// let runtime = Runtime::builder().blocking_keep_alive(span).build()?;
    /// # runtime.block_on(async {});
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn blocking_keep_alive(mut self, span: Duration) -> Self {
        self.blocking.keep_alive = span;
        self
    }

    /// What the threads of that pool are called (`annulus-blocking`): the kernel shows 15 bytes.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, spawn_blocking};
    /// let runtime = Runtime::builder().blocking_name("work").build()?;
    /// let name = || std::thread::current().name().map(str::to_owned);
    /// let name = runtime.block_on(async { spawn_blocking(name).await })?;
    /// assert!(name.is_some_and(|name| name.starts_with("work")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn blocking_name(mut self, name: impl Into<String>) -> Self {
        self.blocking.name = name.into();
        self
    }

    /// A runtime on each of `count` threads: thread per core.
    ///
    /// ```
    /// use annulus_runtime::Runtime;
    /// let threads = Runtime::builder().threads(2).start(|n| async move { n })?;
    /// assert_eq!(threads.join().into_iter().flatten().collect::<Vec<_>>(), [0, 1]);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn threads(self, count: usize) -> ThreadsBuilder {
        ThreadsBuilder::new(self, count)
    }

    /// Makes it, on this thread.
    ///
    /// # Errors
    /// Those of setting up a ring: see
    /// [`EngineBuilder::build`](crate::engine::EngineBuilder::build). `InvalidInput`, `EINVAL`: a
    /// processor that this thread may not run on.
    ///
    /// ```
    /// use annulus_runtime::{Runtime, engine::KernelChoice};
    /// // Linux's io_uring or nothing: the error says what blocks it, and the cure.
    /// match Runtime::builder().kernel(KernelChoice::Linux).build() {
    ///     Ok(runtime) => assert_eq!(runtime.kernel(), "linux"),
    ///     Err(why) => assert!(!why.to_string().is_empty()),
    /// }
    /// ```
    pub fn build(self) -> io::Result<Runtime> {
        if let Some(cpu) = self.cpu {
            stay_on(cpu)?;
        }
        let mut ports = Ports::new(vec![Bell::of_kernel()?], 0)?;
        ports.fixed = self.fixed.map(|(count, bytes)| FixedPool::new(count, bytes)).transpose()?;
        ports.files = self.files.map(FileTable::new);
        // Gone before the ports are, should all of this come to nothing.
        let (ring, ops) = driver::sized(self.entries, |entries| self.ring(entries, &ports))?;
        let entries = ring.sq_entries();
        ports.group_max = entries - 1;
        ports.kernel = ring.kernel().name();
        ports.ops = ops;
        let ports = Arc::new(ports);
        let habits = Habits {
            in_flight_max: self.in_flight_max,
            pause: std::thread::sleep,
            complain: driver::complain,
        };
        let own = Arc::clone(&ports);
        let reactor = LocalReactor::of_executor(ring, own, 0, habits, self.beside());
        let (drivers, _ended) = Drivers::driven(Arc::clone(&ports), entries);
        let bell = Arc::clone(&ports);
        // The tests must find the broken one: who is asleep is not told.
        let rings = cfg!(not(broken = "sleeper_untold"));
        let remote = Remote::new(move || {
            if rings {
                bell.get(0).bell.ring()
            }
        });
        let executor = Executor::new(remote);
        let core = Core::new(
            executor,
            reactor,
            ports,
            Engine { drivers },
            BlockingPool::new(self.blocking),
            self.budget,
            self.auto_pool,
        );
        Ok(Runtime { core })
    }

    /// A ring of so many entries that works, and what its kernel can do.
    fn ring(
        &self,
        entries: u32,
        ports: &Ports,
    ) -> annulus_ring::Result<(OwnRing, Option<ProbedOps>)> {
        let builder = driver::builder(entries, self.kernel);
        let Some(allowed) = &self.allowed else {
            let ring = builder.build_local()?;
            let ops = self.set_up(&ring, ports)?;
            return Ok((driver::proven(ring)?, ops));
        };
        let ring = builder.disabled().build_local()?;
        let ops = self.set_up(&ring, ports)?;
        // Linux knows nothing of those that go to the ring beside it.
        let is_known = |op: &&Op| !op.is_private() || ring.kernel().is_host();
        let allowed = OWN_OPS.iter().chain(allowed).filter(is_known);
        let mut all = allowed.fold(Restrictions::new(), |list, op| list.allow(*op));
        let mut flags = SqeFlags::IO_LINK;
        if self.files.is_some() {
            all = all.allow_register(RegisterOp::FILES_UPDATE);
            flags |= SqeFlags::FIXED_FILE;
        }
        ring.register().restrict(&all.allow_flags(flags))?;
        ring.register().enable()?;
        Ok((driver::proven(ring)?, ops))
    }

    /// How the ring beside that of Linux is to be.
    fn beside(&self) -> BesidePlan {
        let workers = self.io_workers.map_or((0, 0), |max| (max.bounded, max.unbounded));
        BesidePlan { workers, allowed: self.allowed.clone() }
    }

    /// Sets up what a restricted ring could not any more.
    fn set_up(&self, ring: &OwnRing, ports: &Ports) -> annulus_ring::Result<Option<ProbedOps>> {
        driver::register_fixed(&ring.register(), ports)?;
        if let Some(count) = self.files {
            ring.register().files_sparse(count)?;
        }
        if let Some(max) = self.io_workers
            && ring.kernel().is_linux()
        {
            ring.register().iowq_max_workers(max)?;
        }
        Ok(ring.register().probe().ok())
    }
}
