//! The engine's methods that change names.

use std::path::Path;

use annulus_ring::abi::RenameFlags;

use super::change::{Change, Move, Symlink};
use super::{Anchor, op_on};
use crate::engine::{Engine, Op};

/// The permissions of a directory that is made, if nobody says: the umask's business.
pub(super) const DIR_MODE: u32 = 0o777;

impl Engine {
    /// Renames `old` to `new`, in one step; what had the new name is replaced (`renameat2(2)`;
    /// `IORING_OP_RENAMEAT`, Linux 5.11).
    ///
    /// # Errors
    /// - `ENOENT`: there is none of the old name, or a directory of a path is missing.
    /// - `EXDEV`: on two file systems, or two mounts: copy, then remove.
    /// - `EISDIR`: a file onto a directory. `ENOTDIR`: a directory onto a file, or a part of a path
    ///   is no directory. `ENOTEMPTY`, `EEXIST`: the new name is a directory with something in it.
    /// - `EINVAL`: a directory into itself.
    /// - `EACCES`, `EPERM`, `EROFS`: not allowed. `EBUSY`: in use by the system. `ENOSPC`, `EDQUOT`
    ///   (122), `EMLINK` (31): no room for the new name.
    /// - `ELOOP`, `ENAMETOOLONG`: as for [`open`](Self::open).
    /// - Of kind `InvalidInput`, without a number: there is a zero byte in a path.
    ///
    /// Its deadline, its `cancel` and its drop end it only before it has begun: a rename that waits
    /// for a disk is not interrupted.
    ///
    /// See [renameat2(2)](https://man7.org/linux/man-pages/man2/renameat2.2.html),
    /// <https://man7.org/linux/man-pages/man3/io_uring_prep_renameat.3.html>.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let dir = std::env::temp_dir().join(format!("annulus-rename-{}", std::process::id()));
    /// block_on(engine.create_dir(&dir))?;
    /// std::fs::write(dir.join("new.tmp"), "ring")?;
    /// block_on(engine.rename(dir.join("new.tmp"), dir.join("current")))?;
    /// assert_eq!(std::fs::read(dir.join("current"))?, b"ring");
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "renameat2")]
    #[doc(alias = "IORING_OP_RENAMEAT")]
    pub fn rename(&self, old: impl AsRef<Path>, new: impl AsRef<Path>) -> Op<Move> {
        self.rename_with(old, new, RenameFlags::empty())
    }

    /// Renames as `flags` say: [`NOREPLACE`](RenameFlags::NOREPLACE) fails where the new name is
    /// taken, [`EXCHANGE`](RenameFlags::EXCHANGE) gives each the other's name.
    ///
    /// # Errors
    /// Those of [`rename`](Self::rename), and:
    /// - `EEXIST`: `NOREPLACE`, and the new name is taken.
    /// - `ENOENT`: `EXCHANGE`, and there is none of the new name.
    /// - `EINVAL`: both, or the file system has not what is asked for.
    ///
    /// ```
    /// use annulus_ring::{Errno, abi::RenameFlags};
    /// let engine = annulus_runtime::Engine::new()?;
    /// let rename = engine.rename_with("Cargo.toml", "src", RenameFlags::NOREPLACE);
    /// let error = futures::executor::block_on(rename).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn rename_with(
        &self,
        old: impl AsRef<Path>,
        new: impl AsRef<Path>,
        flags: RenameFlags,
    ) -> Op<Move> {
        let (old, new) = ((Anchor::CWD, old.as_ref()), (Anchor::CWD, new.as_ref()));
        op_on(self, Move::rename(old, new, flags))
    }

    /// Gives the file `old` a second name, `new` (`linkat(2)`; `IORING_OP_LINKAT`, Linux 5.15). Of
    /// a symbolic link it is the link that gets one.
    ///
    /// # Errors
    /// - `EEXIST`: the new name is taken.
    /// - `ENOENT`: there is none of the old name, or a directory of a path is missing. `ENOTDIR`: a
    ///   part of a path is no directory.
    /// - `EXDEV`: on two file systems, or two mounts.
    /// - `EPERM`: a directory, a file that is not yours (`fs.protected_hardlinks`), or a file
    ///   system without hard links. `EMLINK` (31): it has too many names.
    /// - `EACCES`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122): no room for the name.
    /// - `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for [`open`](Self::open).
    ///
    /// See [linkat(2)](https://man7.org/linux/man-pages/man2/linkat.2.html),
    /// [io_uring_prep_linkat(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_linkat.3.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let link = engine.hard_link("Cargo.toml", "src");
    /// let error = futures::executor::block_on(link).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "linkat")]
    #[doc(alias = "IORING_OP_LINKAT")]
    pub fn hard_link(&self, old: impl AsRef<Path>, new: impl AsRef<Path>) -> Op<Move> {
        let (old, new) = ((Anchor::CWD, old.as_ref()), (Anchor::CWD, new.as_ref()));
        op_on(self, Move::hard_link(old, new))
    }

    /// Makes a symbolic link at `path` that points to `target`, which need not exist, and which
    /// begins at the link's own directory if it is relative (`symlinkat(2)`; `IORING_OP_SYMLINKAT`,
    /// Linux 5.15). The order is that of [`std::os::unix::fs::symlink`].
    ///
    /// # Errors
    /// - `EEXIST`: the name is taken.
    /// - `ENOENT`: a directory of the path is missing, or the target is empty. `ENOTDIR`: a part of
    ///   the path is no directory.
    /// - `EACCES`, `EPERM`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122): no room.
    /// - `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for [`open`](Self::open).
    ///
    /// See [symlinkat(2)](https://man7.org/linux/man-pages/man2/symlinkat.2.html),
    /// <https://man7.org/linux/man-pages/man3/io_uring_prep_symlinkat.3.html>.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let link = engine.symlink("anywhere", "src");
    /// let error = futures::executor::block_on(link).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "symlinkat")]
    #[doc(alias = "IORING_OP_SYMLINKAT")]
    pub fn symlink(&self, target: impl AsRef<Path>, path: impl AsRef<Path>) -> Op<Symlink> {
        op_on(self, Symlink::new(target.as_ref(), Anchor::CWD, path.as_ref()))
    }

    /// Removes a name of a file, of any kind but a directory (`unlinkat(2)`;
    /// `IORING_OP_UNLINKAT`, Linux 5.11). The file itself goes when it has no name left and nobody
    /// has it open.
    ///
    /// # Errors
    /// - `ENOENT`: no such name.
    /// - `EISDIR`: a directory: [`remove_dir`](Self::remove_dir). `ENOTDIR`: a part of the path is
    ///   none.
    /// - `EACCES`, `EPERM`, `EROFS`: not allowed, or immutable. `EBUSY`: in use by the system.
    /// - `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for [`open`](Self::open).
    ///
    /// See [unlinkat(2)](https://man7.org/linux/man-pages/man2/unlinkat.2.html),
    /// <https://man7.org/linux/man-pages/man3/io_uring_prep_unlinkat.3.html>.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let error = futures::executor::block_on(engine.remove_file("src")).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EISDIR));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "unlink")]
    #[doc(alias = "IORING_OP_UNLINKAT")]
    pub fn remove_file(&self, path: impl AsRef<Path>) -> Op<Change> {
        op_on(self, Change::remove_file(Anchor::CWD, path.as_ref()))
    }

    /// Removes an empty directory (`unlinkat(2)` with `AT_REMOVEDIR`; `IORING_OP_UNLINKAT`, Linux
    /// 5.11).
    ///
    /// # Errors
    /// - `ENOENT`: no such name. `ENOTDIR`: it, or a part of the path, is no directory.
    /// - `ENOTEMPTY`: there is something in it.
    /// - `EINVAL`: the last part of the path is `.`.
    /// - `EACCES`, `EPERM`, `EROFS`: not allowed. `EBUSY`: in use by the system, or mounted upon.
    /// - `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for [`open`](Self::open).
    ///
    /// See [rmdir(2)](https://man7.org/linux/man-pages/man2/rmdir.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let error = futures::executor::block_on(engine.remove_dir("src")).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::ENOTEMPTY));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "rmdir")]
    pub fn remove_dir(&self, path: impl AsRef<Path>) -> Op<Change> {
        op_on(self, Change::remove_dir(Anchor::CWD, path.as_ref()))
    }

    /// Makes a directory that all may use whom the umask lets (`mkdirat(2)`; `IORING_OP_MKDIRAT`,
    /// Linux 5.15).
    ///
    /// # Errors
    /// - `EEXIST`: the name is taken.
    /// - `ENOENT`: a directory of the path is missing: [`create_dir_all`](Self::create_dir_all).
    ///   `ENOTDIR`: a part of the path is none.
    /// - `EACCES`, `EPERM`, `EROFS`: not allowed. `ENOSPC`, `EDQUOT` (122), `EMLINK` (31): no room.
    /// - `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for [`open`](Self::open).
    ///
    /// See [mkdirat(2)](https://man7.org/linux/man-pages/man2/mkdirat.2.html),
    /// [io_uring_prep_mkdirat(3)](https://man7.org/linux/man-pages/man3/io_uring_prep_mkdirat.3.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let error = futures::executor::block_on(engine.create_dir("src")).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "mkdir")]
    #[doc(alias = "IORING_OP_MKDIRAT")]
    pub fn create_dir(&self, path: impl AsRef<Path>) -> Op<Change> {
        self.create_dir_with(path, DIR_MODE)
    }

    /// Makes a directory with the permissions `mode`, from which the umask is taken.
    ///
    /// # Errors
    /// Those of [`create_dir`](Self::create_dir).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let path = std::env::temp_dir().join(format!("annulus-mode-{}", std::process::id()));
    /// block_on(engine.create_dir_with(&path, 0o700))?;
    /// assert_eq!(block_on(engine.metadata(&path))?.mode() & 0o777, 0o700);
    /// block_on(engine.remove_dir(&path))?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create_dir_with(&self, path: impl AsRef<Path>, mode: u32) -> Op<Change> {
        op_on(self, Change::create_dir(Anchor::CWD, path.as_ref(), mode))
    }
}
