//! Names: renaming, removing, making directories and links, and what they name.

use std::path::{Path, PathBuf};

use annulus_ring::Errno;
use annulus_ring::abi::RenameFlags;
use annulus_runtime::LocalOp;
use annulus_runtime::engine::ops::{Change, Exists, Move, StatAt, Symlink};
use annulus_runtime::runtime::engine;

use super::PathError;
use super::dir_builder::{DIR_MODE, WorkingDir};

/// What a rename does where the new name is taken.
///
/// ```
/// assert_eq!(annulus::fs::Rename::default(), annulus::fs::Rename::Replace);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rename {
    /// It takes the name, and what had it is gone.
    #[default]
    Replace,
    /// It fails with `EEXIST`.
    NoReplace,
    /// The two exchange their names; both are there.
    Exchange,
    /// As [`NoReplace`](Self::NoReplace), and at the old name there is a whiteout then, which a
    /// union of file systems takes for a file that was removed (`RENAME_WHITEOUT`, Linux 3.18).
    /// For who may make devices, and on file systems that have them: ext4, XFS, tmpfs.
    Whiteout,
}

impl Rename {
    pub(super) fn flags(self) -> RenameFlags {
        match self {
            Self::Replace => RenameFlags::empty(),
            Self::NoReplace => RenameFlags::NOREPLACE,
            Self::Exchange => RenameFlags::EXCHANGE,
            Self::Whiteout => RenameFlags::NOREPLACE | RenameFlags::WHITEOUT,
        }
    }
}

/// Gives a file another name, in place of what has that name: at no moment it is missing.
///
/// Durable once the directory is synced: [`Dir::sync_all`](super::Dir::sync_all).
///
/// *Cancel and discard*: done or not; after it was done another try says `ENOENT`.
///
/// # Errors
/// - `ENOENT`: there is no `old`, or a directory of a path is missing.
/// - `EXDEV`: the two are on different file systems: copy, and remove.
/// - `EISDIR`, `ENOTDIR`: one is a directory and the other is not. `ENOTEMPTY`, `EEXIST`: `new` is
///   a directory that is not empty. `EINVAL`: a directory into itself. `EBUSY`: a mount point.
/// - `EACCES`, `EPERM`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122): no room for the name.
///
/// By the ring (`IORING_OP_RENAMEAT`, Linux 5.11). See
/// [rename(2)](https://man7.org/linux/man-pages/man2/rename.2.html).
///
/// ```
/// use annulus::fs;
/// let path = std::env::temp_dir().join(format!("annulus-rename-{}", std::process::id()));
/// annulus::run(async {
///     let other = path.with_extension("new");
///     fs::write(&path, "ring").await?;
///     fs::rename(&path, &other).await?;
///     assert!(!fs::try_exists(&path).await?);
///     fs::remove_file(&other).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn rename(old: impl AsRef<Path>, new: impl AsRef<Path>) -> LocalOp<Move> {
    LocalOp::of(engine().rename(old, new))
}

/// As [`rename`], and says what is done where the new name is taken.
///
/// *Cancel and discard*, as [`rename`]; [exchanged](Rename::Exchange) twice, nothing was done.
///
/// # Errors
/// Those of [`rename`]; `EEXIST`: as `how` says; `EINVAL`: the file system cannot.
///
/// ```
/// use annulus::{Errno, fs::{self, Rename}};
/// annulus::run(async {
///     let taken = fs::rename_with("Cargo.toml", "src", Rename::NoReplace).await.unwrap_err();
///     assert_eq!(taken.errno(), Some(Errno::EEXIST));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "renameat2")]
#[track_caller]
pub fn rename_with(old: impl AsRef<Path>, new: impl AsRef<Path>, how: Rename) -> LocalOp<Move> {
    LocalOp::of(engine().rename_with(old, new, how.flags()))
}

/// Removes a name, and the file if it was the last and nobody has it open.
///
/// *Cancel and discard*: done or not; after it was done another try says `ENOENT`.
///
/// # Errors
/// - `ENOENT`: there is none. `EISDIR`: a directory. `EBUSY`: in use by the system.
/// - `EACCES`, `EPERM`, `EROFS`: not allowed.
///
/// By the ring (`IORING_OP_UNLINKAT`, Linux 5.11). See
/// [unlink(2)](https://man7.org/linux/man-pages/man2/unlink.2.html).
///
/// ```
/// use annulus::{Errno, fs};
/// annulus::run(async {
///     let error = fs::remove_file("src").await.unwrap_err();
///     assert_eq!(error.errno(), Some(Errno::EISDIR));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "unlink")]
#[track_caller]
pub fn remove_file(path: impl AsRef<Path>) -> LocalOp<Change> {
    LocalOp::of(engine().remove_file(path))
}

