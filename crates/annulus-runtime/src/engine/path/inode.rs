//! Permissions, owner and times of a file by its path.

use std::path::Path;

use annulus_ring::abi::{AtFlags, Sqe};

use super::name::Name;
use super::{Anchor, Dir, PathError, op_on};
use crate::engine::inode::Setting;
use crate::engine::{Engine, Op, Times};
use crate::operation::{Completion, Operation};

/// Setting what a file's inode says, by its path: see [`Engine::set_permissions`],
/// [`Engine::set_owner`], [`Engine::set_times`].
#[derive(Debug)]
pub struct SetInodeAt {
    anchor: Anchor,
    name: Name,
    what: Setting,
    flags: AtFlags,
}

impl SetInodeAt {
    pub(super) fn new(anchor: Anchor, path: &Path, what: Setting) -> Self {
        Self { anchor, name: Name::new(path), what, flags: AtFlags::empty() }
    }

    fn of_link(self) -> Self {
        Self { flags: AtFlags::SYMLINK_NOFOLLOW, ..self }
    }
}

// SAFETY: the entry points to the path, which is owned here, and to `what`, which is in `self`,
// which is not moved; and it names a directory that is kept open here.
unsafe impl Operation for SetInodeAt {
    type Output = Result<(), PathError>;
    const IS_PRIVATE: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.name.refusal()
    }

    fn entry(&mut self) -> Sqe {
        self.what.entry(self.anchor.at().fd(), self.name.as_ptr(), self.flags)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let Err(errno) = completion.result else { return Ok(()) };
        let (invalid, doing) = (self.name.invalid(), self.what.doing());
        Err(PathError::of(&completion, errno, invalid, doing, self.name))
    }

    fn reclaim(self, _: Completion) {
        // What is set is set.
    }
}

