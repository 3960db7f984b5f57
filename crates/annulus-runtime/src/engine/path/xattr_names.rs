//! Listing and removing extended attributes, by path and of an open file.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use annulus_ring::Errno;
use annulus_ring::abi::Sqe;

use super::name::Name;
use super::op_on;
use super::xattr::sealed::Doing;
use super::xattr::{ByFile, ByPath, LONG_BYTES, Owner, SHORT_BYTES};
use crate::engine::{Engine, File, Op};
use crate::operation::{Advance, Completion, Operation};

/// Listing extended attributes: see [`Engine::list_xattr`].
#[derive(Debug)]
pub struct ListXattr<O> {
    owner: O,
    names: Vec<u8>,
}

// SAFETY: the entry points to the room for names, on the heap and owned here, and to what the owner
// has (its promise).
unsafe impl<O: Owner> Operation for ListXattr<O> {
    type Output = Result<Vec<OsString>, O::Error>;
    const IS_PRIVATE: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.owner.refusal()
    }

    fn entry(&mut self) -> Sqe {
        self.owner.list(self.names.as_mut_ptr(), self.names.len() as u32)
    }

    fn advances(&self) -> bool {
        true
    }

    fn advance(&mut self, completion: &mut Completion) -> Advance {
        if completion.result == Err(Errno::ERANGE) && self.names.len() < LONG_BYTES {
            // Room for all that there may be: whoever adds one meanwhile makes no difference.
            self.names.resize(LONG_BYTES, 0);
            return Advance::Again;
        }
        Advance::Finished
    }

    fn complete(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(bytes) => {
                self.names.truncate(bytes as usize);
                let names = self.names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
                Ok(names.map(|name| OsString::from_vec(name.to_vec())).collect())
            }
            Err(errno) => Err(self.owner.error(&completion, errno, Name::new(""), Doing::List)),
        }
    }

    fn reclaim(self, _: Completion) {
        // What was listed goes with it.
    }
}

/// Removing an extended attribute: see [`Engine::remove_xattr`].
#[derive(Debug)]
pub struct RemoveXattr<O> {
    owner: O,
    name: Name,
}

// SAFETY: the entry points to the name, on the heap and owned here, and to what the owner has (its
// promise).
unsafe impl<O: Owner> Operation for RemoveXattr<O> {
    type Output = Result<(), O::Error>;
    const IS_PRIVATE: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.owner.refusal().or_else(|| self.name.refusal())
    }

    fn entry(&mut self) -> Sqe {
        self.owner.remove(&self.name)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let removed = completion.result.map(drop);
        removed.map_err(|errno| self.owner.error(&completion, errno, self.name, Doing::Remove))
    }

    fn reclaim(self, _: Completion) {
        // What was removed is gone.
    }
}

fn list<O>(owner: O) -> ListXattr<O> {
    ListXattr { owner, names: vec![0; SHORT_BYTES] }
}

fn remove<O>(owner: O, name: impl AsRef<OsStr>) -> RemoveXattr<O> {
    RemoveXattr { owner, name: Name::new(PathBuf::from(name.as_ref())) }
}

impl Engine {
    /// The names of the extended attributes of the file at `path`; a symbolic link is followed
    /// (`listxattr(2)`, by a thread: see [`IS_PRIVATE`](Operation::IS_PRIVATE)).
    ///
    /// # Errors
    /// - `EOPNOTSUPP`: the file system has none.
    /// - `E2BIG`: they are longer than 65536 bytes together. `EACCES`, `EPERM`: not allowed.
    /// - `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for
    ///   [`open`](Self::open).
    ///
    /// See [listxattr(2)](https://man7.org/linux/man-pages/man2/listxattr.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// match futures::executor::block_on(engine.list_xattr("Cargo.toml")) {
    ///     Ok(names) => assert!(!names.iter().any(|name| name == "user.none")),
    ///     Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "listxattr")]
    pub fn list_xattr(&self, path: impl AsRef<Path>) -> Op<ListXattr<ByPath>> {
        op_on(self, list(ByPath(Name::new(path))))
    }

    /// Removes the extended attribute `name` of the file at `path`; a symbolic link is followed
    /// (`removexattr(2)`, by a thread: see [`IS_PRIVATE`](Operation::IS_PRIVATE)).
    ///
    /// # Errors
    /// - `ENODATA`: it has none of that name. `EOPNOTSUPP`: the file system has none, or none of
    ///   this kind. `ERANGE` (34): the name is empty, or longer than 255 bytes.
    /// - `EACCES`, `EPERM`: not allowed, or immutable. `EROFS`: a read-only file system.
    /// - `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for
    ///   [`open`](Self::open).
    ///
    /// See [removexattr(2)](https://man7.org/linux/man-pages/man2/removexattr.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let remove = engine.remove_xattr("no/such", "user.a");
    /// let error = futures::executor::block_on(remove).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::ENOENT));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "removexattr")]
    pub fn remove_xattr(
        &self,
        path: impl AsRef<Path>,
        name: impl AsRef<OsStr>,
    ) -> Op<RemoveXattr<ByPath>> {
        op_on(self, remove(ByPath(Name::new(path)), name))
    }
}

/// # Names of extended attributes
impl File {
    /// The names of the extended attributes of the file (`flistxattr(2)`, by a thread: see
    /// [`IS_PRIVATE`](Operation::IS_PRIVATE)).
    ///
    /// # Errors
    /// - `EOPNOTSUPP`: the file system has none. `E2BIG`: they are longer than 65536 bytes
    ///   together. `EACCES`, `EPERM`: not allowed. `EBADF`: opened as a name only.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [flistxattr(2)](https://man7.org/linux/man-pages/man2/flistxattr.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// match futures::executor::block_on(file.list_xattr()) {
    ///     Ok(names) => assert!(!names.iter().any(|name| name == "user.none")),
    ///     Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "flistxattr")]
    pub fn list_xattr(&self) -> Op<ListXattr<ByFile>> {
        self.op(list(ByFile(self.open())))
    }

    /// Removes the extended attribute `name` (`fremovexattr(2)`, by a thread: see
    /// [`IS_PRIVATE`](Operation::IS_PRIVATE)).
    ///
    /// # Errors
    /// - `ENODATA`: the file has none of that name. `EOPNOTSUPP`: the file system has none, or none
    ///   of this kind. `ERANGE` (34): the name is empty, or longer than 255 bytes.
    /// - `EACCES`, `EPERM`: not allowed, or immutable. `EROFS`: a read-only file system. `EBADF`:
    ///   opened as a name only.
    /// - Of kind `InvalidInput`, without a number: there is a zero byte in the name.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [fremovexattr(2)](https://man7.org/linux/man-pages/man2/fremovexattr.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let error = futures::executor::block_on(file.remove_xattr("user.none")).unwrap_err();
    /// assert!(matches!(error.errno(), Some(Errno::ENODATA | Errno::EOPNOTSUPP)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fremovexattr")]
    pub fn remove_xattr(&self, name: impl AsRef<OsStr>) -> Op<RemoveXattr<ByFile>> {
        self.op(remove(ByFile(self.open()), name))
    }
}
