//! Reading where a symbolic link points.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use annulus_ring::abi::{Sqe, private};

use super::name::Name;
use super::{Anchor, Dir, PathError, op_on};
use crate::engine::{Engine, Op};
use crate::operation::{Advance, Completion, Operation};

/// Room for most.
const FIRST_BYTES: usize = 256;
/// Room for any: a path, and a link, is shorter than that.
const ALL_BYTES: usize = 4096;

/// Reading a symbolic link: see [`Engine::read_link`].
#[derive(Debug)]
pub struct ReadLink {
    anchor: Anchor,
    name: Name,
    target: Vec<u8>,
}

impl ReadLink {
    fn new(anchor: Anchor, path: &Path) -> Self {
        Self { anchor, name: Name::new(path), target: vec![0; FIRST_BYTES] }
    }
}

// SAFETY: the entry points to path and target, on the heap and owned here, and names a directory
// that is kept open here.
unsafe impl Operation for ReadLink {
    type Output = Result<PathBuf, PathError>;
    const IS_PRIVATE: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.name.refusal()
    }

    fn entry(&mut self) -> Sqe {
        let (at, path) = (self.anchor.at().fd(), self.name.as_ptr());
        private::readlinkat(at, path, self.target.as_mut_ptr(), self.target.len() as u32)
    }

    fn advances(&self) -> bool {
        true
    }

    fn advance(&mut self, completion: &mut Completion) -> Advance {
        let fills = completion.result == Ok(self.target.len() as u32);
        if fills && self.target.len() < ALL_BYTES {
            // It may be longer.
            self.target.resize(ALL_BYTES, 0);
            return Advance::Again;
        }
        Advance::Finished
    }

    fn complete(mut self, completion: Completion) -> Self::Output {
        match completion.result {
            Ok(bytes) => {
                self.target.truncate(bytes as usize);
                Ok(PathBuf::from(OsString::from_vec(self.target)))
            }
            Err(errno) => {
                let invalid = self.name.invalid();
                Err(PathError::of(&completion, errno, invalid, "read the link", self.name))
            }
        }
    }

    fn reclaim(self, _: Completion) {
        // What was read goes with it.
    }
}

/// # Links
impl Engine {
    /// Where the symbolic link at `path` points (`readlinkat(2)`, by a thread: see
    /// [`IS_PRIVATE`](Operation::IS_PRIVATE)).
    ///
    /// # Errors
    /// - `ENOENT`: no such name. `EINVAL`: it is no symbolic link.
    /// - `ENOTDIR`, `EACCES`, `ELOOP`, `ENAMETOOLONG`, and a zero byte: as for
    ///   [`open`](Self::open).
    /// - `EIO`: the device failed.
    ///
    /// See [readlink(2)](https://man7.org/linux/man-pages/man2/readlink.2.html).
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// assert_eq!(block_on(engine.read_link("/proc/self/exe"))?, std::env::current_exe()?);
    /// let error = block_on(engine.read_link("Cargo.toml")).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::EINVAL));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "readlink")]
    pub fn read_link(&self, path: impl AsRef<Path>) -> Op<ReadLink> {
        op_on(self, ReadLink::new(Anchor::CWD, path.as_ref()))
    }
}

/// # Links
impl Dir {
    /// As [`Engine::read_link`], beginning here.
    ///
    /// # Errors
    /// Those of [`Engine::read_link`].
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("/proc/self"))?;
    /// assert_eq!(block_on(dir.read_link("exe"))?, std::env::current_exe()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_link(&self, path: impl AsRef<Path>) -> Op<ReadLink> {
        op_on(self.engine(), ReadLink::new(self.anchor(), path.as_ref()))
    }
}
