//! Metadata, alignment and extended attributes of a [`File`], and extended attributes by path.

use std::ffi::OsStr;
use std::path::Path;

use annulus_ring::abi::XattrFlags;
use annulus_runtime::LocalOp;
use annulus_runtime::engine::ops::{self, ByFile, ByPath, GetXattr, ListXattr, RemoveXattr, Stat};
use annulus_runtime::runtime::engine;

use super::{DioAlignment, File};

/// Whether an extended attribute may be there already when it is set.
///
/// ```
/// assert_eq!(annulus::fs::SetXattr::default(), annulus::fs::SetXattr::Always);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SetXattr {
    /// It is made, or gets another value.
    #[default]
    Always,
    /// It is new: else `EEXIST`.
    New,
    /// It is there: else `ENODATA`.
    Existing,
}

impl SetXattr {
    fn flags(self) -> XattrFlags {
        match self {
            Self::Always => XattrFlags::empty(),
            Self::New => XattrFlags::CREATE,
            Self::Existing => XattrFlags::REPLACE,
        }
    }
}

/// # Attributes
impl File {
    /// What is known of the file: its length, owner, times, … as `fstat(2)`.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// - `EIO`, `ESTALE`: the server that has the file does not answer, or has it no more.
    ///
    /// At once on this thread where the attributes are this kernel's own, else by the ring
    /// (`IORING_OP_STATX`, Linux 5.6). See
    /// [statx(2)](https://man7.org/linux/man-pages/man2/statx.2.html).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let metadata = File::open("Cargo.toml").await?.metadata().await?;
    ///     assert!(metadata.is_file() && metadata.len() > 0);
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fstat")]
    pub fn metadata(&self) -> LocalOp<Stat> {
        self.file.metadata()
    }

    /// What addresses, offsets and lengths of direct I/O on it must be multiples of. Known for a
    /// file that was [opened so](super::OpenOptions::direct), where the file system says it (most
    /// do, since Linux 6.1).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     assert_eq!(file.dio_alignment(), None); // by the page cache
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "STATX_DIOALIGN")]
    pub fn dio_alignment(&self) -> Option<DioAlignment> {
        self.file.shared().dio_alignment()
    }

    /// The extended attribute `name`, if the file has it.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// - `EOPNOTSUPP`: the file system has none, or none of this kind (`user.`, `trusted.`, …).
    /// - `EACCES`, `EPERM`: not allowed. `ERANGE` (34): the name is empty, or longer than 255.
    ///
    /// By the ring (`IORING_OP_FGETXATTR`, Linux 5.19). See
    /// [fgetxattr(2)](https://man7.org/linux/man-pages/man2/fgetxattr.2.html).
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// annulus::run(async {
    ///     match File::open("Cargo.toml").await?.get_xattr("user.none").await {
    ///         Ok(value) => assert_eq!(value, None),
    ///         Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fgetxattr")]
    pub fn get_xattr(&self, name: impl AsRef<OsStr>) -> LocalOp<GetXattr<ByFile>> {
        self.file.get_xattr(name)
    }

    /// Sets the extended attribute `name`.
    ///
    /// *Cancel and discard*: done or not; the same again makes it good, unless `how` forbids it.
    ///
    /// # Errors
    /// Those of [`get_xattr`](Self::get_xattr), and:
    /// - `EEXIST`, `ENODATA`: as `how` says. `E2BIG`: longer than 65536 bytes.
    /// - `ENOSPC`, `EDQUOT` (122): no room for it. `EROFS`: a read-only file system.
    ///
    /// By the ring (`IORING_OP_FSETXATTR`, Linux 5.19). See
    /// [fsetxattr(2)](https://man7.org/linux/man-pages/man2/fsetxattr.2.html).
    ///
    /// ```
    /// use annulus::{Errno, fs::{File, SetXattr}};
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let error = file.set_xattr("user.none", "1", SetXattr::Existing).await.unwrap_err();
    ///     assert!(matches!(error.errno(), Some(Errno::ENODATA | Errno::EOPNOTSUPP)));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fsetxattr")]
    pub fn set_xattr(
        &self,
        name: impl AsRef<OsStr>,
        value: impl Into<Vec<u8>>,
        how: SetXattr,
    ) -> LocalOp<ops::SetXattr<ByFile>> {
        self.file.set_xattr(name, value, how.flags())
    }

    /// The names of the extended attributes of the file.
    ///
    /// *Resumable*.
    ///
    /// # Errors
    /// - `EOPNOTSUPP`: the file system has none. `E2BIG`: more than 65536 bytes together.
    /// - `EACCES`, `EPERM`: not allowed. `EBADF`: opened as a name only.
    ///
    /// io_uring has no operation for it: a thread calls `flistxattr(2)`. See
    /// [flistxattr(2)](https://man7.org/linux/man-pages/man2/flistxattr.2.html).
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// annulus::run(async {
    ///     match File::open("Cargo.toml").await?.list_xattr().await {
    ///         Ok(names) => assert!(!names.iter().any(|name| name == "user.none")),
    ///         Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    ///     }
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "flistxattr")]
    pub fn list_xattr(&self) -> LocalOp<ListXattr<ByFile>> {
        self.file.list_xattr()
    }

    /// Removes the extended attribute `name`.
    ///
    /// *Cancel and discard*: done or not; after it was done another try says `ENODATA`.
    ///
    /// # Errors
    /// - `ENODATA`: the file has none of that name. Those of [`get_xattr`](Self::get_xattr).
    /// - `EROFS`: a read-only file system. `EPERM`: immutable.
    ///
    /// io_uring has no operation for it: a thread calls `fremovexattr(2)`. See
    /// [fremovexattr(2)](https://man7.org/linux/man-pages/man2/fremovexattr.2.html).
    ///
    /// ```
    /// use annulus::{Errno, fs::File};
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     let error = file.remove_xattr("user.none").await.unwrap_err();
    ///     assert!(matches!(error.errno(), Some(Errno::ENODATA | Errno::EOPNOTSUPP)));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fremovexattr")]
    pub fn remove_xattr(&self, name: impl AsRef<OsStr>) -> LocalOp<RemoveXattr<ByFile>> {
        self.file.remove_xattr(name)
    }
}

