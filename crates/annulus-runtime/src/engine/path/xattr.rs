//! Extended attributes, by path and of an open file.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use annulus_ring::abi::{Sqe, XattrFlags, private};
use annulus_ring::{Errno, op};

use super::name::Name;
use super::{PathError, op_on};
use crate::engine::file::OpenFile;
use crate::engine::{Engine, File, Op};
use crate::error::Error;
use crate::operation::{Advance, Completion, Operation};

/// How long a value is that needs no second question.
pub(super) const SHORT_BYTES: usize = 256;
/// How long a value may be (`XATTR_SIZE_MAX`).
pub(super) const LONG_BYTES: usize = 65_536;

/// Whose attribute it is: [`File`]'s, or a path's.
pub trait Owner: sealed::Owner {}

impl<O: sealed::Owner> Owner for O {}

pub(super) mod sealed {
    use super::*;

    /// What [`super::Owner`] says, for this crate alone.
    ///
    /// # Safety
    /// - What the entries point to and name is owned by `self`, and stays where it is when that is
    ///   moved.
    pub unsafe trait Owner: Send + 'static {
        /// How an operation on it fails.
        type Error;

        /// What is wrong with it: a completion in place of the kernel's.
        fn refusal(&self) -> Option<Completion>;

        /// The entry that reads the attribute.
        fn get(&self, name: &Name, value: *mut u8, len: u32) -> Sqe;

        /// The entry that sets the attribute.
        fn set(&self, name: &Name, value: &[u8], flags: XattrFlags) -> Sqe;

        /// The entry that lists the names.
        fn list(&self, to: *mut u8, len: u32) -> Sqe;

        /// The entry that removes the attribute.
        fn remove(&self, name: &Name) -> Sqe;

        /// The failure of `doing` something with the attribute `name`.
        fn error(self, at: &Completion, errno: Errno, name: Name, doing: Doing) -> Self::Error;
    }

    /// What failed.
    #[derive(Clone, Copy, Debug)]
    pub enum Doing {
        /// Reading.
        Get,
        /// Setting.
        Set,
        /// Listing.
        List,
        /// Removing.
        Remove,
    }

    impl Doing {
        /// In words.
        pub(super) fn text(self) -> &'static str {
            match self {
                Self::Get => "read an attribute of",
                Self::Set => "set an attribute of",
                Self::List => "list the attributes of",
                Self::Remove => "remove an attribute of",
            }
        }
    }
}
use sealed::Doing;

/// The file at a path.
#[derive(Debug)]
pub struct ByPath(pub(super) Name);

// SAFETY: the path is owned here, on the heap.
unsafe impl sealed::Owner for ByPath {
    type Error = PathError;

    fn refusal(&self) -> Option<Completion> {
        self.0.refusal()
    }

    fn get(&self, name: &Name, value: *mut u8, len: u32) -> Sqe {
        op::GetXattr::new(self.0.as_ptr(), name.as_ptr(), value, len).build()
    }

    fn set(&self, name: &Name, value: &[u8], flags: XattrFlags) -> Sqe {
        let (path, len) = (self.0.as_ptr(), length(value));
        op::SetXattr::new(path, name.as_ptr(), value.as_ptr(), len).flags(flags).build()
    }

    fn list(&self, to: *mut u8, len: u32) -> Sqe {
        private::listxattr(self.0.as_ptr(), to, len)
    }

    fn remove(&self, name: &Name) -> Sqe {
        private::removexattr(self.0.as_ptr(), name.as_ptr())
    }

    fn error(self, at: &Completion, errno: Errno, name: Name, doing: Doing) -> PathError {
        let invalid = self.0.invalid().or(name.invalid());
        PathError::of(at, errno, invalid, doing.text(), self.0)
    }
}

/// An open file.
#[derive(Debug)]
pub struct ByFile(pub(super) Arc<OpenFile>);

// SAFETY: the descriptor is kept open here.
unsafe impl sealed::Owner for ByFile {
    type Error = Error;

    fn refusal(&self) -> Option<Completion> {
        None
    }

    fn get(&self, name: &Name, value: *mut u8, len: u32) -> Sqe {
        op::FGetXattr::new(self.0.raw(), name.as_ptr(), value, len).build()
    }

    fn set(&self, name: &Name, value: &[u8], flags: XattrFlags) -> Sqe {
        let (file, len) = (self.0.raw(), length(value));
        op::FSetXattr::new(file, name.as_ptr(), value.as_ptr(), len).flags(flags).build()
    }

