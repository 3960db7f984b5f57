//! Asking for an open file's metadata.

use std::sync::Arc;

use annulus_ring::abi::{self, AtFlags, Sqe};
use annulus_ring::op;

use super::file::OpenFile;
use super::{File, Metadata, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Asking for a file's metadata: see [`File::metadata`].
#[derive(Debug)]
pub struct Stat {
    file: Arc<OpenFile>,
    found: abi::Statx,
}

impl Stat {
    /// The entry, which names the descriptor by an empty path.
    fn ask(&mut self, more: AtFlags) -> Sqe {
        let at = op::At::from(self.file.raw());
        let ask = op::Statx::new(at, c"".as_ptr(), &raw mut self.found).mask(Metadata::MASK);
        ask.flags(AtFlags::EMPTY_PATH | more).build()
    }
}

// SAFETY: the entry points to an empty string of the program's, and to `found`, which lies here and
// stays in place; the descriptor is kept open here.
unsafe impl Operation for Stat {
    type Output = Result<Metadata, Error>;
    const WAITS_IN_WORKER: bool = true;

    #[inline]
    fn may_attempt(&self) -> bool {
        true
    }

    fn attempt(&mut self) -> Option<Completion> {
        if !self.file.is_local() {
            // What is cached may be old: the server is asked, as `fstat(2)` does.
            return None;
        }
        let entry = self.ask(AtFlags::STATX_DONT_SYNC);
        // SAFETY: the path and the result outlive the call.
        unsafe { self.file.call_once(&entry) }
    }

    fn entry(&mut self) -> Sqe {
        self.ask(AtFlags::empty())
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome()?;
        let metadata = Metadata::new(self.found);
        if let Some(alignment) = metadata.dio_alignment() {
            self.file.learn_alignment(alignment);
        }
        Ok(metadata)
    }

    fn reclaim(self, _: Completion) {}
}

/// # Metadata
impl File {
    /// What is known of the file: its length, owner, times, … as `fstat(2)`.
    ///
    /// # Errors
    /// - `EIO`, `ESTALE`: the server that has the file does not answer, or has it no more.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// At once on this thread where the attributes are this kernel's own (`statx(2)`, Linux 4.11):
    /// by the ring it would take a thread of the kernel and some thirty times as long. A server's
    /// (NFS, FUSE) are asked for by the ring (`IORING_OP_STATX`, Linux 5.6).
    ///
    /// See [statx(2)](https://man7.org/linux/man-pages/man2/statx.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// let engine = Engine::new()?;
    /// let file = engine.file(std::fs::File::open("Cargo.toml")?);
    /// let metadata = futures::executor::block_on(file.metadata())?;
    /// assert_eq!(metadata.len(), std::fs::metadata("Cargo.toml")?.len());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "fstat")]
    #[doc(alias = "IORING_OP_STATX")]
    pub fn metadata(&self) -> Op<Stat> {
        self.op(Stat { file: self.open(), found: abi::Statx::default() })
    }
}
