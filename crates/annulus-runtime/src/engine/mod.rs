//! [`Engine`]: io_uring for a program that has a runtime, or none: `Send` futures that any thread
//! polls.

mod builder;
mod caller;
mod chain;
mod close;
mod copy;
mod drive;
pub(crate) mod driver;
pub(crate) mod file;
mod helper;
mod inode;
mod lock;
mod metadata;
mod metrics;
mod op;
pub mod ops;
mod path;
mod poll;
mod process;
pub(crate) mod registered;
mod resolve;
mod rw;
mod rw_mem;
mod rw_vectored;
mod seek;
mod socket;
mod space;
mod splice;
mod stat;
mod sync;
mod times;
mod to_end;
pub(crate) mod transfer;

pub use annulus_emulate::KernelChoice;
pub use builder::EngineBuilder;
pub use chain::{Link, Linked, Then};
pub use drive::{Drive, Readiness};
pub use file::File;
pub use metadata::{DioAlignment, Metadata};
pub use metrics::Metrics;
pub use op::Op;
pub use path::{
    Dir, DirEntries, DirEntry, DirIter, OpenOptions, Opening, OpeningDir, PathError, Steps,
    Temporary,
};
pub use resolve::ResolveError;
pub use space::Advice;
pub use times::Times;

use core::fmt;
use core::time::Duration;
use std::io;
use std::sync::Arc;

use annulus_ring::Fd;

use crate::buffer::FixedPool;
use driver::Drivers;

#[doc = include_str!("../../docs/engine.md")]
#[derive(Clone)]
pub struct Engine {
    pub(crate) drivers: Arc<Drivers>,
}

impl Engine {
    /// An engine with one driver, and everything else as [`EngineBuilder`] has it.
    ///
    /// # Errors
    /// Why io_uring cannot be had here, and the cure: see [`annulus_ring::SetupError`].
    ///
    /// ```
    /// annulus_runtime::Engine::new()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> io::Result<Self> {
        EngineBuilder::new().build()
    }

    /// Other ways to make one.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::builder().entries(64).build()?;
    /// assert_eq!(engine.entries(), 64);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn builder() -> EngineBuilder {
        EngineBuilder::new()
    }

    /// A handle to a file, socket, pipe or whatever else the descriptor is. The descriptor is
    /// closed when the last handle is dropped and the last operation on it is done.
    ///
    /// ```
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let (reader, writer) = std::io::pipe()?;
    /// let (reader, writer) = (engine.file(reader), engine.file(writer));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn file(&self, descriptor: impl Into<std::os::fd::OwnedFd>) -> File {
        File::new(self.clone(), Fd::from(descriptor.into()))
    }

    /// How many entries the ring of each driver has: fewer than were asked for where locked memory
    /// is short.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::builder().entries(100).build()?;
    /// assert_eq!(engine.entries(), 128); // a power of two
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn entries(&self) -> u32 {
        self.drivers.entries
    }

    /// Ends everything: what is under way is cancelled, and what is begun later fails with
    /// [`is_closed`](crate::Error::is_closed). Waits for the kernel up to `limit`, on this thread.
    ///
    /// Returns whether everything was over by then. If not, the drivers go on in the background
    /// until the kernel has done with the last buffer: nothing is freed before.
    ///
    /// Dropping the last handle (of engine or file) does the same, with the
    /// [builder's limit](EngineBuilder::close_limit). It blocks this thread: in an async program
    /// call it where that may be (`spawn_blocking`). Called by a waker, on the driver's own thread,
    /// it does not wait.
    ///
    /// Where a future drives the engine ([`Drive`]), who waits here must not be who polls it: in
    /// async code shut down with a limit of zero, and await the drive. The drop of the last handle
    /// does not wait there. Nor does a waker, or a buffer's destructor, that calls this on the
    /// driver's own thread.
    ///
    /// ```
    /// use std::time::Duration;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(engine.shutdown(Duration::from_secs(5)));
    /// let error = futures::executor::block_on(file.read_at(vec![0; 9], 0)).unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn shutdown(&self, limit: Duration) -> bool {
        self.drivers.close();
        self.drivers.wait(limit)
    }

    /// The buffers that its rings know: see [`EngineBuilder::fixed_buffers`].
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// let engine = Engine::builder().fixed_buffers(4, 4096).build()?;
    /// let pool = engine.fixed_pool().expect("it was asked for");
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let (n, buf) = block_on(async { file.read_at(pool.take().await, 0).await })?;
    /// assert!(n > 9 && buf.starts_with(b"[package]"));
    /// assert!(Engine::new()?.fixed_pool().is_none());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn fixed_pool(&self) -> Option<&FixedPool> {
        self.ports().fixed.as_ref()
    }

    /// Which kernel answers: `linux`, or `host`, the one in user space. See
    /// [`EngineBuilder::kernel`].
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::new()?;
    /// assert!(["linux", "host"].contains(&engine.kernel()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn kernel(&self) -> &'static str {
        self.ports().kernel
    }

    /// What it has done, and has to do.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::new()?;
    /// assert_eq!(engine.metrics().in_flight, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn metrics(&self) -> Metrics {
        Metrics::of(self.ports())
    }

    /// Whether the ring has an operation.
    pub(crate) fn has(&self, op: annulus_ring::abi::Op) -> bool {
        self.ports().ops.as_ref().is_some_and(|ops| ops.is_supported(op))
    }

    pub(crate) fn ports(&self) -> &Arc<crate::port::Ports> {
        &self.drivers.ports
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("drivers", &self.drivers.ports.len())
            .field("entries", &self.drivers.entries)
            .finish_non_exhaustive()
    }
}
