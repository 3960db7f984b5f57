//! [`remove_dir_all`]: a directory, and all that is in it.

use std::ffi::{OsStr, OsString};
use std::io::SeekFrom;
use std::path::{Component, Path, PathBuf};

use annulus_ring::Errno;
use annulus_ring::abi::OpenFlags;
use annulus_ring::abi::private::DirentType;
use annulus_runtime::engine::{self, DirEntries};
use annulus_runtime::{Error, LocalOp};

use super::dir::directory;
use super::{Dir, PathError};

/// How many names are removed at once: threads of the kernel do it, and wait for each other, since
/// they all change one directory.
const TOGETHER: usize = 16;
/// How often a directory is gone through in which something is left, or is made meanwhile.
const PASSES_MAX: u32 = 8;

/// Removes a directory, and all that is in it. A symbolic link is removed itself, and never
/// followed.
///
/// Each directory is opened in the one above, and its names are removed in that: who puts a
/// symbolic link in the place of a directory meanwhile leads it nowhere. It goes into what is
/// mounted beneath. It stops where something cannot be removed.
///
/// *Resumable*: some of it is gone; doing it again makes it good.
///
/// # Errors
/// With the path of what could not be removed:
/// - `ENOENT`: there is none. What others remove meanwhile is no error. `ENOTDIR`: it is no
///   directory.
/// - `EACCES`, `EPERM`, `EROFS`: not allowed. `EBUSY`: a mount point.
/// - `ENOTEMPTY`: others go on making files in it.
/// - `EINVAL`: the path ends with `..`, or is the root. Nothing is removed.
/// - `EMFILE`: it is deeper than files may be open: one for each directory on the way.
///
/// By the ring, many names at once (`IORING_OP_UNLINKAT`, Linux 5.11); listed as by
/// [`read_dir`](super::read_dir()).
///
/// ```
/// use annulus::fs;
/// let top = std::env::temp_dir().join(format!("annulus-remove-all-{}", std::process::id()));
/// annulus::run(async {
///     fs::create_dir_all(top.join("a/b")).await?;
///     fs::write(top.join("a/b/file"), "ring").await?;
///     fs::remove_dir_all(&top).await?;
///     assert!(!fs::exists(&top).await?);
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "rm -r")]
pub async fn remove_dir_all(path: impl AsRef<Path>) -> Result<(), PathError> {
    let path = path.as_ref();
    let (parent, name) = split(path)?;
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent = directory(OpenFlags::PATH).open(parent).await.map_err(|error| error.at(path))?;
    remove_tree(engine::Dir::new(parent.into_shared()), name, path).await
}

impl Dir {
    /// Removes a directory in it, and all that is in that: see [`remove_dir_all`].
    ///
    /// *Resumable*: some of it is gone; doing it again makes it good.
    ///
    /// # Errors
    /// Those of [`remove_dir_all`].
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-remove-all-{}", std::process::id());
    ///     dir.create_dir_all(std::path::Path::new(&name).join("a/b")).await?;
    ///     dir.remove_dir_all(&name).await?;
    ///     assert!(!dir.try_exists(&name).await?);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn remove_dir_all(&self, path: impl AsRef<Path>) -> Result<(), PathError> {
        let path = path.as_ref();
        let (parent, name) = split(path)?;
        let parent = if parent.as_os_str().is_empty() {
            self.engine().clone()
        } else {
            let options = directory(OpenFlags::PATH);
            let opened = options.open_at(self.engine(), parent, self.resolve()).await;
            engine::Dir::new(opened.map_err(|error| error.at(path))?.into_shared())
        };
        remove_tree(parent, name, path).await
    }
}

/// The directory that a path's last name is in, and that name.
fn split(path: &Path) -> Result<(&Path, &OsStr), PathError> {
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) => Ok((parent, name)),
        _ if path.as_os_str().is_empty() => Err(failed(Errno::ENOENT.into(), path)),
        _ => Err(failed(Errno::EINVAL.into(), path)),
    }
}

fn failed(error: Error, path: &Path) -> PathError {
    PathError::new(error, "remove all of", path.to_owned())
}

/// A directory on the way down, all of whose names are to be removed.
struct Level {
    name: OsString,
    dir: engine::Dir,
    entries: DirEntries,
    /// Directories in it that were listed, and are there still.
    dirs: Vec<OsString>,
    /// Whether something was listed in this pass.
    found: bool,
    passes: u32,
}

/// What `name` in a directory turned out to be.
enum Found {
    Directory(Level),
    /// Something else, or nothing any more.
    NoDirectory(Errno),
    Nothing,
}

