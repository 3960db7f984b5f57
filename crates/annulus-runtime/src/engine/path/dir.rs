//! [`Dir`]: an open directory, where relative paths begin.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::path::Path;

use annulus_ring::abi::{AtFlags, OpenFlags, RenameFlags, StatxMask};

use super::change::{Change, Move, Symlink};
use super::names::DIR_MODE;
use super::open::Opening;
use super::stat::{Exists, StatAt};
use super::{Anchor, OpenOptions, PathError, op_on};
use crate::engine::{Engine, File, Metadata, Op};

/// An open directory, at which relative paths begin: what is done in it is done there, also if it
/// is renamed meanwhile, or another takes its name.
///
/// It keeps nobody in it: `..`, a symbolic link or an absolute path leads out.
/// [`OpenOptions::resolve`] with `BENEATH` is what keeps a stranger's path inside.
///
/// ```
/// use futures::executor::block_on;
/// let engine = annulus_runtime::Engine::new()?;
/// let src = block_on(engine.open_dir("src"))?;
/// assert!(block_on(src.exists("lib.rs"))?);
/// let file = block_on(src.open("lib.rs"))?;
/// assert!(block_on(file.read_at(vec![0; 16], 0))?.0 > 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dir {
    file: File,
}

impl Dir {
    /// The directory that `file` is. One that was opened as a name only (`O_PATH`) will do.
    ///
    /// A file that is no directory is found out when it is used: `ENOTDIR`.
    ///
    /// ```
    /// use annulus_runtime::engine::Dir;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let dir = Dir::new(engine.file(std::fs::File::open("src")?));
    /// assert!(futures::executor::block_on(dir.exists("lib.rs"))?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(file: File) -> Self {
        Self { file }
    }

    /// Its descriptor as a file: to write its names to the device, after a rename, say.
    ///
    /// ```
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = futures::executor::block_on(engine.open_dir("src"))?;
    /// let _file = dir.file();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn engine(&self) -> &Engine {
        self.file.engine()
    }

    pub(super) fn anchor(&self) -> Anchor {
        Anchor(Some(self.file.open()))
    }

    /// As [`Engine::open`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::open`], and `ENOTDIR`: this is no directory.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("src"))?;
    /// let file = block_on(dir.open("lib.rs"))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "openat")]
    pub fn open(&self, path: impl AsRef<Path>) -> Opening {
        OpenOptions::new().read(true).open_at(self, path)
    }

    /// As [`Engine::create`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::open`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir(std::env::temp_dir()))?;
    /// let name = format!("annulus-dir-create-{}", std::process::id());
    /// block_on(dir.create(&name))?;
    /// block_on(dir.remove_file(&name))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create(&self, path: impl AsRef<Path>) -> Opening {
        OpenOptions::new().write(true).create(true).truncate(true).open_at(self, path)
    }

    /// As [`Engine::open_dir`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::open`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("."))?;
    /// assert!(block_on(block_on(dir.open_dir("src"))?.exists("lib.rs"))?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open_dir(&self, path: impl AsRef<Path>) -> OpeningDir {
        OpeningDir(directory().open_at(self, path))
    }

    /// As [`Engine::metadata`], beginning here. Of an empty path it is the directory's own.
    ///
    /// # Errors
    /// Those of [`Engine::metadata`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("src"))?;
    /// assert!(block_on(dir.metadata("lib.rs"))?.is_file());
    /// assert!(block_on(dir.metadata(""))?.is_dir());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fstatat")]
    pub fn metadata(&self, path: impl AsRef<Path>) -> Op<StatAt> {
        self.statx(path, AtFlags::EMPTY_PATH, Metadata::MASK)
    }

    /// As [`Engine::symlink_metadata`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::metadata`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("/proc/self"))?;
    /// assert!(block_on(dir.symlink_metadata("exe"))?.is_symlink());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn symlink_metadata(&self, path: impl AsRef<Path>) -> Op<StatAt> {
        self.statx(path, AtFlags::SYMLINK_NOFOLLOW, Metadata::MASK)
    }

    /// As [`Engine::statx`], beginning here. With `EMPTY_PATH` among the flags an empty path is the
    /// directory itself.
    ///
    /// # Errors
    /// Those of [`Engine::statx`].
    ///
    /// ```
    /// use annulus_ring::abi::{AtFlags, StatxMask};
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("src"))?;
    /// let found = block_on(dir.statx("lib.rs", AtFlags::empty(), StatxMask::SIZE))?;
    /// assert!(found.len() > 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn statx(&self, path: impl AsRef<Path>, flags: AtFlags, mask: StatxMask) -> Op<StatAt> {
        op_on(self.engine(), StatAt::new(self.anchor(), path.as_ref(), flags, mask))
    }

    /// As [`Engine::exists`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::exists`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("src"))?;
    /// assert!(!block_on(dir.exists("no.rs"))?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exists(&self, path: impl AsRef<Path>) -> Op<Exists> {
        op_on(self.engine(), Exists::new(self.anchor(), path.as_ref()))
    }

    /// As [`Engine::rename`]: `old` begins here, `new` at `new_dir`, which may be this one.
    ///
    /// # Errors
    /// Those of [`Engine::rename`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("src"))?;
    /// let error = block_on(dir.rename("no.rs", &dir, "other.rs")).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::ENOENT));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "renameat")]
    pub fn rename(&self, old: impl AsRef<Path>, new_dir: &Self, new: impl AsRef<Path>) -> Op<Move> {
        self.rename_with(old, new_dir, new, RenameFlags::empty())
    }

    /// As [`Engine::rename_with`]: `old` begins here, `new` at `new_dir`.
    ///
    /// # Errors
    /// Those of [`Engine::rename_with`].
    ///
    /// ```
    /// use annulus_ring::abi::RenameFlags;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("."))?;
    /// let rename = dir.rename_with("Cargo.toml", &dir, "src", RenameFlags::NOREPLACE);
    /// assert_eq!(block_on(rename).unwrap_err().errno(), Some(annulus_ring::Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "renameat2")]
    pub fn rename_with(
        &self,
        old: impl AsRef<Path>,
        new_dir: &Self,
        new: impl AsRef<Path>,
        flags: RenameFlags,
    ) -> Op<Move> {
        let (old, new) = ((self.anchor(), old.as_ref()), (new_dir.anchor(), new.as_ref()));
        op_on(self.engine(), Move::rename(old, new, flags))
    }

    /// As [`Engine::hard_link`]: `old` begins here, `new` at `new_dir`.
    ///
    /// # Errors
    /// Those of [`Engine::hard_link`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("."))?;
    /// let error = block_on(dir.hard_link("Cargo.toml", &dir, "src")).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "linkat")]
    pub fn hard_link(
        &self,
        old: impl AsRef<Path>,
        new_dir: &Self,
        new: impl AsRef<Path>,
    ) -> Op<Move> {
        let (old, new) = ((self.anchor(), old.as_ref()), (new_dir.anchor(), new.as_ref()));
        op_on(self.engine(), Move::hard_link(old, new))
    }

    /// As [`Engine::symlink`]: `path` begins here.
    ///
    /// # Errors
    /// Those of [`Engine::symlink`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("."))?;
    /// let error = block_on(dir.symlink("anywhere", "src")).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "symlinkat")]
    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Op<Symlink> {
        op_on(self.engine(), Symlink::new(target.as_ref(), self.anchor(), path.as_ref()))
    }

    /// As [`Engine::remove_file`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::remove_file`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("."))?;
    /// let error = block_on(dir.remove_file("src")).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::EISDIR));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "unlinkat")]
    pub fn remove_file(&self, path: impl AsRef<Path>) -> Op<Change> {
        op_on(self.engine(), Change::remove_file(self.anchor(), path.as_ref()))
    }

    /// As [`Engine::remove_dir`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::remove_dir`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("."))?;
    /// let error = block_on(dir.remove_dir("src")).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::ENOTEMPTY));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remove_dir(&self, path: impl AsRef<Path>) -> Op<Change> {
        op_on(self.engine(), Change::remove_dir(self.anchor(), path.as_ref()))
    }

    /// As [`Engine::create_dir`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::create_dir`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("."))?;
    /// let error = block_on(dir.create_dir("src")).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "mkdirat")]
    pub fn create_dir(&self, path: impl AsRef<Path>) -> Op<Change> {
        self.create_dir_with(path, DIR_MODE)
    }

    /// As [`Engine::create_dir_with`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::create_dir`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir(std::env::temp_dir()))?;
    /// let name = format!("annulus-dir-mode-{}", std::process::id());
    /// block_on(dir.create_dir_with(&name, 0o700))?;
    /// block_on(dir.remove_dir(&name))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create_dir_with(&self, path: impl AsRef<Path>, mode: u32) -> Op<Change> {
        op_on(self.engine(), Change::create_dir(self.anchor(), path.as_ref(), mode))
    }
}