/// Removes an empty directory.
///
/// *Cancel and discard*, as [`remove_file`].
///
/// # Errors
/// - `ENOENT`: there is none. `ENOTDIR`: no directory. `ENOTEMPTY`: something is in it.
/// - `EBUSY`: a mount point. `EINVAL`: it ends with `.`. `EACCES`, `EPERM`, `EROFS`: not allowed.
///
/// By the ring (`IORING_OP_UNLINKAT`, Linux 5.11). See
/// [rmdir(2)](https://man7.org/linux/man-pages/man2/rmdir.2.html).
///
/// ```
/// use annulus::{Errno, fs};
/// annulus::run(async {
///     assert_eq!(fs::remove_dir("src").await.unwrap_err().errno(), Some(Errno::ENOTEMPTY));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "rmdir")]
#[track_caller]
pub fn remove_dir(path: impl AsRef<Path>) -> LocalOp<Change> {
    LocalOp::of(engine().remove_dir(path))
}

/// Makes a directory.
///
/// *Cancel and discard*: done or not; after it was done another try says `EEXIST`.
///
/// # Errors
/// - `EEXIST`: there is something of that name. `ENOENT`: its parent is missing. `ENOTDIR`.
/// - `EACCES`, `EPERM`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122): no room. `EMLINK`: too many
///   directories in its parent.
///
/// By the ring (`IORING_OP_MKDIRAT`, Linux 5.15). See
/// [mkdir(2)](https://man7.org/linux/man-pages/man2/mkdir.2.html).
///
/// ```
/// use annulus::fs;
/// let path = std::env::temp_dir().join(format!("annulus-mkdir-{}", std::process::id()));
/// annulus::run(async {
///     fs::create_dir(&path).await?;
///     assert!(fs::metadata(&path).await?.is_dir());
///     fs::remove_dir(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "mkdir")]
#[track_caller]
pub fn create_dir(path: impl AsRef<Path>) -> LocalOp<Change> {
    LocalOp::of(engine().create_dir(path))
}

/// Makes a directory, and those of its path that are missing. One that is there is no error.
///
/// *Resumable*: some of them are there; doing it again makes it good.
///
/// # Errors
/// Those of [`create_dir`], of the one that it failed at; `EEXIST`, `ENOTDIR`: something that is no
/// directory is in the way.
///
/// ```
/// use annulus::fs;
/// let top = std::env::temp_dir().join(format!("annulus-all-{}", std::process::id()));
/// annulus::run(async {
///     fs::create_dir_all(top.join("a/b")).await?;
///     fs::create_dir_all(top.join("a/b")).await?;
///     assert!(fs::metadata(top.join("a/b")).await?.is_dir());
///     Ok::<(), std::io::Error>(())
/// })??;
/// # std::fs::remove_dir_all(&top)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "mkdir -p")]
pub async fn create_dir_all(path: impl AsRef<Path>) -> Result<(), PathError> {
    create_with_parents(&WorkingDir { mode: DIR_MODE }, path.as_ref()).await
}

/// Gives a file a second name on the same file system; a symbolic link gets it itself.
///
/// *Cancel and discard*: done or not; after it was done another try says `EEXIST`.
///
/// # Errors
/// - `ENOENT`: there is no `original`, or a directory of a path is missing. `EEXIST`: the new name
///   is taken. `EXDEV`: on another file system. `EPERM`: a directory, or not allowed. `EMLINK`.
///
/// By the ring (`IORING_OP_LINKAT`, Linux 5.15). See
/// [link(2)](https://man7.org/linux/man-pages/man2/link.2.html).
///
/// ```
/// use annulus::{Errno, fs};
/// annulus::run(async {
///     let error = fs::hard_link("Cargo.toml", "src").await.unwrap_err();
///     assert_eq!(error.errno(), Some(Errno::EEXIST));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "link")]
#[track_caller]
pub fn hard_link(original: impl AsRef<Path>, link: impl AsRef<Path>) -> LocalOp<Move> {
    LocalOp::of(engine().hard_link(original, link))
}

