//! [`Opening`]: opening a file. The descriptor has an owner from the moment the kernel gives it.
//!
//! # FIFOs
//! What the name cache can answer the kernel opens at once when it takes the entry, and it does so
//! as with `O_NONBLOCK`: a FIFO opens for reading although nobody writes to it, and for writing it
//! fails with `ENXIO` if nobody reads. `open(2)` waits in both cases. So does this:
//!
//! ```text
//! for writing:  ENXIO            → the same entry again, for a thread of the kernel, which waits
//! for reading:  it is a FIFO     → is kept, and two things are waited for, whichever comes first:
//!                                    the same entry again, as above: a writer is there
//!                                    data, or a hang-up: a writer was there in between
//! ```
//!
//! Without the second a writer would be missed that came after the first open, which let it in,
//! and left before the second.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use core::time::Duration;
use std::os::fd::RawFd;
use std::path::Path;

use annulus_ring::abi::{OpenFlags, OpenHow, Sqe};
use annulus_ring::kernel::Process;
use annulus_ring::{Errno, Fd, op};

use super::name::Name;
use super::{Anchor, PathError, op_on};
use crate::engine::ops::PollOnce;
use crate::engine::{Engine, File, Op};
use crate::error::Invalid;
use crate::operation::{Advance, Completion, Operation, Origin};

/// Flags with which opening a FIFO never waits, or the kernel uses a thread of its own anyway.
const UNHURRIED: OpenFlags = OpenFlags(
    OpenFlags::NONBLOCK.0
        | OpenFlags::PATH.0
        | OpenFlags::DIRECTORY.0
        | OpenFlags::CREAT.0
        | OpenFlags::TRUNC.0,
);

/// Opening a path. Its result is the descriptor, and the operation once more where the file may
/// have to be waited for.
pub(crate) struct OpenAt {
    anchor: Anchor,
    name: Name,
    how: OpenHow,
    invalid: Option<Invalid>,
    /// Whether a thread of the kernel does it, which may wait.
    in_worker: bool,
}

impl OpenAt {
    pub(super) fn new(anchor: Anchor, path: &Path, how: OpenHow) -> Self {
        let name = Name::new(path);
        let invalid = name.invalid();
        Self { anchor, name, how, invalid, in_worker: false }
    }

    /// One that is not begun, since what is asked for cannot be.
    pub(super) fn refused(anchor: Anchor, path: &Path, invalid: Invalid) -> Self {
        Self { invalid: Some(invalid), ..Self::new(anchor, path, OpenHow::default()) }
    }

    /// Whether it is done now as with `O_NONBLOCK` although nobody asked for that, and for
    /// `access`.
    fn is_hurried(&self, access: OpenFlags) -> bool {
        let flags = OpenFlags(self.how.flags as u32);
        !self.in_worker
            && !flags.intersects(UNHURRIED)
            && OpenFlags(flags.0 & OpenFlags::ACCMODE.0) == access
    }
}

/// Owns what the kernel opened.
///
/// # Safety
/// - `raw` is the result of an entry that opens, taken from its completion once.
pub(super) unsafe fn adopt(raw: u32) -> Fd {
    // SAFETY: the descriptor was made for this completion: nobody else has it.
    unsafe { Fd::from_raw(raw as RawFd, Process) }
}

