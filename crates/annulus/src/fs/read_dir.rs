//! [`read_dir`]: what is in a directory.

use core::fmt;
use core::mem;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use annulus_ring::Errno;
use annulus_ring::abi::private::DirentType;
use annulus_runtime::LocalOp;
use annulus_runtime::engine::DirEntries;
use annulus_runtime::engine::ops::ListDir;

use super::{Dir, Metadata, PathError};

/// Lists a directory: see [`ReadDir`].
///
/// *Resumable*: what was opened is closed.
///
/// # Errors
/// Those of [`Dir::open`]: `ENOENT`, `ENOTDIR`, `EACCES` among them.
///
/// ```
/// use annulus::fs;
/// annulus::run(async {
///     let mut entries = fs::read_dir("src").await?;
///     let mut names = Vec::new();
///     while let Some(entry) = entries.next_entry().await? {
///         names.push(entry.file_name());
///     }
///     assert!(names.iter().any(|name| name == "lib.rs"));
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "opendir")]
pub async fn read_dir(path: impl AsRef<Path>) -> Result<ReadDir, PathError> {
    let path = path.as_ref();
    Ok(ReadDir::of(Dir::open(path).await?, path.to_owned()))
}

impl Dir {
    /// Lists this directory, from its beginning: each listing has a place of its own. The paths of
    /// its [entries](DirEntry::path) begin at this directory.
    ///
    /// *Resumable*: what was opened is closed.
    ///
    /// # Errors
    /// Those of [`open`](Self::open): `EACCES` where it may be searched but not read.
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let src = Dir::open("src").await?;
    ///     let mut entries = src.read_dir().await?;
    ///     let first = entries.next_entry().await?.expect("it is not empty");
    ///     assert!(src.symlink_metadata(first.path()).await?.ino() == first.ino());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn read_dir(&self) -> Result<ReadDir, PathError> {
        Ok(ReadDir::of(self.open_dir(".").await?, PathBuf::new()))
    }
}

/// The names in a directory, some hundreds at a time: [`next_entry`](Self::next_entry) gives them
/// one by one.
///
/// Names that are made or removed meanwhile may be among them or not; each of the others is there
/// once. `.` and `..` are left out. The order is the file system's.
///
/// # How
/// io_uring has no operation for it: a thread asks for as many names as a buffer of 32 KiB holds
/// (`getdents64(2)`), and this one goes on meanwhile.
#[derive(Debug)]
pub struct ReadDir {
    root: Rc<Root>,
    stage: Stage,
}

/// The directory, and by which path it was reached.
#[derive(Debug)]
struct Root {
    dir: Dir,
    path: PathBuf,
}

enum Stage {
    /// These are left; then there may be more.
    Names(DirEntries),
    /// More are asked for.
    Asks(LocalOp<ListDir>),
    Over,
}

impl fmt::Debug for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Names(entries) => f.debug_tuple("Names").field(entries).finish(),
            Self::Asks(_) => f.write_str("Asks"),
            Self::Over => f.write_str("Over"),
        }
    }
}

impl ReadDir {
    fn of(dir: Dir, path: PathBuf) -> Self {
        Self { root: Rc::new(Root { dir, path }), stage: Stage::Names(DirEntries::new()) }
    }

    /// The next entry; `None` at the end, and from then on. A directory that was removed is at its
    /// end.
    ///
    /// *Resumable*: no name is lost.
    ///
    /// # Errors
    /// It ends with each.
    /// - `EIO`, `ESTALE` (116): the device failed, or the server, or that has it no more.
    /// - [Those of every operation](annulus_runtime::File#errors-of-every-operation).
    ///
    /// See [getdents(2)](https://man7.org/linux/man-pages/man2/getdents.2.html).
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let mut entries = fs::read_dir("/proc/self/task").await?;
    ///     while let Some(thread) = entries.next_entry().await? {
    ///         assert!(thread.file_type().await?.is_dir());
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn next_entry(&mut self) -> Result<Option<DirEntry>, PathError> {
        loop {
            match &mut self.stage {
                Stage::Names(entries) => {
                    if let Some(entry) = entries.take() {
                        let (name, ino, kind) =
                            (entry.name().to_owned(), entry.ino(), entry.kind());
                        return Ok(Some(DirEntry { root: Rc::clone(&self.root), name, ino, kind }));
                    }
                    let entries = mem::take(entries);
                    self.stage = Stage::Asks(LocalOp::of(self.root.dir.engine().list(entries)));
                }
                // Kept here: if this is given up, what it brings is not.
                Stage::Asks(op) => match op.await {
                    Ok(entries) if entries.is_end() => self.stage = Stage::Over,
                    Ok(entries) => self.stage = Stage::Names(entries),
                    Err(error) => {
                        self.stage = Stage::Over;
                        // The directory was removed: there is nothing in it.
                        if error.errno() != Some(Errno::ENOENT) {
                            let path = self.root.path.clone();
                            return Err(PathError::new(error.ended(), "list", path));
                        }
                    }
                },
                Stage::Over => return Ok(None),
            }
        }
    }
}

