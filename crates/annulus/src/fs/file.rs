//! [`File`]: an open file, and how one comes and goes.

use core::fmt;
use core::time::Duration;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::rc::Rc;

use annulus_ring::Errno;
use annulus_runtime::time::sleep;
use annulus_runtime::{Error, engine, runtime};

use super::{OpenOptions, PathError};

/// An open file, as `std::fs::File`, on the ring of the runtime that it was made in. Its clones are
/// the same open file and descriptor; the last of them closes it, once no operation on it is under
/// way.
///
/// Also a pipe, a terminal, a device or whatever else a descriptor may be.
///
/// ```
/// use annulus::fs::File;
/// annulus::run(async {
///     let file = File::open("Cargo.toml").await?;
///     let (_, buf) = file.read_exact_at(vec![0; 9], 0).await?;
///     assert_eq!(buf, b"[package]");
///     file.close().await
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Fixed buffers
/// An operation on a buffer of the runtime's own [pool](crate::fixed_pool) goes by the buffer's
/// index, without being asked to: with [direct I/O](OpenOptions::direct) the kernel need not look
/// up and pin its pages.
///
/// # Operations
/// Those that give a [`LocalOp`](crate::LocalOp) begin when it is first polled, and those of a turn
/// are submitted together. Each has the [errors of every
/// operation](annulus_runtime::File#errors-of-every-operation) beside its own.
#[derive(Clone)]
pub struct File {
    pub(super) file: runtime::File,
    /// One for each handle: operations under way have the file too, and are none.
    handles: Rc<()>,
}

/// How often an operation is looked for that was given up and is not over.
const LOOK_MIN: Duration = Duration::from_micros(100);
const LOOK_MAX: Duration = Duration::from_millis(10);

impl File {
    pub(super) fn of(file: runtime::File) -> Self {
        Self { file, handles: Rc::new(()) }
    }