// SAFETY: the entry points to the path and to `how`, which are owned here, the latter in `self`,
// which is not moved; and it names a directory that is kept open here.
unsafe impl Operation for OpenAt {
    type Output = Result<(Fd, Option<Self>), PathError>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.invalid.map(|_| Completion::new(Err(Errno::EINVAL)))
    }

    fn entry(&mut self) -> Sqe {
        // What cannot be is not asked for; in a chain, where nobody looked, it fails.
        let path = if self.invalid.is_some() { c"".as_ptr() } else { self.name.as_ptr() };
        let at = self.anchor.at();
        let entry = if self.how.resolve.is_empty() {
            let (flags, mode) = (OpenFlags(self.how.flags as u32), self.how.mode as u32);
            op::OpenAt::new(at, path).flags(flags).mode(mode).build()
        } else {
            op::OpenAt2::new(at, path, &raw const self.how).build()
        };
        if self.in_worker { entry.force_async() } else { entry }
    }

    fn advances(&self) -> bool {
        true
    }

    fn advance(&mut self, completion: &mut Completion) -> Advance {
        if completion.result == Err(Errno::ENXIO) && self.is_hurried(OpenFlags::WRONLY) {
            self.in_worker = true;
            return Advance::Again;
        }
        Advance::Finished
    }

    fn complete(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(raw) => {
                // SAFETY: an open's result, and this is the one call that takes it.
                let fd = unsafe { adopt(raw) };
                let again = self.is_hurried(OpenFlags::RDONLY);
                self.in_worker = true;
                Ok((fd, again.then_some(self)))
            }
            Err(errno) => {
                let is_direct = OpenFlags(self.how.flags as u32).contains(OpenFlags::DIRECT);
                let no_direct = errno == Errno::EINVAL && is_direct;
                let why = self.invalid.or(no_direct.then_some(Invalid::NoDirect));
                Err(PathError::of(&completion, errno, why, "open", self.name))
            }
        }
    }

    fn reclaim(self, completion: Completion) {
        if let Ok(raw) = completion.result {
            // SAFETY: an open's result, and this is the one call that takes it.
            let fd = unsafe { adopt(raw) };
            #[cfg(not(broken = "opened_left_open"))]
            drop(fd);
            #[cfg(broken = "opened_left_open")]
            // The tests must find this one.
            core::mem::forget(fd);
        }
    }
}

/// The future of opening a file: `Send`, `'static`, for any runtime and any thread. Nothing happens
/// before it is first polled.
///
/// # When it is dropped
/// What was or will be opened is closed, whenever the kernel is done with it: no descriptor is
/// leaked. What was made or truncated stays so.
///
/// # Panics
/// When polled again after its result was given.
#[must_use = "nothing is opened until it is awaited"]
pub struct Opening {
    // Before the engine: what is under way is given up before the last handle is.
    stage: Stage,
    limit: Option<Duration>,
    begun: bool,
    cancelled: bool,
    engine: Engine,
}

enum Stage {
    /// The file is opened.
    Open(Op<OpenAt>),
    /// It is a FIFO, open for reading, and its writer is waited for.
    Fifo(Fifo),
    /// The result was given.
    Over,
}

/// A FIFO, open for reading, whose writer is waited for.
struct Fifo {
    file: File,
    /// The same entry once more, until it is over.
    writer: Option<Op<OpenAt>>,
    /// Until it is over.
    heard: Option<Op<PollOnce>>,
    outcome: Option<Result<(), PathError>>,
}

impl Fifo {
    /// Whether a writer is, or was, there.
    ///
    /// Both operations are over then, so nothing of ours but `file` has the FIFO open: what is left
    /// of an open would be a reader to the next writer, and would take its bytes along. (The kernel
    /// itself lets go of a file some moments after the completion.)
    fn poll_writer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PathError>> {
        if let Some(writer) = &mut self.writer
            && let Poll::Ready(opened) = Pin::new(writer).poll(cx)
        {
            self.writer = None;
            self.outcome.get_or_insert(opened.map(drop));
            if let Some(heard) = &mut self.heard {
                heard.cancel();
            }
        }
        if let Some(heard) = &mut self.heard
            && let Poll::Ready(was_heard) = Pin::new(heard).poll(cx)
        {
            self.heard = None;
            // Nothing was heard if the engine ends: that ends the other, too, which says so.
            if was_heard.is_ok() {
                self.outcome.get_or_insert(Ok(()));
                if let Some(writer) = &mut self.writer {
                    writer.cancel();
                }
            }
        }
        if self.writer.is_some() || self.heard.is_some() {
            return Poll::Pending;
        }
        Poll::Ready(self.outcome.take().expect("the open gave one when it was over"))
    }
}

