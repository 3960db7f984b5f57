//! Words of memory that are waited on by the ring, beside everything else: futexes.
//!
//! A word is a number of 32 bits that all change as they like. Whoever finds in it what he does not
//! want [waits](Futex::wait) until it is changed; whoever changes it [wakes](Futex::wake). The
//! kernel compares before it waits, so no wake comes too early to be heard. Those who wait by the
//! ring, by the system call, by C's or another language's library wake each other.
//!
//! Between tasks of one runtime there are cheaper ways, as any channel. This is for words that
//! others have too: of other threads that do not know futures, and in memory that processes share.
//!
//! By the ring since Linux 6.7; before, waiting and waking end with `EINVAL`: there set
//! `ANNULUS_KERNEL=host`, which waits on threads.
//!
//! ```
//! use annulus::sync::futex::Futex;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU32, Ordering};
//! let word = Arc::new(AtomicU32::new(0));
//! let other = Arc::clone(&word);
//! let waited = annulus::run(async {
//!     let futex = Futex::new(Arc::clone(&word));
//!     // A thread without a runtime, which wakes by the ring of its own.
//!     let thread = std::thread::spawn(move || {
//!         other.store(1, Ordering::Release);
//!         annulus::run(async { Futex::new(other).wake(1).await })
//!     });
//!     let value = futex.wait_while(0).await;
//!     (value, thread.join().unwrap())
//! })?;
//! # if waited.0.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::InvalidInput) {
//! #     return Ok(()); // an older Linux
//! # }
//! assert_eq!(waited.0?, 1);
//! # waited.1??;
//! # Ok::<(), std::io::Error>(())
//! ```

use core::sync::atomic::{AtomicU32, Ordering};
use std::io;

use annulus_runtime::runtime::futex::{FutexWait, FutexWake};
use annulus_runtime::submit;

#[doc(no_inline)]
pub use annulus_runtime::runtime::futex::{FutexWord, MappedWord};

/// A word to wait on: an `Arc<AtomicU32>` or a `&'static AtomicU32`, of this process alone; or a
/// [`MappedWord`] of memory that others have mapped too.
///
/// ```
/// use annulus::sync::futex::Futex;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// static WORD: AtomicU32 = AtomicU32::new(7);
/// let futex = Futex::new(&WORD);
/// assert_eq!(futex.word().load(Ordering::Relaxed), 7);
/// ```
#[derive(Clone, Debug)]
pub struct Futex<W> {
    word: W,
}

impl<W: FutexWord> Futex<W> {
    /// Waits and wakes on this word.
    ///
    /// ```
    /// use annulus::sync::futex::Futex;
    /// let _futex = Futex::new(std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0)));
    /// ```
    pub fn new(word: W) -> Self {
        Self { word }
    }

    /// The word, to look at it and to change it.
    ///
    /// ```
    /// use annulus::sync::futex::Futex;
    /// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
    /// let futex = Futex::new(Arc::new(AtomicU32::new(0)));
    /// futex.word().store(1, Ordering::Release);
    /// assert_eq!(futex.word().load(Ordering::Acquire), 1);
    /// ```
    pub fn word(&self) -> &AtomicU32 {
        self.word.word()
    }

    /// Waits until somebody wakes, if the word is `value`: whether somebody did; nobody did where
    /// the word had another value, which is looked at first. Look at the word again in either case.
    ///
    /// *Cancel and discard*: the wake may have come already, and is lost then. Who hands something
    /// on by waking one, as a lock does, must look at the word after that, and wake another.
    ///
    /// # Errors
    /// - `EINVAL`: the kernel has no such operation (Linux before 6.7).
    /// - [Those of every operation](annulus_runtime::engine::File#errors-of-every-operation).
    ///
    /// By the ring (`IORING_OP_FUTEX_WAIT`, Linux 6.7). See
    /// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html).
    ///
    /// ```
    /// use annulus::sync::futex::Futex;
    /// use std::sync::{Arc, atomic::AtomicU32};
    /// let futex = Futex::new(Arc::new(AtomicU32::new(1)));
    /// let woken = annulus::run(async { futex.wait(0).await })?;
    /// # if woken.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::InvalidInput) {
    /// #     return Ok(()); // an older Linux
    /// # }
    /// assert!(!woken?, "it is not 0");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_FUTEX_WAIT")]
    pub async fn wait(&self, value: u32) -> io::Result<bool> {
        Ok(submit(FutexWait::new(self.word.clone(), value)).await?)
    }

    /// Waits until the word is not `value`: what it is then.
    ///
    /// *Cancel and discard*, as [`wait`](Self::wait).
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    ///
    /// ```
    /// use annulus::sync::futex::Futex;
    /// use std::sync::{Arc, atomic::AtomicU32};
    /// let futex = Futex::new(Arc::new(AtomicU32::new(1)));
    /// assert_eq!(annulus::run(async { futex.wait_while(0).await })??, 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub async fn wait_while(&self, value: u32) -> io::Result<u32> {
        loop {
            // Acquire: pairs with the release of whoever changed it before waking.
            let now = self.word().load(Ordering::Acquire);
            if now != value {
                return Ok(now);
            }
            self.wait(value).await?;
        }
    }

    /// Wakes at most `count` of those who wait: how many. Change the word before.
    ///
    /// *Cancel and discard*: they may be awake or not.
    ///
    /// # Errors
    /// Those of [`wait`](Self::wait).
    ///
    /// By the ring (`IORING_OP_FUTEX_WAKE`, Linux 6.7). See
    /// [futex(2)](https://man7.org/linux/man-pages/man2/futex.2.html).
    ///
    /// ```
    /// use annulus::sync::futex::Futex;
    /// use std::sync::{Arc, atomic::AtomicU32};
    /// let futex = Futex::new(Arc::new(AtomicU32::new(1)));
    /// let woken = annulus::run(async { futex.wake(u32::MAX).await })?;
    /// # if woken.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::InvalidInput) {
    /// #     return Ok(()); // an older Linux
    /// # }
    /// assert_eq!(woken?, 0, "nobody waits");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "IORING_OP_FUTEX_WAKE")]
    pub async fn wake(&self, count: u32) -> io::Result<u32> {
        Ok(submit(FutexWake::new(self.word.clone(), count)).await?)
    }
}
