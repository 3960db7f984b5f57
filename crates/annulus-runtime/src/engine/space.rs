//! A file's length, the space behind it, and how it will be used.

use std::sync::Arc;

use annulus_ring::abi::{Fadvice, FallocateMode, Op as Opcode, Sqe};
use annulus_ring::kernel::Descriptors;
use annulus_ring::op;

use super::file::OpenFile;
use super::helper::Helper;
use super::{File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Reserving, freeing or moving space of a file: see [`File::allocate`].
#[derive(Debug)]
pub struct Allocate {
    file: Arc<OpenFile>,
    mode: FallocateMode,
    offset: u64,
    bytes: u64,
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Operation for Allocate {
    type Output = Result<(), Error>;
    const WAITS_IN_WORKER: bool = true;

    fn entry(&mut self) -> Sqe {
        let allocate = op::Fallocate::new(self.file.raw(), self.bytes);
        allocate.offset(self.offset).mode(self.mode).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {}
}

/// Setting a file's length: see [`File::truncate`].
#[derive(Debug)]
pub struct Truncate {
    file: Arc<OpenFile>,
    bytes: u64,
    /// Whether the ring has the operation.
    by_ring: bool,
    helper: Option<Helper>,
}

impl Truncate {
    fn new(file: Arc<OpenFile>, bytes: u64, by_ring: bool) -> Self {
        Self { file, bytes, by_ring, helper: None }
    }
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here: the file's,
// or the helper's.
unsafe impl Operation for Truncate {
    type Output = Result<(), Error>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        if self.by_ring {
            return None;
        }
        let (file, bytes) = (Arc::clone(&self.file), self.bytes);
        let helper = Helper::start(move || {
            let entry = op::Ftruncate::new(file.raw(), bytes).build();
            // SAFETY: the entry points to nothing.
            unsafe { file.kernel().perform(&entry) }
        });
        match helper {
            Ok(helper) => {
                self.helper = Some(helper);
                None
            }
            Err(errno) => Some(Completion::new(Err(errno))),
        }
    }

    fn entry(&mut self) -> Sqe {
        match &self.helper {
            Some(helper) => helper.entry(),
            None => op::Ftruncate::new(self.file.raw(), self.bytes).build(),
        }
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let answer = completion.outcome()?;
        match self.helper {
            Some(helper) => helper.result().map_err(Error::os),
            None => Ok(answer),
        }
        .map(drop)
    }

    fn reclaim(self, _: Completion) {
        // The file is as long as it is. A helper ends by itself, and keeps the file until then.
    }
}

/// How a file will be used, for [`File::advise`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Advice {
    /// Nothing special: read ahead as usual.
    Normal,
    /// From front to back: read more ahead.
    Sequential,
    /// In no order: read nothing ahead.
    Random,
    /// Soon: begin to read it.
    WillNeed,
    /// Not again soon: drop it from the page cache, as far as it is clean.
    DontNeed,
    /// Once: do not count it as used often.
    NoReuse,
}

impl Advice {
    fn number(self) -> Fadvice {
        match self {
            Self::Normal => Fadvice::NORMAL,
            Self::Sequential => Fadvice::SEQUENTIAL,
            Self::Random => Fadvice::RANDOM,
            Self::WillNeed => Fadvice::WILLNEED,
            Self::DontNeed => Fadvice::DONTNEED,
            Self::NoReuse => Fadvice::NOREUSE,
        }
    }
}

/// Saying how a file will be used: see [`File::advise`].
#[derive(Debug)]
pub struct Advise {
    file: Arc<OpenFile>,
    offset: u64,
    bytes: u64,
    advice: Advice,
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Operation for Advise {
    type Output = Result<(), Error>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        let entry = self.entry();
        // SAFETY: the entry points to nothing.
        unsafe { self.file.call_once(&entry) }
    }

    fn entry(&mut self) -> Sqe {
        let advise = op::Fadvise::new(self.file.raw(), self.advice.number());
        advise.range(self.offset, self.bytes).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {}
}

/// # Space
///
/// By the ring (`IORING_OP_FALLOCATE`, Linux 5.6; `IORING_OP_FTRUNCATE`, Linux 6.9), which gives
/// them to a thread of the kernel. See
/// [fallocate(2)](https://man7.org/linux/man-pages/man2/fallocate.2.html).
impl File {
    /// Reserves `bytes` bytes from `offset` on: writing there will not fail for want of space. What
    /// was not there reads as zeros, and a file that ended before the range's end is longer now.
    ///
    /// # Errors
    /// - `ENOSPC`, `EDQUOT` (122): there is not so much space. A part may be reserved.
    /// - `EINVAL`: `bytes` is 0, or the range does not end before 2⁶³.
    /// - `EBADF`: the file is not open for writing.
    /// - `EFBIG`: past what the file system, or `RLIMIT_FSIZE`, allows.
    /// - `EOPNOTSUPP`: the file system cannot: write zeros instead.
    /// - `ENODEV`: neither a regular file nor a block device. `ESPIPE`: a pipe.
    /// - `EPERM`: immutable, append-only or sealed. `ETXTBSY` (26): it is swap space.
    /// - `EIO`: the device failed.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-allocate-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::create(&path)?);
    /// block_on(file.allocate(0, 8192))?;
    /// assert_eq!(block_on(file.metadata())?.len(), 8192);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fallocate")]
    #[doc(alias = "posix_fallocate")]
    pub fn allocate(&self, offset: u64, bytes: u64) -> Op<Allocate> {
        self.fallocate(FallocateMode::empty(), offset, bytes)
    }

    /// Frees the range's blocks: it reads as zeros. The file stays as long as it is.
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-punch-{}", std::process::id()));
    /// # std::fs::write(&path, [7; 8192])?;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::options().read(true).write(true).open(&path)?);
    /// block_on(file.punch_hole(0, 4096))?;
    /// let (_, buf) = block_on(file.read_exact_at(vec![1; 8192], 0))?;
    /// assert_eq!((buf[0], buf[4095], buf[4096]), (0, 0, 7));
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FALLOC_FL_PUNCH_HOLE")]
    pub fn punch_hole(&self, offset: u64, bytes: u64) -> Op<Allocate> {
        let mode = FallocateMode::PUNCH_HOLE | FallocateMode::KEEP_SIZE;
        self.fallocate(mode, offset, bytes)
    }

    /// Turns the range into zeros and keeps its space, without writing them where the file system
    /// can. The file stays as long as it is.
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate). `EOPNOTSUPP`: tmpfs and btrfs before 4.16 cannot:
    /// [`punch_hole`](Self::punch_hole), or write.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-zero-{}", std::process::id()));
    /// # std::fs::write(&path, [7; 8192])?;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::options().read(true).write(true).open(&path)?);
    /// match block_on(file.zero_range(0, 4096)) {
    ///     Ok(()) => assert_eq!(block_on(file.read_at(vec![1; 1], 0))?.1, [0]),
    ///     Err(error) => assert_eq!(error.errno(), Some(annulus_ring::Errno::EOPNOTSUPP)),
    /// }
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "write_zeroes_at")]
    #[doc(alias = "FALLOC_FL_ZERO_RANGE")]
    pub fn zero_range(&self, offset: u64, bytes: u64) -> Op<Allocate> {
        let mode = FallocateMode::ZERO_RANGE | FallocateMode::KEEP_SIZE;
        self.fallocate(mode, offset, bytes)
    }

    /// Takes the range out: what follows moves to its beginning, and the file is so much shorter.
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate), and:
    /// - `EINVAL`: the range is not made of whole blocks, or reaches the end of the file
    ///   ([`truncate`](Self::truncate) then).
    /// - `EOPNOTSUPP`: only ext4, XFS and F2FS can.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-collapse-{}", std::process::id()));
    /// # std::fs::write(&path, [7; 8192])?;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::options().read(true).write(true).open(&path)?);
    /// match block_on(file.collapse_range(0, 4096)) {
    ///     Ok(()) => assert_eq!(block_on(file.metadata())?.len(), 4096),
    ///     Err(error) => assert_eq!(error.errno(), Some(annulus_ring::Errno::EOPNOTSUPP)),
    /// }
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FALLOC_FL_COLLAPSE_RANGE")]
    pub fn collapse_range(&self, offset: u64, bytes: u64) -> Op<Allocate> {
        self.fallocate(FallocateMode::COLLAPSE_RANGE, offset, bytes)
    }

    /// Puts `bytes` zeros in at `offset`: what was there moves behind them, and the file is so much
    /// longer.
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate), and:
    /// - `EINVAL`: the range is not made of whole blocks, or does not begin before the end of the
    ///   file ([`truncate`](Self::truncate) then).
    /// - `EOPNOTSUPP`: only ext4, XFS and F2FS can.
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-insert-{}", std::process::id()));
    /// # std::fs::write(&path, [7; 8192])?;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::options().read(true).write(true).open(&path)?);
    /// match block_on(file.insert_range(4096, 4096)) {
    ///     Ok(()) => assert_eq!(block_on(file.metadata())?.len(), 12288),
    ///     Err(error) => assert_eq!(error.errno(), Some(annulus_ring::Errno::EOPNOTSUPP)),
    /// }
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "FALLOC_FL_INSERT_RANGE")]
    pub fn insert_range(&self, offset: u64, bytes: u64) -> Op<Allocate> {
        self.fallocate(FallocateMode::INSERT_RANGE, offset, bytes)
    }

    /// Does with the range what `mode` says, as `fallocate(2)`: what the methods above do, and the
    /// rest, such as [`KEEP_SIZE`](FallocateMode::KEEP_SIZE) (reserve behind the end of the file)
    /// and [`UNSHARE_RANGE`](FallocateMode::UNSHARE_RANGE).
    ///
    /// # Errors
    /// Those of [`allocate`](Self::allocate), and `EINVAL` for modes that exclude each other.
    ///
    /// ```
    /// use annulus_ring::abi::FallocateMode;
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-keep-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let log = engine.file(std::fs::File::create(&path)?);
    /// block_on(log.fallocate(FallocateMode::KEEP_SIZE, 0, 1 << 20))?;
    /// assert_eq!(block_on(log.metadata())?.len(), 0);
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_FALLOCATE")]
    pub fn fallocate(&self, mode: FallocateMode, offset: u64, bytes: u64) -> Op<Allocate> {
        self.op(Allocate { file: self.open(), mode, offset, bytes })
    }

    /// Makes the file `bytes` bytes long, as `ftruncate(2)`: what is cut off is lost, what is added
    /// reads as zeros and has no space reserved.
    ///
    /// # Errors
    /// - `EINVAL`: the file is not open for writing, is no regular file, or the length is over
    ///   2⁶³ − 1.
    /// - `EFBIG`: past what the file system, or `RLIMIT_FSIZE`, allows.
    /// - `EPERM`: immutable, append-only or sealed. `ETXTBSY` (26): it is a program that runs.
    /// - `EIO`: the device failed.
    /// - Before Linux 6.9 also `EAGAIN`, `EMFILE`, `ENFILE`: no thread or descriptor to do it with.
    /// - [Those of every operation](File#errors-of-every-operation). Neither a cancel nor a
    ///   deadline says that it is as long as before.
    ///
    /// # Before Linux 6.9
    /// The ring has no such operation, and the call may wait for the disk, which is neither for the
    /// caller's thread nor for the driver's: a thread of its own makes it, for the length of the
    /// call. That costs some tens of microseconds, as the ring's way does. A cancel or deadline
    /// ends the wait for it, not the call. In a chain ([`Op::then`]) it fails with `EINVAL`.
    ///
    /// See [ftruncate(2)](https://man7.org/linux/man-pages/man2/ftruncate.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-truncate-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::create(&path)?);
    /// block_on(file.truncate(1 << 30))?;
    /// let metadata = block_on(file.metadata())?;
    /// assert_eq!((metadata.len(), metadata.blocks()), (1 << 30, 0));
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "ftruncate")]
    #[doc(alias = "set_len")]
    #[doc(alias = "IORING_OP_FTRUNCATE")]
    pub fn truncate(&self, bytes: u64) -> Op<Truncate> {
        self.op(Truncate::new(self.open(), bytes, self.engine().has(Opcode::FTRUNCATE)))
    }

    /// Says how `bytes` bytes from `offset` on will be used, as `posix_fadvise(2)` (0 bytes: to the
    /// end). Linux may do nothing about it.
    ///
    /// # Errors
    /// - `EINVAL`: the length is over 2⁶³ − 1; before Linux 6.11 also over 4 GiB − 1, for the kinds
    ///   that go by the ring: say 0.
    /// - `ESPIPE`: a pipe.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// `Normal`, `Sequential` and `Random` are noted at once on this thread; the others go by the
    /// ring (`IORING_OP_FADVISE`, Linux 5.6), which gives them to a thread of the kernel.
    ///
    /// See [posix_fadvise(2)](https://man7.org/linux/man-pages/man2/posix_fadvise.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use annulus_runtime::engine::Advice;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.advise(0, 0, Advice::WillNeed)).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "posix_fadvise")]
    #[doc(alias = "IORING_OP_FADVISE")]
    pub fn advise(&self, offset: u64, bytes: u64, advice: Advice) -> Op<Advise> {
        self.op(Advise { file: self.open(), offset, bytes, advice })
    }
}

