//! [`Dir`]: an open directory, where relative paths begin.

use core::fmt;
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Component, Path};

use annulus_ring::Errno;
use annulus_ring::abi::{AtFlags, OpenFlags, ResolveFlags, StatxMask};
use annulus_runtime::buffer::IoBuf;
use annulus_runtime::{LocalOp, engine};

use super::dir_builder::{DIR_MODE, InDir};
use super::names::create_with_parents;
use super::replace::replace_in;
use super::{File, Metadata, OpenOptions, PathError, Rename, ReplaceError, WriteError, whole};

/// An open directory: what is done in it is done there, also if it is renamed meanwhile, or another
/// takes its name.
///
/// It keeps nobody inside: `..`, a symbolic link or an absolute path leads out, unless it is
/// [`beneath`](Self::beneath).
///
/// What it has no method for, a [`File`] has that was opened in it: extended attributes, direct
/// I/O, locks. How a directory is made in it, a [`DirBuilder`](super::DirBuilder) says.
///
/// Its clones are the same descriptor. All of its methods *cancel and discard*, or are *resumable*,
/// as the functions of this module that have the same names, and have their errors, and `ENOTDIR`.
///
/// ```
/// use annulus::fs::Dir;
/// annulus::run(async {
///     let src = Dir::open("src").await?;
///     assert!(src.try_exists("lib.rs").await?);
///     assert!(src.read_to_string("lib.rs").await?.starts_with("//!"));
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Dir {
    dir: engine::Dir,
    beneath: bool,
}

/// A name only, of a directory or of anything.
const NAME: OpenFlags = OpenFlags::PATH;