/// Opens a directory in `dir`, if it is one: not a link to one.
async fn descend(dir: &engine::Dir, name: &OsStr) -> Result<Found, PathError> {
    let mut options = engine::OpenOptions::new();
    options.read(true).custom_flags(OpenFlags::DIRECTORY | OpenFlags::NOFOLLOW);
    let opened = annulus_runtime::runtime::File::opened(options.open_at(dir, name)).await;
    match opened {
        Ok(file) => Ok(Found::Directory(Level {
            name: name.to_owned(),
            dir: engine::Dir::new(file.into_shared()),
            entries: DirEntries::new(),
            dirs: Vec::new(),
            found: false,
            passes: 1,
        })),
        Err(error) => match error.errno() {
            Some(Errno::ENOENT) => Ok(Found::Nothing),
            Some(errno @ (Errno::ENOTDIR | Errno::ELOOP)) => Ok(Found::NoDirectory(errno)),
            _ => Err(error),
        },
    }
}

/// Removes all beneath `name` in `parent`, and that. It is known to the caller as `path`.
async fn remove_tree(parent: engine::Dir, name: &OsStr, path: &Path) -> Result<(), PathError> {
    let mut levels = match descend(&parent, name).await.map_err(|error| error.at(path))? {
        Found::Directory(level) => vec![level],
        Found::NoDirectory(errno) => return remove_link(&parent, name, path, errno).await,
        Found::Nothing => return Err(failed(Errno::ENOENT.into(), path)),
    };
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.dirs.pop() {
            match descend(&level.dir, &name).await.map_err(|error| named(error, path, &levels))? {
                Found::Directory(next) => levels.push(next),
                Found::NoDirectory(_) => {
                    let level = levels.last().expect("it was there above");
                    let removed = absent_is_fine(LocalOp::of(level.dir.remove_file(&name)).await);
                    removed.map_err(|error| named(error, path, &levels))?;
                }
                Found::Nothing => {}
            }
        } else if level.clear_some().await.map_err(|error| named(error, path, &levels))? {
            // It is empty, as far as it was listed.
            let mut level = levels.pop().expect("it was there above");
            let above = levels.last().map_or(&parent, |above| &above.dir);
            let removed = LocalOp::of(above.remove_dir(&level.name)).await;
            match removed {
                Err(error) if error.errno() == Some(Errno::ENOTEMPTY) && level.may_repeat() => {
                    // A file system may skip names while others go.
                    let rewound = LocalOp::of(level.dir.file().seek(SeekFrom::Start(0))).await;
                    rewound.map_err(|error| failed(error, path))?;
                    levels.push(level);
                }
                removed => absent_is_fine(removed).map_err(|error| {
                    if levels.is_empty() { error.at(path) } else { named(error, path, &levels) }
                })?,
            }
        }
    }
    Ok(())
}

/// What was to be a directory, and is a link, or is none: `errno`.
async fn remove_link(
    parent: &engine::Dir,
    name: &OsStr,
    path: &Path,
    errno: Errno,
) -> Result<(), PathError> {
    let found = LocalOp::of(parent.symlink_metadata(name)).await.map_err(|error| error.at(path))?;
    if !found.is_symlink() {
        return Err(failed(if found.is_dir() { errno } else { Errno::ENOTDIR }.into(), path));
    }
    LocalOp::of(parent.remove_file(name)).await.map_err(|error| error.at(path))
}

/// What was removed by others is gone, as it should be.
fn absent_is_fine(removed: Result<(), PathError>) -> Result<(), PathError> {
    match removed {
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(()),
        removed => removed,
    }
}

/// The same error, of the whole path.
fn named(error: PathError, path: &Path, levels: &[Level]) -> PathError {
    let below = levels.iter().skip(1).map(|level| &*level.name);
    let whole: PathBuf = core::iter::once(path.as_os_str()).chain(below).collect();
    let whole = whole.join(error.path());
    error.at(&whole)
}

impl Level {
    fn may_repeat(&mut self) -> bool {
        self.passes += 1;
        core::mem::take(&mut self.found) && self.passes <= PASSES_MAX
    }

    /// Removes what is listed next, but for directories. Whether that was all.
    async fn clear_some(&mut self) -> Result<bool, PathError> {
        let entries = core::mem::take(&mut self.entries);
        self.entries = match LocalOp::of(self.dir.list(entries)).await {
            Ok(entries) => entries,
            // It was removed.
            Err(error) if error.errno() == Some(Errno::ENOENT) => return Ok(true),
            Err(error) => return Err(failed(error.ended(), Path::new(""))),
        };
        let mut others = Vec::with_capacity(TOGETHER);
        let mut names = self.entries.iter().peekable();
        self.found |= names.peek().is_some();
        while let Some(entry) = names.next() {
            if entry.kind() == DirentType::DIR {
                self.dirs.push(entry.name().to_owned());
            } else {
                others.push(LocalOp::of(self.dir.remove_file(entry.name())));
            }
            if others.len() == TOGETHER || names.peek().is_none() {
                others.iter_mut().for_each(LocalOp::begin);
                for removing in others.drain(..) {
                    match absent_is_fine(removing.await) {
                        // The directory did not say what it is, or it is another now.
                        Err(error) if error.errno() == Some(Errno::EISDIR) => {
                            self.dirs.push(error.path().as_os_str().to_owned());
                        }
                        removed => removed?,
                    }
                }
            }
        }
        Ok(self.entries.is_end())
    }
}
