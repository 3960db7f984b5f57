//! [`replace`]: a file's content changed as one.
//!
//! ```text
//!  in the file's directory:
//!    make a temporary file ── write ──▶ sync ──▶ rename to the name ──▶ sync the directory
//!                             └─────────────────── one chain ───────────────────────┘
//! ```
//!
//! The chain goes to the kernel in one submission: each begins when the one before it succeeded in
//! full, so nothing is renamed that was not written and synced. The temporary file goes away with
//! its [`Temporary`], wherever this ends before the rename.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};
use std::ffi::{OsStr, OsString};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use annulus_ring::Errno;
use annulus_runtime::Error;
use annulus_runtime::buffer::{BufError, IoBuf, Slice};
use annulus_runtime::engine::{Dir, Temporary};
use annulus_runtime::{LocalOp, runtime};

use super::{PathError, dir};

/// Which step of a [`replace`] failed.
///
/// ```
/// use annulus::fs::{ReplaceStep, replace};
/// let error = annulus::run(replace("/no/such/file", "ring"))?.unwrap_err();
/// assert_eq!(error.step(), ReplaceStep::OpenDirectory);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReplaceStep {
    /// The file's directory was not opened.
    OpenDirectory,
    /// No temporary file was made there.
    Create,
    /// It was not written.
    Write,
    /// It was not made durable.
    Sync,
    /// It was not given the file's name.
    Rename,
    /// The new name was not made durable.
    SyncDirectory,
}

impl ReplaceStep {
    fn text(self) -> &'static str {
        match self {
            Self::OpenDirectory => "open the directory of",
            Self::Create => "make a temporary file for",
            Self::Write => "write the new content of",
            Self::Sync => "make the new content durable of",
            Self::Rename => "put the new content in place of",
            Self::SyncDirectory => "make the new name durable of",
        }
    }
}

/// What is under the name after a [`replace`] that failed. A part of the new content never is.
///
/// ```
/// use annulus::fs::{Standing, replace};
/// let error = annulus::run(replace("/proc/self", "ring"))?.unwrap_err();
/// assert_eq!(error.standing(), Standing::Old);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// What was there before, or nothing.
    Old,
    /// The new content; after a loss of power it may be the old one again.
    New,
    /// The one or the other, whole: the rename was interrupted, or a server did not say.
    Unknown,
}

/// Replaces the content of the file at `path`, or makes it, as one: whoever reads it finds the old
/// content or the new one, whole, also after a crash or a loss of power. Gives the buffer back; the
/// new content is on the device then.
///
/// It is another file that has the name then: written under a name of its own in the same
/// directory, synced, and renamed; with the permissions of the old one (less the process's umask),
/// and owned by this process. Other names of the old file keep the old content, and a symbolic link
/// at `path` is itself replaced, not what it leads to.
///
/// *Cancel and discard*: dropped, the name has the old content or the new one, whole. No temporary
/// file stays behind, after an error neither, but for a process that is killed meanwhile (its name
/// begins with `.annulus-`): to remove it this thread may wait for the file system for a moment.
///
/// # Errors
/// With the buffer, the [step](ReplaceError::step) that failed, and [what stands
/// there](ReplaceError::standing):
/// - `ENOENT`, `ENOTDIR`, `EACCES`, `EROFS`: the directory is missing, or not to be written in.
/// - `ENOSPC`, `EDQUOT` (122), `EFBIG`: no room.
/// - `EISDIR`: there is a directory of that name.
/// - `EIO`: the device failed. `EINVAL` at the last step: the file system cannot sync directories.
///
/// The last four steps go to the kernel as one chain of entries (`IOSQE_IO_LINK`, Linux 5.3), but
/// for more than 1 GiB, which is written before.
///
/// ```
/// use annulus::fs;
/// let path = std::env::temp_dir().join(format!("annulus-replace-{}", std::process::id()));
/// annulus::run(async {
///     fs::replace(&path, "one").await?;
///     fs::replace(&path, "another").await?;
///     assert_eq!(fs::read(&path).await?, b"another");
///     fs::remove_file(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
pub async fn replace<B: IoBuf>(path: impl AsRef<Path>, data: B) -> Result<B, ReplaceError<B>> {
    let path = path.as_ref();
    replace_in(dir::around(path).await, path, data).await
}

