//! What a file's inode says and may be set: permissions, owner, times.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::SystemTime;

use annulus_runtime::LocalOp;
use annulus_runtime::engine::Times;
use annulus_runtime::engine::ops::{SetInode, SetInodeAt};
use annulus_runtime::runtime::engine;

use super::{Dir, File, PathError};

/// Sets who may do what with the file at `path`; a symbolic link is followed.
///
/// *Cancel and discard*: done or not; the same again makes it good.
///
/// # Errors
/// - `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, `EACCES`: as for
///   [`File::open`](super::File::open).
/// - `EPERM`: it is another user's, or immutable. `EROFS`: a read-only file system.
/// - `EIO`, `ENOSPC`, `EDQUOT` (122): the device failed, or has no room.
///
/// io_uring has no operation for it: a thread calls `fchmodat(2)`. See
/// [chmod(2)](https://man7.org/linux/man-pages/man2/chmod.2.html).
///
/// ```
/// use annulus::fs::{self, Permissions};
/// use std::os::unix::fs::PermissionsExt;
/// let path = std::env::temp_dir().join(format!("annulus-set-mode-{}", std::process::id()));
/// annulus::run(async {
///     fs::write(&path, "ring").await?;
///     fs::set_permissions(&path, Permissions::from_mode(0o600)).await?;
///     assert_eq!(fs::metadata(&path).await?.mode() & 0o777, 0o600);
///     fs::remove_file(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "chmod")]
#[track_caller]
pub fn set_permissions(path: impl AsRef<Path>, permissions: Permissions) -> LocalOp<SetInodeAt> {
    LocalOp::of(engine().set_permissions(path, permissions.mode()))
}

/// Sets whose the file at `path` is: the user, the group, or both; a symbolic link is followed.
///
/// *Cancel and discard*, as [`set_permissions`].
///
/// # Errors
/// Those of [`set_permissions`]. `EPERM`: only root gives files away, and only members to a group.
///
/// io_uring has no operation for it: a thread calls `fchownat(2)`. See
/// [chown(2)](https://man7.org/linux/man-pages/man2/chown.2.html).
///
/// ```
/// use annulus::{Errno, fs};
/// annulus::run(async {
///     let error = fs::chown("/no/such/file", Some(0), None).await.unwrap_err();
///     assert_eq!(error.errno(), Some(Errno::ENOENT));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn chown(path: impl AsRef<Path>, user: Option<u32>, group: Option<u32>) -> LocalOp<SetInodeAt> {
    LocalOp::of(engine().set_owner(path, user, group))
}

/// As [`chown`], of a symbolic link itself.
///
/// *Cancel and discard*, as [`set_permissions`].
///
/// # Errors
/// Those of [`chown`].
///
/// ```
/// use annulus::fs;
/// let path = std::env::temp_dir().join(format!("annulus-lchown-{}", std::process::id()));
/// annulus::run(async {
///     fs::symlink("/nowhere", &path).await?;
///     let group = fs::symlink_metadata(&path).await?.gid();
///     fs::lchown(&path, None, Some(group)).await?;
///     fs::remove_file(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[track_caller]
pub fn lchown(
    path: impl AsRef<Path>,
    user: Option<u32>,
    group: Option<u32>,
) -> LocalOp<SetInodeAt> {
    LocalOp::of(engine().set_symlink_owner(path, user, group))
}

/// Sets when the file at `path` was read and changed last; a symbolic link is followed.
///
/// *Cancel and discard*, as [`set_permissions`].
///
/// # Errors
/// Those of [`set_permissions`]. `EACCES`, `EPERM`: it is another user's: to set both to now it
/// must be writable. `EINVAL`: a time that cannot be.
///
/// io_uring has no operation for it: a thread calls `utimensat(2)`. See
/// [utimensat(2)](https://man7.org/linux/man-pages/man2/utimensat.2.html).
///
/// ```
/// use annulus::fs::{self, Times};
/// use std::time::SystemTime;
/// let path = std::env::temp_dir().join(format!("annulus-times-{}", std::process::id()));
/// annulus::run(async {
///     fs::write(&path, "ring").await?;
///     let times = Times::new().accessed_now().modified(SystemTime::UNIX_EPOCH);
///     fs::set_times(&path, times).await?;
///     assert_eq!(fs::metadata(&path).await?.modified(), Some(SystemTime::UNIX_EPOCH));
///     fs::remove_file(&path).await?;
///     Ok::<(), std::io::Error>(())
/// })??;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "utimensat")]
#[track_caller]
pub fn set_times(path: impl AsRef<Path>, times: Times) -> LocalOp<SetInodeAt> {
    LocalOp::of(engine().set_times(path, times))
}