impl Dir {
    /// Opens a directory.
    ///
    /// *Resumable*: what was opened is closed.
    ///
    /// # Errors
    /// Those of [`File::open`]; `ENOTDIR`: it is something else.
    ///
    /// ```
    /// use annulus::{Errno, fs::Dir};
    /// let error = annulus::run(Dir::open("Cargo.toml"))?.unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::ENOTDIR));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, PathError> {
        Ok(Self::from(directory(OpenFlags::empty()).open(path).await?))
    }

    /// Has everything stay beneath this directory, whoever names the path: where a path leads out,
    /// by `..`, as an absolute one or by a symbolic link, it fails with `EXDEV`. Also of those that
    /// are [opened](Self::open_dir) in it.
    ///
    /// What io_uring has no such way for (all but opening) is done relative to the path's own
    /// directory, which is opened so: one operation more. The path's last part must be a name then,
    /// not `..`: `EINVAL`.
    ///
    /// By `openat2(2)` (`RESOLVE_BENEATH`, Linux 5.6).
    ///
    /// ```
    /// use annulus::{Errno, fs::Dir};
    /// annulus::run(async {
    ///     let src = Dir::open("src").await?.beneath();
    ///     assert!(src.try_exists("lib.rs").await?);
    ///     let error = src.read("../Cargo.toml").await.unwrap_err();
    ///     assert_eq!(error.errno(), Some(Errno::EXDEV));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "RESOLVE_BENEATH")]
    pub fn beneath(self) -> Self {
        Self { beneath: true, ..self }
    }

    /// Opens a file in it, to be read.
    ///
    /// *Resumable*: what was opened is closed.
    ///
    /// # Errors
    /// Those of [`File::open`].
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let file = Dir::open("src").await?.open_file("lib.rs").await?;
    ///     assert!(file.metadata().await?.is_file());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "openat")]
    pub async fn open_file(&self, path: impl AsRef<Path>) -> Result<File, PathError> {
        self.open_file_with(path, OpenOptions::new().read(true)).await
    }

    /// Opens a file in it as the options say.
    ///
    /// *Cancel and discard*: a file that was made or truncated stays so.
    ///
    /// # Errors
    /// Those of [`OpenOptions::open`].
    ///
    /// ```
    /// use annulus::fs::{Dir, File};
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-file-{}", std::process::id());
    ///     dir.open_file_with(&name, File::options().write(true).create_new(true)).await?;
    ///     dir.remove_file(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn open_file_with(
        &self,
        path: impl AsRef<Path>,
        options: &OpenOptions,
    ) -> Result<File, PathError> {
        options.open_at(&self.dir, path.as_ref(), self.resolve()).await
    }

    /// Opens a directory in it, which is beneath itself if this is.
    ///
    /// *Resumable*: what was opened is closed.
    ///
    /// # Errors
    /// Those of [`open`](Self::open).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let src = Dir::open(".").await?.open_dir("src").await?;
    ///     assert!(src.try_exists("lib.rs").await?);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn open_dir(&self, path: impl AsRef<Path>) -> Result<Self, PathError> {
        let options = directory(OpenFlags::empty());
        let file = options.open_at(&self.dir, path.as_ref(), self.resolve()).await?;
        Ok(Self { beneath: self.beneath, ..Self::from(file) })
    }

    /// The whole content of a file in it: see [`read`](super::read).
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`read`](super::read).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     assert!(Dir::open("src").await?.read("lib.rs").await?.starts_with(b"//!"));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read(&self, path: impl AsRef<Path>) -> Result<Vec<u8>, PathError> {
        let path = path.as_ref();
        whole::content(&self.open_file(path).await?, path).await
    }

    /// The same as text: see [`read_to_string`](super::read_to_string).
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`read_to_string`](super::read_to_string).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     assert!(Dir::open("src").await?.read_to_string("lib.rs").await?.starts_with("//!"));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_to_string(&self, path: impl AsRef<Path>) -> Result<String, PathError> {
        let path = path.as_ref();
        whole::text(self.read(path).await?, path)
    }

    /// Makes a file in it of the buffer, or replaces the content of one: see
    /// [`write`](super::write()).
    ///
    /// *Cancel and discard*: the file may be empty, or have a part.
    ///
    /// # Errors
    /// Those of [`write`](super::write()).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-write-{}", std::process::id());
    ///     dir.write(&name, "ring").await?;
    ///     assert_eq!(dir.read(&name).await?, b"ring");
    ///     dir.remove_file(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn write<B: IoBuf>(
        &self,
        path: impl AsRef<Path>,
        buf: B,
    ) -> Result<B, WriteError<B>> {
        let path = path.as_ref();
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        whole::write_to(self.open_file_with(path, &options).await, path, buf).await
    }

    /// Replaces a file in it as one: see [`replace`](super::replace).
    ///
    /// *Cancel and discard*: the old content is there or the new one, whole.
    ///
    /// # Errors
    /// Those of [`replace`](super::replace).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-replace-{}", std::process::id());
    ///     dir.replace(&name, "ring").await?;
    ///     assert_eq!(dir.read(&name).await?, b"ring");
    ///     dir.remove_file(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn replace<B: IoBuf>(
        &self,
        path: impl AsRef<Path>,
        data: B,
    ) -> Result<B, ReplaceError<B>> {
        let path = path.as_ref();
        replace_in(self.around(path, OpenFlags::empty()).await, path, data).await
    }

    /// What is known of a file in it: see [`metadata`](super::metadata). Of an empty path it is the
    /// directory's own.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`metadata`](super::metadata).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let src = Dir::open("src").await?;
    ///     assert!(src.metadata("lib.rs").await?.is_file());
    ///     assert!(src.metadata("").await?.is_dir());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fstatat")]
    pub async fn metadata(&self, path: impl AsRef<Path>) -> Result<Metadata, PathError> {
        self.stat(path.as_ref(), OpenFlags::empty(), AtFlags::empty()).await
    }

    /// The same, of a symbolic link itself.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`metadata`](super::metadata).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let own = Dir::open("/proc/self").await?;
    ///     assert!(own.symlink_metadata("exe").await?.is_symlink());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn symlink_metadata(&self, path: impl AsRef<Path>) -> Result<Metadata, PathError> {
        self.stat(path.as_ref(), OpenFlags::NOFOLLOW, AtFlags::SYMLINK_NOFOLLOW).await
    }

    /// Whether there is something at `path`; a symbolic link is followed.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`metadata`](super::metadata) but `ENOENT`.
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     assert!(!Dir::open("src").await?.try_exists("no.rs").await?);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn try_exists(&self, path: impl AsRef<Path>) -> Result<bool, PathError> {
        match self.metadata(path).await {
            Ok(_) => Ok(true),
            Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Makes a directory in it.
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// Those of [`create_dir`](super::create_dir).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-dir-{}", std::process::id());
    ///     dir.create_dir(&name).await?;
    ///     dir.remove_dir(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "mkdirat")]
    pub async fn create_dir(&self, path: impl AsRef<Path>) -> Result<(), PathError> {
        let path = path.as_ref();
        let (dir, name) = self.around(path, NAME).await?;
        LocalOp::of(dir.create_dir(name)).await.map_err(|error| error.at(path))
    }

    /// Makes a directory in it, and those of the path that are missing.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`create_dir_all`](super::create_dir_all).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     Dir::open(".").await?.create_dir_all("src/fs").await?; // it is there
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn create_dir_all(&self, path: impl AsRef<Path>) -> Result<(), PathError> {
        let place = InDir { dir: self, mode: DIR_MODE };
        create_with_parents(&place, path.as_ref()).await
    }

    /// Removes a name in it.
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// Those of [`remove_file`](super::remove_file).
    ///
    /// ```
    /// use annulus::{Errno, fs::Dir};
    /// annulus::run(async {
    ///     let error = Dir::open(".").await?.remove_file("no.toml").await.unwrap_err();
    ///     assert_eq!(error.errno(), Some(Errno::ENOENT));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "unlinkat")]
    pub async fn remove_file(&self, path: impl AsRef<Path>) -> Result<(), PathError> {
        let path = path.as_ref();
        let (dir, name) = self.around(path, NAME).await?;
        LocalOp::of(dir.remove_file(name)).await.map_err(|error| error.at(path))
    }

    /// Removes an empty directory in it.
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// Those of [`remove_dir`](super::remove_dir).
    ///
    /// ```
    /// use annulus::{Errno, fs::Dir};
    /// annulus::run(async {
    ///     let error = Dir::open(".").await?.remove_dir("src").await.unwrap_err();
    ///     assert_eq!(error.errno(), Some(Errno::ENOTEMPTY));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn remove_dir(&self, path: impl AsRef<Path>) -> Result<(), PathError> {
        let path = path.as_ref();
        let (dir, name) = self.around(path, NAME).await?;
        LocalOp::of(dir.remove_dir(name)).await.map_err(|error| error.at(path))
    }

    /// Gives what is in it another name, in `to`, which may be this one.
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// Those of [`rename`](super::rename).
    ///
    /// ```
    /// use annulus::{Errno, fs::Dir};
    /// annulus::run(async {
    ///     let dir = Dir::open(".").await?;
    ///     let error = dir.rename("no.toml", &dir, "new.toml").await.unwrap_err();
    ///     assert_eq!(error.errno(), Some(Errno::ENOENT));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "renameat")]
    pub async fn rename(
        &self,
        old: impl AsRef<Path>,
        to: &Self,
        new: impl AsRef<Path>,
    ) -> Result<(), PathError> {
        self.rename_with(old, to, new, Rename::Replace).await
    }

    /// The same, and says what is done where the new name is taken.
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// Those of [`rename_with`](super::rename_with).
    ///
    /// ```
    /// use annulus::{Errno, fs::{Dir, Rename}};
    /// annulus::run(async {
    ///     let dir = Dir::open(".").await?;
    ///     let rename = dir.rename_with("Cargo.toml", &dir, "src", Rename::NoReplace);
    ///     assert_eq!(rename.await.unwrap_err().errno(), Some(Errno::EEXIST));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "renameat2")]
    pub async fn rename_with(
        &self,
        old: impl AsRef<Path>,
        to: &Self,
        new: impl AsRef<Path>,
        how: Rename,
    ) -> Result<(), PathError> {
        let (old, new) = (old.as_ref(), new.as_ref());
        let (from, old_name) = self.around(old, NAME).await?;
        let (to, new_name) = to.around(new, NAME).await?;
        let renamed = LocalOp::of(from.rename_with(old_name, &to, new_name, how.flags())).await;
        renamed.map_err(|error| error.at_both(old, new))
    }

    /// Gives what is in it a second name, in `to`, which may be this one.
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// Those of [`hard_link`](super::hard_link).
    ///
    /// ```
    /// use annulus::{Errno, fs::Dir};
    /// annulus::run(async {
    ///     let dir = Dir::open(".").await?;
    ///     let error = dir.hard_link("Cargo.toml", &dir, "src").await.unwrap_err();
    ///     assert_eq!(error.errno(), Some(Errno::EEXIST));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "linkat")]
    pub async fn hard_link(
        &self,
        original: impl AsRef<Path>,
        to: &Self,
        link: impl AsRef<Path>,
    ) -> Result<(), PathError> {
        let (original, link) = (original.as_ref(), link.as_ref());
        let (from, old_name) = self.around(original, NAME).await?;
        let (to, new_name) = to.around(link, NAME).await?;
        let linked = LocalOp::of(from.hard_link(old_name, &to, new_name)).await;
        linked.map_err(|error| error.at_both(original, link))
    }

    /// Makes a symbolic link in it, which leads to `target`, wherever that is: who follows it
    /// beneath a directory is kept there all the same.
    ///
    /// *Cancel and discard*: done or not.
    ///
    /// # Errors
    /// Those of [`symlink`](super::symlink).
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-symlink-{}", std::process::id());
    ///     dir.symlink("nowhere", &name).await?;
    ///     assert!(dir.symlink_metadata(&name).await?.is_symlink());
    ///     dir.remove_file(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "symlinkat")]
    pub async fn symlink(
        &self,
        target: impl AsRef<Path>,
        link: impl AsRef<Path>,
    ) -> Result<(), PathError> {
        let (target, link) = (target.as_ref(), link.as_ref());
        let (dir, name) = self.around(link, NAME).await?;
        let linked = LocalOp::of(dir.symlink(target, name)).await;
        linked.map_err(|error| error.at_both(link, target))
    }

    /// Makes its names durable: what was made, renamed or removed in it.
    ///
    /// *Cancel and discard*: it may have synced.
    ///
    /// # Errors
    /// Those of [`File::sync_all`]; `EINVAL`: the file system has no such thing for directories.
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     Dir::open(".").await?.sync_all().await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[track_caller]
    pub fn sync_all(&self) -> LocalOp<super::ops::Sync> {
        LocalOp::of(self.dir.file().sync_all())
    }

    /// Makes all of the file system durable that it is on: see [`File::sync_filesystem`].
    ///
    /// *Cancel and discard*: it may have synced.
    ///
    /// # Errors
    /// Those of [`File::sync_filesystem`].
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     Dir::open("/proc").await?.sync_filesystem().await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "syncfs")]
    #[track_caller]
    pub fn sync_filesystem(&self) -> LocalOp<super::ops::SyncFilesystem> {
        LocalOp::of(self.dir.file().sync_filesystem())
    }

    pub(super) fn engine(&self) -> &engine::Dir {
        &self.dir
    }

    /// What `path` leads to, open as a name only; of a symbolic link what that leads to if it is to
    /// `follow`, else itself.
    pub(super) async fn place(&self, path: &Path, follow: bool) -> Result<File, PathError> {
        let nofollow = if follow { OpenFlags::empty() } else { OpenFlags::NOFOLLOW };
        let mut options = OpenOptions::new();
        options.custom_flags((NAME | nofollow).bits().cast_signed());
        options.open_at(&self.dir, path, self.resolve()).await
    }

    pub(super) fn resolve(&self) -> ResolveFlags {
        if self.beneath { ResolveFlags::BENEATH } else { ResolveFlags::empty() }
    }

    /// The directory of what `path` names, and its name there: for operations that cannot be told
    /// to stay beneath. `flags` are how that is opened.
    pub(super) async fn around<'p>(
        &self,
        path: &'p Path,
        flags: OpenFlags,
    ) -> Result<(engine::Dir, &'p OsStr), PathError> {
        let is_opened = flags.is_empty() && path.parent().is_some_and(|p| p != Path::new(""));
        if !self.beneath && !is_opened {
            return Ok((self.dir.clone(), path.as_os_str()));
        }
        let name = match path.components().next_back() {
            Some(Component::Normal(name)) => name,
            _ => {
                let errno = if path.is_absolute() { Errno::EXDEV } else { Errno::EINVAL };
                return Err(PathError::new(errno.into(), "find the name in", path.to_owned()));
            }
        };
        let parent = path.parent().unwrap_or(Path::new(""));
        if parent.as_os_str().is_empty() {
            return Ok((self.dir.clone(), name));
        }
        let file = directory(flags).open_at(&self.dir, parent, self.resolve()).await?;
        Ok((engine::Dir::new(file.into_shared()), name))
    }

    /// `open` and `at` say whether a symbolic link is followed.
    async fn stat(&self, path: &Path, open: OpenFlags, at: AtFlags) -> Result<Metadata, PathError> {
        let mask = StatxMask::BASIC_STATS | StatxMask::BTIME | StatxMask::DIOALIGN;
        if !self.beneath || path.as_os_str().is_empty() {
            let asked = self.dir.statx(path, at | AtFlags::EMPTY_PATH, mask);
            return LocalOp::of(asked).await;
        }
        let file = self.place(path, !open.contains(OpenFlags::NOFOLLOW)).await?;
        let metadata = file.metadata().await;
        metadata.map_err(|error| PathError::new(error, "read the metadata of", path.to_owned()))
    }
}