    /// Opens a file to be read.
    ///
    /// *Cancel and discard*: dropped, what was opened is closed.
    ///
    /// # Errors
    /// - `ENOENT`: there is none, or a directory of the path is missing. `ENOTDIR`: one of them is
    ///   no directory. `ELOOP`: too many symbolic links. `ENAMETOOLONG`.
    /// - `EACCES`, `EPERM`: not allowed. `EROFS`: to be written, on a read-only file system.
    /// - `EISDIR`: a directory, to be written. `EEXIST`: it is there, and was to be new.
    /// - `EMFILE`, `ENFILE`: too many open files: close some, or raise the limit.
    /// - [All the others](annulus_runtime::Engine::open).
    ///
    /// By the ring (`IORING_OP_OPENAT`, Linux 5.6). See
    /// [open(2)](https://man7.org/linux/man-pages/man2/open.2.html).
    ///
    /// ```
    /// use annulus::fs::File;
    /// let error = annulus::run(File::open("/no/such/file"))?.unwrap_err();
    /// assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
    /// assert!(error.to_string().starts_with("open \"/no/such/file\": "));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn open(path: impl AsRef<Path>) -> Result<Self, PathError> {
        OpenOptions::new().read(true).open(path).await
    }

    /// Opens a file to be written, truncated, and made if it is not there.
    ///
    /// *Cancel and discard*: a file that was made or truncated stays so.
    ///
    /// # Errors
    /// Those of [`open`](Self::open); `ENOSPC`, `EDQUOT` (122): no room for a new file.
    ///
    /// ```
    /// use annulus::fs::{File, remove_file};
    /// let path = std::env::temp_dir().join(format!("annulus-create-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create(&path).await?;
    ///     assert_eq!(file.write_at("ring", 0).await?.0, 4);
    ///     remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn create(path: impl AsRef<Path>) -> Result<Self, PathError> {
        OpenOptions::new().write(true).create(true).truncate(true).open(path).await
    }

    /// Makes a new file, to be read and written.
    ///
    /// *Cancel and discard*: a file that was made stays, and the next try says `EEXIST`.
    ///
    /// # Errors
    /// Those of [`create`](Self::create), and `EEXIST`: there is something of that name.
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// let error = annulus::run(File::create_new("Cargo.toml"))?.unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn create_new(path: impl AsRef<Path>) -> Result<Self, PathError> {
        OpenOptions::new().read(true).write(true).create_new(true).open(path).await
    }

    /// Other ways to open one.
    ///
    /// ```
    /// use annulus::fs::File;
    /// let file = annulus::run(async { File::options().read(true).open("Cargo.toml").await })?;
    /// assert!(file.is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Another descriptor of the same open file, with the same position, as `dup(2)`. A plain clone
    /// is less: it is the same descriptor.
    ///
    /// # Errors
    /// - `EMFILE`: too many open files: close some, or raise the limit.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let other = file.try_clone()?;
    ///     file.close().await?; // the other is open still
    ///     assert_eq!(other.read(vec![0; 9]).await?.1, b"[package]");
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "dup")]
    #[track_caller]
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(Self::from(self.as_fd().try_clone_to_owned()?))
    }

    /// Gives the file a place in the table of the runtime's ring, so that the kernel looks up no
    /// descriptor for [`read_at`](Self::read_at) and [`write_at`](Self::write_at): all of its
    /// clones, until the last of them and of their operations is gone. Its descriptor stays, for
    /// all the rest. A file that has a place keeps it.
    ///
    /// # Errors
    /// The file goes by its descriptor then, as before.
    /// - `ENXIO`: the runtime has no table: ask its builder for
    ///   [one](crate::RuntimeBuilder::fixed_files).
    /// - `ENFILE`: all of its places are taken: ask for more of them, or drop files.
    /// - `EBADF`: the file is a ring's. `ENOMEM`: the kernel is short of memory.
    ///
    /// See `io_uring_register_files_update(3)`,
    /// <https://man7.org/linux/man-pages/man3/io_uring_register_files_update.3.html>.
    ///
    /// ```
    /// use annulus::{Runtime, fs::File};
    /// Runtime::builder().fixed_files(8).build()?.block_on(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     file.register()?;
    ///     assert_eq!(file.read_at(vec![0; 9], 0).await?.1, b"[package]");
    ///     Ok::<(), std::io::Error>(())
    /// })?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn register(&self) -> Result<(), Error> {
        self.file.register()
    }

    /// Waits until no operation on it is under way. Whether it is alone then: not if it has clones.
    async fn is_alone(&self) -> bool {
        let mut pause = LOOK_MIN;
        while Rc::strong_count(&self.handles) == 1 {
            if self.file.is_alone() {
                return true;
            }
            // What was given up keeps its file until the kernel has done with it; nobody is told
            // when that is.
            sleep(pause).await;
            pause = (2 * pause).min(LOOK_MAX);
        }
        false
    }

    /// The standard library's file of this one's descriptor. Waits until the operations are over
    /// that are under way, and those that were given up.
    ///
    /// *Cancel and discard*: dropped, the file is closed.
    ///
    /// # Errors
    /// - The file again: it has clones. Drop them, or [`try_clone`](Self::try_clone) first.
    ///
    /// Of an operation whose future is kept, and not polled by somebody else, it waits in vain.
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let clone = file.clone();
    ///     let file = file.into_std().await.unwrap_err(); // there is another
    ///     drop(clone);
    ///     let file: std::fs::File = file.into_std().await.unwrap();
    ///     assert!(file.metadata()?.is_file());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn into_std(self) -> Result<std::fs::File, Self> {
        if !self.is_alone().await {
            return Err(self);
        }
        let Self { file, handles } = self;
        file.try_into_fd().map(std::fs::File::from).map_err(|file| Self { file, handles })
    }

    /// Closes the file, and says what `close(2)` said. Waits before that for operations that are
    /// under way. Dropping the last handle closes it too, and nobody hears of an error.
    ///
    /// To be sure that data is on the device, [`sync_all`](Self::sync_all) first.
    ///
    /// *Cancel and discard*: dropped, it is closed all the same.
    ///
    /// # Errors
    /// This handle is gone after each.
    /// - `EBUSY`: it has clones, and stays open until they are gone.
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): what was written earlier could not be stored. Only
    ///   network file systems and FUSE say so here.
    ///
    /// On this thread where no server is asked; else on a thread of its own. See
    /// [close(2)](https://man7.org/linux/man-pages/man2/close.2.html).
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let clone = file.clone();
    ///     assert_eq!(file.close().await.unwrap_err().raw_os_error(), Some(Errno::EBUSY.raw()));
    ///     clone.close().await
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn close(self) -> io::Result<()> {
        if !self.is_alone().await {
            return Err(Errno::EBUSY.into());
        }
        Ok(self.file.close().await?)
    }

    /// The same file for other threads, whose operations this runtime's ring does as long as it
    /// runs.
    ///
    /// ```
    /// use annulus::fs::File;
    /// let file = annulus::run(async { File::open("Cargo.toml").await.map(File::into_shared) })??;
    /// let read = futures::executor::block_on(file.read_at(vec![0; 1], 1 << 40));
    /// assert!(read.is_err(), "the runtime is gone");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn into_shared(self) -> engine::File {
        self.file.into_shared()
    }
}

/// The descriptor is the runtime's then.
///
/// # Panics
/// Outside of a runtime.
///
/// ```
/// use annulus::fs::File;
/// annulus::run(async {
///     let file = File::from(std::fs::File::open("Cargo.toml")?);
///     assert_eq!(file.read_at(vec![0; 9], 0).await?.1, b"[package]");
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
impl From<std::fs::File> for File {
    #[track_caller]
    fn from(file: std::fs::File) -> Self {
        Self::from(OwnedFd::from(file))
    }
}

/// As from a file of the standard library.
impl From<OwnedFd> for File {
    #[track_caller]
    fn from(fd: OwnedFd) -> Self {
        Self::of(runtime::File::new(fd))
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_fd().as_raw_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File").field("fd", &self.as_raw_fd()).finish_non_exhaustive()
    }
}