/// As [`set_times`], of a symbolic link itself.
///
/// *Cancel and discard*, as [`set_permissions`].
///
/// # Errors
/// Those of [`set_times`].
///
/// ```
/// use annulus::{Errno, fs::{self, Times}};
/// annulus::run(async {
///     let set = fs::set_times_nofollow("/no/such/link", Times::new().modified_now());
///     assert_eq!(set.await.unwrap_err().errno(), Some(Errno::ENOENT));
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "lutimes")]
#[track_caller]
pub fn set_times_nofollow(path: impl AsRef<Path>, times: Times) -> LocalOp<SetInodeAt> {
    LocalOp::of(engine().set_symlink_times(path, times))
}

/// # Permissions, owner and times
///
/// io_uring has no operation for these, and a journal may be waited for: a thread makes the call.
impl File {
    /// Sets who may do what with it.
    ///
    /// *Cancel and discard*: done or not; the same again makes it good.
    ///
    /// # Errors
    /// - `EPERM`: it is another user's, or immutable. `EROFS`: a read-only file system.
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): the device failed, or has no room.
    ///
    /// See [fchmod(2)](https://man7.org/linux/man-pages/man2/fchmod.2.html).
    ///
    /// ```
    /// use annulus::fs::{self, File, Permissions};
    /// use std::os::unix::fs::PermissionsExt;
    /// let path = std::env::temp_dir().join(format!("annulus-fchmod-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create(&path).await?;
    ///     file.set_permissions(Permissions::from_mode(0o640)).await?;
    ///     assert_eq!(file.metadata().await?.permissions().mode() & 0o777, 0o640);
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fchmod")]
    pub fn set_permissions(&self, permissions: Permissions) -> LocalOp<SetInode> {
        self.file.set_permissions(permissions.mode())
    }

    /// Sets whose it is: the user, the group, or both. Bits that run it as another user are taken
    /// away.
    ///
    /// *Cancel and discard*, as [`set_permissions`](Self::set_permissions).
    ///
    /// # Errors
    /// Those of [`set_permissions`](Self::set_permissions). `EPERM`: only root gives files away,
    /// and only members to a group.
    ///
    /// See [fchown(2)](https://man7.org/linux/man-pages/man2/fchown.2.html).
    ///
    /// ```
    /// use annulus::fs::{self, File};
    /// let path = std::env::temp_dir().join(format!("annulus-fchown-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create(&path).await?;
    ///     let group = file.metadata().await?.gid();
    ///     file.chown(None, Some(group)).await?;
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fchown")]
    pub fn chown(&self, user: Option<u32>, group: Option<u32>) -> LocalOp<SetInode> {
        self.file.set_owner(user, group)
    }

    /// Sets when it was read and changed last.
    ///
    /// *Cancel and discard*, as [`set_permissions`](Self::set_permissions).
    ///
    /// # Errors
    /// Those of [`set_permissions`](Self::set_permissions). `EACCES`, `EPERM`: it is another
    /// user's: to set both to now it must be writable. `EINVAL`: a time that cannot be.
    ///
    /// See [utimensat(2)](https://man7.org/linux/man-pages/man2/utimensat.2.html).
    ///
    /// ```
    /// use annulus::fs::{self, File, Times};
    /// use std::time::SystemTime;
    /// let path = std::env::temp_dir().join(format!("annulus-futimens-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create(&path).await?;
    ///     file.set_times(Times::new().accessed(SystemTime::UNIX_EPOCH)).await?;
    ///     assert_eq!(file.metadata().await?.accessed(), Some(SystemTime::UNIX_EPOCH));
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "futimens")]
    pub fn set_times(&self, times: Times) -> LocalOp<SetInode> {
        self.file.set_times(times)
    }

    /// Sets when its content was changed last.
    ///
    /// *Cancel and discard*, as [`set_permissions`](Self::set_permissions).
    ///
    /// # Errors
    /// Those of [`set_times`](Self::set_times).
    ///
    /// ```
    /// use annulus::fs::{self, File};
    /// use std::time::{Duration, SystemTime};
    /// let path = std::env::temp_dir().join(format!("annulus-modified-{}", std::process::id()));
    /// annulus::run(async {
    ///     let file = File::create(&path).await?;
    ///     let then = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    ///     file.set_modified(then).await?;
    ///     assert_eq!(file.metadata().await?.modified(), Some(then));
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_modified(&self, time: SystemTime) -> LocalOp<SetInode> {
        self.set_times(Times::new().modified(time))
    }
}