/// How a directory is opened: to begin paths there, and to write its names to the device.
fn directory() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(OpenFlags::DIRECTORY);
    options
}

impl OpenOptions {
    /// As [`open`](Self::open); a relative path begins at `dir`.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    ///
    /// ```
    /// use annulus_ring::{Errno, abi::ResolveFlags};
    /// use annulus_runtime::engine::OpenOptions;
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let src = block_on(engine.open_dir("src"))?;
    /// let mut inside = OpenOptions::new();
    /// inside.read(true).resolve(ResolveFlags::BENEATH);
    /// let file = block_on(inside.open_at(&src, "lib.rs"))?;
    /// let escape = block_on(inside.open_at(&src, "../Cargo.toml"));
    /// assert_eq!(escape.unwrap_err().errno(), Some(Errno::EXDEV));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open_at(&self, dir: &Dir, path: impl AsRef<Path>) -> Opening {
        Opening::new(dir.engine().clone(), self.operation(dir.anchor(), path.as_ref()))
    }
}

impl Engine {
    /// Opens a directory: for paths to begin at, and to write its names to the device.
    ///
    /// It is opened for reading. Where only searching it is allowed, open it as a name only
    /// (`O_PATH`) and make a [`Dir`] of the [`File`].
    ///
    /// # Errors
    /// Those of [`open`](Self::open): `ENOTDIR` if it is none.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let src = block_on(engine.open_dir("src"))?;
    /// assert!(block_on(src.exists("lib.rs"))?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open_dir(&self, path: impl AsRef<Path>) -> OpeningDir {
        OpeningDir(directory().open(self, path))
    }
}

/// The future of opening a directory: see [`Opening`].
#[derive(Debug)]
#[must_use = "nothing is opened until it is awaited"]
pub struct OpeningDir(Opening);

impl OpeningDir {
    /// As [`Opening::deadline`].
    ///
    /// ```
    /// use std::time::Duration;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let opening = engine.open_dir("src").deadline(Duration::from_secs(5));
    /// futures::executor::block_on(opening)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn deadline(self, limit: Duration) -> Self {
        Self(self.0.deadline(limit))
    }
}

impl Future for OpeningDir {
    type Output = Result<Dir, PathError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map_ok(Dir::new)
    }
}