/// How a directory is opened.
pub(super) fn directory(flags: OpenFlags) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OpenFlags::DIRECTORY | flags).bits().cast_signed());
    options
}

/// Opens the directory that `path`'s file is in, to be synced, beginning at the working directory.
pub(super) async fn around(path: &Path) -> Result<(engine::Dir, &OsStr), PathError> {
    let Some(Component::Normal(name)) = path.components().next_back() else {
        return Err(PathError::new(Errno::EISDIR.into(), "replace", path.to_owned()));
    };
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let file = directory(OpenFlags::empty()).open(parent.unwrap_or(Path::new("."))).await?;
    Ok((engine::Dir::new(file.into_shared()), name))
}

/// The directory that the file is. One that is none is found out when it is used: `ENOTDIR`.
///
/// ```
/// use annulus::fs::{Dir, File};
/// annulus::run(async {
///     let src = Dir::from(File::open("src").await?);
///     assert!(src.try_exists("lib.rs").await?);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
impl From<File> for Dir {
    fn from(file: File) -> Self {
        Self { dir: engine::Dir::new(file.into_shared()), beneath: false }
    }
}

impl AsFd for Dir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.dir.file().as_fd()
    }
}

impl fmt::Debug for Dir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Dir");
        shown.field("dir", &self.dir).field("beneath", &self.beneath).finish()
    }
}
