//! Permissions, owner and times of an open file.

use std::sync::Arc;

use annulus_ring::abi::{AtFlags, Sqe, private};

use super::file::OpenFile;
use super::{File, Op, Times};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Setting what a file's inode says: see [`File::set_permissions`], [`File::set_owner`],
/// [`File::set_times`].
#[derive(Debug)]
pub struct SetInode {
    file: Arc<OpenFile>,
    what: Setting,
}

/// What is set.
#[derive(Clone, Copy, Debug)]
pub(super) enum Setting {
    /// The bits of the permissions.
    Mode(u32),
    /// User and group.
    Owner(u32, u32),
    Times(Times),
}

/// No user, or group: leave it as it is.
const AS_IT_IS: u32 = u32::MAX;

impl Setting {
    pub(super) fn owner(user: Option<u32>, group: Option<u32>) -> Self {
        Self::Owner(user.unwrap_or(AS_IT_IS), group.unwrap_or(AS_IT_IS))
    }

    /// What it is called, of a path.
    pub(super) fn doing(&self) -> &'static str {
        match self {
            Self::Mode(_) => "set the permissions of",
            Self::Owner(..) => "set the owner of",
            Self::Times(_) => "set the times of",
        }
    }

    /// The entry that sets it of `path` in `dir`. It points into `self`, and to the path.
    pub(super) fn entry(&self, dir: i32, path: *const core::ffi::c_char, flags: AtFlags) -> Sqe {
        match self {
            Self::Mode(mode) => private::fchmodat2(dir, path, *mode, flags),
            Self::Owner(user, group) => private::fchownat(dir, path, *user, *group, flags),
            Self::Times(times) => private::utimensat(dir, path, times.as_ptr(), flags),
        }
    }
}

// SAFETY: the entry points to an empty string of the program's, and to `what`, which lies here and
// stays in place; the descriptor is kept open here.
unsafe impl Operation for SetInode {
    type Output = Result<(), Error>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        self.what.entry(self.file.raw(), c"".as_ptr(), AtFlags::EMPTY_PATH)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, _: Completion) {
        // What is set is set.
    }
}

/// # What its inode says
///
/// io_uring has no operation for it, and a journal may be waited for: a thread makes the call (see
/// [`IS_PRIVATE`](Operation::IS_PRIVATE)). In a chain ([`Op::then`]) these fail with `EINVAL`.
impl File {
    /// Sets who may do what: the bits of `mode` (`fchmodat2(2)`; before Linux 6.6 `fchmod(2)`).
    ///
    /// # Errors
    /// - `EPERM`: it is another user's, or immutable. `EROFS`: the file system is read-only.
    /// - `EIO`, `ENOSPC`, `EDQUOT` (122): the device failed, or has no room.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [chmod(2)](https://man7.org/linux/man-pages/man2/chmod.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-fchmod-{}", std::process::id()));
    /// let file = Engine::new()?.file(std::fs::File::create(&path)?);
    /// block_on(file.set_permissions(0o640))?;
    /// assert_eq!(block_on(file.metadata())?.mode() & 0o777, 0o640);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fchmod")]
    pub fn set_permissions(&self, mode: u32) -> Op<SetInode> {
        self.op(SetInode { file: self.open(), what: Setting::Mode(mode) })
    }

    /// Sets whose it is (`fchownat(2)`): the user, the group, or both. Bits that run it as another
    /// user are taken away.
    ///
    /// # Errors
    /// Those of [`set_permissions`](Self::set_permissions). `EPERM`: only root gives files away,
    /// and only members to a group.
    ///
    /// See [chown(2)](https://man7.org/linux/man-pages/man2/chown.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-fchown-{}", std::process::id()));
    /// let file = Engine::new()?.file(std::fs::File::create(&path)?);
    /// let group = block_on(file.metadata())?.gid();
    /// assert!(block_on(file.set_owner(None, Some(group))).is_ok());
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fchown")]
    pub fn set_owner(&self, user: Option<u32>, group: Option<u32>) -> Op<SetInode> {
        self.op(SetInode { file: self.open(), what: Setting::owner(user, group) })
    }

    /// Sets when it was read and changed last (`utimensat(2)`).
    ///
    /// # Errors
    /// Those of [`set_permissions`](Self::set_permissions). `EACCES`, `EPERM`: it is another
    /// user's: to set both to now it must be writable. `EINVAL`: a time that cannot be.
    ///
    /// See [utimensat(2)](https://man7.org/linux/man-pages/man2/utimensat.2.html).
    ///
    /// ```
    /// use annulus_runtime::{Engine, engine::Times};
    /// use futures::executor::block_on;
    /// use std::time::{Duration, SystemTime};
    /// # let path = std::env::temp_dir().join(format!("annulus-utime-{}", std::process::id()));
    /// let file = Engine::new()?.file(std::fs::File::create(&path)?);
    /// let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    /// block_on(file.set_times(Times::new().modified(old)))?;
    /// assert_eq!(block_on(file.metadata())?.modified(), Some(old));
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "futimens")]
    pub fn set_times(&self, times: Times) -> Op<SetInode> {
        self.op(SetInode { file: self.open(), what: Setting::Times(times) })
    }
}
