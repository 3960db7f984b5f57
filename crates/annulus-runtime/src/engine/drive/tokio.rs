//! A drive on tokio.

use core::task::{Context, Poll};
use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;

use super::{Drive, Readiness};
use crate::engine::{Engine, EngineBuilder};

impl Readiness for AsyncFd<OwnedFd> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(cx).map_ok(|mut guard| guard.clear_ready())
    }
}

impl EngineBuilder {
    /// Makes an engine that is driven by a future on tokio instead of a thread: what completes is
    /// taken by a worker of that runtime, and wakes its tasks without another thread in between.
    ///
    /// Spawn the [`Drive`]; until it runs, only what is done at once is done. It is one: of
    /// [`drivers`](Self::drivers) it knows nothing.
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
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn build_driven(self) -> io::Result<(Engine, Drive<AsyncFd<OwnedFd>>)> {
        let runtime = Handle::current();
        self.build_driven_by(move |ring| {
            // Of its later rings too: who polls the drive need not be a thread of that runtime.
            let _inside = runtime.enter();
            // SAFETY: an `OwnedFd` names one open descriptor as long as it lives, which is as long
            // as this: the ring's own, duplicated.
            Ok(unsafe { AsyncFd::register_with_interest(ring, Interest::READABLE) }?)
        })
    }
}