/// The extended attribute `name` of the file at `path`, if it has it; a symbolic link is followed.
///
/// *Resumable*.
///
/// # Errors
/// Those of [`File::get_xattr`], and of a path: `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`.
///
/// By the ring (`IORING_OP_GETXATTR`, Linux 5.19). See
/// [getxattr(2)](https://man7.org/linux/man-pages/man2/getxattr.2.html).
///
/// ```
/// use annulus::{Errno, fs};
/// annulus::run(async {
///     let error = fs::get_xattr("/no/such/file", "user.a").await.unwrap_err();
///     assert_eq!(error.errno(), Some(Errno::ENOENT));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "getxattr")]
#[track_caller]
pub fn get_xattr(path: impl AsRef<Path>, name: impl AsRef<OsStr>) -> LocalOp<GetXattr<ByPath>> {
    LocalOp::of(engine().get_xattr(path, name))
}

/// Sets the extended attribute `name` of the file at `path`; a symbolic link is followed.
///
/// *Cancel and discard*, as [`File::set_xattr`].
///
/// # Errors
/// Those of [`File::set_xattr`], and of a path, as [`get_xattr`].
///
/// By the ring (`IORING_OP_SETXATTR`, Linux 5.19). See
/// [setxattr(2)](https://man7.org/linux/man-pages/man2/setxattr.2.html).
///
/// ```
/// use annulus::{Errno, fs::{self, SetXattr}};
/// annulus::run(async {
///     let set = fs::set_xattr("/no/such/file", "user.a", "1", SetXattr::Always);
///     assert_eq!(set.await.unwrap_err().errno(), Some(Errno::ENOENT));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "setxattr")]
#[track_caller]
pub fn set_xattr(
    path: impl AsRef<Path>,
    name: impl AsRef<OsStr>,
    value: impl Into<Vec<u8>>,
    how: SetXattr,
) -> LocalOp<ops::SetXattr<ByPath>> {
    LocalOp::of(engine().set_xattr(path, name, value, how.flags()))
}

/// The names of the extended attributes of the file at `path`; a symbolic link is followed.
///
/// *Resumable*.
///
/// # Errors
/// Those of [`File::list_xattr`], and of a path, as [`get_xattr`].
///
/// io_uring has no operation for it: a thread calls `listxattr(2)`. See
/// [listxattr(2)](https://man7.org/linux/man-pages/man2/listxattr.2.html).
///
/// ```
/// use annulus::{Errno, fs};
/// annulus::run(async {
///     let error = fs::list_xattr("/no/such/file").await.unwrap_err();
///     assert_eq!(error.errno(), Some(Errno::ENOENT));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "listxattr")]
#[track_caller]
pub fn list_xattr(path: impl AsRef<Path>) -> LocalOp<ListXattr<ByPath>> {
    LocalOp::of(engine().list_xattr(path))
}

/// Removes the extended attribute `name` of the file at `path`; a symbolic link is followed.
///
/// *Cancel and discard*, as [`File::remove_xattr`].
///
/// # Errors
/// Those of [`File::remove_xattr`], and of a path, as [`get_xattr`].
///
/// io_uring has no operation for it: a thread calls `removexattr(2)`. See
/// [removexattr(2)](https://man7.org/linux/man-pages/man2/removexattr.2.html).
///
/// ```
/// use annulus::{Errno, fs};
/// annulus::run(async {
///     let error = fs::remove_xattr("/no/such/file", "user.a").await.unwrap_err();
///     assert_eq!(error.errno(), Some(Errno::ENOENT));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "removexattr")]
#[track_caller]
pub fn remove_xattr(
    path: impl AsRef<Path>,
    name: impl AsRef<OsStr>,
) -> LocalOp<RemoveXattr<ByPath>> {
    LocalOp::of(engine().remove_xattr(path, name))
}