impl Opening {
    pub(super) fn new(engine: Engine, operation: OpenAt) -> Self {
        let stage = Stage::Open(op_on(&engine, operation));
        Self { stage, limit: None, begun: false, cancelled: false, engine }
    }

    /// Ends it if it takes longer than `limit` from the first poll on: it fails then, and
    /// [`is_timeout`](crate::Error::is_timeout) says so. Past the first poll this changes nothing.
    ///
    /// What may take long is a FIFO without its other end, a file system on a network, a device.
    /// Until it is known that a FIFO is one the time counts apart.
    ///
    /// ```
    /// use std::time::Duration;
    /// # use annulus_runtime::Engine;
    /// # let engine = Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-fifo-{}", std::process::id()));
    /// # std::process::Command::new("mkfifo").arg(&path).status()?;
    /// let opening = engine.open(&path).deadline(Duration::from_millis(5)); // a FIFO
    /// let error = futures::executor::block_on(opening).unwrap_err(); // to which nobody writes
    /// assert!(error.error().is_timeout());
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "timeout")]
    pub fn deadline(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        if let Stage::Open(op) = core::mem::replace(&mut self.stage, Stage::Over) {
            self.stage = Stage::Open(op.deadline(limit));
        }
        self
    }

    /// Asks the kernel to end it; the result is awaited as before. It may be the file all the same.
    /// Before the first poll this changes nothing.
    ///
    /// ```
    /// # use annulus_runtime::Engine;
    /// # use futures::{executor::block_on, future::poll_immediate};
    /// # let engine = Engine::new()?;
    /// # let path = std::env::temp_dir().join(format!("annulus-cancel-{}", std::process::id()));
    /// # std::process::Command::new("mkfifo").arg(&path).status()?;
    /// let mut opening = engine.open(&path); // a FIFO to which nobody writes
    /// assert!(block_on(poll_immediate(&mut opening)).is_none());
    /// opening.cancel();
    /// assert!(block_on(opening).unwrap_err().error().is_cancelled());
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn cancel(&mut self) {
        match &mut self.stage {
            Stage::Open(op) => {
                // It may be too late for this part, but then it is soon enough for the next.
                self.cancelled = self.begun;
                op.cancel();
            }
            Stage::Fifo(Fifo { writer: Some(writer), .. }) => writer.cancel(),
            Stage::Fifo(_) => {}
            Stage::Over => {}
        }
    }

    /// Takes its first part out, which somebody else awaits and gives to
    /// [`resume`](Self::resume); `None` if it was begun.
    pub(crate) fn split(mut self) -> Option<(Self, Op<OpenAt>)> {
        match core::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Open(op) if !self.begun => Some((self, op)),
            _ => None,
        }
    }

    /// The file that was opened; or what is left to be awaited.
    pub(crate) fn resume(mut self, opened: (Fd, Option<OpenAt>)) -> Result<File, Box<Self>> {
        let (fd, again) = opened;
        let file = File::new(self.engine.clone(), fd);
        match again {
            Some(again) if file.open().is_pipe() => {
                self.stage = self.wait_for_writer(file, again);
                Err(Box::new(self))
            }
            _ => Ok(file),
        }
    }

    /// Waits for the writer of a FIFO that was opened without waiting.
    fn wait_for_writer(&self, file: File, again: OpenAt) -> Stage {
        let mut writer = op_on(&self.engine, again);
        if let Some(limit) = self.limit {
            writer = writer.deadline(limit);
        }
        let heard = Some(file.readable());
        Stage::Fifo(Fifo { file, writer: Some(writer), heard, outcome: None })
    }
}

