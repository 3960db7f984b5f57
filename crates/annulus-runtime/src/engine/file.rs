//! [`File`]: a descriptor and what can be done with it.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::{Arc, OnceLock};

use annulus_ring::abi::{FixedFd, Op as Opcode, Sqe};
use annulus_ring::kernel::{Descriptors, Process};
use annulus_ring::{Description, Errno, Fd, FdKind};

use super::registered::Registered;
use super::{DioAlignment, Engine, Op};
use crate::buffer::{FixedPool, IoBuf, PoolId};
use crate::error::{Invalid, Misaligned};
use crate::operation::Completion;

/// A handle to a file, socket, pipe or whatever else a descriptor is.
///
/// Cheap to clone; all clones are the same descriptor, which is closed when the last of them is
/// dropped and the last operation on it is done. It keeps its engine going.
///
/// ```
/// use annulus_runtime::Engine;
/// let engine = Engine::new()?;
/// let file = engine.file(std::fs::File::open("Cargo.toml")?);
/// let clone = file.clone();
/// drop(file);
/// assert_eq!(futures::executor::block_on(clone.read_at(vec![0; 9], 0))?.1, b"[package]");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors of every operation
/// Beside its own, each operation may end so:
/// - [`is_cancelled`](crate::Error::is_cancelled): [`Op::cancel`] ended it.
/// - [`is_timeout`](crate::Error::is_timeout): its [deadline](Op::deadline) passed.
/// - [`is_closed`](crate::Error::is_closed): the engine was shut down: make another.
/// - [`is_forked`](crate::Error::is_forked): this process is a child of the one that made the
///   engine: make one here.
/// - `ENOMEM`, `ENOBUFS`: the kernel is short of memory: try again later.
/// - `EBADF`: beside what its page says, an operation on a descriptor that is a mere name
///   (`O_PATH`).
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
    /// What direct I/O on it must be aligned to, once its metadata was asked for.
    alignment: OnceLock<DioAlignment>,
    /// Its place in the table of its ring, if it has one.
    registered: OnceLock<Registered>,
    /// The pool whose buffers the engine's rings know by index.
    pool: Option<PoolId>,
    reads: Route,
    writes: Route,
}

