//! Where symbolic links lead: [`read_link`], [`canonicalize`].

use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use annulus_ring::Errno;
use annulus_ring::abi::OpenFlags;
use annulus_runtime::LocalOp;
use annulus_runtime::engine::ops::ReadLink;
use annulus_runtime::runtime::engine;

use super::{Dir, File, OpenOptions, PathError, metadata};

/// Where the symbolic link at `path` points, as it is written in it.
///
/// *Resumable*.
///
/// # Errors
/// - `EINVAL`: it is no symbolic link. `ENOENT`: there is none.
/// - `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`: as for [`File::open`].
///
/// io_uring has no operation for it: a thread calls `readlinkat(2)`. See
/// [readlink(2)](https://man7.org/linux/man-pages/man2/readlink.2.html).
///
/// ```
/// let found = annulus::run(async { annulus::fs::read_link("/proc/self/exe").await })??;
/// assert_eq!(found, std::env::current_exe()?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "readlink")]
#[track_caller]
pub fn read_link(path: impl AsRef<Path>) -> LocalOp<ReadLink> {
    LocalOp::of(engine().read_link(path))
}

/// The absolute path of what `path` leads to, without symbolic links, `.` and `..`.
///
/// The kernel walks the path once, and says where that led: in `/proc`, which has to be there.
///
/// *Resumable*.
///
/// # Errors
/// - `ENOENT`: nothing is there, or it was removed or renamed meanwhile, or it is not to be reached
///   from the root. `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`: as for [`File::open`].
/// - `ENOSYS`: there is no `/proc`.
///
/// See [realpath(3)](https://man7.org/linux/man-pages/man3/realpath.3.html).
///
/// ```
/// let found = annulus::run(async { annulus::fs::canonicalize("src/../src/lib.rs").await })??;
/// assert_eq!(found, std::fs::canonicalize("src/lib.rs")?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "realpath")]
pub async fn canonicalize(path: impl AsRef<Path>) -> Result<PathBuf, PathError> {
    let path = path.as_ref();
    let mut options = OpenOptions::new();
    let place = options.custom_flags(OpenFlags::PATH.bits().cast_signed()).open(path).await?;
    path_of(&place, path).await
}

/// Where an open place is, which was reached by `path`.
async fn path_of(place: &File, path: &Path) -> Result<PathBuf, PathError> {
    let failed = |errno: Errno| PathError::new(errno.into(), "canonicalize", path.to_owned());
    let link = format!("/proc/self/fd/{}", place.as_raw_fd());
    let found = match read_link(link).await {
        Ok(found) => found,
        Err(error) if error.errno() == Some(Errno::ENOENT) => return Err(failed(Errno::ENOSYS)),
        Err(error) => return Err(error.at(path)),
    };
    // What was removed has a path with a note behind it, and what is elsewhere one before it.
    let here = place.metadata().await.map_err(|_| failed(Errno::ENOENT))?;
    match metadata(&found).await {
        Ok(there) if found.is_absolute() && is_same(&here, &there) => Ok(found),
        _ => Err(failed(Errno::ENOENT)),
    }
}

/// Whether the two are of one file.
pub(super) fn is_same(one: &super::Metadata, other: &super::Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

impl Dir {
    /// Where a symbolic link in it points: see [`read_link`].
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`read_link`].
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let own = Dir::open("/proc/self").await?;
    ///     assert_eq!(own.read_link("exe").await?, std::env::current_exe()?);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "readlinkat")]
    pub async fn read_link(&self, path: impl AsRef<Path>) -> Result<PathBuf, PathError> {
        let path = path.as_ref();
        let (dir, name) = self.around(path, OpenFlags::PATH).await?;
        LocalOp::of(dir.read_link(name)).await.map_err(|error| error.at(path))
    }

    /// The absolute path of what a path in it leads to: see [`canonicalize`]. Of an empty path it
    /// is the directory's own.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`canonicalize`].
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let src = Dir::open("src").await?;
    ///     assert_eq!(src.canonicalize("").await?, std::fs::canonicalize("src")?);
    ///     assert_eq!(src.canonicalize("..").await?, std::env::current_dir()?.canonicalize()?);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn canonicalize(&self, path: impl AsRef<Path>) -> Result<PathBuf, PathError> {
        let path = path.as_ref();
        let inside = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        path_of(&self.place(inside, true).await?, path).await
    }
}
