//! Asking for a file's metadata, and whether there is a file.

use std::path::Path;

use annulus_ring::abi::{self, AtFlags, Sqe, StatxMask};
use annulus_ring::{Errno, op};

use super::name::Name;
use super::{Anchor, PathError, op_on};
use crate::engine::{Engine, Metadata, Op};
use crate::operation::{Completion, Operation};

/// Asking for a file's metadata: see [`Engine::metadata`].
#[derive(Debug)]
pub struct StatAt {
    anchor: Anchor,
    name: Name,
    flags: AtFlags,
    mask: StatxMask,
    found: abi::Statx,
}

impl StatAt {
    pub(super) fn new(anchor: Anchor, path: &Path, flags: AtFlags, mask: StatxMask) -> Self {
        Self { anchor, name: Name::new(path), flags, mask, found: abi::Statx::default() }
    }
}

// SAFETY: the entry points to the path, which is owned here, and to `found`, which is in `self`,
// which is not moved; and it names a directory that is kept open here.
unsafe impl Operation for StatAt {
    type Output = Result<Metadata, PathError>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.name.refusal()
    }

    fn entry(&mut self) -> Sqe {
        let statx = op::Statx::new(self.anchor.at(), self.name.as_ptr(), &raw mut self.found);
        // What is no name fails in a chain, where nobody looked: it is not the directory itself.
        let flags = if self.name.is_valid() { self.flags } else { AtFlags::empty() };
        statx.flags(flags).mask(self.mask).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(_) => Ok(Metadata::new(self.found)),
            Err(errno) => Err(PathError::of(
                &completion,
                errno,
                self.name.invalid(),
                "read the metadata of",
                self.name,
            )),
        }
    }

    fn reclaim(self, _: Completion) {
        // What was found goes with it.
    }
}

/// Asking whether there is a file: see [`Engine::exists`].
#[derive(Debug)]
pub struct Exists(StatAt);

impl Exists {
    pub(super) fn new(anchor: Anchor, path: &Path) -> Self {
        Self(StatAt::new(anchor, path, AtFlags::empty(), StatxMask::TYPE))
    }
}

// SAFETY: all of it is the other's, which is in `self`.
unsafe impl Operation for Exists {
    type Output = Result<bool, PathError>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.0.attempt()
    }

    fn entry(&mut self) -> Sqe {
        self.0.entry()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        if completion.result == Err(Errno::ENOENT) {
            return Ok(false);
        }
        self.0.complete(completion).map(|_| true)
    }

    fn reclaim(self, completion: Completion) {
        self.0.reclaim(completion);
    }
}

impl Engine {
    /// What is known of the file at `path`; a symbolic link is followed (`statx(2)`;
    /// `IORING_OP_STATX`, Linux 5.6).
    ///
    /// # Errors
    /// - `ENOENT`: no such file, or the path is empty.
    /// - `EACCES`: a directory of the path may not be searched. `ENOTDIR`: a part of it is none.
    /// - `ELOOP`: too many symbolic links. `ENAMETOOLONG`: the path, or a name in it, is too long.
    /// - `EIO`, `ESTALE` (116): the device, or the server, failed.
    /// - Of kind `InvalidInput`, without a number: there is a zero byte in the path.
    ///
    /// # Cost
    /// The kernel gives it to a thread of its own. Where all is in memory one at a time takes 14 µs
    /// of CPU time, and each of 32 together 2.2, against 0.8 of a `statx(2)` (measured on Linux
    /// 6.18). It is for paths that may make it wait: a server's, a slow disk's.
    ///
    /// See [statx(2)](https://man7.org/linux/man-pages/man2/statx.2.html),
    /// [io_uring_prep_statx(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_statx.3.html).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let found = block_on(engine.metadata("src"))?;
    /// assert!(found.is_dir() && found.modified().is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "stat")]
    #[doc(alias = "IORING_OP_STATX")]
    pub fn metadata(&self, path: impl AsRef<Path>) -> Op<StatAt> {
        self.statx(path, AtFlags::empty(), Metadata::MASK)
    }

    /// As [`metadata`](Self::metadata), of a symbolic link itself.
    ///
    /// # Errors
    /// Those of [`metadata`](Self::metadata).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// assert!(block_on(engine.symlink_metadata("/proc/self/exe"))?.is_symlink());
    /// assert!(block_on(engine.metadata("/proc/self/exe"))?.is_file());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "lstat")]
    pub fn symlink_metadata(&self, path: impl AsRef<Path>) -> Op<StatAt> {
        self.statx(path, AtFlags::SYMLINK_NOFOLLOW, Metadata::MASK)
    }

    /// As [`metadata`](Self::metadata), of what `mask` asks for; `flags` say how the path is meant
    /// (`SYMLINK_NOFOLLOW`, `NO_AUTOMOUNT`) and how fresh the answer must be (`STATX_FORCE_SYNC`,
    /// `STATX_DONT_SYNC`). To ask for less may spare a question to a server.
    ///
    /// # Errors
    /// Those of [`metadata`](Self::metadata), and `EINVAL` for flags or a mask that the kernel does
    /// not know.
    ///
    /// ```
    /// use annulus_ring::abi::{AtFlags, StatxMask};
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let asked = engine.statx("Cargo.toml", AtFlags::STATX_DONT_SYNC, StatxMask::SIZE);
    /// let found = block_on(asked)?;
    /// assert!(found.as_statx().stx_mask.contains(StatxMask::SIZE) && found.len() > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn statx(&self, path: impl AsRef<Path>, flags: AtFlags, mask: StatxMask) -> Op<StatAt> {
        op_on(self, StatAt::new(Anchor::CWD, path.as_ref(), flags, mask))
    }

    /// Whether there is a file at `path`; a symbolic link is followed, and one that leads nowhere
    /// is none. It may be otherwise by the time that the answer is read: who opens what may not be
    /// there opens it, and looks at the error.
    ///
    /// # Errors
    /// Those of [`metadata`](Self::metadata) but `ENOENT`: where a directory may not be searched,
    /// nobody knows.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// assert!(block_on(engine.exists("Cargo.toml"))?);
    /// assert!(!block_on(engine.exists("no/such/file"))?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "try_exists")]
    pub fn exists(&self, path: impl AsRef<Path>) -> Op<Exists> {
        op_on(self, Exists::new(Anchor::CWD, path.as_ref()))
    }
}