/// The last offset that a file can have.
pub(crate) const OFFSET_MAX: u64 = i64::MAX as u64;

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
    fn new(fd: Fd, pool: Option<PoolId>) -> Self {
        let what = fd.describe().ok();
        // Direct I/O waits for the device whatever it is asked, and so does a synchronous write.
        let reads = what.is_some_and(|what| !what.is_direct);
        let writes = reads && what.is_some_and(|what| !what.is_synchronous);
        let (reads, writes) = (Route::new(reads), Route::new(writes));
        let (alignment, registered) = (OnceLock::new(), OnceLock::new());
        Self { fd, what, alignment, registered, pool, reads, writes }
    }

    /// The number, for entries of operations that keep this.
    #[inline]
    pub(crate) fn raw(&self) -> i32 {
        self.fd.raw()
    }

    /// What does entries on it at once.
    pub(crate) fn kernel(&self) -> &Process {
        self.fd.kernel()
    }

    /// Whether no server is asked about it.
    pub(crate) fn is_local(&self) -> bool {
        self.what.is_some_and(|what| what.is_local)
    }

    /// The descriptor, of a file that nobody uses any more.
    pub(crate) fn into_fd(self) -> Fd {
        self.fd
    }

    /// Whether a count that is less than was asked for means that there is no more: not so where
    /// a part was cached.
    #[inline]
    pub(crate) fn is_regular(&self) -> bool {
        self.what.is_some_and(|what| matches!(what.kind, FdKind::Regular | FdKind::Block))
    }

    /// Whether it goes past the page cache.
    pub(crate) fn is_direct(&self) -> bool {
        self.what.is_some_and(|what| what.is_direct)
    }

    /// Its place in the table of its ring, if it has one: for entries of that ring alone.
    #[inline]
    pub(crate) fn place(&self) -> Option<FixedFd> {
        self.registered.get().map(Registered::place)
    }

    /// Takes note of its place; one that has a place gives the new one up.
    pub(crate) fn set_registered(&self, registered: Registered) {
        let _ = self.registered.set(registered);
    }

    /// Takes note of what its metadata say.
    pub(crate) fn learn_alignment(&self, alignment: DioAlignment) {
        self.alignment.get_or_init(|| alignment);
    }

    /// Why the kernel refused a direct read or write with `EINVAL`, as far as can be seen.
    #[cold]
    pub(crate) fn misaligned(&self, entry: &Sqe) -> Option<Invalid> {
        // What every device wants at least, where nobody asked this one.
        let least = DioAlignment { memory: 4, offset: 512, read_offset: 512 };
        let known = self.alignment.get().unwrap_or(&least);
        let (of_one, is_read) = match entry.opcode {
            Opcode::READ => (true, true),
            Opcode::WRITE => (true, false),
            Opcode::READV => (false, true),
            Opcode::WRITEV => (false, false),
            _ => return None,
        };
        let place = if is_read { known.read_offset } else { known.offset };
        let is_odd = |value: u64, bytes: u32| !value.is_multiple_of(u64::from(bytes.max(1)));
        let log2 = |bytes: u32| bytes.trailing_zeros() as u8;
        // At the file's own position that is the offset, which is not known here.
        let misaligned = if entry.off != u64::MAX && is_odd(entry.off, place) {
            Misaligned::Offset(log2(place))
        } else if !of_one {
            Misaligned::Pieces(log2(place))
        } else if is_odd(entry.len.into(), place) {
            Misaligned::Length(log2(place))
        } else if is_odd(entry.addr, known.memory) {
            Misaligned::Address(log2(known.memory))
        } else {
            return None;
        };
        Some(Invalid::Misaligned(misaligned))
    }

    /// The same read or write, of a buffer that the ring knows by its index if it does.
    #[inline]
    pub(crate) fn by_index(&self, mut entry: Sqe, buf: &impl IoBuf) -> Sqe {
        if let Some(registered) = buf.registered()
            && self.pool == Some(registered.pool)
        {
            let is_read = entry.opcode == Opcode::READ;
            entry.opcode = if is_read { Opcode::READ_FIXED } else { Opcode::WRITE_FIXED };
            entry.buf_index = registered.index.0;
        }
        entry
    }

    /// Whether it is a pipe or a FIFO.
    pub(crate) fn is_pipe(&self) -> bool {
        self.what.is_some_and(|what| what.kind == FdKind::Pipe)
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

    /// As [`call`](Self::call), for operations other than reads and writes: nothing is learnt.
    ///
    /// # Safety
    /// - As [`call`](Self::call).
    pub(crate) unsafe fn call_once(&self, entry: &Sqe) -> Option<Completion> {
        // SAFETY: the caller's promise.
        match unsafe { self.fd.kernel().call(entry) } {
            Err(Errno::EAGAIN) => None,
            done => Some(Completion::new(done)),
        }
    }
}

impl File {
    pub(super) fn new(engine: Engine, fd: Fd) -> Self {
        let pool = engine.ports().fixed.as_ref().map(FixedPool::id);
        Self { open: Arc::new(OpenFile::new(fd, pool)), engine }
    }

    /// An operation on this file's engine.
    pub(crate) fn op<T: crate::operation::Operation + Send>(&self, operation: T) -> Op<T> {
        Op::new(Arc::clone(self.engine.ports()), operation)
    }

    pub(crate) fn open(&self) -> Arc<OpenFile> {
        Arc::clone(&self.open)
    }

    pub(super) fn into_parts(self) -> (Arc<OpenFile>, Engine) {
        (self.open, self.engine)
    }

    pub(super) fn from_parts(open: Arc<OpenFile>, engine: Engine) -> Self {
        Self { open, engine }
    }

    /// Whether this is the last handle, and no operation is under way.
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.open) == 1
    }

    /// What direct I/O on it must be aligned to; known once its [`metadata`](Self::metadata) was
    /// asked for, where the file system says it.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert_eq!(file.dio_alignment(), None); // not asked for
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(file.dio_alignment(), metadata.dio_alignment());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "STATX_DIOALIGN")]
    pub fn dio_alignment(&self) -> Option<DioAlignment> {
        self.open.alignment.get().copied()
    }

    /// The engine that does this file's operations.
    ///
    /// ```
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert_eq!(file.engine().entries(), engine.entries());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