/// Makes a symbolic link at `link`, which leads to `target`, whether there is such a thing or not.
///
/// *Cancel and discard*: done or not; after it was done another try says `EEXIST`.
///
/// # Errors
/// - `EEXIST`: there is something at `link`. `ENOENT`: a directory of it is missing, or `target` is
///   empty. `EACCES`, `EPERM`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122): no room.
///
/// By the ring (`IORING_OP_SYMLINKAT`, Linux 5.15). See
/// [symlink(2)](https://man7.org/linux/man-pages/man2/symlink.2.html).
///
/// ```
/// use annulus::fs;
/// let path = std::env::temp_dir().join(format!("annulus-symlink-{}", std::process::id()));
/// annulus::run(async {
///     fs::symlink("/nowhere", &path).await?;
///     assert!(fs::symlink_metadata(&path).await?.is_symlink());
///     assert!(!fs::try_exists(&path).await?); // what it leads to
///     fs::remove_file(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn symlink(target: impl AsRef<Path>, link: impl AsRef<Path>) -> LocalOp<Symlink> {
    LocalOp::of(engine().symlink(target, link))
}

/// What is known of the file at `path`; a symbolic link is followed.
///
/// *Resumable*.
///
/// # Errors
/// - `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, `EACCES`: as for
///   [`File::open`](super::File::open).
///
/// By the ring (`IORING_OP_STATX`, Linux 5.6). See
/// [stat(2)](https://man7.org/linux/man-pages/man2/stat.2.html).
///
/// ```
/// let found = annulus::run(async { annulus::fs::metadata("Cargo.toml").await })??;
/// assert!(found.is_file());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "stat")]
#[track_caller]
pub fn metadata(path: impl AsRef<Path>) -> LocalOp<StatAt> {
    LocalOp::of(engine().metadata(path))
}

/// As [`metadata`], of a symbolic link itself.
///
/// *Resumable*.
///
/// # Errors
/// Those of [`metadata`].
///
/// ```
/// let found = annulus::run(async { annulus::fs::symlink_metadata("/proc/self/exe").await })??;
/// assert!(found.is_symlink());
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "lstat")]
#[track_caller]
pub fn symlink_metadata(path: impl AsRef<Path>) -> LocalOp<StatAt> {
    LocalOp::of(engine().symlink_metadata(path))
}

/// Whether there is something at `path`; a symbolic link is followed.
///
/// *Resumable*.
///
/// # Errors
/// Those of [`metadata`] but `ENOENT`: it could not be found out.
///
/// ```
/// annulus::run(async {
///     assert!(annulus::fs::try_exists("Cargo.toml").await?);
///     assert!(!annulus::fs::try_exists("no.toml").await?);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn try_exists(path: impl AsRef<Path>) -> LocalOp<Exists> {
    LocalOp::of(engine().exists(path))
}

/// As [`try_exists`], by the name that `std::fs` has for it.
///
/// *Resumable*.
///
/// # Errors
/// Those of [`try_exists`].
///
/// ```
/// annulus::run(async {
///     assert!(annulus::fs::exists("Cargo.toml").await?);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn exists(path: impl AsRef<Path>) -> LocalOp<Exists> {
    try_exists(path)
}

/// Where directories are made.
pub(super) trait Place {
    /// Makes one.
    async fn create(&self, path: &Path) -> Result<(), PathError>;
    /// Whether there is one.
    async fn has_dir(&self, path: &Path) -> bool;
}

/// From the inside out, until a parent is there; then back.
pub(super) async fn create_with_parents(place: &impl Place, path: &Path) -> Result<(), PathError> {
    let mut missing: Vec<PathBuf> = Vec::new();
    let mut next = path;
    // The empty path is where it begins, which is there.
    while !next.as_os_str().is_empty() {
        match create_or_find(place, next).await {
            Err(error) if error.errno() == Some(Errno::ENOENT) => {
                let Some(parent) = next.parent() else { return Err(error) };
                missing.push(next.to_owned());
                next = parent;
            }
            found => {
                found?;
                break;
            }
        }
    }
    while let Some(path) = missing.pop() {
        create_or_find(place, &path).await?;
    }
    Ok(())
}

/// Makes one directory, unless it is there.
async fn create_or_find(place: &impl Place, path: &Path) -> Result<(), PathError> {
    let Err(error) = place.create(path).await else { return Ok(()) };
    if matches!(error.errno(), None | Some(Errno::ENOENT)) {
        return Err(error);
    }
    // Not only for EEXIST: what is there on a read-only file system fails with EROFS.
    if place.has_dir(path).await { Ok(()) } else { Err(error) }
}
