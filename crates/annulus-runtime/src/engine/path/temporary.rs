//! [`Temporary`]: the name of a file that goes away unless it is kept.

use core::fmt;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use annulus_ring::abi::{OpenFlags, Sqe};
use annulus_ring::kernel::Descriptors;
use annulus_ring::op;

use super::name::Name;
use super::open::adopt;
use super::{Dir, PathError, op_on};
use crate::engine::Op;
use crate::engine::file::OpenFile;
use crate::operation::{Completion, Operation};
use crate::port::Ports;

/// The name of a file that was made to be there for a while: when this is dropped the name is
/// removed, on this thread, whether its runtime is still there or not. [`keep`](Self::keep) leaves
/// it.
///
/// If it was renamed meanwhile, nothing of that name is there, and nothing is removed.
///
/// ```
/// use futures::executor::block_on;
/// let engine = annulus_runtime::Engine::new()?;
/// let dir = block_on(engine.open_dir(std::env::temp_dir()))?;
/// let name = format!("annulus-temporary-{}", std::process::id());
/// let (_file, temporary) = block_on(dir.create_temporary(&name, 0o600))?;
/// assert!(block_on(dir.exists(&name))?);
/// drop(temporary);
/// assert!(!block_on(dir.exists(&name))?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "dropped, it removes the file"]
pub struct Temporary(Option<Kept>);

/// What is needed to remove it.
struct Kept {
    dir: Arc<OpenFile>,
    name: Name,
    /// A child of `fork(2)` leaves the parent's file alone.
    ports: Arc<Ports>,
}

impl Temporary {
    /// Leaves the name where it is.
    ///
    /// ```
    /// # use futures::executor::block_on;
    /// # let engine = annulus_runtime::Engine::new()?;
    /// # let dir = block_on(engine.open_dir(std::env::temp_dir()))?;
    /// # let name = format!("annulus-kept-{}", std::process::id());
    /// let (_file, temporary) = block_on(dir.create_temporary(&name, 0o600))?;
    /// temporary.keep();
    /// block_on(dir.remove_file(&name))?; // it is there
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let Some(Kept { dir, name, ports }) = self.0.take() else { return };
        if ports.is_forked() {
            return;
        }
        let unlink = op::UnlinkAt::new(op::At::from(dir.raw()), name.as_ptr()).build();
        // SAFETY: the path and the directory outlive the call.
        let _ = unsafe { dir.kernel().perform(&unlink) };
    }
}

impl fmt::Debug for Temporary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Temporary").field(&self.0.as_ref().map(|kept| &kept.name)).finish()
    }
}

/// Making a file for a while: see [`Dir::create_temporary`].
pub struct CreateTemporary {
    kept: Kept,
    mode: u32,
}

// SAFETY: the entry points to the name, which is owned here, and names a directory that is kept
// open here.
unsafe impl Operation for CreateTemporary {
    type Output = Result<(OwnedFd, Temporary), PathError>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        self.kept.name.refusal()
    }

    fn entry(&mut self) -> Sqe {
        let flags = OpenFlags::RDWR | OpenFlags::CREAT | OpenFlags::EXCL | OpenFlags::CLOEXEC;
        let at = op::At::from(self.kept.dir.raw());
        op::OpenAt::new(at, self.kept.name.as_ptr()).flags(flags).mode(self.mode).build()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        let name = self.kept.name;
        match completion.result {
            Ok(raw) => {
                // SAFETY: an open's result, and this is the one call that takes it.
                let fd = unsafe { adopt(raw) };
                Ok((fd.into(), Temporary(Some(Kept { name, ..self.kept }))))
            }
            Err(errno) => {
                let invalid = name.invalid();
                Err(PathError::of(&completion, errno, invalid, "create", name))
            }
        }
    }

    fn reclaim(self, completion: Completion) {
        if let Ok(raw) = completion.result {
            // SAFETY: an open's result, and this is the one call that takes it.
            drop(unsafe { adopt(raw) });
            drop(Temporary(Some(self.kept)));
        }
    }
}

impl fmt::Debug for CreateTemporary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CreateTemporary").field(&self.kept.name).finish()
    }
}

impl Dir {
    /// Makes a new file to read and write, which is removed again unless it is
    /// [kept](Temporary::keep): also if this future is dropped when the file was made already.
    ///
    /// # Errors
    /// - `EEXIST`: there is something of that name: take another.
    /// - Those of [`Engine::open`](crate::Engine::open) where a file is made.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let dir = block_on(engine.open_dir("."))?;
    /// let error = block_on(dir.create_temporary("Cargo.toml", 0o600)).unwrap_err();
    /// assert_eq!(error.errno(), Some(annulus_ring::Errno::EEXIST));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn create_temporary(&self, name: impl AsRef<Path>, mode: u32) -> Op<CreateTemporary> {
        let ports = Arc::clone(self.file().engine().ports());
        let kept = Kept { dir: self.file().open(), name: Name::new(name), ports };
        op_on(self.file().engine(), CreateTemporary { kept, mode: mode & 0o7777 })
    }
}