#[cfg(all(test, not(any(loom, miri))))]
mod tests {
    use super::*;
    use crate::Engine;
    use futures::executor::block_on;

    /// As on a Linux before 6.9, whichever this is.
    #[test]
    fn without_the_operation_a_helper_truncates() {
        let (done, ended) = std::sync::mpsc::channel();
        let test = std::thread::spawn(move || {
            helpers_truncate();
            let _ = done.send(());
        });
        // A helper that nobody hears of would be waited for without an end. A panic is told below.
        let ended = ended.recv_timeout(core::time::Duration::from_secs(30));
        assert_ne!(ended, Err(std::sync::mpsc::RecvTimeoutError::Timeout), "it hangs");
        test.join().expect("it passes");
    }

    fn helpers_truncate() {
        let path = std::env::temp_dir().join(format!("annulus-helper-{}", std::process::id()));
        let engine = Engine::new().expect("an engine");
        let file = engine.file(std::fs::File::create(&path).expect("a file"));
        let truncate = |bytes| block_on(file.op(Truncate::new(file.open(), bytes, false)));
        truncate(1 << 20).expect("longer");
        assert_eq!(std::fs::metadata(&path).expect("it is there").len(), 1 << 20);
        truncate(5).expect("shorter");
        assert_eq!(std::fs::metadata(&path).expect("it is there").len(), 5);
        let errno = truncate(1 << 63).expect_err("negative").errno();
        assert_eq!(errno, Some(annulus_ring::Errno::EINVAL));
        let readable = engine.file(std::fs::File::open(&path).expect("a file"));
        let truncate = readable.op(Truncate::new(readable.open(), 0, false));
        let errno = block_on(truncate).expect_err("read-only").errno();
        assert_eq!(errno, Some(annulus_ring::Errno::EINVAL));
        assert_eq!(engine.metrics().shipped, 4, "each was waited for by the ring");
        std::fs::remove_file(path).expect("it is there");
    }
}
