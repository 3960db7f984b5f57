//! Locks on a [`File`], which others who ask for them heed.

use std::fs::TryLockError;

use annulus_runtime::LocalOp;
use annulus_runtime::engine::ops::Lock;

use super::File;

/// # Locks
///
/// They are advice (`flock(2)`): who does not ask reads and writes all the same. A lock belongs to
/// the open file, which its clones share, and ends with the last of them. Who opens the file again,
/// in this program too, is another.
///
/// io_uring has no operation for it: a thread waits.
impl File {
    /// Waits until nobody else has a lock, and has it alone. A shared one that it had is given up
    /// first.
    ///
    /// *Resumable*: dropped, there is no lock; one that was got all the same is given up.
    ///
    /// # Errors
    /// - `ENOLCK` (37): no memory for locks. `EOPNOTSUPP`, `EINVAL`: the file system, or this kind
    ///   of file, has none. `EBADF`: on a server (NFS), and not open for writing.
    ///
    /// See [flock(2)](https://man7.org/linux/man-pages/man2/flock.2.html).
    ///
    /// ```
    /// use annulus::fs::{self, File, TryLockError};
    /// let path = std::env::temp_dir().join(format!("annulus-lock-{}", std::process::id()));
    /// annulus::run(async {
    ///     let (one, other) = (File::create(&path).await?, File::open(&path).await?);
    ///     one.lock().await?;
    ///     assert!(matches!(other.try_lock().await, Err(TryLockError::WouldBlock)));
    ///     one.unlock().await?;
    ///     assert!(other.try_lock().await.is_ok());
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "flock")]
    pub fn lock(&self) -> LocalOp<Lock> {
        self.file.lock()
    }

    /// Waits until nobody else has it alone, and shares it with who else shares it.
    ///
    /// *Resumable*, as [`lock`](Self::lock).
    ///
    /// # Errors
    /// Those of [`lock`](Self::lock).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let (one, other) = (File::open("Cargo.toml").await?, File::open("Cargo.toml").await?);
    ///     one.lock_shared().await?;
    ///     assert!(other.try_lock_shared().await.is_ok());
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn lock_shared(&self) -> LocalOp<Lock> {
        self.file.lock_shared()
    }

    /// Has the lock alone, unless somebody else has one.
    ///
    /// *Resumable*, as [`lock`](Self::lock).
    ///
    /// # Errors
    /// - `WouldBlock`: somebody else has one. Those of [`lock`](Self::lock).
    ///
    /// ```
    /// use annulus::fs::{self, File};
    /// let path = std::env::temp_dir().join(format!("annulus-try-lock-{}", std::process::id()));
    /// annulus::run(async {
    ///     assert!(File::create(&path).await?.try_lock().await.is_ok());
    ///     fs::remove_file(&path).await?;
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn try_lock(&self) -> Result<(), TryLockError> {
        locked(self.file.try_lock().await)
    }

    /// Shares it, unless somebody else has it alone.
    ///
    /// *Resumable*, as [`lock`](Self::lock).
    ///
    /// # Errors
    /// - `WouldBlock`: somebody else has it alone. Those of [`lock`](Self::lock).
    ///
    /// ```
    /// use annulus::fs::File;
    /// let shared = annulus::run(async {
    ///     Ok::<_, std::io::Error>(File::open("src/lib.rs").await?.try_lock_shared().await.is_ok())
    /// })??;
    /// assert!(shared);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn try_lock_shared(&self) -> Result<(), TryLockError> {
        locked(self.file.try_lock_shared().await)
    }

    /// Gives up the lock, if it has one.
    ///
    /// *Cancel and discard*: done or not; the same again makes it good.
    ///
    /// # Errors
    /// Those of [`lock`](Self::lock).
    ///
    /// ```
    /// use annulus::fs::File;
    /// annulus::run(async {
    ///     let file = File::open("Cargo.toml").await?;
    ///     file.unlock().await?; // there was none
    ///     Ok::<(), std::io::Error>(())
    /// })??;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unlock(&self) -> LocalOp<Lock> {
        self.file.unlock()
    }
}

fn locked(tried: Result<bool, annulus_runtime::Error>) -> Result<(), TryLockError> {
    match tried {
        Ok(true) => Ok(()),
        Ok(false) => Err(TryLockError::WouldBlock),
        Err(error) => Err(TryLockError::Error(error.into())),
    }
}