    fn list(&self, to: *mut u8, len: u32) -> Sqe {
        private::flistxattr(self.0.raw(), to, len)
    }

    fn remove(&self, name: &Name) -> Sqe {
        private::fremovexattr(self.0.raw(), name.as_ptr())
    }

    fn error(self, at: &Completion, errno: Errno, name: Name, _: Doing) -> Error {
        name.invalid().map_or_else(|| Error::of(at, errno), Error::invalid)
    }
}

/// A value's length for an entry: one that does not fit is longer than any may be.
fn length(value: &[u8]) -> u32 {
    u32::try_from(value.len()).unwrap_or(u32::MAX)
}

/// Reading an extended attribute: see [`Engine::get_xattr`].
#[derive(Debug)]
pub struct GetXattr<O> {
    owner: O,
    name: Name,
    value: Vec<u8>,
}

// SAFETY: the entry points to name and value, on the heap and owned here, and to what the owner has
// (its promise).
unsafe impl<O: Owner> Operation for GetXattr<O> {
    type Output = Result<Option<Vec<u8>>, O::Error>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.owner.refusal().or_else(|| self.name.refusal())
    }

    fn entry(&mut self) -> Sqe {
        let room = self.value.capacity().min(LONG_BYTES) as u32;
        self.owner.get(&self.name, self.value.as_mut_ptr(), room)
    }

    fn advances(&self) -> bool {
        true
    }

    fn advance(&mut self, completion: &mut Completion) -> Advance {
        let is_short = self.value.capacity() < LONG_BYTES;
        if completion.result == Err(Errno::ERANGE) && is_short && self.name.is_valid() {
            // Room for any value: whoever sets another one meanwhile makes no difference.
            self.value.reserve_exact(LONG_BYTES);
            return Advance::Again;
        }
        Advance::Finished
    }

    fn complete(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(len) => {
                let len = (len as usize).min(self.value.capacity());
                // SAFETY: the kernel wrote so many bytes, from the first on.
                unsafe { self.value.set_len(len) };
                self.value.shrink_to_fit();
                Ok(Some(self.value))
            }
            Err(Errno::ENODATA) => Ok(None),
            Err(errno) => Err(self.owner.error(&completion, errno, self.name, Doing::Get)),
        }
    }

    fn reclaim(self, _: Completion) {
        // A value that nobody waits for goes with its buffer.
    }
}

/// Setting an extended attribute: see [`Engine::set_xattr`].
#[derive(Debug)]
pub struct SetXattr<O> {
    owner: O,
    name: Name,
    value: Vec<u8>,
    flags: XattrFlags,
}

// SAFETY: the entry points to name and value, on the heap and owned here, and to what the owner has
// (its promise).
unsafe impl<O: Owner> Operation for SetXattr<O> {
    type Output = Result<(), O::Error>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.owner.refusal().or_else(|| self.name.refusal())
    }

    fn entry(&mut self) -> Sqe {
        self.owner.set(&self.name, &self.value, self.flags)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let set = completion.result.map(drop);
        set.map_err(|errno| self.owner.error(&completion, errno, self.name, Doing::Set))
    }

    fn reclaim(self, _: Completion) {
        // What was set stays so.
    }
}

fn get<O>(owner: O, name: impl AsRef<OsStr>) -> GetXattr<O> {
    let name = Name::new(PathBuf::from(name.as_ref()));
    GetXattr { owner, name, value: Vec::with_capacity(SHORT_BYTES) }
}

fn set<O>(
    owner: O,
    name: impl AsRef<OsStr>,
    value: impl Into<Vec<u8>>,
    flags: XattrFlags,
) -> SetXattr<O> {
    let name = Name::new(PathBuf::from(name.as_ref()));
    SetXattr { owner, name, value: value.into(), flags }
}

impl Engine {
    /// The extended attribute `name` of the file at `path`, if it has it; a symbolic link is
    /// followed (`getxattr(2)`; `IORING_OP_GETXATTR`, Linux 5.19).
    ///
    /// # Errors
    /// - `EOPNOTSUPP`: the file system has none, or none of this kind (`user.`, `trusted.`, …).
    /// - `ERANGE` (34): the name is empty, or longer than 255 bytes.
    /// - `EACCES`, `EPERM`: not allowed.
    /// - `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for
    ///   [`open`](Self::open).
    ///
    /// See [getxattr(2)](https://man7.org/linux/man-pages/man2/getxattr.2.html),
    /// <https://man7.org/linux/man-pages/man3/io_uring_prep_getxattr.3.html>.
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// match futures::executor::block_on(engine.get_xattr("Cargo.toml", "user.none")) {
    ///     Ok(value) => assert_eq!(value, None),
    ///     Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_GETXATTR")]
    pub fn get_xattr(
        &self,
        path: impl AsRef<Path>,
        name: impl AsRef<OsStr>,
    ) -> Op<GetXattr<ByPath>> {
        op_on(self, get(ByPath(Name::new(path)), name))
    }

