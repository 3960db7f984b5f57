//! [`File`]: a descriptor and what can be done with it.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use std::sync::Arc;

use annulus_ring::abi::Sqe;
use annulus_ring::kernel::Descriptors;
use annulus_ring::{Description, Errno, Fd, FdKind};

use super::{Engine, Op};
use crate::buffer::{IoBuf, IoBufMut};
use crate::engine::rw::{Read, Write};

/// A handle to a file, socket, pipe or whatever else a descriptor is.
///
/// Cheap to clone; all clones are the same descriptor, which is closed when the last of them is
/// dropped and the last operation on it is done. It keeps its engine going.
#[derive(Clone)]
pub struct File {
    open: Arc<OpenFile>,
    engine: Engine,
}

/// The descriptor, for as long as somebody uses it: handles, and operations under way.
#[derive(Debug)]
pub(crate) struct OpenFile {
    fd: Fd,
    what: Option<Description>,
    reads: Route,
    writes: Route,
}

/// Whether operations of a kind are tried at once, learnt from how that went.
#[derive(Debug)]
struct Route {
    /// How many in a row could not be done at once; [`NEVER`] where none can.
    misses: AtomicU32,
}

/// Trying at once would block, or is of no use.
const NEVER: u32 = u32::MAX;
/// After how many misses in a row it is not tried each time.
const MISSES_MAX: u32 = 8;
/// One in how many is tried then: what was not cached may be by now.
const TRY_EACH: u32 = 16;

impl Route {
    fn new(may_attempt: bool) -> Self {
        Self { misses: AtomicU32::new(if may_attempt { 0 } else { NEVER }) }
    }

    /// Whether the next is to be tried.
    #[inline]
    fn is_open(&self) -> bool {
        // Relaxed: a guess that threads may spoil for each other; pairs with nothing.
        let misses = self.misses.load(Ordering::Relaxed);
        if misses < MISSES_MAX {
            return true;
        }
        if misses == NEVER {
            return false;
        }
        // Relaxed: as above; pairs with nothing.
        self.misses.store(MISSES_MAX + (misses + 1 - MISSES_MAX) % TRY_EACH, Ordering::Relaxed);
        misses == MISSES_MAX
    }

    #[inline]
    fn learn(&self, hit: bool) {
        // Relaxed: as above; pairs with nothing.
        let misses = self.misses.load(Ordering::Relaxed);
        if hit && misses != 0 {
            // Relaxed: as above; pairs with nothing.
            self.misses.store(0, Ordering::Relaxed);
        } else if !hit && misses < MISSES_MAX {
            // Relaxed: as above; pairs with nothing.
            self.misses.store(misses + 1, Ordering::Relaxed);
        }
    }
}

/// Which way data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Read,
    Write,
}

impl OpenFile {
    fn new(fd: Fd) -> Self {
        let what = fd.describe().ok();
        // Direct I/O waits for the device whatever it is asked, and so does a synchronous write.
        let reads = what.is_some_and(|what| !what.is_direct);
        let writes = reads && what.is_some_and(|what| !what.is_synchronous);
        Self { fd, what, reads: Route::new(reads), writes: Route::new(writes) }
    }

    /// The number, for entries of operations that keep this.
    #[inline]
    pub(crate) fn raw(&self) -> i32 {
        self.fd.raw()
    }

    /// Whether a count that is less than was asked for means that there is no more: not so where
    /// a part was cached.
    #[inline]
    pub(crate) fn is_regular(&self) -> bool {
        self.what.is_some_and(|what| matches!(what.kind, FdKind::Regular | FdKind::Block))
    }

    fn route(&self, way: Way) -> &Route {
        match way {
            Way::Read => &self.reads,
            Way::Write => &self.writes,
        }
    }

    /// Whether an operation is to be tried on this thread.
    #[inline]
    pub(crate) fn may_attempt(&self, way: Way) -> bool {
        self.route(way).is_open()
    }

    /// Does an entry at once, if it does not block: else nothing was done.
    ///
    /// # Safety
    /// - What the entry points to is valid for the length of the call.
    #[inline]
    pub(crate) unsafe fn call(&self, way: Way, entry: &Sqe) -> Option<Result<u32, Errno>> {
        // SAFETY: the caller's promise.
        match unsafe { self.fd.kernel().call(entry) } {
            Err(Errno::EAGAIN) => {
                self.route(way).learn(false);
                None
            }
            done => {
                self.route(way).learn(true);
                Some(done)
            }
        }
    }
}

impl File {
    pub(super) fn new(engine: Engine, fd: Fd) -> Self {
        Self { open: Arc::new(OpenFile::new(fd)), engine }
    }

    /// An operation on this file's engine.
    pub(crate) fn op<T: crate::operation::Operation + Send>(&self, operation: T) -> Op<T> {
        Op::new(Arc::clone(self.engine.ports()), operation)
    }

    pub(crate) fn open(&self) -> Arc<OpenFile> {
        Arc::clone(&self.open)
    }

    /// The engine that does this file's operations.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Reads at `offset`, as `pread(2)`: how many bytes, and the buffer. 0 is the end of the file.
    pub fn read_at<B: IoBufMut>(&self, buf: B, offset: u64) -> Op<Read<B>> {
        self.op(Read::new(self.open(), buf, Some(offset)))
    }

    /// Reads what comes next, as `read(2)`.
    pub fn read<B: IoBufMut>(&self, buf: B) -> Op<Read<B>> {
        self.op(Read::new(self.open(), buf, None))
    }

    /// Reads at `offset` until the buffer is full.
    pub fn read_exact_at<B: IoBufMut>(&self, buf: B, offset: u64) -> Op<Read<B>> {
        self.op(Read::new(self.open(), buf, Some(offset)).exact())
    }

    /// Writes at `offset`, as `pwrite(2)`.
    pub fn write_at<B: IoBuf>(&self, buf: B, offset: u64) -> Op<Write<B>> {
        self.op(Write::new(self.open(), buf, Some(offset)))
    }

    /// Writes what comes next, as `write(2)`.
    pub fn write<B: IoBuf>(&self, buf: B) -> Op<Write<B>> {
        self.op(Write::new(self.open(), buf, None))
    }

    /// Writes all of the buffer at `offset`.
    pub fn write_all_at<B: IoBuf>(&self, buf: B, offset: u64) -> Op<Write<B>> {
        self.op(Write::new(self.open(), buf, Some(offset)).exact())
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("fd", &self.open.raw()).finish_non_exhaustive()
    }
}
