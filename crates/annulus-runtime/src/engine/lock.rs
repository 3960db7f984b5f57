//! Locks on files.

use std::sync::Arc;

use annulus_ring::Errno;
use annulus_ring::abi::Sqe;
use annulus_ring::abi::private::{self, FlockOperation};
use annulus_ring::kernel::Descriptors;

use super::file::OpenFile;
use super::helper::Helper;
use super::{File, Op};
use crate::error::Error;
use crate::operation::{Completion, Operation};

/// Locking a file, or unlocking it: see [`File::lock`].
#[derive(Debug)]
pub struct Lock {
    file: Arc<OpenFile>,
    operation: FlockOperation,
}

/// Unlocks a file, whoever still has it open.
fn unlock(file: &OpenFile) {
    let entry = private::flock(file.raw(), FlockOperation::UN);
    // SAFETY: the entry points to nothing.
    let unlocked = unsafe { file.kernel().perform(&entry) };
    debug_assert!(unlocked.is_ok(), "{unlocked:?}");
}

// SAFETY: the entry points to nothing, and names a descriptor that is kept open here.
unsafe impl Operation for Lock {
    type Output = Result<(), Error>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        private::flock(self.file.raw(), self.operation)
    }

    fn complete(self, completion: Completion) -> Self::Output {
        completion.outcome().map(drop)
    }

    fn reclaim(self, completion: Completion) {
        let locks = self.operation != FlockOperation::UN;
        if completion.result.is_err() || !locks {
            return;
        }
        // Nobody knows that it was got, and other handles may keep the file open for long.
        if self.file.is_local() {
            unlock(&self.file);
        } else {
            // A server is told: not by the thread that everybody waits for. Without another one the
            // lock goes with the last handle.
            let _ = Helper::start(move || {
                unlock(&self.file);
                Ok(0)
            });
        }
    }
}

/// Locking a file without waiting: see [`File::try_lock`].
#[derive(Debug)]
pub struct TryLock(Lock);

// SAFETY: all of it is the other's, which is in `self`.
unsafe impl Operation for TryLock {
    type Output = Result<bool, Error>;
    const IS_PRIVATE: bool = true;

    fn entry(&mut self) -> Sqe {
        self.0.entry()
    }

    fn complete(self, completion: Completion) -> Self::Output {
        if completion.result == Err(Errno::EAGAIN) {
            return Ok(false);
        }
        self.0.complete(completion).map(|()| true)
    }

    fn reclaim(self, completion: Completion) {
        self.0.reclaim(completion);
    }
}

/// # Locks
///
/// They are advice (`flock(2)`): those who do not ask read and write all the same. A lock belongs
/// to the open file, which all clones of a handle are, and ends with the last of them; who opens
/// the file again, in this process too, is another.
///
/// io_uring has no operation for it: a thread waits (see
/// [`IS_PRIVATE`](Operation::IS_PRIVATE)). In a chain ([`Op::then`]) these fail with `EINVAL`.
impl File {
    /// Waits until nobody else has a lock, and has it alone. A shared one that it had is given up
    /// first. Dropped or cancelled while it waits it has none, and if it got it, unlocks.
    ///
    /// # Errors
    /// - `ENOLCK` (37): the kernel, or the server, has no memory for locks.
    /// - `EOPNOTSUPP`, `EINVAL`: the file system, or this kind of file, has no locks. On a server
    ///   that has (NFS), `EBADF`: the file is not open for writing.
    /// - [Those of every operation](File#errors-of-every-operation).
    ///
    /// See [flock(2)](https://man7.org/linux/man-pages/man2/flock.2.html).
    ///
    /// ```
    /// use annulus_runtime::Engine;
    /// use futures::executor::block_on;
    /// # let path = std::env::temp_dir().join(format!("annulus-lock-{}", std::process::id()));
    /// let engine = Engine::new()?;
    /// let (one, other) = (std::fs::File::create(&path)?, std::fs::File::open(&path)?);
    /// let (one, other) = (engine.file(one), engine.file(other));
    /// block_on(one.lock())?;
    /// assert!(!block_on(other.try_lock())?);
    /// block_on(one.unlock())?;
    /// assert!(block_on(other.try_lock())?);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "flock")]
    pub fn lock(&self) -> Op<Lock> {
        self.op(Lock { file: self.open(), operation: FlockOperation::EX })
    }

    /// Waits until nobody else has it alone, and shares it with who else shares it.
    ///
    /// # Errors
    /// Those of [`lock`](Self::lock); on a server, `EBADF`: the file is not open for reading.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// let engine = annulus_runtime::Engine::new()?;
    /// let open = || std::fs::File::open("Cargo.toml").map(|file| engine.file(file));
    /// let (one, other) = (open()?, open()?);
    /// block_on(one.lock_shared())?;
    /// assert!(block_on(other.try_lock_shared())?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lock_shared(&self) -> Op<Lock> {
        self.op(Lock { file: self.open(), operation: FlockOperation::SH })
    }

    /// Has the lock alone, unless somebody else has one: whether it has.
    ///
    /// # Errors
    /// Those of [`lock`](Self::lock).
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("annulus-try-{}", std::process::id()));
    /// let file = annulus_runtime::Engine::new()?.file(std::fs::File::create(&path)?);
    /// assert!(futures::executor::block_on(file.try_lock())?);
    /// # std::fs::remove_file(&path)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_lock(&self) -> Op<TryLock> {
        self.op(TryLock(Lock { file: self.open(), operation: FlockOperation::EX_NB }))
    }

    /// Shares it, unless somebody else has it alone: whether it does.
    ///
    /// # Errors
    /// Those of [`lock_shared`](Self::lock_shared).
    ///
    /// ```
    /// let file = annulus_runtime::Engine::new()?.file(std::fs::File::open("src/lib.rs")?);
    /// assert!(futures::executor::block_on(file.try_lock_shared())?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_lock_shared(&self) -> Op<TryLock> {
        self.op(TryLock(Lock { file: self.open(), operation: FlockOperation::SH_NB }))
    }

    /// Gives up the lock, if it has one.
    ///
    /// # Errors
    /// Those of [`lock`](Self::lock).
    ///
    /// ```
    /// let file = annulus_runtime::Engine::new()?.file(std::fs::File::open("Cargo.toml")?);
    /// assert!(futures::executor::block_on(file.unlock()).is_ok());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unlock(&self) -> Op<Lock> {
        self.op(Lock { file: self.open(), operation: FlockOperation::UN })
    }
}