    /// Sets the extended attribute `name` of the file at `path`; a symbolic link is followed
    /// (`setxattr(2)`; `IORING_OP_SETXATTR`, Linux 5.19).
    ///
    /// # Errors
    /// Those of [`get_xattr`](Self::get_xattr), and:
    /// - `EEXIST`: it is there, and `flags` have `CREATE`. `ENODATA`: it is not, and they have
    ///   `REPLACE`.
    /// - `E2BIG`: the value is longer than 65536 bytes. `ENOSPC`, `EDQUOT` (122): no room for it.
    /// - `EPERM`: `user.` on what is neither a file nor a directory, `trusted.` without the right,
    ///   or an immutable file. `EROFS`: a read-only file system.
    ///
    /// See [setxattr(2)](https://man7.org/linux/man-pages/man2/setxattr.2.html),
    /// <https://man7.org/linux/man-pages/man3/io_uring_prep_setxattr.3.html>.
    ///
    /// ```
    /// use annulus_ring::{Errno, abi::XattrFlags};
    /// let engine = annulus_runtime::Engine::new()?;
    /// let set = engine.set_xattr("no/such/file", "user.a", "ring", XattrFlags::empty());
    /// let error = futures::executor::block_on(set).unwrap_err();
    /// assert_eq!(error.errno(), Some(Errno::ENOENT));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_SETXATTR")]
    pub fn set_xattr(
        &self,
        path: impl AsRef<Path>,
        name: impl AsRef<OsStr>,
        value: impl Into<Vec<u8>>,
        flags: XattrFlags,
    ) -> Op<SetXattr<ByPath>> {
        op_on(self, set(ByPath(Name::new(path)), name, value, flags))
    }
}

/// # Extended attributes
impl File {
    /// The extended attribute `name`, if the file has it (`fgetxattr(2)`; `IORING_OP_FGETXATTR`,
    /// Linux 5.19).
    ///
    /// # Errors
    /// - `EOPNOTSUPP`: the file system has none, or none of this kind. `EACCES`, `EPERM`: not
    ///   allowed. `EBADF`: opened as a name only.
    /// - `ERANGE` (34): the name is empty, or longer than 255 bytes.
    /// - Of kind `InvalidInput`, without a number: there is a zero byte in the name.
    ///
    /// See [fgetxattr(2)](https://man7.org/linux/man-pages/man2/fgetxattr.2.html).
    ///
    /// ```
    /// use annulus_ring::Errno;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// match futures::executor::block_on(file.get_xattr("user.none")) {
    ///     Ok(value) => assert_eq!(value, None),
    ///     Err(error) => assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP)),
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fgetxattr")]
    #[doc(alias = "IORING_OP_FGETXATTR")]
    pub fn get_xattr(&self, name: impl AsRef<OsStr>) -> Op<GetXattr<ByFile>> {
        self.op(get(ByFile(self.open()), name))
    }

    /// Sets the extended attribute `name` (`fsetxattr(2)`; `IORING_OP_FSETXATTR`, Linux 5.19).
    ///
    /// # Errors
    /// Those of [`get_xattr`](Self::get_xattr), and those that [`Engine::set_xattr`] adds.
    ///
    /// See [fsetxattr(2)](https://man7.org/linux/man-pages/man2/fsetxattr.2.html).
    ///
    /// ```
    /// use annulus_ring::{Errno, abi::XattrFlags};
    /// let engine = annulus_runtime::Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let set = file.set_xattr("user.none", "ring", XattrFlags::REPLACE);
    /// let error = futures::executor::block_on(set).unwrap_err();
    /// assert!(matches!(error.errno(), Some(Errno::ENODATA | Errno::EOPNOTSUPP)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fsetxattr")]
    #[doc(alias = "IORING_OP_FSETXATTR")]
    pub fn set_xattr(
        &self,
        name: impl AsRef<OsStr>,
        value: impl Into<Vec<u8>>,
        flags: XattrFlags,
    ) -> Op<SetXattr<ByFile>> {
        self.op(set(ByFile(self.open()), name, value, flags))
    }
}