/// A name in a directory, and what the directory says of it.
#[derive(Clone)]
pub struct DirEntry {
    root: Rc<Root>,
    name: OsString,
    ino: u64,
    kind: DirentType,
}

impl DirEntry {
    /// The name, without the directory.
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let entry = fs::read_dir("src").await?.next_entry().await?.expect("it is not empty");
    ///     assert_eq!(entry.path(), std::path::Path::new("src").join(entry.file_name()));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn file_name(&self) -> OsString {
        self.name.clone()
    }

    /// The same, borrowed.
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let entry = fs::read_dir("src").await?.next_entry().await?.expect("it is not empty");
    ///     assert_eq!(entry.file_name_ref(), entry.file_name());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn file_name_ref(&self) -> &OsStr {
        &self.name
    }

    /// The path: that of the directory, as it was given, and the name.
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let entry = fs::read_dir("src").await?.next_entry().await?.expect("it is not empty");
    ///     assert!(entry.path().starts_with("src"));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn path(&self) -> PathBuf {
        self.root.path.join(&self.name)
    }

    /// The number of its inode, as the directory says. Of a mount point it is that of the
    /// directory beneath.
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let entry = fs::read_dir("src").await?.next_entry().await?.expect("it is not empty");
    ///     assert_eq!(entry.ino(), entry.metadata().await?.ino());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "d_ino")]
    pub fn ino(&self) -> u64 {
        self.ino
    }

    /// What it is; of a symbolic link, that. Nobody is asked where the directory says it, as those
    /// of most file systems do.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`metadata`](Self::metadata), where it has to be asked for.
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let mut entries = fs::read_dir(".").await?;
    ///     while let Some(entry) = entries.next_entry().await? {
    ///         let is_dir = entry.file_type().await?.is_dir();
    ///         assert!(is_dir || entry.file_name_ref() != "src");
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "d_type")]
    pub async fn file_type(&self) -> Result<FileType, PathError> {
        if self.kind == DirentType::UNKNOWN {
            return Ok(FileType::of_mode(self.metadata().await?.mode()));
        }
        Ok(FileType(self.kind))
    }

    /// What is known of it now, by its name in the open directory; of a symbolic link, that.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// Those of [`symlink_metadata`](super::symlink_metadata); `ENOENT`: it was removed, or
    /// renamed.
    ///
    /// ```
    /// use annulus::fs;
    /// annulus::run(async {
    ///     let mut entries = fs::read_dir("/proc/self").await?;
    ///     while let Some(entry) = entries.next_entry().await? {
    ///         assert!(entry.file_name_ref() != "exe" || entry.metadata().await?.is_symlink());
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn metadata(&self) -> Result<Metadata, PathError> {
        let found = LocalOp::of(self.root.dir.engine().symlink_metadata(&self.name)).await;
        found.map_err(|error| error.at(&self.path()))
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DirEntry").field(&self.path()).finish()
    }
}

/// What kind of file something is.
///
/// ```
/// use annulus::fs;
/// annulus::run(async {
///     let mut entries = fs::read_dir("/dev").await?;
///     while let Some(entry) = entries.next_entry().await? {
///         let kind = entry.file_type().await?;
///         assert!(kind.is_char_device() || entry.file_name_ref() != "null");
///     }
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileType(DirentType);

/// Questions, each after its text.
macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $KIND:ident;)*) => {
        impl FileType {
            $(
                $(#[$doc])*
                pub fn $name(&self) -> bool {
                    self.0 == DirentType::$KIND
                }
            )*
        }
    };
}

kinds! {
    /// A directory.
    is_dir = DIR;
    /// A regular file.
    is_file = REG;
    /// A symbolic link.
    is_symlink = LNK;
    /// A FIFO, which is a pipe with a name.
    is_fifo = FIFO;
    /// A socket of this machine.
    is_socket = SOCK;
    /// A block device.
    is_block_device = BLK;
    /// A character device.
    is_char_device = CHR;
}

impl FileType {
    /// As the bits of a mode say it.
    fn of_mode(mode: u32) -> Self {
        Self(DirentType((mode >> 12 & 0o17) as u8))
    }
}

impl fmt::Debug for FileType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileType").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_and_a_directory_say_the_same() {
        assert!(FileType::of_mode(0o100_644).is_file());
        assert!(FileType::of_mode(0o040_755).is_dir());
        assert!(FileType::of_mode(0o120_777).is_symlink());
        assert!(FileType::of_mode(0o010_644).is_fifo());
        assert!(FileType::of_mode(0o140_755).is_socket());
        assert!(FileType::of_mode(0o060_660).is_block_device());
        assert!(FileType::of_mode(0o020_666).is_char_device());
    }
}