/// # Permissions, owner and times
///
/// The file is opened as a name only first, and so found once: beneath the directory, if that is
/// [asked for](Dir::beneath).
impl Dir {
    /// Sets who may do what with a file in it: see [`set_permissions`].
    ///
    /// *Cancel and discard*, as [`set_permissions`].
    ///
    /// # Errors
    /// Those of [`set_permissions`].
    ///
    /// ```
    /// use annulus::fs::{Dir, Permissions};
    /// use std::os::unix::fs::PermissionsExt;
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-chmod-{}", std::process::id());
    ///     dir.write(&name, "ring").await?;
    ///     dir.set_permissions(&name, Permissions::from_mode(0o600)).await?;
    ///     assert_eq!(dir.metadata(&name).await?.mode() & 0o777, 0o600);
    ///     dir.remove_file(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fchmodat")]
    pub async fn set_permissions(
        &self,
        path: impl AsRef<Path>,
        permissions: Permissions,
    ) -> Result<(), PathError> {
        let path = path.as_ref();
        let set = self.place(path, true).await?.set_permissions(permissions).await;
        set.map_err(|error| PathError::new(error, "set the permissions of", path.to_owned()))
    }

    /// Sets whose a file in it is: see [`chown`].
    ///
    /// *Cancel and discard*, as [`set_permissions`].
    ///
    /// # Errors
    /// Those of [`chown`].
    ///
    /// ```
    /// use annulus::{Errno, fs::Dir};
    /// annulus::run(async {
    ///     let dir = Dir::open("src").await?;
    ///     let error = dir.chown("none", None, None).await.unwrap_err();
    ///     assert_eq!(error.errno(), Some(Errno::ENOENT));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fchownat")]
    pub async fn chown(
        &self,
        path: impl AsRef<Path>,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Result<(), PathError> {
        self.give(path.as_ref(), user, group, true).await
    }

    /// As [`chown`](Self::chown), of a symbolic link itself.
    ///
    /// *Cancel and discard*, as [`set_permissions`].
    ///
    /// # Errors
    /// Those of [`chown`].
    ///
    /// ```
    /// use annulus::fs::Dir;
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-lchown-{}", std::process::id());
    ///     dir.symlink("nowhere", &name).await?;
    ///     let group = dir.symlink_metadata(&name).await?.gid();
    ///     dir.lchown(&name, None, Some(group)).await?;
    ///     dir.remove_file(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn lchown(
        &self,
        path: impl AsRef<Path>,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Result<(), PathError> {
        self.give(path.as_ref(), user, group, false).await
    }

    async fn give(
        &self,
        path: &Path,
        user: Option<u32>,
        group: Option<u32>,
        follow: bool,
    ) -> Result<(), PathError> {
        let set = self.place(path, follow).await?.chown(user, group).await;
        set.map_err(|error| PathError::new(error, "set the owner of", path.to_owned()))
    }

    /// Sets when a file in it was read and changed last: see [`set_times`].
    ///
    /// *Cancel and discard*, as [`set_permissions`].
    ///
    /// # Errors
    /// Those of [`set_times`].
    ///
    /// ```
    /// use annulus::fs::{Dir, Times};
    /// use std::time::SystemTime;
    /// annulus::run(async {
    ///     let dir = Dir::open(std::env::temp_dir()).await?;
    ///     let name = format!("annulus-dir-times-{}", std::process::id());
    ///     dir.write(&name, "ring").await?;
    ///     dir.set_times(&name, Times::new().modified(SystemTime::UNIX_EPOCH)).await?;
    ///     assert_eq!(dir.metadata(&name).await?.modified(), Some(SystemTime::UNIX_EPOCH));
    ///     dir.remove_file(&name).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn set_times(&self, path: impl AsRef<Path>, times: Times) -> Result<(), PathError> {
        self.date(path.as_ref(), times, true).await
    }

    /// As [`set_times`](Self::set_times), of a symbolic link itself.
    ///
    /// *Cancel and discard*, as [`set_permissions`].
    ///
    /// # Errors
    /// Those of [`set_times`].
    ///
    /// ```
    /// use annulus::{Errno, fs::{Dir, Times}};
    /// annulus::run(async {
    ///     let dir = Dir::open("src").await?;
    ///     let set = dir.set_times_nofollow("none", Times::new().modified_now());
    ///     assert_eq!(set.await.unwrap_err().errno(), Some(Errno::ENOENT));
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn set_times_nofollow(
        &self,
        path: impl AsRef<Path>,
        times: Times,
    ) -> Result<(), PathError> {
        self.date(path.as_ref(), times, false).await
    }

    async fn date(&self, path: &Path, times: Times, follow: bool) -> Result<(), PathError> {
        let set = self.place(path, follow).await?.set_times(times).await;
        set.map_err(|error| PathError::new(error, "set the times of", path.to_owned()))
    }
}