/// # What inodes say
///
/// io_uring has no operation for it: a thread makes the call (see
/// [`IS_PRIVATE`](Operation::IS_PRIVATE)). In a chain ([`Op::then`]) these fail with `EINVAL`.
impl Engine {
    /// Sets who may do what with the file at `path`, the bits of `mode`; a symbolic link is
    /// followed (`fchmodat(2)`).
    ///
    /// # Errors
    /// - `ENOENT`: no such file. `ENOTDIR`: a part of the path is no directory. `EACCES`: a
    ///   directory of it may not be searched.
    /// - `EPERM`: it is another user's, or immutable. `EROFS`: the file system is read-only.
    /// - `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for [`open`](Self::open).
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): the device failed, or has no room.
    ///
    /// See [chmod(2)](https://man7.org/linux/man-pages/man2/chmod.2.html).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-chmod-{}", std::process::id()));
    /// # std::fs::write(&path, "")?;
    /// let engine = annulus_runtime::Engine::new()?;
    /// block_on(engine.set_permissions(&path, 0o600))?;
    /// assert_eq!(block_on(engine.metadata(&path))?.mode() & 0o777, 0o600);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "chmod")]
    pub fn set_permissions(&self, path: impl AsRef<Path>, mode: u32) -> Op<SetInodeAt> {
        op_on(self, SetInodeAt::new(Anchor::CWD, path.as_ref(), Setting::Mode(mode)))
    }

    /// Sets whose the file at `path` is: the user, the group, or both; a symbolic link is followed
    /// (`fchownat(2)`).
    ///
    /// # Errors
    /// Those of [`set_permissions`](Self::set_permissions). `EPERM`: only root gives files away,
    /// and only members to a group.
    ///
    /// See [chown(2)](https://man7.org/linux/man-pages/man2/chown.2.html).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let error = block_on(engine.set_owner("no/such/file", Some(0), None)).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::ENOENT));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "chown")]
    pub fn set_owner(
        &self,
        path: impl AsRef<Path>,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Op<SetInodeAt> {
        let owner = Setting::owner(user, group);
        op_on(self, SetInodeAt::new(Anchor::CWD, path.as_ref(), owner))
    }

    /// As [`set_owner`](Self::set_owner), of a symbolic link itself.
    ///
    /// # Errors
    /// Those of [`set_owner`](Self::set_owner).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let error = block_on(engine.set_symlink_owner("no/such", None, None)).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::ENOENT));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "lchown")]
    pub fn set_symlink_owner(
        &self,
        path: impl AsRef<Path>,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Op<SetInodeAt> {
        let owner = Setting::owner(user, group);
        op_on(self, SetInodeAt::new(Anchor::CWD, path.as_ref(), owner).of_link())
    }

    /// Sets when the file at `path` was read and changed last; a symbolic link is followed
    /// (`utimensat(2)`).
    ///
    /// # Errors
    /// Those of [`set_permissions`](Self::set_permissions). `EACCES`, `EPERM`: it is another
    /// user's: to set both to now it must be writable. `EINVAL`: a time that cannot be.
    ///
    /// See [utimensat(2)](https://man7.org/linux/man-pages/man2/utimensat.2.html).
    ///
    /// ```
    /// use annulus_runtime::engine::Times;
    /// use futures::executor::block_on;
    /// use std::time::SystemTime;
    /// # let path = std::env::temp_dir().join(format!("annulus-times-{}", std::process::id()));
    /// # std::fs::write(&path, "")?;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let times = Times::new().accessed_now().modified(SystemTime::UNIX_EPOCH);
    /// block_on(engine.set_times(&path, times))?;
    /// let found = block_on(engine.metadata(&path))?;
    /// assert_eq!(found.modified(), Some(SystemTime::UNIX_EPOCH));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "utimensat")]
    pub fn set_times(&self, path: impl AsRef<Path>, times: Times) -> Op<SetInodeAt> {
        op_on(self, SetInodeAt::new(Anchor::CWD, path.as_ref(), Setting::Times(times)))
    }

    /// As [`set_times`](Self::set_times), of a symbolic link itself.
    ///
    /// # Errors
    /// Those of [`set_times`](Self::set_times).
    ///
    /// ```
    /// use annulus_runtime::engine::Times;
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let times = Times::new().modified_now();
    /// let error = block_on(engine.set_symlink_times("no/such", times)).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::ENOENT));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "lutimes")]
    pub fn set_symlink_times(&self, path: impl AsRef<Path>, times: Times) -> Op<SetInodeAt> {
        let times = Setting::Times(times);
        op_on(self, SetInodeAt::new(Anchor::CWD, path.as_ref(), times).of_link())
    }
}

/// # What inodes say
impl Dir {
    /// As [`Engine::set_permissions`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::set_permissions`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir(std::env::temp_dir()))?;
    /// let name = format!("annulus-dir-chmod-{}", std::process::id());
    /// block_on(dir.create(&name))?;
    /// block_on(dir.set_permissions(&name, 0o600))?;
    /// assert_eq!(block_on(dir.metadata(&name))?.mode() & 0o777, 0o600);
    /// block_on(dir.remove_file(&name))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_permissions(&self, path: impl AsRef<Path>, mode: u32) -> Op<SetInodeAt> {
        let mode = Setting::Mode(mode);
        op_on(self.engine(), SetInodeAt::new(self.anchor(), path.as_ref(), mode))
    }

    /// As [`Engine::set_symlink_owner`], beginning here: of a symbolic link itself.
    ///
    /// # Errors
    /// Those of [`Engine::set_owner`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("src"))?;
    /// let error = block_on(dir.set_symlink_owner("none", None, None)).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::ENOENT));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_symlink_owner(
        &self,
        path: impl AsRef<Path>,
        user: Option<u32>,
        group: Option<u32>,
    ) -> Op<SetInodeAt> {
        let owner = Setting::owner(user, group);
        op_on(self.engine(), SetInodeAt::new(self.anchor(), path.as_ref(), owner).of_link())
    }

    /// As [`Engine::set_symlink_times`], beginning here: of a symbolic link itself.
    ///
    /// # Errors
    /// Those of [`Engine::set_times`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # use annulus_runtime::engine::Times;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("src"))?;
    /// let times = Times::new().modified_now();
    /// let error = block_on(dir.set_symlink_times("none", times)).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::ENOENT));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn set_symlink_times(&self, path: impl AsRef<Path>, times: Times) -> Op<SetInodeAt> {
        let times = Setting::Times(times);
        op_on(self.engine(), SetInodeAt::new(self.anchor(), path.as_ref(), times).of_link())
    }
}