/// How much is written within the chain: the kernel writes less than 2 GiB at a time, and would
/// call that all.
const CHAINED_BYTES: usize = 1 << 30;

/// How many names are tried. Taken are those of others with this process's number, as in another
/// container, and of those that were killed.
const NAMES: u32 = 1000;

/// The same in the directory that was found for it, with the name there.
pub(super) async fn replace_in<B: IoBuf>(
    found: Result<(Dir, &OsStr), PathError>,
    path: &Path,
    data: B,
) -> Result<B, ReplaceError<B>> {
    let at = |step, standing, error| Failure { step, standing, error, path: path.to_owned() };
    let (dir, name) = match found {
        Ok(found) => found,
        Err(error) => {
            let failure = at(ReplaceStep::OpenDirectory, Standing::Old, error.error());
            return Err(failure.with(data));
        }
    };
    let (file, temporary, temporary_name) = match create(&dir, name).await {
        Ok(made) => made,
        Err(error) => return Err(at(ReplaceStep::Create, Standing::Old, error).with(data)),
    };
    let (written, placed) = if data.bytes_init() <= CHAINED_BYTES {
        all_at_once(&dir, &file, &temporary_name, name, data).await
    } else {
        (file.write_all_at(data, 0).await, None)
    };
    let (data, placed) = match (written, placed) {
        (Ok((_, data)), Some(placed)) => (data, placed),
        (Ok((_, data)), None) => (data, put(&dir, &file, &temporary_name, name).await),
        (Err(error), _) => match rest(&file, error).await {
            // A part was written, as the kernel may do: only that broke the chain.
            Ok(data) => (data, put(&dir, &file, &temporary_name, name).await),
            Err(error) => {
                let failure = at(ReplaceStep::Write, Standing::Old, error.ended());
                return Err(failure.with(error.into_buf()));
            }
        },
    };
    match placed {
        Ok(()) => {
            temporary.keep();
            Ok(data)
        }
        Err((step, standing, error)) => {
            if standing == Standing::New {
                temporary.keep();
            }
            Err(at(step, standing, error).with(data))
        }
    }
}

/// A file to be written, with a name of its own in the directory.
async fn create(dir: &Dir, name: &OsStr) -> Result<(runtime::File, Temporary, OsString), Error> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let old = LocalOp::of(dir.symlink_metadata(name)).await;
    let mode = match old {
        Ok(old) if old.is_dir() => return Err(Errno::EISDIR.into()),
        Ok(old) if old.is_file() => old.mode() & 0o777,
        _ => 0o666,
    };
    let mut tries = NAMES;
    loop {
        // Relaxed: pairs with nothing: only that each number is another one counts.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let own = OsString::from(format!(".annulus-{:x}-{number:x}", std::process::id()));
        match LocalOp::of(dir.create_temporary(&own, mode)).await {
            Ok((fd, temporary)) => return Ok((runtime::File::new(fd), temporary, own)),
            Err(error) if error.errno() == Some(Errno::EEXIST) && tries > 0 => tries -= 1,
            Err(error) => return Err(error.error()),
        }
    }
}

/// What became of the steps behind the write.
type Placed = Result<(), (ReplaceStep, Standing, Error)>;

/// Writes, syncs, renames and syncs the directory, in one chain. Without the second, the chain
/// ended at the write.
async fn all_at_once<B: IoBuf>(
    dir: &Dir,
    file: &runtime::File,
    temporary: &OsStr,
    name: &OsStr,
    data: B,
) -> (Result<(usize, B), BufError<B>>, Option<Placed>) {
    let file = file.shared();
    let chain = file.write_all_at(data, 0).then(file.sync_all());
    let chain = chain.then(dir.rename(temporary, dir, name)).then(dir.file().sync_all());
    let (((written, synced), renamed), settled) = chain.await;
    let placed = written.is_ok().then(|| placed(synced, renamed, settled));
    (written, placed)
}

/// The same without the write.
async fn put(dir: &Dir, file: &runtime::File, temporary: &OsStr, name: &OsStr) -> Placed {
    let chain = file.shared().sync_all().then(dir.rename(temporary, dir, name));
    let ((synced, renamed), settled) = chain.then(dir.file().sync_all()).await;
    placed(synced, renamed, settled)
}