/// The descriptor, for calls of your own: it stays open as long as the handle is borrowed, also
/// while operations are under way.
///
/// ```
/// use std::os::fd::AsFd;
/// let engine = annulus_runtime::Engine::new()?;
/// let file = engine.file(std::fs::File::open("Cargo.toml")?);
/// let own = std::fs::File::from(file.as_fd().try_clone_to_owned()?);
/// assert!(own.metadata()?.is_file());
/// # Ok::<(), std::io::Error>(())
/// ```
impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.open.fd.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.open.raw()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("fd", &self.open.raw()).finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use annulus_emulate::KernelChoice;
    use annulus_ring::op;

    #[test]
    fn a_buffer_of_the_engines_pool_goes_by_index_and_no_other() {
        // In user space buffers are registered without being locked.
        let builder = Engine::builder().kernel(KernelChoice::Host).fixed_buffers(4, 64);
        let engine = builder.build().expect("an engine");
        let file = engine.file(std::fs::File::open("Cargo.toml").expect("it is there"));
        let pool = engine.fixed_pool().expect("it was asked for");
        let (_first, second) = (pool.try_take(), pool.try_take().expect("four are free"));
        let read = op::Read::new(3, core::ptr::null_mut(), 8).offset(5).build();
        let write = op::Write::new(3, core::ptr::null(), 8).offset(5).build();
        let fixed = file.open.by_index(read, &second);
        assert_eq!((fixed.opcode, fixed.buf_index), (Opcode::READ_FIXED, second.index().0));
        assert_eq!((fixed.off, fixed.len, fixed.fd), (5, 8, 3));
        let part = second.slice(0..);
        let fixed = file.open.by_index(write, &part);
        assert_eq!((fixed.opcode, fixed.buf_index), (Opcode::WRITE_FIXED, 1));
        let strange = FixedPool::new(4, 64).expect("a pool").try_take().expect("four are free");
        assert_eq!(file.open.by_index(read, &strange).opcode, Opcode::READ);
        assert_eq!(file.open.by_index(write, &vec![7]).opcode, Opcode::WRITE);
    }

    #[test]
    fn what_is_not_aligned_is_found() {
        let engine = Engine::new().expect("an engine");
        let open = engine.file(std::fs::File::open("Cargo.toml").expect("it is there")).open();
        let read =
            |addr: u64, len, off| Sqe { opcode: Opcode::READ, addr, len, off, ..Sqe::default() };
        let found = |entry: Sqe| open.misaligned(&entry);
        let some = |misaligned| Some(Invalid::Misaligned(misaligned));
        // Nobody asked the file: what every device wants at least.
        assert_eq!(found(read(2, 512, 512)), some(Misaligned::Address(2)));
        assert_eq!(found(read(4, 512, 512)), None);
        open.learn_alignment(DioAlignment { memory: 512, offset: 4096, read_offset: 1024 });
        open.learn_alignment(DioAlignment { memory: 1, offset: 1, read_offset: 1 });
        assert_eq!(found(read(256, 1024, 1024)), some(Misaligned::Address(9)));
        assert_eq!(found(read(0, 512, 1024)), some(Misaligned::Length(10)));
        assert_eq!(found(read(0, 1024, 512)), some(Misaligned::Offset(10)));
        let write = Sqe { opcode: Opcode::WRITE, ..read(0, 4096, 1024) };
        assert_eq!(found(write), some(Misaligned::Offset(12)));
        let own = Sqe { off: u64::MAX, ..write };
        assert_eq!(found(own), None, "the file's own position is not known");
        let pieces = Sqe { opcode: Opcode::READV, ..read(0, 3, 0) };
        assert_eq!(found(pieces), some(Misaligned::Pieces(10)));
        assert_eq!(found(Sqe { opcode: Opcode::NOP, ..pieces }), None);
    }
}
