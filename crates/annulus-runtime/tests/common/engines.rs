//! Each kind of engine, for tests that hold for all of them: one with a thread of its own, and one
//! that a future on tokio drives (feature `tokio`).
//!
//! ```text
//! engines::each(|builder| builder.entries(8), |rig| {
//!     let file = rig.engine().file(...);
//!     // ...
//! });
//! ```

use std::future::Future;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use annulus_runtime::engine::EngineBuilder;
use annulus_runtime::{Engine, File};

/// How long an engine may take to end that has no reason to take longer.
pub const CLOSE: Duration = Duration::from_secs(20);

/// An engine, with what drives it.
pub struct Rig {
    engine: Option<Engine>,
    kind: Kind,
    #[cfg(feature = "tokio")]
    runtime: Option<(tokio::runtime::Runtime, tokio::task::JoinHandle<()>)>,
}

/// What drives an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A thread of its own.
    Thread,
    /// A future on a runtime with two threads, if no other number is said.
    #[cfg(feature = "tokio")]
    Tokio,
}

impl Kind {
    pub const ALL: &[Self] = &[
        Self::Thread,
        #[cfg(feature = "tokio")]
        Self::Tokio,
    ];

    /// An engine of this kind, as `how` builds it.
    pub fn rig(self, how: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Rig {
        self.rig_on(2, how)
    }

    /// The same whose future, if that drives it, has so many threads: each has workers of the
    /// kernel of its own.
    #[cfg_attr(not(feature = "tokio"), allow(unused_variables, reason = "no future drives"))]
    pub fn rig_on(self, threads: usize, how: impl FnOnce(EngineBuilder) -> EngineBuilder) -> Rig {
        let builder = how(Engine::builder());
        match self {
            Self::Thread => Rig {
                engine: Some(builder.build().expect("an engine")),
                kind: self,
                #[cfg(feature = "tokio")]
                runtime: None,
            },
            #[cfg(feature = "tokio")]
            Self::Tokio => {
                let mut runtime = tokio::runtime::Builder::new_multi_thread();
                runtime.worker_threads(threads).thread_name("annulus-tokio").enable_all();
                let runtime = runtime.build().expect("a runtime");
                let (engine, drive) = {
                    let _inside = runtime.enter();
                    builder.build_driven().expect("an engine")
                };
                let drive = runtime.spawn(drive);
                Rig { engine: Some(engine), kind: self, runtime: Some((runtime, drive)) }
            }
        }
    }
}

/// Runs `body` with each kind of engine, as `how` builds it, and checks that it ends.
#[track_caller]
pub fn each(how: impl Fn(EngineBuilder) -> EngineBuilder, body: impl Fn(&mut Rig)) {
    each_on(2, how, body);
}

/// The same on so many threads, where a future drives.
#[track_caller]
pub fn each_on(
    threads: usize,
    how: impl Fn(EngineBuilder) -> EngineBuilder,
    body: impl Fn(&mut Rig),
) {
    for kind in Kind::ALL {
        let mut rig = kind.rig_on(threads, &how);
        body(&mut rig);
        rig.close();
    }
}

impl Rig {
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.engine.as_ref().expect("it was not taken")
    }

    /// The engine, which is the caller's then: this keeps what drives it.
    pub fn take_engine(&mut self) -> Engine {
        self.engine.take().expect("it was not taken")
    }

    pub fn file(&self, descriptor: impl Into<OwnedFd>) -> File {
        self.engine().file(descriptor)
    }

    /// Waits until what drives the engine is over, once all handles are gone; where that is a
    /// thread, which the last handle waited for, nothing is left to do.
    pub fn wait_for_drive(&mut self) {
        #[cfg(feature = "tokio")]
        if let Some((runtime, drive)) = self.runtime.take() {
            let ended = runtime.block_on(async { tokio::time::timeout(CLOSE, drive).await });
            ended.expect("the drive ends").expect("it does not panic");
        }
    }

    /// Drops the runtime, and with it what drives the engine.
    #[cfg(feature = "tokio")]
    pub fn drop_runtime(&mut self) {
        self.runtime = None;
    }

    /// Closes the engine, and checks that it ends and that every operation that it was given is
    /// over. Handles that the test still has do not matter.
    #[track_caller]
    pub fn close(mut self) {
        let Some(engine) = self.engine.take() else { return self.wait_for_drive() };
        assert!(engine.shutdown(CLOSE), "operations were left in the kernel: {engine:?}");
        self.wait_for_drive();
        let metrics = engine.metrics();
        assert_eq!(metrics.shipped, metrics.completed, "{metrics:?}");
        assert_eq!(metrics.strays, 0, "{metrics:?}");
    }
}

/// Polls once, with a waker that does nothing.
pub fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}

/// Begins an operation, which may be over by the time this returns.
pub fn ship<F: Future + Unpin>(mut future: F) -> F {
    // Twice where it gives its thread away first.
    let _ = poll_once(&mut future).is_pending() && poll_once(&mut future).is_pending();
    future
}

/// Begins an operation that cannot be over soon.
#[track_caller]
pub fn begin<F: Future + Unpin>(mut future: F) -> F {
    // Twice where it gives its thread away first.
    for _ in 0..2 {
        assert!(poll_once(&mut future).is_pending(), "it was done at once");
    }
    future
}

/// Waits for what another thread will do: under a `limit`.
pub fn until(mut done: impl FnMut() -> bool) {
    while !done() {
        std::thread::yield_now();
    }
}

/// Waits until the driver has given the kernel all that it was shipped.
pub fn until_in_kernel(engine: &Engine, operations: u64) {
    until(|| {
        let metrics = engine.metrics();
        metrics.in_flight + metrics.completed >= operations && metrics.shipped >= operations
    });
}

/// A pipe whose reads are never tried on the calling thread: all go through the ring. What is
/// written at a time is read at a time.
pub fn shipped_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let direct = rustix::fs::OFlags::DIRECT;
    rustix::fs::fcntl_setfl(&reader, direct).expect("packet mode");
    rustix::fs::fcntl_setfl(&writer, direct).expect("packet mode");
    (reader, writer)
}