impl Future for Opening {
    type Output = Result<File, PathError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.begun = true;
        if let Stage::Open(op) = &mut this.stage {
            let result = ready!(Pin::new(op).poll(cx));
            this.stage = Stage::Over;
            let (fd, again) = result?;
            let file = File::new(this.engine.clone(), fd);
            match again {
                Some(again) if file.open().is_pipe() && this.cancelled => {
                    let cancelled = again.complete(Completion::refused(Origin::Cancelled));
                    return Poll::Ready(cancelled.map(|_| file));
                }
                Some(again) if file.open().is_pipe() => {
                    this.stage = this.wait_for_writer(file, again);
                }
                _ => return Poll::Ready(Ok(file)),
            }
        }
        let Stage::Fifo(fifo) = &mut this.stage else {
            panic!("an open was polled after its result was given");
        };
        let waited = ready!(fifo.poll_writer(cx));
        match core::mem::replace(&mut this.stage, Stage::Over) {
            Stage::Fifo(fifo) => Poll::Ready(waited.map(|()| fifo.file)),
            Stage::Open(_) | Stage::Over => unreachable!("it was there above"),
        }
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Open(op) => return f.debug_tuple("Opening").field(op).finish(),
            Stage::Fifo(_) => "waits for a writer",
            Stage::Over => "over",
        };
        f.debug_tuple("Opening").field(&format_args!("{stage}")).finish()
    }
}

impl Engine {
    /// Opens a file for reading (`openat(2)`; `IORING_OP_OPENAT`, Linux 5.6).
    ///
    /// # Errors
    /// - `ENOENT`: no such file, or a directory of the path is missing.
    /// - `EACCES`, `EPERM`: not allowed. `EROFS`: writing on a read-only file system.
    /// - `ENOTDIR`: a part of the path is no directory. `EISDIR`: writing to a directory.
    /// - `EEXIST`: it is there, and [`create_new`](crate::engine::OpenOptions::create_new) wants a
    ///   new one.
    /// - `ELOOP`: too many symbolic links. `ENAMETOOLONG`: the path has more than 4095 bytes, or a
    ///   name in it more than 255.
    /// - `EMFILE`: the process has no descriptor left: close some, or raise `RLIMIT_NOFILE`.
    ///   `ENFILE`: the system has none left. `ENOSPC`, `EDQUOT` (122): no room for a new file.
    /// - `EINVAL`: flags that the file system has not, such as direct I/O.
    /// - `ENXIO`, `ENODEV`, `EBUSY`, `ETXTBSY` (26), `EOVERFLOW`, `EAGAIN`: see `open(2)`.
    /// - Of kind `InvalidInput`, without a number: there is a zero byte in the path.
    ///
    /// A FIFO is waited for as `open(2)` does: until its other end is opened. Devices whose names
    /// are cached are opened as with `O_NONBLOCK`, which is taken off again: a terminal does not
    /// wait for its line.
    ///
    /// See [openat(2)](https://man7.org/linux/man-pages/man2/openat.2.html),
    /// [io_uring_prep_openat(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_openat.3.html).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = block_on(engine.open("Cargo.toml"))?;
    /// let (n, buf) = block_on(file.read_at(vec![0; 9], 0))?;
    /// assert_eq!(&buf[..n], b"[package]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "openat")]
    #[doc(alias = "IORING_OP_OPENAT")]
    pub fn open(&self, path: impl AsRef<Path>) -> Opening {
        super::OpenOptions::new().read(true).open(self, path)
    }

    /// Makes a file, or cuts one to nothing, and opens it for writing.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let path = std::env::temp_dir().join(format!("annulus-create-{}", std::process::id()));
    /// let file = block_on(engine.create(&path))?;
    /// block_on(file.write_all_at(b"ring", 0))?;
    /// assert_eq!(std::fs::read(&path)?, b"ring");
    /// block_on(engine.remove_file(&path))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "creat")]
    pub fn create(&self, path: impl AsRef<Path>) -> Opening {
        super::OpenOptions::new().write(true).create(true).truncate(true).open(self, path)
    }
}