/// Which step failed, if one did, and what stands.
fn placed(
    synced: Result<(), Error>,
    renamed: Result<(), PathError>,
    settled: Result<(), Error>,
) -> Placed {
    synced.map_err(|error| (ReplaceStep::Sync, Standing::Old, error))?;
    renamed.map_err(|error| {
        // What the kernel did not say, or a server, may have been done.
        let is_sure = !matches!(error.errno(), None | Some(Errno::EIO | Errno::EINTR));
        let standing = if is_sure { Standing::Old } else { Standing::Unknown };
        (ReplaceStep::Rename, standing, error.error())
    })?;
    settled.map_err(|error| (ReplaceStep::SyncDirectory, Standing::New, error))
}

/// Writes what is left after a part.
async fn rest<B: IoBuf>(file: &runtime::File, error: BufError<B>) -> Result<B, BufError<B>> {
    let done = error.done();
    if error.kind() != ErrorKind::WriteZero || done == 0 {
        return Err(error);
    }
    let left = error.into_buf().slice(done..);
    match file.write_all_at(left, done as u64).await {
        Ok((_, left)) => Ok(left.into_inner()),
        Err(error) => Err(error.map(Slice::into_inner)),
    }
}

/// A failure without the buffer.
struct Failure {
    step: ReplaceStep,
    standing: Standing,
    error: Error,
    path: PathBuf,
}

impl Failure {
    #[cold]
    fn with<B>(self, data: B) -> ReplaceError<B> {
        let Self { step, standing, error, path } = self;
        ReplaceError { error: PathError::new(error, step.text(), path), step, standing, data }
    }
}

/// Why a file was not [replaced](replace), how far it came, and the buffer.
///
/// ```
/// use annulus::{Errno, fs::{ReplaceStep, Standing, replace}};
/// let error = annulus::run(replace("src", "ring"))?.unwrap_err();
/// assert_eq!((error.step(), error.standing()), (ReplaceStep::Create, Standing::Old));
/// assert_eq!(error.error().errno(), Some(Errno::EISDIR));
/// assert_eq!(error.into_buf(), "ring");
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub struct ReplaceError<B> {
    error: PathError,
    step: ReplaceStep,
    standing: Standing,
    data: B,
}

impl<B> ReplaceError<B> {
    /// The step that failed. Those before it succeeded, and none was begun after it.
    ///
    /// ```
    /// use annulus::fs::{ReplaceStep, replace};
    /// let error = annulus::run(replace("src", "ring"))?.unwrap_err();
    /// assert_eq!(error.step(), ReplaceStep::Create);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn step(&self) -> ReplaceStep {
        self.step
    }

    /// What is under the name now.
    ///
    /// ```
    /// use annulus::fs::{Standing, replace};
    /// let error = annulus::run(replace("src", "ring"))?.unwrap_err();
    /// assert_eq!(error.standing(), Standing::Old);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// What failed, and why.
    ///
    /// ```
    /// let error = annulus::run(annulus::fs::replace("src", "ring"))?.unwrap_err();
    /// assert_eq!(error.error().path(), std::path::Path::new("src"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn error(&self) -> &PathError {
        &self.error
    }

    /// The buffer alone.
    ///
    /// ```
    /// let error = annulus::run(annulus::fs::replace("src", "ring"))?.unwrap_err();
    /// assert_eq!(error.into_buf(), "ring");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_buf(self) -> B {
        self.data
    }
}

impl<B> fmt::Display for ReplaceError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = match self.standing {
            Standing::Old => "the file is as it was",
            Standing::New => "the new content is there, but may not be durable",
            Standing::Unknown => "the old or the new content is there",
        };
        write!(f, "{}: {standing}", self.error)
    }
}

impl<B> fmt::Debug for ReplaceError<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the buffer: its bytes may be many, or secret.
        let mut shown = f.debug_struct("ReplaceError");
        shown.field("error", &self.error).field("standing", &self.standing).finish_non_exhaustive()
    }
}

impl<B> std::error::Error for ReplaceError<B> {}

impl<B> From<ReplaceError<B>> for io::Error {
    fn from(error: ReplaceError<B>) -> Self {
        error.error.into()
    }
}
